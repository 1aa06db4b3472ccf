# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge which pages nginx's directives pass to the application, and how they change a request on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..nginx import course, match
from ..nginx.course import Course
from ..nginx.dump import Directive
from .evidence import Host, Site
from .fault import ADVICE, BROKEN, DEGRADED, UNKNOWN, Fault, Faults
from .questions import good

# What uwsgi_params tell an application, and the consequence if one is missing.
_NEEDED = {
    "REQUEST_METHOD": "the application understands no request",
    "REQUEST_URI": "the application does not know which page is requested",
    "PATH_INFO": "every request is treated as a request for /",
    "QUERY_STRING": "the query string is lost",
    "CONTENT_LENGTH": "form data is lost",
    "CONTENT_TYPE": "form data is not parsed",
    "SERVER_NAME": "",
    "SERVER_PORT": "",
    "SERVER_PROTOCOL": "",
}
_FATAL = ("REQUEST_METHOD", "REQUEST_URI", "PATH_INFO")
# A browser opens up to six connections to a host at once over HTTP/1.1.
_CONNECTIONS = 6
_RELOAD = "nginx -t && systemctl reload nginx"
_LOCAL = re.compile(r"127\.|\[?::1|localhost$|unix:|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.")


def judge(faults: Faults, site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    """Yield what the directives on the way to the application do wrong."""
    yield from _front(faults, site, host, seen)
    yield from _no_page(faults, site)
    yield from _other_pages(faults, site)
    yield from _parameters(faults, site)
    yield from _host_header(faults, site, host)
    yield from _replaced_uri(faults, site)
    yield from _behind(faults, site, host)
    yield from _limits(faults, site)


def why_not(site: Site) -> list[str]:
    """Return what keeps requests from the locations that hand over, as evidence."""
    root, lines = site.directives.root, []
    for tried in root.tried if root else []:
        lines.append(f"{tried} in {tried.place}")
    return [*lines, *(f"nothing leads to the application of {place}" for place in site.directives.unreached[:3])]


# --- which pages get there ---


def _front(faults: Faults, site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    """Judge a site whose `/` is not the application's: a front end, a redirect, or a mistake."""
    root, below = site.directives.root, site.directives.application
    if not root or not below or root.ends == course.PASS:
        return
    says = f"{site.path} -> {_end(root)}; {below} -> {site.handler} in {site.handler.place if site.handler else '?'}"
    denied = site.directives.obstacle
    tried = next((one for one in root.tried if "$uri/" in one.args), None)
    if root.ends == course.STATUS and root.status >= 400 and tried and _same_location(root, site):
        yield faults.fault(
            "location.try-files",
            BROKEN,
            f"nginx answers {site.path} itself, with {root.status}: `$uri/` of try_files in {tried.place} finds the "
            f"directory {root.file}, which has no index file",
            f"remove `$uri/` from {tried} in {tried.place}, then {_RELOAD}",
            [says],
        )
    elif denied and denied.kind == "denied":
        yield faults.fault(
            "location.front",
            BROKEN,
            f"{site.path} is the file {root.file}, and {host.nginx.worker_name} cannot use {denied.path} "
            f"({denied.mode:04o})",
            denied.fix,
            [says, denied.evidence],
        )
    elif _is_chosen(root):
        if root.ends == course.STATUS and root.status >= 400 and root.by is None:
            yield faults.fault(
                "location.front",
                BROKEN,
                f"nginx answers {site.path} itself, with {root.status}: {root.file} "
                + ("has no index file" if root.status == 403 else "is not there"),
                f"deploy the front end there, or correct root in {_root_of(root)}, then {_RELOAD}",
                [says],
            )
        else:
            seen.append(says)
    elif any(probe.answer and probe.answer.status < 400 for probe in site.probes):
        yield faults.fault(
            "location.no-pass",
            BROKEN,
            f"nginx does not pass {site.path} to the application: only {below} is passed to it, in "
            f"{site.chain[-1].place}; the application has a page at {site.path}",
            f"add location / with the contents of {site.chain[-1].place}; then {_RELOAD}",
            [says],
        )
    else:
        seen.append(says)


def _same_location(root: Course, site: Site) -> bool:
    """Return whether other pages of the location that answers `/` do get to the application."""
    other = site.directives.other
    return other is not None and other.ends == course.PASS and bool(other.tried) and other.tried[0] in root.tried


def _is_chosen(root: Course) -> bool:
    """Return whether `/` was configured: a directory, a redirect. Otherwise it is nginx's welcome page."""
    given = [block for block in root.chain[1:] if block.all("root") or block.all("alias")]
    return root.ends == course.RETURN or bool(given) or root.ends == course.UNKNOWN


def _root_of(root: Course) -> str:
    given = match.inherited(root.chain, "alias") or match.inherited(root.chain, "root")
    return given.place if given else root.place


def _end(ended: Course) -> str:
    """Return where a request ends, in words."""
    if ended.ends == course.FILE:
        return f"the file {ended.file}"
    what = f"`{ended.by}` in {ended.by.place}" if ended.by else f"{str(ended.location).rstrip(' {')} in {ended.place}"
    return f"{ended.status} by {what}" if ended.status else what


def stopped_by_try_files(site: Site) -> Directive | None:
    """Return the try_files that answers for every page, and ends before the application of its own location."""
    root, other = site.directives.root, site.directives.other
    if not root or not other or not root.tried or not site.handler:
        return None
    ended = root.tried[-1]
    both = all(end.ends == course.STATUS and end.tried[-1:] == [ended] for end in (root, other))
    return ended if both and any(it is site.handler for it in root.location.all(site.handler.name)) else None


def _no_page(faults: Faults, site: Site) -> Iterator[Fault]:
    """Judge a location whose try_files lets no page through, not even `/`."""
    ended, root = stopped_by_try_files(site), site.directives.root
    if ended and root:
        yield faults.fault(
            "location.try-files",
            BROKEN,
            f"nginx answers every page with {root.status}: try_files in {ended.place} ends in {ended.args[-1]}, so "
            f"requests that match no file never reach {site.handler}",
            f"remove `{ended}` from {ended.place}, or make it end in a named location with `{site.handler}`; then "
            f"{_RELOAD}",
            [f"{ended} in {ended.place}"],
        )


def _other_pages(faults: Faults, site: Site) -> Iterator[Fault]:
    """Judge a location that lets `/` through, and no page that is no file."""
    root, other = site.directives.root, site.directives.other
    if not root or not other or root.ends != course.PASS or other.ends in (course.PASS, course.UNKNOWN):
        return
    passed = f"{root.by} in {root.by.place}" if root.by else ""
    ended = other.tried[-1] if other.tried else None
    if ended and other.ends == course.STATUS:
        if root.location is other.location:
            what = f"nginx answers every page except {site.path} with {other.status}"
        else:
            what = f"nginx answers every page with {other.status} that {root.place} does not handle"
        yield faults.fault(
            "location.try-files",
            BROKEN,
            f"{what}: try_files in {ended.place} ends in {ended.args[-1]}, so requests that match no file never reach "
            f"{root.by}",
            f"remove `{ended}` from {ended.place}, or make it end in a named location with `{root.by}`; then {_RELOAD}",
            [f"{ended} in {ended.place}", passed],
        )
    elif root.location.args[:1] == ["="] and len(site.directives.unreached) == 0 and _alone(site):
        yield faults.fault(
            "location.no-pass",
            BROKEN,
            f"nginx passes {site.path} to an application, but no other page: "
            f"{str(root.location).rstrip(' {')} in {root.location.place} is for that path only",
            f"location {root.location.args[-1]} without `=` in {root.location.place}, then {_RELOAD}",
            [f"{other.uri} -> {_end(other)}", passed],
        )


def _alone(site: Site) -> bool:
    server = next((block for block in site.chain if block.name == "server"), None)
    if not server:
        return False
    return len([one for one in match.everywhere(server) if one.name.endswith("_pass") and one.args]) == 1


# --- what the application is told ---


def _parameters(faults: Faults, site: Site) -> Iterator[Fault]:
    handled = site.handler
    if handled is None or handled.name != "uwsgi_pass":
        return
    given = match.parameters(site.chain, "uwsgi_param")
    missing = [name for name in _NEEDED if name not in given]
    effects = [_NEEDED[name] for name in missing if _NEEDED[name]]
    if not missing:
        return
    levels = [block for block in site.chain if block.all("uwsgi_param")]
    inner = levels[-1].all("uwsgi_param") if levels else []
    outer = levels[-2].all("uwsgi_param") if len(levels) > 1 else []
    none = "no uwsgi_param applies" if not given else f"{', '.join(missing)} {_is(missing)} not passed on"
    replaced = f"; {inner[0]} in {inner[0].place} replaces all of {outer[0].place.rpartition(':')[0]}" if outer else ""
    answered = [one.answer.status for one in site.entrances if one.answer]
    fatal = any(name in missing for name in _FATAL) and not any(good(status, site.wanted_status) for status in answered)
    yield faults.fault(
        "location.params",
        BROKEN if fatal or set(_FATAL) <= set(missing) else DEGRADED if effects else ADVICE,
        f"`include uwsgi_params;` is missing at `{handled}` in {handled.place}: {none}{replaced}"
        + (f"; {effects[0]}" if effects else ""),
        f"add include uwsgi_params; beside {handled} in {handled.place}, then {_RELOAD}",
        [f"{handled} in {handled.place}", *(f"{one} in {one.place}" for one in inner[:3])],
    )


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _host_header(faults: Faults, site: Site, host: Host) -> Iterator[Fault]:
    """Judge a proxy_pass that does not pass on the requested name: nginx then sends the name of its upstream."""
    handled = site.handler
    if handled is None or handled.name != "proxy_pass" or not _is_own(handled, host):
        return
    given = {name.lower(): value for name, value in match.parameters(site.chain, "proxy_set_header").items()}
    value = given.get("host", "$proxy_host")
    by_another = "x-forwarded-host" in given
    if value != "$proxy_host" or by_another:
        return
    sent = match.upstream_name(handled)
    sent = "localhost" if sent.startswith("unix:") else sent
    refused = any(one.answer and one.answer.status == 400 for one in site.entrances)
    levels = [block for block in site.chain if block.all("proxy_set_header")]
    inner = levels[-1].all("proxy_set_header")[0] if levels else None
    outer = [one for block in levels[:-1] for one in block.all("proxy_set_header") if one.args[:1] == ["Host"]]
    replaced = f"; {inner} in {inner.place} replaces {outer[-1]} in {outer[-1].place}" if inner and outer else ""
    yield faults.fault(
        "location.host",
        BROKEN if refused else DEGRADED if site.inside.get("settings") else ADVICE,
        f"nginx tells the application that the request is for {sent} instead of {site.domains[0]}: `{handled}` has no "
        f"proxy_set_header Host{replaced}"
        + (
            "; Django answers 400, because ALLOWED_HOSTS does not contain that name"
            if refused
            else "; forms get 403 from Django"
        ),
        f"add proxy_set_header Host $http_host; beside {handled} in {handled.place}, then {_RELOAD}",
        [f"{handled} in {handled.place}", f"Host: {sent}"],
    )


def _is_own(handled: Directive, host: Host) -> bool:
    """Return whether a proxy_pass leads to an application of this host or network, not to another site."""
    config = host.nginx.config
    addresses = match.targets(config, handled)[1] if config else []
    return bool(addresses) and all(_LOCAL.match(address) for address in addresses)


def _replaced_uri(faults: Faults, site: Site) -> Iterator[Fault]:
    """Judge a proxy_pass with a URI, which nginx puts instead of the location's name."""
    handled = site.handler
    if handled is None or handled.name != "proxy_pass" or "$" in handled.args[0]:
        return
    uri, location = match.uri_of(handled), site.chain[-1]
    modifier, name = match.name_of(location)
    if not uri or location.name != "location" or modifier not in ("", "^~"):
        return
    doubled = uri.endswith("/") and not name.endswith("/")
    glued = not uri.endswith("/") and name.endswith("/")
    lost = any(one.answer and one.answer.status == 404 for one in site.entrances)
    if not doubled and not glued and not (name == "/" and uri != "/" and lost):
        return
    example = f"{name.rstrip('/')}/page"
    yield faults.fault(
        "location.proxy-uri",
        BROKEN if lost or glued else DEGRADED,
        f"nginx requests {uri}{example[len(name) :]} from the application when a client requests {example}: "
        f"`{handled}` replaces {name} by {uri}",
        f"without a URI, nginx passes on the requested path: proxy_pass {_without_uri(handled)}; in {handled.place}",
        [f"{str(location).rstrip(' {')} in {location.place}", f"{handled} in {handled.place}"],
    )


def _without_uri(handled: Directive) -> str:
    return handled.args[0][: len(handled.args[0]) - len(match.uri_of(handled))].rstrip(":")


# --- what is behind ---


def _behind(faults: Faults, site: Site, host: Host) -> Iterator[Fault]:
    handled = site.handler
    if handled is None or not host.nginx.config:
        return
    if "$" in match.upstream_name(handled):
        yield faults.fault(
            "location.variable",
            UNKNOWN,
            f"the address that nginx passes {site.path} to depends on the request: `{handled}` in {handled.place}",
            "check what sets the variable; the server behind it was not examined",
            _set_by(site, handled),
        )
        return
    backends = match.backends(host.nginx.config, match.upstream_name(handled))
    if site.directives.down and all(backend.down for backend in backends):
        yield faults.fault(
            "location.upstream-down",
            BROKEN,
            f"every server of the upstream {match.upstream_name(handled)} is marked `down`: nginx answers 502",
            f"remove `down` from one of {', '.join(site.directives.down)}; then {_RELOAD}",
            [f"server {one}" for one in site.directives.down],
        )
    unresolved = [
        event for event in site.nginx_events if re.search(r"could not be resolved|no resolver defined", event)
    ]
    if unresolved:
        found = re.search(r"(\S+) could not be resolved[^,]*|no resolver defined to resolve (\S+)", unresolved[-1])
        yield faults.fault(
            "location.upstream-name",
            BROKEN,
            f"nginx cannot resolve the name that it passes requests to, and answers 502: {found[0] if found else ''}",
            f"correct the name in {handled.place}, or `resolver` beside it",
            [unresolved[-1]],
        )


def _set_by(site: Site, handled: Directive) -> list[str]:
    name = [f"${one}" for one in re.findall(r"\$\{?(\w+)", handled.args[0])][:1]
    found = [
        one
        for block in site.chain[:1]
        for one in match.everywhere(block)
        if (one.name == "map" and one.args[-1:] == name) or (one.name == "set" and one.args[:1] == name)
    ]
    return [f"{handled} in {handled.place}", *(f"{str(one).rstrip(' {')} in {one.place}" for one in found[:3])]


# --- limits ---


def _limits(faults: Faults, site: Site) -> Iterator[Fault]:
    yield from _limited(faults, site, "limit_req", "limiting requests")
    yield from _limited(faults, site, "limit_conn", "limiting connections")
    buffers = [one for block in site.chain[:2] for one in block.all("large_client_header_buffers")]
    if buffers and site.directives.large_header in (400, 414, 431):
        yield faults.fault(
            "location.header-buffers",
            DEGRADED,
            f"a visitor with a large cookie, or a long URL, gets {site.directives.large_header}: "
            f"`{buffers[-1]}` in {buffers[-1].place}; the default is 4 8k",
            f"set large_client_header_buffers 4 8k; in {buffers[-1].place}, then {_RELOAD}",
            [f"a request with a cookie of 4096 bytes -> {site.directives.large_header}"],
        )


def _limited(faults: Faults, site: Site, name: str, words: str) -> Iterator[Fault]:
    events = [event for event in site.nginx_events if words in event and "dry run" not in event]
    limit = match.inherited(site.chain, name)
    if not events or limit is None:
        return
    status = match.inherited(site.chain, f"{name}_status")
    answered = status.args[0] if status and status.args else "503"
    tight = _is_tight(limit, name)
    yield faults.fault(
        "location.limited",
        DEGRADED if tight else ADVICE,
        f"{len(events)} request{'s' if len(events) > 1 else ''} got {answered} recently: `{limit}` in {limit.place}"
        + (" is lower than what a browser needs for one page" if tight else ""),
        "nothing if this limit is intended"
        if not tight
        else f"add burst=20 nodelay to {limit} in {limit.place}"
        if name == "limit_req"
        else f"set a larger number in {limit} in {limit.place}",
        [events[-1]],
    )


def _is_tight(limit: Directive, name: str) -> bool:
    """Return whether one page with its images may be too much."""
    if name == "limit_req":
        burst = re.search(r"burst=(\d+)", " ".join(limit.args))
        return not burst or int(burst[1]) < _CONNECTIONS
    return limit.args[-1].isdigit() and int(limit.args[-1]) < _CONNECTIONS
