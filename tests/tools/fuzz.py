"""Test the properties of tests/unit/test_fuzz_*.py at random until the time is over, or one fails.

    make fuzz                          10 minutes
    make fuzz MINUTES=60 EXAMPLES=500 ARGS="-k nginx"
    make fuzz SEED=123                 one round again, with the examples of that seed

Each round tests every property with this number of examples. A failure is printed with the smallest example that
hypothesis finds; add it as a plain test, beside the fix.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--seed", type=int)
    wanted, more = parser.parse_known_args()
    end = time.monotonic() + 60 * wanted.minutes
    asked = 0
    while not asked or (time.monotonic() < end and wanted.seed is None):
        seed = random.randrange(1 << 32) if wanted.seed is None else wanted.seed
        asked += 1
        print(f"round {asked}: {wanted.examples} examples of each property, seed {seed}", flush=True)
        if status := ask(seed, wanted.examples, more):
            print(
                f"again: make fuzz SEED={seed} EXAMPLES={wanted.examples}"
                + (f' ARGS="{" ".join(more)}"' if more else "")
            )
            return status
    return 0


def ask(seed: int, examples: int, more: list[str]) -> int:
    """Run one round; return the status of pytest."""
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/unit").glob("test_fuzz_*.py"))
    command = [sys.executable, "-m", "pytest", "-q", f"--hypothesis-seed={seed}", *files, *more]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PYWEB_FUZZ": str(examples)}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
