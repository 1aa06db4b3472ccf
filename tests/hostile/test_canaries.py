"""No secret of the inventory is where others can read it; there is a canary for each key that contains a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from canaries import PORT, SERVERS, Watch, in_files, in_text, serve
from conftest import LOCAL, World
from host import BUNDLE, BUNDLE_THERE, Run
from sites import Inventory, site

pytestmark = pytest.mark.same_everywhere

CODE = "/srv/canary-code"
PLACED = "/srv/canary-placed"
SSH_PORT = 8802
SERVER = f"http://127.0.0.1:{PORT}"
# Only root can read `SERVERS`, so it is not searched.
FOLDERS = ["/etc", "/opt", "/run", "/srv", "/tmp", "/usr/local", "/var"]  # noqa: S108 - read from the host


def canary(name: str) -> str:
    """Return a secret with characters that URLs, Python and base64 encode."""
    return f"cnry-{name}-q7/W9 'x+{name[::-1]}=Z4"


@dataclass
class Runs:
    """The canaries by key, and the results of the runs of this file, with -vvv and --diff."""

    canaries: dict[str, str]
    good: Run
    second: Run
    bad: Run
    watched: Watch
    key: str
    other_key: str


@pytest.fixture(scope="module")
def runs(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    host = world.host
    names = ("env", "database", "files", "password", "git", "archive", "tarball", "environment", "variable")
    canaries = {name: canary(name) for name in names}
    world.project.lie_on(host)
    host.told(f"rm -rf {CODE} {PLACED}; cp -r /srv/place {CODE}; cp -r /srv/place {PLACED}; rm -rf /srv/place")
    serve(host, canaries, CODE)
    key = _ssh_server(world)
    private = host.told(f"cat {SERVERS}/client")
    canaries["key"] = private.splitlines()[2]  # the lines before are the same in all keys
    # A local user takes this name first: earlier versions used it as HOME of the installer for a virtualenv of root.
    world.run_as(LOCAL, "mkdir -p /tmp/pyweb-root/.config/pip && echo mine > /tmp/pyweb-root/mine")
    sites = _good(canaries, private)
    variables = tmp_path_factory.mktemp("canaries") / "variables.json"
    variables.write_text(json.dumps({"web_environment": _environment(canaries)}), encoding="utf-8")
    words = ["--diff", "-vvv", "-e", f"@{variables}"]
    with Watch(host, canaries) as watched:
        good = world.play(Inventory(tuple(sites)), "site.yml", *words)
        second = world.play(Inventory(tuple(sites)), "site.yml", "-e", f"@{variables}")
        other = _new_host_key(world)
        bad = world.play(Inventory(tuple(_bad(canaries, private, key))), "site.yml", *words)
    yield Runs(canaries, good, second, bad, watched, key, other)
    host.told("systemctl stop canary-server; kill $(cat /run/canary-sshd.pid)")


def _good(canaries: dict[str, str], private: str) -> list[dict[str, object]]:
    password = quote(canaries["git"], safe="")
    keyed = {"git": f"ssh://root@127.0.0.1:{SSH_PORT}{SERVERS}/shop.git", "key": private}
    all_keys = {
        "source": {"git": f"http://teller:{password}@127.0.0.1:{PORT}/shop.git"},
        "env": {"PAYMENT_TOKEN": canaries["env"]},
        "files": {"local_secrets.py": f"TOKEN = {canaries['files']!r}\n"},
        "database": f"sqlite://u:{quote(canaries['database'], safe='')}@h//var/lib/sites/teller/db.sqlite3",
        "superuser": {"username": "admin", "email": "admin@example.com", "password": canaries["password"]},
    }
    archive = f"{SERVER}/shop.tar.gz?sha=main&private_token={quote(canaries['archive'], safe='')}"
    return [
        {**site("teller", None), **all_keys},
        {**site("packed", None), "source": {"archive": archive}},
        {**site("keyed", None), "source": keyed},
        {**site("placed", None), "source": {"path": PLACED}, "virtualenv": "/srv/canary-venv"},
    ]


def _bad(canaries: dict[str, str], private: str, key: str) -> list[dict[str, object]]:
    """Return sites each of which fails with an error."""
    git = f"ssh://root@127.0.0.1:{SSH_PORT}{SERVERS}/shop.git"
    token, password = quote(canaries["archive"], safe=""), quote(canaries["git"], safe="")
    tarball = f"{SERVER}/none?token={quote(canaries['tarball'], safe='')}"
    return [
        {**site("nogit", None), "source": {"git": f"http://teller:{password}@127.0.0.1:{PORT}/none.git"}},
        {**site("moved", None), "source": {"git": f"http://teller:{password}@127.0.0.1:{PORT}/moved.git"}},
        {**site("nofile", None), "source": {"archive": f"{SERVER}/none?sha=main&private_token={token}"}},
        {**site("notar", None), "source": {"path": PLACED}, "uwsgi": {"install": "tarball", "tarball": tarball}},
        {**site("keyed", None), "source": {"git": git, "key": private}},
        {**site("pinned", None), "source": {"git": git, "key": private, "known_hosts": key}},
    ]


def _environment(canaries: dict[str, str]) -> dict[str, str]:
    trust = dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"), BUNDLE_THERE) if BUNDLE.is_file() else {}
    password = quote(canaries["environment"], safe="")
    index = f"http://reader:{password}@127.0.0.1:{PORT}/simple/"
    return {**trust, "PIP_EXTRA_INDEX_URL": index, "UV_INDEX_OURS_PASSWORD": canaries["variable"]}


def _ssh_server(world: World) -> str:
    """Start an SSH server with the repository, and return the line of its host key."""
    host = world.host
    host.told(f"ssh-keygen -q -t ed25519 -N '' -f {SERVERS}/client && ssh-keygen -q -t ed25519 -N '' -f {SERVERS}/old")
    host.told(f"ssh-keygen -q -t ed25519 -N '' -f {SERVERS}/new && cp {SERVERS}/client.pub {SERVERS}/allowed")
    return _start_sshd(world, "old")


def _new_host_key(world: World) -> str:
    world.host.told("kill $(cat /run/canary-sshd.pid)")
    return _start_sshd(world, "new")


def _start_sshd(world: World, key: str) -> str:
    options = [f"Port={SSH_PORT}", "ListenAddress=127.0.0.1", f"HostKey={SERVERS}/{key}", "UsePAM=no"]
    options += [f"AuthorizedKeysFile={SERVERS}/allowed", "PermitRootLogin=prohibit-password", "StrictModes=no"]
    options += ["PidFile=/run/canary-sshd.pid"]
    words = " ".join(f"-o {option}" for option in options)
    world.host.told(f"mkdir -p /run/sshd; $(command -v sshd || echo /usr/sbin/sshd) -f /dev/null {words}")
    public = world.host.told(f"cut -d' ' -f1,2 {SERVERS}/{key}.pub")
    return f"[127.0.0.1]:{SSH_PORT} {public}"


def test_the_output_of_runs_contains_no_canary(runs: Runs) -> None:
    assert runs.good.status == 0, runs.good.error
    assert runs.bad.status, "the run with sites that cannot be built succeeded"
    assert in_text(runs.canaries, runs.good.output + runs.bad.output) == []


def test_a_second_run_changes_nothing(runs: Runs) -> None:
    assert (runs.second.status, runs.second.changed) == (0, 0), runs.second.error


def test_no_command_line_contains_a_canary(runs: Runs) -> None:
    assert runs.watched.rounds > 100
    assert runs.watched.found == []


def test_the_journal_contains_no_canary(runs: Runs, world: World) -> None:
    assert in_text(runs.canaries, world.host.told("journalctl --no-pager --output=cat -q")) == []


def test_an_error_names_the_url_without_its_token(runs: Runs) -> None:
    error = runs.bad.error
    assert f"{SERVER}/none: " in error
    for name in ("nogit", "moved", "nofile", "notar"):
        assert f"site '{name}': " in error


def test_canaries_are_only_in_private_files_below_etc_sites(runs: Runs, world: World) -> None:
    found = in_files(world.host, runs.canaries, FOLDERS)
    modes = {path: mode for mode, _owner, path in (line.split(" ", 2) for line in found)}
    assert [path for path in modes if not path.startswith("/etc/sites/")] == []
    assert [f"{mode} {path}" for path, mode in modes.items() if not mode.endswith("0")] == []
    assert any(path.startswith("/etc/sites/teller/") for path in modes), "no canary was found, so this proves nothing"


def test_a_local_user_cannot_read_a_canary(runs: Runs, world: World) -> None:
    world.host.told(f"cp {SERVERS}/patterns /home/{LOCAL}/patterns && chown {LOCAL} /home/{LOCAL}/patterns")
    script = f"grep -rlaF -f ~/patterns {' '.join(FOLDERS)} 2>/dev/null"
    assert world.run_as(LOCAL, f"cd; export HOME=/home/{LOCAL}; {script}").stdout == ""
    assert world.run_as(LOCAL, "for one in teller packed keyed; do /opt/sites/$one/list; done").returncode == 0


def test_an_archive_leaves_no_file_behind(runs: Runs, world: World) -> None:
    places = "/var/cache/sites/packed /tmp /root/.ansible/tmp /run/pyweb.stack /var/lib/pyweb.stack /opt/sites/packed"
    # uv's cache has a directory archive-v0, and Django a module of that name.
    names = "-name 'archive-*' -o -name archive -o -name '.step-*' -o -name '*.tar.gz'"
    left = rf"find {places} -name uv -prune -o -name virtualenvs -prune -o \( {names} \) -print"
    assert world.host.run(left).stdout == ""
    # Only the caches of installers remain.
    assert set(world.host.told("ls -A /var/cache/sites/packed").split()) <= {"uv", "npm", "yarn"}


def test_a_password_does_not_follow_a_redirect_to_another_host(runs: Runs, world: World) -> None:
    got = world.host.told(f"cat {SERVERS}/got")
    assert "127.0.0.2" in got
    assert "Authorization" not in got


def test_known_hosts_belongs_to_root_and_a_changed_host_key_is_refused(runs: Runs, world: World) -> None:
    assert world.host.told("stat -c '%U %a' /etc/sites/keyed/known_hosts") == "root 644"
    assert world.host.told("cat /etc/sites/keyed/known_hosts") == runs.key
    digest = world.host.told(f"ssh-keygen -lf {SERVERS}/new.pub | cut -d' ' -f2")
    error = runs.bad.error
    assert (
        f"[127.0.0.1]:{SSH_PORT} shows the key {digest}, and /etc/sites/keyed/known_hosts contains another key of it"
    ) in error
    assert "site 'pinned': source failed: source.known_hosts does not contain this key" in error
    assert world.run_as("site-keyed", "echo x >> /etc/sites/keyed/known_hosts").returncode


def test_root_does_not_use_a_predictable_name_in_tmp(runs: Runs, world: World) -> None:
    assert world.host.told("cd /tmp/pyweb-root && find . -type f") == "./mine"
    assert world.host.told("cat /srv/canary-venv/pyvenv.cfg"), "the virtualenv of root was not made"
