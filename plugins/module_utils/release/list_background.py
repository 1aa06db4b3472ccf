# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Part of a program of its own, not of a module: it prints its result.
# pylint: disable=ansible-bad-function
"""The part of the script `list` that prints workers and timers, of sites that have any; `scripts.py` appends it.

Hosts have what stands below the line `--- background ---`, with @NAME@ and @UNITS@ filled in, after the text of
`list_releases`, which has `live`. Where it is imported it finds no unit and prints nothing.
"""

from __future__ import annotations

import glob
import os

live = ""
# --- background ---
import re
import subprocess

units = [path for kind in ("worker", "timer") for path in sorted(glob.glob(f"@UNITS@/pyweb-{kind}-@NAME@@*"))]
names = [os.path.basename(path) for path in units]
command = ["systemctl", "show", "--all", "--property=Id,ActiveState,SubState,NRestarts,Result,NextElapseUSecRealtime"]
shown = subprocess.run([*command, *names], stdout=subprocess.PIPE, text=True, check=False).stdout if names else ""
states = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in shown.split("\n\n")]
found = {state["Id"]: state for state in states if state.get("Id")}
for name in names:
    state = found.get(name, {})
    active = state.get("ActiveState", "unknown")
    worker = re.fullmatch(r"pyweb-worker-[a-z0-9-]+@([0-9a-f]+):([a-z0-9-]+):(\w+)\.service", name)
    if worker and (worker[1] == live or active in ("active", "deactivating")):
        said = {"active": "running", "deactivating": "finishes its task", "activating": "starts again"}
        number = "" if worker[3] == "only" else f" {worker[3]}"
        again = state.get("NRestarts") or 0
        print(f"worker {worker[2]}{number}: {said.get(active, active)}, release {worker[1]}, {again} restarts")
    elif name.endswith(".timer"):
        task = found.get(name[: -len("timer")] + "service", {})
        last = "runs now" if task.get("ActiveState") == "activating" else f"last result: {task.get('Result') or 'none'}"
        due = state.get("NextElapseUSecRealtime") or "never"
        print(f"timer {name.partition('@')[2][: -len('.timer')]}: next {due}, {last}")
