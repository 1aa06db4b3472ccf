"""The host's own timer: it is there, cheap, sees a fault, and the doctor says what has changed since."""

from __future__ import annotations

import json

import pytest
from conftest import MYSITE, SECRET

NAME, FOLDER = "mysite", "/var/lib/pyweb.stack/doctor"
METRICS = "/run/pyweb-test-metrics"
DROP_IN = "/run/systemd/system/pyweb-doctor.service.d/test.conf"
# What a run may cost, on a slow machine and with the three sites of this host: see docs/monitoring.md.
CPU_SECONDS = 10


@pytest.fixture
def host(managed):
    """Let the service of the timer write metrics into a directory of the test, and run only if the test starts it."""
    managed.sh("systemctl stop pyweb-doctor.timer pyweb-doctor.service")
    managed.sh(
        f"mkdir -p {METRICS} $(dirname {DROP_IN}); "
        f"printf '[Service]\\nEnvironment=PYWEB_METRICS={METRICS}\\n' > {DROP_IN}; systemctl daemon-reload"
    )
    yield managed
    managed.sh(f"rm -rf {METRICS} $(dirname {DROP_IN}); systemctl daemon-reload; systemctl start pyweb-doctor.timer")


def look(host):
    """One run of the service, as systemd starts it: (its line in the history, its metrics)."""
    host.sh("systemctl start pyweb-doctor.service")
    line = json.loads(host.told(f"tail -n 1 {FOLDER}/{NAME}.history"))
    text = host.told(f"cat {METRICS}/pyweb.prom")
    assert SECRET not in text
    return line, dict(row.rsplit(" ", 1) for row in text.splitlines() if not row.startswith("#"))


def requests(host):
    return host.told(f"grep -c pyweb.stack-watch /var/log/nginx/{NAME}.access.log || true")


def test_the_timer_runs_now_and_after_a_boot(managed):
    assert managed.told("systemctl is-active pyweb-doctor.timer; systemctl is-enabled pyweb-doctor.timer").split() == [
        "active",
        "enabled",
    ]


def test_what_it_sees_and_what_has_changed_since(host):
    look(host)
    before = int(requests(host))
    host.sh(f"curl -sf -o /dev/null -H 'Host: {MYSITE['domains'][0]}' http://127.0.0.1/healthz")
    line, metrics = look(host)
    assert (line["status"], line["code"], line["requests"], line["hops"]) == ("ok", 200, 1, {})
    assert metrics[f'pyweb_site_status{{site="{NAME}"}}'] == "0"
    assert float(metrics[f'pyweb_request_duration_seconds{{site="{NAME}",quantile="0.99"}}']) > 0
    workers = [value for name, value in metrics.items() if name.startswith(f'pyweb_workers{{site="{NAME}"')]
    assert sum(map(int, workers)) == 2
    assert float(metrics['pyweb_certificate_remaining_days{site="secure",domain="secure.example"}']) > 100
    assert float(metrics["pyweb_watch_cpu_seconds"]) < CPU_SECONDS
    assert int(requests(host)) == before + 1  # one page, and no more

    report, _text = host.asked(MYSITE)
    assert report["changes"] is None  # all is well
    conf = "/etc/nginx/conf.d/pyweb_http.conf"
    host.sh(f"cp -a {conf} /run/kept.conf; echo '# by hand' >> {conf}; systemctl stop 'uwsgi-{NAME}@*'")
    try:
        line, metrics = look(host)
        assert (line["status"], line["first"]) == ("broken", "uwsgi.stopped")
        assert metrics[f'pyweb_fault{{site="{NAME}",fault="uwsgi.stopped"}}'] == "1"
        report, _text = host.asked(MYSITE)
    finally:
        host.sh(
            f"cp -a /run/kept.conf {conf}; systemctl start "
            f"uwsgi-{NAME}@$(basename $(readlink /opt/sites/{NAME}/current)).service; systemctl reload nginx"
        )
    assert report["changes"]["how"] == "ok"
    assert {"kind": "nginx", "what": f"{conf} was changed"} in report["changes"]["found"]
    assert not [change for change in report["changes"]["found"] if change["kind"] in ("release", "unit")]
