"""Files of a site on a host: those of a release, links, pruning, scripts; and its removal."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from pathlib import Path

import goldens
import pytest
import releases
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.release import scripts
from ansible_collections.pyweb.stack.plugins.module_utils.release.release import stored
from ansible_collections.pyweb.stack.plugins.module_utils.release.shelf import Shelf, withdraw
from releases import FakeShell, make_layout, make_release, make_site, put_links, put_releases

pytestmark = releases.AS_ROOT
HERE = Path(__file__).parent


def make(tmp_path, **keys):
    return Shelf(make_layout(tmp_path)), make_release(tmp_path, **keys)


def named(release, release_id):
    return dataclasses.replace(release, id=release_id)


# --- the files of a release ---


@pytest.fixture
def ready(tmp_path):
    """Return a shelf, and a release whose build and user exist."""
    (tmp_path / "sites/shop/releases").mkdir(parents=True)
    (tmp_path / "config/shop").mkdir(parents=True)
    (tmp_path / "build/venv/bin").mkdir(parents=True)
    (tmp_path / "build/venv/bin/uwsgi").touch(0o755)
    shelf, release = make(tmp_path, env={"TOKEN": "a b"})
    root = str(tmp_path / "build")
    manifest = {
        **goldens.BUILD,
        "path": root,
        "src": f"{root}/src",
        "home": f"{root}/venv",
        "uwsgi": f"{root}/venv/bin/uwsgi",
        "source": {"kind": "startproject", "startproject": "mysite"},
    }
    return shelf, dataclasses.replace(release, manifest=manifest, user="root")


def found(folder):
    return {path.name: os.readlink(path) if path.is_symlink() else path.read_text() for path in folder.iterdir()}


def test_a_release_is_a_directory_of_links(tmp_path, ready):
    shelf, release = ready
    shelf.prepare(release)
    root = tmp_path / "build"
    assert found(tmp_path / "sites/shop/releases" / release.id) == {
        "src": f"{root}/src",
        "venv": f"{root}/venv",
        "uwsgi": f"{root}/venv/bin/uwsgi",
        "overlay": f"{root}/overlay",
        "static": f"{root}/static",
        "uwsgi.sock": f"{tmp_path}/run/shop/{release.id}.sock",
        "uwsgi.ini": release.ini,
    }
    assert os.listdir(tmp_path / "sites/shop/releases") == [release.id]
    environment = tmp_path / f"config/shop/{release.id}.env"
    assert environment.read_text() == f'HOME="{tmp_path}/state/shop"\nTOKEN="a b"\n'
    shelf.record(release, [])
    assert stored(release.layout, release.id).environment == {"TOKEN": "a b"}
    assert oct((tmp_path / "sites/shop/releases" / release.id).stat().st_mode) == "0o40755"


def test_the_environment_is_readable_for_root_only_and_contains_home(tmp_path, ready):
    shelf, release = ready
    shelf.prepare(dataclasses.replace(release, user="daemon"))
    path = tmp_path / f"config/shop/{release.id}.env"
    found = path.stat()
    assert (found.st_uid, found.st_gid, oct(found.st_mode)) == (0, 0, "0o100600")
    assert f'HOME="{tmp_path}/' in path.read_text()


def test_a_project_in_place_has_no_overlay_and_no_virtualenv(tmp_path, ready):
    shelf, release = ready
    shelf.prepare(dataclasses.replace(release, manifest={**release.manifest, "overlay": False, "home": ""}))
    assert sorted(found(tmp_path / "sites/shop/releases" / release.id)) == ["src", "uwsgi", "uwsgi.ini", "uwsgi.sock"]


def test_files_left_by_an_earlier_run_are_replaced(tmp_path, ready):
    shelf, release = ready
    folder = tmp_path / "sites/shop/releases" / release.id
    folder.mkdir()
    (folder / "uwsgi.ini").write_text("an older one")
    (folder / "release.json").write_text("{}")
    partial = folder.with_name(f".{release.id}.partial")
    partial.mkdir()
    (partial / "half").write_text("")
    shelf.prepare(release)
    assert found(folder)["uwsgi.ini"] == release.ini
    assert found(folder)["release.json"] == "{}"
    assert "half" not in found(folder)
    assert os.listdir(folder.parent) == [release.id]


@pytest.mark.parametrize("mode", [None, 0o644])
def test_a_build_without_uwsgi_is_refused(tmp_path, ready, mode):
    shelf, release = ready
    uwsgi = tmp_path / "build/venv/bin/uwsgi"
    uwsgi.unlink()
    if mode:
        uwsgi.touch(mode)
    with pytest.raises(StepError) as caught:
        shelf.prepare(release)
    assert str(caught.value) == (
        f"site 'shop': uwsgi failed: there is no uWSGI at {uwsgi}; install it there, or change uwsgi.install"
    )


def test_a_complete_release_has_its_record_and_its_own_ini(tmp_path, ready):
    shelf, release = ready
    assert not shelf.has(release.id)
    shelf.prepare(release)
    assert shelf.has(release.id)
    assert not shelf.complete(release)
    shelf.record(release, ["shop.0001_initial"])
    assert shelf.complete(release)
    assert not shelf.complete(dataclasses.replace(release, ini="another"))


def test_a_record_is_written_as_readable_json(tmp_path, ready):
    shelf, release = ready
    shelf.prepare(release)
    shelf.record(release, ["shop.0001_initial"])
    text = (tmp_path / "sites/shop/releases" / release.id / "release.json").read_text()
    record = json.loads(text)
    assert text == json.dumps(record, indent=1, sort_keys=True) + "\n"
    assert record["made"] > 1764000000
    assert record == json.loads(json.dumps(release.record(["shop.0001_initial"], record["made"])))
    assert shelf.record_of(release.id) == record
    put_links(tmp_path, release.id)
    assert shelf.live_ini() == release.ini


# --- links ---


def test_a_host_without_releases_has_no_current(tmp_path):
    shelf, release = make(tmp_path)
    assert (shelf.current, shelf.previous, shelf.live_ini(), shelf.record_of("")) == ("", "", "", {})
    assert shelf.kept(release) == {release.id}


def links(tmp_path):
    folder = tmp_path / "sites/shop"
    return {name: os.readlink(folder / name) for name in ("current", "previous") if (folder / name).is_symlink()}


def test_the_live_release_becomes_previous_at_a_switch(tmp_path):
    shelf, _release = make(tmp_path)
    put_releases(tmp_path, ("a", 1), ("b", 2))
    shelf.switch("a")
    assert links(tmp_path) == {"current": "releases/a"}
    shelf.switch("b")
    assert links(tmp_path) == {"current": "releases/b", "previous": "releases/a"}
    shelf.switch("b")
    assert links(tmp_path) == {"current": "releases/b", "previous": "releases/a"}
    assert (shelf.current, shelf.previous) == ("b", "a")


def test_previous_never_points_to_a_missing_release(tmp_path):
    shelf, _release = make(tmp_path)
    put_releases(tmp_path, ("b", 2))
    put_links(tmp_path, "gone", "b")
    shelf.switch("b")
    assert links(tmp_path) == {"current": "releases/b", "previous": "releases/b"}


@pytest.mark.parametrize("before", ["", "a"], ids=["first release", "later release"])
def test_links_are_restored(tmp_path, before):
    shelf, _release = make(tmp_path)
    put_releases(tmp_path, ("a", 1), ("new", 2))
    put_links(tmp_path, before)
    noted = shelf.links()
    assert noted == {
        f"{tmp_path}/sites/shop/current": f"releases/{before}" if before else "",
        f"{tmp_path}/sites/shop/previous": "",
    }
    shelf.put_back(noted)
    shelf.switch("new")
    shelf.put_back(noted)
    assert links(tmp_path) == ({"current": f"releases/{before}"} if before else {})


# --- pruning ---


@pytest.mark.parametrize(
    ("keep", "kept"),
    [(1, {"new", "old"}), (2, {"new", "old"}), (3, {"new", "old", "d"}), (4, {"new", "old", "d", "c"}), (9, None)],
)
def test_which_releases_are_kept(tmp_path, keep, kept):
    shelf, release = make(tmp_path, keep_releases=keep)
    put_releases(tmp_path, ("a", 1), ("old", 2), ("c", 3), ("d", 4), ("new", 5), (".x.partial", 6))
    put_links(tmp_path, "new", "old")
    assert shelf.kept(named(release, "new")) == (kept or {"a", "old", "c", "d", "new"})


def test_the_live_release_is_always_kept(tmp_path):
    """After a rollback `current` is the oldest one."""
    shelf, release = make(tmp_path, keep_releases=1)
    put_releases(tmp_path, ("a", 1), ("b", 2), ("c", 3))
    put_links(tmp_path, "a")
    assert shelf.kept(named(release, "a")) == {"a"}


def test_the_newest_releases_are_kept_independent_of_their_ids(tmp_path):
    shelf, release = make(tmp_path, keep_releases=2)
    put_releases(tmp_path, ("c", 1), ("a", 3), ("b", 2), ("new", 4))
    put_links(tmp_path, "new")
    (tmp_path / "sites/shop/releases/zz").mkdir()  # Without a record it counts as the oldest.
    assert shelf.kept(named(release, "new")) == {"new", "a"}


@pytest.fixture
def full(tmp_path):
    """Five releases with a build and a virtualenv each, and some that belong to no release."""
    put_releases(tmp_path, ("a", 1), ("old", 2), ("c", 3), ("d", 4), ("new", 5), (".x.partial", 6))
    put_links(tmp_path, "new", "old")
    for name in ("a", "old", "c", "d", "new"):
        build, venv = tmp_path / f"sites/shop/builds/of-{name}", tmp_path / f"sites/shop/virtualenvs/for-{name}"
        build.mkdir(parents=True)
        venv.mkdir(parents=True)
        (build / "build.json").write_text(json.dumps({"home": str(venv)}))
        for path in (f"config/shop/{name}.env", f"run/shop/{name}.sock", f"run/shop/{name}.stats"):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).touch()
    # A later build that shares the virtualenv of a kept one, and one with a virtualenv inside.
    (tmp_path / "sites/shop/builds/of-d/build.json").write_text(
        json.dumps({"home": str(tmp_path / "sites/shop/virtualenvs/for-new")})
    )
    (tmp_path / "sites/shop/builds/unused").mkdir()
    (tmp_path / "sites/shop/virtualenvs/unused").mkdir()
    return tmp_path


def left(folder):
    return sorted(os.listdir(folder / "sites/shop/builds")), sorted(os.listdir(folder / "sites/shop/virtualenvs"))


def test_builds_and_virtualenvs_of_kept_releases_are_kept(full):
    shelf, release = make(full, keep_releases=3)
    release = dataclasses.replace(named(release, "new"), manifest={**release.manifest, "id": "of-new"})
    changes = shelf.tidy(release, check_mode=False)
    site = f"{full}/sites/shop"
    assert changes == [
        f"{site}/manage",
        f"{site}/list",
        f"{site}/releases/.x.partial",
        f"{site}/releases/a",
        f"{site}/releases/c",
    ]
    assert sorted(os.listdir(full / "sites/shop/releases")) == ["d", "new", "old"]
    assert left(full) == (["of-d", "of-new", "of-old"], ["for-new", "for-old"])
    assert sorted(os.listdir(full / "config/shop")) == ["d.env", "new.env", "old.env"]
    assert sorted(os.listdir(full / "run/shop")) == [
        f"{name}.{kind}" for name in ("d", "new", "old") for kind in ("sock", "stats")
    ]
    assert shelf.tidy(release, check_mode=False) == []


@pytest.mark.parametrize("recorded", [True, False])
def test_a_release_that_a_worker_still_uses_is_kept_with_its_build(full, recorded):
    """Also one that was rolled back before it had a record: the link to its code shows its build."""
    shelf, release = make(full, keep_releases=1)
    folder = full / "sites/shop/releases/c"
    (folder / "src").symlink_to(full / "sites/shop/builds/of-c/src")
    if not recorded:
        (folder / "release.json").unlink()
    release = dataclasses.replace(named(release, "new"), manifest={**release.manifest, "id": "of-new"})
    shelf.tidy(release, False, {"c"})
    assert sorted(os.listdir(full / "sites/shop/releases")) == ["c", "new", "old"]
    assert left(full) == (["of-c", "of-new", "of-old"], ["for-c", "for-new", "for-old"])
    assert "c.env" in os.listdir(full / "config/shop")
    assert shelf.tidy(release, False) == [f"{full}/sites/shop/releases/c"]


def test_files_of_the_inventory_are_kept_as_long_as_a_build_uses_them(full):
    shelf, release = make(full, keep_releases=3)
    for name, digest in {"of-new": "aaa", "of-a": "bbb", "of-d": "ccc"}.items():
        manifest = full / f"sites/shop/builds/{name}/build.json"
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "files": digest}))
        (full / "config/shop/files" / digest).mkdir(parents=True)
    shelf.tidy(
        dataclasses.replace(named(release, "new"), manifest={**release.manifest, "id": "of-new"}), check_mode=False
    )
    assert sorted(os.listdir(full / "config/shop/files")) == ["aaa", "ccc"]


def test_the_build_of_the_release_itself_is_kept_without_a_record(full):
    shelf, release = make(full, keep_releases=1)
    (full / "sites/shop/releases/new/release.json").unlink()
    shelf.tidy(
        dataclasses.replace(named(release, "new"), manifest={**release.manifest, "id": "of-new"}), check_mode=False
    )
    assert left(full) == (["of-new", "of-old"], ["for-new", "for-old"])


def test_check_mode_removes_and_writes_nothing(full):
    shelf, release = make(full, keep_releases=3)
    before = sorted(str(path) for path in full.rglob("*"))
    changes = shelf.tidy(named(release, "new"), check_mode=True)
    assert [Path(path).name for path in changes] == ["manage", "list", ".x.partial", "a", "c"]
    assert sorted(str(path) for path in full.rglob("*")) == before


# --- the scripts ---


def test_manage_of_a_release_of_0_1_is_unchanged():
    """Byte for byte: it had no sandbox. With one, `manage` runs in it, and nothing else differs. `list` is new."""
    site = goldens.site("plain")
    secrets = {"env": {}, "database": "", "git": "", "key": "", "password": ""}
    release = releases.wanted(site, secrets, goldens.BUILD, "site-shop")
    goldens.check("scripts/manage_in_the_sandbox", scripts.render(release)["/opt/sites/shop/manage"])
    texts = scripts.render(dataclasses.replace(release, sandbox={}))
    assert sorted(texts) == ["/opt/sites/shop/list", "/opt/sites/shop/manage"]
    goldens.check("scripts/manage", texts["/opt/sites/shop/manage"])
    goldens.check("scripts/list", texts["/opt/sites/shop/list"])


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({}, ["--setenv=DJANGO_SETTINGS_MODULE=pyweb_settings ", "/current/venv/bin/python -m django"]),
        ({"overlay": False}, ["--setenv=DJANGO_SETTINGS_MODULE=mysite.settings "]),
        ({"home": ""}, ["--setenv=HOME={}/state/shop /usr/bin/python3 -m django"]),
        ({"chdir": "backend"}, ["--property=WorkingDirectory={}/sites/shop/current/src/backend "]),
    ],
)
def test_manage_runs_the_python_and_settings_of_the_build(tmp_path, manifest, words):
    release = make_release(tmp_path, {**goldens.BUILD, **manifest})
    text = scripts.render(release)[f"{tmp_path}/sites/shop/manage"]
    for word in words:
        assert word.format(tmp_path) in text


@pytest.mark.parametrize("odd", ["a`touch HACKED`", "a;touch HACKED", "a'b; touch HACKED '"])
def test_the_directory_name_of_a_build_of_0_1_is_not_executed_by_manage(tmp_path, odd):
    odd = odd.replace("HACKED", str(tmp_path / "hacked"))
    release = make_release(tmp_path, {**goldens.BUILD, "chdir": odd})
    (tmp_path / "systemd-run").write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {tmp_path}/words\n")
    (tmp_path / "systemd-run").chmod(0o755)
    (tmp_path / "manage").write_text(scripts.render(release)[f"{tmp_path}/sites/shop/manage"])
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    subprocess.run(
        ["/bin/sh", str(tmp_path / "manage"), "check"], check=True, env=environment, stdin=subprocess.DEVNULL
    )
    assert not (tmp_path / "hacked").exists()
    wanted = f"--property=WorkingDirectory={tmp_path}/sites/shop/current/src/{odd}"
    assert wanted in (tmp_path / "words").read_text().splitlines()


def test_scripts_are_valid_shell(tmp_path):
    """`sh -n` parses manage; its words are plain, so nothing needs quoting."""
    shelf, release = make(tmp_path)
    (tmp_path / "sites/shop").mkdir(parents=True)
    shelf.tidy(release, check_mode=False)
    manage, listing = tmp_path / "sites/shop/manage", tmp_path / "sites/shop/list"
    assert (oct(manage.stat().st_mode), oct(listing.stat().st_mode)) == ("0o100755", "0o100755")
    subprocess.run(["/bin/sh", "-n", str(manage)], check=True)
    manage.write_text("edited")
    assert shelf.tidy(release, check_mode=False) == [str(manage)]
    assert shelf.tidy(release, check_mode=False) == []


def test_the_list_of_releases(tmp_path):
    shelf, release = make(tmp_path, keep_releases=9)
    put_releases(tmp_path, ("a" * 12, 1764000000), ("b" * 12, 1764000200), ("c" * 12, 1764000100))
    record = tmp_path / "sites/shop/releases" / ("b" * 12) / "release.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "source": "git /srv/shop.git main"}))
    put_links(tmp_path, "a" * 12, "c" * 12)
    (tmp_path / "sites/shop/releases/.x.partial").mkdir()
    (tmp_path / "sites/shop/releases/.x.partial/release.json").write_text("half of one")
    shelf.tidy(named(release, "a" * 12), check_mode=False)
    (tmp_path / "sites/shop/releases" / ("d" * 12)).mkdir()  # An incomplete directory of a killed run is not a release.
    done = subprocess.run(
        [str(tmp_path / "sites/shop/list")], capture_output=True, text=True, check=True, env={"TZ": "UTC"}
    )
    assert done.stdout.splitlines() == [
        "bbbbbbbbbbbb  2025-11-24 16:03:20            git /srv/shop.git main",
        "cccccccccccc  2025-11-24 16:01:40  previous  ",
        "aaaaaaaaaaaa  2025-11-24 16:00:00  live      ",
    ]


def test_the_list_shows_workers_and_timers_if_the_site_has_any(tmp_path, monkeypatch):
    monkeypatch.setattr(scripts, "SYSTEMD", str(tmp_path / "systemd"))
    keys = {"workers": {"celery": {"run": "celery"}}, "timers": {"digest": {"manage": "x", "at": "daily"}}}
    shelf, release = make(tmp_path, **keys)
    live, old = release.id, "0" * 12
    put_releases(tmp_path, (live, 1764000000))
    put_links(tmp_path, live)
    units = {
        f"pyweb-worker-shop@{live}:celery:1.service": ("active", 3, "success"),
        f"pyweb-worker-shop@{old}:celery:1.service": ("deactivating", 0, "success"),
        f"pyweb-worker-shop@{old}:gone:1.service": ("inactive", 0, "success"),
        "pyweb-timer-shop@digest.timer": ("active", 0, "success"),
        "pyweb-timer-shop@digest.service": ("failed", 0, "exit-code"),
        "pyweb-worker-other@x.service": ("active", 0, ""),
    }
    (tmp_path / "systemd").mkdir()
    shown = []
    for name, (state, restarts, result) in units.items():
        (tmp_path / "systemd" / name).touch()
        shown.append(f"Id={name}\nActiveState={state}\nNRestarts={restarts}\nResult={result}")
        shown[-1] += "\nNextElapseUSecRealtime=Fri 2026-11-27 00:00:00 UTC" if name.endswith("timer") else ""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/systemctl").write_text("#!/bin/sh\ncat <<'END'\n" + "\n\n".join(shown) + "\nEND\n")
    (tmp_path / "bin/systemctl").chmod(0o755)
    shelf.tidy(release, check_mode=False)
    environment = {"TZ": "UTC", "PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    done = subprocess.run(
        [str(tmp_path / "sites/shop/list")], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.splitlines() == [
        f"{live}  2025-11-24 16:00:00  live      ",
        f"worker celery 1: finishes its task, release {old}, 0 restarts",
        f"worker celery 1: running, release {live}, 3 restarts",
        "timer digest: next Fri 2026-11-27 00:00:00 UTC, last result: exit-code",
    ]


# --- removal ---


@pytest.fixture
def site(tmp_path):
    """A site on the host, with units in `systemd`."""
    systemd = tmp_path / "systemd"
    systemd.mkdir()
    for name in ("uwsgi-shop.service", "uwsgi-shop@.service", "uwsgi-shop@8000.socket", "uwsgi-other.service"):
        (systemd / name).touch()
    put_releases(tmp_path, ("a", 1))
    (tmp_path / "config/shop").mkdir(parents=True)
    for name in ("a.env", "processes.json", "secret_key", "superusers.json"):
        (tmp_path / "config/shop" / name).touch()
    return make_site(tmp_path)[0]


def test_an_absent_site_is_stopped_and_removed(tmp_path, site):
    shell, systemd = FakeShell(), tmp_path / "systemd"
    root = tmp_path / "sites/shop"

    def forget():
        assert not root.exists()
        return ["the account"]

    (tmp_path / "config/shop/files/0123456789ab").mkdir(parents=True)
    changes = withdraw(site, shell, False, forget, str(systemd))
    units = [f"{systemd}/{name}" for name in ("uwsgi-shop@.service", "uwsgi-shop.service", "uwsgi-shop@8000.socket")]
    assert changes == [*units, str(root), "the account"]
    assert shell.done == [
        "units: systemctl disable --quiet --now uwsgi-shop.service uwsgi-shop@8000.socket (may fail)",
        "units: systemctl stop uwsgi-shop@*.service (may fail)",
        "units: systemctl daemon-reload",
        "units: systemctl reset-failed uwsgi-shop@*.service (may fail)",
    ]
    assert os.listdir(systemd) == ["uwsgi-other.service"]
    # The secret key is kept with the data.
    assert sorted(os.listdir(tmp_path / "config/shop")) == ["secret_key", "superusers.json"]


def test_timers_and_workers_of_an_absent_site_stop_before_its_server(tmp_path, site):
    shell, systemd = FakeShell(), tmp_path / "systemd"
    names = [
        "pyweb-timer-shop@a.timer",
        "pyweb-timer-shop@a.service",
        "pyweb-worker-shop.service",
        f"pyweb-worker-shop@{'a' * 12}:b:1.service",
    ]
    for name in [*names, "pyweb-worker-shop-2.service"]:
        (systemd / name).touch()
    changes = withdraw(site, shell, False, list, str(systemd))
    assert {f"{systemd}/{name}" for name in names} < set(changes)
    stopped = [words for words in shell.done if " stop " in words or " disable " in words]
    assert stopped == [
        "timers: systemctl disable --quiet --now pyweb-timer-shop@a.timer pyweb-worker-shop.service (may fail)",
        "workers: systemctl stop pyweb-timer-shop@*.service (may fail)",
        "workers: systemctl stop pyweb-worker-shop@*:*:*.service (may fail)",
        "units: systemctl disable --quiet --now uwsgi-shop.service uwsgi-shop@8000.socket (may fail)",
        "units: systemctl stop uwsgi-shop@*.service (may fail)",
    ]
    assert sorted(os.listdir(systemd)) == ["pyweb-worker-shop-2.service", "uwsgi-other.service"]


def test_check_mode_removes_nothing(tmp_path, site):
    shell = FakeShell()
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    changes = withdraw(site, shell, True, lambda: ["the account"], str(tmp_path / "systemd"))
    assert (len(changes), changes[-2:]) == (5, [f"{tmp_path}/sites/shop", "the account"])
    assert shell.done == []
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_removal_of_a_site_that_never_existed(tmp_path):
    shell = FakeShell()
    (tmp_path / "systemd").mkdir()
    assert withdraw(make_site(tmp_path)[0], shell, False, list, str(tmp_path / "systemd")) == []
    assert shell.done == []


def test_files_left_by_a_killed_removal_are_removed(tmp_path, site):
    """Its units and directory were removed, its environments were not."""
    for path in (tmp_path / "systemd").glob("uwsgi-shop*"):
        path.unlink()
    shell = FakeShell()
    Path(tmp_path / "sites/shop").rename(tmp_path / "gone")
    assert withdraw(site, shell, False, list, str(tmp_path / "systemd")) == []
    assert shell.done == []
    assert sorted(os.listdir(tmp_path / "config/shop")) == ["secret_key", "superusers.json"]
