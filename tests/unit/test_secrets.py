"""Which values of a site are shown, and which are hidden."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.keys import secret_keys
from ansible_collections.pyweb.stack.plugins.module_utils.model.secrets import (
    URLS,
    all_forms,
    hidden_values,
    hidden_variables,
    is_shown,
    own_names,
    shown_environment,
)
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import split_secrets
from models import KEY, SECRET, completed, faults


def test_secrets_are_separated_from_public_values():
    site = completed(
        env={"TOKEN": SECRET},
        files={"a/b.py": f"TOKEN = '{SECRET}'"},
        database=f"postgres://shop:{SECRET}@db/shop",
        superuser={"username": "admin", "password": SECRET},
        nginx={"basic_auth": {"ada": SECRET}},
        source={"git": f"https://token:{SECRET}@git.example.com/shop.git", "key": KEY},
    )
    public, secret = split_secrets([site])
    assert SECRET not in json.dumps(public)
    assert secret["shop"] == {
        "env": {"TOKEN": SECRET},
        "files": {"a/b.py": f"TOKEN = '{SECRET}'"},
        "database": f"postgres://shop:{SECRET}@db/shop",
        "git": f"https://token:{SECRET}@git.example.com/shop.git",
        "key": KEY + "\n",
        "archive": "",
        "password": SECRET,
        "tarball": "",
        "tls_key": "",
        "dns_environment": {},
        "dns_credentials": "",
        "basic_auth": {"ada": SECRET},
    }
    assert "basic_auth" not in public[0]["nginx"]
    assert public[0]["source"]["git"] == "https://git.example.com/shop.git"
    assert public[0]["superuser"] == {"username": "admin", "email": "", "fields": {}}
    assert public[0]["database"] is True
    assert public[0]["files"] == {}
    assert SECRET in json.dumps(site)  # the model's own copy is complete


def test_no_secret_is_in_an_error_about_an_invalid_site():
    found = faults(
        {
            "name": "shop",
            "env": [SECRET],
            "database": [f"postgres://a:{SECRET}@b/c"],
            "superuser": [SECRET],
            "settings": [{"PASSWORD": SECRET}],
            "source": {"git": [f"https://a:{SECRET}@h/x"], "key": {"a": SECRET}},
            "packages": [f"https://a:{SECRET}@h/x"],
            "uwsgi": {"options": {"a": [{"b": SECRET}]}},
        }
    )
    assert len(found) == 9
    assert SECRET not in "\n".join(found)


TLS_KEY = f"-----BEGIN PRIVATE KEY-----\n{'QUJD' * 5}\n-----END PRIVATE KEY-----\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
CREDENTIALS = f"# of the provider\ndns_cloudflare_api_token = {SECRET}\n"


def by_dns(**given):
    return {"acme": {"challenge": {"dns": given}}}


@pytest.mark.parametrize(
    ("tls", "stored", "shown"),
    [
        (
            {"certificate": CERTIFICATE, "key": f"a note\n{TLS_KEY}"},
            {"tls_key": TLS_KEY},
            {"kind": "certificate", "certificate": CERTIFICATE},
        ),
        (
            {"certificate": "/etc/a.pem", "key": "/etc/a.key"},
            {},
            {"kind": "path", "certificate_path": "/etc/a.pem", "key_path": "/etc/a.key"},
        ),
        (by_dns(command="dns-record", environment={"TOKEN": SECRET}), {"dns_environment": {"TOKEN": SECRET}}, None),
        (by_dns(plugin="cloudflare", credentials=CREDENTIALS), {"dns_credentials": CREDENTIALS}, None),
    ],
)
def test_secrets_of_tls_are_passed_under_their_own_names(tls, stored, shown):
    site = completed(tls=tls, source={"git": "x", "key": KEY})
    before = json.dumps(site)
    [public], secrets = split_secrets([site])
    assert json.dumps(site) == before
    nothing = {"tls_key": "", "dns_environment": {}, "dns_credentials": ""}
    assert {name: secrets["shop"][name] for name in nothing} == {**nothing, **stored}
    assert secrets["shop"]["key"] == KEY + "\n"  # that of the repository
    assert SECRET not in json.dumps(public)
    assert "QUJDQUJD" not in json.dumps(public)
    if shown:
        assert public["tls"] == shown
    else:
        challenge = public["tls"]["acme"]["challenge"]
        assert challenge["kind"] == "dns"
        assert set(challenge["dns"]) == {"command", "cleanup", "plugin", "wait"}


def test_secrets_of_tls_are_hidden_in_all_their_forms():
    _public, secrets = split_secrets([completed(tls={"certificate": CERTIFICATE, "key": TLS_KEY})])
    assert "QUJD" * 5 in hidden_values(secrets["shop"])
    _public, secrets = split_secrets([completed(tls=by_dns(plugin="cloudflare", credentials=CREDENTIALS))])
    assert SECRET in hidden_values(secrets["shop"])
    environment = {"TOKEN": "hunter-2", "DEBUG": "true", "FILE": "/etc/token"}
    _public, secrets = split_secrets([completed(tls=by_dns(command="x", environment=environment))])
    assert hidden_values(secrets["shop"]) == ["hunter-2"]


def test_a_site_without_secrets_has_the_same_keys():
    public, secret = split_secrets([completed()])
    assert secret == {
        "shop": {
            "env": {},
            "files": {},
            "database": "",
            "git": "",
            "key": "",
            "archive": "",
            "password": "",
            "tarball": "",
            "tls_key": "",
            "dns_environment": {},
            "dns_credentials": "",
            "basic_auth": {},
        }
    }
    assert public[0]["database"] is False
    assert public[0]["env"] == {}
    assert public[0]["superuser"] == {}
    assert public[0]["source"] == completed()["source"]


def test_splitting_secrets_does_not_change_the_site():
    site = completed(superuser={"username": "admin", "password": SECRET}, source={"git": "x", "key": KEY})
    before = json.dumps(site)
    split_secrets([site])
    assert json.dumps(site) == before


def test_all_secret_values_are_hidden():
    site = completed(
        env={"TOKEN": "token-1", "EMPTY": "", "DEBUG": 1},
        database="postgres://shop:pass-2@db/shop",
        superuser={"username": "admin", "password": "pass-3"},
        source={"git": "https://token:pass-4@git.example.com/shop.git", "key": KEY},
    )
    _public, secrets = split_secrets([site])
    environment = {
        "https_proxy": "http://u:pass-5@proxy:3128",
        "PIP_EXTRA_INDEX_URL": "https://a:p6@x/ https://b:p7@y/",
    }
    assert sorted(hidden_values(secrets["shop"], environment)) == sorted(
        [
            "token-1",
            "1",
            "postgres://shop:pass-2@db/shop",
            "shop:pass-2",
            "pass-2",
            "pass-3",
            KEY,
            *KEY.splitlines(),
            "token:pass-4",
            "pass-4",
            "u:pass-5",
            "pass-5",
            "a:p6",
            "p6",
            "b:p7",
            "p7",
        ]
    )


def test_values_that_are_not_secret_are_not_hidden():
    _public, secrets = split_secrets([completed(source={"git": "https://git.example.com/shop.git"})])
    assert hidden_values(secrets["shop"], {"https_proxy": "http://proxy:3128", "LANG": "C"}) == []
    assert hidden_values(secrets["shop"]) == []


def test_a_variable_of_the_installers_with_a_secret_name_is_hidden():
    _public, secrets = split_secrets([completed()])
    environment = {
        "UV_INDEX_OURS_PASSWORD": "hunter-2",
        "NPM_TOKEN": "npm_abc",
        "npm_config__auth": "dXNlcg==",
        "UV_CONCURRENT_DOWNLOADS": "12",
        "TOKEN_FILE": "/etc/token",
    }
    assert hidden_values(secrets["shop"], environment) == ["hunter-2", "npm_abc", "dXNlcg=="]


def test_the_urls_among_the_secrets_are_those_of_the_table():
    assert [path[-1] for path, key in secret_keys() if key.credentials] == list(URLS)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://t:p@git.example.com/a", "https://git.example.com/a"),
        ("ssh://git@git.example.com/a@b", "ssh://git.example.com/a@b"),
        ("git@git.example.com:a", "git@git.example.com:a"),
        ("https://git.example.com/a@b", "https://git.example.com/a@b"),
    ],
)
def test_how_a_repository_is_shown(given, shown):
    public, _secrets = split_secrets([completed(source={"git": given})])
    assert public[0]["source"]["git"] == shown


def test_short_lines_and_single_lines_are_not_separate_secrets():
    assert all_forms(["1234567\n12345678\n"]) == ["1234567\n12345678", "12345678"]
    assert all_forms(["https://token@git/x"]) == ["https://token@git/x", "token"]


def test_password_of_a_url_is_also_hidden_decoded():
    assert all_forms(["postgres://u:a%40b@db/x"]) == ["postgres://u:a%40b@db/x", "u:a%40b", "a%40b", "a@b"]


@pytest.mark.parametrize(
    "value",
    [
        "true",
        "False",
        "on",
        "/var/lib/sites/shop/media",
        "/srv/data/",
        "/home",
        "/data/uploads",
        "/app/config.prod.yml",
        "/mount1/shop-files/",
        "shop",
        "site-shop",
        "shop.example.com",
        "shop.settings.production",
        "shop.wsgi",
        "shop.wsgi:application",
        "/opt/sites/shop",
    ],
)
def test_booleans_paths_and_the_sites_own_names_are_shown(value):
    site = completed(settings_module="shop.settings.production", wsgi="shop.wsgi:application")
    assert is_shown(value, own_names(site))
    _public, secrets = split_secrets([{**site, "env": {"ANY": value}}])
    assert hidden_values(secrets["shop"], names=own_names(site)) == []


@pytest.mark.parametrize(
    "value",
    [
        "8000",
        "truely",
        "shop2",
        "/aGk3base64Begin+withAslash=",
        "/q8Zx/secret",
        "/horse",
        "/correct/Horse",
        "/ab12cd/ef34ab",
        "/run/key\nand more",
        "/etc/passwd=secret",
        "//etc",
        "relative/path",
        "postgres://shop:pa55@db/shop",
    ],
)
def test_all_other_values_of_env_are_hidden(value):
    assert value in hidden_variables({"ANY": value}, own_names(completed()))


def test_module_names_and_regions_are_shown():
    assert hidden_variables({"DJANGO_SETTINGS_MODULE": "conf.live", "LANG": "de_DE.UTF-8"}, ()) == []


def test_a_password_in_a_url_is_not_hidden_elsewhere_if_it_is_the_sites_name():
    names = own_names(completed())
    assert hidden_variables({"CACHE": "redis://shop:shop@cache/1"}, names) == [
        "redis://shop:shop@cache/1",
        "shop:shop",
    ]


def test_only_values_of_env_can_be_exempt():
    site = completed(superuser={"username": "admin", "password": "shop"})
    _public, secrets = split_secrets([site])
    assert hidden_values(secrets["shop"], names=own_names(site)) == ["shop"]


def test_variables_that_may_be_on_a_command_line():
    shown = {
        "https_proxy": "http://u:pw@proxy:3128",
        "NO_PROXY": "localhost",
        "SSL_CERT_FILE": "/ca.pem",
        "PIP_INDEX_URL": "https://index/simple",
        "UV_CONCURRENT_DOWNLOADS": "4",
    }
    hidden = {
        "PIP_EXTRA_INDEX_URL": "https://a:p6@x/ https://b:p7@y/",
        "UV_INDEX_URL": "https://index/simple?token=abc",
        "UV_INDEX_OURS_PASSWORD": "hunter-2",
        "NPM_TOKEN": "npm_abc",
    }
    assert shown_environment({**shown, **hidden}) == shown


def test_no_task_passes_a_whole_environment():
    """The keyword `environment` ends up on a command line; a module's parameter of this name does not."""
    folder = Path(__file__).resolve().parents[2]
    found = [path for name in ("roles", "playbooks") for path in (folder / name).rglob("*.yml")]
    lines = [(path, line) for path in found for line in path.read_text().splitlines()]
    keywords = [(path.name, line) for path, line in lines if re.match(r"\s*environment: ", line)]
    # The parameter of django_build, which its action plugin passes among the secrets.
    assert [name for name, line in keywords if "shown_environment" not in line] == ["build.yml"]
    assert len(keywords) == 6
