# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Questions about a project's migrations, and applying them, in one process of the site's own interpreter and user.

`uwsgi_release` sends this file's text to that interpreter's standard input; nothing here may need Ansible. The last
line of its output is one line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any

LOCK = 0x70797765  # any number will do, as long as it is the same for all who migrate one database


def main(what: str) -> None:
    """`plan`: what is not applied. `apply`: apply it. `applied`: what the database says is applied.

    Prints {known, plan} and after `apply` {known, plan, left}; or {applied}. All are lists of APP.NAME.
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
    with locked(connection):
        found = state(connection)
        try:
            if found["plan"]:
                from django.core.management import call_command

                call_command("migrate", interactive=False, verbosity=1)
        finally:
            print("\n" + json.dumps({**found, "left": state(connection)["plan"] if found["plan"] else []}))


def state(connection: Any) -> dict[str, list[str]]:
    """The migrations that the code has, and those of them that are to be applied, in order. No table is made."""
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
def locked(connection: Any) -> Iterator[None]:
    """Let one host at a time migrate a database that several share; the others then find nothing to do.

    On a connection of its own, and in a transaction, so that a pooler between keeps it in one place. An SQLite file
    is one host's, and there the site's own lock does.
    """
    if connection.vendor not in ("postgresql", "mysql"):
        yield
        return
    own = connection.copy("pyweb_lock")
    try:
        own.set_autocommit(False)
        with own.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            else:
                cursor.execute("SELECT GET_LOCK(CONCAT('pyweb.stack ', DATABASE()), 1200)")
            yield
        own.rollback()
    finally:
        own.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
