# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters for certificates from a CA on a host: packages, and whether there is anything to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pyweb.stack.plugins.module_utils.model import prefixes
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import split_secrets
from ansible_collections.pyweb.stack.plugins.module_utils.tls import acme_request
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain


def acme_possible(completed: Any, host: Any, certbot: str) -> list[dict[str, Any]]:
    sites: list[dict[str, Any]] = plain(completed)
    faults = acme_request.faults(sites, plain(host).get("certbot") or str(certbot))
    if faults:
        raise AnsibleFilterError("\n".join(faults))
    return sites


def acme_pending(completed: Any, host: Any) -> list[str]:
    # Certificates of failed sites are not changed in this run.
    sites, secrets = split_secrets([site for site in prefixes.certified(plain(completed)) if not site.get("kept")])
    return acme_request.pending(sites, secrets, plain(host))


def acme_waiting(completed: Any, host: Any) -> list[str]:
    return acme_request.waiting(prefixes.certified(plain(completed)), plain(host))


def acme_served(completed: Any, faulty: Any) -> list[dict[str, Any]]:
    """Return the sites without the faulty ones; a site in the server of a faulty one needs no certificate either."""
    return [site for site in prefixes.certified(plain(completed)) if site["name"] not in plain(faulty)]


def acme_packages(completed: Any) -> list[str]:
    return acme_request.packages(plain(completed))


class FilterModule:
    """The filters for certificates."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "acme_possible": acme_possible,
            "acme_pending": acme_pending,
            "acme_waiting": acme_waiting,
            "acme_served": acme_served,
            "acme_packages": acme_packages,
        }
