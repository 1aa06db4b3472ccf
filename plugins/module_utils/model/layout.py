# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All names that a site has on a host: directories, files, units, sockets. No other module builds them.

Imports nothing of the collection, so that code on the controller and on the host can use it.
"""

# length: every name of a site stands here
from __future__ import annotations

import glob
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The default directories of sites on a host; `web_roots` replaces them.
ROOTS = {
    "sites": "/opt/sites",
    "state": "/var/lib/sites",
    "config": "/etc/sites",
    "run": "/run/sites",
    "cache": "/var/cache/sites",
}
# Locks, markers and staged copies. Owned by root, so no other account can hold a lock or create a link here.
LOCKS = "/run/pyweb.stack"
# The prefix of the nftables tables that keep local accounts from the TCP ports of uWSGI.
PORTS_TABLE = "pyweb-ports-"
SYSTEMD = "/etc/systemd/system"
# The collection's command on a host, and its bash completion. sudo's PATH on EL does not contain /usr/local.
PYWEB_COMMAND = "/usr/bin/pyweb"
PYWEB_COMPLETION = "/usr/local/share/bash-completion/completions/pyweb"
SYSUSERS = "/etc/sysusers.d"
TMPFILES = "/etc/tmpfiles.d"
NGINX_LOGS = "/var/log/nginx"
FIREWALLD_RECORDS = "/etc/firewalld/pyweb.stack"
# The state of the host before the first run, for uninstall: a record, and copies of replaced or changed files of
# others, below their own paths.
MEMORY = "/var/lib/pyweb.stack"
BEFORE = f"{MEMORY}/before.json"
KEPT = f"{MEMORY}/kept"
# Where a CA looks for the answer to an http challenge, and the lineages of certbot. Root writes, nginx reads.
ACME_WEBROOT = "/var/lib/pyweb-acme"
LETSENCRYPT = "/etc/letsencrypt"
# What the collection made of these files; a file that differs from it was changed by someone else since.
CHANGED = f"{MEMORY}/changed.json"
# The packages that runs installed, the paths of each site, and what an uninstall left on the host.
BROUGHT = f"{MEMORY}/packages.json"
SITES = f"{MEMORY}/sites"
LEFT = f"{MEMORY}/left.json"
# The version of the collection that last released sites on the host. Every user can read it.
VERSION = f"{MEMORY}/version"
# The memory of the doctor's timer, and its units.
WATCHED = f"{MEMORY}/doctor"
DOCTOR_SERVICE = f"{SYSTEMD}/pyweb-doctor.service"
DOCTOR_TIMER = f"{SYSTEMD}/pyweb-doctor.timer"

# The maximum length of an account name for useradd and systemd.
USER_MAX = 31

# Builds, virtualenvs and releases are named after a hash of their inputs.
ID_LENGTH = 12
ID_PATTERN = rf"[0-9a-f]{{{ID_LENGTH}}}"


def content_id(inputs: Any) -> str:
    """Return the ID of `inputs` (anything that JSON can represent): equal inputs give an equal ID."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:ID_LENGTH]


def account_name(kind: str, site: str) -> str:
    """Return the name of an account of a site, `KIND-SITE`; a longer name is cut and gets a digest."""
    text = f"{kind}-{site}"
    return text if len(text) <= USER_MAX else f"{text[: USER_MAX - 5]}-{hashlib.sha256(text.encode()).hexdigest()[:4]}"


# length: a property for every name that a site has on a host
@dataclass(frozen=True)
class Layout:
    """The names of one site. `paths` are those that the model derived from `web_roots`; they are passed as JSON.

    Keys of `paths`: root, builds, virtualenvs, releases, current, previous, history, state, config, run, cache, media.
    """

    name: str
    paths: Mapping[str, str]

    @classmethod
    def of(cls, site: Mapping[str, Any]) -> Layout:
        """Return the layout of a completed site, or of the part of one that a release records."""
        return cls(site["name"], site["paths"])

    @classmethod
    def under(cls, name: str, roots: Mapping[str, str] | None = None) -> Layout:
        """Return the layout of a site called `name` below `roots`; missing roots have their default."""
        known = {key: path.rstrip("/") for key, path in {**ROOTS, **(roots or {})}.items()}
        home = f"{known['sites']}/{name}"
        own = {key: f"{known[key]}/{name}" for key in ("state", "config", "run", "cache")}
        inside = {
            key: f"{home}/{key}" for key in ("builds", "virtualenvs", "releases", "current", "previous", "history")
        }
        return cls(name, {"root": home, **inside, **own, "media": f"{own['state']}/media"})

    # --- directories and files ---

    @property
    def root(self) -> str:
        return self.paths["root"]

    @property
    def builds(self) -> str:
        return self.paths["builds"]

    @property
    def virtualenvs(self) -> str:
        return self.paths["virtualenvs"]

    @property
    def releases(self) -> str:
        return self.paths["releases"]

    @property
    def current(self) -> str:
        """Return the link to the live release."""
        return self.paths["current"]

    @property
    def previous(self) -> str:
        """Return the link to the previously live release."""
        return self.paths["previous"]

    @property
    def history(self) -> str:
        return self.paths["history"]

    @property
    def state(self) -> str:
        return self.paths["state"]

    @property
    def config(self) -> str:
        return self.paths["config"]

    @property
    def run(self) -> str:
        return self.paths["run"]

    @property
    def cache(self) -> str:
        return self.paths["cache"]

    @property
    def media(self) -> str:
        return self.paths["media"]

    @property
    def manage(self) -> str:
        """Return the command that runs manage.py with the live release's settings and environment."""
        return f"{self.root}/manage"

    @property
    def list_script(self) -> str:
        """Return the command that lists the releases."""
        return f"{self.root}/list"

    @property
    def secret_key(self) -> str:
        return f"{self.config}/secret_key"

    @property
    def known_hosts(self) -> str:
        """Return the file with the keys of SSH servers that were seen first; owned by root."""
        return f"{self.config}/known_hosts"

    @property
    def superusers(self) -> str:
        """Return the record of superusers that are known to exist."""
        return f"{self.config}/superusers.json"

    @property
    def sizing(self) -> str:
        """Return the record of the number of processes that the host chose, and for how many cores."""
        return f"{self.config}/processes.json"

    @property
    def doctor_request(self) -> str:
        """Return the record of the site for the doctor and `pyweb doctor`; owned by root, without secrets."""
        return f"{self.config}/doctor.json"

    @property
    def seeded(self) -> str:
        """Return the record of the site's initial data."""
        return f"{self.config}/seeded.json"

    @property
    def tls(self) -> str:
        """Return the directory of the site's certificates; owned by root."""
        return f"{self.config}/tls"

    @property
    def tls_live(self) -> str:
        """Return the link to the pair that nginx serves: `pairs/ID`, a directory with both files."""
        return f"{self.tls}/live"

    @property
    def certificate(self) -> str:
        """Return the certificate that nginx serves, with its intermediate certificates."""
        return f"{self.tls_live}/fullchain.pem"

    @property
    def certificate_key(self) -> str:
        return f"{self.tls_live}/privkey.pem"

    @property
    def lineage(self) -> str:
        """Return the name of the site's certificate in certbot."""
        return f"pyweb-{self.name}"

    def files(self, digest: str) -> str:
        """Return the directory of the inventory's files for the code; its name is their digest."""
        return f"{self.config}/files/{digest}"

    def writable(self, path: str) -> str:
        """Return the path among the data of what the code may write at `path`."""
        return f"{self.state}/writable/{path}"

    @property
    def tools(self) -> str:
        """Return the virtualenv of uv, which all sites of a host share."""
        return f"{os.path.dirname(self.root)}/.tools"

    @property
    def new_tools(self) -> str:
        """Return the directory in which uv is installed before it is renamed to `tools`, which is always complete."""
        return f"{self.tools}.new"

    @property
    def pythons(self) -> str:
        """Return the directory of the Pythons that uv installed, which all sites of a host share."""
        return f"{os.path.dirname(self.root)}/.pythons"

    @property
    def lock(self) -> str:
        return f"{LOCKS}/site-{self.name}.lock"

    @property
    def memory(self) -> str:
        """Return the record of the site's paths and user, for a removal without the inventory."""
        return f"{SITES}/{self.name}.json"

    @property
    def own_group(self) -> str:
        """Return the group of a site whose user shares its own group with others."""
        return account_name("site", self.name)

    @property
    def sysusers(self) -> str:
        return f"{SYSUSERS}/site-{self.name}.conf"

    @property
    def tmpfiles(self) -> str:
        return f"{TMPFILES}/site-{self.name}.conf"

    @property
    def builder(self) -> str:
        """Return the account that downloads and builds, if the site's user does not."""
        return account_name("build", self.name)

    @property
    def builder_sysusers(self) -> str:
        return f"{SYSUSERS}/build-{self.name}.conf"

    @property
    def builder_lock(self) -> str:
        return f"{LOCKS}/build-{self.name}.lock"

    @property
    def view(self) -> str:
        """Return where a build's view of the site's data is mounted. It is removed after the build, and at a boot."""
        return f"{LOCKS}/data-{self.name}"

    @property
    def access_log(self) -> str:
        return f"{NGINX_LOGS}/{self.name}.access.log"

    @property
    def error_log(self) -> str:
        return f"{NGINX_LOGS}/{self.name}.error.log"

    # --- builds ---

    def build(self, build_id: str) -> str:
        return f"{self.builds}/{build_id}"

    def manifest(self, build_id: str) -> str:
        """Return the manifest, which is written last: it makes a directory a build."""
        return f"{self.build(build_id)}/build.json"

    def virtualenv(self, venv_id: str) -> str:
        return f"{self.virtualenvs}/{venv_id}"

    @property
    def unfinished(self) -> str:
        """Return the note of a virtualenv outside of `virtualenvs` that a run is making, see `build/unfinished.py`."""
        return f"{self.root}/unfinished.json"

    # --- releases ---

    def release(self, release_id: str) -> str:
        return f"{self.releases}/{release_id}"

    def record(self, release_id: str) -> str:
        """Return the record, which is written last: it makes a directory a release."""
        return f"{self.release(release_id)}/release.json"

    def ini(self, release_id: str) -> str:
        return f"{self.release(release_id)}/uwsgi.ini"

    def env(self, release_id: str) -> str:
        """Return the file with the environment of a release's processes."""
        return f"{self.config}/{release_id}.env"

    def socket(self, release_id: str) -> str:
        """Return the release's own unix socket, which it has even if it also listens on TCP ports."""
        return f"{self.run}/{release_id}.sock"

    def stats(self, release_id: str) -> str:
        return f"{self.run}/{release_id}.stats"

    @property
    def live_ini(self) -> str:
        return f"{self.current}/uwsgi.ini"

    @property
    def live_record(self) -> str:
        return f"{self.current}/release.json"

    @property
    def live_socket(self) -> str:
        """Return the link to the live release's socket, which nginx connects to."""
        return f"{self.current}/uwsgi.sock"

    @property
    def live_static(self) -> str:
        return f"{self.current}/static"

    @property
    def previous_static(self) -> str:
        return f"{self.previous}/static"

    # --- systemd ---

    @property
    def identifier(self) -> str:
        """Return the value for `journalctl --identifier`, which is the prefix of every unit."""
        return f"uwsgi-{self.name}"

    @property
    def boot_unit(self) -> str:
        """Return the unit that starts the release of `current` at boot."""
        return f"{self.identifier}.service"

    @property
    def template_unit(self) -> str:
        return f"{self.identifier}@.service"

    @property
    def probe_template_unit(self) -> str:
        return f"{self.identifier}-probe@.service"

    def unit(self, release_id: str) -> str:
        """Return the unit that runs a release; `*` for all of them, `%i` inside a template."""
        return f"{self.identifier}@{release_id}.service"

    def probe_unit(self, release_id: str) -> str:
        """Return the unit that runs a release without its TCP ports, for its health checks before it gets traffic."""
        return f"{self.identifier}-probe@{release_id}.service"

    def socket_unit(self, address: str) -> str:
        """Return the unit that holds the TCP port of an address such as 127.0.0.1:8000; `*` for all of them."""
        return f"{self.identifier}@{address.rpartition(':')[2]}.socket"

    @property
    def ports_identifier(self) -> str:
        """Return the table of nftables that restricts who may connect to the site's TCP ports."""
        return f"{PORTS_TABLE}{self.name}"

    @property
    def ports_unit(self) -> str:
        """Return the unit that loads that table."""
        return f"{self.ports_identifier}.service"

    def release_of(self, unit: str) -> str:
        """Return the ID of the release that a unit runs, or ''."""
        match = re.fullmatch(rf"{re.escape(self.identifier)}@([0-9a-f]+)\.service", unit)
        return match[1] if match else ""

    # --- workers and timers: systemd has a unit for each process, whose instance contains all but the site's name

    @property
    def worker_identifier(self) -> str:
        """Return the prefix of every unit of a worker. It ends with `@`, which no site name contains."""
        return f"pyweb-worker-{self.name}"

    @property
    def timer_identifier(self) -> str:
        """Return the prefix of every unit of a timer."""
        return f"pyweb-timer-{self.name}"

    @property
    def worker_boot_unit(self) -> str:
        """Return the unit that starts the workers of the release of `current` at boot."""
        return f"{self.worker_identifier}.service"

    def worker_unit(self, release_id: str, worker: str, number: str) -> str:
        """Return the unit of one process of a worker: `number` is 1, 2, ... or `only` for a singleton; `*` for all."""
        return f"{self.worker_identifier}@{release_id}:{worker}:{number}.service"

    def task_unit(self, timer: str) -> str:
        """Return the unit that runs a timer's command: the same for all releases, so that two runs never overlap."""
        return f"{self.timer_identifier}@{timer}.service"

    def timer_unit(self, timer: str) -> str:
        """Return the unit with the schedule: the same for all releases, so that systemd knows when it last ran."""
        return f"{self.timer_identifier}@{timer}.timer"

    def worker_of(self, unit: str) -> tuple[str, str, str]:
        """Return the release, the name and the number of a worker's unit, or three times ''."""
        match = re.fullmatch(rf"{re.escape(self.worker_identifier)}@([0-9a-f]+):([a-z0-9-]+):(\w+)\.service", unit)
        return (match[1], match[2], match[3]) if match else ("", "", "")

    def timer_of(self, unit: str) -> str:
        """Return the name of the timer that a unit belongs to, or ''."""
        match = re.fullmatch(rf"{re.escape(self.timer_identifier)}@([a-z0-9-]+)\.(service|timer)", unit)
        return match[1] if match else ""

    def background_present(self, folder: str = SYSTEMD) -> list[str]:
        """Return the file names of all units of workers and timers of a site of this name in `folder`."""
        patterns = (
            self.worker_boot_unit,
            self.worker_unit("*", "*", "*"),
            self.task_unit("*"),
            self.timer_unit("*"),
        )
        return sorted(os.path.basename(path) for pattern in patterns for path in glob.glob(f"{folder}/{pattern}"))

    # --- all units of uWSGI ---

    def units_present(self, folder: str = SYSTEMD) -> list[str]:
        """Return the file names of all units of a site of this name in `folder`."""
        # A name contains no special character of patterns.
        own = (self.template_unit, self.boot_unit, self.probe_template_unit, self.ports_unit)
        patterns = (*own, self.socket_unit("*"))
        return [os.path.basename(path) for pattern in patterns for path in glob.glob(f"{folder}/{pattern}")]
