"""Compile what is shipped with each Python from 3.9 to 3.14, and look for library functions that Python 3.9 lacks.

An interpreter that this machine does not have is named; with PYTHONS=all that is a failure. With
UV_PYTHON_DOWNLOADS=automatic uv downloads it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ROOT / ".cache/pythons"
VERSIONS = tuple(f"3.{minor}" for minor in range(9, 15))
SHIPPED = ("plugins", "roles", "examples")
# These alone are sent to hosts; a controller has the newer Python that ansible-core needs.
ON_HOSTS = ("plugins/modules", "plugins/module_utils")
COMPILE = """
import sys, warnings
warnings.simplefilter("error")
faults = 0
for path in sys.stdin.read().splitlines():
    try:
        with open(path, "rb") as file:
            compile(file.read(), path, "exec", dont_inherit=True)
    except (SyntaxError, Warning) as error:
        print(path, error)
        faults = 1
sys.exit(faults)
"""


def main() -> int:
    done = subprocess.run(
        [str(ROOT / "tests/tools/pythons.sh"), str(PYTHONS)], check=False, stdout=subprocess.PIPE, text=True
    )
    found = done.stdout.split()
    paths = [str(path.relative_to(ROOT)) for folder in SHIPPED for path in sorted((ROOT / folder).rglob("*.py"))]
    failed = [version for version in found if not compiles(version, paths)]
    missing = [version for version in VERSIONS if version not in found]
    print(f"{len(paths)} files; compiled with {', '.join(found)}; failed: {', '.join(failed) or 'none'}")
    print(f"not on this machine: {', '.join(missing) or 'none'}")
    too_new = subprocess.run(
        ["vermin", "--quiet", "--target=3.9-", "--violations", *ON_HOSTS], check=False, cwd=ROOT
    ).returncode
    return int(bool(failed or not found or too_new or (missing and os.environ.get("PYTHONS") == "all")))


def compiles(version: str, paths: list[str]) -> bool:
    command = [str(PYTHONS / f"python{version}"), "-c", COMPILE]
    return subprocess.run(command, check=False, cwd=ROOT, input="\n".join(paths), text=True).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
