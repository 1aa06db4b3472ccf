"""Deploy and roll back: what is done, in which order, and what is left when a step fails.

Systemd and the database are fakes that note what is asked of them; files and links are real.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import os

import goldens
import pytest
import releases
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.release import database, instance, unit_files
from ansible_collections.pyweb.stack.plugins.module_utils.release.release import stored
from ansible_collections.pyweb.stack.plugins.module_utils.release.switch import Switch
from releases import make_layout, make_release, make_world, put_0_1, put_links, put_releases

pytestmark = releases.AS_ROOT
LIVE, BEFORE = "1" * 12, "2" * 12
PORTS = {"uwsgi": {"socket": 8001}}


@pytest.mark.parametrize(
    ("real", "fake"),
    [
        (instance.Instance, releases.FakeInstance),
        (instance.Instances, releases.FakeInstances),
        (unit_files.UnitFiles, releases.FakeUnitFiles),
        (database.Database, releases.FakeDatabase),
    ],
)
def test_the_fakes_are_called_like_what_they_stand_for(real, fake):
    for name, method in inspect.getmembers(fake, inspect.isfunction):
        if name != "__init__":
            assert list(inspect.signature(getattr(real, name)).parameters) == list(inspect.signature(method).parameters)


def buildable(tmp_path, release):
    """The release with a build that is there, a user that is here, and directories to write to."""
    for name in (f"sites/shop/builds/{goldens.BUILD['id']}/venv/bin", "sites/shop/releases", "config/shop"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    uwsgi = tmp_path / f"sites/shop/builds/{goldens.BUILD['id']}/venv/bin/uwsgi"
    uwsgi.touch(0o755)
    root = str(tmp_path / f"sites/shop/builds/{goldens.BUILD['id']}")
    manifest = {
        **release.manifest,
        "path": root,
        "src": f"{root}/src",
        "home": f"{root}/venv",
        "uwsgi": str(uwsgi),
        "source": {"kind": "git", "git": "/srv/shop.git", "version": "main"},
    }
    return dataclasses.replace(release, manifest=manifest, user="root")


@pytest.fixture
def host(tmp_path):
    """A host on which LIVE is live and BEFORE was before."""
    put_releases(tmp_path, (BEFORE, 1), (LIVE, 2))
    put_links(tmp_path, LIVE, BEFORE)
    return tmp_path


def wanted(host, **keys):
    return buildable(host, make_release(host, **keys))


def deploy(world, release, check_mode=False):
    return Switch(release, *world.parts(), "anna@desk", check_mode).deploy()


def links(host):
    return tuple(os.readlink(host / "sites/shop" / name) for name in ("current", "previous"))


def history(host):
    """The lines of the site's history without their times."""
    return [line.split(" ", 1)[1] for line in (host / "sites/shop/history").read_text().splitlines()]


# --- a deploy ---


def test_a_release_is_live_once_it_is_known_to_be_well_and_the_old_one_is_stopped_last(host):
    release = wanted(host)
    world = make_world(host, running=[LIVE], planned=["shop.0001_initial"], superuser=["superuser admin"])
    change = deploy(world, release)
    new = release.id
    assert world.seen == [
        ("prepare", LIVE),
        ("migrations apply", LIVE),
        ("install units", LIVE),
        (f"start {new}", LIVE),
        (f"health {new}", LIVE),
        (f"settle {new}", LIVE),
        ("record shop.0001_initial", LIVE),
        (f"switch to {new}", LIVE),
        (f"settle {new} live", new),
        (f"drain {LIVE}", new),
        (f"retire {LIVE}", new),
        ("superuser", new),
        ("tidy", new),
    ]
    assert change == ([f"release {new}", "superuser admin"], new, LIVE, ["shop.0001_initial"], "", release.ini)
    assert links(host) == (f"releases/{new}", f"releases/{LIVE}")
    assert history(host) == [f"deploy {LIVE} -> {new} by anna@desk: live"]


def test_on_ports_a_probe_is_asked_first_and_the_release_starts_after_the_switch(host):
    """It gets traffic as soon as it listens: its static files have to be where nginx looks by then."""
    release = wanted(host, **PORTS)
    world = make_world(host, running=[LIVE])
    change = deploy(world, release)
    new = release.id
    assert world.seen == [
        ("prepare", LIVE),
        ("migrations apply", LIVE),
        ("install units 127.0.0.1:8001", LIVE),
        (f"clear {new}", LIVE),
        (f"start probe of {new}", LIVE),
        (f"health probe of {new}", LIVE),
        (f"settle probe of {new}", LIVE),
        (f"abandon probe of {new}", LIVE),
        ("record shop.0001_initial", LIVE),
        (f"switch to {new}", LIVE),
        (f"start {new}", new),
        (f"health {new}", new),
        (f"settle {new} live", new),
        (f"drain {LIVE}", new),
        (f"retire {LIVE}", new),
        ("stop probes", new),
        ("superuser", new),
        ("tidy", new),
    ]
    assert (change.what, change.previous) == ([f"release {new}"], LIVE)
    assert links(host) == (f"releases/{new}", f"releases/{LIVE}")


def test_the_first_release_of_a_site(tmp_path):
    release = buildable(tmp_path, make_release(tmp_path))
    world = make_world(tmp_path)
    change = deploy(world, release)
    assert (change.release, change.previous, change.before) == (release.id, "", "")
    assert os.readlink(tmp_path / "sites/shop/current") == f"releases/{release.id}"
    assert not os.path.lexists(tmp_path / "sites/shop/previous")
    assert history(tmp_path) == [f"deploy - -> {release.id} by anna@desk: live"]


def test_a_site_that_does_not_migrate_is_only_asked_for_its_plan(host):
    release = wanted(host, migrate=False)
    world = make_world(host, planned=["shop.0001_initial"])
    change = deploy(world, release)
    assert [action for action in world.done if action.startswith("migrations")] == ["migrations plan"]
    assert change.migrations == []


def test_the_ini_before_is_that_of_the_live_release(host):
    (host / "sites/shop/releases" / LIVE / "uwsgi.ini").write_text("[uwsgi]\n")
    release = wanted(host)
    change = deploy(make_world(host), release)
    assert (change.before, change.after) == ("[uwsgi]\n", release.ini)


# --- a deploy of what is live already ---


@pytest.fixture
def deployed(host):
    """A host on which the wanted release is live, and a world that starts from there."""
    release = wanted(host)
    deploy(make_world(host, running=[LIVE]), release)
    world = make_world(host, running=[release.id])
    world.units = dict(release.units)
    return release, world


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_second_deploy_changes_nothing(host, deployed, check_mode):
    release, world = deployed
    change = deploy(world, release, check_mode)
    suffix = " in check mode" if check_mode else ""
    assert world.done == [f"superuser{suffix}", f"tidy{suffix}"]
    assert change == ([], release.id, LIVE, [], release.ini, release.ini)
    assert len(history(host)) == 1


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_a_killed_run_left_is_finished(host, deployed, check_mode):
    release, world = deployed
    world.active = ["old", release.id]
    world.units["uwsgi-shop@8000.socket"] = "a port that only the old one had"
    world.superuser = ["superuser admin"]
    (host / "sites/shop/manage").unlink()
    change = deploy(world, release, check_mode)
    assert change.what == [
        "superuser admin",
        "stopped release old",
        "removed uwsgi-shop@8000.socket",
        f"{host}/sites/shop/manage",
    ]
    stopped = ["drain old", "retire old", "drop uwsgi-shop@8000.socket"]
    assert [action for action in world.done if action in stopped] == ([] if check_mode else stopped)
    assert (host / "sites/shop/manage").exists() != check_mode


def test_probes_of_killed_runs_are_stopped_but_not_in_check_mode(host):
    release = wanted(host, **PORTS)
    deploy(make_world(host), release)
    for check_mode in (True, False):
        world = make_world(host, running=[release.id])
        world.units = dict(release.units)
        assert deploy(world, release, check_mode).what == []
        assert ("stop probes" in world.done) != check_mode


@pytest.mark.parametrize("broken", ["not running", "no record", "another ini", "another unit"])
def test_a_live_release_that_is_not_whole_is_started_again_where_it_is(host, deployed, broken):
    release, world = deployed
    folder = host / "sites/shop/releases" / release.id
    if broken == "not running":
        world.active = []
    elif broken == "no record":
        (folder / "release.json").unlink()
    elif broken == "another ini":
        (folder / "uwsgi.ini").write_text("[uwsgi]\n")
    else:
        world.units["uwsgi-shop@.service"] = "[Service]\n"
    change = deploy(world, release)
    new = release.id
    assert world.done == [
        "prepare",
        "migrations apply",
        "install units",
        f"restart {new}",
        f"health {new}",
        "record shop.0001_initial",
        f"settle {new} live",
        "superuser",
        "tidy",
    ]
    assert (change.what, change.previous) == ([f"release {new}"], new)
    assert links(host) == (f"releases/{new}", f"releases/{LIVE}")
    assert (folder / "uwsgi.ini").read_text() == release.ini


@pytest.mark.parametrize("step", ["restart", "health"])
def test_a_live_release_that_cannot_be_started_again_stays(host, deployed, step):
    release, world = deployed
    world.active, world.failing = [], {f"{step} {release.id}"}
    with pytest.raises(StepError):
        deploy(world, release)
    assert world.done[-1] == "restore units"
    assert not {f"stop {release.id}", f"abandon {release.id}"} & set(world.done)
    assert (host / "sites/shop/releases" / release.id).is_dir()
    assert links(host) == (f"releases/{release.id}", f"releases/{LIVE}")


# --- check mode ---


def test_check_mode_predicts_the_release_and_its_migrations(host):
    release = wanted(host)
    world = make_world(host, running=[LIVE], planned=["shop.0002_more"])
    change = deploy(world, release, check_mode=True)
    assert change == ([f"release {release.id}"], release.id, LIVE, ["shop.0002_more"], "", release.ini)
    assert world.done == ["migrations plan"]
    assert not (host / "sites/shop/releases" / release.id).exists()
    assert not (host / "sites/shop/history").exists()


@pytest.mark.parametrize("why", ["the build is not there", "the site does not migrate"])
def test_check_mode_asks_for_migrations_only_where_it_can_and_will(host, why):
    release = wanted(host, migrate=why != "the site does not migrate")
    if why == "the build is not there":
        release = dataclasses.replace(release, manifest={**release.manifest, "predicted": True})
    world = make_world(host, planned=["shop.0002_more"])
    assert deploy(world, release, check_mode=True).migrations == []
    assert world.done == []


# --- a deploy that fails ---

# What fails, and what is done of the release afterwards. On ports it is a probe until the switch.
UNIX_FAILURES = {
    "install units": ["abandon NEW"],
    "start NEW": ["abandon NEW"],
    "health NEW": ["abandon NEW"],
    "settle NEW": ["abandon NEW"],
    "record shop.0001_initial": ["abandon NEW"],
    "switch to NEW": ["abandon NEW"],
    "settle NEW live": ["stop NEW"],
}
PORT_FAILURES = {
    "install units 127.0.0.1:8001": ["abandon NEW"],
    "start probe of NEW": ["abandon probe of NEW", "abandon NEW"],
    "health probe of NEW": ["abandon probe of NEW", "abandon NEW"],
    "settle probe of NEW": ["abandon probe of NEW", "abandon NEW"],
    "record shop.0001_initial": ["abandon NEW"],
    "switch to NEW": ["abandon NEW"],
    "start NEW": ["stop NEW"],
    "health NEW": ["stop NEW"],
    "settle NEW live": ["stop NEW"],
}
FAILURES = [({}, step, after) for step, after in UNIX_FAILURES.items()] + [
    (PORTS, step, after) for step, after in PORT_FAILURES.items()
]


@pytest.mark.parametrize(("keys", "step", "after"), FAILURES)
@pytest.mark.parametrize("existed", [False, True], ids=["new", "there before"])
def test_whatever_fails_the_old_release_is_live_as_before(host, keys, step, after, existed):
    """A release that was there before keeps its directory: it may be the way back."""
    release = wanted(host, **keys)
    step, after = step.replace("NEW", release.id), [action.replace("NEW", release.id) for action in after]
    if existed:
        (host / "sites/shop/releases" / release.id).mkdir()
    world = make_world(host, running=[LIVE], failing=[step])
    world.units = {"uwsgi-shop@.service": "the live release's", "uwsgi-shop.service": "its, too"}
    with pytest.raises(StepError, match=f"{step} failed"):
        deploy(world, release)
    assert world.done[world.done.index(step) + 1 :] == [*after, "restore units"]
    assert world.units == {"uwsgi-shop@.service": "the live release's", "uwsgi-shop.service": "its, too"}
    assert links(host) == (f"releases/{LIVE}", f"releases/{BEFORE}")
    folder = host / "sites/shop/releases" / release.id
    assert folder.is_dir() == existed
    assert (host / f"config/shop/{release.id}.env").exists() == existed
    assert history(host) == [f"deploy {LIVE} -> {release.id} by anna@desk: failed: test: {step} failed"]


@pytest.mark.parametrize("step", ["prepare", "migrations apply"])
@pytest.mark.parametrize("existed", [False, True], ids=["new", "there before"])
def test_what_fails_before_the_start_touches_no_unit(host, step, existed):
    release = wanted(host)
    if existed:
        (host / "sites/shop/releases" / release.id).mkdir()
    world = make_world(host, running=[LIVE], failing=[step])
    with pytest.raises(StepError):
        deploy(world, release)
    assert world.done[-1] == step
    assert links(host) == (f"releases/{LIVE}", f"releases/{BEFORE}")
    assert (host / "sites/shop/releases" / release.id).is_dir() == existed


def test_a_first_release_that_fails_leaves_no_link(tmp_path):
    release = buildable(tmp_path, make_release(tmp_path))
    world = make_world(tmp_path, failing=[f"settle {release.id} live"])
    with pytest.raises(StepError):
        deploy(world, release)
    assert sorted(os.listdir(tmp_path / "sites/shop")) == ["builds", "history", "releases"]
    assert os.listdir(tmp_path / "sites/shop/releases") == []


# --- a rollback ---


def roll_back(world, release, ignore_migrations=False, check_mode=False):
    return Switch(release, *world.parts(), "anna@desk", check_mode).roll_back(ignore_migrations)


@pytest.fixture(params=["unix", "tcp"])
def rolled(tmp_path, request):
    """A release of 0.1 that was before, and a later one that is live: its migrations are one more."""
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
def test_a_rollback_needs_nothing_that_only_a_template_reads(tmp_path, rolled, missing):
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


def test_a_rollback_to_what_is_live_changes_nothing(tmp_path, rolled):
    world = make_world(tmp_path, running=[LIVE])
    change = roll_back(world, stored(make_layout(tmp_path), LIVE))
    assert change == ([], LIVE, rolled[0].id, [], "[uwsgi]\n# live\n", "[uwsgi]\n# live\n")
    assert world.done == []


@pytest.mark.parametrize("step", ["health", "settle live"])
def test_a_rollback_that_fails_leaves_the_live_release(tmp_path, rolled, step):
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
        # Somebody else's, in the same database.
        (["shop.0001_initial", "blog.0001_initial"], False, False),
    ],
)
def test_a_rollback_behind_the_database_is_refused(tmp_path, rolled, applied, ignore, refused):
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
        "shop.0002_more; take them back with manage migrate, or set rollback_ignore_migrations: true where the old "
        "code gets along with them"
    )
    assert world.shelf.current == LIVE


def test_a_rollback_between_equal_migrations_does_not_ask_the_database(tmp_path, rolled):
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
        "change uwsgi.socket in the inventory and run site.yml"
    )
    assert world.done == []


def test_a_rollback_from_a_release_without_a_record_is_not_refused(tmp_path, rolled):
    """A killed run may have left the live release so."""
    release, folder = rolled
    (folder / "release.json").unlink()
    world = make_world(tmp_path)
    assert roll_back(world, release).what == [f"rollback to {release.id}"]


@pytest.mark.parametrize("edited", [False, True])
def test_a_rollback_to_code_that_is_no_more_is_refused(host, edited):
    place = host / "place"
    place.mkdir()
    (place / "wsgi.py").write_text("old")
    release = buildable(host, make_release(host))
    manifest = {**release.manifest, "src": str(place), "source": {"kind": "path", "path": str(place)}}
    release = dataclasses.replace(release, manifest=manifest)
    folder = host / "sites/shop/releases" / release.id
    folder.mkdir()
    (folder / "release.json").write_text(json.dumps(release.record([], 3)))
    if edited:
        (place / "wsgi.py").write_text("new")
    release, world = stored(make_layout(host), release.id), make_world(host)
    if not edited:
        assert roll_back(world, release).what == [f"rollback to {release.id}"]
        return
    with pytest.raises(StepError) as caught:
        roll_back(world, release)
    assert str(caught.value) == (
        f"site 'shop': rollback failed: release {release.id} ran other code than what {place} has now, and code that "
        "is used in place has no earlier version here; put it back there and run site.yml"
    )
    assert world.done == []
