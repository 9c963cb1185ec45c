"""A disk that is small enough to be full."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def tmpfs(folder: Path, size: str) -> Iterator[Callable[[str], None]]:
    """Mount a memory disk of `size` on `folder`, and give a function that resizes it.

    Skips the test where this user may not mount: only a real disk can really be full.
    """
    if sys.platform != "linux":
        pytest.skip("no full disk tested: tmpfs is Linux's")
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no full disk tested: mounting is not permitted here ({done.stderr.strip()})")
    try:
        yield lambda size: _remount(folder, size)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _remount(folder: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)
