"""Packages that runs installed are removed, and no others."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import file_set, memory
from ansible_collections.pyweb.stack.plugins.module_utils.model import layout as layouts
from ansible_collections.pyweb.stack.plugins.module_utils.uninstall import packages
from ansible_collections.pyweb.stack.plugins.module_utils.uninstall.report import Fault, Report
from uninstall_host import Host, users

LISTED = """ii |||nginx|||httpd, httpd-cgi||||||libc6 (>= 2.34), nginx-common (= 1.22), iproute2
ii |||nginx-common|||||||||debconf (>= 0.5) | debconf-2.0
ii |||libc6|||libc6-2.36||||||libgcc-s1
ii |||git|||||||||libc6, libcurl3-gnutls
ii |||libcurl3-gnutls|||||||||libc6
ii |||their-tool|||||||||nginx | apache2, libcurl3-gnutls:any
ii |||their-page|||||||||httpd
rc |||gone|||||||||git
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    made = Host(tmp_path, monkeypatch)
    monkeypatch.setattr(file_set, "which", lambda name: f"/usr/bin/{name}" if name.startswith(made.manager) else "")
    made.manager = ("apt", "dpkg")
    return made


def bring(host, *names, **kinds):
    memory._write(layouts.BROUGHT, {"packages": list(names), **kinds})


@pytest.mark.parametrize(
    ("names", "needed"),
    [
        ({"git"}, set()),  # A package with only configuration left needs nothing.
        ({"git", "libcurl3-gnutls"}, {"libcurl3-gnutls"}),
        ({"nginx-common"}, {"nginx-common"}),
        ({"nginx", "nginx-common"}, {"nginx"}),  # as httpd and as itself
        ({"libc6"}, {"libc6"}),
        (set(), set()),
    ],
)
def test_dependencies_according_to_dpkg(names, needed):
    assert packages.needed_by_others(LISTED, names) == needed


def test_one_installed_alternative_is_enough():
    other = LISTED + "ii |||apache2|||httpd||||||\n"
    assert packages.needed_by_others(other, {"nginx", "nginx-common"}) == set()


def test_a_required_package_keeps_its_own_dependencies():
    def needs(names):
        return packages.needed_by_others(LISTED, names)

    assert packages.removable({"nginx", "nginx-common", "git"}, set(), needs) == {"git"}
    assert packages.removable({"git"}, {"git"}, needs) == set()


@pytest.mark.parametrize("check_mode", [False, True])
def test_apt_purges_managed_packages_and_keeps_the_rest(host, check_mode):
    bring(host, "git", "libcurl3-gnutls", "openssh-server", "here-before", "gone-since")
    host.answers["dpkg-query --show"] = (0, LISTED, "")
    apt = "env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l apt-get"
    host.answers[apt] = (0, "Purg git [1:2.39]\n", "")
    report = Report()
    installed = ["git", "libcurl3-gnutls", "openssh-server", "here-before", "the-users-own"]
    left = packages.remove(host.run, installed, {}, {"packages": ["here-before"]}, report, check_mode)
    assert left == ["libcurl3-gnutls", "openssh-server"]
    assert report.removed == ["the package git"]
    assert report.kept == [
        "the package openssh-server: the host needs it to run",
        "the packages libcurl3-gnutls: others that are kept need them",
    ]
    told = [call.partition("apt-get ")[2].split()[-2:] for call in host.calls if "apt-get" in call]
    assert told == ([] if check_mode else [["--simulate", "git"], ["purge", "git"]])


@pytest.mark.parametrize(("manager", "listing"), [("dpkg", "dpkg-query --listfiles"), ("rpm", "rpm --query --list")])
def test_services_of_the_packages_are_stopped_first(host, manager, listing):
    host.manager = ("dnf", manager) if manager == "rpm" else ("apt", manager)
    bring(host, "polkitd")
    units = "/usr/lib/systemd/system/polkit.service\n/lib/systemd/system/x.socket\n/usr/lib/systemd/system/y@.service\n"
    host.answers[f"{listing} polkitd"] = (0, f"/.\n/etc/polkit-1\n{units}/usr/lib/systemd/user/z.service\n", "")
    packages.remove(host.run, ["polkitd"], {}, {}, Report(), check_mode=False)
    stopped = host.calls.index("systemctl stop polkit.service x.socket")
    removing = [call for call in host.calls if call.startswith("env")]
    assert host.calls.index(removing[0]) > stopped


def test_apt_is_not_run_if_it_would_remove_more(host):
    bring(host, "git")
    host.answers["dpkg-query --show"] = (0, LISTED, "")
    host.answers["env"] = (0, "Purg git [1:2.39]\nPurg git-lfs [3]\n", "")
    with pytest.raises(Fault, match="apt-get would remove git-lfs as well"):
        packages.remove(host.run, ["git"], {}, {}, Report(), check_mode=False)
    assert all("--simulate" in call for call in host.calls if "apt-get" in call)


def test_configuration_from_before_a_package_is_not_purged(host):
    bring(host, "nginx", "nginx-common")
    before = {"folders": [f"{host.root}/etc/nginx"]}
    packages.remove(host.run, ["nginx", "nginx-common"], {}, before, Report(), check_mode=False)
    assert host.calls[-1].endswith(" remove nginx nginx-common")


def test_a_required_package_is_kept_with_the_reason(host):
    bring(host, "nginx")
    report = Report()
    assert packages.remove(host.run, ["nginx"], {"nginx": "their.conf needs it"}, {}, report, False) == ["nginx"]
    assert report.kept == ["the package nginx: their.conf needs it"]


def test_dnf_removes_exactly_what_rpm_allows(host):
    host.manager = ("dnf", "rpm")
    bring(host, "nginx", "nginx-core", "git-core", "perl", "@nginx:1.26")
    refused = iter([(1, "", "error: Failed dependencies:\n\tperl(strict) is needed by (installed) theirs-1.noarch\n")])
    host.run_plain = host.run

    def run(argv):
        if argv[:3] == ["rpm", "--erase", "--test"]:
            return next(refused, (0, "", ""))
        return host.run_plain(argv)

    host.answers["rpm --query --whatprovides"] = (0, "perl\n", "")
    report = Report()
    installed = ["nginx", "nginx-core", "git-core", "perl", "theirs", "@nginx:1.26"]
    left = packages.remove(run, installed, {}, {}, report, check_mode=False)
    assert left == ["perl"]
    dnf = "env LC_ALL=C.UTF-8 dnf --assumeyes --quiet"
    assert host.calls[-2:] == [f"{dnf} remove --noautoremove git-core nginx nginx-core", f"{dnf} module reset nginx"]
    assert report.removed[-1] == "the module stream @nginx:1.26"


def test_accounts_and_files_left_by_packages_are_removed_with_the_data(host, monkeypatch):
    users(monkeypatch, root=0, nginx=990, busy=991, www=33)
    bring(host, users=["nginx", "busy", "www", "gone"], groups=["nginx"])
    host.put("/var/lib/nginx/body/x")
    host.put("/var/log/nginx/access.log")
    host.answers["userdel busy"] = (8, "", "userdel: user busy is currently used by process 7")
    report = Report()
    known = {"users": ["www"], "folders": [f"{host.root}/var/log/nginx"]}
    packages.forget(host.run, known, report, check_mode=False)
    assert host.shown(report.removed) == ["/var/lib/nginx", "the user nginx", "the group nginx"]
    assert report.kept == ["the user busy: userdel: user busy is currently used by process 7"]
    assert host.files("/var") == ["/var/log/nginx/access.log"]
