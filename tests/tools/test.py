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
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import plan
from plan import Step, all_steps, chosen

HEARTBEAT_SECONDS = 30
PLAIN_OUTPUT = {"NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", "PY_COLORS": "0", "COLUMNS": "140"}
# pytest's last line: `=== 92 passed, 1 skipped in 275.00s (0:04:34) ===`.
SUMMARY = re.compile(r"^=+ .*\b\d+ passed\b.* in [\d.]+s\b.*=+$", re.MULTILINE)
EVIDENCE = plan.ROOT / "tests/tools/evidence.sh"
# pytest's list of what failed and its exceptions, Ansible's and Molecule's errors; the last of them are shown, cut.
REASON = re.compile(r"(FAILED|ERROR|E {3}|\[ERROR\]|fatal: |CRITICAL)")
REASONS = 15
WIDTH = 300


def main(words: list[str]) -> int:
    known_steps = all_steps(os.environ)
    steps = chosen(known_steps, words)
    if not steps:
        known = ", ".join(dict.fromkeys(step.name.split()[0] for step in known_steps))
        print(f"no step is called {' or '.join(words)}; known: {known}", file=sys.stderr)
        return 2
    plan.LOGS.mkdir(exist_ok=True)
    run_all(steps, jobs=max(1, int(os.environ.get("JOBS") or (os.cpu_count() or 1) + 1)))
    return report(steps)


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
            done, _running = wait(running, timeout=HEARTBEAT_SECONDS, return_when=FIRST_COMPLETED)
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
    with plan.ALONE.open("a") as lock:
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
            cwd=plan.ROOT,
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
    print(f"\nlogs: {plan.LOGS.relative_to(plan.ROOT)}/")
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
