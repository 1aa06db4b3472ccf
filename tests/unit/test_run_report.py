"""The end of a run: the results of tasks, the document made of them, its schema, and the output."""

from __future__ import annotations

import json
import os
import re
import subprocess
import types
from pathlib import Path
from unittest.mock import MagicMock

import jsonschema
import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.pyweb.stack.plugins.action import run_report as action
from ansible_collections.pyweb.stack.plugins.plugin_utils import output, rollback_command, run_report, run_results

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs/run-report.schema.json").read_text(encoding="utf-8"))
NEW, OLD, COMMIT = "a" * 12, "b" * 12, "c" * 40
URL = "http://shop.example/"
CODE = {"commit": COMMIT, "subject": "Fix the cart", "source": "git https://git.example/shop main"}
RELEASE = {"id": NEW, "previous": OLD, "migrations": [], **CODE}
LIVE = {"id": OLD, "previous": "", "switched": False, "migrations": [], **CODE}
NOTHING = {"id": "", "previous": "", "switched": False, "migrations": [], "commit": "", "subject": "", "source": ""}
CHECKED = {"changed": False, "sites": [{"name": "shop", "state": "present", "url": URL}]}
GONE = {"changed": False, "sites": [{"name": "shop", "state": "absent", "url": ""}]}
BUILT = {"changed": True, "made": [f"shop: build {NEW}, Python 3.11"]}
RELEASED = {"changed": True, "made": [f"shop: release {NEW}"], "releases": {"shop": RELEASE}}
UNCHANGED = {"changed": False, "made": [], "releases": {"shop": RELEASE}}


def released(**changes):
    """Return a release that cannot be rolled back, unless a previous one is given."""
    return {**RELEASED, "releases": {"shop": {**RELEASE, "previous": "", **changes}}}


def unchanged(**changes):
    return {**UNCHANGED, "releases": {"shop": {**RELEASE, "previous": "", **changes}}}


NO_BUILD = {
    "changed": False,
    "failed": True,
    "msg": "site 'shop': requirements failed: no such package\nuv says more",
    "sites_after": {"made": [], "live": {"shop": LIVE}},
}


def looked(*packages):
    return {"changed": False, "ansible_facts": {"pyweb": {"packages": list(packages)}}}


def document(variables, alive=True, check_mode=False, notes=(), seconds=12.34):
    host = run_results.host_of("web1", variables, alive, notes, lambda site: f"ROLL BACK {site}")
    return run_report.document([host], seconds, check_mode)


def lines(found):
    return [text for text, _colour in run_report.lines(found)]


SERVES = f'release {NEW}, commit {"c" * 12} "Fix the cart"'
STILL = f'still serves release {OLD}, commit {"c" * 12} "Fix the cart"'
# What happened, the results of tasks, whether the host's tasks succeeded, and the expected lines.
CASES = [
    (
        "a new release",
        {"django_builds": BUILT, "uwsgi_releases": RELEASED},
        True,
        [f"web1 shop {URL}: serves {SERVES}; changed: build, release; 12 s; roll back: ROLL BACK shop"],
    ),
    (
        "the first release has nothing to go back to",
        {"uwsgi_releases": released()},
        True,
        [f"web1 shop {URL}: serves {SERVES}; changed: release; 12 s"],
    ),
    (
        "an unchanged second run",
        {"django_builds": {"changed": False, "made": []}, "uwsgi_releases": UNCHANGED},
        True,
        [f"web1 shop {URL}: serves {SERVES}; nothing changed; 12 s; roll back: ROLL BACK shop"],
    ),
    (
        "code that comes from no commit",
        {
            "uwsgi_releases": {
                **UNCHANGED,
                "releases": {"shop": {**NOTHING, "id": NEW, "source": "directory 0123456789ab"}},
            }
        },
        True,
        [f"web1 shop {URL}: serves release {NEW} of directory 0123456789ab; nothing changed; 12 s"],
    ),
    (
        "migrations",
        {
            "uwsgi_releases": {
                **RELEASED,
                "releases": {"shop": {**RELEASE, "previous": "", "migrations": ["shop.0002_x"]}},
            }
        },
        True,
        [f"web1 shop {URL}: serves {SERVES}; changed: release; migrations applied: shop.0002_x; 12 s"],
    ),
    (
        "many migrations",
        {
            "uwsgi_releases": {
                **UNCHANGED,
                "releases": {"shop": {**RELEASE, "previous": "", "migrations": list("abcdef")}},
            }
        },
        True,
        [f"web1 shop {URL}: serves {SERVES}; nothing changed; migrations applied: a, b, c, d and 2 more; 12 s"],
    ),
    (
        "only nginx's file of the site",
        {
            "uwsgi_releases": unchanged(),
            "__nginx_configured": {
                "changed": True,
                "files": [
                    {"path": "/etc/nginx/nginx.conf", "state": "unchanged"},
                    {"path": "/etc/nginx/conf.d/shop.conf", "state": "changed"},
                ],
            },
        },
        True,
        [f"web1 shop {URL}: serves {SERVES}; changed: nginx; 12 s"],
    ),
    (
        "the host around the site",
        {
            "host_looked": looked("bash"),
            "ansible_facts": {"pyweb": {"packages": ["bash", "nginx"]}},
            "uwsgi_releases": unchanged(),
            "__nginx_configured": {"changed": True, "files": [], "started": ["start"]},
            "__firewalld_changed": {"changed": True, "opened": ["http in zone public"], "closed": []},
        },
        True,
        [f"web1 shop {URL}: serves {SERVES}; changed: packages, nginx, firewall; 12 s"],
    ),
    (
        "a site that goes",
        {"web_checked": GONE, "uwsgi_releases": {"changed": True, "made": ["shop: removed /opt/sites/shop"]}},
        True,
        ["web1 shop: was removed; 12 s"],
    ),
    (
        "a site that is gone",
        {"web_checked": GONE, "uwsgi_releases": {"changed": False, "made": []}},
        True,
        ["web1 shop: is absent; nothing changed; 12 s"],
    ),
    (
        "a rollback",
        {
            "web_checked": None,
            "uwsgi_rolled_back": {
                "changed": True,
                "sites": CHECKED["sites"],
                "made": [f"shop: rollback to {NEW}"],
                "releases": {"shop": RELEASE},
            },
        },
        True,
        [f"web1 shop {URL}: serves {SERVES}; changed: rollback; 12 s; undo: ROLL BACK shop"],
    ),
    (
        "a rollback that is refused",
        {
            "web_checked": None,
            "uwsgi_rolled_back": {
                "changed": False,
                "failed": True,
                "msg": "site 'shop': rollback failed: there is no previous release; the host has none",
                "sites": CHECKED["sites"],
                "sites_after": {"live": {"shop": LIVE}},
            },
        },
        False,
        [
            f"web1 shop {URL}: FAILED: rollback failed: there is no previous release; the host has none; {STILL}; "
            "nothing changed; 12 s"
        ],
    ),
    (
        "a rollback that names no site",
        {
            "web_checked": None,
            "uwsgi_rolled_back": {"changed": False, "failed": True, "msg": "which?", "sites": []},
        },
        False,
        ["web1: failed: which?"],
    ),
    (
        "a build that fails",
        {"django_builds": NO_BUILD},
        False,
        [f"web1 shop {URL}: FAILED: requirements failed: no such package; {STILL}; nothing changed; 12 s"],
    ),
    (
        "a first build that fails",
        {"django_builds": {**NO_BUILD, "sites_after": {"made": [], "live": {"shop": NOTHING}}}},
        False,
        [f"web1 shop {URL}: FAILED: requirements failed: no such package; nothing is live; nothing changed; 12 s"],
    ),
    (
        "a release that fails after its migrations",
        {
            "uwsgi_releases": {
                "changed": False,
                "failed": True,
                "msg": "site 'shop': health failed: it is ill",
                "sites_after": {"live": {"shop": {**LIVE, "migrations": ["shop.0002_x"]}}},
            }
        },
        False,
        [
            f"web1 shop {URL}: FAILED: health failed: it is ill; {STILL}; nothing changed; "
            "migrations applied: shop.0002_x (they stay); 12 s"
        ],
    ),
    (
        "a failure after the switch",
        {
            "uwsgi_releases": {
                "changed": False,
                "failed": True,
                "msg": "site 'shop': superuser failed: it is ill",
                "sites_after": {"live": {"shop": {**RELEASE, "previous": "", "switched": True}}},
            }
        },
        False,
        [f"web1 shop {URL}: FAILED: superuser failed: it is ill; serves {SERVES}; 12 s"],
    ),
    (
        "a release that nginx does not bring to anybody",
        {
            "uwsgi_releases": RELEASED,
            "__nginx_configured": {
                "changed": True,
                "failed": True,
                "msg": "site 'shop': name failed: 502\nmore",
                "set_after": {"files": [{"path": "/etc/nginx/conf.d/shop.conf", "state": "created"}]},
            },
        },
        False,
        [
            f"web1 shop {URL}: FAILED: name failed: 502; serves {SERVES}; changed: release, nginx; 12 s; "
            "roll back: ROLL BACK shop"
        ],
    ),
    (
        "a failure of the host after the release",
        {
            "uwsgi_releases": released(),
            "__nginx_configured": {"changed": False, "failed": True, "msg": "config_set 'nginx': refused\nmore"},
        },
        False,
        [
            "web1: failed: config_set 'nginx': refused",
            f"web1 shop {URL}: not done, because the run failed on this host; serves {SERVES}; changed: release; 12 s",
        ],
    ),
    (
        "an nginx that is configured and does not start",
        {
            "uwsgi_releases": unchanged(),
            "__nginx_configured": {
                "changed": True,
                "failed": True,
                "msg": "nginx.service does not start: port 80 is taken",
                "set_after": {"files": [{"path": "/etc/nginx/nginx.conf", "state": "changed"}], "started": []},
            },
        },
        False,
        [
            "web1: failed: nginx.service does not start: port 80 is taken",
            f"web1 shop {URL}: not done, because the run failed on this host; still serves {SERVES}; changed: nginx; "
            "12 s",
        ],
    ),
    (
        "a failure before anything is known of the site",
        {"__host_dnf": {"changed": False, "failed": True, "msg": "no mirror answers"}},
        False,
        [
            "web1: failed: no mirror answers",
            f"web1 shop {URL}: not done, and not changed: the run did not reach this site; 12 s",
        ],
    ),
    (
        "an error that nobody registered",
        {},
        False,
        [
            "web1: failed: see the error of its task above",
            f"web1 shop {URL}: not done, and not changed: the run did not reach this site; 12 s",
        ],
    ),
    (
        "a host that is not reached",
        {"host_looked": {"unreachable": True, "msg": "Failed to connect:\nno route"}},
        False,
        [
            "web1: unreachable: Failed to connect:",
            f"web1 shop {URL}: not done, and not changed: the run did not reach this site; 12 s",
        ],
    ),
    (
        "a connection that is lost at the build",
        {"host_looked": looked(), "django_builds": {"unreachable": True, "msg": "lost"}},
        False,
        [
            "web1: unreachable: lost",
            f"web1 shop {URL}: not done, and not changed: the run did not reach this site; 12 s",
        ],
    ),
    (
        "a connection that is lost at the release",
        {"host_looked": looked(), "uwsgi_releases": {"unreachable": True, "msg": "lost"}},
        False,
        [
            "web1: unreachable: lost",
            f"web1 shop {URL}: not done, because the run failed on this host; it is not known which release is live; "
            "12 s",
        ],
    ),
    (
        "an item of a loop fails",
        {
            "uwsgi_releases": UNCHANGED,
            "__firewalld_opened": {
                "changed": False,
                "failed": True,
                "msg": "One or more items failed",
                "results": [{"changed": False}, {"failed": True, "msg": "INVALID_ZONE: dmz"}],
            },
        },
        False,
        [
            "web1: failed: INVALID_ZONE: dmz",
            f"web1 shop {URL}: not done, because the run failed on this host; still serves {SERVES}; nothing changed; "
            "12 s; roll back: ROLL BACK shop",
        ],
    ),
]


def variables_of(given):
    variables = {"web_checked": CHECKED, "shop_failed": {"changed": False, "failed": True, "msg": "not ours"}, **given}
    return {name: value for name, value in variables.items() if value is not None}


@pytest.mark.parametrize(("given", "alive", "told"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_one_line_per_site_says_what_happened(given, alive, told):
    found = document(variables_of(given), alive)
    assert lines(found) == told
    jsonschema.validate(found, SCHEMA)
    assert found["ok"] is alive


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {
                "django_builds": BUILT,
                "uwsgi_releases": {
                    "changed": True,
                    "made": ["shop: a release"],
                    "releases": {"shop": {**NOTHING, "migrations": []}},
                },
            },
            "would serve a new release; would change: build, release; 12 s",
        ),
        (
            {"uwsgi_releases": released(migrations=["a.1"])},
            f"would serve {SERVES}; would change: release; would apply migrations: a.1; 12 s",
        ),
        (
            {"uwsgi_releases": unchanged()},
            f"serves {SERVES}; nothing would change; 12 s",
        ),
    ],
)
def test_check_mode_says_what_would_happen(given, told):
    found = document(variables_of(given), check_mode=True)
    assert lines(found) == [f"web1 shop {URL}: {told}"]
    jsonschema.validate(found, SCHEMA)


def test_results_of_the_sites_of_a_host_after_a_failure():
    sites = [{"name": name, "state": "present", "url": f"http://{name}/"} for name in ("shop", "blog", "wiki")]
    released = {
        "changed": True,
        "failed": True,
        "msg": "site 'blog': start failed: it dies",
        "sites_after": {
            "made": [f"shop: release {NEW}"],
            "releases": {"shop": RELEASE},
            "live": {"blog": LIVE},
        },
    }
    found = document({"web_checked": {"changed": False, "sites": sites}, "uwsgi_releases": released}, alive=False)
    assert [(site["name"], site["status"], site["untouched"]) for site in found["hosts"][0]["sites"]] == [
        ("shop", "not_done", False),
        ("blog", "failed", True),
        ("wiki", "not_done", True),
    ]
    jsonschema.validate(found, SCHEMA)


def test_notes_of_roles_are_printed_below_the_sites_of_the_host():
    found = document(variables_of({"uwsgi_releases": UNCHANGED}), notes=["kept /etc/nginx/nginx.conf"])
    assert lines(found)[1:] == ["web1: kept /etc/nginx/nginx.conf"]


@pytest.mark.parametrize(
    ("made", "check", "told"),
    [
        (True, "x: (models.W042) auto\n?: (security.W004) HSTS\ny: (models.W042) auto", "models.W042"),
        (True, "?: (security.W004) HSTS", ""),
        (True, "System check identified no issues (0 silenced).", ""),
        (False, "x: (models.W042) auto", ""),
    ],
)
def test_warnings_of_djangos_check_are_printed_once_for_a_new_build(made, check, told):
    built = {**BUILT, "builds": {"shop": {"id": NEW, "check": check}}, "made": BUILT["made"] if made else []}
    found = document(variables_of({"django_builds": built, "uwsgi_releases": UNCHANGED}))
    line = f"shop: check --deploy warns of {told}; manage check --deploy shows them"
    assert found["hosts"][0]["notes"] == ([line] if told else [])


@pytest.mark.parametrize("made", [True, False])
def test_findings_of_a_build_are_printed_once(made):
    notes = ["sessions are in memory; set it", "the media begin with m of the source"]
    built = {**BUILT, "builds": {"shop": {"id": NEW, "notes": notes}}, "made": BUILT["made"] if made else []}
    found = document(variables_of({"django_builds": built, "uwsgi_releases": UNCHANGED}))
    assert found["hosts"][0]["notes"] == ([f"shop: {note}" for note in notes] if made else [])


def test_hosts_without_sites_are_named_in_one_line():
    hosts = [run_report.bare(name, run_report.NO_SITES) for name in ("db1", "db2")]
    found = run_report.document(hosts, 3.21, check_mode=False)
    assert lines(found) == ["not touched, without sites: db1, db2"]
    assert found["ok"] is True
    jsonschema.validate(found, SCHEMA)


def test_texts_from_a_host_are_one_line_without_control_characters():
    subject = "Fix\x1b[31m it\nnow " + "x" * 200
    found = document(
        variables_of({"uwsgi_releases": {**UNCHANGED, "releases": {"shop": {**RELEASE, "subject": subject}}}})
    )
    [site] = found["hosts"][0]["sites"]
    assert site["subject"].startswith("Fix\\x1b[31m it now xxx")
    assert len(site["subject"]) == 100


def test_an_interrupted_run_leaves_a_document_that_says_so():
    found = run_report.begun(["web1", "db1"], ["db1"], check_mode=False)
    assert (found["finished"], found["ok"]) == (False, False)
    assert [(host["host"], host["status"]) for host in found["hosts"]] == [("web1", "not_reached"), ("db1", "no_sites")]
    jsonschema.validate(found, SCHEMA)


def test_the_page_has_every_key_of_the_schema():
    page = (ROOT / "docs/report.md").read_text(encoding="utf-8")
    definitions = [SCHEMA, SCHEMA["$defs"]["host"], SCHEMA["$defs"]["site"]]
    for definition in definitions:
        assert sorted(definition["required"]) == sorted(definition["properties"])
        assert definition["additionalProperties"] is False
        for name, about in definition["properties"].items():
            assert f"| `{name}` |" in page, name
            for value in about.get("enum", []):
                assert f"`{value}`" in page, value


# --- the action ---


class HostVars(dict):
    def raw_get(self, name):
        return self[name]


def run(monkeypatch, hosts, arguments=None, alive=None, role=None):
    """Run the action; return its output."""
    shown = []
    monkeypatch.setattr(output, "show", lambda lines: shown.extend(text for text, _colour in lines))
    monkeypatch.setattr(action.context, "CLIARGS", {"args": ["site.yml"], "inventory": ["inventory"]})
    templar = MagicMock()
    # A template is `=NAME`: the value of a variable.
    templar.copy_with_new_env = lambda available_variables: types.SimpleNamespace(
        template=lambda value: available_variables[value[1:]] if isinstance(value, str) else value
    )
    task = MagicMock(args=arguments or {}, check_mode=False, async_val=0)
    plugin = action.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), templar, MagicMock())
    result = plugin.run(
        task_vars={
            "hostvars": HostVars(hosts),
            "ansible_play_hosts_all": [*hosts, "db1"],
            "ansible_play_hosts": list(hosts) if alive is None else alive,
            "web_run": {"without_sites": ["db1"], "began": action.time.monotonic() - 5},
            **(role or {}),
        }
    )
    assert result["lines"] == shown[1:]
    return shown[1:]


def test_all_hosts_are_printed_together_and_written(monkeypatch, tmp_path):
    hosts = {
        "web1": variables_of({"django_builds": NO_BUILD}),
        "web2": variables_of({"uwsgi_releases": UNCHANGED, "nginx_kept": ["kept it"]}),
    }
    file = tmp_path / "new/report.json"
    shown = run(monkeypatch, hosts, {"report": str(file)}, alive=["web2"], role={"nginx_notes": "=nginx_kept"})
    assert [line.partition(":")[0] for line in shown] == [
        "web1 shop http",
        "web2 shop http",
        "web2",
        "not touched, without sites",
    ]
    assert shown[2] == "web2: kept it"
    found = json.loads(file.read_text(encoding="utf-8"))
    jsonschema.validate(found, SCHEMA)
    assert [host["status"] for host in found["hosts"]] == ["failed", "ok", "no_sites"]
    assert 5 <= found["seconds"] < 6
    assert list(tmp_path.glob("new/*")) == [file]


def test_the_rollback_command_of_a_site_is_limited_to_its_host(monkeypatch):
    """Other hosts may lack the site, and the same command would fail there."""
    released = {"uwsgi_releases": UNCHANGED}
    hosts = {"web1": variables_of(released), "web2": variables_of(released)}
    for host, line in zip(hosts, run(monkeypatch, hosts)):
        assert f"; roll back: ansible-playbook -i inventory --limit {host} " in line
    assert "--limit" not in run(monkeypatch, {"web1": variables_of(released)})[0]


PLAY = """
- hosts: all
  gather_facts: false
  vars:  # as those of a role
    nginx_notes: "{{ nginx_told.notes | default([]) }}"
    firewalld_notes: "{{ firewalld_told.no.such.key }}"
  tasks:
    - pyweb.stack.hosts_with_sites:
      run_once: true
      register: web_run
    - ansible.builtin.meta: end_host
      when: inventory_hostname in web_run.without_sites
    - block:
        - pyweb.stack.check:
          register: web_checked
        - ansible.builtin.set_fact:
            nginx_told: {notes: ["kept on {{ inventory_hostname }}"]}
        - ansible.builtin.fail:
            msg: "{{ inventory_hostname }} fails"
          when: inventory_hostname == "web1"
          register: nginx_failing
      always:
        - pyweb.stack.run_report:
          run_once: true
"""


def test_a_run_reports_every_host_if_the_first_has_no_sites_and_the_second_fails(tmp_path):
    sites = [{"name": "shop", "domains": ["shop.example"]}]
    hosts = {"db1": {}, "web1": {"web_sites": sites}, "web2": {"web_sites": "{{ the_sites }}", "the_sites": sites}}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    (tmp_path / "play.yml").write_text(PLAY)
    done = subprocess.run(
        ["ansible-playbook", "-i", str(tmp_path / "hosts.json"), str(tmp_path / "play.yml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    told = [line for line in done.stdout.splitlines() if re.match(r"(db1|web1|web2|not touched)\b[^:]*:? ", line)]
    as_before = "shop http://shop.example/: not done, and not changed: the run did not reach this site; "
    assert [re.sub(r"[\d.]+ s$", "", line) for line in told if " : ok=" not in line] == [
        "db1: not touched, it has no sites (web_sites is unset or empty)",
        "web1: failed: web1 fails",
        f"web1 {as_before}",
        "web1: kept on web1",
        "web2 shop http://shop.example/: ",
        "web2: kept on web2",
        "not touched, without sites: db1",
    ]


def test_a_report_that_cannot_be_written_is_a_warning(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(AnsibleActionFail, match="file"):
        run(monkeypatch, {}, {"report": f"{tmp_path}/file/report.json"})


@pytest.mark.parametrize(("callback", "shows"), [("default", True), ("ansible.posix.json", False), ("jsonl", False)])
def test_nothing_is_printed_before_a_json_document(monkeypatch, capsys, callback, shows):
    monkeypatch.setattr(output.constants, "config", MagicMock(get_config_value=lambda _name: callback))
    output.show([("web1: {shop} 'x'", "green")])
    assert ("web1: {shop} 'x'" in capsys.readouterr().out) is shows


# --- the command for a rollback ---


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    (tmp_path / "checkout/playbooks").mkdir(parents=True)
    for name in ("site", "rollback"):
        (tmp_path / f"checkout/playbooks/{name}.yml").touch()
    monkeypatch.chdir(tmp_path / "checkout")
    return tmp_path / "checkout"


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"inventory": ["CWD/inventory"]}, "-i inventory playbooks/rollback.yml -e rollback_site=shop"),
        ({"inventory": ["/etc/ansible/hosts"]}, "playbooks/rollback.yml -e rollback_site=shop"),
        ({"inventory": ["/srv/a b"]}, "-i '/srv/a b' playbooks/rollback.yml -e rollback_site=shop"),
        ({"inventory": ["web1,web2"]}, "-i web1,web2 playbooks/rollback.yml -e rollback_site=shop"),
        ({"subset": "web1"}, "--limit web1 playbooks/rollback.yml -e rollback_site=shop"),
        ({"become": True, "become_ask_pass": True}, "-b -K playbooks/rollback.yml -e rollback_site=shop"),
        ({"remote_user": "admin"}, "-u admin playbooks/rollback.yml -e rollback_site=shop"),
        (
            {"vault_password_files": ["CWD/vault"], "extra_vars": ["token=hush", "@sites.yml"]},
            "--vault-password-file vault playbooks/rollback.yml -e @sites.yml -e rollback_site=shop",
        ),
        ({"args": ["CWD/playbooks/site.yml"]}, "CWD/playbooks/rollback.yml -e rollback_site=shop"),
        ({"args": ["mine.yml"]}, "playbooks/rollback.yml -e rollback_site=shop"),
    ],
)
def test_the_command_is_what_the_reader_types(checkout, options, wanted):
    given = json.loads(json.dumps(options).replace("CWD", str(checkout)))
    given = {"args": ["playbooks/site.yml"], "inventory": ["/etc/ansible/hosts"], **given}
    found = rollback_command.command(given, ["/etc/ansible/hosts"], "shop", checkout)
    assert found == f"ansible-playbook {wanted.replace('CWD', str(checkout))}"


def test_with_several_hosts_the_command_is_limited_to_one(checkout):
    for options in ({}, {"subset": "web*"}):
        found = rollback_command.command({"args": [], "inventory": [], **options}, [], "shop", checkout, "web1")
        assert found == "ansible-playbook --limit web1 playbooks/rollback.yml -e rollback_site=shop"


@pytest.mark.parametrize("args", [["pyweb.stack.site"], ["mine.yml"]])
def test_an_installed_collection_is_called_by_its_name(tmp_path, args):
    root = tmp_path / "ansible_collections/pyweb/stack"
    found = rollback_command.command({"args": args, "inventory": []}, [], "shop", root)
    assert found == "ansible-playbook pyweb.stack.rollback -e rollback_site=shop"


def test_hints_are_printed_once_when_the_build_is_made():
    hints = ["package.json has a build script that no step runs"]
    built = {**BUILT, "builds": {"shop": {"check": "", "hints": hints}, "blog": {"hints": ["not made now"]}}}
    found = document({"web_checked": CHECKED, "django_builds": built, "uwsgi_releases": RELEASED})
    assert found["hosts"][0]["notes"] == [f"shop: hint: {hints[0]}"]
    again = document({"web_checked": CHECKED, "django_builds": {**built, "made": []}, "uwsgi_releases": UNCHANGED})
    assert again["hosts"][0]["notes"] == []


@pytest.mark.parametrize("failed", [False, True])
def test_failures_that_stopped_nothing_are_printed(failed):
    note = "site 'shop': superuser failed: no such column; the site is served without it, and the next run tries again"
    result = {**UNCHANGED, "notes": [note]}
    if failed:
        result = {"changed": True, "failed": True, "msg": "site 'blog': health failed: x", "sites_after": result}
    found = document({"web_checked": CHECKED, "uwsgi_releases": result}, alive=not failed)
    assert found["hosts"][0]["notes"] == [note]


def test_commands_are_summarized_as_one_change():
    result = {**RELEASED, "made": [*RELEASED["made"], "shop: command: npm ci", "shop: command: manage a/b"]}
    [line] = [text for text in lines(document({"web_checked": CHECKED, "uwsgi_releases": result})) if "shop" in text]
    assert "release, command" in line


def test_a_failed_command_is_the_error_of_its_site():
    message = (
        "site 'shop': release step 'manage createcachetable' failed: no such table; steps that ran before it: migrate"
    )
    result = {
        "changed": False,
        "failed": True,
        "msg": f"{message}\nTraceback",
        "sites_after": {"made": [], "live": {"shop": LIVE}},
    }
    [site] = document({"web_checked": CHECKED, "uwsgi_releases": result}, alive=False)["hosts"][0]["sites"]
    assert site["error"] == message.partition(": ")[2]


def test_the_fault_of_one_site_is_not_reported_for_others():
    both = [{"name": name, "state": "present", "url": URL} for name in ("shop", "blog")]
    after = {"made": BUILT["made"], "builds": {}, "live": {"blog": LIVE}, "faulty": ["blog"], "others": ["shop"]}
    fault = "site 'blog': source failed: no answer"
    found = document(
        {
            "web_checked": {"changed": False, "sites": both},
            "django_builds": {"changed": True, "failed": True, "msg": fault, "sites_after": after},
            "uwsgi_releases": RELEASED,
        },
        alive=False,
    )
    assert not found["ok"]
    assert lines(found) == [
        f"web1 shop {URL}: serves {SERVES}; changed: build, release; 12 s; roll back: ROLL BACK shop",
        f"web1 blog {URL}: FAILED: source failed: no answer; {STILL}; nothing changed; 12 s",
    ]


def test_a_fault_of_the_host_after_that_of_a_site_applies_to_all_sites():
    both = [{"name": name, "state": "present", "url": URL} for name in ("shop", "blog")]
    fault = {"changed": False, "failed": True, "msg": "site 'blog': source failed: no answer"}
    found = document(
        {
            "web_checked": {"changed": False, "sites": both},
            "django_builds": {**fault, "sites_after": {"live": {}, "faulty": ["blog"], "others": ["shop"]}},
            "uwsgi_releases": unchanged(),
            "__nginx_configured": {"changed": False, "failed": True, "msg": "config_set 'nginx': refused"},
        },
        alive=False,
    )
    assert [site["status"] for site in found["hosts"][0]["sites"]] == ["not_done", "failed"]


def test_certificates_are_reported_with_their_site_and_the_timer_with_the_host():
    made = "shop: certificate for shop.example from ca.example: there is none"
    issued = {"changed": True, "made": [made], "host": ["certbot.timer: start, enable"]}
    found = document({"web_checked": CHECKED, "uwsgi_releases": UNCHANGED, "nginx_issued": issued})
    assert found["hosts"][0]["changed"] == ["certificate: certbot.timer: start, enable"]
    [site] = found["hosts"][0]["sites"]
    assert site["changed"] == [made.partition(": ")[2]]
    assert lines(found) == [f"web1 shop {URL}: serves {SERVES}; changed: certificate; 12 s; roll back: ROLL BACK shop"]


def test_a_certificate_that_was_not_issued_is_the_error_of_its_site():
    both = [{"name": name, "state": "present", "url": URL} for name in ("shop", "blog")]
    fault = "site 'shop': the certificate failed: port 80 of shop.example is closed"
    after = {"made": ["blog: certificate for b.example from ca.example: there is none"], "host": []}
    issued = {
        "changed": True,
        "failed": True,
        "msg": f"{fault}\n  Detail",
        "sites_after": {**after, "faulty": ["shop"]},
    }
    found = document(
        {"web_checked": {"changed": False, "sites": both}, "uwsgi_releases": UNCHANGED, "nginx_issued": issued},
        alive=False,
    )
    shop, blog = found["hosts"][0]["sites"]
    assert (shop["status"], shop["error"]) == ("failed", fault.partition(": ")[2])
    assert (blog["status"], blog["error"]) == ("ok", "")
