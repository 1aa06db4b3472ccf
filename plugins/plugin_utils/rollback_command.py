# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command that rolls a site back, as the user would type it in the same directory."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COLLECTION = Path(__file__).resolve().parents[2]
# The options of ansible-playbook that determine the connections to the hosts.
FLAGS = {"become": "-b", "become_ask_pass": "-K", "ask_pass": "-k", "ask_vault_pass": "-J"}
VALUES = {
    "remote_user": "-u",
    "private_key_file": "--private-key",
    "vault_password_files": "--vault-password-file",
    "subset": "--limit",
}


def command(
    options: Mapping[str, Any], inventories: Sequence[str], site: str, root: Path = COLLECTION, only: str = ""
) -> str:
    """Return the command for a site, limited to the host `only` if it is set: others may have no such site.

    `options` are those of this run's command line; `inventories` are Ansible's defaults if it names none. Of variables,
    only files are repeated, because typed values may be secret.
    """
    words = ["ansible-playbook"]
    named = list(options.get("inventory") or [])
    if named != list(inventories):
        for inventory in named:
            words += ["-i", _short(inventory)]
    words += [option for name, option in FLAGS.items() if options.get(name)]
    if only:
        options = {**options, "subset": only}
    for name, option in VALUES.items():
        given = options.get(name) or []
        for value in [given] if isinstance(given, str) else given:
            words += [option, _short(value)]
    files = [text for text in options.get("extra_vars") or [] if str(text).startswith("@")]
    words.append(_playbook(list(options.get("args") or []), root))
    for text in [*files, f"rollback_site={site}"]:
        words += ["-e", str(text)]
    return shlex.join(words)


def _playbook(given: Sequence[str], root: Path) -> str:
    """Return the playbook: beside the current one by its path in a checkout, else by the collection's name."""
    ours = root / "playbooks"
    for name in given:
        if os.path.isfile(name) and Path(name).resolve().parent == ours.resolve():
            return os.path.join(os.path.dirname(name), "rollback.yml")
    if root.parent.parent.name == "ansible_collections":
        return "pyweb.stack.rollback"
    return _short(str(ours / "rollback.yml"))


def _short(path: str) -> str:
    """Return a path below the working directory relative to it; other paths, and lists of hosts, are not changed."""
    if "," in path or not os.path.isabs(path):
        return path
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
