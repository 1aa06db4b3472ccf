# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keys of SSH servers: only those of the inventory, or those that were seen first.

Keys that were seen are in a file of root in the site's config directory. ssh runs as the account that builds and adds
new keys to a copy. From this copy, root takes only lines for servers without a key, so a known key is never replaced.
"""

from __future__ import annotations

import os
import re

from ..build.context import Context
from ..host import files, nofollow
from ..host.shell import StepError

# The format that OpenSSH writes with HashKnownHosts=no (sshd(8)).
LINE = re.compile(r"(?P<names>[A-Za-z0-9.,:%_\[\]-]{1,400}) (?P<kind>[a-z0-9@.-]{1,60}) [A-Za-z0-9+/]{16,4000}={0,2}")
# More than the number of servers of any repository with its submodules.
MOST_BYTES = 256 * 1024
CHANGED = "REMOTE HOST IDENTIFICATION HAS CHANGED"
REFUSED = "Host key verification failed"


def known(context: Context) -> str:
    """Return the text of ssh's file of known hosts: that of the inventory, else the keys that were seen before."""
    given = context.site["source"].get("known_hosts") or []
    return "".join(f"{line}\n" for line in given) or files.read(context.layout.known_hosts)


def options(context: Context, home: str) -> str:
    """Return ssh's options about the keys of servers; the file of known hosts is in `home`."""
    given = context.site["source"].get("known_hosts")
    # Keys that an administrator set for all users also count, unless the inventory lists the keys.
    strict = "yes -o GlobalKnownHostsFile=/dev/null" if given else "accept-new"
    own = f"-o StrictHostKeyChecking={strict} -o UserKnownHostsFile={home}/known_hosts"
    return f"{own} -o HashKnownHosts=no -o UpdateHostKeys=no"


def learn(context: Context, home: str) -> None:
    """Add the keys that ssh saw for the first time to the context; with `remember`, also store them."""
    if context.site["source"].get("known_hosts"):
        return
    known = {name for line in files.read(context.layout.known_hosts).splitlines() for name in _names(line)}
    for line in _read(f"{home}/known_hosts").splitlines():
        names = _names(line)
        if names and not known & names and LINE.fullmatch(line) and line not in context.host_keys:
            context.host_keys.append(line)


def remember(context: Context) -> list[str]:
    """Add new keys to the file of the site; return the names of the servers."""
    found = [LINE.fullmatch(line) for line in context.host_keys]
    if found:
        known = files.read(context.layout.known_hosts)
        files.write(context.layout.known_hosts, known + "".join(f"{line}\n" for line in context.host_keys), 0o644)
    context.host_keys.clear()
    return list(dict.fromkeys(match["names"] for match in found if match))


def explained(context: Context, error: StepError) -> StepError:
    """Return the failure of git; if ssh refused the key of a server, name the server and the fix."""
    said = error.output
    if REFUSED not in said:
        return error
    given = context.site["source"].get("known_hosts")
    host = re.search(r"[Hh]ost key for (\S+) has changed|host key is known for (\S+) and", said)
    name = next((part for part in host.groups() if part), "the server") if host else "the server"
    shown = re.search(r"(SHA256:[A-Za-z0-9+/]{43})", said)
    shows = f"{name} shows the key {shown[1]}" if shown else f"{name} shows another key"
    if given:
        what = f"source.known_hosts does not contain this key of {name}; {shows if shown else 'it shows another one'}"
        fix = "if it is the server's key, add it"
    elif CHANGED in said:
        what = f"{shows}, and {context.layout.known_hosts} contains another key of it"
        fix = f"if the server has a new key, remove the line of {name} there, or give the key in source.known_hosts"
    else:
        return error
    # The file in ssh's message was a copy, and is removed.
    said = re.sub(r"/\S*/\.step-[^/\s]+/known_hosts", context.layout.known_hosts, said)
    return context.error("source", f"{what}; the connection may be intercepted; {fix}", said)


def _names(line: str) -> set[str]:
    words = line.split()
    if words[:1] and words[0].startswith("@"):
        words = words[1:]
    return {*words[0].split(",")} if words and not words[0].startswith("#") else set()


def _read(path: str) -> str:
    """Return the contents of a file that the account wrote, if it is a regular file of a plausible size."""
    with nofollow.folder(os.path.dirname(path)) as parent:
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(os.path.basename(path), flags, dir_fd=parent)
        except OSError:
            return ""
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read(MOST_BYTES).decode("utf-8", "replace")
