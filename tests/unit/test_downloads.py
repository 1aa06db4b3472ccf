"""Default downloads are verified by pinned hashes, and how these are updated."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import downloads
from ansible_collections.pyweb.stack.plugins.module_utils.build.installer import Installer
from ansible_collections.pyweb.stack.plugins.module_utils.build.pinned import PINNED
from ansible_collections.pyweb.stack.plugins.module_utils.build.requirements import Requirements, gather
from builds import make_context

ROOT = Path(__file__).resolve().parents[2]
VERSION = PINNED["pyuwsgi"][0]


def load_pins():
    spec = importlib.util.spec_from_file_location("pins_tool", ROOT / "tests/tools/pins.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PINS = load_pins()


# --- the pinned file ---


def test_the_pinned_file_is_the_output_of_the_tool():
    path = ROOT / "plugins/module_utils/build/pinned.py"
    assert path.read_text() == PINS.text(PINNED)
    assert set(PINNED) == set(PINS.NAMES)
    for _version, hashes in PINNED.values():
        assert hashes
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes)


def file(name, digest, **more):
    return {"filename": name, "hashes": {"sha256": digest}, "yanked": False, **more}


PAGE = {
    "name": "pyuwsgi",
    "files": [
        file("pyuwsgi-2.0.9-cp39-cp39-manylinux_2_28_x86_64.whl", "a"),
        file("pyuwsgi-2.0.10-cp39-cp39-manylinux_2_28_x86_64.whl", "b"),
        file("pyuwsgi-2.0.10-cp314-cp314-musllinux_1_2_aarch64.whl", "c"),
        file("pyuwsgi-2.0.10-cp314-cp314-macosx_11_0_arm64.whl", "no"),
        file("pyuwsgi-2.0.10-py3-none-win_amd64.whl", "no"),
        file("pyuwsgi-2.0.10-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl", "d"),
        file("pyuwsgi-2.0.10.tar.gz", "e"),
        file("pyuwsgi-2.0.11.tar.gz", "no", yanked="broken"),
        file("pyuwsgi-2.1rc1.tar.gz", "no"),
        file("pyuwsgi-3.exe", "no"),
    ],
}


def test_the_newest_release_is_pinned_with_all_files_for_linux_hosts():
    assert PINS.choose(PAGE) == ("2.0.10", ["b", "c", "d", "e"])
    assert PINS.choose(PAGE, "2.0.9") == ("2.0.9", ["a"])
    with pytest.raises(ValueError, match=r"the index has no pyuwsgi 2\.0\.8"):
        PINS.choose(PAGE, "2.0.8")
    with pytest.raises(ValueError, match=r"the index has no sha256 of pyuwsgi-2\.tar\.gz"):
        PINS.choose({"files": [{"filename": "pyuwsgi-2.tar.gz", "hashes": {}, "yanked": False}]})


def test_an_unknown_name_is_refused(capsys):
    assert PINS.main(["uwsgy=1"]) == 2
    assert "known are pyuwsgi, uv, uwsgi" in capsys.readouterr().err


# --- which sites use the pinned version ---


@pytest.mark.parametrize(
    ("uwsgi", "name"),
    [
        ({}, "pyuwsgi"),
        ({"version": VERSION}, "pyuwsgi"),
        ({"version": "2.0.28"}, ""),
        ({"install": "uwsgi"}, "uwsgi"),
        ({"install": "tarball"}, "uwsgi"),
        ({"install": "distribution"}, ""),
    ],
)
def test_which_uwsgi_is_pinned(tmp_path, uwsgi, name):
    site = make_context(tmp_path, uwsgi=uwsgi).site
    assert downloads.of_uwsgi(site) == (downloads.requirement(name) if name else "")


@pytest.mark.parametrize("text", ["Django\npyuwsgi<2.0.29\n", "Django\nPyUWSGI==2.0.28\n", "Django\n-c pins.txt\n"])
def test_a_version_in_the_projects_requirements_overrides_the_pinned_one(tmp_path, text):
    (tmp_path / "code").mkdir()
    (tmp_path / "code/requirements.txt").write_text(text)
    (tmp_path / "code/pins.txt").write_text("pyuwsgi==2.0.28\n")
    context = make_context(tmp_path, source={"git": "x"})
    assert gather(context, str(tmp_path / "code")).checked == ""
    (tmp_path / "code/requirements.txt").write_text("Django\n")
    assert gather(context, str(tmp_path / "code")).checked == downloads.requirement("pyuwsgi")


def test_pip_installs_the_pinned_version_in_a_separate_call(tmp_path):
    """With hashes for one package pip requires them for all packages of the call."""
    context = make_context(tmp_path, "pip")
    tool = Installer(context, context.user, str(tmp_path))
    tool.install("requirements", "/venv", Requirements(names=["Django", "pyuwsgi"], checked="the line\n"))
    install = "/venv/bin/python -m pip install --quiet --no-input"
    assert context.shell.commands() == [
        f"{install} --require-hashes --no-deps -r {tmp_path}/checked.txt",
        f"{install} Django pyuwsgi",
    ]
    assert (tmp_path / "checked.txt").read_text() == "the line\n"


def test_settings_of_uv_are_passed_to_pip():
    assert downloads.pip_environment({"UV_DEFAULT_INDEX": "https://index/simple", "SSL_CERT_FILE": "/ca.pem"}) == {
        "PIP_INDEX_URL": "https://index/simple",
        "PIP_CERT": "/ca.pem",
    }
    assert downloads.pip_environment({"UV_DEFAULT_INDEX": "https://a", "PIP_INDEX_URL": "https://b"}) == {}


# --- how the installers verify a hash ---


@pytest.fixture
def index(tmp_path):
    """Return the URL of a local package index whose page has a wrong hash."""
    folder = tmp_path / "index/demo-pkg"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "demo_pkg-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("demo_pkg.py", "")
        wheel.writestr("demo_pkg-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo-pkg\nVersion: 1.0\n")
        wheel.writestr("demo_pkg-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        names = ["demo_pkg.py", *(f"demo_pkg-1.0.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD"))]
        wheel.writestr("demo_pkg-1.0.dist-info/RECORD", "".join(f"{name},,\n" for name in names))
    write_page(folder, "0" * 64)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "index"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def write_page(folder, digest):
    name = "demo_pkg-1.0-py3-none-any.whl"
    (folder / "index.html").write_text(f'<a href="{name}{digest and "#sha256="}{digest}">{name}</a>')


UV = shutil.which("uv", path=f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}")


@pytest.mark.skipif(not UV, reason="uv is not installed")
def test_uv_verifies_a_version_of_the_inventory_by_the_index_and_a_pinned_one_by_its_hash(tmp_path, index):
    def install(name, *more):
        subprocess.run([UV, "venv", "--quiet", "--no-config", f"{tmp_path}/venv-{name}"], check=True)
        words = [
            "pip",
            "install",
            "--quiet",
            "--no-config",
            "--no-cache",
            "--python",
            f"{tmp_path}/venv-{name}/bin/python",
        ]
        words += ["--default-index", index, "demo-pkg==1.0", *more]
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("UV_", "PIP_"))}
        return subprocess.run([UV, *words], capture_output=True, text=True, check=False, env=kept)

    assert "Hash mismatch" in install("index").stderr
    write_page(tmp_path / "index/demo-pkg", "")
    assert install("good").returncode == 0
    # As `Installer` passes it: with other requirements that have no hashes, and as a constraint.
    (tmp_path / "checked.txt").write_text(f"demo-pkg==1.0 --hash=sha256:{'1' * 64}\n")
    assert "Hash mismatch" in install("pinned", "--constraint", f"{tmp_path}/checked.txt").stderr
