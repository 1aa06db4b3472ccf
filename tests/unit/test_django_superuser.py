"""The program that creates a superuser, with user models as projects have them. Django is a fake."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.release import django_superuser

# The parts of Django that the program uses; `call_command` prints its arguments.
DJANGO = {
    "django/__init__.py": "def setup(): print('set up')",
    "django/contrib/__init__.py": "",
    "django/contrib/auth/__init__.py": """
import os
from django.core.exceptions import ValidationError
class Users:
    def normalize_email(self, address):
        name, _at, domain = address.partition("@")
        return f"{name}@{domain.lower()}"
    def filter(self, **wanted):
        print("filter", wanted)
        self.found = wanted == {User.USERNAME_FIELD: os.environ["EXISTING"]}
        return self
    def exists(self):
        return self.found
class Field:
    def __init__(self, name): self.name, self.blank = name, name == os.environ["BLANK"]
    def clean(self, value, instance):
        if value == "bad": raise ValidationError(["Enter a whole number."])
        return value
class Meta:
    label = "accounts.User"
    def get_field(self, name): return Field(name)
class User:
    USERNAME_FIELD = os.environ["KNOWN_BY"]
    REQUIRED_FIELDS = os.environ["REQUIRED"].split()
    _default_manager = Users()
    _meta = Meta()
    @classmethod
    def get_email_field_name(cls): return "email"
def get_user_model():
    return User
""",
    "django/core/__init__.py": "",
    "django/core/exceptions.py": """
class ValidationError(Exception):
    def __init__(self, messages): self.messages = messages
""",
    "django/core/management.py": "def call_command(*words, **keys): print(words, sorted(keys.items()))",
}


def ask(tmp_path, known_by, required, given, existing="other", blank=""):
    """Run the program for a superuser of the inventory; return the finished process."""
    for name, text in DJANGO.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    fields = {"PYWEB_USER_FIELDS": json.dumps(given["fields"])} if "fields" in given else {}
    return subprocess.run(
        [sys.executable, "-"],
        input=inspect.getsource(django_superuser),
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(tmp_path),
            "EXISTING": existing,
            "KNOWN_BY": known_by,
            "REQUIRED": required,
            "BLANK": blank,
            "DJANGO_SUPERUSER_USERNAME": given.get("username", ""),
            "DJANGO_SUPERUSER_EMAIL": given.get("email", ""),
            "DJANGO_SUPERUSER_PASSWORD": "first",
            **fields,
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("known_by", "required", "given", "made"),
    [
        ("username", "email", {"username": "admin", "email": "a@b"}, {"username": "admin", "email": "a@b"}),
        ("login", "email", {"username": "admin", "email": "a@b"}, {"login": "admin", "email": "a@b"}),
        ("email", "", {"email": "a@b"}, {"email": "a@b"}),
        ("email", "", {"username": "a@b"}, {"email": "a@b"}),
        ("email", "username", {"username": "admin", "email": "a@b"}, {"username": "admin", "email": "a@b"}),
        (
            "email",
            "full_name age staff",
            {"email": "a@b", "fields": {"full_name": "Ada", "age": 36, "staff": False}},
            {"email": "a@b", "full_name": "Ada", "age": "36", "staff": "False"},
        ),
        ("phone", "", {"username": "admin", "fields": {"phone": "123"}}, {"phone": "123"}),
    ],
)
def test_a_superuser_is_created_with_what_its_model_requires(tmp_path, known_by, required, given, made):
    done = ask(tmp_path, known_by, required, given)
    keys = {"interactive": False, "verbosity": 0, **made}
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[2:] == [f"('createsuperuser',) {sorted(keys.items())}", "made"]


def test_an_email_address_that_may_be_blank_is_not_required(tmp_path):
    """Django's own user model lists it as required but allows a blank one; version 0.1 did not require it."""
    done = ask(tmp_path, "username", "email", {"username": "admin"}, blank="email")
    keys = {"interactive": False, "verbosity": 0, "username": "admin", "email": ""}
    assert done.stdout.splitlines()[2:] == [f"('createsuperuser',) {sorted(keys.items())}", "made"]


def test_the_field_that_users_log_in_with_is_always_required(tmp_path):
    done = ask(tmp_path, "username", "", {"email": "a@b"}, blank="username")
    assert "requires username" in done.stderr


@pytest.mark.parametrize(
    ("known_by", "existing", "given"),
    [
        ("username", "admin", {"username": "admin"}),
        ("email", "a@example.com", {"email": "a@EXAMPLE.com"}),
        ("email", "a@EXAMPLE.com", {"email": "a@EXAMPLE.com"}),
        ("phone", "1", {"fields": {"phone": "1", "unknown": "x"}}),
    ],
)
def test_an_existing_superuser_is_never_changed(tmp_path, known_by, existing, given):
    """Not even if the inventory lacks a field that the model requires now."""
    done = ask(tmp_path, known_by, "full_name", given, existing)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "there")
    assert "createsuperuser" not in done.stdout


@pytest.mark.parametrize(
    ("known_by", "required", "given", "words"),
    [
        (
            "email",
            "full_name birthday",
            {"email": "a@b"},
            "the user model accounts.User requires full_name, birthday; add to the site's superuser: "
            "{fields: {full_name: ..., birthday: ...}}",
        ),
        ("username", "email phone", {"username": "a"}, "{email: ..., fields: {phone: ...}}"),
        ("username", "", {"email": "a@b"}, "requires username; add to the site's superuser: {username: ...}"),
        ("phone", "", {"email": "a@b"}, "requires phone; add to the site's superuser: {fields: {phone: ...}}"),
        (
            "email",
            "",
            {"email": "a@b", "fields": {"nick": "x"}},
            "superuser.fields has nick; the user model accounts.User requires email and the password ; remove",
        ),
        (
            "email",
            "age",
            {"email": "a@b", "fields": {"age": "bad"}},
            "superuser: the user model accounts.User refuses age: Enter a whole number.",
        ),
    ],
)
def test_a_missing_value_is_named(tmp_path, known_by, required, given, words):
    done = ask(tmp_path, known_by, required, given)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert "createsuperuser" not in done.stdout
