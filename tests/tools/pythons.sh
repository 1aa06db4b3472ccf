#!/usr/bin/env bash
# Collect the Pythons of this machine from 3.9 to 3.14: pythons.sh DIRECTORY puts a link to each, python3.9 for example,
# into the directory and prints their versions. With UV_PYTHON_DOWNLOADS=automatic, uv downloads those that are missing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
venv=${VENV:-.venv}
[[ $venv = /* ]] || venv=$root/$venv
directory=$1

# Does it run at all, and where is it? A name on the PATH may be a shim, with or without an interpreter behind it.
interpreter() { # interpreter COMMAND VERSION
    "$1" - "$2" 2>/dev/null <<'PYTHON'
import os, sys
if "%d.%d" % sys.version_info[:2] != sys.argv[1]:
    sys.exit(1)
print(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
PYTHON
}

find_python() {
    local found
    for found in $(type -ap "python$1") $(compgen -G "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1.*/bin/python$1"); do
        interpreter "$found" "$1" && return 0
    done
    found=$("$venv/bin/uv" python find --quiet --no-project --python-preference managed "$1" 2>/dev/null) &&
        interpreter "$found" "$1"
}

rm -rf "$directory"
mkdir -p "$directory"
for version in 3.9 3.10 3.11 3.12 3.13 3.14; do
    if found=$(UV_PYTHON_DOWNLOADS=${UV_PYTHON_DOWNLOADS:-never} find_python "$version"); then
        ln -s "$found" "$directory/python$version"
        echo "$version"
    fi
done
