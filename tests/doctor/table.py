"""Write docs/doctor.md: how to use the doctor, and one row for each fault.

A run of the tests stores what the doctor printed in verdicts.json: {platform: {title: {"said": ..., "right": ...}}}.
The page is written from this file, so it can be written again without a run.
"""

from __future__ import annotations

import fcntl
import json
import re
from collections.abc import Iterator
from pathlib import Path

import cases
import more

PAGE = Path(__file__).resolve().parents[2] / "docs/doctor.md"
VERDICTS = Path(__file__).with_name("verdicts.json")
# The same for the long table: {platform: {"host: title": {"said": ..., "outcome": ...}}}.
LONG = Path(__file__).with_name("long_table.json")
# The platform whose messages the page shows.
SHOWN = "debian12"
ROWS: dict[str, dict[str, object]] = {}
LONG_ROWS: dict[str, dict[str, str]] = {}

INTRODUCTION = """\
<!-- Written by tests/tools/docs.py from tests/doctor: change table.py there instead, or run the tests that write
     verdicts.json (`make doctor-test`), then `make docs`. -->
# The doctor

```bash example
ansible-playbook -i inventory.yml pyweb.stack.doctor
```

The doctor checks every hop (part of the chain) between a client and the site's data, from outside to inside. It
reports which hop is broken, why, and how to fix it, and writes `doctor.html` (a picture of the chain of each site,
readable on a phone) and `doctor.json`. It changes nothing, needs only Python on the host, takes less than five seconds
per site, and works with `--check`.

![The doctor on a terminal: uWSGI is stopped, and what follows from that](pictures/doctor-terminal.svg)

![The same report as a page](pictures/doctor-page.png)

| hop | what is checked |
|---|---|
| client | the response to a client that requests the site at the host's own address |
| name | DNS as this host sees it, and which `server` of nginx answers for the name |
| firewalld | whether the zone of the outer interface allows the site's ports |
| host | free disk space, the clock |
| nginx | whether it runs, its configuration, its ports; certificates and their renewal; redirects, proxies in front |
| location | what nginx does with a request: whether it passes it to an application, how large it may be |
| socket | whether nginx's worker can reach the address of `uwsgi_pass` or `proxy_pass`, in nginx's protocol |
| uwsgi | whether it runs, or keeps restarting, and whether a worker is free |
| app | whether the application can be loaded: chdir, virtualenv, module |
| django | ALLOWED_HOSTS, CSRF, DEBUG, errors, slow answers |
| database | whether it answers, can be written to, and has all migrations |
| static, media | the alias, and every directory on the path to a file |
| background | workers: whether they run, restart, or belong to another release; timers: the last result, the next run |

A hop is **ok**, **broken**, **degraded** (it works, but has a problem) or **unknown** (it could not be checked). A
fault that is a consequence of another one is marked as such, and comes after its cause.

The doctor reads `nginx -T`, the process table, the sockets and the ini file that uWSGI was started with, never this
collection's own templates. It therefore also works on a host that was set up by hand. There, this inventory is enough:

```yaml example
web_sites: [{name: mysite, domains: [example.com]}]
```

| option | effect |
|---|---|
| `-e doctor_site=mysite` | checks one site |
| `-e doctor_report=` | writes no files |
| `-e doctor_report=/var/www/reports` | writes the files to that directory |
| `-e doctor_patience=10` | waits longer for answers |
| `-e doctor_deep=true` | also runs the steps below |

With `-e doctor_deep=true` the doctor also starts parts of the chain, on separate loopback ports and as the site's
user: Django alone, uWSGI alone with a hello-world application, uWSGI with Django over HTTP, then over a socket, then
behind an nginx. The fault is in the first step that fails. Afterwards the doctor stops and removes everything that it
started.

Every fault has a code, such as `uwsgi.stopped`. [The codes of the doctor](doctor-codes.md) describes what each code
means and how to fix it. [Symptoms and where to look](symptoms.md) lists the codes for what a visitor sees, such as
a 502 or a page without styles.

On a host that this collection set up, the fix is a key of the inventory. On any other host, it is a file, a line and a
command. A possible improvement without a fault is **advice**: it is listed at the end, and the site is still ok.

## Examples

Each of these faults was caused on a healthy site, one at a time, and then fixed. Each row shows what a visitor from
outside got, and what the doctor printed first. *200* is a page as usual: the fault affects only some requests, or will
do so later.
"""
LONG_INTRODUCTION = """
## More faults, on hosts of every style

These faults are tested less often (`make test-all`). Each was caused on a healthy site, checked, and fixed.
**right**: the doctor reports the fault that was caused, precisely and first, and nothing that is not true. **half**: it
reports the right hop, or reports the fault after another one. **wrong**: it reports something else first. **missed**:
it reports nothing as broken.
"""
LIMITS = """
Also tested:

- all ten pairs of {pairs}: both faults are reported, the outer one first;
- a host without nginx, without uWSGI, or without both, for which there is still a report;
- healthy sites over a unix socket, over TCP and set up by hand, before and after all faults: all ok;
- the steps of `doctor_deep`: five that succeed on healthy sites, and sites that fail at the first, second and third.

Three faults cannot be caused in a container, so the tests simulate them: for the *wrong clock*, the controller's clock
was set forward instead; for the *SELinux denial*, the line that the kernel writes was added to the audit log; *IPv6*
was forbidden for the nginx service, which then fails with the same error as on a kernel without IPv6.
"""


def row(case, first, seen, right):
    ROWS[case.title] = {"said": _said(first), "seen": seen, "right": right}


def long_row(group, case, first, seen, outcome):
    LONG_ROWS[group.key(case)] = {"said": _said(first), "seen": seen, "outcome": outcome}


def _said(first):
    return _steady(f"**{first['hop']}**: {first['cause']}<br>*fix:* {first['fix']}" if first else "all ok")


def keep(platform, titles):
    """Store what the doctor printed in this run for the faults in cases.py."""
    _keep(VERDICTS, platform, titles, ROWS)


def keep_long(platform):
    """Store what the doctor printed in this run for the long table."""
    titles = [group.key(case) for group in more.groups() for case in (*group.cases, *group.healthy)]
    _keep(LONG, platform, titles, LONG_ROWS)


def _keep(file, platform, titles, told):
    """Replace the rows of earlier runs by those of this run. Runs on several platforms may end at the same time."""
    with file.open("a+", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        kept = json.loads(stream.read() or "{}")
        rows = {**kept.get(platform, {}), **told}
        kept[platform] = {title: rows[title] for title in titles if title in rows}
        stream.truncate(0)
        stream.write(json.dumps(kept, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def sights(platform: str = SHOWN) -> Iterator[tuple[str, str, str]]:
    """Yield (title, code, what a visitor saw) of each fault, as measured on a platform."""
    found = [json.loads(file.read_text("utf-8")).get(platform, {}) for file in (VERDICTS, LONG)]
    kept = {key: row for rows in found for key, row in rows.items() if "seen" in row}
    named = [(case.title, case) for case in (*cases.MANAGED_CASES, *cases.BY_HAND_CASES)]
    for title, case in (*named, *((group.key(case), case) for group in more.groups() for case in group.cases)):
        # A new case has no row until the tests have run on a host.
        if title in kept:
            yield title, case.fault, kept[title]["seen"]


def page():
    """Return the text of docs/doctor.md."""
    kept = json.loads(VERDICTS.read_text(encoding="utf-8"))
    lines = [INTRODUCTION, "| fault | a visitor gets | what the doctor printed | correct |", "|---|---|---|---|"]
    for case in (*cases.MANAGED_CASES, *cases.BY_HAND_CASES):
        told = kept[SHOWN].get(case.title)
        if told:
            lines.append(f"| {case.title} | {told['seen']} | {told['said']} | {'yes' if told['right'] else '**no**'} |")
    counts = [f"{sum(told['right'] for told in rows.values())} of {len(rows)} on {name}" for name, rows in kept.items()]
    lines.append(f"\nReported correctly: {', '.join(counts)}.")
    text = "\n".join([*lines, *long_table()]) + "\n"
    return text + LIMITS.format(pairs=", ".join(cases.PAIRED))


def long_table():
    """Return the lines of the page about the long table: how many faults had which outcome, then each fault."""
    kept = json.loads(LONG.read_text(encoding="utf-8")) if LONG.exists() else {}
    if not kept.get(SHOWN):
        return []
    lines = [LONG_INTRODUCTION, f"| platform | faults | {' | '.join(more.OUTCOMES)} |", "|---|" + "--:|" * 5]
    for platform, rows in sorted(kept.items()):
        counts = [sum(row["outcome"] == outcome for row in rows.values()) for outcome in more.OUTCOMES]
        lines.append(f"| {platform} | {sum(counts)} | {' | '.join(map(str, counts))} |")
    lines.append("")
    for platform, rows in sorted(kept.items()):
        ill = sum(row["outcome"] == more.CALLED_ILL for row in rows.values())
        well = sum(row["outcome"] == more.HEALTHY for row in rows.values())
        lines.append(
            f"Of {well + ill} healthy sites on {platform}, {ill or 'none'} {'were' if ill > 1 else 'was'} reported as "
            "faulty."
        )
    for group in more.groups():
        told = [(case, kept[SHOWN].get(group.key(case))) for case in (*group.cases, *group.healthy)]
        if any(row for _case, row in told):
            lines += [f"\n### A host {group.about}\n", "| fault | a visitor gets | what the doctor printed first | |"]
            lines += ["|---|---|---|---|"]
            lines += [
                f"| {case.title} | {row['seen']} | {row['said']} | {row['outcome']} |" for case, row in told if row
            ]
    return lines


def _steady(text):
    """Return a text without what differs between runs: process and release ids, addresses, times."""
    text = re.sub(r"\b(pid|process) \d+", r"\1 N", text)
    text = re.sub(r"\b[0-9a-f]{12}\b", "ID", text)
    text = re.sub(r"\b172\.\d+\.\d+\.\d+\b", "192.0.2.1", text)
    text = re.sub(r"\b7[12]\d\d s (behind|ahead)", r"7200 s \1", text)
    return text.replace("|", "\\|").replace("\n", " ")
