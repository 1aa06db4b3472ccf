"""Optional features of nginx for a site, against golden files and against rules that hold for all configurations."""

from __future__ import annotations

import re

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.model.nginx_checks import BUILDERS
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, extras, match, site_files
from test_nginx import DEBIAN, REDHAT, SHOP, files, rendered, shop

CONF = "/etc/nginx/sites-available/shop.conf"
ON = {"site": "shop", "on": "true", "allow": ["192.0.2.0/24", "2001:db8::1"], "retry_after": 900}
SERVED = {"sites": ["shop", "blog", "cart"]}
LIMITS = {
    "client_timeout": 20,
    "limit_connections": 30,
    "limit_requests": {"/": "20r/s", "/accounts/login/": "10r/m burst=4"},
}
HEADERS = {"headers": {"X-Frame-Options": None, "Referrer-Policy": "no-referrer", "X-Quoted": "a \"b\"; 'c'"}}
PAGES = {"error_pages": {502: "<h1>Down</h1>", 503: "/srv/pages/busy.html"}}
LOGINS = {"basic_auth": {"ada": "correct-horse-battery"}}
SCENARIOS = {
    "limits": ([shop(**LIMITS)], DEBIAN, {}),
    "headers": ([shop(**HEADERS, options={"add_header": "X-Content-Type-Options sniff"})], DEBIAN, {}),
    "recommended_headers": ([shop(headers="recommended")], DEBIAN, {}),
    "files": (
        [shop(precompressed=True, hashed_names=["vite", r'_[a-z"]\d{2}\.js$'], protected={"/invoices/": "invoices"})],
        DEBIAN,
        {"host": {"brotli_static": True}},
    ),
    "pages_and_logins": ([shop(**PAGES, **LOGINS)], DEBIAN, {}),
    "maintenance": ([shop()], DEBIAN, {"host": SERVED, "maintenance": ON}),
    "all_below_a_prefix": (
        [
            {**SHOP, "prefix": "/my.shop", "nginx": {**LIMITS, **HEADERS, **PAGES, "protected": {"/files/": "/srv/f"}}},
        ],
        REDHAT,
        {"host": {**SERVED, "maintenance": {"shop": {"allow": [], "retry_after": 60}}}},
    ),
    "all_in_the_server_of_another": (
        [
            {**SHOP, "nginx": {**LIMITS, **HEADERS, **LOGINS}},
            {
                **SHOP,
                "name": "blog",
                "prefix": "/blog",
                "nginx": {**LIMITS, **LOGINS, **PAGES, "headers": "recommended", "hashed_names": "webpack"},
            },
        ],
        DEBIAN,
        {"host": {**SERVED, "maintenance": {name: {"allow": [], "retry_after": 60} for name in ("shop", "blog")}}},
    ),
}


def texts(sites, platform, options):
    """Return path to text of the files of sites; files that are not templates are texts as well."""
    found = rendered(sites, platform, options)
    found.update({one["path"]: one["content"] for one in files(sites, platform, options) if "content" in one})
    plain = rendered([], platform, {})
    return {path: text for path, text in found.items() if path not in plain and "link to" not in text}


@pytest.mark.parametrize("name", SCENARIOS)
def test_golden(name):
    found = "".join(f"==> {path} <==\n{text}\n" for path, text in texts(*SCENARIOS[name]).items())
    goldens.check(f"nginx_extras/{name}.txt", found)


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_password_is_in_a_file_of_the_controller(name):
    assert "correct-horse-battery" not in str(files(*SCENARIOS[name]))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_file_has_the_mark_in_a_line_of_its_own(name):
    for path, text in texts(*SCENARIOS[name]).items():
        assert re.search(r"(?m)^#.*\bpyweb\.stack\.nginx\b", text[:400]), path


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_variable_and_zone_is_defined_once(name):
    text = "\n".join(texts(*SCENARIOS[name]).values())
    made = re.findall(r"(?m)^(?:map \S+|geo) (\$pyweb_\w+) \{", text)
    assert len(made) == len(set(made))
    used = set(re.findall(r"\$pyweb_\w+", text)) - {"$pyweb_expires", "$pyweb_documents"}
    assert used == set(made)
    zones = re.findall(r"zone=([\w-]+):10m", text)
    assert len(zones) == len(set(zones))
    assert set(zones) == set(re.findall(r"limit_req zone=([\w-]+) ", text)) | set(
        re.findall(r"limit_conn ([\w-]+) ", text)
    )


def test_sites_whose_names_differ_by_a_dash_have_different_variables():
    sites = [
        {**SHOP, "name": name, "domains": [f"{name}.example"], "nginx": {"limit_requests": {"/": "1r/s"}}}
        for name in ("a-1", "a1", "a-1-1")
    ]
    text = "\n".join(texts(sites, DEBIAN, {}).values())
    assert len(set(re.findall(r"map \$uri (\$\w+) \{", text))) == 3


def counted(conf, number, path):
    """Return whether a path counts for a limit of the site: the first matching expression of a map decides."""
    [rows] = re.findall(rf"map \$uri \$pyweb_req{number}_shop \{{\n(.*?)\}}", conf, re.DOTALL)
    for pattern, value in re.findall(r'"~(.*?)" (\S+);', rows):
        if re.search(pattern.replace("\\\\", "\\"), path):
            return value == "$binary_remote_addr"
    return False


@pytest.mark.parametrize(
    ("path", "by_all", "by_login"),
    [
        ("/", True, False),
        ("/accounts/login/", True, True),
        ("/accounts/login/x", True, True),
        ("/accountsXlogin/", True, False),
        ("/static/a.css", False, False),
        ("/media/a.png", False, False),
        ("/staticX", True, False),
        ("/.well-known/acme-challenge/x", False, False),
        ("/.pyweb/shop/502.html", False, False),
    ],
)
def test_which_paths_count_for_a_limit(path, by_all, by_login):
    conf = texts(*SCENARIOS["limits"])[CONF]
    assert (counted(conf, 1, path), counted(conf, 2, path)) == (by_all, by_login)


def test_a_limit_of_a_site_does_not_count_paths_of_another():
    conf = texts(*SCENARIOS["all_in_the_server_of_another"])[CONF]
    assert counted(conf, 1, "/blo")
    assert not counted(conf, 1, "/blog/")


def test_the_shortest_timeout_applies_before_the_site_is_known():
    sites = [
        {**SHOP, "name": name, "domains": [f"{name}.example"], "nginx": {"client_timeout": seconds}}
        for name, seconds in (("a", 0), ("b", 30), ("c", 20))
    ]
    found = texts(sites, DEBIAN, {})
    firsts = [
        re.findall(r"catch-all.invalid;\n    (.*)\n", text) for path, text in found.items() if "available" in path
    ]
    assert firsts == [["client_header_timeout 20s;"]] * 3


def levels(conf):
    """Return the server of a site with the chains of its locations."""
    [server] = [
        one
        for one in match.servers(dump.parse(f"# configuration file {CONF}:\nhttp {{\n{conf}\n}}"))
        if one.chain[-1].all("location")
    ]
    return server


def names_at(server, path):
    """Return the names of the headers of a path's location; a level with any headers inherits none."""
    for block in reversed(match.locate(server, path)):
        if found := [one.args[0] for one in block.all("add_header")]:
            return found
    return []


def test_no_location_loses_a_header():
    conf = texts(
        [shop(headers="recommended", options={"add_header": "X-Own 1"}, protected={"/p/": "p"}, **PAGES)], DEBIAN, {}
    )[CONF]
    server = levels(conf)
    for path in ("/", "/static/x", "/media/x", "/p/x", "/.pyweb/shop/502.html", "/.pyweb/shop/503.html"):
        found = names_at(server, path)
        assert "X-Own" in found, path
        for name in ("X-Content-Type-Options", "Referrer-Policy", "Permissions-Policy", "X-Frame-Options"):
            assert found.count(name) == 1, (path, name)
    assert "Retry-After" in names_at(server, "/.pyweb/shop/503.html")
    assert "Retry-After" not in names_at(server, "/.pyweb/shop/502.html")


@pytest.mark.parametrize(
    ("builder", "hashed", "plain"),
    [
        ("django", "/static/a.0123456789ab.css", "/static/a.0123456789.css"),
        ("vite", "/static/assets/index-B7PI925R.js", "/static/admin/img/icon-calendar.svg"),
        ("vite", "/static/assets/index-_-aBc-12.js.map", "/static/js/jquery-3.7.1.min.js"),
        ("webpack", "/static/main.0a1b2c3d.js", "/static/main.chunk.js"),
        ("webpack", "/static/0a1b2c3d4e5f60718293.js", "/static/main.0a1b2c3.js"),
    ],
)
def test_file_names_with_a_hash_are_distinguished_from_others(builder, hashed, plain):
    assert re.search(BUILDERS[builder], hashed)
    assert not re.search(BUILDERS[builder], plain)


@pytest.mark.parametrize("text", ['a"b', "a\\", "\\n", 'x\\"y', "a; } #"])
def test_a_quoted_text_is_parsed_as_one_word(text):
    [found] = dump.parse(f"# configuration file /x:\nname {extras.quoted(text)} last;\n").tree
    assert found.args == [text, "last"]


# --- maintenance ---


def test_maintenance_stays_on_in_a_run_of_the_site():
    first = texts(*SCENARIOS["maintenance"])
    state = first["/etc/nginx/pyweb.d/shop.maintenance"]
    host = {**SERVED, "maintenance": {"shop": site_files._settings(state)}}
    assert texts([shop()], DEBIAN, {"host": host}) == first


def test_maintenance_changes_no_other_site():
    other = {**SHOP, "name": "blog", "domains": ["blog.example"]}
    found = files([shop(), other], DEBIAN, {"host": SERVED, "maintenance": ON})
    assert not [one["path"] for one in found if "blog" in one["path"]]


def test_the_end_of_maintenance_removes_its_files():
    there = ["/etc/nginx/pyweb.d/shop.503.html", "/etc/nginx/pyweb.d/shop.maintenance", "/etc/nginx/pyweb.d/blog.x"]
    host = {**SERVED, "site_files": there, "maintenance": {"shop": {"allow": [], "retry_after": 60}}}
    options = {"host": host, "maintenance": {"site": "shop", "on": False}}
    found = {one["path"]: one for one in files([shop()], DEBIAN, options)}
    assert [found[path]["state"] for path in there[:2]] == ["absent", "absent"]
    assert found[there[1]]["note"] == "site 'shop': maintenance is over"
    assert there[2] not in found
    assert "503" not in texts([shop()], DEBIAN, options)[CONF]


GONE = {"name": "shop", "state": "absent"}


@pytest.mark.parametrize("gone", [[GONE], [GONE, {**SHOP, "name": "b", "domains": ["b"]}]])
def test_an_absent_site_loses_its_files(gone):
    there = ["/etc/nginx/pyweb.d/shop.htpasswd", "/etc/nginx/pyweb.d/shop.maintenance"]
    found = {one["path"]: one for one in files(gone, DEBIAN, {"host": {**SERVED, "site_files": there}})}
    for path in there:
        assert (found[path]["state"], found[path]["marked"]) == ("absent", "pyweb.stack.nginx")


def test_password_files_in_use_stay_and_others_are_removed():
    there = ["/etc/nginx/pyweb.d/shop.htpasswd"]
    host = {**SERVED, "site_files": there}
    assert there[0] not in {one["path"] for one in files([shop(**LOGINS)], DEBIAN, {"host": host})}
    assert there[0] in {one["path"] for one in files([shop()], DEBIAN, {"host": host})}


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"site": "shpo", "on": True}, "maintenance_site: there is no site 'shpo'; did you mean 'shop'?"),
        ({"site": "", "on": True}, "maintenance_site: one of shop"),
        ({"site": "shop", "on": ""}, "maintenance is ''; expected true or false"),
        (
            {"site": "shop", "on": True, "allow": ["10.0.0.1/8"]},
            "maintenance_allow is ['10.0.0.1/8']; expected addresses",
        ),
        (
            {"site": "shop", "on": True, "retry_after": "soon"},
            "maintenance_retry_after is 'soon'; expected a whole number",
        ),
    ],
)
def test_invalid_settings_of_maintenance_are_refused(given, fault):
    with pytest.raises(InventoryError) as caught:
        files([shop()], DEBIAN, {"host": SERVED, "maintenance": given})
    assert fault in str(caught.value)


def test_maintenance_of_a_site_that_nginx_does_not_have_is_refused():
    with pytest.raises(InventoryError, match=r"nginx has no site 'shop' on this host; run pyweb.stack.site first"):
        files([shop()], DEBIAN, {"host": {"sites": ["blog"]}, "maintenance": {"site": "shop", "on": True}})


def test_sites_in_maintenance_are_read_from_the_host(tmp_path, monkeypatch):
    text = texts(*SCENARIOS["maintenance"])["/etc/nginx/pyweb.d/shop.maintenance"]
    folder = tmp_path / "pyweb.d"
    folder.mkdir()
    monkeypatch.setattr(site_files.names, "ETC", str(tmp_path))
    assert site_files.state() == {"site_files": [], "maintenance": {}}
    (folder / "shop.maintenance").write_text(text)
    (folder / "blog.maintenance").write_text("by hand")
    (folder / "evil.maintenance").write_text('#\n{"allow": ["1.1.1.1 0; } x {"], "retry_after": 1}')
    (folder / "shop.conf").write_text("locations")
    found = site_files.state()
    assert [path.rpartition("/")[2] for path in found["site_files"]] == [
        "blog.maintenance",
        "evil.maintenance",
        "shop.maintenance",
    ]
    by_hand = {"allow": [], "retry_after": 600}
    assert found["maintenance"] == {
        "shop": {"allow": ["192.0.2.0/24", "2001:db8::1"], "retry_after": 900},
        "blog": by_hand,
        "evil": by_hand,
    }


def test_variables_of_the_longest_name_fit_nginxs_limit():
    """With more than 46 characters nginx reports "could not build variables_hash", and does not start."""
    name = "a" * 31
    around = {"/": "20r/s", "/accounts/login/": "10r/m burst=4"}
    site = {
        **shop(limit_connections=30, limit_requests=around, headers={"X-A": "1"}, hashed_names=["vite"]),
        "name": name,
    }
    told = {"host": {"sites": [name], "maintenance": {name: {"allow": ["192.0.2.1"], "retry_after": 60}}}}
    text = rendered([site], REDHAT, told)[f"/etc/nginx/conf.d/{name}.conf"]
    variables = set(re.findall(rf"\$(pyweb_\w+_{name})\b", text))
    assert len(variables) >= 6
    assert max(map(len, variables)) <= 46
