"""Why a uWSGI did not start or ended, from its own log."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi.failures import own_words, why_not_started


@pytest.mark.parametrize(
    ("journal", "cause"),
    [
        ("[strict-mode] unknown config directive: nope\n", "uwsgi.options has nope, which uWSGI does not know"),
        (
            "Traceback ...\nModuleNotFoundError: No module named 'x'\nGAME OVER\n",
            "ModuleNotFoundError: No module named 'x'; add x to the requirements, or to `packages:` of the site",
        ),
        (
            "probably another instance of uWSGI is running on the same address (127.0.0.1:8000).\nbind(): ...\n",
            "127.0.0.1:8000 is taken by another program",
        ),
        (
            "Listen queue size is greater than the system max net.core.somaxconn (4096).\nFailed to start uWSGI.\n",
            "Listen queue size is greater than the system max net.core.somaxconn (4096). "
            "lower uwsgi.options.listen or raise the sysctl",
        ),
        (
            "callable 'app' not found in file mysite/wsgi.py\nunable to load app 0\nFailed to start uWSGI.\n",
            "wsgi names app, which mysite/wsgi.py does not have",
        ),
        (
            "Traceback (most recent call last):\n  File x\nValueError: bad\nFailed with result 'exit-code'.\n",
            "ValueError: bad",
        ),
        (
            "*** Starting uWSGI ***\nuwsgi-shop@x.service: start operation timed out. Terminating.\n"
            "uwsgi-shop@x.service: Killing process 2256 (uwsgi) with signal SIGKILL.\nFailed with result 'timeout'.\n",
            "it was not ready within 20 s; increase health.timeout if it needs longer",
        ),
        ("", "uWSGI logged nothing within 20 s"),
        # An earlier row of the table is the cause of later ones.
        (
            "ImportError: no x\ncallable 'app' not found in file a.py\nu.service: start operation timed out.\n",
            "ImportError: no x",
        ),
    ],
)
def test_why_a_release_did_not_start(journal, cause):
    assert why_not_started(journal, 20) == cause


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (
            "x\n[strict-mode] unknown config directive: nope\nlast line\n",
            "[strict-mode] unknown config directive: nope",
        ),
        (
            "chdir(): No such file or directory [x.c line 1]\nlast line\n",
            "chdir(): No such file or directory [x.c line 1]",
        ),
        ("!!! Python Home is not a directory: /x !!!\nlast line\n", "!!! Python Home is not a directory: /x !!!"),
        ("ModuleNotFoundError: No module named 'x'\nlast line\n", "ModuleNotFoundError: No module named 'x'"),
        ("SyntaxError: bad\nImportError: last\nlast line\n", "ImportError: last"),
        ("OperationalError: no database\nlast line\n", "OperationalError: no database"),
        (
            "probably another instance of uWSGI is running on the same address (:80).\nbind(): in use\n",
            "probably another instance of uWSGI is running on the same address (:80).",
        ),
        (
            "probably another instance of uWSGI is running on the same address\nlast line\n",
            "probably another instance of uWSGI is running on the same address",
        ),
        ("bind(): Permission denied [x.c line 1]\nlast line\n", "bind(): Permission denied [x.c line 1]"),
        (
            "--- no python application found, check your startup logs for errors ---\nx\n",
            "--- no python application found, check your startup logs for errors ---",
        ),
        # Errors that the doctor reports as separate faults are not the reason here.
        ("callable 'app' not found in file a.py\nlast line\n", "last line"),
        ("Listen queue size is greater than 4096\nlast line\n", "last line"),
        ("", ""),
    ],
)
def test_the_line_in_which_uwsgi_says_why_it_ended(log, words):
    assert own_words(log) == words
