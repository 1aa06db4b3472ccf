"""What `make test` runs, in which order, and when it passes: plan.py and test.py of tests/tools."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import plan
import platforms
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def runner(tmp_path, monkeypatch):
    """Import the runner, with its logs in another directory and without a container engine."""
    spec = importlib.util.spec_from_file_location("pyweb_runner", ROOT / "tests/tools/test.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "pyweb_runner", module)  # dataclasses looks up the module
    spec.loader.exec_module(module)
    monkeypatch.setattr(plan, "LOGS", tmp_path)
    monkeypatch.setattr(plan, "ALONE", tmp_path / "alone.lock")
    monkeypatch.setattr(plan, "ROOT", tmp_path)
    module.dockers = []
    monkeypatch.setattr(module, "docker", lambda *words: module.dockers.append(words) or "what docker says")
    return module


def names(runner, *words, **environment):
    return [step.name for step in runner.chosen(runner.all_steps(environment), list(words))]


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_all_tests_run_on_one_platform_of_each_family(runner):
    planned = names(runner)
    for platform in ("debian12", "centos9"):
        asked = {name.rsplit(" ", 1)[0] for name in planned if name.endswith(f" {platform}")}
        wanted = {
            "image",
            "faults",
            "mistakes",
            "projects",
            "doctor",
            "guest",
            "upgrade",
            "workers",
            "hostile",
            "https",
        }
        wanted |= {"load answers"}
        wanted |= {
            f"molecule {name}" for name in ("platform", "default", "changes", "sources", "standalone", "dependency")
        }
        assert asked == wanted | ({"molecule el"} if platform == "centos9" else {"load times"})


@pytest.mark.parametrize("platform", ["debian13", "centos10"])
def test_other_platforms_run_the_scenarios_platform_and_sanity(runner, platform):
    asked = [name for name in names(runner) if name.endswith(f" {platform}")]
    assert asked == [f"image {platform}", f"molecule platform {platform}", f"molecule sanity {platform}"]


def test_a_platform_from_a_registry_only_runs_if_it_is_named(runner):
    assert not [name for name in names(runner) if name.endswith((" rocky9", " ubuntu2204"))]
    assert not [name for name in names(runner, FULL="all") if name.endswith(" ubuntu2404")]
    assert "molecule default ubuntu2404" in names(runner, PLATFORMS="ubuntu2404")


def test_every_scenario_is_in_the_plan(runner):
    there = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")}
    assert there == {*plan.SCENARIOS.split(), *plan.BRIEF}


def test_make_lint_runs_the_gates_that_need_no_host(runner):
    asked = {step.name: step.command[1:] for step in runner.chosen(runner.all_steps({}), ["lint"])}
    gates = {"ansible", "yaml", "python", "format", "types", "docs", "spelling", "changelog"}
    assert {name.removeprefix("lint ") for name in asked} == {*gates, "setup"}
    pinned = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    programs = {command[0] for name, command in asked.items() if name != "setup"}
    # The hooks of pre-commit run the same programs.
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    entries = [hook["entry"].split() for hook in hooks]
    assert {entry[0] for entry in entries} == {"tests/tools/in_venv.sh"}
    assert {entry[1] for entry in entries} <= programs
    for program in programs - {"python"}:
        assert any(line.startswith(f"{program}==") for line in pinned), program


def test_full_runs_all_tests_on_the_platforms_that_it_names(runner):
    planned = names(runner, FULL="debian12 debian13 centos9 centos10")
    for platform in ("debian12", "debian13", "centos9", "centos10"):
        assert f"molecule sanity {platform}" not in planned
        assert {f"faults {platform}", f"load times {platform}", f"molecule changes {platform}"} <= set(planned)
    assert "molecule el centos10" in planned
    assert "molecule el debian13" not in planned


def test_full_can_be_all_platforms(runner):
    planned = names(runner, FULL="all")
    only = ("doctor-long", "docs-site", "sanity", "guides", "install", "matrix")
    without = [name for name in planned if not name.startswith(only)]
    assert without == names(runner, FULL=" ".join(platforms.PLATFORMS))
    assert not [name for name in planned if name.startswith("molecule sanity")]
    assert "faults debian13" in names(runner, FULL="all", PLATFORMS="debian13 centos9")


def test_the_long_table_of_the_doctor_runs_with_all_or_by_name(runner):
    long = ["doctor-long debian12", "doctor-long centos9"]
    assert [name for name in names(runner, FULL="all") if name.startswith("doctor-long")] == long
    assert not [name for name in names(runner) if name.startswith("doctor-long")]
    assert names(runner, "doctor-long")[-2:] == long
    assert not [name for name in names(runner, "doctor") if name.startswith("doctor-long")]
    step = next(step for step in runner.all_steps({}) if step.name == "doctor-long debian12")
    assert (ROOT / step.command[-1]).is_file()
    assert step.env["PYWEB_PLATFORM"] == "debian12"


def test_ansible_is_preloaded_except_in_the_brief_scenarios(runner):
    steps = [step for step in runner.all_steps({}) if step.platform and not step.name.startswith("image")]
    cold = {step.name.rpartition(" ")[0] for step in steps if "PYWEB_PRELOADED" not in step.env}
    assert cold == {"molecule platform", "molecule sanity"}


def test_the_site_of_the_documentation_is_visited_with_all_or_by_name(runner):
    steps = ["docs-site build", "docs-site browser", "docs-site"]
    assert [name for name in names(runner, FULL="all") if name.startswith("docs-site")] == steps
    assert not [name for name in names(runner) if name.startswith("docs-site")]
    assert names(runner, "docs-site") == ["setup", *steps]


def test_ansible_test_runs_with_all_or_by_name_and_the_quick_gates_always(runner):
    steps = ["sanity 2.16", "sanity 2.17", "sanity 2.18", "sanity 2.19"]
    assert names(runner, "sanity") == ["setup", *steps]
    assert set(steps) <= set(names(runner, FULL="all"))
    assert not [name for name in names(runner) if name.startswith(("sanity", "ansible-test"))]
    assert {"gates galaxy", "gates compile"} <= set(names(runner))


def test_a_platform_that_is_named_runs_all_tests(runner):
    planned = names(runner, PLATFORMS="debian13")
    assert "faults debian13" in planned
    assert "molecule default debian13" in planned
    assert not [name for name in planned if name.endswith("debian12")]


def test_a_platform_can_run_the_short_tests_only(runner):
    planned = names(runner, PLATFORMS="debian13", FULL="debian12 centos9")
    assert [name for name in planned if name.startswith(("molecule", "faults", "load"))] == [
        "molecule platform debian13",
        "molecule sanity debian13",
    ]


def test_tests_that_are_the_same_everywhere_run_once_unless_all_is_given(runner):
    def less(**environment):
        steps = [step for step in runner.all_steps(environment) if "not same_everywhere" in step.command]
        return {step.platform for step in steps}

    assert less() == {"centos9"}
    assert less(FULL="all") == less(PLATFORMS="centos9") == less(FULL="debian12 centos9") == set()


def test_a_scenario_can_be_chosen(runner):
    assert names(runner, "molecule", SCENARIOS="sanity", PLATFORMS="centos9")[-1] == "molecule sanity centos9"
    planned = names(runner, "molecule", SCENARIOS="changes")
    assert [name for name in planned if name.startswith("molecule")] == [
        "molecule changes debian12",
        "molecule changes centos9",
    ]


def test_a_word_selects_the_steps_it_needs_and_no_others(runner):
    assert names(runner, "faults", PLATFORMS="centos9") == ["setup", "engine", "image centos9", "faults centos9"]
    assert names(runner, "unit") == ["setup", "unit"]
    assert names(runner, "lint python") == ["setup", "lint python"]
    assert names(runner, "lin") == []
    assert names(runner, "https", PLATFORMS="centos9") == [
        *("setup", "engine", "image centos9", "image pebble", "https centos9")
    ]


def test_tests_that_need_a_virtual_machine_run_by_name_only(runner):
    assert not [name for name in names(runner, FULL="all") if name.startswith("vm")]
    assert names(runner, "vm") == ["setup", "engine", "image debian12", "vm qemu", "vm debian12"]
    assert names(runner, "vm", PLATFORMS="debian13") == []


def test_an_unknown_word_is_an_error_that_lists_the_known_ones(runner, capsys):
    assert runner.main(["molecul"]) == 2
    assert (
        "no step is called molecul; known: setup, engine, image, lint, unit, gates, sanity, ansible-test, faults"
        in capsys.readouterr().err
    )


def test_the_comparison_of_times_runs_last_and_alone(runner):
    plan = runner.all_steps({})
    assert [step.name for step in plan if step.env.get("PYWEB_ALONE")] == [step.name for step in plan if step.alone]
    assert [step.name for step in plan if step.alone] == ["load times debian12"] == [plan[-1].name]
    times = [step.name for step in runner.all_steps({"FULL": "all"}) if step.alone]
    assert times == [f"load times {platform}" for platform in platforms.LOCAL]


def test_parallel_steps_share_no_container_or_directory(runner):
    steps = [step for step in runner.all_steps({"PYWEB_PREFIX": "mine"}) if step.container]
    assert {step.container for step in steps} >= {"mine-default-debian12", "mine-platform-centos10"}
    assert len({step.container for step in steps}) == len({step.scratch for step in steps}) == len(steps)
    assert all(step.env["MOLECULE_EPHEMERAL_DIRECTORY"] == str(step.scratch) for step in steps)


# --- running it -------------------------------------------------------------------------------------------------------


def shell(runner, name, script, *needs, **more):
    return runner.Step(name, ["sh", "-c", script], list(needs), **more)


def test_a_failure_stops_only_the_steps_that_depend_on_it(runner, capsys):
    steps = [
        shell(runner, "bad", "echo the reason; exit 3"),
        shell(runner, "good", "echo fine"),
        shell(runner, "child", "true", "bad"),
        shell(runner, "grandchild", "true", "child"),
        shell(runner, "other", "true", "good"),
    ]
    runner.run_all(steps, jobs=2)
    assert [step.outcome for step in steps] == ["failed", "passed", "not run", "not run", "passed"]
    assert runner.report(steps) == 1
    told = capsys.readouterr().out
    assert "bad: FAILED in 0 s (exit status 3); its output:\n    the reason" in told
    assert "fine" not in told
    assert told.rstrip().endswith("2 passed, 3 failed")


def test_the_last_lines_say_what_failed_and_why(runner, capsys):
    said = "echo 'E   AssertionError: 502'; echo much; echo 'FAILED tests/x.py::test_site'; exit 1"
    steps = [shell(runner, "site", said), shell(runner, "bare", "echo 'no such host'; exit 1"), shell(runner, "n", "")]
    runner.run_all(steps, jobs=1)
    runner.report(steps)
    end = capsys.readouterr().out.split("\nsite: failed\n")[1]
    assert end.startswith("  E   AssertionError: 502\n  FAILED tests/x.py::test_site\n\nbare: failed\n  no such host\n")
    assert "much" not in end


def test_a_run_without_failures_has_status_0(runner, capsys):
    steps = [shell(runner, "good", "true")]
    runner.run_all(steps, jobs=1)
    assert runner.report(steps) == 0
    assert capsys.readouterr().out.rstrip().endswith("1 passed, 0 failed")


def test_a_step_waits_for_its_dependencies(runner, tmp_path):
    made = tmp_path / "made"
    steps = [
        shell(runner, "second", f"test -e {made}", "first"),
        shell(runner, "first", f"sleep 0.2; touch {made}"),
    ]
    runner.run_all(steps, jobs=2)
    assert [step.outcome for step in steps] == ["passed", "passed"]


def test_steps_run_in_parallel_up_to_the_number_of_jobs(runner, monkeypatch):
    most, now, lock = 0, 0, threading.Lock()

    def counted(step):
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.1)
        with lock:
            now -= 1
        step.outcome = "passed"

    monkeypatch.setattr(runner, "run", counted)
    runner.run_all([shell(runner, str(number), "true") for number in range(6)], jobs=3)
    assert most == 3


def test_a_measurement_waits_for_other_steps_and_blocks_new_ones(runner, tmp_path):
    events = tmp_path / "events"

    def noted(name, seconds=0.1):
        return f"echo +{name} >> {events}; sleep {seconds}; echo -{name} >> {events}"

    steps = [
        shell(runner, "long", noted("long", 0.5)),
        # As in tests/load/conftest.py: the setup runs in parallel to others, and the measurement alone.
        shell(runner, "load", f"echo set up >> {events}; flock {plan.ALONE} sh -c '{noted('load', 0.3)}'", alone=True),
        shell(runner, "soon", "sleep 0.1"),
        shell(runner, "late", noted("late"), "soon"),
        shell(runner, "last", noted("last"), "long"),
    ]
    runner.run_all(steps, jobs=3)
    assert {step.outcome for step in steps} == {"passed"}
    told = events.read_text(encoding="ascii").splitlines()
    assert told.index("set up") < told.index("-long") < told.index("+load")
    assert told[told.index("+load") + 1] == "-load", told


def test_a_container_is_removed_before_a_measurement_begins(runner, tmp_path, monkeypatch):
    events = tmp_path / "events"

    def removed(*words):
        time.sleep(0.3)  # as long as an engine takes, so that the measurement is already waiting
        with events.open("a", encoding="ascii") as file:
            file.write(f"{words[0]} {words[-1]}\n")
        return ""

    monkeypatch.setattr(runner, "docker", removed)
    scenario = shell(runner, "molecule sanity", "true")
    scenario.container = "sanity-here"
    measures = shell(runner, "load", f"flock {plan.ALONE} sh -c 'echo measured >> {events}'", alone=True)
    # It starts while the scenario's container is being removed.
    runner.run_all([scenario, shell(runner, "soon", "sleep 0.1"), measures], jobs=2)
    assert events.read_text(encoding="ascii").splitlines() == ["rm sanity-here", "measured"]


def pytest_step(runner, output, status=0):
    """Return a step whose pytest prints `output`."""
    return runner.Step("unit", ["sh", "-c", f"cat <<'END'\n{output}\nEND\nexit {status}", "pytest"])


@pytest.mark.parametrize(
    ("output", "passes"),
    [
        ("===== 92 passed in 275.00s (0:04:34) =====", True),
        ("============ 42 passed, 1 skipped, 2 warnings in 3.21s ============", True),
        ("===== 1 skipped in 0.10s =====", False),
        ("===== no tests ran in 0.01s =====", False),
        ("tests/unit/test_site.py ......", False),
        ("a test printed: 5 passed in 1.0s", False),
        ("", False),
    ],
)
def test_pytest_without_its_summary_has_failed(runner, capsys, output, passes):
    step = pytest_step(runner, output)
    runner.run_all([step], jobs=1)
    assert step.outcome == ("passed" if passes else "failed")
    assert ("pytest's summary is missing" in capsys.readouterr().out) is not passes


def test_a_summary_does_not_hide_a_bad_status(runner):
    step = pytest_step(runner, "===== 3 passed in 1.00s =====", status=1)
    runner.run_all([step], jobs=1)
    assert step.outcome == "failed"


def test_the_suites_are_recognized_as_runs_of_pytest(runner):
    steps = {step.name: step for step in runner.all_steps({})}
    for name in ("unit", "faults debian12", "doctor centos9", "load times debian12", "load answers centos9"):
        assert runner.verdict(steps[name], 0, "nothing of a summary")
    assert runner.verdict(steps["lint python"], 0, "nothing of a summary") == ""


def test_a_verify_that_found_no_tests_has_failed(runner):
    step = next(step for step in runner.all_steps({}) if step.name == "molecule default debian12")
    assert "no tests" in runner.verdict(step, 0, "WARNING  [default > verify] Skipping, no tests found.")
    assert runner.verdict(step, 0, "INFO     Verifier completed successfully.") == ""


def test_the_state_of_a_failed_scenarios_container_is_saved_before_its_removal(runner, capsys):
    step = shell(runner, "molecule default debian12", "exit 1", container="molecule-default-debian12")
    runner.EVIDENCE = ROOT / "tests/tools/evidence.sh"
    runner.run_all([step], jobs=1)
    asked, removed = runner.dockers
    assert asked[:2] == ("exec", "molecule-default-debian12")
    assert "journalctl" in asked[-1]
    assert "/var/log/nginx/" in asked[-1]
    assert removed == ("rm", "--force", "--volumes", "molecule-default-debian12")
    assert "what docker says" in capsys.readouterr().out
    assert "what docker says" in step.log.read_text(encoding="utf-8")


def test_the_container_of_a_passed_scenario_is_removed_without_saving(runner):
    step = shell(runner, "molecule default debian12", "true", container="molecule-default-debian12")
    runner.run_all([step], jobs=1)
    assert runner.dockers == [("rm", "--force", "--volumes", "molecule-default-debian12")]


def test_state_of_an_earlier_run_is_removed(runner, tmp_path):
    old = tmp_path / "scratch/state.yml"
    old.parent.mkdir()
    old.write_text("created: true", encoding="utf-8")
    step = shell(runner, "molecule", f"test ! -e {old}", scratch=old.parent)
    runner.run_all([step], jobs=1)
    assert step.outcome == "passed"


def test_a_step_that_exceeds_its_limit_is_killed_with_its_children(runner, monkeypatch, tmp_path):
    pid = tmp_path / "pid"
    step = shell(runner, "endless", f"sleep 60 & echo $! > {pid}; wait", seconds_most=0.3)
    runner.run_all([step], jobs=1)
    assert step.outcome == "failed"
    deadline = time.monotonic() + 5
    while alive(int(pid.read_text(encoding="ascii"))):
        assert time.monotonic() < deadline, "a child of the step still runs"
        time.sleep(0.05)


def alive(process):
    """Return whether it runs; a zombie does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")


def test_steps_get_plain_output_and_their_own_environment(runner, monkeypatch):
    monkeypatch.setenv("PYWEB_OUTSIDE", "kept")
    step = shell(runner, "env", 'echo "$NO_COLOR $PYWEB_OUTSIDE $PYWEB_PLATFORM"', env={"PYWEB_PLATFORM": "debian12"})
    runner.run_all([step], jobs=1)
    assert step.log.read_text(encoding="utf-8") == "1 kept debian12\n"
    assert "PYWEB_PLATFORM" not in os.environ
