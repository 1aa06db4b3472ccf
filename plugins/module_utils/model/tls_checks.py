# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the values of `tls`. The contents of certificates are checked together (`certificates`)."""

from __future__ import annotations

import re
from typing import Any

from .checks import Wrong, accepts, is_plain_path, refuse_noncharacters

_BLOCK = r"-----BEGIN {0}-----\n[A-Za-z0-9+/=\n]+-----END {0}-----\n"
_LABELS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")


@accepts("certificates as PEM text, or an absolute path on the host")
def certificate(value: Any) -> str:
    """One or several certificates as PEM text, without text around them; or a path on the host."""
    if is_plain_path(value) and value != "/":
        return str(value)
    text = _pem(value)
    blocks = re.findall(_BLOCK.format("CERTIFICATE"), text)
    if "PRIVATE KEY-----" in text:
        raise Wrong(fix="it contains a private key; move it to key")
    if not blocks:
        raise Wrong(fix=_shape(value, "CERTIFICATE"))
    if (begun := text.count("-----BEGIN CERTIFICATE-----")) != len(blocks):
        raise Wrong(
            fix=f"only {len(blocks)} of the {begun} certificates in it can be read; copy the complete file again"
        )
    return "".join(blocks)


@accepts("a private key as PEM text without a passphrase, or an absolute path on the host")
def key(value: Any) -> str:
    """A private key as PEM text, without text around it; or a path on the host."""
    if is_plain_path(value) and value != "/":
        return str(value)
    text = _pem(value)
    if "ENCRYPTED" in text:
        raise Wrong(fix="remove its passphrase: openssl pkey -in key.pem")
    blocks = [block for label in _LABELS for block in re.findall(_BLOCK.format(label), text)]
    if len(blocks) > 1:
        raise Wrong(fix=f"it contains {len(blocks)} private keys; set the one of the certificate")
    if not blocks:
        raise Wrong(fix=_key_shape(value))
    return str(blocks[0])


@accepts("the text of a credentials file")
def credentials(value: Any) -> str:
    """The text of a file, ending with a line end."""
    if not isinstance(value, str) or re.search(r"[^\n\t\x20-\x7e\xa0-\U0010ffff]", value):
        raise Wrong
    refuse_noncharacters(value, "in the credentials")
    return value.rstrip("\n") + "\n" if value.strip() else ""


def _key_shape(value: str) -> str:
    """Return the fix for a text without a usable private key."""
    found = re.search(r"-----BEGIN ([A-Z0-9 ]{1,40})-----", value)
    if not found or found[1] in _LABELS:
        return _shape(value, found[1] if found else _LABELS[0])
    if found[1] == "OPENSSH PRIVATE KEY":
        return "it is a key of OpenSSH; write it as PEM: ssh-keygen -p -m PEM -N '' -f key"
    begin = f"-----BEGIN {_LABELS[0]}-----"
    return f"it contains a block {found[1]}, which is not a private key; it must begin with {begin}"


def _shape(value: str, label: str) -> str:
    """Return the fix for a text without a complete block of this kind."""
    if f"-----BEGIN {label}-----" not in value:
        return f"it must begin with -----BEGIN {label}-----"
    if f"-----END {label}-----" not in value:
        return f"its end is missing: -----END {label}-----; copy the complete file again"
    if not re.search(rf"^\s*-----BEGIN {label}-----\s*$", value, re.MULTILINE):
        return "its line breaks are missing; write it as a block, with | and not >, or look its file up"
    return "one of its lines is not base64; copy its file again"


def _pem(value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong
    return "".join(f"{line.strip()}\n" for line in value.splitlines())
