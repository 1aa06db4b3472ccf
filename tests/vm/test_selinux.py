"""A host with SELinux in enforcing mode: SELinux denies nothing that a site does.

The tests of one machine depend on each other: run, upload, deploy, rollback, reboot.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from http.client import HTTPConnection

from client import Answer, ask, store_picture, style_of
from conftest import World

PICTURE = "/media/pictures/dot.png"
# The domain of services for which Debian's policy has no rules.
SERVICE = "initrc_t"
# For the start of an application after a boot, in software emulation.
START_SECONDS = 120


def page(world: World, name: str, path: str = "/") -> Answer:
    return ask("127.0.0.1", f"{name}.example", path, timeout=60, port=world.host.ports[80])


def encrypted(world: World, name: str, path: str = "/") -> tuple[int, str]:
    """Return status and body of an HTTPS request that accepts any certificate."""
    anything = ssl.create_default_context()
    anything.check_hostname, anything.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", world.host.ports[443]), 60) as plain:
        connection = HTTPConnection("127.0.0.1", timeout=60)
        # nginx refuses a handshake without the name of a site.
        connection.sock = anything.wrap_socket(plain, server_hostname=f"{name}.example")
        connection.request("GET", path, headers={"Host": f"{name}.example"})
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8")


def serves(world: World, **versions: str) -> None:
    """Check that every site serves its version, its style sheet and the upload, and that nothing was denied."""
    for name, version in versions.items():
        if name == "secure":
            status, body = encrypted(world, name)
            assert (status, version in body) == (200, True), body
            continue
        shown = page(world, name)
        assert (shown.status, version in shown.body) == (200, True), shown
        assert page(world, name, style_of(shown)).status == 200
        assert page(world, name, PICTURE).status == 200
    assert world.denied() == []


def domains(world: World, program: str) -> set[str]:
    """Return the SELinux domains of the processes whose command line matches."""
    told = world.host.told("ps -eo label:100,args --no-headers")
    return {line.split(":")[2] for line in told.splitlines() if re.search(program, line.partition(" ")[2])}


def test_selinux_is_enforcing_and_the_network_is_as_configured(world: World) -> None:
    assert world.host.told("getenforce") == "Enforcing"
    has_ipv6 = world.host.run("test -e /proc/sys/net/ipv6").returncode == 0
    assert has_ipv6 == (not world.host.kernel)
    world.host.restart()
    # What SELinux denies during a boot without the collection is the distribution's fault.
    world.before = world.host.denials()


def test_the_first_run_deploys_the_sites(world: World) -> None:
    world.project.version("one")
    world.play()
    for name in ("unix", "tcp"):
        store_picture("127.0.0.1", f"{name}.example", world.host.ports[80])
    serves(world, **dict.fromkeys(world.inventory.names, "one"))


def test_nginx_and_the_sites_run_in_the_domains_of_the_rules(world: World) -> None:
    assert domains(world, "nginx: ") == {"httpd_t"}
    assert domains(world, "/uwsgi --ini") == {SERVICE}


def test_a_second_run_changes_nothing(world: World) -> None:
    assert world.play().changed == 0
    assert world.denied() == []


def test_files_that_nginx_reads_and_sockets_are_labelled(world: World) -> None:
    state = f"{world.path('state')}/tcp"
    paths = [f"{state}/private", f"{state}/media", f"{world.path('run')}/unix"]
    kinds = [world.host.told(f"stat --format=%C {path}").split(":")[2] for path in paths]
    # Debian's policy calls it httpd_runtime_t; the old name is an alias.
    assert kinds in (
        ["httpd_sys_content_t", "httpd_sys_content_t", "httpd_var_run_t"],
        ["httpd_sys_content_t", "httpd_sys_content_t", "httpd_runtime_t"],
    )


def test_a_deploy_and_a_rollback_succeed(world: World) -> None:
    world.project.version("two")
    world.play("deploy.yml")
    serves(world, unix="two", tcp="two", secure="two")
    world.play("rollback.yml", "--extra-vars", json.dumps({"rollback_site": "unix"}))
    serves(world, unix="one", tcp="two", secure="two")


def test_all_sites_are_served_after_a_reboot(world: World) -> None:
    world.host.restart()
    deadline = time.monotonic() + START_SECONDS
    while any(page(world, name, "/healthz").status != 200 for name in ("unix", "tcp")):
        assert time.monotonic() < deadline, f"not served {START_SECONDS} s after the boot"
        time.sleep(1)  # uWSGI loads Django, which is slow here; between two checks until the deadline
    serves(world, unix="one", tcp="two", secure="two")
    assert domains(world, "/uwsgi --ini") == {SERVICE}


def test_a_wrong_label_is_denied_and_the_next_run_fixes_it(world: World) -> None:
    media = f"{world.path('state')}/tcp/media"
    world.host.told(f"chcon -R -t user_home_t {media}")
    assert page(world, "tcp", PICTURE).status == 403
    denied = world.denied()
    assert any(denial.startswith("httpd_t user_home_t ") for denial in denied), denied
    world.before += denied
    world.play()
    serves(world, unix="two", tcp="two", secure="two")


def test_the_rules_of_a_removed_site_are_removed(world: World) -> None:
    world.inventory = world.inventory.with_("unix", state="absent", purge=True)
    world.play()
    rules = world.host.told("cat /etc/selinux/pyweb_stack.cil")
    assert [f"{world.path('run')}/{name}(" in rules for name in ("unix", "tcp")] == [False, True], rules
    serves(world, tcp="two", secure="two")
