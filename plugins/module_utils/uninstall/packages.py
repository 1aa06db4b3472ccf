# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remove the packages that our runs installed, with their dependencies, and nothing else.

Each package manager is first asked what it would do. A package is kept if a package that is not ours needs it, if it
was installed before, if this process runs from it, or if the host is reached through it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..host import file_set, files, memory
from ..host.causes import cause
from .report import Fault, Report

# A host that boots, and lets its administrator log in. These packages are never removed here.
PROTECTED = re.compile(
    r"(linux-image|kernel|grub|openssh-server|sudo|systemd|systemd-.*|dbus.*|libc6|glibc|apt|dnf)(-.*)?"
)
APT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "NEEDRESTART_MODE": "l"}
APT_WORDS = ["-y", "-q", "-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0"]
DPKG_FORMAT = "${db:Status-Abbrev}|||${Package}|||${Provides}|||${Pre-Depends}|||${Depends}\\n"


def remove(
    run: file_set.Run,
    installed: Iterable[str],
    needed: Mapping[str, str],
    before: Mapping[str, Any],
    report: Report,
    check_mode: bool,
) -> list[str]:
    """Remove our packages among those `installed`; return those that are left. Raises `Fault`.

    `needed` are the packages to keep and why, such as nginx if others have a site in it.
    """
    installed = set(installed)
    ours = {name for name in memory.brought() if name in installed and name not in before.get("packages", ())}
    streams = sorted(name for name in ours if name.startswith("@"))
    names = {name for name in ours if not name.startswith("@")}
    reasons = {name: why for name, why in needed.items() if name in names}
    reasons.update(dict.fromkeys(owners(run, sys.executable) & names, "this very process runs from it"))
    reasons.update({name: "the host needs it to run" for name in names if PROTECTED.fullmatch(name)})
    manager = _Apt(run, before) if file_set.which("apt-get") else _Dnf(run)
    doomed = removable(names, set(reasons), manager.needs)
    others = names - doomed - set(reasons)
    report.kept += [f"the package {name}: {why}" for name, why in sorted(reasons.items())]
    if others:
        report.kept.append(f"the packages {', '.join(sorted(others))}: others that are kept need them")
    if doomed and not check_mode:
        _stop_services(run, sorted(doomed))
        manager.remove(sorted(doomed))
    report.removed += [f"the package {name}" for name in sorted(doomed)]
    for stream in streams:
        if not check_mode:
            manager.reset(stream)
        report.removed.append(f"the module stream {stream}")
    return sorted(names - doomed)


def forget(run: file_set.Run, before: Mapping[str, Any], report: Report, check_mode: bool) -> None:
    """Remove what packages leave behind: the accounts that they created, and files that nginx wrote."""
    for folder in memory.NGINX_OWN:
        # In check mode the packages are still there.
        owned = owners(run, folder) - (set(memory.brought()) if check_mode else set())
        if os.path.isdir(folder) and folder not in before.get("folders", ()) and not owned:
            if not check_mode:
                files.remove(folder)
            report.removed.append(folder)
    for kind, command, there in (("user", "userdel", "users"), ("group", "groupdel", "groups")):
        for name in memory.brought(there):
            if name in before.get(there, ()) or name not in memory.accounts()[there]:
                continue
            if not check_mode:
                status, out, err = run([command, name])
                if status:  # it is in use
                    report.kept.append(f"the {kind} {name}: {(err or out).strip()}")
                    continue
            report.removed.append(f"the {kind} {name}")


def _stop_services(run: file_set.Run, names: list[str]) -> None:
    """Stop the packages' services: not every package stops them when it is removed, such as polkitd."""
    listing = ["dpkg-query", "--listfiles"] if file_set.which("dpkg-query") else ["rpm", "--query", "--list"]
    listed = run([*listing, *names])[1]
    units = re.findall(r"(?m)^(?:/usr)?/lib/systemd/system/([^/@\s]+\.(?:service|socket|timer))$", listed)
    if units:
        run(["systemctl", "stop", *sorted(set(units))])


def removable(names: set[str], staying: set[str], needs: Callable[[set[str]], set[str]]) -> set[str]:
    """Return those of `names` that can be removed. `needs` returns which packages are needed by others than these."""
    doomed = names - staying
    while doomed:
        needed = needs(doomed) & doomed
        if not needed:
            break
        doomed -= needed
    return doomed


def owners(run: file_set.Run, path: str) -> set[str]:
    """Return the packages that a file or directory belongs to."""
    found: set[str] = set()
    for name in dict.fromkeys((path, os.path.realpath(path))):
        if file_set.which("dpkg-query"):
            status, out, _err = run(["dpkg-query", "--search", name])
            found.update(
                re.sub(r":\w+$", "", owner)
                for line in out.splitlines()
                for owner in line.rpartition(": ")[0].split(", ")
            )
        else:
            status, out, _err = run(["rpm", "--query", "--file", "--queryformat", "%{NAME}\\n", name])
            found.update(out.split() if status == 0 else ())
    return found - {""}


def needed_by_others(listed: str, names: set[str]) -> set[str]:
    """Return those of `names` that another installed package depends on (deb-control(5)).

    `listed` is dpkg-query's output with DPKG_FORMAT. For alternatives, one that is kept is enough.
    """
    there = [line.split("|||") for line in listed.splitlines() if line[1:2] == "i"]
    providers: dict[str, set[str]] = {}
    for _status, name, provides, _before, _depends in there:
        for provided in [name, *re.findall(r"(?:^|, )([^ ,:]+)", provides)]:
            providers.setdefault(provided, set()).add(name)
    needed: set[str] = set()
    for _status, name, _provides, before, depends in there:
        for choice in f"{before}, {depends}".split(", ") if name not in names else ():
            words = [re.split("[ :]", word)[0] for word in choice.split(" | ")]
            fitting = {found for word in words for found in providers.get(word, ())}
            if fitting and fitting <= names:
                needed |= fitting
    return needed


class _Apt:
    """apt-get of this host."""

    def __init__(self, run: file_set.Run, before: Mapping[str, Any]) -> None:
        self.run = run
        # Configuration that existed before its package is kept again; a purge would remove it.
        configuration = {"nginx": memory.NGINX, "firewalld": memory.FIREWALLD}
        self.plain = {name for name, folder in configuration.items() if folder in before.get("folders", ())}

    def needs(self, names: set[str]) -> set[str]:
        """Return those of `names` whose removal would remove others."""
        return needed_by_others(self.run(["dpkg-query", "--show", f"--showformat={DPKG_FORMAT}"])[1], names)

    def remove(self, names: list[str]) -> None:
        plain = [name for name in names if any(name.startswith(kind) for kind in self.plain)]
        purged = [name for name in names if name not in plain]
        for verb, some in (("remove", plain), ("purge", purged)):
            if some:
                self._refuse_others(verb, some, names)
                self._apt(verb, *some)

    def reset(self, stream: str) -> None:
        """apt has no module streams."""

    def _refuse_others(self, verb: str, some: list[str], names: list[str]) -> None:
        """Raise if apt-get would remove more than that."""
        out = self._apt(verb, "--simulate", *some)
        others = {found.partition(":")[0] for found in re.findall(r"(?m)^(?:Purg|Remv) (\S+)", out)} - {*names}
        if others:
            found = ", ".join(sorted(others))
            raise Fault(f"packages: apt-get would remove {found} as well; remove the rest by hand")

    def _apt(self, *words: str) -> str:
        argv = ["env", *(f"{name}={value}" for name, value in APT.items()), "apt-get", *APT_WORDS, *words]
        status, out, err = self.run(argv)
        if status:
            reasons = re.findall(r"(?m)^E: (.+)$", err)
            raise Fault(f"packages: apt-get {words[0]}: {'; '.join(reasons) or err.strip()}")
        return out


class _Dnf:
    """rpm and dnf of this host."""

    def __init__(self, run: file_set.Run) -> None:
        self.run = run

    def needs(self, names: set[str]) -> set[str]:
        """Return those of `names` whose removal would remove others."""
        status, out, err = self.run(["rpm", "--erase", "--test", *sorted(names)])
        if status == 0:
            return set()
        capabilities = re.findall(r"(?m)^\s*(\S+(?: [<>=]+ \S+)?) is needed by ", out + err)
        needed: set[str] = set()
        for capability in dict.fromkeys(capabilities):
            asked = ["rpm", "--query", "--whatprovides", "--queryformat", "%{NAME}\\n", capability.split()[0]]
            needed |= set(self.run(asked)[1].split()) & names
        return needed or names

    def remove(self, names: list[str]) -> None:
        # With exactly these: other unneeded packages are not ours.
        self._dnf("remove", "--noautoremove", *names)

    def reset(self, stream: str) -> None:
        self._dnf("module", "reset", stream.lstrip("@").partition(":")[0])

    def _dnf(self, *words: str) -> None:
        status, out, err = self.run(["env", "LC_ALL=C.UTF-8", "dnf", "--assumeyes", "--quiet", *words])
        if status:
            raise Fault(f"packages: dnf {words[0]}: {cause(err or out)}")
