"""The renewal timer and its CAs, and what is left when certificates are removed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from acme_hosts import Host, site
from ansible_collections.pyweb.stack.plugins.module_utils.host.services import ServiceError
from ansible_collections.pyweb.stack.plugins.module_utils.model import layout as layouts
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.tls import acme_found, acme_leave, acme_timer

CA = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


def below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# --- the timer ---


@pytest.mark.parametrize("unit", ["certbot.timer", "certbot-renew.timer"])
def test_a_disabled_timer_is_enabled_and_started_and_later_restored(host, unit):
    (host.folder / "units/certbot.timer").unlink()
    host.states.clear()
    host.bring(unit)
    assert acme_timer.ensure(host.run, dry=True) == ["start", "enable"]
    assert host.units == []
    assert acme_timer.ensure(host.run, dry=False) == ["start", "enable"]
    assert host.units == [["start", unit], ["enable", unit]]
    assert acme_timer.ensure(host.run, dry=False) == []
    assert acme_timer.give_back(host.run, dry=True) == [f"{unit}: stopped and disabled, as it was"]
    assert len(host.units) == 2
    acme_timer.give_back(host.run, dry=False)
    assert host.states[unit] == ["inactive", "disabled"]
    assert not os.path.exists(acme_timer.record())


def test_only_what_was_changed_of_a_timer_is_restored(host):
    host.bring("certbot.timer", "active", "disabled")
    assert acme_timer.ensure(host.run, dry=False) == ["enable"]
    assert acme_timer.give_back(host.run, dry=False) == ["certbot.timer: disabled, as it was"]
    assert host.states["certbot.timer"] == ["active", "disabled"]


def test_an_active_timer_is_not_recorded_as_a_change(host):
    host.bring("certbot.timer", "active", "enabled")
    assert acme_timer.ensure(host.run, dry=False) == []
    assert not os.path.exists(acme_timer.record())


def test_a_host_without_a_timer_is_reported(host):
    (host.folder / "units/certbot.timer").unlink()
    host.states.clear()
    assert acme_timer.ensure(host.run, dry=True) == []
    with pytest.raises(ServiceError, match=r"certbot\.timer does not start: systemd knows no unit"):
        acme_timer.ensure(host.run, dry=False)


# --- the CAs that it trusts ---


def test_certbot_of_the_timer_trusts_the_cas_of_the_inventory(host, monkeypatch):
    system = host.folder / "system.pem"
    system.write_text("of the host\n")
    monkeypatch.setattr(acme_timer, "SYSTEM_CAS", (str(system), "/nowhere/ca.pem"))
    host.certificate(ca=CA).ensure()
    path = str(host.folder / "systemd/certbot.service.d/pyweb.conf")
    assert acme_timer.ensure_authorities(host.run, dry=True) == [path]
    assert not os.path.exists(path)
    assert acme_timer.ensure_authorities(host.run, dry=False) == [path]
    assert host.units == [["daemon-reload"]]
    assert acme_timer.ensure_authorities(host.run, dry=False) == []
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    bundle = f"{layouts.LOCKS}/acme-ca.pem"
    assert f"\nEnvironment=REQUESTS_CA_BUNDLE={bundle}\n" in text
    # As systemd starts it, after a boot.
    os.unlink(bundle)
    [command] = [line.partition("=")[2] for line in text.splitlines() if line.startswith("ExecStartPre=")]
    assert command.startswith("/bin/sh -c '")
    subprocess.run(["sh", "-c", command], check=True)
    with open(bundle, encoding="utf-8") as stream:
        assert stream.read() == f"of the host\n{CA}"


def test_the_drop_in_is_removed_with_the_last_ca(host):
    host.certificate(ca=CA).ensure()
    acme_timer.ensure_authorities(host.run, dry=False)
    host.certificate().ensure()
    assert acme_timer.ensure_authorities(host.run, dry=False)
    assert not (host.folder / "systemd/certbot.service.d").exists()
    assert acme_timer.environment() == {}


# --- the end ---


def ended(host, purge, dry=False):
    [completed], _secrets = host.sites(site())
    return acme_leave.end(Layout.of(completed), purge, host.run, dry)


def test_renewal_ends_and_the_issued_certificate_stays(host):
    dns = {"command": "true", "environment": {"TOKEN": "token-of-the-provider"}}
    wanted = host.certificate(ca=CA, challenge={"dns": dns})
    wanted.ensure()
    acme_timer.ensure(host.run, dry=False)
    acme_timer.ensure_authorities(host.run, dry=False)
    before = below(host.folder)
    planned = ended(host, purge=False, dry=True)
    assert below(host.folder) == before
    assert ended(host, purge=False) == planned
    conf, own = f"{host.certbot.etc}/renewal/pyweb-shop.conf", f"{wanted.layout.tls}/acme"
    assert planned == [
        conf,
        own,
        acme_found.authority_path("shop"),
        "certbot.timer: stopped and disabled, as it was",
        layouts.ACME_WEBROOT,
    ]
    assert not any(os.path.exists(path) for path in (conf, own, layouts.ACME_WEBROOT))
    assert not (host.folder / "systemd/certbot.service.d").exists()
    assert (host.certbot.etc / "live/pyweb-shop/fullchain.pem").exists()
    # Removing what nginx reads is not tested here; it is part of the pairs.
    assert os.path.exists(wanted.layout.certificate)
    assert ended(host, purge=False) == []


def test_purge_removes_the_issued_files_and_everything_of_that_name(host):
    host.certificate().ensure()
    ended(host, purge=True)
    assert not [path for path in below(host.certbot.etc) if "pyweb-shop" in path]


def test_purge_removes_the_files_of_a_renewal_that_has_ended(host):
    host.certificate().ensure()
    ended(host, purge=False)
    assert len(ended(host, purge=True)) == 2
    assert not [path for path in below(host.certbot.etc) if "pyweb-shop" in path]


@pytest.mark.parametrize("purge", [False, True])
def test_certificates_of_others_are_not_touched(host, purge):
    for name in ("pyweb-shop", "example.com"):
        (host.certbot.etc / "renewal").mkdir(parents=True, exist_ok=True)
        (host.certbot.etc / f"renewal/{name}.conf").write_text("[renewalparams]\nrenew_hook = /root/mine\n")
        (host.certbot.etc / "live" / name).mkdir(parents=True)
    before = below(host.certbot.etc)
    assert ended(host, purge) == []
    assert below(host.certbot.etc) == before


def test_shared_files_stay_until_the_last_certificate_is_removed(host):
    host.certificate().ensure()
    acme_timer.ensure(host.run, dry=False)
    conf = (host.certbot.etc / "renewal/pyweb-shop.conf").read_text()
    (host.certbot.etc / "renewal/pyweb-blog.conf").write_text(conf.replace("/shop/tls", "/blog/tls"))
    gone = ended(host, purge=False)
    assert gone == [f"{host.certbot.etc}/renewal/pyweb-shop.conf"]
    assert host.states["certbot.timer"] == ["active", "enabled"]
    assert json.loads(Path(acme_timer.record()).read_text())["timer"] == "certbot.timer"
