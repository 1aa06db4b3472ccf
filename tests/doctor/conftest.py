"""One container at a time: a host that this collection manages, then one that was set up by hand after the tutorial.

A case breaks something in it, asks the doctor by way of Ansible, and heals it again. Environment: PYWEB_PLATFORM
chooses the image, PYWEB_PREFIX begins the container's name, DOCTOR_KEEP=1 leaves the containers and goes on with those
that are there.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
PLATFORM = os.environ.get("PYWEB_PLATFORM", "debian12")
PREFIX = os.environ.get("PYWEB_PREFIX", "pyweb")
KEEP = bool(os.environ.get("DOCTOR_KEEP"))
BUNDLE = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
BUNDLE_THERE = "/etc/pyweb-test-ca.crt"
TRUST = dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"), BUNDLE_THERE)
RIGHTS = ["--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN", "--cap-add=NET_RAW", "--cgroupns=private"]
RIGHTS += ["--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"]
RIGHTS += ["--tmpfs=/run", "--tmpfs=/tmp:exec", "--stop-signal=SIGRTMIN+3"]

# A machine that runs tests side by side is a slow one.
PATIENCE = 20
SECRET = "xyzzy-secret-text"
MYSITE = {
    "name": "mysite",
    "domains": ["mysite.example"],
    "health": {"path": "/healthz", "status": [200]},
    "packages": ["psycopg[binary]"],
    "env": {"MAIL_PASSWORD": SECRET},
    "superuser": {"username": "admin", "email": "admin@mysite.example", "password": SECRET},
}
PORTY = {"name": "porty", "domains": ["porty.example"], "uwsgi": {"socket": "127.0.0.1:8001"}}
TUTORIAL = {"name": "mysite", "domains": ["example.com"]}


@dataclass
class Box:
    """A container, and the ways to talk to it."""

    name: str

    def sh(self, script, prelude="", check=True, timeout=120):
        """Run a script as root; what it printed."""
        done = subprocess.run(
            ["docker", "exec", "-i", self.name, "bash", "-s"],
            input=f"set -e\n{prelude}\n{script}\n",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def doctor(self, *sites, **options):
        """What the module says, by way of Ansible: (report of the first site, the whole output as text)."""
        done = self.doctor_anyhow(*sites, **options)
        try:
            result = json.loads(done.stdout.partition("=> ")[2])
        except ValueError:
            pytest.fail(done.stdout + done.stderr)
        assert "sites" in result, json.dumps(result, indent=1)
        return result["sites"][0], done.stdout

    def doctor_anyhow(self, *sites, **options):
        """Ask the doctor, whatever comes of it."""
        words = ["ansible", "all", "-i", f"{self.name},", "-c", "community.docker.docker"]
        arguments = {"sites": list(sites), "patience": PATIENCE, **options}
        words += ["-m", "pyweb.stack.site_doctor", "-a", json.dumps(arguments)]
        return ansible(words, ANSIBLE_CALLBACK_RESULT_FORMAT="json")

    def play(self, playbook, sites, *words, **variables):
        """Run a playbook against the container."""
        inventory = HERE / f".inventory-{self.name}.json"
        hosts = {self.name: {"ansible_connection": "community.docker.docker"}}
        group = {"web_sites": sites, "web_environment": TRUST, **variables}
        inventory.write_text(json.dumps({"web": {"hosts": hosts, "vars": group}}), encoding="utf-8")
        try:
            return ansible(["ansible-playbook", "-i", str(inventory), str(ROOT / "playbooks" / playbook), *words])
        finally:
            inventory.unlink()

    @property
    def address(self):
        networks = json.loads(_docker("inspect", self.name))[0]["NetworkSettings"]["Networks"]
        return next(one["IPAddress"] for one in networks.values() if one["IPAddress"])


@pytest.fixture(scope="module")
def managed():
    """Two sites of this collection's own making: one over a unix socket, one over TCP."""
    with _container("managed") as (box, fresh):
        if fresh:
            played = box.play("site.yml", [MYSITE, PORTY])
            assert played.returncode == 0, played.stdout + played.stderr
        yield box


@pytest.fixture(scope="module")
def by_hand():
    """What somebody gets who types the tutorial: tests/doctor/tutorial.sh."""
    with _container("tutorial") as (box, fresh):
        if fresh:
            box.sh((HERE / "tutorial.sh").read_text(encoding="utf-8"))
        yield box


class _container:
    """A booted container from the baked image; removed at the end unless DOCTOR_KEEP says otherwise."""

    def __init__(self, role):
        self.box = Box(f"{PREFIX}-doctor-{role}-{PLATFORM}")

    def __enter__(self):
        name = self.box.name
        if KEEP and _docker("ps", "--quiet", "--filter", f"name=^{name}$", "--filter", "status=running").strip():
            return self.box, False
        subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, check=False)
        image = f"pyweb-{PLATFORM}:baked"
        _docker("run", "--detach", f"--name={name}", f"--hostname={name}", "--label=owner=pyweb-test", *RIGHTS, image,
                "/lib/systemd/systemd")  # fmt: skip
        deadline = time.monotonic() + 60
        while self.box.sh("systemctl is-system-running || true", check=False).strip() not in ("running", "degraded"):
            assert time.monotonic() < deadline, "systemd has not booted within 60 s"
            time.sleep(0.2)
        _docker("cp", "--follow-link", str(BUNDLE), f"{name}:{BUNDLE_THERE}")
        return self.box, True

    def __exit__(self, *_error):
        if not KEEP:
            _docker("rm", "--force", "--volumes", self.box.name)


def ansible(words, **environment):
    return subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def _docker(*words):
    return subprocess.run(["docker", *words], capture_output=True, text=True, timeout=120, check=True).stdout


def pytest_sessionfinish():
    """The table is of the platform that is named first everywhere."""
    import cases
    import table

    titles = [case.title for case in [*cases.MANAGED_CASES, *cases.BY_HAND_CASES]]
    if PLATFORM == "debian12":
        table.write(titles, cases.PAIRED, PLATFORM)
