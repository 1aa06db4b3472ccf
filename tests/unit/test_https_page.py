"""The page about https: the model accepts its examples, and it has the settings of the overlay."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.pyweb.stack.plugins.module_utils.build import overlay
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "https.md").read_text(encoding="utf-8")
# All examples except the configuration from before the key `tls`.
BEFORE = "firewalld_services"
BLOCKS = [
    block for block in re.findall(r"^```yaml example\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE) if BEFORE not in block
]
SITE = {"name": "shop", "domains": ["shop.example.com"], "source": {"startproject": "x"}}
PEM = "-----BEGIN {0}-----\nAAAA\n-----END {0}-----\n"


def known(block):
    """Return the block as data, with valid values in place of those from files or a vault."""
    texts = {r'"\{\{ lookup.*?\}\}"': "CERTIFICATE", r'"\{\{ vault_shop_key \}\}"': "PRIVATE KEY"}
    for pattern, label in texts.items():
        block = re.sub(pattern, lambda _match, label=label: json.dumps(PEM.format(label)), block)
    return yaml.safe_load(re.sub(r"\{\{ .*? \}\}", "correct-horse-battery", block))


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_an_example_is_a_valid_site(block):
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


def messages():
    """Return the texts in the doctor's code, with {} for each value in them."""
    for path in ROOT.glob("plugins/module_utils/doctor/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_the_doctor_prints_what_the_page_quotes():
    rows = re.findall(
        r"(?m)^\| ([^|]+) \|", TEXT.split("## When https does not work")[1].partition("| the doctor says |")[2]
    )
    quotes = [row for row in rows if row != "---"]
    assert len(quotes) > 10
    known = list(messages())
    # The name of the program is a value in the code.
    parts = [part.strip() for row in quotes for part in re.split(r"\.\.\.|certbot", row)]
    assert [part for part in parts if not any(part in message for message in known)] == []
