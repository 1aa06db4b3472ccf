"""Static files. What the doctor says of each fault, word by word."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import Fetched
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
    put(site, static=Fetched("/static/a.css", status, file="/srv/static/a.css", place="/n:7", url="/static/", **more))


CASES = [
    Case(
        "never collected",
        lambda site, host: put(site.inside["files"], sample=""),
        "static.uncollected",
        "broken",
        "static files were never collected: nothing is in /srv/static",
        "playbooks/site.yml; by hand: python manage.py collectstatic",
        ("STATIC_ROOT = /srv/static",),
    ),
    Case(
        "never collected, and no directory",
        lambda site, host: (put(site.inside["files"], sample=""), put(site.places, static_root=False)),
        "static.uncollected",
        "broken",
        "static files were never collected: there is no directory /srv/static",
        "playbooks/site.yml; by hand: python manage.py collectstatic",
        ("STATIC_ROOT = /srv/static",),
    ),
    Case(
        "no STATIC_ROOT",
        lambda site, host: (put(site, static=None), put(site.inside["files"], static_root="")),
        "static.uncollected",
        "degraded",
        "static files were never collected: STATIC_ROOT is not set, and nginx has no files for them",
        "STATIC_ROOT in the settings, then python manage.py collectstatic",
        ("STATIC_URL = /static/",),
    ),
    Case(
        "a mode",
        lambda site, host: fetch(site, 403, obstacle=denied("/srv/static", 0o750, True)),
        "static.not-readable",
        "broken",
        "static files are not readable: www-data may not use /srv/static (0750)",
        "fix of /srv/static",
        (
            "GET /static/a.css -> 403",
            "evidence of /srv/static",
        ),
    ),
    Case(
        "no location",
        lambda site, host: fetch(site, 404, handler="uwsgi_pass a;", folder="/srv/static/"),
        "static.no-location",
        "broken",
        ("nginx has no location for static files: it hands /static/a.css to the application, which has none"),
        "location /static/ { alias /srv/static/; }",
        (
            "GET /static/a.css -> 404",
            "uwsgi_pass a; in /n:7",
        ),
    ),
    Case(
        "no location, and no root known",
        lambda site, host: fetch(site, 404, handler="proxy_pass a;"),
        "static.no-location",
        "broken",
        ("nginx has no location for static files: it hands /static/a.css to the application, which has none"),
        "location /static/ { alias STATIC_ROOT/; }",
        (
            "GET /static/a.css -> 404",
            "proxy_pass a; in /n:7",
        ),
    ),
    Case(
        "an alias that is wrong",
        lambda site, host: fetch(site, 404, elsewhere=True, wanted="/srv/real/a.css"),
        "static.alias",
        "broken",
        ("the alias of static files is wrong: nginx looks for /srv/static/a.css, the file is /srv/real/a.css"),
        "web_sites[].nginx.static; by hand: correct the alias in /n:7",
        (
            "GET /static/a.css -> 404",
            "in /n:7",
        ),
    ),
    Case(
        "SELinux",
        lambda site, host: (fetch(site, 403), put(host, denials=[DENIAL])),
        "static.selinux",
        "broken",
        "SELinux denies nginx read on a.css (file, user_home_t)",
        "semanage fcontext -a -t httpd_sys_content_t '/srv/static(/.*)?' && restorecon -R /srv/static",
        ("the line",),
    ),
    Case(
        "a link that nginx does not follow",
        lambda site, host: fetch(site, 403, link="/srv/static/a.css"),
        "static.status",
        "broken",
        (
            "static files are not served: /srv/static/a.css is a link to what has another owner, and nginx does "
            "not follow it"
        ),
        (
            "chown --no-dereference, so that both have one owner; web_sites[].nginx.options.disable_symlinks: 'off' "
            "where nobody else can make links there"
        ),
        ("GET /static/a.css -> 403", "/srv/static/a.css"),
    ),
    Case(
        "another status",
        lambda site, host: fetch(site, 410),
        "static.status",
        "broken",
        "static files are not served",
        "look at /n:7",
        (
            "GET /static/a.css -> 410",
            "/srv/static/a.css",
        ),
    ),
    Case(
        "no answer",
        lambda site, host: fetch(site, 0, failure="the end came"),
        "static.status",
        "broken",
        "static files are not served",
        "look at /n:7",
        (
            "GET /static/a.css -> the end came",
            "/srv/static/a.css",
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_static_is_named(case):
    check(case)
