"""Messages about settings: what is refused, what is reported, and what to set."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build.settings_findings import refused, unused, warned

CACHE = "django.contrib.sessions.backends.cache"


def sessions(backend, engine=CACHE):
    return {"sessions": {"engine": engine, "alias": "default", "cache": f"django.core.cache.backends.x.{backend}"}}


def mail(backend, **more):
    return {"mail": {"backend": f"django.core.mail.backends.{backend}.EmailBackend", **more}}


@pytest.mark.parametrize(
    ("facts", "given", "wanted"),
    [
        ({}, {}, ""),
        ({"memory": ["replica"]}, {}, ""),
        ({"memory": ["default"]}, {}, "the database is SQLite in memory"),
        ({"secure": ["SECURE_SSL_REDIRECT"]}, {}, "or settings: {SECURE_SSL_REDIRECT: false} as long as it has no"),
        ({"secure": ["CSRF_COOKIE_SECURE"]}, {}, "CSRF_COOKIE_SECURE is true, and the site is served over http"),
        (
            {"secure": ["SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"]},
            {},
            "or settings: {SESSION_COOKIE_SECURE: false, CSRF_COOKIE_SECURE: false}",
        ),
        ({"secure": ["SECURE_SSL_REDIRECT"]}, {}, "; set tls: {acme: {}} of the site, or settings: "),
        ({"secure": ["SECURE_SSL_REDIRECT"]}, {}, "terminates TLS, set nginx: {trusted_proxies: [ADDRESS]}"),
        (
            {"secure": ["SESSION_COOKIE_SECURE"]},
            {},
            "is true, and the site is served over http: nobody can stay logged in;",
        ),
        (
            {"secure": ["CSRF_COOKIE_SECURE", "SESSION_COOKIE_NAME"]},
            {},
            "CSRF_COOKIE_SECURE is true and SESSION_COOKIE_NAME is one of https only, and the site is served over "
            "http: every form answers 403; set tls: {acme: {}} of the site, or settings: {CSRF_COOKIE_SECURE: false, "
            "SESSION_COOKIE_NAME: sessionid}",
        ),
        ({"secure": ["SESSION_COOKIE_NAME"]}, {"SESSION_COOKIE_NAME": "__Secure-sessionid"}, ""),
        (
            {"database": {"file": "/run/shop/db.sqlite3"}},
            {},
            "the database is the SQLite file /run/shop/db.sqlite3, in",
        ),
        ({"database": {"file": "/run/state/db.sqlite3"}}, {}, ""),
        ({"database": {"file": "/var/lib/sites/shop/db.sqlite3"}}, {}, ""),
        # A value in the inventory is intentional.
        ({"secure": ["SECURE_SSL_REDIRECT"]}, {"SECURE_SSL_REDIRECT": True}, ""),
        ({"secure": ["SECURE_SSL_REDIRECT"], "https_header": True}, {}, ""),
        ({"logs": ["logs/a.log", "logs/b.log", "c.log"]}, {}, "set writable: [logs, c.log]"),
    ],
)
def test_refused_settings(facts, given, wanted):
    found = "\n".join(map(str, refused(facts, given, behind_tls=False, state="/run/state")))
    assert (wanted in found) if wanted else (found == "")


def test_a_site_behind_tls_may_have_secure_cookies():
    assert list(refused({"secure": ["SECURE_SSL_REDIRECT"]}, {}, behind_tls=True)) == []


@pytest.mark.parametrize(
    ("facts", "processes", "code"),
    [
        ({}, 9, ""),
        ({"debug_lines": ["a.py:1: if DEBUG:"]}, 1, "debug"),
        (sessions("LocMemCache"), 2, "sessions"),
        (sessions("LocMemCache"), 1, ""),
        (sessions("LocMemCache", "django.contrib.sessions.backends.cached_db"), 2, ""),
        (sessions("RedisCache"), 2, ""),
        (sessions("DummyCache"), 1, "sessions"),
        ({"cache_tables": ["a"]}, 1, "cache-table"),
        (mail("console"), 1, "mail"),
        (mail("locmem"), 1, "mail"),
        (mail("smtp", port=0, wanted=True), 1, ""),
        (mail("smtp", port=25, wanted=True, served=True), 1, ""),
        (mail("smtp", port=25, wanted=True, served=False), 1, "mail"),
        (mail("smtp", port=25, wanted=False, served=False), 1, ""),
        ({"mail": {"backend": "shop.console.EmailBackend", "port": 0}}, 1, ""),
    ],
)
def test_reported_settings(facts, processes, code):
    found = list(warned(facts, processes))
    assert [finding.code for finding in found] == ([code] if code else [])
    assert all(finding.text and finding.fix for finding in found)


UNUSED = {"unused": {"database": "db.sqlite3", "media": "m"}, "database": {"file": "/var/lib/sites/shop/db.sqlite3"}}


@pytest.mark.parametrize(
    ("seed", "empty", "count"),
    [({}, True, 2), ({}, False, 1), ({"database": "db.sqlite3"}, True, 1), ({"database": "x", "media": "y"}, True, 0)],
)
def test_data_that_is_not_used_is_reported(seed, empty, count):
    found = list(map(str, unused(UNUSED, seed, empty)))
    assert len(found) == count
    assert all("set seed: {" in text for text in found)


def test_an_existing_database_must_be_removed_before_a_seed_is_used():
    assert "{database: db.sqlite3}, and remove /var/lib/sites/shop/db.sqlite3 if" in str(
        next(unused(UNUSED, {}, False))
    )
