"""Three projects on one host. Requests come from outside of the container, through nginx, with the site's own Host."""

from __future__ import annotations

import http.client
import json
import re
import struct
import uuid
import zlib

import pytest


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# One grey pixel.
PIXEL = (
    b"\x89PNG\r\n\x1a\n"
    + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    + png_chunk(b"IDAT", zlib.compress(b"\0\x80"))
    + png_chunk(b"IEND", b"")
)
PAGES = {"mysite.example": "/", "www.mysite.example": "/", "blog.example": "/", "fresh.example": "/admin/login/"}


@pytest.mark.parametrize("name", PAGES)
def test_page_is_served(http, name):
    answer = http(name, PAGES[name])
    assert answer.status == 200
    assert "<html" in answer.body


@pytest.mark.parametrize("name", ["mysite.example", "blog.example", "fresh.example"])
def test_debug_is_off(http, name):
    answer = http(name, f"/no-such-page-{uuid.uuid4().hex}/")
    assert answer.status == 404
    assert "DEBUG" not in answer.body
    assert "URLconf" not in answer.body


@pytest.mark.parametrize("name", PAGES)
def test_static_files_that_the_page_links_are_served(http, name):
    linked = re.findall(r'(?:href|src)="(/static/[^"]+)"', http(name, PAGES[name]).body)
    assert linked
    for path in linked:
        answer = http(name, path)
        assert answer.status == 200, path
        assert answer.headers["server"].startswith("nginx")


def test_hashed_static_files_can_be_cached_for_a_long_time(http):
    hashed = re.search(r'href="(/static/[^"]+\.[0-9a-f]{12}\.css)"', http("mysite.example").body)
    assert hashed
    assert int(re.search(r"max-age=(\d+)", http("mysite.example", hashed[1]).headers["cache-control"])[1]) > 10**7


def test_uploaded_picture_is_served(http):
    page = http("mysite.example")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.body)[1]
    cookie = page.headers["set-cookie"].split(";")[0]
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="'
    body = (
        (
            f'{head}csrfmiddlewaretoken"\r\n\r\n{token}\r\n{head}image"; filename="dot-{boundary}.png"\r\n'
            "Content-Type: image/png\r\n\r\n"
        ).encode()
        + PIXEL
        + f"\r\n--{boundary}--\r\n".encode()
    )
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Cookie": cookie,
        "Origin": "http://mysite.example",
    }
    answer = http("mysite.example", "/", "POST", headers=headers, body=body)
    assert answer.status == 302, answer.body
    picture = re.search(rf'src="(/media/[^"]*dot-{boundary}[^"]*)"', http("mysite.example").body)
    assert picture
    served = http("mysite.example", picture[1])
    assert (served.status, served.headers["content-type"]) == (200, "image/png")


def test_wagtail_media_directory_is_served(host, http):
    assert host.run("sh -c 'echo hello > /var/lib/sites/blog/media/hello.txt'").rc == 0
    assert http("blog.example", "/media/hello.txt").body == "hello\n"


def test_health_page_shows_the_version_from_the_environment(http):
    assert json.loads(http("mysite.example", "/healthz").body) == {"status": "ok", "version": "1"}


def test_site_is_served_on_a_nonstandard_port(http):
    assert http("fresh.example", "/admin/login/", port=8080).status == 200


def test_form_on_a_nonstandard_port_passes_the_csrf_check(http):
    page = http("fresh.example:8080", "/admin/login/", port=8080)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.body)[1]
    answer = http(
        "fresh.example:8080",
        "/admin/login/",
        "POST",
        8080,
        {
            "Cookie": page.headers["set-cookie"].split(";")[0],
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": "http://fresh.example:8080",
        },
        f"csrfmiddlewaretoken={token}&username=nobody&password=wrong",
    )
    assert answer.status == 200
    assert "Please enter the correct" in answer.body


@pytest.mark.parametrize("port", [80, 8080])
def test_unknown_host_gets_no_answer(http, port):
    with pytest.raises(http_error()):
        http("unknown.example", port=port)


def http_error():
    """Return the errors of a connection that nginx closes without a response (444)."""
    return (http.client.RemoteDisconnected, ConnectionResetError)


def test_large_body_is_refused_by_nginx(http):
    status = 0
    try:
        status = http("mysite.example", "/", "POST", headers={"Content-Length": str(76 * 1024 * 1024)}, body=b"").status
    except OSError:
        pytest.fail("nginx closed the connection instead of answering 413")
    assert status == 413


def test_firewall_allows_the_ports_of_sites_and_ssh(host):
    assert host.run("firewall-cmd --state").stdout.strip() == "running"
    for suffix in ("", " --permanent"):
        listed = host.run(f"firewall-cmd --list-all{suffix}").stdout
        services = re.search(r"services: (.*)", listed)[1].split()
        assert {"http", "ssh"} <= set(services)
        assert re.search(r"ports: (.*)", listed)[1].split() == ["8080/tcp"]


def test_firewall_blocks_other_ports(host, address):
    assert host.run("systemd-run --unit leak-test python3 -m http.server 9999").rc == 0
    try:
        connection = http.client.HTTPConnection(address, 9999, timeout=3)
        # The error of firewalld's refusal; without firewalld there would be a response, or another error.
        with pytest.raises(OSError, match=r"No route to host|timed out"):
            connection.request("GET", "/")
    finally:
        host.run("systemctl stop leak-test")


def test_nginx_configuration_is_valid_without_warnings(host):
    done = host.run("nginx -t")
    assert done.rc == 0
    assert "warn" not in done.stderr
    assert "conflicting" not in done.stderr


@pytest.mark.parametrize("name", ["mysite", "blog", "fresh"])
def test_each_site_runs_as_its_own_user(host, name):
    processes = host.process.filter(user=f"site-{name}", comm="uwsgi") or host.process.filter(user=f"site-{name}")
    assert processes
    assert all(f"/opt/sites/{name}/" in process.args for process in processes)


@pytest.mark.parametrize("name", ["mysite", "blog", "fresh"])
def test_the_site_cannot_write_to_its_code(host, name):
    build = host.run(f"readlink -f /opt/sites/{name}/current/src").stdout.strip()
    assert build.startswith(f"/opt/sites/{name}/builds/")
    as_site = f"setpriv --reuid site-{name} --regid site-{name} --clear-groups"
    found = host.run(f"{as_site} find {build}/.. -writable ! -type l")
    assert found.rc == 0
    assert found.stdout == ""


def test_a_site_cannot_read_the_others_code_or_secrets(host):
    code, secret, data = (
        "/opt/sites/mysite/current/src/manage.py",
        "/etc/sites/mysite/secret_key",
        "/var/lib/sites/mysite",
    )
    for path in (code, secret, f"{data}/db.sqlite3"):
        assert host.file(path).exists
        done = host.run(f"setpriv --reuid site-blog --regid site-blog --clear-groups cat {path}")
        assert "Permission denied" in done.stderr, path


def test_unix_socket_belongs_to_nginx_group(host):
    socket = host.run("readlink -f /opt/sites/mysite/current/uwsgi.sock").stdout.strip()
    assert host.file(socket).mode == 0o660
    worker = host.run("ps -o group= -p $(pgrep --newest nginx)").stdout.strip()
    assert host.file(socket).group == worker
    assert worker in ("nginx", "www-data")


def test_uwsgi_listens_on_the_tcp_ports(host):
    script = (
        "import socket,sys\n"
        "for port in (8001, 8011, 8012):\n"
        "    s = socket.create_connection(('127.0.0.1', port), 3); s.sendall(b'\\x64\\0\\0\\0')\n"
        # uWSGI answers, and accepts only requests.
        "    assert s.recv(99).startswith(b'HTTP/1.0 400 No Request'), port\n"
    )
    done = host.run("python3 -c %s", script)
    assert done.rc == 0, done.stderr


def test_options_reach_uwsgi(host):
    ini = host.file("/opt/sites/blog/current/uwsgi.ini").content_string
    assert "buffer-size = 16384" in ini.splitlines()
    assert "processes = 3" in ini.splitlines()
    assert "honour-stdin = true" in host.file("/opt/sites/fresh/current/uwsgi.ini").content_string.splitlines()
    # A master and three workers.
    assert len([one for one in host.process.filter(user="site-blog") if "uwsgi.ini" in one.args]) == 4


def test_superuser_is_created_once_and_can_log_in(host):
    script = (
        "from django.contrib.auth import authenticate, get_user_model;"
        "print(get_user_model().objects.count(), authenticate(username='admin', password='correct-horse-1'))"
    )
    # On standard input, because systemd logs the words of a command, and a later test searches the journal for secrets.
    assert host.run("echo %s | /opt/sites/mysite/manage shell -v0", script).stdout.strip() == "1 admin"


def test_migrations_are_applied(host):
    for name in ("mysite", "blog", "fresh"):
        assert host.run(f"/opt/sites/{name}/manage migrate --check").rc == 0


def test_environment_arrives_unchanged_and_is_stored_nowhere_else(host):
    wanted = 'it\'s a "xyzzy-text" $HOME 100% \\ secret'
    environ = "tr '\\0' '\\n' < /proc/$(pgrep -u site-fresh -o)/environ"
    assert f"GREETING={wanted}" in host.run(environ).stdout.splitlines()
    assert host.run("grep -rlF xyzzy-text /opt/sites /etc/systemd /run/systemd /etc/nginx").stdout == ""
    assert host.run("ps axww -o args= | grep -F xyzzy | grep -v grep").stdout == ""


def test_secrets_are_not_in_the_journal(host):
    journal = host.run("journalctl --no-pager").stdout
    secret = host.file("/etc/sites/mysite/secret_key").content_string.strip()
    assert len(secret) > 40
    for text in (secret, "correct-horse-1", "xyzzy-text"):
        assert text not in journal


def test_wagtail_runs_with_its_production_settings(host):
    overlay = host.file("/opt/sites/blog/current/overlay/pyweb_settings.py").content_string
    assert "from blog.settings.production import *" in overlay
    script = "from django.conf import settings; print(settings.DEBUG, settings.DATABASES['default']['NAME'])"
    assert host.run("/opt/sites/blog/manage shell -v0 -c %s", script).stdout.strip() == (
        "False /var/lib/sites/blog/db.sqlite3"
    )


def test_the_ini_file_can_be_started_by_hand(host):
    """With `uwsgi --ini`, on a copy with another socket, as for debugging."""
    script = (
        "sed 's#/run/sites/mysite/[0-9a-f]*#/run/sites/mysite/byhand#' /opt/sites/mysite/current/uwsgi.ini"
        " > /run/byhand.ini && chmod 644 /run/byhand.ini && timeout 20 setpriv --reuid site-mysite"
        " --regid site-mysite --clear-groups /opt/sites/mysite/current/uwsgi --ini /run/byhand.ini"
        " > /run/byhand.log 2>&1 & "
        "for i in $(seq 100); do [ -S /run/sites/mysite/byhand.sock ] && break; sleep 0.1; done;"
        ' sleep 0.5; python3 -c "import socket; s=socket.socket(socket.AF_UNIX); s.settimeout(9);'
        " s.connect('/run/sites/mysite/byhand.sock'); s.sendall(b'\\x64\\0\\0\\0'); print(s.recv(23).decode())\";"
        " pkill -INT -f byhand.ini; cat /run/byhand.log >&2; wait"
    )
    done = host.run("sh -c %s", script)
    assert done.stdout.strip() == "HTTP/1.0 400 No Request", done.stderr


def test_no_compiler_and_no_distribution_uwsgi_are_installed(host):
    for program in ("gcc", "uwsgi", "uwsgi-core"):
        assert not host.exists(program)
    assert host.exists("git")  # the source of the site `fresh` is a repository


def test_services_are_enabled_at_boot(host):
    for unit in ("nginx", "firewalld", "uwsgi-mysite", "uwsgi-blog", "uwsgi-fresh"):
        assert host.service(unit).is_enabled, unit
    assert host.run("systemctl --failed --no-legend").stdout == ""


# --- pyweb ---


def test_pyweb_is_found_by_sudo_and_lists_releases(host):
    """PATH is the secure_path of EL's sudoers."""
    listed = host.run("env -i PATH=/sbin:/bin:/usr/sbin:/usr/bin pyweb releases mysite")
    assert listed.rc == 0, listed.stderr
    assert re.match(r"[0-9a-f]{12}  \S+ \S+  live", listed.stdout)


def test_any_user_can_run_pyweb_status(host):
    said = host.run("runuser -u nobody -- pyweb status")
    assert (said.rc, said.stdout.partition(":")[0]) == (0, "OK"), said.stdout


def test_pyweb_runs_the_doctor(host):
    """Requests of these tests may count as faults, such as the upload that was too large."""
    said = host.run("pyweb doctor mysite --json --patience 20")
    found = json.loads(said.stdout)
    [site] = found["sites"]
    assert (site["name"], site["managed"], site["status"]) == ("mysite", True, found["status"])
    assert said.rc == {"ok": 0, "degraded": 1, "unknown": 3}[found["status"]]
    assert {hop["hop"]: hop["status"] for hop in site["hops"]}["client"] == "ok"


def test_pyweb_passes_on_the_exit_status_of_manage(host):
    assert host.run("pyweb manage mysite check").rc == 0
    assert host.run("pyweb manage mysite shell -v0 -c 'raise SystemExit(7)'").rc == 7
    assert host.run("pyweb manage nosite check").rc == 125


def test_pyweb_shows_the_logs_of_nginx_and_uwsgi_together(host, http):
    path = f"/pyweb-logs-{uuid.uuid4().hex}"
    http("mysite.example", path)
    shown = [line for line in host.run("pyweb logs mysite").stdout.splitlines() if path in line]
    assert {line.split()[2] for line in shown} == {"nginx", "uwsgi"}
