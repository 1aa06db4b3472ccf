# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Examine the certificates of a site: the one that nginx sends, and the file that it would read now."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import IO

from ..host.files import names
from ..host.shell import Shell, StepError
from ..model import regular
from ..nginx.dump import Config, Directive
from ..tls import openssl
from . import ask
from .client import shown
from .evidence import Entrance, Site
from .evidence_tls import CertificateFile

# A chain has three certificates; a distribution's bundle of CAs has hundreds and belongs to no site.
_TEXT_MAX, _BLOCKS_MAX = 1 << 20, 8
# How many files beside a certificate are searched for its issuer's.
_BESIDE_MAX = 12


class Asking(Shell):
    """Runs openssl with a time limit, and through pipes, because a disk may be full."""

    def run(
        self,
        step: str,
        argv: Sequence[str],
        user: str = "root",
        cwd: str = "/",
        environment: Mapping[str, str] | None = None,
        stdin: str | IO[bytes] = "",
        timeout: float = ask.COMMAND_TIMEOUT,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` as root. Raises `StepError` where it does not exist or does not end in time."""
        ran = ask.run(argv, stdin=stdin if isinstance(stdin, str) else "")
        if ran.status is None:
            raise StepError(self.site, step, f"{argv[0]}: {ran.err or 'no end in time'}")
        return subprocess.CompletedProcess(list(argv), ran.status, ran.out, ran.err)


def look_at_certificate(entrance: Entrance, site: Site, config: Config | None) -> None:
    """Fill in the certificate that a client gets at an entrance, and the one in the file that nginx reads."""
    shell = Asking(site.name, {})
    entrance.shown = shown(entrance, site.patience.ping)
    entrance.certificate = entrance.shown.fault
    if entrance.shown.pem:
        try:
            entrance.shown.leaf = openssl.leaf(shell, entrance.shown.pem)
        except StepError:  # without openssl its dates and names are still judged by Python's
            entrance.shown.leaf = None
    found = [_file(shell, named, config) for named in _named(entrance)]
    served = [file for file in found if _same(file, entrance)]
    # nginx may have one for each kind of key, and sends one of them.
    entrance.file = next(iter([*served, *reversed(found)]), None)
    if site.https.source and entrance.file:
        path = site.https.source
        entrance.file = _read(shell, CertificateFile(path, "web_sites[].tls", os.path.realpath(path)))
    if entrance.file:
        entrance.certificate_place = entrance.file.path
        if entrance.shown.distrust or not entrance.shown.pem:
            _look_for_issuer(shell, entrance.file)


def _named(entrance: Entrance) -> list[Directive]:
    """Return the `ssl_certificate` in force in the server of an entrance."""
    for block in reversed(entrance.server.chain if entrance.server else []):
        found = [named for named in block.all("ssl_certificate") if named.args]
        if found:
            return found
    return []


def _same(file: CertificateFile, entrance: Entrance) -> bool:
    leaf = entrance.shown.leaf
    return bool(file.leaf and leaf and file.leaf.fingerprint == leaf.fingerprint)


def _file(shell: Shell, named: Directive, config: Config | None) -> CertificateFile:
    given = named.args[0]
    if "$" in given or given.startswith("data:"):
        return CertificateFile(given, named.place, error="only nginx knows what that is")
    folder = os.path.dirname(config.files[0]) if config and config.files else "/etc/nginx"
    path = os.path.join(folder, given)
    return _read(shell, CertificateFile(path, named.place, os.path.realpath(path)))


def _read(shell: Shell, found: CertificateFile) -> CertificateFile:
    """Fill in what is in a file."""
    try:
        found.leaf = openssl.leaf(shell, _text(found.path))
    except OSError as error:
        found.error = error.strerror or str(error)
    except StepError as error:
        found.error = error.cause
    return found


def _look_for_issuer(shell: Shell, file: CertificateFile) -> None:
    """Check whether a file lacks the certificate of the issuer of the first one in it, and where that is."""
    if not file.leaf or file.leaf.self_signed:
        return
    try:
        text = _text(file.path)
        file.missing = openssl.missing_issuer(shell, "".join(openssl.blocks(text)[:_BLOCKS_MAX]))
    except (OSError, StepError):
        return
    if file.missing:
        told = ask.run(["openssl", "x509", "-noout", "-ext", "authorityInfoAccess"], stdin=openssl.blocks(text)[0])
        file.issuer_told = "CA Issuers" in told.out
        file.beside = _beside(shell, file)


def _beside(shell: Shell, file: CertificateFile) -> str:
    """Return a file in the same directory that has the certificate of the issuer, a whole chain first."""
    folder = os.path.dirname(file.path)
    likely = [name for name in names(folder) if name.endswith((".pem", ".cer", ".crt", ".ca-bundle"))]
    likely.sort(key=lambda name: (not name.startswith("fullchain"), name))
    for name in likely[:_BESIDE_MAX]:
        path = f"{folder}/{name}"
        try:
            blocks = openssl.blocks(_text(path))[:_BLOCKS_MAX]
            if any(openssl.certificate(shell, block).subject == file.missing for block in blocks):
                return path
        except (OSError, StepError):
            continue
    return ""


def _text(path: str) -> str:
    """Return the text of a file with certificates. Raises OSError."""
    with regular.opened(path) as stream:
        return stream.read(_TEXT_MAX).decode("ascii", "replace")
