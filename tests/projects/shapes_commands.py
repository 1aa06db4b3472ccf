"""Shapes that need their own commands in builds and releases, workers or timers."""

from __future__ import annotations

from project import REDIRECTS, Shape

REDIS = "redis://127.0.0.1:6379"
COMPRESS = """
    STATIC_ROOT = BASE_DIR / "collected"
    COMPRESS_OFFLINE = True
    STATICFILES_FINDERS = [
        "django.contrib.staticfiles.finders.FileSystemFinder",
        "django.contrib.staticfiles.finders.AppDirectoriesFinder",
        "compressor.finders.CompressorFinder",
    ]
"""
COMPRESSED_PAGE = """
    {% load compress static %}<!doctype html>
    {% compress css %}<link rel="stylesheet" href="{% static 'site.css' %}">{% endcompress %}
    <p>Django {{ django }}</p>
    <p>{{ told }}</p>
    <a href="{% url 'about' %}">about</a>
    <form method="post">{% csrf_token %}<button>send</button></form>
"""
CACHE = """
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}}
"""
FROM_CACHE = """
    def told():
        from django.core.cache import cache
        return cache.get_or_set("told", "from the cache table")
"""

COMMANDS = [
    Shape(
        "compress",
        requires=("django-compressor",),
        apps=("compressor",),
        settings=COMPRESS,
        urls=REDIRECTS,
        files={"templates/start.html": COMPRESSED_PAGE},
        keys={"build": ["collectstatic", {"manage": "compress"}]},
    ),
    Shape(
        "cachetable",
        settings=CACHE,
        urls=REDIRECTS + FROM_CACHE + "    import mysite.checks\n",
        # Deploy checks may need tables, which do not exist before the first migration.
        files={
            "mysite/checks.py": """
                from django.core.checks import Warning, register

                @register(deploy=True)
                def users(**options):
                    from django.contrib.auth.models import User
                    return [] if User.objects.exists() else [Warning("nobody is there yet", id="mysite.W001")]
            """
        },
        keys={"release": ["migrate", {"manage": "createcachetable"}]},
        told="from the cache table",
    ),
    # With the distribution's Node.js, but without npm, which is four hundred packages on Debian; `vite` uses npm.
    Shape(
        "german",
        files={
            "locale/de/LC_MESSAGES/django.po": """
                msgid ""
                msgstr "Content-Type: text/plain; charset=UTF-8\\n"

                msgid "Welcome to mysite"
                msgstr "Willkommen bei mysite"
            """,
            "build.js": """require("fs").writeFileSync("static/built.js", "console.log('gebaut');");\n""",
        },
        keys={
            "build": [{"manage": "compilemessages"}, {"run": "node build.js"}, "collectstatic"],
            "system_packages": ["gettext"],
        },
        pages={"/static/built.js": "console.log('gebaut')"},
        language="de",
        told="Willkommen bei mysite",
    ),
    # With a newer Node.js than the distributions have.
    Shape(
        "vite",
        requires=("django-vite",),
        apps=("django_vite",),
        # DEBUG depends on the environment, unlike that of startproject.
        settings="""
            DEBUG = os.environ.get("DJANGO_DEBUG", "True") == "True"
            DJANGO_VITE = {"default": {"dev_mode": DEBUG, "manifest_path": BASE_DIR / "dist" / "manifest.json"}}
            STATICFILES_DIRS += [BASE_DIR / "dist"]
        """,
        files={
            "package.json": """
                {"name": "mysite", "version": "1.0.0", "engines": {"node": ">=24"},
                 "scripts": {"build": "node build.js"}}
            """,
            "package-lock.json": """
                {"name": "mysite", "version": "1.0.0", "lockfileVersion": 3, "requires": true,
                 "packages": {"": {"name": "mysite", "version": "1.0.0"}}}
            """,
            "build.js": """
                const fs = require("fs");
                fs.mkdirSync("dist/assets", {recursive: true});
                fs.writeFileSync("dist/assets/main-0a1b2c3d.js", "console.log('built');");
                fs.writeFileSync("dist/manifest.json", JSON.stringify(
                  {"main.js": {file: "assets/main-0a1b2c3d.js", src: "main.js", isEntry: true}}));
            """,
            "templates/start.html": """
                {% load static django_vite %}<!doctype html>
                <link rel="stylesheet" href="{% static 'site.css' %}">
                {% vite_asset 'main.js' %}
                <p>Django {{ django }}</p>
                <p>{{ told }}</p>
                <a href="{% url 'about' %}">about</a>
                <form method="post">{% csrf_token %}<button>send</button></form>
            """,
        },
        keys={"build": [{"run": ["npm", "ci"]}, {"run": "npm run build"}, "collectstatic"]},
        pages={"/static/assets/main-0a1b2c3d.js": "console.log('built')"},
    ),
]

BACKGROUND = [
    Shape(
        "celery",
        requires=("celery[redis]",),
        files={
            "mysite/worker.py": f"""
                import os

                from celery import Celery

                os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
                app = Celery("mysite", broker="{REDIS}/1", backend="{REDIS}/2", include=["mysite.worker"])

                @app.task(name="add")
                def add(one, other):
                    return one + other
            """
        },
        settings="""
            CACHES = {
                "default": {
                    "BACKEND": "django.core.cache.backends.redis.RedisCache",
                    "LOCATION": "redis://127.0.0.1:6379/3",
                }
            }
        """,
        urls="""
            from django.core.cache import cache
            from mysite.worker import add, app

            def told():
                cache.set("task", add.delay(40, 2).id)
                return "queued"

            def done(request):
                return HttpResponse(f"done: {app.AsyncResult(cache.get('task')).result}")

            urlpatterns += [path("done/", done)]
        """,
        keys={
            "workers": {"celery": {"run": "celery -A mysite.worker worker --concurrency 1", "stop_timeout": 30}},
            "timers": {"clearsessions": {"manage": "clearsessions", "at": "03:30", "jitter": "10m"}},
        },
        told="queued",
        pages={"/done/": "done: 42"},
    ),
]
