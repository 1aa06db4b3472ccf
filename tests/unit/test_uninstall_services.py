"""Services are restored to their previous state."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.uninstall import services
from ansible_collections.pyweb.stack.plugins.module_utils.uninstall.report import Fault, Report
from uninstall_host import Host


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


NEVER, OFF, ON = ("inactive", ""), ("inactive", "disabled"), ("active", "enabled")


@pytest.mark.parametrize(
    ("was", "now", "verbs"),
    [
        (NEVER, ON, "stop disable"),
        (OFF, ON, "stop disable"),
        (("active", "disabled"), ON, "disable"),
        (("inactive", "enabled"), ON, "stop"),
        (("inactive", "masked"), ON, "stop disable mask"),
        (ON, ON, ""),
        (ON, OFF, "enable start"),
        (ON, ("failed", "enabled"), "start"),
        (("failed", "enabled"), ON, "stop"),
        (NEVER, ("activating", "enabled"), "stop disable"),
        (NEVER, OFF, ""),
        # The package has been removed.
        (ON, NEVER, ""),
        # State left by a killed run.
        (NEVER, ("inactive", "masked-runtime"), "unmask"),
    ],
)
def test_commands_for_systemctl(was, now, verbs):
    states = [dict(zip(("active", "enabled"), state)) for state in (was, now)]
    assert " ".join(verb[0] for verb in services.steps(*states)) == verbs


@pytest.mark.parametrize("check_mode", [False, True])
def test_the_change_of_a_service_is_made_and_reported(host, check_mode):
    host.service("firewalld", "active", "enabled")
    report = Report()
    services.put_back(host.run, "firewalld", {"services": {}}, report, check_mode)
    assert report.restored == ["firewalld.service: stopped and disabled, as it was"]
    told = [call for call in host.calls if "show" not in call]
    assert told == ([] if check_mode else ["systemctl stop firewalld.service", "systemctl disable firewalld.service"])


def test_a_failing_service_is_a_fault(host):
    host.service("nginx", "inactive", "enabled")
    host.answers["systemctl start"] = (1, "", "Job for nginx.service failed")
    before = {"services": {"nginx": {"active": "active", "enabled": "enabled"}}}
    with pytest.raises(Fault, match="systemctl start nginx: Job for nginx"):
        services.put_back(host.run, "nginx", before, Report(), check_mode=False)
