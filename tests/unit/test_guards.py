"""Whether a release's sockets can refuse everything except requests, and what happens if they cannot."""

from __future__ import annotations

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.release.guards import guarded
from builds import FakeShell
from releases import make_site


def ask(tmp_path, says, install="pyuwsgi", **uwsgi):
    """Return the result for a site whose uWSGI prints `says` for --help, and the commands that were run."""
    program = tmp_path / "uwsgi"
    program.write_text("")
    program.chmod(0o755)
    shell = FakeShell("shop", {"--help": says})
    site = make_site(tmp_path, uwsgi=uwsgi)[0]
    return guarded(site, {**goldens.BUILD, "uwsgi": str(program), "install": install}, shell), shell.calls


@pytest.mark.parametrize(("says", "found"), [("--route-if-not  add a route", True), ("--socket", False)])
def test_routing_support_is_read_from_uwsgi_help(tmp_path, says, found):
    told, calls = ask(tmp_path, says)
    assert told is found
    [call] = calls
    assert (call.argv, call.user) == ([f"{tmp_path}/uwsgi", "--help"], "site-shop")
    assert 0 < call.timeout <= 60


@pytest.mark.parametrize(
    ("install", "fix"),
    [
        ("pyuwsgi", "a newer uwsgi.version"),
        ("distribution", "uwsgi.install: pyuwsgi, whose wheel includes it"),
        ("uwsgi", "a newer uwsgi.version, which is built with the PCRE headers that are installed now"),
        ("tarball", "a newer uwsgi.version, which is built with the PCRE headers that are installed now"),
    ],
)
def test_a_port_without_a_guard_is_refused(tmp_path, install, fix):
    with pytest.raises(StepError) as caught:
        ask(tmp_path, "--socket", install, socket=["127.0.0.1:8000", 8001])
    assert str(caught.value) == (
        f"site 'shop': uwsgi failed: uwsgi.socket is 127.0.0.1:8000, 127.0.0.1:8001, and {tmp_path}/uwsgi was built "
        "without routing, without which every account of this host could run code as the site through that port; "
        f"expected unix, or {fix}"
    )


def test_a_port_with_a_guard_is_accepted(tmp_path):
    assert ask(tmp_path, "--route-if-not", socket=8000)[0]


def test_a_missing_program_is_not_reported_here(tmp_path):
    shell = FakeShell("shop")
    site = make_site(tmp_path)[0]
    assert guarded(site, {**goldens.BUILD, "uwsgi": f"{tmp_path}/none"}, shell)
    assert shell.calls == []
