"""Credentials in URLs, as people write them."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.urls import (
    credentials,
    public,
    query_secrets,
    without_credentials,
    without_tokens,
)


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
def test_credentials_before_the_host(url, found, shown):
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
def test_an_at_sign_in_a_path_is_no_credential(url):
    assert credentials(url) == []
    assert without_credentials(url) == url


@pytest.mark.parametrize(
    ("url", "shown", "hidden"),
    [
        ("https://h/a.tgz", "https://h/a.tgz", []),
        ("https://h/a.tgz?token=abc", "https://h/a.tgz", ["token=abc"]),
        (
            "https://h/a.tgz?sha=main&private_token=glpat%2F1234567",
            "https://h/a.tgz",
            ["sha=main&private_token=glpat%2F1234567", "glpat%2F1234567", "glpat/1234567"],
        ),
        (
            "https://h/a.tgz?x=12345678#access=87654321",
            "https://h/a.tgz",
            ["x=12345678", "12345678", "access=87654321", "87654321"],
        ),
        ("https://u:pw@h:8443/a.tgz?t=1", "https://h:8443/a.tgz", ["t=1"]),
        ("/srv/what?.tgz", "/srv/what?.tgz", []),
        ("code#1.tgz", "code#1.tgz", []),
    ],
)
def test_credentials_in_query_and_fragment(url, shown, hidden):
    assert public(url) == shown
    assert query_secrets(url) == hidden


def test_a_message_shows_that_credentials_were_removed():
    text = "is 'https://u:pw@h/a.tgz?t=1'; expected ['http://h/x#y', 'https://h/z']?"
    assert without_tokens(text) == (
        "is 'https://********@h/a.tgz?********'; expected ['http://h/x?********', 'https://h/z']?"
    )
