"""The module `nginx_set` and its action, with sites that are served over https."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import file_set_module
from ansible_collections.pyweb.stack.plugins.module_utils.host.file_set import CheckRefused
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.release.front import Look
from ansible_collections.pyweb.stack.plugins.module_utils.tls import certificates, pairs
from ansible_collections.pyweb.stack.plugins.modules import nginx_set
from releases import make_layout, make_site
from test_nginx_set import World, run
from tls_pairs import make

FROM = "ssl_certificate"


class Host(World):
    """A host whose nginx refuses certificates with `weak` in them, and serves old ones of the sites in `stale`."""

    def __init__(self, folder, monkeypatch, capsys):
        super().__init__(folder, monkeypatch, capsys)
        self.stale, self.cures, self.weak = [], True, ""
        self.active = True
        self.looks = {"shop": Look("", "https://shop/"), "blog": Look("", "https://blog/")}
        monkeypatch.setattr(certificates.files, "locked", lambda _name: certificates.contextlib.nullcontext())
        monkeypatch.setattr(certificates.stale, "is_stale", lambda site: site["name"] in self.stale)
        units = str(folder)
        monkeypatch.setattr(nginx_set, "Certificates", lambda *given: certificates.Certificates(*given, units))

    def run(self, argv):
        if argv == ["nginx", "-t"]:
            for path in self.folder.glob("config/*/tls/live/fullchain.pem"):
                if self.weak and self.weak in path.read_text():
                    return 1, "", f'nginx: [emerg] cannot load certificate "{path}": ee key too small\n'
        if argv[0] == "unshare":  # Nothing can be mounted here, so the check runs in place.
            return 1, "", ""
        if argv == ["reload"] and self.cures:
            self.stale = []
        return super().run(argv)

    def site(self, name="shop", **tls):
        site = make_site(self.folder)[0]
        paths = {key: path.replace("/shop", f"/{name}") for key, path in site["paths"].items()}
        tls = tls or {"kind": "selfsigned"}
        listen = {"listen": [], "listen_tls": [{"address": "", "port": 443}], "static": None, "proxy_protocol": False}
        return {**site, "name": name, "domains": [f"{name}.example.com"], "paths": paths, "tls": tls, "nginx": listen}

    def call(self, *sites, keys=None, names=("shop",), **more):
        own = {"owner": str(os.getuid()), "group": str(os.getgid())}
        files = [{"path": str(self.folder / f"{name}.conf"), "content": FROM, "of": name, **own} for name in names]
        secrets = {"sites": {name: {"env": {}, "tls_key": key} for name, key in (keys or {}).items()}}
        given = {"files": files, "check": ["nginx", "-t"], "secrets": json.dumps(secrets), **more}
        return super().call(certificates=list(sites), sites=list(sites), **given)


@pytest.fixture
def host(tmp_path, monkeypatch, capsys):
    return Host(tmp_path, monkeypatch, capsys)


def test_pair_and_files_are_installed_with_one_reload_and_stay(host):
    result = host.call(host.site(), _ansible_diff=True)
    assert result.get("failed", False) is False
    layout = make_layout(host.folder)
    assert (host.steps, result["changed"]) == (["reload", "ask for shop"], True)
    assert (result["certificates"]["shop"]["state"], pairs.live(layout) != "") == ("created", True)
    # The link has its own message.
    assert [file["path"] for file in result["files"]] == [f"{host.folder}/shop.conf"]
    assert [one["before_header"] for one in result["diff"]] == [f"{host.folder}/shop.conf", "certificate of shop"]
    arguments = result["invocation"]["module_args"]
    assert ("secrets" in arguments, arguments["certificates"]) == (False, ["shop"])

    host.steps.clear()
    again = host.call(host.site())
    assert (again["changed"], again["certificates"]["shop"]["state"]) == (False, "unchanged")
    assert host.steps == ["ask for shop"]


def test_contents_of_nginx_files_are_not_secret(host):
    own = {"owner": str(os.getuid()), "group": str(os.getgid())}
    files = [{"path": f"{host.folder}/types.conf", "content": "types {}\n", **own}]
    result = World.call(host, files=files, _ansible_diff=True)
    assert result["diff"][0]["after"] == "types {}\n"


def test_check_mode_predicts_and_writes_nothing(host):
    result = host.call(host.site(), _ansible_check_mode=True, _ansible_diff=True)
    assert (result["changed"], result["certificates"]["shop"]["state"]) == (True, "created")
    assert [file["path"] for file in result["files"]] == [f"{host.folder}/shop.conf"]
    assert [one["before_header"] for one in result["diff"]] == [f"{host.folder}/shop.conf", "certificate of shop"]
    assert "PRIVATE" not in json.dumps(result)
    assert not os.path.lexists(make_layout(host.folder).tls)


def test_check_mode_without_openssl_does_not_run_nginx(host, monkeypatch):
    monkeypatch.setattr(certificates.Supply, "_served", lambda _supply: None)
    monkeypatch.setattr("ansible_collections.pyweb.stack.plugins.module_utils.tls.supply.is_installed", lambda: False)
    result = host.call(host.site(), _ansible_check_mode=True)
    assert (result["changed"], result["checked"]) == (True, False)
    assert result["unchecked_because"] == "openssl, which makes the certificate, is not installed yet"


def test_a_new_pair_alone_reloads_nginx(host):
    host.call(host.site())
    host.steps.clear()
    result = host.call({**host.site(), "domains": ["shop.example.org"]})
    assert (result["changed"], result["certificates"]["shop"]["state"]) == (True, "changed")
    assert host.steps == ["reload", "ask for shop"]


def test_a_pair_that_nginx_refuses_is_a_fault_of_its_site(host):
    one, two = make(), make()
    site = host.site(kind="certificate", certificate=one.certificate)
    host.call(site, keys={"shop": one.key})
    before = pairs.live(make_layout(host.folder))
    host.weak = two.certificate
    host.steps.clear()
    site = host.site(kind="certificate", certificate=two.certificate)
    result = host.call(site, host.site("blog"), keys={"shop": two.key}, names=("shop", "blog"))
    assert result["failed"]
    assert result["msg"].startswith("site 'shop': nginx failed: `nginx -t` refuses the new files: [emerg] cannot load")
    assert "ee key too small" in result["msg"]
    assert result["msg"].endswith("; nginx keeps its previous configuration of the site")
    assert (result["set_after"]["faulty"], result["set_after"]["others"]) == (["shop"], ["blog"])
    assert pairs.live(make_layout(host.folder)) == before
    assert result["set_after"]["certificates"]["blog"]["state"] == "created"
    assert result["set_after"]["certificates"]["shop"]["state"] == "unchanged"
    assert (host.folder / "blog.conf").exists()
    assert host.steps[-1] == "ask for blog"


def test_link_is_restored_if_nginx_refuses_the_files(host):
    host.call(host.site())
    before = pairs.live(make_layout(host.folder))
    host.fails = "reload"
    result = host.call({**host.site(), "domains": ["shop.example.org"]})
    assert "`reload` failed: it failed; the previous files are back" in result["msg"]
    assert pairs.live(make_layout(host.folder)) == before


def test_a_wrong_pair_of_one_site_does_not_stop_the_others(host):
    made, other = make(), make()
    wrong = host.site(kind="certificate", certificate=made.certificate)
    result = host.call(wrong, host.site("blog"), keys={"shop": other.key}, names=("shop", "blog"))
    assert result["msg"].startswith("site 'shop': certificate failed: tls.key: the key does not match")
    assert result["msg"].count("shop'") == 1
    assert (result["set_after"]["faulty"], result["set_after"]["others"]) == (["shop"], ["blog"])
    assert sorted(path.name for path in host.folder.glob("*.conf")) == ["blog.conf"]
    assert host.steps == ["reload", "ask for blog"]
    assert other.key.splitlines()[1] not in json.dumps(result)


def test_nginx_is_reloaded_if_it_serves_another_certificate(host):
    host.call(host.site())
    host.steps.clear()
    host.stale = ["shop"]
    predicted = host.call(host.site(), _ansible_check_mode=True)
    assert (predicted["changed"], predicted["certificates"]["shop"]["state"]) == (True, "reloaded")
    assert host.steps == []
    result = host.call(host.site())
    assert (result["changed"], result["certificates"]["shop"]["state"]) == (True, "reloaded")
    assert host.steps == ["reload", "ask for shop"]
    assert not host.call(host.site())["changed"]


@pytest.mark.parametrize(
    ("fails", "words"),
    [
        ("reload", "fullchain.pem: it failed"),
        ("", "fullchain.pem: after a reload it serves it still; look for another"),
    ],
)
def test_a_certificate_that_is_not_served_after_a_reload_is_a_fault(host, fails, words):
    host.call(host.site())
    host.stale, host.cures, host.fails = ["shop"], False, fails
    result = host.call(host.site())
    assert result["msg"].startswith("site 'shop': certificate failed: nginx serves another certificate than ")
    assert words in result["msg"]
    assert result["set_after"]["faulty"] == ["shop"]


def test_near_expiry_is_in_the_notes(host):
    made = make(days=5)
    for name, text in (("a.pem", made.certificate), ("a.key", made.key)):
        (host.folder / name).write_text(text)
    paths = {"certificate_path": str(host.folder / "a.pem"), "key_path": str(host.folder / "a.key")}
    result = host.call(host.site(kind="path", **paths), _ansible_check_mode=True)
    assert "in 4 days; renew it" in result["notes"][-1]


def test_link_is_removed_with_the_files_of_a_site_that_no_longer_uses_https(host):
    host.call(host.site())
    site = host.site(kind="none")
    result = host.call(site, files=[{"path": f"{host.folder}/shop.conf", "state": "absent", "of": "shop"}])
    assert (result["changed"], result["certificates"]["shop"]["state"]) == (True, "removed")
    assert not os.path.lexists(make_layout(host.folder).tls_live)
    assert not host.call(site, files=[])["changed"]


def test_a_refused_file_is_attributed_to_its_site_by_the_path_of_the_link():
    files = [
        {"path": "/etc/sites/shop/tls/live", "link": "pairs/a", "of": "shop"},
        {"path": "/etc/nginx/conf.d/shop.conf", "link": None, "of": "shop"},
        {"path": "/etc/nginx/nginx.conf", "link": None, "of": ""},
    ]
    found = {
        'cannot load certificate "/etc/sites/shop/tls/live/fullchain.pem": no': "shop",
        'cannot load certificate "/etc/sites/other/tls/live/fullchain.pem": no': "",
        'cannot load certificate "/etc/sites/shop/tls/lively/fullchain.pem": no': "",
        "unknown directive in /etc/nginx/conf.d/shop.conf:1": "shop",
        "unknown directive in /etc/nginx/nginx.conf:1": "",
    }
    for text, part in found.items():
        assert file_set_module.refused_part(CheckRefused(text), files) == part
        assert file_set_module.refused_part(ValueError(text), files) == ""


# --- on the controller ---


def test_keys_are_only_sent_among_the_secrets(monkeypatch):
    made = make(["shop.example.com"])
    common = {"source": {"startproject": "x"}}
    sites = complete(
        [
            {
                "name": "shop",
                "domains": ["shop.example.com"],
                "tls": {"certificate": made.certificate, "key": made.key},
                **common,
            },
            {"name": "blog", "domains": ["blog.example.com"], "tls": "selfsigned", **common},
            {"name": "old", "domains": ["old.example.com"], **common},
            {"name": "gone", "state": "absent", "purge": True},
        ]
    )
    sent = run(monkeypatch, sites=sites, certificates=[*sites, {**sites[1], "name": "failed", "kept": True}])
    secrets = json.loads(sent.pop("secrets"))
    assert secrets == {"sites": {"shop": {"env": {}, "tls_key": made.key}}}
    assert "PRIVATE" not in json.dumps(sent)
    assert [site["name"] for site in sent["certificates"]] == ["shop", "blog", "old", "gone"]
    shop, _blog, old, gone = sent["certificates"]
    assert shop["tls"] == {"kind": "certificate", "certificate": made.certificate}
    assert (old["tls"], gone["state"], gone["purge"]) == ({"kind": "none"}, "absent", True)
    assert shop["nginx"]["listen_tls"] == [{"address": "", "port": 443}]
    asked = {site["name"]: site for site in sent["sites"]}
    assert (asked["shop"]["tls"], "tls" in asked["old"]) == ({"kind": "certificate"}, False)
    assert Layout.of(shop).tls == "/etc/sites/shop/tls"


def test_a_site_in_the_server_of_another_has_no_certificate_of_its_own(monkeypatch):
    common = {"domains": ["shop.example.com"], "tls": "selfsigned", "source": {"startproject": "x"}}
    sites = complete([{"name": "shop", **common}, {"name": "blog", "prefix": "/blog", **common}])
    sent = run(monkeypatch, sites=sites, certificates=[{**sites[0], "kept": True}, sites[1]])
    assert [(site["name"], site["tls"]) for site in sent["certificates"]] == [("blog", {"kind": "none"})]


def test_nothing_about_certificates_is_sent_without_them(monkeypatch):
    sent = run(monkeypatch)
    assert (sent["certificates"], "secrets" in sent) == ([], False)


@pytest.mark.parametrize("check_mode", [False, True])
def test_files_are_labelled_before_nginx_reads_them(host, monkeypatch, check_mode):
    labelled = []
    monkeypatch.setattr(nginx_set.labels, "settle", labelled.append)
    paths = ["/run/sites/shop", "/var/lib/sites/shop/media"]
    host.call(host.site(), relabel=paths, _ansible_check_mode=check_mode)
    assert labelled == ([] if check_mode else paths)
