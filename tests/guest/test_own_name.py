"""The last check of a run: each site answers on its own domain, at the host's own address, through nginx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from client import ask
from host import Host
from sites import Project

OTHER = "/etc/nginx/conf.d/other.conf"
# nginx prefers a server that listens on the exact address to one that listens on all addresses.
ON_THE_ADDRESS = """
server {{
    listen {address}:80;
    server_name other.example;
    return 200 "not yours";
}}
"""
# The name is below the wildcard domain of a site, which is allowed.
BELOW = """
server {
    listen 80;
    server_name www.wild.example;
    return 503;
}
"""
# A response header that is too large for nginx: the release is healthy, but no visitor gets a page.
TOO_BIG = """

_index = index

def index(request):
    response = _index(request)
    response["X-Big"] = "x" * 50000
    return response
"""


class Shop:
    """A site with its own domain, and one for all names below another domain."""

    def __init__(self, host: Host, project: Project) -> None:
        self.host, self.project = host, project

    def sites(self, **keys: Any) -> list[dict[str, Any]]:
        """Return the inventory, with additional keys for the first site."""
        base = {"source": {"directory": str(self.project.folder)}, "uwsgi": {"processes": 1}}
        return [
            {**base, "name": "shop", "domains": ["*.shop.example", "shop.example"], **keys},
            {**base, "name": "wild", "domains": ["*.wild.example"]},
        ]

    def current(self) -> str:
        return self.host.told("readlink /opt/sites/shop/current")

    def put(self, text: str) -> None:
        """Write a file of nginx, as another administrator would."""
        self.host.told(f"cat > {OTHER}; nginx -t -q && systemctl reload nginx && sleep 0.5", stdin=text)

    def fails(self, playbook: str, *words: str, **keys: Any) -> str:
        run = self.host.play(self.sites(**keys), playbook, *words)
        assert run.status != 0, run.output[-2000:]
        return run.error


@pytest.mark.same_everywhere
def test_a_site_that_does_not_answer_on_its_own_domain_fails_the_run(baked: Host, tmp_path: Path) -> None:
    shop = Shop(baked, Project(tmp_path / "project"))
    baked.deploy(shop.sites())
    assert ask(baked.address, "shop.example").status == 200
    another_server_may_serve_a_name_below_a_wildcard_domain(shop)
    another_server_that_answers_for_the_domain_is_reported(shop)
    a_release_that_does_not_answer_through_nginx_is_rolled_back(shop)
    a_redirect_to_https_without_tls_is_reported(shop)
    a_status_of_nginx_itself_is_not_a_fault(shop)
    an_nginx_that_does_not_run_is_reported(shop)


def another_server_may_serve_a_name_below_a_wildcard_domain(shop: Shop) -> None:
    shop.put(BELOW)
    assert ask(shop.host.address, "www.wild.example").status == 503
    shop.host.deploy(shop.sites())
    assert shop.host.deploy(shop.sites()).changed == 0
    shop.host.told(f"rm {OTHER}; systemctl reload nginx")


def another_server_that_answers_for_the_domain_is_reported(shop: Shop) -> None:
    address = shop.host.address
    shop.put(ON_THE_ADDRESS.format(address=address).lstrip())
    assert ask(address, "shop.example").body == "not yours"
    told = f"another server answers for shop.example at {address}:80: {OTHER}:1 (server_name other.example; "
    # The release is not the cause: a new one goes live, and the run reports that visitors do not reach it.
    before = shop.current()
    shop.project.version(2)
    error = shop.fails("deploy.yml")
    assert f"site 'shop': the check through nginx failed: {told}" in error
    assert f"for www.wild.example at {address}:80: {OTHER}:1" in error
    assert shop.current() != before
    assert told in shop.fails("rollback.yml", "-e", "rollback_site=shop")
    assert shop.current() == before
    # The role nginx makes the sites listen on that address as well.
    shop.host.deploy(shop.sites())
    assert ask(address, "shop.example").status == 200
    shop.host.told(f"rm {OTHER}; systemctl reload nginx")


def a_release_that_does_not_answer_through_nginx_is_rolled_back(shop: Shop) -> None:
    before = shop.current()
    shop.project.edit("gallery/views.py", lambda text: text + TOO_BIG)
    error = shop.fails("deploy.yml")
    told = (
        "site 'shop': the check through nginx failed: / as shop.example answered 502; expected a status below 500 "
        f"(through nginx at {shop.host.address}:80); the previous release did answer"
    )
    assert told in error, error
    assert shop.current() == before
    assert ask(shop.host.address, "shop.example").status == 200
    shop.project.edit("gallery/views.py", lambda text: text.replace(TOO_BIG, ""))


def a_redirect_to_https_without_tls_is_reported(shop: Shop) -> None:
    host, before = shop.host, shop.current()
    wanted = (
        "/ as shop.example redirects to https://shop.example/, and nothing on this host serves https for it: "
        "set SECURE_SSL_REDIRECT: false in settings"
    )
    assert wanted in shop.fails("deploy.yml", settings={"SECURE_SSL_REDIRECT": True})
    assert shop.current() == before
    # With SECURE_PROXY_SSL_HEADER, TLS ends in front of this host: the check sends the header, and the site answers.
    behind = {"SECURE_SSL_REDIRECT": True, "SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_SSL", "on"]}
    host.deploy(shop.sites(settings=behind), "deploy.yml")
    assert ask(host.address, "shop.example").status == 301
    assert ask(host.address, "shop.example", headers={"X-Forwarded-Ssl": "on"}).status == 200


def a_status_of_nginx_itself_is_not_a_fault(shop: Shop) -> None:
    host = shop.host
    host.deploy(shop.sites(nginx={"options": {"deny": "all"}}))
    assert ask(host.address, "shop.example").status == 403
    # In check mode, the site is not checked, because the host is not changed yet.
    broken = {"nginx": {"options": {"return": "503"}}}
    assert host.play(shop.sites(**broken), "site.yml", "--check").status == 0
    assert "/ as shop.example answered 503" in shop.fails("site.yml", **broken)


def an_nginx_that_does_not_run_is_reported(shop: Shop) -> None:
    """These playbooks do not change nginx, but they must not report success."""
    shop.host.told("systemctl stop nginx")
    told = "the check through nginx failed: nginx has the site but does not run; start it: systemctl start nginx"
    assert f"site 'shop': {told}" in shop.fails("deploy.yml")
    assert f"site 'shop': {told}" in shop.fails("rollback.yml", "-e", "rollback_site=shop")
