import django
from django.conf import settings  # noqa: F401 - the shapes use it
from django.contrib import admin
from django.http import HttpResponse
from django.shortcuts import redirect, render  # noqa: F401 - the shapes use both
from django.urls import path


def told():
    """Return a text for the start page; shapes replace this function."""
    return "nothing"


def start(request):
    said = {"django": django.get_version(), "told": "sent" if request.method == "POST" else told()}
    return render(request, "start.html", said)


def about(request):
    return HttpResponse("about mysite")


urlpatterns = [path("", start, name="start"), path("about/", about, name="about"), path("admin/", admin.site.urls)]
