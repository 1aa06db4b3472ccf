"""Measure the budgets of the design in one run, as ratios: `make bench`.

A shell script that types the same steps (tutorial.sh), a playbook that does them with Ansible's own modules (plain.yml)
and the collection's each take a bare container to a served site, in turns, so that all meet the same machine and
caches. Then the collection's second run, a code deploy, a rollback and a second run of eleven sites are timed, and the
module calls of each are counted on the host. Exits with 1 when a budget is broken.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PLATFORM = os.environ.get("PLATFORMS", "debian12").split()[0]
ROUNDS = int(os.environ.get("ROUNDS", "2"))
BUNDLE = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
BUNDLE_THERE = "/etc/pyweb-test-ca.crt"
DOMAIN = "mysite.example"
ENGINE = [
    "docker",
    "run",
    "--detach",
    "--cap-add=SYS_ADMIN",
    "--cap-add=NET_ADMIN",
    "--cap-add=NET_RAW",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--cgroupns=private",
    "--tmpfs=/run",
    "--tmpfs=/tmp:exec",
]


def main() -> int:
    work = Path(tempfile.mkdtemp(prefix="pyweb-bench-"))
    remove_containers()
    try:
        return measure(work)
    finally:
        remove_containers()
        shutil.rmtree(work)


def measure(work: Path) -> int:
    code = work / "mysite"
    shutil.copytree(ROOT / "examples/mysite", code)
    shell, plain, first = [], [], []
    for number in range(ROUNDS):
        say(f"round {number + 1} of {ROUNDS}: the shell script on a bare {PLATFORM} host")
        shell.append(type_the_tutorial())
        say(f"round {number + 1} of {ROUNDS}: a playbook of the same steps on a bare {PLATFORM} host")
        plain.append(play_the_tutorial(work, code))
        say(f"round {number + 1} of {ROUNDS}: the collection on a bare {PLATFORM} host")
        container("pyweb-bench")
        first.append(play(work, [site(code)])[0])
        ask("pyweb-bench")
    say("the playbook's second run, three times")
    second = [play(work, [site(code)]) for _ in range(3)]
    say("three deploys of a code change")
    deploys = []
    for number in range(3):
        (code / "gallery/bench.py").write_text(f"NUMBER = {number}\n", encoding="utf-8")
        deploys.append(play(work, [site(code)], "deploy.yml"))
    say("three rollbacks, forth and back")
    rollbacks = [play(work, [site(code)], "rollback.yml") for _ in range(3)]
    say("eleven sites: the first run, then the second")
    eleven = [site(code), *({"name": f"more{n}", "domains": [f"more{n}.example"]} for n in range(10))]
    play(work, eleven)
    many = play(work, eleven)

    budgets = [
        ("first converge / shell script", min(first) / min(shell), 1.3, f"{min(first):.1f} s / {min(shell):.1f} s"),
        ("first converge / plain playbook", min(first) / min(plain), 1.0, f"{min(first):.1f} s / {min(plain):.1f} s"),
        ("module calls of a second run, 1 site", second[0][1], 14, f"{median(second):.1f} s"),
        ("module calls more for 10 sites more", many[1] - second[0][1], 4, f"{many[0]:.1f} s in all"),
        ("module calls of a code deploy", deploys[0][1], 14, f"{median(deploys):.1f} s"),
        ("seconds of a code deploy", median(deploys), 8, ""),
        ("seconds of a rollback", median(rollbacks), 3, ""),
        ("second run / first converge", median(second) / min(first), 1.0, f"{median(second):.1f} s"),
    ]
    print(f"\n{'what':<40} {'measured':>9} {'budget':>7}        {'times'}")
    for what, value, budget, times in budgets:
        mark = "ok" if value <= budget else "BROKEN"
        print(f"{what:<40} {value:>9.2f} {budget:>7} {mark:<6} {times}")
    return int(any(value > budget for _what, value, budget, _times in budgets))


def type_the_tutorial() -> float:
    name = "pyweb-bench-shell"
    container(name)
    docker("cp", str(ROOT / "examples/mysite"), f"{name}:/srv/mysite")
    docker("cp", str(ROOT / "tests/bench/tutorial.sh"), f"{name}:/srv/tutorial.sh")
    trust = [f"--env={one}={BUNDLE_THERE}" for one in ("SSL_CERT_FILE", "PIP_CERT")]
    start = time.monotonic()
    docker("exec", *trust, name, "sh", "/srv/tutorial.sh", DOMAIN)
    seconds = time.monotonic() - start
    ask(name)
    return seconds


def play_the_tutorial(work: Path, code: Path) -> float:
    container("pyweb-bench")
    archive = shutil.make_archive(str(work / "mysite"), "gztar", code.parent, code.name)
    seconds = play(work, [site(code)], str(ROOT / "tests/bench/plain.yml"), "--extra-vars", f"archive={archive}")[0]
    ask("pyweb-bench")
    return seconds


def play(work: Path, sites: list[dict[str, Any]], playbook: str = "site.yml", *words: str) -> tuple[float, int]:
    """Run a playbook; its seconds and the module calls that the host saw."""
    inventory = work / "inventory.json"
    trust = dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"), BUNDLE_THERE)
    variables = {"ansible_connection": "community.docker.docker", "web_environment": trust, "web_sites": sites}
    inventory.write_text(json.dumps({"web": {"hosts": {"pyweb-bench": variables}}}), encoding="utf-8")
    command = ["ansible-playbook", "-i", str(inventory), str(ROOT / "playbooks" / playbook), *words]
    before = module_calls()
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    seconds = time.monotonic() - start
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return seconds, module_calls() - before


def module_calls() -> int:
    """Every module writes one line into the journal when it starts."""
    journal = docker("exec", "pyweb-bench", "journalctl", "--no-pager", "--output=short")
    return len(re.findall(r" (?:python3[.\d]*|ansible-\S+)\[\d+\]: (?:ansible-\S+ )?Invoked", journal))


def container(name: str) -> None:
    """A fresh host of this name.

    Those before it are kept, stopped, until the end: for minutes after many files were removed, ext4 without a journal
    takes up to 20 times as long to make new ones (it passes by inodes that were freed lately).
    """
    old = f"{name}-before-{time.monotonic_ns()}"
    if subprocess.run(["docker", "rename", name, old], capture_output=True, check=False).returncode == 0:
        docker("kill", old)
    docker(*ENGINE[1:], f"--name={name}", f"--hostname={name}", f"pyweb-{PLATFORM}:bare")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        state = subprocess.run(
            ["docker", "exec", name, "systemctl", "is-system-running", "--wait"],
            capture_output=True,
            text=True,
            check=False,
        )
        if state.stdout.strip() in ("running", "degraded"):
            break
    docker("cp", str(BUNDLE), f"{name}:{BUNDLE_THERE}")


def remove_containers() -> None:
    if left := docker("ps", "--all", "--quiet", "--filter=name=^pyweb-bench").split():
        docker("rm", "--force", *left)


def ask(name: str) -> None:
    """The page comes, from outside; or what was timed was no deployment."""
    networks = json.loads(docker("inspect", name))[0]["NetworkSettings"]["Networks"]
    address = next(one["IPAddress"] for one in networks.values() if one["IPAddress"])
    connection = HTTPConnection(address, 80, timeout=15)
    connection.request("GET", "/", headers={"Host": DOMAIN})
    answer = connection.getresponse()
    if answer.status != 200:
        sys.exit(f"{name} answered {answer.status}")


def site(code: Path) -> dict[str, Any]:
    return {"name": "mysite", "domains": [DOMAIN], "source": {"directory": str(code)}, "health": {"path": "/healthz"}}


def median(runs: list[tuple[float, int]]) -> float:
    return statistics.median(seconds for seconds, _calls in runs)


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit(f"docker {' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
