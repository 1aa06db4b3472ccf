"""Who can read the files of a site: its user, but not others in the user's primary group."""

from __future__ import annotations

import grp
import pwd
from types import SimpleNamespace

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import site_group
from ansible_collections.pyweb.stack.plugins.module_utils.model import layout as layouts
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout

LAYOUT = Layout.under("shop")
STAFF = 1001


class Accounts:
    """The accounts of a host: user -> primary group, and group -> members, both by id and name."""

    def __init__(self, monkeypatch, tmp_path):
        self.users = {"huatai": STAFF, "site-shop": 901}
        self.groups = {"staff": (STAFF, []), "site-shop": (901, [])}
        monkeypatch.setattr(layouts, "SYSUSERS", str(tmp_path))
        monkeypatch.setattr(pwd, "getpwnam", self.entry)
        monkeypatch.setattr(pwd, "getpwall", lambda: [self.entry(name) for name in self.users])
        monkeypatch.setattr(grp, "getgrnam", lambda name: SimpleNamespace(gr_name=name, gr_mem=self.groups[name][1]))
        monkeypatch.setattr(grp, "getgrgid", self.group)

    def entry(self, name):
        return SimpleNamespace(pw_name=name, pw_gid=self.users[name])

    def group(self, gid):
        return next(
            SimpleNamespace(gr_name=name, gr_mem=listed)
            for name, (number, listed) in self.groups.items()
            if number == gid
        )


@pytest.fixture
def accounts(monkeypatch, tmp_path):
    made = Accounts(monkeypatch, tmp_path)
    del made.groups["site-shop"], made.users["site-shop"]
    return made


def test_the_group_of_a_user(accounts):
    assert site_group.group_of("huatai") == "staff"
    assert site_group.group_of("to-be-made") == "to-be-made"


def test_a_group_without_other_members_is_used(accounts):
    assert site_group.site_group(LAYOUT, "huatai", managed=False) == "staff"
    assert site_group.site_group(LAYOUT, "nobody-here", managed=False) == "nobody-here"


@pytest.mark.parametrize("how", ["primary", "listed"])
def test_a_group_with_other_members_is_not_used(accounts, how):
    if how == "primary":
        accounts.users["teammate"] = STAFF
    else:
        accounts.groups["staff"] = (STAFF, ["teammate"])
    assert site_group.site_group(LAYOUT, "huatai", managed=False) == "site-shop"
    # A managed user has its own group: members of it were added by an administrator.
    assert site_group.site_group(LAYOUT, "huatai", managed=True) == "staff"


def test_a_site_keeps_its_group(accounts):
    accounts.groups["site-shop"] = (901, ["huatai"])
    assert site_group.site_group(LAYOUT, "huatai", managed=False) == "site-shop"


def test_the_build_account_of_a_site_is_an_expected_member(accounts, tmp_path):
    accounts.groups["staff"] = (STAFF, ["huatai", "build-shop", "build-blog"])
    assert site_group.site_group(LAYOUT, "huatai", managed=False) == "site-shop"
    for name in ("shop", "blog"):
        (tmp_path / f"build-{name}.conf").touch()
    assert site_group.site_group(LAYOUT, "huatai", managed=False) == "staff"
