"""Turn Debian packages into the rpms and the repositories of a stand-in for CentOS Stream: repositories.py STREAM.

Runs as root in a container of Debian that has dnf, rpm and createrepo_c, before build.sh removes dpkg. packages.toml
lists what is offered. Writes the repositories, and adds the packages of the container to the rpm database.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomllib

HERE = Path(__file__).resolve().parent
REPOS = Path("/usr/share/pyweb-stand-in/repos")
WORK = Path(tempfile.mkdtemp())  # temporarily needs a gigabyte
# An rpm that packages.toml does not list goes into the first of these that needs it.
REPOSITORIES = ("baseos", "appstream", "extras-common", "epel")
APT = ["apt-get", "-y", "-q", "-o", "Acquire::Retries=3", "-o", "Acquire::https::CAInfo=/tmp/ca.crt"]


@dataclass
class Rpm:
    """One rpm to build; `tree` holds its files."""

    name: str
    version: str
    release: str
    repository: str
    tree: Path
    epoch: int = 0
    requires: list[str] = field(default_factory=list)
    provides: list[str] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    scripts: str = ""


@dataclass(frozen=True)
class Deb:
    """One Debian package, downloaded; each of `depends` is a list of alternatives."""

    name: str
    version: str
    depends: list[list[str]]
    path: Path


def main(stream: int) -> None:
    recipe = read_recipe(stream)
    rpms = convert_all(recipe, fetch(recipe))

    offered = [rpm for rpm in rpms.values() if rpm.repository in REPOSITORIES]
    for rpm, path in rpmbuild("offered", offered):
        keep_in(rpm.repository, path)
    modules = [
        (name, one, replace(rpms[name], version=one["version"], release=f"1.module_el{stream}"))
        for name, one in recipe.modules.items()
    ]
    for _rpm, path in rpmbuild("modules", [rpm for _name, _one, rpm in modules]):
        keep_in("appstream", path)
    for repository in REPOSITORIES:
        run("createrepo_c", "--quiet", REPOS / repository)
    for name, one, rpm in modules:
        offer_module(name, one["stream"], rpm, stream)

    image = rpmbuild("image", [rpm for rpm in rpms.values() if rpm.repository == "image"])
    run("rpm", "--install", "--replacefiles", *(path for _rpm, path in image))
    # Only in the database: the files already exist, and their owner does not matter.
    run("rpm", "--install", "--justdb", "--nodeps", *(path for _rpm, path in rpmbuild("userland", userland(recipe))))
    shutil.rmtree(WORK)


# --- the recipe -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """The parts of packages.toml that concern one Stream."""

    stream: int
    words: dict[str, str]
    exclude: list[str]
    leave_out: list[str]
    names: dict[str, str]
    provides: dict[str, list[str]]
    rpms: dict[str, dict[str, Any]]
    modules: dict[str, dict[str, Any]]

    def sources(self, name: str) -> list[str]:
        """Return the Debian packages from which an rpm of packages.toml is made."""
        return list(self.rpms[name].get("from", [name]))

    def rpm_of(self, deb: str) -> str:
        return next((name for name in self.rpms if deb in self.sources(name)), self.names.get(deb, deb))


def read_recipe(stream: int) -> Recipe:
    python = ".".join(output("python3", "--version").split()[1].split(".")[:2])
    found = re.search(r"Depends: postgresql-(\d+)$", output("apt-cache", "depends", "postgresql"), re.MULTILINE)
    words = {"stream": str(stream), "python": python, "python_digits": python.replace(".", "")}
    words["postgresql"] = found[1] if found else ""
    data = tomllib.loads(filled((HERE / "packages.toml").read_text(encoding="utf-8"), words))

    def here(section: str) -> dict[str, dict[str, Any]]:
        return {name: one for name, one in data[section].items() if stream in one.get("streams", [stream])}

    common = (data[section] for section in ("exclude", "leave_out", "names", "provides"))
    return Recipe(stream, words, *common, here("rpm"), here("module"))


def filled(text: str, words: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: words.get(found[1], found[0]), text)


def fetch(recipe: Recipe) -> dict[str, Deb]:
    """Download the listed Debian packages, and their dependencies that the image lacks."""
    wanted = sorted({source for name in recipe.rpms for source in recipe.sources(name)})
    planned = output(*APT, "install", "--simulate", "--no-install-recommends", *wanted)
    names = [name for name in re.findall(r"(?m)^Inst (\S+)", planned) if name not in recipe.exclude]
    folder = WORK / "debs"
    folder.mkdir()
    run(*APT, "-o", "APT::Sandbox::User=root", "download", *names, cwd=folder)
    debs = {}
    for path in folder.glob("*.deb"):
        fields = output("dpkg-deb", "--show", "--showformat", "${Package}\n${Version}\n${Pre-Depends},${Depends}", path)
        name, version, depends = fields.split("\n")
        debs[name] = Deb(name, version, [re.findall(r"(?:^|\|) *([^\s:|(]+)", one) for one in depends.split(",")], path)
    return debs


# --- from debs to rpms ------------------------------------------------------------------------------------------------


def convert_all(recipe: Recipe, debs: dict[str, Deb]) -> dict[str, Rpm]:
    """Return the rpms of packages.toml, and an rpm for each other Debian package on which they depend."""
    parts = {name: [debs[source] for source in recipe.sources(name)] for name in recipe.rpms}
    named = {deb.name for several in parts.values() for deb in several}
    parts.update({recipe.rpm_of(name): [deb] for name, deb in debs.items() if name not in named})
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rpms = dict(zip(parts, pool.map(lambda name: convert(recipe, name, parts[name], debs), parts)))
    for repository in REPOSITORIES:
        reached = [rpm for rpm in rpms.values() if rpm.repository == repository]
        while reached:
            for needed in reached.pop().requires:
                if not rpms[needed].repository:
                    rpms[needed].repository = repository
                    reached.append(rpms[needed])
    return rpms


def convert(recipe: Recipe, name: str, parts: list[Deb], debs: dict[str, Deb]) -> Rpm:
    one = recipe.rpms.get(name, {})
    tree = WORK / "trees" / name
    tree.mkdir(parents=True)
    for deb in parts:
        run("dpkg-deb", "--extract", deb.path, tree)
    shape(tree, one, recipe.leave_out)
    for file in files_below(HERE / "files" / name):
        target = made(tree / file.relative_to(HERE / "files" / name))
        target.write_text(filled(file.read_text(encoding="utf-8"), recipe.words), encoding="utf-8")
    for path in one.get("attributes", {}):
        if not (tree / path).exists():
            (tree / path).mkdir(parents=True)

    requires = list(one.get("requires", []))
    for alternatives in (alternatives for deb in parts for alternatives in deb.depends):
        requires += [recipe.rpm_of(deb) for deb in alternatives if deb in debs][:1]
    return Rpm(
        name=name,
        version=one.get("version") or plain_version(parts[0].version if parts else "1"),
        release=f"1.el{recipe.stream}",
        repository=one.get("repository", ""),
        tree=tree,
        epoch=one.get("epoch", 0),
        requires=[needed for needed in dict.fromkeys(requires) if needed != name],
        provides=one.get("provides", []),
        attributes=one.get("attributes", {}),
        scripts=account_script(name, one.get("account")) + unit_script(name, one.get("unit")),
    )


def shape(tree: Path, one: dict[str, Any], leave_out: list[str]) -> None:
    """Change the files as packages.toml says."""
    # Some packages still contain /lib, /bin and /sbin, which are links to those below /usr.
    for top in ("bin", "lib", "lib64", "sbin"):
        if (tree / top).is_dir():
            shutil.copytree(tree / top, tree / "usr" / top, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(tree / top)
    for file in list(files_below(tree)):
        path = str(file.relative_to(tree))
        kept = any(fnmatch.fnmatchcase(path, pattern) for pattern in one.get("keep", ["*"]))
        if not kept or any(fnmatch.fnmatchcase(path, pattern) for pattern in [*one.get("drop", []), *leave_out]):
            file.unlink()
    for path, needle in one.get("remove_lines", {}).items():
        lines = (tree / path).read_text(encoding="utf-8").splitlines(keepends=True)
        (tree / path).write_text("".join(line for line in lines if needle not in line), encoding="utf-8")
    for old, new in one.get("move", {}).items():
        (tree / old).rename(made(tree / new))
    for path, target in one.get("link", {}).items():
        made(tree / path).symlink_to(target)
    for path, source in one.get("copy", {}).items():
        shutil.copy2(source, made(tree / path))
    for path, wheel in one.get("unpack", {}).items():
        zipfile.ZipFile(glob.glob(wheel)[0]).extractall(tree / path)
    for folder in sorted((path for path in tree.rglob("*") if path.is_dir() and not path.is_symlink()), reverse=True):
        # Remove directories that are empty now. Those that are empty in the package stay, unless it has `keep`.
        if not any(folder.iterdir()) and ("keep" in one or str(folder.relative_to(tree)).startswith("usr/share/")):
            folder.rmdir()


def account_script(name: str, account: dict[str, str] | None) -> str:
    if not account:
        return ""
    user, home = account["name"], account["home"]
    return f"""%pre -n {name}
getent group {user} >/dev/null || groupadd --system {user}
getent passwd {user} >/dev/null || useradd --system --gid {user} --home-dir {home} --shell /sbin/nologin {user}
"""


def unit_script(name: str, unit: str | None) -> str:
    if not unit:
        return ""
    return f"""%post -n {name}
if [ $1 -eq 1 ]; then systemctl --no-reload preset {unit} || :; fi
%preun -n {name}
if [ $1 -eq 0 ]; then systemctl --no-reload disable --now {unit} || :; fi
"""


# --- the existing userland --------------------------------------------------------------------------------------------

# The same triggers as in EL's packages.
TRIGGERS = {
    "glibc": """%transfiletriggerin -n glibc -- /usr/lib /usr/lib64
/sbin/ldconfig
""",
    "systemd": """%transfiletriggerin -n systemd -- /usr/lib/systemd/system
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
""",
}


def userland(recipe: Recipe) -> list[Rpm]:
    """Return every Debian package of the image as an rpm without files, with EL's name."""
    empty = WORK / "trees/none"
    empty.mkdir(parents=True)
    debian_only = (HERE / "debian-only").read_text(encoding="utf-8").split()
    versions: dict[str, str] = {}
    for line in output("dpkg-query", "--show", "--showformat", "${Package} ${Version}\n").splitlines():
        deb, version = line.split()
        if deb not in debian_only:
            versions.setdefault(recipe.names.get(deb, deb), plain_version(version))
    return [
        Rpm(
            name=name,
            version=version,
            release=f"1.el{recipe.stream}",
            repository="",
            tree=empty,
            provides=recipe.provides.get(name, []),
            scripts=TRIGGERS.get(name, ""),
        )
        for name, version in versions.items()
    ]


def plain_version(version: str) -> str:
    """Return Debian's version without epoch and revision, with only the characters that rpm allows."""
    upstream = re.sub(r"^\d+:", "", version).rpartition("-")[0] or re.sub(r"^\d+:", "", version)
    return re.sub(r"[^\w.+~^]", ".", upstream)


# --- building ---------------------------------------------------------------------------------------------------------


def rpmbuild(title: str, rpms: list[Rpm]) -> list[tuple[Rpm, Path]]:
    """Build all rpms from one spec; return each with its file."""
    if not rpms:
        return []
    top, tree = WORK / "rpmbuild" / title, WORK / "roots" / title
    tree.mkdir(parents=True)
    for rpm in rpms:
        run("cp", "--archive", f"{rpm.tree}/.", tree)
    spec = made(top / f"{title}.spec")
    spec.write_text(HEAD.format(title=title, tree=tree) + "".join(section(rpm) for rpm in rpms), encoding="utf-8")
    run("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {top}", spec)
    built = {path.name.rsplit("-", 2)[0]: path for path in top.rglob("*.rpm")}
    return [(rpm, built[rpm.name]) for rpm in rpms]


HEAD = """\
%define _binary_payload w1.zstdio
%define _rpmfilename %%{{NAME}}-%%{{VERSION}}-%%{{RELEASE}}.%%{{ARCH}}.rpm
%define _build_id_links none
%define __os_install_post %{{nil}}
%define debug_package %{{nil}}
Name: {title}
Version: 1
Release: 1
Summary: All packages of a stand-in in one spec
License: as the files say
%description
%prep
%build
%install
rm -rf %{{buildroot}}
mv {tree} %{{buildroot}}
"""


def section(rpm: Rpm) -> str:
    head = [f"%package -n {rpm.name}", f"Summary: {rpm.name} of the stand-in", "AutoReqProv: no"]
    head += [f"Version: {rpm.version}", f"Release: {rpm.release}"]
    head += [f"Epoch: {rpm.epoch}"] if rpm.epoch else []
    head += [f"Requires: {one}" for one in rpm.requires] + [f"Provides: {one}" for one in rpm.provides]
    body = [f"%description -n {rpm.name}", "Made of Debian's files.", f"%files -n {rpm.name}"]
    return "\n".join([*head, *body, *file_lines(rpm), rpm.scripts, ""])


def file_lines(rpm: Rpm) -> Iterator[str]:
    """Return every file, and the directories that the image lacks. Several packages may own a directory."""
    for path in sorted(rpm.tree.rglob("*")):
        name = str(path.relative_to(rpm.tree))
        folder = path.is_dir() and not path.is_symlink()
        if folder and name not in rpm.attributes and Path("/", name).is_dir():
            continue
        mode, user, group = rpm.attributes.get(name, "- root root").split()
        kind = "%dir " if folder else ""
        if name.startswith("etc/") and not folder and rpm.repository != "image":
            kind = "%config(noreplace) "
        yield f'%attr({mode},{user},{group}) {kind}"/{name.replace("%", "%%")}"'


def keep_in(repository: str, path: Path) -> None:
    shutil.move(path, made(REPOS / repository / path.name))


def offer_module(name: str, module_stream: str, rpm: Rpm, stream: int) -> None:
    """Add the rpm to a module stream in the repository's metadata: dnf offers it only if the stream is enabled."""
    words = {"name": name, "module_stream": module_stream, "stream": str(stream), "arch": os.uname().machine}
    words["evr"] = f"{rpm.epoch}:{rpm.version}-{rpm.release}"
    path = WORK / "modules.yaml"
    path.write_text(filled((HERE / "module.modulemd").read_text(encoding="utf-8"), words), encoding="utf-8")
    run("modifyrepo_c", "--mdtype=modules", path, REPOS / "appstream/repodata")


# --- helpers ----------------------------------------------------------------------------------------------------------


def files_below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def made(path: Path) -> Path:
    """Create the directory of a path, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def run(*words: str | Path, cwd: Path | None = None) -> None:
    subprocess.run([str(word) for word in words], check=True, cwd=cwd, stdin=subprocess.DEVNULL)


def output(*words: str | Path) -> str:
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main(int(sys.argv[1]))
