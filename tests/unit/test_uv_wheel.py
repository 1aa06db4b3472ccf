"""uv without pip: the right wheel of an index page, its checksum, and when it is left to pip."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import zipfile

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import uv_wheel

PAGE = "https://index.example/simple/uv/"


def wheel(name="uv-0.9.2.data/scripts/uv", content=b"#!/bin/sh\necho uv\n"):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("uv-0.9.2.dist-info/METADATA", "Name: uv\n")
        archive.writestr("uv-0.9.2.data/scripts/uvx", b"another program")
        archive.writestr(name, content)
    return stream.getvalue()


def link(version, platform, digest="0" * 64, attributes=""):
    name = f"uv-{version}-py3-none-{platform}.whl"
    return f'<a href="../../files/{name}#sha256={digest}"{attributes}>{name}</a><br/>\n'


X86 = "manylinux_2_17_x86_64.manylinux2014_x86_64"
ARM = "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64"


@pytest.fixture(autouse=True)
def host(monkeypatch, tmp_path):
    """A host of a known kind, on which nobody configured pip."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(uv_wheel, "PIP_FILES", (str(tmp_path / "pip.conf"),))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    before = os.umask(0o077)
    yield
    os.umask(before)


class Index:
    """A package index; `asked` are the URLs that were fetched."""

    def __init__(self, files):
        self.files, self.asked = files, []

    def __call__(self, url, path):
        self.asked.append(url)
        if url not in self.files:
            raise OSError(f"{url}: 404")
        with open(path, "wb") as stream:
            stream.write(self.files[url])


def index_of(content, digest=None, page=PAGE):
    digest = digest or hashlib.sha256(content).hexdigest()
    base = page[: -len("simple/uv/")]
    name = f"uv-0.9.2-py3-none-{X86}.whl"
    return Index({page: link("0.9.2", X86, digest).encode(), f"{base}files/{name}": content})


def fetch(tmp_path, index, environment):
    target = tmp_path / "tools/bin/uv"
    return uv_wheel.fetch_uv(str(target), environment, index, str(tmp_path)), target


def test_program_of_the_wheel_is_written_and_can_be_run(tmp_path):
    done, target = fetch(tmp_path, index_of(wheel()), {"PIP_INDEX_URL": "https://index.example/simple"})
    assert done
    assert target.read_bytes() == b"#!/bin/sh\necho uv\n"
    for path in (target, target.parent, target.parent.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o755
    assert [path.name for path in target.parent.iterdir()] == ["uv"]


def test_index_is_pypi_where_none_is_named(tmp_path):
    index = index_of(wheel(), page="https://pypi.org/simple/uv/")
    assert fetch(tmp_path, index, {})[0]
    assert index.asked[0] == "https://pypi.org/simple/uv/"


def test_slash_at_the_end_of_the_index_does_not_matter(tmp_path):
    assert fetch(tmp_path, index_of(wheel()), {"PIP_INDEX_URL": "https://index.example/simple/"})[0]


@pytest.mark.parametrize(
    "index",
    [
        Index({}),
        index_of(wheel(), digest="0" * 64),
        index_of(b"no archive"),
        index_of(wheel(name="uv-0.9.2.data/scripts/another")),
        Index({PAGE: b"<html>nothing"}),
    ],
    ids=["no page", "wrong checksum", "no archive", "no program", "no links"],
)
def test_what_is_not_right_is_left_to_pip(tmp_path, index):
    done, target = fetch(tmp_path, index, {"PIP_INDEX_URL": "https://index.example/simple"})
    assert not done
    assert not target.exists()


@pytest.mark.parametrize(
    "environment",
    [
        {"PIP_EXTRA_INDEX_URL": "https://other.example/simple"},
        {"PIP_FIND_LINKS": "/srv/wheels"},
        {"PIP_CONFIG_FILE": "/srv/pip.conf"},
        {"PIP_CONSTRAINT": "/srv/constraints.txt"},
        {"PIP_INDEX_URL": "https://user:secret@index.example/simple"},
    ],
)
def test_what_only_pip_understands_is_left_to_pip(tmp_path, environment):
    index = index_of(wheel())
    done, _target = fetch(tmp_path, index, {"PIP_INDEX_URL": "https://index.example/simple", **environment})
    assert not done
    assert index.asked == []


def test_configuration_of_pip_on_the_host_is_left_to_pip(tmp_path, monkeypatch):
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://mirror.example/simple\n")
    index = index_of(wheel())
    assert not fetch(tmp_path, index, {"PIP_INDEX_URL": "https://index.example/simple"})[0]
    (tmp_path / "pip.conf").unlink()
    monkeypatch.setenv("PIP_TRUSTED_HOST", "mirror.example")
    assert not fetch(tmp_path, index, {"PIP_INDEX_URL": "https://index.example/simple"})[0]
    assert index.asked == []


def test_newest_is_the_highest_version_for_the_machine():
    page = "".join(
        [
            link("0.9.2", X86, "2" * 64),
            link("0.10.0", X86, "3" * 64),
            link("0.11.0", X86, "4" * 64, ' data-yanked="broken"'),
            link("0.12.0", "musllinux_1_1_x86_64", "5" * 64),
            link("0.13.0", "win_amd64", "6" * 64),
            link("0.14.0rc1", X86, "7" * 64),
            link("0.9.9", ARM, "8" * 64),
        ]
    )
    name = f"uv-0.10.0-py3-none-{X86}.whl"
    assert uv_wheel.newest(page, PAGE, "x86_64") == (f"https://index.example/files/{name}", "3" * 64)
    assert uv_wheel.newest(page, PAGE, "aarch64")[1] == "8" * 64
    assert uv_wheel.newest(page, PAGE, "riscv64") == ("", "")


def test_file_without_a_checksum_does_not_count():
    page = f'<a href="uv-0.9.2-py3-none-{X86}.whl">uv</a>'
    assert uv_wheel.newest(page, PAGE, "x86_64") == ("", "")
