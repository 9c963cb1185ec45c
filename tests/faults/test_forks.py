"""Forks hold what was not meant for them: nobody may wait for ever because of it."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from pymonik import Pymonik, Task, task
from pymonik.errors import BackendError, ExecutorDied
from tests.conftest import PATIENCE

same = Task(lambda x: x, func_name="same")


def test_the_death_of_an_executor_is_heard_of_while_its_forks_live_on(client: Pymonik) -> None:
    @task
    def fork_and_die() -> None:
        if os.fork() == 0:
            threading.Event().wait()
        os.kill(os.getpid(), signal.SIGKILL)

    h = fork_and_die.invoke(pmk_max_retries=0)
    assert isinstance(h.exception(PATIENCE), ExecutorDied)
    assert same.invoke(1).get() == 1


def in_a_fork(action: object) -> str:
    """Run something in a fork of this process; give what it wrote."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            action(lambda text: os.write(writer, text.encode()))  # type: ignore[operator]
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as file:
        text = file.read()
    os.waitpid(pid, 0)
    return text


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_process_is_told_to_make_a_client_of_its_own(client: Pymonik) -> None:
    known = same.invoke(1)
    known.wait()
    pending = same.invoke(2)

    def child(tell: object) -> None:
        for attempt in (pending.get, same.invoke(3).get, client.close):
            try:
                attempt()
            except BackendError as error:
                tell(f"{error}\n")  # type: ignore[operator]
        tell(f"{known.get()}")  # type: ignore[operator]

    lines = in_a_fork(child).splitlines()
    assert ["forked" in line for line in lines] == [True, True, True, False], lines
    assert lines[3] == "1", "what came before the fork is here"
    assert pending.get() == 2, "the client itself has lost nothing"
