"""A build sees the site's data through a view: it can write there, and its changes are discarded."""

from __future__ import annotations

import os
import pwd
import sqlite3
import stat
from types import SimpleNamespace

import pytest
import unshared
from ansible_collections.pyweb.stack.plugins.module_utils.build import data_view
from ansible_collections.pyweb.stack.plugins.module_utils.host import confined, mounts, nofollow, sandbox
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import Shell, StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model import layout as layouts
from builds import make_context

SITE, BUILDER = 54321, 54322


def may_mount():
    if os.getuid():
        return False
    child = os.fork()
    if child == 0:
        os._exit(os.system("unshare --mount mount -t tmpfs none /mnt 2>/dev/null") != 0)  # noqa: S605 - a constant command
    return os.waitpid(child, 0)[1] == 0


pytestmark = pytest.mark.skipif(not may_mount(), reason="it mounts directories")


@pytest.fixture
def context(public_path, monkeypatch):
    """Return the context of a site with data on a host whose accounts are numbers."""
    known = {"root": 0, "site-shop": SITE, "build-shop": BUILDER}

    def account(name):
        if name not in known:
            raise KeyError(name)
        return SimpleNamespace(pw_uid=known[name], pw_gid=known[name])

    monkeypatch.setattr(pwd, "getpwnam", account)
    monkeypatch.setattr(os, "getgrouplist", lambda _name, gid: [gid, SITE])
    monkeypatch.setattr(confined, "command", unshared.command)
    monkeypatch.setattr(layouts, "LOCKS", str(public_path / "locks"))
    made = make_context(public_path, shell=Shell("shop", {}), builder="build-shop")
    state = made.layout.state
    os.makedirs(f"{state}/media/2026")
    os.makedirs(f"{state}/writable/logs")
    for name, text in {
        "app.log": "old\n",
        "writable/logs/site.log": "",
        "secret.json": "{}",
        ".gitconfig": "[core]",
        "media/2026/a.png": "picture",
        "huge.bin": "x" * (data_view.FILE_BYTES + 1),
        "huge.log": "x" * (data_view.FILE_BYTES + 1),
    }.items():
        with open(f"{state}/{name}", "w") as stream:
            stream.write(text)
    connection = sqlite3.connect(f"{state}/db.sqlite3")
    connection.execute("CREATE TABLE shop (name)")
    connection.close()
    for folder, _folders, names in os.walk(state):
        os.chown(folder, SITE, SITE)
        os.chmod(folder, 0o750)  # noqa: S103 - the mode on a host
        for name in names:
            os.chown(f"{folder}/{name}", SITE, SITE)
            os.chmod(f"{folder}/{name}", 0o600 if name == "secret.json" else 0o640)
    os.chmod(state, 0o711)  # noqa: S103 - the mode on a host
    with open(f"{state}/.of-root", "w"):
        os.symlink("/etc/passwd", f"{state}/link")
    return made


def listing(context):
    found = {}
    for folder, folders, names in os.walk(context.layout.state):
        for name in [*folders, *names]:
            about = os.lstat(f"{folder}/{name}")
            found[os.path.relpath(f"{folder}/{name}", context.layout.state)] = (about.st_uid, about.st_size)
    return found


def run(context, script):
    return context.project("project", ["sh", "-ec", script], "/", {}, check=False)


WRITES = """
grep -q old app.log; echo new >> app.log
echo new >> writable/logs/site.log; echo new >> huge.log
mkdir made writable/logs/more; echo a > made/b; echo c > media/2026/new.png
"""


@pytest.mark.parametrize("overlay", [True, False])
def test_a_build_can_read_and_write_without_changing_the_data(context, monkeypatch, overlay):
    if not overlay:
        mount = mounts.mount

        def refuse(source, target, kind="", flags=0, options=""):
            if kind == "overlay":
                raise OSError(19, "No such device", target)
            mount(source, target, kind, flags, options)

        monkeypatch.setattr(mounts, "mount", refuse)
    before = listing(context)
    with data_view.shown(context) as seeing:
        done = run(seeing, f"cd {context.layout.state}; id -u; cat secret.json; {WRITES}")
        assert (done.returncode, done.stdout) == (0, f"{BUILDER}\n{{}}"), done.stderr
        # The next command sees what the previous one wrote.
        assert run(seeing, f"cat {context.layout.state}/made/b").stdout == "a\n"
        assert not os.path.exists(f"{context.layout.state}/made")
        if overlay:
            script = f"cd {context.layout.state}; ls -A; cat huge.bin | wc -c; cat huge.log | wc -c"
            listed = run(seeing, script)
            assert listed.returncode == 0, listed.stderr
            *names, whole, log = listed.stdout.split()
            assert (int(whole), int(log)) == (data_view.FILE_BYTES + 1, 4)
            # A program that the project calls would read it as its own settings, and the site could have written it.
            assert ".gitconfig" not in names
            assert ".of-root" in names
    assert listing(context) == before
    assert not os.path.exists(context.layout.view)


def test_the_database_of_the_running_site_can_be_read(context):
    path = f"{context.layout.state}/db.sqlite3"
    live = sqlite3.connect(path, isolation_level=None)
    live.execute("PRAGMA journal_mode=WAL")
    live.execute("INSERT INTO shop VALUES ('kept')")
    for end in ("", "-wal", "-shm"):
        os.chown(path + end, SITE, SITE)
        os.chmod(path + end, 0o640)
    program = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT name FROM shop').fetchall())"
    with data_view.shown(context) as seeing:
        done = seeing.project("project", ["python3", "-c", program, path], "/", {})
    assert done.stdout == "[('kept',)]\n"
    assert live.execute("SELECT name FROM shop").fetchall() == [("kept",)]
    live.close()


def test_caches_of_pip_and_uv_cannot_be_written_by_the_project(context):
    cache = context.layout.cache
    os.makedirs(f"{cache}/uv")
    for folder in (cache, f"{cache}/uv"):
        os.chown(folder, BUILDER, BUILDER)
        os.chmod(folder, 0o700)
    with data_view.shown(context) as seeing:
        done = run(seeing, f"cd {cache}; ls; mkdir uv; echo a > uv/a; echo a > npm/a; echo a > .pydistutils.cfg")
    assert (done.returncode, done.stdout.split()) == (0, ["npm", "yarn"]), done.stderr
    assert sorted(os.listdir(cache)) == ["npm", "uv", "yarn"]
    assert (os.listdir(f"{cache}/uv"), os.listdir(f"{cache}/npm")) == ([], ["a"])


def test_mounts_left_by_a_killed_run_are_removed(context):
    held = data_view.shown(context)
    run(held.__enter__(), "true")
    assert os.path.ismount(context.layout.view)
    mounts.remove(context.layout.view)
    assert not os.path.exists(context.layout.view)
    with data_view.shown(context) as seeing:
        assert run(seeing, "true").returncode == 0


def test_the_sites_own_user_needs_no_view(context):
    object.__setattr__(context, "user", "site-shop")
    with data_view.shown(context) as seeing:
        assert seeing.view is None


def test_a_link_in_place_of_the_sites_data_is_refused(context, public_path):
    """Root would mount over the target of the link."""
    media = public_path / "elsewhere"
    media.mkdir()
    os.chown(media, SITE, SITE)
    paths = {**context.layout.paths, "media": str(media)}
    object.__setattr__(context, "layout", layouts.Layout("shop", paths))
    with data_view.shown(context) as seeing:
        assert run(seeing, f"echo a > {media}/a").returncode == 0
        os.rename(media, public_path / "moved")
        os.symlink("/etc", media)
        os.chown(media, SITE, SITE, follow_symlinks=False)
        with pytest.raises(
            StepError, match=r"data failed: .*/elsewhere is a link of .*54321.*root follows links of root"
        ):
            run(seeing, "ls /etc/passwd")
    assert os.listdir(public_path / "moved") == []


def test_media_that_the_site_could_replace_by_a_link_get_no_view(context, public_path):
    (public_path / "theirs/media").mkdir(parents=True)
    for path in ("theirs", "theirs/media"):
        os.chown(public_path / path, SITE, SITE)
    paths = {**context.layout.paths, "media": str(public_path / "theirs/media")}
    object.__setattr__(context, "layout", layouts.Layout("shop", paths))
    with data_view.shown(context) as seeing:
        assert [place for _view, place in seeing.view()] == [context.layout.state, context.layout.cache]


def test_a_failed_mount_is_reported(context, monkeypatch):
    def refuse(_source, target, *_more, **_keys):
        raise OSError(1, "Operation not permitted", target)

    monkeypatch.setattr(mounts, "mount", refuse)
    wanted = r"data failed: .*: Operation not permitted; a build protects the data"
    with pytest.raises(StepError, match=wanted), data_view.shown(context) as seeing:
        run(seeing, "true")
    assert not os.path.exists(context.layout.view)


def test_a_missing_command_is_named(context):
    with (
        data_view.shown(context) as seeing,
        pytest.raises(StepError, match=r"npm-of-nobody.*: No such file"),
    ):
        seeing.project("build step", ["npm-of-nobody"], "/", {"PATH": "/usr/bin"})


def test_modes_of_files_of_other_users_are_unchanged(context):
    path = f"{context.layout.state}/of-root"
    os.mkdir(path, 0o755)
    with data_view.shown(context) as seeing:
        assert run(seeing, f"stat -c '%u %a' {path}").stdout == "0 755\n"
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o755


def test_very_deep_directories_do_not_stop_a_build(context):
    here = os.open(context.layout.state, os.O_RDONLY)
    for _number in range(2000):
        os.mkdir("d", dir_fd=here)
        os.chown("d", SITE, SITE, dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        with data_view.shown(context) as seeing:
            said = seeing.project("probe", ["sh", "-c", "touch d/d/d/new && ls d/d/d"], context.layout.state, {})
        assert said.stdout.split() == ["d", "new"]
        assert os.listdir(f"{context.layout.state}/d/d/d") == ["d"]
    finally:
        nofollow.remove(f"{context.layout.state}/d")  # tempfile cannot remove such a directory.


def test_directories_that_a_build_creates_as_the_sites_user_are_seen(context):
    path = f"{context.layout.state}/writable/uploads"
    with data_view.shown(context) as seeing:
        os.mkdir(path, 0o750)
        os.chown(path, SITE, SITE)
        assert run(seeing, f"echo a > {path}/a").returncode == 0
    assert os.listdir(path) == []


def test_hidden_directories_are_empty_and_there_is_no_network(context):
    state = context.layout.state
    apart = context.shell.within(sandbox.apart(context.inside.sandbox, [state]))
    done = apart.run("settings", ["sh", "-c", f"ls -A {state}; cat /proc/net/dev"], "build-shop")
    assert [line.split(":")[0].strip() for line in done.stdout.splitlines()[2:]] == ["lo"]
    assert "app.log" in os.listdir(state)
