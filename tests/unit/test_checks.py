"""Every value that a check accepts can be written unquoted into an ini, nginx.conf, a unit or a shell."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model import (
    checks,
    errors,
    option_checks,
    python_checks,
    tls_checks,
    urls,
)
from ansible_collections.pyweb.stack.plugins.module_utils.model.checks import Wrong
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete, split_secrets
from models import EXAMPLE, SHOP

NASTY = [
    *(chr(code) for code in (*range(33), 127, 0x85, 0xA0, 0x2028)),
    *";{}%#'\"\\$`<>|&*?!~@(),:=[]^é",
    *("..", "%i", "$(", "@(", "${", "//", "--", "\r\n", "\n[Service]\nUser=root", "; }"),
]
# For each key, a valid value with a place for a dangerous text, and where the accepted value is found.
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
    "canonical": lambda text: {"domains": [text], "canonical": text},
    "listen_tls": lambda text: {"tls": "selfsigned", "nginx": {"listen_tls": text + ":443"}},
    "trusted_proxies": lambda text: {"nginx": {"trusted_proxies": text}},
    "certificate": lambda text: {"tls": {"certificate": "/" + text, "key": "/" + text}},
    "email": lambda text: {"tls": {"acme": {"email": text}}},
    "directory": lambda text: {"tls": {"acme": {"directory": "https://" + text}}},
    "ca": lambda text: {"tls": {"acme": {"directory": "https://ca.example.com/", "ca": "/" + text}}},
    "profile": lambda text: {"tls": {"acme": {"profile": text}}},
    "plugin": lambda text: {"tls": {"acme": {"challenge": {"dns": {"plugin": text, "credentials": "a"}}}}},
    "roots": lambda text: {"roots": "/" + text},
}
# For each key, a harmless text for that place, so that a value is only refused because of the dangerous text.
FINE = {
    "name": "a-1",
    "domains": "a-1.example",
    "user": "_a-1",
    "manage": "a/b_c/manage.py",
    "wsgi": "a.b:c",
    "settings_module": "a.b",
    "virtualenv": "srv/venv-1",
    "path": "srv/a+b",
    "startproject": "my_site",
    "version": "v1.0/x-y",
    "static": "a.b",
    "media": "a-b",
    "upstream": "run/a.sock",
    "listen": "127.0.0.1",
    "ipv6": "",
    "socket": "127.0.0.1",
    "charset": "utf-8",
    "size": "5m",
    "chmod": "0660",
    "uwsgi version": ".0.30.post1",
    "canonical": "a-1.example",
    "listen_tls": "127.0.0.1",
    "trusted_proxies": "10.0.0.0/8",
    "certificate": "etc/a+b.pem",
    "email": "a.b+c@example.com",
    "directory": "ca.example.com:9000/acme/a-b_c/directory",
    "ca": "etc/root.pem",
    "profile": "short_lived-1",
    "plugin": "rfc2136",
    "roots": "srv/web_sites",
}
# Texts that could end a value or start something else in an ini, in nginx.conf, in a unit or in a shell.
ACTIVE = set("".join(chr(code) for code in range(33)) + "\x7f;{}%#'\"\\$`<>|&?!()\u2028\x85\xa0")


@pytest.mark.parametrize("place", PLACES)
def test_accepted_values_cannot_break_out_of_the_files_they_are_written_to(place):
    """Each dangerous text alone, and in the middle, at the beginning and at the end of a valid one."""
    assert accepted(place, FINE[place])
    for nasty, (before, after) in itertools.product(NASTY, [("", ""), ("a", ""), ("", "a"), ("a", "a")]):
        site = accepted(place, before + nasty + after)
        if not site:
            continue
        written = {key: site[key] for key in ("name", "domains", "user", "paths", "manage", "virtualenv", "origins")}
        written["nginx"] = {key: value for key, value in site["nginx"].items() if key not in ("options", "locations")}
        written["tls"] = split_secrets([site])[0][0]["tls"]
        written["uwsgi"] = {key: value for key, value in site["uwsgi"].items() if key not in ("options", "unit")}
        for text in texts(written):
            assert not ACTIVE & set(text), f"{before + nasty + after!r} was accepted"
            assert ".." not in text.split("/")


def accepted(place, text):
    """Return the site with this text in this place, or None if it is refused."""
    keys = PLACES[place](text)
    roots = {"sites": keys.pop("roots")} if "roots" in keys else None
    try:
        [site] = complete([{**SHOP, **keys}], roots=roots, example=str(EXAMPLE))
    except InventoryError:
        return None
    return site


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


CONTROL = {chr(code) for code in (*range(32), 127)}
# Line ends of str.splitlines() that are not ASCII.
LINE_ENDS = set("\x85\u2028\u2029")


@pytest.mark.parametrize(
    ("check", "name", "expanded"),
    [
        (option_checks.ini_options, "log-prefix", ("$(", "@(")),
        (option_checks.unit_options, "Environment", ()),
    ],
)
def test_uwsgi_and_unit_options_stay_on_their_line(check, name, expanded):
    for nasty in NASTY:
        text = f"a{nasty}a"
        if CONTROL & set(nasty) or any(word in nasty for word in expanded):
            with pytest.raises(Wrong, match="one line"):
                check({name: text})
        else:
            assert check({name: text})[name] in (text, [text])


BARE = set(";{}#'\"\\")
# The templates indent lines, and Python ends a line at each of these.
LINE_ENDS = set("\x85\u2028\u2029")


@pytest.mark.parametrize(
    ("form", "refused"),
    [
        ("{}a", BARE),
        ("a{}", BARE),
        ("'a' {} \"b\"", BARE),
        ("'a{}b'", {"'"}),
        ('"a{}b"', {'"'}),
    ],
)
def test_nginx_words_cannot_end_their_directive(form, refused):
    for nasty in NASTY:
        text = form.format(nasty)
        if (refused | CONTROL | LINE_ENDS) & set(nasty):
            with pytest.raises(Wrong):
                option_checks.nginx_words(text)
        else:
            assert option_checks.nginx_words(text) == text.strip(" ")
            assert stays(text), text


def test_a_quote_in_the_middle_of_a_word_does_not_quote():
    for nasty in NASTY:
        for text in (f"a{nasty}'b'", f"a{nasty}';b'"):
            if nasty == " ":
                assert option_checks.nginx_words(text) == text
            else:
                with pytest.raises(Wrong):
                    option_checks.nginx_words(text)


def stays(text):
    """Read a text as nginx does (ngx_conf_file.c): does nothing outside of quotes end the directive?"""
    quote, fresh, before = "", True, ""
    characters = iter(text)
    for character in characters:
        if character == "\\":
            next(characters)
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and fresh:
            quote = character
        elif character in ";}#" or (character == "{" and before != "$"):
            return False
        fresh, before = character == " ", character
    return quote == ""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "on"),
        (False, "off"),
        (204, "204"),
        ("  a  b ", "a  b"),
        ("", ""),
        ("${host}:$port", "${host}:$port"),
        ("'it\\'s; {}' \"#\"", "'it\\'s; {}' \"#\""),
    ],
)
def test_nginx_words(value, words):
    assert option_checks.nginx_words(value) == words


@pytest.mark.parametrize("value", [{}, [], None, "a\tb", "a\x7f", "'a", '"a', "'a'b", "${a", "${}"])
def test_invalid_nginx_words(value):
    with pytest.raises(Wrong):
        option_checks.nginx_words(value)


# --- single checks, boundary values ---


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (checks.integer(1, 9), [1, 9, "1", "9"], [0, 10, "0", "10", "", "-1", "1.0", 1.5, True, None, [1]]),
        (checks.line, ["a", "é", " ", "~"], ["", "a\n", "\x1f", "\x7f", 1, None]),
        (checks.octal, ["660", "0660", "000", "777"], ["66", "00660", "668", "1660", True, None]),
        (checks.site_name, ["a", "a" * 31, "probe", "a-probes"], ["", "a" * 32, "1a", "-a", "a_b", "A", "a-probe"]),
        (checks.boolean, [True, False], [0, 1, "true", None]),
        (checks.host_path, ["/", "/a..b", "/a/...", "/a+b-c_d.e"], ["", "a", "/..", "/a/../b", "/a b", "/ä", None, 1]),
        (checks.relative_path, ["a", "a/b", "a..b"], ["", "/a", "..", "a/..", "a b", None]),
        (
            checks.domain,
            ["a", "a_b", "*.a", "1.2.3.4", "a" * 63, ".".join(["a" * 63] * 3 + ["a" * 61])],
            ["*", "*a.b", "a.*", "a-", "_a", "a" * 64, ".".join(["a" * 63] * 3 + ["a" * 62]), "1.2.3.4/8", 1],
        ),
        (checks.upstream, ["unix:/a", "1.2.3.4:1", "[::1]:65535"], ["unix:a", ":80", "80", 80, "1.2.3.4", "a.b:80"]),
        (
            python_checks.python_version,
            ["auto", "3.9", "3.14", "/a", 3.12],
            ["3", "3.", "3.123", "4.0", 4.0, "a", 3.1, True],
        ),
        (checks.requirement, ["a", "a[b]>=1", "a @ https://h/a.whl"], ["", "a b", "-e .", 1, "a @ https://u@h/a.whl"]),
        (
            checks.network,
            ["10.0.0.0/8", "10.0.0.1", "::/0", "2001:db8::1"],
            ["10.0.0.1/8", "10.0.0.0/33", "::1%eth0", "::%a/0", "[::1]", "all", "unix:", "", 1, None],
        ),
        (
            tls_checks.credentials,
            ["", "a", "a = b\n\n", "\tä = b"],
            ["a\r\n", "a\0", "\x1b[2J", "a\x85", "a\ufffe", 1, None, ["a"]],
        ),
        (checks.virtualenv, ["none", "/a"], ["None", "a", "", None]),
        (
            checks.place(r"\S+", "x"),
            ["/a@b", "https://h/a@b", "http://h"],
            ["https://u@h/a", "http://u:p@h/a", "a b"],
        ),
        (option_checks.environment, [{}, {"_": ""}, {"A1": 0}, {"UWSGI": "a"}], [{"1A": ""}, {1: ""}, {"A": None}, []]),
        (option_checks.settings, [{}, {"A": None}, {"SECRET_KEYS": 1}], [{"a": 1}, {"_A": 1}, {1: 1}, None]),
        (option_checks.unit_options, [{}, {"A": "\\ "}, {"A": []}, {"A": 0}], [{"a": 1}, {"A-": 1}, {"A": [None]}, []]),
        (option_checks.directives, [{}, {"a_1": []}], [{"_a": 1}, {"A": 1}, {1: 1}, {"a": [[]]}, None]),
        (option_checks.locations, [{}, {"/": {}}], [{"": {}}, {"/": []}, {None: {"A": 1}}, []]),
        (
            option_checks.alias("/s/"),
            [True, False, "/a", {}, {"url": "/a~b/c/"}, {"path": "/a"}, {"path": None, "url": None}],
            [None, "a", [], {"urls": 1}, {"url": "/"}, {"url": "/a"}, {"url": "a/"}, {"url": "/../"}, {"path": 1}],
        ),
    ],
)
def test_boundary_values(check, good, bad):
    for value in good:
        check(value)
    for value in bad:
        with pytest.raises(Wrong) as caught:
            check(value)
        assert caught.value.wanted, value


@pytest.mark.parametrize("name", ["ExecStart", "User", "Group", "Type", "EnvironmentFile", "KillMode"])
def test_unit_options_that_the_model_sets_are_refused(name):
    with pytest.raises(Wrong, match=f"no {name} here"):
        option_checks.unit_options({name: "a"})


@pytest.mark.parametrize("name", ["socket", "chmod_socket", "workers", "venv", "daemonize2", "pidfile", "need-app"])
def test_options_that_the_model_writes_are_refused_in_both_spellings(name):
    with pytest.raises(Wrong, match=f"no {name.replace('_', '-')} here"):
        option_checks.ini_options({name: "a"})


@pytest.mark.parametrize(
    "value", [{"A": 1}, {"1a": 1}, {"": 1}, {"a": "b "}, {"a": ["b", {}]}, {"a": "\x00"}, None, []]
)
def test_invalid_uwsgi_options(value):
    with pytest.raises(Wrong):
        option_checks.ini_options(value)


def test_valid_uwsgi_options():
    given = {"a_b": "x y", "c1": [1, True, "z"], "d": None, "e": 1.5, "f": "a(b) $c @d"}
    assert option_checks.ini_options(given) == {"a-b": "x y", **{key: given[key] for key in ("c1", "d", "e", "f")}}


def test_lists():
    check = checks.list_of(checks.integer(1, 9), at_least=2)
    assert check([1, "2"]) == [1, 2]
    assert checks.list_of(checks.integer(1, 9))(5) == [5]
    assert checks.list_of(checks.integer(1, 9))([]) == []
    for value, words in [(1, "a list of at least 2"), (True, "a list"), ({}, "a list"), (1.5, "a list")]:
        with pytest.raises(Wrong) as caught:
            check(value)
        assert caught.value.wanted == words
    with pytest.raises(Wrong) as caught:
        check([1, 10])
    assert caught.value.wanted == "a whole number from 1 to 9 (found 10 in the list)"


def test_a_key_from_a_vault_ends_with_one_newline():
    assert checks.private_key("\n-----BEGIN PRIVATE KEY-----\nx\n\n") == "-----BEGIN PRIVATE KEY-----\nx\n"


def test_a_name_without_punycode_is_refused():
    with pytest.raises(Wrong) as caught:
        checks.domain("ä" * 64)
    assert caught.value.fix == "write it as punycode (xn--...)"


@pytest.mark.parametrize(
    ("value", "port"),
    [(1, 1), (65535, 65535), (":80", 80), ("localhost:80", 80), ("::1:80", 80)],
)
def test_port_of_an_address(value, port):
    assert checks.listen(value)["port"] == port


@pytest.mark.parametrize("value", [0, 65536, "a", "", "a:80", "1.2.3.4", True, None, 1.5, "1.2.3.4:", "1.2.3.4:100000"])
def test_invalid_addresses(value):
    with pytest.raises(Wrong, match="a port from 1 to 65535"):
        checks.listen(value)


@pytest.mark.parametrize(("value", "address"), [(1024, "127.0.0.1:1024"), ("localhost:1024", "127.0.0.1:1024")])
def test_address_of_uwsgi(value, address):
    assert checks.socket(value) == address


def test_uwsgi_gets_no_privileged_port():
    with pytest.raises(Wrong, match="a port from 1024"):
        checks.socket(1023)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "'a'"),
        (1, "1"),
        (None, "None"),
        ({"a": "secret"}, "a mapping"),
        (["a", {"b": 1}, ["https://u:p@h/"]], "['a', a mapping, ['https://********@h/']]"),
        ("https://u:p@h/a@b", "'https://********@h/a@b'"),
        ("a" * 58, "'" + "a" * 58 + "'"),
        ("a" * 59, "'" + "a" * 56 + "..."),
    ],
)
def test_how_a_value_is_quoted(value, text):
    assert errors.shown(value) == text
    assert len(text) <= 60


def test_similar_words_are_suggested():
    assert errors.nearest("domian", ["domains", "domain"]) == "; did you mean 'domain'?"
    assert errors.nearest(7, {"b": 1, "a": 2}) == "; known are a, b"
    assert errors.similar("x", ["y"]) == ""


def test_faults_are_listed_first_and_counted():
    assert str(errors.InventoryError("nginx", ["a"])) == "a"
    two = errors.InventoryError("web_sites", ["a", "b"])
    assert str(two) == "a\nb\nweb_sites has 2 faults"
    assert (two.subject, two.faults) == ("web_sites", ["a", "b"])


@pytest.mark.parametrize(
    ("text", "fetched"),
    [("http://h/a", True), ("https://h/a", True), ("/http://a", False), ("ftp://h/a", False), ("a.tgz", False)],
)
def test_which_archives_are_fetched(text, fetched):
    assert urls.is_url(text) is fetched
