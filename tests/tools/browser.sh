#!/usr/bin/env bash
# Make a browser that the tests of the documentation can drive available: Chromium, or the Chrome of a CI machine.
set -euo pipefail

for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if "$name" --version </dev/null 2>/dev/null; then exit 0; fi
done

echo "==> installing chromium"
if command -v apt-get >/dev/null; then
    # Another step may be installing something: apt waits for it.
    apt-get update -qq </dev/null || true
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends \
        chromium fonts-dejavu-core </dev/null >/dev/null
elif command -v dnf >/dev/null; then
    dnf install -y -q chromium dejavu-sans-fonts </dev/null
else
    echo "install Chromium or Chrome first" >&2
    exit 1
fi
chromium --version </dev/null
