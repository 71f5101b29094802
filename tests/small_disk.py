"""A small disk of a test's own, and how it becomes full."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(at: Path, megabytes: int) -> Iterator[Path]:
    """Mounted at `at`, which is made; skips the test where that cannot be."""
    if os.geteuid():
        pytest.skip("only root can mount a small disk")
    at.mkdir()
    size = f"size={megabytes}m"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", at], check=False, capture_output=True).returncode:
        pytest.skip("no mounts here")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


def fill(file: Path) -> None:
    """Until not a byte more fits on its disk."""
    with file.open("ab", buffering=0) as junk:
        for size in (1 << 20, 4096):
            try:
                while True:
                    junk.write(bytes(size))
            except OSError:
                continue
