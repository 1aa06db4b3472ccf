# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# A program of its own, not part of a module: it prints its result.
# pylint: disable=ansible-bad-function
"""The script that prints the releases a rollback can go to, newest first; `scripts.py` writes it to the host.

Hosts have the text below the line `--- list ---`, with @NAME@ and @ROOT@ filled in, after a line that names the
interpreter. A change of the text is a change on every host. Where the file is imported, it finds no release and prints
nothing.
"""

from __future__ import annotations

# --- list ---
# The releases of the site @NAME@: what is live, what was before, and what else a rollback can go to.
import glob
import json
import os
import pathlib
import time


def target(link: str) -> str:
    return os.path.basename(os.readlink(link)) if os.path.islink(link) else ""


live, before = target("@ROOT@/current"), target("@ROOT@/previous")
records = [pathlib.Path(path).read_text(encoding="utf-8") for path in glob.glob("@ROOT@/releases/[!.]*/release.json")]
for release in sorted(map(json.loads, records), key=lambda found: float(found["made"]), reverse=True):
    mark = "live" if release["id"] == live else "previous" if release["id"] == before else ""
    made = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(release["made"]))
    print(f"{release['id']}  {made}  {mark:<8}  {release.get('source', '')}")
