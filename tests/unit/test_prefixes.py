"""A site below a path, and several sites with one name: model, overlay, entry, health check, nginx, rollback."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.action.site_doctor import wanted
from ansible_collections.pyweb.stack.plugins.module_utils.build import build as building
from ansible_collections.pyweb.stack.plugins.module_utils.build import overlay, runtime
from ansible_collections.pyweb.stack.plugins.module_utils.build.found import as_found
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import Patience
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.look_site import site_of
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model import prefixes
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete, url
from ansible_collections.pyweb.stack.plugins.module_utils.release import visit as visiting
from ansible_collections.pyweb.stack.plugins.module_utils.release.health import Names, Where
from ansible_collections.pyweb.stack.plugins.module_utils.release.moves import moves, refuse_other_prefix
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import protocol
from builds import make_context
from models import SHOP, completed, fault, faults
from releases import make_release

FOUND = {
    "chdir": ".",
    "settings_module": "mysite.settings",
    "wsgi": "mysite.wsgi:application",
    "paths": [],
    "configurations": False,
    "configuration": "",
}

# --- the model ---


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/", "/shop/"),
        ("/a?b", "/shop/a?b"),
        ("/shop", "/shop"),
        ("/shop/a", "/shop/a"),
        ("/shopping", "/shop/shopping"),
    ],
)
def test_the_prefix_is_added_to_a_path_of_the_project_once(path, there):
    assert prefixes.below("/shop", path) == there
    assert prefixes.below("", path) == path


def test_paths_of_the_inventory_are_relative_to_the_project():
    site = completed(
        prefix="/shop",
        health={"path": "/healthz"},
        warm_up=["/", "/shop/a"],
        nginx={"static": {"url": "/assets/"}, "media": "/srv/pictures"},
    )
    assert site["health"]["path"] == "/shop/healthz"
    assert site["warm_up"] == ["/shop/", "/shop/a"]
    assert (site["nginx"]["static"]["url"], site["nginx"]["media"]["url"]) == ("/shop/assets/", "/shop/media/")
    assert url(site) == "http://shop.example.com/shop/"
    assert completed(prefix="/shop")["health"]["path"] == ""  # `/`, and its options


def test_the_script_name_is_set_once():
    found = fault(prefix="/shop", settings={"FORCE_SCRIPT_NAME": "/shop"})
    assert found.endswith("settings has FORCE_SCRIPT_NAME; prefix sets it; remove one of them")
    assert completed(settings={"FORCE_SCRIPT_NAME": "/shop"})["prefix"] == ""


# --- several sites with one name ---


def under(name, prefix, **keys):
    return {
        "name": name,
        "domains": ["a.example.com", "b.example.com"],
        **({"prefix": prefix} if prefix else {}),
        **keys,
    }


def test_sites_with_different_prefixes_may_have_the_same_name():
    sites = complete([under("a", "/a"), under("root", ""), under("b", "/b"), under("c", "/a/c")], example="/")
    [group] = prefixes.sharing(sites)
    assert [site["name"] for site in group] == ["root", "a", "b", "c"]
    assert [site["name"] for site in prefixes.sharing([sites[2], sites[0]])[0]] == ["b", "a"]


def test_sites_of_one_server_have_one_certificate():
    given = [under(name, prefix, tls="selfsigned") for name, prefix in [("a", "/a"), ("root", ""), ("b", "/b")]]
    sites = complete([*given, {"name": "gone", "state": "absent"}], example="/")
    kinds = {site["name"]: site["tls"]["kind"] for site in prefixes.certified(sites)}
    assert kinds == {"a": "none", "root": "selfsigned", "b": "none", "gone": "none"}
    assert [site["tls"]["kind"] for site in sites] == ["selfsigned", "selfsigned", "selfsigned", "none"]


def test_the_next_site_of_a_server_gets_the_certificate_when_the_first_one_is_removed():
    given = [
        {"name": "root", "state": "absent"},
        under("a", "/a", tls="selfsigned"),
        under("b", "/b", tls="selfsigned"),
    ]
    kinds = [site["tls"]["kind"] for site in prefixes.certified(complete(given, example="/"))]
    assert kinds == ["none", "selfsigned", "none"]


def test_the_order_of_the_domains_does_not_matter():
    other = under("b", "/b", domains=["b.example.com", "a.example.com"])
    assert len(prefixes.sharing(complete([under("a", "/a"), other], example="/"))) == 1


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (
            {},
            {"prefix": "/a"},
            "domain a.example.com below /a already belongs to site 'a'; assign each domain to one site",
        ),
        (
            {},
            {"domains": ["a.example.com"]},
            ("domains differs from that of site 'a'; sites with the same domains are one server"),
        ),
        ({}, {"nginx": {"listen": 8080}}, "nginx.listen differs from that of site 'a'"),
        ({"nginx": {"options": {"gzip": False}}}, {}, "nginx.options differs from that of site 'a'"),
        (
            {"nginx": {"locations": {"= /robots.txt": {"return": 204}}}},
            {"nginx": {"locations": {"= /robots.txt": {"return": 404}}}},
            "the location = /robots.txt already belongs to site 'a'",
        ),
        ({"prefix": "", "nginx": {"static": {"url": "/b/"}}}, {}, "the location /b/ already belongs to site 'a'"),
    ],
)
def test_keys_that_sites_with_one_name_must_have_in_common(first, second, words):
    found = faults(under("a", "/a") | first, under("b", "/b") | second)
    assert all(text.startswith("site 'b': ") for text in found)
    assert words in found[0]


def test_each_difference_is_reported_once():
    assert len(faults(under("a", "/a"), under("b", "/b", nginx={"listen": 8080}))) == 1


def test_keys_that_may_differ():
    keys = {"nginx": {"client_max_body_size": "1g", "charset": "koi8-r", "read_timeout": 9}}
    assert complete([under("a", "/a"), under("b", "/b", **keys)], example="/")


def test_the_prefix_of_an_absent_site_is_free():
    assert complete(
        [{"name": "old", "state": "absent", "domains": ["a"], "prefix": "/a"}, under("a", "/a")], example="/"
    )


# --- the overlay ---


def test_the_overlay_of_a_site_below_a_path():
    [site] = complete([{**goldens.SHOP, "prefix": "/shop"}])
    goldens.check(f"overlay/prefix/{runtime.SETTINGS_MODULE}.py.txt", overlay.settings(site, "mysite.settings", FOUND))
    goldens.check(f"overlay/prefix/{runtime.ENTRY_MODULE}.py.txt", overlay.entry(site, FOUND))


PROJECT = """
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "/shop/me/"
CSRF_COOKIE_PATH = "/own"
"""


@pytest.mark.parametrize(
    ("project", "found"),
    [
        (
            "",
            {
                "LOGIN_URL": "/shop/v1/accounts/login/",
                "LOGIN_REDIRECT_URL": "/shop/v1/accounts/profile/",
                "SESSION_COOKIE_PATH": "/shop/v1",
                "CSRF_COOKIE_PATH": "/shop/v1",
                "LANGUAGE_COOKIE_PATH": "/shop/v1",
                "SESSION_COOKIE_NAME": "sessionid_shop_v1",
                "FORCE_SCRIPT_NAME": "/shop/v1",
                "STATIC_URL": "/shop/v1/static/",
                "MEDIA_URL": "/shop/v1/media/",
            },
        ),
        (
            "LOGIN_URL = 'login'\nLOGIN_REDIRECT_URL = '/shop/v1/me/'\nLOGOUT_REDIRECT_URL = '/bye/'\n"
            "CSRF_COOKIE_PATH = '/own'\nSESSION_COOKIE_NAME = 'own'\n",
            {
                "LOGIN_URL": "login",
                "LOGIN_REDIRECT_URL": "/shop/v1/me/",
                "LOGOUT_REDIRECT_URL": "/shop/v1/bye/",
                "CSRF_COOKIE_PATH": "/own",
                "SESSION_COOKIE_NAME": "own",
            },
        ),
        ("LOGIN_URL = '//login.example.com/'\n", {"LOGIN_URL": "//login.example.com/"}),
        ("from functools import partial\nLOGIN_URL = None\n", {"LOGIN_URL": None}),
        # reverse_lazy(): URLs cannot be reversed while settings are imported.
        (
            "class Lazy(dict):\n    def __str__(self):\n        raise RuntimeError('apps are not loaded yet')\n"
            "LOGIN_URL = Lazy(a=1)\n",
            {"LOGIN_URL": {"a": 1}},
        ),
    ],
)
def test_pages_and_cookies_are_below_the_prefix(tmp_path, project, found):
    roots = {key: str(tmp_path / key) for key in ("sites", "state", "config", "run", "cache")}
    [site] = complete([{**goldens.SHOP, "prefix": "/shop/v1"}], roots=roots)
    (tmp_path / "config/shop").mkdir(parents=True)
    (tmp_path / "config/shop/secret_key").write_text("kept")
    (tmp_path / "project.py").write_text(project)
    (tmp_path / "pyweb_settings.py").write_text(overlay.settings(site, "project"))
    code = "import json, pyweb_settings as s; print(json.dumps({k: v for k, v in vars(s).items() if k.isupper()}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    got = json.loads(done.stdout)
    assert {key: got.get(key) for key in found} == found


def test_the_static_url_is_below_the_prefix_even_if_nginx_serves_no_static_files():
    [site] = complete([{**goldens.SHOP, "prefix": "/shop", "nginx": {"static": False}}])
    assert "STATIC_URL = '/shop/static/'" in overlay.settings(site, "mysite.settings")


@pytest.fixture
def entry():
    """entry(path, query) -> what the project received, or (status, headers, body) if it was not called."""
    [site] = complete([{**goldens.SHOP, "prefix": "/shop"}])
    text = overlay.entry(site, FOUND).replace("from mysite.wsgi import application as application\n", "")
    space = {}
    space["application"] = lambda environ, start: (environ.get("SCRIPT_NAME"), environ["PATH_INFO"])
    exec(compile(text, "entry", "exec"), space)  # noqa: S102 - a build has it as a module

    def ask(path, query=""):
        told = []
        answer = space["application"]({"PATH_INFO": path, "QUERY_STRING": query}, lambda *words: told.extend(words))
        return (*told, b"".join(answer)) if told else answer

    return ask


def test_the_project_receives_the_path_below_the_prefix(entry):
    assert entry("/shop/") == ("/shop", "/")
    assert entry("/shop/a/b") == ("/shop", "/a/b")
    assert entry("/shop/shop/") == ("/shop", "/shop/")


def test_the_prefix_without_a_slash_is_redirected(entry):
    """The redirect is relative: the entry does not know the scheme and port of the client."""
    assert entry("/shop") == ("301 Moved Permanently", [("Location", "/shop/")], b"")
    assert entry("/shop", "a=b")[1] == [("Location", "/shop/?a=b")]


@pytest.mark.parametrize("path", ["/", "", "/shopping/", "/other/shop/"])
def test_other_paths_are_not_found(entry, path):
    assert entry(path)[0] == "404 Not Found"


# --- the build ---


def test_a_script_name_without_a_prefix_is_refused(tmp_path):
    context = make_context(tmp_path)
    with pytest.raises(StepError) as caught:
        building._refuse_script_name(context, "/shop")
    assert "the project sets FORCE_SCRIPT_NAME to '/shop', so every link begins with it" in str(caught.value)
    assert "set prefix: /shop in the inventory" in str(caught.value)
    for given in ("/shop/", "shop"):
        with pytest.raises(StepError, match="set prefix: /shop in the inventory"):
            building._refuse_script_name(context, given)
    building._refuse_script_name(context, "")
    building._refuse_script_name(make_context(tmp_path, prefix="/shop"), "/shop")
    building._refuse_script_name(make_context(tmp_path, settings={"FORCE_SCRIPT_NAME": "/shop"}), "/shop")


def test_a_prefix_needs_the_overlay(tmp_path):
    (tmp_path / "mysite").mkdir()
    (tmp_path / "manage.py").write_text('os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"')
    (tmp_path / "mysite/wsgi.py").write_text("")
    keys = {"source": {"path": str(tmp_path)}, "virtualenv": "/srv/venv", "prefix": "/shop"}
    with pytest.raises(StepError, match="prefix is served by the settings overlay; run the django role"):
        as_found(completed(**keys))


# --- the health check ---

NAMES = Names(("shop.example.com",), (80,), "/shop")


@pytest.mark.parametrize(
    ("path", "have"), [("/shop", True), ("/shop/", True), ("/shop?a=/", True), ("/shop/a", True), ("/shopping", False)]
)
def test_a_page_outside_of_the_prefix_belongs_to_another_site(path, have):
    assert NAMES.have(Where("http", "shop.example.com", path)) is have
    assert NAMES.share(Where("http", "shop.example.com", path))
    assert dataclasses.replace(NAMES, prefix="").have(Where("http", "shop.example.com", path))
    assert not NAMES.share(Where("http", "other.example.com", path))


def test_the_start_page_of_a_release_is_requested_below_the_prefix(tmp_path, monkeypatch):
    asked = []

    def request(_address, _host, path, _timeout, _headers):
        asked.append(path)
        return protocol.Answer(302 if path == "/shop/" else 200, "", 0.1, {"location": "/shop/in/"})

    monkeypatch.setattr(protocol, "request", request)
    release = make_release(tmp_path, prefix="/shop")
    assert not visiting.visit(release, "/run/x.sock", 5).wrong
    assert asked == ["/shop/", "/shop/in/"]
    assert release.site["prefix"] == "/shop"
    assert "prefix" not in make_release(tmp_path).site  # Records of sites without a prefix are unchanged.


def test_a_rollback_to_a_release_with_another_prefix_is_refused(tmp_path):
    below, above = make_release(tmp_path, prefix="/shop"), make_release(tmp_path)
    assert moves(below, {"site": above.site})
    assert not moves(below, {"site": below.site})
    assert not moves(below, {})
    with pytest.raises(StepError) as caught:
        refuse_other_prefix(above, {"site": below.site})
    assert f"release {above.id} is served at /, and nginx has the site at /shop/; change prefix in" in str(caught.value)
    refuse_other_prefix(above, {"site": above.site})


def test_the_prefix_is_part_of_a_builds_id():
    texts = {overlay.settings(completed(prefix=prefix), "-") for prefix in (None, "/a", "/b")}
    assert len(texts) == 3


# --- the doctor ---


@pytest.mark.parametrize("given", [{**SHOP, "prefix": "/shop", "health": {"path": "/a"}}, None])
def test_the_doctor_requests_pages_below_the_prefix(given):
    site = site_of(wanted(given or completed(prefix="/shop", health={"path": "/a"})), Patience())
    assert (site.path, site.prefix) == ("/shop/a", "/shop")
    assert site_of(wanted({**SHOP, "prefix": "/shop"}), Patience()).path == "/shop/"
    assert site_of(wanted(SHOP), Patience()).path == "/"
