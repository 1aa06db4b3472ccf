# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# A program of its own, not part of a module: it prints its result.
# pylint: disable=ansible-bad-function
"""The steps that need the project's code, in one process of the site's own interpreter.

`django_build` sends the text of this file, `settings_facts` and `django_check` to the interpreter's standard input, so
it must not need Ansible. Each step prints `step: NAME` to standard error before it starts, so that a traceback can be
assigned to it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .django_check import checked
    from .settings_facts import (
        debug_modules,
        project_settings,
        settings_facts,
    )  # the text of both is sent before this one

# The name in the report for a deploy check that raised an exception.
RAISED = "pyweb.W001"


def main(wsgi_module: str, overlay_module: str, collect: str) -> None:
    """Import the project, check it, collect its static files; print the results as one line of JSON.

    If DEBUG is true and an environment variable may control it, print only `debug`: the names of the variables. With
    `collect` 'settings', import the settings and do nothing else.
    """
    step("settings")
    import django
    from django.conf import settings

    with lookups() as looked:
        found: dict[str, Any] = {"django": django.get_version(), "apps": len(settings.INSTALLED_APPS)}
    names = debug_variables(looked)
    if names and debug_modules(project_settings(settings)):
        print(json.dumps({"debug": names}))
        return
    if collect == "settings":
        print("{}")
        return
    step("applications")
    django.setup()
    step("wsgi")
    __import__(wsgi_module)
    refuse_other_settings(overlay_module)
    step("check")
    only_report_deploy_checks()
    found["check"] = checked(overlay_module)
    found["admin"] = admin_login()
    found["offline"] = bool(
        getattr(settings, "COMPRESS_OFFLINE", False) and getattr(settings, "COMPRESS_ENABLED", True)
    )
    found["translated"] = bool(settings.USE_I18N)
    found["script_name"] = str(settings.FORCE_SCRIPT_NAME or "")
    found["https_header"] = list(settings.SECURE_PROXY_SSL_HEADER or [])
    # Settings can have any shape. If one is not understood, that is no reason to refuse the project.
    with contextlib.suppress(Exception):
        found["facts"] = settings_facts(settings, source_of(overlay_module))
    if collect == "collect" and "django.contrib.staticfiles" in settings.INSTALLED_APPS:
        step("collectstatic")
        from django.core.management import call_command

        call_command("collectstatic", interactive=False, verbosity=0)
    print(json.dumps(found))


def refuse_other_settings(overlay_module: str) -> None:
    """Exit with an error if the active settings are not those of the overlay."""
    import os

    # Not settings.SETTINGS_MODULE: a project may have a setting with that name.
    named = os.environ.get("DJANGO_SETTINGS_MODULE")
    if overlay_module not in sys.modules or named != overlay_module:
        raise SystemExit(
            f"error: the project overwrites DJANGO_SETTINGS_MODULE with {named!r}; "
            "use os.environ.setdefault instead, as startproject does"
        )


@contextlib.contextmanager
def lookups() -> Iterator[set[str]]:
    """Yield the set of variables that are looked up in the environment in the block; '*' means all of them."""
    import os

    looked: set[str] = set()
    environ: Any = type(os.environ)
    get, iterate = environ.__getitem__, environ.__iter__

    def looking_up(self: Any, name: Any) -> Any:
        # os.environb has the same class, and a subprocess also looks up b"PATH" in os.environ.
        if isinstance(name, str):
            looked.add(name)
        return get(self, name)

    def looking_through(self: Any) -> Any:
        looked.add("*")
        return iterate(self)

    environ.__getitem__, environ.__iter__ = looking_up, looking_through
    try:
        yield looked
    finally:
        environ.__getitem__, environ.__iter__ = get, iterate


def debug_variables(looked: set[str]) -> list[str]:
    """Return the variables that may control DEBUG, the common ones first; [] if none was read or all were tried."""
    if getattr(sys.modules.get("pyweb_environment"), "DEBUG_TRIED", True):
        return []
    usual = ["DEBUG", "DJANGO_DEBUG"]
    found = sorted(name for name in looked if "DEBUG" in name.upper() and name not in usual)
    return [name for name in usual if name in looked or "*" in looked] + found


def source_of(overlay_module: str) -> str:
    """Return the directory of the project's code, which is next to that of the overlay."""
    import os

    overlay = sys.modules[overlay_module].__file__ or ""
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(overlay))), "src")


def admin_login() -> str:
    """Return the path of the admin's login page, wherever the project has its admin; '' if it has none."""
    from django.core.exceptions import ImproperlyConfigured
    from django.urls import NoReverseMatch, reverse

    try:
        return str(reverse("admin:login"))
    except (NoReverseMatch, ImproperlyConfigured, AttributeError):  # the last exception is for a project without URLs
        return ""


def only_report_deploy_checks() -> None:
    """Turn the extra checks of `check --deploy` into warnings: some query tables that do not exist yet."""
    from django.core.checks.registry import registry

    registry.deployment_checks = {reporting(check) for check in registry.deployment_checks}


def reporting(check: Any) -> Any:
    """Return a check whose messages are at most warnings, including any exception that it raises."""
    from django.core.checks import ERROR, WARNING, Warning

    @functools.wraps(check)
    def run(*arguments: Any, **options: Any) -> list[Any]:
        try:
            found = list(check(*arguments, **options) or [])
        except (Exception, SystemExit) as error:
            return [Warning(f"{check.__module__}.{check.__name__} failed: {type(error).__name__}: {error}", id=RAISED)]
        for message in found:
            if message.level >= ERROR:
                message.level = WARNING
        return found

    return run


def step(name: str) -> None:
    print(f"step: {name}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
