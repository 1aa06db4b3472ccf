"""A site's file that nginx does not read, directives that refuse all visitors, and errors of nginx."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import look_unread, nginx_refusals
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match
from ansible_collections.pyweb.stack.plugins.module_utils.nginx.refusing import refusing
from doctor_evidence import evidence, faults_of, put

SERVER = "server { listen 80; server_name shop.example; location / { uwsgi_pass unix:/run/a; } }\n"
MAIN = "http {{ include {0}/conf.d/*.conf; include {0}/sites-enabled/*; }}\n"


@pytest.fixture
def base(tmp_path):
    for folder in ("conf.d", "sites-available", "sites-enabled"):
        (tmp_path / folder).mkdir()
    (tmp_path / "nginx.conf").write_text(MAIN.format(tmp_path))
    return tmp_path


def found(base):
    config = dump.read_files(f"{base}/nginx.conf")
    return look_unread.unread("shop.example", config, str(base))


def test_a_file_without_a_link(base):
    (base / "sites-available/shop").write_text(SERVER)
    unread = found(base)
    assert (unread.path, unread.why) == (f"{base}/sites-available/shop", "no link in sites-enabled leads to it")
    assert unread.fix == f"ln -s {base}/sites-available/shop {base}/sites-enabled/"


def test_a_file_with_another_extension(base):
    (base / "conf.d/shop.conf.off").write_text(SERVER)
    assert found(base).fix == f"mv {base}/conf.d/shop.conf.off {base}/conf.d/shop.conf"


def test_a_link_that_no_include_reads(base):
    (base / "nginx.conf").write_text(f"http {{ include {base}/conf.d/*.conf; }}\n")
    (base / "sites-available/shop").write_text(SERVER)
    assert found(base).fix == f"ln -s {base}/sites-available/shop {base}/conf.d/shop.conf"


def test_files_that_nginx_reads_and_files_of_others_are_not_named(base):
    (base / "sites-available/shop").write_text(SERVER)
    (base / "sites-enabled/shop").symlink_to("../sites-available/shop")
    (base / "conf.d/other.off").write_text(SERVER.replace("shop", "other"))
    (base / "conf.d/broken.off").write_text("server { server_name shop.example;")
    (base / "conf.d/comment.off").write_text("# shop.example\n")
    assert found(base) is None


def locations(text):
    config = dump.parse(f"# configuration file /n:\nhttp {{ server {{ listen 80; location / {{ {text} }} }} }}\n")
    return match.locate(match.servers(config)[0], "/")


@pytest.mark.parametrize(
    ("text", "by"),
    [
        ("internal;", "internal;"),
        ("deny all;", "deny all;"),
        ("return 404;", "return 404;"),
        ("limit_except POST { deny all; }", "deny all;"),
        ("limit_except GET POST { deny all; }", None),
        ("allow 10.0.0.0/8; deny all;", None),
        ("deny 10.0.0.1;", None),
        ("return 301 /a;", None),
        ("", None),
    ],
)
def test_directives_that_refuse_all_visitors(text, by):
    given = refusing(locations(text))
    assert (str(given) if given else None) == by


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ('open() "/var/log/nginx/a/access.log" failed (2: No such', "mkdir -p /var/log/nginx/a, or correct access_log"),
        ('open() "/etc/nginx/x" failed (2: No such file or directory) in /n:4', "restore /etc/nginx/x, or correct"),
        ('unexpected "}" in /n:9', "one brace too many, or a missing `;` above it in /n, line 9; then"),
        (
            'directive "root" is not terminated by ";" in /n:9',
            "a previous line does not end with `;`: add it in /n, line 9",
        ),
        ("a duplicate default server for 0.0.0.0:80 in /n:2", "only one server may have default_server for 0.0.0.0:80"),
        ('duplicate upstream "d" in /n:1', "two files have an upstream d: rename or remove one of them in /n, line 1"),
        ('no port in upstream "d" in /n:1', "there is no upstream d:"),
        ('getpwnam("www") failed in /n:1', "the host has no user or group www: correct `user` in /n, line 1"),
        (
            "nobody knows these words in /n:1",
            "correct what nginx names in /n, line 1, then nginx -t && systemctl restart nginx",
        ),
        ("nor these", "correct the line that nginx names, then"),
    ],
)
def test_fixes_of_nginx_errors(said, fix):
    assert nginx_refusals.words(f"[emerg] 7#7: {said}") == said
    assert nginx_refusals.fix(f"[emerg] 7#7: {said}", False).startswith(fix)


def test_uwsgi_is_not_reported_if_no_server_has_the_name():
    site, host = evidence()
    put(site, managed=False, probes=[])
    put(site.uwsgi, master=None, unit={}, command=[])
    assert "uwsgi.stopped" in faults_of(verdict(site, host))
    put(site.entrances[0], wanted=[])
    assert not [name for name in faults_of(verdict(site, host)) if name.startswith("uwsgi.")]
