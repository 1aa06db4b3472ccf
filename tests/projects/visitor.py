"""A client that behaves like a browser: it keeps cookies, follows redirects and sends the form of a page."""

from __future__ import annotations

import html
import re
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode, urljoin

REDIRECTS = 5
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Page:
    path: str
    status: int
    body: str
    kind: str = ""


@dataclass
class Visitor:
    """Requests the site of a domain from the host at `address`, through nginx."""

    address: str
    domain: str
    language: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Page:
        return self._asked("GET", path, "")

    def send(self, page: Page, **fields: str) -> Page:
        """Send the form of a page to its path, with the page's token."""
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.body)
        return self._asked(
            "POST", page.path, urlencode({**{name: html.unescape(text) for name, text in hidden}, **fields})
        )

    def wait_for(self, path: str, text: str, seconds: float) -> Page:
        """Request a page until it contains a text, and return the last response."""
        deadline = time.monotonic() + seconds
        while True:
            page = self.get(path)
            if text in page.body or time.monotonic() > deadline:
                return page
            time.sleep(POLL_SECONDS)

    def _asked(self, method: str, path: str, body: str) -> Page:
        for _redirect in range(REDIRECTS):
            status, headers, text = self._answer(method, path, body)
            if status not in (301, 302, 303, 307, 308):
                return Page(path, status, text, headers.get("content-type", ""))
            target = urljoin(f"http://{self.domain}{path}", headers["location"])
            assert target.startswith(f"http://{self.domain}/"), f"{path} redirects to another site, {target}"
            method, path, body = "GET", target.removeprefix(f"http://{self.domain}"), ""
        raise AssertionError(f"{path} of {self.domain} redirects too often")

    def _answer(self, method: str, path: str, body: str) -> tuple[int, dict[str, str], str]:
        headers = {"Host": self.domain, "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if self.language:
            headers["Accept-Language"] = self.language
        if method == "POST":
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{self.domain}"}
        connection = HTTPConnection(self.address, 80, timeout=20)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
        except (OSError, HTTPException) as error:
            return 0, {}, f"no answer: {error!r}"
        finally:
            connection.close()
        for cookie in response.headers.get_all("Set-Cookie", []):
            name, _is, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return response.status, {name.lower(): value for name, value in response.getheaders()}, text


def links(page: Page, pattern: str) -> list[str]:
    """Return the paths of the site in `href` and `src` of a page that match."""
    named = re.findall(r'(?:href|src)="(/[^"/][^"]*)"', page.body)
    return [html.unescape(path) for path in dict.fromkeys(named) if re.search(pattern, path)]
