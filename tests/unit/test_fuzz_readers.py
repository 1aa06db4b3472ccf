"""Any file of a project or a host: its parser returns a result, or raises the error that it documents."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path

import pytest
import strategies
from ansible_collections.pyweb.stack.plugins.module_utils.build import project
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import verdict
from ansible_collections.pyweb.stack.plugins.module_utils.host import causes
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model import (
    constraints,
    dependencies,
    dependency_files,
    environment_file,
    locks,
    manifests,
    old_poetry,
    pins,
    urls,
)
from ansible_collections.pyweb.stack.plugins.module_utils.model.checks import Wrong
from ansible_collections.pyweb.stack.plugins.module_utils.model.texts import Unreadable
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import failures, option_files, protocol, tracebacks
from hypothesis import given
from hypothesis import strategies as st
from nginx_example import DUMP

WORDS = (
    *("package", "packages", "name", "version", "groups", "group", "markers", "marker", "extras", "source", "type"),
    *(
        "url",
        "reference",
        "resolved_reference",
        "files",
        "file",
        "hash",
        "hashes",
        "dependencies",
        "optional",
        "python",
    ),
    *("metadata", "git", "path", "ref", "rev", "subdirectory", "index", "default", "develop", "_meta", "sources"),
    *("wheels", "sdist", "vcs", "directory", "archive", "commit-id", "tool", "poetry", "pdm", "project", "dev", "main"),
    *("dependency-groups", "include-group", "include_packages", "dev-dependencies", "optional-dependencies", "dynamic"),
    *(
        "django",
        "Django>=5,<6",
        "1.0",
        "^5.2",
        "~5|6",
        "legacy",
        "../x",
        "a",
        "b",
        "sha256:00",
        "extra == 'a'",
        ">=3.9",
    ),
)
SAID = st.recursive(
    st.sampled_from(WORDS) | st.booleans() | st.integers(-1, 3) | st.none() | strategies.CLEAN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=20,
)
FILE = st.dictionaries(st.sampled_from(WORDS), SAID, max_size=5)
PACKAGE = st.dictionaries(st.sampled_from(WORDS), SAID, max_size=6)
LOCK = st.builds(
    lambda packages, more: {**more, "package": packages, "packages": packages}, st.lists(PACKAGE, max_size=3), FILE
)
NAMED = st.lists(st.sampled_from(["dev", "a", "default", "main"]), max_size=2)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    (folder / "a").mkdir()
    return folder


@strategies.asked(150)
@given(data=LOCK | FILE, extras=NAMED, groups=NAMED)
def test_a_lock_of_any_shape_is_read_or_refused(root, data, extras, groups):
    with pytest.MonkeyPatch.context() as patch:
        for module in (locks, old_poetry):
            patch.setattr(module, "toml", lambda *_names: data)
        patch.setattr(locks, "json_text", lambda *_names: data)
        for name in ("poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml"):
            try:
                found = locks.locked(str(root), name, extras, groups)
            except Unreadable:
                continue
            pins.batches(pins.without(found, ["b"]))
        for read in (locks.registries, locks.places):
            try:
                read(str(root), "uv.lock")
            except Unreadable:
                continue


@strategies.asked(150)
@given(data=FILE, extras=NAMED, groups=NAMED)
def test_a_manifest_of_any_shape_is_read_or_refused(root, data, extras, groups):
    for name in ("pyproject.toml", "Pipfile", "uv.lock", "pylock.toml"):
        (root / name).write_text("")
    with pytest.MonkeyPatch.context() as patch:
        for module in (manifests, dependency_files, dependencies):
            patch.setattr(module, "toml", lambda *_names: data)
        for read in (
            lambda: manifests.project(str(root), "pyproject.toml", extras, groups),
            lambda: manifests.poetry(str(root), "pyproject.toml", extras, groups),
            lambda: manifests.pipfile(str(root), "Pipfile", groups),
            lambda: manifests.is_dynamic(str(root), "pyproject.toml"),
            lambda: dependency_files.find(str(root)),
            lambda: dependency_files.requires_python(str(root)),
            lambda: dependencies.locked_by_uv(str(root), "uv.lock"),
            lambda: dependencies.no_django(["pyproject.toml"], str(root), "3.12"),
        ):
            try:
                read()
            except Unreadable:
                continue


BYTES = st.binary(max_size=60) | strategies.TEXT.map(lambda text: text.encode("utf-8", "surrogatepass"))
LINES = st.lists(
    strategies.LINE
    | st.sampled_from(["-r a.txt", "-c x", "-e .", "Django>=5 \\", "x @ file:///y", "--hash=a", "a==1 ; b"]),
    max_size=5,
).map("\n".join)
NAMES = ("requirements.txt", "a.txt", "setup.py", "setup.cfg", "pyproject.toml", "Pipfile.lock", "manage.py")


@strategies.asked(100)
@given(contents=st.dictionaries(st.sampled_from(NAMES), BYTES | LINES.map(str.encode), max_size=3))
def test_dependency_files_of_any_bytes_are_read_or_refused(contents):
    site = {"requirements": None, "manage": "", "extras": [], "groups": []}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in contents.items():
            Path(folder, name).write_bytes(content)
        for read in (
            lambda: list(dependencies.read_lines(site, folder)),
            lambda: dependency_files.requires_python(folder),
            lambda: dependencies.may_bring_django(dependencies.wanted(site, folder), []),
        ):
            try:
                read()
            except Unreadable:
                continue


@strategies.asked(200)
@given(strategies.TEXT | LINES)
def test_requirements_and_versions_of_any_text(text):
    constraints.python_fits(text, "3.12")
    for read in (constraints.specifier, constraints.python_marker):
        try:
            read(text)
        except ValueError:
            continue
    pins.logical_lines(text)
    pins.settled(text, {"extra": ["a"], "extras": ["b"]})
    pins.git_url(text, "c")
    dependencies.names_django([text])
    dependencies.competing([text], "uwsgi")
    with contextlib.suppress(Unreadable):
        pins.exported(text, {}, {}, "/nowhere", "uv.lock")


@strategies.asked(200)
@given(st.text("ab0:/@%[].?#", max_size=12), st.text("ab0:@/%", max_size=8), strategies.TEXT)
def test_no_password_of_a_url_is_shown(user, rest, text):
    password = f"canary{rest}"
    host = "host.example:80/x"
    shown = urls.without_credentials(f"https://user:{password}@{host}")
    assert "canary" not in shown
    urls.credentials(text)
    verdict.hide({"x": [text]}, [])


@strategies.asked(200)
@given(strategies.TEXT | LINES)
def test_an_env_file_is_read_or_refused(text):
    with contextlib.suppress(Wrong):
        assert all(isinstance(value, str) for value in environment_file.parse(text).values())


CONFIGURATION_WORDS = (
    *("http {", "server {", "location ", "upstream u {", "}", ";", "listen ", "server_name ", "alias ", "root ", "#"),
    *("uwsgi_pass ", "proxy_pass ", "try_files ", "include *;", "~ ", "~* ", "^~ ", "= ", "@a ", "/x ", "$u ", "\n"),
    *("x_by_lua_block {", '"', "'", "\\", "80 ", "[::1]:80 ", "unix:/x ", "http://u ", "http://unix:/x:/y ", ":", "("),
    *("$1 ", "return "),
)
CONFIGURATION = st.lists(st.sampled_from(CONFIGURATION_WORDS) | strategies.CLEAN, max_size=25).map("".join)


@strategies.asked(200)
@given(
    CONFIGURATION.map(lambda text: f"# configuration file /etc/nginx/nginx.conf:\n{text}")
    | CONFIGURATION.map(lambda text: DUMP.replace("location / {", f"{text}\nlocation / {{"))
    | CONFIGURATION.map(lambda text: DUMP.replace("listen 80 default_server;", f"listen 80;{text};"))
    | strategies.TEXT,
    st.sampled_from(["/", "/x", "/static/a", "/exact?b", ""]),
)
def test_a_configuration_of_nginx_is_parsed_and_evaluated(text, path):
    try:
        config = dump.parse(text)
    except dump.DumpError:
        return
    for host in ("example.com", "a..b", ""):
        match.select(config, host, "192.0.2.7", 80)
        match.select(config, host, "::1", 443)
    for server in match.servers(config):
        chain = match.locate(server, path)
        passed = match.handler(chain)
        match.file_of(chain, path)
        match.inherited(chain, "client_max_body_size")
        match.parameters(chain, "uwsgi_param")
        if match.passes(passed):
            match.targets(config, passed)
        str(server.place)


ANSWER = BYTES | st.lists(
    st.sampled_from(
        [b"HTTP/1.1 ", b"200", b" OK", b"\r\n", b"\n", b": ", b"Set-Cookie", b"x", b"\0", b"\xff", b"HTTP/1.1 200 "]
    ),
    max_size=12,
).map(b"".join)


@strategies.asked(200)
@given(ANSWER)
def test_an_answer_of_a_socket_is_http_or_an_error(raw):
    with contextlib.suppress(protocol.ProtocolError):
        assert 0 <= protocol._parse("unix:/x", raw, 0.1).status <= 999


@strategies.asked(200)
@given(
    st.lists(
        strategies.LINE
        | st.sampled_from(
            ["Traceback (most recent call last):", '  File "/a/b.py", line 3, in f', "ValueError: x", "error: y"]
        )
        | st.sampled_from(
            [
                "    raise X",
                "  + Exception Group Traceback (most recent call last):",
                "  | A: b",
                "  +- 1 ---",
                "x.E001",
            ]
        )
        | st.sampled_from(["SystemCheckError: x", "?: (a.E001) b", "fatal: z", "KeyError: 'A'", "*** z", "ERROR: no"]),
        max_size=8,
    ).map("\n".join)
    | strategies.TEXT
)
def test_the_reason_of_a_failed_program_is_one_line_for_any_output(text):
    assert "\n" not in causes.cause(text)
    failures.why_not_started(text, 5)
    failures.own_words(text)
    tracebacks.quote(text)
    for kind in ("ini", "xml", "yaml", "json"):
        list(option_files.options_in(text, kind, "uwsgi"))


PYTHON_LINES = (
    *("import os", "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'a.settings')", "sys.path.append('a')", "x = y"),
    *("y = x", "class Production: pass", "from configurations import x", "WSGI_APPLICATION = 'a.wsgi.application'"),
    *("sys.path.insert(0, x)", "sys.path.append(" + "-" * 5_000 + "1)", "(" * 300, "\0", "\x0c"),
    "sys.path.append(" + "+".join(["'a'"] * 3_000) + ")",
)
PYTHON = st.lists(st.sampled_from(PYTHON_LINES) | strategies.CLEAN, max_size=5).map("\n".join)


@strategies.asked(100)
@given(
    contents=st.dictionaries(
        st.sampled_from(
            ["manage.py", "a/settings.py", "a/wsgi.py", "a/asgi.py", "b/manage.py", "a/settings/__init__.py"]
        ),
        PYTHON.map(str.encode) | BYTES,
        max_size=4,
    )
)
def test_a_project_of_any_text_is_discovered_or_refused(contents):
    site = {"name": "shop", "manage": "", "settings_module": "", "wsgi": ""}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in contents.items():
            path = Path(folder, name)
            if path.parent.is_file() or path.is_dir():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        try:
            found = project.discover(folder, site)
        except StepError:
            return
        json.dumps(found)
