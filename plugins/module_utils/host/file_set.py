# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Install a set of files as one transaction: all files are checked and in effect, or none.

`install` compares, runs a check that sees the new files at their final paths (`stage`), renames each file into place,
and applies them. If one of these steps fails, it restores the previous files.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from ..model.layout import LOCKS, MEMORY
from . import file_change, files, kept, port_holder, stage
from .file_change import Change, FileSetError, Wanted

# Directories searched in addition to PATH, which has no sbin directories for an unprivileged login.
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"

# How nginx and other programs mark the error they stop at, and lines that are never the error.
_MARKED = re.compile(r"\[(emerg|alert|crit)\]")
_HARMLESS = re.compile(r"\b(warn(ing)?|notice|info|debug|syntax is ok|is successful)\b", re.IGNORECASE)

# Executes an argument list; returns (status, output, errors).
Run = Callable[[Sequence[str]], tuple[int, str, str]]


@dataclass(frozen=True)
class Request:
    """A named set of files, and the commands around it (argument lists)."""

    name: str
    files: Sequence[Wanted]
    check: Sequence[str] = ()
    private: Sequence[str] = ()
    apply: Sequence[Sequence[str]] = ()
    wait: float = 60.0
    revert: Sequence[Sequence[str]] = ()  # instead of `apply`, for the restored files


@dataclass
class Outcome:
    """What an installation did, or would do in a dry run."""

    changes: list[Change]
    changed: bool = False
    checked: bool = False
    unchecked_because: str = ""
    applied: bool = False
    notes: list[str] = field(default_factory=list)

    def diff(self) -> list[dict[str, Any]]:
        return [shown for change in self.changes for shown in file_change.differences(change)]


class CheckRefused(FileSetError):
    """The check refused the new files."""


def install(request: Request, run: Run, dry: bool = False, folder: str = LOCKS, memory: str = MEMORY) -> Outcome:
    """Install the set, or predict the changes. `run` executes an argument list; returns (status, output, errors).

    Raises `FileSetError`; the host is then as it was before.
    """
    if dry and os.geteuid() != 0:  # an ordinary user: compare the files that it can read
        changes = _compared(request.files, dry, memory)
        return Outcome(changes, _differ(changes), unchecked_because="only root can show the check the new files")
    lock = f"{folder}/{request.name}.lock"

    def busy(process: str) -> FileSetError:
        return FileSetError(
            f"the set '{request.name}' is being installed by another run: process {process} has held {lock} for "
            f"{request.wait:g} s; wait for it, or end it if it hangs"
        )

    with files.hold(lock, request.wait, busy):
        return _Transaction(request, run, dry, folder, memory).outcome()


def telling(output: str) -> str:
    """Return the line of a program's output that names the error, without the program's name and the time.

    This is the first line that is marked as an error; else the first that is no warning, notice or success message.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    marked = [line for line in lines if _MARKED.search(line)]
    grave = [line for line in lines if not _HARMLESS.search(line)]
    found = (marked or grave or lines or [""])[0]
    return port_holder.explained(re.sub(r"^nginx: (?=\[)|^\S+ \S+ (?=\[)|(?<=\] )[0-9]+#[0-9]+: ", "", found))


def which(program: str) -> str:
    """Return the program's absolute path, or '' if it is not installed."""
    return shutil.which(program, path=os.environ.get("PATH", "/usr/bin:/bin") + ":" + SBIN) or ""


@dataclass
class _Transaction:
    """One installation, under the lock."""

    request: Request
    run: Run
    dry: bool
    folder: str
    memory: str
    made: list[str] = field(default_factory=list)  # new directories, outer ones first
    done: list[Change] = field(default_factory=list)
    copied: list[str] = field(default_factory=list)  # paths that were copied

    def outcome(self) -> Outcome:
        interrupted = os.path.exists(self.marker)
        outcome = Outcome(_compared(self.request.files, self.dry, self.memory))
        outcome.changed = interrupted or _differ(outcome.changes)
        differing = [change.wanted for change in outcome.changes if change.state != "unchanged"]
        outcome.notes = [wanted.note for wanted in differing if wanted.note]
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
            self.apply(self.request.apply)
        except FileSetError as error:
            state = self.undo(interrupted).replace(f": {error}", ", for the same reason")
            raise type(error)(f"{error}; {state}", error.output) from None
        outcome.applied = bool(self.request.apply)
        outcome.notes += kept.note(outcome.changes, self.copied, self.memory)
        os.unlink(self.marker)
        return outcome

    @property
    def marker(self) -> str:
        """The marker file, which exists from the first rename until everything is applied. A killed run leaves it."""
        return f"{self.folder}/{self.request.name}.pending"

    def mark(self) -> None:
        with open(self.marker, "w", encoding="ascii") as stream:
            stream.write(str(os.getpid()))
            os.fsync(stream.fileno())

    def check(self, outcome: Outcome) -> bool:
        """Run the check with the new files at their final paths.

        Return whether the check must run in place, because nothing could be mounted.
        """
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
        copies = f"{self.folder}/{request.name}.stage"
        stage.discard(copies)
        try:
            script = stage.script(copies, outcome.changes, request.private, [program, *request.check[1:]])
            status, out, err = self.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script])
            outcome.checked = os.path.exists(f"{copies}/{stage.ENTERED}")
        except OSError as error:  # no unshare, or no space in /run
            status, out, err = 1, "", str(error)
        finally:
            stage.discard(copies)
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

    def refusal(self, output: str, state: str) -> CheckRefused:
        return CheckRefused(f"`{_brief(self.request.check)}` refuses the new files: {telling(output)}{state}", output)

    def swap(self, changes: list[Change]) -> None:
        """Write every file beside its path, then rename all: a full disk is noticed before anything has changed."""
        differing = [change for change in changes if change.state != "unchanged"]
        path = ""
        try:
            for change in changes:
                path = change.wanted.path
                files.forget(file_change.temporary(path))  # a killed run may have left one
            for change in differing:
                path = change.wanted.path
                if kept.keep(change, self.memory):
                    self.copied.append(path)
                if change.after.kind != "absent":
                    self.make_parents(path)
                file_change.write(file_change.temporary(path), change.after)
            for change in differing:
                path = change.wanted.path
                self.done.append(change)
                file_change.move(path, change.after)
                if change.wanted.prune and change.after.kind == "absent":
                    with contextlib.suppress(OSError):  # it contains something else
                        os.rmdir(os.path.dirname(path))
        except OSError as error:
            for change in differing:
                files.forget(file_change.temporary(change.wanted.path))
            raise FileSetError(f"{path}: cannot be written: {error.strerror}") from None

    def make_parents(self, path: str) -> None:
        missing = []
        parent = os.path.dirname(path)
        while not os.path.isdir(parent):
            missing.append(parent)
            parent = os.path.dirname(parent)
        for folder in reversed(missing):
            os.mkdir(folder)
            self.made.append(folder)
            os.chmod(folder, 0o755)  # noqa: S103 - configuration is readable, whatever the umask is

    def apply(self, commands: Sequence[Sequence[str]]) -> None:
        for argv in commands:
            program = which(argv[0])
            status, out, err = self.run([program, *argv[1:]]) if program else (127, "", f"{argv[0]} is not installed")
            if status:
                output = err or out or f"exit status {status}"
                raise FileSetError(f"`{_brief(argv)}` failed: {telling(output)}", output)

    def undo(self, interrupted: bool) -> str:
        """Restore the previous files and apply them; return a clause that describes the result."""
        stuck = []
        for change in reversed(self.done):
            try:
                if change.before.kind != "absent":
                    os.makedirs(os.path.dirname(change.wanted.path), mode=0o755, exist_ok=True)
                file_change.write(file_change.temporary(change.wanted.path), change.before)
                file_change.move(change.wanted.path, change.before)
            except OSError as error:
                stuck.append(f"{change.wanted.path} ({error.strerror})")
        for folder in reversed(self.made):
            with contextlib.suppress(OSError):  # another program put something there in the meantime
                os.rmdir(folder)
        for path in self.copied if not stuck else []:
            kept.forget(path, self.memory)
        if stuck:
            return f"these could not be put back: {', '.join(stuck)}; the next run tries again"
        if interrupted:  # The restored files may be half of an earlier run: leave the marker to the next run.
            return "the files are as the interrupted run before left them; the next run tries again"
        state = "the previous files are back"
        try:
            self.apply(self.request.revert or self.request.apply)
        except FileSetError as error:
            return f"{state}, but not in effect: {error}"
        os.unlink(self.marker)
        return state


def _compared(wanted: Sequence[Wanted], dry: bool, memory: str) -> list[Change]:
    return [kept.compare(one, memory) if one.kind == "kept" else file_change.compare(one, dry) for one in wanted]


def _differ(changes: list[Change]) -> bool:
    return any(change.state != "unchanged" for change in changes)


def _brief(argv: Sequence[str]) -> str:
    """Return a command for an error message: on one line; a script by its $0."""
    if list(argv[:2]) == ["sh", "-c"] and len(argv) > 3:
        return argv[3]
    text = shlex.join(argv).splitlines()
    return text[0][:80] + ("..." if len(text) > 1 or len(text[0]) > 80 else "")
