"""Whether the database answers, can be written and is migrated. What the doctor says of each fault, word by word."""

from __future__ import annotations

import pytest
from doctor_evidence import Case, answer, check, put

FILE = {"vendor": "sqlite", "file": "/srv/db/a.sqlite3", "exists": True, "file_writable": True, "folder_writable": True}


def database(site, error="", **values):
    put(site, inside={**site.inside, "database": {**FILE, **values}})
    if error:
        put(site.inside, **{"failed database": {"error": error}})


def hang(site, after=1.9):
    put(site, inside_timed_out=True, inside_last="database")
    put(site.inside["database"], after=after)


CASES = [
    Case(
        "no file yet, where one can be made",
        lambda site, host: database(site, "there is no file", exists=False, file_writable=None),
        "database.missing",
        "degraded",
        "there is no database yet: /srv/db/a.sqlite3 is made when migrations are applied",
        "/home/x/shop/manage migrate",
        ("there is no file",),
    ),
    Case(
        "no file yet, and it fails",
        lambda site, host: (
            database(site, "there is no file", exists=False, file_writable=None),
            put(site.entrances[0], answer=answer(503)),
        ),
        "database.missing",
        "broken",
        "there is no database yet: /srv/db/a.sqlite3 is made when migrations are applied",
        "/home/x/shop/manage migrate",
    ),
    Case(
        "no file",
        lambda site, host: database(site, "there is no file", exists=False, file_writable=None, folder_writable=False),
        "database.missing",
        "broken",
        "there is no database file /srv/db/a.sqlite3",
        "web_sites[].database; by hand: DATABASES in the settings; then manage migrate",
        ("there is no file",),
    ),
    Case(
        "nobody answers",
        lambda site, host: put(site.inside, **{"failed database": {"error": "OperationalError: refused"}}),
        "database.unreachable",
        "broken",
        "the database is unreachable: postgresql at db:5432",
        ("start the database or correct its address: web_sites[].database; by hand: DATABASES in the settings"),
        ("OperationalError: refused",),
    ),
    Case(
        "it hangs",
        lambda site, host: hang(site),
        "database.unreachable",
        "broken",
        "the database is unreachable: no answer from postgresql at db:5432 within 4 s",
        "start it or correct its address: web_sites[].database; by hand: DATABASES in the settings",
        ("the database is unreachable: no answer from postgresql at db:5432 within 4 s",),
    ),
    Case(
        "a file that is read-only",
        lambda site, host: (database(site, file_writable=False), put(site, described={"/srv/db/a.sqlite3": "-r-- a"})),
        "database.not-writable",
        "broken",
        "the database file is not writable: shop may not write /srv/db/a.sqlite3",
        "chown shop /srv/db/a.sqlite3 && chmod u+w /srv/db/a.sqlite3",
        ("-r-- a",),
    ),
    Case(
        "a directory that is read-only",
        lambda site, host: (database(site, folder_writable=False), put(site, described={"/srv/db": "dr-x db"})),
        "database.not-writable",
        "broken",
        "the database file is not writable: shop may not write /srv/db",
        "chown shop /srv/db && chmod u+w /srv/db",
        ("dr-x db",),
    ),
    Case(
        "one migration",
        lambda site, host: put(site.inside, migrations={"unapplied": ["shop.0002_more"]}),
        "database.migrations",
        "degraded",
        "1 migration is not applied: shop.0002_more",
        "/home/x/shop/manage migrate (playbooks/site.yml does it on every release)",
        ("shop.0002_more",),
    ),
    Case(
        "seven migrations, by hand, and it fails",
        lambda site, host: (
            put(site.inside, migrations={"unapplied": list("abcdefg")}),
            put(site, managed=False),
            put(site.entrances[0], answer=answer(503)),
        ),
        "database.migrations",
        "broken",
        "7 migrations are not applied: a and more",
        "python manage.py migrate (playbooks/site.yml does it on every release)",
        ("a, b, c, d, e, f",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_database_is_named(case):
    check(case)
