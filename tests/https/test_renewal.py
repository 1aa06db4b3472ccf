"""Renewal without Ansible: only by the service of certbot's timer, which the tests start."""

from __future__ import annotations

from visitor import TlsProber
from world import World


def test_the_timer_renews_certificates_without_a_failed_request(served: World) -> None:
    before = {name: served.shown(name) for name in ("shop", "blog")}
    with TlsProber(served.visitor, "shop.example") as shop, TlsProber(served.visitor, "blog.example") as blog:
        renewed = served.renew()
    assert renewed.returncode == 0, served.host.journal()
    for name, shown in before.items():
        served.assert_renewed(name, shown)
        assert served.shown(name).names == shown.names
    assert len(shop.answers) > 5
    assert not shop.failures, shop.failures
    assert not blog.failures, blog.failures
    # Only the last two pairs of files are kept.
    assert served.host.told("ls /etc/sites/shop/tls/pairs | wc -l") == "2", "not exactly the last two pairs are kept"


def test_while_the_ca_is_down_the_old_certificate_is_served(served: World) -> None:
    before = served.shown("shop")
    with served.refused("output", f"ip daddr {served.authority.address} tcp dport 14000"):
        renewed = served.renew()
    assert renewed.returncode != 0, "the service of the timer did not fail"
    assert served.shown("shop") == before
    assert served.visitor.ask("shop.example").status == 200


def test_if_nginx_cannot_reload_the_old_certificate_stays_until_the_next_renewal(served: World) -> None:
    before, live = served.shown("shop"), served.live("shop")
    with served.broken_nginx():
        served.renew()
        assert served.shown("shop") == before
        assert served.live("shop") == live
        assert served.visitor.ask("shop.example").status == 200
        # nginx's error is in certbot's log or in the journal.
        told = served.host.told("cat /var/log/letsencrypt/letsencrypt.log") + served.host.journal(200)
        assert "no_such_directive" in told
    renewed = served.renew()
    assert renewed.returncode == 0, served.host.journal()
    served.assert_renewed("shop", before)
    again = served.converge()
    assert again.changed == 0, again.changes
