"""The pictures in the documentation show what the doctor prints, and are only redrawn when its output changes."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "doctor"))
import picture

LINES = [("web1  shop: broken", "red"), ("  ✓ name        ok        a <b> & c", "green"), ("", "normal")]


def test_picture_of_the_terminal_has_every_line_in_its_colour():
    root = ET.fromstring(picture.svg(LINES))  # noqa: S314 - likewise
    texts = [(node.text, node.get("fill")) for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == [
        (picture.COMMAND, picture.INK["normal"]),
        ("web1  shop: broken", picture.INK["red"]),
        ("  ✓ name        ok        a <b> & c", picture.INK["green"]),
    ]
    assert float(root.get("width")) > len(picture.COMMAND) * 8


def test_values_that_differ_between_runs_are_not_in_it():
    said = "mine-d12 0123abcd4567 at 172.17.0.3 as process 77 in 1.25 s, next run Sat 2026-11-28 00:00:00 UTC"
    other = "mine-d12 89abcdef0123 at 172.18.0.9 as process 8 in 0.02 s, next run Mon 2026-11-30 01:00:00 CET"
    names = {"mine-d12": "web1"}
    assert picture.steady([{"x": said}], names) == picture.steady([{"x": other}], names)
    assert picture.steady([{"x": said}], names) == [
        {"x": "web1 0123456789ab at 192.0.2.10 as process 1234 in 0.01 s, next run Wed 2030-01-02 00:00:00 UTC"}
    ]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, place in (("FOLDER", ""), ("TERMINAL", "a.svg"), ("PAGE", "a.png")):
        monkeypatch.setattr(picture, name, tmp_path / "docs" / place)
    return tmp_path / "docs"


def test_pictures_are_redrawn_only_when_the_output_changes(folder):
    def shoot(path):
        path.write_bytes(b"page")

    assert picture.draw(LINES, shoot)
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "a.svg"]
    assert not picture.draw(LINES, lambda path: pytest.fail("the picture was drawn again"))
    assert picture.draw(LINES[:1], shoot)
