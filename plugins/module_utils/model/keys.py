# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keys of a site, as tables. All code that reads, documents or hides a key uses them.

`SITE_KEYS` is the table of all keys. A key whose value is a mapping names the table of that mapping, so a new section
is one line here.
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
    """Yield (path, key) of all secret keys, in a table and in the tables that it names.

    A table of `each` must not contain any, because its keys have no fixed path.
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
        "Where uWSGI is installed from: `pyuwsgi`, the wheel; `uwsgi`, the source distribution, which needs a "
        "compiler; `tarball`, built with its own uwsgiconfig.py and copied into the virtualenv; `distribution`, "
        "the distribution's package.",
    ),
    "version": Key(
        pattern(r"[0-9]+(\.[0-9]+)*(\.post[0-9]+)?", "a version such as '2.0.31'", "quote it"),
        "",
        "The version of uWSGI. Default: the one that the collection pins.",
    ),
    "tarball": Key(
        place(r"(https?://|/)\S+", "a URL, or an absolute path on the host"),
        "",
        "With `install: tarball`: a tarball to use instead of the one from the package index.",
        credentials=True,
    ),
    "checksum": Key(CHECKSUM, "", "The checksum of `tarball`."),
    "socket": Key(
        sockets,
        ["unix"],
        "`unix`, or the addresses on which uWSGI listens. nginx balances requests over several addresses.",
    ),
    "chmod_socket": Key(octal, "660", "The mode of the unix socket. Its group is nginx's."),
    "processes": Key(
        number_or_auto(1, 1024),
        None,
        "The number of worker processes. `auto`: one for each core of the host, but only as many as fit with 200 "
        "MiB each into half of its memory, shared among its sites; at least 2, at most 16. The number changes "
        "only if the number of cores changes. Default: `auto` for a new site; an existing site keeps its number.",
    ),
    "threads": Key(integer(1, 1024), 1, "The number of threads in each process."),
    "options": Key(
        ini_options,
        {},
        "Any options of uWSGI. They override those of the collection; null removes one. A list repeats an option.",
    ),
    "unit": Key(
        unit_options,
        {},
        "Directives of the unit's `[Service]` section, for example `{MemoryMax: 1G}`. They also override those of "
        "the sandbox.",
    ),
}
PAGE = pattern(r"/[^\s\x00-\x1f\x7f]*", "a path such as /healthz")
HEALTH_KEYS: Keys = {
    "path": Key(
        pattern(r"(/[^\s\x00-\x1f\x7f]*)?", PAGE.wants),
        "",
        "The path that a health check requests, following redirects within the site. Default: `/`, one static "
        "file that the page names, and the admin's login page if the project has an admin.",
    ),
    "status": Key(
        list_of(integer(100, 599), at_least=1),
        [],
        "The statuses that count as healthy after all redirects. A redirect status in the list counts too, unless "
        "the redirect leads to a 5xx. Default: every status below 500.",
    ),
    "timeout": Key(integer(1, 600), 20, "Seconds within which a healthy answer must arrive."),
    "watch": Key(
        integer(0, 600),
        5,
        "The maximum number of seconds for which a deploy watches the answers to visitors after the switch. If "
        "many more of them are 5xx than before, the old release is made live again. Watching ends after 20 good "
        "answers, or immediately if the site had no visitor in the last minute. 0 turns it off.",
    ),
}
SUPERUSER_KEYS: Keys = {
    "username": Key(
        pattern(r"[\w.@+-]{1,150}", "a user name"),
        "",
        "The name to log in with. The user is created once and never changed afterwards. Not required if users "
        "log in with their e-mail address.",
    ),
    "email": Key(
        pattern(r"[^@\s]+@[^@\s]+", "an e-mail address"),
        "",
        "The e-mail address. It is the name to log in with if USERNAME_FIELD is `email`.",
    ),
    "fields": Key(
        user_fields,
        {},
        "Other fields that the project's user model requires (REQUIRED_FIELDS), for example `{full_name: Ada "
        "Lovelace}`.",
    ),
    "password": Key(line, doc="The initial password. Never shown.", required=True, secret=True),
}
# A worker finishes its current task in the background, so this time does not delay a deploy.
STOP_TIMEOUT, TASK_TIMEOUT, DAY = 300, 3600, 86400
RUN = Key(
    command,
    [],
    "The command, for example `celery -A shop worker`. It runs without a shell. Programs of the virtualenv are "
    "found first.",
)
MANAGE = Key(command, [], "A management command, for example `db_worker`. Set either `run` or `manage`.")
HOSTS = "`first`: only the first host of the inventory that has the site, regardless of `--limit`."
WORKER_KEYS: Keys = {
    "run": RUN,
    "manage": MANAGE,
    "processes": Key(integer(1, 64), 1, "How many processes of this worker run."),
    "stop_timeout": Key(
        duration(1, DAY),
        STOP_TIMEOUT,
        "How long a worker may take to finish its task after the single SIGTERM that it gets. After that it is killed.",
    ),
    "singleton": Key(
        boolean,
        False,
        "Never run more than one process, for example of a scheduler: the old one is stopped before the new one "
        "starts.",
    ),
    "hosts": Key(
        one_of("all", "first"),
        "",
        f"`all`, or {HOSTS} Default: `first` for a singleton, which cannot have `all`; otherwise `all`.",
    ),
    "unit": Key(
        unit_options,
        {},
        "Directives of the unit's `[Service]` section, for example `{MemoryMax: 1G}`. They also override those of "
        "the sandbox.",
    ),
}
TIMER_KEYS: Keys = {
    "run": RUN,
    "manage": MANAGE,
    "at": Key(
        list_of(calendar, at_least=1),
        [],
        "When to run: a time in the format of `OnCalendar`, or a list of them. `systemd-analyze calendar` "
        "explains a time. Required.",
    ),
    "jitter": Key(
        duration(0, DAY), 0, "The maximum random delay of each start, so that not all hosts start at the same time."
    ),
    "timeout": Key(duration(1, 7 * DAY), TASK_TIMEOUT, "How long a run may take. After that it is stopped."),
    "hosts": Key(one_of("all", "first"), "all", f"`all`, or {HOSTS}"),
    "unit": Key(
        unit_options, {}, "Directives of the unit's `[Service]` section. They also override those of the sandbox."
    ),
}
SEED_KEYS: Keys = {
    "database": Key(
        in_source, "", "An SQLite file in the source. Copied once, and only if the site has no database yet."
    ),
    "media": Key(in_source, "", "A directory in the source. Copied once, and only if the site has no media files yet."),
}
SOURCE_KINDS: dict[str, Keys] = {
    "git": {
        "git": Key(
            repository,
            doc="The URL of a git repository. A password or token in it is never shown.",
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
            "The keys of the SSH server, as printed by `ssh-keyscan`. Other keys are refused. Default: the first "
            "key that a server shows is remembered, and a different one is refused from then on.",
        ),
    },
    "archive": {
        "archive": Key(
            place(r"[^\s\x00-\x1f\x7f]+", "a URL, or the path of a file on the controller"),
            doc="The URL or the path on the controller of a tar or zip archive. A relative path starts from the "
            "directory of the inventory. The query of a URL is never shown, because it may contain a token.",
            required=True,
            credentials=True,
        ),
        "checksum": Key(
            CHECKSUM,
            "",
            "The checksum of the archive. Without it, a URL is downloaded in every run to find out whether it has "
            "changed.",
        ),
    },
    "directory": {
        "directory": Key(
            line,
            doc="A directory on the controller. A relative path starts from the directory of the inventory.",
            required=True,
        )
    },
    "path": {"path": Key(host_path, doc="A directory on the host. The code is used in place.", required=True)},
    "startproject": {
        "startproject": Key(
            IDENTIFIER, doc="The name of a new project, created with Django's `startproject`.", required=True
        )
    },
}
# What the controller (digest of a directory) and the host (commit of a git version) find out: '' until then.
SOURCE_FINDINGS: dict[str, tuple[str, ...]] = {"git": ("commit",), "directory": ("digest",)}

SITE_KEYS: Keys = {
    "name": Key(
        site_name,
        doc="The name of the site. Its user, units and directories are named after it.",
        required=True,
        example="shop",
    ),
    "domains": Key(
        list_of(domain, at_least=1),
        [],
        "The domains of the site. Used for server_name, ALLOWED_HOSTS, CSRF_TRUSTED_ORIGINS and the names of the "
        "certificate.",
        required=True,
        example="[shop.example.com]",
    ),
    "canonical": Key(
        domain,
        "",
        "One of `domains`. The other domains redirect to it. Default: every domain serves the site.",
    ),
    "prefix": Key(
        PREFIX,
        "",
        "Serve the site below this path of its domains. Other paths in the inventory are relative to it. Sites "
        "with different prefixes may have the same domains. See [prefix](prefix.md).",
    ),
    "state": Key(one_of("present", "absent"), "present", "`absent` removes everything of the site except its data."),
    "purge": Key(boolean, False, "With `state: absent`: also remove the data, the secret key and the user."),
    "user": Key(ACCOUNT, "", "An existing user to use instead of `site-NAME`."),
    "user_shared": Key(
        boolean,
        False,
        "Whether other sites may have the same `user`. Each of these sites can then read and change the files of "
        "the others.",
    ),
    "source": Key(kinds=SOURCE_KINDS, doc="Where the code comes from. Default: the collection's example project."),
    "python": Key(
        python,
        "auto",
        "The Python version. `auto`: the newest of the platform that the project's Django supports. `{version: "
        "auto, managed: fallback}` lets uv install one of its own builds if the platform has no suitable version, "
        "`managed: always` in any case.",
    ),
    "virtualenv": Key(
        virtualenv,
        "",
        "With `source.path`: the path of the virtualenv, which is created if it does not exist. `none`: the "
        "system's Python. Default: each build has its own.",
    ),
    "requirements": Key(
        list_of(relative_path),
        None,
        "Dependency files in the source: requirement files, a lock file, pyproject.toml, Pipfile or setup.py. "
        "Default: discovered beside manage.py, then at the root of the source.",
    ),
    "extras": Key(list_of(PACKAGE_NAME), [], "Extras of the project (`optional-dependencies`) to install."),
    "groups": Key(
        list_of(PACKAGE_NAME),
        [],
        "Dependency groups to install. Development dependencies are installed only if they are listed here.",
    ),
    "install_project": Key(
        boolean,
        False,
        "Whether to install the project itself as a package. Required for a `src/` layout, and for its entry points.",
    ),
    "packages": Key(list_of(requirement), [], 'Additional requirements, for example `["psycopg[binary]"]`.'),
    "system_packages": Key(
        list_of(package),
        [],
        "Packages of the distribution that the site needs, as names without versions.",
    ),
    "wsgi": Key(
        pattern(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*)?", "module:callable, such as mysite.wsgi:application"),
        "",
        "The WSGI entry point. Default: discovered beside manage.py.",
    ),
    "settings_module": Key(
        PYTHON_MODULE, "", "The project's settings module. Default: discovered in wsgi.py or manage.py."
    ),
    "manage": Key(relative_path, "", "The path of manage.py in the source. Default: discovered."),
    "settings": Key(
        settings,
        {},
        "Django settings that override the project's. Not for secrets, because they are stored in the builds.",
    ),
    "env": Key(
        environment,
        {},
        "Environment variables of the site's processes. Never shown, and never stored in a build or an ini file.",
        secret=True,
    ),
    "env_file": Key(
        line,
        "",
        "A file on the controller with more environment variables, in the format of a `.env` file. `env` "
        "overrides it. Never shown. A relative path starts from the directory of the inventory.",
    ),
    "files": Key(
        source_files,
        {},
        "Files to add to the source: a mapping of paths in the source to texts. They are stored with the site's "
        "secrets, and linked into the code.",
        secret=True,
    ),
    "writable": Key(
        list_of(in_source),
        [],
        "Paths in the source that the site may write to, for example `[uploads]`. Each becomes a link to the data "
        "directory. What the source contains there is copied to it once.",
    ),
    "seed": Key(keys=SEED_KEYS, doc="Initial data, taken from the source."),
    "database": Key(
        DATABASE_URL,
        "",
        "The URL of the database. Default: an SQLite file in the data directory. Never shown.",
        secret=True,
    ),
    "build": Key(
        steps("collectstatic"),
        [builtin_step("collectstatic")],
        "The steps of a build, in order, for example `[{run: [npm, ci]}, {run: [npm, run, build]}, "
        "collectstatic]`. `run` is a program, started in the root of the source; `manage` is a management "
        "command. See [commands](commands.md).",
    ),
    "release": Key(
        steps("migrate", once=True),
        [builtin_step("migrate")],
        "The steps of a release before it goes live, in order, for example `[migrate, {manage: "
        "createcachetable}]`. A step with `once: true` runs only on the first host of the inventory that has the "
        "site.",
    ),
    "migrate": Key(boolean, True, "Whether a release applies migrations. `false` cannot be combined with `release`."),
    "superuser": Key(keys=SUPERUSER_KEYS, doc="Django's first administrator."),
    "uwsgi": Key(keys=UWSGI_KEYS, doc="Settings of the application server."),
    "nginx": Key(keys=NGINX_KEYS, doc="Settings of the web server."),
    "tls": Key(
        kinds=TLS_KINDS,
        words=TLS_WORDS,
        doc="HTTPS, and where the certificate comes from: `none` (HTTP only), `selfsigned` (browsers do not trust "
        "it), your own certificate, or ACME. Default: `web_tls`, which is `none` if it is not set. See "
        "[https](https.md).",
    ),
    "health": Key(keys=HEALTH_KEYS, doc="The health checks that a release must pass."),
    "workers": Key(
        background_name,
        {},
        "Background processes of the release, by name. See [workers](workers.md).",
        each=WORKER_KEYS,
    ),
    "timers": Key(
        background_name,
        {},
        "Commands of the release that run at certain times, by name. See [workers](workers.md).",
        each=TIMER_KEYS,
    ),
    "warm_up": Key(
        list_of(PAGE),
        ["/"],
        "The paths that each worker process requests from itself before it accepts requests, so that no visitor "
        "waits for imports and templates. The answers are ignored. After one second the worker accepts requests "
        "in any case.",
    ),
    "keep_releases": Key(integer(1, 100), 3, "How many releases to keep for a rollback."),
}
