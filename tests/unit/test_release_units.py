"""The pure parts of building: identities, versions, discovery, requirements."""

from __future__ import annotations

import contextlib
import copy
import os
import subprocess
import types

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import build as building
from ansible_collections.pyweb.stack.plugins.module_utils.build.found import as_found
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete, split_secrets

SECRET = "correct-horse-battery"
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="it writes files that belong to root")


def make_build(tmp_path, installer="uv", environment=None, **keys):
    roots = {key: str(tmp_path / key) for key in ("sites", "state", "config", "run", "cache")}
    given = {**goldens.SHOP, **keys}
    sites, secrets = split_secrets(complete([given], roots=roots))
    sites[0]["interpreter"] = {"version": "3.12", "path": "/usr/bin/python3.12", "packages": []}
    build = building.Build(sites[0], secrets["shop"], environment or {}, installer, lambda _url, _path: None)
    build._python_version = lambda: "3.12"
    return build


# --- identities ---


def test_a_builds_id_does_not_depend_on_the_order_of_keys(tmp_path):
    first = make_build(tmp_path, settings={"A": 1, "B": 2}, uwsgi={"version": "2.0.31", "install": "uwsgi"})
    second = make_build(tmp_path, uwsgi={"install": "uwsgi", "version": "2.0.31"}, settings={"B": 2, "A": 1})
    assert first.identify() == second.identify()
    assert len(first.identify()) == building.ID_LENGTH


@pytest.mark.parametrize(
    "keys",
    [
        {"packages": ["Django>=5"]},
        {"settings": {"A": 1}},
        {"requirements": ["a.txt"]},
        {"wsgi": "a.wsgi"},
        {"settings_module": "a.b"},
        {"manage": "a/manage.py"},
        {"domains": ["other.example.com"]},
        {"database": "postgres://a/b"},
        {"uwsgi": {"version": "2.0.31"}},
        {"source": {"startproject": "other"}},
        {"installer": "pip"},
        {"user": "other"},
    ],
)
def test_a_builds_id_changes_with_what_goes_into_it(tmp_path, keys):
    assert make_build(tmp_path, **keys).identify() != make_build(tmp_path).identify()


@pytest.mark.parametrize(
    "keys",
    [
        {"env": {"A": "b"}},
        {"uwsgi": {"processes": 9, "options": {"listen": 64}}},
        {"keep_releases": 9},
        {"health": {"path": "/healthz"}},
        {"nginx": {"read_timeout": 90}},
        {"superuser": {"username": "a", "password": SECRET}},
    ],
)
def test_a_builds_id_does_not_change_with_what_a_release_adds(tmp_path, keys):
    assert make_build(tmp_path, **keys).identify() == make_build(tmp_path).identify()


def test_a_builds_id_changes_with_the_python(tmp_path):
    build = make_build(tmp_path)
    before = build.identify()
    build._python_version = lambda: "3.13"
    assert build.identify() != before


def test_a_builds_id_changes_with_the_code_used_in_place(tmp_path):
    (tmp_path / "code").mkdir()
    build = make_build(tmp_path, source={"path": str(tmp_path / "code")}, virtualenv="none")
    before = build.identify()
    (tmp_path / "code/manage.py").write_text("")
    assert build.identify() != before


def test_code_in_place_that_is_missing(tmp_path):
    build = make_build(tmp_path, source={"path": "/no/such/code"}, virtualenv="none")
    with pytest.raises(StepError, match=r"source\.path is '/no/such/code'; this host has no such directory; make it"):
        build.identify()


def test_secrets_are_blotted_out_wherever_they_come_from(tmp_path):
    build = make_build(
        tmp_path,
        environment={
            "https_proxy": f"http://u:{SECRET}1@proxy:3128",
            "PIP_INDEX_URL": f"https://{SECRET}2@index/simple",
        },
        env={"A": f"{SECRET}3"},
        database=f"postgres://a:{SECRET}4@b/c",
        superuser={"username": "a", "password": f"{SECRET}5"},
        source={"git": f"https://token:{SECRET}6@git/x.git"},
    )
    shown = build.shell.blot(
        f"u:{SECRET}1 {SECRET}2 {SECRET}3 postgres://a:{SECRET}4@b/c {SECRET}5 https://token:{SECRET}6@git/x.git"
    )
    assert SECRET not in shown


# --- which commit a version names ---

BRANCH, TAG, TAG_OBJECT, HEAD = (digit * 40 for digit in "abcd")
ROWS = f"""\
{HEAD}\tHEAD
{BRANCH}\trefs/heads/main
{BRANCH}\trefs/heads/feature/x
{TAG}\trefs/heads/both
{TAG_OBJECT}\trefs/tags/v1
{TAG}\trefs/tags/v1^{{}}
{BRANCH}\trefs/tags/light
{TAG_OBJECT}\trefs/tags/both
"""


def with_rows(build, rows):
    asked = []

    @contextlib.contextmanager
    def fake():
        def git(*argv, **_keywords):
            asked.append(argv)
            return types.SimpleNamespace(stdout=rows)

        yield git

    build._git = fake
    return asked


@pytest.mark.parametrize(
    ("version", "commit"),
    [
        ("main", BRANCH),
        ("feature/x", BRANCH),
        ("v1", TAG),
        ("light", BRANCH),
        ("both", TAG),
        ("HEAD", HEAD),
        ("refs/heads/main", BRANCH),
    ],
)
def test_version_of_git(tmp_path, version, commit):
    build = make_build(tmp_path, source={"git": f"https://t:{SECRET}@git/x.git", "version": version})
    asked = with_rows(build, ROWS)
    assert build._commit() == commit
    assert asked == [("ls-remote", f"https://t:{SECRET}@git/x.git")]


def test_a_whole_commit_asks_nobody(tmp_path):
    build = make_build(tmp_path, source={"git": "x", "version": "e" * 40})
    asked = with_rows(build, ROWS)
    assert build._commit() == "e" * 40
    assert asked == []


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("mian", "source.version is 'mian'; the repository has no such branch or tag; it has both, feature/x, main"),
        ("abcdef1", "source.version is 'abcdef1'; wanted all 40 digits of a commit, a branch or a tag"),
    ],
)
def test_a_version_that_is_not_there(tmp_path, version, words):
    build = make_build(tmp_path, source={"git": "x", "version": version})
    with_rows(build, ROWS)
    with pytest.raises(StepError) as caught:
        build._commit()
    assert words in str(caught.value)


@AS_ROOT
def test_versions_of_a_real_repository(tmp_path):
    """The same, asked of git itself; git works as the site's user, who is here whoever runs the tests."""
    repository = tmp_path / "repository"
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": str(tmp_path)}

    def git(*argv):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        done = subprocess.run(
            ["git", *identity, "-C", str(repository), *argv],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    repository.mkdir()
    git("init", "--quiet", "--initial-branch=main")
    git("commit", "--quiet", "--allow-empty", "--message=one")
    git("tag", "--annotate", "--message=v1", "v1")
    first = git("rev-parse", "HEAD")
    git("commit", "--quiet", "--allow-empty", "--message=two")
    second = git("rev-parse", "HEAD")
    for version, commit in (("v1", first), ("main", second), ("HEAD", second)):
        build = make_build(tmp_path, source={"git": str(repository), "version": version})
        build.user = __import__("pwd").getpwuid(os.getuid()).pw_name
        assert build._commit() == commit


# --- discovery ---


def project(root, files):
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
    "development settings alone": (
        {"manage.py": "", "a/wsgi.py": setdefault("a.settings.local"), "a/settings/local.py": ""},
        {"chdir": ".", "settings_module": "a.settings.local", "wsgi": "a.wsgi:application"},
    ),
    "prod": (
        {"manage.py": "", "a/wsgi.py": setdefault("a.settings.development"), "a/settings/prod.py": ""},
        {"chdir": ".", "settings_module": "a.settings.prod", "wsgi": "a.wsgi:application"},
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


@pytest.mark.parametrize("name", PROJECTS)
def test_discovery(tmp_path, name):
    files, wanted = PROJECTS[name]
    assert make_build(tmp_path).discover(project(tmp_path / "code", files)) == wanted


def test_what_is_given_is_not_discovered(tmp_path):
    code = project(tmp_path / "code", {"src/manage.py": "", "manage.py": ""})
    build = make_build(tmp_path, manage="src/manage.py", wsgi="x.y:app", settings_module="x.settings")
    assert build.discover(code) == {"chdir": "src", "settings_module": "x.settings", "wsgi": "x.y:app"}


@pytest.mark.parametrize(
    ("files", "keys", "words"),
    [
        ({}, {}, "the source has no manage.py; set manage to its path, relative to the source"),
        ({"manage.py": ""}, {"manage": "x/manage.py"}, "the source has no x/manage.py; set manage"),
        ({"manage.py": ""}, {}, "no wsgi.py beside manage.py; set wsgi, as in mysite.wsgi:application"),
        (
            {"manage.py": "", "a/wsgi.py": ""},
            {},
            "neither wsgi.py nor manage.py names DJANGO_SETTINGS_MODULE; set settings_module",
        ),
    ],
)
def test_discovery_that_fails_says_what_to_set(tmp_path, files, keys, words):
    (tmp_path / "code").mkdir()
    with pytest.raises(StepError) as caught:
        make_build(tmp_path, **keys).discover(project(tmp_path / "code", files))
    assert str(caught.value).startswith(f"site 'shop': discovery failed: {words}")


# --- requirements ---


@pytest.mark.parametrize(
    ("files", "keys", "names", "chosen"),
    [
        ({}, {}, ["pyuwsgi", "Django"], []),
        ({}, {"packages": ["Django>=5.2,<5.3"]}, ["Django>=5.2,<5.3", "pyuwsgi"], []),
        ({}, {"packages": ["django[argon2]"]}, ["django[argon2]", "pyuwsgi"], []),
        ({}, {"packages": ["django-environ"]}, ["django-environ", "pyuwsgi", "Django"], []),
        ({"requirements.txt": ""}, {}, ["pyuwsgi"], ["requirements.txt"]),
        ({"requirements.txt": "", "pyproject.toml": "[project]\n"}, {}, ["pyuwsgi"], ["requirements.txt"]),
        ({"requirements.txt": "", "uv.lock": "", "pyproject.toml": "[project]\n"}, {}, ["pyuwsgi"], ["uv.lock"]),
        ({"pyproject.toml": "[tool.x]\n\n[project]\n"}, {}, ["pyuwsgi"], ["pyproject.toml"]),
        ({"pyproject.toml": "[tool.ruff]\n"}, {}, ["pyuwsgi", "Django"], []),
        ({"requirements.txt": ""}, {"requirements": []}, ["pyuwsgi", "Django"], []),
        ({"r/a.txt": "", "r/b.txt": ""}, {"requirements": ["r/a.txt", "r/b.txt"]}, ["pyuwsgi"], ["r/a.txt", "r/b.txt"]),
        ({}, {"uwsgi": {"version": "2.0.31", "install": "uwsgi"}}, ["uwsgi==2.0.31", "Django"], []),
        ({}, {"uwsgi": {"install": "tarball"}}, ["Django"], []),
        ({}, {"database": "postgres://a/b"}, ["pyuwsgi", "dj-database-url", "Django"], []),
    ],
)
def test_requirements(tmp_path, files, keys, names, chosen):
    (tmp_path / "code").mkdir()
    code = project(tmp_path / "code", files)
    assert make_build(tmp_path, **keys)._requirements(code) == (names, [f"{code}/{one}" for one in chosen])


def test_a_requirement_file_that_is_missing(tmp_path):
    build = make_build(tmp_path, requirements=["missing.txt"])
    with pytest.raises(StepError, match=r"requirements names 'missing\.txt'; the source has no such file"):
        build._requirements(str(tmp_path))


def test_pips_settings_are_told_to_uv(tmp_path):
    (tmp_path / "sites/.tools/bin").mkdir(parents=True)
    (tmp_path / "sites/.tools/bin/uv").write_text("")  # so that it is not installed
    build = make_build(tmp_path, environment={"PIP_INDEX_URL": "https://index/simple", "PIP_CERT": "/ca.pem"})
    tool = building._Installer(build, build.user)
    assert tool.environment["UV_DEFAULT_INDEX"] == "https://index/simple"
    assert tool.environment["SSL_CERT_FILE"] == "/ca.pem"
    assert tool.environment["UV_LINK_MODE"] == "copy"


# --- a project that is released as found ---


def test_a_project_that_somebody_else_put_there(tmp_path):
    files, _wanted = PROJECTS["below another directory"]
    code = project(tmp_path / "code", files)
    [site] = complete([{**goldens.SHOP, "source": {"path": code}, "virtualenv": "/srv/venv"}])
    found = as_found(copy.deepcopy(site))
    assert found["wsgi"] == "mysite.wsgi:application"
    assert (found["chdir"], found["home"], found["uwsgi"]) == ("backend", "/srv/venv", "/srv/venv/bin/uwsgi")
    assert found["overlay"] is False


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
def test_what_is_needed_without_a_build(keys, words):
    [site] = complete([{**goldens.SHOP, **keys}])
    with pytest.raises(StepError) as caught:
        as_found(site)
    assert words in str(caught.value)
