"""The collection as Galaxy has it: the archive of this checkout, and the answers of Galaxy's API about it, as files.

The archive has the version that comes next, without `-dev0`: that is what a reader installs. A plain web server on
the controller serves it to ansible-galaxy there (ANSIBLE_GALAXY_SERVER).
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

from host import ROOT

PORT = 8099
URL = f"http://127.0.0.1:{PORT}/api/"


def build(work: Path) -> Path:
    """Build the archive from a copy of this checkout."""
    tree = work / "tree"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file() and not (ROOT / name).is_symlink():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    about = tree / "galaxy.yml"
    about.write_text(re.sub(r"(?m)^(version: [\d.]+)-.*", r"\1", about.read_text(encoding="utf-8")), encoding="utf-8")
    command = ["ansible-galaxy", "collection", "build", "--output-path", str(work), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = work.glob("pyweb-stack-*.tar.gz")
    return archive


def write(archive: Path, folder: Path) -> None:
    """Write what Galaxy's API answers; a path that ends with / is answered by index.html below it."""
    version = archive.name.removeprefix("pyweb-stack-").removesuffix(".tar.gz")
    collection = {"namespace": "pyweb", "name": "stack", "created_at": "", "updated_at": ""}
    answers = {
        "": {"available_versions": {"v3": "v3/"}},
        "v3/collections/pyweb/stack/": collection,
        "v3/collections/pyweb/stack/versions/": {
            "meta": {"count": 1},
            "links": {"next": None},
            "data": [{"version": version, "href": f"/api/v3/collections/pyweb/stack/versions/{version}/"}],
        },
        f"v3/collections/pyweb/stack/versions/{version}/": {
            "namespace": {"name": "pyweb"},
            "collection": {"name": "stack"},
            "version": version,
            "href": f"/api/v3/collections/pyweb/stack/versions/{version}/",
            "download_url": f"{URL.removesuffix('api/')}{archive.name}",
            "artifact": {"sha256": hashlib.sha256(archive.read_bytes()).hexdigest()},
            "metadata": {"dependencies": {}},
            "signatures": [],
        },
    }
    for path, answer in answers.items():
        (folder / "api" / path).mkdir(parents=True, exist_ok=True)
        (folder / "api" / path / "index.html").write_text(json.dumps(answer), encoding="utf-8")
    shutil.copy(archive, folder / archive.name)
