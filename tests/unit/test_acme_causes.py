"""Why no certificate was issued, from the output of certbot 2.1, 3.1, 4.0 and 5 with Boulder or pebble as the CA."""

# ruff: noqa: E501 - output of programs is not wrapped

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.tls.acme_causes import Seen, cause, problems

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
OWN, OTHER, SIX = "5.6.7.9", "5.6.7.8", "2a01:4f8::1"
HERE = Seen((OWN,), (OWN,), "200 of nginx", "200 of nginx")
URL = "http://shop.example.com/.well-known/acme-challenge/Zm9v"
ASK = (
    "Ask for help or search for solutions at https://community.letsencrypt.org. See the logfile "
    "/var/log/letsencrypt/letsencrypt.log or re-run Certbot with -v for more details."
)


def failed(kind, detail, domain="shop.example.com", word="Domain", authenticator="webroot"):
    """Return what certbot prints about a failed challenge."""
    return (
        f"Requesting a certificate for {domain}\n\nCertbot failed to authenticate some domains (authenticator: "
        f"{authenticator}). The Certificate Authority reported these problems:\n  {word}: {domain}\n  Type:   {kind}\n"
        f"  Detail: {detail}\n\nHint: The Certificate Authority failed to download the temporary challenge files created "
        "by Certbot. Ensure that the listed domains serve their content from the provided --webroot-path/-w and that "
        "files created there can be downloaded from the internet.\n\n"
        "Saving debug log to /var/log/letsencrypt/letsencrypt.log\nSome challenges have failed.\n" + ASK
    )


def why(output, seen=HERE, log="", url=LETS_ENCRYPT, email=""):
    found = cause(output, log, lambda domain: seen, url, email)
    assert "\n" not in found
    return found


# What the CA says, what this host sees, and the cause with its fix.
CHALLENGES = {
    "no address": (
        "dns",
        "DNS problem: NXDOMAIN looking up A for shop.example.com - check that a DNS record exists for this domain; DNS "
        "problem: NXDOMAIN looking up AAAA for shop.example.com - check that a DNS record exists for this domain",
        Seen((), (OWN,)),
        f"shop.example.com has no address in DNS; add an A record that leads to this host ({OWN}), or remove the name",
    ),
    "no valid records": (
        "dns",
        "no valid A records found for shop.example.com; no valid AAAA records found for shop.example.com",
        Seen((), (OWN,)),
        "shop.example.com has no address in DNS",
    ),
    "pebble, no address": (
        "dns",
        "Error retrieving A records: lookup shop.example.com: no such host",
        Seen((), (OWN,)),
        "shop.example.com has no address in DNS",
    ),
    "pebble, no address for the URL": (
        "connection",
        f'Get "{URL}": could not resolve URL "{URL}"',
        Seen((), (OWN,)),
        "shop.example.com has no address in DNS",
    ),
    "no answer of the DNS servers": (
        "dns",
        "DNS problem: SERVFAIL looking up A for shop.example.com - the domain's nameservers may be malfunctioning",
        HERE,
        "the DNS servers of shop.example.com do not answer as they should",
    ),
    "dnssec": (
        "dns",
        "DNS problem: looking up A for shop.example.com: DNSSEC: Bogus",
        HERE,
        "the DNS servers of shop.example.com do not answer as they should (broken delegation or DNSSEC",
    ),
    "another host, refused": (
        "connection",
        f"{OTHER}: Fetching {URL}: Connection refused",
        Seen((OTHER,), (OWN,)),
        f"shop.example.com leads to {OTHER}, and this host has {OWN}; correct its A and AAAA records",
    ),
    "another host, 404": (
        "unauthorized",
        f"{OTHER}: Invalid response from {URL}: 404",
        Seen((OTHER,), (OWN,), "200 of nginx", "404 of Apache"),
        f"shop.example.com leads to {OTHER}, and this host has {OWN}; correct its A and AAAA records (answers 404",
    ),
    "closed": (
        "connection",
        f"{OWN}: Fetching {URL}: Connection refused",
        HERE,
        f"port 80 of shop.example.com ({OWN}) is closed: the connection is refused",
    ),
    "closed, and DNS differs on this host": (
        "connection",
        f"{OWN}: Fetching {URL}: Connection refused",
        Seen((OTHER,), (OWN,)),
        f"port 80 of shop.example.com ({OWN}) is closed",
    ),
    "closed, pebble": (
        "connection",
        f'Get "{URL}": dial tcp 172.17.0.2:80: connect: connection refused',
        Seen((), ("172.17.0.2",)),
        "port 80 of shop.example.com (172.17.0.2) is closed: the connection is refused",
    ),
    "filtered": (
        "connection",
        f"{OWN}: Fetching {URL}: Timeout during connect (likely firewall problem)",
        HERE,
        f"port 80 of shop.example.com ({OWN}) is filtered: no answer comes; open it in the firewall in front of the host",
    ),
    "filtered, pebble": (
        "connection",
        f'Get "{URL}": dial tcp 172.17.0.2:80: i/o timeout',
        Seen((), ("172.17.0.2",)),
        "port 80 of shop.example.com (172.17.0.2) is filtered",
    ),
    "slow": (
        "connection",
        f"{OWN}: Fetching {URL}: Timeout after connect (your server may be slow or overloaded)",
        HERE,
        f"port 80 of shop.example.com ({OWN}) accepts connections, but does not answer in time",
    ),
    "AAAA without answer": (
        "connection",
        f"{SIX}: Fetching {URL}: Connection refused",
        Seen((OWN, SIX), (OWN,)),
        f"the AAAA record of shop.example.com leads to {SIX}, where port 80 does not answer; remove the record",
    ),
    "AAAA record of another host": (
        "unauthorized",
        f"{SIX}: Invalid response from {URL}: 404",
        Seen((OWN, SIX), (OWN,)),
        f"the AAAA record of shop.example.com leads to {SIX}, which is not this host and answers 404",
    ),
    "404 of this host": (
        "unauthorized",
        f"{OWN}: Invalid response from {URL}: 404",
        Seen((OWN,), (OWN,), "404 of nginx", "404 of nginx"),
        f"shop.example.com ({OWN}) answers 404 for the challenge (this host's own: 404 of nginx); another server of nginx",
    ),
    "404 of a proxy": (
        "unauthorized",
        f"{OWN}: Invalid response from {URL}: 404",
        Seen((OWN,), (OWN,), "200 of nginx", "404 of cloudflare"),
        f"shop.example.com ({OWN}) answers 404 for the challenge, which this host's nginx does not: a proxy or another "
        "server in front answers (404 of cloudflare)",
    ),
    "404, pebble": (
        "unauthorized",
        f"Non-200 status code from HTTP: {URL} returned 404",
        Seen((), ("172.17.0.2",), "404 of nginx"),
        "shop.example.com answers 404 for the challenge",
    ),
    "another page": (
        "unauthorized",
        f'{OWN}: Invalid response from {URL}: "<!DOCTYPE html>\\n<html>"',
        Seen((OWN,), (OWN,), "404 of nginx", "404 of nginx"),
        f"shop.example.com ({OWN}) gives a wrong answer to the challenge",
    ),
    "another key": (
        "unauthorized",
        'The key authorization file from the server did not match this challenge. Expected "a.b" (got "c.d")',
        HERE,
        "shop.example.com gives a wrong answer to the challenge",
    ),
    "redirect to another name": (
        "unauthorized",
        f"{OWN}: Invalid response from https://www.example.net/login: 404",
        HERE,
        "http://shop.example.com/ redirects the challenge to https://www.example.net/login, where it is not answered",
    ),
    "redirect to https without a server": (
        "connection",
        f"{OWN}: Fetching https://shop.example.com/.well-known/acme-challenge/Zm9v: Connection refused",
        HERE,
        "http://shop.example.com/ redirects the challenge to https://shop.example.com/.well-known/acme-challenge/Zm9v",
    ),
    "redirect to an address": (
        "connection",
        f'{OWN}: Fetching {URL}: Invalid host in redirect target "{OWN}". Only domain names are supported, not IP addresses',
        HERE,
        "http://shop.example.com/ redirects the challenge to where the CA does not follow (Invalid host in redirect",
    ),
    "redirect to a port": (
        "connection",
        f"{OWN}: Fetching {URL}: Invalid port in redirect target. Only ports 80 and 443 are supported, not 8443",
        HERE,
        "(Invalid port in redirect target. Only ports 80 and 443 are supported, not 8443)",
    ),
    "redirect loop": (
        "connection",
        f"{OWN}: Fetching {URL}: Redirect loop detected",
        HERE,
        "http://shop.example.com/ redirects the challenge to where the CA does not follow (Redirect loop detected)",
    ),
    "CAA": (
        "caa",
        "CAA record for shop.example.com prevents issuance",
        HERE,
        "a CAA record in DNS keeps this CA from shop.example.com; add one that names the CA, or remove it",
    ),
    "CAA that cannot be read": (
        "dns",
        "DNS problem: SERVFAIL looking up CAA for example.com - the domain's nameservers may be malfunctioning",
        HERE,
        "the CA cannot read the CAA records of shop.example.com",
    ),
    "reserved address": (
        "connection",
        f"192.168.1.2: Fetching {URL}: Timeout during connect (likely firewall problem)",
        Seen(("192.168.1.2",), ("192.168.1.2",)),
        "shop.example.com leads to 192.168.1.2, a reserved address, which no public CA reaches",
    ),
    "no TXT record": (
        "unauthorized",
        "No TXT record found at _acme-challenge.shop.example.com",
        HERE,
        "the CA found no TXT record _acme-challenge.shop.example.com: the command or plugin",
    ),
    "NXDOMAIN for the TXT record": (
        "dns",
        "DNS problem: NXDOMAIN looking up TXT for _acme-challenge.shop.example.com - check that a DNS record exists",
        HERE,
        "the CA found no TXT record _acme-challenge.shop.example.com",
    ),
    "no TXT record, pebble": (
        "unauthorized",
        "No TXT records found for DNS challenge",
        HERE,
        "the CA found no TXT record _acme-challenge.shop.example.com",
    ),
    "another TXT record": (
        "unauthorized",
        'Incorrect TXT record "abc" (and 1 more) found at _acme-challenge.shop.example.com',
        HERE,
        "the CA found another TXT record _acme-challenge.shop.example.com than that of this challenge",
    ),
    "another TXT record, pebble": (
        "unauthorized",
        "Correct value not found for DNS challenge",
        HERE,
        "the CA found another TXT record _acme-challenge.shop.example.com than that of this challenge",
    ),
}


@pytest.mark.parametrize("name", CHALLENGES)
def test_cause_of_a_failed_challenge(name):
    kind, detail, seen, wanted = CHALLENGES[name]
    found = why(failed(kind, detail), seen)
    assert wanted in found
    assert found.startswith(wanted) or wanted.startswith("(")
    assert found.endswith(f"; the CA said: {detail}")


def unexpected(words):
    """Return what certbot prints about other errors of the CA or the connection."""
    return f"Requesting a certificate for shop.example.com\nAn unexpected error occurred:\n{words}\n{ASK}\n"


def no_directory(reason):
    return unexpected(
        "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='ca.example.net', port=14000): Max retries exceeded "
        f"with url: /dir (Caused by NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x7f>: {reason}'))"
    )


BEFORE = {
    "rate limit": (
        unexpected(
            "Error creating new order :: too many certificates (5) already issued for this exact set of identifiers in the "
            "last 168h0m0s, retry after 2026-12-01 10:20:30 UTC: see https://letsencrypt.org/docs/rate-limits/#new"
        ),
        "a rate limit of the CA, until 2026-12-01 10:20:30 UTC: Error creating new order :: too many certificates (5)",
    ),
    "rate limit of failed challenges": (
        unexpected(
            'Error creating new order :: too many failed authorizations (5) for "shop.example.com" in the last 1h0m0s, '
            "retry after 2026-11-26 12:00:00 UTC: see https://letsencrypt.org/docs/rate-limits/"
        ),
        "a rate limit of the CA, until 2026-11-26 12:00:00 UTC",
    ),
    "rate limit without a time": (
        unexpected(
            "There were too many requests of a given type :: Error creating new order :: too many registrations"
        ),
        "a rate limit of the CA: There were too many requests",
    ),
    "an unknown CA": (
        unexpected(
            "requests.exceptions.SSLError: HTTPSConnectionPool(host='ca.example.net', port=14000): Max retries exceeded "
            "with url: /dir (Caused by SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate "
            "verify failed: unable to get local issuer certificate (_ssl.c:992)')))"
        ),
        "this host does not trust the CA of the directory's https (ca.example.net:14000): unable to get local issuer "
        "certificate; set it in tls.acme.ca",
    ),
    "a self-signed CA": (
        unexpected("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1000)"),
        "this host does not trust the CA of the directory's https (ca.example.net:14000): self-signed certificate",
    ),
    "a wrong name": (
        unexpected(
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, certificate is not valid for "
            "'ca.example.net'. (_ssl.c:992)"
        ),
        "the https of the directory (ca.example.net:14000) has a wrong certificate: Hostname mismatch",
    ),
    "a directory that is down": (
        no_directory("Failed to establish a new connection: [Errno 111] Connection refused"),
        "the directory at ca.example.net:14000 does not answer this host: Connection refused",
    ),
    "a directory that is filtered": (
        unexpected(
            "requests.exceptions.ConnectTimeout: HTTPSConnectionPool(host='ca.example.net', port=14000): Max retries "
            "exceeded with url: /dir (Caused by ConnectTimeoutError(<urllib3.connection.HTTPSConnection object at 0x7f>, "
            "'Connection to ca.example.net timed out. (connect timeout=45)'))"
        ),
        "the directory at ca.example.net:14000 does not answer this host: timed out",
    ),
    "a directory whose name is not in DNS": (
        no_directory("Failed to establish a new connection: [Errno -2] Name or service not known"),
        "the name of the directory, ca.example.net, has no address in the DNS of this host",
    ),
    "the same with urllib3 2": (
        unexpected(
            "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='ca.example.net', port=14000): Max retries "
            'exceeded with url: /dir (Caused by NameResolutionError("<urllib3.connection.HTTPSConnection object at 0x7f>: '
            "Failed to resolve 'ca.example.net' ([Errno -2] Name or service not known)\"))"
        ),
        "the name of the directory, ca.example.net, has no address in the DNS of this host",
    ),
    "a directory that is down, certbot 2.1": (
        unexpected("ValueError: Requesting ca.example.net/dir: Connection refused"),
        "the directory at ca.example.net does not answer this host: Connection refused",
    ),
    "no directory": (
        unexpected("acme.errors.ClientError: <Response [404]>"),
        "the URL of tls.acme.directory is not an ACME directory: it answers with 404",
    ),
    "external accounts": (
        f"Server requires external account binding. Please use --eab-kid and --eab-hmac-key.\n{ASK}\n",
        "the CA requires an account that it created (external account binding)",
    ),
    "an e-mail address": (
        "The ACME server believes ops@example is an invalid email address. Please ensure it is a valid email and attempt "
        f"registration again.\n{ASK}\n",
        "the CA refuses the e-mail address ops@example; correct tls.acme.email",
    ),
    "an account that the CA no longer has": (
        unexpected(
            'Unable to validate JWS :: Account "https://ca.example.net/acct/1" not found'.replace(
                "not found", "does not exist"
            )
        ),
        "the CA no longer knows the account of this host",
    ),
    "several accounts": (
        f"Missing command line flag or config entry for this setting:\nPlease choose an account\nChoices: ['a', 'b']\n{ASK}",
        "this host has several accounts at the CA",
    ),
    "a plugin": (
        f"The requested dns-cloudflare plugin does not appear to be installed\n{ASK}\n",
        "certbot has no plugin dns-cloudflare; its package is python3-certbot-dns-cloudflare",
    ),
    "the options of a plugin": (
        "usage: certbot [options]\ncertbot: error: unrecognized arguments: --dns-rfc2136-credentials /x\n",
        "certbot has no plugin dns-rfc2136",
    ),
    "credentials": (
        "Missing property in credentials configuration file /etc/sites/shop/tls/acme/credentials.ini:\n * Property "
        f'"dns_cloudflare_api_token" not found (should be API token for Cloudflare account).\n{ASK}\n',
        "tls.acme.challenge.dns.credentials is not what the plugin expects: Missing property in credentials configuration "
        'file /etc/sites/shop/tls/acme/credentials.ini: * Property "dns_cloudflare_api_token" not found',
    ),
    "a failure of the plugin": (
        f"Error determining zone_id: 6003 Invalid request headers. Please confirm that you have supplied valid\n{ASK}\n",
        "the DNS plugin of certbot failed: Error determining zone_id: 6003 Invalid request headers",
    ),
    "a hook": (
        "Hook '--manual-auth-hook' for shop.example.com reported error code 2\nHook '--manual-auth-hook' for "
        "shop.example.com ran with error output:\n the zone is locked\n"
        + failed("unauthorized", "No TXT record found at _acme-challenge.shop.example.com", authenticator="manual"),
        "the command of tls.acme.challenge.dns failed for shop.example.com with exit status 2: the zone is locked",
    ),
    "a hook without output": (
        "Hook '--manual-auth-hook' for shop.example.com reported error code 127\n"
        + failed("unauthorized", "No TXT record found at _acme-challenge.shop.example.com", authenticator="manual"),
        "the command of tls.acme.challenge.dns failed for shop.example.com with exit status 127: it printed nothing",
    ),
    "a profile": (
        unexpected('Error creating new order :: Invalid profile requested :: profile "short" not recognized'),
        "the CA refuses the profile of tls.acme.profile: Error creating new order",
    ),
    "a name that no CA accepts": (
        unexpected(
            'Error creating new order :: Cannot issue for "shop.local": Domain name does not end with a valid public suffix '
            "(TLD)"
        ),
        "the CA issues no certificate for shop.local: Domain name does not end with a valid public suffix",
    ),
    "a forbidden name": (
        unexpected("Error creating new order :: The ACME server refuses to issue a certificate for this domain name"),
        "the CA issues no certificate for a name in domains",
    ),
    "a busy CA": (unexpected("Service busy; retry later."), "the CA is busy, run again later: Service busy"),
    "another certbot": (
        f"Another instance of Certbot is already running.\n{ASK}\n",
        "another certbot is running on this host, and does not end",
    ),
    "a full disk": (unexpected("OSError: [Errno 28] No space left on device"), "the disk of this host is full"),
    "a wildcard by http": (
        "Client with the currently selected authenticator does not support any combination of challenges that will satisfy "
        f"the CA. You may need to use an authenticator plugin that can do challenges over DNS.\n{ASK}",
        "the CA does not offer the challenge of tls.acme.challenge; a wildcard (`*.`) needs dns",
    ),
    "anything else": (f"Something that nobody foresaw.\n{ASK}\n", "Something that nobody foresaw."),
}


@pytest.mark.parametrize("name", BEFORE)
def test_cause_of_a_failure_before_any_challenge(name):
    output, wanted = BEFORE[name]
    assert why(output, url="https://ca.example.net:14000/dir").startswith(wanted)


def test_certbots_log_is_read_if_it_printed_less():
    found = why("An unexpected error occurred:\n", log="urn:ietf:params:acme:error:rateLimited :: too many new orders")
    assert found.startswith("a rate limit of the CA")


def test_without_any_output_the_error_names_the_log():
    assert why("") == "certbot gave no reason; see /var/log/letsencrypt/letsencrypt.log"


@pytest.mark.parametrize("word", ["Domain", "Identifier"])
def test_every_failed_domain_is_named(word):
    first = failed("connection", f"{OWN}: Fetching {URL}: Connection refused", word=word)
    second = f"  {word}: www.example.com\n  Type:   dns\n  Detail: no valid A records found\n\nHint:"
    found = why(first.replace("\nHint:", f"\n{second}", 1))
    assert "; www.example.com failed as well; the CA said:" in found


def test_a_detail_of_several_lines_is_joined():
    output = "  Domain: a.example\n  Type:   unauthorized\n  Detail: first\nsecond\n\nHint: x\n"
    assert problems(output) == [("a.example", "unauthorized", "first second")]


def test_an_endless_answer_of_a_server_is_truncated():
    found = why(failed("unauthorized", f'{OWN}: Invalid response from {URL}: "{"x" * 900}"'))
    assert len(found) < 800
    assert found.endswith("...")
