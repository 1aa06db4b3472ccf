"""Hypothesis strategies of the properties: hostile texts, values of all shapes of YAML, sites from the tables."""

from __future__ import annotations

import datetime
import math
import os

from ansible_collections.pyweb.stack.plugins.module_utils.model.keys import SITE_KEYS
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# `make unit` runs a few examples of each property, always the same ones; `make fuzz` runs more, at random.
FUZZ = os.environ.get("PYWEB_FUZZ", "")
settings.register_profile("pyweb", deadline=None, database=None, suppress_health_check=list(HealthCheck))
settings.load_profile("pyweb")


def asked(examples: int):
    """Return the settings of a property for which `make unit` runs this number of examples; they take about 2 s."""
    if FUZZ:
        return settings(max_examples=int(FUZZ), print_blob=True)
    return settings(max_examples=examples, derandomize=True)


# Characters that end a line, quote, directive, block or text in some format, or are expanded there.
PIECES = (
    *("\0", "\n", "\r", "\t", "\x1b[2J", "\x7f", "\x85", "\xa0", "\u2028", "\u202e", "\ufeff", "\ufffe", "\U0010ffff"),
    *(
        "'",
        '"',
        "\\",
        "\\\\",
        "`",
        "`id`",
        "$",
        "$$",
        "$(id)",
        "${HOME}",
        "$HOME",
        "%",
        "%%",
        "%i",
        "%d",
        "@(/etc/passwd)",
    ),
    *("{", "}", "{}", "{{ x }}", "{% x %}", "{0}", ";", "#", " #", "=", ":", ",", "&", "|", "*", "..", "/", "//", "!"),
    *(
        "'''",
        '"""',
        "\\n",
        "\\u0000",
        "-",
        "--",
        "[",
        "]",
        "[x]",
        "//u:p@h",
        "on",
        "true",
        "null",
        "0",
        "1e400",
        "ä",
        "名",
        "x",
    ),
)
SURROGATE = st.sampled_from(["\ud800", "\udc80", "\udfff"])
# Texts that can be passed to a program: no NUL, no single surrogate.
CLEAN_PIECE = st.sampled_from([piece for piece in PIECES if "\0" not in piece])
# A small alphabet, so that special characters occur often and next to one another.
SHORT = st.text("\\\"'$`%{};#= \n", min_size=1, max_size=4)
CLEAN = SHORT | st.lists(CLEAN_PIECE | st.characters(codec="utf-8", exclude_characters="\0"), max_size=6).map("".join)
TEXT = st.lists(st.sampled_from(PIECES) | SURROGATE | st.characters(), max_size=6).map("".join) | st.sampled_from(
    ["", "x" * 100_000, " " * 5_000, "a/" * 3_000, "[" * 3_000]
)
LINE = CLEAN.map(lambda text: "".join(char for char in text if char >= " " and char != "\x7f"))
NUMBER = (
    st.integers(-2, 70_000)
    | st.sampled_from([2**63, 10**4_000, -(10**400), math.nan, math.inf, -math.inf, 1e308, -0.0, 3.1])
    | st.floats()
)
# YAML has dates, and bytes as !!binary.
DATE = st.sampled_from(
    [datetime.date(2026, 11, 26), datetime.datetime(2026, 11, 26, 3, 30, tzinfo=datetime.timezone.utc)]
)
LEAF = st.none() | st.booleans() | NUMBER | TEXT | DATE | st.binary(max_size=3)
KEY = TEXT | st.sampled_from([None, True, 1, 1.5, (1, 2), datetime.date(2026, 1, 1)])
VALUE = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=3), max_leaves=6
)


def nested(depth: int, leaf: object = "x") -> object:
    """Return lists and mappings nested to this depth."""
    value = leaf
    for number in range(depth):
        value = [value] if number % 2 else {"a": value}
    return value


def endless() -> list:
    """Return a list that contains itself, as anchors in YAML can make one."""
    value: list = []
    value.append(value)
    return value


def doubled(times: int) -> object:
    """Return a few lists with 2**times leaves, as anchors in YAML can make them."""
    value: object = ["x"]
    for _time in range(times):
        value = [value, value]
    return value


def of_table(keys, value):
    """Draw mappings with keys of a table and perhaps unknown ones; `value` draws everything that is not a section."""
    known = {}
    for name, key in keys.items():
        inner = [value]
        if key.keys is not None:
            inner.append(of_table(key.keys, value))
        if key.words:
            inner.append(st.sampled_from(key.words))
        for kind in (key.kinds or {}).values():
            inner.append(of_table(kind, value))
        if key.each is not None:
            inner.append(st.dictionaries(st.sampled_from(["beat", "a-1"]) | KEY, of_table(key.each, value), max_size=2))
        known[name] = st.one_of(inner)
    some = st.sets(st.sampled_from(sorted(known)), max_size=4)
    return some.flatmap(
        lambda names: st.fixed_dictionaries({name: known[name] for name in sorted(names)}, optional={"odd\nkey": value})
    )


WRONG_SITES = of_table(SITE_KEYS, VALUE)

# --- sites that the model accepts ---

NAME = st.from_regex(r"[A-Z][A-Z0-9_]{0,6}", fullmatch=True)
IN_SOURCE = st.from_regex(r"[a-z]{1,5}(/[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,5}){0,2}", fullmatch=True)
URL_PATH = LINE.map(lambda text: "/" + "".join(text.split()))
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | CLEAN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(CLEAN | st.integers() | st.booleans() | st.none(), inner, max_size=3)
    ),
    max_leaves=6,
)
WORD = LINE.filter(bool)
COMMAND = st.builds(lambda first, words: [first, *words], st.just("prog") | WORD, st.lists(LINE, max_size=3))
STEP = st.fixed_dictionaries({"run": COMMAND}) | st.fixed_dictionaries({"manage": COMMAND, "timeout": st.just("1h")})
INI_VALUE = LINE.map(lambda text: text.replace("$(", "").replace("@(", "").strip())
DIRECTIVE_VALUE = LINE  # A value that ends with a backslash is refused.
UNIT = st.dictionaries(
    st.sampled_from(["Environment", "ReadWritePaths", "Nice", "X"]),
    DIRECTIVE_VALUE | st.lists(DIRECTIVE_VALUE, min_size=1, max_size=2),
    max_size=2,
)
# Arguments of a directive of nginx: quoted parts, bare ones, variables, and attempts to break out.
NGINX_WORD = (
    LINE.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
    | LINE.map(lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'")
    | st.sampled_from(
        ["/x", "$host", "${host}x", "a=b", "~", "^/(a|b)$", "200", "a\\;b", "\\#", "*", "x#y", "x'y", "a}b"]
    )
    | LINE
)
NGINX_WORDS = st.lists(NGINX_WORD, min_size=1, max_size=3).map(" ".join)
DIRECTIVES = st.dictionaries(
    st.sampled_from(["error_page", "set", "allow", "x_test"]),
    NGINX_WORDS | st.lists(NGINX_WORDS, min_size=1, max_size=2),
    max_size=2,
)
KEYS = {
    "prefix": st.sampled_from(["", "/shop", "/a/b.c~"]),
    "settings": st.dictionaries(NAME.filter(lambda name: name != "SECRET_KEY"), DATA, max_size=3),
    "env": st.dictionaries(NAME, CLEAN | st.booleans() | st.integers(), max_size=3),
    "files": st.dictionaries(IN_SOURCE, CLEAN, max_size=1),
    "database": LINE.map(lambda text: "postgres://" + "".join(text.split())),
    "superuser": st.fixed_dictionaries(
        {"username": st.just("ada"), "password": WORD},
        optional={"fields": st.dictionaries(st.just("full_name"), LINE | st.integers(), max_size=1)},
    ),
    "build": st.lists(STEP, max_size=2),
    "release": st.lists(STEP, max_size=2),
    "health": st.fixed_dictionaries({}, optional={"path": URL_PATH}),
    "warm_up": st.lists(URL_PATH, max_size=2),
    "uwsgi": st.fixed_dictionaries(
        {},
        optional={
            "options": st.dictionaries(
                st.sampled_from(["log-format", "route-run", "x-option"]),
                INI_VALUE | st.booleans() | st.integers() | st.lists(INI_VALUE, min_size=1, max_size=2),
                max_size=3,
            ),
            "unit": UNIT,
        },
    ),
    "nginx": st.fixed_dictionaries(
        {},
        optional={
            "options": DIRECTIVES,
            "locations": st.dictionaries(NGINX_WORDS, DIRECTIVES, max_size=2),
            "static": st.sampled_from([True, False, "/srv/assets"]),
            "media": st.booleans(),
        },
    ),
    "canonical": st.sampled_from(["", "shop.example.com"]),
    "tls": st.sampled_from(["none", "selfsigned", {"certificate": "/a.pem", "key": "/a.key"}])
    | st.fixed_dictionaries(
        {
            "command": COMMAND,
            "environment": st.dictionaries(NAME, CLEAN | st.booleans() | st.integers(), max_size=3),
        },
        optional={"cleanup": COMMAND},
    ).map(lambda dns: {"acme": {"challenge": {"dns": dns}}})
    | LINE.map(lambda text: {"acme": {"challenge": {"dns": {"plugin": "rfc2136", "credentials": text + "x"}}}}),
    "workers": st.dictionaries(
        st.sampled_from(["beat", "w-1"]), st.fixed_dictionaries({"run": COMMAND}, optional={"unit": UNIT}), max_size=2
    ),
    "timers": st.dictionaries(
        st.sampled_from(["clean", "t-1"]),
        st.fixed_dictionaries({"manage": COMMAND, "at": st.sampled_from(["hourly", "03:30"])}, optional={"unit": UNIT}),
        max_size=2,
    ),
}


def sites_with(*names: str):
    """Draw keys of sites that are mostly valid, with hostile values where possible; only these names, or all."""
    return st.fixed_dictionaries({}, optional={name: KEYS[name] for name in names or KEYS})
