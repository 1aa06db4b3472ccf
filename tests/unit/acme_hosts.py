"""A host with a fake certbot and systemd for the tests of certificates."""

from __future__ import annotations

import os

from ansible_collections.pyweb.stack.plugins.module_utils.host import shell as shells
from ansible_collections.pyweb.stack.plugins.module_utils.model import layout as layouts
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete, split_secrets
from ansible_collections.pyweb.stack.plugins.module_utils.tls import acme_found, acme_issue, acme_served, hook, pairs
from ansible_collections.pyweb.stack.plugins.module_utils.tls.acme_causes import Seen
from fake_certbot import Certbot

DIRECTORY = "https://ca.example.net/directory"
SEEN = Seen(("5.6.7.8",), ("5.6.7.9",), "404 of nginx", "404 of Apache")


class Host:
    """Everything is below one directory. `units` has the calls of systemctl, `states` the states that it reports."""

    def __init__(self, folder, monkeypatch, version="2.1.0"):
        self.folder, self.monkeypatch = folder, monkeypatch
        self.certbot = Certbot(folder, version)
        self.certbot.program(
            "nginx",
            f"#!/bin/sh\necho nginx >>{folder}/nginx\ntest ! -e {folder}/refuses || {{\n"
            "echo 'nginx: [emerg] no such directive' >&2; exit 1; }\n",
        )
        self.certbot.program("systemctl", "#!/bin/sh\n")
        monkeypatch.setattr(layouts, "LETSENCRYPT", str(self.certbot.etc))
        monkeypatch.setattr(layouts, "ACME_WEBROOT", str(folder / "webroot"))
        monkeypatch.setattr(layouts, "LOCKS", str(folder / "run"))
        monkeypatch.setattr(layouts, "SYSTEMD", str(folder / "systemd"))
        monkeypatch.setattr(acme_found, "UNITS", (str(folder / "units"),))
        monkeypatch.setattr(acme_found, "VERSIONS", (str(folder / "python/certbot-[0-9]*-info"),))
        monkeypatch.setattr(
            "ansible_collections.pyweb.stack.plugins.module_utils.tls.acme_request.ACME_WEBROOT",
            str(folder / "webroot"),
        )
        monkeypatch.setitem(shells.BASE_ENVIRONMENT, "PATH", self.certbot.path)
        monkeypatch.setattr(acme_issue, "LOG", str(folder / "letsencrypt.log"))
        monkeypatch.setattr(acme_issue, "PAUSE", 0)
        # test_acme_served.py tests which certificate is served.
        monkeypatch.setattr(acme_served, "wrong", lambda site, certificate: "")
        self.units, self.states = [], {}
        (folder / "units").mkdir()
        self.bring("certbot.timer")

    def bring(self, unit, active="inactive", enabled="disabled"):
        (self.folder / "units" / unit).touch()
        self.states[unit] = [active, enabled]

    def run(self, argv):
        """Answer calls of systemctl and certbot."""
        if argv == ["certbot", "--version"]:
            return 0, "certbot 2.1.0\n", ""
        unit = argv[-1]
        if argv[1] == "show":
            active, enabled = self.states.get(unit, ["inactive", ""])
            load = "loaded" if unit in self.states else "not-found"
            return 0, f"LoadState={load}\nActiveState={active}\nUnitFileState={enabled}\n", ""
        self.units.append(argv[1:])
        for place, word, other in ((0, "start", "stop"), (1, "enable", "disable")):
            if argv[1] in (word, other):
                names = [("active", "enabled"), ("inactive", "disabled")][argv[1] == other]
                self.states[unit][place] = names[place]
        return 0, "", ""

    def sites(self, *given, **keys):
        """Complete the sites; return them and their secrets."""
        roots = {name: str(self.folder / name) for name in layouts.ROOTS}
        return split_secrets(complete([*given] or [site(**keys)], roots))

    def prepare(self, completed):
        """Set up what certbot needs: the placeholder certificate and the deploy hook."""
        layout = Layout.of(completed)
        name = pairs.install(layout, "placeholder\n", f"{completed['name']}\n", placeholder=True)
        pairs.switch(layout, name)
        path, text = hook.path(layout), hook.renewed(layout)
        text = text.replace("PATH=/usr/local/sbin", f"PATH={self.certbot.programs}:/usr/local/sbin")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text.replace("locks=/run/pyweb.stack", f"locks={self.folder}/run"))
        os.chmod(path, hook.MODE)
        return layout

    def certificate(self, dry=False, prepare=True, look=lambda domain: SEEN, **keys):
        """Return the certificate of a site with these keys."""
        [completed], secrets = self.sites(**keys)
        if prepare and not os.path.exists(hook.path(Layout.of(completed))):
            self.prepare(completed)
        own = secrets["shop"]
        shell = shells.Shell("shop", {}, [*own["dns_environment"].values(), own["dns_credentials"].strip()])
        return acme_issue.Certificate(completed, own, shell, dry, look)


def site(name="shop", domains=("shop.example.com",), challenge="http", **acme):
    tls = {"acme": {"directory": DIRECTORY, "challenge": challenge, **acme}}
    return {"name": name, "domains": list(domains), "tls": tls, "source": {"startproject": "shop"}}
