"""A fake certbot that handles lineages, renewal configurations and hooks, and prints what certbot prints.

It is a script on PATH. A directory next to it contains its instructions and the record of its calls.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

SCRIPT = """#!{python}
import json, os, pathlib, subprocess, sys, tempfile
home = pathlib.Path({home!r})
etc = home / "letsencrypt"
arguments = sys.argv[1:]
if arguments == ["--version"]:
    print("certbot {version}")
    sys.exit()
with (home / "calls").open("a") as calls:
    calls.write(json.dumps([arguments, dict(os.environ)]) + "\\n")
busy = home / "busy"
if busy.exists() and (left := int(busy.read_text())):
    busy.write_text(str(left - 1))
    sys.exit("Another instance of Certbot is already running.")
values = {{}}
names = []
for place, word in enumerate(arguments):
    if word in ("-d", "--ip-address"):
        names.append(arguments[place + 1])
    elif word.startswith("--"):
        after = arguments[place + 1 : place + 2]
        values[word[2:]] = after[0] if after and not after[0].startswith("-") else True
name = values["cert-name"]
conf, live, archive = etc / f"renewal/{{name}}.conf", etc / f"live/{{name}}", etc / f"archive/{{name}}"
if "manual-auth-hook" in values:
    environment = dict(os.environ, CERTBOT_DOMAIN=names[0], CERTBOT_VALIDATION="of-the-ca")
    done = subprocess.run(values["manual-auth-hook"], shell=True, env=environment, capture_output=True, text=True)
    said = f"Hook '--manual-auth-hook' for {{names[0]}}"
    if done.returncode:
        print(f"{{said}} reported error code {{done.returncode}}", file=sys.stderr)
    if done.stdout.strip():
        print(f"{{said}} ran with output:\\n {{done.stdout.strip()}}")
    if done.stderr.strip():
        print(f"{{said}} ran with error output:\\n {{done.stderr.strip()}}", file=sys.stderr)
fails = home / "fails"
if fails.exists():
    out, err = json.loads(fails.read_text())
    print(out)
    sys.exit(err)
if not conf.exists() or not conf.read_text():
    if conf.exists():
        name += "-0001"
        conf, live, archive = etc / f"renewal/{{name}}.conf", etc / f"live/{{name}}", etc / f"archive/{{name}}"
    for folder in (archive, live):
        if folder.exists():
            sys.exit(f"{{folder.parent.name}} directory exists for {{name}}")
        folder.mkdir(parents=True)
elif "force-renewal" not in values:
    print("Keeping the existing certificate")
    sys.exit()
conf.parent.mkdir(parents=True, exist_ok=True)
number = len(list(archive.glob("cert*.pem"))) + 1
alternatives = ",".join(f"{{'IP' if word[0].isdigit() or ':' in word else 'DNS'}}:{{word}}" for word in names)
subprocess.run(
    ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "6",
     "-subj", "/CN=x", "-addext", f"subjectAltName={{alternatives}}", "-keyout", archive / f"privkey{{number}}.pem",
     "-out", archive / f"fullchain{{number}}.pem"], check=True, capture_output=True)
(archive / f"cert{{number}}.pem").write_text((archive / f"fullchain{{number}}.pem").read_text())
for kind in ("cert", "fullchain", "privkey"):
    (live / f"{{kind}}.pem").unlink(missing_ok=True)
    (live / f"{{kind}}.pem").symlink_to(f"../../archive/{{name}}/{{kind}}{{number}}.pem")
lines = [f"version = {version}", f"fullchain = {{live}}/fullchain.pem", "", "# Options used in the renewal process",
         "[renewalparams]", "account = 0123", f"server = {{values['server']}}", f"key_type = {{values['key-type']}}"]
if "webroot" in values:
    lines += ["authenticator = webroot", f"webroot_path = {{arguments[arguments.index('-w') + 1]}},"]
for option, value in values.items():
    if option == "manual" or (option.startswith("dns-") and value is True):
        lines.append(f"authenticator = {{option}}")
    elif option.startswith(("manual-", "dns-", "required-profile")):
        lines.append(f"{{option.replace('-', '_')}} = {{value}}")
    elif option == "preferred-challenges":
        lines.append("pref_challs = dns-01,")
lines.append(f"{hook} = {{values['deploy-hook']}}")
if "webroot" in values:
    lines += ["[[webroot_map]]", *[f"{{word}} = /var/lib/pyweb-acme" for word in names]]
conf.write_text("\\n".join(lines) + "\\n")
if (home / "killed").exists():
    sys.exit(137)
environment = dict(os.environ, RENEWED_LINEAGE=str(live), RENEWED_DOMAINS=" ".join(names))
done = subprocess.run(values["deploy-hook"], shell=True, env=environment, capture_output=True, text=True)
if done.returncode:
    print(f"Hook 'deploy-hook' reported error code {{done.returncode}}", file=sys.stderr)
if done.stderr.strip():
    print(f"Hook 'deploy-hook' ran with error output:\\n {{done.stderr.strip()}}", file=sys.stderr)
print("Successfully received certificate.")
"""


class Certbot:
    """The program in `folder/bin`, with its files in `folder/letsencrypt`. The hook's name depends on the version."""

    def __init__(self, folder: Path, version: str = "2.1.0") -> None:
        self.home, self.programs = folder, folder / "bin"
        self.etc = folder / "letsencrypt"
        self.programs.mkdir()
        hook = "deploy_hook" if version.startswith("5") else "renew_hook"
        text = SCRIPT.format(python=sys.executable, home=str(folder), version=version, hook=hook)
        self.program("certbot", text)

    def program(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)

    def fails(self, out: str, err: str = "Some challenges have failed.") -> None:
        (self.home / "fails").write_text(json.dumps([out, err]))

    def works(self) -> None:
        for name in ("fails", "killed"):
            (self.home / name).unlink(missing_ok=True)

    def is_busy(self, times: int) -> None:
        (self.home / "busy").write_text(str(times))

    def is_killed_before_its_hook(self) -> None:
        (self.home / "killed").touch()

    @property
    def calls(self) -> list[tuple[list[str], dict[str, str]]]:
        """Return the arguments and the environment of each call."""
        path = self.home / "calls"
        return [tuple(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def path(self) -> str:
        return f"{self.programs}:{os.environ['PATH']}"
