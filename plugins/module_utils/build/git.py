# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run git for a build: find the commit of a version today, and fetch the code of a commit.

Nothing secret is on a command line, because every user can read those. The password or token of a URL is in a file of
the account that builds. The file is removed after the call, and git's own `credential-store` sends its contents only to
the host that they belong to: not to that of a redirect or a submodule. A deploy key is handled in the same way.
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
# The time limit of git, in seconds.
GIT_TIMEOUT = 600
# Limits for a server that does not answer, so that the other sites do not wait for it: for listing branches, for an
# answer of an SSH server, and without any data over HTTP.
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
    """Return the commit of a version; `commits` maps the references of a repository to commits."""
    for name in (f"refs/heads/{version}", f"refs/tags/{version}^{{}}", f"refs/tags/{version}", version):
        if name in commits:
            return commits[name]
    if re.fullmatch(r"[0-9a-f]{7,39}", version):
        cause = f"source.version is {version!r}; expected all 40 digits of a commit, a branch or a tag"
        raise StepError(site_name, "source", cause)
    branches = sorted(name[len("refs/heads/") :] for name in commits if name.startswith("refs/heads/"))
    raise StepError(
        site_name,
        "source",
        f"source.version is {version!r}; the repository has no such branch or tag; it has {', '.join(branches[:8])}",
    )


def check_out(context: Context, commit: str, code: str) -> str:
    """Check out a commit and its submodules, without history, in the empty directory `code`; return its subject."""
    repository = address(context.secrets["git"])
    with _git(context) as git:
        git("init", "--quiet", code)
        # The URLs of submodules may be relative to it.
        git("config", "remote.origin.url", repository, cwd=code)
        # Some servers provide a single commit only if a branch or tag points to it.
        if git("fetch", "--quiet", "--depth=1", repository, commit, cwd=code, check=False).returncode:
            git("fetch", "--quiet", "--tags", repository, "+refs/heads/*:refs/remotes/origin/*", cwd=code)
        git("checkout", "--quiet", "--force", commit, cwd=code)
        if os.path.exists(f"{code}/.gitmodules"):
            git("submodule", "--quiet", "update", "--init", "--recursive", "--depth=1", cwd=code)
        subject = git("log", "-1", "--format=%s", cwd=code, check=False).stdout.strip()
    shutil.rmtree(f"{code}/.git")
    return subject


def address(url: str) -> str:
    """Return a repository's URL for git: a web URL without password and token, an SSH URL with its user."""
    return without_credentials(url) if _is_web(url) else url


def stored(url: str) -> str:
    """Return the line with the password or token of a web URL for `git credential-store`; '' if it has none.

    A token without a user is stored as a user without a password. Characters that the inventory did not escape are
    escaped.
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
    """Yield git as the account that builds, with deploy key and token in files that are removed afterwards."""
    account, key = context.account, context.secrets["key"]

    def fill(home: str) -> None:
        own = {"key": key, "credentials": stored(context.secrets["git"]), "known_hosts": host_keys.known(context)}
        for name, text in own.items():
            if text:
                files.write(f"{home}/{name}", text, 0o600, account.pw_uid, account.pw_gid)
        # The repository may be a directory of this host that another user owns.
        files.write(f"{home}/.gitconfig", CONFIG.format(home=home), 0o644)

    # In memory, not on a disk.
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
