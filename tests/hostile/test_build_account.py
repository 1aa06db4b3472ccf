"""The running site's account does not fetch or build, and files that it can write do not get into the next build."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import World
from host import ROOT, Run, docker
from sites import site

pytestmark = pytest.mark.same_everywhere

NAME, USER, BUILDER = "forge", "site-forge", "build-forge"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nZGVwbG95LWtleS1jYW5hcnktNDcxMQ==\n-----END OPENSSH PRIVATE KEY-----\n"
MARK = "poisoned_by_the_site"
STATE, CACHE = f"/var/lib/sites/{NAME}", f"/var/cache/sites/{NAME}"
# git starts this instead of ssh. It is slow, so that the attack has time.
SSH = """\
#!/bin/sh
sleep 2.5
for last; do :; done
exec sh -c "$last"
"""
# A step of the project that leaves a process running in another process group.
SLOW = """\
setsid sh -c 'while :; do echo late >> late.txt; sleep 0.05; done' > /dev/null 2>&1 &
sleep 2.25
"""
SETTINGS = f"""
os.makedirs("{STATE}/made", exist_ok=True)
LOGGING = {{
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {{
        "data": {{"class": "logging.FileHandler", "filename": "{STATE}/app.log"}},
        "code": {{"class": "logging.FileHandler", "filename": BASE_DIR / "logs/site.log"}},
    }},
    "root": {{"handlers": ["data", "code"], "level": "WARNING"}},
}}
"""
# What a compromised site tries during a deploy. At the end it prints which processes it saw, and what succeeded.
ATTACK = f"""
import ctypes, glob, json, os, pwd, time
libc = ctypes.CDLL(None, use_errno=True)
seen, got, ours = {{}}, set(), {{pwd.getpwnam("{USER}").pw_uid}}
begin = time.monotonic()

def attempt(what, how):
    try:
        if how():
            got.add(what)
    except OSError:
        pass

def traced(pid):
    if libc.ptrace(16, pid, None, None):
        return False
    os.waitpid(pid, 0)
    libc.ptrace(17, pid, None, None)
    return True

while time.monotonic() - begin < 600 and not os.path.exists("/run/forge-done"):
    try:
        ours.add(pwd.getpwnam("{BUILDER}").pw_uid)
    except KeyError:
        pass
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{{entry}}/cmdline").read().split("\\0")
            uid = os.stat(f"/proc/{{entry}}").st_uid
        except OSError:
            continue
        name = os.path.basename(words[0])
        if uid not in ours or not (name in ("git", "ssh", "uv") or "2.5" in words or "2.25" in words):
            continue
        seen[name] = seen.get(name, 0) + 1
        attempt(f"environment of {{name}}", lambda: open(f"/proc/{{entry}}/environ").read())
        attempt(f"descriptors of {{name}}", lambda: os.listdir(f"/proc/{{entry}}/fd"))
        attempt(f"trace of {{name}}", lambda: traced(int(entry)))
    for path in [*glob.glob("/tmp/pyweb-git-*/key"), *glob.glob("/run/pyweb.stack/git-*/key")]:
        attempt(path, lambda: open(path).read())
    made = glob.glob("/opt/sites/{NAME}/builds/*/*") + glob.glob("/opt/sites/{NAME}/virtualenvs/*")
    for folder in [*made, "{CACHE}"]:
        attempt(f"write {{folder}}", lambda: os.close(os.open(f"{{folder}}/pwned", os.O_CREAT | os.O_WRONLY)) is None)
    attempt("list {CACHE}", lambda: os.listdir("{CACHE}") is not None)
    time.sleep(0.02)
print(json.dumps([seen, sorted(got)]))
"""


@dataclass
class Forge:
    """A separate site on the shared host. `seen`: attacked processes by name; `got`: the attacks that succeeded."""

    world: World
    wanted: dict[str, Any]
    seen: dict[str, int] = field(default_factory=dict)
    got: list[str] = field(default_factory=list)

    def deploy(self, **keys: Any) -> Run:
        return self.world.host.deploy([{**self.wanted, **keys}], "deploy.yml")

    def told(self, script: str) -> str:
        return self.world.host.told(script)

    def deploy_under_attack(self) -> None:
        """Deploy while the site's user attacks the processes and files of the deploy."""
        docker("cp", str(self.script("attack.py", ATTACK)), f"{self.world.host.name}:/srv/attack.py")
        begin = f"until id {USER}; do sleep 0.05; done; exec setpriv --reuid={USER} --regid={USER} --init-groups"
        self.told(f"setsid sh -c '{begin} python3 /srv/attack.py' > /run/forge-attack 2> /run/forge-errors &")
        try:
            self.deploy()
        finally:
            self.told("touch /run/forge-done; while pgrep -f [s]rv/attack.py > /dev/null; do sleep 0.1; done")
        answer = self.told("tail -n 1 /run/forge-attack; cat /run/forge-errors >&2")
        self.seen, self.got = json.loads(answer)

    def script(self, name: str, text: str) -> Path:
        path = self.world.host.work / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
        return path

    def log(self, word: str) -> None:
        """Make the site log a word to both of its files."""
        self.told(f"/opt/sites/{NAME}/manage shell -c 'import logging; logging.warning(\"{word}\")'")
        for path in (f"{STATE}/app.log", f"{STATE}/writable/logs/site.log"):
            assert word in self.told(f"cat {path}"), path
            assert self.told(f"stat -c %U {path}") == USER


@pytest.fixture(scope="module")
def forge(world: World) -> Iterator[Forge]:
    """Deploy the site for the first time, while a process of its user attacks."""
    host, code = world.host, world.host.work / "forge"
    shutil.copytree(ROOT / "examples/mysite", code)
    (code / "slow.sh").write_text(SLOW)
    with (code / "mysite/settings.py").open("a") as settings:
        settings.write(SETTINGS)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com"]
    for words in (["init", "-q", "-b", "main"], ["add", "--all"], ["commit", "-q", "-m", "A site"]):
        subprocess.run([*git, *words], cwd=code, check=True)
    host.told("mkdir -p /srv/git")
    host.copy(code, "/srv/git/forge")
    made = Forge(world, site(NAME, None, build=[{"run": "sh slow.sh"}, "collectstatic"], writable=["logs"]))
    made.wanted["source"] = {"git": "ssh://git@git.example/srv/git/forge", "version": "main", "key": KEY}
    docker("cp", str(made.script("ssh", SSH)), f"{host.name}:/usr/local/bin/ssh")
    made.deploy_under_attack()
    yield made
    host.told("rm -f /usr/local/bin/ssh")


def test_a_site_cannot_attack_the_processes_that_fetch_and_build(forge: Forge) -> None:
    assert {"git", "sleep"} <= set(forge.seen), "the attack saw no processes of the build"
    assert forge.got == []


def test_a_build_leaves_no_processes_running(forge: Forge) -> None:
    assert forge.told(f"pgrep -l -u {BUILDER} || true") == ""
    left = forge.told("cd /opt/sites/forge/current/src && stat -c '%U %a' late.txt && wc -l < late.txt")
    assert left.startswith("root 640")
    assert forge.told("sleep 0.3; cd /opt/sites/forge/current/src; stat -c '%U %a' late.txt; wc -l < late.txt") == left


def test_the_build_account_has_no_shell_no_home_and_no_files_of_a_release(forge: Forge) -> None:
    assert forge.told(f"getent passwd {BUILDER} | cut -d: -f6,7") == "/nonexistent:/usr/sbin/nologin"
    assert set(forge.told(f"id -nG {BUILDER}").split()) == {BUILDER, USER}
    assert forge.told(f"id -nG {USER}") == USER
    assert forge.told(f"stat -c '%U %a' {CACHE}") == f"{BUILDER} 700"
    assert forge.told(f"find /opt/sites/forge /etc/sites/forge -user {BUILDER} -o -user {USER}") == ""


def test_a_cache_that_the_site_could_write_is_discarded_and_log_files_stay_the_sites(forge: Forge) -> None:
    forge.log("first")
    # As 0.1 left it, and poisoned by the site since.
    done = forge.world.host.run(
        f"chown -R {USER}: {CACHE} && chmod 711 {CACHE} && "
        f"find {CACHE} -path '*django/__init__.py' | xargs -r sed -i '1i {MARK} = 1'"
    )
    assert done.returncode == 0, done.stderr
    assert forge.told(f"grep -rl {MARK} {CACHE}"), "the cache was not poisoned"
    before = forge.told("readlink -f /opt/sites/forge/current/venv")
    forge.deploy(packages=["sqlparse==0.5.1"])
    assert forge.told("readlink -f /opt/sites/forge/current/venv") != before
    assert forge.told(f"grep -rl {MARK} /opt/sites/forge/virtualenvs {CACHE} || true") == ""
    forge.log("second")
    assert forge.told(f"find {STATE} -user {BUILDER}") == ""
    assert forge.told("grep data-forge /proc/mounts || true") == ""


def test_the_build_account_is_removed_with_its_site_and_a_persons_account_is_kept(forge: Forge) -> None:
    gone = [{**forge.wanted, "state": "absent"}, {**forge.world.team, "state": "absent", "purge": True}]
    forge.world.host.deploy(gone, "deploy.yml")
    assert forge.told("getent group site-team || true") == ""
    assert forge.told("id -un ann") == "ann"
    assert forge.told(f"ls -d {CACHE} || true") == ""
    assert BUILDER not in forge.told("cut -d: -f1 /etc/passwd /etc/group")
    assert USER in forge.told("cut -d: -f1 /etc/passwd")
    assert forge.told(f"ls /etc/sysusers.d | grep {NAME} || true") == ""
