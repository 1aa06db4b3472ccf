"""How the doctor finds the server of a site, and the files that nginx's directives refer to."""

from __future__ import annotations

import os

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import look_directives, look_host, look_site, serving
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import Ran
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import Identity
from ansible_collections.pyweb.stack.plugins.module_utils.host.path_walk import obstacle
from ansible_collections.pyweb.stack.plugins.module_utils.host.processes import Listener
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match
from builds import AS_ROOT
from doctor_evidence import denied, evidence, put

PASS = "location / { uwsgi_pass unix:/run/shop.sock; }"
OTHER = "location / { proxy_pass http://127.0.0.1:9000; }"
WARNING = '2027/01/15 [warn] 7#7: conflicting server name "shop.example" on 0.0.0.0:80, ignored'


def site_with(files, managed=False, said=""):
    """Return (site, host) with these files in conf.d, in this order, and the entrance that was found."""
    site, host = evidence()
    text = "# configuration file /etc/nginx/nginx.conf:\nhttp { include conf.d/*; }\n"
    text += "".join(f"# configuration file /etc/nginx/conf.d/{name}:\n{body}\n" for name, body in files.items())
    put(host.nginx, config=dump.parse(text), tested=Ran(0, err=said))
    put(site, managed=managed)
    put(site, entrances=look_site._entrances(site, host))
    return site, host


def server(body, name="shop.example", listen="80"):
    return f"server {{ listen {listen}; server_name {name}; {body} }}"


def test_a_single_server_has_no_conflict():
    site, host = site_with({"shop.conf": server(PASS)})
    assert serving.main_server(site, host).place == "/etc/nginx/conf.d/shop.conf:1"
    assert site.directives.conflicts == []


@pytest.mark.parametrize(
    ("first", "second", "ours", "main"),
    [
        ("old.conf", "shop.conf", True, "shop.conf"),  # The second one has the site's name.
        ("shop-1.conf", "z.conf", False, "shop-1.conf"),
    ],
)
def test_of_two_servers_with_the_same_name_the_file_named_after_the_site_is_its_own(first, second, ours, main):
    bodies = (OTHER, PASS) if ours else (PASS, OTHER)
    files = {first: server(bodies[0]), second: server(bodies[1])}
    site, host = site_with(files, said=WARNING)
    assert serving.main_server(site, host).place == f"/etc/nginx/conf.d/{main}:1"
    [conflict] = site.directives.conflicts
    assert (conflict.serving, conflict.ignored) == tuple(f"/etc/nginx/conf.d/{name}:1" for name in (first, second))
    assert (conflict.ours, conflict.differs) == (ours, True)
    assert conflict.warning == WARNING[len("2027/01/15 ") :]


def test_a_copy_of_a_server_does_not_differ():
    site, host = site_with({"a.conf": server(PASS), "b.conf": server(PASS)})
    serving.main_server(site, host)
    assert [(one.differs, one.ours, one.live) for one in site.directives.conflicts] == [(False, False, False)]


def test_an_ignored_server_is_live_if_its_application_listens():
    site, host = site_with({"shop.conf": server(PASS), "z.conf": server(OTHER)})
    put(host, listeners=[Listener("127.0.0.1:9000", 1)])
    serving.main_server(site, host)
    assert [(one.ours, one.live) for one in site.directives.conflicts] == [(False, True)]


def test_the_same_name_at_another_port_is_no_conflict():
    site, host = site_with({"a.conf": server(PASS), "b.conf": server(OTHER, listen="81")})
    serving.main_server(site, host)
    assert site.directives.conflicts == []


@pytest.mark.parametrize(
    ("files", "managed", "found"),
    [
        ({"a": server(PASS, "_", "80 default_server")}, False, ("a", True)),
        ({"a": server(PASS, "_")}, False, ("a", True)),
        ({"a": server(PASS, "other.example")}, False, ("a", False)),  # The only one.
        ({"a": server(PASS, "other.example"), "b": server("root /srv;", "_")}, False, ("a", False)),
        ({"a": server(PASS, "other.example"), "b": server(PASS, "third.example")}, False, None),
        ({"a": server("return 444;", "_", "80 default_server")}, False, None),
        ({"a": server(PASS, "_", "80 default_server")}, True, None),
    ],
)
def test_a_default_server_answers_for_an_unknown_name(files, managed, found):
    site, _host = site_with(files, managed)
    got = site.directives.fallbacks.get("shop.example")
    assert (got and (got.place, got.explicit)) == (found and (f"/etc/nginx/conf.d/{found[0]}:1", found[1]))
    assert any(entrance.wanted for entrance in site.entrances) == bool(found)


def way_in(body):
    site, host = site_with({"shop.conf": server(body)})
    look_directives.way_in(site, serving.main_server(site, host), host)
    return site


def test_the_application_is_found_below_a_front_end(tmp_path):
    (tmp_path / "index.html").write_text("hello")
    site = way_in(
        f"root {tmp_path}; location / {{ try_files $uri /index.html; }} location /api/ {{ uwsgi_pass unix:/a; }}"
    )
    assert site.directives.root.file == f"{tmp_path}/index.html"
    assert (site.directives.application, str(site.handler)) == ("/api/", "uwsgi_pass unix:/a;")


def test_an_application_that_no_location_reaches_is_named():
    site = way_in("location / { try_files $uri =404; } location @a { uwsgi_pass unix:/a; }")
    assert site.directives.unreached == ["location @a in /etc/nginx/conf.d/shop.conf:1"]
    assert site.handler is None


def test_a_variable_with_one_value_is_replaced_and_others_are_kept():
    assert str(way_in("set $a unix:/a; location / { uwsgi_pass $a; }").handler) == "uwsgi_pass unix:/a;"
    assert str(way_in("location / { uwsgi_pass $a; }").handler) == "uwsgi_pass $a;"


def test_backup_servers_and_servers_that_are_down_are_noted():
    upstream = "upstream a { server unix:/a; server unix:/b backup; server unix:/c down; }\n"
    site, host = site_with({"shop.conf": upstream + server("location / { uwsgi_pass a; }")})
    look_directives.way_in(site, serving.main_server(site, host), host)
    assert site.directives.backups == ["unix:/b"]
    assert site.directives.down == ["unix:/c in /etc/nginx/conf.d/shop.conf:1"]


def test_a_static_file_that_a_regular_expression_captures_is_found(tmp_path):
    (tmp_path / "a.css").write_text("")
    (tmp_path / "b.png").write_text("")
    text = f"location /static/ {{ alias {tmp_path}/; }} location ~ css$ {{ }}"
    config = dump.parse(f"# configuration file /n:\nhttp {{ server {{ {text} }} }}\n")
    [main] = match.servers(config)
    _site, host = evidence()
    put(host.nginx, built={"prefix": "/usr/nginx"})
    [found] = look_directives._taken("static", "/static/", str(tmp_path), main, host)
    assert (found.uri, found.location, found.file) == (
        "/static/a.css",
        "location ~ css$",
        "/usr/nginx/html/static/a.css",
    )


@AS_ROOT
def test_a_directory_for_temporary_files_that_nginx_cannot_use_is_found(public_path):
    os.chmod(public_path, 0o700)
    site, host = evidence()
    put(host.nginx, workers=[], built={"http-client-body-temp-path": f"{public_path}/body"})
    [found] = look_directives._temporaries(site, host)
    assert (found.directive, found.path) == ("client_body_temp_path", f"{public_path}/body")
    os.chmod(public_path, 0o777)  # noqa: S103 - the worker may write
    put(host.nginx, built=dict.fromkeys(("http-client-body-temp-path", "http-uwsgi-temp-path"), str(public_path)))
    assert list(look_directives._temporaries(site, host)) == []


@AS_ROOT
def test_a_group_that_nginx_does_not_have_yet_is_found(public_path):
    path = public_path / "x.sock"
    path.write_text("")
    os.chown(path, 0, 4711)
    os.chmod(path, 0o660)
    site, host = evidence()
    put(site.probes[0], address=f"unix:{path}", obstacle=denied(str(path)))
    put(host.nginx, next_worker=Identity(33, 33, (33, 4711)))
    look_directives._look_at_groups(site, host)
    assert site.directives.regrouped == [f"unix:{path}"]
    put(site.directives, regrouped=[])
    put(host.nginx, next_worker=Identity(33, 33, (33,)))
    look_directives._look_at_groups(site, host)
    assert site.directives.regrouped == []
    assert obstacle(str(path), Identity(33, 33, (33,))).kind == "denied"


def test_compiled_in_paths_are_read():
    said = (
        "nginx version: nginx/1.22.1\nconfigure arguments: --prefix=/usr/share/nginx --with-debug --pid-path=/run/n.pid"
    )
    assert look_host.built_with(Ran(0, err=said)) == {"prefix": "/usr/share/nginx", "pid-path": "/run/n.pid"}
