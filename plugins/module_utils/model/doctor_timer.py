# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The variable `doctor_timer` of a host: how often the doctor runs by itself, and where its metrics are written."""

from __future__ import annotations

from typing import Any

from .checks import Wrong, accepts, duration, host_path
from .controller_paths import ControllerPaths
from .errors import InventoryError, shown
from .key import Key, Keys
from .limits import beyond
from .reader import Reader
from .types import DoctorTimer

# Directories that do not contain metrics: a new file would be beside the system's own.
_SYSTEM = ("/", "/etc", "/usr", "/boot", "/dev", "/proc", "/sys")


@accepts(f"{host_path.wants}, not one of the system's own")
def _metrics(value: Any) -> str:
    path = str(host_path(value)).rstrip("/")
    if path in ("", *_SYSTEM) or path.startswith(tuple(f"{folder}/" for folder in _SYSTEM[1:])):
        raise Wrong(fix="set a separate directory, such as /var/lib/prometheus/node-exporter")
    return path


DOCTOR_TIMER_KEYS: Keys = {
    "every": Key(
        duration(60, 86400),
        300,
        "How often the host checks its own sites, from one minute to one day. A run takes a second or two of CPU time.",
    ),
    "metrics": Key(
        _metrics,
        "",
        "The directory of node_exporter's textfile collector. Without it, no metrics are written.",
        example="/var/lib/prometheus/node-exporter",
    ),
}
WANTED = "false, or a mapping of every and metrics such as {every: 5m, metrics: /var/lib/prometheus/node-exporter}"


def doctor_timer(given: Any) -> DoctorTimer | None:
    """Return the variable in its normal form, None if it is false. Raises `InventoryError` with every fault."""
    if given is False or (isinstance(given, str) and given.lower() in ("false", "no", "off")):
        return None
    wrong = beyond(given, "doctor_timer")
    if wrong:
        raise InventoryError("doctor_timer", [wrong])
    if given is not None and not isinstance(given, dict):
        raise InventoryError("doctor_timer", [f"doctor_timer is {shown(given)}; expected {WANTED}"])
    reader = Reader(0, None, [], ControllerPaths(), "")
    reader.label = ""
    found = reader.section(given, DOCTOR_TIMER_KEYS, "doctor_timer")
    if reader.faults:
        raise InventoryError("doctor_timer", [text.removeprefix(": ") for text in reader.faults])
    return {"every": found["every"], "metrics": found["metrics"]}
