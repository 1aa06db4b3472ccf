"""Deploy a Django site into a new container, request it from outside, and let the doctor check every hop.

Run by `make demo`, after the tools, the engine and the image are ready. The container `pyweb-demo` is kept, and a
second run uses it again; `make destroy` removes it.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = ROOT / ".demo/inventory"
VARIABLES = "group_vars/web.yml"
REPORT = ROOT / ".demo"
CONTAINER = "pyweb-demo"
SITE = "mysite"
DOMAIN = "mysite.example"
BUNDLE = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
BUNDLE_THERE = "/etc/pyweb-test-ca.crt"
PORTS = {"http": 80, "https": 443}
BOOTED = ("running", "degraded")

HOSTS = f"""\
---
web:
  hosts:
    {CONTAINER}:
      ansible_connection: community.docker.docker
"""

GROUP_VARS = f"""\
---
# All that a site needs. Everything else has a default: change something, and run `make demo` again.
web_sites:
  - name: {SITE}
    domains: [{DOMAIN}]
    # Signed by the host itself, so a browser warns. Where the world can reach it on port 80: {{acme: {{}}}}
    tls: selfsigned
    health:
      path: /healthz
"""

ENVIRONMENT = f"""\
# The container reaches the package index by the same trust as this machine.
web_environment:
  SSL_CERT_FILE: {BUNDLE_THERE}
  PIP_CERT: {BUNDLE_THERE}
  REQUESTS_CA_BUNDLE: {BUNDLE_THERE}
"""


def main() -> int:
    platform = os.environ.get("PLATFORM", "debian12")
    headline(f"a bare {platform} host")
    address = start_container(f"pyweb-{platform}:bare")
    write_inventory()

    headline(f"ansible-playbook -i {INVENTORY.relative_to(ROOT)} playbooks/site.yml")
    start = time.monotonic()
    colour = {"ANSIBLE_FORCE_COLOR": "1"} if sys.stdout.isatty() else {}
    played = subprocess.run(
        ["ansible-playbook", "-i", str(INVENTORY), "playbooks/site.yml"],
        cwd=ROOT,
        env={**os.environ, **colour},
        stdin=subprocess.DEVNULL,
        check=False,
    ).returncode
    print(f"took {time.monotonic() - start:.0f} s", flush=True)

    headline("requested from outside")
    checks = questions(address)
    headline(f"ansible-playbook -i {INVENTORY.relative_to(ROOT)} playbooks/doctor.yml")
    chain = chain_is_ok(colour)
    good = played == 0 and all(check.good for check in checks) and chain
    if good:
        scheme = served_by()
        print(f"\nThe site answers at {scheme}://{DOMAIN}/, a name that you pass to curl on this machine:\n")
        print(f"    curl --insecure --resolve {DOMAIN}:{PORTS[scheme]}:{address} {scheme}://{DOMAIN}/\n")
        if scheme == "https":
            print("The certificate is self-signed, so a browser warns before it shows the page.")
        print(f"The doctor's page is {(REPORT / 'doctor.html').relative_to(ROOT)}.")
        print(f"Its inventory is {INVENTORY.relative_to(ROOT)}/; change it and run `make demo` again.")
        print("`make destroy` removes the container.")
    else:
        print("\nThe demo failed; the marks above show where.", file=sys.stderr)
    return 0 if good else 1


# --- the host ---------------------------------------------------------------------------------------------------------


def start_container(image: str) -> str:
    """Start the container, or use a running one of the same image; return its IP address."""
    wanted = docker("image", "inspect", "--format", "{{.Id}}", image)
    state = docker("container", "inspect", "--format", "{{.Image}} {{.State.Running}}", CONTAINER, check=False)
    if state == f"{wanted} true":
        print(f"the container {CONTAINER} exists already")
    else:
        docker("rm", "--force", CONTAINER, check=False)
        # systemd as PID 1, a firewall of its own, a root that may read other users' processes; without --privileged.
        rights = [f"--cap-add={name}" for name in ("SYS_ADMIN", "NET_ADMIN", "NET_RAW", "SYS_PTRACE")]
        rights += ["--cgroupns=private", "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"]
        places = ["--tmpfs=/run", "--tmpfs=/tmp:exec", "--stop-signal=SIGRTMIN+3", f"--hostname={CONTAINER}"]
        docker("run", "--detach", f"--name={CONTAINER}", "--label=owner=pyweb-demo", *rights, *places, image)
        print(f"started the container {CONTAINER} from {image}")
    wait_for_boot()
    if BUNDLE.is_file():
        docker("cp", "--follow-link", str(BUNDLE), f"{CONTAINER}:{BUNDLE_THERE}")
    networks = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    address = docker("container", "inspect", "--format", networks, CONTAINER).split()[0]
    print(f"it has the address {address}", flush=True)
    return address


def wait_for_boot(seconds: int = 60) -> None:
    end = time.monotonic() + seconds
    while (state := docker("exec", CONTAINER, "systemctl", "is-system-running", check=False)) not in BOOTED:
        if time.monotonic() > end:
            sys.exit(f"systemd in the container {CONTAINER} has not booted in {seconds} s; it says: {state}")
        time.sleep(0.2)


def write_inventory() -> None:
    """Write the inventory; a changed file is kept."""
    variables = GROUP_VARS + ("\n" + ENVIRONMENT if BUNDLE.is_file() else "")
    for name, text in (("hosts.yml", HOSTS), (VARIABLES, variables)):
        path = INVENTORY / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(text, encoding="utf-8")


# --- the questions ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    name: str
    good: bool
    evidence: str


def questions(address: str) -> list[Check]:
    """Check what a client sees: https from http, the page, a static file of it, the health check, an unknown name."""
    scheme = served_by()
    checks = []
    if scheme == "https":
        led = ask(address, "/", "http")
        checks.append(
            shown(Check("from http to https", led.location == f"https://{DOMAIN}/", f"GET / by http -> {led}"))
        )
    page = ask(address, "/", scheme)
    checks.append(shown(Check("the page", page.status == 200, f"GET / -> {page}")))

    hashed = re.search(r"""(?:href|src)=["'](/[^"']+\.[0-9a-f]{12}\.css)["']""", page.body)
    if hashed:
        style = ask(address, hashed.group(1), scheme)
        checks.append(shown(Check("its style sheet", style.status == 200, f"GET {hashed.group(1)} -> {style}")))
    else:
        checks.append(shown(Check("its style sheet", False, "the page names no style sheet with a hash in its name")))

    health = ask(address, "/healthz", scheme)
    checks.append(shown(Check("its health", health.status == 200, f"GET /healthz -> {health}")))

    stranger = ask(address, "/", scheme, "no-such-site.example")
    refused = page.status > 0 and (stranger.status == 0 or stranger.status >= 400)
    checks.append(shown(Check("an unknown name", refused, f"GET / with another name -> {stranger}")))
    return checks


def served_by() -> str:
    """Return https, unless the inventory has no `tls`, or is of an earlier version."""
    text = (INVENTORY / VARIABLES).read_text(encoding="utf-8")
    return "https" if re.search(r"^\s+tls: (?!none)", text, re.MULTILINE) else "http"


def chain_is_ok(colour: dict[str, str]) -> bool:
    """Return every hop from the client to the data, as the doctor reports it; its page is beside the inventory."""
    examined = subprocess.run(
        ["ansible-playbook", "-i", str(INVENTORY), "playbooks/doctor.yml", "-e", f"doctor_report={REPORT}"],
        cwd=ROOT,
        env={**os.environ, **colour},
        stdin=subprocess.DEVNULL,
        check=False,
    ).returncode
    try:
        hosts = json.loads((REPORT / "doctor.json").read_text(encoding="utf-8"))["hosts"]
    except (OSError, ValueError):
        return False
    return examined == 0 and all(site["status"] == "ok" for host in hosts for site in host["sites"])


@dataclass(frozen=True)
class Answer:
    status: int  # 0: no answer
    body: str = ""
    location: str = ""
    failure: str = ""

    def __str__(self) -> str:
        if not self.status:
            return f"no answer ({self.failure})"
        return f"{self.status} to {self.location}" if self.location else str(self.status)


def ask(address: str, path: str, scheme: str, host: str = DOMAIN) -> Answer:
    """Request like a browser after its warning: with the name, and any certificate."""
    connection = HTTPConnection(address, PORTS[scheme], timeout=15)
    try:
        connection.connect()
        if scheme == "https":
            connection.sock = any_certificate().wrap_socket(connection.sock, server_hostname=host)
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        body = response.read().decode("utf-8", "replace")
        return Answer(response.status, body, response.headers.get("Location", ""))
    except (OSError, HTTPException) as error:
        return Answer(0, failure=str(error) or type(error).__name__)
    finally:
        connection.close()


def any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# --- the words --------------------------------------------------------------------------------------------------------


def mark(check: Check) -> str:
    return "ok" if check.good else "BROKEN"


def shown(check: Check) -> Check:
    print(f"  {mark(check):<6}  {check.name:<18} {check.evidence}", flush=True)
    return check


def headline(text: str) -> None:
    print(f"\n==> {text}", flush=True)


def docker(*arguments: str, check: bool = True) -> str:
    """Return docker's output, without blanks around it; exit if it fails and `check` is set."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=120
    )
    if check and done.returncode:
        sys.exit(f"docker {' '.join(arguments)} failed:\n{done.stderr.strip()}")
    return done.stdout.strip() or (done.stderr.strip() if done.returncode else "")


if __name__ == "__main__":
    sys.exit(main())
