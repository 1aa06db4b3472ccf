"""The oldest systemd and nginx on a supported platform support every directive. Both are those of Ubuntu 22.04.

systemd only logs and ignores an unknown directive: a site would run without that part of its sandbox. nginx does not
start.
"""

from __future__ import annotations

import inspect
import re

import goldens
from ansible_collections.pyweb.stack.plugins.module_utils.host import confined, identity, sandbox
from ansible_collections.pyweb.stack.plugins.module_utils.release import doctor_timer

SYSTEMD, NGINX = 249, "1.18.0"
# Directives that were added to systemd after version 230, with the version that added them (from its NEWS).
SINCE = {
    "CapabilityBoundingSet": 21,
    "CPUWeight": 232,
    "LockPersonality": 235,
    "MemoryMax": 231,
    "OOMPolicy": 243,
    "PrivateNetwork": 37,
    "ProcSubset": 247,
    "ProtectClock": 245,
    "ProtectControlGroups": 232,
    "ProtectHostname": 242,
    "ProtectKernelLogs": 244,
    "ProtectKernelModules": 232,
    "ProtectKernelTunables": 232,
    "ProtectProc": 247,
    "ReadWritePaths": 231,
    "RemoveIPC": 232,
    "RestrictNamespaces": 233,
    "RestrictRealtime": 231,
    "RestrictSUIDSGID": 242,
    "StartLimitIntervalSec": 230,
    "StateDirectory": 235,
    "StateDirectoryMode": 235,
    "TemporaryFileSystem": 238,
    "TimeoutStartFailureMode": 246,
}
UNITS = ("units/*/*", "background/*", "tls_units.txt")
OLD = """
AccuracySec After Before ConditionFileIsExecutable ConditionPathExists Conflicts DefaultDependencies Description
Environment EnvironmentFile ExecReload ExecStart ExecStop Group IOSchedulingClass KillMode KillSignal LimitNOFILE
ListenStream Nice NoNewPrivileges OnActiveSec OnCalendar OnUnitActiveSec PartOf PathChanged Persistent PrivateDevices
PrivateTmp ProtectHome ProtectSystem RandomizedDelaySec ReloadPropagatedFrom RemainAfterExit Restart RestartSec
RestrictAddressFamilies Service Sockets StartLimitBurst SyslogIdentifier SystemCallArchitectures SystemCallErrorNumber
SystemCallFilter TasksMax TimeoutStartSec TimeoutStopSec Type UMask User WantedBy WorkingDirectory
"""
# Directives added to nginx's HTTP modules after 1.18.0 (nginx.org/en/docs), and those that depend on the version.
NEWER = """
add_header_inherit add_trailer_inherit early_hints http2 keepalive_min_timeout keepalive_time max_headers
proxy_cookie_flags proxy_pass_trailers ssl_certificate_cache ssl_certificate_compression ssl_conf_command ssl_ech_file
ssl_key_log ssl_object_cache_inheritable ssl_ocsp ssl_ocsp_cache ssl_ocsp_responder ssl_reject_handshake userid_flags
uwsgi_allow_upstream uwsgi_bind_dynamic uwsgi_request_dynamic uwsgi_socket_rcvbuf uwsgi_socket_sndbuf
uwsgi_ssl_certificate_cache uwsgi_ssl_conf_command uwsgi_ssl_key_log
"""
GUARDED = {"http2", "ssl_reject_handshake"}  # `https.Spelling`; test_nginx_https.py tests it for each version


def written(name, *patterns):
    """Return the names of the directives in golden files, at the beginning of lines."""
    paths = [path for pattern in patterns for path in goldens.HERE.glob(pattern) if path.is_file()]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    assert texts
    return {found for text in texts for found in re.findall(rf"(?m)^\s*({name})(?==| )", text)}


def commanded():
    """Return the directives of a command in a sandbox."""
    nobody = identity.Identity(65534, 65534)
    words, _given = confined.command("unit", sandbox.apart(sandbox.DIRECTIVES, ["/srv"]), nobody, ["true"], "/", {})
    return {match[1] for word in words if (match := re.match(r"--property=(\w+)=", word))}


def everything():
    """Return every directive that is written for systemd."""
    timer = re.findall(r"(?m)^([A-Z][A-Za-z]+)=", inspect.getsource(doctor_timer))
    assert timer
    return {
        name
        for name in (*written("[A-Z][A-Za-z]+", *UNITS), *timer, *sandbox.DIRECTIVES, *commanded())
        if re.search("[a-z]", name)
    }


def test_the_oldest_systemd_knows_every_directive():
    found = everything()
    assert found - {*SINCE, *OLD.split()} == set(), "look up which version of systemd added it"
    assert {name for name in found if SINCE.get(name, 0) > SYSTEMD} == set()


def test_nginx_gets_newer_directives_only_where_its_version_allows_them():
    assert written("[a-z_0-9]+", "nginx/*", "nginx_extras/*") & {*NEWER.split()} <= GUARDED
