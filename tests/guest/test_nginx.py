"""An nginx that others use too: their files stay, their sites answer, and conflicts are refused before any change."""

from __future__ import annotations

import json
import re
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from client import ask
from fixtures import PLATFORM
from host import Host

DEBIAN = PLATFORM.startswith("debian")
MAIN = "/etc/nginx/nginx.conf"
OTHER = "/etc/nginx/conf.d/other.conf"
KEPT = "/var/lib/pyweb.stack/kept"
# Written by hand: an administrator would miss the directives in DIRECTIVES.
BY_HAND = f"""\
user {"www-data" if DEBIAN else "nginx"};
worker_processes 1;
pid /run/nginx.pid;
events {{
    worker_connections 4321;
}}
http {{
    include mime.types;
    client_max_body_size 500m;
    limit_req_zone $binary_remote_addr zone=each:1m rate=50r/s;
    ssl_protocols TLSv1.3;
    server_tokens off;
    server_names_hash_bucket_size 128;
    log_format theirs '$remote_addr "$request"';
    access_log /var/log/nginx/theirs.log theirs;
    include /etc/nginx/conf.d/*.conf;
}}
"""
DIRECTIVES = ["worker_connections 4321;", "client_max_body_size 500m;", "zone=each:1m", "ssl_protocols TLSv1.3;"]
OTHERS = """\
# Two sites that are not the collection's.
server {
    listen 80;
    server_name other.example;
    return 200 "theirs on 80\\n";
}
server {
    listen 8443;
    server_name other.example;
    return 200 "theirs on 8443\\n";
}
"""


def test_sites_are_added_to_an_existing_nginx_without_changing_its_files(baked: Host) -> None:
    host = baked
    write(host, MAIN, BY_HAND)
    write(host, OTHER, OTHERS)
    host.told("rm -f /etc/nginx/sites-enabled/default; systemctl restart nginx")
    before = tree(host)

    refused = host.play([shop(domains=["shop.example", "Other.example"])])
    assert refused.status != 0
    reason = f"other.example on *:80 is served by {OTHER}:2, which pyweb.stack did not write"
    assert f"site 'shop': {reason}" in refused.error
    host.told("systemd-run --unit=squatter --collect python3 -m http.server 8081")
    refused = host.play([shop(nginx={"listen": [8081]})])
    assert refused.status != 0
    found = re.search(
        r"nginx cannot listen on \*:8081, because python3\S* \(pid ([0-9]+), squatter\.service\)", refused.error
    )
    assert found, refused.error
    assert found[1] == host.told("systemctl show --property=MainPID --value squatter.service")
    refused = host.play([shop()], "site.yml", "-e", options(server_names_hash_bucket_size=256))
    assert f"nginx_options has server_names_hash_bucket_size, which {MAIN}:13 has too" in refused.error
    assert tree(host) == before
    assert host.run("ls -d /opt/sites").returncode != 0, "something was built for a site that could not be served"

    asked = options(ssl_protocols="TLSv1.2 TLSv1.3", map_hash_max_size=4096)
    predicted = host.play([shop()], "site.yml", "--check", "-e", asked)
    assert predicted.status == 0, predicted.error
    assert predicted.changed > 0
    assert tree(host) == before

    done = host.play([shop()], "site.yml", "-e", asked)
    assert done.status == 0, done.error
    assert "<!doctype html" in get(host, 80, "shop.example").lower()
    assert "ssl_protocols TLSv1.2 TLSv1.3;" in host.told("cat /etc/nginx/conf.d/shop.conf")
    assert get(host, 80, "other.example") == "theirs on 80\n"
    assert get(host, 8443, "other.example") == "theirs on 8443\n"
    assert get(host, 80, "unknown.example") == "theirs on 80\n", "an unknown name got another answer than before"
    in_force = host.told("nginx -T")
    assert [text for text in DIRECTIVES if text not in in_force] == []
    after = tree(host)
    assert {path: after.get(path) for path in before} == before
    assert f"{MAIN} was not written by pyweb.stack and is not changed" in " ".join(notes(done.output))
    again = host.play([shop()], "site.yml", "-e", asked)
    assert (again.status, again.changed) == (0, 0), again.error

    gone = host.play([{**shop(), "state": "absent"}], "site.yml", "-e", asked)
    assert gone.status == 0, gone.error
    assert tree(host) == before
    assert get(host, 80, "other.example") == "theirs on 80\n"
    assert host.run("ls -d /etc/systemd/system/nginx.service.d").returncode != 0
    again = host.play([{**shop(), "state": "absent"}], "site.yml", "-e", asked)
    assert (again.status, again.changed) == (0, 0), again.error


def test_required_changes_in_existing_files_are_made_and_reverted(baked: Host, tmp_path: Path) -> None:
    host = baked
    # It includes nothing, listens on IPv6, and its first server is the default of port 80 only because it comes first.
    body = BY_HAND.replace(
        "    include /etc/nginx/conf.d/*.conf;\n", OTHERS.replace("listen 80;", "listen 80; listen [::]:80;")
    )
    write(host, MAIN, body)
    host.told(f"rm -f /etc/nginx/sites-enabled/default; systemctl stop nginx; chmod 0600 {MAIN}")
    has_ipv6 = bool(host.run("cat /proc/net/if_inet6").stdout.strip())
    before = tree(host)
    alpha = {"name": "alpha", "domains": ["alpha.example"], "nginx": {"upstream": ["127.0.0.1:9"], "static": False}}

    done = serve(host, tmp_path, [alpha])
    assert done.status == 0, done.error
    include = "include /etc/nginx/sites-enabled/*;" if DEBIAN else "include /etc/nginx/conf.d/*.conf;"
    changed = host.told(f"cat {MAIN}")
    assert changed.count(include) == 1
    assert ("# listen [::]:80;" in changed) == (not has_ipv6)
    assert ask(host.address, "alpha.example").status == 502  # no upstream is running
    assert get(host, 80, "unknown.example") == "theirs on 80\n"
    said = " ".join(notes(done.output))
    assert f"{include.rstrip(';')} is added to the http block" in said
    assert f"before: {KEPT}{MAIN}" in said
    assert host.told(f"cat {KEPT}{MAIN}") == body.strip()
    assert host.told(f"stat -c %a {MAIN} {KEPT}{MAIN}").split() == ["600", "600"]
    again = serve(host, tmp_path, [alpha])
    assert (again.status, again.changed) == (0, 0), again.error

    gone = serve(host, tmp_path, [{**alpha, "state": "absent"}])
    assert gone.status == 0, gone.error
    assert tree(host) == before
    assert f"{MAIN} was restored to its state" in " ".join(notes(gone.output))

    # Now the existing server is included after the collection's, so it must become the default server explicitly.
    write(host, MAIN, BY_HAND)
    write(host, "/etc/nginx/conf.d/zeta.conf", OTHERS)
    host.told("systemctl reload nginx")
    before = tree(host)
    done = serve(host, tmp_path, [alpha])
    assert done.status == 0, done.error
    assert "listen 80 default_server;" in host.told("cat /etc/nginx/conf.d/zeta.conf")
    assert get(host, 80, "unknown.example") == "theirs on 80\n"
    assert ask(host.address, "alpha.example").status == 502
    assert "zeta.conf: the server in line 2 is now explicitly the default of *:80" in " ".join(notes(done.output))
    again = serve(host, tmp_path, [alpha])
    assert (again.status, again.changed) == (0, 0), again.error
    # If somebody edits the file meanwhile, it is not restored.
    host.told("echo '# a word of mine' >>/etc/nginx/conf.d/zeta.conf")
    gone = serve(host, tmp_path, [{**alpha, "state": "absent"}])
    assert "zeta.conf was not restored, because it was changed since" in " ".join(notes(gone.output))
    assert "a word of mine" in host.told("cat /etc/nginx/conf.d/zeta.conf")
    left = tree(host)
    assert {path for path in left if left[path] != before.get(path)} == {"/etc/nginx/conf.d/zeta.conf"}


def test_unchanged_files_of_the_package_are_replaced_and_restored(host: Host, tmp_path: Path) -> None:
    alpha = {"name": "alpha", "domains": ["alpha.example"], "nginx": {"upstream": ["127.0.0.1:9"], "static": False}}
    absent = [{**alpha, "state": "absent"}]
    link = "readlink /etc/nginx/sites-enabled/default"
    done = serve(host, tmp_path, [alpha])
    assert done.status == 0, done.error
    assert "pyweb.stack.nginx" in host.told(f"head -n 5 {MAIN}")
    assert host.run(link).stdout == ""
    assert notes(done.output) == []
    assert packaged(host, f"{KEPT}{MAIN}")

    gone = serve(host, tmp_path, absent)
    assert gone.status == 0, gone.error
    assert packaged(host, MAIN)
    assert host.run(link).stdout.strip() == ("/etc/nginx/sites-available/default" if DEBIAN else "")
    assert host.run(f"find {KEPT}").stdout == ""

    # A host of 0.1 has the collection's files and no copies of the original ones.
    done = serve(host, tmp_path, [alpha])
    assert done.status == 0, done.error
    host.told("rm -r /var/lib/pyweb.stack/kept /var/lib/pyweb.stack/changed.json")
    gone = serve(host, tmp_path, absent)
    assert gone.status == 0, gone.error
    assert packaged(host, MAIN)
    assert f"{MAIN} was restored to its state" in " ".join(notes(gone.output))


def shop(**keys: Any) -> dict[str, Any]:
    source = {"startproject": "mysite"}
    return {"name": "shop", "domains": ["shop.example"], "source": source, "health": {"path": "/"}, **keys}


def options(**directives: Any) -> str:
    """Return directives of the http level, as variables of a run."""
    return json.dumps({"nginx_options": directives})


def serve(host: Host, work: Path, sites: list[dict[str, Any]]) -> Any:
    """Run only the role nginx, without an application behind it."""
    alone = {"role": "pyweb.stack.nginx", "vars": {"nginx_check": False}}
    play = [{"hosts": "all", "gather_facts": False, "roles": [alone]}]
    path = work / "serve.json"
    path.write_text(json.dumps(play), encoding="utf-8")
    return host.play(sites, str(path))


def write(host: Host, path: str, text: str) -> None:
    host.told(f"cat >{path}", stdin=text)


def tree(host: Host) -> dict[str, str]:
    """Return every file and link of nginx's configuration with a hash of its content, its owner and its mode."""
    script = "cd / && find /etc/nginx /etc/systemd/system/nginx.service.d -printf '%p\\t%y %m %u %g %l\\t' "
    script += '-exec sh -c \'[ -f "$1" ] && [ ! -h "$1" ] && sha256sum <"$1" || echo\' - {} \\; 2>/dev/null; true'
    lines = [line.split("\t", 1) for line in host.told(script).splitlines() if "\t" in line]
    return {line[0]: line[1] for line in lines}


def get(host: Host, port: int, name: str) -> str:
    connection = HTTPConnection(host.address, port, timeout=15)
    try:
        connection.request("GET", "/", headers={"Host": name})
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def notes(output: str) -> list[str]:
    """Return the notes of the tasks of a run."""
    report, _end = json.JSONDecoder().raw_decode(output[output.find("{\n") :])
    results = [result for play in report["plays"] for task in play["tasks"] for result in task["hosts"].values()]
    return [str(note) for result in results for note in result.get("notes", [])]


def packaged(host: Host, path: str) -> bool:
    """Return whether a file is the nginx.conf of the package."""
    if DEBIAN:
        told = host.told("dpkg-query -W -f '${Conffiles}\\n' nginx-common")
    else:
        told = host.told("rpm -qf --qf '[%{FILENAMES} %{FILEDIGESTS}\\n]' " + MAIN)
    [wanted] = [line.split()[1] for line in told.splitlines() if line.split()[:1] == [MAIN]]
    return host.told(f"{'md5sum' if DEBIAN else 'sha256sum'} {path}").split()[0] == wanted
