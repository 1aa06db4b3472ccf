import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Picture",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "image",
                    models.ImageField(
                        height_field="height",
                        upload_to="pictures",
                        validators=[
                            django.core.validators.FileExtensionValidator(("gif", "jpeg", "jpg", "png", "webp"))
                        ],
                        width_field="width",
                    ),
                ),
                ("title", models.CharField(blank=True, max_length=100)),
                ("width", models.PositiveIntegerField(editable=False)),
                ("height", models.PositiveIntegerField(editable=False)),
                ("uploaded_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
    ]
