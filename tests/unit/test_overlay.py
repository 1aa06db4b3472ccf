"""The settings overlay: against golden files, and executed over settings of projects as people write them."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import goldens
import pytest
from ansible.executor.module_common import ModuleDepFinder
from ansible_collections.pyweb.stack.plugins.module_utils.build import overlay, runtime
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from builds import printed


@pytest.mark.parametrize("name", goldens.SITES)
def test_overlay(name):
    site = goldens.site(name)
    goldens.check(f"overlay/{name}/{runtime.SETTINGS_MODULE}.py.txt", overlay.settings(site, "mysite.settings"))
    goldens.check(f"overlay/{name}/{runtime.WSGI_MODULE}.py.txt", overlay.wsgi(site, "mysite.wsgi:application"))


def test_order_of_settings_does_not_matter():
    """The text is part of a build's id."""
    texts = set()
    for settings in ({"A": 1, "B": 2}, {"B": 2, "A": 1}):
        [site] = complete([{**goldens.SHOP, "settings": settings}])
        texts.add(overlay.settings(site, "mysite.settings"))
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ("mysite.wsgi", "from mysite.wsgi import application as application"),
        ("a.b:app", "from a.b import app as application"),
    ],
)
def test_wsgi_entry(entry, line):
    assert line in overlay.wsgi(goldens.site("plain"), entry)


def test_values_that_look_like_placeholders_are_not_replaced():
    [site] = complete([{**goldens.SHOP, "warm_up": ["/SITE_HOST/entry_module"]}])
    text = overlay.wsgi(site, "WARM_UP_PAGES.wsgi:entry_module")
    assert "from WARM_UP_PAGES.wsgi import entry_module as application" in text
    assert "[('/SITE_HOST/entry_module', '')]" in text


def test_the_wsgi_entry_has_no_placeholder_left():
    text = overlay.wsgi(goldens.site("plain"), "mysite.wsgi")
    assert text.startswith('"""The WSGI entry of the site shop. ')
    left = [word for word in ("SITE_", "WARM_UP_", "OVERLAY_", "entry_", "mypy", "noqa") if word in text]
    assert left == []


def test_the_wsgi_entry_is_found_in_the_zip_file_that_ansible_sends(tmp_path):
    """The zip file has the modules that Ansible finds by their import statements, and is not unpacked."""
    package = "ansible_collections.pyweb.stack.plugins.module_utils.build"
    finder = ModuleDepFinder(f"{package}.overlay", ast.parse(Path(overlay.__file__).read_text()), is_pkg_init=False)
    sent = {".".join(name) for name in finder.submodules}
    assert {f"{package}.{runtime.WSGI_MODULE}", f"{package}.{runtime.ERRORS_MODULE}"} <= sent
    root, payload = Path(overlay.__file__).parents[3], tmp_path / "payload.zip"
    with zipfile.ZipFile(payload, "w") as payload_zip:
        folder = "ansible_collections/pyweb/stack/plugins/module_utils"
        packages = [*Path(folder, "build").parents, Path(folder, "build"), Path(folder, "model")]
        for path in packages:
            payload_zip.writestr(str(path / "__init__.py"), "")
        overlays = (f"build/{name}.py" for name in ("overlay", "runtime", runtime.ERRORS_MODULE, runtime.WSGI_MODULE))
        for name in (*overlays, "model/layout.py", "model/prefixes.py", "model/schemes.py", "model/types.py"):
            payload_zip.write(root / "plugins/module_utils" / name, f"{folder}/{name}")
    code = f"import json, sys; from {package} import overlay; print(overlay.wsgi(json.load(sys.stdin), 'mysite.wsgi'))"
    code += f"; assert '{package}.{runtime.WSGI_MODULE}' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={"PYTHONPATH": str(payload)},
        cwd=tmp_path,
        input=json.dumps(goldens.site("plain")),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == overlay.wsgi(goldens.site("plain"), "mysite.wsgi") + "\n"


@pytest.fixture
def executed(tmp_path):
    """executed(project's settings, environment, **keys of the site) -> the settings that Django would see."""

    def execute(project, environment=None, **keys):
        roots = {key: str(tmp_path / key) for key in ("sites", "state", "config", "run", "cache")}
        [site] = complete([{**goldens.SHOP, **keys}], roots=roots)
        build = tmp_path / "sites/shop/builds/x"
        for folder in (build / "src/mysite", build / "overlay", tmp_path / "config/shop", tmp_path / "state/shop"):
            folder.mkdir(parents=True, exist_ok=True)
        (build / "src/mysite/settings.py").write_text(project)
        (build / "overlay" / f"{runtime.SETTINGS_MODULE}.py").write_text(overlay.settings(site, "mysite.settings"))
        (tmp_path / "config/shop/secret_key").write_text("kept-on-the-host\n")
        code = (
            f"import json, {runtime.SETTINGS_MODULE} as s\n"
            "print(json.dumps({k: v for k, v in vars(s).items() if k.isupper()}, default=str))"
        )
        path = f"{build}/overlay:{build}/src"
        variables = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})}
        return printed(code, variables, build / "src")

    return execute


STARTPROJECT = """
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "django-insecure-key"
DEBUG = True
ALLOWED_HOSTS = []
STATIC_URL = "static/"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
"""


def test_a_fresh_project_gets_settings_for_a_server(executed, tmp_path):
    found = executed(STARTPROJECT)
    assert found["DEBUG"] is False
    assert found["SECRET_KEY"] == "kept-on-the-host"
    assert found["ALLOWED_HOSTS"] == ["shop.example.com", ".shop.example.com"]
    assert found["CSRF_TRUSTED_ORIGINS"] == [
        "http://shop.example.com",
        "https://shop.example.com",
        "http://*.shop.example.com",
        "https://*.shop.example.com",
    ]
    assert found["STATIC_URL"] == "/static/"
    assert found["STATIC_ROOT"] == str(tmp_path / "sites/shop/builds/x/static")
    assert found["MEDIA_URL"] == "/media/"
    assert found["MEDIA_ROOT"] == str(tmp_path / "state/shop/media")
    assert found["DATABASES"]["default"]["NAME"] == str(tmp_path / "state/shop/db.sqlite3")
    assert found["LOGGING"]["root"] == {"handlers": ["stderr"], "level": "INFO"}


def test_the_secret_key_in_the_environment_overrides(executed):
    assert executed(STARTPROJECT, {"DJANGO_SECRET_KEY": "given"})["SECRET_KEY"] == "given"


def test_origins_of_the_project_are_kept(executed):
    found = executed(STARTPROJECT + 'CSRF_TRUSTED_ORIGINS = ["https://partner.example.com"]\n')
    assert found["CSRF_TRUSTED_ORIGINS"][:2] == ["https://partner.example.com", "http://shop.example.com"]


@pytest.mark.parametrize("url", ["https://cdn.example.com/static/", "//cdn.example.com/static/"])
def test_urls_of_files_on_another_host_are_kept(executed, url):
    found = executed(STARTPROJECT + f"STATIC_URL = MEDIA_URL = {url!r}\nMEDIA_ROOT = 'own'\n")
    assert (found["STATIC_URL"], found["MEDIA_URL"], found["MEDIA_ROOT"]) == (url, url, "own")
    assert found["STATIC_ROOT"].endswith("/static")


def test_urls_are_those_of_nginx(executed):
    nginx = {"static": {"url": "/assets/"}, "media": {"url": "/pictures/", "path": "/srv/pictures"}}
    found = executed(STARTPROJECT, nginx=nginx)
    assert (found["STATIC_URL"], found["MEDIA_URL"], found["MEDIA_ROOT"]) == ("/assets/", "/pictures/", "/srv/pictures")


def test_media_root_is_not_set_if_nginx_does_not_serve_media(executed):
    assert "MEDIA_ROOT" not in executed(STARTPROJECT, nginx={"media": False})


def test_logging_of_the_project_is_kept(executed):
    assert executed(STARTPROJECT + 'LOGGING = {"version": 1}\n')["LOGGING"] == {"version": 1}


SQLITE = 'DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {name}}}}}\n'


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ('BASE_DIR / "db.sqlite3"', "{state}/db.sqlite3"),
        ('str(BASE_DIR / "data" / "shop.db")', "{state}/shop.db"),
        ('"db.sqlite3"', "{state}/db.sqlite3"),
        ('"/srv/data/db.sqlite3"', "/srv/data/db.sqlite3"),
        ('":memory:"', ":memory:"),
        ('"file:memory?mode=memory"', "file:memory?mode=memory"),
        ('""', ""),
    ],
)
def test_an_sqlite_file_in_the_code_is_moved_to_the_data(executed, tmp_path, name, wanted):
    found = executed(STARTPROJECT + SQLITE.format(name=name))
    assert found["DATABASES"]["default"]["NAME"] == wanted.format(state=tmp_path / "state/shop")


def test_an_sqlite_file_of_code_in_place_is_not_moved(executed, tmp_path):
    keys = {"source": {"path": str(tmp_path / "sites-code")}, "virtualenv": "/srv/venv"}
    code = tmp_path / "sites/shop/builds/x/src"
    moved = str(tmp_path / "state/shop/db.sqlite3")
    assert executed(STARTPROJECT, **keys)["DATABASES"]["default"]["NAME"] == moved
    (code / "db.sqlite3").write_text("data")
    assert executed(STARTPROJECT, **keys)["DATABASES"]["default"]["NAME"] == str(code / "db.sqlite3")
    (tmp_path / "state/shop/db.sqlite3").write_text("newer data")
    assert executed(STARTPROJECT, **keys)["DATABASES"]["default"]["NAME"] == moved


def test_other_databases_are_not_changed(executed):
    found = executed('DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "shop"}}\n')
    assert found["DATABASES"]["default"]["NAME"] == "shop"


def test_a_database_url_replaces_the_default_database(executed, tmp_path):
    (tmp_path / "sites/shop/builds/x/src").mkdir(parents=True)
    (tmp_path / "sites/shop/builds/x/src/dj_database_url.py").write_text(
        "import os\ndef config(**keys): return {'url': os.environ['DATABASE_URL'], **keys}\n"
    )
    project = STARTPROJECT + 'DATABASES["replica"] = {"ENGINE": "x"}\n'
    found = executed(project, {"DATABASE_URL": "postgres://db/shop"}, database="postgres://db/shop")
    assert found["DATABASES"] == {
        "default": {"url": "postgres://db/shop", "conn_max_age": 60},
        "replica": {"ENGINE": "x"},
    }


def test_a_project_without_any_settings_works(executed):
    assert executed("")["DEBUG"] is False


def test_settings_of_the_inventory_override(executed):
    found = executed(STARTPROJECT, settings={"DEBUG": True, "STATIC_URL": "/s/", "LANGUAGE_CODE": "de"})
    assert (found["DEBUG"], found["STATIC_URL"], found["LANGUAGE_CODE"]) == (True, "/s/", "de")


NASTY = {
    "quotes": 'it\'s "quoted" \'\'\'three\'\'\' """times"""',
    "backslash": "\\ \\n \\",
    "braces": "{name} {0} {{x}} %s %(y)s ${z}",
    "lines": "a\nb\r\n\tc\0",
    "unicode": "é ü 漢字 \u2028 \U0001f600",
    "code": "'); import os; os.abort() #",
    "long": ["x y " * 100, {"key" * 50: "z" * 300}],
    "numbers": [0, -1, 2**70, 1.5, 1e300, -0.0],
    "others": [None, True, False, [], {}, [[]], ""],
}


def test_values_of_any_type_arrive_unchanged(executed):
    assert executed(STARTPROJECT, settings={"NASTY": NASTY, "TEXT": NASTY["long"][0]})["NASTY"] == NASTY


def test_the_wsgi_entry_activates_the_overlay(tmp_path):
    """Even if somebody starts uWSGI by hand, in an environment that names the project's own settings."""
    (tmp_path / f"{runtime.WSGI_MODULE}.py").write_text(overlay.wsgi(goldens.site("plain"), "project:app"))
    (tmp_path / f"{runtime.ERRORS_MODULE}.py").write_text(overlay.errors())
    (tmp_path / "django/core").mkdir(parents=True)
    (tmp_path / "django/core/signals.py").write_text(
        "class got_request_exception:\n    def connect(*_receiver, **_how): pass\n"
    )
    (tmp_path / "project.py").write_text(
        "import os\n"
        "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'own')\n"
        "def app(environ, start_response): return [os.environ['DJANGO_SETTINGS_MODULE']]\n"
    )
    code = f"from {runtime.WSGI_MODULE} import application; print(*application({{}}, None))"
    environment = {"PYTHONPATH": str(tmp_path), "DJANGO_SETTINGS_MODULE": "own"}
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == runtime.SETTINGS_MODULE


# --- https ---

SECURE = ["SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "LANGUAGE_COOKIE_SECURE"]
HEADER = ["HTTP_X_FORWARDED_PROTO", "https"]
# Possible settings of a project whose TLS ends elsewhere.
OWN = """
SECURE_PROXY_SSL_HEADER = ("HTTP_X_TLS", "1")
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 60
SESSION_COOKIE_SECURE = False
SILENCED_SYSTEM_CHECKS = ["own.W001"]
"""


def of_https(text):
    """Return the names in a text that concern https."""
    return [word for word in ("SECURE", "SILENCED", "FORWARDED", "security.") if word in text]


@pytest.mark.parametrize("name", goldens.SITES)
def test_a_site_without_tls_and_proxies_has_no_settings_of_https(name):
    site = goldens.site(name)
    assert of_https(overlay.settings(site, "mysite.settings")) == []
    assert "HTTPS" not in overlay.wsgi(site, "mysite.wsgi")


def test_behind_https_cookies_are_secure_and_nginx_redirects(executed):
    found = executed(STARTPROJECT, tls="selfsigned")
    assert found["SECURE_PROXY_SSL_HEADER"] == HEADER
    assert [found[name] for name in SECURE] == [True, True, True]
    assert found["SECURE_SSL_REDIRECT"] is False
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://shop.example.com", "https://*.shop.example.com"]
    assert "SECURE_HSTS_SECONDS" not in found
    assert "USE_X_FORWARDED_HOST" not in found
    assert found["SILENCED_SYSTEM_CHECKS"] == ["security.W004", "security.W005", "security.W008", "security.W021"]


def test_every_silenced_check_has_a_reason():
    [site] = complete([{**goldens.SHOP, "tls": "selfsigned"}])
    lines = overlay.settings(site, "mysite.settings").splitlines()
    silenced = [number for number, line in enumerate(lines) if '"security.' in line]
    assert len(silenced) == 4
    assert all(lines[number - 1].startswith("    # ") for number in silenced)


def test_logins_work_over_http_if_it_is_served_too(executed):
    found = executed(STARTPROJECT, tls="selfsigned", nginx={"redirect": False})
    assert [name for name in [*SECURE, "SECURE_SSL_REDIRECT"] if name in found] == []
    assert found["SECURE_PROXY_SSL_HEADER"] == HEADER
    assert "http://shop.example.com" in found["CSRF_TRUSTED_ORIGINS"]
    # Nothing redirects to https, so Django's own warning is right.
    assert "security.W008" not in found["SILENCED_SYSTEM_CHECKS"]


def test_https_settings_of_the_project_are_kept_except_redirect_and_hsts(executed):
    found = executed(STARTPROJECT + OWN, tls="selfsigned")
    assert found["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_TLS", "1"]
    # Django's redirect would be a second one, and to another port.
    assert found["SECURE_SSL_REDIRECT"] is False
    assert found["SESSION_COOKIE_SECURE"] is True
    assert found["SECURE_HSTS_SECONDS"] == 60
    assert found["SILENCED_SYSTEM_CHECKS"][:2] == ["own.W001", "security.W004"]
    assert executed(STARTPROJECT + OWN, tls="selfsigned", nginx={"redirect": False})["SECURE_SSL_REDIRECT"] is True
    # nginx sends the header, which must not be sent twice.
    assert executed(STARTPROJECT + OWN, tls="selfsigned", nginx={"hsts": 604800})["SECURE_HSTS_SECONDS"] == 0


def test_https_settings_of_the_inventory_override(executed):
    settings = {"SESSION_COOKIE_SECURE": False, "SECURE_SSL_REDIRECT": True, "SECURE_PROXY_SSL_HEADER": ["A", "b"]}
    found = executed(STARTPROJECT, tls="selfsigned", settings=settings)
    assert {name: found[name] for name in settings} == settings
    assert found["CSRF_COOKIE_SECURE"] is True


def test_behind_a_load_balancer_the_project_trusts_the_headers_of_nginx(executed):
    """nginx only passes scheme and Host on from a trusted proxy."""
    found = executed(STARTPROJECT, nginx={"trusted_proxies": ["10.0.0.0/8"]})
    assert found["SECURE_PROXY_SSL_HEADER"] == HEADER
    assert found["USE_X_FORWARDED_HOST"] is True
    assert [name for name in [*SECURE, "SECURE_SSL_REDIRECT", "SILENCED_SYSTEM_CHECKS"] if name in found] == []
    assert found["CSRF_TRUSTED_ORIGINS"][:2] == ["http://shop.example.com", "https://shop.example.com"]


def test_the_wsgi_entry_of_a_site_with_tls_differs_in_one_line():
    [site] = complete([{**goldens.SHOP, "tls": "selfsigned"}])
    plain = overlay.wsgi(goldens.site("plain"), "mysite.wsgi").splitlines()
    secure = overlay.wsgi(site, "mysite.wsgi").splitlines()
    more = [line.strip() for line in secure if line not in plain]
    assert more == ["environ.update({'HTTPS': 'on', 'HTTP_X_FORWARDED_PROTO': 'https'})"]
    assert [line for line in secure if line in plain] == plain
