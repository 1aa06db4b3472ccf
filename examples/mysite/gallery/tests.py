# ruff: noqa: PT009 (the assertions are those of django.test)
from __future__ import annotations

import tempfile
from io import BytesIO
from unittest import mock

from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client, SimpleTestCase, TestCase, override_settings
from django.urls import reverse
from PIL import Image

from .models import Picture
from .views import PICTURES_PER_PAGE

# Static files without hashes, because only one test runs collectstatic; uploads stay in memory.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}


def picture_file(name: str = "red.png", kind: str = "PNG", size: tuple[int, int] = (40, 30)) -> SimpleUploadedFile:
    content = BytesIO()
    Image.new("RGB", size, "red").save(content, kind)
    return SimpleUploadedFile(name, content.getvalue())


@override_settings(STORAGES=STORAGES)
class IndexTests(TestCase):
    def test_empty_page_shows_the_form(self) -> None:
        response = self.client.get("/")
        self.assertContains(response, "No pictures yet")
        self.assertContains(response, 'type="file"')
        self.assertContains(response, "csrfmiddlewaretoken")
        self.assertContains(response, "/static/gallery/style.css")

    def test_uploaded_picture_is_shown(self) -> None:
        response = self.client.post("/", {"image": picture_file(), "title": "A <red> one"})
        self.assertRedirects(response, "/")
        picture = Picture.objects.get()
        self.assertEqual((picture.width, picture.height), (40, 30))
        response = self.client.get("/")
        self.assertContains(response, f'src="/media/{picture.image.name}"')
        self.assertContains(response, "A &lt;red&gt; one")

    def test_title_is_optional(self) -> None:
        self.client.post("/", {"image": picture_file("plain.jpg", "JPEG")})
        self.assertEqual(str(Picture.objects.get()), "pictures/plain.jpg")

    def test_same_name_twice_keeps_both_pictures(self) -> None:
        for _visit in range(2):
            self.client.post("/", {"image": picture_file()})
        self.assertEqual(len({picture.image.name for picture in Picture.objects.all()}), 2)

    def test_files_that_are_not_pictures_are_refused(self) -> None:
        refused = {
            "text that calls itself a picture": SimpleUploadedFile("fake.png", b"no picture at all"),
            "picture that calls itself a page": picture_file("page.html"),
            "format that browsers do not show": picture_file("scan.tiff", "TIFF"),
            "nothing in it": SimpleUploadedFile("empty.png", b""),
        }
        for what, file in refused.items():
            with self.subTest(what):
                response = self.client.post("/", {"image": file})
                self.assertContains(response, "errorlist")
                self.assertFalse(Picture.objects.exists())

    def test_form_without_file_is_refused(self) -> None:
        self.assertContains(self.client.post("/", {"title": "nothing"}), "This field is required.")

    def test_upload_without_csrf_token_is_refused(self) -> None:
        response = Client(enforce_csrf_checks=True).post("/", {"image": picture_file()})
        self.assertEqual(response.status_code, 403)

    def test_pictures_are_paged_newest_first(self) -> None:
        Picture.objects.bulk_create(
            Picture(image=f"pictures/{number}.png", title=f"number {number}", width=1, height=1)
            for number in range(PICTURES_PER_PAGE + 1)
        )
        first = self.client.get("/")
        self.assertContains(first, f"number {PICTURES_PER_PAGE}<")
        self.assertNotContains(first, "number 0<")
        self.assertContains(self.client.get("/?page=2"), "number 0<")


class StaticFilesTests(TestCase):
    def test_names_of_static_files_contain_a_hash(self) -> None:
        with tempfile.TemporaryDirectory() as root, self.settings(STATIC_ROOT=root):
            call_command("collectstatic", interactive=False, verbosity=0)
            response = self.client.get("/")
        self.assertRegex(response.content.decode(), r'href="/static/gallery/style\.[0-9a-f]{12}\.css"')
        self.assertRegex(response.content.decode(), r'src="/static/gallery/logo\.[0-9a-f]{12}\.svg"')


@override_settings(MYSITE_VERSION="7")
class HealthTests(TestCase):
    def test_healthz_shows_the_version(self) -> None:
        response = self.client.get("/healthz")
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.json(), {"status": "ok", "version": "7"})
        self.assertIn("no-store", response["Cache-Control"])

    def test_healthz_answers_503_without_a_database(self) -> None:
        with mock.patch("gallery.views.connection.cursor", side_effect=OperationalError("gone")):
            response = self.client.get("/healthz")
        self.assertEqual(response.status_code, 503)
        self.assertEqual(response.json(), {"status": "database unavailable", "version": "7"})


@override_settings(MYSITE_VERSION="7")
class SlowTests(SimpleTestCase):
    def test_seconds_are_limited(self) -> None:
        for given, slept in [("0.5", 0.5), ("-3", 0), ("99", 10), ("inf", 10)]:
            with self.subTest(given), mock.patch("gallery.views.time.sleep") as sleep:
                response = self.client.get("/slow", {"seconds": given})
                sleep.assert_called_once_with(slept)
                self.assertEqual(response.json(), {"slept": slept, "version": "7"})

    def test_seconds_must_be_a_number(self) -> None:
        for given in ["", "soon", "nan"]:
            with self.subTest(given), mock.patch("gallery.views.time.sleep") as sleep:
                self.assertEqual(self.client.get("/slow", {"seconds": given}).status_code, 400)
                sleep.assert_not_called()


@override_settings(STORAGES=STORAGES)
class AdminTests(TestCase):
    def test_anonymous_users_are_redirected_to_the_login_page(self) -> None:
        response = self.client.get("/admin/", follow=True)
        self.assertEqual(response.redirect_chain, [("/admin/login/?next=/admin/", 302)])
        self.assertContains(response, "Log in")

    def test_staff_can_add_and_list_pictures(self) -> None:
        self.client.force_login(User.objects.create_superuser("editor"))
        changelist = reverse("admin:gallery_picture_changelist")
        response = self.client.post(
            reverse("admin:gallery_picture_add"), {"image": picture_file(), "title": "From the admin"}
        )
        self.assertRedirects(response, changelist)
        self.assertContains(self.client.get(changelist), "From the admin")
