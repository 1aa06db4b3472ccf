"""docs/troubleshooting.md, docs/symptoms.md and docs/doctor-codes.md: from what a visitor sees to each fault."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.chain import HOPS, REGISTER

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/doctor"))
import codes  # noqa: E402 - modules in the directory that the line above adds
import means  # noqa: E402 - likewise
import picture  # noqa: E402 - likewise
import symptoms  # noqa: E402 - likewise
import table  # noqa: E402 - likewise

TROUBLESHOOTING = ROOT / "docs/troubleshooting.md"
# No visitor notices these, or another code has the reason: the doctor could not look, or only security is affected.
UNNOTICED = {
    *("client.status", "client.outside-differs", "firewalld.silent", "firewalld.stopped"),
    *("nginx.untested", "nginx.unexamined"),
    *("app.interpreter", "app.unseen", "django.unexamined", "django.checks", "django.development"),
}


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
    assert len(sections) == len(symptoms.SYMPTOMS)
    for section in sections:
        linked = re.findall(r"^\| \[([^]]+)\]\(doctor-codes\.md#([^)]+)\) \| .+ \| .+ \|$", section, re.MULTILINE)
        assert linked, section
        assert all(text == anchor and anchor in REGISTER for text, anchor in linked)
    for word in ("502", "504", "403", "404", "400", "Redirected", "CSS", "No answer"):
        assert any(word in section.partition("\n")[0] for section in sections), word


def test_each_code_is_listed_below_a_symptom_unless_no_visitor_notices_it():
    listed = {code for symptom in symptoms.SYMPTOMS for code in symptom.codes}
    assert listed | UNNOTICED == set(REGISTER)
    assert not listed & UNNOTICED


def test_causes_quoted_on_the_page_are_those_of_the_doctor():
    known, page = codes.rows(), codes.SYMPTOMS_PAGE.read_text(encoding="utf-8")
    for line in re.findall(r"(?m)^\| \[.*$", page):
        code = re.findall(r"\[([^]]+)\]", line)[0]
        quoted = re.split(r"(?<!\\) \| ", line.removesuffix(" |"))[-1]
        heard = {" ".join(case.cause.split()) for case in known[code]}
        assert re.sub(r"\\(?=[*_<>|])", "", quoted) in heard, line


def test_faults_are_listed_below_the_symptoms_that_were_measured_on_hosts():
    """Compare with the results of the last run on hosts. The tests on hosts check the same with what they measure."""
    assert [(title, lacks) for title, code, sight in table.sights() if (lacks := symptoms.unlisted(code, sight))] == []


def test_a_fault_that_its_symptom_does_not_list_is_missed():
    assert symptoms.unlisted("socket.stale", "502") == ""
    assert symptoms.unlisted("socket.stale", "200") == ""
    assert symptoms.unlisted("socket.stale", "404") == (
        "visitors see '404', but socket.stale is not listed below 404 Not Found"
    )
    assert "any symptom of that kind" in symptoms.unlisted("socket.stale", "418")


@pytest.mark.parametrize(
    ("symptom", "sight"),
    [(symptom, sight) for symptom in symptoms.SYMPTOMS for sight in symptom.sights],
    ids=lambda value: value if isinstance(value, str) else value.title,
)
def test_each_symptom_was_seen_on_a_host(symptom, sight):
    # Of the platforms that are tested completely, only EL's nginx has a default server beside a site of the tutorial.
    measured = [*table.sights(), *table.sights("centos9")]
    assert any(seen == sight and code in symptom.codes for _title, code, seen in measured)


def test_troubleshooting_leads_to_each_symptom():
    text = TROUBLESHOOTING.read_text(encoding="utf-8")
    anchors = [re.sub(r"[^\w -]", "", symptom.title.lower()).replace(" ", "-") for symptom in symptoms.SYMPTOMS]
    assert re.findall(r"(?m)^\| \[[^]]+\]\(symptoms\.md#([^)]+)\) \|", text) == anchors


def test_troubleshooting_shows_lines_that_the_doctor_prints():
    """The picture is drawn from a report of the tests on hosts."""
    terminal = html.unescape(picture.TERMINAL.read_text(encoding="utf-8"))
    blocks = re.findall(r"(?s)```text example\n(.*?)```", TROUBLESHOOTING.read_text(encoding="utf-8"))
    lines = [line for block in blocks for line in block.splitlines()]
    assert lines
    assert [line for line in lines if f">{line}<" not in terminal] == []


def test_no_meaning_is_used_twice():
    said = [text for text in means.MEANS.values() if text]
    assert len(said) - len(set(said)) <= 1  # an unknown name of an upstream, which two hops can find
