# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why nginx rejects its configuration, and how to fix that. Pure functions of its message."""

from __future__ import annotations

import re

from .fixes import RELOAD

_MARK = re.compile(r"^\[\w+\] (?:\d+#\d+: )?")
_PLACE = re.compile(r" in (/[^\s:]+):(\d+)$")
# (nginx's words, what to do); \1 is the first group, {at} the line that nginx names.
_KNOWN = (
    # No line of the file itself is named: an include found the name of a link, and nothing behind it.
    (
        r'open\(\) "(/[^"]+/(?:sites-enabled|conf\.d|modules-enabled)/[^"]+)" failed \(2:',
        r"remove the link \1, or restore its target (readlink \1)",
    ),
    (r'open\(\) "(/[^"]+)/[^"/]+\.log" failed \(2:', r"mkdir -p \1, or correct access_log and error_log"),
    (r'open\(\) "(/[^"]+)" failed \(2:', r"restore \1, or correct the path{at}"),
    (r'open\(\) "(/[^"]+)" failed \(13:', r"namei -l \1 shows what nginx cannot access"),
    (r'mkdir\(\) "(/[^"]+)" failed \(2:', r"mkdir -p \1"),
    (r'cannot load certificate(?: key)? "([^"]+)".*No such file', r"restore \1, or correct the path{at}"),
    (
        r'cannot load certificate "([^"]+)".*no start line',
        r"\1 contains no certificate (is it the key?): correct it{at}",
    ),
    (
        r'cannot load certificate key "([^"]+)".*(?:no start|DECODER)',
        r"\1 contains no key: correct ssl_certificate_key{at}",
    ),
    (r'dlopen\(\) "([^"]+)" failed', r"install the module \1, or remove its load_module{at}"),
    (r'directive "\w+" is not terminated by ";"', r"a previous line does not end with `;`: add it{at}"),
    (r'unexpected "\}"', "one brace too many, or a missing `;` above it{at}"),
    (r"unexpected end of file", "a block is not closed: add the missing `}`{at}"),
    (r'unknown directive "([^"]+)"', r"correct \1{at}, or install the module that has it"),
    (r'"(\w+)" directive is not allowed here', r"\1 belongs into another block: move it{at}"),
    (
        r"a duplicate default server for (\S+)",
        r"only one server may have default_server for \1: remove it{at}, or from the other one (nginx's own is "
        "/etc/nginx/sites-enabled/default)",
    ),
    (r'duplicate upstream "([^"]+)"', r"two files have an upstream \1: rename or remove one of them{at}"),
    (r'duplicate location "([^"]+)"', r"the server has two locations \1: remove one of them{at}"),
    (r'"(\w+)" directive is duplicate', r"remove the second \1{at}"),
    (
        r'no port in upstream "([^"]+)"',
        r"there is no upstream \1: the name of an upstream block, a host with its port, or unix:PATH{at}",
    ),
    (r'get(?:pw|gr)nam\("([^"]+)"\) failed', r"the host has no user or group \1: correct `user`{at}"),
    (r'unknown "(\w+)" variable', r"correct the variable $\1{at}"),
    (r'"(\w+)" in "user" directive', r"correct `user`{at}"),
    (
        r"could not build (?:the )?server_names_hash",
        "server_names_hash_bucket_size 128; in http of /etc/nginx/nginx.conf",
    ),
)


def words(said: str) -> str:
    """Return nginx's error message without its prefix, '' if there is none."""
    return _MARK.sub("", said).strip()[:300]


def fix(said: str, runs: bool) -> str:
    """Return the fix for an error message; `runs` says whether nginx still runs, with the previous configuration."""
    then = RELOAD if runs else "nginx -t && systemctl restart nginx"
    text = words(said)
    place = _PLACE.search(text)
    at = f" in {place[1]}, line {place[2]}" if place else ""
    for pattern, what in _KNOWN:
        found = re.search(pattern, text)
        if found:
            return f"{found.expand(what).replace('{at}', at)}; then {then}"
    return f"correct what nginx names{at}, then {then}" if at else f"correct the line that nginx names, then {then}"
