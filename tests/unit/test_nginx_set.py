"""The module `nginx_set` and its action: files, the service and the sites in one call."""

from __future__ import annotations

import json
import os
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.pyweb.stack.plugins.action import nginx_set as action
from ansible_collections.pyweb.stack.plugins.module_utils.host import file_set, file_set_module
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.release.front import Look
from ansible_collections.pyweb.stack.plugins.modules import nginx_set
from module_args import patch_module_args
from releases import make_site, put_0_1, put_links

SECRET = "correct-horse-battery"
LOG = "nginx: [emerg] no port left\n"


class World:
    """A host: its fronts, its systemd, and the order in which the module uses them.

    `looks` is site name -> result of a look, `active` whether nginx runs, and `fails` the command that fails.
    """

    def __init__(self, folder, monkeypatch, capsys):
        self.folder, self.capsys = folder, capsys
        self.looks, self.active, self.fails, self.bad = {}, False, "", {}
        self.steps, self.fronts, self.warned = [], [], []
        monkeypatch.setattr(nginx_set, "Front", self)
        monkeypatch.setattr(nginx_set.FileSetModule, "run", lambda _module, argv: self.run(argv))
        monkeypatch.setattr(nginx_set.FileSetModule, "warn", lambda _module, text: self.warned.append(text))
        monkeypatch.setattr(file_set_module, "install", lambda *given: file_set.install(*given, str(folder / "run")))
        monkeypatch.setattr(file_set, "which", lambda program: program)
        monkeypatch.setattr(os, "geteuid", lambda: 0)

    def of(self, _shell, site, manifest):
        self.fronts.append((site["name"], manifest))
        self.steps.append(f"ask for {site['name']}")
        return MagicMock(look=lambda: self.looks[site["name"]])

    def run(self, argv):
        if argv[0] == "journalctl":
            return 0, LOG, ""
        if argv[:2] == ["systemctl", "show"]:
            state = ("active", "enabled") if self.active else ("inactive", "disabled")
            return 0, "LoadState=loaded\nActiveState={}\nUnitFileState={}\n".format(*state), ""
        if argv == ["nginx", "-t"]:
            for path, text in self.bad.items():
                if os.path.exists(path) and text in Path(path).read_text():
                    return 1, "", f'nginx: [emerg] unknown directive "{text}" in {path}:1\n'
            return 0, "", ""
        self.steps.append(" ".join(argv))
        return (1, "", "it failed") if self.steps[-1] == self.fails else (0, "", "")

    def call(self, **arguments):
        file = {"path": str(self.folder / "nginx.conf"), "content": "new\n", "note": "it is ours"}
        file.update(owner=str(os.getuid()), group=str(os.getgid()))
        given = {"name": "nginx", "files": [file], "apply": [["reload"]], "service": "nginx.service", **arguments}
        with patch_module_args(given), pytest.raises(SystemExit):
            nginx_set.main()
        return json.loads(self.capsys.readouterr().out)


@pytest.fixture
def world(tmp_path, monkeypatch, capsys):
    return World(tmp_path, monkeypatch, capsys)


def shop(folder):
    return make_site(folder)[0]


def test_files_then_the_service_then_the_sites(world, tmp_path):
    world.looks = {"shop": Look("", "http://shop/", "not all was checked")}
    result = world.call(sites=[shop(tmp_path)], _ansible_diff=True)
    assert world.steps == ["reload", "systemctl start nginx.service", "systemctl enable nginx.service", "ask for shop"]
    assert [file["state"] for file in result["files"]] == ["created"]
    assert (result["changed"], result["started"], result["asked"]) == (
        True,
        ["start", "enable"],
        {"shop": "http://shop/"},
    )
    assert result["diff"][0]["after"] == "new\n"
    assert world.warned == ["not all was checked"]
    assert result["invocation"]["module_args"]["sites"] == ["shop"]

    world.active, world.steps = True, []
    result = world.call(sites=[shop(tmp_path)])
    assert (result["changed"], result["started"], world.steps) == (False, [], ["ask for shop"])


def test_starting_the_service_alone_is_a_change(world):
    world.call()
    assert world.call()["changed"]
    world.active = True
    assert not world.call()["changed"]


def test_no_service_is_started_if_none_is_given(world):
    assert world.call(service="")["started"] == []
    assert world.steps == ["reload"]


def test_check_mode_predicts_files_and_start_and_makes_no_request(world, tmp_path):
    result = world.call(sites=[shop(tmp_path)], _ansible_check_mode=True)
    assert (result["changed"], result["started"], result["asked"]) == (True, ["start", "enable"], {})
    assert (world.steps, world.fronts) == ([], [])
    assert not (tmp_path / "nginx.conf").exists()


def test_nothing_is_started_if_the_files_are_refused(world, tmp_path):
    world.fails = "reload"
    result = world.call(sites=[shop(tmp_path)])
    assert (result["failed"], result["changed"]) == (True, False)
    assert result["msg"].startswith("config_set 'nginx': `reload` failed: it failed; the previous files are back")
    assert world.steps == ["reload", "reload"]


@pytest.mark.parametrize(("fails", "started"), [("start", []), ("enable", ["start"])])
def test_changes_are_reported_if_the_service_does_not_start(world, tmp_path, fails, started):
    world.fails = f"systemctl {fails} nginx.service"
    result = world.call(sites=[shop(tmp_path)], _ansible_diff=True)
    cause = {"start": "[emerg] no port left", "enable": "it failed"}[fails]
    assert (result["failed"], result["changed"]) == (True, True)
    assert result["msg"] == f"nginx.service does not start: {cause}"
    assert result["output"] == {"start": LOG, "enable": "it failed"}[fails]
    after = result["set_after"]
    assert [file["state"] for file in after["files"]] == ["created"]
    assert (after["notes"], after["started"], after["asked"]) == (["it is ours"], started, {})
    assert result["diff"][0]["after"] == "new\n"
    assert world.fronts == []

    # Nothing was done.
    world.fails = "systemctl start nginx.service"
    result = world.call()
    assert (result["changed"], result["set_after"]["files"]) == (False, [])


@pytest.mark.parametrize("there", [True, False], ids=["served", "new"])
@pytest.mark.parametrize("check_mode", [True, False])
def test_a_file_that_nginx_refuses_is_a_fault_of_its_site(world, tmp_path, there, check_mode):
    folder = tmp_path / "conf.d"
    folder.mkdir()
    if there:
        (folder / "shop.conf").write_text("old")
    world.bad = {str(folder / "shop.conf"): "nonsense"}
    own = {"owner": str(os.getuid()), "group": str(os.getgid())}
    files = [
        {"path": str(folder / f"{name}.conf"), "content": text, "of": name, **own}
        for name, text in {"blog": "good", "shop": "nonsense"}.items()
    ]
    files.append({"path": str(folder / "shop_upstream.conf"), "content": "good", "of": "shop", **own})
    world.looks = {"blog": Look("", "http://blog/", "")}
    sites = [{**shop(tmp_path), "name": name} for name in ("shop", "blog")]
    result = world.call(files=files, check=["nginx", "-t"], sites=sites, _ansible_check_mode=check_mode)
    if check_mode:
        # Nothing can be mounted here, so the check cannot read the files before they are in place.
        assert (result.get("failed", False), result["checked"]) == (False, False)
        return
    assert result["msg"] == (
        "site 'shop': nginx failed: `nginx -t` refuses the new files: [emerg] unknown directive \"nonsense\" in "
        f"{folder}/shop.conf:1; nginx keeps its previous configuration of the site"
    )
    assert (result["set_after"]["faulty"], result["set_after"]["others"]) == (["shop"], ["blog"])
    assert (folder / "blog.conf").read_text() == "good"
    assert [(folder / "shop.conf").exists(), (folder / "shop_upstream.conf").exists()] == [there, False]
    assert not there or (folder / "shop.conf").read_text() == "old"
    assert world.steps[-1] == "ask for blog"
    assert "ask for shop" not in world.steps


def test_a_refused_file_of_no_site_stops_everything(world, tmp_path):
    path = tmp_path / "nginx.conf"
    world.bad = {str(path): "new"}
    result = world.call(check=["nginx", "-t"])
    assert "refuses the new files" in result["msg"]
    assert not path.exists()
    assert "set_after" not in result


def test_all_faults_of_all_sites_and_all_changes_are_reported(world, tmp_path):
    record = put_0_1(tmp_path, "unix")
    put_links(tmp_path, record["id"])
    first = shop(tmp_path)
    sites = [first, {**first, "name": "blog", "paths": {**first["paths"], "current": "/nowhere"}}]
    world.looks = {"shop": Look("it is ill", "http://shop/"), "blog": Look("it is gone", "http://blog/")}
    result = world.call(sites=sites)
    assert (result["failed"], result["changed"], result["msg"]) == (
        True,
        True,
        "site 'shop': the check through nginx failed: it is ill\n"
        "site 'blog': the check through nginx failed: it is gone",
    )
    assert result["set_after"]["asked"] == {"shop": "http://shop/", "blog": "http://blog/"}
    assert result["set_after"]["started"] == ["start", "enable"]
    # The project's declaration at build time; nothing is known about a uWSGI that another program runs.
    assert world.fronts == [("shop", record["manifest"]), ("blog", {})]


# --- on the controller ---


def run(monkeypatch, **arguments):
    task = MagicMock(args={"files": [], **arguments}, async_val=0, action="x", environment=None)
    plugin = action.ActionModule(task, MagicMock(), MagicMock(check_mode=False), MagicMock(), MagicMock(), MagicMock())
    calls = []
    monkeypatch.setattr(plugin, "_execute_module", lambda **given: calls.append(given["module_args"]) or {})
    plugin.run()
    return calls[0]


def test_only_necessary_data_is_sent_to_the_host(monkeypatch):
    site = {"name": "shop", "domains": ["shop.example"], "env": {"A": SECRET}, "source": {"startproject": "x"}}
    sites = complete([site, {"name": "gone", "state": "absent"}])
    sent = run(monkeypatch, sites=sites, service="nginx.service")
    assert SECRET not in json.dumps(sent)
    [site] = sent["sites"]
    assert sorted(site) == ["domains", "health", "name", "nginx", "paths"]
    assert sorted(site["nginx"]) == ["listen", "static"]
    assert sent["service"] == "nginx.service"


def test_sites_are_optional(monkeypatch):
    assert run(monkeypatch)["sites"] == []


@pytest.mark.parametrize("sites", [None, "shop", [1], [{"name": "shop"}]])
def test_sites_that_the_model_has_not_completed_are_refused(monkeypatch, sites):
    with pytest.raises(AnsibleActionFail, match=r"expected web_sites \| pyweb\.stack\.sites"):
        run(monkeypatch, sites=sites)


def test_files_must_be_a_list(monkeypatch):
    with pytest.raises(AnsibleActionFail, match="files is a str; expected a list of mappings, each with a path"):
        run(monkeypatch, files="/etc/nginx/nginx.conf")
