"""Accounts, groups, homes and files of a site: it takes over no existing account, and others cannot read its files."""

from __future__ import annotations

from conftest import LOCAL, World
from sites import site

REFUSED = {
    "root": "user is 'root', which is root",
    "toor": "user is 'toor', which is root",
}


def test_a_site_cannot_use_the_account_of_root_of_nginx_or_of_another_program(world: World) -> None:
    web = world.host.told("ps -o user= -C nginx | grep -v root | sort -u")
    world.host.told("useradd --non-unique --uid 0 toor; useradd --system site-other")
    before = world.host.told("getent passwd site-other")
    sites = [
        site(name, world.project, **user)
        for name, user in {"a": {"user": "root"}, "b": {"user": "toor"}, "c": {"user": web}, "other": {}}.items()
    ]
    run = world.host.play(sites)
    assert run.status, "a site got an account of another program"
    for words in (
        *REFUSED.values(),
        f"user is '{web}', which nginx runs as",
        ("an account 'site-other' that no run created"),
    ):
        assert words in run.error
    assert world.host.told("getent passwd site-other") == before
    assert world.host.run("ls -d /opt/sites/other /var/lib/sites/other /opt/sites/a").stdout == ""


def test_the_account_of_a_site_has_no_home_for_ssh_keys(world: World) -> None:
    assert world.host.told("getent passwd site-shop | cut -d: -f6") == "/nonexistent"
    assert world.run_as("site-shop", "mkdir -p /nonexistent/.ssh").returncode
    # The site's processes have HOME nevertheless.
    master = world.host.told("systemctl show --property=MainPID --value 'uwsgi-shop@*' | grep -v '^0$' | head -1")
    assert "HOME=/var/lib/sites/shop" in world.host.told(f"tr '\\0' '\\n' < /proc/{master}/environ").splitlines()


def test_other_users_cannot_read_the_files_of_a_site(world: World) -> None:
    assert set(world.host.told("stat -c %U:%a /etc/sites/shop/*.env").splitlines()) == {"root:600"}
    private = "/etc/sites/shop/secret_key /opt/sites/shop/current/src/manage.py /var/lib/sites/shop/db.sqlite3"
    for user in (LOCAL, "site-blog"):
        done = world.run_as(user, f"cat {private} /etc/sites/shop/*.env")
        assert (done.returncode != 0, done.stdout) == (True, "")


def test_members_of_the_users_group_cannot_read_the_site(world: World) -> None:
    private = "/etc/sites/team/secret_key /opt/sites/team/current/src/manage.py /var/lib/sites/team/db.sqlite3"
    assert world.run_as("ann", f"head -c1 {private}").returncode == 0
    done = world.run_as("bob", f"head -c1 {private}")
    assert (done.returncode != 0, "Permission denied" in done.stderr, done.stdout) == (True, True, "")


def test_one_user_for_two_sites_is_refused(world: World) -> None:
    sites = [{**found, "user": LOCAL} for found in world.inventory.sites]
    run = world.host.play(sites)
    assert run.status
    assert "user is 'mallory', which site 'shop' has, too" in run.error
