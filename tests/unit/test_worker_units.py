"""The units of workers and timers: against golden files, verified by systemd, and safe for all names and words."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import sandbox
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.release import units, worker_units

ID = "aaaaaaaaaaaa"
WORKERS = {
    "celery": {"run": "celery -A shop worker -c 4", "stop_timeout": "5m"},
    "tasks": {"manage": "db_worker", "processes": 2, "stop_timeout": "10m", "unit": {"MemoryMax": "1G"}},
    "beat": {"run": "celery -A shop beat", "singleton": True},
    "odd": {"run": ["bin/it's", "50%", "$HOME", 'a "b" \\c', "", ";", "ü x"], "unit": {"Environment": "A=5%"}},
}
TIMERS = {
    "clearsessions": {"manage": "clearsessions", "at": "03:30", "jitter": "10m"},
    "digest": {"manage": "send_digest --all", "at": ["Mon *-*-* 07:00", "hourly"], "timeout": "1h", "hosts": "first"},
}


def site(workers=None, timers=None, roots=None, **keys):
    given = {**goldens.SHOP, "workers": workers or {}, "timers": timers or {}, **keys}
    [found] = complete([given], roots=roots)
    return {**found, "group": found["user"], "sandbox": sandbox.of_site(found, goldens.BUILD)}


def render(workers=None, timers=None, first=True, build=None, **keys):
    return worker_units.render(site(workers, timers, **keys), build or goldens.BUILD, ID, first)


def test_units():
    rendered = render(WORKERS, TIMERS)
    for file, text in rendered.items():
        goldens.check(f"background/{file}", text)
    written = [file.replace(":", ".") for file in rendered]
    assert sorted(os.listdir(goldens.HERE / "background")) == sorted(written)


def test_units_of_code_in_place_with_the_systems_python():
    rendered = render({"tasks": WORKERS["tasks"], "celery": WORKERS["celery"]}, build=goldens.FOUND)
    text = rendered[f"pyweb-worker-shop@{ID}:tasks:1.service"]
    assert "WorkingDirectory=/opt/sites/shop/releases/aaaaaaaaaaaa/src/backend\n" in text
    assert "/overlay" not in text
    assert "DJANGO_SETTINGS_MODULE=mysite.settings " in text
    assert text.count("PATH=") == 1, "only PYTHONPATH must be set"
    assert " /usr/bin/python3 -m django db_worker\n" in text


def test_a_worker_gets_the_paths_that_manage_py_adds():
    """A program such as celery imports the project before its settings, and so before the overlay."""
    rendered = render({"celery": WORKERS["celery"]}, build={**goldens.BUILD, "paths": ["src", "../apps"], "chdir": "a"})
    text = rendered[f"pyweb-worker-shop@{ID}:celery:1.service"]
    base = f"/opt/sites/shop/releases/{ID}"
    assert f"PYTHONPATH={base}/overlay:{base}/src/a:{base}/src/a/src:{base}/src/apps " in text


def test_a_site_without_workers_and_timers_has_no_additional_units():
    assert render() == {}


def test_singletons_are_on_the_first_host_only():
    there, others = render(WORKERS, TIMERS), render(WORKERS, TIMERS, first=False)
    assert set(there) - set(others) == {
        f"pyweb-worker-shop@{ID}:beat:only.service",
        "pyweb-timer-shop@digest.service",
        "pyweb-timer-shop@digest.timer",
    }
    # Without a worker no unit starts them at boot.
    assert render({"beat": WORKERS["beat"]}, first=False) == {}


def test_a_units_name_contains_its_release_its_worker_and_its_number():
    layout = Layout.under("shop")
    assert layout.worker_of(layout.worker_unit(ID, "celery", "2")) == (ID, "celery", "2")
    assert layout.timer_of(layout.timer_unit("digest")) == layout.timer_of(layout.task_unit("digest")) == "digest"
    for other in (
        layout.unit(ID),
        layout.worker_boot_unit,
        layout.timer_unit("a"),
        "pyweb-worker-shop-2@a:b:1.service",
    ):
        assert layout.worker_of(other) == ("", "", "")
    assert layout.timer_of("pyweb-timer-shop-2@digest.timer") == layout.timer_of(layout.worker_boot_unit) == ""


def test_no_unit_of_a_site_is_taken_for_one_of_another_site(tmp_path):
    """The name of a site may look like that of another site's worker."""
    names = ["shop", "shop-celery", "worker-shop", "timer", "shop-only", "celery"]
    written = {}
    for name in names:
        found = site(WORKERS, TIMERS, name=name)
        written[name] = {*worker_units.render(found, goldens.BUILD, ID), *units.render(found)}
        for file in written[name]:
            (tmp_path / file).touch()
    for name in names:
        layout = Layout.under(name)
        found = {*layout.background_present(str(tmp_path)), *layout.units_present(str(tmp_path))}
        assert found == written[name]
        for other in names:
            if other != name:
                assert not written[name] & written[other]
                assert not [unit for unit in written[other] if layout.worker_of(unit)[0] or layout.timer_of(unit)]


def test_programs_and_times_are_read_back():
    rendered = render(WORKERS, TIMERS)
    programs = worker_units.programs(rendered)
    assert programs[f"pyweb-worker-shop@{ID}:celery:1.service"] == "celery"
    assert programs[f"pyweb-worker-shop@{ID}:odd:1.service"] == "bin/it's"
    assert programs["pyweb-timer-shop@digest.service"] == f"/opt/sites/shop/releases/{ID}/venv/bin/python"
    assert len(programs) == len(rendered) - 3, "all except the boot unit and the timers"
    times = worker_units.times(rendered)
    assert times["pyweb-timer-shop@digest.timer"] == ["Mon *-*-* 07:00", "hourly"]
    assert len(times) == 2


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("celery", "celery"),
        ("--loglevel=INFO", "--loglevel=INFO"),
        ("50%", '"50%%"'),
        ("$HOME", '"$$HOME"'),
        ("${A}", '"$${A}"'),
        ("a b", '"a b"'),
        ('a"b', '"a\\"b"'),
        ("a\\b", '"a\\\\b"'),
        ("it's", '"it\'s"'),
        ("", '""'),
        (";", '";"'),
    ],
)
def test_words_are_written_so_that_systemd_expands_nothing(word, written):
    assert worker_units.words(word) == written
    # Quotes and backslashes follow the rules of a shell: systemd.syntax(7); specifiers and variables are expanded too.
    [read] = shlex.split(written)
    assert read.replace("%%", "%").replace("$$", "$") == word


def test_the_environment_of_the_inventory_does_not_replace_variables_of_the_release():
    text = render({"a": {"run": "x", "unit": {"Environment": ["A=1", "B=2"], "Restart": "on-failure"}}})[
        f"pyweb-worker-shop@{ID}:a:1.service"
    ]
    lines = [line for line in text.splitlines() if line.startswith("Environment=")]
    assert lines[2:] == ["Environment=A=1", "Environment=B=2"]
    assert lines[0] == "Environment=HOME=/var/lib/sites/shop"
    assert "Restart=always" not in text
    assert "Restart=on-failure" in text
    # EnvironmentFile= overrides Environment=, and may name settings for development.
    assert re.search(r"(?m)^ExecStart=/usr/bin/env .*DJANGO_SETTINGS_MODULE=pyweb_settings ", text)


def test_no_secret_is_in_a_unit():
    keys = {"env": {"TOKEN": "correct-horse"}, "database": "postgres://shop:correct-horse@db/shop"}
    assert "correct-horse" not in str(render(WORKERS, TIMERS, **keys))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd is installed")
def test_systemd_finds_no_fault(tmp_path):
    """`systemd-analyze verify` warns about every directive, value and command that systemd would not accept."""
    found = site(WORKERS, TIMERS, roots={"sites": str(tmp_path / "o")})
    folder = tmp_path / "units"
    folder.mkdir()
    release = tmp_path / "o/shop/releases" / ID
    (release / "venv/bin").mkdir(parents=True)
    (release / "src").mkdir()
    (release / "venv/bin/python").symlink_to(sys.executable)
    for file, text in worker_units.render(found, goldens.BUILD, ID).items():
        # Without a template, verify refuses names with an @, which systemd accepts: systemd.unit(5).
        (folder / re.sub("[@:]", "-", file)).write_text(text)
    argv = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(folder.iterdir()))]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert [line for line in done.stderr.splitlines() if "pyweb-" in line] == []
    assert done.returncode == 0, done.stderr
