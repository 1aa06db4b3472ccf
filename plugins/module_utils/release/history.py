# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The audit of a site: one line a release that went live or did not, in the journal and in the site's own file."""

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
    """Note how what is done inside ended: when, who, what, from, to, result; `path` is the site's own file.

    `live` gives the release that is live, which is what a failure is judged by: what fails after the switch has left
    the new release live, and what could not be put back is told. A run that is killed leaves no line of its end. The
    journal has one of its beginning.
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
    """Return what has come of something that failed."""
    failed = type(error).__name__
    if isinstance(error, StepError):
        applied = f"; applied, and they stay: {', '.join(error.migrations)}" if error.migrations else ""
        failed = f"{error.step}: {error.cause}{applied}"
    if live == before:
        return f"failed: {failed}"
    return f"live, but then failed: {failed}" if live == after else f"failed: {failed}; {live or 'nothing'} is live"


def _note(site: str, path: str, what: str, result: str) -> None:
    result = " ".join(result.split())
    _journal(f"{site}: {what}: {result}")
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    # A full disk or a read-only one is no reason to fail, or to hide why something else failed.
    with contextlib.suppress(OSError), open(path, "a", encoding="utf-8") as stream:
        stream.write(f"{moment} {what}: {result}\n")


def _journal(text: str) -> None:
    syslog.openlog(IDENTIFIER, 0, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_NOTICE, text)
