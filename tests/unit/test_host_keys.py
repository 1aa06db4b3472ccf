"""Host keys of ssh servers: which ones ssh gets, and which new ones are recorded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import host_keys
from ansible_collections.pyweb.stack.plugins.module_utils.build.run import Run
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from builds import make_context

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIJ5u"
OTHER = "AAAAC3NzaC1lZDI1NTE5AAAAIOther"
GIT = {"git": "git@git.example.com:shop.git"}
LINE = f"git.example.com ssh-ed25519 {KEY}"


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def with_known(context, *lines):
    os.makedirs(context.layout.config, exist_ok=True)
    Path(context.layout.known_hosts).write_text("".join(f"{line}\n" for line in lines))


def test_recorded_keys_are_used_and_new_servers_are_recorded(tmp_path, home):
    context = make_context(tmp_path, source=GIT)
    with_known(context, LINE)
    assert host_keys.known(context) == f"{LINE}\n"
    assert "StrictHostKeyChecking=accept-new " in host_keys.options(context, "/home")
    added = f"lib.example.com,192.0.2.1 ecdsa-sha2-nistp256 {KEY}="
    (home / "known_hosts").write_text(f"{LINE}\n{added}\n")
    host_keys.learn(context, str(home))
    host_keys.learn(context, str(home))
    assert host_keys.remember(context) == ["lib.example.com,192.0.2.1"]
    assert Path(context.layout.known_hosts).read_text() == f"{LINE}\n{added}\n"
    assert host_keys.remember(context) == []


@pytest.mark.parametrize(
    "line",
    [
        f"git.example.com ssh-ed25519 {OTHER}",  # another key of a known server
        f"new.example.com,git.example.com ssh-ed25519 {OTHER}",
        f"@cert-authority * ssh-ed25519 {OTHER}",
        f"* ssh-ed25519 {OTHER}",
        f"*.example.com ssh-ed25519 {OTHER}",
        f"|1|aaaa=|bbbb= ssh-ed25519 {OTHER}",
        "new.example.com ssh-ed25519",
        "new.example.com",
        f"# ssh-ed25519 {OTHER}",
        "",
    ],
)
def test_the_account_cannot_replace_a_key(tmp_path, home, line):
    context = make_context(tmp_path, source=GIT)
    with_known(context, LINE)
    (home / "known_hosts").write_text(f"{line}\n")
    host_keys.learn(context, str(home))
    assert context.host_keys == []


def test_a_link_in_place_of_the_file_is_not_read(tmp_path, home):
    context = make_context(tmp_path, source=GIT)
    (tmp_path / "shadow").write_text(f"{LINE}\n")
    (home / "known_hosts").symlink_to(tmp_path / "shadow")
    host_keys.learn(context, str(home))
    os.unlink(home / "known_hosts")
    os.mkfifo(home / "known_hosts")  # nobody writes to it, and the reader must not wait
    host_keys.learn(context, str(home))
    assert context.host_keys == []


def test_keys_of_the_inventory_replace_all_others(tmp_path, home):
    context = make_context(tmp_path, source={**GIT, "known_hosts": f"# ours\n{LINE}\n\n"})
    with_known(context, f"git.example.com ssh-ed25519 {OTHER}")
    assert host_keys.known(context) == f"{LINE}\n"
    assert "StrictHostKeyChecking=yes -o GlobalKnownHostsFile=/dev/null " in host_keys.options(context, "/home")
    (home / "known_hosts").write_text(f"lib.example.com ssh-ed25519 {KEY}\n")
    host_keys.learn(context, str(home))
    assert context.host_keys == []


def test_check_mode_writes_no_key(tmp_path):
    context = make_context(tmp_path, source=GIT)
    context.host_keys.append(LINE)
    run = Run({}, {}, "uv", print, "", "", {}, {}, check_mode=True)
    assert run._remember(context) == ["git.example.com"]
    assert not os.path.exists(context.layout.known_hosts)


SAYS = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
The fingerprint for the ED25519 key sent by the remote host is
SHA256:uwhL0uAaEy8Yp7bV1Lg3Q4K3a5w3ZQf0pXfTkQp7c2E.
Host key for git.example.com has changed and you have requested strict checking.
Host key verification failed.
fatal: Could not read from remote repository."""
NO_KEY = """\
No ED25519 host key is known for git.example.com and you have requested strict checking.
Host key verification failed."""


@pytest.mark.parametrize(
    ("given", "said", "words"),
    [
        (
            {},
            SAYS,
            "git.example.com shows the key SHA256:uwhL0uAaEy8Yp7bV1Lg3Q4K3a5w3ZQf0pXfTkQp7c2E, and {} contains another",
        ),
        (
            {"known_hosts": LINE},
            SAYS,
            "source.known_hosts does not contain this key of git.example.com; git.example.com shows the",
        ),
        (
            {"known_hosts": LINE},
            NO_KEY,
            "source.known_hosts does not contain this key of git.example.com; it shows another one",
        ),
        ({}, "fatal: repository not found", "the cause of git"),
        ({}, "Host key verification failed.", "the cause of git"),
    ],
)
def test_a_refused_key_is_named(tmp_path, given, said, words):
    context = make_context(tmp_path, source={**GIT, **given})
    found = host_keys.explained(context, StepError("shop", "source", "the cause of git", said))
    assert words.format(context.layout.known_hosts) in found.cause


def test_the_temporary_file_in_errors_of_ssh_is_not_shown(tmp_path):
    context = make_context(tmp_path, source=GIT)
    said = SAYS + '\nssh-keygen -f "/run/pyweb.stack/.step-1-abcdef01/known_hosts" -R "git.example.com"'
    found = host_keys.explained(context, StepError("shop", "source", "the cause", said))
    assert f'ssh-keygen -f "{context.layout.known_hosts}" -R' in found.output
