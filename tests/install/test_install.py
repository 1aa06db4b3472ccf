"""A user who has the archive alone: install it, and run every playbook over ssh, with sudo and its password."""

from __future__ import annotations

import re

import pytest
from bed import Bed
from starting_point import INVENTORY, change

PLAY = f"cd ~/elsewhere; ansible-playbook -i {INVENTORY} -K pyweb.stack."
PAGE = "curl -s -o /dev/null -w '%{http_code} ' http://shop.example.com/"


def typed(bed: Bed, commands: str, warning: str = "") -> str:
    """Run commands that have to succeed, without a warning, or with this one alone."""
    done = bed.session().type(commands)
    assert done.status == 0, done.output
    warnings = re.findall(r"\[(?:DEPRECATION )?WARNING\]: (.*)", done.output)
    assert [line for line in warnings if not (warning and line.startswith(warning))] == [], done.output
    assert bool(warnings) == bool(warning), done.output
    return done.output


def play(bed: Bed, words: str, warning: str = "") -> str:
    return typed(bed, PLAY + words, warning)


def changed(output: str) -> int:
    return int(re.findall(r"web1\.example\.com\s+: ok=\d+\s+changed=(\d+)", output)[-1])


def test_the_archive_is_installed_into_an_empty_path_and_is_what_galaxy_has(bed):
    empty = "export ANSIBLE_COLLECTIONS_PATH=~/empty\n"
    typed(bed, f"{empty}ansible-galaxy collection install pyweb.stack")
    assert "pyweb.stack 0." in typed(bed, "ansible-galaxy collection list pyweb.stack")
    typed(bed, "ansible-galaxy collection verify --offline pyweb.stack\nunset ANSIBLE_COLLECTIONS_PATH")
    typed(bed, "ansible-galaxy collection verify --offline pyweb.stack")


def test_a_changed_file_is_not_what_galaxy_has(bed):
    path = "~/.ansible/collections/ansible_collections/pyweb/stack/README.md"
    typed(bed, f"cp {path} ~/README.kept; echo >>{path}")
    done = bed.session().type("ansible-galaxy collection verify --offline pyweb.stack")
    typed(bed, f"mv ~/README.kept {path}")
    assert done.status != 0
    assert "README.md" in done.output


def test_every_playbook_runs_from_another_folder(bed):
    play(bed, "validate")
    assert "would serve a new release" in play(bed, "site --check")
    assert "serves release" in play(bed, "site")
    assert typed(bed, PAGE).split() == ["200"]
    again = play(bed, "site")
    assert "nothing changed" in again
    assert changed(again) == 0
    change(bed)
    deployed = play(bed, "deploy")
    assert re.search(r"serves release .*changed: .*release", deployed)
    assert "rollback" in play(bed, "rollback -e rollback_site=shop")
    assert ": all ok" in play(bed, "doctor")
    play(bed, "maintenance -e maintenance_site=shop -e maintenance=true", "site 'shop': maintenance is on")
    assert typed(bed, PAGE).split() == ["503"]
    play(bed, "maintenance -e maintenance_site=shop -e maintenance=false")
    assert typed(bed, PAGE).split() == ["200"]
    play(bed, "uninstall --check")
    assert "removed: /opt/sites" in play(bed, "uninstall")


@pytest.mark.same_everywhere
def test_it_is_installed_from_a_git_repository(bed, archive):
    bed.controller.copy(archive.parent / "tree", "/srv/stack.git")
    commit = "git -c user.name=me -c user.email=me@example.com commit -q -m 'A version'"
    bed.controller.told(f"cd /srv/stack.git; git init -q -b main; git add -A -f; {commit}; chown -R me: .")
    typed(bed, "export ANSIBLE_COLLECTIONS_PATH=~/from-git")
    typed(bed, "ansible-galaxy collection install git+file:///srv/stack.git,main")
    assert "pyweb.stack 0." in typed(bed, "ansible-galaxy collection list pyweb.stack")
    typed(bed, "unset ANSIBLE_COLLECTIONS_PATH")
