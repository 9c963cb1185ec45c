"""How much memory there is, and how much of it a process has for itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pymonik.runtime.worker import memory


def test_the_smallest_limit_counts(tmp_path: Path) -> None:
    (tmp_path / "none").write_text("max\n")
    (tmp_path / "some").write_text("1000000\n")
    files = (str(tmp_path / "none"), str(tmp_path / "missing"))
    machine = memory.available(files)
    assert machine > 1 << 28
    assert memory.available((*files, str(tmp_path / "some"))) == 1_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_what_a_process_has_for_itself_is_seen() -> None:
    # A child: what other tests have freed in this process would be taken up again.
    program = r"kept = b'\1' * (64 << 20); print(len(kept), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert int(child.stdout.readline()) == 64 << 20
        assert 60 << 20 < memory.private(child.pid) < 256 << 20
        child.communicate(b"\n")


def test_a_process_that_has_gone_has_nothing() -> None:
    assert memory.private(2**22 + 1) == 0
