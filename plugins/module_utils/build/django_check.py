# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run the project's checks, and find the overlay's setting that makes a check fail. Shares a process with the probe.

The text of this file is sent before that of `django_probe`, so it needs only Python and Django. To find the setting,
each one that the overlay changed gets the project's own value again, and the checks run again.
"""

from __future__ import annotations

import io
import json
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .settings_facts import project_settings  # the text of that file is sent before this one

# Settings that are not tried: checks do not depend on what they configure, or a change would open it again.
UNTRIED = ("DATABASES", "LOGGING", "SECRET_KEY")
# What a site sets instead of a setting that belongs to the collection.
KEYS = {
    "ALLOWED_HOSTS": "`domains:`",
    "DATABASES": "`database:`",
    "FORCE_SCRIPT_NAME": "`prefix:`",
    "SECRET_KEY": "DJANGO_SECRET_KEY in `env:`",
}
# Settings that a site must not set: a server needs the first, and builds need the second.
OWNED = ("DEBUG", "STATIC_ROOT")
# The values of other settings may be secret.
SHOWN = ("_URL", "_ROOT", "_HOSTS", "_ORIGINS")
MISSING = object()
# The maximum length of a check's message in the report.
WORDS_MAX = 600


def checked(overlay_module: str) -> str:
    """Return the messages of `check --deploy`. Exits with the first error of a check, and its fix."""
    from django.core.management import call_command
    from django.core.management.base import SystemCheckError

    report = io.StringIO()
    try:
        call_command("check", deploy=True, stdout=report, stderr=report)
    except SystemCheckError as error:
        why = why_it_fails(overlay_module)
        if not why:
            raise
        raise SystemExit(f"error: {why}\n{str(error).replace('SystemCheckError: ', '')}") from None
    return report.getvalue().strip()


def why_it_fails(overlay_module: str) -> str:
    """Return the first error of the checks in one line, with its fix if a setting of the server causes it."""
    from django.conf import settings

    errors = serious()
    if not errors:
        return ""
    words = " ".join(str(errors[0]).split())[:WORDS_MAX].rstrip(".")
    named = named_settings(words, settings)
    tried = changed(settings, sys.modules[overlay_module])
    in_order = sorted(tried, key=lambda name: name not in named)
    causes = [name for name in in_order if not fails_with(errors[0], name, tried)]
    ours = causes[:1] or [name for name in named if name in tried]
    if not ours:
        return words
    silence = json.dumps([*settings.SILENCED_SYSTEM_CHECKS, errors[0].id])
    fix = what_to_set(named, causes, tried, settings)
    silenced = f"`settings: {{SILENCED_SYSTEM_CHECKS: {silence}}}`"
    if fix:
        fix = f"set {fix} of the site, or {silenced} if that does not matter"
    else:
        fix = f"if that does not matter on a server, set {silenced} of the site"
    value = shown(ours[0], getattr(settings, ours[0], None))
    why = f"it is caused by {ours[0]}, which "
    why += f"is {value} on a server" if value else "has another value on a server"
    if not causes:
        why = f"the deploy sets {ours[0]}" + (f" to {value}" if value else "")
    return f"{words}; {why}; {fix}"


def serious() -> list[Any]:
    """Return the messages of all checks that stop a deploy."""
    from django.core.checks import run_checks

    return [message for message in run_checks() if message.is_serious() and not message.is_silenced()]


def named_settings(words: str, settings: Any) -> list[str]:
    """Return the names of settings in a message, whether or not the project has them."""
    found = re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*\b", words)
    return [name for name in dict.fromkeys(found) if "_" in name or hasattr(settings, name)]


def changed(settings: Any, overlay: Any) -> dict[str, Any]:
    """Return the settings that the overlay changed, each with the project's value.

    DEBUG is always one of them: the project may have set it to false only because it runs on a server.
    """
    from django.conf import global_settings

    project = project_settings(settings)
    found: dict[str, Any] = {"DEBUG": True}
    for name in filter(str.isupper, dir(overlay)):
        own = getattr(project, name, getattr(global_settings, name, MISSING))
        if name != "DEBUG" and (own is MISSING or repr(own) != repr(getattr(overlay, name))):
            found[name] = own
    return found


def fails_with(error: Any, name: str, values: dict[str, Any]) -> bool:
    """Return whether a check still fails when one setting has the project's own value."""
    from django.test.utils import override_settings

    if name in UNTRIED or values[name] is MISSING:
        return True
    try:
        with override_settings(**{name: values[name]}):
            return (error.id, error.msg) in [(other.id, other.msg) for other in serious()]
    except Exception:
        return True


def what_to_set(named: list[str], causes: list[str], values: dict[str, Any], settings: Any) -> str:
    """Return the setting for the inventory that fixes an error; '' if it is unknown."""
    keys = [KEYS[name] for name in named if name in KEYS]
    if keys:
        return keys[0]
    free = [name for name in named if name not in OWNED] or [name for name in causes[:1] if name not in OWNED]
    wanted = [name for name in free if name in causes] or free
    lines = [f"{name}: {wanted_value(name, causes, values, settings)}" for name in wanted[:3]]
    return f"`settings: {{{', '.join(lines)}}}`" if lines else ""


def wanted_value(name: str, causes: list[str], values: dict[str, Any], settings: Any) -> str:
    """Return the value of a setting with which a check passes, if it is known."""
    if name in causes:
        return shown(name, values[name]) or "..."
    found = getattr(settings, name, None)
    if name == "CSRF_TRUSTED_ORIGINS" and isinstance(found, (list, tuple)):
        # Before Django 4, an origin was a host name.
        return json.dumps([text if "://" in str(text) else f"https://{text}" for text in found])
    return "..."


def shown(name: str, value: Any) -> str:
    """Return a value as YAML; '' if it may be secret or cannot be written as YAML."""
    if name != "DEBUG" and not name.endswith(SHOWN):
        return ""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        return ""
    return text if "@" not in text and len(text) < WORDS_MAX else ""
