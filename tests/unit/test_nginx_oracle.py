"""dump.py and crossplane parse the same (NGINX's own parser; here ngxparse, the fork that gixy-ng requires)."""

from __future__ import annotations

import re

import crossplane
import oracles
import pytest
import test_gixy
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump
from nginx_example import DUMP

SNIPPETS = {
    "quotes": 'map $a "b c" { default \'it\\\'s\'; "" "x\\"y"; }\n',
    "braces": "set $a ${b}c;\n",
    "quoted braces": 'location ~ "^/[a-z]{2,3}/(?<id>\\d+)$" { return 204; }\n',
    "comments": "a b; # c;\n# d { e }\nf g#h;\n",
    "lines": "log_format main\n  'a'\n  \"b\";\nuwsgi_param\n  A\n  b;\n",
    "semicolons": "add_header A \"b; c='d'\" always;\n",
    "nested": "http { server { location / { if ($a = b) { return 1; } } } }\n",
    "empty": "events { }\nhttp { server { } }\n",
    "glued": "http{server{listen 80;server_name a b;}}\n",
    "map": 'map $uri $new { default ""; "~^/a{2}/(.*)$" "/b/$1"; ~*\\.php$ 1; hostnames; include maps/*.map; }\n',
    "variables": 'set $a ${b}; set $b $a${c}d; set $c "${a}-{$b}"; return 301 https://${host}$request_uri;\n',
    "variable then block": "if (${a}) { return 204; }\nlocation /${a { return 1; }\n",
    "escapes": "a \\;b; c d\\ e; f \\{g\\}; h \\\"i; j 'k\\\\'; l \\\\m; n 'o\\t\\np';\n",
    "quote inside a word": "a b\"c; d e'f'g; h i\\'j;\n",
    "block after a quoted word": "location \"/a b\" { }\nlocation = '/c' { }\nmap $a $b { 'x' 'y'; }\n",
    "hash inside": "a b#c; d \"#e\"; f '# g'; h #i;\n j;\n",
    "comment after a brace": "http { # a ; { }\n  server { # '\n    listen 80; # \"\n  } # end\n}\n",
    "includes": "include a.conf;\ninclude \"b c/*.conf\";\ninclude 'd.conf';\nhttp { include mime.types; }\n",
    "split_clients": 'split_clients "${remote_addr}AAA" $variant { 0.5% .one; 2.0% .two; * ""; }\n',
    "geo": 'geo $limited { default 1; 10.0.0.0/8 0; ::1 0; 192.168.1.0/24 ""; }\n',
    "if": 'if ($http_user_agent ~* "bot|crawl{2}") { return 403; }\nif (!-f $request_filename) { break; }\n',
    "types": "types { text/html html htm; application/x-x 'x y'; }\n",
    "windows lines": "a b;\r\nc {\r\n  d 'e';\r\n}\r\n",
    "tabs": "a\tb\t;\n\tc\t{\td;\t}\n",
    "beyond ascii": 'server_name m\u00fcnchen.example \u2026; # \u00e9\nadd_header X "\u20ac; \u00df";\n',
    "long word": "add_header Content-Security-Policy \"default-src 'self'; script-src https://a.b; style-src *\";\n",
    "log format": 'log_format json escape=json \'{"a":"$a",\'\n  \'"b":{"c":$c}}\';\n',
    "empty words": "a ''; b \"\" ''; c { }\n",
    "lua": 'content_by_lua "ngx.say(\\"a;{b}\\") -- c";\nlua_package_path "/a/?.lua;;";\n',
    "regex": "server { server_name ~^(?<sub>.+)\\.example\\.com$ *.a.de; rewrite ^/(.*)\\.php$ /$1 last; }\n",
}


def ours(directives):
    return [
        (
            found.name,
            _joined(found.args) if found.name == "if" else found.args,
            found.line,
            None if found.block is None else ours(found.block),
        )
        for found in directives
    ]


def theirs(parsed):
    found = []
    for one in parsed:
        if one["directive"] == "#":
            continue
        # crossplane removes the parentheses of `if`.
        args = one["args"]
        if one["directive"] == "if" and args:
            args = [f"({args[0]}", *args[1:]]
            args[-1] += ")"
        inside = theirs(one["block"]) if "block" in one else None
        found.append((*_unescaped([one["directive"]]), _unescaped(args), one["line"], inside))
    return found


def _unescaped(words):
    """nginx removes a backslash before these characters; crossplane keeps most of them."""
    control = {"t": "\t", "r": "\r", "n": "\n"}
    return [re.sub(r"\\([\"'\\trn])", lambda found: control.get(found[1], found[1]), word) for word in words]


def _joined(args):
    """For nginx, the `)` of an `if` after a quoted word is a separate word; crossplane always removes it."""
    return [*args[:-2], f"{args[-2]})"] if args[-1] == ")" else args


def same(text, tmp_path):
    path = tmp_path / "nginx.conf"
    path.write_text(text, encoding="utf-8")
    payload = crossplane.parse(str(path), single=True, strict=False, check_ctx=False, check_args=False)
    [config] = payload["config"]
    assert config["errors"] == []
    mine = dump._parse_file(str(path), text)
    assert ours(mine) == theirs(config["parsed"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # ngx_conf_read_token ends a word only at a space, a `;` or a `{`; crossplane also ends it at a `}`.
        ("set $a b}c;", ["$a", "b}c"]),
        ("set $a ${b}}c;", ["$a", "${b}}c"]),
        (r"set $a b\tc\qd;", ["$a", "b\tc\\qd"]),
        (r"""set $a \"b\';""", ["$a", "\"b'"]),
    ],
)
def test_where_nginx_differs_from_crossplane_dump_parses_as_nginx(text, words):
    [found] = dump._parse_file("nginx.conf", text)
    assert found.args == words
    assert oracles.nginx(text) == [[["set", *words], None]]


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_is_parsed_as_by_crossplane(name, tmp_path):
    same(SNIPPETS[name], tmp_path)


@pytest.mark.parametrize("name", test_gixy.SCENARIOS)
def test_every_file_of_a_scenario_is_parsed_as_by_crossplane(name, tmp_path):
    for text in test_gixy.parts(test_gixy.configuration(name)).values():
        same(text, tmp_path)


def test_existing_files_of_an_administrator_are_parsed_as_by_crossplane(tmp_path):
    for text in test_gixy.parts(DUMP).values():
        same(text, tmp_path)


def test_what_crossplane_refuses_is_refused(tmp_path):
    for text in ("http {", "http { }\n}", "listen 80"):
        path = tmp_path / "nginx.conf"
        path.write_text(text, encoding="utf-8")
        assert crossplane.parse(str(path), single=True)["status"] == "failed"
        with pytest.raises(dump.DumpError):
            dump._parse_file(str(path), text)
