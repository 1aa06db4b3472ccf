"""Pinned packages in lock files and manifests; except for long lists, the files were made by the real tools."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model import manifests
from ansible_collections.pyweb.stack.plugins.module_utils.model.dependencies import (
    competing,
    names_django,
    newest_django,
    of_uv_export,
)
from ansible_collections.pyweb.stack.plugins.module_utils.model.locks import locked, registries
from ansible_collections.pyweb.stack.plugins.module_utils.model.pins import Pin, batches, git_url, settled
from ansible_collections.pyweb.stack.plugins.module_utils.model.texts import Unreadable
from lock_files import DEFAULT, real_locks, with_index

LOCKS = real_locks()
WIN = 'sys_platform == "win32"'


def lines(folder, name, extras=(), groups=()):
    return [pin.line for pin in locked(str(LOCKS / folder), name, extras, groups)]


def write(root, texts):
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return str(root)


def test_poetry():
    main = [
        "asgiref==3.12.1",
        "django==5.2.1",
        "sqlparse==0.6.1",
        'typing-extensions==4.16.0 ; python_version == "3.10"',
        f"tzdata==2026.6 ; {WIN}",
    ]
    assert lines("poetry", "poetry.lock") == main
    assert lines("poetry", "poetry.lock", ["images"]) == sorted([*main, "pillow==12.3.0"])
    assert lines("poetry", "poetry.lock", [], ["prod"]) == sorted([*main, "gunicorn==27.0.1"])
    assert lines("poetry", "poetry.lock", [], ["dev"]) == sorted([*main, "iniconfig==2.3.1"])
    django = next(pin for pin in locked(str(LOCKS / "poetry"), "poetry.lock", [], []) if pin.name == "django")
    assert len(django.hashes) == 2
    assert all(digest.startswith("sha256:") for digest in django.hashes)


@pytest.mark.parametrize(
    ("extras", "groups", "wrong"),
    [
        (["image"], [], r"^poetry\.lock: extras: it has no 'image'; did you mean 'images'\?"),
        ([], ["prd"], r"^poetry\.lock: groups: it has no 'prd'; did you mean 'prod'\?"),
    ],
)
def test_unknown_extras_and_groups_of_a_lock_are_refused(extras, groups, wrong):
    with pytest.raises(Unreadable, match=wrong):
        lines("poetry", "poetry.lock", extras, groups)


def test_pipenv():
    django = "django==4.2.30 ; python_version >= '3.8'"
    found = lines("pipenv", "Pipfile.lock")
    assert django in found
    assert "tzdata ; sys_platform == 'win32'" in found
    assert not [line for line in found if "iniconfig" in line]
    assert "iniconfig==2.3.1 ; python_version >= '3.10'" in lines("pipenv", "Pipfile.lock", [], ["dev"])
    with pytest.raises(Unreadable, match=r"^Pipfile\.lock: groups: it has no 'docs'"):
        lines("pipenv", "Pipfile.lock", [], ["docs"])
    with pytest.raises(Unreadable, match="it has no extras"):
        lines("pipenv", "Pipfile.lock", ["a"])


def test_pylock():
    assert lines("pylock", "pylock.toml") == [
        "asgiref==3.12.1 ; python_full_version < '3.11'",
        "asgiref==3.13.0 ; python_full_version >= '3.11'",
        "django==5.2.19",
        "sqlparse==0.6.1",
        "typing-extensions==4.16.0 ; python_full_version < '3.11'",
        "tzdata==2026.6 ; sys_platform == 'win32'",
    ]
    assert all(len(pin.hashes) == 2 for pin in locked(str(LOCKS / "pylock"), "pylock.toml", [], []))


def test_pylock_with_groups_extras_and_locations(tmp_path):
    text = """lock-version = "1.0"
extras = ["images"]
dependency-groups = ["dev", "prod"]
default-groups = ["prod"]
[[packages]]
name = "pillow"
version = "12"
index = "https://mine.example.com/simple"
marker = "'images' in extras and sys_platform == 'linux'"
wheels = [{url = "https://mine.example.com/p.whl", hashes = {sha256 = "00", md5 = "11"}}]
[[packages]]
name = "iniconfig"
version = "2"
marker = "'dev' in dependency_groups"
wheels = [{url = "https://x/i.whl", hashes = {sha256 = "22"}}]
[[packages]]
name = "gunicorn"
version = "27"
marker = "'prod' in dependency_groups"
wheels = [{url = "https://x/g.whl", hashes = {sha256 = "33"}}]
[[packages]]
name = "ours"
vcs = {type = "git", url = "https://git/ours", commit-id = "abc", subdirectory = "py"}
[[packages]]
name = "here"
directory = {path = "lib/here"}
[[packages]]
name = "there"
archive = {url = "https://x/there.zip", hashes = {sha256 = "44"}}
"""
    root = write(tmp_path, {"pylock.toml": text, "lib/here/setup.py": ""})
    truth = "python_version >= '0' and sys_platform == 'linux'"
    assert locked(root, "pylock.toml", ["images"], []) == [
        Pin("pillow", "pillow==12", truth, ("sha256:00",), "https://mine.example.com/simple"),
        Pin("gunicorn", "gunicorn==27", "", ("sha256:33",)),
        Pin("ours", "ours @ git+https://git/ours@abc#subdirectory=py"),
        Pin("here", f"here @ file://{root}/lib/here", local=True),
        Pin("there", "there @ https://x/there.zip", "", ("sha256:44",)),
    ]
    assert "iniconfig" in [pin.name for pin in locked(root, "pylock.toml", [], ["dev"])]


PDM = """[metadata]
groups = ["default", "dev", "images"]
strategy = ["inherit_metadata"]
lock_version = "4.5.0"

[[metadata.targets]]
requires_python = ">=3.10"

[[package]]
name = "django"
version = "5.2.8"
requires_python = ">=3.10"
groups = ["default", "dev"]
files = [
    {file = "django-5.2.8-py3-none-any.whl", hash = "sha256:00"},
    {file = "django-5.2.8.tar.gz", hash = "sha256:11"},
]

[[package]]
name = "django"
version = "5.2.8"
extras = ["argon2"]
groups = ["default"]
files = [{file = "django-5.2.8.tar.gz", hash = "sha256:11"}]

[[package]]
name = "shop-theme"
version = "1"
groups = ["default"]
files = [{file = "shop_theme-1.tar.gz", hash = "sha256:33"}]

[[package]]
name = "tzdata"
version = "2026.1"
groups = ["default"]
marker = "sys_platform == \\"win32\\""
files = [{file = "tzdata.whl", hash = "sha256:22"}]

[[package]]
name = "pillow"
version = "12"
groups = ["images"]
files = [{file = "pillow.whl", hash = "sha256:44"}]

[[package]]
name = "ours"
git = "git@git.example.com:ours.git"
ref = "main"
revision = "abc"
groups = ["default"]
"""


def test_pdm(tmp_path):
    project = "[[tool.pdm.source]]\nname = 'mine'\nurl = 'https://mine/simple'\ninclude_packages = ['shop-*']\n"
    root = write(tmp_path, {"pdm.lock": PDM, "pyproject.toml": project})
    found = locked(root, "pdm.lock", [], [])
    assert [pin.line for pin in found] == [
        "django[argon2]==5.2.8",
        "shop-theme==1",
        f"tzdata==2026.1 ; {WIN}",
        "ours @ git+ssh://git@git.example.com/ours.git@abc",
    ]
    assert [pin.index for pin in found] == ["", "https://mine/simple", "", ""]
    assert "pillow==12" in [pin.line for pin in locked(root, "pdm.lock", ["images"], [])]
    with pytest.raises(Unreadable, match=r"^pdm\.lock: extras and groups: it has no 'image'; did you mean 'images'\?"):
        locked(root, "pdm.lock", ["image"], [])
    write(tmp_path, {"pyproject.toml": project.replace("include_packages", "x")})
    with pytest.raises(Unreadable, match=r"^pyproject\.toml: tool\.pdm\.source 'mine' has no include_packages"):
        locked(root, "pdm.lock", [], [])


OLD = """[[package]]
name = "Django"
version = "4.2.1"
optional = false
python-versions = ">=3.8"
files = [{file = "Django.whl", hash = "sha256:00"}]

[package.dependencies]
asgiref = ">=3.6"
backports-zoneinfo = {version = "*", markers = "python_version < \\"3.9\\""}
argon2-cffi = {version = ">=19", optional = true}

[package.extras]
argon2 = ["argon2-cffi (>=19.1.0)"]

[[package]]
name = "argon2-cffi"
version = "23.1"
optional = true
files = []

[[package]]
name = "asgiref"
version = "3.7"
files = []

[package.dependencies]
django = {version = "*", markers = "python_version > '9'"}
typing-extensions = {version = ">=4", markers = "python_version < '3.11'"}

[[package]]
name = "typing-extensions"
version = "4.9"
files = []

[[package]]
name = "backports-zoneinfo"
version = "0.2"
files = []

[[package]]
name = "pytest"
version = "7"
files = []

[[package]]
name = "private"
version = "1"
files = []

[package.source]
type = "legacy"
url = "https://mine/simple"
reference = "mine"

[metadata]
lock-version = "2.0"
"""
OLD_PROJECT = """[tool.poetry.dependencies]
python = "^3.8"
django = {version = "^4.2", extras = ["argon2"]}
private = "*"
pytest = {version = "*", optional = true}
[tool.poetry.group.dev.dependencies]
pytest = "*"
[tool.poetry.extras]
test = ["pytest"]
"""


def test_a_lock_of_poetry_1(tmp_path):
    """It does not record why a package is in it."""
    root = write(tmp_path, {"poetry.lock": OLD, "pyproject.toml": OLD_PROJECT})
    found = locked(root, "poetry.lock", [], [])
    assert sorted(pin.line for pin in found) == [
        "Django==4.2.1",
        "argon2-cffi==23.1",
        "asgiref==3.7",
        'backports-zoneinfo==0.2 ; (python_version < "3.9")',
        "private==1",
        "typing-extensions==4.9 ; (python_version < '3.11')",
    ]
    assert {pin.name: pin.index for pin in found}["private"] == "https://mine/simple"
    for extras, groups in ((["test"], []), ([], ["dev"])):
        assert "pytest==7" in [pin.line for pin in locked(root, "poetry.lock", extras, groups)]
    write(
        tmp_path, {"pyproject.toml": OLD_PROJECT + "missing = ['x']\n[tool.poetry.group.x.dependencies]\nnew = '*'\n"}
    )
    with pytest.raises(
        Unreadable,
        match=(
            r"it has no new, which pyproject\.toml requires; create it again: poetry "
            r"lock"
        ),
    ):
        locked(root, "poetry.lock", [], ["x"])
    write(tmp_path, {"poetry.lock": OLD + '[[package]]\nname = "django"\nversion = "4.1"\n'})
    with pytest.raises(Unreadable, match=r"django is in it twice"):
        locked(root, "poetry.lock", [], [])


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ('type = "git"\nurl = "https://git/x"\nresolved_reference = "abc"\n', "x @ git+https://git/x@abc"),
        ('type = "url"\nurl = "https://x/x.whl"\n', "x @ https://x/x.whl"),
        ('type = "directory"\nurl = "lib"\n', "x @ file://{root}/lib"),
    ],
)
def test_locations_in_a_poetry_lock(tmp_path, source, line):
    text = f'[[package]]\nname = "x"\nversion = "1"\ngroups = ["main"]\n[package.source]\n{source}'
    root = write(tmp_path, {"poetry.lock": text, "lib/setup.py": ""})
    [pin] = locked(root, "poetry.lock", [], [])
    assert pin.line == line.format(root=root)
    assert pin.local is ("lib" in source)


def test_code_outside_of_the_source_is_refused(tmp_path):
    text = '{"default": {"x": {"path": "../x"}}}'
    root = write(tmp_path / "code", {"Pipfile.lock": text})
    write(tmp_path / "x", {"setup.py": ""})
    with pytest.raises(Unreadable, match=r"^Pipfile\.lock: x has the path '\.\./x', which is not in the source"):
        locked(root, "Pipfile.lock", [], [])


def test_locations_in_a_pipenv_lock(tmp_path):
    text = """{"_meta": {"sources": [{"name": "mine", "url": "https://mine/simple"}, {"name": "pypi", "url":
    "DEFAULT-INDEX"}]}, "default": {"a": {"version": "==1"}, "b": {"version": "==1", "index": "pypi"},
    "c": {"git": "https://git/c", "ref": "abc", "extras": ["x"]}, "d": {"path": ".", "editable": true}}}"""
    text = with_index(text)
    root = write(tmp_path, {"Pipfile.lock": text})
    assert locked(root, "Pipfile.lock", [], []) == [
        Pin("a", "a==1", index="https://mine/simple"),
        Pin("b", "b==1"),
        Pin("c", "c[x] @ git+https://git/c@abc"),
        Pin("d", f"d @ file://{root}", local=True),
    ]
    write(tmp_path, {"Pipfile.lock": text.replace("https://mine", "https://$TOKEN@mine")})
    with pytest.raises(Unreadable, match="a comes from an index whose URL has variables"):
        locked(root, "Pipfile.lock", [], [])


# --- uv ---


def test_the_export_of_uv_keeps_the_indexes_of_the_lock(tmp_path):
    text = "".join(
        f'[[package]]\nname = "{name}"\nversion = "1"\nsource = {{ registry = "{url}" }}\n'
        for name, url in (("django", DEFAULT), ("mine", "https://mine/simple"), ("flat", "wheels"))
    )
    text += '[[package]]\nname = "Library"\nversion = "1"\nsource = { directory = "lib" }\n'
    root = write(tmp_path, {"uv.lock": text, "lib/setup.py": "", "own/setup.py": ""})
    assert registries(root, "uv.lock")[("mine", "1")] == "https://mine/simple"
    exported = (
        "# a comment\ndjango[argon2]==1 ; sys_platform == 'linux' \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n"
        "mine==1 \\\n    --hash=sha256:22\nflat==1\nours @ git+https://git/ours@abc\n./lib\n"
        "own @ file:///OWN ; python_version > '3'\n"
    ).replace("/OWN", f"{root}/own")
    assert of_uv_export(exported, root, "uv.lock") == [
        Pin("django", "django[argon2]==1", "sys_platform == 'linux'", ("sha256:00", "sha256:11")),
        Pin("mine", "mine==1", "", ("sha256:22",), "https://mine/simple"),
        Pin("flat", "flat==1", index="wheels", local=True),
        Pin("ours", "ours @ git+https://git/ours@abc"),
        Pin("library", f"library @ file://{root}/lib", local=True),
        Pin("own", f"own @ file://{root}/own", "python_version > '3'", local=True),
    ]


def test_the_real_uv_lock():
    assert registries(str(LOCKS / "uv"), "uv.lock")[("django", "5.2.19")] == DEFAULT


# --- manifests ---


def test_a_pipfile():
    assert manifests.pipfile(str(LOCKS / "pipenv"), "Pipfile") == [
        "django~=4.2.0",
        "tzdata ; sys_platform == 'win32'",
    ]
    assert "iniconfig" in manifests.pipfile(str(LOCKS / "pipenv"), "Pipfile", ["dev"])


def test_poetrys_own_table():
    root = str(LOCKS / "poetry")
    assert manifests.is_poetrys(root, "pyproject.toml")
    assert not manifests.is_poetrys(str(LOCKS / "uv"), "pyproject.toml")
    assert manifests.poetry(root, "pyproject.toml", ["images"], ["prod"]) == [
        "Django==5.2.1",
        "tzdata ; sys_platform == 'win32'",
        "pillow",
        "gunicorn",
    ]
    assert "pillow" not in manifests.poetry(root, "pyproject.toml")


def test_every_form_of_a_dependency(tmp_path):
    text = """[tool.poetry.dependencies]
a = {version = "^1.2", extras = ["x", "y"], python = "<3.12", markers = "os_name == 'posix'"}
b = [{version = "1.0", python = "<3.11"}, {version = "2.0", python = ">=3.11"}]
c = {git = "https://git/c", tag = "v1", subdirectory = "py"}
d = {path = "lib"}
e = {url = "https://x/e.whl"}
"""
    root = write(tmp_path, {"pyproject.toml": text, "lib/setup.py": ""})
    assert manifests.poetry(root, "pyproject.toml") == [
        "a[x,y]>=1.2,<2.0 ; (os_name == 'posix') and (python_version < '3.12')",
        "b==1.0 ; python_version < '3.11'",
        "b==2.0 ; python_version >= '3.11'",
        "c @ git+https://git/c@v1#subdirectory=py",
        f"d @ file://{root}/lib",
        "e @ https://x/e.whl",
    ]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("a = '^1 || ^2'", r"^pyproject\.toml: a: '\^1 \|\| \^2' has alternatives, which only a lock file can resolve"),
        ("a = {version = '1', source = 'mine'}", r"^pyproject\.toml: a comes from the index 'mine', which only a lock"),
    ],
)
def test_dependencies_that_need_a_lock_file_are_refused(tmp_path, line, wrong):
    root = write(tmp_path, {"pyproject.toml": f"[tool.poetry.dependencies]\n{line}\n"})
    with pytest.raises(Unreadable, match=wrong):
        manifests.poetry(root, "pyproject.toml")


def test_the_project_table_with_extras_and_groups(tmp_path):
    text = """[project]
dependencies = ["django"]
optional-dependencies = {Images_1 = ["pillow"]}
[dependency-groups]
prod = ["gunicorn", {include-group = "more"}]
more = ["sentry-sdk"]
"""
    root = write(tmp_path, {"pyproject.toml": text})
    assert manifests.project(root, "pyproject.toml", ["images-1"], ["prod"]) == [
        *("django", "pillow", "gunicorn", "sentry-sdk"),
    ]
    for extras, groups in ((["x"], []), ([], ["x"])):
        with pytest.raises(Unreadable, match="it has no 'x'"):
            manifests.project(root, "pyproject.toml", extras, groups)


def test_requirement_files_that_include_others(tmp_path):
    texts = {
        "requirements/prod.txt": "-r base.txt\n--requirement=more.txt # comment\n-c ../limits.txt\n-r prod.txt\n",
        "requirements/base.txt": "Django \\\n  >=5\n\n# x\n",
        "requirements/more.txt": "-e .\n--index-url https://x\n-r https://x/y.txt\n",
    }
    root = write(tmp_path, texts)
    assert manifests.requirement_lines(root, "requirements/prod.txt") == [
        *("Django >=5", "-e .", "--index-url https://x", "-r https://x/y.txt", "-c limits.txt"),
    ]


# --- pins ---


def test_which_pins_are_installed_together():
    pins = [
        Pin("b", "b==1", hashes=("h:1",)),
        Pin("a", "a==1", hashes=("h:2",)),
        Pin("c", "c @ x"),
        Pin("d", "d==1", index="i"),
    ]
    assert [(batch.index, batch.text) for batch in batches(pins)] == [
        ("", "c @ x\n"),
        ("", "a==1 \\\n    --hash=h:2\nb==1 \\\n    --hash=h:1\n"),
        ("i", "d==1\n"),
    ]


@pytest.mark.parametrize(
    ("marker", "left"),
    [
        ("", ""),
        ('extra == "a"', ""),
        ("extra == 'b'", None),
        ("extra != 'b'", ""),
        ("'a' == extra", ""),
        ("python_version > '3' and extra == \"a\"", "python_version > '3' and python_version >= '0'"),
        ("python_version > '3' or extra == 'b'", "python_version > '3' or python_version < '0'"),
    ],
)
def test_extras_in_markers_are_evaluated(marker, left):
    assert settled(marker, {"extra": ["a"]}) == left


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://h/r.git", "git+https://h/r.git@c"),
        ("git+ssh://git@h/r", "git+ssh://git@h/r@c"),
        ("git@h:o/r.git", "git+ssh://git@h/o/r.git@c"),
        ("ssh://git@h/r", "git+ssh://git@h/r@c"),
    ],
)
def test_urls_of_repositories(url, wanted):
    assert git_url(url, "c") == wanted


# --- Django and uWSGI ---


@pytest.mark.parametrize(
    ("line", "is_django"),
    [
        ("Django", True),
        ("django==5", True),
        ("django [argon2] >=5", True),
        ("Django ; python_version > '3'", True),
        ("django-environ", False),
        ("django_extensions==1", False),
        ("djangorestframework", False),
    ],
)
def test_which_requirement_is_django(line, is_django):
    assert names_django([line]) is is_django


def test_the_newest_django_for_a_python():
    assert newest_django("3.9") == "Django>=4.2,<4.3"
    assert newest_django("3.11") == "Django>=5.2,<5.3"
    assert newest_django("3.13") == "Django>=6.1,<6.2"
    assert newest_django("") == "Django>=6.1,<6.2"


def test_another_uwsgi_is_recognized():
    assert competing(["uWSGI==2", "uwsgitop"], "pyuwsgi") == ["uwsgi"]
    assert competing(["uwsgi", "pyuwsgi"], "uwsgi") == ["pyuwsgi"]
    assert competing(["pyuwsgi"], "pyuwsgi") == []
    assert competing(["-r x", "./uwsgi"], "pyuwsgi") == []
