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
        "A program on the host that creates the TXT record `_acme-challenge.CERTBOT_DOMAIN` with the value "
        "CERTBOT_VALIDATION, and ends when the record is visible. It runs without a shell. Both variables are in "
        "its environment.",
        quiet=True,
    ),
    "cleanup": Key(
        command,
        [],
        "A program that removes the record. CERTBOT_AUTH_OUTPUT contains the output of `command`.",
        quiet=True,
    ),
    "environment": Key(
        environment,
        {},
        "Environment variables of both programs, for example the token of a DNS provider. Never shown.",
        secret=True,
        stored="dns_environment",
    ),
    "plugin": Key(
        pattern(r"[a-z0-9][a-z0-9-]*", "the name of a plugin, such as cloudflare or rfc2136"),
        "",
        "Instead of `command`: a plugin of certbot that the distribution provides as `python3-certbot-dns-PLUGIN`.",
    ),
    "credentials": Key(
        credentials,
        "",
        "The credentials file of `plugin`, in the format of the plugin's documentation. Never shown.",
        secret=True,
        stored="dns_credentials",
    ),
    "wait": Key(
        integer(0, 3600),
        0,
        "With `plugin`: seconds to wait until the record is visible everywhere. 0: the plugin's default.",
    ),
}
ACME_KEYS: Keys = {
    "email": Key(
        pattern(r"([A-Za-z0-9][A-Za-z0-9._+=-]*@[A-Za-z0-9.-]+)?", "an e-mail address"),
        "",
        "The address to which the CA may send messages. Optional.",
    ),
    "directory": Key(
        pattern(
            r"(https://(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9][A-Za-z0-9._-]*)(:[0-9]+)?(/(?!\.)[A-Za-z0-9._~=+,-]*)*)?",
            DIRECTORY,
        ),
        "",
        "The URL of the CA's ACME directory. Default: Let's Encrypt.",
    ),
    "ca": Key(
        certificate,
        "",
        "The certificates with which HTTPS connections to `directory` are verified, if the host does not trust "
        "its CA: PEM text, or an absolute path on the host.",
    ),
    "challenge": Key(
        kinds={"dns": {"dns": Key(keys=DNS_KEYS, doc="A TXT record of the domain, created by `command` or `plugin`.")}},
        words=("http",),
        default="http",
        doc="How the CA verifies that you control a domain: `http`, with a file on port 80, or `dns`, which is "
        "required for wildcards.",
    ),
    "profile": Key(
        pattern(r"([A-Za-z0-9_-]{1,64})?", "the name of a profile, such as shortlived"),
        "",
        "A profile of the CA. Requires certbot 4.1 on the host: older versions do not support profiles, or forget "
        "them at renewal.",
    ),
    "key_type": Key(
        one_of("ecdsa", "rsa"), "ecdsa", "The type of the certificate's key: ECDSA P-256, or RSA with 2048 bits."
    ),
}
TLS_KINDS: dict[str, Keys] = {
    "certificate": {
        "certificate": Key(
            certificate,
            doc="The certificate, followed by its intermediate certificates in order: PEM text "
            "(`lookup('file', inventory_dir ~ '/...')`), or an absolute path on the host to a file that you renew "
            "yourself.",
            required=True,
        ),
        "key": Key(
            key,
            doc="The private key of the certificate: PEM text from a vault, or an absolute path on the host. Never "
            "shown.",
            required=True,
            secret=True,
            stored="tls_key",
        ),
    },
    "acme": {
        "acme": Key(
            keys=ACME_KEYS, doc="A certificate from an ACME CA. By setting this you agree to its terms of service."
        )
    },
}
