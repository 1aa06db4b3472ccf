# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The evidence about a host and a site: plain data, which look_*.py fill in and the hops judge."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..host.path_walk import Identity, Obstacle
from ..host.processes import Listener, Process
from ..model.layout import Layout
from ..nginx.dump import Config, Directive
from ..nginx.match import Server
from ..uwsgi.options import Options
from ..uwsgi.protocol import Answer
from .evidence_data import Data
from .evidence_directives import Directives
from .evidence_filter import PacketFilter
from .evidence_logs import Logs
from .evidence_servers import Serving, Starts
from .evidence_tls import CertificateFile, Https, InFront, Renewal, Shown, Trigger, Walk
from .evidence_visitors import Visitors

# Browsers keep cookies of up to 4096 bytes each (RFC 6265, section 6.1): one such cookie must get through.
LARGE_COOKIE = 4096


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds: for the check of Django, for an answer, for a ping.

    A site takes the longest of them, not their sum: its checks run in parallel.
    """

    look: float = 4.0

    @property
    def answer(self) -> float:
        return self.look / 2

    @property
    def ping(self) -> float:
        return self.look * 3 / 8


@dataclass
class Ran:
    """The output of a command; `status` is None if it does not exist or did not end in time."""

    status: int | None
    out: str = ""
    err: str = ""


# --- the host ---


@dataclass
class Nginx:
    """nginx as it runs and as it is configured; `config` is None if it could not be read.

    `worker` is the identity that opens files and sockets, with the names of its user and its group; `next_worker` is
    the identity that a worker would have if it started now. `built` are the paths that are compiled in, by the option
    of its configure.
    """

    installed: bool
    tested: Ran = field(default_factory=lambda: Ran(None))
    config: Config | None = None
    master: Process | None = None
    workers: list[Process] = field(default_factory=list)
    unit: dict[str, str] = field(default_factory=dict)
    log: str = ""
    changed: list[str] = field(default_factory=list)  # files newer than the workers
    worker: Identity = field(default_factory=lambda: Identity(65534, 65534))
    worker_name: str = "nobody"
    worker_group: str = "nogroup"
    next_worker: Identity | None = None
    built: dict[str, str] = field(default_factory=dict)
    ours: str = ""  # the file of this collection that nginx refuses


@dataclass
class Firewall:
    """firewalld: whether it is installed, enabled and running, and what the zone of the outer interface allows.

    `opened` are the zone's ports and those of its services, as '80/tcp' or '8000-8010/tcp'.
    """

    installed: bool = False
    enabled: bool = False
    running: bool = False
    answered: bool = True
    zone: str = ""
    target: str = ""
    services: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    error: str = ""


@dataclass
class Host:
    """What all sites of a host share.

    `holders` says which process holds a port that is listened on; `denials` are SELinux's, from the audit log.
    """

    now: float
    controller_time: float
    table: dict[int, Process]
    listeners: list[Listener]
    units: list[dict[str, str]]
    nginx: Nginx
    firewall: Firewall
    addresses: list[str]
    ipv6: bool
    synchronized: str
    denials: list[dict[str, str]]
    units_files: dict[str, str] = field(default_factory=dict)
    holders: dict[int, str] = field(default_factory=dict)
    triggers: list[Trigger] | None = None  # not examined yet
    packet_filter: PacketFilter = field(default_factory=PacketFilter)
    starts: Starts = field(default_factory=Starts)


# --- one site ---


@dataclass
class Probe:
    """The result of a request to an address behind nginx: as nginx's worker, then in nginx's protocol."""

    address: str
    speaks: str
    real: str = ""  # the path of a unix socket without links
    exists: bool = True
    is_socket: bool = True
    obstacle: Obstacle | None = None
    connect_error: str = ""  # errno name, '' when nginx's worker may connect
    hidden: bool = False  # nginx has a mount namespace in which it is not there
    owner: str = ""
    answer: Answer | None = None
    failure: str = ""
    pong: float | None = None
    ping_failure: str = ""
    kind: str = ""  # what answers when the wanted protocol gets none
    large_failure: str = ""  # what a request with a large cookie came to
    described: str = ""


@dataclass
class Entrance:
    """One way in: a domain at a port, and what a client got there. `wanted` are the servers with that name.

    `greets` means that clients must speak the PROXY protocol first.
    """

    domain: str
    address: str
    port: int
    tls: bool
    server: Server | None
    wanted: list[Server]
    answer: Answer | None = None
    failure: str = ""
    errno: int = 0
    certificate: str = ""  # OpenSSL's verdict, '' if it is valid
    certificate_place: str = ""
    greets: bool = False
    file: CertificateFile | None = None
    shown: Shown = field(default_factory=Shown)

    @property
    def url(self) -> str:
        usual = self.port == (443 if self.tls else 80)
        return f"http{'s' if self.tls else ''}://{self.domain}{'' if usual else f':{self.port}'}"

    @property
    def host(self) -> str:
        return self.url.partition("//")[2]

    @property
    def where(self) -> str:
        return f"{'[' + self.address + ']' if ':' in self.address else self.address}:{self.port}"


@dataclass
class Fetched:
    """A static or media file as a client gets it, and the file that nginx takes for it.

    `url` is the prefix of its kind, as '/static/', `folder` the project's directory for it, and `wanted` the file that
    the project means; both are '' if not known. `elsewhere` says that nginx takes another file, `outside` that it
    takes one outside of that directory. `link` is the first link on the way there that has another owner than what it
    leads to. `nobody_meant` means that there is no such file yet, and no location of nginx for them. `refused`
    is the directive that rejects all requests there, with its place. `kind` is the Content-Type.
    """

    uri: str
    status: int = 0
    failure: str = ""
    file: str = ""
    handler: str = ""
    place: str = ""
    obstacle: Obstacle | None = None
    url: str = ""
    folder: str = ""
    wanted: str = ""
    elsewhere: bool = False
    outside: bool = False
    link: str = ""
    nobody_meant: bool = False
    refused: str = ""
    kind: str = ""


@dataclass
class Uwsgi:
    """The uWSGI of a site, running or not; `log` is its output since the start, or recently if it is down."""

    installed: bool = False
    master: Process | None = None
    workers: list[Process] = field(default_factory=list)
    unit: dict[str, str] = field(default_factory=dict)
    options: Options = field(default_factory=Options)
    command: list[str] = field(default_factory=list)
    python: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    user: str = ""
    listens: list[str] = field(default_factory=list)
    log: str = ""
    restarted: list[float] = field(default_factory=list)  # when systemd had to start it again, see restarts()
    stats: dict[str, Any] = field(default_factory=dict)
    starts_at_boot: bool | None = None  # None: not known


@dataclass
class BackgroundUnit:
    """A unit of a worker, of a timer or of what a timer runs, as systemd reports it.

    `worker` or `timer` is its name, the other one ''; `number` tells several processes of a worker apart. `wanted` says
    whether the live release has it. `age` is how long it is active, in seconds; `next` and `last` are times as text,
    and `sandbox` are two of systemd's directives: see `refused.by_sandbox`.
    """

    unit: str
    worker: str = ""
    number: str = ""
    timer: str = ""
    release: str = ""
    wanted: bool = True
    state: str = ""
    substate: str = ""
    restarts: int = 0
    age: float = 0.0
    result: str = ""
    status: str = ""
    next: str = ""
    last: str = ""
    log: str = ""
    masked: bool = False
    sandbox: dict[str, str] = field(default_factory=dict)


@dataclass
class Background:
    """The workers and timers of a site; `release` is the live one."""

    release: str = ""
    units: list[BackgroundUnit] = field(default_factory=list)


@dataclass
class Places:
    """Which of the directories exist that uWSGI's options and Django's settings name.

    `pythons` are those of the virtualenv, as python3.11; `package` says whether the application's top package lies in
    chdir, `package_elsewhere` which directory near it has it. `closed` is what keeps the site's own user out of chdir,
    or from reading the package there. `read_only` are directories that the processes of the site see on a file system
    that is read-only for them alone. `own_state` says that the database lies where systemd opens a directory to a unit
    alone (DynamicUser=, StateDirectory=).
    """

    chdir: bool = True
    closed: Obstacle | None = None
    read_only: list[str] = field(default_factory=list)
    own_state: bool = False
    home: bool = True
    static_root: bool = True
    media_root: bool = True
    package: bool = True
    pythons: list[str] = field(default_factory=list)
    package_elsewhere: str = ""


@dataclass
class Site:
    """All evidence about one site. `prefix` is the path that it is served below, '' for its whole names.

    `described` has, by path, the mode, owner and group of what a verdict may name. `unexamined` are checks that ended
    with an unexpected exception, as text.
    """

    name: str
    domains: list[str]
    path: str
    wanted_status: list[int]
    managed: bool
    media_wanted: bool
    layout: Layout
    patience: Patience = field(default_factory=Patience)
    entrances: list[Entrance] = field(default_factory=list)
    resolved: dict[str, str] = field(default_factory=dict)
    chain: list[Directive] = field(default_factory=list)
    handler: Directive | None = None
    speaks: str = ""
    probes: list[Probe] = field(default_factory=list)
    prefix: str = ""
    uwsgi: Uwsgi = field(default_factory=Uwsgi)
    inside: dict[str, dict[str, Any]] = field(default_factory=dict)
    inside_last: str = ""
    inside_error: str = ""
    inside_timed_out: bool = False
    debug_page: bool = False
    static: Fetched | None = None
    media: Fetched | None = None
    media_obstacle: Obstacle | None = None
    nginx_events: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)
    read_only: dict[str, str] = field(default_factory=dict)  # a mount, and the site's directory in it
    places: Places = field(default_factory=Places)
    background: Background = field(default_factory=Background)
    described: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    https: Https = field(default_factory=Https)
    renewal: Renewal = field(default_factory=Renewal)
    walks: list[Walk] = field(default_factory=list)
    in_front: InFront = field(default_factory=InFront)
    unexamined: list[str] = field(default_factory=list)
    visitors: Visitors = field(default_factory=Visitors)
    server: Serving = field(default_factory=Serving)
    logs: Logs = field(default_factory=Logs)
    # Only one page was requested through nginx, and the project's code was not run.
    passive: bool = False
    data: Data = field(default_factory=Data)
    directives: Directives = field(default_factory=Directives)

    @property
    def told(self) -> dict[str, str]:
        """What the application is told behind nginx: if the site has https, that the client used it."""
        return {"X-Forwarded-Proto": "https"} if any(entrance.tls for entrance in self.entrances) else {}

    @property
    def answers(self) -> list[Answer]:
        """What was answered, behind nginx and in front of it."""
        given = [*(probe.answer for probe in self.probes), *(entrance.answer for entrance in self.entrances)]
        return [answer for answer in given if answer]
