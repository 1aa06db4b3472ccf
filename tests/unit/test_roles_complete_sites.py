"""All roles complete sites with the same roots, so that none refuses what another one accepts."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import jinja2.nativetypes
import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.pyweb.stack.plugins.filter import acme, firewall, nginx, selinux, sites

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "roles"
# The arguments `roots` and `tls`.
CALL = re.compile(r"\| *pyweb\.stack\.sites\b(?:\(([^,]*),[^,]*,\s*(tls=\w+(?: \| default\('none'\))?)\))?")
COMPLETING = sorted(path.parents[1].name for path in ROLES.glob("*/vars/main.yml") if CALL.search(path.read_text()))
FILTERS = {
    f"pyweb.stack.{name}": function
    for module in (sites, nginx, firewall, selinux, acme)
    for name, function in module.FilterModule().filters().items()
}
# The sites' own directories are elsewhere, so any path will do.
ROOTS = {"sites": "/srv/sites"}
SITES = [{"name": "shop", "domains": ["shop.example.com"], "source": {"path": "/opt/sites/shop/code"}}]


def test_these_roles_complete_sites():
    assert COMPLETING == ["django", "firewalld", "nginx", "uwsgi"]


@pytest.mark.parametrize(
    "path",
    [path for path in sorted([*ROLES.rglob("*.yml"), *ROOT.glob("playbooks/*.yml")]) if CALL.search(path.read_text())],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_sites_are_always_completed_with_roots_and_tls(path):
    role = path.relative_to(ROLES).parts[0] if path.is_relative_to(ROLES) else ""
    wanted = f"roots={role}_roots" if role else "roots=web_roots | default({})"
    tls = f"tls={role}_tls" if role else "tls=web_tls | default('none')"
    assert set(CALL.findall(path.read_text())) == {(wanted, tls)}


def evaluated(role, **given):
    """Return the sites, or a value derived from them, according to the role's variables."""
    environment = jinja2.nativetypes.NativeEnvironment(undefined=jinja2.StrictUndefined)
    environment.filters.update(FILTERS, bool=bool)
    variables = {"playbook_dir": str(ROOT), "__nginx_acme": {}, "__nginx_certbot": "2.1.0", **given}
    for name, value in yaml.safe_load((ROLES / role / "defaults/main.yml").read_text()).items():
        variables[name] = environment.from_string(value).render(variables) if isinstance(value, str) else value
    texts = yaml.safe_load((ROLES / role / "vars/main.yml").read_text())
    if "__nginx_sites" in texts:
        variables["__nginx_sites"] = environment.from_string(texts["__nginx_sites"]).render(variables)
    [text] = [
        value
        for name, value in texts.items()
        if name in ("__django_sites", "__uwsgi_sites", "__nginx_files", "__firewalld_plan")
    ]
    return environment.from_string(text).render(variables)


FACTS = {
    "ansible_facts": {"pyweb": {"ipv6": False}},
    "__firewalld_found": {"opened": {}, "default_zone": "public", "let_in": {}},
    "__firewalld_ssh_ports": [22],
    "__nginx_host": {},
    "__nginx_maintenance": {},
    "__nginx_version": "",
    "__nginx_waiting": [],
    "__nginx_platform": {"user": "nginx", "layout": "conf_d", "modules": "/m/*.conf"},
}


@pytest.mark.parametrize("role", COMPLETING)
def test_a_path_that_one_role_accepts_is_accepted_by_all(role):
    assert evaluated(role, web_sites=SITES, web_roots=ROOTS, **FACTS)
    # This shows that the test depends on the roots.
    with pytest.raises(AnsibleFilterError, match=r"source\.path /opt/sites/shop/code is inside root /opt/sites/shop"):
        evaluated(role, web_sites=SITES, **FACTS)


def test_the_firewall_opens_the_ports_of_sites_below_other_roots():
    planned = evaluated("firewalld", web_sites=SITES, web_roots=ROOTS, **FACTS)
    assert planned["open"] == [{"zone": "public", "service": "http", "port": ""}]
