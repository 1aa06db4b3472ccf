# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fixes for known failures: which key or variable of the inventory solves them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .refusals import refusal

# Messages about an untrusted certificate: of uv, Python and pip, curl and git, git with GnuTLS.
_UNTRUSTED = (
    r"invalid peer certificate: UnknownIssuer"
    r"|(?:certificate verify failed|SSL certificate problem): "
    r"(?:unable to get (?:local )?issuer certificate|self[- ]signed certificate(?: in certificate chain)?)"
    r"|server certificate verification failed"
)
_OUTDATED = r"(?i:certificate (?:has )?expired|certificate is not yet valid|CertificateExpired|NotValidYet)"
_UNRESOLVED = (
    r"Could not resolve host(?:name)?:? ?\S*|[Ff]ailed to lookup address information"
    r"|Temporary failure in name resolution|Name or service not known|Temporary failure resolving '[^']*'"
)
_UNREACHED = r"Connection refused|Connection timed out|Network is unreachable|No route to host"
# Faults that a program's last message does not name: pip continues without an index, and finds nothing.
_ROOT = rf"(?m)^WARNING: Retrying .*?({_UNTRUSTED}|{_UNRESOLVED}|{_UNREACHED})"
# A setting that only the environment can provide. The group is its name.
_VARIABLES = (
    r"Set the (\w+) environment variable",  # django-environ
    r"UndefinedValueError: (\w+) not found",  # python-decouple
    r"[Ee]nvironment variable ['\"]?([A-Z][A-Z0-9_]+)['\"]?",  # environs, and what projects raise themselves
    r"\b([A-Z][A-Z0-9_]+)['\"]? (?:environment|env) ?var",
    r"\benviron var ([A-Z][A-Z0-9_]+)",  # django-configurations
)
# The overlay imports a module that the site or the project names, and it does not exist.
_NAMED = re.compile(
    r'/overlay/pyweb_(?P<file>settings|wsgi|entry)\.py", line [0-9]+, in <module>\n'
    r"\s+from (?P<module>[\w.]+) import (?P<name>\S+).*\n"
    r"(?:\s*[~^]+\n)?(?:ModuleNotFoundError|ImportError): "
)
# A path in the code of a build, which only root writes; and a log in a directory there that does not exist.
_IN_CODE = r"'/\S*?/(?:builds/[0-9a-f]+|releases/[0-9a-f]+|current)/src/(?P<path>[^']+)'"
_WRITTEN = re.compile(rf"(?:Permission denied|Read-only file system): {_IN_CODE}")
_LOGGED = re.compile(rf"No such file or directory: {_IN_CODE}")
# A file that the project reads, in the code or relative to it, and that does not exist.
_READ = re.compile(
    rf"FileNotFoundError: \[Errno 2\] No such file or directory: (?:{_IN_CODE}|'(?P<relative>[\w-][^'/]*[./][^']*)')"
)
# Modules that projects keep out of their repositories, and a module that is missing from a package of the code.
_LOCAL = re.compile(
    r"ModuleNotFoundError: No module named '"
    r"(?P<module>(?:\w+\.)*(?:\w*local\w*|\w*secrets?\w*|configuration|credentials))'"
)
_NOT_IN_PACKAGE = re.compile(
    r"ImportError: cannot import name '(?P<name>\w+)' from '[\w.]+' "
    r"\(/\S*?/builds/[0-9a-f]+/src/(?P<package>\S+)/__init__\.py\)"
)
# A missing module in the environment that a package is built in is not a requirement of the project.
_BUILDING = r"build backend|build_meta|subprocess-exited-with-error"
# Packages with another name than their module.
PACKAGES = {
    "allauth": "django-allauth",
    "bs4": "beautifulsoup4",
    "compressor": "django-compressor",
    "corsheaders": "django-cors-headers",
    "crispy_forms": "django-crispy-forms",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "debug_toolbar": "django-debug-toolbar",
    "decouple": "python-decouple",
    "django_extensions": "django-extensions",
    "django_filters": "django-filter",
    "dotenv": "python-dotenv",
    "environ": "django-environ",
    "graphene_django": "graphene-django",
    "import_export": "django-import-export",
    "jwt": "PyJWT",
    "MySQLdb": "mysqlclient",
    "PIL": "Pillow",
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
    "rest_framework": "djangorestframework",
    "sklearn": "scikit-learn",
    "storages": "django-storages",
    "yaml": "PyYAML",
}


@dataclass(frozen=True)
class Known:
    """A known fault by a program's message, and its fix; `\\1` is the first group of the pattern."""

    pattern: str
    advice: str


# Each program reads its own variable: uv and programs that download, pip, requests, git.
AUTHORITY = (
    "for your own certificate authority set web_environment: {SSL_CERT_FILE: FILE, PIP_CERT: FILE, "
    "REQUESTS_CA_BUNDLE: FILE, GIT_SSL_CAINFO: FILE}, where FILE is the path of its certificates on the host"
)
_DATABASE = "`database:` of the site"
KNOWN = (
    Known(_UNTRUSTED, AUTHORITY),
    Known(  # apt, which reads no variable
        r"The certificate is NOT trusted\. The certificate issuer is unknown",
        "for your own certificate authority put its certificate below /usr/local/share/ca-certificates on the "
        "host, and run update-ca-certificates there",
    ),
    Known(_OUTDATED, "check the clock of the host (timedatectl), and the certificate of that server"),
    Known(r"Failed to (?:connect to|create) bus\b", "commands run as units: install the package dbus on the host"),
    Known(r"No space left on device|Disk quota exceeded", "free room there: df -h shows what is full"),
    # The database, in the messages of PostgreSQL and MySQL.
    Known(
        r"password authentication failed|no password supplied|Access denied for user",
        f"correct the user and the password in {_DATABASE}",
    ),
    Known(
        r"database \"([^\"]+)\" does not exist|Unknown database '([^']+)'",
        f"create that database on its server, or correct its name in {_DATABASE}",
    ),
    Known(
        r"role \"([^\"]+)\" does not exist", (f"create that user on the database server, or correct it in {_DATABASE}")
    ),
    Known(r"no pg_hba\.conf entry", "allow this host in the pg_hba.conf of the database server"),
    Known(
        r"connection to server (?:at|on)|failed to resolve host|could not translate host name"
        r"|Can't connect to (?:local )?(?:MySQL )?server|connection timeout expired",
        f"start the database there, or correct the address in {_DATABASE}",
    ),
    Known(
        r"no such table: |relation \"[^\"]+\" does not exist|Table '[^']+' doesn't exist",
        "migrate creates the tables of models; a step `manage: createcachetable` in `release:` of the site creates "
        "that of a "
        "cache",
    ),
    Known(r"Error loading psycopg2", "add psycopg[binary] to `packages:` of the site"),
    Known(r"Error loading MySQLdb", "add mysqlclient to `packages:` of the site"),
    # Sources and packages.
    Known(
        r"Permission denied \(publickey|Host key verification failed",
        "add the site's deploy key to the repository, and name it in `source.key` of the site",
    ),
    Known(
        r"could not read Username|Authentication failed for",
        "the repository is private or does not exist: check `source.git` of the site, or use its ssh URL with "
        "`source.key`",
    ),
    Known(
        r"does not appear to be a git repository|[Rr]epository .*not found|ERROR: Repository not found",
        "check `source.git` of the site",
    ),
    Known(
        rf"{_UNRESOLVED}",
        "check that name, and DNS on this host (getent hosts NAME); behind a proxy set web_environment: "
        "{https_proxy: URL}",
    ),
    Known(
        # With `[o]`, because `ansible-test sanity` takes the word for a call.
        rf"(?:Failed to connect|connect to host|url[o]pen error|Failed to fetch|distribution found).*(?:{_UNREACHED})",
        "check that this host can connect to it; behind a proxy set web_environment: {https_proxy: URL}",
    ),
    Known(
        r"was not found in the package registry|No matching distribution found|(?:there is|are) no versions? of",
        "check its name and version in the requirements and in `packages:` of the site",
    ),
    Known(r"pg_config executable not found", "require psycopg2-binary or psycopg[binary], which need no compiler"),
    # Libraries that packages load when they are imported: Debian's package, EL's.
    *(
        Known(pattern, f"add `system_packages: [{debian}]` to the site (EL: {el})")
        for pattern, debian, el in (
            (r"Could not find the (?:GDAL|GEOS) library|libg(?:dal|eos)\S*\.so", "gdal-bin", "gdal-libs"),
            (r"SpatiaLite library extension", "libsqlite3-mod-spatialite", "libspatialite"),
            (r"no library called \"cairo|libcairo\S*\.so", "libcairo2", "cairo"),
            (
                r"cannot load library 'lib(?:gobject|pango)|libpango\S*\.so",
                "libpango-1.0-0, libpangoft2-1.0-0",
                "pango",
            ),
            (r"failed to find libmagic|libmagic\.so", "libmagic1", "file-libs"),
            (r"lib(?:mysqlclient|mariadb)\S*\.so", "default-libmysqlclient-dev", "mariadb-connector-c"),
            (r"libpq\.so", "libpq5", "libpq"),
            (r"libxmlsec1\S*\.so", "libxmlsec1-openssl", "xmlsec1-openssl"),
            (r"libGL\.so", "libgl1", "mesa-libGL"),
        )
    ),
    Known(
        r"\S+\.so[.0-9]*: cannot open shared object file|cannot load library '",
        "add the distribution's package with that library to `system_packages:` of the site",
    ),
    Known(
        r"Unable to configure handler .*(?:No such file or directory|Permission denied): '/",
        "create its directory on the host, writable for the site's user, or set LOGGING in `settings:` of the site",
    ),
    Known(r"HTTP Error 40[13]\b", "the server requires authentication: check the URL and its credentials"),
    Known(r"HTTP Error (404|410)\b", "check the URL"),
)


def root_cause(output: str) -> str:
    """Return the fault that causes a program's last message, if the message does not name it; '' if there is none."""
    found = re.search(_ROOT, output)
    return found[1].strip() if found else ""


def advice_on(output: str, reason: str) -> str:
    """Return the fix for a failure with this reason; '' if none is known."""
    refused = _WRITTEN.search(reason) or (_LOGGED.search(reason) if "configure handler" in reason else None)
    if refused:
        folder, _slash, name = refused["path"].rpartition("/")
        return f"the site is not allowed to write there: set `writable: [{folder or name}]` of the site"
    outside = refusal(reason)
    if outside and not re.match(r"(?:ModuleNotFound|Import)Error", reason):
        return f"to allow that in the sandbox, set `uwsgi: {{unit: {{{outside.line}}}}}` of the site"
    variable = missing_variable(output, reason)
    if variable == "DATABASE_URL":
        return f"set {_DATABASE}"
    if variable:
        return f"set {variable} in `env:` of the site"
    named = _NAMED.search(output)
    if named:
        key, what = "settings_module", named["module"]
        if named["file"] != "settings":
            key, what = "wsgi", f"{named['module']}:{named['name']}"
        return f"correct `{key}:` of the site; the source has no {what}"
    lacking = _not_in_repository(reason)
    if lacking:
        return f"if the repository does not contain that file, add it with `files: {{{lacking}: ...}}` of the site"
    module = re.match(r"ModuleNotFoundError: No module named '(\w+)'", reason)
    if module and not re.search(_BUILDING, output):
        package = PACKAGES.get(module[1], module[1])
        return f"add {package} to the requirements, or to `packages:` of the site"
    for known in KNOWN:
        if re.search(known.pattern, reason):
            return known.advice
    return ""


def _not_in_repository(reason: str) -> str:
    """Return the path in the source of a file that a project expects outside its repository; '' if it is none."""
    read, module, name = _READ.search(reason), _LOCAL.match(reason), _NOT_IN_PACKAGE.match(reason)
    if read and "configure handler" not in reason:
        return read["path"] or read["relative"].removeprefix("./")
    if module:
        return module["module"].replace(".", "/") + ".py"
    return f"{name['package']}/{name['name']}.py" if name else ""


def missing_variable(output: str, reason: str) -> str:
    """Return the variable that the project looked up in its environment without success, or ''."""
    key = re.match(r"KeyError: '(\w+)'", reason)
    if key:
        # Other code raises KeyError too: this one must be raised by os.environ.
        frames = re.findall(r'(?m)^\s*File "([^"]+)", line [0-9]+, in (\S+)', output.rpartition(key[0])[0])
        raised_by = frames[-1] if frames else ("", "")
        own = re.fullmatch(r"<frozen os>|.*/os\.py", raised_by[0]) and raised_by[1] == "__getitem__"
        return key[1] if own else ""
    if not re.match(r"[\w.]+: ", reason):
        return ""
    for pattern in _VARIABLES:
        found = re.search(pattern, reason)
        if found:
            return found[1]
    # pydantic-settings: one line for each field, followed by its error.
    if re.match(r"[\w.]*ValidationError: [0-9]+ validation errors? for \w*(?:Settings|Config|Env)", reason):
        field = re.search(r"(?m)^(\w+)\n\s+Field required \[type=missing", output)
        return field[1].upper() if field else ""
    return ""
