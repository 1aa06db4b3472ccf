# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make a build of a site: code, virtualenv, static files and settings overlay. Its name is a hash of its inputs.

A build is made at its final path, because a virtualenv cannot be moved. `build.json` is written last. A directory
without it was left by a killed run: it is never used, and the build is made again.
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
    unfinished,
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

# Part of every ID. Increase it when the same inputs must give a different build.
FORMAT = 1
# How often a damaged build can be built again from the same inputs. Each attempt is a new build beside it.
_AGAIN = 5
# From this number of files on, as many processes as there are cores compile bytecode. Measured on two cores.
PARALLEL_FILES = 40
# The expected shape of what `django_probe` prints. The project runs in the same process and could print it too.
_PROBED = {
    **dict.fromkeys(("django", "check", "admin", "script_name"), str),
    "https_header": [str],
    "facts": (dict, type(None)),
}


@dataclass(frozen=True)
class Build:
    """The build that a site needs now. Its inputs are known; its files may not exist yet."""

    context: Context
    id: str
    resolved: Resolved

    @classmethod
    def identify(cls, context: Context, upload: str = "") -> Build:
        """Find out which build is needed. Asks the git server, but changes nothing.

        `upload` is the file on this host that contains a source from the controller, '' if there is none.
        """
        resolved = source.resolve(context, upload)
        return cls(context, _free_id(context.layout, _inputs(context, resolved)), resolved)

    @property
    def root(self) -> str:
        """Return the build's directory."""
        return self.context.layout.build(self.id)

    def present(self) -> Manifest:
        """Return the manifest of the finished build, or {}."""
        return _whole(self.context.layout, self.id)

    def needs_upload(self) -> bool:
        """Return whether making the build needs a source from the controller that is not on this host yet."""
        return source.on_controller(self.context.site["source"]) and not self.resolved.upload

    def make(self) -> Manifest:
        """Make the build and return its manifest. If this fails, nothing that is live has changed."""
        context = self.context
        context.end_processes()
        files.remove(self.root)
        _make_root(context, self.root)
        try:
            with unfinished.making(context.layout, context.site["virtualenv"]), data_view.shown(context) as seeing:
                manifest = _steps(dataclasses.replace(self, context=seeing))
            context.end_processes()
            seal.seal(self.root, context.group)
        except BaseException:
            with contextlib.suppress(StepError):  # report the first failure
                context.end_processes()
            files.remove(self.root)
            raise
        files.write(self.context.layout.manifest(self.id), json.dumps(manifest, indent=1, sort_keys=True) + "\n")
        return manifest


def _whole(layout: Layout, build_id: str) -> Manifest:
    """Return the manifest of a finished build that is still complete, or {}."""
    found = cast(Manifest, files.recorded(layout.manifest(build_id)))
    parts = [found.get("home") or "/", found.get("src") or "/", f"{layout.build(build_id)}/static"] if found else []
    return found if all(map(os.path.exists, parts)) else cast(Manifest, {})


def _free_id(layout: Layout, inputs: dict[str, Any]) -> str:
    """Return the ID of the build with these inputs.

    A finished build from which something was removed may still be live. It stays as it is until a build with another ID
    has taken over, because its processes run on the remaining files.
    """
    ids = [content_id({**inputs, **({"again": again} if again else {})}) for again in range(_AGAIN)]
    whole = [build_id for build_id in ids if _whole(layout, build_id)]
    free = [build_id for build_id in ids if not files.recorded(layout.manifest(build_id))]
    # The last complete one: making a virtualenv again also completes the earlier builds that use it.
    return whole[-1] if whole else (free or ids)[0]


def _make_root(context: Context, root: str) -> None:
    """Make the directory of a build: owned by root, and readable only by the site until the build is finished.

    The build of code in place contains no code; the owner of an existing virtualenv may have to pass through it.
    """
    os.mkdir(root, 0o700)
    os.chown(root, 0, context.group)
    os.chmod(root, 0o711 if context.site["source"]["kind"] == "path" else 0o750)


def _inputs(context: Context, resolved: Resolved) -> dict[str, Any]:
    """Return all inputs that are hashed to the build's ID. Newer keys are included only if they are set."""
    site = context.site
    uwsgi = site["uwsgi"]
    later = {"extras": site["extras"], "groups": site["groups"], "install_project": site["install_project"]}
    managed = site["managed"] if site["managed"] != "never" else ""
    steps = identity(site["build"])
    own_steps = {"build": steps} if steps != identity([builtin_step("collectstatic")]) else {}
    # Versions before 0.2 compiled uWSGI without routing.
    compiled = {"routing": True} if uwsgi["install"] in COMPILED and not site["virtualenv"] else {}
    return {
        **{key: value for key, value in {**later, "managed": managed}.items() if value},
        **own_steps,
        **compiled,
        "format": FORMAT,
        "source": resolved.identity,
        "python": context.python_version(),
        "installer": context.installer,
        "user": site["user"],  # only this group can read the code
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
            "tarball": context.secrets["tarball"],  # with its query: another query may mean another file
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
        # The steps import the settings too, or bundle for the mode that DEBUG chooses.
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
    """Return the directories that the settings write to, except the site's own and those that root will own."""
    layout = build.context.layout
    own = (build.root, layout.state, layout.media)
    return [path for path in facts.get("written", []) if not any(f"{path}/".startswith(f"{top}/") for top in own)]


def _refuse_script_name(context: Context, script_name: str) -> None:
    """Refuse a project whose links begin with a path that this site does not serve."""
    site = context.site
    if script_name.strip("/") and not site["prefix"] and "FORCE_SCRIPT_NAME" not in site["settings"]:
        prefix = "/" + script_name.strip("/")
        raise context.error(
            "project",
            f"the project sets FORCE_SCRIPT_NAME to {script_name!r}, so every link begins with it, and the site is "
            f"served at /; set prefix: {prefix} in the inventory; if a server in front removes the path, "
            f"set settings: {{FORCE_SCRIPT_NAME: {script_name}}}",
        )


def _start_project(context: Context, home: str, code: str) -> None:
    """Create a new project with the Django of the virtualenv."""
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
    """Return the WSGI entry that the build's entry loads: the project's own, or a generated one."""
    made = overlay.entry(context.site, found)
    return f"{runtime.ENTRY_MODULE}:application" if made else found["wsgi"]


def _compile(context: Context, home: str, root: str) -> None:
    """Compile bytecode in directories that root will own, because the site's user could not store it there."""
    os.chown(f"{root}/overlay", context.account.pw_uid, context.group)
    folders = [f"{root}/src", f"{root}/overlay"]
    jobs = "0" if _is_large(folders[0]) else "1"
    # Only Python's own modules: this excludes what a package runs at every start, and so needs no sandbox.
    words = [runtime.interpreter(home), "-I", "-S", "-m", "compileall", "-q", "-j", jobs]
    if context.secrets["files"]:
        # A build contains no secrets, but bytecode does if its source does.
        words += ["-x", "|".join(f"/src/{re.escape(path)}$" for path in sorted(context.secrets["files"]))]
    words += folders
    # A file that is not valid code for this Python (a template, an old test) is no reason to refuse a project. If
    # Django imports it, the next step fails and names it.
    context.shell.run("compile", words, context.user, environment={"PYTHONDONTWRITEBYTECODE": ""}, check=False)


def _is_large(folder: str) -> bool:
    """Return whether several processes, which take 0.15 s to start, compile a directory's code faster than one."""
    total = 0
    for _folder, _folders, names in os.walk(folder):
        total += sum(name.endswith(".py") for name in names)
        if total > PARALLEL_FILES:
            return True
    return False


def _probe(
    context: Context, home: str, root: str, settings: SettingsOfBuild, collect: Step | None, only: str = ""
) -> dict[str, Any]:
    """Run the steps of `django_probe` with the project's code, and collect its static files; return the results.

    With `only` 'settings', import the settings and do nothing else.
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
