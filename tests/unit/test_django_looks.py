"""What the doctor finds inside Django: databases, files, settings. Django is a fake."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import types

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import (
    django_advice,
    django_assets,
    django_data,
    django_look,
)
from builds import AS_ROOT


def steps(capsys):
    """Return the output, step by step."""
    lines = capsys.readouterr().out.splitlines()
    return [json.loads(line.partition(" ")[2]) for line in lines if line.startswith("pyweb-look ")]


@pytest.mark.parametrize("error", [ValueError("a\nb"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_a_look_that_raises_does_not_stop_the_others(capsys, error):
    def raising():
        raise error

    django_look.apart("files", raising)
    django_look.apart("facts", lambda: django_look.say("facts"))
    failed, facts = steps(capsys)
    assert (failed["at"], failed["kind"], facts["step"]) == ("files", type(error).__name__, "facts")


# --- databases ---


class Connections(dict):
    """A fake django.db.connections that raises an error for each alias."""

    def __getitem__(self, alias):
        found = super().__getitem__(alias)
        if isinstance(found, BaseException):
            raise found
        return found


class Refusing:
    vendor = "postgresql"

    def __init__(self, error, **settings):
        self.error, self.settings_dict = error, {"ENGINE": "x.postgresql", **settings}

    def cursor(self):
        raise self.error


def said_of(connection):
    said = []
    django_data.look_at_database(lambda step, **found: said.append((step, found)), Connections(a=connection), "a")
    return said


def test_the_error_of_a_database_is_shown():
    connection = Refusing(
        OSError("connection failed: FATAL:  no\nFATAL:  no\n\tmore"), HOST="db", PORT=5432, OPTIONS={"pool": 1}
    )
    [(_step, database), (step, failed)] = said_of(connection)
    assert (database["address"], database["file"]) == ("db:5432", "")
    assert (step, failed["kind"], failed["error"]) == ("failed", "OSError", "OSError: FATAL: no")
    assert failed["words"] == ["FATAL: no", "more"]
    assert connection.settings_dict["OPTIONS"] == {}  # A pool hides the reason and waits for a long time.


def test_an_alias_that_cannot_be_set_up_is_reported():
    [(step, failed)] = said_of(SystemExit("the project ends"))
    assert (step, failed["kind"], failed["alias"]) == ("failed", "SystemExit", "a")


def test_a_project_without_a_database_has_none():
    dummy = types.SimpleNamespace(vendor="unknown", settings_dict={"ENGINE": "django.db.backends.dummy"})
    assert said_of(dummy) == [("database", {"alias": "a", "vendor": "none"})]


def test_no_database_file_is_created(tmp_path):
    file = tmp_path / "a.sqlite3"
    connection = types.SimpleNamespace(vendor="sqlite", settings_dict={"ENGINE": "x.sqlite3", "NAME": file})
    [(_step, database), (_failed, failed)] = said_of(connection)
    assert (database["exists"], database["folder_writable"], failed["error"]) == (
        False,
        True,
        f"there is no file {file}",
    )
    assert not file.exists()


def test_a_locked_file_is_waited_for_less_than_the_site_would():
    assert django_data.patient("sqlite", {"timeout": 60}) == {"timeout": django_data.BUSY}
    assert django_data.patient("mysql", {"charset": "utf8mb4"}) == {"charset": "utf8mb4"}


def test_the_state_of_a_file_includes_its_companion_files(tmp_path):
    file = tmp_path / "a.sqlite3"
    assert django_data.file_state(f"{tmp_path}/none/a")["folder_writable"] is None
    sqlite3.connect(file).close()
    file.touch()
    (tmp_path / "a.sqlite3-shm").touch()
    found = django_data.file_state(str(file))
    assert (found["exists"], found["file_writable"], found["beside"]) == (True, True, "")
    assert found["inodes"] == [file.stat().st_ino, (tmp_path / "a.sqlite3-shm").stat().st_ino]


@pytest.mark.skipif(AS_ROOT, reason="root has all permissions")
def test_files_in_an_unreadable_directory_are_reported(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir()
    (folder / "a").touch()
    (folder / "a-journal").touch(mode=0o400)
    assert django_data.file_state(f"{folder}/a")["beside"] == f"{folder}/a-journal"
    folder.chmod(0o600)
    found = django_data.file_state(f"{folder}/a")
    folder.chmod(0o700)
    assert (found["exists"], found["blocked"]) == (False, str(folder))


def test_columns_that_a_migration_creates_are_separated_from_others():
    order = types.SimpleNamespace(fields={"total": None})
    lacking = [
        ("shop", "Order", "total", "o.total"),
        ("shop", "Order", "more", "o.more"),
        ("shop", "New", "", "shop_new"),
    ]
    assert django_data.sorted_out(lacking, {("shop", "order"): order}) == (["o.total"], ["o.more", "shop_new"])


# --- static files ---


def put_file(path, text, when):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (when, when))
    return str(path)


@pytest.mark.parametrize(
    ("source", "collected", "state"),
    [
        (("new", 200), ("old", 100), "older"),
        (("newer", 200), ("old", 100), "older"),
        (("same", 200), ("same", 100), ""),
        (("old", 100), ("new", 200), ""),
        (("new", 100.5), ("old", 100), ""),
        (("new", 100), None, "missing"),
        (None, None, ""),
    ],
    ids=["changed", "another size", "touched", "changed in place", "within a second", "missing", "removed"],
)
def test_a_collected_file_is_compared_with_its_source(tmp_path, source, collected, state):
    for name, given in (("source", source), ("collected", collected)):
        if given:
            put_file(tmp_path / name, *given)
    assert django_assets.compared(f"{tmp_path}/source", f"{tmp_path}/collected") == state


def test_a_link_to_the_source_is_right(tmp_path):
    put_file(tmp_path / "a.css", "x", 100)
    (tmp_path / "b.css").symlink_to(tmp_path / "a.css")
    assert django_assets.compared(f"{tmp_path}/a.css", f"{tmp_path}/b.css") == ""


@pytest.fixture
def played(monkeypatch):
    """A fake of the parts of Django that serve static files; its contents can be changed."""
    found = types.SimpleNamespace(
        finders=[], storage=types.SimpleNamespace(location=""), engines=[], config=types.SimpleNamespace()
    )
    apps = types.SimpleNamespace(get_app_config=lambda _name: found.config)
    modules = {
        "django.apps": {"apps": apps},
        "django.contrib.staticfiles.finders": {"get_finders": lambda: found.finders},
        "django.contrib.staticfiles.storage": {"staticfiles_storage": found.storage},
        "django.template": {"engines": types.SimpleNamespace(all=lambda: found.engines)},
    }
    for name in ("django", "django.contrib", "django.contrib.staticfiles"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    for name, values in modules.items():
        module = types.ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    return found


class Finder:
    def __init__(self, folder, names, prefix=""):
        self.names = names
        self.storage = types.SimpleNamespace(prefix=prefix, path=lambda name: os.path.join(folder, name))

    def list(self, _patterns):
        return [(name, self.storage) for name in self.names]


def settings_of(root, **more):
    given = {
        "STATIC_ROOT": str(root),
        "INSTALLED_APPS": ["django.contrib.staticfiles"],
        "MIDDLEWARE": [],
        "DEBUG": False,
    }
    return types.SimpleNamespace(**{**given, **more})


def test_files_that_were_not_collected_are_found(played, tmp_path):
    root, one, two = tmp_path / "root", tmp_path / "one", tmp_path / "two"
    for name, when in (("a.css", 200), ("b.js", 100), ("c.scss", 200), ("d.png", 100)):
        put_file(one / name, f"new {name}", when)
    put_file(two / "a.css", "another of that name, which nobody collects", 300)
    put_file(root / "a.css", "old", 100)
    put_file(root / "p/b.js", "old", 200)
    played.storage.location = str(root)
    played.finders = [Finder(one, ["a.css", "c.scss", "d.png"]), Finder(one, ["b.js"], "p"), Finder(two, ["a.css"])]
    found = django_assets.assets(settings_of(root))
    assert (found["older"], found["missing"], found["seen"]) == (["a.css"], ["d.png"], 3)
    assert (found["older_many"], found["missing_many"], "manifest" in found) == (1, 1, False)


@pytest.mark.parametrize(
    "change",
    [
        {"INSTALLED_APPS": []},
        {"STATIC_ROOT": None},
        {"MIDDLEWARE": ["whitenoise.middleware.WhiteNoiseMiddleware"], "DEBUG": True},
    ],
    ids=["no static files", "nowhere to collect them", "WhiteNoise serves the sources"],
)
def test_nothing_is_compared_if_it_does_not_matter(played, tmp_path, change):
    played.storage.location = str(tmp_path)
    played.finders = [Finder(tmp_path, ["none.css"])]
    assert django_assets.assets(settings_of(tmp_path, **change)) == {}


def test_files_in_other_storages_are_not_compared(played, tmp_path):
    played.storage.location = "/nowhere"
    assert django_assets.assets(settings_of(tmp_path)) == {}


def test_the_manifest_is_compared_with_files_and_templates(played, tmp_path):
    templates = tmp_path / "templates"
    put_file(templates / "a.html", "\n{% static 'a.css' %}{%static \"typo.css\"%}{% static name %}", 1)
    put_file(tmp_path / "x/site-packages/b.html", "{% static 'foreign.css' %}", 1)
    played.engines = [types.SimpleNamespace(template_dirs=[templates, tmp_path / "x/site-packages"])]
    put_file(tmp_path / "a.1.css", "x", 1)
    hashed = {"a.css": "a.1.css", "b.css": "b.1.css"}
    storage = types.SimpleNamespace(hashed_files=hashed, manifest_name="m.json", manifest_strict=True)
    found = django_assets.manifest(storage, str(tmp_path), ["a.css", "n.css"])
    assert found == {
        "manifest": f"{tmp_path}/m.json",
        "listed": 2,
        "wanted": [f"typo.css ({templates}/a.html:2)"],
        "unlisted": ["n.css"],
        "gone": ["b.css"],
    }
    storage.manifest_strict = False
    assert django_assets.manifest(storage, str(tmp_path), ["n.css"]) == {}


# --- settings ---


def test_the_line_of_a_setting_is_in_the_projects_own_file(tmp_path, monkeypatch):
    base = put_file(tmp_path / "base.py", "DEBUG = True\nALLOWED_HOSTS = []\n", 1)
    top = put_file(tmp_path / "top.py", "# more\nDEBUG = False\nSECRET = 1\nif DEBUG:\n    DATABASES = {}\n", 1)
    for name, path in (("shopx.settings.base", base), ("shopx.settings.top", top), ("other.settings", base)):
        module = types.ModuleType(name)
        module.__file__ = path
        monkeypatch.setitem(sys.modules, name, module)
    found = django_advice.lines_of(types.SimpleNamespace(SETTINGS_MODULE="shopx.settings.top"))
    assert found == {"DEBUG": f"{top}:2", "ALLOWED_HOSTS": f"{base}:2", "DATABASES": f"{top}:5"}


def smtp(host, port):
    return types.SimpleNamespace(
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend", EMAIL_HOST=host, EMAIL_PORT=port
    )


def test_the_mail_server_only_gets_a_connection(monkeypatch):
    asked = []

    def connect(address, seconds):
        asked.append((address, seconds))
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(django_advice.socket, "create_connection", connect)
    assert django_advice.mail_server(smtp("localhost", 25)) == {}
    found = django_advice.mail_server(smtp("mail.example", 587))
    assert found == {"host": "mail.example", "port": 587, "kind": "refused", "failure": "Connection refused"}
    assert asked == [(("mail.example", 587), django_advice.MAIL_SECONDS)]


@pytest.mark.parametrize(
    ("error", "kind"),
    [(django_advice.socket.gaierror(-2, "Name or service not known"), "name"), (TimeoutError("timed out"), "silent")],
)
def test_a_failed_connection_to_the_mail_server_is_explained(monkeypatch, error, kind):
    def connect(_address, _seconds):
        raise error

    monkeypatch.setattr(django_advice.socket, "create_connection", connect)
    assert django_advice.mail_server(smtp("mail.example", 587))["kind"] == kind


def test_a_missing_locale_is_reported(monkeypatch):
    monkeypatch.setenv("LC_ALL", "xx_XX.UTF-8")
    assert django_advice.locale_of() == {"there": False}
    monkeypatch.setenv("LC_ALL", "C")
    assert django_advice.locale_of() == {"there": True}


def test_only_messages_of_djangos_own_checks_are_shown(monkeypatch):
    def message(name, level, text, silenced=False):
        return types.SimpleNamespace(id=name, level=level, msg=text, is_silenced=lambda: silenced)

    checks = types.ModuleType("django.core.checks")
    checks.WARNING, checks.ERROR = 30, 40
    checks.run_checks = lambda include_deployment_checks, databases: [
        message("security.W009", 30, "Your key is weak. Please change it.\nNow"),
        message("shop.E1", 40, "the password is xyzzy"),
        message("security.W004", 30, "silenced", True),
        message("fields.I1", 20, "information"),
        message(None, 30, "no id"),
    ]
    for name, module in (("django", types.ModuleType("django")), ("django.core", types.ModuleType("django.core"))):
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules["django.core"].checks = checks
    monkeypatch.setitem(sys.modules, "django.core.checks", checks)
    assert django_advice.deploy_checks() == [
        {"id": "security.W009", "level": "warning", "text": "Your key is weak"},
        {"id": "shop.E1", "level": "error", "text": ""},
        {"id": "", "level": "warning", "text": ""},
    ]
