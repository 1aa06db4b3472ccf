"""The tables of keys: the description of every key, and that new keys in a table are used everywhere."""

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model import keys, tls_keys
from ansible_collections.pyweb.stack.plugins.module_utils.model.checks import Wrong, integer, line
from ansible_collections.pyweb.stack.plugins.module_utils.model.keys import Key
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete, split_secrets
from ansible_collections.pyweb.stack.plugins.module_utils.model.types import Secrets
from models import EXAMPLE, SECRET, SHOP, completed, fault, faults


def every_key(table, prefix=""):
    for name, key in table.items():
        yield f"{prefix}{name}", key
        for inner in [key.keys or {}, key.each or {}, *(key.kinds or {}).values()]:
            yield from every_key(inner, f"{prefix}{name}.")


KEYS = dict(every_key(keys.SITE_KEYS))


@pytest.mark.parametrize("name", KEYS)
def test_every_key_has_a_description_and_an_expected_value(name):
    key = KEYS[name]
    assert key.doc
    assert key.wants
    # In a mapping of names to sections, the check is that of a name.
    assert [key.check is None, key.keys is None, key.kinds is None].count(False) == 1
    assert key.each is None or key.check


@pytest.mark.parametrize("name", [name for name, key in KEYS.items() if key.check])
def test_errors_use_the_expected_value_of_the_table(name):
    """`docs/site.md` has the same text for people who read it first."""
    check = KEYS[name].check
    with pytest.raises(Wrong) as caught:
        # No value satisfies these; the first word of a command is a program.
        check([None] if name.endswith((".run", ".manage", ".command", ".cleanup")) else ["- -"])
    wanted, in_list, _rest = caught.value.wanted.partition(" (found '- -' in the list)")
    assert check.wants == (f"a list: {wanted}" if in_list else wanted)


@pytest.mark.parametrize("name", [name for name, key in KEYS.items() if key.check and key.default])
def test_defaults_are_valid_values(name):
    key = KEYS[name]
    as_given = {
        "nginx.listen": 80,
        "nginx.static": True,
        "nginx.media": True,
        "build": ["collectstatic"],
        "release": ["migrate"],
    }.get(name, key.default)
    assert key.check(as_given) == key.default


# Keys that a section or a kind of source requires in addition.
BESIDE = {
    "source.version": {"git": "https://git.example.com/shop.git"},
    "source.known_hosts": {"git": "https://git.example.com/shop.git"},
    "source.key": {"git": "https://git.example.com/shop.git"},
    "source.checksum": {"archive": "https://example.com/shop.zip"},
    "superuser.username": {"email": "admin@example.com", "password": SECRET},
    "superuser.email": {"username": "admin", "password": SECRET},
    "superuser.fields": {"username": "admin", "password": SECRET},
    **{f"workers.{name}": {"run": ["celery"]} for name in keys.WORKER_KEYS},
    **{f"timers.{name}": {"run": ["report"], "at": "03:30"} for name in keys.TIMER_KEYS},
    "workers.run": {"manage": ["db_worker"]},
    "timers.run": {"manage": ["report"], "at": "03:30"},
}
DNS = "tls.acme.challenge.dns"
BESIDE |= {
    **{f"{DNS}.{name}": {"command": ["dns-record"]} for name in tls_keys.DNS_KEYS},
    f"{DNS}.command": {"plugin": "cloudflare", "credentials": SECRET},
}
WITH_DEFAULT = [
    name
    for name, key in KEYS.items()
    # The empty list is the default of `at`, but cannot be written.
    if key.check and not key.required and key.default is not None and name != "timers.at"
]


def within(section, value):
    """Return a site's keys with a value at a section, which may be a mapping of names to sections."""
    if KEYS[section].each is not None:
        value = {"one": value}
    for name in reversed(section.split(".")):
        value = {name: value}
    return value


@pytest.mark.parametrize("name", WITH_DEFAULT)
def test_writing_out_a_default_changes_nothing(name):
    section, _dot, last = name.rpartition(".")
    beside = BESIDE.get(name, {})
    written_out = {last: KEYS[name].default, **{key: value for key, value in beside.items() if key != last}}
    given, left_out = (within(section, value) for value in (written_out, beside)) if section else (written_out, {})
    assert completed(**copy.deepcopy(given)) == completed(**copy.deepcopy(left_out))


@pytest.mark.parametrize("name", ["static", "media"])
def test_an_empty_path_of_files_is_the_default_path(name):
    site = completed(nginx={name: {"url": "/assets/", "path": ""}})
    assert site["nginx"][name] == completed(nginx={name: {"url": "/assets/"}})["nginx"][name]


def test_required_keys():
    assert [name for name, key in KEYS.items() if key.required] == [
        "name",
        "domains",
        "source.git",
        "source.archive",
        "source.directory",
        "source.path",
        "source.startproject",
        "superuser.password",
        "tls.certificate",
        "tls.key",
    ]


def test_secret_keys():
    found = {".".join(path): key for path, key in keys.secret_keys()}
    assert [name for name, key in found.items() if key.secret] == [
        "source.key",
        "env",
        "files",
        "database",
        "superuser.password",
        "nginx.basic_auth",
        "tls.key",
        "tls.acme.challenge.dns.environment",
        "tls.acme.challenge.dns.credentials",
    ]
    assert [name for name, key in found.items() if key.credentials] == [
        "source.git",
        "source.archive",
        "uwsgi.tarball",
    ]
    assert len(found) == 12
    # They are passed under their last name, or under another one.
    names = [key.stored or name.rpartition(".")[2] for name, key in found.items()]
    assert sorted(names) == sorted(set(names)) == sorted(Secrets.__annotations__)


@pytest.fixture
def backup(monkeypatch):
    """A section of keys that a later version might have."""
    table = {
        "target": Key(line, "", "Where to."),
        "passphrase": Key(line, "", "Of the archives.", secret=True),
        "keep": Key(keys={"days": Key(integer(1, 9), 3, "How long.")}, doc="What stays."),
    }
    monkeypatch.setitem(keys.SITE_KEYS, "backup", Key(keys=table, doc="Copies of the data."))


@pytest.mark.usefixtures("backup")
def test_a_new_section_needs_one_line_in_the_table():
    assert completed()["backup"] == {"target": "", "passphrase": "", "keep": {"days": 3}}
    site = completed(backup={"passphrase": SECRET, "keep": {"days": 9}})
    assert site["backup"] == {"target": "", "passphrase": SECRET, "keep": {"days": 9}}
    [shown], secrets = split_secrets([site])
    assert shown["backup"] == {"target": "", "keep": {"days": 9}}
    assert secrets["shop"]["passphrase"] == SECRET
    assert SECRET not in json.dumps(shown)


@pytest.mark.usefixtures("backup")
def test_faults_of_a_new_section_name_it():
    assert fault(backup={"keep": {"days": 0}}).endswith("backup.keep.days is 0; expected a whole number from 1 to 9")
    assert fault(backup={"keep": {"day": 1}}).endswith("unknown key 'backup.keep.day'; did you mean 'days'?")
    assert fault(backup={"keep": 3}).endswith("backup.keep is 3; expected a mapping of days")
    assert fault(backup=[SECRET]).endswith("backup is not usable; expected a mapping of target, passphrase, keep")
    assert fault(backup={"passphrase": [SECRET]}).endswith("backup.passphrase is not usable; expected text on one line")


@pytest.fixture
def mounts(monkeypatch):
    """A mapping of names to sections that a later version might have."""
    table = {"place": Key(line, "", "Where."), "more": Key(keys={"days": Key(integer(1, 9), 3, "Long.")}, doc="More.")}
    check = keys.SITE_KEYS["name"].check
    monkeypatch.setitem(keys.SITE_KEYS, "mounts", Key(check, {}, "What is mounted.", each=table))


@pytest.mark.usefixtures("mounts")
def test_a_mapping_of_names_to_sections_needs_one_line_in_the_table():
    assert completed()["mounts"] == completed(mounts=None)["mounts"] == {}
    found = completed(mounts={"a": None, "b": {"place": "x", "more": {"days": 9}}})["mounts"]
    assert found == {"a": {"place": "", "more": {"days": 3}}, "b": {"place": "x", "more": {"days": 9}}}
    assert fault(mounts={"b": {"more": {"days": 0}}}).endswith(
        "mounts.b.more.days is 0; expected a whole number from 1 to 9"
    )
    assert "mounts has the name 'B'; expected a lowercase letter" in fault(mounts={"B": {}})
    assert fault(mounts=["b"]).endswith("mounts is ['b']; expected a mapping of names to mappings of place, more")


def test_keys_in_a_mapping_of_names_cannot_be_secret():
    """`split_secrets` removes secrets by their path, which cannot contain a name."""
    tables = [key.each for key in KEYS.values() if key.each]
    assert len(tables) == 2
    for table in tables:
        assert not list(keys.secret_keys(table))


def test_a_section_with_required_keys_may_be_left_out():
    for given in ({}, None):
        assert completed(superuser=given)["superuser"] == {}
    [absent] = complete([{"name": "shop", "state": "absent"}])
    assert absent["superuser"] == {}


def test_every_missing_required_key_is_a_fault():
    found = faults({**SHOP, "superuser": {"email": "a@example.com"}})
    assert [text.partition(": ")[2] for text in found] == [
        "superuser.password is missing; it is required beside email",
    ]


@pytest.mark.parametrize("state", ["absent", "present"])
def test_domains_are_only_required_of_a_present_site(state):
    given = [{"name": "shop", "state": state}]
    if state == "absent":
        assert complete(given)[0]["name"] == "shop"
    else:
        assert "has no domains; it is required" in faults(*given)[0]
    assert "has no name; it is required" in faults({"state": state, "domains": ["a"]})[0]


def test_an_absent_sites_source_is_not_read():
    [site] = complete([{"name": "shop", "state": "absent", "source": {"nonsense": 1}}], example=str(EXAMPLE))
    assert site["source"] == {"kind": "none"}


@pytest.mark.parametrize(
    ("source", "declared"),
    [
        ({"git": "x"}, {"kind": "git", "git": "x", "version": "HEAD", "key": "", "known_hosts": [], "commit": ""}),
        ({"archive": "https://h/x.tgz"}, {"kind": "archive", "archive": "https://h/x.tgz", "checksum": ""}),
        ({"directory": str(EXAMPLE)}, {"kind": "directory", "directory": str(EXAMPLE), "digest": ""}),
        ({"path": "/srv/"}, {"kind": "path", "path": "/srv"}),
        ({"startproject": "x"}, {"kind": "startproject", "startproject": "x"}),
    ],
)
def test_keys_of_a_source_that_are_set_later_are_declared(source, declared):
    assert completed(source=source)["source"] == declared


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("uwsgi.processes", 1, 1024),
        ("uwsgi.threads", 1, 1024),
        ("nginx.read_timeout", 1, 86400),
        ("nginx.client_timeout", 0, 3600),
        ("nginx.limit_connections", 0, 65535),
        ("nginx.hsts", 0, 315360000),
        ("tls.acme.challenge.dns.wait", 0, 3600),
        ("health.timeout", 1, 600),
        ("health.watch", 0, 600),
        ("keep_releases", 1, 100),
    ],
)
def test_range_of_a_number(name, low, high):
    check = KEYS[name].check
    assert (check(low), check(high)) == (low, high)
    for value in (low - 1, high + 1):
        with pytest.raises(Wrong, match=f"a whole number from {low} to {high}"):
            check(value)


def test_range_of_a_status():
    check = KEYS["health.status"].check
    assert check([100, 599]) == [100, 599]
    for value in (99, 600):
        with pytest.raises(Wrong, match="from 100 to 599"):
            check([value])


@pytest.mark.parametrize(
    "name",
    [
        "domains",
        "uwsgi.socket",
        "nginx.listen",
        "nginx.listen_tls",
        "nginx.upstream",
        "health.status",
    ],
)
def test_lists_that_cannot_be_empty(name):
    with pytest.raises(Wrong, match="a list of at least 1"):
        KEYS[name].check([])


def test_all_defaults():
    site = completed()
    found = {name: site[name] for name in keys.SITE_KEYS if name not in ("name", "domains", "user", "source")}
    uwsgi, nginx = found.pop("uwsgi"), found.pop("nginx")
    uwsgi.pop("options")
    assert found == {
        "canonical": "",
        "prefix": "",
        "state": "present",
        "purge": False,
        "user_shared": False,
        "python": "auto",
        "virtualenv": "",
        "requirements": None,
        "extras": [],
        "groups": [],
        "install_project": False,
        "packages": [],
        "system_packages": [],
        "wsgi": "",
        "settings_module": "",
        "manage": "",
        "settings": {},
        "env": {},
        "env_file": "",
        "files": {},
        "writable": [],
        "seed": {"database": "", "media": ""},
        "database": "",
        "build": [{"kind": "builtin", "words": ["collectstatic"], "timeout": 1200, "once": False}],
        "release": [{"kind": "builtin", "words": ["migrate"], "timeout": 1200, "once": False}],
        "migrate": True,
        "superuser": {},
        "tls": {"kind": "none"},
        "health": {"path": "", "status": [], "timeout": 20, "watch": 5},
        "workers": {},
        "timers": {},
        "warm_up": ["/"],
        "keep_releases": 3,
    }
    assert uwsgi == {
        "install": "pyuwsgi",
        "version": "",
        "tarball": "",
        "checksum": "",
        "socket": [],
        "chmod_socket": "660",
        "processes": 2,
        "threads": 1,
        "unit": {},
    }
    assert nginx == {
        "listen": [{"address": "", "port": 80}],
        "listen_tls": [],
        "redirect": True,
        "hsts": 0,
        "trusted_proxies": [],
        "proxy_protocol": False,
        "charset": "utf-8",
        "client_max_body_size": "75m",
        "read_timeout": 60,
        "static": {
            "url": "/static/",
            "path": "/opt/sites/shop/current/static",
            "previous": "/opt/sites/shop/previous/static",
        },
        "media": {"url": "/media/", "path": "/var/lib/sites/shop/media"},
        "media_documents": "sandboxed",
        "upstream": ["unix:/opt/sites/shop/current/uwsgi.sock"],
        "options": {},
        "locations": {},
        "client_timeout": 0,
        "limit_connections": 0,
        "limit_requests": {},
        "headers": {},
        "precompressed": False,
        "hashed_names": [],
        "protected": {},
        "basic_auth": {},
        "error_pages": {},
    }


def test_default_source():
    for given in ({}, {"source": None}, {"source": {}}):
        assert completed(**given)["source"] == {"kind": "directory", "directory": str(EXAMPLE), "digest": ""}
