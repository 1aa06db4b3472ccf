"""What dump.py reads is what crossplane reads (NGINX's own parser; here ngxparse, the fork that gixy-ng needs)."""

from __future__ import annotations

import crossplane
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
    "regex": "server { server_name ~^(?<sub>.+)\\.example\\.com$ *.a.de; rewrite ^/(.*)\\.php$ /$1 last; }\n",
}


def ours(directives):
    return [
        (
            *_unescaped([found.name]),
            _unescaped(found.args),
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
        # crossplane takes the brackets of `if` away.
        args = one["args"]
        if one["directive"] == "if" and args:
            args = [f"({args[0]}", *args[1:]]
            args[-1] += ")"
        inside = theirs(one["block"]) if "block" in one else None
        found.append((*_unescaped([one["directive"]]), _unescaped(args), one["line"], inside))
    return found


def _unescaped(args):
    """nginx takes one of two backslashes, which crossplane leaves both."""
    return [word.replace("\\\\", "\\") for word in args]


def same(text, tmp_path):
    path = tmp_path / "nginx.conf"
    path.write_text(text, encoding="utf-8")
    payload = crossplane.parse(str(path), single=True, strict=False, check_ctx=False, check_args=False)
    [config] = payload["config"]
    assert config["errors"] == []
    mine = dump._parse_file(str(path), text)
    assert ours(mine) == theirs(config["parsed"])


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_is_read_as_crossplane_reads_it(name, tmp_path):
    same(SNIPPETS[name], tmp_path)


@pytest.mark.parametrize("name", test_gixy.SCENARIOS)
def test_every_file_of_a_scenario_is_read_as_crossplane_reads_it(name, tmp_path):
    for text in test_gixy.parts(test_gixy.configuration(name)).values():
        same(text, tmp_path)


def test_the_files_of_somebody_else_are_read_as_crossplane_reads_them(tmp_path):
    for text in test_gixy.parts(DUMP).values():
        same(text, tmp_path)


def test_what_crossplane_refuses_is_refused(tmp_path):
    for text in ("http {", "http { }\n}", "listen 80"):
        path = tmp_path / "nginx.conf"
        path.write_text(text, encoding="utf-8")
        assert crossplane.parse(str(path), single=True)["status"] == "failed"
        with pytest.raises(dump.DumpError):
            dump._parse_file(str(path), text)
