"""The bare image of a platform is as the roles expect. The tests install packages and depend on their order."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

BARE_REPOSITORIES = {"baseos", "appstream"}


@pytest.fixture
def el(platform):
    if platform.os_family != "RedHat":
        pytest.skip("only for EL")
    return platform


@pytest.fixture
def el9(el):
    if el.major != "9":
        pytest.skip("only for EL 9")
    return el


def test_the_image_has_a_label_with_its_origin(origin):
    assert origin in ("registry", "mmdebstrap", "stand-in")


def test_ansible_detects_the_platform(host, platform):
    command = ["ansible", "all", "-i", f"{host.backend.name},", "-c", "community.docker.docker"]
    command += ["-m", "ansible.builtin.setup", "-a", "gather_subset=!all,min"]
    plain = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=plain, timeout=60)
    facts = json.loads(told.stdout.partition(" => ")[2])["ansible_facts"]
    seen = (facts["ansible_os_family"], facts["ansible_distribution"], facts["ansible_distribution_major_version"])
    assert seen == (platform.os_family, platform.distribution, platform.major)
    assert (facts["ansible_pkg_mgr"], facts["ansible_service_mgr"]) == (platform.pkg_mgr, "systemd")


def test_the_host_has_booted(host):
    assert host.run("systemctl is-system-running").stdout.strip() == "running"


def test_there_is_no_other_package_manager(host, platform):
    others = "rpm dnf yum" if platform.pkg_mgr == "apt" else "dpkg dpkg-query apt apt-get update-alternatives"
    assert [name for name in others.split() if host.exists(name)] == []
    if platform.pkg_mgr == "dnf":
        assert host.run("ls -d /var/lib/dpkg /var/lib/apt /etc/apt /etc/debian_version").stdout == ""


def test_no_account_of_the_other_family(host, el):
    assert host.run("getent passwd www-data; getent group nogroup").stdout == ""
    assert host.run("id -gn nobody").stdout.strip() == "nobody"


def test_the_system_python_is_the_only_one(host, platform):
    found = host.check_output("realpath /usr/bin/python3")
    assert found == f"/usr/bin/{platform.python}"
    assert host.run("/usr/bin/python3 -c 'import sys'").succeeded
    others = host.check_output("ls /usr/bin").split()
    assert [name for name in others if name.startswith("python3.") and name != platform.python] == []


def test_the_system_python_can_create_a_virtualenv(host, el):
    made = host.run(f"/usr/bin/{el.python} -m venv /var/tmp/own && /var/tmp/own/bin/python -m pip --version")
    assert made.succeeded, made.stderr


def test_a_bare_host_has_the_repositories_of_el_without_epel(host, el):
    listed = {line.split()[0] for line in host.check_output("dnf --quiet repolist").splitlines()[1:]}
    assert listed >= {*BARE_REPOSITORIES, "extras-common" if el.distribution == "CentOS" else "extras"}
    assert "epel" not in listed


def test_epel_release_enables_epel(host, el):
    assert host.run("dnf --quiet list uwsgi").failed
    _install(host, "epel-release")
    _install(host, "uwsgi", "uwsgi-plugin-python3", "python3-django")
    assert host.run("/usr/sbin/uwsgi --plugins python3 --version").succeeded
    assert host.file("/usr/lib64/uwsgi/python3_plugin.so").is_file
    assert host.run("/usr/bin/python3 -c 'import django'").succeeded


def test_python_3_11_is_an_additional_python_without_bindings(host, el9):
    _install(host, "python3.11")
    assert host.check_output("realpath /usr/bin/python3") == "/usr/bin/python3.9"
    assert "3.11" in host.check_output("/usr/bin/python3.11 --version")
    assert host.run("/usr/bin/python3 -c 'import dnf'").succeeded
    assert "No module named 'dnf'" in host.run("/usr/bin/python3.11 -c 'import dnf'").stderr
    made = host.run("python3.11 -m venv /var/tmp/newer && /var/tmp/newer/bin/python -m pip --version")
    assert "python 3.11" in made.stdout, made.stderr


def test_a_module_stream_replaces_the_default_package(host, el9):
    _install(host, "@nginx:1.26")
    told = host.check_output("rpm --query --queryformat '%{VERSION} %{RELEASE}' nginx")
    assert told.startswith("1.26")
    assert "module" in told
    assert host.run("dnf --quiet -y remove nginx && dnf --quiet -y module reset nginx").succeeded


def test_nginx_has_the_configuration_of_the_el_package(host, el, http):
    _install(host, "nginx")
    assert "module" not in host.check_output("rpm --query nginx")
    assert not host.service("nginx").is_enabled
    assert not host.service("nginx").is_running
    assert host.user("nginx").home == "/var/lib/nginx"
    assert not host.file("/etc/nginx/sites-enabled").exists
    config = " ".join(host.check_output("nginx -T 2>/dev/null").split())
    assert "default_server" not in config
    assert config.index("include /etc/nginx/conf.d/*.conf;") < config.index("listen 80;")
    assert config.index("listen [::]:80;") < config.index("include /etc/nginx/default.d/*.conf;")
    assert host.run("systemctl start nginx").succeeded
    assert http("unknown.example").status == 200


def test_firewalld_is_installed_and_not_started(host, el, http):
    _install(host, "firewalld", "python3-firewall")
    assert host.service("firewalld").is_enabled
    assert not host.service("firewalld").is_running
    assert http("unknown.example").status == 200
    assert host.run("systemctl start firewalld").succeeded
    # systemd considers it started when it is on D-Bus; it answers there once its rules are active.
    assert host.check_output("firewall-cmd --state") == "running"
    with pytest.raises(OSError, match=r"refused|unreachable|No route|timed out"):
        http("unknown.example", timeout=3)
    assert host.run("firewall-cmd --add-service=http").succeeded
    assert http("unknown.example").status == 200
    assert " ssh" in host.check_output("firewall-cmd --list-services")


def test_sshd_is_installed_and_not_started(host, el):
    _install(host, "openssh-server")
    assert not host.service("sshd").is_running
    assert host.run("systemctl start sshd").succeeded
    assert host.socket("tcp://0.0.0.0:22").is_listening


def _install(host, *names):
    done = host.run("dnf --quiet -y install " + " ".join(f"'{name}'" for name in names))
    assert done.succeeded, done.stderr
