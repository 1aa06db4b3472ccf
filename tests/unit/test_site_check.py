"""The module `site_check` and its half on the controller."""

from __future__ import annotations

import json
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pyweb.stack.plugins.action import site_check as action
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.release.front import Look
from ansible_collections.pyweb.stack.plugins.modules import site_check
from releases import make_site, put_0_1, put_links

SECRET = "correct-horse-battery"


class Fronts:
    """Stands for `Front`: site name -> what a look finds; `made` has (site name, manifest)."""

    def __init__(self, found):
        self.found, self.made = found, []

    def of(self, _shell, site, manifest):
        self.made.append((site["name"], manifest))
        return MagicMock(look=lambda: self.found[site["name"]])


def call(capsys, monkeypatch, fronts, **arguments):
    monkeypatch.setattr(site_check, "Front", fronts)
    with patch_module_args(arguments), pytest.raises(SystemExit):
        site_check.main()
    return json.loads(capsys.readouterr().out)


def test_every_fault_of_every_site_is_told(tmp_path, capsys, monkeypatch):
    record = put_0_1(tmp_path, "unix")
    put_links(tmp_path, record["id"])
    shop = make_site(tmp_path)[0]
    sites = [shop, {**shop, "name": "blog", "paths": {**shop["paths"], "current": "/nowhere"}}]
    fronts = Fronts({"shop": Look("it is ill", "http://shop/"), "blog": Look("it is gone", "http://blog/")})
    result = call(capsys, monkeypatch, fronts, sites=sites)
    assert (result["failed"], result["msg"]) == (
        True,
        "site 'shop': the check through nginx failed: it is ill\n"
        "site 'blog': the check through nginx failed: it is gone",
    )
    # What the project said of itself when it was built; of a uWSGI that somebody else runs nothing is known.
    assert fronts.made == [("shop", record["manifest"]), ("blog", {})]


def test_a_site_that_answers(tmp_path, capsys, monkeypatch):
    fronts = Fronts({"shop": Look("", "http://shop/", "not all was checked")})
    warned = []
    monkeypatch.setattr(site_check.AnsibleModule, "warn", lambda _module, text: warned.append(text))
    result = call(capsys, monkeypatch, fronts, sites=[make_site(tmp_path)[0]])
    assert (result["changed"], result["asked"]) == (False, {"shop": "http://shop/"})
    assert warned == ["not all was checked"]


def test_check_mode_does_not_ask(tmp_path, capsys, monkeypatch):
    fronts = Fronts({})
    result = call(capsys, monkeypatch, fronts, sites=[make_site(tmp_path)[0]], _ansible_check_mode=True)
    assert (result["changed"], result["asked"], fronts.made) == (False, {}, [])


def run(monkeypatch, sites):
    task = MagicMock(args={"sites": sites}, async_val=0, action="x", environment=None)
    plugin = action.ActionModule(task, MagicMock(), MagicMock(check_mode=False), MagicMock(), MagicMock(), MagicMock())
    calls = []
    monkeypatch.setattr(plugin, "_execute_module", lambda **given: calls.append(given["module_args"]) or {})
    plugin.run()
    return calls[0]["sites"]


def test_only_what_the_question_needs_leaves_the_controller(monkeypatch):
    shop = {"name": "shop", "domains": ["shop.example"], "env": {"A": SECRET}, "source": {"startproject": "x"}}
    sites = complete([shop, {"name": "gone", "state": "absent"}])
    sent = run(monkeypatch, sites)
    assert SECRET not in json.dumps(sent)
    [site] = sent
    assert sorted(site) == ["domains", "health", "name", "nginx", "paths"]
    assert sorted(site["nginx"]) == ["listen", "static"]


@pytest.mark.parametrize("sites", [None, "shop", [1], [{"name": "shop"}]])
def test_sites_that_the_model_has_not_completed_are_refused(monkeypatch, sites):
    with pytest.raises(AnsibleActionFail, match=r"wanted web_sites \| pyweb\.stack\.sites"):
        run(monkeypatch, sites)
