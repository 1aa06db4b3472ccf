# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What uWSGI's options say about the application that is loaded."""

from __future__ import annotations

from ..uwsgi.options import Options


def application_of(options: Options) -> tuple[str, str]:
    """Return (module or file, callable) that uWSGI loads."""
    name = options.last("callable", "application")
    if options.last("module"):
        module, _colon, given = options.last("module").partition(":")
        return module, given or name
    if options.last("wsgi-file"):
        return options.last("wsgi-file"), name
    # mount = /shop=shop.wsgi:application
    mounted = options.last("mount").partition("=")[2]
    module, _colon, given = mounted.partition(":")
    return module, given or name
