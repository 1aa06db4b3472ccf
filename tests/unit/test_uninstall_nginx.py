"""Managed files of nginx are removed, and the files that they replaced are restored."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import file_set, kept, stage
from ansible_collections.pyweb.stack.plugins.module_utils.uninstall import nginx
from ansible_collections.pyweb.stack.plugins.module_utils.uninstall.report import Fault, Report
from uninstall_host import Host

OURS = "#\n# Ansible managed\n#\n# pyweb.stack.nginx: of ours\n"
RUNS = {"services": {"nginx": {"active": "active", "enabled": "enabled"}}}
STOPPED = {"services": {"nginx": {"active": "inactive", "enabled": ""}}}


@pytest.fixture
def host(tmp_path, monkeypatch):
    made = Host(tmp_path, monkeypatch)
    monkeypatch.setattr(file_set, "which", lambda name: f"/usr/sbin/{name}")
    monkeypatch.setattr(stage, "script", lambda copies, *_rest: f"touch {copies}/{stage.ENTERED}")
    for name in ("MAIN", "DEFAULT_LINK"):
        monkeypatch.setattr(nginx, name, f"{tmp_path}{getattr(nginx, name)}")
    etc = "/etc/nginx"
    for path in (f"{etc}/nginx.conf", f"{etc}/pyweb_uwsgi_params", f"{etc}/sites-available/shop.conf"):
        made.put(path, OURS)
    made.put("/etc/systemd/system/nginx.service.d/pyweb.conf", OURS)
    made.link(f"{etc}/sites-enabled/shop.conf", "../sites-available/shop.conf")
    made.put(f"{etc}/conf.d/theirs.conf", "# by hand\n")
    made.put(f"{etc}/sites-available/default", "# the package's\n")
    return made


def keep(host, path, text, left=None):
    """Save a copy as config_set does; `left` is the file that it wrote."""
    host.put(f"/memory/kept{path}", text)
    if left is not None:
        found = kept.Found("file", left.encode())
        host.put("/memory/changed.json", json.dumps({path: kept.fingerprint(found)}))


def give_back(host, before, check_mode=False, script=""):
    report = Report()
    nginx.give_back(host.run, before, script, report, check_mode)
    for name in ("removed", "restored", "kept", "unknown"):
        setattr(report, name, host.shown(getattr(report, name)))
    return report


REMOVED = {
    "/etc/nginx/pyweb_uwsgi_params",
    "/etc/nginx/sites-available/shop.conf",
    "/etc/nginx/sites-enabled/shop.conf",
    "/etc/systemd/system/nginx.service.d/pyweb.conf",
}
THEIRS = ["/etc/nginx/conf.d/theirs.conf", "/etc/nginx/sites-available/default"]


def test_managed_files_are_removed_and_saved_copies_restored(host):
    keep(host, f"{host.root}/etc/nginx/nginx.conf", "# the package's nginx.conf\n")
    host.link(f"/memory/kept{host.root}/etc/nginx/sites-enabled/default", "../sites-available/default")
    (host.root / "memory/changed.json").write_text(
        json.dumps({f"{host.root}/etc/nginx/sites-enabled/default": "absent"}), encoding="utf-8"
    )
    report = give_back(host, STOPPED)
    assert set(report.removed) == REMOVED
    assert report.restored == ["/etc/nginx/nginx.conf", "/etc/nginx/sites-enabled/default"]
    assert host.text("/etc/nginx/nginx.conf") == "# the package's nginx.conf\n"
    assert host.files("/etc") == [
        *("/etc/nginx/conf.d/theirs.conf", "/etc/nginx/nginx.conf", "/etc/nginx/sites-available/default"),
        "/etc/nginx/sites-enabled/default",
    ]
    assert nginx.kept() == {}
    # nginx has been stopped; only systemd must be told that the unit has changed.
    assert host.calls[-1] == "/usr/sbin/systemctl daemon-reload"
    assert not [call for call in host.calls if "unshare" in call or "reload nginx" in call]


@pytest.mark.parametrize(("options", "back"), [("default_server", False), ("", True)])
def test_the_packages_site_stays_disabled_if_another_default_server_exists_now(host, options, back):
    link = f"{host.root}/etc/nginx/sites-enabled/default"
    host.link(f"/memory/kept{link}", "../sites-available/default")
    (host.root / "memory/changed.json").write_text(json.dumps({link: "absent"}), encoding="utf-8")
    host.put("/etc/nginx/nginx.conf", f"{OURS}http {{\n    include conf.d/*.conf;\n}}\n")
    host.put("/etc/nginx/conf.d/theirs.conf", f"server {{\n    listen 80 {options};\n}}\n")
    report = give_back(host, STOPPED)
    assert ("/etc/nginx/sites-enabled/default" in report.restored) is back
    assert os.path.lexists(link) is back
    assert any("theirs.conf:1 is the default of port 80 now" in line for line in report.kept) is not back
    assert link not in nginx.kept()


def test_a_running_nginx_must_accept_the_files(host):
    host.service("nginx", "active", "enabled")
    keep(host, f"{host.root}/etc/nginx/nginx.conf", "# hand-made\n")
    host.answers["unshare"] = (1, "", "nginx: [emerg] unknown directive\n")
    before = host.files("/etc")

    def refusing(argv):
        if argv[0] == "unshare":  # the check was run, and refused the files
            (host.root / "run/pyweb.stack/nginx.stage").mkdir(parents=True, exist_ok=True)
            (host.root / f"run/pyweb.stack/nginx.stage/{stage.ENTERED}").touch()
        return host.run(argv)

    with pytest.raises(Fault, match=r"refuses the new files: \[emerg\] unknown directive; nothing was changed"):
        nginx.give_back(refusing, RUNS, "", Report(), check_mode=False)
    assert host.files("/etc") == before
    host.answers["unshare"] = (0, "", "")
    nginx.give_back(refusing, RUNS, "", Report(), check_mode=False)
    assert host.calls[-1] == "/usr/sbin/systemctl reload nginx.service"


def test_a_file_changed_since_is_kept_with_its_saved_copy(host):
    path = f"{host.root}/etc/nginx/conf.d/theirs.conf"
    host.put("/etc/nginx/conf.d/theirs.conf", "# changed since\n")
    keep(host, path, "# by hand\n", left="# our edit\n")
    keep(host, f"{host.root}/etc/nginx/nginx.conf", "# before\n")
    report = give_back(host, STOPPED)
    assert len(report.kept) == 1
    assert report.kept[0].startswith("/etc/nginx/conf.d/theirs.conf, because it was changed since; its original: ")
    assert report.kept[0].endswith("/memory/kept/etc/nginx/conf.d/theirs.conf")
    assert host.text("/etc/nginx/conf.d/theirs.conf") == "# changed since\n"
    assert list(nginx.kept()) == [path]


def test_an_edited_file_is_restored(host):
    path = "/etc/nginx/conf.d/theirs.conf"
    host.put(path, "# our edit\n")
    keep(host, f"{host.root}{path}", "# by hand\n", left="# our edit\n")
    report = give_back(host, STOPPED)
    assert path in report.restored
    assert host.text(path) == "# by hand\n"


@pytest.mark.parametrize(("status", "unknown"), [(0, 0), (1, 1)])
def test_an_earlier_version_saved_no_copy_of_nginx_conf(host, status, unknown):
    def run(argv):
        if argv[:3] == ["sh", "-c", "fetch it"] and status == 0:
            keep(host, f"{host.root}/etc/nginx/nginx.conf", "# from the package\n")
        return (status, "", "W: x\nE: no network\n") if argv[0] == "sh" else host.run(argv)

    report = Report()
    nginx.give_back(run, {}, "fetch it", report, check_mode=False)
    assert len(report.unknown) == unknown
    if unknown:
        reason = "its package cannot be downloaded (E: no network); that of pyweb.stack is kept, without a site"
        assert reason in report.unknown[0]
        assert host.text("/etc/nginx/nginx.conf") == OURS
    else:
        assert host.text("/etc/nginx/nginx.conf") == "# from the package\n"
    assert set(host.shown(report.removed)) >= REMOVED


def test_check_mode_reports_the_same_and_changes_nothing(host):
    keep(host, f"{host.root}/etc/nginx/nginx.conf", "# before\n")
    before = host.files("/etc")
    predicted = give_back(host, STOPPED, check_mode=True)
    assert host.files("/etc") == before
    done = give_back(host, STOPPED)
    assert (predicted.removed, predicted.restored) == (done.removed, done.restored)


def test_nothing_is_done_without_managed_files(host):
    give_back(host, STOPPED, script="x")
    host.calls.clear()
    again = give_back(host, STOPPED)
    assert (again.removed, again.restored, host.calls) == ([], [], [])


def test_servers_that_were_added_since_are_found(host):
    before = {"nginx": {f"{host.root}/etc/nginx/conf.d/theirs.conf": "abc"}}
    host.link("/etc/nginx/sites-enabled/default", "../sites-available/default")
    assert nginx.others(before) == []
    assert host.shown(nginx.others({})) == ["/etc/nginx/conf.d/theirs.conf"]
    host.put("/etc/nginx/sites-enabled/new")
    assert host.shown(nginx.others(before)) == ["/etc/nginx/sites-enabled/new"]
