"""A completed site: defaults, and values that are derived from others."""

from __future__ import annotations

import hashlib
import json

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from models import EXAMPLE, SECRET, SHOP, completed


def test_two_keys_are_enough():
    site = completed()
    assert site["user"] == "site-shop"
    assert site["managed_user"]
    assert site["paths"] == {
        "root": "/opt/sites/shop",
        "builds": "/opt/sites/shop/builds",
        "virtualenvs": "/opt/sites/shop/virtualenvs",
        "releases": "/opt/sites/shop/releases",
        "current": "/opt/sites/shop/current",
        "previous": "/opt/sites/shop/previous",
        "history": "/opt/sites/shop/history",
        "state": "/var/lib/sites/shop",
        "config": "/etc/sites/shop",
        "run": "/run/sites/shop",
        "cache": "/var/cache/sites/shop",
        "media": "/var/lib/sites/shop/media",
    }
    assert site["nginx"]["upstream"] == ["unix:/opt/sites/shop/current/uwsgi.sock"]
    assert site["nginx"]["client_max_body_size"] == "75m"
    assert site["uwsgi"]["socket"] == []
    assert site["origins"] == ["http://shop.example.com", "https://shop.example.com"]
    assert site["source"]["kind"] == "directory"


def test_a_completed_site_is_plain_data():
    assert json.loads(json.dumps(completed(env={"A": "b"}))) == completed(env={"A": "b"})


def test_changing_a_completed_site_does_not_affect_the_next_call():
    first = complete([SHOP, {**SHOP, "name": "b", "domains": ["b.example.com"]}], example=str(EXAMPLE))
    for site in first:
        site["packages"].append("changed")
        site["uwsgi"]["options"]["changed"] = True
        site["nginx"]["listen"].append("changed")
    second = json.dumps(complete([SHOP], example=str(EXAMPLE)))
    assert "changed" not in second


def test_the_given_site_is_not_changed():
    given = [{**SHOP, "uwsgi": {"options": {"harakiri": 5}}, "superuser": {"username": "a", "password": SECRET}}]
    before = json.dumps(given)
    complete(given, example=str(EXAMPLE))
    assert json.dumps(given) == before


def test_a_key_without_a_value_has_the_default():
    assert completed(packages=None, uwsgi={"processes": None}) == completed()


def test_both_ends_of_a_tcp_socket_agree():
    public = [{"address": address, "public": True} for address in ("0.0.0.0:8001", "[::]:8002")]
    site = completed(uwsgi={"socket": [8000, *public, "localhost:8003", {"address": "[::1]:8004"}]})
    assert site["uwsgi"]["socket"] == ["127.0.0.1:8000", "0.0.0.0:8001", "[::]:8002", "127.0.0.1:8003", "[::1]:8004"]
    assert site["nginx"]["upstream"] == [
        "127.0.0.1:8000",
        "127.0.0.1:8001",
        "127.0.0.1:8002",
        "127.0.0.1:8003",
        "[::1]:8004",
    ]


def test_harakiri_ends_a_request_before_nginx_times_out():
    assert completed(nginx={"read_timeout": 90})["uwsgi"]["options"]["harakiri"] == 85


def test_a_uwsgi_option_of_null_removes_the_default():
    options = completed(uwsgi={"options": {"vacuum": None, "max_requests": 7}})["uwsgi"]["options"]
    assert "vacuum" not in options
    assert options["max-requests"] == 7


def test_media_elsewhere_is_where_django_stores_too():
    site = completed(nginx={"media": "/srv/pictures/"})
    assert site["paths"]["media"] == site["nginx"]["media"]["path"] == "/srv/pictures"


def test_static_of_the_previous_release_is_served_unless_the_path_is_given():
    assert completed()["nginx"]["static"]["previous"] == "/opt/sites/shop/previous/static"
    assert completed(nginx={"static": "/srv/static"})["nginx"]["static"]["previous"] == ""
    assert completed(nginx={"static": False})["nginx"]["static"] is None


def test_origins_have_ports_that_are_not_the_default_of_their_scheme():
    site = completed(domains=["a.example.com", "::1"], nginx={"listen": [80, 8443]})
    assert site["origins"] == [
        "http://a.example.com",
        "https://a.example.com",
        "http://a.example.com:8443",
        "https://a.example.com:8443",
        "http://[::1]",
        "https://[::1]",
        "http://[::1]:8443",
        "https://[::1]:8443",
    ]


def test_roots_are_variables():
    [site] = complete([SHOP], example=str(EXAMPLE), roots={"sites": "/home/huatai/works/"})
    assert site["paths"]["current"] == "/home/huatai/works/shop/current"
    assert site["paths"]["state"] == "/var/lib/sites/shop"


def test_a_long_name_gets_a_user_that_useradd_accepts():
    users = {completed(name="a" * 30 + last)["user"] for last in "ab"}
    assert len(users) == 2
    assert all(len(user) <= 31 for user in users)


def test_an_absent_site_only_needs_a_name():
    [site] = complete([{"name": "shop", "state": "absent"}])
    assert site["source"] == {"kind": "none"}
    assert site["domains"] == []


def test_virtualenv_none_uses_the_uwsgi_of_the_distribution():
    assert completed(source={"path": "/srv/shop"}, virtualenv="none")["uwsgi"]["install"] == "distribution"


def test_a_relative_directory_is_relative_to_the_base(tmp_path):
    (tmp_path / "code").mkdir()
    assert completed(tmp_path, source={"directory": "code"})["source"]["directory"] == str(tmp_path / "code")


def test_a_local_archive_is_known_by_its_checksum(tmp_path):
    (tmp_path / "code.tgz").write_bytes(b"an archive")
    digest = "sha256:" + hashlib.sha256(b"an archive").hexdigest()
    assert completed(tmp_path, source={"archive": "code.tgz"})["source"]["checksum"] == digest


def test_values_that_only_the_host_knows_are_declared_and_empty():
    site = completed()
    assert site["group"] == ""
    assert site["interpreter"] == {"version": "", "path": "", "packages": [], "headers": []}


def test_a_given_user_is_not_managed():
    site = completed(user="www")
    assert site["user"] == "www"
    assert site["managed_user"] is False


@pytest.mark.parametrize(
    ("name", "user"),
    [
        ("a" * 26, "site-" + "a" * 26),
        ("a" * 27, "site-" + "a" * 21 + "-5c96"),
        ("a" * 31, "site-" + "a" * 21 + "-a5fc"),
    ],
)
def test_the_user_of_a_long_name(name, user):
    """The names exist on hosts, so they must not change."""
    assert completed(name=name)["user"] == user


def test_a_given_upstream_is_not_changed():
    site = completed(nginx={"upstream": "unix:/run/x.sock"}, uwsgi={"socket": 8000})
    assert site["nginx"]["upstream"] == ["unix:/run/x.sock"]
    assert site["uwsgi"]["socket"] == ["127.0.0.1:8000"]


def test_only_a_wildcard_address_is_replaced_by_the_loopback_address():
    public = [{"address": address, "public": True} for address in ("10.0.0.0:8000", "[2001:db8::]:8001")]
    site = completed(uwsgi={"socket": public})
    assert site["nginx"]["upstream"] == ["10.0.0.0:8000", "[2001:db8::]:8001"]


def test_origins_with_default_ports():
    assert completed(nginx={"listen": [80, 443]})["origins"] == ["http://shop.example.com", "https://shop.example.com"]
    assert len(completed(nginx={"listen": [81]})["origins"]) == 2
    assert completed(nginx={"listen": [81]})["origins"][0] == "http://shop.example.com:81"


def test_static_and_media_with_their_own_urls():
    site = completed(nginx={"static": {"url": "/s/"}, "media": {"url": "/m/", "path": "/srv/m"}})
    assert site["nginx"]["static"] == {
        "url": "/s/",
        "path": "/opt/sites/shop/current/static",
        "previous": "/opt/sites/shop/previous/static",
    }
    assert site["nginx"]["media"] == {"url": "/m/", "path": "/srv/m"}
    assert completed(nginx={"media": False})["paths"]["media"] == "/var/lib/sites/shop/media"


def test_virtualenv_none_uses_the_given_uwsgi():
    keys = {"source": {"path": "/srv/shop"}, "virtualenv": "none", "uwsgi": {"install": "distribution"}}
    assert completed(**keys)["uwsgi"]["install"] == "distribution"
    assert completed(source={"path": "/srv/shop"}, virtualenv="/srv/venv")["uwsgi"]["install"] == "pyuwsgi"


def test_a_directory_in_the_users_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "code").mkdir()
    assert completed(source={"directory": "~/code"})["source"]["directory"] == f"{tmp_path}/code"


def test_a_correct_checksum_is_accepted(tmp_path):
    (tmp_path / "code.tgz").write_bytes(b"an archive")
    digest = "sha256:" + hashlib.sha256(b"an archive").hexdigest()
    source = completed(tmp_path, source={"archive": "code.tgz", "checksum": digest})["source"]
    assert source["checksum"] == digest
    assert source["archive"] == f"{tmp_path}/code.tgz"


def test_the_archive_of_a_url_is_not_opened(tmp_path):
    for url in ("http://h/x.tgz", "https://h/x.tgz"):
        assert completed(source={"archive": url})["source"]["archive"] == url
