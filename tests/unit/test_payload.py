"""The files that Ansible sends to a host can be imported and read by a plain Python, also from subdirectories.

`make compat` runs this with the oldest ansible-core that the collection supports.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UTILS = ROOT / "plugins/module_utils"
PREFIX = "ansible_collections.pyweb.stack.plugins.module_utils"
PROBE = """\
import inspect
from ansible.module_utils.basic import AnsibleModule
{imports}
MODULES = {{{names}}}


def main():
    module = AnsibleModule({{}})
    module.exit_json(sources={{path: inspect.getsource(found) for path, found in MODULES.items()}}, here=__file__)


if __name__ == "__main__":
    main()
"""


def needs_more_than_python(path):
    """Return whether a file is a program for the site's own Python: it imports packages that a plain one lacks."""
    names = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.append(node.module)
    return any(name.partition(".")[0] not in {*sys.stdlib_module_names, "ansible"} for name in names)


SHIPPED = sorted(path.relative_to(UTILS) for path in UTILS.rglob("*.py") if not needs_more_than_python(path))


def dotted(path):
    return str(path.with_suffix("")).replace("/", ".")


@pytest.fixture(scope="module")
def payload(tmp_path_factory):
    """Return the file that Ansible writes on a host for a module that imports everything that can be imported."""
    folder = tmp_path_factory.mktemp("payload")
    (folder / "library").mkdir()
    imports = [
        f"from {PREFIX}{'.' if parent else ''}{parent} import {path.stem} as m{number}"
        for number, path in enumerate(SHIPPED)
        for parent in [dotted(path.parent) if path.parent.name else ""]
    ]
    names = ", ".join(f"{str(path)!r}: m{number}" for number, path in enumerate(SHIPPED))
    (folder / "library/pyweb_probe.py").write_text(PROBE.format(imports="\n".join(imports), names=names))
    # Not `-m ansible adhoc`: ansible-test has an ansible-core without the list of its programs.
    adhoc = [sys.executable, "-m", "ansible.cli.adhoc"]
    done = subprocess.run(
        [*adhoc, "localhost", "-i", "localhost,", "-c", "local", "-m", "pyweb_probe"],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks/collections"),
            "ANSIBLE_LIBRARY": str(folder / "library"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_REMOTE_TEMP": str(folder / "remote"),
            "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
            "ANSIBLE_PIPELINING": "false",
            "ANSIBLE_KEEP_REMOTE_FILES": "true",
            "ANSIBLE_NOCOLOR": "true",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = (folder / "remote").rglob("AnsiballZ_pyweb_probe.py")
    return path


@pytest.fixture(scope="module")
def found(payload, tmp_path_factory):
    """Return what the module prints when a Python without packages runs it outside of this checkout."""
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {}})
    done = subprocess.run(
        [getattr(sys, "_base_executable", sys.executable), "-I", "-S", str(payload)],
        input=arguments,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8"},
        cwd=tmp_path_factory.mktemp("elsewhere"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_files_two_directories_deep_are_included():
    assert {len(path.parts) for path in SHIPPED} >= {1, 2, 3}


def test_every_file_can_be_imported_and_read_on_a_host(found):
    assert str(ROOT) not in found["here"]
    assert found["sources"] == {str(path): (UTILS / path).read_text(encoding="utf-8") for path in SHIPPED}
