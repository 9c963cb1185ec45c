"""Forks hold what was not meant for them: nobody may wait for ever because of it."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import traceback
from importlib import import_module
from importlib.util import spec_from_loader
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik, Task, task
from pymonik.emulator import Emulator
from pymonik.errors import BackendError, ExecutorDied
from pymonik.runtime.executor.channel import HostChannel
from tests.conformance.seams import Other, until
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


pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


def in_a_fork(action: object) -> str:
    """Run something in a fork of this process; give what it wrote."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        # One that hangs ends, too, when nobody waits for it any more.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE)
        try:
            action(lambda text: os.write(writer, text.encode()))  # type: ignore[operator]
        except BaseException:
            os.write(writer, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as file:
        text = file.read()
    os.waitpid(pid, 0)
    return text


def test_a_forked_process_is_told_to_make_a_client_of_its_own(client: Pymonik) -> None:
    known = same.invoke(1)
    known.wait()
    pending = same.invoke(2)

    def child(tell: object) -> None:
        for attempt in (
            *(pending.get, same.invoke(3).get, pending.cancel, client.create, client.close),
            lambda: pending.add_done_callback(tell),  # type: ignore[arg-type]
        ):
            try:
                attempt()
            except BackendError as error:
                tell(f"{error}\n")  # type: ignore[operator]
        tell(f"{known.get()}")  # type: ignore[operator]

    lines = in_a_fork(child).splitlines()
    assert ["forked" in line for line in lines] == [*[True] * 6, False], lines
    assert lines[6] == "1", "what came before the fork is here"
    assert pending.get() == 2, "the client itself has lost nothing"


@pytest.mark.parametrize("backend", ["local", "inline"])
def test_a_fork_is_told_so_also_while_another_thread_holds_the_locks(backend: str) -> None:
    with Pymonik(backend=backend, workers=1) as client:
        known = same.invoke(1).wait()
        pending = same.invoke(2)
        held, over = threading.Event(), threading.Event()

        def hold() -> None:
            with client.parts.state.lock, client.parts.engine.opened().traits.arrivals.changed:
                held.set()
                over.wait(PATIENCE)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(PATIENCE)

        def child(tell: object) -> None:
            signal.alarm(PATIENCE)
            later = same.invoke(3)
            for attempt in (pending.get, later.get, lambda: later.result_id, client.close):
                try:
                    attempt()
                except BackendError as error:
                    tell(f"{error}\n")  # type: ignore[operator]
            tell(f"{known.get()}")  # type: ignore[operator]

        lines = in_a_fork(child).splitlines()
        over.set()
        holder.join()
        assert ["forked" in line for line in lines] == [True, True, True, True, False], lines
        assert pending.get() == 2


def test_a_fork_of_an_executor_hears_that_it_cannot_ask_while_another_thread_does() -> None:
    ours, theirs = socket.socketpair()
    channel = HostChannel(theirs)
    asking = Other(lambda: channel.ask("id"))
    assert ours.recv(1)

    def ask(write: Any) -> None:
        channel.close()  # as each fork of an executor does
        with pytest.raises(LookupError) as caught:
            channel.ask("id")
        write(str(caught.value))

    assert "does not listen to a fork" in in_a_fork(ask)
    ours.close()
    with pytest.raises((LookupError, OSError)):
        asking.value()
    channel.close()


def test_a_client_of_a_forks_own_calls_back(client: Pymonik) -> None:
    called = threading.Event()
    first = same.invoke(1)
    first.add_done_callback(lambda handle: called.set())
    first.wait()
    assert called.wait(PATIENCE), "there is a thread of callbacks, which a fork does not have"

    def child(tell: object) -> None:
        signal.alarm(PATIENCE)
        with Pymonik(backend="local", workers=1):
            handle = same.invoke(7)
            handle.add_done_callback(lambda handle: tell(f"{handle.get()}\n"))  # type: ignore[operator]
            handle.wait()
        tell("closed")  # type: ignore[operator]

    assert in_a_fork(child).split() == ["7", "closed"]


def test_a_fork_that_exits_leaves_its_parents_executors_alone(run_script: Any) -> None:
    source = """
import os, sys
from pymonik import Pymonik, Task
same = Task(lambda x: x, func_name="same")
pid = Task(os.getpid, func_name="pid")
with Pymonik(backend="local", workers=1):
    before = pid.invoke().get()
    child = os.fork()
    if not child:
        sys.exit(0)  # runs what is registered for the end of the process
    assert os.waitpid(child, 0)[1] == 0
    print(pid.invoke().get() == before, same.invoke(1).get())
"""
    done = run_script(source)
    assert done.stdout == "True 1\n", done.stderr


@pytest.mark.parametrize("pmk_retries", [0, 1])  # the short way through a unit, and the long one
def test_a_fork_of_a_task_ends_with_the_call_and_answers_nothing(
    client: Pymonik, pmk_retries: int
) -> None:
    @task
    def forked(how: str) -> Any:
        pid = os.fork()
        if pid:
            return how, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if how == "raises":
            raise ValueError("in the fork")
        if how == "exits":
            raise SystemExit(3)
        return "of the fork"

    ends = {"returns": 0, "raises": 1, "exits": 3}
    handles = forked.map_invoke(list(ends), pmk_retries=pmk_retries, pmk_chunk_size=3)
    assert handles.get() == list(ends.items())
    assert client.stats.units == 1


@pytest.mark.parametrize("steps", [1, 2])
def test_a_fork_that_returns_a_number_runs_no_other_call(
    client: Pymonik, tmp_path: Path, steps: int
) -> None:
    @task
    def forked(number: int) -> int:
        with open(tmp_path / "ran", "a") as file:
            file.write(f"{number}\n")
        pid = os.fork()
        if not pid:
            return -1
        assert os.waitpid(pid, 0)[1] == 0
        return number + 10

    handles = forked.map_invoke(range(4), pmk_chunk_size=4)
    if steps == 2:
        handles = same.map_invoke(handles, pmk_chunk_size=4)
    assert handles.get() == [10, 11, 12, 13]
    assert (tmp_path / "ran").read_text() == "0\n1\n2\n3\n"
    assert client.stats.units == 1


def test_a_fork_while_a_value_is_pickled_answers_nothing(client: Pymonik) -> None:
    class Forking:
        """Ends with an exit code that tells how its fork did."""

        def __reduce__(self) -> Any:
            pid = os.fork()
            return int, (os.waitpid(pid, 0)[1] if pid else 99,)

    assert Task(lambda _: Forking(), func_name="forking").map_invoke(range(3)).get() == [0, 0, 0]


def test_a_fork_imports_anew_what_another_thread_was_importing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A child of a fork would wait for ever for one that is half imported."""
    began, go_on = threading.Event(), threading.Event()
    name, parent = "imported_by_another_thread", os.getpid()

    class Slow:
        """Finds the one module, which takes long in this process."""

        def find_spec(self, wanted: str, path: Any, target: Any = None) -> Any:
            return spec_from_loader(wanted, self) if wanted == name else None  # type: ignore[arg-type]

        def create_module(self, spec: Any) -> None: ...

        def exec_module(self, module: Any) -> None:
            if os.getpid() == parent:
                began.set()
                assert go_on.wait(PATIENCE)

    monkeypatch.setattr(sys, "meta_path", [Slow(), *sys.meta_path])
    importing = threading.Thread(target=import_module, args=(name,))
    importing.start()
    assert began.wait(PATIENCE)

    def child(tell: object) -> None:
        signal.alarm(PATIENCE)
        tell(import_module(name).__name__)  # type: ignore[operator]

    assert in_a_fork(child) == name
    go_on.set()
    importing.join()
    del sys.modules[name]


def test_a_fork_computes_what_another_thread_was_computing_once(client: Pymonik) -> None:
    """Before Python 3.12 all tasks share the lock of a property that is worked out once."""
    lock = getattr(vars(Task)["_signature"], "lock", threading.RLock())

    def child(tell: object) -> None:
        signal.alarm(PATIENCE)
        fresh = Task(lambda x: x, func_name="fresh")
        try:
            fresh.invoke(1, pymonik=client).get()
        except BackendError as error:
            tell(str(error))  # type: ignore[operator]

    same.invoke(1).wait()
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            over.wait(PATIENCE)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(PATIENCE)
    told = in_a_fork(child)
    over.set()
    holder.join()
    assert "forked" in told


def test_a_fork_of_a_process_with_an_emulator_stops_nothing_and_waits_for_nothing() -> None:
    waiting = [sys.executable, "-c", "import signal; signal.pause()"]
    with Emulator(partitions={"pymonik": 1}, worker=waiting) as cluster:
        until(lambda: cluster.worker_pids)
        assert in_a_fork(lambda tell: tell(f"{cluster.stop()}")) == "None"
        assert [os.kill(pid, 0) for pid in cluster.worker_pids] == [None]
