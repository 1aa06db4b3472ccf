"""The user and the directories of a site: what is created, kept and removed."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import accounts, builder, memory
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model import layout as layouts
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from builds import AS_ROOT

USERS = {"root": 0, "site-shop": 900, "huatai": 1000, "build-shop": 910}
GROUPS = {"root": 0, "site-shop": 901, "staff": 1001, "nginx": 33, "build-shop": 911}
FOLDERS = {"opt/shop", "opt/shop/builds", "opt/shop/virtualenvs", "opt/shop/releases"}
DATA = {"var/shop": 0o711, "etc/shop": 0o750, "cache/shop": 0o700, "var/shop/media": 0o2750}
ACCOUNT = {"etc/sysusers/build-shop.conf", "build-shop"}


class System:
    """The module os, except for the owners of files."""

    def __init__(self, host):
        self.fstat = lambda descriptor: host.stat(f"/proc/self/fd/{descriptor}")

    def __getattr__(self, name):
        return getattr(os, name)


class Host:
    """A root directory below tmp_path. Accounts and owners are only recorded; `users` are the existing accounts."""

    def __init__(self, root, monkeypatch):
        self.root, self.users, self.owners, self.calls = root, {"root", "huatai"}, {}, []
        self.homes, self.members = {"huatai": "/home/huatai"}, {}
        self.layout = Layout.under(
            "shop",
            {
                "sites": f"{root}/opt",
                "state": f"{root}/var",
                "config": f"{root}/etc",
                "run": f"{root}/run",
                "cache": f"{root}/cache",
            },
        )
        monkeypatch.setattr(layouts, "SYSUSERS", f"{root}/etc/sysusers")
        monkeypatch.setattr(layouts, "TMPFILES", f"{root}/etc/tmpfiles")
        monkeypatch.setattr(pwd, "getpwnam", self.user)
        monkeypatch.setattr(grp, "getgrnam", lambda name: self.group(GROUPS[name]))
        monkeypatch.setattr(grp, "getgrgid", self.group)
        monkeypatch.setattr(pwd, "getpwall", lambda: [self.user(name) for name in self.users])
        monkeypatch.setattr(grp, "getgrall", self.groups)
        monkeypatch.setattr(builder, "os", System(self))
        monkeypatch.setattr(os, "fchown", lambda fd, uid, gid: self.own(f"/proc/self/fd/{fd}", uid, gid))
        monkeypatch.setattr(accounts, "os", System(self))

    def user(self, name):
        if name not in self.users:
            raise KeyError(name)
        gid = {"huatai": 1001}.get(name, GROUPS.get(name, 0))
        home = self.homes.get(name, "/nonexistent")
        return SimpleNamespace(pw_name=name, pw_uid=USERS[name], pw_gid=gid, pw_dir=home)

    def group(self, gid):
        name = next(name for name, number in GROUPS.items() if number == gid)
        return SimpleNamespace(gr_name=name, gr_gid=gid, gr_mem=self.members.get(name, []))

    def groups(self):
        return [SimpleNamespace(gr_name=name, gr_mem=sorted(self.members.get(name, ()))) for name in GROUPS]

    def own(self, path, uid, gid):
        self.owners[os.stat(path).st_ino] = (uid, gid)

    def stat(self, path):
        found = os.stat(path)
        uid, gid = self.owners.get(found.st_ino, (found.st_uid, found.st_gid))
        return SimpleNamespace(st_mode=found.st_mode, st_uid=uid, st_gid=gid, st_ino=found.st_ino)

    def run(self, step, argv, environment=None):
        """Do what systemd and userdel would do, as far as the accounts can see it."""
        self.calls.append([step, *(word.replace(str(self.root), "") for word in argv)])
        if argv[0] == "systemd-sysusers":
            for line in Path(argv[1]).read_text().splitlines():
                kind, name, *more = line.split()
                if kind == "u":
                    self.users.add(name)
                if kind == "m":
                    self.members.setdefault(more[0], []).append(name)
        if argv[:2] == ["usermod", "--groups"]:
            self.members = {argv[2]: [argv[3]]}
        if argv[0] == "systemd-tmpfiles":
            os.makedirs(self.layout.run, exist_ok=True)
        if argv[0] == "vipw":
            passwd = self.root / "passwd"
            passwd.write_text("".join(f"{user}:x:1:1:a site:{self.homes.get(user)}:/bin/sh\n" for user in self.users))
            subprocess.run(f"{environment['EDITOR']} {passwd}", shell=True, check=True)  # noqa: S602 - vipw does it so
            self.homes.update((line.split(":")[0], line.split(":")[5]) for line in passwd.read_text().splitlines())
            passwd.unlink()
        if argv[0] == "userdel":
            self.users.remove(argv[1])

    def ensure(self, user="site-shop", managed=True, check_mode=False, shared=False, builds="build-shop"):
        changes = accounts.ensure(self.layout, user, managed, "nginx", self, check_mode, shared, builds)
        return {path.replace(f"{self.root}/", "") for path in changes}

    def forget(self, user="site-shop", managed=True, purge=False, check_mode=False):
        changes = accounts.forget(self.layout, user, managed, purge, self, check_mode)
        return [path.replace(f"{self.root}/", "") for path in changes]

    def files(self):
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*"))

    def of(self, path):
        found = self.stat(self.root / path)
        return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


def test_a_new_site_gets_user_directories_and_key(host):
    made = {"etc/sysusers/site-shop.conf", "etc/tmpfiles/site-shop.conf", *FOLDERS, *DATA, "etc/shop/secret_key"}
    assert host.ensure() == {*made, *ACCOUNT}
    assert host.calls == [
        ["accounts", "systemd-sysusers", "/etc/sysusers/site-shop.conf"],
        ["accounts", "systemd-tmpfiles", "--create", "/etc/tmpfiles/site-shop.conf"],
        ["accounts", "systemd-sysusers", "/etc/sysusers/build-shop.conf"],
    ]
    assert {path: host.of(path) for path in FOLDERS} == dict.fromkeys(FOLDERS, (0o755, 0, 0))
    assert host.of("var/shop") == (0o711, 900, 901)
    assert host.of("etc/shop") == (0o750, 0, 901)
    assert host.of("cache/shop") == (0o700, 910, 911)
    assert host.of("var/shop/media") == (0o2750, 900, 33)
    assert host.of("etc/shop/secret_key") == (0o640, 0, 901)
    key = (host.root / "etc/shop/secret_key").read_text()
    assert len(key.strip()) >= 50
    assert key.endswith("\n")


def test_a_second_run_changes_nothing_and_runs_no_command(host):
    host.ensure()
    before = (host.root / "etc/shop/secret_key").read_text()
    host.calls.clear()
    assert host.ensure() == set()
    assert host.calls == []
    assert (host.root / "etc/shop/secret_key").read_text() == before


def test_check_mode_predicts_and_creates_nothing(host):
    predicted = host.ensure(check_mode=True)
    assert predicted == {
        "etc/sysusers/site-shop.conf",
        "etc/tmpfiles/site-shop.conf",
        *FOLDERS,
        *DATA,
        *ACCOUNT,
        "etc/shop/secret_key",
    }
    assert (host.files(), host.calls) == ([], [])


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize(
    ("user", "managed", "wanted"),
    [
        ("root", False, "user is 'root', which is root: the site's code could do anything; name another account"),
        ("toor", False, "user is 'toor', which is root"),
        ("nginx", False, "user is 'nginx', which nginx runs as: the site could read what nginx can read"),
        ("www", False, "user is 'www', which nginx runs as"),
        (
            "site-shop",
            True,
            ("this host has an account 'site-shop' that no run created, and the site would take it over"),
        ),
    ],
)
def test_an_account_that_a_site_must_not_have_is_refused(host, monkeypatch, user, managed, wanted, check_mode):
    monkeypatch.setitem(USERS, "toor", 0)
    monkeypatch.setitem(USERS, "nginx", 33)
    monkeypatch.setitem(USERS, "www", 33)
    monkeypatch.setattr(accounts, "nginx_account", lambda: ("nginx", "nginx"))
    host.users |= {"toor", "nginx", "www", "site-shop"}
    with pytest.raises(StepError, match=wanted):
        host.ensure(user, managed, check_mode)
    assert (host.files(), host.calls) == ([], [])


def test_account_of_an_absent_site_with_kept_data_is_reused(host, monkeypatch):
    monkeypatch.setattr(accounts.nofollow, "status", host.stat)
    host.ensure()
    host.forget()
    os.unlink(host.layout.memory)
    assert "cache/shop" in host.ensure()


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_user_of_the_host_must_exist(host, check_mode):
    wanted = (
        "site 'shop': accounts failed: user is 'nobody-here', which this host does not have; create it, or remove the "
        "key"
    )
    with pytest.raises(StepError, match=wanted):
        host.ensure("nobody-here", managed=False, check_mode=check_mode)
    assert (host.files(), host.calls) == ([], [])


def test_a_user_of_the_host_is_not_created_and_its_group_is_used(host):
    host.ensure("huatai", managed=False)
    assert (host.root / "etc/sysusers/site-shop.conf").read_text() == "# Written by pyweb.stack.\ng nginx -\n"
    assert host.of("var/shop") == (0o711, 1000, 1001)
    assert host.of("etc/shop") == (0o750, 0, 1001)
    assert host.members == {"staff": ["build-shop"]}


@pytest.mark.parametrize(
    ("damage", "change"),
    [
        (lambda host: os.rmdir(host.layout.run), "run/shop"),  # After a boot without systemd-tmpfiles.
        (lambda host: host.users.remove("site-shop"), "site-shop"),
        (lambda host: os.unlink(host.layout.tmpfiles), "etc/tmpfiles/site-shop.conf"),
        (lambda host: host.users.remove("build-shop"), "build-shop"),
        (lambda host: os.unlink(host.layout.builder_sysusers), "etc/sysusers/build-shop.conf"),
        # The site had another user before, so the file was in another group.
        (lambda host: host.members.update({"staff": ["build-shop"]}), "the groups of build-shop"),
    ],
)
def test_missing_directories_and_files_are_created_again(host, damage, change):
    host.ensure()
    host.calls.clear()
    damage(host)
    assert change in host.ensure(check_mode=True)
    assert host.calls == []
    assert host.ensure() == {change}
    assert {call[1] for call in host.calls} <= {"systemd-sysusers", "systemd-tmpfiles", "usermod"}
    assert host.ensure() == set()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path, _host: os.chmod(path, 0o701),
        lambda path, host: host.own(path, 900, 901),
        lambda path, host: host.own(path, 910, 7),
    ],
)
def test_mode_and_owner_of_a_directory_are_corrected(host, damage):
    host.ensure()
    damage(host.layout.cache, host)
    assert host.ensure(check_mode=True) == {"cache/shop"}
    assert host.ensure() == {"cache/shop"}
    assert host.of("cache/shop") == (0o700, 910, 911)


def test_media_outside_the_state_directory_keep_their_mode(host):
    host.layout = Layout("shop", {**host.layout.paths, "media": f"{host.root}/mnt/media"})
    assert "mnt/media" in host.ensure()
    assert host.of("mnt/media") == (0o2750, 900, 33)
    os.chmod(host.layout.media, 0o700)
    assert host.ensure() == set()


@AS_ROOT
@pytest.mark.parametrize(("path", "check_mode"), [("media", True), ("media", False), ("", False)])
def test_a_link_that_a_site_put_in_place_of_its_directory_is_refused(host, path, check_mode):
    host.ensure()
    (host.root / "cron").mkdir()
    link = (host.root / "var/shop" / path) if path else host.root / "cache/shop"
    os.rename(link, f"{link}2")
    os.symlink(host.root / "cron", link)
    os.chown(link, 12345, 12345, follow_symlinks=False)
    with pytest.raises(
        StepError, match=rf"{link} is a link of the user 12345, and root follows links of root only; remove it"
    ):
        host.ensure(check_mode=check_mode)
    assert host.of("cron") == (0o755, 0, 0)


def test_an_account_of_0_1_loses_the_home_directory_that_its_site_can_write(host):
    host.ensure()
    host.homes["site-shop"] = host.layout.state
    assert host.ensure(check_mode=True) == {"site-shop: home /nonexistent"}
    assert host.ensure() == {"site-shop: home /nonexistent"}
    assert ["accounts", "vipw", "--passwd", "--quiet"] in host.calls
    assert host.homes["huatai"] == "/home/huatai"
    assert host.ensure() == set()


def test_home_directory_of_a_user_of_the_host_stays(host):
    host.ensure("huatai", managed=False)
    assert host.homes["huatai"] == "/home/huatai"
    assert not any("vipw" in call for call in host.calls)


@AS_ROOT
@pytest.mark.parametrize(
    ("text", "mode", "after"),
    [
        ('A="1"\n', 0o640, 'HOME="{state}"\nA="1"\n'),
        ('A="1"\nHOME="/srv/x"\n', 0o640, 'A="1"\nHOME="/srv/x"\n'),
        ('A="1"\n', 0o600, 'HOME="{state}"\nA="1"\n'),
    ],
)
def test_environment_files_of_0_1_get_a_strict_mode_and_home(host, text, mode, after):
    host.ensure()
    path = host.root / "etc/shop/0123456789ab.env"
    path.write_text(text)
    path.chmod(mode)
    assert host.ensure(check_mode=True) == {"etc/shop/0123456789ab.env"}
    assert path.read_text() == text
    assert host.ensure() == {"etc/shop/0123456789ab.env"}
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == (after.format(state=host.layout.state), 0o600)
    assert host.ensure() == set()


def test_a_site_whose_user_shares_its_group_gets_a_group_of_its_own(host, monkeypatch):
    host.members["staff"] = ["teammate"]
    assert "etc/shop" in host.ensure("huatai", managed=False)
    text = (host.root / "etc/sysusers/site-shop.conf").read_text()
    assert text == "# Written by pyweb.stack.\ng nginx -\ng site-shop -\nm huatai site-shop\n"
    assert host.of("etc/shop") == (0o750, 0, 901)
    assert host.of("etc/shop/secret_key") == (0o640, 0, 901)
    # The shared group must not read the site's data either, whatever groups its processes have.
    assert host.of("var/shop") == (0o2711, 1000, 901)
    host.members["staff"] = []
    assert host.ensure("huatai", managed=False) == set()
    assert host.forget("huatai", managed=False, purge=True)[-1] == "group site-shop"
    assert host.calls[-1] == ["accounts", "groupdel", "site-shop"]


def test_a_group_with_an_unknown_member_is_refused(host):
    host.members.update({"staff": ["teammate"], "site-shop": ["huatai", "mallory"]})
    with pytest.raises(StepError, match="this host has a group 'site-shop' with the members mallory, who could read"):
        host.ensure("huatai", managed=False)
    assert (host.files(), host.calls) == ([], [])


def test_the_user_of_another_inventorys_site_is_shared_only_on_request(host):
    host.ensure("huatai", managed=False)
    host.layout = Layout("blog", host.layout.paths)
    with pytest.raises(StepError, match="user is 'huatai', which the site 'shop' of this host has, too: each could"):
        host.ensure("huatai", managed=False)
    host.ensure("huatai", managed=False, shared=True)


def test_another_name_with_the_same_uid_is_the_same_user(host, monkeypatch):
    for name, number in {"alias": 1000, "builder": 910}.items():
        monkeypatch.setitem(USERS, name, number)
        host.users.add(name)
    host.ensure("huatai", managed=False)
    host.layout = Layout("blog", host.layout.paths)
    with pytest.raises(StepError, match="user is 'alias', which the site 'shop' of this host has, too"):
        host.ensure("alias", managed=False)
    with pytest.raises(StepError, match="user is 'builder', an account that builds"):
        host.ensure("builder", managed=False)


# --- the account that builds ---


def test_no_build_account_is_created_if_the_sites_user_builds(host):
    assert not ACCOUNT & host.ensure(builds="site-shop")
    assert host.of("cache/shop") == (0o700, 900, 901)
    assert "builder" not in memory.sites()["shop"]
    assert host.ensure(builds="site-shop") == set()


def test_the_build_account_does_not_use_a_cache_that_the_site_could_write(host):
    host.ensure(builds="site-shop")
    (host.root / "cache/shop/uv/archive").mkdir(parents=True)
    (host.root / "cache/shop/uv/archive/django.py").write_text("poisoned")
    assert host.ensure(check_mode=True) == {*ACCOUNT, "cache/shop"}
    assert (host.root / "cache/shop/uv").exists()
    assert host.ensure() == {*ACCOUNT, "cache/shop"}
    assert os.listdir(host.layout.cache) == []
    (host.root / "cache/shop/uv").mkdir()
    assert host.ensure() == set()
    assert os.listdir(host.layout.cache) == ["uv"]


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("old", [True, False])
def test_an_existing_account_of_the_host_is_not_used_as_build_account(host, check_mode, old):
    if old:  # A host of 0.1.
        host.ensure(builds="site-shop")
    host.users.add("build-shop")
    before = host.files()
    with pytest.raises(StepError, match=r"an account 'build-shop' that no run created.*rename it"):
        host.ensure(check_mode=check_mode)
    assert host.files() == before
    host.forget(purge=True)
    assert "build-shop" in host.users


def test_a_build_account_cannot_be_the_user_of_a_site(host):
    host.ensure()
    host.layout = Layout("other", host.layout.paths)
    with pytest.raises(StepError, match="user is 'build-shop', an account that builds: the site could change"):
        host.ensure("build-shop", managed=False, builds="build-other")


def test_a_removed_build_account_is_no_longer_recorded_as_created(host):
    host.ensure()
    assert memory.sites()["shop"]["builder"] == "build-shop"
    host.forget()
    assert "builder" not in memory.sites()["shop"]
    host.users.add("build-shop")
    with pytest.raises(StepError, match="that no run created"):
        host.ensure()


def test_an_empty_key_file_is_written_again(host):
    host.ensure()
    (host.root / "etc/shop/secret_key").write_text(" \n")
    assert host.ensure(check_mode=True) == {"etc/shop/secret_key"}
    assert host.ensure() == {"etc/shop/secret_key"}
    assert (host.root / "etc/shop/secret_key").read_text().strip()


GONE = ["etc/sysusers/site-shop.conf", "etc/tmpfiles/site-shop.conf", "run/shop", "cache/shop"]
BUILDER_GONE = ["etc/sysusers/build-shop.conf", "build-shop"]


def test_without_purge_data_and_account_stay(host):
    host.ensure()
    (host.root / "var/shop/db.sqlite3").write_text("precious")
    assert host.forget(check_mode=True) == [*GONE, *BUILDER_GONE]
    assert os.path.exists(host.layout.run)
    assert host.forget() == [*GONE, *BUILDER_GONE]
    assert (host.root / "var/shop/db.sqlite3").read_text() == "precious"
    assert (host.root / "etc/shop/secret_key").exists()
    assert not any((host.root / path).exists() for path in GONE)
    assert host.users == {"root", "huatai", "site-shop"}
    assert [call[1:] for call in host.calls if "userdel" in call] == [["userdel", "build-shop"]]
    assert host.forget() == []


def test_purge_removes_data_and_account(host):
    host.ensure()
    predicted = host.forget(purge=True, check_mode=True)
    assert predicted == [*GONE, "var/shop", "etc/shop", *BUILDER_GONE, "site-shop"]
    assert os.path.exists(host.layout.state)
    assert {"site-shop", "build-shop"} <= host.users
    assert host.forget(purge=True) == predicted
    # A group with other members would stay.
    assert host.calls[-2:] == [["accounts", "userdel", "build-shop"], ["accounts", "userdel", "site-shop"]]
    assert not any((host.root / path).exists() for path in [*GONE, "var/shop", "etc/shop"])
    assert host.forget(purge=True) == []
    assert host.calls[-1] == ["accounts", "userdel", "site-shop"]
    assert len([call for call in host.calls if "userdel" in call]) == 2


def test_purge_leaves_the_certificate_that_nginx_still_reads(host):
    host.ensure()
    os.makedirs(f"{host.layout.tls}/pairs/aaaaaaaaaaaa")
    os.symlink("pairs/aaaaaaaaaaaa", host.layout.tls_live)
    predicted = host.forget(purge=True, check_mode=True)
    assert host.forget(purge=True) == predicted
    assert os.listdir(host.layout.config) == ["tls"]
    assert os.path.exists(host.layout.memory)
    # The role nginx removes its own files first, and the link with them.
    os.unlink(host.layout.tls_live)
    host.forget(purge=True)
    assert not os.path.exists(host.layout.config)
    assert not os.path.exists(host.layout.memory)


@pytest.mark.parametrize("purge", [True, False])
def test_an_account_that_was_not_created_by_a_run_is_never_removed(host, purge):
    host.ensure("huatai", managed=False)
    assert "huatai" not in host.forget("huatai", managed=False, purge=purge)
    assert "huatai" in host.users
    assert [call[1:] for call in host.calls if "userdel" in call] == [["userdel", "build-shop"]]


@pytest.mark.parametrize(
    ("groups", "wanted", "group"),
    [
        (["www-data", "nginx"], "", "nginx"),
        (["www-data"], "", "www-data"),
        (["root"], "", "nginx"),
        (["nginx"], "caddy", "caddy"),
    ],
)
def test_the_group_of_the_web_server(monkeypatch, groups, wanted, group):
    monkeypatch.setattr(grp, "getgrall", lambda: [SimpleNamespace(gr_name=name) for name in groups])
    monkeypatch.setattr(accounts, "nginx_account", lambda: ("", ""))
    assert accounts.web_group(wanted) == group


def test_directories_of_a_site_are_recorded_until_its_data_is_removed(host):
    host.ensure(check_mode=True)
    assert memory.sites() == {}
    host.ensure()
    noted = memory.sites()["shop"]
    assert (noted["user"], noted["managed"], noted["paths"]) == ("site-shop", True, host.layout.paths)
    made = [path.replace(f"{host.root}/", "") for path in noted["made"]]
    assert made == ["cache", "etc", "opt", "run", "var"]
    host.forget()
    assert "shop" in memory.sites()
    host.forget(purge=True, check_mode=True)
    assert "shop" in memory.sites()
    host.forget(purge=True)
    assert memory.sites() == {}


@pytest.mark.parametrize(
    ("text", "account"),
    [
        ("", ("", "")),
        ("# user x;\nuser deploy;\n", ("deploy", "deploy")),
        ("worker_processes 1; user deploy web ;", ("deploy", "web")),
        ("user 'deploy' \"web\";", ("deploy", "web")),
        ("auth_basic_user_file x;", ("nobody", "nogroup")),
    ],
)
def test_nginx_user_is_read_from_its_configuration(tmp_path, monkeypatch, text, account):
    (tmp_path / "nginx.conf").write_text(text)
    monkeypatch.setattr(accounts, "_compiled_account", lambda: ("nobody", "nogroup"))
    assert accounts.nginx_account(str(tmp_path / "nginx.conf")) == account
    assert accounts.nginx_account(str(tmp_path / "none")) == ("", "")


@pytest.mark.parametrize(
    ("told", "account"),
    [
        ("configure arguments: --user=nginx --group=nginx --with-x", ("nginx", "nginx")),
        ("configure arguments: --user=web", ("web", "web")),
        ("configure arguments: --prefix=/usr", ("nobody", "nogroup")),
    ],
)
def test_nginx_user_defaults_to_the_compiled_one(monkeypatch, tmp_path, told, account):
    nginx = tmp_path / "nginx"
    nginx.write_text(f"#!/bin/sh\n[ $# = 1 ] && [ $1 = -V ] && echo '{told}' >&2\n")
    nginx.chmod(0o755)
    monkeypatch.setattr(accounts.shutil, "which", lambda _name, path: str(nginx))
    monkeypatch.setattr(accounts, "group_of", lambda _user: "nogroup")
    assert accounts._compiled_account() == account


def test_the_group_of_the_web_server_is_read_from_nginx_conf(monkeypatch):
    monkeypatch.setattr(grp, "getgrall", lambda: [SimpleNamespace(gr_name=name) for name in ("www-data", "deploy")])
    monkeypatch.setattr(accounts, "nginx_account", lambda: ("deploy", "deploy"))
    assert accounts.web_group() == "deploy"
    monkeypatch.setattr(accounts, "nginx_account", lambda: ("gone", "gone"))
    assert accounts.web_group() == "www-data"


@pytest.mark.parametrize("paths", ["", "{state}/invoices:{state}/a/b:/srv/elsewhere"])
def test_nginx_can_read_protected_files_in_the_data_directory(host, paths):
    """They get the mode of the media. Directories elsewhere are not created."""
    state = host.layout.state
    given = {"protected": paths.format(state=state)} if paths else {}
    host.layout = Layout("shop", {**host.layout.paths, **given})
    made = {"var/shop/invoices", "var/shop/a/b"} if paths else set()
    assert made == {path for path in host.ensure() if path.startswith("var/shop/") and "media" not in path}
    for path in made:
        assert host.of(path) == (0o2750, 900, 33)
    assert not host.ensure() & made
