#!/usr/bin/env python3
"""Write the generated documentation: docs.py [--check]; with --check, only report what has drifted and exit 1.

- roles/NAME/README.md   from meta/argument_specs.yml, the only description of the role
- docs/site.md           from the tables of the model, plugins/module_utils/model/keys.py
- docs/plugins/NAME.md   from the plugins' own documentation, as ansible-doc reads it
- docs/doctor.md         from the doctor's output in its last test runs, tests/doctor/verdicts.json
- docs/doctor-codes.md, docs/symptoms.md from the rows of the doctor's unit tests, and means.py and symptoms.py in
                         tests/doctor
- docs/mistakes.md       from the mistakes in the tests, tests/mistakes/mistakes.py
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / "playbooks/collections"
NOTE = "<!-- Written by tests/tools/docs.py: change what it reads instead, then `make docs`. -->\n"

sys.path[:0] = [str(COLLECTIONS), str(ROOT / "tests/doctor"), str(ROOT / "tests/mistakes")]
import codes  # noqa: E402 - these lie where the line above looks
import mistakes  # noqa: E402 - likewise
import table as doctor  # noqa: E402 - likewise
from ansible_collections.pyweb.stack.plugins.module_utils.model import keys, layout, uwsgi_options  # noqa: E402 - likewise


def main(words: list[str]) -> int:
    if words not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    wanted = dict(generated())
    there = {*ROOT.glob("docs/plugins/*.md"), *(path for path in wanted if path.exists())}
    drifted = sorted(
        path
        for path in there | set(wanted)
        if path not in there or path not in wanted or path.read_text(encoding="utf-8") != wanted[path]
    )
    for path in drifted:
        if words:
            print(f"{path.relative_to(ROOT)} has drifted; `make docs` writes it again", file=sys.stderr)
        elif path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    return 1 if words and drifted else 0


def generated() -> Iterator[tuple[Path, str]]:
    for spec in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")):
        role = spec.parents[1]
        yield role / "README.md", role_page(role.name, yaml.safe_load(spec.read_text(encoding="utf-8")))
    yield ROOT / "docs/site.md", site_page()
    for kind, folder in (("module", "modules"), ("filter", "filter")):
        names = sorted({path.stem for suffix in ("py", "yml") for path in ROOT.glob(f"plugins/{folder}/*.{suffix}")})
        for name, found in ansible_doc(kind, names).items():
            yield ROOT / f"docs/plugins/{name}.md", plugin_page(kind, found)
    yield doctor.PAGE, doctor.page()
    yield codes.CODES_PAGE, codes.codes_page()
    yield codes.SYMPTOMS_PAGE, codes.symptoms_page()
    yield mistakes.PAGE, mistakes.page()


# --- roles ---


def role_page(name: str, spec: dict[str, Any]) -> str:
    main_spec = spec["argument_specs"]["main"]
    lines = [NOTE, f"# {name}\n", main_spec["short_description"] + ".\n", *paragraphs(main_spec["description"])]
    lines += [
        "```yaml example",
        "- hosts: web",
        "  roles:",
        f"    - role: pyweb.stack.{name}",
        "```\n",
        "## Variables\n",
    ]
    for option, about in main_spec["options"].items():
        lines += [f"### {option}\n", *paragraphs(about["description"]), *facts(about)]
    return "\n".join(lines)


# --- the model ---


# Defaults whose form in the model differs from that in an inventory.
AS_GIVEN = {"build": "[collectstatic]", "release": "[migrate]", "nginx.listen": "[80]"}

SITE = """```yaml example
web_sites:
  - name: shop
    domains: [shop.example.com]
    source: {git: "https://git.example.com/me/shop.git", version: main}
    packages: ["Django>=5.2,<5.3"]
    settings: {TIME_ZONE: Europe/Berlin}
    env: {MAIL_PASSWORD: "{{ vault_mail_password }}"}
```
"""


def site_page() -> str:
    lines = [
        NOTE,
        "# The keys of a site\n",
        "`web_sites` is a list of sites. This page describes all keys of a site. Mistakes are reported before any host "
        "is changed. For example:\n",
        SITE,
    ]
    lines += [*table(keys.SITE_KEYS), *sections(keys.SITE_KEYS)]
    lines += ["## uWSGI options that cannot be set in `uwsgi.options`\n"]
    lines += ["The collection writes these options itself.\n", "| option | set instead |", "|---|---|"]
    lines += [f"| `{option}` | {cell(instead)} |" for option, instead in uwsgi_options.OWNED.items()]
    lines += ["", "## web_roots\n", "`web_roots` is a mapping of the directories in which all sites are kept.\n"]
    lines += ["| root | default |", "|---|---|"]
    lines += [f"| `{root}` | `{path}` |" for root, path in layout.ROOTS.items()]
    return "\n".join(lines) + "\n"


def sections(known: keys.Keys, prefix: str = "", level: str = "##") -> list[str]:
    """A section a key whose value is a mapping with keys of its own, and one a kind of it."""
    lines = []
    for name, key in known.items():
        title = f"{prefix}{name}"
        if key.kinds is not None:
            words = "".join(f"`{word}`, " for word in key.words)
            lines += [f"{level} {title}\n", f"{words}{'or one' if words else 'One'} of these kinds.\n"]
            for kind, inner in key.kinds.items():
                lines += [f"{level}# {title}.{kind}\n", *of_kind(kind, inner, title, level)]
        elif key.keys is not None:
            lines += [f"{level} {title}\n", *table(key.keys, title), *sections(key.keys, f"{title}.", f"{level}#")]
        elif key.each is not None:
            lines += [
                f"{level} {title}\n",
                f"A mapping of names ({cell(key.check.wants if key.check else 'text')}) to these keys:\n",
            ]
            lines += [*table(key.each, f"{title}.NAME"), *sections(key.each, f"{title}.NAME.", f"{level}#")]
    return lines


def of_kind(kind: str, inner: keys.Keys, title: str, level: str) -> list[str]:
    """The keys of a kind; of one that is a single section, as `acme`, the keys of that."""
    if list(inner) == [kind] and inner[kind].keys is not None:
        below = inner[kind].keys or {}
        path = f"{title}.{kind}"
        return [f"{inner[kind].doc}\n", *table(below, path), *sections(below, f"{path}.", f"{level}##")]
    return [*table(inner, title), *sections(inner, f"{title}.", f"{level}##")]


def table(known: keys.Keys, path: str = "") -> list[str]:
    lines = ["| key | meaning | value | default |", "|---|---|---|---|"]
    for name, key in known.items():
        written = AS_GIVEN.get(f"{path}.{name}".lstrip("."), json.dumps(key.default))
        default = "" if key.default in ("", None, {}, []) else f"`{written}`"
        words = "".join(f"{word}, " for word in key.words)
        place = f"{path}.{name}".replace(".", "").lower()
        below = f"{words}{'or ' if words else ''}a mapping, [see below](#{place})"
        wanted = key.wants if key.check and key.each is None else below
        lines.append(
            f"| `{name}` | {cell(key.doc)} | {cell(wanted)} | {cell('required' if key.required else default)} |"
        )
    return [*lines, ""]


# --- plugins ---


def ansible_doc(kind: str, names: list[str]) -> dict[str, Any]:
    """Plugin name to its documentation; a file of filters has a documentation file for each of its filters."""
    known = [name for name in names if kind != "filter" or (ROOT / f"plugins/filter/{name}.yml").exists()]
    if not known:
        return {}
    argv = ["ansible-doc", "--type", kind, "--json", *[f"pyweb.stack.{name}" for name in known]]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode or "ERROR" in done.stderr:
        raise SystemExit(f"ansible-doc failed:\n{done.stderr}")
    return {name.rpartition(".")[2]: found for name, found in json.loads(done.stdout).items()}


def plugin_page(kind: str, found: dict[str, Any]) -> str:
    doc = found["doc"]
    name = doc.get("plugin_name") or doc.get("module") or doc["name"]
    lines = [NOTE, f"# {name.rpartition('.')[2]} ({kind})\n", doc["short_description"] + ".\n"]
    lines += paragraphs(doc["description"])
    if doc.get("options"):
        lines += ["## Parameters\n", *options(doc["options"])]
    if doc.get("attributes"):
        lines += ["## Attributes\n", "| attribute | support | |", "|---|---|---|"]
        for attribute, about in doc["attributes"].items():
            lines.append(
                f"| `{attribute}` | {about['support']} | {cell(' '.join(texts(about.get('description', ''))))} |"
            )
        lines.append("")
    if (found.get("examples") or "").strip():
        lines += ["## Examples\n", "```yaml example", found["examples"].strip("\n"), "```\n"]
    if found.get("return"):
        lines += ["## Return values\n", *options(found["return"], "contains")]
    return "\n".join(lines)


def options(given: dict[str, Any], deeper: str = "suboptions", prefix: str = "") -> list[str]:
    lines: list[str] = []
    for name, about in given.items():
        lines += [f"### {prefix}{name}\n", *paragraphs(about.get("description", "")), *facts(about)]
        lines += options(about.get(deeper) or {}, deeper, f"{prefix}{name}.")
    return lines


# --- words ---


def facts(about: dict[str, Any]) -> list[str]:
    """Type, choices and default of an option, as one line."""
    kind = about.get("type", "str") + (f" of {about['elements']}" if about.get("elements") else "")
    parts = [kind, *(["required"] if about.get("required") else [])]
    if about.get("choices"):
        parts.append("one of " + ", ".join(f"`{one}`" for one in about["choices"]))
    if "default" in about:
        default = about["default"]
        parts.append(f"default `{default if isinstance(default, str) and default else json.dumps(default)}`")
    if about.get("returned"):
        parts.append(f"returned: {marked(about['returned'])}")
    return [f"*{', '.join(parts)}*\n"]


def paragraphs(description: Any) -> list[str]:
    return [f"{marked(one)}\n" for one in texts(description)]


def texts(description: Any) -> list[str]:
    return [description] if isinstance(description, str) else list(description)


def marked(text: str) -> str:
    """Ansible's markup as Markdown: C(x), O(x), V(x), RV(x), E(x), M(x) and P(x#kind) become `x`."""
    return re.sub(r"\b(?:C|O|V|RV|E|M|P)\(((?:[^()\\]|\\.)*?)(?:#\w+)?\)", r"`\1`", text).replace("#module:", ": ")


def cell(text: str) -> str:
    return marked(text).replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
