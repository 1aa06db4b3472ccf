"""Project layouts that differ from startproject's: the entry that is found or generated, and the overlay."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import django_probe, layouts, overlay, project, runtime
from ansible_collections.pyweb.stack.plugins.module_utils.build.found import as_found
from ansible_collections.pyweb.stack.plugins.module_utils.host.advice import advice_on
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from builds import completed

SETTINGS = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")\n'
NAMED = SETTINGS + 'os.environ.setdefault("DJANGO_CONFIGURATION", "{name}")\n'


def write(root, files):
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return str(root)


def discover(tmp_path, files, **keys):
    return project.discover(write(tmp_path / "code", files), completed(tmp_path, **keys)[0])


# --- entries ---


@pytest.mark.parametrize(
    ("files", "wsgi"),
    [
        pytest.param({"wsgi.py": ""}, "wsgi:application", id="next to manage.py"),
        pytest.param({"config/wsgi.py": ""}, "config.wsgi:application", id="config"),
        pytest.param({"a/b/wsgi.py": ""}, "a.b.wsgi:application", id="two levels below"),
        pytest.param({"a/b/c/wsgi.py": "", "mysite/asgi.py": ""}, "", id="too deep"),
        pytest.param({"my-site/wsgi.py": ""}, "", id="not a module name"),
        pytest.param({"mysite/asgi.py": "", "tests/site/wsgi.py": ""}, "", id="a test next to an ASGI project"),
        pytest.param({"z/wsgi.py": "", "wsgi.py": ""}, "z.wsgi:application", id="package before top-level file"),
        pytest.param({"src/mysite/wsgi.py": ""}, "mysite.wsgi:application", id="src is not a package"),
        pytest.param({"src/__init__.py": "", "src/wsgi.py": ""}, "src.wsgi:application", id="src is a package"),
        pytest.param(
            {
                "mysite/settings.py": 'WSGI_APPLICATION = "mysite.deploy.app"\n',
                "mysite/deploy.py": "",
                "a/wsgi.py": "",
            },
            "mysite.deploy:app",
            id="WSGI_APPLICATION",
        ),
        pytest.param(
            {"mysite/settings.py": 'WSGI_APPLICATION = "elsewhere.wsgi.application"\n', "a/wsgi.py": ""},
            "a.wsgi:application",
            id="WSGI_APPLICATION outside of the source",
        ),
    ],
)
def test_path_of_the_entry(tmp_path, files, wsgi):
    assert discover(tmp_path, {"manage.py": SETTINGS, **files})["wsgi"] == wsgi


def test_wsgi_application_is_read_from_base_settings(tmp_path):
    files = {
        "manage.py": SETTINGS.replace("mysite.settings", "mysite.settings.dev"),
        "mysite/settings/dev.py": "from .base import *\n",
        "mysite/settings/base.py": "class Base:\n    WSGI_APPLICATION = 'z.wsgi.application'\n",
        "a/wsgi.py": "",
        "z/wsgi.py": "",
    }
    assert discover(tmp_path, files)["wsgi"] == "z.wsgi:application"


def test_a_package_keeps_its_name_although_its_directory_is_on_the_path(tmp_path):
    """As in cookiecutter-django: apps are imported without the package's name, the entry with it."""
    script = SETTINGS + 'import sys\nsys.path.append(str(HERE / "mysite"))\n'
    found = discover(tmp_path, {"manage.py": script, "mysite/__init__.py": "", "mysite/wsgi.py": ""})
    assert (found["wsgi"], found["paths"]) == ("mysite.wsgi:application", ["mysite"])


def test_an_asgi_project_gets_a_wsgi_entry_and_a_note(tmp_path):
    found = discover(tmp_path, {"manage.py": "", "mysite/asgi.py": SETTINGS})
    assert (found["wsgi"], found["asgi"], found["settings_module"]) == (
        "",
        "mysite.asgi:application",
        "mysite.settings",
    )
    assert found["notes"] == [
        "the project has mysite.asgi and no wsgi.py: it is served by a generated WSGI entry, which answers HTTP but no "
        "websockets"
    ]
    site = completed(tmp_path)[0]
    first, _blank, rest = overlay.entry(site, found).partition("\n\n")
    assert first.startswith('"""The WSGI entry of the project of the site shop. Written by pyweb.stack')
    assert rest == ("from django.core.wsgi import get_wsgi_application\n\napplication = get_wsgi_application()\n")


def test_no_entry_is_generated_if_the_project_has_one(tmp_path):
    found = discover(tmp_path, {"manage.py": SETTINGS, "mysite/wsgi.py": ""})
    assert overlay.entry(completed(tmp_path)[0], found) == ""
    assert found["notes"] == []


def test_code_in_place_needs_its_own_entry(tmp_path):
    code = write(tmp_path / "code", {"manage.py": SETTINGS, "mysite/asgi.py": ""})
    [site] = complete([{"name": "shop", "domains": ["a.b"], "source": {"path": code}, "virtualenv": "/srv/venv"}])
    with pytest.raises(StepError, match=r"no wsgi\.py beside manage\.py; set wsgi, as in mysite\.wsgi:application"):
        as_found(site)


# --- no manage.py ---


def test_commented_out_settings_are_ignored():
    text = "# os.environ['DJANGO_SETTINGS_MODULE'] = 'old'\n  #environ.setdefault('DJANGO_SETTINGS_MODULE', 'older')\n"
    assert layouts.named("DJANGO_SETTINGS_MODULE", text) == ""
    text += "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'new')  # not 'old'\n"
    assert layouts.named("DJANGO_SETTINGS_MODULE", text) == "new"


def test_a_package_without_manage_py_needs_only_settings_module_and_wsgi(tmp_path):
    found = discover(tmp_path, {"shop.toml": ""}, settings_module="web.settings", wsgi="web.wsgi:application")
    assert (found["chdir"], found["settings_module"], found["wsgi"]) == (".", "web.settings", "web.wsgi:application")
    assert discover(tmp_path, {}, settings_module="web.settings")["wsgi"] == ""


def test_a_given_manage_py_must_exist(tmp_path):
    with pytest.raises(StepError, match=r"the source has no a/manage\.py; set manage to its path"):
        discover(tmp_path, {"x": ""}, settings_module="web.settings", manage="a/manage.py")


def test_without_manage_py_the_error_says_what_to_set(tmp_path):
    with pytest.raises(StepError, match="a project without one needs settings_module, and wsgi if it has a WSGI entry"):
        discover(tmp_path, {"x": ""})


# --- what manage.py puts on sys.path ---


@pytest.mark.parametrize(
    "line",
    [
        'sys.path.insert(0, os.path.join(os.path.dirname(__file__), "apps"))',
        'sys.path.append(str(Path(__file__).resolve().parent / "apps"))',
        'BASE = Path(__file__).parent\nAPPS = BASE / "apps"\nsys.path.insert(0, str(APPS))',
        'sys.path.extend(["apps"])',
        'from sys import path\npath.append("./apps")',
    ],
)
def test_paths_that_manage_py_adds_are_added_for_the_site(tmp_path, line):
    found = discover(tmp_path, {"manage.py": f"{SETTINGS}{line}\n", "mysite/wsgi.py": "", "apps/x.py": ""})
    assert found["paths"] == ["apps"]


@pytest.mark.parametrize(
    "line",
    [
        'sys.path.append("nowhere")',
        'sys.path.append("..")',
        'sys.path.append("/etc")',
        "sys.path.append(os.path.dirname(__file__))",
        'paths.append("apps")',
        "this is no Python (",
    ],
)
def test_paths_outside_of_the_source_are_not_added(tmp_path, line):
    found = discover(tmp_path, {"manage.py": f"{SETTINGS}{line}\n", "mysite/wsgi.py": "", "apps/x.py": ""})
    assert found["paths"] == []


def test_a_src_layout_is_imported_from_src(tmp_path):
    files = {"manage.py": SETTINGS, "src/mysite/wsgi.py": SETTINGS, "src/mysite/settings.py": "A = 1\n"}
    found = discover(tmp_path, files)
    assert (found["settings_module"], found["paths"]) == ("mysite.settings", ["src"])
    site = completed(tmp_path)[0]
    entry = overlay.entry(site, found)
    assert entry.endswith("\nfrom mysite.wsgi import application as application\n")
    text = overlay.settings(site, found["settings_module"], found)
    assert text.index("sys.path +=") < text.index("from mysite.settings import *")


# --- django-configurations ---


@pytest.mark.parametrize(
    ("manage", "wsgi", "classes", "chosen"),
    [
        ("Dev", "Dev", ["Dev", "Prod"], "Prod"),
        ("Dev", "Staging", ["Dev", "Prod", "Staging"], "Staging"),
        ("Local", "Local", ["Local", "Prod", "Production"], "Production"),
        ("Dev", "Dev", ["Dev"], "Dev"),
        ("Dev", "", ["Dev", "Production"], "Production"),
        ("", "", ["Prod"], "Prod"),
        ("", "", ["Site"], ""),
    ],
)
def test_class_of_the_settings(tmp_path, manage, wsgi, classes, chosen):
    settings = "from configurations import Configuration\n" + "".join(
        f"class {name}(Configuration):\n    pass\n" for name in classes
    )
    files = {
        "manage.py": NAMED.format(name=manage) if manage else SETTINGS,
        "mysite/wsgi.py": NAMED.format(name=wsgi) if wsgi else "",
        "mysite/settings.py": settings,
    }
    found = discover(tmp_path, files)
    assert (found["configurations"], found["configuration"]) == (True, chosen)
    assert any(chosen in note for note in found["notes"]) == bool(chosen)
    secrets = completed(tmp_path)[1]
    wanted = {"DJANGO_CONFIGURATION": chosen} if chosen else {}
    assert runtime.process_environment(secrets, found["configuration"]) == wanted


def test_imported_settings_classes_are_found():
    text = "from .dev import Dev\nfrom .production import Live as Production\n"
    assert layouts.configuration([NAMED.format(name="Dev")], text) == "Production"
    assert layouts.configuration([NAMED.format(name="Dev")], "no Python (") == "Dev"


def test_the_class_in_the_inventorys_environment_overrides_the_default(tmp_path):
    secrets = completed(tmp_path, env={"DJANGO_CONFIGURATION": "Staging"})[1]
    assert runtime.process_environment(secrets, "Prod") == {"DJANGO_CONFIGURATION": "Staging"}


def test_an_unknown_class_must_be_set_in_the_inventory():
    output = "django.core.exceptions.ImproperlyConfigured: Configuration cannot be imported, environment variable "
    output += "DJANGO_CONFIGURATION is undefined."
    assert advice_on(output, output) == "set DJANGO_CONFIGURATION in `env:` of the site"


IMPORTER = """
import os, sys, importlib.util
from importlib.machinery import PathFinder

class Loader:
    def __init__(self, spec): self.spec = spec
    def create_module(self, spec): return None
    def exec_module(self, module):
        self.spec.loader.exec_module(module)
        cls = getattr(module, os.environ["DJANGO_CONFIGURATION"])
        cls.pre_setup(); cls.setup()
        made = cls()
        for name in dir(made):
            if name == name.upper() and not name.startswith("_"):
                setattr(module, name, getattr(made, name))
        cls.post_setup()

class Importer:
    def find_spec(self, fullname, path=None, target=None):
        if fullname == os.environ["DJANGO_SETTINGS_MODULE"]:
            spec = PathFinder.find_spec(fullname, path)
            return importlib.util.spec_from_file_location(fullname, spec.origin, loader=Loader(spec))

installed = False

def install():
    global installed
    if not installed:
        sys.meta_path.insert(0, Importer())
        installed = True
"""
CLASSES = """
from configurations import importer
assert importer.installed

class Base:
    DEBUG = True
    KIND = "base"
    @classmethod
    def pre_setup(cls): pass
    setup = post_setup = pre_setup

class Prod(Base):
    KIND = "production"
"""


@pytest.mark.parametrize("first", ["", "from configurations import importer; importer.install()\n"])
def test_the_overlay_contains_the_settings_of_the_class(tmp_path, first):
    """Also if a worker of the project has installed the importer before, which then reads the overlay too."""
    files = {
        "manage.py": NAMED.format(name="Prod"),
        "mysite/wsgi.py": "",
        "mysite/settings.py": CLASSES,
        "configurations/importer.py": IMPORTER,
    }
    found = discover(tmp_path, files)
    site = completed(tmp_path)[0]
    build = tmp_path / "build"
    texts = {"pyweb_settings.py": overlay.settings(site, found["settings_module"], found), "pyweb_environment.py": ""}
    write(build / "overlay", texts)
    write(tmp_path / "config", {"shop/secret_key": "kept"})
    code = "import os, pyweb_settings as s; print(s.KIND, s.DEBUG, os.environ['DJANGO_SETTINGS_MODULE'])"
    environment = {"PYTHONPATH": f"{build}/overlay", "DJANGO_SETTINGS_MODULE": "pyweb_settings"}
    environment["DJANGO_CONFIGURATION"] = "Prod"
    done = subprocess.run(
        [sys.executable, "-c", first + code],
        env=environment,
        cwd=tmp_path / "code",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("production False pyweb_settings\n", "")


# --- other settings in the overlay ---


def test_a_spatialite_file_moves_to_the_data_and_ids_stay(tmp_path):
    found = discover(tmp_path, {"manage.py": SETTINGS, "mysite/wsgi.py": ""})
    site = completed(tmp_path)[0]
    assert '.endswith(("sqlite3", "spatialite"))' in overlay.settings(site, "mysite.settings", found)
    hashed = overlay.settings(site, "mysite.settings")
    assert '"spatialite"' not in hashed
    text = overlay.settings(site, "mysite.settings", found)
    for came_later, before in {'("sqlite3", "spatialite")': '"sqlite3"', "\nimport pyweb_environment\n": ""}.items():
        text = text.replace(came_later, before)
    assert text == hashed


@pytest.mark.parametrize(
    ("loaded", "named", "right"),
    [(True, "pyweb_settings", True), (False, "pyweb_settings", False), (True, "mysite.settings", False)],
)
def test_a_setting_named_settings_module_does_not_select_another_module(monkeypatch, loaded, named, right):
    """Only the imported module and DJANGO_SETTINGS_MODULE count, not a setting of this name."""
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", named)
    if loaded:
        monkeypatch.setitem(sys.modules, "pyweb_settings", sys)
    with (
        contextlib.nullcontext()
        if right
        else pytest.raises(SystemExit, match="overwrites DJANGO_SETTINGS_MODULE with '")
    ):
        django_probe.refuse_other_settings("pyweb_settings")
