"""docs/doctor.md: how to ask the doctor, and one row for each fault.

A run of the tests keeps what the doctor said in verdicts.json: {platform: {title: {"said": ..., "right": ...}}}. The
page is written from that, so that it can be rewritten without a run.
"""

from __future__ import annotations

import fcntl
import json
import re
from pathlib import Path

import cases
import more

PAGE = Path(__file__).resolve().parents[2] / "docs/doctor.md"
VERDICTS = Path(__file__).with_name("verdicts.json")
# The same of the long table: {platform: {"host: title": {"said": ..., "outcome": ...}}}.
LONG = Path(__file__).with_name("long_table.json")
# The platform whose words the page shows.
SHOWN = "debian12"
ROWS: dict[str, dict[str, object]] = {}
LONG_ROWS: dict[str, dict[str, str]] = {}

INTRODUCTION = """\
<!-- Written by tests/tools/docs.py from tests/doctor: change table.py there instead, or run the tests that keep
     verdicts.json (`make doctor-test`), then `make docs`. -->
# The doctor

```bash example
ansible-playbook -i inventory pyweb.stack.doctor
```

looks at every hop between a client and the site's data, from outside to inside, says which is broken, why, and what
fixes it, and writes `doctor.html` (a picture of the chain of each site, readable on a phone) and `doctor.json`. It
changes nothing, needs nothing on the host but Python, takes less than five seconds a site and works with `--check`.

![The doctor on a terminal: uWSGI is stopped, and what follows from that](pictures/doctor-terminal.svg)

![The same as a page](pictures/doctor-page.png)

| hop | is about |
|---|---|
| client | what somebody gets who asks for the site, at the host's own address |
| name | DNS as this host sees it, and which `server` of nginx answers for the name |
| firewalld | whether the zone of the outer interface lets the site's ports in |
| host | room on the disks, the clock |
| nginx | whether it runs, its configuration, its ports; certificates and their renewal; redirects, proxies in front |
| location | what nginx does with a request: hand it to an application, how large it may be |
| socket | the way to what `uwsgi_pass` or `proxy_pass` points to, as nginx's worker, in nginx's protocol |
| uwsgi | whether it runs, or runs again and again, and whether a worker is free |
| app | whether the application can be loaded: chdir, virtualenv, module |
| django | ALLOWED_HOSTS, CSRF, DEBUG, errors, slowness |
| database | whether it answers, can be written, and has all migrations |
| static, media | the alias, and every directory on the way to a file |
| background | workers: running, restarts, whether of the live release; timers: the last result, the next run |

A hop is **ok**, **broken**, **degraded** (it works, but) or **unknown** (nobody can say). A fault that merely follows
from another one is marked so, and the one that follows from nothing comes first.

It asks `nginx -T`, the process table, the sockets and the ini that uWSGI was started with, never this collection's own
templates. So it works on a host that was set up by hand, too, and an inventory with

```yaml example
web_sites: [{name: mysite, domains: [example.com]}]
```

is enough there. With `-e doctor_site=mysite` it examines one site; `-e doctor_report=` writes no files, and
`-e doctor_report=/var/www/reports` writes them there; `-e doctor_patience=10` waits longer for what does not answer.

With `-e doctor_deep=true` it climbs the tutorial's own steps as well, on loopback ports of its own, as the site's
user: Django alone, uWSGI alone with a hello-world, uWSGI with Django over http, then over a socket, then through an
nginx. The lowest rung that fails is the answer. Everything that it starts is gone afterwards.

Every fault has a code, as `uwsgi.stopped`: [the codes](doctor-codes.md) says what each means and how it is fixed, and
[what you see, and where to look](symptoms.md) leads to them from a 502 or a page without colours.

On a host that this collection made the fix is a key of the inventory, on another one a file, a line and a command. What
could be better and hurts nobody is **advice**: it stands below, and the site is all ok.

## What it was shown, and what it said

Each of these was made on a healthy site, one at a time, and healed again; every row is what the doctor printed first.
"""
LONG_INTRODUCTION = """
## More faults, on hosts of every style

These are asked less often (`make test-all`): each was made on a healthy site of its host, asked about, and healed.
**right** is the fault that was made, in the words that name it, before everything else and beside nothing that is not
true; **half** names its hop, or names it behind another fault; **wrong** puts something else first; **missed** says
that nothing is broken.
"""
LIMITS = """
Also tested:

- all ten pairs of {pairs}: both faults are named, the outer one first;
- a host without nginx, without uWSGI, without both, which still gets a report;
- healthy sites over a unix socket, over TCP and by hand, before and after all faults: all ok;
- the ladder: five rungs that hold on healthy sites, and one that breaks at the first, the second and the third.

Three faults cannot be made in a container, so something stands in for them: for the *wrong clock* the controller's was
set forward instead; for the *SELinux denial* the audit line that such a kernel writes was put into the audit log;
*IPv6* was forbidden to the nginx service, which then fails with the same error as on a kernel without.
"""


def row(case, first, right):
    ROWS[case.title] = {"said": _said(first), "right": right}


def long_row(group, case, first, outcome):
    LONG_ROWS[group.key(case)] = {"said": _said(first), "outcome": outcome}


def _said(first):
    return _steady(f"**{first['hop']}**: {first['cause']}<br>*fix:* {first['fix']}" if first else "all ok")


def keep(platform, titles):
    """Keep what was said in this run of the faults in cases.py."""
    _keep(VERDICTS, platform, titles, ROWS)


def keep_long(platform):
    """Keep what was said in this run of the long table."""
    titles = [group.key(case) for group in more.groups() for case in (*group.cases, *group.healthy)]
    _keep(LONG, platform, titles, LONG_ROWS)


def _keep(file, platform, titles, told):
    """Put the rows of this run over those of earlier ones. Runs on several platforms may end at the same time."""
    with file.open("a+", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        kept = json.loads(stream.read() or "{}")
        rows = {**kept.get(platform, {}), **told}
        kept[platform] = {title: rows[title] for title in titles if title in rows}
        stream.truncate(0)
        stream.write(json.dumps(kept, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def page():
    """Return the text of docs/doctor.md."""
    kept = json.loads(VERDICTS.read_text(encoding="utf-8"))
    lines = [INTRODUCTION, "| fault | what was printed | right |", "|---|---|---|"]
    for case in (*cases.MANAGED_CASES, *cases.BY_HAND_CASES):
        told = kept[SHOWN].get(case.title)
        if told:
            lines.append(f"| {case.title} | {told['said']} | {'yes' if told['right'] else '**no**'} |")
    counts = [f"{sum(told['right'] for told in rows.values())} of {len(rows)} on {name}" for name, rows in kept.items()]
    lines.append(f"\nNamed rightly: {', '.join(counts)}.")
    text = "\n".join([*lines, *long_table()]) + "\n"
    return text + LIMITS.format(pairs=", ".join(cases.PAIRED))


def long_table():
    """Return the lines of the page about the long table: how many were named how well, then each of them."""
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
            f"Of {well + ill} healthy sites on {platform} {ill or 'none'} {'were' if ill > 1 else 'was'} called ill."
        )
    for group in more.groups():
        told = [(case, kept[SHOWN].get(group.key(case))) for case in (*group.cases, *group.healthy)]
        if any(row for _case, row in told):
            lines += [f"\n### A host {group.about}\n", "| fault | what was printed first | |", "|---|---|---|"]
            lines += [f"| {case.title} | {row['said']} | {row['outcome']} |" for case, row in told if row]
    return lines


def _steady(text):
    """Return a text without what differs from run to run: process and release ids, addresses, times."""
    text = re.sub(r"\b(pid|process) \d+", r"\1 N", text)
    text = re.sub(r"\b[0-9a-f]{12}\b", "ID", text)
    text = re.sub(r"\b172\.\d+\.\d+\.\d+\b", "192.0.2.1", text)
    text = re.sub(r"\b7[12]\d\d s (behind|ahead)", r"7200 s \1", text)
    return text.replace("|", "\\|").replace("\n", " ")
