"""Whether the database answers, is writable and is migrated: the doctor's exact messages for each fault."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_data import Lock
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from doctor_evidence import Case, answer, by_hand, check, evidence, faults_of, hop_of, process, put

FILE = {
    "vendor": "sqlite",
    "file": "/srv/db/a.sqlite3",
    "inodes": [7, 8],
    "exists": True,
    "file_writable": True,
    "folder_writable": True,
}


def database(site, error="", **values):
    put(site, inside={**site.inside, "database": {**FILE, **values}})
    if error:
        put(site.inside, **{"failed database": {"error": error}})


def hang(site, after=1.9):
    put(site, inside_timed_out=True)
    site.inside.pop("migrations")
    put(site.inside["database"], after=after)


def refuses(site, *words, kind="OperationalError", alias="default", **values):
    """Let the database raise this error instead of answering."""
    name = "database" if alias == "default" else f"database {alias}"
    found = {**site.inside["database"], "alias": alias, **values}
    failed = {"at": "database", "alias": alias, "kind": kind, "error": f"{kind}: {words[0]}", "words": list(words)}
    put(site.inside, **{name: found, f"failed {name}": failed})
    site.inside.pop("migrations", None)


def lock(site, pid, shared=False, **values):
    database(site, **values)
    put(site.data, held=[Lock(pid, 8, shared)], seconds=2.61, holders={pid: f"python3 import.py (pid {pid}, root)"})


LOCKED = "the database is locked, by python3 import.py (pid 99, root): /srv/db/a.sqlite3"
PASSWORD = (
    'connection to server at "127.0.0.1", port 5432 failed: FATAL: password authentication failed for user "shop"'
)
ACCESS_DENIED = "(1045, \"Access denied for user 'a'@'b' (using password: YES)\")"
NOBODY = 'connection to server at "127.0.0.1", port 5432 failed: Connection refused'

CASES = [
    Case(
        "a wrong password",
        lambda site, host: refuses(site, PASSWORD),
        "database.password",
        "broken",
        'the database refuses the password of the site: FATAL: password authentication failed for user "shop"',
        "correct USER and PASSWORD of web_sites[].database (or the environment that they come from), or ALTER ROLE ... "
        "PASSWORD on the server",
        (PASSWORD,),
    ),
    Case(
        "a wrong password of MySQL, of another database, by hand",
        lambda site, host: (
            refuses(site, ACCESS_DENIED, alias="old", vendor="mysql"),
            by_hand(site),
        ),
        "database.password",
        "degraded",
        f"the database refuses the password of the site: {ACCESS_DENIED.replace('YES)', '********')}",
        "correct USER and PASSWORD of DATABASES in /srv/code/shop/settings.py, line 76 (or the environment that they "
        "come from), or ALTER USER ... IDENTIFIED BY on the server",
    ),
    Case(
        "too many connections",
        lambda site, host: refuses(site, "FATAL:  sorry, too many clients already"),
        "database.connections",
        "broken",
        "the database has too many connections: FATAL: sorry, too many clients already",
        "check who uses them (pg_stat_activity); fewer processes, a smaller CONN_MAX_AGE in web_sites[].database, or a "
        "larger max_connections of the server",
    ),
    Case(
        "a missing database",
        lambda site, host: refuses(site, 'FATAL: database "shopp" does not exist'),
        "database.unknown",
        "broken",
        'postgresql at db:5432 does not have what the site needs: FATAL: database "shopp" does not exist',
        "sudo -u postgres createdb 'shopp', or correct NAME and USER of web_sites[].database",
    ),
    Case(
        "a missing database in MySQL",
        lambda site, host: refuses(site, "(1049, \"Unknown database 'shopp'\")", vendor="mysql"),
        "database.unknown",
        "broken",
        "mysql at db:5432 does not have what the site needs: (1049, \"Unknown database 'shopp'\")",
        "create it on the server, or correct NAME and USER of web_sites[].database",
    ),
    Case(
        "a host that is not in pg_hba.conf",
        lambda site, host: refuses(site, 'FATAL: no pg_hba.conf entry for host "1.2.3.4", user "a", database "b"'),
        "database.refused",
        "broken",
        'postgresql at db:5432 refuses the site: FATAL: no pg_hba.conf entry for host "1.2.3.4", user "a", '
        'database "b"',
        "pg_hba.conf and the log of the server; web_sites[].database",
    ),
    Case(
        "a missing driver of an unknown alias",
        lambda site, host: (
            refuses(site, "Error loading MySQLdb module", kind="ImproperlyConfigured", alias="old"),
            site.inside.pop("database old"),
        ),
        "database.unusable",
        "degraded",
        "the database cannot be used: ImproperlyConfigured: Error loading MySQLdb module",
        "correct web_sites[].database, or install its driver",
    ),
    Case(
        "a file that is not a database",
        lambda site, host: refuses(site, "file is not a database", kind="DatabaseError", **FILE),
        "database.corrupt",
        "broken",
        "the database file is damaged: file is not a database",
        "stop the site, keep a copy of /srv/db/a.sqlite3, then restore a backup",
        ("file is not a database",),
    ),
    Case(
        "no answer at a port of this host, on which the server is installed",
        lambda site, host: (
            refuses(site, NOBODY, address="127.0.0.1:5432"),
            put(site.data, services=["postgresql.service"]),
        ),
        "database.unreachable",
        "broken",
        "the database is unreachable: postgresql at 127.0.0.1:5432",
        "systemctl start postgresql.service; or correct its address: web_sites[].database",
        (NOBODY,),
    ),
    Case(
        "a host name that cannot be resolved",
        lambda site, host: refuses(site, 'could not translate host name "db" to address: Name or service not known'),
        "database.unreachable",
        "broken",
        "the database is unreachable: postgresql at db:5432: this host cannot resolve that name",
        "correct HOST of web_sites[].database, or the resolver",
    ),
    Case(
        "a directory instead of the file",
        lambda site, host: refuses(site, "unable to open database file", **FILE),
        "database.unreachable",
        "broken",
        "the database file cannot be opened: /srv/db/a.sqlite3",
        "ls -ld /srv/db/a.sqlite3 says what is there; web_sites[].database",
        ("unable to open database file",),
    ),
    Case(
        "a lock of another process that blocks readers",
        lambda site, host: (
            lock(site, 99),
            put(site.inside, **{"failed database": {"error": "OperationalError: database is locked"}}),
        ),
        "database.locked",
        "broken",
        LOCKED,
        "wait until it ends, or kill 99",
        (
            "OperationalError: database is locked",
            "/proc/locks: pid 99 has held its lock on /srv/db/a.sqlite3 for at least 2.6 s",
        ),
    ),
    Case(
        "a writer that does not finish",
        lambda site, host: lock(site, 99),
        "database.locked",
        "degraded",
        LOCKED,
        "wait until it ends, or kill 99",
    ),
    Case(
        "a worker of the site that does not finish",
        lambda site, host: (lock(site, 21), put(site.uwsgi, workers=[process(21, "uwsgi")])),
        "database.locked",
        "degraded",
        LOCKED.replace("99", "21"),
        "a transaction of the site itself does not end: restart it",
    ),
    Case(
        "a lock of an unknown process",
        lambda site, host: (
            database(site, "OperationalError: database is locked"),
            put(site.data, openers=["sqlite3 (pid 5, root)"]),
        ),
        "database.locked",
        "broken",
        "the database is locked: /srv/db/a.sqlite3; processes that have it open: sqlite3 (pid 5, root)",
        "fuser -v /srv/db/a.sqlite3 shows which processes have it open; stop the one that does not end its transaction",
    ),
    Case(
        "a journal file of root",
        lambda site, host: database(site, beside="/srv/db/a.sqlite3-journal"),
        "database.not-writable",
        "broken",
        "the database file is not writable: shop cannot write /srv/db/a.sqlite3-journal beside it",
        "chown shop /srv/db/a.sqlite3-journal",
    ),
    Case(
        "a directory that other users cannot enter",
        lambda site, host: database(site, "there is no file", exists=False, file_writable=None, blocked="/srv"),
        "database.not-writable",
        "broken",
        "the database file cannot be reached: shop cannot enter /srv",
        "chmod o+x /srv",
    ),
    Case(
        "no file yet, in a directory that the site cannot write",
        lambda site, host: database(site, "there is no file", exists=False, file_writable=None, folder_writable=False),
        "database.missing",
        "degraded",
        "there is no database yet: migrations are not applied, and shop cannot create /srv/db/a.sqlite3",
        "allow shop to write to its directory (or web_sites[].database), then /home/x/shop/manage migrate as shop",
    ),
    Case(
        "a dropped table",
        lambda site, host: put(site.inside, tables={"dropped": ["shop_order", "shop_cart.total", "x"], "unmade": []}),
        "database.tables",
        "degraded",
        "the database does not contain shop_order, shop_cart.total and 1 more, although the migration that creates it "
        "is recorded as applied: pages that use it answer 500",
        "restore it from a backup, or create it again: /home/x/shop/manage sqlmigrate APP NUMBER prints how",
        ("no such table or column: shop_order",),
    ),
    Case(
        "a dropped table that a page needs",
        lambda site, host: (
            put(site.inside, tables={"dropped": ["shop_order"], "unmade": []}),
            put(site.probes[0], answer=answer(503)),
            put(site.uwsgi, log="django.db.utils.OperationalError: no such table: shop_order"),
        ),
        "database.tables",
        "broken",
        "the database does not contain shop_order, although the migration that creates it is recorded as applied: "
        "pages that use it answer 500",
        "restore it from a backup, or create it again: /home/x/shop/manage sqlmigrate APP NUMBER prints how",
    ),
    Case(
        "a model without a migration",
        lambda site, host: put(site.inside, tables={"dropped": [], "unmade": ["shop_new"]}),
        "database.unmade",
        "advice",
        "models have shop_new, but no migration creates it: pages that use it answer 500",
        "/home/x/shop/manage makemigrations, then /home/x/shop/manage migrate",
    ),
    Case(
        "conflicting migrations",
        lambda site, host: put(site.inside, **{"failed migrations": {"error": "NodeNotFoundError: shop.0003"}}),
        "database.migrations",
        "degraded",
        "the migrations of the project cannot be read, and migrate fails: NodeNotFoundError: shop.0003",
        "/home/x/shop/manage showmigrations shows where; correct that migration",
    ),
    Case(
        "no file yet, in a writable directory",
        lambda site, host: database(site, "there is no file", exists=False, file_writable=None),
        "database.missing",
        "degraded",
        "there is no database yet: /srv/db/a.sqlite3 is created when migrations are applied",
        "/home/x/shop/manage migrate",
        ("there is no file",),
    ),
    Case(
        "no file yet, and pages fail",
        lambda site, host: (
            database(site, "there is no file", exists=False, file_writable=None),
            put(site.entrances[0], answer=answer(503)),
        ),
        "database.missing",
        "broken",
        "there is no database yet: /srv/db/a.sqlite3 is created when migrations are applied",
        "/home/x/shop/manage migrate",
    ),
    Case(
        "a missing file",
        lambda site, host: database(site, "there is no file", exists=False, file_writable=None, folder_writable=None),
        "database.missing",
        "broken",
        "the database file /srv/db/a.sqlite3 does not exist, and neither does its directory",
        "web_sites[].database; then /home/x/shop/manage migrate",
        ("there is no file",),
    ),
    Case(
        "no answer",
        lambda site, host: put(site.inside, **{"failed database": {"error": "OperationalError: refused"}}),
        "database.unreachable",
        "broken",
        "the database is unreachable: postgresql at db:5432",
        "start the database or correct its address: web_sites[].database",
        ("OperationalError: refused",),
    ),
    Case(
        "a database that hangs",
        lambda site, host: hang(site),
        "database.unreachable",
        "broken",
        "the database is unreachable: no answer from postgresql at db:5432 within 4 s",
        "start it or correct its address: web_sites[].database",
        ("the database is unreachable: no answer from postgresql at db:5432 within 4 s",),
    ),
    Case(
        "a read-only file",
        lambda site, host: (database(site, file_writable=False), put(site, described={"/srv/db/a.sqlite3": "-r-- a"})),
        "database.not-writable",
        "broken",
        "the database file is not writable: shop cannot write /srv/db/a.sqlite3",
        "chown shop /srv/db/a.sqlite3 && chmod u+w /srv/db/a.sqlite3",
        ("-r-- a",),
    ),
    Case(
        "a directory that is read-only in the unit's sandbox",
        lambda site, host: (
            database(site),
            put(site.places, read_only=["/srv/db"]),
            put(site.uwsgi, unit={"Id": "shop.service", "ProtectSystem": "strict"}),
        ),
        "database.not-writable",
        "degraded",
        "the database file is not writable: shop.service sees /srv/db read-only (ProtectSystem=strict), and each login "
        "or form gets 500",
        "ReadWritePaths=/srv/db below [Service] in shop.service, then systemctl daemon-reload && systemctl restart "
        "shop.service",
    ),
    Case(
        "a read-only directory",
        lambda site, host: (database(site, folder_writable=False), put(site, described={"/srv/db": "dr-x db"})),
        "database.not-writable",
        "broken",
        "the database file is not writable: shop cannot write /srv/db",
        "chown shop /srv/db && chmod u+w /srv/db",
        ("dr-x db",),
    ),
    Case(
        "one pending migration",
        lambda site, host: put(site.inside, migrations={"unapplied": ["shop.0002_more"]}),
        "database.migrations",
        "degraded",
        "1 migration is not applied: shop.0002_more",
        "/home/x/shop/manage migrate (pyweb.stack.site does this for every release)",
        ("shop.0002_more",),
    ),
    Case(
        "seven pending migrations, by hand, and pages fail",
        lambda site, host: (
            put(site.inside, migrations={"unapplied": list("abcdefg")}),
            put(site, managed=False),
            put(site.entrances[0], answer=answer(503)),
        ),
        "database.migrations",
        "broken",
        "7 migrations are not applied: a and more",
        "sudo -u shop /srv/venv/bin/python3 /srv/code/manage.py migrate",
        ("a, b, c, d, e, f",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_database_is_named(case):
    check(case)


def test_a_project_without_a_database_is_healthy():
    site, host = evidence()
    put(site.inside, database={"vendor": "none", "alias": "default"})
    site.inside.pop("migrations")
    hop = hop_of(verdict(site, host), "database")
    assert (hop["status"], hop["evidence"]) == ("ok", ["the project has no database"])


@pytest.mark.parametrize("held", [Lock(99, 8, shared=True), Lock(99, 5)], ids=["of a reader", "on another file"])
def test_a_lock_that_does_not_block_the_database_is_no_fault(held):
    site, host = evidence()
    database(site)
    put(site.data, held=[held], seconds=2.6)
    assert faults_of(verdict(site, host)) == {}


def test_a_database_that_is_not_writable_is_not_reported_as_unreachable():
    site, host = evidence()
    refuses(site, "unable to open database file", **{**FILE, "folder_writable": False})
    assert set(faults_of(verdict(site, host))) == {"database.not-writable"}


def test_a_missing_table_is_not_the_cause_of_a_failure_that_does_not_name_it():
    site, host = evidence()
    put(site.inside, tables={"dropped": ["shop_order"], "unmade": []})
    put(site.entrances[0], answer=answer(500))
    found = faults_of(verdict(site, host))
    assert found["database.tables"]["status"] == "degraded"
    assert found["client.status"]["follows"] == "django" or not found["client.status"]["follows"]


def test_a_file_that_only_the_unit_can_see_is_not_reported_as_missing():
    site, host = evidence()
    database(site, "unable to open database file", exists=False, file_writable=None, blocked="/var/lib/private")
    put(site.places, own_state=True)
    assert faults_of(verdict(site, host)) == {}
