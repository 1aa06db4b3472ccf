"""The generated module that prepares the environment of a project's settings, and what it takes from wsgi.py."""

from __future__ import annotations

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import environment
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from builds import printed

STARTPROJECT = """\
import os
import sys
{imports}

def main():
    {first}
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as exc:
        raise ImportError("no Django") from exc
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    {last}
    main()
"""

LOADS = [
    (STARTPROJECT.format(imports="", first="pass", last="pass"), ""),
    (
        STARTPROJECT.format(imports="from dotenv import load_dotenv", first="load_dotenv()", last="pass"),
        "from dotenv import load_dotenv\nload_dotenv()",
    ),
    (
        STARTPROJECT.format(imports="import dotenv", first="pass", last="dotenv.read_dotenv()"),
        "import dotenv\ndotenv.read_dotenv()",
    ),
    (
        "from pathlib import Path\nimport os\nimport environ\nBASE = Path(__file__).parent\nOTHER = os.getcwd()\n"
        "FILE = BASE / '.env'\nif FILE.exists():\n    environ.Env.read_env(FILE)\nprint(BASE)\n"
        "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
        "from pathlib import Path\nimport environ\nBASE = Path(__file__).parent\nFILE = BASE / '.env'\n"
        "if FILE.exists():\n    environ.Env.read_env(FILE)",
    ),
    (
        "try:\n    from dotenv import load_dotenv\n    load_dotenv()\nexcept ImportError:\n    pass\n",
        "try:\n    from dotenv import load_dotenv\n    load_dotenv()\nexcept ImportError:\n    pass",
    ),
    (
        "from dotenv import find_dotenv, load_dotenv\ndef where():\n    return find_dotenv()\nload_dotenv(where())\n",
        "from dotenv import find_dotenv, load_dotenv\ndef where():\n    return find_dotenv()\nload_dotenv(where())",
    ),
    # If a block starts Django, only the statements before the start are taken.
    (
        "try:\n    from dotenv import load_dotenv\n    load_dotenv()\n    execute_from_command_line(sys.argv)\n"
        "except ImportError:\n    raise\n",
        "from dotenv import load_dotenv\nload_dotenv()",
    ),
    ("from dotenv import load_dotenv as read\nread()\n", "from dotenv import load_dotenv as read\nread()"),
    (
        "import os\nfrom dotenv import dotenv_values\nfound = dotenv_values('.env')\nos.environ.update(found)\n",
        "import os\nfrom dotenv import dotenv_values\nfound = dotenv_values('.env')\nos.environ.update(found)",
    ),
    (
        "import os\ndef read(path):\n    for line in open(path):\n        os.environ.setdefault(*line.split('=', 1))\n"
        "read('.env')\n",
        "import os\ndef read(path):\n    for line in open(path):\n        os.environ.setdefault(*line.split('=', 1))\n"
        "read('.env')",
    ),
    (
        "import os\nwith open('.env') as stream:\n    for line in stream:\n"
        "        os.environ.setdefault(*line.split('=', 1))\n",
        "import os\nwith open('.env') as stream:\n    for line in stream:\n"
        "        os.environ.setdefault(*line.split('=', 1))",
    ),
    # A variable that a developer's manage.py sets itself is not taken.
    ("import os\nos.environ['DEBUG'] = '1'\nos.environ.update({'DEBUG': '1'})\nos.environ.update(DEBUG='1')\n", ""),
    ("def unused():\n    load_dotenv()\n", ""),
    ("this is no Python(\n", ""),
    ("", ""),
]


@pytest.mark.parametrize(("source", "wanted"), LOADS)
def test_statements_that_read_a_dotenv_file(source, wanted):
    assert environment.loading(source) == wanted


def test_wsgi_py_is_preferred_to_manage_py(tmp_path):
    (tmp_path / "web/shop").mkdir(parents=True)
    (tmp_path / "web/manage.py").write_text("import dotenv\ndotenv.load_dotenv('m')\n")
    found = environment.dotenv_entry(str(tmp_path), "web", "shop.wsgi:application")
    assert found == ("web/manage.py", "import dotenv\ndotenv.load_dotenv('m')")
    (tmp_path / "web/shop/wsgi.py").write_text("import dotenv\ndotenv.load_dotenv('w')\n")
    assert environment.dotenv_entry(str(tmp_path), "web", "shop.wsgi")[0] == "web/shop/wsgi.py"
    assert environment.dotenv_entry(str(tmp_path), ".", "shop.wsgi") == ("", "")


def test_entry_is_searched_where_modules_are_imported_from(tmp_path):
    (tmp_path / "web/src/shop").mkdir(parents=True)
    (tmp_path / "web/src/shop/asgi.py").write_text("import dotenv\ndotenv.load_dotenv()\n")
    found = environment.dotenv_entry(str(tmp_path), "web", "shop.asgi:application", ["", "src"])
    assert found == ("web/src/shop/asgi.py", "import dotenv\ndotenv.load_dotenv()")


def test_a_link_out_of_the_source_is_not_read(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "outside.py").write_text("import dotenv\ndotenv.load_dotenv()\n")
    (tmp_path / "code/manage.py").symlink_to(tmp_path / "outside.py")
    assert environment.dotenv_entry(str(tmp_path / "code"), ".", "shop.wsgi") == ("", "")


# Not from the caller's file, as python-dotenv does in an interactive process.
CODE = f"""\
import __main__, json, os
import {environment.MODULE} as prepared
assert prepared.DEBUG_TRIED and prepared.PROJECT == "mysite.settings" and not hasattr(__main__, "__file__")
print(json.dumps(dict(os.environ)))
"""


@pytest.fixture
def executed(tmp_path):
    """executed(environment, exported, entry, **files of the source) -> os.environ after an import of the module."""

    def execute(given, exported=None, entry=("", ""), **sources):
        roots = {key: str(tmp_path / key) for key in ("sites", "state", "config", "run", "cache")}
        [site] = complete([goldens.SHOP], roots=roots)
        for folder in ("build/overlay", "build/src/mysite", "config/shop"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "config/shop/secret_key").write_text("kept-on-the-host\n")
        for name, text in sources.items():
            (tmp_path / f"build/src/mysite/{name}.py").write_text(text)
        text = environment.text(site, "mysite.settings", exported or {}, True, entry)
        (tmp_path / f"build/overlay/{environment.MODULE}.py").write_text(text)
        path = f"{tmp_path}/build/overlay:{tmp_path}/build/src"
        return printed(CODE, {"PYTHONPATH": path, **given})

    return execute


def test_the_secret_key_is_exported_under_its_usual_names(executed):
    found = executed({})
    assert (found["SECRET_KEY"], found["DJANGO_SECRET_KEY"]) == ("kept-on-the-host", "kept-on-the-host")


def test_the_inventory_overrides_exported_variables(executed):
    found = executed({"SECRET_KEY": "a", "DEBUG": "True"}, {"DEBUG": "False", "DJANGO_DEBUG": "0"})
    assert (found["SECRET_KEY"], found["DJANGO_SECRET_KEY"]) == ("a", "kept-on-the-host")
    assert (found["DEBUG"], found["DJANGO_DEBUG"]) == ("True", "0")
    assert executed({"DJANGO_SECRET_KEY": "b"})["SECRET_KEY"] == "b"


DOTENV = """\
import os, sys
def load_dotenv():
    frame = sys._getframe(1)
    import __main__
    os.environ.setdefault("CALLED_FROM", frame.f_code.co_filename + " " + __main__.__file__)
    os.environ.setdefault("DEBUG", "from-dotenv")
"""


def test_a_dotenv_file_is_read_as_if_from_the_projects_own_file(executed, tmp_path):
    """python-dotenv searches .env from the file of its caller, unless the process is interactive."""
    statements = "from mysite.dotenv import load_dotenv\nload_dotenv()"
    found = executed({}, {"DEBUG": "False"}, ("mysite/wsgi.py", statements), __init__="", dotenv=DOTENV, wsgi="")
    entry = str(tmp_path / "build/src/mysite/wsgi.py")
    assert found["CALLED_FROM"] == f"{entry} {entry}"
    assert found["DEBUG"] == "False"


def test_values_in_the_generated_module_are_quoted():
    [site] = complete([goldens.SHOP])
    text = environment.text(site, "m'; x", {"A'": 'b"\n'}, False, ("a'.py", "x = '''\n\"\"\"'''"))
    compile(text, "x", "exec")
    assert "DEBUG_TRIED = False\n" in text
