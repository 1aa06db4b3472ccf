"""The expected certificates compared with those of a host: the controller decides whether to call the module."""

from __future__ import annotations

import pytest
from acme_hosts import Host, site
from ansible.errors import AnsibleFilterError
from ansible_collections.pyweb.stack.plugins.filter import acme
from ansible_collections.pyweb.stack.plugins.module_utils.model import layout as layouts
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.tls import acme_found, acme_request

DNS = {"dns": {"command": "true", "environment": {"TOKEN": "token-of-the-provider"}}}
PLUGIN = {"dns": {"plugin": "rfc2136", "credentials": "dns_rfc2136_server = 192.0.2.1\n"}}


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


def completed(host, *given):
    given = [one if one.get("state") == "absent" else {"source": {"startproject": "shop"}, **one} for one in given]
    return complete(given, {name: str(host.folder / name) for name in layouts.ROOTS})


@pytest.mark.parametrize("challenge", ["http", DNS, PLUGIN], ids=["http", "command", "plugin"])
def test_no_module_is_called_for_a_host_that_is_up_to_date(host, challenge):
    host.certificate(challenge=challenge).ensure()
    host.states["certbot.timer"] = ["active", "enabled"]
    sites = completed(host, site(challenge=challenge))
    facts = acme_found.facts(host.run)
    assert acme.acme_pending(sites, facts) == []
    assert "token-of-the-provider" not in str(facts)
    # A second site, and the same one with other names.
    more = completed(host, site(challenge=challenge, domains=["x.example.com"]), site("blog", ["blog.example.com"]))
    assert acme.acme_pending(more, facts) == ["shop: domains", "blog: new"]


def test_an_inactive_timer_and_a_renewal_to_remove_are_pending(host):
    host.certificate().ensure()
    facts = acme_found.facts(host.run)
    assert acme.acme_pending(completed(host, site()), facts) == ["the timer"]
    plain = completed(host, {"name": "shop", "domains": ["shop.example.com"]})
    assert acme.acme_pending(plain, facts) == ["shop: renewal ends"]
    gone = completed(host, {"name": "shop", "state": "absent"})
    assert acme.acme_pending(gone, facts) == ["shop: renewal ends"]
    # Of another inventory.
    assert acme.acme_pending(completed(host, {"name": "blog", "domains": ["b.example.com"]}), facts) == []


def test_a_changed_token_is_pending(host):
    host.certificate(challenge=DNS).ensure()
    host.states["certbot.timer"] = ["active", "enabled"]
    newer = {"dns": {**DNS["dns"], "environment": {"TOKEN": "another-token"}}}
    assert acme.acme_pending(completed(host, site(challenge=newer)), acme_found.facts(host.run)) == ["shop: files"]


def test_a_certificate_that_nginx_does_not_read_is_pending(host):
    wanted = host.certificate()
    wanted.ensure()
    host.states["certbot.timer"] = ["active", "enabled"]
    with open(f"{wanted.layout.tls}/.pending", "w", encoding="utf-8"):
        pass
    assert acme.acme_pending(completed(host, site()), acme_found.facts(host.run)) == ["shop: served"]


def test_a_site_whose_deploy_failed_is_skipped(host):
    kept = [{**one, "kept": True} for one in completed(host, site())]
    assert acme.acme_pending(kept, {"lineages": {}, "timer": True}) == []


def test_a_host_without_managed_certificates_runs_no_command(host):
    found = acme_found.facts(lambda argv: pytest.fail(str(argv)))
    assert found == {"certbot": "", "lineages": {}, "timer": False, "certified": []}


@pytest.mark.parametrize(
    ("sites", "packages"),
    [
        ([{"name": "shop", "domains": ["a.example.com"]}], []),
        ([{"name": "shop", "domains": ["a.example.com"], "tls": "selfsigned"}], []),
        ([site(), site("blog", ["b.example.com"])], ["certbot"]),
        ([site(challenge=PLUGIN)], ["certbot", "python3-certbot-dns-rfc2136"]),
    ],
)
def test_packages(host, sites, packages):
    assert acme.acme_packages(completed(host, *sites)) == packages


@pytest.mark.parametrize("version", ["2.1.0", "3.1.0", "4.0.0"])
def test_a_profile_is_refused_if_certbot_does_not_store_it(host, version):
    sites = completed(host, site(profile="shortlived"))
    with pytest.raises(
        AnsibleFilterError, match=rf"site 'shop': tls\.acme\.profile is 'shortlived', .* {version} cannot"
    ):
        acme.acme_possible(sites, {"certbot": version}, "9.9")
    with pytest.raises(AnsibleFilterError, match=r"certbot 4\.1 can: remove profile"):
        acme.acme_possible(sites, {"certbot": ""}, version)
    assert acme.acme_possible(sites, {"certbot": "4.1.0"}, version) == sites
    assert acme.acme_possible(completed(host, site()), {}, version)


def test_an_ip_address_is_refused_if_certbot_is_too_old(host):
    sites = [{**one, "domains": ["203.0.113.5"]} for one in completed(host, site())]
    with pytest.raises(AnsibleFilterError, match=r"domains has the IP address 203\.0\.113\.5, .* certbot 5\.4 can"):
        acme.acme_possible(sites, {"certbot": "5.3.1"}, "2.1.0")
    assert acme.acme_possible(sites, {"certbot": "5.4.0"}, "2.1.0") == sites


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("certbot-2.1.0.egg-info", "2.1.0"),
        ("certbot-4.0.0.dist-info", "4.0.0"),
        ("certbot-3.1.0-py3.9.egg-info", "3.1.0"),
    ],
)
def test_version_is_read_from_the_name_of_a_directory(host, name, version):
    (host.folder / "python").mkdir()
    (host.folder / "python" / name).mkdir()
    assert acme_found.version() == version


def test_words_of_a_command_are_passed_unchanged(host):
    [one] = completed(host, site(challenge={"dns": {"command": ["prog", "a 'b' $(c) `d`", "*"]}}))
    text = acme_request.texts(one, {})["answer"]
    assert text.endswith("""exec prog 'a '"'"'b'"'"' $(c) `d`' '*'\n""")


def test_lineage_parameters_are_parsed_as_configobj_writes_them(host):
    conf = host.certbot.etc / "renewal/pyweb-shop.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text(
        "# renew_before_expiry = 30 days\nversion = 2.1.0\n[renewalparams]\naccount = 1\npref_challs = dns-01,\n"
        'renew_hook = "/etc/sites/shop/tls/renewed"\nwebroot_path = /var/lib/pyweb-acme,\n[[webroot_map]]\nserver = x\n'
    )
    assert acme_found.renewal("shop") == {
        "account": "1",
        "pref_challs": "dns-01",
        "renew_hook": "/etc/sites/shop/tls/renewed",
        "webroot_path": "/var/lib/pyweb-acme",
    }


def test_names_of_certificates():
    from tls_pairs import make

    names = [
        "a.example.com",
        "*.example.net",
        "192.0.2.7",
        "2001:db8::1",
        *(f"n{number}.example.org" for number in range(60)),
    ]
    assert acme_found.names(make(names).certificate) == names
    assert acme_found.names(make(()).certificate) == []
    assert (
        acme_found.names("") == acme_found.names("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----") == []
    )
