"""Which Python a site gets for its Django, and which packages its build needs."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.model.pythons import (
    build_packages,
    choose_pythons,
    django_minors,
)
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from models import EXAMPLE, completed, fault

PYTHONS = (
    {"version": "3.9", "path": "/usr/bin/python3.9", "packages": [], "headers": ["python3-devel"]},
    {"version": "3.12", "path": "/usr/bin/python3.12", "packages": ["python3.12"], "headers": ["python3.12-devel"]},
)


def chosen(platform=PYTHONS, found=None, offered=None, **keys):
    [site] = choose_pythons([completed(**keys)], platform, found or {}, offered)
    return site["interpreter"]


@pytest.mark.parametrize(
    ("packages", "version"),
    [
        ([], "3.12"),
        (["Django>=5.2,<5.3"], "3.12"),
        (["django ~= 4.2"], "3.12"),
        (["Django==4.0.*"], "3.9"),
        (["Django<4"], "3.9"),
        (["DJANGO[argon2]>=5; python_version > '3'"], "3.12"),
        (["django-debug-toolbar<3"], "3.12"),
        (["Django>=7"], "3.12"),
    ],
)
def test_the_newest_python_that_the_django_supports(packages, version):
    assert chosen(packages=packages)["version"] == version


def test_other_pythons_of_the_host_are_used_and_the_platforms_own_is_preferred():
    found = {"3.13": "/usr/local/bin/python3.13", "3.12": "/usr/local/bin/python3.12"}
    assert chosen(found=found) == {
        "version": "3.13",
        "path": "/usr/local/bin/python3.13",
        "packages": [],
        "headers": [],
    }
    assert chosen(found=found, python="3.12") == PYTHONS[1]


def test_a_python_that_no_repository_offers_is_not_chosen():
    django = {"packages": ["Django<4"]}
    assert chosen(offered=[], **django)["version"] == "3.9"
    assert chosen(offered=["python3.12"])["version"] == "3.12"
    # An installed one from another source is as good.
    assert chosen(offered=[], found={"3.12": "/usr/bin/python3.12"})["path"] == "/usr/bin/python3.12"
    with pytest.raises(InventoryError) as caught:
        chosen(offered=[], packages=["Django>=5.2,<5.3"])
    assert caught.value.faults == [
        "site 'shop': python is 'auto'; Django 5.2 needs Python 3.10 to 3.14; this host has or offers 3.9; "
        "install python3.12 from a repository that has it, or "
        "change python or the Django in packages or requirements, "
        "or set python: {managed: fallback} to let uv install one"
    ]


def test_versions_are_compared_as_numbers():
    assert chosen(platform=[], found={"3.9": "/a", "3.10": "/b"})["version"] == "3.10"


def test_the_path_of_an_interpreter_is_used_unchanged():
    assert chosen(python="/opt/python")["path"] == "/opt/python"


def test_requirements_in_the_source_also_choose_the_python(tmp_path):
    (tmp_path / "other.txt").write_text("six\n")
    (tmp_path / "requirements.txt").write_text("# Django<4\n-r other.txt\nDjango<4.1 # comment\n")
    assert chosen(example=tmp_path)["version"] == "3.9"
    (tmp_path / "requirements.txt").write_text("Django>=5\n")
    assert chosen(example=tmp_path)["version"] == "3.12"


def test_an_error_names_the_pythons_that_django_needs_and_those_of_the_host():
    with pytest.raises(InventoryError) as caught:
        chosen(platform=PYTHONS[:1], packages=["Django>=5.2,<5.3"])
    assert caught.value.faults == [
        "site 'shop': python is 'auto'; Django 5.2 needs Python 3.10 to 3.14; this host has or offers 3.9; "
        "change python or the Django in packages or requirements, "
        "or set python: {managed: fallback} to let uv install one"
    ]


def test_a_python_that_the_django_does_not_support_is_refused():
    with pytest.raises(
        InventoryError, match=r"python is '3\.9'; Django 5\.2 needs Python 3\.10 to 3\.14; this host has"
    ):
        chosen(packages=["Django==5.2"], python="3.9")
    with pytest.raises(InventoryError, match=r"this host has or offers none"):
        chosen(platform=[])


def uvs(version):
    return {"version": version, "path": "", "packages": [], "headers": [], "managed": True}


@pytest.mark.parametrize(
    ("packages", "python", "wanted"),
    [
        (["Django==6.0"], {"managed": "fallback"}, PYTHONS[1]),
        (["Django==6.0"], {"managed": "always"}, uvs("3.14")),
        (["Django==5.1"], {"managed": "always"}, uvs("3.13")),
        (["Django==5.1"], {"managed": "always", "version": "3.12"}, uvs("3.12")),
        (["Django==5.1"], {"managed": "always", "version": "3.12.4"}, uvs("3.12.4")),
        (["Django==5.1"], {"managed": "fallback", "version": "3.13"}, uvs("3.13")),
        (["Django==4.0"], {"managed": "fallback"}, PYTHONS[0]),
        ([], {"managed": "fallback"}, PYTHONS[1]),
    ],
)
def test_a_python_installed_by_uv(packages, python, wanted):
    assert chosen(packages=packages, python=python) == wanted


def test_uv_installs_a_python_that_the_platform_lacks():
    assert chosen(PYTHONS[:1], packages=["Django==6.0"], python={"managed": "fallback"}) == uvs("3.14")
    assert build_packages([{**completed(), "interpreter": uvs("3.14")}], PLATFORM) == ["base"]


def test_no_python_of_uv_fits_the_django():
    with pytest.raises(
        InventoryError, match=r"python is '3\.14'; Django 5\.1 needs Python 3\.10 to 3\.13; .* requirements$"
    ):
        chosen(packages=["Django==5.1"], python={"managed": "always", "version": "3.14"})


def test_the_python_that_the_project_requires(tmp_path):
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\nname = "x"\nrequires-python = "<3.12"\n')
    assert chosen(example=tmp_path, packages=["Django<5"])["version"] == "3.9"
    project.write_text('[project]\nname = "x"\nrequires-python = ">=3.14"\n')
    assert chosen(example=tmp_path, python={"managed": "fallback"}) == uvs("3.14")
    with pytest.raises(InventoryError) as caught:
        chosen(example=tmp_path)
    assert caught.value.faults == [
        "site 'shop': the project requires Python >=3.14 (requires-python); this host has or offers 3.12, 3.9; "
        "set python: {managed: fallback} to let uv install one"
    ]
    with pytest.raises(InventoryError, match=r"3\.12, 3\.9; change python or the project's requires-python$"):
        chosen(example=tmp_path, python={"managed": "always", "version": "3.13"})


def test_faults_of_all_sites_about_python_are_reported_together():
    sites = complete([{"name": name, "domains": [name], "python": "3.8"} for name in ("a", "b")], example=str(EXAMPLE))
    with pytest.raises(InventoryError) as caught:
        choose_pythons(sites, PYTHONS, {})
    assert len(caught.value.faults) == 2


def test_an_unknown_django_is_refused():
    assert "require Django <3,>4; no known Django fits" in fault(packages=["Django<3,>4"])


def test_an_absent_site_needs_no_python():
    sites = complete([{"name": "shop", "state": "absent"}])
    assert choose_pythons(sites, [], {})[0]["interpreter"] == {"version": "", "path": "", "packages": [], "headers": []}


PLATFORM = {
    "installer": {"uv": ["base"], "pip": ["pips"]},
    "git": ["git"],
    "compiler": ["gcc"],
    "programs": {"npm": ["nodejs", "npm"], "compilemessages": ["gettext"]},
}


@pytest.mark.parametrize(
    ("keys", "packages"),
    [
        ({}, ["base", "python3.12"]),
        ({"source": {"git": "x"}}, ["base", "python3.12", "git"]),
        ({"uwsgi": {"install": "uwsgi"}}, ["base", "python3.12", "gcc", "python3.12-devel"]),
        ({"uwsgi": {"install": "tarball"}}, ["base", "python3.12", "gcc", "python3.12-devel"]),
        ({"system_packages": ["libpq5", "base"]}, ["base", "python3.12", "libpq5"]),
        ({"source": {"path": "/srv"}, "virtualenv": "none"}, ["python3.12"]),
        ({"state": "absent"}, []),
        ({"build": [{"run": "npm ci"}, {"run": ["npm", "run", "x"]}]}, ["base", "python3.12", "nodejs", "npm"]),
        ({"build": [{"manage": "compilemessages"}, {"run": "make"}]}, ["base", "python3.12", "gettext"]),
        ({"release": [{"run": "npm version"}]}, ["base", "python3.12", "nodejs", "npm"]),
        ({"build": [{"run": "env NODE_ENV=production npm ci"}]}, ["base", "python3.12", "nodejs", "npm"]),
        ({"build": [{"run": "env"}, {"run": "echo npm"}]}, ["base", "python3.12"]),
        ({"build": [{"run": "python manage.py compilemessages"}]}, ["base", "python3.12", "gettext"]),
    ],
)
def test_only_the_packages_that_a_build_needs(keys, packages):
    sites = choose_pythons([completed(**keys)], PYTHONS, {})
    assert build_packages(sites, PLATFORM) == packages


def test_packages_depend_on_the_installer():
    sites = choose_pythons([completed()], PYTHONS, {})
    assert build_packages(sites, PLATFORM, "pip") == ["pips", "python3.12"]


@pytest.mark.parametrize(
    ("django", "pythons"),
    [
        ("3.2", "3.6 to 3.10"),
        ("4.0", "3.8 to 3.10"),
        ("4.1", "3.8 to 3.11"),
        ("4.2", "3.8 to 3.12"),
        ("5.0", "3.10 to 3.12"),
        ("5.1", "3.10 to 3.13"),
        ("5.2", "3.10 to 3.14"),
        ("6.0", "3.12 to 3.14"),
        ("6.1", "3.12 to 3.15"),
    ],
)
def test_supported_pythons_of_every_django(django, pythons):
    """According to docs.djangoproject.com, "What Python version can I use with Django?"."""
    oldest, _to, newest = pythons.split()
    keys = {"packages": [f"Django~={django}.0"], "platform": []}
    with pytest.raises(InventoryError, match=f"Django {django} needs Python {pythons};"):
        chosen(**keys)
    for version in (oldest, newest):
        assert chosen(found={version: "/p"}, **keys)["version"] == version
    major, _dot, minor = oldest.partition(".")
    below, above = f"{major}.{int(minor) - 1}", f"{major}.{int(newest.partition('.')[2]) + 1}"
    for version in (below, above):
        with pytest.raises(InventoryError, match=f"this host has or offers {version};"):
            chosen(found={version: "/p"}, **keys)


@pytest.mark.parametrize(
    ("specifier", "minors"),
    [
        (">=5.1,<6", [(5, 1), (5, 2)]),
        ("==4.2.30", [(4, 2)]),
        ("==4.2", [(4, 2)]),
        ("<3.2", []),
        ("==6.2", [(6, 1)]),
        ("==7.0", [(6, 1)]),
        (">=19.2,<20", [(6, 1)]),
        (">=6.1", [(6, 1)]),
        ("==5.3", []),
    ],
)
def test_minor_versions_of_a_specifier(specifier, minors):
    assert django_minors(specifier) == minors


def test_without_a_specifier_every_django_is_possible():
    assert len(django_minors("")) == 9


def test_all_possible_djangos_are_named():
    with pytest.raises(InventoryError, match=r"Django 5\.2 needs Python 3\.10 to 3\.14 or Django 6\.0 needs Python"):
        chosen(platform=[], packages=["Django>=5.2,<6.1"])


def test_only_packages_with_a_fitting_python_are_suggested():
    platform = [*PYTHONS, {"version": "3.11", "path": "/p", "packages": ["python3.11", "more"], "headers": []}]
    keys = {"platform": platform, "offered": ["more"], "packages": ["Django==5.2"]}
    with pytest.raises(InventoryError, match=r"; install python3\.12 or python3\.11 or more from a repository"):
        chosen(**keys)
    with pytest.raises(InventoryError, match=r"; install python3\.11 or more from a repository"):
        chosen(python="3.11", **keys)
    with pytest.raises(InventoryError, match=r"; install python3\.12 from a repository"):
        chosen(platform=platform, offered=[], packages=["Django==6.0.*"])
    with pytest.raises(InventoryError, match=r"this host has or offers 3\.9; change python"):
        chosen(python="3.8", **keys)


def test_requirement_files_that_are_set_in_the_inventory(tmp_path):
    (tmp_path / "old.txt").write_text("Django<4.1\n")
    (tmp_path / "requirements.txt").write_text("Django>=5\n")
    assert completed(example=tmp_path)["django"] == ">=5"
    assert completed(example=tmp_path, requirements=["old.txt"])["django"] == "<4.1"
    assert completed(example=tmp_path, requirements=[])["django"] == ""
    with pytest.raises(InventoryError, match=r"source\.directory: missing\.txt: the source has no such file"):
        completed(example=tmp_path, requirements=["old.txt", "missing.txt"])
    assert completed(example=tmp_path, requirements=["old.txt"], packages=["Django>4"])["django"] == ">4,<4.1"


def test_a_requirement_for_another_platform_is_ignored():
    keys = ["Django<4; python_version < '3'", "Django>=5.2; python_version > '3'", "psycopg<3"]
    assert completed(packages=keys)["django"] == ">=5.2"


def test_a_missing_python_is_the_fault_if_another_would_fit():
    """If none would fit, the Django is named as well."""
    platform = [{"version": "3.11", "path": "/usr/bin/python3.11", "packages": [], "headers": []}]
    for packages, told in (
        (["Django>=5.2,<5.3"], "python is '3.8'; this host has or offers 3.11; change python to one of these"),
        (["Django<4"], "python is '3.8'; Django 3.2 needs Python 3.6 to 3.10; this host has or offers 3.11; "),
    ):
        with pytest.raises(InventoryError) as error:
            choose_pythons([completed(python="3.8", packages=packages)], platform, {"3.11": "/usr/bin/python3.11"})
        assert told in str(error.value)
