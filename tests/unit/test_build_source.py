"""Fetching a site's code, with real repositories and real archives."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import git, source
from ansible_collections.pyweb.stack.plugins.module_utils.build import tree as trees
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model import layout as layouts
from builds import AS_ROOT, ME, FakeShell, failed, make_context, real_context, tree

SECRET = "correct-horse-battery"


# --- the commit of a version ---

BRANCH, TAG, TAG_OBJECT, HEAD = (digit * 40 for digit in "abcd")
ROWS = f"""\
{HEAD}\tHEAD
{BRANCH}\trefs/heads/main
{BRANCH}\trefs/heads/feature/x
{TAG}\trefs/heads/both
{TAG_OBJECT}\trefs/tags/v1
{TAG}\trefs/tags/v1^{{}}
{BRANCH}\trefs/tags/light
{TAG_OBJECT}\trefs/tags/both
"""


@AS_ROOT
@pytest.mark.parametrize(
    ("version", "commit"),
    [
        ("main", BRANCH),
        ("feature/x", BRANCH),
        ("v1", TAG),
        ("light", BRANCH),
        ("both", TAG),
        ("HEAD", HEAD),
        ("refs/heads/main", BRANCH),
    ],
)
def test_version_of_git(tmp_path, version, commit):
    shell = FakeShell("shop", {"git ls-remote": ROWS})
    context = make_context(
        tmp_path, shell=shell, user=ME, source={"git": f"https://t:{SECRET}@git/x.git", "version": version}
    )
    resolved = source.resolve(context)
    assert resolved.identity == f"git {commit}"
    assert resolved.source == {"kind": "git", "git": "https://git/x.git", "version": version, "commit": commit}
    assert shell.commands() == ["git ls-remote https://git/x.git"]
    assert context.site["source"].get("commit", "") == ""  # The site is unchanged.


def test_a_full_commit_id_needs_no_request(tmp_path):
    context = make_context(tmp_path, source={"git": "x", "version": "e" * 40})
    assert source.resolve(context).identity == "git " + "e" * 40
    assert context.shell.calls == []


@AS_ROOT
@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("mian", "source.version is 'mian'; the repository has no such branch or tag; it has both, feature/x, main"),
        ("abcdef1", "source.version is 'abcdef1'; expected all 40 digits of a commit, a branch or a tag"),
        ("a" * 39, f"source.version is '{'a' * 39}'; expected all 40 digits of a commit, a branch or a tag"),
        ("abcdef", "source.version is 'abcdef'; the repository has no such branch or tag"),
        ("a" * 41, "the repository has no such branch or tag"),
    ],
)
def test_a_missing_version_is_reported(tmp_path, version, words):
    shell = FakeShell("shop", {"git ls-remote": ROWS})
    context = make_context(tmp_path, shell=shell, user=ME, source={"git": "x", "version": version})
    with pytest.raises(StepError) as caught:
        source.resolve(context)
    assert words in str(caught.value)
    assert str(caught.value).startswith("site 'shop': source failed: ")


@AS_ROOT
def test_a_missing_version_names_eight_branches(tmp_path):
    rows = "".join(f"{BRANCH}\trefs/heads/b{number}\n" for number in range(9))
    shell = FakeShell("shop", {"git ls-remote": rows})
    context = make_context(tmp_path, shell=shell, user=ME, source={"git": "x", "version": "none"})
    with pytest.raises(StepError, match=r"it has b0, b1, b2, b3, b4, b5, b6, b7$"):
        source.resolve(context)


# --- how git is called ---


@AS_ROOT
def test_git_has_its_own_home_and_never_prompts_for_a_password(tmp_path):
    seen = {}

    def look(_argv):
        home = shell.calls[-1].environment["HOME"]
        seen.update(tree(home), owner=os.stat(home).st_uid, home=home)
        return ROWS

    shell = FakeShell("shop", {"git ls-remote": look})
    context = make_context(tmp_path, shell=shell, user="nobody", source={"git": "x", "version": "main"})
    source.resolve(context)
    [call] = shell.calls
    assert (call.user, call.cwd, call.step) == ("nobody", "/", "source")
    assert call.environment["GIT_TERMINAL_PROMPT"] == "0"
    assert seen.pop("owner") == 65534
    home = seen.pop("home")
    assert os.path.dirname(home) == layouts.LOCKS
    assert call.environment["GIT_SSH_COMMAND"] == (
        "ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15 "
        f"-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={home}/known_hosts "
        "-o HashKnownHosts=no -o UpdateHostKeys=no"
    )
    assert seen == {".gitconfig": git.CONFIG.format(home=home)}
    assert not os.path.exists(home)


@AS_ROOT
def test_only_git_can_read_the_deploy_key(tmp_path):
    key = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----"
    seen = {}

    def look(_argv):
        path = shell.calls[-1].environment["GIT_SSH_COMMAND"].rpartition(" -i ")[2]
        seen.update(path=path, text=Path(path).read_text(), about=os.stat(path))
        return ROWS

    shell = FakeShell("shop", {"git ls-remote": look})
    context = make_context(tmp_path, shell=shell, user="nobody", source={"git": "x", "version": "main", "key": key})
    resolved = source.resolve(context)
    assert seen["text"] == key + "\n"
    assert (stat.S_IMODE(seen["about"].st_mode), seen["about"].st_uid) == (0o600, 65534)
    assert "-o IdentitiesOnly=yes -i " in shell.calls[0].environment["GIT_SSH_COMMAND"]
    assert not os.path.exists(seen["path"])
    assert SECRET not in str(resolved)


# --- a real repository ---


class Repository:
    """A git repository below tmp_path."""

    def __init__(self, path):
        self.path = Path(path)
        self.path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"]
        done = subprocess.run(
            ["git", *identity, "-C", str(self.path), *words],
            env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": str(self.path)},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self, **files):
        for name, text in files.items():
            (self.path / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=x")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "repository")


def brought(context):
    """Return what `bring` puts into `src` of a build, after resolving."""
    root = context.layout.build("x")
    context.make_directory(root)
    source.bring(context, source.resolve(context), root)
    assert sorted(os.listdir(root)) == ["src"]
    return tree(f"{root}/src")


@AS_ROOT
def test_versions_of_a_real_repository(tmp_path, repository):
    first = repository.commit(a="1")
    repository.git("tag", "--annotate", "--message=v1", "v1")
    second = repository.commit(a="2")
    for version, commit in (("v1", first), ("main", second), ("HEAD", second)):
        context = real_context(tmp_path, source={"git": str(repository.path), "version": version})
        assert source.resolve(context).identity == f"git {commit}"


@AS_ROOT
@pytest.mark.parametrize(("version", "text"), [("v1", "1"), ("main", "2"), ("HEAD", "2")])
def test_code_from_git_has_no_history(tmp_path, repository, version, text):
    repository.commit(a="1")
    repository.git("tag", "v1")
    repository.commit(a="2")
    assert brought(real_context(tmp_path, source={"git": str(repository.path), "version": version})) == {"a": text}


@AS_ROOT
def test_a_commit_without_a_branch_is_fetched_with_the_whole_history(tmp_path, repository):
    """If the server does not allow fetching a single commit, the whole history is fetched instead."""
    old = repository.commit(a="old")
    repository.commit(a="new")
    context = real_context(tmp_path, source={"git": str(repository.path), "version": old})
    run, refused = context.shell.run, []

    def run_or_refuse(step, argv, *words, **keys):
        if "--depth=1" in argv and "fetch" in argv:
            refused.append(list(argv))
            assert keys["check"] is False
            return subprocess.CompletedProcess(argv, 128, "", "fatal: Server does not allow request")
        return run(step, argv, *words, **keys)

    context.shell.run = run_or_refuse
    assert brought(context) == {"a": "old"}
    assert refused == [["git", "fetch", "--quiet", "--depth=1", str(repository.path), old]]


@AS_ROOT
def test_a_shallow_fetch_of_one_commit_is_enough(tmp_path, repository):
    repository.commit(a="1")
    commit = repository.commit(a="2")
    context = real_context(tmp_path, source={"git": f"file://{repository.path}", "version": commit})
    fetched, run = [], context.shell.run

    def note(step, argv, *words, **keys):
        if "checkout" in argv:  # Only this commit was fetched.
            fetched.extend(run(step, ["git", "rev-list", "--all", "FETCH_HEAD"], *words, **keys).stdout.split())
        return run(step, argv, *words, **keys)

    context.shell.run = note
    assert brought(context) == {"a": "2"}
    assert fetched == [commit]


@AS_ROOT
def test_submodules_are_fetched(tmp_path, repository, monkeypatch):
    inner, middle = Repository(tmp_path / "inner"), Repository(tmp_path / "middle")
    inner.commit(deep="deep")
    middle.commit(part="part")
    middle.git("submodule", "--quiet", "add", str(inner.path), "inner")
    middle.commit()
    repository.commit(a="1")
    repository.git("submodule", "--quiet", "add", str(middle.path), "lib")
    repository.commit()
    context = real_context(tmp_path, source={"git": str(repository.path), "version": "main"})
    # Since 2.38 git refuses submodules from directories; those from a server work.
    context.shell.environment.update(
        {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.file.allow", "GIT_CONFIG_VALUE_0": "always"}
    )
    found = brought(context)
    assert (found["a"], found["lib/part"], found["lib/inner/deep"]) == ("1", "part", "deep")


@AS_ROOT
def test_code_without_submodules_fetches_none(tmp_path):
    shell = FakeShell("shop", {"git init": lambda argv: os.mkdir(f"{argv[-1]}/.git")})
    context = make_context(tmp_path, shell=shell, user=ME, source={"git": "x", "version": "e" * 40})
    assert brought(context) == {}
    code = context.layout.build("x") + "/src"
    assert shell.commands() == [
        f"git init --quiet {code}",
        "git config remote.origin.url x",
        f"git fetch --quiet --depth=1 x {'e' * 40}",
        f"git checkout --quiet --force {'e' * 40}",
        "git log -1 --format=%s",
    ]
    assert [call.cwd for call in shell.calls] == ["/", code, code, code, code]


@AS_ROOT
def test_the_subject_of_the_commit_is_recorded(tmp_path, repository):
    commit = repository.commit(a="1")
    repository.git("commit", "--quiet", "--amend", "--message=Fix the cart\n\nIt was broken.")
    amended = repository.git("rev-parse", "HEAD")
    assert commit != amended
    context = real_context(tmp_path, source={"git": str(repository.path), "version": "main"})
    root = context.layout.build("x")
    context.make_directory(root)
    assert source.bring(context, source.resolve(context), root) == "Fix the cart"


# --- archives and directories ---


def make_tar(path, files, compression="gz"):
    with tarfile.open(path, f"w:{compression}") as tar:
        for name, text in files.items():
            (path.parent / "member").write_text(text)
            tar.add(path.parent / "member", arcname=name)
    return path


def make_zip(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def checksum(path):
    return "sha256:" + hashlib.sha256(Path(path).read_bytes()).hexdigest()


@AS_ROOT
@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"shop-1.0/manage.py": "m", "shop-1.0/a/b": "b"}, {"manage.py": "m", "a/b": "b"}),
        ({"manage.py": "m", "a/b": "b"}, {"manage.py": "m", "a/b": "b"}),
        ({"manage.py": "m"}, {"manage.py": "m"}),  # One file is not a directory.
        ({"one/a": "a", "two/b": "b"}, {"one/a": "a", "two/b": "b"}),
    ],
    ids=["one directory", "files", "one file", "two directories"],
)
@pytest.mark.parametrize("kind", ["tar.gz", "tar.xz", "tar.bz2", "zip"])
def test_archive(tmp_path, kind, files, wanted):
    path = tmp_path / f"shop.{kind}"
    make_zip(path, files) if kind == "zip" else make_tar(path, files, kind.rpartition(".")[2])
    context = real_context(tmp_path, source={"archive": str(path)})
    resolved = source.resolve(context, str(path))
    assert resolved.identity == f"archive {checksum(path)}"
    assert resolved.source == {"kind": "archive", "archive": str(path), "checksum": checksum(path)}
    root = context.layout.build("x")
    context.make_directory(root)
    source.bring(context, resolved, root)
    assert tree(f"{root}/src") == wanted
    assert os.listdir(root) == ["src"]
    assert path.exists()


@AS_ROOT
def test_an_archive_is_unpacked_by_the_sites_user(tmp_path):
    """Its members cannot replace files of root, whatever their names are."""
    path = make_tar(tmp_path / "shop.tar.gz", {"a": "a"})
    shell = FakeShell("shop")
    context = make_context(tmp_path, shell=shell, user="nobody", source={"archive": str(path)})
    root = context.layout.build("x")
    context.make_directory(root)

    def unpack(argv):
        archive = shell.calls[-1].stdin
        assert archive.name == str(path)
        # As that user, tar opens /dev/stdin again.
        assert stat.S_IMODE(os.fstat(archive.fileno()).st_mode) == 0o644
        assert os.stat(f"{root}/src").st_uid == 65534

    shell.answers["tar --extract"] = unpack
    source.bring(context, source.resolve(context, str(path)), root)
    assert {call.user for call in shell.calls} == {"nobody"}
    assert shell.commands() == [
        f"tar --extract --no-same-owner --file /dev/stdin --directory {root}/src",
        f"chmod --recursive u+rwX,go+rX {root}/src",
    ]


URL = "https://example.com/shop-1.0.tar.gz"


@AS_ROOT
def test_a_url_without_a_checksum_is_fetched_to_compute_it(tmp_path):
    path = make_tar(tmp_path / "shop.tar.gz", {"shop/manage.py": "m"})
    fetched = []

    def fetch(url, there):
        fetched.append(url)
        shutil.copy(path, there)

    context = real_context(tmp_path, fetch=fetch, source={"archive": URL})
    resolved = source.resolve(context)
    assert resolved.identity == f"archive {checksum(path)}"
    assert resolved.source == {"kind": "archive", "archive": URL, "checksum": checksum(path)}
    assert os.path.dirname(resolved.upload) == context.scratch
    context.make_directory(context.layout.build("x"))
    source.bring(context, resolved, context.layout.build("x"))
    assert tree(context.layout.build("x") + "/src") == {"manage.py": "m"}
    assert fetched == [URL]  # Only once.


@AS_ROOT
def test_a_url_with_a_checksum_is_fetched_only_for_a_build(tmp_path):
    path = make_tar(tmp_path / "shop.tar.gz", {"shop/manage.py": "m"})
    given = {"archive": URL, "checksum": checksum(path)}
    context = real_context(tmp_path, fetch=lambda _url, there: shutil.copy(path, there), source=given)
    resolved = source.resolve(context)
    assert (resolved.identity, resolved.upload) == (f"archive {checksum(path)}", "")
    assert os.listdir(context.scratch) == []
    assert brought(context) == {"manage.py": "m"}


@AS_ROOT
def test_an_archive_with_another_checksum_is_refused(tmp_path):
    path = make_tar(tmp_path / "shop.tar.gz", {"shop/manage.py": "m"})
    wanted = "sha256:" + "0" * 64
    context = real_context(
        tmp_path, fetch=lambda _url, there: shutil.copy(path, there), source={"archive": URL, "checksum": wanted}
    )
    with pytest.raises(StepError) as caught:
        brought(context)
    assert str(caught.value) == (
        f"site 'shop': source failed: source.checksum is {wanted}; the checksum of {URL} is {checksum(path)}; "
        "the archive changed, or the checksum is wrong"
    )


def test_a_url_that_does_not_answer_is_an_error(tmp_path):
    def fetch(_url, _path):
        raise OSError("Connection refused")

    context = make_context(tmp_path, fetch=fetch, source={"archive": URL})
    with pytest.raises(StepError, match=rf"site 'shop': source failed: {URL}: Connection refused"):
        source.resolve(context)


@AS_ROOT
def test_a_directory_of_the_controller_keeps_its_structure(tmp_path):
    """A single top-level directory is not removed as in an archive: the user has this structure."""
    (tmp_path / "code/only").mkdir(parents=True)
    (tmp_path / "code/only/manage.py").write_text("m")
    context = real_context(tmp_path, source={"directory": str(tmp_path / "code")})
    context.site["source"]["digest"] = trees.digest(str(tmp_path / "code"))
    packed = tmp_path / "packed.tar.gz"
    trees.pack(str(tmp_path / "code"), str(packed))
    resolved = source.resolve(context, str(packed))
    assert resolved.identity == f"tree {trees.digest(str(tmp_path / 'code'))}"
    assert resolved.source == {"kind": "directory", "digest": trees.digest(str(tmp_path / "code"))}
    context.make_directory(context.layout.build("x"))
    source.bring(context, resolved, context.layout.build("x"))
    assert tree(context.layout.build("x") + "/src") == {"only/manage.py": "m"}


# --- code in place, fresh projects ---


@AS_ROOT
def test_code_in_place_is_linked(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code/manage.py").write_text("m")
    context = make_context(tmp_path, user=ME, source={"path": str(tmp_path / "code")}, virtualenv="none")
    resolved = source.resolve(context)
    assert resolved.identity == f"path {tmp_path}/code {trees.digest(str(tmp_path / 'code'))}"
    assert resolved.source == {"kind": "path", "path": str(tmp_path / "code")}
    context.make_directory(context.layout.build("x"))
    source.bring(context, resolved, context.layout.build("x"))
    assert os.readlink(context.layout.build("x") + "/src") == str(tmp_path / "code")


def test_missing_code_in_place_is_an_error(tmp_path):
    context = make_context(tmp_path, source={"path": "/no/such/code"}, virtualenv="none")
    with pytest.raises(StepError, match=r"source\.path is '/no/such/code'; this host has no such directory; create it"):
        source.resolve(context)


def test_a_fresh_project_is_not_fetched(tmp_path):
    context = make_context(tmp_path)
    resolved = source.resolve(context)
    assert (resolved.identity, resolved.source) == (
        "startproject mysite",
        {"kind": "startproject", "startproject": "mysite"},
    )
    source.bring(context, resolved, "/no/such/build")  # Nothing to do.


# --- sources on the controller ---


@pytest.mark.parametrize(
    ("given", "there"),
    [
        ({"kind": "directory", "directory": "/code"}, True),
        ({"kind": "archive", "archive": "/code.zip"}, True),
        ({"kind": "archive", "archive": "http://example.com/code.zip"}, False),
        ({"kind": "archive", "archive": "https://example.com/code.zip"}, False),
        ({"kind": "archive", "archive": "/https://code.zip"}, True),
        ({"kind": "git", "git": "/code"}, False),
        ({"kind": "path", "path": "/code"}, False),
        ({"kind": "startproject", "startproject": "x"}, False),
        ({"kind": "none"}, False),
    ],
)
def test_which_sources_are_on_the_controller(given, there):
    assert source.on_controller(given) is there


@pytest.mark.parametrize(
    ("keys", "late"),
    [
        ({"git": "x", "version": "e" * 40}, {"commit": ""}),
        ({"startproject": "mysite"}, {"commit": "", "digest": ""}),
    ],
)
def test_keys_that_are_still_empty_are_not_in_the_manifest(tmp_path, keys, late):
    """The model declares them for every source that may get a value later."""
    context = make_context(tmp_path, source=keys)
    before = source.resolve(context).source
    context.site["source"].update(late)
    assert source.resolve(context).source == before
    assert "" not in before.values()


def test_a_failing_git_is_reported_as_a_failure_of_the_source(tmp_path):
    shell = FakeShell("shop", {"git ls-remote": failed("source", "no such repository")})
    context = make_context(tmp_path, shell=shell, user=ME, source={"git": "x", "version": "main"})
    with pytest.raises(StepError, match="source failed: no such repository"):
        source.resolve(context)
