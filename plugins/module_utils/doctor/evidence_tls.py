# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Evidence about https: certificates and their renewal, redirects, proxies in front. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..tls.openssl import Certificate


@dataclass
class CertificateFile:
    """A file that nginx reads a certificate from; `leaf` is None where it could not be read, `error` says why.

    `place` is the line of nginx's configuration that names it, `real` the file without links. `missing` is the issuer
    of the leaf, where neither the file nor the host has that one's certificate; `issuer_told` says whether the leaf
    names a place to get it from, as those of public CAs do, and `beside` is a file near it that has it.
    """

    path: str
    place: str = ""
    real: str = ""
    leaf: Certificate | None = None
    missing: str = ""
    issuer_told: bool = False
    beside: str = ""
    error: str = ""


@dataclass
class Shown:
    """What a server sends in a TLS handshake. `pem` is its certificate, '' where no handshake came about.

    `fault` is OpenSSL's verdict on its dates and names, `distrust` the one with the host's CAs; both are '' where it
    has nothing to say.
    """

    pem: str = ""
    leaf: Certificate | None = None
    fault: str = ""
    distrust: str = ""


@dataclass
class Trigger:
    """What renews the certificates of a program regularly: a timer of systemd or a cron job.

    `runs` says whether it does; where not, or not after a boot, `why` says why, and `fix` what turns it on. `ended` is
    how the last run of a timer's service failed, '' where it did not.
    """

    program: str
    name: str
    runs: bool
    why: str = ""
    fix: str = ""
    ended: str = ""


@dataclass
class Failures:
    """The runs of certbot for one certificate that failed, up to now and without a good one between them.

    `since` and `last` are as its log has them, `said` is what the CA or certbot said the last time. All are '' where
    the last run was a good one.
    """

    since: str = ""
    last: str = ""
    said: str = ""


@dataclass
class Renewal:
    """What renews the certificate of a site: `program` is certbot or acme.sh, '' if none is known.

    `name` is the certificate's at that program, `file` the configuration of its renewal. `off` is the reason why that
    does not happen, whatever starts the program.
    """

    program: str = ""
    name: str = ""
    file: str = ""
    off: str = ""
    triggers: list[Trigger] = field(default_factory=list)
    failures: Failures = field(default_factory=Failures)

    @property
    def runs(self) -> bool:
        return any(trigger.runs for trigger in self.triggers)


@dataclass
class Redirect:
    """One answer on the way from a first page: `maker` is the directive of nginx that made it, with its place.

    It is '' if the application did, or if not known. `by_application` says whether nginx passed the request on.
    """

    url: str
    status: int
    location: str
    maker: str = ""
    by_application: bool = False


@dataclass
class Walk:
    """The redirects from one first page on. `loops_at` is the URL that the way comes back to, '' where it ends.

    `leaves` is the URL at which it leaves the site, or leads to a closed port of this host; `unserved` says that
    this is the site's own name, over https, for which this host has no server. `heeded` says whether a client that
    seems to come by https, as a proxy would tell, is answered without that redirect. `dead` is the port of this host
    that the way leads to and on which nothing listens, else 0. `nameless` is what this host answers where the way leads
    to the
    same name with or without `www.`, and no server has that one; 0 if that name is not on this host.
    """

    start: str
    redirects: list[Redirect] = field(default_factory=list)
    loops_at: str = ""
    leaves: str = ""
    unserved: bool = False
    heeded: bool = False
    dead: int = 0
    nameless: int = 0


@dataclass
class InFront:
    """Signs of a proxy in front of nginx that nginx does not trust.

    `addresses` are the proxies' own, `lines` what was seen of them, `unset` a directive of nginx that has no effect.
    """

    addresses: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    greeted: bool = False
    unset: str = ""


@dataclass
class Https:
    """What the inventory says about https: `kind` is that of `tls`, '' if the inventory does not say.

    `source` is the file with a certificate that others renew; what nginx reads is a copy of it.
    """

    kind: str = ""
    source: str = ""
    canonical: str = ""
    trusted_proxies: list[str] = field(default_factory=list)
    placeholder: bool = False
