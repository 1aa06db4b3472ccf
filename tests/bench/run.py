"""Measure the budgets and where the seconds go: `make bench`. Writes the tables of docs/bench.md.

A shell script with the tutorial's steps (tutorial.sh) and the collection alternately turn a bare container into a
served site, so that both have the same machine and caches; a playbook with the same steps and Ansible's own modules
(plain.yml) does so once. Then the collection's second run, a code deploy, a rollback, a second run of eleven sites and
one of ten hosts are timed, and their module calls are counted on the host. Every time is the median of RUNS runs (5).
At the end, each kind of run is repeated with the steps of the modules recorded; these runs are not in the medians.
Exits with 1 if a budget is missed.

RUNS=1 HOSTS=2 is for development: it measures everything once, checks the budgets, and writes nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import report
import steps
from client import ask
from host import BUNDLE, BUNDLE_THERE, ROOT, Host, Run, docker
from many import play_many

PLATFORM = os.environ.get("PLATFORMS", "debian12").split()[0]
PREFIX = os.environ.get("PYWEB_PREFIX", "pyweb")
RUNS = int(os.environ.get("RUNS", "5"))
HOSTS = int(os.environ.get("HOSTS", "10"))
DOMAIN = "mysite.example"
PAGE = ROOT / "docs/bench.md"


@dataclass
class Bench:
    """The bare hosts that are used one after the other, and a copy of the example that deploys change.

    Used hosts are stopped, but kept until the end: after many files were removed, ext4 without a journal takes up to 20
    times as long to create new ones for some minutes, because it skips recently freed inodes.
    """

    work: Path
    hosts: list[Host] = field(default_factory=list)
    deploys: int = 0

    @property
    def code(self) -> Path:
        return self.work / "mysite"

    def bare(self) -> Host:
        """Return a new host, and stop the one before it."""
        if self.hosts:
            docker("kill", self.hosts[-1].name)
        self.hosts.append(Host(f"{PREFIX}-bench-{len(self.hosts) + 1}", f"pyweb-{PLATFORM}:bare", self.work))
        self.hosts[-1].start()
        return self.hosts[-1]

    def site(self) -> dict[str, Any]:
        source = {"directory": str(self.code)}
        return {"name": "mysite", "domains": [DOMAIN], "source": source, "health": {"path": "/healthz"}}

    def change_code(self) -> None:
        self.deploys += 1
        (self.code / "gallery/bench.py").write_text(f"NUMBER = {self.deploys}\n", encoding="utf-8")


@dataclass(frozen=True)
class Timed:
    """A playbook run: its seconds, the module calls that the host saw, and the seconds of each task."""

    seconds: float
    calls: int
    tasks: list[tuple[str, float]]


def main() -> int:
    bench = Bench(Path(tempfile.mkdtemp(prefix="pyweb-bench-")))
    try:
        return measure(bench)
    finally:
        for host in bench.hosts:
            host.remove()
        shutil.rmtree(bench.work)


def measure(bench: Bench) -> int:
    shutil.copytree(ROOT / "examples/mysite", bench.code)
    seconds, first = first_runs(bench)
    say("the first run again, with its steps recorded")
    host = bench.bare()
    steps.install(host)
    profiles = [profiled("first converge", host, converge(bench, host))]
    steps.remove(host)
    say(f"the second run, {RUNS} times")
    second = [settled(bench, host) for _run in range(RUNS)]
    say(f"{RUNS} deploys of a code change")
    deploys = [deploy(bench, host) for _run in range(RUNS)]
    say(f"{RUNS} rollbacks, alternating between two releases")
    rollbacks = [play(host, [bench.site()], "rollback.yml") for _run in range(RUNS)]
    play(host, [bench.site()])  # the newest code is live again
    say("the second run, a deploy and a rollback again, with their steps recorded")
    steps.install(host)
    profiles += [
        profiled("second run", host, settled(bench, host)),
        profiled("code deploy", host, deploy(bench, host)),
        profiled("rollback", host, play(host, [bench.site()], "rollback.yml")),
    ]
    steps.remove(host)
    play(host, [bench.site()])
    say(f"{HOSTS} hosts like this one: their second run, {RUNS} times")
    with copies(bench, host) as hosts:
        seconds["hosts"] = statistics.median(all_settled(bench, hosts) for _run in range(RUNS))
    say("eleven sites: the first run, then the second")
    docker("start", host.name)
    host.wait_for_boot()
    eleven = [bench.site(), *({"name": f"more{n}", "domains": [f"more{n}.example"]} for n in range(10))]
    play(host, eleven)
    found = budgets(seconds, first, second, deploys, rollbacks, play(host, eleven))
    print(report.text(found))
    if RUNS >= 5:
        report.write(PAGE, found, profiles, f"{PLATFORM}, {os.cpu_count()} cores, medians of {RUNS}")
        say(f"wrote {PAGE.relative_to(ROOT)}")
    else:
        print(report.profile_tables(profiles))
    return int(any(not budget.is_met for budget in found))


def first_runs(bench: Bench) -> tuple[dict[str, float], list[Timed]]:
    """Set up bare hosts alternately; return the seconds of the `script` and the `playbook`, and the first runs."""
    shell, first = [], []
    for number in range(1, RUNS + 1):
        say(f"round {number} of {RUNS}: the shell script on a bare {PLATFORM} host")
        shell.append(type_the_tutorial(bench.bare()))
        say(f"round {number} of {RUNS}: the collection on a bare {PLATFORM} host")
        first.append(converge(bench, bench.bare()))
    say("a playbook of the same steps, once")
    return {"script": statistics.median(shell), "playbook": play_the_tutorial(bench.bare(), bench)}, first


def budgets(
    seconds: dict[str, float],
    first: list[Timed],
    second: list[Timed],
    deploys: list[Timed],
    rollbacks: list[Timed],
    eleven: Timed,
) -> list[report.Budget]:
    """Compare the measurements with the budgets. `eleven` is the second run of eleven sites."""
    converged, again, deployed = median(first), median(second), median(deploys)
    script, playbook, hosts = seconds["script"], seconds["playbook"], seconds["hosts"]
    calls = second[0].calls
    further = (hosts - again) / (HOSTS - 1)
    return [
        report.Budget("first converge / shell script", converged / script, 1.0, f"{converged:.1f} s / {script:.1f} s"),
        report.Budget(
            "first converge / plain playbook", converged / playbook, 1.0, f"{converged:.1f} s / {playbook:.1f} s"
        ),
        report.Budget("second run / first converge", again / converged, 1.0, f"{again:.1f} s"),
        report.Budget("module calls of a second run, one site", calls, 6, f"{again:.1f} s"),
        report.Budget("additional module calls for ten more sites", eleven.calls - calls, 0, f"{eleven.seconds:.1f} s"),
        report.Budget("module calls of a code deploy", deploys[0].calls, 6, f"{deployed:.1f} s"),
        report.Budget("seconds of a code deploy", deployed, 4.5, ""),
        report.Budget("seconds of a rollback", median(rollbacks), 1.8, ""),
        report.Budget(
            "seconds of a second run for each further host",
            further,
            1.2,
            f"({hosts:.1f} s - {again:.1f} s) / {HOSTS - 1}",
        ),
    ]


def type_the_tutorial(host: Host) -> float:
    docker("cp", str(ROOT / "examples/mysite"), f"{host.name}:/srv/mysite")
    docker("cp", str(ROOT / "tests/bench/tutorial.sh"), f"{host.name}:/srv/tutorial.sh")
    trust = [f"--env={name}={BUNDLE_THERE}" for name in ("SSL_CERT_FILE", "PIP_CERT") if BUNDLE.is_file()]
    start = time.monotonic()
    words = ["docker", "exec", *trust, host.name, "sh", "/srv/tutorial.sh", DOMAIN]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
    seconds = time.monotonic() - start
    if done.returncode:
        sys.exit(f"tutorial.sh failed: {done.stdout}{done.stderr}")
    served(host)
    return seconds


def play_the_tutorial(host: Host, bench: Bench) -> float:
    archive = shutil.make_archive(str(bench.work / "archive"), "gztar", bench.code.parent, bench.code.name)
    plain = str(ROOT / "tests/bench/plain.yml")
    timed = play(host, [bench.site()], plain, "--extra-vars", f"archive={archive}")
    served(host)
    return timed.seconds


def converge(bench: Bench, host: Host) -> Timed:
    timed = play(host, [bench.site()])
    served(host)
    return timed


def settled(bench: Bench, host: Host) -> Timed:
    """Run site.yml on a host on which it must change nothing."""
    timed, run = _play(host, [bench.site()], "site.yml")
    if run.changed:
        sys.exit(f"a second run changed something:\n{run.output[-3000:]}")
    return timed


def deploy(bench: Bench, host: Host) -> Timed:
    bench.change_code()
    return play(host, [bench.site()], "deploy.yml")


@contextlib.contextmanager
def copies(bench: Bench, host: Host) -> Iterator[list[Host]]:
    """Run copies of a host, from a snapshot; the host itself is stopped meanwhile."""
    image = f"{PREFIX}-bench:converged"
    docker("stop", "--time=20", host.name)
    docker("commit", host.name, image)
    hosts = [Host(f"{PREFIX}-bench-ten-{number}", image, bench.work) for number in range(1, HOSTS + 1)]
    try:
        for copy in hosts:
            copy.start()
        for copy in hosts:
            served(copy, patience=60)
        yield hosts
    finally:
        for copy in hosts:
            copy.remove()
        docker("rmi", "--force", image)


def all_settled(bench: Bench, hosts: list[Host]) -> float:
    run = play_many(hosts, [bench.site()], bench.work)
    if run.status or run.changed:
        sys.exit(f"the second run of {len(hosts)} hosts failed or changed something:\n{run.output[-3000:]}")
    return run.seconds


def play(host: Host, sites: list[dict[str, Any]], playbook: str = "site.yml", *words: str) -> Timed:
    return _play(host, sites, playbook, *words)[0]


def _play(host: Host, sites: list[dict[str, Any]], playbook: str, *words: str) -> tuple[Timed, Run]:
    before = module_calls(host)
    run: Run = host.play(sites, playbook, *words)
    if run.status:
        sys.exit(run.error or run.output)
    return Timed(run.seconds, module_calls(host) - before, report.tasks(run.output)), run


def profiled(name: str, host: Host, timed: Timed) -> report.Profile:
    return report.Profile(name, timed.seconds, timed.tasks, steps.taken(host))


def module_calls(host: Host) -> int:
    """Count the module calls: each writes a line to the journal when it starts."""
    journal = host.told("journalctl --no-pager --output=short")
    return len(re.findall(r" (?:python3[.\d]*|ansible-\S+)\[\d+\]: (?:ansible-\S+ )?Invoked", journal))


def served(host: Host, patience: float = 0) -> None:
    """Check that the page is served; otherwise the measured run was not a deployment."""
    deadline = time.monotonic() + patience
    # With the collection's User-Agent, or a deploy within the next minute would watch the responses to visitors
    # (health.watch).
    own = {"User-Agent": "pyweb.stack"}
    while (answer := ask(host.address, DOMAIN, headers=own)).status != 200:
        if time.monotonic() > deadline:
            sys.exit(f"{host.name} answered {answer.status} {answer.failure}")
        time.sleep(0.5)  # between two requests until the deadline


def median(runs: list[Timed]) -> float:
    return statistics.median(run.seconds for run in runs)


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
