"""nginx's logs are created before nginx writes to them, and other users cannot read them."""

from __future__ import annotations

import grp
import os
import pwd
import stat

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import logs

AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="it changes owners of files")
OWNER = logs.Owner(1234, 4321, 0o640)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "owner_of_logs", lambda: OWNER)
    return tmp_path


def facts(path):
    found = os.lstat(path)
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


def test_paths_of_logs_are_read_from_the_configuration():
    text = """
    access_log /var/log/nginx/shop.access.log;
    error_log /var/log/nginx/shop.error.log warn;
    access_log off;
    access_log /srv/elsewhere.log combined;
    access_log /var/log/nginx/$host.log;
    # access_log /var/log/nginx/comment.log;
    access_log syslog:server=10.0.0.1 combined;
    """
    assert logs.named([text, text]) == ["/var/log/nginx/shop.access.log", "/var/log/nginx/shop.error.log"]


@AS_ROOT
def test_a_missing_log_is_created_as_by_logrotate(folder):
    path = str(folder / "shop.access.log")
    assert logs.ensure([path], dry=True) == [{"path": path, "state": "created"}]
    assert not os.path.exists(path)
    assert logs.ensure([path], dry=False) == [{"path": path, "state": "created"}]
    assert facts(path) == OWNER
    assert logs.ensure([path], dry=False) == []


@AS_ROOT
def test_a_log_that_nginx_created_is_closed_to_other_users(folder):
    path = folder / "shop.access.log"
    path.write_text("a line\n")
    path.chmod(0o644)
    assert logs.ensure([str(path)], dry=False) == [{"path": str(path), "state": "changed"}]
    assert (facts(path), path.read_text()) == (OWNER, "a line\n")


@AS_ROOT
def test_a_log_of_another_user_and_a_link_are_not_changed(folder):
    theirs, link, target = folder / "theirs", folder / "link", folder / "target"
    for path in (theirs, target):
        path.write_text("")
        path.chmod(0o644)
    os.chown(theirs, 99, 99)
    link.symlink_to(target)
    assert logs.ensure([str(theirs), str(link)], dry=False) == []
    assert (facts(theirs), facts(target)) == ((99, 99, 0o644), (0, 0, 0o644))


def test_nothing_is_created_without_nginx(tmp_path):
    path = str(tmp_path / "no/such/log")
    assert logs.ensure([path], dry=True) == [{"path": path, "state": "created"}]
    assert logs.ensure([path], dry=False) == []
    assert not os.path.exists(path)


@AS_ROOT
def test_a_log_that_was_created_for_refused_files_is_removed(folder):
    new, used = folder / "new", folder / "used"
    made = logs.ensure([str(new), str(used)], dry=False)
    used.write_text("a line\n")
    logs.forget(made)
    assert (new.exists(), used.exists()) == (False, True)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{\n\tcreate 0640 daemon bin\n}\n", ("daemon", "bin", 0o640)),
        ("{\n  create 0600 bin daemon\n}\n", ("bin", "daemon", 0o600)),
    ],
)
def test_owner_of_the_logs_is_read_from_logrotate(tmp_path, text, wanted):
    (tmp_path / "nginx").write_text("/var/log/nginx/*.log " + text)
    user, group, mode = wanted
    found = logs.owner_of_logs(str(tmp_path / "nginx"))
    assert found == (pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid, mode)


@pytest.mark.parametrize("text", ["", "create 0640 nobody-here nowhere\n"])
def test_owner_of_the_logs_defaults_to_nginxs_user(tmp_path, monkeypatch, text):
    (tmp_path / "nginx").write_text(text)
    monkeypatch.setattr(logs.accounts, "nginx_account", lambda: ("daemon", "daemon"))
    assert logs.owner_of_logs(str(tmp_path / "nginx")) == (pwd.getpwnam("daemon").pw_uid, 0, 0o640)
    monkeypatch.setattr(logs.accounts, "nginx_account", lambda: ("", ""))
    assert logs.owner_of_logs(str(tmp_path / "nginx")) == (0, 0, 0o640)
