"""Two hosts: one that this collection manages, and one that was set up by hand after the tutorial.

A case breaks something in it, asks the doctor, and heals it again. Most of that is waiting, so each host has a line
(lines.py) in which its cases run one after the other while the other host's do the same. A test that uses a host itself
has it alone. Environment: PYWEB_PLATFORM chooses the image, PYWEB_PREFIX begins the container's name, DOCTOR_KEEP=1
leaves the containers and goes on with those that are there.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import subprocess
import tarfile
import time
from pathlib import Path

import ansible
import pytest
import seen
from ansible_collections.pyweb.stack.plugins.action.site_doctor import wanted
from host import BUNDLE, BUNDLE_THERE, ROOT, Host
from lines import Line

HERE = Path(__file__).parent
PLATFORM = os.environ.get("PYWEB_PLATFORM", "debian12")
PREFIX = os.environ.get("PYWEB_PREFIX", "pyweb")
KEEP = bool(os.environ.get("DOCTOR_KEEP"))

# A machine that runs tests side by side is a slow one.
PATIENCE = 20
SECRET = "xyzzy-secret-text"
MYSITE = {
    "name": "mysite",
    "domains": ["mysite.example"],
    "health": {"path": "/healthz", "status": [200]},
    "packages": ["psycopg[binary]"],
    "env": {"MAIL_PASSWORD": SECRET},
    "superuser": {"username": "admin", "email": "admin@mysite.example", "password": SECRET},
    "uwsgi": {"processes": 2},
    # They work as long as there is no file that says otherwise.
    "workers": {"idle": {"run": ["sh", "-c", "test ! -e /var/lib/sites/mysite/ill && exec sleep infinity"]}},
    "timers": {"daily": {"run": "test ! -e /var/lib/sites/mysite/failing", "at": "daily"}},
}
PORTY = {"name": "porty", "domains": ["porty.example"], "uwsgi": {"socket": "127.0.0.1:8001", "processes": 2}}
SECURE = {"name": "secure", "domains": ["secure.example"], "tls": "selfsigned", "uwsgi": {"processes": 2}}
TUTORIAL = {"name": "mysite", "domains": ["example.com"]}
# Where the module lies in the container for `Box.asked`, and below that the plugins.
THERE = "/opt/pyweb-doctor"
PLUGINS = "ansible_collections/pyweb/stack/plugins"


class Box(Host):
    """A host, and the ways to ask the doctor about it. `setup(box)` makes of a new one what it is to be."""

    setup = staticmethod(lambda box: None)

    @functools.cached_property
    def www(self):
        """nginx's user."""
        return self.told("id -un www-data 2>/dev/null || echo nginx")

    def sh(self, script, prelude="", check=True, timeout=120):
        """Run a bash script as root; what it printed."""
        done = subprocess.run(
            ["docker", "exec", "-i", self.name, "bash", "-s"],
            input=f"set -e\n{prelude}\n{script}\n",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def anew(self):
        """Start it, and set it up."""
        self.start()
        self.put_doctor()
        self.setup(self)

    def doctor(self, *sites, **options):
        """What the module says by way of Ansible, as a user asks: (report of the first site, the output as text)."""
        done = self.doctor_anyhow(*sites, **options)
        return _first(done.stdout.partition("=> ")[2], done.stdout + done.stderr)

    def doctor_anyhow(self, *sites, **options):
        """Ask the doctor by way of Ansible, whatever comes of it."""
        words = ["ansible", "all", "-i", f"{self.name},", "-c", "community.docker.docker"]
        arguments = {"sites": list(sites), "patience": PATIENCE, **options}
        words += ["-m", "pyweb.stack.site_doctor", "-a", json.dumps(arguments)]
        return run_ansible(words, ANSIBLE_CALLBACK_RESULT_FORMAT="json")

    def asked(self, *sites, **options):
        """The same without Ansible's two seconds: the module itself, in the container, with what the controller's half
        hands it."""
        arguments = {"patience": PATIENCE, "controller_time": time.time(), **options}
        # Through JSON, as Ansible does it: one question must not change the next one's site.
        arguments["sites"] = json.loads(json.dumps([wanted(site) for site in sites]))
        words = ["env", f"PYTHONPATH={THERE}", "python3", "-m", f"{PLUGINS}.modules.site_doctor".replace("/", ".")]
        done = subprocess.run(
            ["docker", "exec", "-i", self.name, *words],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return _first(done.stdout, done.stdout + done.stderr)

    def seen(self, site, case):
        """What a visitor of a site sees, from outside."""
        path = case.page or case.options.get("path", "/")
        sight = seen.seen(self.address, site["domains"][0], path, case.send)
        # nginx may be reloaded within the same second: what it logged now is not of the next case.
        self.sh("truncate --no-create --size=0 /var/log/nginx/*error.log")
        return sight

    def put_doctor(self):
        """The module, what it imports, and Ansible's own half of a module."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            half = Path(ansible.__file__).parent
            for source, name in (
                *((half / one, f"ansible/{one}") for one in ("__init__.py", "_vendor", "release.py", "module_utils")),
                (ROOT / "plugins/module_utils", f"{PLUGINS}/module_utils"),
                (ROOT / "plugins/modules", f"{PLUGINS}/modules"),
            ):
                tar.add(source, name, filter=lambda one: None if "__pycache__" in one.name else one)
        unpack = f"rm -rf {THERE} && mkdir {THERE} && tar -x --no-same-owner -C {THERE}"
        words = ["docker", "exec", "-i", self.name, "sh", "-c", unpack]
        subprocess.run(words, input=packed.getvalue(), capture_output=True, timeout=60, check=True)

    def shown(self, sites, *words, **variables):
        """Run pyweb.stack.doctor against it, as a user sees it."""
        inventory = self.work / "doctor.json"
        hosts = {self.name: {"ansible_connection": "community.docker.docker"}}
        group = {"web_sites": sites, "doctor_patience": PATIENCE, **variables}
        inventory.write_text(json.dumps({"web": {"hosts": hosts, "vars": group}}), encoding="utf-8")
        return run_ansible(["ansible-playbook", "-i", str(inventory), "pyweb.stack.doctor", *words])


@pytest.fixture(scope="session")
def lines(request, tmp_path_factory):
    """Set up both hosts side by side; then make the cases of the tests that were chosen, in the order of the tests."""
    made = {
        "managed": Line(functools.partial(_managed_box, tmp_path_factory)),
        "by_hand": Line(functools.partial(_by_hand_box, tmp_path_factory)),
    }
    for item in request.session.items:
        for name, line in made.items():
            if f"{name}_line" in item.fixturenames:
                line.add(item.nodeid, item.function.work, item.callspec.params if hasattr(item, "callspec") else {})
    needed = {name for item in request.session.items for name in item.fixturenames}
    for name, line in made.items():
        if needed & {name, f"{name}_line"}:
            line.begin()
    try:
        yield made
    finally:
        for line in made.values():
            line.end()


def on_a_line(work):
    """Mark a test that judges what `work(box, **parameters)` found when its turn on the host's line came."""

    def marked(test):
        test.work = work
        return test

    return marked


@pytest.fixture
def managed_line(lines, request):
    """What was found for this test on the host of this collection."""
    return lines["managed"].found(request.node.nodeid)


@pytest.fixture
def by_hand_line(lines, request):
    """What was found for this test on the host of the tutorial."""
    return lines["by_hand"].found(request.node.nodeid)


@pytest.fixture
def managed(lines):
    """Sites of this collection's own making: over a unix socket, over TCP, and one with https; for this test alone."""
    with lines["managed"].alone() as box:
        yield box


@pytest.fixture
def by_hand(lines):
    """What somebody gets who types the tutorial, tests/doctor/tutorial.sh; for this test alone."""
    with lines["by_hand"].alone() as box:
        yield box


def _managed_box(tmp_path_factory):
    return _box("managed", lambda box: box.deploy([MYSITE, PORTY, SECURE]), tmp_path_factory)


def _by_hand_box(tmp_path_factory):
    return _box("tutorial", functools.partial(_typed, "tutorial.sh"), tmp_path_factory)


def host_of(name, setup, tmp_path_factory):
    """A host for the long table: of this collection, of the tutorial, or what a script beside this file sets up."""
    if name == "managed":
        return _box(f"long-{name}", lambda box: box.deploy([MYSITE, PORTY, SECURE]), tmp_path_factory)
    return _box(f"long-{name}", functools.partial(_typed, setup or "tutorial.sh"), tmp_path_factory)


def _typed(script, box):
    """Set up a host as somebody does who types a script."""
    trust = f"export PIP_CERT={BUNDLE_THERE}\n" if BUNDLE.is_file() else ""
    box.sh(trust + (HERE / script).read_text(encoding="utf-8"), timeout=300)


@contextlib.contextmanager
def _box(role, setup, tmp_path_factory):
    """A host of the baked image; `setup(box)` makes of it what it is to be."""
    box = Box(f"{PREFIX}-doctor-{role}-{PLATFORM}", f"pyweb-{PLATFORM}:baked", tmp_path_factory.mktemp(role))
    box.setup = setup
    try:
        if KEEP and box.run("true").returncode == 0:
            box.put_doctor()
        else:
            box.anew()
        yield box
    finally:
        if not KEEP:
            box.remove()


def run_ansible(words, **environment):
    return subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def _first(text, output):
    """(report of the first site, the text that it was read from)."""
    try:
        result = json.loads(text)
    except ValueError:
        pytest.fail(output)
    assert "sites" in result, json.dumps(result, indent=1)
    return result["sites"][0], text


def pytest_sessionfinish():
    """Keep what was said as data, and the page that is made of it."""
    import cases
    import table

    if table.ROWS:
        table.keep(PLATFORM, [case.title for case in [*cases.MANAGED_CASES, *cases.BY_HAND_CASES]])
    if table.LONG_ROWS:
        table.keep_long(PLATFORM)
    if table.ROWS or table.LONG_ROWS:
        table.PAGE.write_text(table.page(), encoding="utf-8")
