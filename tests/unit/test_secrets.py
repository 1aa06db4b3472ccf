"""What may be shown of a site, and what is hidden."""

from __future__ import annotations

import json

from ansible_collections.pyweb.stack.plugins.module_utils.model.site import split_secrets
from models import KEY, SECRET, completed, faults


def test_secrets_are_parted_from_what_may_be_shown():
    site = completed(
        env={"TOKEN": SECRET},
        database=f"postgres://shop:{SECRET}@db/shop",
        superuser={"username": "admin", "password": SECRET},
        source={"git": f"https://token:{SECRET}@git.example.com/shop.git", "key": KEY},
    )
    public, secret = split_secrets([site])
    assert SECRET not in json.dumps(public)
    assert secret["shop"] == {
        "env": {"TOKEN": SECRET},
        "database": f"postgres://shop:{SECRET}@db/shop",
        "git": f"https://token:{SECRET}@git.example.com/shop.git",
        "key": KEY + "\n",
        "password": SECRET,
    }
    assert public[0]["source"]["git"] == "https://git.example.com/shop.git"
    assert public[0]["superuser"] == {"username": "admin", "email": ""}
    assert public[0]["database"] is True
    assert SECRET in json.dumps(site)  # the model's own copy is whole


def test_no_secret_in_a_message_however_wrong_the_site_is():
    found = faults(
        {
            "name": "shop",
            "env": [SECRET],
            "database": [f"postgres://a:{SECRET}@b/c"],
            "superuser": [SECRET],
            "settings": [{"PASSWORD": SECRET}],
            "source": {"git": [f"https://a:{SECRET}@h/x"], "key": {"a": SECRET}},
            "packages": [f"https://a:{SECRET}@h/x"],
            "uwsgi": {"options": {"a": [{"b": SECRET}]}},
        }
    )
    assert len(found) == 9
    assert SECRET not in "\n".join(found)
