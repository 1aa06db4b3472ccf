from django import forms

from .models import Picture


class PictureForm(forms.ModelForm):
    """Upload of a picture. Pillow checks its content; the model limits its extension."""

    class Meta:
        model = Picture
        fields = ["image", "title"]
        # Without this list, a phone may offer a format that browsers do not support.
        widgets = {"image": forms.FileInput(attrs={"accept": "image/gif,image/jpeg,image/png,image/webp"})}
