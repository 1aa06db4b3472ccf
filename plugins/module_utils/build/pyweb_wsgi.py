# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Hosts get the text below the dashes as it is, so it has no type hints, and imports modules that only a build has.
# mypy: disable-error-code="dict-item, import-not-found, import-untyped, no-untyped-call, no-untyped-def"
# No type hints, for the same reason; reading url_patterns imports the views (B018), and the text loses its indent (E501).
# ruff: noqa: ANN001, ANN202, B018, E501
"""The WSGI entry of every site, with placeholders for the values of one site.

`overlay.wsgi` writes the text below the line of dashes into a build, without the condition and its indent, and replaces
the placeholders. The condition keeps an import of this file from changing the process that imports it.
"""

# The pages that the site requests from itself, as (path, query), and the Host; nginx's header for HTTPS (lines with it
# exist only for a site with TLS); how long a worker waits for the answers, and how soon after a start a reload is
# treated as a stop.
WARM_UP_PAGES: list[tuple[str, str]] = []
SITE_HOST = ""
OVER_HTTPS: dict[str, str] = {}
WARM_UP_SECONDS = 1
RELOAD_SECONDS = 5

# ----------------------------------------------------------------------------------------------------------------------
if __name__ == "__main__":
    """The WSGI entry of the site SITE_NAME. Written by pyweb.stack: change the inventory instead."""

    import contextlib
    import os
    import signal
    import sys
    import threading
    import time
    from wsgiref.util import setup_testing_defaults

    import pyweb_errors

    try:
        import uwsgi
    except ImportError:  # somebody else's server, or manage.py
        uwsgi = None

    os.environ["DJANGO_SETTINGS_MODULE"] = "OVERLAY_MODULE"

    def _end_at(number):
        """Let a signal end this process that uWSGI would have it ignore, until uWSGI has a use for it."""
        with contextlib.suppress(ValueError):  # not the main interpreter
            signal.signal(number, signal.SIG_DFL)

    # Whoever stops the site while it starts would wait until systemd kills it: uWSGI ignores SIGTERM until its master runs,
    # takes it for a reload until hook-master-start, and then waits without end for workers, which ignore SIGHUP until they
    # take requests.
    if uwsgi:
        _end_at(signal.SIGTERM)
        if uwsgi.worker_id():  # with lazy-apps
            _end_at(signal.SIGHUP)
        elif time.monotonic() - float(os.environ.get("PYWEB_LOADED", "-inf")) < RELOAD_SECONDS:
            # Without an application uWSGI fails. If nobody wants it to stop, systemd starts it again.
            raise RuntimeError("uWSGI reloads right after its start: it was told to stop")

    from entry_module import entry_callable as application

    application = pyweb_errors.reported(application)

    if uwsgi and not uwsgi.worker_id():
        os.environ["PYWEB_LOADED"] = str(time.monotonic())  # a reload keeps the environment
        _end_at(signal.SIGHUP)  # for the workers, which inherit it

    def _warm_up():
        """Do what the first visitors would wait for: import the views, and answer a few pages, whatever the answer is.

        In each worker, as Django itself does it: what is open before a fork is shared by all workers.
        """
        _end_at(signal.SIGHUP)  # a worker that replaces another one inherits the master's way to reload
        from django.urls import get_resolver

        get_resolver().url_patterns
        # A page may hang, and a worker that waits for it serves nobody.
        asking = threading.Thread(target=_ask_itself, daemon=True)
        asking.start()
        asking.join(WARM_UP_SECONDS)

    def _ask_itself():
        from django.db import connections

        try:
            for path, query in WARM_UP_PAGES:
                environ = {"PATH_INFO": path, "QUERY_STRING": query, "HTTP_HOST": SITE_HOST, "REMOTE_ADDR": "127.0.0.1"}
                environ.update({"HTTP_USER_AGENT": "pyweb.stack", "wsgi.errors": sys.stderr})
                environ.update(OVER_HTTPS)
                setup_testing_defaults(environ)
                answer = application(environ, lambda *_status: None)
                try:
                    b"".join(answer)
                finally:
                    if hasattr(answer, "close"):
                        answer.close()
        finally:
            connections.close_all()

    if uwsgi:
        _after_fork = getattr(uwsgi, "post_fork_hook", None)

        def _hook():
            if callable(_after_fork):
                _after_fork()
            if uwsgi.worker_id():  # not a mule or the spooler, which serve nobody
                _warm_up()

        uwsgi.post_fork_hook = _hook
        if uwsgi.worker_id():  # with lazy-apps this is a worker already, and the time of hooks is past
            _warm_up()
