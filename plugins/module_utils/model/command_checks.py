# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the project's own commands: words without a shell, and the steps of builds and releases."""

from __future__ import annotations

import re
import shlex
from typing import Any

from .checks import Check, Wrong, accepts, boolean, duration, refuse_noncharacters
from .errors import listed, nearest, shown, similar
from .steps import STEP_TIMEOUT, builtin_step
from .types import Step

# The maximum time limit of a command, in seconds.
STEP_TIMEOUT_MAX = 86400
# Operators of a shell, which have no meaning here. `*` is not among them, because a program may need one.
_SHELL = re.compile(r"[|&;<>]+|[0-9]?>.*|.*;|.*`.*|.*\$[A-Za-z_{(].*")


@accepts("a list of words, or text split like a command line; no shell reads it")
def command(value: Any) -> list[str]:
    """A command: [npm, run, build], or the same as text, in which quotes keep words together."""
    if isinstance(value, str):
        try:
            words: Any = shlex.split(value)
        except ValueError:
            raise Wrong("quotes in pairs") from None
        operators = [word for word in words if _SHELL.fullmatch(word)]
        if operators:
            raise Wrong(
                fix=f"{operators[0]} would need a shell: write two steps, or put it into a script of the project"
            )
    else:
        words = value
    if not isinstance(words, list) or not words:
        raise Wrong
    if any(isinstance(word, (dict, list, bool)) or word is None for word in words):
        raise Wrong(fix="quote the words that YAML reads as something else")
    words = [str(word) for word in words]
    if "=" in words[0]:  # whatever is before it: `env` of a worker treats such a word as a variable
        raise Wrong("a program as the first word", f"put {words[0]} into env, or begin with `env`")
    if not words[0] or any(re.search(r"[\x00-\x1f\x7f]", word) for word in words):
        raise Wrong("words on one line, the first of them a program")
    refuse_noncharacters("".join(words), "in its words")
    return list(words)


def steps(builtin: str, once: bool = False) -> Check:
    """The steps of a build or a release, in order; `builtin` is the step that the collection itself runs."""
    keys = ("run", "manage", "timeout", *(["once"] if once else []))

    @accepts(f"a list of steps: {builtin}, {{run: COMMAND}} or {{manage: COMMAND}}")
    def check(value: Any) -> list[Step]:
        if not isinstance(value, list):
            raise Wrong
        found = []
        for number, given in enumerate(value, 1):
            try:
                found.append(_step(given, builtin, keys))
            except Wrong as wrong:
                raise Wrong(f"{wrong.wanted} (found in step {number})" if wrong.wanted else "", wrong.fix) from None
        if sum(step["kind"] == "builtin" for step in found) > 1:
            raise Wrong(f"{builtin} at most once")
        return found

    return check


def _step(given: Any, builtin: str, keys: tuple[str, ...]) -> Step:
    if given == builtin:
        return builtin_step(builtin)
    if isinstance(given, dict) and builtin in given and not set(given) - {builtin, "timeout"}:
        # `migrate: {timeout: 1h}` is accepted as well as `{migrate: , timeout: 1h}`.
        inner = given[builtin] if isinstance(given[builtin], dict) else {}
        if set(inner) - {"timeout"} or (given[builtin] is not None and given[builtin] != inner):
            raise Wrong(f"{builtin} with no more than a timeout, such as {{{builtin}: {{timeout: 1h}}}}")
        return {**builtin_step(builtin), "timeout": _timeout(given.get("timeout", inner.get("timeout")))}
    if not isinstance(given, dict):
        known = similar(given, [builtin])
        words = listed([given])
        advice = f"a management command is {{manage: {words}}}"
        advice += f", a program {{run: {words}}}" if " " in str(given) else ""
        raise Wrong(fix=f"found {shown(given)}{known or '; ' + advice}")
    for name in given:
        if name not in keys:
            raise Wrong(f"steps with the keys {', '.join(keys)}", f"found {shown(name)}{nearest(str(name), keys)}")
    kinds = [kind for kind in ("run", "manage") if given.get(kind) is not None]
    if len(kinds) != 1:
        raise Wrong("each step with exactly one of run, manage", f"found {listed(given) or 'none'}")
    try:
        words = command(given[kinds[0]])
    except Wrong as wrong:
        raise Wrong(f"{wrong.wanted}, as {kinds[0]}", wrong.fix) from None
    once = given.get("once", False)
    try:
        once = boolean(once)
    except Wrong as wrong:
        raise Wrong(f"{wrong.wanted} as once") from None
    return {"kind": kinds[0], "words": words, "timeout": _timeout(given.get("timeout")), "once": once}


def _timeout(given: Any) -> int:
    if given is None:
        return STEP_TIMEOUT
    try:
        return int(duration(1, STEP_TIMEOUT_MAX)(given))
    except Wrong as wrong:
        raise Wrong(f"{wrong.wanted} as timeout", f"found {shown(given)}") from None
