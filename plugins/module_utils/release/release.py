# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Release a build: start it beside the old one, ask it, make it `current`, drain the old one.

A release is a directory of links to a build, its `uwsgi.ini` and the link to its socket. What is live is one symbolic
link, `current`, and renaming that link is the only moment that matters: before it nothing has changed for anybody,
after it everything has.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
import pwd
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from ..build import overlay, project, tree
from ..build.found import as_found as as_found
from ..host import files
from ..host.shell import Shell, StepError, cause
from ..model.layout import Layout
from ..model.types import Secrets, Site
from ..release import django_migrations, history, units, uwsgi_ini
from ..uwsgi import protocol as uwsgi_protocol

ID_LENGTH = 12
# How long a release has to keep answering once nginx goes to it, before the old one is stopped. nginx may have read the
# old link just before it was renamed, and the old one has to stay for about as long anyway.
SETTLE_SECONDS = 0.25
MANAGE = """\
#!/bin/sh
# manage.py of the site {name}, as its user, with the settings and the environment of its current release.
if [ -t 0 ]; then io=--pty; else io=--pipe; fi
exec systemd-run --quiet --wait --collect "$io" --service-type=exec --uid={user} \\
  --property=UMask=0027 --property=WorkingDirectory={root}/current/src/{chdir} \\
  --property="EnvironmentFile=-{config}/$(basename "$(readlink {root}/current)").env" \\
  --setenv=DJANGO_SETTINGS_MODULE={settings} --setenv=PYTHONPATH={root}/current/overlay \\
  --setenv=HOME={state} {python} -m django "$@"
"""
SUPERUSER = """\
import os, sys
import django
django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
model = get_user_model()
name = os.environ["DJANGO_SUPERUSER_USERNAME"]
if model._default_manager.filter(**{model.USERNAME_FIELD: name}).exists():
    print("there")
else:
    call_command("createsuperuser", interactive=False, verbosity=0, **{model.USERNAME_FIELD: name}, **(
        {"email": os.environ["DJANGO_SUPERUSER_EMAIL"]} if "email" in model.REQUIRED_FIELDS else {}))
    print("made")
"""
# Prints the releases that a rollback can go to, newest first.
LIST = """\
#!/usr/bin/python3
# The releases of the site {name}: what is live, what was before, and what else a rollback can go to.
import glob, json, os, time

def target(link):
    return os.path.basename(os.readlink(link)) if os.path.islink(link) else ""

live, before = target("{root}/current"), target("{root}/previous")
found = [json.load(open(path)) for path in glob.glob("{root}/releases/[!.]*/release.json")]
for one in sorted(found, key=lambda one: one["made"], reverse=True):
    mark = "live" if one["id"] == live else "previous" if one["id"] == before else ""
    made = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one["made"]))
    print(f"{{one['id']}}  {{made}}  {{mark:<8}}  {{one.get('source', '')}}")
"""
# What a release notes of its site, so that a rollback needs no inventory: what started it, and what asks and drains it.
RECORDED = ("name", "user", "group", "domains", "paths", "health", "keep_releases")


class Change(NamedTuple):
    """What a release did or, in check mode, would do."""

    what: list[str]
    release: str
    previous: str
    migrations: list[str]
    before: str
    after: str


class Release:
    """A release of one site on this host: the one that an inventory and a build make, or one that is there."""

    def __init__(self, site: dict[str, Any], build: dict[str, Any], environment: dict[str, str], ini: str) -> None:
        """`environment` is what the processes get, `ini` the text of its uwsgi.ini but for its own id."""
        self.site, self.build, self.environment = site, build, environment
        self.name, self.paths, self.user = site["name"], site["paths"], site["user"]
        self.password, self.who, self.check_mode = "", "", False
        self.shell = Shell(self.name, {}, list(environment.values()))
        self.env_text = "".join(f"{name}={quote(value)}\n" for name, value in sorted(environment.items()))
        self.units = units.render(site)
        identity = [build["id"], ini, hashlib.sha256(self.env_text.encode()).hexdigest(), self.units]
        self.id = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:ID_LENGTH]

    @classmethod
    def wanted(cls, site: dict[str, Any], secrets: dict[str, Any], build: dict[str, Any]) -> Release:
        """The release that a completed site, its secrets and its build's manifest make."""
        release = cls(site, build, project.process_environment(cast(Secrets, secrets)), uwsgi_ini.render(site, build))
        release.password = secrets["password"]
        release.shell.hide(release.password)
        return release

    @classmethod
    def stored(cls, site: dict[str, Any], release_id: str) -> Release:
        """A release that is on the host, with the settings it went live with. Raises `StepError` where it is none."""
        folder = f"{site['paths']['releases']}/{release_id}"
        record = files.read_json(f"{folder}/release.json") if release_id else {}
        if not record.get("site"):
            known = ", ".join(_releases(site["paths"]["releases"])) or "none"
            wanted = f"release {release_id!r} is not here" if release_id else "there is no previous release"
            raise StepError(site["name"], "rollback", f"{wanted}; the host has {known}")
        environment = parse_env(files.read(f"{site['paths']['config']}/{release_id}.env"))
        release = cls(record["site"], record["manifest"], environment, "")
        release.id, release.units = release_id, record["units"]
        return release

    @property
    def folder(self) -> str:
        return f"{self.paths['releases']}/{self.id}"

    @property
    def ini(self) -> str:
        """The text of its uwsgi.ini."""
        return uwsgi_ini.render(self.site, self.build, self.id)

    @property
    def current(self) -> str:
        """The id of what is live, or ''."""
        return _target(self.paths["current"])

    def deploy(self) -> Change:
        """Make the release the live one. Raises `StepError`; then the old one is live as before."""
        old = self.current
        before = files.read(f"{self.paths['current']}/uwsgi.ini")
        what: list[str] = []
        if old == self.id and self._is_active(f"uwsgi-{self.name}@{self.id}.service") and self._complete():
            what += self._superuser()
            # A run that was killed after its switch left the release before running.
            what += self._stop_others()
            what += self._tidy()
            return Change(what, self.id, _target(self.paths["previous"]), [], before, before)
        if self.check_mode:
            ask = self.site["migrate"] and "predicted" not in self.build
            migrations = self._migrations("plan")["plan"] if ask else []
            return Change([f"release {self.id}"], self.id, old, migrations, before, self.ini)
        existed = os.path.isdir(self.folder)
        with self._audited("deploy", old):
            try:
                self._prepare()
                found = self._migrations("apply" if self.site["migrate"] else "plan")
                self._go_live(old, found["known"])
            except BaseException:
                # A release that was there before stays: it may be the previous one, that a rollback goes to.
                if old != self.id and not existed:
                    self._remove(self.id)
                raise
        what = [f"release {self.id}", *self._superuser()]
        self._tidy()
        return Change(what, self.id, old, found["plan"] if self.site["migrate"] else [], before, self.ini)

    def roll_back(self, ignore_migrations: bool) -> Change:
        """Make this stored release the live one again, as it was. Nothing is fetched, and no data is touched.

        Raises `StepError` where it cannot, or where migrations are applied that it does not know.
        """
        old = self.current
        before, after = (files.read(f"{path}/uwsgi.ini") for path in (self.paths["current"], self.folder))
        if old == self.id:
            return Change([], self.id, _target(self.paths["previous"]), [], before, before)
        live = files.read_json(f"{self.paths['current']}/release.json")
        ports: list[str] | None = live.get("site", {}).get("uwsgi", {}).get("socket")
        if ports is not None and ports != self.site["uwsgi"]["socket"]:
            raise StepError(
                self.name,
                "rollback",
                f"release {self.id} listens on {_sockets(self.site['uwsgi']['socket'])}, and nginx goes to "
                f"{_sockets(ports)}; change uwsgi.socket in the inventory and run site.yml",
            )
        if self._code_in_place() != files.read_json(f"{self.folder}/release.json").get("code", ""):
            raise StepError(
                self.name,
                "rollback",
                f"release {self.id} ran other code than what {self.build['src']} has now, and code that is used in "
                "place has no earlier version here; put it back there and run site.yml",
            )
        if not ignore_migrations:
            self._refuse_when_behind(live)
        if not self.check_mode:
            with self._audited("rollback", old):
                self._go_live(old, None)
            self._tidy()
        return Change([f"rollback to {self.id}"], self.id, old, [], before, after)

    def _go_live(self, old: str, known: list[str] | None) -> None:
        """Start it, ask it, make it current, let the old one finish. Whatever fails, `old` is live again as it was.

        `known` are the migrations that its code has. None is for a release that has been live before: its record stays
        as it is, and it is not watched before the switch, because whoever goes back is in a hurry.
        """
        unit = f"uwsgi-{self.name}@{self.id}.service"
        links = {path: _link(path) for path in (self.paths["current"], self.paths["previous"])}
        units_before = {name: files.read(f"{units.FOLDER}/{name}") for name in {*units.present(self.name), *self.units}}
        try:
            self._install_units()
            if old == self.id:
                # Live by name but not running, or half gone: start it again where it is.
                self._systemctl("start", "restart", unit)
                self._health(self.id)
                self._record(known)
            elif self.site["uwsgi"]["socket"]:
                # On shared ports it gets traffic as soon as it listens. By then its health has to be known, and the
                # static files that its pages name have to be where nginx looks.
                self._probe(self.id, watch=known is not None)
                self._record(known)
                self._switch(old)
                self._start_and_ask(self.id)
            else:
                self._start_and_ask(self.id)
                if known is not None:
                    self._settle(unit)
                self._record(known)
                self._switch(old)
            self._settle(unit, live=True)
        except BaseException:
            if old != self.id:
                switched = self.current == self.id
                for path, target in links.items():
                    _relink(path, target)
                if switched:
                    # It may be at somebody's request.
                    self._systemctl("stop", "stop", unit, check=False)
                    self._systemctl("stop", "reset-failed", unit, check=False)
                else:
                    self._abandon(unit)
            self._restore_units(units_before)
            raise
        self._stop_others()

    def _audited(self, action: str, old: str) -> contextlib.AbstractContextManager[None]:
        return history.audited(self.name, self.paths["history"], self.who, action, old, self.id)

    # --- the files of a release ---

    def _prepare(self) -> None:
        """Write the release's directory, its environment and the way to its socket."""
        partial = f"{self.paths['releases']}/.{self.id}.partial"
        files.remove(partial)
        os.mkdir(partial, 0o755)
        root = self.build["path"]
        sources = {"src": self.build["src"], "venv": self.build["home"], "uwsgi": self.build["uwsgi"]}
        if self.build["overlay"]:
            sources.update({"overlay": f"{root}/overlay", "static": f"{root}/static"})
        for name, target in sources.items():
            if target:
                os.symlink(target, f"{partial}/{name}")
        os.symlink(f"{self.paths['run']}/{self.id}.sock", f"{partial}/uwsgi.sock")
        files.write(f"{partial}/uwsgi.ini", self.ini)
        group = pwd.getpwnam(self.user).pw_gid
        files.write(f"{self.paths['config']}/{self.id}.env", self.env_text, 0o640, 0, group)
        if os.path.isdir(self.folder):
            # An earlier run's, to be replaced file by file: it may be the live one.
            for name in os.listdir(partial):
                os.rename(f"{partial}/{name}", f"{self.folder}/{name}")
            os.rmdir(partial)
        else:
            os.rename(partial, self.folder)
        if not os.access(f"{self.folder}/uwsgi", os.X_OK):
            raise StepError(
                self.name,
                "uwsgi",
                f"there is no uWSGI at {self.build['uwsgi']}; install it there, or change uwsgi.install",
            )

    def _record(self, known: list[str] | None) -> None:
        """Write what a rollback to it needs, and what makes its directory a release; None leaves it as it is."""
        if known is None:
            return
        site = {key: self.site[key] for key in RECORDED}
        site.update(
            uwsgi={key: self.site["uwsgi"][key] for key in ("socket", "unit")},
            nginx={key: self.site["nginx"][key] for key in ("listen", "read_timeout")},
        )
        record = {
            "id": self.id,
            "build": self.build["id"],
            "made": int(time.time()),
            "source": _shown_source(self.build["source"]),
            "migrations": known,
            "code": self._code_in_place(),
            "site": site,
            "manifest": self.build,
            "units": self.units,
        }
        files.write(f"{self.folder}/release.json", json.dumps(record, indent=1, sort_keys=True) + "\n")

    def _code_in_place(self) -> str:
        """A digest of code that is used where it lies; '' for a build's own, which never changes."""
        return tree.digest(self.build["src"]) if self.build["source"]["kind"] == "path" else ""

    def _complete(self) -> bool:
        return (
            os.path.exists(f"{self.folder}/release.json")
            and files.read(f"{self.folder}/uwsgi.ini") == self.ini
            and all(files.read(f"{units.FOLDER}/{name}") == text for name, text in self.units.items())
        )

    def _install_units(self) -> None:
        changed = {name: text for name, text in self.units.items() if files.read(f"{units.FOLDER}/{name}") != text}
        for name, text in changed.items():
            files.write(f"{units.FOLDER}/{name}", text)
        wanted = [name for name in self.units if not units.is_template(name)]
        if not all(os.path.lexists(f"{units.FOLDER}/{_wants(name)}/{name}") for name in wanted):
            self._systemctl("units", "enable", "--quiet", *wanted)  # which reloads as well
        elif changed:
            self._systemctl("units", "daemon-reload")
        for socket, address in units.sockets(self.site).items():
            self._hold(socket, address)

    def _restore_units(self, before: dict[str, str]) -> None:
        """Give the live release back the units it was started with, for the day it restarts."""
        changed = {name: text for name, text in before.items() if files.read(f"{units.FOLDER}/{name}") != text}
        for name, text in changed.items():
            if text:
                files.write(f"{units.FOLDER}/{name}", text)
        if changed:
            self._drop_units([name for name, text in changed.items() if not text])

    def _hold(self, socket: str, address: str) -> None:
        """Let systemd listen on an address."""
        shown = self._systemctl("socket", "show", socket, "--property=Listen,ActiveState").stdout
        if "ActiveState=active" not in shown:
            self._systemctl("socket", "start", socket)
            return
        held = re.findall(r"^Listen=(\S+) \(Stream\)$", shown, re.MULTILINE)
        if held != [address]:
            raise StepError(
                self.name,
                "socket",
                f"uwsgi.socket is {address}; its port is held as {', '.join(held)}, which the live release needs; "
                "take another port",
            )

    # --- the database ---

    def _django(
        self, step: str, arguments: list[str], stdin: str, extra: dict[str, str] | None = None, check: bool = True
    ) -> Any:
        """Run Python of the build, as the site's user, with the site's environment."""
        environment = project.environment(Layout.of(self.site), self.environment, self.build["path"])
        return self.shell.run(
            step,
            ["/bin/sh", "-c", 'umask 0027; exec "$@"', "sh", f"{self.build['home'] or '/usr'}/bin/python3", *arguments],
            self.user,
            os.path.join(self.build["src"], self.build["chdir"]),
            environment={**environment, **(extra or {})},
            stdin=stdin,
            check=check,
        )

    def _migrations(self, what: str) -> dict[str, list[str]]:
        """What `django_migrations` prints. Raises `StepError` saying what ran and what did not."""
        if not self.build["overlay"]:
            return {"known": [], "plan": [], "applied": []}
        done = self._django("migrate", ["-", what], inspect.getsource(django_migrations), check=False)
        answers = [line for line in done.stdout.splitlines() if line.startswith("{")]
        found: dict[str, list[str]] = json.loads(answers[-1]) if answers else {}
        if done.returncode:
            reason = cause(done.stderr)
            if found.get("plan"):
                left = found.get("left", found["plan"])
                ran = [one for one in found["plan"] if one not in left]
                reason += f"; applied were {', '.join(ran) or 'none'}; not applied are {', '.join(left)}"
            raise StepError(self.name, "migrate", reason, done.stderr)
        return found

    def _refuse_when_behind(self, live: dict[str, Any]) -> None:
        """Migrations of the `live` release that are applied and that this one's code does not have."""
        own = files.read_json(f"{self.folder}/release.json").get("migrations", [])
        known = set(live.get("migrations") or []) - set(own)
        # What neither knows is some other application's, or long gone.
        ahead = [one for one in self._migrations("applied")["applied"] if one in known] if known else []
        if ahead:
            raise StepError(
                self.name,
                "rollback",
                f"the database is ahead of release {self.id}, which does not know {', '.join(ahead)}; take them back "
                "with manage migrate, or set rollback_ignore_migrations: true where the old code gets along with them",
            )

    def _superuser(self) -> list[str]:
        """Make the superuser of the inventory unless it is there; what is known to be there is not asked for again."""
        superuser = self.site["superuser"]
        if not superuser or not self.build["overlay"]:
            return []
        record = f"{self.paths['config']}/superusers.json"
        known = files.read_json(record)
        if superuser["username"] in known:
            return []
        if self.check_mode:
            return [f"superuser {superuser['username']}"]
        extra = {
            "DJANGO_SUPERUSER_USERNAME": superuser["username"],
            "DJANGO_SUPERUSER_EMAIL": superuser["email"],
            "DJANGO_SUPERUSER_PASSWORD": self.password,
        }
        made = self._django("superuser", ["-"], SUPERUSER, extra).stdout.strip().endswith("made")
        files.write(record, json.dumps({**known, superuser["username"]: int(time.time())}) + "\n", 0o600)
        return [f"superuser {superuser['username']}"] if made else []

    # --- the processes ---

    def _probe(self, release: str, watch: bool) -> None:
        """Start a release without its ports, wait until it is healthy, watch it, and end it."""
        probe = f"uwsgi-{self.name}-probe@{release}.service"
        # One that a killed run left has the private socket, and the probe would take it away.
        self._systemctl("start", "stop", f"uwsgi-{self.name}@{release}.service", check=False)
        try:
            self._start(probe)
            self._health(release, probe)
            if watch:
                self._settle(probe)
        finally:
            self._abandon(probe)

    def _start_and_ask(self, release: str) -> None:
        """Start a release beside the live one and wait until it is healthy."""
        self._start(f"uwsgi-{self.name}@{release}.service")
        self._health(release)

    def _start(self, unit: str) -> None:
        started = time.time()
        done = self._systemctl("start", "start", unit, check=False)
        if done.returncode:
            journal = self._journal(unit, started)
            raise StepError(
                self.name, "start", f"{unit} did not start: {_why_not_started(journal, self.site)}", journal
            )

    def _abandon(self, unit: str) -> None:
        """Stop what serves nobody, and may hang: it gets no time to finish what it is at."""
        # Asked to stop first, or systemd would start again what is killed.
        self._systemctl("stop", "stop", "--no-block", unit, check=False)
        self._systemctl("stop", "kill", "--signal=KILL", unit, check=False)
        self._systemctl("stop", "stop", unit, check=False)
        self._systemctl("stop", "reset-failed", unit, check=False)

    def _health(self, release: str, unit: str = "") -> None:
        """Ask the release's own socket for `health.path`, as the site's own Host, until it answers as it should."""
        health = self.site["health"]
        address = f"unix:{self.paths['run']}/{release}.sock"
        unit = unit or f"uwsgi-{self.name}@{release}.service"
        started, asked = time.time(), time.monotonic()
        deadline = asked + health["timeout"]
        while wrong := self._ask(address, max(round(deadline - time.monotonic(), 1), 0.1)):
            if time.monotonic() > deadline or not self._is_active(unit):
                raise self._unhealthy("health", f"{wrong} within {health['timeout']} s", unit, started)
            time.sleep(0.1)

    def _settle(self, unit: str, live: bool = False) -> None:
        """Ask the release, which is healthy, again and again, for as long as it takes to be sure that it stays.

        Once it is live it is asked where nginx finds it; on shared ports that is its own socket, too, for there the old
        one may answer.
        """
        socket = f"{self.paths['current']}/uwsgi.sock" if live else f"{self.paths['run']}/{self.id}.sock"
        step, when = ("switch", "once it was live") if live else ("health", "after its first good answer")
        started = time.time()
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            wrong = self._ask(f"unix:{socket}", self.site["health"]["timeout"])
            if wrong:
                raise self._unhealthy(step, f"{when} {wrong}", unit, started)
            time.sleep(0.05)

    def _ask(self, address: str, timeout: float) -> str:
        """Ask a socket for `health.path`, as the site's own Host; '' where the answer is good, or what is wrong."""
        health = self.site["health"]
        host = overlay.host(cast(Site, self.site))
        try:
            status = uwsgi_protocol.request(address, host, health["path"], timeout).status
            if status in health["status"] if health["status"] else status < 500:
                return ""
            found = f"answered {status}"
        except uwsgi_protocol.ProtocolError as error:
            found = f"did not answer: {error.cause}"
        wanted = " or ".join(map(str, health["status"])) or "a status below 500"
        return f"{health['path']} as {host} {found}; wanted {wanted}"

    def _unhealthy(self, step: str, wrong: str, unit: str, since: float) -> StepError:
        """What is wrong, with what the journal of the unit says about it."""
        journal = self._journal(unit, since - 5)
        gone = "" if self._is_active(unit) else "; uWSGI ended"
        reason = f"; {cause(journal)}" if "Traceback" in journal else ""
        return StepError(self.name, step, f"{wrong}{gone}{reason}", journal)

    def _switch(self, old: str) -> None:
        """Make the release current; from now on nginx goes to its unix socket, and finds its static files."""
        if old == self.id:
            return
        if old and os.path.isdir(f"{self.paths['releases']}/{old}"):
            files.link(f"releases/{old}", self.paths["previous"])
        files.link(f"releases/{self.id}", self.paths["current"])

    def _stop_others(self) -> list[str]:
        """Let every other release finish what it is at, and stop it; what was, or in check mode would be, stopped."""
        others = [release for release in self._running() if release != self.id]
        for release in [] if self.check_mode else others:
            self._drain(release)
            # It serves nobody any more, and its master takes a second to see that its workers are gone.
            self._systemctl("stop", "stop", "--no-block", f"uwsgi-{self.name}@{release}.service")
            self._systemctl("stop", "reset-failed", f"uwsgi-{self.name}@{release}.service", check=False)
        if self.site["uwsgi"]["socket"] and not self.check_mode:
            # Of killed runs; this run's own has ended.
            self._systemctl("stop", "stop", f"uwsgi-{self.name}-probe@*.service")
        # Ports that only the old one had.
        stale = sorted({*units.present(self.name)} - {*self.units})
        if stale and not self.check_mode:
            self._drop_units(stale)
        return [*(f"stopped release {release}" for release in others), *(f"removed {unit}" for unit in stale)]

    def _drain(self, release: str) -> None:
        """Wait until nobody waits at the release's own socket, at most for one longest request.

        On Linux uWSGI cannot tell the length of a unix socket's queue: that no worker is busy means that it is empty.
        """
        address = f"unix:{self.paths['run']}/{release}.stats"
        own = f"{self.paths['run']}/{release}.sock"
        deadline = time.monotonic() + self.site["nginx"]["read_timeout"]
        while time.monotonic() < deadline:
            try:
                stats = json.loads(uwsgi_protocol.stats(address))
            except (uwsgi_protocol.ProtocolError, ValueError):
                return
            if any(one["name"] != own for one in stats["sockets"]):
                # It shares its ports: who waits there is the new release's already, and under load it would never be
                # idle. What it has accepted it finishes when it is stopped.
                return
            if not any(worker["status"] == "busy" for worker in stats["workers"]):
                return
            time.sleep(0.05)

    def _running(self) -> list[str]:
        """The releases of this site that systemd runs or tries to run; not those that it is stopping already."""
        shown = self.shell.run(
            "units",
            ["systemctl", "list-units", "--all", "--plain", "--no-legend", "--full", f"uwsgi-{self.name}@*.service"],
        ).stdout
        unit = rf"^(?:[*●] )?uwsgi-{re.escape(self.name)}@([0-9a-f]+)\.service +\S+ +(?!deactivating |inactive )\S+ "
        return re.findall(unit, shown, re.MULTILINE)

    def _is_active(self, unit: str) -> bool:
        return self.shell.run("units", ["systemctl", "is-active", "--quiet", unit], check=False).returncode == 0

    def _journal(self, unit: str, since: float) -> str:
        """The last that a unit said. Backwards, because --lines with --since means the first ones (systemd 252)."""
        words = ["--no-pager", "--output=cat", "--reverse", "--lines=40", f"--since=@{int(since)}", f"--unit={unit}"]
        told = self.shell.run("journal", ["journalctl", *words], check=False).stdout
        return "".join(f"{line}\n" for line in reversed(told.splitlines()))

    def _systemctl(self, step: str, *arguments: str, check: bool = True) -> Any:
        return self.shell.run(step, ["systemctl", *arguments], check=check)

    # --- what is left behind ---

    def _remove(self, release: str) -> None:
        for path in self._remains(release):
            files.remove(path)

    def _remains(self, release: str) -> list[str]:
        run = f"{self.paths['run']}/{release}"
        return [
            f"{self.paths['releases']}/{release}",
            f"{self.paths['config']}/{release}.env",
            f"{run}.sock",
            f"{run}.stats",
        ]

    def _tidy(self) -> list[str]:
        """Prune releases beyond `keep_releases`, builds and virtualenvs that none uses; write the manage command."""
        manage = f"{self.paths['root']}/manage"
        text = MANAGE.format(
            name=self.name,
            user=self.user,
            root=self.paths["root"],
            chdir=self.build["chdir"],
            config=self.paths["config"],
            state=self.paths["state"],
            settings=overlay.SETTINGS_MODULE if self.build["overlay"] else self.build["settings_module"],
            python=f"{self.paths['current']}/venv/bin/python" if self.build["home"] else "/usr/bin/python3",
        )
        scripts = {manage: text, f"{self.paths['root']}/list": LIST.format(name=self.name, root=self.paths["root"])}
        changes = [path for path, text in scripts.items() if files.read(path) != text]
        kept = self._kept()
        stale = [one for one in _folders(self.paths["releases"]) if one not in kept]
        changes += [f"{self.paths['releases']}/{one}" for one in stale]
        if self.check_mode:
            return changes
        for path in changes[: len(changes) - len(stale)]:
            files.write(path, scripts[path], 0o755)
        for one in stale:
            self._remove(one)
        used = {self.build["id"]}
        used |= {str(files.read_json(f"{self.paths['releases']}/{one}/release.json").get("build")) for one in kept}
        for one in _folders(self.paths["builds"]):
            if one not in used:
                files.remove(f"{self.paths['builds']}/{one}")
        homes = {files.read_json(f"{self.paths['builds']}/{one}/build.json").get("home") for one in used}
        for one in _folders(self.paths["virtualenvs"]):
            if f"{self.paths['virtualenvs']}/{one}" not in homes:
                files.remove(f"{self.paths['virtualenvs']}/{one}")
        return changes

    def _kept(self) -> set[str]:
        """What is live, what was live before, and the newest up to `keep_releases`."""
        kept = {one for one in (self.current, _target(self.paths["previous"]), self.id) if one}
        made = {
            one: files.read_json(f"{self.paths['releases']}/{one}/release.json").get("made", 0)
            for one in _folders(self.paths["releases"])
            if not one.startswith(".")
        }
        for one in sorted(made, key=lambda one: made[one], reverse=True):
            if len(kept) < self.site["keep_releases"]:
                kept.add(one)
        return kept

    def _drop_units(self, names: list[str]) -> None:
        """Remove units, and let systemd read the others anew."""
        for name in names:
            if not units.is_template(name):
                self._systemctl("units", "disable", "--quiet", "--now", name, check=False)
            files.remove(f"{units.FOLDER}/{name}")
        self._systemctl("units", "daemon-reload")


def previous(site: dict[str, Any]) -> str:
    """The id of the release that was live before, or ''."""
    return _target(site["paths"]["previous"])


def withdraw(site: dict[str, Any], check_mode: bool, forget: Callable[[Shell], list[str]]) -> list[str]:
    """Stop an absent site and remove its units, releases and builds; `forget` removes its accounts and directories."""
    shell = Shell(site["name"], {})
    name, root = site["name"], site["paths"]["root"]
    present = units.present(name)
    there = [f"{units.FOLDER}/{one}" for one in present]
    changes = [*there, *([root] if os.path.isdir(root) else [])]
    if not check_mode and changes:
        plain = [one for one in present if not units.is_template(one)]
        shell.run("units", ["systemctl", "disable", "--quiet", "--now", *plain], check=False)
        shell.run("units", ["systemctl", "stop", f"uwsgi-{name}@*.service"], check=False)
        for path in there:
            files.remove(path)
        shell.run("units", ["systemctl", "daemon-reload"])
        shell.run("units", ["systemctl", "reset-failed", f"uwsgi-{name}@*.service"], check=False)
        files.remove(root)
    if not check_mode and os.path.isdir(site["paths"]["config"]):
        # The secret key stays with the data: sessions survive a site's coming back.
        for one in os.listdir(site["paths"]["config"]):
            if one.endswith(".env"):
                files.remove(f"{site['paths']['config']}/{one}")
    return changes + forget(shell)


def quote(value: str) -> str:
    """A value as systemd.exec(5) reads it from an EnvironmentFile: in double quotes, \\ " $ ` escaped."""
    return '"' + re.sub(r'([\\"$`])', r"\\\1", value) + '"'


def parse_env(text: str) -> dict[str, str]:
    """The variables of an EnvironmentFile that `quote` wrote."""
    found = re.findall(r'(?ms)^(\w+)="((?:[^"\\]|\\.)*)"$', text)
    return {name: re.sub(r'\\([\\"$`])', r"\1", value) for name, value in found}


def _why_not_started(journal: str, site: dict[str, Any]) -> str:
    """The cause of a failed start in one sentence, from uWSGI's own words where they are known."""
    for pattern, meaning in (
        (r"\[strict-mode\] unknown config directive: (\S+)", r"uwsgi.options has \1, which uWSGI does not know"),
        (r"(?m)^(ModuleNotFoundError|ImportError): (.*)$", r"\1: \2"),
        (r"(?m)^callable '(\S+)' not found in file (\S+)", r"wsgi names \1, which \2 does not have"),
        (r"(?m)^Listen queue size is greater than.*$", r"\g<0> lower uwsgi.options.listen or raise the sysctl"),
        (
            r"probably another instance of uWSGI is running on the same address \((\S+)\)",
            r"\1 is taken by another program",
        ),
        (
            r"(?m)^.*: start operation timed out\b.*$",
            f"it was not ready within {site['health']['timeout']} s; make health.timeout longer where it needs that",
        ),
    ):
        match = re.search(pattern, journal)
        if match:
            return match.expand(meaning)
    return cause(journal) or f"no word from uWSGI within {site['health']['timeout']} s"


def _shown_source(source: dict[str, Any]) -> str:
    """A source in a few words, for those who look for the release to go back to."""
    what = source.get("version") or source.get("digest") or source.get("checksum") or ""
    commit = source.get("commit", "")
    words = [source["kind"], str(source.get(source["kind"], "")), str(what)[:12], commit[:12] if commit != what else ""]
    return " ".join(word for word in words if word)


def _sockets(addresses: list[str]) -> str:
    return ", ".join(addresses) or "a unix socket"


def _releases(path: str) -> list[str]:
    return [one for one in _folders(path) if os.path.exists(f"{path}/{one}/release.json")]


def _target(link: str) -> str:
    return os.path.basename(_link(link))


def _link(path: str) -> str:
    """What a symbolic link says, or '' where there is none."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _relink(path: str, target: str) -> None:
    """Make a symbolic link say again what it said; without a target, remove it."""
    if _link(path) == target:
        return
    if target:
        files.link(target, path)
    else:
        os.unlink(path)


def _folders(path: str) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return sorted(os.listdir(path))
    return []


def _wants(unit: str) -> str:
    return "sockets.target.wants" if unit.endswith(".socket") else "multi-user.target.wants"
