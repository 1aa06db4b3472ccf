"""Values that the model accepts arrive unchanged in the programs of the host, whatever they contain."""

from __future__ import annotations

import ast
import json
import shlex
import subprocess

import goldens
import oracles
import strategies
from ansible_collections.pyweb.stack.plugins.module_utils.build import overlay
from ansible_collections.pyweb.stack.plugins.module_utils.host import sandbox
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete, split_secrets
from ansible_collections.pyweb.stack.plugins.module_utils.release import (
    release,
    scripts,
    units,
    uwsgi_ini,
    worker_units,
)
from hypothesis import assume, given
from test_nginx import DEBIAN, rendered

CONF = "/etc/nginx/sites-available/shop.conf"


def accepted(keys):
    """Return the completed site and its secrets; skip values that the model refuses."""
    try:
        [site] = complete([{**goldens.SHOP, **keys}])
    except InventoryError:
        assume(False)
    site["group"] = site["user"]
    site["sandbox"] = sandbox.of_site(site, goldens.BUILD)
    [public], secrets = split_secrets([site])
    return public, secrets["shop"]


def text_of(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


@strategies.asked(150)
@given(strategies.sites_with("env", "database"))
def test_the_environment_arrives_unchanged(keys):
    _site, secrets = accepted(keys)
    environment = release.runtime.process_environment(secrets)
    for name, value in keys.get("env", {}).items():
        assert environment[name] == text_of(value)
    text = release.environment_text(environment)
    assert oracles.environment_file(text) == environment
    assert release.parse_environment(text) == environment


@strategies.asked(150)
@given(strategies.sites_with("settings", "prefix"))
def test_settings_arrive_unchanged(keys):
    site, _secrets = accepted(keys)
    benign = {**site, "settings": dict.fromkeys(site["settings"], 1)}
    text = overlay.settings(site, "mysite.settings")
    tree = ast.parse(text.encode()).body
    assert len(tree) == len(ast.parse(overlay.settings(benign, "mysite.settings")).body)
    count = len(keys.get("settings", {}))
    found = {node.targets[0].id: ast.literal_eval(node.value) for node in tree[len(tree) - count :]}
    # Compared as text: True is not 1, and 0.0 is not -0.0.
    assert repr(sorted(found.items())) == repr(sorted(keys.get("settings", {}).items()))


@strategies.asked(60)
@given(strategies.sites_with("warm_up", "prefix"))
def test_the_wsgi_entry_is_valid_python_with_the_pages(keys):
    site, _secrets = accepted(keys)
    tree = ast.parse(overlay.wsgi(site, "mysite.wsgi:application").encode())
    lists = [node for node in ast.walk(tree) if isinstance(node, ast.List) and node.elts]
    pages = [ast.literal_eval(node) for node in lists if all(isinstance(item, ast.Tuple) for item in node.elts)]
    assert [len(site["warm_up"])] == [len(page) for page in pages] or not site["warm_up"]


@strategies.asked(150)
@given(strategies.sites_with("uwsgi"))
def test_uwsgi_options_arrive_unchanged(keys):
    site, _secrets = accepted(keys)
    found = oracles.uwsgi_ini(uwsgi_ini.render(site, goldens.BUILD, "aaaaaaaaaaaa"))
    given_options = keys.get("uwsgi", {}).get("options", {})
    benign = oracles.uwsgi_ini(uwsgi_ini.render(accepted({})[0], goldens.BUILD, "aaaaaaaaaaaa"))
    # The guards of the sockets cannot be changed by the inventory; other options can.
    ours = [pair for pair in benign if pair[0] not in given_options or pair[0].startswith("route")]
    rest = list(found)
    for pair in ours:
        rest.remove(pair)
    wanted = [
        (name, text_of(item))
        for name, value in given_options.items()
        for item in (value if isinstance(value, list) else [value])
    ]
    assert sorted(rest) == sorted(wanted)


@strategies.asked(150)
@given(strategies.sites_with("uwsgi"))
def test_directives_of_the_unit_arrive_unchanged(keys):
    site, _secrets = accepted(keys)
    own = keys.get("uwsgi", {}).get("unit", {})
    # The sandbox derives writable paths from the options; here they are the same with and without the unit's
    # directives.
    benign = units.render({**site, "uwsgi": {**site["uwsgi"], "unit": {}}})
    for name, text in units.render(site).items():
        found = oracles.unit(text)
        ours = oracles.unit(benign[name])
        assert [line for line in found if line[1] not in own] == [line for line in ours if line[1] not in own]
        for directive, value in own.items():
            values = [item.strip(" \t") for item in (value if isinstance(value, list) else [value])]
            there = [oracles.specified(line[2]) for line in found if line[1] == directive]
            # Directives of the inventory that systemd adds to a list come after the collection's.
            before = [oracles.specified(line[2]) for line in ours if line[1] == directive]
            added = before if directive in sandbox.ADDED else []
            assert there == ([*added, *values] if units.is_template(name) else [])


@strategies.asked(150)
@given(strategies.sites_with("workers", "timers"))
def test_commands_of_workers_and_timers_arrive_unchanged(keys):
    site, _secrets = accepted(keys)
    texts = worker_units.render(site, goldens.BUILD, "aaaaaaaaaaaa")
    programs = worker_units.programs(texts)
    for kind, key in (("workers", "run"), ("timers", "manage")):
        for name, section in keys.get(kind, {}).items():
            [file] = [file for file in texts if f":{name}:1." in file or f"@{name}.service" in file]
            [line] = [value for _section, directive, value in oracles.unit(texts[file]) if directive == "ExecStart"]
            words = oracles.exec_words(line)
            wanted = section[key] if key == "run" else ["-m", "django", *section[key]]
            assert words[len(words) - len(wanted) :] == wanted
            # env reads variables up to the first word without =, where the command begins.
            rest = [word for word in words[1:] if "=" not in word]
            first = next(place for place, word in enumerate(words[1:], 1) if "=" not in word)
            assert words[first] == programs[file] == (wanted[0] if key == "run" else rest[0])
            assert first == len(words) - len(wanted) - (key == "manage")


@strategies.asked(25)
@given(strategies.INI_VALUE)
def test_the_commands_of_a_site_are_valid_shell_with_the_projects_directory(chdir):
    site, secrets = accepted({})
    build = {**goldens.BUILD, "chdir": chdir}  # 0.1 built projects in directories with any name.
    for text in scripts.render(release.wanted(site, secrets, build, "site-shop")).values():
        if text.startswith("#!/bin/sh"):
            subprocess.run(["sh", "-n"], input=text.encode(), check=True)
            words = shlex.split(text.replace("\\\n", " "), comments=True)
            assert f"--property=WorkingDirectory=/opt/sites/shop/current/src/{chdir}" in words


def benign_tree(keys, **options):
    nginx = {name: value for name, value in keys.get("nginx", {}).items() if name not in ("options", "locations")}
    site = {**goldens.SHOP, **keys, "nginx": nginx}
    return oracles.nginx(rendered([site], DEBIAN, options)[CONF])


def directives_of(given_directives):
    """Return the words that nginx must read for a mapping of directives."""
    found = []
    for name, value in given_directives.items():
        for item in value if isinstance(value, list) else [value]:
            [directive] = oracles.nginx(f"{name} {item};")
            assert directive[1] is None
            found.append(directive)
    return found


@strategies.asked(150)
@given(strategies.sites_with("nginx", "prefix"))
def test_nginx_directives_arrive_unchanged_and_without_others(keys):
    accepted(keys)
    nginx = keys.get("nginx", {})
    tree = oracles.nginx(rendered([{**goldens.SHOP, **keys}], DEBIAN, {})[CONF])
    expected = benign_tree(keys)
    assert [words for words, _block in tree] == [words for words, _block in expected]
    server, benign = tree[-1][1], expected[-1][1]
    own = directives_of(nginx.get("options", {}))
    for match, inner in nginx.get("locations", {}).items():
        [[words, block]] = oracles.nginx(f"location {match} {{}}")
        assert block == []
        own.append([words, directives_of(inner)])
    more = list(server)
    for directive in benign:
        more.remove(directive)
    assert sorted(map(json.dumps, more)) == sorted(map(json.dumps, own))
