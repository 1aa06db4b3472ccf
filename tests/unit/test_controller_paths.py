"""Paths in the inventory to files on the controller, and what relative ones are relative to."""

from __future__ import annotations

import os

import pytest
from ansible_collections.pyweb.stack.plugins.filter import sites as filters
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from models import EXAMPLE, SHOP
from test_check import checked

LONG = "a-directory-whose-name-is-long-enough-to-be-cut/" * 3


@pytest.fixture
def places(tmp_path):
    for name in ("inventory", "collection/playbooks", "shop"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "shop/manage.py").write_text("")
    return tmp_path


def refused(places, **keys):
    base, former = str(places / "inventory"), str(places / "collection/playbooks")
    with pytest.raises(Exception, match="web_sites") as caught:
        filters.sites([{**SHOP, **keys}], base=base, former_base=former)
    return str(caught.value)


def test_a_relative_path_is_relative_to_the_directory_of_the_inventory(places):
    [site] = filters.sites([{**SHOP, "source": {"directory": "../shop"}}], base=str(places / "inventory"))
    assert site["source"]["directory"] == str(places / "shop")


@pytest.mark.parametrize("base", [None, "", "."])
def test_without_an_inventory_directory_it_is_relative_to_the_current_directory(places, monkeypatch, base):
    """Ansible has no inventory directory for `-i host,`."""
    monkeypatch.chdir(places / "inventory")
    [site] = filters.sites([{**SHOP, "source": {"directory": "../shop"}}], base=base)
    assert site["source"]["directory"] == str(places / "shop")


def test_home_and_absolute_paths_are_not_relative(places, monkeypatch):
    monkeypatch.setenv("HOME", str(places))
    for path in ("~/shop", str(places / "shop")):
        [site] = filters.sites([{**SHOP, "source": {"directory": path}}], base="/none")
        assert site["source"]["directory"] == str(places / "shop")
    assert "relative paths" not in refused(places, source={"directory": "/none/shop"})


@pytest.mark.parametrize(
    "keys", [{"source": {"directory": "no"}}, {"source": {"archive": "no.tgz"}}, {"env_file": "no.env"}]
)
def test_error_of_a_missing_path_has_the_rule_and_the_whole_path(places, keys):
    deep = places / LONG
    deep.mkdir(parents=True)
    with pytest.raises(Exception, match="web_sites") as caught:
        filters.sites([{**SHOP, **keys}], base=str(deep))
    [name] = [value for value in (keys.get("env_file"), *keys.get("source", {}).values()) if value]
    assert f"'{deep}/{name}'" in str(caught.value)
    assert f"relative paths start from the directory of the inventory, {deep}" in str(caught.value)


def test_a_path_that_exists_only_next_to_the_playbook_is_reported_with_its_fix(places):
    (places / "collection/shop.env").write_text("A=1\n")
    said = refused(places, env_file="../shop.env")
    old = places / "collection/shop.env"
    assert said.endswith(
        f"and no longer from that of the playbook; to keep {old}, write {os.path.relpath(old, places / 'inventory')}"
    )


@pytest.mark.parametrize(("found", "base"), [("inventory_dir", "inventory"), (None, "")])
def test_the_check_of_a_run_uses_the_same_rule(places, monkeypatch, found, base):
    monkeypatch.chdir(places / "inventory")
    given = {"inventory_dir": str(places / base) if found else None, "playbook_dir": str(places / "collection")}
    assert "failed" not in checked([{**SHOP, "source": {"directory": "../shop"}}], given)
    result = checked([{**SHOP, "source": {"directory": "playbooks"}}], given)
    assert "to keep" in result["msg"]
    assert str(places / "collection/playbooks") in result["msg"]


def test_callers_without_a_directory_use_the_current_one():
    with pytest.raises(InventoryError):
        filters.site.complete([{**SHOP, "source": {"directory": "no"}}], example=str(EXAMPLE))
