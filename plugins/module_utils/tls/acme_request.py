# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What certbot must have for a site, as plain data. Pure: the controller compares it with what a host has.

The same keys, with the current state, come from `acme_found`. If they are equal, nothing has to be done.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..model import schemes
from ..model.layout import ACME_WEBROOT, Layout, content_id

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
# The first versions of certbot that support it. 4.0 supports profiles, but forgets them at the first renewal.
PROFILES, ADDRESSES = (4, 1), (5, 4)
# The files of a site for certbot, below `folder`: the hooks of a DNS challenge, their environment, and the credentials
# of a plugin.
ANSWER, CLEAN, ENVIRONMENT, CREDENTIALS = "answer", "clean", "environment", "credentials.ini"
PROGRAMS = (ANSWER, CLEAN)
MARK = "# Written by pyweb.stack. certbot runs it when it gets or renews the certificate of the site."


def folder(layout: Layout) -> str:
    """Return the directory of a site's files for certbot; only root can read it."""
    return f"{layout.tls}/acme"


def hook(layout: Layout) -> str:
    """Return the script that installs an issued certificate in nginx."""
    return f"{layout.tls}/renewed"


def is_acme(site: Mapping[str, Any]) -> bool:
    return site["state"] == "present" and schemes.kind(site) == "acme"


def request(site: Mapping[str, Any], secrets: Mapping[str, Any]) -> dict[str, Any]:
    """Return the requested state of a completed site's certificate. `secrets` are those of the site."""
    acme, layout = site["tls"]["acme"], Layout.of(site)
    return {
        "domains": sorted(set(site["domains"])),
        "directory": acme["directory"] or LETS_ENCRYPT,
        "key_type": acme["key_type"],
        "profile": acme["profile"],
        "challenge": parameters(site, secrets),
        "hook": hook(layout),
        "files": digest(texts(site, secrets)),
        "ca": content_id(acme["ca"]) if acme["ca"] else "",
        "served": True,
    }


def parameters(site: Mapping[str, Any], secrets: Mapping[str, Any]) -> dict[str, str]:
    """Return how the challenge is answered, in the format of certbot's renewal configuration."""
    layout, dns = Layout.of(site), _dns(site)
    if not dns:
        return {"authenticator": "webroot", "webroot_path": ACME_WEBROOT}
    plugin, own = dns.get("plugin", ""), folder(layout)
    if plugin:
        name, found = f"dns_{plugin.replace('-', '_')}", {"authenticator": f"dns-{plugin}"}
        if secrets.get("dns_credentials"):
            found[f"{name}_credentials"] = f"{own}/{CREDENTIALS}"
        if dns.get("wait"):
            found[f"{name}_propagation_seconds"] = str(dns["wait"])
        return found
    cleanup = {"manual_cleanup_hook": f"{own}/{CLEAN}"} if dns.get("cleanup") else {}
    return {"authenticator": "manual", "manual_auth_hook": f"{own}/{ANSWER}", **cleanup}


def options(site: Mapping[str, Any], secrets: Mapping[str, Any]) -> list[str]:
    """Return the options of certbot for the challenge."""
    given = parameters(site, secrets)
    kind = given.pop("authenticator")
    if kind == "webroot":
        return ["--webroot", "-w", given["webroot_path"]]
    found = ["--manual", "--preferred-challenges", "dns"] if kind == "manual" else [f"--{kind}"]
    for name, value in given.items():
        found += [f"--{name.replace('_', '-')}", value]
    return found


def texts(site: Mapping[str, Any], secrets: Mapping[str, Any]) -> dict[str, str]:
    """Return the files of a site for certbot: name to text."""
    dns = _dns(site)
    if not dns:
        return {}
    if dns.get("plugin"):
        text = str(secrets.get("dns_credentials") or "")
        return {CREDENTIALS: text} if text else {}
    environment = f"{folder(Layout.of(site))}/{ENVIRONMENT}"
    given = {str(name): str(value) for name, value in (secrets.get("dns_environment") or {}).items()}
    found = {
        ANSWER: _program(environment, dns["command"]),
        ENVIRONMENT: "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(given.items())),
    }
    if dns.get("cleanup"):
        found[CLEAN] = _program(environment, dns["cleanup"])
    return found


def digest(files: Mapping[str, str]) -> str:
    """Return a value that identifies a set of files; '' for none."""
    return content_id(dict(files)) if files else ""


def packages(sites: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the packages for certificates from a CA; their names are equal in Debian and EPEL."""
    found: list[str] = []
    for site in sites:
        if is_acme(site):
            plugin = _dns(site).get("plugin", "")
            found += ["certbot", *([f"python3-certbot-dns-{plugin}"] if plugin else [])]
    return sorted(set(found))


def faults(sites: Iterable[Mapping[str, Any]], version: str) -> list[str]:
    """Return what the host's certbot does not support, a sentence for each site. `version` is certbot's."""
    found = []
    for site in sites:
        if not is_acme(site):
            continue
        profile = site["tls"]["acme"]["profile"]
        if profile and number(version) < PROFILES:
            found.append(
                f"site '{site['name']}': tls.acme.profile is '{profile}', and this host's certbot {version} cannot "
                "keep a profile at renewal; certbot 4.1 can: remove profile"
            )
        addresses = [name for name in site["domains"] if schemes.is_address(name)]
        if addresses and number(version) < ADDRESSES:
            found.append(
                f"site '{site['name']}': domains has the IP address {addresses[0]}, and this host's certbot {version} "
                "gets certificates for names only; certbot 5.4 can: remove the address, or use another kind of tls"
            )
    return found


def pending(
    sites: Sequence[Mapping[str, Any]], secrets: Mapping[str, Mapping[str, Any]], host: Mapping[str, Any]
) -> list[str]:
    """Return what must be done on a host, in words; nothing if all is up to date.

    `host` is the result of `acme_found.facts`. Sites that are not in this inventory are ignored.
    """
    lineages = host.get("lineages", {})
    found = [
        f"{site['name']}: {what}"
        for site in sites
        if is_acme(site)
        for what in differences(request(site, secrets.get(site["name"], {})), lineages.get(site["name"], {}))
    ]
    found += [f"{site['name']}: renewal ends" for site in ending(sites, lineages)]
    if any(is_acme(site) for site in sites) and not host.get("timer"):
        found.append("the timer")
    return found


def waiting(sites: Sequence[Mapping[str, Any]], host: Mapping[str, Any]) -> list[str]:
    """Return the names of the sites that wait for their first certificate from a CA."""
    certified = host.get("certified", [])
    return [site["name"] for site in sites if is_acme(site) and site["name"] not in certified]


def ending(sites: Iterable[Mapping[str, Any]], lineages: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the sites whose certificate is still renewed, although it is no longer needed."""
    return [site for site in sites if not is_acme(site) and site["name"] in lineages]


def differences(wanted: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """Return which keys of a request differ from the host; `new` if there is no certificate yet."""
    if not there.get("domains"):
        return ["new"]
    return [key for key, value in wanted.items() if there.get(key) != value]


def seconds(site: Mapping[str, Any]) -> int:
    """Return how long a plugin waits for its record, for each domain."""
    return int(_dns(site).get("wait") or 0) * len(site["domains"])


def number(version: str) -> tuple[int, ...]:
    """Return a version such as 4.0.0 as numbers; () if it is none."""
    return tuple(int(part) for part in re.findall(r"[0-9]+", version)[:3])


def _dns(site: Mapping[str, Any]) -> Mapping[str, Any]:
    challenge = site["tls"]["acme"]["challenge"]
    return challenge.get("dns", {}) if challenge.get("kind") == "dns" else {}


def _program(environment: str, command: Sequence[str]) -> str:
    words = " ".join(shlex.quote(word) for word in command)
    return f"#!/bin/sh\n{MARK}\nset -e\n. {shlex.quote(environment)}\nexec {words}\n"
