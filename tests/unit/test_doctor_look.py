"""How the doctor gathers facts from the host's files and from the output of commands."""

from __future__ import annotations

import json
import os
import socket
import time

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build.project import named_settings
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import (
    ask,
    look_files,
    look_host,
    look_inside,
    look_site,
    look_starts,
    look_uwsgi,
    serving,
)
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.application import application_of
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import Firewall, Patience, Ran, Uwsgi
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.ladder import settings_module
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.names import reserved
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import Identity
from ansible_collections.pyweb.stack.plugins.module_utils.host.processes import Listener, Process
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi.options import Options
from builds import AS_ROOT
from doctor_evidence import NOW, evidence, put

# --- commands ---


def test_a_hanging_command_is_killed_with_its_children_in_time():
    started = time.monotonic()
    ran = ask.run(["sh", "-c", "echo before; sleep 60 & sleep 60"], timeout=0.3)
    assert time.monotonic() - started < 3
    assert ran == Ran(None, "before\n")


def test_a_missing_command_is_no_error():
    ran = ask.run(["/no/such/program"])
    assert ran.status is None
    assert "No such file" in ran.err


def test_a_command_gets_exactly_the_given_environment(tmp_path):
    script = 'pwd; cat; echo "$A$HOME$LC_ALL" >&2; exit 3'
    ran = ask.run(["sh", "-c", script], cwd=str(tmp_path), stdin="in\xe9", environment={"A": "a"})
    assert ran == Ran(3, f"{tmp_path}\nin\xe9", "a\n")
    assert ask.run(["sh", "-c", 'echo "$HOME$LC_ALL"; printf "\\377"']) == Ran(0, "C.UTF-8\n\N{REPLACEMENT CHARACTER}")


def test_an_account_is_found_by_name_and_by_number():
    assert ask.account("root").uid == ask.account("0").uid == 0
    assert ask.account("nobody-of-that-name") is None
    assert ask.account("64123") is None


def test_only_the_end_of_a_log_is_read(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"begin" + b"x" * ask.LOG_TAIL)
    assert ask.tail(str(path)) == "x" * ask.LOG_TAIL
    assert ask.tail(str(tmp_path / "none")) == ""


# --- the host ---

AUDIT = """\
type=AVC msg=audit({now}.123:420): avc:  denied  {{ {permission} }} for  pid=1234 comm="nginx" {what} \
scontext=system_u:system_r:httpd_t:s0 tcontext={target} tclass={tclass} permissive={permissive}
"""


def test_a_denial_is_read_from_the_audit_log():
    what = 'name="shop.sock" dev="tmpfs"'
    line = AUDIT.format(now=int(NOW), permission="write", what=what, target="t", tclass="sock_file", permissive=0)
    [found] = look_host.denials("type=USER_AUTH msg=audit(1.1:1): x\n" + line, NOW)
    wanted = {"comm": "nginx", "permission": "write", "name": "shop.sock", "tclass": "sock_file", "tcontext": "t"}
    assert {key: found[key] for key in wanted} == wanted
    assert found["line"] == line.strip()


@pytest.mark.parametrize(
    "line",
    [
        AUDIT.format(now=int(NOW), permission="write", what="", target="x", tclass="sock_file", permissive=1),
        AUDIT.format(now=int(NOW) - 601, permission="write", what="", target="x", tclass="sock_file", permissive=0),
        AUDIT.format(now=int(NOW), permission="write", what="", target="x", tclass="sock_file", permissive=0).replace(
            "nginx", "sshd"
        ),
    ],
    ids=["permissive", "old", "another program"],
)
def test_irrelevant_denials_are_ignored(line):
    assert look_host.denials(line, NOW - 600) == []


ZONES = """\
block
  target: %%REJECT%%
  interfaces: 
  services: 

public (active)
  target: default
  interfaces: eth0
  services: http ssh
  ports: 8000-8010/tcp 9/udp
  rich rules: 
	rule port port="80" protocol="tcp" accept

trusted
  target: ACCEPT
  interfaces: eth1 eth2
  services: 
  ports: 
  rich rules: 
"""  # noqa: W291 - as firewall-cmd prints it


@pytest.mark.parametrize(
    ("interface", "zone", "target"),
    [("eth0", "public", "default"), ("eth2", "trusted", "ACCEPT"), ("", "public", "default"), ("eth", "public", "")],
)
def test_the_zone_is_that_of_the_outer_interface_or_the_default_zone(monkeypatch, interface, zone, target):
    monkeypatch.setattr(look_host, "service_ports", lambda name: [f"{name}-port/tcp"])
    wall = Firewall()
    look_host.read_zone(wall, ZONES, interface, "public")
    assert wall.zone == zone
    assert wall.target == (target or "default")
    if zone == "public":
        assert wall.services == ["http", "ssh"]
        assert wall.ports == ["8000-8010/tcp", "9/udp"]
        assert wall.opened == ["8000-8010/tcp", "9/udp", "http-port/tcp", "ssh-port/tcp"]
        assert wall.rules == ['rule port port="80" protocol="tcp" accept']


def test_ports_of_a_service_are_read_from_the_administrators_file_first(tmp_path):
    own, packaged = tmp_path / "etc", tmp_path / "usr"
    for folder, port in ((own, 81), (packaged, 80)):
        folder.mkdir()
        (folder / "http.xml").write_text(f'<service>\n <port protocol="tcp" port="{port}"/>\n</service>\n')
    (packaged / "dns.xml").write_text('<port protocol="tcp" port="53"/><port protocol="udp" port="53"/>')
    folders = (str(own), str(packaged))
    assert look_host.service_ports("http", folders) == ["81/tcp"]
    assert look_host.service_ports("dns", folders) == ["53/tcp", "53/udp"]
    assert look_host.service_ports("gone", folders) == []


def test_units_are_parsed_from_the_output_of_systemctl():
    shown = (
        "Id=a.service\nExecStart=x=y\nEnvironmentFiles=/a\nEnvironmentFiles=/b\n\nActiveState=active\n\nId=b.service\n"
    )
    assert look_starts.parsed_units(shown) == [
        {"Id": "a.service", "ExecStart": "x=y", "EnvironmentFiles": "/a\n/b"},
        {"Id": "b.service"},
    ]


def test_user_of_nginx_is_that_of_its_newest_worker_or_the_configured_one():
    old, new = Process(1, 0, "nginx", [], Identity(7, 7), 1.0), Process(2, 0, "nginx", [], Identity(8, 9), 2.0)
    assert look_host.worker_of([old, new], "root") == Identity(8, 9)
    assert look_host.worker_of([], "root").uid == 0
    assert look_host.worker_of([], "nobody-of-that-name").uid != 0


def test_files_newer_than_the_workers_are_reported(tmp_path):
    for name, age in (("old", 3), ("just", -1), ("new", -3)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (NOW - age, NOW - age))
    paths = [str(tmp_path / name) for name in ("old", "just", "gone", "new")]
    assert look_host._changed(paths, NOW) == [str(tmp_path / "new")]


def test_the_process_that_holds_a_port_is_named():
    process = Process(7, 1, "httpd", ["httpd", "-k"], Identity(0, 0), 1.0)
    listening = [Listener("unix:/a", 1, 0, [7]), Listener("0.0.0.0:80", 2, 0, [9, 7]), Listener("[::]:81", 3)]
    assert look_host._holders(listening, {7: process}) == {80: "httpd -k (pid 7, root)"}


# --- names ---


def test_reserved_names():
    for name in ("a.example", "b.test", "example.com", "www.example.org", "localhost", "192.0.2.1", "[2001:db8::1]"):
        assert reserved(name), name
    for name in ("example.de", "shop.com", "notexample.com", "example.com.de", "test.de"):
        assert not reserved(name), name


# --- uWSGI ---

FAILED, STARTED = "x.service: Failed with result 'exit-code'.", "Started x.service - uWSGI."
AGAIN = "x.service: Scheduled restart job, restart counter is at 7."


@pytest.mark.parametrize(
    ("end", "wanted"),
    [
        ([], [12.5, 13.5]),
        ([FAILED], [12.5, 13.5]),
        ([FAILED, STARTED], []),
        (["x.service: Deactivated successfully.", STARTED], []),
        ([FAILED, STARTED, FAILED, AGAIN, STARTED], [14.0]),
    ],
    ids=["in a loop", "in a loop, just failed", "fixed by hand", "stopped and started by hand", "fixed, then killed"],
)
def test_restarts_are_counted_since_the_last_manual_start(end, wanted):
    loop = "".join(
        f"{start}.1 box systemd[1]: {FAILED}\n{start}.5 box systemd[1]: {AGAIN}\n{start}.6 box systemd[1]: {STARTED}\n"
        for start in (12, 13)
    )
    journal = loop + "".join(f"14.0 box systemd[1]: {line}\n" for line in end)
    assert look_uwsgi.restarts(journal) == wanted


def uwsgi(pid, parent=1, command="uwsgi --ini x.ini", unit="", **more):
    return Process(pid, parent, "uwsgi", command.split(), Identity(33, 33), NOW, unit, **{"cwd": "/", **more})


@pytest.fixture
def quiet(monkeypatch):
    """Run no command, and read no environment of another process."""
    monkeypatch.setattr(ask, "run", lambda argv, *rest, **named: Ran(0))
    monkeypatch.setattr(look_uwsgi.processes, "details", lambda process: None)


@pytest.mark.parametrize(
    ("table", "addresses", "pid"),
    [
        ([uwsgi(5)], [], 5),  # The only one.
        ([uwsgi(5), uwsgi(6)], [], None),  # Which of them is unknown.
        ([uwsgi(5), uwsgi(6, command="uwsgi --ini /srv/shop/u.ini")], [], 6),
        ([uwsgi(5, unit="uwsgi-shop@0123456789ab.service"), uwsgi(6, command="uwsgi shop.ini")], [], 5),
        ([uwsgi(5, unit="uwsgi-shop@0123456789ab.service"), uwsgi(6)], ["127.0.0.1:8001"], 6),
        ([uwsgi(5, unit="uwsgi-shop2@0123456789ab.service"), uwsgi(6)], [], None),
        ([uwsgi(5), uwsgi(7, 5)], ["127.0.0.1:8001"], 5),  # A worker holds the port.
        ([uwsgi(5, environment={"DJANGO_SETTINGS_MODULE": "shop.settings"}), uwsgi(6)], [], 5),
        ([Process(5, 1, "nginx", ["nginx"], Identity(0, 0), NOW)], [], None),
    ],
)
def test_the_uwsgi_of_a_site_is_found(quiet, tmp_path, table, addresses, pid):
    _site, host = evidence()
    holder = 7 if any(process.pid == 7 for process in table) else 6
    put(host, table={process.pid: process for process in table}, listeners=[Listener("0.0.0.0:8001", 1, 0, [holder])])
    layout = Layout.under("shop", {"sites": str(tmp_path)})
    found = look_uwsgi.find_uwsgi(layout, ["shop.example"], host, addresses)
    assert (found.master.pid if found.master else None) == pid
    assert [worker.pid for worker in found.workers] == ([7] if holder == 7 else [])


def test_a_foreign_uwsgi_is_not_taken_for_that_of_a_managed_site(quiet, tmp_path):
    _site, host = evidence()
    put(host, table={5: uwsgi(5)})
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/current").symlink_to("releases/0123456789ab")
    found = look_uwsgi.find_uwsgi(Layout.under("shop", {"sites": str(tmp_path)}), [], host, [])
    assert found.master is None


def test_the_unit_of_a_stopped_release_is_looked_up_by_name(monkeypatch, tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/current").symlink_to("releases/0123456789ab")
    asked = []

    def named(units):
        asked.extend(units)
        return [{"Id": "uwsgi-shop@0123456789ab.service"}]

    monkeypatch.setattr(look_uwsgi, "units_named", named)
    _site, host = evidence()
    layout = Layout.under("shop", {"sites": str(tmp_path)})
    assert look_uwsgi._find_unit(layout, host, None) == {"Id": "uwsgi-shop@0123456789ab.service"}
    assert asked == ["uwsgi-shop@0123456789ab.service"]


def test_the_command_of_a_unit():
    command = "{ path=/usr/bin/uwsgi ; argv[]=/usr/bin/uwsgi --ini /x ; ignore_errors=no ; }"
    assert look_starts.exec_start({"ExecStart": command}) == ["/usr/bin/uwsgi", "--ini", "/x"]
    assert look_starts.exec_start({}) == []


def test_only_the_last_start_in_a_log_counts():
    assert look_uwsgi.since_start("a\n*** Starting uWSGI 1\nb\n*** Starting uWSGI 2\nc") == "*** Starting uWSGI 2\nc"
    assert look_uwsgi.since_start("no start") == "no start"


@pytest.mark.parametrize(
    ("name", "command", "is_one"),
    [
        ("uwsgi", [], True),
        ("python3", ["/usr/bin/python3", "/x/pyuwsgi"], True),
        ("x", ["uWSGI master"], True),
        ("nginx", ["nginx", "-c", "/etc/uwsgi"], False),
    ],
)
def test_a_process_is_recognized_by_its_name_or_command(name, command, is_one):
    assert look_uwsgi.is_uwsgi(Process(1, 1, name, command, Identity(0, 0), NOW)) is is_one


def test_the_application_is_loaded_with_the_environment_and_path_of_uwsgi():
    found = Uwsgi(environment={"A": "1", "LC_ALL": "de", "PYTHONPATH": "/own"}, options=Options())
    found.options.values["pythonpath"] = ["/srv/lib", "/srv/code"]
    environment = look_uwsgi.project_environment(found)
    assert environment["PYTHONPATH"] == "/srv/lib:/srv/code:/own"
    assert (environment["A"], environment["LC_ALL"], environment["PYTHONDONTWRITEBYTECODE"]) == ("1", "C.UTF-8", "1")


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"module": ["shop.wsgi:app"]}, ("shop.wsgi", "app")),
        ({"module": ["shop.wsgi"], "callable": ["other"]}, ("shop.wsgi", "other")),
        ({"wsgi-file": ["/srv/wsgi.py"]}, ("/srv/wsgi.py", "application")),
        ({}, ("", "application")),
    ],
)
def test_the_application_is_read_from_the_options(values, wanted):
    assert application_of(Options(values=values)) == wanted


@pytest.mark.parametrize(
    "line",
    [
        'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")',
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'",
    ],
)
def test_the_settings_module_is_read_from_the_projects_own_files(tmp_path, line):
    assert named_settings(line) == "shop.settings"
    assert named_settings("DJANGO_SETTINGS_MODULE") == ""
    site, _host = evidence()
    put(site.uwsgi.options.values, chdir=[str(tmp_path)])
    put(site, inside={})
    assert settings_module(site, {}) == ""
    (tmp_path / "manage.py").write_text(line)
    assert settings_module(site, {}) == "shop.settings"
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/wsgi.py").write_text(line.replace("shop.settings", "shop.live"))
    assert settings_module(site, {}) == "shop.live"
    assert settings_module(site, {"DJANGO_SETTINGS_MODULE": "a.b"}) == "a.b"
    put(site, inside={"settings": {"module": "c.d"}})
    assert settings_module(site, {"DJANGO_SETTINGS_MODULE": "a.b"}) == "c.d"


# --- the site ---


def test_paths_of_a_completed_site_are_those_of_the_model(tmp_path):
    paths = {**Layout.under("shop").paths, "root": str(tmp_path), "current": f"{tmp_path}/current"}
    (tmp_path / "current").symlink_to("releases/x")
    health = {"path": "/healthz", "status": [200]}
    given = {"name": "shop", "domains": ["*.shop.de", "a.de"], "health": health, "paths": paths, "media": False}
    site = look_site.site_of(given, Patience(8))
    assert site.layout.manage == f"{tmp_path}/manage"
    assert (site.managed, site.media_wanted, site.domains) == (True, False, ["www.shop.de", "a.de"])
    assert (site.path, site.wanted_status) == ("/healthz", [200])
    assert (site.patience.look, site.patience.answer, site.patience.ping) == (8, 4, 3)


def test_paths_of_a_site_with_only_name_and_domain_are_the_defaults():
    site = look_site.site_of({"name": "shop-of-no-host", "domains": ["a.de"]}, Patience())
    assert site.layout.manage == "/opt/sites/shop-of-no-host/manage"
    assert (site.managed, site.media_wanted, site.path, site.wanted_status) == (False, True, "/", [])


LISTENS = """\
# configuration file /n:
http {
    server { listen 80; listen 192.0.2.9:8080; listen [::]:80; server_name a.de; return 301 https://a.de; }
    server { listen 443 ssl; server_name a.de; location / { uwsgi_pass unix:/a; } }
    server { listen [::1]:81; server_name b.de; root /srv; }
}
"""


def test_entrances_are_all_ports_that_a_server_with_the_name_listens_on():
    site, host = evidence()
    put(host.nginx, config=dump.parse(LISTENS))
    put(site, domains=["a.de", "b.de", "c.de"])
    found = [(way.url, way.where, len(way.wanted)) for way in look_site._entrances(site, host)]
    assert found == [
        ("http://a.de", "192.0.2.1:80", 2),
        ("https://a.de", "192.0.2.1:443", 2),
        ("http://a.de:8080", "192.0.2.9:8080", 2),
        ("http://b.de:81", "192.0.2.1:81", 1),  # This host has no IPv6.
        ("http://c.de", "192.0.2.1:80", 0),
    ]
    host.ipv6 = True
    assert look_site._entrances(site, host)[3].where == "[::1]:81"
    put(site, entrances=look_site._entrances(site, host))
    main = serving.main_server(site, host)
    assert main.listens[0].port == 443
    put(site, domains=["c.de"])
    put(site, entrances=look_site._entrances(site, host))
    assert serving.main_server(site, host) is None


def test_a_name_is_looked_up_over_ipv6_if_nginx_listens_on_it():
    site, host = evidence()
    put(host.nginx, config=dump.parse(LISTENS))
    put(host, addresses=["192.0.2.1", "2001:db8::1"], ipv6=True)
    put(site, domains=["a.de"])
    found = [way.where for way in look_site._entrances(site, host)]
    assert found == ["192.0.2.1:80", "192.0.2.1:443", "192.0.2.9:8080", "[2001:db8::1]:80"]
    assert look_site._entrances(site, host)[3].server.place == "/n:2"
    put(host, ipv6=False)
    assert len(look_site._entrances(site, host)) == 3


def test_the_inventorys_settings_of_https_are_used():
    given = {"name": "shop", "domains": ["a.de"], "tls": "path", "canonical": "a.de", "trusted_proxies": ["10.0.0.7"]}
    https = look_site.site_of({**given, "certificate_path": "/etc/a.pem"}, Patience()).https
    assert (https.kind, https.source) == ("path", "/etc/a.pem")
    assert (https.canonical, https.trusted_proxies) == ("a.de", ["10.0.0.7"])
    assert look_site.site_of({"name": "shop", "domains": ["a.de"]}, Patience()).https.kind == ""


def test_an_exception_in_one_look_does_not_stop_the_others_and_shows_no_secret():
    site, _host = evidence()

    def look(_site):
        raise KeyError("hunter2")

    look_site._apart(site, "the certificate", look, site)
    [said] = site.unexamined
    assert said.startswith("the certificate: KeyError (test_doctor_look.py:")
    assert "hunter2" not in said


@pytest.mark.parametrize(("tls", "told"), [(False, {}), (True, {"X-Forwarded-Proto": "https"})])
def test_an_application_is_requested_as_by_nginx(monkeypatch, tls, told):
    site, _host = evidence()
    put(site.entrances[0], tls=tls)
    asked = []

    def request(address, host, path, timeout, headers):
        asked.append({name: value for name, value in headers.items() if name != "Cookie"})
        return site.probes[0].answer

    monkeypatch.setattr(look_site.protocol, "request", request)
    look_site._ask_probe(site.probes[0], site)
    assert asked == [told, told]


def test_renewal_is_only_looked_at_for_a_site_with_https(monkeypatch):
    site, host = evidence()
    monkeypatch.setattr(look_site, "look_at_renewal", lambda site, host: "looked")
    look_site._look_at_renewal(site, host)
    assert site.renewal != "looked"
    put(site.entrances[0], tls=True)
    look_site._look_at_renewal(site, host)
    assert (site.renewal, site.https.placeholder) == ("looked", False)


def approached(site, host, path):
    return look_site._approach(f"unix:{path}", site, host)


def test_the_socket_is_opened_as_the_worker(tmp_path):
    site, host = evidence()
    put(host.nginx, worker=Identity(os.getuid(), os.getgid(), tuple(os.getgroups())))
    path = tmp_path / "a.sock"
    link = tmp_path / "link.sock"
    link.symlink_to(path)
    probe = approached(site, host, link)
    assert (probe.exists, probe.connect_error, probe.real) == (False, "ENOENT", str(path))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        probe = approached(site, host, link)
        assert (probe.exists, probe.is_socket, probe.connect_error) == (True, True, "ECONNREFUSED")
        listener.listen()
        put(host, listeners=[Listener(f"unix:{path}", 1, 0, [11, 10])])
        probe = approached(site, host, link)
        assert (probe.connect_error, probe.obstacle, probe.hidden) == ("", None, False)
        assert probe.owner.startswith("nginx: master process")
        assert probe.described.startswith("srw")
    path.unlink()
    path.write_text("")
    assert approached(site, host, link).is_socket is False


# --- Django ---


def test_steps_of_the_look_into_django_are_read_up_to_the_hanging_one():
    site, _host = evidence()
    put(site, inside={})
    steps = [
        {"step": "python", "version": "3.12"},
        {"step": "failed", "at": "database", "alias": "other", "error": "a"},
        {"step": "failed", "at": "database", "alias": "default", "error": "b"},
        {"step": "database", "alias": "default", "vendor": "sqlite"},
        {"step": "database", "alias": "other", "vendor": "oracle"},
    ]
    said = "a word of the project\n" + "".join(f"pyweb-look {json.dumps(step)}\n" for step in steps)
    look_inside.read_steps(site, said + 'pyweb-look {"step": "fi')
    assert site.inside["python"]["version"] == "3.12"
    assert site.inside["failed database"]["error"] == "b"
    assert site.inside["failed database other"]["error"] == "a"
    assert site.inside["database"]["vendor"] == "sqlite"
    assert site.inside["database other"]["vendor"] == "oracle"
    assert site.inside_last == "database"


@pytest.mark.parametrize(
    ("inside", "tls", "form"),
    [
        ("uwsgi_pass a;", False, ("shop.example:81", False, {})),
        ("uwsgi_pass a; uwsgi_param HTTP_HOST $host;", False, ("shop.example", False, {})),
        ("uwsgi_pass a; uwsgi_param HTTP_HOST $server_name:$server_port;", False, ("shop.example:81", False, {})),
        ("uwsgi_pass a; uwsgi_param HTTPS $https;", True, ("shop.example:81", True, {})),
        ("uwsgi_pass a; uwsgi_param HTTPS $https;", False, ("shop.example:81", False, {})),
        (
            # What a proxy in front would have sent.
            "uwsgi_pass a; uwsgi_param HTTP_HOST $pyweb_host; uwsgi_param HTTP_X_FORWARDED_PROTO $pyweb_scheme;",
            True,
            ("shop.example:81", True, {"HTTP_X_FORWARDED_PROTO": "https"}),
        ),
        (
            "uwsgi_pass a; uwsgi_param HTTP_X_FORWARDED_PROTO $scheme;",
            True,
            ("shop.example:81", True, {"HTTP_X_FORWARDED_PROTO": "https"}),
        ),
        ("proxy_pass http://back:9/x;", False, ("back:9", False, {})),
        (
            "proxy_pass http://back; proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto $scheme;",
            False,
            ("shop.example", False, {"HTTP_X_FORWARDED_PROTO": "http"}),
        ),
        ("return 204;", False, None),
        ("uwsgi_pass a; } if ($insist) { return 308 https://$host$request_uri;", False, None),
        (
            "uwsgi_pass a; } if ($insist) { return 308 https://$host$request_uri;",
            True,
            ("shop.example:81", False, {}),
        ),
    ],
)
def test_a_form_reaches_django_as_nginx_passes_it_on(inside, tls, form):
    site, _host = evidence()
    [server] = match.servers(dump.parse(f"# configuration file /n:\nhttp {{ server {{ location / {{ {inside} }} }} }}"))
    put(site.entrances[0], server=server, wanted=[server], port=81, tls=tls)
    origin = f"http{'s' if tls else ''}://shop.example:81"
    found = look_inside.forms(site, None)
    wanted = [dict(zip(("host", "secure", "meta"), form), domain="shop.example", origin=origin)] if form else []
    assert found == wanted
    put(site.entrances[0], server=None)
    assert look_inside.forms(site, None) == []


def test_the_package_is_searched_near_chdir(tmp_path):
    site, _host = evidence()
    chdir = tmp_path / "works/site"
    (chdir / "inner/shop").mkdir(parents=True)
    look_inside._look_for_package(site, str(chdir), "shop")
    assert (site.places.package, site.places.package_elsewhere) == (False, "")
    (chdir / "inner/shop/__init__.py").write_text("")
    look_inside._look_for_package(site, str(chdir), "shop")
    assert (site.places.package, site.places.package_elsewhere) == (False, str(chdir / "inner"))
    (tmp_path / "works/shop").mkdir()
    (tmp_path / "works/shop/__init__.py").write_text("")
    look_inside._look_for_package(site, str(chdir), "shop")
    assert site.places.package_elsewhere == str(tmp_path / "works")
    (chdir / "shop.py").write_text("")
    look_inside._look_for_package(site, str(chdir), "shop")
    assert site.places.package is True


# --- files ---


def test_only_later_lines_about_the_site_are_events():
    def line(when, server="shop.example", level="error", text="x"):
        at = time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(NOW + when))
        return f'{at} [{level}] 7#7: *1 {text}, client: 192.0.2.9, server: {server}, request: "GET /"'

    good = [line(0), line(-1), line(5, level="crit"), line(5, level="warn")]
    bad = [line(-2), line(0, "other.example"), line(0, level="info"), line(0, text="/pyweb-doctor-1"), "no line"]
    assert look_files.events("\n".join([*bad, *good, *bad]), {"shop.example"}, NOW) == good


def test_the_newest_files_are_looked_at_except_hidden_ones(tmp_path):
    (tmp_path / "b").mkdir()
    for number, name in enumerate(("b/old.png", "b/new.png", "a.png", ".hidden")):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (NOW + number, NOW + number))
    found = look_files.some_files(str(tmp_path))
    assert found == [str(tmp_path / name) for name in ("a.png", "b/new.png", "b/old.png")]
    assert look_files.some_files(str(tmp_path), most=1) == [str(tmp_path / "a.png")]
    (tmp_path / "newest.png").symlink_to("/etc/passwd")
    assert look_files.some_files(str(tmp_path)) == found


@AS_ROOT
def test_media_are_looked_at_as_the_site(public_path):
    """An application could set its media to /root, and learn from a request what the newest file there is called."""
    (public_path / "private").mkdir(mode=0o700)
    (public_path / "private/of-root.txt").write_text("")
    (public_path / "open").mkdir()
    (public_path / "open/picture.png").write_text("")
    site, _host = evidence()
    put(site.uwsgi, master=Process(1, 1, "uwsgi", ["uwsgi"], Identity(12345, 12345), NOW), workers=[])
    assert look_files._seen(site, str(public_path / "private")) == []
    assert look_files._sample(site, str(public_path / "open")) == "picture.png"
    put(site.uwsgi, master=None, user="root")
    assert look_files._sample(site, str(public_path / "open")) == ""


@pytest.mark.skipif(os.getuid() != 0, reason="it changes the owner of a link")
def test_a_link_to_a_file_of_another_owner_is_found(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/a.css").write_text("")
    (tmp_path / "own").symlink_to("there")
    (tmp_path / "foreign").symlink_to("there")
    os.chown(tmp_path / "foreign", 99, 99, follow_symlinks=False)
    assert look_files._foreign_link(f"{tmp_path}/", "there/a.css") == ""
    assert look_files._foreign_link(f"{tmp_path}/", "own/a.css") == ""
    assert look_files._foreign_link(f"{tmp_path}/", "foreign/a.css") == str(tmp_path / "foreign")


@pytest.mark.parametrize(
    ("alias", "elsewhere", "outside"),
    [("files", False, False), ("link", False, False), ("other", True, True), ("files/inner", True, False)],
)
def test_the_file_that_nginx_serves_is_compared_with_the_projects_own(tmp_path, alias, elsewhere, outside):
    site, host = evidence()
    for folder in ("files/inner", "other"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "link").symlink_to("files")
    text = f"http {{ server {{ location /media/ {{ alias {tmp_path}/{alias}/; }} }} }}"
    [server] = match.servers(dump.parse(f"# configuration file /n:\n{text}"))
    found = look_files._fetch(site, server, host, "/media/", str(tmp_path / "files"), "a.png", ask_client=False)
    assert (found.uri, found.url, found.folder) == ("/media/a.png", "/media/", str(tmp_path / "files"))
    assert (found.file, found.wanted) == (f"{tmp_path}/{alias}/a.png", f"{tmp_path}/files/a.png")
    assert (found.elsewhere, found.outside) == (elsewhere, outside)
    assert (found.status, found.place, found.handler) == (0, "/n:1", "")


@pytest.mark.parametrize(
    ("mounts", "ro"),
    [
        ("21 1 8:1 / / rw,relatime - ext4 x rw", False),
        ("21 1 8:1 / / ro,relatime - ext4 x rw", True),
        ("21 1 8:1 / / ro - ext4 x rw\n22 21 8:1 /srv /srv/shop rw - ext4 x rw", False),
        ("21 1 8:1 / / rw - ext4 x rw\n22 21 8:1 /srv /srv/sho ro - ext4 x rw", False),
        ("21 1 8:1 / / rw - ext4 x rw\n22 21 8:1 /srv /srv ro - ext4 x rw", True),
        ("", False),
    ],
)
def test_directories_in_which_a_process_cannot_write(mounts, ro):
    assert look_inside.mounted_read_only(mounts, "/srv/shop/data") is ro
