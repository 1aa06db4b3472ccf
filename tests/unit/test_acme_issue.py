"""Issuing a certificate: certbot's arguments, and the files on the host afterwards."""

from __future__ import annotations

import os
import stat

import pytest
from acme_hosts import DIRECTORY, Host
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.tls import acme_found, acme_issue, acme_served, pairs

TOKEN = "token-of-the-provider"
DNS = {"dns": {"command": ["/usr/local/bin/txt", "set"], "cleanup": "txt clear", "environment": {"TOKEN": TOKEN}}}
REFUSED = """\
Requesting a certificate for shop.example.com

Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported these problems:
  Domain: shop.example.com
  Type:   connection
  Detail: 203.0.113.5: Fetching http://shop.example.com/.well-known/acme-challenge/x: Connection refused

Hint: The Certificate Authority failed to download the temporary challenge files created by Certbot.
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


def served(certificate):
    return sorted(acme_found.names(pairs.read(certificate.layout).certificate))


def options(host, call=-1):
    return host.certbot.calls[call][0]


@pytest.mark.parametrize("version", ["2.1.0", "3.1.0", "4.0.0", "5.4.0"])
def test_first_certificate_replaces_the_placeholder_and_a_second_run_changes_nothing(tmp_path, monkeypatch, version):
    host, labelled = Host(tmp_path, monkeypatch, version), []
    monkeypatch.setattr(acme_issue.labels, "settle", labelled.append)
    wanted = host.certificate(domains=["shop.example.com", "www.shop.example.com"])
    [made] = wanted.ensure()
    assert made == "certificate for shop.example.com, www.shop.example.com from ca.example.net: there is none"
    assert served(wanted) == ["shop.example.com", "www.shop.example.com"]
    assert not pairs.is_placeholder(wanted.layout)
    assert options(host) == [
        *("certonly", "--non-interactive", "--agree-tos", "--cert-name", "pyweb-shop", "--server", DIRECTORY),
        *("--key-type", "ecdsa", "--register-unsafely-without-email", "--deploy-hook", f"{wanted.layout.tls}/renewed"),
        *("--webroot", "-w", str(tmp_path / "webroot"), "-d", "shop.example.com", "-d", "www.shop.example.com"),
    ]
    assert stat.S_IMODE(os.stat(tmp_path / "webroot").st_mode) == 0o755
    assert labelled == [str(tmp_path / "webroot")]
    assert wanted.ensure() == []
    assert len(host.certbot.calls) == 1


def test_check_mode_contacts_no_ca_and_changes_nothing(host):
    wanted = host.certificate(dry=True, ca="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert len(wanted.ensure()) == 1
    assert host.certbot.calls == []
    assert not (host.folder / "webroot").exists()
    assert not os.path.exists(acme_found.authority_path("shop"))
    assert pairs.is_placeholder(wanted.layout)


@pytest.mark.parametrize(
    ("changed", "reason", "words"),
    [
        ({"domains": ["shop.example.com", "new.example.com"]}, "the domains have changed", []),
        ({"domains": ["new.example.com"]}, "the domains have changed", []),
        ({"key_type": "rsa"}, "the type of the key has changed", ["rsa"]),
        ({"directory": "https://other.example.net/d"}, "the CA has changed", ["--break-my-certs"]),
        ({"challenge": DNS}, "the challenge has changed", ["--manual"]),
    ],
)
def test_a_changed_request_is_issued_again_under_the_same_name(host, changed, reason, words):
    host.certificate().ensure()
    if "challenge" in changed:
        (host.certbot.programs / "txt").symlink_to("/bin/true")
        changed = {"challenge": {"dns": {**DNS["dns"], "command": ["true"]}}}
    wanted = host.certificate(**changed)
    [made] = wanted.ensure()
    assert made.endswith(f": {reason}")
    assert {"--force-renewal", "--renew-with-new-domains", *words} <= set(options(host))
    assert ("--break-my-certs" in options(host)) == ("directory" in changed)
    assert served(wanted) == sorted(changed.get("domains", ["shop.example.com"]))
    assert [path.name for path in (host.certbot.etc / "renewal").iterdir()] == ["pyweb-shop.conf"]
    assert wanted.ensure() == []


def test_email_and_profile_are_passed_to_certbot(tmp_path, monkeypatch):
    host = Host(tmp_path, monkeypatch, "4.1.0")
    wanted = host.certificate(email="ops@example.com", profile="shortlived")
    wanted.ensure()
    given = options(host)
    assert given[given.index("--email") + 1] == "ops@example.com"
    assert given[given.index("--required-profile") + 1] == "shortlived"
    assert "--register-unsafely-without-email" not in given
    assert wanted.ensure() == []


def test_an_ip_address_uses_its_own_option(tmp_path, monkeypatch):
    host = Host(tmp_path, monkeypatch, "5.4.0")
    wanted = host.certificate()
    wanted.site = {**wanted.site, "domains": ["shop.example.com", "203.0.113.5"]}
    wanted.ensure()
    assert options(host)[-4:] == ["-d", "shop.example.com", "--ip-address", "203.0.113.5"]
    assert wanted.ensure() == []


def test_a_failed_challenge_keeps_the_served_certificate_and_names_the_cause(host):
    before = host.certificate()
    before.ensure()
    live = pairs.live(before.layout)
    host.certbot.fails(REFUSED)
    with pytest.raises(StepError) as caught:
        host.certificate(domains=["shop.example.com", "new.example.com"]).ensure()
    first, *more = str(caught.value).splitlines()
    assert first.startswith(
        "site 'shop': the certificate failed: shop.example.com leads to 203.0.113.5, and this host has 5.6.7.9"
    )
    assert "Connection refused" in first
    assert first.endswith("; nginx's certificate is not changed")
    assert any("Detail: 203.0.113.5" in line for line in more)
    assert pairs.live(before.layout) == live
    host.certbot.works()
    again = host.certificate(domains=["shop.example.com", "new.example.com"])
    again.ensure()
    assert served(again) == ["new.example.com", "shop.example.com"]


def test_files_left_by_a_killed_certbot_do_not_block_the_next_run(host):
    """Otherwise certbot would name the certificate pyweb-shop-0001, or fail because a directory exists."""
    (host.certbot.etc / "renewal").mkdir(parents=True)
    (host.certbot.etc / "renewal/pyweb-shop.conf").touch()
    for part in ("live", "archive"):
        (host.certbot.etc / part / "pyweb-shop").mkdir(parents=True)
    wanted = host.certificate()
    wanted.ensure()
    assert served(wanted) == ["shop.example.com"]
    assert sorted(path.name for path in (host.certbot.etc / "renewal").iterdir()) == ["pyweb-shop.conf"]


def test_a_site_that_is_deployed_again_gets_a_certificate_although_its_old_one_exists(host):
    host.certificate().ensure()
    (host.certbot.etc / "renewal/pyweb-shop.conf").unlink()
    wanted = host.certificate()
    [made] = wanted.ensure()
    assert made.endswith("there is none")
    assert wanted.ensure() == []


def test_a_run_killed_before_the_hook_is_completed_without_the_ca(host):
    host.certbot.is_killed_before_its_hook()
    with pytest.raises(StepError, match="issued, but is not served"):
        host.certificate().ensure()
    host.certbot.works()
    wanted = host.certificate()
    assert wanted.ensure() == ["certificate: nginx is reloaded"]
    assert len(host.certbot.calls) == 1
    assert served(wanted) == ["shop.example.com"]


def test_if_nginx_refuses_the_new_pair_the_error_quotes_it(host):
    (host.folder / "refuses").touch()
    wanted = host.certificate()
    with pytest.raises(StepError, match=r"is not served: nginx refuses the new certificate.*no such directive"):
        wanted.ensure()
    assert pairs.is_placeholder(wanted.layout)
    (host.folder / "refuses").unlink()
    assert wanted.ensure() == ["certificate: nginx is reloaded"]


def test_a_certificate_that_https_does_not_serve_is_an_error(host, monkeypatch):
    monkeypatch.setattr(acme_served, "wrong", lambda site, certificate: "https at 203.0.113.5:443 does not answer")
    with pytest.raises(StepError, match=r"it was issued, but is not served: https at 203\.0\.113\.5:443 does not"):
        host.certificate().ensure()


def test_waits_for_another_running_certbot(host, monkeypatch):
    host.certbot.is_busy(2)
    wanted = host.certificate()
    wanted.ensure()
    assert len(host.certbot.calls) == 3
    monkeypatch.setattr(acme_issue, "BUSY", 0)
    host.certbot.is_busy(1)
    with pytest.raises(StepError, match="another certbot is running on this host"):
        host.certificate(domains=["new.example.com"]).ensure()


def test_a_foreign_certificate_of_the_same_name_is_not_changed(host):
    conf = host.certbot.etc / "renewal/pyweb-shop.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text("[renewalparams]\nserver = https://x\nrenew_hook = /root/mine\n")
    with pytest.raises(StepError, match="certbot delete --cert-name pyweb-shop"):
        host.certificate().ensure()
    assert "/root/mine" in conf.read_text()


def test_nothing_is_issued_without_the_deploy_hook(host):
    with pytest.raises(StepError, match=r"tls/renewed, which installs a certificate in nginx, does not exist"):
        host.certificate(prepare=False).ensure()
    assert host.certbot.calls == []


# --- DNS ---


def test_a_dns_command_gets_its_environment_and_no_output_shows_it(host):
    seen = host.folder / "seen"
    host.certbot.program("set-record", f'#!/bin/sh\necho "$TOKEN $CERTBOT_DOMAIN $1" >{seen}\n')
    dns = {"command": ["set-record", "a word"], "cleanup": "true", "environment": {"TOKEN": TOKEN}}
    wanted = host.certificate(challenge={"dns": dns})
    wanted.ensure()
    assert seen.read_text() == f"{TOKEN} shop.example.com a word\n"
    given, environment = host.certbot.calls[0]
    folder = f"{wanted.layout.tls}/acme"
    assert given[given.index("--manual") : given.index("-d")] == [
        *("--manual", "--preferred-challenges", "dns"),
        *("--manual-auth-hook", f"{folder}/answer", "--manual-cleanup-hook", f"{folder}/clean"),
    ]
    assert TOKEN not in " ".join([*given, *environment.values()])
    assert TOKEN not in (host.certbot.etc / "renewal/pyweb-shop.conf").read_text()
    modes = {name: oct(stat.S_IMODE(os.stat(f"{folder}/{name}").st_mode)) for name in os.listdir(folder)}
    assert modes == {"answer": "0o700", "clean": "0o700", "environment": "0o600"}
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert wanted.ensure() == []


def test_a_new_token_is_written_without_issuing_again(host):
    dns = {"command": "true", "environment": {"TOKEN": TOKEN}}
    host.certificate(challenge={"dns": dns}).ensure()
    wanted = host.certificate(challenge={"dns": {**dns, "environment": {"TOKEN": "a newer one's"}}})
    assert wanted.ensure() == ["certificate: what certbot needs for its renewal"]
    assert len(host.certbot.calls) == 1
    with open(f"{wanted.layout.tls}/acme/environment", encoding="utf-8") as stream:
        assert stream.read() == "export TOKEN='a newer one'\"'\"'s'\n"
    assert wanted.ensure() == []


def test_output_of_a_dns_command_is_shown_without_its_secret(host):
    host.certbot.program("set-record", '#!/bin/sh\necho "no zone for $TOKEN" >&2\nexit 3\n')
    host.certbot.fails(REFUSED.replace("connection", "unauthorized"))
    with pytest.raises(StepError) as caught:
        host.certificate(challenge={"dns": {"command": "set-record", "environment": {"TOKEN": TOKEN}}}).ensure()
    first = str(caught.value).splitlines()[0]
    assert "the command of tls.acme.challenge.dns failed for shop.example.com with exit status 3: no zone for" in first
    assert TOKEN not in str(caught.value)


def test_credentials_of_a_plugin_are_in_a_file_that_only_root_reads(host):
    dns = {"plugin": "cloudflare", "credentials": f"dns_cloudflare_api_token = {TOKEN}", "wait": 30}
    wanted = host.certificate(domains=["*.example.com"], challenge={"dns": dns})
    wanted.ensure()
    given = options(host)
    path = f"{wanted.layout.tls}/acme/credentials.ini"
    assert given[given.index("--dns-cloudflare") : given.index("-d")] == [
        *("--dns-cloudflare", "--dns-cloudflare-credentials", path, "--dns-cloudflare-propagation-seconds", "30"),
    ]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert TOKEN not in " ".join(given)
    assert wanted.ensure() == []


# --- the CA of the directory ---


def test_certbot_trusts_a_private_ca_in_addition_to_those_of_the_host(host, monkeypatch):
    system = host.folder / "system.pem"
    system.write_text("of the host\n")
    monkeypatch.setattr(acme_issue.acme_timer, "SYSTEM_CAS", (str(system),))
    text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    wanted = host.certificate(ca=text)
    wanted.ensure()
    path = host.certbot.calls[0][1]["REQUESTS_CA_BUNDLE"]
    with open(path, encoding="utf-8") as stream:
        assert stream.read() == f"of the host\n{text}"
    assert wanted.ensure() == []
    # Of a file that another program renews, the path is compared.
    other = host.folder / "other.pem"
    other.write_text("another\n")
    wanted = host.certificate(ca=str(other))
    assert wanted.ensure() == ["certificate: what certbot needs for its renewal"]
    assert os.readlink(acme_found.authority_path("shop")) == str(other)
    assert wanted.ensure() == []


def test_a_ca_file_that_is_missing_on_the_host_is_refused(host):
    with pytest.raises(StepError, match=r"tls\.acme\.ca is /nowhere/ca\.pem, which does not exist on the host"):
        host.certificate(ca="/nowhere/ca.pem").ensure()
    assert host.certbot.calls == []
