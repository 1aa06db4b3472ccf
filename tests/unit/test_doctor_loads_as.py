"""Which user the doctor loads an application as: code of a site never runs as root."""

from __future__ import annotations

import os

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import ladder, look_inside, look_uwsgi
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import Ran
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import Identity
from ansible_collections.pyweb.stack.plugins.module_utils.host.processes import Process
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import options
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi.options import Options
from builds import AS_ROOT
from doctor_evidence import NOW, evidence, put

ROOT, SHOP = Identity(0, 0), Identity(12345, 12345)


def process(pid, who):
    return Process(pid, 1, "uwsgi", ["uwsgi", "--ini", "/srv/shop.ini"], who, NOW - 1000)


@pytest.fixture
def asked(monkeypatch):
    """Return the users that loaded the application, in order."""
    found = []
    monkeypatch.setattr(look_inside.ask, "run", lambda *_given, who, **_more: found.append(who) or Ran(0, ""))
    return found


@pytest.mark.parametrize(
    ("user", "says"), [("root", "as root"), ("0", "as root"), ("nobody-of-that-name", "no user"), ("", "no user")]
)
def test_a_stopped_application_is_not_loaded_as_root_or_an_unknown_user(asked, user, says):
    site, _host = evidence()
    # The ini of a user may say `uid = root`, and a unit may name a user that no longer exists.
    put(site.uwsgi, master=None, workers=[], user=user, command=["uwsgi"])
    put(site.uwsgi, options=Options(values={"module": ["shop.wsgi"]}))
    look_inside.look_inside(site, None)
    assert asked == []
    assert says in site.inside_error
    assert says in ladder.climb(site, lambda _status: True)[0].cause


def test_a_stopped_application_is_loaded_as_its_user(asked):
    site, _host = evidence()
    put(site.uwsgi, master=None, workers=[], user=str(os.getuid() or "nobody"))
    put(site.uwsgi, options=Options(values={"module": ["shop.wsgi"]}))
    look_inside.look_inside(site, None)
    assert [who.uid != 0 for who in asked] == [True]


@AS_ROOT
@pytest.mark.parametrize(
    ("starts", "owner", "uid", "wanted"),
    [
        ("root", 0, "nobody", "nobody"),
        ("root", 65534, "nobody", "nobody"),
        ("root", 65534, "root", "root"),
        ("root", 65534, "daemon", "root"),
        ("nobody", 65534, "daemon", "nobody"),
        ("nobody", 65534, "root", "nobody"),
        ("root", 0, "nobody-of-that-name", "root"),
    ],
)
def test_the_ini_of_a_user_cannot_name_another_user(tmp_path, starts, owner, uid, wanted):
    ini = tmp_path / "shop.ini"
    ini.write_text(f"[uwsgi]\nuid = {uid}\n")
    os.chown(ini, owner, 0)
    site, _host = evidence()
    put(site.uwsgi, user=starts, options=options.read(["uwsgi", "--ini", str(ini)]))
    assert look_uwsgi._of_option(site.uwsgi) == wanted


@pytest.mark.parametrize(
    ("master", "workers", "wanted"),
    [(SHOP, [SHOP], SHOP), (ROOT, [SHOP], SHOP), (ROOT, [ROOT], ROOT), (ROOT, [], ROOT)],
)
def test_a_running_application_is_loaded_as_its_workers(master, workers, wanted):
    site, _host = evidence()
    put(site.uwsgi, master=process(1, master), workers=[process(2 + number, who) for number, who in enumerate(workers)])
    assert look_uwsgi.loads_as(site.uwsgi) == (wanted, "")
