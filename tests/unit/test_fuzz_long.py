"""Parsers read 20000 repeated characters in a limited time: none of them is quadratic."""

from __future__ import annotations

import contextlib
import signal

import pytest
import strategies
from ansible_collections.pyweb.stack.plugins.module_utils.build import environment, layouts
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import look_proxies, look_renewal, verdict
from ansible_collections.pyweb.stack.plugins.module_utils.host import causes
from ansible_collections.pyweb.stack.plugins.module_utils.model import (
    background_checks,
    checks,
    command_checks,
    constraints,
    dependencies,
    dependency_files,
    environment_file,
    keys,
    manifests,
    option_checks,
    pins,
    secrets,
    urls,
)
from ansible_collections.pyweb.stack.plugins.module_utils.model.checks import Wrong
from ansible_collections.pyweb.stack.plugins.module_utils.model.texts import Unreadable
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump
from ansible_collections.pyweb.stack.plugins.module_utils.release import release, worker_units
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import (
    failures,
    option_files,
    options,
    protocol,
    tracebacks,
)

LENGTH, SECONDS = 20_000, 2
# The beginnings of the patterns that the parsers search, so that every repetition starts another search.
BEGINNINGS = (
    *(
        "Traceback (most recent call last):\n",
        '  File "/a/b.py", line 3, in f\n',
        "ValueError: x\n",
        "error: y\n",
        "*** z",
    ),
    *(
        "  + Exception Group Traceback (most recent call last):\n",
        "(a.E001) ",
        "fatal: ",
        "KeyError: 'A'\n",
        "A",
        "a.",
        "a@",
    ),
    *(
        "Permission denied: '/",
        "/builds/0/src/",
        "//a:b",
        "://",
        "//",
        "-r a\n",
        "\\\n",
        "WARNING: Retrying ",
        "a: fatal error: ",
    ),
    *(
        "x_by_lua_block {\n",
        "[[",
        "--[[",
        "${A:-",
        'A="',
        "'a' in extra ",
        "extra",
        "not in ",
        "--hash=",
        "a==1 ",
        "1,",
        "*/",
    ),
    *(
        "mon,",
        "1..",
        "/usr",
        "/a1",
        "DJANGO_SETTINGS_MODULE",
        "python_requires = ",
        "WSGI_APPLICATION = '",
        "import ",
        "\n\n",
    ),
    *(
        " \n",
        "  ",
        "x = y\n",
        "(",
        "a.b",
        "[a]",
        "%(a)",
        "$(a)",
        "server {",
        "user ",
        "sys.path.append(",
        "'a'+",
        "no python app",
    ),
    *(
        "2027-01-01 00:00:00,1:DEBUG:certbot.main:certbot version: 2\n",
        "2027-01-01 00:00:00,1:DEBUG:certbot.main:Arguments: ['renew']\n",
        " Domain: a\n Type: b\n",
        "certbot ",
        "Failed to renew certificate shop with error: ",
        "acme.sh ",
        '1 - - [01/Jan/2027:00:00:00 +0000] "GET /',
    ),
)


def requirement_file(name, read):
    """Return a parser of a text in a file of a project."""

    def reading(text, folder):
        (folder / name).write_text(text, encoding="utf-8", errors="surrogatepass")
        return read(str(folder), name)

    return reading


READERS = {
    "causes": causes.cause,
    "failures": lambda text: (failures.why_not_started(text, 5), failures.own_words(text)),
    "tracebacks": lambda text: (tracebacks.quote(text), tracebacks.root(text)),
    "verdict": lambda text: verdict.hide({"x": text}, []),
    "certbot": lambda text: look_renewal.failures([text], "shop"),
    "cron": lambda text: look_renewal.cron_triggers("/a", text, True, True),
    "access_log": lambda text: look_proxies._lines(text, look_proxies.COMBINED, 0),
    "log_format": lambda text: look_proxies._lines(text, '$a$b$remote_addr $c"$request"$d', 0),
    "urls": lambda text: (urls.credentials(text), urls.without_credentials(text)),
    "secrets": lambda text: (secrets.all_forms([text]), secrets.is_shown(text, [])),
    "specifier": constraints.specifier,
    "python_marker": constraints.python_marker,
    "python_fits": lambda text: constraints.python_fits(text, "3.12"),
    "logical_lines": pins.logical_lines,
    "settled": lambda text: pins.settled(text, {"extra": ["a"], "extras": ["b"]}),
    "exported": lambda text: pins.exported(text, {}, {}, "/nowhere", "uv.lock"),
    "names": lambda text: (dependencies.names_django([text]), dependencies.competing([text], "uwsgi")),
    "environment_file": environment_file.parse,
    "nginx": lambda text: dump.parse(f"# configuration file /a:\n{text}"),
    "comments": dump._without_comments,
    "protocol": lambda text: protocol._parse("x", text.encode("utf-8", "surrogatepass"), 0.1),
    "uwsgi_ini": lambda text: list(option_files.options_in(text, "ini", "uwsgi")),
    "uwsgi_words": lambda text: options._expand(text, "/a/b.ini", options.Options(), {}),
    "layouts": lambda text: (layouts.configuration([text], text), layouts.uses_configurations([text])),
    "settings": lambda text: (layouts.named("X", text), layouts._WSGI_APPLICATION.search(text)),
    "manage": lambda text: (layouts._added_to_path("/nowhere", text), environment.loading(text)),
    "environment": release.parse_environment,
    "programs": lambda text: worker_units.programs({"a.service": text}),
    "calendar": background_checks.calendar,
    "command": command_checks.command,
    "nginx_words": option_checks.nginx_words,
    "domain": checks.domain,
    "requirement": checks.requirement,
    "module": keys.PYTHON_MODULE,
    "package": keys.PACKAGE_NAME,
    "prefix": keys.PREFIX,
    "database": keys.DATABASE_URL,
    "email": keys.SUPERUSER_KEYS["email"].check,
}
FILES = {
    "requirements.txt": manifests.requirement_lines,
    "setup.cfg": lambda root, _name: (dependency_files.requires_python(root), dependency_files.find(root)),
    "setup.py": lambda root, _name: (dependency_files.requires_python(root), dependency_files.find(root)),
}
REFUSED = (Wrong, Unreadable, ValueError, dump.DumpError, protocol.ProtocolError)


@contextlib.contextmanager
def within(seconds, what):
    """Fail if something takes longer; a regular expression cannot be stopped in another way."""

    def late(*_signal):
        raise TimeoutError(f"{what!r} takes longer than {seconds} s")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@pytest.mark.parametrize("name", [*READERS, *FILES])
def test_a_long_text_is_read_in_a_limited_time(name, tmp_path):
    read = READERS.get(name) or (lambda text: requirement_file(name, FILES[name])(text, tmp_path))
    for piece in dict.fromkeys([*strategies.PIECES, *BEGINNINGS]):
        with within(SECONDS, piece), contextlib.suppress(*REFUSED):
            read(piece * (LENGTH // len(piece)))
