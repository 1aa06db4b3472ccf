# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keys of a site, as tables: whoever reads, documents or hides a key reads them.

`SITE_KEYS` is the table of all; a key whose value is a mapping names the table of that mapping, so a new section is one
line here.
"""

# length: each line is a key
from __future__ import annotations

from collections.abc import Iterator

from .background_checks import background_name, calendar
from .checks import (
    NONCHARACTERS,
    boolean,
    domain,
    duration,
    host_path,
    integer,
    line,
    list_of,
    number_or_auto,
    octal,
    one_of,
    pattern,
    place,
    private_key,
    relative_path,
    requirement,
    site_name,
    sockets,
    virtualenv,
)
from .command_checks import command, steps
from .file_checks import in_source, source_files
from .key import Key, Keys
from .nginx_keys import NGINX_KEYS
from .option_checks import environment, ini_options, settings, unit_options, user_fields
from .python_checks import python
from .source_checks import known_hosts, package, repository
from .steps import builtin_step
from .tls_keys import TLS_KINDS, TLS_WORDS


def secret_keys(keys: Keys | None = None) -> Iterator[tuple[tuple[str, ...], Key]]:
    """Yield (path, key) of all keys that hold something secret, in a table and in those that it names.

    A table of `each` may have none: what it holds has no path of its own.
    """
    for name, key in (SITE_KEYS if keys is None else keys).items():
        if key.secret or key.credentials:
            yield (name,), key
        for table in [*([key.keys] if key.keys else []), *(key.kinds or {}).values()]:
            for path, inner in secret_keys(table):
                yield (name, *path), inner


PYTHON_MODULE = pattern(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", "a dotted module name such as mysite.settings")
IDENTIFIER = pattern(r"[A-Za-z_][A-Za-z0-9_]*", "a Python identifier such as mysite")
PACKAGE_NAME = pattern(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", "names such as production")
CHECKSUM = pattern(r"sha256:[0-9a-f]{64}", "sha256: and 64 hexadecimal digits")
ACCOUNT = pattern(r"[a-z_][a-z0-9_-]{0,31}", "an account name")
DATABASE_URL = pattern(
    rf"[a-z][a-z0-9+.-]*://[^\s\x00-\x1f\x7f{NONCHARACTERS}]*", "a URL such as postgres://user:password@host:5432/name"
)

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
        credentials=True,
    ),
    "checksum": Key(CHECKSUM, "", "The checksum of `tarball`."),
    "socket": Key(
        sockets,
        ["unix"],
        "`unix`, or the addresses that uWSGI listens on; nginx balances over several.",
    ),
    "chmod_socket": Key(octal, "660", "The mode of the unix socket; it belongs to nginx's group."),
    "processes": Key(
        number_or_auto(1, 1024),
        None,
        "How many worker processes. `auto`: as many as the host has cores, fewer where half of its memory, shared by "
        "its sites, has no 200 MiB for each; from 2 to 16. The number stays until the cores change. Left out: `auto` "
        "for a new site; one that exists keeps what it has.",
    ),
    "threads": Key(integer(1, 1024), 1, "How many threads in each of them."),
    "options": Key(
        ini_options, {}, "Any option of uWSGI, over the collection's own; null drops one of those. Lists repeat it."
    ),
    "unit": Key(
        unit_options, {}, "Directives of `[Service]`, such as `{MemoryMax: 1G}`. They loosen the sandbox, too."
    ),
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
# A worker finishes what it is at, in the background; so much time costs a deploy nothing.
STOP_TIMEOUT, TASK_TIMEOUT, DAY = 300, 3600, 86400
RUN = Key(
    command,
    [],
    "The command, without a shell: `celery -A shop worker`. A program of the virtualenv comes before others.",
)
MANAGE = Key(command, [], "Or a management command: `db_worker`. Exactly one of the two.")
HOSTS = "`first`: only the first host of the inventory that has the site, whatever `--limit` says."
WORKER_KEYS: Keys = {
    "run": RUN,
    "manage": MANAGE,
    "processes": Key(integer(1, 64), 1, "How many of them run."),
    "stop_timeout": Key(
        duration(1, DAY),
        STOP_TIMEOUT,
        "How long a worker has to finish its task after the one SIGTERM that it gets; then it is killed.",
    ),
    "singleton": Key(
        boolean, False, "There is never more than one, as of a scheduler: it is stopped before its successor starts."
    ),
    "hosts": Key(one_of("all", "first"), "", f"`all`, or {HOSTS} A singleton is on the first one."),
    "unit": Key(
        unit_options, {}, "Directives of `[Service]`, such as `{MemoryMax: 1G}`. They loosen the sandbox, too."
    ),
}
TIMER_KEYS: Keys = {
    "run": RUN,
    "manage": MANAGE,
    "at": Key(
        list_of(calendar, at_least=1),
        [],
        "When: a time of `OnCalendar`, or a list of them; `systemd-analyze calendar` explains one. Required.",
    ),
    "jitter": Key(
        duration(0, DAY), 0, "It starts up to so much later, by chance, so that not all hosts start at once."
    ),
    "timeout": Key(duration(1, 7 * DAY), TASK_TIMEOUT, "How long a run may take; then it is stopped."),
    "hosts": Key(one_of("all", "first"), "all", f"`all`, or {HOSTS}"),
    "unit": Key(unit_options, {}, "Directives of `[Service]`. They loosen the sandbox, too."),
}
SEED_KEYS: Keys = {
    "database": Key(in_source, "", "An SQLite file in the source. Used once, and only where the site has no database."),
    "media": Key(in_source, "", "A directory in the source. Used once, and only where the site has no media."),
}
SOURCE_KINDS: dict[str, Keys] = {
    "git": {
        "git": Key(
            repository,
            doc="A git repository. A password or token in its URL is never shown.",
            required=True,
            credentials=True,
        ),
        "version": Key(
            pattern(r"(?!-)[A-Za-z0-9._/+-]+", "a branch, tag or commit", "quote a number"),
            "HEAD",
            "The branch, tag or commit (all 40 digits).",
        ),
        "key": Key(private_key, "", "A deploy key, from a vault. Never shown.", secret=True),
        "known_hosts": Key(
            known_hosts,
            [],
            "The keys of the ssh server, as `ssh-keyscan` prints them; no others are taken then. Without it the first "
            "one that a server shows is remembered, and another one refused from then on.",
        ),
    },
    "archive": {
        "archive": Key(
            place(r"[^\s\x00-\x1f\x7f]+", "a URL, or the path of a file on the controller"),
            doc="A tar or zip archive. A relative path starts from the directory of the inventory. What follows a ? in "
            "its URL is never shown: servers take tokens there.",
            required=True,
            credentials=True,
        ),
        "checksum": Key(CHECKSUM, "", "Its checksum. Without one a URL is fetched in every run, to see what is in it."),
    },
    "directory": {
        "directory": Key(
            line,
            doc="A directory on the controller. A relative path starts from the directory of the inventory.",
            required=True,
        )
    },
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
    "canonical": Key(
        domain,
        "",
        "One of `domains`, to which all others redirect. Left out: each answers for itself.",
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
    "user_shared": Key(
        boolean,
        False,
        "Whether other sites may have the same `user`: each of them can then read and change what the others have.",
    ),
    "source": Key(kinds=SOURCE_KINDS, doc="Where the code comes from; the example project when left out."),
    "python": Key(
        python,
        "auto",
        "The Python; `auto`: the newest of the platform that the Django supports. `{version: auto, managed: fallback}` "
        "lets uv bring one of its own builds where the platform has none that fits, `always` in any case.",
    ),
    "virtualenv": Key(
        virtualenv,
        "",
        "With `source.path`: its path, made where there is none; `none`: the system's Python. Else a build's own.",
    ),
    "requirements": Key(
        list_of(relative_path),
        None,
        "Dependency files in the source: requirement files, a lock file, pyproject.toml, Pipfile or setup.py; "
        "discovered beside manage.py, then at the root.",
    ),
    "extras": Key(list_of(PACKAGE_NAME), [], "Extras of the project (`optional-dependencies`) that are installed too."),
    "groups": Key(
        list_of(PACKAGE_NAME), [], "Dependency groups that are installed too; without it none for development."
    ),
    "install_project": Key(
        boolean,
        False,
        "Whether the project is installed as a package itself: for a `src/` layout, or its entry points.",
    ),
    "packages": Key(list_of(requirement), [], 'More requirements, for instance `["psycopg[binary]"]`.'),
    "system_packages": Key(
        list_of(package),
        [],
        "Packages of the distribution that the site needs, by their names alone.",
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
    "env_file": Key(
        line,
        "",
        "A file on the controller with more of it, in the form of a `.env` file; `env` overrides it. Never shown. "
        "A relative path starts from the directory of the inventory.",
    ),
    "files": Key(
        source_files,
        {},
        "Files that the source lacks: path in the source -> text. Stored with the site's secrets; the code has links.",
        secret=True,
    ),
    "writable": Key(
        list_of(in_source),
        [],
        "What of the source the site may write, for instance `[uploads]`: linked to the data directory, to which what "
        "the source has there is copied once.",
    ),
    "seed": Key(keys=SEED_KEYS, doc="The first data, out of the source."),
    "database": Key(
        DATABASE_URL, "", "The database; an SQLite file among the data when left out. Never shown.", secret=True
    ),
    "build": Key(
        steps("collectstatic"),
        [builtin_step("collectstatic")],
        "The steps of a build, in order, for instance `[{run: [npm, ci]}, {run: [npm, run, build]}, collectstatic]`. "
        "`run` is a program, started in the source; `manage` a management command. See [commands](commands.md).",
    ),
    "release": Key(
        steps("migrate", once=True),
        [builtin_step("migrate")],
        "What a new release does before it goes live, in order, for instance `[migrate, {manage: createcachetable}]`. "
        "With `once: true` the first host of the inventory that has the site does it.",
    ),
    "migrate": Key(boolean, True, "Whether migrations are a step of a release; false goes without `release`."),
    "superuser": Key(keys=SUPERUSER_KEYS, doc="Django's first administrator."),
    "uwsgi": Key(keys=UWSGI_KEYS, doc="The application server."),
    "nginx": Key(keys=NGINX_KEYS, doc="The web server."),
    "tls": Key(
        kinds=TLS_KINDS,
        words=TLS_WORDS,
        doc="https, and where its certificate comes from: `none` (http only), `selfsigned` (no browser trusts it), one "
        "of your own, or ACME. Left out: `web_tls`, which is `none` itself. See [https](https.md).",
    ),
    "health": Key(keys=HEALTH_KEYS, doc="What a good release answers."),
    "workers": Key(
        background_name, {}, "Background processes of the release, by name; see workers.md.", each=WORKER_KEYS
    ),
    "timers": Key(
        background_name, {}, "Commands of the release that run at times, by name; see workers.md.", each=TIMER_KEYS
    ),
    "warm_up": Key(
        list_of(PAGE),
        ["/"],
        "What each worker asks itself for before it takes requests, so that no visitor waits for imports and "
        "templates. The answers do not matter, and after a second it takes requests anyhow.",
    ),
    "keep_releases": Key(integer(1, 100), 3, "How many releases stay for a rollback."),
}
