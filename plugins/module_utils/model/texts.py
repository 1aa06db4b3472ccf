# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read TOML and JSON files on every supported Python of a host; errors name the file and the line."""

from __future__ import annotations

import functools
import glob
import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from . import regular

# The directory of pip's wheel, which the system's Python uses for its virtualenvs; Debian has it elsewhere.
PIP_WHEELS = ("/usr/share/python-wheels/pip-*.whl", "/usr/lib*/python3*/ensurepip/_bundled/pip-*.whl")
# Python contains a TOML reader from 3.11 on; for older versions, pip contains the same one.
READERS = ("tomllib", "tomli", "pip._vendor.tomli")
# EL 9 has pip's wheel here.
MORE_WHEELS = ("/usr/share/python3-wheels/pip-*.whl",)
# Deeper than any tool writes, and than readers can follow.
NESTED = "is nested too deeply; create it again"

T = TypeVar("T")


class Unreadable(Exception):
    """A dependency file that cannot be read or used: `str()` is 'FILE: what is wrong'; FILE is relative."""

    def __init__(self, name: str, wrong: str) -> None:
        super().__init__(f"{name}: {wrong}")


def understood(read: Callable[..., T]) -> Callable[..., T]:
    """Decorate a reader of the file `name` of the source `root`: values of an unexpected type are reported.

    Raises `Unreadable`.
    """

    @functools.wraps(read)
    def reading(root: str, name: str, *more: Any) -> T:
        try:
            return read(root, name, *more)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise Unreadable(name, f"has a value of an unexpected type ({error}); create it again") from None

    return reading


def text_of(root: str, name: str) -> str:
    """Return the text of a file in the source `root`. Raises `Unreadable`."""
    path = os.path.join(root, name)
    try:
        text = regular.content(path, root=root).decode("utf-8-sig")
        return text.replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise Unreadable(name, f"is not UTF-8 text: {error.reason} at byte {error.start}; save it as UTF-8") from None
    except regular.Foreign as error:
        raise Unreadable(name, str(error.strerror)) from None
    except OSError as error:
        raise Unreadable(name, f"cannot be read: {error.strerror}") from None


def toml(root: str, name: str) -> dict[str, Any]:
    """Parse a TOML file. Raises `Unreadable` with the line."""
    text, reader = text_of(root, name), _toml_reader()
    if reader is None:
        raise Unreadable(name, "this Python has no reader for TOML; it needs Python 3.11 or tomli")
    try:
        return dict(reader.loads(text))
    except RecursionError:
        raise Unreadable(name, NESTED) from None
    except ValueError as error:
        raise Unreadable(name, f"is not valid TOML: {error}") from None


def json_text(root: str, name: str) -> dict[str, Any]:
    """Parse a JSON file, which must be a mapping. Raises `Unreadable` with the line."""
    try:
        data = json.loads(text_of(root, name))
    except RecursionError:
        raise Unreadable(name, NESTED) from None
    except ValueError as error:
        raise Unreadable(name, f"is no JSON: {error}") from None
    if not isinstance(data, dict):
        raise Unreadable(name, "contains no mapping; create it again")
    return data


def table(data: Any, *keys: str) -> dict[str, Any]:
    """Return the table at the path `keys`; an empty one if it does not exist."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def _toml_reader() -> Any:
    for name in READERS:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    for pattern in (*PIP_WHEELS, *MORE_WHEELS):
        for wheel in sorted(glob.glob(pattern), reverse=True):
            sys.path.append(wheel)
            try:
                return importlib.import_module("pip._vendor.tomli")
            except ImportError:
                continue
            finally:
                sys.path.remove(wheel)
    return None
