# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command `pyweb` on a host: it does what the playbooks do, without a controller, with the same code and locks.

Each command imports what it needs: an archive contains no compiled modules, and most commands need few.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from ..host import noted_version
from ..host.shell import StepError
from .output import complain, into_nothing, prepare, say_line, until_closed
from .sites import NoSite, chosen, pick

UNKNOWN = 3
# For manage and shell, as in env(1): the command did not fail, it could not be run.
NOT_RUN = 125

_DESCRIPTION = "Manage the Django sites of this host, like the playbooks of pyweb.stack, but without a controller."
_EPILOG = """\
status and doctor exit like monitoring plugins: 0 ok, 1 warning (degraded), 2 critical (broken), 3 unknown. manage and
shell exit with the status of the program that they ran, or with 125 if it could not be run. Others exit with 0 or 1.
status and releases do not need root. logs shows what the user may read. All others need root: sudo pyweb ...
"""


# The exit status of a command that could not be done. All others exit with 1.
_FAILED = {"status": UNKNOWN, "doctor": UNKNOWN, "manage": NOT_RUN, "shell": NOT_RUN}


class Parser(argparse.ArgumentParser):
    """Exits after wrong arguments as if the command could not be done: 2 would mean that a site is broken."""

    def error(self, message: str) -> NoReturn:
        command = self.prog.partition(" ")[2]
        self.print_usage(sys.stderr)
        if command in ("", "status", "doctor"):
            say_line(f"UNKNOWN: {message}")
        self.exit(_FAILED.get(command, 1) if command else UNKNOWN, f"{self.prog}: {message}\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    whole = Parser(prog="pyweb", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw, allow_abbrev=False)
    version = f"pyweb.stack {noted_version.read() or '(unknown version: run pyweb.stack.site once)'}"
    whole.add_argument("--version", action="version", version=version)
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, what: str, run: Callable[[argparse.Namespace], int], root: bool) -> argparse.ArgumentParser:
        needs = " (needs root)" if root else ""
        told = f"{what[0].upper()}{what[1:]}{needs}."
        one: argparse.ArgumentParser = commands.add_parser(
            name, help=what + needs, description=told, allow_abbrev=False
        )
        one.set_defaults(run=run, root=root)
        return one

    one = add("status", "show whether each site is live and answers", _status, False)
    one.add_argument("sites", nargs="*", metavar="SITE", help="limit to these sites")
    one = add("doctor", "show which hop of a site is broken, why, and how to fix it", _doctor, True)
    one.add_argument("sites", nargs="*", metavar="SITE", help="limit to these sites")
    one.add_argument("--json", action="store_true", help="print everything that was found as JSON")
    one.add_argument("--deep", action="store_true", help="also start each part alone; takes some seconds per site")
    one.add_argument(
        "--patience", type=_seconds, default=4.0, metavar="SECONDS", help="how many seconds to wait for an answer"
    )
    one = add("releases", "list the releases on this host, newest first", _releases, False)
    one.add_argument("sites", nargs="*", metavar="SITE", help="limit to these sites")
    one = add("rollback", "make an earlier release the live one again, without a failed request", _rollback, True)
    one.add_argument("site", metavar="SITE")
    one.add_argument(
        "id", nargs="?", default="", metavar="ID", help="its ID; by default the release that was live before"
    )
    one.add_argument("--check", action="store_true", help="show what would be done, and change nothing")
    one.add_argument(
        "--ignore-migrations", action="store_true", help="roll back even if the code does not know all migrations"
    )
    one = add("logs", "show what nginx, uWSGI and the workers of a site logged, sorted by time", _logs, False)
    one.add_argument("site", metavar="SITE")
    one.add_argument("-f", "--follow", action="store_true", help="continue with new lines as they are written")
    one.add_argument(
        "-e",
        "--errors",
        action="store_true",
        help="show only errors: 5xx and 499, tracebacks, messages of uWSGI and systemd",
    )
    one.add_argument("-n", "--lines", type=_count, default=100, metavar="N", help="how many lines to show (100)")
    add("watch", "check all sites, store the result and write metrics; the timer runs this", _watch, True)
    for name, what in (
        ("manage", "run manage.py of a site, as its user, with its settings"),
        ("shell", "start a Django shell"),
    ):
        one = add(name, what, _manage, True)
        one.add_argument("site", metavar="SITE")
        one.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="the arguments of manage.py")
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    prepare()
    status = 0
    try:
        with until_closed():
            try:
                status = _run(argv)
            except SystemExit as end:  # from argparse, after --help or wrong arguments
                status = end.code if isinstance(end.code, int) else 1
    except KeyboardInterrupt:
        status = 130
    except OSError as error:  # the disk is full on which the output goes, for instance
        into_nothing()
        complain(f"{error.filename or 'cannot continue'}: {error.strerror or error}")
        status = _FAILED.get((argv or sys.argv[1:] or [""])[0], 1)
    return status


def _run(argv: Sequence[str] | None) -> int:
    given = parser().parse_args(argv)
    failed = _FAILED.get(given.command, 1)
    if given.root and os.geteuid() != 0:
        return _refused(given, f"{given.command} needs root, and you are {_name()}: sudo pyweb {given.command} ...")
    try:
        status: int = given.run(given)
        return status
    except NoSite as error:
        return _refused(given, str(error))
    except StepError as error:
        complain(str(error))
    return failed


def _refused(given: argparse.Namespace, why: str) -> int:
    """Print why nothing was done, in the format of monitoring plugins if needed; return the exit status."""
    if given.command in ("status", "doctor") and not getattr(given, "json", False):
        say_line(f"UNKNOWN: {why}")
    else:
        complain(why)
    return _FAILED.get(given.command, 1)


def _status(given: argparse.Namespace) -> int:
    from . import status

    return status.run(chosen(given.sites))


def _doctor(given: argparse.Namespace) -> int:
    from . import examination

    return examination.run(chosen(given.sites), given.json, given.deep, given.patience)


def _releases(given: argparse.Namespace) -> int:
    from . import releases

    return releases.run(chosen(given.sites))


def _rollback(given: argparse.Namespace) -> int:
    from . import releases

    return releases.go_back(pick(given.site), given.id, given.ignore_migrations, given.check)


def _logs(given: argparse.Namespace) -> int:
    from . import logs

    return logs.run(pick(given.site), given.lines, given.follow, given.errors)


def _manage(given: argparse.Namespace) -> int:
    from . import manage

    words = given.words if given.command == "manage" else ["shell", *given.words]
    return manage.run(pick(given.site), words)


def _watch(_given: argparse.Namespace) -> int:
    from . import watch

    # A site that recorded no domains cannot be checked.
    return watch.watch([request for site in chosen([]) if (request := site.request())])


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 600:
        raise argparse.ArgumentTypeError(f"{text}; expected seconds, more than 0 and at most 600")
    return value


def _count(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 100_000:
        raise argparse.ArgumentTypeError(f"{text}; expected 0 to 100000 lines")
    return value


def _name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
