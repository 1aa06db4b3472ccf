"""The account that fetches and builds: whose code it builds, and what becomes of its processes."""

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
# Nobody's, or whose processes these would be.
UID = 54321


def test_the_name_of_the_account_is_shortened_as_that_of_the_sites_user():
    assert LAYOUT.builder == "build-shop"
    long = Layout.under("a" * 31)
    assert long.builder == account_name("build", "a" * 31)
    assert len(long.builder) == 31
    assert long.builder != Layout.under("a" * 30 + "b").builder


# --- who builds ---


def accounts(monkeypatch, uid=UID, gid=UID):
    monkeypatch.setattr(pwd, "getpwnam", lambda name: SimpleNamespace(pw_uid=uid, pw_gid=gid, pw_name=name))


@pytest.mark.parametrize("source", [{"startproject": "mysite"}, {"directory": "."}, {"git": "x", "version": "a" * 40}])
def test_what_is_fetched_is_built_by_the_account(tmp_path, source):
    site, _secrets = completed(tmp_path, source=source)
    assert builder.of_site(site) == "build-shop"


@AS_ROOT
@pytest.mark.parametrize(
    ("code", "virtualenv", "who"),
    [
        ((0, 0, 0o755), None, "build-shop"),
        ((0, UID, 0o750), None, "build-shop"),  # for the site's group to read
        ((UID, UID, 0o755), None, "site-shop"),  # the user's own code
        ((7, 7, 0o755), None, "build-shop"),
        ((7, 7, 0o700), None, "site-shop"),  # the site's user may be in another group that reads it
        ((0, 0, 0o755), (UID, UID, 0o755), "site-shop"),  # the user's own virtualenv
        ((0, 0, 0o755), (7, 7, 0o755), "build-shop"),
    ],
)
def test_code_in_place_is_built_by_whose_hands_it_is_in(public_path, monkeypatch, code, virtualenv, who):
    keys = {"virtualenv": "none" if virtualenv is None else str(public_path / "venv")}
    for name, about in {"code": code, "venv": virtualenv}.items():
        if about:
            (public_path / name).mkdir()
            os.chown(public_path / name, *about[:2])
            os.chmod(public_path / name, about[2])
    site, _secrets = completed(public_path, source={"path": str(public_path / "code")}, **keys)
    accounts(monkeypatch)
    assert builder.of_site(site) == who


def test_a_site_whose_user_is_still_to_be_made_is_built_by_the_account(tmp_path):
    (tmp_path / "code").mkdir()
    site, _secrets = completed(tmp_path, source={"path": str(tmp_path / "code")}, virtualenv="none")
    assert builder.of_site(site) == "build-shop"


@AS_ROOT
@pytest.mark.parametrize(("owner", "who"), [(0, "build-shop"), (7, "build-shop"), (UID, "site-shop")])
def test_where_the_sites_directories_lie_in_one_of_its_user_that_user_builds(public_path, monkeypatch, owner, who):
    """It could put others in their place, whoever they belong to."""
    site, _secrets = completed(public_path, source={"startproject": "mysite"})
    (public_path / "state").mkdir()
    os.chown(public_path / "state", owner, owner)
    accounts(monkeypatch)
    assert builder.of_site(site) == who


# --- what it leaves running ---


def daemon(uid):
    """A process with ids of its own that has left its group and its parent; its number."""
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
def test_what_it_left_running_is_ended_and_nothing_else(monkeypatch):
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
def test_a_number_that_others_have_as_well_ends_no_process(monkeypatch, uid, others, words):
    accounts(monkeypatch, uid)
    entries = [SimpleNamespace(pw_name=name, pw_uid=uid) for name in ["build-shop", *others]]
    monkeypatch.setattr(pwd, "getpwall", lambda: entries)
    monkeypatch.setattr(os, "kill", lambda *_words: pytest.fail("a process was ended"))
    with pytest.raises(StepError, match=words):
        builder.end_processes(LAYOUT)


def test_what_does_not_end_is_named(tmp_path, monkeypatch):
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


def test_without_the_account_nothing_is_ended(monkeypatch):
    monkeypatch.setattr(os, "kill", lambda *_words: pytest.fail("a process was ended"))
    builder.end_processes(Layout.under("no-such-site"))
