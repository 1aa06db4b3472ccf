"""Features of EL only."""

from __future__ import annotations


def test_nginx_comes_from_the_configured_module_stream(host):
    release = host.check_output("rpm --query --queryformat '%{VERSION}-%{RELEASE}' nginx")
    assert release.startswith("1.26")
    stream = host.file("/etc/dnf/modules.d/nginx.module")
    if ".el10" in release:
        assert not stream.exists  # EL 10 has no modules, and its nginx has this version anyway
    else:
        assert "module" in release
        assert "stream=1.26" in stream.content_string


def test_nginx_serves_the_site(http, host):
    assert host.check_output("nginx -t 2>&1").endswith("test is successful")
    # nginx itself answers for the site, because nothing listens on its upstream.
    assert http("mysite.example").status == 502


def test_selinux_is_not_configured(host):
    """This kernel has no SELinux."""
    assert not host.file("/etc/selinux/pyweb_stack.cil").exists


def test_epel_is_not_enabled(host):
    assert "epel" not in host.check_output("dnf --quiet repolist")
