# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The audit of a site: one line a release that went live or did not, in the journal and in the site's own file."""

from __future__ import annotations

import contextlib
import syslog
import time
from collections.abc import Iterator

from ..host.shell import StepError

# journalctl --identifier=pyweb.stack
IDENTIFIER = "pyweb.stack"


@contextlib.contextmanager
def audited(site: str, path: str, who: str, action: str, before: str, after: str) -> Iterator[None]:
    """Note how what is done inside ended: when, who, what, from, to, result; `path` is the site's own file.

    A run that is killed leaves no line of its end. The journal has one of its beginning.
    """
    what = f"{action} {before or '-'} -> {after} by {who or 'unknown'}"
    _journal(f"{site}: {what}: begins")
    try:
        yield
    except StepError as error:
        _note(site, path, what, f"failed: {error.step}: {error.cause}")
        raise
    except BaseException as error:
        _note(site, path, what, f"failed: {type(error).__name__}")
        raise
    _note(site, path, what, "live")


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
