#!/usr/bin/env python3
"""Build the site of the documentation: docs_site.py, with the tools of .venv-docs (`make docs-site` calls it so).

    build/site-work    what the site is made from: docs/*.md and the other pages of the project as they are, with their
                       links changed for the site, and a page for each module, filter and role from antsibull-docs
    build/site         the site

The navigation comes from the index pages: each list item that begins with a link adds a page. A warning of Sphinx is an
error, so is a page that no index page lists, and a link that leads nowhere (docs_links.py).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import docs_links
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build/site-work"
SITE = ROOT / "build/site"
THEME = ROOT / "tests/tools/site_theme"

# The pages whose lists are the navigation.
INDEXES = ("index", "tutorials", "how-to", "explanation", "reference", "troubleshooting")
# The index of the pages that antsibull-docs writes; for docs/plugins and roles, which are folders.
PLUGINS = "modules"
LINK = re.compile(r"\]\(([^)\s]+)\)")
ITEM = re.compile(r"^- \[([^\]]+)\]\(([^)\s]+)\)", re.MULTILINE)
FENCE = re.compile(r"^ *(```|~~~)")
TITLE = re.compile(r"^pyweb\.stack\.(\w+) (module|filter|role) -- (.+)$", re.MULTILINE)
# The theme shows the contents of a page beside it, and an error where the page has them as well.
CONTENTS = re.compile(r"^\.\. contents::\n(?: +:.*\n)*", re.MULTILINE)
KINDS = {"role": "Roles", "module": "Modules", "filter": "Filters"}


class SiteError(Exception):
    """What is wrong with a page, as PAGE: MESSAGE."""


def main() -> int:
    for folder in (WORK, SITE):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        pages = site_pages(ROOT)
        reference = antsibull(WORK / "collections", WORK / "source/reference")
        stage(pages, WORK / "source")
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1
    (WORK / f"source/{PLUGINS}.md").write_text(plugin_index(reference), encoding="utf-8")
    sphinx = ["sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "-d", str(WORK / "doctrees"), "-c", str(THEME)]
    if subprocess.run([*sphinx, str(WORK / "source"), str(SITE)], check=False).returncode:
        return 1
    faults = docs_links.faults(SITE)
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        return 1
    print(f"{(SITE / 'index.html').relative_to(ROOT)}: {len(list(SITE.rglob('*.html')))} pages")
    return 0


# --- pages ------------------------------------------------------------------------------------------------------------


def site_pages(root: Path) -> dict[str, str]:
    """Return the path of each page in the repository, and its path in the site without a suffix."""
    plugins = {page: f"reference/{page.stem}_{kind(page)}" for page in sorted(root.glob("docs/plugins/*.md"))}
    roles = {page: f"reference/{page.parent.name}_role" for page in sorted(root.glob("roles/*/README.md"))}
    pages = {
        **{page: page.stem for page in sorted(root.glob("docs/*.md"))},
        **{page: f"project/{page.stem.lower()}" for page in sorted(root.glob("*.md"))},
        **plugins,
        **roles,
        root / "docs/plugins": PLUGINS,
        root / "roles": PLUGINS,
    }
    return {path.relative_to(root).as_posix(): name for path, name in pages.items()}


def kind(page: Path) -> str:
    """Return `module` or `filter`, as the title of a generated page says."""
    title = page.read_text(encoding="utf-8").partition("# ")[2].splitlines()[0]
    return "filter" if title.endswith("(filter)") else "module"


def stage(pages: dict[str, str], source: Path) -> None:
    """Write the pages in Markdown; those of modules, filters and roles are written by antsibull-docs."""
    for path, name in pages.items():
        if name.startswith("reference/") or name == PLUGINS:
            continue
        text = (ROOT / path).read_text(encoding="utf-8")
        staged = with_links(text, path, pages, ROOT)
        if path.startswith("docs/") and name in INDEXES:
            staged += toctree(text, path, pages)
        target = source / f"{name}.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(staged, encoding="utf-8")
    shutil.copytree(ROOT / "docs/pictures", source / "pictures")


# --- links ------------------------------------------------------------------------------------------------------------


def with_links(text: str, path: str, pages: dict[str, str], root: Path) -> str:
    """Return a page with the targets of its links as they are in the site; code blocks stay as they are."""
    lines, fenced = [], ""
    for line in text.splitlines(keepends=True):
        fence = FENCE.match(line)
        if fence and fenced in ("", fence[1]):
            fenced = "" if fenced else fence[1]
        lines.append(line if fenced else LINK.sub(lambda found: f"]({site_link(found[1], path, pages, root)})", line))
    return "".join(lines)


def site_link(target: str, path: str, pages: dict[str, str], root: Path) -> str:
    """Return a link of a page of the repository as it is in the site: to a page, a picture, or the repository."""
    if re.match(r"[a-z]+:|#", target):
        return target
    name, _hash, anchor = target.partition("#")
    found = os.path.normpath(PurePosixPath(path).parent / name)
    if found.startswith("docs/pictures/") and (root / found).is_file():
        return name
    if found in pages:
        if anchor and pages[found].endswith("_role"):
            anchor = f"parameter-main--{anchor}"
        back = "../" * pages[path].count("/")
        return f"{back}{pages[found]}.html{'#' * bool(anchor)}{anchor}"
    if found.startswith("..") or not (root / found).exists():
        raise SiteError(f"{path}: the link {target} leads nowhere: there is no {found}")
    return f"{repository(root)}/{'tree' if (root / found).is_dir() else 'blob'}/main/{found}"


def repository(root: Path) -> str:
    return str(yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))["repository"])


def toctree(text: str, path: str, pages: dict[str, str]) -> str:
    """Return what makes the pages that an index page lists part of the navigation."""
    entries = []
    for title, target in ITEM.findall(text):
        found = os.path.normpath(PurePosixPath(path).parent / target)
        if found not in pages:
            raise SiteError(f"{path}: the list names {target}, which is not a page of the site")
        entries.append(f"{title} </{pages[found]}>")
    return "\n".join(["", "```{toctree}", ":hidden:", "", *entries, "```", ""])


# --- modules, filters and roles ---------------------------------------------------------------------------------------


def antsibull(collections: Path, target: Path) -> list[tuple[str, str, str]]:
    """Let antsibull-docs write the pages; return the name, the kind and the summary of each."""
    collection = collections / "ansible_collections/pyweb/stack"
    collection.mkdir(parents=True)
    for name in ("galaxy.yml", "meta", "plugins", "roles", "README.md"):
        (collection / name).symlink_to(ROOT / name)
    target.mkdir(parents=True, mode=0o755)
    command = ["antsibull-docs", "collection", "--use-current", "--squash-hierarchy", "--fail-on-error"]
    command += ["--no-indexes", "--no-breadcrumbs", "--no-add-antsibull-docs-version"]
    done = subprocess.run(
        [*command, "--dest-dir", str(target), "pyweb.stack"],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections)},
        check=False,
    )
    if done.returncode:
        raise SiteError("antsibull-docs failed (see above)")
    for page in target.glob("*.rst"):
        page.write_text(CONTENTS.sub("", page.read_text(encoding="utf-8")), encoding="utf-8")
    for name in ("index", "environment_variables"):  # the site has its own index, and no plugin reads such variables
        (target / f"{name}.rst").unlink(missing_ok=True)
    return [summary(page) for page in sorted(target.glob("*.rst"))]


def summary(page: Path) -> tuple[str, str, str]:
    found = TITLE.search(page.read_text(encoding="utf-8"))
    if not found:
        raise SiteError(f"{page.name}: its title is not `pyweb.stack.NAME KIND -- SUMMARY`")
    return found[1], found[2], found[3]


def plugin_index(reference: list[tuple[str, str, str]]) -> str:
    return "\n".join(["# Modules, filters and roles", "", *plugin_lists(reference)])


def plugin_lists(reference: list[tuple[str, str, str]]) -> Iterator[str]:
    for word, heading in KINDS.items():
        those = [(name, text) for name, of_kind, text in reference if of_kind == word]
        yield from [f"## {heading}", ""]
        yield from (f"- [{name}](reference/{name}_{word}.html): {text}" for name, text in those)
        yield from ["", "```{toctree}", ":hidden:", "", *(f"{name} <reference/{name}_{word}>" for name, _text in those)]
        yield from ["```", ""]


if __name__ == "__main__":
    sys.exit(main())
