"""Break plugins/module_utils in one place at a time, at random, and count how often the unit tests notice.

    make mutants                                 100 mutants
    make mutants N=300 SEED=7 FILES='nginx/* firewall.py'

A place is drawn by its line: first a line that a unit test reaches, then one of the changes that can be made there
(mutations.py). Only the tests that reach the line are run; for what runs at import, such as tables, all tests. Lines
that only other processes run (what is sent to a site's own Python) count as not reached.

The working tree is not touched: every worker has a copy of its own and, where the kernel lets it, runs in namespaces in
which it can change nothing but that copy and kill no other process. Some survivors are no fault: the changed code does
the same.

Neither mutmut nor cosmic-ray fits. mutmut wants modules to be called as their files are, and puts all mutants of a
function into what `inspect.getsource` sends to hosts; cosmic-ray runs the whole suite for each mutant.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import pytest
from mutations import Change, changes_of

ROOT = Path(__file__).resolve().parents[2]
UNDER = "plugins/module_utils"
# A loop without an end that collects something must not take the machine's memory.
MEMORY_BYTES = 4 << 30
# All but the properties, which reach nearly every line and take seconds each.
TESTS = ("tests/unit", "--ignore-glob=*/test_fuzz_*.py")
# What a run of a few tests takes at most on a busy machine; all of them may take as long again as they did unchanged.
LEAST_SECONDS = 60
# The tests that fail without a mutant, on a busy machine for instance, one a line. A few are left out of the sample's.
FAILED = "failed-tests.txt"
UNFIT_MOST = 5


@dataclass(frozen=True)
class Mutant:
    """A change of one file, and the tests that reach it."""

    path: str
    change: Change
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.path}:{self.change.line}: {self.change}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("files", nargs="*", help=f"patterns of files below {UNDER}; all of them otherwise")
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="pyweb-mutants-", ignore_cleanup_errors=True) as work:
        copies = [Copy(Path(work) / str(number)) for number in range(max(1, wanted.jobs))]
        start = time.monotonic()
        reached = copies[0].reached()
        for tree in copies:
            tree.unfit = copies[0].unfit
        limit = LEAST_SECONDS + 2 * (time.monotonic() - start)
        by_line = {
            place: mutants
            for place, mutants in places(reached).items()
            if not wanted.files or any(fnmatch.fnmatch(place[0][len(UNDER) + 1 :], one) for one in wanted.files)
        }
        sample = drawn(by_line, wanted.number, random.Random(wanted.seed))
        print(f"seed {wanted.seed}: {len(sample)} mutants", flush=True)
        outcomes = tried(sample, copies, limit)
    print(report(by_line, outcomes))
    return 0


# --- which of them are tried, and what came of it ---------------------------------------------------------------------

Reached = dict[str, dict[int, set[str]]]
ByLine = dict[tuple[str, int], list[Mutant]]


def places(reached: Reached) -> ByLine:
    """All mutants of every file, by path and line; without tests where no test gets."""
    found: ByLine = {}
    for path in sorted(ROOT.glob(f"{UNDER}/**/*.py")):
        name = str(path.relative_to(ROOT))
        lines = reached.get(name, {})
        for change in changes_of(path.read_text(encoding="utf-8")):
            tests = lines.get(change.line) or lines.get(change.statement) or set()
            if change.at_import and tests:
                tests = set().union(*lines.values())
            mutant = Mutant(name, change, tuple(sorted(tests - {""})))
            found.setdefault((name, change.line), []).append(mutant)
    return found


def drawn(by_line: ByLine, number: int, chance: random.Random) -> list[Mutant]:
    """One mutant of each of `number` lines that tests reach."""
    lines = [mutants for mutants in map(_with_tests, by_line.values()) if mutants]
    return [chance.choice(mutants) for mutants in chance.sample(lines, min(number, len(lines)))]


def _with_tests(mutants: Sequence[Mutant]) -> list[Mutant]:
    return [mutant for mutant in mutants if mutant.tests]


def tried(sample: Sequence[Mutant], copies: Sequence[Copy], limit: float) -> list[tuple[Mutant, str]]:
    """What came of each mutant: killed, survived or time limit."""
    idle: SimpleQueue[Copy] = SimpleQueue()
    for tree in copies:
        idle.put(tree)

    def attempt(mutant: Mutant) -> tuple[Mutant, str]:
        tree = idle.get()
        try:
            outcome = tree.attempt(mutant, limit)
        finally:
            idle.put(tree)
        print(f"{outcome:<10} {mutant}", flush=True)
        return mutant, outcome

    pool = ThreadPoolExecutor(len(copies))
    try:
        return list(pool.map(attempt, sample))
    finally:
        # After an interruption nothing goes on in the background.
        pool.shutdown(wait=False, cancel_futures=True)
        for tree in copies:
            tree.stop()
        pool.shutdown()


def report(by_line: ByLine, outcomes: Sequence[tuple[Mutant, str]]) -> str:
    counts = Counter(outcome for _mutant, outcome in outcomes)
    killed = counts["killed"] + counts["time limit"]
    reached = sum(bool(_with_tests(mutants)) for mutants in by_line.values())
    share = killed / len(outcomes) if outcomes else 0.0
    survivors = sorted((mutant for mutant, outcome in outcomes if outcome == "survived"), key=str)
    files = Counter(mutant.path for mutant in survivors)
    return "\n".join(
        [
            "",
            f"killed {killed} of {len(outcomes)} on reached lines "
            f"({counts['time limit']} by the time limit): {share:.0%}",
            f"tests reach {reached} of {len(by_line)} lines that can be changed, so of all lines about "
            f"{share * reached / max(1, len(by_line)):.0%}",
            *(f"survived: {count} in {path}" for path, count in files.most_common()),
            *(f"  {mutant}" for mutant in survivors),
        ]
    )


# --- where they are tried ---------------------------------------------------------------------------------------------


class Copy:
    """A copy of the checkout in which tests run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree = folder / "tree"
        self.process: subprocess.Popen[str] | None = None
        self.unfit: list[str] = []
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0"):
            source = ROOT / name
            if name and (source.is_file() or source.is_symlink()):
                target = self.tree / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)

    def reached(self) -> Reached:
        """By file and line, the tests that run it; '' for what runs while modules are imported."""
        import coverage

        data = self.folder / "coverage"
        settings = self.folder / "coverage.ini"
        settings.write_text(f"[run]\ndata_file = {data}\nsource = {self.tree / UNDER}\n", encoding="utf-8")
        run = [sys.executable, "-m", "coverage", "run", f"--rcfile={settings}", "-m", "pytest"]
        done = self.run([*run, "-p", "mutants", "-q", *TESTS], timeout=1800)
        failed = self.tree / FAILED
        unfit = failed.read_text(encoding="utf-8").splitlines() if failed.exists() else []
        if done.returncode and not 0 < len(unfit) <= UNFIT_MOST:
            raise SystemExit(f"the unit tests fail without a mutant:\n{done.stdout}")
        for test in unfit:
            print(f"left out, as it fails without a mutant: {test}", flush=True)
        self.unfit = unfit
        found = coverage.CoverageData(str(data))
        found.read()
        return {
            str(Path(path).relative_to(self.tree.resolve())): {
                line: {test for test in tests if test not in unfit}
                for line, tests in found.contexts_by_lineno(path).items()
            }
            for path in found.measured_files()
        }

    def attempt(self, mutant: Mutant, limit: float) -> str:
        path = self.tree / mutant.path
        source = path.read_text(encoding="utf-8")
        path.write_text(mutant.change.made_in(source), encoding="utf-8")
        try:
            outcome = self.outcome(mutant.tests, limit)
            if outcome == "survived" and mutant.change.at_import:
                outcome = self.outcome([*TESTS, *(f"--deselect={test}" for test in self.unfit)], limit)
            return outcome
        finally:
            path.write_text(source, encoding="utf-8")

    def outcome(self, tests: Sequence[str], limit: float) -> str:
        done = self.run([sys.executable, "-m", "pytest", "-x", "-q", *tests], limit)
        if done.returncode == USAGE_ERROR:
            # The change gave a parametrized test another name: run the whole files.
            files = dict.fromkeys(test.partition("::")[0] for test in tests)
            done = self.run([sys.executable, "-m", "pytest", "-x", "-q", *files], limit)
        return {0: "survived", TIMED_OUT: "time limit"}.get(done.returncode, "killed")

    def run(self, command: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
        """Run a command in the copy, shut in as far as the kernel allows."""
        temporary = self.folder / "t"
        temporary.mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.tree / "tests/tools"),
            # A changed file may be as old and as long as the one before, which is all that Python compares.
            "PYTHONDONTWRITEBYTECODE": "1",
            # The pytest that runs this, such as that of ansible-test, may have plugins that are not for the copy.
            "PYTEST_PLUGINS": "",
            "PYTEST_ADDOPTS": f"-p no:cacheprovider --basetemp={temporary}/p",
            "TMPDIR": str(temporary),
            "HOME": str(temporary),
            "ANSIBLE_CONFIG": str(self.tree / "ansible.cfg"),
        }
        process = subprocess.Popen(
            [*shut_in(self.folder), "env", f"--chdir={self.tree}", *command],
            cwd=self.tree,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES)),
        )
        self.process = process
        try:
            output, _errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.stop()
            process.communicate()
            return subprocess.CompletedProcess(command, TIMED_OUT, "")
        except BaseException:
            self.stop()
            raise
        return subprocess.CompletedProcess(command, process.returncode, output)

    def stop(self) -> None:
        """End what runs in the copy, with all that it started."""
        if self.process and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


TIMED_OUT = -1000
USAGE_ERROR = 4  # pytest.ExitCode's: a test is not found
# /tmp is an overlay, whose changes are forgotten; what lies below "$1" is real. `cd` again, for until then the working
# directory is that of the mount below.
INSIDE = """
mount --bind "$1" /mnt && mount -t tmpfs tmpfs /run && mkdir /run/upper /run/work &&
mount -t overlay -o lowerdir=/tmp,upperdir=/run/upper,workdir=/run/work overlay /tmp && mount --bind /mnt "$1" &&
mount -o remount,bind,ro / && cd "$1" && shift && exec "$@"
"""


def shut_in(folder: Path) -> list[str]:
    """What begins a command that changes nothing outside `folder` and sees no other process; [] without the right."""
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    words += ["sh", "-c", INSIDE, "sh", str(folder)]
    with contextlib.suppress(OSError):
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
            return words
    return []


def pytest_runtest_logstart(nodeid: str) -> None:
    """Say to coverage which test begins: this file is a plugin of the pytest that `reached` runs."""
    import coverage

    running = coverage.Coverage.current()
    if running:
        running.switch_context(nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note a test that fails while `reached` runs."""
    if report.failed:
        with (ROOT / FAILED).open("a", encoding="utf-8") as stream:
            stream.write(f"{report.nodeid}\n")


if __name__ == "__main__":
    sys.exit(main())
