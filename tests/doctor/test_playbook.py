"""pyweb.stack.doctor as a whole: the lines, the data, and the page as a real browser shows it."""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import struct
import subprocess

import picture
import pytest
from ansible_collections.pyweb.stack.plugins.plugin_utils import doctor_report
from conftest import MYSITE, PORTY, PREFIX, ROOT, SECRET, run_ansible

HOPS = ["client", "name", "firewalld", "host", "nginx", "location", "socket", "uwsgi", "app", "django", "database"]
HOPS += ["static", "media", "background"]
WHEN = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
SHOTS = ROOT / ".test-logs/doctor"


@pytest.fixture(scope="module")
def chromium():
    """Debian's, brought where it is missing and may be."""
    if not shutil.which("chromium") and os.getuid() == 0 and shutil.which("apt-get"):
        words = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True, check=False)
        subprocess.run(words, env=environment, capture_output=True, check=True)

    def run(page, *words, size="1280,1600"):
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += ["--disable-dev-shm-usage", "--virtual-time-budget=2000", f"--window-size={size}", *words]
        return subprocess.run(
            [*command, f"file://{page}"], capture_output=True, text=True, timeout=180, check=True
        ).stdout

    return run


@pytest.fixture(scope="module")
def report(lines, tmp_path_factory):
    """Two sites of which one has its uWSGI stopped, on a host that answers and beside one that does not."""
    with lines["managed"].alone() as managed:
        return _reported(managed, tmp_path_factory.mktemp("report"))


def _reported(managed, folder):
    managed.sh("systemctl stop 'uwsgi-mysite@*'")
    try:
        inventory = folder / "hosts.json"
        away = {"ansible_connection": "ssh", "ansible_host": "192.0.2.1", "ansible_ssh_timeout": 1}
        hosts = {managed.name: {"ansible_connection": "community.docker.docker"}, "away": away}
        inventory.write_text(
            json.dumps({"web": {"hosts": hosts, "vars": {"web_sites": [MYSITE, PORTY]}}}), encoding="utf-8"
        )
        words = ["ansible-playbook", "-i", str(inventory), "pyweb.stack.doctor", "-e", f"doctor_report={folder}"]
        played = run_ansible(words)
    finally:
        managed.sh("systemctl start uwsgi-mysite@$(basename $(readlink /opt/sites/mysite/current))")
    assert played.returncode == 0, played.stdout + played.stderr
    return folder, played.stdout


def test_terminal_shows_one_aligned_line_a_hop(report, managed):
    _folder, said = report
    assert f"{managed.name}  porty (porty.example): all ok" in said
    assert f"{managed.name}  mysite (mysite.example): broken" in said
    lines = re.findall(r"(?m)^  [✓✕!?] (\w+) +(\w+) +\S", said)
    assert [hop for hop, _status in lines] == HOPS * 2
    assert {status for _hop, status in lines[len(HOPS) :]} == {"ok"}
    assert re.search(r"(?m)^  ✕ client      broken    a client gets 502.*\[follows from uwsgi\]$", said)
    assert "  first   uwsgi: uWSGI is stopped" in said
    assert re.search(r"(?m)^  fix     systemctl start uwsgi-mysite@[0-9a-f]{12}\.service$", said)
    assert "away: unreachable" in said
    assert SECRET not in said


def test_data_are_one_json_file_for_all_hosts(report, managed):
    folder, _said = report
    data = json.loads((folder / "doctor.json").read_text(encoding="utf-8"))
    assert [host["host"] for host in data["hosts"]] == [managed.name, "away"]
    assert [(site["name"], site["status"]) for site in data["hosts"][0]["sites"]] == [
        ("mysite", "broken"),
        ("porty", "ok"),
    ]
    assert data["hosts"][0]["sites"][0]["first"]["fault"] == "uwsgi.stopped"
    assert data["hosts"][1]["error"].startswith("unreachable")
    assert SECRET not in json.dumps(data)


def test_page_says_it_in_a_real_browser(report, chromium):
    folder, _said = report
    shown = chromium(folder / "doctor.html", "--dump-dom")
    text = re.sub(r"<style.*?</style>|<[^>]+>", " ", shown, flags=re.DOTALL)
    for word in (
        "mysite.example",
        "porty.example",
        "uWSGI is stopped",
        "systemctl start uwsgi-mysite@",
        "away",
        "unreachable",
    ):
        assert word in text
    for hop in HOPS:
        assert hop in text
    assert SECRET not in shown


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("device", "size"), [("phone", "500,2400"), ("desktop", "1280,1600")])
def test_page_can_be_looked_at(report, chromium, device, size, scheme):
    """The screenshots stay in .test-logs/doctor for people to look at; here they have to be pictures of that size, and
    dark in the dark."""
    folder, _said = report
    SHOTS.mkdir(parents=True, exist_ok=True)
    shot = SHOTS / f"{PREFIX}-{device}-{scheme}.png"
    dark = (
        ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else ["--blink-settings=preferredColorScheme=1"]
    )
    chromium(folder / "doctor.html", f"--screenshot={shot}", *dark, size=size)
    picture = shot.read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", picture[16:24]) == tuple(map(int, size.split(",")))
    page = (folder / "doctor.html").read_text(encoding="utf-8")
    probe = folder / "probe.html"
    script = (
        "<script>addEventListener('load', () => { document.title = getComputedStyle(document.body).backgroundColor"
        " + ' ' + (document.documentElement.scrollWidth <= innerWidth) })</script>"
    )
    probe.write_text(page.replace("</body>", script + "</body>"), encoding="utf-8")
    colour, fits = re.search(
        r"<title>rgb\((\d+), \d+, \d+\) (\w+)</title>", chromium(probe, "--dump-dom", *dark, size=size)
    ).groups()
    assert (int(colour) < 128) is (scheme == "dark")
    assert fits == "true", "the page is wider than the window"


def test_pictures_of_the_docs_show_this_report(report, managed, chromium, tmp_path):
    """docs/pictures are of the site that is broken; they are written where the words have changed."""
    folder, _said = report
    data = json.loads((folder / "doctor.json").read_text(encoding="utf-8"))
    [host] = picture.steady(data["hosts"][:1], {managed.name: "web1"})
    hosts = [{**host, "sites": [site for site in host["sites"] if site["name"] == "mysite"]}]
    page = tmp_path / "doctor.html"
    page.write_text(doctor_report.page(hosts, WHEN), encoding="utf-8")

    def shoot(path):
        light = "--blink-settings=preferredColorScheme=1"
        chromium(page, f"--screenshot={path}", light, size=picture.PAGE_SIZE)

    picture.draw(doctor_report.lines(hosts), shoot)
    assert picture.PAGE.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    terminal = picture.TERMINAL.read_text(encoding="utf-8")
    assert "uWSGI is stopped" in terminal
    assert "[uwsgi.stopped]" in terminal
    assert SECRET not in terminal


def test_check_mode_says_the_same_and_writes_nothing(managed, tmp_path):
    played = managed.shown([MYSITE], "--check", doctor_report=str(tmp_path))
    assert played.returncode == 0, played.stdout + played.stderr
    assert f"{managed.name}  mysite (mysite.example): all ok" in played.stdout
    assert "changed=0" in played.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_site_name_lists_the_known_ones(managed):
    played = managed.shown([MYSITE, PORTY], doctor_site="mysit", doctor_report="")
    assert played.returncode != 0
    assert (
        "there is no site 'mysit'; known sites are mysite, porty; did you mean 'mysite'?"
        in played.stdout + played.stderr
    )


def test_one_site_can_be_chosen(managed):
    played = managed.shown([MYSITE, PORTY], doctor_site="porty", doctor_report="")
    assert "porty (porty.example)" in played.stdout
    assert "mysite (mysite.example)" not in played.stdout
