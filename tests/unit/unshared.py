"""Commands in a sandbox where no systemd runs: by unshare, which takes of the directives what moves directories.

What systemd makes of the same directives is asked in tests/hostile.
"""

from __future__ import annotations

import shlex


def command(_unit, sandbox, who, argv, cwd, environment):
    """Return what `confined.command` does: what runs `argv` as `who`, and what goes before its standard input."""
    script = ["set -e"]
    for pair in sandbox.get("BindPaths", []):
        source, target = pair.strip('"').split(":")
        script.append(f"mount --rbind {shlex.quote(source)} {shlex.quote(target)}")
    for item in sandbox.get("TemporaryFileSystem", []):
        path, _colon, options = item.strip('"').partition(":")
        script.append(f"mount -t tmpfs -o {shlex.quote(options)} none {shlex.quote(path)}")
    ids = [f"--reuid={who.uid}", f"--regid={who.gid}", f"--groups={','.join(map(str, who.groups))}"]
    own = [f"{name}={value}" for name, value in environment.items()]
    script.append(f"cd {shlex.quote(cwd)}")
    script.append(shlex.join(["exec", "setpriv", *ids, "--no-new-privs", "env", "-i", *own, *argv]))
    net = ["--net"] if sandbox.get("PrivateNetwork") else []
    return ["unshare", "--mount", *net, "sh", "-c", "\n".join(script)], b""
