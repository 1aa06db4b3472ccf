#!/usr/bin/env python3
"""Run every test of the collection: test.py [setup|lint|unit|molecule ...]; without a word, all of it.

Needs only python3. Each step writes a log of its own below .test-logs/, which is shown in full when the step fails. A
failing step stops only the steps that build on it. Behind each step on a platform stands what its image was made from:
the distribution's own (registry, mmdebstrap), or a stand-in for it. The last line is `N passed, M failed`; the exit
status is 1 when anything failed.

Environment: PLATFORMS and SCENARIOS choose what molecule runs, LOAD_PLATFORMS which of these platforms the tests under
load and under faults and the doctor's run on, JOBS how many steps run side by side.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / ".test-logs"
IN_VENV = str(ROOT / "tests/tools/in_venv.sh")
PLATFORMS = "debian12 debian13 centos9 centos10"
# One of each family: a quarter of an hour each.
LOAD_PLATFORMS = "debian12 centos9"
SCENARIOS = "platform default el rollback sources standalone dependency layouts refusals"
# Scenarios that ask what only some platforms have.
ONLY = {"el": ("centos9", "centos10")}
STEP_SECONDS = 1800
HEARTBEAT_SECONDS = 30
PLAIN_OUTPUT = {"NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", "PY_COLORS": "0", "COLUMNS": "140"}


@dataclass
class Step:
    """One command with a name; it starts when every step in `needs` has passed."""

    name: str
    command: list[str]
    needs: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    platform: str = ""
    # What it measures would be another step's doing as well.
    alone: bool = False
    outcome: str = "waiting"
    seconds: float = 0.0

    @property
    def log(self) -> Path:
        return LOGS / (self.name.replace(" ", "-") + ".log")


def main(words: list[str]) -> int:
    plan = all_steps(words_of("PLATFORMS", PLATFORMS), words_of("SCENARIOS", SCENARIOS))
    steps = chosen(plan, words)
    if not steps:
        known = ", ".join(dict.fromkeys(step.name.split()[0] for step in plan))
        print(f"no step is called {' or '.join(words)}; known: {known}", file=sys.stderr)
        return 2
    LOGS.mkdir(exist_ok=True)
    run_all(steps, jobs=max(1, int(os.environ.get("JOBS", "2"))))
    return report(steps)


def all_steps(platforms: list[str], scenarios: list[str]) -> list[Step]:
    """The whole plan, in the order in which idle workers take it up."""

    def tool(name: str, *command: str) -> Step:
        return Step(name, [IN_VENV, *command], ["setup"])

    loaded = words_of("LOAD_PLATFORMS", LOAD_PLATFORMS)
    return [
        Step("setup", [str(ROOT / "tests/tools/setup.sh")]),
        # After setup: both may have to install packages, and apt lets in one at a time.
        Step("engine", [str(ROOT / "tests/tools/engine.sh")], ["setup"]),
        *(image(platform) for platform in platforms),
        tool("lint ansible", "ansible-lint", "--profile", "production", "--offline"),
        tool("lint yaml", "yamllint", "--strict", "."),
        tool("lint python", "ruff", "check"),
        tool("lint format", "ruff", "format", "--check"),
        tool("lint types", "mypy"),
        tool("lint docs", "python", "tests/tools/docs.py", "--check"),
        tool("unit", "pytest", "tests/unit"),
        *(suite(what, platform) for platform in platforms if platform in loaded for what in ("faults", "doctor")),
        *(suite("upgrade", platform) for platform in platforms if platform in loaded),
        *(
            molecule(scenario, platform)
            for scenario in scenarios
            for platform in platforms
            if platform in ONLY.get(scenario, platforms)
        ),
        # Last, when nothing else is left to run beside them.
        *(load(platform) for platform in platforms if platform in loaded),
    ]


def image(platform: str) -> Step:
    return Step(f"image {platform}", [str(ROOT / "tests/images/build.sh"), platform], ["engine"], platform=platform)


def load(platform: str) -> Step:
    """The tests under load on one platform: they compare times, so nothing else runs."""
    step = suite("load", platform)
    step.alone = True
    return step


def suite(what: str, platform: str) -> Step:
    """The tests below tests/WHAT on one platform."""
    return Step(
        f"{what} {platform}",
        [IN_VENV, "pytest", "-rA", "--durations=10", f"tests/{what}"],
        ["setup", f"image {platform}"],
        {"PYWEB_PLATFORM": platform},
        platform,
    )


def molecule(scenario: str, platform: str) -> Step:
    config = str(ROOT / "molecule/config.yml")
    return Step(
        f"molecule {scenario} {platform}",
        [IN_VENV, "molecule", "-c", config, "test", "--no-command-borders", "--scenario-name", scenario],
        ["setup", f"image {platform}"],
        # A directory of its own, so that the platforms can run side by side.
        {
            "PYWEB_PLATFORM": platform,
            "MOLECULE_EPHEMERAL_DIRECTORY": str(ROOT / f".cache/molecule/{scenario}-{platform}"),
        },
        platform,
    )


def words_of(variable: str, default: str) -> list[str]:
    return os.environ.get(variable, default).split()


def chosen(steps: list[Step], words: list[str]) -> list[Step]:
    """The steps that a word names, and what they need."""
    if not words:
        return steps
    by_name = {step.name: step for step in steps}
    names = {name for name in by_name if any(f"{name} ".startswith(f"{word} ") for word in words)}
    while missing := {need for name in names for need in by_name[name].needs} - names:
        names |= missing
    return [step for step in steps if step.name in names]


def run_all(steps: list[Step], jobs: int) -> None:
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
                elif len(running) < (1 if step.alone else jobs) and not any(one.alone for one in running.values()):
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
    say(f"{step.name}: started")
    start = time.monotonic()
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
        timer = threading.Timer(STEP_SECONDS, stop, [process])
        timer.start()
        for line in process.stdout or ():
            log.write(line)
            log.flush()
            if phase := re.search(r"\[\S+ > (\w+)\] Executing$", line):
                say(f"{step.name}: {phase.group(1)}")
        status = process.wait()
        timer.cancel()
        RUNNING.discard(process)
    step.seconds = time.monotonic() - start
    step.outcome = "passed" if status == 0 else "failed"
    if status == 0:
        say(f"{step.name}: passed in {step.seconds:.0f} s")
    else:
        reason = f"stopped after {STEP_SECONDS} s" if step.seconds >= STEP_SECONDS else f"exit status {status}"
        text = step.log.read_text(encoding="utf-8", errors="replace")
        say(f"{step.name}: FAILED in {step.seconds:.0f} s ({reason}); all it said:\n{indented(text)}\n")


RUNNING: set[subprocess.Popen[str]] = set()
STARTED = time.monotonic()
PRINTING = threading.Lock()


def stop(process: subprocess.Popen[str]) -> None:
    """End a step with all that it started: it leads a process group of its own."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)


def say(text: str) -> None:
    with PRINTING:
        print(f"[{time.monotonic() - STARTED:4.0f} s] {text}", flush=True)


def indented(text: str) -> str:
    return "\n".join("    " + line for line in text.rstrip().splitlines())


def origin(platform: str) -> str:
    """What the platform's image was made from, as its label says; nothing where there is no image."""
    label = '{{index .Config.Labels "pyweb.origin"}}'
    command = ["docker", "image", "inspect", "--format", label, f"pyweb-{platform}:bare"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # no engine, so nothing ran on a platform
        return ""
    return done.stdout.strip()


def report(steps: list[Step]) -> int:
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
        print(f"\nNot the real {' and '.join(stand_ins)}: stand-ins; COMPATIBILITY.md says where they differ.")
    print(f"\nlogs: {LOGS.relative_to(ROOT)}/")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        for one in list(RUNNING):
            stop(one)
        sys.exit(130)
