"""A deploy: its steps and their order, and what is left when a step fails.

systemd and the database are fakes that record their calls; files and links are real.
"""

from __future__ import annotations

import dataclasses
import inspect
import os

import pytest
import releases
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.release import (
    background,
    database,
    front,
    instance,
    unit_files,
)
from ansible_collections.pyweb.stack.plugins.module_utils.release.switch import Switch
from releases import buildable, history, links, make_release, make_world, put_links, put_releases

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
        (background.Background, releases.FakeBackground),
        (front.Front, releases.FakeFront),
    ],
)
def test_the_fakes_have_the_signatures_of_the_real_classes(real, fake):
    for name, method in inspect.getmembers(fake, inspect.isfunction):
        if name not in ("__init__", "note"):
            assert list(inspect.signature(getattr(real, name)).parameters) == list(inspect.signature(method).parameters)


@pytest.fixture
def host(tmp_path):
    """A host on which LIVE is live and BEFORE was live before."""
    put_releases(tmp_path, (BEFORE, 1), (LIVE, 2))
    put_links(tmp_path, LIVE, BEFORE)
    return tmp_path


def wanted(host, **keys):
    return buildable(host, make_release(host, **keys))


def deploy(world, release, check_mode=False):
    return Switch(release, *world.parts(), "anna@desk", check_mode).deploy()


# --- a deploy ---


def test_a_healthy_release_goes_live_before_the_old_one_is_stopped(host):
    release = wanted(host)
    world = make_world(host, running=[LIVE], planned=["shop.0001_initial"], superuser=["superuser admin"])
    change = deploy(world, release)
    new = release.id
    assert world.seen == [
        ("prepare", LIVE),
        ("migrations apply", LIVE),
        ("superuser", LIVE),
        ("install units", LIVE),
        (f"start {new}", LIVE),
        (f"health {new}", LIVE),
        (f"settle {new}", LIVE),
        ("record shop.0001_initial", LIVE),
        (f"ask {new}", LIVE),
        (f"switch to {new}", LIVE),
        (f"settle {new} live", new),
        (f"watch after {LIVE}", new),
        (f"drain {LIVE}", new),
        (f"retire {LIVE}", new),
        ("tidy", new),
    ]
    assert change == ([f"release {new}", "superuser admin"], new, LIVE, ["shop.0001_initial"], "", release.ini)
    assert links(host) == (f"releases/{new}", f"releases/{LIVE}")
    assert history(host) == [f"deploy {LIVE} -> {new} by anna@desk: live"]


def test_on_ports_a_probe_is_checked_first_and_the_release_starts_after_the_switch(host):
    """The release gets traffic as soon as it listens, so nginx must already find its static files."""
    release = wanted(host, **PORTS)
    world = make_world(host, running=[LIVE])
    change = deploy(world, release)
    new = release.id
    assert world.seen == [
        ("prepare", LIVE),
        ("migrations apply", LIVE),
        ("superuser", LIVE),
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
        (f"watch after {LIVE}", new),
        (f"drain {LIVE}", new),
        (f"retire {LIVE}", new),
        ("stop probes", new),
        ("tidy", new),
    ]
    assert (change.what, change.previous) == ([f"release {new}"], LIVE)
    assert links(host) == (f"releases/{new}", f"releases/{LIVE}")


def test_variables_that_do_not_arrive_prevent_a_release_from_going_live(host):
    world = make_world(host, running=[LIVE], failing=["environment"])
    with pytest.raises(StepError, match="environment failed"):
        deploy(world, wanted(host))
    assert world.done == ["prepare", "environment"]
    assert links(host) == (f"releases/{LIVE}", f"releases/{BEFORE}")


def test_the_first_release_of_a_site(tmp_path):
    release = buildable(tmp_path, make_release(tmp_path))
    world = make_world(tmp_path)
    change = deploy(world, release)
    assert (change.release, change.previous, change.before) == (release.id, "", "")
    assert os.readlink(tmp_path / "sites/shop/current") == f"releases/{release.id}"
    assert not os.path.lexists(tmp_path / "sites/shop/previous")
    assert history(tmp_path) == [f"deploy - -> {release.id} by anna@desk: live"]


@pytest.mark.parametrize("keys", [{}, PORTS], ids=["unix", "tcp"])
def test_the_first_release_is_watched_once(tmp_path, keys):
    """Before it nothing is served, so no visitor needs protection from the switch."""
    release = buildable(tmp_path, make_release(tmp_path, **keys))
    world = make_world(tmp_path)
    deploy(world, release)
    assert [done for done, _live in world.seen if done.startswith("settle")] == [f"settle {release.id} live"]


def test_without_migrate_only_the_plan_is_requested(host):
    release = wanted(host, migrate=False)
    world = make_world(host, planned=["shop.0001_initial"])
    change = deploy(world, release)
    assert [action for action in world.done if action.startswith("migrations")] == ["migrations plan"]
    assert change.migrations == []


def test_the_diff_begins_with_the_ini_of_the_live_release(host):
    (host / "sites/shop/releases" / LIVE / "uwsgi.ini").write_text("[uwsgi]\n")
    release = wanted(host)
    change = deploy(make_world(host), release)
    assert (change.before, change.after) == ("[uwsgi]\n", release.ini)


# --- workers and timers ---


@pytest.mark.parametrize("keys", [{}, PORTS], ids=["unix", "tcp"])
def test_new_workers_run_before_the_switch_and_old_ones_accept_no_more_tasks(host, keys):
    """An old worker would discard a task of the new code."""
    release = wanted(host, **keys)
    world = make_world(host, running=[LIVE], workers=True)
    deploy(world, release)
    new = release.id
    order = ["check workers", "prepare", "migrations apply", "start workers", "stop old workers", f"switch to {new}"]
    order += ["timers follow", f"watch after {LIVE}", f"retire {LIVE}", "tidy workers", "tidy"]
    assert [done for done in world.done if done in order] == order
    assert world.done.index(f"settle {'probe of ' if keys else ''}{new}") < world.done.index("start workers")


def test_programs_that_a_host_cannot_run_are_reported_before_anything_changes(host):
    release = wanted(host)
    for check_mode in (True, False):
        world = make_world(host, running=[LIVE], workers=True, failing=["check workers"])
        with pytest.raises(StepError, match="check workers failed"):
            deploy(world, release, check_mode)
        assert world.done == ["check workers"]
    release = dataclasses.replace(release, manifest={**release.manifest, "predicted": True})
    world = make_world(host, running=[LIVE], workers=True)
    deploy(world, release, check_mode=True)
    assert world.done == [], "the build does not exist yet"


@pytest.mark.parametrize("step", ["start workers", "stop old workers", "timers follow", "settle NEW live"])
@pytest.mark.parametrize("used", [False, True])
def test_a_failure_after_the_start_of_workers_restores_the_old_ones(host, step, used):
    release = wanted(host)
    step = step.replace("NEW", release.id)
    # A new worker may have begun a task, and needs its code until the task ends.
    world = make_world(host, running=[LIVE], workers=True, failing=[step], used=[release.id] if used else [])
    with pytest.raises(StepError, match=f"{step} failed"):
        deploy(world, release)
    assert world.done[-1] == f"put workers of {LIVE} back"
    assert links(host) == (f"releases/{LIVE}", f"releases/{BEFORE}")
    assert (host / "sites/shop/releases" / release.id).is_dir() == used


def test_worse_answers_to_visitors_restore_the_old_workers(host):
    world = make_world(host, running=[LIVE], workers=True, worse=True)
    with pytest.raises(StepError, match="watch failed"):
        deploy(world, wanted(host))
    assert world.seen[-1] == (f"put workers of {LIVE} back", LIVE)


@pytest.mark.parametrize("check_mode", [False, True])
def test_missing_workers_are_started_without_a_new_release(host, check_mode):
    release = wanted(host)
    deploy(make_world(host, running=[LIVE]), release)
    world = make_world(host, running=[release.id], workers="missing")
    world.units = dict(release.units)
    change = deploy(world, release, check_mode)
    assert change.what == ["started worker celery"]
    suffix = " in check mode" if check_mode else ""
    assert world.done == [f"superuser{suffix}", f"tidy workers{suffix}", f"tidy{suffix}"]


# --- through nginx ---

BEFORE_IT, AFTER_IT = "ask through nginx, 1 times at most", "ask through nginx, 3 times at most"


def through_nginx(world, release, *wrong, serving=True, check_mode=False):
    front = releases.FakeFront(world, *wrong, serving=serving)
    return Switch(release, *world.parts(), "anna@desk", check_mode, front)


def test_a_site_is_requested_through_nginx_before_and_after_the_switch(host):
    release, world = wanted(host), make_world(host, running=[LIVE])
    switch = through_nginx(world, release, "", "")
    switch.deploy()
    asked = [note for note in world.seen if "nginx" in note[0]]
    assert asked == [(BEFORE_IT, LIVE), (AFTER_IT, release.id)]
    order = [f"settle {release.id} live", AFTER_IT, f"drain {LIVE}"]
    assert [done for done in world.done if done in order] == order


def test_a_release_that_does_not_answer_through_nginx_is_rolled_back(host):
    release, world = wanted(host), make_world(host, running=[LIVE])
    with pytest.raises(StepError) as caught:
        through_nginx(world, release, "", "/ answered 502").deploy()
    assert str(caught.value) == (
        "site 'shop': the check through nginx failed: / answered 502; the previous release did answer"
    )
    assert links(host) == (f"releases/{LIVE}", f"releases/{BEFORE}")
    assert f"stop {release.id}" in world.done
    assert f"drain {LIVE}" not in world.done


@pytest.mark.parametrize(
    ("wrong", "serving", "asked"), [(["somebody else answers"], True, [BEFORE_IT]), ([], False, [])]
)
def test_a_release_is_not_rolled_back_if_nginx_failed_before_it(host, wrong, serving, asked):
    release, world = wanted(host), make_world(host, running=[LIVE])
    through_nginx(world, release, *wrong, serving=serving).deploy()
    assert [done for done in world.done if "nginx" in done] == asked
    assert links(host)[0] == f"releases/{release.id}"


def test_a_first_release_is_not_requested_through_nginx(tmp_path):
    release, world = buildable(tmp_path, make_release(tmp_path)), make_world(tmp_path)
    through_nginx(world, release).deploy()
    assert not [done for done in world.done if "nginx" in done]


@pytest.mark.parametrize(
    ("wrong", "serving", "check_mode", "told"),
    [
        ("it is ill", True, False, "site 'shop': the check through nginx failed: it is ill; release {} is live"),
        ("", True, False, ""),
        ("it is ill", False, False, ""),
        ("it is ill", True, True, ""),
    ],
)
def test_a_site_that_does_not_answer_through_nginx_at_the_end_is_reported(host, wrong, serving, check_mode, told):
    release = wanted(host)
    switch = through_nginx(make_world(host), release, wrong, serving=serving, check_mode=check_mode)
    fault = switch.unanswered()
    assert (str(fault) if fault else "") == told.format(release.id)


# --- answers to visitors ---


@pytest.mark.parametrize("keys", [{}, PORTS], ids=["unix", "tcp"])
def test_a_release_with_worse_answers_is_rolled_back_and_finishes_its_requests(host, keys):
    release = wanted(host, **keys)
    world = make_world(host, running=[LIVE], worse=True)
    with pytest.raises(StepError, match="watch failed: 7 of 9 answers"):
        deploy(world, release)
    new = release.id
    after = world.seen[world.done.index(f"watch after {LIVE}") :]
    assert after == [
        (f"watch after {LIVE}", new),
        (f"drain {new}", LIVE),
        (f"stop {new}", LIVE),
        ("restore units", LIVE),
    ]
    assert links(host) == (f"releases/{LIVE}", f"releases/{BEFORE}")


@pytest.mark.parametrize(
    ("state", "keys"),
    [({"running": []}, {}), ({"running": [LIVE]}, {"health": {"watch": 0}})],
    ids=["no old release runs", "watch: 0"],
)
def test_answers_are_not_watched_without_an_old_release_or_if_disabled(host, state, keys):
    world = make_world(host, **state)
    change = deploy(world, wanted(host, **keys))
    assert not [done for done in world.done if done.startswith("watch")]
    assert change.what[1:] == ([] if keys else ["its traffic is not watched"])


def test_answers_of_a_first_release_are_not_watched(tmp_path):
    world = make_world(tmp_path)
    deploy(world, buildable(tmp_path, make_release(tmp_path)))
    assert not [done for done in world.done if done.startswith("watch")]


def test_the_reason_for_not_watching_is_reported(host):
    world = make_world(host, running=[LIVE], unwatched="its traffic is not watched: no lines")
    assert deploy(world, wanted(host)).what[1:] == ["its traffic is not watched: no lines"]


# --- a deploy of the live release ---


@pytest.fixture
def deployed(host):
    """A host on which the expected release is live, and a world that starts from there."""
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
def test_a_deploy_left_unfinished_by_a_killed_run_is_completed(host, deployed, check_mode):
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
def test_an_incomplete_live_release_is_restarted_in_place(host, deployed, broken):
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
        "superuser",
        "install units",
        f"restart {new}",
        f"health {new}",
        "record shop.0001_initial",
        f"settle {new} live",
        "tidy",
    ]
    assert (change.what, change.previous) == ([f"release {new}"], new)
    assert links(host) == (f"releases/{new}", f"releases/{LIVE}")
    assert (folder / "uwsgi.ini").read_text() == release.ini


@pytest.mark.parametrize("step", ["restart", "health"])
def test_a_live_release_that_cannot_be_restarted_stays_live(host, deployed, step):
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
def test_check_mode_reads_migrations_only_if_possible_and_enabled(host, why):
    release = wanted(host, migrate=why != "the site does not migrate")
    if why == "the build is not there":
        release = dataclasses.replace(release, manifest={**release.manifest, "predicted": True})
    world = make_world(host, planned=["shop.0002_more"])
    assert deploy(world, release, check_mode=True).migrations == []
    assert world.done == []


# --- a deploy that fails ---

# The failing step, and what is done with the release afterwards. On ports it is a probe until the switch.
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
@pytest.mark.parametrize("existed", [False, True], ids=["new", "existing"])
def test_a_release_that_fails_keeps_the_old_one_live(host, keys, step, after, existed):
    """An existing release keeps its directory: a rollback may need it."""
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


def test_a_failure_reports_the_migrations_that_stay_applied(host):
    release = wanted(host)
    world = make_world(host, running=[LIVE], failing=[f"health {release.id}"], planned=["shop.0002_more"])
    with pytest.raises(StepError) as raised:
        deploy(world, release)
    assert raised.value.migrations == ["shop.0002_more"]


@pytest.mark.parametrize("step", ["prepare", "migrations apply"])
@pytest.mark.parametrize("existed", [False, True], ids=["new", "existing"])
def test_a_failure_before_the_start_changes_no_unit(host, step, existed):
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
    assert sorted(os.listdir(tmp_path / "sites/shop")) == ["builds", "history", "list", "manage", "releases"]
    # Without a record it is not a release; `manage` works with it, so that an administrator can migrate by hand.
    assert os.listdir(tmp_path / "sites/shop/releases") == [release.id]
    assert not (tmp_path / f"sites/shop/releases/{release.id}/release.json").exists()
    assert f"={tmp_path}/sites/shop/releases/{release.id}/src/" in (tmp_path / "sites/shop/manage").read_text()
    assert "current" not in (tmp_path / "sites/shop/manage").read_text()
