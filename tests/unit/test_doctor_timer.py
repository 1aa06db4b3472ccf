"""The variable `doctor_timer`, and its units."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import memory as host_memory
from ansible_collections.pyweb.stack.plugins.module_utils.model.doctor_timer import DOCTOR_TIMER_KEYS, doctor_timer
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.release import doctor_timer as units
from ansible_collections.pyweb.stack.plugins.module_utils.uninstall import run as uninstall

METRICS = "/var/lib/prometheus/node-exporter"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, {"every": 300, "metrics": ""}),
        ({}, {"every": 300, "metrics": ""}),
        ({"every": "10m"}, {"every": 600, "metrics": ""}),
        ({"every": 60, "metrics": f"{METRICS}/"}, {"every": 60, "metrics": METRICS}),
        (False, None),
        ("false", None),
        ("no", None),
    ],
)
def test_normalized_form(given, wanted):
    assert doctor_timer(given) == wanted


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (True, "doctor_timer is True; expected false, or a mapping of every and metrics"),
        ("5m", "doctor_timer is '5m'; expected false, or a mapping"),
        ([], "doctor_timer is []; expected false"),
        (
            {"every": "10s"},
            "doctor_timer.every is '10s'; expected seconds, or text such as 90s, 10m or 1h; from 1m",
        ),
        ({"every": True}, "doctor_timer.every is True"),
        ({"metrics": "metrics"}, "doctor_timer.metrics is 'metrics'; expected an absolute path"),
        ({"metrics": "/etc/systemd/system"}, "not one of the system's own; set a separate directory"),
        ({"metrics": "/"}, "not one of the system's own"),
        ({"metrics": "/a b\nExecStart=/bin/sh"}, "doctor_timer.metrics is"),
        ({"evry": 60}, "unknown key 'doctor_timer.evry'; did you mean 'doctor_timer.every'?"),
    ],
)
def test_error_messages(given, words):
    with pytest.raises(InventoryError) as caught:
        doctor_timer(given)
    if "did you mean" in words:
        words = words.partition(";")[0]
    assert words in str(caught.value)


def test_every_key_is_documented():
    assert all(key.doc for key in DOCTOR_TIMER_KEYS.values())


# --- the units ---


class Systemd:
    """A fake systemd that records commands; `state` is that of the timer."""

    def __init__(self):
        self.calls, self.state = [], ("not-found", "inactive", "")

    def __call__(self, argv):
        words = " ".join(argv)
        if " show " in words:
            return 0, "LoadState={}\nActiveState={}\nUnitFileState={}\n".format(*self.state), ""
        self.calls.append(words.removeprefix("systemctl "))
        if "daemon-reload" in words and self.state[0] == "not-found":
            self.state = ("loaded", "inactive", "disabled")
        if " start " in words:
            self.state = ("loaded", "active", self.state[2])
        if " enable " in words:
            self.state = ("loaded", "active", "enabled")
        return 0, "", ""


@pytest.fixture
def host(tmp_path, monkeypatch):
    for name in ("DOCTOR_SERVICE", "DOCTOR_TIMER", "WATCHED", "SITES"):
        monkeypatch.setattr(units, name, str(tmp_path / os.path.basename(getattr(units, name))))
    (tmp_path / "metrics").mkdir()
    return tmp_path


def settings(host, **changes):
    return {"every": 300, "metrics": str(host / "metrics"), **changes}


def test_a_second_run_changes_nothing(host):
    systemd = Systemd()
    first = units.ensure(settings(host), systemd, dry=False)
    assert first == [
        str(host / "pyweb-doctor.service"),
        str(host / "pyweb-doctor.timer"),
        "start pyweb-doctor.timer",
        "enable pyweb-doctor.timer",
    ]
    systemd.calls.clear()
    assert units.ensure(settings(host), systemd, dry=False) == []
    assert systemd.calls == []


def test_check_mode_predicts_and_changes_nothing(host):
    systemd = Systemd()
    predicted = units.ensure(settings(host), systemd, dry=True)
    assert systemd.calls == []
    assert not (host / "pyweb-doctor.timer").exists()
    assert units.ensure(settings(host), systemd, dry=False) == predicted
    assert units.remove(systemd, dry=True) == units.remove(systemd, dry=False) != []


def test_another_interval_restarts_the_timer(host):
    systemd = Systemd()
    units.ensure(settings(host), systemd, dry=False)
    systemd.calls.clear()
    assert units.ensure(settings(host, every=600), systemd, dry=False) == [str(host / "pyweb-doctor.timer")]
    assert systemd.calls == ["daemon-reload", "try-restart pyweb-doctor.timer"]
    assert "OnUnitActiveSec=600s" in (host / "pyweb-doctor.timer").read_text()


def test_metrics_are_removed_when_they_are_no_longer_written(host):
    systemd = Systemd()
    units.ensure(settings(host), systemd, dry=False)
    (host / "metrics/pyweb.prom").write_text("")
    (host / "metrics/other.prom").write_text("")
    units.ensure(settings(host, metrics=""), systemd, dry=False)
    assert [path.name for path in (host / "metrics").iterdir()] == ["other.prom"]


def test_removal_leaves_no_files(host):
    systemd = Systemd()
    units.ensure(settings(host), systemd, dry=False)
    (host / "doctor").mkdir()
    (host / "doctor/shop.history").write_text("")
    (host / "metrics/pyweb.prom").write_text("")
    systemd.calls.clear()
    units.remove(systemd, dry=False)
    assert sorted(path.name for path in host.iterdir()) == ["metrics"]
    assert list((host / "metrics").iterdir()) == []
    assert systemd.calls[0] == "disable --quiet --now pyweb-doctor.timer"
    systemd.calls.clear()
    assert units.remove(systemd, dry=False) == []
    assert systemd.calls == []


def test_a_foreign_unit_is_not_removed(host):
    (host / "pyweb-doctor.service").write_text("[Service]\nExecStart=/bin/true\n")
    assert units.remove(Systemd(), dry=False) == []
    assert (host / "pyweb-doctor.service").exists()


def test_the_timer_is_installed_with_the_first_site_and_removed_with_the_last(host):
    systemd = Systemd()
    first = units.converge(settings(host), True, [], systemd, False)
    assert first.made[-1] == "enable pyweb-doctor.timer"
    assert [shown["after_header"] for shown in first.diff] == [
        str(host / "pyweb-doctor.service"),
        str(host / "pyweb-doctor.timer"),
    ]
    assert units.converge(settings(host), True, [], systemd, False) == units.Outcome()
    gone = units.converge(settings(host), False, ["shop"], systemd, False)
    assert gone.made == [str(host / "pyweb-doctor.timer"), str(host / "pyweb-doctor.service")]
    assert {shown["after"] for shown in gone.diff} == {""}


def test_the_timer_is_removed_if_it_is_switched_off(host):
    systemd = Systemd()
    units.converge(settings(host), True, [], systemd, False)
    assert units.converge(None, True, [], systemd, False).made
    assert not (host / "pyweb-doctor.timer").exists()


def test_a_missing_directory_of_metrics_is_a_warning(host):
    outcome = units.converge(settings(host, metrics=str(host / "none")), True, [], Systemd(), False)
    assert outcome.made
    assert outcome.warning == (
        f"doctor_timer.metrics: the directory {host}/none does not exist; no metrics are written until it does"
    )


def test_a_refusal_of_systemd_is_a_fault(host):
    def refuses(argv):
        return (1, "", "Unit pyweb-doctor.timer is masked.") if "start" in argv else (0, "", "")

    outcome = units.converge(settings(host), True, [], refuses, False)
    assert outcome.fault.startswith("the doctor's timer: ")
    assert "masked" in outcome.fault


@pytest.mark.parametrize("name", ["pyweb-doctor.service", "pyweb-doctor.timer"])
def test_a_foreign_unit_is_not_overwritten(host, name):
    (host / name).write_text("[Unit]\n")
    systemd = Systemd()
    outcome = units.converge(settings(host), True, [], systemd, False)
    assert (outcome.made, outcome.fault, systemd.calls) == ([], "", [])
    assert outcome.warning == (
        f"{host}/{name} was not written by pyweb.stack, so the doctor's timer is not installed; to install it, move "
        "that file away"
    )
    assert (host / name).read_text() == "[Unit]\n"


def test_the_units_are_recognized_as_managed(host):
    units.ensure(settings(host), Systemd(), dry=False)
    assert host_memory.is_marked(str(host / "pyweb-doctor.service"))
    assert host_memory.is_marked(str(host / "pyweb-doctor.timer"))


def test_a_live_site_besides_the_given_ones_is_found(host):
    layout = Layout.under("shop", dict.fromkeys(("sites", "state", "config", "run", "cache"), str(host)))
    (host / "sites").mkdir()
    (host / "sites/shop.json").write_text(json.dumps({"paths": dict(layout.paths)}))
    assert not units.sites_left([])
    os.makedirs(layout.root)
    os.symlink("x", layout.current)
    assert units.sites_left(["blog"])
    assert not units.sites_left(["shop"])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(host):
    for path, text in units.wanted(settings(host)).items():
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text.replace(units.PYWEB_COMMAND, "/bin/true"))
        done = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, check=False)
        assert "pyweb-doctor" not in done.stderr


def test_an_uninstall_begins_with_the_timer(monkeypatch):
    order = []
    monkeypatch.setattr(uninstall.doctor_timer, "remove", lambda _run, _dry: order.append("timer") or ["/timer"])
    monkeypatch.setattr(uninstall.nginx, "give_back", lambda *_given: order.append("nginx"))
    monkeypatch.setattr(uninstall.memory, "before", dict)
    monkeypatch.setattr(uninstall.memory, "anything_of_ours", lambda: False)
    done = uninstall.Uninstall(run=lambda _argv: (0, "", ""), installed=list, roots={}, check_mode=True)
    monkeypatch.setattr(done, "_background", lambda: None)
    monkeypatch.setattr(uninstall.found, "sites", lambda _roots: order.append("sites") or [])
    for name in ("tools",):
        monkeypatch.setattr(uninstall.sites, name, lambda *_given: None)
    monkeypatch.setattr(uninstall.firewall, "give_back", lambda *_given: None)
    monkeypatch.setattr(uninstall.selinux, "give_back", lambda *_given: None)
    assert "/timer" in done.do().removed
    assert order[:2] == ["timer", "nginx"]
