"""gixy-ng, which looks for weaknesses in nginx's configuration, on every scenario with a golden file.

A finding fails its scenario unless `REASONS` accepts it. A reason without a finding fails as well.
"""

from __future__ import annotations

import functools
import io
import logging
import re
from fnmatch import fnmatchcase
from typing import NamedTuple

import goldens
import pytest
import test_nginx
import test_nginx_extras
from gixy.core.config import Config
from gixy.core.manager import Manager

MAIN = "/etc/nginx/nginx.conf"
SCENARIOS = {
    **{f"nginx/{name}": scenario for name, scenario in test_nginx.SCENARIOS.items()},
    **{f"nginx_extras/{name}": scenario for name, scenario in test_nginx_extras.SCENARIOS.items()},
}
# Files of the administrator, as `nginx -T` prints them. Findings in them alone are ignored.
THEIRS = {"nginx/beside": test_nginx.THEIRS, "nginx/beside_tls": test_nginx.THEIRS_TLS}


class Finding(NamedTuple):
    """`place` has the blocks around the finding, without http: `server NAMES > location /media/`."""

    severity: str
    plugin: str
    place: str
    text: str


class Reason(NamedTuple):
    """Why findings of a plugin are accepted; `scenarios` and `place` are shell patterns."""

    severity: str
    plugin: str
    scenarios: list[str]
    place: str
    why: str


NAMELESS = "server *.catch-all.invalid"
NAMED = "server [!*]*.example.com"
NO_HSTS = ["selfsigned_1_26", "acme", "acme_without_redirect", "prefix_pair_tls", "default_d_tls", "proxy_protocol"]
NO_HSTS += ["beside_tls", "ip_address", "without_ssl_reject_handshake"]
REASONS = [
    Reason(
        "MEDIUM",
        "worker_rlimit_nofile_vs_connections",
        ["*"],
        "events",
        "LimitNOFILE of nginx's unit sets it, for the master too; a test below compares it with the connections",
    ),
    Reason(
        "MEDIUM",
        "hsts_header",
        [f"nginx/{name}" for name in NO_HSTS],
        NAMED,
        "nginx.hsts is off by default, because it cannot be undone; docs/https.md says when to enable it",
    ),
    Reason(
        "MEDIUM",
        "hsts_header",
        ["nginx/ip_address"],
        "server 192.0.2.1",
        "browsers ignore HSTS of an IP address (RFC 6797, 8.1.1)",
    ),
    Reason(
        "MEDIUM",
        "hsts_header",
        ["nginx/ip_address", "nginx/without_ssl_reject_handshake"],
        NAMELESS,
        "it closes the connection, so there is no response with headers",
    ),
    Reason(
        "LOW",
        "hsts_header",
        ["nginx/selfsigned_1_22", "nginx/canonical"],
        "server *.example.com*",
        "the scenario's inventory sets a short time, to try HSTS before it applies for years",
    ),
    Reason(
        "LOW",
        "default_server_flag",
        ["*"],
        NAMELESS,
        "the first server of a port is its default, which is the purpose of this one; nginx refuses a port with two "
        "flags, and the other one may be in a file of the administrator",
    ),
    Reason(
        "LOW",
        "default_server_flag",
        ["nginx/acme_without_redirect"],
        NAMED,
        "nginx_catch_all is false: no server should be the default",
    ),
    Reason(
        "LOW",
        "add_header_redefinition",
        ["nginx/beside"],
        "server shop.example.com www.shop.example.com > location /media/",
        "headers of nginx_options only apply to levels without headers of their own, and uploads have some",
    ),
    Reason(
        "LOW",
        "add_header_redefinition",
        ["nginx/selfsigned_1_22"],
        "server shop.example.com www.shop.example.com > location /a",
        "in nginx, a location with its own headers inherits no others; docs/nginx.md says so",
    ),
    Reason(
        "LOW",
        "add_header_redefinition",
        ["nginx_extras/all_in_the_server_of_another"],
        "server shop.example.com www.shop.example.com > location *blog*",
        "a site does not get the headers of the site whose server it is in",
    ),
]


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_finding_has_a_reason(name):
    assert [finding for finding in findings(configuration(name)) if not reasons(name, finding)] == []


def test_every_golden_file_is_checked():
    there = {f"{path.parent.name}/{path.stem}" for path in goldens.HERE.glob("nginx*/*.txt")}
    assert there == set(SCENARIOS)


def test_every_reason_is_needed():
    needed = {one for name in SCENARIOS for finding in findings(configuration(name)) for one in reasons(name, finding)}
    assert [one for number, one in enumerate(REASONS) if number not in needed] == []


@pytest.mark.parametrize("name", sorted(set(SCENARIOS) - set(THEIRS)))
def test_the_unit_may_open_two_files_for_each_connection(name):
    [connections] = re.findall(r"worker_connections (\d+);", configuration(name))
    unit = test_nginx.rendered(*SCENARIOS[name])["/etc/systemd/system/nginx.service.d/pyweb.conf"]
    [descriptors] = re.findall(r"(?m)^LimitNOFILE=(\d+)$", unit)
    assert int(descriptors) >= 2 * int(connections)


@pytest.mark.parametrize(
    ("name", "good", "bad", "found"),
    [
        ("plain", "location /media/ {", "location /media {", ("HIGH", "alias_traversal")),
        ("plain", "server_tokens off;", "", ("HIGH", "version_disclosure")),
        ("beside", "server_tokens off;", "", ("HIGH", "version_disclosure")),
        ("plain", "charset utf-8;", "error_log off;", ("MEDIUM", "error_log_off")),
        ("plain", "charset utf-8;", "add_header X-A 1;", ("LOW", "add_header_redefinition")),
        ("trusted_proxies", "$pyweb_hsts_my_shop", "max-age=300", ("LOW", "hsts_header")),
        ("canonical", "add_header Strict-Transport-Security max-age=300 always;", "", ("MEDIUM", "hsts_header")),
    ],
)
def test_a_weaker_configuration_fails(name, good, bad, found):
    text = configuration(f"nginx/{name}")
    assert good in text
    worse = [one for one in findings(text.replace(good, bad)) if not reasons(f"nginx/{name}", one)]
    assert {(one.severity, one.plugin) for one in worse} == {found}


def reasons(name, finding):
    """Return the numbers of the reasons that apply to a finding of a scenario."""
    return [
        number
        for number, one in enumerate(REASONS)
        if (one.severity, one.plugin) == (finding.severity, finding.plugin)
        and any(fnmatchcase(name, pattern) for pattern in one.scenarios)
        and fnmatchcase(finding.place, one.place)
    ]


@functools.cache
def configuration(name):
    """Return everything that nginx reads in a scenario, as `nginx -T` prints it; gixy reads this format too."""
    texts = {"/etc/nginx/mime.types": "types {\n}\n"}
    texts.update(parts(THEIRS.get(name, "")))
    texts.update(test_nginx.rendered(*SCENARIOS[name]))
    for path, text in list(texts.items()):
        if text.startswith("link to ../"):
            texts[path] = texts.pop(f"/etc/nginx/{text.split('../')[1].strip()}")
    paths = [MAIN, *sorted(path for path in texts if path.startswith("/etc/nginx/") and path != MAIN)]
    return "".join(f"# configuration file {path}:\n{texts[path]}\n" for path in paths)


@functools.cache
def findings(text):
    """Return gixy's findings in managed files; fail if gixy skips part of the text."""
    ours = {path for path, content in parts(text).items() if "pyweb.stack.nginx" in content}
    left_out = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: left_out.append(record.getMessage())
    logger = logging.getLogger("gixy")
    logger.addHandler(handler)
    try:
        with Manager(Config(load_default_vars=True)) as manager:
            manager.audit(MAIN, io.BytesIO(text.encode()), is_stdin=True)
    finally:
        logger.removeHandler(handler)
    assert left_out == []
    assert len(list(manager.root.find_all_contexts_of_type("server"))) == len(re.findall(r"(?m)^ *server \{", text))
    return [
        Finding(issue.severity or plugin.severity, plugin.name, place(mine), issue.reason or issue.summary or "")
        for plugin in manager.results
        for issue in plugin.issues
        if (mine := [directive for directive in issue.directives if directive.file in ours])
    ]


def parts(text):
    """Return the files that `nginx -T` prints: path to content."""
    return dict(part.split(":\n", 1) for part in text.split("# configuration file ")[1:])


def place(directives):
    """Return the blocks around the innermost of some directives, from the outside; a directive may be one itself."""
    return " > ".join(max(([named(block) for block in blocks(one)] for one in directives), key=len))


def blocks(directive):
    around = [*reversed(list(directive.parents)), directive]
    return [one for one in around if one.is_block and one.name not in (None, "http")]


def named(block):
    return " ".join([block.name, *block.args, *(name for one in block.find("server_name") for name in one.args)])
