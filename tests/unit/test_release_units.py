"""The pure parts of building and releasing: identities, discovery, requirements, what is kept."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import subprocess
import types
from pathlib import Path

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import build as building
from ansible_collections.pyweb.stack.plugins.module_utils.host import files
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete, split_secrets
from ansible_collections.pyweb.stack.plugins.module_utils.release import history
from ansible_collections.pyweb.stack.plugins.module_utils.release import release as releasing

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


def make_release(tmp_path, build=goldens.BUILD, **keys):
    """A release of a site; its roots are the same for every `keys`."""
    roots = {key: str(tmp_path / key) for key in ("sites", "state", "config", "run", "cache")}
    sites, secrets = split_secrets(complete([{**goldens.SHOP, **keys}], roots=roots))
    sites[0]["group"] = sites[0]["user"]
    return releasing.Release.wanted(sites[0], secrets["shop"], build)


# --- EnvironmentFile ---


def read_environment_file(text):
    """What systemd reads from an EnvironmentFile whose values are all in double quotes (env-file.c, parse_env_file)."""
    found, position = {}, 0
    while position < len(text):
        equals = text.index("=", position)
        name, position = text[position:equals], equals + 1
        assert text[position] == '"'
        position += 1
        value = ""
        while text[position] != '"':
            if text[position] == "\\":
                position += 1
                if text[position] in '"\\`$':
                    value += text[position]
                elif text[position] != "\n":
                    value += "\\" + text[position]
            else:
                value += text[position]
            position += 1
        assert text[position + 1] == "\n"
        found[name] = value
        position += 2
    return found


VALUES = {
    "PLAIN": "a",
    "EMPTY": "",
    "SPACES": "  a  b  ",
    "QUOTES": 'it\'s "quoted"',
    "DOLLAR": "$HOME ${HOME} $$ `id`",
    "BACKSLASH": '\\ \\\\ \\n \\" end\\',
    "LINES": "-----BEGIN KEY-----\nabc\n\n-----END KEY-----\n",
    "COMMENT": "# no comment\n; none\nA=b",
    "CONTINUED": "a\\\nb",
    "TABS": "a\tb\rc",
    "UNICODE": "é 漢字 %i %%",
}


def test_every_value_arrives_as_it_was_given(tmp_path):
    text = make_release(tmp_path, env=VALUES).env_text
    assert read_environment_file(text) == VALUES
    assert releasing.parse_env(text) == VALUES


def test_the_reader_of_this_test_knows_a_wrong_quoting():
    assert read_environment_file('A="\\$"\n') == {"A": "$"}
    assert read_environment_file('A="a\\\nb"\n') == {"A": "ab"}
    with pytest.raises((AssertionError, ValueError, IndexError)):
        read_environment_file('A="a"b"\n')


def test_the_database_is_part_of_the_environment(tmp_path):
    text = make_release(tmp_path, database=f"postgres://shop:{SECRET}@db/shop").env_text
    assert read_environment_file(text) == {"DATABASE_URL": f"postgres://shop:{SECRET}@db/shop"}


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


def test_a_releases_id_does_not_depend_on_the_order_of_env(tmp_path):
    first = make_release(tmp_path, env={"A": "1", "B": "2"})
    assert first.id == make_release(tmp_path, env={"B": "2", "A": "1"}).id
    assert len(first.id) == releasing.ID_LENGTH


@pytest.mark.parametrize(
    "keys",
    [
        {"env": {"A": "b"}},
        {"database": "postgres://a/b"},
        {"uwsgi": {"processes": 9}},
        {"uwsgi": {"options": {"listen": 64}}},
        {"uwsgi": {"unit": {"LimitNOFILE": 1}}},
        {"health": {"timeout": 30}},
        {"build": {**goldens.BUILD, "id": "other"}},
    ],
)
def test_a_releases_id_changes_with_what_goes_into_it(tmp_path, keys):
    assert make_release(tmp_path, **keys).id != make_release(tmp_path).id


def test_a_releases_ini_names_the_release_and_no_secret(tmp_path):
    release = make_release(tmp_path, env={"A": SECRET}, database=f"postgres://a:{SECRET}@b/c")
    assert f"{release.id}.sock" in release.ini
    assert "@RELEASE@" not in release.ini
    assert SECRET not in release.ini + json.dumps(release.units) + json.dumps(release.build)


def test_secrets_are_hidden_wherever_they_come_from(tmp_path):
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
    shown = build.shell.mask(
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


# --- releases ---


def released(release, *rows):
    """Releases as they lie on the host: (id, when it was made)."""
    folder = Path(release.paths["releases"])
    for name, made in rows:
        (folder / name).mkdir(parents=True)
        (folder / name / "release.json").write_text(json.dumps({"id": name, "build": name, "made": made}))


@pytest.mark.parametrize(
    ("keep", "kept"),
    [(1, {"new", "old"}), (2, {"new", "old"}), (3, {"new", "old", "d"}), (4, {"new", "old", "d", "c"}), (9, None)],
)
def test_what_is_kept(tmp_path, keep, kept):
    release = make_release(tmp_path, keep_releases=keep)
    release.id = "new"
    released(release, ("a", 1), ("old", 2), ("c", 3), ("d", 4), ("new", 5), (".x.partial", 6))
    os.symlink("releases/new", release.paths["current"])
    os.symlink("releases/old", release.paths["previous"])
    assert release._kept() == (kept or {"a", "old", "c", "d", "new"})


def test_what_is_live_is_kept_whatever_else_is(tmp_path):
    """After a rollback `current` is the oldest."""
    release = make_release(tmp_path, keep_releases=1)
    release.id = "a"
    released(release, ("a", 1), ("b", 2), ("c", 3))
    os.symlink("releases/a", release.paths["current"])
    assert release._kept() == {"a"}


def test_a_host_without_releases_has_no_current(tmp_path):
    release = make_release(tmp_path)
    assert release.current == ""
    assert release._kept() == {release.id}


@pytest.mark.parametrize(
    ("journal", "cause"),
    [
        ("[strict-mode] unknown config directive: nope\n", "uwsgi.options has nope, which uWSGI does not know"),
        (
            "Traceback ...\nModuleNotFoundError: No module named 'x'\nGAME OVER\n",
            "ModuleNotFoundError: No module named 'x'",
        ),
        (
            "probably another instance of uWSGI is running on the same address (127.0.0.1:8000).\nbind(): ...\n",
            "127.0.0.1:8000 is taken by another program",
        ),
        (
            "Listen queue size is greater than the system max net.core.somaxconn (4096).\nFailed to start uWSGI.\n",
            "Listen queue size is greater than the system max net.core.somaxconn (4096). "
            "lower uwsgi.options.listen or raise the sysctl",
        ),
        (
            "callable 'app' not found in file mysite/wsgi.py\nunable to load app 0\nFailed to start uWSGI.\n",
            "wsgi names app, which mysite/wsgi.py does not have",
        ),
        (
            "Traceback (most recent call last):\n  File x\nValueError: bad\nFailed with result 'exit-code'.\n",
            "ValueError: bad",
        ),
        (
            "*** Starting uWSGI ***\nuwsgi-shop@x.service: start operation timed out. Terminating.\n"
            "uwsgi-shop@x.service: Killing process 2256 (uwsgi) with signal SIGKILL.\nFailed with result 'timeout'.\n",
            "it was not ready within 20 s; make health.timeout longer where it needs that",
        ),
        ("", "no word from uWSGI within 20 s"),
    ],
)
def test_why_uwsgi_did_not_start(journal, cause):
    assert releasing._why_not_started(journal, goldens.site("plain")) == cause


def test_a_project_that_somebody_else_put_there(tmp_path):
    files, _wanted = PROJECTS["below another directory"]
    code = project(tmp_path / "code", files)
    [site] = complete([{**goldens.SHOP, "source": {"path": code}, "virtualenv": "/srv/venv"}])
    found = releasing.as_found(copy.deepcopy(site))
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
        releasing.as_found(site)
    assert words in str(caught.value)


@AS_ROOT
def test_the_manage_command_is_shell(tmp_path):
    """`sh -n` reads it; the words in it are plain, so nothing needs quoting."""
    release = make_release(tmp_path)
    Path(release.paths["root"]).mkdir(parents=True)
    release._tidy()
    manage = Path(release.paths["root"]) / "manage"
    assert os.access(manage, os.X_OK)
    subprocess.run(["/bin/sh", "-n", str(manage)], check=True)
    assert release._tidy() == []  # a second run has nothing to do


@pytest.mark.parametrize("existed", [False, True])
def test_a_failing_release_leaves_no_directory_but_one_that_was_there_before(tmp_path, monkeypatch, existed):
    """Deploying once more what `previous` names, and failing, must not take the way back away."""
    release = make_release(tmp_path)
    released(release, ("live", 1), *([(release.id, 2)] if existed else []))
    os.symlink("releases/live", release.paths["current"])
    monkeypatch.setattr(releasing.units, "FOLDER", str(tmp_path))
    monkeypatch.setattr(release, "_is_active", lambda _unit: True)

    def prepare():
        Path(release.folder).mkdir(exist_ok=True)
        raise StepError("shop", "uwsgi", "there is no uWSGI")

    monkeypatch.setattr(release, "_prepare", prepare)
    with pytest.raises(StepError, match="there is no uWSGI"):
        release.deploy()
    assert os.path.isdir(release.folder) == existed
    assert release.current == "live"


# --- going live ---


def go_live(release, monkeypatch, answers, known=()):
    """Go live instead of 'live', and say what was done; `answers` is what is wrong with each answer, or ''."""
    done, left = [], iter(answers)

    def ask(address, _timeout):
        done.append(f"ask {address[5:]}")
        return next(left, "")

    released(release, ("live", 1), (release.id, 2))
    os.symlink("releases/live", release.paths["current"])
    os.symlink("releases/before", release.paths["previous"])
    monkeypatch.setattr(releasing.units, "FOLDER", release.paths["root"])
    monkeypatch.setattr(releasing, "SETTLE_SECONDS", 0.01)
    monkeypatch.setattr(release, "_install_units", lambda: None)
    monkeypatch.setattr(release, "_record", lambda _known: None)
    monkeypatch.setattr(release, "_is_active", lambda _unit: True)
    monkeypatch.setattr(release, "_journal", lambda _unit, _since: "")
    monkeypatch.setattr(release, "_systemctl", lambda _step, *words, check=True: done.append(" ".join(words)) or DONE)
    monkeypatch.setattr(release, "_stop_others", lambda: done.append("stop others") or [])
    monkeypatch.setattr(release, "_ask", ask)
    try:
        release._go_live("live", known)
    except StepError as error:
        done.append(str(error))
    return done


DONE = types.SimpleNamespace(returncode=0, stdout="")


@pytest.mark.parametrize("socket", ["unix", 8001])
def test_the_old_release_is_stopped_once_the_new_one_answers_where_nginx_goes(tmp_path, monkeypatch, socket):
    release = make_release(tmp_path, uwsgi={"socket": socket})
    done = go_live(release, monkeypatch, [])
    own, live = f"{release.paths['run']}/{release.id}.sock", f"{release.paths['current']}/uwsgi.sock"
    assert done[-3:] == [f"ask {own}", f"ask {live}", "stop others"]
    # Its health, and whether it keeps it.
    assert done.count(f"ask {own}") == (2 if socket == "unix" else 3)
    assert (release.current, os.readlink(release.paths["previous"])) == (release.id, "releases/live")


@pytest.mark.parametrize(("socket", "live"), [("unix", "live"), (8001, "itself")])
def test_on_ports_the_static_files_of_a_release_are_found_before_it_answers(tmp_path, monkeypatch, socket, live):
    """On a unix socket nginx comes to it by the link that its static files hang on, too."""
    release = make_release(tmp_path, uwsgi={"socket": socket})
    seen = []
    real = release._start
    monkeypatch.setattr(release, "_start", lambda unit: (seen.append((unit, release.current)), real(unit)))
    go_live(release, monkeypatch, [])
    unit = f"uwsgi-shop@{release.id}.service"
    assert (unit, release.id if live == "itself" else live) in seen


BAD_ANSWER = "/ as shop.example did not answer: nothing listens"


@pytest.mark.parametrize("socket", ["unix", 8001])
def test_a_release_that_dies_after_its_first_answer_does_not_get_live(tmp_path, monkeypatch, socket):
    release = make_release(tmp_path, uwsgi={"socket": socket})
    switched = []
    monkeypatch.setattr(release, "_switch", switched.append)
    done = go_live(release, monkeypatch, ["", BAD_ANSWER])
    assert done[-1] == f"site 'shop': health failed: after its first good answer {BAD_ANSWER}"
    assert (switched, release.current) == ([], "live")


@pytest.mark.parametrize("socket", ["unix", 8001])
def test_a_rollback_does_not_watch_before_the_switch(tmp_path, monkeypatch, socket):
    release = make_release(tmp_path, uwsgi={"socket": socket})
    done = go_live(release, monkeypatch, [], known=None)
    assert [one for one in done if one.startswith("ask ")][-1] == f"ask {release.paths['current']}/uwsgi.sock"
    assert sum(one.startswith("ask ") for one in done) == (2 if socket == "unix" else 3)


# On ports it was asked as a probe before, and starts after the switch.
@pytest.mark.parametrize(("socket", "good"), [("unix", 2), (8001, 3)])
def test_a_release_that_dies_after_the_switch_is_taken_back(tmp_path, monkeypatch, socket, good):
    release = make_release(tmp_path, uwsgi={"socket": socket})
    done = go_live(release, monkeypatch, [*[""] * good, BAD_ANSWER])
    assert release.current == "live"
    assert os.readlink(release.paths["previous"]) == "releases/before"
    unit = f"uwsgi-shop@{release.id}.service"
    assert done[-3:] == [
        f"stop {unit}",
        f"reset-failed {unit}",
        f"site 'shop': switch failed: once it was live {BAD_ANSWER}",
    ]
    assert "stop others" not in done


@pytest.mark.parametrize("socket", ["unix", 8001])
def test_a_release_that_is_never_healthy_is_killed_where_it_hangs(tmp_path, monkeypatch, socket):
    release = make_release(tmp_path, uwsgi={"socket": socket}, health={"timeout": 1})
    clock = iter(range(99))
    monkeypatch.setattr(releasing.time, "monotonic", lambda: next(clock))
    done = go_live(release, monkeypatch, ["it hangs"] * 9)
    probe, unit = f"uwsgi-shop-probe@{release.id}.service", f"uwsgi-shop@{release.id}.service"
    hanging = unit if socket == "unix" else probe
    first = done.index(f"stop --no-block {hanging}")
    assert done[first : first + 4] == [
        f"stop --no-block {hanging}",
        f"kill --signal=KILL {hanging}",
        f"stop {hanging}",
        f"reset-failed {hanging}",
    ]
    assert done[-1] == "site 'shop': health failed: it hangs within 1 s"
    assert (f"start {unit}" in done) == (socket == "unix")
    assert release.current == "live"


@pytest.mark.parametrize("before", ["", "releases/live"], ids=["a first release", "a later one"])
def test_a_link_is_put_back_to_what_it_was(tmp_path, before):
    path = str(tmp_path / "current")
    releasing._relink(path, before)
    files.link("releases/new", path)
    releasing._relink(path, before)
    assert (releasing._link(path), os.path.lexists(path)) == (before, bool(before))


@pytest.mark.parametrize(
    ("status", "wanted", "wrong"),
    [
        (200, [], ""),
        (404, [], ""),
        (500, [], "/ as shop.example.com answered 500; wanted a status below 500"),
        (200, [204, 301], "/ as shop.example.com answered 200; wanted 204 or 301"),
        (301, [204, 301], ""),
        (0, [], "/ as shop.example.com did not answer: nobody there; wanted a status below 500"),
    ],
)
def test_what_a_good_answer_is(tmp_path, monkeypatch, status, wanted, wrong):
    release = make_release(tmp_path, health={"status": wanted} if wanted else {})

    def request(address, _host, _path, _timeout):
        if not status:
            raise releasing.uwsgi_protocol.ProtocolError(address, "nobody there")
        return types.SimpleNamespace(status=status)

    monkeypatch.setattr(releasing.uwsgi_protocol, "request", request)
    assert release._ask("unix:/nowhere", 1) == wrong


# --- draining ---


@pytest.mark.parametrize(
    ("others", "asked"),
    [([], ["busy", "busy", "idle"]), (["127.0.0.1:8001"], ["busy"])],
    ids=["its own socket alone", "shared ports"],
)
def test_draining_waits_for_idle_workers_unless_ports_are_shared(tmp_path, monkeypatch, others, asked):
    release = make_release(tmp_path)
    states = iter(["busy", "busy", "idle"])
    seen = []

    def stats(_address):
        seen.append(next(states))
        sockets = [{"name": f"{release.paths['run']}/old.sock"}, *({"name": one} for one in others)]
        return json.dumps({"sockets": sockets, "workers": [{"status": seen[-1]}]}).encode()

    monkeypatch.setattr(releasing.uwsgi_protocol, "stats", stats)
    monkeypatch.setattr(releasing.time, "sleep", lambda _seconds: None)
    release._drain("old")
    assert seen == asked


def record(release, monkeypatch):
    """What a release does to units, in order."""
    done = []
    monkeypatch.setattr(release, "_drain", lambda one: done.append(f"drain {one}"))
    monkeypatch.setattr(release, "_start", lambda unit: done.append(f"start {unit}"))
    monkeypatch.setattr(release, "_health", lambda _id, unit="": done.append(f"ask {unit or 'the release'}"))
    monkeypatch.setattr(release, "_systemctl", lambda _step, *arguments, check=True: done.append(" ".join(arguments)))
    return done


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_release_that_an_earlier_run_left_running_is_stopped(tmp_path, monkeypatch, check_mode):
    release = make_release(tmp_path)
    release.check_mode = check_mode
    done = record(release, monkeypatch)
    monkeypatch.setattr(release, "_running", lambda: ["old", release.id])
    unit = "uwsgi-shop@old.service"
    assert release._stop_others() == ["stopped release old"]
    assert done == ([] if check_mode else ["drain old", f"stop --no-block {unit}", f"reset-failed {unit}"])


def test_a_probe_that_an_earlier_run_left_is_stopped(tmp_path, monkeypatch):
    release = make_release(tmp_path, uwsgi={"socket": 8001})
    done = record(release, monkeypatch)
    monkeypatch.setattr(release, "_running", lambda: [release.id])
    assert release._stop_others() == []
    assert done == ["stop uwsgi-shop-probe@*.service"]


def test_on_ports_the_probe_is_asked_before_the_release_starts(tmp_path, monkeypatch):
    release = make_release(tmp_path, uwsgi={"socket": 8001})
    done = record(release, monkeypatch)
    release._probe("new", watch=False)
    release._start_and_ask("new")
    probe, unit = "uwsgi-shop-probe@new.service", "uwsgi-shop@new.service"
    # The first: one that a killed run left has the socket that the probe is to listen on.
    assert done == [
        f"stop {unit}",
        f"start {probe}",
        f"ask {probe}",
        f"stop --no-block {probe}",
        f"kill --signal=KILL {probe}",
        f"stop {probe}",
        f"reset-failed {probe}",
        f"start {unit}",
        "ask the release",
    ]


def test_the_journal_is_read_from_its_end(tmp_path, monkeypatch):
    release = make_release(tmp_path)
    asked = []

    def run(_step, argv, check):
        asked.extend(argv)
        return types.SimpleNamespace(stdout="ValueError: not well\nTraceback\n")

    monkeypatch.setattr(release.shell, "run", run)
    assert release._journal("uwsgi-shop@x.service", 7.9) == "Traceback\nValueError: not well\n"
    assert {"--reverse", "--lines=40", "--since=@7", "--unit=uwsgi-shop@x.service"} < set(asked)


def test_what_is_being_stopped_already_does_not_run(tmp_path, monkeypatch):
    release = make_release(tmp_path)
    shown = (
        "  uwsgi-shop@aaaaaaaaaaaa.service loaded active running uWSGI for the site shop\n"
        "● uwsgi-shop@bbbbbbbbbbbb.service loaded failed failed uWSGI for the site shop\n"
        "uwsgi-shop@cccccccccccc.service loaded deactivating stop-sigterm uWSGI for the site shop\n"
        "uwsgi-shop@eeeeeeeeeeee.service loaded inactive dead uWSGI for the site shop\n"
        "uwsgi-shop@dddddddddddd.service loaded activating auto-restart uWSGI for the site shop\n"
    ).lstrip()
    monkeypatch.setattr(release.shell, "run", lambda *_words, **_more: types.SimpleNamespace(stdout=shown))
    assert release._running() == ["aaaaaaaaaaaa", "bbbbbbbbbbbb", "dddddddddddd"]


# --- rollback ---


def live_and_before(tmp_path, build=None, **before):
    """A live release and one before it, as `_record` writes them; `before` are keys of the earlier one's site."""
    source = {"kind": "git", "git": "/srv/shop.git", "version": "main"}
    build = {**goldens.BUILD, "source": source, **(build or {})}
    earlier = make_release(tmp_path, build, env={"TOKEN": 'a "b" $c'}, **before)
    later = make_release(tmp_path, {**build, "id": "b" * 12})
    for release, known in ((earlier, ["shop.0001_initial"]), (later, ["shop.0001_initial", "shop.0002_more"])):
        Path(release.folder).mkdir(parents=True)
        Path(release.paths["config"]).mkdir(parents=True, exist_ok=True)
        Path(f"{release.paths['config']}/{release.id}.env").write_text(release.env_text)
        release._record(known)
    os.symlink(f"releases/{later.id}", later.paths["current"])
    os.symlink(f"releases/{earlier.id}", later.paths["previous"])
    return earlier, later


@AS_ROOT
def test_a_release_comes_back_as_it_was(tmp_path):
    earlier, later = live_and_before(tmp_path, health={"path": "/old", "timeout": 7}, uwsgi={"processes": 9})
    stored = releasing.Release.stored(later.site, releasing.previous(later.site))
    assert (stored.id, stored.units, stored.environment) == (earlier.id, earlier.units, earlier.environment)
    assert stored.build == earlier.build
    assert stored.site["health"] == earlier.site["health"]


@AS_ROOT
def test_no_secret_is_in_the_record(tmp_path):
    earlier, _later = live_and_before(tmp_path, database=f"postgres://shop:{SECRET}@db/shop")
    assert SECRET in earlier.env_text
    assert SECRET not in Path(f"{earlier.folder}/release.json").read_text()


@AS_ROOT
@pytest.mark.parametrize(("wanted", "words"), [("f" * 12, "release 'ffffffffffff' is not here"), ("", "no previous")])
def test_a_release_that_is_not_there(tmp_path, wanted, words):
    earlier, later = live_and_before(tmp_path)
    with pytest.raises(StepError, match=words) as caught:
        releasing.Release.stored(later.site, wanted)
    assert earlier.id in str(caught.value)


@AS_ROOT
@pytest.mark.parametrize(
    ("applied", "ignore", "refused"),
    [
        (["shop.0001_initial"], False, False),
        (["shop.0001_initial", "shop.0002_more"], False, True),
        (["shop.0001_initial", "shop.0002_more"], True, False),
        # Somebody else's, in the same database.
        (["shop.0001_initial", "blog.0001_initial"], False, False),
    ],
)
def test_a_rollback_behind_the_database_is_refused(tmp_path, monkeypatch, applied, ignore, refused):
    earlier, later = live_and_before(tmp_path)
    stored = releasing.Release.stored(later.site, earlier.id)
    stored.check_mode = True
    monkeypatch.setattr(stored, "_migrations", lambda what: {"applied": applied} if what == "applied" else {})
    if refused:
        with pytest.raises(StepError, match=r"ahead of release \w+, which does not know shop\.0002_more; take"):
            stored.roll_back(ignore)
    else:
        assert stored.roll_back(ignore).what == [f"rollback to {earlier.id}"]
    assert later.current == later.id


@AS_ROOT
def test_a_rollback_to_what_is_live_changes_nothing(tmp_path):
    _earlier, later = live_and_before(tmp_path)
    assert releasing.Release.stored(later.site, later.id).roll_back(ignore_migrations=False).what == []


@AS_ROOT
@pytest.mark.parametrize("edited", [False, True])
def test_a_rollback_to_code_that_is_no_more_is_refused(tmp_path, monkeypatch, edited):
    place = tmp_path / "place"
    place.mkdir()
    (place / "wsgi.py").write_text("old")
    source = {"kind": "path", "path": str(place)}
    earlier, later = live_and_before(tmp_path, {"src": str(place), "source": source})
    if edited:
        (place / "wsgi.py").write_text("new")
    stored = releasing.Release.stored(later.site, earlier.id)
    stored.check_mode = True
    if not edited:
        assert stored.roll_back(ignore_migrations=True).what == [f"rollback to {earlier.id}"]
        return
    with pytest.raises(StepError, match=f"ran other code than what {place} has now"):
        stored.roll_back(ignore_migrations=True)


@AS_ROOT
def test_a_rollback_to_other_ports_is_refused(tmp_path):
    earlier, later = live_and_before(tmp_path, uwsgi={"socket": "127.0.0.1:8000"})
    with pytest.raises(StepError, match=r"listens on 127\.0\.0\.1:8000, and nginx goes to a unix socket; change"):
        releasing.Release.stored(later.site, earlier.id).roll_back(ignore_migrations=True)


@AS_ROOT
def test_the_list_of_releases(tmp_path):
    earlier, later = live_and_before(tmp_path)
    (Path(later.paths["releases"]) / ("c" * 12)).mkdir()  # what a killed run left is no release
    later._tidy()
    done = subprocess.run([f"{later.paths['root']}/list"], capture_output=True, text=True, check=True)
    rows = {line.split()[0]: line.split()[3] for line in done.stdout.splitlines()}
    assert rows == {later.id: "live", earlier.id: "previous"}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            {"kind": "git", "git": "/srv/x.git", "version": "main", "commit": "c" * 40},
            "git /srv/x.git main " + "c" * 12,
        ),
        ({"kind": "git", "git": "/srv/x.git", "version": "c" * 40, "commit": "c" * 40}, "git /srv/x.git " + "c" * 12),
        ({"kind": "directory", "digest": "d" * 64}, "directory " + "d" * 12),
        ({"kind": "path", "path": "/srv/x"}, "path /srv/x"),
    ],
)
def test_a_source_in_a_few_words(source, words):
    assert releasing._shown_source(source) == words


def test_what_was_done_is_noted_with_its_end(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(history, "_journal", told.append)
    path = tmp_path / "history"
    with history.audited("shop", str(path), "anna@desk", "deploy", "", "b" * 12):
        pass
    with (
        pytest.raises(StepError),
        history.audited("shop", str(path), "anna@desk", "rollback", "b" * 12, "a" * 12),
    ):
        raise StepError("shop", "health", "/ answered\n500", "Traceback ...")
    first, second = path.read_text().splitlines()
    assert first.endswith("Z deploy - -> bbbbbbbbbbbb by anna@desk: live")
    assert second.endswith("Z rollback bbbbbbbbbbbb -> aaaaaaaaaaaa by anna@desk: failed: health: / answered 500")
    assert told[0] == "shop: deploy - -> bbbbbbbbbbbb by anna@desk: begins"
    assert told[-1] == "shop: " + second.split(" ", 1)[1]


def test_a_history_that_cannot_be_written_hides_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(history, "_journal", lambda _text: None)
    with history.audited("shop", str(tmp_path / "no/such/folder"), "", "deploy", "", ""):
        pass


def holding(release, monkeypatch, shown):
    """What _hold asks of systemd, which shows the unit of port 8001 as `shown`."""
    done = []
    answer = types.SimpleNamespace(returncode=0, stdout=shown)
    monkeypatch.setattr(release, "_systemctl", lambda _step, *words, check=True: done.append(words[0]) or answer)
    release._hold("uwsgi-shop@8001.socket", "127.0.0.1:8001")
    return done


def test_a_port_is_held_once(tmp_path, monkeypatch):
    release = make_release(tmp_path, uwsgi={"socket": 8001})
    assert holding(release, monkeypatch, "ActiveState=inactive\n") == ["show", "start"]
    assert holding(release, monkeypatch, "Listen=127.0.0.1:8001 (Stream)\nActiveState=active\n") == ["show"]


def test_a_port_that_is_held_for_another_address_is_refused(tmp_path, monkeypatch):
    release = make_release(tmp_path, uwsgi={"socket": 8001})
    with pytest.raises(StepError, match=r"is 127\.0\.0\.1:8001; its port is held as 0\.0\.0\.0:8001"):
        holding(release, monkeypatch, "Listen=0.0.0.0:8001 (Stream)\nActiveState=active\n")


def test_a_port_that_only_the_old_release_had_is_closed_after_it(tmp_path, monkeypatch):
    release = make_release(tmp_path, uwsgi={"socket": 8001})
    monkeypatch.setattr(releasing.units, "FOLDER", str(tmp_path))
    for file in ("uwsgi-shop@8000.socket", "uwsgi-shop@8001.socket", "uwsgi-shop@.service"):
        (tmp_path / file).touch()
    done = record(release, monkeypatch)
    monkeypatch.setattr(release, "_running", lambda: ["old", release.id])
    assert release._stop_others() == ["stopped release old", "removed uwsgi-shop@8000.socket"]
    assert done.index("drain old") < done.index("disable --quiet --now uwsgi-shop@8000.socket")
    assert sorted(path.name for path in tmp_path.glob("uwsgi-*")) == ["uwsgi-shop@.service", "uwsgi-shop@8001.socket"]
