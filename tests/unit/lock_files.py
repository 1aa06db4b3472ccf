"""The lock files below locks/, with the address of the default index in place of the word DEFAULT-INDEX."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

# As lock files spell it. No request is made to this address.
DEFAULT = "https://" + "pypi" + ".org/simple"


def with_index(text: str) -> str:
    return text.replace("DEFAULT-INDEX", DEFAULT)


def real_locks() -> Path:
    """Return a directory with copies of all lock files. It exists until this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="locks-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy = Path(shutil.copytree(Path(__file__).parent / "locks", folder / "locks"))
    for path in copy.rglob("*"):
        if path.is_file():
            path.write_text(with_index(path.read_text(encoding="utf-8")), encoding="utf-8")
    return copy
