"""A release: its environment, its id, its record, and the release that is read from a record."""

from __future__ import annotations

import json
import os

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete, split_secrets
from ansible_collections.pyweb.stack.plugins.module_utils.release import release as releasing
from releases import FIXTURES, SECRET, make_layout, make_release, make_site, put_0_1

ME = __import__("pwd").getpwuid(os.getuid()).pw_name

# --- EnvironmentFile ---


def read_environment_file(text):
    """Return what systemd reads from an EnvironmentFile with quoted values (env-file.c, parse_env_file)."""
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


def test_every_value_arrives_unchanged(tmp_path):
    text = make_release(tmp_path, env=VALUES).environment_text
    assert read_environment_file(text) == VALUES
    assert releasing.parse_environment(text) == VALUES


def test_the_parser_of_this_test_refuses_wrong_quoting():
    assert read_environment_file('A="\\$"\n') == {"A": "$"}
    assert read_environment_file('A="a\\\nb"\n') == {"A": "ab"}
    with pytest.raises((AssertionError, ValueError, IndexError)):
        read_environment_file('A="a"b"\n')


def test_the_environment_file_is_sorted_so_that_equal_values_give_equal_texts():
    assert releasing.environment_text({"B": "2", "A": "1"}) == 'A="1"\nB="2"\n'


def test_the_database_is_part_of_the_environment(tmp_path):
    text = make_release(tmp_path, database=f"postgres://shop:{SECRET}@db/shop").environment_text
    assert read_environment_file(text) == {"DATABASE_URL": f"postgres://shop:{SECRET}@db/shop"}


# --- ids ---

# Ids that version 0.1 gave these releases. Apart from later hardening, including the sandbox, a host gets the same ids
# for the same inventory.
IDS_OF_0_1 = {"plain": "69f35c52774c", "tcp": "46f7ccf14e50", "options": "5399664f64ba", "in_place": "ce23fac87d27"}


SANDBOX_OF_0_1 = {"NoNewPrivileges": ["yes"], "PrivateTmp": ["yes"]}


@pytest.fixture
def sandbox_of_0_1(monkeypatch):
    monkeypatch.setattr(releasing, "of_site", lambda _site, _manifest: SANDBOX_OF_0_1)


@pytest.mark.usefixtures("sandbox_of_0_1")
@pytest.mark.parametrize("name", goldens.SITES)
def test_apart_from_later_hardening_a_release_has_the_id_of_0_1(name, monkeypatch):
    given = {**goldens.SITES[name], "env": {"TOKEN": 'a "b" $c'}}
    [site] = complete([given])
    secrets = {"env": site["env"], "database": site["database"], "git": "", "key": "", "password": ""}
    build = goldens.FOUND if name == "in_place" else goldens.BUILD
    assert releasing.wanted(site, secrets, build, "site-shop").id != IDS_OF_0_1[name]
    del site["uwsgi"]["options"]["max-vars"]
    as_by_0_1(monkeypatch)
    assert releasing.wanted(site, secrets, build, "site-shop", guarded=False).id == IDS_OF_0_1[name]


def as_by_0_1(monkeypatch):
    """Render units as 0.1 did: they start without checking the variables, and the ports are open to all."""
    render = releasing.units.render

    def optional(site):
        texts = {name: text for name, text in render(site).items() if not name.startswith("pyweb-ports-")}
        return {name: text.replace("EnvironmentFile=/", "EnvironmentFile=-/") for name, text in texts.items()}

    monkeypatch.setattr(releasing.units, "render", optional)


def test_a_releases_id_does_not_depend_on_the_order_of_env(tmp_path):
    first = make_release(tmp_path, env={"A": "1", "B": "2"})
    assert first.id == make_release(tmp_path, env={"B": "2", "A": "1"}).id
    assert len(first.id) == 12


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
def test_a_releases_id_changes_with_its_inputs(tmp_path, keys):
    assert make_release(tmp_path, **keys).id != make_release(tmp_path).id


CELERY = {"run": "celery worker"}


def test_a_releases_id_changes_with_its_workers_and_timers(tmp_path):
    given = [
        {},
        {"workers": {"celery": CELERY}},
        {"workers": {"celery": {**CELERY, "processes": 2}}},
        {"workers": {"other": CELERY}},
        {"timers": {"celery": {**CELERY, "at": "daily"}}},
        {"timers": {"celery": {**CELERY, "at": "hourly"}}},
    ]
    assert len({make_release(tmp_path, **keys).id for keys in given}) == len(given)
    assert make_release(tmp_path, workers={}, timers={}).id == make_release(tmp_path).id


def test_a_release_has_the_same_id_on_the_first_host_and_on_the_others(tmp_path):
    site, secrets = make_site(tmp_path, workers={"beat": {"run": "celery beat", "singleton": True}, "celery": CELERY})
    first = releasing.wanted(site, secrets, goldens.BUILD, "staff")
    other = releasing.wanted(site, secrets, goldens.BUILD, "staff", first=False)
    assert first.id == other.id
    assert {name.partition("@")[2] for name in set(first.background) - set(other.background)} == {
        f"{first.id}:beat:only.service"
    }


def test_workers_and_timers_are_read_from_the_record(tmp_path):
    keys = {"workers": {"celery": CELERY}, "timers": {"digest": {"manage": "x", "at": "daily"}}}
    release = make_release(tmp_path, {**goldens.BUILD, "source": {"kind": "git", "git": "x"}}, **keys)
    folder = tmp_path / "sites/shop/releases" / release.id
    folder.mkdir(parents=True)
    (folder / "release.json").write_text(json.dumps(release.record([], 1)))
    again = releasing.stored(release.layout, release.id)
    assert again.background == release.background
    assert len(again.background) == 4


def test_the_group_is_that_of_the_host_and_the_site_is_not_changed(tmp_path):
    site, secrets = make_site(tmp_path)
    before = json.dumps(site)
    release = releasing.wanted(site, secrets, goldens.BUILD, "staff")
    assert "Group=staff\n" in release.units["uwsgi-shop@.service"]
    assert json.dumps(site) == before


def test_a_release_takes_its_values_from_the_site(tmp_path):
    release = make_release(
        tmp_path,
        user="huatai",
        health={"path": "/healthz", "timeout": 9},
        uwsgi={"socket": [8000]},
        nginx={"read_timeout": 300, "listen": 8080},
        keep_releases=2,
        superuser={"username": "admin", "email": "a@example.com", "password": SECRET},
    )
    assert (release.name, release.user, release.host) == ("shop", "huatai", "shop.example.com:8080")
    assert release.health == {"path": "/healthz", "status": [], "timeout": 9, "watch": 5}
    assert (release.sockets, release.read_timeout, release.keep_releases) == (("127.0.0.1:8000",), 300, 2)
    assert release.superuser == {"username": "admin", "email": "a@example.com", "fields": {}}
    assert release.password == SECRET
    assert release.folder == f"{tmp_path}/sites/shop/releases/{release.id}"
    assert release.migrate is True
    assert make_release(tmp_path, migrate=False).migrate is False


# --- secrets ---


def test_a_releases_ini_contains_the_id_and_no_secret(tmp_path):
    release = make_release(tmp_path, env={"A": SECRET}, database=f"postgres://a:{SECRET}@b/c")
    assert f"/run/shop/{release.id}.sock\n" in release.ini
    assert "@RELEASE@" not in release.ini
    assert SECRET not in release.ini + json.dumps(dict(release.units)) + json.dumps(release.manifest)


def test_a_release_that_is_printed_shows_no_secret(tmp_path):
    release = make_release(
        tmp_path,
        env={"A": SECRET},
        database=f"postgres://a:{SECRET}@b/c",
        superuser={"username": "admin", "password": SECRET},
    )
    assert SECRET in release.environment_text
    assert SECRET not in repr(release)


HIDDEN = {
    "a variable": f"{SECRET}1",
    "a variable that starts like another": f"{SECRET}1-and-more",
    "the superuser's password": "superhush!",
    "the database's URL": "postgres://shop:data%40base!@db/shop",
    "the database's user and password": "shop:data%40base!",
    "the database's password": "data%40base!",
    "the decoded password": "data@base!",
    "one line of a key": "MIIEvQIBADANBgkqhkiG",
}


@pytest.mark.parametrize("what", HIDDEN)
def test_a_release_hides_its_secrets_in_failures(tmp_path, what):
    release = make_release(
        tmp_path,
        env={
            "SHORT": HIDDEN["a variable"],
            "LONG": HIDDEN["a variable that starts like another"],
            "KEY": f"-----BEGIN PRIVATE KEY-----\n{HIDDEN['one line of a key']}\n-----END PRIVATE KEY-----\n",
        },
        database=HIDDEN["the database's URL"],
        superuser={"username": "admin", "password": HIDDEN["the superuser's password"]},
    )
    with pytest.raises(StepError) as caught:
        release.shell().run("migrate", ["/bin/sh", "-c", 'echo "fatal: <$1>" >&2; exit 1', "sh", HIDDEN[what]], ME)
    assert str(caught.value) == "site 'shop': migrate failed: <********>\n  fatal: <********>"


def test_a_release_hides_a_secret_that_only_the_table_of_keys_declares(tmp_path):
    site, secrets = make_site(tmp_path)
    release = releasing.wanted(site, {**secrets, "token": SECRET}, goldens.BUILD, "staff")
    with pytest.raises(StepError) as caught:
        release.shell().run("migrate", ["/bin/sh", "-c", f'echo "fatal: {SECRET}" >&2; exit 1'], ME)
    assert str(caught.value) == "site 'shop': migrate failed: ********\n  fatal: ********"


def test_a_stored_release_hides_its_secrets_too(tmp_path):
    record = put_0_1(tmp_path, "unix")
    release = releasing.stored(make_layout(tmp_path), record["id"])
    with pytest.raises(StepError) as caught:
        release.shell().run("migrate", ["/bin/sh", "-c", f'echo "fatal: {SECRET} is wrong" >&2; exit 1'], ME)
    assert str(caught.value) == "site 'shop': migrate failed: ******** is wrong\n  fatal: ******** is wrong"


# --- records ---


def test_a_record_contains_what_a_rollback_needs_and_no_secret(tmp_path):
    source = {"kind": "git", "git": "/srv/shop.git", "version": "main", "commit": "c" * 40}
    release = make_release(
        tmp_path, {**goldens.BUILD, "source": source}, env={"A": SECRET}, database=f"postgres://a:{SECRET}@b/c"
    )
    record = release.record(["shop.0001_initial"], 1764000000)
    assert SECRET not in json.dumps(record)
    site = record.pop("site")
    assert record == {
        "id": release.id,
        "build": "0123456789ab",
        "made": 1764000000,
        "source": "git /srv/shop.git main cccccccccccc",
        "migrations": ["shop.0001_initial"],
        "code": "",
        "manifest": {**goldens.BUILD, "source": source},
        "units": release.units,
        "sandbox": release.sandbox,
        "guarded": True,
    }
    assert sorted(site) == [
        "domains",
        "group",
        "health",
        "keep_releases",
        "name",
        "nginx",
        "paths",
        "user",
        "uwsgi",
    ]
    assert site["nginx"] == {
        "listen": [{"address": "", "port": 80}],
        "read_timeout": 60,
        "static": make_site(tmp_path)[0]["nginx"]["static"],
    }
    assert site["uwsgi"] == make_site(tmp_path)[0]["uwsgi"]
    assert (site["uwsgi"]["socket"], site["uwsgi"]["unit"], site["uwsgi"]["processes"]) == ([], {}, 2)


@pytest.mark.usefixtures("sandbox_of_0_1")
@pytest.mark.parametrize("name", ["unix", "tcp"])
def test_a_release_is_recorded_as_by_0_1(name, monkeypatch):
    """So 0.1 can roll back to it, and a host with this record sees no change. 0.1 recorded less of uWSGI and nginx."""
    record = json.loads((FIXTURES / name / "release.json").read_text())
    sites, secrets = split_secrets(complete([json.loads((FIXTURES / name / "site.json").read_text())]))
    del sites[0]["uwsgi"]["options"]["max-vars"]
    as_by_0_1(monkeypatch)
    release = releasing.wanted(sites[0], secrets["shop"], record["manifest"], "site-shop", guarded=False)
    made = release.record(["shop.0001_initial"], 1764000000)
    assert made["site"]["uwsgi"] == sites[0]["uwsgi"]
    assert set(record["site"]["uwsgi"]) == {"socket", "unit"}
    made["site"]["uwsgi"] = {key: made["site"]["uwsgi"][key] for key in record["site"]["uwsgi"]}
    assert made["site"]["nginx"].pop("static") == sites[0]["nginx"]["static"]
    assert made.pop("sandbox") == SANDBOX_OF_0_1
    assert made == record
    assert release.ini == (FIXTURES / name / "uwsgi.ini").read_text()
    assert release.environment_text == (FIXTURES / name / "environment").read_text()


def test_code_in_place_is_recorded_by_its_digest(tmp_path):
    (tmp_path / "wsgi.py").write_text("old")
    source = {"kind": "path", "path": str(tmp_path)}
    release = make_release(tmp_path, {**goldens.BUILD, "src": str(tmp_path), "source": source})
    before = release.code_in_place()
    assert release.record([], 0)["code"] == before
    assert len(before) == 64
    (tmp_path / "wsgi.py").write_text("new")
    assert release.code_in_place() != before


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            {"kind": "git", "git": "/srv/x.git", "version": "main", "commit": "c" * 40},
            "git /srv/x.git main " + "c" * 12,
        ),
        ({"kind": "git", "git": "/srv/x.git", "version": "c" * 40, "commit": "c" * 40}, "git /srv/x.git " + "c" * 12),
        ({"kind": "directory", "digest": "d" * 64}, "directory " + "d" * 12),
        ({"kind": "archive", "archive": "/x.zip", "checksum": "e" * 64}, "archive /x.zip " + "e" * 12),
        ({"kind": "path", "path": "/srv/x"}, "path /srv/x"),
    ],
)
def test_short_description_of_a_source(source, words):
    assert releasing.shown_source(source) == words


# --- releases that are stored on the host ---

# Keys of a record's site that only templates of units read. Old records may lack keys that are added later.
TEMPLATES_ONLY = [(), ("group",), ("paths",), ("name",), ("uwsgi", "unit")]


def without(record, keys):
    if keys:
        *outer, last = keys
        part = record["site"]
        for key in outer:
            part = part[key]
        del part[last]
    return record


@pytest.mark.parametrize("name", ["unix", "tcp"])
@pytest.mark.parametrize("missing", TEMPLATES_ONLY, ids=".".join)
def test_a_release_of_0_1_is_read_unchanged(tmp_path, name, missing):
    record = put_0_1(tmp_path, name)
    path = tmp_path / "sites/shop/releases" / record["id"] / "release.json"
    path.write_text(json.dumps(without(json.loads(path.read_text()), missing)))
    release = releasing.stored(make_layout(tmp_path), record["id"])
    assert (release.id, release.user, release.units) == (record["id"], "site-shop", record["units"])
    assert release.ini == path.with_name("uwsgi.ini").read_text()
    assert release.health == {"path": "/healthz", "status": [200, 204], "timeout": 30}
    assert release.manifest == record["manifest"]
    assert release.environment["TOKEN"] == 'a "b" $c'
    if name == "tcp":
        assert (release.sockets, release.read_timeout) == (("127.0.0.1:8000", "[::1]:8001"), 300)
        assert (release.host, release.keep_releases) == ("shop.example.com:8080", 4)
    else:
        assert (release.sockets, release.read_timeout, release.keep_releases) == ((), 60, 3)
        assert release.host == "shop.example.com"
        assert release.environment["DATABASE_URL"] == f"postgres://shop:{SECRET}@db/shop"
    assert (release.migrate, release.superuser, release.password) == (False, {}, "")
    assert not release.guarded


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("f" * 12, "release 'ffffffffffff' is not on this host; the host has f682cde945c7"),
        ("halfmade", "release 'halfmade' is not on this host; the host has f682cde945c7"),
        ("", "there is no previous release; the host has f682cde945c7"),
    ],
)
def test_a_missing_release_is_an_error(tmp_path, wanted, words):
    put_0_1(tmp_path, "unix")
    (tmp_path / "sites/shop/releases/halfmade").mkdir()
    with pytest.raises(StepError) as caught:
        releasing.stored(make_layout(tmp_path), wanted)
    assert str(caught.value) == f"site 'shop': rollback failed: {words}"


def test_a_host_without_releases(tmp_path):
    with pytest.raises(StepError, match=r"there is no previous release; the host has none$"):
        releasing.stored(make_layout(tmp_path), "")
