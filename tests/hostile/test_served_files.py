"""nginx serves only a site's own files, uploaded documents are harmless, and others cannot read the logs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import client
import pytest
from conftest import LOCAL, World

pytestmark = pytest.mark.same_everywhere

STATE = "/var/lib/sites"
PRIVATE = "the private upload of the other site"


@pytest.fixture(scope="module")
def media(world: World) -> Iterator[World]:
    """Make uploads of both sites, and the links that a compromised `shop` would make."""
    upload = f"umask 0027; mkdir -p {STATE}/blog/media/p; echo '{PRIVATE}' > {STATE}/blog/media/p/x.txt"
    told = world.run_as("site-blog", upload)
    assert told.returncode == 0, told.stderr
    made = world.run_as(
        "site-shop",
        f"cd {STATE}/shop/media && umask 0027 && echo own > own.txt && ln -s own.txt mine.txt"
        f" && ln -s {STATE}/blog/media/p/x.txt file.txt && ln -s {STATE}/blog/media/p folder"
        " && ln -s /var/log/nginx/blog.access.log log.txt && ln -s /etc/passwd passwd.txt"
        " && for kind in html xhtml svg xml htm mml txt png; do echo '<script>alert(1)</script>' > page.$kind; done",
    )
    assert made.returncode == 0, made.stderr
    # So that the log is not empty.
    client.ask(world.host.address, "blog.example")
    yield world
    world.host.told(f"rm -rf {STATE}/shop/media/* {STATE}/blog/media/p")


def get(world: World, path: str, host: str = "shop.example") -> client.Answer:
    return client.ask(world.host.address, host, path)


def test_nginx_can_read_the_files_that_the_links_lead_to(media: World) -> None:
    """Otherwise the tests below prove nothing."""
    assert get(media, "/media/p/x.txt", "blog.example").body.strip() == PRIVATE


@pytest.mark.parametrize("path", ["file.txt", "folder/x.txt", "log.txt", "passwd.txt"])
def test_a_link_out_of_the_media_is_not_followed(media: World, path: str) -> None:
    answer = get(media, f"/media/{path}")
    assert answer.status == 403, answer.body[:200]
    assert PRIVATE not in answer.body


def test_a_link_to_a_file_of_the_site_is_followed(media: World) -> None:
    assert get(media, "/media/own.txt").body == "own\n"
    assert get(media, "/media/mine.txt").body == "own\n"


def test_the_media_directory_may_be_a_link_to_another_disk(media: World) -> None:
    here, there = f"{STATE}/shop/media", "/srv/bigger"
    media.host.told(f"mkdir -p {there} && mv {here} {there}/media && ln -s {there}/media {here}")
    try:
        assert get(media, "/media/own.txt").body == "own\n"
        assert get(media, "/media/file.txt").status == 403
    finally:
        media.host.told(f"rm {here} && mv {there}/media {here}")


def policies(world: World, path: str) -> str:
    """Return all Content-Security-Policy headers of a file; `client` keeps only one header of a name."""
    program = (
        "import http.client; c = http.client.HTTPConnection('127.0.0.1'); "
        f"c.request('GET', '{path}', headers={{'Host': 'shop.example'}}); "
        "print(c.getresponse().headers.get_all('Content-Security-Policy'))"
    )
    return world.host.told("python3 -", program)


@pytest.mark.parametrize("kind", ["html", "htm", "xhtml", "svg", "xml", "mml"])
def test_an_uploaded_document_is_harmless(media: World, kind: str) -> None:
    answer = get(media, f"/media/page.{kind}")
    assert answer.status == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    said = policies(media, f"/media/page.{kind}")
    assert "sandbox; default-src 'none'" in said, answer.headers
    assert "script-src 'none'" in said


@pytest.mark.parametrize("kind", ["txt", "png"])
def test_other_uploads_are_served_as_before(media: World, kind: str) -> None:
    answer = get(media, f"/media/page.{kind}")
    assert answer.headers["content-security-policy"] == "script-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_logs_cannot_be_read_by_other_users_from_their_first_line(world: World) -> None:
    create = re.search(r"create (0?640) (\S+) (\S+)", world.host.told("cat /etc/logrotate.d/nginx"))
    assert create, "this platform's logrotate creates no logs, so the expected owner is unknown"
    for site in ("shop", "blog"):
        for kind in ("access", "error"):
            path = f"/var/log/nginx/{site}.{kind}.log"
            assert world.host.told(f"stat -c '%a %U %G' {path}") == f"640 {create[2]} {create[3]}"
            assert world.run_as(LOCAL, f"cat {path}").returncode
