# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packages that must be compiled: refused if a compiler is known to be missing, explained if compiling failed."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from ..build.context import Context
from ..host import platform, system_packages
from ..host.causes import reason
from ..host.shell import StepError
from ..model.pins import canonical

if TYPE_CHECKING:
    from ..build.installer import Installer

# How uv and pip name the package whose build failed. pip gives the version only in the line before.
_FAILED = (
    r"Failed to (?:build|download and build|prepare) `?([A-Za-z0-9][\w.-]*)(?:==|@| \()([0-9][^`)\s]*)",
    r"Failed (?:building wheel|to build installable wheels) for (?:some pyproject.toml based projects \()?([\w.-]+)()",
    r"(?s)Collecting ([\w.-]+)(?:==([^\s;]+))?[^\n]*\n(?:(?!Collecting ).)*error: subprocess-exited-with-error",
)
_UNBUILT = re.compile(r"\b([A-Za-z0-9][\w.-]*)==(\S+) has no usable wheels")
# A line of pinned requirements, with its marker.
_PINNED = re.compile(r"(?m)^(([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==[^\n\\]+)")


def explained(context: Context, tool: Installer, error: StepError) -> StepError:
    """Return the failure of an installation; for a failed compilation, one that names what is missing and the fix."""
    output = error.output
    found = next((match for pattern in _FAILED if (match := re.search(pattern, output))), None)
    if not found:
        return error
    name, version = canonical(found[1]), found[2] or ""
    lacking = system_packages.missing(output)
    return context.error(error.step, _fault(context, tool, name, version, lacking, reason(output)), output)


def refuse_without_compiler(context: Context, tool: Installer, pinned: str) -> None:
    """Refuse packages that need a compiler if the host has none. `pinned` contains lines NAME==VERSION.

    Only packages that are known to need a compiler are looked up in the index. Raises `StepError`.
    """
    if not tool.uv or shutil.which("cc") or shutil.which("gcc"):
        return
    lines = [(line, canonical(name)) for line, name in _PINNED.findall(pinned)]
    known = set(system_packages.PACKAGES) - set(system_packages.OPTIONAL)
    asked = [(line, name) for line, name in lines if name in known]
    if not asked:
        return
    said = tool.without_building([line for line, _name in asked], sorted({name for _line, name in asked}))
    found = _UNBUILT.search(said)
    if found:
        fault = _fault(context, tool, canonical(found[1]), found[2], "gcc", "")
        raise context.error("requirements", fault)


def _fault(context: Context, tool: Installer, name: str, version: str, lacking: str, words: str) -> str:
    """Return the fault and its fix in one line."""
    python = context.python_version()
    label = f"{name}=={version}" if version else name
    # The compiler itself is missing, or a file that it needs.
    why = f"{lacking} is missing" if lacking else words
    text = f"{label} has no wheel for Python {python}, and cannot be compiled: {why.rstrip('.')}"
    headers = list(context.site["interpreter"]["headers"])
    wanted = system_packages.needed(name, lacking, platform.facts()["os_family"], headers)
    lines = [] if set(wanted) <= set(context.site["system_packages"]) else [f"add `system_packages: {_list(wanted)}`"]
    other = tool.newest_wheel(name)
    if other and other != version:
        lines.append(f"or use {name}=={other}, which has a wheel")
    if name in system_packages.INSTEAD:
        lines.append(system_packages.INSTEAD[name])
    return "; ".join([text, *lines])


def _list(names: list[str]) -> str:
    return f"[{', '.join(names)}]"
