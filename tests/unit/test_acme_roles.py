"""When the roles and playbooks request certificates, and what they install for this."""

from __future__ import annotations

from pathlib import Path

import jinja2.meta
import jinja2.nativetypes
import pytest
import yaml
from acme_hosts import Host, site
from ansible.errors import AnsibleFilterError
from ansible.plugins.filter.core import FilterModule as Core
from ansible.plugins.filter.mathstuff import FilterModule as Mathstuff
from ansible.plugins.test.core import failed
from ansible_collections.pyweb.stack.plugins.filter import acme, nginx, sites
from ansible_collections.pyweb.stack.plugins.module_utils.model import layout as layouts
from ansible_collections.pyweb.stack.plugins.module_utils.tls import acme_found, pairs

ROOT = Path(__file__).resolve().parents[2]
FILTERS = {
    "flatten": Core().filters()["flatten"],
    "product": Mathstuff().filters()["product"],
    "difference": Mathstuff().filters()["difference"],
    "intersect": Mathstuff().filters()["intersect"],
    **{
        f"pyweb.stack.{name}": function
        for module in (sites, nginx, acme)
        for name, function in module.FilterModule().filters().items()
    },
}


class Variables(dict):
    """The variables of the role nginx; templates are rendered when they are read."""

    def __init__(self, given):
        folder = ROOT / "roles/nginx"
        texts = [yaml.safe_load((folder / f"{name}/main.yml").read_text()) for name in ("defaults", "vars")]
        super().__init__({**texts[0], **texts[1], "playbook_dir": str(ROOT), **given})
        self.environment = jinja2.nativetypes.NativeEnvironment(undefined=jinja2.StrictUndefined)
        self.environment.filters.update(FILTERS)
        self.environment.tests["failed"] = failed

    def value(self, name):
        text = self[name]
        if not isinstance(text, str) or "{{" not in text:
            return text
        template = self.environment.from_string(text)
        asked = jinja2.meta.find_undeclared_variables(self.environment.parse(text))
        return template.render({word: self.value(word) for word in asked if word in self})


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


def role(host, *given, distribution=("Debian", "12"), facts=None, **more):
    """Return the variables of the role for these sites, on a host whose facts were gathered."""
    found = acme_found.facts(host.run) if facts is None else facts
    known = {
        "os_family": distribution[0],
        "pyweb": {"platform": "-".join(distribution), "packages": [], "acme": found, "nginx": {"sites": []}},
    }
    given = [one if one.get("state") == "absent" else {"source": {"startproject": "shop"}, **one} for one in given]
    roots = {name: str(host.folder / name) for name in layouts.ROOTS}
    return Variables({"ansible_facts": known, "web_sites": list(given), "web_roots": roots, **more})


PLAIN = {"name": "plain", "domains": ["plain.example.com"]}


def test_certbot_is_installed_if_a_site_needs_it(host):
    assert role(host, PLAIN).value("nginx_packages_needed") == ["nginx"]
    plugin = {"dns": {"plugin": "rfc2136", "credentials": "a = b"}}
    variables = role(host, PLAIN, site(challenge=plugin), distribution=("RedHat", "9"))
    assert variables.value("nginx_packages_needed") == ["nginx", "openssl", "certbot", "python3-certbot-dns-rfc2136"]
    sources = variables.value("nginx_package_sources")
    assert sorted(sources) == ["certbot", "python3-certbot-dns-rfc2136"]
    assert sources["certbot"].startswith("EPEL has it: dnf install epel-release")
    assert role(host, {"name": "shop", "state": "absent"}).value("nginx_packages_needed") == []


@pytest.mark.parametrize(
    ("platform", "there", "version"),
    [
        (("Ubuntu", "22.04"), "", "1.18.0"),
        (("Ubuntu", "22.04"), "1.27.4", "1.27.4"),
        (("Ubuntu", "24.04"), "", ""),
        (("RedHat", "9"), "1.20.1", "1.20.1"),
    ],
)
def test_check_mode_knows_which_nginx_an_empty_host_would_get(host, platform, there, version):
    variables = role(host, PLAIN, distribution=platform)
    variables["ansible_facts"]["pyweb"]["nginx_version"] = there
    assert variables.value("__nginx_version") == version


def test_only_sites_that_nginx_serves_are_pending(host):
    given = site(), site("blog", ["blog.example.com"]), PLAIN
    assert role(host, *given).value("nginx_certificates_pending") == ["shop: new", "blog: new", "the timer"]
    refused = {"failed": True, "set_after": {"faulty": ["blog"], "others": ["shop", "plain"]}}
    variables = role(host, *given, __nginx_configured=refused)
    assert variables.value("nginx_certificates_pending") == ["shop: new", "the timer"]
    assert [one["name"] for one in variables.value("__nginx_certified")] == ["shop", "plain"]
    assert role(host, PLAIN).value("nginx_certificates_pending") == []


def test_sites_of_one_server_share_one_certificate(host):
    given = site(), {**site("below"), "prefix": "/below"}
    assert role(host, *given).value("nginx_certificates_pending") == ["shop: new", "the timer"]


@pytest.mark.parametrize(
    ("distribution", "refused"),
    [(("Debian", "12"), True), (("Debian", "13"), True), (("RedHat", "9"), True), (("RedHat", "10"), False)],
)
def test_a_profile_is_refused_if_the_certbot_of_the_platform_lacks_it(host, distribution, refused):
    variables = role(host, site(profile="shortlived"), distribution=distribution)
    if not refused:
        assert variables.value("__nginx_sites")
        return
    with pytest.raises(AnsibleFilterError, match="cannot keep a profile at renewal"):
        variables.value("__nginx_sites")
    # A newer version on the host counts.
    facts = {"certbot": "5.6.0", "lineages": {}, "timer": False}
    assert role(host, site(profile="shortlived"), distribution=distribution, facts=facts).value("__nginx_sites")


def blocks(tasks):
    """Yield all tasks in the order of their execution, as (task, whether it also runs after a failure)."""
    for task in tasks:
        yield task
        for part in ("block", "always"):
            yield from blocks(task.get(part, []))


def role_of(task):
    for word in ("import_role", "include_role"):
        if found := task.get(f"ansible.builtin.{word}"):
            return found["name"].rpartition(".")[2], found.get("tasks_from", "")
    return "", ""


UNCERTIFIED = {"certbot": "2.1.0", "lineages": {}, "timer": False, "certified": ["plain"]}


@pytest.mark.parametrize(
    ("more", "waiting"),
    [
        ({}, ["shop", "blog"]),
        # Check mode predicts what a run would do at its end.
        ({"ansible_check_mode": True}, []),
        ({"nginx_issued": {"changed": True}}, []),
        ({"nginx_issued": {"failed": True, "sites_after": {"faulty": ["blog"]}}}, ["blog"]),
        ({"nginx_issued": {"failed": True, "msg": "no certbot"}}, ["shop", "blog"]),
    ],
)
def test_a_site_is_served_over_http_until_its_first_certificate_exists(host, more, waiting):
    sites = [site(), site(name="blog", domains=["blog.example.com"]), PLAIN]
    given = {"ansible_check_mode": False, **more}
    assert role(host, *sites, facts=UNCERTIFIED, **given).value("__nginx_waiting") == waiting


def test_a_site_with_a_certificate_does_not_wait(host):
    facts = {**UNCERTIFIED, "certified": ["shop"]}
    assert role(host, site(), facts=facts, ansible_check_mode=False).value("__nginx_waiting") == []


def test_a_site_in_the_server_of_another_does_not_wait_for_its_own_certificate(host):
    below = {**site(name="below", domains=site()["domains"]), "prefix": "/below"}
    facts = {**UNCERTIFIED, "certified": ["shop"]}
    variables = role(host, site(), below, facts=facts, ansible_check_mode=False)
    assert variables.value("__nginx_waiting") == []
    # It does not request one either if that server failed.
    faulty = {"set_after": {"faulty": ["shop"], "others": ["below"]}, "failed": True}
    variables = role(host, site(), below, facts=facts, ansible_check_mode=False, __nginx_configured=faulty)
    assert variables.value("nginx_certificates_pending") == []


def test_a_site_with_an_issued_certificate_redirects_although_another_failed():
    [get] = yaml.safe_load((ROOT / "roles/nginx/tasks/certificates.yml").read_text())
    [then] = get["always"]
    assert then["when"] == "not ansible_check_mode and __nginx_uncertified | difference(__nginx_waiting) | length > 0"
    [first] = [
        task
        for task in yaml.safe_load((ROOT / "roles/nginx/tasks/serve.yml").read_text())
        if "pyweb.stack.nginx_set" in task
    ]
    # The service runs, and the files of the sites have their labels.
    apart = dict.fromkeys(("service", "apply", "sites", "certificates", "relabel"), "")
    assert {**then["pyweb.stack.nginx_set"], **apart} == {**first["pyweb.stack.nginx_set"], **apart}


def test_a_placeholder_does_not_count_as_a_certificate(host, monkeypatch):
    layout = layouts.Layout.under("shop", {name: str(host.folder / name) for name in layouts.ROOTS})
    monkeypatch.setattr(acme_found.memory, "sites", lambda: {"shop": {"paths": dict(layout.paths)}})
    assert acme_found.certified() == []
    pairs.switch(layout, pairs.install(layout, "certificate", "key", placeholder=True))
    assert acme_found.certified() == []
    pairs.switch(layout, pairs.install(layout, "another", "key"))
    assert acme_found.certified() == ["shop"]


def test_certificates_are_requested_after_the_ports_are_open_and_after_a_failure_too():
    [play] = yaml.safe_load((ROOT / "playbooks/site.yml").read_text())
    tasks = list(blocks(play["tasks"]))
    order = [role_of(task) for task in tasks if role_of(task)[0] in ("nginx", "firewalld")][-3:]
    assert order == [("nginx", "serve"), ("firewalld", "open"), ("nginx", "certificates")]
    [opening] = [task for task in tasks if any(role_of(one)[0] == "firewalld" for one in task.get("block", []))]
    [getting] = opening["always"]
    assert role_of(getting) == ("nginx", "certificates")
    assert getting["when"] == "nginx_certificates_pending | length > 0"


def test_the_role_nginx_requests_certificates_at_its_end():
    *_before, last = yaml.safe_load((ROOT / "roles/nginx/tasks/main.yml").read_text())
    assert last["ansible.builtin.include_tasks"] == "certificates.yml"
    asked = last["when"].split(" and ")
    assert (asked[0], asked[-1]) == ("nginx_certificates | bool", "nginx_certificates_pending | length > 0")
    assert yaml.safe_load((ROOT / "roles/nginx/defaults/main.yml").read_text())["nginx_certificates"] is True
