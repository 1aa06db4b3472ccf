# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the settings of a build are imported: the environment for production, and faults in the settings."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from ..build import django_debug, django_missing, environment, runtime, settings_facts, settings_findings
from ..build.context import Context
from ..build.program import answer, program_text
from ..build.project import Discovered
from ..host import files, sandbox
from ..host.shell import StepError
from ..model import schemes
from ..model.types import Site

# Hidden from the isolated process, which has no network either: database sockets, data.
HIDDEN = ("/run", "/tmp", "/var/tmp", "/var/lib/mysql", "/var/lib/postgresql", "/var/lib/pgsql")  # noqa: S108 - hidden, not used
# The time limit of the search for variables, in seconds.
SEARCH_TIMEOUT = 120
MISSING = "variables are missing in the environment"
# The same phrase that `host.advice` uses for a single missing variable.
ONE_MISSING = ("in `env:` of the site", "set `database:` of the site")


class SettingsOfBuild:
    """The settings of one build while it is made; `found` describes the project."""

    def __init__(self, context: Context, home: str, root: str, found: Discovered) -> None:
        self.context, self.home, self.root, self.found = context, home, root, found
        self.exported: dict[str, str] = {}

    def write(self, tried: bool = False) -> None:
        """Write the module that prepares the environment."""
        found = self.found
        roots = ["", *found["paths"]]
        entry = environment.dotenv_entry(f"{self.root}/src", found["chdir"], found["wsgi"] or found["asgi"], roots)
        text = environment.text(self.context.site, found["settings_module"], self.exported, tried, entry)
        files.write(f"{self.root}/overlay/{environment.MODULE}.py", text)

    def probed(self, probe: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the result of `probe` once the environment makes DEBUG false, if a variable can; check the settings.

        Raises `StepError` if the settings cannot work.
        """
        answer = probe()
        if self._find_out(answer):
            answer = probe()
        site, facts = self.context.site, answer.get("facts") or {}
        for finding in settings_findings.refused(facts, site["settings"], _knows_tls(site), self.context.layout.state):
            raise self.context.error("settings", str(finding))
        if self.exported:
            answer["exported"] = self.exported
        return answer

    def decide(self, probe: Callable[[], dict[str, Any]]) -> None:
        """Find out what makes DEBUG false before the project's own steps run; `probe` imports only the settings.

        Raises `StepError` if variables are missing. Other faults may disappear when the steps have made their files.
        """
        try:
            self._find_out(probe())
        except StepError as error:
            if any(words in error.cause for words in (MISSING, *ONE_MISSING)):
                raise

    def _find_out(self, answer: Mapping[str, Any]) -> bool:
        """Search for a variable that makes DEBUG false, if a probe reports that one may; return whether it searched."""
        if "debug" not in answer:
            return False
        self.exported = self._without_debug(answer["debug"])
        self.write(tried=True)
        return True

    def notes(self, facts: Mapping[str, Any]) -> list[str]:
        """Return the findings about the settings that the user needs to know, as sentences."""
        site = self.context.site
        workers = site["uwsgi"]["processes"]
        makes_tables = any("createcachetable" in step["words"] for step in site["release"])
        known = {**facts, "cache_tables": []} if makes_tables else facts
        found = [*settings_findings.warned(known, workers if isinstance(workers, int) else 2)]
        found += settings_findings.unused(self._unused(facts), site["seed"], not files.names(self.context.layout.media))
        return [str(finding) for finding in found]

    def _unused(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the facts with the database that was not uploaded, if the site would start with it."""
        target = (facts.get("database") or {}).get("file", "")
        left_out = [
            path
            for path in self.context.site["source"].get("left_out", [])
            if os.path.basename(path) == os.path.basename(target)
        ]
        if not left_out or (os.path.exists(target) and os.path.getsize(target)):
            return facts
        return {**facts, "unused": {**(facts.get("unused") or {}), "database": left_out[0]}}

    def missing(self, cause: str) -> str:
        """Return one sentence that names the variables missing from the settings; '' if none is known to be missing.

        `cause` is the first error of an import. If one variable is missing, the sentence contains it and the fix.
        """
        context, own = self.context, runtime.process_environment(self.context.secrets, self.found["configuration"])
        words = [runtime.interpreter(self.home), "-", runtime.SETTINGS_MODULE]
        needed = [os.path.realpath(path) for path in (self.root, words[0], self.home) if path]
        data = [context.layout.state, context.layout.media, context.layout.cache]
        paths = {os.path.realpath(path) for path in [*HIDDEN, *data] if os.path.isdir(path)}
        hidden = [path for path in sorted(paths) if not any(f"{there}/".startswith(f"{path}/") for there in needed)]
        # Files in a hidden directory are not visible here.
        hidden = [path for path in hidden if not any(path.startswith(f"{other}/") for other in hidden)]
        folder = f"{self.root}/src/{self.found['chdir']}"
        try:
            shell = context.shell.within(sandbox.apart(context.inside.sandbox, hidden))
            done = shell.run(
                "settings",
                words,
                context.user,
                folder,
                runtime.environment(context.layout, own, self.root),
                inspect.getsource(django_missing),
                timeout=SEARCH_TIMEOUT,
                check=False,
            )
        except StepError:
            return ""  # the first variable is known
        lines = done.stdout.strip().splitlines()
        found = answer(context.site["name"], "settings", lines[-1], [[str]]) if done.returncode == 0 and lines else []
        if len(found) == 1 and ";" not in cause:
            name = found[0][0]
            key = "`database:`" if name == "DATABASE_URL" else f"{name} in `env:`"
            return f"{cause}; set {key} of the site"
        return missing_variables(found)

    def _without_debug(self, names: list[str]) -> dict[str, str]:
        context, own = self.context, runtime.process_environment(self.context.secrets, self.found["configuration"])
        done = context.project(
            "settings",
            [runtime.interpreter(self.home), "-", runtime.SETTINGS_MODULE, json.dumps(names)],
            f"{self.root}/src/{self.found['chdir']}",
            runtime.environment(context.layout, own, self.root),
            stdin=program_text(settings_facts, django_debug),
            check=False,
        )
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            return {}
        found: dict[str, str] = answer(context.site["name"], "settings", lines[-1], {})
        return found


def missing_variables(found: list[tuple[str, str]]) -> str:
    """Return the sentence about several missing variables, given as [NAME, FILE:LINE]; '' for one variable."""
    if len(found) < 2:
        return ""
    named = ", ".join(f"{name} ({place})" if place else name for name, place in found)
    own = ", ".join(f"{name}: ..." for name, _place in found if name != "DATABASE_URL")
    keys = ["database: URL"] if len(own.split(", ")) < len(found) else []
    keys += [f"env: {{{own}}}"] if own else []
    return (
        f"{len(found)} {MISSING}: {named}; set {' and '.join(keys)} of the site, or "
        "set env_file to a file that contains them"
    )


def _knows_tls(site: Site) -> bool:
    """Return whether nginx serves the site over TLS, or passes on what a server in front reports about it."""
    if schemes.has_tls(site) or site["nginx"]["trusted_proxies"]:
        return True
    words = json.dumps([site["nginx"]["options"], site["nginx"]["locations"]])
    return any(word in words for word in ("ssl_certificate", "X_FORWARDED_PROTO", '"HTTPS '))
