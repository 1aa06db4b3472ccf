"""Molecule: the reader's machine has Docker. The engine of this machine is it, by way of the network of the page.

Where no registry answers, `debian:12` is the image of the tests for as long as the page is run.
"""

import atexit
import contextlib
import json
import shutil
import socket
import subprocess
import threading

from host import BUNDLE, docker

ENGINE = "/var/run/docker.sock"
IMAGE = "debian:12"
PORT = 2375


def prepare(bed):
    network = json.loads(docker("network", "inspect", bed.network))[0]
    gateway = network["IPAM"]["Config"][0]["Gateway"]
    forward(gateway)
    bed.session().environment["DOCKER_HOST"] = f"tcp://{gateway}:{PORT}"
    docker("cp", "--follow-link", str(shutil.which("docker")), f"{bed.controller.name}:/usr/local/bin/docker")
    # The containers of Molecule are on Docker's own network, which a reader's machine reaches.
    docker("network", "connect", "bridge", bed.controller.name)
    subprocess.run(["docker", "rm", "--force", "shop-test"], capture_output=True, check=False)
    if subprocess.run(["docker", "pull", "--quiet", IMAGE], capture_output=True, check=False).returncode:
        stand_in(bed.work)


def stand_in(work):
    (work / "ca.crt").write_bytes(BUNDLE.read_bytes())
    recipe = "FROM pyweb-debian12:bare\nCOPY ca.crt /etc/ssl/certs/ca-certificates.crt\n"
    (work / "Dockerfile").write_text(recipe, encoding="utf-8")
    docker("build", "--quiet", f"--tag={IMAGE}", str(work))
    atexit.register(subprocess.run, ["docker", "rmi", "--no-prune", IMAGE], capture_output=True, check=False)


def forward(address):
    """Pass connections to the port on to the engine, until the test ends."""
    server = socket.create_server((address, PORT))

    def accept():
        while True:
            client, _peer = server.accept()
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(ENGINE)
            for ends in ((client, engine), (engine, client)):
                threading.Thread(target=copy, args=ends, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def copy(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
