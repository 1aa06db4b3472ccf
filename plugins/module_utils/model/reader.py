# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read one site of `web_sites` according to the tables of keys, and record its faults."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from .checks import Wrong
from .conflicts import between_keys
from .controller_paths import ControllerPaths
from .dependencies import read_lines
from .dependency_files import requires_python
from .environment_file import read_file
from .errors import listed, nearest, shown, similar
from .key import Key, Keys
from .keys import SITE_KEYS, SOURCE_FINDINGS, secret_keys
from .limits import beyond
from .option_checks import environment
from .python_versions import DJANGO_PYTHONS, MANAGED
from .pythons import django_minors
from .texts import Unreadable
from .tls_conflicts import on_several_hosts, within_tls
from .types import Site
from .urls import is_url

# The number of processes of a site before it is determined: the default of earlier versions.
PROCESSES = 2


class Certificates(Protocol):
    """Reads certificates: `plugin_utils.certificates`, which needs a library that hosts do not have."""

    def of_itself(self, tls: Mapping[str, Any]) -> list[str]:
        """Return the faults of the certificates of a parsed key `tls`, regardless of domains."""

    def of_names(self, tls: Mapping[str, Any], domains: list[str]) -> list[str]:
        """Return their faults for these domains; nothing if they cannot be parsed."""


@dataclass
class Reader:
    """Reads the site at index `number` of `web_sites`; its faults are added to `faults`.

    `controller` is the base of relative paths on the controller, `example` the project to deploy if the site has no
    source, `tls` the default of its key `tls`, whose faults are reported already.
    """

    number: int
    given: Any
    faults: list[str]
    controller: ControllerPaths
    example: str
    tls: Any = None
    certificates: Certificates | None = None
    shared_names: Mapping[str, list[str]] = field(default_factory=dict)
    label: str = field(init=False)

    def __post_init__(self) -> None:
        self.label = f"web_sites[{self.number}]"
        if isinstance(self.given, Mapping) and isinstance(self.given.get("name"), str):
            self.label += f" {shown(self.given['name'])}"

    def site(self) -> dict[str, Any] | None:
        """Return the site with its defaults, or None if it is no mapping."""
        if not isinstance(self.given, Mapping):
            self._fault(f"is {shown(self.given)}; expected a mapping with name and domains")
            return None
        before = len(self.faults)
        taken_out = self._without_endless()
        absent = self.given.get("state") == "absent"
        for name, key in SITE_KEYS.items():
            missing = self.given.get(name) is None and name not in taken_out
            if key.required and missing and not (absent and name != "name"):
                self._fault(f"has no {name}; it is required; add for example `{name}: {key.example}`")
        # An absent site has no source.
        source = None if absent else self.given.get("source") or {"directory": self.example}
        own_tls = absent or self.given.get("tls") is not None
        tls = self.given.get("tls") if own_tls else self.tls
        site = self._mapping({**self.given, "source": source, "tls": tls}, SITE_KEYS)
        site["domains"] = list(dict.fromkeys(site["domains"]))
        site["django"], site["requires_python"], site["managed"] = "", "", "never"
        processes = site["uwsgi"]["processes"]
        site["sizing"] = "given" if isinstance(processes, int) else processes or "default"
        if site["sizing"] != "given":
            site["uwsgi"]["processes"] = PROCESSES
        if isinstance(site["python"], dict):
            site["managed"], site["python"] = site["python"]["managed"], site["python"]["version"]
        if not absent:
            self._controller_files(site["source"])
            self._environment_file(site)
        if not absent and len(self.faults) == before:
            if site["virtualenv"] == "none" and "install" not in (self.given.get("uwsgi") or {}):
                site["uwsgi"]["install"] = "distribution"
            for text in [*between_keys(cast(Site, site)), *on_several_hosts(cast(Site, site), self.shared_names)]:
                self._fault(text)
            self._tls(site, own_tls)
            self._no_migrate_step(site)
            site["django"] = self._django(site)
            site["requires_python"] = self._requires_python(site)
        return site

    def _without_endless(self) -> set[Any]:
        """Remove the values that no key can have, and report them; return the names of their keys."""
        wrong = {name: _beyond(name, value) for name, value in self.given.items()}
        for text in filter(None, wrong.values()):
            self._fault(text)
        self.given = {name: value for name, value in self.given.items() if not wrong[name]}
        return {name for name, text in wrong.items() if text}

    # --- by the tables ---

    def _mapping(self, given: Mapping[Any, Any], keys: Keys, prefix: str = "") -> dict[str, Any]:
        """Read a mapping by its table: first the plain keys, then the sections."""
        result = {name: copy.deepcopy(key.default) for name, key in keys.items()}
        for name, value in given.items():
            if name not in keys:
                self._fault(f"unknown key {shown(f'{prefix}{name}')}{nearest(name, keys)}")
                continue
            check = keys[name].check
            # `key:` without a value means the default, and so does the documented default.
            if value is None or check is None or keys[name].each is not None or _is_default(keys[name], value):
                continue
            try:
                result[name] = check(value)
            except Wrong as wrong:
                hidden = keys[name].secret or keys[name].quiet or _is_hidden(value)
                found = "not usable" if hidden else shown(value)
                self._fault(f"{prefix}{name} is {found}; expected {wrong.wanted}" + (wrong.fix and f"; {wrong.fix}"))
        for name, key in keys.items():
            if key.kinds is not None:
                result[name] = self.kind(given.get(name), key, prefix + name)
            elif key.keys is not None:
                result[name] = self.section(given.get(name), key.keys, prefix + name)
            elif key.each is not None:
                result[name] = self._each(given.get(name), key, prefix + name)
        return result

    def _each(self, given: Any, key: Key, path: str) -> dict[str, Any]:
        """Read the mapping of names to sections at `path`."""
        if given is None:
            return {}
        if not isinstance(given, Mapping):
            self._fault(f"{path} is {shown(given)}; expected {key.wants}")
            return {}
        found = {}
        for name, section in given.items():
            try:
                known = str(key.check(name)) if key.check else str(name)
            except Wrong as wrong:
                self._fault(f"{path} has the name {shown(name)}; expected {wrong.wanted}")
                continue
            found[known] = self.section(section, key.each or {}, f"{path}.{known}")
        return found

    def section(self, given: Any, keys: Keys, path: str) -> dict[str, Any]:
        """Read the mapping at `path`; one that has required keys may be missing or empty."""
        required = [name for name, key in keys.items() if key.required]
        if given is None or (required and not given):
            return {} if required else self._mapping({}, keys)
        if not isinstance(given, Mapping):
            found = "not usable" if any(key.secret for _path, key in secret_keys(keys)) else shown(given)
            self._fault(f"{path} is {found}; expected {Key(keys=keys).wants}")
            return self._mapping({}, keys)
        result = self._mapping(given, keys, f"{path}.")
        for name in required:
            if given.get(name) is None:
                self._fault(f"{path}.{name} is missing; it is required beside {listed(given)}")
        return result

    def kind(self, given: Any, key: Key, path: str) -> dict[str, Any]:
        """Read a mapping that has the keys of exactly one kind; `kind` is its name, or one of the words, or `none`."""
        kinds = key.kinds or {}
        nothing = {"kind": key.default or "none"}
        if given is None:
            return nothing
        if isinstance(given, str) and given in key.words:
            return {"kind": str(given)}
        if not isinstance(given, Mapping):
            found = "not usable" if isinstance(given, list) or _is_hidden(given) else shown(given)
            self._fault(f"{path} is {found}; expected {key.wants}{similar(given, key.words)}")
            return nothing
        words = f"{', '.join(key.words)}, or " if key.words else ""
        named = [kind for kind in kinds if kind in given]
        if len(named) != 1:
            found = " and ".join(named or [listed([name]) for name in given]) or "no key"
            known = {name for keys in kinds.values() for name in keys}
            guess = "".join(nearest(name, kinds) for name in given if name not in known and not named)
            self._fault(f"{path} has {found}; expected {words}exactly one of {', '.join(kinds)}{guess}")
            return nothing
        kind = named[0]
        return {
            "kind": kind,
            **self.section(given, kinds[kind], path),
            **dict.fromkeys(SOURCE_FINDINGS.get(kind, ()), ""),
        }

    # --- beyond single keys ---

    def _controller_files(self, source: dict[str, Any]) -> None:
        """Check that files on the controller exist, and make their paths absolute."""
        kind = source["kind"]
        if kind not in ("directory", "archive") or not source[kind]:
            return
        if kind == "archive" and is_url(source[kind]):
            return
        none = f"there is none{self.controller.rule(source[kind])}"
        path = source[kind] = self.controller.absolute(source[kind])
        if kind == "directory" and not os.path.isdir(path):
            self._fault(f"source.directory is {shown(path)}; expected a directory on the controller; {none}")
        elif kind == "archive" and not os.path.isfile(path):
            self._fault(f"source.archive is {shown(path)}; expected a URL or a file on the controller; {none}")
        elif kind == "archive":
            with open(path, "rb") as stream:
                found = "sha256:" + hashlib.sha256(stream.read()).hexdigest()
            if source["checksum"] not in ("", found):
                self._fault(
                    f"source.checksum is {source['checksum']}; the file {path} has {found}; correct one of them"
                )
            source["checksum"] = found

    def _requires_python(self, site: dict[str, Any]) -> str:
        """Return the specifier of the Pythons that a directory on the controller requires; '' if it cannot be read.

        The build reads it again, and reports what is wrong with the file.
        """
        if site["source"]["kind"] != "directory":
            return ""
        named = (site["requirements"] or [""])[0]
        try:
            return requires_python(site["source"]["directory"], site["manage"], named)
        except Unreadable:
            return ""

    def _environment_file(self, site: dict[str, Any]) -> None:
        """Add the variables of `env_file` to `env`, and make its path absolute."""
        if not site["env_file"]:
            return
        rule = self.controller.rule(site["env_file"])
        path = site["env_file"] = self.controller.absolute(site["env_file"])
        try:
            site["env"] = {**environment(read_file(path)), **site["env"]}
        except Wrong as wrong:
            fix = wrong.fix and f"; {wrong.fix}"
            self._fault(
                f"env_file is {shown(path)}; expected {wrong.wanted}{fix}{'' if os.path.exists(path) else rule}"
            )

    def _tls(self, site: dict[str, Any], own_tls: bool) -> None:
        """Check `tls` and its certificates; faults of `web_tls` itself are reported already."""
        for text in _within_tls(site["tls"], self.certificates) if own_tls else []:
            self._fault(text)
        for text in self.certificates.of_names(site["tls"], site["domains"]) if self.certificates else []:
            self._fault(f"tls.{text}")

    def _no_migrate_step(self, site: dict[str, Any]) -> None:
        """Remove the step that `migrate: false` disables; it cannot be combined with explicit steps."""
        if site["migrate"]:
            return
        if self.given.get("release") is not None:
            self._fault(
                "migrate is false and release is given; expected one of them; remove the step migrate from release, "
                "and "
                "remove the key migrate"
            )
        site["release"] = []

    def _django(self, site: dict[str, Any]) -> str:
        """Return the version specifier of the required Django, if the controller can read it."""
        from packaging.requirements import InvalidRequirement, Requirement

        lines = list(site["packages"])
        if site["source"]["kind"] == "directory":
            try:
                lines += read_lines(cast(Site, site), site["source"]["directory"])
            except Unreadable as wrong:
                self._fault(f"source.directory: {wrong}")
        named = []
        for line in lines:
            try:
                parsed = Requirement(line)
            except InvalidRequirement:
                continue  # -r other.txt, --hash, a URL: only the installer reads them
            where = _where(parsed.marker) if parsed.name.lower() == "django" else set()
            if True in where:
                named.append((str(parsed.specifier), where))
        # If there are several, the host's Python decides, which is not the controller's.
        counted = [specifier for specifier, where in named if len(named) == 1 or False not in where]
        joined = ",".join(filter(None, counted))
        if joined and not django_minors(joined):
            self._fault(
                f"packages and requirements require Django {joined}; no known Django fits; "
                f"known are {', '.join(f'{a}.{b}' for a, b in DJANGO_PYTHONS)}"
            )
        return joined

    def _fault(self, text: str) -> None:
        self.faults.append(f"{self.label}: {text}")


def default_tls(given: Any, faults: list[str], certificates: Certificates | None = None) -> Any:
    """Return the default of the key `tls`; its faults are added to `faults`, once."""
    wrong = beyond(given, "web_tls")
    if wrong:
        faults.append(wrong)
        return None
    reader = Reader(0, None, [], ControllerPaths(), "")
    reader.label = ""
    read = reader.kind(given, SITE_KEYS["tls"], "web_tls")
    found = [text.removeprefix(": ") for text in reader.faults]
    if not found:
        found = [f"web_{text}" for text in _within_tls(read, certificates)]
    faults.extend(found)
    return None if found else given


def _within_tls(tls: Any, certificates: Certificates | None) -> list[str]:
    """Return the faults of a key `tls`, regardless of its site."""
    return [*within_tls(tls), *(f"tls.{text}" for text in (certificates.of_itself(tls) if certificates else []))]


def _is_hidden(value: Any) -> bool:
    """Return whether a fault must not quote a value: a mapping, or PEM text, which may contain a private key."""
    return isinstance(value, Mapping) or (isinstance(value, str) and "-----BEGIN" in value)


def _beyond(name: Any, value: Any) -> str:
    """Return why no check can handle a key of a site and its value; '' if they are usable."""
    return beyond(name, "a key") or beyond(value, listed([name]))


def _where(marker: Any) -> set[bool]:
    """Return whether a marker (None for none) is true on hosts; also if it depends on their Python."""
    linux = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "extra": ""}
    pythons = [{"python_version": version, "python_full_version": f"{version}.0"} for version in MANAGED]
    return {marker is None or bool(marker.evaluate({**linux, **python})) for python in pythons}


def _is_default(key: Key, value: Any) -> bool:
    """Return whether a value is the key's default; '' is, if the default is ''."""
    return not key.required and type(value) is type(key.default) and bool(value == key.default)
