# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find all variables that a project's settings miss, in the site's own interpreter and as its user.

The text of this file is sent to that interpreter's standard input; it needs nothing but Python. The settings are
imported again and again, each time with a stand-in for one variable more, each time in a process of its own. It is run
where there is neither a network nor the site's data: settings with stand-ins may do anything.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import traceback
from typing import Any

# How many are looked for, and the stand-ins that are tried for each: a number is also a text, true, JSON and a list.
MOST = 100
STAND_INS = ("1", "http://localhost/", "sqlite:///stand-in", "localhost", "{}", "stand in, stand in", "/", "")
# What says that the environment lacks a variable: django-environ, decouple, environs, and what projects raise.
SAID = (
    r"Set the (\w+) environment variable",
    r"^(\w+) not found\. Declare it",
    r"[Ee]nvironment variable ['\"]?([A-Z][A-Z0-9_]+)['\"]?",
    r"\b([A-Z][A-Z0-9_]+)['\"]? (?:environment|env) ?var",
    r"\benviron var ([A-Z][A-Z0-9_]+)",
)


def main(overlay_module: str) -> None:
    """Print, as one line of JSON, the missing variables as [NAME, FILE:LINE] in the order in which they are read."""
    found: dict[str, str] = {}
    stand_ins: dict[str, str] = {}
    while len(found) < MOST:
        missing = missing_with(overlay_module, stand_ins)
        new = {name: place for name, place in missing.items() if name not in found}
        if not new:
            break
        found.update(new)
        stand_ins.update(dict.fromkeys(new, STAND_INS[0]))
        # A stand-in that its variable cannot have hides those that come after it.
        for other in STAND_INS:
            trial = {**stand_ins, **dict.fromkeys(new, other)}
            if further(overlay_module, trial, set(new)):
                stand_ins = trial
                break
    print(json.dumps(list(found.items())))


def further(overlay_module: str, stand_ins: dict[str, str], new: set[str]) -> bool:
    """Say whether these stand-ins get an import to its end, or to a variable that is missing next."""
    said = imported(overlay_module, stand_ins)
    return said is not None and (not said or bool(set(said) - new))


def missing_with(overlay_module: str, stand_ins: dict[str, str]) -> dict[str, str]:
    return imported(overlay_module, stand_ins) or {}


def imported(overlay_module: str, stand_ins: dict[str, str]) -> dict[str, str] | None:
    """Import the settings; return the variables that are missing, {} for none, None where something else fails."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        said: Any = None
        try:
            os.dup2(2, 1)  # what the project prints is no answer
            os.environ.update(stand_ins)
            importlib.import_module(overlay_module)
            said = {}
        except BaseException as error:  # a project may call sys.exit
            said = missing_of(error)
        finally:
            os.write(writer, json.dumps(said).encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    given = json.loads(answer or b"null")
    return dict(given) if given is not None else None


def missing_of(error: BaseException) -> dict[str, str] | None:
    """Return the variables that an exception says are missing; None where it says something else."""
    place = place_of(error)
    if isinstance(error, KeyError) and error.args and raised_by_environ(error):
        return {str(error.args[0]): place}
    if hasattr(error, "errors") and hasattr(error, "title"):  # pydantic
        fields = [given["loc"][0] for given in error.errors() if given.get("type") == "missing" and given.get("loc")]
        prefix = prefix_of(error)
        return {f"{prefix}{field}".upper(): place for field in fields} or None
    names = getattr(error, "error_messages", None)  # environs, when all are checked at once
    if isinstance(names, dict) and names:
        return {str(name): place for name, words in names.items() if "not set" in str(words)} or None
    for pattern in SAID:
        found = re.search(pattern, str(error))
        if found:
            return {found[1]: place}
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return missing_of(cause) if cause else None


def raised_by_environ(error: BaseException) -> bool:
    """Say whether os.environ itself raised an exception: others have keys, too."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return frame.name == "__getitem__" and (frame.filename == "<frozen os>" or frame.filename.endswith("/os.py"))


def prefix_of(error: BaseException) -> str:
    """Return the prefix of the variables of the settings class that raised an exception."""
    for frame, _line in traceback.walk_tb(error.__traceback__):
        for value in frame.f_locals.values():
            config = getattr(value, "model_config", None)
            if isinstance(config, dict) and config.get("env_prefix"):
                return str(config["env_prefix"])
    return ""


def place_of(error: BaseException) -> str:
    """Return FILE:LINE of the innermost frame of the project: not Python's, a package's or the overlay's."""
    foreign = ("/site-packages/", "/dist-packages/", "/lib/python", "/overlay/pyweb_", "<")
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not any(part in frame.filename for part in foreign[:-1]) and not frame.filename.startswith(foreign[-1])
    ]
    if not frames:
        return ""
    path = re.sub(r"^.*/(builds|releases)/[^/]+/src/|^\./", "", frames[-1].filename)
    return f"{path}:{frames[-1].lineno}"


if __name__ == "__main__":
    main(*sys.argv[1:])
