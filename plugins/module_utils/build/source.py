# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the code of a site comes from: resolve the source to what it is today, and bring the code into a build."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from typing import IO, cast

from ..build import git, tree
from ..build.context import Context
from ..model.types import Source
from ..model.urls import is_url

# How a zip archive begins (APPNOTE.TXT, 4.3.7); its URL may say nothing of it.
ZIP = b"PK\x03\x04"


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
        commit = git.commit_of(context)
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
        return git.check_out(context, resolved.source["commit"], code)
    _unpack(context, resolved, root)
    return ""


def on_controller(source: Source) -> bool:
    """Whether the source lies on the controller, from where it has to be brought to the host."""
    kind = source["kind"]
    return kind == "directory" or (kind == "archive" and not is_url(source["archive"]))


def file_checksum(path: str) -> str:
    """Return the checksum of a file as the inventory writes it, sha256:HEX."""
    with open(path, "rb") as stream:
        return checksum_of(stream)


def checksum_of(stream: IO[bytes]) -> str:
    return "sha256:" + hashlib.sha256(stream.read()).hexdigest()


def _recorded(source: Source, commit: str = "", checksum: str = "") -> Source:
    """Return what a manifest says of a source: no key, no directory of the controller, and only what is known."""
    recorded: Source = {**source}
    recorded["commit"] = commit or source.get("commit", "")
    recorded["checksum"] = checksum or source.get("checksum", "")
    dropped = {"key", "known_hosts", "directory", "left_out"} | {
        name for name in ("commit", "digest", "checksum") if not recorded.get(name)
    }
    return cast(Source, {name: value for name, value in recorded.items() if name not in dropped})


# --- archives ---


def _download(context: Context) -> str:
    """Fetch the archive into a new file; its path."""
    handle, path = tempfile.mkstemp(prefix="archive-", dir=context.scratch)
    os.close(handle)
    context.fetch_into("source", context.secrets["archive"], path)
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
    source, code = resolved.source, f"{root}/src"
    # Unpacked by the account that builds, so that nothing an archive holds can reach beyond what that one may write. It
    # is handed over open: it lies where only root can look, so nobody can put another one in its place.
    with open(resolved.upload or _fetched(context, source), "rb") as archive:
        os.fchmod(archive.fileno(), 0o644)
        is_zip = archive.read(len(ZIP)) == ZIP
        archive.seek(0)
        words = ["tar", "--extract", "--no-same-owner", "--file", "/dev/stdin", "--directory", code]
        if is_zip:
            words = ["/usr/bin/python3", "-m", "zipfile", "-e", "/dev/stdin", code]
        context.shell.run("source", words, context.user, stdin=archive)
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
