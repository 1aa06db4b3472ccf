# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The running instances of a site, one systemd unit for each release: start, check, drain and stop them."""

from __future__ import annotations

import re
import time
from subprocess import CompletedProcess

from ..host.causes import cause
from ..host.shell import Shell, StepError
from ..uwsgi import stats, tracebacks
from ..uwsgi.failures import why_not_started
from ..uwsgi.protocol import ProtocolError
from . import arrival, journal, traffic
from .release import Release
from .visit import beside, visit
from .watch import watch

# How long a release must keep answering after nginx uses it, before the old one is stopped. nginx may have read the old
# link just before it was renamed, so the old release has to run for about as long anyway.
SETTLE_SECONDS = 0.25
# How many answers it must give: on a busy host, a quarter of a second is enough for only one. Slow ones are not waited
# for longer than SETTLE_MAX.
SETTLE_ANSWERS, SETTLE_PAUSE, SETTLE_MAX = 5, 0.05, 2.0
# A health check with less time than this may end before its answer.
SHORT_SECONDS = 1.0
# A first page may create thumbnails, or fill a cache.
LONGER = "; increase health.timeout if its first answer needs longer"
# The journal of a failure starts this many seconds before the failed request.
JOURNAL_SECONDS = 5
# The pause before the next health check, in seconds, which grows: every wrong answer may log a traceback, and journald
# drops the lines of a unit that logs too many (RateLimitBurst=).
ASK_AGAIN_SECONDS, ASK_AGAIN_FACTOR, ASK_AGAIN_MAX = 0.1, 1.5, 1.0


class Instance:
    """The instance of one release, or its probe: the same release without its TCP ports."""

    def __init__(self, shell: Shell, release: Release, release_id: str, probe: bool = False) -> None:
        """`release` is the one that goes live: it determines the requests, and their time limit."""
        layout = release.layout
        self.shell, self.release = shell, release
        self.unit = layout.probe_unit(release_id) if probe else layout.unit(release_id)
        self.socket, self.stats = layout.socket(release_id), layout.stats(release_id)

    def check_environment(self) -> None:
        """Check that the release's variables arrive. Raises `StepError`."""
        arrival.check(self.shell, self.release)

    def start(self) -> None:
        """Start the unit. Raises `StepError` with uWSGI's reason."""
        started = time.time()
        done = self._systemctl("start", "start", self.unit, check=False)
        if done.returncode:
            log = self.journal(started)
            reason = why_not_started(log, self.release.health["timeout"])
            raised = tracebacks.shorten(tracebacks.last(log))
            what = f"{self.unit} did not start: {reason}"
            raise StepError(self.release.name, "start", what, raised or log, tracebacks.LINES if raised else 25)

    def restart(self) -> None:
        self._systemctl("start", "restart", self.unit)

    def clear(self) -> None:
        """Stop what a killed run may have left: it has the probe's socket."""
        self._systemctl("start", "stop", self.unit, check=False)

    def stop(self) -> None:
        """Stop the unit after its requests in flight, in any state."""
        self._systemctl("stop", "stop", self.unit, check=False)
        self._systemctl("stop", "reset-failed", self.unit, check=False)

    def retire(self) -> None:
        """Stop the unit after its requests in flight, without waiting: it gets no more requests."""
        # Its master takes a second to notice that its workers have ended.
        self._systemctl("stop", "stop", "--no-block", self.unit)
        self._systemctl("stop", "reset-failed", self.unit, check=False)

    def abandon(self) -> None:
        """Kill the unit: it serves no requests, and may hang."""
        # Stop it first, or systemd would restart it after the kill.
        self._systemctl("stop", "stop", "--no-block", self.unit, check=False)
        self._systemctl("stop", "kill", "--signal=KILL", self.unit, check=False)
        self.stop()

    def is_active(self) -> bool:
        return self._systemctl("units", "is-active", "--quiet", self.unit, check=False).returncode == 0

    def wait_until_healthy(self) -> None:
        """Request the instance's own socket until it answers correctly. Raises `StepError` if it does not in time."""
        timeout = self.release.health["timeout"]
        started, asked = time.time(), time.monotonic()
        deadline = asked + timeout
        wrong, longer, pause = "", "", ASK_AGAIN_SECONDS
        while True:
            left = deadline - time.monotonic()
            page = visit(self.release, self.socket, max(round(left, 1), 0.1))
            if not page.wrong:
                break
            # The fault of an interrupted request is less precise than that of the previous one.
            if not wrong or left >= SHORT_SECONDS:
                wrong, longer = page.wrong, LONGER if page.slow else ""
            if time.monotonic() > deadline or not self.is_active():
                raise self._unhealthy("health", f"{wrong} within {timeout} s{longer}", started)
            # The last request is at the deadline, not up to a pause after it.
            time.sleep(min(pause, max(deadline - time.monotonic(), ASK_AGAIN_SECONDS)))
            pause = min(pause * ASK_AGAIN_FACTOR, ASK_AGAIN_MAX)
        if wrong := beside(self.release, self.socket, page):
            raise self._unhealthy("health", wrong, started)

    def settle(self, live: bool = False) -> None:
        """Request the healthy instance until it has proved to be stable. Raises `StepError`.

        A live instance is requested where nginx connects to it; on shared ports, it is requested at its own socket,
        because the old one may answer on the ports.
        """
        socket = self.release.layout.live_socket if live else self.socket
        step, when = ("switch", "once it was live") if live else ("health", "after its first good answer")
        started, begin, answers = time.time(), time.monotonic(), 0
        while time.monotonic() - begin < (SETTLE_SECONDS if answers >= SETTLE_ANSWERS else SETTLE_MAX):
            if wrong := visit(self.release, socket, self.release.health["timeout"]).wrong:
                raise self._unhealthy(step, f"{when} {wrong}", started)
            answers += 1
            time.sleep(SETTLE_PAUSE)

    def ask_once_more(self) -> None:
        """Check the instance just before nginx uses it, because starting workers takes time. Raises `StepError`.

        Workers of uWSGI whose master has ended still answer for a moment.
        """
        started = time.time()
        wrong = visit(self.release, self.socket, self.release.health["timeout"]).wrong
        # The master itself answers the stats; without them, systemd tells whether it lives.
        if not wrong and not stats.are_there(f"unix:{self.stats}") and not self.is_active():
            wrong = "its master process is gone"
        if wrong:
            raise self._unhealthy("health", f"after its first good answer {wrong}", started)

    def drain(self) -> None:
        """Wait until no request waits at the instance's own socket, at most for the time limit of one request.

        On Linux, uWSGI does not know the length of a unix socket's queue: if no worker is busy, it is empty.
        """
        deadline = time.monotonic() + self.release.read_timeout
        while time.monotonic() < deadline:
            try:
                told = stats.read(f"unix:{self.stats}")
            except ProtocolError:
                return
            if any(listener.get("name") != self.socket for listener in told.get("sockets", [])):
                # On shared ports, waiting requests are already the new release's, and under load it would never be
                # idle. It finishes what it has accepted when it is stopped.
                return
            if not any(worker.get("status") == "busy" for worker in stats.workers(told)):
                return
            time.sleep(0.05)

    def journal(self, since: float) -> str:
        """Return the last lines of the unit's log; `since` is in seconds since the epoch."""
        return journal.last_lines(self.shell, self.unit, since)

    def _unhealthy(self, step: str, wrong: str, since: float) -> StepError:
        """Return the error for a wrong answer, with the project's traceback, or other lines of the journal about it."""
        log = self.journal(since - JOURNAL_SECONDS)
        gone = "" if self.is_active() else "; uWSGI ended"
        raised = tracebacks.last(log)
        reason = f"; {cause(tracebacks.root(raised))}" if raised else ""
        return StepError(self.release.name, step, f"{wrong}{gone}{reason}", tracebacks.quote(log), tracebacks.LINES)

    def _systemctl(self, step: str, *arguments: str, check: bool = True) -> CompletedProcess[str]:
        return self.shell.run(step, ["systemctl", *arguments], check=check)


class Instances:
    """All instances of a site on this host; the release that goes live determines how they are checked and stopped."""

    def __init__(self, shell: Shell, release: Release) -> None:
        self.shell, self.release = shell, release

    def of(self, release_id: str) -> Instance:
        """Return the instance of a release."""
        return Instance(self.shell, self.release, release_id)

    def probe(self, release_id: str) -> Instance:
        """Return the probe of a release."""
        return Instance(self.shell, self.release, release_id, probe=True)

    def running(self) -> list[str]:
        """Return the IDs of the releases that systemd runs or tries to run; not those that it is stopping."""
        layout = self.release.layout
        words = ["--all", "--plain", "--no-legend", "--full", layout.unit("*")]
        shown = self.shell.run("units", ["systemctl", "list-units", *words]).stdout
        rows = re.findall(r"^(?:[*●] )?(\S+) +\S+ +(?!deactivating |inactive )\S+ ", shown, re.MULTILINE)
        return [found for found in map(layout.release_of, rows) if found]

    def answers_of(self, live: str) -> traffic.Before | None:
        """Return how the live release answers, to compare after a switch; None if its uWSGI does not report it."""
        counter, site = self._counter(live), self.release.site
        # A release's record of nginx may lack a key; one that is None has no such files.
        aliases = [site["nginx"].get(kind, {"url": f"/{kind}/"}) for kind in ("static", "media")]
        without = [alias["url"] for alias in aliases if alias]
        return traffic.Before(counter, self.release.layout.access_log, without) if counter.counts else None

    def watch(self, old: str, before: traffic.Before | None) -> str:
        """Watch the answers to visitors for `health.watch` seconds; return why this is not done, or ''.

        `old` is the previously live release, `before` describes its answers. Raises `StepError` if the new one answers
        worse.
        """
        release, started = self.release, time.time()
        counter = self._counter(release.id)
        if not before or not counter.counts:
            return f"its traffic is not watched: no numbers from the uWSGI of release {release.id if before else old}"
        if not traffic.logs_5xx(release.ini):
            return "its traffic is not watched: uwsgi.options keep the lines of log-5xx out of the journal"
        asked, share = before.known()
        found = watch(release.health["watch"], counter, share) if asked else None
        if found:
            wrong = (
                f"{found.bad} of {found.answers} answers to visitors were 5xx; of release {old}, which is live again, "
                f"{share:.0%} were; migrations are not reversed"
            )
            raise self.of(release.id)._unhealthy("watch", wrong, started)
        return ""

    def stop_probes(self) -> None:
        """Stop the probes that killed runs left."""
        self.shell.run("stop", ["systemctl", "stop", self.release.layout.probe_unit("*")])

    def _counter(self, release_id: str) -> traffic.Counter:
        """Return a counter of a release's answers from now on."""
        instance = self.of(release_id)
        return traffic.Counter(self.shell, instance.unit, instance.stats)
