"""Faults on a host with a project for each way to run it: HOST sets it up, CASES break it one after the other."""

from __future__ import annotations

from pathlib import Path

from cases import Case

HOST = str(Path(__file__).with_name("servers_host.sh"))
# The sites of that host, by name: each is asked for by NAME.example.com.
SITES = {
    name: {"name": name, "domains": [f"{name}.example.com"]}
    for name in ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")
}
ABOUT = "Debian, with a project for each way to run it"
VASSALS = "/etc/uwsgi-emperor/vassals"
GONE = "until ! test -S /run/uwsgi/alpha.sock; do sleep 0.1; done"


def back(project):
    """Wait until a project is served again."""
    ask = f"curl -s -o /dev/null -w '%{{http_code}}' -H 'Host: {project}.example.com' http://127.0.0.1/"
    return f'\nfor _try in $(seq 100); do [ "$({ask})" = 200 ] && break; sleep 0.1; done'


CASES = [
    Case(
        "vassal taken away",
        "uwsgi.vassal",
        ["there is no vassal alpha", VASSALS],
        f"mv {VASSALS}/alpha.ini /root/alpha.ini; {GONE}",
        f"mv /root/alpha.ini {VASSALS}/alpha.ini" + back("alpha"),
        site="alpha",
    ),
    Case(
        "emperor stopped",
        "uwsgi.stopped",
        ["the emperor does not run", "systemctl restart uwsgi-emperor.service"],
        f"systemctl stop uwsgi-emperor; {GONE}",
        "systemctl start uwsgi-emperor" + back("alpha"),
        site="alpha",
    ),
    Case(
        "vassal that started without its application",
        "app.stale",
        ["loads now", f"touch {VASSALS}/beta.ini"],
        f"mv /srv/beta/beta /srv/beta/away; touch {VASSALS}/beta.ini; sleep 4; mv /srv/beta/away /srv/beta/beta",
        f"touch {VASSALS}/beta.ini; sleep 2" + back("beta"),
        site="beta",
    ),
    Case(
        "gunicorn stopped, with its socket unit",
        "uwsgi.stopped",
        ["gunicorn (gamma.service) is stopped", "systemctl start gamma.socket"],
        "systemctl stop gamma.socket gamma",
        "systemctl start gamma.socket" + back("gamma"),
        site="gamma",
    ),
    Case(
        "gunicorn: import error",
        "app.import",
        ["ModuleNotFoundError: No module named 'nosuch'", "settings.py:1"],
        "sed -i '1i import nosuch' /srv/gamma/gamma/settings.py; systemctl stop gamma; systemctl start gamma.socket\n"
        "for _try in 1 2 3; do curl -s -o /dev/null -m 3 -H 'Host: gamma.example.com' http://127.0.0.1/; done || true\n"
        "sleep 3",
        "sed -i 1d /srv/gamma/gamma/settings.py\nsystemctl reset-failed gamma gamma.socket || true\n"
        "systemctl restart gamma.socket gamma" + back("gamma"),
        site="gamma",
    ),
    Case(
        "gunicorn: ALLOWED_HOSTS",
        "django.allowed-hosts",
        ["ALLOWED_HOSTS does not contain gamma.example.com", "400"],
        # Of another length: within a second after the last edit, Python knows a changed file by its size alone.
        "sed -i 's/gamma.example.com/elsewhere.example.com/' /srv/gamma/gamma/settings.py\n"
        "systemctl restart gamma; sleep 1",
        "sed -i 's/elsewhere.example.com/gamma.example.com/' /srv/gamma/gamma/settings.py; systemctl restart gamma"
        + back("gamma"),
        site="gamma",
    ),
    Case(
        "uvicorn: nginx speaks uwsgi to it",
        "socket.protocol",
        ["uvicorn listens and speaks HTTP", "proxy_pass http://127.0.0.1:8004"],
        "conf=/etc/nginx/conf.d/delta.conf; sed -i 's,proxy_pass http://,uwsgi_pass ,' $conf\n"
        "systemctl reload nginx; sleep 1",
        "conf=/etc/nginx/conf.d/delta.conf\nsed -i 's,uwsgi_pass ,proxy_pass http://,' $conf; systemctl reload nginx"
        + back("delta"),
        site="delta",
    ),
    Case(
        "daphne stopped",
        "uwsgi.stopped",
        ["daphne (epsilon.service) is stopped", "systemctl start epsilon.service"],
        "systemctl stop epsilon",
        "systemctl start epsilon" + back("epsilon"),
        site="epsilon",
    ),
    Case(
        "granian on another port",
        "socket.refused",
        ["granian listens on 127.0.0.1:8016"],
        "sed -i s/8006/8016/ /etc/systemd/system/zeta.service\n"
        "systemctl daemon-reload; systemctl restart zeta; sleep 3",
        "sed -i s/8016/8006/ /etc/systemd/system/zeta.service; systemctl daemon-reload; systemctl restart zeta"
        + back("zeta"),
        site="zeta",
    ),
    Case(
        "uWSGI stopped in supervisor",
        "uwsgi.stopped",
        ["the program eta of supervisor is STOPPED", "supervisorctl start eta"],
        "supervisorctl stop eta",
        "supervisorctl start eta" + back("eta"),
        site="eta",
    ),
    Case(
        "supervisor gave up",
        "uwsgi.supervisor",
        ["supervisor has given up on eta (FATAL)", "unknown config directive: nosuch"],
        "supervisorctl stop eta; cp /srv/eta/uwsgi.ini /root/eta.ini\n"
        "printf 'strict = true\\nnosuch = 1\\n' >> /srv/eta/uwsgi.ini; supervisorctl start eta || true\n"
        "for _try in $(seq 300); do [[ $(supervisorctl status eta) = *FATAL* ]] && break; sleep 0.1; done",
        "cp /root/eta.ini /srv/eta/uwsgi.ini; supervisorctl start eta" + back("eta"),
        site="eta",
    ),
    Case(
        "Debian's app without its link",
        "uwsgi.not-enabled",
        ["not in apps-enabled", "ln -sf ../apps-available/theta.ini"],
        # The script of SysV waits for a while only, and does nothing without its pid file, which may be gone with the
        # emperor's directory.
        "systemctl stop uwsgi; pkill -KILL -f apps-enabled/theta.ini || true\n"
        "while pgrep -f apps-enabled/theta.ini > /dev/null; do sleep 0.1; done\n"
        "rm /etc/uwsgi/apps-enabled/theta.ini; systemctl start uwsgi",
        "ln -s ../apps-available/theta.ini /etc/uwsgi/apps-enabled/theta.ini; systemctl restart uwsgi" + back("theta"),
        site="theta",
    ),
    Case(
        "Debian's uWSGI killed, its unit active (exited)",
        "uwsgi.stopped",
        ["uwsgi.service is active (exited)", "systemctl restart uwsgi.service"],
        "systemctl kill --signal=KILL uwsgi; sleep 1",
        "systemctl restart uwsgi" + back("theta"),
        site="theta",
    ),
    Case(
        "Debian's uWSGI without the plugin for Python",
        "uwsgi.plugin",
        ["unavailable modifier requested: 0", "plugins = python3"],
        "sed -i /plugins/d /etc/uwsgi/apps-available/theta.ini; systemctl restart uwsgi; sleep 1\n"
        "curl -s -o /dev/null -H 'Host: theta.example.com' http://127.0.0.1/",
        "sed -i '1a plugins = python3' /etc/uwsgi/apps-available/theta.ini; systemctl restart uwsgi" + back("theta"),
        site="theta",
    ),
    Case(
        "a server started by hand holds the address",
        "uwsgi.left-over",
        ["delta.service failed", "started by hand", "then: systemctl restart delta.service"],
        "systemctl stop delta; cd /srv/delta\n"
        "setsid setpriv --reuid=huatai --clear-groups /home/huatai/venv/bin/uvicorn delta.asgi:application --port 8004 "
        "> /dev/null 2>&1 < /dev/null & echo $! > /root/hand.pid\n"
        "until (: > /dev/tcp/127.0.0.1/8004) 2> /dev/null; do sleep 0.2; done\n"
        "systemctl start delta; until systemctl is-failed -q delta; do sleep 0.2; done",
        "kill -KILL $(cat /root/hand.pid); sleep 0.5; systemctl reset-failed delta; systemctl start delta"
        + back("delta"),
        status="degraded",
        site="delta",
    ),
]
# The same host with nothing broken: each of its sites has no fault.
HEALTHY = [Case(f"{name} is well", "", [], "true", "true", "ok", name) for name in SITES]
