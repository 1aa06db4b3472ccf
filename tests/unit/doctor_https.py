"""Test cases of nginx about https: certificates, renewal, redirects, proxies in front of nginx."""

from __future__ import annotations

from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import Fetched
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_tls import (
    CertificateFile,
    Failures,
    InFront,
    Redirect,
    Renewal,
    Shown,
    Trigger,
    Walk,
)
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match
from ansible_collections.pyweb.stack.plugins.module_utils.tls.openssl import Certificate
from doctor_evidence import NOW, PARAMS, Case, answer, put

DAY = 86400
PATH = "/etc/letsencrypt/live/shop/fullchain.pem"
CONF = "/etc/letsencrypt/renewal/shop.conf"
# NOW is 2027-01-15.
TIMER = Trigger("certbot", "certbot.timer", True)
SAID = "shop.example: 192.0.2.1: Timeout during connect (connection)"
REFUSED = "shop.example: DNS problem: NXDOMAIN (dns)"


def leaf(days=60, life=90, issuer="CN=R11", fingerprint="a" * 64):
    """Return a certificate that expires in this number of days."""
    ends = int(NOW + days * DAY)
    names = ("shop.example",)
    return Certificate("CN=shop.example", issuer, names, ends - life * DAY, ends, fingerprint, "")


def secure(site, host, shown=None, file=None, verdict="", **more):
    """Turn the entrance into an https entrance. By default the file contains the certificate that is served."""
    shown = shown or leaf()
    found = CertificateFile(PATH, "/etc/nginx/a.conf:7", PATH, file or shown, **more)
    distrust = "unable to get local issuer certificate" if more else ""
    put(site.entrances[0], tls=True, shown=Shown("PEM", shown, verdict, distrust), certificate=verdict)
    put(site.entrances[0], file=found, certificate_place=PATH)
    put(site.renewal, program="certbot", name="shop", file=CONF, triggers=[TIMER])


def renewed_by(site, host, kind="", days=60, verdict="", **renewal):
    secure(site, host, leaf(days), verdict=verdict)
    put(site.https, kind=kind)
    put(site.renewal, **renewal)


def nobody_renews(site, host, kind="none", days=5):
    secure(site, host, leaf(days))
    put(site, renewal=Renewal())
    put(site.https, kind=kind)


def stand_in(site, host, said=""):
    # Nothing is reported of a placeholder: it has a short lifetime, and may have expired.
    secure(site, host, leaf(-1, 7, "CN=shop.example"), leaf(fingerprint="c" * 64), "certificate has expired")
    put(site.https, kind="acme", placeholder=True)
    put(site.renewal, off="it is not there", failures=Failures("2027-01-14 03:00:00", "2027-01-14 03:00:00", said))


def public(site, host, kind="none"):
    secure(site, host, leaf(issuer="CN=shop.example"))
    put(site.https, kind=kind)
    put(site.entrances[0], domain="shop.de")


def server(text):
    [found] = match.servers(dump.parse(f"# configuration file /n:\nhttp {{ server {{\n{text}\n}} }}"))
    return found


def behind(site, host, location, walks=()):
    secure(site, host)
    found = server(f"listen 443 ssl; server_name shop.example;\nlocation / {{ {location} }}")
    put(site.entrances[0], server=found, wanted=[found])
    put(site, walks=list(walks))


def round_trip(site, host, *redirects, settings=None, told="uwsgi_param HTTPS on;"):
    """Return a redirect loop: each redirect is (from, to, maker), with '' for the application."""
    made = [Redirect(url, 301, target, maker, not maker) for url, target, maker in redirects]
    behind(site, host, f"uwsgi_pass unix:/a; {told}", [Walk(made[0].url, made, made[-1].location)])
    put(site.inside["settings"], **(settings or {}))


def closed(site, host, status=503):
    """Return a site whose nginx refuses requests while a condition holds."""
    found = server(
        "if ($maintenance) { return 503; }\nauth_basic shop;\n" + f"location / {{ uwsgi_pass unix:/a; {PARAMS} }}"
    )
    put(site, chain=match.locate(found, "/"), wanted_status=[200])
    put(site, media=Fetched("/media/a.png", status, file="/srv/a.png"))
    put(site.static, status=status)
    put(site.entrances[0], answer=answer(status, "x"))


def lost(site, host, maker):
    made = [Redirect("http://shop.example/", 301, "https://shop.example/", maker, not maker)]
    put(site, walks=[Walk("http://shop.example/", made, leaves="https://shop.example/", unserved=True)])


HTTP, HTTPS, WWW = "http://shop.example/", "https://shop.example/", "https://www.shop.example/"
TO_HTTPS = "return 301 https://$host$request_uri in /n:1"
RELOAD = "nginx -t && systemctl reload nginx"
# The port and the listener of an entrance that uses https belong to another hop.
CASES = [
    Case(
        "a file that nginx has not read yet",
        lambda site, host: secure(site, host, leaf(10), leaf(70, fingerprint="b" * 64)),
        "nginx.certificate-not-reloaded",
        "degraded",
        f"nginx still serves a certificate for shop.example that ends on 2027-01-25; the one in {PATH} ends on "
        "2027-03-26: nginx has not been reloaded since that file was written",
        f"{RELOAD}; for the next time: renew_hook = systemctl reload nginx, in [renewalparams] of {CONF}",
        (
            "served: from 2026-10-27 to 2027-01-25, aaaaaaaaaaaaaaaa",
            f"{PATH}: from 2026-12-26 to 2027-03-26, bbbbbbbbbbbbbbbb",
        ),
    ),
    Case(
        "a file that nginx has not read, and the served certificate has expired",
        lambda site, host: (
            secure(site, host, leaf(-1), leaf(70, fingerprint="b" * 64), "certificate has expired"),
            put(site.https, kind="acme"),
        ),
        "nginx.certificate-not-reloaded",
        "broken",
        f"nginx still serves a certificate for shop.example that ends on 2027-01-14; the one in {PATH} ends on "
        "2027-03-26: nginx has not been reloaded since that file was written",
        f"{RELOAD}; pyweb.stack.site restores the unit that does that after a renewal",
    ),
    Case(
        "a file of acme.sh that nginx has not read",
        lambda site, host: (
            secure(site, host, leaf(40), leaf(70, fingerprint="b" * 64)),
            put(site.renewal, program="acme.sh", triggers=[Trigger("acme.sh", "/var/spool/cron/root", True)]),
        ),
        "nginx.certificate-not-reloaded",
        "degraded",
        f"nginx still serves a certificate for shop.example that ends on 2027-02-24; the one in {PATH} ends on "
        "2027-03-26: nginx has not been reloaded since that file was written",
        f"{RELOAD}; for the next time: acme.sh --install-cert -d shop --reloadcmd 'systemctl reload nginx'",
    ),
    Case(
        "a file of another program that nginx has not read",
        lambda site, host: (
            secure(site, host, leaf(40), leaf(70, fingerprint="b" * 64)),
            put(site, renewal=Renewal()),
        ),
        "nginx.certificate-not-reloaded",
        "degraded",
        f"nginx still serves a certificate for shop.example that ends on 2027-02-24; the one in {PATH} ends on "
        "2027-03-26: nginx has not been reloaded since that file was written",
        f"{RELOAD}; for the next time: make the program that renews the file do that",
    ),
    Case(
        "a file of the inventory that another program has renewed",
        lambda site, host: (
            secure(site, host, leaf(40), leaf(70, fingerprint="b" * 64)),
            put(site.https, kind="path"),
        ),
        "nginx.certificate-not-reloaded",
        "degraded",
        f"nginx still serves a certificate for shop.example that ends on 2027-02-24; the one in {PATH} ends on "
        "2027-03-26: nginx has not been reloaded since that file was written",
        f"systemctl start pyweb-tls-shop.service; {RELOAD}; systemctl enable --now pyweb-tls-shop.path does that "
        "whenever the file changes",
    ),
    Case(
        "a chain without its intermediate, which is next to it",
        lambda site, host: secure(site, host, missing="CN=R11", beside="/etc/letsencrypt/live/shop/chain.pem"),
        "nginx.certificate-chain",
        "degraded",
        f"{PATH} does not contain the certificate of CN=R11, which issued that of shop.example: some browsers download "
        "it, but programs and phones refuse the connection",
        f"append /etc/letsencrypt/live/shop/chain.pem to {PATH}, then {RELOAD}",
        ("TLS to 192.0.2.1:80: unable to get local issuer certificate", "/etc/nginx/a.conf:7"),
    ),
    Case(
        "a chain without its intermediate, next to the full chain",
        lambda site, host: secure(site, host, missing="CN=R11", beside="/etc/letsencrypt/live/shop/fullchain.pem"),
        "nginx.certificate-chain",
        "degraded",
        f"{PATH} does not contain the certificate of CN=R11, which issued that of shop.example: some browsers download "
        "it, but programs and phones refuse the connection",
        f"ssl_certificate /etc/letsencrypt/live/shop/fullchain.pem; in /etc/nginx/a.conf:7, then {RELOAD}",
    ),
    Case(
        "a chain of the inventory without its intermediate",
        lambda site, host: (
            secure(site, host, missing="CN=R11", issuer_told=True),
            put(site.https, kind="certificate"),
        ),
        "nginx.certificate-chain",
        "degraded",
        f"{PATH} does not contain the certificate of CN=R11, which issued that of shop.example: some browsers download "
        "it, but programs and phones refuse the connection",
        "append the certificate of CN=R11 to `certificate` in web_sites[].tls, then run pyweb.stack.site",
    ),
    Case(
        "a chain of a public CA without its intermediate",
        lambda site, host: secure(site, host, missing="CN=R11", issuer_told=True),
        "nginx.certificate-chain",
        "degraded",
        f"{PATH} does not contain the certificate of CN=R11, which issued that of shop.example: some browsers download "
        "it, but programs and phones refuse the connection",
        f"append the intermediate certificate of your CA to {PATH}, then {RELOAD}",
    ),
    Case(
        "a certificate that certbot has not renewed",
        lambda site, host: renewed_by(site, host, days=13),
        "nginx.certificate-expires",
        "degraded",
        "the certificate of shop.example ends on 2027-01-28, in 13 days; it should have been renewed by now",
        "certbot renew --cert-name shop, which shows why it was not renewed",
        ("from 2026-10-30 to 2027-01-28; issued by CN=R11",),
    ),
    Case(
        "a six-day certificate in its last hours",
        lambda site, host: secure(site, host, leaf(1.5, 6)),
        "nginx.certificate-expires",
        "degraded",
        "the certificate of shop.example ends on 2027-01-16, in 36 hours; it should have been renewed by now",
        "certbot renew --cert-name shop, which shows why it was not renewed",
    ),
    Case(
        "a certificate that nothing renews",
        nobody_renews,
        "nginx.certificate-expires",
        "degraded",
        "the certificate of shop.example ends on 2027-01-20, in 5 days; no program on this host is known to renew it",
        f"a new certificate in {PATH}, then {RELOAD}",
    ),
    Case(
        "a managed self-signed certificate near its expiry",
        lambda site, host: nobody_renews(site, host, "selfsigned"),
        "nginx.certificate-expires",
        "degraded",
        "the certificate of shop.example ends on 2027-01-20, in 5 days; it should have been renewed by now",
        "pyweb.stack.site creates a new one",
    ),
    Case(
        "a certificate of the inventory near its expiry",
        lambda site, host: nobody_renews(site, host, "certificate"),
        "nginx.certificate-expires",
        "degraded",
        "the certificate of shop.example ends on 2027-01-20, in 5 days; no program on this host is known to renew it",
        "set web_sites[].tls of shop (certificate and key), then run pyweb.stack.site",
    ),
    Case(
        "a self-signed certificate for a public name",
        public,
        "nginx.certificate-untrusted",
        "degraded",
        f"the certificate of shop.de is self-signed ({PATH}): browsers warn every visitor",
        "web_sites[].tls: {acme: {}}; by hand: certbot --nginx -d shop.de",
        ("TLS to 192.0.2.1:80 for shop.de: self-signed",),
    ),
    Case(
        "a certificate that the CA has not issued",
        stand_in,
        "nginx.certificate-placeholder",
        "broken",
        "the CA has issued no certificate for shop.example yet, and nginx serves a temporary one",
        "run pyweb.stack.site, which asks the CA again and reports what it needs",
        ("/etc/sites/shop/tls/live/placeholder",),
    ),
    Case(
        "a certificate that the CA has refused",
        lambda site, host: stand_in(site, host, REFUSED),
        "nginx.certificate-placeholder",
        "broken",
        "the CA has issued no certificate for shop.example yet, and nginx serves a temporary one; its last message "
        f"was: {REFUSED}",
        "run pyweb.stack.site, which asks the CA again and reports what it needs",
        (f"2027-01-14 03:00:00: {REFUSED}",),
    ),
    Case(
        "an inactive timer",
        lambda site, host: renewed_by(
            site,
            host,
            triggers=[
                Trigger("certbot", "certbot.timer", False, "enabled, inactive", "systemctl enable --now certbot.timer")
            ],
        ),
        "nginx.renewal-off",
        "degraded",
        "nothing starts certbot, so the certificate shop is not renewed: certbot.timer: enabled, inactive",
        "systemctl enable --now certbot.timer",
        ("certbot.timer: enabled, inactive",),
    ),
    Case(
        "a timer that is not enabled",
        lambda site, host: renewed_by(
            site, host, triggers=[Trigger("certbot", "certbot.timer", True, "it is disabled", "systemctl enable it")]
        ),
        "nginx.renewal-off",
        "degraded",
        "nothing starts certbot after the next boot, so the certificate shop is not renewed: certbot.timer: it is "
        "disabled",
        "systemctl enable it",
    ),
    Case(
        "no timer and no cron",
        lambda site, host: renewed_by(site, host, triggers=[]),
        "nginx.renewal-off",
        "degraded",
        "nothing starts certbot, so the certificate shop is not renewed: there is no timer and no cron job",
        "a line in /etc/cron.d: 17 3,15 * * * root certbot -q renew",
        ("no timer or cron job that starts certbot",),
    ),
    Case(
        "no timer and no cron, on a managed host, with an expired certificate",
        lambda site, host: renewed_by(site, host, "acme", -1, "certificate has expired", triggers=[]),
        "nginx.renewal-off",
        "broken",
        "nothing starts certbot, so the certificate shop is not renewed: there is no timer and no cron job",
        "run pyweb.stack.site",
    ),
    Case(
        "a disabled renewal",
        lambda site, host: renewed_by(site, host, off=f"{CONF} says autorenew = False"),
        "nginx.renewal-off",
        "degraded",
        f"the certificate shop is not renewed: {CONF} says autorenew = False",
        f"remove autorenew = False from {CONF}",
        (CONF,),
    ),
    Case(
        "a certificate that certbot has forgotten",
        lambda site, host: renewed_by(site, host, off=f"certbot has no {CONF}"),
        "nginx.renewal-off",
        "degraded",
        f"the certificate shop is not renewed: certbot has no {CONF}",
        "get a new certificate with certbot (certbot --nginx), or use one that another program renews",
    ),
    Case(
        "a renewal that fails",
        lambda site, host: renewed_by(
            site,
            host,
            failures=Failures("2027-01-12 03:00:00", "2027-01-14 15:00:00", REFUSED),
            triggers=[Trigger("certbot", "certbot.timer", True, ended="certbot.service: exit-code, Thu")],
        ),
        "nginx.renewal-failing",
        "degraded",
        f"certbot has failed to renew the certificate shop since 2027-01-12 03:00:00: {REFUSED}",
        "certbot renew --dry-run --cert-name shop shows the same error, and whether a change helps; port 80 must be "
        "open and must lead to this host",
        ("the last time: 2027-01-14 15:00:00", "certbot.service: exit-code, Thu"),
    ),
    Case(
        "an overdue renewal of acme.sh, with an expired certificate",
        lambda site, host: renewed_by(
            site,
            host,
            days=-1,
            verdict="certificate has expired",
            program="acme.sh",
            failures=Failures("2027-01-01", "2027-01-01", "its next renewal was due then"),
        ),
        "nginx.renewal-failing",
        "broken",
        "acme.sh has failed to renew the certificate shop since 2027-01-01: its next renewal was due then",
        "acme.sh --renew -d shop shows the same error, and whether a change helps; port 80 must be open and must lead "
        "to this host",
    ),
    Case(
        "an application that gets no header about TLS",
        lambda site, host: behind(site, host, "uwsgi_pass unix:/a; uwsgi_param HTTP_HOST $host;"),
        "nginx.scheme-untold",
        "degraded",
        "nginx terminates TLS for shop.example but does not tell the application, which treats every request as http",
        "web_sites[].tls with pyweb.stack.site, or uwsgi_param HTTPS $https if_not_empty; at /n:3; by hand: "
        "uwsgi_param HTTPS $https if_not_empty; at /n:3",
        ("uwsgi_pass unix:/a; in /n:3, and none of HTTPS, UWSGI_SCHEME, HTTP_X_FORWARDED_PROTO",),
    ),
    Case(
        "an application behind http that gets no header about TLS",
        lambda site, host: behind(site, host, "proxy_pass http://127.0.0.1:8000;"),
        "nginx.scheme-untold",
        "degraded",
        "nginx terminates TLS for shop.example but does not tell the application, which treats every request as http",
        "web_sites[].tls with pyweb.stack.site, or proxy_set_header X-Forwarded-Proto $scheme; at /n:3, and "
        "SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https') in the settings; by hand: "
        "proxy_set_header X-Forwarded-Proto $scheme; at /n:3, and "
        "SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https') in the settings",
    ),
    Case(
        "an application that requires TLS and gets no header about it",
        lambda site, host: round_trip(site, host, (HTTPS, HTTPS, ""), settings={"ssl_redirect": True}, told=""),
        "nginx.scheme-untold",
        "broken",
        "nginx terminates TLS for shop.example but does not tell the application, which treats every request as http",
        "web_sites[].tls with pyweb.stack.site, or uwsgi_param HTTPS $https if_not_empty; at /n:3; by hand: "
        "uwsgi_param HTTPS $https if_not_empty; at /n:3",
    ),
    Case(
        "Django that ignores the header",
        lambda site, host: round_trip(
            site, host, (HTTP, HTTPS, TO_HTTPS), (HTTPS, HTTPS, ""), settings={"ssl_redirect": True, "proxy_header": []}
        ),
        "nginx.redirect-loop",
        "broken",
        f"{HTTPS} is redirected forever, by the application: SECURE_SSL_REDIRECT is on, and without "
        "SECURE_PROXY_SSL_HEADER Django treats every request as http",
        "SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https') in the settings, as nginx passes that on; or "
        "web_sites[].settings.SECURE_SSL_REDIRECT: false, because nginx redirects; by hand: set "
        "SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https') in the settings, as nginx passes that on; or "
        "SECURE_SSL_REDIRECT = False",
        (
            f"GET {HTTP} -> 301, Location: {HTTPS}; {TO_HTTPS}",
            f"GET {HTTPS} -> 301, Location: {HTTPS}; the application",
        ),
    ),
    Case(
        "an application that redirects to itself",
        lambda site, host: round_trip(site, host, (HTTPS, HTTPS, "")),
        "nginx.redirect-loop",
        "broken",
        f"{HTTPS} is redirected forever, by the application",
        "look for the redirect in the project: MIDDLEWARE, urls, PREPEND_WWW, SECURE_SSL_HOST",
    ),
    Case(
        "nginx and the application disagree",
        lambda site, host: round_trip(site, host, (WWW, HTTPS, TO_HTTPS), (HTTPS, WWW, "")),
        "nginx.redirect-loop",
        "broken",
        f"{WWW} is redirected forever, by {TO_HTTPS} and the application",
        f"let only one of them redirect: {TO_HTTPS}; the application; PREPEND_WWW and SECURE_SSL_REDIRECT: false in "
        "the settings",
    ),
    Case(
        "two servers of nginx disagree about www",
        lambda site, host: round_trip(
            site, host, (HTTPS, WWW, "return 301 a in /n:1"), (WWW, HTTPS, "rewrite b in /n:2")
        ),
        "nginx.redirect-loop",
        "broken",
        f"{HTTPS} is redirected forever, by return 301 a in /n:1 and rewrite b in /n:2",
        "change one of them: return 301 a in /n:1; rewrite b in /n:2",
    ),
    Case(
        "nginx redirects to https that is not served",
        lambda site, host: lost(site, host, TO_HTTPS),
        "nginx.redirect-loop",
        "broken",
        f"{HTTP} is redirected to {HTTPS}, which nothing on this host serves; a proxy that terminates TLS would be "
        f"redirected there again and again, because its X-Forwarded-Proto is ignored. {TO_HTTPS} does that",
        "web_sites[].tls, or behind such a proxy web_sites[].nginx.trusted_proxies; by hand: redirect only if "
        "($http_x_forwarded_proto = http)",
    ),
    Case(
        "an application redirects to https that is not served",
        lambda site, host: lost(site, host, ""),
        "nginx.redirect-loop",
        "broken",
        f"{HTTP} is redirected to {HTTPS}, which nothing on this host serves; a proxy that terminates TLS would be "
        "redirected there again and again, because its X-Forwarded-Proto is ignored. the application does that",
        "web_sites[].tls, or behind such a proxy web_sites[].nginx.trusted_proxies; by hand: uwsgi_param "
        "HTTP_X_FORWARDED_PROTO $http_x_forwarded_proto, and SECURE_PROXY_SSL_HEADER in the settings",
    ),
    Case(
        "a proxy that nginx does not trust",
        lambda site, host: put(site, in_front=InFront(["10.0.0.7"], ["a request of 10.0.0.7"])),
        "nginx.untrusted-proxy",
        "degraded",
        "the client 10.0.0.7 sends the client's address and scheme, but nginx does not trust it: the site sees that "
        "address for every client, and the scheme that the proxy used",
        "if that is your proxy: web_sites[].nginx.trusted_proxies: [10.0.0.7]; if it is not, the headers are forged, "
        "and nginx is right; by hand: set set_real_ip_from and real_ip_header X-Forwarded-For, and the scheme by "
        "$http_x_forwarded_proto; if it is not, the headers are forged, and nginx is right",
        ("a request of 10.0.0.7",),
    ),
    Case(
        "a proxy that uses the PROXY protocol",
        lambda site, host: put(site, in_front=InFront(["10.0.0.7"], ["PROXY TCP4"], greeted=True)),
        "nginx.untrusted-proxy",
        "degraded",
        "the client 10.0.0.7 speaks the PROXY protocol, which nginx does not expect there",
        "if that is your proxy: web_sites[].nginx.trusted_proxies: [10.0.0.7] and nginx.proxy_protocol: true; by hand: "
        "listen ... proxy_protocol",
    ),
    Case(
        "a directive without effect",
        lambda site, host: put(
            site, in_front=InFront(unset="real_ip_header X-Real-IP in /n:1 without set_real_ip_from")
        ),
        "nginx.untrusted-proxy",
        "degraded",
        "real_ip_header X-Real-IP in /n:1 without set_real_ip_from has no effect: no proxy is trusted, so every client "
        "has the address of the proxy",
        "web_sites[].nginx.trusted_proxies with pyweb.stack.site; by hand: set set_real_ip_from with the addresses of "
        "your proxies",
    ),
    Case(
        "a site in maintenance",
        closed,
        "nginx.maintenance",
        "degraded",
        "nginx is closed for maintenance: return 503 in /n:2: every client that is not exempt gets 503",
        "pyweb.stack.maintenance -e maintenance_site=shop -e maintenance=false; by hand: remove the condition at /n:2",
    ),
    Case(
        "a look that failed",
        lambda site, host: put(site, unexamined=["the certificate: KeyError (look_tls.py:33)"]),
        "nginx.unexamined",
        "unknown",
        "the certificate: KeyError (look_tls.py:33): this check failed; this is a bug in pyweb.stack, please report it",
        "the rest of the report is not affected",
    ),
]
