# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The types of the data passed between inventory, controller and host. All of it is JSON; nothing here is executed.

Every key that a site, a manifest or a record may have is declared here. A key that is only known later (on the host, or
after a build) has an empty value until then.
"""

from __future__ import annotations

from typing import Any, TypedDict


class _Interpreter(TypedDict):
    version: str
    path: str
    packages: list[str]
    headers: list[str]


class Interpreter(_Interpreter, total=False):
    """The Python of a site. `version` is '' if the user set a path; `path` is '' until one is chosen.

    `managed` exists, and is true, only if uv installs it: then `path` is '' until the host has it.
    """

    managed: bool


class Source(TypedDict, total=False):
    """The source of the code. `kind` is one of the keys of `SOURCE_KINDS`, or `none` for an absent site.

    The key with the name of the kind contains the location. `digest` is the controller's sha256 of a directory,
    `commit` what a git version resolved to on the host; both are '' until they are known. `left_out` are SQLite files
    of a directory, relative to it, that are not code and stay on the controller.
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
    """Files that nginx serves itself; `previous` is the directory of the previous release's files, or ''."""

    url: str
    path: str
    previous: str


class Dns(TypedDict, total=False):
    """How a TXT record is created: by `command`, or by `plugin` of certbot. `wait` is in seconds."""

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
    """`directory` is '' for Let's Encrypt; `ca` is PEM text or a path on the host, '' for the CAs that the host
    trusts.
    """

    email: str
    directory: str
    ca: str
    challenge: Challenge
    profile: str
    key_type: str


class Tls(TypedDict, total=False):
    """The source of a site's certificate.

    `kind` is none, selfsigned, certificate (`certificate` and `key` are PEM text), path (`certificate_path` and
    `key_path` are files on the host that the collection does not renew) or acme.
    """

    kind: str
    certificate: str
    key: str
    certificate_path: str
    key_path: str
    acme: Acme


class Limit(TypedDict):
    """A rate such as 20r/s, and how many more requests are accepted at once."""

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
    path: str  # '' if the site sets none: `/`, and what belongs to it
    status: list[int]
    timeout: int
    watch: int


class Step(TypedDict):
    """A step of a build or of a release: a built-in one, a command of the project, or one of its management commands.

    `kind` is builtin, run or manage. `words` are the words of the command, without a shell; for a management command,
    without manage.py; for a built-in step, only its name. `timeout` is in seconds. With `once`, one host of several
    runs it.
    """

    kind: str
    words: list[str]
    timeout: int
    once: bool


class Worker(TypedDict):
    """A worker. Either `run` or `manage` has words; `stop_timeout` is in seconds, `hosts` is all or first."""

    run: list[str]
    manage: list[str]
    processes: int
    stop_timeout: int
    singleton: bool
    hosts: str
    unit: dict[str, list[str]]


class Timer(TypedDict):
    """A timer. Either `run` or `manage` has words; `jitter` and `timeout` are in seconds, `hosts` is all or first."""

    run: list[str]
    manage: list[str]
    at: list[str]
    jitter: int
    timeout: int
    hosts: str
    unit: dict[str, list[str]]


class Seed(TypedDict):
    """Paths in the source, '' for none."""

    database: str
    media: str


class Superuser(TypedDict, total=False):
    username: str
    email: str
    fields: dict[str, Any]
    password: str


class _Site(TypedDict):
    """A site of `web_sites` with every default filled in and every path derived.

    `group` is the primary group of `user`, which only the host knows: '' until the host sets it. `python` is the
    version or path of the key of that name, `managed` whether uv may install it; `requires_python` is what a source on
    the controller requires, '' if it is unknown there. `sizing` tells what determines uWSGI's number of processes:
    `given` the inventory, `auto` the host, `default` the host for a new site. Until the host has determined it, `uwsgi`
    has the default of earlier versions.
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
    database: Any  # the URL; in the public values, only whether it is set
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
    """`kept`: its deploy failed, and its configuration of nginx and the firewall is not changed."""

    kept: bool


class Secrets(TypedDict):
    """The secrets of a site; they are passed separately."""

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
    """build.json: describes a build. `predicted` is only in check mode's result for a build that does not exist.

    `path` is the build's directory, `src` its code, `chdir` the directory of manage.py in it, `home` its virtualenv or
    '', `uwsgi` the program, `overlay` whether there is a settings overlay. `subject` is the first line of the commit's
    message; builds of 0.1 have none. `django`, `apps` and `check` are facts from the project's own code: `admin` is the
    path of the admin's login or '', `https_header` the variable and the value of SECURE_PROXY_SSL_HEADER, if any. A
    build of 0.1 has neither. `configuration` is the settings class of django-configurations, or ''; `paths` is added to
    sys.path beside `chdir`, relative to it. `files` is the digest of the inventory's files in the code, `exported` what
    makes DEBUG false, `notes` the messages of the run that made it, and `hints` parts of the project without a step.
    `written` are the directories outside of the site's own that its settings write to; builds of earlier versions do
    not have it.
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

    `made` is in seconds since the epoch, `migrations` are APP.NAME of all migrations in its code, `code` is a digest of
    code that is used in place ('' for a build's own), `units` are file name -> text. `background` are the units of its
    workers and timers on this host, in the same format; a release without them has no such key. `sandbox` are the
    directives of the sandbox of its commands; releases of earlier versions have none. `guarded` exists, and is true,
    only if its ini file restricts its sockets to requests.
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
    """The variable `doctor_timer` in its normal form: `every` in seconds, `metrics` a directory or ''."""

    every: int
    metrics: str
