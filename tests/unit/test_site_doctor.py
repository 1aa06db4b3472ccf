"""The action of `site_doctor`: what is sent to the host, and what is not."""

from __future__ import annotations

import json
import time
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.pyweb.stack.plugins.action import site_doctor
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete

SECRET = "correct-horse-battery"
SHOP = {
    "name": "shop",
    "domains": ["shop.example.com"],
    "env": {"TOKEN": SECRET},
    "database": f"postgres://shop:{SECRET}@db/shop",
    "settings": {"API_KEY": SECRET},
    "superuser": {"username": "admin", "password": SECRET},
    "health": {"path": "/healthz"},
    "source": {"path": "/srv/shop"},
    "nginx": {"media": False},
}


def run(monkeypatch, **arguments):
    """Return the module's arguments."""
    given = {}
    task = MagicMock(args=arguments, async_val=0, action="x", environment=None)
    one = site_doctor.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
    monkeypatch.setattr(
        one, "_execute_module", lambda module_name, module_args, task_vars: given.update(module_args) or {}
    )
    one.run(task_vars={})
    return given


@pytest.mark.parametrize("sites", [[SHOP], complete([SHOP])], ids=["as written", "completed"])
def test_no_secret_is_sent_to_the_host(monkeypatch, sites):
    given = run(monkeypatch, sites=sites, deep=True)
    assert SECRET not in json.dumps(given)
    [site] = given["sites"]
    assert site["name"] == "shop"
    assert site["domains"] == ["shop.example.com"]
    assert site["health"]["path"] == "/healthz"
    assert site["media"] is False
    assert given["deep"] is True


def test_a_name_and_domains_are_enough(monkeypatch):
    given = run(monkeypatch, sites=[{"name": "mysite", "domains": ["example.com"]}])
    assert given["sites"] == [{"name": "mysite", "domains": ["example.com"]}]


@pytest.mark.parametrize(
    ("tls", "kind"),
    [
        ("selfsigned", "selfsigned"),
        ("none", "none"),
        ({"acme": {"challenge": {"dns": {"command": ["x"], "environment": {"TOKEN": SECRET}}}}}, "acme"),
        ({"certificate": "/etc/ssl/a.pem", "key": "/etc/ssl/a.key"}, "path"),
        ({"certificate": "-----BEGIN", "key": SECRET}, "certificate"),
    ],
)
def test_only_the_kind_of_tls_is_sent(monkeypatch, tls, kind):
    nginx = {"trusted_proxies": ["10.0.0.0/8"]}
    given = run(monkeypatch, sites=[{"name": "shop", "domains": ["a.de"], "tls": tls, "nginx": nginx}])
    wanted = {"name": "shop", "domains": ["a.de"], "tls": kind, "trusted_proxies": ["10.0.0.0/8"]}
    wanted |= {"certificate_path": "/etc/ssl/a.pem"} if kind == "path" else {}
    assert given["sites"] == [wanted]


def test_only_the_kind_of_completed_tls_is_sent(monkeypatch):
    [site] = run(monkeypatch, sites=complete([{**SHOP, "tls": "selfsigned", "canonical": "shop.example.com"}]))["sites"]
    assert (site["tls"], site["canonical"]) == ("selfsigned", "shop.example.com")
    [site] = run(monkeypatch, sites=complete([SHOP]))["sites"]
    assert site["tls"] == "none"


def test_roots_of_the_model_are_sent_and_absent_sites_are_not_examined(monkeypatch):
    sites = complete(
        [SHOP, {**SHOP, "name": "old", "domains": ["old.example"], "state": "absent"}], roots={"sites": "/home/x"}
    )
    given = run(monkeypatch, sites=sites)
    assert [site["name"] for site in given["sites"]] == ["shop"]
    [paths] = [site["paths"] for site in given["sites"]]
    assert (paths["root"], paths["state"]) == ("/home/x/shop", "/var/lib/sites/shop")


def test_the_controllers_clock_is_sent_unless_a_time_is_given(monkeypatch):
    assert abs(run(monkeypatch, sites=[])["controller_time"] - time.time()) < 60
    assert run(monkeypatch, sites=[], controller_time=7)["controller_time"] == 7


@pytest.mark.parametrize("arguments", [{}, {"sites": "shop"}, {"sites": ["shop"]}])
def test_sites_must_be_a_list_of_mappings(monkeypatch, arguments):
    with pytest.raises(AnsibleActionFail, match="expected web_sites"):
        run(monkeypatch, **arguments)


def test_the_controllers_answers_are_sent_with_their_site(monkeypatch):
    visit = {"site": "shop", "status": 200}
    asked = []
    monkeypatch.setattr(site_doctor.outside, "way_to", lambda *way: asked.append(way) or ("192.0.2.1", True, False))
    monkeypatch.setattr(site_doctor.outside, "ask", lambda sites, way: {"shop": [visit]})
    other = {"name": "other", "domains": ["other.example"]}
    [first, second] = run(monkeypatch, sites=[SHOP, other])["sites"]
    assert first["outside"] == [visit]
    assert "outside" not in second
    assert len(asked) == 1


def test_a_host_is_examined_even_if_the_controller_gets_no_answer(monkeypatch):
    def fails(*_way):
        raise RuntimeError

    monkeypatch.setattr(site_doctor.outside, "way_to", fails)
    assert run(monkeypatch, sites=[SHOP])["sites"][0]["name"] == "shop"
