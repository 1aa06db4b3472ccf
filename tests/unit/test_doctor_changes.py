"""What has changed since a site was last healthy."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import changes, examine, memory
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_changes import Change, Changes, Snapshot
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.memory import Noted
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.snapshot import snapshot
from doctor_evidence import NOW, evidence

DPKG = """\
2027-01-15 07:00:00 upgrade old:amd64 1 2
2027-01-15 08:00:01 startup archives unpack
2027-01-15 08:00:02 upgrade nginx:amd64 1.22.1-9 1.22.1-9+deb12u1
2027-01-15 08:00:02 status half-configured nginx:amd64 1.22.1-9
2027-01-15 08:00:03 install less:amd64 <none> 590-2
2027-01-15 08:00:04 remove procps:amd64 2:4.0.2-3 <none>
nonsense
"""
DNF = """\
2027-01-15T07:00:00+0000 SUBDEBUG Upgrade: old-1.x86_64
2027-01-15T08:00:01+0000 INFO --- logging initialized ---
2027-01-15T08:00:02+0000 SUBDEBUG Upgrade: nginx-core-1.20.2-1.el9.x86_64
2027-01-15T08:00:02+0000 SUBDEBUG Upgraded: nginx-core-1.20.1-1.el9.x86_64
2027-01-15T08:00:03Z SUBDEBUG Installed: less-590-1.el9.x86_64
2027-01-15T08:00:04+0000 SUBDEBUG Erase: procps-ng-3.3.17-8.el9.x86_64
"""
EIGHT = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr(memory, "WATCHED", str(tmp_path / "doctor"))
    for name in ("DPKG_LOGS", "DNF_LOGS"):
        monkeypatch.setattr(changes, name, ())
    return tmp_path


@pytest.fixture
def utc(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("utc")
def test_packages_changed_by_dpkg():
    assert changes.dpkg(DPKG, EIGHT) == [
        "nginx 1.22.1-9 -> 1.22.1-9+deb12u1",
        "less 590-2 installed",
        "procps 2:4.0.2-3 removed",
    ]


def test_packages_changed_by_dnf():
    assert changes.dnf(DNF, EIGHT) == [
        "upgraded to nginx-core-1.20.2-1.el9.x86_64",
        "installed less-590-1.el9.x86_64",
        "removed procps-ng-3.3.17-8.el9.x86_64",
    ]


@pytest.mark.usefixtures("utc")
def test_package_logs_of_both_families_and_rotated_ones_are_read(folder, monkeypatch):
    (folder / "old").write_text("2027-01-15 08:00:01 install first:amd64 <none> 1\n")
    (folder / "new").write_text("".join(f"2027-01-15 08:00:02 install p{number} <none> 1\n" for number in range(20)))
    monkeypatch.setattr(changes, "DPKG_LOGS", (str(folder / "old"), str(folder / "new")))
    found = [change.what for change in changes.packages(EIGHT)]
    assert found[:2] == ["first 1 installed", "p0 1 installed"]
    assert found[-1] == "and 9 more"


@pytest.mark.parametrize(
    ("before", "now", "wanted"),
    [
        ({"release": "a"}, {"release": "b"}, [Change("release", "release a -> b")]),
        (
            {"release": "a1", "units": {"/w@a1:x.service": "1", "/t.service": "1"}},
            {"release": "b2", "units": {"/w@b2:x.service": "1", "/t.service": "2"}},
            [Change("release", "release a1 -> b2"), Change("unit", "/t.service was changed")],
        ),
        ({"release": ""}, {"release": "b"}, [Change("release", "release none -> b")]),
        ({"nginx": {"/a": "1", "/b": "1"}}, {"nginx": {"/a": "2", "/b": "1"}}, [Change("nginx", "/a was changed")]),
        ({"units": {"/a": "1"}}, {"units": {"/b": "1"}}, [Change("unit", "/b is new"), Change("unit", "/a is gone")]),
        (
            {"certificate": "x", "ends": "2027-01-01"},
            {"certificate": "y", "ends": "2027-04-01"},
            [Change("certificate", "another certificate, until 2027-04-01; the one before: until 2027-01-01")],
        ),
        (
            {"certificate": "x", "ends": "2027-01-15", "time": EIGHT},
            {"certificate": "x", "ends": "2027-01-15", "time": EIGHT + 86400},
            [Change("certificate", "the same one, and it ends on 2027-01-15: nothing has renewed it")],
        ),
        (
            {"certificate": "x", "ends": "2027-01-17", "time": EIGHT},
            {"certificate": "x", "ends": "2027-01-17", "time": EIGHT + 86400},
            [],
        ),
        ({"certificate": "x"}, {"certificate": ""}, []),  # The file could not be read.
        ({"disk": {"/": 50}}, {"disk": {"/": 54}}, []),
        ({"disk": {"/": 50}}, {"disk": {"/": 55}}, [Change("disk", "/ is 55 % full, it was 50 %")]),
        ({"disk": {"/": 94}}, {"disk": {"/": 95}}, [Change("disk", "/ is 95 % full, it was 94 %")]),
        ({"disk": {}}, {"disk": {"/": 99}}, []),
    ],
)
def test_differences_of_two_snapshots(before, now, wanted):
    assert changes.compared(Snapshot(**before), Snapshot(**now)) == wanted


@pytest.mark.parametrize(
    ("status", "healthy", "working", "wanted"),
    [
        ("ok", 10.0, 10.0, None),
        ("unknown", 10.0, 10.0, None),
        ("broken", None, None, None),
        ("broken", 10.0, 20.0, (20.0, "degraded")),
        ("broken", 20.0, 20.0, (20.0, "ok")),
        ("broken", None, 20.0, (20.0, "degraded")),
        # It was degraded at 20 as well, so the healthy run at 10 counts.
        ("degraded", 10.0, 20.0, (10.0, "ok")),
        ("degraded", None, 20.0, None),
    ],
)
def test_time_of_the_last_healthy_run(status, healthy, working, wanted):
    noted = [Snapshot(moment, "before") if moment else None for moment in (healthy, working)]
    memory.write("shop", Noted(healthy=noted[0], working=noted[1]))
    memory.add_line("shop", {"t": 30})
    site, host = evidence()
    site.managed = False
    found = changes.look_at_changes(site, host, status)
    assert (found and (found.since, found.how)) == wanted
    assert not wanted or Change("release", "release before -> none") in found.found


def test_nothing_is_reported_for_a_fault_that_the_timer_does_not_see():
    """The timer has called the site healthy to this day, so no change since then is the cause."""
    site, host = evidence()
    site.managed = False
    memory.write("shop", Noted(healthy=snapshot(site, host)))
    memory.add_line("shop", {"t": int(NOW)})
    assert changes.look_at_changes(site, host, "broken") is None
    memory.add_line("shop", {"t": int(NOW) + 300})
    assert changes.look_at_changes(site, host, "broken") == Changes(NOW, "ok", [])


def test_an_error_while_looking_for_changes_does_not_change_the_verdict(monkeypatch):
    site, host = evidence()

    def fails(*_given):
        raise ValueError

    monkeypatch.setattr(examine, "look_at_changes", fails)
    assert examine._changed(site, host, "broken") is None


def test_changes_are_plain_data_in_the_report(monkeypatch):
    site, host = evidence()
    monkeypatch.setattr(examine, "look_at_changes", lambda *_given: Changes(5.0, "ok", [Change("disk", "full")]))
    assert examine._changed(site, host, "broken") == {
        "since": 5.0,
        "how": "ok",
        "found": [{"kind": "disk", "what": "full"}],
    }
