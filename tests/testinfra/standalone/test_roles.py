"""What each role does on its own."""

from __future__ import annotations

import json


def test_django_builds_without_releasing(host):
    builds = host.run("ls /opt/sites/built/builds").stdout.split()
    assert len(builds) == 1
    manifest = json.loads(host.file(f"/opt/sites/built/builds/{builds[0]}/build.json").content_string)
    assert manifest["django"].startswith("5.2.")
    assert manifest["wsgi"] == "built.wsgi:application"
    assert host.file(f"/opt/sites/built/builds/{builds[0]}/static/admin").is_directory
    assert not host.file("/opt/sites/built/current").exists


def test_python_is_the_newest_of_the_platform(host, platform, origin):
    differs = platform.stand_in if origin == "stand-in" else {}
    newest = differs.get("newest_python", platform.newest_python)
    python = host.check_output("readlink -f /opt/sites/built/builds/*/venv/bin/python")
    assert python == f"/usr/bin/{newest}"


def test_pip_needs_no_uv(host):
    assert not host.file("/opt/sites/.tools").exists


def test_uwsgi_releases_an_existing_project_and_virtualenv(host):
    script = (
        "import socket, struct\n"
        "pairs = {'REQUEST_METHOD': 'GET', 'PATH_INFO': '/no-such-page', 'HTTP_HOST': 'plain.example',"
        " 'SERVER_NAME': 'x', 'SERVER_PORT': '80'}\n"
        "body = b''.join(struct.pack('<H', len(t)) + t for p in pairs.items() for t in (x.encode() for x in p))\n"
        "s = socket.socket(socket.AF_UNIX); s.settimeout(9); s.connect('/opt/sites/plain/current/uwsgi.sock')\n"
        "s.sendall(struct.pack('<BHB', 0, len(body), 0) + body); print(s.recv(99).decode().split()[1])\n"
    )
    done = host.run("python3 -c %s", script)
    assert done.stdout.strip() == "404", done.stderr
    ini = host.file("/opt/sites/plain/current/uwsgi.ini").content_string
    assert "module = plain.wsgi:application" in ini


def test_nginx_serves_an_existing_uwsgi(http):
    answer = http("hello.example", "/there")
    assert (answer.status, answer.body) == (200, "hello hello.example/there")
    assert answer.headers["x-tested"] == "yes; {really}"


def test_nginx_serves_existing_files(http):
    assert http("hello.example", "/media/picture.txt").body == "picture\n"
    # Paths that the location does not serve are passed to the application, including siblings and parents.
    assert "hello" in http("hello.example", "/media../etc/passwd").body
    assert http("hello.example", "/mediapicture.txt").body == "hello hello.example/mediapicture.txt"


def test_nginx_applies_options_and_locations(http):
    assert http("hello.example", "/gone").status == 410
    assert http("hello.example", "/", "POST", body=b"x" * 2000).status == 413
    assert http("hello.example", "/media/picture.txt").headers["content-type"] == "text/plain; charset=iso-8859-1"


def test_firewalld_opens_services_and_ports(host):
    for suffix in ("", " --permanent"):
        listed = host.run(f"firewall-cmd --list-all{suffix}").stdout
        assert {"ssh", "http"} <= set(listed.split("services:")[1].split("\n")[0].split())
        assert set(listed.split("ports:")[1].split("\n")[0].split()) == {"8443/tcp", "5000-5010/udp"}
