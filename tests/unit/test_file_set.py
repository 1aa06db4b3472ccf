"""The transaction of config_set, with real files; its commands are Python functions."""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import file_change, file_set
from ansible_collections.pyweb.stack.plugins.module_utils.host.file_change import FileSetError, Wanted, compare
from ansible_collections.pyweb.stack.plugins.module_utils.host.file_set import Request, install, telling

UID, GID = str(os.getuid()), str(os.getgid())


def file(path, text="new\n", **more):
    return Wanted(str(path), content=text.encode(), owner=UID, group=GID, **more)


class Host:
    """A directory with configuration files, and programs `check` and `reload` that record what they read."""

    def __init__(self, root: Path, monkeypatch):
        self.etc, self.run_folder = root / "etc", root / "run"
        self.etc.mkdir()
        self.calls, self.check_status, self.reload_status, self.namespace = [], 0, [0], False
        monkeypatch.setattr(file_set, "which", lambda name: "" if name == "missing" else f"/sbin/{name}")
        monkeypatch.setattr(os, "geteuid", lambda: 0)

    def run(self, argv):
        if argv[0] == "unshare":
            self.calls.append("unshare")
            if not self.namespace:
                return 1, "", "unshare: unshare failed: Operation not permitted\n"
            (self.run_folder / "set.stage/entered").touch()
            return self.check_status, "", "check: [warn] odd\ncheck: [emerg] bad line 3\n" if self.check_status else ""
        name = os.path.basename(argv[0])
        self.calls.append((name, self.text()))
        if name == "check":
            return self.check_status, "", "check: [emerg] bad line 3\n" if self.check_status else ""
        status = self.reload_status.pop(0) if len(self.reload_status) > 1 else self.reload_status[0]
        return status, "", "reload: port taken\n" if status else ""

    def text(self):
        path = self.etc / "a.conf"
        return path.read_text() if path.exists() else None

    def install(self, *files, dry=False, **more):
        request = Request("set", files, **{"check": ["check"], "apply": [["reload"]], **more})
        return install(request, self.run, dry, str(self.run_folder))

    @property
    def marker(self):
        return self.run_folder / "set.pending"


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


def states(outcome):
    return [one.state for one in outcome.changes]


def test_new_files_are_checked_swapped_and_applied(host):
    host.namespace = True
    outcome = host.install(file(host.etc / "a.conf"), file(host.etc / "sub/dir/b.conf", mode=0o600))
    assert (outcome.changed, outcome.checked, outcome.applied) == (True, True, True)
    assert states(outcome) == ["created", "created"]
    assert host.calls == ["unshare", ("reload", "new\n")]
    assert (host.etc / "sub/dir/b.conf").stat().st_mode & 0o777 == 0o600
    assert (host.etc / "sub/dir").stat().st_mode & 0o777 == 0o755
    assert not host.marker.exists()
    assert sorted(os.listdir(host.etc)) == ["a.conf", "sub"]  # No temporary file is left.


def test_second_run_changes_nothing_and_runs_no_command(host):
    wanted = [file(host.etc / "a.conf"), Wanted(str(host.etc / "l"), "link", target="a.conf")]
    host.install(*wanted)
    host.calls.clear()
    outcome = host.install(*wanted)
    assert (outcome.changed, states(outcome), host.calls) == (False, ["unchanged", "unchanged"], [])
    assert outcome.diff() == []


@pytest.mark.parametrize(
    ("before", "wanted", "state"),
    [
        (None, {"text": "x"}, "created"),
        ("x", {"text": "x"}, "unchanged"),
        ("y", {"text": "x"}, "changed"),
        ("x", {"text": "x", "mode": 0o600}, "changed"),
        ("link", {"text": "x"}, "changed"),
    ],
)
def test_state_of_a_file(host, before, wanted, state):
    path = host.etc / "f"
    if before == "link":
        path.symlink_to("/dev/null")
    elif before is not None:
        path.write_text(before)
        path.chmod(0o644)
    assert compare(file(path, **wanted)).state == state


@pytest.mark.parametrize(
    ("content", "marked", "state"),
    [("x", "", "removed"), ("# ours", "ours", "removed"), ("x", "ours", "unchanged"), (None, "", "unchanged")],
)
def test_absent_removes_only_files_with_the_mark(host, content, marked, state):
    path = host.etc / "a.conf"
    if content is not None:
        path.write_text(content)
    outcome = host.install(Wanted(str(path), "absent", marked=marked))
    assert states(outcome) == [state]
    assert path.exists() == (state == "unchanged" and content is not None)


def test_link_has_the_mark_of_its_target(host):
    path = host.etc / "l"
    path.symlink_to("/elsewhere/l")
    assert compare(Wanted(str(path), "absent", marked="../available/l")).state == "unchanged"
    assert compare(Wanted(str(path), "absent", marked="/elsewhere")).state == "removed"


def test_directory_in_place_of_a_file_is_refused(host):
    (host.etc / "a.conf").mkdir()
    with pytest.raises(FileSetError, match=r"a\.conf is a directory; expected a file or nothing; move it away first$"):
        host.install(file(host.etc / "a.conf"))


def test_unknown_owner_is_an_error_except_in_a_dry_run(host):
    wanted = Wanted(str(host.etc / "a.conf"), content=b"x", owner="nobody-of-that-name", group=GID)
    with pytest.raises(FileSetError, match="owner is 'nobody-of-that-name', which this host does not have"):
        host.install(wanted)
    outcome = host.install(wanted, dry=True)
    assert states(outcome) == ["created"]
    (host.etc / "a.conf").write_text("x")
    shown = host.install(wanted, dry=True).diff()
    assert shown[0]["after"]["owner"] == "to be made"


def test_refusal_in_the_namespace_changes_nothing(host):
    host.namespace, host.check_status = True, 1
    (host.etc / "a.conf").write_text("old\n")
    with pytest.raises(FileSetError, match=r"`check` refuses the new files: check: \[emerg\] bad line 3; nothing was"):
        host.install(file(host.etc / "a.conf"), file(host.etc / "new/b"))
    assert host.text() == "old\n"
    assert host.calls == ["unshare"]
    assert not (host.etc / "new").exists()
    assert not host.marker.exists()


def test_without_a_namespace_the_check_runs_on_the_files_in_place_and_a_refusal_restores_them(host):
    host.check_status = 1
    (host.etc / "a.conf").write_text("old\n")
    (host.etc / "a.conf").chmod(0o640)
    (host.etc / "l").symlink_to("there")
    (host.etc / "gone").write_text("still here")
    with pytest.raises(FileSetError, match="bad line 3; the previous files are back"):
        host.install(
            file(host.etc / "a.conf"),
            file(host.etc / "l"),
            file(host.etc / "new/b"),
            Wanted(str(host.etc / "gone"), "absent"),
        )
    assert ("check", "new\n") in host.calls
    assert host.text() == "old\n"
    assert (host.etc / "a.conf").stat().st_mode & 0o777 == 0o640
    assert os.readlink(host.etc / "l") == "there"
    assert (host.etc / "gone").read_text() == "still here"
    assert not (host.etc / "new").exists()
    assert not host.marker.exists()


def test_failing_apply_restores_and_applies_the_old_files(host):
    host.reload_status = [1, 0]
    (host.etc / "a.conf").write_text("old\n")
    with pytest.raises(FileSetError, match=r"`reload` failed: reload: port taken; the previous files are back$"):
        host.install(file(host.etc / "a.conf"))
    assert host.calls[-2:] == [("reload", "new\n"), ("reload", "old\n")]
    assert not host.marker.exists()


def test_failing_apply_runs_the_revert_command_if_given(host):
    host.reload_status = [1, 0]
    (host.etc / "a.conf").write_text("old\n")
    with pytest.raises(FileSetError, match=r"the previous files are back$"):
        host.install(file(host.etc / "a.conf"), revert=[["back"]])
    assert host.calls[-2:] == [("reload", "new\n"), ("back", "old\n")]
    assert not host.marker.exists()


def test_apply_that_fails_twice_is_repeated_by_the_next_run(host):
    host.reload_status = [1, 1, 0]
    (host.etc / "a.conf").write_text("old\n")
    with pytest.raises(FileSetError, match="are back, but not in effect, for the same reason"):
        host.install(file(host.etc / "a.conf"))
    assert host.marker.exists()
    outcome = host.install(file(host.etc / "a.conf", "old\n"))
    assert (outcome.changed, outcome.applied, states(outcome)) == (True, True, ["unchanged"])
    assert not host.marker.exists()


@pytest.mark.parametrize("step", ["move", "write"])
def test_killed_run_is_completed_by_the_next(host, monkeypatch, step):
    """If a run is killed between two files, the files and the marker stay, and the next run applies them."""

    class Killed(BaseException):
        pass

    real, calls = getattr(file_change, step), []

    def dying(path, content):
        calls.append(path)
        if len(calls) == 2:
            raise Killed
        real(path, content)

    wanted = [file(host.etc / "a.conf"), file(host.etc / "b.conf")]
    with monkeypatch.context() as patch:
        patch.setattr(file_change, step, dying)
        with pytest.raises(Killed):
            host.install(*wanted, check=[])
    assert host.marker.exists()
    outcome = host.install(*wanted)
    assert (outcome.changed, outcome.applied) == (True, True)
    assert sorted(os.listdir(host.etc)) == ["a.conf", "b.conf"]
    assert not host.marker.exists()


def test_full_disk_is_found_before_any_file_is_replaced(host, monkeypatch):
    (host.etc / "a.conf").write_text("old\n")
    real = file_change.write

    def full(path, content):
        if "b.conf" in path:
            raise OSError(28, "No space left on device")
        real(path, content)

    monkeypatch.setattr(file_change, "write", full)
    with pytest.raises(FileSetError, match=r"b\.conf: cannot be written: No space left on device; the previous files"):
        host.install(file(host.etc / "a.conf"), file(host.etc / "b.conf"))
    assert host.text() == "old\n"
    assert os.listdir(host.etc) == ["a.conf"]


def test_dry_run_predicts_and_changes_nothing(host):
    host.namespace = True
    (host.etc / "a.conf").write_text("old\n")
    outcome = host.install(file(host.etc / "a.conf"), dry=True)
    assert (outcome.changed, outcome.checked, outcome.applied) == (True, True, False)
    assert host.text() == "old\n"
    assert host.calls == ["unshare"]


@pytest.mark.parametrize(
    ("more", "because"),
    [({"check": ["missing"]}, "missing is not installed yet"), ({"check": []}, "no check is given")],
)
def test_dry_run_says_why_it_did_not_check(host, more, because):
    outcome = host.install(file(host.etc / "a.conf"), dry=True, **more)
    assert (outcome.checked, outcome.unchecked_because) == (False, because)


def test_dry_run_without_a_namespace_says_so(host):
    outcome = host.install(file(host.etc / "a.conf"), dry=True)
    assert outcome.unchecked_because.startswith("no private mount namespace: unshare: unshare failed")
    assert host.text() is None


def test_missing_check_program_stops_a_run(host):
    with pytest.raises(FileSetError, match="missing, which checks the files, is not installed; nothing was changed"):
        host.install(file(host.etc / "a.conf"), check=["missing"])
    assert host.text() is None


def test_lock_names_its_holder(host):
    host.run_folder.mkdir()
    with open(host.run_folder / "set.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write("4711")
        held.flush()
        with pytest.raises(FileSetError, match=r"process 4711 has held .*/set\.lock for 0\.2 s"):
            host.install(file(host.etc / "a.conf"), wait=0.2)


def test_two_simultaneous_runs_wait_for_each_other(host):
    threads = [
        threading.Thread(target=host.install, args=[file(host.etc / "a.conf", f"{number}\n" * 9999)])
        for number in range(5)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(set(host.text().split())) == 1
    assert host.calls.count("unshare") == 5


def test_secret_is_not_in_the_diff(host):
    (host.etc / "a.conf").write_text("password old")
    outcome = host.install(file(host.etc / "a.conf", "password new", secret=True))
    assert outcome.diff()[0]["before"] == "(secret)\n"
    assert "password" not in str(outcome.diff())


def test_diff_of_text_link_and_attributes(host):
    (host.etc / "a.conf").write_text("old\n")
    (host.etc / "a.conf").chmod(0o600)
    (host.etc / "gone").write_text("x\n")
    outcome = host.install(
        file(host.etc / "a.conf"),
        Wanted(str(host.etc / "l"), "link", target="t"),
        Wanted(str(host.etc / "gone"), "absent"),
    )
    text, attributes, link, gone = outcome.diff()
    assert (text["before"], text["after"]) == ("old\n", "new\n")
    assert (attributes["before"]["mode"], attributes["after"]["mode"]) == ("0600", "0644")
    assert (link["before"], link["after"]) == ("", "link to t\n")
    assert (gone["after"], gone["after_header"]) == ("", f"{host.etc}/gone (removed)")


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("nginx: [warn] conflicting\nnginx: [emerg] unknown\n", "[emerg] unknown"),
        # nginx prints this after it has read everything.
        (
            "nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\n"
            '2026/11/26 00:50:34 [emerg] 1462#1462: open() "/x.log" failed (2: No such file or directory)\n'
            "nginx: configuration file /etc/nginx/nginx.conf test failed\n",
            '[emerg] open() "/x.log" failed (2: No such file or directory)',
        ),
        ("Job for nginx.service failed.\n2026/11/26 00:50:34 [emerg] 7#7: no\n", "[emerg] no"),
        ("the file is ok\nsyntax is ok\nsemodule: no such module\n", "the file is ok"),
        ("only: warning\n", "only: warning"),
        ("", ""),
    ],
)
def test_most_relevant_line_of_an_error(output, line):
    assert telling(output) == line


# --- the check ---


class Programs:
    """Record every argument list; return the next of `answers`, then success."""

    def __init__(self, *answers):
        self.argvs, self.answers = [], list(answers)

    def __call__(self, argv):
        self.argvs.append(list(argv))
        return self.answers.pop(0) if self.answers else (0, "", "")


NO_NAMESPACE = (1, "", "unshare: unshare failed: Operation not permitted\n")


def request(host, **more):
    given = {"check": ["check", "-t", "a b"], "private": [str(host.etc)], "apply": [["reload", "-HUP"], ["other"]]}
    return Request("set", [file(host.etc / "a.conf")], **{**given, **more})


def test_check_and_apply_get_their_exact_arguments(host):
    """In place: after the namespace was refused, with the absolute path of the program."""
    programs = Programs(NO_NAMESPACE)
    outcome = install(request(host), programs, False, str(host.run_folder))
    unshare, *others = programs.argvs
    assert unshare[:-1] == ["unshare", "--mount", "--propagation", "private", "sh", "-c"]
    assert others == [["/sbin/check", "-t", "a b"], ["/sbin/reload", "-HUP"], ["/sbin/other"]]
    assert (outcome.checked, outcome.unchecked_because, outcome.applied) == (True, "", True)


def test_the_script_mounts_the_copies_and_executes_the_check(host):
    (host.etc / "sub").mkdir()
    programs = Programs(NO_NAMESPACE)
    install(request(host), programs, True, str(host.run_folder))
    stage = f"{host.run_folder}/set.stage"
    assert programs.argvs[0][-1].splitlines() == [
        "set -e",
        f"mount --rbind {host.etc}/sub {stage}/0/sub",
        f"mount --rbind {stage}/0 {host.etc}",
        f": >{stage}/entered",
        "exec /sbin/check -t 'a b'",
    ]
    assert os.listdir(host.run_folder) == ["set.lock"]


def test_a_check_in_place_that_fails_silently_is_reported_with_its_status(host):
    programs = Programs(NO_NAMESPACE, (3, "", ""))
    with pytest.raises(FileSetError) as caught:
        install(request(host, apply=[]), programs, False, str(host.run_folder))
    assert str(caught.value) == "`check -t 'a b'` refuses the new files: exit status 3; the previous files are back"
    assert caught.value.output == "exit status 3"
    assert host.text() is None


@pytest.mark.parametrize("dry", [True, False])
def test_without_space_for_the_copies_the_check_runs_in_place_or_not_at_all(host, monkeypatch, dry):
    def full(*_given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file_set.stage, "script", full)
    programs = Programs()
    outcome = install(request(host, apply=[]), programs, dry, str(host.run_folder))
    assert programs.argvs == ([] if dry else [["/sbin/check", "-t", "a b"]])
    assert outcome.checked is not dry
    assert outcome.unchecked_because == (
        "no private mount namespace: [Errno 28] No space left on device" if dry else ""
    )


def test_a_copy_is_never_removed_through_a_mount(host, monkeypatch):
    """If the mount were visible here, removing the copy would remove the real files."""
    stage = host.run_folder / "set.stage"
    (stage / "0").mkdir(parents=True)
    (stage / "0/precious").write_text("x")
    monkeypatch.setattr(file_set.files, "mounts", lambda path: [f"{path}/0"])
    with pytest.raises(FileSetError, match=r"set\.stage has mounts in it, which should be in a namespace of their own"):
        host.install(file(host.etc / "a.conf"))
    assert (stage / "0/precious").exists()
    assert host.calls == []


def test_a_copy_left_by_a_killed_run_is_replaced(host):
    (host.run_folder / "set.stage/0").mkdir(parents=True)
    host.namespace = True
    assert host.install(file(host.etc / "a.conf")).checked
    assert sorted(os.listdir(host.run_folder)) == ["set.lock"]


def test_nothing_is_mounted_over_the_root(host, tmp_path):
    wanted = Wanted("/no-such-file-of-pyweb", content=b"x", owner=UID, group=GID)
    outcome = install(Request("set", [wanted], check=["check"]), Programs(), True, str(host.run_folder))
    assert outcome.unchecked_because == "no private mount namespace: nothing can be mounted over /"


def test_an_apply_that_is_not_installed_fails_and_restores_the_files(host):
    with pytest.raises(
        FileSetError, match=r"^`missing -x` failed: missing is not installed; the previous files are back"
    ):
        host.install(file(host.etc / "a.conf"), check=[], apply=[["missing", "-x"]])
    assert host.text() is None


def test_an_apply_that_fails_silently_is_reported_with_its_status(host):
    for answers, state in (((4, 0), "$"), ((4, 5), ", but not in effect: `reload` failed: exit status 5$")):
        programs = Programs(*((status, "", "") for status in answers))
        wanted = f"^`reload` failed: exit status 4; the previous files are back{state}"
        with pytest.raises(FileSetError, match=wanted):
            install(request(host, check=[], apply=[["reload"]]), programs, False, str(host.run_folder))


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["sh", "-c", "a\nb", "reload nginx"], "reload nginx"),
        (["sh", "-c", "a; b"], "sh -c 'a; b'"),
        (["a", "b\nc"], "a 'b..."),
        (["x" * 80], "x" * 80),
        (["x" * 81], "x" * 80 + "..."),
    ],
)
def test_a_command_in_an_error_is_shortened(host, argv, shown):
    with pytest.raises(FileSetError) as caught:
        install(request(host, check=[], apply=[argv]), Programs((1, "", "bad")), False, str(host.run_folder))
    assert str(caught.value) == f"`{shown}` failed: bad; the previous files are back"


# --- restoring ---


def test_files_that_cannot_be_restored_are_named_and_left_to_the_next_run(host, monkeypatch):
    (host.etc / "a.conf").write_text("old\n")
    real = file_change.write

    def write(path, content):
        if content.content == b"old\n":
            raise OSError(5, "Input/output error")
        real(path, content)

    monkeypatch.setattr(file_change, "write", write)
    wanted = rf"these could not be put back: {host.etc}/a\.conf \(Input/output error\); the next run tries again$"
    with pytest.raises(FileSetError, match=wanted):
        host.install(file(host.etc / "a.conf"), check=[], apply=[["missing"]])
    assert host.marker.exists()


def test_after_an_interrupted_run_a_failure_keeps_the_marker(host):
    host.run_folder.mkdir()
    host.marker.touch()
    host.reload_status = [1]
    (host.etc / "a.conf").write_text("old\n")
    with pytest.raises(
        FileSetError, match=r"the files are as the interrupted run before left them; the next run tries again$"
    ):
        host.install(file(host.etc / "a.conf"), check=[])
    assert host.text() == "old\n"
    assert host.marker.exists()
    assert len(host.calls) == 1


def test_a_directory_that_others_use_in_the_meantime_is_kept(host, monkeypatch):
    def run(_argv):
        (host.etc / "new/other").write_text("x")
        return 1, "", "no"

    given = Request("set", [file(host.etc / "new/deep/a")], apply=[["reload"]])
    with pytest.raises(FileSetError, match="`reload` failed: no"):
        install(given, run, False, str(host.run_folder))
    assert os.listdir(host.etc / "new") == ["other"]


# --- other users ---


def test_an_ordinary_user_only_gets_a_comparison(host, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    programs = Programs()
    outcome = install(request(host), programs, True, str(host.run_folder))
    assert (states(outcome), outcome.changed, programs.argvs) == (["created"], True, [])
    assert outcome.unchecked_because == "only root can show the check the new files"
    assert not host.run_folder.exists()


def test_an_unchanged_set_says_why_it_was_not_checked(host):
    host.install(file(host.etc / "a.conf"))
    outcome = host.install(file(host.etc / "a.conf"))
    assert (outcome.checked, outcome.unchecked_because, outcome.applied) == (False, "nothing differs", False)


def test_programs_are_also_searched_in_the_sbin_directories(tmp_path, monkeypatch):
    (tmp_path / "nginx").write_text("#!/bin/sh\n")
    (tmp_path / "nginx").chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    assert file_set.which("nginx-of-pyweb") == ""
    monkeypatch.setattr(file_set, "SBIN", str(tmp_path))
    assert file_set.which("nginx") == f"{tmp_path}/nginx"
    assert file_set.SBIN != "/usr/local/sbin:/usr/sbin:/sbin"
    monkeypatch.undo()
    assert file_set.SBIN == "/usr/local/sbin:/usr/sbin:/sbin"


# --- single paths ---


def test_a_special_file_is_refused(host):
    os.mkfifo(host.etc / "pipe")
    with pytest.raises(FileSetError, match=r"pipe is a special file; expected a file or nothing; move it away first"):
        compare(file(host.etc / "pipe"))


def test_owner_and_group_are_numbers_or_names(host, monkeypatch):
    path = host.etc / "a"
    path.write_text("x")
    path.chmod(0o644)
    assert compare(file(path, "x")).state == "unchanged"
    assert compare(Wanted(str(path), content=b"x", owner=UID, group="60123")).state == "changed"
    assert compare(Wanted(str(path), content=b"x", owner="60123", group=GID)).after.uid == 60123
    monkeypatch.setattr(file_change.pwd, "getpwnam", lambda name: type("Entry", (), {"pw_uid": 41})())
    monkeypatch.setattr(file_change.grp, "getgrnam", lambda name: type("Entry", (), {"gr_gid": 42})())
    after = compare(Wanted(str(path), content=b"x", owner="shop", group="web")).after
    assert (after.uid, after.gid) == (41, 42)


def test_an_unknown_group_is_named(host):
    wanted = Wanted(str(host.etc / "a"), owner=UID, group="no-group-of-that-name")
    with pytest.raises(
        FileSetError, match="a: group is 'no-group-of-that-name', which this host does not have; create it"
    ):
        compare(wanted)
    assert compare(wanted, dry=True).after.gid == -1


def test_a_correct_link_is_unchanged_and_another_one_is_changed(host):
    (host.etc / "l").symlink_to("there")
    assert compare(Wanted(str(host.etc / "l"), "link", target="there")).state == "unchanged"
    assert compare(Wanted(str(host.etc / "l"), "link", target="here")).state == "changed"
    assert compare(Wanted(str(host.etc / "none/l"), "link", target="here")).state == "created"
    (host.etc / "f").write_text("")
    assert compare(Wanted(str(host.etc / "f"), "link", target="")).state == "changed"
    assert compare(Wanted(str(host.etc / "f/below"), "absent")).state == "unchanged"


def test_diffs_of_binary_secret_and_removed_files(host):
    (host.etc / "binary").write_bytes(b"a\0b")
    (host.etc / "secret").write_text("password")
    (host.etc / "new").write_text("")
    binary = file_change.differences(compare(file(host.etc / "binary", "text")))
    assert binary[0] == {"before_header": f"{host.etc}/binary", "after_header": f"{host.etc}/binary", "src_binary": 1}
    [gone] = file_change.differences(compare(Wanted(str(host.etc / "secret"), "absent", secret=True)))
    assert (gone["before"], gone["after"]) == ("(secret)\n", "")
    [made] = file_change.differences(compare(file(host.etc / "other", "password", secret=True)))
    assert (made["before"], made["after"]) == ("", "(secret, changed)\n")
    assert "password" not in str([gone, made])


def test_ids_without_a_name_are_shown_as_numbers():
    assert file_change._name({}.__getitem__, 60123) == "60123"
    assert file_change._name({}.__getitem__, -1) == "to be made"
    assert file_change._name(lambda number: ("shop", "x"), 60123) == "shop"


def test_directories_of_written_and_removed_files_are_synced(host, monkeypatch):
    synced = []
    monkeypatch.setattr(file_change.files, "sync", synced.append)
    (host.etc / "gone").write_text("")
    host.install(file(host.etc / "a.conf"), Wanted(str(host.etc / "gone"), "absent"), check=[], apply=[])
    assert synced == [str(host.etc), str(host.etc)]


@pytest.mark.skipif(
    subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode != 0,
    reason="mount namespaces are not available",
)
def test_only_the_check_sees_the_new_files_in_a_real_namespace(tmp_path):
    etc, logs = tmp_path / "etc", tmp_path / "log"
    (etc / "untouched").mkdir(parents=True)
    (etc / "untouched/c").write_text("c\n")
    (etc / "a").write_text("old\n")
    (etc / "gone").write_text("x\n")
    (etc / "link").symlink_to("untouched/c")
    logs.mkdir()
    (logs / "log").write_text("long ago\n")
    seen, started, go = tmp_path / "seen", tmp_path / "started", tmp_path / "go"
    script = (
        f"(cd {etc}; ls; cat a sub/b link) >{seen}; echo from the check >>{logs}/log; echo >{logs}/new; "
        f"touch {started}; while [ ! -e {go} ]; do sleep 0.05; done"
    )
    during = []

    def run(argv):
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while process.poll() is None and not started.exists():
            pass
        during.append(((etc / "a").read_text(), (etc / "sub").exists(), (etc / "gone").exists()))
        go.touch()
        out, err = process.communicate()
        return process.returncode, out, err

    request = Request(
        "set",
        [file(etc / "a"), file(etc / "sub/b", "b\n"), Wanted(str(etc / "gone"), "absent")],
        check=["sh", "-c", script],
        private=[str(logs), "/nowhere"],
    )
    outcome = install(request, run, dry=True, folder=str(tmp_path / "run"))
    assert outcome.checked, outcome.unchecked_because
    assert seen.read_text().split() == ["a", "link", "sub", "untouched", "new", "b", "c"]
    assert during == [("old\n", False, True)]
    assert (logs / "log").read_text() == "long ago\n"
    assert os.listdir(logs) == ["log"]
    assert os.listdir(tmp_path / "run") == ["set.lock"]
