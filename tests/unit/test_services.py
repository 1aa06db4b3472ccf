"""Starting a service, and why one does not start; systemd is a table of answers."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host.services import ServiceError, start

LOG = """\
Starting nginx.service - A web server...
nginx: [emerg] unknown directive "x" in /etc/nginx/nginx.conf:3
nginx.service: Control process exited, code=exited, status=1/FAILURE
Failed to start nginx.service - A web server.
"""
JOB = "Job for nginx.service failed because the control process exited with error code.\n"


class Systemd:
    """Answer `systemctl` and `journalctl`, and record the commands."""

    def __init__(self, load="loaded", active="inactive", enabled="disabled", fails="", log=""):
        self.shown = f"LoadState={load}\nActiveState={active}\nUnitFileState={enabled}\n"
        self.fails, self.log, self.done = fails, log, []

    def __call__(self, argv):
        if argv[0] == "journalctl":
            return 0, self.log, ""
        if argv[1] == "show":
            return 0, self.shown, ""
        self.done.append(argv[1])
        return (1, "", JOB) if argv[1] == self.fails else (0, "", "")


@pytest.mark.parametrize(
    ("state", "steps"),
    [
        ({}, ["start", "enable"]),
        ({"active": "active"}, ["enable"]),
        ({"enabled": "enabled"}, ["start"]),
        ({"active": "failed", "enabled": "enabled-runtime"}, ["start"]),
        ({"active": "active", "enabled": "enabled"}, []),
    ],
)
def test_only_differences_are_changed(state, steps):
    systemd = Systemd(**state)
    assert start("nginx.service", systemd, dry=True) == steps
    assert systemd.done == []
    assert start("nginx.service", systemd, dry=False) == steps
    assert systemd.done == steps


@pytest.mark.parametrize("load", ["not-found", "masked"])
def test_starting_a_unit_is_predicted_before_its_package_is_installed(load):
    systemd = Systemd(load=load, enabled="")
    assert start("nginx.service", systemd, dry=True) == ["start", "enable"]
    with pytest.raises(ServiceError, match=r"nginx\.service does not start: (systemd knows no unit|it is masked)"):
        start("nginx.service", systemd, dry=False)
    assert systemd.done == []


@pytest.mark.parametrize(
    ("fails", "log", "cause", "output"),
    [
        ("start", LOG, '[emerg] unknown directive "x" in /etc/nginx/nginx.conf:3', LOG),
        ("start", "nginx.service: Failed with result 'exit-code'.\n", JOB.strip(), "nginx.service: Failed"),
        ("start", "", JOB.strip(), JOB),
        ("enable", LOG, JOB.strip(), JOB),
    ],
)
def test_why_it_does_not_start(fails, log, cause, output):
    with pytest.raises(ServiceError) as error:
        start("nginx.service", Systemd(fails=fails, log=log), dry=False)
    assert str(error.value) == f"nginx.service does not start: {cause}"
    assert error.value.output.startswith(output)


@pytest.mark.parametrize(("fails", "done"), [("start", []), ("enable", ["start"])])
def test_a_service_that_does_not_start_is_not_enabled(fails, done):
    systemd = Systemd(fails=fails, log=LOG)
    with pytest.raises(ServiceError) as error:
        start("nginx.service", systemd, dry=False)
    assert (error.value.done, systemd.done) == (done, [*done, fails])
