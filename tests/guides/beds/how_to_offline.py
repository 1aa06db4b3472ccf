"""Behind a proxy: the host reaches nothing but its own network, on which are a proxy and a mirror with its own CA."""

import runpy
import subprocess

from host import ROOT, docker

PASSWORDLESS = True
NAMES = {"proxy.example.com": "mirror", "mirror.example.com": "mirror"}
SERVICES = ROOT / "tests/guides/proxy_and_mirror.py"


def prepare(bed):
    bed.controller.run("rm -f /home/me/.ansible/plugins/vars/trusting.py")  # here the inventory says it
    mirror = bed.host("mirror")
    download(bed)
    certificates(bed.work)
    bed.controller.told("cd /srv && mkdir mirror && mv index mirror/files")
    docker("cp", f"{bed.controller.name}:/srv/mirror", str(bed.work))
    for name in ("mirror", "server.pem"):
        docker("cp", str(bed.work / name), f"{mirror.name}:/srv/{name}")
    docker("cp", str(SERVICES), f"{mirror.name}:/srv/services.py")
    mirror.told("systemd-run --quiet --unit=services python3 /srv/services.py /srv/mirror/files /srv/server.pem")
    docker("cp", str(bed.work / "ca.crt"), f"{bed.host().name}:/home/admin/ca.crt")
    bed.host().told("chown admin /home/admin/ca.crt; ip route del default; ! ip route get 192.0.2.1 2>/dev/null")


def download(bed):
    """What the example project and the collection itself need, as a mirror has it."""
    pinned = runpy.run_path(str(ROOT / "plugins/module_utils/build/pinned.py"))["PINNED"]
    own = [f"{name}=={pinned[name][0]}" for name in ("uv", "pyuwsgi")]
    project = (ROOT / "examples/mysite/requirements.txt").read_text(encoding="utf-8").split()
    words = " ".join(f"'{word}'" for word in [*own, *project])
    bed.controller.told("python3 -m venv /srv/venv")
    bed.controller.told(f"/srv/venv/bin/pip download --quiet --only-binary :all: --dest /srv/index {words}")


def certificates(folder):
    """A CA, and a pair of it for the mirror."""
    script = """
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=Company CA' -keyout ca.key -out ca.crt \
        -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign
    openssl req -new -newkey rsa:2048 -nodes -subj /CN=mirror.example.com -keyout server.key -out server.csr
    printf 'subjectAltName=DNS:mirror.example.com\\nextendedKeyUsage=serverAuth\\n' >server.ext
    openssl x509 -req -days 30 -in server.csr -extfile server.ext -CA ca.crt -CAkey ca.key -CAcreateserial >server.crt
    cat server.key server.crt >server.pem
    """
    subprocess.run(["sh", "-e", "-c", script], cwd=folder, capture_output=True, check=True)
