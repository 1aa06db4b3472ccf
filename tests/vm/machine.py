"""A virtual machine as a host, emulated by qemu: it has a kernel with SELinux in enforcing mode, unlike a container.

It needs no KVM; in software emulation, everything takes three to ten times as long.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from host import BUNDLE, BUNDLE_THERE, Host

# An additional option of the kernel's command line.
WITHOUT_IPV6 = "ipv6.disable=1"
_KERNEL = "root=/dev/vda rw console=ttyS0 security=selinux selinux=1 quiet"
_BOOT_SECONDS = 300
_DENIED = re.compile(
    r"avc:\s+denied\s+\{ (?P<what>[^}]*) \}.*?scontext=(?P<who>\S+) tcontext=(?P<whom>\S+) tclass=(?P<kind>\w+)"
)


class Machine(Host):
    """A machine with a copy, in `work`, of the disk in `folder`; `kernel` are options for its kernel."""

    play_seconds = 2400
    run_seconds = 600

    def __init__(self, name: str, folder: Path, work: Path, kernel: str = "") -> None:
        super().__init__(name, "", work)
        self.folder, self.kernel = folder, kernel
        self.ports = dict(zip((22, 80, 443), _free_ports(3)))
        self.qemu: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        overlay = self.work / "overlay.qcow2"
        backing = ["-b", str(self.folder / "disk.raw"), "-F", "raw"]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(overlay)], check=True)
        forwards = ",".join(f"hostfwd=tcp:127.0.0.1:{here}-:{there}" for there, here in self.ports.items())
        words = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"]
        words += ["-m", "3072", "-display", "none", "-serial", f"file:{self.work / 'serial.log'}", "-monitor", "none"]
        words += ["-kernel", str(self.folder / "vmlinuz"), "-initrd", str(self.folder / "initrd")]
        words += ["-append", f"{_KERNEL} {self.kernel}".strip(), "-drive", f"file={overlay},if=virtio,format=qcow2"]
        words += ["-netdev", f"user,id=n,{forwards}", "-device", "virtio-net-pci,netdev=n"]
        self.qemu = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        self.wait_for_boot()
        if BUNDLE.is_file():
            self.told(f"cat >{BUNDLE_THERE}", BUNDLE.read_text(encoding="utf-8"))

    def remove(self) -> None:
        if self.qemu:
            self.qemu.terminate()
            self.qemu.wait(60)

    def restart(self, kill: bool = False) -> None:
        """Reboot the machine; with `kill`, without stopping its programs first."""
        before = self._boot()
        self.run("echo b >/proc/sysrq-trigger" if kill else "systemctl reboot")
        deadline = time.monotonic() + _BOOT_SECONDS
        while self._boot() in ("", before):
            assert time.monotonic() < deadline, f"the machine did not reboot within {_BOOT_SECONDS} s: {self.console()}"
            time.sleep(1)  # a machine that is starting does not answer; between two checks until the deadline
        self.wait_for_boot()

    def wait_for_boot(self) -> None:
        deadline = time.monotonic() + _BOOT_SECONDS
        while self.run("systemctl is-system-running --wait").stdout.strip() not in ("running", "degraded"):
            assert time.monotonic() < deadline, f"the machine has not booted within {_BOOT_SECONDS} s: {self.console()}"
            time.sleep(1)  # as above

    @property
    def address(self) -> str:
        return "127.0.0.1"

    def command(self, script: str) -> list[str]:
        options = [word for option in self._options for word in ("-o", option)]
        there = ["-p", str(self.ports[22]), "-i", str(self.folder / "key"), "root@127.0.0.1"]
        return ["ssh", "-q", *options, *there, script]

    @property
    def connection(self) -> dict[str, object]:
        return {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": self.ports[22],
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.folder / "key"),
            "ansible_ssh_common_args": shlex.join(word for option in self._options for word in ("-o", option)),
            "ansible_ssh_pipelining": True,
            "ansible_timeout": 60,
        }

    def console(self) -> str:
        """Return the end of its console output."""
        log = self.work / "serial.log"
        return log.read_text(encoding="utf-8", errors="replace")[-2000:] if log.is_file() else "nothing on its console"

    def denials(self) -> list[str]:
        """Return all denials of SELinux since the disk was made, with types: 'SOURCE TARGET CLASS { PERMISSIONS }'."""
        # Denials before auditd runs, and those of D-Bus, are only in the journal.
        told = self.told(
            "cat /var/log/audit/audit.log*; journalctl --no-pager --quiet | grep -i 'avc: .*denied' || true"
        )
        found = [_DENIED.search(line) for line in told.splitlines()]
        return sorted(
            {
                f"{_type(denied['who'])} {_type(denied['whom'])} {denied['kind']} {{ {denied['what'].strip()} }}"
                for denied in found
                if denied
            }
        )

    @property
    def _options(self) -> list[str]:
        checks = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=20", "BatchMode=yes"]
        return [*checks, "ControlMaster=no", "ServerAliveInterval=20"]

    def _boot(self) -> str:
        """Return the ID of its boot; '' if it does not answer."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.run("cat /proc/sys/kernel/random/boot_id").stdout.strip()
        return ""


def _type(context: str) -> str:
    """Return the type of a context, which is 'user:role:type:level'."""
    return context.split(":")[2]


def _free_ports(number: int) -> Iterator[int]:
    """Return unused ports of 127.0.0.1."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _port in range(number)]
        for bound in sockets:
            bound.bind(("127.0.0.1", 0))
        yield from [bound.getsockname()[1] for bound in sockets]
