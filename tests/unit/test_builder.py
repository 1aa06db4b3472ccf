"""The account that fetches and builds: whose code it builds, and how its processes are ended."""

from __future__ import annotations

import os
import pwd
import subprocess
from types import SimpleNamespace

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import builder
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout, account_name
from builds import AS_ROOT, completed

LAYOUT = Layout.under("shop")
# A uid without processes.
UID = 54321


def test_long_names_of_build_accounts_are_shortened_like_those_of_users():
    assert LAYOUT.builder == "build-shop"
    long = Layout.under("a" * 31)
    assert long.builder == account_name("build", "a" * 31)
    assert len(long.builder) == 31
    assert long.builder != Layout.under("a" * 30 + "b").builder


# --- who builds ---


def accounts(monkeypatch, uid=UID, gid=UID):
    monkeypatch.setattr(pwd, "getpwnam", lambda name: SimpleNamespace(pw_uid=uid, pw_gid=gid, pw_name=name))


@pytest.mark.parametrize("source", [{"startproject": "mysite"}, {"directory": "."}, {"git": "x", "version": "a" * 40}])
def test_fetched_code_is_built_by_the_build_account(tmp_path, source):
    site, _secrets = completed(tmp_path, source=source)
    assert builder.of_site(site) == "build-shop"


@AS_ROOT
@pytest.mark.parametrize(
    ("code", "virtualenv", "who"),
    [
        ((0, 0, 0o755), None, "build-shop"),
        ((0, UID, 0o750), None, "build-shop"),  # Readable for the site's group.
        ((UID, UID, 0o755), None, "site-shop"),  # The user's own code.
        ((7, 7, 0o755), None, "build-shop"),
        ((7, 7, 0o700), None, "site-shop"),  # The site's user may be in another group that can read it.
        ((0, 0, 0o755), (UID, UID, 0o755), "site-shop"),  # The user's own virtualenv.
        ((0, 0, 0o755), (7, 7, 0o755), "build-shop"),
    ],
)
def test_code_in_place_is_built_by_its_owner_if_the_site_can_change_it(public_path, monkeypatch, code, virtualenv, who):
    keys = {"virtualenv": "none" if virtualenv is None else str(public_path / "venv")}
    for name, about in {"code": code, "venv": virtualenv}.items():
        if about:
            (public_path / name).mkdir()
            os.chown(public_path / name, *about[:2])
            os.chmod(public_path / name, about[2])
    site, _secrets = completed(public_path, source={"path": str(public_path / "code")}, **keys)
    accounts(monkeypatch)
    assert builder.of_site(site) == who


def test_a_site_whose_user_does_not_exist_yet_is_built_by_the_build_account(tmp_path):
    (tmp_path / "code").mkdir()
    site, _secrets = completed(tmp_path, source={"path": str(tmp_path / "code")}, virtualenv="none")
    assert builder.of_site(site) == "build-shop"


@AS_ROOT
@pytest.mark.parametrize(("owner", "who"), [(0, "build-shop"), (7, "build-shop"), (UID, "site-shop")])
def test_the_sites_user_builds_if_it_owns_the_parent_of_the_sites_directories(public_path, monkeypatch, owner, who):
    """It could replace them by others, whoever owns them."""
    site, _secrets = completed(public_path, source={"startproject": "mysite"})
    (public_path / "state").mkdir()
    os.chown(public_path / "state", owner, owner)
    accounts(monkeypatch)
    assert builder.of_site(site) == who


# --- processes that it left running ---


def daemon(uid):
    """Return the pid of a process with its own ids that has left its group and its parent."""
    program = "import os, time\nif os.fork() == 0:\n os.setsid()\n print(os.getpid(), flush=True)\n time.sleep(60)\n"
    started = subprocess.Popen(
        ["/usr/bin/python3", "-c", program], stdout=subprocess.PIPE, text=True, user=uid, group=uid
    )
    number = int(started.stdout.readline())
    started.stdout.close()
    started.wait()
    return number


def runs(number):
    try:
        with open(f"/proc/{number}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@AS_ROOT
def test_processes_of_the_account_are_ended_and_no_others(monkeypatch):
    ours, other = daemon(UID), daemon(UID + 1)
    try:
        accounts(monkeypatch)
        assert runs(ours)
        builder.end_processes(LAYOUT)
        assert (runs(ours), runs(other)) == (False, True)
        builder.end_processes(LAYOUT)
    finally:
        os.kill(other, 9)


@pytest.mark.parametrize(
    ("uid", "others", "words"),
    [(0, [], "has the same uid 0 as root;"), (UID, ["deploy"], f"has the same uid {UID} as deploy;")],
)
def test_no_process_is_ended_if_another_account_has_the_same_uid(monkeypatch, uid, others, words):
    accounts(monkeypatch, uid)
    entries = [SimpleNamespace(pw_name=name, pw_uid=uid) for name in ["build-shop", *others]]
    monkeypatch.setattr(pwd, "getpwall", lambda: entries)
    monkeypatch.setattr(os, "kill", lambda *_words: pytest.fail("a process was ended"))
    with pytest.raises(StepError, match=words):
        builder.end_processes(LAYOUT)


def test_a_process_that_does_not_end_is_named(tmp_path, monkeypatch):
    (tmp_path / "77").mkdir()
    (tmp_path / "77/status").write_text(f"Name:\tx\nState:\tD (disk sleep)\nUid:\t{UID}\t{UID}\t{UID}\t{UID}\n")
    (tmp_path / "78").mkdir()
    (tmp_path / "78/status").write_text(f"Name:\tx\nState:\tZ (zombie)\nUid:\t{UID}\t{UID}\t{UID}\t{UID}\n")
    accounts(monkeypatch)
    killed = []
    monkeypatch.setattr(os, "kill", lambda pid, _signal: killed.append(pid))
    monkeypatch.setattr(builder, "END_SECONDS", 0)
    with pytest.raises(StepError, match=r"processes of build-shop cannot be killed: \[77\]"):
        builder.end_processes(LAYOUT, str(tmp_path))
    (tmp_path / "77/status").unlink()
    builder.end_processes(LAYOUT, str(tmp_path))
    assert set(killed) <= {77}


def test_nothing_is_ended_without_the_account(monkeypatch):
    monkeypatch.setattr(os, "kill", lambda *_words: pytest.fail("a process was ended"))
    builder.end_processes(Layout.under("no-such-site"))
