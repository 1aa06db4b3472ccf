"""Credentials in URLs, as people write them."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.urls import credentials, without_credentials


@pytest.mark.parametrize(
    ("url", "found", "shown"),
    [
        ("https://token@git.example/x", "token", "https://git.example/x"),
        ("https://user:pass@git.example/x", "user:pass", "https://git.example/x"),
        ("https://user:p@ss@git.example/x", "user:p@ss", "https://git.example/x"),
        ("https://user:pa/ss@git.example/x", "user:pa/ss", "https://git.example/x"),
        ("https://user:p?s#s@git.example:8443/x", "user:p?s#s", "https://git.example:8443/x"),
        ("https://user:1/2@git.example/x", "", "https://user:1/2@git.example/x"),  # could be a port
        ("postgres://u:a%40b@db/x", "u:a%40b", "postgres://db/x"),
        ("redis://:secret@db:6379/0", ":secret", "redis://db:6379/0"),
        ("ssh://git@git.example/x", "git", "ssh://git.example/x"),
    ],
)
def test_what_stands_before_the_host(url, found, shown):
    assert credentials(url) == ([found] if found else [])
    assert without_credentials(url) == shown
    assert without_credentials(f"it says {url}, twice") == f"it says {shown}, twice"


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example/@scope/x",
        "https://git.example:8443/@scope/x",
        "https://git.example/x?to=a@b",
        "http://[::1]:80/@x",
    ],
)
def test_an_at_sign_of_a_path_is_none(url):
    assert credentials(url) == []
    assert without_credentials(url) == url
