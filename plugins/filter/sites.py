# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The site model as filters: from `web_sites` to what the roles need."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pyweb.stack.plugins.module_utils.model import site
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain

EXAMPLE = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))), "examples", "mysite"
)


def sites(web_sites: Any, roots: Any = None, base: str = ".") -> list[dict[str, Any]]:
    return _told(site.complete, plain(web_sites), plain(roots), base, EXAMPLE)


def choose_pythons(completed: Any, platform: Any, found: Any, offered: Any = None) -> list[dict[str, Any]]:
    return _told(site.choose_pythons, plain(completed), plain(platform), plain(found), plain(offered))


def build_packages(chosen: Any, platform: Any, installer: str = "uv") -> list[str]:
    return _told(site.build_packages, plain(chosen), plain(platform), plain(installer))


def _told(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the model; its faults become Ansible's."""
    try:
        return function(*arguments)
    except site.SiteError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filters of the site model."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"sites": sites, "choose_pythons": choose_pythons, "build_packages": build_packages}
