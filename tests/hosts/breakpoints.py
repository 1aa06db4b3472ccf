"""Stop a module on the host at an exact point, without code for it in the product.

Python runs `pyweb_breakpoint.py` at every start, because of a .pth file beside it. If /run/pyweb-breakpoint.json names
a point and the process reaches it, the process reports that and stops itself with SIGSTOP, holding its locks and with
its work unfinished. The test can then inspect the host, and kill or resume the process.
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

# Polls for a second inside the container: a `docker exec` per check would take half a core from the playbook. As long
# as the file does not exist, it starts no process except `sleep`.
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
    """Where to stop: the `nth` call of a function of a module, or the `nth` return from it.

    `module` is a module or a package, such as module_utils.release, or any other by its full name. `step` limits it to
    one step of a Shell.
    """

    module: str
    function: str
    event: str = "call"
    step: str = ""
    nth: int = 1


def install(host: Host) -> None:
    """Install the breakpoint for the host's system Python; the virtualenvs of sites do not load it."""
    script = "import site; print([path for path in site.getsitepackages() if 'local' not in path][0])"
    folder = host.told(f'python3 -c "{script}"')
    host.told(f"cat > {folder}/pyweb_breakpoint.py", AGENT.read_text(encoding="utf-8"))
    host.told(f"cat > {folder}/pyweb_breakpoint.pth", "import pyweb_breakpoint\n")


def arm(host: Host, point: Point) -> None:
    host.told(f"rm -f {REACHED}; cat > {POINT}", json.dumps(asdict(point)))


def wait(host: Host, playing: Playing) -> int:
    """Wait until a module has stopped at the point, and return its process id."""
    deadline = time.monotonic() + REACHED_SECONDS
    while not (found := host.told(STOPPED)):
        ended = playing.process.poll() is not None
        assert not ended, f"the run ended before a module reached the point:\n{playing.end().error}"
        assert time.monotonic() < deadline, f"no module reached the point within {REACHED_SECONDS} s"
    return int(found)


def resume(host: Host, process: int) -> None:
    host.told(f"kill -CONT {process}")


def kill(host: Host, process: int) -> None:
    host.told(f"kill -KILL {process}")
