"""Where a page is read: a controller, and the hosts that the page names, on a network of their own.

A page's own needs are in beds/PAGE.py (with _ for -), all of it optional:

    FLAVOURS = {"web1": "baked"}        hosts on which the packages are installed already; the others are bare
    NAMES = {"git.example.com": "git"}  names below example.com and the container that has each; `git` is made for it
    PASSWORDLESS = True                sudo asks for no password
    def prepare(bed): ...              called when everything runs
    def before(bed, block): ...        called before each block of commands; does what the text leaves to the reader
"""

from __future__ import annotations

import re
import runpy
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import galaxy
from fixtures import PLATFORM, PREFIX
from host import BUNDLE, ROOT, Host, docker
from session import PASSWORD, Session

HERE = Path(__file__).resolve().parent
NAME = re.compile(r"(?<![\w.*-])((?:[a-z0-9-]+\.)+example\.com)\b")
HOST = re.compile(r"web\d+")
INSTALL = "ansible-galaxy collection install pyweb.stack"
# The addresses of the pages, which are for documentation alone: .10 is web1's, .11 is web2's.
ADDRESS = "192.0.2.{}"
FIRST_ADDRESS = 9
SYSTEM_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
TRUST = dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO"), SYSTEM_BUNDLES[0])
# What every inventory of the tests says: builds on the hosts trust what this machine does. Here no inventory says it.
TRUSTING = """
from ansible.plugins.vars import BaseVarsPlugin


class VarsModule(BaseVarsPlugin):
    def get_vars(self, loader, path, entities):
        names = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")
        return {"web_environment": dict.fromkeys(names, "/etc/ssl/certs/ca-certificates.crt")}
"""


class Bed:
    """The containers of one page. `work` is a directory of this machine for what they are given."""

    def __init__(
        self, page: str, text: str, work: Path, core: str = "", controller: str = "debian12", flavour: str = "bare"
    ) -> None:
        self.own = own_module(page)
        self.work, self.text = work, text
        self.network = f"{PREFIX}-guides-{page.lower()}-{PLATFORM}"
        self.containers = {
            "controller": self._made("controller", image("controller", controller, core or pinned_core()))
        }
        self.passwordless: bool = self.own.get("PASSWORDLESS", False)
        owners: dict[str, str] = self.own.get("NAMES", {})
        self.names = {name: owners.get(name) or owner(name) for name in {*NAME.findall(text), *owners}}
        flavours: dict[str, str] = self.own.get("FLAVOURS", {})
        for name in sorted({"web1", *self.names.values(), *re.findall(r"\bon=([\w-]+)", text)}):
            self.containers[name] = self._made(name, image("host", PLATFORM, flavours.get(name, flavour)))
        self.sessions: dict[str, Session] = {}

    def _made(self, name: str, made_of: str) -> Host:
        return Host(f"{self.network}-{name}", made_of, self.work)

    # --- the containers ---

    @property
    def controller(self) -> Host:
        return self.containers["controller"]

    def host(self, name: str = "web1") -> Host:
        return self.containers[name]

    @property
    def hosts(self) -> dict[str, Host]:
        return {name: host for name, host in self.containers.items() if name != "controller"}

    def session(self, on: str = "") -> Session:
        """The terminal of `me` on the controller, or of `admin` on a host."""
        if on not in self.sessions:
            user = "admin" if on else "me"
            environment = dict(TRUST) if on else {**TRUST, "ANSIBLE_GALAXY_SERVER": galaxy.URL}
            self.sessions[on] = Session(self.host(on) if on else self.controller, user, environment)
        return self.sessions[on]

    def substituted(self, text: str) -> str:
        """Return a text of the page with the addresses of the hosts in place of those for documentation."""
        for name, shown in self._addresses():
            text = re.sub(rf"\b{re.escape(shown)}\b", self.host(name).address, text)
        return text

    def shown(self, output: str) -> str:
        """Return an output with the addresses that the page shows."""
        for name, shown in self._addresses():
            output = re.sub(rf"\b{re.escape(self.host(name).address)}\b", shown, output)
        return output

    def _addresses(self) -> list[tuple[str, str]]:
        return [(name, ADDRESS.format(FIRST_ADDRESS + int(name[3:]))) for name in self.hosts if HOST.fullmatch(name)]

    # --- its life ---

    def start(self, archive: Path) -> None:
        docker("network", "create", "--label=owner=pyweb-test", self.network)
        for name, host in self.containers.items():
            aliases = [name, *(alias for alias, owner_ in self.names.items() if owner_ == name)]
            host.options = [f"--network={self.network}", *(f"--network-alias={alias}" for alias in aliases)]
            host.hostname = name
            host.start()
            if BUNDLE.is_file():
                for path in SYSTEM_BUNDLES:
                    host.run(f"[ -d {Path(path).parent} ] && cp --remove-destination /etc/pyweb-test-ca.crt {path}")
        self._connect()
        self._serve(archive)
        if INSTALL not in self.text:  # the page says where that is described
            installed = self.session().type(INSTALL)
            assert installed.status == 0, installed.output
        self.own.get("prepare", lambda _bed: None)(self)

    def _connect(self) -> None:
        """A key for `me`, with which root and admin of the hosts let in. `me` has logged in to each of them before."""
        key = "/home/me/.ssh/id_ed25519"
        self.controller.told(
            f"install -d -m 700 -o me -g me /home/me/.ssh; su me -c 'ssh-keygen -q -t ed25519 -N \"\" -f {key}'"
        )
        public = self.controller.told(f"cat {key}.pub")
        known = "/home/me/.ssh/known_hosts"
        for name, host in self.hosts.items():
            names = [name, host.address, *(alias for alias, owner_ in self.names.items() if owner_ == name)]
            key_of_host = host.told("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")
            self.controller.told(f"cat >>{known}; chown me: {known}", stdin=f"{','.join(names)} {key_of_host}\n")
            for user, home in (("root", "/root"), ("admin", "/home/admin")):
                keys = f"{home}/.ssh/authorized_keys"
                host.told(f"cat >>{keys}; chown {user}: {keys}; chmod 600 {keys}", stdin=f"{public}\n")
            if self.passwordless:
                host.told("echo 'admin ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin")

    def _serve(self, archive: Path) -> None:
        """Galaxy, for the controller alone."""
        folder = self.work / "galaxy"
        galaxy.write(archive, folder)
        self.controller.copy(folder, "/srv/galaxy")
        listen = f"--bind 127.0.0.1 --directory /srv/galaxy {galaxy.PORT}"
        self.controller.told(f"systemd-run --quiet --unit=galaxy python3 -m http.server {listen}")
        plugins = "/home/me/.ansible/plugins/vars"
        self.controller.told(
            f"mkdir -p {plugins}; cat >{plugins}/trusting.py; chown -R me: /home/me/.ansible", stdin=TRUSTING
        )

    def remove(self) -> None:
        for host in self.containers.values():
            host.remove()
        subprocess.run(["docker", "network", "rm", self.network], capture_output=True, check=False)

    def evidence(self) -> Iterator[tuple[str, str]]:
        """What the hosts have to say after a failure."""
        for name, host in self.hosts.items():
            yield f"journal of {name}", host.journal(30)
            yield f"nginx on {name}", host.run("tail -n 20 /var/log/nginx/*error.log").stdout


@contextmanager
def running(page: str, text: str, work: Path, archive: Path, **more: Any) -> Iterator[Bed]:
    """Start the containers for a text, and remove them at the end. A failure gets what the hosts say as its notes."""
    bed = Bed(page, text, work, **more)
    try:
        bed.remove()
        bed.start(archive)
        yield bed
    except BaseException as failure:
        for title, lines in bed.evidence():
            failure.add_note(f"--- {title} ---\n{lines}")
        raise
    finally:
        bed.remove()


def owner(name: str) -> str:
    """Return the host that a name below example.com belongs to where the page's bed does not say it."""
    first = name.partition(".")[0]
    return first if HOST.fullmatch(first) else "web1"


def own_module(page: str) -> dict[str, Any]:
    path = HERE / f"beds/{page.replace('-', '_')}.py"
    return runpy.run_path(str(path)) if path.exists() else {}


def pinned_core() -> str:
    """Return the ansible-core that this project's own tools have."""
    text = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    return re.findall(r"(?m)^ansible-core(==\S+)$", text)[0]


def image(kind: str, platform: str, variant: str) -> str:
    """Return the name of an image, which is built if it is missing."""
    command = [str(HERE / "images/build.sh"), kind, platform, variant]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


__all__ = ["PASSWORD", "Bed", "running"]
