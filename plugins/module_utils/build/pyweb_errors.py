# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# It imports modules that only a build has, and has no type hints: hosts get the text below the dashes as it is.
# mypy: disable-error-code="arg-type, assignment, import-not-found, import-untyped, index, no-untyped-call"
# mypy: disable-error-code="no-untyped-def"
# No type hints, for the same reason.
# ruff: noqa: ANN001, ANN003, ANN201, ANN202, ANN204
"""The module of a build that writes the unhandled exceptions of a site's requests to the journal.

`overlay.errors` writes the text below the line of dashes into a build, beside the WSGI entry, which imports it.
"""

# ----------------------------------------------------------------------------------------------------------------------
"""Write every unhandled exception of a request into the journal, once and without secrets. Written by pyweb.stack.

Whatever LOGGING says: a traceback goes straight to the process's standard error, and the handlers of the project that
write to the journal as well get the record without it. All other handlers (mail, files, services) get it as it is.
"""

import contextlib
import contextvars
import copy
import json
import logging
import os
import re
import sys
import traceback
from urllib.parse import quote, quote_plus, unquote

try:
    import uwsgi
except ImportError:  # somebody else's server, or manage.py
    uwsgi = None

# How every report begins. Who looks for reports in the journal looks for this.
MARK = "pyweb.stack: unhandled exception:"
# What the end of the first line says of an exception that came while an earlier one of the same request was answered.
NEXT = "while the one above was answered"
PAGE = (
    b'<!doctype html>\n<html lang="en">\n<head><title>Server Error (500)</title></head>\n'
    b"<body><h1>Server Error (500)</h1></body>\n</html>\n"
)
# A report of more lines loses those in the middle; journald splits a line of 48 KiB (LineMax=).
MAX_LINES = 600
MAX_LINE = 4000
# A log master of uWSGI cuts what is written at once to 8 KiB (log-master-bufsize).
WRITE_AT_ONCE = 8000

# Variables that systemd, uWSGI, a shell or pyweb.stack set. The values of all others are secret.
STANDARD = re.compile(
    "DJANGO_SETTINGS_MODULE|HOME|INVOCATION_ID|JOURNAL_STREAM|LANG|LANGUAGE|LC_[A-Z]+|LISTEN_[A-Z]+|LOGNAME|MAINPID|"
    "MANAGERPID|MEMORY_PRESSURE_[A-Z]+|NOTIFY_SOCKET|OLDPWD|PATH|PWD|PYTHON[A-Z]+|PYWEB_[A-Z]+|SHELL|SHLVL|"
    "SYSTEMD_EXEC_PID|TERM|TZ|USER|UWSGI_ORIGINAL_PROC_NAME|UWSGI_RELOADS|VIRTUAL_ENV|WATCHDOG_[A-Z]+|_"
)
# Settings, and keys inside of settings, that hold secrets.
SECRET_NAME = re.compile(r"(?i)(secret|token|pass|pwd|passw(or)?d|passphrase|credential|key|dsn|salt)s?$")
# Values of variables that are no secret, as in pyweb.stack's model/secrets.py: truth values, paths below the
# directories that every system has, and those of several plain words.
WORDS = re.compile(r"(?i)true|false|yes|no|on|off|none|null")
PATH = re.compile(
    r"/(?:bin|boot|dev|etc|home|lib|lib64|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)(?:/[\w.+@-]+)*/?"
    r"|(?:/[a-z][a-z._-]*[0-9]{0,3}){2,}/?",
    re.ASCII,
)
# A line of a secret that is shorter than this may be any word; a key's lines are longer.
SECRET_LINE = 8
# What stands in a path as it is (RFC 3986).
PATH_SAFE = "/~!$&'()*+,;=:@"


class Request:
    """What the reports of one request share: its first line, and the exceptions that are in the journal already."""

    def __init__(self, environ):
        self.method = str(environ.get("REQUEST_METHOD", "?"))
        self.path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        self.told = []

    def __str__(self):
        # As the client asked for it. Quoted, so that nobody writes lines of their own into the journal.
        path = quote(self.path.encode("latin-1", "replace"), safe=PATH_SAFE)
        return f"{quote(self.method)[:20]} {path[:500] or '/'} (release {release()})"


_current = contextvars.ContextVar("pyweb.stack request", default=None)


def reported(application):
    """Return an application whose unhandled exceptions are reported; one that leaves it is answered with 500."""
    from django.core.signals import got_request_exception

    got_request_exception.connect(_on_exception, weak=False, dispatch_uid="pyweb.stack")

    def entry(environ, start_response):
        request = Request(environ)
        _current.set(request)
        try:
            answer = application(environ, start_response)
        except Exception as error:
            # Django's own handler failed (a 500.html that raises), or it was told to let exceptions through.
            report(error, request)
            # With the third argument of PEP 3333 uWSGI would write the exception as well, and fail.
            again = () if uwsgi else (sys.exc_info(),)
            start_response("500 Internal Server Error", [("Content-Type", "text/html; charset=utf-8")], *again)
            return [PAGE]
        # uWSGI sends a file by itself, if it gets the very object back that it was given.
        return answer if isinstance(answer, (list, tuple)) or hasattr(answer, "read") else _Answer(answer, request)

    return entry


class _Answer:
    """An answer of which the exceptions are reported that it raises while it is sent and closed."""

    def __init__(self, answer, request):
        self.answer, self.request = answer, request

    def __iter__(self):
        # uWSGI would write what gets through, too: without a word about the request, and with secrets.
        try:
            yield from self.answer
        except Exception as error:
            report(error, self.request)

    def close(self):
        try:
            if hasattr(self.answer, "close"):
                self.answer.close()
        except Exception as error:
            report(error, self.request)


def release():
    """Return the id of the release that this process runs: the name of its stats socket, which uWSGI knows."""
    stats = uwsgi.opt.get("stats", "") if uwsgi else ""
    stats = stats.decode() if isinstance(stats, bytes) else str(stats)
    return os.path.basename(stats).partition(".")[0] or "unknown"


def report(error, request):
    """Write an exception to the journal, unless it stands there already. Never raises."""
    try:
        if not _is_told(error, request):
            _write(_text(error, request))
            _remember(error, request)
        _quiet_handlers()
    except Exception as own:  # whatever a project's exception does when one looks at it, its visitor gets an answer
        with contextlib.suppress(Exception):
            _write(f"{MARK} {request}\n{type(error).__name__} (no traceback: {type(own).__name__})\n")


def _on_exception(sender, request=None, **_more):
    error = sys.exc_info()[1]
    if error is not None:
        asked = {"REQUEST_METHOD": getattr(request, "method", "?"), "PATH_INFO": getattr(request, "path", "?")}
        report(error, _current.get() or Request(asked))


def _is_told(error, request):
    """Return whether this request has the exception in the journal, or the same one from another layer of Django.

    Each layer of middleware that an exception passes asks for the error page anew, and it fails anew.
    """
    return getattr(error, "_pyweb_request", None) is request or _summary(error) in request.told


def _remember(error, request):
    request.told.append(_summary(error))
    # Not all that was told of this request: an exception may be raised again in another one.
    with contextlib.suppress(Exception):
        error._pyweb_request = request


def _summary(error):
    frames = traceback.extract_tb(error.__traceback__)[-1:]
    words = traceback.format_exception_only(type(error), error)  # even where str() fails
    return words, [(frame.filename, frame.lineno) for frame in frames]


# --- the text ---


def _text(error, request):
    told = traceback.TracebackException(type(error), error, error.__traceback__)
    then = _drop_told(told, error, request)
    text = _hide("".join(told.format()))
    lines = [_line(line) for line in text.rstrip("\n").split("\n")]
    if len(lines) > MAX_LINES:
        head = MAX_LINES // 4
        left_out = len(lines) - MAX_LINES
        lines[head : head + left_out] = [f"  ... {left_out} lines ..."]
    return "\n".join([f"{MARK} {_hide(str(request))}{f', {NEXT}' if then else ''}", *lines]) + "\n"


def _drop_told(told, error, request):
    """Leave out of a chain of exceptions what stands in the journal; return whether something does."""
    while error is not None and told is not None:
        before = error.__cause__
        if before is None and not error.__suppress_context__:
            before = error.__context__
        if before is not None and _is_told(before, request):
            told.__cause__ = told.__context__ = None
            return True
        error, told = before, told.__cause__ or told.__context__
    return False


def _line(text):
    """Return a line that journalctl shows as text."""
    text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda match: repr(match[0])[1:-1], text)
    return text if len(text) <= MAX_LINE else f"{text[:MAX_LINE]}... ({len(text) - MAX_LINE} more characters)"


def _write(text):
    """Write to the process's own standard error, whatever the project made of sys.stderr."""
    data = text.encode("utf-8", "backslashreplace")
    while data:
        end = data.rfind(b"\n", 0, WRITE_AT_ONCE) + 1 or WRITE_AT_ONCE
        part, data = data[:end], data[end:]
        while part:
            part = part[os.write(2, part) :]


# --- secrets ---


def _hide(text):
    """Return a text without the values of the site's environment and the secrets of its settings."""
    found = {form for secret in _secrets() if not _is_harmless(secret) for form in forms(secret)}
    # The longest first: of a secret that another one begins with, the rest would stay.
    for secret in sorted((secret for secret in found if not _is_harmless(secret)), key=len, reverse=True):
        text = text.replace(secret, "********")
    return text


def forms(secret):
    """Return the texts in which a secret may show up: it, its parts, and how Python, JSON and URLs write it."""
    found = [secret, secret.strip("\n"), *_credentials(secret)]
    lines = secret.splitlines()
    if len(lines) > 1:
        found += [line for line in lines if len(line) >= SECRET_LINE]
    return [*found, *(form for text in found for form in _written(text))]


def _written(text):
    """Yield a text as Python, JSON and URLs write it."""
    raw = text.encode("utf-8", "surrogatepass")
    yield repr(text)[1:-1]
    # Beside a quotation mark of the other kind, repr escapes it.
    yield repr(f'{text}"')[1:-2]
    yield repr(raw)[2:-1]
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield from (quote(raw, safe=""), quote(raw), quote(raw, safe=PATH_SAFE), quote_plus(raw))


def _credentials(text):
    """Return user:password of the URLs of a text, and the password as it is written there and as it is."""
    # The first one is for a password with an @ in it.
    found = []
    for part in re.findall(r"^[A-Za-z][A-Za-z0-9+.-]*://([^/?#\s,]*)@", text) + re.findall(r"://([^/?#\s@]*)@", text):
        password = part.partition(":")[2]
        if password:
            found += [part, password, unquote(password)]
    return found


def _is_harmless(value):
    """Return whether hiding a value would hide nothing but make a text hard to read.

    Up to three characters, truth values, paths, and the site's own names: its domains, and the parts of this file's
    path, of which one is the site's name.
    """
    if len(value) <= 3 or WORDS.fullmatch(value) or PATH.fullmatch(value):
        return True
    return value in __file__.split("/") or value in _domains()


def _domains():
    from django.conf import settings

    with contextlib.suppress(Exception):  # settings that Django refuses
        return list(settings.ALLOWED_HOSTS)
    return []


def _secrets():
    for name, value in {**_ENVIRONMENT, **os.environ}.items():
        if not STANDARD.fullmatch(name):
            yield value
    from django.conf import settings

    for name in dir(settings):
        if name.isupper():
            with contextlib.suppress(Exception):  # a setting that Django refuses
                yield from _secret_settings(name, getattr(settings, name))


def _secret_settings(name, value, inside=False):
    """Yield the secrets of a setting; `inside` is for what a secret name holds: API_KEYS = {"shop": ...}."""
    own = SECRET_NAME.search(name) or name == "SECRET_KEY_FALLBACKS"
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _secret_settings(str(key), inner, inside or own)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _secret_settings(name, inner, inside)
    elif isinstance(value, str):
        # Below the name of a secret there may be ordinary words, too.
        if own or (inside and len(value) >= SECRET_LINE):
            yield value
        yield from _credentials(value)


# A project may take what it read out of its environment.
_ENVIRONMENT = dict(os.environ)


# --- the handlers of the project ---


class _Once(logging.Filter):
    """Lets a handler write the record of a reported exception without the traceback."""

    def __init__(self, handler):
        super().__init__()
        self.handler = handler

    def filter(self, record):
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if getattr(error, "_pyweb_request", None) is None:
            return True
        short = copy.copy(record)  # other handlers get the record itself
        short.exc_info = short.exc_text = None
        self.handler.acquire()
        try:
            self.handler.emit(short)
        finally:
            self.handler.release()
        return False


def _quiet_handlers():
    """Keep the handlers that get Django's own record of the exception from writing it to the journal again."""
    handlers, logger = [logging.lastResort], logging.getLogger("django.request")
    while logger:
        handlers += logger.handlers
        logger = logger.parent if logger.propagate else None
    for handler in handlers:
        _quiet(handler)


def _quiet(handler):
    """Quiet a handler that writes to the journal, or the one that it hands its records to."""
    target = getattr(handler, "target", None)  # a MemoryHandler's
    if isinstance(target, logging.Handler):
        _quiet(target)
    # A QueueHandler has made one text of the record before its listener's handlers see it.
    listener = getattr(handler, "listener", None) or getattr(handler, "_listener", None)
    is_quiet = handler is None or any(isinstance(known, _Once) for known in handler.filters)
    if not is_quiet and any(map(_writes_to_journal, [handler, *getattr(listener, "handlers", ())])):
        handler.addFilter(_Once(handler))


def _writes_to_journal(handler):
    stream = getattr(handler, "stream", None) or getattr(getattr(handler, "console", None), "file", None)
    if stream is not None:
        if stream in (sys.stdout, sys.stderr):
            return True
        with contextlib.suppress(Exception):  # no file behind it
            return any(os.path.sameopenfile(stream.fileno(), number) for number in (1, 2))
    # journald listens on /dev/log, too.
    to_syslog = isinstance(getattr(handler, "address", None), str) and hasattr(handler, "facility")
    return to_syslog or "journal" in type(handler).__name__.lower()
