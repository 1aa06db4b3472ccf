"""The audit log of a site: what is recorded in its own file and in the journal."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.release import history


@pytest.fixture
def journal(monkeypatch):
    """Return what is sent to syslog: (identifier, facility), and then priority and text of each line."""
    told = []
    monkeypatch.setattr(history.syslog, "openlog", lambda *words: told.append(words))
    monkeypatch.setattr(history.syslog, "syslog", lambda *words: told.append(words))
    return told


def test_an_action_is_recorded_with_its_result(tmp_path, journal):
    path = tmp_path / "history"
    with history.audited("shop", str(path), "anna@desk", "deploy", "", "b" * 12, lambda: ""):
        assert not path.exists()
    with (
        pytest.raises(StepError),
        history.audited("shop", str(path), "anna@desk", "rollback", "b" * 12, "a" * 12, lambda: "b" * 12),
    ):
        raise StepError("shop", "health", "/ answered\n500", "Traceback ...")
    first, second = path.read_text().splitlines()
    assert first.endswith("Z deploy - -> bbbbbbbbbbbb by anna@desk: live")
    assert second.endswith("Z rollback bbbbbbbbbbbb -> aaaaaaaaaaaa by anna@desk: failed: health: / answered 500")
    assert set(journal[::2]) == {("pyweb.stack", 0, history.syslog.LOG_DAEMON)}
    assert journal[1::2] == [
        (history.syslog.LOG_NOTICE, f"shop: {text}")
        for text in (
            "deploy - -> bbbbbbbbbbbb by anna@desk: begins",
            "deploy - -> bbbbbbbbbbbb by anna@desk: live",
            "rollback bbbbbbbbbbbb -> aaaaaaaaaaaa by anna@desk: begins",
            "rollback bbbbbbbbbbbb -> aaaaaaaaaaaa by anna@desk: failed: health: / answered 500",
        )
    ]


def test_other_exceptions_are_recorded_by_name(tmp_path, journal):
    with (
        pytest.raises(KeyboardInterrupt),
        history.audited("shop", str(tmp_path / "history"), "", "deploy", "", "b", lambda: ""),
    ):
        raise KeyboardInterrupt
    assert (tmp_path / "history").read_text().endswith("Z deploy - -> b by unknown: failed: KeyboardInterrupt\n")


def test_a_history_that_cannot_be_written_hides_no_error(tmp_path, journal):
    path = str(tmp_path / "no/such/folder")
    with history.audited("shop", path, "", "deploy", "", "b", lambda: ""):
        pass
    assert journal[-1][1] == "shop: deploy - -> b by unknown: live"
    with (
        pytest.raises(StepError, match="the real reason"),
        history.audited("shop", path, "", "deploy", "", "b", lambda: ""),
    ):
        raise StepError("shop", "health", "the real reason")


@pytest.mark.parametrize(
    ("live", "told"),
    [
        ("old", "failed: stop: it hangs"),
        ("new", "live, but then failed: stop: it hangs"),
        ("", "failed: stop: it hangs; nothing is live"),
        ("other", "failed: stop: it hangs; other is live"),
    ],
)
def test_a_failure_is_recorded_with_the_release_that_is_live_after_it(tmp_path, journal, live, told):
    path = tmp_path / "history"
    with pytest.raises(StepError), history.audited("shop", str(path), "", "deploy", "old", "new", lambda: live):
        raise StepError("shop", "stop", "it hangs")
    assert path.read_text().endswith(f"Z deploy old -> new by unknown: {told}\n")


def test_migrations_that_stay_applied_after_a_failure_are_recorded(tmp_path, journal):
    error = StepError("shop", "health", "/ answered 500")
    error.migrations = ["shop.0002_x", "shop.0003_y"]
    path = tmp_path / "history"
    with pytest.raises(StepError), history.audited("shop", str(path), "", "deploy", "a", "b", lambda: "a"):
        raise error
    assert (
        "failed: health: / answered 500; these migrations stay applied: shop.0002_x, shop.0003_y\n"
    ) in path.read_text()
