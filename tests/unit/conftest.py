"""Make this checkout importable as `ansible_collections.pyweb.stack`."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
import types
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import tomllib

ROOT = Path(__file__).resolve().parents[2]
UTILS = "ansible_collections.pyweb.stack.plugins.module_utils"


# pytest reads this value itself, but ansible-test gives it another configuration.
OPTIONS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
for folder in (*OPTIONS["pythonpath"], "tests/unit"):
    if str(ROOT / folder) not in sys.path:
        sys.path.insert(0, str(ROOT / folder))
# Subprocesses must be able to import the collection too.
subprocess.run([str(ROOT / "tests/tools/link.sh")], check=True)


def _package(name: str, path: list[str]) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__path__ = path
    sys.modules[name] = module
    return module


def _is_found() -> bool:
    """Return whether this directory is already importable, as under ansible-test, which has its own loader for it."""
    try:
        found = importlib.import_module("ansible_collections.pyweb.stack")
    except ImportError:
        return False
    return [os.path.realpath(path) for path in found.__path__] == [str(ROOT)]


if not _is_found():
    try:  # Ansible's own loader, with the collections next to it.
        collections = importlib.import_module("ansible_collections")
    except ImportError:
        collections = _package("ansible_collections", [])
    collections.pyweb = _package("ansible_collections.pyweb", [])
    collections.pyweb.stack = _package("ansible_collections.pyweb.stack", [str(ROOT)])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: object) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape what a test printed that is not UTF-8: pytest-xdist, which ansible-test uses, cannot send it."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(autouse=True)
def memory_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Use a directory in place of /var/lib/pyweb.stack, so that no test records anything about this machine."""
    layouts = importlib.import_module(f"{UTILS}.model.layout")
    folder = tmp_path_factory.mktemp("memory")
    # Not the module of the test itself: what tests patch there would outlive their directories.
    with pytest.MonkeyPatch.context() as patch:
        for name in ("BEFORE", "KEPT", "BROUGHT", "SITES", "LEFT", "VERSION"):
            patch.setattr(layouts, name, getattr(layouts, name).replace(layouts.MEMORY, str(folder)))
        patch.setattr(layouts, "MEMORY", str(folder))
        patch.setattr(layouts, "PYWEB_COMMAND", str(folder / "usr/bin/pyweb"))
        patch.setattr(layouts, "PYWEB_COMPLETION", str(folder / "usr/local/share/bash-completion/completions/pyweb"))
        patch.setattr(f"{UTILS}.host.memory._seen_path", lambda: str(folder / "run/packages.json"))
        yield folder


MODULES = ("django_build", "host_facts", "site_doctor", "uwsgi_release", "uwsgi_rollback")


@pytest.fixture(autouse=True)
def modules_run_as_root() -> Iterator[None]:
    """Let modules run as any user. test_become.py tests what they report when they do not run as root."""
    # A separate patch: the fixture `monkeypatch` would be undone after all others, and some depend on its order.
    with pytest.MonkeyPatch.context() as patch:
        for name in MODULES:
            module = sys.modules.get(f"ansible_collections.pyweb.stack.plugins.modules.{name}")
            if module:
                patch.setattr(module, "why_not_root", lambda: "")
        yield


@pytest.fixture
def public_path() -> Iterator[Path]:
    """Return a directory that all users may enter; pytest's own directories are only for one user."""
    with tempfile.TemporaryDirectory(prefix="pyweb-unit-") as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - other users pass through
        yield Path(folder)
