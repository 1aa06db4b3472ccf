"""The units that watch certificates of other programs."""

from __future__ import annotations

import os
from types import SimpleNamespace

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.tls import hook, watch


class Systemd:
    """Do what systemctl does to files; `active` is the state of the path unit."""

    def __init__(self, folder):
        self.folder, self.active, self.calls = folder, False, []

    def run(self, _step, argv, check=True):
        self.calls.append(" ".join(argv[1:]))
        wants = self.folder / "multi-user.target.wants"
        wants.mkdir(exist_ok=True)
        names = [word for word in argv[2:] if not word.startswith("-")]
        if argv[1] == "enable":
            for name in names:
                (wants / name).symlink_to(self.folder / name)
        if argv[1] == "disable":
            for name in names:
                (wants / name).unlink(missing_ok=True)
        if argv[1] in ("restart", "start"):
            self.active = True
        return SimpleNamespace(returncode=0 if self.active or argv[1] != "is-active" else 3)


@pytest.fixture
def host(tmp_path):
    units, certificates = tmp_path / "system", tmp_path / "ssl"
    units.mkdir()
    certificates.mkdir()
    layout = Layout.under("shop", {"config": str(tmp_path / "etc")})
    os.makedirs(layout.tls)
    systemd = Systemd(units)
    found = watch.Watch(systemd, layout, str(units))
    tls = {"certificate_path": str(certificates / "a.pem"), "key_path": str(certificates / "a.key")}
    wanted = found.wanted(tls, ["shop.example.com"])
    return SimpleNamespace(watch=found, wanted=wanted, systemd=systemd, layout=layout, units=units)


def test_units_are_written_enabled_and_started_once(host):
    assert host.watch.ensure(host.wanted, dry=True) == list(host.wanted)
    assert (host.systemd.calls, os.listdir(host.units)) == ([], [])
    assert host.watch.ensure(host.wanted, dry=False) == list(host.wanted)
    units = "pyweb-tls-shop.path pyweb-tls-shop.service"
    calls = ["daemon-reload", f"enable --quiet {units}", "restart pyweb-tls-shop.path"]
    assert host.systemd.calls == calls
    assert os.stat(watch.script(host.layout)).st_mode & 0o777 == 0o700
    host.systemd.calls.clear()
    assert host.watch.ensure(host.wanted, dry=False) == []
    assert host.systemd.calls == ["is-active --quiet pyweb-tls-shop.path"]


def test_a_stopped_unit_is_started_again(host):
    host.watch.ensure(host.wanted, dry=False)
    host.systemd.active = False
    host.watch.ensure(host.wanted, dry=False)
    assert host.systemd.calls[-1] == "start pyweb-tls-shop.path"


def test_a_disabled_unit_is_enabled_again(host):
    host.watch.ensure(host.wanted, dry=False)
    os.unlink(host.units / "multi-user.target.wants/pyweb-tls-shop.path")
    os.unlink(host.units / "multi-user.target.wants/pyweb-tls-shop.service")
    assert host.watch.ensure(host.wanted, dry=True) != []
    assert host.watch.ensure(host.wanted, dry=False) != []
    assert host.watch.ensure(host.wanted, dry=True) == []


def test_removal_leaves_no_files(host):
    host.watch.ensure(host.wanted, dry=False)
    host.systemd.calls.clear()
    assert host.watch.remove(dry=True) == list(host.wanted)
    assert host.systemd.calls == []
    assert host.watch.remove(dry=False) == list(host.wanted)
    assert os.listdir(host.layout.tls) == []
    assert [name for _folder, _folders, names in os.walk(host.units) for name in names] == []
    host.systemd.calls.clear()
    assert host.watch.remove(dry=False) == []
    assert host.systemd.calls == []


def test_links_to_a_file_and_their_directories_are_watched(tmp_path):
    live, archive = tmp_path / "live", tmp_path / "archive"
    live.mkdir()
    archive.mkdir()
    (archive / "cert2.pem").write_text("x")
    (live / "cert.pem").symlink_to("../archive/cert2.pem")
    (tmp_path / "ssl").symlink_to(live)
    watched = watch.places(f"{tmp_path}/ssl/cert.pem")
    assert watched == [f"{tmp_path}/ssl/cert.pem", str(tmp_path), str(live), str(archive)]
    # After a renewal the unit stays the same.
    (archive / "cert3.pem").write_text("y")
    (live / "cert.pem").unlink()
    (live / "cert.pem").symlink_to("../archive/cert3.pem")
    assert watch.places(f"{tmp_path}/ssl/cert.pem") == watched


def test_plain_file_is_watched_with_its_directory(tmp_path):
    assert watch.places(f"{tmp_path}/cert.pem") == [f"{tmp_path}/cert.pem", str(tmp_path)]


def test_circular_links_end(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert str(tmp_path) in watch.places(f"{tmp_path}/a")


def test_texts():
    layout = Layout.under("shop")
    text = "\n".join(
        [
            watch.path_text(layout, "/srv/certificates/shop.pem", "/srv/certificates/shop.key"),
            watch.service_text(layout),
            hook.changed(layout, "/srv/certificates/shop.pem", "/srv/certificates/shop.key", ["*.example.com", "::1"]),
            hook.renewed(layout),
        ]
    )
    goldens.check("tls_units.txt", text)
