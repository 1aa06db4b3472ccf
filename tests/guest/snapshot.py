"""Snapshots of everything on a host that must be left as it was, and readable differences between two of them.

A program reads them on the host with the host's own Python: every file below the roots (hash, mode, owner), links,
accounts, units, listeners, the firewall and the packages. It leaves out what the system itself changes, see
`BY_ITSELF`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from host import Host

ROOTS = ("/etc", "/usr/local", "/opt", "/srv", "/var/lib", "/run/sites", "/run/pyweb.stack", "/root")
# What the system or its package manager writes, whatever is installed: caches, databases, logs and backups.
BY_ITSELF = (
    r"/var/lib/(apt|dpkg|dnf|rpm|yum)(/.*)?",
    r"/var/lib/systemd/(catalog|coredump|random-seed|timers|timesync|linger|ephemeral-trees)(/.*)?",
    r"/var/lib/private(/.*)?",
    r"/etc/(ld\.so\.cache|machine-id|mtab|\.updated|\.pwd\.lock|resolv\.conf|hosts|hostname)",
    r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-",  # backups of account tools
    r"/root/\.ansible(/.*)?",  # Ansible's temporary files
    r".*/__pycache__(/.*)?",
    r"/run/pyweb\.stack/.*\.lock",  # locks are taken in check mode as well
)

LOOK = r"""
import glob, hashlib, json, os, pwd, grp, re, stat, subprocess, sys

roots, skipped = json.load(sys.stdin)
skipped = re.compile("|".join("(?:%s)" % pattern for pattern in skipped))

def said(*argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""

def name(lookup, number):
    try:
        return lookup(number)[0]
    except KeyError:
        return str(number)

def entry(path):
    info = os.lstat(path)
    owner = name(pwd.getpwuid, info.st_uid) + ":" + name(grp.getgrgid, info.st_gid)
    kind = stat.filemode(info.st_mode)
    if stat.S_ISLNK(info.st_mode):
        return "%s %s -> %s" % (kind, owner, os.readlink(path))
    if stat.S_ISREG(info.st_mode):
        with open(path, "rb") as stream:
            return "%s %s %s" % (kind, owner, hashlib.sha256(stream.read()).hexdigest()[:16])
    return "%s %s" % (kind, owner)

files = {}
for root in roots:
    for folder, folders, names in os.walk(root):
        folders[:] = [one for one in folders if not skipped.fullmatch(folder + "/" + one)]
        for one in [folder] + [folder + "/" + one for one in folders + names]:
            if not skipped.fullmatch(one):
                files[one] = entry(one)

units = {}
for line in said("systemctl", "list-unit-files", "--no-legend", "--plain", "--no-pager").splitlines():
    words = line.split()
    units[words[0]] = words[1]
active = [
    line.split()[0]
    for line in said("systemctl", "list-units", "--type=service,socket,timer", "--state=active,failed", "--no-legend",
                     "--plain", "--no-pager").splitlines()
]
listeners = sorted({
    "%s %s %s" % (words[0], words[4], re.sub(r"pid=\d+,fd=\d+", "", " ".join(words[6:])))
    for words in (line.split() for line in said("ss", "-Hlntup").splitlines())
})
dpkg = ["dpkg-query", "--show", "--showformat", "${db:Status-Abbrev} ${Package}\n"]
rpm = ["rpm", "--query", "--all", "--queryformat", "%{NAME}\n"]
packages = said(*(dpkg if os.path.exists("/usr/bin/apt-get") else rpm))
print(json.dumps({
    "files": files,
    "users": {one.pw_name: "home %s shell %s" % (one.pw_dir, one.pw_shell) for one in pwd.getpwall()},
    "groups": {one.gr_name: ",".join(one.gr_mem) for one in grp.getgrall()},
    "units": units,
    "active": dict.fromkeys(active, ""),
    "listeners": dict.fromkeys(listeners, ""),
    "zones": dict(enumerate(said("firewall-cmd", "--list-all-zones").splitlines())),
    "rules": dict(enumerate(said("nft", "list", "ruleset").splitlines())),
    "packages": dict.fromkeys(sorted(packages.splitlines()), ""),
}))
"""


@dataclass(frozen=True)
class Snapshot:
    """The state of a host at one moment: kind -> name -> state."""

    state: Mapping[str, Mapping[str, str]]

    def differences(self, later: Snapshot, apart_from: Mapping[str, Iterable[str]] | None = None) -> list[str]:
        """Return what was added, removed or changed until `later`. `apart_from`: kind -> patterns of ignored names."""
        lines = []
        for kind, before in self.state.items():
            after = later.state[kind]
            allowed = [re.compile(pattern) for pattern in (apart_from or {}).get(kind, ())]
            if kind in ("zones", "rules"):
                lines += [f"{kind}: {line}" for line in _text_difference(before, after)]
                continue
            for name in sorted({*before, *after}):
                if before.get(name) != after.get(name) and not any(pattern.fullmatch(name) for pattern in allowed):
                    lines.append(f"{kind}: {name}: {before.get(name, 'not there')} => {after.get(name, 'not there')}")
        return lines

    def only(self, kind: str, pattern: str) -> dict[str, str]:
        """Return the entries of one kind whose name matches."""
        return {name: state for name, state in self.state[kind].items() if re.fullmatch(pattern, name)}


def snapshot(host: Host) -> Snapshot:
    """Take a snapshot of the whole host."""
    host.told("cat > /dev/shm/look.py", stdin=LOOK)
    told = host.told("python3 -B /dev/shm/look.py; rm /dev/shm/look.py", stdin=json.dumps([ROOTS, BY_ITSELF]))
    return Snapshot(json.loads(told))


def _text_difference(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    lines = difflib.unified_diff(list(before.values()), list(after.values()), n=1, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]
