"""The report: aligned lines on the terminal, a page with all texts escaped, and data that can be read back."""

from __future__ import annotations

import datetime
import html.parser
import json
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.pyweb.stack.plugins.action import doctor_report as action
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import chain as doctor
from ansible_collections.pyweb.stack.plugins.plugin_utils import doctor_report

EVIL = '<script>alert("x")</script>'
WHEN = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)


def hop(name, status="ok", cause="", follows="", fix="systemctl start it"):
    fault = {
        "fault": f"{name}.x",
        "hop": name,
        "status": status,
        "cause": cause,
        "fix": fix,
        "evidence": [f"seen {EVIL}"],
        "follows": follows,
    }
    faults = [fault] if cause else []
    return {
        "hop": name,
        "status": status,
        "evidence": ["all is well"],
        "cause": cause,
        "fix": fix if cause else "",
        "follows": follows,
        "faults": faults,
    }


def result(**changes):
    hops = [hop(name) for name in doctor.HOPS]
    hops[0] = hop("client", "broken", "a client gets 502", follows="socket")
    hops[6] = hop("socket", "broken", f"stale socket {EVIL} " + "long " * 40)
    site = {
        "name": "shop",
        "domains": ["shop.example"],
        "managed": True,
        "status": "broken",
        "seconds": 1.0,
        "first": hops[6]["faults"][0],
        "hops": hops,
        "ladder": [{"rung": "Django alone", "status": "ok", "evidence": [EVIL], "cause": ""}],
    }
    return {"sites": [{**site, **changes}], "broken": True}


@pytest.fixture
def hosts():
    return doctor_report.collected(
        {"web1": result(), "web2": {"unreachable": True, "msg": f"no route {EVIL}"}, "web3": None}
    )


def test_every_host_is_in_the_report_even_if_unreachable(hosts):
    assert [(one["host"], one["error"], len(one["sites"])) for one in hosts] == [
        ("web1", "", 1),
        ("web2", f"unreachable: no route {EVIL}", 0),
        ("web3", "no report: the doctor did not run there", 0),
    ]


def test_terminal_has_one_aligned_line_for_each_hop(hosts):
    shown = doctor_report.lines(hosts)
    texts = [text for text, _colour in shown]
    assert texts[0] == "web1  shop (shop.example): broken"
    lines = [(text, colour) for text, colour in shown if text[4:14].strip() in doctor.HOPS]
    assert [text[4:14].strip() for text, _colour in lines] == list(doctor.HOPS)
    for text, colour in lines:
        assert len(text) <= doctor_report.LINE_MAX
        status = text[14:24].strip()
        assert colour == doctor_report.COLOURS[status]
    assert lines[0][0].endswith("a client gets 502  [follows from socket]")
    assert any(text.startswith("  first   socket: stale socket") for text in texts)
    assert "  fix     systemctl start it" in texts
    assert any("step " in text and "Django alone" in text for text in texts)


def with_advice():
    """Return a report with a healthy site that has advice."""
    uwsgi = hop("uwsgi")
    uwsgi["faults"] = [{**hop("uwsgi", "advice", "buffer-size is small")["faults"][0], "fix": "make it larger"}]
    hops = [uwsgi if name == "uwsgi" else hop(name) for name in doctor.HOPS]
    return doctor_report.collected({"web1": result(status="ok", first=None, hops=hops)})


def test_advice_is_shown_and_a_site_with_it_is_all_ok():
    shown = doctor_report.lines(with_advice())
    assert shown[0] == ("web1  shop (shop.example): all ok", "green")
    assert ("  advice  uwsgi: buffer-size is small; make it larger  [uwsgi.x]", "cyan") in shown
    [line] = [text for text, _colour in shown if text[4:14].strip() == "uwsgi"]
    assert line.endswith("all is well")  # And no number of other faults.
    page = doctor_report.page(with_advice(), WHEN)
    assert "i advice" in read(page).text
    assert "buffer-size is small" in read(page).text
    assert " open>" not in page


def test_evidence_of_the_first_fault_is_quoted_unless_the_cause_contains_it(hosts):
    first = hosts[0]["sites"][0]["first"]
    first["evidence"] = ["in the cause", "x.service: exited, status=217/USER", "a" * 400, "", "third", "fourth"]
    first["cause"] = "what is in the cause"
    said = [text for text, _colour in doctor_report.lines(hosts) if text.startswith("  says")]
    assert said == [
        "  says    x.service: exited, status=217/USER",
        f"  says    {'a' * 299}…",
        "  says    third",
    ]


def test_the_code_of_the_first_fault_is_shown(hosts):
    [line] = [text for text, _colour in doctor_report.lines(hosts) if text.startswith("  first   ")]
    assert line.endswith("  [socket.x]")
    assert "socket.x" in read(doctor_report.page(hosts, WHEN)).text


class Reader(html.parser.HTMLParser):
    """Collect tags, external links and text; report tags that are not closed in order."""

    VOID = frozenset({"meta", "br", "link", "img"})

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.links, self.text, self.ids = [], [], [], "", []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        values = dict(attrs)
        self.links += [values[name] for name in ("href", "src") if name in values]
        self.ids += [values["id"]] if "id" in values else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data


def read(text):
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


def test_page_is_well_formed_self_contained_and_escaped(hosts):
    text = doctor_report.page(hosts, WHEN)
    page = read(text)
    assert "script" not in page.tags
    assert EVIL in page.text  # As text.
    assert EVIL not in text
    assert all(link.startswith("#") for link in page.links)
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def test_page_shows_what_is_broken_where_and_the_fix(hosts):
    text = read(doctor_report.page(hosts, WHEN)).text
    for word in (
        "web1",
        "shop",
        "stale socket",
        "systemctl start it",
        "follows from",
        "web2",
        "not examined",
        "1 broken",
    ):
        assert word in text
    for name in doctor.HOPS:
        assert name in text


def test_page_without_sites_is_valid():
    assert "no site" in read(doctor_report.page([], WHEN)).text


def run(tmp_path, check_mode=False, **arguments):
    task = MagicMock(args=arguments, async_val=0, action="x", environment=None, check_mode=check_mode)
    one = action.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
    return one.run(task_vars={})


def test_action_writes_the_page_and_the_data(tmp_path):
    places = {"html": str(tmp_path / "new/doctor.html"), "json": str(tmp_path / "new/doctor.json")}
    found = run(tmp_path, reports={"web1": result()}, **places)
    assert found["changed"] is False
    assert found["broken"] == ["web1/shop"]
    assert found["written"] == list(places.values())
    read((tmp_path / "new/doctor.html").read_text(encoding="utf-8"))
    data = json.loads((tmp_path / "new/doctor.json").read_text(encoding="utf-8"))
    assert data["hosts"][0]["sites"] == result()["sites"]


def test_action_writes_nothing_in_check_mode_or_without_a_path(tmp_path):
    path = tmp_path / "doctor.html"
    assert run(tmp_path, check_mode=True, reports={"web1": result()}, html=str(path))["written"] == []
    assert run(tmp_path, reports={"web1": result()}, html="")["written"] == []
    assert not path.exists()


def test_action_refuses_invalid_reports(tmp_path):
    with pytest.raises(AnsibleActionFail, match="expected host name -> result of site_doctor"):
        run(tmp_path, reports=[])
