# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a database does not work: locked and by what, unreachable, refused, without tables. Judgement only."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from .database_words import NO_NAME, meaning, missing, telling
from .evidence import Site
from .fault import ADVICE, BROKEN, DEGRADED, Fault, Faults
from .fixes import manage, setting
from .questions import any_failure

_KEY = "web_sites[].database"
_LOCAL = ("the local socket", "localhost", "127.0.0.1", "[::1]", "::1", "/")
_SERVICES = {"postgresql": ("postgresql",), "mysql": ("mariadb", "mysql", "mysqld")}


def refused(faults: Faults, site: Site, found: Mapping[str, Any], failed: Mapping[str, Any]) -> Fault | None:
    """Judge the message of a database that refused the site; None if another judge reports the reason."""
    words = [str(line)[:300] for line in failed.get("words") or [failed["error"]]][:4]
    code, what = meaning(str(failed.get("kind", "")), words), named(found)
    where, text = setting(site, "DATABASES", _KEY), telling(words)
    # What only some pages need does not break a site that answers.
    status = BROKEN if found.get("alias", "default") == "default" or any_failure(site) else DEGRADED
    if code == "locked":
        return None
    if "unable to open" in text and _is_closed(found):
        return None
    if code == "unreachable":
        return _unreachable(faults, site, found, words, status)
    causes = {
        "password": (f"the database refuses the password of the site: {text}", _password(found, where)),
        "connections": (
            f"the database has too many connections: {text}",
            "check who uses them "
            f"({'pg_stat_activity' if found.get('vendor') == 'postgresql' else 'SHOW PROCESSLIST'}); fewer processes, "
            f"a smaller CONN_MAX_AGE in {where}, or a larger max_connections of the server",
        ),
        "unknown": (f"{what} does not have what the site needs: {text}", _unknown(words, where)),
        "refused": (f"{what} refuses the site: {text}", f"pg_hba.conf and the log of the server; {where}"),
        "corrupt": (
            f"the database file is damaged: {text}",
            f"stop the site, keep a copy of {found.get('file') or what}, then restore a backup",
        ),
        "unusable": (
            f"the database cannot be used: {failed['error'][:250]}",
            f"correct {where}, or install its driver",
        ),
    }
    cause, fix = causes[code]
    return faults.fault(f"database.{code}", status, cause, fix, words)


def named(found: Mapping[str, Any]) -> str:
    """Return how a database is called in a verdict."""
    what = found.get("file") or f"{found.get('vendor', '')} at {found.get('address', '')}"
    alias = found.get("alias", "default")
    return str(what) if alias == "default" else f"{what} ({alias})"


def locked(faults: Faults, site: Site, found: Mapping[str, Any], failed: Mapping[str, Any]) -> Iterator[Fault]:
    """Judge the locks that lasted as long as anybody looked."""
    inodes = found.get("inodes") or []
    is_refused = "is locked" in str(failed.get("error", ""))
    held = [lock for lock in site.data.held if lock.inode in inodes]
    writers = [lock for lock in held if not lock.shared] or (held if is_refused else [])
    if not writers and not is_refused:
        return
    file, lines = found.get("file", ""), [str(failed["error"])[:300]] if is_refused else []
    if writers:
        pid = writers[0].pid
        cause = f"the database is locked, by {site.data.holders.get(pid, f'pid {pid}')}: {file}"
        lines.append(f"/proc/locks: pid {pid} has held its lock on {file} for at least {site.data.seconds:.1f} s")
        own = {process.pid for process in [site.uwsgi.master, *site.uwsgi.workers] if process}
        fix = (
            "a transaction of the site itself does not end: restart it"
            if pid in own
            else f"wait until it ends, or kill {pid}"
        )
    else:
        who = f"; processes that have it open: {', '.join(site.data.openers)}" if site.data.openers else ""
        cause = f"the database is locked: {file}{who}"
        fix = f"fuser -v {file} shows which processes have it open; stop the one that does not end its transaction"
    yield faults.fault("database.locked", BROKEN if is_refused or any_failure(site) else DEGRADED, cause, fix, lines)


def not_writable(faults: Faults, site: Site, found: Mapping[str, Any]) -> Iterator[Fault]:
    """Judge a file, its directory and the files beside it, of which SQLite needs to write them all."""
    user, file = site.uwsgi.user, str(found.get("file", ""))
    if found.get("blocked") and not site.places.own_state:
        folder = str(found["blocked"])
        cause = f"the database file cannot be reached: {user} cannot enter {folder}"
        yield faults.fault("database.not-writable", BROKEN, cause, f"chmod o+x {folder}", [file])
    elif found.get("exists") and (found.get("file_writable") is False or found.get("folder_writable") is False):
        path = file if found.get("file_writable") is False else posixpath.dirname(file)
        cause = f"the database file is not writable: {user} cannot write {path}"
        fix = f"chown {user} {path} && chmod u+w {path}"
        yield faults.fault("database.not-writable", BROKEN, cause, fix, [site.described.get(path, path)])
    elif found.get("exists") and found.get("beside"):
        path = str(found["beside"])
        cause = f"the database file is not writable: {user} cannot write {path} beside it"
        yield faults.fault("database.not-writable", BROKEN, cause, f"chown {user} {path}", [path])
    elif found.get("exists") and posixpath.dirname(file) in site.places.read_only:
        yield _in_sandbox(faults, site, file)


def _in_sandbox(faults: Faults, site: Site, file: str) -> Fault:
    """Judge a file that the site's user may write by its mode, but not in the sandbox of the unit."""
    unit, folder = site.uwsgi.unit, posixpath.dirname(file)
    given = [f"{name}={unit[name]}" for name in ("ProtectSystem", "ProtectHome") if unit.get(name, "no") != "no"]
    name = unit.get("Id", "its unit")
    return faults.fault(
        "database.not-writable",
        BROKEN if any_failure(site) else DEGRADED,
        f"the database file is not writable: {name} sees {folder} read-only ({', '.join(given) or 'its sandbox'}), and "
        "each login or form gets 500",
        f"ReadWritePaths={folder} below [Service] in {name}, then systemctl daemon-reload && systemctl restart {name}",
        [f"/proc/{site.uwsgi.master.pid if site.uwsgi.master else 'PID'}/mountinfo: {folder} is on a mount that is ro"],
    )


def tables(faults: Faults, site: Site) -> Iterator[Fault]:
    """Judge tables and columns that are not there, though all migrations are recorded as applied."""
    found = site.inside.get("tables", {})
    dropped, unmade = found.get("dropped") or [], found.get("unmade") or []
    if dropped:
        failing = _is_missed(site, dropped)
        yield faults.fault(
            "database.tables",
            BROKEN if failing else DEGRADED,
            f"the database does not contain {_listed(dropped)}, although the migration that creates it is recorded as "
            "applied: pages that use it answer 500",
            f"restore it from a backup, or create it again: {manage(site)} sqlmigrate APP NUMBER prints how",
            [f"no such table or column: {name}"[:300] for name in dropped],
        )
    if unmade:
        failing = _is_missed(site, unmade)
        yield faults.fault(
            "database.unmade",
            DEGRADED if failing else ADVICE,
            f"models have {_listed(unmade)}, but no migration creates it: pages that use it answer 500",
            f"{manage(site)} makemigrations, then {manage(site)} migrate",
            [f"no such table or column: {name}"[:300] for name in unmade],
        )


def _unreachable(faults: Faults, site: Site, found: Mapping[str, Any], words: list[str], status: str) -> Fault:
    what, where = named(found), setting(site, "DATABASES", _KEY)
    cause, fix = f"the database is unreachable: {what}", f"start the database or correct its address: {where}"
    if found.get("file"):
        cause, fix = f"the database file cannot be opened: {what}", f"ls -ld {what} says what is there; {where}"
    elif any(NO_NAME.search(line) for line in words):
        cause, fix = f"{cause}: this host cannot resolve that name", f"correct HOST of {where}, or the resolver"
    elif str(found.get("address", "")).startswith(_LOCAL):
        services = [f"{name}.service" for name in _SERVICES.get(str(found.get("vendor")), ())]
        there = next((name for name in services if name in site.data.services), "")
        fix = f"systemctl start {there}; or correct its address: {where}" if there else fix
    return faults.fault("database.unreachable", status, cause, fix, words)


def _password(found: Mapping[str, Any], where: str) -> str:
    other = "ALTER ROLE ... PASSWORD" if found.get("vendor") == "postgresql" else "ALTER USER ... IDENTIFIED BY"
    return f"correct USER and PASSWORD of {where} (or the environment that they come from), or {other} on the server"


def _unknown(words: list[str], where: str) -> str:
    kind, name = missing(words)
    make = {"database": "createdb", "role": "createuser"}.get(kind, "")
    known = f"sudo -u postgres {make} '{name}'" if make and "'" not in name else "create it on the server"
    return f"{known}, or correct NAME and USER of {where}"


def _is_closed(found: Mapping[str, Any]) -> bool:
    refused_to = found.get("file_writable") is False or found.get("folder_writable") is False
    return bool(refused_to or found.get("blocked") or found.get("beside"))


def _is_missed(site: Site, names: list[str]) -> bool:
    """Return whether something was answered by a failure, and one of these is what its traceback names."""
    words = [name.rpartition(".")[2] or name for name in names]
    return any_failure(site) and any(word in site.uwsgi.log for word in words)


def _listed(names: list[str]) -> str:
    many = len(names) - 2
    return ", ".join(name[:100] for name in names[:2]) + (f" and {many} more" if many > 0 else "")
