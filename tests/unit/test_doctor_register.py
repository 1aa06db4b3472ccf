"""The register of faults, against what the hops make, what the unit tests show and what the tests on hosts break."""

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
import cases  # noqa: E402 - it lies where the line above looks
import more  # noqa: E402 - likewise

DOCTOR = ROOT / "plugins/module_utils/doctor"
FILES = sorted((DOCTOR / "hops").glob("*.py"))
# What the hops share: it judges, too.
SHARED = (
    *("fault", "questions", "certificates", "ways", "application", "names", "verdict", "fixes", "groups"),
    *("front", "filter_walk", "judge_access", "judge_filter", "judge_outside", "judge_reach"),
    *("database_words", "judge_database", "judge_assets", "judge_settings", "judge_directives", "judge_servers"),
    *("judge_serving", "app_fixes", "judge_ini", "nginx_refusals", "uwsgi_words"),
)
JUDGING = [*FILES, *(DOCTOR / f"{name}.py" for name in SHARED)]
ASKING = {"os", "os.path", "pathlib", "glob", "shutil", "subprocess", "socket", "pwd", "grp", "time", "tempfile", "ssl"}
ASKING |= {"processes", "path_walk", "files", "shell", "ask", "ladder", "django_look", "protocol", "identity", "client"}

# Why no test makes them on a host: the unit tests show them.
NOT_ON_A_HOST = {
    **dict.fromkeys(
        ("client.no-answer", "client.no-connection", "client.other-program", "client.status"),
        "what a client gets follows from what another hop has",
    ),
    **dict.fromkeys(
        ("app.interpreter", "app.unseen", "firewalld.silent", "name.elsewhere", "nginx.unexamined", "nginx.untested"),
        "nobody knows more",
    ),
    **dict.fromkeys(("media.selinux", "static.selinux"), "a container has no SELinux; socket.selinux stands for them"),
    **dict.fromkeys(("nginx.missing", "uwsgi.missing"), "test_playbook.py asks a host without them"),
    **dict.fromkeys(
        ("django.cache-table", "django.development", "django.memory", "django.sessions"),
        "the run judges these, too, and refuses or warns: test_settings_findings.py",
    ),
    **dict.fromkeys(
        ("media.alias", "media.location-taken", "media.no-location", "media.status"),
        "static.alias, static.location-taken and static.no-location stand for them",
    ),
    **dict.fromkeys(
        ("location.proxy-uri", "location.upstream-name", "location.variable"),
        "what nginx does there is in test_nginx_requests.py, and what it says in test_doctor_location.py",
    ),
    **dict.fromkeys(("nginx.certificate", "nginx.certificate-untrusted"), "nginx.certificate-* stand for them"),
    **dict.fromkeys(
        ("client.outside-differs", "client.outside-silent"),
        "test_doctor_visitors.py: nothing is between in a container",
    ),
    **dict.fromkeys(
        ("client.refused", "firewalld.limited"), "they change no status: cases_visitors.py has both as healthy"
    ),
    "django.settings": "what makes settings useless keeps the application from loading, too: app.import",
    "uwsgi.twice": "which of two masters a client gets is chance",
    "background.sandbox": "app.sandbox stands for it",
    "socket.queue-full": "what fills it is the cause: workers that are busy or halted, of which cases are there",
    "socket.unreachable": "a network that is not there is none of a container's",
}


def shown():
    """The faults that the tables of the unit tests show, with the number of rows."""
    found = {}
    for hop in HOPS:
        for case in importlib.import_module(f"test_doctor_{hop}").CASES:
            assert case.fault.startswith(f"{hop}."), case
            found[case.fault] = found.get(case.fault, 0) + 1
    return found


def test_every_hop_has_a_file_and_a_place_in_the_chain():
    assert [path.stem for path in FILES] == sorted(HOPS)


def test_every_fault_of_the_register_is_shown_by_a_unit_test_and_no_other():
    assert set(shown()) == set(REGISTER)


def broken_on_a_host():
    """The faults that tests make on a host: those of the table and of the long one."""
    listed = [*cases.MANAGED_CASES, *cases.BY_HAND_CASES, *more.files_cases()]
    return {name for case in listed for name in (case.fault, *case.extra)}


def test_every_fault_that_is_broken_on_a_host_is_in_the_register():
    assert len(broken_on_a_host()) > 30
    assert broken_on_a_host() <= set(REGISTER)


def test_every_fault_is_broken_on_a_host_or_says_why_not():
    assert set(REGISTER) - broken_on_a_host() == set(NOT_ON_A_HOST)


@pytest.mark.parametrize(("fault", "sources"), REGISTER.items(), ids=list(REGISTER))
def test_what_a_fault_follows_from_exists(fault, sources):
    hops_before = HOPS.index(fault.partition(".")[0])
    assert hops_before >= 0
    for source in sources:
        assert source in HOPS or source in REGISTER, source
        assert source != fault


def made(path):
    """The names in the calls of `FAULTS.fault`, as far as they are literal: conditional ones and variables, too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fault":
            names |= {inner.value for inner in ast.walk(node.args[0]) if isinstance(inner, ast.Constant)}
    return {name for name in names if re.fullmatch(r"[a-z]+\.[a-z0-9-]+", str(name))}


def test_the_hops_make_no_fault_that_is_not_declared():
    names = {name for path in FILES for name in made(path)}
    assert len(names) > 40
    assert names <= set(REGISTER)


@pytest.mark.parametrize("path", JUDGING, ids=lambda path: path.stem)
def test_judges_ask_nothing(path):
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
def test_a_fault_is_made_by_its_register_only(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Fault"
    ]


def test_the_cases_of_the_long_table_have_titles_of_their_own_and_the_handful_is_among_them():
    groups = more.groups()  # raises for a title that is there twice
    assert sum(len(group.cases) + len(group.healthy) for group in groups) > 30
    assert [case.title for case in more.handful()] == list(more.HANDFUL)
    assert all(case.words for group in groups for case in group.cases)
    for group in groups:
        assert set(group.not_yet) <= {case.title for case in (*group.cases, *group.healthy)}
