# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find out from certbot's output why it got no certificate: the cause first, then the CA's message.

The messages are those of certbot 2.1, 3.1, 4.0 and newer, of Boulder (Let's Encrypt), of pebble and of Python's
requests.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from ..host.visible import in_measure, one_line

# The maximum length of the CA's message.
SAID_MAX = 400


class Problem(NamedTuple):
    """The CA's error for one domain; `kind` is the last part of its type (RFC 8555, 6.7)."""

    domain: str
    kind: str
    detail: str


@dataclass(frozen=True)
class Seen:
    """What this host finds out about a domain: its addresses in DNS, the host's own, and who answers the challenge.

    `here` is the answer of this host's nginx for a challenge file, `there` that at the addresses in DNS: a status with
    the name of the server. '' if it was not requested.
    """

    addresses: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    here: str = ""
    there: str = ""


Look = Callable[[str], Seen]

# Failures before certbot asks about any domain: its output, and the meaning. The first match is used.
BEFORE = (
    (
        r"Hook '--manual-auth-hook' for (?P<domain>\S+) (?:reported error code (?P<status>\d+)|ran with error output)",
        "the command of tls.acme.challenge.dns failed for {domain}{status}: {said}",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED\]? certificate verify failed: (?P<why>[^()\n]*(?:issuer|self[- ]signed)[^()\n]*)",
        "this host does not trust the CA of the directory's https ({host}): {why}; set it in tls.acme.ca",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED\]? certificate verify failed: (?P<why>[^()\n]+)",
        "the https of the directory ({host}) has a wrong certificate: {why}",
    ),
    (r"invalid path: (?P<path>\S+)", "the CA file {path} does not exist; see tls.acme.ca"),
    (
        r"Failed to resolve '(?P<host>[^']+)'"
        r"|host='(?P<host2>[^']+)'.*(?:Name or service not known|name resolution|No address)",
        "the name of the directory, {host}, has no address in the DNS of this host; correct tls.acme.directory or DNS",
    ),
    (
        r"host='(?P<host>[^']+)', port=(?P<port>\d+)\).*(?P<why>Connection refused|[Tt]imed out|No route to host"
        r"|Network is unreachable|Connection reset by peer|Cannot connect to proxy)",
        "the directory at {host}:{port} does not answer this host: {why}; it must be reachable from here, also for "
        "renewals",
    ),
    (  # as acme below 3 says it
        r"ValueError: Requesting (?P<host>[^/\s]+)\S*: (?P<why>[^\n]+)",
        "the directory at {host} does not answer this host: {why}; it must be reachable from here, also for renewals",
    ),
    (
        r"acme\.errors\.ClientError: <Response \[(?P<status>\d+)\]>|JSONDecodeError|DeserializationError",
        "the URL of tls.acme.directory is not an ACME directory: it answers{status}",
    ),
    (
        r"requires? external account binding|externalAccountRequired",
        "the CA requires an account that it created (external account binding); register once on this "
        "host: certbot register --server URL --eab-kid KID --eab-hmac-key KEY",
    ),
    (
        r"believes (?P<email>\S+) is an invalid email|(?:invalidContact|invalidEmail|unsupportedContact)"
        r"|contact email .*?(?P<why>invalid|forbidden)|[Uu]nable to update or create account.*email",
        "the CA refuses the e-mail address {email}; correct tls.acme.email or remove it",
    ),
    (
        r"Please choose an account|multiple accounts",
        "this host has several accounts at the CA, and certbot does not know which to use; keep one of "
        "/etc/letsencrypt/accounts, or name it in /etc/letsencrypt/cli.ini (account = ID)",
    ),
    (
        r"accountDoesNotExist|Account .*(?:not valid|deactivated|does not exist)|No (?:such )?account",
        "the CA no longer knows the account of this host; remove it: certbot unregister --server URL",
    ),
    (
        r"requested (?P<plugin>\S+) plugin does not appear to be installed"
        r"|unrecognized arguments: --(?P<plugin2>dns-[a-z0-9]+)",
        "certbot has no plugin {plugin}; its package is python3-certbot-{plugin}",
    ),
    (
        r"(?P<why>Missing propert(?:y|ies) in credentials configuration file[^\n]*(?:\n \* [^\n]+)*"
        r"|Error parsing credentials configuration[^\n]*)",
        "tls.acme.challenge.dns.credentials is not what the plugin expects: {why}",
    ),
    (
        r"(?i)(?P<why>[^\n]*\bprofile\b[^\n]*(?:not recogni[sz]ed|unknown|not supported|not permitted|invalid)[^\n]*"
        r"|[^\n]*invalidProfile[^\n]*)",
        "the CA refuses the profile of tls.acme.profile: {why}",
    ),
    (
        r"(?P<why>[^\n]*(?:[Tt]oo many |rateLimited|rate limit)[^\n]*)",
        "a rate limit of the CA{time}: {why}",
    ),
    (r"(?P<why>[^\n]*(?:Service busy|retry later|under maintenance)[^\n]*)", "the CA is busy, run again later: {why}"),
    (
        r"Cannot issue for \\?\"(?P<domain>[^\"\\]+)\\?\": (?P<why>[^\n]+)",
        "the CA issues no certificate for {domain}: {why}",
    ),
    (
        r"(?P<why>[^\n]*(?:rejectedIdentifier|forbidden by policy|refuses to issue)[^\n]*)",
        "the CA issues no certificate for a name in domains: {why}",
    ),
    (r"No space left on device", "the disk of this host is full"),
    (r"Another instance of Certbot is already running", "another certbot is running on this host, and does not end"),
    (
        r"does not support any combination of challenges",
        "the CA does not offer the challenge of tls.acme.challenge; a wildcard (`*.`) needs dns",
    ),
    (
        r"(?P<why>Error determining zone_id[^\n]*|Unable to determine (?:base domain|managed zone|zone)[^\n]*"
        r"|Received response from server: [^\n]+|Error (?:adding|communicating|connecting)[^\n]*)",
        "the DNS plugin of certbot failed: {why}",
    ),
)


def cause(output: str, log: str, look: Look, url: str, site_email: str = "") -> str:
    """Return why there is no certificate, in one line. `log` is certbot's own log, `url` the directory."""
    output, log = in_measure(output), in_measure(log)
    failed = problems(output)
    hook = re.search(r"Hook '--manual-auth-hook'.*(?:error code|error output)", output)
    if failed and not hook:
        return _of_challenge(failed, look, url)
    for text in (output, log):
        for pattern, meaning in BEFORE:
            if found := re.search(pattern, text):
                return one_line(_filled(meaning, found, output, url, site_email))
    if failed:
        return _of_challenge(failed, look, url)
    return one_line(_last_words(output)) or "certbot gave no reason; see /var/log/letsencrypt/letsencrypt.log"


def problems(output: str) -> list[Problem]:
    """Return the CA's errors for single domains in certbot's output: older versions print Domain, 5.x Identifier."""
    pattern = (
        r"(?m)^[ \t]*(?:Domain|Identifier): (\S+)\n[ \t]*Type:[ \t]+(\S+)\n[ \t]*Detail: (.*(?:\n(?![ \t]*(?:Domain|"
        r"Identifier|Type|Hint): ?)[^\n]*\S[^\n]*)*)"
    )
    return [Problem(domain, kind, one_line(detail)) for domain, kind, detail in re.findall(pattern, output)]


def _of_challenge(failed: Sequence[Problem], look: Look, url: str) -> str:
    """Return the cause of the first failed challenge, and the other failed domains."""
    first = failed[0]
    words = _cause_of(first, look(first.domain), url)
    others = list(dict.fromkeys(problem.domain for problem in failed if problem.domain != first.domain))
    more = f"; {', '.join(others)} failed as well" if others else ""
    return one_line(f"{words}{more}; the CA said: {_shortened(first.detail)}")


def _cause_of(problem: Problem, seen: Seen, url: str) -> str:
    domain, kind, detail = problem
    public = "letsencrypt.org" in url
    if re.search(r"\bCAA\b", detail) or kind == "caa":
        return _of_caa(domain, detail)
    if kind == "rateLimited" or re.search(r"[Tt]oo many |rate limit", detail):
        return f"a rate limit of the CA{_time(detail)}"
    if kind == "rejectedIdentifier":
        return f"the CA issues no certificate for {domain}"
    if re.search(r"TXT record|TXT for |Correct value not found for DNS|DNS-01|_acme-challenge", detail):
        return _of_txt(domain, detail)
    if public and seen.addresses and all(_is_reserved(address) for address in seen.addresses):
        return (
            f"{domain} leads to {', '.join(seen.addresses)}, a reserved address, which no public CA reaches; {_RECORD}"
        )
    if kind in ("dns", "unknownHost", "dnssec") or re.search(
        r"NXDOMAIN|no valid A |SERVFAIL|no such host|not resolve|DNS", detail
    ):
        return _of_dns(domain, detail, seen)
    if words := _of_redirect(domain, detail):
        return words
    if re.search(r"(?i)refused|timeout|timed out|i/o timeout|no route|unreachable|reset by peer|EOF", detail):
        return _of_connection(domain, detail, seen)
    return _of_answer(domain, detail, seen)


_RECORD = "correct its A and AAAA records"


def _of_caa(domain: str, detail: str) -> str:
    if re.search(r"SERVFAIL|timed out|DNS problem", detail):
        return f"the CA cannot read the CAA records of {domain}: its DNS servers do not answer for that type"
    return f"a CAA record in DNS keeps this CA from {domain}; add one that names the CA, or remove it"


def _of_txt(domain: str, detail: str) -> str:
    name = f"_acme-challenge.{domain.replace('*.', '', 1)}"
    if re.search(r"No TXT record|NXDOMAIN|no such host", detail):
        return (
            f"the CA found no TXT record {name}: the command or plugin of tls.acme.challenge.dns created none, in the "
            "wrong zone, or ended before it was visible (`wait`)"
        )
    return (
        f"the CA found another TXT record {name} than that of this challenge: an old one is left, or it looked before "
        "the new one was visible everywhere (`wait`)"
    )


def _of_dns(domain: str, detail: str, seen: Seen) -> str:
    if re.search(r"SERVFAIL|timed out|dnssec|DNSSEC|bogus", detail):
        return f"the DNS servers of {domain} do not answer as they should (broken delegation or DNSSEC)"
    here = f"; this host's DNS returns {', '.join(seen.addresses)}" if seen.addresses else ""
    own = f" that leads to this host ({', '.join(seen.own)})" if seen.own else ""
    return f"{domain} has no address in DNS; add an A record{own}, or remove the name from domains{here}"


def _of_redirect(domain: str, detail: str) -> str:
    """Return a redirect that leads the CA elsewhere; '' if there is none."""
    if found := re.search(
        r"(?i)(redirect loop[^\";]*|too many redirects|invalid (?:host|port|protocol scheme)[^;]*)", detail
    ):
        return f"http://{domain}/ redirects the challenge to where the CA does not follow ({found[1].strip()})"
    found = re.search(r"(?:from|Fetching|fetching|HTTP:|Get) \"?(https?://[^\s\"\]]+)", detail)
    target = urlsplit(found[1].rstrip(":;,")) if found else None
    if target is None or (target.scheme == "http" and (target.hostname or domain) == domain):
        return ""
    return (
        f"http://{domain}/ redirects the challenge to {target.scheme}://{target.netloc}{target.path}, where it is not "
        "answered; exclude /.well-known/acme-challenge/ from that redirect"
    )


def _of_connection(domain: str, detail: str, seen: Seen) -> str:
    address = _address_in(detail) or next(iter(seen.addresses), "")
    place = f"{domain} ({address})" if address else domain
    if ":" in address:
        return (
            f"the AAAA record of {domain} leads to {address}, where port 80 does not answer; remove the record, or "
            "let nginx and the firewall answer there (nginx_ipv6)"
        )
    elsewhere = _elsewhere(domain, address, seen)
    if re.search(r"(?i)refused", detail):
        why = "the connection is refused, by a firewall or because nothing listens there"
        return elsewhere or f"port 80 of {place} is closed: {why}"
    if re.search(r"(?i)after connect", detail):
        return elsewhere or f"port 80 of {place} accepts connections, but does not answer in time"
    return elsewhere or (
        f"port 80 of {place} is filtered: no answer comes; open it in the firewall in front of the host (the "
        "provider's security group, a router)"
    )


def _of_answer(domain: str, detail: str, seen: Seen) -> str:
    found = re.search(r"(?:: |returned |status code |\")(\d{3})\b", detail)
    what = f"answers {found[1]} for the challenge" if found else "gives a wrong answer to the challenge"
    address = _address_in(detail)
    place = f"{domain} ({address})" if address else domain
    if ":" in address and seen.own and address not in seen.own:
        return f"the AAAA record of {domain} leads to {address}, which is not this host and {what}; remove it"
    if elsewhere := _elsewhere(domain, address, seen):
        return f"{elsewhere} ({what})"
    if seen.here.startswith("200") and not seen.there.startswith("200"):
        server = f" ({seen.there})" if seen.there else ""
        return f"{place} {what}, which this host's nginx does not: a proxy or another server in front answers{server}"
    server = f" (this host's own: {seen.here})" if seen.here else ""
    return f"{place} {what}{server}; another server of nginx, or a location of the site, has the path of challenges"


def _elsewhere(domain: str, address: str, seen: Seen) -> str:
    """Return that DNS leads to another host; '' if it does not, or this host has no public address to compare.

    `address` is where the CA connected, if it reports it.
    """
    public = [address for address in seen.own if not _is_reserved(address)]
    leads = [address] if address else list(seen.addresses)
    if not leads or not public or set(leads) & set(seen.own):
        return ""
    return f"{domain} leads to {', '.join(leads)}, and this host has {', '.join(public)}; {_RECORD}"


def _is_reserved(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _address_in(detail: str) -> str:
    """Return the address in the CA's message: Boulder begins with it, pebble has it after `dial tcp`."""
    found = re.match(r"\[?([0-9a-fA-F.:]+?)\]?: ", detail) or re.search(
        r"dial tcp \[?([0-9a-fA-F.:]+?)\]?:80\b", detail
    )
    try:
        return str(ipaddress.ip_address(found[1])) if found else ""
    except ValueError:
        return ""


def _filled(meaning: str, found: re.Match[str], output: str, url: str, email: str) -> str:
    """Return a sentence of the table, with the groups from the output."""
    given = {name.rstrip("2"): value.strip() for name, value in found.groupdict().items() if value}
    host = given.get("host") or urlsplit(url).netloc
    status = given.get("status", "")
    word = " with exit status " if "command of" in meaning else " with "
    return meaning.format_map(
        {
            "domain": "",
            "why": "",
            "plugin": "",
            "port": "",
            "path": "",
            **given,
            "email": given.get("email") or email,
            "host": host,
            "status": f"{word}{status}" if status else "",
            "said": _shortened(_hook_words(output)) or "it printed nothing",
            "time": _time(given.get("why", "")),
        }
    )


def _hook_words(output: str) -> str:
    """Return a hook's output, errors first: certbot indents it below its own line."""
    parts = [
        re.findall(rf"Hook '--manual-auth-hook' for \S+ ran with {kind}:\n((?:[ \t]+.*\n?)+)", output)
        for kind in ("error output", "output")
    ]
    return one_line(" ".join(text for found in parts for text in found[:1]))


def _time(text: str) -> str:
    """Return when the CA accepts requests again, according to it."""
    found = re.search(r"retry after (\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?: ?UTC|Z)?)", text, re.IGNORECASE)
    return f", until {found[1]}" if found else ""


def _last_words(output: str) -> str:
    """Return certbot's last line with a message."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    own = [line for line in lines if not re.match(r"Ask for help|Saving debug log|Some challenges have failed", line)]
    return own[-1] if own else ""


def _shortened(text: str) -> str:
    return text if len(text) <= SAID_MAX else f"{text[: SAID_MAX - 3]}..."
