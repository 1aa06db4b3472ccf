"""Uploaded files: the doctor's exact messages for each fault."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import Fetched
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_directives import Taken
from ansible_collections.pyweb.stack.plugins.module_utils.host.path_walk import Obstacle
from doctor_evidence import Case, check, denied, put

DENIAL = {
    "comm": "nginx",
    "permission": "read",
    "name": "a.css",
    "tclass": "file",
    "tcontext": "user_home_t",
    "line": "the line",
}


def fetch(site, status, **more):
    put(site, media=Fetched("/media/a.css", status, file="/srv/media/a.css", place="/n:7", url="/media/", **more))


def upload(site, **more):
    put(site.inside["files"], media_root="/srv/media", **more)


CASES = [
    Case(
        "a mode",
        lambda site, host: fetch(site, 403, obstacle=denied("/srv/media", 0o750, True)),
        "media.not-readable",
        "degraded",
        "media files are not readable: www-data cannot use /srv/media (0750)",
        "fix of /srv/media",
        (
            "GET /media/a.css -> 403",
            "evidence of /srv/media",
        ),
    ),
    Case(
        "no location",
        lambda site, host: fetch(site, 404, handler="uwsgi_pass a;", folder="/srv/media/"),
        "media.no-location",
        "degraded",
        "nginx has no location for media files: it passes /media/a.css to the application, which has no such page",
        "add location /media/ { alias /srv/media/; } beside /n:7, then nginx -t && systemctl reload nginx",
        (
            "GET /media/a.css -> 404",
            "uwsgi_pass a; in /n:7",
        ),
    ),
    Case(
        "no location, and nothing was ever uploaded",
        lambda site, host: fetch(
            site, 0, handler="proxy_pass a;", folder="/srv/media", outside=True, nobody_meant=True
        ),
        "media.no-location",
        "advice",
        "nginx has no location for media files: it passes /media/a.css to the application, which has no such page",
        "add location /media/ { alias /srv/media/; } beside /n:7, then nginx -t && systemctl reload nginx",
    ),
    Case(
        "no location, and no root known",
        lambda site, host: fetch(site, 404, handler="proxy_pass a;"),
        "media.no-location",
        "degraded",
        "nginx has no location for media files: it passes /media/a.css to the application, which has no such page",
        "add location /media/ { alias STATIC_ROOT/; } beside /n:7, then nginx -t && systemctl reload nginx",
        (
            "GET /media/a.css -> 404",
            "proxy_pass a; in /n:7",
        ),
    ),
    Case(
        "a wrong alias",
        lambda site, host: fetch(site, 404, elsewhere=True, wanted="/srv/real/a.css"),
        "media.alias",
        "degraded",
        ("the alias of media files is wrong: nginx looks for /srv/media/a.css, the file is /srv/real/a.css"),
        "web_sites[].nginx.media; by hand: correct the alias in /n:7, then nginx -t && systemctl reload nginx",
        (
            "GET /media/a.css -> 404",
            "in /n:7",
        ),
    ),
    Case(
        "SELinux",
        lambda site, host: (fetch(site, 403), put(host, denials=[DENIAL])),
        "media.selinux",
        "degraded",
        "SELinux denies nginx read on a.css (file, user_home_t)",
        "semanage fcontext -a -t httpd_sys_content_t '/srv/media(/.*)?' && restorecon -R /srv/media",
        ("the line",),
    ),
    Case(
        "another status",
        lambda site, host: fetch(site, 410),
        "media.status",
        "degraded",
        "media files are not served",
        "check /n:7",
        (
            "GET /media/a.css -> 410",
            "/srv/media/a.css",
        ),
    ),
    Case(
        "no answer",
        lambda site, host: fetch(site, 0, failure="the end came", outside=True),
        "media.status",
        "degraded",
        "media files are not served",
        "check /n:7",
        (
            "GET /media/a.css -> the end came",
            "/srv/media/a.css",
        ),
    ),
    Case(
        "a file that nginx cannot read",
        lambda site, host: (fetch(site, 200), upload(site), put(site, media_obstacle=denied("/srv/media/b.png"))),
        "media.not-readable",
        "degraded",
        "media files are not readable: www-data cannot use /srv/media/b.png (0600)",
        "fix of /srv/media/b.png",
        (
            "GET /media/a.css -> not asked",
            "evidence of /srv/media/b.png",
        ),
    ),
    Case(
        "a broken link",
        lambda site, host: (fetch(site, 200), put(site, media_obstacle=Obstacle("/m", "missing", "e", "f"))),
        "media.status",
        "degraded",
        "media files are not served",
        "check /n:7",
        ("GET /media/a.css -> not asked",),
    ),
    Case(
        "uploads cannot be stored",
        lambda site, host: (
            fetch(site, 200),
            upload(site, media_writable=False),
            put(site, described={"/srv/media": "dr-x /srv/media"}),
        ),
        "media.not-writable",
        "degraded",
        "uploads fail: shop cannot write /srv/media",
        "chown shop /srv/media && chmod u+wx /srv/media",
        ("dr-x /srv/media",),
    ),
    Case(
        "a regular expression that takes precedence",
        lambda site, host: (
            put(site, media=Fetched("/media/a.png", 404, place="/n:3", url="/media/")),
            put(
                site.directives,
                taken=[
                    Taken(
                        "media",
                        "/media/a.png",
                        "location ~ png$",
                        "/n:3",
                        "location /media/",
                        "/n:4",
                        "",
                        "uwsgi_pass a; in /n:3",
                    )
                ],
            ),
        ),
        "media.location-taken",
        "degraded",
        (
            "location ~ png$ in /n:3 takes /media/a.png from location /media/ in /n:4, and passes it on: uwsgi_pass a; "
            "in /n:3"
        ),
        "location ^~ /media/ in /n:4: then no regular expression is tried; nginx -t && systemctl reload nginx",
        ("location ~ png$ in /n:3", "location /media/ in /n:4"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_media_is_named(case):
    check(case)
