"""The systemd units of a site: against golden files, and verified by systemd itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import accounts
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.release import units


@pytest.mark.parametrize("name", goldens.SITES)
def test_units(name):
    rendered = units.render(goldens.site(name))
    for file, text in rendered.items():
        goldens.check(f"units/{name}/{file}", text)
    assert sorted(os.listdir(goldens.HERE / "units" / name)) == sorted(rendered)


def test_units_are_found_for_removal_but_none_of_another_site(tmp_path):
    written = {file for name in goldens.SITES for file in units.render(goldens.site(name))}
    others = {"uwsgi-shop-2.service", "uwsgi-shop-2@.service", "uwsgi-shop-2@8001.socket", "uwsgi-shopping.service"}
    for file in written | others:
        (tmp_path / file).touch()
    assert set(Layout.under("shop").units_present(str(tmp_path))) == written
    assert any(file.endswith(".socket") for file in written)


@pytest.mark.parametrize("name", goldens.SITES)
def test_accounts(name):
    site = goldens.site(name)
    layout, user = Layout.of(site), site["user"]
    goldens.check(f"accounts/{name}.sysusers", accounts.sysusers(layout, user, site["managed_user"], "www-data"))
    goldens.check(f"accounts/{name}.tmpfiles", accounts.tmpfiles(layout, user, "www-data"))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd is installed")
@pytest.mark.parametrize("name", goldens.SITES)
def test_systemd_finds_no_fault(name, tmp_path):
    """`systemd-analyze verify` warns about every directive, value and command that systemd would not accept."""
    site = goldens.site(name, {"sites": str(tmp_path / "o")})
    folder = tmp_path / "units"
    folder.mkdir()
    for file, text in units.render(site).items():
        (folder / file).write_text(text)
    # An instance of a template is a link to it; the release must have its program.
    for file in list(folder.glob("*@.service")):
        (folder / file.name.replace("@.", "@aaaaaaaaaaaa.")).symlink_to(file)
    release = tmp_path / "o/shop/releases/aaaaaaaaaaaa"
    release.mkdir(parents=True)
    (release / "uwsgi").symlink_to(sys.executable)
    argv = [
        "systemd-analyze",
        "verify",
        "--man=no",
        *[str(one) for one in folder.iterdir() if not units.is_template(one.name)],
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert [line for line in done.stderr.splitlines() if "uwsgi-shop" in line] == []
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("systemd-sysusers"), reason="needs root and systemd")
@pytest.mark.parametrize("name", ["plain", "in_place"])
def test_systemd_creates_the_user(name, tmp_path):
    site = goldens.site(name)
    (tmp_path / "etc").mkdir()
    (tmp_path / "site.conf").write_text(
        accounts.sysusers(Layout.of(site), site["user"], site["managed_user"], "www-data")
    )
    argv = ["systemd-sysusers", f"--root={tmp_path}", str(tmp_path / "site.conf")]
    subprocess.run(argv, capture_output=True, timeout=60, check=True)
    passwd = (tmp_path / "etc/passwd").read_text() if (tmp_path / "etc/passwd").exists() else ""
    made = [line.split(":") for line in passwd.splitlines()]
    if name == "in_place":
        assert made == []  # an account of the host
    else:
        [[user, _password, _uid, _gid, _name, home, shell]] = made
        assert (user, home, shell) == ("site-shop", "/nonexistent", "/usr/sbin/nologin")
    assert "www-data:" in (tmp_path / "etc/group").read_text()
