# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names that both the controller and the host know of nginx's files."""

from __future__ import annotations

ETC = "/etc/nginx"
MAIN = f"{ETC}/nginx.conf"
# In the first lines of every file of ours; only files with it are ever removed or replaced.
MARK = "pyweb.stack.nginx"
# What a file of all sites, and one of a site, is called below conf.d or sites-enabled.
HTTP_FILE = "pyweb_http.conf"
# The server that the packages bring: Debian's by a link, that of nginx.org's packages by a file.
DEFAULT_LINK = f"{ETC}/sites-enabled/default"
DEFAULT_LINKED = f"{ETC}/sites-available/default"
DEFAULT_FILE = f"{ETC}/conf.d/default.conf"
# Ours of its unit. The distributions' units leave nginx dead when its master was killed, and with 1024 descriptors.
DROP_IN = "/etc/systemd/system/nginx.service.d/pyweb.conf"
# What lies beside the file of a site: the locations of one that is in another's server, its pages, who may log in, and
# whether it is in maintenance. Below `PAGES` nginx finds these pages itself, and nobody asks for them.
FOLDER = "pyweb.d"
PAGES = "/.pyweb/"


def beside_site(name: str, what: str) -> str:
    """Return the file of a site for `what`, such as htpasswd or maintenance."""
    return f"{ETC}/{FOLDER}/{name}.{what}"
