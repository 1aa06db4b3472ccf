"""The recipes for real projects are sites that the model takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete

PAGE = Path(__file__).resolve().parents[2] / "docs" / "recipes.md"
RECIPES = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: re.findall(r"name: (\S+)", recipe)[0])
def test_a_recipe_is_a_site(recipe, tmp_path):
    # A source on the controller has to be there.
    [(home, source)] = re.findall(r"directory: (/home/me)/([\w-]+)", recipe)
    (tmp_path / source).mkdir()
    recipe = recipe.replace(home, str(tmp_path))
    sites = yaml.safe_load(re.sub(r"\{\{ .*? \}\}", "correct-horse-battery", recipe))["web_sites"]
    assert [site["name"] for site in complete(sites)] == [site["name"] for site in sites]
    assert all(domain.endswith(".example.com") for site in sites for domain in site["domains"])


def test_no_recipe_is_overlooked():
    assert len(RECIPES) == PAGE.read_text(encoding="utf-8").count("```yaml") >= 6
