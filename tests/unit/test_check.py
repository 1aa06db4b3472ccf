"""The action `check` loads the filters in the process that forks, and asserts like `assert`."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from ansible_collections.pyweb.stack.plugins.action import check

ROOT = Path(__file__).resolve().parents[2]
CALLBACK = """
import sys
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    # Otherwise, ansible-core 2.16 loads it a second time, beside that of the standard output.
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "loaded"

    def v2_runner_on_ok(self, result):
        print("LOADED " + " ".join(sys.modules))
"""


def test_every_filter_of_the_collection_is_loaded():
    there = set()
    for path in (ROOT / "plugins/filter").glob("*.py"):
        plugin = importlib.import_module(f"ansible_collections.pyweb.stack.plugins.filter.{path.stem}")
        there |= {f"pyweb.stack.{name}" for name in plugin.FilterModule().filters()}
    assert {name for name in check.FILTERS if name.startswith("pyweb.stack.")} == there


def test_the_forking_process_has_the_filters_after_the_first_task(tmp_path):
    (tmp_path / "loaded.py").write_text(CALLBACK)
    playbook = [{"hosts": "localhost", "gather_facts": False, "tasks": [{"pyweb.stack.check": {"that": "1 == 1"}}]}]
    (tmp_path / "play.yml").write_text(json.dumps(playbook))
    done = subprocess.run(
        ["ansible-playbook", str(tmp_path / "play.yml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACK_PLUGINS": str(tmp_path),
            "ANSIBLE_STDOUT_CALLBACK": "loaded",
        },
        check=False,
    )
    [loaded] = [line.split() for line in done.stdout.splitlines() if line.startswith("LOADED ")]
    assert {f"ansible_collections.pyweb.stack.plugins.module_utils.{name}" for name in ("model.site", "firewall")} < {
        *loaded
    }
    assert "packaging.requirements" in loaded


def test_conditions_are_asserted():
    assert issubclass(check.ActionModule, importlib.import_module("ansible.plugins.action.assert").ActionModule)


def checked(web_sites, variables=None, **arguments):
    templar = MagicMock(template=lambda value: value)
    task = MagicMock(args=arguments, check_mode=False, async_val=0)
    plugin = check.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), templar, MagicMock())
    return plugin.run(task_vars={"web_sites": web_sites, "playbook_dir": str(ROOT), **(variables or {})})


def test_urls_of_the_sites_are_returned():
    sites = [
        {"name": "shop", "domains": ["shop.example", "www.shop.example"]},
        {"name": "blog", "domains": ["blog.example"], "nginx": {"listen": [8080, 80]}},
        {"name": "old", "state": "absent"},
    ]
    assert checked(sites) == {
        "changed": False,
        "sites": [
            {"name": "shop", "state": "present", "url": "http://shop.example/"},
            {"name": "blog", "state": "present", "url": "http://blog.example:8080/"},
            {"name": "old", "state": "absent", "url": ""},
        ],
    }


@pytest.mark.parametrize(
    ("web_sites", "words"),
    [
        ({"name": "shop"}, "web_sites is a mapping; expected a list of sites, each with name and domains"),
        ("shop", "web_sites is 'shop'; expected a list of sites, each with name and domains"),
        ([{"name": "shop", "domain": "x"}], "unknown key 'domain'; did you mean 'domains'?"),
    ],
)
def test_faults_of_the_sites_are_the_message(web_sites, words):
    result = checked(web_sites, fail_msg="nothing was done")
    assert result["failed"] is True
    assert words in result["msg"]
    assert result["msg"].splitlines()[-1] == "nothing was done"


def test_a_fault_of_the_timer_is_the_message():
    sites = [{"name": "shop", "domains": ["shop.example"]}]
    result = checked(sites, {"doctor_timer": {"every": "1s"}}, fail_msg="no host was touched")
    assert result["failed"] is True
    assert "doctor_timer.every is '1s'; expected seconds" in result["msg"]
    assert "failed" not in checked(sites, {"doctor_timer": False})
