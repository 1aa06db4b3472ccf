"""Discovery of Django projects in directories of different layouts, and the environment of their code."""

from __future__ import annotations

import contextlib
import copy
import os
from pathlib import Path

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import project, runtime
from ansible_collections.pyweb.stack.plugins.module_utils.build.context import Context
from ansible_collections.pyweb.stack.plugins.module_utils.build.found import as_found
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from builds import completed, no_fetch

SECRET = "correct-horse-battery"


def write(root, files):
    root.mkdir(exist_ok=True)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return str(root)


def setdefault(module):
    return f'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{module}")\n'


PROJECTS = {
    "startproject": (
        {"manage.py": setdefault("mysite.settings"), "mysite/wsgi.py": setdefault("mysite.settings")},
        {"chdir": ".", "settings_module": "mysite.settings", "wsgi": "mysite.wsgi:application"},
    ),
    "below another directory": (
        {
            "backend/manage.py": setdefault("mysite.settings"),
            "backend/mysite/wsgi.py": setdefault("mysite.settings"),
            "frontend/node/x/manage.py": "",
        },
        {"chdir": "backend", "settings_module": "mysite.settings", "wsgi": "mysite.wsgi:application"},
    ),
    "below two directories": (
        {"a/b/manage.py": setdefault("x.settings"), "a/b/x/wsgi.py": ""},
        {"chdir": "a/b", "settings_module": "x.settings", "wsgi": "x.wsgi:application"},
    ),
    "two projects: the first by name": (
        {
            "b/manage.py": "",
            "a/manage.py": setdefault("x.settings"),
            "a/y/wsgi.py": setdefault("y.settings"),
            "a/x/wsgi.py": setdefault("x.settings"),
        },
        {"chdir": "a", "settings_module": "x.settings", "wsgi": "x.wsgi:application"},
    ),
    "wagtail": (
        {
            "manage.py": setdefault("mysite.settings.dev"),
            "mysite/wsgi.py": setdefault("mysite.settings.dev"),
            "mysite/settings/production.py": "",
            "mysite/settings/dev.py": "",
        },
        {"chdir": ".", "settings_module": "mysite.settings.production", "wsgi": "mysite.wsgi:application"},
    ),
    "cookiecutter": (
        {
            "manage.py": setdefault("config.settings.local"),
            "config/wsgi.py": setdefault("config.settings.production"),
            "config/settings/production.py": "",
        },
        {"chdir": ".", "settings_module": "config.settings.production", "wsgi": "config.wsgi:application"},
    ),
    "only development settings": (
        {"manage.py": "", "a/wsgi.py": setdefault("a.settings.local"), "a/settings/local.py": ""},
        {"chdir": ".", "settings_module": "a.settings.local", "wsgi": "a.wsgi:application"},
    ),
    "prod": (
        {"manage.py": "", "a/wsgi.py": setdefault("a.settings.development"), "a/settings/prod.py": ""},
        {"chdir": ".", "settings_module": "a.settings.prod", "wsgi": "a.wsgi:application"},
    ),
    "production before prod": (
        {
            "manage.py": "",
            "a/wsgi.py": setdefault("a.settings.dev"),
            "a/settings/prod.py": "",
            "a/settings/production.py": "",
        },
        {"chdir": ".", "settings_module": "a.settings.production", "wsgi": "a.wsgi:application"},
    ),
    "other settings are kept": (
        {"manage.py": "", "a/wsgi.py": setdefault("a.settings.staging"), "a/settings/production.py": ""},
        {"chdir": ".", "settings_module": "a.settings.staging", "wsgi": "a.wsgi:application"},
    ),
    "named by manage.py only, over several lines": (
        {"manage.py": "os.environ.setdefault(\n    'DJANGO_SETTINGS_MODULE',\n    'a.settings',\n)", "a/wsgi.py": ""},
        {"chdir": ".", "settings_module": "a.settings", "wsgi": "a.wsgi:application"},
    ),
    "assigned": (
        {"manage.py": "", "a/wsgi.py": "os.environ['DJANGO_SETTINGS_MODULE'] = 'a.settings'\n"},
        {"chdir": ".", "settings_module": "a.settings", "wsgi": "a.wsgi:application"},
    ),
}


def discover(tmp_path, files, **keys):
    return project.discover(write(tmp_path / "code", files), completed(tmp_path, **keys)[0])


@pytest.mark.parametrize("name", PROJECTS)
def test_discovery(tmp_path, name):
    files, wanted = PROJECTS[name]
    found = discover(tmp_path, files)
    assert {key: found[key] for key in wanted} == wanted


def test_given_keys_override_discovery(tmp_path):
    files = {"src/manage.py": "", "manage.py": ""}
    keys = {"manage": "src/manage.py", "wsgi": "x.y:app", "settings_module": "x.settings"}
    found = discover(tmp_path, files, **keys)
    assert (found["chdir"], found["settings_module"], found["wsgi"]) == ("src", "x.settings", "x.y:app")


def test_settings_are_searched_in_the_given_wsgi_module(tmp_path):
    files = {"manage.py": "", "x/wsgi.py": setdefault("x.settings"), "deploy/entry.py": setdefault("deploy.settings")}
    assert discover(tmp_path, files, wsgi="deploy.entry:app")["settings_module"] == "deploy.settings"


@pytest.mark.parametrize(
    ("files", "keys", "words"),
    [
        ({}, {}, "the source has no manage.py; set manage to its path, relative to the source"),
        ({"a/b/c/manage.py": ""}, {}, "the source has no manage.py; set manage to its path, relative to the source"),
        ({"manage.py/x": ""}, {}, "the source has no manage.py; set manage to its path, relative to the source"),
        ({"manage.py": ""}, {"manage": "x/manage.py"}, "the source has no x/manage.py; set manage"),
        ({"manage.py": ""}, {}, "neither wsgi.py nor manage.py names DJANGO_SETTINGS_MODULE; set settings_module"),
        (
            {"manage.py": "", "a/wsgi.py": ""},
            {},
            "neither wsgi.py nor manage.py names DJANGO_SETTINGS_MODULE; set settings_module",
        ),
    ],
)
def test_failed_discovery_says_what_to_set(tmp_path, files, keys, words):
    with pytest.raises(StepError) as caught:
        discover(tmp_path, files, **keys)
    assert str(caught.value).startswith(f"site 'shop': discovery failed: {words}")


ODD = ["a`touch x`", "$(id)", "a\nb", "it's", "a b", "a%i", "gr\u00fcn", "a;b", 'a"b', "a\\b"]


@pytest.mark.parametrize("odd", ODD)
def test_a_directory_whose_name_needs_quoting_is_refused(tmp_path, odd):
    with pytest.raises(StepError) as caught:
        discover(tmp_path, {f"{odd}/manage.py": setdefault("x.settings"), f"{odd}/x/wsgi.py": ""})
    first = str(caught.value).splitlines()[0]
    assert f"the directory {odd!r} is in the path of manage.py" in first
    assert first.endswith("rename it")


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    "files",
    [
        {"manage.py": "", "ODD/x/wsgi.py": "", "ODD/x/settings.py": ""},
        {"manage.py": "sys.path.append('ODD')\n", "x/wsgi.py": "", "ODD/apps.py": ""},
    ],
)
def test_discovery_returns_no_path_that_needs_quoting(tmp_path, files, odd):
    """Such a directory is either refused or skipped."""
    with contextlib.suppress(StepError):
        files = {name.replace("ODD", odd): text.replace("ODD", odd) for name, text in files.items()}
        found = discover(tmp_path, {**files, "manage.py": files["manage.py"] + setdefault("x.settings")})
        assert not [path for path in (found["chdir"], *found["paths"]) if odd in path]


def test_other_names_need_no_quoting(tmp_path):
    files = {"manage.py": setdefault("x.settings"), "x/wsgi.py": "", "media/a `b`.txt": "", "ein \u00fc/$x/y": ""}
    assert discover(tmp_path, files)["chdir"] == "."


@pytest.mark.parametrize(
    ("text", "module"),
    [
        ('os.environ.setdefault("DJANGO_SETTINGS_MODULE", "a.settings")', "a.settings"),
        ("os.environ.setdefault('DJANGO_SETTINGS_MODULE','a.settings')", "a.settings"),
        ('os.environ["DJANGO_SETTINGS_MODULE"] = "a.settings"', "a.settings"),
        ("os.environ['DJANGO_SETTINGS_MODULE']='a.settings'", "a.settings"),
        ('os.environ["DJANGO_SETTINGS_MODULE" ]  =\n    "a.settings"', "a.settings"),
        ('"DJANGO_SETTINGS_MODULE" = "a.settings"', "a.settings"),
        ('environ.setdefault("DJANGO_SETTINGS_MODULE", "a")\nenviron["DJANGO_SETTINGS_MODULE"] = "b"', "a"),
        ('os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"{name}.settings")', ""),
        ('os.environ.setdefault("DJANGO_SETTINGS_MODULE", "a.settings-%s" % name)', ""),
        ('os.environ.get("DJANGO_SETTINGS_MODULE")', ""),
        ('os.environ["DJANGO_SETTINGS_MODULE"] == "a.settings"', ""),
        ('os.environ["MY_DJANGO_SETTINGS"] = "a.settings"', ""),
        ("", ""),
    ],
)
def test_settings_module_that_a_file_names(text, module):
    assert project.named_settings(text) == module


# --- environments ---


def test_the_environment_of_the_projects_code():
    layout = Layout.under("shop", {"state": "/srv/state"})
    own = {"A": "b", "PYTHONPATH": "/other", "HOME": "/root", "DJANGO_SETTINGS_MODULE": "own"}
    assert runtime.environment(layout, own, "/opt/sites/shop/builds/x") == {
        "A": "b",
        "DJANGO_SETTINGS_MODULE": "pyweb_settings",
        "PYTHONPATH": "/opt/sites/shop/builds/x/overlay",
        "HOME": "/srv/state/shop",
    }


@pytest.mark.parametrize(
    ("env", "database", "wanted"),
    [
        ({}, "", {}),
        ({"A": "b"}, "", {"A": "b"}),
        ({"A": "b"}, "postgres://db/x", {"A": "b", "DATABASE_URL": "postgres://db/x"}),
        ({"DATABASE_URL": "old"}, "new://", {"DATABASE_URL": "new://"}),
    ],
)
def test_the_environment_of_the_processes(env, database, wanted):
    secrets = {"env": env, "database": database, "git": "", "key": "", "password": ""}
    assert runtime.process_environment(secrets) == wanted


def test_secrets_from_all_sources_are_redacted(tmp_path):
    environment = {"https_proxy": f"http://u:{SECRET}1@proxy:3128", "PIP_INDEX_URL": f"https://{SECRET}2@index/simple"}
    site, secrets = completed(
        tmp_path,
        env={"A": f"{SECRET}3"},
        database=f"postgres://a:{SECRET}4@b/c",
        superuser={"username": "a", "password": f"{SECRET}5"},
        source={
            "git": f"https://token:{SECRET}6@git/x.git",
            "key": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}7\n-----END OPENSSH PRIVATE KEY-----",
        },
    )
    context = Context.of(site, secrets, environment, "uv", no_fetch, "")
    shown = context.shell.mask(
        f"u:{SECRET}1 {SECRET}2 {SECRET}3 postgres://a:{SECRET}4@b/c {SECRET}5 https://token:{SECRET}6@git/x.git "
        f"{secrets['key']}"
    )
    assert SECRET not in shown
    assert "@git/x.git" in shown


@pytest.mark.parametrize(("home", "python"), [("/srv/venv", "/srv/venv/bin/python"), ("", "/usr/bin/python3")])
def test_path_of_the_interpreter(home, python):
    assert runtime.interpreter(home) == python


@pytest.mark.parametrize("install", ["pyuwsgi", "uwsgi", "tarball"])
def test_uwsgi_is_in_the_virtualenv(tmp_path, install):
    site, _secrets = completed(tmp_path, uwsgi={"install": install})
    assert runtime.uwsgi_binary(site, "/srv/venv") == "/srv/venv/bin/uwsgi"


@pytest.mark.parametrize(("there", "wanted"), [(True, "/usr/sbin/uwsgi"), (False, "/usr/bin/uwsgi")])
def test_path_of_the_distributions_uwsgi(tmp_path, monkeypatch, there, wanted):
    """EPEL installs it in sbin, Debian in bin."""
    site, _secrets = completed(tmp_path, uwsgi={"install": "distribution"})
    monkeypatch.setattr(os.path, "exists", lambda path: there and path == "/usr/sbin/uwsgi")
    assert runtime.uwsgi_binary(site, "/srv/venv") == wanted


# --- a project in place ---


def test_a_project_in_place(tmp_path):
    files, _wanted = PROJECTS["below another directory"]
    code = write(tmp_path / "code", files)
    [site] = complete([{**goldens.SHOP, "source": {"path": code}, "virtualenv": "/srv/venv"}])
    before = copy.deepcopy(site)
    found = as_found(site)
    assert found.pop("id").startswith(f"path {code} ")
    assert found == {
        "chdir": "backend",
        "settings_module": "mysite.settings",
        "wsgi": "mysite.wsgi:application",
        "path": code,
        "src": code,
        "source": {"kind": "path", "path": code},
        "home": "/srv/venv",
        "uwsgi": "/srv/venv/bin/uwsgi",
        "install": "pyuwsgi",
        "overlay": False,
    }
    assert site == before


def test_a_project_in_place_with_the_systems_python(tmp_path):
    code = write(tmp_path / "code", PROJECTS["startproject"][0])
    [site] = complete([{**goldens.SHOP, "source": {"path": code}, "virtualenv": "none"}])
    found = as_found(site)
    assert (found["home"], found["install"]) == ("", "distribution")
    assert found["uwsgi"] in ("/usr/bin/uwsgi", "/usr/sbin/uwsgi")
    (Path(code) / "more.py").write_text("")
    assert as_found(site)["id"] != found["id"]  # Other code needs another release.


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "no build was made and source is startproject; run the django role first, or give source.path"),
        (
            {"source": {"path": "/srv"}},
            "virtualenv is not given; without the django role name the project's own, or none",
        ),
    ],
)
def test_keys_that_are_required_without_a_build(keys, words):
    [site] = complete([{**goldens.SHOP, **keys}])
    with pytest.raises(StepError) as caught:
        as_found(site)
    assert str(caught.value) == f"site 'shop': build failed: {words}"
