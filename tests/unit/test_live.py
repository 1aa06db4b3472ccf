"""The live release of a site, as modules return it for the report."""

from __future__ import annotations

import json
import os

from ansible_collections.pyweb.stack.plugins.module_utils.host import files, live
from releases import make_layout, put_0_1, put_links

OLD = "b" * 12


def test_nothing_is_live_before_the_first_release(tmp_path):
    nothing = dict.fromkeys(("id", "previous", "commit", "subject", "source"), "")
    assert live.live(make_layout(tmp_path)) == {**nothing, "socket": None}


def test_a_release_of_0_1_has_a_source_and_no_subject(tmp_path):
    record = put_0_1(tmp_path, "unix")
    put_links(tmp_path, record["id"], OLD)
    found = live.live(make_layout(tmp_path))
    assert (found["id"], found["previous"], found["subject"]) == (record["id"], OLD, "")
    assert found["source"] == record["source"]


def test_sockets_of_the_live_release(tmp_path):
    layout = make_layout(tmp_path)
    put_links(tmp_path, OLD)
    os.makedirs(layout.release(OLD), exist_ok=True)
    files.write(layout.record(OLD), json.dumps({"site": {"uwsgi": {"socket": ["127.0.0.1:8001"]}}}))
    assert live.live(layout)["socket"] == ["127.0.0.1:8001"]


def test_a_release_without_a_record_only_has_an_id(tmp_path):
    put_links(tmp_path, OLD)
    assert live.live(make_layout(tmp_path))["id"] == OLD


def test_code_of_a_commit():
    manifest = {"source": {"kind": "git", "git": "/srv/x", "version": "main", "commit": "c" * 40}, "subject": "Fix it"}
    assert live.code(manifest) == {
        "commit": "c" * 40,
        "subject": "Fix it",
        "source": "git /srv/x main " + "c" * 12,
    }
