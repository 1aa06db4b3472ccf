#!/usr/bin/env bash
# Run the tests of what is shipped to hosts with the oldest ansible-core that meta/runtime.yml allows, in a virtualenv of
# its own. ANSIBLE_CORE=2.17 chooses another one.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tools=${VENV:-.venv}
[[ $tools = /* ]] || tools=$root/$tools
oldest=$(sed -nE 's/^requires_ansible: *">=([0-9]+\.[0-9]+).*/\1/p' "$root/meta/runtime.yml")
version=${ANSIBLE_CORE:-$oldest}
venv=$root/.cache/compat-$version
# ansible-core 2.16 and 2.17 know no Python after 3.12.
python=$(command -v python3.11 || command -v python3.12 || command -v python3)

if [[ ! -x $venv/bin/pytest ]]; then
    printf '==> making %s with ansible-core %s\n' "${venv#"$root"/}" "$version"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    pytest=$(grep '^pytest==' "$root/requirements-dev.txt")
    # pip, because it reads what is set for it (an index, a proxy); nothing else has to be translated.
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check "ansible-core==$version.*" "$pytest"
fi
cd "$root"
"$venv/bin/python" -m ansible adhoc --version | sed -n 1p
exec "$venv/bin/python" -m pytest tests/unit/test_payload.py "$@"
