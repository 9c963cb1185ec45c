"""`python -m pymonik.emulator`, as a process."""

from __future__ import annotations

import os
import select
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pymonik.emulator.arguments import (
    parse_lag,
    parse_milliseconds,
    parse_outage,
    parse_partition,
    parse_port,
    parse_seconds,
)
from tests.conftest import PATIENCE
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
            process.terminate()  # in order: killed, it would leave its workers behind


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end(end: signal.Signals) -> None:
    arguments = ("--partition", "main=1", "--worker", shlex.join([sys.executable, str(WORKER)]))
    with served(*arguments) as (process, url):
        assert process.stdout is not None
        assert process.stdout.readline() == f"or: PYMONIK_ENDPOINT={url} python script.py\n"
        assert "(its main branch), and refuses what" in process.stdout.readline()
        with Client(url.removeprefix("http://")) as client:
            assert client.value(client.run("concat", text="hello")[1]) == b"hello"
        process.send_signal(end)
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("options", [["--certificate", "no.pem", "--key", "no.pem"], []])
def test_what_it_cannot_serve_with_is_one_line(options: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = "0" if options else str(taken.getsockname()[1])
        run = subprocess.run(
            [sys.executable, "-m", "pymonik", "emulator", "--port", port, *options],
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.returncode == 1
    [line] = run.stderr.splitlines()
    assert ("no.pem" if options else f"127.0.0.1:{port}: is the port taken?") in line


def test_ctrl_c_in_a_terminal_ends_it_and_its_workers() -> None:
    """A terminal signals the whole group: server, workers, executors."""
    command = [sys.executable, "-m", "pymonik", "emulator", "--port", "0"]
    script = "from pymonik import task; import os; print(task(os.getppid).invoke().get())"
    group = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    with group:
        try:
            assert group.stdout is not None
            group.stdout.readline()
            url = group.stdout.readline().removeprefix("export AK_ENDPOINT=").strip()
            program = f"import os, pymonik\nwith pymonik.Pymonik({url!r}):\n    {script}"
            done = subprocess.run(
                [sys.executable, "-c", program], capture_output=True, text=True, check=True
            )
            worker = int(done.stdout)
            assert Path(f"/proc/{worker}").exists() or sys.platform != "linux"
            os.killpg(group.pid, signal.SIGINT)
            assert group.wait(PATIENCE) == 0
            with pytest.raises(ProcessLookupError):
                os.kill(worker, 0)
        finally:
            group.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="waits for a process that is no child's")
def test_a_server_that_is_killed_takes_its_workers_along() -> None:
    with served() as (process, url):
        program = (
            "import os, pymonik\n"
            f"with pymonik.Pymonik({url!r}):\n"
            "    print(os.getpid(), pymonik.task(os.getppid).invoke().get())"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        worker = os.pidfd_open(int(done.stdout.split()[1]))
        try:
            process.kill()
            assert select.select([worker], [], [], 30)[0], "the worker outlives the server"
        finally:
            os.close(worker)


def test_partitions_are_written_with_their_number_of_workers() -> None:
    assert parse_partition("gpu=3") == ("gpu", 3)
    assert parse_partition("gpu") == ("gpu", 1)
    for wrong in ("=3", "gpu=", "gpu=x", "gpu=-1"):
        with pytest.raises(ValueError, match="NAME=WORKERS"):
            parse_partition(wrong)


def test_a_lag_is_written_in_milliseconds() -> None:
    assert parse_outage("10+4") == (10.0, 4.0)
    assert parse_lag("90") == parse_lag("90ms") == (0.09, 0.09)
    assert parse_lag("0-90") == parse_lag("0-90ms") == (0.0, 0.09)
    for wrong in ("", "x", "90-0", "-5", "1-2-3"):
        with pytest.raises(ValueError, match="write milliseconds"):
            parse_lag(wrong)


def test_an_overhead_is_written_in_milliseconds() -> None:
    assert parse_milliseconds("15") == parse_milliseconds("15ms") == 0.015
    for wrong in ("15s", "-1", "nan", "inf"):
        with pytest.raises(ValueError, match="write milliseconds"):
            parse_milliseconds(wrong)


def test_other_times_are_written_in_seconds() -> None:
    assert parse_seconds("10") == parse_seconds("10s") == 10.0
    for wrong in ("x", "-1", "10ms"):
        with pytest.raises(ValueError, match="write seconds"):
            parse_seconds(wrong)
    for wrong in ("10", "10+", "-1+4", "10+nan"):
        with pytest.raises(ValueError, match=r"AT\+FOR"):
            parse_outage(wrong)


def test_a_port_is_a_number_that_there_is() -> None:
    assert [parse_port(text) for text in ("0", "5001", "65535")] == [0, 5001, 65535]
    for wrong in ("x", "-1", "65536", "5001.0", ""):
        with pytest.raises(ValueError, match="from 0 to 65535"):
            parse_port(wrong)


def test_quirks_are_switched_on_by_options() -> None:
    options = ("--late-rows", "3600000", "--embedded-data")
    worker = ("--partition", "main=1", "--worker", shlex.join([sys.executable, str(WORKER)]))
    with served(*options, *worker) as (_, url), Client(url.removeprefix("http://")) as client:
        output = client.run("concat", text="x")[1]
        client.events.wait_for_result_availability(output, client.session)
        assert client.results.download_result_data(output, client.session) == b""


def test_an_unknown_generation_is_answered_with_the_known_ones() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pymonik.emulator", "--generation", "1.0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "0.37.2" in run.stderr
