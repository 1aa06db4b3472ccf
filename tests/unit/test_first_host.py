"""The first host of the inventory that has a site, independent of limits, play order and templates."""

from __future__ import annotations

import json

import pytest
from ansible_collections.pyweb.stack.plugins.plugin_utils.first_host import first_hosts, is_first


class HostVars(dict):
    """A fake HostVars: raw values by `raw_get`, rendered ones by `[]`; {{X}} is a template for the JSON X."""

    def __init__(self, **hosts):
        super().__init__(hosts)
        self.read = []

    def raw_get(self, host):
        self.read.append(host)
        return dict.__getitem__(self, host)

    def __getitem__(self, host):
        return {name: self._filled(value) for name, value in dict.__getitem__(self, host).items()}

    def _filled(self, value):
        if isinstance(value, str) and value.startswith("{{"):
            return json.loads(value[2:-2])
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        return {key: self._filled(item) for key, item in value.items()} if isinstance(value, dict) else value


SHOP, BLOG = {"name": "shop"}, {"name": "blog"}


def variables(groups=None, play=("web3",), **hosts):
    given = {name: ({} if sites is None else {"web_sites": sites}) for name, sites in hosts.items()}
    return {
        "hostvars": HostVars(**given),
        "groups": groups or {"all": list(hosts)},
        "ansible_play_hosts_all": list(play),
        "inventory_hostname": play[0],
    }


@pytest.mark.parametrize(
    ("first", "host"),
    [
        ([SHOP], "web1"),
        ([BLOG], "web2"),
        (None, "web2"),
        ([], "web2"),
        ([{"name": "shop", "state": "absent"}], "web2"),
        ([{"name": "shop", "state": "present"}], "web1"),
        # Templates of a name, of a state and of the whole list.
        ([{"name": '{{"shop"}}'}], "web1"),
        ([{"name": "shop", "state": '{{"absent"}}'}], "web2"),
        ('{{[{"name": "shop"}]}}', "web1"),
        ('{{[{"name": "blog"}]}}', "web2"),
        # Values that cannot be rendered are not sites and no reason to fail; names that are known still count.
        ("{{nonsense}}", "web2"),
        ([{"name": "{{nonsense}}"}, BLOG], "web2"),
        ([{"name": "{{nonsense}}"}, SHOP], "web1"),
        ({"name": "shop"}, "web2"),
        (["shop", 3, None], "web2"),
        ([{"name": 3}, {}], "web2"),
    ],
)
def test_the_first_host_that_has_a_site(first, host):
    given = variables(web1=first, web2=[SHOP], web3=[SHOP])
    assert first_hosts(given, ["shop"]) == {"shop": host}


def test_the_group_web_is_preferred_as_in_the_playbooks():
    groups = {"all": ["other", "web1", "web2"], "web": ["web1", "web2"]}
    given = variables(groups, other=[SHOP, BLOG], web1=[BLOG], web2=[SHOP])
    assert first_hosts(given, ["shop", "blog"]) == {"shop": "web2", "blog": "web1"}


def test_a_site_in_play_variables_belongs_to_all_hosts_of_the_play():
    assert first_hosts(variables(play=["web2", "web3"], web1=None), ["shop"]) == {"shop": "web2"}
    assert first_hosts({"inventory_hostname": "web7"}, ["shop"]) == {"shop": "web7"}


def test_no_more_variables_are_read_than_necessary():
    given = variables(web1=[SHOP], web2=[SHOP], web3=[SHOP])
    first_hosts(given, ["shop"])
    assert given["hostvars"].read == ["web1"]
    first_hosts(given, [])
    assert given["hostvars"].read == ["web1"]


def test_whether_the_host_of_a_task_is_the_first():
    given = variables(web1=[BLOG], web3=[SHOP, BLOG])
    assert is_first(given, ["shop", "blog"]) == {"shop": True, "blog": False}
