"""uWSGI's options: those of the model, defaults that users can change, and what is in an ini file."""

from __future__ import annotations

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model import uwsgi_options
from models import completed

# Options that the collection writes and a user may add to.
SHARED = {"plugins", "pythonpath", "binary-path", "hook-master-start", "worker-reload-mercy"}
SHARED |= {"route-if-not", "route-if", "route-run"}
RELEASE = "0123456789ab"


def written(build=None, **keys):
    return uwsgi_options.written(completed(**keys), build or goldens.BUILD, RELEASE, "overlay_wsgi")


def test_defaults_of_a_site():
    assert completed()["uwsgi"]["options"] == {
        "harakiri": 55,
        "buffer-size": 65535,
        "max-vars": 3300,
        "max-requests": 5000,
        "single-interpreter": True,
        "enable-threads": True,
        "py-call-uwsgi-fork-hooks": True,
        "auto-procname": True,
        "umask": "027",
        "vacuum": True,
        "ignore-sigpipe": True,
        "ignore-write-errors": True,
        "disable-write-exception": True,
        "disable-logging": True,
        "log-4xx": True,
        "log-5xx": True,
    }


@pytest.mark.parametrize(("read_timeout", "harakiri"), [(1, 1), (5, 1), (6, 1), (7, 2), (86400, 86395)])
def test_harakiri_is_never_off(read_timeout, harakiri):
    assert uwsgi_options.defaults(read_timeout)["harakiri"] == harakiri


def test_an_option_of_the_user_keeps_the_position_of_the_default():
    options = completed(uwsgi={"options": {"vacuum": False, "umask": None, "show-config": True}})["uwsgi"]["options"]
    assert list(options.items())[8:10] == [("vacuum", False), ("ignore-sigpipe", True)]
    assert list(options)[-1] == "show-config"
    assert "umask" not in options


@pytest.mark.parametrize("build", [goldens.BUILD, goldens.FOUND], ids=["build", "in place"])
def test_every_written_option_is_owned_or_can_be_added_to(build):
    site = completed(uwsgi={"options": dict.fromkeys(uwsgi_options.defaults(60))})
    names = [name for name, _value in uwsgi_options.written(site, build, RELEASE, "overlay_wsgi")]
    assert set(names) <= {*uwsgi_options.OWNED, *SHARED}
    assert len(names) == len(set(names))
    # No default is an owned option.
    assert not set(uwsgi_options.defaults(60)) & {*uwsgi_options.OWNED, *SHARED}


def test_paths_are_those_of_the_release():
    options = dict(written())
    assert options["chdir"] == "/opt/sites/shop/releases/0123456789ab/src"
    assert options["socket"] == "/run/sites/shop/0123456789ab.sock"
    assert options["stats"] == "/run/sites/shop/0123456789ab.stats"
    assert options["home"] == "/opt/sites/shop/releases/0123456789ab/venv"
    assert options["binary-path"] == "/opt/sites/shop/releases/0123456789ab/venv/bin/python3"
    assert options["pythonpath"] == "/opt/sites/shop/releases/0123456789ab/overlay"
    assert options["module"] == "overlay_wsgi:application"
    assert "plugins" not in options


def test_a_project_in_place_is_loaded_unchanged():
    options = dict(written(goldens.FOUND))
    assert options["chdir"] == "/opt/sites/shop/releases/0123456789ab/src/backend"
    assert options["module"] == "mysite.wsgi:application"
    assert options["plugins"] == "python3"
    assert not {"home", "binary-path", "pythonpath"} & set(options)


def test_a_record_of_an_earlier_release_gives_the_same_ini():
    """Records contain the options without worker-reload-mercy; a rollback writes the ini from them."""
    site = completed(nginx={"read_timeout": 90})
    assert "worker-reload-mercy" not in site["uwsgi"]["options"]
    names = [name for name, _value in uwsgi_options.written(site, goldens.BUILD, RELEASE, "x", guarded=False)]
    assert names.index("worker-reload-mercy") == names.index("hook-master-start") + 1 == names.index("harakiri") - 1
    assert dict(written(nginx={"read_timeout": 90}))["worker-reload-mercy"] == 90
    own = dict(written(uwsgi={"options": {"worker-reload-mercy": 7}}))
    assert own["worker-reload-mercy"] == 7


def test_the_guards_come_before_every_route_of_the_site():
    options = written(uwsgi={"options": {"route-run": "last:", "route-if-not": "empty:${A} break:404"}})
    routes = [(name, value) for name, value in options if name.startswith("route")]
    guards = uwsgi_options.guards()
    assert routes == [*guards, ("route-run", "last:"), ("route-if-not", "empty:${A} break:404")]
    assert guards[-1] == ("route-run", "setmodifier1:0")
    assert len(guards[0][1]) == len(set(uwsgi_options.GUARDED)) == 12


def test_a_uwsgi_without_routing_gets_no_route():
    site = completed()
    names = [name for name, _value in uwsgi_options.written(site, goldens.BUILD, RELEASE, "x", guarded=False)]
    assert not [name for name in names if name.startswith("route")]


def test_headers_of_the_largest_packet_fit():
    """The shortest header that nginx passes on is HTTP_A without a value; the packet has 65535 bytes."""
    options = uwsgi_options.defaults(60)
    shortest = len("HTTP_A") + 2 + 2
    assert options["max-vars"] * 2 >= options["buffer-size"] // shortest
