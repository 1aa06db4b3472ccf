# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command `pyweb` on a host: what the playbooks do, without a controller, by the same code and the same locks.

Each command imports what it needs: an archive keeps no compiled modules, and most commands need few.
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
# Of manage and shell, as env(1) has it: not the command failed, but whoever was to run it.
NOT_RUN = 125

_DESCRIPTION = "The Django sites of this host: what playbooks of pyweb.stack do, on the host itself."
_EPILOG = """\
status and doctor exit as monitoring plugins do: 0 ok, 1 warning (degraded), 2 critical (broken), 3 unknown. manage and
shell exit as what they ran, and with 125 where that could not be run; everything else with 0 or 1.
Without root: status and releases, and what of logs is public. Everything else needs it: sudo pyweb ...
"""


# What a command exits with that could not be done; every other one with 1.
_FAILED = {"status": UNKNOWN, "doctor": UNKNOWN, "manage": NOT_RUN, "shell": NOT_RUN}


class Parser(argparse.ArgumentParser):
    """Ends a call that makes no sense as the command ends that cannot be done: 2 would say that a site is broken."""

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
        end = "" if what.endswith("?") else "."
        told = f"{what[0].upper()}{what[1:]}{needs}{end}"
        one: argparse.ArgumentParser = commands.add_parser(
            name, help=what + needs, description=told, allow_abbrev=False
        )
        one.set_defaults(run=run, root=root)
        return one

    one = add("status", "is each site live, and does it answer?", _status, False)
    one.add_argument("sites", nargs="*", metavar="SITE", help="only these sites")
    one = add("doctor", "which hop of a site is broken, why, and what fixes it", _doctor, True)
    one.add_argument("sites", nargs="*", metavar="SITE", help="only these sites")
    one.add_argument("--json", action="store_true", help="everything that was found, as data")
    one.add_argument("--deep", action="store_true", help="try each part alone as well, some seconds a site")
    one.add_argument(
        "--patience", type=_seconds, default=4.0, metavar="SECONDS", help="wait so long for what does not answer"
    )
    one = add("releases", "the releases that are here, the newest first", _releases, False)
    one.add_argument("sites", nargs="*", metavar="SITE", help="only these sites")
    one = add("rollback", "make an earlier release the live one again, without a failed request", _rollback, True)
    one.add_argument("site", metavar="SITE")
    one.add_argument(
        "id", nargs="?", default="", metavar="ID", help="its id; without, the release that was live before"
    )
    one.add_argument("--check", action="store_true", help="say what would be done, and change nothing")
    one.add_argument("--ignore-migrations", action="store_true", help="even to code that does not know all migrations")
    one = add("logs", "what nginx, uWSGI and workers of a site wrote, by time", _logs, False)
    one.add_argument("site", metavar="SITE")
    one.add_argument("-f", "--follow", action="store_true", help="go on with what is written from now on")
    one.add_argument("-e", "--errors", action="store_true", help="only errors: 5xx and 499, tracebacks, complaints")
    one.add_argument("-n", "--lines", type=_count, default=100, metavar="N", help="so many lines (100)")
    add("watch", "what the timer runs: look at all sites, remember what was found, write metrics", _watch, True)
    for name, what in (("manage", "manage.py of a site, as its user, with its settings"), ("shell", "a Django shell")):
        one = add(name, what, _manage, True)
        one.add_argument("site", metavar="SITE")
        one.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="what manage.py gets")
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    prepare()
    status = 0
    try:
        with until_closed():
            try:
                status = _run(argv)
            except SystemExit as end:  # of argparse, after --help or a call that makes no sense
                status = end.code if isinstance(end.code, int) else 1
    except KeyboardInterrupt:
        status = 130
    except OSError as error:  # the disk is full on which the output goes, for instance
        into_nothing()
        complain(f"{error.filename or 'cannot go on'}: {error.strerror or error}")
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
    """Say why nothing was done, to a monitoring system in its own words; return the exit status."""
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

    # Nobody knows what to ask of a site that recorded no domains.
    return watch.watch([request for site in chosen([]) if (request := site.request())])


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 600:
        raise argparse.ArgumentTypeError(f"{text}; wanted seconds, from more than 0 to 600")
    return value


def _count(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 100_000:
        raise argparse.ArgumentTypeError(f"{text}; wanted 0 to 100000 lines")
    return value


def _name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
