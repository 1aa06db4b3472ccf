"""A host for tests: a container with systemd, and playbook runs against it.

Playbooks run on this machine and connect to the container through the engine, as they would to a user's host.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
BUNDLE_THERE = "/etc/pyweb-test-ca.crt"
BOOT_SECONDS = 60
PLAY_SECONDS = 600
# Allows systemd as PID 1, a separate firewall, and a root that may read other users' processes, without --privileged.
# The same as in molecule/config.yml.
RIGHTS = [
    *("--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN", "--cap-add=NET_RAW", "--cap-add=SYS_PTRACE", "--cgroupns=private"),
    *("--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"),
    *("--tmpfs=/run", "--tmpfs=/tmp:exec", "--stop-signal=SIGRTMIN+3", "--label=owner=pyweb-test"),
]


@dataclass(frozen=True)
class Run:
    """The result of a playbook run.

    `error` is the message of the failed task; '' if none failed. `changes` is a line for each task that changed the
    host, with what it made.
    """

    status: int
    seconds: float
    changed: int
    error: str
    output: str
    changes: str = ""


@dataclass
class Playing:
    """A playbook run that has not ended yet."""

    process: subprocess.Popen[str]
    log: Path
    host: str
    patience: float = PLAY_SECONDS
    started: float = field(default_factory=time.monotonic)

    def end(self) -> Run:
        """Wait until it ends, and return its result."""
        try:
            status = self.process.wait(self.patience)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        seconds = time.monotonic() - self.started
        return _told(status, seconds, self.log.read_text(encoding="utf-8", errors="replace"), self.host)

    def kill(self) -> None:
        """Send SIGKILL to ansible-playbook and to everything that it started on this machine."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


class Host:
    """A container. `work` is a directory on this machine for inventories and logs."""

    play_seconds = PLAY_SECONDS
    run_seconds = 120

    def __init__(self, name: str, image: str, work: Path) -> None:
        self.name, self.image, self.work = name, image, work
        self.plays = 0
        self.hostname = name
        # More options of `docker run`, for example the network.
        self.options: list[str] = []

    def start(self) -> None:
        self.remove()
        self.__dict__.pop("address", None)
        docker(
            "run", "--detach", f"--name={self.name}", f"--hostname={self.hostname}", *RIGHTS, *self.options, self.image
        )
        self.wait_for_boot()
        if BUNDLE.is_file():
            docker("cp", "--follow-link", str(BUNDLE), f"{self.name}:{BUNDLE_THERE}")

    def restart(self, kill: bool = False) -> None:
        """Reboot the host; with `kill`, like a power failure."""
        docker(*(["kill"] if kill else ["stop", "--time=20"]), self.name)
        docker("start", self.name)
        self.__dict__.pop("address", None)  # the address may have changed
        self.wait_for_boot()

    def remove(self) -> None:
        subprocess.run(["docker", "rm", "--force", "--volumes", self.name], capture_output=True, check=False)

    def wait_for_boot(self) -> None:
        deadline = time.monotonic() + BOOT_SECONDS
        # With --wait it waits for the boot, but only once D-Bus is available.
        look = f"timeout {BOOT_SECONDS} systemctl is-system-running --wait"
        while (state := self.run(look).stdout.strip()) not in ("running", "degraded"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"systemd in {self.name} has not booted within {BOOT_SECONDS} s; state {state!r}")
            time.sleep(0.2)

    @functools.cached_property
    def address(self) -> str:
        """Return the IP address. Asking the engine takes longer than a request, so it is cached until a reboot."""
        networks = json.loads(docker("inspect", self.name))[0]["NetworkSettings"]["Networks"]
        return str(next(network["IPAddress"] for network in networks.values() if network["IPAddress"]))

    def command(self, script: str) -> list[str]:
        """Return the command that runs a shell script in the container."""
        return ["docker", "exec", "--interactive", self.name, "sh", "-c", script]

    @property
    def connection(self) -> dict[str, object]:
        """Return the inventory variables with which Ansible connects."""
        return {"ansible_connection": "community.docker.docker"}

    def run(self, script: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a shell script in the container, and accept any exit status."""
        words, seconds = self.command(script), self.run_seconds
        return subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=seconds, check=False)

    def told(self, script: str, stdin: str = "") -> str:
        """Run a shell script that must succeed, and return what it printed."""
        done = self.run(script, stdin)
        assert done.returncode == 0, f"in {self.name}: {script}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def copy(self, source: Path, target: str) -> None:
        """Copy a directory of this machine into the container, owned by root. It replaces what is there."""
        self.told(f"rm -rf {shlex.quote(target)}")
        docker("cp", str(source), f"{self.name}:{target}")
        self.told(f"chown -R root:root {shlex.quote(target)}")

    def begin(self, sites: Sequence[Mapping[str, Any]], playbook: str = "site.yml", *words: str) -> Playing:
        """Start a playbook run for `sites` in a new process group."""
        self.plays += 1
        trust = dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"), BUNDLE_THERE)
        variables = {
            **self.connection,
            "web_environment": trust if BUNDLE.is_file() else {},
            "web_sites": list(sites),
        }
        inventory = self.work / f"inventory-{self.plays}.json"
        inventory.write_text(json.dumps({"web": {"hosts": {self.name: variables}}}), encoding="utf-8")
        log = self.work / f"play-{self.plays}.log"
        with log.open("w", encoding="utf-8") as stream:
            process = subprocess.Popen(
                ["ansible-playbook", "-i", str(inventory), str(ROOT / "playbooks" / playbook), *words],
                cwd=ROOT,
                env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_NOCOLOR": "1"},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        return Playing(process, log, self.name, self.play_seconds)

    def play(self, sites: Sequence[Mapping[str, Any]], playbook: str = "site.yml", *words: str) -> Run:
        """Run a playbook to its end, and return its result, which may be a failure."""
        return self.begin(sites, playbook, *words).end()

    def deploy(self, sites: Sequence[Mapping[str, Any]], playbook: str = "site.yml") -> Run:
        """Run a playbook that must succeed."""
        run = self.play(sites, playbook)
        assert run.status == 0, run.error or run.output[-2000:]
        return run

    def journal(self, lines: int = 60) -> str:
        """Return the end of the journal, without the lines in which each module call logs its arguments."""
        told = self.run(f"journalctl --no-pager --lines={10 * lines}").stdout.splitlines()
        return "\n".join([line for line in told if " Invoked with " not in line][-lines:])


def _told(status: int, seconds: float, output: str, host: str) -> Run:
    """Return the result from the JSON that the callback prints at the end, possibly after warnings."""
    start = output.find("{\n")
    try:
        report, _end = json.JSONDecoder().raw_decode(output[start:])
    except ValueError:
        return Run(status, seconds, 0, output[-2000:], output)
    tasks = [task for play in report["plays"] for task in play["tasks"] if host in task["hosts"]]
    results = [task["hosts"][host] for task in tasks]
    bad = [result for result in results if result.get("failed") or result.get("unreachable")]
    errors = [str(result.get("msg", result)) for result in bad]
    changes = [
        f"{task['task']['name']}: {result.get('made', result)}"
        for task, result in zip(tasks, results)
        if result.get("changed")
    ]
    changed = report["stats"].get(host, {}).get("changed", 0)
    return Run(status, seconds, changed, "\n".join(errors), output, "\n".join(changes))


def docker(*words: str) -> str:
    done = subprocess.run(
        ["docker", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=120
    )
    if done.returncode:
        raise RuntimeError(f"docker {shlex.join(words)}: {done.stderr.strip()}")
    return done.stdout
