"""Causes and fixes of failed programs, from their real output, shortened."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host.causes import cause, reason

CAUSES = {
    "uv: unknown package": (
        """\
error: No solution found when resolving dependencies
  cause: Because nowhere was not found in the package registry and you require nowhere==1, your requirements are unmet.
""",
        "No solution found when resolving dependencies: Because nowhere was not found in the package registry and you "
        "require nowhere==1, your requirements are unmet.",
    ),
    "uv 0.4: unknown version": (
        """\
  × No solution found when resolving dependencies:
  ╰─▶ Because only django<=5.1 is available and you require django>=99, your requirements are unmet.
""",
        "No solution found when resolving dependencies: Because only django<=5.1 is available and you require "
        "django>=99, your requirements are unmet.",
    ),
    "uv: no network": (
        """\
error: Failed to fetch: https://index.example.com/simple/six/
  cause: error sending request for url (https://index.example.com/simple/six/)
  cause: client error (Connect)
  cause: tunnel error: failed to create underlying connection
  cause: tcp connect error
  cause: Connection refused (os error 111)
""",
        "Failed to fetch: https://index.example.com/simple/six/: Connection refused (os error 111)",
    ),
    "uv: an invalid requirement": (
        """\
error: Couldn't parse requirement in `requirements.txt` at position 0
  cause: Unexpected end of version specifier, expected version
         Django>=
               ^^
""",
        "Couldn't parse requirement in `requirements.txt` at position 0: "
        "Unexpected end of version specifier, expected version",
    ),
    "uv: a package that cannot be built": (
        """\
error: The build backend returned an error
  cause: Call to `setuptools.build_meta:__legacy__.get_requires_for_build_wheel` failed (exit status: 1)

         [stderr]
         Traceback (most recent call last):
           File "<string>", line 14, in <module>
           File "/tmp/.x/lib/python3.12/site-packages/setuptools/build_meta.py", line 317, in run_setup
             exec(code, locals())  # noqa: S102 # exec is intentional here
             ^^^^^^^^^^^^^^^^^^^^
           File "<string>", line 2, in <module>
         ModuleNotFoundError: No module named 'nothing_here'
""",
        "ModuleNotFoundError: No module named 'nothing_here'",
    ),
    "uv: a missing interpreter": (
        "error: No interpreter found at path `/nonexistent/python`\n",
        "No interpreter found at path `/nonexistent/python`",
    ),
    "pip: unknown version": (
        """\
WARNING: Location 'file:///srv/wheels/django/' is ignored: it is neither a file nor a directory.
ERROR: Ignored the following versions that require a different python version: 6.0 Requires-Python >=3.12
ERROR: Could not find a version that satisfies the requirement Django>=99 (from versions: 1.1.3, 1.1.4, 5.2.19)
ERROR: No matching distribution found for Django>=99
""",
        "ERROR: No matching distribution found for Django>=99",
    ),
    "pip: a package that cannot be built": (
        """\
  error: subprocess-exited-with-error

  × python setup.py egg_info did not run successfully.
  │ exit code: 1
  ╰─> [6 lines of output]
      Traceback (most recent call last):
        File "<string>", line 2, in <module>
          import nothing_here
      ModuleNotFoundError: No module named 'nothing_here'
      [end of output]

  note: This error originates from a subprocess, and is likely not a problem with pip.
error: metadata-generation-failed

× Encountered error while generating package metadata.
╰─> See above for output.
""",
        "ModuleNotFoundError: No module named 'nothing_here'",
    ),
    "gcc: no headers": (
        """\
      [gcc -pthread] core/utils.o
      plugins/python/uwsgi_python.h:3:10: fatal error: Python.h: No such file or directory
          3 | #include <Python.h>
            |          ^~~~~~~~~~
      compilation terminated.
      error: command '/usr/bin/gcc' failed with exit code 1
""",
        "plugins/python/uwsgi_python.h:3:10: fatal error: Python.h: No such file or directory",
    ),
    "git: unknown repository": (
        """\
fatal: '/nonexistent/repo' does not appear to be a git repository
fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.
""",
        "'/nonexistent/repo' does not appear to be a git repository: Could not read from remote repository.",
    ),
    "git: no answer": (
        "fatal: unable to access 'https://git.example.com/x.git/': Failed to connect to git.example.com port 443\n",
        "unable to access 'https://git.example.com/x.git/': Failed to connect to git.example.com port 443",
    ),
    "git over ssh: no answer": (
        """\
ssh: connect to host git.example.com port 22: Connection refused
fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.
""",
        "ssh: connect to host git.example.com port 22: Connection refused: Could not read from remote repository.",
    ),
    "git over ssh: wrong key": (
        """\
Warning: Permanently added 'git.example.com' (ED25519) to the list of known hosts.
git@git.example.com: Permission denied (publickey).
fatal: Could not read from remote repository.
""",
        "git@git.example.com: Permission denied (publickey): Could not read from remote repository.",
    ),
    "python: a missing module": (
        "Traceback (most recent call last):\n  File a.py, line 1\nModuleNotFoundError: No module named 'x'\n",
        "ModuleNotFoundError: No module named 'x'",
    ),
    "python: one exception caused by another": (
        """\
Traceback (most recent call last):
  File "/srv/v/lib/python3.12/site-packages/django/db/backends/sqlite3/base.py", line 356, in execute
    return super().execute(query)
sqlite3.OperationalError: near "TABL": syntax error

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/v/lib/python3.12/site-packages/django/db/backends/sqlite3/base.py", line 356, in execute
    raise dj_exc_value.with_traceback(traceback) from exc_value
django.db.utils.OperationalError: near "TABL": syntax error
""",
        'django.db.utils.OperationalError: near "TABL": syntax error',
    ),
    "python: a syntax error": (
        "  File \"<string>\", line 1\n    x = (\n        ^\nSyntaxError: '(' was never closed\n",
        "SyntaxError: '(' was never closed",
    ),
    "django: a system check": (
        """\
Traceback (most recent call last):
  File "django/core/management/base.py", line 563, in check
    raise SystemCheckError(msg)
django.core.management.base.SystemCheckError: SystemCheckError: System check identified some issues:

ERRORS:
?: (admin.E403) A 'django.template.backends.django.DjangoTemplates' instance must be configured in TEMPLATES.

System check identified 1 issue (0 silenced).
""",
        "?: (admin.E403) A 'django.template.backends.django.DjangoTemplates' instance must be configured in TEMPLATES.",
    ),
    "django: settings": (
        """\
    raise ImproperlyConfigured(
django.core.exceptions.ImproperlyConfigured: You're using the staticfiles app without a STATIC_ROOT.
""",
        "django.core.exceptions.ImproperlyConfigured: You're using the staticfiles app without a STATIC_ROOT.",
    ),
    "uwsgi: no application": (
        """\
*** Operational MODE: single process ***
Traceback (most recent call last):
  File "mysite/wsgi.py", line 3, in <module>
ModuleNotFoundError: No module named 'nomod'
unable to load app 0 (mountpoint='') (callable not found or import error)
*** no app loaded. GAME OVER ***
""",
        "ModuleNotFoundError: No module named 'nomod' (mysite/wsgi.py:3)",
    ),
    "the probe of the collection": (
        ("error: the project overwrites DJANGO_SETTINGS_MODULE\n"),
        "the project overwrites DJANGO_SETTINGS_MODULE",
    ),
    "no recognizable reason": ("one\n\n  two  \n\n", "two"),
    "nothing": (" \n\n", ""),
}


@pytest.mark.parametrize("name", CAUSES)
def test_reason(name):
    output, wanted = CAUSES[name]
    assert reason(output) == wanted


# --- place and fix ---

SITE = "/opt/sites/shop/builds/0123456789ab"
DJANGO = "/opt/sites/shop/virtualenvs/fedcba987654/lib/python3.12/site-packages/django"
# The beginning of every failure of a project's settings.
SETTINGS = f"""\
Traceback (most recent call last):
  File "<stdin>", line 22, in main
  File "{DJANGO}/conf/__init__.py", line 166, in __init__
    mod = importlib.import_module(self.SETTINGS_MODULE)
  File "/usr/lib/python3.12/importlib/__init__.py", line 90, in import_module
  File "<frozen importlib._bootstrap>", line 1387, in _gcd_import
  File "{SITE}/overlay/pyweb_settings.py", line 6, in <module>
    from mysite.settings import *
  File "{SITE}/src/mysite/settings.py", line 87, in <module>
    FOO = something()
          ^^^^^^^^^^^
"""
PLACE = "(mysite/settings.py:87)"
KEY = "set MY_API_KEY in `env:` of the site"
PACKAGE = "to the requirements, or to `packages:` of the site"
AUTHORITY = (
    "for your own certificate authority set web_environment: {SSL_CERT_FILE: FILE, PIP_CERT: FILE, "
    "REQUESTS_CA_BUNDLE: FILE, GIT_SSL_CAINFO: FILE}, where FILE is the path of its certificates on the host"
)
UNREACHED = "check that this host can connect to it; behind a proxy set web_environment: {https_proxy: URL}"
UNRESOLVED = (
    "check that name, and DNS on this host (getent hosts NAME); behind a proxy set web_environment: {https_proxy: URL}"
)
RETRYING = (
    "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by '{}': /simple/six/\n"
    "ERROR: Could not find a version that satisfies the requirement six (from versions: none)\n"
    "ERROR: No matching distribution found for six\n"
)
NAME = "check its name and version in the requirements and in `packages:` of the site"
REFUSED = 'connection to server at "10.0.0.5", port 5432 failed: '
DATABASE = "`database:` of the site"
ADVISED = {
    # A variable that is missing in the environment.
    "os.environ": (
        f"{SETTINGS}  File \"<frozen os>\", line 685, in __getitem__\nKeyError: 'MY_API_KEY'\n",
        f"KeyError: 'MY_API_KEY' {PLACE}; {KEY}",
    ),
    "os.environ of an older Python": (
        f'{SETTINGS}  File "/usr/lib64/python3.9/os.py", line 679, in __getitem__\n    raise\n'
        "KeyError: 'MY_API_KEY'\n",
        f"KeyError: 'MY_API_KEY' {PLACE}; {KEY}",
    ),
    "the database of os.environ": (
        f"{SETTINGS}  File \"<frozen os>\", line 685, in __getitem__\nKeyError: 'DATABASE_URL'\n",
        f"KeyError: 'DATABASE_URL' {PLACE}; set {DATABASE}",
    ),
    "another mapping": (f"{SETTINGS}KeyError: 'default'\n", f"KeyError: 'default' {PLACE}"),
    "django-environ": (
        f'{SETTINGS}  File "{DJANGO}/../environ/environ.py", line 524, in get_value\n    raise ImproperlyConfigured\n'
        "django.core.exceptions.ImproperlyConfigured: Set the MY_API_KEY environment variable\n",
        f"django.core.exceptions.ImproperlyConfigured: Set the MY_API_KEY environment variable {PLACE}; {KEY}",
    ),
    "python-decouple": (
        f"{SETTINGS}decouple.UndefinedValueError: MY_API_KEY not found. Declare it as envvar or define a default "
        "value.\n",
        "decouple.UndefinedValueError: MY_API_KEY not found. Declare it as envvar or define a default value. "
        f"{PLACE}; {KEY}",
    ),
    "environs": (
        f'{SETTINGS}environs.exceptions.EnvError: Environment variable "MY_API_KEY" not set\n',
        f'environs.exceptions.EnvError: Environment variable "MY_API_KEY" not set {PLACE}; {KEY}',
    ),
    "pydantic-settings": (
        f"{SETTINGS}pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\nmy_api_key\n"
        "  Field required [type=missing, input_value={}, input_type=dict]\n",
        f"pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings {PLACE}; {KEY}",
    ),
    "the project's own message": (
        f"{SETTINGS}RuntimeError: MY_API_KEY environment variable is not set\n",
        f"RuntimeError: MY_API_KEY environment variable is not set {PLACE}; {KEY}",
    ),
    # The project's code.
    "a syntax error": (
        f'{SETTINGS}  File "{SITE}/src/gallery/views.py", line 66\n    this is no python\n               ^^^^^^\n'
        "SyntaxError: invalid syntax\n",
        "SyntaxError: invalid syntax (gallery/views.py:66: this is no python)",
    ),
    "a syntax error in code in place": (
        "  File \"/srv/shop/views.py\", line 1\n    x = (\n        ^\nSyntaxError: '(' was never closed\n",
        "SyntaxError: '(' was never closed (/srv/shop/views.py:1: x = ()",
    ),
    "a wrong indentation": (
        f'{SETTINGS}  File "{SITE}/src/a.py", line 3\n    x = 1\nTabError: inconsistent use of tabs\n',
        "TabError: inconsistent use of tabs (a.py:3: x = 1)",
    ),
    "an exception with an unusual name": (
        f"{SETTINGS}sentry_sdk.utils.BadDsn: no scheme\n",
        f"sentry_sdk.utils.BadDsn: no scheme {PLACE}",
    ),
    "an exception under uWSGI": (
        'Traceback (most recent call last):\n  File "./mysite/wsgi.py", line 3, in <module>\n    f()\n'
        "Oops\nunable to load app 0\nsystemd says more\n",
        "Oops (mysite/wsgi.py:3)",
    ),
    "an exception of a library": (
        f'Traceback (most recent call last):\n  File "{DJANGO}/x.py", line 3, in f\nValueError: bad\n',
        "ValueError: bad",
    ),
    "a missing package": (
        f"{SETTINGS}ModuleNotFoundError: No module named 'rest_framework'\n",
        f"ModuleNotFoundError: No module named 'rest_framework' {PLACE}; add djangorestframework {PACKAGE}",
    ),
    "a missing module of the project": (
        f"{SETTINGS}ModuleNotFoundError: No module named 'mysite.local'\n",
        f"ModuleNotFoundError: No module named 'mysite.local' {PLACE}; if the repository does not contain that file, "
        "add it with `files: {mysite/local.py: ...}` of the site",
    ),
    "missing development settings": (
        f"{SETTINGS.partition('    from mysite')[0]}    from mysite.settings.local import *\n"
        "ModuleNotFoundError: No module named 'mysite.settings.local'\n",
        "ModuleNotFoundError: No module named 'mysite.settings.local'; "
        "correct `settings_module:` of the site; the source has no mysite.settings.local",
    ),
    "a wrong settings_module": (
        f"{SETTINGS.partition('    from mysite')[0]}    from mysite.settingz import *\n"
        "ModuleNotFoundError: No module named 'mysite.settingz'\n",
        "ModuleNotFoundError: No module named 'mysite.settingz'; "
        "correct `settings_module:` of the site; the source has no mysite.settingz",
    ),
    "a wrong wsgi": (
        f'Traceback (most recent call last):\n  File "{SITE}/overlay/pyweb_wsgi.py", line 36, in <module>\n'
        "    from mysite.wsgi import app as application\n    ^^^^^^\n"
        "ImportError: cannot import name 'app' from 'mysite.wsgi' (x/wsgi.py)\n",
        "ImportError: cannot import name 'app' from 'mysite.wsgi' (x/wsgi.py); "
        "correct `wsgi:` of the site; the source has no mysite.wsgi:app",
    ),
    # The database.
    "a wrong password": (
        f'OperationalError: {REFUSED}FATAL:  password authentication failed for user "shop"\n',
        f'OperationalError: {REFUSED}FATAL:  password authentication failed for user "shop"; '
        f"correct the user and the password in {DATABASE}",
    ),
    "MySQL: a wrong password": (
        "django.db.utils.OperationalError: (1045, \"Access denied for user 'shop'@'h' (using password: YES)\")\n",
        "django.db.utils.OperationalError: (1045, \"Access denied for user 'shop'@'h' (using password: YES)\"); "
        f"correct the user and the password in {DATABASE}",
    ),
    "unknown database": (
        f'OperationalError: {REFUSED}FATAL:  database "shop" does not exist\n',
        f'OperationalError: {REFUSED}FATAL:  database "shop" does not exist; '
        f"create that database on its server, or correct its name in {DATABASE}",
    ),
    "unknown user": (
        f'OperationalError: {REFUSED}FATAL:  role "shop" does not exist\n',
        f'OperationalError: {REFUSED}FATAL:  role "shop" does not exist; '
        f"create that user on the database server, or correct it in {DATABASE}",
    ),
    "no database server": (
        f"OperationalError: connection failed: {REFUSED}Connection refused\n\tIs the server running on that host?\n",
        f"OperationalError: connection failed: {REFUSED}Connection refused; "
        f"start the database there, or correct the address in {DATABASE}",
    ),
    "an unknown database host": (
        "OperationalError: failed to resolve host 'db.invalid': [Errno -2] Name or service not known\n",
        "OperationalError: failed to resolve host 'db.invalid': [Errno -2] Name or service not known; "
        f"start the database there, or correct the address in {DATABASE}",
    ),
    "no driver": (
        "django.core.exceptions.ImproperlyConfigured: Error loading psycopg2 or psycopg module\n",
        "django.core.exceptions.ImproperlyConfigured: Error loading psycopg2 or psycopg module; "
        "add psycopg[binary] to `packages:` of the site",
    ),
    "MySQL: no driver": (
        "ImproperlyConfigured: Error loading MySQLdb module.\nDid you install mysqlclient?\n",
        "ImproperlyConfigured: Error loading MySQLdb module; add mysqlclient to `packages:` of the site",
    ),
    # A certificate authority that the host does not trust.
    "uv: an unknown authority": (
        "error: Failed to fetch: https://i.example/six/\n  cause: client error (Connect)\n"
        "  cause: invalid peer certificate: UnknownIssuer\n\nhint: Consider system TLS certificates\n",
        f"Failed to fetch: https://i.example/six/: invalid peer certificate: UnknownIssuer; {AUTHORITY}",
    ),
    "pip: an unknown authority": (
        RETRYING.format(
            "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
            "unable to get local issuer certificate (_ssl.c:992)'))"
        ),
        "ERROR: No matching distribution found for six: certificate verify failed: unable to get local issuer "
        f"certificate; {AUTHORITY}",
    ),
    "git: an unknown authority": (
        "fatal: unable to access 'https://g.example/x.git/': SSL certificate problem: unable to get local issuer "
        "certificate\n",
        "unable to access 'https://g.example/x.git/': SSL certificate problem: unable to get local issuer "
        f"certificate; {AUTHORITY}",
    ),
    "git with GnuTLS: an unknown authority": (
        "fatal: unable to access 'https://g.example/x.git/': server certificate verification failed. CAfile: none\n",
        "unable to access 'https://g.example/x.git/': server certificate verification failed. CAfile: none; "
        f"{AUTHORITY}",
    ),
    "a fetch: an unknown authority": (
        "https://a.example/x.tar.gz: <urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
        "self-signed certificate in certificate chain (_ssl.c:1000)>",
        "https://a.example/x.tar.gz: <urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
        f"self-signed certificate in certificate chain (_ssl.c:1000)>; {AUTHORITY}",
    ),
    "apt: an unknown authority": (
        "Err: Certificate verification failed: The certificate is NOT trusted. The certificate issuer is unknown.\n",
        "Err: Certificate verification failed: The certificate is NOT trusted. The certificate issuer is unknown; for "
        "your own certificate authority put its certificate below /usr/local/share/ca-certificates on the host, "
        "and run update-ca-certificates there",
    ),
    "an expired certificate": (
        "error: Failed to fetch: https://i.example/\n  cause: invalid peer certificate: certificate expired\n",
        "Failed to fetch: https://i.example/: invalid peer certificate: certificate expired; "
        "check the clock of the host (timedatectl), and the certificate of that server",
    ),
    # The network.
    "pip: unknown index": (
        RETRYING.format("NewConnectionError('failed: [Errno -3] Temporary failure in name resolution')"),
        f"ERROR: No matching distribution found for six: Temporary failure in name resolution; {UNRESOLVED}",
    ),
    "pip: no answer": (
        RETRYING.format("NewConnectionError('failed: [Errno 111] Connection refused')"),
        f"ERROR: No matching distribution found for six: Connection refused; {UNREACHED}",
    ),
    "git: unknown host": (
        "fatal: unable to access 'https://g.invalid/x.git/': Could not resolve host: g.invalid\n",
        f"unable to access 'https://g.invalid/x.git/': Could not resolve host: g.invalid; {UNRESOLVED}",
    ),
    "uv: no answer": (CAUSES["uv: no network"][0], f"{CAUSES['uv: no network'][1]}; {UNREACHED}"),
    "a fetch: not found": (
        "https://a.example/x.tar.gz: HTTP Error 404: Not Found",
        "https://a.example/x.tar.gz: HTTP Error 404: Not Found; check the URL",
    ),
    "a fetch: forbidden": (
        "https://a.example/x.tar.gz: HTTP Error 403: Forbidden",
        "https://a.example/x.tar.gz: HTTP Error 403: Forbidden; the server requires authentication: check the URL and "
        "its credentials",
    ),
    # Repositories and packages.
    "git: a wrong key": (
        CAUSES["git over ssh: wrong key"][0],
        "git@git.example.com: Permission denied (publickey): Could not read from remote repository; "
        "add the site's deploy key to the repository, and name it in `source.key` of the site",
    ),
    "git: a wrong path": (
        CAUSES["git: unknown repository"][0],
        "'/nonexistent/repo' does not appear to be a git repository: Could not read from remote repository; "
        "check `source.git` of the site",
    ),
    "git: a private repository": (
        "fatal: could not read Username for 'https://g.example': terminal prompts disabled\n",
        "could not read Username for 'https://g.example': terminal prompts disabled; the repository is private or does "
        "not exist: check `source.git` of the site, or use its ssh URL with `source.key`",
    ),
    "uv: a misspelt package": (
        CAUSES["uv: unknown package"][0],
        f"{CAUSES['uv: unknown package'][1].rstrip('.')}; {NAME}",
    ),
    "pip: a misspelt package": (
        CAUSES["pip: unknown version"][0],
        f"ERROR: No matching distribution found for Django>=99; {NAME}",
    ),
    "psycopg2 without a compiler": (
        "error: Failed to build `psycopg2==2.9`\n  cause: pg_config executable not found\n",
        "Failed to build `psycopg2==2.9`: pg_config executable not found; "
        "require psycopg2-binary or psycopg[binary], which need no compiler",
    ),
    "a missing module in the build of a package": (
        CAUSES["uv: a package that cannot be built"][0],
        "ModuleNotFoundError: No module named 'nothing_here'",
    ),
    "an exception group": (
        """\
  + Exception Group Traceback (most recent call last):
  |   File "/opt/sites/shop/builds/0123456789ab/src/shop/views.py", line 3, in page
  |     raise ExceptionGroup("many", found)
  | ExceptionGroup: many (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/opt/sites/shop/builds/0123456789ab/src/shop/views.py", line 1, in find
    | ZeroDivisionError: division by zero
    +---------------- 2 ----------------
    | ValueError: two
    +------------------------------------
""",
        "ZeroDivisionError: division by zero (shop/views.py:1)",
    ),
    "uv with other marks: a private certificate authority": (
        """\
error: Failed to fetch: `https://index.example.com/simple/six/`
  Caused by: error sending request for url (https://index.example.com/simple/six/)
  Caused by: client error (Connect)
  Caused by: invalid peer certificate: UnknownIssuer
""",
        "Failed to fetch: `https://index.example.com/simple/six/`: invalid peer certificate: UnknownIssuer; "
        + AUTHORITY,
    ),
    "a log in a missing directory": (
        """\
Traceback (most recent call last):
  File "/usr/lib/python3.12/logging/__init__.py", line 1263, in _open
FileNotFoundError: [Errno 2] No such file or directory: '/var/log/shop/app.log'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/usr/lib/python3.12/logging/config.py", line 578, in configure
ValueError: Unable to configure handler 'file'
""",
        "ValueError: Unable to configure handler 'file': FileNotFoundError: [Errno 2] No such file or directory: "
        "'/var/log/shop/app.log'; create its directory on the host, writable for the site's user, or set LOGGING in "
        "`settings:` of the site",
    ),
    "django-configurations": (
        "ValueError: Value 'KEY' needs to be set; environ var DJANGO_KEY\n",
        "ValueError: Value 'KEY' needs to be set; environ var DJANGO_KEY; set DJANGO_KEY in `env:` of the site",
    ),
    "PostgreSQL refuses connections": (
        'django.db.utils.OperationalError: connection to server at "192.0.2.1", port 5432 failed: FATAL:  no '
        'pg_hba.conf entry for host "192.0.2.2"\n',
        'django.db.utils.OperationalError: connection to server at "192.0.2.1", port 5432 failed: FATAL:  no '
        'pg_hba.conf entry for host "192.0.2.2"; allow this host in the pg_hba.conf of the database server',
    ),
    # The host.
    "a full disk": (
        "error: failed to write to file `/opt/x`\n  cause: No space left on device (os error 28)\n",
        "failed to write to file `/opt/x`: No space left on device (os error 28); "
        "free room there: df -h shows what is full",
    ),
}


def test_markers_below_a_line_of_code_are_not_the_reason():
    """They are the last line of a truncated traceback; the line above at least shows the code."""
    output = (
        'Traceback (most recent call last):\n  File "/app/src/shop/views.py", line 3, in page\n'
        "    return int(text)\n           ^^^~~~~~\n"
    )
    assert reason(output) == "return int(text)"
    assert cause(output) == "return int(text)"


@pytest.mark.parametrize("name", ADVISED)
def test_cause_has_the_place_and_the_fix(name):
    output, wanted = ADVISED[name]
    assert cause(output) == wanted


@pytest.mark.parametrize(
    ("output", "packages"),
    [
        ('OSError: no library called "cairo-2" was found', "[libcairo2]` to the site (EL: cairo)"),
        ('django.core.exceptions.ImproperlyConfigured: Could not find the GDAL library (tried "gdal")', "[gdal-bin]"),
        ("ImportError: failed to find libmagic.  Check your installation", "[libmagic1]"),
        ("OSError: cannot load library 'libgobject-2.0-0': libgobject-2.0-0: cannot open", "libpangoft2-1.0-0]"),
        ("ImportError: libmysqlclient.so.21: cannot open shared object file: No such file", "[default-libmysqlclie"),
        (
            "ImportError: libfoo.so.1: cannot open shared object file: No such file or directory",
            "package with that lib",
        ),
    ],
)
def test_a_missing_shared_library_names_its_package(output, packages):
    assert packages in cause(output).partition("; ")[2]


IN_THE_CODE = {
    "a file in the code that the site cannot write": (
        """\
Traceback (most recent call last):
  File "/opt/sites/shop/builds/0123456789ab/src/shop/views.py", line 7, in upload
    open(BASE_DIR / "var" / "uploads" / "a.txt", "w")
PermissionError: [Errno 13] Permission denied: '/opt/sites/shop/builds/0123456789ab/src/var/uploads/a.txt'
""",
        "PermissionError: [Errno 13] Permission denied: "
        "'/opt/sites/shop/builds/0123456789ab/src/var/uploads/a.txt' (shop/views.py:7); the site is not allowed to "
        "write there: set `writable: [var/uploads]` of the site",
    ),
    "a directory in the code that the site cannot create": (
        "OSError: [Errno 30] Read-only file system: '/opt/sites/shop/current/src/uploads'",
        "OSError: [Errno 30] Read-only file system: '/opt/sites/shop/current/src/uploads'; the site is not allowed "
        "to write there: set `writable: [uploads]` of the site",
    ),
    "a log in a missing directory": (
        """\
FileNotFoundError: [Errno 2] No such file or directory: '/opt/sites/shop/builds/0123456789ab/src/logs/django.log'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/usr/lib/python3.11/logging/config.py", line 575, in configure
    raise ValueError('Unable to configure handler '
ValueError: Unable to configure handler 'file'
""",
        "ValueError: Unable to configure handler 'file': FileNotFoundError: [Errno 2] No such file or directory: "
        "'/opt/sites/shop/builds/0123456789ab/src/logs/django.log'; the site is not allowed to write there: set "
        "`writable: [logs]` of the site",
    ),
    "a missing file that is read": (
        "FileNotFoundError: [Errno 2] No such file or directory: '/opt/sites/shop/builds/0123456789ab/src/a/b.json'",
        "FileNotFoundError: [Errno 2] No such file or directory: '/opt/sites/shop/builds/0123456789ab/src/a/b.json'; "
        "if the repository does not contain that file, add it with `files: {a/b.json: ...}` of the site",
    ),
    "a file that is read from the current directory": (
        "FileNotFoundError: [Errno 2] No such file or directory: 'config.json'",
        "FileNotFoundError: [Errno 2] No such file or directory: 'config.json'; if the repository does not contain "
        "that file, add it with `files: {config.json: ...}` of the site",
    ),
    "a missing program": (
        "FileNotFoundError: [Errno 2] No such file or directory: 'git'",
        "FileNotFoundError: [Errno 2] No such file or directory: 'git'",
    ),
    "settings that are not in the repository": (
        "ModuleNotFoundError: No module named 'shop.local_settings'",
        "ModuleNotFoundError: No module named 'shop.local_settings'; if the repository does not contain that file, "
        "add it with `files: {shop/local_settings.py: ...}` of the site",
    ),
    "a missing module in a package of the source": (
        "ImportError: cannot import name 'configuration' from 'netbox' "
        "(/opt/sites/shop/builds/0123456789ab/src/netbox/netbox/__init__.py)",
        "ImportError: cannot import name 'configuration' from 'netbox' "
        "(/opt/sites/shop/builds/0123456789ab/src/netbox/netbox/__init__.py); if the repository does not contain that "
        "file, add it with `files: {netbox/netbox/configuration.py: ...}` of the site",
    ),
    "a log outside of the code": (
        "ValueError: Unable to configure handler 'f': FileNotFoundError: [Errno 2] No such file or directory: "
        "'/var/log/x'",
        "ValueError: Unable to configure handler 'f': FileNotFoundError: [Errno 2] No such file or directory: "
        "'/var/log/x'; create its directory on the host, writable for the site's user, or set LOGGING in `settings:` "
        "of the site",
    ),
}


@pytest.mark.parametrize("name", IN_THE_CODE)
def test_a_file_that_the_site_writes_into_its_code_is_named(name):
    output, wanted = IN_THE_CODE[name]
    assert cause(output) == wanted
