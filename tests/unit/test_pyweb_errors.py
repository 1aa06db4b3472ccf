"""Unhandled exceptions of requests in the journal: once, with their request, without secrets, for any LOGGING.

The tests use fakes of the necessary parts of Django: the signal, the settings, and how its handler logs and answers
an exception.
"""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import os
import queue
import sys
import types
from urllib.parse import quote, quote_plus

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import pyweb_errors
from ansible_collections.pyweb.stack.plugins.module_utils.model.secrets import PATH, WORDS, all_forms

REQUEST = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/app/", "QUERY_STRING": "token=hunter2"}
MARK = "pyweb.stack: unhandled exception: GET /app/ (release unknown)"


class Django:
    """Django's handler: one layer for each middleware; each one requests the error page when an exception passes it."""

    def __init__(self, layers=2):
        self.receivers, self.layers = [], layers
        self.settings = types.SimpleNamespace()
        self.page = lambda: None  # 500.html
        self.logger = logging.getLogger("django.request")

    def connect(self, receiver, **_how):
        self.receivers.append(receiver)

    def application(self, view):
        def application(environ, start_response):
            answer = self._layer(view, environ, self.layers)
            start_response("200 OK", [])
            return answer

        return application

    def _layer(self, view, environ, left):
        try:
            return self._layer(view, environ, left - 1) if left else view(environ)
        except Exception as error:
            for receiver in self.receivers:
                receiver(sender=None, request=None)
            self.page()
            exc_info = (type(error), error, error.__traceback__)
            self.logger.error("Internal Server Error: %s", environ["PATH_INFO"], exc_info=exc_info)
            return [b"the page of the project"]


@pytest.fixture
def django(monkeypatch):
    django = Django()
    signals = types.ModuleType("django.core.signals")
    signals.got_request_exception = django
    conf = types.ModuleType("django.conf")
    conf.settings = django.settings
    modules = {"django.core.signals": signals, "django.conf": conf}
    modules.update({name: types.ModuleType(name) for name in ("django", "django.core")})
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(os, "environ", {"PATH": "/usr/bin", "API_TOKEN": "correct-horse"})
    monkeypatch.setattr(pyweb_errors, "_ENVIRONMENT", {})
    loggers = [logging.getLogger("django"), django.logger]
    before = [(logger.handlers[:], logger.propagate, logger.disabled) for logger in loggers]
    # pytest's own handlers are on the root logger.
    loggers[0].propagate = False
    yield django
    for logger, (handlers, propagate, disabled) in zip(loggers, before):
        logger.handlers, logger.propagate, logger.disabled = handlers, propagate, disabled
    logging.lastResort.filters.clear()


@pytest.fixture
def ask(django, capfd):
    """ask(view, **environ) -> (what the client got, what is in the journal)."""

    def ask(view, **environ):
        capfd.readouterr()
        started = []
        application = pyweb_errors.reported(django.application(view))
        answer = application({**REQUEST, **environ}, lambda status, *_more: started.append(status))
        body = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        out, err = capfd.readouterr()
        return (*started, body), out + err

    return ask


def boom(environ):
    raise ValueError(f"no correct-horse in {environ['PATH_INFO']}")


def test_an_exception_is_written_once_although_django_has_several_layers(ask):
    answer, told = ask(boom)
    assert answer == ("200 OK", b"the page of the project")
    lines = told.splitlines()
    assert lines[:2] == [MARK, "Traceback (most recent call last):"]
    assert "    raise ValueError(f\"no correct-horse in {environ['PATH_INFO']}\")" not in lines  # hidden in code, too
    assert told.count("ValueError: no ******** in /app/") == 1
    assert "correct-horse" not in told
    assert "hunter2" not in told


def test_the_same_exception_of_two_requests_is_written_twice(ask):
    error = ValueError("made only once")

    def view(environ):
        raise error

    assert [ask(view)[1].count("ValueError: made only once") for _request in range(2)] == [1, 1]


def test_all_chained_exceptions_are_written(ask):
    def view(environ):
        try:
            int("one")
        except ValueError as error:
            raise LookupError("two") from error

    told = ask(view)[1]
    assert told.count("ValueError: invalid literal for int() with base 10: 'one'") == 1
    assert told.count("direct cause of the following exception") == 1
    assert told.count("LookupError: two") == 1


def test_an_error_page_that_raises_is_also_written_once_and_answered(django, ask):
    """Every layer requests it, so it raises several times."""

    def page():
        raise KeyError("no such tag")

    django.page = page
    answer, told = ask(boom)
    assert answer == ("500 Internal Server Error", pyweb_errors.PAGE)
    assert told.count("ValueError: no ******** in /app/") == 1
    assert told.count("KeyError: 'no such tag'") == 1
    assert told.splitlines().count(f"{MARK}, while the one above was answered") == 1


def test_an_exception_that_django_propagates_is_written_once(django, ask):
    """With DEBUG_PROPAGATE_EXCEPTIONS."""

    def page():
        raise sys.exc_info()[1]

    django.page = page
    answer, told = ask(boom)
    assert answer[0] == "500 Internal Server Error"
    assert told.count("Traceback (most recent call last):") == 1


@pytest.mark.parametrize("when", ["sent", "closed"])
def test_an_exception_while_the_response_is_sent_is_written(ask, when):
    class Answer:
        def __iter__(self):
            yield b"begun"
            if when == "sent":
                raise RuntimeError("too late")

        def close(self):
            if when == "closed":
                raise RuntimeError("too late")

    answer, told = ask(lambda environ: Answer())
    assert answer == ("200 OK", b"begun")
    assert told.startswith(MARK)
    assert told.count("RuntimeError: too late") == 1


def test_a_file_response_reaches_the_server_unchanged(django):
    """uWSGI sends the file itself only then."""
    file = io.BytesIO(b"data")
    assert pyweb_errors.reported(lambda environ, start: file)(REQUEST, None) is file


def test_an_exit_of_the_process_is_passed_on(ask):
    def view(environ):
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        ask(view)


def test_an_exception_without_a_text_does_not_break_the_answer(ask):
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    def view(environ):
        raise Odd

    answer, told = ask(view)
    assert answer == ("200 OK", b"the page of the project")
    assert told.startswith(f"{MARK}\n")
    assert told.count("    raise Odd\n") == 1
    assert "Odd: <exception str() failed>\n" in told


def test_a_traceback_that_cannot_be_formatted_does_not_break_the_answer(ask, monkeypatch):
    monkeypatch.setattr(pyweb_errors, "_text", None)
    answer, told = ask(boom)
    assert answer == ("200 OK", b"the page of the project")
    assert f"{MARK}\nValueError (no traceback: TypeError)\n" in told


# --- the request ---


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"REQUEST_METHOD": "POST", "SCRIPT_NAME": "/shop", "PATH_INFO": "/cart"}, "POST /shop/cart "),
        ({"PATH_INFO": "/f\u00c3\u00bcr/a b\n\x1b"}, "GET /f%C3%BCr/a%20b%0A%1B "),
        ({"PATH_INFO": ""}, "GET / "),
        ({"PATH_INFO": "/" + "a" * 999}, f"GET /{'a' * 499} "),
        ({"REQUEST_METHOD": "G\nT"}, "G%0AT /app/ "),
    ],
)
def test_a_request_is_written_in_one_line(ask, environ, words):
    assert ask(boom, **environ)[1].startswith(f"pyweb.stack: unhandled exception: {words}(release unknown)\n")


@pytest.mark.parametrize("stats", ["/run/sites/shop/0123456789ab.stats", b"/run/sites/shop/0123456789ab.stats"])
def test_the_release_is_the_one_that_uwsgi_runs(monkeypatch, stats):
    monkeypatch.setattr(pyweb_errors, "uwsgi", types.SimpleNamespace(opt={"stats": stats}))
    assert str(pyweb_errors.Request(REQUEST)) == "GET /app/ (release 0123456789ab)"


# --- LOGGING ---


class Json(logging.Formatter):
    def format(self, record):
        raised = self.formatException(record.exc_info) if record.exc_info else None
        return json.dumps({"message": record.getMessage(), "raised": raised})


def stream(name, formatter=None):
    handler = logging.StreamHandler(getattr(sys, name))
    if formatter:
        handler.setFormatter(formatter)
    return handler


def queued(attribute):
    handler = logging.handlers.QueueHandler(queue.Queue())
    listener = logging.handlers.QueueListener(handler.queue, stream("stderr"))
    setattr(handler, attribute, listener)
    handler.emit = lambda record: listener.handle(handler.prepare(record))
    return handler


LOGGINGS = {
    "nothing": list,
    "stderr": lambda: [stream("stderr")],
    "stdout and stderr": lambda: [stream("stdout"), stream("stderr")],
    "json": lambda: [stream("stderr", Json())],
    "memory": lambda: [logging.handlers.MemoryHandler(1, target=stream("stderr"))],
    "queue": lambda: [queued("listener")],
    "queue of another class": lambda: [queued("_listener")],
    "stderr opened as a file": lambda: [logging.FileHandler("/dev/stderr")],
}


@pytest.mark.parametrize("name", LOGGINGS)
@pytest.mark.parametrize("logger", ["django", "django.request"])
def test_a_handler_that_also_writes_to_the_journal_writes_no_second_traceback(ask, name, logger):
    logging.getLogger(logger).handlers = LOGGINGS[name]()
    for _request in range(2):
        told = ask(boom)[1]
        assert told.count("Traceback (most recent call last)") == 1, told
        assert told.count("ValueError: no ") == 1, told
        assert "correct-horse" not in told
        # The handler's own line stays.
        assert ("Internal Server Error: /app/" in told) is (name != "nothing" or logger == "django"), told


def test_an_exception_is_written_although_the_logger_is_disabled(django, ask):
    django.logger.disabled = True
    assert ask(boom)[1].count("ValueError: no ") == 1


def test_other_handlers_get_the_record_unchanged(django, ask, tmp_path):
    """Handlers for mail, files and services, even after one that was silenced."""
    got = []

    class Service(logging.Handler):
        def emit(self, record):
            got.append(record.exc_info[1])

    django.logger.handlers = [stream("stderr"), Service(), logging.FileHandler(tmp_path / "log")]
    ask(boom)
    # All layers but the innermost got an answer.
    assert [str(error) for error in got] == ["no correct-horse in /app/"]
    assert (tmp_path / "log").read_text().count("Traceback (most recent call last)") == 1


def test_a_traceback_that_the_project_logs_itself_is_kept(django, ask):
    django.logger.handlers = [stream("stderr")]

    def view(environ):
        try:
            int("handled")
        except ValueError:
            django.logger.exception("it went on")
        return [b"fine"]

    ask(boom)
    told = ask(view)[1]
    assert told.count("ValueError: invalid literal for int() with base 10: 'handled'") == 1
    assert MARK not in told


@pytest.mark.parametrize(
    ("handler", "writes"),
    [
        (logging.handlers.SysLogHandler("/dev/log") if os.path.exists("/dev/log") else stream("stderr"), True),
        (logging.handlers.SysLogHandler(("192.0.2.1", 514)), False),
        (type("JournalHandler", (logging.Handler,), {})(), True),
        (logging.NullHandler(), False),
        (logging.StreamHandler(io.StringIO()), False),
    ],
)
def test_which_handlers_write_to_the_journal(handler, writes):
    assert pyweb_errors._writes_to_journal(handler) is writes


# --- secrets ---

VALUES = [
    "correct-horse",
    "line one of it\nline two of it\n",
    "postgres://shop:p%40ss%2Fword@db/shop",
    "quo'te\"d \\ and spaces",
    "\u00fcber-secret",
    "a b+c/d=='e",
]


WRITE = [
    str,
    repr,
    lambda text: repr(f'"{text}'),
    lambda text: repr(text.encode())[1:],
    json.dumps,
    lambda text: json.dumps(text, ensure_ascii=False),
    lambda text: quote(text, safe=""),
    quote,
    quote_plus,
]


def test_a_secret_is_hidden_in_the_same_forms_as_elsewhere():
    for value in VALUES:
        assert set(all_forms([value])) <= set(pyweb_errors.forms(value))


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(
    "write", WRITE, ids=["plain", "repr", "repr2", "bytes", "json", "json2", "url", "path", "form"]
)
def test_values_of_the_environment_are_hidden(django, ask, value, write):
    os.environ["VALUE"] = value

    def view(environ):
        raise ValueError(f"<<{write(value)}>>")

    told = ask(view)[1]
    shown = told.rpartition("ValueError: <<")[2].partition(">>")[0]
    assert set(shown) <= set("*'\"\n"), told


def test_variables_that_a_project_removed_from_its_environment_are_hidden(monkeypatch, ask):
    monkeypatch.setattr(pyweb_errors, "_ENVIRONMENT", {"API_TOKEN": "correct-horse"})
    del os.environ["API_TOKEN"]
    assert "correct-horse" not in ask(boom)[1]


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("SECRET_KEY", "the-secret-key", "the-secret-key"),
        ("SECRET_KEY_FALLBACKS", ["an-older-key"], "an-older-key"),
        ("DATABASES", {"default": {"NAME": "x", "PASSWORD": "open-sesame"}}, "open-sesame"),
        ("EMAIL_HOST_PASSWORD", "open-sesame", "open-sesame"),
        ("CACHES", {"default": {"LOCATION": "redis://:open-sesame@cache:6379"}}, "open-sesame"),
        ("CHANNEL_LAYERS", {"default": {"CONFIG": {"hosts": ["redis://:open-sesame@cache:6379"]}}}, "open-sesame"),
        ("SENTINELS", "redis://a:other-word@x,redis://b:open-sesame@y", "open-sesame"),
        ("DATABASE_URL", "postgres://u:open@sesame@db/x", "open@sesame"),
        ("SMTP_PASS", "open-sesame", "open-sesame"),
        ("API_KEYS", {"shop": "open-sesame"}, "open-sesame"),
        ("PROVIDERS", {"x": {"APPS": [{"client_id": "1", "secret": "open-sesame"}]}}, "open-sesame"),
    ],
)
def test_secrets_of_the_settings_are_hidden(django, ask, name, value, secret):
    setattr(django.settings, name, value)

    def view(environ):
        raise ValueError(f"it was {secret}")

    assert "ValueError: it was ********\n" in ask(view)[1]


def test_a_secret_in_the_path_of_a_request_is_hidden(ask):
    os.environ["VALUE"] = "correct horse/battery"
    told = ask(boom, PATH_INFO="/reset/correct horse/battery/")[1]
    assert "GET /reset/********/ (release" in told


def test_settings_that_cannot_be_read_break_nothing(django, ask):
    class Settings:
        @property
        def SECRET_KEY(self):
            raise RuntimeError("empty")

    sys.modules["django.conf"].settings = Settings()
    assert "ValueError: no ******** in /app/" in ask(boom)[1]


def test_values_that_are_not_secret_stay_readable(django, ask):
    """Up to three characters, words such as true, paths, and the site's own names: `model/secrets.py` has the rule."""
    os.environ.update({"FLAG": "true", "LEVEL": "1", "REGION": "eu", "NAME": "build", "LANG": "C.UTF-8", "EMPTY": ""})
    os.environ.update({"UPLOADS": "/var/lib/sites/shop/media", "HOST": "shop.example.com", "PORT": "8042"})
    os.environ["DJANGO_SETTINGS_MODULE"] = "pyweb_settings"
    django.settings.ALLOWED_HOSTS = ["shop.example.com"]

    def view(environ):
        raise ValueError("true 1 eu build C.UTF-8 /var/lib/sites/shop/media shop.example.com pyweb_settings 8042")

    said = "ValueError: true 1 eu build C.UTF-8 /var/lib/sites/shop/media shop.example.com pyweb_settings ********\n"
    assert said in ask(view)[1]


def test_the_rule_for_secrets_is_the_same_as_in_the_model():
    assert pyweb_errors.WORDS == WORDS
    assert pyweb_errors.PATH == PATH


# --- limits of the journal ---


def test_a_long_traceback_is_shortened_in_the_middle(ask):
    def view(environ):
        raise ValueError("\n".join(["first", *map(str, range(2000)), "last"]))

    lines = ask(view)[1].splitlines()
    assert len(lines) == pyweb_errors.MAX_LINES + 2
    assert [line for line in lines if line.startswith("  ... ")]
    assert lines[-1] == "last"


def test_lines_are_text_and_not_longer_than_journald_accepts(ask):
    def view(environ):
        raise ValueError("a\x00\x1b[31m\rb\ud800" + "x" * 50000)

    line = ask(view)[1].splitlines()[-1]
    assert line.startswith("ValueError: a\\x00\\x1b[31m\\rb\\ud800xxx")
    assert line.endswith(" more characters)")
    assert len(line) < 5000


def test_a_long_message_is_written_in_parts_of_whole_lines(monkeypatch):
    parts = []
    monkeypatch.setattr(os, "write", lambda number, data: parts.append((number, data)) or len(data))
    text = "".join(f"{number:>99}\n" for number in range(200))
    pyweb_errors._write(text)
    assert b"".join(data for _number, data in parts) == text.encode()
    assert all(number == 2 and data.endswith(b"\n") and len(data) <= 8000 for number, data in parts)
