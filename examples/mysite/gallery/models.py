from django.core.validators import FileExtensionValidator
from django.db import models

# Formats that all browsers support. The web server derives the content type from the extension, so it is limited.
EXTENSIONS = ("gif", "jpeg", "jpg", "png", "webp")


class Picture(models.Model):
    image = models.ImageField(
        upload_to="pictures",
        validators=[FileExtensionValidator(EXTENSIONS)],
        width_field="width",
        height_field="height",
    )
    title = models.CharField(max_length=100, blank=True)
    width = models.PositiveIntegerField(editable=False)
    height = models.PositiveIntegerField(editable=False)
    uploaded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]  # newest first

    def __str__(self) -> str:
        return self.title or self.image.name
