"""The filters: plain values as input, errors of the model as Ansible's errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.pyweb.stack.plugins.filter import firewall, nginx, sites
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain
from jinja2 import StrictUndefined, UndefinedError

FILTERS = {name: one for module in (sites, nginx, firewall) for name, one in module.FilterModule().filters().items()}
SHOP = {"name": "shop", "domains": ["shop.example.com"]}


class Text(str):
    """A text of Ansible: a subclass, as tagged and unsafe text are."""


def only_plain(value):
    if isinstance(value, dict):
        return all(only_plain(key) and only_plain(one) for key, one in value.items())
    if isinstance(value, list):
        return all(map(only_plain, value))
    return value is None or type(value) in (str, int, float, bool)


def test_sites_without_a_source_get_the_example():
    [found] = FILTERS["sites"]([SHOP])
    assert found["source"]["kind"] == "directory"
    assert (Path(found["source"]["directory"]) / "manage.py").is_file()


def test_roots_and_base_reach_the_model(tmp_path):
    (tmp_path / "code").mkdir()
    [found] = FILTERS["sites"]([{**SHOP, "source": {"directory": "code"}}], roots={"sites": "/w"}, base=str(tmp_path))
    assert found["paths"]["root"] == "/w/shop"
    assert found["source"]["directory"] == str(tmp_path / "code")


@pytest.mark.parametrize("given", [wrap_var([SHOP]), [{Text("name"): Text("shop"), "domains": (Text("a"),)}]])
def test_results_are_plain(given):
    found = FILTERS["sites"](given)
    assert only_plain(found)
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (Text("x"), "x"),
        (("a", 1), ["a", 1]),
        ({Text("k"): [Text("v"), None, True, 1.5]}, {"k": ["v", None, True, 1.5]}),
    ],
)
def test_plain(value, wanted):
    assert plain(value) == wanted
    assert only_plain(plain(value))


def test_an_undefined_variable_is_not_converted_to_text():
    given = [{**SHOP, "env": {"KEY": StrictUndefined(name="vault_key")}}]
    with pytest.raises(UndefinedError, match="'vault_key' is undefined"):
        FILTERS["sites"](given)


def test_faults_have_one_line_each():
    with pytest.raises(AnsibleFilterError) as error:
        FILTERS["sites"]([{"name": "shop", "domain": "a", "python": "2.7"}])
    lines = str(error.value).splitlines()
    assert lines[0] == (
        "web_sites[0] 'shop': has no domains; it is required; add for example `domains: [shop.example.com]`"
    )
    assert lines[3:] == ["web_sites has 3 faults"]


def test_no_python_fits():
    completed = FILTERS["sites"]([{**SHOP, "packages": ["Django>=5.2,<5.3"], "source": {"path": "/srv/shop"}}])
    with pytest.raises(
        AnsibleFilterError, match=r"Django 5\.2 needs Python 3\.10 to 3\.14; this host has or offers 3\.9"
    ):
        FILTERS["choose_pythons"](completed, [], {"3.9": "/usr/bin/python3.9"})
    [chosen] = FILTERS["choose_pythons"](completed, [], {"3.11": "/usr/bin/python3.11"})
    assert chosen["interpreter"]["path"] == "/usr/bin/python3.11"


def test_the_firewall_plan_has_the_ports_of_other_sites_of_nginx():
    completed = FILTERS["sites"]([SHOP])
    listener = {"port": "80/tcp", "process": "nginx (pid 5, nginx.service)", "unit": "nginx.service"}
    given = {"services": [], "ports": [], "zone": "public", "purpose": "web", "opened": {}, "ssh_ports": [22]}
    given["default_zone"] = "public"
    given |= {"active": False, "enabled": False, "open_ports": [listener]}
    nginx = {"main": "foreign", "servers": [{"listens": [{"address": "*", "port": 80}]}]}
    assert [item["port"] for item in FILTERS["firewall_plan"](completed, nginx=nginx, **given)["others"]] == ["80/tcp"]
    # The package's own default server is replaced.
    packaged = {**nginx, "main": "packaged"}
    assert FILTERS["firewall_plan"](completed, nginx=packaged, **given)["others"] == []


def test_nginx_and_firewall_faults_are_ansible_errors():
    completed = FILTERS["sites"]([SHOP])
    platform = {"user": "nginx", "layout": "conf_d", "modules": "/m/*.conf"}
    with pytest.raises(AnsibleFilterError, match="nginx_layout is 'x'"):
        FILTERS["nginx_files"](completed, platform, layout="x")
    with pytest.raises(AnsibleFilterError, match="firewalld_ports has '80'"):
        FILTERS["firewall_plan"](
            completed, services=[], ports=["80"], zone="", purpose="web", opened={}, ssh_ports=[22]
        )
