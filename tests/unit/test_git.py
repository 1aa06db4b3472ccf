"""What git gets of a URL: no secret on the command line, and the password in its own file."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import git, source
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from builds import AS_ROOT, FakeShell, make_context, real_context

SECRET = "correct-horse-battery"


@pytest.mark.parametrize(
    ("url", "given", "line"),
    [
        ("https://git/x.git", "https://git/x.git", ""),
        ("https://u:p@git/x.git", "https://git/x.git", "https://u:p@git\n"),
        ("https://token@git:8443/x.git", "https://git:8443/x.git", "https://token:@git:8443\n"),
        ("https://u:a/b@c@git/x.git", "https://git/x.git", "https://u:a%2Fb%40c@git\n"),
        ("https://u:a%40b@git/x.git", "https://git/x.git", "https://u:a%40b@git\n"),
        ("HTTP://u:p@git/x.git", "HTTP://git/x.git", "http://u:p@git\n"),
        # Here the user is part of the address, and not a secret.
        ("ssh://deploy@git/x.git", "ssh://deploy@git/x.git", ""),
        ("deploy@git:x.git", "deploy@git:x.git", ""),
        ("/srv/x.git", "/srv/x.git", ""),
    ],
)
def test_a_password_is_removed_from_the_url(url, given, line):
    assert (git.address(url), git.stored(url)) == (given, line)


@pytest.mark.parametrize("password", ["plain", "a@b", "a/b:c", "100%", "ünïcode", "a b"])
def test_git_reads_the_original_password(tmp_path, password):
    """`git credential-store` returns it only for this host, scheme and port."""
    url = f"https://teller:{password.replace('%', '%25').replace(' ', '%20')}@git.example.com:8443/x.git"
    path = tmp_path / "credentials"
    path.write_text(git.stored(url))

    def ask(host, scheme="https"):
        words = ["git", "credential-store", f"--file={path}", "get"]
        given = f"protocol={scheme}\nhost={host}\n\n"
        return subprocess.run(words, input=given, capture_output=True, text=True, check=True).stdout

    assert ask("git.example.com:8443") == f"username=teller\npassword={password}\n"
    assert ask("git.example.com") == ask("other.example.com:8443") == ask("git.example.com:8443", "http") == ""


@AS_ROOT
def test_no_secret_is_on_a_command_line_or_readable_for_others(tmp_path):
    seen = {}

    def look(_argv):
        home = shell.calls[-1].environment["HOME"]
        for path in [home, f"{home}/credentials", f"{home}/key"]:
            found = os.stat(path)
            seen[os.path.basename(path)] = (stat.S_IMODE(found.st_mode), found.st_uid)
        seen["text"] = Path(home, "credentials").read_text()
        assert stat.S_IMODE(os.stat(os.path.dirname(home)).st_mode) == 0o755
        return "a" * 40 + "\trefs/heads/main\n"

    shell = FakeShell("shop", {"git ls-remote": look})
    key = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----"
    given = {"git": f"https://t:{SECRET}@git/x.git", "version": "main", "key": key}
    source.resolve(make_context(tmp_path, shell=shell, user="nobody", source=given))
    home = shell.calls[0].environment["HOME"]
    assert seen.pop("text") == f"https://t:{SECRET}@git\n"
    assert seen == {os.path.basename(home): (0o700, 65534), "credentials": (0o600, 65534), "key": (0o600, 65534)}
    assert SECRET not in str([(call.argv, call.environment) for call in shell.calls])
    assert not os.path.lexists(home)


@pytest.mark.parametrize("connects", [True, False], ids=["stalls", "waits"])
def test_a_server_that_does_not_answer_does_not_block_the_run(tmp_path, monkeypatch, connects):
    monkeypatch.setattr(git, "STALL_TIMEOUT" if connects else "ASK_TIMEOUT", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.git"
        context = real_context(tmp_path, source={"git": url, "version": "main"})
        began = time.monotonic()
        with pytest.raises(StepError, match="site 'shop': source failed: "):
            source.resolve(context)
    assert time.monotonic() - began < 20
