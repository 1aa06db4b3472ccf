"""Error messages of databases, as psycopg, psycopg2, mysqlclient and SQLite print them."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.database_words import meaning, missing, telling

SERVER = 'connection to server at "127.0.0.1", port 5432 failed: '
OPERATIONAL = [
    ("password", SERVER + 'FATAL:  password authentication failed for user "shop"'),
    ("password", 'connection to server on socket "/run/x" failed: FATAL:  Peer authentication failed for user "shop"'),
    ("password", SERVER + "fe_sendauth: no password supplied"),
    ("password", "(1045, \"Access denied for user 'shop'@'localhost' (using password: YES)\")"),
    ("connections", SERVER + "FATAL:  sorry, too many clients already"),
    ("connections", "FATAL:  remaining connection slots are reserved for non-replication superuser connections"),
    ("connections", SERVER + 'FATAL:  too many connections for role "shop"'),
    ("connections", "(1040, 'Too many connections')"),
    ("connections", "(1203, \"User shop already has more than 'max_user_connections' active connections\")"),
    ("unknown", SERVER + 'FATAL:  database "shopp" does not exist'),
    ("unknown", SERVER + 'FATAL:  role "shopp" does not exist'),
    ("unknown", "(1049, \"Unknown database 'shopp'\")"),
    ("refused", SERVER + 'FATAL:  no pg_hba.conf entry for host "192.0.2.1", user "a", database "b", no encryption'),
    ("refused", "FATAL:  the database system is starting up"),
    ("refused", "server does not support SSL, but SSL was required"),
    ("refused", "(1044, \"Access denied for user 'shop'@'%' to database 'other'\")"),
    ("unreachable", SERVER + "Connection refused"),
    ("unreachable", 'could not translate host name "db" to address: Name or service not known'),
    ("unreachable", "connection timeout expired"),
    ("unreachable", "(2002, \"Can't connect to local server through socket '/run/mysqld/mysqld.sock' (2)\")"),
    ("unreachable", "(2003, \"Can't connect to MySQL server on '127.0.0.1:3306' (111)\")"),
    ("unreachable", "unable to open database file"),
    ("locked", "database is locked"),
    ("locked", "database table is locked: shop_order"),
    ("corrupt", "database disk image is malformed"),
]


@pytest.mark.parametrize(("code", "words"), OPERATIONAL, ids=[words[-40:] for _code, words in OPERATIONAL])
def test_meaning_of_an_operational_error(code, words):
    assert meaning("OperationalError", [words]) == code


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("corrupt", "DatabaseError", "file is not a database"),
        ("unusable", "ImproperlyConfigured", "Error loading psycopg2 or psycopg module"),
        ("unusable", "NotSupportedError", "PostgreSQL 14 or later is required (found 13.16)."),
        ("refused", "ProgrammingError", "permission denied for table django_migrations"),
        ("unreachable", "InterfaceError", "connection already closed"),
    ],
)
def test_meaning_of_other_errors(code, kind, words):
    assert meaning(kind, [words]) == code


def test_a_message_is_recognized_in_any_line():
    lines = [
        "Multiple connection attempts failed. All failures were:",
        "- host: 'a': FATAL:  sorry, too many clients already",
    ]
    assert meaning("OperationalError", lines) == "connections"
    assert telling(lines) == "FATAL: sorry, too many clients already"
    assert telling(["one", "two"]) == "one"
    assert telling([]) == ""


def test_a_missing_feature_of_the_server_is_named():
    assert missing([SERVER + 'FATAL:  role "shopp" does not exist']) == ("role", "shopp")
    assert missing(["(1049, \"Unknown database 'shopp'\")"]) == ("", "")
