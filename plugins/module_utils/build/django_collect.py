# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Collect a project's static files in the site's own interpreter, as the account that builds.

`steps` sends the text of this file to the interpreter's standard input, so it must not need Ansible. If collecting is
the last step of a build, `django_probe` does it instead.
"""

from __future__ import annotations


def main() -> None:
    """Collect the static files."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    if "django.contrib.staticfiles" in settings.INSTALLED_APPS:
        call_command("collectstatic", interactive=False, verbosity=0)


if __name__ == "__main__":
    main()
