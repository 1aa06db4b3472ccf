# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that only the action plugin of a module sets."""

from __future__ import annotations


class ModuleDocFragment:
    """What a playbook does not set."""

    SECRETS = r"""
options:
  secrets:
    description: Secrets of the sites as JSON, which are never shown. Set by the action plugin.
    type: str
    default: "{}"
"""

    WHO = r"""
options:
  who:
    description: The person and the controller that the history names. Set by the action plugin.
    type: str
    default: ""
"""

    RELEASE = r"""
options:
  first:
    description: Whether this host is the first with the site, by the name of the site. Set by the action plugin.
    type: dict
    default: {}
  doctor:
    description: What the host's own checks need to know. Set by the action plugin.
    type: dict
    default: {}
  collection_version:
    description: The version of the collection, which is recorded on the host. Set by the action plugin.
    type: str
    default: ""
  command_sources:
    description: The hash of the sources of the command C(/usr/bin/pyweb). Set by the action plugin.
    type: str
    default: ""
  command_content:
    description: The command C(/usr/bin/pyweb) in base64, if the host does not have it. Set by the action plugin.
    type: str
    default: ""
  command_completion:
    description: The completion of the command for bash. Set by the action plugin.
    type: str
    default: ""
"""
