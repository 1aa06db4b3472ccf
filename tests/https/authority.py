"""A CA that speaks ACME: pebble, in a container beside the host, with its own DNS server."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from functools import cached_property

import pebble
from host import docker

IMAGE = "pyweb-debian12:pebble"
START_SECONDS = 30
SCAN_SECONDS = 600
# Certificates of six days: certbot considers them due immediately, so every run of its timer renews them.
LIFETIME_SECONDS = 6 * 24 * 3600
CONFIG = {**pebble.CONFIG, "certificateValidityPeriod": LIFETIME_SECONDS}
# The http.server answers 404 to all requests; tests can make a name resolve to it, as to another server. Without
# AUTHZREUSE=0, the CA would remember validated names and not always request the challenge that must fail.
SERVE = """
set -e
mkdir -p /ca/empty
cd /ca
printf %s "$2" > config.json
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=pebble \\
    -addext "subjectAltName=IP:$(hostname -i)" -keyout key.pem -out cert.pem
python3 -m http.server --directory empty 80 > /dev/null 2>&1 &
pebble-challtestsrv -defaultIPv4 "$1" -defaultIPv6 "" -http01 "" -https01 "" -tlsalpn01 "" > /dev/null &
export PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 PEBBLE_AUTHZREUSE=0
exec pebble -config config.json -dnsserver 127.0.0.1:8053
"""


@dataclass
class Scan:
    """A run of testssl.sh in the CA's container."""

    authority: Authority
    name: str
    process: subprocess.Popen[bytes]

    def findings(self) -> dict[str, tuple[str, str]]:
        """Wait until it has ended, and return its findings: id to severity and text."""
        self.process.wait(SCAN_SECONDS)
        told = self.authority.run(f"cat /ca/{self.name}.json || tail -n 50 /ca/{self.name}.log")
        assert told.startswith("["), told
        return {found["id"]: (found["severity"], found["finding"]) for found in json.loads(told)}


@dataclass
class Authority:
    """A container with the CA. Every name resolves to `target`, except those set with `lead`."""

    name: str
    target: str

    def start(self) -> None:
        self.remove()
        words = ["sh", "-c", SERVE, "sh", self.target, json.dumps({"pebble": CONFIG})]
        docker("run", "--detach", f"--name={self.name}", "--label=owner=pyweb-test", IMAGE, *words)
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            assert time.monotonic() < deadline, f"pebble does not answer: {self.log()[-2000:]}"
            time.sleep(0.2)  # between two checks until the deadline

    def remove(self) -> None:
        subprocess.run(["docker", "rm", "--force", "--volumes", self.name], capture_output=True, check=False)

    @cached_property
    def address(self) -> str:
        networks = json.loads(docker("inspect", self.name))[0]["NetworkSettings"]["Networks"]
        return str(next(network["IPAddress"] for network in networks.values() if network["IPAddress"]))

    @property
    def directory(self) -> str:
        return f"https://{self.address}:14000/dir"

    @property
    def dns(self) -> str:
        """Return the URL that controls the answers of its DNS server."""
        return f"http://{self.address}:8055"

    @cached_property
    def ca(self) -> str:
        """Return the certificate with which its own HTTPS is verified."""
        return self.run("cat /ca/cert.pem")

    @cached_property
    def root(self) -> str:
        """Return the root certificate with which the certificates that it issues are verified."""
        with urllib.request.urlopen(f"https://{self.address}:15000/roots/0", context=self._trust(), timeout=10) as page:
            return str(page.read().decode())

    def answers(self) -> bool:
        try:
            return bool(self.root)
        except (OSError, AssertionError, StopIteration, ssl.SSLError):
            self.__dict__.pop("ca", None)
            self.__dict__.pop("address", None)
            return False

    def log(self) -> str:
        done = subprocess.run(["docker", "logs", self.name], capture_output=True, text=True, check=False, timeout=60)
        return done.stdout + done.stderr

    @property
    def orders(self) -> int:
        """Return how many certificates were ordered, issued or not."""
        return len(re.findall(r"POST /order-plz ", self.log()))

    @property
    def questions(self) -> int:
        """Return how many ACME requests it received."""
        return len(re.findall(r"(?:GET|POST|HEAD) /(?!roots)", self.log()))

    def lead(self, name: str, address: str = "") -> None:
        """Make a name resolve to an address; '' undoes that."""
        what, body = ("add-a", {"host": name, "addresses": [address]}) if address else ("clear-a", {"host": name})
        data = json.dumps(body).encode()
        urllib.request.urlopen(f"{self.dns}/{what}", data=data, timeout=10).close()

    def begin_scan(self, name: str, port: int, root: str, *questions: str) -> Scan:
        """Start testssl.sh on a site of the host, which takes a minute of a core."""
        self.run(f"cat > /ca/{name}.root <<'END'\n{root}\nEND")
        script = (
            f"nice -n 19 testssl --quiet --color 0 --warnings off {' '.join(questions)} --ip {self.target}"
            f" --add-ca /ca/{name}.root --jsonfile /ca/{name}.json {name}.example:{port}"
            f" </dev/null >/ca/{name}.log 2>&1"
        )
        words = ["docker", "exec", self.name, "sh", "-c", script]
        return Scan(self, name, subprocess.Popen(words, stdin=subprocess.DEVNULL))

    def run(self, script: str) -> str:
        """Run a shell script in the container, which must succeed, and return what it printed."""
        words = ["docker", "exec", self.name, "sh", "-c", script]
        done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=600)
        assert done.returncode == 0, f"in {self.name}: {script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.ca)
