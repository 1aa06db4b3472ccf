"""Workers and timers during a switch of releases: what is started, stopped and restored. systemd is a fake."""

from __future__ import annotations

import dataclasses
import json
import os
import time

import goldens
import pytest
import releases
from ansible_collections.pyweb.stack.plugins.module_utils.host import sandbox
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.release import background as module
from ansible_collections.pyweb.stack.plugins.module_utils.release import background_state, worker_units, worker_watch
from ansible_collections.pyweb.stack.plugins.module_utils.release.background import Background
from ansible_collections.pyweb.stack.plugins.module_utils.release.background_units import BackgroundUnits
from releases import make_release, make_site, put_releases
from systemds import FakeSystemd

pytestmark = releases.AS_ROOT
OLD, NEW = "a" * 12, "b" * 12
WORKERS = {"celery": {"run": "celery worker", "processes": 2}, "beat": {"run": "celery beat", "singleton": True}}
TIMERS = {"digest": {"manage": "send_digest", "at": "07:00"}}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    for name in ("WATCH_SECONDS", "WATCH_MAX", "WATCH_PAUSE"):
        monkeypatch.setattr(worker_watch, name, 0.0)
    monkeypatch.setattr(module, "NOTICED_SECONDS", 0.0)
    monkeypatch.setattr(module, "GIVEN_UP_SECONDS", 0.0)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "units").mkdir()
    return tmp_path / "units"


@pytest.fixture
def systemd(folder):
    return FakeSystemd(str(folder))


def background(tmp_path, systemd, release_id, workers=None, timers=None, first=True):
    """Return the background of a release of the site shop with this id."""
    site, _secrets = make_site(tmp_path, workers=workers or {}, timers=timers or {})
    site = {**site, "group": "site-shop", "sandbox": sandbox.of_site(site, goldens.BUILD)}
    texts = worker_units.render(site, goldens.BUILD, release_id, first)
    release = dataclasses.replace(make_release(tmp_path), id=release_id, background=texts)
    return Background(systemd, release, str(tmp_path / "units"))


def go_live(found, tmp_path):
    """Run all steps of a deploy in order."""
    found.start_new()
    found.stop_old()
    for link in (tmp_path / "sites/shop/current",):
        link.unlink(missing_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(f"releases/{found.release.id}", link)
    found.follow()
    return found.tidy()


def worker(release_id, name="celery", number="1"):
    return f"pyweb-worker-shop@{release_id}:{name}:{number}.service"


def all_workers(release_id):
    return sorted([worker(release_id), worker(release_id, number="2"), worker(release_id, "beat", "only")])


@pytest.fixture
def live(tmp_path, systemd):
    """Return a live release OLD with workers and timers."""
    found = background(tmp_path, systemd, OLD, WORKERS, TIMERS)
    go_live(found, tmp_path)
    systemd.asked.clear()
    return found


def test_the_first_release_starts_its_workers_and_timers(tmp_path, systemd, folder):
    found = background(tmp_path, systemd, OLD, WORKERS, TIMERS)
    assert go_live(found, tmp_path) == []
    assert systemd.running() == all_workers(OLD)
    assert systemd.states["pyweb-timer-shop@digest.timer"] == "active"
    assert sorted(os.listdir(folder / "timers.target.wants")) == ["pyweb-timer-shop@digest.timer"]
    assert sorted(os.listdir(folder / "multi-user.target.wants")) == ["pyweb-worker-shop.service"]


def test_a_second_run_changes_nothing(live, systemd):
    assert live.tidy() == live.tidy(check_mode=True) == []
    assert systemd.asked == ["start pyweb-timer-shop@digest.timer"]


def test_new_workers_run_before_the_old_ones_are_stopped(live, tmp_path, systemd):
    systemd.tasks = {worker(OLD)}
    new = background(tmp_path, systemd, NEW, WORKERS, TIMERS)
    new.start_new()
    assert systemd.running() == sorted([*all_workers(NEW), worker(OLD), worker(OLD, number="2")])
    single = systemd.asked.index(f"stop {worker(OLD, 'beat', 'only')}")
    started = next(number for number, words in enumerate(systemd.asked) if words.startswith("start "))
    assert single < started, "two schedulers must never run at the same time"
    new.stop_old()
    assert systemd.asked[-1] == f"stop --no-block {worker(OLD)} {worker(OLD, number='2')}"
    assert systemd.running() == all_workers(NEW)


def test_the_switch_waits_for_old_workers_to_notice_the_signal_but_not_for_tasks(live, tmp_path, systemd, monkeypatch):
    """A Celery worker still accepts tasks within a second of its SIGTERM."""
    monkeypatch.setattr(module, "NOTICED_SECONDS", 0.3)
    new = background(tmp_path, systemd, NEW, WORKERS)
    new.start_new()
    began = time.monotonic()
    new.stop_old()
    assert time.monotonic() - began < 0.2, "all of them must have ended"
    systemd.states[worker(OLD)] = "active"
    systemd.tasks = {worker(OLD)}
    new.stop_old()
    assert 0.3 <= time.monotonic() - began < 2
    assert systemd.states[worker(OLD)] == "deactivating"


def test_a_worker_that_finishes_a_task_keeps_its_unit_and_its_release(live, tmp_path, systemd, folder):
    systemd.tasks = {worker(OLD)}
    new = background(tmp_path, systemd, NEW, WORKERS, TIMERS)
    assert go_live(new, tmp_path) == []
    assert (folder / worker(OLD)).exists()
    assert not (folder / worker(OLD, number="2")).exists()
    assert new.in_use() == {OLD, NEW}
    systemd.finish(worker(OLD))
    assert new.in_use() == {NEW}
    assert new.tidy(check_mode=True) == new.tidy() == [], "a unit whose task has finished is removed without a message"
    assert not (folder / worker(OLD)).exists()


def test_a_timer_keeps_its_name_and_runs_the_live_release(live, tmp_path, systemd, folder):
    go_live(background(tmp_path, systemd, NEW, WORKERS, TIMERS), tmp_path)
    assert f"PYWEB_RELEASE={NEW} " in (folder / "pyweb-timer-shop@digest.service").read_text()
    # The timer itself has not changed, so systemd must not restart its countdown.
    assert "restart pyweb-timer-shop@digest.timer" not in systemd.asked


def test_a_changed_time_of_a_timer_applies_at_once(live, tmp_path, systemd):
    timers = {"digest": {"manage": "send_digest", "at": "08:00"}}
    go_live(background(tmp_path, systemd, NEW, WORKERS, timers), tmp_path)
    assert "restart pyweb-timer-shop@digest.timer" in systemd.asked


# --- failures ---


def test_a_worker_that_exits_at_once_is_an_error_with_its_traceback(live, tmp_path, systemd):
    texts = live.texts()
    systemd.dying = {worker(NEW, number="2")}
    systemd.journal = (
        f"Started {worker(NEW)}.\nTraceback (most recent call last):\n"
        '  File "/opt/sites/shop/releases/x/src/shop/tasks.py", line 3, in <module>\n    import nothing\n'
        f"ModuleNotFoundError: No module named 'nothing'\n{worker(NEW)}: Main process exited, code=exited\n"
    )
    new = background(tmp_path, systemd, NEW, WORKERS, TIMERS)
    with pytest.raises(StepError) as caught:
        new.start_new()
    first, *rest = str(caught.value).splitlines()
    assert first.startswith(
        f"site 'shop': workers failed: worker celery (2) of release {NEW} ended at once: exit status 1; "
        "ModuleNotFoundError: No module named 'nothing'"
    )
    assert "      import nothing" in rest
    systemd.dying = set()
    new.put_back(OLD, texts)
    assert systemd.running() == all_workers(OLD)


def test_the_log_of_a_worker_without_a_traceback_is_quoted(tmp_path, systemd):
    systemd.dying = {worker(NEW)}
    systemd.journal = "Starting x...\n/usr/bin/env: 'celery': No such file or directory\n"
    with pytest.raises(StepError, match="exit status 1; /usr/bin/env: 'celery': No such file or directory"):
        background(tmp_path, systemd, NEW, {"celery": {"run": "celery"}}).start_new()


def test_a_worker_that_was_restarted_in_the_meantime_is_an_error(tmp_path, systemd):
    found = background(tmp_path, systemd, NEW, {"celery": {"run": "celery"}})
    shown = iter([0, 1])
    before = systemd._shown
    systemd._shown = lambda name: before(name).replace("NRestarts=0", f"NRestarts={next(shown)}")
    with pytest.raises(StepError, match=f"worker celery of release {NEW} ended at once"):
        found.start_new()


def test_a_failure_after_the_switch_restores_the_old_workers_and_timers(live, tmp_path, systemd, folder):
    systemd.tasks = {worker(OLD), worker(NEW)}
    before, texts = sorted(os.listdir(folder)), live.texts()
    timers = {"digest": {"manage": "send_digest", "at": "08:00"}, "more": {"manage": "x", "at": "daily"}}
    new = background(tmp_path, systemd, NEW, WORKERS, timers)
    assert new.texts()["pyweb-timer-shop@more.timer"] == ""
    texts = new.texts()
    new.start_new()
    new.stop_old()
    new.follow()
    assert systemd.states["pyweb-timer-shop@more.timer"] == "active"
    new.put_back(OLD, texts)
    assert systemd.states[worker(OLD)] == "deactivating, then start", "it must finish its task first"
    systemd.finish(worker(OLD))
    assert systemd.running() == all_workers(OLD)
    assert systemd.states["pyweb-timer-shop@more.timer"] == "inactive"
    assert f"PYWEB_RELEASE={OLD} " in (folder / "pyweb-timer-shop@digest.service").read_text()
    # A worker with a task of the new code finishes it as well.
    assert systemd.states[worker(NEW)] == "deactivating"
    assert new.in_use() == {OLD, NEW}
    systemd.finish(worker(NEW))
    assert live.tidy() == []
    assert sorted(os.listdir(folder)) == before


def test_a_new_scheduler_is_stopped_before_the_old_one_is_started_again(live, tmp_path, systemd):
    new = background(tmp_path, systemd, NEW, WORKERS)
    new.start_new()
    systemd.asked.clear()
    new.put_back(OLD, {})
    single = systemd.asked.index(f"stop {worker(NEW, 'beat', 'only')}")
    assert single < systemd.asked.index(f"start --no-block {' '.join(sorted(all_workers(OLD)))}")


# --- after killed runs ---


@pytest.mark.parametrize("until", ["start_new", "stop_old", "follow"])
def test_the_next_run_leaves_only_the_workers_of_the_live_release(live, tmp_path, systemd, folder, until):
    before = sorted(os.listdir(folder))
    new = background(tmp_path, systemd, NEW, WORKERS, TIMERS)
    for step in ("start_new", "stop_old", "follow"):
        getattr(new, step)()
        if step == until:
            break
    predicted = live.tidy(check_mode=True)
    assert f"stopped worker celery (2) of release {NEW}" in predicted
    assert live.tidy() == predicted
    assert systemd.running() == all_workers(OLD)
    assert sorted(os.listdir(folder)) == before
    assert f"PYWEB_RELEASE={OLD} " in (folder / "pyweb-timer-shop@digest.service").read_text()
    assert live.tidy() == []


def test_stopped_workers_and_timers_are_started_again(live, systemd):
    systemd.states[worker(OLD)] = systemd.states["pyweb-timer-shop@digest.timer"] = "inactive"
    assert live.tidy(check_mode=True) == ["started worker celery", "started timer digest"]
    assert systemd.states[worker(OLD)] == "inactive"
    assert live.tidy() == ["started worker celery", "started timer digest"]
    assert systemd.running() == all_workers(OLD)


# --- removed workers and timers ---


def test_workers_and_timers_that_the_new_release_lacks_are_removed(live, tmp_path, systemd, folder):
    new = background(tmp_path, systemd, NEW)
    go_live(new, tmp_path)
    assert systemd.running() == []
    assert systemd.states["pyweb-timer-shop@digest.timer"] == "inactive"
    assert [name for name in os.listdir(folder) if name.startswith("pyweb-")] == []
    assert os.listdir(folder / "timers.target.wants") == os.listdir(folder / "multi-user.target.wants") == []
    assert new.tidy() == []


def test_a_removed_timer_finishes_its_run(live, tmp_path, systemd, folder):
    systemd.states["pyweb-timer-shop@digest.service"] = "active"
    new = background(tmp_path, systemd, NEW, WORKERS)
    go_live(new, tmp_path)
    assert not (folder / "pyweb-timer-shop@digest.timer").exists()
    assert (folder / "pyweb-timer-shop@digest.service").exists(), "it waits for its timeout"
    systemd.finish("pyweb-timer-shop@digest.service")
    assert new.tidy() == []
    assert not (folder / "pyweb-timer-shop@digest.service").exists()


def test_singletons_stop_on_a_host_that_is_no_longer_the_first(live, tmp_path, systemd):
    put_releases(tmp_path, (OLD, 1))
    record = tmp_path / "sites/shop/releases" / OLD / "release.json"
    record.write_text(json.dumps({"id": OLD, "background": dict(live.release.background)}))
    other = background(tmp_path, systemd, OLD, WORKERS, TIMERS, first=False)
    # The release stays the same: only its record shows which units the host has.
    assert set(live.release.background) - set(other.release.background) == {worker(OLD, "beat", "only")}
    predicted = other.tidy(check_mode=True)
    assert other.tidy() == predicted == ["stopped worker beat of release aaaaaaaaaaaa"]
    assert systemd.running() == [worker(OLD), worker(OLD, number="2")]
    assert worker(OLD, "beat", "only") not in json.loads(record.read_text())["background"]
    assert other.tidy() == []


def test_an_absent_site_loses_everything_timers_first(live, systemd, folder):
    systemd.tasks = {worker(OLD)}
    BackgroundUnits(systemd, live.layout, str(folder)).withdraw()
    assert [name for name in os.listdir(folder) if name.startswith("pyweb-")] == []
    assert systemd.running() == []
    stops = [words for words in systemd.asked if words.startswith(("stop", "disable"))]
    assert stops == [
        "disable --quiet --now pyweb-timer-shop@digest.timer pyweb-worker-shop.service",
        "stop pyweb-timer-shop@*.service",
        "stop pyweb-worker-shop@*:*:*.service",
    ]
    systemd.asked.clear()
    BackgroundUnits(systemd, live.layout, str(folder)).withdraw()
    assert systemd.asked == []


def test_a_site_without_workers_runs_no_systemctl(tmp_path, systemd):
    found = background(tmp_path, systemd, NEW)
    systemd.run = None
    found.check()
    assert go_live(found, tmp_path) == []
    found.put_back(OLD, {})
    assert found.in_use() == set()


# --- the release that a timer's run uses ---


def test_the_release_of_a_timers_run_is_read_from_its_processes(tmp_path, monkeypatch):
    (tmp_path / "cg/a.service").mkdir(parents=True)
    (tmp_path / "cg/a.service/cgroup.procs").write_text("7\n8\n")
    for pid, text in {"7": "A=1\0", "8": f"A=1\0PYWEB_RELEASE={OLD}\0B=2\0"}.items():
        (tmp_path / "proc" / pid).mkdir(parents=True)
        (tmp_path / "proc" / pid / "environ").write_text(text)
    unit = background_state.Unit("x", "", "", {"MainPID": "7", "ControlGroup": "/a.service"})
    found = unit.release_of_processes(str(tmp_path / "proc"), str(tmp_path / "cg"))
    assert found == OLD
    unit = background_state.Unit("x", "", "", {"MainPID": "7", "ControlGroup": ""})
    assert unit.release_of_processes(str(tmp_path / "proc"), str(tmp_path / "cg")) == ""


@pytest.mark.parametrize(
    ("shown", "used"),
    [
        pytest.param([OLD], {OLD, NEW}, id="its processes name it"),
        pytest.param([""], {"1" * 12, OLD, NEW}, id="no process ever names it"),
        pytest.param(["", "", OLD], {OLD, NEW}, id="it has just started"),
    ],
)
def test_a_timers_run_keeps_the_release_that_it_uses(live, tmp_path, systemd, monkeypatch, shown, used):
    put_releases(tmp_path, ("1" * 12, 1), (OLD, 2), (NEW, 3))
    monkeypatch.setattr(module, "RELEASE_KNOWN_SECONDS", 0.5)
    monkeypatch.setattr(
        background_state.Unit, "release_of_processes", lambda unit: shown.pop(0) if shown[1:] else shown[0]
    )
    new = background(tmp_path, systemd, NEW, WORKERS, TIMERS)
    go_live(new, tmp_path)
    systemd.states["pyweb-timer-shop@digest.service"] = "active"
    assert new.in_use() == used


def test_a_timers_run_that_ends_keeps_no_release(live, tmp_path, systemd, monkeypatch):
    put_releases(tmp_path, ("1" * 12, 1), (OLD, 2), (NEW, 3))
    service = "pyweb-timer-shop@digest.service"

    def ends(unit):
        systemd.states[service] = "inactive"
        return ""

    monkeypatch.setattr(background_state.Unit, "release_of_processes", ends)
    new = background(tmp_path, systemd, NEW, WORKERS, TIMERS)
    go_live(new, tmp_path)
    systemd.states[service] = "active"
    assert new.in_use() == {NEW}


def test_cpu_usage_of_a_process_is_read(tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "7/stat").write_text("7 (a) b) S 1 1 1 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 1 1\n")
    assert background_state.busy(7, str(tmp_path)) == (200 / os.sysconf("SC_CLK_TCK"), True)
    text = (tmp_path / "7/stat").read_text()
    (tmp_path / "7/stat").write_text(text.replace(") S ", ") R "))
    assert background_state.busy(7, str(tmp_path))[1] is False, "the process must wait for the CPU"
    assert background_state.busy(8, str(tmp_path)) == background_state.busy(0, str(tmp_path)) == (0, False)


@pytest.mark.parametrize(("sleeps", "long"), [(True, False), (False, True)])
def test_a_worker_that_is_still_loading_is_watched_longer(tmp_path, systemd, monkeypatch, sleeps, long):
    for name, seconds in {"WATCH_SECONDS": 0.1, "WATCH_MAX": 0.6, "WATCH_PAUSE": 0.01}.items():
        monkeypatch.setattr(worker_watch, name, seconds)
    monkeypatch.setattr(worker_watch, "busy", lambda pid: (1.0, sleeps))
    began = time.monotonic()
    background(tmp_path, systemd, NEW, {"celery": {"run": "celery"}}).start_new()
    assert (time.monotonic() - began > 0.5) == long


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"ExecMainCode": "1", "ExecMainStatus": "3", "Result": "exit-code"}, "exit status 3"),
        ({"ExecMainCode": "1", "ExecMainStatus": "0", "Result": "success"}, "exit status 0"),
        ({"ExecMainCode": "2", "ExecMainStatus": "9", "Result": "signal"}, "killed by SIGKILL"),
        ({"ExecMainCode": "2", "ExecMainStatus": "99", "Result": "signal"}, "killed by signal 99"),
        ({"ExecMainCode": "0", "ExecMainStatus": "0", "Result": "resources"}, "resources"),
    ],
)
def test_exit_reason_of_a_process(found, said):
    assert background_state.Unit("x", "", "", found).ended == said


# --- programs and times that are refused ---


@pytest.fixture
def program(tmp_path):
    """Return a build with one program in its virtualenv and one next to manage.py."""
    for path in ("home/bin/celery", "src/bin/run"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch(0o755)
    (tmp_path / "src/bin/text").touch(0o644)
    return {**goldens.BUILD, "home": str(tmp_path / "home"), "src": str(tmp_path / "src")}


def checked(tmp_path, systemd, manifest, workers=None, timers=None, **replaced):
    found = background(tmp_path, systemd, NEW, workers, timers)
    release = dataclasses.replace(found.release, manifest=manifest, **replaced)
    Background(systemd, release, str(tmp_path / "units")).check()


@pytest.mark.parametrize("words", ["celery worker", "bin/run x", "sh -c x", "/bin/sh x"])
def test_programs_that_are_found(tmp_path, systemd, program, words):
    checked(tmp_path, systemd, program, {"a": {"run": words}})
    checked(tmp_path, systemd, program, {"a": {"manage": "x"}})


@pytest.mark.parametrize("words", ["celeri worker", "bin/text", "bin/nothing", "/bin/nothing"])
def test_a_missing_program_is_refused_before_anything_changes(tmp_path, systemd, program, words):
    with pytest.raises(StepError) as caught:
        checked(tmp_path, systemd, program, {"a": {"run": words}})
    told = f"site 'shop': workers failed: worker a runs {words.split()[0]}"
    if words.startswith("celeri"):
        rest = f", which is neither in {program['home']}/bin nor on the PATH; add its package to packages"
    else:
        rest = f"; {os.path.join(program['src'], words)} is not a program; correct the path or its mode"
    assert str(caught.value) == told + rest
    assert systemd.asked == []


def test_a_time_that_systemd_cannot_parse_is_refused_before_anything_changes(tmp_path, systemd, program):
    timers = {"a": {"manage": "x", "at": ["07:00", "*-02-31 08:00"]}}
    checked(tmp_path, systemd, program, None, timers)
    systemd.unread = {"*-02-31 08:00"}
    with pytest.raises(StepError) as caught:
        checked(tmp_path, systemd, program, None, timers)
    assert str(caught.value).startswith(
        "site 'shop': timers failed: timers.a.at is '*-02-31 08:00'; expected a time that `systemd-analyze calendar` "
        "accepts on this host: Failed to parse calendar specification"
    )
