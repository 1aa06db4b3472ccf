# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# A program of its own, not part of a module: it prints its result.
# pylint: disable=ansible-bad-function
"""List and apply a project's migrations, in one process of the site's own interpreter and user.

`uwsgi_release` sends the text of this file to the interpreter's standard input, so it must not need Ansible. The last
line of its output is one line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

LOCK = 0x70797765  # any number, but the same for all hosts that migrate the database
# How long to wait for another host, and how often to use the connection to keep it alive, in seconds.
WAIT, KEEP_ALIVE = 1200, 60
BUSY = "error: another host has been migrating this database for more than {} s"
# The connection that holds the lock is idle as long as the migrations take.
PATIENT = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")


def main(what: str, seconds: str = str(WAIT)) -> None:
    """`plan`: what is not applied. `apply`: apply it, `apply-held` under a lock that is held. `applied`: what the
    database says is applied. `hold`: the lock.

    Prints {known, plan} and after `apply` {known, plan, left}; or {applied}. All are lists of APP.NAME. `hold` waits
    for the lock for some seconds, prints `held` and keeps it until it is killed; `free` where the database is one
    host's.
    """
    import django

    django.setup()
    from django.db import connections

    connection = connections["default"]
    if what == "applied":
        from django.db.migrations.recorder import MigrationRecorder

        print(json.dumps({"applied": named(MigrationRecorder(connection).applied_migrations())}))
        return
    if what == "plan":
        print(json.dumps(state(connection)))
        return
    if what == "hold":
        with locked(connection, int(seconds)) as own:
            print("held" if own else "free", flush=True)
            while own:
                time.sleep(KEEP_ALIVE)
                own.cursor().execute("SELECT 1")
        return
    with locked(connection) if what == "apply" else contextlib.nullcontext():
        found = state(connection)
        try:
            if found["plan"]:
                from django.core.management import call_command

                call_command("migrate", interactive=False, verbosity=1)
        finally:
            print("\n" + json.dumps({**found, "left": state(connection)["plan"] if found["plan"] else []}))


def state(connection: Any) -> dict[str, list[str]]:
    """Return the migrations in the code, and those to be applied, in order. Creates no table."""
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    loader = executor.loader
    plan = executor.migration_plan(loader.graph.leaf_nodes())
    return {
        "known": named(loader.disk_migrations),
        "plan": [f"{migration.app_label}.{migration.name}" for migration, _backwards in plan],
    }


def named(migrations: Any) -> list[str]:
    return sorted(f"{app}.{name}" for app, name in migrations)


@contextlib.contextmanager
def locked(connection: Any, seconds: int = WAIT) -> Iterator[Any]:
    """Let one host at a time migrate a shared database; the others then find nothing to do.

    Uses its own connection and a transaction, so that a connection pooler keeps it. An SQLite file belongs to one host,
    where the site's own lock is enough: then this yields None.
    """
    if connection.vendor not in ("postgresql", "mysql"):
        yield None
        return
    # The driver's connection, not Django's, because listeners for new Django connections look them up by alias.
    settings = connection.copy()
    settings.settings_dict.get("OPTIONS", {}).pop("pool", None)
    with settings.wrap_database_errors:
        own = settings.get_new_connection(settings.get_connection_params())
    try:
        cursor = own.cursor()
        if connection.vendor == "postgresql":
            for name in PATIENT:
                cursor.execute(f"SET LOCAL {name} = {seconds * 1000 if name == 'lock_timeout' else 0}")
            try:
                cursor.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
            except Exception as error:
                if "lock timeout" not in str(error):
                    raise
                raise SystemExit(BUSY.format(seconds)) from None
        else:
            cursor.execute(f"SELECT GET_LOCK(CONCAT('pyweb.stack ', DATABASE()), {seconds})")
            if not cursor.fetchone()[0]:
                raise SystemExit(BUSY.format(seconds))
        yield own
    finally:
        own.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
