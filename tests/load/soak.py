"""Ten minutes of load with consecutive deploys: no request fails, and uWSGI and nginx do not grow. `make soak`.

Writes the measurements to docs/load.md. Exits with 1 if a promise is broken.
Environment: SOAK_SECONDS (600), PYWEB_PLATFORM (debian12), PYWEB_PREFIX (molecule).
"""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from client import CONNECTIONS, PAUSE, Verdict
from host import ROOT, Host
from sites import Project, all_kinds
from test_times import TIMES_STEADY, UNNOTICED_MS
from world import STEADY_SECONDS, World

SECONDS = int(os.environ.get("SOAK_SECONDS", "600"))
PLATFORM = os.environ.get("PYWEB_PLATFORM", "debian12")
PAGE = ROOT / "docs/load.md"
# By how many MiB a process may grow: caches fill, and templates are compiled on first use. A leak of one KiB per
# request would be ten times as much in ten minutes.
GROWTH_MIB = 15


@dataclass(frozen=True)
class Memory:
    """Proportional set size (including the share of shared pages) of all processes of a kind, in MiB."""

    uwsgi: float
    nginx: float
    processes: int


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="pyweb-soak-") as folder:
        work = Path(folder)
        host = Host(f"{os.environ.get('PYWEB_PREFIX', 'molecule')}-soak-{PLATFORM}", f"pyweb-{PLATFORM}:baked", work)
        try:
            host.start()
            return soak(host, work)
        finally:
            host.remove()


def soak(host: Host, work: Path) -> int:
    project = Project(work / "mysite")
    world = World(host, project, work, all_kinds(project))
    world.new_code()
    say("the first run")
    world.converge()
    rows, memories = [("before", world.steady())], [("before", memory(host))]
    stored, started, deploys = world.pictures(), time.monotonic(), 0
    while time.monotonic() < started + SECONDS * 2 / 3:
        deploys += 1
        kind = "code" if deploys % 2 else "environment"
        with world.load() as load:
            if kind == "code":
                world.new_code()
            else:
                world.inventory = world.inventory.with_(env={"NUMBER": str(deploys)})
            run = world.deploy()
        rows.append((f"deploy {deploys}: {kind}, {run.seconds:.0f} s", load.verdict))
        say(f"deploy {deploys}: {kind}: {load.verdict}")
    # The last third is without deploys: growth is now caused only by serving requests.
    rows.append(("after", world.steady()))
    memories.append((f"after {deploys} deploys", memory(host)))
    with world.load() as load:
        time.sleep(max(STEADY_SECONDS, started + SECONDS - time.monotonic()))
    rows.append(("to the end", load.verdict))
    memories.append(("at the end", memory(host)))
    answered = sum(verdict.stored for _what, verdict in rows[1:])
    faults = broken(rows, memories, answered - (world.pictures() - stored))
    PAGE.write_text(page(rows, memories, faults), encoding="utf-8")
    say(f"wrote {PAGE.relative_to(ROOT)}; {'; '.join(faults) or 'every promise is kept'}")
    return int(bool(faults))


def memory(host: Host) -> Memory:
    script = r"""
for process in /proc/[0-9]*; do
    case $(tr '\0' ' ' < $process/cmdline 2>/dev/null) in
    *uwsgi.ini*) kind=uwsgi ;;
    nginx:*) kind=nginx ;;
    *) continue ;;
    esac
    echo $kind $(sed -n 's/^Pss: *//p' $process/smaps_rollup)
done
"""
    found = re.findall(r"(uwsgi|nginx) (\d+) kB", host.told(script))
    uwsgi, nginx = (sum(int(size) for kind, size in found if kind == wanted) / 1024 for wanted in ("uwsgi", "nginx"))
    assert uwsgi > 0, found
    assert nginx > 0, found
    return Memory(uwsgi, nginx, len(found))


def broken(rows: list[tuple[str, Verdict]], memories: list[tuple[str, Memory]], forms_lost: int) -> list[str]:
    """Return the promises that were broken."""
    faults = [f"{what}: {verdict.failed} failed requests" for what, verdict in rows if verdict.failed]
    limit = max(TIMES_STEADY * max(rows[0][1].p99, rows[-1][1].p99), UNNOTICED_MS)
    slow = [(what, verdict.p99) for what, verdict in rows if verdict.p99 > limit]
    faults += [f"{what}: p99 {p99:.0f} ms, expected at most {limit:.0f} ms" for what, p99 in slow]
    if forms_lost > 0:
        faults.append(f"{forms_lost} forms were answered as stored and are not")
    first, served, last = (used for _when, used in memories)
    if last.processes != first.processes:
        faults.append(f"{last.processes} processes at the end, {first.processes} before")
    if last.nginx - first.nginx > GROWTH_MIB:
        faults.append(f"nginx grew from {first.nginx:.0f} to {last.nginx:.0f} MiB")
    if last.uwsgi - served.uwsgi > GROWTH_MIB * served.processes:
        faults.append(f"uWSGI grew from {served.uwsgi:.0f} to {last.uwsgi:.0f} MiB")
    return faults


def page(rows: list[tuple[str, Verdict]], memories: list[tuple[str, Memory]], faults: list[str]) -> str:
    requests = sum(verdict.requests for _what, verdict in rows)
    failed = sum(verdict.failed for _what, verdict in rows)
    lines = [
        "<!-- Written by `make soak` (tests/load/soak.py). -->",
        "",
        "# Under load",
        "",
        f"Measured on {time.strftime('%Y-%m-%d')} on {os.cpu_count()} cores ({platform.machine()}), which wrk,",
        f"ansible-playbook and the host ({PLATFORM}, a container) share. There are four sites: a unix socket, one TCP",
        "port, two TCP ports, code used in place. Every deploy deploys all four. For each site, wrk keeps",
        f"{CONNECTIONS} connections open, and requests the page, its style sheet and, as every ninth request, an",
        f"upload. Each connection waits about {PAUSE} ms between two requests.",
        "",
        f"The p99 during a deploy may be {TIMES_STEADY} times the p99 without a deploy, or {UNNOTICED_MS} ms if that",
        "is more: on an idle machine, the p99 without a deploy is shorter than the start of one Python process.",
        "",
        f"Of {requests} requests, {failed} failed. Every guarantee was kept."
        if not faults
        else f"Of {requests} requests, {failed} failed. Not kept: {'; '.join(faults)}.",
        "",
        "| when | seconds | requests | failed | p50 ms | p99 ms | longest ms |",
        "|---|--:|--:|--:|--:|--:|--:|",
        *(
            f"| {what} | {verdict.seconds:.0f} | {verdict.requests} | {verdict.failed} "
            f"| {verdict.p50:.0f} | {verdict.p99:.0f} | {verdict.longest:.0f} |"
            for what, verdict in rows
        ),
        "",
        "Memory, as the proportional set size of all processes together:",
        "",
        "| when | uWSGI MiB | nginx MiB | processes |",
        "|---|--:|--:|--:|",
        *(f"| {when} | {used.uwsgi:.1f} | {used.nginx:.1f} | {used.processes} |" for when, used in memories),
        "",
        "`make load` and `make faults` run a short form of this test, which is part of `make test`. The tests are in",
        "`tests/load` and `tests/faults` of the repository.",
    ]
    return "\n".join(lines) + "\n"


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
