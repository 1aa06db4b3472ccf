"""What only EL has."""

from __future__ import annotations


def test_nginx_comes_from_the_wanted_module_stream(host):
    release = host.check_output("rpm --query --queryformat '%{VERSION}-%{RELEASE}' nginx")
    assert release.startswith("1.26")
    stream = host.file("/etc/dnf/modules.d/nginx.module")
    if ".el10" in release:
        assert not stream.exists  # EL 10 has no modules, and its nginx is of that version by itself
    else:
        assert "module" in release
        assert "stream=1.26" in stream.content_string


def test_nginx_serves_ours_only(http, host):
    assert host.check_output("nginx -t 2>&1").endswith("test is successful")
    # Nobody is behind the port: a word of nginx's own, about our site.
    assert http("mysite.example").status == 502


def test_selinux_was_not_told_anything(host):
    """This kernel has none."""
    assert not host.file("/etc/selinux/pyweb_stack.cil").exists


def test_epel_is_not_there(host):
    assert "epel" not in host.check_output("dnf --quiet repolist")
