"""The pipelines of docs/how-to-ci.md: GitHub and GitLab accept them, and the page's own test runs their commands."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

PAGE = (Path(__file__).resolve().parents[2] / "docs/how-to-ci.md").read_text(encoding="utf-8")
RUN = [block for info, block in re.findall(r"(?ms)^```(bash[^\n]*)\n(.*?)^```$", PAGE) if info == "bash"]
FILES = dict(re.findall(r"(?ms)^```\w+ file=(\S+)\n(.*?)^```$", PAGE))
EXAMPLES = [yaml.load(text, yaml.BaseLoader) for text in re.findall(r"(?ms)^```yaml example\n(.*?)^```$", PAGE)]  # noqa: S506  # `on` stays text
GITHUB, GITLAB = EXAMPLES
# Steps that only a runner needs: the page's test installs both tools in ci/prepare.sh.
OF_A_RUNNER = {"pip install --quiet ansible-core", "ansible-galaxy collection install -r requirements.yml"}


def schema(name: str) -> Any:
    """Return a schema of SchemaStore from check-jsonschema."""
    found = resources.files("check_jsonschema") / f"builtin_schemas/vendor/{name}.json"
    return json.loads(found.read_text(encoding="utf-8"))


def faults(pipeline: Any, name: str) -> list[str]:
    rules = schema(name)
    kind = jsonschema.validators.validator_for(rules)
    return [f"{fault.json_path}: {fault.message}" for fault in kind(rules).iter_errors(pipeline)]


@pytest.mark.parametrize(("position", "name"), [(0, "github-workflows"), (1, "gitlab-ci")])
def test_pipeline_is_accepted(position: int, name: str) -> None:
    texts = re.findall(r"(?ms)^```yaml example\n(.*?)^```$", PAGE)
    pipeline = yaml.safe_load(re.sub(r"(?m)^on:", '"on":', texts[position]))
    assert faults(pipeline, name) == []


@pytest.mark.parametrize(
    ("name", "pipeline"),
    [
        (
            "github-workflows",
            {"on": "push", "jobs": {"deploy": {"runs-on": "ubuntu-24.04", "steps": [{"runs": "true"}]}}},
        ),
        ("gitlab-ci", {"deploy": {"scripts": ["true"]}}),
    ],
)
def test_schema_refuses_misspelt_keys(name: str, pipeline: Any) -> None:
    assert faults(pipeline, name)


def commands_of_github() -> list[str]:
    steps = [step for job in GITHUB["jobs"].values() for step in job["steps"]]
    return [line for step in steps for line in step.get("run", "").splitlines()]


def commands_of_gitlab() -> list[str]:
    return [line for job in GITLAB.values() for line in job.get("script", [])]


@pytest.mark.parametrize("commands", [commands_of_github(), commands_of_gitlab()], ids=["github", "gitlab"])
def test_commands_of_the_pipeline_are_run_by_the_test_of_the_page(commands: list[str]) -> None:
    run = {line for block in RUN for line in block.splitlines()}
    assert [line for line in commands if line not in run | OF_A_RUNNER] == []
    assert {". ci/prepare.sh", *OF_A_RUNNER} <= set(commands)


def test_both_pipelines_do_the_same() -> None:
    assert commands_of_github() == commands_of_gitlab()


def test_a_runner_installs_the_same_as_the_prepared_job() -> None:
    assert set(FILES["ci/prepare.sh"].splitlines()) >= OF_A_RUNNER


def test_files_that_the_pipelines_name_are_on_the_page() -> None:
    named = set(re.findall(r"[\w./-]+\.(?:yml|sh)\b", "\n".join(commands_of_github() + commands_of_gitlab())))
    assert named
    assert named <= set(FILES)
