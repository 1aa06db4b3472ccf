"""Accidents between and during deploys: killed processes, a full disk, a power failure."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import breakpoints
import pytest
from breakpoints import Point
from client import ask
from two_sites import DEPLOY, WHOLE, World, master

# docs/architecture.md, promise 5.
BACK_SECONDS = 2.0


# --- processes killed -------------------------------------------------------------------------------------------------


def worker(world: World, site: str) -> str:
    """Return the command that finds a worker, which is a child of the master."""
    return f"pgrep --oldest --parent $({master(world, site)})"


def nginx(world: World, site: str) -> str:
    return "systemctl show --property=MainPID --value nginx.service"


@pytest.mark.parametrize("site", ["unix", "tcp"])
@pytest.mark.parametrize("victim", [worker, master, nginx], ids=lambda victim: victim.__name__)
def test_a_killed_process_is_replaced_within_two_seconds(
    world: World, victim: Callable[[World, str], str], site: str
) -> None:
    find = victim(world, site)
    old = world.host.told(find)
    assert int(old) > 1
    address, host = world.host.address, f"{site}.example"
    world.host.told(f"kill -KILL {old}")
    killed = time.monotonic()
    good_since = 0.0
    # The site is back after ten good responses in a row, each over a new connection.
    row = 0
    while row < 10:
        asked = time.monotonic()
        if ask(address, host, "/healthz", timeout=5).status == 200:
            row, good_since = row + 1, good_since or asked
        else:
            row, good_since = 0, 0.0
        assert time.monotonic() - killed < 10, f"{victim.__name__} of {site} was killed, and the site does not answer"
        time.sleep(0.02)  # between two requests; the result depends on the time of the first good response
    assert good_since - killed < BACK_SECONDS
    # The other processes may have answered, so check that the killed one is replaced as well.
    while world.host.told(find) == old:
        assert time.monotonic() - killed < 2 * BACK_SECONDS, (
            f"{victim.__name__} of {site} was killed, and was not replaced"
        )
        time.sleep(0.1)  # between two checks until the deadline
    world.assert_whole(site)


# --- the whole host ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power_fails", [False, True], ids=["reboot", "power failure"])
def test_the_live_release_is_served_after_a_reboot(world: World, power_fails: bool) -> None:
    before = {site: (world.current(site), world.version(site)) for site in world.sites}
    world.host.restart(kill=power_fails)
    wait_until_served(world)
    assert {site: (world.current(site), world.version(site)) for site in world.sites} == before
    for site in world.sites:
        world.assert_whole(site)
    assert world.host.deploy(world.wanted(*world.sites)).changed == 0


@pytest.mark.same_everywhere
@pytest.mark.parametrize("function", ["switch", "drain"], ids=["before the switch", "after the switch"])
def test_a_complete_release_boots_after_a_power_failure_during_a_deploy(world: World, function: str) -> None:
    """It is the one that `current` names, old or new, and the next run completes the deploy."""
    number = world.new_code()
    version = world.version("unix")
    breakpoints.arm(world.host, Point("module_utils.release", function))
    playing = world.host.begin(world.sites["unix"].sites, DEPLOY)
    breakpoints.wait(world.host, playing)
    world.host.restart(kill=True)
    playing.kill()
    wait_until_served(world)
    world.assert_whole("unix")
    assert world.version("unix") == (version if function == "switch" else number)
    world.assert_repaired("unix")
    assert world.version("unix") == number


def wait_until_served(world: World, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while any(world.ask(site, "/healthz").status != 200 for site in world.sites):
        assert time.monotonic() < deadline, f"not served {seconds} s after the boot"
        time.sleep(0.1)  # between two checks until the deadline


# --- a deploy during requests, and during another deploy --------------------------------------------------------------


@pytest.mark.same_everywhere
def test_requests_have_priority_over_a_deploy(world: World) -> None:
    """The deploy has a niceness of 10; the uWSGI processes, old and new, have 0."""
    world.new_code()
    breakpoints.arm(world.host, Point("module_utils.release", "switch"))
    playing = world.host.begin(world.sites["unix"].sites, DEPLOY)
    process = breakpoints.wait(world.host, playing)
    its_own = world.host.told(f"ps -o ni= -p {process}")
    serving = world.host.told("ps -o ni= -p $(pgrep -d, -f 'uwsgi[.]ini')").split()
    breakpoints.resume(world.host, process)
    run = playing.end()
    assert run.status == 0, run.error
    assert (its_own.strip(), set(serving)) == ("10", {"0"})


@pytest.mark.same_everywhere
def test_the_second_of_two_concurrent_runs_waits_for_the_first(world: World) -> None:
    """It waits while the first one is stopped in the middle of its release, and both succeed."""
    world.new_code()
    breakpoints.arm(world.host, Point("module_utils.release", "switch"))
    with world.prober("unix") as prober:
        first = world.host.begin(world.sites["unix"].sites, DEPLOY)
        process = breakpoints.wait(world.host, first)
        second = world.host.begin(world.sites["unix"].sites, DEPLOY)
        # The second run has reached the lock that the first holds: a module sleeps and tries again.
        holders = "ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c /run/pyweb.stack/site-unix.lock || true"
        deadline = time.monotonic() + 60
        while world.host.told(holders) != "2":
            assert time.monotonic() < deadline, "the second run did not reach the lock"
            time.sleep(0.2)
        assert second.process.poll() is None
        breakpoints.resume(world.host, process)
        runs = [first.end(), second.end()]
    assert [run.status for run in runs] == [0, 0], [run.error for run in runs]
    assert not prober.failures, prober.failures
    world.assert_settled("unix")


# --- files left on the host -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stale:
    """Something that a crash or an administrator left on the host. The script makes it; $site and $root are set."""

    name: str
    script: str


STALE = [
    Stale("lock file", "echo 999999 > /run/pyweb.stack/site-$site.lock"),
    Stale("marker of config_set", "mkdir -p /run/pyweb.stack; echo 999999 > /run/pyweb.stack/nginx.pending"),
    Stale("staged nginx files", "mkdir -p /run/pyweb.stack/nginx.stage/0; echo x > /run/pyweb.stack/nginx.stage/0/x"),
    Stale("half-written nginx file", "echo 'half {' > /etc/nginx/.nginx.conf.pyweb~"),
    Stale("partial release", "mkdir $root/releases/.0123456789ab.partial"),
    Stale(
        "build without a manifest", "mkdir -p $root/builds/0123456789ab/src; echo x > $root/builds/0123456789ab/src/x"
    ),
    Stale(
        "release without a build", "mkdir $root/releases/0123456789ab; ln -s /nowhere $root/releases/0123456789ab/src"
    ),
    Stale("link beside current", "ln -s releases/nowhere $root/.current.new"),
    Stale(
        "socket that nobody listens on",
        "python3 -c 'import socket, sys; socket.socket(1).bind(sys.argv[1])' /run/sites/$site/x.sock",
    ),
    Stale(
        "clock that was ahead",
        "find $root /etc/nginx -newermt -1day -exec touch -h -d '+1 day' {} +;"
        ' sed -i \'s/"made": [0-9]*/"made": 9999999999/\' $root/releases/*/release.json',
    ),
]


# Separately in the long form, all together in the short one.
LITTER = [[case] for case in STALE] if os.environ.get("FAULTS") == "long" else [STALE]


@pytest.mark.same_everywhere
@pytest.mark.parametrize("cases", LITTER, ids=lambda cases: ", ".join(case.name for case in cases))
def test_leftovers_of_a_crash_do_not_stop_a_deploy(world: World, cases: list[Stale]) -> None:
    for site in world.sites:
        for case in cases:
            world.host.told(f"site={site} root=/opt/sites/{site}; {case.script}")
    with world.prober("unix") as unix, world.prober("tcp") as tcp:
        number = world.new_code()
        world.assert_settled("unix", "tcp", playbook=WHOLE)
    for site, prober in (("unix", unix), ("tcp", tcp)):
        assert world.version(site) == number
        assert not prober.failures, prober.failures


# --- a full disk and read-only file systems ---------------------------------------------------------------------------


@contextmanager
def full(world: World, folder: str, spare_kib: int) -> Iterator[None]:
    """Mount a separate file system on a directory, with `spare_kib` of free space."""
    world.host.told(
        f"size=$(( $(du -sk {folder} | cut -f1) * 5 / 4 + {spare_kib} + 1024 )) && rm -rf /run/aside"
        f" && cp -a {folder} /run/aside && mount -t tmpfs -o size=${{size}}k,mode=0755 tmpfs {folder}"
        f" && cp -a /run/aside/. {folder} && rm -rf /run/aside"
        f" && {{ dd if=/dev/zero of={folder}/.fill bs=1k 2>/dev/null || true; }}"
        f" && truncate -s -{spare_kib}k {folder}/.fill"
    )
    with unmounted_after(world, folder):
        yield


@contextmanager
def read_only(world: World, folder: str) -> Iterator[None]:
    world.host.told(f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}")
    with unmounted_after(world, folder):
        yield


@contextmanager
def unmounted_after(world: World, folder: str) -> Iterator[None]:
    try:
        yield
    finally:
        world.host.told(f"umount --lazy {folder}")


def code(world: World) -> None:
    world.new_code()


def environment(world: World) -> None:
    world.sites["unix"] = world.sites["unix"].with_(env={"NUMBER": str(world.next())})


def many_locations(world: World) -> None:
    locations = {f"= /{world.next()}/{number}": {"return": 204} for number in range(200)}
    world.sites["unix"] = world.sites["unix"].with_(nginx={"locations": locations})


@dataclass(frozen=True)
class Unwritable:
    """A run that makes `change` while nothing can be written at `place`; its error contains these words."""

    name: str
    change: Callable[[World], None]
    place: Callable[[World], AbstractContextManager[None]]
    words: tuple[str, ...]
    playbook: str = DEPLOY


SITE = "/opt/sites/unix"
UNWRITABLE = [
    Unwritable(
        "disk full while building",
        code,
        lambda world: full(world, f"{SITE}/builds", 2048),
        ("No space left",),
    ),
    Unwritable(
        "disk full while releasing",
        environment,
        lambda world: full(world, f"{SITE}/releases", 0),
        (f"{SITE}/releases", "No space left"),
    ),
    Unwritable(
        "disk full while nginx's files are swapped",
        many_locations,
        lambda world: full(world, "/etc/nginx", 0),
        ("/etc/nginx", "No space left"),
        playbook=WHOLE,
    ),
    Unwritable(
        "read-only /etc", environment, lambda world: read_only(world, "/etc"), ("/etc/sites", "Read-only file system")
    ),
    Unwritable("read-only /opt", code, lambda world: read_only(world, "/opt"), (SITE, "Read-only file system")),
]


@pytest.mark.same_everywhere
@pytest.mark.parametrize("case", UNWRITABLE, ids=lambda case: case.name)
def test_a_failed_write_fails_the_run_and_harms_nothing(world: World, case: Unwritable) -> None:
    with world.prober("unix") as prober:
        case.change(world)
        with case.place(world):
            run = world.host.play(world.sites["unix"].sites, case.playbook)
            assert run.status != 0
            world.assert_whole("unix")
        world.assert_repaired("unix", playbook=case.playbook)
    first = run.error.splitlines()[0]
    assert re.match(r"(site 'unix': \w+ failed|config_set 'nginx'): ", first), run.error
    assert all(word in first for word in case.words), run.error
    assert not prober.failures, prober.failures
