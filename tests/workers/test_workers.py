"""Workers and timers during deploys, failures, killed runs, reboots and a removal, with Celery and django-tasks."""

from __future__ import annotations

import json
from pathlib import Path

import breakpoints
import pytest
from breakpoints import Point
from client import Prober
from conftest import UNITS, World
from jobs import FINISH

RELEASE = "module_utils.release"


def test_the_workers_run_and_a_second_run_changes_nothing(world: World) -> None:
    world.assert_exact()
    assert world.deploy().changed == 0
    listed = world.host.told("/opt/sites/mysite/list")
    assert f"worker celery 1: running, release {world.live}, 0 restarts" in listed
    assert "timer tick: next " in listed


def test_the_documented_commands_show_and_restart_workers(world: World) -> None:
    """The commands of docs/workers.md, with the names of this site."""
    told = world.host.told
    assert "pyweb-timer-mysite@tick.timer" in told("systemctl list-timers 'pyweb-timer-mysite@*'")
    assert "celery@" in told("journalctl --no-pager --identifier pyweb-worker-mysite:celery")
    assert "celery@" in told("journalctl --no-pager --unit 'pyweb-worker-mysite@*'")
    shown = "systemctl show --value --property=MainPID 'pyweb-worker-mysite@*:celery:*'"
    before = told(shown)
    told("systemctl restart 'pyweb-worker-mysite@*:celery:*'")
    assert told(shown) not in ("0", before)
    world.assert_exact()


@pytest.mark.same_everywhere
def test_a_task_that_runs_during_three_deploys_finishes_once(world: World) -> None:
    first = world.live
    world.host.told("/opt/sites/mysite/manage begin")
    for key in ("celery", "tasks"):
        world.wait_for(lambda key=key: world.noted("begin", key), f"the task {key} does not begin")
    with Prober(world.host.address, "mysite.example", "/queue/", 0.2) as queued:
        for _deploy in range(3):
            world.new_code()
            world.deploy()
    assert not queued.failures, queued.failures
    # They finish in the background: no deploy has waited for them, and their code is still there.
    draining = {name for name, state in world.states().items() if state == "deactivating"}
    assert {name.split(":")[0] for name in draining} == {first}
    assert {name.split(":")[1] for name in draining} == {"celery", "tasks"}
    world.host.told(f"test -e /opt/sites/mysite/releases/{first}/src/manage.py")
    world.host.told(f"touch {FINISH}")
    for key in ("celery", "tasks"):
        world.wait_for(lambda key=key: world.noted("end", key), f"the task {key} does not end")
        assert world.noted("begin", key) == world.noted("end", key) == [first]
    # No old worker has discarded a task that new code queued: every task was done exactly once.
    keys = world.keys_of("queued")
    assert len(keys) > 20
    world.wait_for(lambda: set(world.keys_of("done")) >= set(keys), "a task is lost")
    assert sorted(world.keys_of("done")) == sorted(keys)
    world.wait_for(lambda: len(world.states()) == len(UNITS), "old workers are left")
    world.assert_settled()
    assert world.host.told("ls /opt/sites/mysite/releases").split() != [first], "an unused release was not removed"


@pytest.mark.same_everywhere
def test_a_timer_runs_the_live_release_and_its_runs_never_overlap(world: World) -> None:
    before = world.live
    world.new_code()
    world.deploy()
    assert world.live != before
    world.wait_for(lambda: world.live in world.noted("end", "tick"), "the timer does not run the new release")
    ticks = [words[:2] for words in world.log() if words[2:] == ["tick"]]
    pairs = list(zip(ticks[::2], ticks[1::2]))
    assert len(pairs) > 3
    for begin, end in pairs:
        # A run ends with the release that it began with.
        assert (begin[1], end[1], begin[0]) == ("begin", "end", end[0]), ticks


def test_the_doctor_reports_a_failed_run_of_a_timer(world: World, tmp_path: Path) -> None:
    unit = "pyweb-timer-mysite@tick.service"
    # Also stop a run in progress, which has already checked for the file.
    world.host.told(f"systemctl stop pyweb-timer-mysite@tick.timer {unit}; touch /var/lib/sites/mysite/fail")
    world.host.told(f"systemctl start {unit} || true; systemctl is-failed {unit}")
    world.host.told("systemctl start pyweb-timer-mysite@tick.timer; rm /var/lib/sites/mysite/fail")
    hop = doctor(world, tmp_path)
    if hop["status"] != "ok":  # the next run, five seconds later at most, may have been good already
        assert hop["faults"][0]["fault"] == "background.timer-failed"
        assert "tick: told to fail" in hop["cause"]
    world.wait_for(
        lambda: world.host.run(f"systemctl is-failed {unit}").returncode, "the unit is still failed after the next run"
    )
    hop = doctor(world, tmp_path)
    assert hop["status"] == "ok", hop
    assert f"worker celery 1: runs, release {world.live}, 0 restarts" in hop["evidence"]


def doctor(world: World, tmp_path: Path) -> dict:
    run = world.host.play(world.wanted, "doctor.yml", "-e", f"doctor_report={tmp_path}")
    assert run.status == 0, run.error
    report = json.loads((tmp_path / "doctor.json").read_text(encoding="utf-8"))
    [hop] = [
        hop
        for host in report["hosts"]
        for found in host["sites"]
        for hop in found["hops"]
        if hop["hop"] == "background"
    ]
    return hop


def pids(world: World) -> list[str]:
    """Return the processes of all workers except the scheduler, which must end before another one starts."""
    shown = world.host.told("systemctl show --property=Id,MainPID 'pyweb-worker-mysite@*'").split("\n\n")
    return sorted(unit for unit in shown if ":beat:" not in unit)


@pytest.mark.same_everywhere
def test_a_worker_that_dies_at_once_fails_the_deploy_and_nothing_changes(world: World) -> None:
    before, running = world.live, pids(world)
    world.new_code()
    # The web processes do not import it, so the rest of the release is healthy.
    world.project.write({"jobs/management/commands/bad.py": "from jobs.nothing import x\n"})
    keys = world.keys
    world.keys = {**keys, "workers": {**keys["workers"], "bad": {"manage": "bad"}}}
    run = world.host.play(world.wanted, "deploy.yml")
    world.keys = keys
    assert run.status != 0
    first = next(line for line in run.error.splitlines() if "site 'mysite': " in line)
    assert "site 'mysite': workers failed: worker bad of release " in first
    assert "ended at once: exit status 1; ModuleNotFoundError: No module named 'jobs.nothing'" in first
    world.assert_as_before()
    assert (world.live, pids(world)) == (before, running)
    assert world.ask("/healthz") == 200
    (world.project.folder / "jobs/management/commands/bad.py").unlink()


@pytest.mark.same_everywhere
def test_a_missing_program_is_refused_before_anything_changes(world: World) -> None:
    keys, before = world.keys, world.live
    world.keys = {**keys, "workers": {**keys["workers"], "typo": {"run": "celeri worker"}}}
    run = world.host.play(world.wanted, "deploy.yml")
    world.keys = keys
    assert "workers failed: worker typo runs celeri, which is neither in " in run.error
    assert world.live == before
    world.assert_as_before()


@pytest.mark.same_everywhere
def test_a_rollback_includes_workers_and_timers(world: World) -> None:
    before = world.live
    world.new_code()
    world.deploy()
    new = world.live
    world.host.deploy(world.wanted, "rollback.yml")
    assert world.live == before != new
    world.wait_for(lambda: len(world.states()) == len(UNITS), "workers of the newer release are still running")
    assert {name.split(":")[0] for name in world.states()} == {before}
    count = len(world.noted("end", "tick"))
    world.wait_for(lambda: world.noted("end", "tick")[count:].count(before), "the timer still runs the newer release")


STAGES = [
    ("starting new workers", Point(RELEASE, "watch")),
    ("before the old ones stop", Point(RELEASE, "stop_old")),
    ("the old ones have stopped", Point(RELEASE, "stop_old", "return")),
    ("live, with the timers of the old release", Point(RELEASE, "follow")),
    ("before tidying", Point(RELEASE, "tidy")),
]


@pytest.mark.same_everywhere
def test_a_killed_run_leaves_no_extra_workers_after_the_next_run(world: World) -> None:
    """Each run is killed at a later stage; then one completes, and the next one changes nothing."""
    for name, point in STAGES:
        world.new_code()
        breakpoints.arm(world.host, point)
        playing = world.host.begin(world.wanted, "deploy.yml")
        process = breakpoints.wait(world.host, playing)
        playing.kill()
        breakpoints.kill(world.host, process)
        assert world.ask("/healthz") == 200, name
        print(f"killed: {name}")
    world.assert_settled()


def test_a_reboot_after_a_killed_run_starts_only_the_live_releases_workers(world: World) -> None:
    """The run is killed after the old workers have stopped: the running ones are of a release that is not live."""
    world.new_code()
    breakpoints.arm(world.host, STAGES[2][1])
    playing = world.host.begin(world.wanted, "deploy.yml")
    process = breakpoints.wait(world.host, playing)
    playing.kill()
    breakpoints.kill(world.host, process)
    live = world.live
    world.host.restart()
    world.wait_for(lambda: len(world.states()) == len(UNITS), "not all workers are running")
    assert world.live == live
    assert world.states() == {f"{live}:{name}": "active" for name in UNITS}
    world.wait_for(lambda: world.ask("/queue/") == 200, "the site does not answer")
    assert "active" in world.host.told("systemctl is-active pyweb-timer-mysite@tick.timer")
    world.assert_settled()


@pytest.mark.same_everywhere
def test_a_failure_after_the_switch_restores_the_old_workers(world: World) -> None:
    before = world.live
    good = (world.project.folder / "mysite/urls.py").read_text(encoding="utf-8")
    world.project.write({"mysite/urls.py": good + "\nurlpatterns += [path('bad/', lambda request: 1 / 0)]\n"})
    with Prober(world.host.address, "mysite.example", "/bad/", 0.2):
        # The old release answers 404, the new one 500.
        run = world.host.play([{**world.wanted[0], "health": {"path": "/healthz", "watch": 30}}], "deploy.yml")
    world.project.write({"mysite/urls.py": good})
    assert run.status != 0
    assert "watch failed" in run.error
    assert world.live == before
    world.assert_as_before()


def test_workers_and_timers_that_are_no_longer_configured_are_removed(world: World) -> None:
    world.host.told("systemctl reset-failed || true")
    keys = world.keys
    world.keys = {**keys, "workers": {"celery": keys["workers"]["celery"]}, "timers": {}}
    world.new_code()
    world.deploy()
    world.wait_for(lambda: set(world.states()) == {f"{world.live}:celery:1"}, "other workers are still running")
    absent = {"name": "mysite", "state": "absent"}
    run = world.host.deploy([absent], "site.yml")
    assert run.changed
    assert world.states() == {}
    assert world.host.told("cd /etc/systemd/system; ls -d pyweb-worker-* pyweb-timer-* 2>/dev/null || true") == ""
    assert world.host.run("pgrep -u site-mysite").stdout == ""
    assert world.host.deploy([absent], "site.yml").changed == 0
