"""A host for tests that take a whole one: a container with systemd, and playbook runs against it.

Everything is done from outside: the playbook runs on this machine over the engine's connection, as a user's would.
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
# systemd as PID 1, a firewall of its own, and a root that may read other users' processes, without --privileged; as in
# molecule/config.yml.
RIGHTS = [
    *("--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN", "--cap-add=NET_RAW", "--cap-add=SYS_PTRACE", "--cgroupns=private"),
    *("--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"),
    *("--tmpfs=/run", "--tmpfs=/tmp:exec", "--stop-signal=SIGRTMIN+3", "--label=owner=pyweb-test"),
]


@dataclass(frozen=True)
class Run:
    """How a playbook run ended.

    `error` is the message of the failed task, '' if none failed. `changes` is a line for each task that changed the
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
    """A playbook run that is under way."""

    process: subprocess.Popen[str]
    log: Path
    host: str
    patience: float = PLAY_SECONDS
    started: float = field(default_factory=time.monotonic)

    def end(self) -> Run:
        """Wait until it ends by itself."""
        try:
            status = self.process.wait(self.patience)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        seconds = time.monotonic() - self.started
        return _told(status, seconds, self.log.read_text(encoding="utf-8", errors="replace"), self.host)

    def kill(self) -> None:
        """SIGKILL for ansible-playbook and all that it started on this machine, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


class Host:
    """One container. `work` is a directory of this machine for its inventory and logs."""

    play_seconds = PLAY_SECONDS
    run_seconds = 120

    def __init__(self, name: str, image: str, work: Path) -> None:
        self.name, self.image, self.work = name, image, work
        self.plays = 0
        self.hostname = name
        # More of `docker run`, for example its network.
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
        """Reboot it; with `kill`, as when the power fails."""
        docker(*(["kill"] if kill else ["stop", "--time=20"]), self.name)
        docker("start", self.name)
        self.__dict__.pop("address", None)  # it may have another one now
        self.wait_for_boot()

    def remove(self) -> None:
        subprocess.run(["docker", "rm", "--force", "--volumes", self.name], capture_output=True, check=False)

    def wait_for_boot(self) -> None:
        deadline = time.monotonic() + BOOT_SECONDS
        # It waits by itself, once the bus is there.
        look = f"timeout {BOOT_SECONDS} systemctl is-system-running --wait"
        while (state := self.run(look).stdout.strip()) not in ("running", "degraded"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"systemd in {self.name} has not booted in {BOOT_SECONDS} s; it says {state!r}")
            time.sleep(0.2)

    @functools.cached_property
    def address(self) -> str:
        """Its IP address. To ask the engine takes longer than a page does, so it is asked once a boot."""
        networks = json.loads(docker("inspect", self.name))[0]["NetworkSettings"]["Networks"]
        return str(next(network["IPAddress"] for network in networks.values() if network["IPAddress"]))

    def command(self, script: str) -> list[str]:
        """What this machine executes to run a shell script in it."""
        return ["docker", "exec", "--interactive", self.name, "sh", "-c", script]

    @property
    def connection(self) -> dict[str, object]:
        """How Ansible gets there, as variables of its inventory."""
        return {"ansible_connection": "community.docker.docker"}

    def run(self, script: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a shell script in it, whatever its exit status."""
        words, seconds = self.command(script), self.run_seconds
        return subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=seconds, check=False)

    def told(self, script: str, stdin: str = "") -> str:
        """What a shell script printed; it has to succeed."""
        done = self.run(script, stdin)
        assert done.returncode == 0, f"in {self.name}: {script}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def copy(self, source: Path, target: str) -> None:
        """Put a directory of this machine into it, in place of what is there, as root's."""
        self.told(f"rm -rf {shlex.quote(target)}")
        docker("cp", str(source), f"{self.name}:{target}")
        self.told(f"chown -R root:root {shlex.quote(target)}")

    def begin(self, sites: Sequence[Mapping[str, Any]], playbook: str = "site.yml", *words: str) -> Playing:
        """Start a playbook run for `sites` in a process group of its own."""
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
        """A playbook run from begin to end, good or bad."""
        return self.begin(sites, playbook, *words).end()

    def deploy(self, sites: Sequence[Mapping[str, Any]], playbook: str = "site.yml") -> Run:
        """A playbook run that has to succeed."""
        run = self.play(sites, playbook)
        assert run.status == 0, run.error or run.output[-2000:]
        return run

    def journal(self, lines: int = 60) -> str:
        """The end of its journal, without the lines in which every module call logs its arguments."""
        told = self.run(f"journalctl --no-pager --lines={10 * lines}").stdout.splitlines()
        return "\n".join([line for line in told if " Invoked with " not in line][-lines:])


def _told(status: int, seconds: float, output: str, host: str) -> Run:
    """Read the JSON that the callback prints at the end, after whatever warnings."""
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
