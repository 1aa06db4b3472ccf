"""Helpers for the tests of builds: a site on a host below tmp_path, and a shell that records its commands."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build.context import Context
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import Shell, StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete, split_secrets

ME = pwd.getpwuid(os.getuid()).pw_name
PYTHON = {"version": "3.12", "path": "/usr/bin/python3.12", "packages": [], "headers": []}
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="it makes files of another user, or of root")


class FakeShell(Shell):
    """Record commands. Run nothing, or run them as the current user.

    `answers` maps the end of a command's first words to its output, to a failure, or to a function that is called.
    """

    def __init__(self, site, answers=None, python="3.12"):
        super().__init__(site, {})
        self.answers, self.python, self.calls = dict(answers or {}), python, []

    def run(self, step, argv, user="root", cwd="/", environment=None, stdin="", timeout=0, check=True):
        argv = list(argv)
        if step == "python":
            return subprocess.CompletedProcess(argv, 0, f"{self.python}\n", "")
        self.calls.append(Call(step, argv, user, cwd, dict(environment or {}), stdin, timeout, self.sandbox))
        for words, answer in self.answers.items():
            if words in " ".join(argv):
                return self._answer(step, argv, answer, check)
        return subprocess.CompletedProcess(argv, 0, "", "")

    def _answer(self, step, argv, answer, check):
        answer = answer(argv) if callable(answer) else answer
        if isinstance(answer, StepError):
            if check:
                raise answer
            return subprocess.CompletedProcess(argv, 1, "", answer.cause)
        if isinstance(answer, subprocess.CompletedProcess):
            return answer
        return subprocess.CompletedProcess(argv, 0, answer or "", "")

    def commands(self, step=""):
        return [" ".join(call.argv) for call in self.calls if step in ("", call.step)]


class Call:
    def __init__(self, step, argv, user, cwd, environment, stdin, timeout, sandbox):
        self.step, self.argv, self.user, self.cwd = step, argv, user, cwd
        self.environment, self.stdin, self.timeout, self.sandbox = environment, stdin, timeout, sandbox


def failed(step, cause="it failed"):
    return StepError("shop", step, cause)


def no_fetch(url, _path):
    raise AssertionError(f"nothing should be fetched, and {url} was")


def completed(tmp_path, **keys):
    """Return (site, secrets) of the golden site shop with these keys and its roots below tmp_path."""
    roots = {key: str(tmp_path / key) for key in ("sites", "state", "config", "run", "cache")}
    sites, secrets = split_secrets(complete([{**goldens.SHOP, **keys}], roots=roots))
    return {**sites[0], "interpreter": PYTHON}, secrets["shop"]


def make_context(tmp_path, installer="uv", environment=None, shell=None, fetch=no_fetch, user=None, builder="", **keys):
    """Return a context whose directories exist; `shell` defaults to a fake one."""
    site, secrets = completed(tmp_path, **keys)
    if user:
        site["user"] = user
    layout = Layout.of(site)
    for folder in (layout.builds, layout.virtualenvs, layout.cache, str(tmp_path / "scratch")):
        os.makedirs(folder, exist_ok=True)
    scratch = str(tmp_path / "scratch")
    means = shell or FakeShell("shop"), environment or {}, installer, fetch, scratch
    return Context(site, secrets, layout, *means, builder or site["user"])


def real_context(tmp_path, **keys):
    """Return a context whose shell runs commands as the current user."""
    return make_context(tmp_path, shell=Shell("shop", {}), user=ME, **keys)


def tree(folder):
    """Return a mapping of relative path to text of all files below a directory."""
    folder = Path(folder)
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def printed(code, environment, cwd=None):
    """Return the JSON that a program prints when Python runs it with only this environment."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def with_uv(context):
    """Put uv in place, so that it is not installed; return its path."""
    path = Path(context.layout.tools) / "bin/uv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o755)
    return str(path)
