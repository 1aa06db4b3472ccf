# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The database steps of a release: migrations and the superuser, run with its build's Python as the site's user."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from subprocess import CompletedProcess
from types import ModuleType
from typing import IO, cast

from ..build import runtime
from ..host import answers, files
from ..host.causes import cause
from ..host.shell import Running, Shell, StepError, end_of
from ..host.visible import all_visible
from ..model.steps import STEP_TIMEOUT, described
from ..model.types import Step
from . import django_migrations, django_superuser
from .release import Release

# The time limit for starting Django and connecting, in seconds.
START_SECONDS = 60
MIGRATIONS = {key: [str] for key in ("known", "plan", "applied", "left")}


class Database:
    """The database of one release."""

    def __init__(self, shell: Shell, release: Release) -> None:
        self.shell, self.release = shell, release

    def migrations(self, what: str, timeout: float = STEP_TIMEOUT) -> dict[str, list[str]]:
        """Return the answer of `django_migrations` to `plan`, `apply` (`apply-held` under `locked`) or `applied`.

        `timeout` is in seconds. Raises `StepError` with the migrations that were applied and those that were not.
        """
        if not self.release.manifest["overlay"]:
            return {"known": [], "plan": [], "applied": []}
        done = self._python("migrate", django_migrations, what, timeout=timeout, check=False)
        said = [line for line in done.stdout.splitlines() if line.startswith("{")]
        found: dict[str, list[str]] = {}
        try:
            found = all_visible(answers.parsed(said[-1], MIGRATIONS)) if said else {}
        except ValueError as error:
            if not done.returncode:
                why = f"cannot read its answer about migrations: {error}"
                raise StepError(self.release.name, "migrate", why, done.stderr) from None
        if done.returncode:
            reason = cause(done.stderr)
            if found.get("plan"):
                left = found.get("left", found["plan"])
                applied = [name for name in found["plan"] if name not in left]
                reason += f"; applied: {', '.join(applied) or 'none'}; not applied: {', '.join(left)}"
            raise StepError(self.release.name, "migrate", reason, done.stderr)
        return found

    def command(self, step: Step) -> None:
        """Run a step of the project as the site's user in the release's code. Raises `StepError` that names it."""
        manifest, words, cwd = self.release.manifest, step["words"], self.release.manifest["src"]
        if step["kind"] == "manage":
            words, cwd = [self._interpreter(), "-m", "django", *words], os.path.join(cwd, manifest["chdir"])
        inside = {}
        if manifest["home"]:
            found = self._environment().get("PATH", self.shell.environment["PATH"])
            inside = {"VIRTUAL_ENV": manifest["home"], "PATH": f"{manifest['home']}/bin:{found}"}
        named = f"release step '{self.shell.mask(described(step))}'"
        self._run(named, words, cwd, inside, timeout=step["timeout"])

    @contextlib.contextmanager
    def locked(self, steps: Sequence[Step]) -> Iterator[None]:
        """Hold the lock for migrations while these steps run, so that hosts that share a database take turns.

        Raises `StepError` if another host holds it longer than its own steps may take, and at the end if the lock was
        lost.
        """
        seconds = max(STEP_TIMEOUT, sum(step["timeout"] for step in steps))
        words = [self._interpreter(), "-", "hold", str(seconds)]
        own = {"HOME": self.release.layout.state, **self._environment()}
        with tempfile.TemporaryFile() as said:
            running = self.shell.start(
                words, self.release.user, self._folder(), own, inspect.getsource(django_migrations), stderr=said
            )
            holder = running.process
            try:
                # Its first line, or its end: it waits in the database, with its own time limit.
                stdout = cast(IO[bytes], holder.stdout)
                answer = answers.first_line(stdout.fileno(), seconds + START_SECONDS)
                if not answer:
                    raise self._lost(running, said, "the lock for migrations could not be taken")
                yield
                if answer == b"held" and holder.poll() is not None:
                    raise self._lost(running, said, "the lock for migrations was lost while the steps ran")
            finally:
                # The database releases the lock when the connection ends.
                running.end()

    def make_superuser(self, check_mode: bool) -> list[str]:
        """Create the superuser of the inventory unless it exists; return what was, or would be, created."""
        superuser = self.release.superuser
        if not superuser or not self.release.manifest["overlay"]:
            return []
        name = superuser["username"] or superuser["email"]
        # Querying the database needs a start of Django, so known superusers are not queried again.
        known = files.read_json(self.release.layout.superusers)
        if name in known:
            return []
        if check_mode:
            return [f"superuser {name}"]
        extra = {
            "DJANGO_SUPERUSER_USERNAME": superuser["username"],
            "DJANGO_SUPERUSER_EMAIL": superuser["email"],
            "DJANGO_SUPERUSER_PASSWORD": self.release.password,
            **({"PYWEB_USER_FIELDS": json.dumps(superuser["fields"])} if superuser["fields"] else {}),
        }
        made = self._python("superuser", django_superuser, extra=extra).stdout.strip().endswith("made")
        files.write(self.release.layout.superusers, json.dumps({**known, name: int(time.time())}) + "\n", 0o600)
        return [f"superuser {name}"] if made else []

    def _python(
        self,
        step: str,
        program: ModuleType,
        *arguments: str,
        extra: Mapping[str, str] | None = None,
        timeout: float = STEP_TIMEOUT,
        check: bool = True,
    ) -> CompletedProcess[str]:
        """Run a program with the build's Python as the site's user, in the site's environment."""
        words = [self._interpreter(), "-", *arguments]
        return self._run(step, words, self._folder(), extra, inspect.getsource(program), timeout, check)

    def _run(
        self,
        step: str,
        words: Sequence[str],
        cwd: str,
        extra: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout: float = STEP_TIMEOUT,
        check: bool = True,
    ) -> CompletedProcess[str]:
        return self.shell.run(
            step,
            ["/bin/sh", "-c", 'umask 0027; exec "$@"', "sh", *words],
            self.release.user,
            cwd,
            environment={**self._environment(), **(extra or {})},
            stdin=stdin,
            timeout=timeout,
            check=check,
        )

    def _interpreter(self) -> str:
        return f"{self.release.manifest['home'] or '/usr'}/bin/python3"

    def _folder(self) -> str:
        return os.path.join(self.release.manifest["src"], self.release.manifest["chdir"])

    def _environment(self) -> dict[str, str]:
        """Return the environment of the release's processes."""
        release, manifest = self.release, self.release.manifest
        found = runtime.environment(release.layout, release.environment, manifest["path"])
        if not manifest["overlay"]:
            found["DJANGO_SETTINGS_MODULE"] = manifest["settings_module"]
            found.pop("PYTHONPATH")
        return found

    def _lost(self, holder: Running, said: IO[bytes], what: str) -> StepError:
        holder.end()
        output = self.shell.mask(end_of(said))
        return StepError(self.release.name, "migrate", f"{what}: {cause(output) or 'its process ended'}", output)
