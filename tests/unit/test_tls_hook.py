"""The scripts that install a renewed certificate in nginx, run by a real shell with the real openssl."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import LOCKS, Layout
from ansible_collections.pyweb.stack.plugins.module_utils.tls import hook, pairs
from tls_pairs import make

NAMES = ("shop.example.com", "*.example.net", "192.0.2.7", "2001:db8::1")


class Host:
    """A host whose nginx refuses pairs with the text in `refuses`, and a pair in another directory."""

    def __init__(self, folder):
        self.folder, self.layout = folder, Layout.under("shop", {"config": str(folder / "etc")})
        self.programs, self.lineage = folder / "bin", folder / "lineage"
        self.log = folder / "log"
        self.programs.mkdir()
        self.lineage.mkdir()
        self.program("nginx", f'echo nginx "$@" >>{self.log}')
        self.program("systemctl", f'echo systemctl "$@" >>{self.log}')

    def program(self, name, text):
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def renew(self, made):
        (self.lineage / "fullchain.pem").write_text(made.certificate)
        (self.lineage / "privkey.pem").write_text(made.key)

    def serve(self, made):
        name = pairs.install(self.layout, made.certificate, made.key)
        pairs.switch(self.layout, name)
        return name

    def text(self, domains=None, wait=0):
        if domains is None:
            text = hook.renewed(self.layout)
        else:
            certificate, key = f"{self.lineage}/fullchain.pem", f"{self.lineage}/privkey.pem"
            text = hook.changed(self.layout, certificate, key, domains).replace("tries=10", f"tries={wait}")
        return text.replace("PATH=/usr/local/sbin", f"PATH={self.programs}:/usr/local/sbin").replace(
            f"locks={LOCKS}", f"locks={self.folder}/run"
        )

    def run(self, domains=None, wait=0):
        os.makedirs(self.layout.tls, exist_ok=True)
        script = self.folder / "script"
        script.write_text(self.text(domains, wait))
        environment = {"RENEWED_LINEAGE": str(self.lineage), "PATH": os.environ["PATH"]}
        return subprocess.run(
            ["sh", str(script)], env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    def said(self):
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


@pytest.mark.parametrize("domains", [None, NAMES], ids=["certbot", "path"])
def test_a_renewed_pair_becomes_live_and_nginx_is_reloaded(host, domains):
    before, made = host.serve(make(NAMES)), make(NAMES)
    host.renew(made)
    done = host.run(domains)
    assert (done.returncode, done.stderr) == (0, "")
    name = pairs.pair_id(made.certificate, made.key)
    assert (pairs.live(host.layout), pairs.previous(host.layout)) == (name, before)
    assert pairs.read(host.layout) == (made.certificate, made.key)
    assert host.said() == ["nginx -t", "systemctl is-active --quiet nginx.service", "systemctl reload nginx.service"]
    assert done.stdout.startswith("site 'shop': nginx serves the certificate of notAfter=")
    assert sorted(os.listdir(f"{host.layout.tls}/pairs")) == sorted([name, before])
    assert sorted(os.listdir(host.layout.tls)) == ["live", "pairs", "previous"]
    folder = Path(f"{host.layout.tls}/pairs/{name}")
    assert {path.stat().st_mode & 0o777 for path in [*folder.iterdir()]} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    # The pair that the collection itself would create already exists.
    assert pairs.install(host.layout, made.certificate, made.key) == name


def test_only_the_previous_pair_is_kept(host):
    for _number in range(4):
        host.renew(make())
        assert host.run().returncode == 0
    assert len(os.listdir(f"{host.layout.tls}/pairs")) == 2


def test_a_pair_that_is_already_live_is_not_changed(host):
    made = make()
    name = host.serve(made)
    host.renew(made)
    assert host.run().returncode == 0
    assert (pairs.live(host.layout), host.said()) == (name, [])


def test_a_script_killed_before_the_reload_is_completed(host):
    made = make()
    host.serve(made)
    host.renew(made)
    Path(f"{host.layout.tls}/.pending").touch()
    assert host.run().returncode == 0
    assert host.said()[-1] == "systemctl reload nginx.service"
    assert not os.path.exists(f"{host.layout.tls}/.pending")


def test_a_pair_that_nginx_refuses_is_rolled_back(host):
    before = host.serve(make())
    host.program("nginx", f"echo nginx >>{host.log}; echo 'nginx: [emerg] key values mismatch' >&2; exit 1")
    host.renew(make())
    done = host.run()
    assert done.returncode == 1
    assert (
        "site 'shop': nginx refuses the new certificate, and serves the one before: nginx: [emerg] key" in done.stderr
    )
    assert (pairs.live(host.layout), host.said()) == (before, ["nginx"])
    assert not os.path.exists(f"{host.layout.tls}/.pending")


def test_a_refused_first_pair_leaves_no_link(host):
    host.program("nginx", "exit 1")
    host.renew(make())
    assert host.run().returncode == 1
    assert not os.path.lexists(host.layout.tls_live)


def test_a_stopped_nginx_is_not_started(host):
    host.program("systemctl", f'echo systemctl "$@" >>{host.log}; exit 3')
    host.renew(make())
    assert host.run().returncode == 0
    assert host.said() == ["nginx -t", "systemctl is-active --quiet nginx.service"]


def test_a_failed_reload_is_repeated_by_the_next_run(host):
    host.program("systemctl", 'case $1 in reload) echo "no reload" >&2; exit 1;; esac')
    host.renew(make())
    done = host.run()
    assert done.returncode == 1
    assert done.stderr == "site 'shop': nginx is not reloaded, so it serves the one before: no reload\n"
    host.program("systemctl", f"echo $1 >>{host.log}")
    assert host.run().returncode == 0
    assert host.said()[-1] == "reload"


OTHER = make()


@pytest.mark.parametrize(
    ("certificate", "key", "domains", "words"),
    [
        ("", None, None, "fullchain.pem: found no certificate; expected PEM text"),
        (None, "", None, "privkey.pem: found no private key; expected PEM text without a passphrase"),
        (None, OTHER.key, None, "privkey.pem: the key does not fit the certificate in"),
        (OTHER.certificate, None, None, "privkey.pem: the key does not fit the certificate in"),
        (None, None, ["shop.example.com", "other.example.com"], "the certificate is not for other.example.com"),
        (None, None, ["*.example.com"], "the certificate is not for pyweb-check.example.com"),
        (None, None, ["192.0.2.8"], "the certificate is not for 192.0.2.8"),
    ],
)
def test_an_invalid_pair_does_not_replace_the_old_one(host, certificate, key, domains, words):
    before, made = host.serve(make()), make()
    host.renew(made._replace(certificate=made.certificate if certificate is None else certificate))
    if key is not None:
        (host.lineage / "privkey.pem").write_text(key)
    done = host.run(domains)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.startswith("site 'shop': ")
    assert done.stderr.endswith("; what nginx serves stays\n")
    assert "PRIVATE" not in done.stdout + done.stderr
    assert (pairs.live(host.layout), host.said()) == (before, [])
    assert os.listdir(f"{host.layout.tls}/pairs") == [before]


def test_an_expired_certificate_is_refused(host):
    before = host.serve(make())
    host.renew(make(days=-1))
    done = host.run()
    assert (done.returncode, pairs.live(host.layout)) == (1, before)
    assert "the certificate has ended: notAfter=" in done.stderr


def test_missing_files_do_not_replace_the_old_pair(host):
    before = host.serve(make())
    done = host.run([])
    assert (done.returncode, pairs.live(host.layout)) == (1, before)
    assert "cannot be read; what nginx serves stays" in done.stderr


def test_an_incomplete_pair_is_waited_for(host):
    host.serve(make())
    made, new = make(), make()
    host.renew(made._replace(certificate=new.certificate))

    def finish():
        time.sleep(1.5)  # the script has looked once, and looks again every second
        host.renew(new)

    other = threading.Thread(target=finish)
    other.start()
    done = host.run([], wait=10)
    other.join()
    assert done.returncode == 0, done.stderr
    assert pairs.read(host.layout) == (new.certificate, new.key)


def test_scripts_are_valid_shell(host):
    for text in (host.text(), host.text(NAMES)):
        assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0
    assert hook.path(host.layout) == f"{host.layout.tls}/renewed"


def test_paths_are_quoted():
    layout = Layout.under("shop", {"config": "/srv/a b;$(touch x)"})
    assert "tls='/srv/a b;$(touch x)/shop/tls'\n" in hook.renewed(layout)
