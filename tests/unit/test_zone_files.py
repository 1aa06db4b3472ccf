"""firewalld's zones, read from their files."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import zone_files

PACKAGED = """<?xml version="1.0" encoding="utf-8"?>
<zone>
  <short>Public</short>
  <description>For use in public areas.</description>
  <service name="ssh"/>
  <service name="dhcpv6-client"/>
  <forward/>
</zone>
"""
# The same file as firewalld writes it, with one more service and port.
WRITTEN = (
    '<?xml version="1.0" encoding="utf-8"?>\n<zone><short>Public</short><description>For use in public areas.'
    '</description><service name="dhcpv6-client"/><service name="ssh"/><service name="http"/>'
    '<port port="9090" protocol="tcp"/><forward/></zone>'
)


def test_an_administrators_zone_overrides_the_packages(tmp_path):
    own, packaged = tmp_path / "own", tmp_path / "packaged"
    own.mkdir()
    packaged.mkdir()
    (packaged / "public.xml").write_text(PACKAGED)
    (packaged / "drop.xml").write_text('<zone target="DROP"/>')
    (own / "public.xml").write_text(WRITTEN)
    (own / "broken.xml").write_text("<zone>")
    assert zone_files.zones(str(own), str(packaged)) == {
        "broken": {"services": [], "ports": []},
        "drop": {"services": [], "ports": []},
        "public": {"services": ["dhcpv6-client", "http", "ssh"], "ports": ["9090/tcp"]},
    }


def test_zones_with_an_interface_or_source_are_found(tmp_path):
    own, packaged = tmp_path / "own", tmp_path / "packaged"
    own.mkdir()
    packaged.mkdir()
    (packaged / "dmz.xml").write_text('<zone><interface name="eth9"/></zone>')
    (own / "dmz.xml").write_text('<zone><interface name="eth0"/><interface name="eth1"/></zone>')
    (own / "drop.xml").write_text('<zone target="DROP"><source ipset="bad"/></zone>')
    (own / "block.xml").write_text(
        '<zone target="%%REJECT%%"><source address="192.0.2.1"/><interface name="a"/></zone>'
    )
    (own / "internal.xml").write_text('<zone><source address="10.0.0.0/8"/></zone>')
    (own / "public.xml").write_text(WRITTEN)
    (own / "broken.xml").write_text("<zone>")
    found = {"block": ["a"], "dmz": ["eth0", "eth1"], "internal": ["10.0.0.0/8"]}
    assert zone_files.bound(str(own), str(packaged)) == found


@pytest.mark.parametrize(
    ("without", "same"),
    [
        ([("service", "http"), ("port", "9090/tcp")], True),
        ([("service", "http")], False),
        ([("service", "http"), ("port", "9090/udp")], False),
        ([], False),
    ],
)
def test_managed_entries_are_ignored_in_a_comparison(without, same):
    assert zone_files.same(WRITTEN, PACKAGED, without) is same


@pytest.mark.parametrize(("one", "other"), [("", PACKAGED), (PACKAGED, "<zone>"), ("", "")])
def test_an_unreadable_zone_is_never_the_same(one, other):
    assert not zone_files.same(one, other)


def test_a_changed_attribute_is_a_difference():
    assert not zone_files.same('<zone target="DROP"/>', "<zone/>")
    assert zone_files.same('<zone a="1" b="2"/>', '<zone b="2"   a="1">\n</zone>')
