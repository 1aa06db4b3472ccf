"""Which files list a project's dependencies, and which Python the project requires."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model import texts
from ansible_collections.pyweb.stack.plugins.module_utils.model.constraints import (
    python_fits,
    python_marker,
    specifier,
)
from ansible_collections.pyweb.stack.plugins.module_utils.model.dependency_files import (
    find,
    manage_folder,
    others,
    requires_python,
)
from ansible_collections.pyweb.stack.plugins.module_utils.model.texts import Unreadable
from models import completed

PROJECT = "[project]\nname = 'shop'\ndependencies = ['Django']\n"
POETRY = "[tool.poetry.dependencies]\npython = '^3.11'\nDjango = '*'\n"


def write(root, given):
    for name, text in (given if isinstance(given, dict) else dict.fromkeys(given, "")).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return str(root)


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ([], ""),
        (["requirements.txt"], "requirements.txt"),
        (["uv.lock", "poetry.lock", "pdm.lock", "requirements.txt"], "uv.lock"),
        (["poetry.lock", "pdm.lock", "requirements.txt"], "poetry.lock"),
        (["pdm.lock", "pylock.toml", "requirements.txt"], "pdm.lock"),
        ({"Pipfile.lock": "{}", "pylock.toml": "", "Pipfile": ""}, "pylock.toml"),
        ({"Pipfile.lock": '{"_meta": {}}', "pylock.toml": ""}, "Pipfile.lock"),
        (["pylock.toml", "requirements.txt"], "pylock.toml"),
        (["requirements.txt", "requirements-prod.txt", "requirements-dev.txt"], "requirements-prod.txt"),
        (
            ["requirements/production.txt", "requirements/prod.txt", "requirements/base.txt"],
            "requirements/production.txt",
        ),
        (["requirements/prod.txt", "requirements/base.txt", "requirements/local.txt"], "requirements/prod.txt"),
        (["requirements/base.txt", "requirements/test.txt"], "requirements/base.txt"),
        (["requirements.txt", "requirements/production.txt"], "requirements.txt"),
        (["requirements/dev.txt", "test-requirements.txt", "requirements-dev.txt"], ""),
        (["requirements-base.txt", "requirements-dev.txt", "requirements_tests.txt"], "requirements-base.txt"),
        (["requirements-a.txt", "requirements-b.txt"], ""),
        (["requirements-ci.txt"], ""),
        ({"requirements-redis.txt": "", "pyproject.toml": PROJECT}, "pyproject.toml"),
        ({"pyproject.toml": PROJECT, "requirements/base.txt": ""}, "requirements/base.txt"),
        ({"pyproject.toml": PROJECT, "Pipfile": ""}, "pyproject.toml"),
        ({"pyproject.toml": POETRY}, "pyproject.toml"),
        ({"pyproject.toml": "[project]\nname = 'shop'\ndynamic = ['dependencies']\n"}, "pyproject.toml"),
        ({"pyproject.toml": "[project]\nname = 'shop'\n", "Pipfile": ""}, "Pipfile"),
        ({"pyproject.toml": "[tool.ruff]\n", "setup.py": "setup(name='shop')"}, "setup.py"),
        ({"pyproject.toml": "[dependency-groups]\nprod = ['Django']\n"}, "pyproject.toml"),
        ({"pyproject.toml": "[dependency-groups]\ndev = ['ruff']\n", "setup.py": "setup(name='shop')"}, "setup.py"),
        ({"setup.cfg": "[options]\ninstall_requires =\n  Django\n"}, "setup.cfg"),
        ({"setup.cfg": "[flake8]\n"}, ""),
        # Files next to manage.py are preferred to those in the top directory.
        (["backend/manage.py", "backend/requirements.txt", "requirements.txt"], "backend/requirements.txt"),
        (["backend/manage.py", "backend/requirements/prod.txt", "uv.lock"], "backend/requirements/prod.txt"),
        (["src/manage.py", "uv.lock"], "uv.lock"),
        ({"src/manage.py": "", "src/pyproject.toml": "[tool.black]\n", "requirements.txt": ""}, "requirements.txt"),
        (["other/requirements.txt"], ""),
    ],
)
def test_which_file_is_used(tmp_path, there, found):
    assert find(write(tmp_path, there)) == found


def test_the_directory_of_the_given_manage_py_is_used(tmp_path):
    there = ["a/manage.py", "b/manage.py", "a/requirements.txt", "b/requirements.txt"]
    root = write(tmp_path, there)
    assert find(root) == "a/requirements.txt"
    assert find(root, "b/manage.py") == "b/requirements.txt"
    assert manage_folder(root) == "a"
    assert manage_folder(write(tmp_path / "none", ["x"])) == ""


def test_files_that_can_be_given(tmp_path):
    root = write(tmp_path, ["requirements/dev.txt", "a/requirements-test.txt", "notes.txt", "a/b/requirements.txt"])
    assert others(root) == ["a/requirements-test.txt", "requirements/dev.txt"]


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        ({}, ""),
        ({"requirements.txt": ""}, ""),
        ({"uv.lock": 'requires-python = ">=3.14"\n', "pyproject.toml": PROJECT}, ">=3.14"),
        ({"pylock.toml": 'requires-python = ">=3.10"\n'}, ">=3.10"),
        ({"pyproject.toml": PROJECT + "requires-python = '>=3.12'\n", "requirements.txt": ""}, ">=3.12"),
        ({"poetry.lock": "", "pyproject.toml": POETRY}, ">=3.11,<4.0"),
        ({"pyproject.toml": POETRY.replace("^3.11", "^3.8 || ^3.11")}, ""),
        ({"pdm.lock": "", "pyproject.toml": "[project]\nrequires-python = '==3.11.*'\n"}, "==3.11.*"),
        ({"setup.cfg": "[options]\ninstall_requires = Django\npython_requires = >=3.9\n"}, ">=3.9"),
        ({"setup.py": "setup(\n    python_requires='>=3.14',\n    install_requires=['Django'],\n)\n"}, ">=3.14"),
        ({"setup.py": "setup()", "setup.cfg": "[options]\npython_requires = >=3.9\n"}, ">=3.9"),
        ({"setup.py": "setup()  # python_requires='>=3.14'\n"}, ""),
        # pipenv only warns.
        ({"Pipfile": "[requires]\npython_version = '3.8'\n"}, ""),
        (
            {"src/manage.py": "", "src/requirements.txt": "", "pyproject.toml": "[project]\nrequires-python='>=3'\n"},
            ">=3",
        ),
    ],
)
def test_required_python_of_a_project(tmp_path, there, asked):
    assert requires_python(write(tmp_path, there)) == asked


def test_required_python_of_a_given_file(tmp_path):
    root = write(tmp_path, {"a/uv.lock": "requires-python = '>=3.13'\n", "requirements.txt": ""})
    assert requires_python(root, named="a/uv.lock") == ">=3.13"
    assert requires_python(root) == ""


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("uv.lock", "a = 1\nb =\n", r"^uv\.lock: is not valid TOML: .*line 2"),
        ("pyproject.toml", "[project\n", r"^pyproject\.toml: is not valid TOML: .*line 1"),
        ("Pipfile.lock", "{\n\n1}", r"^Pipfile\.lock: is no JSON: .*line 3"),
        ("Pipfile.lock", "[]", r"^Pipfile\.lock: contains no mapping"),
    ],
)
def test_an_unreadable_file_is_reported_with_its_line(tmp_path, name, text, wrong):
    with pytest.raises(Unreadable, match=wrong):
        requires_python(write(tmp_path, {name: text}))


def test_a_binary_file_is_refused(tmp_path):
    (tmp_path / "pyproject.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(Unreadable, match=r"^pyproject\.toml: is not UTF-8 text: invalid start byte at byte 5; save it"):
        find(str(tmp_path))


def test_toml_is_read_with_pips_copy_if_python_has_no_parser(tmp_path, monkeypatch):
    (tmp_path / "a.toml").write_text("a = {b = 1}\n")
    monkeypatch.setattr(texts, "READERS", ("no_such_reader", "pip._vendor.tomli"))
    assert texts.toml(str(tmp_path), "a.toml") == {"a": {"b": 1}}
    wheel = tmp_path / "pip-1-py3-none-any.whl"
    (tmp_path / "made/pip/_vendor").mkdir(parents=True)
    import zipfile

    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("pip/__init__.py", "")
        archive.writestr("pip/_vendor/__init__.py", "")
        archive.writestr("pip/_vendor/tomli/__init__.py", "def loads(text):\n    return {'read': len(text)}\n")
    for name in [name for name in sys.modules if name == "pip" or name.startswith("pip.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(texts, "READERS", ("no_such_reader",))
    monkeypatch.setattr(texts, "PIP_WHEELS", (str(tmp_path / "pip-*.whl"),))
    monkeypatch.setattr(sys, "path", [])
    assert texts.toml(str(tmp_path), "a.toml") == {"read": 12}
    for name in [name for name in sys.modules if name == "pip" or name.startswith("pip.")]:
        del sys.modules[name]
    monkeypatch.setattr(texts, "PIP_WHEELS", ())
    monkeypatch.setattr(texts, "MORE_WHEELS", ())
    with pytest.raises(Unreadable, match=r"^a\.toml: this Python has no reader for TOML"):
        texts.toml(str(tmp_path), "a.toml")


# --- constraints ---


@pytest.mark.parametrize(
    ("written", "pep440"),
    [
        ("^5.2", ">=5.2,<6.0"),
        ("^0.2.3", ">=0.2.3,<0.3"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^5.0b1", ">=5.0b1,<6.0"),
        ("~5.2", ">=5.2,<5.3"),
        ("~5", ">=5,<6.0"),
        ("~5.2.1", ">=5.2.1,<5.3"),
        ("~=4.2.0", "~=4.2.0"),
        ("5.2.1", "==5.2.1"),
        ("5.*", "==5.*"),
        ("*", ""),
        ("", ""),
        (">=3.10,<4.0", ">=3.10,<4.0"),
        (">=3.10 <4.0", ">=3.10,<4.0"),
        (">= 3.10 , != 3.11.*", ">=3.10,!=3.11.*"),
    ],
)
def test_constraints_of_poetry_and_pipenv(written, pep440):
    assert specifier(written) == pep440


@pytest.mark.parametrize("written", ["^3.2 || ^4.0", "latest", "^"])
def test_constraints_without_an_equivalent_are_refused(written):
    with pytest.raises(ValueError, match=r"alternatives|not a version constraint"):
        specifier(written)


def test_a_python_as_a_marker():
    assert python_marker("^3.11") == "python_version >= '3.11' and python_version < '4.0'"
    assert python_marker("<3.11.4") == "python_full_version < '3.11.4'"
    assert python_marker("3.11.*") == "python_version == '3.11.*'"
    assert python_marker("*") == ""


@pytest.mark.parametrize(
    ("wanted", "version", "fits"),
    [
        ("", "3.9", True),
        (">=3.14", "3.13", False),
        (">=3.10,<4.0", "3.12", True),
        (">=3.9", "3.12", True),
        (">=3.12.4", "3.12", True),
        (">3.11", "3.11", False),
        (">3.11.2", "3.11", True),
        ("<3.13", "3.13", False),
        ("<3.13.0", "3.13", False),
        ("<3.13.1", "3.13", True),
        ("<=3.11", "3.12", False),
        ("~=3.11", "3.13", True),
        ("~=3.11", "3.10", False),
        ("~=3.11.2", "3.12", False),
        ("==3.11.*", "3.11", True),
        ("==3.11.*", "3.12", False),
        ("==3.*", "3.12", True),
        ("!=3.11.*", "3.11", False),
        ("!=3.11.2", "3.11", True),
        ("what?", "3.9", True),
    ],
)
def test_whether_a_python_satisfies_the_requirement(wanted, version, fits):
    assert python_fits(wanted, version) is fits


# --- on the controller ---


@pytest.mark.parametrize(
    ("there", "django"),
    [
        ({"Pipfile": "[packages]\ndjango = '~=4.2.0'\n"}, "~=4.2.0"),
        ({"pyproject.toml": POETRY.replace("Django = '*'", "Django = '^4.2'")}, "<5.0,>=4.2"),
        ({"pyproject.toml": PROJECT.replace("Django", "Django~=5.2.0")}, "~=5.2.0"),
        ({"poetry.lock": '[[package]]\nname = "django"\nversion = "5.2.1"\ngroups = ["main"]\n'}, "==5.2.1"),
        ({"uv.lock": '[[package]]\nname = "django"\nversion = "5.2.8"\n'}, "==5.2.8"),
        ({"Pipfile.lock": '{"default": {"django": {"version": "==4.2.30"}}}'}, "==4.2.30"),
        ({"backend/manage.py": "", "backend/requirements.txt": "Django<5\n", "requirements.txt": "Django>5"}, "<5"),
        ({"setup.py": "setup(install_requires=['Django<5'])"}, ""),
        (  # Likewise, for any Python of the controller.
            {"requirements.txt": "Django~=4.2 ; python_version < '3.12'\nDjango~=5.2 ; python_version >= '3.12'\n"},
            "",
        ),
        ({"requirements.txt": "Django~=5.2 ; python_version >= '3.10' and sys_platform == 'linux'\n"}, "~=5.2"),
        (  # For two Pythons: the host decides.
            {"uv.lock": "".join(f'[[package]]\nname = "django"\nversion = "{one}"\n' for one in ("5.2.8", "6.0.1"))},
            "",
        ),
    ],
)
def test_django_version_that_a_directory_requires(tmp_path, there, django):
    assert completed(source={"directory": write(tmp_path, there)})["django"] == django
