"""The programs that search variables of the environment, run as on a host with small settings."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import (
    django_debug,
    django_missing,
    django_probe,
    settings_facts,
)
from ansible_collections.pyweb.stack.plugins.module_utils.build.build_settings import missing_variables
from ansible_collections.pyweb.stack.plugins.module_utils.build.program import program_text


@pytest.fixture
def run(tmp_path):
    """run(program, the project's settings, *arguments, **environment) -> the program's output."""

    def running(program, settings, *arguments, **environment):
        (tmp_path / "src").mkdir(exist_ok=True)
        (tmp_path / "src/shop_settings.py").write_text(settings)
        (tmp_path / "pyweb_environment.py").write_text('PROJECT = "shop_settings"\nDEBUG_TRIED = False\n')
        (tmp_path / "pyweb_settings.py").write_text(
            "import pyweb_environment\nfrom shop_settings import *\nDEBUG = False\n"
        )
        done = subprocess.run(
            [sys.executable, "-", "pyweb_settings", *arguments],
            input=program_text(*program) if isinstance(program, tuple) else inspect.getsource(program),
            env={"PYTHONPATH": f"{tmp_path}:{tmp_path}/src", "PYTHONDONTWRITEBYTECODE": "1", **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return running


DEBUG = (settings_facts, django_debug)
NAMES = '["DEBUG", "DJANGO_DEBUG"]'


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ("import os\nDEBUG = os.environ.get('DEBUG', 'True') == 'True'\n", {"DEBUG": "False"}),
        ("import os\nDEBUG = os.environ.get('DJANGO_DEBUG', '') != 'False'\n", {"DJANGO_DEBUG": "False"}),
        ("import os\nDEBUG = bool(int(os.environ.get('DEBUG', 1)))\n", {"DEBUG": "0"}),
        ("import os\nDEBUG = bool(os.environ.get('DEBUG', '1'))\n", {"DEBUG": ""}),
        (
            "import os\nDEBUG = 'True' in (os.getenv('DEBUG', 'True'), os.getenv('DJANGO_DEBUG', 'True'))\n",
            {"DEBUG": "False", "DJANGO_DEBUG": "False"},
        ),
        ("DEBUG = True\n", {}),
        ("print('{}')\nimport os\nDEBUG = os.getenv('DEBUG') != 'False'\n", {"DEBUG": "False"}),
    ],
)
def test_the_variable_that_sets_debug_to_false(run, settings, wanted):
    assert run(DEBUG, settings, NAMES) == wanted


def test_a_variable_of_the_inventory_is_not_changed(run):
    settings = "import os\nDEBUG = os.environ.get('DEBUG', 'True') == 'True'\n"
    assert run(DEBUG, settings, NAMES, DEBUG="True", DJANGO_DEBUG="True") == {}


MISSING = """\
import json, os
ONE = os.environ["ONE"]
PORT = int(os.environ["PORT"])
URL = os.environ["URL"]
assert "://" in URL, URL
PARTS = json.loads(os.environ["PARTS"])["x":] if False else json.loads(os.environ["PARTS"])
assert PARTS == {}
class ImproperlyConfigured(Exception): pass
def env(name):
    try:
        return os.environ[name]
    except KeyError as error:
        raise ImproperlyConfigured(f"Set the {name} environment variable") from error
KEY = env("KEY")
if "TOKEN" not in os.environ:
    raise SystemExit("TOKEN env var is not there")
LAST = os.environ["LAST"]
"""


def test_all_missing_variables_are_found(run):
    found = run(django_missing, MISSING)
    assert [name for name, _place in found] == ["ONE", "PORT", "URL", "PARTS", "KEY", "TOKEN", "LAST"]
    assert dict(found)["PORT"].endswith("shop_settings.py:3")


def test_variables_of_the_inventory_are_not_missing(run):
    found = run(django_missing, MISSING, ONE="1", URL="a://b", TOKEN="t")
    assert [name for name, _place in found] == ["PORT", "PARTS", "KEY", "LAST"]


IN_OTHER_WORDS = """\
import json, os
OPTIONAL = os.getenv("OPTIONAL")
def need(name):
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"what is {name}?")
    return value
KEY = need("KEY")
TOKEN = need("TOKEN")
PORT = int(os.getenv("PORT"))
HOSTS = os.getenv("HOSTS").split(",")
URL = os.getenv("URL")
assert "://" in URL
assert os.environ.get("LAST")
"""


def test_missing_variables_are_found_with_other_error_messages(run):
    found = run(django_missing, IN_OTHER_WORDS)
    assert [name for name, _place in found] == ["KEY", "TOKEN", "PORT", "HOSTS", "URL", "LAST"]
    # The place in the settings, not in a function that they call.
    assert dict(found)["TOKEN"].endswith("shop_settings.py:9")


@pytest.mark.parametrize(
    "fault",
    [
        "import nowhere\n",
        "1 / 0\n",
        "x = {}['A']\n",
        # A step of the build may create the file; setting the variable would only skip this line.
        "if not OPTIONAL: open('stats.json')\n",
        # The value that is tried for an optional variable may raise another error first.
        "if OPTIONAL: raise ValueError(OPTIONAL)\nraise ValueError('other')\n",
    ],
)
def test_a_variable_that_would_not_help_is_not_reported_as_missing(run, fault):
    assert run(django_missing, f"import os\nOPTIONAL = os.getenv('OPTIONAL')\n{fault}") == []


@pytest.mark.parametrize(
    "settings",
    [
        "x = {}['A']\n",
        "import os\nx = os.environ['A']\n1 / 0\n",
        "import os\nx = os.environ['A']\nassert x == 'what nobody guesses'\ny = os.environ['B']\n",
    ],
)
def test_another_error_ends_the_search(run, settings):
    assert [name for name, _place in run(django_missing, settings)] == (["A"] if "environ" in settings else [])


@pytest.mark.parametrize(
    ("errors", "wanted"),
    [
        ([{"type": "missing", "loc": ("token",)}, {"type": "int", "loc": ("b",)}], {"SHOP_TOKEN": ""}),
        ([{"type": "int", "loc": ("b",)}], None),
    ],
)
def test_variables_in_errors_of_pydantic(errors, wanted):
    class Settings:
        model_config = {"env_prefix": "shop_"}  # noqa: RUF012 - as in projects

    class ValidationError(ValueError):
        title = "Settings"

        def errors(self):
            return errors

    def init(self):
        assert self
        raise ValidationError

    with pytest.raises(ValidationError) as caught:
        init(Settings())
    found = django_missing.missing_of(caught.value)
    assert (found and dict.fromkeys(found, "")) == wanted


def test_variables_in_errors_of_environs():
    class EnvValidationError(Exception):
        error_messages = {"A": ["Environment variable not set."], "B": ["not a number"]}  # noqa: RUF012 - as in projects

    assert list(django_missing.missing_of(EnvValidationError("x")) or {}) == ["A"]


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ([], ""),
        ([("A", "a.py:1")], ""),
        (
            [("A", "a.py:1"), ("B", "")],
            "2 variables are missing in the environment: A (a.py:1), B; set env: {A: ..., B: ...} of the site, or set "
            "env_file to a file that contains them",
        ),
        (
            [("A", ""), ("DATABASE_URL", "")],
            "2 variables are missing in the environment: A, DATABASE_URL; set database: URL and env: {A: ...} of the "
            "site, or set env_file to a file that contains them",
        ),
    ],
)
def test_the_message_about_missing_variables(found, wanted):
    assert missing_variables(found) == wanted


WATCH = """
import os
with lookups() as looked:
    {look}
os.environ.get("LATER_DEBUG")
import sys, types
sys.modules["pyweb_environment"] = types.SimpleNamespace(DEBUG_TRIED={tried})
print(json.dumps(debug_variables(looked)))
"""


@pytest.mark.parametrize(
    ("look", "tried", "wanted"),
    [
        ("os.environ.get('DEBUG')", False, ["DEBUG"]),
        ("os.getenv('SHOP_DEBUG'); 'DJANGO_DEBUG' in os.environ", False, ["DJANGO_DEBUG", "SHOP_DEBUG"]),
        ("os.environ.get('DEBUG')", True, []),
        ("os.environ.get('OTHER')", False, []),
        ("os.getenv('DEBUG_MODE')", False, ["DEBUG_MODE"]),
        ("dict(os.environ)", False, ["DEBUG", "DJANGO_DEBUG"]),
        # A subprocess looks up b"PATH"; bytes are not converted.
        ("import subprocess; subprocess.run(['true'], check=True)", False, []),
        ("os.environ.get('DEBUG') or os.environb[b'PATH'].decode()", False, ["DEBUG"]),
    ],
)
def test_variables_that_settings_look_up_for_debug(look, tried, wanted):
    text = inspect.getsource(django_probe).replace('if __name__ == "__main__":\n    main(*sys.argv[1:])\n', "")
    done = subprocess.run(
        [sys.executable, "-"],
        input=text + WATCH.format(look=look, tried=tried),
        env={"PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout) == wanted
