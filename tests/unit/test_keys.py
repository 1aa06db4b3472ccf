"""The keys of a site: valid values and their normalized form, invalid values and their error messages."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model import keys
from ansible_collections.pyweb.stack.plugins.module_utils.model.nginx_checks import RECOMMENDED
from models import SECRET, completed, fault, faults

# --- valid values, key by key: (given, normalized) ---

GOOD = {
    "name": [("a", "a"), ("a-1", "a-1"), ("a" * 31, "a" * 31)],
    "domains": [
        ("Shop.Example.COM", ["shop.example.com"]),
        (["*.example.com"], ["*.example.com"]),
        (["192.0.2.1", "2001:DB8::1", "[::1]"], ["192.0.2.1", "[2001:db8::1]", "[::1]"]),
        (["xn--bcher-kva.example", "localhost"], ["xn--bcher-kva.example", "localhost"]),
        (["a.example.com", "A.example.com"], ["a.example.com"]),
    ],
    "canonical": [("Shop.Example.COM", "shop.example.com"), ("", ""), (None, "")],
    "prefix": [("/shop", "/shop"), ("/a/b-c/~v1.2_x", "/a/b-c/~v1.2_x"), (None, ""), ("", "")],
    "purge": [(True, True)],
    "user": [("www", "www"), ("_www-1", "_www-1")],
    "user_shared": [(True, True), (False, False)],
    "python": [
        ("3.12", "3.12"),
        (3.12, "3.12"),
        (3.9, "3.9"),
        ("/opt/python/bin/python3", "/opt/python/bin/python3"),
        ({"version": 3.13, "managed": "never"}, "3.13"),
        ({}, "auto"),
        ({"version": None, "managed": None}, "auto"),
    ],
    "requirements": [([], []), ("requirements/prod.txt", ["requirements/prod.txt"])],
    "extras": [([], []), ("images", ["images"]), (["s3", "redis-cache"], ["s3", "redis-cache"])],
    "groups": [(["prod", "dev"], ["prod", "dev"])],
    "install_project": [(True, True)],
    "packages": [
        (["Django>=5.2,<5.3", "psycopg[binary]"], ["Django>=5.2,<5.3", "psycopg[binary]"]),
        ("wagtail", ["wagtail"]),
    ],
    "system_packages": [
        (["libpq5", "libstdc++6", "python3.12-devel"], ["libpq5", "libstdc++6", "python3.12-devel"]),
        (["g++", "libdb5.3++", "gcc-c++"], ["g++", "libdb5.3++", "gcc-c++"]),
        (["libc6:i386", "glibc.i686", "R-core"], ["libc6:i386", "glibc.i686", "R-core"]),
    ],
    "wsgi": [("mysite.wsgi", "mysite.wsgi"), ("a.b.c:app", "a.b.c:app")],
    "settings_module": [("mysite.settings.production", "mysite.settings.production")],
    "manage": [("src/manage.py", "src/manage.py")],
    "settings": [({"A_1": {"b": [1, 2.5, None, True, "c'\"\n"]}}, {"A_1": {"b": [1, 2.5, None, True, "c'\"\n"]}})],
    "env": [
        (
            {"A": "b\nc", "_B": 1, "C": True, "D": 1.5, "E": ""},
            {"A": "b\nc", "_B": "1", "C": "true", "D": "1.5", "E": ""},
        )
    ],
    "files": [
        ({"a.py": "x\n", "b/c.py/": ""}, {"a.py": "x\n", "b/c.py": ""}),
    ],
    "writable": [("uploads", ["uploads"]), (["logs/", "var/uploads"], ["logs", "var/uploads"])],
    "seed.database": [("db.sqlite3", "db.sqlite3")],
    "seed.media": [("site/media/", "site/media")],
    "database": [(f"postgres://shop:{SECRET}@db:5432/shop", f"postgres://shop:{SECRET}@db:5432/shop")],
    "migrate": [(False, False)],
    "build": [
        ([], []),
        (
            [{"run": "npm ci"}, "collectstatic", {"manage": "compress", "timeout": "10m"}],
            [
                {"kind": "run", "words": ["npm", "ci"], "timeout": 1200, "once": False},
                {"kind": "builtin", "words": ["collectstatic"], "timeout": 1200, "once": False},
                {"kind": "manage", "words": ["compress"], "timeout": 600, "once": False},
            ],
        ),
    ],
    "release": [
        (
            ["migrate", {"manage": "createcachetable", "once": True}],
            [
                {"kind": "builtin", "words": ["migrate"], "timeout": 1200, "once": False},
                {"kind": "manage", "words": ["createcachetable"], "timeout": 1200, "once": True},
            ],
        ),
    ],
    "warm_up": [([], []), ("/", ["/"]), (["/", "/a?b=c"], ["/", "/a?b=c"])],
    "superuser": [
        (
            {"email": "a@b", "password": SECRET, "fields": {"full_name": "Ada", "age": 36, "staff": True}},
            {
                "username": "",
                "email": "a@b",
                "password": SECRET,
                "fields": {"full_name": "Ada", "age": 36, "staff": True},
            },
        ),
    ],
    "keep_releases": [(1, 1), ("5", 5)],
    "uwsgi.install": [(one, one) for one in ("pyuwsgi", "uwsgi", "tarball", "distribution")],
    "uwsgi.version": [("2.0.31", "2.0.31"), ("2.0.30.post1", "2.0.30.post1")],
    "uwsgi.chmod_socket": [("0660", "660"), ("666", "666")],
    "uwsgi.processes": [(1, 1), ("4", 4), ("auto", 2)],  # until the host has decided
    "uwsgi.threads": [(1024, 1024)],
    "uwsgi.unit": [
        ({"LimitNOFILE": 4096}, {"LimitNOFILE": ["4096"]}),
        ({"Environment": ["A=1", "B=%i"]}, {"Environment": ["A=1", "B=%i"]}),
        ({"PrivateTmp": True}, {"PrivateTmp": ["true"]}),
    ],
    "nginx.listen": [
        (8080, [{"address": "", "port": 8080}]),
        (["127.0.0.1:81", "[::1]:82"], [{"address": "127.0.0.1", "port": 81}, {"address": "[::1]", "port": 82}]),
        ("80", [{"address": "", "port": 80}]),
    ],
    # Without tls they mean nothing; test_tls_conflicts.py tests them in combination.
    "nginx.listen_tls": [([], [])],
    "nginx.redirect": [(True, True)],
    "nginx.hsts": [("0", 0)],
    "nginx.trusted_proxies": [
        ("10.0.0.0/8", ["10.0.0.0/8"]),
        (["192.0.2.1", "2001:DB8::/32", "::1"], ["192.0.2.1", "2001:db8::/32", "::1"]),
    ],
    "nginx.proxy_protocol": [(False, False)],
    "nginx.media_documents": [("open", "open"), ("sandboxed", "sandboxed")],
    "nginx.charset": [("koi8-r", "koi8-r")],
    "nginx.client_max_body_size": [("1g", "1g"), ("0", "0")],
    "nginx.read_timeout": [(3600, 3600)],
    "nginx.upstream": [("unix:/run/a.sock", ["unix:/run/a.sock"]), (["10.0.0.1:8000"], ["10.0.0.1:8000"])],
    "nginx.options": [
        ({"add_header": 'X "a; b" always'}, {"add_header": ['X "a; b" always']}),
        ({"gzip": True, "deny": ["192.0.2.1", "all"]}, {"gzip": ["on"], "deny": ["192.0.2.1", "all"]}),
        ({"set": "$a ${b}c"}, {"set": ["$a ${b}c"]}),
    ],
    "nginx.locations": [({"= /a": {"return": 204}}, {"= /a": {"return": ["204"]}})],
    "nginx.client_timeout": [("20", 20)],
    "nginx.limit_connections": [(50, 50)],
    "nginx.limit_requests": [
        (
            {"/": "20r/s", "/accounts/login/": "10r/m", "/api.v1": "5r/s burst=0"},
            {
                "/": {"rate": "20r/s", "burst": 40},
                "/accounts/login/": {"rate": "10r/m", "burst": 10},
                "/api.v1": {"rate": "5r/s", "burst": 0},
            },
        ),
    ],
    "nginx.headers": [
        ("recommended", RECOMMENDED),
        (
            {"x-frame-options": None, "Referrer-Policy": "no-referrer", "X-Number": 1},
            {
                **{name: text for name, text in RECOMMENDED.items() if name != "X-Frame-Options"},
                "Referrer-Policy": "no-referrer",
                "X-Number": "1",
            },
        ),
    ],
    "nginx.precompressed": [(True, True)],
    "nginx.hashed_names": [
        ("vite", ["vite"]),
        (["django", "webpack", r"-[0-9a-f]{8}\.(?:js|css)$"], ["django", "webpack", r"-[0-9a-f]{8}\.(?:js|css)$"]),
    ],
    "nginx.protected": [
        (
            {"/a/": "invoices/", "/b/c/": "/srv/files/"},
            {"/a/": "/var/lib/sites/shop/invoices", "/b/c/": "/srv/files"},
        ),
    ],
    "nginx.basic_auth": [({"ada": SECRET, "b@c": 1815}, {"ada": SECRET, "b@c": "1815"})],
    "nginx.error_pages": [({502: "<p>Down", "503": "/srv/busy.html"}, {"502": "<p>Down", "503": "/srv/busy.html"})],
    "tls": [("none", {"kind": "none"}), ("selfsigned", {"kind": "selfsigned"}), (None, {"kind": "none"})],
    "health.path": [("/healthz?deep=1", "/healthz?deep=1"), ("/", "/"), ("", ""), (None, "")],
    "health.status": [(200, [200]), ([200, "301"], [200, 301])],
    "health.timeout": [(600, 600)],
    "health.watch": [(0, 0), (600, 600)],
}


@pytest.mark.parametrize(("key", "given", "wanted"), [(key, *pair) for key, pairs in GOOD.items() for pair in pairs])
def test_valid_value(key, given, wanted):
    section, _dot, inner = key.rpartition(".")
    # A directory of the controller that is read must exist.
    more = {"source": {"git": "x"}} if key == "requirements" else {}
    site = completed(**{section: {inner: given}} if section else {key: given, **more})
    assert (site[section][inner] if section else site[key]) == wanted


# --- invalid values, key by key: (given, the error message after site and key) ---

HOSTS = "expected host names such as shop.example.com, *.example.com or an IP address"
PORT = "expected a port from 1 to 65535, or address:port such as 127.0.0.1:8000 or [::1]:8000"
EXTRAS = [
    ({"client_timeout": "20s"}, ".client_timeout is '20s'; expected a whole number from 0 to 3600"),
    ({"limit_connections": -1}, ".limit_connections is -1; expected a whole number from 0 to 65535"),
    ({"limit_requests": "20r/s"}, ".limit_requests is '20r/s'; expected a mapping of paths to rates such as {/: 20r/s"),
    ({"limit_requests": {"/": 20}}, "expected a rate such as 20r/s, 10r/m or '20r/s burst=50' for '/'"),
    ({"limit_requests": {"/": "0r/s"}}, "expected a rate such as"),
    ({"limit_requests": {"/": "20r/s; x"}}, "expected a rate such as"),
    ({"limit_requests": {"/": "20r/s\n"}}, "expected a rate such as"),
    (
        {"limit_requests": {"login": "20r/s"}},
        "expected paths that begin with /, of letters, digits and ._~- (found 'login')",
    ),
    ({"limit_requests": {'/" x': "20r/s"}}, "expected paths that begin with /"),
    ({"limit_requests": {"/\n": "20r/s"}}, "expected paths that begin with /"),
    ({"headers": "strict"}, ".headers is 'strict'; expected recommended, or a mapping of headers to text"),
    ({"headers": {"X A": "b"}}, "expected names of headers, of letters, digits and - (found 'X A')"),
    ({"headers": {"X\n": "b"}}, "expected names of headers"),
    ({"headers": {"X-A": "a\nSet-Cookie: b"}}, "expected text on one line, without $ and \\, for X-A"),
    ({"headers": {"X-A": "$remote_addr"}}, "without $ and \\, for X-A"),
    ({"headers": {"X-A": "a\\"}}, "without $ and \\, for X-A"),
    ({"headers": {"X-A": ["b"]}}, "without $ and \\, for X-A"),
    ({"headers": {"X-A": " "}}, "without $ and \\, for X-A"),
    (
        {"headers": {"set-cookie": "a=b"}},
        ("expected no set-cookie here; nginx or the application sets it for each answer"),
    ),
    (
        {"headers": {"Strict-Transport-Security": "max-age=1"}},
        "expected no Strict-Transport-Security here; set nginx.hsts",
    ),
    ({"precompressed": "yes"}, ".precompressed is 'yes'; expected true or false"),
    ({"hashed_names": "vit"}, "a regular expression without spaces (found 'vit' in the list); did you mean 'vite'?"),
    ({"hashed_names": ["a b"]}, "expected django, vite, webpack, or a regular expression without spaces (found 'a b'"),
    ({"hashed_names": ["a("]}, "found 'a(': missing ), unterminated subpattern"),
    ({"hashed_names": ["*.js"]}, "nothing to repeat"),
    ({"hashed_names": ["[\\u0041]."]}, "expected a regular expression of plain groups"),
    ({"hashed_names": ["(?<uri>a)."]}, "expected a regular expression of plain groups, classes and repetitions"),
    ({"hashed_names": ["(?P<uri>a)."]}, "expected a regular expression of plain groups"),
    ({"hashed_names": ["a.\n"]}, "expected django, vite, webpack, or a regular expression without spaces"),
    ({"hashed_names": ["a." * 300]}, "a regular expression without spaces"),
    (
        {"protected": ["/a/"]},
        (".protected is ['/a/']; expected a mapping of urls to paths such as {/invoices/: invoices}"),
    ),
    ({"protected": {"/a": "b"}}, "expected a url that begins and ends with / such as /invoices/ (found '/a')"),
    ({"protected": {"/": "b"}}, "expected a url that begins and ends with /"),
    ({"protected": {"/../": "b"}}, "expected a url that begins and ends with /"),
    ({"protected": {"/a/\n": "b"}}, "expected a url that begins and ends with /"),
    ({"protected": {"/a/": "../x"}}, "or one below the site's data, for '/a/' (found '../x')"),
    ({"protected": {"/a/": ""}}, "expected an absolute path, or one below the site's data"),
    ({"protected": {"/a/": "/"}}, "expected an absolute path, or one below the site's data"),
    ({"protected": {"/a/": "b;c"}}, "expected an absolute path, or one below the site's data"),
    ({"protected": {"/media/": "b"}}, "nginx.protected has /media/, which everyone gets as static files or media"),
    (
        {"protected": {"/a/": "media/b"}},
        "nginx.protected /a/ is /var/lib/sites/shop/media/b, which is inside nginx.media",
    ),
    ({"basic_auth": SECRET}, ".basic_auth is not usable; expected a mapping of users to passwords"),
    (
        {"basic_auth": {"a:b": SECRET}},
        ".basic_auth is not usable; expected users of letters, digits and ._@+- (found 'a:...')",
    ),
    ({"basic_auth": {f"ada:{SECRET}": None}}, "expected users of letters, digits and ._@+- (found 'ada:...')"),
    ({"basic_auth": {"ada": [SECRET]}}, "expected text on one line as the password of ada"),
    ({"basic_auth": {"ada": f"{SECRET}\n"}}, "expected text on one line as the password of ada"),
    ({"basic_auth": {"ada": None}}, "expected text on one line as the password of ada"),
    ({"basic_auth": {"ada": ""}}, "expected a password for ada; an empty one would allow everyone"),
    (
        {"error_pages": "x"},
        (".error_pages is 'x'; expected a mapping of 502, 503, 504 to HTML, or to a path on the host"),
    ),
    ({"error_pages": {500: "x"}}, "expected one of 502, 503, 504 (found 500); the application sends the others itself"),
    ({"error_pages": {502: ""}}, "expected HTML, or an absolute path on the host, for 502"),
    ({"error_pages": {502: "a\0"}}, "expected HTML, or an absolute path on the host, for 502"),
    (
        {"error_pages": {502: "pages/down.html"}},
        "for 502; found 'pages/down.html'; for a file beside the inventory: "
        "{{ lookup('ansible.builtin.file', inventory_dir ~ '/pages/down.html') }}",
    ),
    ({"error_pages": {502: "/a b"}}, "expected an absolute path of letters"),
]
PEM = "expected certificates as PEM text, or an absolute path on the host"
PRIVATE = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"


def acme(**given):
    return {"acme": given}


def dns(**given):
    return acme(challenge={"dns": given})


TLS = [
    ("https", "is 'https'; expected none, selfsigned, or a mapping with one of certificate, acme"),
    ("selfsgined", "or a mapping with one of certificate, acme; did you mean 'selfsigned'?"),
    (False, "is False; expected none, selfsigned, or a mapping"),
    ([SECRET], "is not usable; expected none, selfsigned, or a mapping"),
    (PRIVATE, "is not usable; expected none, selfsigned, or a mapping"),
    ({"key": PRIVATE}, "has key; expected none, selfsigned, or exactly one of certificate, acme"),
    ({"certificate": "/a.pem", "acme": {}}, "has certificate and acme; expected none, selfsigned, or exactly one of"),
    ({"acem": {}}, "has acem; expected none, selfsigned, or exactly one of certificate, acme; did you mean 'acme'?"),
    ({"certificate": "/a.pem"}, "tls.key is missing; it is required beside certificate"),
    ({"certificate": None, "key": "/a.key"}, "tls.certificate is missing; it is required beside certificate, key"),
    ({"certificate": "a.pem", "key": "/a.key"}, f"tls.certificate is 'a.pem'; {PEM}"),
    ({"certificate": "/../a", "key": "/a.key"}, PEM),
    (
        {"certificate": PRIVATE, "key": "/a.key"},
        f"tls.certificate is not usable; {PEM}; it contains a private key; move it to key",
    ),
    ({"certificate": "/a.pem", "key": SECRET}, "tls.key is not usable; expected a private key as PEM text"),
    ({"certificate": "/a.pem", "key": {"a": SECRET}}, "tls.key is not usable; expected a private key as PEM text"),
    (
        {"certificate": "/a.pem", "key": 2 * PRIVATE.replace(SECRET, "QUJD")},
        "it contains 2 private keys; set the one of the certificate",
    ),
    *(
        (
            {"certificate": "/a.pem", "key": given},
            f"expected a private key as PEM text without a passphrase, or an absolute path on the host; {fix}",
        )
        for given, fix in [
            (PRIVATE.replace("\n", " "), "its line breaks are missing; write it as a block, with | and not >"),
            (PRIVATE.replace("\n", "\\n"), "its line breaks are missing"),
            (
                PRIVATE.partition("-----END")[0],
                ("its end is missing: -----END PRIVATE KEY-----; copy the complete file again"),
            ),
            (PRIVATE.replace(SECRET, f"{SECRET}!"), "one of its lines is not base64"),
            (PRIVATE.replace("PRIVATE", "OPENSSH PRIVATE"), "it is a key of OpenSSH; write it as PEM: ssh-keygen"),
            (
                PRIVATE.replace("PRIVATE", "PUBLIC"),
                ("it contains a block PUBLIC KEY, which is not a private key; it must begin with"),
            ),
        ]
    ),
    (
        {"certificate": "/a.pem", "key": PRIVATE.replace("BEGIN ", "BEGIN ENCRYPTED ")},
        "remove its passphrase: openssl pkey -in key.pem",
    ),
    ({"certificate": "/a.pem", "key": "/a.key", "chain": "/b"}, "unknown key 'tls.chain'; known are certificate, key"),
    (acme(mail="a@b"), "unknown key 'tls.acme.mail'; did you mean 'email'?"),
    ({"acme": [SECRET]}, "tls.acme is not usable; expected a mapping of email, directory, ca, challenge"),
    (acme(email="a b"), "tls.acme.email is 'a b'; expected an e-mail address"),
    (acme(directory="http://ca.example/dir"), "tls.acme.directory is 'http://ca.example/dir'; expected the https URL"),
    (acme(ca="root.pem", directory="https://ca.example/dir"), f"tls.acme.ca is 'root.pem'; {PEM}"),
    (acme(challenge="tls-alpn"), "tls.acme.challenge is 'tls-alpn'; expected http, or a mapping with one of dns"),
    (acme(challenge="htp"), "or a mapping with one of dns; did you mean 'http'?"),
    (acme(challenge={"http": {}}), "tls.acme.challenge has http; expected http, or exactly one of dns"),
    (acme(challenge={"dns": [SECRET]}), "tls.acme.challenge.dns is not usable; expected a mapping of command, cleanup"),
    (acme(profile="a b"), "tls.acme.profile is 'a b'; expected the name of a profile, such as shortlived"),
    (acme(key_type="ed25519"), "tls.acme.key_type is 'ed25519'; expected one of ecdsa, rsa"),
    (dns(command="a | b"), "tls.acme.challenge.dns.command is not usable; expected a list of words"),
    (dns(command="a", cleanup="b > c"), ".dns.cleanup is not usable; expected a list of words"),
    (dns(command="a", environment={f"A:{SECRET}": None}), "expected names of letters, digits and _ (found 'A:...')"),
    (dns(command="a", environment={"A": [SECRET]}), ".dns.environment is not usable; expected text as the value of A"),
    (dns(plugin="Cloud Flare"), ".dns.plugin is 'Cloud Flare'; expected the name of a plugin"),
    (dns(plugin="rfc2136", credentials={"a": SECRET}), ".dns.credentials is not usable; expected the text of a"),
    (dns(plugin="rfc2136", credentials="a = b\r\n"), ".dns.credentials is not usable; expected the text of a"),
    (dns(plugin="rfc2136", credentials="a = b", wait="5m"), ".dns.wait is '5m'; expected a whole number"),
]
BAD = {
    "name": [
        ("Shop", "is 'Shop'; expected a lowercase letter, then lowercase letters, digits and -, at most 31"),
        ("my shop", "is 'my shop'; expected a lowercase letter"),
        ("shop\n", r"is 'shop\n'; expected a lowercase letter"),
        ("shop;", "is 'shop;'; expected a lowercase letter"),
        ("shop{", "is 'shop{'; expected a lowercase letter"),
        ("shop%i", "is 'shop%i'; expected a lowercase letter"),
        ("shop'", 'is "shop\'"; expected a lowercase letter'),
        ('shop"', "is 'shop\"'; expected a lowercase letter"),
        ("../shop", "is '../shop'; expected a lowercase letter"),
        ("a" * 32, "at most 31"),
        (7, "is 7; expected a lowercase letter"),
        ("shop-probe", "expected a name that does not end in -probe"),
    ],
    "domains": [
        *[
            ([f"shop{bad}example.com"], HOSTS)
            for bad in (" ", "\n", ";", "{", "}", "%", "'", '"', "$", "#", "\\", "/", "\0", "\t")
        ],
        (["shop.example.com\n"], HOSTS),
        (["fe80::1%eth0"], HOSTS),
        (["::1%; return 200; #"], HOSTS),
        ([".example.com"], HOSTS),
        (["a..b"], HOSTS),
        (["-a.example.com"], HOSTS),
        (["a" * 64 + ".com"], HOSTS),
        (["https://shop.example.com"], HOSTS),
        (["shop.example.com:80"], HOSTS),
        (["bücher.example"], "write it as xn--bcher-kva.example"),
        ([], "is []; expected a list of at least 1"),
        ([None], f"is [None]; {HOSTS} (found None in the list)"),
        ({"a": 1}, "is not usable; expected a list"),
    ],
    "canonical": [
        ("a b", f"is 'a b'; {HOSTS}"),
        (["shop.example.com"], HOSTS),
        ("www.example.com", "is 'www.example.com'; expected one of domains (shop.example.com); add it to them"),
    ],
    "state": [
        ("abset", ("is 'abset'; expected one of present, absent; did you mean 'absent'?")),
        (True, "expected one of"),
    ],
    "prefix": [
        ("shop", "is 'shop'; expected a path such as /shop, of letters, digits and ._~-, without a / at the end"),
        ("/", "expected a path such as /shop"),
        ("/shop/", "expected a path such as /shop"),
        ("/a//b", "expected a path such as /shop"),
        ("/a/../b", "expected a path such as /shop"),
        ("/.git", "expected a path such as /shop"),
        ("/a b", "expected a path such as /shop"),
        ("/a;", "expected a path such as /shop"),
        ("/a{", "expected a path such as /shop"),
        ("/a$b", "expected a path such as /shop"),
        ("/a%20b", "expected a path such as /shop"),
        ("/shop\n", "expected a path such as /shop"),
        ("/a'", "expected a path such as /shop"),
    ],
    "purge": [("yes", "is 'yes'; expected true or false"), (1, "is 1; expected true or false")],
    "user": [("a b", "is 'a b'; expected an account name"), ("Root", "expected an account name")],
    "user_shared": [("perhaps", "is 'perhaps'; expected true or false")],
    "python": [
        ("2.7", "is '2.7'; expected auto, a version such as '3.12', or the absolute path of an interpreter"),
        (3.1, "of version and managed; quote it: YAML reads 3.10 as the number 3.1"),
        ({"managed": "sometimes"}, "is not usable; expected one of never, fallback, always as managed"),
        ({"managed": True}, "expected one of never, fallback, always as managed"),
        ({"version": "3.13", "mode": 1}, "expected a mapping of version and managed; found 'mode'"),
        ({"version": "4", "managed": "always"}, "or the absolute path of an interpreter, as version"),
        ({"version": "3.13.2", "managed": "fallback"}, "as version; a patch release requires managed: always"),
        ({"manged": "always"}, "found 'manged'; did you mean 'managed'?"),
        ({"version": "/opt/python", "managed": "always"}, "expected no path as version beside managed"),
        ("3.12.1", "expected auto"),
        (3, "expected auto"),
        ("/opt/a b", "expected auto"),
    ],
    "virtualenv": [("venv", "expected none, or an absolute path"), ("/srv/../etc", "without '..'")],
    "extras": [
        ("a b", "expected names such as production (found 'a b' in the list)"),
        (["-e"], "(found '-e' in the list)"),
    ],
    "groups": [({}, "expected a list"), (["x;y"], "names such as production")],
    "install_project": [("yes", "is 'yes'; expected true or false")],
    "requirements": [
        ("/etc/passwd", "expected a path relative to the source"),
        ("../a.txt", "without '..'"),
        (["a b.txt"], "(found 'a b.txt' in the list)"),
    ],
    "packages": [
        (["Django>5,<"], "is ['Django>5,<']; expected requirements such as 'Django>=5.2,<5.3' or 'psycopg[binary]'"),
        (["-r other.txt"], "expected requirements"),
        (["--index-url=x"], "expected requirements"),
        (["a\nb"], "expected text on one line"),
        ([f"a @ https://u:{SECRET}@h/a.whl"], "expected no password in a URL"),
    ],
    "system_packages": [
        (["-y"], "expected names of packages such as libmagic1, g++ or libc6:i386"),
        (["a b"], "expected names of packages"),
        # Commands of apt: remove, install; a version, an origin, a task, a pattern. Of dnf: a group, a file.
        (["curl-"], "a name alone, without a version: apt and dnf treat other characters as commands"),
        (["g++-"], "expected names of packages"),
        (["curl:amd64-"], "expected names of packages"),
        (["curl+"], "expected names of packages"),
        (["curl=7.88"], "expected names of packages"),
        (["curl/sid"], "expected names of packages"),
        (["mail-server^"], "expected names of packages"),
        (["cur*"], "expected names of packages"),
        (["cur?"], "expected names of packages"),
        (["[c]url"], "expected names of packages"),
        (["@development"], "expected names of packages"),
        (["/srv/a.rpm"], "expected names of packages"),
        (["https://h/a.rpm"], "expected names of packages"),
        (["--remove"], "expected names of packages"),
        (["curl\n"], "expected names of packages"),
    ],
    "wsgi": [
        ("mysite/wsgi.py", "is 'mysite/wsgi.py'; expected module:callable, such as mysite.wsgi:application"),
        ("mysite..wsgi", "expected module:callable"),
        ("mysite.", "expected module:callable"),
        ("a:b:c", "expected module:callable"),
        ("a\nb", "expected module:callable"),
    ],
    "settings_module": [("mysite/settings.py", "expected a dotted module name"), ("a; import os", "expected a dotted")],
    "manage": [("/manage.py", "expected a path relative to the source")],
    "settings": [
        ({"debug": True}, "is not usable; expected names in capitals (found 'debug')"),
        (
            {"A": object},
            "settings.A is of the type type; expected text, numbers, true, false, lists and mappings",
        ),
        ({"A": float("inf")}, "expected text, numbers"),
        ({"A": [float("nan")]}, "expected text, numbers"),
        ({"SECRET_KEY": SECRET}, "expected no SECRET_KEY here"),
        (["A"], "is ['A']; expected a mapping of Django settings"),
    ],
    "env": [
        ({"A B": "c"}, "is not usable; expected names of letters, digits and _ (found 'A B')"),
        ({"A": [SECRET]}, "is not usable; expected text as the value of A"),
        ({"A": f"{SECRET}\0"}, "expected text as the value of A"),
        ({"UWSGI_PROCESSES": SECRET}, "expected no UWSGI_PROCESSES: uWSGI reads UWSGI_* as options; use uwsgi.options"),
        (SECRET, "is not usable; expected a mapping of variables to text"),
    ],
    "env_file": [
        ("nowhere.env", "expected a file on the controller; there is none"),
        ("a\nb", "expected text on one line"),
        (["a"], "is ['a']; expected text on one line"),
    ],
    "files": [
        (SECRET, "is not usable; expected a mapping of paths in the source to the texts of files"),
        ({"/etc/passwd": SECRET}, "expected a path relative to the source"),
        ({"../a": SECRET}, "without '..' (found '../a')"),
        ({"a/./b": SECRET}, "(found 'a/./b')"),
        ({"": SECRET}, "(found '')"),
        (
            {"a": f"{SECRET}\0"},
            "expected text as the file a; for a file beside the inventory: "
            "\"{{ lookup('file', inventory_dir ~ '/PATH') }}\"",
        ),
        ({"a": [SECRET]}, "expected text as the file a"),
        (
            {"a": SECRET, "a/b": SECRET},
            ("files has a/b, and files has a; expected paths that are not inside one another"),
        ),
    ],
    "writable": [
        (["/srv"], "expected a path relative to the source"),
        (["."], "(found '.' in the list)"),
        (["a//b"], "(found 'a//b' in the list)"),
        (["logs", "logs/old"], "writable has logs/old, and writable has logs; expected paths that are not inside"),
        (["logs", "logs"], "writable has logs, and writable has logs"),
    ],
    "seed": [
        ("db.sqlite3", "is 'db.sqlite3'; expected a mapping of database, media"),
        ({"database": "/db.sqlite3"}, ".database is '/db.sqlite3'; expected a path relative to the source"),
        ({"media": "../media"}, ".media is '../media'; expected a path relative to the source"),
        ({"databse": "a"}, "unknown key 'seed.databse'; did you mean 'database'?"),
    ],
    "database": [
        (f"{SECRET}", "is not usable; expected a URL such as postgres://user:password@host:5432/name"),
        (f"postgres://shop:{SECRET} @db/shop", "is not usable; expected a URL"),
    ],
    "migrate": [("no", "expected true or false")],
    "build": [
        ("npm ci", "is 'npm ci'; expected a list of steps: collectstatic, {run: COMMAND} or {manage: COMMAND}"),
        (["migrate"], "found 'migrate'; a management command is {manage: migrate}"),
        ([{"run": "npm ci && npm run build"}], "&& would need a shell: write two steps"),
        (
            [{"manage": "compress", "once": True}],
            "expected steps with the keys run, manage, timeout (found in step 1); found 'once'",
        ),
    ],
    "release": [
        (["collectstatic"], "found 'collectstatic'; a management command is {manage: collectstatic}"),
        (["migrate", "migrate"], "expected migrate at most once"),
    ],
    "superuser": [
        (SECRET, "is not usable; expected a mapping of username, email, fields, password"),
        ({"password": SECRET}, "superuser has neither username nor email; set the one that users log in with"),
        (
            {"username": "a", "password": SECRET, "fields": {"Full Name": "x"}},
            "expected names of fields such as full_name (found 'Full Name')",
        ),
        (
            {"username": "a", "password": SECRET, "fields": {"born": datetime.date(1815, 12, 10)}},
            "true or false for born; quote a date",
        ),
        (
            {"username": "a", "password": SECRET, "fields": {"a": [SECRET]}},
            "expected text on one line, a number, true or false for a",
        ),
        (
            {"username": "a", "password": SECRET, "fields": {"a": f"{SECRET}\n"}},
            "expected text on one line, a number, true or false for a",
        ),
        (
            {"username": "a", "password": SECRET, "fields": {"password": SECRET}},
            "expected no password here; set superuser.password",
        ),
        (
            {"username": "a", "password": SECRET, "fields": "x"},
            ".fields is 'x'; expected a mapping of the user model's fields",
        ),
        ({"username": "admin"}, ".password is missing; it is required beside username"),
        ({"username": "admin", "password": None}, ".password is missing"),
        ({"username": "a b", "password": SECRET}, ".username is 'a b'; expected a user name"),
        ({"username": "a", "email": "b", "password": SECRET}, ".email is 'b'; expected an e-mail address"),
        ({"username": "a", "password": f"{SECRET}\n"}, ".password is not usable; expected text on one line"),
    ],
    "uwsgi": [
        ("fast", "is 'fast'; expected a mapping of install, version"),
        (
            {"install": "pyuwsg"},
            ".install is 'pyuwsg'; expected one of pyuwsgi, uwsgi, tarball, distribution; did you mean",
        ),
        ({"version": 2.0}, ".version is 2.0; expected a version such as '2.0.31'; quote it"),
        ({"tarball": "uwsgi.tgz"}, ".tarball is 'uwsgi.tgz'; expected a URL, or an absolute path on the host"),
        ({"install": "tarball", "tarball": f"https://u:{SECRET}@h/u.tgz"}, "expected no password in a URL"),
        ({"checksum": "md5:1"}, ".checksum is 'md5:1'; expected sha256: and 64 hexadecimal digits"),
        ({"processes": 0}, ".processes is 0; expected auto, or a whole number from 1 to 1024"),
        ({"processes": "ten"}, ".processes is 'ten'; expected auto, or a whole number from 1 to 1024"),
        ({"processes": True}, ".processes is True; expected auto, or a whole number"),
        ({"processes": 1.5}, ".processes is 1.5; expected auto, or a whole number"),
        ({"threads": -1}, ".threads is -1; expected a whole number"),
        ({"socket": 70000}, ".socket is 70000; expected unix, a port from 1 to 65535, or address:port"),
        ({"socket": 0}, ".socket is 0; expected unix, a port from 1 to 65535"),
        (
            {"socket": "0.0.0.0:8000"},
            ".socket is '0.0.0.0:8000'; expected unix, or an address of this host alone such as 127.0.0.1:8000 (found "
            "'0.0.0.0:8000' in the list); clients can bypass nginx at 0.0.0.0:8000; if this is intended, write "
            "{address: '0.0.0.0:8000', public: true}",
        ),
        ({"socket": [8000, "[2001:db8::1]:8001"]}, "write {address: '[2001:db8::1]:8001', public: true}"),
        ({"socket": "[::]:8000"}, "clients can bypass nginx at [::]:8000"),
        ({"socket": {"address": "192.0.2.1:8000"}}, "clients can bypass nginx at 192.0.2.1:8000"),
        ({"socket": {"address": "0.0.0.0:8000", "public": False}}, "clients can bypass nginx at 0.0.0.0:8000"),
        ({"socket": {"address": "0.0.0.0:8000", "public": "yes"}}, "expected true or false"),
        ({"socket": {"address": "0.0.0.0:80", "public": True}}, "expected a port from 1024"),
        ({"socket": {"adress": "0.0.0.0:8000"}}, "expected {address: '0.0.0.0:8000', public: true}, or the address"),
        ({"socket": {"public": True}}, "expected unix, a port from 1 to 65535"),
        ({"socket": [["127.0.0.1:8000"]]}, "expected unix, a port from 1 to 65535"),
        ({"socket": 80}, ".socket is 80; expected a port from 1024: uWSGI does not run as root"),
        ({"socket": "unix:/tmp/a.sock"}, "expected unix, a port"),
        ({"socket": ["[::1%;]:8000"]}, "expected unix, a port"),
        ({"socket": []}, "expected a list of at least 1"),
        ({"socket": ["unix", 8000]}, "uwsgi.socket mixes unix with addresses"),
        ({"socket": [8000, "127.0.0.1:8000"]}, "uwsgi.socket has port 8000 twice; each address needs its own port"),
        (
            {"chmod_socket": 660},
            ".chmod_socket is 660; expected a mode in quotes, such as '0660'; YAML reads a bare 0660",
        ),
        ({"chmod_socket": "rw"}, ".chmod_socket is 'rw'; expected a mode such as '0660'"),
        ({"options": {"processes": 4}}, "expected no processes here; set uwsgi.processes"),
        (
            {"options": {"die_on_term": True}},
            "expected no die-on-term here; set nothing: it would drop running requests",
        ),
        ({"options": {"a": "b\nc"}}, "expected one line without '$(' and '@(' for a; uWSGI would expand it"),
        ({"options": {"a": "$(HOME)"}}, "expected one line without '$('"),
        ({"options": {"a": "@(/etc/shadow)"}}, "expected one line without '$('"),
        ({"options": {"a": " b"}}, "expected one line"),
        ({"options": {"a": {"b": 1}}}, "expected text, a number or true/false for a"),
        ({"options": {"a": [None]}}, "expected text, a number or true/false for a"),
        ({"options": {"a\n[b]": 1}}, "expected option names of lowercase letters"),
        ({"options": {"harakiri": 60}}, "uwsgi.options.harakiri is 60; expected less than nginx.read_timeout (60)"),
        ({"options": {"harakiri": "60"}}, "uwsgi.options.harakiri is 60; expected less than nginx.read_timeout (60)"),
        ({"unit": {"ExecStart": "/bin/sh"}}, "expected no ExecStart here: the collection sets it"),
        ({"unit": {"limit": 1}}, "expected systemd's names, such as LimitNOFILE (found 'limit')"),
        ({"unit": {"LimitNOFILE": "1\nUser=root"}}, "expected text on one line for LimitNOFILE"),
        ({"unit": {"Environment": "A=1\\"}}, "expected text on one line for Environment"),
        ({"unit": {"LimitNOFILE": None}}, "expected text on one line for LimitNOFILE"),
        ({"version": "2.0.31", "install": "distribution"}, "uwsgi.version is '2.0.31'; the distribution determines it"),
        ({"tarball": "/u.tgz"}, "uwsgi.tarball can only be used with install: tarball; install is 'pyuwsgi'"),
        (
            {"install": "tarball", "checksum": "sha256:" + "0" * 64},
            ("uwsgi.checksum can only be used with uwsgi.tarball"),
        ),
    ],
    "nginx": [
        ({"listen": "http"}, f".listen is 'http'; {PORT}"),
        ({"listen": 65536}, PORT),
        ({"listen": "[::1%}]:80"}, PORT),
        ({"listen_tls": "https"}, f".listen_tls is 'https'; {PORT}"),
        ({"listen_tls": 443}, "nginx.listen_tls is given; it requires tls, which is none; set tls, or remove it"),
        ({"redirect": "yes"}, ".redirect is 'yes'; expected true or false"),
        ({"redirect": False}, "nginx.redirect is given; it requires tls, which is none"),
        ({"hsts": -1}, ".hsts is -1; expected a whole number from 0 to 315360000"),
        ({"hsts": 604800}, "nginx.hsts is given; it requires tls, which is none"),
        ({"trusted_proxies": "all"}, ".trusted_proxies is 'all'; expected addresses or networks such as"),
        ({"trusted_proxies": ["10.1.2.3/8"]}, "(found '10.1.2.3/8' in the list); write it as 10.0.0.0/8"),
        ({"trusted_proxies": ["fe80::1%eth0"]}, "expected addresses or networks such as 10.0.0.0/8 or 2001:db8::/32"),
        ({"trusted_proxies": ["10.0.0.1; }"]}, "expected addresses or networks"),
        ({"trusted_proxies": [8]}, "expected addresses or networks"),
        ({"proxy_protocol": 1}, ".proxy_protocol is 1; expected true or false"),
        ({"proxy_protocol": True}, "nginx.proxy_protocol is true; expected nginx.trusted_proxies too"),
        ({"media_documents": "raw"}, ".media_documents is 'raw'; expected one of sandboxed, open"),
        ({"charset": "utf 8"}, ".charset is 'utf 8'; expected a charset such as utf-8"),
        ({"client_max_body_size": "75 MB"}, ".client_max_body_size is '75 MB'; expected a size such as 75m"),
        ({"read_timeout": 0}, ".read_timeout is 0; expected a whole number from 1 to 86400"),
        ({"static": "static"}, ".static is 'static'; expected an absolute path"),
        ({"media": {"url": "/media", "path": "/srv/m"}}, "expected a url that begins and ends with / such as /media/"),
        ({"media": {"url": "/a/../b/"}}, "expected a url that begins and ends with /"),
        ({"media": {"dir": "/srv"}}, "expected true, false, a path on the host, or {url, path}"),
        ({"media": {"url": "/static/"}}, "nginx.media and nginx.static have the same url /static/"),
        ({"media": "/opt/sites/shop/media"}, "nginx.media /opt/sites/shop/media is inside root /opt/sites/shop"),
        ({"upstream": 8000}, "expected 'unix:/path/to.sock' or 'address:port'"),
        ({"upstream": "unix:/a b"}, "expected an absolute path"),
        ({"options": {"return": "200; }"}}, "expected arguments without ; { } # outside of quotes"),
        ({"options": {"return": "200 'a"}}, "quotes in pairs for return"),
        ({"options": {"return": "a\\"}}, "for return"),
        ({"options": {"return": "a\nb"}}, "expected text on one line for return"),
        ({"options": {"return": None}}, "expected text on one line for return"),
        ({"options": {"bad name": 1}}, "expected nginx's directive names (found 'bad name')"),
        ({"locations": {"/a {": {}}}, "expected arguments without ; { } #"),
        ({"locations": {" ": {}}}, "expected the path of every location"),
        ({"locations": ["/a"]}, "expected a mapping of locations to their directives"),
        *EXTRAS,
    ],
    "tls": TLS,
    "health": [
        ({"path": "healthz"}, ".path is 'healthz'; expected a path such as /healthz"),
        ({"path": "/a b"}, "expected a path such as /healthz"),
        ({"watch": -1}, ".watch is -1; expected a whole number from 0 to 600"),
        ({"status": [99]}, "expected a whole number from 100 to 599 (found 99 in the list)"),
        ({"timeout": 601}, ".timeout is 601; expected a whole number from 1 to 600"),
    ],
    "workers": [
        (["celery"], "is ['celery']; expected a mapping of names to mappings of run, manage, processes, stop_timeout"),
        (
            {"Celery": {"run": "x"}},
            "has the name 'Celery'; expected a lowercase letter, then lowercase letters, digits and -",
        ),
        ({"a.b": {"run": "x"}}, "has the name 'a.b'; expected a lowercase letter"),
        ({1: {"run": "x"}}, "has the name 1; expected a lowercase letter"),
        ({"a": "celery"}, "workers.a is 'celery'; expected a mapping of run, manage"),
        ({"a": None}, "workers.a has neither run nor manage; expected exactly one of run, manage"),
        ({"a": {"run": "x", "manage": "y"}}, "workers.a has run and manage; expected exactly one of run, manage"),
        ({"a": {"run": "x | y"}}, "workers.a.run is 'x | y'; expected a list of words"),
        ({"a": {"run": ["$X/y"]}}, "workers.a.run begins with a word that has a $ in it"),
        ({"a": {"command": "x"}}, "unknown key 'workers.a.command'; known are hosts, manage, processes"),
        ({"a": {"run": "x", "processes": 65}}, "workers.a.processes is 65; expected a whole number from 1 to 64"),
        (
            {"a": {"run": "x", "stop_timeout": "5 m"}},
            "workers.a.stop_timeout is '5 m'; expected seconds, or text such as",
        ),
        ({"a": {"run": "x", "singleton": 1}}, "workers.a.singleton is 1; expected true or false"),
        (
            {"a": {"run": "x", "singleton": True, "processes": 2}},
            "workers.a.processes is 2; a singleton is one process; remove one of them",
        ),
        ({"a": {"run": "x", "singleton": True, "hosts": "all"}}, "a singleton runs on the first host only"),
        ({"a": {"run": "x", "hosts": "web1"}}, "workers.a.hosts is 'web1'; expected one of all, first"),
        ({"a": {"run": "x", "unit": {"ExecStart": "y"}}}, "expected no ExecStart here: the collection sets it"),
        ({"a": {"run": "x", "unit": {"TimeoutStopSec": 9}}}, "unit.TimeoutStopSec is given; set stop_timeout instead"),
    ],
    "timers": [
        ({"a": {"manage": "x"}}, 'timers.a.at is missing; it is required: add for example `at: "03:30"`'),
        ({"a": {"manage": "x", "at": []}}, "timers.a.at is missing"),
        ({"a": {"manage": "x", "at": 750}}, "quote it: YAML reads 12:30 as the number 750"),
        ({"a": {"manage": "x", "at": "dayly"}}, "such as '03:30', 'Mon *-*-* 07:00' or hourly (found 'dayly' in the"),
        ({"a": {"at": "daily"}}, "timers.a has neither run nor manage"),
        ({"a": {"run": "x > y", "at": "daily"}}, "timers.a.run is 'x > y'; expected a list of words"),
        ({"a": {"manage": "x", "at": "daily", "jitter": -1}}, "timers.a.jitter is -1; expected seconds"),
        ({"a": {"manage": "x", "at": "daily", "timeout": 0}}, "timers.a.timeout is 0; expected seconds"),
        ({"a": {"manage": "x", "at": "daily", "hosts": "one"}}, "timers.a.hosts is 'one'; expected one of all, first"),
        (
            {"a": {"manage": "x", "at": "daily", "unit": {"User": "root"}}},
            ("expected no User here: the collection sets it"),
        ),
        ({"a": {"manage": "x", "at": "daily", "unit": {"TimeoutStartSec": 9}}}, "is given; set timeout instead"),
    ],
    "warm_up": [
        ({}, "warm_up is not usable; expected a list"),
        (["/", "shop"], "expected a path such as /healthz (found 'shop' in the list)"),
        (["/\n"], "expected a path such as /healthz"),
    ],
    "keep_releases": [(0, "is 0; expected a whole number from 1 to 100")],
    "source": [
        ("mysite", "is 'mysite'; expected a mapping with one of git, archive, directory, path, startproject"),
        ({"git": "x", "archive": "y"}, "has git and archive; expected exactly one of git, archive, directory, path"),
        ({"version": "main"}, "has version; expected exactly one of git, archive, directory, path, startproject"),
        (
            {"gti": "x"},
            "has gti; expected exactly one of git, archive, directory, path, startproject; did you mean 'git'?",
        ),
        ({"git": None}, ".git is missing"),
        ({"git": "--upload-pack=x"}, ".git is '--upload-pack=x'; expected the URL or path of a repository"),
        ({"git": f"https://u:{SECRET}@h/a b"}, ".git is 'https://********@h/a b'; expected the URL"),
        ({"git": "x", "version": "-b"}, ".version is '-b'; expected a branch, tag or commit; quote a number"),
        ({"git": "x", "version": 1.0}, ".version is 1.0; expected a branch, tag or commit; quote a number"),
        ({"git": "x", "key": SECRET}, ".key is not usable; expected the text of a private key"),
        ({"git": "x", "branch": "main"}, "unknown key 'source.branch'; known are git, key, known_hosts, version"),
        ({"directory": "nowhere"}, "expected a directory on the controller; there is none"),
        ({"archive": "nowhere.tgz"}, "expected a URL or a file on the controller; there is none"),
        ({"archive": f"https://u:{SECRET}@h/a.tgz"}, "expected no password in a URL"),
        ({"archive": f"https://u:{SECRET}/x@h/a.tgz"}, "expected no password in a URL"),
        ({"git": f"https://h/a.git?token={SECRET}"}, "expected a URL without ? and #; put a token before the host"),
        ({"git": f"ssh://git:{SECRET}@h/a.git"}, "expected no password in a URL of ssh; ssh accepts none"),
        ({"git": "x", "known_hosts": "h ssh-rsa"}, "expected lines as ssh-keyscan prints them"),
        ({"git": "x", "known_hosts": ["# nothing"]}, "expected lines as ssh-keyscan prints them"),
        ({"git": "x", "known_hosts": ["h ssh-rsa AAAA\nx"]}, "expected lines as ssh-keyscan prints them"),
        (
            {"archive": "https://h/a.tgz", "checksum": "1"},
            (".checksum is '1'; expected sha256: and 64 hexadecimal digits"),
        ),
        ({"path": "srv/shop"}, ".path is 'srv/shop'; expected an absolute path"),
        ({"startproject": "my-site"}, ".startproject is 'my-site'; expected a Python identifier such as mysite"),
    ],
}


@pytest.mark.parametrize(
    ("key", "given", "words"),
    [pytest.param(key, *pair, id=f"{key}-{number}") for key, pairs in BAD.items() for number, pair in enumerate(pairs)],
)
def test_invalid_value(key, given, words):
    one = fault(**{key: given})
    assert words in one
    assert key in one
    assert ("'shop'" in one) or key == "name"
    assert SECRET not in one


def tls_keys(key):
    """Return the names of all keys in a section, at any depth."""
    tables = [key.keys or {}, *(key.kinds or {}).values()]
    found = {name for table in tables for name in table}
    return found.union(*(tls_keys(inner) for table in tables for inner in table.values()))


def words_of(given):
    """Return the names of all keys in a value, at any depth."""
    inner = list(given.values()) if isinstance(given, dict) else []
    return set(given if isinstance(given, dict) else ()).union(*(words_of(value) for value in inner))


def test_every_key_of_the_model_is_in_the_tables():
    inner = {"uwsgi": keys.UWSGI_KEYS, "nginx": keys.NGINX_KEYS, "health": keys.HEALTH_KEYS, "seed": keys.SEED_KEYS}
    bad = set(BAD)
    assert tls_keys(keys.SITE_KEYS["tls"]) <= {word for given, _words in TLS for word in words_of(given)}
    for section, table in inner.items():
        bad |= {f"{section}.{key}" for given, _words in BAD[section] if isinstance(given, dict) for key in given}
        assert bad >= {f"{section}.{key}" for key in table}
    for section, table in {"workers": keys.WORKER_KEYS, "timers": keys.TIMER_KEYS}.items():
        rows = [row for given, _words in BAD[section] if isinstance(given, dict) for row in given.values()]
        assert {key for row in rows if isinstance(row, dict) for key in row} >= set(table)
    assert set(BAD) == set(keys.SITE_KEYS)


def test_an_unknown_key_suggests_the_nearest_one():
    one = fault(domain="shop.example.com")
    assert one == "web_sites[0] 'shop': unknown key 'domain'; did you mean 'domains'?"
    assert "unknown key 'uwsgi.proceses'; did you mean 'processes'?" in fault(uwsgi={"proceses": 2})
    assert "unknown key 'zzz'; known are build, canonical, database, domains, env" in fault(zzz=1)


def test_a_missing_required_key_is_reported_with_an_example():
    assert faults({}) == [
        "web_sites[0]: has no name; it is required; add for example `name: shop`",
        "web_sites[0]: has no domains; it is required; add for example `domains: [shop.example.com]`",
    ]
    assert faults({"name": None, "domains": None}) == faults({})


def test_a_kind_is_only_suggested_for_an_unknown_word():
    known = "expected exactly one of git, archive, directory, path, startproject"
    assert fault(source={"version": "main"}).endswith(f"source has version; {known}")
    assert fault(source={"git": "x", "path": "/y", "pat": 1}).endswith(f"source has git and path; {known}")
    assert fault(source={"version": "x", "pth": 1}).endswith(f"has version and pth; {known}; did you mean 'path'?")
