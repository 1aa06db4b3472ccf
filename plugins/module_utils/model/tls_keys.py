# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keys of `tls`: where the certificate of a site comes from."""

from __future__ import annotations

from .checks import integer, one_of, pattern
from .command_checks import command
from .key import Key, Keys
from .option_checks import environment
from .tls_checks import certificate, credentials, key

DIRECTORY = "the https URL of an ACME directory, without ? and %"
TLS_WORDS = ("none", "selfsigned")

DNS_KEYS: Keys = {
    "command": Key(
        command,
        [],
        "A program on the host, without a shell, that makes the TXT record `_acme-challenge.CERTBOT_DOMAIN` with the "
        "value CERTBOT_VALIDATION, both of which are in its environment, and ends when the record can be seen.",
        quiet=True,
    ),
    "cleanup": Key(
        command, [], "A program that removes the record; CERTBOT_AUTH_OUTPUT is what `command` printed.", quiet=True
    ),
    "environment": Key(
        environment,
        {},
        "The environment of both, for instance the token of a DNS provider. Never shown.",
        secret=True,
        stored="dns_environment",
    ),
    "plugin": Key(
        pattern(r"[a-z0-9][a-z0-9-]*", "the name of a plugin, such as cloudflare or rfc2136"),
        "",
        "Instead of `command`: a plugin of certbot that the distribution has as `python3-certbot-dns-PLUGIN`.",
    ),
    "credentials": Key(
        credentials,
        "",
        "The credentials file of `plugin`, as its documentation has it. Never shown.",
        secret=True,
        stored="dns_credentials",
    ),
    "wait": Key(
        integer(0, 3600), 0, "With `plugin`: seconds until the record can be seen everywhere. 0: the plugin's own."
    ),
}
ACME_KEYS: Keys = {
    "email": Key(
        pattern(r"([A-Za-z0-9][A-Za-z0-9._+=-]*@[A-Za-z0-9.-]+)?", "an e-mail address"),
        "",
        "Where the CA writes to, if it does. Not needed.",
    ),
    "directory": Key(
        pattern(
            r"(https://(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9][A-Za-z0-9._-]*)(:[0-9]+)?(/(?!\.)[A-Za-z0-9._~=+,-]*)*)?",
            DIRECTORY,
        ),
        "",
        "The CA: the URL of its ACME directory. Left out: Let's Encrypt.",
    ),
    "ca": Key(
        certificate,
        "",
        "What the https of `directory` is verified with, where the host does not know its CA: certificates as PEM "
        "text, or an absolute path on the host.",
    ),
    "challenge": Key(
        kinds={"dns": {"dns": Key(keys=DNS_KEYS, doc="A TXT record of the domain, made by `command` or `plugin`.")}},
        words=("http",),
        default="http",
        doc="How the CA checks that a domain is yours: `http`, a file on port 80, or `dns`, which wildcards need.",
    ),
    "profile": Key(
        pattern(r"([A-Za-z0-9_-]{1,64})?", "the name of a profile, such as shortlived"),
        "",
        "A profile of the CA. Needs certbot 4.1 on the host: older ones do not know any, or forget it at renewal.",
    ),
    "key_type": Key(one_of("ecdsa", "rsa"), "ecdsa", "The key of the certificate: ECDSA P-256 or RSA with 2048 bits."),
}
TLS_KINDS: dict[str, Keys] = {
    "certificate": {
        "certificate": Key(
            certificate,
            doc="The certificate and those between it and the root, in this order: PEM text (`lookup('file', ...)`), "
            "or an absolute path on the host, whose file somebody else renews.",
            required=True,
        ),
        "key": Key(
            key,
            doc="Its private key: PEM text from a vault, or an absolute path on the host. Never shown.",
            required=True,
            secret=True,
            stored="tls_key",
        ),
    },
    "acme": {"acme": Key(keys=ACME_KEYS, doc="From a CA that speaks ACME; giving this agrees to its terms.")},
}
