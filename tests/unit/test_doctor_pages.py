"""docs/doctor-codes.md and docs/symptoms.md: each code has its place, and all links have a target."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.chain import HOPS, REGISTER

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/doctor"))
import codes  # noqa: E402 - modules in the directory that the line above adds
import means  # noqa: E402 - likewise


@pytest.fixture(scope="module")
def page():
    return codes.codes_page()


def test_each_code_has_one_anchor_a_meaning_and_a_fix_for_both_kinds_of_hosts(page):
    assert re.findall(r'<a id="([^"]+)"></a>', page) == [
        code for hop in HOPS for code in REGISTER if code.startswith(f"{hop}.")
    ]
    for section in page.split("<a id=")[1:]:
        assert re.search(r"(?m)^- by hand: .", section), section
        assert re.search(r"(?m)^- managed: .", section), section
        assert re.search(r"(?m)^- (broken|degraded|unknown|advice)", section), section


def test_every_link_of_the_page_has_its_anchor(page):
    anchors = {*re.findall(r'<a id="([^"]+)"></a>', page), *re.findall(r"(?m)^## (\w+)$", page)}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= anchors


def test_fixes_by_hand_name_no_key_of_the_inventory(page):
    for by_hand in re.findall(r"(?m)^- by hand: (.*)$", page):
        assert "web_sites" not in by_hand


def test_a_code_without_a_meaning_shows_an_example_message(monkeypatch):
    monkeypatch.setitem(means.MEANS, "nginx.stopped", "")
    assert "For example: nginx is stopped." in codes.codes_page()


def test_each_symptom_leads_to_existing_codes():
    page = codes.symptoms_page()
    sections = page.split("\n## ")[1:]
    assert len(sections) == len(means.SYMPTOMS)
    for section in sections:
        linked = re.findall(r"^\| \[([^]]+)\]\(doctor-codes\.md#([^)]+)\) \| .+ \|$", section, re.MULTILINE)
        assert linked, section
        assert all(text == anchor and anchor in REGISTER for text, anchor in linked)
    for word in ("502", "504", "403", "404", "400", "Redirected", "CSS", "too long"):
        assert any(word in section.partition("\n")[0] for section in sections), word


def test_no_meaning_is_used_twice():
    said = [text for text in means.MEANS.values() if text]
    assert len(said) - len(set(said)) <= 1  # an unknown name of an upstream, which two hops can find
