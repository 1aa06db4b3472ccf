"""The first certificates of a bare host, what prevents their issue, and when they are issued again."""

from __future__ import annotations

import time

import breakpoints
import pytest
from breakpoints import Point
from conftest import TOKEN
from visitor import TlsProber
from world import TIMER, World

DAY = 24 * 3600


def test_one_run_on_a_bare_host_issues_certificates_for_every_site(world: World) -> None:
    assert world.first is not None
    assert world.first.status == 0, world.first.error
    shop, blog = world.shown("shop"), world.shown("blog")
    assert shop.names == {"shop.example", "www.shop.example"}
    # By DNS, because wildcards require that.
    assert blog.names == {"blog.example", "*.blog.example"}
    for shown in (shop, blog):
        assert 5 * DAY < shown.ends - time.time() < 7 * DAY
    # Verified up to the root, so the intermediate certificate is sent as well.
    for name in ("shop.example", "www.shop.example", "blog.example", "any.blog.example"):
        assert world.visitor.ask(name, "/healthz").status in (200, 308), name
    assert world.visitor.ask("shop.example").status == 200
    assert world.authority.orders == 2
    # Renewal needs no run: the distribution's timer does it.
    assert world.host.told(f"systemctl is-enabled {TIMER}; systemctl is-active {TIMER}") == "enabled\nactive"
    told = world.first.output + world.host.journal(4000)
    assert TOKEN not in told
    assert world.pairs["own"][1].splitlines()[1] not in told


def test_a_second_run_changes_nothing_and_sends_no_request_to_the_ca(served: World) -> None:
    asked, live = served.authority.questions, served.live("shop")
    # Although the certificates are due for renewal, because the timer renews them.
    again = served.converge()
    assert again.changed == 0, again.changes
    assert (served.authority.questions, served.live("shop")) == (asked, live)


def test_a_domain_that_resolves_elsewhere_fails_the_site_and_keeps_its_certificate(served: World) -> None:
    before = served.shown("shop")
    served.authority.lead("new.shop.example", served.authority.address)
    served.set("shop", domains=["shop.example", "www.shop.example", "new.shop.example"])
    run = served.play()
    served.authority.lead("new.shop.example")
    assert run.status != 0
    first = next(line for line in run.error.splitlines() if "site 'shop'" in line)
    assert "new.shop.example" in first
    assert "404" in run.error
    assert served.shown("shop") == before
    assert served.visitor.ask("shop.example").status == 200
    # The other sites are not affected.
    assert served.visitor.ask("blog.example").status == 200


@pytest.mark.same_everywhere
def test_a_closed_port_80_fails_the_site_and_keeps_its_certificate(served: World) -> None:
    before = served.shown("shop")
    with served.refused("input", f"ip saddr {served.authority.address} tcp dport 80"):
        run = served.play()
    assert run.status != 0
    assert "port 80" in run.error
    assert "refused" in run.error.lower()
    assert served.shown("shop") == before
    assert served.visitor.ask("shop.example").status == 200


def test_changed_domains_get_a_new_certificate_without_a_failed_request(served: World) -> None:
    orders = served.authority.orders
    certificate, key = served.pairs["own"]
    served.host.told("mkdir -p /srv/pair")
    served.write("/srv/pair/certificate.pem", certificate)
    served.write("/srv/pair/key.pem", key)
    # In the same run, `own` changes to the same pair in files on the host.
    served.set("own", tls={"certificate": "/srv/pair/certificate.pem", "key": "/srv/pair/key.pem"})
    with TlsProber(served.visitor, "shop.example") as shop, TlsProber(served.visitor_of("own"), "own.example") as own:
        run = served.converge()
    assert run.changed > 0
    assert served.shown("shop").names == {"shop.example", "www.shop.example", "new.shop.example"}
    assert served.authority.orders == orders + 1, "expected exactly one new certificate"
    assert len(shop.answers) > 20
    assert not shop.failures, shop.failures
    assert not own.failures, own.failures


@pytest.mark.same_everywhere
def test_a_run_that_is_killed_before_the_issue_is_completed_by_the_next(served: World) -> None:
    orders = served.authority.orders
    served.add("late", tls=served.acme())
    breakpoints.arm(served.host, Point("module_utils.tls", "issue"))
    playing = served.host.begin(served.sites.sites)
    process = breakpoints.wait(served.host, playing)
    playing.kill()
    breakpoints.kill(served.host, process)
    # The site is already served, with a self-signed certificate; the other sites are not affected.
    assert served.visitor_of("late").ask("late.example").status == 200
    assert served.authority.orders == orders
    assert served.visitor.ask("shop.example").status == 200
    served.converge()
    assert served.shown("late").names == {"late.example"}
    assert served.authority.orders == orders + 1
