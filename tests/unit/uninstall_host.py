"""A fake host for the tests of the uninstall: a root directory, and commands that are recorded and answered."""

from __future__ import annotations

import grp
import os
import pwd
from types import SimpleNamespace

from ansible_collections.pyweb.stack.plugins.module_utils.host import memory, zone_files
from ansible_collections.pyweb.stack.plugins.module_utils.model import layout as layouts
from ansible_collections.pyweb.stack.plugins.module_utils.uninstall import nginx

MEMORY = {
    "MEMORY": "",
    "BEFORE": "/before.json",
    "KEPT": "/kept",
    "BROUGHT": "/packages.json",
    "SITES": "/sites",
    "LEFT": "/left.json",
}
UNIT = "# Written by pyweb.stack: change the inventory instead.\n"


class Host:
    """`answers` are the answers to commands by their first words: (status, output, errors)."""

    def __init__(self, root, monkeypatch):
        self.root, self.calls, self.answers = root, [], {}
        for name in ("SYSTEMD", "SYSUSERS", "TMPFILES", "FIREWALLD_RECORDS", "NGINX_LOGS"):
            monkeypatch.setattr(layouts, name, f"{root}{getattr(layouts, name)}")
        monkeypatch.setattr(layouts, "LOCKS", f"{root}/run/pyweb.stack")
        for name, path in MEMORY.items():
            monkeypatch.setattr(layouts, name, f"{root}/memory{path}")
        monkeypatch.setattr(layouts, "ROOTS", {key: f"{root}{path}" for key, path in layouts.ROOTS.items()})
        for name in ("NGINX", "FIREWALLD", "SELINUX_MODULE", "NGINX_DROP_IN"):
            monkeypatch.setattr(memory, name, f"{root}{getattr(memory, name)}")
        monkeypatch.setattr(memory, "FOLDERS", tuple(f"{root}{path}" for path in memory.FOLDERS))
        monkeypatch.setattr(memory, "NGINX_OWN", tuple(f"{root}{path}" for path in memory.NGINX_OWN))
        monkeypatch.setattr(nginx, "DROP_IN", f"{root}{nginx.DROP_IN}")
        monkeypatch.setattr(zone_files, "OWN", f"{root}{zone_files.OWN}")
        monkeypatch.setattr(zone_files, "PACKAGED", f"{root}{zone_files.PACKAGED}")

    def run(self, argv):
        self.calls.append(" ".join(argv).replace(str(self.root), ""))
        fitting = [answer for begin, answer in self.answers.items() if self.calls[-1].startswith(begin)]
        return fitting[-1] if fitting else (0, "", "")

    def service(self, name, active, enabled):
        """Set systemd's state of a service."""
        begin = "systemctl show --property=Id"
        _status, said, _err = self.answers.get(begin, (0, "", ""))
        block = f"Id={name}.service\nActiveState={active}\nUnitFileState={enabled}\n"
        self.answers[begin] = (0, f"{said}\n{block}" if said else block, "")

    def put(self, path, text="", mode=0o644):
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def link(self, path, target):
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)

    def text(self, path):
        target = self.root / path.lstrip("/")
        return target.read_text() if os.path.lexists(target) else None

    def files(self, below="/"):
        top = self.root / below.lstrip("/")
        return sorted("/" + str(path.relative_to(self.root)) for path in top.rglob("*") if not path.is_dir())

    def shown(self, lines):
        return [line.replace(str(self.root), "") for line in lines]


def users(monkeypatch, **known):
    """Replace all accounts by these, name to number."""

    def found(name):
        if name not in known:
            raise KeyError(name)
        return SimpleNamespace(pw_name=name, pw_uid=known[name], pw_gid=known[name])

    monkeypatch.setattr(pwd, "getpwnam", found)
    monkeypatch.setattr(pwd, "getpwall", lambda: [found(name) for name in known])
    monkeypatch.setattr(grp, "getgrall", lambda: [SimpleNamespace(gr_name=name) for name in known])
