"""The distribution facts are the same as Ansible's own, for all supported systems and some others."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import platform

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n'
MINT = 'NAME="Linux Mint"\nVERSION_ID="22"\nID=linuxmint\nID_LIKE="ubuntu debian"\n'
UBUNTU = 'NAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n'
STREAM = 'NAME="CentOS Stream"\nVERSION="9"\nID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="9"\n'
RHEL = 'NAME="Red Hat Enterprise Linux"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.4"\n'
ROCKY = 'NAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n'
ALMA = 'NAME="AlmaLinux"\nID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="10.0"\n'
ORACLE = 'NAME="Oracle Linux Server"\nID="ol"\nID_LIKE="fedora"\nVERSION_ID="9.4"\n'
EUROLINUX = 'NAME="EuroLinux"\nID="eurolinux"\nID_LIKE="rhel fedora centos"\nVERSION_ID="9.4"\n'
ALPINE = "NAME='Alpine Linux'\nID=alpine\nVERSION_ID=3.20.1\n"


@pytest.mark.parametrize(
    ("release", "version", "wanted"),
    [
        (DEBIAN, "12.13", ("Debian", "Debian", "12.13", "12")),
        (UBUNTU, "24.04", ("Debian", "Ubuntu", "24.04", "24")),
        (STREAM, "9", ("RedHat", "CentOS", "9", "9")),
        (RHEL, "9.4", ("RedHat", "RedHat", "9.4", "9")),
        (ROCKY, "9.4", ("RedHat", "Rocky", "9.4", "9")),
        (ALMA, "10.0", ("RedHat", "AlmaLinux", "10.0", "10")),
        (ORACLE, "9.4", ("RedHat", "OracleLinux", "9.4", "9")),
        (EUROLINUX, "9.4", ("RedHat", "EuroLinux", "9.4", "9")),
        (ALPINE, "3.20.1", ("Alpine Linux", "Alpine Linux", "3.20.1", "3")),
        ("", None, ("Linux", "Linux", "", "")),
    ],
    ids=["debian", "ubuntu", "stream", "rhel", "rocky", "alma", "oracle", "eurolinux", "alpine", "none"],
)
def test_facts_are_those_of_setup(monkeypatch, release, version, wanted):
    monkeypatch.setattr(platform, "read_or_empty", lambda path: release if path == "/etc/os-release" else "")
    monkeypatch.setattr(platform, "get_distribution_version", lambda: version)
    monkeypatch.setattr("os.path.exists", lambda path: path == "/usr/bin/dnf")
    found = platform.facts()
    names = ("os_family", "distribution", "distribution_version", "distribution_major_version")
    assert tuple(found[name] for name in names) == wanted
    assert found["pkg_mgr"] == {"Debian": "apt", "RedHat": "dnf"}.get(wanted[0], "unknown")


@pytest.mark.parametrize(
    ("release", "version", "key"),
    [
        (DEBIAN, "12.13", "Debian-12"),
        (UBUNTU, "24.04", "Ubuntu-24.04"),
        (UBUNTU, "24.10", "Ubuntu-24.10"),
        (MINT, "22", "Debian-22"),
        (ROCKY, "9.4", "RedHat-9"),
        (ALMA, "10.0", "RedHat-10"),
    ],
    ids=["debian", "ubuntu", "an interim Ubuntu", "mint", "rocky", "alma"],
)
def test_the_key_of_a_platform(monkeypatch, release, version, key):
    monkeypatch.setattr(platform, "read_or_empty", lambda _path: release)
    monkeypatch.setattr(platform, "get_distribution_version", lambda: version)
    assert platform.key(platform.facts()) == key


def test_the_other_path_of_os_release_is_read_too(monkeypatch):
    monkeypatch.setattr(platform, "read_or_empty", lambda path: DEBIAN if path == "/usr/lib/os-release" else "")
    assert platform.facts()["distribution"] == "Debian"


@pytest.mark.parametrize(
    ("there", "real", "wanted"),
    [
        (["/usr/bin/dnf"], "/usr/bin/dnf-3", "dnf"),
        (["/usr/bin/dnf"], "/usr/bin/dnf5", "dnf5"),
        (["/usr/bin/microdnf"], "/usr/bin/microdnf", "dnf"),
        (["/usr/bin/microdnf"], "/usr/bin/dnf5", "dnf5"),
        (["/run/ostree-booted", "/usr/bin/dnf"], "/usr/bin/dnf-3", "atomic_container"),
        ([], "", "unknown"),
    ],
)
def test_package_manager_is_the_target_of_the_dnf_link(monkeypatch, there, real, wanted):
    monkeypatch.setattr(platform, "read_or_empty", lambda _path: STREAM)
    monkeypatch.setattr("os.path.exists", lambda path: path in there)
    monkeypatch.setattr("os.path.realpath", lambda _path: real)
    assert platform.facts()["pkg_mgr"] == wanted
