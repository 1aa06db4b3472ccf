"""The site model: what it accepts, what it refuses and in which words, what it fills in."""

from __future__ import annotations

import hashlib
import itertools
import json

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model import site as model

SHOP = {"name": "shop", "domains": ["shop.example.com"]}
SECRET = "correct-horse-battery"
KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----"


@pytest.fixture(autouse=True)
def example(tmp_path, monkeypatch):
    """The example project, which is deployed when no source is named: an empty directory will do."""
    folder = tmp_path / "example"
    folder.mkdir()
    monkeypatch.setattr(model.complete, "__defaults__", (None, str(tmp_path), str(folder)))
    return folder


def completed(**keys):
    [site] = model.complete([{**SHOP, **keys}])
    return site


def faults(*sites, **keywords):
    with pytest.raises(model.SiteError) as caught:
        model.complete(list(sites), **keywords)
    assert all("\n" not in one for one in caught.value.faults)
    assert str(caught.value).count("\n") == len(caught.value.faults)
    return caught.value.faults


def fault(**keys):
    """The one fault of an otherwise good site."""
    [one] = faults({**SHOP, **keys})
    return one


# --- what is filled in ---


def test_two_keys_are_enough():
    site = completed()
    assert site["user"] == "site-shop"
    assert site["managed_user"]
    assert site["paths"] == {
        "root": "/opt/sites/shop",
        "builds": "/opt/sites/shop/builds",
        "virtualenvs": "/opt/sites/shop/virtualenvs",
        "releases": "/opt/sites/shop/releases",
        "current": "/opt/sites/shop/current",
        "previous": "/opt/sites/shop/previous",
        "history": "/opt/sites/shop/history",
        "state": "/var/lib/sites/shop",
        "config": "/etc/sites/shop",
        "run": "/run/sites/shop",
        "cache": "/var/cache/sites/shop",
        "media": "/var/lib/sites/shop/media",
    }
    assert site["nginx"]["upstream"] == ["unix:/opt/sites/shop/current/uwsgi.sock"]
    assert site["nginx"]["client_max_body_size"] == "75m"
    assert site["uwsgi"]["socket"] == []
    assert site["origins"] == ["http://shop.example.com", "https://shop.example.com"]
    assert site["source"]["kind"] == "directory"


def test_what_comes_out_is_plain_data():
    assert json.loads(json.dumps(completed(env={"A": "b"}))) == completed(env={"A": "b"})


def test_a_second_call_is_not_touched_by_the_first():
    first = model.complete([SHOP, {**SHOP, "name": "b", "domains": ["b.example.com"]}])
    for site in first:
        site["packages"].append("changed")
        site["uwsgi"]["options"]["changed"] = True
        site["nginx"]["listen"].append("changed")
    second = json.dumps(model.complete([SHOP]))
    assert "changed" not in second


def test_what_was_given_is_not_changed():
    given = [{**SHOP, "uwsgi": {"options": {"harakiri": 5}}, "superuser": {"username": "a", "password": SECRET}}]
    before = json.dumps(given)
    model.complete(given)
    assert json.dumps(given) == before


def test_a_key_without_a_value_means_the_default():
    assert completed(packages=None, uwsgi={"processes": None}) == completed()


def test_both_ends_of_a_tcp_socket_agree():
    site = completed(uwsgi={"socket": [8000, "0.0.0.0:8001", "[::]:8002", "localhost:8003", "[::1]:8004"]})
    assert site["uwsgi"]["socket"] == ["127.0.0.1:8000", "0.0.0.0:8001", "[::]:8002", "127.0.0.1:8003", "[::1]:8004"]
    assert site["nginx"]["upstream"] == [
        "127.0.0.1:8000",
        "127.0.0.1:8001",
        "127.0.0.1:8002",
        "127.0.0.1:8003",
        "[::1]:8004",
    ]


def test_harakiri_ends_before_nginx_gives_up():
    assert completed(nginx={"read_timeout": 90})["uwsgi"]["options"]["harakiri"] == 85


def test_a_uwsgi_option_of_null_drops_the_default():
    options = completed(uwsgi={"options": {"vacuum": None, "max_requests": 7}})["uwsgi"]["options"]
    assert "vacuum" not in options
    assert options["max-requests"] == 7


def test_media_elsewhere_is_where_django_stores_too():
    site = completed(nginx={"media": "/srv/pictures/"})
    assert site["paths"]["media"] == site["nginx"]["media"]["path"] == "/srv/pictures"


def test_static_of_the_previous_release_is_served_unless_the_path_is_given():
    assert completed()["nginx"]["static"]["previous"] == "/opt/sites/shop/previous/static"
    assert completed(nginx={"static": "/srv/static"})["nginx"]["static"]["previous"] == ""
    assert completed(nginx={"static": False})["nginx"]["static"] is None


def test_origins_have_the_ports_that_are_not_the_schemes_own():
    site = completed(domains=["a.example.com", "::1"], nginx={"listen": [80, 8443]})
    assert site["origins"] == [
        "http://a.example.com",
        "https://a.example.com",
        "http://a.example.com:8443",
        "https://a.example.com:8443",
        "http://[::1]",
        "https://[::1]",
        "http://[::1]:8443",
        "https://[::1]:8443",
    ]


def test_roots_are_variables():
    [site] = model.complete([SHOP], roots={"sites": "/home/huatai/works/"})
    assert site["paths"]["current"] == "/home/huatai/works/shop/current"
    assert site["paths"]["state"] == "/var/lib/sites/shop"


def test_a_long_name_gets_a_user_that_useradd_takes():
    users = {completed(name="a" * 30 + last)["user"] for last in "ab"}
    assert len(users) == 2
    assert all(len(user) <= 31 for user in users)


def test_an_absent_site_needs_a_name_only():
    [site] = model.complete([{"name": "shop", "state": "absent"}])
    assert site["source"] == {"kind": "none"}
    assert site["domains"] == []


def test_virtualenv_none_takes_the_uwsgi_of_the_distribution():
    assert completed(source={"path": "/srv/shop"}, virtualenv="none")["uwsgi"]["install"] == "distribution"


def test_a_relative_directory_starts_at_the_playbook(tmp_path):
    (tmp_path / "code").mkdir()
    assert completed(source={"directory": "code"})["source"]["directory"] == str(tmp_path / "code")


def test_a_local_archive_is_known_by_its_checksum(tmp_path):
    (tmp_path / "code.tgz").write_bytes(b"an archive")
    digest = "sha256:" + hashlib.sha256(b"an archive").hexdigest()
    assert completed(source={"archive": "code.tgz"})["source"]["checksum"] == digest


# --- good values, key by key: (given, what it becomes) ---

GOOD = {
    "name": [("a", "a"), ("a-1", "a-1"), ("a" * 31, "a" * 31)],
    "domains": [
        ("Shop.Example.COM", ["shop.example.com"]),
        (["*.example.com"], ["*.example.com"]),
        (["192.0.2.1", "2001:DB8::1", "[::1]"], ["192.0.2.1", "[2001:db8::1]", "[::1]"]),
        (["xn--bcher-kva.example", "localhost"], ["xn--bcher-kva.example", "localhost"]),
        (["a.example.com", "A.example.com"], ["a.example.com"]),
    ],
    "purge": [(True, True)],
    "user": [("www", "www"), ("_www-1", "_www-1")],
    "python": [("3.12", "3.12"), (3.12, "3.12"), (3.9, "3.9"), ("/opt/python/bin/python3", "/opt/python/bin/python3")],
    "requirements": [([], []), ("requirements/prod.txt", ["requirements/prod.txt"])],
    "packages": [
        (["Django>=5.2,<5.3", "psycopg[binary]"], ["Django>=5.2,<5.3", "psycopg[binary]"]),
        ("wagtail", ["wagtail"]),
    ],
    "system_packages": [(["libpq5", "libstdc++6", "python3.12-devel"], ["libpq5", "libstdc++6", "python3.12-devel"])],
    "wsgi": [("mysite.wsgi", "mysite.wsgi"), ("a.b.c:app", "a.b.c:app")],
    "settings_module": [("mysite.settings.production", "mysite.settings.production")],
    "manage": [("src/manage.py", "src/manage.py")],
    "settings": [({"A_1": {"b": [1, 2.5, None, True, "c'\"\n"]}}, {"A_1": {"b": [1, 2.5, None, True, "c'\"\n"]}})],
    "env": [
        (
            {"A": "b\nc", "_B": 1, "C": True, "D": 1.5, "E": ""},
            {"A": "b\nc", "_B": "1", "C": "true", "D": "1.5", "E": ""},
        )
    ],
    "database": [(f"postgres://shop:{SECRET}@db:5432/shop", f"postgres://shop:{SECRET}@db:5432/shop")],
    "migrate": [(False, False)],
    "warm_up": [([], []), ("/", ["/"]), (["/", "/a?b=c"], ["/", "/a?b=c"])],
    "keep_releases": [(1, 1), ("5", 5)],
    "uwsgi.install": [(one, one) for one in ("pyuwsgi", "uwsgi", "tarball", "distribution")],
    "uwsgi.version": [("2.0.31", "2.0.31"), ("2.0.30.post1", "2.0.30.post1")],
    "uwsgi.chmod_socket": [("0660", "660"), ("666", "666")],
    "uwsgi.processes": [(1, 1), ("4", 4)],
    "uwsgi.threads": [(1024, 1024)],
    "uwsgi.unit": [
        ({"LimitNOFILE": 4096}, {"LimitNOFILE": ["4096"]}),
        ({"Environment": ["A=1", "B=%i"]}, {"Environment": ["A=1", "B=%i"]}),
        ({"PrivateTmp": True}, {"PrivateTmp": ["true"]}),
    ],
    "nginx.listen": [
        (8080, [{"address": "", "port": 8080}]),
        (["127.0.0.1:81", "[::1]:82"], [{"address": "127.0.0.1", "port": 81}, {"address": "[::1]", "port": 82}]),
        ("80", [{"address": "", "port": 80}]),
    ],
    "nginx.charset": [("koi8-r", "koi8-r")],
    "nginx.client_max_body_size": [("1g", "1g"), ("0", "0")],
    "nginx.read_timeout": [(3600, 3600)],
    "nginx.upstream": [("unix:/run/a.sock", ["unix:/run/a.sock"]), (["10.0.0.1:8000"], ["10.0.0.1:8000"])],
    "nginx.options": [
        ({"add_header": 'X "a; b" always'}, {"add_header": ['X "a; b" always']}),
        ({"gzip": True, "deny": ["192.0.2.1", "all"]}, {"gzip": ["on"], "deny": ["192.0.2.1", "all"]}),
        ({"set": "$a ${b}c"}, {"set": ["$a ${b}c"]}),
    ],
    "nginx.locations": [({"= /a": {"return": 204}}, {"= /a": {"return": ["204"]}})],
    "health.path": [("/healthz?deep=1", "/healthz?deep=1")],
    "health.status": [(200, [200]), ([200, "301"], [200, 301])],
    "health.timeout": [(600, 600)],
}


@pytest.mark.parametrize(("key", "given", "wanted"), [(key, *pair) for key, pairs in GOOD.items() for pair in pairs])
def test_good_value(key, given, wanted):
    section, _dot, inner = key.rpartition(".")
    site = completed(**{section: {inner: given}} if section else {key: given})
    assert (site[section][inner] if section else site[key]) == wanted


# --- bad values, key by key: (given, the words of the fault behind the site and the key) ---

HOSTS = "wanted host names such as shop.example.com, *.example.com or an IP address"
PORT = "wanted a port from 1 to 65535, or address:port such as 127.0.0.1:8000 or [::1]:8000"
BAD = {
    "name": [
        ("Shop", "is 'Shop'; wanted a small letter, then small letters, digits and -, at most 31"),
        ("my shop", "is 'my shop'; wanted a small letter"),
        ("shop\n", r"is 'shop\n'; wanted a small letter"),
        ("shop;", "is 'shop;'; wanted a small letter"),
        ("shop{", "is 'shop{'; wanted a small letter"),
        ("shop%i", "is 'shop%i'; wanted a small letter"),
        ("shop'", 'is "shop\'"; wanted a small letter'),
        ('shop"', "is 'shop\"'; wanted a small letter"),
        ("../shop", "is '../shop'; wanted a small letter"),
        ("a" * 32, "at most 31"),
        (7, "is 7; wanted a small letter"),
        ("shop-probe", "wanted a name that does not end in -probe"),
    ],
    "domains": [
        *[
            ([f"shop{bad}example.com"], HOSTS)
            for bad in (" ", "\n", ";", "{", "}", "%", "'", '"', "$", "#", "\\", "/", "\0", "\t")
        ],
        (["shop.example.com\n"], HOSTS),
        (["fe80::1%eth0"], HOSTS),
        (["::1%; return 200; #"], HOSTS),
        ([".example.com"], HOSTS),
        (["a..b"], HOSTS),
        (["-a.example.com"], HOSTS),
        (["a" * 64 + ".com"], HOSTS),
        (["https://shop.example.com"], HOSTS),
        (["shop.example.com:80"], HOSTS),
        (["bücher.example"], "write it as xn--bcher-kva.example"),
        ([], "is []; wanted a list of at least 1"),
        ([None], f"is [None]; {HOSTS} (found None in the list)"),
        ({"a": 1}, "is not usable; wanted a list"),
    ],
    "state": [("abset", "is 'abset'; wanted one of present, absent; did you mean 'absent'?"), (True, "wanted one of")],
    "purge": [("yes", "is 'yes'; wanted true or false"), (1, "is 1; wanted true or false")],
    "user": [("a b", "is 'a b'; wanted an account name"), ("Root", "wanted an account name")],
    "python": [
        ("2.7", "is '2.7'; wanted auto, a version such as '3.12', or the absolute path of an interpreter"),
        (3.1, "is 3.1; wanted auto, a version such as '3.12', or the absolute path of an interpreter; quote it"),
        ("3.12.1", "wanted auto"),
        (3, "wanted auto"),
        ("/opt/a b", "wanted auto"),
    ],
    "virtualenv": [("venv", "wanted none, or an absolute path"), ("/srv/../etc", "without '..'")],
    "requirements": [
        ("/etc/passwd", "wanted a path relative to the source"),
        ("../a.txt", "without '..'"),
        (["a b.txt"], "(found 'a b.txt' in the list)"),
    ],
    "packages": [
        (["Django>5,<"], "is ['Django>5,<']; wanted requirements such as 'Django>=5.2,<5.3' or 'psycopg[binary]'"),
        (["-r other.txt"], "wanted requirements"),
        (["--index-url=x"], "wanted requirements"),
        (["a\nb"], "wanted text on one line"),
        ([f"a @ https://u:{SECRET}@h/a.whl"], "wanted no password in a URL"),
    ],
    "system_packages": [(["-y"], "wanted package names"), (["a b"], "wanted package names")],
    "wsgi": [
        ("mysite/wsgi.py", "is 'mysite/wsgi.py'; wanted module:callable, such as mysite.wsgi:application"),
        ("mysite..wsgi", "wanted module:callable"),
        ("mysite.", "wanted module:callable"),
        ("a:b:c", "wanted module:callable"),
        ("a\nb", "wanted module:callable"),
    ],
    "settings_module": [("mysite/settings.py", "wanted a dotted module name"), ("a; import os", "wanted a dotted")],
    "manage": [("/manage.py", "wanted a path relative to the source")],
    "settings": [
        ({"debug": True}, "is not usable; wanted names in capitals (found 'debug')"),
        ({"A": object}, "is not usable; wanted text, numbers, true, false, null, lists and mappings of these"),
        ({"A": float("inf")}, "wanted text, numbers"),
        ({"A": [float("nan")]}, "wanted text, numbers"),
        ({"SECRET_KEY": SECRET}, "wanted no SECRET_KEY here"),
        (["A"], "is ['A']; wanted a mapping of Django settings"),
    ],
    "env": [
        ({"A B": "c"}, "is not usable; wanted names of letters, digits and _ (found 'A B')"),
        ({"A": [SECRET]}, "is not usable; wanted text as the value of A"),
        ({"A": f"{SECRET}\0"}, "wanted text as the value of A"),
        ({"UWSGI_PROCESSES": SECRET}, "wanted no UWSGI_PROCESSES: uWSGI reads UWSGI_* as options; use uwsgi.options"),
        (SECRET, "is not usable; wanted a mapping of variables to text"),
    ],
    "database": [
        (f"{SECRET}", "is not usable; wanted a URL such as postgres://user:password@host:5432/name"),
        (f"postgres://shop:{SECRET} @db/shop", "is not usable; wanted a URL"),
    ],
    "migrate": [("no", "wanted true or false")],
    "superuser": [
        (SECRET, "is not usable; wanted a mapping of username, email, password"),
        ({"username": "admin"}, ".password is missing; it is required beside username"),
        ({"username": "admin", "password": None}, ".password is missing"),
        ({"username": "a b", "password": SECRET}, ".username is 'a b'; wanted a user name"),
        ({"username": "a", "email": "b", "password": SECRET}, ".email is 'b'; wanted an e-mail address"),
        ({"username": "a", "password": f"{SECRET}\n"}, ".password is not usable; wanted text on one line"),
    ],
    "uwsgi": [
        ("fast", "is 'fast'; wanted a mapping of install, version"),
        (
            {"install": "pyuwsg"},
            ".install is 'pyuwsg'; wanted one of pyuwsgi, uwsgi, tarball, distribution; did you mean",
        ),
        ({"version": 2.0}, ".version is 2.0; wanted a version such as '2.0.31'; quote it"),
        ({"tarball": "uwsgi.tgz"}, ".tarball is 'uwsgi.tgz'; wanted a URL, or an absolute path on the host"),
        ({"install": "tarball", "tarball": f"https://u:{SECRET}@h/u.tgz"}, "wanted no password in a URL"),
        ({"checksum": "md5:1"}, ".checksum is 'md5:1'; wanted sha256: and 64 hexadecimal digits"),
        ({"processes": 0}, ".processes is 0; wanted a whole number from 1 to 1024"),
        ({"processes": "ten"}, ".processes is 'ten'; wanted a whole number from 1 to 1024"),
        ({"processes": True}, ".processes is True; wanted a whole number"),
        ({"processes": 1.5}, ".processes is 1.5; wanted a whole number"),
        ({"threads": -1}, ".threads is -1; wanted a whole number"),
        ({"socket": 70000}, ".socket is 70000; wanted unix, a port from 1 to 65535, or address:port"),
        ({"socket": 0}, ".socket is 0; wanted unix, a port from 1 to 65535"),
        ({"socket": 80}, ".socket is 80; wanted a port from 1024: uWSGI does not run as root"),
        ({"socket": "unix:/tmp/a.sock"}, "wanted unix, a port"),
        ({"socket": ["[::1%;]:8000"]}, "wanted unix, a port"),
        ({"socket": []}, "wanted a list of at least 1"),
        ({"socket": ["unix", 8000]}, "uwsgi.socket mixes unix with addresses"),
        ({"socket": [8000, "127.0.0.1:8000"]}, "uwsgi.socket has port 8000 twice; give each address its own"),
        (
            {"chmod_socket": 660},
            ".chmod_socket is 660; wanted a mode in quotes, such as '0660'; YAML reads a bare 0660",
        ),
        ({"chmod_socket": "rw"}, ".chmod_socket is 'rw'; wanted a mode such as '0660'"),
        ({"options": {"processes": 4}}, "wanted no processes here; set uwsgi.processes"),
        (
            {"options": {"die_on_term": True}},
            "wanted no die-on-term here; set nothing: it drops the requests in flight",
        ),
        ({"options": {"a": "b\nc"}}, "wanted one line without '$(' and '@(' for a; uWSGI would expand it"),
        ({"options": {"a": "$(HOME)"}}, "wanted one line without '$('"),
        ({"options": {"a": "@(/etc/shadow)"}}, "wanted one line without '$('"),
        ({"options": {"a": " b"}}, "wanted one line"),
        ({"options": {"a": {"b": 1}}}, "wanted text, a number or true/false for a"),
        ({"options": {"a": [None]}}, "wanted text, a number or true/false for a"),
        ({"options": {"a\n[b]": 1}}, "wanted option names of small letters"),
        ({"options": {"harakiri": 60}}, "uwsgi.options.harakiri is 60; wanted less than nginx.read_timeout (60)"),
        ({"options": {"harakiri": "60"}}, "uwsgi.options.harakiri is 60; wanted less than nginx.read_timeout (60)"),
        ({"unit": {"ExecStart": "/bin/sh"}}, "wanted no ExecStart here: the model owns it"),
        ({"unit": {"limit": 1}}, "wanted systemd's names, such as LimitNOFILE (found 'limit')"),
        ({"unit": {"LimitNOFILE": "1\nUser=root"}}, "wanted text on one line for LimitNOFILE"),
        ({"unit": {"Environment": "A=1\\"}}, "wanted text on one line for Environment"),
        ({"unit": {"LimitNOFILE": None}}, "wanted text on one line for LimitNOFILE"),
        ({"version": "2.0.31", "install": "distribution"}, "uwsgi.version is '2.0.31'; the distribution decides it"),
        ({"tarball": "/u.tgz"}, "uwsgi.tarball goes with install: tarball; install is 'pyuwsgi'"),
        ({"install": "tarball", "checksum": "sha256:" + "0" * 64}, "uwsgi.checksum goes with uwsgi.tarball"),
    ],
    "nginx": [
        ({"listen": "http"}, f".listen is 'http'; {PORT}"),
        ({"listen": 65536}, PORT),
        ({"listen": "[::1%}]:80"}, PORT),
        ({"charset": "utf 8"}, ".charset is 'utf 8'; wanted a charset such as utf-8"),
        ({"client_max_body_size": "75 MB"}, ".client_max_body_size is '75 MB'; wanted a size such as 75m"),
        ({"read_timeout": 0}, ".read_timeout is 0; wanted a whole number from 1 to 86400"),
        ({"static": "static"}, ".static is 'static'; wanted an absolute path"),
        ({"media": {"url": "/media", "path": "/srv/m"}}, "wanted a url that begins and ends with / such as /media/"),
        ({"media": {"url": "/a/../b/"}}, "wanted a url that begins and ends with /"),
        ({"media": {"dir": "/srv"}}, "wanted true, false, a path on the host, or {url, path}"),
        ({"media": {"url": "/static/"}}, "nginx.media and nginx.static have the same url /static/"),
        ({"media": "/opt/sites/shop/media"}, "nginx.media /opt/sites/shop/media lies in root /opt/sites/shop"),
        ({"upstream": 8000}, "wanted 'unix:/path/to.sock' or 'address:port'"),
        ({"upstream": "unix:/a b"}, "wanted an absolute path"),
        ({"options": {"return": "200; }"}}, "wanted arguments without ; { } # outside of quotes"),
        ({"options": {"return": "200 'a"}}, "quotes in pairs for return"),
        ({"options": {"return": "a\\"}}, "for return"),
        ({"options": {"return": "a\nb"}}, "wanted text on one line for return"),
        ({"options": {"return": None}}, "wanted text on one line for return"),
        ({"options": {"bad name": 1}}, "wanted nginx's directive names (found 'bad name')"),
        ({"locations": {"/a {": {}}}, "wanted arguments without ; { } #"),
        ({"locations": {" ": {}}}, "wanted the path of every location"),
        ({"locations": ["/a"]}, "wanted a mapping of locations to their directives"),
    ],
    "health": [
        ({"path": "healthz"}, ".path is 'healthz'; wanted a path such as /healthz"),
        ({"path": "/a b"}, "wanted a path such as /healthz"),
        ({"status": [99]}, "wanted a whole number from 100 to 599 (found 99 in the list)"),
        ({"timeout": 601}, ".timeout is 601; wanted a whole number from 1 to 600"),
    ],
    "warm_up": [
        ({}, "warm_up is not usable; wanted a list"),
        (["/", "shop"], "wanted a path such as /healthz (found 'shop' in the list)"),
        (["/\n"], "wanted a path such as /healthz"),
    ],
    "keep_releases": [(0, "is 0; wanted a whole number from 1 to 100")],
    "source": [
        ("mysite", "is 'mysite'; wanted a mapping with one of git, archive, directory, path, startproject"),
        ({"git": "x", "archive": "y"}, "has git and archive; wanted exactly one of git, archive, directory, path"),
        ({"version": "main"}, "has version; wanted exactly one of git, archive, directory, path, startproject"),
        (
            {"gti": "x"},
            "has gti; wanted exactly one of git, archive, directory, path, startproject; did you mean 'git'?",
        ),
        ({"git": None}, ".git is missing"),
        ({"git": "--upload-pack=x"}, ".git is '--upload-pack=x'; wanted the URL or path of a repository"),
        ({"git": f"https://u:{SECRET}@h/a b"}, ".git is 'https://********@h/a b'; wanted the URL"),
        ({"git": "x", "version": "-b"}, ".version is '-b'; wanted a branch, tag or commit; quote a number"),
        ({"git": "x", "version": 1.0}, ".version is 1.0; wanted a branch, tag or commit; quote a number"),
        ({"git": "x", "key": SECRET}, ".key is not usable; wanted the text of a private key"),
        ({"git": "x", "branch": "main"}, "unknown key 'source.branch'; known are git, key, version"),
        ({"directory": "nowhere"}, "wanted a directory on the controller; there is none"),
        ({"archive": "nowhere.tgz"}, "wanted a URL or a file on the controller; there is none"),
        ({"archive": f"https://u:{SECRET}@h/a.tgz"}, "wanted no password in a URL"),
        ({"archive": "https://h/a.tgz", "checksum": "1"}, ".checksum is '1'; wanted sha256: and 64 hexadecimal digits"),
        ({"path": "srv/shop"}, ".path is 'srv/shop'; wanted an absolute path"),
        ({"startproject": "my-site"}, ".startproject is 'my-site'; wanted a Python identifier such as mysite"),
    ],
}


@pytest.mark.parametrize(
    ("key", "given", "words"),
    [pytest.param(key, *pair, id=f"{key}-{number}") for key, pairs in BAD.items() for number, pair in enumerate(pairs)],
)
def test_bad_value(key, given, words):
    one = fault(**{key: given})
    assert words in one
    assert key in one
    assert ("'shop'" in one) or key == "name"
    assert SECRET not in one


def test_every_key_of_the_model_is_in_the_tables():
    inner = {"uwsgi": model.UWSGI_KEYS, "nginx": model.NGINX_KEYS, "health": model.HEALTH_KEYS}
    bad = set(BAD)
    for section, keys in inner.items():
        bad |= {f"{section}.{key}" for given, _words in BAD[section] if isinstance(given, dict) for key in given}
        assert bad >= {f"{section}.{key}" for key in keys}
    assert set(BAD) == set(model.SITE_KEYS)


def test_every_key_says_what_it_decides():
    tables = [model.SITE_KEYS, model.UWSGI_KEYS, model.NGINX_KEYS, model.HEALTH_KEYS, model.SUPERUSER_KEYS]
    for keys in [*tables, *model.SOURCE_KINDS.values()]:
        assert [name for name, key in keys.items() if not key.doc] == []


# --- faults of more than one key ---


def test_an_unknown_key_names_the_nearest():
    one = fault(domain="shop.example.com")
    assert one == "web_sites[0] 'shop': unknown key 'domain'; did you mean 'domains'?"
    assert "unknown key 'uwsgi.proceses'; did you mean 'processes'?" in fault(uwsgi={"proceses": 2})
    assert "unknown key 'zzz'; known are database, domains, env" in fault(zzz=1)


def test_what_is_required_is_said_with_an_example():
    assert faults({}) == [
        "web_sites[0]: has no name; it is required: add for instance `name: shop`",
        "web_sites[0]: has no domains; it is required: add for instance `domains: [shop.example.com]`",
    ]
    assert faults({"name": None, "domains": None}) == faults({})


def test_all_faults_of_all_sites_come_at_once():
    found = faults(
        {**SHOP, "domain": 1, "uwsgi": {"processes": 0}, "nginx": {"listen": "x"}},
        {"name": "blog"},
        "text",
        {"name": "wiki", "domains": ["shop.example.com"], "source": {"git": "a", "path": "/b"}},
        roots={"sites": "relative", "stat": "/a"},
    )
    assert [one.partition(":")[0] for one in found] == [
        "web_roots",
        "web_roots",
        "web_sites[0] 'shop'",
        "web_sites[0] 'shop'",
        "web_sites[0] 'shop'",
        "web_sites[1] 'blog'",
        "web_sites[2]",
        "web_sites[3] 'wiki'",
        "site 'wiki'",
    ]
    assert "did you mean 'state'?" in " ".join(found)


@pytest.mark.parametrize("given", [None, {}, "shop", {"name": "shop"}])
def test_web_sites_has_to_be_a_list(given):
    with pytest.raises(model.SiteError, match="wanted a list of sites, each with name and domains"):
        model.complete(given)


def test_no_sites_are_no_fault():
    assert model.complete([]) == []


def test_roots_have_to_be_a_mapping():
    assert faults(SHOP, roots=["/a"]) == [
        "web_roots is ['/a']; wanted a mapping of sites, state, config, run, cache to paths"
    ]


def test_two_sites_with_one_name():
    assert faults(SHOP, SHOP, SHOP) == ["site 'shop': name stands 3 times; every site needs its own name"]


def test_one_domain_in_two_sites():
    other = {"name": "blog", "domains": ["a.example.com", "SHOP.example.com"]}
    wanted = "site 'blog': domain shop.example.com belongs to site 'shop' already; give each domain to one site"
    assert faults(SHOP, other) == [wanted]


def test_an_absent_site_gives_its_domain_and_ports_free():
    old = {**SHOP, "state": "absent", "uwsgi": {"socket": 8000}}
    assert len(model.complete([old, {**SHOP, "name": "new", "uwsgi": {"socket": 8000}}])) == 2


def test_one_port_in_two_sites():
    sites = [{"name": name, "domains": [name], "uwsgi": {"socket": 8000}} for name in ("a", "b")]
    assert faults(*sites) == ["site 'b': port 8000 belongs to site 'a' already; give uwsgi.socket another port"]


def test_a_port_of_nginx_is_no_port_of_uwsgi():
    sites = [{**SHOP, "nginx": {"listen": 8000}}, {"name": "b", "domains": ["b"], "uwsgi": {"socket": 8000}}]
    assert faults(*sites) == ["site 'b': uwsgi.socket has port 8000, on which nginx listens; change one"]


def test_a_socket_path_longer_than_the_kernel_takes():
    run = "/" + "r" * 88
    found = faults(SHOP, {"name": "b", "domains": ["b"]}, roots={"run": run})
    assert [one.split(":")[0] for one in found] == ["site 'shop'", "site 'b'"]
    assert "has 113 bytes; wanted at most 107 (the kernel's limit); shorten the name or web_roots" in found[0]
    [site] = model.complete([SHOP], roots={"run": "/" + "r" * 82})
    assert len(f"{site['paths']['run']}/{'x' * model.RELEASE_ID_LENGTH}.stats") == model.UNIX_PATH_MAX


def test_directories_that_absent_removes_hold_nothing_else():
    assert len(faults(SHOP, roots={"state": "/opt/sites"})) == 2
    assert faults(SHOP, roots={"state": "/opt/sites/shop/data"}) == [
        "site 'shop': state /opt/sites/shop/data/shop lies in root /opt/sites/shop; "
        "wanted them apart; change it or web_roots"
    ]
    keys = {"source": {"path": "/home/huatai/works/shop/code"}, "virtualenv": "/home/huatai/works/shop/venv"}
    assert len(faults({**SHOP, **keys}, roots={"sites": "/home/huatai/works"})) == 2
    [site] = model.complete([{**SHOP, **keys}], roots={"sites": "/home/huatai/sites"})
    assert site["paths"]["root"] == "/home/huatai/sites/shop"


def test_a_wrong_checksum_says_what_the_file_has(tmp_path):
    (tmp_path / "code.tgz").write_bytes(b"an archive")
    digest = hashlib.sha256(b"an archive").hexdigest()
    one = fault(source={"archive": "code.tgz", "checksum": "sha256:" + "0" * 64})
    assert f"source.checksum is sha256:{'0' * 64}; the file {tmp_path}/code.tgz has sha256:{digest}" in one


@pytest.mark.parametrize("kind", ["git", "archive", "directory", "startproject"])
def test_virtualenv_goes_with_a_path_only(kind, tmp_path):
    (tmp_path / "x").mkdir()
    given = {"git": "x", "archive": "https://h/x.tgz", "directory": "x", "startproject": "x"}[kind]
    assert "it goes with source.path only" in fault(source={kind: given}, virtualenv="/srv/venv")


def test_virtualenv_none_takes_no_other_uwsgi_and_no_packages():
    found = faults(
        {**SHOP, "source": {"path": "/srv"}, "virtualenv": "none", "packages": ["a"], "uwsgi": {"install": "uwsgi"}}
    )
    assert "wanted distribution with virtualenv: none" in found[0]
    assert "use system_packages" in found[1]


# --- Django and Python ---

PYTHONS = [
    {"version": "3.9", "path": "/usr/bin/python3.9", "packages": [], "headers": ["python3-devel"]},
    {"version": "3.12", "path": "/usr/bin/python3.12", "packages": ["python3.12"], "headers": ["python3.12-devel"]},
]


def chosen(platform=PYTHONS, found=None, offered=None, **keys):
    [site] = model.choose_pythons([completed(**keys)], platform, found or {}, offered)
    return site["interpreter"]


@pytest.mark.parametrize(
    ("packages", "version"),
    [
        ([], "3.12"),
        (["Django>=5.2,<5.3"], "3.12"),
        (["django ~= 4.2"], "3.12"),
        (["Django==4.0.*"], "3.9"),
        (["Django<4"], "3.9"),
        (["DJANGO[argon2]>=5; python_version > '3'"], "3.12"),
        (["django-debug-toolbar<3"], "3.12"),
        (["Django>=7"], "3.12"),
    ],
)
def test_the_newest_python_that_the_django_supports(packages, version):
    assert chosen(packages=packages)["version"] == version


def test_a_python_that_the_host_has_counts_and_the_platforms_own_wins():
    found = {"3.13": "/usr/local/bin/python3.13", "3.12": "/usr/local/bin/python3.12"}
    assert chosen(found=found) == {
        "version": "3.13",
        "path": "/usr/local/bin/python3.13",
        "packages": [],
        "headers": [],
    }
    assert chosen(found=found, python="3.12") == PYTHONS[1]


def test_a_python_that_no_repository_offers_is_not_chosen():
    django = {"packages": ["Django<4"]}
    assert chosen(offered=[], **django)["version"] == "3.9"
    assert chosen(offered=["python3.12"])["version"] == "3.12"
    # Installed from somewhere it is as good.
    assert chosen(offered=[], found={"3.12": "/usr/bin/python3.12"})["path"] == "/usr/bin/python3.12"
    with pytest.raises(model.SiteError) as caught:
        chosen(offered=[], packages=["Django>=5.2,<5.3"])
    assert caught.value.faults == [
        "site 'shop': python is 'auto'; Django 5.2 needs Python 3.10 to 3.14; this host has or offers 3.9; "
        "install python3.12 from a repository that has it, or "
        "change python or the Django that packages or requirements ask for"
    ]


def test_versions_are_compared_as_numbers():
    assert chosen(platform=[], found={"3.9": "/a", "3.10": "/b"})["version"] == "3.10"


def test_the_path_of_an_interpreter_is_taken_as_it_is():
    assert chosen(python="/opt/python")["path"] == "/opt/python"


def test_requirements_in_the_source_choose_the_python_too(example):
    (example / "requirements.txt").write_text("# Django<4\n-r other.txt\nDjango<4.1 # comment\n")
    assert chosen()["version"] == "3.9"
    (example / "requirements.txt").write_text("Django>=5\n")
    assert chosen()["version"] == "3.12"


def test_no_python_for_the_django_says_what_it_needs_and_what_there_is():
    with pytest.raises(model.SiteError) as caught:
        chosen(platform=PYTHONS[:1], packages=["Django>=5.2,<5.3"])
    assert caught.value.faults == [
        "site 'shop': python is 'auto'; Django 5.2 needs Python 3.10 to 3.14; this host has or offers 3.9; "
        "change python or the Django that packages or requirements ask for"
    ]


def test_a_python_that_the_django_does_not_support():
    with pytest.raises(
        model.SiteError, match=r"python is '3\.9'; Django 5\.2 needs Python 3\.10 to 3\.14; this host has"
    ):
        chosen(packages=["Django==5.2"], python="3.9")
    with pytest.raises(model.SiteError, match=r"this host has or offers none"):
        chosen(platform=[])


def test_faults_of_all_sites_about_python_come_at_once():
    sites = model.complete([{"name": name, "domains": [name], "python": "3.8"} for name in ("a", "b")])
    with pytest.raises(model.SiteError) as caught:
        model.choose_pythons(sites, PYTHONS, {})
    assert len(caught.value.faults) == 2


def test_no_django_that_is_known():
    assert "ask for Django <3,>4; no known Django fits" in fault(packages=["Django<3,>4"])


def test_an_absent_site_needs_no_python():
    sites = model.complete([{"name": "shop", "state": "absent"}])
    assert model.choose_pythons(sites, [], {})[0]["interpreter"] == {}


PLATFORM = {"installer": {"uv": ["base"], "pip": ["pips"]}, "git": ["git"], "compiler": ["gcc"]}


@pytest.mark.parametrize(
    ("keys", "packages"),
    [
        ({}, ["base", "python3.12"]),
        ({"source": {"git": "x"}}, ["base", "python3.12", "git"]),
        ({"uwsgi": {"install": "uwsgi"}}, ["base", "python3.12", "gcc", "python3.12-devel"]),
        ({"uwsgi": {"install": "tarball"}}, ["base", "python3.12", "gcc", "python3.12-devel"]),
        ({"system_packages": ["libpq5", "base"]}, ["base", "python3.12", "libpq5"]),
        ({"source": {"path": "/srv"}, "virtualenv": "none"}, ["python3.12"]),
        ({"state": "absent"}, []),
    ],
)
def test_only_the_packages_that_a_build_needs(keys, packages):
    sites = model.choose_pythons([completed(**keys)], PYTHONS, {})
    assert model.build_packages(sites, PLATFORM) == packages


def test_what_the_installer_needs_depends_on_it():
    sites = model.choose_pythons([completed()], PYTHONS, {})
    assert model.build_packages(sites, PLATFORM, "pip") == ["pips", "python3.12"]


# --- secrets ---


def test_secrets_are_parted_from_what_may_be_shown():
    site = completed(
        env={"TOKEN": SECRET},
        database=f"postgres://shop:{SECRET}@db/shop",
        superuser={"username": "admin", "password": SECRET},
        source={"git": f"https://token:{SECRET}@git.example.com/shop.git", "key": KEY},
    )
    public, secret = model.split_secrets([site])
    assert SECRET not in json.dumps(public)
    assert secret["shop"] == {
        "env": {"TOKEN": SECRET},
        "database": f"postgres://shop:{SECRET}@db/shop",
        "git": f"https://token:{SECRET}@git.example.com/shop.git",
        "key": KEY + "\n",
        "password": SECRET,
    }
    assert public[0]["source"]["git"] == "https://git.example.com/shop.git"
    assert public[0]["superuser"] == {"username": "admin", "email": ""}
    assert public[0]["database"] is True
    assert SECRET in json.dumps(site)  # the model's own copy is whole


def test_no_secret_in_a_message_however_wrong_the_site_is():
    found = faults(
        {
            "name": "shop",
            "env": [SECRET],
            "database": [f"postgres://a:{SECRET}@b/c"],
            "superuser": [SECRET],
            "settings": [{"PASSWORD": SECRET}],
            "source": {"git": [f"https://a:{SECRET}@h/x"], "key": {"a": SECRET}},
            "packages": [f"https://a:{SECRET}@h/x"],
            "uwsgi": {"options": {"a": [{"b": SECRET}]}},
        }
    )
    assert len(found) == 9
    assert SECRET not in "\n".join(found)


# --- whatever is accepted can be written down ---

NASTY = [
    *(chr(code) for code in (*range(33), 127, 0x85, 0xA0, 0x2028)),
    *";{}%#'\"\\$`<>|&*?!~@(),:=[]^é",
    *("..", "%i", "$(", "@(", "${", "//", "--", "\r\n", "\n[Service]\nUser=root", "; }"),
]
# Per key, a good value with a place for something nasty, and where the accepted value is found.
PLACES = {
    "name": lambda text: {"name": text},
    "domains": lambda text: {"domains": [text]},
    "user": lambda text: {"user": text},
    "manage": lambda text: {"manage": text},
    "wsgi": lambda text: {"wsgi": text},
    "settings_module": lambda text: {"settings_module": text},
    "virtualenv": lambda text: {"virtualenv": "/" + text, "source": {"path": "/srv"}},
    "path": lambda text: {"source": {"path": "/" + text}, "virtualenv": "none"},
    "startproject": lambda text: {"source": {"startproject": text}},
    "version": lambda text: {"source": {"git": "x", "version": text}},
    "static": lambda text: {"nginx": {"static": {"url": f"/{text}/", "path": f"/{text}"}}},
    "media": lambda text: {"nginx": {"media": {"url": f"/{text}/", "path": f"/{text}"}}},
    "upstream": lambda text: {"nginx": {"upstream": "unix:/" + text}},
    "listen": lambda text: {"nginx": {"listen": text + ":80"}},
    "ipv6": lambda text: {"nginx": {"listen": f"[::1{text}]:80"}, "domains": [f"::1{text}"]},
    "socket": lambda text: {"uwsgi": {"socket": text + ":8000"}},
    "charset": lambda text: {"nginx": {"charset": text}},
    "size": lambda text: {"nginx": {"client_max_body_size": "1" + text}},
    "chmod": lambda text: {"uwsgi": {"chmod_socket": text}},
    "uwsgi version": lambda text: {"uwsgi": {"version": "2" + text}},
    "roots": lambda text: {"roots": "/" + text},
}
# What could end a value, or start something else, in an ini, in nginx.conf, in a unit or in a shell.
ACTIVE = set("".join(chr(code) for code in range(33)) + "\x7f;{}%#'\"\\$`<>|&?!()\u2028\x85\xa0")


@pytest.mark.parametrize("place", PLACES)
def test_nothing_accepted_breaks_what_it_is_written_into(place):
    """Every nasty text, alone and in the middle, at the beginning and at the end of a good one."""
    accepted = 0
    for nasty, (before, after) in itertools.product(NASTY, [("", ""), ("a", ""), ("", "a"), ("a", "a")]):
        keys = PLACES[place](before + nasty + after)
        roots = {"sites": keys.pop("roots")} if "roots" in keys else None
        try:
            [site] = model.complete([{**SHOP, **keys}], roots=roots)
        except model.SiteError:
            continue
        accepted += 1
        written = {key: site[key] for key in ("name", "domains", "user", "paths", "manage", "virtualenv", "origins")}
        written["nginx"] = {key: value for key, value in site["nginx"].items() if key not in ("options", "locations")}
        written["uwsgi"] = {key: value for key, value in site["uwsgi"].items() if key not in ("options", "unit")}
        for text in texts(written):
            assert not ACTIVE & set(text), f"{keys} was accepted"
            assert ".." not in text.split("/")
    assert accepted or place in (
        "listen",
        "ipv6",
        "socket",
        "size",
        "chmod",
        "uwsgi version",
        "charset",
        "startproject",
    )


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)


@pytest.mark.parametrize("nasty", NASTY)
def test_uwsgi_and_unit_options_stay_on_their_line(nasty):
    for check, name in ((model.ini_options, "log-prefix"), (model.unit_options, "Environment")):
        try:
            text = str(check({name: f"a{nasty}a"})[name])
        except model.Wrong:
            continue
        assert not set("\r\n\0") & set(text)


@pytest.mark.parametrize("nasty", NASTY)
def test_nginx_words_never_leave_their_directive(nasty):
    """Reads the accepted text the way nginx does: nothing outside of quotes may end the directive."""
    for text in (nasty, f"a{nasty}", f"'a{nasty}b'", f'"a{nasty}b"', f"'a' {nasty} \"b\"", f"a{nasty}'b'"):
        try:
            accepted = model.nginx_words(text)
        except model.Wrong:
            continue
        quote = ""
        characters = iter(accepted)
        for one in characters:
            if one == "\\":
                next(characters)
            elif quote:
                quote = "" if one == quote else quote
            elif one in "'\"":
                quote = one
            else:
                assert one not in ";}#\n", accepted
        assert quote == "", accepted
