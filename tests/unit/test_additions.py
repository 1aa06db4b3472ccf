"""What is added to a build's code and data: which user does it, where it is stored, and what is refused."""

from __future__ import annotations

import json
import os
import pwd
import stat
import subprocess

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import additions
from ansible_collections.pyweb.stack.plugins.module_utils.build.build_settings import SettingsOfBuild
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from builds import AS_ROOT, FakeShell, make_context
from models import SECRET, fault

FILES = {"mysite/local.py": f"TOKEN = '{SECRET}'\n", "a.ini": ""}
FOUND = {
    "asgi": "",
    "paths": [],
    "chdir": ".",
    "settings_module": "mysite.settings",
    "wsgi": "mysite.wsgi:application",
    "configuration": "",
}


def told(**more):
    return json.dumps({"replaced": [], "seeded": [], **more}) + "\n"


def context_of(tmp_path, answers=None, builder="", **keys):
    context = make_context(tmp_path, shell=FakeShell("shop", answers), user="nobody", builder=builder, **keys)
    os.makedirs(context.layout.config)
    os.makedirs(context.layout.state)
    os.makedirs(f"{tmp_path}/build/src", exist_ok=True)
    return context


# --- files and writable paths ---


def test_a_site_without_additions_runs_no_command(tmp_path):
    context = context_of(tmp_path)
    assert additions.inputs(context) == {}
    assert additions.add(context, f"{tmp_path}/build", "/venv") == []
    assert additions.seed(context, f"{tmp_path}/build", "/venv", {}) == []
    assert context.shell.calls == []


@AS_ROOT
def test_files_are_readable_for_the_sites_group_and_linked_by_the_builder(tmp_path):
    answers = {" - ": told(replaced=["a.ini"])}
    context = context_of(tmp_path, answers, builder="daemon", files=FILES, writable=["logs"])
    notes = additions.add(context, f"{tmp_path}/build", "/venv")
    assert notes == ["files replaces a.ini of the source"]
    folder = context.layout.files(additions.digest(FILES))
    group = pwd.getpwnam("nobody").pw_gid
    for path, mode in {"": 0o750, "mysite": 0o750, "mysite/local.py": 0o640, "a.ini": 0o640}.items():
        about = os.stat(f"{folder}/{path}")
        assert (about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)) == (0, group, mode), path
    writable = {f"{tmp_path}/build/src/logs": f"{context.layout.state}/writable/logs"}
    # The data belongs to the site's user, the code does not.
    keep, call = context.shell.calls
    assert (keep.user, json.loads(keep.argv[2])) == ("nobody", {"keep": writable})
    assert (call.user, call.step, call.argv[:2]) == ("daemon", "files", ["/venv/bin/python", "-"])
    assert SECRET not in " ".join(call.argv)
    assert json.loads(call.argv[2]) == {
        "links": {f"{tmp_path}/build/src/{path}": f"{folder}/{path}" for path in FILES},
        "writable": writable,
    }


def test_the_inputs_of_a_build_have_digests_instead_of_texts(tmp_path):
    keys = {"files": FILES, "writable": ["logs"], "seed": {"media": "m"}}
    found = additions.inputs(make_context(tmp_path, shell=FakeShell("shop"), **keys))
    assert found == {"files": additions.digest(FILES), "writable": ["logs"], "seed": {"media": "m"}}
    assert additions.digest(FILES) == additions.digest(dict(reversed(FILES.items()))) != additions.digest({})


@AS_ROOT
def test_a_failure_names_the_site_and_the_step(tmp_path):
    failure = subprocess.CompletedProcess([], 1, "", "error: files has 'mysite', which is a directory of the source")
    context = context_of(tmp_path, {" - ": failure}, files=FILES)
    with pytest.raises(StepError, match="site 'shop': files failed: files has 'mysite', which is a directory"):
        additions.add(context, f"{tmp_path}/build", "/venv")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            {"files": {"a": SECRET}},
            "files needs code that the collection deploys; source.path is used in place",
        ),
        ({"writable": ["a"]}, "writable needs code that the collection deploys"),
        ({"seed": {"media": "a"}}, "seed needs code that the collection deploys"),
    ],
)
def test_code_in_place_gets_no_additions(keys, words):
    said = fault(source={"path": "/srv/shop"}, **keys)
    assert words in said
    assert SECRET not in said


def test_inconsistent_keys_are_refused():
    assert "seed.database is an SQLite file, and database is another one" in fault(
        seed={"database": "a"}, database="postgres://a/b"
    )
    assert ("seed.media can only be used with nginx.media, which is false") in fault(
        seed={"media": "a"}, nginx={"media": False}
    )
    assert "writable has a/b, and files has a; expected paths that are not inside one another" in fault(
        files={"a": ""}, writable=["a/b"]
    )


# --- the first data ---

FACTS = {"database": {"engine": "django.db.backends.sqlite3", "file": "/data/db.sqlite3"}}


def test_seed_is_copied_only_once(tmp_path):
    keys = {"seed": {"database": "db.sqlite3", "media": "m"}}
    answers = iter([told(seeded=["database"]), told()])
    context = context_of(tmp_path, {" - ": lambda _argv: next(answers)}, builder="daemon", **keys)
    root = f"{tmp_path}/build"
    assert additions.seed(context, root, "/venv", FACTS) == [
        "the database was copied from db.sqlite3 of the source",
        "seed.media was not used: there are media already",
    ]
    [call] = context.shell.calls
    assert call.user == "nobody"
    assert json.loads(call.argv[2])["seed"] == {
        "database": [f"{root}/src/db.sqlite3", "/data/db.sqlite3"],
        "media": [f"{root}/src/m", context.layout.media],
    }
    # A used seed is not used again, even if somebody has removed the data since.
    additions.seed(context, root, "/venv", FACTS)
    assert list(json.loads(context.shell.calls[1].argv[2])["seed"]) == ["media"]


@pytest.mark.parametrize("engine", ["django.db.backends.postgresql", ""])
def test_an_sqlite_seed_is_refused_for_another_database(tmp_path, engine):
    context = context_of(tmp_path, seed={"database": "db.sqlite3"})
    with pytest.raises(StepError, match=r"seed\.database is 'db\.sqlite3', an SQLite file, and the project's database"):
        additions.seed(context, f"{tmp_path}/build", "/venv", {"database": {"engine": engine, "file": ""}})
    assert context.shell.calls == []


# --- the settings of a build ---


def settings_of(tmp_path, answers=None, **keys):
    context = context_of(tmp_path, answers, **keys)
    os.makedirs(f"{tmp_path}/build/overlay")
    settings = SettingsOfBuild(context, "/venv", f"{tmp_path}/build", FOUND)
    settings.write()
    return settings


def prepared(tmp_path):
    return (tmp_path / "build/overlay/pyweb_environment.py").read_text()


def test_settings_with_debug_false_are_imported_once(tmp_path):
    settings = settings_of(tmp_path)
    answers = iter([{"django": "5.2"}])
    assert settings.probed(lambda: next(answers)) == {"django": "5.2"}
    assert settings.context.shell.calls == []
    assert "DEBUG_TRIED = False" in prepared(tmp_path)


@pytest.mark.parametrize("exported", [{"SHOP_DEBUG": "0"}, {}])
def test_the_variable_that_sets_debug_to_false_is_searched_once(tmp_path, exported):
    settings = settings_of(tmp_path, {"SHOP_DEBUG": json.dumps(exported)})
    answers = iter([{"debug": ["SHOP_DEBUG"]}, {"django": "5.2"}])
    found = settings.probed(lambda: next(answers))
    assert found == {"django": "5.2", **({"exported": exported} if exported else {})}
    [call] = settings.context.shell.calls
    assert (call.user, call.argv) == ("nobody", ["/venv/bin/python", "-", "pyweb_settings", '["SHOP_DEBUG"]'])
    assert "DEBUG_TRIED = True" in prepared(tmp_path)
    assert ("'SHOP_DEBUG': '0'" in prepared(tmp_path)) is bool(exported)


def test_debug_is_set_before_the_projects_own_steps(tmp_path):
    settings = settings_of(tmp_path, {"SHOP_DEBUG": '{"SHOP_DEBUG": "0"}'})
    settings.decide(lambda: {"debug": ["SHOP_DEBUG"]})
    assert "'SHOP_DEBUG': '0'" in prepared(tmp_path)
    assert settings.probed(lambda: {"django": "5.2"})["exported"] == {"SHOP_DEBUG": "0"}
    settings.decide(dict)


def test_only_missing_variables_stop_a_build_before_the_projects_own_steps(tmp_path):
    """Other faults may disappear later: the steps may create what the settings read."""

    def fails(cause):
        raise StepError("shop", "settings", cause)

    settings = settings_of(tmp_path)
    settings.decide(lambda: fails("FileNotFoundError: webpack-stats.json"))
    with pytest.raises(StepError, match="2 variables are missing"):
        settings.decide(lambda: fails("2 variables are missing in the environment: A, B"))
    for told in ("KeyError: 'A'; set A in `env:` of the site", "TypeError; set `database:` of the site"):
        with pytest.raises(StepError):
            settings.decide(lambda told=told: fails(told))


@pytest.mark.parametrize(
    ("facts", "keys", "words"),
    [
        ({"memory": ["default"]}, {}, "settings failed: the database is SQLite in memory"),
        ({"secure": ["SECURE_SSL_REDIRECT"]}, {}, "settings failed: SECURE_SSL_REDIRECT is true"),
        ({"secure": ["SECURE_SSL_REDIRECT"]}, {"nginx": {"options": {"ssl_certificate": "/a.pem"}}}, ""),
        (
            {"secure": ["SECURE_SSL_REDIRECT"]},
            {"nginx": {"options": {"uwsgi_param": "HTTP_X_FORWARDED_PROTO $http_x_forwarded_proto"}}},
            "",
        ),
        ({"secure": ["SECURE_SSL_REDIRECT"]}, {"tls": "selfsigned"}, ""),
        ({"secure": ["SECURE_SSL_REDIRECT"]}, {"nginx": {"trusted_proxies": ["10.0.0.0/8"]}}, ""),
        ({"secure": ["SECURE_SSL_REDIRECT"]}, {"settings": {"SECURE_SSL_REDIRECT": True}}, ""),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path, facts, keys, words):
    settings = settings_of(tmp_path, **keys)
    if not words:
        assert settings.probed(lambda: {"facts": facts}) == {"facts": facts}
        return
    with pytest.raises(StepError, match=words):
        settings.probed(lambda: {"facts": facts})


def test_messages_about_settings(tmp_path):
    facts = {"sessions": {"engine": "x.cache", "alias": "default", "cache": "x.LocMemCache"}}
    [note] = settings_of(tmp_path, uwsgi={"processes": 3}).notes(facts)
    assert "and the site has 3: visitors are logged out at random; set settings: {SESSION_ENGINE:" in note


def test_a_cache_table_that_the_release_creates_is_not_missing(tmp_path):
    facts = {"cache_tables": ["shop_cache"]}
    (tmp_path / "a").mkdir()
    assert len(settings_of(tmp_path / "a").notes(facts)) == 1
    (tmp_path / "b").mkdir()
    steps = ["migrate", {"manage": "createcachetable shop_cache"}]
    assert settings_of(tmp_path / "b", release=steps).notes(facts) == []


def test_a_database_file_that_stays_on_the_controller_is_named(tmp_path):
    target = tmp_path / "db.sqlite3"
    facts = {"database": {"engine": "django.db.backends.sqlite3", "file": str(target)}}
    settings = settings_of(tmp_path)
    assert settings.notes(facts) == []
    settings.context.site["source"]["left_out"] = ["old/other.sqlite3", "data/db.sqlite3"]
    [note] = settings.notes(facts)
    assert note.startswith("the source has a database, data/db.sqlite3, which is not used")
    target.write_text("the site has one")
    assert settings.notes(facts) == []


def test_missing_variables_are_searched_without_network_and_data(tmp_path):
    found = json.dumps([["A", "a.py:1"], ["B", "a.py:2"]])
    settings = settings_of(tmp_path, {" - ": f"printed\n{found}\n"}, env={"TOKEN": SECRET})
    os.mkdir(settings.context.layout.media)
    assert settings.missing("x").startswith(
        "2 variables are missing in the environment: A (a.py:1), B (a.py:2); set env"
    )
    [call] = settings.context.shell.calls
    assert (call.user, call.environment["TOKEN"]) == ("nobody", SECRET)
    assert SECRET not in " ".join(call.argv)
    assert call.sandbox["PrivateNetwork"] == ["yes"]
    empty = [item.partition(":")[0] for item in call.sandbox["TemporaryFileSystem"]]
    assert {"/run", settings.context.layout.state, settings.context.layout.cache} <= set(empty)
    assert settings.context.layout.media not in empty  # Hidden with the directory that contains it.
    assert not any(settings.context.layout.state in path for path in call.sandbox["ReadWritePaths"])
    # The sandbox has its own /tmp.
    assert "/tmp" not in empty  # noqa: S108 - a name in a list


@pytest.mark.parametrize(
    ("name", "cause", "wanted"),
    [
        (
            "A",
            "RuntimeError: where is it? (a.py:1)",
            "RuntimeError: where is it? (a.py:1); set A in `env:` of the site",
        ),
        ("DATABASE_URL", "TypeError", "TypeError; set `database:` of the site"),
        ("A", "KeyError: 'A'; set A in `env:` of the site", ""),
    ],
)
def test_one_missing_variable_is_reported_with_its_fix(tmp_path, name, cause, wanted):
    assert settings_of(tmp_path, {" - ": json.dumps([[name, "a.py:1"]])}).missing(cause) == wanted


@pytest.mark.parametrize(
    "answer", [subprocess.CompletedProcess([], 1, "", "unshare failed"), subprocess.CompletedProcess([], 0, "", "")]
)
def test_a_host_without_a_sandbox_reports_only_the_first_variable(tmp_path, answer):
    assert settings_of(tmp_path, {" - ": answer}).missing("x") == ""
