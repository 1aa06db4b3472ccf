# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remove our policy module from SELinux, and relabel what it labelled and is kept."""

from __future__ import annotations

import os
import re

from ..host import file_set, files, memory
from .report import Fault, Report


def give_back(run: file_set.Run, report: Report, check_mode: bool) -> None:
    """Remove the module and its text. Raises `Fault`."""
    path = memory.SELINUX_MODULE
    if not os.path.exists(path):
        return
    name = os.path.basename(path)[: -len(".cil")]
    labelled = re.findall(r'(?m)^\(filecon "(.+)\(/\.\*\)\?"', files.read_or_empty(path))
    report.removed += [f"the SELinux module {name}", path]
    if check_mode:
        return
    if file_set.which("semodule"):
        status, out, err = run(["semodule", f"--remove={name}"])
        # A run that failed before the installation left only the text.
        if status and "not found" not in out + err and "Unable to remove module" not in out + err:
            raise Fault(f"SELinux: semodule --remove={name}: {(err or out).strip()}")
    stays = [place for place in (re.sub(r"\\(.)", r"\1", text) for text in labelled) if os.path.lexists(place)]
    if stays and file_set.which("restorecon"):
        run(["restorecon", "-R", "-F", "-i", *stays])
    files.remove(path)
