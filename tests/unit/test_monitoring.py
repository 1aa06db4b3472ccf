"""docs/monitoring.md, the alert rules and the dashboard only name existing metrics, and the page has all of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import metrics
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.metrics import METRICS
from ansible_collections.pyweb.stack.plugins.module_utils.model.doctor_timer import DOCTOR_TIMER_KEYS
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "examples/prometheus/pyweb.rules.yml"
DASHBOARD = ROOT / "examples/grafana/pyweb.json"
PAGE = ROOT / "docs/monitoring.md"
KNOWN = {metric.name: metric.kind for metric in METRICS}


def named(text):
    return set(re.findall(r"\bpyweb_[a-z_]+[a-z]\b", text))


def test_the_page_has_every_metric_with_its_type():
    rows = re.findall(r"(?m)^\| `(pyweb_[a-z_]+)` \| (\w+) \|", PAGE.read_text(encoding="utf-8"))
    assert dict(rows) == KNOWN
    assert len(rows) == len(KNOWN)


def test_the_page_has_every_key():
    text = PAGE.read_text(encoding="utf-8")
    for name, key in DOCTOR_TIMER_KEYS.items():
        assert re.search(rf"(?m)^\| `{name}` \| ", text)
        assert key.check.wants in text


def test_alert_rules_have_the_format_of_prometheus():
    """https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/"""
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    assert list(document) == ["groups"]
    names = []
    for group in document["groups"]:
        assert set(group) <= {"name", "interval", "rules"}
        for rule in group["rules"]:
            assert {"alert", "expr"} <= set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
            assert re.fullmatch(r"[0-9]+[smhd]", rule["for"])
            assert rule["labels"]["severity"] in ("warning", "critical")
            assert rule["annotations"]["summary"]
            assert named(rule["expr"]) & set(KNOWN)
            assert named(rule["expr"]) <= set(KNOWN)
            assert rule["expr"].count("(") == rule["expr"].count(")")
            names.append(rule["alert"])
    assert len(names) == len(set(names)) >= 4


def test_prometheus_can_read_the_metrics():
    """Tested with the parser of its client library, which refuses text in another format."""
    samples = metrics.Samples()
    samples.add("pyweb_fault", 1, site='a "quoted" \\ name', code="line\nbreak")
    for metric in METRICS:
        samples.add(metric.name, 0.25, site="shop")
        samples.add(metric.name, 1e12, site="blog")
    families = list(text_string_to_metric_families(metrics.text(samples.found)))
    assert {family.name: family.type for family in families} == {
        name.removesuffix("_total"): kind for name, kind in KNOWN.items()
    }
    read = [(sample.name, sample.labels, float(sample.value)) for family in families for sample in family.samples]
    assert sorted(map(repr, read)) == sorted(
        repr((sample.name, dict(sample.labels), float(sample.value))) for sample in samples.found
    )


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_accepts_the_alert_rules():
    done = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_only_shows_existing_metrics():
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked += [one["expr"] for one in board["annotations"]["list"]]
    assert all(named(expr) and named(expr) <= set(KNOWN) for expr in asked)
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    # No two panels overlap, and none is outside of Grafana's 24 columns.
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in board["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _y in cells) < 24
    assert "id" not in board  # or it would replace another one
