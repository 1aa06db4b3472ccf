# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keys of a site, as tables: whoever reads, documents or hides a key reads them.

`SITE_KEYS` is the table of all; a key whose value is a mapping names the table of that mapping, so a new section is one
line here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .checks import (
    Check,
    boolean,
    domain,
    host_path,
    integer,
    line,
    list_of,
    listen,
    octal,
    one_of,
    pattern,
    place,
    private_key,
    python_version,
    relative_path,
    requirement,
    site_name,
    socket,
    upstream,
    virtualenv,
)
from .option_checks import alias, directives, environment, ini_options, locations, settings, unit_options, user_fields


@dataclass(frozen=True)
class Key:
    """One key of a mapping: what its value may be, what it is when left out, and what it decides.

    A value is one that `check` accepts, or a mapping that has the keys of the table `keys`, or one that has those of
    exactly one of the tables `kinds`. A section of `keys` of which some are `required` is empty when it is left out.
    Of a `secret` key no message, file or report shows the value; one with `credentials` is shown without them.
    `example` is a value as YAML, for the error about a site that lacks the key.
    """

    check: Check | None = None
    default: Any = None
    doc: str = ""
    keys: Keys | None = None
    kinds: Mapping[str, Keys] | None = None
    required: bool = False
    example: str = ""
    secret: bool = False
    credentials: bool = False

    @property
    def wants(self) -> str:
        """What an error or a page says that the key's value has to be."""
        if self.kinds is not None:
            return f"a mapping with one of {', '.join(self.kinds)}"
        if self.keys is not None:
            return f"a mapping of {', '.join(self.keys)}"
        return self.check.wants if self.check else ""


Keys = dict[str, Key]


def secret_keys(keys: Keys | None = None) -> Iterator[tuple[tuple[str, ...], Key]]:
    """Yield (path, key) of all keys that hold something secret, in a table and in those that it names."""
    for name, key in (SITE_KEYS if keys is None else keys).items():
        if key.secret or key.credentials:
            yield (name,), key
        for table in [*([key.keys] if key.keys else []), *(key.kinds or {}).values()]:
            for path, inner in secret_keys(table):
                yield (name, *path), inner


SIZE = pattern(r"[0-9]+[kKmMgG]?", "a size such as 75m")
PYTHON_MODULE = pattern(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", "a dotted module name such as mysite.settings")
IDENTIFIER = pattern(r"[A-Za-z_][A-Za-z0-9_]*", "a Python identifier such as mysite")
CHECKSUM = pattern(r"sha256:[0-9a-f]{64}", "sha256: and 64 hexadecimal digits")
ACCOUNT = pattern(r"[a-z_][a-z0-9_-]{0,31}", "an account name")
DATABASE_URL = pattern(r"[a-z][a-z0-9+.-]*://\S*", "a URL such as postgres://user:password@host:5432/name")

PREFIX = pattern(
    r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*", "a path such as /shop, of letters, digits and ._~-, without a / at the end"
)

UWSGI_KEYS: Keys = {
    "install": Key(
        one_of("pyuwsgi", "uwsgi", "tarball", "distribution"),
        "pyuwsgi",
        "Where uWSGI comes from: the wheel `pyuwsgi`, the source distribution `uwsgi` (needs a compiler), a tarball "
        "built with its own uwsgiconfig.py and copied into the virtualenv, or the distribution's package.",
    ),
    "version": Key(
        pattern(r"[0-9]+(\.[0-9]+)*(\.post[0-9]+)?", "a version such as '2.0.31'", "quote it"),
        "",
        "Its version; empty: the newest.",
    ),
    "tarball": Key(
        place(r"(https?://|/)\S+", "a URL, or an absolute path on the host"),
        "",
        "With `install: tarball`: another tarball than the package index's.",
    ),
    "checksum": Key(CHECKSUM, "", "The checksum of `tarball`."),
    "socket": Key(
        list_of(socket, at_least=1),
        ["unix"],
        "`unix`, or the addresses that uWSGI listens on; nginx balances over several.",
    ),
    "chmod_socket": Key(octal, "660", "The mode of the unix socket; it belongs to nginx's group."),
    "processes": Key(integer(1, 1024), 2, "How many worker processes."),
    "threads": Key(integer(1, 1024), 1, "How many threads in each of them."),
    "options": Key(
        ini_options, {}, "Any option of uWSGI, over the collection's own; null drops one of those. Lists repeat it."
    ),
    "unit": Key(unit_options, {}, "Directives of the `[Service]` section, for instance `{MemoryMax: 1G}`."),
}
NGINX_KEYS: Keys = {
    "listen": Key(
        list_of(listen, at_least=1), [{"address": "", "port": 80}], "The ports, or addresses with ports, of the site."
    ),
    "charset": Key(pattern(r"[A-Za-z0-9_-]+", "a charset such as utf-8"), "utf-8", "The charset of text without one."),
    "client_max_body_size": Key(SIZE, "75m", "The largest upload."),
    "read_timeout": Key(
        integer(1, 86400), 60, "Seconds that nginx waits for an answer; uWSGI gives a request up 5 s earlier."
    ),
    "static": Key(
        alias("/static/"),
        {"url": "/static/", "path": ""},
        "Static files; without a path, those that the build collects.",
    ),
    "media": Key(
        alias("/media/"), {"url": "/media/", "path": ""}, "Uploads; without a path, `media` in the state directory."
    ),
    "upstream": Key(
        list_of(upstream, at_least=1), [], "Where nginx finds uWSGI, when it is not the socket of this site."
    ),
    "options": Key(directives, {}, "Any directive of a `server` block."),
    "locations": Key(locations, {}, "More locations: what follows `location`, then its directives."),
}
PAGE = pattern(r"/[^\s\x00-\x1f\x7f]*", "a path such as /healthz")
HEALTH_KEYS: Keys = {
    "path": Key(
        pattern(r"(/[^\s\x00-\x1f\x7f]*)?", PAGE.wants),
        "",
        "What a release is asked for, to the end of its redirects within the site. Left out: `/`, one static file that "
        "the page names, and the admin's login where there is an admin.",
    ),
    "status": Key(
        list_of(integer(100, 599), at_least=1),
        [],
        "The answers that count as good at the end of the redirects. A redirect in the list counts as well, unless it "
        "leads to a 5xx. Empty: all below 500.",
    ),
    "timeout": Key(integer(1, 600), 20, "Seconds until a good answer has to be there."),
    "watch": Key(
        integer(0, 600),
        5,
        "Seconds that a deploy watches the answers to visitors after the switch, at most; with many more 5xx than "
        "before, the old release is put back. It ends after 20 good answers, and at once without a visitor in the last "
        "minute. 0: not at all.",
    ),
}
SUPERUSER_KEYS: Keys = {
    "username": Key(
        pattern(r"[\w.@+-]{1,150}", "a user name"),
        "",
        "The name to log in with. Made once; never changed afterwards. Not needed where users log in with their e-mail "
        "address.",
    ),
    "email": Key(
        pattern(r"[^@\s]+@[^@\s]+", "an e-mail address"),
        "",
        "The e-mail address; the name to log in with where USERNAME_FIELD is `email`.",
    ),
    "fields": Key(
        user_fields,
        {},
        "What else a user model of the project requires (REQUIRED_FIELDS), for instance `{full_name: Ada Lovelace}`.",
    ),
    "password": Key(line, doc="The first password. Never shown.", required=True, secret=True),
}
SOURCE_KINDS: dict[str, Keys] = {
    "git": {
        "git": Key(
            pattern(r"(?!-)[^\s\x00-\x1f\x7f]+", "the URL or path of a repository"),
            doc="A git repository.",
            required=True,
            credentials=True,
        ),
        "version": Key(
            pattern(r"(?!-)[A-Za-z0-9._/+-]+", "a branch, tag or commit", "quote a number"),
            "HEAD",
            "The branch, tag or commit (all 40 digits).",
        ),
        "key": Key(private_key, "", "A deploy key, from a vault. Never shown.", secret=True),
    },
    "archive": {
        "archive": Key(
            place(r"[^\s\x00-\x1f\x7f]+", "a URL, or the path of a file on the controller"),
            doc="A tar or zip archive.",
            required=True,
        ),
        "checksum": Key(CHECKSUM, "", "Its checksum. Without one a URL is fetched in every run, to see what is in it."),
    },
    "directory": {"directory": Key(line, doc="A directory on the controller.", required=True)},
    "path": {"path": Key(host_path, doc="A directory on the host, used where it lies.", required=True)},
    "startproject": {
        "startproject": Key(IDENTIFIER, doc="The name of a fresh project, as `startproject` makes it.", required=True)
    },
}
# What the controller (digest of a directory) and the host (commit of a git version) find out: '' until then.
SOURCE_FINDINGS: dict[str, tuple[str, ...]] = {"git": ("commit",), "directory": ("digest",)}

SITE_KEYS: Keys = {
    "name": Key(site_name, doc="Names the site's user, units and directories.", required=True, example="shop"),
    "domains": Key(
        list_of(domain, at_least=1),
        [],
        "Becomes server_name, ALLOWED_HOSTS, CSRF_TRUSTED_ORIGINS and the names of the certificate.",
        required=True,
        example="[shop.example.com]",
    ),
    "prefix": Key(
        PREFIX,
        "",
        "Serve the site below this path of its domains; the other paths of the inventory are the project's own, and "
        "come below it. Sites with different prefixes may have the same domains. See [prefix](prefix.md).",
    ),
    "state": Key(one_of("present", "absent"), "present", "`absent` removes everything of the site but its data."),
    "purge": Key(boolean, False, "With `state: absent`: remove the data, the secret key and the user too."),
    "user": Key(ACCOUNT, "", "Another user than `site-NAME`; it has to exist."),
    "source": Key(kinds=SOURCE_KINDS, doc="Where the code comes from; the example project when left out."),
    "python": Key(python_version, "auto", "The Python; `auto`: the newest of the platform that the Django supports."),
    "virtualenv": Key(
        virtualenv,
        "",
        "With `source.path`: its path, made where there is none; `none`: the system's Python. Else a build's own.",
    ),
    "requirements": Key(
        list_of(relative_path),
        None,
        "Requirement files in the source; discovered (uv.lock, requirements.txt, pyproject.toml).",
    ),
    "packages": Key(list_of(requirement), [], 'More requirements, for instance `["psycopg[binary]"]`.'),
    "system_packages": Key(
        list_of(pattern(r"[A-Za-z0-9][A-Za-z0-9.+_:@-]*", "package names")),
        [],
        "Packages of the distribution that the site needs.",
    ),
    "wsgi": Key(
        pattern(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*)?", "module:callable, such as mysite.wsgi:application"),
        "",
        "The WSGI entry; discovered beside manage.py.",
    ),
    "settings_module": Key(PYTHON_MODULE, "", "The project's settings; discovered in wsgi.py or manage.py."),
    "manage": Key(relative_path, "", "Where manage.py lies in the source; discovered."),
    "settings": Key(settings, {}, "Django settings that win over the project's. Not for secrets: builds hold them."),
    "env": Key(
        environment, {}, "The environment of the processes. Never shown, never in a build or an ini.", secret=True
    ),
    "database": Key(
        DATABASE_URL, "", "The database; an SQLite file among the data when left out. Never shown.", secret=True
    ),
    "migrate": Key(boolean, True, "Apply migrations before a release goes live."),
    "superuser": Key(keys=SUPERUSER_KEYS, doc="Django's first administrator."),
    "uwsgi": Key(keys=UWSGI_KEYS, doc="The application server."),
    "nginx": Key(keys=NGINX_KEYS, doc="The web server."),
    "health": Key(keys=HEALTH_KEYS, doc="What a good release answers."),
    "warm_up": Key(
        list_of(PAGE),
        ["/"],
        "What each worker asks itself for before it takes requests, so that no visitor waits for imports and "
        "templates. The answers do not matter, and after a second it takes requests anyhow.",
    ),
    "keep_releases": Key(integer(1, 100), 3, "How many releases stay for a rollback."),
}
