# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Convert version constraints of Poetry and Pipfile to PEP 440 and PEP 508; check which Python a specifier allows."""

from __future__ import annotations

import re

_CLAUSE = re.compile(r"(\^|~=|~|===?|!=|>=|<=|>|<)?\s*([0-9][\w.*+!-]*|\*)")


def specifier(constraint: str) -> str:
    """Return a constraint such as '^5.2', '~5.2' or '5.2.*' as a version specifier; '' for any version.

    Raises `ValueError` for alternatives, which PEP 440 cannot express.
    """
    if "|" in constraint:
        raise ValueError(f"{constraint!r} has alternatives, which only a lock file can resolve")
    clauses = []
    for part in filter(None, re.split(r"\s*,\s*|(?<=[\w*])\s+(?=[\^~=!<>])", constraint.strip())):
        match = _CLAUSE.fullmatch(part.strip())
        if not match:
            raise ValueError(f"{constraint!r} is not a version constraint")
        clauses += _clauses(match[1] or "", match[2])
    return ",".join(clauses)


def _clauses(operator: str, version: str) -> list[str]:
    if version == "*":
        return []
    if operator not in ("^", "~"):
        return [f"{operator or '=='}{version}"]
    numbers = [int(number) for number in re.findall(r"[0-9]+", re.sub(r"[^0-9.].*", "", version))]
    if operator == "~":
        at = min(len(numbers), 2) - 1
    else:
        at = next((place for place, number in enumerate(numbers) if number), len(numbers) - 1)
    above = [*numbers[:at], numbers[at] + 1]
    return [f">={version}", "<" + ".".join(map(str, above if len(above) > 1 else [*above, 0]))]


def python_marker(constraint: str) -> str:
    """Return the constraint of a Python version as a marker of PEP 508; '' for any."""
    parts = []
    for clause in filter(None, specifier(constraint).split(",")):
        version = clause.lstrip("~=!<>")
        operator = clause[: len(clause) - len(version)]
        name = "python_full_version" if version.replace(".*", "").count(".") > 1 else "python_version"
        parts.append(f"{name} {operator} '{version}'")
    return " and ".join(parts)


def python_fits(wanted: str, version: str) -> bool:
    """Return whether a specifier of `requires-python` allows a Python such as 3.12, whose patch release is unknown."""
    return all(_admits(clause.strip(), _numbers(version)) for clause in wanted.split(",") if clause.strip())


def _admits(clause: str, found: list[int]) -> bool:
    match = re.fullmatch(r"(~=|===?|!=|>=|<=|>|<)\s*([0-9]+(?:\.[0-9]+)*)(\.\*)?.*", clause)
    if not match:
        return True
    operator, bound, whole = match[1], _numbers(match[2]), bool(match[3])
    short = bound[: len(found)]
    if operator == "!=":
        return not (found[: len(bound)] == bound and (whole or len(bound) < len(found)))
    if operator in ("==", "==="):
        return found[: len(short)] == short
    if operator == "~=":
        return found >= short and found[: len(bound) - 1][: len(found)] == bound[:-1][: len(found)]
    if operator == ">=":
        return found >= short
    if operator == ">":  # a patch release of 3.11 does not match >3.11: PEP 440
        return found > bound[: len(found)] or (len(bound) > len(found) and found == short)
    if operator == "<":
        return found < short or (found == short and len(bound) > len(found) and any(bound[len(found) :]))
    return found[: len(short)] <= short


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".") if number.isdigit()]
