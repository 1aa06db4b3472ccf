"""The first version is live before the deploy and after the rollback, and the history lists what was done."""

from __future__ import annotations

import json


def current(host):
    return host.check_output("readlink /opt/sites/mysite/current").removeprefix("releases/")


def test_the_first_version_is_served(http):
    answer = http("mysite.example", "/healthz")
    assert answer.status == 200
    assert json.loads(answer.body)["version"] == "first"


def test_one_release_is_live(host):
    running = host.run("systemctl list-units --plain --no-legend --state=running 'uwsgi-mysite@*'").stdout.splitlines()
    assert [line.split()[0] for line in running] == [f"uwsgi-mysite@{current(host)}.service"]
    assert host.run("systemctl list-units --plain --no-legend --state=failed 'uwsgi-mysite*'").stdout == ""


def test_the_list_shows_the_live_release(host):
    rows = [line.split() for line in host.check_output("/opt/sites/mysite/list").splitlines()]
    assert [row[0] for row in rows if row[3] == "live"] == [current(host)]
    assert all(row[-2] == "directory" for row in rows)


def test_the_history_lists_each_change_with_its_user_and_result(host):
    lines = host.check_output("cat /opt/sites/mysite/history").splitlines()
    what = [line.split()[1] for line in lines]
    assert what in (["deploy"], ["deploy", "deploy", "rollback", "rollback", "rollback"])
    assert all(line.endswith(": live") and " by " in line and "@" in line for line in lines)
    assert lines[-1].split()[4] == current(host)
    journal = host.check_output("journalctl --no-pager --output=cat --identifier=pyweb.stack").splitlines()
    assert [line for line in journal if line.endswith(": live")] == [
        f"mysite: {line.split(' ', 1)[1]}" for line in lines
    ]


def test_the_environment_is_not_in_the_record_of_the_release(host):
    """A rollback restores the environment from a file that only root and the site can read."""
    record = json.loads(host.check_output("cat /opt/sites/mysite/current/release.json"))
    assert "MYSITE_VERSION" not in json.dumps(record)
    assert record["migrations"].count("gallery.0001_initial") == 1
