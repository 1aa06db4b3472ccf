"""Who can connect to the TCP ports of a site: the rules for nftables, and hosts without it."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import sys

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import accounts
from ansible_collections.pyweb.stack.plugins.module_utils.release import ports
from ansible_collections.pyweb.stack.plugins.module_utils.release.unit_files import UnitFiles
from releases import FakeShell, make_layout

ADDRESSES = ("127.0.0.1:8001", "[::1]:8000")
UNIT = "pyweb-ports-shop.service"
NO_LIBRARY = "OSError: libnftables.so.1: cannot open shared object file: No such file or directory"
NO_TABLE = "Error: No such file or directory; did you mean table 'firewalld' in family inet?"
# A stand-in for libnftables that prints the rules that it gets.
FAKE = """
import ctypes, sys
class Library:
    def __init__(self, name):
        assert name == "libnftables.so.1"
        self.nft_ctx_new = lambda flags: 1
        self.nft_run_cmd_from_buffer = lambda context, rules: print(rules.decode()) or %d
ctypes.CDLL = Library
exec(sys.argv.pop(1))
"""


def said(tmp_path, what, status=0):
    layout = make_layout(tmp_path)
    os.makedirs(layout.run, exist_ok=True)
    argv = ports.command(layout, what, ADDRESSES)
    own = argv[argv.index("-c") + 1 :]
    program = [sys.executable, "-c", FAKE % status, *own]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.strip(), done.stderr


def test_the_loaded_rules(tmp_path):
    group = os.getgid()
    users = ["0", *(str(pwd.getpwnam(name).pw_uid) for name in grp.getgrgid(group).gr_mem)]
    assert said(tmp_path, "load") == (
        0,
        "table inet pyweb-ports-shop; delete table inet pyweb-ports-shop; table inet pyweb-ports-shop { chain output "
        "{ type filter hook output priority 0; oifname lo tcp dport { 8000, 8001 } meta skuid != "
        f"{{ {', '.join(users)} }} meta skgid != {group} reject with icmpx admin-prohibited; }}; }}",
        "",
    )


def test_rules_to_find_and_rules_to_remove(tmp_path):
    assert said(tmp_path, "list", 1) == (1, "list table inet pyweb-ports-shop", "")
    assert said(tmp_path, "delete")[1] == "table inet pyweb-ports-shop; delete table inet pyweb-ports-shop;"


@pytest.mark.parametrize(
    ("answer", "limited"), [((0, "table inet"), True), ((1, NO_TABLE), False), ((1, NO_LIBRARY), True)]
)
def test_the_next_run_loads_flushed_rules_again(tmp_path, answer, limited):
    """If possible: a host without the library does not report a change in every run."""
    layout = make_layout(tmp_path)
    shell = FakeShell({"/usr/bin/python3": answer})
    files = UnitFiles(shell, layout, str(tmp_path))
    assert ports.is_limited(shell, layout) is limited
    assert files.limit_ports({UNIT: ""}, True) == ([] if limited else [f"restarted {UNIT}"])
    assert not any("restart" in command for command in shell.done)
    assert files.limit_ports({UNIT: ""}, False) == ([] if limited else [f"restarted {UNIT}"])
    assert [command for command in shell.done if "restart" in command] == (
        [] if limited else [f"ports: systemctl restart {UNIT} (may fail)"]
    )
    assert files.limit_ports({}, False) == []


@pytest.mark.parametrize(
    ("answer", "nginx", "addresses", "words"),
    [
        ((0, ""), "www-data", ADDRESSES, ""),
        ((1, NO_TABLE), "www-data", (), ""),
        ((1, NO_LIBRARY), "", ADDRESSES, ""),
        ((1, NO_LIBRARY), "www-data", ADDRESSES, "past nginx: the host has no libnftables"),
        ((1, NO_TABLE), "www-data", ADDRESSES, f"past nginx: see journalctl --unit {UNIT}"),
    ],
)
def test_a_port_that_stays_open_to_all_is_reported(tmp_path, monkeypatch, answer, nginx, addresses, words):
    monkeypatch.setattr(accounts, "nginx_account", lambda: (nginx, nginx))
    told = ports.unlimited(FakeShell({"/usr/bin/python3": answer}), make_layout(tmp_path), addresses)
    before = "every account of the host can send requests to 127.0.0.1:8001, [::1]:8000, "
    assert told == (words and before + words)
