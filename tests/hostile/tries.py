"""What a compromised application tries, wherever a site's code runs, and the expected result of each attempt."""

from __future__ import annotations

from typing import Any

SCRIPT = "/usr/local/lib/tries.py"
# Makes all attempts, and prints the result of each.
TRIES = """
import json, os, socket, sys, tempfile, time
from pathlib import Path

def tried(do):
    try:
        do()
    except OSError as error:
        return os.strerror(error.errno)
    return "done"

found = {
    "data": tried(lambda: Path("/var/lib/sites/shop/tried").write_text("x")),
    "scratch": tried(lambda: tempfile.TemporaryFile().close()),
    "shared": tried(lambda: Path("/srv/shared/tried").write_text("x")),
    "homes": tried(lambda: os.listdir("/home")),
    "setuid": tried(lambda: os.chmod(tempfile.mkstemp()[1], 0o4755)),
    "owner": tried(lambda: os.chown(tempfile.mkstemp()[1], os.getuid(), os.getgid())),
    "packets": tried(lambda: socket.socket(17, socket.SOCK_RAW)),
    "devices": tried(lambda: os.stat("/dev/of-the-host")),
    "others": tried(lambda: os.stat("/proc/1")),
    "words": sys.argv[1:-1],
    "privileges": open("/proc/self/status").read().partition("NoNewPrivs:")[2].split()[0],
}
text = json.dumps(found)
if "stay" in sys.argv:
    print("tries " + text, flush=True)
    time.sleep(3600)
elif sys.argv[-1].endswith(".json"):
    Path(sys.argv[-1]).write_text(text)
else:
    print("tries " + text)
"""
WANTED: dict[str, Any] = {
    "data": "done",
    "scratch": "done",
    "shared": "Read-only file system",
    "homes": "Permission denied",
    "setuid": "Operation not permitted",
    "owner": "Operation not permitted",
    "packets": "Address family not supported by protocol",
    "devices": "No such file or directory",
    "others": "No such file or directory",
    "privileges": "1",
    "words": [],
}
