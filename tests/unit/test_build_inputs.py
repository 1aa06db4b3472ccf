"""The pure parts of releasing: identities, what is kept."""

from __future__ import annotations

import json
import os
import types
from pathlib import Path

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete, split_secrets
from ansible_collections.pyweb.stack.plugins.module_utils.release import release as releasing

SECRET = "correct-horse-battery"
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="it writes files that belong to root")


def make_release(tmp_path, build=goldens.BUILD, **keys):
    """A release of a site; its roots are the same for every `keys`."""
    roots = {key: str(tmp_path / key) for key in ("sites", "state", "config", "run", "cache")}
    sites, secrets = split_secrets(complete([{**goldens.SHOP, **keys}], roots=roots))
    sites[0]["group"] = sites[0]["user"]
    return releasing.Release.wanted(sites[0], secrets["shop"], build)


# --- EnvironmentFile ---


def read_environment_file(text):
    """What systemd reads from an EnvironmentFile whose values are all in double quotes (env-file.c, parse_env_file)."""
    found, position = {}, 0
    while position < len(text):
        equals = text.index("=", position)
        name, position = text[position:equals], equals + 1
        assert text[position] == '"'
        position += 1
        value = ""
        while text[position] != '"':
            if text[position] == "\\":
                position += 1
                if text[position] in '"\\`$':
                    value += text[position]
                elif text[position] != "\n":
                    value += "\\" + text[position]
            else:
                value += text[position]
            position += 1
        assert text[position + 1] == "\n"
        found[name] = value
        position += 2
    return found


VALUES = {
    "PLAIN": "a",
    "EMPTY": "",
    "SPACES": "  a  b  ",
    "QUOTES": 'it\'s "quoted"',
    "DOLLAR": "$HOME ${HOME} $$ `id`",
    "BACKSLASH": '\\ \\\\ \\n \\" end\\',
    "LINES": "-----BEGIN KEY-----\nabc\n\n-----END KEY-----\n",
    "COMMENT": "# no comment\n; none\nA=b",
    "CONTINUED": "a\\\nb",
    "TABS": "a\tb\rc",
    "UNICODE": "é 漢字 %i %%",
}


# --- identities ---


# --- releases ---


def released(release, *rows):
    """Releases as they lie on the host: (id, when it was made)."""
    folder = Path(release.paths["releases"])
    for name, made in rows:
        (folder / name).mkdir(parents=True)
        (folder / name / "release.json").write_text(json.dumps({"id": name, "build": name, "made": made}))


# --- going live ---


def go_live(release, monkeypatch, answers, known=()):
    """Go live instead of 'live', and say what was done; `answers` is what is wrong with each answer, or ''."""
    done, left = [], iter(answers)

    def ask(address, _timeout):
        done.append(f"ask {address[5:]}")
        return next(left, "")

    released(release, ("live", 1), (release.id, 2))
    os.symlink("releases/live", release.paths["current"])
    os.symlink("releases/before", release.paths["previous"])
    monkeypatch.setattr(releasing.units, "FOLDER", release.paths["root"])
    monkeypatch.setattr(releasing, "SETTLE_SECONDS", 0.01)
    monkeypatch.setattr(release, "_install_units", lambda: None)
    monkeypatch.setattr(release, "_record", lambda _known: None)
    monkeypatch.setattr(release, "_is_active", lambda _unit: True)
    monkeypatch.setattr(release, "_journal", lambda _unit, _since: "")
    monkeypatch.setattr(release, "_systemctl", lambda _step, *words, check=True: done.append(" ".join(words)) or DONE)
    monkeypatch.setattr(release, "_stop_others", lambda: done.append("stop others") or [])
    monkeypatch.setattr(release, "_ask", ask)
    try:
        release._go_live("live", known)
    except StepError as error:
        done.append(str(error))
    return done


DONE = types.SimpleNamespace(returncode=0, stdout="")


BAD_ANSWER = "/ as shop.example did not answer: nothing listens"


# On ports it was asked as a probe before, and starts after the switch.


# --- draining ---


def record(release, monkeypatch):
    """What a release does to units, in order."""
    done = []
    monkeypatch.setattr(release, "_drain", lambda one: done.append(f"drain {one}"))
    monkeypatch.setattr(release, "_start", lambda unit: done.append(f"start {unit}"))
    monkeypatch.setattr(release, "_health", lambda _id, unit="": done.append(f"ask {unit or 'the release'}"))
    monkeypatch.setattr(release, "_systemctl", lambda _step, *arguments, check=True: done.append(" ".join(arguments)))
    return done


# --- rollback ---


def live_and_before(tmp_path, build=None, **before):
    """A live release and one before it, as `_record` writes them; `before` are keys of the earlier one's site."""
    source = {"kind": "git", "git": "/srv/shop.git", "version": "main"}
    build = {**goldens.BUILD, "source": source, **(build or {})}
    earlier = make_release(tmp_path, build, env={"TOKEN": 'a "b" $c'}, **before)
    later = make_release(tmp_path, {**build, "id": "b" * 12})
    for release, known in ((earlier, ["shop.0001_initial"]), (later, ["shop.0001_initial", "shop.0002_more"])):
        Path(release.folder).mkdir(parents=True)
        Path(release.paths["config"]).mkdir(parents=True, exist_ok=True)
        Path(f"{release.paths['config']}/{release.id}.env").write_text(release.env_text)
        release._record(known)
    os.symlink(f"releases/{later.id}", later.paths["current"])
    os.symlink(f"releases/{earlier.id}", later.paths["previous"])
    return earlier, later


def holding(release, monkeypatch, shown):
    """What _hold asks of systemd, which shows the unit of port 8001 as `shown`."""
    done = []
    answer = types.SimpleNamespace(returncode=0, stdout=shown)
    monkeypatch.setattr(release, "_systemctl", lambda _step, *words, check=True: done.append(words[0]) or answer)
    release._hold("uwsgi-shop@8001.socket", "127.0.0.1:8001")
    return done
