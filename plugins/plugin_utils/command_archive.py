# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pack the command `pyweb` into one file on the controller: the modules that it imports, and nothing else."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from pathlib import Path, PurePosixPath

from ansible_collections.pyweb.stack.plugins.module_utils.host import command_file

UTILS = Path(__file__).resolve().parents[1] / "module_utils"
ENTRY, PACKAGE = "cli.main", "pyweb_stack"
_MAIN = f"import sys\n\nfrom {PACKAGE}.{ENTRY} import main\n\nsys.exit(main())\n"
# An import between our files, which is relative: `from ..host import files`, on one line or in parentheses.
_IMPORT = re.compile(r"^[ \t]*from (\.+)([\w.]*) import (\([^)]*\)|[^\n]*)", re.MULTILINE)
# The earliest date of an archive: equal sources make an equal archive.
_DAY = (1980, 1, 1, 0, 0, 0)


def sources() -> dict[str, bytes]:
    """Return the files of the archive, by their names in it."""
    found: dict[str, bytes] = {}
    ahead = [ENTRY]
    while ahead:
        name = ahead.pop()
        path = UTILS.joinpath(*name.split(".")).with_suffix(".py")
        inside = f"{PACKAGE}/{name.replace('.', '/')}.py"
        if inside in found or not path.is_file():
            continue
        found[inside] = path.read_bytes()
        ahead += imported(name, found[inside].decode())
    folders = {str(parent) for name in found for parent in PurePosixPath(name).parents if str(parent) != "."}
    found.update({f"{folder}/__init__.py": b"" for folder in folders})
    found["__main__.py"] = _MAIN.encode()
    return dict(sorted(found.items()))


def imported(name: str, text: str) -> list[str]:
    """Return the dotted names of our modules that a module may import; for a name in a file, that file too."""
    parts, found = name.split("."), []
    for dots, module, names in _IMPORT.findall(text):
        stem = [*parts[: len(parts) - len(dots)], *(module.split(".") if module else [])]
        found.append(".".join(stem))
        words = re.sub(r"#[^\n]*", "", names).strip("()").split(",")
        found += [".".join([*stem, word.split()[0]]) for word in words if word.strip()]
    return found


def digest(files: dict[str, bytes]) -> str:
    """Return the digest of the sources: equal on every controller."""
    whole = hashlib.sha256()
    for name, content in files.items():
        whole.update(f"{name}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()


def packed(files: dict[str, bytes]) -> bytes:
    """Return the file of the command."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as stream:
        for name, content in files.items():
            stream.writestr(zipfile.ZipInfo(name, _DAY), content, zipfile.ZIP_DEFLATED)
    return command_file.made(digest(files), archive.getvalue())
