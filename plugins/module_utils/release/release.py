# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release: one build, one environment, one uwsgi.ini and the units that run them, under one ID.

Nothing here changes a host. A release is made from an inventory and a build (`wanted`), or from the files that it
stored on the host when it went live (`stored`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..build import runtime, tree
from ..host import files
from ..host.live import shown_source
from ..host.sandbox import Directives, of_site, with_own
from ..host.shell import Shell, StepError
from ..model import schemes
from ..model.layout import Layout, content_id
from ..model.secrets import all_forms, hidden_values, hidden_variables, own_names
from ..model.steps import commands, identity
from ..model.types import Health, Manifest, Record, Secrets, Site, Step, Superuser
from . import units, uwsgi_ini, worker_units

# What a release records of its site, so that a rollback needs no inventory: for starting, checking and draining it.
# None of it is secret: the model refuses a password in a URL, and the rest of `uwsgi` is in the ini file.
RECORDED = ("name", "user", "group", "domains", "paths", "health", "keep_releases", "uwsgi")
RECORDED_NGINX = ("listen", "read_timeout", "static")
# In addition, for a site with TLS: what its visitors are redirected to.
RECORDED_TLS = ("listen_tls", "redirect")


@dataclass(frozen=True)
class Release:
    """A release of one site.

    `host` is the name for requests to the site. `sockets` are its TCP addresses; without any, it has a unix socket.
    `read_timeout` is the time limit of a request in seconds. `units` are file name -> text, and so are those of its
    workers and timers on this host, `background`. `sandbox` are the directives of its commands and `manage`; a release
    of an earlier version has none. `site` is the part of the site that the release records. `hidden` are the secret
    texts. Only a wanted release has `steps`, `superuser` and `password`; `first` tells whether this host runs the steps
    that one of several runs. `guarded` tells whether its ini file restricts its sockets to requests.
    """

    layout: Layout
    id: str
    user: str
    host: str
    health: Health
    sockets: tuple[str, ...]
    read_timeout: int
    keep_releases: int
    manifest: Manifest
    environment: Mapping[str, str] = field(repr=False)
    ini: str
    units: Mapping[str, str]
    site: Mapping[str, Any]
    hidden: tuple[str, ...] = field(repr=False)
    steps: tuple[Step, ...] = ()
    first: bool = True
    superuser: Superuser = field(default_factory=Superuser)
    password: str = field(default="", repr=False)
    background: Mapping[str, str] = field(default_factory=dict)
    sandbox: Directives = field(default_factory=dict)
    guarded: bool = False

    @property
    def name(self) -> str:
        """Return the name of its site."""
        return self.layout.name

    @property
    def migrate(self) -> bool:
        """Return whether migrations are one of its steps."""
        return any(step["kind"] == "builtin" for step in self.steps)

    @property
    def folder(self) -> str:
        return self.layout.release(self.id)

    @property
    def environment_text(self) -> str:
        """Return the inventory's environment as an EnvironmentFile: an input of its ID."""
        return environment_text(self.environment)

    @property
    def environment_file(self) -> str:
        """Return the text of its EnvironmentFile. HOME is in the data; the account has none (`host.accounts`)."""
        return environment_text({"HOME": self.layout.state, **self.environment})

    def shell(self) -> Shell:
        """Return a shell that hides the release's secrets in all output."""
        return Shell(self.name, {}, self.hidden, self.sandbox)

    def code_in_place(self) -> str:
        """Return a digest of code that is used in place; '' for a build's own, which never changes."""
        return tree.digest(self.manifest["src"]) if self.manifest["source"]["kind"] == "path" else ""

    def record(self, known: list[str], made: int) -> Record:
        """Return its release.json; `known` are the migrations in its code, `made` is in seconds."""
        return {
            "id": self.id,
            "build": self.manifest["id"],
            "made": made,
            "source": shown_source(self.manifest["source"]),
            "migrations": known,
            "code": self.code_in_place(),
            "site": dict(self.site),
            "manifest": self.manifest,
            "units": dict(self.units),
            **({"background": dict(self.background)} if self.background else {}),
            **({"sandbox": {name: list(values) for name, values in self.sandbox.items()}} if self.sandbox else {}),
            **({"guarded": True} if self.guarded else {}),
        }


def wanted(
    site: Site,
    secrets: Secrets,
    manifest: Manifest,
    group: str,
    first: bool = True,
    guarded: bool = True,
) -> Release:
    """Return the release of a completed site, its secrets and its build; `group` is its user's primary group.

    `first` tells whether this is the first host of the inventory that has the site. Its ID does not depend on that.
    `guarded` tells whether its uWSGI has the routing that the guards in its ini file need.
    """
    site = {**site, "group": group}
    own = of_site(site, manifest)
    sandboxed = {**site, "sandbox": own}
    layout = Layout.of(site)
    environment = runtime.process_environment(secrets, manifest.get("configuration", ""))
    texts = units.render(sandboxed)
    digest = hashlib.sha256(environment_text(environment).encode()).hexdigest()
    # The ini file contains the release's ID, so it is hashed with a placeholder instead.
    inputs: list[Any] = [manifest["id"], uwsgi_ini.render(site, manifest, guarded=guarded), digest, texts]
    # Newer inputs count only if they exist: releases of earlier versions keep their IDs. A new command must run.
    inputs += [identity(site["release"])] if commands(site["release"]) else []
    background = worker_units.render(sandboxed, manifest, "RELEASE")
    release_id = content_id([*inputs, background] if background else inputs)
    return Release(
        layout=layout,
        id=release_id,
        user=site["user"],
        host=runtime.host(site),
        health=site["health"],
        sockets=tuple(site["uwsgi"]["socket"]),
        read_timeout=site["nginx"]["read_timeout"],
        keep_releases=site["keep_releases"],
        manifest=manifest,
        environment=environment,
        ini=uwsgi_ini.render(site, manifest, release_id, guarded),
        units=texts,
        site=_recorded(site),
        hidden=tuple(hidden_values(secrets, names=own_names(site))),
        steps=tuple(site["release"]),
        first=first,
        superuser=site["superuser"],
        password=secrets["password"],
        background=worker_units.render(sandboxed, manifest, release_id, first),
        sandbox=with_own(own, site["uwsgi"]["unit"]),
        guarded=guarded,
    )


def stored(layout: Layout, release_id: str) -> Release:
    """Return a release that is on the host, with its stored texts. Raises `StepError` if it does not exist.

    Nothing is rendered from the record: it may be older than the current templates.
    """
    record = files.recorded(layout.record(release_id)) if release_id else {}
    if not record.get("site"):
        there = [name for name in files.names(layout.releases) if files.recorded(layout.record(name)).get("site")]
        fault = f"release {release_id!r} is not on this host" if release_id else "there is no previous release"
        raise StepError(layout.name, "rollback", f"{fault}; the host has {', '.join(there) or 'none'}")
    site = record["site"]
    environment = parse_environment(files.read(layout.env(release_id)))
    if environment.get("HOME") == layout.state:
        del environment["HOME"]  # not the inventory's
    database = [value for name, value in environment.items() if name == runtime.DATABASE_VARIABLE]
    own = {name: value for name, value in environment.items() if name != runtime.DATABASE_VARIABLE}
    return Release(
        layout=layout,
        id=release_id,
        user=site["user"],
        host=runtime.host(site),
        health=site["health"],
        sockets=tuple(site["uwsgi"]["socket"]),
        read_timeout=site["nginx"]["read_timeout"],
        keep_releases=site["keep_releases"],
        manifest=record["manifest"],
        environment=environment,
        ini=files.read(layout.ini(release_id)),
        units=record["units"],
        site=site,
        background=record.get("background", {}),
        sandbox=record.get("sandbox", {}),
        guarded=record.get("guarded", False),
        hidden=(*hidden_variables(own, own_names(site)), *all_forms(database)),
    )


def environment_text(environment: Mapping[str, str]) -> str:
    """Return the text of an EnvironmentFile."""
    return "".join(f"{name}={quote(value)}\n" for name, value in sorted(environment.items()))


def quote(value: str) -> str:
    """Return a value as systemd.exec(5) reads it from an EnvironmentFile: in double quotes, \\ " $ ` escaped."""
    return '"' + re.sub(r'([\\"$`])', r"\\\1", value) + '"'


def parse_environment(text: str) -> dict[str, str]:
    """Parse the variables of an EnvironmentFile that `environment_text` wrote."""
    found = re.findall(r'(?ms)^(\w+)="((?:[^"\\]|\\.)*)"$', text)
    return {name: re.sub(r'\\([\\"$`])', r"\1", value) for name, value in found}


def _recorded(site: Site) -> dict[str, Any]:
    whole: Mapping[str, Any] = site
    tls = schemes.has_tls(site)
    return {
        **{key: whole[key] for key in RECORDED},
        **({"prefix": site["prefix"]} if site["prefix"] else {}),
        **({"canonical": site["canonical"]} if site["canonical"] else {}),
        **({"tls": {"kind": schemes.kind(site)}} if tls else {}),
        # A rollback does not watch.
        "health": {key: value for key, value in whole["health"].items() if key != "watch"},
        "nginx": {key: whole["nginx"][key] for key in (*RECORDED_NGINX, *(RECORDED_TLS if tls else ()))},
    }
