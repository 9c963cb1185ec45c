"""Tasks that misbehave harm only themselves."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from signal import alarm as signal_alarm
from typing import Any

import pytest

from pymonik import Pymonik, PymonikContext, Task, task
from pymonik.errors import ExecutorDied, TaskFailed
from tests.conftest import PATIENCE, Gate

from .conftest import linux_only


@task
def square(x: int) -> int:
    return x * x


def squares_still_work() -> None:
    assert square.map_invoke(range(20)).get() == [i * i for i in range(20)]


def open_files() -> list[int]:
    """Return the descriptors of this process beyond those of the standard streams."""
    return [int(name) for name in os.listdir("/dev/fd") if int(name) > 2]


@pytest.fixture(params=[0, 80], ids=["few-files", "many-files"])
def files_open(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold files open: executors get their sockets under the numbers that come after."""
    with contextlib.ExitStack() as held:
        for _ in range(request.param):
            held.enter_context(open(os.devnull))
        yield


@pytest.mark.parametrize("backend", ["local", "inline"])
def test_what_a_task_puts_in_the_place_of_arguments_and_filters_is_gone(backend: str) -> None:
    @task
    def look_and_replace(how: str) -> tuple[list[str], bool]:
        found = list(sys.argv), isinstance(warnings.filters, list)
        if how == "delete":
            del sys.argv
        else:
            sys.argv = None  # type: ignore[assignment]
        warnings.filters = ()
        return found

    with Pymonik(backend=backend, workers=1):  # of one unit, and of the next
        for _ in range(2):
            found = look_and_replace.map_invoke(["replace", "delete", "replace"]).get()
            assert found == [(sys.argv, True)] * 3


class Incomparable(tuple[Any, ...]):
    def __eq__(self, other: object) -> bool:
        raise ValueError("compares with nothing")


def test_what_cannot_be_compared_among_arguments_and_filters_is_gone() -> None:
    @task
    def add() -> list[str]:
        found = list(sys.argv)
        sys.argv[:] = [Incomparable()]  # type: ignore[list-item]
        warnings.filters.insert(0, Incomparable(("default", None, Warning, None, 0)))  # type: ignore[attr-defined]
        return found

    with Pymonik(backend="local", workers=1):
        assert [add.invoke().get() for _ in range(3)] == [sys.argv] * 3


def test_a_task_that_prints_a_lot_does_not_block(client: Pymonik, capfd: Any) -> None:
    @task
    def loud(n: int) -> int:
        for _ in range(200):
            print("x" * 10_000)
            print("y" * 10_000, file=sys.stderr)
        os.write(1, b"z" * 100_000)
        return n

    assert loud.map_invoke([1, 2, 3, 4]).get() == [1, 2, 3, 4]


@pytest.mark.parametrize("fds", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_a_task_may_close_the_standard_streams(client: Pymonik, fds: tuple[int, ...]) -> None:
    @task
    def closing() -> str:
        for fd in fds:
            with contextlib.suppress(OSError):  # an earlier call may have closed it
                os.close(fd)
        return "closed"

    @task
    def printing(x: int) -> int:
        print("after")
        return x

    assert [closing.invoke().get() for _ in range(3)] == ["closed"] * 3
    assert printing.map_invoke([1, 2, 3]).get() == [1, 2, 3]


def test_a_task_that_reads_stdin_meets_its_end(client: Pymonik) -> None:
    assert Task(lambda: sys.stdin.read(), func_name="reading").invoke().get() == ""


def test_a_task_that_replaces_stdout_harms_nobody(client: Pymonik) -> None:
    @task
    def replacing() -> None:
        sys.stdout = sys.stderr = None

    for _ in range(3):
        replacing.invoke().get()
    squares_still_work()


def test_a_task_that_closes_every_descriptor_harms_only_itself(client: Pymonik) -> None:
    @task
    def closing() -> str:
        os.closerange(0, 256)
        return "closed"

    # The executor dies; whether its page had the value by then is a race with its lifeline.
    h = closing.invoke(pmk_max_retries=0)
    error = h.exception()
    assert h.get() == "closed" if error is None else isinstance(error, ExecutorDied)
    squares_still_work()


@pytest.mark.usefixtures("files_open")
def test_garbage_on_the_socket_is_a_dead_executor(client: Pymonik) -> None:
    @task
    def babble() -> None:
        for fd in open_files():
            try:
                os.write(fd, b"\xff\x00garbage" * 1000)
            except OSError:
                continue
        threading.Event().wait()

    h = babble.invoke(pmk_max_retries=0)
    assert isinstance(h.exception(), ExecutorDied)
    squares_still_work()


@pytest.mark.usefixtures("files_open")
def test_a_promise_of_more_bytes_than_come_is_no_reason_to_allocate_them(
    client: Pymonik,
) -> None:
    @task
    def promise() -> None:
        for fd in open_files():
            try:
                os.write(fd, b"\xff" * 16)
            except OSError:
                continue
        os._exit(0)

    h = promise.invoke(pmk_max_retries=0)
    assert isinstance(h.exception(), ExecutorDied)
    squares_still_work()


def test_sys_exit_fails_the_task_and_not_the_script(client: Pymonik) -> None:
    h = Task(lambda: sys.exit(3), func_name="leaving").invoke()
    with pytest.raises(BaseException, match="SystemExit") as caught:
        h.get()
    assert isinstance(caught.value, TaskFailed)
    squares_still_work()


def test_programs_that_a_task_starts_can_be_interrupted(client: Pymonik) -> None:
    @task
    def interrupts() -> tuple[int, int]:
        program = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        program.send_signal(signal.SIGINT)
        program.wait()
        fork = os.fork()
        if not fork:
            try:
                os.kill(os.getpid(), signal.SIGINT)
                signal.pause()
            except KeyboardInterrupt:
                os._exit(7)
        return program.returncode, os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])

    code, fork = interrupts.invoke().get(PATIENCE)
    assert code in (-signal.SIGINT, 1), "killed by it, or by the exception that it became"
    assert fork == 7


def test_the_processes_of_a_task_may_print_and_log(client: Pymonik, capfd: Any) -> None:
    @task
    def forks() -> list[int]:
        import logging
        import multiprocessing

        def talk(x: int) -> None:
            print("from a fork", x)
            logging.getLogger("mine").error("logged in a fork")
            sys.stderr.write("half a line")

        context = multiprocessing.get_context("fork")
        processes = [context.Process(target=talk, args=(x,)) for x in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        print("from the task")
        return [process.exitcode or 0 for process in processes]

    assert forks.invoke().get(PATIENCE) == [0, 0, 0]
    out, err = capfd.readouterr()
    assert out.count("from a fork") == 3
    assert out.count("from the task") == 1
    assert err.count("half a line") == 3


def test_an_executor_is_not_interrupted_itself(client: Pymonik) -> None:
    @task
    def interrupted() -> int:
        os.kill(os.getpid(), signal.SIGINT)
        return os.getpid()

    assert interrupted.invoke().get(PATIENCE) > 0
    squares_still_work()


def test_a_task_that_leaves_threads_behind_harms_nobody(client: Pymonik) -> None:
    @task
    def leaving(daemon: bool) -> int:
        threading.Thread(target=threading.Event().wait, daemon=daemon).start()
        return 1

    assert leaving.map_invoke([True, False, True]).get() == [1, 1, 1]
    squares_still_work()


def test_a_thread_that_a_task_leaves_behind_is_given_what_it_asks_for(
    gate: Gate, tmp_path: Path
) -> None:
    """Its answers come on the socket on which the executor waits for more to run."""

    path = gate.path

    @task(require_context=True)
    def leave_thread(ctx: PymonikContext, ids: list[str]) -> None:
        def ask() -> None:
            with open(path) as opened:
                opened.read()
            found = [ctx.retrieve_object(id) for id in ids]
            (tmp_path / "part").write_text(repr(found))
            (tmp_path / "part").rename(tmp_path / "found")

        threading.Thread(target=ask, daemon=True).start()

    with Pymonik(backend="local", workers=1) as client:
        leave_thread.invoke([client.put(n).result_id for n in range(50)]).wait()
        gate.open()
        squared = []
        while not (tmp_path / "found").exists():
            squared.append(square.invoke(len(squared)).get(PATIENCE))
        assert (tmp_path / "found").read_text() == repr(list(range(50)))
        assert squared == [i * i for i in range(len(squared))]
        squares_still_work()


def test_a_thread_of_a_task_that_fails_harms_nobody(client: Pymonik, capfd: Any) -> None:
    @task
    def failing_thread() -> int:
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        return 1

    assert failing_thread.invoke().get() == 1
    squares_still_work()


def test_a_task_that_changes_signal_handlers_harms_nobody(client: Pymonik) -> None:
    @task
    def changing() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)

    changing.map_invoke([()] * 4).get()
    squares_still_work()


def test_what_a_task_does_to_its_whole_process_ends_with_it() -> None:
    """Else the timer of one call would end the next."""

    @task(chunk_size=2)
    def state(changes: bool) -> Any:
        found = (
            signal.getsignal(signal.SIGTERM),
            signal.getsignal(signal.SIGALRM),
            signal.getitimer(signal.ITIMER_REAL),
            signal.pthread_sigmask(signal.SIG_BLOCK, ()),
            os.umask(0o77 if changes else 0o22),
        )
        if changes:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGALRM, lambda *_: None)
            signal.alarm(100)
            signal.setitimer(signal.ITIMER_PROF, 100)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
            loaded_by_value = signal_alarm
            assert loaded_by_value is signal.alarm
        return [str(part) for part in found]

    with Pymonik(backend="local", workers=1):
        before, after = state.map_invoke([(True,), (False,)]).get()
    assert before == after
    assert "100" not in before[2]


@pytest.mark.parametrize("backend", ["local", "inline"])
def test_garbage_is_collected_behind_a_task_that_has_stopped_it(backend: Any) -> None:
    @task(chunk_size=2)
    def collects(stops: bool) -> bool:
        found = gc.isenabled()
        if stops:
            gc.disable()
        return found

    with Pymonik(backend=backend, workers=1):
        assert collects.map_invoke([(True,), (False,)]).get() == [True, True]


@pytest.mark.parametrize("backend", ["local", "inline"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "by a task"])
def test_a_current_folder_that_is_removed_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, before: bool
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    if before:
        folder.rmdir()

    @task
    def remove() -> None:
        os.environ["CHANGED"] = "1"  # what is put back together with the folder
        Path(folder).rmdir()

    with Pymonik(backend=backend, workers=1):
        if not before:
            remove.invoke().get()
        squares_still_work()
    monkeypatch.chdir(tmp_path)


def test_a_task_that_clears_its_modules_fails_alone(client: Pymonik) -> None:
    @task
    def clearing() -> int:
        sys.modules.clear()
        return 1

    h = clearing.invoke(pmk_max_retries=0)
    h.wait()
    h.exception()
    squares_still_work()


def test_a_task_that_starts_processes_may_leave_them(client: Pymonik) -> None:
    @task
    def spawning() -> int:
        import subprocess

        return subprocess.run([sys.executable, "-c", "print(6 * 7)"], stdout=-1).stdout  # type: ignore[return-value]

    assert spawning.invoke().get() == b"42\n"


def test_a_task_that_forks_and_returns_twice_counts_once(client: Pymonik) -> None:
    @task
    def forking() -> str:
        pid = os.fork()
        if pid == 0:
            return "child"
        os.waitpid(pid, 0)
        return "parent"

    h = forking.invoke(pmk_max_retries=0, pmk_max_duration=20)
    h.wait()
    assert isinstance(h.exception(), TaskFailed) or h.get() in ("parent", "child")
    squares_still_work()


@linux_only
def test_a_task_that_runs_out_of_memory_fails_alone(client: Pymonik) -> None:
    @task
    def greedy() -> Any:
        import resource

        limit = 1 << 30
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        return bytearray(4 << 30)

    h = greedy.invoke(pmk_max_retries=0)
    assert isinstance(h.exception(), (MemoryError, ExecutorDied))
