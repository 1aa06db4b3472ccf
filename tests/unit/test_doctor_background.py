"""Whether workers and timers of the live release run: the doctor's exact messages for each fault."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import look_background
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import Background, BackgroundUnit, Ran
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from doctor_evidence import Case, check, evidence, hop_of, put

LIVE, OLD = "a" * 12, "b" * 12
CELERY, BEAT = f"pyweb-worker-shop@{LIVE}:celery:2.service", f"pyweb-worker-shop@{LIVE}:beat:only.service"
TIMER, TASK = "pyweb-timer-shop@digest.timer", "pyweb-timer-shop@digest.service"
TRACEBACK = (
    'Traceback (most recent call last):\n  File "/srv/tasks.py", line 3, in <module>\n'
    "    import nothing\nModuleNotFoundError: No module named 'nothing'\n"
)
WHEN = {"next": "Fri 2026-11-27 07:00:00 UTC", "last": "Thu 2026-11-26 07:00:00 UTC"}


def background(site, celery=None, beat=None, timer=None, task=None, more=()):
    """Return healthy workers and a timer, except for the given values."""
    units = [
        BackgroundUnit(CELERY, "celery", "2", "", LIVE, True, "active", "running", 0, 99.0),
        BackgroundUnit(BEAT, "beat", "", "", LIVE, True, "active", "running", 1, 99.0),
        BackgroundUnit(TIMER, timer="digest", state="active", substate="waiting", **WHEN),
        BackgroundUnit(TASK, timer="digest", release=LIVE, state="inactive", substate="dead", result="success"),
    ]
    for unit, values in zip(units, (celery, beat, timer, task)):
        put(unit, **(values or {}))
    put(site, background=Background(LIVE, [*units, *more]))


OLD_WORKER = BackgroundUnit(
    f"pyweb-worker-shop@{OLD}:celery:1.service", "celery", "1", "", OLD, False, "active", "running", 0, 9.0
)
LOOPS = {"state": "activating", "substate": "auto-restart", "restarts": 7}
STRICT = {"ProtectSystem": "strict", "ProtectHome": "yes"}
SANDBOX_LOG = "OSError: [Errno 30] Read-only file system: '/srv/beat/schedule'\n"
CASES = [
    Case(
        "a stopped worker",
        lambda site, host: background(site, celery={"state": "inactive", "substate": "dead"}),
        "background.worker-stopped",
        "broken",
        "the worker celery 2 is stopped",
        f"systemctl start '{CELERY}', or pyweb.stack.site",
        (f"{CELERY}: inactive/dead, 0 restarts",),
    ),
    Case(
        "a masked worker",
        lambda site, host: background(site, celery={"state": "inactive", "substate": "dead", "masked": True}),
        "background.worker-stopped",
        "broken",
        "the worker celery 2 is stopped and masked, so systemd cannot start it",
        f"systemctl unmask '{CELERY}' && systemctl start '{CELERY}', or pyweb.stack.site",
    ),
    Case(
        "a failed worker that is not restarted",
        lambda site, host: background(
            site, beat={"state": "failed", "substate": "failed", "log": TRACEBACK, "status": "1"}
        ),
        "background.worker-stopped",
        "broken",
        "the worker beat is stopped: ModuleNotFoundError: No module named 'nothing'",
        f"systemctl start '{BEAT}', or pyweb.stack.site",
    ),
    Case(
        "a worker killed by its sandbox",
        lambda site, host: background(site, beat={**LOOPS, "log": SANDBOX_LOG, "sandbox": STRICT}),
        "background.sandbox",
        "broken",
        "the sandbox refuses what the worker beat does: ReadWritePaths",
        "web_sites[].workers.beat.unit: {ReadWritePaths: /srv/beat}, if the site should be allowed to do that",
        (f"{BEAT}: activating/auto-restart", SANDBOX_LOG.strip()),
    ),
    Case(
        "a timer whose sandbox refused an action",
        lambda site, host: background(site, task={"state": "failed", "log": SANDBOX_LOG, "sandbox": STRICT}),
        "background.sandbox",
        "degraded",
        "the sandbox refuses what the timer digest does: ReadWritePaths",
        "web_sites[].timers.digest.unit: {ReadWritePaths: /srv/beat}, if the site should be allowed to do that",
    ),
    Case(
        "the same error of a worker without a sandbox",
        lambda site, host: background(site, beat={**LOOPS, "log": SANDBOX_LOG}),
        "background.worker-restarting",
        "broken",
        f"the worker beat keeps exiting and restarting: {SANDBOX_LOG.strip()}",
        (
            "journalctl -u 'pyweb-worker-shop@aaaaaaaaaaaa:beat:only.service' -n 50; pyweb.stack.rollback returns to "
            "the workers of the previous release"
        ),
    ),
    Case(
        "a worker that waits for its next restart",
        lambda site, host: background(
            site, beat={"state": "activating", "substate": "auto-restart", "restarts": 7, "log": "no broker\n"}
        ),
        "background.worker-restarting",
        "broken",
        "the worker beat keeps exiting and restarting: no broker",
        (
            "journalctl -u 'pyweb-worker-shop@aaaaaaaaaaaa:beat:only.service' -n 50; pyweb.stack.rollback returns to "
            "the workers of the previous release"
        ),
        (f"{BEAT}: activating/auto-restart, 7 restarts", "no broker"),
    ),
    Case(
        "a worker that was just restarted, again",
        lambda site, host: background(site, beat={"restarts": 3, "age": 1.0, "status": "3"}),
        "background.worker-restarting",
        "broken",
        "the worker beat keeps exiting and restarting: exit status 3",
        (
            "journalctl -u 'pyweb-worker-shop@aaaaaaaaaaaa:beat:only.service' -n 50; pyweb.stack.rollback returns to "
            "the workers of the previous release"
        ),
    ),
    Case(
        "a worker that has just been restarted, without output",
        lambda site, host: background(site, beat={"restarts": 3, "age": 1.0, "status": "0"}),
        "background.worker-restarting",
        "broken",
        "the worker beat keeps exiting and restarting: it printed nothing",
        (
            "journalctl -u 'pyweb-worker-shop@aaaaaaaaaaaa:beat:only.service' -n 50; pyweb.stack.rollback returns to "
            "the workers of the previous release"
        ),
    ),
    Case(
        "a worker of another release",
        lambda site, host: background(site, more=[OLD_WORKER]),
        "background.other-release",
        "degraded",
        f"the worker celery 1 belongs to release {OLD}; the live release is {LIVE}",
        "pyweb.stack.site runs exactly the workers and timers of the live release",
        (f"{OLD_WORKER.unit}: active/running, 0 restarts",),
    ),
    Case(
        "a timer of another release",
        lambda site, host: background(site, task={"release": OLD}),
        "background.other-release",
        "degraded",
        f"the timer digest belongs to release {OLD}; the live release is {LIVE}",
        "pyweb.stack.site runs exactly the workers and timers of the live release",
        (f"{TASK}: inactive",),
    ),
    Case(
        "a timer that the live release lacks",
        lambda site, host: background(site, timer={"wanted": False}),
        "background.other-release",
        "degraded",
        f"the timer digest belongs to an earlier release; the live release is {LIVE}",
        "pyweb.stack.site runs exactly the workers and timers of the live release",
    ),
    Case(
        "a stopped timer",
        lambda site, host: background(site, timer={"state": "inactive", "substate": "dead"}),
        "background.timer-stopped",
        "broken",
        "the timer digest is stopped: its command does not run",
        f"systemctl start '{TIMER}', or pyweb.stack.site",
        (f"{TIMER}: inactive/dead, last run Thu 2026-11-26 07:00:00 UTC",),
    ),
    Case(
        "a timer whose last run failed",
        lambda site, host: background(
            site, task={"state": "failed", "result": "exit-code", "status": "1", "log": TRACEBACK}
        ),
        "background.timer-failed",
        "degraded",
        "the last run of the timer digest failed: ModuleNotFoundError: No module named 'nothing'",
        f"journalctl -u '{TASK}' -n 50; systemctl start '{TASK}' runs it again",
        (f"{TASK}: exit-code, exit status 1, last run Thu 2026-11-26 07:00:00 UTC",),
    ),
    Case(
        "a timer whose last run took too long",
        lambda site, host: background(site, task={"state": "failed", "result": "timeout", "status": "15"}),
        "background.timer-failed",
        "degraded",
        "the last run of the timer digest failed: it took longer than its timeout",
        f"journalctl -u '{TASK}' -n 50; systemctl start '{TASK}' runs it again",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_background_is_named(case):
    check(case)


def test_healthy_units_are_in_the_evidence():
    site, host = evidence()
    drains = BackgroundUnit(OLD_WORKER.unit, "celery", "1", "", OLD, False, "deactivating", "stop-sigterm")
    gone = BackgroundUnit(OLD_WORKER.unit.replace("celery", "gone"), "gone", "1", "", OLD, False, "inactive", "dead")
    background(site, more=[drains, gone])
    hop = hop_of(verdict(site, host), "background")
    assert (hop["status"], hop["evidence"]) == (
        "ok",
        [
            f"worker celery 2: runs, release {LIVE}, 0 restarts",
            f"worker beat: runs, release {LIVE}, 1 restarts",
            f"worker celery 1 of release {OLD} finishes its task",
            "timer digest: next run Fri 2026-11-27 07:00:00 UTC; last run Thu 2026-11-26 07:00:00 UTC, result success",
        ],
    )
    background(site, task={"state": "activating"})
    assert hop_of(verdict(site, host), "background")["evidence"][-1].endswith("; runs now")


# --- units that are looked up ---


def test_units_of_the_live_release_and_units_on_the_host_are_looked_up(tmp_path, monkeypatch):
    layout = Layout.under("shop", {"sites": str(tmp_path)})
    (tmp_path / "shop/releases" / LIVE).mkdir(parents=True)
    (tmp_path / "shop/current").symlink_to(f"releases/{LIVE}")
    record = f'{{"background": {{"{CELERY}": "", "{TASK}": "", "{layout.worker_boot_unit}": ""}}}}'
    (tmp_path / "shop/releases" / LIVE / "release.json").write_text(record)
    monkeypatch.setattr(Layout, "background_present", lambda layout: [CELERY, OLD_WORKER.unit, layout.worker_boot_unit])
    asked = []

    def run(words):
        asked.append(words)
        if words[0] == "journalctl":
            return Ran(0, "no broker\n")
        return Ran(
            0,
            f"Id={CELERY}\nActiveState=activating\nSubState=auto-restart\nNRestarts=4\n"
            "ActiveEnterTimestampMonotonic=90000000\n\n"
            f"Id={TASK}\nActiveState=inactive\nExecStart={{ argv[]=/usr/bin/env PYWEB_RELEASE={OLD} x }}\n\n"
            f"Id={OLD_WORKER.unit}\nActiveState=active\nNRestarts=0\n",
        )

    monkeypatch.setattr(look_background.ask, "run", run)
    found = look_background.look_at_background(layout, 100.0)
    assert found.release == LIVE
    assert asked[0][-3:] == [CELERY, TASK, OLD_WORKER.unit]
    celery, task, old = found.units
    assert (celery.worker, celery.number, celery.restarts, celery.age) == ("celery", "2", 4, 10.0)
    assert (celery.wanted, celery.log, celery.release) == (True, "no broker\n", LIVE)
    assert (task.timer, task.release, task.wanted) == ("digest", OLD, True)
    assert (old.wanted, old.release, old.log) == (False, OLD, "")


def test_nothing_is_looked_up_for_a_site_without_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(look_background.ask, "run", None)
    layout = Layout.under("no-such-site-here", {"sites": str(tmp_path)})
    assert look_background.look_at_background(layout, 1.0) == Background("")


@pytest.mark.parametrize(("text", "seconds"), [("123.45 99.1\n", 123.45), ("", 0.0)])
def test_the_uptime_is_read(text, seconds):
    assert look_background.uptime_of(text) == seconds
