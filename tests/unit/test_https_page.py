"""The page about https: the model takes its examples, and it tells of the settings that the overlay has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.pyweb.stack.plugins.module_utils.build import overlay
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "https.md").read_text(encoding="utf-8")
# All but what somebody had before there was the key `tls`.
BEFORE = "firewalld_services"
BLOCKS = [
    block for block in re.findall(r"^```yaml example\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE) if BEFORE not in block
]
SITE = {"name": "shop", "domains": ["shop.example.com"], "source": {"startproject": "x"}}
PEM = "-----BEGIN {0}-----\nAAAA\n-----END {0}-----\n"


def known(block):
    """The block as data, with something of the right kind for what comes from a file or a vault."""
    texts = {r'"\{\{ lookup.*?\}\}"': "CERTIFICATE", r'"\{\{ vault_shop_key \}\}"': "PRIVATE KEY"}
    for pattern, label in texts.items():
        block = re.sub(pattern, lambda _match, label=label: json.dumps(PEM.format(label)), block)
    return yaml.safe_load(re.sub(r"\{\{ .*? \}\}", "correct-horse-battery", block))


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_an_example_is_a_site(block):
    given = known(block)
    [site] = given.get("web_sites") or [{**SITE, **given}]
    assert [found["name"] for found in complete([site])] == ["shop"]


def test_every_kind_has_an_example():
    given = [known(block) for block in BLOCKS]
    sites = [complete(keys.get("web_sites") or [{**SITE, **keys}])[0] for keys in given]
    kinds = {site["tls"]["kind"] for site in sites}
    assert {"certificate", "path", "acme"} <= kinds
    assert "| `selfsigned` |" in TEXT
    assert len(BLOCKS) == TEXT.count("```yaml") - TEXT.count(BEFORE + ": [") >= 8


def test_the_settings_of_the_page_are_those_of_the_overlay():
    [site] = complete([{**SITE, "tls": "selfsigned", "nginx": {"hsts": 604800}}])
    said = re.findall(r"\b(?:[A-Z]+_)+[A-Z]+\b", overlay.settings(site, "x.settings"))
    told = {name for name in said if name.startswith(("SECURE_", "SILENCED_")) or name.endswith("COOKIE_SECURE")}
    table = TEXT.split("## Django's settings")[1].split("## ")[0]
    assert sorted(name for name in told if name not in table) == []
    silenced = re.findall(r'"security\.(W[0-9]+)"', overlay.settings(site, "x.settings"))
    assert all(number in table for number in silenced)
