# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make a release live: start it beside the old one, check it, rename `current` to it, drain and stop the old one.

One symbolic link, `current`, determines what is live. Before it is renamed, nothing has changed for visitors. If
anything fails, the old release is live as before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from ..host import files
from ..host.shell import StepError
from ..model.types import Record
from . import history, scripts
from .background import Background
from .commands import Commands
from .database import Database
from .front import STEP, Front
from .instance import Instances
from .moves import moves, refuse_other_prefix
from .release import Release
from .shelf import Shelf
from .unit_files import UnitFiles


class Change(NamedTuple):
    """What a deploy or a rollback did or, in check mode, would do. `before` and `after` are texts of uwsgi.ini."""

    what: list[str]
    release: str
    previous: str
    migrations: list[str]
    before: str
    after: str


class Switch:
    """Makes one release live. `who` is logged in the site's history."""

    def __init__(
        self,
        release: Release,
        shelf: Shelf,
        instances: Instances,
        unit_files: UnitFiles,
        database: Database,
        background: Background,
        who: str = "",
        check_mode: bool = False,
        front: Front | None = None,
    ) -> None:
        self.release, self.shelf, self.instances = release, shelf, instances
        self.unit_files, self.database, self.background = unit_files, database, background
        self.who, self.check_mode = who, check_mode
        self.front = front
        self.commands = Commands(release, database)
        # Faults that do not prevent serving the site.
        self.notes: list[str] = []
        self.own = instances.of(release.id)

    @classmethod
    def on_this_host(cls, release: Release, who: str, check_mode: bool) -> Switch:
        """Return the switch to a release that works on this host's files, systemd and database."""
        shell, layout = release.shell(), release.layout
        parts = (
            Instances(shell, release),
            UnitFiles(shell, layout),
            Database(shell, release),
            Background(shell, release),
        )
        front = Front.of(shell, release.site, release.manifest)
        return cls(release, Shelf(layout), *parts, who, check_mode, front)

    def deploy(self) -> Change:
        """Make the release live. Raises `StepError`; then the old one is live as before."""
        release, shelf = self.release, self.shelf
        old, before = shelf.current, shelf.live_ini()
        if old == release.id and self._is_whole():
            what = _superuser(self.database, self.check_mode, self.notes)
            # A run that was killed after its switch left the previous release running.
            what += self._stop_others()
            what += self.unit_files.limit_ports(release.units, self.check_mode)
            what += self.background.tidy(self.check_mode)
            what += shelf.tidy(release, self.check_mode, self.background.in_use())
            return Change(what, release.id, shelf.previous, [], before, before)
        if "predicted" not in release.manifest:
            self.background.check()
        if self.check_mode:
            ask = release.migrate and "predicted" not in release.manifest
            planned = self.database.migrations("plan")["plan"] if ask else []
            made = [f"release {release.id}", *(self.commands.planned() if old != release.id else [])]
            return Change(made, release.id, old, planned, before, release.ini)
        existed = shelf.has(release.id)
        applied: list[str] = []
        with self._audited("deploy", old):
            try:
                shelf.prepare(release)
                self.own.check_environment()
                if not old:
                    # Sites without migrations, or without the superuser, need them before there is a healthy release.
                    scripts.write_first(release)
                done = self.commands.run(new=old != release.id)
                applied = done.applied
                superuser = _superuser(self.database, False, self.notes)
                notes = self._go_live(old, done.known)
            except BaseException as error:
                if isinstance(error, StepError):
                    error.migrations = error.migrations or applied
                # An existing release is kept: it may be the previous one, which a rollback needs.
                if old != release.id and not existed and release.id not in self.background.in_use():
                    _drop(shelf, release, only=not old)
                raise
        ran = self.commands.planned() if old != release.id else []
        what = [f"release {release.id}", *ran, *notes, *superuser]
        shelf.tidy(release, False, self.background.in_use())
        return Change(what, release.id, old, applied, before, release.ini)

    def roll_back(self, ignore_migrations: bool) -> Change:
        """Make this stored release live again, unchanged. Nothing is downloaded, and no data is changed.

        Raises `StepError` if that is impossible, or if applied migrations are unknown to it.
        """
        release, shelf = self.release, self.shelf
        old, before = shelf.current, shelf.live_ini()
        if old == release.id:
            return Change([], release.id, shelf.previous, [], before, before)
        live, own = shelf.record_of(old), shelf.record_of(release.id)
        self._refuse_other_ports(live)
        refuse_other_prefix(release, live)
        if release.code_in_place() != own.get("code", ""):
            raise StepError(
                release.name,
                "rollback",
                f"release {release.id} ran other code than what {release.manifest['src']} has now, and code that is "
                "used in place has no earlier version here; restore it there and run pyweb.stack.site",
            )
        if not ignore_migrations:
            self._refuse_newer_database(live, own)
        if not self.check_mode:
            with self._audited("rollback", old):
                self._go_live(old, None)
            shelf.tidy(release, False, self.background.in_use())
        return Change([f"rollback to {release.id}"], release.id, old, [], before, release.ini)

    def unanswered(self) -> StepError | None:
        """Return why the live release does not answer through nginx; None if it does, or nginx does not have it."""
        wrong = self.front.unanswered() if self.front and not self.check_mode else ""
        return StepError(self.release.name, STEP, f"{wrong}; release {self.release.id} is live") if wrong else None

    def _go_live(self, old: str, known: list[str] | None) -> list[str]:
        """Start it, check it, make it current, let the old one finish; return messages for the report.

        If anything fails, `old` is live again as it was. `known` are the migrations in its code. None means a release
        that has been live before: its record is not changed, and it is not watched before the switch, so that a
        rollback is fast. If nothing is live, no visitor can suffer from a switch, so watching it once, after the
        switch, is enough.
        """
        release, shelf = self.release, self.shelf
        watch = known is not None and old != ""
        links, unit_texts = shelf.links(), self.unit_files.texts(release.units)
        background_texts = self.background.texts()
        # Only if the site answers through nginx now, the new release can be what breaks it.
        answered = (
            old != "" and self.front is not None and not moves(release, shelf.record_of(old)) and self.front.answers()
        )
        notes: list[str] = []
        visited = watch and old != release.id and release.health["watch"] > 0
        before = self.instances.answers_of(old) if visited else None
        try:
            self.unit_files.install(release.units, release.sockets)
            if old == release.id:
                # Live by name but not running, or incomplete: start it again.
                self.own.restart()
                self.own.wait_until_healthy()
                self._record(known)
                self.background.start_new()
            elif release.sockets:
                # On shared ports, it gets traffic as soon as it listens. By then its health must be known, and the
                # static files that its pages name must be where nginx looks.
                self._probe(watch)
                self._record(known)
                self._hand_over()
                self._start_and_ask()
            else:
                self._start_and_ask()
                if watch:
                    self.own.settle()
                self._record(known)
                self._hand_over(asked=watch)
            self.own.settle(live=True)
            if answered:
                self._ask_through_nginx()
            if visited:
                notes = [note for note in [self.instances.watch(old, before)] if note]
        except BaseException as error:
            if old != release.id:
                switched = shelf.current == release.id
                shelf.put_back(links)
                if switched:
                    if isinstance(error, StepError) and error.step == "watch":
                        # It answers, and several visitors may be waiting for it.
                        self.own.drain()
                    # It may be serving a request.
                    self.own.stop()
                else:
                    self.own.abandon()
            self.unit_files.restore(unit_texts)
            self.background.put_back(old, background_texts)
            raise
        self._stop_others()
        self.background.tidy()
        return notes

    def _hand_over(self, asked: bool = False) -> None:
        """Make the release current, its workers first: the old workers must not take a task of the new code.

        With `asked`, it must answer once more.
        """
        self.background.start_new()
        self.background.stop_old()
        if asked:
            self.own.ask_once_more()
        self.shelf.switch(self.release.id)
        self.background.follow()

    def _ask_through_nginx(self) -> None:
        """Request the live site as its visitors do. Raises `StepError`."""
        wrong = self.front.look().wrong if self.front else ""
        if wrong:
            raise StepError(self.release.name, STEP, f"{wrong}; the previous release did answer")

    def _probe(self, watch: bool) -> None:
        """Start the release without its ports, wait until it is healthy, watch it, and stop it."""
        probe = self.instances.probe(self.release.id)
        self.own.clear()
        try:
            probe.start()
            probe.wait_until_healthy()
            if watch:
                probe.settle()
        finally:
            probe.abandon()

    def _start_and_ask(self) -> None:
        """Start the release beside the live one and wait until it is healthy."""
        self.own.start()
        self.own.wait_until_healthy()

    def _record(self, known: list[str] | None) -> None:
        if known is not None:
            self.shelf.record(self.release, known)

    def _stop_others(self) -> list[str]:
        """Let every other release finish its requests, and stop it; return what was, or would be, stopped."""
        others = [release_id for release_id in self.instances.running() if release_id != self.release.id]
        # Ports that only the old one had.
        stale = sorted({*self.unit_files.present()} - {*self.release.units})
        if not self.check_mode:
            for instance in map(self.instances.of, others):
                instance.drain()
                instance.retire()
            if self.release.sockets:
                # Of killed runs; this run's own has ended.
                self.instances.stop_probes()
            if stale:
                self.unit_files.drop(stale)
        return [*(f"stopped release {release_id}" for release_id in others), *(f"removed {unit}" for unit in stale)]

    def _is_whole(self) -> bool:
        """Return whether the release runs and is complete and unchanged on the host."""
        return (
            self.own.is_active() and self.shelf.complete(self.release) and self.unit_files.installed(self.release.units)
        )

    def _refuse_other_ports(self, live: Record) -> None:
        """Refuse a release that listens on other ports than those that nginx uses."""
        ports = live.get("site", {}).get("uwsgi", {}).get("socket")
        if ports is not None and tuple(ports) != self.release.sockets:
            raise StepError(
                self.release.name,
                "rollback",
                f"release {self.release.id} listens on {_shown(self.release.sockets)}, and nginx goes to "
                f"{_shown(ports)}; change uwsgi.socket in the inventory and run pyweb.stack.site",
            )

    def _refuse_newer_database(self, live: Record, own: Record) -> None:
        """Refuse a release whose code lacks applied migrations of the `live` one."""
        missing = set(live.get("migrations") or []) - set(own.get("migrations", []))
        # Migrations that neither knows belong to another application, or were removed long ago.
        applied = self.database.migrations("applied")["applied"] if missing else []
        ahead = [name for name in applied if name in missing]
        if ahead:
            raise StepError(
                self.release.name,
                "rollback",
                f"the database is ahead of release {self.release.id}, which does not know {', '.join(ahead)}; reverse "
                "them with manage migrate, or set rollback_ignore_migrations: true if the old code works "
                "with them",
            )

    def _audited(self, action: str, old: str) -> contextlib.AbstractContextManager[None]:
        release = self.release
        where = release.name, release.layout.history
        return history.audited(*where, self.who, action, old, release.id, lambda: self.shelf.current)


def _superuser(database: Database, check_mode: bool, notes: list[str]) -> list[str]:
    """Create the superuser; return what was created.

    The site is served without one. A failure becomes a note in every run, and the next one tries again.
    """
    try:
        return database.make_superuser(check_mode)
    except StepError as error:
        first = str(error).partition("\n")[0]
        notes.append(f"{first}; the site is served without it, and the next run tries again")
        return []


def _drop(shelf: Shelf, release: Release, only: bool) -> None:
    """Remove a release that did not go live. A site's only one is kept, without a record, because `manage` needs it."""
    if only:
        files.remove(release.layout.record(release.id))
    else:
        shelf.remove(release.id)


def _shown(addresses: Sequence[str]) -> str:
    return ", ".join(addresses) or "a unix socket"
