"""What is recorded of a host before the first run, and later."""

from __future__ import annotations

import hashlib
import os
import stat

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import files, memory
from ansible_collections.pyweb.stack.plugins.module_utils.model import layout as layouts
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from uninstall_host import users

SHOWN = """Id=nginx.service
ActiveState=active
UnitFileState=enabled

Id=firewalld.service
ActiveState=inactive
UnitFileState=
"""


class Host:
    """A root directory below tmp_path in place of /etc and /run."""

    def __init__(self, root, monkeypatch):
        self.root = root
        for name in ("LOCKS", "SYSTEMD", "SYSUSERS", "TMPFILES", "FIREWALLD_RECORDS"):
            monkeypatch.setattr(layouts, name, f"{root}{getattr(layouts, name)}")
        for name in ("NGINX", "FIREWALLD", "SELINUX_MODULE"):
            monkeypatch.setattr(memory, name, f"{root}{getattr(memory, name)}")
        monkeypatch.setattr(memory, "PRESETS", f"{root}{memory.PRESETS}")
        monkeypatch.setattr(memory.held_units, "BEGUN", f"{root}{memory.held_units.BEGUN}")
        for name in ("FOLDERS", "NGINX_OWN"):
            monkeypatch.setattr(memory, name, tuple(f"{root}{path}" for path in getattr(memory, name)))

    def put(self, path, text=""):
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def remember(self, *packages):
        memory.remember(lambda argv: (0, SHOWN, ""), packages)
        return memory.before()


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


def test_the_first_run_records_the_state_of_the_host(host):
    host.put("/etc/nginx/nginx.conf", "events {}\n")
    os.symlink("../sites-available/default", host.root / "etc/nginx/default")
    host.put("/etc/firewalld/zones/public.xml", "<zone/>")
    noted = host.remember("git", "base-files")
    assert noted["packages"] == ["base-files", "git"]
    assert noted["services"] == {
        "nginx": {"active": "active", "enabled": "enabled"},
        "firewalld": {"active": "inactive", "enabled": ""},
    }
    assert noted["firewalld"]["configured"] is True
    assert noted["firewalld"]["files"] == {f"{host.root}/etc/firewalld/zones/public.xml": "<zone/>"}
    etc = f"{host.root}/etc/nginx"
    text = hashlib.sha256(b"events {}\n").hexdigest()
    assert noted["nginx"] == {f"{etc}/default": "link ../sites-available/default", f"{etc}/nginx.conf": text}
    assert "root" in noted["users"]
    assert "root" in noted["groups"]
    assert noted["folders"] == [f"{host.root}{path}" for path in ("/etc/firewalld", "/etc/nginx")]
    assert stat.S_IMODE(os.stat(layouts.BEFORE).st_mode) == 0o600


@pytest.mark.parametrize(
    "path",
    [
        "/etc/sysusers.d/site-shop.conf",
        "/run/pyweb.stack/begun-packages",
        "/run/systemd/system-preset/00-pyweb.stack.preset",
    ],
)
def test_the_record_is_kept_once_a_run_has_changed_the_host(host, path):
    first = host.remember("git")
    host.put(path, "# Written by pyweb.stack.\n")
    assert host.remember("git", "nginx") == {**first, "begun": True}
    (host.root / path[1:]).unlink()
    assert host.remember("git", "nginx") == {**first, "begun": True}


def test_the_record_is_kept_once_packages_were_installed(host):
    first = host.remember("git")
    memory.note_packages(["git", "nginx"])
    assert host.remember("git", "nginx") == {**first, "begun": True}


def test_the_record_is_kept_once_a_site_has_directories(host):
    first = host.remember("git")
    memory.note_site(Layout.under("shop"), "site-shop", True, [])
    files.forget(Layout.under("shop").memory)
    assert host.remember("git", "nginx") == {**first, "begun": True}


def test_the_record_of_a_refused_run_is_made_again(host):
    """The administrator may have changed the host before the next run."""
    host.remember("git")
    host.put("/etc/nginx/nginx.conf", "events {}\n")
    noted = host.remember("git", "nginx")
    assert noted["packages"] == ["git", "nginx"]
    assert f"{host.root}/etc/nginx/nginx.conf" in noted["nginx"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/sysusers.d/site-shop.conf", "# Written by pyweb.stack.\n"),
        ("/etc/systemd/system/uwsgi-shop.service", "# Written by pyweb.stack: change the inventory instead.\n"),
        ("/etc/nginx/nginx.conf", "#\n# Ansible managed\n#\n# pyweb.stack.nginx: the whole of nginx.conf\n"),
        ("/etc/nginx/conf.d/pyweb_http.conf", "# pyweb.stack.nginx: for all sites.\n"),
        ("/etc/firewalld/pyweb.stack/web.json", "{}"),
        ("/etc/selinux/pyweb_stack.cil", ""),
    ],
)
def test_a_host_of_an_earlier_version_gets_no_false_record(host, path, text):
    host.put(path, text)
    assert not memory.is_unknown()
    assert host.remember("git") == {}


@pytest.mark.parametrize(
    "path",
    ["/etc/sysusers.d/site-shop.conf", "/etc/systemd/system/uwsgi-shop.service", "/etc/nginx/nginx.conf"],
)
def test_a_foreign_file_with_a_managed_name_is_not_a_sign_of_an_earlier_run(host, path):
    host.put(path, "# Written by hand\n" + 20 * "#\n" + "# Written by pyweb.stack\n")
    assert host.remember("git")["packages"] == ["git"]


def test_a_link_is_never_recognized_as_managed(host):
    host.put("/elsewhere", "# Written by pyweb.stack.\n")
    os.symlink(host.root / "elsewhere", host.root / "link")
    assert memory.is_marked(f"{host.root}/elsewhere")
    assert not memory.is_marked(f"{host.root}/link")
    assert not memory.is_marked(str(host.root))


def test_packages_installed_during_a_run_are_recorded(host):
    host.remember("git")
    memory.note_packages(["git", "nginx", "nginx-common"])
    host.remember("git", "nginx", "nginx-common", "the-users-own")
    memory.note_packages(["git", "nginx", "nginx-common", "the-users-own", "firewalld"])
    assert memory.brought() == ["firewalld", "nginx", "nginx-common"]
    memory.leave_packages(["nginx"])
    assert memory.brought() == ["nginx"]
    memory.leave_packages([])
    assert memory.brought() == []


def test_packages_that_a_failed_run_installs_in_the_background_are_recorded(host):
    host.remember("git")
    memory.note_packages(["git"], begun=["nginx"])
    host.remember("git", "nginx", "nginx-common")
    host.remember("git", "nginx", "nginx-common", "the-users-own")
    assert memory.brought() == ["nginx", "nginx-common"]


def test_accounts_created_by_packages_are_recorded(host, monkeypatch):
    users(monkeypatch, root=0)
    host.remember("git")
    users(monkeypatch, root=0, nginx=990)
    memory.note_packages(["git", "nginx"])
    assert (memory.brought("users"), memory.brought("groups")) == (["nginx"], ["nginx"])
    host.remember("git", "nginx")
    users(monkeypatch, root=0, nginx=990, theirs=1000)
    host.remember("git", "nginx")
    memory.note_packages(["git", "nginx", "firewalld"])
    assert memory.brought("users") == ["nginx"]


def test_nothing_is_recorded_if_no_run_began(host):
    memory.note_packages(["git"])
    assert memory.brought() == []


def test_packages_that_an_uninstall_left_are_recorded_again_by_the_next_first_run(host):
    host.put("/etc/sysusers.d/other.conf")
    host.remember("git")
    memory.note_packages(["git", "nginx"])
    memory.note_site(Layout.under("shop"), "root", managed=True, made=["/opt/sites"])
    memory.leave(memory.before())
    os.unlink(layouts.BEFORE)
    host.put("/etc/nginx/mime.types")
    again = host.remember("git", "nginx", "the-users-own")
    assert again["packages"] == ["git", "the-users-own"]
    assert "root" not in again["users"]
    assert again["folders"] == [f"{host.root}/etc/sysusers.d"]
    assert not os.path.exists(layouts.LEFT)


def test_a_site_is_recorded_with_its_directories(host):
    shop, blog = (Layout.under(name, {"sites": "/srv/web"}) for name in ("shop", "blog"))
    memory.note_site(shop, "site-shop", managed=True, made=["/srv/web"])
    memory.note_site(blog, "huatai", managed=False, made=[])
    noted = memory.sites()
    assert noted["shop"]["paths"]["root"] == "/srv/web/shop"
    assert (noted["shop"]["user"], noted["shop"]["managed"], noted["shop"]["made"]) == ("site-shop", True, ["/srv/web"])
    # The site that is removed last also removes what was made for the first.
    assert (noted["blog"]["user"], noted["blog"]["managed"], noted["blog"]["made"]) == ("huatai", False, ["/srv/web"])
    before = os.stat(shop.memory).st_mtime_ns
    memory.note_site(shop, "site-shop", managed=True, made=[])
    assert os.stat(shop.memory).st_mtime_ns == before
