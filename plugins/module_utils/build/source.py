# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the code of a site comes from: resolve the source to what it is today, and bring the code into a build."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from ..build import tree
from ..build.context import Context
from ..host import files
from ..host.shell import StepError
from ..model.types import Source
from ..model.urls import is_url

COMMIT = re.compile(r"[0-9a-f]{40}")
# How long git may take, in seconds.
GIT_TIMEOUT = 600
Git = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class Resolved:
    """A source of which it is known what it is.

    `identity` is its part of a build's id, `source` what the manifest says of it. `upload` is the file on this host
    that holds the code of an archive or a directory, '' where there is none (yet).
    """

    identity: str
    source: Source
    upload: str = ""


def resolve(context: Context, upload: str = "") -> Resolved:
    """Find out what the source is today. Asks the git server or fetches an archive, but changes nothing."""
    source = context.site["source"]
    kind = source["kind"]
    if kind == "git":
        commit = _commit(context)
        return Resolved(f"git {commit}", _recorded(source, commit=commit))
    if kind == "directory":
        return Resolved(f"tree {source['digest']}", _recorded(source), upload)
    if kind == "archive":
        checksum = source["checksum"]
        if not checksum:
            upload = _download(context)
            checksum = file_checksum(upload)
        return Resolved(f"archive {checksum}", _recorded(source, checksum=checksum), upload)
    if kind == "path":
        path = source["path"]
        if not os.path.isdir(path):
            raise context.error("source", f"source.path is {path!r}; this host has no such directory; make it")
        return Resolved(f"path {path} {tree.digest(path)}", _recorded(source))
    return Resolved(f"startproject {source['startproject']}", _recorded(source))


def bring(context: Context, resolved: Resolved, root: str) -> str:
    """Put the code of a source into `src` of the build directory `root`; a fresh project has none yet.

    Returns the subject of the commit, '' where the code comes from no commit.
    """
    kind, code = resolved.source["kind"], f"{root}/src"
    if kind == "startproject":
        return ""
    if kind == "path":
        os.symlink(resolved.source["path"], code)
        return ""
    context.make_directory(code)
    if kind == "git":
        return _check_out(context, resolved.source["commit"], code)
    _unpack(context, resolved, root)
    return ""


def on_controller(source: Source) -> bool:
    """Whether the source lies on the controller, from where it has to be brought to the host."""
    kind = source["kind"]
    return kind == "directory" or (kind == "archive" and not is_url(source["archive"]))


def file_checksum(path: str) -> str:
    """Return the checksum of a file as the inventory writes it, sha256:HEX."""
    with open(path, "rb") as stream:
        return "sha256:" + hashlib.sha256(stream.read()).hexdigest()


def _recorded(source: Source, commit: str = "", checksum: str = "") -> Source:
    """Return what a manifest says of a source: no key, no directory of the controller, and only what is known."""
    recorded: Source = {**source}
    recorded["commit"] = commit or source.get("commit", "")
    recorded["checksum"] = checksum or source.get("checksum", "")
    dropped = {"key", "directory", "left_out"} | {
        name for name in ("commit", "digest", "checksum") if not recorded.get(name)
    }
    return cast(Source, {name: value for name, value in recorded.items() if name not in dropped})


# --- git ---


def _commit(context: Context) -> str:
    """Return the commit that `version` names: a branch, else a tag, else itself."""
    version = context.site["source"]["version"]
    if COMMIT.fullmatch(version):
        return version
    with _git(context) as git:
        rows = git("ls-remote", context.secrets["git"]).stdout.splitlines()
    commits = {name: commit for commit, _tab, name in (row.partition("\t") for row in rows)}
    return _choose(context.site["name"], version, commits)


def _choose(site_name: str, version: str, commits: Mapping[str, str]) -> str:
    """Return the commit of a version; `commits` are those of a repository's references (name -> commit)."""
    for name in (f"refs/heads/{version}", f"refs/tags/{version}^{{}}", f"refs/tags/{version}", version):
        if name in commits:
            return commits[name]
    if re.fullmatch(r"[0-9a-f]{7,39}", version):
        cause = f"source.version is {version!r}; wanted all 40 digits of a commit, a branch or a tag"
        raise StepError(site_name, "source", cause)
    branches = sorted(name[len("refs/heads/") :] for name in commits if name.startswith("refs/heads/"))
    raise StepError(
        site_name,
        "source",
        f"source.version is {version!r}; the repository has no such branch or tag; it has {', '.join(branches[:8])}",
    )


def _check_out(context: Context, commit: str, code: str) -> str:
    """Put a commit and its submodules into the empty directory `code`, without their history; return its subject."""
    repository = context.secrets["git"]
    with _git(context) as git:
        git("init", "--quiet", code)
        # Some servers hand out a single commit only when a branch or tag points to it.
        if git("fetch", "--quiet", "--depth=1", repository, commit, cwd=code, check=False).returncode:
            git("fetch", "--quiet", "--tags", repository, "+refs/heads/*:refs/remotes/origin/*", cwd=code)
        git("checkout", "--quiet", "--force", commit, cwd=code)
        if os.path.exists(f"{code}/.gitmodules"):
            git("submodule", "--quiet", "update", "--init", "--recursive", "--depth=1", cwd=code)
        subject = git("log", "-1", "--format=%s", cwd=code, check=False).stdout.strip()
    shutil.rmtree(f"{code}/.git")
    return subject


@contextlib.contextmanager
def _git(context: Context) -> Iterator[Git]:
    """Give git as the account that builds, with the deploy key in a file that is gone afterwards."""
    account = context.account
    with tempfile.TemporaryDirectory(prefix="pyweb-git-") as home:
        os.chown(home, account.pw_uid, account.pw_gid)
        # The repository may be a directory of this host that belongs to somebody else.
        files.write(f"{home}/.gitconfig", "[safe]\n\tdirectory = *\n[advice]\n\tdetachedHead = false\n", 0o644)
        ssh = "ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new"
        ssh += f" -o UserKnownHostsFile={context.layout.cache}/known_hosts"
        if context.secrets["key"]:
            files.write(f"{home}/key", context.secrets["key"], 0o600, account.pw_uid, account.pw_gid)
            ssh += f" -o IdentitiesOnly=yes -i {home}/key"
        environment = {"HOME": home, "GIT_SSH_COMMAND": ssh, "GIT_TERMINAL_PROMPT": "0"}

        def git(*words: str, cwd: str = "/", check: bool = True) -> subprocess.CompletedProcess[str]:
            return context.shell.run(
                "source",
                ["git", *words],
                context.user,
                cwd,
                environment=environment,
                timeout=GIT_TIMEOUT,
                check=check,
            )

        yield git


# --- archives ---


def _download(context: Context) -> str:
    """Fetch the archive into a new file; its path."""
    handle, path = tempfile.mkstemp(prefix="archive-", dir=context.scratch)
    os.close(handle)
    context.fetch_into("source", context.site["source"]["archive"], path)
    return path


def _fetched(context: Context, source: Source) -> str:
    """Fetch the archive and hold it against the checksum that the inventory gives; its path."""
    path = _download(context)
    found = file_checksum(path)
    if found != source["checksum"]:
        raise context.error(
            "source",
            f"source.checksum is {source['checksum']}; {source['archive']} has {found}; "
            "either the archive changed or the checksum is wrong",
        )
    return path


def _unpack(context: Context, resolved: Resolved, root: str) -> None:
    """Unpack an archive, or a directory that was packed on the controller, into `src`."""
    source, account, code = resolved.source, context.account, f"{root}/src"
    # Unpacked by the account that builds: nothing an archive holds can reach beyond what that one may write.
    archive = f"{root}/archive"
    shutil.copyfile(resolved.upload or _fetched(context, source), archive)
    os.chown(archive, account.pw_uid, account.pw_gid)
    if source.get("archive", "").endswith(".zip"):
        words = ["/usr/bin/python3", "-m", "zipfile", "-e", archive, code]
    else:
        words = ["tar", "--extract", "--no-same-owner", "--file", archive, "--directory", code]
    context.shell.run("source", words, context.user)
    os.unlink(archive)
    if source["kind"] == "archive":
        # The site's user begins its data with what is here, and is not the owner.
        context.shell.run("source", ["chmod", "--recursive", "u+rwX,go+rX", code], context.user)
    inside = os.listdir(code)
    if source["kind"] == "archive" and len(inside) == 1 and _is_folder(f"{code}/{inside[0]}"):
        # Archives of releases hold one directory, named after the release.
        os.rename(f"{code}/{inside[0]}", f"{root}/unpacked")
        os.rmdir(code)
        os.rename(f"{root}/unpacked", code)


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)
