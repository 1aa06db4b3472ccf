# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The audit log of a site: one line for each release that went live or failed, in the journal and the site's file."""

from __future__ import annotations

import contextlib
import syslog
import time
from collections.abc import Callable, Iterator

from ..host.shell import StepError

# journalctl --identifier=pyweb.stack
IDENTIFIER = "pyweb.stack"


@contextlib.contextmanager
def audited(
    site: str, path: str, who: str, action: str, before: str, after: str, live: Callable[[], str]
) -> Iterator[None]:
    """Log how the block ended: when, who, what, from, to, result; `path` is the site's own file.

    `live` returns the live release, which determines how a failure is described: a failure after the switch leaves the
    new release live. A killed run logs no end, but the journal has its beginning.
    """
    what = f"{action} {before or '-'} -> {after} by {who or 'unknown'}"
    _journal(f"{site}: {what}: begins")
    try:
        yield
    except BaseException as error:
        _note(site, path, what, _result(error, before, after, live()))
        raise
    _note(site, path, what, "live")


def _result(error: BaseException, before: str, after: str, live: str) -> str:
    """Return the description of a failure."""
    failed = type(error).__name__
    if isinstance(error, StepError):
        applied = f"; these migrations stay applied: {', '.join(error.migrations)}" if error.migrations else ""
        failed = f"{error.step}: {error.cause}{applied}"
    if live == before:
        return f"failed: {failed}"
    return f"live, but then failed: {failed}" if live == after else f"failed: {failed}; {live or 'nothing'} is live"


def _note(site: str, path: str, what: str, result: str) -> None:
    result = " ".join(result.split())
    _journal(f"{site}: {what}: {result}")
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    # A full or read-only disk must not fail the run, or hide another failure.
    with contextlib.suppress(OSError), open(path, "a", encoding="utf-8") as stream:
        stream.write(f"{moment} {what}: {result}\n")


def _journal(text: str) -> None:
    syslog.openlog(IDENTIFIER, 0, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_NOTICE, text)
