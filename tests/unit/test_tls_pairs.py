"""The pairs of a site on a host, and the link to the live one."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.tls import pairs


@pytest.fixture
def layout(tmp_path):
    return Layout.under("shop", {"config": str(tmp_path / "etc")})


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_pair_is_readable_for_root_only_and_named_after_both_files(layout):
    name = pairs.install(layout, "cert\n", "key\n")
    folder = f"{layout.tls}/pairs/{name}"
    digest = subprocess.run(["sha256sum"], input="cert\nkey\n", text=True, capture_output=True, check=True).stdout
    assert name == digest[:12]
    assert [mode(path) for path in (layout.tls, f"{layout.tls}/pairs", folder)] == [0o700] * 3
    assert sorted(os.listdir(folder)) == ["fullchain.pem", "privkey.pem"]
    assert {mode(f"{folder}/{file}") for file in os.listdir(folder)} == {0o600}
    assert pairs.read(layout, name) == ("cert\n", "key\n")
    assert pairs.live(layout) == ""


def test_existing_pair_is_not_written_again(layout):
    name = pairs.install(layout, "cert\r\n", "key\n")
    before = os.stat(f"{layout.tls}/pairs/{name}").st_ino
    assert pairs.install(layout, "cert\r\n", "key\n") == name
    assert os.stat(f"{layout.tls}/pairs/{name}").st_ino == before
    assert pairs.read(layout, name).certificate == "cert\r\n"


def test_modified_pair_is_written_again(layout):
    name = pairs.install(layout, "cert\n", "key\n")
    Path(f"{layout.tls}/pairs/{name}/privkey.pem").write_text("other")
    assert pairs.install(layout, "cert\n", "key\n") == name
    assert pairs.read(layout, name).key == "key\n"


def test_incomplete_pair_of_a_killed_run_is_replaced(layout):
    name = pairs.install(layout, "cert\n", "key\n")
    os.rename(f"{layout.tls}/pairs/{name}", f"{layout.tls}/pairs/.{name}.partial")
    os.unlink(f"{layout.tls}/pairs/.{name}.partial/privkey.pem")
    assert pairs.install(layout, "cert\n", "key\n") == name
    assert os.listdir(f"{layout.tls}/pairs") == [name]


def test_switch_replaces_the_link_and_keeps_the_previous_pair(layout):
    one, two, three = (pairs.install(layout, text, "key\n") for text in ("1\n", "2\n", "3\n"))
    for name in (one, two, three):
        pairs.switch(layout, name)
        assert pairs.live(layout) == name
        assert Path(layout.certificate).read_text() == pairs.read(layout, name).certificate
    assert os.readlink(layout.tls_live) == f"pairs/{three}"
    assert pairs.previous(layout) == two
    pairs.prune(layout)
    assert sorted(os.listdir(f"{layout.tls}/pairs")) == sorted([two, three])
    pairs.switch(layout, "")
    assert (pairs.live(layout), os.path.lexists(layout.tls_live)) == ("", False)
    assert Path(f"{layout.tls}/pairs/{three}").is_dir()


def test_switching_to_the_live_pair_keeps_the_previous_one(layout):
    one, two = (pairs.install(layout, text, "key\n") for text in ("1\n", "2\n"))
    for name in (one, two, two):
        pairs.switch(layout, name)
    assert pairs.previous(layout) == one


@pytest.mark.parametrize("target", ["/etc/passwd", "pairs/../../x", "pairs/aaaaaaaaaaaa"])
def test_link_to_another_place_is_ignored(layout, target):
    os.makedirs(layout.tls)
    os.symlink(target, layout.tls_live)
    assert pairs.live(layout) == ""
    assert not pairs.is_placeholder(layout)
    name = pairs.install(layout, "cert\n", "key\n")
    pairs.switch(layout, name)
    assert pairs.live(layout) == name


def test_placeholder_is_distinguished_from_a_pair_of_a_ca(layout):
    pairs.switch(layout, pairs.install(layout, "cert\n", "key\n", placeholder=True))
    assert pairs.is_placeholder(layout)
    pairs.switch(layout, pairs.install(layout, "real\n", "key\n"))
    assert not pairs.is_placeholder(layout)
    assert not pairs.is_placeholder(Layout.under("other", {"config": os.path.dirname(layout.config)}))
