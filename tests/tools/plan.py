"""The plan of `make test`: its steps, their commands, and what each of them needs. test.py runs it."""

from __future__ import annotations

from collections.abc import Mapping
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
# Ansible's programs run as forks of a process that has imported Ansible: tests/tools/preloaded/client.py. The scenarios
# in BRIEF run the programs themselves.
PRELOADED = {"PYWEB_PRELOADED": "1"}
STEP_SECONDS = 2700
# A machine in software emulation, from its disk to its last test.
VM_SECONDS = 7200


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
        *(suite("load answers", platform, "tests/load/test_answers.py", once=platform in once) for platform in full),
        *(
            molecule(scenario, platform, prefix)
            for scenario, platform in scenarios(platforms, full, (environment.get("SCENARIOS") or "").split())
        ),
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
    """The tests under load that compare times, on one platform: nothing else may run once their host is set up.

    Their controller is a preloaded Ansible, because it shares the cores with the host, which a user's does not.
    """
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
    return [*steps, Step("ansible-test units", [IN_VENV, script, "units"], ["setup"], by_name=True)]


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
        {"PYWEB_PLATFORM": platform, **PRELOADED},
        platform,
    )


def molecule(scenario: str, platform: str, prefix: str) -> Step:
    # A directory of its own, so that the platforms can run side by side.
    scratch = ROOT / f".cache/molecule/{scenario}-{platform}"
    preloaded = {} if scenario in BRIEF else PRELOADED
    command = [IN_VENV, "molecule", "-c", str(ROOT / "molecule/config.yml"), "test", "--no-command-borders"]
    return Step(
        f"molecule {scenario} {platform}",
        # The runner removes the container: faster than a playbook, and after reading it for evidence.
        [*command, "--destroy", "never", "--scenario-name", scenario],
        ["setup", f"image {platform}"],
        {"PYWEB_PLATFORM": platform, "MOLECULE_EPHEMERAL_DIRECTORY": str(scratch), **preloaded},
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
