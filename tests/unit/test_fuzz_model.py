"""Any value of `web_sites` becomes sites or faults; each fault names its site and key, and shows no secret."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
import strategies
from ansible.errors import AnsibleFilterError
from ansible_collections.pyweb.stack.plugins.filter import sites as filters
from ansible_collections.pyweb.stack.plugins.module_utils.model import limits
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.model.keys import SITE_KEYS, secret_keys
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete, split_secrets
from hypothesis import given
from hypothesis import strategies as st
from models import EXAMPLE, SHOP, completed, fault, faults

CANARY = "canary-3f9a"


def judged(*sites):
    """Return the completed sites, or their faults."""
    started = time.process_time()
    try:
        found = complete(list(sites), None, ".", str(EXAMPLE))
    except InventoryError as error:
        found = error.faults
        text = str(error)
        assert all(char.isprintable() or char == "\n" for char in text)
        assert text.splitlines()[: len(found)] == found
        for line in found:
            # What to do about the fault: what is expected, what is known, or what to leave out.
            assert line.startswith(("web_sites[", "site "))
            assert len(line) < 1100
    assert time.process_time() - started < 5
    return found


@strategies.asked(200)
@given(strategies.WRONG_SITES)
def test_keys_of_any_value_make_a_site_or_faults_that_name_them(keys):
    for line in judged({**SHOP, **keys}):
        if isinstance(line, str):
            assert line.startswith("web_sites[0] 'shop'") or "name" in keys
            assert any(name in line for name in (*SITE_KEYS, "key")), line
            assert any(
                word in line for word in ("expected", "known", "did you mean", "required", "leave", "give", "set")
            ), line
        else:
            split_secrets([line])
            json.dumps(line).encode()


@strategies.asked(100)
@given(strategies.VALUE)
def test_any_value_of_web_sites_makes_sites_or_faults(value):
    with contextlib.suppress(InventoryError):
        complete(value, None, ".", str(EXAMPLE))
    with contextlib.suppress(InventoryError):
        complete([], value, ".", str(EXAMPLE))
    judged(value, value)


@strategies.asked(30)
@given(st.lists(strategies.sites_with(), min_size=2, max_size=3), st.sampled_from(["shop", "blog"]))
def test_several_sites_make_sites_or_faults(sites, name):
    judged(*[{**SHOP, "name": f"{name}{number}", **keys} for number, keys in enumerate(sites)])


def holding(secret):
    """Draw values that somebody could write in place of a secret, with the secret in them."""
    said = st.builds(lambda before, after: f"{before}{secret}{after}", strategies.TEXT, strategies.TEXT)
    return (
        said
        | st.lists(said, max_size=2)
        | st.dictionaries(st.sampled_from(["A", "a.txt", "x"]) | strategies.TEXT, said)
    )


@pytest.mark.parametrize("path", [path for path, key in secret_keys() if not key.credentials], ids=".".join)
def test_a_secret_of_any_shape_is_in_no_fault(path):
    @strategies.asked(30)
    @given(holding(CANARY))
    def asked(value):
        beside = {("source", "key"): {"git": "https://git.example/a"}, ("tls", "key"): {"certificate": "/a.pem"}}
        keys = value
        for name in reversed(path):
            keys = {name: keys, **(beside.get(path, {}) if name == path[-1] else {})}
        for line in judged({**SHOP, **keys}):
            assert not isinstance(line, str) or CANARY not in line

    asked()


# --- values that no key accepts: see model/limits.py ---


@pytest.mark.parametrize("key", ["settings", "env", "uwsgi", "domains", "files", "name", "state", "unknown"])
@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (strategies.nested(2_000), "nested deeper than 50 levels; expected"),
        (strategies.nested(100_000), "nested deeper than 50 levels; expected"),
        (strategies.endless(), "nested deeper than 50 levels; expected"),
        (strategies.doubled(40), "more than 100000 values; expected fewer"),
        (strategies.doubled(60), "nested deeper than 50 levels; expected"),
        ("a\ud800b", "text with half of a character (U+D800) in it; expected whole characters"),
        (16**5_000, "a number of 20001 bits; expected at most 1000 digits"),
        (b"abc", "of the type bytes; expected text, numbers"),
    ],
    ids=["2000", "100000", "endless", "doubled", "doubled_deep", "surrogate", "number", "bytes"],
)
def test_a_value_that_no_key_accepts_is_a_fault_of_its_key(key, value, wanted):
    [found] = faults({**SHOP, key: value})
    assert f" {key} is {wanted}" in found


@pytest.mark.parametrize("depth", [2_000, 100_000])
def test_a_filter_of_ansible_reports_the_same_fault(depth):
    for value in (strategies.nested(depth), strategies.endless(), strategies.doubled(60)):
        with pytest.raises(AnsibleFilterError, match="settings is nested deeper than 50 levels"):
            filters.sites([{**SHOP, "settings": {"A": value}}])


def test_a_nested_value_is_named_by_its_path():
    assert fault(settings={"A": {"b": [1, "\udfff"]}}).startswith("web_sites[0] 'shop': settings.A.b is text with half")
    assert "env.A is text with half" in fault(env={"A": f"{CANARY}\udc80"})
    assert "settings.A has a name that is text with half" in fault(settings={"A": {"\ud800": 1}})
    assert "a key is text with half" in fault(**{"a\ud800": 1})


def test_other_faults_of_the_site_are_reported_too():
    assert len(faults({**SHOP, "settings": strategies.nested(99), "prefix": "x", "env": 3})) == 3


def test_values_within_the_limits_are_accepted():
    deep = strategies.nested(limits.DEPTH_MAX - 3)
    assert completed(settings={"A": deep, "B": 10 ** (limits.DIGITS_MAX - 1)})["settings"]["A"] == deep


def test_required_keys_with_unusable_values_are_not_reported_as_missing():
    [found] = faults({**SHOP, "domains": ["\ud800"]})
    assert "domains is text with half" in found


# --- regressions: faults that the properties found ---


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"source": {"a\nfatal: b": 1}}, r"source has 'a\nfatal: b'; expected exactly one of git"),
        ({"source": {}}, ""),
        ({"source": {"x\x1b[2J": 1}}, r"source has 'x\x1b[2J'; expected exactly one of git"),
        ({"build": ["a\nb"]}, r"a management command is {manage: 'a\nb'}"),
        ({"build": [{"a\nb": 1}]}, r"found 'a\nb'"),
        ({"build": ["x" * 5_000]}, "xxx..."),
        (
            {"env": {"A": "x\ufffe"}},
            "text without U+FFFE as the value of A; it is not a character, and systemd refuses such",
        ),
        ({"uwsgi": {"unit": {"X": "x\ufdd0"}}}, "text without U+FDD0 for X"),
        ({"workers": {"w": {"run": ["a", "\U0001ffff"]}}}, "text without U+1FFFF in its words"),
        ({"workers": {"w": {"run": ["1=2", "x"]}}}, "expected a program as the first word"),
        ({"database": "postgres://x/\uffff"}, "database is not usable; expected a URL"),
        ({"database": "postgres://x/\0"}, "database is not usable; expected a URL"),
        ({"nginx": {"options": {"set": '"a\u2028b"'}}}, "expected text on one line for set"),
        ({"nginx": {"locations": {"/a\x85b": {}}}}, "expected text on one line"),
        ({"domains": ["https://u:p@ss@host"]}, "********@host"),
    ],
)
def test_faults_that_were_found(keys, words):
    if not words:
        assert completed(**keys)["source"]["kind"] == "directory"
        return
    found = fault(**keys)
    assert words in found
    assert "ss@" not in found
    assert len(found) < 1100


def test_a_file_of_variables_with_such_a_character_is_refused(tmp_path):
    (tmp_path / ".env").write_text("A=x\ufffe\n", encoding="utf-8")
    assert "text without U+FFFE as the value of A" in fault(base=tmp_path, env_file=".env")
