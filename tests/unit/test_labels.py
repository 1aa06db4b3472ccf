"""Requests to a kernel with SELinux, with a fake selinuxfs."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import labels


@pytest.fixture
def selinux(tmp_path, monkeypatch):
    """A fake selinuxfs whose policy knows the given types, and a `restorecon` that records its arguments."""

    def make(known=(), on=True):
        def opened(path, *_rest, **_named):
            return Context(known)

        if on:
            (tmp_path / "enforce").write_text("1")
        monkeypatch.setattr(labels, "open", opened, raising=False)
        return str(tmp_path)

    return make


class Context:
    """selinuxfs's `context`: it accepts a context that the policy has."""

    def __init__(self, known):
        self.known = known

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        return False

    def write(self, text):
        user, role, name, level = text.decode().rstrip("\0").split(":")
        assert (user, role, level) == ("system_u", "system_r", "s0")
        if name not in self.known:
            raise OSError(22, "Invalid argument")


@pytest.mark.parametrize(
    ("known", "domain"),
    [
        (("unconfined_service_t", "initrc_t"), "unconfined_service_t"),
        (("initrc_t",), "initrc_t"),
        ((), ""),
    ],
)
def test_the_domain_of_a_service_is_read_from_the_policy(selinux, known, domain):
    assert labels.service_domain(selinux(known)) == domain


def test_without_selinux_there_is_no_domain(tmp_path):
    assert labels.service_domain(str(tmp_path)) == ""


@pytest.mark.parametrize("on", [True, False])
def test_a_tree_is_labelled_if_selinux_is_enabled(selinux, monkeypatch, tmp_path, on):
    program = tmp_path / "restorecon"
    program.write_text('#!/bin/sh\necho "$*" >>"${0%/*}/asked"\n')
    program.chmod(0o755)
    monkeypatch.setattr(labels, "PATH", str(tmp_path))
    labels.restore("/opt/sites/shop/builds/1", selinux(on=on))
    asked = tmp_path / "asked"
    assert (asked.read_text() if asked.exists() else "") == ("-R -F /opt/sites/shop/builds/1\n" if on else "")


RESTORECON = """#!/bin/sh
echo "$*" >>"${0%/*}/asked"
case $1 in -n) cat "${0%/*}/differs" 2>/dev/null;; esac
"""


@pytest.mark.parametrize("differs", [True, False])
def test_a_tree_is_only_walked_if_its_top_has_another_label(selinux, monkeypatch, tmp_path, differs):
    program = tmp_path / "restorecon"
    program.write_text(RESTORECON)
    program.chmod(0o755)
    if differs:
        (tmp_path / "differs").write_text("Would relabel it from var_lib_t to httpd_sys_content_t\n")
    monkeypatch.setattr(labels, "PATH", str(tmp_path))
    media = tmp_path / "media"
    filesystem = selinux()
    labels.settle(str(media), filesystem)
    assert not (tmp_path / "asked").exists(), "nothing needs a label"
    media.mkdir()
    labels.settle(str(media), filesystem)
    walked = [f"-R -F {media}"] if differs else []
    assert (tmp_path / "asked").read_text().splitlines() == [f"-n -v {media}", *walked]


def test_nothing_is_labelled_without_restorecon(selinux, monkeypatch, tmp_path):
    monkeypatch.setattr(labels, "PATH", str(tmp_path))
    monkeypatch.setattr(labels, "spawn", lambda *words, **_named: pytest.fail(str(words)))
    labels.restore("/opt", selinux())
