"""What only EL has."""

from __future__ import annotations


def test_nginx_comes_from_the_wanted_module_stream(host):
    release = host.check_output("rpm --query --queryformat '%{VERSION}-%{RELEASE}' nginx")
    assert release.startswith("1.26")
    modules = "/etc/dnf/modules.d/nginx.module"
    if host.file(modules).exists:
        assert "stream=1.26" in host.file(modules).content_string
        assert "module" in release
    else:
        assert (
            host.ansible("setup", "filter=ansible_distribution_major_version")["ansible_facts"][
                "ansible_distribution_major_version"
            ]
            == "10"
        )


def test_nginx_serves_ours_only(http, host):
    assert host.check_output("nginx -t 2>&1").endswith("test is successful")
    # Nobody is behind the port: a word of nginx's own, about our site.
    assert http("mysite.example").status == 502


def test_selinux_was_not_told_anything(host):
    """This kernel has none."""
    assert not host.file("/etc/selinux/pyweb_stack.cil").exists


def test_epel_is_not_there(host):
    assert "epel" not in host.check_output("dnf --quiet repolist")
