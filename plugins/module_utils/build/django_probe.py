# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps that need the project's own code, in one process of the site's own interpreter and user.

`django_build` sends this file's text to that interpreter's standard input; nothing here may need Ansible. Each step
names itself on standard error as `step: NAME` before it starts, so that a traceback can be put down to it.
"""

from __future__ import annotations

import io
import json
import sys


def main(wsgi_module: str, overlay_module: str, collect: str) -> None:
    """Import the project, check it, collect its static files; print what was found as one line of JSON."""
    step("settings")
    import django
    from django.conf import settings

    found = {"django": django.get_version(), "apps": len(settings.INSTALLED_APPS)}
    step("applications")
    django.setup()
    step("wsgi")
    __import__(wsgi_module)
    import os

    # Not settings.SETTINGS_MODULE: a project may have a setting of that name.
    if overlay_module not in sys.modules or os.environ.get("DJANGO_SETTINGS_MODULE") != overlay_module:
        raise SystemExit(
            f"error: the project sets DJANGO_SETTINGS_MODULE to {os.environ.get('DJANGO_SETTINGS_MODULE')!r} by force; "
            "it has to use os.environ.setdefault, as startproject writes it"
        )
    step("check")
    from django.core.management import call_command

    report = io.StringIO()
    call_command("check", deploy=True, stdout=report, stderr=report)
    found["check"] = report.getvalue().strip()
    found["admin"] = admin_login()
    found["script_name"] = str(settings.FORCE_SCRIPT_NAME or "")
    found["https_header"] = list(settings.SECURE_PROXY_SSL_HEADER or [])
    if collect == "collect" and "django.contrib.staticfiles" in settings.INSTALLED_APPS:
        step("collectstatic")
        call_command("collectstatic", interactive=False, verbosity=0)
    print(json.dumps(found))


def admin_login() -> str:
    """The path of the admin's login page, wherever the project has its admin; '' where it has none."""
    from django.core.exceptions import ImproperlyConfigured
    from django.urls import NoReverseMatch, reverse

    try:
        return str(reverse("admin:login"))
    except (NoReverseMatch, ImproperlyConfigured, AttributeError):  # the last one is for a project without URLs
        return ""


def step(name: str) -> None:
    print(f"step: {name}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
