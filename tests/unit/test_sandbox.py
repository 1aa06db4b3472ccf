"""The sandbox of a site's processes: whose directives they are, what loosens them, and how commands get into it."""

from __future__ import annotations

import json
import os

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import confined, sandbox
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import Identity
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.release import units

SECRET = "correct-horse-battery"


def site(**keys):
    [found] = complete([{**goldens.SHOP, **keys}])
    return {**found, "group": found["user"]}


def of(build=None, **keys):
    return sandbox.of_site(site(**keys), {**goldens.BUILD, **(build or {})})


def writable(found):
    return [path.removeprefix("-") for path in found["ReadWritePaths"]]


# --- what a site may ---


def test_a_site_writes_its_data_and_its_sockets():
    found = of()
    assert writable(found) == ["/var/lib/sites/shop", "/run/sites/shop"]
    assert {name: values for name, values in found.items() if name != "ReadWritePaths"} == sandbox.DIRECTIVES


def test_media_elsewhere_and_those_that_a_link_of_root_leads_to_are_writable(tmp_path):
    assert "/srv/pictures" in writable(of(nginx={"media": {"url": "/m/", "path": "/srv/pictures"}}))
    (tmp_path / "state/shop").mkdir(parents=True)
    (tmp_path / "disk").mkdir()
    os.symlink(tmp_path / "disk", tmp_path / "state/shop/media")
    [found] = complete([goldens.SHOP], roots={"state": str(tmp_path / "state")})
    assert writable(sandbox.of_site(found, goldens.BUILD))[:2] == [
        f"{tmp_path}/state/shop",
        f"{tmp_path}/state/shop/media",
    ]


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        ({"logto": "/var/log/shop/uwsgi.log"}, ["/var/log/shop"]),
        ({"logger": ["file:/var/log/a.log", "err file:/srv/b/c.log"]}, ["/var/log", "/srv/b"]),
        ({"spooler": "/srv/spool"}, ["/srv/spool"]),
        ({"cache2": "name=x,items=9,store=/srv/cache/x"}, ["/srv/cache"]),
        ({"req-logger": "file:/etc/x.log", "harakiri": 5}, []),
    ],
)
def test_what_options_of_uwsgi_write_is_writable(options, paths):
    assert writable(of(uwsgi={"options": options}))[2:] == paths


def test_what_the_settings_write_is_writable_but_nothing_of_the_system():
    build = {"written": ["/srv/db", "/var/log/my shop", "/etc", "/usr/share/x", "/", "/home", "/proc/1", "/srv/../etc"]}
    found = of(build)
    assert found["ReadWritePaths"][2:] == ["-/srv/db", '"-/var/log/my shop"']


@pytest.mark.parametrize(
    ("keys", "build", "value"),
    [
        ({}, {}, "yes"),
        ({"source": {"path": "/srv/mysite"}, "virtualenv": "/srv/venv"}, {}, "yes"),
        ({"source": {"path": "/home/huatai/mysite"}}, {}, "read-only"),
        ({"source": {"path": "/srv/mysite"}, "virtualenv": "/home/huatai/venv"}, {}, "read-only"),
        ({}, {"home": "/root/venv"}, "read-only"),
    ],
)
def test_homes_are_hidden_unless_the_site_lies_in_one(keys, build, value):
    assert of(build, **keys)["ProtectHome"] == [value]


def test_a_link_into_a_home_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(sandbox, "HOMES", (str(tmp_path / "home"),))
    (tmp_path / "home").mkdir()
    os.symlink(tmp_path / "home", tmp_path / "code")
    assert of(source={"path": str(tmp_path / "code")})["ProtectHome"] == ["read-only"]


def test_an_account_that_is_somebody_elses_keeps_its_ipc():
    assert "RemoveIPC" not in of(user="huatai")


def test_a_build_that_never_said_what_it_writes_may_write_where_its_user_may():
    """It was made by an earlier version, on a host that is to be taken over."""
    manifest = {name: value for name, value in goldens.BUILD.items() if name != "written"}
    found = sandbox.of_site(site(source={"path": "/home/huatai/mysite"}), manifest)
    assert found["ProtectSystem"] == ["full"]
    assert writable(found)[-1] == "/home/huatai/mysite"


# --- what the inventory says ---


def directives(unit):
    found = site(uwsgi={"unit": unit})
    text = units.render({**found, "sandbox": sandbox.of_site(found, goldens.BUILD)})["uwsgi-shop@.service"]
    return [line for line in text.splitlines() if "=" in line]


def test_a_directive_of_the_inventory_replaces_ours():
    found = directives({"ProtectHome": "read-only", "PrivateDevices": "no"})
    assert [line for line in found if line.startswith(("ProtectHome", "PrivateDevices"))] == [
        "PrivateDevices=no",
        "ProtectHome=read-only",
    ]


def test_what_systemd_adds_up_is_added():
    found = directives({"ReadWritePaths": "/srv/a%b", "SystemCallFilter": ["@chown"], "RestrictAddressFamilies": ""})
    assert [line for line in found if line.startswith(("ReadWritePaths", "SystemCallFilter", "RestrictAddress"))] == [
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
        "SystemCallFilter=@chown",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
        "RestrictAddressFamilies=",
        "ReadWritePaths=-/var/lib/sites/shop",
        "ReadWritePaths=-/run/sites/shop",
        "ReadWritePaths=/srv/a%%b",
    ]


def test_commands_get_of_the_inventory_what_is_about_the_sandbox():
    own = {"ProtectHome": ["no"], "ReadWritePaths": ["/srv/a"], "MemoryMax": ["1G"], "Environment": ["A=1"]}
    assert sandbox.with_own({"ProtectHome": ["yes"], "ReadWritePaths": ["/x"]}, own) == {
        "ProtectHome": ["no"],
        "ReadWritePaths": ["/x", "/srv/a"],
    }


# --- builds ---


def build(environment=None, **keys):
    return sandbox.of_build(site(**keys), environment or {})


def test_a_build_writes_builds_virtualenvs_caches_and_data():
    assert writable(build()) == [
        "/opt/sites/shop/builds",
        "/opt/sites/shop/virtualenvs",
        "/var/cache/sites/shop",
        "/var/lib/sites/shop",
    ]


def test_a_build_writes_the_virtualenv_that_the_site_names():
    found = build(source={"path": "/home/huatai/mysite"}, virtualenv="/home/huatai/venv")
    assert writable(found)[-2:] == ["/home/huatai/mysite", "/home/huatai/venv"]
    assert found["ProtectHome"] == ["read-only"]


@pytest.mark.parametrize(
    ("environment", "home", "private"),
    [
        ({"SSL_CERT_FILE": "/etc/ssl/ca.crt", "https_proxy": "http://proxy/home/x"}, "yes", True),
        ({"SSL_CERT_FILE": "/home/huatai/ca.crt"}, "read-only", True),
        ({"PIP_FIND_LINKS": "file:///tmp/wheels"}, "yes", False),
    ],
)
def test_a_build_reaches_what_its_environment_names(environment, home, private):
    found = build(environment)
    assert (found["ProtectHome"], "PrivateTmp" in found) == ([home], private)


def test_a_build_is_allowed_what_uwsgi_is():
    assert build(uwsgi={"unit": {"ReadWritePaths": "/srv/a"}})["ReadWritePaths"][-1] == "/srv/a"


# --- commands ---


def test_no_value_of_the_environment_is_on_a_command_line():
    argv, given = confined.command(
        "x.service", {"PrivateTmp": ["yes"]}, Identity(7, 8), ["true", "a b"], "/srv", {"TOKEN": SECRET, "B": "1\n2"}
    )
    assert SECRET not in " ".join(argv)
    assert given == f"TOKEN={SECRET}\0B=1\n2\0".encode()
    assert argv[-4:] == [str(len(given)), "/srv", "true", "a b"]
    assert {"--uid=7", "--gid=8", "--property=PrivateTmp=yes", "--unit=x.service"} <= set(argv)


@pytest.mark.parametrize(
    ("status", "errors", "told"),
    [
        (0, "a warning\n", (0, "a warning\n", "")),
        (3, "", (3, "", "")),
        (127, "\npyweb-not-started /no: No such file or directory\n", (127, "", "/no: No such file or directory")),
        (137, "working\n\npyweb-killed-by 9\n", (-9, "working\n", "")),
        (226, "", (226, "", "systemd could not prepare its sandbox: 226/NAMESPACE")),
        (226, "its own\n", (226, "its own\n", "")),
    ],
)  # fmt: skip
def test_how_a_command_ended(status, errors, told):
    assert confined.ending(status, errors) == told


def test_the_record_of_a_release_is_plain_json():
    assert json.loads(json.dumps(of())) == of()
