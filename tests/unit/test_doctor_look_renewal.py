"""How the doctor finds out what renews a certificate, what triggers it, and its results."""

from __future__ import annotations

import time

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import ask, look_renewal
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import Ran
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_tls import CertificateFile, Failures, Trigger
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import Identity
from ansible_collections.pyweb.stack.plugins.module_utils.host.processes import Process
from doctor_evidence import NOW, evidence, put
from doctor_https import leaf

ENABLE = "systemctl enable --now certbot.timer"


def timer(name="certbot.timer", state="enabled", active="active", load="loaded"):
    return {"Id": name, "LoadState": load, "UnitFileState": state, "ActiveState": active}


@pytest.mark.parametrize(
    ("unit", "wanted"),
    [
        (timer(), Trigger("certbot", "certbot.timer", True, "", ENABLE)),
        (timer(state="static"), Trigger("certbot", "certbot.timer", True, "", ENABLE)),
        (timer(active="inactive"), Trigger("certbot", "certbot.timer", False, "enabled, inactive", ENABLE)),
        (
            timer(state="disabled", active="inactive"),
            Trigger("certbot", "certbot.timer", False, "disabled, inactive", ENABLE),
        ),
        (
            timer(state="disabled"),
            Trigger("certbot", "certbot.timer", True, "it is disabled: it does not start at the next boot", ENABLE),
        ),
        (
            timer(state="masked", active="inactive", load="masked"),
            Trigger(
                "certbot", "certbot.timer", False, "masked, inactive", f"systemctl unmask certbot.timer && {ENABLE}"
            ),
        ),
    ],
)
def test_an_active_timer_is_a_trigger(unit, wanted):
    assert look_renewal.triggers_of([unit]) == [wanted]


def test_missing_timers_are_not_listed():
    missing = timer("certbot-renew.timer", "", "inactive", "not-found")
    assert look_renewal.triggers_of([missing, {"Id": "certbot.service", "LoadState": "loaded"}]) == []


def test_the_result_of_a_timers_service_is_read():
    service = {"Id": "certbot.service", "Result": "exit-code", "InactiveEnterTimestamp": "Thu 2027-01-14 03:00:07 UTC"}
    [trigger] = look_renewal.triggers_of([timer(), service])
    assert trigger.ended == "certbot.service: exit-code, Thu 2027-01-14 03:00:07 UTC"
    [trigger] = look_renewal.triggers_of([timer(), {**service, "Result": "success"}])
    assert trigger.ended == ""
    own = {"Id": "mine.service", "ExecStart": "{ path=/root/.acme.sh/acme.sh ; argv[]=acme.sh --cron ; }"}
    [trigger] = look_renewal.triggers_of([timer("mine.timer"), own])
    assert trigger.program == "acme.sh"


DEBIAN = (
    "0 */12 * * * root test -x /usr/bin/certbot -a \\! -d /run/systemd/system && perl -e 'sleep int(rand(43200))' && "
    "certbot -q renew --no-random-sleep-on-renew\n"
)


@pytest.mark.parametrize(
    ("text", "runs", "systemd", "wanted"),
    [
        ("0 3 * * * root certbot renew -q\n", True, True, [("certbot", True, "")]),
        ("0 3 * * * root certbot renew -q\n", False, True, [("certbot", False, "cron does not run")]),
        (DEBIAN, True, True, [("certbot", False, "its line does nothing on a host with systemd")]),
        (DEBIAN, True, False, [("certbot", True, "")]),
        ('9 0 * * * "/root/.acme.sh"/acme.sh --cron --home "/root/.acme.sh"\n', True, True, [("acme.sh", True, "")]),
        ("# 0 3 * * * root certbot renew\n", True, True, []),
        ("0 3 * * * root certbot certificates\n", True, True, []),
    ],
)
def test_cron_lines_that_run_a_renewal_are_triggers(text, runs, systemd, wanted):
    found = look_renewal.cron_triggers("/etc/cron.d/x", text, runs, systemd)
    assert [(trigger.program, trigger.runs, trigger.why) for trigger in found] == wanted
    assert all(trigger.name == "/etc/cron.d/x" for trigger in found)


def test_timers_and_cron_are_looked_at_together(monkeypatch, tmp_path):
    (tmp_path / "mine.timer").write_text("")
    (tmp_path / "mine.service").write_text("ExecStart=/usr/bin/certbot renew\n")
    (tmp_path / "crontab").write_text("0 3 * * * root certbot renew\n")
    asked = []

    def run(argv, *rest, **named):
        asked.extend(argv)
        return Ran(0, "Id=mine.timer\nLoadState=loaded\nUnitFileState=enabled\nActiveState=active\n")

    monkeypatch.setattr(ask, "run", run)
    monkeypatch.setattr(look_renewal, "UNIT_FOLDERS", (str(tmp_path),))
    monkeypatch.setattr(look_renewal, "CRON_FILES", (str(tmp_path / "crontab"),))
    monkeypatch.setattr(look_renewal, "CRON_FOLDERS", ())
    table = {7: Process(7, 1, "cron", ["cron"], Identity(0, 0), NOW)}
    found = look_renewal.look_at_triggers(table)
    assert [(trigger.name, trigger.runs) for trigger in found] == [("mine.timer", True), (f"{tmp_path}/crontab", True)]
    assert {"certbot.timer", "certbot-renew.timer", "snap.certbot.renew.service", "mine.timer"} <= set(asked)
    assert [trigger.runs for trigger in look_renewal.look_at_triggers({})] == [True, False]
    words = ["/bin/sh", "-c", "trap exit TERM; while :; do certbot renew; sleep 12h & wait $!; done;"]
    table = {
        9: Process(9, 1, "sh", words, Identity(0, 0), NOW),
        8: Process(8, 1, "vi", ["vi", "certbot renew"], Identity(0, 0), NOW),
    }
    assert [trigger.name for trigger in look_renewal.look_at_triggers(table)][2:] == ["process 9"]


# --- which program renews a certificate ---


def test_the_lineage_is_read_from_the_path():
    assert (
        look_renewal.lineage_of(["/etc/ssl/a.pem", "/etc/letsencrypt/live/shop.de-0001/fullchain.pem"])
        == "shop.de-0001"
    )
    assert look_renewal.lineage_of(["/etc/letsencrypt/archive/shop/fullchain3.pem"]) == "shop"
    assert look_renewal.lineage_of(["/etc/letsencrypt/options.pem", "/srv/etc/letsencrypt/live/a/b.pem"]) == ""


@pytest.mark.parametrize(
    ("text", "off"),
    [
        ("version = 2.1.0\n[renewalparams]\n", ""),
        ("autorenew = True\n", ""),
        ("autorenew = False\n", "{conf} says autorenew = False"),
        ("", "certbot has no {conf}, so it does not know the certificate shop"),
    ],
)
def test_renewal_configuration_of_certbot_is_read(tmp_path, text, off):
    conf = tmp_path / "renewal/shop.conf"
    conf.parent.mkdir()
    conf.write_text(text)
    found = look_renewal.certbot_renewal("shop", str(tmp_path))
    assert (found.program, found.name, found.file) == ("certbot", "shop", str(conf))
    assert found.off == off.format(conf=conf)


@pytest.mark.parametrize(
    ("path", "due", "wanted"),
    [
        ("/srv/shop.pem", NOW + 9, ("acme.sh", "shop.de", "")),
        ("{folder}/fullchain.cer", NOW - 86400, ("acme.sh", "shop.de", "")),
        ("/srv/shop.pem", NOW - 3 * 86400, ("acme.sh", "shop.de", "2027-01-12")),
        ("/srv/other.pem", NOW, ("", "", "")),
    ],
)
def test_a_certificate_of_acme_sh_is_recognized_by_its_path(tmp_path, path, due, wanted):
    conf = tmp_path / "shop.de_ecc/shop.de.conf"
    conf.parent.mkdir()
    conf.write_text(f"Le_Domain='shop.de'\nLe_RealFullChainPath='/srv/shop.pem'\nLe_NextRenewTime='{int(due)}'\n")
    found = look_renewal.acme_sh_renewal([path.format(folder=conf.parent)], [str(conf)], NOW)
    assert (found.program, found.name, found.failures.since) == wanted


# --- results of renewals ---


def run_of(when, arguments, *lines):
    return (
        f"{when},123:DEBUG:certbot._internal.main:certbot version: 2.1.0\n"
        f"{when},124:DEBUG:certbot._internal.main:Arguments: {arguments}\n" + "".join(f"{line}\n" for line in lines)
    )


def failed(when, name="shop", arguments="['-q', 'renew']", detail="Timeout during connect"):
    return run_of(
        when,
        arguments,
        f"{when},500:DEBUG:certbot._internal.display.obj:Notifying user: ",
        "Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported:",
        "  Domain: shop.example",
        "  Type:   connection",
        f"  Detail: {detail}",
        "",
        f"{when},600:ERROR:certbot._internal.renewal:Failed to renew certificate {name} with error: Some challenges "
        "have failed.",
    )


DAYS = [f"2027-01-{number:02} 03:00:00" for number in range(1, 10)]
GOOD = run_of(DAYS[1], "['renew']", "no renewal failures")
SAID = "shop.example: Timeout during connect (connection)"


@pytest.mark.parametrize(
    ("logs", "wanted"),
    [
        ([], Failures()),
        ([GOOD], Failures()),
        ([failed(DAYS[3])], Failures(DAYS[3], DAYS[3], SAID)),
        ([failed(DAYS[3]), failed(DAYS[2], detail="x"), GOOD, failed(DAYS[0])], Failures(DAYS[2], DAYS[3], SAID)),
        # One log for all runs, as on EL.
        (["cut off\n" + failed(DAYS[0]) + GOOD + failed(DAYS[2]) + failed(DAYS[3])], Failures(DAYS[2], DAYS[3], SAID)),
        ([GOOD, failed(DAYS[0])], Failures()),
        ([failed(DAYS[3], "other")], Failures()),
        # A dry run, and runs of other commands, do not count.
        ([failed(DAYS[5], arguments="['renew', '--dry-run']"), GOOD], Failures()),
        ([run_of(DAYS[5], "['certificates']"), failed(DAYS[3])], Failures(DAYS[3], DAYS[3], SAID)),
        (
            [
                run_of(
                    DAYS[4],
                    "['renew']",
                    "x:ERROR:certbot._internal.renewal:Renewal configuration file /x (cert: shop) produced an "
                    "unexpected error: expected /x to be a symlink. Skipping.",
                )
            ],
            Failures(DAYS[4], DAYS[4], "expected /x to be a symlink"),
        ),
        (
            [
                run_of(
                    DAYS[4],
                    "['certonly', '--cert-name', 'shop']",
                    f"{DAYS[4]},9:ERROR:certbot._internal.log:too many certificates already issued",
                )
            ],
            Failures(DAYS[4], DAYS[4], "too many certificates already issued"),
        ),
        ([run_of(DAYS[4], "['certonly', '--cert-name', 'shop']"), failed(DAYS[3])], Failures()),
    ],
)
def test_failures_since_the_last_good_run_are_counted(logs, wanted):
    assert look_renewal.failures(logs, "shop") == wanted


def test_logs_are_read_from_the_newest_one(tmp_path):
    for name, text in (
        ("letsencrypt.log", "a"),
        ("letsencrypt.log.2", "c"),
        ("letsencrypt.log.10", "d"),
        ("x.log", "e"),
    ):
        (tmp_path / name).write_text(text)
    (tmp_path / "letsencrypt.log.1").write_text("b")
    assert list(look_renewal._logs(str(tmp_path))) == ["a", "b", "c", "d"]
    assert list(look_renewal._logs(str(tmp_path / "none"))) == [""]


@pytest.fixture
def shop(monkeypatch, tmp_path):
    """A site with a certificate of certbot, and its host; the files of certbot are below tmp_path."""
    site, host = evidence()
    monkeypatch.setattr(look_renewal, "LETSENCRYPT", str(tmp_path))
    monkeypatch.setattr(look_renewal, "LOGS", str(tmp_path / "logs"))
    monkeypatch.setattr(look_renewal, "_acme_sh_files", list)
    monkeypatch.setattr(
        look_renewal, "look_at_triggers", lambda table: [Trigger("certbot", "a", True), Trigger("acme.sh", "b", True)]
    )
    for folder in ("renewal", "logs"):
        (tmp_path / folder).mkdir()
    for name in ("shop", "pyweb-shop"):
        (tmp_path / f"renewal/{name}.conf").write_text("x")
    path = f"{tmp_path}/live/shop/fullchain.pem"
    put(site.entrances[0], tls=True, file=CertificateFile(path, "/n:1", path, leaf()))
    return site, host


def test_a_certificate_of_certbot_is_renewed_by_it(shop, tmp_path, monkeypatch):
    site, host = shop
    known = look_renewal.lineage_of
    monkeypatch.setattr(look_renewal, "lineage_of", lambda paths: known(paths, str(tmp_path)))
    found = look_renewal.look_at_renewal(site, host)
    assert (found.program, found.name, found.off) == ("certbot", "shop", "")
    assert [trigger.name for trigger in found.triggers] == ["a"]
    assert found.runs is True
    put(site.https, kind="acme")
    assert look_renewal.look_at_renewal(site, host).name == "pyweb-shop"


def test_a_certificate_issued_after_the_failure_is_renewed(shop, tmp_path):
    site, host = shop
    put(site.https, kind="acme")
    begins = site.entrances[0].file.leaf.begins
    for later, wanted in ((3600, True), (-3600, False)):
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(begins + later))
        (tmp_path / "logs/letsencrypt.log").write_text(failed(when, "pyweb-shop"))
        assert bool(look_renewal.look_at_renewal(site, host).failures.said) is wanted


def test_nothing_renews_a_certificate_of_unknown_origin(shop):
    site, host = shop
    put(site.entrances[0].file, path="/srv/a.pem", real="/srv/a.pem")
    found = look_renewal.look_at_renewal(site, host)
    assert (found.program, found.triggers) == ("", [])


def test_triggers_are_looked_at_only_once(shop, monkeypatch):
    site, host = shop
    put(host, triggers=[Trigger("certbot", "before", True)])
    put(site.https, kind="acme")
    assert [trigger.name for trigger in look_renewal.look_at_renewal(site, host).triggers] == ["before"]
