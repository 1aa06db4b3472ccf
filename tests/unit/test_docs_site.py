"""The site of the documentation: links, navigation, and checks of the built site."""

from __future__ import annotations

import re
from pathlib import Path

import docs_links
import docs_site
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def repository(tmp_path):
    """A repository with a page of each kind."""
    files = {
        "galaxy.yml": "repository: https://example.com/stack\n",
        "README.md": "# Stack\n",
        "LICENSE": "",
        "docs/index.md": "# Start\n",
        "docs/https.md": "# HTTPS\n",
        "docs/schema.json": "{}\n",
        "docs/pictures/chain.svg": "<svg/>",
        "docs/plugins/sites.md": "<!-- generated -->\n# sites (filter)\n",
        "docs/plugins/check.md": "<!-- generated -->\n# check (module)\n",
        "roles/nginx/README.md": "# nginx\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "target", "wanted"),
    [
        ("docs/index.md", "https.md", "https.html"),
        ("docs/index.md", "https.md#acme", "https.html#acme"),
        ("docs/index.md", "../README.md#install", "project/readme.html#install"),
        ("docs/index.md", "#here", "#here"),
        ("docs/index.md", "https://example.org/x.md", "https://example.org/x.md"),
        ("docs/index.md", "plugins/sites.md", "reference/sites_filter.html"),
        ("docs/index.md", "plugins", "modules.html"),
        ("docs/index.md", "pictures/chain.svg", "pictures/chain.svg"),
        ("docs/index.md", "schema.json", "https://example.com/stack/blob/main/docs/schema.json"),
        ("docs/index.md", "../roles/nginx", "https://example.com/stack/tree/main/roles/nginx"),
        ("README.md", "docs/https.md", "../https.html"),
        ("README.md", "docs/plugins/check.md", "../reference/check_module.html"),
        ("README.md", "roles/nginx/README.md#nginx_tune", "../reference/nginx_role.html#parameter-main--nginx_tune"),
        ("README.md", "LICENSE", "https://example.com/stack/blob/main/LICENSE"),
    ],
)
def test_a_link_in_the_site_leads_to_the_same_page(repository, path, target, wanted):
    assert docs_site.site_link(target, path, docs_site.site_pages(repository), repository) == wanted


@pytest.mark.parametrize("target", ["gone.md", "../../elsewhere.md", "https.mdx#acme"])
def test_a_broken_link_is_an_error(repository, target):
    with pytest.raises(docs_site.SiteError, match=r"docs/index\.md: the link .* leads nowhere"):
        docs_site.site_link(target, "docs/index.md", docs_site.site_pages(repository), repository)


def test_links_in_code_blocks_are_unchanged(repository):
    text = "[a](https.md), [b](plugins)\n```text\n[a](https.md)\n```\n[c](https.md)\n"
    found = docs_site.with_links(text, "docs/index.md", docs_site.site_pages(repository), repository)
    assert found == "[a](https.html), [b](modules.html)\n```text\n[a](https.md)\n```\n[c](https.html)\n"


def test_list_items_that_begin_with_a_link_become_the_navigation(repository):
    pages = docs_site.site_pages(repository)
    text = "- [HTTPS](https.md): see [README](../README.md)\n- [The project](../README.md)\n\n[no](https.md)\n"
    found = docs_site.toctree(text, "docs/index.md", pages)
    assert "\nHTTPS </https>\nThe project </project/readme>\n```" in found
    with pytest.raises(docs_site.SiteError, match=r"names schema\.json, which is not a page"):
        docs_site.toctree("- [Schema](schema.json)\n", "docs/index.md", pages)


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("other.html", ""),
        ("other.html#there", ""),
        ("#top", ""),
        ("https://example.org/gone", ""),
        ("static.css?v=1", ""),
        ("gone.html", "index.html: the link gone.html leads nowhere"),
        ("other.html#gone", "index.html: the link other.html#gone leads to a page without this anchor"),
        ("#gone", "index.html: the link #gone leads to a page without this anchor"),
        ("../outside.html", "index.html: the link ../outside.html leads nowhere"),
    ],
)
def test_links_of_the_built_site_are_checked(tmp_path, link, fault):
    site = tmp_path / "site"
    site.mkdir()
    (tmp_path / "outside.html").write_text("", encoding="utf-8")
    (site / "static.css").write_text("", encoding="utf-8")
    (site / "other.html").write_text('<h1 id="there">Other</h1>', encoding="utf-8")
    (site / "index.html").write_text(f'<h1 id="top">Start</h1><a href="{link}">x</a>', encoding="utf-8")
    assert docs_links.faults(site) == [fault] * bool(fault)


def test_a_missing_picture_is_found(tmp_path):
    (tmp_path / "index.html").write_text('<img src="pictures/gone.svg">', encoding="utf-8")
    assert docs_links.faults(tmp_path) == ["index.html: the link pictures/gone.svg leads nowhere"]


def test_both_files_of_requirements_pin_the_same_versions():
    def pins(name):
        text = (ROOT / name).read_text(encoding="utf-8")
        return dict(re.findall(r"^([\w-]+)(?:\[\w+\])?==(\S+)$", text, re.MULTILINE))

    dev, docs = pins("requirements-dev.txt"), pins("requirements-docs.txt")
    both = dev.keys() & docs.keys()
    assert {"ansible-core", "antsibull-docs", "uv"} <= both
    assert {name: docs[name] for name in both} == {name: dev[name] for name in both}
