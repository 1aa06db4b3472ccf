# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# A program of its own, not part of a module: it prints its result.
# pylint: disable=ansible-bad-function
"""Create a superuser unless one of that name exists, in the site's own interpreter and as its user.

`database.py` sends the text of this file to the interpreter's standard input, so it must not need Ansible. Name, e-mail
address and password are in DJANGO_SUPERUSER_*, as for `createsuperuser`; other fields of the user model are JSON in
PYWEB_USER_FIELDS. Prints `made` or `there`.
"""

from __future__ import annotations

import json
import os
from typing import Any


def main() -> None:
    """Create the superuser, and print the result."""
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    model = get_user_model()
    known = json.loads(os.environ.get("PYWEB_USER_FIELDS", "{}"))
    given = values(model, known)
    name = given.get(model.USERNAME_FIELD, "")
    # A manager of the project may not normalize it.
    names = dict.fromkeys([normalized(model, name), name]) if name else {}
    if any(model._default_manager.filter(**{model.USERNAME_FIELD: one}).exists() for one in names):
        print("there")
        return
    refuse(model, known, given)
    check(model, given)
    call_command("createsuperuser", interactive=False, verbosity=0, **given)
    print("made")


def needed(model: Any) -> list[str]:
    """Return the required fields: that users log in with, and REQUIRED_FIELDS."""
    return [model.USERNAME_FIELD, *model.REQUIRED_FIELDS]


def own_keys(model: Any) -> dict[str, str]:
    """Return the fields with their own keys in the inventory."""
    return {"username": "username", email_field(model): "email"}


def values(model: Any, known: dict[str, Any]) -> dict[str, str]:
    """Return the values of the required fields in the inventory."""
    given = {name: str(known[name]) for name in needed(model) if name in known}
    own = own_keys(model)
    for name in needed(model):
        # The user name is used for the field that users log in with if nothing else is set.
        keys = ([own[name]] if name in own else []) + (["username"] if name == model.USERNAME_FIELD else [])
        found = [os.environ.get(f"DJANGO_SUPERUSER_{key.upper()}", "") for key in keys]
        if name not in given and any(found):
            given[name] = next(filter(None, found))
        elif name not in given and name in {*own} - {model.USERNAME_FIELD} and model._meta.get_field(name).blank:
            given[name] = ""  # as createsuperuser handles a missing e-mail address
    return given


def refuse(model: Any, known: dict[str, Any], given: dict[str, str]) -> None:
    """Exit with an error about fields missing in the inventory, or in it but not required by the model."""
    wanted, own = needed(model), own_keys(model)
    unknown = [name for name in known if name not in wanted]
    if unknown:
        raise SystemExit(
            f"error: superuser.fields has {', '.join(unknown)}; the user model {model._meta.label} requires "
            f"{', '.join(wanted)} and the password ; remove what it does not require"
        )
    missing = [name for name in wanted if name not in given]
    if missing:
        asked = [f"{own[name]}: ..." for name in missing if name in own]
        fields = ", ".join(f"{name}: ..." for name in missing if name not in own)
        line = ", ".join([*asked, *([f"fields: {{{fields}}}"] if fields else [])])
        raise SystemExit(
            f"error: the user model {model._meta.label} requires {', '.join(missing)}; add to the site's superuser: "
            f"{{{line}}}"
        )


def check(model: Any, given: dict[str, str]) -> None:
    """Exit with an error that names the field whose value the model refuses."""
    from django.core.exceptions import ValidationError

    for name, value in given.items():
        try:
            model._meta.get_field(name).clean(value, None)
        except ValidationError as error:
            raise SystemExit(
                f"error: superuser: the user model {model._meta.label} refuses {name}: {' '.join(error.messages)}"
            ) from None


def normalized(model: Any, name: str) -> str:
    """Return a name as the model's manager stores it: the domain of an e-mail address in lowercase."""
    manager = model._default_manager
    if email_field(model) == model.USERNAME_FIELD and hasattr(manager, "normalize_email"):
        return str(manager.normalize_email(name))
    return str(model.normalize_username(name)) if hasattr(model, "normalize_username") else name


def email_field(model: Any) -> str:
    return str(model.get_email_field_name()) if hasattr(model, "get_email_field_name") else "email"


if __name__ == "__main__":
    main()
