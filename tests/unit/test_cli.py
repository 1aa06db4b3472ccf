"""The command `pyweb`: which sites it finds, its output, its exit status, and which programs it calls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.cli import (
    completion,
    examination,
    main,
    manage,
    output,
    plugin_status,
    releases,
    sites,
    status,
    watch,
)
from ansible_collections.pyweb.stack.plugins.module_utils.cli.sites import SiteHere
from ansible_collections.pyweb.stack.plugins.module_utils.host import memory, shell
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.release.switch import Change
from releases import AS_ROOT, make_layout, put_0_1, put_links

LIVE, OLD = "a" * 12, "b" * 12


def here(name="shop", live=LIVE, record=None):
    return SiteHere(Layout.under(name), live, record or {})


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Return a site of this host with a release of version 0.1; the command reads that release's record."""
    record = put_0_1(tmp_path, "unix")
    put_links(tmp_path, record["id"], OLD)
    layout = make_layout(tmp_path)
    monkeypatch.setattr(sites.found, "of_units", lambda: iter(()))
    for name in ("_of_accounts", "_of_folders", "_of_data"):
        monkeypatch.setattr(sites.found, name, lambda *_roots: iter(()))
    memory.note_site(layout, "site-shop", True, [])
    return layout, record


@pytest.mark.parametrize(
    ("noted", "shown"),
    [("0.2.0\n", "pyweb.stack 0.2.0"), ("", "pyweb.stack (unknown version: run pyweb.stack.site once)")],
)
def test_it_prints_the_recorded_version_of_the_collection(memory_folder, capsys, noted, shown):
    (memory_folder / "version").write_text(noted)
    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out == f"{shown}\n"


# --- the sites ---


@AS_ROOT
def test_sites_are_found_in_all_roots(shop):
    layout, record = shop
    [site] = sites.sites()
    assert (site.name, site.live, site.layout.root) == ("shop", record["id"], layout.root)
    assert site.domains == record["site"]["domains"]


@AS_ROOT
def test_the_doctors_request_is_read_from_the_release(shop):
    layout, record = shop
    [site] = sites.sites()
    known = site.request()
    assert (known["name"], known["domains"]) == ("shop", record["site"]["domains"])
    assert known["paths"]["root"] == layout.root
    assert "uwsgi" not in known
    noted = {"name": "shop", "domains": ["new.example"], "media": False}
    with open(layout.doctor_request, "w", encoding="utf-8") as stream:
        json.dump(noted, stream)
    assert site.request() == noted
    os.chown(layout.doctor_request, 4711, 4711)
    assert site.request() == known


@AS_ROOT
def test_a_record_that_the_site_could_write_is_ignored(shop):
    layout, record = shop
    os.chown(layout.record(record["id"]), 4711, 4711)
    [site] = sites.sites()
    assert (site.record, site.request(), site.domains) == ({}, {}, [])
    os.unlink(layout.current)
    os.symlink("releases/\x1b]0;x\x07", layout.current)
    assert [site.live for site in sites.sites()] == []


@AS_ROOT
def test_an_unknown_site_is_reported_with_the_known_ones(shop):
    assert sites.pick("shop").name == "shop"
    assert [site.name for site in sites.chosen([])] == ["shop"]
    with pytest.raises(sites.NoSite, match=r"no site 'shpo' on this host; it has shop; did you mean 'shop'\?"):
        sites.chosen(["shpo"])


def test_the_data_of_a_removed_site_is_not_a_site(tmp_path, monkeypatch):
    monkeypatch.setattr(
        sites.found, "sites", lambda roots, noted: [types.SimpleNamespace(layout=make_layout(tmp_path))]
    )
    assert sites.sites() == []


# --- exit status ---


@pytest.mark.parametrize(
    ("found", "total", "first"),
    [
        ({}, 3, "UNKNOWN: no site on this host"),
        ({"a": "ok"}, 0, "OK: 1 site"),
        ({"a": "ok", "b": "ok"}, 0, "OK: 2 sites"),
        ({"a": "ok", "b": "unknown"}, 3, "UNKNOWN: b is unknown"),
        ({"a": "unknown", "b": "degraded"}, 1, "WARNING: a is unknown, b is degraded"),
        ({"a": "degraded", "b": "broken"}, 2, "CRITICAL: a is degraded, b is broken"),
    ],
)
def test_first_line_and_exit_status_follow_the_conventions_of_monitoring_plugins(found, total, first):
    assert plugin_status.EXIT[plugin_status.worst(found.values())] == total
    assert plugin_status.summary(found) == first


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 3),
        (["frobnicate"], 3),
        (["status", "--frob"], 3),
        (["doctor", "--patience", "0"], 3),
        (["doctor", "--patience", "x"], 3),
        (["logs", "shop", "-n", "-1"], 1),
        (["logs", "shop", "-n", "x"], 1),
        (["rollback"], 1),
        (["manage"], 125),
        (["--help"], 0),
        (["rollback", "--help"], 0),
    ],
)
def test_invalid_arguments_are_not_critical(capsys, words, code):
    assert main.main(words) == code
    told = capsys.readouterr()
    # A monitoring system shows the first line of standard output.
    assert told.out.startswith("UNKNOWN: ") == (code == 3)
    assert "invalid _" not in told.err


@pytest.mark.parametrize(("command", "code"), [("doctor", 3), ("rollback", 1), ("manage", 125), ("shell", 125)])
def test_commands_refuse_to_run_without_root(monkeypatch, capsys, command, code):
    monkeypatch.setattr(main.os, "geteuid", lambda: 1000)
    assert main.main([command, "shop"]) == code
    told = capsys.readouterr()
    assert (told.err or told.out).startswith(
        f"{'UNKNOWN' if command == 'doctor' else 'pyweb'}: {command} needs root, and you are "
    )


@pytest.mark.parametrize(
    ("words", "code"),
    [(["status", "x"], 3), (["doctor", "x"], 3), (["releases", "x"], 1), (["logs", "x"], 1), (["manage", "x"], 125)],
)
def test_an_unknown_site_is_an_error(monkeypatch, capsys, words, code):
    monkeypatch.setattr(sites.found, "sites", lambda roots, noted: [])
    monkeypatch.setattr(main.os, "geteuid", lambda: 0)
    assert main.main(words) == code
    told = capsys.readouterr()
    why = "there is no site 'x' on this host; it has none"
    assert (told.out, told.err) == ((f"UNKNOWN: {why}\n", "") if code == 3 else ("", f"pyweb: {why}\n"))


def test_json_output_has_no_line_for_a_monitoring_system(monkeypatch, capsys):
    monkeypatch.setattr(sites.found, "sites", lambda roots, noted: [])
    monkeypatch.setattr(main.os, "geteuid", lambda: 0)
    assert main.main(["doctor", "x", "--json"]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("pyweb: there is no site 'x'")


def test_a_site_that_is_named_twice_is_shown_once(monkeypatch):
    monkeypatch.setattr(sites, "pick", here)
    assert [site.name for site in sites.chosen(["shop", "blog", "shop"])] == ["shop", "blog"]


CALL = f"import sys\nsys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[1] / 'hosts')]!r}\n"


def called(script, **streams):
    """Run Python with the modules of the command; `streams` sets its standard streams."""
    words = [sys.executable, "-c", CALL + textwrap.dedent(script)]
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
    return subprocess.run(words, stderr=subprocess.PIPE, env=buffered, text=True, timeout=60, check=False, **streams)


PRINTS = """
    import conftest
    from ansible_collections.pyweb.stack.plugins.module_utils.cli import main, output, status
    def run(sites):
        with output.until_closed():
            for number in range(20000):
                output.say("a line of many")
        return 2
    status.run, main.chosen = run, lambda names: []
    sys.exit(main.main(sys.argv[1:] or ["status"]))
"""


def test_a_closed_pipe_does_not_change_the_exit_status():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = called(PRINTS, stdout=closed)
    assert (done.returncode, done.stderr) == (2, "")


def test_help_into_a_closed_pipe_is_no_error():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = called(PRINTS.replace('or ["status"]', 'or ["--help"]'), stdout=closed)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_is_reported_in_one_line():
    with open("/dev/full", "wb") as full:
        done = called(PRINTS, stdout=full)
    assert (done.returncode, done.stderr) == (3, "pyweb: cannot continue: No space left on device\n")


def test_help_on_a_full_disk_is_reported_in_one_line():
    with open("/dev/full", "wb") as full:
        done = called(PRINTS.replace('or ["status"]', 'or ["--help"]'), stdout=full)
    assert (done.returncode, done.stderr) == (1, "pyweb: cannot continue: No space left on device\n")


def test_output_without_a_terminal_raises_no_error(monkeypatch):
    monkeypatch.setattr(output.sys, "stdout", None)
    output.prepare()
    output.say("a line", "32")


def test_manage_passes_all_arguments_on(monkeypatch):
    seen = []
    monkeypatch.setattr(main, "pick", here)
    monkeypatch.setattr(main.os, "geteuid", lambda: 0)
    monkeypatch.setattr(manage, "run", lambda site, words: seen.append((site.name, list(words))) or 7)
    assert main.main(["manage", "shop", "migrate", "--plan", "-v", "2", "--help"]) == 7
    assert main.main(["shell", "shop", "-c", "print(1)"]) == 7
    assert seen == [("shop", ["migrate", "--plan", "-v", "2", "--help"]), ("shop", ["shell", "-c", "print(1)"])]


def test_the_timer_watches_all_sites_with_a_request(monkeypatch):
    seen = []
    known = here(record={"site": {"name": "shop", "domains": ["shop.example"]}})
    monkeypatch.setattr(main, "chosen", lambda names: [known, here("blog")])
    monkeypatch.setattr(main.os, "geteuid", lambda: 0)
    monkeypatch.setattr(watch, "watch", lambda sites: seen.append(sites) or 1)
    assert main.main(["watch"]) == 1
    assert seen == [[{"name": "shop", "domains": ["shop.example"]}]]


def test_completion_knows_the_commands():
    commands = {name for action in main.parser()._actions for name in action.choices or {}}
    offered = completion.BASH.split('choices="')[1].split('"')[0].split()
    assert commands == {word for word in offered if not word.startswith("-")}
    assert "Written by pyweb.stack" in completion.BASH.splitlines()[0]


# --- status ---


def unit(name, active="active", **more):
    return {"Id": name, "ActiveState": active, "ActiveEnterTimestamp": "Fri 2026-11-27 03:56:43 UTC", **more}


UWSGI = f"uwsgi-shop@{LIVE}.service"
WORKER = f"pyweb-worker-shop@{LIVE}:celery:1.service"
TASK, TIMER = "pyweb-timer-shop@daily.service", "pyweb-timer-shop@daily.timer"
BACKGROUND = {"background": dict.fromkeys((WORKER, TASK, TIMER, "pyweb-worker-shop.service"), "")}
RUNNING = [unit(UWSGI), unit(WORKER), unit(TASK, "inactive", Result="success"), unit(TIMER)]


@pytest.mark.parametrize(
    ("changed", "found", "words"),
    [
        ([], "ok", ""),
        ([unit(UWSGI, "failed", Result="exit-code")], "broken", f"{UWSGI} is failed (exit-code)"),
        ([unit(WORKER, "failed")], "degraded", "worker celery is failed"),
        ([unit(TASK, "failed", Result="exit-code")], "degraded", "the last run of timer daily failed (exit-code)"),
        ([unit(TIMER, "inactive")], "degraded", "timer daily is inactive"),
    ],
)
def test_state_of_units(changed, found, words):
    glance = status.Glance(here(record=BACKGROUND))
    status.judge_units(glance, {one["Id"]: one for one in [*RUNNING, *changed]})
    assert glance.status == found
    assert [what for _status, what in glance.faults] == ([words] if words else [])


def test_a_site_without_a_live_release_and_a_failing_systemctl():
    glance = status.Glance(here(live=""))
    status.judge_units(glance, {})
    assert (glance.status, glance.faults) == ("broken", [("broken", "no release is live")])
    glance = status.Glance(here())
    status.judge_units(glance, {})
    assert glance.status == "unknown"


def test_output_of_systemctl_is_parsed():
    shown = f"Id={UWSGI}\nActiveState=active\nResult=a=b\n\n\nId=x.service\nActiveState=failed\n"
    assert status.parsed(shown)[UWSGI] == {"Id": UWSGI, "ActiveState": "active", "Result": "a=b"}
    assert status.parsed(shown)["x.service"]["ActiveState"] == "failed"
    assert status.parsed("") == {}


@pytest.mark.parametrize(
    ("serves", "unanswered", "look", "wanted"),
    [
        (True, "", ("", "http://shop.example/", ""), ("ok", "http://shop.example/ answers")),
        (True, "", ("answered 502", "u", ""), ("broken", "answered 502")),
        (True, "", ("", "u", "in maintenance"), ("degraded", "in maintenance")),
        (False, "nginx does not run", (), ("broken", "nginx does not run")),
        (False, "", (), ("unknown", "nginx has no server for it")),
    ],
)
def test_a_visit_through_nginx(serves, unanswered, look, wanted):
    looked = types.SimpleNamespace(**dict(zip(("wrong", "url", "warning"), look)))
    front = types.SimpleNamespace(serves=lambda: serves, unanswered=lambda: unanswered, look=lambda attempts: looked)
    found, said = status._through(front)
    assert (found, said.startswith(wanted[1])) == (wanted[0], True)


@pytest.mark.parametrize(
    ("script", "found"),
    [
        (
            'echo "$*" >&2; printf "Id=%s\\nA=b=c\\n\\nId=x\\n" "$4"',
            {"one": {"Id": "one", "A": "b=c"}, "x": {"Id": "x"}},
        ),
        ("echo Id=one; exit 1", {"one": {"Id": "one"}}),
        ("echo Id=one; sleep 60", {}),  # systemd hangs
        (None, {}),  # there is none
    ],
)
def test_systemd_is_asked_once_for_all_units(script, found, tmp_path, monkeypatch):
    monkeypatch.setitem(shell.BASE_ENVIRONMENT, "PATH", f"{tmp_path}:/usr/bin:/bin" if script else str(tmp_path))
    monkeypatch.setattr(status, "SYSTEMD", 1 if script and "sleep" in script else 30)
    if script:
        (tmp_path / "systemctl").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "systemctl").chmod(0o755)
    assert status.shown_units(["one", "two"]) == found
    assert status.shown_units([]) == {}


def test_the_status_of_all_sites(monkeypatch, capsys):
    monkeypatch.setattr(status, "shown_units", lambda names: {one["Id"]: one for one in RUNNING})
    monkeypatch.setattr(status, "_visit", lambda site: ("ok", "it answers"))
    assert status.run([here(record=BACKGROUND), here("blog", "")]) == 2
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "CRITICAL: blog is broken"
    assert "release aaaaaaaaaaaa; runs since 2026-11-27 03:56; 1 worker; it answers" in shown[1]
    assert status.run([]) == 3


def test_a_failed_visit_does_not_stop_the_others(monkeypatch):
    record = {"site": {"name": "shop", "health": {"timeout": 20}}, "manifest": {"x": 1}}
    monkeypatch.setattr(status.Front, "of", lambda *_given: 1 / 0)
    assert status._visit(here(record=record)) == ("unknown", "could not be checked: ZeroDivisionError")
    assert status._visit(here())[0] == "unknown"


# --- doctor ---


def fault(name, state, follows=""):
    return {
        "fault": name,
        "hop": name.partition(".")[0],
        "status": state,
        "cause": f"the cause of {name}",
        "fix": f"the fix of {name}",
        "evidence": ["what was \x1b[2Jseen"],
        "follows": follows,
    }


def report(state, faults):
    hop = {"hop": "socket", "status": state, "evidence": [], "cause": "", "follows": "", "faults": faults}
    first = next((one for one in faults if one["status"] in ("broken", "degraded")), None)
    return {
        "name": "shop", "domains": ["shop.example"], "status": state, "seconds": 0.1,
        "first": first, "hops": [hop], "ladder": [],
    }  # fmt: skip


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("degraded", 1), ("broken", 2), ("unknown", 3)])
def test_the_doctors_exit_status_is_that_of_the_worst_site(monkeypatch, capsys, state, code):
    asked = []
    faults = [] if state == "ok" else [fault("socket.missing", state), fault("client.status", state, "socket")]
    answer = {"broken": state == "broken", "sites": [report(state, faults)]}
    monkeypatch.setattr(examination, "examine", lambda wanted: asked.append(wanted) or answer)
    site = here(record={"site": {"name": "shop", "domains": ["shop.example"]}})
    assert examination.run([site], False, True, 7.0) == code
    shown = capsys.readouterr().out
    assert (asked[0]["deep"], asked[0]["patience"], asked[0]["sites"][0]["domains"]) == (True, 7.0, ["shop.example"])
    assert ("fix: the fix of socket.missing" in shown) == (state != "ok")
    assert "the cause of client.status" not in shown
    assert "\x1b" not in shown
    assert examination.run([site], True, False, 4.0) == code
    assert json.loads(capsys.readouterr().out)["status"] == state


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([{"kind": "package", "what": "nginx 1.22 -> 1.26"}], "    - package: nginx 1.22 -> 1.26"),
        ([], "    nothing that the doctor records"),
    ],
)
def test_changes_since_the_site_was_healthy_are_printed_last(capsys, found, words):
    examination.show({**report("ok", []), "changes": {"since": 0.0, "how": "ok", "found": found}})
    shown = capsys.readouterr().out.splitlines()
    assert shown[-2].startswith("  changed since 19")
    assert shown[-1] == words
    examination.show({**report("ok", []), "changes": None})
    assert "changed" not in capsys.readouterr().out


def test_a_site_without_recorded_domains_is_unknown(monkeypatch, capsys):
    monkeypatch.setattr(examination, "examine", lambda wanted: pytest.fail("the doctor was run"))
    assert examination.run([here()], False, False, 4.0) == 3
    assert "run pyweb.stack.site once" in capsys.readouterr().out


# --- releases and rollback ---


@AS_ROOT
def test_releases_are_listed(shop, capsys):
    _layout, record = shop
    [site] = sites.sites()
    releases.run([site])
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(record["id"])
    assert "  live      " in line
    assert releases.lines(here("nowhere")) == ["there is no release of nowhere on this host"]


@pytest.mark.parametrize(
    ("change", "unanswered", "code", "words"),
    [
        (
            Change(["rollback"], OLD, LIVE, [], "", ""),
            None,
            0,
            f"shop: release {OLD} is live; the previous release was {LIVE}",
        ),
        (Change([], LIVE, OLD, [], "", ""), None, 0, f"shop: release {LIVE} is already live"),
        (Change(["rollback"], OLD, LIVE, [], "", ""), StepError("shop", "x", "no answer"), 1, "no answer"),
        (StepError("shop", "rollback", "set rollback_ignore_migrations: true"), None, 1, "set --ignore-migrations"),
        (OSError(28, "No space left on device", "/x"), None, 1, "/x: No space left on device"),
    ],
)
def test_a_rollback_does_the_same_as_the_playbook(monkeypatch, capsys, change, unanswered, code, words):
    asked = []

    def roll_back(*given):
        asked.append(given)
        if isinstance(change, Exception):
            raise change
        return change, unanswered

    monkeypatch.setattr(releases, "roll_back", roll_back)
    monkeypatch.setattr(releases, "who", lambda: "anna@web1")
    assert releases.go_back(here(), OLD, True, False) == code
    said = capsys.readouterr()
    assert words in said.out + said.err
    assert asked == [(here().layout, OLD, "anna@web1", True, False)]


def test_an_invalid_release_id_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(releases, "roll_back", lambda *given: pytest.fail("the release was looked up"))
    assert releases.go_back(here(), "../x", False, False) == 1


def test_the_caller_of_sudo_is_recorded(monkeypatch):
    monkeypatch.setenv("SUDO_USER", "anna")
    monkeypatch.setattr(releases.socket, "gethostname", lambda: "web1")
    assert releases.who() == "anna@web1"


# --- manage ---


@AS_ROOT
def test_manage_does_not_trust_the_wrapper_on_the_disk(shop, monkeypatch):
    layout, record = shop
    [site] = sites.sites()
    shell, option, text, name, *words = manage.command(site, ["migrate", "--plan"])
    assert (shell, option, name, words) == ("/bin/sh", "-c", layout.manage, ["migrate", "--plan"])
    assert f"--uid={record['site']['user']}" in text
    assert f"{layout.root}/current/" in text
    became = []
    monkeypatch.setenv("PYTHONPATH", "/srv/evil")
    monkeypatch.setattr(manage.os, "execve", lambda *given: became.append(given))
    with open(layout.manage, "w", encoding="utf-8") as stream:
        stream.write("evil")
    manage.run(site, ["check"])
    [(program, argv, environment)] = became
    assert (program, "evil" in argv[2], "PYTHONPATH" in environment) == ("/bin/sh", False, False)


def test_manage_without_a_live_release_is_an_error(capsys):
    assert manage.run(here(live=""), ["check"]) == 125
    assert "no release is live" in capsys.readouterr().err


def test_control_characters_of_others_are_not_printed(capsys):
    output.say_line("a\x1b[2J\nb\u202e", "31")
    output.complain("x\x07")
    said = capsys.readouterr()
    assert said.out == "a\\x1b[2J b\\u202e\n"
    assert said.err == "pyweb: x\\x07\n"
