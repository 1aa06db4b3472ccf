# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make a superuser unless there is one of that name, in the site's own interpreter and as its user.

`database.py` sends this file's text to that interpreter's standard input; nothing here may need Ansible. Name, email
address and password come as DJANGO_SUPERUSER_*, as `createsuperuser` reads them. Prints `made` or `there`.
"""

from __future__ import annotations

import os


def main() -> None:
    """Make the superuser, and print what was found."""
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    model = get_user_model()
    name = os.environ["DJANGO_SUPERUSER_USERNAME"]
    if model._default_manager.filter(**{model.USERNAME_FIELD: name}).exists():
        print("there")
        return
    given = {model.USERNAME_FIELD: name}
    if "email" in model.REQUIRED_FIELDS:
        given["email"] = os.environ["DJANGO_SUPERUSER_EMAIL"]
    call_command("createsuperuser", interactive=False, verbosity=0, **given)
    print("made")


if __name__ == "__main__":
    main()
