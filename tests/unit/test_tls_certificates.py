"""The certificates of all sites of a host, before and after nginx's files are written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import memory
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import Shell
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.tls import certificates, hook, leave, pairs, watch
from tls_pairs import make


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(certificates.files, "locked", lambda _name: certificates.contextlib.nullcontext())
    monkeypatch.setattr(certificates.stale, "is_stale", lambda _site: False)
    monkeypatch.setattr(watch.Watch, "_systemctl", lambda *_given, **_more: 0)
    (tmp_path / "units").mkdir()
    return Host(tmp_path)


class Host:
    def __init__(self, folder):
        self.folder = folder

    def site(self, name="shop", tls=None, state="present", purge=False):
        layout = Layout.under(name, {"config": str(self.folder / "etc")})
        domains = [f"{name}.example.com"]
        nginx = {"listen_tls": [{"address": "", "port": 443}], "proxy_protocol": False}
        tls = tls or {"kind": "none"}
        site = {"name": name, "domains": domains, "paths": layout.paths, "state": state, "purge": purge}
        return {**site, "tls": tls, "nginx": nginx}

    def layout(self, name="shop"):
        return Layout.of(self.site(name))

    def run(self, *sites, keys=None, dry=False, refused=None):
        found = certificates.Certificates(sites, keys or {}, dry, str(self.folder / "units"))
        found.prepare()
        entries = [entry for entry in found.entries() if entry["of"] not in (refused or {})]
        for entry in [] if dry else entries:
            Path(entry["path"]).unlink(missing_ok=True)
            if "link" in entry:
                os.symlink(entry["link"], entry["path"])
        found.finish(refused or {})
        return found

    def path_site(self, made, name="shop"):
        (self.folder / "a.pem").write_text(made.certificate)
        (self.folder / "a.key").write_text(made.key)
        paths = {"certificate_path": str(self.folder / "a.pem"), "key_path": str(self.folder / "a.key")}
        return self.site(name, {"kind": "path", **paths})


def test_sites_without_tls_run_no_command(host, monkeypatch):
    monkeypatch.setattr(Shell, "run", lambda *_given, **_more: pytest.fail("a command was run"))
    old = {key: value for key, value in host.site("old").items() if key not in ("tls", "nginx")}
    found = host.run(host.site(), host.site("gone", state="absent", purge=True), old)
    assert (found.entries(), found.changed, found.shown(), found.diff(), found.notes) == ([], False, {}, [], [])
    assert (os.listdir(host.folder / "units"), memory.sites()) == ([], {})


def test_link_changes_with_nginxs_files(host):
    tls = {"kind": "selfsigned"}
    found = host.run(host.site(tls=tls))
    live = pairs.live(host.layout())
    assert found.entries() == [{"path": host.layout().tls_live, "link": f"pairs/{live}", "of": "shop"}]
    assert (found.changed, found.faults) == (True, {})
    assert found.shown()["shop"]["state"] == "created"
    assert found.is_own(host.layout().tls_live)
    assert not found.is_own("/etc/nginx/nginx.conf")
    assert memory.sites()["shop"]["paths"]["config"] == host.layout().config
    again = host.run(host.site(tls=tls))
    assert (again.changed, again.entries(), again.diff()) == (False, [], [])
    assert again.shown()["shop"]["state"] == "unchanged"


def test_dry_run_lets_nginx_check_the_pair_and_writes_nothing(host):
    found = host.run(host.site(tls={"kind": "selfsigned"}), dry=True)
    certificate, key, link = found.entries()
    assert [Path(entry["path"]).name for entry in (certificate, key, link)] == ["fullchain.pem", "privkey.pem", "live"]
    assert (certificate["secret"], key["secret"], key["mode"]) == (True, True, "0600")
    assert os.path.dirname(key["path"]) == f"{host.layout().tls}/{link['link']}"
    assert (found.changed, found.shown()["shop"]["state"]) == (True, "created")
    assert not os.path.exists(host.folder / "etc")


def test_differences_show_names_and_dates_and_no_key(host):
    one, two = make(), make()
    for made in (one, two):
        site = host.site(tls={"kind": "certificate", "certificate": made.certificate})
        found = host.run(site, keys={"shop": made.key})
    [shown] = found.diff()
    assert (shown["before_header"], shown["after_header"]) == ("certificate of shop", "certificate of shop: renewed")
    assert shown["before"].startswith("names: shop.example.com\nends: ")
    assert shown["before"] != shown["after"]
    assert "PRIVATE" not in str(found.diff()) + str(found.shown())


def test_a_failed_site_does_not_stop_the_others(host):
    one, two = make(["bad.example.com"]), make()
    bad = host.site("bad", {"kind": "certificate", "certificate": one.certificate})
    found = host.run(bad, host.site(tls={"kind": "selfsigned"}), keys={"bad": two.key})
    assert list(found.faults) == ["bad"]
    assert found.faults["bad"].startswith("site 'bad': certificate failed: tls.key: the key does not match")
    assert [entry["of"] for entry in found.entries()] == ["shop"]
    assert list(found.shown()) == ["shop"]


def test_an_unexpected_error_is_a_fault_of_its_site_and_shows_no_key(host, monkeypatch):
    made = make()

    def fail(_supply):
        raise ValueError(f"it is {made.key}")

    monkeypatch.setattr(certificates.Supply, "bring", fail)
    site = host.site(tls={"kind": "certificate", "certificate": made.certificate})
    found = host.run(site, keys={"shop": made.key})
    assert "ValueError: it is" in found.faults["shop"]
    assert made.key.splitlines()[1] not in found.faults["shop"]


def test_a_pair_that_nginx_refuses_does_not_replace_the_live_one(host):
    site = host.site(tls={"kind": "selfsigned"})
    host.run(site)
    before = pairs.live(host.layout())
    renewed = {**site, "domains": ["shop.example.org"]}
    found = host.run(renewed, refused={"shop": "no"})
    assert (found.shown()["shop"]["state"], found.changed) == ("unchanged", False)
    assert pairs.live(host.layout()) == before


def test_the_previous_pair_is_kept_and_named(host):
    site = host.site(tls={"kind": "selfsigned"})
    host.run(site)
    before = pairs.live(host.layout())
    host.run({**site, "domains": ["shop.example.org"]})
    assert pairs.previous(host.layout()) == before


def test_files_of_the_host_are_watched_until_the_kind_changes(host):
    site = host.path_site(make())
    found = host.run(site, dry=True)
    assert found.changed
    host.run(site)
    units = sorted(os.listdir(host.folder / "units"))
    assert units == ["pyweb-tls-shop.path", "pyweb-tls-shop.service"]
    assert os.path.exists(watch.script(host.layout()))
    host.run(host.site(tls={"kind": "selfsigned"}))
    assert os.listdir(host.folder / "units") == []
    assert not os.path.exists(watch.script(host.layout()))


def test_a_missing_unit_is_a_change(host):
    wants = host.folder / "units/multi-user.target.wants"
    wants.mkdir()
    for unit in ("path", "service"):
        (wants / f"pyweb-tls-shop.{unit}").touch()
    site = host.path_site(make())
    host.run(site)
    assert not host.run(site).changed
    os.unlink(host.folder / "units/pyweb-tls-shop.path")
    predicted = host.run(site, dry=True)
    assert predicted.shown()["shop"]["state"] == "changed"
    assert predicted.diff()[0]["after"] == f"wrote {host.folder}/units/pyweb-tls-shop.path\n"
    assert host.run(site).changed
    assert not host.run(site).changed


@pytest.mark.parametrize(
    ("state", "purge", "kept"),
    [("present", False, True), ("present", True, True), ("absent", False, True), ("absent", True, False)],
)
def test_a_site_that_no_longer_uses_https_keeps_its_pairs_without_purge(host, state, purge, kept):
    host.run(host.path_site(make()))
    Path(hook.path(host.layout())).touch()
    live = pairs.live(host.layout())
    gone = host.site(state=state, purge=purge)
    dry = host.run(gone, dry=True)
    assert (dry.changed, pairs.live(host.layout())) == (True, live)
    found = host.run(gone)
    assert found.shown()["shop"]["state"] == dry.shown()["shop"]["state"] == "removed"
    assert found.entries() == []
    assert os.listdir(host.folder / "units") == []
    assert os.path.isdir(f"{host.layout().tls}/pairs/{live}") is kept
    assert os.path.isdir(host.layout().config) is kept
    left = os.listdir(host.layout().tls) if kept else []
    assert left == (["pairs"] if kept else [])
    again = host.run(gone)
    assert (again.changed, again.shown()) == (False, {})


def test_purge_keeps_other_files_of_a_site(host):
    host.run(host.site(tls={"kind": "selfsigned"}))
    Path(f"{host.layout().config}/secret_key").touch()
    leave.leave(host.layout(), Shell("shop", {}), purge=True, dry=False, folder=str(host.folder / "units"))
    assert os.listdir(host.layout().config) == ["secret_key"]


def test_a_site_is_stale_if_nginx_serves_another_certificate(host, monkeypatch):
    site = host.site(tls={"kind": "selfsigned"})
    found = host.run(site)
    assert found.stale() == []
    monkeypatch.setattr(certificates.stale, "is_stale", lambda _site: True)
    assert found.stale() == ["shop"]
    assert host.run(site, dry=True).stale() == ["shop"]
    # nginx cannot serve yet what this run would change.
    assert host.run({**site, "domains": ["shop.example.org"]}, dry=True).stale() == []
