"""Whether nginx runs, its configuration, ports and certificates: the doctor's exact messages for each fault."""

from __future__ import annotations

import doctor_by_hand
import doctor_logs
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import Ran
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_directives import Temporary
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from ansible_collections.pyweb.stack.plugins.module_utils.host.processes import Listener
from doctor_evidence import Case, answer, check, evidence, faults_of, put, roots
from doctor_https import CASES as HTTPS_CASES
from doctor_https import closed
from doctor_visitors import NGINX as NGINX_OF_VISITORS

NO_IPV6 = "nginx: [emerg] socket() [::]:80 failed (97: Address family not supported by protocol)"
KEY = (
    'nginx: [emerg] SSL_CTX_use_PrivateKey("/etc/ssl/shop.key") failed (SSL: error:05800074:x509 certificate '
    "routines::key values mismatch)"
)
TAKEN = "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)"
UNKNOWN_WORD = '2027/01/15 08:00:00 [emerg] 7#7: unknown directive "nosuch" in /etc/nginx/a.conf:1'


def refuse(host, message):
    put(host.nginx, tested=Ran(1, err=f"a word before\n{message}\nnginx: configuration file test failed\n"))


def stop(site, host, log="", state="inactive"):
    put(host.nginx, master=None, workers=[], log=log, unit={"ActiveState": state, "SubState": "dead"})
    put(host, listeners=[])
    put(site.entrances[0], answer=None, failure="refused", errno=111)


def tls(site, verdict):
    put(site.entrances[0], tls=True, certificate=verdict, certificate_place="/etc/ssl/shop.crt")


def disable(host):
    put(host.nginx.master, unit="nginx.service")
    put(host.nginx, unit={"Id": "nginx.service", "ActiveState": "active", "UnitFileState": "disabled"})


CASES = [
    Case(
        "not installed",
        lambda site, host: put(host.nginx, installed=False),
        "nginx.missing",
        "broken",
        "nginx is not installed",
        "run pyweb.stack.site; by hand: install the package nginx",
        (),
    ),
    Case(
        "a listen on IPv6 without IPv6",
        lambda site, host: refuse(host, NO_IPV6),
        "nginx.ipv6",
        "degraded",
        (
            "nginx is configured to listen on [::]:80, but this host has no IPv6; nginx still runs as process 10 with "
            "the previous configuration"
        ),
        (
            "nginx_ipv6: auto (or false), then run pyweb.stack.site; by hand: remove the listen [::] lines (nginx -T "
            "2>/dev/null | grep -n 'listen .*\\[' shows them), then systemctl restart nginx"
        ),
        (
            "socket() [::]:80 failed (97: Address family not supported by protocol)",
            "/proc/net/if_inet6 is empty or missing",
        ),
    ),
    Case(
        "a listen on IPv6 without IPv6, at a start",
        lambda site, host: (stop(site, host, NO_IPV6, "failed"), put(host, ipv6=True)),
        "nginx.ipv6",
        "broken",
        "nginx is configured to listen on [::]:80, but this host has no IPv6; nginx does not run",
        (
            "nginx_ipv6: auto (or false), then run pyweb.stack.site; by hand: remove the listen [::] lines (nginx -T "
            "2>/dev/null | grep -n 'listen .*\\[' shows them), then systemctl restart nginx"
        ),
        (
            "socket() [::]:80 failed (97: Address family not supported by protocol)",
            "/proc/net/if_inet6 has addresses",
        ),
    ),
    Case(
        "a key of another certificate",
        lambda site, host: refuse(host, KEY),
        "nginx.key",
        "degraded",
        (
            "the private key /etc/ssl/shop.key does not belong to its certificate; nginx still runs as process 10 with "
            "the previous configuration"
        ),
        "use the key that belongs to the certificate, then nginx -t && systemctl reload nginx",
        (
            (
                'SSL_CTX_use_PrivateKey("/etc/ssl/shop.key") failed (SSL: error:05800074:x509 certificate '
                "routines::key values mismatch"
            ),
        ),
    ),
    Case(
        "a key of another certificate, at a start",
        lambda site, host: (refuse(host, KEY), stop(site, host)),
        "nginx.key",
        "broken",
        "the private key /etc/ssl/shop.key does not belong to its certificate; nginx does not run",
        "use the key that belongs to the certificate, then nginx -t && systemctl reload nginx",
        (
            (
                'SSL_CTX_use_PrivateKey("/etc/ssl/shop.key") failed (SSL: error:05800074:x509 certificate '
                "routines::key values mismatch"
            ),
        ),
    ),
    Case(
        "a broken configuration",
        lambda site, host: refuse(host, UNKNOWN_WORD),
        "nginx.config",
        "degraded",
        (
            'the configuration of nginx is broken: unknown directive "nosuch" in /etc/nginx/a.conf:1; nginx still runs '
            "as process 10 with the previous configuration, and its next start will fail"
        ),
        "correct nosuch in /etc/nginx/a.conf, line 1, or install the module that has it; then nginx -t && systemctl "
        "reload nginx",
        ('[emerg] 7#7: unknown directive "nosuch" in /etc/nginx/a.conf:1',),
    ),
    Case(
        "a broken configuration in a managed file",
        lambda site, host: (refuse(host, UNKNOWN_WORD), put(host.nginx, ours="/etc/nginx/a.conf")),
        "nginx.config",
        "degraded",
        (
            'the configuration of nginx is broken: unknown directive "nosuch" in /etc/nginx/a.conf:1; nginx still runs '
            "as process 10 with the previous configuration, and its next start will fail"
        ),
        "pyweb.stack.site writes /etc/nginx/a.conf again; by hand: correct nosuch in /etc/nginx/a.conf, line 1, or "
        "install the module that has it; then nginx -t && systemctl reload nginx",
    ),
    Case(
        "nginx is disabled",
        lambda site, host: disable(host),
        "nginx.not-enabled",
        "degraded",
        "nginx runs, but nginx.service is disabled: nothing starts it at the next boot",
        "systemctl enable nginx",
    ),
    Case(
        "nginx is disabled, on a host that is not managed",
        lambda site, host: (disable(host), put(site, managed=False)),
        "nginx.not-enabled",
        "advice",
        "nginx runs, but nginx.service is disabled: nothing starts it at the next boot",
        "systemctl enable nginx",
    ),
    Case(
        "a broken configuration without an error message",
        lambda site, host: put(host.nginx, tested=Ran(1)),
        "nginx.config",
        "degraded",
        (
            "the configuration of nginx is broken; nginx still runs as process 10 with the previous configuration, and "
            "its next start will fail"
        ),
        "correct the line that nginx names, then nginx -t && systemctl reload nginx",
        ("nginx -t failed",),
    ),
    Case(
        "a broken configuration, and nginx is down",
        lambda site, host: (refuse(host, UNKNOWN_WORD), stop(site, host)),
        "nginx.config",
        "broken",
        'the configuration of nginx is broken: unknown directive "nosuch" in /etc/nginx/a.conf:1; nginx does not run',
        "correct nosuch in /etc/nginx/a.conf, line 1, or install the module that has it; then nginx -t && systemctl "
        "restart nginx",
        ('[emerg] 7#7: unknown directive "nosuch" in /etc/nginx/a.conf:1',),
    ),
    Case(
        "a port in use, according to the log",
        lambda site, host: stop(site, host, TAKEN, "failed"),
        "nginx.port-taken",
        "broken",
        "port 80 is in use by another program: nginx cannot listen there",
        "stop that program (ss -ltnp 'sport = :80'), then systemctl start nginx",
        ("bind() to 0.0.0.0:80 failed (98: Address already in use)",),
    ),
    Case(
        "a port in use by a known program",
        lambda site, host: (
            stop(site, host),
            put(host, listeners=[Listener("0.0.0.0:80", 1)], holders={80: "httpd (pid 7, root)"}),
        ),
        "nginx.port-taken",
        "broken",
        "port 80 is in use by httpd (pid 7, root): nginx cannot listen there",
        "stop that program (ss -ltnp 'sport = :80'), then systemctl start nginx",
        ("80: a listening socket of httpd (pid 7, root)",),
    ),
    Case(
        "stopped",
        stop,
        "nginx.stopped",
        "broken",
        "nginx is stopped",
        "systemctl start nginx",
        ("nginx.service: inactive/dead",),
    ),
    Case(
        "nginx is masked",
        lambda site, host: (
            stop(site, host),
            put(host.nginx, unit={"Id": "nginx.service", "ActiveState": "inactive", "LoadState": "masked"}),
        ),
        "nginx.stopped",
        "broken",
        "nginx is stopped, and nginx.service is masked, so systemd cannot start it",
        "systemctl unmask nginx && systemctl start nginx",
    ),
    Case(
        "a drop-in that prevents nginx from starting",
        lambda site, host: (
            stop(site, host),
            put(
                host.nginx,
                log="nginx.service: Main process exited, code=exited, status=217/USER",
                unit={
                    "Id": "nginx.service",
                    "ActiveState": "activating",
                    "SubState": "auto-restart",
                    "User": "nosuch",
                    "DropInPaths": "/etc/systemd/system/nginx.service.d/a.conf",
                },
            ),
        ),
        "nginx.stopped",
        "broken",
        "nginx failed to start: there is no user nosuch (217/USER); /etc/systemd/system/nginx.service.d/a.conf changes "
        "this unit",
        "correct or remove /etc/systemd/system/nginx.service.d/a.conf, then systemctl daemon-reload && systemctl "
        "restart nginx.service",
        ("drop-in: /etc/systemd/system/nginx.service.d/a.conf",),
    ),
    Case(
        "stopped, without a unit",
        lambda site, host: (stop(site, host), put(host.nginx, unit={})),
        "nginx.stopped",
        "broken",
        "nginx is stopped",
        "systemctl start nginx",
        ("nginx.service: no unit/",),
    ),
    Case(
        "failed",
        lambda site, host: stop(site, host, state="failed"),
        "nginx.stopped",
        "broken",
        "nginx failed to start",
        "systemctl start nginx",
        ("nginx.service: failed/dead",),
    ),
    Case(
        "a certificate that has expired",
        lambda site, host: tls(site, "certificate has expired"),
        "nginx.certificate-expired",
        "broken",
        "the certificate of shop.example has expired (/etc/ssl/shop.crt)",
        "renew it (certbot renew, or install a new file), then systemctl reload nginx; also check the clock",
        ("TLS to 192.0.2.1:80 for shop.example: certificate has expired",),
    ),
    Case(
        "a certificate that is not valid yet",
        lambda site, host: tls(site, "certificate is not yet valid"),
        "nginx.certificate-not-yet-valid",
        "broken",
        "the certificate of shop.example is not valid yet (/etc/ssl/shop.crt)",
        "check the clock (timedatectl); if it is right, wait, or use a certificate that is valid now",
        ("TLS to 192.0.2.1:80 for shop.example: certificate is not yet valid",),
    ),
    Case(
        "a certificate for another name",
        lambda site, host: tls(site, "Hostname mismatch, certificate is not valid for 'x'."),
        "nginx.certificate-name",
        "broken",
        "the certificate (/etc/ssl/shop.crt) is for another name than shop.example",
        "use a certificate that names shop.example as ssl_certificate of this server",
        ("TLS to 192.0.2.1:80 for shop.example: Hostname mismatch, certificate is not valid for 'x'.",),
    ),
    Case(
        "a certificate with another fault",
        lambda site, host: tls(site, "unsuitable certificate purpose"),
        "nginx.certificate",
        "broken",
        "the certificate of shop.example is not valid (/etc/ssl/shop.crt): unsuitable certificate purpose",
        "use another certificate as ssl_certificate of this server",
        ("TLS to 192.0.2.1:80 for shop.example: unsuitable certificate purpose",),
    ),
    Case(
        "a certificate whose file is unknown",
        lambda site, host: put(site.entrances[0], tls=True, certificate="certificate has expired"),
        "nginx.certificate-expired",
        "broken",
        "the certificate of shop.example has expired",
        "renew it (certbot renew, or install a new file), then systemctl reload nginx; also check the clock",
        ("TLS to 192.0.2.1:80 for shop.example: certificate has expired",),
    ),
    Case(
        "a port that nginx did not open",
        lambda site, host: put(host, listeners=[Listener("0.0.0.0:81", 1)]),
        "nginx.not-listening",
        "broken",
        "nginx runs, but does not listen on port 80: it was not reloaded, or the reload failed",
        "systemctl reload nginx, then read its error log",
        ("listen 80 in /etc/nginx/nginx.conf:2; no socket there",),
    ),
    Case(
        "nginx -T hangs",
        lambda site, host: put(host.nginx, tested=Ran(None)),
        "nginx.untested",
        "unknown",
        "nginx -T did not finish: the configuration was read from the files",
        "nginx -t",
        (),
    ),
    Case(
        "files that are newer than the workers",
        lambda site, host: put(host.nginx, changed=["/a", "/b", "/c", "/d"]),
        "nginx.not-reloaded",
        "degraded",
        "/a was changed after nginx read it: the running nginx still uses the older configuration",
        "nginx -t && systemctl reload nginx",
        ("newer than the workers: /a, /b, /c",),
    ),
    Case(
        "temporary files of requests",
        lambda site, host: put(
            site.directives, temporaries=[Temporary("client_body_temp_path", "/t", "", "t is closed", "chmod o+x /t")]
        ),
        "nginx.temp-path",
        "degraded",
        (
            "www-data cannot use /t, where nginx stores what is too large for its buffers (client_body_temp_path): "
            "requests with more than 16k (uploads, forms) get 500"
        ),
        "chmod o+x /t; then systemctl restart nginx, which creates missing directories with the right owner",
        ("t is closed",),
    ),
    Case(
        "temporary files of answers",
        lambda site, host: put(
            site.directives, temporaries=[Temporary("uwsgi_temp_path", "/t", "/n:3", "t is closed", "chmod o+x /t")]
        ),
        "nginx.temp-path",
        "degraded",
        (
            "www-data cannot use /t, where nginx stores what is too large for its buffers (uwsgi_temp_path in /n:3): "
            "answers larger than nginx's buffers are cut off"
        ),
        "chmod o+x /t; then systemctl restart nginx, which creates missing directories with the right owner",
        ("t is closed",),
    ),
    Case(
        "a name of an upstream",
        lambda site, host: refuse(host, 'nginx: [emerg] host not found in upstream "app:80" in /n:4'),
        "nginx.upstream-name",
        "degraded",
        "nginx cannot resolve app:80, which /n:4 names; nginx still runs as process 10 with the previous configuration",
        "correct the name in /n:4, or make this host resolve it (getent hosts app); then systemctl restart nginx",
        ('host not found in upstream "app:80" in /n:4',),
    ),
]
CASES += NGINX_OF_VISITORS


CASES += [*HTTPS_CASES, *doctor_logs.NGINX]
CASES += doctor_by_hand.NGINX


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_nginx_is_named(case):
    check(case)


@pytest.mark.parametrize(
    "message", [TAKEN, 'nginx: [emerg] cannot load certificate key "/k": PEM_read_bio_PrivateKey() failed']
)
@pytest.mark.parametrize("runs", [True, False])
def test_any_refusal_of_nginx_is_a_broken_configuration(message, runs):
    site, host = evidence()
    refuse(host, message)
    if not runs:
        stop(site, host)
    found = roots(verdict(site, host))
    assert found["nginx.config"]["status"] == ("degraded" if runs else "broken")
    assert found["nginx.config"]["evidence"] == [message[len("nginx: ") :]]
    assert set(found) == {"nginx.config"} | ({"nginx.port-taken"} if message == TAKEN and not runs else set())


def test_why_nginx_did_not_start_is_read_from_the_end_of_the_journal():
    site, host = evidence()
    stop(site, host, "\n".join([TAKEN, *["later"] * 15]))
    assert set(roots(verdict(site, host))) == {"nginx.stopped"}
    stop(site, host, "\n".join([TAKEN, *["later"] * 14]))
    assert set(roots(verdict(site, host))) == {"nginx.port-taken"}


def test_the_first_three_changed_files_are_named():
    site, host = evidence()
    host.nginx.changed = ["/a", "/b", "/c", "/d"]
    [fault] = roots(verdict(site, host)).values()
    assert fault["evidence"] == ["newer than the workers: /a, /b, /c"]


def test_a_401_of_nginx_itself_is_no_fault_of_the_application():
    site, host = evidence()
    closed(site, host, 401)
    assert roots(verdict(site, host)) == {}
    for given in site.chain[1].all("auth_basic"):
        given.args = ["off"]
    assert {"client.status", "static.status", "media.status"} <= set(faults_of(verdict(site, host)))


def test_a_503_of_the_application_is_not_reported_as_maintenance():
    site, host = evidence()
    put(site, wanted_status=[200])
    put(site.entrances[0], answer=answer(503))
    assert set(roots(verdict(site, host))) == {"client.status"}


def test_an_nginx_that_runs_without_its_unit_is_not_reported_as_disabled():
    site, host = evidence()
    disable(host)
    put(host.nginx.master, unit="")
    assert "nginx.not-enabled" not in faults_of(verdict(site, host))
