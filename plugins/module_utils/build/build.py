# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make a build: code, virtualenv, static files and settings overlay of a site, named after what went into it.

A build is made where it stays, because a virtualenv cannot be moved. What makes a directory a build is its
`build.json`, written last. A directory without it is what a killed run left: it is never used, and it is made anew.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..build import (
    additions,
    data_view,
    django_check,
    django_probe,
    hints,
    overlay,
    project,
    pythons,
    runtime,
    seal,
    settings_facts,
    source,
)
from ..build.build_settings import SettingsOfBuild
from ..build.context import Context
from ..build.program import answer, program_text
from ..build.project import Discovered
from ..build.source import Resolved
from ..build.steps import Steps
from ..build.virtualenv import COMPILED
from ..host import files
from ..host.causes import cause
from ..host.shell import STEP_TIMEOUT, StepError
from ..host.visible import all_visible, visible
from ..model.layout import Layout, content_id
from ..model.steps import builtin_step, identity
from ..model.types import Manifest, Step

# Part of every id: raise it when the same inputs have to give another build than before.
FORMAT = 1
# How often what went into a build can be built again, each time beside what was damaged.
_AGAIN = 5
# From this many files on, bytecode is compiled by as many processes as there are cores. Measured on two.
PARALLEL_FILES = 40
# What `django_probe` says, as far as it is relied on. The project runs in the same process, and can say it, too.
_PROBED = {
    **dict.fromkeys(("django", "check", "admin", "script_name"), str),
    "https_header": [str],
    "facts": (dict, type(None)),
}


@dataclass(frozen=True)
class Build:
    """The build that a site wants now. What goes into it is known; its files may be there or not."""

    context: Context
    id: str
    resolved: Resolved

    @classmethod
    def identify(cls, context: Context, upload: str = "") -> Build:
        """Find out which build is wanted. Asks the git server, but changes nothing.

        `upload` is the file on this host that holds a source of the controller, '' where none was brought.
        """
        resolved = source.resolve(context, upload)
        return cls(context, _free_id(context.layout, _inputs(context, resolved)), resolved)

    @property
    def root(self) -> str:
        """The build's directory."""
        return self.context.layout.build(self.id)

    def present(self) -> Manifest:
        """Return the manifest of the finished build, or {}."""
        return _whole(self.context.layout, self.id)

    def needs_upload(self) -> bool:
        """Whether making the build takes a source that lies on the controller and was not brought."""
        return source.on_controller(self.context.site["source"]) and not self.resolved.upload

    def make(self) -> Manifest:
        """Make the build and return its manifest. Whatever fails, nothing that is live was touched."""
        context = self.context
        context.end_processes()
        files.remove(self.root)
        _make_root(context, self.root)
        try:
            with data_view.shown(context) as seeing:
                manifest = _steps(dataclasses.replace(self, context=seeing))
            context.end_processes()
            seal.seal(self.root, context.group)
        except BaseException:
            with contextlib.suppress(StepError):  # the first fault is the one to tell
                context.end_processes()
            files.remove(self.root)
            raise
        files.write(self.context.layout.manifest(self.id), json.dumps(manifest, indent=1, sort_keys=True) + "\n")
        return manifest


def _whole(layout: Layout, build_id: str) -> Manifest:
    """Return the manifest of a finished build of which nothing was removed, or {}."""
    found = cast(Manifest, files.recorded(layout.manifest(build_id)))
    parts = [found.get("home") or "/", found.get("src") or "/", f"{layout.build(build_id)}/static"] if found else []
    return found if all(map(os.path.exists, parts)) else cast(Manifest, {})


def _free_id(layout: Layout, inputs: dict[str, Any]) -> str:
    """Return the id of what these inputs make.

    A finished build of which somebody removed a part may be live. It stays as it is until another one, with an id of
    its own, has taken over: its processes run on what is left of it.
    """
    ids = [content_id({**inputs, **({"again": again} if again else {})}) for again in range(_AGAIN)]
    whole = [build_id for build_id in ids if _whole(layout, build_id)]
    free = [build_id for build_id in ids if not files.recorded(layout.manifest(build_id))]
    # The last one that is whole: a virtualenv that was made again makes the ones before it whole, too.
    return whole[-1] if whole else (free or ids)[0]


def _make_root(context: Context, root: str) -> None:
    """Make the directory of a build: root's own, and for nobody but the site to look into while it is made.

    One of code that is used in place holds none; the owner of a virtualenv that is there may have to pass through it.
    """
    os.mkdir(root, 0o700)
    os.chown(root, 0, context.group)
    os.chmod(root, 0o711 if context.site["source"]["kind"] == "path" else 0o750)


def _inputs(context: Context, resolved: Resolved) -> dict[str, Any]:
    """Return all that goes into a build: what is hashed to its id. Keys that came later count where they are set."""
    site = context.site
    uwsgi = site["uwsgi"]
    later = {"extras": site["extras"], "groups": site["groups"], "install_project": site["install_project"]}
    managed = site["managed"] if site["managed"] != "never" else ""
    steps = identity(site["build"])
    own_steps = {"build": steps} if steps != identity([builtin_step("collectstatic")]) else {}
    # Versions before 0.2 compiled uWSGI without it.
    compiled = {"routing": True} if uwsgi["install"] in COMPILED and not site["virtualenv"] else {}
    return {
        **{key: value for key, value in {**later, "managed": managed}.items() if value},
        **own_steps,
        **compiled,
        "format": FORMAT,
        "source": resolved.identity,
        "python": context.python_version(),
        "installer": context.installer,
        "user": site["user"],  # the code is for its group only to read
        "overlay": overlay.settings(site, site["settings_module"] or "-"),
        "requirements": site["requirements"],
        "packages": site["packages"],
        "virtualenv": site["virtualenv"],
        "wsgi": site["wsgi"],
        "settings_module": site["settings_module"],
        "manage": site["manage"],
        "uwsgi": {
            "install": uwsgi["install"],
            "version": uwsgi["version"],
            "tarball": context.secrets["tarball"],  # with its query: another one may be another file
            "checksum": uwsgi["checksum"],
        },
        **additions.inputs(context),
    }


def _steps(build: Build) -> Manifest:
    """Make everything inside the build's directory, as the account that builds."""
    context, root, recorded = build.context, build.root, build.resolved.source
    site, code = context.site, f"{build.root}/src"
    in_place = recorded["kind"] == "path"
    subject = source.bring(context, build.resolved, root)
    context, home = pythons.provide(context, root)
    if recorded["kind"] == "startproject":
        _start_project(context, home, code)
    notes = [*additions.add(context, root, home)]
    found = project.discover(code, site)
    settings = SettingsOfBuild(context, home, root, found)
    _write_overlay(context, root, found)
    settings.write()
    context.make_directory(f"{root}/static")
    steps = Steps(context, root, home, found["chdir"], found["configuration"])
    if steps.before_probe:
        # They import the settings as well, or bundle for the side that DEBUG chooses.
        settings.decide(lambda: _probe(context, home, root, settings, None, only="settings"))
    locks = hints.npm_locks(code, found["chdir"])
    steps.run()
    if not in_place:
        _compile(context, home, root)
    probed = settings.probed(lambda: _probe(context, home, root, settings, steps.collected_last))
    _refuse_script_name(context, str(probed.get("script_name", "")))
    facts = probed.get("facts") or {}
    notes += [*found["notes"], *settings.notes(facts)]
    notes += additions.seed(context, root, home, facts)
    told = hints.hints(code, found["chdir"], site["build"], probed, locks)
    steps.clean()
    manifest: Manifest = {
        "id": build.id,
        "chdir": found["chdir"],
        "settings_module": found["settings_module"],
        "wsgi": _entry(context, found),
        "django": probed["django"],
        "apps": probed["apps"],
        "check": visible(probed["check"]),
        "admin": probed["admin"],
        "https_header": probed["https_header"],
        "hints": all_visible(told),
        "path": root,
        "src": recorded["path"] if in_place else code,
        "overlay": True,
        "source": recorded,
        "subject": visible(subject),
        "home": home,
        "python": context.python_version(),
        "uwsgi": runtime.uwsgi_binary(site, home),
        "install": site["uwsgi"]["install"],
        "configuration": found["configuration"],
        "written": _written(build, facts),
    }
    if found["paths"]:
        manifest["paths"] = found["paths"]
    if context.secrets["files"]:
        manifest["files"] = additions.digest(context.secrets["files"])
    if probed.get("exported"):
        manifest["exported"] = probed["exported"]
    if told := [*context.notes, *notes]:
        manifest["notes"] = all_visible(told)
    return manifest


def _written(build: Build, facts: Mapping[str, Any]) -> list[str]:
    """Return the directories that the settings write to, but for the site's own and what root will own."""
    layout = build.context.layout
    own = (build.root, layout.state, layout.media)
    return [path for path in facts.get("written", []) if not any(f"{path}/".startswith(f"{top}/") for top in own)]


def _refuse_script_name(context: Context, script_name: str) -> None:
    """Refuse a project whose links begin with a path that nothing serves here."""
    site = context.site
    if script_name.strip("/") and not site["prefix"] and "FORCE_SCRIPT_NAME" not in site["settings"]:
        prefix = "/" + script_name.strip("/")
        raise context.error(
            "project",
            f"the project sets FORCE_SCRIPT_NAME to {script_name!r}, so every link begins with it, and the site is "
            f"served at /; set prefix: {prefix} in the inventory; where a server in front takes the path away, "
            f"say so by settings: {{FORCE_SCRIPT_NAME: {script_name}}}",
        )


def _start_project(context: Context, home: str, code: str) -> None:
    """Make a fresh project with the Django of the virtualenv."""
    context.make_directory(code)
    name = context.site["source"]["startproject"]
    words = [runtime.interpreter(home), "-m", "django", "startproject", name, code]
    context.inside.run("startproject", words, context.user)


def _write_overlay(context: Context, root: str, found: Discovered) -> None:
    os.mkdir(f"{root}/overlay", 0o750)
    os.chown(f"{root}/overlay", 0, context.group)
    settings = overlay.settings(context.site, found["settings_module"], found)
    files.write(f"{root}/overlay/{runtime.SETTINGS_MODULE}.py", settings)
    files.write(f"{root}/overlay/{runtime.WSGI_MODULE}.py", overlay.wsgi(context.site, _entry(context, found)))
    files.write(f"{root}/overlay/{runtime.ERRORS_MODULE}.py", overlay.errors())
    if entry := overlay.entry(context.site, found):
        files.write(f"{root}/overlay/{runtime.ENTRY_MODULE}.py", entry)


def _entry(context: Context, found: Discovered) -> str:
    """Return the WSGI entry that the build's own loads: the project's, or the one that is made for it."""
    made = overlay.entry(context.site, found)
    return f"{runtime.ENTRY_MODULE}:application" if made else found["wsgi"]


def _compile(context: Context, home: str, root: str) -> None:
    """Write bytecode for what root will own: the site's user could not store it."""
    os.chown(f"{root}/overlay", context.account.pw_uid, context.group)
    folders = [f"{root}/src", f"{root}/overlay"]
    jobs = "0" if _is_large(folders[0]) else "1"
    # Nothing but Python's own modules: what a package wants to run at every start stays out, and the sandbox with it.
    words = [runtime.interpreter(home), "-I", "-S", "-m", "compileall", "-q", "-j", jobs]
    if context.secrets["files"]:
        # Secrets, too, and a build has none: bytecode holds what its text does.
        words += ["-x", "|".join(f"/src/{re.escape(path)}$" for path in sorted(context.secrets["files"]))]
    words += folders
    # A file that is no code for this Python (a template of code, an old test) is not a reason to refuse a project; one
    # that Django imports fails in the next step, by name.
    context.shell.run("compile", words, context.user, environment={"PYTHONDONTWRITEBYTECODE": ""}, check=False)


def _is_large(folder: str) -> bool:
    """Return whether more processes than one, which take 0.15 s to start, compile the code of a directory sooner."""
    total = 0
    for _folder, _folders, names in os.walk(folder):
        total += sum(name.endswith(".py") for name in names)
        if total > PARALLEL_FILES:
            return True
    return False


def _probe(
    context: Context, home: str, root: str, settings: SettingsOfBuild, collect: Step | None, only: str = ""
) -> dict[str, Any]:
    """Run the steps of `django_probe` with the project's own code, and collect its static files; what it found.

    `only` is settings where it is to do no more than import them.
    """
    found = settings.found
    own = runtime.process_environment(context.secrets, found["configuration"])
    done = context.project(
        "project",
        [runtime.interpreter(home), "-", runtime.WSGI_MODULE, runtime.SETTINGS_MODULE, "collect" if collect else only],
        os.path.join(f"{root}/src", found["chdir"]),
        runtime.environment(context.layout, own, root),
        stdin=program_text(settings_facts, django_check, django_probe),
        timeout=collect["timeout"] if collect else STEP_TIMEOUT,
        check=False,
    )
    if done.returncode:
        reached = re.findall(r"^step: (\w+)$", done.stderr, re.MULTILINE)
        output = re.sub(r"^step: \w+\n", "", done.stderr, flags=re.MULTILINE)
        missing = settings.missing(cause(output)) if reached[-1:] == ["settings"] else ""
        raise context.error(reached[-1] if reached else "project", missing or cause(output), output)
    probed: dict[str, Any] = answer(context.site["name"], "project", done.stdout, _PROBED)
    return probed
