"""The virtualenv of a build: what is installed by what, and when an earlier one is used. Nothing is downloaded."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pwd
import shutil
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import installer as installing
from ansible_collections.pyweb.stack.plugins.module_utils.build import virtualenv
from ansible_collections.pyweb.stack.plugins.module_utils.build.installer import Installer
from ansible_collections.pyweb.stack.plugins.module_utils.host import files
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from builds import AS_ROOT, ME, FakeShell, failed, make_context

RESOLVED = "django==5.2.8\npyuwsgi==2.0.30\nasgiref==3.8 ; python_version >= '3'\n"


def write(root, texts):
    root.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return str(root)


# --- requirements ---


@pytest.mark.parametrize(
    ("texts", "keys", "names", "chosen"),
    [
        ({}, {}, ["pyuwsgi", "Django"], []),
        ({}, {"packages": ["Django>=5.2,<5.3"]}, ["Django>=5.2,<5.3", "pyuwsgi"], []),
        ({}, {"packages": ["django[argon2]"]}, ["django[argon2]", "pyuwsgi"], []),
        ({}, {"packages": ["django-environ"]}, ["django-environ", "pyuwsgi", "Django"], []),
        ({"requirements.txt": ""}, {}, ["pyuwsgi"], ["requirements.txt"]),
        ({"requirements.txt": "", "pyproject.toml": "[project]\n"}, {}, ["pyuwsgi"], ["requirements.txt"]),
        ({"requirements.txt": "", "uv.lock": "", "pyproject.toml": "[project]\n"}, {}, ["pyuwsgi"], ["uv.lock"]),
        ({"pyproject.toml": "[tool.x]\n\n[project]\n"}, {}, ["pyuwsgi"], ["pyproject.toml"]),
        ({"pyproject.toml": "[tool.ruff]\n"}, {}, ["pyuwsgi", "Django"], []),
        ({"requirements.txt": ""}, {"requirements": []}, ["pyuwsgi", "Django"], []),
        ({"r/a.txt": "", "r/b.txt": ""}, {"requirements": ["r/a.txt", "r/b.txt"]}, ["pyuwsgi"], ["r/a.txt", "r/b.txt"]),
        ({}, {"uwsgi": {"version": "2.0.31", "install": "uwsgi"}}, ["uwsgi==2.0.31", "Django"], []),
        ({}, {"uwsgi": {"install": "tarball"}}, ["Django"], []),
        ({}, {"uwsgi": {"install": "distribution"}}, ["Django"], []),
        ({}, {"database": "postgres://a/b"}, ["pyuwsgi", "dj-database-url", "Django"], []),
    ],
)
def test_requirements(tmp_path, texts, keys, names, chosen):
    code = write(tmp_path / "code", texts)
    context = make_context(tmp_path, **keys)
    assert virtualenv.requirements(context, code) == (names, [f"{code}/{name}" for name in chosen])
    assert context.site["packages"] == keys.get("packages", [])


def test_a_requirement_file_that_is_missing(tmp_path):
    context = make_context(tmp_path, requirements=["missing.txt"])
    with pytest.raises(StepError, match=r"requirements names 'missing\.txt'; the source has no such file"):
        virtualenv.requirements(context, str(tmp_path))


# --- the installer ---


def with_uv(context):
    """uv is there already, so it is not installed."""
    path = Path(context.layout.tools) / "bin/uv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return str(path)


def test_pips_settings_are_told_to_uv(tmp_path):
    names = {
        "PIP_INDEX_URL": "https://index/simple",
        "PIP_EXTRA_INDEX_URL": "https://more/simple",
        "PIP_FIND_LINKS": "/wheels",
        "PIP_TRUSTED_HOST": "index",
        "PIP_CERT": "/ca.pem",
        "OTHER": "x",
    }
    context = make_context(tmp_path, environment=names)
    with_uv(context)
    cache = str(tmp_path / "cache/shop")
    assert Installer(context, context.user, "/build").environment == {
        "HOME": cache,
        "XDG_CACHE_HOME": cache,
        "PYTHONDONTWRITEBYTECODE": "",
        "UV_DEFAULT_INDEX": "https://index/simple",
        "UV_INDEX": "https://more/simple",
        "UV_FIND_LINKS": "/wheels",
        "UV_INSECURE_HOST": "index",
        "SSL_CERT_FILE": "/ca.pem",
        "UV_LINK_MODE": "copy",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_CONFIG": "1",
    }
    assert installing.uv_environment({"REQUESTS_CA_BUNDLE": "/b.pem"})["SSL_CERT_FILE"] == "/b.pem"


def test_pip_gets_no_settings_of_uv(tmp_path):
    context = make_context(tmp_path, "pip", {"PIP_INDEX_URL": "https://index/simple"})
    tool = Installer(context, "huatai", "/build")
    cache = f"{tempfile.gettempdir()}/pyweb-huatai"  # the site's own cache is not his
    assert tool.environment == {"HOME": cache, "XDG_CACHE_HOME": cache, "PYTHONDONTWRITEBYTECODE": ""}
    assert not (tmp_path / "sites/.tools").exists()


@AS_ROOT
@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("uv", "{uv} venv --quiet --allow-existing --python /usr/bin/python3.12 {home}"),
        ("pip", "/usr/bin/python3.12 -m venv {home}"),
    ],
)
def test_a_virtualenv_belongs_to_its_owner(tmp_path, kind, wanted):
    context = make_context(tmp_path, kind)
    uv, home = with_uv(context), str(tmp_path / "a/venv")
    Installer(context, "nobody", "/build").virtualenv(home, "/usr/bin/python3.12")
    assert os.stat(home).st_uid == 65534
    [call] = context.shell.calls
    assert (call.step, call.user, " ".join(call.argv)) == ("virtualenv", "nobody", wanted.format(uv=uv, home=home))


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        (RESOLVED, True),
        ("psycopg[binary,pool]==3.2\n", True),
        ("", True),
        ("django==5.2.8\nmine @ file:///code\n", False),
        ("-e git+https://git/x\n", False),
        ("django>=5\n", False),
        ("django==5.2 --hash=sha256:00\n", False),
    ],
)
def test_requirements_that_do_not_say_all_are_not_resolved(tmp_path, text, complete):
    context = make_context(tmp_path, shell=FakeShell("shop", {"pip compile": text}))
    uv = with_uv(context)
    found = Installer(context, context.user, "/build").resolve(["Django", "pyuwsgi"], ["/code/requirements.txt"])
    assert found == (text if complete else "")
    [call] = context.shell.calls
    assert call.argv == [
        *(uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", "/usr/bin/python3.12"),
        *("/code/requirements.txt", "-"),
    ]
    assert (call.stdin, call.cwd, call.step) == ("Django\npyuwsgi\n", "/code", "requirements")


def test_pip_resolves_while_it_installs(tmp_path):
    context = make_context(tmp_path, "pip")
    assert Installer(context, context.user, "/build").resolve(["Django"], []) == ""
    assert context.shell.calls == []


@pytest.mark.parametrize(("resolved", "more"), [("", []), (RESOLVED, ["--constraint", "-"])])
@pytest.mark.parametrize("kind", ["uv", "pip"])
def test_all_requirements_are_installed_with_one_resolution(tmp_path, kind, resolved, more):
    context = make_context(tmp_path, kind)
    words = {
        "uv": [with_uv(context), "pip", "install", "--quiet", "--compile-bytecode", "--python", "/venv/bin/python"],
        "pip": ["/venv/bin/python", "-m", "pip", "install", "--quiet", "--no-input"],
    }
    tool = Installer(context, "huatai", "/build")
    tool.install("requirements", "/venv", ["Django"], ["/code/a.txt", "/code/b.txt"], resolved)
    [call] = context.shell.calls
    assert call.argv == [*words[kind], *more, "Django", "-r", "/code/a.txt", "-r", "/code/b.txt"]
    assert (call.stdin, call.cwd, call.user) == (resolved, "/code", "huatai")
    assert call.environment == tool.environment


def test_names_alone_are_installed_from_the_root(tmp_path):
    context = make_context(tmp_path, "pip")
    Installer(context, context.user, "/build").install("uwsgi", "/venv", ["pyuwsgi"], [])
    assert (context.shell.calls[0].cwd, context.shell.calls[0].step) == ("/", "uwsgi")


@AS_ROOT
def test_a_lock_file_is_exported_for_the_installation(tmp_path):
    context = make_context(tmp_path, shell=FakeShell("shop", {"export": "django==5.2.8 --hash=sha256:00\n"}))
    uv = with_uv(context)
    tool = Installer(context, context.user, str(tmp_path))
    tool.install("requirements", "/venv", ["pyuwsgi"], ["/code/uv.lock"])
    exported = f"{tmp_path}/uv-requirements.txt"
    assert context.shell.commands() == [
        f"{uv} export --frozen --quiet --no-dev --no-emit-project --project /code",
        f"{uv} pip install --quiet --compile-bytecode --python /venv/bin/python pyuwsgi -r {exported}",
    ]
    assert Path(exported).read_text() == "django==5.2.8 --hash=sha256:00\n"


@pytest.mark.parametrize("name", ["uv.lock", "pyproject.toml"])
def test_what_pip_cannot_read_is_refused(tmp_path, name):
    context = make_context(tmp_path, "pip")
    with pytest.raises(StepError) as caught:
        Installer(context, context.user, "/build").install("requirements", "/venv", [], [f"/code/{name}"])
    assert str(caught.value) == (
        f"site 'shop': requirements failed: {name} needs uv; set django_installer: uv, or name a requirements.txt in "
        "requirements"
    )
    assert context.shell.calls == []


def test_uv_reads_a_project_file_itself(tmp_path):
    context = make_context(tmp_path)
    with_uv(context)
    Installer(context, context.user, "/build").install("requirements", "/venv", [], ["/code/pyproject.toml"])
    assert context.shell.calls[0].argv[-2:] == ["-r", "/code/pyproject.toml"]


# --- uv itself ---


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """Two wheels of pip, as a distribution has them."""
    for name in ("pip-9.0-py3-none-any.whl", "pip-23.0-py3-none-any.whl", "pip-24.0-py3-none-any.whl"):
        with zipfile.ZipFile(tmp_path / name, "w") as wheel:
            wheel.writestr("pip/__init__.py", name)
    monkeypatch.setattr(installing, "PIP_WHEELS", (str(tmp_path / "none-*.whl"), str(tmp_path / "pip-2*.whl")))


@pytest.fixture
def locks(tmp_path, monkeypatch):
    """The locks that were taken."""
    taken = []

    @contextlib.contextmanager
    def locked(name, timeout=0):
        taken.append(name)
        yield

    monkeypatch.setattr(files, "locked", locked)
    return taken


def make_tools(argv):
    os.makedirs(f"{argv[-1]}/lib/python3.12/site-packages")
    os.makedirs(f"{argv[-1]}/bin")


def test_uv_is_installed_once_for_all_sites(tmp_path, wheels, locks):
    tools = str(tmp_path / "sites/.tools")
    shell = FakeShell("shop", {"-m venv": make_tools, "pip install": lambda _argv: Path(f"{tools}/bin/uv").touch()})
    context = make_context(tmp_path, shell=shell)
    os.makedirs(f"{tools}/left-by-a-killed-run")
    assert Installer(context, context.user, "/build").uv == f"{tools}/bin/uv"
    assert shell.commands("installer") == [
        f"/usr/bin/python3 -m venv --without-pip {tools}",
        f"{tools}/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --no-cache-dir uv",
    ]
    assert {call.user for call in shell.calls} == {"root"}
    assert Path(f"{tools}/lib/python3.12/site-packages/pip/__init__.py").read_text() == "pip-24.0-py3-none-any.whl"
    assert not os.path.exists(f"{tools}/left-by-a-killed-run")
    assert locks == [".tools"]
    Installer(context, context.user, "/build")
    assert len(shell.calls) == 2


def test_uv_that_another_run_installed_meanwhile_is_taken(tmp_path, monkeypatch):
    context = make_context(tmp_path)

    @contextlib.contextmanager
    def locked(_name):
        with_uv(context)
        yield

    monkeypatch.setattr(files, "locked", locked)
    Installer(context, context.user, "/build")
    assert context.shell.calls == []


def test_half_of_uv_is_removed(tmp_path, wheels, locks):
    shell = FakeShell("shop", {"-m venv": make_tools, "pip install": failed("installer", "no index")})
    with pytest.raises(StepError, match="no index"):
        Installer(make_context(tmp_path, shell=shell), "root", "/build")
    assert not (tmp_path / "sites/.tools").exists()


def test_a_python_without_pip(tmp_path, locks, monkeypatch):
    monkeypatch.setattr(installing, "PIP_WHEELS", (str(tmp_path / "none-*.whl"),))
    shell = FakeShell("shop", {"-m venv": make_tools})
    with pytest.raises(StepError, match="the system's Python has no ensurepip; install its venv package"):
        Installer(make_context(tmp_path, shell=shell), "root", "/build")


# --- a build's own virtualenv ---


class Host:
    """A site whose build directory is there, and a shell that makes virtualenvs as uv does."""

    def __init__(self, tmp_path, installer="uv", python="3.12", answers=None, texts=None, **keys):
        made = {"venv --quiet": self._make, "-m venv": self._make, "pip compile": RESOLVED}
        self.shell = FakeShell("shop", {**made, **(answers or {})}, python)
        self.context = make_context(tmp_path, installer, shell=self.shell, user=ME, **keys)
        with_uv(self.context)
        self.root = self.context.layout.build("x")
        shutil.rmtree(self.root, ignore_errors=True)
        write(Path(self.root) / "src", texts or {})

    def _make(self, argv):
        write(Path(argv[-1]), {"bin/python": "", "lib/module.py": ""})
        os.chmod(f"{argv[-1]}/bin/python", 0o700)

    def provide(self):
        return virtualenv.provide(self.context, self.root)


@AS_ROOT
def test_the_same_requirements_give_the_same_virtualenv(tmp_path):
    first = Host(tmp_path)
    home = first.provide()
    assert os.path.dirname(home) == str(tmp_path / "sites/shop/virtualenvs")
    assert Path(home, "requirements.txt").read_text() == RESOLVED
    assert os.path.realpath(f"{first.root}/venv") == home
    assert not os.path.isabs(os.readlink(f"{first.root}/venv"))
    assert [call.step for call in first.shell.calls] == ["requirements", "virtualenv", "requirements", "requirements"]
    second = Host(tmp_path, texts={"other": "code"})
    assert second.provide() == home
    assert len(second.shell.calls) == 1  # resolved, and nothing else
    assert os.path.realpath(f"{second.root}/venv") == home


@AS_ROOT
def test_the_name_of_a_virtualenv(tmp_path):
    """It stays what 0.1 made of the same requirements, or every host would install everything again."""
    host = Host(tmp_path, uwsgi={"install": "uwsgi", "version": "2.0.31"})
    inputs = [1, "3.12", ME, RESOLVED, "uwsgi", "2.0.31", "", ""]
    assert os.path.basename(host.provide()) == hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:12]


@AS_ROOT
@pytest.mark.parametrize(
    "change",
    [
        {"python": "3.13"},
        {"uwsgi": {"version": "2.0.30"}},
        {"uwsgi": {"install": "uwsgi"}},
        {"answers": {"pip compile": "django==5.2.9\n"}},
    ],
)
def test_other_requirements_give_another_virtualenv(tmp_path, change):
    home = Host(tmp_path).provide()
    changed = Host(tmp_path, **change)
    assert changed.provide() != home
    assert os.path.exists(home)


@AS_ROOT
def test_a_virtualenv_is_handed_to_root(tmp_path):
    host = Host(tmp_path)
    host.context.site["user"] = "nobody"
    home = host.provide()
    paths = [home, *(os.path.join(folder, name) for folder, _folders, names in os.walk(home) for name in names)]
    assert {(os.stat(path).st_uid, os.stat(path).st_gid) for path in paths} == {(0, 0)}
    assert stat.S_IMODE(os.stat(f"{home}/bin/python").st_mode) == 0o755
    assert stat.S_IMODE(os.stat(f"{home}/lib/module.py").st_mode) == 0o644


@AS_ROOT
@pytest.mark.parametrize("left", [{}, {"requirements.txt": "django==1.0\n"}])
def test_what_a_killed_run_left_is_made_anew(tmp_path, left):
    home = Path(Host(tmp_path).provide())
    (home / "requirements.txt").unlink()
    write(home, {"half": "", **left})
    host = Host(tmp_path)
    assert host.provide() == str(home)
    assert "virtualenv" in [call.step for call in host.shell.calls]
    assert not (home / "half").exists()
    assert (home / "requirements.txt").read_text() == RESOLVED


@AS_ROOT
def test_a_virtualenv_that_fails_is_removed(tmp_path):
    host = Host(tmp_path, answers={"pip install": failed("requirements", "no such version")})
    with pytest.raises(StepError, match="no such version"):
        host.provide()
    assert os.listdir(tmp_path / "sites/shop/virtualenvs") == []
    assert not os.path.lexists(f"{host.root}/venv")


@AS_ROOT
@pytest.mark.parametrize("kind", ["uv", "pip"])
def test_requirements_that_may_change_have_a_virtualenv_in_the_build(tmp_path, kind):
    host = Host(tmp_path, kind, texts={"requirements.txt": "./mine\n"})
    host.shell.answers["pip compile"] = "mine @ file:///code\n"
    assert host.provide() == f"{host.root}/venv"
    assert os.path.isdir(f"{host.root}/venv/bin")
    assert not os.path.islink(f"{host.root}/venv")
    assert os.listdir(tmp_path / "sites/shop/virtualenvs") == []
    install = host.shell.calls[-2]
    assert (install.stdin, install.argv[-2:]) == ("", ["-r", f"{host.root}/src/requirements.txt"])


@AS_ROOT
@pytest.mark.parametrize(
    ("texts", "brought"),
    [({}, "packages"), ({"requirements.txt": ""}, "requirements.txt"), ({"uv.lock": ""}, "uv.lock")],
)
def test_a_virtualenv_without_django_is_refused(tmp_path, texts, brought):
    host = Host(tmp_path, answers={"import django": failed("requirements")}, texts=texts)
    with pytest.raises(StepError) as caught:
        host.provide()
    assert f"site 'shop': requirements failed: {brought} brought no Django into " in str(caught.value)
    assert str(caught.value).endswith("; add it to packages, for instance 'Django>=5.2,<5.3'")
    probe = host.shell.calls[-1]
    assert probe.argv[0].startswith(str(tmp_path / "sites/shop/virtualenvs"))
    assert probe.argv[0].endswith("/bin/python")


def test_the_systems_python_gets_nothing(tmp_path):
    (tmp_path / "code").mkdir()
    context = make_context(tmp_path, source={"path": str(tmp_path / "code")}, virtualenv="none")
    assert virtualenv.provide(context, "/no/such/build") == ""
    assert context.shell.calls == []


# --- a virtualenv that the site names ---


def named(tmp_path, there, **keys):
    """A site with code in place and a virtualenv; `there` says which of python and uwsgi it has already."""
    write(tmp_path / "code", {"manage.py": ""})
    host = Host(tmp_path, source={"path": str(tmp_path / "code")}, virtualenv=str(tmp_path / "venv"), **keys)
    write(tmp_path / "venv", {f"bin/{name}": "" for name in there})
    return host


@AS_ROOT
def test_a_named_virtualenv_that_is_missing_is_made_for_the_owner_of_the_code(tmp_path):
    host = named(tmp_path, [])
    os.chown(tmp_path / "code", 65534, 65534)
    assert host.provide() == str(tmp_path / "venv")
    assert [(call.step, call.user) for call in host.shell.calls] == [
        ("virtualenv", "nobody"),
        ("requirements", "nobody"),
        ("requirements", ME),
    ]
    assert host.shell.calls[1].argv[-2:] == ["pyuwsgi", "Django"]
    assert os.stat(tmp_path / "venv").st_uid == 65534
    assert not os.path.lexists(f"{host.root}/venv")


@AS_ROOT
@pytest.mark.parametrize(
    ("there", "keys", "installed"),
    [
        (["python", "uwsgi"], {}, None),
        (["python"], {}, ["pyuwsgi"]),
        (["python", "uwsgi"], {"uwsgi": {"version": "2.0.30"}}, ["pyuwsgi==2.0.30"]),
        (["python"], {"uwsgi": {"install": "distribution"}}, None),
        (["python", "uwsgi"], {"packages": ["six"]}, ["six", "pyuwsgi", "Django"]),
        (["python", "uwsgi"], {"requirements": []}, ["pyuwsgi", "Django"]),
    ],
)
def test_a_named_virtualenv_that_is_there_gets_what_is_asked_for(tmp_path, there, keys, installed):
    host = named(tmp_path, there, **keys)
    os.chown(tmp_path / "venv", 65534, 65534)
    host.provide()
    calls = [call for call in host.shell.calls if "install" in call.argv]
    assert [call.argv[7:] for call in calls] == ([installed] if installed else [])
    assert {call.user for call in calls} <= {"nobody"}
    assert "virtualenv" not in [call.step for call in host.shell.calls]
    assert host.shell.commands()[-1] == f"{tmp_path}/venv/bin/python -c import django"


# --- uWSGI from its tarball ---


def uwsgi_tarball(path, name="uwsgi-2.0.31/uwsgiconfig.py"):
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "member").write_text("")
    with tarfile.open(path, "w:gz") as tar:
        tar.add(path.parent / "member", arcname=name)
    return str(path)


def untar(argv):
    folder = argv[-1]
    assert pwd.getpwuid(os.stat(folder).st_uid).pw_name == ME
    with tarfile.open(argv[argv.index("--file") + 1]) as tar:
        for name in tar.getnames():
            write(Path(folder), {name: ""})


class TarballHost(Host):
    def __init__(self, tmp_path, fetch=None, **uwsgi):
        answers = {"tar --extract": untar, "pip download": self._download}
        super().__init__(tmp_path, answers=answers, uwsgi={"install": "tarball", **uwsgi})
        self.tmp_path = tmp_path
        if fetch:
            self.context = make_context(
                tmp_path, shell=self.shell, fetch=fetch, user=ME, uwsgi={"install": "tarball", **uwsgi}
            )

    def _download(self, argv):
        uwsgi_tarball(Path(argv[argv.index("--dest") + 1]) / "uwsgi-2.0.31.tar.gz")

    def commands(self):
        return [line.replace(str(self.tmp_path), "") for line in self.shell.commands("uwsgi")]


@AS_ROOT
def test_uwsgi_is_compiled_from_a_tarball_of_the_host(tmp_path):
    host = TarballHost(tmp_path, tarball=uwsgi_tarball(tmp_path / "srv/uwsgi.tar.gz"))
    home = host.provide()
    unpack, compile_, copy = (call for call in host.shell.calls if call.step == "uwsgi")
    folder = unpack.argv[-1]
    assert os.path.dirname(folder) == str(tmp_path / "cache/shop")
    assert unpack.argv[:-1] == [
        *("tar", "--extract", "--no-same-owner", "--file", f"{folder}/uwsgi.tar.gz", "--directory"),
    ]
    assert compile_.argv == [f"{home}/bin/python", "uwsgiconfig.py", "--build"]
    assert compile_.cwd == f"{folder}/uwsgi-2.0.31"
    assert copy.argv == ["install", "-m", "0755", f"{folder}/uwsgi-2.0.31/uwsgi", f"{home}/bin/uwsgi"]
    assert {call.user for call in (unpack, compile_, copy)} == {ME}
    assert not os.path.exists(folder)


@AS_ROOT
@pytest.mark.parametrize(("given", "requirement"), [({}, "uwsgi"), ({"version": "2.0.31"}, "uwsgi==2.0.31")])
def test_uwsgi_without_a_tarball_comes_from_the_package_index(tmp_path, wheels, given, requirement):
    host = TarballHost(tmp_path, **given)
    host.provide()
    download = host.commands()[0]
    assert download.startswith(
        "/usr/bin/python3 /pip-24.0-py3-none-any.whl/pip download --quiet --no-deps --no-binary "
    )
    assert download.endswith(f" {requirement}")
    assert len(host.commands()) == 4


@AS_ROOT
def test_a_package_index_without_uwsgis_source(tmp_path, wheels):
    host = TarballHost(tmp_path)
    host.shell.answers["pip download"] = ""
    with pytest.raises(StepError, match=r"uwsgi failed: the package index has no source of uwsgi$"):
        host.provide()


@AS_ROOT
def test_pip_downloads_with_the_virtualenvs_own(tmp_path):
    context = make_context(tmp_path, "pip", shell=FakeShell("shop", {"pip download": TarballHost._download.__get__(0)}))
    (tmp_path / "down").mkdir()
    path = Installer(context, context.user, "/build").sdist("/venv", "uwsgi", f"{tmp_path}/down")
    assert path == f"{tmp_path}/down/uwsgi-2.0.31.tar.gz"
    assert context.shell.commands() == [
        f"/venv/bin/python -m pip download --quiet --no-deps --no-binary :all: --dest {tmp_path}/down uwsgi"
    ]


@AS_ROOT
def test_uwsgis_tarball_is_fetched_from_a_url(tmp_path):
    fetched = []

    def fetch(url, path):
        fetched.append(url)
        uwsgi_tarball(Path(path))

    host = TarballHost(tmp_path, fetch=fetch, tarball="https://example.com/uwsgi.tar.gz")
    host.provide()
    assert fetched == ["https://example.com/uwsgi.tar.gz"]


@AS_ROOT
def test_a_tarball_that_is_missing(tmp_path):
    host = TarballHost(tmp_path, tarball="/no/such/uwsgi.tar.gz")
    with pytest.raises(StepError, match=r"uwsgi\.tarball is '/no/such/uwsgi\.tar\.gz'; this host has no such file"):
        host.provide()


@AS_ROOT
def test_a_tarball_of_something_else(tmp_path):
    host = TarballHost(tmp_path, tarball=uwsgi_tarball(tmp_path / "srv/x.tar.gz", "x/setup.py"))
    with pytest.raises(StepError, match=r"the tarball holds no uwsgiconfig\.py; it is not uWSGI's source"):
        host.provide()
    assert os.listdir(tmp_path / "cache/shop") == []


@AS_ROOT
def test_the_checksum_of_the_tarball(tmp_path):
    tarball = uwsgi_tarball(tmp_path / "srv/uwsgi.tar.gz")
    found = "sha256:" + hashlib.sha256(Path(tarball).read_bytes()).hexdigest()
    wrong = "sha256:" + "0" * 64
    with pytest.raises(StepError, match=rf"uwsgi\.checksum is {wrong}; the tarball has {found}"):
        TarballHost(tmp_path, tarball=tarball, checksum=wrong).provide()
    TarballHost(tmp_path, tarball=tarball, checksum=found).provide()


@AS_ROOT
def test_uwsgi_that_is_there_is_not_compiled_again(tmp_path):
    host = named(tmp_path, ["python", "uwsgi"], uwsgi={"install": "tarball"})
    host.provide()
    assert host.shell.commands("uwsgi") == []
