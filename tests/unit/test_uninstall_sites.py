"""Removing one site from a host."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import accounts, files, found, memory
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import Shell, StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model import layout as layouts
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import ROOTS, Layout
from ansible_collections.pyweb.stack.plugins.module_utils.uninstall import sites
from ansible_collections.pyweb.stack.plugins.module_utils.uninstall.report import Report
from uninstall_host import UNIT, Host

ID = "0123456789ab"
CODE = (
    "current",
    f"releases/{ID}/release.json",
    "builds/b/build.json",
    "manage",
    "history",
    ".pyweb-7",
    ".current.new",
)


@pytest.fixture
def host(tmp_path, monkeypatch):
    made = Host(tmp_path, monkeypatch)

    def run(_self, _step, argv, **_more):
        status, out, err = made.run(argv)
        return subprocess.CompletedProcess(argv, status, out, err)

    monkeypatch.setattr(Shell, "run", run)
    monkeypatch.setattr(accounts.builder, "exists", lambda user: user in ("site-shop", "huatai"))
    made.layout = Layout.under("shop", {key: f"{tmp_path}{path}" for key, path in ROOTS.items()})
    for name in CODE:
        made.put(f"/opt/sites/shop/{name}")
    for name in (f"{ID}.env", "processes.json", "secret_key"):
        made.put(f"/etc/sites/shop/{name}")
    for path in ("/var/lib/sites/shop/db.sqlite3", "/var/cache/sites/shop/x", f"/run/sites/shop/{ID}.sock"):
        made.put(path)
    for log in ("shop.access.log", "shop.access.log.2.gz", "shop.error.log-20261101", "shop.error.log.notes"):
        made.put(f"/var/log/nginx/{log}")
    made.put("/etc/sysusers.d/site-shop.conf", "# Written by pyweb.stack.\n")
    for unit in ("uwsgi-shop.service", "uwsgi-shop@.service", "uwsgi-shop@8000.socket"):
        made.put(f"/etc/systemd/system/{unit}", UNIT)
    made.put("/etc/systemd/system/uwsgi-shop@9000.socket", "[Socket]\n")
    return made


def remove(host, purge=False, check_mode=False, before=None, user="site-shop", managed=True):
    report = Report()
    made = tuple(f"{host.root}{path}" for path in ("/opt/sites", "/run/sites", "/var/cache/sites"))
    site = found.FoundSite(host.layout, user, managed, made)
    sites.remove(site, purge, before or {}, report, check_mode)
    report.removed, report.kept = host.shown(report.removed), host.shown(report.kept)
    return report


DATA = ["/etc/sites/shop/secret_key", "/var/lib/sites/shop/db.sqlite3"]
OTHERS = ["/etc/systemd/system/uwsgi-shop@9000.socket"]
LOGS = [
    "/var/log/nginx/shop.access.log",
    "/var/log/nginx/shop.access.log.2.gz",
    "/var/log/nginx/shop.error.log-20261101",
]


def test_data_is_kept_without_purge(host):
    report = remove(host)
    left = [path for path in host.files() if not path.startswith(("/memory", "/var/log"))]
    assert left == sorted([*DATA, *OTHERS, "/run/pyweb.stack/site-shop.lock"])
    instances, plain = "uwsgi-shop@*.service uwsgi-shop-probe@*.service", "uwsgi-shop.service uwsgi-shop@8000.socket"
    assert host.calls == [
        f"systemctl disable --quiet --now {plain}",
        f"systemctl stop {instances}",
        "systemctl daemon-reload",
        f"systemctl reset-failed {instances} {plain}",
    ]
    assert "/opt/sites/shop" in report.removed
    assert "/opt/sites" in report.removed
    assert len(report.kept) == 1
    assert "/var/lib/sites/shop and /etc/sites/shop and the user site-shop; uninstall_purge=true" in report.kept[0]
    # Recorded so that a later purge finds it.
    assert memory.sites()["shop"]["user"] == "site-shop"


@pytest.mark.parametrize("check_mode", [False, True])
def test_timers_and_workers_stop_before_the_server_and_their_units_are_removed(host, check_mode):
    ours = [
        "pyweb-timer-shop@digest.service",
        "pyweb-timer-shop@digest.timer",
        "pyweb-worker-shop.service",
        f"pyweb-worker-shop@{ID}:celery:1.service",
    ]
    for unit in ours:
        host.put(f"/etc/systemd/system/{unit}", UNIT)
    host.put("/etc/systemd/system/pyweb-timer-shop@theirs.timer", "[Timer]\n")
    report = remove(host, check_mode=check_mode)
    assert {f"/etc/systemd/system/{unit}" for unit in ours} < set(report.removed)
    left = [path for path in host.files() if "/pyweb-" in path]
    assert left == sorted(
        f"/etc/systemd/system/{unit}" for unit in ["pyweb-timer-shop@theirs.timer", *(ours if check_mode else [])]
    )
    order = ["systemctl disable --quiet --now pyweb-timer-shop@digest.timer pyweb-worker-shop.service"]
    order += ["systemctl stop pyweb-timer-shop@*.service", "systemctl stop pyweb-worker-shop@*:*:*.service"]
    order += ["systemctl stop uwsgi-shop@*.service uwsgi-shop-probe@*.service"]
    assert [call for call in host.calls if call in order] == ([] if check_mode else order)


def with_https(host, monkeypatch):
    """Give the site a certificate that certbot renews, and units that watch files of the host."""
    tls, own = "/etc/sites/shop/tls", host.layout.lineage
    monkeypatch.setattr(layouts, "LETSENCRYPT", f"{host.root}/etc/letsencrypt")
    monkeypatch.setattr(layouts, "ACME_WEBROOT", f"{host.root}/var/lib/pyweb-acme")
    host.put(f"/etc/letsencrypt/renewal/{own}.conf", f"[renewalparams]\nrenew_hook = {host.root}{tls}/renewed\n")
    for folder in ("live", "archive"):
        host.put(f"/etc/letsencrypt/{folder}/{own}/fullchain.pem")
    for unit in ("path", "service"):
        host.put(f"/etc/systemd/system/pyweb-tls-shop.{unit}", UNIT)
    for name in ("renewed", "changed", "pairs/aaaaaaaaaaaa/privkey.pem"):
        host.put(f"{tls}/{name}")
    host.link(f"{tls}/live", "pairs/aaaaaaaaaaaa")
    host.put("/var/lib/pyweb-acme/.well-known/x")


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("purge", [True, False])
def test_renewal_ends_and_purge_removes_the_pair(host, monkeypatch, purge, check_mode):
    with_https(host, monkeypatch)
    before = host.files()
    report = remove(host, purge, check_mode)
    ended = ["/etc/systemd/system/pyweb-tls-shop.path", "/etc/systemd/system/pyweb-tls-shop.service"]
    ended += ["/etc/sites/shop/tls/renewed", "/etc/sites/shop/tls/changed", "/var/lib/pyweb-acme"]
    ended += [f"/etc/letsencrypt/renewal/{host.layout.lineage}.conf"]
    issued = [f"/etc/letsencrypt/{folder}/{host.layout.lineage}" for folder in ("live", "archive")]
    assert {*ended, *(issued if purge else ["/etc/sites/shop/tls/live"])} <= set(report.removed)
    assert len(report.removed) == len(set(report.removed))
    kept = [text for text in report.kept if text.startswith("the certificate of the site shop in /etc/letsencrypt")]
    assert len(kept) == (0 if purge else 1)
    if check_mode:
        assert (host.files(), [call for call in host.calls if "pyweb-tls" in call]) == (before, [])
        return
    left = [path for path in host.files() if "/tls/" in path or "letsencrypt" in path or "pyweb-" in path]
    kept = [f"{path}/fullchain.pem" for path in issued] + ["/etc/sites/shop/tls/pairs/aaaaaaaaaaaa/privkey.pem"]
    assert left == ([] if purge else sorted(kept))
    assert "systemctl disable --quiet --now pyweb-tls-shop.path pyweb-tls-shop.service" in host.calls
    if not purge:
        assert remove(host).removed == []


def test_certificate_of_another_certbot_is_kept(host, monkeypatch):
    with_https(host, monkeypatch)
    own = host.layout.lineage
    host.put(f"/etc/letsencrypt/renewal/{own}.conf", "[renewalparams]\nrenew_hook = /usr/local/bin/theirs\n")
    remove(host, purge=True)
    assert [path for path in host.files() if "letsencrypt" in path] == sorted(
        [f"/etc/letsencrypt/{folder}/{own}/fullchain.pem" for folder in ("live", "archive")]
        + [f"/etc/letsencrypt/renewal/{own}.conf"]
    )


def test_a_second_removal_changes_nothing(host):
    remove(host)
    assert remove(host).removed == []


def test_purge_removes_everything_except_foreign_files(host):
    report = remove(host, purge=True)
    left = [path for path in host.files() if not path.startswith("/run/pyweb.stack")]
    assert left == [*OTHERS, "/var/log/nginx/shop.error.log.notes"]
    assert {*LOGS, "the user site-shop"} <= set(report.removed)
    assert host.calls[-1] == "userdel site-shop"
    assert report.kept == []
    assert memory.sites() == {}


@pytest.mark.parametrize(
    ("before", "user", "managed"), [({"users": ["site-shop"]}, "site-shop", True), ({}, "huatai", False)]
)
def test_an_account_from_before_is_kept(host, before, user, managed):
    report = remove(host, purge=True, before=before, user=user, managed=managed)
    assert not [call for call in host.calls if "userdel" in call]
    assert not [line for line in report.removed if "the user" in line]


def test_check_mode_reports_the_same_and_changes_nothing(host):
    before = host.files()
    predicted = remove(host, purge=True, check_mode=True)
    assert (host.files(), host.calls) == (before, [])
    assert predicted.removed == remove(host, purge=True).removed


def test_other_files_in_the_sites_directory_are_kept(host):
    host.put("/opt/sites/shop/unfinished.json")
    host.put("/opt/sites/shop/notes.txt")
    report = remove(host)
    assert host.files("/opt") == ["/opt/sites/shop/notes.txt"]
    assert "/opt/sites/shop, because of files that the collection did not create: notes.txt" in report.kept
    assert "/opt/sites/shop" not in report.removed


def test_a_link_in_place_of_the_site_is_not_followed(host):
    os.rename(host.root / "opt/sites/shop", host.root / "elsewhere")
    host.link("/opt/sites/shop", host.root / "elsewhere")
    remove(host, purge=True)
    assert host.text("/elsewhere/manage") == ""


def test_a_mount_is_a_fault_and_named(host, monkeypatch):
    monkeypatch.setattr(files, "mounts", lambda path: [f"{path}/media"] if path.endswith("lib/sites/shop") else [])
    with pytest.raises(StepError, match=r"site 'shop': files failed: .*/var/lib/sites/shop/media is a mount"):
        remove(host, purge=True)
    assert host.text("/var/lib/sites/shop/db.sqlite3") == ""


def test_media_in_another_directory_are_kept(host):
    host.layout.paths["media"] = f"{host.root}/srv/media"
    host.put("/srv/media/a.png")
    report = remove(host, purge=True)
    assert host.text("/srv/media/a.png") == ""
    assert report.kept == ["/srv/media, the media of the site shop: the inventory sets its path"]


def test_shared_tools_are_removed_with_the_empty_roots(host):
    remove(host, purge=True)
    host.put("/opt/sites/.tools/pyvenv.cfg")
    host.put("/opt/sites/.tools.new/pyvenv.cfg")
    host.put("/opt/sites/.pythons/cpython-3.13.2-linux-x86_64-gnu/bin/python3.13")
    host.put("/var/lib/sites/other/theirs")
    report = Report()
    sites.tools([found.FoundSite(host.layout, "site-shop", True)], report, check_mode=False)
    # Directories recorded for the site were removed with it; the remaining ones are empty now.
    assert host.shown(report.removed)[:3] == ["/opt/sites/.tools", "/opt/sites/.tools.new", "/opt/sites/.pythons"]
    assert {"/opt/sites", "/etc/sites"} <= set(host.shown(report.removed))
    assert host.text("/var/lib/sites/other/theirs") == ""
