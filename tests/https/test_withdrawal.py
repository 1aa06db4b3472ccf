"""What is left of certificates when their sites go. Last, for other tests need the sites."""

from __future__ import annotations

from world import World


def test_a_site_that_goes_is_not_renewed_and_purge_takes_its_pair(served: World) -> None:
    asked = served.authority.orders
    served.set("shop", state="absent")
    served.set("blog", state="absent", purge=True)
    served.converge()
    told = served.host.told("certbot certificates 2>/dev/null")
    assert "pyweb-shop" not in told
    assert "pyweb-blog" not in told
    assert served.renew().returncode == 0
    assert served.authority.orders == asked or "pyweb-late" in told
    served.host.told("test ! -e /etc/sites/blog && test ! -e /etc/letsencrypt/live/pyweb-blog")
    left = served.host.told("grep -rl pyweb-blog /etc/letsencrypt || true")
    assert left == "", left
    # Nobody answers to the names any more.
    assert served.visitor.ask("shop.example").status == 0
    assert served.visitor_of("own").ask("own.example").status == 200
