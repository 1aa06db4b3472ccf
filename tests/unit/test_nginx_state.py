"""Facts about nginx's configuration on a host: who wrote the files, and which processes use the ports."""

from __future__ import annotations

import hashlib
import os

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import state

MAIN = "user web;\nhttp {\n    gzip on;\n    include conf.d/*.conf;\n    include sites-enabled/*;\n}\n"


class Module:
    """A module whose package manager has the checksums of some files."""

    def __init__(self, program, digests):
        self.program, self.digests = program, digests

    def get_bin_path(self, name):
        return f"/usr/bin/{name}" if name == self.program else None

    def run_command(self, argv):
        assert argv[0] == self.program
        lead = " " if self.program == "dpkg-query" else ""
        return 0, "".join(f"{lead}{path} {digest}\n" for path, digest in self.digests.items()), ""


class Etc:
    """/etc/nginx below a temporary directory."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        for name in ("conf.d", "sites-enabled", "sites-available", "default.d"):
            (folder / name).mkdir(parents=True)
        for name, path in {
            "ETC": "",
            "MAIN": "/nginx.conf",
            "DEFAULT_LINK": "/sites-enabled/default",
            "DEFAULT_LINKED": "/sites-available/default",
            "DEFAULT_FILE": "/conf.d/default.conf",
        }.items():
            monkeypatch.setattr(state, name, f"{folder}{path}")
        monkeypatch.setattr(state, "KEPT", f"{folder}/kept")
        monkeypatch.setattr(state, "held_ports", list)
        self.digests = {}

    def put(self, name, text, packaged=False, kind="md5"):
        path = self.folder / name
        path.write_text(text)
        if packaged:
            self.digests[str(path)] = hashlib.new(kind, text.encode()).hexdigest()

    def look(self, program="dpkg-query"):
        return state.look(Module(program, self.digests))


@pytest.fixture
def etc(tmp_path, monkeypatch):
    return Etc(tmp_path / "nginx", monkeypatch)


def test_no_command_is_run_without_nginx(etc):
    found = etc.look("")
    assert (found["main"], found["foreign_files"], found["packaged_defaults"]) == ("absent", [], [])
    assert "servers" not in found


@pytest.mark.parametrize(
    ("name", "text", "theirs"),
    [
        ("nginx.service", "[Service]\nLimitNOFILE=100000\n", True),
        ("nginx.service.d/override.conf", "[Service]\n LimitNOFILE = 100000\n", True),
        ("nginx.service.d/override.conf", "[Service]\n# LimitNOFILE=100000\nLimitNPROC=9\n", False),
        ("nginx.service.d/pyweb.conf", "[Service]\nLimitNOFILE=65536\n", False),
        ("other.service", "[Service]\nLimitNOFILE=100000\n", False),
    ],
)
def test_a_limit_set_by_the_administrator_is_found(etc, tmp_path, monkeypatch, name, text, theirs):
    monkeypatch.setattr(state, "UNITS", (str(tmp_path / "none"), str(tmp_path / "units")))
    monkeypatch.setattr(state, "DROP_IN", str(tmp_path / "units/nginx.service.d/pyweb.conf"))
    path = tmp_path / "units" / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert etc.look("")["limit_nofile"] is theirs


@pytest.mark.parametrize(("program", "kind"), [("dpkg-query", "md5"), ("rpm", "sha256"), ("rpm", "md5")])
def test_a_file_belongs_to_the_package_until_it_is_edited(etc, program, kind):
    etc.put("nginx.conf", MAIN, True, kind)
    assert etc.look(program)["main"] == "packaged"
    etc.put("nginx.conf", MAIN + "\n")
    assert etc.look(program)["main"] == "foreign"


def test_a_managed_file_is_recognized_by_its_mark_without_a_command(etc):
    etc.put("nginx.conf", "#\n# Ansible managed\n#\n# pyweb.stack.nginx: the whole of nginx.conf.\n" + MAIN)
    found = etc.look("")
    assert (found["main"], found["user"], found["group"]) == ("ours", "web", "web")
    etc.put("nginx.conf", "# a directive named\npyweb.stack.nginx;\n" + "\n" * 20 + "# pyweb.stack.nginx\n" + MAIN)
    assert etc.look("")["main"] == "foreign"


def test_the_packages_default_site_is_recognized_by_its_link_and_its_content(etc):
    etc.put("nginx.conf", MAIN)
    etc.put("sites-available/default", "server { listen 80 default_server; }", True)
    etc.put("conf.d/default.conf", "server { listen 80; }", True)
    link = etc.folder / "sites-enabled/default"
    link.symlink_to(etc.folder / "sites-available/default")
    found = etc.look()
    assert found["packaged_defaults"] == [str(link), f"{etc.folder}/conf.d/default.conf"]
    assert (found["servers"], found["foreign_files"]) == ([], [])
    etc.put("sites-available/default", "server { listen 80 default_server; server_name mine; }")
    found = etc.look()
    assert found["packaged_defaults"] == [f"{etc.folder}/conf.d/default.conf"]
    assert [server["names"] for server in found["servers"]] == [["mine"]]
    assert found["foreign_files"] == [str(link)]
    link.unlink()
    etc.put("sites-available/default", "server { listen 80 default_server; }", True)
    etc.put("sites-enabled/default", "server { listen 80 default_server; }")
    assert etc.look()["foreign_files"] == [str(link)]  # A copy belongs to the administrator.


def test_managed_files_are_distinguished_from_others(etc):
    mark = "# pyweb.stack.nginx: site shop.\n"
    etc.put("nginx.conf", MAIN)
    etc.put("conf.d/shop.conf", mark + "server { server_name shop; }\ngzip_comp_level 1;")
    etc.put("conf.d/pyweb_http.conf", "# pyweb.stack.nginx: for all sites.\nkeepalive_timeout 5;")
    etc.put("conf.d/other.conf", "server { server_name other; }\ngzip_vary on;")
    etc.put("default.d/shop.conf", "# pyweb.stack.nginx: site second, inside the server of nginx.conf.\n")
    found = etc.look()
    assert found["sites"] == ["second", "shop"]
    assert found["beside"]
    assert found["foreign_files"] == [f"{etc.folder}/conf.d/other.conf"]
    assert [server["names"] for server in found["servers"]] == [["other"]]
    assert set(found["http"]) == {"gzip", "gzip_vary"}


def test_values_of_the_http_level_stay_on_the_host(etc):
    etc.put("nginx.conf", "http {\n  proxy_set_header Authorization secret;\n  map_hash_max_size 4096;\n}")
    found = etc.look()
    assert "secret" not in str(found)
    assert found["http"]["map_hash_max_size"]["args"] == ["4096"]


def test_a_directive_is_reported_with_its_first_place(etc):
    etc.put("nginx.conf", "http {\n  add_header A 1;\n  add_header B 2;\n}")
    assert etc.look()["http"]["add_header"]["place"] == f"{etc.folder}/nginx.conf:2"


def test_files_that_are_not_included_are_found(etc):
    etc.put("nginx.conf", "http {\n    include conf.d/a*.conf;\n}")
    etc.put("conf.d/another.conf", "")
    etc.put("conf.d/old.conf", "")
    etc.put("sites-enabled/x", "")
    assert etc.look()["idle_files"] == [f"{etc.folder}/conf.d/old.conf", f"{etc.folder}/sites-enabled/x"]


def test_files_that_a_server_includes_are_not_at_the_http_level(etc):
    etc.put("nginx.conf", "http {\n    server {\n        include conf.d/*.conf;\n    }\n}")
    etc.put("conf.d/locations.conf", "location / {\n}")
    found = etc.look()
    assert found["includes"] == []
    assert found["elsewhere"] == [f"{etc.folder}/conf.d/*.conf"]
    assert found["idle_files"] == [f"{etc.folder}/conf.d/locations.conf"]


def test_edits_apply_to_the_target_of_a_link(etc):
    real = etc.folder.parent / "real.conf"
    real.write_text("http {\n  server { listen 80; }\n}")
    (etc.folder / "nginx.conf").symlink_to(real)
    found = etc.look()
    assert found["http_end"] == {"path": str(real), "line": 3, "column": 0, "text": "}"}
    assert found["servers"][0]["listens"][0]["at"] == {"path": str(real), "line": 2, "column": 11, "text": "listen 80;"}


def test_saved_copies_are_listed(etc):
    os.makedirs(f"{etc.folder}/kept{etc.folder}/conf.d")
    for name in ("nginx.conf", "conf.d/default.conf"):
        with open(f"{etc.folder}/kept{etc.folder}/{name}", "w", encoding="ascii"):
            pass
    assert etc.look("")["kept"] == [f"{etc.folder}/conf.d/default.conf", f"{etc.folder}/nginx.conf"]


def test_an_invalid_nginx_conf_is_reported(etc):
    etc.put("nginx.conf", "http {\n  'x\n")
    assert etc.look()["unread"] == [f"{etc.folder}/nginx.conf:2: a quote that is not closed"]


def test_ports_are_listed_with_the_processes_that_hold_them(tmp_path):
    row = "   0: {address}:{port:04X} 0:0 0A 00000000:00000000 00:00000000 00000000     0        0 {inode} 1\n"
    sockets = [("00000000", 80, 11), ("0100007F", 8000, 12), ("00000000", 9, 13), ("00000000", 81, 15)]
    (tmp_path / "net").mkdir()
    (tmp_path / "stat").write_text("btime 1\n")
    lines = [row.format(address=address, port=port, inode=inode) for address, port, inode in sockets]
    (tmp_path / "net/tcp").write_text("head\n" + "".join(lines))
    (tmp_path / "net/tcp6").write_text("head\n" + row.format(address="0" * 32, port=80, inode=14))
    for pid, name, unit, inodes in (
        (1, "systemd", "init.scope", (12,)),
        (5, "nginx", "nginx.service", (11, 14)),
        (6, "python3", "squatter.service", (12,)),
        (7, "nginx", "gitlab.service", (15,)),
    ):
        folder = tmp_path / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "status").write_text(f"Name:\t{name}\nPPid:\t1\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t\n")
        (folder / "stat").write_text(f"{pid} ({name}) S " + "1 " * 49)
        (folder / "cgroup").write_text(f"0::/system.slice/{unit}\n")
        for inode in inodes:
            (folder / f"fd/{inode}").symlink_to(f"socket:[{inode}]")
    found = {(holder["address"], holder["port"]): holder for holder in state.held_ports(str(tmp_path))}
    assert found["0.0.0.0", 80]["nginx"]  # noqa: S104 - an address in /proc
    assert (found["::", 80]["nginx"], found["::", 80]["ipv6"]) == (True, True)
    # Not systemd, which opened the socket.
    assert [found["127.0.0.1", 8000][key] for key in ("name", "pid", "unit")] == ["python3", 6, "squatter.service"]
    assert [found["0.0.0.0", 9][key] for key in ("name", "pid", "nginx")] == ["", 0, False]  # noqa: S104 - likewise
    assert not found["0.0.0.0", 81]["nginx"]  # noqa: S104 - the nginx of another service
