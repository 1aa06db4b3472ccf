"""Uninstall removes what the collection installed, restores what was there before, and keeps data unless told to purge.

Each test compares the whole host before and after (`snapshot.py`) and lists what may differ.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import earlier
import pytest
from client import ask
from fixtures import PLATFORM
from host import Host, Run
from sites import Project, site
from snapshot import snapshot

DEBIAN = PLATFORM.startswith("debian")
PURGE = ("-e", "uninstall_purge=true")
PACKAGES = ("-e", "uninstall_packages=true")
# What the scripts of packages write into other files on installation and do not completely remove.
OF_PACKAGES = {
    "files": [
        r"/etc/(passwd|group|shadow|gshadow)",  # accounts are compared by name; their order may differ
        # Debian's registries of SGML, XML and PAM modules, which polkitd depends on.
        *(r"/etc/(sgml|xml)(/.*)?", r"/var/lib/(sgml-base|xml-core|pam)(/.*)?", r"/usr/local/share/(sgml|xml)(/.*)?"),
        r"/etc/pam\.d/common-session",
        r"/var/lib/(ucf|python|polkit-1|systemd)(/.*)?",
    ],
}
BY_HAND = f"""\
# Written by hand.
user {"www-data" if DEBIAN else "nginx"};
pid /run/nginx.pid;
events {{
    worker_connections 4321;
}}
http {{
    include mime.types;
    client_max_body_size 500m;
    include /etc/nginx/conf.d/*.conf;
}}
"""
OTHER = 'server {\n    listen 80;\n    server_name other.example;\n    return 200 "theirs\\n";\n}\n'


def test_uninstall_makes_a_bare_host_bare_again(host: Host, project: Project) -> None:
    sites = [site("shop", project)]
    before = snapshot(host)
    nothing = uninstall(host, sites, *PURGE, *PACKAGES)
    assert (nothing.changed, told(nothing)["told"]) == (0, ["nothing of pyweb.stack is on this host"])
    assert before.differences(snapshot(host)) == []

    host.deploy(sites)
    converged = snapshot(host)
    predicted = uninstall(host, sites, *PURGE, *PACKAGES, "--check")
    assert predicted.changed == 1
    assert converged.differences(snapshot(host)) == []
    # The inventory no longer has the site.
    done = uninstall(host, [], *PURGE, *PACKAGES)
    assert told(done)["unknown"] == []
    assert {"/opt/sites/shop", "/var/lib/sites/shop", "the user site-shop", "the package nginx"} <= removed(done)
    assert removed(done) - removed(predicted) == set()
    after = snapshot(host)
    assert before.differences(after, OF_PACKAGES) == []
    again = uninstall(host, [], *PURGE, *PACKAGES)
    assert (again.changed, told(again)["told"]) == (0, ["nothing of pyweb.stack is on this host"])
    assert after.differences(snapshot(host)) == []


def test_uninstall_restores_what_was_there_before(baked: Host, project: Project) -> None:
    host = baked
    write(host, "/etc/nginx/nginx.conf", BY_HAND)
    write(host, "/etc/nginx/conf.d/other.conf", OTHER)
    write(host, "/opt/sites/other/notes.txt", "not the collection's\n")
    host.told("chmod 600 /etc/nginx/nginx.conf")
    host.told("systemctl enable --quiet --now nginx firewalld; systemctl reload nginx")
    for option in ("--add-service=http", "--add-service=imaps", "--add-port=9090/tcp"):
        host.told(f"firewall-cmd --quiet --permanent {option}; firewall-cmd --quiet {option}")
    sites = [site("shop", project), site("blog", project, uwsgi={"socket": "127.0.0.1:8001"}, nginx={"listen": [8080]})]
    before = snapshot(host)
    assert ask(host.address, "other.example", "/").body == "theirs\n"

    host.deploy(sites)
    assert ask(host.address, "shop.example", "/healthz").status == 200
    secrets = host.told("cat /etc/sites/*/secret_key")
    converged = snapshot(host)
    predicted = uninstall(host, sites, "--check")
    assert {"/etc/nginx/pyweb_uwsgi_params", "/opt/sites/shop", "/opt/sites/blog"} <= removed(predicted)
    assert "the port 8080/tcp in firewalld's zone public" in removed(predicted)
    assert not {"/var/lib/sites/shop", "the service http in firewalld's zone public"} & removed(predicted)
    assert converged.differences(snapshot(host)) == []

    done = uninstall(host, sites)
    assert removed(done) == removed(predicted)
    assert told(done)["unknown"] == []
    stays = {
        "files": [
            *(r"/etc/(passwd|group|shadow|gshadow)", r"/etc/sites(/.*)?", r"/var/lib/sites(/.*)?"),
            r"/var/lib/pyweb\.stack(/.*)?",
        ],
        "users": [r"site-(shop|blog)"],
        "groups": [r"site-(shop|blog)"],
        "packages": [r".*"],
    }
    after = snapshot(host)
    assert before.differences(after, stays) == []
    assert before.only("packages", ".*").keys() <= after.only("packages", ".*").keys()
    assert ask(host.address, "other.example", "/").body == "theirs\n"
    assert host.told("cat /etc/sites/*/secret_key") == secrets
    assert host.told("ls /var/lib/sites/shop/db.sqlite3 /var/lib/sites/blog/db.sqlite3")
    again = uninstall(host, sites)
    assert again.changed == 0
    assert "uninstall_purge=true removes them" in " ".join(told(again)["kept"])
    assert after.differences(snapshot(host)) == []

    uninstall(host, [], *PURGE, *PACKAGES)
    assert before.differences(snapshot(host), OF_PACKAGES) == []
    assert ask(host.address, "other.example", "/").body == "theirs\n"


@pytest.mark.same_everywhere
def test_uninstall_reports_what_it_cannot_restore_on_a_host_of_0_1_0(
    baked: Host, project: Project, tmp_path: Path
) -> None:
    host = baked
    packaged = host.told("sha256sum /etc/nginx/nginx.conf")
    before = snapshot(host)
    moved = "-e", json.dumps({"web_roots": {"sites": "/srv/web"}})
    earlier.converge(host, [site("shop", project)], tmp_path / "old", *moved)
    assert host.run("ls /var/lib/pyweb.stack").returncode != 0
    # The inventory no longer has the directory of the site.
    assert "/srv/web/shop" in removed(uninstall(host, [], "--check"))
    # A run of this version does not record the current state as the original one.
    run = host.play([site("shop", project)], "deploy.yml", *moved)
    assert run.status == 0, run.error
    assert host.run("ls /var/lib/pyweb.stack/before.json").returncode != 0
    done = uninstall(host, [], *PURGE, *PACKAGES)
    unknown = " ".join(told(done)["unknown"])
    assert "which packages were installed before" in unknown
    assert "whether nginx and firewalld ran before" in unknown
    assert host.told("sha256sum /etc/nginx/nginx.conf") == packaged
    assert host.told("systemctl is-active nginx firewalld").split() == ["active", "active"]
    after = snapshot(host)
    gone = [line for line in before.differences(after) if "site-shop" in line or "/srv" in line or "pyweb" in line]
    assert gone == []
    assert (
        host.told("firewall-cmd --list-services").split()
        == host.told("firewall-cmd --permanent --list-services").split()
    )
    assert "http" not in host.told("firewall-cmd --list-services").split()
    assert uninstall(host, [], *PURGE, *PACKAGES).changed == 0


def uninstall(host: Host, sites: list[dict[str, Any]], *words: str) -> Run:
    run = host.play(sites, "uninstall.yml", *words)
    assert run.status == 0, run.error or run.output[-3000:]
    return run


def told(run: Run) -> dict[str, Any]:
    """Return the result of the module."""
    report = json.JSONDecoder().raw_decode(run.output[run.output.find("{\n") :])[0]
    results = [result for play in report["plays"] for task in play["tasks"] for result in task["hosts"].values()]
    return next(result for result in results if "unknown" in result)


def removed(run: Run) -> set[str]:
    return set(told(run)["removed"])


def write(host: Host, path: str, text: str) -> None:
    host.told(f"mkdir -p $(dirname {path}); cat > {path}", stdin=text)
