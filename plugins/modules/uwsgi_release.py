#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: uwsgi_release
short_description: Release builds under uWSGI without a failed request
version_added: 0.1.0
description:
  - Starts a release beside the live one and requests it over the uwsgi protocol until O(sites[].health) is met. Then it
    switches C(current) to the new release, waits until the old one has finished its requests according to its stats
    socket, and stops it.
  - A release that does not start or fails its health checks is removed. The live release never stops answering.
  - If nginx serves the site through the role nginx, and the site answered there by its own name before the switch but
    not after it, the release is removed as well.
  - Starts the workers of the release before C(current) is switched, watches them for a moment, and lets those of the
    old release finish their tasks. Timers are updated right after the switch. If a worker does not start, or the
    release is removed, the old workers keep running.
  - Before it starts the release, it applies migrations and runs the project's own commands. It also creates the
    superuser.
  - Removes sites with O(sites[].state=absent).
  - Installs the command C(/usr/bin/pyweb) on the host, unless another file is at that path, and removes it with the
    last site.
  - Installs a timer with which the host checks its sites every few minutes, as O(doctor_timer) says.
author: [pyweb.stack contributors (@pyweb)]
options:
  sites:
    description: The completed sites, as returned by the filter P(pyweb.stack.sites#filter).
    type: list
    elements: dict
    required: true
    suboptions:
      health:
        description: The health checks that a release must pass.
        type: dict
      state:
        description: Whether the site should exist.
        type: str
  builds:
    description:
      - A mapping of site names to manifests, as in the return value RV(pyweb.stack.django_build#module:builds). Entries
        that have only an id are accepted too.
      - A site without a build is released from its C(source.path), with its own C(virtualenv).
    type: dict
    default: {}
  faulty:
    description: The names of sites to leave as they are, because their build failed.
    type: list
    elements: str
    default: []
  web_group:
    description: The group of nginx's workers, which owns the sockets. If empty, the platform's default is used.
    type: str
    default: ""
  last_check:
    description:
      - Whether to fail if a site does not answer through nginx at the end, even if it did not answer before. If the
        role nginx is in the same play, that role checks this. A site for which nginx has no server is not checked. It
        is a failure if nginx has a server for the site but does not run.
    type: bool
    default: false
  doctor_timer:
    description:
      - V(false), or a mapping of C(every), for example V(5m), and C(metrics), the directory of C(node_exporter)'s
        textfile collector. An empty mapping means every five minutes and no metrics. If the option is not set, the host
        keeps what it has.
      - The units are C(pyweb-doctor.timer) and C(pyweb-doctor.service), which runs C(pyweb watch). They are removed
        with V(false) and with the last site, together with their metrics and their state.
    type: raw
extends_documentation_fragment:
  - pyweb.stack.set_by_action.secrets
  - pyweb.stack.set_by_action.who
  - pyweb.stack.set_by_action.release
attributes:
  check_mode:
    support: full
    description: Predicts the release and, if the build exists, the migrations.
  diff_mode:
    support: full
    description: Shows the C(uwsgi.ini) and the migrations before and after.
notes:
  - Each release, and each failed one, is recorded as a line in the journal (C(journalctl --identifier=pyweb.stack)) and
    in C(/opt/sites/NAME/history). C(/opt/sites/NAME/list) shows the existing releases.
seealso:
  - module: pyweb.stack.django_build
  - module: pyweb.stack.uwsgi_rollback
"""

EXAMPLES = r"""
- name: Release the builds
  pyweb.stack.uwsgi_release:
    sites: "{{ web_sites | pyweb.stack.sites }}"
    builds: "{{ django_builds.builds }}"
"""

RETURN = r"""
releases:
  description: A mapping of site names to what is live now.
  returned: success
  type: dict
  contains:
    id:
      description: The id of the live release, or of the one that would be live in check mode.
      type: str
    previous:
      description: The release that was live before it.
      type: str
    migrations:
      description: The migrations that were applied, or would be applied in check mode.
      type: list
      elements: str
    processes:
      description: How many processes uWSGI has. Missing in check mode if the release is not known yet.
      type: int
    commit:
      description: The commit of its code, if the code came from git.
      type: str
    subject:
      description: The first line of the commit's message.
      type: str
    source:
      description: Where its code came from, in a few words.
      type: str
command:
  description: The path of the command C(pyweb), if it was installed or removed, or would be in check mode.
  returned: when it changes
  type: str
  sample: /usr/bin/pyweb
timer:
  description: What was written, removed, started and enabled for the timer of the doctor, or would be in check mode.
  returned: when it changes
  type: list
  elements: str
  sample: [/etc/systemd/system/pyweb-doctor.timer, start pyweb-doctor.timer, enable pyweb-doctor.timer]
made:
  description: What was done, or would be done in check mode, each after the name of its site.
  returned: success
  type: list
  elements: str
notes:
  description: Problems that did not stop a site from being served, for example a superuser that could not be created.
  returned: if there are any
  type: list
  elements: str
sites_after:
  description:
    - The state of the sites, for a report. C(made), C(notes) and C(releases) are as in RV(made), RV(notes) and
      RV(releases), for the sites that were released.
    - C(live) is a mapping of the other site names to what is live there, with the keys of RV(releases). C(switched)
      says whether that is another release than before. C(migrations) lists the migrations that were applied and stay
      applied.
    - C(faulty) lists the sites that failed, C(others) the sites that are in the requested state.
  returned: failure
  type: dict
"""

import base64
import json
import os
from dataclasses import dataclass, field
from typing import Any, cast

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils.build.found import as_found
from ansible_collections.pyweb.stack.plugins.module_utils.host import (
    accounts,
    builder,
    command_file,
    files,
    found,
    managed_pythons,
    memory,
    noted_version,
    packages,
)
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import why_not_root
from ansible_collections.pyweb.stack.plugins.module_utils.host.live import code, live
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import NICENESS, Shell, StepError, own_fault
from ansible_collections.pyweb.stack.plugins.module_utils.host.site_group import site_group
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.model.secrets import hidden_values
from ansible_collections.pyweb.stack.plugins.module_utils.model.types import Manifest, Secrets, Site
from ansible_collections.pyweb.stack.plugins.module_utils.release import doctor_timer, ports, sizing
from ansible_collections.pyweb.stack.plugins.module_utils.release.commands import announced
from ansible_collections.pyweb.stack.plugins.module_utils.release.guards import guarded
from ansible_collections.pyweb.stack.plugins.module_utils.release.release import wanted
from ansible_collections.pyweb.stack.plugins.module_utils.release.shelf import withdraw
from ansible_collections.pyweb.stack.plugins.module_utils.release.switch import Change, Switch

SPEC: dict[str, Any] = {
    "sites": {"type": "list", "elements": "dict", "required": True},
    "builds": {"type": "dict", "default": {}},
    "faulty": {"type": "list", "elements": "str", "default": []},
    "web_group": {"type": "str", "default": ""},
    "last_check": {"type": "bool", "default": False},
    "doctor_timer": {"type": "raw"},
    # The action plugin adds these.
    "secrets": {"type": "str", "default": "{}", "no_log": True},
    "who": {"type": "str", "default": ""},
    "first": {"type": "dict", "default": {}},
    "doctor": {"type": "dict", "default": {}},
    "command_sources": {"type": "str", "default": ""},
    "command_content": {"type": "str", "default": "", "no_log": True},
    "command_completion": {"type": "str", "default": "", "no_log": True},
    "collection_version": {"type": "str", "default": ""},
}


@dataclass
class Sites:
    """What is wanted of all sites of a host, and what was, or in check mode would be, done."""

    secrets: dict[str, Secrets]
    builds: dict[str, Manifest]
    web_group: str
    who: str
    last_check: bool
    check_mode: bool
    # Site name to whether this is the first host of the inventory that has it.
    first: dict[str, bool] = field(default_factory=dict)
    # Site name to what the doctor has to know of it.
    doctor: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    releases: dict[str, dict[str, Any]] = field(default_factory=dict)
    diff: list[dict[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    live: dict[str, dict[str, Any]] = field(default_factory=dict)
    faulty: list[str] = field(default_factory=list)
    # How many sites share the host.
    present: int = 1

    def apply(self, site: Site) -> None:
        """Release or remove one site; a fault of one does not keep the others from what is wanted of them."""
        layout, name = Layout.of(site), site["name"]
        before = live(layout)["id"]
        hidden = Shell(name, {}, hidden_values(self.secrets[name]) if name in self.secrets else [])
        try:
            with own_fault(name, hidden.mask), files.locked(name):
                if site["state"] == "absent":
                    self._withdraw(site)
                else:
                    self._release(site)
        except StepError as error:
            now = live(layout)
            self.faults.append(str(error))
            self.faulty.append(name)
            self.live[name] = {
                **now,
                "switched": now["id"] != before,
                "migrations": error.migrations,
            }

    def _withdraw(self, site: Site) -> None:
        shell = Shell(site["name"], {})
        account = Layout.of(site), site["user"], site["managed_user"], site["purge"]
        removed = withdraw(site, shell, self.check_mode, lambda: accounts.forget(*account, shell, self.check_mode))
        self._made(site, [f"removed {path}" for path in removed])

    def _release(self, site: Site) -> None:
        name = site["name"]
        account = Layout.of(site), site["user"], site["managed_user"]
        build = self._build_of(site)
        builds = builder.of_site(site) if build else site["user"]
        shell = Shell(name, {})
        changes = accounts.ensure(*account, self.web_group, shell, self.check_mode, site["user_shared"], builds)
        self._made(site, changes)
        if self.check_mode and (changes or (build and build.get("predicted"))):
            # Without the user or the build there is nothing to ask what the release would be.
            self.releases[name] = {"id": "", "previous": "", "migrations": [], **code({})}
            shell = Shell(name, {}, hidden_values(self.secrets[name]))
            own = announced(site["release"], self.first.get(name, True), shell)
            self._made(site, ["a release", *own])
            self.diff += commands_difference(site, own)
            return
        group = site_group(Layout.of(site), site["user"], site["managed_user"])
        size = sizing.decide(site, self.present)
        site = {**site, "uwsgi": {**site["uwsgi"], "processes": size.processes}}
        manifest = build or as_found(site)
        shell = Shell(name, {}, hidden_values(self.secrets[name]))
        safe = guarded(site, manifest, shell)
        release = wanted(site, self.secrets[name], manifest, group, self.first.get(name, True), safe)
        switch = Switch.on_this_host(release, self.who, self.check_mode)
        change = switch.deploy()
        if not self.check_mode:
            sizing.remember(site, size)
            open_to_all = ports.unlimited(shell, release.layout, release.sockets)
            self.notes += [f"site '{name}': {open_to_all}"] if open_to_all else []
        self._made(site, [*change.what, *([size.note] if size.note else []), *self._tell_the_doctor(release.layout)])
        self.notes += switch.notes
        self.releases[name] = {
            "id": change.release,
            "previous": change.previous,
            "migrations": change.migrations,
            "processes": size.processes,
            **code(release.manifest),
        }
        self.diff += differences(site, change)
        if self.last_check and (wrong := switch.unanswered()):
            self.faults.append(str(wrong))
            self.faulty.append(name)

    def _tell_the_doctor(self, layout: Layout) -> list[str]:
        """Write down for `pyweb doctor` what the inventory says; return the file where it was, or would be, written."""
        request = self.doctor.get(layout.name)
        if not request or files.recorded(layout.doctor_request) == request:
            return []
        if not self.check_mode:
            files.write(layout.doctor_request, json.dumps(request, indent=1, sort_keys=True) + "\n", 0o600)
        return [layout.doctor_request]

    def _build_of(self, site: Site) -> Manifest | None:
        """Return the manifest of a site's build; where only its id came, that of the host."""
        build = self.builds.get(site["name"])
        if build and "chdir" not in build and not build.get("predicted"):
            return cast(Manifest, files.recorded(Layout.of(site).manifest(build["id"])))
        return build

    def _made(self, site: Site, what: list[str]) -> None:
        self.made += [f"{site['name']}: {text}" for text in what]


def differences(site: Site, change: Change) -> list[dict[str, str]]:
    """Return the differences of a change as Ansible shows them."""
    found = []
    if change.before != change.after:
        header = Layout.of(site).live_ini
        found.append({"before_header": header, "after_header": header, "before": change.before, "after": change.after})
    found += commands_difference(site, [text for text in change.what if text.startswith("command: ")])
    if change.migrations:
        planned = "".join(f"{migration}\n" for migration in change.migrations)
        header = f"{site['name']}: migrations"
        found.append({"before_header": header, "before": "", "after_header": "applied", "after": planned})
    return found


def commands_difference(site: Site, own: list[str]) -> list[dict[str, str]]:
    """Return the project's commands of a change as Ansible shows differences."""
    after = "".join(f"{text}\n" for text in own)
    header = f"{site['name']}: commands"
    return [{"before_header": header, "before": "", "after_header": "run", "after": after}] if own else []


def timer_of_the_doctor(module: AnsibleModule, sites: Sites) -> list[str]:
    """Have the doctor's timer as it is wanted; return what was, or in check mode would be, done."""
    settings = module.params["doctor_timer"]
    if settings is None:
        return []
    gone = {site["name"] for site in module.params["sites"] if site["state"] == "absent"}
    done = doctor_timer.converge(settings or None, bool(sites.releases), gone, module.run_command, module.check_mode)
    sites.notes += [done.warning] if done.warning else []
    sites.faults += [done.fault] if done.fault else []
    sites.diff += done.diff
    return done.made


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if fault := why_not_root():
        module.fail_json(msg=fault)
    # What the host serves meanwhile comes first. uWSGI itself, which systemd starts, is not held back.
    os.nice(NICENESS)
    given = module.params
    secrets = json.loads(given["secrets"]).get("sites", {})
    web_group = accounts.web_group(given["web_group"])
    if not module.check_mode and memory.is_unknown():
        # The role alone has not looked at the host before.
        memory.remember(module.run_command, packages.installed(module))
    any_present = any(site["state"] == "present" for site in given["sites"])
    command, note = "", ""
    if any_present and given["command_sources"]:
        brought = given["command_sources"], base64.b64decode(given["command_content"]), given["command_completion"]
        try:
            command, note = command_file.ensure(*brought, module.check_mode)
        except command_file.NotSent:
            module.exit_json(changed=False, command_wanted=True)
    sites = Sites(
        secrets,
        given["builds"],
        web_group,
        given["who"],
        given["last_check"],
        module.check_mode,
        given["first"],
        given["doctor"],
        [note] if note else [],
    )
    sites.present = sum(site["state"] == "present" for site in given["sites"])
    wanted_now = [site for site in given["sites"] if site["name"] not in given["faulty"]]
    for site in wanted_now:
        sites.apply(site)
    if not module.check_mode:
        # Builds went away with releases, and with sites. All sites of one root share their Pythons.
        for layout in {Layout.of(site).pythons: Layout.of(site) for site in given["sites"]}.values():
            managed_pythons.prune(layout)
    going = {site["name"] for site in given["sites"] if module.check_mode}
    stays = any_present or bool(set(found.of_units()) - going)
    if given["command_sources"] and not stays:
        command = next(iter(command_file.remove(module.check_mode)), "")
    version = noted_version.converge(given["collection_version"], stays, module.check_mode)
    sites.diff += [version] if version else []
    timer = timer_of_the_doctor(module, sites)
    changed = bool(sites.made or command or timer or version)
    done = {"releases": sites.releases, "made": sites.made}
    said = {"notes": sites.notes, "command": command, "timer": timer}
    done.update({key: value for key, value in said.items() if value})
    for note in sites.notes:
        module.warn(note)
    if sites.faults:
        others = [site["name"] for site in wanted_now if site["name"] not in sites.faulty]
        after = {**done, "live": sites.live, "faulty": sites.faulty, "others": others}
        module.fail_json(msg="\n".join(sites.faults), changed=changed, diff=sites.diff, sites_after=after)
    module.exit_json(changed=changed, diff=sites.diff, **done)


if __name__ == "__main__":
    main()
