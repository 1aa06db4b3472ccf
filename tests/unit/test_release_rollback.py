"""A rollback: its steps and their order, what is refused, and what is left when a step fails.

The releases were made by version 0.1. systemd and the database are fakes; files and links are real.
"""

from __future__ import annotations

import dataclasses
import json

import pytest
import releases
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.release.release import stored
from ansible_collections.pyweb.stack.plugins.module_utils.release.switch import Switch
from releases import buildable, history, links, make_layout, make_release, make_world, put_0_1, put_links, put_releases

pytestmark = releases.AS_ROOT
LIVE = "1" * 12


def roll_back(world, release, ignore_migrations=False, check_mode=False):
    return Switch(release, *world.parts(), "anna@desk", check_mode).roll_back(ignore_migrations)


@pytest.fixture(params=["unix", "tcp"])
def rolled(tmp_path, request):
    """An earlier release of 0.1, and a later one that is live and has one more migration."""
    record = put_0_1(tmp_path, request.param)
    live = json.loads(json.dumps(record))
    live.update(id=LIVE, made=1764000100, migrations=["shop.0001_initial", "shop.0002_more"])
    folder = tmp_path / "sites/shop/releases" / LIVE
    folder.mkdir()
    (folder / "release.json").write_text(json.dumps(live))
    (folder / "uwsgi.ini").write_text("[uwsgi]\n# live\n")
    put_links(tmp_path, LIVE, record["id"])
    return stored(make_layout(tmp_path), record["id"]), folder


def test_a_release_of_0_1_is_live_again_with_its_own_units(tmp_path, rolled):
    release, _folder = rolled
    world = make_world(tmp_path, running=[LIVE])
    record = (tmp_path / "sites/shop/releases" / release.id / "release.json").read_text()
    change = roll_back(world, release)
    own = release.id
    if release.sockets:
        started = [
            ("install units 127.0.0.1:8000 [::1]:8001", LIVE),
            (f"clear {own}", LIVE),
            (f"start probe of {own}", LIVE),
            (f"health probe of {own}", LIVE),
            (f"abandon probe of {own}", LIVE),
            (f"switch to {own}", LIVE),
            (f"start {own}", own),
            (f"health {own}", own),
        ]
    else:
        started = [("install units", LIVE), (f"start {own}", LIVE), (f"health {own}", LIVE), (f"switch to {own}", LIVE)]
    assert world.seen == [
        ("migrations applied", LIVE),
        *started,
        (f"settle {own} live", own),
        (f"drain {LIVE}", own),
        (f"retire {LIVE}", own),
        *([("stop probes", own)] if release.sockets else []),
        ("tidy", own),
    ]
    assert world.units == json.loads(record)["units"]
    assert (tmp_path / "sites/shop/releases" / own / "release.json").read_text() == record
    assert change == ([f"rollback to {own}"], own, LIVE, [], "[uwsgi]\n# live\n", release.ini)
    assert f"releases/{own}/src" in change.after
    assert links(tmp_path) == (f"releases/{own}", f"releases/{LIVE}")
    assert history(tmp_path) == [f"rollback {LIVE} -> {own} by anna@desk: live"]


@pytest.mark.parametrize("missing", ["group", "paths"])
def test_a_rollback_does_not_need_keys_that_only_templates_read(tmp_path, rolled, missing):
    path = tmp_path / "sites/shop/releases" / rolled[0].id / "release.json"
    record = json.loads(path.read_text())
    del record["site"][missing]
    path.write_text(json.dumps(record))
    release = stored(make_layout(tmp_path), rolled[0].id)
    world = make_world(tmp_path, running=[LIVE])
    assert roll_back(world, release).what == [f"rollback to {release.id}"]
    assert world.units == record["units"]
    assert links(tmp_path) == (f"releases/{release.id}", f"releases/{LIVE}")


def test_a_rollback_in_check_mode_changes_nothing(tmp_path, rolled):
    release, _folder = rolled
    world = make_world(tmp_path, running=[LIVE])
    change = roll_back(world, release, check_mode=True)
    assert change == ([f"rollback to {release.id}"], release.id, LIVE, [], "[uwsgi]\n# live\n", release.ini)
    assert world.done == ["migrations applied"]
    assert links(tmp_path) == (f"releases/{LIVE}", f"releases/{release.id}")


def test_a_rollback_to_the_live_release_changes_nothing(tmp_path, rolled):
    world = make_world(tmp_path, running=[LIVE])
    change = roll_back(world, stored(make_layout(tmp_path), LIVE))
    assert change == ([], LIVE, rolled[0].id, [], "[uwsgi]\n# live\n", "[uwsgi]\n# live\n")
    assert world.done == []


@pytest.mark.parametrize("step", ["health", "settle live"])
def test_a_rollback_that_fails_keeps_the_live_release(tmp_path, rolled, step):
    release, _folder = rolled
    own = release.id
    failing = f"settle {own} live" if step == "settle live" else f"health {own}"
    world = make_world(tmp_path, running=[LIVE], failing=[failing])
    with pytest.raises(StepError, match=f"{failing} failed"):
        roll_back(world, release)
    assert links(tmp_path) == (f"releases/{LIVE}", f"releases/{own}")
    assert (tmp_path / "sites/shop/releases" / own).is_dir()
    assert world.units == {}
    assert "drain" not in " ".join(world.done)


@pytest.mark.parametrize(
    ("applied", "ignore", "refused"),
    [
        (["shop.0001_initial"], False, False),
        (["shop.0001_initial", "shop.0002_more"], False, True),
        (["shop.0001_initial", "shop.0002_more"], True, False),
        # Of another application in the same database.
        (["shop.0001_initial", "blog.0001_initial"], False, False),
    ],
)
def test_a_rollback_behind_the_applied_migrations_is_refused(tmp_path, rolled, applied, ignore, refused):
    release, _folder = rolled
    world = make_world(tmp_path, running=[LIVE], applied=applied)
    if not refused:
        assert roll_back(world, release, ignore).what == [f"rollback to {release.id}"]
        assert world.done.count("migrations applied") == (0 if ignore else 1)
        return
    with pytest.raises(StepError) as caught:
        roll_back(world, release, ignore)
    assert str(caught.value) == (
        f"site 'shop': rollback failed: the database is ahead of release {release.id}, which does not know "
        "shop.0002_more; reverse them with manage migrate, or set rollback_ignore_migrations: true if the old code "
        "works with them"
    )
    assert world.shelf.current == LIVE


def test_a_rollback_between_equal_migrations_does_not_query_the_database(tmp_path, rolled):
    release, folder = rolled
    live = json.loads((folder / "release.json").read_text())
    (folder / "release.json").write_text(json.dumps({**live, "migrations": ["shop.0001_initial"]}))
    world = make_world(tmp_path)
    roll_back(world, release)
    assert "migrations applied" not in world.done


def test_a_rollback_to_other_ports_is_refused(tmp_path, rolled):
    release, folder = rolled
    live = json.loads((folder / "release.json").read_text())
    live["site"]["uwsgi"]["socket"] = [] if release.sockets else ["127.0.0.1:8000", "127.0.0.1:8001"]
    (folder / "release.json").write_text(json.dumps(live))
    world = make_world(tmp_path)
    with pytest.raises(StepError) as caught:
        roll_back(world, release, ignore_migrations=True)
    listens, goes = "127.0.0.1:8000, [::1]:8001", "a unix socket"
    if not release.sockets:
        listens, goes = "a unix socket", "127.0.0.1:8000, 127.0.0.1:8001"
    assert str(caught.value) == (
        f"site 'shop': rollback failed: release {release.id} listens on {listens}, and nginx goes to {goes}; "
        "change uwsgi.socket in the inventory and run pyweb.stack.site"
    )
    assert world.done == []


def test_a_rollback_from_a_release_without_a_record_is_not_refused(tmp_path, rolled):
    """A killed run may have left the live release in this state."""
    release, folder = rolled
    (folder / "release.json").unlink()
    world = make_world(tmp_path)
    assert roll_back(world, release).what == [f"rollback to {release.id}"]


@pytest.mark.parametrize("edited", [False, True])
def test_a_rollback_to_code_that_no_longer_exists_is_refused(tmp_path, edited):
    put_releases(tmp_path, (LIVE, 2))
    put_links(tmp_path, LIVE)
    place = tmp_path / "place"
    place.mkdir()
    (place / "wsgi.py").write_text("old")
    release = buildable(tmp_path, make_release(tmp_path))
    manifest = {**release.manifest, "src": str(place), "source": {"kind": "path", "path": str(place)}}
    release = dataclasses.replace(release, manifest=manifest)
    folder = tmp_path / "sites/shop/releases" / release.id
    folder.mkdir()
    (folder / "release.json").write_text(json.dumps(release.record([], 3)))
    if edited:
        (place / "wsgi.py").write_text("new")
    release, world = stored(make_layout(tmp_path), release.id), make_world(tmp_path)
    if not edited:
        assert roll_back(world, release).what == [f"rollback to {release.id}"]
        return
    with pytest.raises(StepError) as caught:
        roll_back(world, release)
    assert str(caught.value) == (
        f"site 'shop': rollback failed: release {release.id} ran other code than what {place} has now, and code that "
        "is used in place has no earlier version here; restore it there and run pyweb.stack.site"
    )
    assert world.done == []
