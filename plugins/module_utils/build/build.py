# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make a build: code, virtualenv, static files and settings overlay of a site, named after what went into it.

A build is made where it will stay, because virtualenvs do not like to be moved; what makes it one is its `build.json`,
written last. A directory without it is what a killed run left, is never used, and is made anew.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import inspect
import json
import os
import pwd
import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..build import django_probe, overlay, project, tree
from ..host import files
from ..host.shell import Shell, StepError, cause
from ..model.layout import Layout

# Part of every id: raise it when the same inputs have to give another build than before.
FORMAT = 1
ID_LENGTH = 12
NEEDS_UV = "{} needs uv; set django_installer: uv, or name a requirements.txt in requirements"
COMMIT = re.compile(r"[0-9a-f]{40}")
# pip's names for what uv reads under another one.
UV_NAMES = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    "PIP_CERT": "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE": "SSL_CERT_FILE",
}


class Build:
    """One site's build on this host. `fetch` gets a URL into a file: (url, path) -> None, raising OSError."""

    def __init__(
        self,
        site: dict[str, Any],
        secrets: dict[str, Any],
        environment: Mapping[str, str],
        installer: str,
        fetch: Callable[[str, str], None],
        upload: str = "",
    ) -> None:
        self.site, self.secrets, self.fetch, self.upload = site, secrets, fetch, upload
        self.name, self.paths, self.user = site["name"], site["paths"], site["user"]
        self.environment = dict(environment)
        hidden = [*secrets["env"].values(), secrets["database"], secrets["password"], secrets["key"]]
        # Credentials in URLs: of the repository, of a proxy, of a package index.
        hidden += re.findall(r"//([^/@\s]*)@", " ".join([secrets["git"], *self.environment.values()]))
        self.shell = Shell(self.name, self.environment, hidden)
        self.installer = installer
        self.in_place = site["source"]["kind"] == "path"
        # A project that is released as found, without the role `django`, has none chosen.
        self.python = site.get("interpreter", {}).get("path", "")

    # --- which build is wanted ---

    def identify(self) -> str:
        """The id of the wanted build, a hash of all that goes into it. Asks the git server, but changes nothing."""
        site = self.site
        inputs = {
            "format": FORMAT,
            "source": self._source(),
            "python": self._python_version(),
            "installer": self.installer,
            "user": self.user,  # the code is for its group only to read
            "overlay": overlay.settings(site, site["settings_module"] or "-"),
            **{
                key: site[key]
                for key in ("requirements", "packages", "virtualenv", "wsgi", "settings_module", "manage")
            },
            "uwsgi": {key: site["uwsgi"][key] for key in ("install", "version", "tarball", "checksum")},
        }
        text = json.dumps(inputs, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]

    def present(self, build_id: str) -> dict[str, Any]:
        """The manifest of a finished build, or {}."""
        return files.read_json(f"{self.paths['builds']}/{build_id}/build.json")

    def needs_upload(self) -> bool:
        """Whether making the build takes a source that lies on the controller and was not brought."""
        source = self.site["source"]
        local = source["kind"] == "directory" or (
            source["kind"] == "archive" and not source["archive"].startswith(("http://", "https://"))
        )
        return local and not self.upload

    def _source(self) -> str:
        source = self.site["source"]
        kind = source["kind"]
        if kind == "git":
            source["commit"] = self._commit()
            return f"git {source['commit']}"
        if kind == "directory":
            return f"tree {source['digest']}"
        if kind == "archive":
            if not source["checksum"]:
                source["checksum"] = self._download()
            return f"archive {source['checksum']}"
        if kind == "path":
            if not os.path.isdir(source["path"]):
                raise StepError(
                    self.name, "source", f"source.path is {source['path']!r}; this host has no such directory; make it"
                )
            return f"path {source['path']} {tree.digest(source['path'])}"
        return f"startproject {source['startproject']}"

    def _commit(self) -> str:
        """The commit that `version` names: a branch, else a tag, else itself."""
        version = self.site["source"]["version"]
        if COMMIT.fullmatch(version):
            return str(version)
        with self._git() as git:
            rows = git("ls-remote", self.secrets["git"]).stdout.splitlines()
        named = {name: commit for commit, _tab, name in (row.partition("\t") for row in rows)}
        for name in (f"refs/heads/{version}", f"refs/tags/{version}^{{}}", f"refs/tags/{version}", version):
            if name in named:
                return str(named[name])
        if re.fullmatch(r"[0-9a-f]{7,39}", version):
            raise StepError(
                self.name,
                "source",
                f"source.version is {version!r}; wanted all 40 digits of a commit, a branch or a tag",
            )
        known = ", ".join(sorted(name.split("/", 2)[2] for name in named if name.startswith("refs/heads/"))[:8])
        raise StepError(
            self.name,
            "source",
            f"source.version is {version!r}; the repository has no such branch or tag; it has {known}",
        )

    @contextlib.contextmanager
    def _git(self) -> Iterator[Callable[..., Any]]:
        """git as the site's user, with the deploy key in a file that is gone afterwards."""
        account = pwd.getpwnam(self.user)
        with tempfile.TemporaryDirectory(prefix="pyweb-git-") as home:
            os.chown(home, account.pw_uid, account.pw_gid)
            # The repository may be a directory of this host that belongs to somebody else.
            files.write(f"{home}/.gitconfig", "[safe]\n\tdirectory = *\n[advice]\n\tdetachedHead = false\n", 0o644)
            ssh = "ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new"
            ssh += f" -o UserKnownHostsFile={self.paths['cache']}/known_hosts"
            if self.secrets["key"]:
                files.write(f"{home}/key", self.secrets["key"], 0o600, account.pw_uid, account.pw_gid)
                ssh += f" -o IdentitiesOnly=yes -i {home}/key"
            environment = {"HOME": home, "GIT_SSH_COMMAND": ssh, "GIT_TERMINAL_PROMPT": "0"}

            def git(*argv: str, cwd: str = "/", check: bool = True) -> Any:
                return self.shell.run(
                    "source", ["git", *argv], self.user, cwd, environment=environment, timeout=600, check=check
                )

            yield git

    def _download(self) -> str:
        """Fetch the archive; its checksum."""
        url = self.site["source"]["archive"]
        handle, path = tempfile.mkstemp(prefix="archive-", dir=self.paths["cache"])
        os.close(handle)
        self._fetch("source", url, path)
        self.upload = path
        with open(path, "rb") as stream:
            return "sha256:" + hashlib.sha256(stream.read()).hexdigest()

    def _fetch(self, step: str, url: str, path: str) -> None:
        try:
            self.fetch(url, path)
        except OSError as error:
            raise StepError(self.name, step, f"{url}: {error}") from None

    def _python_version(self) -> str:
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        python = self.python
        if self.site["virtualenv"] == "none":
            python = "/usr/bin/python3"
        elif self.site["virtualenv"] and os.path.exists(f"{self.site['virtualenv']}/bin/python"):
            python = f"{self.site['virtualenv']}/bin/python"
        return str(self.shell.run("python", [python, "-c", code], self.user).stdout.strip())

    # --- making it ---

    def make(self, build_id: str) -> dict[str, Any]:
        """Make the build and return its manifest. Whatever fails, nothing that is live was touched."""
        source = self.site["source"]
        if source["kind"] == "archive" and not self.upload:
            found = self._download()
            if found != source["checksum"]:
                raise StepError(
                    self.name,
                    "source",
                    f"source.checksum is {source['checksum']}; {source['archive']} has {found}; "
                    "either the archive changed or the checksum is wrong",
                )
        self.root = f"{self.paths['builds']}/{build_id}"
        account = pwd.getpwnam(self.user)
        files.remove(self.root)
        os.mkdir(self.root, 0o755)
        os.chown(self.root, account.pw_uid, account.pw_gid)
        try:
            manifest = {"id": build_id, **self._steps()}
            self._seal()
        except BaseException:
            files.remove(self.root)
            raise
        files.write(f"{self.root}/build.json", json.dumps(manifest, indent=1, sort_keys=True) + "\n")
        return manifest

    def _steps(self) -> dict[str, Any]:
        site = self.site
        code = f"{self.root}/src"
        if self.in_place:
            os.symlink(site["source"]["path"], code)
        elif site["source"]["kind"] != "startproject":
            self._bring(code)
        home = self._virtualenv(code)
        if site["source"]["kind"] == "startproject":
            os.mkdir(code, 0o755)
            os.chown(code, pwd.getpwnam(self.user).pw_uid, pwd.getpwnam(self.user).pw_gid)
            name = site["source"]["startproject"]
            self.shell.run(
                "startproject", [self._interpreter(home), "-m", "django", "startproject", name, code], self.user
            )
        found = self.discover(code)
        os.mkdir(f"{self.root}/overlay", 0o755)
        files.write(
            f"{self.root}/overlay/{overlay.SETTINGS_MODULE}.py", overlay.settings(site, found["settings_module"])
        )
        files.write(f"{self.root}/overlay/{overlay.WSGI_MODULE}.py", overlay.wsgi(site, found["wsgi"]))
        if not self.in_place:
            self._compile(home, code)
        found.update(self._probe(home, code, found["chdir"]))
        return {
            **found,
            "path": self.root,
            "src": site["source"]["path"] if self.in_place else code,
            "overlay": True,
            "source": {key: value for key, value in site["source"].items() if key not in ("key", "directory")},
            "home": home,
            "python": self._python_version(),
            "uwsgi": project.uwsgi_binary(site, home),
            "install": site["uwsgi"]["install"],
        }

    def _bring(self, code: str) -> None:
        """The code of a git, archive or directory source, into `code`."""
        source, account = self.site["source"], pwd.getpwnam(self.user)
        os.mkdir(code, 0o755)
        os.chown(code, account.pw_uid, account.pw_gid)
        if source["kind"] == "git":
            with self._git() as git:
                git("init", "--quiet", code)
                # Some servers hand out a single commit only when a branch or tag points to it.
                wanted = [source["commit"]]
                if git("fetch", "--quiet", "--depth=1", self.secrets["git"], *wanted, cwd=code, check=False).returncode:
                    git(
                        "fetch",
                        "--quiet",
                        "--tags",
                        self.secrets["git"],
                        "+refs/heads/*:refs/remotes/origin/*",
                        cwd=code,
                    )
                git("checkout", "--quiet", "--force", source["commit"], cwd=code)
                if os.path.exists(f"{code}/.gitmodules"):
                    git("submodule", "--quiet", "update", "--init", "--recursive", "--depth=1", cwd=code)
            shutil.rmtree(f"{code}/.git")
            return
        # Unpacked by the site's user, so that nothing an archive holds can reach beyond what that user may write.
        archive = f"{self.root}/archive"
        shutil.copyfile(self.upload, archive)
        os.chown(archive, account.pw_uid, account.pw_gid)
        if source.get("archive", "").endswith(".zip"):
            argv = ["/usr/bin/python3", "-m", "zipfile", "-e", archive, code]
        else:
            argv = ["tar", "--extract", "--no-same-owner", "--file", archive, "--directory", code]
        self.shell.run("source", argv, self.user)
        os.unlink(archive)
        inside = os.listdir(code)
        if source["kind"] == "archive" and len(inside) == 1 and os.path.isdir(f"{code}/{inside[0]}"):
            # Archives of releases hold one directory, named after the release.
            os.rename(f"{code}/{inside[0]}", f"{self.root}/unpacked")
            os.rmdir(code)
            os.rename(f"{self.root}/unpacked", code)

    # --- the virtualenv ---

    def _virtualenv(self, code: str) -> str:
        """Make or find the virtualenv and install into it; its path, or '' for the system's Python."""
        wanted = self.site["virtualenv"]
        if wanted == "none":
            return ""
        names, listed = self._requirements(code)
        if not wanted:
            return self._own_virtualenv(names, listed)
        # An existing virtualenv is its owner's; a new one goes to whom the code beside it belongs to.
        fresh = not os.path.exists(f"{wanted}/bin/python")
        owner = pwd.getpwuid(os.stat(self.site["source"]["path"] if fresh else wanted).st_uid).pw_name
        tool = _Installer(self, owner)
        if fresh:
            tool.virtualenv(wanted, self.python)
        if fresh or self.site["packages"] or self.site["requirements"] is not None:
            tool.install("requirements", wanted, names, listed)
        elif self.site["uwsgi"]["install"] in ("pyuwsgi", "uwsgi") and (
            not os.path.exists(f"{wanted}/bin/uwsgi") or self.site["uwsgi"]["version"]
        ):
            tool.install("uwsgi", wanted, [self._uwsgi_requirement()], [])
        self._finish_virtualenv(tool, wanted, listed)
        return str(wanted)

    def _own_virtualenv(self, names: list[str], listed: list[str]) -> str:
        """The virtualenv that these requirements resolve to today: an earlier build's, or a new one.

        A change of code leaves it as it is, and a new version of a dependency makes another one. `requirements.txt` in
        it is written last; without it, it is what a killed run left.
        """
        tool = _Installer(self, self.user)
        resolved = tool.resolve(names, listed)
        if not resolved:
            home = f"{self.root}/venv"
            self._make_virtualenv(tool, home, names, listed)
            return home
        uwsgi = self.site["uwsgi"]
        inputs = [FORMAT, self._python_version(), self.user, resolved]
        inputs += [uwsgi["install"], uwsgi["version"], uwsgi["tarball"], uwsgi["checksum"]]
        digest = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:ID_LENGTH]
        home = f"{self.paths['virtualenvs']}/{digest}"
        if files.read(f"{home}/requirements.txt") != resolved:
            files.remove(home)
            try:
                self._make_virtualenv(tool, home, names, listed, resolved)
                self._seal_tree(home, 0, 0o022)
            except BaseException:
                files.remove(home)
                raise
            files.write(f"{home}/requirements.txt", resolved)
        os.symlink(os.path.relpath(home, self.root), f"{self.root}/venv")
        return home

    def _make_virtualenv(
        self, tool: _Installer, home: str, names: list[str], listed: list[str], resolved: str = ""
    ) -> None:
        os.makedirs(os.path.dirname(home), mode=0o755, exist_ok=True)
        tool.virtualenv(home, self.python)
        tool.install("requirements", home, names, listed, resolved)
        self._finish_virtualenv(tool, home, listed)

    def _finish_virtualenv(self, tool: _Installer, home: str, listed: list[str]) -> None:
        """Be sure of its Django, and of its uWSGI where that is no package."""
        probe = self.shell.run("requirements", [self._interpreter(home), "-c", "import django"], self.user, check=False)
        if probe.returncode:
            raise StepError(
                self.name,
                "requirements",
                f"{', '.join(map(os.path.basename, listed)) or 'packages'} brought no Django into {home}; "
                "add it to packages, for instance 'Django>=5.2,<5.3'",
            )
        if self.site["uwsgi"]["install"] == "tarball" and not os.path.exists(f"{home}/bin/uwsgi"):
            self._compile_uwsgi(tool, home, tool.owner)

    def _requirements(self, code: str) -> tuple[list[str], list[str]]:
        """(requirements by name, files of requirements) for the virtualenv."""
        site = self.site
        names = list(site["packages"])
        if site["uwsgi"]["install"] in ("pyuwsgi", "uwsgi"):
            names.append(self._uwsgi_requirement())
        if site["database"]:
            names.append("dj-database-url")
        if site["requirements"] is not None:
            listed = [f"{code}/{one}" for one in site["requirements"]]
            for path in listed:
                if not os.path.isfile(path):
                    raise StepError(
                        self.name,
                        "requirements",
                        f"requirements names {path[len(code) + 1 :]!r}; the source has no such file",
                    )
        else:
            known = [f"{code}/{one}" for one in ("uv.lock", "requirements.txt", "pyproject.toml")]
            listed = [path for path in known if os.path.isfile(path)][:1]
            if (
                listed
                and listed[0].endswith("pyproject.toml")
                and not re.search(r"^\s*\[project\]", files.read(listed[0]), re.MULTILINE)
            ):
                listed = []  # only the settings of some tool
        django = any(re.match(r"django\b(?![-_.])", one, re.IGNORECASE) for one in names)
        if not listed and not django:
            names.append("Django")
        return names, listed

    def _uwsgi_requirement(self) -> str:
        uwsgi = self.site["uwsgi"]
        return f"{uwsgi['install']}=={uwsgi['version']}" if uwsgi["version"] else str(uwsgi["install"])

    def _compile_uwsgi(self, tool: _Installer, home: str, owner: str) -> None:
        """Build uWSGI from its tarball with its own uwsgiconfig.py and copy the binary into the virtualenv."""
        uwsgi, account = self.site["uwsgi"], pwd.getpwnam(owner)
        with tempfile.TemporaryDirectory(prefix="uwsgi-", dir=self.paths["cache"]) as folder:
            os.chown(folder, account.pw_uid, account.pw_gid)
            archive = f"{folder}/uwsgi.tar.gz"
            if uwsgi["tarball"].startswith("/"):
                if not os.path.isfile(uwsgi["tarball"]):
                    raise StepError(
                        self.name, "uwsgi", f"uwsgi.tarball is {uwsgi['tarball']!r}; this host has no such file"
                    )
                shutil.copyfile(uwsgi["tarball"], archive)
            elif uwsgi["tarball"]:
                self._fetch("uwsgi", uwsgi["tarball"], archive)
            else:
                archive = tool.sdist(home, "uwsgi" + (f"=={uwsgi['version']}" if uwsgi["version"] else ""), folder)
            with open(archive, "rb") as stream:
                found = "sha256:" + hashlib.sha256(stream.read()).hexdigest()
            if uwsgi["checksum"] not in ("", found):
                raise StepError(self.name, "uwsgi", f"uwsgi.checksum is {uwsgi['checksum']}; the tarball has {found}")
            os.chmod(archive, 0o644)
            self.shell.run(
                "uwsgi", ["tar", "--extract", "--no-same-owner", "--file", archive, "--directory", folder], owner
            )
            configs = glob.glob(f"{folder}/*/uwsgiconfig.py")
            if not configs:
                raise StepError(self.name, "uwsgi", "the tarball holds no uwsgiconfig.py; it is not uWSGI's source")
            source = os.path.dirname(configs[0])
            self.shell.run("uwsgi", [f"{home}/bin/python", "uwsgiconfig.py", "--build"], owner, source)
            self.shell.run("uwsgi", ["install", "-m", "0755", f"{source}/uwsgi", f"{home}/bin/uwsgi"], owner)

    def _interpreter(self, home: str) -> str:
        return f"{home}/bin/python" if home else "/usr/bin/python3"

    # --- the project ---

    def discover(self, code: str) -> dict[str, Any]:
        """Where the project lies in the source, its settings and its WSGI entry: {chdir, settings_module, wsgi}."""
        site = self.site
        if site["manage"]:
            manage = [f"{code}/{site['manage']}"]
        else:
            manage = sorted(
                (path for depth in ("", "*/", "*/*/") for path in glob.glob(f"{code}/{depth}manage.py")),
                key=lambda path: (path.count("/"), path),
            )
        if not manage or not os.path.isfile(manage[0]):
            wanted = site["manage"] or "manage.py"
            raise StepError(
                self.name, "discovery", f"the source has no {wanted}; set manage to its path, relative to the source"
            )
        folder = os.path.dirname(manage[0])
        entry = site["wsgi"] or self._wsgi_entry(folder)
        module = site["settings_module"] or self._settings_module(folder, manage[0], entry)
        return {"chdir": os.path.relpath(folder, code), "settings_module": module, "wsgi": entry}

    def _wsgi_entry(self, folder: str) -> str:
        found = sorted(glob.glob(f"{folder}/*/wsgi.py"), key=lambda path: (path.count("/"), path))
        if not found:
            raise StepError(
                self.name, "discovery", "no wsgi.py beside manage.py; set wsgi, as in mysite.wsgi:application"
            )
        return os.path.relpath(found[0], folder)[: -len(".py")].replace("/", ".") + ":application"

    def _settings_module(self, folder: str, manage: str, entry: str) -> str:
        """What wsgi.py names, else manage.py; for development settings, the production ones that lie beside them."""
        wsgi_file = f"{folder}/{entry.partition(':')[0].replace('.', '/')}.py"
        for path in (wsgi_file, manage):
            match = re.search(r"DJANGO_SETTINGS_MODULE['\"]\s*(?:,|\]\s*=)\s*['\"]([\w.]+)['\"]", files.read(path))
            if match:
                package, _dot, last = match[1].rpartition(".")
                if last in ("dev", "development", "local"):
                    for other in ("production", "prod"):
                        if os.path.isfile(f"{folder}/{package.replace('.', '/')}/{other}.py"):
                            return f"{package}.{other}"
                return match[1]
        raise StepError(
            self.name, "discovery", "neither wsgi.py nor manage.py names DJANGO_SETTINGS_MODULE; set settings_module"
        )

    def _compile(self, home: str, code: str) -> None:
        """Bytecode for what root will own: the site's user could not store it."""
        argv = [self._interpreter(home), "-m", "compileall", "-q", "-j", "0", code, f"{self.root}/overlay"]
        account = pwd.getpwnam(self.user)
        os.chown(f"{self.root}/overlay", account.pw_uid, account.pw_gid)
        # A file that is no code for this Python (a template of code, an old test) is not a reason to refuse a project;
        # one that Django imports fails in the next step, by name.
        self.shell.run("compile", argv, self.user, environment={"PYTHONDONTWRITEBYTECODE": ""}, check=False)

    def _probe(self, home: str, code: str, chdir: str) -> dict[str, Any]:
        """Run the steps of `django_probe` with the project's own code; what it found."""
        static = f"{self.root}/static"
        account = pwd.getpwnam(self.user)
        os.mkdir(static, 0o755)
        os.chown(static, account.pw_uid, account.pw_gid)
        done = self.shell.run(
            "project",
            [self._interpreter(home), "-", overlay.WSGI_MODULE, overlay.SETTINGS_MODULE, "collect"],
            self.user,
            os.path.join(code, chdir),
            environment=project.environment(Layout.of(self.site), project.process_environment(self.secrets), self.root),
            stdin=inspect.getsource(django_probe),
            check=False,
        )
        reached = re.findall(r"^step: (\w+)$", done.stderr, re.MULTILINE)
        if done.returncode:
            output = re.sub(r"^step: \w+\n", "", done.stderr, flags=re.MULTILINE)
            raise StepError(self.name, reached[-1] if reached else "project", cause(output), output)
        return dict(json.loads(done.stdout.strip().splitlines()[-1]))

    def _seal(self) -> None:
        """Hand the build to root: the code only for the site's group to read, the rest for everybody."""
        group = pwd.getpwnam(self.user).pw_gid
        for private in ("src", "overlay"):
            self._seal_tree(f"{self.root}/{private}", group, 0o027)
        for public in ("venv", "static"):
            self._seal_tree(f"{self.root}/{public}", 0, 0o022)
        os.chown(self.root, 0, 0)

    def _seal_tree(self, top: str, group: int, mask: int) -> None:
        for path in _walk(top):
            _hand_over(path, group, mask)


class _Installer:
    """uv, or pip where it is asked for, working on virtualenvs as their owner."""

    def __init__(self, build: Build, owner: str) -> None:
        self.build, self.owner = build, owner
        self.uv = f"{os.path.dirname(build.paths['root'])}/.tools/bin/uv" if build.installer == "uv" else ""
        cache = build.paths["cache"] if owner == build.user else tempfile.gettempdir() + f"/pyweb-{owner}"
        self.environment = {"HOME": cache, "XDG_CACHE_HOME": cache}
        if self.uv:
            translated = {UV_NAMES[name]: value for name, value in build.environment.items() if name in UV_NAMES}
            # Copies, not hard links: the build is handed to root, and the cache must not go with it.
            self.environment.update(translated, UV_LINK_MODE="copy", UV_PYTHON_DOWNLOADS="never", UV_NO_CONFIG="1")
            self._bootstrap()

    def virtualenv(self, home: str, python: str) -> None:
        """Make an empty virtualenv that belongs to the owner."""
        account = pwd.getpwnam(self.owner)
        os.makedirs(home, mode=0o755, exist_ok=True)
        os.chown(home, account.pw_uid, account.pw_gid)
        argv = [self.uv, "venv", "--quiet", "--allow-existing", "--python", python, home]
        if not self.uv:
            argv = [python, "-m", "venv", home]
        self._run("virtualenv", argv)

    def resolve(self, names: list[str], listed: list[str]) -> str:
        """The requirements as they resolve today, NAME==VERSION a line; '' where that does not say all.

        A path or a repository among them may hold other code tomorrow, and pip resolves while it installs.
        """
        if not self.uv:
            return ""
        argv = [self.uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", self.build.python]
        text = self._run(
            "requirements",
            [*argv, *self._files(listed), "-"],
            self._folder(listed),
            "".join(f"{one}\n" for one in names),
        )
        pinned = re.compile(r"[A-Za-z0-9._-]+(\[[^]]*\])?==\S+( ; .*)?")
        return text if all(pinned.fullmatch(one) for one in text.splitlines()) else ""

    def install(self, step: str, home: str, names: list[str], listed: list[str], resolved: str = "") -> None:
        """Install requirements given by name and by file, with one resolution for all of them: `resolved`, if any."""
        paths = self._files(listed)
        arguments = [*names, *(word for path in paths for word in ("-r", path))]
        if self.uv:
            argv = [self.uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", f"{home}/bin/python"]
        else:
            argv = [f"{home}/bin/python", "-m", "pip", "install", "--quiet", "--no-input"]
        if resolved:
            argv += ["--constraint", "-"]
        self._run(step, [*argv, *arguments], self._folder(listed), resolved)

    def _files(self, listed: list[str]) -> list[str]:
        """Files of requirements as the installer can read them."""
        paths = []
        for path in listed:
            if path.endswith(("uv.lock", "pyproject.toml")) and not self.uv:
                raise StepError(self.build.name, "requirements", NEEDS_UV.format(os.path.basename(path)))
            paths.append(self._export(path) if path.endswith("uv.lock") else path)
        return paths

    def _folder(self, listed: list[str]) -> str:
        """Where to install from: a requirement file may name others beside it."""
        return os.path.dirname(listed[0]) if listed else "/"

    def sdist(self, home: str, requirement: str, folder: str) -> str:
        """Download the source distribution of a requirement into `folder`; its path."""
        # uv cannot download, and a virtualenv of uv's has no pip.
        pip = [f"{home}/bin/python", "-m", "pip"] if not self.uv else ["/usr/bin/python3", f"{_pip_wheel()}/pip"]
        argv = [*pip, "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        self._run("uwsgi", [*argv, "--dest", folder, requirement])
        found = glob.glob(f"{folder}/*.tar.gz")
        if not found:
            raise StepError(self.build.name, "uwsgi", f"the package index has no source of {requirement}")
        return found[0]

    def _export(self, lock: str) -> str:
        """A lock file as requirements with hashes."""
        folder = os.path.dirname(lock)
        argv = [self.uv, "export", "--frozen", "--quiet", "--no-dev", "--no-emit-project", "--project", folder]
        text = self._run("requirements", argv)
        path = f"{self.build.root}/uv-requirements.txt"
        files.write(path, text)
        return path

    def _run(self, step: str, argv: list[str], cwd: str = "/", stdin: str = "") -> str:
        environment = {**self.environment, "PYTHONDONTWRITEBYTECODE": ""}
        return str(self.build.shell.run(step, argv, self.owner, cwd, environment=environment, stdin=stdin).stdout)

    def _bootstrap(self) -> None:
        """uv for all sites of the host, in a virtualenv of its own, once."""
        tools = os.path.dirname(os.path.dirname(self.uv))
        if os.path.exists(self.uv):
            return
        with files.locked(".tools"):
            if os.path.exists(self.uv):
                return
            files.remove(tools)
            try:
                run = self.build.shell.run
                run("installer", ["/usr/bin/python3", "-m", "venv", "--without-pip", tools])
                # What ensurepip does takes longer than all of this: it compiles pip, which is used here once.
                with zipfile.ZipFile(_pip_wheel()) as wheel:
                    wheel.extractall(glob.glob(f"{tools}/lib/python3*/site-packages")[0])
                pip = [f"{tools}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
                run("installer", [*pip, "--no-compile", "--no-cache-dir", "uv"])
            except BaseException:
                files.remove(tools)
                raise


def _pip_wheel() -> str:
    """The wheel of pip that the system's Python carries for its virtualenvs (Debian keeps it apart)."""
    for pattern in ("/usr/share/python-wheels/pip-*.whl", "/usr/lib*/python3*/ensurepip/_bundled/pip-*.whl"):
        found = sorted(glob.glob(pattern))
        if found:
            return found[-1]
    raise StepError("", "installer", "the system's Python has no ensurepip; install its venv package")


def _walk(top: str) -> Iterator[str]:
    if os.path.lexists(top):
        yield top
    if not os.path.islink(top):
        for folder, folders, listed in os.walk(top):
            for name in [*folders, *listed]:
                yield os.path.join(folder, name)


def _hand_over(path: str, group: int, mask: int) -> None:
    found = os.lstat(path)
    os.lchown(path, 0, group)
    if not stat.S_ISLNK(found.st_mode):
        # What others may do, group and world may do as the mask allows; what the owner may execute, all may.
        mode = 0o755 if stat.S_ISDIR(found.st_mode) or found.st_mode & stat.S_IXUSR else 0o644
        os.chmod(path, mode & ~mask)
