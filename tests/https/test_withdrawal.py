"""What is left of the certificates of removed sites. This runs last, because other tests need the sites."""

from __future__ import annotations

from world import World


def test_a_removed_site_is_not_renewed_and_purge_removes_its_certificate(served: World) -> None:
    orders = served.authority.orders
    issued = [site["name"] for site in served.sites.sites if "acme" in site.get("tls", {})]
    for name in issued:
        served.set(name, state="absent", purge=name != "shop")
    served.converge()
    told = served.host.told("certbot certificates 2>/dev/null")
    assert not [name for name in issued if f"pyweb-{name}" in told], told
    served.host.told("test -d /etc/sites/shop/tls/pairs && test ! -e /etc/sites/shop/tls/live")
    served.host.told("test ! -e /etc/sites/blog")
    # Private keys are removed as well, and the CA gets no further orders.
    assert served.host.told("find /etc/letsencrypt -name '*pyweb-blog*'") == ""
    assert served.renew().returncode == 0
    assert served.authority.orders == orders
    assert served.visitor.ask("shop.example").status == 0
    assert served.visitor_of("own").ask("own.example").status == 200
