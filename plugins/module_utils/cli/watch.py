# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check all sites of this host passively, for the timer: store the result of each run, and write metrics.

The unit sets the directory of the metrics in the environment variable `PYWEB_METRICS`; without it, none are written.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..doctor import memory, metrics
from ..doctor.look_host import look_at_host
from ..doctor.passive import look, measure
from ..host.files import hold
from ..model.layout import LOCKS

METRICS_VARIABLE = "PYWEB_METRICS"
# A run that is under way reports everything.
LOCK = f"{LOCKS}/doctor-timer.lock"


class _BusyError(Exception):
    """Another run is under way."""


def watch(sites: Sequence[Mapping[str, Any]]) -> int:
    """Look at each site (`name` and `domains`, `paths` and the like as `examine` has them) once.

    Return 0 even if sites are broken, or the unit would fail; 1 if the check itself failed.
    """
    try:
        with hold(LOCK, 0, _BusyError):
            return _watch(sites)
    except _BusyError:
        return 0
    except OSError as error:
        return _failed(f"{error.filename or LOCK}: {error.strerror or error}")


def _watch(sites: Sequence[Mapping[str, Any]]) -> int:
    started, failed = time.monotonic(), 0
    samples = metrics.Samples()
    host = look_at_host()
    for given in sites:
        try:
            measure(look(given, host), samples, host.now)
        except Exception as error:  # whatever it is, the other sites are checked
            # Its text is not shown, because it may contain a secret.
            failed |= _failed(f"site {given.get('name')!r}: {type(error).__name__}")
    memory.keep_only({str(given["name"]) for given in sites})
    times = os.times()
    samples.add("pyweb_watch_last_run_timestamp_seconds", int(host.now))
    samples.add("pyweb_watch_duration_seconds", round(time.monotonic() - started, 2))
    samples.add("pyweb_watch_cpu_seconds", round(sum(times[:4]), 2))
    folder = os.environ.get(METRICS_VARIABLE, "")
    if folder:
        try:
            metrics.write(folder, samples.found)
        except OSError as error:
            failed |= _failed(f"metrics: {folder}: {error.strerror or error}")
    return failed


def _failed(why: str) -> int:
    sys.stderr.write(f"pyweb watch: {why}\n")
    return 1
