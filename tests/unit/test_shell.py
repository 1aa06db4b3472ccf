"""Commands and causes of their failures, with real processes."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import Identity
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import (
    BASE_ENVIRONMENT,
    Running,
    Shell,
    StepError,
    end,
    spawn,
)

ME = __import__("pwd").getpwuid(os.getuid()).pw_name
SECRET = "correct-horse-battery"
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@pytest.fixture
def shell():
    return Shell("shop", {"GIVEN": "yes", "TOKEN": SECRET}, [SECRET, SECRET[:8], "abc"])


def run(shell, script, **keywords):
    return shell.run("step", ["/bin/sh", "-c", script], ME, **keywords)


def failure(shell, script, **keywords):
    with pytest.raises(StepError) as caught:
        run(shell, script, **keywords)
    return caught.value


# --- running commands ---


def test_a_command_gets_exactly_the_given_environment(shell, tmp_path, monkeypatch):
    monkeypatch.setenv("LEFT_OVER", "from the caller")
    done = run(shell, "env; pwd; umask; cat", cwd=str(tmp_path), environment={"MORE": "1"}, stdin="the input")
    lines = done.stdout.splitlines()
    assert {"GIVEN=yes", "MORE=1", "HOME=/nonexistent", "LANG=C.UTF-8", str(tmp_path), "0022", "the input"} <= set(
        lines
    )
    assert "LEFT_OVER" not in done.stdout
    assert (done.returncode, done.stderr) == (0, "")


def test_secrets_are_hidden_in_both_outputs(shell):
    done = run(shell, 'echo "a $TOKEN b"; echo "$TOKEN" >&2; echo abc')
    assert done.stdout == "a ******** b\nabc\n"  # three letters are not a secret: they would be hidden inside of words
    assert done.stderr == "********\n"


def test_secrets_are_hidden_in_failures(shell):
    found = failure(shell, 'echo "fatal: $TOKEN is wrong" >&2; exit 1')
    assert SECRET not in str(found)
    assert str(found) == "site 'shop': step failed: ******** is wrong\n  fatal: ******** is wrong"


@pytest.mark.parametrize("order", [1, -1])
def test_overlapping_secrets_are_hidden_completely(order):
    secrets = ["hunter", "hunter2hunter2"][::order]
    assert Shell("shop", {}, secrets).mask("is hunter2hunter2, was hunter") == "is ********, was ********"
    shell = Shell("shop", {})
    for secret in secrets:
        shell.hide(secret)
    assert shell.mask("is hunter2hunter2, was hunter") == "is ********, was ********"


def test_secrets_have_at_least_four_characters():
    shell = Shell("shop", {}, ["abc", "defg"])
    shell.hide("hij")
    shell.hide("klmn")
    assert shell.mask("abc defg hij klmn") == "abc ******** hij ********"


@pytest.mark.parametrize("write", [str, repr, json.dumps, quote, quote_plus, lambda text: quote(text, safe="")])
def test_a_secret_is_hidden_in_the_forms_that_programs_print(write):
    secret = 'it\'s a "b"/c\n\u00fc'
    assert set(Shell("shop", {}, [secret]).mask(f"<{write(secret)}>")) <= set("<>*'\"")


@pytest.mark.parametrize(
    "write",
    [
        ascii,
        html.escape,
        shlex.quote,
        lambda text: repr(text.encode()),
        lambda text: repr(f"{text}'"),
        lambda text: repr(repr(text)),
        lambda text: json.dumps(json.dumps(text)),
        lambda text: json.dumps(text, ensure_ascii=False),
        # As by JavaScript's encodeURIComponent and encodeURI, and by requests.
        lambda text: quote(text, safe="!'()*~"),
        lambda text: quote(text, safe=";/?:@&=+$,#!'()*~"),
        lambda text: quote(text, safe="!#$%&'()*+,/:;=?@[]~"),
        lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
        lambda text: quote(quote(text, safe=""), safe=""),
        lambda text: "".join(f"\\{byte:03o}" if byte > 126 or byte < 32 else chr(byte) for byte in text.encode()),
    ],
)
@pytest.mark.parametrize(
    "secret", ["p@ss!w'ord#1 %\xe9\"z\\", "a\\\\'b'<c>&\td", "$(id)`;{}|^=+,.-_:/?*[]\U0001f511x", "\u2028\x01'ab"]
)
def test_a_secret_is_hidden_with_any_escaping(write, secret):
    shown = Shell("shop", {}, [secret]).mask(f"<{write(secret)}>")
    assert set(shown) <= set("<>*'\"b\\"), shown


@pytest.mark.parametrize("character", ["\\", "'", "%", "&", "0", '"'])
def test_masking_repetitive_output_is_fast(character):
    secrets = ["\\'\\'\\'", "''''''", "\\\\\\\\", "a'\\b", "%%%%", "&&&&", "0000'0", "'\"'\"'0"]
    shell, began = Shell("shop", {}, secrets), time.monotonic()
    shell.mask(character * 200_000 + "a")
    assert time.monotonic() - began < 10


def test_a_secret_is_hidden_in_the_failure_of_a_release_step_that_hangs():
    with pytest.raises(StepError) as caught:
        Shell("shop", {}, [SECRET]).run("migrate", ["sh", "-c", f"echo {SECRET} >&2; sleep 60"], ME, timeout=0.5)
    assert str(caught.value) == "site 'shop': migrate failed: no end after 0.5 s\n  ********"


def test_a_failure_without_output_has_its_exit_status(shell):
    assert str(failure(shell, "exit 3")) == "site 'shop': step failed: exit status 3"


def test_a_failure_can_be_returned(shell):
    assert run(shell, "exit 3", check=False).returncode == 3


def test_a_killed_command_names_the_signal(shell):
    assert failure(shell, "echo working; kill -9 $$").cause == f"ended by signal {signal.SIGKILL}"


def test_only_the_end_of_the_output_is_shown(shell):
    text = str(failure(shell, "seq 1 100; exit 1"))
    assert text.endswith("\n  99\n  100")
    assert "\n  75\n" not in text


def test_binary_output_is_shown(shell):
    assert run(shell, r"printf 'a\377b'").stdout == "a\ufffdb"


def test_a_missing_program_or_directory_is_named(shell):
    with pytest.raises(StepError, match="step failed: /no/such/program: No such file or directory"):
        shell.run("step", ["/no/such/program"], ME)
    assert failure(shell, "true", cwd="/no/such/folder").cause == "/no/such/folder: No such file or directory"


def test_a_command_that_hangs_is_killed(shell):
    started = time.monotonic()
    found = failure(shell, "echo begun; sleep 60", timeout=0.2)
    assert found.cause == "no end after 0.2 s"
    assert "begun" in str(found)
    assert time.monotonic() - started < 30


def test_processes_left_by_a_command_are_killed(shell, tmp_path):
    run(shell, f"sleep 60 >/dev/null 2>&1 & echo $! > {tmp_path}/pid")
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < deadline


def alive(pid):
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@AS_ROOT
def test_another_user_runs_without_rights_of_root(shell):
    done = shell.run("step", ["id"], "nobody")
    assert done.stdout.startswith("uid=65534(nobody)")
    assert "root" not in done.stdout


def test_a_command_is_killed_with_its_run(tmp_path):
    code = (
        "import sys; from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import Shell; "
        "Shell('shop', {}).run('requirements', ['sh', '-c', f'echo $$ > {sys.argv[1]}; exec sleep 60'])"
    )
    said = tmp_path / "pid"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.Popen([sys.executable, "-c", code, str(said)], env=environment)
    deadline = time.monotonic() + 20
    while not (said.exists() and said.read_text().strip()):
        assert run.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    run.kill()
    run.wait()
    state = ["ps", "-o", "stat=", "-p", said.read_text().strip()]
    while subprocess.run(state, capture_output=True, text=True, check=False).stdout.strip()[:1] not in ("", "Z"):
        assert time.monotonic() < deadline, "the command still runs"
        time.sleep(0.02)


def test_a_background_child_does_not_delay_the_result():
    """`sleep` keeps the output open; it is killed with its group when the command has ended."""
    started = time.monotonic()
    done = Shell("shop", {}).run("step", ["sh", "-c", "sleep 60 & echo done"], user=ME)
    assert done.stdout == "done\n"
    assert time.monotonic() - started < 30


# --- starting processes ---


def test_spawn_passes_exactly_the_environment_and_creates_a_process_group(tmp_path):
    script = "env; umask; pwd; ps -o pgid= -p $$; cat"
    process = spawn(["/bin/sh", "-c", script], environment={"A": "b"}, cwd=str(tmp_path), stdin=subprocess.PIPE)
    out, err = process.communicate(b"given")
    lines = {line.strip() for line in out.decode().splitlines()}
    assert {"A=b", "0022", str(tmp_path), str(process.pid), "given"} <= lines
    assert not any(line.startswith(("HOME=", "PATH=", "LANG=")) for line in lines), lines
    assert err == b""


def test_spawn_without_streams_reads_nothing_and_pipes_both_outputs():
    process = spawn(["/bin/sh", "-c", "cat; echo out; echo err >&2"], environment={})
    assert process.communicate(timeout=30) == (b"out\n", b"err\n")


@AS_ROOT
def test_spawn_sets_all_ids_and_no_other_groups():
    process = spawn(["id"], Identity(12345, 12346, (12346, 12347)), environment={"PATH": "/usr/bin:/bin"})
    assert process.communicate()[0].decode().split() == ["uid=12345", "gid=12346", "groups=12346,12347"]


def test_spawn_as_the_same_user_needs_no_privileges():
    process = spawn(["id", "-u"], Identity(os.getuid(), 0, (0,)), environment={"PATH": "/usr/bin:/bin"})
    assert process.communicate()[0].decode() == f"{os.getuid()}\n"


@pytest.mark.parametrize(("bound", "survives"), [(True, False), (False, True)])
def test_a_process_dies_with_its_parent_unless_detached(bound, survives, tmp_path):
    code = (
        "import os, sys; "
        "from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import spawn; "
        f"child = spawn(['/bin/sleep', '60'], environment={{}}, stdout=-3, stderr=-3, die_with_parent={bound}); "
        "print(child.pid, flush=True); os._exit(0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    pid = int(done.stdout)
    deadline = time.monotonic() + (0.5 if survives else 20)
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert alive(pid) is survives
    if survives:
        os.kill(pid, signal.SIGKILL)


def test_the_end_of_a_command_in_a_sandbox_stops_its_unit_if_it_still_runs(tmp_path, monkeypatch):
    program = tmp_path / "systemctl"
    program.write_text('#!/bin/sh\necho "$*" >>"${0%/*}/asked"\n')
    program.chmod(0o755)
    monkeypatch.setitem(BASE_ENVIRONMENT, "PATH", f"{tmp_path}:/usr/bin:/bin")
    ended = Running(spawn(["true"], environment=BASE_ENVIRONMENT, stdout=-3, stderr=-3), "a.service")
    ended.process.wait()
    ended.end()
    assert not (tmp_path / "asked").exists()
    running = Running(spawn(["sleep", "60"], environment=BASE_ENVIRONMENT, stdout=-3, stderr=-3), "a.service")
    running.end()
    assert (tmp_path / "asked").read_text() == "stop --quiet a.service\n"
    assert running.process.returncode == -signal.SIGKILL


def test_end_kills_the_group_and_waits(tmp_path):
    process = spawn(["/bin/sh", "-c", "sleep 60 & echo $!; wait"], environment={"PATH": "/usr/bin:/bin"})
    inner = int(process.stdout.readline())
    end(process)
    assert process.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while alive(inner):
        assert time.monotonic() < deadline
    end(process)  # no process is left, which is no error
    process.stdout.close()
    process.stderr.close()


# --- causes ---


def test_cause_of_a_real_python(shell):
    with pytest.raises(StepError) as caught:
        shell.run("step", [sys.executable, "-c", "import no_such_module"], ME)
    assert caught.value.cause == (
        "ModuleNotFoundError: No module named 'no_such_module'; "
        "add no_such_module to the requirements, or to `packages:` of the site"
    )


def test_cause_of_a_real_git(shell, tmp_path):
    with pytest.raises(StepError) as caught:
        shell.run("source", ["git", "ls-remote", f"{tmp_path}/none"], ME)
    assert caught.value.cause.startswith(f"'{tmp_path}/none' does not appear to be a git repository")


@pytest.mark.parametrize("before", ["", "u:", "user:", "\xff~"])
@pytest.mark.parametrize("after", ["", "\n", "?>", "more"])
@pytest.mark.parametrize("secret", ["correct-horse", "????>>>>~~~~", "p\xe4ssw\xf6rter", "x" * 9])
def test_base64_of_a_text_with_a_secret_is_hidden(before, after, secret):
    shell = Shell("shop", {})
    shell.hide(secret)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        shown = shell.mask(encode(f"{before}{secret}{after}".encode()).decode())
        assert "********" in shown
        kept = shown.replace("********", "")
        # Characters that also depend on the neighbours' bits, and no more.
        assert len(kept) <= len(encode(f"{before}{after}".encode())) + 4, shown


def test_a_short_secret_is_not_searched_in_base64():
    shell = Shell("shop", {})
    shell.hide("abcd")
    assert shell.secrets == ["abcd"]
