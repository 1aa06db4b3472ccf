"""Unit files: real files in a directory, and the commands for systemd."""

from __future__ import annotations

import os

import pytest
import releases
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.release.unit_files import UnitFiles
from releases import FakeShell, make_layout

pytestmark = releases.AS_ROOT
TEMPLATE, BOOT, PORT, PROBE = (
    "uwsgi-shop@.service",
    "uwsgi-shop.service",
    "uwsgi-shop@8001.socket",
    "uwsgi-shop-probe@.service",
)
PLAIN = {TEMPLATE: "the template", BOOT: "the boot"}
ON_PORT = {**PLAIN, PORT: "the port", PROBE: "the probe"}
INACTIVE, ACTIVE = "ActiveState=inactive\n", "Listen=127.0.0.1:8001 (Stream)\nActiveState=active\n"
RELOAD = "units: systemctl daemon-reload"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "systemd"
    folder.mkdir()
    return folder


def make(tmp_path, shell=None):
    return UnitFiles(shell or FakeShell(), make_layout(tmp_path), str(tmp_path / "systemd"))


def put(folder, texts, enabled=()):
    for name, text in texts.items():
        (folder / name).write_text(text)
    for name in enabled:
        wants = folder / ("sockets.target.wants" if name.endswith(".socket") else "multi-user.target.wants")
        wants.mkdir(exist_ok=True)
        (wants / name).symlink_to(folder / name)


def there(folder):
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_new_units_are_written_and_enabled(tmp_path, folder):
    shell = FakeShell()
    make(tmp_path, shell).install(PLAIN, [])
    assert there(folder) == PLAIN
    # The template only runs with an instance name; enabling also reloads systemd.
    assert shell.done == [f"units: systemctl enable --quiet {BOOT}"]
    assert oct((folder / BOOT).stat().st_mode) == "0o100644"


def test_existing_units_are_not_changed(tmp_path, folder):
    put(folder, ON_PORT, [BOOT, PORT])
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    shell = FakeShell({"systemctl show": (0, ACTIVE)})
    make(tmp_path, shell).install(ON_PORT, ["127.0.0.1:8001"])
    assert {path.name: path.stat().st_ino for path in folder.iterdir()} == before
    assert shell.done == [f"socket: systemctl show {PORT} --property=Listen,ActiveState"]


RULES = "pyweb-ports-shop.service"


@pytest.mark.parametrize(
    ("before", "loaded", "restarts"),
    [("", True, True), ("of another port", True, True), ("the rules", False, True), ("the rules", True, False)],
)
def test_rules_of_the_ports_are_loaded_before_the_ports_are_open(tmp_path, folder, before, loaded, restarts):
    wanted = {**ON_PORT, RULES: "the rules"}
    put(folder, {**wanted, RULES: before} if before else ON_PORT, [BOOT, PORT, *([RULES] if before else [])])
    shell = FakeShell({"systemctl show": (0, INACTIVE), "/usr/bin/python3": (0 if loaded else 1, "")})
    make(tmp_path, shell).install(wanted, ["127.0.0.1:8001"])
    restart = f"ports: systemctl restart {RULES} (may fail)"
    own = [command for command in shell.done if command in (restart, f"socket: systemctl start {PORT}")]
    assert own == ([restart] if restarts else []) + [f"socket: systemctl start {PORT}"]


def test_restored_rules_are_loaded(tmp_path, folder):
    put(folder, {**ON_PORT, RULES: "of another port"}, [BOOT, PORT, RULES])
    shell = FakeShell()
    make(tmp_path, shell).restore({RULES: "the rules"})
    assert there(folder)[RULES] == "the rules"
    assert shell.done[-1] == f"ports: systemctl restart {RULES} (may fail)"


def test_a_changed_unit_is_written_and_systemd_is_reloaded(tmp_path, folder):
    put(folder, {**PLAIN, TEMPLATE: "the former one"}, [BOOT])
    shell = FakeShell()
    make(tmp_path, shell).install(PLAIN, [])
    assert there(folder) == PLAIN
    assert shell.done == [RELOAD]


@pytest.mark.parametrize("disabled", [BOOT, PORT])
def test_a_disabled_unit_is_enabled_again(tmp_path, folder, disabled):
    put(folder, ON_PORT, {BOOT, PORT} - {disabled})
    shell = FakeShell({"systemctl show": (0, ACTIVE)})
    make(tmp_path, shell).install(ON_PORT, ["127.0.0.1:8001"])
    assert shell.done[0] == f"units: systemctl enable --quiet {BOOT} {PORT}"


def test_only_an_inactive_socket_unit_is_started(tmp_path, folder):
    put(folder, ON_PORT, [BOOT, PORT])
    shell = FakeShell({"systemctl show": (0, INACTIVE)})
    make(tmp_path, shell).install(ON_PORT, ["127.0.0.1:8001"])
    assert shell.done[1:] == [f"socket: systemctl start {PORT}"]


def test_a_port_that_is_open_on_another_address_is_refused(tmp_path, folder):
    put(folder, ON_PORT, [BOOT, PORT])
    held = "Listen=0.0.0.0:8001 (Stream)\nListen=[::]:8001 (Stream)\nActiveState=active\n"
    with pytest.raises(StepError) as caught:
        make(tmp_path, FakeShell({"systemctl show": (0, held)})).install(ON_PORT, ["127.0.0.1:8001"])
    assert str(caught.value) == (
        "site 'shop': socket failed: uwsgi.socket is 127.0.0.1:8001; its port is held as 0.0.0.0:8001, [::]:8001, "
        "which the live release needs; use another port"
    )


def test_only_units_of_the_site_are_read(tmp_path, folder):
    put(folder, {**PLAIN, "uwsgi-shopping.service": "another site's"})
    units = make(tmp_path)
    assert sorted(units.present()) == [BOOT, TEMPLATE]
    assert units.texts([PORT]) == {**PLAIN, PORT: ""}


def test_units_are_installed_if_all_have_the_expected_text(tmp_path, folder):
    put(folder, {**PLAIN, PORT: "more than wanted"})
    units = make(tmp_path)
    assert units.installed(PLAIN)
    assert not units.installed({**PLAIN, BOOT: "another boot"})
    assert not units.installed(ON_PORT)


def test_units_are_restored_and_new_ones_removed(tmp_path, folder):
    put(folder, PLAIN)
    shell = FakeShell()
    units = make(tmp_path, shell)
    before = units.texts(ON_PORT)
    put(folder, {**ON_PORT, TEMPLATE: "the new release's"})
    units.restore(before)
    assert there(folder) == PLAIN
    assert sorted(shell.done) == [RELOAD, f"units: systemctl disable --quiet --now {PORT} (may fail)"]
    assert shell.done[-1] == RELOAD


def test_only_a_changed_unit_is_restored(tmp_path, folder):
    put(folder, {**PLAIN, BOOT: "another"})
    shell = FakeShell()
    make(tmp_path, shell).restore(PLAIN)
    assert there(folder) == PLAIN
    assert shell.done == [RELOAD]


def test_unchanged_units_are_not_restored(tmp_path, folder):
    put(folder, PLAIN)
    shell = FakeShell()
    make(tmp_path, shell).restore(PLAIN)
    assert shell.done == []


def test_an_unused_port_is_closed_before_its_unit_is_removed(tmp_path, folder):
    put(folder, ON_PORT)
    seen = []

    class Watching(FakeShell):
        def run(self, *words, **more):
            seen.append((folder / PORT).exists())
            return super().run(*words, **more)

    shell = Watching()
    make(tmp_path, shell).drop([PORT, PROBE])
    assert shell.done == [f"units: systemctl disable --quiet --now {PORT} (may fail)", RELOAD]
    assert seen == [True, False]
    assert sorted(os.listdir(folder)) == sorted(PLAIN)
