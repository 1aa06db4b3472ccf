"""Common mistakes: how a test makes each one, and the first line that a run prints for it. Source of docs/mistakes.md.

test_mistakes.py makes each mistake on a host and fails if another line is printed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs/mistakes.md"
NOTE = "<!-- Written by tests/tools/docs.py from tests/mistakes/mistakes.py: change that, then `make docs`. -->\n"
INTRODUCTION = """\
# Common mistakes

This page shows what a run prints first for each mistake. `make mistakes` makes all of them on a host. The first line
names the site and the step, the cause, and what to do. Below it are the last lines of the output of the program that
failed. `ID`, `N`, `LINE`, `SITES` and `VERSIONS` stand for values that differ between runs and platforms. The site is
called `unix` in these tests.

A site that fails is not changed: its live release stays live. The other sites of the run are built and released.
Mistakes in the inventory are reported together, before any host is changed.

| mistake | first line of the error |
|---|---|
"""
DEPLOY, WHOLE = "deploy.yml", "site.yml"
PACKAGES = "`packages:` of the site"
NAMES = "check its name and version in the requirements and in `packages:` of the site"
AUTHORITY = (
    "for your own certificate authority set web_environment: {SSL_CERT_FILE: FILE, PIP_CERT: FILE, "
    "REQUESTS_CA_BUNDLE: FILE, GIT_SSL_CAINFO: FILE}, where FILE is the path of its certificates on the host"
)
# A package index with a self-signed certificate.
INDEX = """
import http.server, ssl
server = http.server.HTTPServer(("127.0.0.1", 8443), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/var/tmp/index.crt", "/var/tmp/index.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
MIGRATION = """
from django.db import migrations

def broken(apps, schema_editor):
    raise ValueError("no such thing to migrate")

class Migration(migrations.Migration):
    dependencies = [("gallery", "0001_initial")]
    operations = [migrations.RunPython(broken)]
"""
CHECK = """
from django.conf import settings
from django.core.checks import Error, register

@register()
def mail_is_set(**_options):
    laptop = not settings.DEBUG and settings.EMAIL_HOST == "localhost"
    return [Error("EMAIL_HOST is that of a laptop.", id="gallery.E001")] if laptop else []
"""


@dataclass(frozen=True)
class Mistake:
    """`keys` override those of the site, `variables` those of the host; `add` is appended to files of its code.

    `before` and `after` are scripts for the host: they prepare the mistake, and clean up.
    `differs`: the output depends on programs of the platform.
    """

    title: str
    line: str
    keys: dict[str, Any] = field(default_factory=dict)
    add: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    before: str = ""
    after: str = ""
    playbook: str = DEPLOY
    differs: bool = False


MISTAKES = [
    # The inventory.
    Mistake(
        "a misspelt key, `domain`",
        "web_sites[0] 'unix': unknown key 'domain'; did you mean 'domains'?",
        keys={"domain": "shop.example.com"},
    ),
    Mistake(
        "an invalid domain, `shop_example com`",
        "web_sites[0] 'unix': domains is ['shop_example com']; expected host names such as shop.example.com, "
        "*.example.com or an IP address (found 'shop_example com' in the list)",
        keys={"domains": ["shop_example com"]},
    ),
    Mistake(
        "a variable of the vault that this host does not have",
        "a variable that the inventory uses has no value: 'vault_api_key' is undefined; define it for this host "
        "(group_vars, host_vars, a vault file), or pass it with -e",
        keys={"env": {"API_KEY": "{{ vault_api_key }}"}},
    ),
    Mistake(
        "a directory of code that does not exist",
        "web_sites[0] 'unix': source.directory is '/nowhere/shop'; expected a directory on the controller; there is "
        "none",
        keys={"source": {"directory": "/nowhere/shop"}},
    ),
    Mistake(
        "a requirements file that the code does not have",
        "web_sites[0] 'unix': source.directory: requirements/production.txt: the source has no such file",
        keys={"requirements": ["requirements/production.txt"]},
    ),
    # Access to the host.
    Mistake(
        "no `become`",
        "the run needs root, but runs as deploy on this host; set `become: true` for it (in the inventory "
        "ansible_become: true), or run ansible-playbook with -b",
        variables={"ansible_user": "deploy"},
        before="useradd --create-home deploy",
        after="userdel --remove deploy",
        differs=True,
    ),
    Mistake(
        "`become` without a password for sudo",
        "becoming root needs a password: run ansible-playbook with -K (--ask-become-pass), or set "
        "ansible_become_password",
        variables={"ansible_user": "deploy", "ansible_become": True, "ansible_become_exe": "/usr/local/bin/sudo"},
        # Not every image has sudo. This script does what sudo does if it cannot ask for a password.
        before="useradd --create-home deploy; printf '%s\\n' '#!/bin/sh' 'echo sudo: a password is required >&2' "
        "'exit 1' > /usr/local/bin/sudo; chmod 755 /usr/local/bin/sudo",
        after="userdel --remove deploy; rm /usr/local/bin/sudo",
        differs=True,
    ),
    Mistake(
        "a user that the host does not have",
        "site 'unix': accounts failed: user is 'nobody-of-that-name', which this host does not have; create it, or "
        "remove the key",
        keys={"user": "nobody-of-that-name"},
    ),
    # The source and its dependencies.
    Mistake(
        'a Python that no repository has, `python: "3.8"`',
        "site 'unix': python is '3.8'; this host has or offers VERSIONS; change python to one of these, or to auto",
        keys={"python": "3.8"},
        differs=True,
    ),
    Mistake(
        "a Django that no Python of the host can run",
        "site 'unix': python is '3.12'; Django 3.2 needs Python 3.6 to 3.10; this host has or offers VERSIONS; change "
        "python or the Django in packages or requirements, or set python: {managed: fallback} to let uv install one",
        keys={"source": {"startproject": "started"}, "packages": ["Django<4"], "python": "3.12"},
        differs=True,
    ),
    Mistake(
        "a host name that does not resolve",
        "site 'unix': source failed: unable to access 'https://git.invalid/shop.git/': Could not resolve host: "
        "git.invalid; check that name, and DNS on this host (getent hosts NAME); behind a proxy set web_environment: "
        "{https_proxy: URL}",
        keys={"source": {"git": "https://git.invalid/shop.git"}},
        differs=True,
    ),
    Mistake(
        "a wrong address of the repository",
        "site 'unix': source failed: '/srv/nowhere.git' does not appear to be a git repository: Could not read from "
        "remote repository; check `source.git` of the site",
        keys={"source": {"git": "/srv/nowhere.git"}},
    ),
    Mistake(
        "a branch that the repository does not have",
        "site 'unix': source failed: source.version is 'releese'; the repository has no such branch or tag; "
        "it has main",
        keys={"source": {"git": "/srv/shop.git", "version": "releese"}},
        before="git init --quiet --bare --initial-branch=main /srv/shop.git; cd /srv/shop.git; git update-ref "
        "refs/heads/main $(git -c user.name=a -c user.email=a@b commit-tree -m a $(git write-tree))",
        after="rm -r /srv/shop.git",
        differs=True,
    ),
    Mistake(
        "a directory of the host that does not exist",
        "site 'unix': source failed: source.path is '/srv/no-such-directory'; this host has no such directory; create "
        "it",
        keys={"source": {"path": "/srv/no-such-directory"}},
    ),
    Mistake(
        "an archive that cannot be fetched",
        "site 'unix': source failed: http://127.0.0.1:9/mysite.tar.gz: <urlopen error [Errno 111] Connection refused>; "
        "check that this host can connect to it; behind a proxy set web_environment: {https_proxy: URL}",
        keys={"source": {"archive": "http://127.0.0.1:9/mysite.tar.gz"}},
    ),
    Mistake(
        "a misspelt requirement",
        "site 'unix': requirements failed: No solution found when resolving dependencies: Because djngo-misspelt was "
        "not found in the package registry and you require djngo-misspelt, we can conclude that your requirements are "
        f"unsatisfiable; {NAMES}",
        keys={"packages": ["djngo-misspelt"]},
    ),
    Mistake(
        "your own certificate authority, without `web_environment`",
        "site 'unix': requirements failed: Failed to fetch: https://localhost:8443/simple/NAME/: invalid peer "
        f"certificate: UnknownIssuer; {AUTHORITY}",
        variables={"web_environment": {"PIP_INDEX_URL": "https://localhost:8443/simple"}},
        keys={"packages": ["six"]},
        before="openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost "
        "-addext basicConstraints=critical,CA:FALSE -keyout /var/tmp/index.key -out /var/tmp/index.crt 2>/dev/null; "
        f"cat > /var/tmp/index.py <<'EOF'\n{INDEX}EOF\nnohup python3 /var/tmp/index.py >/dev/null 2>&1 & "
        "echo $! > /var/tmp/index.pid; until ss -ltn | grep -q :8443; do sleep 0.1; done",
        after="kill $(cat /var/tmp/index.pid); rm /var/tmp/index.*",
    ),
    # The project.
    Mistake(
        "a wrong `settings_module`",
        "site 'unix': settings failed: ModuleNotFoundError: No module named 'mysite.settingz'; correct "
        "`settings_module:` of the site; the source has no mysite.settingz",
        keys={"settings_module": "mysite.settingz"},
    ),
    Mistake(
        "a wrong `wsgi`",
        "site 'unix': wsgi failed: ImportError: cannot import name 'app' from 'mysite.wsgi' "
        "(/opt/sites/unix/builds/ID/src/mysite/wsgi.py); correct `wsgi:` of the site; the source has no "
        "mysite.wsgi:app",
        keys={"wsgi": "mysite.wsgi:app"},
    ),
    Mistake(
        "an environment variable that the settings need is not set",
        "site 'unix': settings failed: KeyError: 'MY_API_KEY' (mysite/settings.py:LINE); set MY_API_KEY in `env:` of "
        "the site",
        add={"mysite/settings.py": '\nimport os\n\nMY_API_KEY = os.environ["MY_API_KEY"]\n'},
    ),
    Mistake(
        "a package that is not among the requirements",
        "site 'unix': applications failed: ModuleNotFoundError: No module named 'rest_framework'; add "
        f"djangorestframework to the requirements, or to {PACKAGES}",
        add={"mysite/settings.py": '\nINSTALLED_APPS += ["rest_framework"]\n'},
    ),
    Mistake(
        "a syntax error in the code",
        "site 'unix': check failed: SyntaxError: invalid syntax (gallery/views.py:LINE: this is no python)",
        add={"gallery/views.py": "\nthis is no python\n"},
    ),
    Mistake(
        "an error in the code",
        "site 'unix': check failed: NameError: name 'nothing_here' is not defined (gallery/views.py:LINE)",
        add={"gallery/views.py": "\nTHING = nothing_here\n"},
    ),
    Mistake(
        "a system check of the project that requires a setting if DEBUG is off",
        "site 'unix': check failed: ?: (gallery.E001) EMAIL_HOST is that of a laptop; it is caused by DEBUG, which is "
        "false on a server; set `settings: {EMAIL_HOST: ...}` of the site, or `settings: {SILENCED_SYSTEM_CHECKS: "
        '["gallery.E001"]}` if that does not matter',
        add={"gallery/models.py": CHECK},
    ),
    Mistake(
        "a health check of a page that does not exist",
        "site 'unix': health failed: /no-such-page as unix.example answered 404; expected 200 within 3 s",
        keys={"health": {"path": "/no-such-page", "status": [200], "timeout": 3}},
    ),
    # The database.
    Mistake(
        "a database server that does not run",
        "site 'unix': migrate failed: django.db.utils.OperationalError: connection failed: connection to server at "
        '"127.0.0.1", port 5999 failed: Connection refused; start the database there, or correct the address in '
        "`database:` of the site",
        keys={"database": "postgres://shop:correct-horse@127.0.0.1:5999/shop", "packages": ["psycopg[binary]"]},
    ),
    Mistake(
        "a migration that fails",
        "site 'unix': migrate failed: ValueError: no such thing to migrate (gallery/migrations/0002_broken.py:LINE); "
        "applied: none; not applied: gallery.0002_broken",
        add={"gallery/migrations/0002_broken.py": MIGRATION},
    ),
    # uWSGI and nginx.
    Mistake(
        "a misspelt option of uWSGI",
        "site 'unix': start failed: uwsgi-unix@ID.service did not start: uwsgi.options has buffer-sise, which uWSGI "
        "does not know",
        keys={"uwsgi": {"options": {"buffer-sise": 1}}},
    ),
    Mistake(
        "a misspelt directive of nginx",
        "site 'unix': nginx failed: `nginx -t` refuses the new files: [emerg] unknown directive \"client_max_size\" in "
        "/etc/nginx/SITES/unix.conf:LINE; nginx keeps its previous configuration of the site",
        keys={"nginx": {"options": {"client_max_size": "1m"}}},
        playbook=WHOLE,
        differs=True,
    ),
    Mistake(
        "a log of nginx in a directory that does not exist",
        "config_set 'nginx': `nginx -t` refuses the new files: [emerg] open() \"/nowhere/shop.log\" failed (2: No such "
        "file or directory); nothing was changed",
        keys={"nginx": {"options": {"error_log": "/nowhere/shop.log"}}},
        playbook=WHOLE,
        differs=True,
    ),
    Mistake(
        "another program on port 80",
        "site 'unix': nginx cannot listen on *:80, because python3 (pid N) does; stop that, or give the site another "
        "port with nginx.listen",
        before="systemctl stop nginx; cd /srv; nohup python3 -m http.server 80 >/dev/null 2>&1 & "
        "echo $! > /var/tmp/taker; until ss -ltn | grep -q :80; do sleep 0.1; done",
        after="taker=$(cat /var/tmp/taker); kill $taker; while kill -0 $taker 2>/dev/null; do sleep 0.1; done; "
        "systemctl reset-failed nginx; systemctl start nginx",
        playbook=WHOLE,
        differs=True,
    ),
]


def steady(line: str) -> str:
    """Return a line without what differs between platforms and runs."""
    # The prefix of Ansible's callback before the message of a module, since 2.19.
    line = re.sub(r"^(Task failed: )?((Module|Action) failed: )?", "", line)
    for pattern, stands_for in (
        (r"\b[0-9a-f]{12}\b", "ID"),
        (r"\bpid [0-9]+", "pid N"),
        (r"(?<=/simple/)[a-z0-9-]+", "NAME"),  # all packages are requested in parallel, and any can fail first
        (r"(?<=\.py:)[0-9]+|(?<=\.conf:)[0-9]+", "LINE"),
        (r"(?<=/etc/nginx/)(sites-enabled|conf\.d)", "SITES"),
        (r"(?<=has or offers )[0-9., ]+[0-9]", "VERSIONS"),
    ):
        line = re.sub(pattern, stands_for, line)
    return line


def page() -> str:
    """Return the text of docs/mistakes.md."""
    rows = [f"| {mistake.title} | {_cell(mistake.line)} |" for mistake in MISTAKES]
    return NOTE + INTRODUCTION + "\n".join(rows) + "\n"


def _cell(line: str) -> str:
    return line.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
