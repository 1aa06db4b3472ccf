"""Time the steps of modules on a host, without code for it in the product.

Python runs `pyweb_steps.py` at every start, because of a .pth file beside it. It records when each program that a
module starts begins and ends, and the `step` of its Shell. At the end of the module it appends that to a file, which
the bench reads.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from host import Host

NOTES = "/run/pyweb-steps.jsonl"

# Runs on the host's own Python, 3.9 or newer, but not in the virtualenvs of sites. A process that is not a module of
# the collection records nothing. Modules start programs only with `subprocess`.
AGENT = f'''
import atexit, json, os, re, subprocess, sys, time

BEGAN = time.monotonic()
NOTED = []

def module():
    """Return the module's name, from the archive from which Ansible runs it."""
    for path in sys.path:
        found = re.search(r"ansible_(?:[a-z]+\\.[a-z]+\\.)?([a-z_]+)_payload", path)
        if found:
            return found[1]
    return ""

def step(frame):
    """Return the step of the Shell that starts a program, or the name of the function that does."""
    first = ""
    while frame is not None:
        name = frame.f_globals.get("__name__") or ""
        if ".pyweb.stack." in name:
            first = first or frame.f_code.co_name
            if isinstance(frame.f_locals.get("step"), str):
                return frame.f_locals["step"]
        frame = frame.f_back
    return first

def started(words):
    """Return a command without the words that run it in a sandbox (host/confined.py)."""
    if "systemd-run" not in words or "-S" not in words:
        return words
    return ["sandbox:", *words[words.index("-S") + 5 :]]

class Timed(subprocess.Popen):
    def __init__(self, args, *rest, **named):
        words = [args] if isinstance(args, (str, bytes)) else list(args)
        words = started([os.fsdecode(word) for word in words])
        self.pyweb = [step(sys._getframe(1)), words[:6], time.monotonic(), 0.0]
        NOTED.append(self.pyweb)
        super().__init__(args, *rest, **named)

    def _handle_exitstatus(self, *arguments, **named):
        super()._handle_exitstatus(*arguments, **named)
        self.pyweb[3] = time.monotonic()

def write():
    name = module()
    if name:
        note = {{"module": name, "began": BEGAN, "ended": time.monotonic(), "cpu": time.process_time(), "ran": NOTED}}
        with open("{NOTES}", "a") as stream:
            stream.write(json.dumps(note) + "\\n")

subprocess.Popen = Timed
atexit.register(write)
'''


@dataclass(frozen=True)
class Step:
    """A program that a module ran: the step, the command, when it began within the module and how long it took."""

    step: str
    words: list[str]
    begins: float
    seconds: float


@dataclass(frozen=True)
class Module:
    """A module call on the host, from the start of its Python to its end. A program that is still running has 0 s."""

    name: str
    seconds: float
    cpu: float
    steps: list[Step]


def install(host: Host) -> None:
    """Make the system Python of the host record the programs that modules start."""
    folder = _packages(host)
    host.told(f"cat > {folder}/pyweb_steps.py", AGENT)
    host.told(f"cat > {folder}/pyweb_steps.pth", "import pyweb_steps\n")


def remove(host: Host) -> None:
    """Stop recording on the host."""
    host.told(f"rm -f {_packages(host)}/pyweb_steps.*")


def taken(host: Host) -> list[Module]:
    """Return the module calls since the last call of this function, in order."""
    notes = host.told(f"cat {NOTES} 2>/dev/null; rm -f {NOTES}")
    modules = []
    for note in map(json.loads, notes.splitlines()):
        steps = [
            Step(step, words, begun - note["began"], max(ended - begun, 0.0))
            for step, words, begun, ended in note["ran"]
        ]
        modules.append(Module(note["module"], note["ended"] - note["began"], note["cpu"], steps))
    return modules


def _packages(host: Host) -> str:
    """Return the directory of the distribution's packages for the system Python."""
    script = "import site; print([path for path in site.getsitepackages() if 'local' not in path][0])"
    return host.told(f'python3 -c "{script}"')
