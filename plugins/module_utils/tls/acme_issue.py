# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Get a site's certificate from certbot if it is missing or differs; certbot's hook installs it in nginx.

A failure leaves nginx unchanged.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..host import files, labels
from ..host.shell import STEP_TIMEOUT, Shell, StepError
from ..model import layout as layouts
from ..model import schemes
from ..model.layout import Layout
from . import acme_causes, acme_found, acme_leave, acme_look, acme_request, acme_served, acme_timer

STEP = "the certificate"
LOG = "/var/log/letsencrypt/letsencrypt.log"
# How much of certbot's log is read, in bytes: its end.
LOG_MAX = 200_000
# How long to wait for another certbot, and the pause between, in seconds.
BUSY, PAUSE = 300, 2
_BUSY = "Another instance of Certbot is already running"
# Differences that need no new certificate.
_BESIDE = {"files", "ca", "served"}
_WORDS = {
    "new": "there is none",
    "domains": "the domains have changed",
    "directory": "the CA has changed",
    "key_type": "the type of the key has changed",
    "profile": "the profile has changed",
    "challenge": "the challenge has changed",
    "hook": "the site has moved",
}


@dataclass
class Certificate:
    """The certificate of one site. `secrets` are the site's; a `dry` run changes nothing and contacts no server."""

    site: Mapping[str, Any]
    secrets: Mapping[str, Any]
    shell: Shell
    dry: bool = False
    look: acme_causes.Look = acme_look.look

    @property
    def layout(self) -> Layout:
        return Layout.of(self.site)

    def ensure(self) -> list[str]:
        """Correct all differences; return what was, or would be, done. Raises `StepError`."""
        changes = self._changes()
        if not changes:
            return []
        reasons = [_WORDS[change] for change in changes if change in _WORDS]
        made = [self._words(reasons)] if reasons else []
        made += (
            ["certificate: what certbot needs for its renewal"] if {"files", "ca"} & {*changes} and not reasons else []
        )
        made += ["certificate: nginx is reloaded"] if changes == ["served"] else []
        if self.dry:
            return made
        self._prepare()
        if reasons:
            output = self.issue(changes)
        elif "served" in changes:
            output = self._hand_over()
        else:
            return made
        self._check(output)
        return made

    def _changes(self) -> list[str]:
        wanted = acme_request.request(self.site, self.secrets)
        return acme_request.differences(wanted, acme_found.lineage(self.site["name"]))

    def _words(self, reasons: list[str]) -> str:
        host = re.sub(r"^https://([^/]+).*", r"\1", self._directory)
        return f"certificate for {', '.join(self.site['domains'])} from {host}: {', '.join(reasons)}"

    @property
    def _directory(self) -> str:
        return str(self.site["tls"]["acme"]["directory"] or acme_request.LETS_ENCRYPT)

    def _prepare(self) -> None:
        """Write the files that certbot needs, now and at every renewal."""
        own, texts = acme_request.folder(self.layout), acme_request.texts(self.site, self.secrets)
        if not os.path.exists(acme_request.hook(self.layout)):
            raise self._error(
                f"{acme_request.hook(self.layout)}, which installs a certificate in nginx, does not exist; the role "
                "nginx "
                "writes it: run pyweb.stack.site"
            )
        if not os.path.isdir(layouts.ACME_WEBROOT):
            os.makedirs(layouts.ACME_WEBROOT)
        os.chmod(layouts.ACME_WEBROOT, 0o755)  # noqa: S103 - nginx publishes the contents
        labels.settle(layouts.ACME_WEBROOT)
        if texts and not os.path.isdir(own):
            os.mkdir(own, 0o700)
        for name, text in texts.items():
            mode = 0o700 if name in acme_request.PROGRAMS else 0o600
            files.write(f"{own}/{name}", text, mode, os.geteuid(), os.getegid())
        for name in files.names(own):
            if name not in texts:
                files.remove(f"{own}/{name}")
        self._authority(self.site["tls"]["acme"]["ca"])

    def _authority(self, given: str) -> None:
        path = acme_found.authority_path(self.site["name"])
        if not given:
            files.forget(path)
            return
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        if given.startswith("/"):
            if not os.path.isfile(given):
                raise self._error(
                    f"tls.acme.ca is {given}, which does not exist on the host; put the CA's certificate there"
                )
            if files.read_link(path) != given:
                files.link(given, path)
        else:
            files.write(path, given, 0o644, os.geteuid(), os.getegid())

    def issue(self, changes: list[str]) -> str:
        """Call certbot, and return its output. Raises `StepError`, which names the cause."""
        self._remove_remains()
        done = self._call(self._command(changes))
        output = f"{done.stdout.strip()}\n{done.stderr.strip()}\n"
        left = sorted(set(self._changes()) - _BESIDE)
        if left and not done.returncode:
            raise self._error(f"certbot got one, but recorded other settings than requested: {', '.join(left)}", output)
        if left:
            log = self.shell.mask(_end_of(LOG))
            email = self.site["tls"]["acme"]["email"]
            why = acme_causes.cause(output, log, self.look, self._directory, email)
            raise self._error(f"{why}; nginx's certificate is not changed", output)
        return output

    def _remove_remains(self) -> None:
        """Remove what a killed certbot left under the site's name; otherwise certbot would use another name."""
        name = self.site["name"]
        conf, there = acme_found.configuration(name), acme_found.lineage(name)
        if there.get("domains"):
            return
        if os.path.exists(conf) and not there:
            raise self._error(
                f"certbot has a certificate {self.layout.lineage} that the collection did not request; to free the "
                "name: "
                f"certbot delete --cert-name {self.layout.lineage}"
            )
        for path in (conf, *acme_leave.issued(self.layout)):
            files.remove(path)

    def _command(self, changes: list[str]) -> list[str]:
        acme = self.site["tls"]["acme"]
        argv = ["certbot", "certonly", "--non-interactive", "--agree-tos", "--cert-name", self.layout.lineage]
        argv += ["--server", self._directory, "--key-type", acme["key_type"]]
        argv += ["--email", acme["email"]] if acme["email"] else ["--register-unsafely-without-email"]
        argv += ["--required-profile", acme["profile"]] if acme["profile"] else []
        argv += ["--deploy-hook", acme_request.hook(self.layout)]
        argv += acme_request.options(self.site, self.secrets)
        for domain in self.site["domains"]:
            argv += ["--ip-address" if schemes.is_address(domain) else "-d", domain]
        if "new" not in changes:
            argv += ["--force-renewal", "--renew-with-new-domains"]
            # certbot does not replace a certificate of Let's Encrypt by a staging one.
            argv += ["--break-my-certs"] if "directory" in changes else []
        return argv

    def _call(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        """Call certbot, after waiting for another one to end."""
        wait = acme_request.seconds(self.site)
        deadline = time.monotonic() + BUSY
        while True:
            done = self.shell.run(
                STEP, argv, environment=acme_timer.environment(), timeout=STEP_TIMEOUT + wait, check=False
            )
            busy = done.returncode and _BUSY in done.stdout + done.stderr
            if not busy or time.monotonic() >= deadline:
                return done
            time.sleep(PAUSE)  # the other certbot says nothing when it ends; asked again until the deadline

    def _hand_over(self) -> str:
        """Run the hook of certbot, which a killed run did not reach."""
        lineage = acme_leave.issued(self.layout)[0]
        environment = {"RENEWED_LINEAGE": lineage, "RENEWED_DOMAINS": " ".join(self.site["domains"])}
        hook = acme_request.hook(self.layout)
        done = self.shell.run(STEP, [hook], environment=environment, timeout=STEP_TIMEOUT, check=False)
        return f"{done.stdout}{done.stderr}"

    def _check(self, output: str) -> None:
        """Check that nginx serves certbot's certificate. Raises `StepError`."""
        if self._changes():
            words = re.search(rf"(?m)^\s*site '{re.escape(self.site['name'])}': (.+)$", output)
            why = words[1] if words else "the hook of certbot did not install it in nginx"
            raise self._error(f"it was issued, but is not served: {why}", output)
        live = f"{acme_leave.issued(self.layout)[0]}/{acme_found.PAIR[0]}"
        if wrong := acme_served.wrong(self.site, files.read_or_empty(live)):
            raise self._error(f"it was issued, but is not served: {wrong}", output)

    def _error(self, why: str, output: str = "") -> StepError:
        return StepError(self.site["name"], STEP, why, output)


def _end_of(path: str) -> str:
    """Return the last part of a log; '' where there is none."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(os.fstat(stream.fileno()).st_size - LOG_MAX, 0))
            return stream.read(LOG_MAX).decode("utf-8", "replace")
    except OSError:
        return ""
