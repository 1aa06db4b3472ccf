# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# A program of its own, not part of a module: it prints its result.
# pylint: disable=ansible-bad-function
"""Find all variables that are missing from a project's settings, in the site's own interpreter.

The text of this file is sent to the interpreter's standard input, so it needs only Python. It imports the settings
repeatedly, each time with a placeholder for one more variable and in a new process. It runs without a network and
without the site's data, because settings with placeholders may do anything.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import traceback
from typing import Any, NamedTuple

# The maximum number of variables, and the placeholders tried for each. A number is also valid text, true, JSON and a
# list.
MOST = 100
STAND_INS = (
    *("1", "http://localhost/", "sqlite:///stand-in", "redis://localhost:6379/0", "smtp://localhost", "localhost"),
    *("locmemcache://", "{}", "stand in, stand in", "/", "2000-01-01", "00000000-0000-0000-0000-000000000000", ""),
)
# Messages about a missing variable: of django-environ, decouple and environs, and those that projects raise.
SAID = (
    r"Set the (\w+) environment variable",
    r"^(\w+) not found\. Declare it",
    r"[Ee]nvironment variable ['\"]?([A-Z][A-Z0-9_]*)['\"]?",
    r"\b([A-Z][A-Z0-9_]+)['\"]? (?:environment|env) ?var",
    r"\benviron var ([A-Z][A-Z0-9_]+)",
)
# Exceptions that a variable cannot fix.
OTHERS = (ImportError, NameError, OSError, SyntaxError)


class Outcome(NamedTuple):
    """The result of one import of the settings.

    `missing` are the variables that its exception names, {} for none. `at` are the lines that the modules on the way to
    the exception had reached. `absent` are the variables that were looked up without success, in this order.
    """

    done: bool = False
    missing: dict[str, str] = {}  # noqa: RUF012 - never changed
    at: list[int] = []  # noqa: RUF012 - never changed
    place: str = ""
    absent: list[str] = []  # noqa: RUF012 - never changed


def main(overlay_module: str) -> None:
    """Print one line of JSON: the missing variables as [NAME, FILE:LINE], in the order in which they are read."""
    found: dict[str, str] = {}
    stand_ins: dict[str, str] = {}
    before = imported(overlay_module, stand_ins)
    while len(found) < MOST and not before.done:
        new = {name: place for name, place in before.missing.items() if name not in found}
        named = bool(new)
        # The last failed lookup may be the missing variable, if an import gets further with it.
        if not named and before.absent:
            new = {before.absent[-1]: before.place}
        if not new:
            break
        tried = [({**stand_ins, **dict.fromkeys(new, value)}) for value in STAND_INS]
        best, after = stand_in(overlay_module, tried, before, set(found) | set(new))
        if not named and not passed(after, before):
            break
        found.update(new)
        stand_ins, before = best, after
    print(json.dumps(list(found.items())))


def stand_in(
    overlay_module: str, tried: list[dict[str, str]], before: Outcome, known: set[str]
) -> tuple[dict[str, str], Outcome]:
    """Return the placeholders that get an import furthest, and how far; stop at the first one that makes progress.

    A placeholder that the variable cannot have hides the variables after it.
    """
    outcomes = []
    for number, trial in enumerate(tried):
        after = imported(overlay_module, trial)
        outcomes.append((after.at, -number, trial, after))
        if after.done or set(after.missing) - known or (passed(after, before) and set(after.absent) - {*before.absent}):
            return trial, after
    _at, _number, trial, after = max(outcomes, key=lambda outcome: outcome[:2])
    return trial, after


def passed(after: Outcome, before: Outcome) -> bool:
    """Return whether an import got further than another one."""
    more = set(after.absent) - set(before.absent)
    return after.done or after.at > before.at or (after.at == before.at and bool(more))


def imported(overlay_module: str, stand_ins: dict[str, str]) -> Outcome:
    """Import the settings; return the result."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        said = Outcome()
        absent: list[str] = []
        try:
            os.dup2(2, 1)  # the project's own output is not part of the answer
            os.environ.update(stand_ins)
            note_lookups(absent)
            importlib.import_module(overlay_module)
            said = Outcome(done=True)
        except BaseException as error:  # a project may call sys.exit
            at, place = reached(error)
            missing = {name: place or where for name, where in (missing_of(error) or {}).items()}
            said = Outcome(False, missing, at, place, [] if isinstance(error, OTHERS) else absent)
        finally:
            os.write(writer, json.dumps(said).encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return Outcome(*json.loads(answer)) if answer else Outcome()


def note_lookups(absent: list[str]) -> None:
    """Record failed lookups of variables from now on; for repeated lookups, the last one counts."""
    environ: Any = type(os.environ)
    get = environ.__getitem__

    def looking_up(self: Any, name: str) -> str:
        try:
            return str(get(self, name))
        except KeyError:
            absent[:] = [*(other for other in absent if other != name), name]
            raise

    environ.__getitem__ = looking_up


def reached(error: BaseException) -> tuple[list[int], str]:
    """Return the lines that the project's modules had reached at an exception, and FILE:LINE of the innermost."""
    frames = [frame for frame in own_frames(error) if frame.name == "<module>"]
    return [frame.lineno or 0 for frame in frames], shown(frames[-1]) if frames else ""


def missing_of(error: BaseException) -> dict[str, str] | None:
    """Return the variables that an exception reports as missing; None if it reports something else."""
    place = place_of(error)
    if isinstance(error, KeyError) and error.args and raised_by_environ(error):
        return {str(error.args[0]): place}
    if hasattr(error, "errors") and hasattr(error, "title"):  # pydantic
        fields = [given["loc"][0] for given in error.errors() if given.get("type") == "missing" and given.get("loc")]
        prefix = prefix_of(error)
        return {f"{prefix}{field}".upper(): place for field in fields} or None
    names = getattr(error, "error_messages", None)  # environs, when it validates all at once
    if isinstance(names, dict) and names:
        return {str(name): place for name, words in names.items() if "not set" in str(words)} or None
    for pattern in SAID:
        found = re.search(pattern, str(error))
        if found:
            return {found[1]: place}
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return missing_of(cause) if cause else None


def raised_by_environ(error: BaseException) -> bool:
    """Return whether os.environ raised an exception: other KeyErrors are ignored."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.name != "looking_up"]
    frame = frames[-1]
    return frame.name == "__getitem__" and (frame.filename == "<frozen os>" or frame.filename.endswith("/os.py"))


def prefix_of(error: BaseException) -> str:
    """Return the variable prefix of the settings class that raised an exception."""
    for frame, _line in traceback.walk_tb(error.__traceback__):
        for value in frame.f_locals.values():
            config = getattr(value, "model_config", None)
            if isinstance(config, dict) and config.get("env_prefix"):
                return str(config["env_prefix"])
    return ""


def place_of(error: BaseException) -> str:
    """Return FILE:LINE of the innermost frame in the project."""
    frames = own_frames(error)
    return shown(frames[-1]) if frames else ""


def own_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Return the frames of an exception in the project's code: not in Python, a package or the overlay."""
    foreign = ("/site-packages/", "/dist-packages/", "/lib/python", "/overlay/pyweb_", "<")
    return [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not any(part in frame.filename for part in foreign[:-1]) and not frame.filename.startswith(foreign[-1])
    ]


def shown(frame: traceback.FrameSummary) -> str:
    path = re.sub(r"^.*/(builds|releases)/[^/]+/src/|^\./", "", frame.filename)
    return f"{path}:{frame.lineno}"


if __name__ == "__main__":
    main(*sys.argv[1:])
