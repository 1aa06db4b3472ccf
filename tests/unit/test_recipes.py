"""The recipes for real projects are valid sites."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete

PAGE = Path(__file__).resolve().parents[2] / "docs" / "recipes.md"
RECIPES = re.findall(r"^```yaml example\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: re.findall(r"name: (\S+)", recipe)[0])
def test_a_recipe_is_a_valid_site(recipe, tmp_path):
    [site] = yaml.safe_load(re.sub(r"\{\{ .*? \}\}", "correct-horse-battery", recipe))["web_sites"]
    # A source on the controller must exist, with the files that the site names.
    site["source"]["directory"] = str(tmp_path)
    for name in site.get("requirements", []):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("Django\n")
    assert [found["name"] for found in complete([site])] == [site["name"]]
    assert all(domain.endswith(".example.com") for domain in site["domains"])


def test_every_recipe_is_tested():
    assert len(RECIPES) == PAGE.read_text(encoding="utf-8").count("```yaml") >= 6
