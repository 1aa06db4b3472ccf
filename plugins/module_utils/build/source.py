# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The source of a site: resolve it to its version of today, and copy its code into a build."""

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

# The first bytes of a zip archive (APPNOTE.TXT, 4.3.7); its URL may not show its type.
ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class Resolved:
    """A source whose exact version is known.

    `identity` is its part of a build's ID, `source` its description in the manifest. `upload` is the file on this host
    with the code of an archive or a directory, '' if there is none (yet).
    """

    identity: str
    source: Source
    upload: str = ""


def resolve(context: Context, upload: str = "") -> Resolved:
    """Find the version of the source today. Asks the git server or downloads an archive, but changes nothing."""
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
            raise context.error("source", f"source.path is {path!r}; this host has no such directory; create it")
        return Resolved(f"path {path} {tree.digest(path)}", _recorded(source))
    return Resolved(f"startproject {source['startproject']}", _recorded(source))


def bring(context: Context, resolved: Resolved, root: str) -> str:
    """Copy the code of a source into `src` of the build directory `root`; a new project has none yet.

    Returns the subject of the commit, '' if the code is from no commit.
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
    """Return whether the source is on the controller and must be uploaded to the host."""
    kind = source["kind"]
    return kind == "directory" or (kind == "archive" and not is_url(source["archive"]))


def file_checksum(path: str) -> str:
    """Return the checksum of a file in the inventory's format, sha256:HEX."""
    with open(path, "rb") as stream:
        return checksum_of(stream)


def checksum_of(stream: IO[bytes]) -> str:
    return "sha256:" + hashlib.sha256(stream.read()).hexdigest()


def _recorded(source: Source, commit: str = "", checksum: str = "") -> Source:
    """Return the description of a source for a manifest: only known values, no key, no directory of the controller."""
    recorded: Source = {**source}
    recorded["commit"] = commit or source.get("commit", "")
    recorded["checksum"] = checksum or source.get("checksum", "")
    dropped = {"key", "known_hosts", "directory", "left_out"} | {
        name for name in ("commit", "digest", "checksum") if not recorded.get(name)
    }
    return cast(Source, {name: value for name, value in recorded.items() if name not in dropped})


# --- archives ---


def _download(context: Context) -> str:
    """Download the archive into a new file; return its path."""
    handle, path = tempfile.mkstemp(prefix="archive-", dir=context.scratch)
    os.close(handle)
    context.fetch_into("source", context.secrets["archive"], path)
    return path


def _fetched(context: Context, source: Source) -> str:
    """Download the archive and verify the checksum in the inventory; return its path."""
    path = _download(context)
    found = file_checksum(path)
    if found != source["checksum"]:
        raise context.error(
            "source",
            f"source.checksum is {source['checksum']}; the checksum of {source['archive']} is {found}; "
            "the archive changed, or the checksum is wrong",
        )
    return path


def _unpack(context: Context, resolved: Resolved, root: str) -> None:
    """Unpack an archive, or a directory that was packed on the controller, into `src`."""
    source, code = resolved.source, f"{root}/src"
    # The account that builds unpacks it, so an archive can only write what this account may write. It gets an open file
    # in a directory that only root can read, so nobody can replace it.
    with open(resolved.upload or _fetched(context, source), "rb") as archive:
        os.fchmod(archive.fileno(), 0o644)
        is_zip = archive.read(len(ZIP)) == ZIP
        archive.seek(0)
        words = ["tar", "--extract", "--no-same-owner", "--file", "/dev/stdin", "--directory", code]
        if is_zip:
            words = ["/usr/bin/python3", "-m", "zipfile", "-e", "/dev/stdin", code]
        context.shell.run("source", words, context.user, stdin=archive)
    if source["kind"] == "archive":
        # The site's user copies its initial data from here, and is not the owner.
        context.shell.run("source", ["chmod", "--recursive", "u+rwX,go+rX", code], context.user)
    inside = os.listdir(code)
    if source["kind"] == "archive" and len(inside) == 1 and _is_folder(f"{code}/{inside[0]}"):
        # Release archives contain one directory, named after the release.
        os.rename(f"{code}/{inside[0]}", f"{root}/unpacked")
        os.rmdir(code)
        os.rename(f"{root}/unpacked", code)


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)
