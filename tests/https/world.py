"""A host whose sites have every kind of HTTPS, its inventory, and the CA beside it."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import platforms
from authority import Authority, Scan
from client import Answer, ask
from fixtures import PLATFORM
from host import Host, Run
from sites import Inventory, Project, site
from visitor import Shown, Visitor, shown_to_anybody

DEBIAN = platforms.PLATFORMS[PLATFORM].os_family == "Debian"
RENEWAL = "certbot.service" if DEBIAN else "certbot-renew.service"
TIMER = RENEWAL.replace(".service", ".timer")
WAIT_SECONDS = 20


@dataclass
class World:
    """The host, the CA, the current inventory, and the result of the first run."""

    host: Host
    authority: Authority
    project: Project
    sites: Inventory
    first: Run | None = None
    pairs: dict[str, tuple[str, str]] = field(default_factory=dict)
    scans: dict[str, Scan] = field(default_factory=dict)

    # --- the inventory ---

    def set(self, name: str, **keys: Any) -> None:
        """Change keys of a site in the inventory."""
        self.sites = self.sites.with_(name, **keys)

    def add(self, name: str, **keys: Any) -> None:
        self.sites = Inventory((*self.sites.sites, site(name, self.project, **keys)))

    def acme(self, challenge: Any = "http") -> dict[str, Any]:
        return {"acme": {"directory": self.authority.directory, "ca": self.authority.ca, "challenge": challenge}}

    def play(self) -> Run:
        return self.host.play(self.sites.sites)

    def converge(self) -> Run:
        return self.host.deploy(self.sites.sites)

    # --- clients ---

    @property
    def visitor(self) -> Visitor:
        """Return a new client that trusts the CA."""
        return Visitor(self.host.address, self.authority.root)

    def visitor_of(self, name: str, port: int = 443) -> Visitor:
        """Return a client that has accepted the site's certificate, which no CA has issued."""
        return Visitor(self.host.address, shown_to_anybody(self.host.address, f"{name}.example", port))

    def shown(self, name: str) -> Shown:
        return self.visitor.look(f"{name}.example")

    def http(self, name: str, path: str = "/", headers: dict[str, str] | None = None) -> Answer:
        return ask(self.host.address, f"{name}.example", path, headers=headers)

    def wait_for(self, what: Callable[[], object], why: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not what():
            assert time.monotonic() < deadline, why
            time.sleep(0.2)  # between two checks until the deadline

    # --- the host ---

    def renew(self) -> subprocess.CompletedProcess[str]:
        """Start the service that the timer starts twice a day."""
        return self.host.run(f"systemctl start {RENEWAL}")

    def assert_renewed(self, name: str, before: Shown) -> None:
        """Wait for the new certificate: nginx's old processes may answer for a moment after a reload."""
        self.wait_for(lambda: self.shown(name).serial != before.serial, f"{name} still sends its old certificate")

    def live(self, name: str) -> str:
        """Return the directory of the pair that nginx serves."""
        return self.host.told(f"readlink /etc/sites/{name}/tls/live")

    @contextlib.contextmanager
    def refused(self, chain: str, rule: str) -> Iterator[None]:
        """Refuse connections with another firewall: incoming ones in the chain `input`, outgoing ones in `output`."""
        self.nft(
            "add table inet outer",
            f"add chain inet outer refused {{ type filter hook {chain} priority -500 ; }}",
            f"add rule inet outer refused {rule} reject with tcp reset",
        )
        try:
            yield
        finally:
            self.nft("delete table inet outer")

    def nft(self, *commands: str) -> None:
        """Change the packet filter with the library that firewalld uses, because `nft` is not installed everywhere."""
        script = (
            "import nftables, sys; status, _, error = nftables.Nftables().cmd(sys.stdin.read()); sys.exit(error or 0)"
        )
        self.host.told(f'python3 -c "{script}"', "\n".join(commands))

    @contextlib.contextmanager
    def broken_nginx(self) -> Iterator[None]:
        """Add a file of another administrator that nginx refuses, so that nginx cannot be reloaded."""
        path = "/etc/nginx/conf.d/somebody.conf"
        self.host.told(f"echo 'server {{ listen 81; no_such_directive; }}' > {path}")
        try:
            yield
        finally:
            self.host.told(f"rm {path}")

    def pair(self, name: str) -> tuple[str, str]:
        """Make a certificate for a site, as an administrator might have one, and its key, both as PEM."""
        told = self.authority.run(
            "cd $(mktemp -d) && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90"
            f" -subj /CN={name}.example -addext subjectAltName=DNS:{name}.example -keyout key -out certificate 2>&1"
            " && cat certificate && echo // && cat key"
        )
        certificate, _slashes, key = told[told.index("-----BEGIN CERT") :].partition("//\n")
        return certificate, key

    def write(self, path: str, text: str) -> None:
        """Replace a file on the host, as programs that renew certificates do."""
        self.host.told(f"cat > {shlex.quote(path)}.new && mv {shlex.quote(path)}.new {shlex.quote(path)}", text)


def seen(answer: Answer) -> dict[str, Any]:
    """Return what the project saw of a request."""
    assert answer.status == 200, answer
    return dict(json.loads(answer.body))
