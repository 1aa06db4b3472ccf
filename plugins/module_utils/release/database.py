# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release does to its database: migrations and the superuser, run with its build's Python as the site's user."""

from __future__ import annotations

import inspect
import json
import os
import time
from collections.abc import Mapping
from subprocess import CompletedProcess
from types import ModuleType

from ..build import project
from ..host import files
from ..host.causes import cause
from ..host.shell import Shell, StepError
from . import django_migrations, django_superuser
from .release import Release


class Database:
    """The database of one release."""

    def __init__(self, shell: Shell, release: Release) -> None:
        self.shell, self.release = shell, release

    def migrations(self, what: str) -> dict[str, list[str]]:
        """Return what `django_migrations` says to `plan`, `apply` or `applied`.

        Raises `StepError` that tells which migrations were applied and which were not.
        """
        if not self.release.manifest["overlay"]:
            return {"known": [], "plan": [], "applied": []}
        done = self._python("migrate", django_migrations, what, check=False)
        answers = [line for line in done.stdout.splitlines() if line.startswith("{")]
        found: dict[str, list[str]] = json.loads(answers[-1]) if answers else {}
        if done.returncode:
            reason = cause(done.stderr)
            if found.get("plan"):
                left = found.get("left", found["plan"])
                applied = [name for name in found["plan"] if name not in left]
                reason += f"; applied were {', '.join(applied) or 'none'}; not applied are {', '.join(left)}"
            raise StepError(self.release.name, "migrate", reason, done.stderr)
        return found

    def make_superuser(self, check_mode: bool) -> list[str]:
        """Make the superuser of the inventory unless there is one; return what was, or would be, made."""
        superuser = self.release.superuser
        if not superuser or not self.release.manifest["overlay"]:
            return []
        name = superuser["username"] or superuser["email"]
        # Asking the database takes a start of Django: who is known to be there is not asked for again.
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
        check: bool = True,
    ) -> CompletedProcess[str]:
        """Run a program with the build's Python, as the site's user, in the site's environment."""
        release, manifest = self.release, self.release.manifest
        environment = project.environment(release.layout, release.environment, manifest["path"])
        python = f"{manifest['home'] or '/usr'}/bin/python3"
        return self.shell.run(
            step,
            ["/bin/sh", "-c", 'umask 0027; exec "$@"', "sh", python, "-", *arguments],
            release.user,
            os.path.join(manifest["src"], manifest["chdir"]),
            environment={**environment, **(extra or {})},
            stdin=inspect.getsource(program),
            check=check,
        )
