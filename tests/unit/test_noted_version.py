"""The version of the collection: read on the controller, recorded on a host, and removed with the last site."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import noted_version
from ansible_collections.pyweb.stack.plugins.module_utils.model import layout as layouts
from ansible_collections.pyweb.stack.plugins.plugin_utils import collection_version


def noted():
    if not os.path.exists(layouts.VERSION):
        return None
    with open(layouts.VERSION, encoding="utf-8") as stream:
        return stream.read()


def test_it_is_recorded_once_and_again_only_for_another_version():
    first = noted_version.converge("0.2.0", True, False)
    assert (first["before"], first["after"], first["after_header"]) == ("", "0.2.0\n", layouts.VERSION)
    assert noted() == "0.2.0\n"
    assert noted_version.converge("0.2.0", True, False) == {}
    later = noted_version.converge("0.3.0", True, False)
    assert (later["before"], later["after"]) == ("0.2.0\n", "0.3.0\n")
    assert noted_version.read() == "0.3.0"
    assert os.stat(layouts.VERSION).st_mode & 0o777 == 0o644


def test_check_mode_predicts_it_and_writes_nothing():
    assert noted_version.converge("0.2.0", True, True)["after"] == "0.2.0\n"
    assert noted() is None


def test_it_is_removed_with_the_last_site():
    noted_version.converge("0.2.0", True, False)
    assert noted_version.converge("0.2.0", False, True)["after"] == ""
    assert noted() == "0.2.0\n"
    assert noted_version.converge("0.2.0", False, False)["after"] == ""
    assert noted() is None
    assert noted_version.converge("0.2.0", False, False) == {}


@pytest.mark.parametrize("stays", [True, False])
def test_an_unknown_version_changes_nothing(stays):
    noted_version.converge("0.2.0", True, False)
    assert noted_version.converge("", stays, False) == {}
    assert noted() == "0.2.0\n"


def test_the_controller_reads_it_from_a_checkout_and_from_an_installed_archive(tmp_path):
    assert collection_version.version(tmp_path) == ""
    (tmp_path / "galaxy.yml").write_text("version: 0.2.0-dev0\n")
    assert collection_version.version(tmp_path) == "0.2.0-dev0"
    (tmp_path / "MANIFEST.json").write_text(json.dumps({"collection_info": {"version": "0.2.0"}}))
    assert collection_version.version(tmp_path) == "0.2.0"
    assert collection_version.version()
