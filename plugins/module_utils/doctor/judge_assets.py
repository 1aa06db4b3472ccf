# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the collected files match the project, and whether its manifest contains the files of its pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .evidence import Site
from .fault import BROKEN, DEGRADED, Fault, Faults
from .fixes import manage
from .questions import any_failure


def judge_assets(faults: Faults, site: Site) -> Iterator[Fault]:
    """Judge STATIC_ROOT where it is what clients get, and where anything was ever collected."""
    found, files, fetched = site.inside.get("assets", {}), site.inside.get("files", {}), site.static
    root = str(files.get("static_root", ""))
    collected = bool(files.get("sample")) and "//" not in str(files.get("static_url", ""))
    # nginx may serve another directory, which was not compared.
    # Another virtualenv than the site's has other files.
    if not found.get("seen") or not collected or not fetched or fetched.elsewhere or not site.places.home:
        return
    collect = "pyweb.stack.site runs collectstatic" if site.managed else f"{manage(site)} collectstatic --noinput"
    missing, older = found.get("missing") or [], found.get("older") or []
    if missing or older:
        said = [f"{_many(found, 'missing')} not collected: {_listed(missing)}"] if missing else []
        said += [f"{_many(found, 'older')} older than in the project: {_listed(older)}"] if older else []
        yield faults.fault(
            "static.stale",
            DEGRADED,
            f"static files in {root} do not match those of the project: {'; '.join(said)}",
            collect,
            [
                f"{root}/{name}: {'is not there' if name in missing else 'is older, and differs'}"[:300]
                for name in (*missing, *older)
            ],
        )
    yield from _manifest(faults, site, found, collect)


def _manifest(faults: Faults, site: Site, found: dict[str, Any], collect: str) -> Iterator[Fault]:
    file, status = str(found.get("manifest", "")), BROKEN if any_failure(site) else DEGRADED
    if not file or site.inside.get("settings", {}).get("debug"):  # which needs no manifest
        return
    wanted, unlisted, gone = (found.get(kind) or [] for kind in ("wanted", "unlisted", "gone"))
    raises = "answer 500 (Missing staticfiles manifest entry)"
    if not found.get("listed"):
        cause = f"the manifest {file} is missing or empty: after the next start, pages with static files {raises}"
        yield faults.fault("static.manifest", status, cause, collect, [file])
    elif wanted:
        cause = f"the manifest has no entry for {_listed(wanted)}: pages that name it {raises}"
        fix = f"correct the name, or add the file; then {collect}"
        yield faults.fault("static.manifest", status, cause, fix, [file, *(name[:300] for name in wanted)])
    elif unlisted:
        cause = f"the manifest has no entry for {_listed(unlisted)}: pages that name it {raises}"
        yield faults.fault("static.manifest", status, cause, collect, [file, *(name[:300] for name in unlisted)])
    elif gone:
        cause = f"the manifest names files that no longer exist: {_listed(gone)}"
        yield faults.fault("static.manifest", DEGRADED, cause, collect, [file, *(name[:300] for name in gone)])


def _many(found: dict[str, Any], kind: str) -> str:
    number = int(found.get(f"{kind}_many") or 0)
    return f"{number} {'files are' if number != 1 else 'file is'}"


def _listed(names: list[str]) -> str:
    return ", ".join(name[:150] for name in names[:2]) + (" and more" if len(names) > 2 else "")
