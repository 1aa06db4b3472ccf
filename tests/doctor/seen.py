"""What a visitor from outside sees of a site: the status of a page, or the way in which it does not come.

The words are those with which symptoms.py describes a symptom. This machine asks, not the host.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

# Every project of the tests has Django's admin, and with it this file.
STYLE = "/static/admin/css/base.css"
# Longer than the brief timeouts of the cases, shorter than the 60 s of nginx.
SECONDS = 4
# curl's exit statuses.
FAILURES = {
    7: "no connection",
    28: "no answer",
    47: "redirect loop",
    52: "empty answer",
    56: "no connection",
}
# Logs are read without requests that say so.
AGENT = "pyweb.stack"


def seen(address: str, domain: str, path: str = "/", words: Sequence[str] = ()) -> str:
    """Return what comes of a page; of one that comes, also whether its style sheet does."""
    page = asked(address, domain, path, words)
    if page != "200" or words:
        return page
    style = asked(address, domain, STYLE)
    return page if style == "200" else "page without CSS"


def asked(address: str, domain: str, path: str, words: Sequence[str] = ()) -> str:
    """Return the status of a page, behind its redirects, or the failure."""
    command = ["curl", "--silent", "--insecure", "--location", "--max-redirs", "5", "--max-time", str(SECONDS)]
    # Whatever name and port a redirect leads to: it is on the same host.
    command += ["--connect-to", f"::{address}:"]
    command += ["--output", "/dev/null", "--write-out", "%{http_code} %{num_redirects}", "--user-agent", AGENT]
    url = f"http://{domain}{path}"
    done = subprocess.run([*command, *words, url], capture_output=True, text=True, check=False)
    status, redirects = done.stdout.split()
    if not done.returncode:
        return status
    failure = FAILURES.get(done.returncode, f"curl's exit status {done.returncode}")
    return "redirect to nowhere" if redirects != "0" and failure.startswith("no ") else failure
