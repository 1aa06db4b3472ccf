# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Metrics in Prometheus' text format, for node_exporter's textfile collector. docs/monitoring.md describes each."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..host import nofollow
from .fault import BROKEN, DEGRADED, OK, UNKNOWN

FILE = "pyweb.prom"
# As the exit status of a monitoring plugin; the alert rules under examples/ compare with them.
STATUSES = {OK: 0, DEGRADED: 1, BROKEN: 2, UNKNOWN: 3}


class Metric(NamedTuple):
    name: str
    kind: str
    help: str


METRICS = (
    Metric("pyweb_site_status", "gauge", "Status of a site: 0 ok, 1 degraded, 2 broken, 3 unknown."),
    Metric("pyweb_hop_status", "gauge", "Status of a hop of a site: 0 ok, 1 degraded, 2 broken, 3 unknown."),
    Metric("pyweb_fault", "gauge", "1 for the first fault of a site, by its code."),
    Metric("pyweb_probe_status_code", "gauge", "HTTP status of the requested page; 0 without an answer."),
    Metric("pyweb_probe_duration_seconds", "gauge", "Response time of the requested page."),
    Metric("pyweb_requests_total", "counter", "Requests of visitors in nginx's access log, by class of status."),
    Metric("pyweb_request_errors_total", "counter", "Requests of visitors that were answered with 5xx."),
    Metric("pyweb_request_duration_seconds", "gauge", "Quantiles of $request_time since the previous run."),
    Metric("pyweb_upstream_duration_seconds", "gauge", "Quantiles of $upstream_response_time since the previous run."),
    Metric(
        "pyweb_log_skipped_bytes_total",
        "counter",
        "Bytes of the access log that a run skipped because they were too many.",
    ),
    Metric("pyweb_workers", "gauge", "Workers of uWSGI, by state."),
    Metric("pyweb_release_info", "gauge", "1 for the live release, by its id."),
    Metric("pyweb_certificate_remaining_days", "gauge", "Days until the certificate that nginx serves expires."),
    Metric("pyweb_disk_free_bytes", "gauge", "Free bytes on the file system of a directory."),
    Metric("pyweb_disk_size_bytes", "gauge", "Size of the file system of a directory, in bytes."),
    Metric(
        "pyweb_watch_last_run_timestamp_seconds", "gauge", "Time of the last run of the timer, in seconds since 1970."
    ),
    Metric("pyweb_watch_duration_seconds", "gauge", "Duration of that run."),
    Metric("pyweb_watch_cpu_seconds", "gauge", "CPU time of that run, including child processes."),
)
_KNOWN = {metric.name for metric in METRICS}


class Sample(NamedTuple):
    name: str
    labels: Mapping[str, str]
    value: float


@dataclass
class Samples:
    """The samples of one run, in any order."""

    found: list[Sample] = field(default_factory=list)

    def add(self, name: str, value: float, **labels: str) -> None:
        """Add a sample. Raises ValueError for a metric that is not described."""
        if name not in _KNOWN:
            raise ValueError(f"there is no metric {name}")
        self.found.append(Sample(name, labels, value))


def text(samples: Iterable[Sample]) -> str:
    """Return the file: the samples of a metric follow its help and its type."""
    lines: list[str] = []
    found = list(samples)
    for metric in METRICS:
        own = [sample for sample in found if sample.name == metric.name]
        if own:
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
            lines += [f"{metric.name}{_labels(sample.labels)} {_number(sample.value)}" for sample in own]
    return "".join(f"{line}\n" for line in lines)


def write(folder: str, samples: Iterable[Sample]) -> None:
    """Put the file into a directory with one rename, readable for everyone. Raises OSError.

    No link is followed: the directory may belong to the exporter's user.
    """
    nofollow.create(f"{folder}/{FILE}", text(samples).encode(), 0o644, os.geteuid(), os.getegid())


def _labels(labels: Mapping[str, str]) -> str:
    told = [f'{name}="{_escaped(value)}"' for name, value in labels.items()]
    return f"{{{','.join(told)}}}" if told else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(round(value, 6))
