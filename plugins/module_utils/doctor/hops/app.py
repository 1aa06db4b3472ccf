# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the application can be loaded: chdir, virtualenv, module."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .. import app_fixes, judge_ini
from ..application import application_of
from ..evidence import Host, Site
from ..fault import BROKEN, DEGRADED, UNKNOWN, Fault, Faults
from ..fixes import restart
from ..judge_servers import place_of, stale
from ..logs import last_lines, traceback
from ..questions import last_match
from ..refused import allowing, by_sandbox, database_of

FAULTS = Faults(
    "app",
    {
        "app.ini": [],
        "app.chdir": [],
        "app.virtualenv": [],
        "app.module": [],
        "app.import": [],
        "app.interpreter": [],
        "app.unseen": [],
        "app.sandbox": [],
        "app.stale": [],
    },
)


def judge(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    found, options = site.uwsgi, site.uwsgi.options
    status, later = _weight(site)
    if options.missing:
        yield FAULTS.fault(
            "app.ini",
            status,
            f"{site.server.label} is configured to read {options.missing[0]}, which does not exist{later}",
            f"run pyweb.stack.site; by hand: create it, or correct the command: {' '.join(found.command)}",
            [f"{options.missing[0]}: No such file or directory"],
        )
    yield from stale(FAULTS, site)
    # The options of a missing file are not known, and a log may contain an error of days ago.
    wrong = (
        None if options.missing else _text(site) or _places(site) or _sandbox(site) or _import(site) or _unseen(site)
    )
    if wrong:
        yield wrong
    elif "app" in site.inside:
        module, name = application_of(options)
        python = site.inside.get("python", {}).get("version", "?")
        seen.append(f"{module}:{name} loads in {options.last('chdir')} with Python {python}")


def _weight(site: Site) -> tuple[str, str]:
    """Return (status, end of the sentence): a fault may not yet affect a uWSGI that runs."""
    runs = site.uwsgi.master is not None and _answers_well(site)
    return (DEGRADED, "; the running processes were started before that") if runs else (BROKEN, "")


def _text(site: Site) -> Fault | None:
    """Judge the text of uWSGI's configuration if the site does not answer correctly."""
    if site.server.kind != "uwsgi" or site.managed or _answers_well(site):
        return None
    found = judge_ini.mistake(site)
    if found:
        return FAULTS.fault("app.ini", BROKEN, found[0], found[1], [found[2]])
    started_without = site.uwsgi.master and "no python application found" in site.uwsgi.log
    found = judge_ini.nothing_to_load(site) if started_without and "app" not in site.inside else None
    return FAULTS.fault("app.module", BROKEN, found[0], found[1], [found[2]]) if found else None


def _places(site: Site) -> Fault | None:
    """Judge chdir and the virtualenv."""
    options, log = site.uwsgi.options, site.uwsgi.log
    status, later = _weight(site)
    chdir, home, ini = options.last("chdir"), options.last("home"), place_of(site)
    if chdir and not site.places.chdir:
        return FAULTS.fault(
            "app.chdir",
            status,
            f"chdir is wrong: there is no directory {chdir}{later}",
            "set web_sites[].source, then run pyweb.stack.site; by hand: set chdir = the directory that holds "
            f"manage.py, in {ini}, then {restart(site)}",
            [f"chdir = {chdir} in {ini}", *last_match(log, r"chdir\(\): .*")],
        )
    if site.places.closed:
        closed = site.places.closed
        kind = "enter the directory" if closed.directory else "read"
        return FAULTS.fault(
            "app.chdir",
            status,
            f"{site.uwsgi.user}, the user of the site, cannot {kind} {closed.path} ({closed.mode:04o}): the "
            f"application cannot be loaded{later}",
            f"{closed.fix}; then {restart(site)}",
            [closed.evidence, *last_match(log, r"chdir\(\): .*|PermissionError: .*")],
        )
    without = site.inside.get("failed django", {})
    no_home = bool(home) and not site.places.home
    if not no_home and not without:
        return None
    what = f"there is no directory {home}" if no_home else f"{home or site.uwsgi.python} has no Django"
    version = ".".join(str(site.inside.get("python", {}).get("version", "")).split(".")[:2])
    if without and version and site.places.pythons and f"python{version}" not in site.places.pythons:
        made = ", ".join(site.places.pythons[:2])
        return FAULTS.fault(
            "app.virtualenv",
            status,
            f"the virtualenv {home} was created for {made}, but uWSGI uses Python {version}: it does not find the "
            f"packages{later}",
            f"set web_sites[].virtualenv, then run pyweb.stack.site; by hand: create it again: python{version} -m venv "
            f"--clear {home} && {home}/bin/pip install -r the project's requirements, then {restart(site)}",
            [f"{home}/lib/{site.places.pythons[0]}", without.get("error", "")],
        )
    return FAULTS.fault(
        "app.virtualenv",
        status,
        f"the virtualenv is wrong: {what}{later}",
        ("pyweb.stack.site builds it again" if no_home else "set web_sites[].virtualenv, then run pyweb.stack.site")
        + f"; by hand: set home = the virtualenv that Django was installed into, in {ini}, then {restart(site)}",
        [f"home = {home} in {ini}" if home else "", without.get("error", ""), *last_match(log, r".*Python Home.*")],
    )


def _sandbox(site: Site) -> Fault | None:
    """Judge an application that fails only in the sandbox of its unit. The doctor runs without a sandbox."""
    found = site.uwsgi
    # A uWSGI that keeps restarting also has a master at times.
    runs = found.master is not None and found.unit.get("ActiveState") != "activating"
    if "failed app" in site.inside or (runs and not any(answer.status == 500 for answer in site.answers)):
        return None
    refused = by_sandbox(found.log, found.unit, database_of(site))
    if not refused:
        return None
    unit = found.unit.get("Id", "")
    return FAULTS.fault(
        "app.sandbox",
        BROKEN,
        f"the sandbox of {unit} refuses what the application does: {refused.directive}",
        allowing(site, refused, unit),
        [refused.words.strip()],
    )


def _import(site: Site) -> Fault | None:
    """Judge the result of loading the application as uWSGI does."""
    options, log = site.uwsgi.options, site.uwsgi.log
    status, later = _weight(site)
    module, name = application_of(options)
    failed = site.inside.get("failed app", {})
    if not failed:
        gave_up = re.search(r"unable to load app 0 |no python application found", log)
        if status == DEGRADED or "app" in site.inside or not gave_up:
            return None
        error = traceback(log) or f"see {site.server.label}'s log"
        cause = f"the application cannot be imported: {error}"
        return FAULTS.fault("app.import", status, cause, _correct(site, "it"), last_lines(log))
    error, missing = failed["error"], failed.get("missing", "")
    if missing and (module == missing or module.startswith(f"{missing}.")):
        return _no_module(site, missing, error)
    if "has no attribute" in error and name in error and not failed.get("where"):
        return FAULTS.fault(
            "app.module",
            status,
            f"the module {module} has no callable {name}{later}",
            f"set web_sites[].wsgi, then run pyweb.stack.site; by hand: set module = {module}:application in "
            f"{place_of(site)}, then {restart(site)}",
            [error],
        )
    place = failed.get("where", "")
    closed = re.search(r"^PermissionError: \[Errno 13\] Permission denied: '(/[^'\n]{1,300})'", error)
    fix = _install(site, missing) if missing else _correct(site, place or "it", app_fixes.fix(site, error))
    if closed:
        fix = (
            f"let {site.uwsgi.user} use {closed[1]} (namei -l {closed[1]} shows owners and modes), then {restart(site)}"
        )
    return FAULTS.fault(
        "app.import",
        status,
        f"the application cannot be imported: {error}{later}",
        fix,
        [f"{error}{f' at {place}' if place else ''}", *last_match(log, r".*no python application found.*")],
    )


def _no_module(site: Site, missing: str, error: str) -> Fault:
    """Tell a wrong chdir from a wrong module: if the package is near chdir, chdir should be that directory."""
    options = site.uwsgi.options
    status, later = _weight(site)
    chdir, ini = options.last("chdir"), place_of(site)
    top = application_of(options)[0].partition(".")[0]
    evidence = [f"module = {options.last('module')} in {ini}", error]
    there = "" if site.places.package else site.places.package_elsewhere
    if there:
        return FAULTS.fault(
            "app.chdir",
            status,
            f"chdir is wrong: {chdir} has no package {top}, but {there} does{later}",
            f"set web_sites[].source, then run pyweb.stack.site; by hand: set chdir = {there} in {ini}, the directory "
            f"that holds manage.py, then {restart(site)}",
            [f"chdir = {chdir}", *evidence],
        )
    return FAULTS.fault(
        "app.module",
        status,
        f"the module is wrong: there is no {missing} in {chdir}{later}",
        f"set web_sites[].wsgi, then run pyweb.stack.site; by hand: set module in {ini} as in WSGI_APPLICATION of the "
        f"settings, then {restart(site)}",
        evidence,
    )


def _install(site: Site, missing: str) -> str:
    """Return how to install a missing module."""
    home = site.uwsgi.options.last("home")
    pip = f"{home}/bin/pip" if home else f"{site.uwsgi.python or 'python3'} -m pip"
    by_hand = (
        app_fixes.own_module(site, missing)
        or f"{pip} install the package that provides {missing}, then {restart(site)}"
    )
    return (
        f"web_sites[].packages or the project's requirements ({missing}), then run pyweb.stack.deploy; by hand: "
        f"{by_hand}"
    )


def _correct(site: Site, what: str, by_hand: str = "") -> str:
    return (
        f"correct {what} in the source, then run pyweb.stack.deploy; pyweb.stack.rollback makes the previous release "
        f"live again; by hand: {by_hand or f'correct {what}, then {restart(site)}'}"
    )


def _unseen(site: Site) -> Fault | None:
    """Report why the application was not examined."""
    if site.inside_error and not site.inside:
        cause = f"the application could not be examined: {site.inside_error}"
        return FAULTS.fault("app.interpreter", UNKNOWN, cause, "see the evidence")
    module, _name = application_of(site.uwsgi.options)
    if site.server.stranger and not site.inside:
        cause = f"the application was not examined: the doctor does not know {site.server.stranger}, which answers"
        return FAULTS.fault("app.unseen", UNKNOWN, cause, "check it with the tools of that program")
    if "app" not in site.inside and site.uwsgi.installed and (site.uwsgi.master or module):
        why = "it took too long" if site.inside_timed_out else f"{site.server.label} does not name a module"
        cause = f"the application was not examined: {why}"
        return FAULTS.fault("app.unseen", UNKNOWN, cause, f"see {place_of(site)}")
    return None


def _answers_well(site: Site) -> bool:
    return any(probe.answer and probe.answer.status != 500 for probe in site.probes)
