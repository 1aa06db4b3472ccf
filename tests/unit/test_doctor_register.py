"""The register of faults, compared with the code of the hops, the unit tests and the tests on hosts."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.chain import HOPS, REGISTER

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/doctor"))
import cases  # noqa: E402 - modules in the directory that the line above adds
import more  # noqa: E402 - likewise

DOCTOR = ROOT / "plugins/module_utils/doctor"
FILES = sorted((DOCTOR / "hops").glob("*.py"))
# Shared by the hops; it judges, too.
SHARED = (
    *("fault", "questions", "certificates", "ways", "application", "names", "verdict", "fixes", "groups"),
    *("front", "filter_walk", "judge_access", "judge_filter", "judge_outside", "judge_reach"),
    *("database_words", "judge_database", "judge_assets", "judge_settings", "judge_directives", "judge_servers"),
    *("judge_serving", "app_fixes", "judge_ini", "nginx_refusals", "uwsgi_words"),
)
JUDGING = [*FILES, *(DOCTOR / f"{name}.py" for name in SHARED)]
ASKING = {"os", "os.path", "pathlib", "glob", "shutil", "subprocess", "socket", "pwd", "grp", "time", "tempfile", "ssl"}
ASKING |= {"processes", "path_walk", "files", "shell", "ask", "ladder", "django_look", "protocol", "identity", "client"}

# Why no test causes these faults on a host; the unit tests show them.
NOT_ON_A_HOST = {
    **dict.fromkeys(
        ("client.no-answer", "client.no-connection", "client.other-program", "client.status"),
        "what a client gets is a consequence of another hop",
    ),
    **dict.fromkeys(
        ("app.interpreter", "app.unseen", "firewalld.silent", "name.elsewhere", "nginx.unexamined", "nginx.untested"),
        "the cause is unknown",
    ),
    **dict.fromkeys(
        ("media.selinux", "static.selinux"),
        "a container has no SELinux; socket.selinux is tested instead",
    ),
    **dict.fromkeys(("nginx.missing", "uwsgi.missing"), "test_playbook.py tests a host without them"),
    **dict.fromkeys(
        ("django.cache-table", "django.development", "django.memory", "django.sessions"),
        "a run also checks these, and refuses or warns: test_settings_findings.py",
    ),
    **dict.fromkeys(
        ("media.alias", "media.location-taken", "media.no-location", "media.status"),
        "static.alias, static.location-taken and static.no-location are tested instead",
    ),
    **dict.fromkeys(
        ("location.proxy-uri", "location.upstream-name", "location.variable"),
        "test_nginx_requests.py tests the behaviour, and test_doctor_location.py the messages",
    ),
    **dict.fromkeys(("nginx.certificate", "nginx.certificate-untrusted"), "nginx.certificate-* are tested instead"),
    **dict.fromkeys(
        ("client.outside-differs", "client.outside-silent"),
        "test_doctor_visitors.py: in a container nothing is in between",
    ),
    **dict.fromkeys(
        ("client.refused", "firewalld.limited"),
        "they do not change the status: cases_visitors.py has both as healthy sites",
    ),
    "django.settings": "unusable settings also prevent the application from loading: app.import",
    "uwsgi.twice": "which of the two masters answers a client is random",
    "background.sandbox": "app.sandbox is tested instead",
    "socket.queue-full": "its causes are busy or stopped workers, which have their own cases",
    "socket.unreachable": "a container cannot be without its network",
}


def shown():
    """Return the faults in the tables of the unit tests, with the number of cases."""
    found = {}
    for hop in HOPS:
        for case in importlib.import_module(f"test_doctor_{hop}").CASES:
            assert case.fault.startswith(f"{hop}."), case
            found[case.fault] = found.get(case.fault, 0) + 1
    return found


def test_every_hop_has_a_file_and_a_place_in_the_chain():
    assert [path.stem for path in FILES] == sorted(HOPS)


def test_the_unit_tests_have_a_case_for_every_fault_of_the_register_and_no_other():
    assert set(shown()) == set(REGISTER)


def broken_on_a_host():
    """Return the faults that tests cause on a host, in either table of cases."""
    listed = [*cases.MANAGED_CASES, *cases.BY_HAND_CASES, *more.files_cases()]
    return {name for case in listed for name in (case.fault, *case.extra)}


def test_every_fault_that_is_caused_on_a_host_is_in_the_register():
    assert len(broken_on_a_host()) > 30
    assert broken_on_a_host() <= set(REGISTER)


def test_every_fault_is_caused_on_a_host_or_has_a_reason():
    assert set(REGISTER) - broken_on_a_host() == set(NOT_ON_A_HOST)


@pytest.mark.parametrize(("fault", "sources"), REGISTER.items(), ids=list(REGISTER))
def test_sources_of_consequences_exist(fault, sources):
    hops_before = HOPS.index(fault.partition(".")[0])
    assert hops_before >= 0
    for source in sources:
        assert source in HOPS or source in REGISTER, source
        assert source != fault


def made(path):
    """Return the names in calls of `FAULTS.fault`, if they are literal: also in conditions and variables."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fault":
            names |= {inner.value for inner in ast.walk(node.args[0]) if isinstance(inner, ast.Constant)}
    return {name for name in names if re.fullmatch(r"[a-z]+\.[a-z0-9-]+", str(name))}


def test_the_hops_only_make_declared_faults():
    names = {name for path in FILES for name in made(path)}
    assert len(names) > 40
    assert names <= set(REGISTER)


@pytest.mark.parametrize("path", JUDGING, ids=lambda path: path.stem)
def test_judges_gather_no_facts(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        words = []
        if isinstance(node, ast.Import):
            words = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            words = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
        assert not set(words) & ASKING, ast.unparse(node)
        assert not any(word.startswith("look_") for word in words), ast.unparse(node)
        assert not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "open"), ast.unparse(node)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_faults_are_only_made_by_their_register(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Fault"
    ]


def test_titles_in_the_long_table_are_unique_and_contain_the_short_selection():
    groups = more.groups()  # raises an error for a duplicate title
    assert sum(len(group.cases) + len(group.healthy) for group in groups) > 30
    assert [case.title for case in more.handful()] == list(more.HANDFUL)
    assert all(case.words for group in groups for case in group.cases)
    for group in groups:
        assert set(group.not_yet) <= {case.title for case in (*group.cases, *group.healthy)}
