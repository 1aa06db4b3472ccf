"""The virtualenv of a build: which tool installs what, and when an existing one is used. Nothing is downloaded."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pwd
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import downloads, pythons, unfinished, virtualenv
from ansible_collections.pyweb.stack.plugins.module_utils.build import installer as installing
from ansible_collections.pyweb.stack.plugins.module_utils.build.installer import Installer
from ansible_collections.pyweb.stack.plugins.module_utils.build.requirements import Requirements, gather
from ansible_collections.pyweb.stack.plugins.module_utils.host import files
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model import layout as layouts
from ansible_collections.pyweb.stack.plugins.module_utils.model.pins import Pin
from builds import AS_ROOT, ME, FakeShell, failed, make_context, with_uv
from lock_files import with_index

UV_LOCK = with_index("""version = 1
[[package]]
name = "django"
version = "5.2.8"
source = { registry = "DEFAULT-INDEX" }
[[package]]
name = "mine"
version = "1.0"
source = { registry = "https://mine.example.com/simple" }
""")
WANTED = Requirements(names=["Django", "pyuwsgi"], listed=["/code/requirements.txt"])
RESOLVED = "django==5.2.8\npyuwsgi==2.0.30\nasgiref==3.8 ; python_version >= '3'\n"


def write(root, texts):
    root.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return str(root)


# --- requirements ---


DJANGO = {"packages": ["Django>=5.2,<5.3"]}
FROM_HERE = {"source": {"git": "https://git.example.com/shop.git", "version": "e" * 40}}


@pytest.mark.parametrize(
    ("texts", "keys", "names", "chosen"),
    [
        ({}, DJANGO, ["Django>=5.2,<5.3", "pyuwsgi"], []),
        ({}, {"packages": ["django[argon2]"]}, ["django[argon2]", "pyuwsgi"], []),
        ({}, {"packages": ["wagtail"]}, ["wagtail", "pyuwsgi"], []),
        ({}, {"source": {"startproject": "x"}}, ["pyuwsgi", "Django"], []),
        ({}, {"source": {"startproject": "x"}, **DJANGO}, ["Django>=5.2,<5.3", "pyuwsgi"], []),
        ({"requirements.txt": "Django"}, {}, ["pyuwsgi"], ["requirements.txt"]),
        ({"requirements.txt": "-e ."}, {}, ["pyuwsgi"], ["requirements.txt"]),
        ({"requirements.txt": "six", "setup.py": ""}, DJANGO, ["Django>=5.2,<5.3", "pyuwsgi"], ["requirements.txt"]),
        ({"setup.py": "setup()"}, {}, ["pyuwsgi"], ["setup.py"]),
        ({"requirements.txt": "Django", "pyproject.toml": "[project]\n"}, {}, ["pyuwsgi"], ["requirements.txt"]),
        ({"pyproject.toml": "[tool.x]\n\n[project]\ndependencies=['django']\n"}, {}, ["pyuwsgi"], ["pyproject.toml"]),
        ({"requirements.txt": ""}, {"requirements": [], **DJANGO}, ["Django>=5.2,<5.3", "pyuwsgi"], []),
        (
            {"r/a.txt": "django", "r/b.txt": ""},
            {"requirements": ["r/a.txt", "r/b.txt"]},
            ["pyuwsgi"],
            ["r/a.txt", "r/b.txt"],
        ),
        (
            {},
            {"uwsgi": {"version": "2.0.31", "install": "uwsgi"}, **DJANGO},
            ["Django>=5.2,<5.3", "uwsgi==2.0.31"],
            [],
        ),
        ({}, {"uwsgi": {"install": "tarball"}, **DJANGO}, ["Django>=5.2,<5.3"], []),
        ({}, {"uwsgi": {"install": "distribution"}, **DJANGO}, ["Django>=5.2,<5.3"], []),
        ({}, {"database": "postgres://a/b", **DJANGO}, ["Django>=5.2,<5.3", "pyuwsgi", "dj-database-url"], []),
    ],
)
def test_requirements(tmp_path, texts, keys, names, chosen):
    code = write(tmp_path / "code", texts)
    context = make_context(tmp_path, **{**FROM_HERE, **keys})
    found = gather(context, code)
    assert (found.names, found.listed) == (names, [f"{code}/{name}" for name in chosen])
    assert (found.read, found.pins, found.uv_lock, found.left_out) == (chosen, [], "", [])
    assert context.site["packages"] == keys.get("packages", [])
    assert context.notes == []


@pytest.mark.parametrize(
    ("texts", "keys"),
    [
        ({"pyproject.toml": "[project]\ndynamic=['dependencies']\n[tool.setuptools]\n"}, {}),
        ({"pyproject.toml": "[project]\noptional-dependencies={web=['Django']}\n"}, {"extras": ["web"]}),
        ({"pyproject.toml": "[dependency-groups]\nprod=['Django']\n"}, {"groups": ["prod"]}),
        ({"requirements.txt": "wagtail\n-c pins.txt\n", "pins.txt": "Django==5.2.1\n"}, {}),
    ],
)
def test_django_is_not_added_if_it_is_required_elsewhere(tmp_path, texts, keys):
    code = write(tmp_path / "code", texts)
    context = make_context(tmp_path, **FROM_HERE, **keys)
    with_uv(context)
    assert gather(context, code).listed == [f"{code}/{next(iter(texts))}"]


@pytest.mark.parametrize(
    ("texts", "keys", "says"),
    [
        (
            {},
            {},
            "the source has no dependency file, and packages does not name Django; "
            'add `packages: ["Django>=6.1,<6.2"]`',
        ),
        (
            {"requirements.txt": "django-extensions"},
            {},
            "requirements.txt does not name Django; add it there, or `packages: [",
        ),
        ({"requirements.txt": "wagtail"}, {"packages": ["six"]}, "requirements.txt does not name Django"),
        ({"requirements/dev.txt": "Django"}, {}, "; requirements can name requirements/dev.txt"),
        ({"pyproject.toml": "[tool.ruff]\n"}, {}, "the source has no dependency file"),
        (
            {"requirements.txt": "Django"},
            {"requirements": []},
            "requirements is empty, and packages does not name Django",
        ),
        ({}, {"requirements": ["missing.txt"]}, "missing.txt: the source has no such file"),
        ({"poetry.lock": "name = \n"}, {}, "poetry.lock: is not valid TOML: "),
        (
            {"Pipfile.lock": "{\n,}"},
            {},
            "Pipfile.lock: is no JSON: Expecting property name enclosed in double quotes: ",
        ),
        ({"requirements.txt": "-r more.txt"}, {}, "requirements.txt: names more.txt with -r; the source has no such"),
        ({"requirements.txt": "x"}, {"extras": ["a"]}, "requirements.txt: extras is 'a'; a requirements file has none"),
        ({"Pipfile.lock": '{"default": {"django": "==4.2"}}'}, {}, "Pipfile.lock: has a value of an unexpected type"),
        ({"uv.lock": "package = 1\n"}, {}, "uv.lock: has a value of an unexpected type ("),
        (
            {"pyproject.toml": "[project]\ndependencies=['six']\n[project.optional-dependencies]\nweb=['Django']\n"},
            {},
            "`, or `extras: [web]`, which does",
        ),
    ],
)
def test_invalid_dependencies_are_refused(tmp_path, texts, keys, says):
    code = write(tmp_path / "code", texts)
    with pytest.raises(StepError) as caught:
        gather(make_context(tmp_path, **{**FROM_HERE, **keys}), code)
    assert str(caught.value).startswith("site 'shop': requirements failed: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("install", "left_out", "says"),
    [
        (
            "pyuwsgi",
            ["uwsgi"],
            "uwsgi of requirements.txt is not installed, because the site's uWSGI is the wheel pyuwsgi",
        ),
        ("uwsgi", ["pyuwsgi"], "pyuwsgi of requirements.txt is not installed, because the site's uWSGI is the source"),
        (
            "tarball",
            ["pyuwsgi", "uwsgi"],
            "pyuwsgi of requirements.txt is not installed, because the site's uWSGI is uwsgi.in",
        ),
    ],
)
def test_another_uwsgi_in_the_requirements_is_left_out(tmp_path, install, left_out, says):
    code = write(
        tmp_path / "code", {"requirements.txt": "-r more.txt\n", "more.txt": "uWSGI==2.0.28\npyuwsgi\nDjango\n"}
    )
    context = make_context(tmp_path, **FROM_HERE, uwsgi={"install": install})
    found = gather(context, code)
    assert found.left_out == left_out
    assert context.notes[0].startswith(says)
    with_uv(context)
    os.makedirs(tmp_path / "build")
    Installer(context, context.user, str(tmp_path / "build")).resolve(found)
    [call] = context.shell.calls
    assert call.argv[-4:] == ["--override", f"{tmp_path}/build/left-out.txt", f"{code}/requirements.txt", "-"]
    overrides = (tmp_path / "build/left-out.txt").read_text()
    assert overrides == "".join(f"{name} ; sys_platform == 'never'\n" for name in left_out)


@AS_ROOT
def test_pip_gets_requirements_without_another_uwsgi(tmp_path):
    texts = {"requirements.txt": "-r more.txt\n-c limits/c.txt\nuwsgi>=2\n", "more.txt": "Django\n"}
    host = Host(tmp_path, "pip", texts=texts, **FROM_HERE)
    host.provide()
    written = Path(host.root, "requirements.txt").read_text()
    assert written == f"Django\n-c {host.root}/src/limits/c.txt\n"
    assert host.shell.calls[-2].argv[-2:] == ["-r", f"{host.root}/requirements.txt"]


@AS_ROOT
def test_another_uwsgi_required_by_a_dependency_is_left_out(tmp_path):
    answers = {"pip compile": lambda argv: RESOLVED if "--override" in argv else RESOLVED + "uwsgi==2.0.31\n"}
    host = Host(tmp_path, answers=answers, texts={"setup.py": "setup()"}, **FROM_HERE)
    home = host.provide()
    assert Path(home, "requirements.txt").read_text() == RESOLVED
    assert [note.split(",")[0] for note in host.context.notes] == ["uwsgi of setup.py is not installed"]


# --- the installer ---


def test_settings_of_pip_are_passed_to_uv(tmp_path):
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
    cache = "/var/lib/pyweb.stack/.step-1-00000000"  # The builder must not use the site's own cache.
    tool = Installer(context, "huatai", "/build", cache)
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
def test_requirements_are_resolved_only_if_every_version_is_pinned(tmp_path, text, complete):
    context = make_context(tmp_path, shell=FakeShell("shop", {"pip compile": text}))
    uv = with_uv(context)
    found = Installer(context, context.user, "/build").resolve(WANTED)
    assert found == (text if complete else "")
    [call] = context.shell.calls
    assert call.argv == [
        *(uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", "/usr/bin/python3.12"),
        *("/code/requirements.txt", "-"),
    ]
    assert (call.stdin, call.cwd, call.step) == ("Django\npyuwsgi\n", "/code", "requirements")


def test_pip_resolves_during_the_installation(tmp_path):
    context = make_context(tmp_path, "pip")
    assert Installer(context, context.user, "/build").resolve(WANTED) == ""
    assert context.shell.calls == []


@pytest.mark.parametrize("kind", ["uv", "pip"])
def test_files_with_hashes_are_installed_by_a_separate_call_of_pip(tmp_path, kind):
    (tmp_path / "requirements.txt").write_text("Django==5.2.8 \\\n    --hash=sha256:0\n")
    context = make_context(tmp_path, kind)
    with_uv(context)
    wanted = Requirements(["pyuwsgi"], [f"{tmp_path}/requirements.txt"])
    Installer(context, context.user, "/build").install("requirements", "/venv", wanted)
    said = [call.split("--no-input " if kind == "pip" else "/venv/bin/python ")[1] for call in context.shell.commands()]
    listed = f"-r {tmp_path}/requirements.txt"
    assert said == ([listed, "pyuwsgi"] if kind == "pip" else [f"pyuwsgi {listed}"])


@pytest.mark.parametrize(("resolved", "more"), [("", []), (RESOLVED, ["--constraint", "-"])])
@pytest.mark.parametrize("kind", ["uv", "pip"])
def test_all_requirements_are_installed_with_one_resolution(tmp_path, kind, resolved, more):
    context = make_context(tmp_path, kind)
    words = {
        "uv": [with_uv(context), "pip", "install", "--quiet", "--compile-bytecode", "--python", "/venv/bin/python"],
        "pip": ["/venv/bin/python", "-m", "pip", "install", "--quiet", "--no-input"],
    }
    tool = Installer(context, "huatai", "/build")
    wanted = Requirements(names=["Django"], listed=["/code/a.txt", "/code/b.txt"])
    tool.install("requirements", "/venv", wanted, resolved)
    [call] = context.shell.calls
    assert call.argv == [*words[kind], *more, "Django", "-r", "/code/a.txt", "-r", "/code/b.txt"]
    assert (call.stdin, call.cwd, call.user) == (resolved, "/code", "huatai")
    assert call.environment == tool.environment


def test_single_packages_are_installed_from_the_root_directory(tmp_path):
    context = make_context(tmp_path, "pip")
    Installer(context, context.user, "/build").install("uwsgi", "/venv", Requirements(names=["pyuwsgi"]))
    assert (context.shell.calls[0].cwd, context.shell.calls[0].step) == ("/", "uwsgi")


LOCK = {"pyproject.toml": "[project]\nname='shop'\ndependencies=['django']\n", "uv.lock": UV_LOCK}
EXPORTED = "django==5.2.8 --hash=sha256:00\nmine==1.0\n    --hash=sha256:11\n"


@AS_ROOT
def test_a_uv_lock_is_installed_by_uv(tmp_path):
    answers = {"export": EXPORTED.replace("\n    ", " "), "pip compile": "pyuwsgi==2.0.30\n"}
    keys = {"extras": ["images"], "groups": ["prod"]}
    host = Host(tmp_path, answers=answers, texts=LOCK, **FROM_HERE, **keys)
    home = host.provide()
    uv, src = host.context.layout.tools + "/bin/uv", f"{host.root}/src"
    options = "--extra images --group prod --no-dev"
    assert host.shell.commands() == [
        f"{uv} export --frozen --quiet --no-header --no-annotate --no-emit-project --no-editable {options} "
        f"--project {src}",
        f"{uv} pip compile --quiet --no-header --no-annotate --python /usr/bin/python3.12 "
        f"--constraint {host.root}/locked.txt --constraint {host.root}/checked.txt -",
        f"{uv} venv --quiet --allow-existing --python /usr/bin/python3.12 {home}",
        f"{uv} sync --frozen --inexact --quiet --compile-bytecode --no-install-project --no-editable "
        f"--python {home}/bin/python {options} --project {src}",
        f"{uv} pip install --quiet --compile-bytecode --python {home}/bin/python "
        f"--constraint {host.root}/checked.txt --constraint {host.root}/locked.txt pyuwsgi",
        f"{home}/bin/python -c import django",
    ]
    assert host.shell.calls[3].environment["UV_PROJECT_ENVIRONMENT"] == home
    assert Path(host.root, "locked.txt").read_text() == "django==5.2.8\nmine==1.0\n"
    assert Path(home, "requirements.txt").read_text() == (
        "\ndjango==5.2.8 \\\n    --hash=sha256:00\n"
        "https://mine.example.com/simple\nmine==1.0 \\\n    --hash=sha256:11\npyuwsgi==2.0.30\n"
    )


@AS_ROOT
def test_a_lock_is_installed_from_the_inventorys_index(tmp_path):
    """The URLs in a uv.lock are those of the index that it was made with."""
    answers = {"export": EXPORTED.replace("\n    ", " "), "pip compile": "pyuwsgi==2.0.30\n"}
    mirror = {"PIP_INDEX_URL": "https://mirror/simple"}
    host = Host(tmp_path, answers=answers, texts=LOCK, environment=mirror, **FROM_HERE)
    home = host.provide()
    installed = [words for words in host.shell.commands() if "--no-deps" in words]
    start = f"{host.context.layout.tools}/bin/uv pip install --quiet --compile-bytecode"
    start += f" --python {home}/bin/python --no-deps"
    assert installed == [
        f"{start} -r {host.root}/locked-0.txt",
        f"{start} --default-index https://mine.example.com/simple -r {host.root}/locked-1.txt",
    ]
    assert "sync" not in " ".join(host.shell.commands())


@AS_ROOT
def test_wheels_in_the_source_are_installed_from_their_directory(tmp_path):
    lock = LOCK["uv.lock"].replace("https://mine.example.com/simple", "wheels")
    answers = {"export": EXPORTED.replace("\n    ", " "), "pip compile": "pyuwsgi==2.0.30\n"}
    mirror = {"UV_DEFAULT_INDEX": "https://mirror/simple"}
    host = Host(tmp_path, answers=answers, texts={**LOCK, "uv.lock": lock}, environment=mirror, **FROM_HERE)
    # The directory may contain other wheels later.
    assert host.provide() == f"{host.root}/venv"
    installed = [words for words in host.shell.commands() if "--find-links" in words]
    assert len(installed) == 1
    assert installed[0].endswith(f"--no-index --find-links {host.root}/src/wheels -r {host.root}/locked-1.txt")


@AS_ROOT
def test_pip_installs_a_lock_without_resolving(tmp_path):
    pins = [
        Pin("django", "django[argon2]==5.2.8", "python_version > '3'", ("sha256:00",)),
        Pin("mine", "mine @ git+https://git/mine@abc"),
        Pin("theirs", "theirs==1", hashes=("sha256:11",), index="https://their/simple"),
    ]
    context = make_context(tmp_path, "pip")
    tool = Installer(context, context.user, str(tmp_path))
    wanted = Requirements(names=["pyuwsgi"], pins=pins)
    tool.install_pins("/venv", wanted)
    tool.install("requirements", "/venv", wanted)
    pip = "/venv/bin/python -m pip install --quiet --no-input"
    assert context.shell.commands() == [
        f"{pip} --no-deps -r {tmp_path}/locked-0.txt",
        f"{pip} --no-deps -r {tmp_path}/locked-1.txt",
        f"{pip} --no-deps --index-url https://their/simple -r {tmp_path}/locked-2.txt",
        f"{pip} --constraint {tmp_path}/locked.txt pyuwsgi",
    ]
    assert (tmp_path / "locked-0.txt").read_text() == "mine @ git+https://git/mine@abc\n"
    assert (tmp_path / "locked.txt").read_text() == "django==5.2.8 ; python_version > '3'\ntheirs==1\n"


@AS_ROOT
@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (LOCK, "uv.lock"),
        ({"pyproject.toml": "[project]\nname='a'\ndynamic=['dependencies']\n"}, "pyproject.toml"),
        ({"pyproject.toml": "[project]\ndependencies=['django']\n[tool.uv.sources]\na={path='a'}\n"}, "pyproject.toml"),
        ({"setup.py": "setup()"}, "setup.py"),
    ],
)
def test_dependencies_that_pip_cannot_read_are_refused(tmp_path, texts, name):
    host = Host(tmp_path, "pip", texts=texts, **FROM_HERE)
    with pytest.raises(StepError) as caught:
        host.provide()
    assert str(caught.value) == (
        f"site 'shop': requirements failed: {name} needs uv; set django_installer: uv, or name a requirements.txt in "
        "requirements"
    )
    assert host.shell.calls == []


def test_uv_reads_a_project_file_itself(tmp_path):
    text = "[project]\ndependencies=['six']\n[project.optional-dependencies]\nimages=['Pillow']\n"
    code = write(tmp_path / "code", {"pyproject.toml": f"{text}[dependency-groups]\nprod=['Django']\n"})
    context = make_context(tmp_path, **FROM_HERE, extras=["images"], groups=["prod"])
    with_uv(context)
    found = gather(context, code)
    Installer(context, context.user, str(tmp_path)).install("requirements", "/venv", found)
    path = f"{code}/pyproject.toml"
    assert context.shell.calls[0].argv[-9:] == [
        *("--extra", "images", "--group", f"{path}:prod"),
        *("--constraint", f"{tmp_path}/checked.txt", "pyuwsgi", "-r", path),
    ]


def test_pip_gets_the_dependencies_of_a_project_file_as_lines(tmp_path):
    text = "[project]\ndependencies=['Django']\n[project.optional-dependencies]\nimages=['pillow']\n"
    code = write(tmp_path / "code", {"pyproject.toml": text})
    found = gather(make_context(tmp_path, "pip", **FROM_HERE, extras=["images"]), code)
    assert (found.names, found.listed) == (["pyuwsgi", "Django", "pillow"], [])


@AS_ROOT
def test_the_project_itself_is_installed_on_request(tmp_path):
    host = Host(
        tmp_path, texts={"app/requirements.txt": "Django", "app/manage.py": ""}, **FROM_HERE, install_project=True
    )
    assert host.provide() == f"{host.root}/venv"
    assert not os.path.islink(f"{host.root}/venv")
    assert host.shell.calls[-2].argv[-3:] == ["--no-deps", "--editable", f"{host.root}/src/app"]


# --- uv itself ---


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """Create two wheels of pip, as a distribution has them."""
    for name in ("pip-9.0-py3-none-any.whl", "pip-23.0-py3-none-any.whl", "pip-24.0-py3-none-any.whl"):
        with zipfile.ZipFile(tmp_path / name, "w") as wheel:
            wheel.writestr("pip/__init__.py", name)
    monkeypatch.setattr(downloads, "PIP_WHEELS", (str(tmp_path / "none-*.whl"), str(tmp_path / "pip-2*.whl")))


@pytest.fixture
def locks(tmp_path, monkeypatch):
    """Return the locks that were acquired."""
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
    new = f"{tools}.new"
    shell = FakeShell("shop", {"-m venv": make_tools, "pip install": lambda _argv: Path(f"{new}/bin/uv").touch(0o755)})
    context = make_context(tmp_path, shell=shell)
    os.makedirs(f"{new}/left-by-a-killed-run")
    assert Installer(context, context.user, "/build").uv == f"{tools}/bin/uv"
    assert shell.commands("installer") == [
        f"/usr/bin/python3 -m venv --without-pip {new}",
        f"{new}/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --no-cache-dir --no-deps "
        f"--require-hashes -r {new}/uv.txt",
    ]
    assert sorted(os.listdir(tmp_path / "sites")) == [".tools", "shop"]
    assert Path(f"{tools}/uv.txt").read_text() == downloads.requirement("uv")
    assert {call.user for call in shell.calls} == {"root"}
    assert Path(f"{tools}/lib/python3.12/site-packages/pip/__init__.py").read_text() == "pip-24.0-py3-none-any.whl"
    assert not os.path.exists(f"{tools}/left-by-a-killed-run")
    assert locks == [".tools"]
    Installer(context, context.user, "/build")
    assert len(shell.calls) == 2


def test_uv_installed_by_another_run_in_the_meantime_is_used(tmp_path, monkeypatch):
    context = make_context(tmp_path)

    @contextlib.contextmanager
    def locked(_name):
        with_uv(context)
        yield

    monkeypatch.setattr(files, "locked", locked)
    Installer(context, context.user, "/build")
    assert context.shell.calls == []


def test_an_incomplete_uv_is_removed(tmp_path, wheels, locks):
    shell = FakeShell("shop", {"-m venv": make_tools, "pip install": failed("installer", "no index")})
    with pytest.raises(StepError, match="no index"):
        Installer(make_context(tmp_path, shell=shell), "root", "/build")
    assert os.listdir(tmp_path / "sites") == ["shop"]


def test_a_killed_installation_of_uv_leaves_nothing_that_is_used(tmp_path, wheels, locks):
    """A power failure or SIGKILL may come while pip writes uv; pip makes it executable last."""
    tools = tmp_path / "sites/.tools"
    seen = []

    def install(_argv):
        seen.append(tools.exists())
        Path(f"{tools}.new/bin/uv").touch(0o755)

    context = make_context(tmp_path, shell=FakeShell("shop", {"-m venv": make_tools, "pip install": install}))
    Installer(context, context.user, "/build")
    assert seen == [False]
    # As a version that installed it in place left it.
    (tools / "bin/uv").chmod(0o644)
    (tools / "half").touch()
    Installer(context, context.user, "/build")
    assert seen == [False, True]
    assert os.access(tools / "bin/uv", os.X_OK)
    assert not (tools / "half").exists()


def test_a_python_without_pip_is_an_error(tmp_path, locks, monkeypatch):
    monkeypatch.setattr(downloads, "PIP_WHEELS", (str(tmp_path / "none-*.whl"),))
    shell = FakeShell("shop", {"-m venv": make_tools})
    with pytest.raises(StepError, match="the system's Python has no ensurepip; install its venv package"):
        Installer(make_context(tmp_path, shell=shell), "root", "/build")


# --- a build's own virtualenv ---


class Host:
    """A site whose build directory exists, and a shell that makes virtualenvs as uv does."""

    def __init__(self, tmp_path, installer="uv", python="3.12", answers=None, texts=None, environment=None, **keys):
        made = {"venv --quiet": self._make, "-m venv": self._make, "pip compile": RESOLVED}
        self.shell = FakeShell("shop", {**made, **(answers or {})}, python)
        self.context = make_context(tmp_path, installer, environment, shell=self.shell, user=ME, **keys)
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
    assert len(second.shell.calls) == 1  # Only resolved.
    assert os.path.realpath(f"{second.root}/venv") == home


@AS_ROOT
def test_the_name_of_a_virtualenv(tmp_path):
    """It must be the name that 0.1 used for the same requirements, or every host would install everything again."""
    host = Host(tmp_path, uwsgi={"install": "pyuwsgi", "version": "2.0.31"})
    host.context.site["user"] = "nobody"
    inputs = [1, "3.12", "nobody", RESOLVED, "pyuwsgi", "2.0.31", "", ""]
    assert os.path.basename(host.provide()) == hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:12]


@AS_ROOT
def test_a_uwsgi_compiled_by_0_1_is_not_used(tmp_path):
    """It has no routing."""
    host = Host(tmp_path, uwsgi={"install": "uwsgi", "version": "2.0.31"})
    host.context.site["user"] = "nobody"
    inputs = [1, "3.12", "nobody", RESOLVED, "uwsgi", "2.0.31", "", "", "routing"]
    assert os.path.basename(host.provide()) == hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:12]


@AS_ROOT
@pytest.mark.parametrize(("says", "again"), [("--route-if-not", []), ("--route", ["uwsgi"])])
def test_a_cached_uwsgi_without_routing_is_compiled_again(tmp_path, says, again):
    host = Host(tmp_path, uwsgi={"install": "uwsgi", "version": "2.0.31"}, answers={"--help": says})
    host.provide()
    compiled = [call for call in host.shell.calls if "--reinstall" in call.argv]
    assert [call.step for call in compiled] == again
    for call in compiled:
        assert call.argv[-2:] == ["--no-deps", "uwsgi==2.0.31"]
        assert "--no-cache" in call.argv


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
def test_a_finished_virtualenv_belongs_to_root(tmp_path):
    host = Host(tmp_path)
    host.context.site["user"] = "nobody"
    home = host.provide()
    paths = [home, *(os.path.join(folder, name) for folder, _folders, names in os.walk(home) for name in names)]
    assert {(os.stat(path).st_uid, os.stat(path).st_gid) for path in paths} == {(0, 0)}
    assert stat.S_IMODE(os.stat(f"{home}/bin/python").st_mode) == 0o755
    assert stat.S_IMODE(os.stat(f"{home}/lib/module.py").st_mode) == 0o644


@AS_ROOT
@pytest.mark.parametrize("left", [{}, {"requirements.txt": "django==1.0\n"}])
def test_a_virtualenv_left_by_a_killed_run_is_made_again(tmp_path, left):
    home = Path(Host(tmp_path).provide())
    (home / "requirements.txt").unlink()
    write(home, {"half": "", **left})
    host = Host(tmp_path)
    assert host.provide() == str(home)
    assert "virtualenv" in [call.step for call in host.shell.calls]
    assert not (home / "half").exists()
    assert (home / "requirements.txt").read_text() == RESOLVED


@AS_ROOT
def test_a_failed_virtualenv_is_removed(tmp_path):
    host = Host(tmp_path, answers={"pip install": failed("requirements", "no such version")})
    with pytest.raises(StepError, match="no such version"):
        host.provide()
    assert os.listdir(tmp_path / "sites/shop/virtualenvs") == []
    assert not os.path.lexists(f"{host.root}/venv")


@AS_ROOT
@pytest.mark.parametrize("kind", ["uv", "pip"])
def test_requirements_without_fixed_contents_get_a_virtualenv_in_the_build(tmp_path, kind):
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
    ("kind", "keys", "texts", "named"),
    [
        ("uv", {}, {"setup.py": "setup()"}, "setup.py does not name Django; add it there, or "),
        ("pip", {}, {"requirements.txt": "-e ."}, "requirements.txt does not name Django; add it there, or "),
        ("uv", {"packages": ["six"]}, {}, "the source has no dependency file, and packages does not name Django"),
    ],
)
def test_a_virtualenv_without_django_is_refused(tmp_path, kind, keys, texts, named):
    answers = {"import django": failed("requirements"), "pip compile": "six==1.17\n"}
    host = Host(tmp_path, kind, answers=answers, texts=texts, **FROM_HERE, **keys)
    with pytest.raises(StepError) as caught:
        host.provide()
    assert str(caught.value).startswith(f"site 'shop': requirements failed: {named}")
    assert '`packages: ["Django>=6.1,<6.2"]`' in str(caught.value)
    # uv resolves before it installs.
    assert ("virtualenv" in [call.step for call in host.shell.calls]) is (kind == "pip")


def test_nothing_is_installed_into_the_systems_python(tmp_path):
    (tmp_path / "code").mkdir()
    context = make_context(tmp_path, source={"path": str(tmp_path / "code")}, virtualenv="none")
    assert virtualenv.provide(context, "/no/such/build") == ""
    assert context.shell.calls == []


# --- a virtualenv set in the inventory ---


def named(tmp_path, there, **keys):
    """Return a site with code in place and a virtualenv; `there` says which of python and uwsgi it already contains."""
    write(tmp_path / "code", {"manage.py": ""})
    host = Host(tmp_path, source={"path": str(tmp_path / "code")}, virtualenv=str(tmp_path / "venv"), **keys)
    write(tmp_path / "venv", {f"bin/{name}": "" for name in there})
    return host


@AS_ROOT
def test_a_missing_virtualenv_of_the_inventory_is_made_for_the_owner_of_the_code(tmp_path):
    host = named(tmp_path, [], **DJANGO)
    os.chown(tmp_path / "code", 65534, 65534)
    assert host.provide() == str(tmp_path / "venv")
    assert [(call.step, call.user) for call in host.shell.calls] == [
        ("virtualenv", "nobody"),
        ("requirements", "nobody"),
        ("requirements", ME),
    ]
    assert host.shell.calls[1].argv[-2:] == ["Django>=5.2,<5.3", "pyuwsgi"]
    assert os.stat(tmp_path / "venv").st_uid == 65534
    assert not os.path.lexists(f"{host.root}/venv")


@AS_ROOT
@pytest.mark.parametrize(
    ("there", "keys", "installed"),
    [
        (["python", "uwsgi"], {}, None),
        (["python"], {}, ["--constraint", "checked.txt", "pyuwsgi"]),
        (["python", "uwsgi"], {"uwsgi": {"version": "2.0.30"}}, ["pyuwsgi==2.0.30"]),
        (["python"], {"uwsgi": {"install": "distribution"}}, None),
        (["python", "uwsgi"], {"packages": ["six"]}, ["--constraint", "checked.txt", "six", "pyuwsgi"]),
        (
            ["python", "uwsgi"],
            {"requirements": [], **DJANGO},
            ["--constraint", "checked.txt", "Django>=5.2,<5.3", "pyuwsgi"],
        ),
    ],
)
def test_an_existing_virtualenv_of_the_inventory_gets_the_required_packages(tmp_path, there, keys, installed):
    host = named(tmp_path, there, **keys)
    os.chown(tmp_path / "venv", 65534, 65534)
    host.provide()
    calls = [call for call in host.shell.calls if "install" in call.argv]
    found = [[word.replace(f"{host.root}/", "") for word in call.argv[7:]] for call in calls]
    assert found == ([installed] if installed else [])
    assert {call.user for call in calls} <= {"nobody"}
    assert "virtualenv" not in [call.step for call in host.shell.calls]
    assert host.shell.commands()[-1] == f"{tmp_path}/venv/bin/python -c import django"


def made_by(host):
    """Return the virtualenv of a build of which nothing but its virtualenv is made."""
    with unfinished.making(host.context.layout, host.context.site["virtualenv"]):
        return pythons.provide(host.context, host.root)


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if not path.is_dir())


def killed(host, home, there, stage):
    """Leave what a build leaves that is killed while it makes the virtualenv, or while it installs packages."""
    write(home, dict.fromkeys(there, "theirs"))

    class Killed(BaseException):
        pass

    def kill(argv):
        write(home, {"bin/python": "", "bin/python3": ""})
        (home / "bin/python").chmod(0o755)
        if stage != "venv":
            write(home, {"pyvenv.cfg": "home = /usr/bin\n", "lib/python3.12/site-packages/half.py": ""})
            unfinished.made(host.context.layout, str(home))
        shutil.copy(host.context.layout.unfinished, home.parent / "note")
        home.rename(home.parent / "left")
        raise Killed

    host.shell.answers = {"venv --quiet": kill}
    with pytest.raises(Killed):
        made_by(host)
    (home.parent / "left").rename(home)
    (home.parent / "note").rename(host.context.layout.unfinished)
    host.shell.answers = {"venv --quiet": host._make}
    host.shell.calls.clear()


@AS_ROOT
@pytest.mark.parametrize("there", [None, [], ["bin/deploy.sh", "bin/python3-config", "lib/shop.py", "python.txt"]])
@pytest.mark.parametrize("end", [failed("requirements", "no index"), KeyboardInterrupt()], ids=["failed", "ended"])
def test_a_failed_virtualenv_of_the_inventory_is_removed_but_nothing_else(tmp_path, there, end):
    """If a part of it stayed, the next run would take it for an existing virtualenv, and install nothing into it."""

    def install(argv):
        write(home, {"lib/python3.12/site-packages/half.py": "", "pyvenv.cfg": ""})
        raise end

    host, home = named(tmp_path, [], **DJANGO), tmp_path / "venv"
    if there is None:
        home.rmdir()
    else:
        write(home, dict.fromkeys(there, "theirs"))
    host.shell.answers["pip install"] = install
    with pytest.raises(type(end)):
        made_by(host)
    # Only the files that the virtualenv would overwrite may stay beside other files.
    assert home.exists() is (there is not None)
    assert [name for name in tree(home) if name != "lib/module.py"] == (there or [])
    assert not os.path.exists(host.context.layout.unfinished)

    host.shell.answers["pip install"] = ""
    _context, made = made_by(host)
    assert host.shell.commands("requirements")[-2].endswith(" Django>=5.2,<5.3 pyuwsgi")
    assert (home / "bin/python").exists()
    assert made == str(home)
    assert not os.path.exists(host.context.layout.unfinished)


@AS_ROOT
@pytest.mark.parametrize("stage", ["venv", "packages"])
@pytest.mark.parametrize("there", [[], ["shop.py", "bin/deploy.sh"]])
def test_a_virtualenv_of_the_inventory_left_by_a_killed_run_is_made_again(tmp_path, stage, there):
    host, home = named(tmp_path, [], **DJANGO), tmp_path / "venv"
    killed(host, home, there, stage)
    # Somebody adds files before the next run.
    write(home, {f"{name}.new": "" for name in there})
    made_by(host)
    assert [call.step for call in host.shell.calls][:2] == ["virtualenv", "requirements"]
    assert tree(home) == sorted([*there, *(f"{name}.new" for name in there), "bin/python", "lib/module.py"])
    # Complete now, so it is as good as one that was there before.
    host.shell.calls.clear()
    made_by(host)
    assert "virtualenv" not in [call.step for call in host.shell.calls]


@AS_ROOT
def test_a_virtualenv_that_somebody_made_after_a_killed_run_is_kept(tmp_path):
    """An administrator repaired the site by hand."""
    host, home = named(tmp_path, [], texts={"requirements.txt": "Django\n"}), tmp_path / "venv"
    killed(host, home, [], "packages")
    shutil.rmtree(home)
    by_hand = {"bin/python": "", "bin/uwsgi": "", "lib/python3.12/site-packages/django.py": "", "pyvenv.cfg": "home\n"}
    write(home, by_hand)
    os.utime(home / "pyvenv.cfg", (1, 1))
    made_by(host)
    assert tree(home) == sorted(by_hand)
    assert host.shell.commands() == [f"{home}/bin/python -c import django"]


@AS_ROOT
def test_another_python_does_not_remove_the_code_beside_the_virtualenv(tmp_path, monkeypatch):
    """The virtualenv is in the directory of the project, and the project needs another Python of the host."""
    monkeypatch.setattr(
        pythons, "_on_this_host", lambda: {"3.13": "/usr/bin/python3.13", "3.12": "/usr/bin/python3.12"}
    )
    code = write(tmp_path / "code", {"manage.py": "", "shop/settings.py": ""})
    host = Host(tmp_path, source={"path": code}, virtualenv=code, **DJANGO)
    host.context.site["python"] = "auto"
    refusal = (
        "Because the current Python version (3.12) does not satisfy Python>=3.13 and shop>=1 depends on Python>=3.13"
    )

    def install(argv):
        if not (tmp_path / "second").exists():
            (tmp_path / "second").touch()
            write(tmp_path / "code", {"lib/python3.12/site-packages/half.py": ""})
            raise StepError("shop", "requirements", f"exit status 1\n{refusal}")

    host.shell.answers["pip install"] = install
    context, home = made_by(host)
    assert context.site["interpreter"]["path"] == "/usr/bin/python3.13"
    assert tree(home) == ["bin/python", "lib/module.py", "manage.py", "shop/settings.py"]


# --- uWSGI from its tarball ---


def uwsgi_tarball(path, name="uwsgi-2.0.31/uwsgiconfig.py"):
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "member").write_text("")
    with tarfile.open(path, "w:gz") as tar:
        tar.add(path.parent / "member", arcname=name)
    return str(path)


def untar(argv, path):
    folder = argv[argv.index("--directory") + 1]
    assert pwd.getpwuid(os.stat(folder).st_uid).pw_name == ME
    with tarfile.open(path) as tar:
        for name in tar.getnames():
            write(Path(folder), {name: ""})


class TarballHost(Host):
    def __init__(self, tmp_path, fetch=None, **uwsgi):
        answers = {"tar --extract": self._untar, "pip download": self._download}
        super().__init__(tmp_path, answers=answers, uwsgi={"install": "tarball", **uwsgi})
        self.tmp_path = tmp_path
        if fetch:
            self.context = make_context(
                tmp_path, shell=self.shell, fetch=fetch, user=ME, uwsgi={"install": "tarball", **uwsgi}
            )

    def _untar(self, argv):
        given = self.shell.calls[-1].stdin
        untar(argv, given.name if argv[-1] == "/dev/stdin" else argv[-1])

    def _download(self, argv):
        uwsgi_tarball(Path(argv[argv.index("--dest") + 1]) / "uwsgi-2.0.31.tar.gz")

    def commands(self):
        return [line.replace(str(self.tmp_path), "") for line in self.shell.commands("uwsgi")]


@AS_ROOT
def test_uwsgi_is_compiled_from_a_tarball_of_the_host(tmp_path):
    host = TarballHost(tmp_path, tarball=uwsgi_tarball(tmp_path / "srv/uwsgi.tar.gz"))
    home = host.provide()
    unpack, compile_, copy, rename = (call for call in host.shell.calls if call.step == "uwsgi")
    folder = unpack.argv[-3]
    # Not in the cache, whose owner could place a link where root writes.
    assert os.path.dirname(folder) == layouts.MEMORY
    assert unpack.argv == ["tar", "--extract", "--no-same-owner", "--directory", folder, "--file", "/dev/stdin"]
    assert unpack.stdin.name == str(tmp_path / "scratch/uwsgi-shop.tar.gz")
    assert compile_.argv == [f"{home}/bin/python", "uwsgiconfig.py", "--build"]
    assert compile_.cwd == f"{folder}/uwsgi-2.0.31"
    assert copy.argv == ["install", "-m", "0755", f"{folder}/uwsgi-2.0.31/uwsgi", f"{home}/bin/.uwsgi.new"]
    assert rename.argv == ["mv", "--force", "--no-target-directory", copy.argv[-1], f"{home}/bin/uwsgi"]
    assert {call.user for call in (unpack, compile_, copy, rename)} == {ME}
    assert not os.path.exists(folder)


@AS_ROOT
@pytest.mark.parametrize(
    ("given", "requirement"),
    [
        ({}, "--require-hashes -r /sites/shop/builds/x/checked.txt"),
        ({"version": downloads.PINNED["uwsgi"][0]}, "--require-hashes -r /sites/shop/builds/x/checked.txt"),
        ({"version": "2.0.28"}, "uwsgi==2.0.28"),
    ],
)
def test_uwsgi_without_a_tarball_is_downloaded_from_the_package_index(tmp_path, wheels, given, requirement):
    host = TarballHost(tmp_path, **given)
    host.provide()
    download = host.commands()[0]
    assert download.startswith(
        "/usr/bin/python3 /pip-24.0-py3-none-any.whl/pip download --quiet --no-deps --no-binary "
    )
    assert download.endswith(f" {requirement}")
    assert len(host.commands()) == 5


@AS_ROOT
def test_a_package_index_without_the_source_of_uwsgi_is_an_error(tmp_path, wheels):
    host = TarballHost(tmp_path)
    host.shell.answers["pip download"] = ""
    with pytest.raises(StepError, match=r"uwsgi failed: the package index has no source of uwsgi$"):
        host.provide()


@AS_ROOT
def test_pip_of_the_virtualenv_downloads_the_source(tmp_path):
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
def test_a_missing_tarball_is_an_error(tmp_path):
    host = TarballHost(tmp_path, tarball="/no/such/uwsgi.tar.gz")
    with pytest.raises(StepError, match=r"uwsgi\.tarball is '/no/such/uwsgi\.tar\.gz'; this host has no such file"):
        host.provide()


@AS_ROOT
def test_a_tarball_of_another_program_is_refused(tmp_path):
    host = TarballHost(tmp_path, tarball=uwsgi_tarball(tmp_path / "srv/x.tar.gz", "x/setup.py"))
    with pytest.raises(StepError, match=r"the tarball contains no uwsgiconfig\.py; it is not uWSGI's source"):
        host.provide()
    assert os.listdir(layouts.MEMORY) == []


@AS_ROOT
def test_checksum_of_the_tarball_is_checked(tmp_path):
    tarball = uwsgi_tarball(tmp_path / "srv/uwsgi.tar.gz")
    found = "sha256:" + hashlib.sha256(Path(tarball).read_bytes()).hexdigest()
    wrong = "sha256:" + "0" * 64
    with pytest.raises(StepError, match=rf"uwsgi\.checksum is {wrong}; the checksum of the tarball is {found}"):
        TarballHost(tmp_path, tarball=tarball, checksum=wrong).provide()
    TarballHost(tmp_path, tarball=tarball, checksum=found).provide()


@AS_ROOT
def test_existing_uwsgi_is_not_compiled_again(tmp_path):
    host = named(tmp_path, ["python", "uwsgi"], uwsgi={"install": "tarball"})
    host.provide()
    assert host.shell.commands("uwsgi") == []
