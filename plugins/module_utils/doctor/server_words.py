# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A server's messages about itself when it cannot start, not about the application, which it has not loaded yet."""

from __future__ import annotations

import re
from typing import NamedTuple

from .logs import traceback


class Refused(NamedTuple):
    """Why a server does not start, what to do about it ({place} is where its options stand), and where it says so."""

    cause: str
    fix: str
    at: int


# In the words of gunicorn, uvicorn, daphne and granian: (pattern, cause, fix), of which \1 is what the pattern found.
_WORDS = tuple(
    (re.compile(pattern, re.M), cause, fix)
    for pattern, cause, fix in (
        (
            r"class uri ['\"]?([\w.:-]{1,200})['\"]? invalid or not found",
            r"its worker class \1 cannot be loaded",
            r"install the package of \1 into its virtualenv, or correct --worker-class (-k) in {place}",
        ),
        (
            r"^Failed to read config file: (\S{1,300})",
            r"its configuration \1 cannot be read",
            r"correct \1",
        ),
        (
            r"^\S*?:? ?error: unrecognized arguments: ([^\n]{1,200})",
            r"it does not know \1",
            "correct its options in {place}",
        ),
        (r"^Error: No such option: ([^\s.]{1,80})", r"it has no option \1", "correct its options in {place}"),
        (r"^Error: (Invalid value for [^\n]{1,200})", r"\1", "correct its options in {place}"),
        (r"^Error: (No application module specified)\.", r"\1", "name the application (project.wsgi) in {place}"),
        (
            r"[Cc]onnection (?:to )?(\S{1,200}) failed: \[Errno 1\] Operation not permitted",
            r"it cannot give the socket \1 to the configured group",
            "remove --group from {place}, or start it as root, or name its user's own group",
        ),
        (
            r"[Cc]onnection (?:to )?(\S{1,200}) failed: \[Errno 13\] Permission denied",
            r"its user cannot create the socket \1",
            r"make its user the owner of the directory of \1",
        ),
        (
            r"[Cc]onnection (?:in use: |to )(\([^)\n]{1,80}\)|[^\s()]{1,200})(?: failed: \[Errno 98\]|$)",
            r"its address \1 is in use by another process",
            "stop the other process (ss -ltnp)",
        ),
        (
            r"[Cc]ouldn't listen on (\S{1,120}): \[Errno 98\]",
            r"its address \1 is in use by another process",
            "stop the other process (ss -ltnp)",
        ),
        (
            r"[Cc]ouldn't listen on (?:[^\s:]*:)?(/\S{1,120}): \[Errno 2\]",
            r"the directory of its socket \1 is missing",
            r"create the directory of \1 at each start (RuntimeDirectory= of a unit, tmpfiles.d)",
        ),
        (
            r"Listen failure: \[Errno 2\] No such file or directory: [^\n]{0,100}?'(/[^'\n]{1,200}?)(?:\.lock)?'",
            r"the directory of its socket \1 is missing",
            r"create the directory of \1 at each start (RuntimeDirectory= of a unit, tmpfiles.d)",
        ),
        (
            r"\[Errno 98\] error while attempting to bind on address (\([^)\n]{1,80}\))",
            r"its address \1 is in use by another process",
            "stop the other process (ss -ltnp)",
        ),
    )
)
# How supervisorctl says why it could not even execute a program.
_SPAWN = re.compile(r"(?:can't find command|command at) '([^'\n]{1,300})'( is not executable)?|\bEACCES\b|\bENOENT\b")


def of_the_server(log: str) -> Refused | None:
    """Return a server's last message about itself; None if all are about the application."""
    found: Refused | None = None
    for pattern, cause, fix in _WORDS:
        for match in pattern.finditer(log):
            if found is None or match.start() >= found.at:
                found = Refused(match.expand(cause), match.expand(fix), match.start())
    if found and found.cause.endswith(("cannot be loaded", "cannot be read")):
        why = traceback(log[: found.at + 4000]) or traceback(log)
        return found._replace(cause=f"{found.cause}: {why}") if why else found
    # An application that failed later belongs to another start.
    return None if found and log.rfind("Traceback (most recent call last)") > found.at else found


def interface(error: str) -> tuple[str, str]:
    """Return (what is wrong, what to do) where a server and an application speak different interfaces; ('', '')."""
    if re.search(r"TypeError: \w+\.__call__\(\) takes 3 positional arguments but 4 were given", error):
        return (
            "the server speaks ASGI, but the application is for WSGI",
            "make the server load PROJECT.asgi:application, or speak WSGI (granian: --interface wsgi)",
        )
    if re.search(r"TypeError: \w+\.__call__\(\) (?:missing 1 required positional argument: 'send'|takes 4 pos)", error):
        return (
            "the server speaks WSGI, but the application is for ASGI",
            "make the server load PROJECT.wsgi:application, or a worker for ASGI (gunicorn: -k "
            "uvicorn_worker.UvicornWorker)",
        )
    return "", ""


def of_supervisor(state: str) -> Refused | None:
    """Return why supervisor could not execute a program, in the words of `supervisorctl status`."""
    match = _SPAWN.search(state)
    if not match or not match[1]:
        return None
    if match[2]:
        return Refused(f"{match[1]} is not executable", f"chmod +x {match[1]}", match.start())
    return Refused(f"there is no {match[1]}", "correct command= in {place}", match.start())
