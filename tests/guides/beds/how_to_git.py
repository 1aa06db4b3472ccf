"""docs/how-to-git.md: a git server that the reader logs in to, with a repository of the reader's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host import ROOT

if TYPE_CHECKING:
    from bed import Bed

FLAVOURS = {"web1": "baked", "git": "baked"}
NAMES = {"git.example.com": "git"}
PASSWORDLESS = True
SERVE = """
set -e
useradd --create-home --shell /bin/bash git
install -d -m 700 -o git -g git /home/git/.ssh
install -m 600 -o git -g git /home/admin/.ssh/authorized_keys /home/git/.ssh/
cd /srv/shop
git init --quiet --initial-branch=main .
git add .
git -c user.name=me -c user.email=me@example.com commit --quiet --message='Start the shop'
mkdir /home/git/me
git clone --quiet --bare . /home/git/me/shop.git
chown -R git: /home/git/me
"""
NAMED = "su me -c 'git config --global user.name me && git config --global user.email me@example.com'"


def prepare(bed: Bed) -> None:
    server = bed.host("git")
    server.copy(ROOT / "examples/mysite", "/srv/shop")
    server.told(SERVE)
    bed.controller.told(NAMED)
