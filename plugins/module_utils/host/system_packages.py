# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packages of PyPI that may have to be compiled, and the distribution's packages that compiling them takes.

Names of packages are those of Debian 12 and 13 with Ubuntu, and of EL 9 and 10 with EPEL and CRB.
"""

from __future__ import annotations

import re

DEBIAN, REDHAT = "Debian", "RedHat"
# What every compilation takes.
COMPILER = {DEBIAN: ("gcc", "libc6-dev"), REDHAT: ("gcc",)}
HEADERS = {DEBIAN: ("python3-dev",), REDHAT: ("python3-devel",)}

_POSTGRESQL = ("libpq-dev",), ("libpq-devel",)
_MYSQL = ("default-libmysqlclient-dev", "pkg-config"), ("mariadb-connector-c-devel", "pkgconf-pkg-config")
_XML = ("libxml2-dev", "libxslt1-dev"), ("libxml2-devel", "libxslt-devel")
_CAIRO = ("libcairo2-dev", "pkg-config"), ("cairo-devel", "pkgconf-pkg-config")
_IMAGES = (
    ("libjpeg-dev", "zlib1g-dev", "libfreetype-dev", "libtiff-dev", "libwebp-dev", "libopenjp2-7-dev"),
    ("libjpeg-turbo-devel", "zlib-devel", "freetype-devel", "libtiff-devel", "libwebp-devel", "openjpeg2-devel"),
)
_LDAP = ("libldap2-dev", "libsasl2-dev"), ("openldap-devel", "cyrus-sasl-devel")
_XMLSEC = (
    ("libxmlsec1-dev", "libxml2-dev", "pkg-config"),
    ("xmlsec1-devel", "xmlsec1-openssl-devel", "libxml2-devel", "libtool-ltdl-devel"),
)
_RUST = ("cargo", "rustc", "libssl-dev", "libffi-dev", "pkg-config"), ("cargo", "rust", "openssl-devel", "libffi-devel")
_CPP = ("g++",), ("gcc-c++",)
_GEO = ("libgdal-dev", "g++"), ("gdal-devel", "gcc-c++")
_FFI = ("libffi-dev",), ("libffi-devel",)
_ODBC = ("unixodbc-dev", "g++"), ("unixODBC-devel", "gcc-c++")
_KERBEROS = ("libkrb5-dev",), ("krb5-devel",)
_MEMCACHED = ("libmemcached-dev", "zlib1g-dev"), ("libmemcached-awesome-devel", "zlib-devel")
_CURL = ("libcurl4-openssl-dev", "libssl-dev"), ("libcurl-devel", "openssl-devel")
_GRAPHVIZ = ("graphviz", "libgraphviz-dev", "pkg-config"), ("graphviz", "graphviz-devel", "pkgconf-pkg-config")
_DBUS = ("libdbus-1-dev", "libglib2.0-dev", "pkg-config"), ("dbus-devel", "glib2-devel")
_NOTHING: tuple[tuple[str, ...], tuple[str, ...]] = (), ()

# Package of PyPI -> (of Debian, of EL).
PACKAGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "argon2-cffi-bindings": _FFI,
    "bcrypt": _RUST,
    "bjoern": (("libev-dev",), ("libev-devel",)),
    "brotli": _CPP,
    "cairocffi": _CAIRO,
    "cffi": _FFI,
    "confluent-kafka": (("librdkafka-dev",), ("librdkafka-devel",)),
    "cryptography": _RUST,
    "cx-oracle": _NOTHING,
    "dbus-python": _DBUS,
    "fiona": _GEO,
    "gdal": _GEO,
    "gevent": _FFI,
    "greenlet": _CPP,
    "grpcio": _CPP,
    "gssapi": _KERBEROS,
    "h5py": (("libhdf5-dev", "pkg-config"), ("hdf5-devel",)),
    "hiredis": _NOTHING,
    "jpype1": _CPP,
    "kerberos": _KERBEROS,
    "lxml": _XML,
    "m2crypto": (("libssl-dev", "swig"), ("openssl-devel", "swig")),
    "markupsafe": _NOTHING,
    "mod-wsgi": (("apache2-dev",), ("httpd-devel", "redhat-rpm-config")),
    "mysqlclient": _MYSQL,
    "netifaces": _NOTHING,
    "numpy": _CPP,
    "orjson": _RUST,
    "pandas": _CPP,
    "pillow": _IMAGES,
    "psutil": _NOTHING,
    "psycopg-c": _POSTGRESQL,
    "psycopg2": _POSTGRESQL,
    "pycairo": _CAIRO,
    "pycurl": _CURL,
    "pydantic-core": _RUST,
    "pygobject": (
        ("libgirepository1.0-dev", "libcairo2-dev", "pkg-config"),
        ("gobject-introspection-devel", "cairo-gobject-devel"),
    ),
    "pygraphviz": _GRAPHVIZ,
    "pyicu": (("libicu-dev", "g++", "pkg-config"), ("libicu-devel", "gcc-c++")),
    "pykerberos": _KERBEROS,
    "pylibmc": _MEMCACHED,
    "pymssql": (("freetds-dev", "libssl-dev"), ("freetds-devel", "openssl-devel")),
    "pynacl": (("libsodium-dev", "libffi-dev", "make"), ("libsodium-devel", "libffi-devel", "make")),
    "pyodbc": _ODBC,
    "pyproj": (("libproj-dev", "proj-bin"), ("proj-devel", "proj")),
    "python-ldap": _LDAP,
    "python-magic-bin": _NOTHING,
    "python-snappy": (("libsnappy-dev", "g++"), ("snappy-devel", "gcc-c++")),
    "pyyaml": (("libyaml-dev",), ("libyaml-devel",)),
    "pyzmq": (("libzmq3-dev", "g++"), ("zeromq-devel", "gcc-c++")),
    "rasterio": _GEO,
    "reportlab": (("libfreetype-dev",), ("freetype-devel",)),
    "rcssmin": _NOTHING,
    "rjsmin": _NOTHING,
    "rlpycairo": _CAIRO,
    "rpds-py": _RUST,
    "scikit-learn": _CPP,
    "scipy": (("g++", "gfortran", "libopenblas-dev", "pkg-config"), ("gcc-c++", "gcc-gfortran", "openblas-devel")),
    "setproctitle": _NOTHING,
    "shapely": (("libgeos-dev",), ("geos-devel",)),
    "tokenizers": _RUST,
    "ujson": _CPP,
    "uwsgi": (("libpcre2-dev",), ("pcre2-devel",)),
    "xmlsec": _XMLSEC,
    "zstandard": _NOTHING,
}

# Of those, packages that install without a compiler as well, only slower at run time.
OPTIONAL = ("markupsafe", "pyyaml", "rcssmin", "reportlab", "rjsmin")

# What a compilation misses -> (of Debian, of EL), for packages that are not in the table. Patterns of headers, programs
# and libraries.
MISSING: tuple[tuple[str, tuple[tuple[str, ...], tuple[str, ...]]], ...] = (
    (r"Python\.h|pyconfig\.h", _NOTHING),
    (r"pg_config|libpq-fe\.h|libpq", _POSTGRESQL),
    (r"mysql_config|mariadb_config|mysql\.h|my_config\.h|mysqlclient|mariadb", _MYSQL),
    (r"xmlsec1?", _XMLSEC),
    (r"xml2-config|xslt-config|libxml/|libxslt/|libxml2|libxslt", _XML),
    (r"cairo", _CAIRO),
    (r"jpeglib\.h|jpeg", _IMAGES),
    (r"ft2build\.h|freetype", (("libfreetype-dev",), ("freetype-devel",))),
    (r"zlib\.h|zlib|libz", (("zlib1g-dev",), ("zlib-devel",))),
    (r"lber\.h|ldap\.h|sasl\.h|sasl/sasl\.h", _LDAP),
    (r"ffi\.h|libffi", _FFI),
    (r"openssl/\w+\.h|openssl", (("libssl-dev",), ("openssl-devel",))),
    (r"curl-config|curl/curl\.h", _CURL),
    (r"gdal-config|gdal\.h", _GEO),
    (r"geos-config|geos_c\.h", (("libgeos-dev",), ("geos-devel",))),
    (r"sql\.h|sqlext\.h", _ODBC),
    (r"krb5-config|gssapi/?\w*\.h|krb5\.h", _KERBEROS),
    (r"libmemcached/memcached\.h", _MEMCACHED),
    (r"graphviz/\w+\.h|dot", _GRAPHVIZ),
    (r"dbus/dbus\.h|dbus-1", _DBUS),
    (r"apxs", (("apache2-dev",), ("httpd-devel",))),
    (r"yaml\.h", (("libyaml-dev",), ("libyaml-devel",))),
    (r"magic\.h", (("libmagic-dev",), ("file-devel",))),
    (r"pcre2?\.h", (("libpcre2-dev",), ("pcre2-devel",))),
    (r"cargo|rustc|Rust", _RUST),
    (r"ninja", (("ninja-build",), ("ninja-build",))),
    (r"proj|proj\.h", (("libproj-dev", "proj-bin"), ("proj-devel", "proj"))),
    (r"cmake|CMake", (("cmake", "g++", "make"), ("cmake", "gcc-c++", "make"))),
    (r"swig", (("swig",), ("swig",))),
    (r"pkg-config", (("pkg-config",), ("pkgconf-pkg-config",))),
    (r"g\+\+|c\+\+|cc1plus", _CPP),
    (r"make", (("make",), ("make",))),
)

# What does without a compiler.
INSTEAD = {
    "gdal": "its version has to be that of the distribution's library (gdal-config --version)",
    "psycopg2": "or require psycopg2-binary or psycopg[binary], which need no compiler",
    "psycopg-c": "or require psycopg[binary], which needs no compiler",
    "uwsgi": "or leave it to the key uwsgi of the site",
}

# How a compilation says what it does not find; the group is its name.
_NOT_FOUND = (
    r"fatal error: ([^\s:]+): No such file",
    r"(?:Error: )?(pg_config|mysql_config|mariadb_config|gdal-config|curl-config|geos-config|krb5-config|apxs|proj)\S* "
    r"(?:executable )?(?:is )?(?:not found|not be found|required)",
    r"Could not (?:find|run) [`']?([\w.+-]+)[`']?(?: executable|\. Make sure|:)",
    r"Could not (?:find|run) [`']?(\w+-config)\b",
    r"(?i:unable to (?:execute|invoke)) '?(?:[\w-]+-linux-gnu-)?(gcc|g\+\+|pkg-config)",
    r"PackageNotFoundError: ([\w.+-]+) not found",
    r"(?i)\b(cmake) must be installed",
    r"No such file or directory: '([\w.+-]+)'",
    r"(?:command|error: linker) [`']([\w.+-]+)[`'] (?:failed: No such file|not found)",
    r"Dependency \"?([\w.+-]+)\"? not found",
    r"(?:can't|cannot|could not) find (Rust) compiler",
    r"No package '([\w.+-]+)' found",
    r"([\w.+-]+): (?:command )?not found",
    r"cannot execute '?(cc1plus)",
    r"The headers or library files could not be found for (\w+)",
    r"cannot find -(l[\w.+-]+)",
)


def missing(output: str) -> str:
    """Return the header, program or library that a compilation did not find; '' where it does not say."""
    if "Can not find valid pkg-config name" in output:
        return "mysqlclient"
    if "libxml2 and libxslt development packages" in output:
        return "libxml2"
    if "Cargo, the Rust package manager, is not installed" in output:
        return "Rust"
    if re.search(r"Unknown compiler\(s\)|no acceptable C compiler|you need a C compiler", output):
        return "gcc"
    for pattern in _NOT_FOUND:
        found = re.search(pattern, output)
        if found:
            # The linker leaves out how the names of all libraries begin: -lpq.
            return f"lib{found[1][1:]}" if found[0].startswith("cannot find -l") else found[1]
    return ""


def needed(package: str, lacking: str, family: str, headers: list[str]) -> list[str]:
    """Return the distribution's packages that compiling a package of PyPI takes, `headers` those of its Python.

    [] for a platform that is not known.
    """
    if family not in COMPILER:
        return []
    column = 0 if family == DEBIAN else 1
    own = PACKAGES.get(package)
    if own is None:
        names = (lacking, lacking.removeprefix("lib"))
        own = next((found for pattern, found in MISSING for name in names if re.fullmatch(pattern, name)), _NOTHING)
    return list(dict.fromkeys([*COMPILER[family], *(headers or HEADERS[family]), *own[column]]))
