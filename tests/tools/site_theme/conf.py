"""Sphinx's settings for the site of the documentation; `tests/tools/docs_site.py` writes what they are applied to."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.search.en import SearchEnglish

ROOT = Path(__file__).resolve().parents[3]
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))

project = f"{GALAXY['namespace']}.{GALAXY['name']}"
version = release = str(GALAXY["version"])
author = project_copyright = GALAXY["authors"][0]
language = "en"

ANSIBLE_DOCS = "https://docs.ansible.com/ansible/latest"
# The labels of Ansible's documentation that pages of antsibull-docs refer to.
ANSIBLE_LABELS = {
    "action_plugins": "plugins/action.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}

extensions = ["myst_parser", "sphinx_antsibull_ext"]
# docs_site.py has written every link as it stands in the site, and docs_links.py checks them there.
myst_all_links_external = True
# The slugs of GitHub, for all levels.
myst_heading_anchors = 6
# A page may go from `##` to `####`: the generated ones have one level for each level of a key.
suppress_warnings = ["myst.header"]
highlight_language = "text"
smartquotes = False  # quotes and dashes in text are often part of a value
antsibull_ext_color_scheme = "none"

html_theme = "furo"
html_title = f"{project} {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("search_numbers.js", {"defer": "defer"})]
html_copy_source = False
html_show_sphinx = False
html_use_index = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1d4ed8", "color-brand-content": "#1d4ed8"},
    "dark_css_variables": {"color-brand-primary": "#93b4ff", "color-brand-content": "#93b4ff"},
}


def add_slugs(_app: Sphinx, document: nodes.document) -> None:
    """Give each section the anchor that GitHub gives it, so that a link to it works in both places."""
    for section in document.findall(nodes.section):
        slug = section.get("slug")
        if slug and slug not in section["ids"]:
            section["ids"].append(slug)


def ansible_page(
    _app: Sphinx, _env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Return a link into Ansible's own documentation, which antsibull-docs takes for a part of the same site."""
    target = str(node.get("reftarget", ""))
    name = ANSIBLE_LABELS.get(target)
    if builtin := re.fullmatch(r"ansible_collections\.ansible\.builtin\.(\w+_module)", target):
        name = f"collections/ansible/builtin/{builtin[1]}.html"
    if name is None:
        return None
    return nodes.reference("", "", content, internal=False, refuri=f"{ANSIBLE_DOCS}/{name}")


class SearchWithNumbers(SearchEnglish):
    """Sphinx's search, which leaves out words of digits alone: here they are what people look for, as 502."""

    def word_filter(self, word: str) -> bool:
        return word not in self.stopwords


def setup(app: Sphinx) -> None:
    app.add_search_language(SearchWithNumbers)
    app.connect("missing-reference", ansible_page)
    app.connect("doctree-read", add_slugs)
