"""Which directive of the sandbox caused an error of a program."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host.advice import advice_on
from ansible_collections.pyweb.stack.plugins.module_utils.host.refusals import failed_step, refusal

DENIED = "PermissionError: [Errno 1] Operation not permitted"


def raised(code, words):
    return f'Traceback (most recent call last):\n  File "/srv/x.py", line 3, in f\n    {code}\n{words}\n'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("OSError: [Errno 30] Read-only file system: '/srv/export/a.csv'", "ReadWritePaths: /srv/export"),
        ("OSError: [Errno 30] Read-only file system: '/srv/my shop/a.csv'", 'ReadWritePaths: "/srv/my shop"'),
        ("OSError: [Errno 30] Read-only file system: '/sys/fs/cgroup/x'", "ProtectControlGroups: no"),
        ("OSError: [Errno 30] Read-only file system: '/proc/sys/vm/x'", "ProtectKernelTunables: no"),
        ("django.db.utils.OperationalError: attempt to write a readonly database", "ReadWritePaths: /srv/db"),
        ("PermissionError: [Errno 13] Permission denied: '/home/huatai/key.pem'", "ProtectHome: read-only"),
        ("OSError: [Errno 97] Address family not supported", 'RestrictAddressFamilies: "AF_NETLINK AF_PACKET"'),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/proc/meminfo'", "ProcSubset: all"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/dev/video0'", "PrivateDevices: no"),
        ('sudo: The "no new privileges" flag is set, which prevents sudo from running as root.', "NoNewPrivileges: no"),
        (raised("os.chown(path, 1, 1)", DENIED), 'SystemCallFilter: "@chown"'),
        (raised("os.chmod(path, 0o2750)", f"{DENIED}: '/srv/x'"), "RestrictSUIDSGID: no"),
        (raised("os.nice(5)", DENIED), 'SystemCallFilter: "@resources"'),
        (raised("os.unshare(flags)", DENIED), "RestrictNamespaces: no"),
        (raised("something()", DENIED), 'SystemCallFilter: "@privileged @resources"'),
    ],
)  # fmt: skip
def test_the_directive_and_the_line_that_allows_access(text, line):
    assert refusal(text, "/srv/db/db.sqlite3").line == line


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ValueError: not today",
        "PermissionError: [Errno 13] Permission denied: '/srv/shop/x'",
        "FileNotFoundError: [Errno 2] No such file or directory: '/proc/4711/stat'",
        "FileNotFoundError: [Errno 2] No such file or directory: '/dev/shm/x'",
        "FileNotFoundError: [Errno 2] No such file or directory: '/srv/x'",
    ],
)
def test_other_errors_are_not_caused_by_the_sandbox(text):
    assert refusal(text) is None


def test_an_sqlite_error_without_a_path_is_not_attributed_to_the_sandbox():
    assert refusal("sqlite3.OperationalError: unable to open database file") is None


@pytest.mark.parametrize(
    ("log", "directive", "value"),
    [
        (
            "x.service: Failed to set up mount namespacing: /run/systemd/unit-root/srv/gone: No such file\n"
            "x.service: Failed at step NAMESPACE spawning /opt/x/uwsgi: No such file or directory\n",
            "ReadWritePaths",
            "-/srv/gone",
        ),
        ("x.service: Failed at step SECCOMP spawning /opt/x/uwsgi: Invalid argument\n", "SystemCallFilter", ""),
    ],
)
def test_the_step_of_systemd_that_failed(log, directive, value):
    found = failed_step(log)
    assert (found.directive, found.value) == (directive, value)


def test_a_step_that_has_nothing_to_do_with_the_sandbox():
    assert failed_step("x.service: Failed at step EXEC spawning /opt/x/uwsgi: No such file or directory\n") is None


def test_a_host_without_d_bus_gets_advice():
    words = "Failed to create bus connection: No such file or directory"
    assert advice_on(words, words) == "commands run as units: install the package dbus on the host"


def test_an_error_says_which_directive_allows_access():
    words = "OSError: [Errno 30] Read-only file system: '/srv/export/a.csv'"
    assert "`uwsgi: {unit: {ReadWritePaths: /srv/export}}`" in advice_on(words, words)
    inside = "OSError: [Errno 30] Read-only file system: '/opt/sites/shop/releases/0123456789ab/src/cache/x'"
    assert advice_on(inside, inside).endswith("set `writable: [cache]` of the site")
