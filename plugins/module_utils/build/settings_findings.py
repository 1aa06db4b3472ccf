# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Evaluate the facts about a project's settings: what is refused, and what is reported. Used by runs and the doctor.

`facts` is the result of `settings_facts.py`. Each finding has a code, which the name of the doctor's fault contains,
and the setting that fixes it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

LOCAL_MEMORY, DUMMY = "LocMemCache", "DummyCache"
# Backends that do not deliver mail.
UNSENT = {"console": "to the journal", "filebased": "to files", "locmem": "to memory", "dummy": "nowhere"}
# Django's own names of cookies that browsers accept over https only.
NAMES = {"SESSION_COOKIE_NAME": "sessionid", "CSRF_COOKIE_NAME": "csrftoken"}
# Directories in which each service has its own files, or that are empty after a boot.
VOLATILE = ("/tmp/", "/var/tmp/", "/dev/shm/", "/run/")  # noqa: S108 - refused, not used
# The settings that serve https here, or trust a server in front that does.
OVER_HTTPS, BEHIND_HTTPS = "tls: {acme: {}}", "nginx: {trusted_proxies: [ADDRESS]}"


class Finding(NamedTuple):
    """A fault and its fix; `code` is a word."""

    code: str
    text: str
    fix: str

    def __str__(self) -> str:
        return f"{self.text}; {self.fix}"


def refused(facts: Mapping[str, Any], given: Mapping[str, Any], behind_tls: bool, state: str = "") -> Iterator[Finding]:
    """Yield the reasons why a site with these settings cannot work.

    `given` are the `settings` of the inventory: they are deliberate, so only the health check judges them. `behind_tls`
    means that nginx has TLS, or passes on what a server in front reports. `state` is the directory of the site's data.
    """
    if "default" in facts.get("memory", []):
        yield Finding(
            "memory",
            "the database is SQLite in memory: each process has its own, and it is empty after every start",
            "set database: of the site, for example sqlite:////var/lib/sites/NAME/db.sqlite3 or postgres://...",
        )
    file = (facts.get("database") or {}).get("file", "")
    if file.startswith(VOLATILE) and not (state and file.startswith(f"{state}/")):
        yield Finding(
            "memory",
            f"the database is the SQLite file {file}, in a directory for temporary files: it is lost at a boot, "
            "and the processes of the site may each see a different file",
            "set database: of the site, for example sqlite:////var/lib/sites/NAME/db.sqlite3 or postgres://...",
        )
    secure = [name for name in facts.get("secure", []) if name not in given]
    if secure and not facts.get("https_header") and not behind_tls:
        yield Finding("https", _over_http(secure), _without_https(secure))
    logs = facts.get("logs", [])
    if logs:
        inside = list(dict.fromkeys(os.path.dirname(path) or path for path in logs))
        yield Finding(
            "logs",
            f"LOGGING writes {', '.join(logs)} inside the code, where the site must not write",
            f"set writable: [{', '.join(inside)}]",
        )


def warned(facts: Mapping[str, Any], processes: int) -> Iterator[Finding]:
    """Yield faults that do not stop the site but that break a part of it."""
    lines = facts.get("debug_lines", [])
    if lines:
        yield Finding(
            "debug",
            "DEBUG is true while the settings are imported, so these lines used their development branch: "
            f"{_list(lines)}",
            'read DEBUG from the environment, as in DEBUG = os.environ.get("DEBUG") == "True"',
        )
    sessions = facts.get("sessions") or {}
    if str(sessions.get("engine", "")).endswith(".cache"):
        yield from _cached_sessions(sessions, processes)
    for table in facts.get("cache_tables", []):
        yield Finding(
            "cache-table",
            f"a cache is kept in the table {table}, which does not exist",
            "add `- manage: createcachetable` to release:, after migrate; on the host: manage createcachetable",
        )
    yield from _mail(facts.get("mail") or {})


def unused(facts: Mapping[str, Any], seed: Mapping[str, object], empty_media: bool) -> Iterator[Finding]:
    """Yield the data in the source that the site starts without; `empty_media` means that it has no media yet."""
    found = facts.get("unused") or {}
    database, media = found.get("database", ""), found.get("media", "")
    if database and not seed.get("database"):
        yield Finding(
            "unused",
            f"the source has a database, {database}, which is not used: the site starts with an empty one",
            f"to start with that one, set seed: {{database: {database}}}, and remove {facts['database']['file']} if "
            "a deploy has created it in the meantime",
        )
    if media and empty_media and not seed.get("media"):
        yield Finding(
            "unused",
            f"the source has media in {media}, which are not used: the site starts without any",
            f"to start with them, set seed: {{media: {media}}}",
        )


def _cached_sessions(sessions: Mapping[str, str], processes: int) -> Iterator[Finding]:
    backend = sessions["cache"].rpartition(".")[2]
    if backend == DUMMY:
        yield Finding(
            "sessions", f"sessions are in the cache {sessions['alias']}, which stores nothing ({DUMMY})", _STORE
        )
    elif backend == LOCAL_MEMORY and processes > 1:
        yield Finding(
            "sessions",
            f"sessions are in the memory of one process ({LOCAL_MEMORY}), and the site has {processes}: visitors "
            "are logged out at random",
            _STORE,
        )


_STORE = "set settings: {SESSION_ENGINE: django.contrib.sessions.backends.db}, or a cache that all processes share"


def _mail(mail: Mapping[str, Any]) -> Iterator[Finding]:
    module = str(mail.get("backend", "")).rpartition(".")[0].rpartition(".")[2]
    if module in UNSENT and mail.get("backend", "").startswith("django."):
        yield Finding(
            "mail",
            f"mail goes {UNSENT[module]} and reaches nobody (the backend {module})",
            "set settings: {EMAIL_BACKEND: django.core.mail.backends.smtp.EmailBackend, EMAIL_HOST: ...}",
        )
    elif mail.get("port") and mail.get("wanted") and not mail.get("served"):
        yield Finding(
            "mail",
            f"mail goes to port {mail['port']} of this host, where no mail server listens",
            "set settings: {EMAIL_HOST: ...}, or install a mail server",
        )


def _over_http(secure: Sequence[str]) -> str:
    if "SECURE_SSL_REDIRECT" in secure:
        return (
            "SECURE_SSL_REDIRECT is true, and the site is served over http: every page redirects to https, where "
            "nothing answers"
        )
    flags = [name for name in secure if name not in NAMES]
    said = [f"{' and '.join(flags)} {'are' if len(flags) > 1 else 'is'} true"] if flags else []
    said += [f"{name} is one of https only" for name in secure if name in NAMES]
    forms = any(name.startswith("CSRF_") for name in secure)
    wrong = "every form answers 403" if forms else "nobody can stay logged in"
    return f"{' and '.join(said)}, and the site is served over http: {wrong}"


def _without_https(secure: Sequence[str]) -> str:
    off = ", ".join(f"{name}: {NAMES.get(name, 'false')}" for name in secure)
    return (
        f"set {OVER_HTTPS} of the site, or settings: {{{off}}} as long as it has no tls; if a server in front of "
        f"this host terminates TLS, set {BEHIND_HTTPS}"
    )


def _list(lines: Sequence[str]) -> str:
    return ", ".join(f"{line.partition(': ')[0]} ({line.partition(': ')[2]})" for line in lines)
