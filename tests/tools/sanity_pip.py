"""Let ansible-test install what it needs from the package index that pip is set up for: sanity_pip.py HOME

ansible-test makes a virtualenv for each of its tests. It starts pip in them with a script that it downloads, and passes
on none of the variables PIP_*. So a script is put where ansible-test keeps the downloaded one, and the settings into a
pip.conf, both below the home directory that ansible-test gets. Run it with the Python of that ansible-test.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from ansible_test._internal.python_requirements import get_venv_packages

GET_PIP = """\
import runpy, sys
sys.path.insert(0, {wheel!r})
sys.argv[1:] = ["install", "--quiet", *(word for word in sys.argv[1:] if not word.startswith("--no-"))]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


def main(home: Path) -> None:
    settings = dict(re.findall(r"(?m)^[^.\n]+\.([\w-]+)='(.*)'$", pip("config", "list")))
    lines = [f"{name} = {value}".replace("\\n", "\n    ") for name, value in settings.items()]
    (home / ".config/pip").mkdir(parents=True, exist_ok=True)
    (home / ".config/pip/pip.conf").write_text("\n".join(["[global]", *lines, ""]), encoding="utf-8")
    cache = home / ".ansible/test/cache"
    cache.mkdir(parents=True, exist_ok=True)
    version = get_venv_packages(SimpleNamespace(version=f"3.{sys.version_info.minor}"))["pip"]
    script = cache / f"get_pip_{version.replace('.', '_')}.py"
    if not script.exists():
        pip("download", "--quiet", "--no-deps", "--dest", str(cache), f"pip=={version}")
        [wheel] = cache.glob(f"pip-{version}-*.whl")
        script.write_text(GET_PIP.format(wheel=str(wheel)), encoding="utf-8")


def pip(*words: str) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
