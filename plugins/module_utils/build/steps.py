# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run the project's own steps of a build in its source, inside its virtualenv, as the account that builds."""

from __future__ import annotations

import inspect
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from ..build import django_collect, node, runtime
from ..build.context import Context
from ..host import files
from ..model.steps import commands, described
from ..model.types import Step


@dataclass(frozen=True)
class Steps:
    """The steps of one build. `root` is its directory, `home` its virtualenv, `chdir` the directory of manage.py in it.

    `configuration` is the settings class that the build found, if any.
    """

    context: Context
    root: str
    home: str
    chdir: str
    configuration: str = ""

    @property
    def code(self) -> str:
        return f"{self.root}/src"

    @property
    def all(self) -> list[Step]:
        return self.context.site["build"]

    @property
    def collected_last(self) -> Step | None:
        """The step that collects static files, if it is the last one: the probe then runs it in its own process."""
        return self.all[-1] if self.all and self.all[-1]["kind"] == "builtin" else None

    @property
    def before_probe(self) -> list[Step]:
        """Return the steps without collecting static files at the end."""
        return self.all[:-1] if self.collected_last else self.all

    def run(self) -> None:
        """Run the steps, except collecting static files at the end. Raises `StepError` that names the step."""
        steps = self.before_probe
        if not steps:
            return
        folders = [f"{self.root}/home", f"{self.root}/tools"]
        # Not the site's home: the site can write files there that tools read, such as .npmrc.
        self.context.make_directory(folders[0])
        try:
            own = [*node.named_folders(self.code, steps), self.code, os.path.join(self.code, self.chdir)]
            tools = node.provide(self.context, self.root, list(dict.fromkeys(map(os.path.normpath, own))), steps)
            for step in steps:
                self._run(step, tools)
        finally:
            for folder in folders:
                files.remove(folder)

    def clean(self) -> None:
        """Remove what only the steps needed: JavaScript packages are not part of a release."""
        if not commands(self.all):
            return
        self.context.end_processes()
        for folder, folders, _names in os.walk(self.code):
            if "node_modules" in folders:
                folders.remove("node_modules")
                path = os.path.join(folder, "node_modules")
                if os.path.islink(path):
                    os.unlink(path)
                else:
                    shutil.rmtree(path)

    def _run(self, step: Step, tools: Sequence[str]) -> None:
        python, below = runtime.interpreter(self.home), os.path.join(self.code, self.chdir)
        words, stdin, cwd = step["words"], "", self.code
        if step["kind"] == "manage":
            words, cwd = [python, "-m", "django", *words], below
        elif step["kind"] == "builtin":
            words, stdin, cwd = [python, "-"], inspect.getsource(django_collect), below
        named = self.context.shell.mask(described(step))
        self.context.project(
            named if step["kind"] == "builtin" else f"build step '{named}'",
            words,
            cwd,
            self._environment(tools),
            stdin=stdin,
            timeout=step["timeout"],
        )

    def _environment(self, tools: Sequence[str]) -> dict[str, str]:
        context = self.context
        own = runtime.process_environment(context.secrets, self.configuration)
        first = [f"{self.home}/bin"] if self.home else []
        first += [f"{folder}/node_modules/.bin" for folder in (self.code, os.path.join(self.code, self.chdir))]
        return {
            **node.own_environment(context),
            **runtime.environment(context.layout, own, self.root),
            "HOME": f"{self.root}/home",
            "PATH": node.path(context, [*dict.fromkeys(map(os.path.normpath, first)), *tools]),
            **({"VIRTUAL_ENV": self.home} if self.home else {}),
        }
