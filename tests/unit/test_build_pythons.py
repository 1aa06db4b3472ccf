"""Which Python a build uses: one that fits the source, one installed by uv, or an error that says why none fits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import pythons
from ansible_collections.pyweb.stack.plugins.module_utils.build.build import Build
from ansible_collections.pyweb.stack.plugins.module_utils.host import managed_pythons
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from builds import PYTHON, FakeShell, failed, make_context, with_uv

UV = """No solution found when resolving dependencies
  cause: Because the current Python version (3.11.2) does not satisfy Python>=3.12 and django>=6.0 depends on \
Python>=3.12, we can conclude that django>=6.0 cannot be used.
         And because you require django>=6.0, we can conclude that your requirements are unsatisfiable."""
UV_PIN = "and django==6.0.1 depends on Python>=3.12, we can conclude that django==6.0.1 cannot be used."
PIP = """ERROR: Ignored the following versions that require a different python version: 6.0 Requires-Python >=3.12; \
6.1.3 Requires-Python >=3.12
ERROR: Could not find a version that satisfies the requirement Django>=6 (from versions: 1.1.3, 5.2.19)
ERROR: No matching distribution found for Django>=6"""
PIP_SDIST = "ERROR: Package 'shop-1.0' requires a different Python: 3.11.2 not in '>=3.12,<4'"


@pytest.mark.parametrize(
    ("output", "what", "specifier"),
    [
        (UV, "django>=6.0", ">=3.12"),
        (UV_PIN, "django 6.0.1", ">=3.12"),
        (PIP, "Django>=6 6.1.3", ">=3.12"),
        (PIP_SDIST, "shop 1.0", ">=3.12,<4"),
    ],
)
def test_pythons_that_an_installer_refused(output, what, specifier):
    assert pythons.refused(output) == (what, specifier)


def test_other_installer_failures_are_not_about_python():
    assert pythons.refused("error: No solution found: there is no version of shop==9\n  Python 3.11 is used") is None


class Host(FakeShell):
    """Fake interpreters whose version is that in their name."""

    def run(self, step, argv, *rest, **named):
        if step == "python" and "-c" in argv:
            self.python = argv[0].rpartition("python")[2]
            return super().run(step, argv, *rest, **named)
        return super().run("uv" if step == "python" else step, argv, *rest, **named)


class Uv(Host):
    """A host on which uv can install one Python."""

    def __init__(self, folder, version, patch=2):
        answers, self.home = uv(folder, version, patch)
        super().__init__("shop", answers)


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Create a build's directory with files; `provide` then uses a fake virtualenv and these Pythons of the host."""
    monkeypatch.setattr(pythons, "_on_this_host", lambda: {"3.11": "/usr/bin/python3.11", "3.9": "/usr/bin/python3.9"})

    def make(text="", django="5.2.1", shell=None, **keys):
        context = make_context(tmp_path, shell=shell or Host("shop"), **keys)
        context.site["interpreter"] = {**PYTHON, "version": "3.11", "path": "/usr/bin/python3.11"}
        root = Path(context.layout.builds) / "0123456789ab"
        (root / "src").mkdir(parents=True)
        (root / "src/pyproject.toml").write_text(text)
        with_uv(context)
        used = []

        def provide(inner, where):
            python = inner.site["interpreter"]
            used.append(python["version"])
            home = f"{where}/venv"
            os.makedirs(f"{home}/bin")
            os.symlink(python["path"], f"{home}/bin/python")
            os.makedirs(f"{home}/lib/python3/site-packages/django-{django}.dist-info")
            return home

        monkeypatch.setattr(pythons.virtualenv, "provide", provide)
        return context, str(root), used

    return make


def uv(context_layout_pythons, version, patch):
    """Return answers of a uv that installs one Python."""
    home = Path(context_layout_pythons) / f"cpython-{version}.{patch}-linux-x86_64-gnu"

    def install(_argv):
        home.parent.mkdir(exist_ok=True)
        (home.parent / ".lock").write_text("")
        (home.parent / ".lock").chmod(0o666)
        return ""

    def find(_argv):
        (home / "bin").mkdir(parents=True, exist_ok=True)
        (home / f"bin/python{version}").write_text("")
        (home.parent / f"cpython-{version}-linux-x86_64-gnu").unlink(missing_ok=True)
        (home.parent / f"cpython-{version}-linux-x86_64-gnu").symlink_to(home)
        return f"{home.parent}/cpython-{version}-linux-x86_64-gnu/bin/python{version}\n"

    return {"python install": install, "python find": find}, home


def test_a_fitting_python_is_kept(build):
    context, root, used = build('[project]\nname = "x"\nrequires-python = ">=3.10"\n')
    found, home = pythons.provide(context, root)
    assert (found.site["interpreter"]["version"], home, used) == ("3.11", f"{root}/venv", ["3.11"])
    assert not os.path.lexists(f"{root}/python")


def test_the_project_is_refused_if_the_host_has_no_fitting_python(build):
    context, root, used = build('[project]\nname = "x"\nrequires-python = ">=3.14"\n')
    with pytest.raises(StepError) as caught:
        pythons.provide(context, root)
    assert str(caught.value) == (
        "site 'shop': python failed: the project (requires-python) needs Python >=3.14; the site's is 3.11, and this "
        "host has 3.11, 3.9; set python: {managed: fallback}, and uv installs one that fits"
    )
    assert used == []


def test_another_fitting_python_of_the_host_is_used(build):
    context, root, used = build('[project]\nname = "x"\nrequires-python = "<3.10"\n', django="4.2")
    found, _home = pythons.provide(context, root)
    assert found.site["interpreter"]["path"] == "/usr/bin/python3.9"
    assert used == ["3.9"]


def test_a_python_set_in_the_inventory_is_not_changed(build):
    context, root, _used = build('[project]\nname = "x"\nrequires-python = "<3.10"\n', python="3.11")
    with pytest.raises(StepError, match=r"; change python \('3\.11' in the inventory\) or what the project requires"):
        pythons.provide(context, root)


def test_uv_installs_the_python_that_the_project_requires(build, tmp_path):
    shell = Uv(tmp_path / "sites/.pythons", "3.14")
    text = '[project]\nname = "x"\nrequires-python = ">=3.14"\n'
    context, root, used = build(text, shell=shell, python={"managed": "fallback"})
    context = type(context)(**{**vars(context), "environment": {"UV_PYTHON_INSTALL_MIRROR": "file:///srv/pythons"}})
    found, home = pythons.provide(context, root)
    python = found.site["interpreter"]
    assert python["path"] == f"{shell.home}/bin/python3.14"  # Of this patch release, not of later ones.
    assert (python["managed"], used) == (True, ["3.14"])
    install = shell.calls[0]
    assert " ".join(install.argv).endswith("/.tools/bin/uv python install 3.14")
    assert install.user == "root"
    assert install.environment["UV_PYTHON_INSTALL_DIR"] == context.layout.pythons
    assert install.environment["UV_PYTHON_DOWNLOADS"] == "manual"
    assert (tmp_path / "sites/.pythons/.lock").stat().st_mode & 0o777 == 0o644
    assert os.path.realpath(f"{root}/python") == str(shell.home)
    assert os.path.realpath(f"{home}/bin/python") == python["path"]


def test_uv_installs_the_python_that_the_requirements_need(build, tmp_path, monkeypatch):
    """The source came from git, so its requirement of Django 6 was not known before."""
    shell = Uv(tmp_path / "sites/.pythons", "3.14")
    context, root, used = build(shell=shell, django="6.0", python={"managed": "fallback"})
    work = pythons.virtualenv.provide

    def provide(inner, where):
        if inner.site["interpreter"]["version"] == "3.11":
            raise StepError("shop", "requirements", "No solution found", UV)
        return work(inner, where)

    monkeypatch.setattr(pythons.virtualenv, "provide", provide)
    found, _home = pythons.provide(context, root)
    assert found.site["interpreter"]["version"] == "3.14"
    assert used == ["3.14"]


def test_an_old_django_on_an_unsupported_python_is_reported(build, tmp_path):
    """It can be installed, because Django declares no newest Python."""
    context, root, _used = build(django="3.2.5", python={"managed": "never", "version": "3.11"})
    with pytest.raises(StepError) as caught:
        pythons.provide(context, root)
    assert "Django 3.2.5 needs Python >=3.6,<3.11; the site's is 3.11" in str(caught.value)
    context.site["python"] = "/usr/bin/python3.11"  # Version and packages are set, so the user decides.
    pythons.files.remove(f"{root}/venv")
    assert pythons.provide(context, root)[1] == f"{root}/venv"


def test_requirements_for_another_python_are_reported_in_the_first_line(build, monkeypatch):
    context, root, _used = build()

    def provide(_inner, _where):
        raise StepError("shop", "requirements", "No solution found when resolving dependencies", UV)

    monkeypatch.setattr(pythons.virtualenv, "provide", provide)
    with pytest.raises(StepError) as caught:
        pythons.provide(context, root)
    first, *rest = str(caught.value).splitlines()
    assert first == (
        "site 'shop': python failed: django>=6.0 needs Python >=3.12; the site's is 3.11, and this host has 3.11, "
        "3.9; set python: {managed: fallback}, and uv installs one that fits"
    )
    assert any("we can conclude" in line for line in rest)


def test_other_failures_are_passed_on(build, monkeypatch):
    context, root, _used = build()
    error = failed("requirements", "no network")

    def provide(_inner, _where):
        raise error

    monkeypatch.setattr(pythons.virtualenv, "provide", provide)
    with pytest.raises(StepError) as caught:
        pythons.provide(context, root)
    assert caught.value is error


NO_WHEEL = "pillow==9.0 has no wheel for Python 3.11, and cannot be compiled: gcc is missing; or use pillow==12"


@pytest.mark.parametrize("managed", ["never", "fallback"])
def test_an_old_pin_without_a_wheel_gets_an_older_python(build, tmp_path, monkeypatch, managed):
    monkeypatch.setattr(pythons, "_on_this_host", lambda: {"3.11": "/usr/bin/python3.11"})
    shell = Uv(tmp_path / "sites/.pythons", "3.10")
    context, root, used = build(shell=shell, python={"managed": managed})
    work = pythons.virtualenv.provide

    def provide(inner, where):
        if inner.site["interpreter"]["version"] == "3.11":
            raise StepError("shop", "requirements", f"{NO_WHEEL}, which has a wheel")
        return work(inner, where)

    monkeypatch.setattr(pythons.virtualenv, "provide", provide)
    if managed == "never":
        with pytest.raises(StepError, match=r"has a wheel; or set python: \{managed: fallback\}, for an older Python"):
            pythons.provide(context, root)
    else:
        assert pythons.provide(context, root)[0].site["interpreter"]["version"] == "3.10"
        assert used == ["3.10"]


def test_older_pythons_are_tried_only_once(build, tmp_path, monkeypatch):
    shell = Uv(tmp_path / "sites/.pythons", "3.10")
    context, root, _used = build(shell=shell, python={"managed": "always"})
    versions = []

    def provide(inner, _where):
        versions.append(inner.site["interpreter"]["version"])
        raise StepError("shop", "requirements", f"{NO_WHEEL.replace('3.11', versions[-1])}, which has a wheel")

    monkeypatch.setattr(pythons.virtualenv, "provide", provide)
    with pytest.raises(StepError, match=r"pillow==9\.0 has no wheel for Python 3\.10"):
        pythons.provide(context, root)
    assert versions == ["3.11", "3.10"]


def test_a_failed_download_names_the_mirror(build, tmp_path):
    shell = Uv(tmp_path / "sites/.pythons", "3.14")
    shell.answers = {"python install": failed("python", "error: Failed to download x")}
    text = '[project]\nname = "x"\nrequires-python = ">=3.14"\n'
    context, root, _used = build(text, shell=shell, python={"managed": "fallback"})
    with pytest.raises(StepError, match=r"uv could not install Python 3\.14: .*UV_PYTHON_INSTALL_MIRROR"):
        pythons.provide(context, root)


def test_pip_installs_no_python(build):
    context, root, _used = build(installer="pip", python={"managed": "always"})
    context.site["interpreter"] = {**PYTHON, "version": "3.14", "path": "", "managed": True}
    with pytest.raises(StepError, match=r"python\.managed needs uv; set django_installer: uv"):
        pythons.provide(context, root)


def test_id_of_a_build_is_known_before_uv_installs_its_python(tmp_path):
    keys = {"source": {"startproject": "mysite"}}
    plain = make_context(tmp_path, **keys)
    managed = make_context(tmp_path, **keys, python={"managed": "always"})
    managed.site["interpreter"] = {**PYTHON, "version": "3.12", "path": "", "managed": True}
    assert managed.python_version() == "3.12"
    assert Build.identify(managed).id != Build.identify(plain).id


# --- removal ---


def test_unused_pythons_are_removed(tmp_path):
    layout = make_context(tmp_path).layout
    folder = Path(layout.pythons)
    for name in ("cpython-3.13.1", "cpython-3.13.2", "cpython-3.14.0"):
        (folder / name / "bin").mkdir(parents=True)
    (folder / "cpython-3.14").symlink_to(folder / "cpython-3.14.0")
    (folder / "cpython-3.13").symlink_to(folder / "cpython-3.13.2")
    other = tmp_path / "sites/blog/builds/0123456789ab"
    other.mkdir(parents=True)
    (other / "python").symlink_to(folder / "cpython-3.13.1")
    mine = Path(layout.builds) / "0123456789ab"
    mine.mkdir()
    (mine / "python").symlink_to(folder / "cpython-3.13.2")
    assert managed_pythons.prune(layout) == [str(folder / "cpython-3.14.0")]
    assert sorted(path.name for path in folder.iterdir()) == ["cpython-3.13", "cpython-3.13.1", "cpython-3.13.2"]
    for build in (other, mine):
        (build / "python").unlink()
    assert len(managed_pythons.prune(layout)) == 2
    assert not folder.exists()
    assert managed_pythons.prune(layout) == []
