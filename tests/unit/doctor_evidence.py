"""Evidence of a healthy host and a healthy site, and the class of a test case: a change, and the fault it must cause.

Each test_doctor_HOP.py has a table `CASES` with a row for every fault of its hop; test_doctor_register.py checks
this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import (
    Entrance,
    Fetched,
    Firewall,
    Host,
    Nginx,
    Probe,
    Ran,
    Site,
    Uwsgi,
)
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.fixes import BY_HAND, fix_for
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import Identity
from ansible_collections.pyweb.stack.plugins.module_utils.host.path_walk import Obstacle
from ansible_collections.pyweb.stack.plugins.module_utils.host.processes import Listener, Process
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi.options import Options
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi.protocol import Answer

NOW = 1_800_000_000.0
WORKER = Identity(33, 33, (33,))
UNIT = "uwsgi-shop@0123456789ab.service"
# The contents of uwsgi_params in one line.
PARAMS = " ".join(
    f"uwsgi_param {name} ${name.lower()};"
    for name in (
        *("REQUEST_METHOD", "REQUEST_URI", "PATH_INFO", "QUERY_STRING", "CONTENT_LENGTH", "CONTENT_TYPE"),
        *("SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL"),
    )
)
DUMP = f"""\
# configuration file /etc/nginx/nginx.conf:
http {{
    server {{
        listen 80;
        server_name shop.example;
        location / {{ uwsgi_pass unix:/run/shop.sock; uwsgi_param HTTPS $https if_not_empty; {PARAMS} }}
        location /static/ {{ alias /srv/static/; }}
    }}
}}
"""


@dataclass(frozen=True)
class Case:
    """`change(site, host)` breaks something; the doctor must then report `fault` in exactly these words.

    `also` are other root faults, `sees` lines of a fault's evidence. `fix` is the text of the judge: 'for this
    collection; by hand: for others'.
    """

    title: str
    change: Callable[[Site, Host], object]
    fault: str
    status: str
    cause: str
    fix: str
    sees: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


def evidence():
    """Return (site, host), a new healthy pair."""
    host = healthy_host()
    return healthy_site(host), host


def healthy_host():
    table = {10: process(10, "nginx: master process /usr/sbin/nginx"), 11: process(11, "nginx: worker process")}
    nginx = Nginx(
        True,
        Ran(0),
        dump.parse(DUMP),
        table[10],
        [table[11]],
        worker=WORKER,
        worker_name="www-data",
        worker_group="www-data",
    )
    wall = Firewall(True, True, True, zone="public", target="default", services=["ssh"], ports=["80/tcp"])
    wall.opened = ["80/tcp", "22/tcp"]
    return Host(
        now=NOW,
        controller_time=NOW - 1,
        table=table,
        listeners=[Listener("0.0.0.0:80", 1, 0, [10])],
        units=[],
        nginx=nginx,
        firewall=wall,
        addresses=["192.0.2.1"],
        ipv6=False,
        synchronized="yes",
        denials=[],
    )


def healthy_site(host):
    [server] = match.servers(host.nginx.config)
    chain = match.locate(server, "/")
    options = Options(values={"chdir": ["/srv/code"], "module": ["shop.wsgi"]}, files=["/srv/uwsgi.ini"])
    return Site(
        name="shop",
        domains=["shop.example"],
        path="/",
        wanted_status=[],
        managed=True,
        media_wanted=True,
        layout=Layout.under("shop", {"sites": "/home/x", "run": "/run/x"}),
        entrances=[Entrance("shop.example", "192.0.2.1", 80, False, server, [server], answer())],
        chain=chain,
        handler=match.handler(chain),
        speaks="uwsgi",
        probes=[Probe("unix:/run/shop.sock", "uwsgi", real="/run/x/shop/a.sock", answer=answer(), pong=0.1)],
        uwsgi=Uwsgi(
            True, process(20, "uwsgi --ini x.ini"), options=options, python="/srv/venv/bin/python3", user="shop"
        ),
        inside={
            "python": {"version": "3.12"},
            "django": {"version": "5.2"},
            "app": {"callable": True},
            "settings": {"module": "shop.settings", "debug": False, "allowed_hosts": [], "refused": [], "origins": []},
            "files": {"static_used": True, "static_url": "/static/", "static_root": "/srv/static", "sample": "a.css"},
            "database": {"vendor": "postgresql", "address": "db:5432", "file": "", "after": 0.5},
            "migrations": {"unapplied": []},
        },
        static=Fetched("/static/a.css", 200, file="/srv/static/a.css", url="/static/", folder="/srv/static"),
    )


def by_hand(site):
    """Change the site to one that was set up after the tutorial, with settings in two files."""
    put(site, managed=False)
    lines = {"DATABASES": "/srv/code/shop/settings.py:76", "CSRF_COOKIE_SECURE": "/srv/code/shop/settings.py:12"}
    put(site.inside, lines={"at": lines})


def answer(status=200, reason="OK"):
    return Answer(status, reason, 0.1)


def process(pid, command, started=NOW - 1000):
    return Process(pid, 1, command.split()[0], command.split(), WORKER, started)


def denied(path, mode=0o600, directory=False):
    """Return an obstacle as the walk to a file reports it."""
    return Obstacle(path, "denied", f"evidence of {path}", f"fix of {path}", directory, 0, mode)


def put(into, /, **values):
    """Set attributes or keys of a mapping, for use in a lambda."""
    for name, value in values.items():
        if isinstance(into, dict):
            into[name] = value
        else:
            setattr(into, name, value)


def faults_of(report):
    """Return all faults of a report by name; of two faults with one name, the first."""
    found = {}
    for hop in report["hops"]:
        for fault in hop["faults"]:
            found.setdefault(fault["fault"], fault)
    return found


def roots(report):
    """Return the faults that are not consequences of others."""
    return {name: fault for name, fault in faults_of(report).items() if not fault["follows"]}


def hop_of(report, name):
    return next(hop for hop in report["hops"] if hop["hop"] == name)


def check(case):
    site, host = evidence()
    case.change(site, host)
    report = verdict(site, host)
    found = faults_of(report)
    assert case.fault in found, sorted(found)
    fault = found[case.fault]
    fix = fix_for(case.fix, site.managed)
    assert (fault["status"], fault["cause"], fault["fix"]) == (case.status, case.cause, fix)
    for line in case.sees:
        assert line in fault["evidence"], fault["evidence"]
    assert set(roots(report)) - {case.fault} == set(case.also), roots(report)
    if BY_HAND in case.fix:
        put(site, managed=not site.managed)
        assert faults_of(verdict(site, host))[case.fault]["fix"] == fix_for(case.fix, site.managed)
