"""``python -m pymonik.emulator``, as a process."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pymonik.emulator.cli import parse_partition
from tests.emulator.plain_cluster import WORKER, Client


@contextmanager
def served(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and the URL that it printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pymonik.emulator", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process, process.stdout.readline().removeprefix("export AK_ENDPOINT=").strip()
        finally:
            process.kill()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end(end: signal.Signals) -> None:
    arguments = ("--partition", "main=1", "--worker", f"{sys.executable} {WORKER}")
    with served(*arguments) as (process, url):
        with Client(url.removeprefix("http://")) as client:
            assert client.value(client.run("concat", text="hello")[1]) == b"hello"
        process.send_signal(end)
        assert process.wait(30) == 0


def test_partitions_are_written_with_their_number_of_workers() -> None:
    assert parse_partition("gpu=3") == ("gpu", 3)
    assert parse_partition("gpu") == ("gpu", 1)
    for wrong in ("=3", "gpu=", "gpu=x", "gpu=-1"):
        with pytest.raises(ValueError, match="NAME=WORKERS"):
            parse_partition(wrong)


def test_an_unknown_generation_is_answered_with_the_known_ones() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pymonik.emulator", "--generation", "1.0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "0.37.2" in run.stderr
