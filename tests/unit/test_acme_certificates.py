"""The module and its action: several sites in one run, and what the result says about them."""

from __future__ import annotations

import json

import pytest
from acme_hosts import Host, site
from ansible_collections.pyweb.stack.plugins.action import acme_certificates as action_module
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.tls import acme_found
from ansible_collections.pyweb.stack.plugins.modules import acme_certificates
from test_acme_issue import REFUSED
from test_actions import action

TOKEN = "token-of-the-provider"
DNS = {"dns": {"command": "true", "environment": {"TOKEN": TOKEN}}}


class Ended(Exception):
    """The end of the module, with its result."""


class Module:
    def __init__(self, host, sites, secrets, check_mode):
        self.params = {"sites": sites, "secrets": json.dumps({"sites": secrets})}
        self.check_mode, self.run_command = check_mode, host.run

    def exit_json(self, **result):
        raise Ended({"failed": False, **result})

    def fail_json(self, **result):
        raise Ended({"failed": True, **result})


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(acme_certificates, "why_not_root", lambda: "")
    return Host(tmp_path, monkeypatch)


def run(host, *given, check_mode=False):
    """Call the module with completed sites; everything before it has been done."""
    sites, secrets = host.sites(*given)
    for one in sites:
        if one["state"] == "present" and one["tls"]["kind"] == "acme" and not acme_found.lineage(one["name"]):
            host.prepare(one)
    host.monkeypatch.setattr(
        acme_certificates, "AnsibleModule", lambda **_keys: Module(host, sites, secrets, check_mode)
    )
    with pytest.raises(Ended) as caught:
        acme_certificates.main()
    return caught.value.args[0]


def plain(name="shop", **keys):
    return {"name": name, "domains": ["shop.example.com"], "source": {"startproject": "shop"}, **keys}


def test_two_sites_are_issued_in_one_run_and_a_second_run_changes_nothing(host):
    given = site(), site("blog", ["blog.example.com"])
    predicted = run(host, *given, check_mode=True)
    assert host.certbot.calls == []
    done = run(host, *given)
    assert not done["failed"]
    assert done["changed"]
    assert [text.partition(":")[0] for text in done["made"]] == ["shop", "blog"]
    assert done["host"] == ["certbot.timer: start, enable"]
    assert (predicted["made"], predicted["host"]) == (done["made"], done["host"])
    again = run(host, *given)
    assert (again["changed"], again["made"], again["host"]) == (False, [], [])
    assert len(host.certbot.calls) == 2


def test_a_failed_site_does_not_stop_the_others(host):
    bad = {"dns": {"command": "no-such-program", "environment": {"TOKEN": TOKEN}}}
    host.certbot.program("no-such-program", "#!/bin/sh\necho no zone for $TOKEN >&2; exit 1\n")
    host.certbot.fails(REFUSED)
    done = run(host, site("bad", ["bad.example.com"], bad))
    assert done["failed"]
    host.certbot.works()
    host.monkeypatch.setattr(
        acme_certificates.Certificate,
        "issue",
        failing_for("bad", acme_certificates.Certificate.issue),
    )
    done = run(host, site("bad", ["bad.example.com"], bad), site())
    assert done["failed"]
    assert done["msg"].startswith("site 'bad': run failed: RuntimeError: no ***")
    assert TOKEN not in str(done)
    assert (done["sites_after"]["faulty"], done["sites_after"]["others"]) == (["bad"], ["shop"])
    assert done["sites_after"]["host"] == ["certbot.timer: start, enable"]
    assert acme_found.lineage("shop")["served"]


def failing_for(name, real):
    def issue(certificate, changes):
        if certificate.site["name"] == name:
            raise RuntimeError(f"no {TOKEN}")
        return real(certificate, changes)

    return issue


def test_no_timer_is_started_if_nothing_was_issued(host):
    host.certbot.fails(REFUSED)
    done = run(host, site())
    assert done["failed"]
    assert host.units == []


def test_a_host_without_certbot_names_what_to_install(host):
    (host.certbot.programs / "certbot").unlink()
    host.monkeypatch.setitem(acme_certificates.BASE_ENVIRONMENT, "PATH", str(host.certbot.programs))
    assert not run(host, site(), check_mode=True)["failed"]
    done = run(host, site())
    assert done["msg"].startswith(
        "site 'shop': the certificate failed: certbot is not installed; install the distribution's package certbot"
    )


@pytest.mark.parametrize("check_mode", [False, True])
def test_features_that_this_certbot_lacks_are_refused(host, check_mode):
    host.monkeypatch.setattr(acme_found, "version", lambda: "4.0.0")
    done = run(host, site(profile="shortlived"), check_mode=check_mode)
    assert "tls.acme.profile is 'shortlived', and this host's certbot 4.0.0 cannot keep a profile" in done["msg"]
    assert host.certbot.calls == []


@pytest.mark.parametrize(
    ("then", "stays"),
    [
        (plain(), True),
        (plain(tls="selfsigned"), True),
        ({"name": "shop", "state": "absent"}, True),
        ({"name": "shop", "state": "absent", "purge": True}, False),
    ],
)
def test_a_certificate_that_is_no_longer_requested_is_not_renewed(host, then, stays):
    run(host, site())
    predicted = run(host, then, check_mode=True)
    assert acme_found.named() == ["shop"]
    done = run(host, then)
    assert done["made"] == predicted["made"] != []
    assert acme_found.named() == []
    assert (host.certbot.etc / "live/pyweb-shop").exists() == stays
    assert host.states["certbot.timer"] == ["inactive", "disabled"]
    assert run(host, then)["changed"] is False


# --- the action ---


def test_secrets_are_passed_only_in_the_no_log_parameter(monkeypatch):
    credentials = {"dns": {"plugin": "rfc2136", "credentials": f"secret = {TOKEN}"}}
    sites = complete(
        [
            {**site(challenge=DNS), "env": {"PASSWORD": "of-the-database"}},
            site("blog", ["b.example.com"], credentials),
            {**plain("other"), "domains": ["o.example.com"]},
            site("kept", ["k.example.com"]),
        ]
    )
    sites[3]["kept"] = True
    one = action(action_module, monkeypatch, {"sites": sites}, [{"changed": False}])
    assert one.run(task_vars={})["changed"] is False
    [given] = one.calls
    secrets = json.loads(given.pop("secrets"))
    assert TOKEN not in json.dumps(given)
    assert [sent["name"] for sent in given["sites"]] == ["shop", "blog", "other"]
    assert given["sites"][2]["tls"] == {"kind": "none"}
    assert secrets["sites"]["shop"] == {"env": {}, "dns_environment": {"TOKEN": TOKEN}}
    assert secrets["sites"]["blog"] == {"env": {}, "dns_credentials": f"secret = {TOKEN}\n"}
    assert "of-the-database" not in json.dumps([given, secrets])
