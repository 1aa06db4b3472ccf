"""Measure the budgets of the design in one run, as ratios: `make bench`.

A shell script that types the same steps (tutorial.sh), a playbook that does them with Ansible's own modules (plain.yml)
and the collection's each take a bare container to a served site, in turns, so that all meet the same machine and
caches. Then the collection's second run, a code deploy, a rollback and a second run of eleven sites are timed, and the
module calls of each are counted on the host. Exits with 1 when a budget is broken.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client import ask
from host import BUNDLE, BUNDLE_THERE, ROOT, Host, Run, docker

PLATFORM = os.environ.get("PLATFORMS", "debian12").split()[0]
ROUNDS = int(os.environ.get("ROUNDS", "2"))
DOMAIN = "mysite.example"


@dataclass
class Bench:
    """The bare hosts of a run, one after the other, and a copy of the example that deploys change.

    What is done with is kept, stopped, until the end: for minutes after many files were removed, ext4 without a journal
    takes up to 20 times as long to make new ones (it passes by inodes that were freed lately).
    """

    work: Path
    hosts: list[Host]

    @property
    def code(self) -> Path:
        return self.work / "mysite"

    def bare(self) -> Host:
        if self.hosts:
            docker("kill", self.hosts[-1].name)
        self.hosts.append(Host(f"pyweb-bench-{len(self.hosts) + 1}", f"pyweb-{PLATFORM}:bare", self.work))
        self.hosts[-1].start()
        return self.hosts[-1]

    def site(self) -> dict[str, Any]:
        source = {"directory": str(self.code)}
        return {"name": "mysite", "domains": [DOMAIN], "source": source, "health": {"path": "/healthz"}}


def main() -> int:
    bench = Bench(Path(tempfile.mkdtemp(prefix="pyweb-bench-")), [])
    try:
        return measure(bench)
    finally:
        for host in bench.hosts:
            host.remove()
        shutil.rmtree(bench.work)


def measure(bench: Bench) -> int:
    shutil.copytree(ROOT / "examples/mysite", bench.code)
    shell, plain, first = [], [], []
    for number in range(1, ROUNDS + 1):
        say(f"round {number} of {ROUNDS}: the shell script on a bare {PLATFORM} host")
        shell.append(type_the_tutorial(bench.bare()))
        say(f"round {number} of {ROUNDS}: a playbook of the same steps on a bare {PLATFORM} host")
        plain.append(play_the_tutorial(bench.bare(), bench))
        say(f"round {number} of {ROUNDS}: the collection on a bare {PLATFORM} host")
        host = bench.bare()
        first.append(play(host, [bench.site()])[0])
        served(host)
    say("the playbook's second run, three times")
    second = [play(host, [bench.site()]) for _ in range(3)]
    say("three deploys of a code change")
    deploys = []
    for number in range(3):
        (bench.code / "gallery/bench.py").write_text(f"NUMBER = {number}\n", encoding="utf-8")
        deploys.append(play(host, [bench.site()], "deploy.yml"))
    say("three rollbacks, forth and back")
    rollbacks = [play(host, [bench.site()], "rollback.yml") for _ in range(3)]
    say("eleven sites: the first run, then the second")
    eleven = [bench.site(), *({"name": f"more{n}", "domains": [f"more{n}.example"]} for n in range(10))]
    play(host, eleven)
    many = play(host, eleven)

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


def type_the_tutorial(host: Host) -> float:
    docker("cp", str(ROOT / "examples/mysite"), f"{host.name}:/srv/mysite")
    docker("cp", str(ROOT / "tests/bench/tutorial.sh"), f"{host.name}:/srv/tutorial.sh")
    trust = [f"--env={one}={BUNDLE_THERE}" for one in ("SSL_CERT_FILE", "PIP_CERT") if BUNDLE.is_file()]
    start = time.monotonic()
    docker("exec", *trust, host.name, "sh", "/srv/tutorial.sh", DOMAIN)
    seconds = time.monotonic() - start
    served(host)
    return seconds


def play_the_tutorial(host: Host, bench: Bench) -> float:
    archive = shutil.make_archive(str(bench.work / "archive"), "gztar", bench.code.parent, bench.code.name)
    plain = str(ROOT / "tests/bench/plain.yml")
    seconds = play(host, [bench.site()], plain, "--extra-vars", f"archive={archive}")[0]
    served(host)
    return seconds


def play(host: Host, sites: list[dict[str, Any]], playbook: str = "site.yml", *words: str) -> tuple[float, int]:
    """Run a playbook; its seconds and the module calls that the host saw."""
    before = module_calls(host)
    run: Run = host.play(sites, playbook, *words)
    if run.status:
        sys.exit(run.error or run.output)
    return run.seconds, module_calls(host) - before


def module_calls(host: Host) -> int:
    """Every module writes one line into the journal when it starts."""
    journal = host.told("journalctl --no-pager --output=short")
    return len(re.findall(r" (?:python3[.\d]*|ansible-\S+)\[\d+\]: (?:ansible-\S+ )?Invoked", journal))


def served(host: Host) -> None:
    """The page comes, from outside; or what was timed was no deployment."""
    answer = ask(host.address, DOMAIN)
    if answer.status != 200:
        sys.exit(f"{host.name} answered {answer.status} {answer.failure}")


def median(runs: list[tuple[float, int]]) -> float:
    return statistics.median(seconds for seconds, _calls in runs)


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
