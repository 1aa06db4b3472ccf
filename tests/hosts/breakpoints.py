"""Stop a module on the host at an exact point, without a word about it in the product.

Python runs `pyweb_breakpoint.py` at every start (by a .pth file beside it). Where /run/pyweb-breakpoint.json names a
point, and the process comes there, it says so and stops itself with SIGSTOP, in the middle of whatever it holds and has
half done. Then the test looks around, kills it or lets it go on.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from agent import POINT, REACHED
from host import Host, Playing

AGENT = Path(__file__).with_name("agent.py")
REACHED_SECONDS = 120

# Looks for a second, inside: a look from outside costs as much time as the playbook has on half a core. Without a new
# process, as long as there is nothing to see.
STOPPED = f"""
for _ in 1 2 3 4 5 6 7 8 9 10; do
    if [ -e {REACHED} ]; then
        read -r process < {REACHED}
        case $(ps -o stat= -p "$process") in T*) echo "$process"; exit ;; esac
    fi
    sleep 0.1
done
"""


@dataclass(frozen=True)
class Point:
    """Where to stop: the `nth` time that a function of a module is called, or returns.

    `module` is a module or a package: module_utils.release and the like, or any other by its full name; `step` narrows
    it to one of a Shell's.
    """

    module: str
    function: str
    event: str = "call"
    step: str = ""
    nth: int = 1


def install(host: Host) -> None:
    """Make the system's Python of the host look for a breakpoint; the virtualenvs of sites do not see it."""
    script = "import site; print([path for path in site.getsitepackages() if 'local' not in path][0])"
    folder = host.told(f'python3 -c "{script}"')
    host.told(f"cat > {folder}/pyweb_breakpoint.py", AGENT.read_text(encoding="utf-8"))
    host.told(f"cat > {folder}/pyweb_breakpoint.pth", "import pyweb_breakpoint\n")


def arm(host: Host, point: Point) -> None:
    host.told(f"rm -f {REACHED}; cat > {POINT}", json.dumps(asdict(point)))


def wait(host: Host, playing: Playing) -> int:
    """Wait until a module stands at the point; its process id."""
    deadline = time.monotonic() + REACHED_SECONDS
    while not (found := host.told(STOPPED)):
        ended = playing.process.poll() is not None
        assert not ended, f"the run ended and no module came to the point:\n{playing.end().error}"
        assert time.monotonic() < deadline, f"no module came to the point in {REACHED_SECONDS} s"
    return int(found)


def resume(host: Host, process: int) -> None:
    host.told(f"kill -CONT {process}")


def kill(host: Host, process: int) -> None:
    host.told(f"kill -KILL {process}")
