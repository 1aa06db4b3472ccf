"""Requests through nginx to a site: which server answers according to its configuration, and what is requested."""

from __future__ import annotations

import dataclasses
import errno

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.release import front as fronts
from ansible_collections.pyweb.stack.plugins.module_utils.release.front import Front, Look
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi.protocol import Answer, ProtocolError
from releases import FakeShell

HERE = "192.0.2.7"
SITE = """# Ansible managed
# pyweb.stack.nginx: site shop.
upstream uwsgi_shop {{ server unix:/run/shop.sock; }}
server {{ {listen} server_name shop.catch-all.invalid; return 444; }}
server {{
    {listen}
    server_name {names};
    {more}
    location / {{ uwsgi_pass uwsgi_shop; }}
}}
"""
STATIC = b"<link rel=stylesheet href=/static/a.css>"


class Nginx:
    """Files of nginx below a directory, and answers of the network: URL path, or (port, path), -> answer."""

    def __init__(self, folder):
        self.folder, self.pages, self.asked = folder, {}, []
        self.closed = {443}
        (folder / "conf.d").mkdir()
        (folder / "nginx.conf").write_text("events {}\nhttp { include conf.d/*.conf; }\n")
        self.write()

    def write(self, names="shop.example", listen="listen 80;", more=""):
        (self.folder / "conf.d/shop.conf").write_text(SITE.format(names=names, listen=listen, more=more))

    def other(self, text, name="aaa.conf"):
        (self.folder / "conf.d" / name).write_text(text)

    def request(self, address, host, path, timeout, headers=None, tls=None):
        port = int(address.rpartition(":")[2])
        if port in self.closed:
            raise ProtocolError(address, "nothing listens", errno.ECONNREFUSED)
        self.asked.append(f"{'https' if tls else 'http'}://{address} {host}{path}")
        self.headers = headers or {}
        found = self.pages.get((port, path)) or self.pages.get(path) or Answer(200, "", 0.1)
        if callable(found):
            found = found(self.headers)
        if isinstance(found, Exception):
            raise found
        return dataclasses.replace(found, headers=dict(found.headers))


@pytest.fixture
def nginx(tmp_path, monkeypatch):
    made = Nginx(tmp_path)
    monkeypatch.setattr(fronts, "http_request", made.request)
    monkeypatch.setattr(fronts, "own_addresses", lambda: [HERE, "2001:db8::7"])
    monkeypatch.setattr(fronts.time, "sleep", lambda _seconds: None)
    return made


def front(nginx, domains=("shop.example",), manifest=None, shell=None, **keys):
    site = complete([{"name": "shop", "domains": list(domains), **keys}])[0] if "source" in keys else None
    site = site or complete([{"name": "shop", "domains": list(domains), "source": {"startproject": "x"}, **keys}])[0]
    made = Front.of(shell or FakeShell(), site, {"https_header": []} if manifest is None else manifest)
    return dataclasses.replace(made, conf=str(nginx.folder / "nginx.conf"))


def to(location, status=302):
    return Answer(status, "", 0.1, {"location": location})


def html(body=b"", status=200):
    return Answer(status, "", 0.1, {"content-type": "text/html"}, body)


# --- whether nginx serves the site ---


@pytest.mark.parametrize(("active", "serves"), [(0, True), (3, False)])
def test_nginx_serves_a_site_if_it_runs_and_reads_the_sites_file(nginx, active, serves):
    shell = FakeShell({"systemctl is-active": (active, "")})
    assert front(nginx, shell=shell).serves() is serves
    assert shell.done == ["nginx: systemctl is-active --quiet nginx.service (may fail)"]


def test_a_site_does_not_answer_if_nginx_does_not_run(nginx):
    stopped = FakeShell({"systemctl is-active": (3, "")})
    wrong = "nginx has the site but does not run; start it: systemctl start nginx"
    assert front(nginx, shell=stopped).unanswered() == wrong
    assert front(nginx).unanswered() == ""
    nginx.pages["/"] = html(status=502)
    assert "answered 502" in front(nginx).unanswered()
    (nginx.folder / "conf.d/shop.conf").unlink()
    assert front(nginx, shell=stopped).unanswered() == ""


def test_nginx_does_not_serve_a_site_without_a_managed_file(nginx):
    others = SITE.replace("site shop.", "site shop-b.").format(names="shop.example", listen="", more="")
    for text in ("server { server_name shop.example; location / {} }", others):
        (nginx.folder / "conf.d/shop.conf").write_text(text)
        made = front(nginx)
        assert not made.serves()
        assert made.look().wrong == f"nginx reads no file of the site; check the includes in {made.conf}"
    (nginx.folder / "nginx.conf").unlink()
    assert not front(nginx).serves()
    assert front(nginx).look().wrong.endswith("nginx.conf cannot be read")


# --- which server answers ---


def test_a_site_is_requested_by_its_own_name_at_the_hosts_own_address(nginx):
    assert front(nginx).look() == Look("", "http://shop.example/")
    assert nginx.asked == [f"http://{HERE}:80 shop.example/"]


@pytest.mark.parametrize(
    ("listen", "asked"),
    [
        ("listen 80; listen [::]:80;", f"http://{HERE}:80 shop.example/"),
        ("listen 8080;", f"http://{HERE}:8080 shop.example:8080/"),
        ("listen 127.0.0.1:8080; listen 80;", "http://127.0.0.1:8080 shop.example:8080/"),
        ("listen [::]:80;", "http://[2001:db8::7]:80 shop.example/"),
        ("listen [::1]:80;", "http://[::1]:80 shop.example/"),
        ("listen 443 ssl; listen 80;", f"http://{HERE}:80 shop.example/"),
        ("listen 8443 ssl;", f"https://{HERE}:8443 shop.example:8443/"),
    ],
)
def test_which_address_is_requested(nginx, listen, asked):
    nginx.write(listen=listen)
    assert not front(nginx).look().wrong
    assert nginx.asked == [asked]


@pytest.mark.parametrize(
    ("domains", "served", "host"),
    [
        (["*.shop.example", "shop.example"], "*.shop.example shop.example", "shop.example"),
        (["*.shop.example"], "*.shop.example", "www.shop.example"),
        # A deploy with domains that nginx does not have yet.
        (["new.example", "shop.example"], "shop.example", "shop.example"),
        (["new.example"], "shop.example", "shop.example"),
        (["192.0.2.7"], "192.0.2.7", "192.0.2.7"),
    ],
)
def test_which_name_is_requested(nginx, domains, served, host):
    nginx.write(names=served)
    front(nginx, domains).look()
    assert nginx.asked == [f"http://{HERE}:80 {host}/"]


def test_a_made_up_name_belongs_to_no_other_server(nginx):
    nginx.write(names="*.shop.example")
    nginx.other("server { listen 80; server_name www.shop.example; return 503; }")
    assert not front(nginx, ["*.shop.example"]).look().wrong
    assert nginx.asked == [f"http://{HERE}:80 pyweb-check.shop.example/"]


STRANGERS = [
    (f"server {{\n  listen {HERE}:80;\n  server_name other.example;\n}}", 1, "other.example", f"{HERE}:80"),
    ("\n\nserver { listen 80; server_name shop.example; }", 3, "shop.example", "*:80"),
    (f"server {{ listen {HERE}:80 default_server; }}", 1, "no name", f"{HERE}:80"),
]


@pytest.mark.parametrize(("text", "line", "names", "listens"), STRANGERS)
def test_a_foreign_server_with_the_name_is_reported_with_file_and_line(nginx, text, line, names, listens):
    nginx.other(text)
    own = f"{nginx.folder}/conf.d/shop.conf:5"
    assert front(nginx).look().wrong == (
        f"another server answers for shop.example at {HERE}:80: {nginx.folder}/conf.d/aaa.conf:{line} "
        f"(server_name {names}; listen {listens}), which nginx prefers to the site's own, {own}; remove the name or "
        "the address from that server, or let the site listen there as well (nginx.listen)"
    )
    assert nginx.asked == []


def test_a_foreign_server_at_another_address_of_the_site_is_reported(nginx):
    nginx.write(listen="listen 80; listen [::]:80;")
    nginx.other("server { listen [2001:db8::7]:80; }")
    assert "answers for shop.example at [2001:db8::7]:80" in front(nginx).look().wrong


@pytest.mark.parametrize(
    "text",
    [
        "server { listen 80 default_server; server_name _; }",
        "server { listen 80; server_name other.example *.example; }",
        "server { listen 192.0.2.8:80; }",
        f"server {{ listen {HERE}:8080; }}",
        # nginx ignores the second server with the same name at an address.
        "",
    ],
)
def test_harmless_foreign_servers_are_not_reported(nginx, text):
    nginx.other(text)
    nginx.other("server { listen 80; server_name shop.example; }", "zzz.conf")
    assert not front(nginx).look().wrong


# --- answers ---


def test_a_failed_page_is_requested_again(nginx):
    answers = iter([502, 502, 200])
    nginx.pages["/"] = lambda _headers: Answer(next(answers), "", 0.1)
    assert not front(nginx).look().wrong
    nginx.pages["/"] = Answer(502, "", 0.1)
    nginx.asked.clear()
    wrong = f"/ as shop.example answered 502; expected a status below 500 (through nginx at {HERE}:80)"
    assert front(nginx).look() == Look(wrong, "http://shop.example/")
    assert len(nginx.asked) == 3
    assert front(nginx).look(attempts=1).wrong == wrong
    assert len(nginx.asked) == 4


@pytest.mark.parametrize(
    ("answer", "health", "wrong"),
    [
        (
            Answer(200, "", 0.1),
            {"path": "/healthz", "status": [204]},
            "/healthz as shop.example answered 200; expected 204",
        ),
        (Answer(503, "", 0.1), {"status": [503]}, ""),
        (Answer(401, "", 0.1), {"status": [200]}, ""),
        (Answer(403, "", 0.1), {"status": [200]}, ""),
        (
            ProtocolError("x", "the connection was closed without an answer: this is not a uwsgi socket"),
            {},
            "/ as shop.example did not answer: the connection was closed without an answer; expected a status below "
            "500",
        ),
    ],
)
def test_the_answer_is_judged(nginx, answer, health, wrong):
    nginx.pages.update({"/": answer, "/healthz": answer})
    assert front(nginx, health=health).look().wrong == (wrong and f"{wrong} (through nginx at {HERE}:80)")


def test_a_static_file_of_the_page_is_requested(nginx):
    nginx.pages.update({"/": to("/in/"), "/in/": html(STATIC)})
    assert not front(nginx).look().wrong
    assert [asked.rpartition("example")[2] for asked in nginx.asked] == ["/", "/in/", "/static/a.css"]
    for status in (403, 404):
        nginx.pages["/static/a.css"] = html(status=status)
        wrong = f"/in/ as shop.example names /static/a.css, which answered {status} (through nginx at {HERE}:80)"
        assert front(nginx).look().wrong == wrong
    # If a path is given, nothing else is requested.
    assert not front(nginx, health={"path": "/"}).look().wrong
    nginx.pages["/static/a.css"] = ProtocolError("x", "it hangs")
    assert "names /static/a.css, which did not come: it hangs" in front(nginx).look().wrong


RULES = [
    ("return 301 https://$host$request_uri;", to("https://shop.example/", 301), ""),
    ("return 410;", Answer(410, "", 0.1), ""),
    ("return 503;", Answer(503, "", 0.1), "/ as shop.example answered 503"),
    ("location = / { return 302 /x/; }", to("/x/"), "/ as shop.example redirects to /x/, which answered 500"),
]


@pytest.mark.parametrize(("more", "answer", "wrong"), RULES)
def test_answers_of_nginx_itself_count_as_answers_of_the_site(nginx, more, answer, wrong):
    nginx.write(more=more)
    nginx.pages.update({"/": answer, "/x/": Answer(500, "", 0.1)})
    found = front(nginx, health={"status": [200]}).look().wrong
    assert found.startswith(wrong)
    assert bool(found) == bool(wrong)


# --- https ---


def wants_https(headers):
    return Answer(200, "", 0.1) if headers.get("X-Forwarded-Proto") == "https" else to("https://shop.example/", 301)


def test_https_is_claimed_if_a_proxy_in_front_may_terminate_it(nginx):
    """The request is the one of a proxy, for a site whose inventory passes the header on."""
    nginx.pages["/"] = wants_https
    assert front(nginx).look() == Look("", "http://shop.example/")
    assert nginx.asked == [f"http://{HERE}:80 shop.example/"] * 2


def test_a_redirect_to_https_without_a_server_is_reported(nginx):
    nginx.pages["/"] = to("https://shop.example/", 301)
    wrong = front(nginx).look().wrong
    assert wrong.startswith(
        "/ as shop.example redirects to https://shop.example/, and nothing on this host serves https for it: set "
        "SECURE_SSL_REDIRECT: false in settings, or tls: {acme: {}} of the site; behind a server that terminates TLS "
        "set "
        "nginx: {trusted_proxies: [ADDRESS]}"
    )


@pytest.mark.parametrize("manifest", [{"https_header": ["HTTP_X_TLS", "1"]}, {"overlay": True}, {}])
def test_a_project_that_expects_tls_elsewhere_is_not_checked_over_https(nginx, manifest):
    """The host cannot check it; the user is told what was not checked."""
    nginx.pages["/"] = to("https://shop.example/", 301)
    found = front(nginx, manifest=manifest).look()
    assert found.wrong == ""
    assert found.warning.startswith("site 'shop': / as shop.example redirects to https://shop.example/, which was not")
    assert nginx.headers.get("X-Tls") == ("1" if "https_header" in manifest else None)


def test_a_project_without_the_overlay_must_answer(nginx):
    nginx.pages["/"] = to("https://shop.example/", 301)
    assert "SECURE_SSL_REDIRECT" in front(nginx, manifest={"overlay": False}).look().wrong


@pytest.mark.parametrize("who", ["the site's own server", "another server of the name", "a proxy"])
def test_https_of_this_host_is_requested(nginx, who):
    nginx.closed = set()
    if who == "the site's own server":
        nginx.write(listen="listen 80; listen 443 ssl;")
    elif who == "another server of the name":
        nginx.other("server { listen 443 ssl; server_name shop.example; location / { proxy_pass http://x; } }")
    nginx.pages.update({(80, "/"): to("https://shop.example/", 301), (443, "/"): Answer(500, "", 0.1)})
    assert "redirects to https://shop.example/, which answered 500" in front(nginx).look(attempts=1).wrong
    assert nginx.asked[-1] == f"https://{HERE}:443 shop.example/"


def test_https_of_another_name_does_not_belong_to_the_site(nginx):
    nginx.closed = set()
    nginx.other("server { listen 443 ssl; server_name other.example; }")
    nginx.pages["/"] = wants_https
    assert not front(nginx).look().wrong
    assert nginx.asked == [f"http://{HERE}:80 shop.example/"] * 2


# --- several sites with one name ---

SHARED = """# Ansible managed
# pyweb.stack.nginx: site root.
upstream uwsgi_shop { server unix:/run/shop.sock; }
upstream uwsgi_root { server unix:/run/root.sock; }
server {
    listen 80;
    server_name shop.example;
    location / { %s }
    include pyweb.d/shop.conf;
}
"""
LOCATIONS = """# pyweb.stack.nginx: site shop, inside the server of site root.
location /shop/ { uwsgi_pass uwsgi_shop; }
"""


@pytest.fixture
def shared(nginx):
    """shared(what is above the prefix) -> the front of the site below /shop."""

    def write(above):
        (nginx.folder / "conf.d/shop.conf").write_text(SHARED % above)
        (nginx.folder / "pyweb.d").mkdir(exist_ok=True)
        (nginx.folder / "pyweb.d/shop.conf").write_text(LOCATIONS)
        return front(nginx, prefix="/shop")

    return write


def test_a_site_in_the_server_of_another_is_requested_below_its_prefix(nginx, shared):
    nginx.pages["/shop/"] = html(STATIC.replace(b"/static", b"/shop/static"))
    assert shared("uwsgi_pass uwsgi_root;").look() == Look("", "http://shop.example/shop/")
    assert nginx.asked == [f"http://{HERE}:80 shop.example/shop/", f"http://{HERE}:80 shop.example/shop/static/a.css"]


def test_a_redirect_to_another_site_with_the_name_ends_the_walk(nginx, shared):
    nginx.pages["/shop/"] = to("/login/?next=/shop/")
    assert shared("uwsgi_pass uwsgi_root;").look().wrong == ""


def test_a_redirect_to_a_path_without_a_site_is_an_error(nginx, shared):
    nginx.pages["/shop/"] = to("/login/?next=/shop/")
    wrong = shared("return 404;").look().wrong
    assert wrong.startswith("/shop/ as shop.example redirects to /login/, which is outside of the site's prefix /shop")


def test_a_redirect_to_another_host_is_allowed_below_a_prefix(nginx, shared):
    nginx.pages["/shop/"] = to("https://sso.example/")
    assert shared("return 404;").look().wrong == ""


@pytest.mark.parametrize(("there", "status", "wrong"), [(True, 503, ""), (False, 503, "503"), (True, 502, "502")])
def test_maintenance_is_no_fault_and_is_reported(nginx, tmp_path, monkeypatch, there, status, wrong):
    monkeypatch.setattr(fronts.maintenance.names, "ETC", str(tmp_path / "etc"))
    (tmp_path / "etc/pyweb.d").mkdir(parents=True)
    if there:
        (tmp_path / "etc/pyweb.d/shop.maintenance").write_text("")
    nginx.pages["/"] = html(status=status)
    found = front(nginx).look()
    assert (wrong in found.wrong) if wrong else not found.wrong
    assert found.warning.startswith("site 'shop': maintenance is on, and visitors get 503; to end it:") is not bool(
        wrong
    )
