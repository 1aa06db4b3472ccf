"""The last check of a run: each site answers on its own name, at the host's own address, through nginx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from client import ask
from host import Host
from sites import Project

OTHER = "/etc/nginx/conf.d/other.conf"
# nginx prefers a server with the very address to one that listens on all of them.
ON_THE_ADDRESS = """
server {{
    listen {address}:80;
    server_name other.example;
    return 200 "not yours";
}}
"""
# The name is below the domain of a site of ours, which is nobody's fault.
BELOW = """
server {
    listen 80;
    server_name www.wild.example;
    return 503;
}
"""
# A header that uWSGI sends and that nginx does not take: the release is well, and no visitor gets a page.
TOO_BIG = """

_index = index

def index(request):
    response = _index(request)
    response["X-Big"] = "x" * 50000
    return response
"""


class Shop:
    """A site with a domain of its own beside one for whatever is below another domain."""

    def __init__(self, host: Host, project: Project) -> None:
        self.host, self.project = host, project

    def sites(self, **keys: Any) -> list[dict[str, Any]]:
        """The inventory, with more keys for the first site."""
        base = {"source": {"directory": str(self.project.folder)}, "uwsgi": {"processes": 1}}
        return [
            {**base, "name": "shop", "domains": ["*.shop.example", "shop.example"], **keys},
            {**base, "name": "wild", "domains": ["*.wild.example"]},
        ]

    def current(self) -> str:
        return self.host.told("readlink /opt/sites/shop/current")

    def put(self, text: str) -> None:
        """Let somebody else write a file of nginx."""
        self.host.told(f"cat > {OTHER}; nginx -t -q && systemctl reload nginx && sleep 0.5", stdin=text)

    def fails(self, playbook: str, *words: str, **keys: Any) -> str:
        run = self.host.play(self.sites(**keys), playbook, *words)
        assert run.status != 0, run.output[-2000:]
        return run.error


@pytest.mark.same_everywhere
def test_a_site_that_does_not_answer_on_its_own_name(host: Host, tmp_path: Path) -> None:
    shop = Shop(host, Project(tmp_path / "project"))
    host.deploy(shop.sites())
    assert ask(host.address, "shop.example").status == 200
    names_below_a_domain_may_be_somebody_elses(shop)
    somebody_elses_server_is_named(shop)
    a_release_that_no_visitor_gets_is_taken_back(shop)
    https_without_tls_is_refused_by_name(shop)
    what_nginx_itself_answers_is_no_fault(shop)
    an_nginx_that_does_not_run_is_told(shop)


def names_below_a_domain_may_be_somebody_elses(shop: Shop) -> None:
    shop.put(BELOW)
    assert ask(shop.host.address, "www.wild.example").status == 503
    shop.host.deploy(shop.sites())
    assert shop.host.deploy(shop.sites()).changed == 0
    shop.host.told(f"rm {OTHER}; systemctl reload nginx")


def somebody_elses_server_is_named(shop: Shop) -> None:
    address = shop.host.address
    shop.put(ON_THE_ADDRESS.format(address=address).lstrip())
    assert ask(address, "shop.example").body == "not yours"
    told = f"another server answers for shop.example at {address}:80: {OTHER}:1 (server_name other.example; "
    # No release is to blame: a new one goes live, and the run says that nobody gets it.
    before = shop.current()
    shop.project.version(2)
    error = shop.fails("deploy.yml")
    assert f"site 'shop': the check through nginx failed: {told}" in error
    assert f"for www.wild.example at {address}:80: {OTHER}:1" in error
    assert shop.current() != before
    assert told in shop.fails("rollback.yml", "-e", "rollback_site=shop")
    assert shop.current() == before
    # The role nginx has the sites listen at that address as well.
    shop.host.deploy(shop.sites())
    assert ask(address, "shop.example").status == 200
    shop.host.told(f"rm {OTHER}; systemctl reload nginx")


def a_release_that_no_visitor_gets_is_taken_back(shop: Shop) -> None:
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


def https_without_tls_is_refused_by_name(shop: Shop) -> None:
    host, before = shop.host, shop.current()
    wanted = (
        "/ as shop.example redirects to https://shop.example/, and nothing on this host serves https for it: "
        "set SECURE_SSL_REDIRECT: false in settings"
    )
    assert wanted in shop.fails("deploy.yml", settings={"SECURE_SSL_REDIRECT": True})
    assert shop.current() == before
    # The project says that TLS ends in front of this host: there it is asked by https, and answers.
    behind = {"SECURE_SSL_REDIRECT": True, "SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_SSL", "on"]}
    host.deploy(shop.sites(settings=behind), "deploy.yml")
    assert ask(host.address, "shop.example").status == 301
    assert ask(host.address, "shop.example", headers={"X-Forwarded-Ssl": "on"}).status == 200


def what_nginx_itself_answers_is_no_fault(shop: Shop) -> None:
    host = shop.host
    host.deploy(shop.sites(nginx={"options": {"deny": "all"}}))
    assert ask(host.address, "shop.example").status == 403
    # Check mode does not ask a host that is not yet as it will be.
    broken = {"nginx": {"options": {"return": "503"}}}
    assert host.play(shop.sites(**broken), "site.yml", "--check").status == 0
    assert "/ as shop.example answered 503" in shop.fails("site.yml", **broken)


def an_nginx_that_does_not_run_is_told(shop: Shop) -> None:
    """Neither of these playbooks touches nginx, and neither says that all is well."""
    shop.host.told("systemctl stop nginx")
    told = "the check through nginx failed: nginx has the site but does not run; start it: systemctl start nginx"
    assert f"site 'shop': {told}" in shop.fails("deploy.yml")
    assert f"site 'shop': {told}" in shop.fails("rollback.yml", "-e", "rollback_site=shop")
