"""Run commands in a sandbox without systemd: with unshare, for those directives that change directories.

The effect of the directives with systemd is tested in tests/hostile.
"""

from __future__ import annotations

import shlex


def command(_unit, sandbox, who, argv, cwd, environment):
    """Return, as `confined.command`, the command that runs `argv` as `who` and the prefix of its input."""
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
