"""The steps of an uninstall: their order, which ones a fault stops, and what is recorded at the end."""

from __future__ import annotations

import json
import os

import pytest
from ansible.module_utils import basic
from ansible_collections.pyweb.stack.plugins.module_utils.host import found, memory, noted_version
from ansible_collections.pyweb.stack.plugins.module_utils.model import layout as layouts
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.uninstall import run, selinux
from ansible_collections.pyweb.stack.plugins.module_utils.uninstall.report import Fault, Report
from ansible_collections.pyweb.stack.plugins.modules import uninstall as module
from module_args import patch_module_args
from uninstall_host import Host, users

BEFORE = {"services": {}, "packages": ["git"], "folders": [], "users": ["root"], "groups": []}


@pytest.fixture
def host(tmp_path, monkeypatch):
    users(monkeypatch, root=0)
    made = Host(tmp_path, monkeypatch)
    for name in ("DEFAULT_LINK", "DEFAULT_LINKED"):
        monkeypatch.setattr(run, name, f"{tmp_path}{getattr(run, name)}")
    monkeypatch.setattr(run.packages, "owners", lambda _run, _path: set())
    return made


@pytest.fixture
def steps(host, monkeypatch):
    """Record the steps; those named in `steps.broken` fail."""

    class Steps(list):
        broken = ()

    done = Steps()

    def step(name):
        def note(*_given, **_named):
            done.append(name)
            if name in done.broken:
                raise Fault(f"{name}: it broke")
            return []

        return note

    monkeypatch.setattr(run.nginx, "give_back", step("nginx"))
    monkeypatch.setattr(run.firewall, "give_back", step("firewall"))
    monkeypatch.setattr(run.services, "put_back", lambda _run, name, *_rest: done.append(f"service {name}"))
    monkeypatch.setattr(run.sites, "remove", lambda site, *_rest: step(f"site {site.name}")())
    monkeypatch.setattr(run.sites, "tools", step("tools"))
    monkeypatch.setattr(run.selinux, "give_back", step("selinux"))
    monkeypatch.setattr(run.packages, "remove", step("packages"))
    monkeypatch.setattr(run.packages, "forget", step("accounts of packages"))
    sites = [found.FoundSite(Layout.under(name), "x", True) for name in ("blog", "shop")]
    monkeypatch.setattr(run.found, "sites", lambda _roots: sites)
    return done


def uninstall(host, **given):
    return run.Uninstall(run=host.run, installed=lambda: ["git", "nginx"], roots={}, **given).do()


def note(before=None, packages=("nginx",)):
    memory._write(layouts.BEFORE, before or BEFORE)
    memory._write(layouts.BROUGHT, {"packages": list(packages)})


ORDER = [
    *("service nginx", "nginx", "service firewalld", "firewall", "site blog", "site shop", "tools", "selinux"),
    *("packages", "accounts of packages"),
]


def test_the_order_of_steps_and_the_record(host, steps):
    note()
    report = uninstall(host, purge=True, packages=True)
    assert steps == ORDER
    assert report.faults == []
    assert not os.path.exists(layouts.MEMORY)
    assert host.shown(report.removed) == ["/memory/before.json"]


@pytest.mark.parametrize("broken", ["firewall", "site blog", "selinux"])
def test_a_fault_only_stops_the_last_steps(host, steps, broken):
    note()
    steps.broken = (broken,)
    report = uninstall(host, purge=True, packages=True)
    assert steps == ORDER[:-2]
    assert report.faults == [f"{broken}: it broke"]
    assert memory.before() == BEFORE
    steps.broken, steps[:] = (), []
    assert uninstall(host, purge=True, packages=True).faults == []
    assert steps == ORDER
    assert not os.path.exists(layouts.MEMORY)


def test_nothing_else_is_done_if_nginx_refuses_its_files(host, steps):
    note()
    steps.broken = ("nginx",)
    report = uninstall(host, purge=True, packages=True)
    assert steps == ORDER[:2]
    assert (report.faults, memory.before()) == (["nginx: it broke"], BEFORE)


def test_the_record_is_kept_if_packages_cannot_be_removed(host, steps):
    note()
    steps.broken = ("packages",)
    assert uninstall(host, packages=True).faults
    assert memory.before() == BEFORE


def test_kept_data_is_recorded_for_a_later_uninstall(host, steps):
    note({**BEFORE, "folders": ["/etc/nginx"]})
    noted_version.converge("0.2.0", True, False)
    report = uninstall(host)
    assert noted_version.read() == ""
    assert "packages" not in steps
    assert "1 packages that runs installed; uninstall_packages=true" in report.kept[0]
    assert memory.before() == {}
    assert json.loads(host.text("/memory/left.json"))["folders"] == ["/etc/nginx"]
    again = uninstall(host)
    assert (again.changed, again.unknown) == (False, [])
    uninstall(host, packages=True)
    assert not os.path.exists(layouts.MEMORY)


def test_check_mode_records_nothing(host, steps):
    note()
    host.put("/run/pyweb.stack/site-shop.lock")
    before = host.files()
    report = uninstall(host, purge=True, packages=True, check_mode=True)
    assert host.files() == before
    assert host.shown(report.removed) == ["/memory/before.json"]


def test_a_host_of_an_earlier_version_is_told_what_is_unknown(host, steps):
    host.put("/etc/nginx/pyweb_uwsgi_params", "# pyweb.stack.nginx\n")
    host.put("/etc/nginx/sites-available/default")
    report = uninstall(host, purge=True, packages=True)
    assert [line.split()[0] for line in report.unknown] == ["which", "whether", "whether"]
    assert not [step for step in steps if step.startswith("service")]
    host.link("/etc/nginx/sites-enabled/default", "x")
    assert len(uninstall(host).unknown) == 2


def test_a_host_without_managed_files_is_not_changed(host, steps):
    report = uninstall(host, purge=True, packages=True)
    assert (report.changed, report.unknown, report.kept) == (False, [], [])
    assert report.lines(check_mode=True) == ["nothing of pyweb.stack is on this host"]


def test_nginx_keeps_running_if_other_sites_use_it(host, steps):
    note({**BEFORE, "nginx": {}})
    host.put("/etc/nginx/conf.d/new.conf")
    host.service("nginx", "active", "enabled")
    report = uninstall(host, packages=True)
    assert "service nginx" not in steps
    assert host.shown(report.kept) == ["nginx.service keeps running, because of /etc/nginx/conf.d/new.conf"]


def test_an_error_of_the_system_is_a_fault(host, steps, monkeypatch):
    def refused(*_given):
        raise PermissionError(1, "Operation not permitted", "/opt/sites/shop")

    note()
    monkeypatch.setattr(run.sites, "tools", refused)
    assert uninstall(host).faults == ["/opt/sites/shop: Operation not permitted"]


def test_empty_managed_directories_are_removed(host, steps):
    note({**BEFORE, "folders": [f"{host.root}/etc/sysusers.d"]})
    for path in ("/etc/sysusers.d", "/etc/tmpfiles.d", "/etc/selinux"):
        (host.root / path.lstrip("/")).mkdir(parents=True)
    host.put("/etc/selinux/theirs")
    assert host.shown(uninstall(host).removed) == ["/etc/tmpfiles.d", "/memory/before.json"]
    assert (host.root / "etc/sysusers.d").is_dir()


def test_units_masked_by_a_killed_run_are_unmasked_first(host, steps, monkeypatch):
    for name in ("LOCK", "HELD", "BEGUN"):
        monkeypatch.setattr(run.held_units, name, f"{host.root}{getattr(run.held_units, name)}")
    real = run.held_units.release
    monkeypatch.setattr(run.held_units, "release", lambda told: (steps.append("unmask"), real(told)))
    note(packages=())
    host.put("/run/pyweb.stack/held-units", "nginx.service\n")
    uninstall(host, purge=True, check_mode=True)
    assert "unmask" not in steps
    uninstall(host, purge=True)
    assert steps[len(steps) // 2 :][:2] == ["unmask", "service nginx"]
    uninstall(host, purge=True)
    assert steps.count("unmask") == 1


def test_packages_unpacked_by_a_killed_run_are_configured_and_not_started(host, monkeypatch):
    held = run.held_units
    for name in ("LOCK", "HELD", "BEGUN", "MASKS", "ENABLED"):
        monkeypatch.setattr(held, name, f"{host.root}{getattr(held, name)}")
    monkeypatch.setattr(held, "UNPACKED", (f"{host.root}/lib/systemd/system",))
    host.put("/lib/systemd/system/firewalld.service")
    host.put("/run/pyweb.stack/begun-packages", "firewalld\n")
    host.answers["dpkg-query --show"] = (0, "iU  firewalld\nii  git\n", "")
    host.answers["dpkg-query --listfiles firewalld"] = (0, "/lib/systemd/system/firewalld.service\n", "")
    host.answers["systemctl is-active"] = (3, "", "")
    uninstall(host)
    calls = [call for call in host.calls if " mask " in call or "--configure" in call]
    assert calls[0] == "systemctl mask --quiet --runtime firewalld.service"
    assert calls[1].endswith("dpkg --force-confdef --force-confold --configure --pending")
    assert not (host.root / "run/pyweb.stack/held-units").exists()


CIL = """; Written by pyweb.stack
(filecon "{root}/var/lib/sites/a\\-b/media(/.*)?" any (x))
(filecon "/gone(/.*)?" any (x))
"""


@pytest.mark.parametrize("check_mode", [False, True])
def test_the_selinux_module_is_removed(host, monkeypatch, check_mode):
    monkeypatch.setattr(selinux.file_set, "which", lambda name: f"/usr/sbin/{name}")
    host.put("/etc/selinux/pyweb_stack.cil", CIL.format(root=host.root))
    host.put("/var/lib/sites/a-b/media/x")
    report = Report()
    selinux.give_back(host.run, report, check_mode)
    assert host.shown(report.removed) == ["the SELinux module pyweb_stack", "/etc/selinux/pyweb_stack.cil"]
    told = ["semodule --remove=pyweb_stack", "restorecon -R -F -i /var/lib/sites/a-b/media"]
    assert host.calls == ([] if check_mode else told)
    assert (host.text("/etc/selinux/pyweb_stack.cil") is None) is not check_mode


@pytest.mark.parametrize(
    ("said", "fails"),
    [
        ("libsemanage: Unable to remove module pyweb_stack at priority 400. (No such file or directory).", False),
        ("no", True),
    ],
)
def test_a_missing_selinux_module_is_no_error(host, monkeypatch, said, fails):
    monkeypatch.setattr(selinux.file_set, "which", lambda name: f"/usr/sbin/{name}")
    host.put("/etc/selinux/pyweb_stack.cil", "")
    host.answers["semodule"] = (1, "", said)
    if fails:
        with pytest.raises(Fault, match="semodule --remove=pyweb_stack: no"):
            selinux.give_back(host.run, Report(), check_mode=False)
    else:
        selinux.give_back(host.run, Report(), check_mode=False)
    assert (host.text("/etc/selinux/pyweb_stack.cil") is None) is not fails


def call(monkeypatch, capsys, uid=0, **arguments):
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda *_words, **_more: None)
    monkeypatch.setattr(module.os, "geteuid", lambda: uid)
    with patch_module_args(arguments), pytest.raises(SystemExit):
        module.main()
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("roots", "wrong"),
    [
        ({"site": "/srv"}, "roots has 'site'; expected sites, state"),
        ({"sites": "srv"}, "roots: sites is 'srv'; expected an absolute path"),
        ({"sites": "/srv/../etc"}, "expected an absolute path without '..'"),
    ],
)
def test_invalid_roots_are_refused(monkeypatch, capsys, roots, wrong):
    assert wrong in call(monkeypatch, capsys, roots=roots)["msg"]


def test_root_is_required(monkeypatch, capsys):
    assert "run with become: true" in call(monkeypatch, capsys, uid=1000)["msg"]


def test_the_result_of_the_module(host, steps, monkeypatch, capsys):
    monkeypatch.setattr(module.packages, "installed", lambda _module: [])
    note(packages=())
    answer = call(monkeypatch, capsys, purge=True)
    assert (answer["changed"], answer["unknown"]) == (True, [])
    assert answer["told"][-1].startswith("removed: ")
    note(packages=())
    steps.broken = ("nginx",)
    answer = call(monkeypatch, capsys)
    assert answer["failed"]
    assert answer["msg"] == ("nginx: it broke\nfix this, then run pyweb.stack.uninstall again; it continues from here")
