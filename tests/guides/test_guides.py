"""Read each page as a new user would: run its commands in order, write its files, and compare the outputs."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import page as pages
import pytest
from bed import Bed, running
from page import Block


@pytest.mark.parametrize("path", pages.GUIDES, ids=lambda path: path.stem)
def test_page(path: Path, archive: Path, tmp_path: Path) -> None:
    blocks = pages.checked(path)
    with running(path.stem, path.read_text(encoding="utf-8"), tmp_path, archive) as bed:
        read(blocks, bed)


def read(blocks: list[Block], bed: Bed) -> None:
    """Do what the blocks say, one after the other."""
    output, ids = "", {}
    warns = any("[WARNING]" in block.text for block in blocks if block.output)
    for block in blocks:
        if block.example:
            continue
        if block.output:
            line = pages.missing(block.text, bed.shown(output), ids)
            assert not line, f"{block.place}: the output has no line\n  {line}\nit is:\n{output}"
        elif block.file:
            write(block, bed)
        else:
            output = run(block, bed)
            assert warns or "[WARNING]" not in output, (
                f"{block.place}: a warning that the page does not show:\n{output}"
            )


def write(block: Block, bed: Bed) -> None:
    session = bed.session(block.on)
    path = shlex.quote(f"{session.directory}/{block.file}" if not block.file.startswith("/") else block.file)
    write = "tee -a" if block.append else "tee"
    script = f'set -e; mkdir -p "$(dirname {path})"; {write} {path}'
    session.host.told(f"su {session.user} -c {shlex.quote(script)} >/dev/null", stdin=bed.substituted(block.text))


def run(block: Block, bed: Bed) -> str:
    bed.own.get("before", lambda _bed, _block: None)(bed, block)
    start = time.monotonic()
    done = bed.session(block.on).type(bed.substituted(block.text))
    print(f"{block.place}: {time.monotonic() - start:.1f} s, exit status {done.status}\n{block.text}---\n{done.output}")
    wanted = "an exit status that is not 0" if block.fails else "the exit status 0"
    assert (done.status != 0) == block.fails, (
        f"{block.place}: {wanted}, not {done.status}:\n{block.text}---\n{done.output}"
    )
    return done.output
