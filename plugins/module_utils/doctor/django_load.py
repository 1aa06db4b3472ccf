# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Load an application as its server does, in the site's own interpreter.

`site_doctor` sends this text in front of those of `django_look` and `django_again`; nothing here may need Ansible.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any


def load(module: str) -> Any:
    """Import `module`, a dotted name or the path of a file."""
    if not module.endswith(".py"):
        return importlib.import_module(module)
    spec: Any = importlib.util.spec_from_file_location("uwsgi_file", module)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded
