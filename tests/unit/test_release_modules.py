"""The modules uwsgi_release and uwsgi_rollback: arguments, what they pass on, and what they return."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import types

import goldens
import pytest
import yaml
from ansible_collections.pyweb.stack.plugins.module_utils.host import command_file, files
from ansible_collections.pyweb.stack.plugins.module_utils.host.live import shown_source
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.release import rollback
from ansible_collections.pyweb.stack.plugins.module_utils.release.switch import Change
from ansible_collections.pyweb.stack.plugins.modules import uwsgi_release, uwsgi_rollback
from module_args import patch_module_args
from releases import SECRET, make_layout, make_site, put_0_1, put_links

NEW, OLD = "a" * 12, "b" * 12
NO_CODE = {"commit": "", "subject": "", "source": ""}
# Arguments that the action plugins add; users do not set them.
INTERNAL = {
    "secrets",
    "who",
    "first",
    "doctor",
    "command_sources",
    "command_content",
    "command_completion",
    "collection_version",
}


@pytest.mark.parametrize("module", [uwsgi_release, uwsgi_rollback])
def test_documented_arguments_are_those_of_the_spec(module):
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    spec = {name: option for name, option in module.SPEC.items() if name not in INTERNAL}
    assert list(spec) == list(documented)
    for name, option in spec.items():
        about = {
            key: documented[name][key] for key in ("type", "elements", "required", "default") if key in documented[name]
        }
        assert option == about, name


@pytest.fixture
def locks(monkeypatch):
    """The sites whose locks are held now, and those whose locks were held."""
    held, seen = [], []

    @contextlib.contextmanager
    def locked(name):
        held.append(name)
        seen.append(name)
        yield
        held.remove(name)

    monkeypatch.setattr(files, "locked", locked)
    return types.SimpleNamespace(held=held, seen=seen)


def call(module, capsys, **arguments):
    with patch_module_args(arguments), pytest.raises(SystemExit):
        module.main()
    return json.loads(capsys.readouterr().out)


class Switches:
    """A fake of `Switch` that records its arguments and its calls, with the locks held."""

    def __init__(self, locks, answers):
        self.locks, self.answers, self.made, self.done = locks, answers, [], []
        self.wrong, self.notes = "", []

    def on_this_host(self, release, who, check_mode):
        self.made.append((release, who, check_mode))
        return self

    def deploy(self):
        return self._answer("deploy")

    def roll_back(self, ignore_migrations):
        return self._answer(f"roll back {ignore_migrations}")

    def unanswered(self):
        self.done.append(("unanswered", list(self.locks.held)))
        return self.wrong

    def _answer(self, what):
        self.done.append((what, list(self.locks.held)))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


# --- uwsgi_rollback ---


def site(name, state="present"):
    return {"name": name, "state": state}


SITES = [site("shop"), site("blog"), site("gone", "absent")]


@pytest.mark.parametrize(
    ("sites", "name", "found"),
    [(SITES, "blog", "blog"), ([site("gone", "absent"), site("shop")], "", "shop"), ([site("shop")], "shop", "shop")],
)
def test_the_site_is_selected_by_name_or_is_the_only_one(sites, name, found):
    assert uwsgi_rollback.pick(sites, name) == site(found)


@pytest.mark.parametrize(
    ("sites", "name", "words"),
    [
        (SITES, "", "which site? rollback_site is one of shop, blog"),
        (SITES, "shpo", "there is no site 'shpo'; did you mean 'shop'?"),
        (SITES, "gone", "there is no site 'gone'; known are blog, shop"),
        ([], "", "there is no site ''; known are "),
        ([site("gone", "absent")], "", "there is no site ''; known are "),
    ],
)
def test_an_unknown_site_is_reported(capsys, sites, name, words):
    assert call(uwsgi_rollback, capsys, sites=sites, site=name)["msg"] == words


@pytest.mark.parametrize("to", ["no id", "../x", "ABCDEF"])
def test_an_invalid_release_id_is_refused(tmp_path, capsys, to):
    result = call(uwsgi_rollback, capsys, sites=[make_site(tmp_path)[0]], to=to)
    assert result["msg"] == f"to is {to!r}; expected the ID of a release, or nothing for the previous one"


@pytest.mark.parametrize("named", [True, False], ids=["by id", "previous"])
def test_the_result_of_a_rollback(tmp_path, capsys, monkeypatch, locks, named):
    record = put_0_1(tmp_path, "unix")
    put_links(tmp_path, OLD, record["id"])
    change = Change([f"rollback to {record['id']}"], record["id"], OLD, [], "before", "after")
    switches = Switches(locks, [change])
    monkeypatch.setattr(rollback, "Switch", switches)
    result = call(
        uwsgi_rollback,
        capsys,
        sites=[make_site(tmp_path)[0]],
        to=record["id"] if named else "",
        ignore_migrations=True,
        who="anna@desk",
        _ansible_check_mode=named,
        _ansible_diff=True,
    )
    [(release, who, check_mode)] = switches.made
    assert (release.id, release.layout, who, check_mode) == (record["id"], make_layout(tmp_path), "anna@desk", named)
    assert switches.done == [("roll back True", ["shop"]), ("unanswered", ["shop"])]
    header = f"{tmp_path}/sites/shop/current/uwsgi.ini"
    assert {key: result[key] for key in ("changed", "release", "previous", "diff")} == {
        "changed": True,
        "release": record["id"],
        "previous": OLD,
        "diff": {"before_header": header, "after_header": header, "before": "before", "after": "after"},
    }
    assert result["made"] == [f"shop: rollback to {record['id']}"]
    assert result["releases"]["shop"]["id"] == record["id"]
    assert result["releases"]["shop"]["source"] == shown_source(record["manifest"]["source"])


def test_a_rollback_without_changes_and_a_failing_one(tmp_path, capsys, monkeypatch, locks):
    record = put_0_1(tmp_path, "unix")
    nothing = Change([], record["id"], OLD, [], "same", "same")
    switches = Switches(locks, [nothing, StepError("shop", "health", "it is ill")])
    monkeypatch.setattr(rollback, "Switch", switches)
    arguments = {"sites": [make_site(tmp_path)[0]], "to": record["id"]}
    assert call(uwsgi_rollback, capsys, **arguments)["changed"] is False
    assert switches.done == [("roll back False", ["shop"]), ("unanswered", ["shop"])]
    failed = call(uwsgi_rollback, capsys, **arguments)
    assert failed["msg"] == "site 'shop': health failed: it is ill"
    after = failed["sites_after"]["live"]["shop"]
    assert (after["id"], after["switched"]) == ("", False)
    missing = call(uwsgi_rollback, capsys, sites=arguments["sites"], to=NEW)
    assert missing["msg"].startswith(f"site 'shop': rollback failed: release '{NEW}' is not on this host")


def test_a_rollback_that_does_not_answer_through_nginx_is_done_and_fails(tmp_path, capsys, monkeypatch, locks):
    record = put_0_1(tmp_path, "unix")
    switches = Switches(locks, [Change(["rollback"], record["id"], OLD, [], "before", "after")])
    switches.wrong = StepError("shop", "the check through nginx", "somebody else answers")
    monkeypatch.setattr(rollback, "Switch", switches)
    result = call(uwsgi_rollback, capsys, sites=[make_site(tmp_path)[0]], to=record["id"])
    told = "the check through nginx failed: somebody else answers"
    assert (result["failed"], result["changed"], result["msg"]) == (True, True, f"site 'shop': {told}")
    assert result["sites_after"]["releases"]["shop"]["id"] == record["id"]


# --- uwsgi_release ---


@pytest.fixture
def host(monkeypatch, locks):
    """A host whose accounts exist; `made` are the changes to them."""
    host = types.SimpleNamespace(made=[], done=[], niced=[])

    def ensure(layout, user, managed, group, shell, check_mode, _shared, builds):
        assert (shell.site, user, managed) == (layout.name, "site-shop", True)
        host.done.append((f"ensure {layout.name}", group, check_mode, list(locks.held)))
        return list(host.made)

    def forget(layout, user, managed, purge, shell, check_mode):
        assert (shell.site, user, managed, purge) == (layout.name, "site-shop", True, False)
        host.done.append((f"forget {layout.name}", check_mode, list(locks.held)))
        return ["its account"]

    def withdraw(given, shell, check_mode, after):
        assert shell.site == given["name"]
        return ["/opt/sites/gone", *after()]

    monkeypatch.setattr(uwsgi_release.accounts, "ensure", ensure)
    monkeypatch.setattr(uwsgi_release.accounts, "forget", forget)
    monkeypatch.setattr(uwsgi_release.accounts, "web_group", lambda wanted: f"web:{wanted}")
    monkeypatch.setattr(uwsgi_release, "site_group", lambda _layout, user, _managed: f"group of {user}")
    monkeypatch.setattr(uwsgi_release, "withdraw", withdraw)
    monkeypatch.setattr(uwsgi_release.os, "nice", host.niced.append)
    return host


COMMIT = {"commit": "c" * 40, "subject": "Fix the cart"}
CODE = {**COMMIT, "source": f"git https://git.example/shop main {'c' * 12}"}
FROM_GIT = {
    **goldens.BUILD,
    "source": {"kind": "git", "git": "https://git.example/shop", "version": "main", "commit": "c" * 40},
    "subject": "Fix the cart",
}


def release_shop(tmp_path, capsys, site=None, **arguments):
    shop, secrets = make_site(tmp_path, env={"TOKEN": "hush"}, uwsgi={"processes": 3})
    return call(
        uwsgi_release,
        capsys,
        sites=[{**shop, **(site or {})}],
        secrets=json.dumps({"sites": {"shop": secrets}}),
        web_group="www",
        **{"builds": {"shop": FROM_GIT}, **arguments},
    )


def test_the_result_of_a_release(tmp_path, capsys, monkeypatch, locks, host):
    host.made = ["the user"]
    change = Change([f"release {NEW}", "superuser admin"], NEW, OLD, ["shop.0001", "shop.0002"], "before", "after")
    switches = Switches(locks, [change])
    monkeypatch.setattr(uwsgi_release, "Switch", switches)
    result = release_shop(tmp_path, capsys, who="anna@desk")
    [(release, who, check_mode)] = switches.made
    assert (who, check_mode, release.manifest, release.environment) == (
        "anna@desk",
        False,
        FROM_GIT,
        {"TOKEN": "hush"},
    )
    assert "Group=group of site-shop\n" in release.units["uwsgi-shop@.service"]
    assert host.done == [("ensure shop", "web:www", False, ["shop"])]
    assert switches.done == [("deploy", ["shop"])]
    assert host.niced == [10]
    header = f"{tmp_path}/sites/shop/current/uwsgi.ini"
    del result["invocation"]
    assert result == {
        "changed": True,
        "made": ["shop: the user", f"shop: release {NEW}", "shop: superuser admin"],
        "releases": {
            "shop": {"id": NEW, "previous": OLD, "migrations": ["shop.0001", "shop.0002"], "processes": 3, **CODE}
        },
        "diff": [
            {"before_header": header, "after_header": header, "before": "before", "after": "after"},
            {
                "before_header": "shop: migrations",
                "before": "",
                "after_header": "applied",
                "after": "shop.0001\nshop.0002\n",
            },
        ],
    }


@pytest.mark.parametrize(
    ("given", "settings"), [({"every": 300, "metrics": ""}, {"every": 300, "metrics": ""}), (False, None)]
)
def test_the_timer_is_set_up_after_the_sites(tmp_path, capsys, monkeypatch, locks, host, given, settings):
    asked = []

    def converge(*given):
        asked.append((given[:3], given[4]))
        return uwsgi_release.doctor_timer.Outcome(["/t"], [{"before": "", "after": "x"}], "no directory", "")

    monkeypatch.setattr(uwsgi_release.doctor_timer, "converge", converge)
    switches = Switches(locks, [Change([f"release {NEW}"], NEW, OLD, [], "", "")])
    monkeypatch.setattr(uwsgi_release, "Switch", switches)
    result = release_shop(tmp_path, capsys, doctor_timer=given)
    assert asked == [((settings, True, set()), False)]
    assert (result["timer"], result["notes"]) == (["/t"], ["no directory"])
    assert {"before": "", "after": "x"} in result["diff"]


def test_a_timer_that_does_not_start_fails_the_run_after_the_sites(tmp_path, capsys, monkeypatch, locks, host):
    outcome = uwsgi_release.doctor_timer.Outcome(fault="the doctor's timer: it is masked")
    monkeypatch.setattr(uwsgi_release.doctor_timer, "converge", lambda *_given: outcome)
    switches = Switches(locks, [Change([f"release {NEW}"], NEW, OLD, [], "", "")])
    monkeypatch.setattr(uwsgi_release, "Switch", switches)
    result = release_shop(tmp_path, capsys, doctor_timer={"every": 300, "metrics": ""})
    assert (result["failed"], result["msg"]) == (True, "the doctor's timer: it is masked")
    assert result["sites_after"]["releases"]["shop"]["id"] == NEW
    assert result["sites_after"]["faulty"] == []


def test_without_the_parameter_the_timer_is_not_changed(tmp_path, capsys, monkeypatch, locks, host):
    monkeypatch.setattr(uwsgi_release.doctor_timer, "converge", lambda *_given: pytest.fail("the timer was changed"))
    monkeypatch.setattr(uwsgi_release, "Switch", Switches(locks, [Change([], NEW, OLD, [], "", "")]))
    assert "timer" not in release_shop(tmp_path, capsys)


SOURCES = "5" * 64
COMMAND = command_file.made(SOURCES, b"an archive")
BROUGHT = {"command_content": base64.b64encode(COMMAND).decode(), "command_completion": "# Written by pyweb.stack\n"}


@pytest.fixture
def bin_folder(memory_folder):
    (memory_folder / "usr/bin").mkdir(parents=True)
    return memory_folder / "usr/bin"


def test_the_command_is_installed_with_the_first_site_and_requested_before_any_change(
    tmp_path, capsys, monkeypatch, locks, host, bin_folder
):
    unchanged = Change([], NEW, OLD, [], "same", "same")
    monkeypatch.setattr(uwsgi_release, "Switch", Switches(locks, [unchanged] * 3))
    wanted = release_shop(tmp_path, capsys, command_sources=SOURCES)
    assert (wanted["command_wanted"], wanted["changed"], host.done) == (True, False, [])
    predicted = release_shop(tmp_path, capsys, command_sources=SOURCES, _ansible_check_mode=True)
    assert (predicted["changed"], predicted["command"]) == (True, str(bin_folder / "pyweb"))
    assert not (bin_folder / "pyweb").exists()
    done = release_shop(tmp_path, capsys, command_sources=SOURCES, **BROUGHT)
    assert (done["changed"], done["command"]) == (True, str(bin_folder / "pyweb"))
    assert (bin_folder / "pyweb").read_bytes() == COMMAND
    again = release_shop(tmp_path, capsys, command_sources=SOURCES)
    assert (again["changed"], "command" in again) == (False, False)


def test_the_version_is_recorded_with_the_first_site_and_removed_with_the_last(
    tmp_path, capsys, monkeypatch, locks, host, memory_folder
):
    unchanged = Change([], NEW, OLD, [], "same", "same")
    monkeypatch.setattr(uwsgi_release, "Switch", Switches(locks, [unchanged] * 4))
    path = memory_folder / "version"
    seen = []
    for version, check_mode in (("0.2.0", True), ("0.2.0", False), ("0.2.0", False), ("0.3.0", False)):
        done = release_shop(tmp_path, capsys, collection_version=version, _ansible_check_mode=check_mode)
        noted = [one["after"] for one in done["diff"] if one.get("after_header") == str(path)]
        seen.append((done["changed"], noted, path.read_text() if path.exists() else ""))
    assert seen == [
        (True, ["0.2.0\n"], ""),
        (True, ["0.2.0\n"], "0.2.0\n"),
        (False, [], "0.2.0\n"),
        (True, ["0.3.0\n"], "0.3.0\n"),
    ]
    for left, text in ((["other"], "0.3.0\n"), ([], "")):
        monkeypatch.setattr(uwsgi_release.found, "of_units", lambda left=left: iter(left))
        release_shop(tmp_path, capsys, {"state": "absent"}, collection_version="0.3.0")
        assert (path.read_text() if path.exists() else "") == text


def test_a_foreign_file_in_its_place_is_a_note(tmp_path, capsys, monkeypatch, locks, host, bin_folder):
    (bin_folder / "pyweb").write_text("mine\n")
    monkeypatch.setattr(uwsgi_release, "Switch", Switches(locks, [Change([], NEW, OLD, [], "same", "same")]))
    result = release_shop(tmp_path, capsys, command_sources=SOURCES)
    assert result["changed"] is False
    assert [note.partition(",")[0] for note in result["notes"]] == [
        (f"{bin_folder}/pyweb was not written by pyweb.stack")
    ]
    assert (bin_folder / "pyweb").read_text() == "mine\n"


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("left", [[], ["other"], ["shop"]])
def test_the_last_site_removes_the_command(tmp_path, capsys, monkeypatch, locks, host, bin_folder, left, check_mode):
    """In check mode the units of the site itself still exist."""
    (bin_folder / "pyweb").write_bytes(COMMAND)
    monkeypatch.setattr(uwsgi_release.found, "of_units", lambda: iter(left))
    gone = {"state": "absent"}
    result = release_shop(tmp_path, capsys, gone, command_sources=SOURCES, _ansible_check_mode=check_mode)
    goes = left == [] or (left == ["shop"] and check_mode)
    assert ("command" in result) == goes
    assert (bin_folder / "pyweb").exists() == (check_mode or not goes)


@pytest.mark.parametrize("check_mode", [True, False])
def test_the_doctors_request_is_written_once(tmp_path, capsys, monkeypatch, locks, host, check_mode):
    layout = make_layout(tmp_path)
    os.makedirs(layout.config)
    monkeypatch.setattr(uwsgi_release, "Switch", Switches(locks, [Change([], NEW, OLD, [], "same", "same")] * 2))
    request = {"shop": {"name": "shop", "domains": ["shop.example"], "media": False}}
    for made in [[f"shop: {layout.doctor_request}"], [f"shop: {layout.doctor_request}"] if check_mode else []]:
        result = release_shop(tmp_path, capsys, doctor=request, _ansible_check_mode=check_mode)
        assert (result["made"], result["changed"]) == (made, bool(made))
    assert os.path.exists(layout.doctor_request) != check_mode
    if not check_mode:
        assert os.stat(layout.doctor_request).st_mode & 0o777 == 0o600
        assert files.recorded(layout.doctor_request) == request["shop"]


@pytest.mark.parametrize("last_check", [True, False])
def test_a_site_that_does_not_answer_through_nginx_fails(tmp_path, capsys, monkeypatch, locks, host, last_check):
    """If the play has the role nginx, that role does this check, because it may change what nginx serves."""
    switches = Switches(locks, [Change([], NEW, OLD, [], "same", "same")])
    switches.wrong = StepError("shop", "the check through nginx", "somebody else answers")
    monkeypatch.setattr(uwsgi_release, "Switch", switches)
    result = release_shop(tmp_path, capsys, last_check=last_check)
    told = "the check through nginx failed: somebody else answers"
    assert result.get("msg", "") == (f"site 'shop': {told}" if last_check else "")
    assert ("shop" in result.get("sites_after", {}).get("releases", {})) == last_check
    assert ("unanswered", ["shop"]) in switches.done or not last_check


@pytest.mark.parametrize(
    ("first", "ran"), [({}, ["manage reindex", "send ********"]), ({"shop": False}, ["send ********"])]
)
def test_check_mode_lists_commands_before_the_first_build(tmp_path, capsys, locks, host, first, ran):
    steps = ["migrate", {"manage": "reindex", "once": True}, {"run": ["send", SECRET]}]
    site, secrets = make_site(tmp_path, release=steps, env={"TOKEN": SECRET})
    given = {"builds": {"shop": {**goldens.BUILD, "predicted": True}}, "first": first}
    given["secrets"] = json.dumps({"sites": {"shop": secrets}})
    result = call(uwsgi_release, capsys, sites=[site], **given, _ansible_check_mode=True)
    assert result["made"] == ["shop: a release", *(f"shop: command: {words}" for words in ran)]
    assert [found["after"] for found in result["diff"]] == ["".join(f"command: {words}\n" for words in ran)]


def test_a_second_run_reports_no_change(tmp_path, capsys, monkeypatch, locks, host):
    monkeypatch.setattr(uwsgi_release, "Switch", Switches(locks, [Change([], NEW, OLD, [], "same", "same")]))
    result = release_shop(tmp_path, capsys)
    assert (result["changed"], result["made"], result["diff"]) == (False, [], [])
    assert result["releases"] == {"shop": {"id": NEW, "previous": OLD, "migrations": [], "processes": 3, **CODE}}


@pytest.mark.parametrize("check_mode", [True, False])
def test_the_chosen_number_of_processes_is_reported_once(tmp_path, capsys, monkeypatch, locks, host, check_mode):
    shop, _secrets = make_site(tmp_path)
    os.makedirs(shop["paths"]["config"])
    monkeypatch.setattr(uwsgi_release.sizing.os, "sched_getaffinity", lambda _pid: {0, 1, 2})
    monkeypatch.setattr(uwsgi_release.sizing, "memory_size", lambda: 8 << 30)
    switches = Switches(locks, [Change([], NEW, OLD, [], "", "") for _run in range(2)])
    monkeypatch.setattr(uwsgi_release, "Switch", switches)
    sized = {"uwsgi": {**shop["uwsgi"], "processes": 2}, "sizing": "default"}
    told = "shop: uwsgi.processes 3 (3 cores, 8192 MiB of memory, 1 site)"
    for made in [[told], [told] if check_mode else []]:
        result = release_shop(tmp_path, capsys, site=sized, _ansible_check_mode=check_mode)
        assert result["made"] == made
        assert result["releases"]["shop"]["processes"] == 3
    assert "processes = 3\n" in switches.made[0][0].ini
    assert switches.made[0][0].id == switches.made[1][0].id


@pytest.mark.parametrize("why", ["the user is missing", "the build is predicted"])
def test_check_mode_predicts_a_release_without_user_or_build(tmp_path, capsys, monkeypatch, locks, host, why):
    host.made = ["the user"] if why == "the user is missing" else []
    build = {**goldens.BUILD, **({"predicted": True} if why == "the build is predicted" else {})}
    monkeypatch.setattr(uwsgi_release, "Switch", Switches(locks, []))
    result = release_shop(tmp_path, capsys, builds={"shop": build}, _ansible_check_mode=True)
    assert result["made"] == [*(f"shop: {made}" for made in host.made), "shop: a release"]
    assert result["releases"] == {"shop": {"id": "", "previous": "", "migrations": [], **NO_CODE}}
    assert host.done == [("ensure shop", "web:www", True, ["shop"])]


def test_check_mode_checks_a_release_with_user_and_build(tmp_path, capsys, monkeypatch, locks, host):
    switches = Switches(locks, [Change([f"release {NEW}"], NEW, OLD, [], "", "")])
    monkeypatch.setattr(uwsgi_release, "Switch", switches)
    assert release_shop(tmp_path, capsys, _ansible_check_mode=True)["made"] == [f"shop: release {NEW}"]
    assert [check_mode for _release, _who, check_mode in switches.made] == [True]


def test_a_site_without_a_build_is_treated_as_code_in_place(tmp_path, capsys, monkeypatch, locks, host):
    """Here this is an error: its code has to be built, and no build was made."""
    monkeypatch.setattr(uwsgi_release, "Switch", Switches(locks, []))
    result = release_shop(tmp_path, capsys, builds={})
    assert result["msg"].startswith("site 'shop': build failed: no build was made and source is startproject")


def test_a_failed_site_does_not_stop_the_others(tmp_path, capsys, monkeypatch, locks, host):
    shop, secrets = make_site(tmp_path, uwsgi={"processes": 3})
    blog = {**shop, "name": "blog"}
    change = Change([f"release {NEW}"], NEW, OLD, [], "before", "after")
    faults = [StepError("shop", "health", "it is ill"), change, StepError("wiki", "start", "it is gone")]
    switches = Switches(locks, faults)
    monkeypatch.setattr(uwsgi_release, "Switch", switches)
    result = call(
        uwsgi_release,
        capsys,
        sites=[shop, blog, {**shop, "name": "wiki"}],
        secrets=json.dumps({"sites": dict.fromkeys(("shop", "blog", "wiki"), secrets)}),
        builds=dict.fromkeys(("shop", "blog", "wiki"), goldens.BUILD),
    )
    assert result["msg"] == "site 'shop': health failed: it is ill\nsite 'wiki': start failed: it is gone"
    assert (result["changed"], len(result["diff"])) == (True, 1)
    after = result["sites_after"]
    assert after["made"] == [f"blog: release {NEW}"]
    assert {name: release["id"] for name, release in after["releases"].items()} == {"blog": NEW}
    nothing = {"id": "", "previous": "", "socket": None, **NO_CODE, "switched": False, "migrations": []}
    assert after["live"] == {"shop": nothing, "wiki": nothing}
    assert (after["faulty"], after["others"]) == (["shop", "wiki"], ["blog"])
    assert locks.seen == ["shop", "blog", "wiki"]


def test_a_site_whose_build_failed_is_skipped(tmp_path, capsys, monkeypatch, locks, host):
    shop, secrets = make_site(tmp_path, uwsgi={"processes": 3})
    change = Change([f"release {NEW}"], NEW, OLD, [], "before", "after")
    monkeypatch.setattr(uwsgi_release, "Switch", Switches(locks, [change]))
    result = call(
        uwsgi_release,
        capsys,
        sites=[shop, {**shop, "name": "blog"}],
        secrets=json.dumps({"sites": {"shop": secrets, "blog": secrets}}),
        builds={"blog": goldens.BUILD},
        faulty=["shop"],
    )
    assert list(result["releases"]) == ["blog"]
    assert locks.seen == ["blog"]


def test_a_build_of_which_only_the_id_is_known_is_read_from_the_host(tmp_path, capsys, monkeypatch, locks, host):
    """This happens after another site's build has failed: the result then only has ids."""
    site, _secrets = make_site(tmp_path)
    layout = Layout.of(site)
    os.makedirs(layout.build(goldens.BUILD["id"]), exist_ok=True)
    files.write(layout.manifest(goldens.BUILD["id"]), json.dumps(goldens.BUILD))
    switches = Switches(locks, [Change([f"release {NEW}"], NEW, OLD, [], "", "")])
    monkeypatch.setattr(uwsgi_release, "Switch", switches)
    result = release_shop(tmp_path, capsys, builds={"shop": {"id": goldens.BUILD["id"], "notes": []}})
    assert list(result["releases"]) == ["shop"], result
    [(release, _who, _check_mode)] = switches.made
    assert release.manifest == goldens.BUILD


def test_an_unexpected_error_is_a_fault_of_its_site_and_shows_no_secret(tmp_path, capsys, monkeypatch, locks, host):
    shop, secrets = make_site(tmp_path, env={"TOKEN": "horse-battery"}, uwsgi={"processes": 3})
    change = Change([f"release {NEW}"], NEW, OLD, [], "before", "after")
    monkeypatch.setattr(uwsgi_release, "Switch", Switches(locks, [KeyError("horse-battery"), change]))
    result = call(
        uwsgi_release,
        capsys,
        sites=[shop, {**shop, "name": "blog"}],
        secrets=json.dumps({"sites": dict.fromkeys(("shop", "blog"), secrets)}),
        builds=dict.fromkeys(("shop", "blog"), goldens.BUILD),
    )
    first = result["msg"].splitlines()[0]
    assert first.startswith("site 'shop': run failed: KeyError: '********' (test_release_modules.py:")
    assert first.endswith("); this is a fault of pyweb.stack, please report it")
    assert "Traceback" in result["msg"]
    assert "horse" not in json.dumps(result)
    assert list(result["sites_after"]["releases"]) == ["blog"], result["msg"]


def test_the_live_release_after_a_failure_is_returned(tmp_path, capsys, monkeypatch, locks, host):
    record = put_0_1(tmp_path, "unix")
    put_links(tmp_path, record["id"], OLD)
    error = StepError("shop", "health", "it is ill")
    error.migrations = ["shop.0002"]
    monkeypatch.setattr(uwsgi_release, "Switch", Switches(locks, [error]))
    [(name, live)] = release_shop(tmp_path, capsys)["sites_after"]["live"].items()
    assert (name, live["id"], live["previous"]) == ("shop", record["id"], OLD)
    assert (live["switched"], live["migrations"], live["subject"]) == (False, ["shop.0002"], "")


def test_a_failure_after_the_switch_is_reported(tmp_path, capsys, monkeypatch, locks, host):
    class AfterTheSwitch(Switches):
        def deploy(self):
            put_links(tmp_path, NEW, OLD)
            return super().deploy()

    monkeypatch.setattr(uwsgi_release, "Switch", AfterTheSwitch(locks, [StepError("shop", "superuser", "it is ill")]))
    live = release_shop(tmp_path, capsys)["sites_after"]["live"]["shop"]
    assert (live["id"], live["previous"], live["switched"]) == (NEW, OLD, True)


@pytest.mark.parametrize("check_mode", [False, True])
def test_an_absent_site_is_removed(tmp_path, capsys, locks, host, check_mode):
    gone = {**make_site(tmp_path)[0], "name": "gone", "state": "absent"}
    result = call(uwsgi_release, capsys, sites=[gone], _ansible_check_mode=check_mode)
    assert result["made"] == ["gone: removed /opt/sites/gone", "gone: removed its account"]
    assert (result["changed"], result["releases"]) == (True, {})
    assert host.done == [("forget gone", check_mode, ["gone"])]
