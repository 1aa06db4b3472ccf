from django.contrib import admin

from .models import Picture


@admin.register(Picture)
class PictureAdmin(admin.ModelAdmin):
    list_display = ["__str__", "image", "width", "height", "uploaded_at"]
    list_filter = ["uploaded_at"]
    search_fields = ["title", "image"]
    readonly_fields = ["width", "height", "uploaded_at"]
