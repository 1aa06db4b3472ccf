"""Shapes whose settings need, write or read something, and those with another layout than startproject's."""

from __future__ import annotations

from project import Shape

POSTGRESQL = "postgres://%2Fvar%2Frun%2Fpostgresql/{name}"
# The database of a site, owned by the account of the site.
DATABASE = "runuser -u postgres -- sh -c 'createuser site-{name} && createdb --owner=site-{name} {name}'"
ENTRY = """
    import os

    {first}
    from {module} import {name}

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    {last}application = {name}()
"""

SETTINGS = [
    # With startproject's DEBUG = True, and settings that are not meant for a server.
    Shape(
        "careless",
        tables={"words": "of nobody's interest"},
        settings="""
            if DEBUG:
                AUTH_PASSWORD_VALIDATORS = []
            SESSION_ENGINE = "django.contrib.sessions.backends.cache"
        """,
        # A run does not copy the databases of a directory; an archive contains them.
        keys={"uwsgi": {"processes": 2}, "source": {"archive": "{folder}.tar.gz"}},
        notes=("DEBUG", "mysite/settings.py", "LocMemCache", "db.sqlite3"),
    ),
    Shape(
        "asked",
        settings="""
            DEBUG = os.environ.get("DEBUG", "True") == "True"
            if DEBUG:
                EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
                AUTH_PASSWORD_VALIDATORS = []
            SETTINGS_MODULE = "a setting of the project"
        """,
        urls="""
            def told():
                return f"{settings.EMAIL_BACKEND}, {len(settings.AUTH_PASSWORD_VALIDATORS)}, {settings.SETTINGS_MODULE}"
        """,
        told="django.core.mail.backends.smtp.EmailBackend, 2, a setting of the project",
    ),
    Shape(
        "seeded",
        tables={"words": "from the repository"},
        files={"media/hello.txt": "hello from the repository\n"},
        settings='MEDIA_ROOT = BASE_DIR / "media"\nMEDIA_URL = "media/"\n',
        urls="""
            def told():
                from django.db import connection
                with connection.cursor() as cursor:
                    return cursor.execute("SELECT told FROM words").fetchone()[0]
        """,
        keys={"seed": {"database": "db.sqlite3", "media": "media"}},
        told="from the repository",
        pages={"/media/hello.txt": "hello from the repository"},
    ),
    Shape(
        "writing",
        files={"uploads/first.txt": "first", "logs/.gitkeep": ""},
        settings="""
            LOGGING = {
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": {"file": {"class": "logging.FileHandler", "filename": BASE_DIR / "logs" / "site.log"}},
                "root": {"handlers": ["file"], "level": "INFO"},
            }
        """,
        urls="""
            def told():
                uploads = settings.BASE_DIR / "uploads"
                (uploads / "second.txt").write_text("second")
                return " and ".join(path.read_text() for path in sorted(uploads.iterdir()))
        """,
        keys={"writable": ["logs", "uploads"]},
        told="first and second",
    ),
    Shape(
        "dotenv",
        requires=("python-dotenv",),
        settings="""
            from .local_settings import TOLD

            TOLD += os.environ["MY_API_KEY"] + os.environ["FROM_FILE"]
        """,
        files={
            ".env": 'MY_API_KEY=", .env"\n',
            "production.env": 'FROM_FILE=" and env_file"\n',
            "manage.py": """
                import sys

                from django.core.management import execute_from_command_line
                from dotenv import load_dotenv

                if __name__ == "__main__":
                    load_dotenv()
                    import os

                    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
                    execute_from_command_line(sys.argv)
            """,
            "mysite/wsgi.py": ENTRY.format(
                first="from dotenv import load_dotenv\n",
                module="django.core.wsgi",
                name="get_wsgi_application",
                last="load_dotenv()\n    ",
            ),
        },
        urls="""
            def told():
                return settings.TOLD
        """,
        keys={
            "files": {"mysite/local_settings.py": 'TOLD = "as the inventory"\n'},
            "env_file": "{folder}/production.env",
        },
        told="as the inventory, .env and env_file",
    ),
]

LAYOUTS = [
    Shape(
        "besidewsgi",
        settings='WSGI_APPLICATION = "wsgi.application"\n',
        files={
            "mysite/wsgi.py": None,
            "wsgi.py": ENTRY.format(first="", module="django.core.wsgi", name="get_wsgi_application", last=""),
        },
    ),
    Shape(
        "asgi",
        settings='del WSGI_APPLICATION\nASGI_APPLICATION = "mysite.asgi.application"\n',
        files={"mysite/wsgi.py": None},
    ),
    Shape(
        "classes",
        requires=("django-configurations",),
        files={
            "mysite/config.py": """
                from configurations import Configuration

                from mysite import settings

                class Production(Configuration):
                    TOLD = "Production"
                    vars().update({name: value for name, value in vars(settings).items() if name.isupper()})
            """,
            "manage.py": """
                import os
                import sys

                if __name__ == "__main__":
                    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.config")
                    os.environ.setdefault("DJANGO_CONFIGURATION", "Production")
                    from configurations.management import execute_from_command_line

                    execute_from_command_line(sys.argv)
            """,
            "mysite/wsgi.py": """
                import os

                os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.config")
                os.environ.setdefault("DJANGO_CONFIGURATION", "Production")

                from configurations.wsgi import get_wsgi_application

                application = get_wsgi_application()
            """,
        },
        urls="""
            def told():
                return settings.TOLD
        """,
        told="Production",
    ),
    Shape(
        "packaged",
        files={"manage.py": None},
        keys={"settings_module": "mysite.settings", "wsgi": "mysite.wsgi:application"},
    ),
    Shape(
        "users",
        apps=("people", "django.contrib.postgres"),
        requires=("psycopg[binary]",),
        before=DATABASE.format(name="users"),
        settings='AUTH_USER_MODEL = "people.Person"\n',
        files={
            "people/__init__.py": "",
            "people/migrations/__init__.py": "",
            "people/models.py": """
                from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
                from django.contrib.auth.models import PermissionsMixin
                from django.db import models

                class People(BaseUserManager):
                    def create_superuser(self, email, full_name, password):
                        person = self.model(email=email, full_name=full_name, is_staff=True, is_superuser=True)
                        person.set_password(password)
                        person.save()
                        return person

                class Person(AbstractBaseUser, PermissionsMixin):
                    email = models.EmailField(unique=True)
                    full_name = models.CharField(max_length=100)
                    is_staff = models.BooleanField(default=False)
                    is_active = models.BooleanField(default=True)
                    objects = People()
                    USERNAME_FIELD = "email"
                    REQUIRED_FIELDS = ["full_name"]
            """,
            "people/migrations/0001_initial.py": """
                from django.db import migrations, models

                class Migration(migrations.Migration):
                    dependencies = [("auth", "0012_alter_user_first_name_max_length")]
                    operations = [
                        migrations.CreateModel(
                            name="Person",
                            fields=[
                                ("id", models.BigAutoField(primary_key=True)),
                                ("password", models.CharField(max_length=128)),
                                ("last_login", models.DateTimeField(blank=True, null=True)),
                                ("is_superuser", models.BooleanField(default=False)),
                                ("email", models.EmailField(max_length=254, unique=True)),
                                ("full_name", models.CharField(max_length=100)),
                                ("is_staff", models.BooleanField(default=False)),
                                ("is_active", models.BooleanField(default=True)),
                                ("groups", models.ManyToManyField(to="auth.group", blank=True)),
                                ("user_permissions", models.ManyToManyField(to="auth.permission", blank=True)),
                            ],
                        )
                    ]
            """,
        },
        urls="""
            def told():
                from django.db import connection
                from people.models import Person
                return f"{Person.objects.get().full_name} in {connection.vendor}"
        """,
        keys={
            "database": POSTGRESQL.format(name="users"),
            "superuser": {
                "email": "ada@example.com",
                "password": "correct-horse",
                "fields": {"full_name": "Ada Lovelace"},
            },
        },
        told="Ada Lovelace in postgresql",
        login=("ada@example.com", "correct-horse"),
    ),
    Shape(
        "prefix",
        keys={
            "prefix": "/shop",
            "superuser": {"username": "ada", "password": "correct-horse", "email": "ada@example.com"},
            "nginx": {"static": {"url": "/static/", "path": ""}},
        },
        start="/shop/",
        login=("ada", "correct-horse"),
    ),
]
