"""Faults of several keys or several sites in combination."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from models import EXAMPLE, SHOP, completed, fault, faults


def test_all_faults_of_all_sites_are_reported_together():
    found = faults(
        {**SHOP, "domain": 1, "uwsgi": {"processes": 0}, "nginx": {"listen": "x"}},
        {"name": "blog"},
        "text",
        {"name": "wiki", "domains": ["shop.example.com"], "source": {"git": "a", "path": "/b"}},
        roots={"sites": "relative", "stat": "/a"},
    )
    assert [one.partition(":")[0] for one in found] == [
        "web_roots",
        "web_roots",
        "web_sites[0] 'shop'",
        "web_sites[0] 'shop'",
        "web_sites[0] 'shop'",
        "web_sites[1] 'blog'",
        "web_sites[2]",
        "web_sites[3] 'wiki'",
        "site 'wiki'",
    ]
    assert "did you mean 'state'?" in " ".join(found)


@pytest.mark.parametrize("given", [None, {}, "shop", {"name": "shop"}])
def test_web_sites_must_be_a_list(given):
    with pytest.raises(InventoryError, match="expected a list of sites, each with name and domains"):
        complete(given)


def test_no_sites_are_no_fault():
    assert complete([]) == []


def test_roots_must_be_a_mapping():
    assert faults(SHOP, roots=["/a"]) == [
        "web_roots is ['/a']; expected a mapping of sites, state, config, run, cache to paths"
    ]


def test_two_sites_cannot_have_the_same_name():
    assert faults(SHOP, SHOP, SHOP) == ["site 'shop': name is used 3 times; every site needs its own name"]


SHARED = {"user": "web", "user_shared": True}


@pytest.mark.parametrize(
    ("shop", "blog", "lacking"),
    [
        ({"user": "web"}, {"user": "web"}, "shop and blog"),
        (SHARED, {"user": "web"}, "blog"),
        ({"user": "web"}, SHARED, "shop"),
        # The name of the other site's own user.
        ({}, {"user": "site-shop"}, "shop and blog"),
    ],
)
def test_two_sites_share_a_user_only_if_both_allow_it(shop, blog, lacking):
    [fault] = faults({**SHOP, **shop}, {"name": "blog", "domains": ["blog.example.com"], **blog})
    user = blog["user"]
    assert fault.startswith(f"site 'blog': user is '{user}', which site 'shop' has, too: each could read and change")
    assert fault.endswith(f"set user_shared: true for {lacking}")


def test_sites_that_allow_it_share_a_user():
    blog = {"name": "blog", "domains": ["blog.example.com"]}
    sites = complete([{**SHOP, **SHARED}, {**blog, **SHARED}], example=str(EXAMPLE))
    assert [site["user"] for site in sites] == ["web", "web"]
    absent = {**blog, "user": "web", "state": "absent"}
    assert len(complete([{**SHOP, "user": "web"}, absent], example=str(EXAMPLE))) == 2


def test_two_sites_cannot_have_the_same_domain():
    other = {"name": "blog", "domains": ["a.example.com", "SHOP.example.com"]}
    wanted = "site 'blog': domain shop.example.com already belongs to site 'shop'; assign each domain to one site, "
    wanted += "or set different prefixes"
    assert faults(SHOP, other) == [wanted]


def test_domains_and_ports_of_an_absent_site_are_free():
    old = {**SHOP, "state": "absent", "uwsgi": {"socket": 8000}}
    assert len(complete([old, {**SHOP, "name": "new", "uwsgi": {"socket": 8000}}], example=str(EXAMPLE))) == 2


def test_two_sites_cannot_have_the_same_port():
    sites = [{"name": name, "domains": [name], "uwsgi": {"socket": 8000}} for name in ("a", "b")]
    assert faults(*sites) == ["site 'b': port 8000 already belongs to site 'a'; change the port of uwsgi.socket"]


def test_uwsgi_cannot_use_a_port_of_nginx():
    sites = [{**SHOP, "nginx": {"listen": 8000}}, {"name": "b", "domains": ["b"], "uwsgi": {"socket": 8000}}]
    assert faults(*sites) == ["site 'b': uwsgi.socket has port 8000, on which nginx listens; change one"]


def test_a_socket_path_above_the_kernels_limit_is_refused():
    run = "/" + "r" * 88
    found = faults(SHOP, {"name": "b", "domains": ["b"]}, roots={"run": run})
    assert [one.split(":")[0] for one in found] == ["site 'shop'", "site 'b'"]
    assert "has 113 bytes; expected at most 107 (the kernel's limit); shorten the name or web_roots" in found[0]
    [site] = complete([SHOP], example=str(EXAMPLE), roots={"run": "/" + "r" * 82})
    assert len(f"{site['paths']['run']}/{'x' * 12}.stats") == 107


def test_source_and_virtualenv_cannot_be_in_directories_that_absent_removes():
    assert len(faults(SHOP, roots={"state": "/opt/sites"})) == 2
    assert faults(SHOP, roots={"state": "/opt/sites/shop/data"}) == [
        "site 'shop': state /opt/sites/shop/data/shop is inside root /opt/sites/shop; "
        "expected separate directories; change it or web_roots"
    ]
    keys = {"source": {"path": "/home/huatai/works/shop/code"}, "virtualenv": "/home/huatai/works/shop/venv"}
    assert len(faults({**SHOP, **keys}, roots={"sites": "/home/huatai/works"})) == 2
    [site] = complete([{**SHOP, **keys}], roots={"sites": "/home/huatai/sites"})
    assert site["paths"]["root"] == "/home/huatai/sites/shop"


def test_a_wrong_checksum_is_reported_with_that_of_the_file(tmp_path):
    (tmp_path / "code.tgz").write_bytes(b"an archive")
    digest = hashlib.sha256(b"an archive").hexdigest()
    one = fault(tmp_path, source={"archive": "code.tgz", "checksum": "sha256:" + "0" * 64})
    assert f"source.checksum is sha256:{'0' * 64}; the file {tmp_path}/code.tgz has sha256:{digest}" in one


@pytest.mark.parametrize("kind", ["git", "archive", "directory", "startproject"])
def test_virtualenv_requires_a_source_path(kind, tmp_path):
    (tmp_path / "x").mkdir()
    given = {"git": "x", "archive": "https://h/x.tgz", "directory": "x", "startproject": "x"}[kind]
    assert "it can only be used with source.path" in fault(tmp_path, source={kind: given}, virtualenv="/srv/venv")


def test_virtualenv_none_allows_no_other_uwsgi_and_no_packages():
    found = faults(
        {**SHOP, "source": {"path": "/srv"}, "virtualenv": "none", "packages": ["a"], "uwsgi": {"install": "uwsgi"}}
    )
    assert "expected distribution with virtualenv: none" in found[0]
    assert "use system_packages" in found[1]


@pytest.mark.parametrize(
    "keys",
    [
        {"source": {"path": "/opt/sites/shop2/code"}},
        {"source": {"path": "/var/lib/sites/shop/code"}},
        {"nginx": {"media": "/var/lib/sites/shop/pictures"}},
        {"nginx": {"media": "/srv/media"}},
        {"uwsgi": {"options": {"harakiri": 59}}},
        {"uwsgi": {"options": {"harakiri": "a"}}},
        {"uwsgi": {"install": "tarball", "tarball": "/u.tgz", "checksum": "sha256:" + "0" * 64}},
        {"uwsgi": {"install": "uwsgi", "version": "2.0.31"}},
        {"uwsgi": {"socket": [8000, 8001]}},
        {"nginx": {"media": False, "static": {"url": "/media/"}}},
    ],
)
def test_keys_that_require_one_another(keys):
    assert completed(**keys)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"source": {"path": "/opt/sites/shop"}}, "source.path /opt/sites/shop is inside root /opt/sites/shop"),
        ({"source": {"path": "/opt/sites"}}, "root /opt/sites/shop is inside source.path /opt/sites;"),
        ({"source": {"path": "/etc/sites/shop/a"}}, "source.path /etc/sites/shop/a is inside config /etc/sites/shop"),
        ({"source": {"path": "/run/sites/shop/a"}}, "source.path /run/sites/shop/a is inside run /run/sites/shop"),
        ({"source": {"path": "/var/cache/sites/shop/a"}}, "is inside cache /var/cache/sites/shop"),
        (
            {"source": {"path": "/srv"}, "virtualenv": "/opt/sites/shop/venv"},
            "virtualenv /opt/sites/shop/venv is inside root /opt/sites/shop",
        ),
    ],
)
def test_paths_that_absent_would_remove_are_refused(keys, words):
    assert words in " ".join(faults({**SHOP, **keys}))


def test_the_kernels_limit_of_a_socket_path():
    def upstream(length):
        return {"upstream": "unix:/" + "u" * (length - 1)}

    assert completed(nginx=upstream(107))["nginx"]["upstream"]
    assert "has 108 bytes; expected at most 107" in fault(nginx=upstream(108))
    [found] = faults(SHOP, roots={"run": "/" + "r" * 83})
    assert "rrr/shop/xxxxxxxxxxxx.stats has 108 bytes" in found


def test_the_socket_that_nginx_connects_to_has_the_same_limit():
    root = "/" + "s" * 82
    assert complete([SHOP], {"sites": root}, example=str(EXAMPLE))
    found = faults(SHOP, roots={"sites": root + "s"})
    assert len(found) == 1
    assert found[0].startswith(f"site 'shop': the socket path {root}s/shop/current/uwsgi.sock has 108 bytes")


def test_ports_and_domains_of_the_same_site_do_not_conflict():
    assert completed(
        domains=["a", "b"], uwsgi={"socket": ["127.0.0.1:8000", {"address": "10.0.0.1:8001", "public": True}]}
    )


def test_sites_without_a_name_are_not_compared_by_name():
    found = faults({"domains": ["a"]}, {"domains": ["a"]})
    assert found == [
        f"web_sites[{number}]: has no name; it is required; add for example `name: shop`" for number in (0, 1)
    ]


def test_keys_are_only_compared_if_each_is_valid_and_the_site_is_present():
    together = {**SHOP, "uwsgi": {"checksum": "sha256:" + "0" * 64}}
    assert "uwsgi.checksum can only be used with uwsgi.tarball" in faults(together)[0]
    [found] = faults({**together, "migrate": "no"})
    assert "migrate is 'no'" in found
    assert complete([{**together, "state": "absent", "source": {"path": "/srv"}, "virtualenv": "/srv/venv"}])


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"uwsgi": {"install": "distribution"}}, "uwsgi.install: distribution"),
        ({"source": {"path": "/srv/shop"}, "virtualenv": "none"}, "virtualenv: none"),
    ],
)
def test_managed_python_is_refused_with_the_systems_python(keys, why):
    wanted = f"python.managed is always; {why} uses the system's own Python; remove one of them"
    assert wanted in fault(python={"managed": "always"}, **keys)
