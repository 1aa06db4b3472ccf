# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write the file with which nginx verifies passwords for HTTP basic authentication of a site.

The hashes are SHA-512 crypt ($6$), which crypt() of every platform knows. It is implemented here because Python's own
module was removed in 3.13, and so that no other program gets a password. A hash that matches its password is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Any

from ..host.files import read_or_empty
from . import names

_DIGITS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# From here to `_encoded`: "Unix crypt using SHA-256 and SHA-512", Ulrich Drepper, 0.6; the numbers are its default.
_ROUNDS, _SALT, _SIZE = 5000, 16, 64


def entries(logins: Mapping[str, Mapping[str, str]], group: str) -> list[dict[str, Any]]:
    """Return the `files` of `nginx_set` for site name -> user -> password; nginx's `group` can read them."""
    return [
        {
            "template": None,
            "vars": {},
            "link": None,
            "edits": None,
            "state": "present",
            "marked": "",
            "keep": False,
            "prune": False,
            "note": "",
            "path": names.beside_site(name, "htpasswd"),
            "content": text(name, users, read_or_empty(names.beside_site(name, "htpasswd"))),
            "of": name,
            "owner": "root",
            "group": group,
            "mode": "0640",
            "secret": True,
        }
        for name, users in sorted(logins.items())
        if users
    ]


def text(name: str, users: Mapping[str, str], before: str) -> str:
    """Return the file of a site; matching hashes of the previous file `before` are kept."""
    known = dict(re.findall(r"(?m)^([^#:\n][^:\n]*):(\$6\$\S+)$", before))
    lines = [f"# {names.MARK}: who may log in to site {name}"]
    for user, password in sorted(users.items()):
        found = known.get(user, "")
        lines.append(f"{user}:{found if fits(password, found) else hashed(password)}")
    return "\n".join(lines) + "\n"


def fits(password: str, found: str) -> bool:
    """Return whether a hash matches this password, and is of the kind that is made here."""
    parts = re.fullmatch(r"\$6\$([./0-9A-Za-z]{1,16})\$[./0-9A-Za-z]{86}", found)
    return bool(parts) and hmac.compare_digest(hashed(password, parts[1] if parts else ""), found)


def hashed(password: str, salt: str = "") -> str:
    """Return the hash of a password, with a new salt if none is given."""
    salt = salt or "".join(secrets.choice(_DIGITS) for _digit in range(_SALT))
    return f"$6${salt}${_encoded(_digest(password.encode(), salt.encode()))}"


def _digest(password: bytes, salt: bytes) -> bytes:
    mixed = hashlib.sha512(password + salt + password).digest()
    first = password + salt + _repeated(mixed, len(password))
    length = len(password)
    while length:
        first += mixed if length & 1 else password
        length >>= 1
    result = hashlib.sha512(first).digest()
    own = _repeated(hashlib.sha512(password * len(password)).digest(), len(password))
    salted = _repeated(hashlib.sha512(salt * (16 + result[0])).digest(), len(salt))
    for number in range(_ROUNDS):
        odd = number & 1
        middle = (salted if number % 3 else b"") + (own if number % 7 else b"")
        result = hashlib.sha512((own if odd else result) + middle + (result if odd else own)).digest()
    return result


def _repeated(digest: bytes, length: int) -> bytes:
    return (digest * (length // _SIZE + 1))[:length]


def _encoded(digest: bytes) -> str:
    """Return a digest in crypt's own base 64: three bytes of each third in turn, the last one alone."""
    result = []
    for number in range(21):
        order = [number, number + 21, number + 42]
        turn = number % 3
        high, middle, low = (digest[place] for place in order[turn:] + order[:turn])
        result.append(_word(high << 16 | middle << 8 | low, 4))
    return "".join(result) + _word(digest[63], 2)


def _word(value: int, length: int) -> str:
    return "".join(_DIGITS[value >> 6 * place & 63] for place in range(length))
