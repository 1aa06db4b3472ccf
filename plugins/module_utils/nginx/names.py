# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of nginx's files that the controller and the host use."""

from __future__ import annotations

ETC = "/etc/nginx"
MAIN = f"{ETC}/nginx.conf"
# The first lines of every file of ours contain it; only files with it are ever removed or replaced.
MARK = "pyweb.stack.nginx"
# The names of a file for all sites, and for one site, below conf.d or sites-enabled.
HTTP_FILE = "pyweb_http.conf"
# The default server of the packages: Debian's is a link, that of nginx.org's packages a file.
DEFAULT_LINK = f"{ETC}/sites-enabled/default"
DEFAULT_LINKED = f"{ETC}/sites-available/default"
DEFAULT_FILE = f"{ETC}/conf.d/default.conf"
# Our drop-in of its unit. The distributions' units do not restart nginx when its master is killed, and allow 1024
# descriptors.
DROP_IN = "/etc/systemd/system/nginx.service.d/pyweb.conf"
# Files beside that of a site: the locations of a site in another server, its pages, its users, and whether it is in
# maintenance. nginx finds pages below `PAGES` internally; clients cannot request them.
FOLDER = "pyweb.d"
PAGES = "/.pyweb/"


def beside_site(name: str, what: str) -> str:
    """Return the file of a site for `what`, such as htpasswd or maintenance."""
    return f"{ETC}/{FOLDER}/{name}.{what}"
