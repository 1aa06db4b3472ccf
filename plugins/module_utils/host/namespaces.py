# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands that find other directories in place of some of the host's: in a mount namespace of their own.

Root makes the namespace before the command becomes its user. Until then nothing of the site counts: a path that has
become a link is refused, and the environment of the command, which may name libraries, comes over the standard input.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from .identity import Identity

PROGRAM = r"""
import ctypes, json, os, sys
NEWNS, NEWNET, PRIVATE, BIND, NO_NEW_PRIVS, DEATH, KILL = 0x20000, 0x40000000, 0x44000, 0x5000, 38, 1, 9
libc = ctypes.CDLL(None, use_errno=True)
parent, block = os.getppid(), b""
while len(block) < int(sys.argv[1]):
    block += os.read(0, int(sys.argv[1]) - len(block))
given = json.loads(block)

def done(status, what):
    if status:
        sys.exit("error: %s: %s" % (what, os.strerror(ctypes.get_errno())))

def mount(source, target, kind, flags, options):
    here = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    for name in target.split("/"):
        if name:
            try:
                here = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            except OSError as error:
                sys.exit("error: %s: %s" % (target, error.strerror))
    place = b"/proc/self/fd/%d" % here
    done(libc.mount(source.encode(), place, kind, ctypes.c_ulong(flags), options), target)

done(libc.unshare(NEWNS | (NEWNET if given["alone"] else 0)), "unshare")
done(libc.mount(None, b"/", None, ctypes.c_ulong(PRIVATE), None), "mount")
for path in given["hidden"]:
    mount("none", path, b"tmpfs", 0, b"mode=1777,size=16m")
for source, target in given["places"]:
    mount(source, target, None, BIND, None)
os.setgroups(given["groups"])
os.setresgid(*[given["gid"]] * 3)
os.setresuid(*[given["uid"]] * 3)
done(libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
# Becoming another user has taken it away.
done(libc.prctl(DEATH, KILL, 0, 0, 0), "prctl")
if os.getppid() != parent:
    os._exit(1)
words, name = sys.argv[2:], given["folder"]
try:
    os.chdir(name)
    name = words[0]
    os.execvpe(name, words, given["environment"])
except OSError as error:
    print("%s: %s" % (name, error.strerror), file=sys.stderr)
    os._exit(127)
"""


def command(
    who: Identity,
    argv: Sequence[str],
    folder: str,
    environment: Mapping[str, str],
    places: Sequence[tuple[str, str]] = (),
    hidden: Sequence[str] = (),
    alone: bool = False,
) -> tuple[list[str], str]:
    """Return what root runs for `argv` to run as `who` in `folder`, and what goes before its standard input.

    `places` are (a directory of root's, that of the host in whose place it is found); directories that are `hidden` are
    empty, and `alone` is without a network. Paths are absolute and have no links.
    """
    given = {
        "uid": who.uid,
        "gid": who.gid,
        "groups": list(who.groups),
        "folder": folder,
        "environment": dict(environment),
        "places": [list(place) for place in places],
        "hidden": list(hidden),
        "alone": alone,
    }
    block = json.dumps(given)
    return ["/usr/bin/python3", "-I", "-S", "-c", PROGRAM, str(len(block)), *argv], block
