"""Secret texts (canaries), and the search for them in output, in files and on command lines."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from host import Host

# Where the test's servers keep their secrets on the host.
SERVERS = "/root/canary-servers"
PORT = 8801
SEEN = f"{SERVERS}/seen.json"

# Serves a git repository if the request has the password, an archive if it has the token, and no packages.
SERVER = """
import base64, http.server, json, os, sys
asked = json.load(open(sys.argv[1]))
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        path, _mark, query = self.path.partition("?")
        basic = "Basic " + base64.b64encode(("teller:" + asked["git"]).encode()).decode()
        if path.startswith("/moved.git"):
            # A compromised server redirects the client, with its credentials, to another host.
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.2:%d/other.git%s?%s" % (PORT, path[10:], query))
            self.end_headers(); return
        if self.headers.get("Host", "").startswith("127.0.0.2"):
            with open("got", "a") as stream: stream.write(str(self.headers) + "\\n")
            self.send_response(401); self.send_header("WWW-Authenticate", 'Basic realm="x"'); self.end_headers(); return
        if path.startswith("/shop.git") and self.headers.get("Authorization") != basic:
            self.send_response(401); self.send_header("WWW-Authenticate", 'Basic realm="x"'); self.end_headers(); return
        if path.endswith(".tar.gz") and asked["archive_quoted"] not in query:
            self.send_error(403); return
        super().do_GET()
    def log_message(self, *_words): pass
PORT = int(sys.argv[2])
os.chdir(os.path.dirname(sys.argv[1]))
http.server.ThreadingHTTPServer(("", PORT), Handler).serve_forever()
"""

# Reads the command lines of all processes repeatedly, and saves those that contain one of the texts.
WATCHER = """
import glob, json, os, sys, time
forms = [form.encode() for form in json.load(open(sys.argv[1]))]
found, rounds = set(), 0
while not os.path.exists(sys.argv[2] + ".stop"):
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as stream: line = stream.read()
        except OSError: continue
        if any(form in line for form in forms): found.add(line.replace(b"\\0", b" ").decode("utf-8", "replace"))
    rounds += 1
    time.sleep(0.01)
with open(sys.argv[2] + ".new", "w") as stream: json.dump({"found": sorted(found), "rounds": rounds}, stream)
os.rename(sys.argv[2] + ".new", sys.argv[2])
"""


def forms(text: str) -> list[str]:
    """Return a text as it is, and encoded in a URL, in Python and in base64 with each alignment."""
    found = [text, quote(text, safe=""), quote(text), repr(text)[1:-1]]
    for before in range(3):
        whole = base64.b64encode(b"x" * before + text.encode()).decode()
        # The first and the last characters depend on the neighbours of the text.
        found.append(whole[4 if before else 0 : -4])
    return list(dict.fromkeys(found))


def all_forms(canaries: Mapping[str, str]) -> dict[str, str]:
    """Return form -> the key of its canary."""
    return {form: key for key, text in canaries.items() for form in forms(text)}


def in_text(canaries: Mapping[str, str], text: str) -> list[str]:
    """Return the keys of the canaries that a text contains, each with the text around it."""
    found = []
    for form, key in all_forms(canaries).items():
        at = text.find(form)
        if at >= 0:
            found.append(f"{key}: ...{text[max(0, at - 120) : at + len(form) + 40]}...")
    return found


def in_files(host: Host, canaries: Mapping[str, str], folders: Iterable[str]) -> list[str]:
    """Return the files below some directories in which root finds a canary, with mode and owner."""
    host.told(f"cat > {SERVERS}/patterns", "".join(f"{form}\n" for form in all_forms(canaries)))
    # -a: search bytecode and archives as well.
    script = f"grep -rlaF -f {SERVERS}/patterns {' '.join(folders)} 2>/dev/null | xargs -r -d '\\n' stat -c '%a %U %n'"
    return [line for line in host.run(script).stdout.splitlines() if not line.endswith("/uwsgi.sock")]


class Watch:
    """Watches the command lines of all processes on the host during a `with` block."""

    def __init__(self, host: Host, canaries: Mapping[str, str]) -> None:
        self.host, self.canaries = host, canaries
        self.found: list[str] = []
        self.rounds = 0

    def __enter__(self) -> Watch:
        self.host.told(f"cat > {SERVERS}/forms.json", json.dumps(list(all_forms(self.canaries))))
        self.host.told(f"rm -f {SEEN} {SEEN}.stop; cat > {SERVERS}/watcher.py", WATCHER)
        run = f"python3 {SERVERS}/watcher.py {SERVERS}/forms.json {SEEN}"
        self.host.told(f"systemd-run --quiet --collect --unit=canary-watch {run}")
        return self

    def __exit__(self, *_error: object) -> None:
        wait = f"touch {SEEN}.stop; for i in $(seq 100); do [ -e {SEEN} ] && break; sleep 0.1; done; cat {SEEN}"
        told = json.loads(self.host.told(wait))
        self.found, self.rounds = told["found"], told["rounds"]


def serve(host: Host, canaries: Mapping[str, str], code: str) -> None:
    """Serve the project in `code` on the host, as a repository and as an archive."""
    known = {**canaries, "archive_quoted": quote(canaries["archive"], safe="")}
    host.told(f"install -d -m 0700 {SERVERS} && cat > {SERVERS}/known.json", json.dumps(known))
    host.told(f"cat > {SERVERS}/server.py", SERVER)
    git = "git -c user.name=a -c user.email=a@b -c safe.directory=*"
    host.told(
        f"cd {shlex.quote(code)} && git init -q . && {git} add -A && {git} commit -q -m First && "
        f"git clone -q --bare . {SERVERS}/shop.git && cd {SERVERS}/shop.git && git update-server-info && "
        f"cd {shlex.quote(code)} && git archive --format=tar.gz -o {SERVERS}/shop.tar.gz HEAD && rm -rf .git"
    )
    run = f"python3 {SERVERS}/server.py {SERVERS}/known.json {PORT}"
    host.told(f"systemd-run --quiet --collect --unit=canary-server {run}")
    host.told(f"for i in $(seq 50); do curl -s -o /dev/null http://127.0.0.1:{PORT}/ && break; sleep 0.1; done")
