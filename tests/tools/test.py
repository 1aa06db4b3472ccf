#!/usr/bin/env python3
"""Run the tests of the collection: test.py [setup|lint|unit|molecule|faults ...]; without a word, all but `vm`.

Needs only python3. Each step writes its own log below .test-logs/. If the step fails, the log is shown in full, with
the journal of its container. A failing step stops only the steps that depend on it. The report shows for each step on a
platform what its image was made from: the distribution's own (registry, mmdebstrap), or a stand-in for it. The last
line is `N passed, M failed`; the exit status is 1 if anything failed.

Environment:
  PLATFORMS  the platforms to test (default: those in tests/platforms.json that need no registry)
  FULL       those of them that are tested completely, or `all` (default: those that are `full` in the file, one of each
             family; all of PLATFORMS if that is set). The others run the scenarios in BRIEF. Without FULL and
             PLATFORMS, only the first one tests what is the same everywhere (the mark `same_everywhere`).
             With FULL=all, the long table of the doctor is tested too (the step doctor-long), and the site of the
             documentation is built and opened (the steps docs-site), and ansible-test runs (the steps sanity).
  SCENARIOS  the scenarios of molecule
  JOBS       how many steps run in parallel (default: one more than there are cores, because steps sometimes wait)
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import platforms as known_platforms

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / ".test-logs"
# Every step shares this lock; one that measures waits for the others to end, and prevents new ones.
ALONE = LOGS / ".alone.lock"
IN_VENV = str(ROOT / "tests/tools/in_venv.sh")
SCENARIOS = "platform sources default changes standalone dependency el"
SUITES = ("faults", "mistakes", "projects", "doctor", "guest", "upgrade", "workers", "hostile", "https")
# Run on one platform of each family, and only if everything is tested, or if they are named.
LONG_TABLE = "tests/doctor/long_table.py"
# The suites that need a CA in a container beside their host; its image is made of this platform's.
WITH_CA, CA_PLATFORM = ("https",), "debian12"
VM_PLATFORM = "debian12"
# The platforms of the controllers: ansible-core after 2.19 needs a newer Python than Debian 12 has.
CONTROLLER, NEW_CONTROLLER = "debian12", "debian13"
# Run on platforms that are not tested completely: the platform itself, and a served site.
BRIEF = ("platform", "sanity")
# Leaves out what is tested on another platform.
OTHERS_ASK = ("-m", "not same_everywhere")
# The versions of ansible-core whose sanity tests run.
CORES = ("2.16", "2.17", "2.18", "2.19")
# Scenarios that test what only some platforms have.
ONLY = {
    "el": [name for name, platform in known_platforms.PLATFORMS.items() if platform.os_family == "RedHat"],
}
STEP_SECONDS = 2700
# A machine in software emulation, from its disk to its last test.
VM_SECONDS = 7200
HEARTBEAT_SECONDS = 30
PLAIN_OUTPUT = {"NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", "PY_COLORS": "0", "COLUMNS": "140"}
# pytest's last line: `=== 92 passed, 1 skipped in 275.00s (0:04:34) ===`.
SUMMARY = re.compile(r"^=+ .*\b\d+ passed\b.* in [\d.]+s\b.*=+$", re.MULTILINE)
EVIDENCE = ROOT / "tests/tools/evidence.sh"
# pytest's list of what failed and its exceptions, Ansible's and Molecule's errors; the last of them are shown, cut.
REASON = re.compile(r"(FAILED|ERROR|E {3}|\[ERROR\]|fatal: |CRITICAL)")
REASONS = 15
WIDTH = 300


@dataclass
class Step:
    """One command with a name; it starts when every step in `needs` has passed."""

    name: str
    command: list[str]
    needs: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    platform: str = ""
    # It holds ALONE once it is ready to measure, because other steps would affect the result.
    alone: bool = False
    # The container that it leaves behind: read for evidence after a failure, and removed.
    container: str = ""
    seconds_most: float = STEP_SECONDS
    # A directory to remove before: an earlier run's would describe a container that no longer exists.
    scratch: Path | None = None
    # Not run if no step is named.
    by_name: bool = False
    outcome: str = "waiting"
    seconds: float = 0.0

    @property
    def log(self) -> Path:
        return LOGS / (self.name.replace(" ", "-") + ".log")


def main(words: list[str]) -> int:
    plan = all_steps(os.environ)
    steps = chosen(plan, words)
    if not steps:
        known = ", ".join(dict.fromkeys(step.name.split()[0] for step in plan))
        print(f"no step is called {' or '.join(words)}; known: {known}", file=sys.stderr)
        return 2
    LOGS.mkdir(exist_ok=True)
    run_all(steps, jobs=max(1, int(os.environ.get("JOBS") or (os.cpu_count() or 1) + 1)))
    return report(steps)


# --- the plan ---------------------------------------------------------------------------------------------------------


def all_steps(environment: Mapping[str, str]) -> list[Step]:
    """Return the whole plan, in the order in which idle workers start the steps: long ones first."""

    def tool(name: str, *command: str) -> Step:
        return Step(name, [IN_VENV, *command], ["setup"])

    wanted = (environment.get("PLATFORMS") or "").split()
    platforms = wanted or known_platforms.LOCAL
    asked_all = (environment.get("FULL") or "").split() or wanted or known_platforms.FULL
    full = platforms if asked_all == ["all"] else [platform for platform in platforms if platform in asked_all]
    prefix = environment.get("PYWEB_PREFIX") or "molecule"
    once = full[1:] if not wanted and not environment.get("FULL") else []
    return [
        Step("setup", [str(ROOT / "tests/tools/setup.sh")]),
        # After setup: both may have to install packages, and apt allows one at a time.
        Step("engine", [str(ROOT / "tests/tools/engine.sh")], ["setup"]),
        *(image(platform) for platform in platforms),
        ca_image(),
        tool("lint ansible", "ansible-lint", "--profile", "production", "--offline"),
        tool("lint yaml", "yamllint", "--strict", "."),
        tool("lint python", "ruff", "check"),
        tool("lint format", "ruff", "format", "--check"),
        tool("lint types", "mypy"),
        tool("lint docs", "python", "tests/tools/docs.py", "--check"),
        tool("lint spelling", "codespell"),
        tool("lint changelog", "antsibull-changelog", "lint"),
        tool("unit", "pytest", "tests/unit"),
        tool("gates galaxy", "tests/tools/galaxy.sh"),
        tool("gates compile", "python", "tests/tools/compile.py"),
        *ansible_test(by_name=asked_all != ["all"]),
        *(suite(what, platform, once=platform in once) for what in SUITES for platform in full),
        *(long_table(platform, asked_all != ["all"]) for platform in full if platform in known_platforms.FULL),
        *(
            molecule(scenario, platform, prefix)
            for scenario, platform in scenarios(platforms, full, (environment.get("SCENARIOS") or "").split())
        ),
        *(suite("load answers", platform, "tests/load/test_answers.py", once=platform in once) for platform in full),
        *docs_site(by_name=asked_all != ["all"]),
        *from_outside(full, platforms, by_name=asked_all != ["all"]),
        *(vm() if VM_PLATFORM in platforms else []),
        # Last, when nothing else is left to start: they set up their hosts while others still run.
        *(load(platform) for platform in full if platform not in once),
    ]


def scenarios(platforms: list[str], full: list[str], wanted: list[str]) -> list[tuple[str, str]]:
    """Return molecule's runs, as pairs of a scenario and a platform."""
    names = wanted or list(dict.fromkeys([*SCENARIOS.split(), *BRIEF]))
    pairs = [(name, platform) for name in names for platform in platforms]
    # `default` tests what `sanity` does.
    whole = wanted or SCENARIOS.split()
    return [
        (name, platform)
        for name, platform in pairs
        if name in (whole if platform in full else BRIEF) and platform in ONLY.get(name, platforms)
    ]


def image(platform: str) -> Step:
    return Step(f"image {platform}", [str(ROOT / "tests/images/build.sh"), platform], ["engine"], platform=platform)


def ca_image() -> Step:
    build = [str(ROOT / "tests/images/build.sh"), "--flavour", "pebble", CA_PLATFORM]
    return Step("image pebble", build, ["engine"])


def load(platform: str) -> Step:
    """The tests under load that compare times, on one platform: nothing else may run once their host is set up."""
    step = suite("load times", platform, "tests/load/test_times.py")
    step.alone = True
    step.env["PYWEB_ALONE"] = str(ALONE)
    return step


def vm() -> list[Step]:
    """What needs a kernel of its own, with SELinux: a machine in software emulation."""
    tests = suite("vm", VM_PLATFORM)
    tests.needs.append("vm qemu")
    tests.by_name, tests.seconds_most = True, VM_SECONDS
    return [Step("vm qemu", [str(ROOT / "tests/vm/qemu.sh")], ["engine"], by_name=True), tests]


def ansible_test(by_name: bool) -> list[Step]:
    """The sanity tests with each ansible-core that Python 3.11 runs; the unit tests as ansible-test does, by name."""
    script = str(ROOT / "tests/tools/sanity.sh")
    steps = [
        Step(f"sanity {core}", [IN_VENV, script, "sanity"], ["setup"], {"ANSIBLE_CORE": core}, by_name=by_name)
        for core in CORES
    ]
    return [*steps, Step("ansible-test units", [IN_VENV, script, "units", "--python", "3.11"], ["setup"], by_name=True)]


def docs_site(by_name: bool) -> list[Step]:
    """The site of the documentation: build it, and visit it with a browser."""
    tests = [IN_VENV, "pytest", "-rA", "tests/docs_site"]
    return [
        Step("docs-site build", ["make", "docs-site"], ["setup"], by_name=by_name),
        # After the build, which may install packages too.
        Step("docs-site browser", [str(ROOT / "tests/tools/browser.sh")], ["docs-site build"], by_name=by_name),
        Step("docs-site", tests, ["docs-site build", "docs-site browser"], by_name=by_name),
    ]


def from_outside(full: list[str], platforms: list[str], by_name: bool) -> list[Step]:
    """What an installed archive does on a controller of its own: the pages, and each ansible-core."""
    steps = [suite("guides", CONTROLLER), *(suite("install", platform) for platform in full)]
    matrix = suite("matrix", CONTROLLER)
    matrix.needs.append(f"image {NEW_CONTROLLER}")
    images = [image(name) for name in (CONTROLLER, NEW_CONTROLLER) if name not in platforms]
    for step in [*images, *steps, matrix]:
        step.by_name = by_name
    for step in [*steps, matrix]:
        step.needs = [*dict.fromkeys([*step.needs, f"image {CONTROLLER}"])]
    return [*images, *steps, matrix]


def long_table(platform: str, by_name: bool) -> Step:
    step = suite("doctor-long", platform, LONG_TABLE)
    step.by_name = by_name
    return step


def suite(what: str, platform: str, path: str = "", once: bool = False) -> Step:
    """Return the tests below tests/WHAT, or in a file, on one platform; `once`: without those of other platforms."""
    return Step(
        f"{what} {platform}",
        [IN_VENV, "pytest", "-rA", "--durations=10", *OTHERS_ASK * once, path or f"tests/{what}"],
        ["setup", f"image {platform}", *["image pebble"] * (what in WITH_CA)],
        {"PYWEB_PLATFORM": platform},
        platform,
    )


def molecule(scenario: str, platform: str, prefix: str) -> Step:
    # A directory of its own, so that the platforms can run side by side.
    scratch = ROOT / f".cache/molecule/{scenario}-{platform}"
    command = [IN_VENV, "molecule", "-c", str(ROOT / "molecule/config.yml"), "test", "--no-command-borders"]
    return Step(
        f"molecule {scenario} {platform}",
        # The runner removes the container: faster than a playbook, and after reading it for evidence.
        [*command, "--destroy", "never", "--scenario-name", scenario],
        ["setup", f"image {platform}"],
        {"PYWEB_PLATFORM": platform, "MOLECULE_EPHEMERAL_DIRECTORY": str(scratch)},
        platform,
        container=f"{prefix}-{scenario}-{platform}",
        scratch=scratch,
    )


def chosen(steps: list[Step], words: list[str]) -> list[Step]:
    """Return the named steps and their dependencies; without names, all except those that must be named."""
    if not words:
        return [step for step in steps if not step.by_name]
    by_name = {step.name: step for step in steps}
    names = {name for name in by_name if any(f"{name} ".startswith(f"{word} ") for word in words)}
    while missing := {need for name in names for need in by_name[name].needs} - names:
        names |= missing
    return [step for step in steps if step.name in names]


# --- running it -------------------------------------------------------------------------------------------------------


def run_all(steps: list[Step], jobs: int) -> None:
    """Run the steps, `jobs` side by side, each as soon as what it needs has passed."""
    by_name = {step.name: step for step in steps}
    running: dict[Future[None], Step] = {}
    with ThreadPoolExecutor(jobs) as pool:
        while True:
            for step in steps:
                if step.outcome != "waiting":
                    continue
                needed = [by_name[need].outcome for need in step.needs]
                if any(outcome in ("failed", "not run") for outcome in needed):
                    step.outcome = "not run"
                elif not all(outcome == "passed" for outcome in needed):
                    continue
                elif len(running) < jobs:
                    step.outcome = "running"
                    running[pool.submit(run, step)] = step
            if not running:
                return
            done, _ = wait(running, timeout=HEARTBEAT_SECONDS, return_when=FIRST_COMPLETED)
            if not done:
                say("still running: " + ", ".join(step.name for step in running.values()))
            for future in done:
                running.pop(future)
                future.result()


def run(step: Step) -> None:
    """Run one step, and report the result."""
    say(f"{step.name}: started")
    if step.scratch:
        shutil.rmtree(step.scratch, ignore_errors=True)
    start = time.monotonic()
    with ALONE.open("a") as lock:
        if not step.alone:
            fcntl.flock(lock, fcntl.LOCK_SH)
        judge(step, logged(step), start)
        # Still under the lock: to remove a container keeps the disk busy, and others measure once the lock is free.
        if step.container:
            docker("rm", "--force", "--volumes", step.container)


def judge(step: Step, status: int, start: float) -> None:
    """Report the result of a step that began at `start`; after a failure, with all output and the container's."""
    step.seconds = time.monotonic() - start
    text = step.log.read_text(encoding="utf-8", errors="replace")
    if fault := verdict(step, status, text):
        step.outcome = "failed"
        evidence = asked(step.container)
        step.log.write_text(text + evidence, encoding="utf-8")
        say(f"{step.name}: FAILED in {step.seconds:.0f} s ({fault}); its output:\n{indented(text + evidence)}\n")
    else:
        step.outcome = "passed"
        say(f"{step.name}: passed in {step.seconds:.0f} s")


def logged(step: Step) -> int:
    """Run the step's command into its log; return the exit status."""
    with step.log.open("w", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            step.command,
            cwd=ROOT,
            env={**os.environ, **PLAIN_OUTPUT, **step.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        RUNNING.add(process)
        timer = threading.Timer(step.seconds_most, stop, [process])
        timer.start()
        for line in process.stdout or ():
            log.write(line)
            log.flush()
            if phase := re.search(r"\[\S+ > (\w+)\] Executing$", line):
                say(f"{step.name}: {phase.group(1)}")
        status = process.wait()
        timer.cancel()
        RUNNING.discard(process)
    return status


def verdict(step: Step, status: int, log: str) -> str:
    """Return why the step failed; '' when it passed."""
    if status:
        return f"stopped after {step.seconds:.0f} s" if step.seconds >= step.seconds_most else f"exit status {status}"
    # Molecule treats a missing directory as one without tests, and continues.
    if "no tests found" in log:
        return "exit status 0, but molecule found no tests"
    # A plugin or a test may end the process before the last test, with status 0.
    if "pytest" in step.command and not SUMMARY.search(log):
        return "exit status 0, but pytest's summary is missing or names no test that passed"
    return ""


def asked(container: str) -> str:
    """Return a container's journal and logs; '' without a container."""
    if not container:
        return ""
    script = EVIDENCE.read_text(encoding="utf-8")
    return f"\n=== what {container} knows of it\n{docker('exec', container, 'sh', '-c', script)}\n"


def docker(*words: str) -> str:
    """Return docker's output, whatever its exit status is."""
    try:
        done = subprocess.run(
            ["docker", *words], capture_output=True, text=True, errors="replace", timeout=120, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (done.stdout + done.stderr).strip()


RUNNING: set[subprocess.Popen[str]] = set()
STARTED = time.monotonic()
PRINTING = threading.Lock()


def stop(process: subprocess.Popen[str]) -> None:
    """End a step with all its processes: it leads a process group."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)


def say(text: str) -> None:
    with PRINTING:
        print(f"[{time.monotonic() - STARTED:4.0f} s] {text}", flush=True)


def indented(text: str) -> str:
    return "\n".join("    " + line for line in text.rstrip().splitlines())


def origin(platform: str) -> str:
    """Return what the platform's image was made from, according to its label; '' if there is no image."""
    label = '{{index .Config.Labels "pyweb.origin"}}'
    command = ["docker", "image", "inspect", "--format", label, f"pyweb-{platform}:bare"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # no engine, so nothing ran on a platform
        return ""
    return done.stdout.strip()


# --- the report -------------------------------------------------------------------------------------------------------


def report(steps: list[Step]) -> int:
    """Print the result of every step; return the exit status."""
    width = max(len(step.name) for step in steps)
    print()
    origins = {platform: origin(platform) for platform in {step.platform for step in steps if step.platform}}
    for step in steps:
        made_from = origins.get(step.platform, "")
        print(f"  {step.name:<{width}}  {step.outcome:<8} {step.seconds:6.1f} s  {made_from}".rstrip())
    passed = sum(step.outcome == "passed" for step in steps)
    failed = len(steps) - passed
    stand_ins = sorted(platform for platform in origins if origins[platform] == "stand-in")
    if stand_ins:
        print(f"\nNot the real {' and '.join(stand_ins)}: stand-ins; COMPATIBILITY.md lists the differences.")
    for step in steps:
        if step.outcome != "passed":
            print("\n".join(["", f"{step.name}: {step.outcome}", *reasons(step)]))
    print(f"\nlogs: {LOGS.relative_to(ROOT)}/")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def reasons(step: Step) -> list[str]:
    """Return the lines of a step's log with its failure: CI may show only the last lines."""
    log = step.log.read_text(encoding="utf-8", errors="replace") if step.outcome == "failed" else ""
    lines = [line for line in log.splitlines() if REASON.match(line)] or log.splitlines()[-REASONS:]
    return [f"  {line[:WIDTH]}" for line in lines[-REASONS:]]


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        for process in list(RUNNING):
            stop(process)
        sys.exit(130)
