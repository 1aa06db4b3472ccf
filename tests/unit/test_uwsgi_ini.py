"""The `uwsgi.ini` of a release: against golden files, and read back by uWSGI itself."""

from __future__ import annotations

import re
import subprocess

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import runtime
from ansible_collections.pyweb.stack.plugins.module_utils.release import uwsgi_ini


@pytest.mark.parametrize("name", goldens.SITES)
def test_ini(name):
    build = goldens.FOUND if name == "in_place" else goldens.BUILD
    goldens.check(f"uwsgi_ini/{name}.ini", uwsgi_ini.render(goldens.site(name), build, "aaaaaaaaaaaa"))


def test_ini_without_a_release_has_placeholders_for_the_id():
    golden = (goldens.HERE / "uwsgi_ini/plain.ini").read_text()
    assert golden.count("aaaaaaaaaaaa") == 6
    assert uwsgi_ini.render(goldens.site("plain"), goldens.BUILD) == golden.replace("aaaaaaaaaaaa", "@RELEASE@")


@pytest.mark.parametrize("install", ["uwsgi", "tarball"])
def test_a_compiled_uwsgi_gets_no_binary_path(install):
    assert "binary-path" not in uwsgi_ini.render(goldens.site("plain"), {**goldens.BUILD, "install": install})


@pytest.mark.parametrize(
    ("value", "text"),
    [("100%", "100%%"), ("%(addr)", "%%(addr)"), (True, "true"), (False, "false"), (5, "5"), ("$x", "$x")],
)
def test_escape(value, text):
    assert uwsgi_ini.escape(value) == text


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b", "$(HOME)", "@(/etc/passwd)", "\x7f"])
def test_escape_refuses_what_uwsgi_would_expand(value):
    with pytest.raises(ValueError, match="cannot be written in a uWSGI ini file"):
        uwsgi_ini.escape(value)


@pytest.mark.parametrize("name", ["plain", "tcp", "options"])
def test_uwsgi_itself_reads_the_intended_values(name, tmp_path):
    """uWSGI loads the application with these options, knows all of them, and reports their intended values."""
    site = goldens.site(name, {"sites": f"{tmp_path}/o", "run": f"{tmp_path}/r"})
    release = tmp_path / "o/shop/releases/x"
    for folder in (release / "src", release / "overlay", tmp_path / "r/shop"):
        folder.mkdir(parents=True)
    report = tmp_path / "report"
    (release / "overlay" / f"{runtime.WSGI_MODULE}.py").write_text(
        "import json, os, uwsgi\n"
        "def plain(one):\n"
        "    return list(map(plain, one)) if isinstance(one, list) else one if one is True else one.decode()\n"
        "application = print\n"
        f"open({str(report)!r}, 'w').write(repr((os.getcwd(), {{k: plain(v) for k, v in uwsgi.opt.items()}})))\n"
    )
    site["uwsgi"]["options"].pop("route", None)  # the wheel has no regular expressions
    text = uwsgi_ini.render(site, goldens.BUILD, "x")
    # No virtualenv is made here: uWSGI runs in that of the tests.
    text = re.sub(r"(?m)^(home|binary-path) = .*\n", "", text)
    (release / "uwsgi.ini").write_text(text)
    argv = ["uwsgi", "--ini", str(release / "uwsgi.ini"), "--no-server"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    folder, options = eval(report.read_text(), {})  # noqa: S307 - the test's own report
    assert folder == str(release / "src")
    for key, value in site["uwsgi"]["options"].items():
        assert options[key] in (True, "true") if value is True else options[key] == str(value)
    assert options["processes"] == str(site["uwsgi"]["processes"])
