"""Before and after the refused runs, the site answers, and exactly one release is live."""

from __future__ import annotations


def test_site_answers(http):
    assert http("mysite.example", "/healthz").status == 200
    assert http("mysite.example").status == 200


def test_one_release_is_live(host):
    running = host.run("systemctl list-units --plain --no-legend --state=running 'uwsgi-mysite@*'").stdout.splitlines()
    current = host.run("readlink /opt/sites/mysite/current").stdout.strip().removeprefix("releases/")
    assert [line.split()[0] for line in running] == [f"uwsgi-mysite@{current}.service"]
    assert host.run("systemctl list-units --plain --no-legend --state=failed 'uwsgi-mysite*'").stdout == ""
