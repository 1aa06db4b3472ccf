# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Install a set of files as one transaction: all of them, checked and in effect, or none.

`install` is the way in. It compares, lets a check see the new files where they will be before anybody else does, swaps
each in by a rename, has them applied, and puts back what was there when one of these steps fails.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import shlex
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from ..model.layout import LOCKS
from . import files

# Where programs are looked for beside PATH, which lacks the sbin directories for an unprivileged login.
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"

# Executes an argument list; gives (status, output, errors).
Run = Callable[[Sequence[str]], tuple[int, str, str]]


class FileSetError(Exception):
    """Why the set was not installed: file or step, found, wanted, and the program's own word. `output` is all of it."""

    def __init__(self, text: str, output: str = "") -> None:
        super().__init__(text)
        self.output = output


@dataclass(frozen=True)
class Wanted:
    """What is to be at a path: `kind` is file, link or absent."""

    path: str
    kind: str = "file"
    content: bytes = b""
    target: str = ""
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    secret: bool = False
    marked: str = ""


@dataclass(frozen=True)
class Found:
    """What is at a path: `kind` is file, link, absent or the name of something that no set replaces."""

    kind: str = "absent"
    content: bytes = b""
    target: str = ""
    mode: int = 0
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class Change:
    """One path: what is there, what comes, and how that is called: created, changed, removed or unchanged."""

    wanted: Wanted
    before: Found
    after: Found
    state: str


@dataclass(frozen=True)
class Request:
    """A set of files under a name, and the commands around it (argument lists)."""

    name: str
    files: Sequence[Wanted]
    check: Sequence[str] = ()
    private: Sequence[str] = ()
    apply: Sequence[Sequence[str]] = ()
    wait: float = 60.0


@dataclass
class Outcome:
    """What an installation did, or in a dry run would do."""

    changes: list[Change]
    changed: bool = False
    checked: bool = False
    unchecked_because: str = ""
    applied: bool = False

    def diff(self) -> list[dict[str, Any]]:
        return [one for change in self.changes for one in differences(change)]


def install(request: Request, run: Run, dry: bool = False, folder: str = LOCKS) -> Outcome:
    """Install the set, or predict it. `run` executes an argument list and returns (status, output, errors).

    Raises `FileSetError`; the host is then as it was before.
    """
    if dry and os.geteuid() != 0:  # a rehearsal by an ordinary user: compare, as far as files can be read
        changes = [compare(one, dry) for one in request.files]
        return Outcome(changes, _differ(changes), unchecked_because="only root can show the check the new files")
    lock = f"{folder}/{request.name}.lock"

    def busy(process: str) -> FileSetError:
        return FileSetError(
            f"the set '{request.name}' is being installed by another run: process {process} has held {lock} for "
            f"{request.wait:g} s; wait for it, or end it if it hangs"
        )

    with files.hold(lock, request.wait, busy):
        return _Transaction(request, run, dry, folder).outcome()


def compare(wanted: Wanted, dry: bool = False) -> Change:
    """Look what is at the path and decide what has to become of it. A dry run tolerates accounts not made yet."""
    before = look(wanted.path)
    if before.kind not in ("file", "link", "absent"):
        raise FileSetError(f"{wanted.path} is a {before.kind}; wanted a file or nothing there; move it away first")
    if wanted.kind == "absent":
        foreign = wanted.marked and wanted.marked.encode() not in before.content + before.target.encode()
        gone = before.kind == "absent" or foreign
        return Change(wanted, before, before if gone else Found(), "unchanged" if gone else "removed")
    if wanted.kind == "link":
        after = Found("link", target=wanted.target)
        same = before.kind == "link" and before.target == wanted.target
    else:
        uid, gid = _uid(wanted, dry), _gid(wanted, dry)
        after = Found("file", wanted.content, mode=wanted.mode, uid=uid, gid=gid)
        same = before == after
    return Change(wanted, before, after, "unchanged" if same else "created" if before.kind == "absent" else "changed")


def look(path: str) -> Found:
    """What lies at a path, links not followed."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Found()
    if stat.S_ISLNK(status.st_mode):
        return Found("link", target=os.readlink(path))
    if not stat.S_ISREG(status.st_mode):
        return Found("directory" if stat.S_ISDIR(status.st_mode) else "special file")
    with open(path, "rb") as stream:
        content = stream.read()
    return Found("file", content, "", stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def differences(change: Change) -> list[dict[str, Any]]:
    """What Ansible's diff mode shows for one path: the text, then the attributes."""
    if change.state == "unchanged":
        return []
    path, before, after = change.wanted.path, change.before, change.after
    header = {"before_header": path, "after_header": path if after.kind != "absent" else f"{path} (removed)"}
    result: list[dict[str, Any]] = []
    if (before.kind, before.content, before.target) != (after.kind, after.content, after.target):
        if change.wanted.secret:
            shown = {"before": "" if before.kind == "absent" else "(secret)\n", "after": "(secret, changed)\n"}
            result.append({**header, **shown, **({"after": ""} if after.kind == "absent" else {})})
        elif b"\0" in before.content or b"\0" in after.content:
            result.append({**header, "src_binary": 1})
        else:
            result.append({**header, "before": _text(before), "after": _text(after)})
    if before.kind == after.kind == "file" and _attributes(before) != _attributes(after):
        result.append({**header, "before": _attributes(before), "after": _attributes(after)})
    return result


def telling(output: str) -> str:
    """The line of a program's output that names the fault: the first that is not a mere warning or notice."""
    lines = [one.strip() for one in output.splitlines() if one.strip()]
    grave = [one for one in lines if not re.search(r"\b(warn(ing)?|notice|info|debug)\b", one, re.IGNORECASE)]
    return (grave or lines or [""])[0]


def which(program: str) -> str:
    """The program's absolute path, or '' when it is not installed."""
    return shutil.which(program, path=os.environ.get("PATH", "/usr/bin:/bin") + ":" + SBIN) or ""


@dataclass
class _Transaction:
    """One installation, under the lock."""

    request: Request
    run: Run
    dry: bool
    folder: str
    made: list[str] = field(default_factory=list)  # directories, outer ones first
    done: list[Change] = field(default_factory=list)

    def outcome(self) -> Outcome:
        interrupted = os.path.exists(self.marker)
        outcome = Outcome([compare(one, self.dry) for one in self.request.files])
        outcome.changed = interrupted or _differ(outcome.changes)
        if not outcome.changed:
            outcome.unchecked_because = "nothing differs"
            return outcome
        in_place = self.check(outcome)
        if self.dry:
            return outcome
        self.mark()
        try:
            self.swap(outcome.changes)
            if in_place:
                self.check_in_place(outcome)
            self.apply()
        except FileSetError as error:
            state = self.undo(interrupted)
            raise FileSetError(f"{error}; {state}", error.output) from None
        outcome.applied = bool(self.request.apply)
        os.unlink(self.marker)
        return outcome

    @property
    def marker(self) -> str:
        """There from before the first rename until everything is applied: a killed run leaves it to the next."""
        return f"{self.folder}/{self.request.name}.pending"

    def mark(self) -> None:
        with open(self.marker, "w", encoding="ascii") as stream:
            stream.write(str(os.getpid()))
            os.fsync(stream.fileno())

    def check(self, outcome: Outcome) -> bool:
        """Show the check the new files where they will be. True: no place apart could be made, so check in place."""
        request = self.request
        if not request.check:
            outcome.unchecked_because = "no check is given"
            return False
        program = which(request.check[0])
        if not program:
            if not self.dry:
                raise FileSetError(f"{request.check[0]}, which checks the files, is not installed; nothing was changed")
            outcome.unchecked_because = f"{request.check[0]} is not installed yet"
            return False
        stage = f"{self.folder}/{request.name}.stage"
        _discard(stage)
        try:
            script = _stage(stage, outcome.changes, request.private, [program, *request.check[1:]])
            status, out, err = self.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script])
            outcome.checked = os.path.exists(f"{stage}/{_ENTERED}")
        except OSError as error:  # no unshare, or no room in /run
            status, out, err = 1, "", str(error)
        finally:
            _discard(stage)
        if not outcome.checked:
            outcome.unchecked_because = f"no private mount namespace: {telling(err or out)}"
            return not self.dry
        if status:
            raise self.refusal(err or out or f"exit status {status}", "; nothing was changed")
        return False

    def check_in_place(self, outcome: Outcome) -> None:
        status, out, err = self.run([which(self.request.check[0]), *self.request.check[1:]])
        if status:
            raise self.refusal(err or out or f"exit status {status}", "")
        outcome.checked, outcome.unchecked_because = True, ""

    def refusal(self, output: str, state: str) -> FileSetError:
        return FileSetError(f"`{_brief(self.request.check)}` refuses the new files: {telling(output)}{state}", output)

    def swap(self, changes: list[Change]) -> None:
        """Write every file beside its place, then rename: a full disk shows before anything has moved."""
        differing = [one for one in changes if one.state != "unchanged"]
        path = ""
        try:
            for change in changes:
                path = change.wanted.path
                files.forget(_temporary(path))  # a killed run may have left one
            for change in differing:
                path = change.wanted.path
                if change.after.kind != "absent":
                    self.make_parents(path)
                _write(_temporary(path), change.after)
            for change in differing:
                path = change.wanted.path
                self.done.append(change)
                _move(path, change.after)
        except OSError as error:
            for change in differing:
                files.forget(_temporary(change.wanted.path))
            raise FileSetError(f"{path}: cannot be written: {error.strerror}") from None

    def make_parents(self, path: str) -> None:
        missing = []
        parent = os.path.dirname(path)
        while not os.path.isdir(parent):
            missing.append(parent)
            parent = os.path.dirname(parent)
        for one in reversed(missing):
            os.mkdir(one)
            self.made.append(one)
            os.chmod(one, 0o755)  # noqa: S103 - whatever the umask says: configuration is readable

    def apply(self) -> None:
        for argv in self.request.apply:
            program = which(argv[0])
            status, out, err = self.run([program, *argv[1:]]) if program else (127, "", f"{argv[0]} is not installed")
            if status:
                output = err or out or f"exit status {status}"
                raise FileSetError(f"`{_brief(argv)}` failed: {telling(output)}", output)

    def undo(self, interrupted: bool) -> str:
        """Put back what was there and apply that; say in a clause how far it came."""
        stuck = []
        for change in reversed(self.done):
            try:
                _write(_temporary(change.wanted.path), change.before)
                _move(change.wanted.path, change.before)
            except OSError as error:
                stuck.append(f"{change.wanted.path} ({error.strerror})")
        for one in reversed(self.made):
            with contextlib.suppress(OSError):  # somebody else put something there meanwhile
                os.rmdir(one)
        if stuck:
            return f"these could not be put back: {', '.join(stuck)}; the next run tries again"
        if interrupted:  # what is back may be half of what an earlier run wrote: leave the marker to the next run
            return "the files are as the interrupted run before left them; the next run tries again"
        state = "the previous files are back"
        try:
            self.apply()
        except FileSetError as error:
            return f"{state}, but not in effect: {error}"
        os.unlink(self.marker)
        return state


# Made by the script of `_stage` when all its mounts stand, so that a failing mount is no failing check.
_ENTERED = "entered"


def _stage(stage: str, changes: list[Change], private: Sequence[str], command: Sequence[str]) -> str:
    """Lay out copies of the touched directories with the new files in them; return the script that mounts and checks.

    Only files are copied. Directories that the set does not touch appear in the copy as mounts of themselves. Of the
    `private` directories the files are there, but empty: what the check writes to them (a pid, a log) has no effect.
    """
    os.mkdir(stage, 0o700)
    differing = [one for one in changes if one.state != "unchanged"]
    blank = {os.path.realpath(one) for one in private if os.path.isdir(one)}
    copied = {_existing(os.path.dirname(one.wanted.path)) for one in differing} | blank
    roots = sorted(one for one in copied if not any(_inside(one, other) for other in copied))
    if "/" in roots:
        raise OSError("nothing can be mounted over /")
    mounts: list[tuple[str, str]] = []
    for number, root in enumerate(roots):
        _copy(root, f"{stage}/{number}", copied, blank, mounts)
    for change in differing:
        path = change.wanted.path
        real = f"{os.path.realpath(os.path.dirname(path))}/{os.path.basename(path)}"
        number, root = next((number, root) for number, root in enumerate(roots) if _inside(real, root))
        target = f"{stage}/{number}{real[len(root) :]}"
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _write(_temporary(target), change.after)
        _move(target, change.after)
    mounts += [(f"{stage}/{number}", root) for number, root in enumerate(roots)]
    lines = [shlex.join(["mount", "--rbind", what, where]) for what, where in mounts]
    return "\n".join(["set -e", *lines, f": >{shlex.quote(f'{stage}/{_ENTERED}')}", f"exec {shlex.join(command)}"])


def _copy(real: str, copy: str, copied: set[str], blank: set[str], mounts: list[tuple[str, str]]) -> None:
    status = os.stat(real)
    os.mkdir(copy)
    os.chown(copy, status.st_uid, status.st_gid)
    os.chmod(copy, stat.S_IMODE(status.st_mode))
    with os.scandir(real) as entries:
        for entry in entries:
            twin = f"{copy}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), twin)
            elif entry.is_dir():
                if any(one == entry.path or _inside(one, entry.path) for one in copied):
                    _copy(entry.path, twin, copied, blank, mounts)
                else:
                    os.mkdir(twin)
                    mounts.append((entry.path, twin))
            elif entry.is_file():
                found = look(entry.path) if real not in blank else _emptied(entry.stat())
                _write(twin, found)


def _emptied(status: os.stat_result) -> Found:
    return Found("file", b"", "", stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def _discard(stage: str) -> None:
    """Remove a staged copy; never through a mount, behind which the real files would be."""
    if files.mounts(stage):
        raise FileSetError(f"{stage} has mounts in it, which should be in a namespace of their own; unmount them")
    files.remove(stage)


def _temporary(path: str) -> str:
    """Beside the file, so that a rename is atomic; hidden, and no *.conf that a running program would include."""
    return f"{os.path.dirname(path)}/.{os.path.basename(path)}.pyweb~"


def _write(path: str, content: Found) -> None:
    if content.kind == "link":
        files.forget(path)
        os.symlink(content.target, path)
    elif content.kind == "file":
        files.put(path, content.content, content.mode, content.uid, content.gid)


def _move(path: str, content: Found) -> None:
    """Rename what `_write` put beside `path` over it, or remove `path`; for good, also if the power fails."""
    if content.kind == "absent":
        files.forget(path)
        files.sync(os.path.dirname(path))
    else:
        files.move(_temporary(path), path)


def _existing(folder: str) -> str:
    """The folder, or the nearest one above it that is there; links resolved."""
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return os.path.realpath(folder)


def _inside(path: str, folder: str) -> bool:
    return path != folder and path.startswith(folder.rstrip("/") + "/")


def _differ(changes: list[Change]) -> bool:
    return any(one.state != "unchanged" for one in changes)


def _text(found: Found) -> str:
    return f"link to {found.target}\n" if found.kind == "link" else found.content.decode("utf-8", "replace")


def _attributes(found: Found) -> dict[str, str]:
    return {
        "mode": f"0{found.mode:03o}",
        "owner": _name(pwd.getpwuid, found.uid),
        "group": _name(grp.getgrgid, found.gid),
    }


def _name(lookup: Callable[[int], Any], number: int) -> str:
    try:
        return str(lookup(number)[0])
    except (KeyError, OverflowError):
        return "to be made" if number < 0 else str(number)


def _uid(wanted: Wanted, dry: bool) -> int:
    return _identity(wanted, "owner", wanted.owner, lambda name: pwd.getpwnam(name).pw_uid, dry)


def _gid(wanted: Wanted, dry: bool) -> int:
    return _identity(wanted, "group", wanted.group, lambda name: grp.getgrnam(name).gr_gid, dry)


def _identity(wanted: Wanted, what: str, name: str, lookup: Callable[[str], int], dry: bool) -> int:
    """The number of an account or group; -1, which the kernel takes as 'leave it', while it is still to be made."""
    if name.isdigit():
        return int(name)
    try:
        return lookup(name)
    except KeyError:
        if dry:
            return -1
        raise FileSetError(f"{wanted.path}: {what} is {name!r}; there is none on this host; create it first") from None


def _brief(argv: Sequence[str]) -> str:
    """A command as an error quotes it: on one line; of a script the name that it was given as its $0."""
    if list(argv[:2]) == ["sh", "-c"] and len(argv) > 3:
        return argv[3]
    text = shlex.join(argv).splitlines()
    return text[0][:80] + ("..." if len(text) > 1 or len(text[0]) > 80 else "")
