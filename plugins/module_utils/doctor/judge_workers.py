# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What uWSGI itself says of its workers and its plugins, since it was started."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .evidence import Site
from .fault import ADVICE, BROKEN, DEGRADED, Fault, Faults

_DIED = re.compile(r"DAMN ! worker (\d+) \(pid: (\d+)\) died(?:, killed by signal (\d+))?[^\n]{0,80}")
# uWSGI kills a worker by itself for these, and says so first.
_OWN_KILLS = re.compile(r"HARAKIRI ON WORKER \d+ \(pid: (\d+)|worker \d+ \(pid: (\d+)\) is taking too much time to die")
# The same of gunicorn's workers.
_SENT_KILL = re.compile(r"(Worker) \(pid:\s?(\d+)\) was sent SIG(KILL)![^\n]{0,80}")
_TIMED_OUT = re.compile(r"WORKER TIMEOUT \(pid:\s?(\d+)\)")
_CRASHES = {"4": "SIGILL", "6": "SIGABRT", "7": "SIGBUS", "8": "SIGFPE", "11": "SIGSEGV", "31": "SIGSYS"}
_FAULTED = re.compile(r"!!! uWSGI process \d+ got Segmentation Fault !!!")
# A request of a web server has the modifier 0. Whoever pings, as this doctor does, has another one.
_NO_PLUGIN = re.compile(r"-- unavailable modifier requested: (0) --")
_NONE_LOADED = "no request plugin is loaded"
_KERNEL_PID = re.compile(r"(?:Killed process|pid=)\s?(\d+)")


def judge(faults: Faults, site: Site) -> Iterator[Fault]:
    log = said(site)
    yield from _plugin(faults, site, log)
    if "[emperor]" in log:  # it is not known whose workers these are
        return
    yield from _killed(faults, site, log)
    yield from _crashed(faults, site, log)


def said(site: Site) -> str:
    """Return uWSGI's output, wherever it wrote it; a line that is in both places occurs once."""
    first, second = site.uwsgi.log, site.logs.app_log
    return first if not second or second in first else second if first in second else f"{first}\n{second}"


def lacks_plugin(site: Site) -> bool:
    """Return whether this uWSGI has nothing that could load a Python application."""
    log = said(site)
    if any(probe.answer for probe in site.probes):
        return False
    return bool(_NO_PLUGIN.search(log)) or (_NONE_LOADED in log and site.uwsgi.master is not None)


def _plugin(faults: Faults, site: Site, log: str) -> Iterator[Fault]:
    if not lacks_plugin(site) or site.uwsgi.options.last("emperor"):
        return
    number = _NO_PLUGIN.findall(log)
    words = f"unavailable modifier requested: {number[-1]}" if number else _NONE_LOADED
    ini = site.uwsgi.options.files[-1] if site.uwsgi.options.files else "its command line"
    given = site.uwsgi.options.last("plugins") or site.uwsgi.options.last("plugin")
    what = f"plugins = {given} has none" if given else "plugins is not set"
    yield faults.fault(
        "uwsgi.plugin",
        BROKEN,
        f"uWSGI runs without its Python plugin and cannot answer ({words}): {what} in {ini}",
        f"set plugins = python3 in {ini} (the package uwsgi-plugin-python3), then restart it",
        [f"-- {words} --" if number else words, _NONE_LOADED if _NONE_LOADED in log else ""],
    )


def _killed(faults: Faults, site: Site, log: str) -> Iterator[Fault]:
    late = set(_TIMED_OUT.findall(log))
    deaths = _deaths(log, ("9",)) or [death for death in _SENT_KILL.finditer(log) if death[2] not in late]
    if not deaths:
        return
    pids = {death[2] for death in deaths}
    kernel = [line for line in site.logs.kernel if pids & set(_KERNEL_PID.findall(line))]
    oom = bool(kernel) or "killed by the OOM killer" in log
    memory = "by the kernel because memory was short" if oom else "as the kernel does when memory is short"
    several = len(deaths) > 1 or oom
    by_name = deaths[0][1] == "Worker"
    words = "Worker was sent SIGKILL" if by_name else "DAMN ! worker died, killed by signal 9"
    yield faults.fault(
        "uwsgi.killed",
        DEGRADED if several else ADVICE,
        f"{len(deaths)} x `{words}`: workers of {'gunicorn' if by_name else 'uWSGI'} were killed while they handled "
        f"requests, {memory}; their visitors got 502",
        _memory_fix(site),
        [*(death[0] for death in deaths[-3:]), *kernel[-1:]],
    )


def _crashed(faults: Faults, site: Site, log: str) -> Iterator[Fault]:
    deaths = _deaths(log, tuple(_CRASHES))
    frames = list(_FAULTED.finditer(log))
    if not deaths and not frames:
        return
    signal = _CRASHES.get(deaths[-1][3], "SIGSEGV") if deaths else "SIGSEGV"
    count = max(len(deaths), len(frames))
    yield faults.fault(
        "uwsgi.worker-crashed",
        DEGRADED,
        f"workers of uWSGI crash ({count} x {signal}): compiled code that a page uses fails; its visitors get 502",
        "find the page in the access log; update the package of the compiled module that it uses (coredumpctl info)",
        [*(death[0] for death in deaths[-2:]), *(frame[0] for frame in frames[-1:])],
    )


def _deaths(log: str, signals: tuple[str, ...]) -> list[re.Match[str]]:
    """Return the ends of workers by one of these signals, without those that uWSGI brought about."""
    own = {pid for pair in _OWN_KILLS.findall(log) for pid in pair if pid}
    return [death for death in _DIED.finditer(log) if death[3] in signals and death[2] not in own]


def _memory_fix(site: Site) -> str:
    unit = site.uwsgi.unit.get("Id", "")
    limit = f"systemctl show --property=MemoryMax {unit}; " if unit else ""
    where = "web_sites[].uwsgi.processes and options" if site.managed else "processes and reload-on-rss in the ini"
    return f"{limit}journalctl --dmesg --grep 'Out of memory'; to use less memory: {where}"
