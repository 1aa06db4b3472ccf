from django import forms

from .models import Picture


class PictureForm(forms.ModelForm):
    """Upload of one picture. Pillow decides whether it is one; the model limits the extension."""

    class Meta:
        model = Picture
        fields = ["image", "title"]
        # Without the list a phone may offer a format that browsers do not show.
        widgets = {"image": forms.FileInput(attrs={"accept": "image/gif,image/jpeg,image/png,image/webp"})}
