"""Which server a host would start for a site: from the files of supervisor, emperors and Debian's uwsgi package."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import ask, look_servers, look_starts, look_supervisor
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import Ran
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_servers import (
    SUPERVISOR,
    SYSTEMD,
    VASSAL,
    Serving,
    Start,
    Starts,
)
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import Identity
from ansible_collections.pyweb.stack.plugins.module_utils.host.processes import Listener, Process
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump
from doctor_evidence import NOW, denied, evidence, faults_of, put

TWO_SITES = """\
# configuration file /etc/nginx/nginx.conf:
http {
    server { server_name shop.example; location / { proxy_pass http://127.0.0.1:8001; } }
    server { server_name blog.example; location / { uwsgi_pass 127.0.0.1:8002; } }
}
"""


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Run no command, and read no other process."""
    monkeypatch.setattr(ask, "run", lambda argv, *rest, **named: Ran(0))
    monkeypatch.setattr(look_servers.processes, "details", lambda process: None)


def process(pid, command, unit="", parent=1, cwd="/"):
    return Process(pid, parent, command.split()[0], command.split(), Identity(33, 33), NOW, unit, cwd=cwd)


def found_on(table, starts=(), addresses=("127.0.0.1:8001",), held=None, tmp_path="/nowhere"):
    _site, host = evidence()
    put(host, table={one.pid: one for one in table}, starts=Starts(list(starts)))
    put(host, listeners=[Listener(where, 1, 0, [pid]) for pid, where in (held or {}).items()])
    put(host.nginx, config=dump.parse(TWO_SITES))
    found = Serving()
    layout = Layout.under("shop", {"sites": str(tmp_path)})
    return found, look_servers.find_server(found, layout, ["shop.example"], host, list(addresses))


def test_the_process_that_holds_the_address_serves_the_site():
    table = [
        process(5, "/venv/bin/gunicorn x.wsgi", "x.service"),
        process(6, "/venv/bin/gunicorn x.wsgi", "x.service", 5),
    ]
    found, master = found_on(table, held={6: "127.0.0.1:8001"})
    assert (found.kind, found.label, master.pid) == ("gunicorn", "gunicorn", 5)


def test_another_sites_server_is_never_taken():
    table = [process(5, "uwsgi --ini /srv/blog.ini")]
    starts = [Start("uwsgi", SYSTEMD, "blog.service", addresses=["127.0.0.1:8002"])]
    found, master = found_on(table, starts, held={5: "127.0.0.1:8002"})
    assert (master, found.start) == (None, None)


def test_the_configuration_with_the_address_would_start_the_site():
    wanted = Start("gunicorn", SYSTEMD, "x.service", addresses=["127.0.0.1:8001"])
    other = Start("uwsgi", SUPERVISOR, "shop", addresses=["127.0.0.1:8009"])
    found, master = found_on([], [other, wanted])
    assert (found.start, found.kind, master) == (wanted, "gunicorn", None)
    found, _master = found_on([], [other])
    assert found.start is other  # By the site's name.


def test_a_program_that_is_no_server_is_reported_as_another_program():
    found, master = found_on([process(5, "docker-proxy -x")], held={5: "0.0.0.0:8001"})
    assert master is None
    assert found.stranger.startswith("docker-proxy -x (pid 5")


def test_a_server_whose_socket_supervisor_opened_is_recognized():
    table = [
        process(5, "/usr/bin/python3 /usr/bin/supervisord -n"),
        process(6, "/venv/bin/daphne --fd 0 x.asgi:application", "supervisor.service", 5),
    ]
    _site, host = evidence()
    put(host, table={one.pid: one for one in table})
    put(host, listeners=[Listener("127.0.0.1:8001", 1, 0, [5, 6])])
    assert look_servers.holding(host, ["127.0.0.1:8001"]).pid == 6


def test_a_process_that_has_ended_in_the_meantime_serves_nothing():
    start = Start("daphne", SUPERVISOR, "shop", addresses=["127.0.0.1:8001"])
    gone = process(2**22 + 5, "/venv/bin/daphne x.asgi:application", cwd="")
    found, master = found_on([gone], [start], held={gone.pid: "127.0.0.1:8001"})
    assert (master, found.start) == (None, start)


def test_a_vassal_that_is_a_broken_link_is_reported(tmp_path):
    (tmp_path / "shop.ini").symlink_to("/nowhere/shop.ini")
    site, host = site_on(None, [], emperors={str(tmp_path): "emperor.service"})
    look_servers.look_around(site, host)
    assert (site.server.vassal_link, site.server.vassal_target) == (f"{tmp_path}/shop.ini", "/nowhere/shop.ini")


def test_an_address_of_another_host_is_recognized():
    found, _master = found_on([], addresses=["10.0.0.5:8001"])
    assert found.elsewhere == "10.0.0.5:8001"


def site_on(master, starts, **more):
    site, host = evidence()
    put(site, managed=False)
    put(site.uwsgi, master=master)
    put(site.probes[0], address="127.0.0.1:8001")
    put(host, table={master.pid: master} if master else {}, starts=Starts(list(starts), **more))
    return site, host


def test_a_server_started_by_hand_after_its_unit_failed_is_reported_as_left_over(monkeypatch):
    said = "x\nOSError: [Errno 98] Address already in use\n"
    monkeypatch.setattr(ask, "run", lambda argv, *rest, **named: Ran(0, said))
    unit = {"Id": "shop.service", "ActiveState": "failed", "SubState": "failed"}
    start = Start("uwsgi", SYSTEMD, "shop.service", addresses=["127.0.0.1:8001"], unit=unit)
    site, host = site_on(process(5, "uwsgi --ini x.ini"), [start])
    look_servers.look_around(site, host)
    assert site.server.left_over_pid == 5
    assert "started by hand" in site.server.left_over
    assert site.server.left_over_log == ["OSError: [Errno 98] Address already in use"]
    site, host = site_on(process(5, "uwsgi --ini x.ini", "shop.service"), [start])
    look_servers.look_around(site, host)
    assert not site.server.left_over


def test_two_masters_of_one_ini_are_reported():
    one, other = (
        process(5, "uwsgi --ini /srv/uwsgi.ini", "shop.service"),
        process(7, "uwsgi --ini uwsgi.ini", cwd="/srv"),
    )
    site, host = site_on(one, [])
    put(host, table={5: one, 7: other, 8: process(8, "uwsgi --ini uwsgi.ini", parent=7, cwd="/srv")})
    look_servers.look_around(site, host)
    assert len(site.server.twins) == 1
    assert site.server.twins[0].startswith("pid 7")


def test_a_removed_vassal_is_found_in_the_emperors_log(tmp_path):
    log = tmp_path / "emperor.log"
    log.write_text("[emperor] removed uwsgi instance blog.ini\n[emperor] removed uwsgi instance shop.ini\n")
    site, host = site_on(None, [], emperors={"/vassals": ""}, emperor_logs={"/vassals": str(log)})
    look_servers.look_around(site, host)
    assert site.server.vassals == "/vassals"
    assert site.server.vassals_log == ["[emperor] removed uwsgi instance shop.ini"]


def test_vassals_are_read_from_their_directory(tmp_path):
    (tmp_path / "shop.ini").write_text("[uwsgi]\nsocket = /run/%n.sock\n")
    (tmp_path / "blog.yml").write_text("uwsgi:\n  socket: :8002\n")
    (tmp_path / "notes.txt").write_text("none")
    starts = look_starts._vassals(Starts(emperors={str(tmp_path): "emperor.service"}), {})
    assert [(start.name, start.addresses, start.way) for start in starts] == [
        ("blog.yml", ["0.0.0.0:8002"], VASSAL),
        ("shop.ini", ["unix:/run/shop.sock"], VASSAL),
    ]


def test_addresses_of_debians_apps_are_those_of_its_script(monkeypatch, tmp_path):
    for folder in ("apps-available", "apps-enabled"):
        (tmp_path / folder).mkdir()
    for name in ("shop", "blog"):
        (tmp_path / f"apps-available/{name}.ini").write_text("[uwsgi]\nmodule = a\n")
    (tmp_path / "apps-enabled/shop.ini").symlink_to("../apps-available/shop.ini")
    (tmp_path / "apps-enabled/gone.ini").symlink_to("../apps-available/gone.ini")
    monkeypatch.setattr(look_starts, "DEBIAN_APPS", str(tmp_path))
    starts = look_starts._debian_apps({"Id": "uwsgi.service"})
    assert [(start.name, start.enabled) for start in starts] == [
        ("gone.ini", False),
        ("shop.ini", True),
        ("blog.ini", False),
    ]
    assert starts[1].addresses == ["unix:/run/uwsgi/app/shop/socket"]


def test_programs_of_supervisor(monkeypatch, tmp_path):
    (tmp_path / "supervisord.conf").write_text(
        f"[supervisord]\nchildlogdir={tmp_path}\n[include]\nfiles = conf.d/*.conf\n"
    )
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/a.conf").write_text(
        "[program:shop]\ncommand=/venv/bin/gunicorn -b 127.0.0.1:8001 %(program_name)s.wsgi ; the shop\n"
        'directory=/srv/shop\nuser=web\nenvironment=A="1",B=2\n[program:redis]\ncommand=redis-server\n'
    )
    (tmp_path / "shop-stderr---supervisor-x.log").write_text("said\n")
    monkeypatch.setattr(look_supervisor, "CONFIGURATIONS", (str(tmp_path / "supervisord.conf"),))
    [start] = look_supervisor.programs_of_supervisor()
    assert (start.name, start.kind, start.user, start.cwd) == ("shop", "gunicorn", "web", "/srv/shop")
    assert (start.addresses, start.environment) == (["127.0.0.1:8001"], {"A": "1", "B": "2"})
    assert start.command[-1] == "shop.wsgi"
    assert start.log == f"{tmp_path}/shop-stderr---supervisor-x.log"
    status = "shop:shop_00   FATAL   Exited too quickly\n"
    monkeypatch.setattr(ask, "run", lambda argv, *rest, **named: Ran(3, status))
    found = Starts([start])
    look_supervisor.said_by_supervisor(found)
    assert found.supervisor["shop"] == status.strip()


def test_a_unit_with_a_socket_unit_listens_on_its_addresses():
    exec_start = "{ path=/venv/bin/gunicorn ; argv[]=/venv/bin/gunicorn shop.wsgi ; ignore_errors=no ; }"
    unit = {"Id": "shop.service", "ExecStart": exec_start, "User": "web", "WorkingDirectory": "/srv/shop"}
    socket = {"Id": "shop.socket", "Listen": "/run/shop.sock (Stream)\n127.0.0.1:8001 (Stream)"}
    [start] = look_starts._of_unit(unit, {"shop.service": socket})
    assert start.addresses == ["unix:/run/shop.sock", "127.0.0.1:8001"]
    [start] = look_starts._of_unit(unit, {})
    assert start.addresses == ["127.0.0.1:8000"]
    script = {"Id": "uwsgi.service", "ExecStart": "{ path=/etc/init.d/uwsgi ; argv[]=/etc/init.d/uwsgi start ; }"}
    assert look_starts._of_unit(script, {}) == []


def behind_a_socket(site, service="inactive", socket="active"):
    unit = {"Id": "shop.service", "ActiveState": service, "SubState": "dead"}
    start = Start("gunicorn", SYSTEMD, "shop.service", unit=unit, socket={"Id": "shop.socket", "ActiveState": socket})
    put(site, managed=False)
    put(site.server, start=start, kind="gunicorn", label="gunicorn")
    put(site.uwsgi, master=None, workers=[], unit=unit)
    put(site.probes[0], answer=None, pong=None, owner="")


def test_a_stopped_server_that_its_socket_unit_would_start_is_no_fault():
    site, host = evidence()
    behind_a_socket(site)
    put(site.probes[0], connect_error="EACCES", obstacle=denied("/run/shop.sock"))
    found = faults_of(verdict(site, host))
    assert "uwsgi.stopped" not in found
    assert found["socket.denied"]["fix"].startswith("SocketUser=")
    behind_a_socket(site, socket="inactive")
    assert "uwsgi.stopped" in faults_of(verdict(site, host))


def test_the_fix_of_a_missing_socket_file_restarts_the_socket_unit():
    site, host = evidence()
    behind_a_socket(site, service="active")
    put(site.probes[0], connect_error="ENOENT")
    fix = faults_of(verdict(site, host))["socket.missing"]["fix"]
    assert fix == "systemctl stop shop.service && systemctl restart shop.socket"


def test_another_program_on_the_address_of_a_failed_unit_is_reported(monkeypatch):
    said = "[ERROR] Connection in use: ('127.0.0.1', 8001)\nOSError: [Errno 98] Address already in use\n"
    monkeypatch.setattr(ask, "run", lambda argv, *rest, **named: Ran(0, said))
    unit = {"Id": "shop.service", "ActiveState": "failed", "SubState": "failed"}
    start = Start("gunicorn", SYSTEMD, "shop.service", addresses=["127.0.0.1:8001"], unit=unit)
    stranger = process(5, "/usr/bin/python3 -m http.server 8001")
    _site, host = evidence()
    put(host, table={5: stranger}, starts=Starts([start]), listeners=[Listener("127.0.0.1:8001", 8001, 0, [5])])
    site, _other = evidence()
    put(site, managed=False)
    put(site.uwsgi, master=None, unit=unit)
    look_servers.find_server(site.server, Layout.under("shop"), ["shop.example"], host, ["127.0.0.1:8001"])
    found = faults_of(verdict(site, host))["uwsgi.left-over"]
    assert found["status"] == "broken"
    assert "is in use by" in found["cause"]
    assert found["fix"] == "kill -TERM 5, then: systemctl restart shop.service"


def test_a_missing_worker_class_is_not_an_error_of_the_application():
    site, host = evidence()
    behind_a_socket(site, service="failed", socket="")
    put(site.server.start, socket={})
    log = "ModuleNotFoundError: No module named 'nosuch'\n\nclass uri 'nosuch.Worker' invalid or not found:\n"
    put(site.uwsgi, log=log)
    put(site.probes[0], connect_error="ECONNREFUSED")
    found = faults_of(verdict(site, host))["uwsgi.stopped"]
    assert "worker class nosuch.Worker cannot be loaded" in found["cause"]
    assert "it loads now" not in found["cause"]
    assert found["fix"].endswith("then systemctl start shop.service")


def test_the_socket_unit_of_a_template_instance(monkeypatch):
    asked = []

    def run(argv, *rest, **named):
        asked.append(argv)
        return Ran(0, "Id=gunicorn@shop.socket\nListen=/run/shop.sock (Stream)\nTriggers=gunicorn@shop.service\n")

    monkeypatch.setattr(ask, "run", run)
    monkeypatch.setattr(look_starts, "_unit_files", lambda ending, containing: ["gunicorn@.socket", "a@.socket"])
    found = look_starts._sockets(["gunicorn@shop.service", "other@x.service", "plain.service"])
    assert asked[0][2:3] == ["gunicorn@shop.socket"]
    assert "other@x.socket" not in asked[0]
    assert look_starts.listens_of(found["gunicorn@shop.service"]) == ["unix:/run/shop.sock"]


def test_https_to_a_server_that_uses_plain_http_is_reported():
    site, host = evidence()
    [server] = dump.parse("# configuration file /n:\nserver { location / { proxy_pass https://127.0.0.1:8001; } }").tree
    put(site, handler=server.block[0].block[0], speaks="http")
    put(site.probes[0], address="127.0.0.1:8001", speaks="http")
    found = faults_of(verdict(site, host))["socket.protocol"]
    assert "nginx speaks https" in found["cause"]
    assert found["fix"].startswith("`proxy_pass http://127.0.0.1:8001;` in /n:")
