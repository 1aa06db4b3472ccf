"""Every shape of project has the expected result: completely served, or refused with an error that names the cause."""

from __future__ import annotations

import re

import pytest
from conftest import Deployed, Told
from project import Shape
from shapes import REFUSED, REFUSED_AT_ONCE, SERVED
from visitor import Page, Visitor, links

# Seconds that a worker may take for a trivial task.
TASK_SECONDS = 30


def named(shape: Shape) -> str:
    return shape.name


def visitor(deployed: Deployed, shape: Shape) -> Visitor:
    return Visitor(deployed.host.address, shape.domain, shape.language)


def assert_styled(visitor: Visitor, page: Page) -> None:
    """Check that the page has a style sheet, and that everything that it loads is served."""
    loaded = links(page, r"\.(css|js)(\?|$)")
    assert any(".css" in path for path in loaded), page.body
    for path in loaded:
        assert visitor.get(path).status == 200, path


@pytest.mark.parametrize("shape", SERVED, ids=named)
def test_the_run_reports_success_and_its_notes(served: Told, shape: Shape) -> None:
    site = served.sites[shape.name]
    assert (site["status"], site["error"]) == ("ok", ""), site
    missing = [note for note in shape.notes if note not in served.notes(shape.name)]
    assert not missing, served.notes(shape.name)


@pytest.mark.parametrize("shape", SERVED, ids=named)
def test_the_start_page_and_everything_that_it_links_to_are_served(
    deployed: Deployed, served: Told, shape: Shape
) -> None:
    somebody = visitor(deployed, shape)
    page = somebody.get(shape.start)
    assert (page.status, f"Django {shape.django}" in page.body, shape.told in page.body) == (200, True, True), page
    assert "//localhost" not in page.body, page.body
    assert_styled(somebody, page)
    (about,) = links(page, r"about/$")
    assert about == f"{shape.start}about/"
    assert somebody.get(about).status == 200
    sent = somebody.send(page)
    assert (sent.status, "sent" in sent.body) == (200, True), sent
    for path, text in shape.pages.items():
        answer = somebody.wait_for(path, text, TASK_SECONDS)
        assert (answer.status, text in answer.body) == (200, True), answer


@pytest.mark.parametrize("shape", [shape for shape in SERVED if shape.has_admin], ids=named)
def test_the_login_of_the_admin_is_styled_and_works(deployed: Deployed, served: Told, shape: Shape) -> None:
    somebody = visitor(deployed, shape)
    login = somebody.get(f"{shape.start}admin/")
    assert (login.status, 'name="username"' in login.body) == (200, True), login
    assert_styled(somebody, login)
    name, password = shape.login
    if name:
        page = somebody.send(login, username=name, password=password)
        assert (page.status, "logout" in page.body) == (200, True), page


def test_a_second_run_changes_nothing_and_the_doctor_succeeds(deployed: Deployed, served: Told) -> None:
    again = deployed.deploy("again", SERVED)
    assert (again.run.status, again.run.changed) == (0, 0), again.report
    run = deployed.host.play(deployed.sites(SERVED), "doctor.yml")
    assert run.status == 0, run.error


@pytest.mark.same_everywhere
@pytest.mark.parametrize("shape", REFUSED, ids=named)
def test_the_first_line_of_the_error_is_the_cause(refused: dict[str, Told], shape: Shape) -> None:
    told = refused[shape.name]
    assert told.sites[shape.name]["status"] == "failed", told.sites[shape.name]
    first = next(line for line in told.run.error.splitlines() if f"site '{shape.name}': " in line)
    error = first.partition(f"site '{shape.name}': ")[2]
    assert error.startswith(shape.error), error
    missing = [cause for cause in shape.causes if cause not in error]
    assert not missing, error
    notes = refused[shape.name].notes(shape.name)
    assert all(note in notes for note in shape.notes), notes


@pytest.mark.same_everywhere
@pytest.mark.parametrize("shape", REFUSED, ids=named)
def test_a_refused_project_has_no_release(deployed: Deployed, refused: dict[str, Told], shape: Shape) -> None:
    assert refused[shape.name].sites[shape.name]["release"] == ""
    assert deployed.host.run(f"test -e /opt/sites/{shape.name}/current").returncode != 0


@pytest.mark.same_everywhere
@pytest.mark.parametrize("shape", REFUSED_AT_ONCE, ids=named)
def test_what_the_controller_detects_is_refused_before_the_host_is_changed(deployed: Deployed, shape: Shape) -> None:
    run = deployed.host.play(deployed.sites([shape]))
    assert run.status != 0
    first = run.error.splitlines()[0]
    assert all(cause in first for cause in shape.causes), run.error
    assert deployed.host.run(f"test -e /opt/sites/{shape.name}").returncode != 0


@pytest.mark.same_everywhere
def test_sites_that_were_served_before_are_still_served(
    deployed: Deployed, served: Told, refused: dict[str, Told]
) -> None:
    answers = {shape.name: visitor(deployed, shape).get(shape.start).status for shape in SERVED}
    assert answers == dict.fromkeys(answers, 200)


@pytest.mark.same_everywhere
def test_manage_works_for_a_site_whose_first_release_was_refused(deployed: Deployed, refused: dict[str, Told]) -> None:
    told = deployed.host.told("/opt/sites/unmigrated/manage showmigrations auth")
    assert re.search(r"\[ \] 0001_initial", told), told
