from __future__ import annotations

import math
import time

from django.conf import settings
from django.core.paginator import Paginator
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from .forms import PictureForm
from .models import Picture

PICTURES_PER_PAGE = 24
SLOWEST_SECONDS = 10


@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """Show the pictures, newest first, and the form to add one."""
    if request.method == "POST":
        form = PictureForm(request.POST, request.FILES)
        if form.is_valid():
            form.save()
            return redirect("index")
    else:
        form = PictureForm()
    pictures = Paginator(Picture.objects.all(), PICTURES_PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request, "gallery/index.html", {"form": form, "pictures": pictures, "version": settings.MYSITE_VERSION}
    )


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Return 200 if this process can reach its database, otherwise 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"status": "database unavailable", "version": settings.MYSITE_VERSION}, status=503)
    return JsonResponse({"status": "ok", "version": settings.MYSITE_VERSION})


@never_cache
@require_safe
def slow(request: HttpRequest) -> HttpResponse:
    """Sleep for `?seconds=N` (0 to 10), then return the version that answers.

    For load tests: a request that is in flight while a new release is deployed must still be answered, by the old one.
    """
    try:
        seconds = float(request.GET.get("seconds", "1"))
    except ValueError:
        seconds = math.nan
    if math.isnan(seconds):
        return HttpResponseBadRequest("seconds must be a number", content_type="text/plain")
    seconds = min(max(seconds, 0), SLOWEST_SECONDS)
    time.sleep(seconds)
    return JsonResponse({"slept": seconds, "version": settings.MYSITE_VERSION})
