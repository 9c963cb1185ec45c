"""Calls that were recorded and never sent are told of: when the program ends, or their client."""

from __future__ import annotations

import sys

import pytest

from pymonik.errors import NoClientError
from tests.conftest import Run

from .conftest import Connect
from .programs import square

PROGRAM = """\
from pymonik import Pymonik, task
@task
def save(x):
    return x
client = Pymonik().create()
first = save.invoke(1); save.map_invoke([2, 3])
{}
"""
WAY_OUT = "get() or wait() for them, flush() or close() the client"


@pytest.mark.parametrize("end", ["", "del first, client", "import os; os.fork() or exit()"])
def test_what_was_never_sent_is_told_once(run_script: Run, backend: str, end: str) -> None:
    done = run_script(PROGRAM.format(end), backend)
    assert done.returncode == 0
    assert done.stderr.count("never sent") == 1
    assert "3 calls never sent (save at " in done.stderr
    assert f"script.py:6): {WAY_OUT}" in done.stderr


# The first releases of Python 3.12 start no thread at the end of a program: nothing is sent there.
STARTS_NONE = (3, 12, 0) <= sys.version_info < (3, 12, 3)
AT_EXIT = pytest.param(
    "import atexit; atexit.register(client.close)",
    marks=pytest.mark.skipif(STARTS_NONE, reason="starts no thread at the end"),
)


@pytest.mark.parametrize("end", ["client.close()", "client.flush()", AT_EXIT])
def test_what_was_sent_is_not_told(run_script: Run, backend: str, end: str) -> None:
    done = run_script(PROGRAM.format(end), backend)
    assert (done.returncode, done.stderr.count("never sent")) == (0, 0)


def test_the_end_of_the_program_amid_that_of_a_client_tells_nothing_twice(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect()
    square.invoke(1, pymonik=client)
    lifetime = client.parts.lifetime
    for _ in range(2):  # as of two threads at once
        lifetime.tell_unsent()
    assert sum("1 call never sent" in record.getMessage() for record in caplog.records) == 1
    client.cancel()


def test_what_was_cancelled_is_not_told(run_script: Run, backend: str) -> None:
    source = PROGRAM.replace("save.map_invoke([2, 3])", "more = save.map_invoke([2, 3])")
    end = "first.cancel(); [each.cancel() for each in more]"
    done = run_script(source.format(end), backend)
    assert (done.returncode, done.stderr.count("never sent")) == (0, 0)


def test_a_cancelled_client_says_who_has_cancelled_it(connect: Connect) -> None:
    client = connect()
    handle = square.invoke(1, pymonik=client)
    client.cancel()
    with pytest.raises(NoClientError, match=r"was cancelled at .*test_never_sent.py:\d+: create"):
        square.invoke(2, pymonik=client)
    with pytest.raises(NoClientError, match=r"was cancelled at .*, and the call was never sent"):
        handle.get()
