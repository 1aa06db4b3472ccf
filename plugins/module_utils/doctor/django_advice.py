# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check what a project's settings mean on this host, from the inside: lines, cookies, locale, mail, Django's checks.

The text of this file is sent to the site's interpreter in front of `django_look`, so it needs nothing but Python and
Django. Values of settings that may be secret are not printed.
"""

from __future__ import annotations

import ast
import locale
import os
import socket
import sys
from typing import Any

# Seconds for a mail server to accept a connection, and characters of a check's message.
MAIL_SECONDS, CHECK_CHARACTERS, CHECKS_MAX = 1.2, 200, 12
# The settings whose lines are reported.
TOLD = (
    *("DEBUG", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "CSRF_COOKIE_SECURE", "SESSION_COOKIE_SECURE", "DATABASES"),
    *("SECURE_PROXY_SSL_HEADER", "STATIC_ROOT", "STORAGES", "STATICFILES_STORAGE", "EMAIL_BACKEND", "EMAIL_HOST"),
    *("SECURE_SSL_REDIRECT", "SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "MEDIA_ROOT", "CACHES", "SESSION_ENGINE"),
    "EMAIL_PORT",
)


def lines_of(settings: Any) -> dict[str, str]:
    """Return FILE:LINE of the last assignment in the project's settings of each setting that a verdict may name."""
    top = str(getattr(settings, "SETTINGS_MODULE", ""))
    package = top.rpartition(".")[0]
    found: dict[str, str] = {}
    for name, module in sorted(sys.modules.items(), key=lambda known: known[0] == top):  # its own file comes last
        path = str(getattr(module, "__file__", None) or "")
        inside = name == top or (package and name.startswith(f"{package}.") and "settings" in name)
        if inside and path.endswith(".py") and os.path.getsize(path) < 1 << 20:
            with open(path, encoding="utf-8", errors="replace") as stream:
                tree = ast.parse(stream.read())
            for node in ast.walk(tree):
                if isinstance(node, ast.Assign):
                    names = [target.id for target in node.targets if isinstance(target, ast.Name)]
                    found.update({name: f"{path}:{node.lineno}" for name in names if name in TOLD})
    return found


def trusted_over_https(settings: Any, domains: list[str]) -> bool:
    """Return whether the project trusts forms of its own pages over https: then a proxy in front serves them."""
    from django.http.request import is_same_domain

    origins = [str(origin) for origin in settings.CSRF_TRUSTED_ORIGINS or []]
    hosts = [origin[8:].partition(":")[0].replace("*.", ".", 1) for origin in origins if origin.startswith("https://")]
    return any(is_same_domain(domain, host) for domain in domains for host in hosts)


def foreign_cookies(settings: Any, domains: list[str]) -> list[str]:
    """Return the settings whose cookies browsers reject from all of the domains, because they are for another one."""
    found = []
    for name in ("SESSION_COOKIE_DOMAIN", "CSRF_COOKIE_DOMAIN"):
        wanted = str(getattr(settings, name, None) or "").lower().lstrip(".")
        if wanted and not any(domain.lower() == wanted or domain.lower().endswith(f".{wanted}") for domain in domains):
            found.append(name)
    return found


def locale_of() -> dict[str, Any]:
    """Return whether the locale that the environment names exists."""
    try:
        # Not LC_CTYPE, which Python itself replaces.
        locale.setlocale(locale.LC_COLLATE, "")
    except locale.Error:
        return {"there": False}
    return {"there": True}


def mail_server(settings: Any) -> dict[str, Any]:
    """Return whether the mail server accepts connections; {} if none is used over the network."""
    mailers = getattr(settings, "MAILERS", None)
    if mailers:  # Django 6.1
        given = mailers.get("default", {})
        options = given.get("OPTIONS", {})
        backend, host, port = given.get("BACKEND", ""), options.get("host", ""), options.get("port", 25)
    else:
        backend, host, port = settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT
    host = str(host or "")
    if not str(backend).endswith("smtp.EmailBackend") or host in ("localhost", "127.0.0.1", "::1", ""):
        return {}
    found = {"host": host, "port": int(port), "failure": "", "kind": ""}
    try:
        socket.create_connection((host, int(port)), MAIL_SECONDS).close()
    except socket.gaierror as error:
        found.update(kind="name", failure=str(error.strerror))
    except ConnectionRefusedError as error:
        found.update(kind="refused", failure=str(error.strerror))
    except OSError as error:
        found.update(kind="silent", failure=str(error.strerror or error))
    return found


def deploy_checks(databases: None = None) -> list[dict[str, str]]:
    """Return what `manage.py check --deploy` says, without the databases; the text of Django's own checks only.

    The text of a project's own check may contain anything.
    """
    from django.core import checks

    found = []
    for message in checks.run_checks(include_deployment_checks=True, databases=databases):
        if message.is_silenced() or message.level < checks.WARNING:
            continue
        name = str(message.id or "")
        own = name.startswith(
            ("security.", "fields.", "models.", "urls.", "admin.", "auth.", "staticfiles.", "templates.")
        )
        text = str(message.msg).partition("\n")[0].partition(". ")[0][:CHECK_CHARACTERS] if own else ""
        error = "error" if message.level >= checks.ERROR else "warning"
        found.append({"id": name[:80], "level": error, "text": text})
    return found[:CHECKS_MAX]
