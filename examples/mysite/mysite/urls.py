from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("gallery.urls")),
    path("admin/", admin.site.urls),
    # For runserver only: with DEBUG off this adds nothing, and the web server serves /media/.
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
