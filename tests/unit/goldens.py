"""Golden files, and the sites that they are made from.

`UPDATE_GOLDEN=1 pytest tests/unit` rewrites the golden files; read the diff before you commit it.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import sandbox
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete

HERE = Path(__file__).parent / "golden"

SHOP = {"name": "shop", "domains": ["shop.example.com", "*.shop.example.com"], "source": {"startproject": "mysite"}}
SITES = {
    "plain": SHOP,
    "tcp": {
        **SHOP,
        "uwsgi": {"socket": [8000, "[::1]:8001"], "processes": 4, "threads": 2},
        "nginx": {"read_timeout": 300, "listen": 8080},
        "health": {"timeout": 90},
    },
    "options": {
        **SHOP,
        "database": "postgres://db/shop",
        "settings": {"TIME_ZONE": "Europe/Berlin", "EMAIL": {"port": 25, "tls": True, "text": 'it\'s "100 %"\n'}},
        "nginx": {"static": False, "media": {"url": "/pictures/", "path": "/srv/pictures"}},
        "uwsgi": {
            "chmod_socket": "0666",
            "options": {
                "log-format": "%(addr) 100%",
                "vacuum": None,
                "route": ["^/a goto:b", "^/b last:"],
                "harakiri": 5,
            },
            "unit": {"LimitNOFILE": 4096, "Environment": ["A=100%", '"B=c d"'], "Restart": "always"},
        },
    },
    "in_place": {
        **SHOP,
        "source": {"path": "/home/huatai/mysite"},
        "virtualenv": "none",
        "user": "huatai",
        "nginx": {"media": False},
    },
}
BUILD = {
    "id": "0123456789ab",
    "path": "/opt/sites/shop/builds/0123456789ab",
    "chdir": ".",
    "wsgi": "mysite.wsgi:application",
    "settings_module": "mysite.settings",
    "home": "/opt/sites/shop/builds/0123456789ab/venv",
    "uwsgi": "/opt/sites/shop/builds/0123456789ab/venv/bin/uwsgi",
    "install": "pyuwsgi",
    "overlay": True,
    "written": [],
}
# How an existing project is released without the role `django`: no overlay, the system's Python.
FOUND = {
    **BUILD,
    "home": "",
    "install": "distribution",
    "overlay": False,
    "chdir": "backend",
    "uwsgi": "/usr/bin/uwsgi",
}


def site(name, roots=None):
    [found] = complete([SITES[name]], roots=roots)
    # As the module reads them on the host.
    return {**found, "group": found["user"], "sandbox": sandbox.of_site(found, BUILD)}


def check(name, text):
    """Compare `text` with the golden file of this name, or write the file."""
    path = HERE / name.replace(":", ".")  # a colon is an illegal character in file names for ansible-test
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{path} is missing; UPDATE_GOLDEN=1 writes it"
    golden = path.read_text(encoding="utf-8")
    if text != golden:
        difference = difflib.unified_diff(golden.splitlines(), text.splitlines(), str(path), "now", lineterm="")
        pytest.fail("\n".join(["UPDATE_GOLDEN=1 rewrites the file:", *difference]), pytrace=False)
