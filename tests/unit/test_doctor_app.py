"""Whether the application can be loaded: the doctor's exact messages for each fault."""

from __future__ import annotations

import doctor_by_hand_uwsgi
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from doctor_evidence import UNIT, Case, answer, check, denied, evidence, faults_of, put

LOG = (
    "uWSGI\nTraceback (most recent call last):\n  File x\nValueError: not today\nunable to load app 0 (mountpoint='')\n"
)


def fail(site, error, runs=False, **more):
    inside = {key: value for key, value in site.inside.items() if key == "python"}
    put(site, inside={**inside, "failed app": {"error": error, **more}})
    put(site.probes[0], answer=answer() if runs else answer(500))
    put(site.entrances[0], answer=answer() if runs else answer(500))


def home(site, path):
    put(site.uwsgi.options.values, home=[path])


def unloaded(site):
    put(site, inside={})
    put(site.probes[0], answer=answer(500))


REFUSED = """\
Traceback (most recent call last):
  File "/srv/code/shop/views.py", line 7, in export
    open("/srv/export/a.csv", "w")
OSError: [Errno 30] Read-only file system: '/srv/export/a.csv'
"""
NO_NAMESPACE = """\
uwsgi-shop@0123456789ab.service: Failed to set up mount namespacing: /run/systemd/unit-root/srv/gone: No such file
uwsgi-shop@0123456789ab.service: Failed at step NAMESPACE spawning /opt/uwsgi: No such file or directory
"""


def refuse(site, log, **unit):
    put(site.uwsgi, log=log, unit={"Id": UNIT, "ProtectSystem": "strict", "ProtectHome": "yes", **unit})
    put(site.probes[0], answer=answer(500))


# The doctor's output for REFUSED: code, status, cause, fix, evidence.
REFUSED_EXPORT = (
    "app.sandbox",
    "broken",
    "the sandbox of uwsgi-shop@0123456789ab.service refuses what the application does: ReadWritePaths",
    "web_sites[].uwsgi.unit: {ReadWritePaths: /srv/export}, if the site should be allowed to do that",
    ("OSError: [Errno 30] Read-only file system: '/srv/export/a.csv'",),
)
CASES = [
    Case(
        "a page that writes where the sandbox forbids it",
        lambda site, host: refuse(site, REFUSED),
        *REFUSED_EXPORT,
    ),
    Case(
        "a missing path of the sandbox",
        lambda site, host: (refuse(site, NO_NAMESPACE), put(site.uwsgi, master=None, workers=[])),
        "app.sandbox",
        "broken",
        "the sandbox of uwsgi-shop@0123456789ab.service refuses what the application does: ReadWritePaths",
        "web_sites[].uwsgi.unit: {ReadWritePaths: -/srv/gone}, if the site should be allowed to do that",
        (NO_NAMESPACE.splitlines()[0],),
    ),
    Case(
        "a start that writes where the sandbox forbids it, during a restart",
        lambda site, host: (
            put(site.uwsgi, log=REFUSED, unit={"Id": UNIT, "ProtectSystem": "strict", "ActiveState": "activating"}),
            put(site.probes[0], answer=None, failure="there is no such socket"),
        ),
        *REFUSED_EXPORT,
    ),
    Case(
        "a missing ini",
        lambda site, host: (
            put(site.uwsgi.options, missing=["/srv/gone.ini"]),
            put(site.uwsgi, command=["uwsgi", "/srv/gone.ini"]),
        ),
        "app.ini",
        "degraded",
        "uWSGI is configured to read /srv/gone.ini, which does not exist; the running processes were started before "
        "that",
        "run pyweb.stack.site; by hand: create it, or correct the command: uwsgi /srv/gone.ini",
        ("/srv/gone.ini: No such file or directory",),
    ),
    Case(
        "no chdir",
        lambda site, host: (
            put(site.places, chdir=False),
            put(site.uwsgi, log="chdir(): No such file or directory [core/uwsgi.c line 2623]"),
        ),
        "app.chdir",
        "degraded",
        "chdir is wrong: there is no directory /srv/code; the running processes were started before that",
        (
            "set web_sites[].source, then run pyweb.stack.site; by hand: set chdir = the directory that holds "
            "manage.py, in /srv/uwsgi.ini, then restart uWSGI"
        ),
        (
            "chdir = /srv/code in /srv/uwsgi.ini",
            "chdir(): No such file or directory [core/uwsgi.c line 2623]",
        ),
    ),
    Case(
        "a package in another directory",
        lambda site, host: (
            fail(site, "No module named 'shop'", missing="shop"),
            put(site.places, package=False, package_elsewhere="/srv/code/inner"),
        ),
        "app.chdir",
        "broken",
        "chdir is wrong: /srv/code has no package shop, but /srv/code/inner does",
        (
            "set web_sites[].source, then run pyweb.stack.site; by hand: set chdir = /srv/code/inner in "
            "/srv/uwsgi.ini, the directory that holds manage.py, then restart uWSGI"
        ),
        (
            "chdir = /srv/code",
            "module = shop.wsgi in /srv/uwsgi.ini",
            "No module named 'shop'",
        ),
    ),
    Case(
        "no virtualenv",
        lambda site, host: (
            home(site, "/srv/gone"),
            put(site.places, home=False),
            put(site.uwsgi, log="!!! Python Home is not a directory: /srv/gone !!!"),
        ),
        "app.virtualenv",
        "degraded",
        "the virtualenv is wrong: there is no directory /srv/gone; the running processes were started before that",
        (
            "pyweb.stack.site builds it again; by hand: set home = the virtualenv that Django was installed into, in "
            "/srv/uwsgi.ini, then restart uWSGI"
        ),
        (
            "home = /srv/gone in /srv/uwsgi.ini",
            "!!! Python Home is not a directory: /srv/gone !!!",
        ),
    ),
    Case(
        "a virtualenv without Django",
        lambda site, host: (
            home(site, "/srv/empty"),
            put(site, inside={"failed django": {"error": "No module named 'django'"}}),
        ),
        "app.virtualenv",
        "degraded",
        "the virtualenv is wrong: /srv/empty has no Django; the running processes were started before that",
        (
            "set web_sites[].virtualenv, then run pyweb.stack.site; by hand: set home = the virtualenv that Django was "
            "installed into, in /srv/uwsgi.ini, then restart uWSGI"
        ),
        (
            "home = /srv/empty in /srv/uwsgi.ini",
            "No module named 'django'",
        ),
    ),
    Case(
        "a Python without Django",
        lambda site, host: (
            put(site, inside={"failed django": {"error": "No module named 'django'"}}),
            put(site.probes[0], answer=answer(500)),
        ),
        "app.virtualenv",
        "broken",
        "the virtualenv is wrong: /srv/venv/bin/python3 has no Django",
        (
            "set web_sites[].virtualenv, then run pyweb.stack.site; by hand: set home = the virtualenv that Django was "
            "installed into, in /srv/uwsgi.ini, then restart uWSGI"
        ),
        ("No module named 'django'",),
    ),
    Case(
        "a missing module",
        lambda site, host: fail(site, "No module named 'shop'", missing="shop"),
        "app.module",
        "broken",
        "the module is wrong: there is no shop in /srv/code",
        (
            "set web_sites[].wsgi, then run pyweb.stack.site; by hand: set module in /srv/uwsgi.ini as in "
            "WSGI_APPLICATION of the settings, then restart uWSGI"
        ),
        (
            "module = shop.wsgi in /srv/uwsgi.ini",
            "No module named 'shop'",
        ),
    ),
    Case(
        "a missing module in an existing package",
        lambda site, host: (
            fail(site, "No module named 'shop.wsgi'", missing="shop.wsgi"),
            put(site.places, package_elsewhere="/x"),
            put(site.uwsgi.options, files=[]),
        ),
        "app.module",
        "broken",
        "the module is wrong: there is no shop.wsgi in /srv/code",
        (
            "set web_sites[].wsgi, then run pyweb.stack.site; by hand: set module in the command line as in "
            "WSGI_APPLICATION of the settings, then restart uWSGI"
        ),
        (
            "module = shop.wsgi in the command line",
            "No module named 'shop.wsgi'",
        ),
    ),
    Case(
        "a missing callable",
        lambda site, host: fail(site, "module 'shop.wsgi' has no attribute 'application'"),
        "app.module",
        "broken",
        "the module shop.wsgi has no callable application",
        (
            "set web_sites[].wsgi, then run pyweb.stack.site; by hand: set module = shop.wsgi:application in "
            "/srv/uwsgi.ini, then restart uWSGI"
        ),
        ("module 'shop.wsgi' has no attribute 'application'",),
    ),
    Case(
        "an error in the project",
        lambda site, host: fail(site, "ValueError: not today", where="/srv/code/a.py:3"),
        "app.import",
        "broken",
        "the application cannot be imported: ValueError: not today",
        (
            "correct /srv/code/a.py:3 in the source, then run pyweb.stack.deploy; pyweb.stack.rollback makes the "
            "previous release live again; by hand: correct /srv/code/a.py:3, then restart uWSGI"
        ),
        ("ValueError: not today at /srv/code/a.py:3",),
    ),
    Case(
        "an attribute error in the project",
        lambda site, host: fail(site, "x has no attribute 'application'", where="/srv/code/a.py:3"),
        "app.import",
        "broken",
        "the application cannot be imported: x has no attribute 'application'",
        (
            "correct /srv/code/a.py:3 in the source, then run pyweb.stack.deploy; pyweb.stack.rollback makes the "
            "previous release live again; by hand: correct /srv/code/a.py:3, then restart uWSGI"
        ),
        ("x has no attribute 'application' at /srv/code/a.py:3",),
    ),
    Case(
        "an error in the project, uWSGI runs",
        lambda site, host: fail(site, "ValueError: not today", runs=True),
        "app.import",
        "degraded",
        "the application cannot be imported: ValueError: not today; the running processes were started before that",
        (
            "correct it in the source, then run pyweb.stack.deploy; pyweb.stack.rollback makes the previous release "
            "live again; by hand: correct it, then restart uWSGI"
        ),
        ("ValueError: not today",),
    ),
    Case(
        "a missing package",
        lambda site, host: fail(site, "No module named 'nosuch'", missing="nosuch", where="/a.py:1"),
        "app.import",
        "broken",
        "the application cannot be imported: No module named 'nosuch'",
        (
            "web_sites[].packages or the project's requirements (nosuch), then run pyweb.stack.deploy; by hand: "
            "/srv/venv/bin/python3 -m pip install the package that provides nosuch, then restart uWSGI"
        ),
        ("No module named 'nosuch' at /a.py:1",),
    ),
    Case(
        "the application can be loaded now",
        lambda site, host: (
            put(site.uwsgi, log="ImportError: no shop\n*** no python application found, check your startup logs ***"),
            put(site.uwsgi, unit={"Id": "shop.service"}),
            put(site.probes[0].answer, status=500),
        ),
        "app.stale",
        "broken",
        "the application loads now, but failed when uWSGI started: the running server has no application",
        "systemctl restart shop.service",
        ("no python application found, check your startup logs ***", "ImportError: no shop"),
    ),
    Case(
        "an error that is only in the log",
        lambda site, host: (unloaded(site), put(site.uwsgi, log=LOG)),
        "app.import",
        "broken",
        "the application cannot be imported: ValueError: not today",
        (
            "correct it in the source, then run pyweb.stack.deploy; pyweb.stack.rollback makes the previous release "
            "live again; by hand: correct it, then restart uWSGI"
        ),
        (
            "uWSGI",
            "Traceback (most recent call last):",
            "  File x",
            "ValueError: not today",
            "unable to load app 0 (mountpoint='')",
        ),
    ),
    Case(
        "an error that is only in the log, without a traceback",
        lambda site, host: (
            unloaded(site),
            put(site.uwsgi, log="no python application found, check your startup logs"),
        ),
        "app.import",
        "broken",
        "the application cannot be imported: see uWSGI's log",
        (
            "correct it in the source, then run pyweb.stack.deploy; pyweb.stack.rollback makes the previous release "
            "live again; by hand: correct it, then restart uWSGI"
        ),
        ("no python application found, check your startup logs",),
    ),
    Case(
        "a failing interpreter",
        lambda site, host: put(site, inside={}, inside_error="Permission denied"),
        "app.interpreter",
        "unknown",
        "the application could not be examined: Permission denied",
        "see the evidence",
        (),
    ),
    Case(
        "no module in the configuration",
        lambda site, host: put(site, inside={}),
        "app.unseen",
        "unknown",
        "the application was not examined: uWSGI does not name a module",
        "see /srv/uwsgi.ini",
        (),
    ),
    Case(
        "a time limit",
        lambda site, host: put(site, inside={"python": {}}, inside_timed_out=True),
        "app.unseen",
        "unknown",
        "the application was not examined: it took too long",
        "see /srv/uwsgi.ini",
        (),
    ),
]
CASES += doctor_by_hand_uwsgi.APP


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_app_is_named(case):
    check(case)


def test_a_project_that_its_own_user_cannot_read():
    site, host = evidence()
    put(site.places, closed=denied("/srv/shop", 0o700, True))
    fault = faults_of(verdict(site, host))["app.chdir"]
    assert "cannot enter the directory /srv/shop (0700)" in fault["cause"]
    assert fault["fix"].startswith("fix of /srv/shop")


def test_the_fix_of_an_unreadable_file_is_a_permission():
    site, host = evidence()
    site.inside.pop("app", None)
    error = "PermissionError: [Errno 13] Permission denied: '/srv/shop/.env'"
    site.inside["failed app"] = {"error": error, "where": "/srv/shop/settings.py:3"}
    assert faults_of(verdict(site, host))["app.import"]["fix"].startswith("let shop use /srv/shop/.env")


def test_an_ini_without_an_application():
    site, host = evidence()
    put(site, inside={}, managed=False)
    put(site.uwsgi, log="*** no python application found, check your startup logs for errors ***")
    for name in ("module", "wsgi-file"):
        site.uwsgi.options.values.pop(name, None)
    put(site.uwsgi.options, files=["/srv/uwsgi.ini"])
    put(site.probes[0], answer=answer(500))
    fault = faults_of(verdict(site, host))["app.module"]
    assert fault["cause"] == "/srv/uwsgi.ini names no application: it has neither module nor wsgi-file"
