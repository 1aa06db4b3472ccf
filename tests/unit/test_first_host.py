"""Which host of the inventory does what one of several does: the same one whatever hosts a run takes."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.plugin_utils.first_host import others
from test_run_hosts import HostVars

SHOP, BLOG = {"name": "shop"}, {"name": "blog"}


def of(here, names=("shop", "blog"), **hosts):
    hostvars = HostVars({host: {"web_sites": given} for host, given in hosts.items()})
    # A run of fewer hosts has another ansible_play_hosts, and the same groups.
    task_vars = {"inventory_hostname": here, "groups": {"all": list(hosts)}, "hostvars": hostvars}
    return others(task_vars, names)


@pytest.mark.parametrize(
    ("here", "found"),
    [("web1", {}), ("web2", {"shop": "web1"}), ("web3", {"shop": "web1", "blog": "web2"})],
)
def test_the_first_of_the_inventory_that_has_the_site(here, found):
    sites = {"web1": '=[{"name": "shop"}]', "web2": '=[{"name": "shop"}, {"name": "blog"}]'}
    assert of(here, **sites, web3='=[{"name": "shop"}, {"name": "blog"}]') == found


@pytest.mark.parametrize(
    "given",
    [
        None,
        "=not json",
        "=[]",
        '=["shop"]',
        '="shop"',
        '=[{"name": "shop", "state": "absent"}]',
        '=[{"state": "x"}]',
        "=3",
    ],
)
def test_a_host_without_the_site_or_with_a_list_that_cannot_be_read_is_not_the_first(given):
    assert of("web2", ["shop"], web1=given, web2='=[{"name": "shop"}]') == {}


def test_the_first_host_is_asked_no_further():
    """Hosts behind this one have nothing to do with it, and may be many."""
    task_vars = {"inventory_hostname": "web1", "groups": {"all": ["web1", "web2"]}, "hostvars": None}
    assert others(task_vars, ["shop"]) == {}
