# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The site model as filters: from `web_sites` to what the roles need."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pyweb.stack.plugins.module_utils.model import pythons, secrets, site
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.model.types import Site
from ansible_collections.pyweb.stack.plugins.plugin_utils import certificates
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import defined, plain
from ansible_collections.pyweb.stack.plugins.plugin_utils.sites_after import sites_after as still_served

EXAMPLE = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))), "examples", "mysite"
)


def sites(web_sites: Any, roots: Any = None, base: Any = None, tls: Any = None, former_base: str = "") -> list[Site]:
    start = str(base or ".")  # Ansible's inventory_dir is None for `-i host,`
    with _faults_as_ansibles():
        return site.complete(
            defined(web_sites), plain(roots), start, EXAMPLE, defined(tls), certificates, former_base=former_base
        )


def choose_pythons(completed: Any, platform: Any, found: Any, offered: Any = None) -> list[Site]:
    with _faults_as_ansibles():
        return pythons.choose_pythons(plain(completed), plain(platform), plain(found), plain(offered))


def build_packages(chosen: Any, platform: Any, installer: str = "uv") -> list[str]:
    return pythons.build_packages(plain(chosen), plain(platform), plain(installer))


def sites_after(completed: Any, *results: Any) -> list[dict[str, Any]]:
    return still_served(plain(completed), plain(results))


def shown_environment(environment: Any) -> dict[str, str]:
    return secrets.shown_environment(plain(environment))


@contextlib.contextmanager
def _faults_as_ansibles() -> Iterator[None]:
    try:
        yield
    except InventoryError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filters of the site model."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "sites": sites,
            "choose_pythons": choose_pythons,
            "build_packages": build_packages,
            "sites_after": sites_after,
            "shown_environment": shown_environment,
        }
