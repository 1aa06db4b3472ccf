"""A build as a whole: its id, its steps, what is left if one fails, and its owner."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tarfile
import threading
import types
from pathlib import Path

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import build as building
from ansible_collections.pyweb.stack.plugins.module_utils.build import context as context_of_builds
from ansible_collections.pyweb.stack.plugins.module_utils.build import seal, source
from ansible_collections.pyweb.stack.plugins.module_utils.build.build import Build
from ansible_collections.pyweb.stack.plugins.module_utils.build.context import Context
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import Shell, StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete, split_secrets
from builds import AS_ROOT, ME, PYTHON, FakeShell, failed, make_context, with_uv

SECRET = "correct-horse-battery"


# --- the id of a build ---


def identify(tmp_path, python="3.12", **keys):
    return Build.identify(make_context(tmp_path, shell=FakeShell("shop", python=python), **keys)).id


# Ids that 0.1 gave to the builds of these sites: other ids would make every host build and release everything again.
IDS = {
    "git": ({"source": {"git": "https://t:x@git.example.com/shop.git", "version": "e" * 40}}, "ed95731e8340"),
    "directory": ({"source": {"directory": "."}}, "0d4a06f4a6b4"),
    "archive": (
        {"source": {"archive": "https://example.com/shop-1.0.tar.gz", "checksum": "sha256:" + "a" * 64}},
        "f58f9038baf5",
    ),
    "archive without a checksum": (
        {"source": {"archive": "https://example.com/shop-1.0.tar.gz"}},
        "9fc02ef3750d",
    ),
    "path": ({"source": {"path": "/tmp/pyweb-unit-code"}, "virtualenv": "none"}, "d0e55ac7536a"),  # noqa: S108 - nothing is written there
    "startproject": ({"source": {"startproject": "mysite"}}, "503716183847"),
    "everything": (
        {
            "source": {"startproject": "mysite"},
            "requirements": ["a.txt"],
            "packages": ["Django>=5.2,<5.3"],
            "wsgi": "a.b:app",
            "settings_module": "a.settings",
            "manage": "x/manage.py",
            "user": "nobody",
            "settings": {"A": 1},
            "database": "postgres://a/b",
            "uwsgi": {
                "install": "tarball",
                "version": "2.0.31",
                "tarball": "/srv/uwsgi.tar.gz",
                "checksum": "sha256:" + "b" * 64,
            },
        },
        # 822f232ddd6b without routing, as 0.1 compiled uWSGI.
        "067e12f1e7f1",
    ),
}


@pytest.mark.parametrize("name", IDS)
def test_ids_are_the_same_as_in_0_1(tmp_path, monkeypatch, name):
    keys, wanted = IDS[name]
    sites, secrets = split_secrets(complete([{**goldens.SHOP, **keys}]))
    site = {**sites[0], "interpreter": PYTHON}
    if name == "directory":
        site["source"]["digest"] = "d" * 64
    if name == "path":
        monkeypatch.setattr(os.path, "isdir", lambda _path: True)
        monkeypatch.setattr(source.tree, "digest", lambda _path: CODE_DIGEST)

    def fetch(_url, path):
        Path(path).write_bytes(b"the archive")

    context = Context.of(site, secrets["shop"], {}, "uv", fetch, str(tmp_path))
    fake = FakeShell("shop")
    build = Build.identify(Context(**{**vars(context), "shell": fake}))
    assert build.id == wanted
    assert fake.calls == []


# The digest of a directory with one file, manage.py, with the text print('manage').
CODE_DIGEST = "d5bf4a55f5d5c6fc9e21998c62d3af3ce062a29a3bfcfe1eebbc18acca5ecaa9"


def test_a_builds_id_does_not_depend_on_the_order_of_keys(tmp_path):
    first = identify(tmp_path, settings={"A": 1, "B": 2}, uwsgi={"version": "2.0.31", "install": "uwsgi"})
    assert first == identify(tmp_path, uwsgi={"install": "uwsgi", "version": "2.0.31"}, settings={"B": 2, "A": 1})
    assert len(first) == 12


@pytest.mark.parametrize(
    "keys",
    [
        {"packages": ["Django>=5"]},
        {"settings": {"A": 1}},
        {"requirements": ["a.txt"]},
        {"extras": ["images"]},
        {"groups": ["prod"]},
        {"install_project": True},
        {"wsgi": "a.wsgi"},
        {"settings_module": "a.b"},
        {"manage": "a/manage.py"},
        {"domains": ["other.example.com"]},
        {"database": "postgres://a/b"},
        {"uwsgi": {"version": "2.0.31"}},
        {"uwsgi": {"install": "uwsgi"}},
        {"source": {"startproject": "other"}},
        {"installer": "pip"},
        {"user": "other"},
        {"python": "3.13"},
        {"files": {"a.py": SECRET}},
        {"writable": ["uploads"]},
        {"seed": {"media": "media"}},
    ],
)
def test_a_builds_id_changes_with_its_inputs(tmp_path, keys):
    assert identify(tmp_path, **keys) != identify(tmp_path)


@pytest.mark.parametrize(
    "keys",
    [
        {"env": {"A": "b"}},
        {"uwsgi": {"processes": 9, "options": {"listen": 64}}},
        {"keep_releases": 9},
        {"health": {"path": "/healthz"}},
        {"nginx": {"read_timeout": 90}},
        {"superuser": {"username": "a", "password": SECRET}},
        {"warm_up": ["/other"]},
    ],
)
def test_a_builds_id_does_not_depend_on_keys_of_a_release(tmp_path, keys):
    assert identify(tmp_path, **keys) == identify(tmp_path)


def test_a_builds_id_changes_with_code_in_place(tmp_path):
    (tmp_path / "code").mkdir()
    keys = {"source": {"path": str(tmp_path / "code")}, "virtualenv": "none"}
    before = identify(tmp_path, **keys)
    (tmp_path / "code/manage.py").write_text("")
    assert identify(tmp_path, **keys) != before


def test_large_code_is_compiled_in_several_processes(tmp_path):
    for number in range(building.PARALLEL_FILES):
        (tmp_path / f"module{number}.py").touch()
    (tmp_path / "page.html").touch()
    assert not building._is_large(str(tmp_path))
    (tmp_path / "package").mkdir()
    (tmp_path / "package/more.py").touch()
    assert building._is_large(str(tmp_path))


def test_an_interpreter_is_asked_for_its_version_once(tmp_path):
    context = make_context(tmp_path)
    asked = []

    def run(step, argv, user):
        asked.append(argv[0])
        return subprocess.CompletedProcess(argv, 0, "3.11\n", "")

    object.__setattr__(context, "shell", types.SimpleNamespace(run=run))
    assert [context.python_version(), context.python_version()] == ["3.11", "3.11"]
    assert asked == ["/usr/bin/python3.12"]


@pytest.mark.parametrize(
    ("virtualenv", "there", "asked"),
    [
        ("", [], "/usr/bin/python3.12"),
        ("none", [], "/usr/bin/python3"),
        ("{tmp}/venv", [], "/usr/bin/python3.12"),
        ("{tmp}/venv", ["venv/bin/python"], "{tmp}/venv/bin/python"),
    ],
)
def test_which_interpreter_is_asked_for_its_version(tmp_path, virtualenv, there, asked):
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("")
    (tmp_path / "code").mkdir()
    keys = {"source": {"path": str(tmp_path / "code")}, "virtualenv": virtualenv.format(tmp=tmp_path)}
    context = make_context(tmp_path, **(keys if virtualenv else {}))
    calls = []

    def run(step, argv, user):
        calls.append((step, argv[0], argv[1], user))
        return subprocess.CompletedProcess(argv, 0, "3.11\n", "")

    context.shell.run = run
    assert context.python_version() == "3.11"
    assert calls == [("python", asked.format(tmp=tmp_path), "-c", "site-shop")]


def test_the_version_of_a_real_python(tmp_path):
    context = make_context(tmp_path, shell=Shell("shop", {}), user=ME)
    context.site["interpreter"] = {**PYTHON, "path": sys.executable}
    assert context.python_version() == f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.parametrize(
    ("keys", "upload", "wanted"),
    [
        ({"source": {"directory": "."}}, "", True),
        ({"source": {"directory": "."}}, "/tmp/packed.tar.gz", False),  # noqa: S108 - nothing is written there
        ({"source": {"archive": "https://example.com/a.zip", "checksum": "sha256:" + "0" * 64}}, "", False),
        ({"source": {"git": "x", "version": "e" * 40}}, "", False),
        ({}, "", False),
    ],
)
def test_which_sources_must_be_fetched(tmp_path, keys, upload, wanted):
    context = make_context(tmp_path, **keys)
    context.site["source"].setdefault("digest", "d" * 64)
    assert Build.identify(context, upload).needs_upload() is wanted


# --- making a build ---

PROJECT = {
    "manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")\n',
    "mysite/wsgi.py": "",
    "mysite/settings.py": "",
    "requirements.txt": "Django\n",
}
PROBED = {"django": "5.2.8", "apps": 6, "check": "no issues", "admin": "/admin/login/", "https_header": []}


def write(root, texts):
    for name, text in texts.items():
        (Path(root) / name).parent.mkdir(parents=True, exist_ok=True)
        (Path(root) / name).write_text(text)


def packed(tmp_path):
    write(tmp_path / "code", PROJECT)
    with tarfile.open(tmp_path / "code.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "code", arcname=".")
    return str(tmp_path / "code.tar.gz")


class Host:
    """A host with fake installations, compilations and probes; `broken` maps a command to its failure."""

    def __init__(self, tmp_path, broken=None, user="nobody", upload=True, builder="", **keys):
        played = {
            "tar --extract": self._unpack,
            "venv --quiet": lambda argv: write(argv[-1], {"bin/python": "", "bin/uwsgi": ""}),
            "pip compile": "django==5.2.8\n",
            "startproject": lambda argv: write(argv[-1], PROJECT),
            "compileall": self._compile,
            "bin/python - ": self._probe,
            "python3 - ": self._probe,
        }
        self.tmp_path = tmp_path
        self.shell = FakeShell("shop", {**played, **(broken or {})})
        keys = keys or {"source": {"directory": str(tmp_path)}}
        self.context = make_context(tmp_path, shell=self.shell, user=user, builder=builder, **keys)
        if self.context.site["source"]["kind"] == "directory":
            self.context.site["source"]["digest"] = "d" * 64
        with_uv(self.context)
        self.build = Build.identify(self.context, packed(tmp_path) if upload else "")
        self.root = Path(self.build.root)
        self.owners = {}

    def _unpack(self, argv):
        shutil.unpack_archive(self.shell.calls[-1].stdin.name, argv[-1], "gztar")

    def _compile(self, argv):
        self.owners["compile"] = [os.stat(path).st_uid for path in argv[-2:]]
        write(argv[-2], {"__pycache__/x.pyc": ""})

    def _probe(self, _argv):
        self.owners["static"] = os.stat(self.root / "static").st_uid
        write(self.root / "static", {"app.css": ""})
        return "something that the project prints\n" + json.dumps(PROBED) + "\n"


@AS_ROOT
def test_steps_and_files_of_a_build(tmp_path):
    host = Host(tmp_path)
    manifest = host.build.make()
    home = str(tmp_path / "sites/shop/virtualenvs") + "/" + os.path.basename(manifest["home"])
    assert manifest == {
        "id": host.build.id,
        "path": str(host.root),
        "src": f"{host.root}/src",
        "chdir": ".",
        "settings_module": "mysite.settings",
        "wsgi": "mysite.wsgi:application",
        "home": home,
        "python": "3.12",
        "uwsgi": f"{home}/bin/uwsgi",
        "install": "pyuwsgi",
        "overlay": True,
        "source": {"kind": "directory", "digest": "d" * 64},
        "subject": "",
        "configuration": "",
        "hints": [],
        "written": [],
        **PROBED,
    }
    text = (host.root / "build.json").read_text()
    assert json.loads(text) == manifest == host.build.present()
    assert text == json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    assert sorted(os.listdir(host.root)) == ["build.json", "checked.txt", "overlay", "src", "static", "venv"]
    assert sorted(os.listdir(host.root / "overlay")) == [
        "pyweb_environment.py",
        "pyweb_errors.py",
        "pyweb_settings.py",
        "pyweb_wsgi.py",
    ]
    prepared = "import pyweb_environment\n\nfrom mysite.settings import *\n"
    assert prepared in (host.root / "overlay/pyweb_settings.py").read_text()
    assert "PROJECT = 'mysite.settings'\n" in (host.root / "overlay/pyweb_environment.py").read_text()
    assert "from mysite.wsgi import application as application" in (host.root / "overlay/pyweb_wsgi.py").read_text()


@AS_ROOT
def test_the_projects_own_code_runs_as_the_sites_user(tmp_path):
    host = Host(tmp_path, env={"TOKEN": SECRET}, source={"startproject": "mysite"})
    host.build.make()
    assert {call.user for call in host.shell.calls} == {"nobody"}
    compile_, probe = host.shell.calls[-2:]
    python = os.path.realpath(host.root / "venv") + "/bin/python"
    assert compile_.argv == [
        *(python, "-I", "-S", "-m", "compileall", "-q", "-j", "1", f"{host.root}/src", f"{host.root}/overlay"),
    ]
    assert compile_.environment == {"PYTHONDONTWRITEBYTECODE": ""}
    assert probe.argv == [python, "-", "pyweb_wsgi", "pyweb_settings", "collect"]
    assert probe.cwd == f"{host.root}/src/."
    assert probe.environment == {
        "TOKEN": SECRET,
        "DJANGO_SETTINGS_MODULE": "pyweb_settings",
        "PYTHONPATH": f"{host.root}/overlay",
        "HOME": str(tmp_path / "state/shop"),
    }
    assert "def main(wsgi_module" in probe.stdin
    assert host.owners == {"compile": [65534, 65534], "static": 65534}


@AS_ROOT
def test_another_account_builds_in_a_directory_of_root_and_has_no_processes_when_it_is_sealed(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(building.data_view, "_mount", lambda _context: [("/view", "/var")])
    monkeypatch.setattr(
        context_of_builds, "builder", types.SimpleNamespace(end_processes=lambda _l: done.append("end"))
    )
    monkeypatch.setattr(building.seal, "seal", lambda _root, group: done.append(f"seal for {group}"))
    monkeypatch.setattr(building.seal, "seal_tree", lambda *_words: done.append("seal the virtualenv"))
    monkeypatch.setattr(Layout, "builder", "daemon")
    host = Host(tmp_path, builder="daemon", env={"TOKEN": SECRET}, source={"startproject": "mysite"})
    modes = []

    def probe(_argv):
        about = os.stat(host.root)
        modes.append((about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)))
        return json.dumps(PROBED)

    host.shell.answers["bin/python - "] = probe
    host.build.make()
    group = pwd.getpwnam("nobody").pw_gid
    assert modes == [(0, group, 0o750)]
    assert done == ["end", "end", "seal the virtualenv", "end", f"seal for {group}"]
    probed = host.shell.calls[-1]
    assert {call.user for call in host.shell.calls} == {"daemon"}
    assert (probed.cwd, probed.environment["TOKEN"]) == (f"{host.root}/src/.", SECRET)
    # The project's code sees the data through the view; installers do not need it.
    assert probed.sandbox["BindPaths"] == ["/view:/var"]
    assert not any("/var" in path for path in probed.sandbox["ReadWritePaths"])
    assert not any("BindPaths" in call.sandbox for call in host.shell.calls[:-1])


@AS_ROOT
def test_a_fresh_project_is_made_with_the_virtualenvs_django(tmp_path):
    host = Host(tmp_path, source={"startproject": "mysite"}, upload=False)
    manifest = host.build.make()
    [call] = [call for call in host.shell.calls if call.step == "startproject"]
    assert call.argv == [
        *(f"{manifest['home']}/bin/python", "-m", "django", "startproject", "mysite", f"{host.root}/src"),
    ]
    assert manifest["source"] == {"kind": "startproject", "startproject": "mysite"}
    steps = [call.step for call in host.shell.calls]
    assert steps == [
        *("requirements", "virtualenv", "requirements", "requirements", "startproject", "compile", "project"),
    ]


@AS_ROOT
def test_code_in_place_is_neither_moved_nor_changed(tmp_path):
    write(tmp_path / "own", PROJECT)
    os.chmod(tmp_path / "own/manage.py", 0o640)
    os.chown(tmp_path / "own/manage.py", 65534, 65534)
    host = Host(tmp_path, source={"path": str(tmp_path / "own")}, virtualenv="none", upload=False)
    manifest = host.build.make()
    assert (manifest["src"], manifest["home"]) == (str(tmp_path / "own"), "")
    assert manifest["uwsgi"] in ("/usr/bin/uwsgi", "/usr/sbin/uwsgi")
    assert os.readlink(host.root / "src") == str(tmp_path / "own")
    about = os.stat(tmp_path / "own/manage.py")
    assert (about.st_uid, stat.S_IMODE(about.st_mode)) == (65534, 0o640)
    assert [call.step for call in host.shell.calls] == ["project"]  # Nothing is compiled in a directory of the user.
    assert host.shell.calls[0].argv[0] == "/usr/bin/python3"


@AS_ROOT
def test_code_that_does_not_compile_is_accepted(tmp_path):
    Host(tmp_path, broken={"compileall": failed("compile")}).build.make()


FAILURES = {
    "unpacking": ("tar --extract", failed("source", "no archive"), "source failed: no archive"),
    "resolving": ("pip compile", failed("requirements", "no version"), "requirements failed: no version"),
    "a virtualenv": ("venv --quiet", failed("virtualenv", "no room"), "virtualenv failed: no room"),
    "probing": (
        "bin/python - ",
        subprocess.CompletedProcess(
            [], 1, "", "step: settings\nstep: wsgi\nTraceback\nImportError: no\nstep back is no step\n"
        ),
        "wsgi failed: ImportError: no",
    ),
    "a probe that does not begin": (
        "bin/python - ",
        subprocess.CompletedProcess([], 1, "", "error: cannot start\n"),
        "project failed: cannot start",
    ),
}


@AS_ROOT
@pytest.mark.parametrize("name", FAILURES)
def test_a_failing_step_removes_the_unfinished_build(tmp_path, name):
    command, failure, words = FAILURES[name]
    host = Host(tmp_path, broken={command: failure})
    other = Path(host.context.layout.build("other"))
    write(other, {"build.json": "{}"})
    with pytest.raises(StepError) as caught:
        host.build.make()
    assert str(caught.value).startswith(f"site 'shop': {words}")
    assert not host.root.exists()
    assert os.listdir(other.parent) == ["other"]
    assert host.build.present() == {}


@AS_ROOT
def test_a_failing_step_removes_the_virtualenv_that_the_build_made_in_place(tmp_path):
    """The next build would install nothing into it, even if the missing package has been added to the requirements."""
    command, failure, words = FAILURES["probing"]
    write(tmp_path / "own", PROJECT)
    keys = {"source": {"path": str(tmp_path / "own")}, "virtualenv": str(tmp_path / "own/venv")}
    host = Host(tmp_path, broken={command: failure}, upload=False, **keys)
    with pytest.raises(StepError, match=words):
        host.build.make()
    assert not (tmp_path / "own/venv").exists()
    del host.shell.answers[command]
    host.shell.answers["own/venv/bin/python - "] = host._probe
    host.build.make()
    assert (tmp_path / "own/venv/bin/python").exists()


@AS_ROOT
def test_a_failing_probe_shows_the_projects_output(tmp_path):
    command, failure, _words = FAILURES["probing"]
    with pytest.raises(StepError) as caught:
        Host(tmp_path, broken={command: failure}).build.make()
    shown = str(caught.value).splitlines()
    assert shown[1:] == ["  Traceback", "  ImportError: no", "  step back is no step"]


@AS_ROOT
def test_a_build_that_cannot_be_sealed_is_removed(tmp_path, monkeypatch):
    host = Host(tmp_path)

    def refuse(_build, _group):
        raise KeyboardInterrupt

    monkeypatch.setattr(seal, "seal", refuse)
    with pytest.raises(KeyboardInterrupt):
        host.build.make()
    assert not host.root.exists()


@AS_ROOT
@pytest.mark.parametrize("part", ["src", "static", "venv"])
def test_a_damaged_build_is_replaced_by_a_new_one(tmp_path, part):
    """It may be live, so its remaining files stay until the other build has replaced it."""
    host = Host(tmp_path)
    manifest = host.build.make()
    home = Path(manifest["home"])
    home.mkdir(parents=True, exist_ok=True)
    assert Build.identify(host.context, packed(tmp_path)).present() == manifest
    shutil.rmtree(home if part == "venv" else host.root / part)
    another = Build.identify(host.context, packed(tmp_path))
    assert (another.id != host.build.id, another.present()) == (True, {})
    host.root = Path(another.root)
    made = another.make()
    Path(made["home"]).mkdir(parents=True, exist_ok=True)
    assert (tmp_path / host.build.root / "build.json").exists()
    # The next run finds it, even after the first one was pruned.
    found = Build.identify(host.context, packed(tmp_path))
    assert (found.id, found.present()) == (another.id, made)
    shutil.rmtree(host.build.root)
    assert Build.identify(host.context, packed(tmp_path)).id == another.id


@AS_ROOT
@pytest.mark.parametrize("left", [{}, {"build.json": '{"id": '}], ids=["no manifest", "half a manifest"])
def test_a_build_left_by_a_killed_run_is_made_again(tmp_path, left):
    host = Host(tmp_path)
    write(host.root, {"src/half": "", "venv/half": "", **left})
    assert host.build.present() == {}
    manifest = host.build.make()
    assert not (host.root / "src/half").exists()
    assert host.build.present() == manifest


@AS_ROOT
def test_a_missing_project_says_what_to_set(tmp_path):
    host = Host(tmp_path, manage="none/manage.py", source={"startproject": "mysite"}, upload=False)
    with pytest.raises(StepError, match=r"discovery failed: the source has no none/manage\.py"):
        host.build.make()
    assert not host.root.exists()


# --- owners and modes ---


def modes(root):
    """Return a mapping of relative path to (owner, group, mode) for all files of a build."""
    found = {}
    for folder, folders, names in os.walk(root):
        for path in (os.path.join(folder, name) for name in [*folders, *names]):
            about = os.lstat(path)
            found[os.path.relpath(path, root)] = (about.st_uid, about.st_gid, oct(stat.S_IMODE(about.st_mode)))
    return found


@AS_ROOT
def test_a_build_belongs_to_root_and_the_sites_group_reads_its_code(tmp_path):
    host = Host(tmp_path)
    host.build.make()
    group, found = 65534, modes(host.root)
    assert os.stat(host.root).st_uid == os.stat(host.root).st_gid == 0
    assert {name: found[name] for name in ("src", "src/manage.py", "src/mysite", "overlay", "static")} == {
        "src": (0, group, "0o750"),
        "src/manage.py": (0, group, "0o640"),
        "src/mysite": (0, group, "0o750"),
        "overlay": (0, group, "0o750"),
        "static": (0, 0, "0o755"),
    }
    assert found["overlay/pyweb_settings.py"] == (0, group, "0o640")
    assert found["src/__pycache__/x.pyc"] == (0, group, "0o640")
    assert found["static/app.css"] == (0, 0, "0o644")
    assert found["build.json"] == (0, 0, "0o644")


@AS_ROOT
def test_sealing_keeps_executable_files_and_removes_rights_of_others(tmp_path):
    write(tmp_path / "src", {"run": "", "shared": "", "in/deep": "", "group-only": ""})
    for name, mode in {"run": 0o700, "shared": 0o666, "in": 0o777, "in/deep": 0o4755, "group-only": 0o070}.items():
        os.chmod(tmp_path / "src" / name, mode)
    (tmp_path / "outside").write_text("")
    os.chmod(tmp_path / "outside", 0o640)
    os.chown(tmp_path / "outside", 65534, 65534)
    os.symlink(tmp_path / "outside", tmp_path / "src/link")
    os.symlink(tmp_path, tmp_path / "src/folder")
    seal.seal_tree(str(tmp_path / "src"), 65534, seal.PRIVATE)
    found = modes(tmp_path / "src")
    assert found.pop("link")[:2] == found.pop("folder")[:2] == (0, 65534)
    assert found == {
        "run": (0, 65534, "0o750"),
        "shared": (0, 65534, "0o640"),
        "in": (0, 65534, "0o750"),
        "in/deep": (0, 65534, "0o750"),
        "group-only": (0, 65534, "0o640"),
    }
    outside = os.stat(tmp_path / "outside")
    assert (outside.st_uid, stat.S_IMODE(outside.st_mode)) == (65534, 0o640)


@AS_ROOT
def test_a_static_link_out_of_the_site_is_not_owned_by_root(tmp_path):
    """nginx only follows a link to a file with the same owner, and root owns many files that only nginx may read."""
    build = tmp_path / "shop/builds/1"
    write(tmp_path / "shop/virtualenvs/1", {"admin.css": ""})
    write(build / "static", {"own.css": "", "in/deep.css": ""})
    (tmp_path / "htpasswd").write_text("")
    links = {
        "out": tmp_path / "htpasswd",
        "in/out": "../../../../../htpasswd",
        "folder": tmp_path,
        "broken": "/no/such/file",
        "by-link": "out",
        "admin": tmp_path / "shop/virtualenvs/1",
        "in/up": "../own.css",
    }
    for name, target in links.items():
        os.symlink(target, build / "static" / name)
        os.chown(build / "static" / name, 65534, 65534, follow_symlinks=False)
    seal.seal(str(build), 65534)
    roots = [name for name in links if os.lstat(build / "static" / name).st_uid == 0]
    assert roots == ["admin", "in/up"]


@AS_ROOT
def test_sealing_does_not_follow_links_at_the_top(tmp_path):
    """A virtualenv or code in place is linked to, and does not belong to the build."""
    write(tmp_path / "own", {"code": ""})
    os.chown(tmp_path / "own/code", 65534, 65534)
    (tmp_path / "build").mkdir()
    os.symlink(tmp_path / "own", tmp_path / "build/src")
    os.chown(tmp_path / "build/src", 65534, 65534, follow_symlinks=False)
    os.chown(tmp_path / "build", 65534, 65534)
    seal.seal(str(tmp_path / "build"), 65534)  # overlay, venv and static are missing, which is no fault
    assert os.stat(tmp_path / "own/code").st_uid == 65534
    assert os.lstat(tmp_path / "build/src").st_uid == 0
    assert os.stat(tmp_path / "build").st_uid == 0


@AS_ROOT
def test_replacing_the_code_by_a_link_during_sealing_gives_no_rights(tmp_path):
    """A process that the project left running could do this: the build belongs to its user until it is sealed."""
    foreign = tmp_path / "foreign"
    foreign.mkdir(mode=0o700)
    (foreign / "env").write_text("")
    os.chmod(foreign / "env", 0o600)
    build, done = tmp_path / "build", threading.Event()

    def exchange():
        while not done.is_set():
            with contextlib.suppress(OSError):
                os.rename(build / "src", build / "aside")
                os.symlink(foreign, build / "src")
            with contextlib.suppress(OSError):
                os.unlink(build / "src")
                os.rename(build / "aside", build / "src")

    attacker = threading.Thread(target=exchange)
    attacker.start()
    try:
        for _try in range(100):
            shutil.rmtree(build, ignore_errors=True)
            with contextlib.suppress(OSError):
                write(build / "src", {"a/b": "", "c": ""})
                seal.seal(str(build), 65534)
            assert (os.stat(foreign).st_gid, stat.S_IMODE(os.stat(foreign / "env").st_mode)) == (0, 0o600)
    finally:
        done.set()
        attacker.join(30)


def test_the_format_is_part_of_the_id(tmp_path, monkeypatch):
    before = identify(tmp_path)
    monkeypatch.setattr(building, "FORMAT", 2)
    assert identify(tmp_path) != before
