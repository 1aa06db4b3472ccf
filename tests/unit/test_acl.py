"""An ACL is evaluated as the kernel does: the owner, named users, groups, others, and the mask."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import acl, path_walk
from ansible_collections.pyweb.stack.plugins.module_utils.host.acl import Entry
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import ENTER, READ, WRITE, Identity

OWNER, NGINX, OTHER = Identity(1000, 1000), Identity(33, 33, (33, 70)), Identity(50, 50)


def entries(user=1, group=0, mask=1, other=0, named_group=4):
    return [
        Entry(0x01, 7, 0),
        Entry(0x02, user, 33),
        Entry(0x04, group, 1000),
        Entry(0x08, named_group, 70),
        Entry(0x10, mask, 0),
        Entry(0x20, other, 0),
    ]


@pytest.mark.parametrize(
    ("who", "given", "wanted", "may"),
    [
        (OWNER, {}, READ | WRITE | ENTER, True),
        (NGINX, {}, ENTER, True),
        (NGINX, {"mask": 0}, ENTER, False),
        (NGINX, {"user": 4, "mask": 7}, READ, True),
        (NGINX, {"user": 4, "mask": 7}, WRITE, False),
        (OTHER, {}, ENTER, False),
        (OTHER, {"other": 1}, ENTER, True),
        (Identity(51, 70), {"mask": 7}, READ, True),
        (Identity(51, 70), {"mask": 7, "other": 7}, WRITE, False),
        (Identity(51, 1000), {"mask": 7, "group": 5}, READ | ENTER, True),
    ],
)
def test_permissions_of_an_acl(who, given, wanted, may):
    assert acl.allowed(entries(**given), who, 1000, 1000, wanted) is may


def test_extended_attribute_is_parsed():
    raw = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries())
    assert acl.parsed(raw) == entries()
    assert acl.parsed(raw[:-3]) == entries()[:-1]
    assert acl.parsed(struct.pack("<I", 1)) == acl.parsed(b"x") == []
    assert acl.entries_of("/proc/self/nosuch") == []


def test_walk_to_a_file_respects_the_acl(monkeypatch, tmp_path):
    tmp_path.chmod(0o700)
    given = entries()
    monkeypatch.setattr(acl, "entries_of", lambda path: given if path == str(tmp_path) else [])
    monkeypatch.setattr(path_walk.os, "stat", lambda path: _Status(0o700 if path == str(tmp_path) else 0o755))
    assert path_walk.obstacle(f"{tmp_path}", NGINX, ENTER) is None
    given = entries(mask=0)
    found = path_walk.obstacle(f"{tmp_path}", NGINX, ENTER)
    assert found.fix == f"setfacl -m m::x {tmp_path}"
    assert "the mask of the ACL" in found.evidence


class _Status:
    st_uid, st_gid = 1000, 1000

    def __init__(self, mode):
        self.st_mode = 0o040000 | mode
