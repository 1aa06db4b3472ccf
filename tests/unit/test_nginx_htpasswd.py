"""Passwords of a site: hashes that crypt() supports, and a file that a second run does not change."""

from __future__ import annotations

import json
import shutil
import subprocess
from unittest.mock import MagicMock

import pytest
from ansible_collections.pyweb.stack.plugins.action import nginx_set as action
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import htpasswd
from ansible_collections.pyweb.stack.plugins.modules import nginx_set
from test_nginx_set import world  # noqa: F401 - a fixture

SECRET = "correct-horse-battery"
# The first example in Drepper's "Unix crypt using SHA-256 and SHA-512".
KNOWN = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"


def test_the_hash_is_that_of_the_specification():
    assert htpasswd.hashed("Hello world!", "saltstring") == KNOWN


@pytest.mark.skipif(not shutil.which("openssl"), reason="the host has no openssl to compare with")
@pytest.mark.parametrize("password", ["x", "a" * 63, "b" * 64, "c" * 65, "d" * 200, "pässwörd: $6$ 'q\""])
def test_the_hash_is_that_of_openssl(password):
    argv = ["openssl", "passwd", "-6", "-salt", "a1./Z", "-stdin"]
    told = subprocess.run(argv, input=f"{password}\n", capture_output=True, text=True, check=True).stdout.strip()
    assert htpasswd.hashed(password, "a1./Z") == told


def test_a_second_run_keeps_every_hash_that_matches():
    first = htpasswd.text("shop", {"ada": SECRET, "bob": "x"}, "")
    assert htpasswd.text("shop", {"bob": "x", "ada": SECRET}, first) == first
    changed = htpasswd.text("shop", {"ada": SECRET, "bob": "y", "eve": "z"}, first)
    assert changed.splitlines()[:2] == first.splitlines()[:2]
    assert changed.splitlines()[2] != first.splitlines()[2]
    assert len(changed.splitlines()) == 4


def test_two_users_with_the_same_password_have_different_hashes():
    lines = htpasswd.text("shop", {"ada": SECRET, "bob": SECRET}, "").splitlines()
    assert lines[0] == "# pyweb.stack.nginx: who may log in to site shop"
    assert lines[1].partition(":")[2] != lines[2].partition(":")[2]


@pytest.mark.parametrize("found", ["", "{PLAIN}" + SECRET, SECRET, "$6$$x", "$6$rounds=1000$a$" + "x" * 86])
def test_an_invalid_hash_matches_no_password(found):
    assert not htpasswd.fits(SECRET, found)


@pytest.fixture
def there(tmp_path, monkeypatch):
    monkeypatch.setattr(htpasswd.names, "ETC", str(tmp_path))
    monkeypatch.setattr(nginx_set.accounts, "web_group", lambda: "root")
    return tmp_path / "pyweb.d/shop.htpasswd"


def test_the_module_writes_the_file_once_and_shows_no_password(world, there):  # noqa: F811 - the fixture
    secrets = json.dumps({"sites": {"shop": {"env": {}, "basic_auth": {"ada": SECRET}}, "blog": {"env": {}}}})
    result = world.call(secrets=secrets, _ansible_diff=True)
    written = there.read_text()
    assert htpasswd.fits(SECRET, written.splitlines()[1].partition(":")[2])
    assert there.stat().st_mode & 0o7777 == 0o640
    told = json.dumps(result)
    assert SECRET not in told
    assert "$6$" not in told
    assert "secrets" not in result["invocation"]["module_args"]
    world.active = True
    result = world.call(secrets=secrets)
    assert (result["changed"], there.read_text()) == (False, written)


def test_only_a_site_with_its_own_server_gets_a_file(monkeypatch):
    base = {"domains": ["shop.example"], "source": {"startproject": "x"}, "nginx": {"basic_auth": {"ada": SECRET}}}
    sites = complete([{**base, "name": "shop"}, {**base, "name": "blog", "prefix": "/blog"}])
    task = MagicMock(args={"files": [], "certificates": sites}, async_val=0, action="x", environment=None)
    plugin = action.ActionModule(task, MagicMock(), MagicMock(check_mode=False), MagicMock(), MagicMock(), MagicMock())
    calls = []
    monkeypatch.setattr(plugin, "_execute_module", lambda **given: calls.append(given["module_args"]) or {})
    plugin.run()
    assert json.loads(calls[0]["secrets"]) == {"sites": {"shop": {"env": {}, "basic_auth": {"ada": SECRET}}}}
    assert SECRET not in json.dumps({**calls[0], "secrets": ""})
