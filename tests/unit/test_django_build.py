"""The module django_build: which builds are missing, check mode, and its result."""

from __future__ import annotations

import base64
import contextlib
import os
from pathlib import Path

import goldens
import pytest
import yaml
from ansible_collections.pyweb.stack.plugins.module_utils.build import run as running
from ansible_collections.pyweb.stack.plugins.module_utils.build.build import Build
from ansible_collections.pyweb.stack.plugins.module_utils.build.run import Results, Run, built_with
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete, split_secrets
from ansible_collections.pyweb.stack.plugins.modules import django_build
from builds import PYTHON, no_fetch

CHOSEN = {"version": "3.11", "path": "/usr/bin/python3.11"}


@pytest.mark.parametrize(
    ("site", "words"),
    [
        ({"virtualenv": "", "interpreter": CHOSEN}, "Python 3.11"),
        ({"virtualenv": "", "interpreter": {"version": "", "path": "/opt/python"}}, "/opt/python"),
        ({"virtualenv": "/home/huatai/venv", "interpreter": CHOSEN}, "the virtualenv /home/huatai/venv"),
        ({"virtualenv": "none", "interpreter": CHOSEN}, "the system's Python"),
    ],
)
def test_a_build_says_which_python_it_uses(site, words):
    assert built_with(site) == words


def test_the_documentation_has_the_modules_options():
    documented = yaml.safe_load(django_build.DOCUMENTATION)["options"]
    for name, option in documented.items():
        about = {key: value for key, value in option.items() if key != "description"}
        assert about == {key: value for key, value in django_build.SPEC[name].items() if key != "no_log"}, name
    assert set(documented) == set(django_build.SPEC)


def test_options_that_may_contain_a_secret_are_never_logged():
    hidden = {name for name, option in django_build.SPEC.items() if option.get("no_log")}
    assert hidden == {"secrets", "environment", "inline"}


# --- a run ---


class Host:
    """A host with fake accounts and builds; `.log` has what was made."""

    def __init__(self, tmp_path, monkeypatch, *sites):
        roots = {key: str(tmp_path / key) for key in ("sites", "state", "config", "run", "cache")}
        given = [{**goldens.SHOP, "domains": [f"{site['name']}.example.com"], **site} for site in sites]
        self.sites, self.secrets = split_secrets(complete(given, roots=roots))
        for site in self.sites:
            site["interpreter"] = PYTHON
            if site["source"]["kind"] == "directory":
                site["source"]["digest"] = "d" * 64
        self.scratch = tmp_path / "scratch"
        self.scratch.mkdir()
        self.log, self.finished, self.changes, self.broken, self.seen, self.found = [], {}, {}, {}, {}, {}
        monkeypatch.setattr(running.accounts, "ensure", self._ensure)
        monkeypatch.setattr(running.accounts, "web_group", lambda wanted: wanted or "the platform's")
        monkeypatch.setattr(running.files, "locked", self._locked)
        monkeypatch.setattr(running.builder, "held", lambda _layout: contextlib.nullcontext())
        monkeypatch.setattr(running.Context, "python_version", lambda _context: "3.12")
        monkeypatch.setattr(Build, "present", lambda build: self.finished.get(name_of(build), {}))
        monkeypatch.setattr(Build, "make", self._make())

    def _ensure(self, layout, user, managed, group, shell, check_mode, _shared, builds):
        name = layout.name
        assert builds == f"build-{name}"
        assert layout.root.endswith(f"/sites/{name}")
        assert (user, managed) == (f"site-{name}", True)
        self.seen[name] = (group, shell.site, check_mode)
        if name in self.broken.get("accounts", []):
            raise StepError(name, "accounts", "there is no such user")
        return self.changes.get(name, [])

    def _locked(self, name):
        host = self

        class Lock:
            def __enter__(self):
                host.log.append(f"lock {name}")

            def __exit__(self, *_error):
                host.log.append(f"unlock {name}")

        return Lock()

    def _make(self):
        def make(build):
            name = name_of(build)
            self.log.append(f"make {name}")
            self.seen[f"upload of {name}"] = build.resolved.upload
            if name in self.broken.get("crashes", []):
                raise ValueError("nobody thought of it")
            if name in self.broken.get("builds", []):
                raise StepError(name, "project", "it is broken")
            return {"id": build.id, "path": build.root, **self.found}

        return make

    def run(self, **keys):
        given = {
            "secrets": self.secrets,
            "environment": {},
            "installer": "uv",
            "fetch": no_fetch,
            "scratch": str(self.scratch),
            "web_group": "",
            "uploads": {},
            "inline": {},
            "check_mode": False,
        }
        return Run(**{**given, **keys}).all(self.sites)


def name_of(build):
    return build.context.site["name"]


@pytest.fixture
def host(tmp_path, monkeypatch):
    """host(*sites) -> a `Host` with these sites."""
    return lambda *sites: Host(tmp_path, monkeypatch, *sites)


def test_a_missing_build_is_made_under_the_sites_lock(host):
    shop = host({"name": "shop"})
    results = shop.run(web_group="nginx")
    made = results.builds["shop"]["id"]
    assert len(made) == 12
    assert results.answer() == {
        "changed": True,
        "builds": {"shop": {"id": made, "path": f"{shop.sites[0]['paths']['builds']}/{made}"}},
        "made": [f"shop: build {made}, Python 3.12"],
        "diff": [{"before": "", "after": f"build {made}\n", "before_header": "shop", "after_header": "shop"}],
    }
    assert results.faults == []
    assert shop.log == ["lock shop", "make shop", "unlock shop"]
    assert shop.seen["shop"] == ("nginx", "shop", False)


def test_what_discovery_found_is_in_the_manifest_and_is_no_change(host):
    shop = host({"name": "shop"})
    shop.found = {"notes": ["settings are those of the class Prod"]}
    results = shop.run()
    assert results.made == [f"shop: build {results.builds['shop']['id']}, Python 3.12"]
    assert results.builds["shop"]["notes"] == ["settings are those of the class Prod"]


def test_an_existing_build_is_no_change(host):
    shop = host({"name": "shop"})
    shop.finished["shop"] = {"id": "x"}
    assert shop.run().answer() == {"changed": False, "builds": {"shop": {"id": "x"}}, "made": [], "diff": []}
    assert shop.log == []


def test_a_build_made_by_another_run_in_the_meantime_is_used(host, monkeypatch):
    shop = host({"name": "shop"})
    locked = running.files.locked

    def lock(name):
        shop.finished["shop"] = {"id": "of the other run"}
        return locked(name)

    monkeypatch.setattr(running.files, "locked", lock)
    assert shop.run().builds == {"shop": {"id": "of the other run"}}
    assert shop.log == ["lock shop", "unlock shop"]


def test_an_absent_site_gets_nothing(host):
    shop = host({"name": "shop", "state": "absent"}, {"name": "blog"})
    results = shop.run()
    assert list(results.builds) == ["blog"]
    assert "shop" not in shop.seen


def test_created_accounts_are_a_change(host):
    shop = host({"name": "shop"})
    shop.finished["shop"], shop.changes["shop"] = {"id": "x"}, ["user site-shop", "/opt/sites/shop"]
    answer = shop.run().answer()
    assert answer["changed"] is True
    assert answer["made"] == ["shop: user site-shop", "shop: /opt/sites/shop"]
    assert shop.seen["shop"][0] == "the platform's"


def test_a_failed_site_does_not_stop_the_others(host):
    sites = host({"name": "shop"}, {"name": "blog"}, {"name": "wiki"})
    sites.broken = {"accounts": ["shop"], "builds": ["blog"]}
    results = sites.run()
    assert results.faults == [
        "site 'shop': accounts failed: there is no such user",
        "site 'blog': project failed: it is broken",
    ]
    assert [entry for entry in sites.log if entry.startswith("make")] == ["make blog", "make wiki"]
    # A failed build is not listed as made.
    assert [text.partition(" ")[0] for text in results.made] == ["wiki:"]
    assert "path" in results.builds["wiki"]


# --- check mode ---


def test_an_unexpected_error_is_a_fault_of_its_site(host):
    both = host({"name": "shop"}, {"name": "blog"})
    both.broken = {"crashes": ["shop"]}
    results = both.run()
    [fault] = results.faults
    assert fault.startswith("site 'shop': run failed: ValueError: nobody thought of it (test_django_build.py:")
    assert [text for text in results.made if text.startswith("blog: build ")] == results.made
    assert (results.faulty, list(results.builds)) == (["shop"], ["blog"])


def test_a_source_that_the_controller_could_not_pack_is_a_fault_of_its_site(host):
    results = host({"name": "shop"}, {"name": "blog"}).run(unpacked={"shop": "no such file"})
    assert results.faults == ["site 'shop': source failed: no such file"]
    assert list(results.builds) == ["blog"]


def test_check_mode_makes_nothing(host):
    shop = host({"name": "shop"})
    results = shop.run(check_mode=True)
    made = results.builds["shop"]["id"]
    assert results.builds == {"shop": {"id": made, "predicted": True}}
    assert results.made == [f"shop: build {made}, Python 3.12"]
    assert shop.log == []
    assert shop.seen["shop"][2] is True


def test_check_mode_cannot_predict_the_id_without_the_sites_user(host):
    shop = host({"name": "shop", "source": {"git": "x", "version": "main"}})
    shop.changes["shop"] = ["user site-shop"]
    results = shop.run(check_mode=True)  # git would have to run as a user that does not exist
    assert results.builds == {"shop": {"id": "", "predicted": True}}
    assert results.made == ["shop: user site-shop", "shop: a build"]
    assert (results.diff, results.faults) == ([], [])


def test_check_mode_requests_no_source(host, tmp_path):
    shop = host({"name": "shop", "source": {"directory": str(tmp_path)}})
    results = shop.run(check_mode=True, inline={"shop": base64.b64encode(b"packed").decode()})
    assert results.uploads_wanted == []
    assert "uploads_wanted" not in results.answer()
    assert os.listdir(shop.scratch) == []


# --- sources on the controller ---


def test_missing_sources_are_requested_before_any_build_is_made(host, tmp_path):
    sites = host({"name": "shop", "source": {"directory": str(tmp_path)}}, {"name": "blog"})
    results = sites.run()
    assert results.answer()["uploads_wanted"] == ["shop"]
    assert results.builds["shop"]["predicted"] is True
    assert results.builds["blog"]["predicted"] is True
    assert sites.log == []


def test_the_source_of_an_existing_build_is_not_requested(host, tmp_path):
    sites = host({"name": "shop", "source": {"directory": str(tmp_path)}}, {"name": "blog"})
    sites.finished["shop"] = {"id": "x"}
    assert sites.run().uploads_wanted == []
    assert "make blog" in sites.log


def test_an_uploaded_source_is_used(host, tmp_path):
    shop = host({"name": "shop", "source": {"directory": str(tmp_path)}})
    inline = {"shop": base64.b64encode(b"older").decode()}
    shop.run(uploads={"shop": "/remote/packed.tar.gz"}, inline=inline)
    assert shop.seen["upload of shop"] == "/remote/packed.tar.gz"
    assert os.listdir(shop.scratch) == []


def test_a_small_source_is_passed_with_the_call(host, tmp_path):
    shop = host({"name": "shop", "source": {"directory": str(tmp_path)}})
    shop.run(inline={"shop": base64.b64encode(b"packed").decode()})
    path = Path(shop.seen["upload of shop"])
    assert (path.parent, path.read_bytes()) == (shop.scratch, b"packed")


def test_the_result_of_an_empty_run():
    assert Results().answer() == {"changed": False, "builds": {}, "made": [], "diff": []}


def test_besides_a_fault_builds_are_shortened_in_the_result():
    build = {"id": "a" * 12, "path": "/opt", "check": "W" * 1000, "hints": ["npm ci"], "src": "/opt/src"}
    assert django_build.in_short(build) == {"id": "a" * 12, "hints": ["npm ci"]}
