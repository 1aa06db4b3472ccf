"""Faults of Django's settings and of data: each is made on a healthy site, named by the doctor, and healed."""

from __future__ import annotations

from cases import Case

SETTINGS = "$project/mysite/settings.py"
BACK = f"back {SETTINGS}; restart; answers /"
OVERLAY_BACK = "kill $(cat /var/tmp/server) || true; back $overlay; restart"


def settings(text):
    """Lines that the settings of the tutorial end with."""
    return f"keep {SETTINGS}; cat >> {SETTINGS} <<'EOF'\n{text}\nEOF\nrestart; answers /"


# A server that speaks as much of PostgreSQL's protocol as it takes to refuse somebody: no encryption, then an error.
REFUSING = """\
keep $overlay; cat >> $overlay <<'EOF'
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "shop", "USER": "shop",
    "PASSWORD": "xyzzy-secret-text", "HOST": "127.0.0.1", "PORT": "5998"}}
EOF
cat > /var/tmp/server.py <<'EOF'
import socket, struct, sys
code, text = sys.argv[1:]
error = "".join(f"{field}\\0" for field in ("SFATAL", "VFATAL", f"C{code}", f"M{text}")).encode() + b"\\0"
with socket.create_server(("127.0.0.1", 5998)) as server:
    while True:
        client, _address = server.accept()
        asked = client.recv(4096)
        while asked[4:8] in (struct.pack("!i", 80877103), struct.pack("!i", 80877104)):
            client.sendall(b"N")
            asked = client.recv(4096)
        if asked:
            client.sendall(b"E" + struct.pack("!i", len(error) + 4) + error)
        client.close()
EOF
"""


def refusing(code, text):
    start = f"nohup python3 /var/tmp/server.py {code} '{text}' >/dev/null 2>&1 & echo $! > /var/tmp/server"
    return f"{REFUSING}{start}\nuntil listens 5998; do sleep 0.1; done; restart"


# Who holds a lock on the database of the tutorial, until it is killed.
HOLD = """\
cat > /var/tmp/import.py <<'EOF'
import sqlite3, sys, time
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute(f"BEGIN {sys.argv[2]}")
open("/var/tmp/held", "w").close()
time.sleep(120)
EOF
rm -f /var/tmp/held
"""


def hold(how):
    start = f"nohup python3 /var/tmp/import.py $project/db.sqlite3 {how} >/dev/null 2>&1 & echo $! > /var/tmp/holder"
    return f"{HOLD}{start}\nuntil [ -e /var/tmp/held ]; do sleep 0.1; done"


RELEASED = "kill $(cat /var/tmp/holder); rm /var/tmp/held"
MANIFEST = """\
STORAGES = {"default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}}
"""
SQL = 'python3 -c "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute(sys.argv[2])" $project/db.sqlite3'
# A database of which nobody has made anything yet.
FRESH = 'DATABASES["default"]["NAME"] = BASE_DIR / "data" / "fresh.sqlite3"'

MANAGED_CASES = [
    Case(
        "wrong password",
        "database.password",
        ["refuses the password", 'FATAL: password authentication failed for user "shop"', "web_sites[].database"],
        refusing("28P01", 'password authentication failed for user "shop"'),
        OVERLAY_BACK,
    ),
    Case(
        "too many connections",
        "database.connections",
        ["too many connections", "FATAL: sorry, too many clients already", "max_connections"],
        refusing("53300", "sorry, too many clients already"),
        OVERLAY_BACK,
    ),
    Case(
        "no such database",
        "database.unknown",
        ['FATAL: database "shop" does not exist', "createdb 'shop'"],
        refusing("3D000", 'database "shop" does not exist'),
        OVERLAY_BACK,
    ),
    Case(
        "a host that pg_hba.conf does not let in",
        "database.refused",
        ["refuses the site", "no pg_hba.conf entry", "pg_hba.conf and the log"],
        refusing("28000", 'no pg_hba.conf entry for host "127.0.0.1", user "shop", database "shop", no encryption'),
        OVERLAY_BACK,
    ),
]

BY_HAND_CASES = [
    Case(
        "SQLite locked by another process",
        "database.locked",
        ["the database is locked, by python3 /var/tmp/import.py", "OperationalError: database is locked", "kill "],
        hold("EXCLUSIVE"),
        RELEASED,
    ),
    Case(
        "SQLite with a writer that does not end",
        "database.locked",
        ["the database is locked, by python3 /var/tmp/import.py", "/proc/locks: pid "],
        hold("IMMEDIATE"),
        RELEASED,
        status="degraded",
    ),
    Case(
        "SQLite's directory is root's",
        "database.not-writable",
        ["huatai cannot write /home/huatai/works/mysite", "chown huatai"],
        "chown root $project; chmod 755 $project",
        "chown huatai $project",
    ),
    Case(
        "SQLite's journal is root's",
        "database.not-writable",
        ["huatai cannot write /home/huatai/works/mysite/db.sqlite3-journal beside it"],
        "install -m 600 /dev/null $project/db.sqlite3-journal",
        "rm $project/db.sqlite3-journal",
    ),
    Case(
        "SQLite's file is damaged",
        "database.corrupt",
        ["the database file is damaged", "file is not a database"],
        "keep $project/db.sqlite3; echo no database > $project/db.sqlite3",
        "back $project/db.sqlite3",
    ),
    Case(
        "no database yet, in a directory of root's",
        "database.missing",
        ["migrations are not applied, and huatai cannot create", "manage.py migrate"],
        "mkdir $project/data\n" + settings(FRESH),
        f"{BACK}; rmdir $project/data",
        status="degraded",
    ),
    Case(
        "a table was dropped, its migration is recorded",
        "database.tables",
        ["the database does not contain django_admin_log", "no such table or column: django_admin_log"],
        f'keep $project/db.sqlite3; {SQL} "DROP TABLE django_admin_log"',
        "back $project/db.sqlite3",
        status="degraded",
    ),
    Case(
        "a model that no migration makes",
        "database.unmade",
        ["models have shop_order", "makemigrations"],
        "mkdir $project/shop; touch $project/shop/__init__.py; cat > $project/shop/models.py <<'EOF'\n"
        "from django.db import models\n\n\nclass Order(models.Model):\n    total = models.IntegerField()\nEOF\n"
        + settings('INSTALLED_APPS += ["shop"]'),
        f"{BACK}; rm -r $project/shop",
        status="advice",
    ),
    Case(
        "a second database whose driver is missing",
        "database.unusable",
        ["the database cannot be used: ImproperlyConfigured", "or install its driver"],
        settings('DATABASES["old"] = {"ENGINE": "django.db.backends.mysql", "NAME": "shop"}'),
        BACK,
        status="degraded",
    ),
    Case(
        "secure cookies on plain http",
        "django.cookies",
        [
            "SESSION_COOKIE_SECURE and CSRF_COOKIE_SECURE are true",
            "every form answers 403",
            "mysite/settings.py, line ",
        ],
        settings("SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True"),
        BACK,
        status="degraded",
    ),
    Case(
        "uWSGI in the locale C",
        "django.locale",
        ["uWSGI runs with LANG=C", "UnicodeEncodeError", "mysite.service"],
        "edit /etc/systemd/system/mysite.service 's/^User=/Environment=LANG=C\\nUser=/'; systemctl daemon-reload\n"
        "restart; answers /",
        "back /etc/systemd/system/mysite.service; systemctl daemon-reload; restart",
        status="degraded",
    ),
    Case(
        "a mail server whose name nobody knows",
        "django.mail",
        ["mail goes to mail.nowhere.invalid:25, whose name this host cannot resolve", "EMAIL_HOST in "],
        settings('EMAIL_HOST = "mail.nowhere.invalid"'),
        BACK,
        status="degraded",
    ),
    Case(
        "URLs that cannot be imported",
        "django.urls",
        ["the URLs of the project cannot be imported: NameError", "every page fails", "mysite/urls.py:"],
        "keep $project/mysite/urls.py; echo 'urlpatterns += nothing' >> $project/mysite/urls.py\nrestart_broken",
        "back $project/mysite/urls.py; restart",
    ),
    Case(
        "a URLconf that was broken after the start",
        "django.urls",
        ["NameError", "the running processes were started before that"],
        # Each process imports it with its first request.
        "for _one in $(seq 40); do ask http://127.0.0.1/ & done; wait; healthy\n"
        "keep $project/mysite/urls.py; echo 'urlpatterns += nothing' >> $project/mysite/urls.py",
        "back $project/mysite/urls.py",
        status="degraded",
    ),
    Case(
        "a look at the project that ends in an exception",
        "django.unexamined",
        ["the check of facts in Django ended with AttributeError"],
        settings('CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}, "x": None}'),
        BACK,
        status="unknown",
    ),
    Case(
        "a key that startproject made",
        "django.checks",
        ["Django's check --deploy reports warnings: security.W009", "manage.py check --deploy"],
        "true",
        "true",
        status="advice",
    ),
    Case(
        "a style sheet was changed after collectstatic",
        "static.stale",
        ["1 file is older than in the project: admin/css/login.css", "manage.py collectstatic --noinput"],
        "css=$(echo /home/huatai/venv/lib/python3*/site-packages/django/contrib/admin/static/admin/css/login.css)\n"
        "keep $css; echo 'body { color: red }' >> $css",
        "back /home/huatai/venv/lib/python3*/site-packages/django/contrib/admin/static/admin/css/login.css",
        status="degraded",
    ),
    Case(
        "a new file was not collected",
        "static.stale",
        ["1 file is not collected: new.css", "/home/huatai/works/mysite/static/new.css: is not there"],
        "mkdir $project/assets; echo 'p {}' > $project/assets/new.css\n"
        + settings('STATICFILES_DIRS = [BASE_DIR / "assets"]'),
        f"{BACK}; rm -r $project/assets",
        status="degraded",
    ),
    Case(
        "hashed names without a manifest",
        "static.manifest",
        ["staticfiles.json is missing or empty", "manage.py collectstatic --noinput"],
        settings(MANIFEST),
        BACK,
        status="degraded",
    ),
]

# Nothing of this is a fault.
HEALTHY = [
    Case(
        "DATABASES = {}, without the applications that want one",
        "",
        [],
        "edit $project/mysite/urls.py '/import admin/d; s/, path(.admin.*/]/'\n"
        + settings('DATABASES = {}\nINSTALLED_APPS = ["django.contrib.staticfiles"]\nMIDDLEWARE = []'),
        f"back $project/mysite/urls.py; {BACK}",
        status="ok",
    ),
    Case(
        "secure cookies, and a server in front that has TLS",
        "",
        [],
        settings("SESSION_COOKIE_SECURE = True\nSECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https')"),
        BACK,
        status="ok",
    ),
    Case(
        "a short transaction now and then",
        "",
        [],
        "cat > /var/tmp/busy.py <<'EOF'\n"
        "import sqlite3, sys, time\n"
        "while True:\n"
        "    with sqlite3.connect(sys.argv[1], timeout=9) as held:\n"
        '        held.execute("UPDATE django_content_type SET model = model"); time.sleep(0.05)\n'
        "    held.close(); time.sleep(0.05)\n"
        "EOF\n"
        "nohup python3 /var/tmp/busy.py $project/db.sqlite3 >/dev/null 2>&1 & echo $! > /var/tmp/busy",
        "kill $(cat /var/tmp/busy)",
        status="ok",
    ),
    Case(
        "sources were touched, and are as they were collected",
        "",
        [],
        "touch /home/huatai/venv/lib/python3*/site-packages/django/contrib/admin/static/admin/css/*.css",
        "true",
        status="ok",
    ),
]
