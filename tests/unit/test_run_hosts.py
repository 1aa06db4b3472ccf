"""Hosts without sites: how they are found and reported."""

from __future__ import annotations

import json
from unittest.mock import MagicMock

import pytest
from ansible_collections.pyweb.stack.plugins.action import hosts_with_sites as action
from ansible_collections.pyweb.stack.plugins.plugin_utils import output, run_hosts

SITE = {"name": "shop"}


class HostVars(dict):
    """A fake HostVars: raw values by `raw_get`, rendered ones by `[]`; `=X` is a template for the JSON X."""

    def raw_get(self, host):
        return dict.__getitem__(self, host)

    def __getitem__(self, host):
        return {name: json.loads(value[1:]) for name, value in self.raw_get(host).items()}


@pytest.mark.parametrize(
    ("variables", "has"),
    [
        ({}, False),
        ({"web_sites": None}, False),
        ({"web_sites": []}, False),
        ({"web_sites": "=[]"}, False),
        ({"web_sites": "=null"}, False),
        ({"web_sites": [SITE]}, True),
        ({"web_sites": [{"name": "shop", "state": "absent"}]}, True),
        ({"web_sites": '=[{"name": "shop"}]'}, True),
        # The check reports invalid values.
        ({"web_sites": {}}, True),
        ({"web_sites": "=not json"}, True),
        ({"web_sites": '="shop"'}, True),
    ],
)
def test_a_host_has_sites_unless_they_are_unset_or_empty(variables, has):
    assert run_hosts.has_sites(HostVars(web1=variables), "web1") is has


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, ["web9"]),
        ({"web_hosts": "web"}, []),
        ({"ansible_limit": "web1"}, []),
        ({"groups": {"all": ["web1", "web9"]}}, []),
    ],
)
def test_hosts_with_sites_outside_of_the_group_web_are_reported(variables, found):
    hostvars = HostVars(web1={"web_sites": [SITE]}, web9={"web_sites": [SITE]}, db1={})
    given = {"groups": {"web": ["web1"], "all": ["web1", "web9", "db1"]}, "hostvars": hostvars, **variables}
    assert run_hosts.forgotten(given, ["web1"]) == found


def test_a_large_inventory_is_not_searched():
    many = [f"h{number}" for number in range(run_hosts.HINT_MAX + 1)]
    given = {"groups": {"web": ["web1"], "all": many}, "hostvars": HostVars()}
    assert run_hosts.forgotten(given, ["web1"]) == []


@pytest.mark.parametrize(
    ("skipped", "hosts", "words"),
    [
        (["db1"], ["db1", "web1"], ""),
        (["db1"], ["db1"], "db1 has no sites, so nothing was done"),
        (["db1", "db2"], ["db1", "db2"], "none of the 2 hosts of this run has sites, so nothing was done"),
    ],
)
def test_a_run_without_any_site_is_a_warning(skipped, hosts, words):
    assert run_hosts.warning(skipped, hosts).startswith(words)
    assert bool(run_hosts.warning(skipped, hosts)) is bool(words)


def test_the_action_prints_one_line_per_host_and_begins_the_report(monkeypatch, tmp_path):
    shown = []
    monkeypatch.setattr(output, "show", lambda lines: shown.extend(text for text, _colour in lines))
    report = tmp_path / "report.json"
    task = MagicMock(args={"report": str(report)}, check_mode=True, async_val=0)
    plugin = action.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
    result = plugin.run(
        task_vars={
            "hostvars": HostVars(web1={"web_sites": [SITE]}, db1={}),
            "ansible_play_hosts_all": ["web1", "db1"],
            "groups": {"all": ["web1", "db1"]},
        }
    )
    assert result["without_sites"] == ["db1"]
    assert result["changed"] is False
    assert result["began"] > 0
    assert shown == ["db1: not touched, it has no sites (web_sites is unset or empty)"]
    begun = json.loads(report.read_text(encoding="utf-8"))
    assert (begun["finished"], begun["check_mode"]) == (False, True)


ACME = {"name": "shop", "domains": ["shop.example.com", "www.example.com"], "tls": {"acme": {}}}


def inventory(**hosts):
    return {"groups": {"all": list(hosts)}, "hostvars": HostVars(**hosts)}


@pytest.mark.parametrize(
    ("web1", "others", "shared"),
    [
        # No CA is used, so the names do not matter.
        ({"web_sites": [{**ACME, "tls": "selfsigned"}]}, [ACME], []),
        ({"web_sites": [ACME]}, [{"domains": ["other.example.com"]}], []),
        ({"web_sites": [ACME]}, [{**ACME, "state": "absent"}], []),
        ({"web_sites": [ACME]}, [{"domains": "WWW.example.com"}], ["www.example.com"]),
        ({"web_sites": [ACME]}, [{"domains": ["a.example.com", "shop.example.com"]}], ["shop.example.com"]),
        ({"web_sites": [{**ACME, "tls": None}], "web_tls": {"acme": {}}}, [ACME], ACME["domains"]),
        ({"web_sites": f"={json.dumps([ACME])}"}, [ACME], ACME["domains"]),
        # A template's value is not known before it is evaluated.
        ({"web_sites": [{**ACME, "tls": "{{ tls }}"}]}, [ACME], ACME["domains"]),
        ({"web_sites": [ACME]}, "a wrong one", []),
        ({"web_sites": [ACME]}, [{"domains": None}, "text"], []),
    ],
)
def test_names_that_several_hosts_of_the_inventory_have(monkeypatch, web1, others, shared):
    monkeypatch.setattr(run_hosts, "is_template", lambda value: isinstance(value, str) and value[:1] in ("=", "{"))
    given = inventory(web1=web1, db1={}, web2={"web_sites": others})
    assert run_hosts.names_of_several(given, ["web1"]) == {name: ["web1", "web2"] for name in shared}


def test_other_hosts_are_not_read_if_no_site_uses_acme():
    given = inventory(web1={"web_sites": [SITE]}, web2={"web_sites": [ACME]})
    given["groups"] = None
    assert run_hosts.names_of_several(given, ["web1"]) == {}


def test_a_template_of_another_host_that_cannot_be_evaluated_is_ignored():
    given = inventory(web1={"web_sites": [ACME]}, web2={"web_sites": "{{ nothing }}"})
    assert run_hosts.names_of_several(given, ["web1"]) == {}
