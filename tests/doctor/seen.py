"""What a visitor sees of a site: the status of a page, or how the request fails.

symptoms.py uses the same words for each symptom. The requests are sent from this machine, not from the host.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

# Every test project includes Django's admin, which has this file.
STYLE = "/static/admin/css/base.css"
# The title of the page that nginx's package has for its default server, on Debian, or on EL.
DEFAULT_PAGE = re.compile(r"<title>(welcome to nginx|(http server )?test page)", re.IGNORECASE)
# Longer than the short timeouts in the cases, shorter than nginx's 60 s.
SECONDS = 4
# curl's exit statuses.
FAILURES = {
    7: "no connection",
    28: "no answer",
    47: "redirect loop",
    52: "empty answer",
    56: "no connection",
}
# The doctor ignores log lines of requests with this user agent.
AGENT = "pyweb.stack"


def seen(address: str, domain: str, path: str = "/", words: Sequence[str] = ()) -> str:
    """Return the result of requesting a page, and for a page with status 200 also that of its style sheet."""
    page = asked(address, domain, path, words)
    if page != "200" or words:
        return page
    if asked(address, domain, STYLE) == "200":
        return page
    text = curl(address, domain, path, "--output", "-").stdout
    return "nginx's own page" if DEFAULT_PAGE.search(text) else "page without CSS"


def asked(address: str, domain: str, path: str, words: Sequence[str] = ()) -> str:
    """Return the status of a page after redirects, or the failure."""
    told = ["--output", "/dev/null", "--write-out", "%{http_code} %{num_redirects}"]
    done = curl(address, domain, path, *told, *words)
    status, redirects = done.stdout.split()
    if not done.returncode:
        return status
    failure = FAILURES.get(done.returncode, f"curl's exit status {done.returncode}")
    return "redirect to nowhere" if redirects != "0" and failure.startswith("no ") else failure


def curl(address: str, domain: str, path: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Request a page of a host, and follow its redirects."""
    command = ["curl", "--silent", "--insecure", "--location", "--max-redirs", "5", "--max-time", str(SECONDS)]
    # Redirects to any name and port are sent to the same host.
    command += ["--connect-to", f"::{address}:", "--user-agent", AGENT]
    url = f"http://{domain}{path}"
    return subprocess.run([*command, *words, url], capture_output=True, text=True, errors="replace", check=False)
