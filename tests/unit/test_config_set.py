"""The module config_set: its arguments, and what its result shows."""

from __future__ import annotations

import json
import os

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils.host import file_set, file_set_module
from ansible_collections.pyweb.stack.plugins.modules import config_set
from module_args import patch_module_args


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    logged = []
    monkeypatch.setattr(AnsibleModule, "log", lambda self, msg, log_args=None: logged.append(f"{msg} {log_args}"))
    monkeypatch.setattr(file_set_module, "install", lambda *given: file_set.install(*given, str(tmp_path / "run")))
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def run(**arguments):
        with patch_module_args({"name": "set", "_ansible_diff": True, **arguments}), pytest.raises(SystemExit):
            config_set.main()
        return json.loads(capsys.readouterr().out), "".join(logged)

    return run


def owned(path, **more):
    return {"path": str(path), "owner": str(os.getuid()), "group": str(os.getgid()), **more}


def test_secret_is_neither_returned_nor_logged(call, tmp_path):
    secret = "hunter2hunter2"
    result, logged = call(files=[owned(tmp_path / "env", content=f"PASSWORD={secret}", secret=True, mode="0600")])
    assert result["changed"]
    assert secret in (tmp_path / "env").read_text()
    assert secret not in json.dumps(result) + logged
    assert "Invoked" in logged


def test_result_names_files_and_states(call, tmp_path):
    files = [owned(tmp_path / "a.json", content={"b": 1, "a": []}), {"path": str(tmp_path / "x"), "state": "absent"}]
    result, _logged = call(files=files)
    assert [one["state"] for one in result["files"]] == ["created", "unchanged"]
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [], "b": 1}
    assert (result["checked"], result["unchecked_because"], result["applied"]) == (False, "no check is given", False)
    assert result["invocation"]["module_args"]["files"] == [one["path"] for one in files]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({"path": "relative", "content": ""}, "relative: expected an absolute path"),
        ({"path": "/etc/../x", "content": ""}, "/etc/../x: expected an absolute path without '..'"),
        ({"path": "/x"}, "/x: expected one of content, template, link, edits, or state: absent or kept"),
        ({"path": "/x", "content": "", "state": "absent"}, "/x: state is absent; expected no content beside it"),
        ({"path": "/x", "content": "", "mode": "420x"}, "/x: mode is '420x'; expected octal digits in quotes"),
        ({"path": "/x", "template": "t"}, "/x: a template is rendered by the action plugin"),
        ({"path": "/x", "content": "", "link": "y"}, "mutually exclusive: content|template|link"),
    ],
)
def test_wrong_file_is_refused(call, file, message):
    result, _logged = call(files=[file])
    assert message in result["msg"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "../x", "files": []}, "name is used in file names"),
        ({"files": [], "apply": [[]]}, "apply has an empty command"),
        ({"files": [], "revert": [["a"], []]}, "revert has an empty command"),
        ({"files": [{"path": "/x", "content": ""}, {"path": "/x", "state": "absent"}]}, "files has /x more than once"),
    ],
)
def test_wrong_arguments_are_refused(call, arguments, message):
    result, _logged = call(**arguments)
    assert message in result["msg"]
