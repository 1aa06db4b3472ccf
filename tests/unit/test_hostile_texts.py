"""Regression tests for what test_fuzz_readers.py and test_fuzz_long.py found."""

from __future__ import annotations

import time

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import environment, layouts, node
from ansible_collections.pyweb.stack.plugins.module_utils.host import causes
from ansible_collections.pyweb.stack.plugins.module_utils.model import (
    dependencies,
    dependency_files,
    environment_file,
    manifests,
    pins,
    texts,
)
from ansible_collections.pyweb.stack.plugins.module_utils.model.texts import Unreadable
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match

# Python cannot parse it: MemoryError, RecursionError.
DEEP = ("sys.path.append(" + "-" * 9_000 + "1)", "x = " + "[a]" * 9_000, "x = " + "a/b" * 9_000)


@pytest.mark.parametrize("text", DEEP, ids=["unary", "index", "binary"])
def test_code_that_python_cannot_parse_is_ignored(text):
    assert layouts._added_to_path("/nowhere", text) == []
    assert layouts.configuration([""], text) == ""
    assert environment.loading(text) == ""


@pytest.mark.parametrize(
    ("name", "opening"), [("Pipfile.lock", "["), ("pyproject.toml", "a = " + "[" * 9), ("package.json", "[")]
)
def test_data_that_is_nested_too_deeply_is_refused_and_named(tmp_path, name, opening):
    (tmp_path / name).write_text(opening + "[" * 50_000)
    if name == "package.json":
        assert node.package_json([str(tmp_path)]) == {}
        return
    with pytest.raises(Unreadable, match=f"{name}: is nested too deeply; create it again"):
        (texts.toml if name.endswith(".toml") else texts.json_text)(str(tmp_path), name)


@pytest.mark.parametrize("path", ["a\0b", "a\ud800"])
def test_an_invalid_path_is_refused(tmp_path, path):
    with pytest.raises(Unreadable, match=r"uv\.lock: x has the path .*, which is invalid"):
        pins.local_url(str(tmp_path), "uv.lock", path, "x")


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.txt", "a/../../secret.txt"])
def test_a_requirement_file_cannot_include_a_file_outside_of_the_source(tmp_path, path):
    source = tmp_path / "source"
    source.mkdir()
    (tmp_path / "secret.txt").write_text("secret==1\n")
    (source / "requirements.txt").write_text(f"-r {path}\n")
    with pytest.raises(Unreadable, match="with -r, which is outside the source; move it into the source"):
        manifests.requirement_lines(str(source), "requirements.txt")
    assert dependencies.constraints([f"-c {path}"], str(source)) == []


def test_a_requirement_file_may_include_one_above_it_in_the_source(tmp_path):
    (tmp_path / "requirements").mkdir()
    (tmp_path / "base.txt").write_text("a==1\n")
    (tmp_path / "requirements/prod.txt").write_text("-r ../base.txt\nb==1 \\\n    --hash=sha256:0 # why\n\n")
    assert manifests.requirement_lines(str(tmp_path), "requirements/prod.txt") == ["a==1", "b==1 --hash=sha256:0"]


@pytest.mark.parametrize("text", ["\n" * 200_000, "A" * 200_000, "a." * 100_000, " \n" * 100_000])
def test_the_cause_is_found_quickly_in_a_very_long_output(text):
    started = time.process_time()
    assert causes.cause(f"{text}\nTraceback (most recent call last):\nValueError: wrong\n") == "ValueError: wrong"
    assert causes.cause(f"fatal: wrong\n{text}") == "wrong"
    assert time.process_time() - started < 3


@pytest.mark.parametrize("name", ["setup.cfg", "setup.py", "requirements.txt"])
def test_blank_lines_are_read_quickly(tmp_path, name):
    (tmp_path / name).write_text("\n" * 300_000 + " " * 300_000 + "\n")
    started = time.process_time()
    assert dependency_files.requires_python(str(tmp_path)) == ""
    dependency_files.find(str(tmp_path))
    if name == "requirements.txt":
        assert manifests.requirement_lines(str(tmp_path), name) == []
    text = (tmp_path / name).read_text()
    assert not layouts.uses_configurations([text])
    assert layouts.named("X", text) == ""
    assert time.process_time() - started < 3


def test_settings_below_blank_lines_are_found():
    text = "\n\n  # x\n\n\tfrom configurations import Configuration\n\n    WSGI_APPLICATION = 'a.wsgi.application'\n"
    assert layouts.uses_configurations([text])
    assert layouts._WSGI_APPLICATION.search(text)[1] == "a.wsgi"


def test_python_of_a_setup_cfg_is_found(tmp_path):
    (tmp_path / "setup.cfg").write_text("[options]\n  python_requires = >=3.9\n\n  install_requires =\n    a\n")
    assert dependency_files.requires_python(str(tmp_path)) == ">=3.9"
    assert dependency_files.find(str(tmp_path)) == "setup.cfg"


def test_only_line_ends_separate_the_lines_of_an_env_file():
    assert environment_file.parse("A='x\u2028y\x85z'\r\nB=1\rC=\"a\nb\"\n") == {
        "A": "x\u2028y\x85z",
        "B": "1",
        "C": "a\nb",
    }


def test_invalid_optional_dependencies_are_ignored(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[dependency-groups]\na = false\nb = ['django']\n")
    assert "`groups: [b]`" in dependencies.no_django(["pyproject.toml"], str(tmp_path), "3.12")


@pytest.mark.parametrize("inside", ["alias;", "root;", "uwsgi_pass;", "proxy_pass;", "try_files;"])
@pytest.mark.parametrize("place", ["location", "location ~", "location /", "location ~ ^/(a)"])
def test_a_directive_of_nginx_without_arguments_is_ignored(place, inside):
    text = f"# configuration file /n:\nhttp {{ server {{ listen 80; {place} {{ {inside} }} }} }}\n"
    [server] = match.servers(dump.parse(text))
    chain = match.locate(server, "/a")
    assert match.file_of(chain, "/a") == ""
    assert match.handler(chain) is None
