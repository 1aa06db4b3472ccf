# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The commands of a site on its host: `manage` runs manage.py, `list` lists the releases."""

from __future__ import annotations

import inspect
import shlex

from ..build import runtime
from ..host import confined, files
from ..model.layout import SYSTEMD
from . import list_background, list_releases
from .release import Release

MANAGE = """\
#!/bin/sh
# manage.py of the site {name}, as its user, with the settings and the environment of its current release.
if [ -t 0 ]; then io=--pty; else io=--pipe; fi
exec systemd-run --quiet --wait --collect "$io" --service-type=exec --uid={user} \\
  --property=UMask=0027 {sandbox}{working_directory} \\
  --property="EnvironmentFile=-{config}/$(basename "$(readlink {root}/current)").env" \\
  --setenv=DJANGO_SETTINGS_MODULE={settings} --setenv=PYTHONPATH={root}/current/overlay \\
  --setenv=HOME={state} {python} -m django "$@"
"""
# A file of a package does not begin with it.
SHEBANG = "#!/usr/bin/python3\n"
LIST_BEGINS = "# --- list ---\n"
BACKGROUND_BEGINS = "# --- background ---\n"


def write_first(release: Release) -> None:
    """Write the site's scripts for a release that is not live, if they do not exist."""
    for path, text in render(release, release.folder).items():
        files.write(path, text, 0o755)


def render(release: Release, here: str = "") -> dict[str, str]:
    """Return the scripts of a release's site: path -> text.

    They use the link to the live release; `here` is the directory of the release that they use while none is live.
    """
    layout, manifest = release.layout, release.manifest
    manage = MANAGE.format(
        name=layout.name,
        user=release.user,
        root=layout.root,
        # A build of 0.1 accepted directories of any name.
        working_directory=shlex.quote(f"--property=WorkingDirectory={layout.root}/current/src/{manifest['chdir']}"),
        # A release of 0.1 has none.
        sandbox="".join(f"{shlex.quote(option)} \\\n  " for option in confined.properties(release.sandbox)),
        config=layout.config,
        state=layout.state,
        settings=runtime.SETTINGS_MODULE if manifest["overlay"] else manifest["settings_module"],
        python=f"{layout.current}/venv/bin/python" if manifest["home"] else "/usr/bin/python3",
    )
    if here:
        manage = manage.replace(f'$(basename "$(readlink {layout.root}/current)")', release.id)
        manage = manage.replace(f"{layout.root}/current", here).replace(
            "its current release", f"its release {release.id}"
        )
    program = SHEBANG + inspect.getsource(list_releases).partition(LIST_BEGINS)[2]
    if release.background:
        # Only then, so that the text of other sites does not change.
        program += "\n" + inspect.getsource(list_background).partition(BACKGROUND_BEGINS)[2]
    listing = program.replace("@NAME@", layout.name).replace("@ROOT@", layout.root).replace("@UNITS@", SYSTEMD)
    return {layout.manage: manage, layout.list_script: listing}
