# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The script that prints the releases a rollback can go to, newest first; `scripts.py` writes it to the host.

Hosts have what stands below the line `--- list ---`, with @NAME@ and @ROOT@ filled in. Its text stays as it is to the
byte: a host that has it already must not be changed. Where it is imported it finds no release and prints nothing.
"""
# ruff: noqa: E401, I001, ANN001, ANN201, SIM115
# mypy: allow-untyped-defs, allow-untyped-calls
# fmt: off

from __future__ import annotations
# --- list ---
#!/usr/bin/python3
# The releases of the site @NAME@: what is live, what was before, and what else a rollback can go to.
import glob, json, os, time

def target(link):
    return os.path.basename(os.readlink(link)) if os.path.islink(link) else ""

live, before = target("@ROOT@/current"), target("@ROOT@/previous")
found = [json.load(open(path)) for path in glob.glob("@ROOT@/releases/[!.]*/release.json")]
for one in sorted(found, key=lambda one: one["made"], reverse=True):
    mark = "live" if one["id"] == live else "previous" if one["id"] == before else ""
    made = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one["made"]))
    print(f"{one['id']}  {made}  {mark:<8}  {one.get('source', '')}")
