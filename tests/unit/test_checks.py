"""Whatever a check accepts can be written into an ini, nginx.conf, a unit or a shell as it is."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model import option_checks
from ansible_collections.pyweb.stack.plugins.module_utils.model.checks import Wrong
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from models import EXAMPLE, SHOP

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
            [site] = complete([{**SHOP, **keys}], roots=roots, example=str(EXAMPLE))
        except InventoryError:
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
    for check, name in ((option_checks.ini_options, "log-prefix"), (option_checks.unit_options, "Environment")):
        try:
            text = str(check({name: f"a{nasty}a"})[name])
        except Wrong:
            continue
        assert not set("\r\n\0") & set(text)


@pytest.mark.parametrize("nasty", NASTY)
def test_nginx_words_never_leave_their_directive(nasty):
    """Reads the accepted text the way nginx does: nothing outside of quotes may end the directive."""
    for text in (nasty, f"a{nasty}", f"'a{nasty}b'", f'"a{nasty}b"', f"'a' {nasty} \"b\"", f"a{nasty}'b'"):
        try:
            accepted = option_checks.nginx_words(text)
        except Wrong:
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
