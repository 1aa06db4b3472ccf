# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shapes of what travels between inventory, controller and host. All of it is JSON; nothing here runs.

Every key that a site, a manifest or a record may ever have is declared here. A key that is only known later (on the
host, or after a build) has an empty value until then.
"""

from __future__ import annotations

from typing import Any, TypedDict


class _Interpreter(TypedDict):
    version: str
    path: str
    packages: list[str]
    headers: list[str]


class Interpreter(_Interpreter, total=False):
    """The Python of a site. `version` is '' where the user named a path; `path` is '' until one was chosen.

    `managed` is only there, and true, where uv brings it: then `path` is '' until the host has it.
    """

    managed: bool


class Source(TypedDict, total=False):
    """Where the code comes from. `kind` is one of the keys of `SOURCE_KINDS`, or `none` for an absent site.

    The key that is called like the kind holds the place. `digest` is the controller's sha256 of a directory, `commit`
    what a git version resolved to on the host; both are '' until they are known. `left_out` are SQLite files of a
    directory, relative to it, that are no code and stay on the controller.
    """

    kind: str
    git: str
    version: str
    key: str
    known_hosts: list[str]
    commit: str
    archive: str
    checksum: str
    directory: str
    digest: str
    left_out: list[str]
    path: str
    startproject: str


class Uwsgi(TypedDict):
    install: str
    version: str
    tarball: str
    checksum: str
    socket: list[str]
    chmod_socket: str
    processes: int
    threads: int
    options: dict[str, Any]
    unit: dict[str, list[str]]


class Listen(TypedDict):
    address: str
    port: int


class Alias(TypedDict, total=False):
    """Files that nginx serves itself; `previous` is where those of the release before lie, or ''."""

    url: str
    path: str
    previous: str


class Dns(TypedDict, total=False):
    """How a TXT record is made: by `command`, or by `plugin` of certbot. `wait` is in seconds."""

    command: list[str]
    cleanup: list[str]
    environment: dict[str, str]
    plugin: str
    credentials: str
    wait: int


class Challenge(TypedDict, total=False):
    """`kind` is http or dns."""

    kind: str
    dns: Dns


class Acme(TypedDict):
    """`directory` is '' for Let's Encrypt; `ca` is PEM text or a path on the host, '' for what the host knows."""

    email: str
    directory: str
    ca: str
    challenge: Challenge
    profile: str
    key_type: str


class Tls(TypedDict, total=False):
    """Where the certificate of a site comes from.

    `kind` is none, selfsigned, certificate (`certificate` and `key` are PEM text), path (`certificate_path` and
    `key_path` are files on the host that somebody else renews) or acme.
    """

    kind: str
    certificate: str
    key: str
    certificate_path: str
    key_path: str
    acme: Acme


class Limit(TypedDict):
    """A rate such as 20r/s, and how many requests more come through at once."""

    rate: str
    burst: int


class Nginx(TypedDict):
    listen: list[Listen]
    listen_tls: list[Listen]
    redirect: bool
    hsts: int
    trusted_proxies: list[str]
    proxy_protocol: bool
    charset: str
    client_max_body_size: str
    read_timeout: int
    static: Alias | None
    media: Alias | None
    media_documents: str
    upstream: list[str]
    options: dict[str, list[str]]
    locations: dict[str, dict[str, list[str]]]
    client_timeout: int
    limit_connections: int
    limit_requests: dict[str, Limit]
    headers: dict[str, str]
    precompressed: bool
    hashed_names: list[str]
    protected: dict[str, str]
    basic_auth: dict[str, str]
    error_pages: dict[str, str]


class Health(TypedDict):
    path: str  # '' where the site names none: `/`, and what belongs to it
    status: list[int]
    timeout: int
    watch: int


class Step(TypedDict):
    """A step of a build or of a release: a built-in one, a command of the project, or one of its management commands.

    `kind` is builtin, run or manage. `words` are the command's, without a shell and, of a management command, without
    manage.py; a built-in step's only word is its name. `timeout` is in seconds. With `once`, one host of several runs
    it.
    """

    kind: str
    words: list[str]
    timeout: int
    once: bool


class Worker(TypedDict):
    """A worker. Of `run` and `manage` one has words; `stop_timeout` is in seconds, `hosts` is all or first."""

    run: list[str]
    manage: list[str]
    processes: int
    stop_timeout: int
    singleton: bool
    hosts: str
    unit: dict[str, list[str]]


class Timer(TypedDict):
    """A timer. Of `run` and `manage` one has words; `jitter` and `timeout` are in seconds, `hosts` is all or first."""

    run: list[str]
    manage: list[str]
    at: list[str]
    jitter: int
    timeout: int
    hosts: str
    unit: dict[str, list[str]]


class Seed(TypedDict):
    """Paths in the source, '' where there is none."""

    database: str
    media: str


class Superuser(TypedDict, total=False):
    username: str
    email: str
    fields: dict[str, Any]
    password: str


class _Site(TypedDict):
    """A site of `web_sites` with every default filled in and every path derived.

    `group` is the primary group of `user`, which only the host knows: '' until the host fills it in. `python` is the
    version or path that the key of that name asks for, `managed` whether uv may bring it; `requires_python` is what a
    source on the controller asks for, '' where that is not known here. `sizing` says who decides how many processes
    uWSGI has: `given` the inventory, `auto` the host, `default` the host for a new site. Until the host has decided,
    `uwsgi` has the number that was the default of earlier versions.
    """

    name: str
    domains: list[str]
    canonical: str
    prefix: str
    state: str
    purge: bool
    user: str
    user_shared: bool
    managed_user: bool
    group: str
    source: Source
    python: str
    managed: str
    requires_python: str
    sizing: str
    interpreter: Interpreter
    virtualenv: str
    requirements: list[str] | None
    extras: list[str]
    groups: list[str]
    install_project: bool
    packages: list[str]
    system_packages: list[str]
    django: str
    wsgi: str
    settings_module: str
    manage: str
    settings: dict[str, Any]
    env: dict[str, str]
    env_file: str
    files: dict[str, str]
    writable: list[str]
    seed: Seed
    database: Any  # the URL; in what may be shown, only whether there is one
    build: list[Step]
    release: list[Step]
    migrate: bool
    superuser: Superuser
    uwsgi: Uwsgi
    nginx: Nginx
    tls: Tls
    health: Health
    workers: dict[str, Worker]
    timers: dict[str, Timer]
    warm_up: list[str]
    keep_releases: int
    paths: dict[str, str]
    origins: list[str]


class Site(_Site, total=False):
    """`kept`: its deploy failed, and what nginx and the firewall have for it stays as it is."""

    kept: bool


class Secrets(TypedDict):
    """What may never be shown of a site; travels apart from it."""

    env: dict[str, str]
    files: dict[str, str]
    database: str
    git: str
    key: str
    archive: str
    tarball: str
    password: str
    tls_key: str
    dns_environment: dict[str, str]
    dns_credentials: str
    basic_auth: dict[str, str]


class Manifest(TypedDict, total=False):
    """build.json: what a build is. `predicted` is only in what check mode returns for a build that is not there.

    `path` is the build's directory, `src` its code, `chdir` where manage.py lies in it, `home` its virtualenv or '',
    `uwsgi` the program, `overlay` whether there is a settings overlay. `subject` is the first line of the commit's
    message; builds of 0.1 have none. `django`, `apps` and `check` are what the project's own code said of itself:
    `admin` is the path of the admin's login or '', `https_header` the variable and the value of
    SECURE_PROXY_SSL_HEADER, if any. A build of 0.1 has neither. `configuration` is the class of django-configurations
    that the settings are made of, or ''; `paths` is what is on sys.path beside `chdir`, relative to it. `files` is the
    digest of the inventory's files in the code, `exported` what makes DEBUG false, `notes` what the run that made it
    had to say of it, and `hints` what the project has and no step deals with. `written` are the directories outside of
    the site's own that its settings name for what it writes; builds of earlier versions do not know.
    """

    id: str
    path: str
    src: str
    chdir: str
    settings_module: str
    wsgi: str
    home: str
    python: str
    uwsgi: str
    install: str
    overlay: bool
    source: Source
    subject: str
    django: str
    apps: int
    check: str
    admin: str
    https_header: list[str]
    files: str
    exported: dict[str, str]
    configuration: str
    paths: list[str]
    notes: list[str]
    hints: list[str]
    written: list[str]
    predicted: bool


class Record(TypedDict, total=False):
    """release.json: what a rollback to a release needs. `site` is the part of the site that it went live with.

    `made` is in seconds since the epoch, `migrations` are APP.NAME of all that its code has, `code` is a digest of code
    that is used in place ('' for a build's own), `units` are file name -> text. `background` are the units of its
    workers and timers on this host, likewise; a release without them has no such key. `sandbox` are the directives that
    its commands run in; releases of earlier versions have none. `guarded`, which is true, is only there where its ini
    keeps its sockets from all but requests.
    """

    id: str
    build: str
    made: int
    source: str
    migrations: list[str]
    code: str
    site: dict[str, Any]
    manifest: Manifest
    units: dict[str, str]
    background: dict[str, str]
    sandbox: dict[str, list[str]]
    guarded: bool


class DoctorTimer(TypedDict):
    """The variable `doctor_timer` in its one form: `every` in seconds, `metrics` a directory or ''."""

    every: int
    metrics: str
