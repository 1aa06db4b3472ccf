# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The site model: validate `web_sites`, fill in every default, derive every path.

Runs on the controller only, before any host is touched. Nothing else in the collection knows a default of a site, and
both ends of a socket, of a path or of a URL take it from the same derived value.

`complete` is the way in. It takes what the user wrote and returns a list of plain dicts (they travel through Jinja and
into modules), or raises `SiteError` with all faults of all sites.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import hashlib
import ipaddress
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, NamedTuple

# Where things live on a host (DESIGN section 4); `web_roots` replaces single ones.
ROOTS = {
    "sites": "/opt/sites",
    "state": "/var/lib/sites",
    "config": "/etc/sites",
    "run": "/run/sites",
    "cache": "/var/cache/sites",
}

# sun_path holds 108 bytes with its NUL: unix(7).
UNIX_PATH_MAX = 107
RELEASE_ID_LENGTH = 12

# uWSGI options that the model writes itself, and what to set instead.
OWNED_UWSGI_OPTIONS = {
    "socket": "uwsgi.socket",
    "uwsgi-socket": "uwsgi.socket",
    "chmod-socket": "uwsgi.chmod_socket",
    "processes": "uwsgi.processes",
    "workers": "uwsgi.processes",
    "threads": "uwsgi.threads",
    "module": "wsgi",
    "wsgi": "wsgi",
    "home": "virtualenv",
    "virtualenv": "virtualenv",
    "venv": "virtualenv",
    "env": "env",
    "uid": "user",
    "gid": "user",
    "chdir": "source",
    "master": "nothing: it is always on",
    "strict": "nothing: it is always on",
    "need-app": "nothing: it is always on",
    "stats": "nothing: draining reads it",
    "daemonize": "nothing: systemd supervises uWSGI",
    "daemonize2": "nothing: systemd supervises uWSGI",
    "pidfile": "nothing: systemd supervises uWSGI",
    "die-on-term": "nothing: it drops the requests in flight",
}

# The interpreters that a Django minor supports (docs.djangoproject.com, "What Python version can I use with Django?").
DJANGO_PYTHONS = {
    (3, 2): ((3, 6), (3, 10)),
    (4, 0): ((3, 8), (3, 10)),
    (4, 1): ((3, 8), (3, 11)),
    (4, 2): ((3, 8), (3, 12)),
    (5, 0): ((3, 10), (3, 12)),
    (5, 1): ((3, 10), (3, 13)),
    (5, 2): ((3, 10), (3, 14)),
    (6, 0): ((3, 12), (3, 14)),
    (6, 1): ((3, 12), (3, 15)),
}


class SiteError(ValueError):
    """All that is wrong with `web_sites`, one fault a line."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__("\n".join([f"web_sites has {count}; no host was touched:"] + [f"  {one}" for one in faults]))


class Wrong(ValueError):
    """A value that a check refuses: what was wanted, and how to mend it."""

    def __init__(self, wanted: str, mend: str = "") -> None:
        super().__init__(wanted)
        self.wanted, self.mend = wanted, mend


class Key(NamedTuple):
    """One key of a mapping: how its value is checked (and normalised), what it is when left out, what it decides."""

    check: Callable[[Any], Any]
    default: Any = None
    doc: str = ""


def complete(
    web_sites: Any, roots: Mapping[str, str] | None = None, base: str = ".", example: str = ""
) -> list[dict[str, Any]]:
    """Return every site of `web_sites` with all defaults filled in and all paths derived.

    `base` is the directory that relative paths of the controller start from, `example` the project that is deployed
    when a site names no source. Raises `SiteError` with every fault found, each naming site, key, found, wanted, mend.
    """
    faults: list[str] = []
    if not isinstance(web_sites, list):
        raise SiteError([f"web_sites is {shown(web_sites)}; wanted a list of sites, each with name and domains"])
    if not isinstance(roots or {}, Mapping):
        raise SiteError([f"web_roots is {shown(roots)}; wanted a mapping of {', '.join(ROOTS)} to paths"])
    known_roots = {**ROOTS, **(roots or {})}
    for name, path in known_roots.items():
        if name not in ROOTS:
            faults.append(f"web_roots: unknown key {name!r}{nearest(name, ROOTS)}")
        elif not is_plain_path(path):
            faults.append(f"web_roots: {name} is {shown(path)}; wanted an absolute path of letters, digits and ._-/")
    sites = [_Reader(number, given, faults, base, example).site() for number, given in enumerate(web_sites)]
    read = [site for site in sites if site]
    sound = not faults
    for site in read:
        if sound:
            _derive(site, known_roots)
            faults.extend(_path_faults(site))
    faults.extend(_collisions(read))
    if faults:
        raise SiteError(faults)
    return read


def split_secrets(sites: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Part completed sites into (what may be shown, what may not: site name -> env, git, key, database, password)."""
    public, secret = [], {}
    for site in sites:
        superuser = dict(site["superuser"] or {})
        source = dict(site["source"])
        secret[site["name"]] = {
            "env": site["env"],
            "database": site["database"],
            "git": source.get("git", ""),
            "key": source.pop("key", ""),
            "password": superuser.pop("password", ""),
        }
        if "git" in source:
            source["git"] = re.sub(r"//[^/@]*@", "//", source["git"])  # a token may stand in the URL
        public.append({**site, "env": {}, "database": bool(site["database"]), "source": source, "superuser": superuser})
    return public, secret


def choose_pythons(
    sites: list[dict[str, Any]],
    platform: list[dict[str, Any]],
    found: Mapping[str, str],
    offered: list[str] | None = None,
) -> list[dict[str, Any]]:
    """Give each site its `interpreter` {version, path, packages, headers}: the newest that the wanted Django supports.

    `platform` are the interpreters that the platform's packages provide, `found` those that a host has already
    (version -> path), `offered` the packages that the host's repositories have (None: all). Raises `SiteError` when a
    host can offer none, saying what Django needs, what there is, and which package would do.
    """
    choices: dict[str, dict[str, Any]] = {
        version: {"version": version, "path": path, "packages": [], "headers": []} for version, path in found.items()
    }
    lacking = [
        one
        for one in platform
        if one["version"] not in found and offered is not None and not set(one["packages"]) <= set(offered)
    ]
    choices.update({one["version"]: one for one in platform if one not in lacking})
    ordered = sorted(choices.values(), key=lambda one: _dotted(one["version"]), reverse=True)
    faults = []
    chosen = []
    for site in sites:
        wanted = site["python"]
        if wanted.startswith("/"):
            chosen.append({**site, "interpreter": {"version": "", "path": wanted, "packages": [], "headers": []}})
            continue
        minors = django_minors(site["django"])
        fitting = [one for one in ordered if any(_supports(minor, one["version"]) for minor in minors)]
        named = [one for one in fitting if wanted in ("auto", one["version"])]
        if named or site["state"] == "absent":
            chosen.append({**site, "interpreter": named[0] if named else {}})
            continue
        offers = ", ".join(one["version"] for one in ordered) or "none"
        needs = " or ".join(f"Django {a}.{b} needs Python {_range(minor)}" for minor in minors for a, b in [minor])
        would = [
            name
            for one in lacking
            for name in one["packages"]
            if wanted in ("auto", one["version"]) and any(_supports(minor, one["version"]) for minor in minors)
        ]
        faults.append(
            f"site '{site['name']}': python is {wanted!r}; {needs or 'no known Django fits ' + repr(site['django'])}; "
            f"this host has or offers {offers}; "
            + (f"install {' or '.join(would)} from a repository that has it, or " if would else "")
            + "change python or the Django that packages or requirements ask for"
        )
    if faults:
        raise SiteError(faults)
    return chosen


def build_packages(sites: list[dict[str, Any]], platform: Mapping[str, Any], installer: str = "uv") -> list[str]:
    """The packages that building these sites needs: no compiler and no git unless one of them does.

    `platform` has the lists `git` and `compiler`, and under `installer` one for uv and one for pip; the sites went
    through `choose_pythons`.
    """
    present = [site for site in sites if site["state"] == "present"]
    names = list(platform["installer"][installer]) if any(site["virtualenv"] != "none" for site in present) else []
    for site in present:
        names += site["interpreter"].get("packages", []) + site["system_packages"]
        names += platform["git"] if site["source"]["kind"] == "git" else []
        if site["uwsgi"]["install"] in ("uwsgi", "tarball"):
            names += platform["compiler"] + site["interpreter"].get("headers", [])
    return list(dict.fromkeys(names))


def django_minors(specifier: str) -> list[tuple[int, int]]:
    """The known Django minors that a version specifier such as '>=5.2,<5.3' admits; all of them for ''."""
    from packaging.specifiers import SpecifierSet

    wanted = SpecifierSet(specifier)

    def admits(major: int, minor: int) -> bool:
        return any(wanted.contains(f"{major}.{minor}.{patch}") for patch in range(40))

    known = [minor for minor in DJANGO_PYTHONS if admits(*minor)]
    newest = max(DJANGO_PYTHONS)
    later = [(major, minor) for major in range(6, 20) for minor in range(3) if (major, minor) > newest]
    if not known and any(admits(*minor) for minor in later):
        return [newest]  # a Django of the future: it needs at least what the newest known one needs
    return known


def shown(value: Any) -> str:
    """A value as it is quoted in an error: short, on one line, without the credentials of a URL."""
    if isinstance(value, Mapping):
        return "a mapping"  # its values may be secrets
    text = repr(str(value)) if isinstance(value, str) else repr(value)
    if isinstance(value, list):
        text = f"[{', '.join(shown(one) for one in value)}]"
    text = re.sub(r"//[^/@]*@", "//********@", text)
    return text if len(text) <= 60 else text[:57] + "..."


def nearest(word: Any, known: Any) -> str:
    """The end of an error about an unknown word: the nearest known one, or all of them."""
    close = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(sorted(known))}"


# --- checks: each takes a value and returns it normalised, or raises Wrong ---


def boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise Wrong("true or false")


def integer(low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        # Jinja hands numbers over as text on ansible-core 2.16 to 2.18.
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Wrong(f"a whole number from {low} to {high}")
        return int(value)

    return check


def one_of(*words: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in words:
            close = difflib.get_close_matches(str(value), words, n=1, cutoff=0.6)
            raise Wrong("one of " + ", ".join(words), f"did you mean {close[0]!r}?" if close else "")
        return str(value)

    return check


def pattern(regex: str, wanted: str, mend: str = "") -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(regex, value):
            raise Wrong(wanted, mend)
        return str(value)

    return check


def line(value: Any) -> str:
    """Text of one line, without control characters."""
    if not isinstance(value, str) or not value or any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise Wrong("text on one line")
    return str(value)


def is_plain_path(value: Any) -> bool:
    """An absolute path that needs no quoting in an ini, in nginx, systemd or shell text, and does not climb."""
    return (
        isinstance(value, str)
        and re.fullmatch(r"/[A-Za-z0-9._/+-]*", value) is not None
        and ".." not in value.split("/")
    )


def host_path(value: Any) -> str:
    if not is_plain_path(value):
        raise Wrong("an absolute path of letters, digits and ._+-/ without '..'")
    return str(value).rstrip("/") or "/"


def relative_path(value: Any) -> str:
    if not isinstance(value, str) or not is_plain_path("/" + value) or value.startswith("/"):
        raise Wrong("a path relative to the source, of letters, digits and ._+-/ without '..'")
    return str(value)


def octal(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        raise Wrong("a mode in quotes, such as '0660'", "YAML reads a bare 0660 as a number")
    if not isinstance(value, str) or not re.fullmatch(r"0?[0-7]{3}", value):
        raise Wrong("a mode such as '0660'")
    return value[-3:]


def list_of(check: Callable[[Any], Any], at_least: int = 0) -> Callable[[Any], list[Any]]:
    def check_list(value: Any) -> list[Any]:
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            value = [value]
        if not isinstance(value, list):
            raise Wrong("a list")
        if len(value) < at_least:
            raise Wrong(f"a list of at least {at_least}")
        result = []
        for one in value:
            try:
                result.append(check(one))
            except Wrong as wrong:
                raise Wrong(f"{wrong.wanted} (found {shown(one)} in the list)", wrong.mend) from None
        return result

    return check_list


def domain(value: Any) -> str:
    wanted = "host names such as shop.example.com, *.example.com or an IP address"
    if not isinstance(value, str):
        raise Wrong(wanted)
    name = value.lower()
    with contextlib.suppress(ValueError):
        return _ip_address(name)
    if not name.isascii():
        raise Wrong(wanted, f"write it as {_punycode(name)}")
    label = r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?"
    if len(name) > 253 or not re.fullmatch(rf"(\*\.)?{label}(\.{label})*", name):
        raise Wrong(wanted)
    return str(name)


def environment(value: Any) -> dict[str, str]:
    """Environment variables: name -> text. Line ends are fine (keys, certificates), NUL is not."""
    if not isinstance(value, dict):
        raise Wrong("a mapping of variables to text")
    for name, text in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise Wrong(f"names of letters, digits and _ (found {shown(name)})")
        if name.startswith("UWSGI_"):
            raise Wrong(f"no {name}: uWSGI reads UWSGI_* as options", "use uwsgi.options")
        if isinstance(text, (dict, list)) or text is None or "\0" in str(text):
            # The value itself stays out of the message: it may be a secret.
            raise Wrong(f"text as the value of {name}")
    return {str(name): _scalar(text) for name, text in value.items()}


def python_version(value: Any) -> str:
    wanted = "auto, a version such as '3.12', or the absolute path of an interpreter"
    if isinstance(value, float):
        if value == 3.1:
            raise Wrong(wanted, "quote it: YAML reads 3.10 as the number 3.1")
        value = str(value)
    if value == "auto" or is_plain_path(value) or (isinstance(value, str) and re.fullmatch(r"3\.[0-9]{1,2}", value)):
        return str(value)
    raise Wrong(wanted)


def place(regex: str, wanted: str) -> Callable[[Any], str]:
    """A URL or path that is shown and stored, so no password may be in it."""
    check_pattern = pattern(regex, wanted)

    def check(value: Any) -> str:
        if isinstance(value, str) and re.match(r"https?://[^/]*@", value):
            raise Wrong("no password in a URL", "~/.netrc of root may hold it")
        return check_pattern(value)

    return check


def requirement(value: Any) -> str:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        parsed = Requirement(line(value))
    except InvalidRequirement:
        raise Wrong("requirements such as 'Django>=5.2,<5.3' or 'psycopg[binary]'") from None
    if parsed.url and re.search(r"//[^/@]*@", parsed.url):
        raise Wrong("no password in a URL", "give an index with its credentials in web_environment")
    return str(value).strip()


def python_module(value: Any) -> str:
    return pattern(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", "a dotted module name such as mysite.settings")(value)


def data(value: Any) -> Any:
    """What JSON can say, as plain Python: it becomes a literal in the settings overlay."""
    if isinstance(value, dict):
        return {data(key): data(one) for key, one in value.items()}
    if isinstance(value, list):
        return [data(one) for one in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, str)):
        return int(value) if isinstance(value, int) else str(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    raise Wrong("text, numbers, true, false, null, lists and mappings of these")


def settings(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Wrong("a mapping of Django settings")
    for name in value:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            raise Wrong(f"names in capitals (found {shown(name)})")
        if name == "SECRET_KEY":
            raise Wrong("no SECRET_KEY here: settings are not secret", "set env: {DJANGO_SECRET_KEY: ...}")
    return dict(data(value))


def ini_options(value: Any) -> dict[str, Any]:
    """uWSGI options: name -> text, number, true/false, a list of these, or null to drop a default."""
    if not isinstance(value, dict):
        raise Wrong("a mapping of uWSGI options")
    result: dict[str, Any] = {}
    for name, given in value.items():
        option = str(name).replace("_", "-")
        if not re.fullmatch(r"[a-z][a-z0-9-]*", option):
            raise Wrong(f"option names of small letters, digits and - (found {shown(name)})")
        if option in OWNED_UWSGI_OPTIONS:
            raise Wrong(f"no {option} here", f"set {OWNED_UWSGI_OPTIONS[option]}")
        for one in given if isinstance(given, list) else [given]:
            if isinstance(one, (dict, list)) or (one is None and isinstance(given, list)):
                raise Wrong(f"text, a number or true/false for {option}")
            if isinstance(one, str) and (re.search(r"[\x00-\x1f\x7f]|\$\(|@\(", one) or one != one.strip()):
                raise Wrong(f"one line without '$(' and '@(' for {option}", "uWSGI would expand it")
        result[option] = data(given)
    return result


def unit_options(value: Any) -> dict[str, Any]:
    """systemd directives of the [Service] section: name -> text or a list of texts."""
    if not isinstance(value, dict):
        raise Wrong("a mapping of systemd directives")
    for name, given in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Z][A-Za-z]*", name):
            raise Wrong(f"systemd's names, such as LimitNOFILE (found {shown(name)})")
        if name in ("ExecStart", "User", "Group", "Type", "EnvironmentFile", "KillMode"):
            raise Wrong(f"no {name} here: the model owns it")
        for one in given if isinstance(given, list) else [given]:
            if one is None or isinstance(one, (dict, list)):
                raise Wrong(f"text on one line for {name}")
            if re.search(r"[\x00-\x1f\x7f]", str(one)) or str(one).endswith("\\"):
                raise Wrong(f"text on one line for {name}")
    return {str(name): [_scalar(one) for one in (v if isinstance(v, list) else [v])] for name, v in value.items()}


def nginx_words(value: Any) -> str:
    """The arguments of one nginx directive. Quoted parts may hold anything but a line end; the rest no ; { } #."""
    if isinstance(value, bool):
        return "on" if value else "off"
    text = str(value)
    if isinstance(value, (dict, list)) or value is None or re.search(r"[\x00-\x1f\x7f]", text):
        raise Wrong("text on one line")
    # nginx's tokens: double-quoted, single-quoted, or bare (no quote, ; { } or # in it; ${variable} is allowed).
    word = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|(?:\$\{\w+\}|[^\s;{}#\"'\\])+"
    if not re.fullmatch(rf"\s*(?:(?:{word})(?:\s+|$))*", text):
        raise Wrong("arguments without ; { } # outside of quotes, and quotes in pairs", f"found {shown(text)}")
    return text.strip()


def directives(value: Any) -> dict[str, list[str]]:
    """nginx directives: name -> the arguments of each time it is written."""
    if not isinstance(value, dict):
        raise Wrong("a mapping of nginx directives")
    result = {}
    for name, given in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise Wrong(f"nginx's directive names (found {shown(name)})")
        try:
            result[str(name)] = [nginx_words(one) for one in (given if isinstance(given, list) else [given])]
        except Wrong as wrong:
            raise Wrong(f"{wrong.wanted} for {name}", wrong.mend) from None
    return result


def locations(value: Any) -> dict[str, dict[str, list[str]]]:
    """Extra nginx locations: what follows `location` -> its directives."""
    if not isinstance(value, dict):
        raise Wrong("a mapping of locations to their directives")
    for match in value:
        if not str(match).strip():
            raise Wrong("the path of every location, for instance '= /favicon.ico'")
    return {nginx_words(match): directives(inner) for match, inner in value.items()}


def listen(value: Any) -> dict[str, Any]:
    """A port (80) or an address with a port ('127.0.0.1:8080', '[::1]:80')."""
    host, port = _address(value)
    return {"address": host, "port": port}


def upstream(value: Any) -> str:
    """Where nginx finds uWSGI: 'unix:/path/to.sock' or 'host:port'."""
    if isinstance(value, str) and value.startswith("unix:"):
        return "unix:" + host_path(value[5:])
    with contextlib.suppress(Wrong):
        host, port = _address(value)
        if host:
            return f"{host}:{port}"
    raise Wrong("'unix:/path/to.sock' or 'address:port'")


def socket(value: Any) -> str:
    """`unix`, or an address that uWSGI listens on."""
    if value == "unix":
        return "unix"
    try:
        host, port = _address(value)
    except Wrong as wrong:
        raise Wrong(f"unix, {wrong.wanted}") from None
    if port < 1024:
        raise Wrong("a port from 1024: uWSGI does not run as root")
    if host in ("", "localhost"):  # systemd listens on addresses, not on names
        host = "127.0.0.1"
    return f"{host}:{port}"


def alias(default_url: str) -> Callable[[Any], Any]:
    """Files that nginx serves itself: true (where the collection puts them), false, a path, or {url, path}."""

    def check(value: Any) -> dict[str, str] | None:
        if value is False:
            return None
        given = {} if value is True else {"path": value} if isinstance(value, str) else value
        if not isinstance(given, dict) or set(given) - {"url", "path"}:
            raise Wrong("true, false, a path on the host, or {url, path}")
        url = given.get("url", default_url)
        if not isinstance(url, str) or not re.fullmatch(r"/([A-Za-z0-9._~-]+/)+", url) or ".." in url.split("/"):
            raise Wrong(f"a url that begins and ends with / such as {default_url}")
        return {"url": url, "path": host_path(given["path"]) if "path" in given else ""}

    return check


SIZE = pattern(r"[0-9]+[kKmMgG]?", "a size such as 75m")
IDENTIFIER = pattern(r"[A-Za-z_][A-Za-z0-9_]*", "a Python identifier such as mysite")
CHECKSUM = pattern(r"sha256:[0-9a-f]{64}", "sha256: and 64 hexadecimal digits")
ACCOUNT = pattern(r"[a-z_][a-z0-9_-]{0,31}", "an account name")
DATABASE_URL = pattern(r"[a-z][a-z0-9+.-]*://\S*", "a URL such as postgres://user:password@host:5432/name")

UWSGI_KEYS = {
    "install": Key(
        one_of("pyuwsgi", "uwsgi", "tarball", "distribution"),
        "pyuwsgi",
        "Where uWSGI comes from: the wheel `pyuwsgi`, the source distribution `uwsgi` (needs a compiler), a tarball "
        "built with its own uwsgiconfig.py and copied into the virtualenv, or the distribution's package.",
    ),
    "version": Key(
        pattern(r"[0-9]+(\.[0-9]+)*(\.post[0-9]+)?", "a version such as '2.0.31'", "quote it"),
        "",
        "Its version; empty: the newest.",
    ),
    "tarball": Key(
        place(r"(https?://|/)\S+", "a URL, or an absolute path on the host"),
        "",
        "With `install: tarball`: another tarball than the package index's.",
    ),
    "checksum": Key(CHECKSUM, "", "The checksum of `tarball`."),
    "socket": Key(
        list_of(socket, at_least=1),
        ["unix"],
        "`unix`, or the addresses that uWSGI listens on; nginx balances over several.",
    ),
    "chmod_socket": Key(octal, "660", "The mode of the unix socket; it belongs to nginx's group."),
    "processes": Key(integer(1, 1024), 2, "How many worker processes."),
    "threads": Key(integer(1, 1024), 1, "How many threads in each of them."),
    "options": Key(
        ini_options, {}, "Any option of uWSGI, over the collection's own; null drops one of those. Lists repeat it."
    ),
    "unit": Key(unit_options, {}, "Directives of the `[Service]` section, for instance `{MemoryMax: 1G}`."),
}
NGINX_KEYS = {
    "listen": Key(
        list_of(listen, at_least=1), [{"address": "", "port": 80}], "The ports, or addresses with ports, of the site."
    ),
    "charset": Key(pattern(r"[A-Za-z0-9_-]+", "a charset such as utf-8"), "utf-8", "The charset of text without one."),
    "client_max_body_size": Key(SIZE, "75m", "The largest upload."),
    "read_timeout": Key(
        integer(1, 86400), 60, "Seconds that nginx waits for an answer; uWSGI gives a request up 5 s earlier."
    ),
    "static": Key(
        alias("/static/"),
        {"url": "/static/", "path": ""},
        "Static files; without a path, those that the build collects.",
    ),
    "media": Key(
        alias("/media/"), {"url": "/media/", "path": ""}, "Uploads; without a path, `media` in the state directory."
    ),
    "upstream": Key(
        list_of(upstream, at_least=1), [], "Where nginx finds uWSGI, when it is not the socket of this site."
    ),
    "options": Key(directives, {}, "Any directive of a `server` block."),
    "locations": Key(locations, {}, "More locations: what follows `location`, then its directives."),
}
page = pattern(r"/[^\s\x00-\x1f\x7f]*", "a path such as /healthz")
HEALTH_KEYS = {
    "path": Key(page, "/", "What a release is asked for."),
    "status": Key(list_of(integer(100, 599), at_least=1), [], "The answers that count as good; empty: all below 500."),
    "timeout": Key(integer(1, 600), 20, "Seconds until a good answer has to be there."),
}
SUPERUSER_KEYS = {
    "username": Key(pattern(r"[\w.@+-]{1,150}", "a user name"), doc="Made once; never changed afterwards."),
    "email": Key(pattern(r"[^@\s]+@[^@\s]+", "an e-mail address"), "", "The e-mail address."),
    "password": Key(line, doc="The first password. Never shown."),
}
SOURCE_KINDS: dict[str, dict[str, Key]] = {
    "git": {
        "git": Key(pattern(r"(?!-)[^\s\x00-\x1f\x7f]+", "the URL or path of a repository"), doc="A git repository."),
        "version": Key(
            pattern(r"(?!-)[A-Za-z0-9._/+-]+", "a branch, tag or commit", "quote a number"),
            "HEAD",
            "The branch, tag or commit (all 40 digits).",
        ),
        "key": Key(lambda value: _private_key(value), "", "A deploy key, from a vault. Never shown."),
    },
    "archive": {
        "archive": Key(
            place(r"[^\s\x00-\x1f\x7f]+", "a URL, or the path of a file on the controller"),
            doc="A tar or zip archive.",
        ),
        "checksum": Key(CHECKSUM, "", "Its checksum. Without one a URL is fetched in every run, to see what is in it."),
    },
    "directory": {"directory": Key(line, doc="A directory on the controller.")},
    "path": {"path": Key(host_path, doc="A directory on the host, used where it lies.")},
    "startproject": {"startproject": Key(IDENTIFIER, doc="The name of a fresh project, as `startproject` makes it.")},
}


def _any(value: Any) -> Any:
    """A mapping with keys of its own, which `_Reader` reads."""
    return value


def _name(value: Any) -> str:
    name = pattern(r"[a-z][a-z0-9-]{0,30}", "a small letter, then small letters, digits and -, at most 31")(value)
    if name.endswith("-probe"):
        raise Wrong("a name that does not end in -probe", "a unit of another site may be called that")
    return name


def _virtualenv(value: Any) -> str:
    if value == "none":
        return "none"
    try:
        return host_path(value)
    except Wrong as wrong:
        raise Wrong("none, or " + wrong.wanted) from None


SITE_KEYS = {
    "name": Key(lambda value: _name(value), doc="Names the site's user, units and directories."),
    "domains": Key(
        list_of(domain, at_least=1),
        doc="Becomes server_name, ALLOWED_HOSTS, CSRF_TRUSTED_ORIGINS and the names of the certificate.",
    ),
    "state": Key(one_of("present", "absent"), "present", "`absent` removes everything of the site but its data."),
    "purge": Key(boolean, False, "With `state: absent`: remove the data, the secret key and the user too."),
    "user": Key(ACCOUNT, "", "Another user than `site-NAME`; it has to exist."),
    "source": Key(_any, {}, "Where the code comes from; the example project when left out."),
    "python": Key(python_version, "auto", "The Python; `auto`: the newest of the platform that the Django supports."),
    "virtualenv": Key(
        _virtualenv,
        "",
        "With `source.path`: its path, made where there is none; `none`: the system's Python. Else a build's own.",
    ),
    "requirements": Key(
        list_of(relative_path),
        None,
        "Requirement files in the source; discovered (uv.lock, requirements.txt, pyproject.toml).",
    ),
    "packages": Key(list_of(requirement), [], 'More requirements, for instance `["psycopg[binary]"]`.'),
    "system_packages": Key(
        list_of(pattern(r"[A-Za-z0-9][A-Za-z0-9.+_:@-]*", "package names")),
        [],
        "Packages of the distribution that the site needs.",
    ),
    "wsgi": Key(
        pattern(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*)?", "module:callable, such as mysite.wsgi:application"),
        "",
        "The WSGI entry; discovered beside manage.py.",
    ),
    "settings_module": Key(python_module, "", "The project's settings; discovered in wsgi.py or manage.py."),
    "manage": Key(relative_path, "", "Where manage.py lies in the source; discovered."),
    "settings": Key(settings, {}, "Django settings that win over the project's. Not for secrets: builds hold them."),
    "env": Key(environment, {}, "The environment of the processes. Never shown, never in a build or an ini."),
    "database": Key(DATABASE_URL, "", "The database; an SQLite file among the data when left out. Never shown."),
    "migrate": Key(boolean, True, "Apply migrations before a release goes live."),
    "superuser": Key(_any, {}, "Django's first administrator."),
    "uwsgi": Key(_any, {}, "The application server."),
    "nginx": Key(_any, {}, "The web server."),
    "health": Key(_any, {}, "What a good release answers."),
    "warm_up": Key(
        list_of(page),
        ["/"],
        "What each worker asks itself for before it takes requests, so that no visitor waits for imports and "
        "templates. The answers do not matter, and after a second it takes requests anyhow.",
    ),
    "keep_releases": Key(integer(1, 100), 3, "How many releases stay for a rollback."),
}
_SECRET_KEYS = {"env", "database", "superuser.password", "source.key"}
_REQUIRED = {"name": "name: shop", "domains": "domains: [shop.example.com]"}


@dataclass
class _Reader:
    """Reads one site and notes its faults."""

    number: int
    given: Any
    faults: list[str]
    base: str
    example: str
    label: str = field(init=False)

    def __post_init__(self) -> None:
        self.label = f"web_sites[{self.number}]"
        if isinstance(self.given, Mapping) and isinstance(self.given.get("name"), str):
            self.label += f" {shown(self.given['name'])}"

    def site(self) -> dict[str, Any] | None:
        if not isinstance(self.given, Mapping):
            self.fault(f"is {shown(self.given)}; wanted a mapping with name and domains")
            return None
        before = len(self.faults)
        for key, example in _REQUIRED.items():
            if self.given.get(key) is None and not (key == "domains" and self.given.get("state") == "absent"):
                self.fault(f"has no {key}; it is required: add for instance `{example}`")
        site = self.mapping(self.given, SITE_KEYS)
        site["domains"] = list(dict.fromkeys(site["domains"] or []))
        for key, keys in (("uwsgi", UWSGI_KEYS), ("nginx", NGINX_KEYS), ("health", HEALTH_KEYS)):
            site[key] = self.mapping(site[key], keys, f"{key}.")
        if site["superuser"]:
            site["superuser"] = self.mapping(site["superuser"], SUPERUSER_KEYS, "superuser.", needed=True)
        if site["state"] == "present":
            site["source"], site["django"] = self.source(site["source"]), ""
            if len(self.faults) == before:
                self.cross(site)
        else:
            site["source"], site["django"] = {"kind": "none"}, ""
        return site

    def mapping(self, given: Any, keys: dict[str, Key], prefix: str = "", needed: bool = False) -> dict[str, Any]:
        result = {name: copy.deepcopy(key.default) for name, key in keys.items()}
        if not isinstance(given, Mapping):
            found = "not usable" if prefix == "superuser." else shown(given)
            self.fault(f"{prefix.rstrip('.')} is {found}; wanted a mapping of {', '.join(keys)}")
            return result
        for name, value in given.items():
            if name not in keys:
                self.fault(f"unknown key {prefix + str(name)!r}{nearest(name, keys)}")
                continue
            if value is None:  # `key:` with nothing behind it means the default
                continue
            try:
                result[name] = keys[name].check(value)
            except Wrong as wrong:
                secret = prefix + name in _SECRET_KEYS
                found = "not usable" if secret or isinstance(value, Mapping) else shown(value)
                self.fault(f"{prefix}{name} is {found}; wanted {wrong.wanted}" + (wrong.mend and f"; {wrong.mend}"))
        if needed:
            for name, key in keys.items():
                if key.default is None and given.get(name) is None:
                    self.fault(f"{prefix}{name} is missing; it is required beside {', '.join(map(str, given))}")
        return result

    def source(self, given: Any) -> dict[str, Any]:
        given = given or {"directory": self.example}
        if not isinstance(given, Mapping):
            self.fault(f"source is {shown(given)}; wanted a mapping with one of {', '.join(SOURCE_KINDS)}")
            return {"kind": "none"}
        kinds = [kind for kind in SOURCE_KINDS if kind in given]
        if len(kinds) != 1:
            found = " and ".join(kinds or map(str, given))
            known = {key for keys in SOURCE_KINDS.values() for key in keys}
            guess = "".join(nearest(key, SOURCE_KINDS) for key in given if key not in known and not kinds)
            self.fault(f"source has {found}; wanted exactly one of {', '.join(SOURCE_KINDS)}{guess}")
            return {"kind": "none"}
        kind = kinds[0]
        result = {"kind": kind, **self.mapping(given, SOURCE_KINDS[kind], "source.", needed=True)}
        if kind in ("directory", "archive") and result[kind]:
            self.controller_files(kind, result)
        return result

    def controller_files(self, kind: str, source: dict[str, Any]) -> None:
        """Check what the controller is to provide, now, and make its path absolute."""
        if kind == "archive" and re.match(r"https?://", source["archive"]):
            return
        path = os.path.join(self.base, os.path.expanduser(source[kind]))
        source[kind] = path
        if kind == "directory" and not os.path.isdir(path):
            self.fault(f"source.directory is {shown(path)}; wanted a directory on the controller; there is none")
        elif kind == "archive" and not os.path.isfile(path):
            self.fault(f"source.archive is {shown(path)}; wanted a URL or a file on the controller; there is none")
        elif kind == "archive":
            with open(path, "rb") as stream:
                found = "sha256:" + hashlib.sha256(stream.read()).hexdigest()
            if source["checksum"] not in ("", found):
                self.fault(f"source.checksum is {source['checksum']}; the file {path} has {found}; mend one of them")
            source["checksum"] = found

    def cross(self, site: dict[str, Any]) -> None:
        """What only shows when several keys are seen together."""
        kind, uwsgi = site["source"]["kind"], site["uwsgi"]
        if site["virtualenv"] and kind != "path":
            self.fault(f"virtualenv is {shown(site['virtualenv'])}; it goes with source.path only; leave it out")
        if site["virtualenv"] == "none":
            if "install" in (self.given.get("uwsgi") or {}) and uwsgi["install"] != "distribution":
                self.fault(
                    f"uwsgi.install is {uwsgi['install']!r}; wanted distribution with virtualenv: none; "
                    "give a virtualenv or leave install out"
                )
            uwsgi["install"] = "distribution"
            if site["packages"]:
                self.fault("packages go into a virtualenv; wanted none with virtualenv: none; use system_packages")
        if uwsgi["install"] == "distribution" and uwsgi["version"]:
            self.fault(f"uwsgi.version is {uwsgi['version']!r}; the distribution decides it; leave it out")
        if uwsgi["tarball"] and uwsgi["install"] != "tarball":
            self.fault(f"uwsgi.tarball goes with install: tarball; install is {uwsgi['install']!r}")
        if uwsgi["checksum"] and not uwsgi["tarball"]:
            self.fault("uwsgi.checksum goes with uwsgi.tarball; give the tarball or leave it out")
        if "unix" in uwsgi["socket"] and len(uwsgi["socket"]) > 1:
            self.fault("uwsgi.socket mixes unix with addresses; wanted unix, or one or more addresses")
        served = [site["nginx"][key] for key in ("static", "media") if site["nginx"][key]]
        if len(served) == 2 and served[0]["url"] == served[1]["url"]:
            self.fault(f"nginx.media and nginx.static have the same url {served[0]['url']}; give one of them another")
        harakiri = str(uwsgi["options"].get("harakiri"))
        if re.fullmatch(r"[0-9]{1,9}", harakiri) and int(harakiri) >= site["nginx"]["read_timeout"]:
            self.fault(
                f"uwsgi.options.harakiri is {harakiri}; wanted less than nginx.read_timeout "
                f"({site['nginx']['read_timeout']}), or nginx answers 504 first; raise nginx.read_timeout"
            )
        site["django"] = self.django(site)

    def django(self, site: dict[str, Any]) -> str:
        """The version specifier of the Django that is asked for, as far as the controller can read it."""
        from packaging.requirements import InvalidRequirement, Requirement

        lines = list(site["packages"])
        if site["source"]["kind"] == "directory":
            for name in site["requirements"] or ["requirements.txt"]:
                path = os.path.join(site["source"]["directory"], name)
                if os.path.isfile(path) and path.endswith(".txt"):
                    with open(path, encoding="utf-8", errors="replace") as stream:
                        lines += [one.split("#")[0].strip() for one in stream]
        specifiers = []
        for one in lines:
            try:
                parsed = Requirement(one)
            except InvalidRequirement:
                continue  # -r other.txt, --hash, a URL: the installer reads them
            if parsed.name.lower() == "django" and (parsed.marker is None or parsed.marker.evaluate()):
                specifiers.append(str(parsed.specifier))
        joined = ",".join(filter(None, specifiers))
        if joined and not django_minors(joined):
            self.fault(
                f"packages and requirements ask for Django {joined}; no known Django fits; "
                f"known are {', '.join(f'{a}.{b}' for a, b in DJANGO_PYTHONS)}"
            )
        return joined

    def fault(self, text: str) -> None:
        self.faults.append(f"{self.label}: {text}")


def _derive(site: dict[str, Any], roots: Mapping[str, str]) -> None:
    name = site["name"]
    home = f"{roots['sites'].rstrip('/')}/{name}"
    site["managed_user"] = not site["user"]
    # useradd and systemd take 31 characters; a longer name is cut and told apart by a digest.
    site["user"] = site["user"] or _short(f"site-{name}", 31)
    site["paths"] = {
        "root": home,
        "builds": f"{home}/builds",
        "virtualenvs": f"{home}/virtualenvs",
        "releases": f"{home}/releases",
        "current": f"{home}/current",
        "previous": f"{home}/previous",
        "history": f"{home}/history",
        **{key: f"{roots[key].rstrip('/')}/{name}" for key in ("state", "config", "run", "cache")},
    }
    site["paths"]["media"] = f"{site['paths']['state']}/media"
    nginx = site["nginx"]
    if nginx["media"]:
        nginx["media"] = {**nginx["media"], "path": nginx["media"]["path"] or site["paths"]["media"]}
        site["paths"]["media"] = nginx["media"]["path"]
    if nginx["static"]:
        owned = not nginx["static"]["path"]
        nginx["static"] = {
            "url": nginx["static"]["url"],
            "path": nginx["static"]["path"] or f"{home}/current/static",
            # Pages that are still open ask for the assets of the release that made them.
            "previous": f"{home}/previous/static" if owned else "",
        }
    if site["uwsgi"]["socket"] == ["unix"]:
        site["uwsgi"]["socket"] = []
        nginx["upstream"] = nginx["upstream"] or [f"unix:{home}/current/uwsgi.sock"]
    else:
        nginx["upstream"] = nginx["upstream"] or [
            re.sub(r"^(0\.0\.0\.0|\[::\]):", "127.0.0.1:", one) for one in site["uwsgi"]["socket"]
        ]
    base = {
        "harakiri": max(nginx["read_timeout"] - 5, 1),
        "buffer-size": 65535,
        "max-requests": 5000,
        "single-interpreter": True,
        "enable-threads": True,
        "py-call-uwsgi-fork-hooks": True,
        "auto-procname": True,
        # uWSGI clears the umask; with this one, what Django stores is not for every user of the host to read.
        "umask": "027",
        "vacuum": True,
        "ignore-sigpipe": True,
        "ignore-write-errors": True,
        "disable-write-exception": True,
        "disable-logging": True,
        "log-4xx": True,
        "log-5xx": True,
    }
    merged = {**base, **site["uwsgi"]["options"]}
    site["uwsgi"]["options"] = {key: value for key, value in merged.items() if value is not None}
    site["origins"] = _origins(site)


def _origins(site: dict[str, Any]) -> list[str]:
    """CSRF_TRUSTED_ORIGINS: every domain with the scheme, and with the port where it is not the scheme's own."""
    origins = []
    for one in site["domains"]:
        for listener in site["nginx"]["listen"]:
            port = "" if listener["port"] in (80, 443) else f":{listener['port']}"
            origins += [f"{scheme}://{one}{port}" for scheme in ("http", "https")]
    return list(dict.fromkeys(origins))


def _path_faults(site: dict[str, Any]) -> list[str]:
    """Directories inside one another, and unix socket paths that the kernel would cut or refuse."""
    faults = []
    own = {key: site["paths"][key] for key in ("root", "state", "config", "run", "cache")}
    media = site["paths"]["media"]
    brought = {
        "source.path": site["source"].get("path", ""),
        "virtualenv": "" if site["virtualenv"] == "none" else site["virtualenv"],
        "nginx.media": "" if media.startswith(f"{own['state']}/") else media,
    }
    known = {**own, **brought}
    # `state: absent` removes the collection's own directories with all that is in them, but for the state.
    inside = [(inner, outer) for inner in own for outer in own if inner != outer]
    inside += [(inner, outer) for inner in brought for outer in own if outer != "state"]
    inside += [("root", "source.path")] if brought["source.path"] else []
    for inner, outer in inside:
        if known[inner] and f"{known[inner]}/".startswith(f"{known[outer]}/"):
            faults.append(
                f"site '{site['name']}': {inner} {known[inner]} lies in {outer} {known[outer]}; "
                "wanted them apart; change it or web_roots"
            )
    paths = [one[5:] for one in site["nginx"]["upstream"] if one.startswith("unix:")]
    paths.append(f"{site['paths']['run']}/{'x' * RELEASE_ID_LENGTH}.stats")
    for path in paths:
        if len(path.encode()) > UNIX_PATH_MAX:
            faults.append(
                f"site '{site['name']}': the socket path {path} has {len(path.encode())} bytes; wanted at most "
                f"{UNIX_PATH_MAX} (the kernel's limit); shorten the name or web_roots"
            )
    return faults


def _collisions(sites: list[dict[str, Any]]) -> list[str]:
    """Names, domains and ports that two sites of one host would fight over."""
    faults: list[str] = []
    taken: dict[tuple[str, Any], str] = {}

    def claim(kind: str, value: Any, site: dict[str, Any], mend: str) -> None:
        other = taken.setdefault((kind, value), site["name"])
        if None not in (other, site["name"]) and other != site["name"]:
            faults.append(f"site '{site['name']}': {kind} {value} belongs to site '{other}' already; {mend}")

    names = [site["name"] for site in sites if site["name"]]
    for name in sorted({one for one in names if names.count(one) > 1}):
        faults.append(f"site '{name}': name stands {names.count(name)} times; every site needs its own name")
    present = [site for site in sites if site["state"] == "present"]
    for site in present:
        for one in site["domains"]:
            claim("domain", one, site, "give each domain to one site")
    nginx_ports = {one["port"] for site in present for one in site["nginx"]["listen"]}
    for site in present:
        ports = [int(one.rpartition(":")[2]) for one in site["uwsgi"]["socket"] if one != "unix"]
        for port in sorted({one for one in ports if ports.count(one) > 1}):
            faults.append(f"site '{site['name']}': uwsgi.socket has port {port} twice; give each address its own")
        for port in set(ports):
            claim("port", port, site, "give uwsgi.socket another port")
            if port in nginx_ports:
                faults.append(
                    f"site '{site['name']}': uwsgi.socket has port {port}, on which nginx listens; change one"
                )
    return faults


def _address(value: Any) -> tuple[str, int]:
    """Part 'address:port', ':port' or a bare port."""
    wanted = "a port from 1 to 65535, or address:port such as 127.0.0.1:8000 or [::1]:8000"
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise Wrong(wanted)
    host, _colon, port = str(value).rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise Wrong(wanted)
    if host and host != "localhost":
        try:
            host = _ip_address(host)
        except ValueError:
            raise Wrong(wanted) from None
    return host, int(port)


def _ip_address(text: str) -> str:
    """An IP address in its shortest form, IPv6 in brackets. Raises ValueError; so do zones (%eth0), which may hold any
    character."""
    address = ipaddress.ip_address(text.strip("[]"))
    if "%" in text:
        raise ValueError(text)
    return f"[{address}]" if address.version == 6 else str(address)


def _private_key(value: Any) -> str:
    if not isinstance(value, str) or "PRIVATE KEY-----" not in value:
        raise Wrong("the text of a private key", "for instance from Ansible Vault, with a | behind key:")
    return str(value).strip() + "\n"


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _punycode(name: str) -> str:
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return "punycode (xn--...)"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 5]}-{hashlib.sha256(text.encode()).hexdigest()[:4]}"


def _dotted(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _supports(minor: tuple[int, int], version: str) -> bool:
    low, high = DJANGO_PYTHONS[minor]
    return low <= _dotted(version)[:2] <= high


def _range(minor: tuple[int, int]) -> str:
    (a, b), (c, d) = DJANGO_PYTHONS[minor]
    return f"{a}.{b} to {c}.{d}"
