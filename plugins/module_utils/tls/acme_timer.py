# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The timer of the distribution's certbot, which renews, and the CAs that it must trust.

Changes are recorded in `record()`, and undone after the last certificate of ours is removed.
"""

from __future__ import annotations

import glob
import json
import os

from ..host import files
from ..host.services import start
from ..model import layout as layouts
from . import acme_found
from .acme_found import Run

# The host's CA files; the first is Debian's, the second EL's.
SYSTEM_CAS = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
DROP_IN = "pyweb.conf"
DONE = {"stop": "stopped", "disable": "disabled"}


def record() -> str:
    return f"{layouts.MEMORY}/acme.json"


def bundle() -> str:
    """Return the file with the host's CAs and those of the inventory. It is created whenever certbot starts."""
    return f"{layouts.LOCKS}/acme-ca.pem"


def ensure(run: Run, dry: bool) -> list[str]:
    """Start the timer, now and at boot; return what was, or would be, done. Raises `ServiceError`."""
    unit = acme_found.timer()
    if not unit:
        return [] if dry else start(acme_found.TIMERS[0], run, dry)
    known = files.read_json(record())
    planned = start(unit, run, dry=True)
    if planned and not dry and "timer" not in known:
        os.makedirs(layouts.MEMORY, mode=0o755, exist_ok=True)
        _note({**known, "timer": unit, "did": planned})
    return planned if dry else start(unit, run, dry)


def ensure_authorities(run: Run, dry: bool) -> list[str]:
    """Set the CAs of the inventory for the timer's certbot, or remove them; return what was, or would be, done."""
    unit = acme_found.timer()
    wanted = drop_in() if glob.glob(f"{layouts.MEMORY}/acme-ca/*.pem") else ""
    if not unit:
        return []
    path = drop_in_path(unit)
    if files.read_or_empty(path) == wanted:
        return []
    if not dry:
        if wanted:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            files.write(path, wanted, 0o644, os.geteuid(), os.getegid())
        else:
            files.forget(path)
            _remove_empty(os.path.dirname(path))
        run(["systemctl", "daemon-reload"])
    return [path]


def drop_in_path(unit: str) -> str:
    return f"{layouts.SYSTEMD}/{unit.replace('.timer', '.service')}.d/{DROP_IN}"


def drop_in() -> str:
    """Return the drop-in: certbot verifies with only one file, so that contains the host's CAs too."""
    own = f"{layouts.MEMORY}/acme-ca/*.pem"
    folder = os.path.dirname(bundle())
    # A missing file must not prevent other renewals.
    command = f"umask 022; mkdir -p {folder}; cat {' '.join(SYSTEM_CAS)} {own} >{bundle()} 2>/dev/null; :"
    return (
        "# Written by pyweb.stack: certbot knows the CAs of the inventory (tls.acme.ca) beside the host's own.\n"
        f"[Service]\nExecStartPre=/bin/sh -c '{command}'\nEnvironment=REQUESTS_CA_BUNDLE={bundle()}\n"
    )


def environment() -> dict[str, str]:
    """Return the environment of a certbot that this run calls; creates the file in it."""
    own = sorted(glob.glob(f"{layouts.MEMORY}/acme-ca/*.pem"))
    if not own:
        return {}
    os.makedirs(os.path.dirname(bundle()), mode=0o755, exist_ok=True)
    text = "".join(files.read_or_empty(path) for path in (*SYSTEM_CAS, *own))
    files.write(bundle(), text, 0o644, os.geteuid(), os.getegid())
    return {"REQUESTS_CA_BUNDLE": bundle()}


def give_back(run: Run, dry: bool) -> list[str]:
    """Undo the changes of the timer; return them in words."""
    known = files.read_json(record())
    unit, done = known.get("timer", ""), known.get("did", [])
    verbs = [verb for verb, did in (("stop", "start"), ("disable", "enable")) if did in done]
    there = bool(unit) and acme_found.timer() == unit
    if not dry:
        if there:
            for verb in verbs:
                run(["systemctl", verb, unit])
        files.forget(record())
    return [f"{unit}: {' and '.join(DONE[verb] for verb in verbs)}, as it was"] if there and verbs else []


def _note(known: dict[str, object]) -> None:
    files.write(record(), json.dumps(known, sort_keys=True) + "\n", 0o600, os.geteuid(), os.getegid())


def _remove_empty(folder: str) -> None:
    try:
        os.rmdir(folder)
    except OSError:
        return
