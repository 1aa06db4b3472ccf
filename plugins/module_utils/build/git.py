# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""git as a build uses it: what a version is today, and the code of a commit.

Nothing secret is on a command line: everybody may read those. Password or token of a URL are in a file of the building
account's that goes away with the call, and git's own `credential-store` hands them to the host that they are for and to
no other, a redirect's or a submodule's. A deploy key is such a file, too.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote, unquote

from ..build import host_keys
from ..build.context import Context
from ..host import files, scratch
from ..host.shell import StepError
from ..model import layout as layouts
from ..model.urls import credentials, without_credentials

COMMIT = re.compile(r"[0-9a-f]{40}")
# How long git may take, in seconds.
GIT_TIMEOUT = 600
# Nor may a server that says nothing keep the other sites waiting: how long to be told the branches may take, how long
# an ssh server may take to answer, and how long nothing may come over http.
ASK_TIMEOUT, CONNECT_TIMEOUT, STALL_TIMEOUT = 60, 15, 60
Git = Callable[..., "subprocess.CompletedProcess[str]"]
CONFIG = """\
[safe]
	directory = *
[advice]
	detachedHead = false
[credential]
	helper =
	helper = store --file={home}/credentials
"""


def commit_of(context: Context) -> str:
    """Return the commit that `version` names: a branch, else a tag, else itself."""
    version = context.site["source"]["version"]
    if COMMIT.fullmatch(version):
        return version
    with _git(context) as git:
        rows = git("ls-remote", address(context.secrets["git"])).stdout.splitlines()
    commits = {name: commit for commit, _tab, name in (row.partition("\t") for row in rows)}
    return choose(context.site["name"], version, commits)


def choose(site_name: str, version: str, commits: Mapping[str, str]) -> str:
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


def check_out(context: Context, commit: str, code: str) -> str:
    """Put a commit and its submodules into the empty directory `code`, without their history; return its subject."""
    repository = address(context.secrets["git"])
    with _git(context) as git:
        git("init", "--quiet", code)
        # The URLs of submodules may be relative to it.
        git("config", "remote.origin.url", repository, cwd=code)
        # Some servers hand out a single commit only when a branch or tag points to it.
        if git("fetch", "--quiet", "--depth=1", repository, commit, cwd=code, check=False).returncode:
            git("fetch", "--quiet", "--tags", repository, "+refs/heads/*:refs/remotes/origin/*", cwd=code)
        git("checkout", "--quiet", "--force", commit, cwd=code)
        if os.path.exists(f"{code}/.gitmodules"):
            git("submodule", "--quiet", "update", "--init", "--recursive", "--depth=1", cwd=code)
        subject = git("log", "-1", "--format=%s", cwd=code, check=False).stdout.strip()
    shutil.rmtree(f"{code}/.git")
    return subject


def address(url: str) -> str:
    """Return a repository's URL as git gets it: of a web URL without password and token; of ssh the user is part."""
    return without_credentials(url) if _is_web(url) else url


def stored(url: str) -> str:
    """Return the line by which `git credential-store` knows the password or token of a web URL; '' where it has none.

    A token that stands alone is a user without a password. What the inventory did not escape is escaped.
    """
    found = credentials(url) if _is_web(url) else []
    if not found:
        return ""
    user, _colon, password = (quote(unquote(part), safe="") for part in found[0].partition(":"))
    scheme, _sign, rest = without_credentials(url).partition("://")
    host = rest.partition("/")[0]
    return f"{scheme.lower()}://{user}:{password}@{host}\n"


def _is_web(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


@contextlib.contextmanager
def _git(context: Context) -> Iterator[Git]:
    """Give git as the building account, with the deploy key and the token in files that are gone afterwards."""
    account, key = context.account, context.secrets["key"]

    def fill(home: str) -> None:
        own = {"key": key, "credentials": stored(context.secrets["git"]), "known_hosts": host_keys.known(context)}
        for name, text in own.items():
            if text:
                files.write(f"{home}/{name}", text, 0o600, account.pw_uid, account.pw_gid)
        # The repository may be a directory of this host that belongs to somebody else.
        files.write(f"{home}/.gitconfig", CONFIG.format(home=home), 0o644)

    # In memory, and not on a disk.
    with scratch.directory(layouts.LOCKS, account.pw_uid, account.pw_gid, fill) as home:
        ssh = f"ssh -o BatchMode=yes -o ConnectTimeout={CONNECT_TIMEOUT} -o ServerAliveInterval={CONNECT_TIMEOUT}"
        ssh += f" {host_keys.options(context, home)}"
        ssh += f" -o IdentitiesOnly=yes -i {home}/key" if key else ""
        environment = {"HOME": home, "GIT_SSH_COMMAND": ssh, "GIT_TERMINAL_PROMPT": "0"}
        environment.update({"GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": str(STALL_TIMEOUT)})

        def git(*words: str, cwd: str = "/", check: bool = True) -> subprocess.CompletedProcess[str]:
            try:
                return context.shell.run(
                    "source",
                    ["git", *words],
                    context.user,
                    cwd,
                    environment=environment,
                    timeout=ASK_TIMEOUT if words[0] == "ls-remote" else GIT_TIMEOUT,
                    check=check,
                )
            except StepError as error:
                raise host_keys.explained(context, error) from None

        yield git
        host_keys.learn(context, home)
