# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check a project's databases from the inside: whether they answer, with which error, and their tables.

The text of this file is sent to the site's interpreter in front of `django_look`, so it needs nothing but Python and
Django. Each database has its own thread, so one that hangs does not affect the other checks. It only reads, and never
prints a password.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any, Callable

# Limits: databases of a project, tables whose columns are compared, names that are reported.
DATABASES_MAX, TABLES_MAX, NAMES_MAX = 8, 40, 6
# Seconds: how long a locked SQLite file is waited for, and how long columns are compared.
BUSY, COMPARING = 0.4, 0.6


def watch_databases(say: Callable[..., None]) -> Callable[[], None]:
    """Start to check all databases; return a function that waits until that has ended."""
    from django.db import connections

    threads = []
    for alias in list(connections)[:DATABASES_MAX]:
        thread = threading.Thread(target=look_at_database, args=(say, connections, alias), daemon=True)
        thread.start()
        threads.append(thread)

    def finish() -> None:
        for thread in threads:
            thread.join()

    return finish


def look_at_database(say: Callable[..., None], connections: Any, alias: str) -> None:
    """Connect, read, compare migrations and tables, without creating a table or a file."""
    try:
        connection = connections[alias]
        given = connection.settings_dict
        if str(given.get("ENGINE", "")).endswith("backends.dummy"):
            say("database", alias=alias, vendor="none")
            return
        file = file_of(connection.vendor, str(given.get("NAME", "")))
        address = f"{given.get('HOST') or 'the local socket'}{given.get('PORT') and ':'}{given.get('PORT') or ''}"
        state = file_state(file) if file else {}
        say(
            "database",
            alias=alias,
            vendor=connection.vendor,
            file=file,
            address="" if connection.vendor == "sqlite" else address,
            **state,
        )
        if file and not state["exists"]:
            say("failed", at="database", alias=alias, error=f"there is no file {file}")
            return  # connecting would create it
        given["OPTIONS"] = patient(connection.vendor, given.get("OPTIONS") or {})
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        look_at_migrations(say, connection, alias)
    except BaseException as error:  # a backend or a router of the project may call sys.exit
        said_failed(say, "database", alias, error)


def said_failed(say: Callable[..., None], at: str, alias: str, error: BaseException) -> None:
    lines, kind = words_of(error), type(error).__name__
    say("failed", at=at, alias=alias, kind=kind, error=f"{kind}: {lines[0] if lines else ''}", words=lines)


def patient(vendor: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a connection for a check: no pool, which hides errors, and no long timeout."""
    found = {name: value for name, value in options.items() if name != "pool"}
    if vendor == "sqlite":
        found["timeout"] = BUSY
    return found


def file_of(vendor: str, name: str) -> str:
    """Return the file of an SQLite database; '' of others, and of one in memory or with a URI."""
    return name if vendor == "sqlite" and name and ":" not in name else ""


def file_state(file: str) -> dict[str, Any]:
    """Return what this user may do with an SQLite file and those beside it; `blocked` is a directory in the way."""
    found: dict[str, Any] = {"exists": False, "file_writable": None, "blocked": "", "beside": "", "inodes": []}
    folder = os.path.dirname(os.path.abspath(file))
    # None where there is no directory either.
    found["folder_writable"] = os.access(folder, os.W_OK | os.X_OK) if os.path.isdir(folder) else None
    try:
        found["inodes"] = [os.stat(file).st_ino]
    except PermissionError:
        parts = os.path.abspath(file).split("/")[:-1]
        ways = ["/".join(parts[: number + 1]) or "/" for number in range(len(parts))]
        found["blocked"] = next((way for way in ways if not os.access(way, os.X_OK)), folder)
        return found
    except OSError:
        return found
    found.update(exists=True, file_writable=os.access(file, os.W_OK))
    for ending in ("-shm", "-wal", "-journal"):
        path = file + ending
        if os.path.exists(path):
            found["inodes"] += [os.stat(path).st_ino] if ending == "-shm" else []
            if not os.access(path, os.R_OK | os.W_OK):
                found["beside"] = path
    return found


def words_of(error: BaseException) -> list[str]:
    """Return what an error says, a few lines of it."""
    # psycopg repeats each message after these words.
    lines = [" ".join(line.split()).replace("connection failed: ", "")[:300] for line in str(error)[:4000].splitlines()]
    return list(dict.fromkeys(line for line in lines if line))[:4]


# --- migrations and tables ---


def look_at_migrations(say: Callable[..., None], connection: Any, alias: str) -> None:
    """Compare with the code. Which migrations belong to databases other than the default one is not known."""
    from django.db import Error
    from django.db.migrations.executor import MigrationExecutor

    try:
        executor = MigrationExecutor(connection)
    except Error:
        raise
    except Exception as error:  # of a migration's own file, or of what they say of each other
        said_failed(say, "migrations", alias, error)
        return
    if alias != "default":
        say("migrations", alias=alias, unapplied=[])
        return
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    say(
        "migrations",
        alias=alias,
        unapplied=[str(migration) for migration, _backwards in plan],
        none_applied=not executor.loader.applied_migrations,
    )
    waiting = {migration.app_label for migration, _backwards in plan}
    lacking = lacking_in(connection, alias, waiting)
    if lacking:
        dropped, unmade = sorted_out(lacking, executor.loader.project_state().models)
        say("tables", alias=alias, dropped=dropped[:NAMES_MAX], unmade=unmade[:NAMES_MAX])


def lacking_in(connection: Any, alias: str, waiting: set[str]) -> list[tuple[str, str, str, str]]:
    """Return (app label, model, field or '', table or column) of what models have and the database has not."""
    from django.apps import apps
    from django.db import router

    there, found, compared = set(connection.introspection.table_names()), [], 0
    deadline = time.monotonic() + COMPARING
    for app in apps.get_app_configs():
        if app.label in waiting:
            continue
        for model in router.get_migratable_models(app, alias, include_auto_created=True):
            meta = model._meta
            table = meta.db_table
            if not meta.managed or meta.proxy or meta.swapped or set(table) & set('".'):
                continue
            if not meta.can_migrate(connection):
                continue
            if table not in there:
                found.append((meta.app_label, model.__name__, "", table))
            elif "-packages/" not in str(app.path) and compared < TABLES_MAX and time.monotonic() < deadline:
                compared += 1
                with connection.cursor() as cursor:
                    columns = {
                        str(column.name) for column in connection.introspection.get_table_description(cursor, table)
                    }
                found += [
                    (meta.app_label, model.__name__, field.name, f"{table}.{field.column}")
                    for field in meta.local_concrete_fields
                    if field.column not in columns
                ]
    return found


def sorted_out(lacking: list[Any], migrated: Any) -> tuple[list[str], list[str]]:
    """Return (what a migration has made and is gone, what no migration makes), as tables or columns."""
    dropped: list[str] = []
    unmade: list[str] = []
    for label, model, field, place in lacking:
        state = migrated.get((label, model.lower()))
        known = state is not None and (not field or field in state.fields)
        (dropped if known else unmade).append(place)
    return dropped, unmade
