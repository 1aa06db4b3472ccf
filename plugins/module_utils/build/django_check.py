# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check the project, and find out which setting of a server a check fails for: in one process with `django_probe`.

The text of this file is sent in front of that one's, so it needs nothing but Python and Django. What a check fails for
is tried: each setting that the overlay changed gets the project's own value again, and the checks are asked once more.
"""

from __future__ import annotations

import io
import json
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .settings_facts import project_settings  # whose text is sent in front of this one

# Settings that are not tried: what is behind them is no business of a check, or would be opened anew.
UNTRIED = ("DATABASES", "LOGGING", "SECRET_KEY")
# What a site sets in place of a setting that is the collection's own.
KEYS = {
    "ALLOWED_HOSTS": "`domains:`",
    "DATABASES": "`database:`",
    "FORCE_SCRIPT_NAME": "`prefix:`",
    "SECRET_KEY": "DJANGO_SECRET_KEY in `env:`",
}
# Settings that are not to be set by a site: a server has the one, and builds need the other.
OWNED = ("DEBUG", "STATIC_ROOT")
# The values of other settings may be secrets.
SHOWN = ("_URL", "_ROOT", "_HOSTS", "_ORIGINS")
MISSING = object()
# The longest words of a check that are told.
WORDS_MAX = 600


def checked(overlay_module: str) -> str:
    """Return what `check --deploy` says. Ends with the first error of a check, and with what to set against it."""
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
    """Return the first error of the checks in one line, with what to set where a setting of the server is at fault."""
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
        fix = f"set {fix} of the site, or {silenced} where that does not matter"
    else:
        fix = f"where that does not matter on a server, set {silenced} of the site"
    value = shown(ours[0], getattr(settings, ours[0], None))
    why = f"it comes of {ours[0]}" + (f", which is {value} on a server" if value else ", which is another on a server")
    if not causes:
        why = f"the deploy sets {ours[0]}" + (f" to {value}" if value else "")
    return f"{words}; {why}; {fix}"


def serious() -> list[Any]:
    """Return the messages of all checks that end a deploy."""
    from django.core.checks import run_checks

    return [message for message in run_checks() if message.is_serious() and not message.is_silenced()]


def named_settings(words: str, settings: Any) -> list[str]:
    """Return the settings that a message names, whether the project has them or not."""
    found = re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*\b", words)
    return [name for name in dict.fromkeys(found) if "_" in name or hasattr(settings, name)]


def changed(settings: Any, overlay: Any) -> dict[str, Any]:
    """Return the settings that the overlay gave another value, each with the one that the project has for it.

    DEBUG is one of them in any case: the project may have it false only because it runs on a server.
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
    """Say whether a check fails all the same where one setting has the project's own value."""
    from django.test.utils import override_settings

    if name in UNTRIED or values[name] is MISSING:
        return True
    try:
        with override_settings(**{name: values[name]}):
            return (error.id, error.msg) in [(other.id, other.msg) for other in serious()]
    except Exception:
        return True


def what_to_set(named: list[str], causes: list[str], values: dict[str, Any], settings: Any) -> str:
    """Return what stands in the inventory against an error; '' where that is not known."""
    keys = [KEYS[name] for name in named if name in KEYS]
    if keys:
        return keys[0]
    free = [name for name in named if name not in OWNED] or [name for name in causes[:1] if name not in OWNED]
    wanted = [name for name in free if name in causes] or free
    lines = [f"{name}: {wanted_value(name, causes, values, settings)}" for name in wanted[:3]]
    return f"`settings: {{{', '.join(lines)}}}`" if lines else ""


def wanted_value(name: str, causes: list[str], values: dict[str, Any], settings: Any) -> str:
    """Return the value of a setting with which a check passes, as far as it is known."""
    if name in causes:
        return shown(name, values[name]) or "..."
    found = getattr(settings, name, None)
    if name == "CSRF_TRUSTED_ORIGINS" and isinstance(found, (list, tuple)):
        # Before Django 4 an origin was a host name.
        return json.dumps([text if "://" in str(text) else f"https://{text}" for text in found])
    return "..."


def shown(name: str, value: Any) -> str:
    """Return a value as YAML; '' where it may be a secret, or cannot be written down."""
    if name != "DEBUG" and not name.endswith(SHOWN):
        return ""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        return ""
    return text if "@" not in text and len(text) < WORDS_MAX else ""
