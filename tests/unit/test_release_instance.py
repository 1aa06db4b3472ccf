"""One instance of a site: its requests to systemd, to its socket, to its stats and to the journal."""

from __future__ import annotations

import errno
import json

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.release import instance, traffic, visit
from ansible_collections.pyweb.stack.plugins.module_utils.release.instance import Instance, Instances
from ansible_collections.pyweb.stack.plugins.module_utils.release.watch import Counted
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import protocol
from releases import FakeShell, make_release

NEW = "a" * 12
UNIT, PROBE = f"uwsgi-shop@{NEW}.service", f"uwsgi-shop-probe@{NEW}.service"
NOW = 1764000000.9


def unindented(error):
    """Return the lines of an error without their indentation."""
    first, *others = str(error).split("\n")
    assert not [line for line in others if line and not line.startswith("  ")]
    return [first, *(line[2:] for line in others)]


class Clock:
    """A fake clock that only advances during sleep."""

    def __init__(self):
        self.passed, self.slept = 0.0, []

    def time(self):
        return NOW + self.passed

    def monotonic(self):
        return 1000 + self.passed

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.passed += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(instance, "time", clock)
    monkeypatch.setattr(visit, "time", clock)
    return clock


@pytest.fixture
def answers(monkeypatch, clock):
    """Let the site give these answers in order, the last one repeatedly; return the requests."""
    found = []

    class Site:
        statuses = (200,)

        def request(self, address, host, path, timeout, _headers):
            found.append((address, host, path, timeout))
            status = self.statuses[min(len(found), len(self.statuses)) - 1]
            if isinstance(status, str):
                number = errno.ETIMEDOUT if "no complete answer" in status else 0
                raise protocol.ProtocolError(address, status, number)
            return protocol.Answer(status, "", 0.1)

    site = Site()
    site.asked = found
    monkeypatch.setattr(protocol, "request", site.request)
    return site


def make(tmp_path, shell=None, probe=False, **keys):
    keys.setdefault("health", {"path": "/healthz", "timeout": 2})
    return Instance(shell or FakeShell(), make_release(tmp_path, **keys), NEW, probe)


# --- systemd ---


@pytest.mark.parametrize(("probe", "unit"), [(False, UNIT), (True, PROBE)])
def test_commands_for_systemd(tmp_path, probe, unit):
    shell = FakeShell()
    own = make(tmp_path, shell, probe)
    for action, commands in (
        (own.start, [f"start: systemctl start {unit} (may fail)"]),
        (own.restart, [f"start: systemctl restart {unit}"]),
        (own.clear, [f"start: systemctl stop {unit} (may fail)"]),
        (own.stop, [f"stop: systemctl stop {unit} (may fail)", f"stop: systemctl reset-failed {unit} (may fail)"]),
        (
            own.retire,
            [f"stop: systemctl stop --no-block {unit}", f"stop: systemctl reset-failed {unit} (may fail)"],
        ),
        # It is stopped first, otherwise systemd would restart what is killed.
        (
            own.abandon,
            [
                f"stop: systemctl stop --no-block {unit} (may fail)",
                f"stop: systemctl kill --signal=KILL {unit} (may fail)",
                f"stop: systemctl stop {unit} (may fail)",
                f"stop: systemctl reset-failed {unit} (may fail)",
            ],
        ),
        (own.is_active, [f"units: systemctl is-active --quiet {unit} (may fail)"]),
    ):
        action()
        assert shell.done == commands
        shell.done.clear()


@pytest.mark.parametrize(("status", "active"), [(0, True), (3, False)])
def test_active_state_is_read_from_systemd(tmp_path, status, active):
    assert make(tmp_path, FakeShell({"systemctl is-active": (status, "")})).is_active() is active


def test_a_failing_start_is_reported_with_uwsgis_own_reason(tmp_path, clock):
    shell = FakeShell(
        {
            "systemctl start": (1, "Job failed."),
            "journalctl": (0, "GAME OVER\n[strict-mode] unknown config directive: nope\n"),
        }
    )
    with pytest.raises(StepError) as caught:
        make(tmp_path, shell).start()
    assert str(caught.value) == (
        f"site 'shop': start failed: {UNIT} did not start: uwsgi.options has nope, which uWSGI does not know\n"
        "  [strict-mode] unknown config directive: nope\n  GAME OVER"
    )
    assert f"--since=@1764000000 --unit={UNIT}" in shell.done[-1]


def test_a_start_that_takes_too_long_is_reported_with_the_sites_limit(tmp_path):
    shell = FakeShell({"systemctl start": (1, "")})
    with pytest.raises(StepError, match="did not start: uWSGI logged nothing within 2 s"):
        make(tmp_path, shell).start()


def test_the_journal_is_read_from_its_end(tmp_path):
    shell = FakeShell({"journalctl": (0, "ValueError: not well\nTraceback\n")})
    assert make(tmp_path, shell).journal(7.9) == "Traceback\nValueError: not well\n"
    assert shell.done == [
        # Entries that journald has not written yet would be missing.
        "journal: journalctl --sync (may fail)",
        f"journal: journalctl --no-pager --output=cat --reverse --lines=2000 --since=@7 --unit={UNIT} (may fail)",
    ]


def test_a_stopping_unit_does_not_count_as_running(tmp_path):
    shown = (
        "  uwsgi-shop@aaaaaaaaaaaa.service loaded active running uWSGI for the site shop\n"
        "● uwsgi-shop@bbbbbbbbbbbb.service loaded failed failed uWSGI for the site shop\n"
        "uwsgi-shop@cccccccccccc.service loaded deactivating stop-sigterm uWSGI for the site shop\n"
        "uwsgi-shop@eeeeeeeeeeee.service loaded inactive dead uWSGI for the site shop\n"
        "uwsgi-shop@dddddddddddd.service loaded activating auto-restart uWSGI for the site shop\n"
    ).lstrip()
    shell = FakeShell({"systemctl list-units": (0, shown)})
    assert Instances(shell, make_release(tmp_path)).running() == ["aaaaaaaaaaaa", "bbbbbbbbbbbb", "dddddddddddd"]
    assert shell.done == ["units: systemctl list-units --all --plain --no-legend --full uwsgi-shop@*.service"]


def test_the_units_of_a_site(tmp_path):
    shell = FakeShell()
    instances = Instances(shell, make_release(tmp_path))
    assert (instances.of(NEW).unit, instances.probe(NEW).unit) == (UNIT, PROBE)
    instances.stop_probes()
    assert shell.done == ["stop: systemctl stop uwsgi-shop-probe@*.service"]


# --- health check ---


@pytest.mark.parametrize(
    ("status", "wanted", "wrong"),
    [
        (200, [], ""),
        (404, [], ""),
        (499, [], ""),
        (500, [], "/healthz as shop.example.com answered 500; expected a status below 500"),
        (200, [204, 301], "/healthz as shop.example.com answered 200; expected 204 or 301"),
        (301, [204, 301], ""),
        (503, [503], ""),
        ("nobody there", [], "/healthz as shop.example.com did not answer: nobody there; expected a status below 500"),
    ],
)
def test_expected_statuses(tmp_path, answers, status, wanted, wrong):
    health = {"path": "/healthz", **({"status": wanted} if wanted else {})}
    answers.statuses = (status,)
    assert visit.visit(make_release(tmp_path, health=health), "/run/x.sock", 1.5).wrong == wrong
    assert answers.asked == [("unix:/run/x.sock", "shop.example.com", "/healthz", 1.5)]


def test_a_site_is_requested_by_its_own_name_and_port(tmp_path, answers):
    visit.visit(make_release(tmp_path, nginx={"listen": 8080}, domains=["*.example.com"]), "/run/x.sock", 1)
    assert answers.asked[0][1] == "www.example.com:8080"


def test_the_health_check_is_repeated_until_it_passes(tmp_path, clock, answers):
    answers.statuses = ("nothing listens", 503, 200)
    make(tmp_path).wait_until_healthy()
    address = f"unix:{tmp_path}/run/shop/{NEW}.sock"
    assert [(asked[0], asked[3]) for asked in answers.asked] == [(address, 2.0), (address, 1.9), (address, 1.8)]
    assert clock.slept == pytest.approx([0.1, 0.15])


def test_a_failing_health_check_is_repeated_less_and_less_often(tmp_path, clock, answers):
    """Each failed request may log a traceback of hundreds of lines."""
    answers.statuses = (500,)
    with pytest.raises(StepError):
        make(tmp_path, health={"path": "/healthz", "timeout": 60}).wait_until_healthy()
    assert 60 < clock.passed < 60.2
    assert max(clock.slept) == 1
    assert 60 < len(answers.asked) < 70


def test_a_health_check_that_never_passes_ends_in_time(tmp_path, clock, answers):
    answers.statuses = (503,)
    shell = FakeShell({"journalctl": (0, "warming up\n")})
    with pytest.raises(StepError) as caught:
        make(tmp_path, shell).wait_until_healthy()
    assert str(caught.value) == (
        "site 'shop': health failed: /healthz as shop.example.com answered 503; expected a status below 500 within 2 "
        "s\n"
        "  warming up"
    )
    assert 2 < clock.passed < 2.3
    # The last request gets a short timeout, too.
    assert min(asked[3] for asked in answers.asked) == 0.1
    # Readers want to see the lines just before.
    [journal] = [command for command in shell.done if "journalctl --no-pager" in command]
    assert "--since=@1763999995" in journal


def test_a_request_that_is_cut_short_does_not_hide_the_previous_error(tmp_path, clock, answers):
    """Under load the last request, which has a tenth of a second, gets no answer."""
    answers.statuses = (*[503] * 15, "no complete answer within 0.1 s")
    with pytest.raises(StepError, match=r"answered 503; expected a status below 500 within 2 s$"):
        make(tmp_path, FakeShell({"journalctl": (0, "")})).wait_until_healthy()
    answers.statuses = ("nobody listens",)
    with pytest.raises(StepError, match=r"nobody listens.* within 2 s"):
        make(tmp_path, FakeShell({"journalctl": (0, "")})).wait_until_healthy()


def test_an_answer_that_takes_longer_than_the_timeout(tmp_path, clock, answers):
    answers.statuses = ("no complete answer within 2 s",)
    with pytest.raises(StepError) as caught:
        make(tmp_path, FakeShell({"journalctl": (0, "")})).wait_until_healthy()
    assert str(caught.value) == (
        "site 'shop': health failed: /healthz as shop.example.com did not answer: no complete answer within 2 s; "
        "expected a status below 500 within 2 s; increase health.timeout if its first answer needs longer"
    )


def test_a_release_that_has_ended_is_not_waited_for(tmp_path, clock, answers):
    answers.statuses = ("nothing listens",)
    traceback = "GAME OVER\nValueError: bad\nTraceback (most recent call last):\n"
    shell = FakeShell({"systemctl is-active": (3, ""), "journalctl": (0, traceback)})
    with pytest.raises(StepError, match=r"within 2 s; uWSGI ended; ValueError: bad\n"):
        make(tmp_path, shell).wait_until_healthy()
    assert clock.slept == []


@pytest.mark.parametrize(
    ("live", "socket", "words"),
    [
        (False, f"run/shop/{NEW}.sock", "health failed: after its first good answer"),
        (True, "sites/shop/current/uwsgi.sock", "switch failed: once it was live"),
    ],
)
def test_a_healthy_release_is_watched_for_a_quarter_of_a_second(tmp_path, clock, answers, live, socket, words):
    release = make(tmp_path)
    release.settle(live)
    assert {(asked[0], asked[3]) for asked in answers.asked} == {(f"unix:{tmp_path}/{socket}", 2)}
    assert len(answers.asked) == 5
    assert 0.25 <= clock.passed < 0.31
    answers.statuses = (*[200] * 6, "nothing listens")
    with pytest.raises(StepError) as caught:
        release.settle(live)
    assert str(caught.value) == (
        f"site 'shop': {words} /healthz as shop.example.com did not answer: nothing listens; expected a status below "
        "500"
    )


@pytest.mark.parametrize(("seconds", "asked"), [(0.3, 5), (1.5, 2), (3, 1)])
def test_on_a_busy_host_it_is_watched_for_five_answers(tmp_path, clock, answers, monkeypatch, seconds, asked):
    """In a quarter of a second there is time for one. Slow answers are watched for at most two seconds."""

    def request(*arguments):
        clock.sleep(seconds)
        return answers.request(*arguments)

    monkeypatch.setattr(protocol, "request", request)
    make(tmp_path).settle()
    assert len(answers.asked) == asked


@pytest.mark.parametrize(
    ("statuses", "told", "active", "wrong"),
    [
        ([200], {"workers": []}, 0, ""),
        # No stats: possible with `uwsgi.options`.
        ([200], None, 0, ""),
        ([200], None, 3, "its master process is gone; uWSGI ended"),
        ([503], {"workers": []}, 0, "/healthz as shop.example.com answered 503; expected a status below 500"),
    ],
    ids=["healthy", "no stats", "no master", "wrong answer"],
)
def test_it_is_requested_once_more_before_nginx_uses_it(tmp_path, answers, monkeypatch, statuses, told, active, wrong):
    def stats(address, timeout):
        assert address == f"unix:{tmp_path}/run/shop/{NEW}.stats"
        if told is None:
            raise protocol.ProtocolError(address, "nothing listens")
        return json.dumps(told).encode()

    monkeypatch.setattr(protocol, "stats", stats)
    answers.statuses = statuses
    own = make(tmp_path, FakeShell({"systemctl is-active": (active, ""), "journalctl": (0, "")}))
    if not wrong:
        own.ask_once_more()
    else:
        with pytest.raises(StepError) as caught:
            own.ask_once_more()
        assert str(caught.value) == f"site 'shop': health failed: after its first good answer {wrong}"
    assert [asked[0] for asked in answers.asked] == [f"unix:{tmp_path}/run/shop/{NEW}.sock"]


# --- draining ---


class Stats:
    """A stats socket; `states` are those of its two workers, one answer after the other."""

    def __init__(self, sockets, *states):
        self.sockets, self.states, self.asked = sockets, list(states), []

    def __call__(self, address, timeout):
        assert timeout <= 5
        self.asked.append(address)
        state = self.states.pop(0)
        if isinstance(state, Exception):
            raise state
        if isinstance(state, bytes):
            return state
        workers = [{"status": "idle"}, {"status": state}]
        return json.dumps({"sockets": [{"name": name} for name in self.sockets], "workers": workers}).encode()


@pytest.mark.parametrize(
    ("others", "states", "asked"),
    [
        ([], ["busy", "busy", "idle"], 3),
        # It shares its ports: requests that wait there belong to the new release.
        (["127.0.0.1:8001"], ["busy", "busy", "idle"], 1),
        ([], ["busy", protocol.ProtocolError("x", "nobody there"), "busy"], 2),
        ([], ["busy", b"{", "busy"], 2),
        ([], ["busy", b"[" * 100000, "busy"], 2),
        ([], ["busy", b'["busy"]', "busy"], 2),
        ([], ["busy", b'{"sockets": [3], "workers": 7}', "busy"], 2),
        ([], ["busy", b'{"workers": [{"status": ' + b"9" * 5000 + b"}]}", "busy"], 2),
        ([], ["busy", b"{}", "busy"], 2),
    ],
    ids=[
        *("its own socket", "shared ports", "gone", "not JSON", "deep", "a list", "other types", "digits"),
        "empty",
    ],
)
def test_draining_waits_for_idle_workers(tmp_path, monkeypatch, clock, others, states, asked):
    stats = Stats([f"{tmp_path}/run/shop/{NEW}.sock", *others], *states)
    monkeypatch.setattr(protocol, "stats", stats)
    make(tmp_path).drain()
    assert stats.asked == [f"unix:{tmp_path}/run/shop/{NEW}.stats"] * asked
    assert clock.slept == [0.05] * (asked - 1)


def test_draining_ends_after_the_longest_request(tmp_path, monkeypatch, clock):
    stats = Stats([f"{tmp_path}/run/shop/{NEW}.sock"], *["busy"] * 100)
    monkeypatch.setattr(protocol, "stats", stats)
    make(tmp_path, nginx={"read_timeout": 3}).drain()
    assert clock.passed == pytest.approx(3, abs=0.06)


# --- the traceback in an error ---

MARK = "pyweb.stack: unhandled exception: GET / (release aaaaaaaaaaaa)"
RAISED = (
    "Traceback (most recent call last):",
    '  File "/opt/sites/shop/builds/0123456789ab/src/shop/views.py", line 12, in index',
    "    return row.total",
    "shop.models.NotThere: no such column",
)
REQUEST = "[pid: 7|app: 0|req: 1/1] 127.0.0.1 () {12 vars} GET / => generated 9 bytes (HTTP/1.1 500) 2 headers"


def backwards(*lines):
    """Return the lines as journalctl --reverse prints them."""
    return "".join(f"{line}\n" for line in reversed(lines))


def test_an_unhealthy_release_shows_the_projects_traceback_and_not_its_start(tmp_path, clock, answers):
    answers.statuses = (500,)
    start = ["*** Starting uWSGI 2.0.30 ***", *["mapped 1 bytes"] * 50, "spawned uWSGI worker 1 (pid: 7, cores: 1)"]
    shell = FakeShell({"journalctl": (0, backwards(*start, MARK, *RAISED, REQUEST))})
    with pytest.raises(StepError) as caught:
        make(tmp_path, shell).wait_until_healthy()
    first, *rest = unindented(caught.value)
    assert "answered 500" in first
    assert "no such column" in first
    assert rest == [MARK, *RAISED]


def test_a_traceback_is_shown_completely_whatever_its_length(tmp_path, clock, answers):
    answers.statuses = (500,)
    frames = [
        line
        for number in range(200)
        for line in (f'  File "/opt/sites/shop/builds/0123456789ab/src/a.py", line {number}, in call', "    call()")
    ]
    shell = FakeShell({"journalctl": (0, backwards(MARK, RAISED[0], *frames, "ValueError: the end", REQUEST))})
    with pytest.raises(StepError) as caught:
        make(tmp_path, shell).wait_until_healthy()
    lines = unindented(caught.value)
    assert lines[1:3] == [MARK, RAISED[0]]
    assert lines[-3:] == [*frames[-2:], "ValueError: the end"]
    assert len(lines) == 61


def test_a_start_that_raises_shows_the_traceback(tmp_path, clock):
    gave_up = "unable to load app 0 (mountpoint='') (callable not found or import error)"
    shell = FakeShell({"systemctl start": (1, ""), "journalctl": (0, backwards("mapped 1 bytes", *RAISED, gave_up))})
    with pytest.raises(StepError) as caught:
        make(tmp_path, shell).start()
    assert unindented(caught.value)[1:] == list(RAISED)


# --- answers to visitors ---


def visited(tmp_path, shell=None, **keys):
    return Instances(shell or FakeShell(), make_release(tmp_path, **keys))


class Before:
    """The answers of the release that was live."""

    def __init__(self, asked=True, share=0.1):
        self.said = asked, share

    def known(self):
        return self.said


@pytest.fixture
def watched(monkeypatch, clock):
    """Return the answers of the new release, and how long it was watched."""
    found = {"answers": Counted(9, 7), "asked": []}

    def watch(seconds, count, share):
        found["asked"].append((seconds, share))
        return found["answers"]

    monkeypatch.setattr(instance, "watch", watch)
    monkeypatch.setattr(protocol, "stats", lambda address: b'"requests": 1, "delta_requests": 1')
    return found


@pytest.mark.parametrize(
    ("nginx", "without"),
    [({}, ["/static/", "/media/"]), ({"static": {"url": "/s/", "path": "/srv/s"}, "media": None}, ["/s/"])],
)
def test_answers_of_the_live_release_are_read_from_its_log_and_its_uwsgi(
    tmp_path, monkeypatch, watched, nginx, without
):
    made = []
    monkeypatch.setattr(traffic, "Before", lambda *given: made.append(given))
    own = visited(tmp_path)
    own.release.site["nginx"].update(nginx)
    own.answers_of("b" * 12)
    [(counter, log, skipped)] = made
    assert (counter.unit, counter.stats) == (f"uwsgi-shop@{'b' * 12}.service", f"{tmp_path}/run/shop/{'b' * 12}.stats")
    assert (log, skipped) == ("/var/log/nginx/shop.access.log", without)


def test_a_live_release_without_numbers_cannot_be_compared(tmp_path, monkeypatch, watched):
    monkeypatch.setattr(protocol, "stats", lambda address: b"")
    assert visited(tmp_path).answers_of("b" * 12) is None


def test_worse_answers_are_reported_with_both_shares_and_the_traceback(tmp_path, watched):
    shell = FakeShell({"journalctl": (0, backwards(MARK, *RAISED, REQUEST))})
    with pytest.raises(StepError) as caught:
        visited(tmp_path, shell, health={"watch": 7}).watch("b" * 12, Before())
    first, *rest = unindented(caught.value)
    assert first.startswith(
        "site 'shop': watch failed: 7 of 9 answers to visitors were 5xx; of release bbbbbbbbbbbb, which is live again, "
        "10% were; migrations are not reversed; "
    )
    assert "no such column" in first
    assert rest == [MARK, *RAISED]
    assert watched["asked"] == [(7, 0.1)]


def test_good_answers_are_not_reported(tmp_path, watched):
    watched["answers"] = None
    assert visited(tmp_path).watch("b" * 12, Before()) == ""
    assert watched["asked"] == [(5, 0.1)]


def test_a_site_without_visitors_is_not_watched(tmp_path, watched):
    assert visited(tmp_path).watch("b" * 12, Before(asked=False)) == ""
    assert watched["asked"] == []


@pytest.mark.parametrize("options", [{"log-5xx": None}, {"log-format": "%(addr)"}])
def test_a_uwsgi_that_does_not_log_5xx_is_not_watched_which_is_reported(tmp_path, watched, options):
    assert (
        visited(tmp_path, uwsgi={"options": options})
        .watch("b" * 12, Before())
        .startswith("its traffic is not watched: uwsgi.options keep")
    )
    assert watched["asked"] == []


def test_a_uwsgi_without_numbers_is_not_watched_which_is_reported(tmp_path, watched, monkeypatch):
    own = visited(tmp_path)
    said = "its traffic is not watched: no numbers from the uWSGI of release "
    assert own.watch("b" * 12, None) == said + "b" * 12
    monkeypatch.setattr(protocol, "stats", lambda address: b"")
    assert own.watch("b" * 12, Before()) == said + own.release.id
    assert watched["asked"] == []
