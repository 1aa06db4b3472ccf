"""Static files: the doctor's exact messages for each fault."""

from __future__ import annotations

import doctor_by_hand
import doctor_logs
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import Fetched
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_directives import Taken
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from doctor_evidence import Case, answer, by_hand, check, denied, evidence, faults_of, put

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


def assets(site, **found):
    put(site.inside, assets={"seen": 9, "missing": [], "older": [], **found})


MANIFEST = {"manifest": "/srv/static/staticfiles.json", "listed": 9}
ENTRY = "pages that name it answer 500 (Missing staticfiles manifest entry)"

CASES = [
    Case(
        "outdated files and a missing one",
        lambda site, host: assets(site, missing=["n.css"], missing_many=1, older=["a.js", "b.js"], older_many=7),
        "static.stale",
        "degraded",
        "static files in /srv/static do not match those of the project: 1 file is not collected: n.css; 7 files are "
        "older than in the project: a.js, b.js",
        "pyweb.stack.site runs collectstatic",
        ("/srv/static/n.css: is not there", "/srv/static/b.js: is older, and differs"),
    ),
    Case(
        "a file that was never collected, by hand",
        lambda site, host: (assets(site, missing=["n.css"], missing_many=1), by_hand(site)),
        "static.stale",
        "degraded",
        "static files in /srv/static do not match those of the project: 1 file is not collected: n.css",
        "sudo -u shop /srv/venv/bin/python3 /srv/code/manage.py collectstatic --noinput",
    ),
    Case(
        "no manifest",
        lambda site, host: assets(site, **{**MANIFEST, "listed": 0}),
        "static.manifest",
        "degraded",
        "the manifest /srv/static/staticfiles.json is missing or empty: after the next start, pages with static files "
        "answer 500 (Missing staticfiles manifest entry)",
        "pyweb.stack.site runs collectstatic",
    ),
    Case(
        "a name in a template that is missing in the manifest, and pages fail",
        lambda site, host: (
            assets(site, wanted=["typo.css (/t/a.html:1)"], **MANIFEST),
            put(site.probes[0], answer=answer(503)),
        ),
        "static.manifest",
        "broken",
        f"the manifest has no entry for typo.css (/t/a.html:1): {ENTRY}",
        "correct the name, or add the file; then pyweb.stack.site runs collectstatic",
        ("typo.css (/t/a.html:1)",),
    ),
    Case(
        "a file that is missing in the manifest",
        lambda site, host: assets(site, unlisted=["n.css"], **MANIFEST),
        "static.manifest",
        "degraded",
        f"the manifest has no entry for n.css: {ENTRY}",
        "pyweb.stack.site runs collectstatic",
        ("n.css",),
    ),
    Case(
        "missing files of the manifest",
        lambda site, host: assets(site, gone=["a.css", "b.css", "c.css"], **MANIFEST),
        "static.manifest",
        "degraded",
        "the manifest names files that no longer exist: a.css, b.css and more",
        "pyweb.stack.site runs collectstatic",
        ("c.css",),
    ),
    Case(
        "never collected",
        lambda site, host: put(site.inside["files"], sample=""),
        "static.uncollected",
        "broken",
        "static files were never collected: there is nothing in /srv/static",
        "pyweb.stack.site runs collectstatic; by hand: sudo -u shop /srv/venv/bin/python3 /srv/code/manage.py "
        "collectstatic --noinput",
        ("STATIC_ROOT = /srv/static",),
    ),
    Case(
        "never collected, and no directory",
        lambda site, host: (put(site.inside["files"], sample=""), put(site.places, static_root=False)),
        "static.uncollected",
        "broken",
        "static files were never collected: there is no directory /srv/static",
        "pyweb.stack.site runs collectstatic; by hand: sudo -u shop /srv/venv/bin/python3 /srv/code/manage.py "
        "collectstatic --noinput",
        ("STATIC_ROOT = /srv/static",),
    ),
    Case(
        "no STATIC_ROOT",
        lambda site, host: (put(site, static=None), put(site.inside["files"], static_root="")),
        "static.uncollected",
        "degraded",
        "static files were never collected: STATIC_ROOT is not set, and nginx serves none",
        (
            "STATIC_ROOT in the settings of the project, then run pyweb.stack.deploy; by hand: set STATIC_ROOT in "
            "/srv/code/shop/settings.py, then sudo -u shop /srv/venv/bin/python3 /srv/code/manage.py collectstatic "
            "--noinput"
        ),
        ("STATIC_URL = /static/",),
    ),
    Case(
        "a mode",
        lambda site, host: fetch(site, 403, obstacle=denied("/srv/static", 0o750, True)),
        "static.not-readable",
        "broken",
        "static files are not readable: www-data cannot use /srv/static (0750)",
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
        "nginx has no location for static files: it passes /static/a.css to the application, which has no such page",
        "add location /static/ { alias /srv/static/; } beside /n:7, then nginx -t && systemctl reload nginx",
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
        "nginx has no location for static files: it passes /static/a.css to the application, which has no such page",
        "add location /static/ { alias STATIC_ROOT/; } beside /n:7, then nginx -t && systemctl reload nginx",
        (
            "GET /static/a.css -> 404",
            "proxy_pass a; in /n:7",
        ),
    ),
    Case(
        "a wrong alias",
        lambda site, host: fetch(site, 404, elsewhere=True, wanted="/srv/real/a.css"),
        "static.alias",
        "broken",
        ("the alias of static files is wrong: nginx looks for /srv/static/a.css, the file is /srv/real/a.css"),
        "web_sites[].nginx.static; by hand: correct the alias in /n:7, then nginx -t && systemctl reload nginx",
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
            "static files are not served: /srv/static/a.css is a link to a file with another owner, and nginx does not "
            "follow it"
        ),
        (
            "chown --no-dereference, so that both have the same owner; or, if nobody else can create links there: "
            "web_sites[].nginx.options.disable_symlinks: 'off'; by hand: chown --no-dereference, so that both have the "
            "same owner, or disable_symlinks off; if nobody else can create links there"
        ),
        ("GET /static/a.css -> 403", "/srv/static/a.css"),
    ),
    Case(
        "another status",
        lambda site, host: fetch(site, 410),
        "static.status",
        "broken",
        "static files are not served",
        "check /n:7",
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
        "check /n:7",
        (
            "GET /static/a.css -> the end came",
            "/srv/static/a.css",
        ),
    ),
    Case(
        "a regular expression that takes precedence",
        lambda site, host: put(
            site.directives,
            taken=[
                Taken(
                    "static",
                    "/static/a.css",
                    "location ~ css$",
                    "/n:3",
                    "location /static/",
                    "/n:4",
                    "/html/static/a.css",
                )
            ],
        ),
        "static.location-taken",
        "broken",
        "location ~ css$ in /n:3 takes /static/a.css from location /static/ in /n:4, and looks for /html/static/a.css",
        "location ^~ /static/ in /n:4: then no regular expression is tried; nginx -t && systemctl reload nginx",
        ("location ~ css$ in /n:3", "location /static/ in /n:4"),
    ),
    Case(
        "an alias without a slash",
        lambda site, host: put(
            site,
            managed=False,
            static=Fetched(
                "/static/a.css",
                404,
                file="/srv/statica.css",
                place="/n:7",
                url="/static/",
                folder="/srv/static",
                wanted="/srv/static/a.css",
                elsewhere=True,
            ),
        ),
        "static.alias",
        "broken",
        (
            "the alias of static files is wrong: nginx looks for /srv/statica.css, the file is "
            "/srv/static/a.css; the alias has no / at its end, and /static/ has one"
        ),
        "alias /srv/static/; in /n:7, then nginx -t && systemctl reload nginx",
        ("GET /static/a.css -> 404", "in /n:7"),
    ),
    Case(
        "root instead of alias",
        lambda site, host: put(
            site,
            managed=False,
            static=Fetched(
                "/static/a.css",
                404,
                file="/srv/static/static/a.css",
                place="/n:7",
                url="/static/",
                folder="/srv/static",
                wanted="/srv/static/a.css",
                elsewhere=True,
            ),
        ),
        "static.alias",
        "broken",
        (
            "the alias of static files is wrong: nginx looks for /srv/static/static/a.css, the file is "
            "/srv/static/a.css; root puts the whole /static/a.css below /srv/static"
        ),
        "alias /srv/static/; instead of root in /n:7, then nginx -t && systemctl reload nginx",
        ("GET /static/a.css -> 404", "in /n:7"),
    ),
    Case(
        "a group that nginx lacks",
        lambda site, host: (
            put(site.directives, regrouped=["/srv/static"]),
            fetch(site, 403, obstacle=denied("/srv/static", 0o750, True)),
        ),
        "static.not-readable",
        "broken",
        (
            "static files are not readable: www-data cannot use /srv/static (0750); www-data is in a group that may, "
            "but nginx runs without this group: www-data was added to it after nginx started"
        ),
        "systemctl restart nginx",
        ("GET /static/a.css -> 403", "evidence of /srv/static"),
    ),
]
CASES += doctor_logs.STATIC
CASES += doctor_by_hand.STATIC


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_static_is_named(case):
    check(case)


@pytest.mark.parametrize(
    "change",
    [
        lambda site: put(site.static, elsewhere=True),
        lambda site: put(site, static=None),
        lambda site: put(site.inside["assets"], seen=0),
        lambda site: put(site.inside["files"], static_url="https://cdn.example/s/"),
    ],
    ids=["nginx serves another directory", "nothing is served", "nothing was compared", "another host serves them"],
)
def test_files_that_no_client_requests_are_not_reported(change):
    site, host = evidence()
    assets(site, missing=["n.css"], missing_many=1)
    change(site)
    assert "static.stale" not in faults_of(verdict(site, host))
