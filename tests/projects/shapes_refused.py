"""The shapes that are refused: the beginning of each error, and texts that it must contain."""

from __future__ import annotations

from project import DJANGO, REDIRECTS, Shape
from shapes_commands import CACHE, COMPRESS, COMPRESSED_PAGE, FROM_CACHE
from sites import MAIL_ONLY

# Enough time for one response.
SOON = {"health": {"timeout": 3}}
RAISES = """
    def told():
        raise LookupError("no such shelf")
"""

UNHEALTHY = [
    Shape(
        "raises",
        urls=REDIRECTS + RAISES,
        keys=SOON,
        error="health failed: / as raises.example redirects to /app/, which answered 500",
        causes=("LookupError: no such shelf",),
    ),
    Shape(
        "uncompressed",
        requires=("django-compressor",),
        apps=("compressor",),
        settings=COMPRESS,
        urls=REDIRECTS,
        files={"templates/start.html": COMPRESSED_PAGE},
        keys=SOON,
        error="health failed: / as uncompressed.example redirects to /app/, which answered 500",
        causes=("OfflineGenerationError",),
        notes=("COMPRESS_OFFLINE", "manage: compress"),
    ),
    Shape(
        "notable",
        settings=CACHE,
        urls=REDIRECTS + FROM_CACHE,
        keys=SOON,
        causes=("createcachetable",),
    ),
    # Errors are only mailed, and the error page is broken as well.
    Shape(
        "mailonly",
        files={"templates/500.html": "{% load no_such_library %}"},
        settings=MAIL_ONLY,
        urls=RAISES,
        keys=SOON,
        error="health failed: / as mailonly.example answered 500",
        causes=("LookupError: no such shelf",),
    ),
    Shape(
        "unmigrated",
        urls="""
            def told():
                from django.contrib.auth.models import User
                return f"{User.objects.count()} users"
        """,
        keys={**SOON, "migrate": False},
        error="health failed: / as unmigrated.example answered 500",
        causes=("no such table: auth_user",),
    ),
]
SETTINGS_REFUSED = [
    Shape(
        "sslredirect",
        settings="SECURE_SSL_REDIRECT = True\n",
        causes=("SECURE_SSL_REDIRECT", "tls"),
    ),
    Shape(
        "securecookies",
        settings="SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True\n",
        causes=("CSRF_COOKIE_SECURE", "tls"),
    ),
    Shape(
        "memory",
        settings='DATABASES["default"]["NAME"] = ":memory:"\n',
        causes=("memory", "database"),
    ),
    Shape(
        "readonly",
        files={"logs/.gitkeep": ""},
        settings="""
            LOGGING = {
                "version": 1,
                "handlers": {"file": {"class": "logging.FileHandler", "filename": BASE_DIR / "logs" / "site.log"}},
                "root": {"handlers": ["file"]},
            }
        """,
        causes=("logs", "writable"),
    ),
    Shape(
        "variables",
        settings="""
            SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
            ONE = os.environ["FIRST_KEY"]
            TWO = os.environ["SECOND_KEY"]
            THREE = int(os.environ["THIRD_NUMBER"])
            FOUR = os.environ["FOURTH_URL"].split("/")
        """,
        causes=("FIRST_KEY", "SECOND_KEY", "THIRD_NUMBER", "FOURTH_URL"),
    ),
]
DEPENDENCIES_REFUSED = [
    Shape("nodjango", files={"requirements.txt": "django-extensions\n"}, causes=("Django",)),
    Shape("compiled", requires=("psycopg2==2.9.10",), causes=("psycopg2", "system_packages")),
    # It has no wheels for Pythons newer than 3.10.
    Shape("oldpin", requires=("pillow==9.0.0",), causes=("pillow", "9.0.0", "has no wheel for Python 3.")),
]
# Errors that the controller detects in a local directory, before anything is changed on a host.
AT_ONCE = [
    Shape(
        "newpython",
        files={
            "requirements.txt": None,
            "pyproject.toml": f"""
                [project]
                name = "mysite"
                version = "1.0"
                requires-python = ">=3.99"
                dependencies = ["{DJANGO}"]
            """,
        },
        causes=("requires-python", "3.99"),
    ),
    Shape("unreadable", files={"requirements.txt": None, "Pipfile": "[packages\n"}, causes=("Pipfile", "TOML")),
]
