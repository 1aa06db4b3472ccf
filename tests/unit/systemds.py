"""A fake systemd that stores units in a directory and states in memory, and records commands."""

from __future__ import annotations

import fnmatch
import os
import types

from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError


class FakeSystemd:
    """Replace a shell. `tasks` are units that finish a task before they stop, `dying` units that end at once.

    `states` maps units to their ActiveState, `asked` has the commands that change something, `journal` is the log of
    every unit.
    """

    def __init__(self, folder, tasks=(), dying=(), journal=""):
        self.folder, self.tasks, self.dying, self.journal = folder, set(tasks), set(dying), journal
        self.states, self.restarts, self.groups, self.asked, self.unread = {}, {}, {}, [], set()

    def run(self, step, argv, user="root", cwd="/", environment=None, stdin="", check=True, timeout=None):
        program, verb, *words = argv
        status, output = 0, ""
        if program == "journalctl":
            output = "".join(f"{line}\n" for line in reversed(self.journal.splitlines()))
        elif program == "systemd-analyze":
            status, output = (
                (1, f"Failed to parse calendar specification '{words[0]}'") if words[0] in self.unread else (0, "")
            )
        elif verb == "show":
            output = "\n\n".join(self._shown(name) for name in self._matching(words))
        else:
            self.asked.append(" ".join([verb, *words]))
            options = {word for word in words if word.startswith("--")}
            getattr(self, f"_{verb.replace('-', '_')}")([word for word in words if word not in options], options)
        if check and status:
            raise StepError("shop", step, output)
        return types.SimpleNamespace(returncode=status, stdout=output, stderr=output if status else "")

    def finish(self, name):
        """Let a unit finish its task, so that a pending start begins."""
        self.tasks.discard(name)
        self.states[name] = "active" if self.states.get(name) == "deactivating, then start" else "inactive"

    def running(self):
        return sorted(name for name, state in self.states.items() if state == "active" and name.endswith(".service"))

    def _matching(self, words):
        patterns = [word for word in words if not word.startswith("--")]
        known = [name for name, state in self.states.items() if state != "inactive"]
        found = [name for pattern in patterns for name in known if fnmatch.fnmatchcase(name, pattern)]
        return list(dict.fromkeys([*found, *(word for word in patterns if "*" not in word)]))

    def _shown(self, name):
        state = self.states.get(name, "inactive").partition(",")[0]
        values = {
            "Id": name,
            "ActiveState": "activating" if name in self.dying and state == "active" else state,
            "NRestarts": self.restarts.get(name, 0),
            "MainPID": 0,
            "ControlGroup": self.groups.get(name, ""),
            "Result": "exit-code",
            "ExecMainCode": "1",
            "ExecMainStatus": "1",
        }
        return "\n".join(f"{key}={value}" for key, value in values.items())

    def _start(self, names, options):
        for name in names:
            if not os.path.exists(f"{self.folder}/{name}"):
                raise StepError("shop", "start", f"Unit {name} not found.")
            waits = self.states.get(name) == "deactivating"
            self.states[name] = "deactivating, then start" if waits else "active"

    def _restart(self, names, options):
        self._start(names, options)

    def _stop(self, names, options):
        for name in self._matching(names):
            if self.states.get(name) in ("active", "deactivating"):
                busy = name in self.tasks and "--no-block" in options
                self.states[name] = "deactivating" if busy else "inactive"

    def _enable(self, names, options):
        for name in names:
            wants = f"{self.folder}/{'timers' if name.endswith('.timer') else 'multi-user'}.target.wants"
            os.makedirs(wants, exist_ok=True)
            if not os.path.lexists(f"{wants}/{name}"):
                os.symlink(f"../{name}", f"{wants}/{name}")

    def _disable(self, names, options):
        for name in names:
            for wants in ("timers", "multi-user"):
                if os.path.lexists(f"{self.folder}/{wants}.target.wants/{name}"):
                    os.unlink(f"{self.folder}/{wants}.target.wants/{name}")
            if "--now" in options:
                self.states[name] = "inactive"

    def _daemon_reload(self, names, options):
        pass

    def _reset_failed(self, names, options):
        pass
