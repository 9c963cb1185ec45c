"""Executors outlive their client for a while: the next one finds them, as if they were new."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.runtime.host import host
from pymonik.runtime.host import reserve as reserves
from pymonik.runtime.host.pool import ExecutorPool
from pymonik.runtime.host.reserve import RESERVE, Reserve
from pymonik.settings import settings
from tests.conftest import PATIENCE, script_environment
from tests.faults.conftest import Wake

pid = task(os.getpid)


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep executors for longer than any test takes, whatever the developer has set."""
    monkeypatch.setenv("PYMONIK_KEEP_EXECUTORS", "600")
    monkeypatch.setattr("pymonik.runtime.host.pool._LEAVING", float(PATIENCE))
    settings.cache_clear()
    yield
    monkeypatch.delenv("PYMONIK_KEEP_EXECUTORS")
    settings.cache_clear()


def in_a_block(call: Any, *args: Any, **settings: Any) -> Any:
    with Pymonik(**{"backend": "local", "workers": 1, **settings}):
        return call.invoke(*args).get(PATIENCE)


def test_the_next_client_finds_the_executor_and_what_it_has_loaded() -> None:
    @task
    def load() -> int:
        import xml.dom.minidom  # noqa: F401

        return os.getpid()

    @task
    def is_loaded() -> tuple[int, bool]:
        return os.getpid(), "xml.dom.minidom" in sys.modules

    first = in_a_block(load)
    assert in_a_block(is_loaded) == (first, True)


def _registers(folder: str) -> int:
    import atexit

    atexit.register(Path(folder, "left").touch)
    return os.getpid()


def _finalizes(folder: str) -> int:
    import builtins
    import weakref

    class Held:
        pass

    builtins.held = Held()  # type: ignore[attr-defined]
    weakref.finalize(builtins.held, lambda: Path(folder, "left").touch())  # type: ignore[attr-defined]
    return os.getpid()


def _writes(folder: str) -> int:
    import builtins

    builtins.held = open(os.path.join(folder, "left"), "w")  # type: ignore[attr-defined]  # noqa: SIM115
    builtins.held.write("a line")  # type: ignore[attr-defined]
    return os.getpid()


@pytest.mark.parametrize("leaves", [_registers, _finalizes, _writes])
def test_one_in_which_something_is_left_for_the_end_ends_with_its_client(
    leaves: Any, tmp_path: Path
) -> None:
    first = in_a_block(task(leaves), str(tmp_path))
    left = tmp_path / "left"
    assert left.exists()
    assert leaves is not _writes or left.read_text() == "a line"
    assert in_a_block(pid) != first


def test_files_that_were_closed_and_what_libraries_leave_bind_nothing(tmp_path: Path) -> None:
    @task
    def work() -> int:
        import concurrent.futures.thread  # noqa: F401  # registers a function of its own
        import multiprocessing.util  # noqa: F401

        (tmp_path / "closed").write_text("closed")
        return os.getpid()

    first = in_a_block(work)
    assert in_a_block(pid) == first


def test_two_clients_at_once_have_executors_of_their_own() -> None:
    first = in_a_block(pid)
    with Pymonik(backend="local", workers=1) as one, Pymonik(backend="local", workers=1) as two:
        pids = {pid.invoke(pymonik=one).get(), pid.invoke(pymonik=two).get()}
    assert len(pids) == 2
    assert first in pids


def test_those_of_several_clients_end_together(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Reserve(most=8)
    monkeypatch.setattr(host, "RESERVE", own)
    with Pymonik(backend="local", workers=1) as one, Pymonik(backend="local", workers=1) as two:
        pids = {pid.invoke(pymonik=one).get(), pid.invoke(pymonik=two).get()}
    assert len(own) == 2
    own.close()
    for number in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)


def test_many_threads_share_what_is_kept() -> None:
    found: list[list[int]] = []

    def use() -> None:
        found.append([in_a_block(pid) for _ in range(5)])

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert [len(pids) for pids in found] == [5] * 4


def test_what_a_task_has_left_behind_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @task
    def leave(folder: str) -> int:
        os.environ["PMK_LEFT"] = "1"
        os.chdir(folder)
        sys.stdout = None
        sys.setrecursionlimit(777)
        sys.argv[:] = ["left"]
        return os.getpid()

    @task
    def look() -> tuple[Any, ...]:
        here = os.environ.get("PMK_LEFT"), os.getcwd(), sys.getrecursionlimit(), sys.argv[:1]
        return os.getpid(), sys.stdout is None, *here

    first = in_a_block(leave, str(tmp_path))
    clean = False, None, os.getcwd(), sys.getrecursionlimit(), sys.argv[:1]
    found = in_a_block(look)
    assert found == (first, *clean)
    monkeypatch.chdir(tmp_path)
    assert in_a_block(look)[3] == str(tmp_path), "a client begins where the program is"


@pytest.mark.parametrize("change", ["variable", "path", "workers"])
def test_an_executor_that_was_started_otherwise_is_not_taken(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = in_a_block(pid)
    if change == "variable":
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
    elif change == "path":
        monkeypatch.syspath_prepend(str(tmp_path))
    assert in_a_block(pid, workers=64 if change == "workers" else 1) != first


def test_a_module_whose_file_has_changed_is_loaded_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @task
    def answer() -> tuple[int, int]:
        import installed_meanwhile  # type: ignore[import-not-found]

        return os.getpid(), installed_meanwhile.ANSWER

    monkeypatch.setenv("PYMONIK_LOCAL_MODULES", "-installed_meanwhile")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "installed_meanwhile.py"
    module.write_text("ANSWER = 1")
    os.utime(module, (1e9, 1e9))
    first = in_a_block(answer)
    assert in_a_block(answer) == first
    module.write_text("ANSWER = 42")
    second = in_a_block(answer)
    assert second[1] == 42
    assert second[0] != first[0]


def test_one_that_dies_meanwhile_is_replaced() -> None:
    first = in_a_block(pid)
    os.kill(first, signal.SIGKILL)
    assert in_a_block(pid) != first


def test_one_that_dies_as_it_is_taken_charges_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    first = in_a_block(pid)
    taken = RESERVE.take

    def take(origin: Any) -> Any:
        process = taken(origin)
        if process is not None:
            os.kill(process.pid, signal.SIGKILL)
        return process

    monkeypatch.setattr(RESERVE, "take", take)
    with Pymonik(backend="local", workers=1):
        assert pid.invoke(pmk_max_retries=0).get(PATIENCE) != first


def test_what_the_page_says_of_a_unit_of_another_host_is_not_read() -> None:
    hello = {"slots": 1, "isolates_delegating": False, "optimize": True, "surroundings": None}
    pool = ExecutorPool("test", 1, hello)
    number = pool.start(None, None)
    assert number is not None
    process = pool._processes[number]
    process._page.begin(0, 0)
    assert process._page.add(13)
    process.ready = True
    assert process.call[0] == 0
    assert process.journal.entries == [13]
    process.greet(0, {})
    assert process.peek() is None
    assert process.journal.entries == []
    assert process.call[0] == -1
    process.kill("test")
    pool.close()


def test_logs_go_to_the_client_of_now_at_its_level(caplog: pytest.LogCaptureFixture) -> None:
    @task
    def tell(text: str) -> int:
        logging.getLogger("told").debug(text)
        print(text)
        return os.getpid()

    first = in_a_block(tell, "one")
    caplog.set_level(logging.DEBUG)
    assert in_a_block(tell, "two") == first
    told = [(r.name, r.getMessage()) for r in caplog.records if "pymonik.host" not in r.name]
    assert ("told", "tell: two") in told
    assert ("pymonik.print.stdout", "tell: two") in told
    assert ("told", "tell: one") not in told


def test_who_was_cancelled_is_not_kept(gate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    @task
    def block(path: str) -> None:
        with open(path):
            pass
        threading.Event().wait()

    own = Reserve(most=8)
    monkeypatch.setattr(host, "RESERVE", own)
    client = Pymonik(backend="local", workers=1).create()
    block.invoke(gate.path, pymonik=client)
    client.flush()
    gate.open()
    client.cancel()
    assert client.parts.engine.backend.pids == []  # type: ignore[union-attr]
    assert len(own) == 0


def test_what_is_too_much_or_too_old_ends_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    over = threading.Event()

    class Idle:
        def __init__(self, name: str) -> None:
            self.name = name

        def is_alive(self) -> bool:
            return True

    def end(processes: list[Any]) -> None:
        ended.extend(process.name for process in processes)
        if len(ended) == 3:
            over.set()

    monkeypatch.setattr(reserves, "_end", end)
    reserve = Reserve(most=2)
    for name in "abcde":
        assert reserve.keep("same", Idle(name))  # type: ignore[arg-type]
    assert over.wait(PATIENCE)
    assert ended == ["a", "b", "c"]
    assert reserve.take("same").name == "e"  # type: ignore[union-attr]
    assert reserve.take("other") is None
    reserve.close()
    assert ended == ["a", "b", "c", "d"]
    assert not reserve.keep("same", Idle("f"))  # type: ignore[arg-type]


def test_they_are_kept_for_ever_if_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYMONIK_KEEP_EXECUTORS", "inf")
    settings.cache_clear()
    own = Reserve(most=8)
    monkeypatch.setattr(host, "RESERVE", own)
    first = in_a_block(pid)
    assert in_a_block(pid) == first
    thread = own._thread
    assert thread is not None
    assert thread.is_alive()
    own.close()
    assert not thread.is_alive()


def test_a_process_of_a_pool_lets_them_end_in_order(run_script: Any, tmp_path: Path) -> None:
    source = """
import multiprocessing, sys
from pathlib import Path
from pymonik import Pymonik, task

@task
def leave(path):
    import atexit
    atexit.register(Path(path).touch)

def block(path):
    with Pymonik(backend="local", workers=1):
        leave.invoke(path).get()

if __name__ == "__main__":
    child = multiprocessing.get_context("fork").Process(target=block, args=(PATH,))
    child.start()
    child.join()
    print(child.exitcode, Path(PATH).exists())
"""
    done = run_script(source.replace("PATH", repr(str(tmp_path / "left"))))
    assert done.stdout == "0 True\n", done.stderr


SCRIPT = """
import os, sys, time
from pymonik import Pymonik, task

@task
def hold(path):
    import builtins
    builtins.held = os.open(path, os.O_WRONLY)
    os.write(builtins.held, f"{os.getpid()}\\n".encode())

with Pymonik(backend="local", workers=1):
    hold.invoke(sys.argv[1]).get()
if sys.argv[2] == "fork" and os.fork() == 0:
    time.sleep(600)
if sys.argv[2] == "kill":
    os.kill(os.getpid(), 9)
if sys.argv[2] == "fork":
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("how", ["ends", "kill", "fork"])
def test_they_end_with_the_program(how: str, wake: Wake, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = script_environment(PYMONIK_KEEP_EXECUTORS="600")
    command = [sys.executable, "script.py", wake.path, how]
    program = subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True)
    try:
        wake.lines(1)
        wake.wait_for_the_end()
        program.wait(PATIENCE)
    finally:
        if how == "fork":
            os.killpg(program.pid, signal.SIGKILL)


def test_a_fork_has_none_of_them(run_script: Any) -> None:
    source = """
import os, sys
from pymonik import Pymonik, task
pid = task(os.getpid)

def block():
    with Pymonik(backend="local", workers=1):
        return pid.invoke().get()

first = block()
child = os.fork()
if not child:
    second = block()
    sys.exit(0 if second != first and block() == second else 1)
code = os.waitpid(child, 0)[1]
print(code, block() == first)
"""
    done = run_script(source)
    assert done.stdout == "0 True\n", done.stderr


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reserve]:
    """Keep the executors of a test apart from those of others."""
    made = Reserve()
    for module in (host, reserves):
        monkeypatch.setattr(module, "RESERVE", made)
    yield made
    made.close()


def test_a_block_has_an_executor_before_its_first_call(own: Reserve) -> None:
    with Pymonik(backend="local", workers=2):
        [spare] = own._spares
        assert pid.invoke().get(PATIENCE) == spare.process.pid
    with Pymonik(backend="local", workers=2):  # there is one: no other is started
        assert [one.process.pid for one in own._spares] == [spare.process.pid]


def test_none_is_started_ahead_where_none_is_kept_or_no_block_is_opened(
    own: Reserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Pymonik(backend="local", workers=2)
    pid.invoke(pymonik=client)
    assert client.plan().units
    client.cancel()
    monkeypatch.setenv("PYMONIK_KEEP_EXECUTORS", "0")
    settings.cache_clear()
    with Pymonik(backend="local", workers=2):
        assert not own._spares


def test_one_that_was_started_ahead_serves_only_what_began_alike(
    own: Reserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Pymonik(backend="local", workers=2):
        [spare] = own._spares
        monkeypatch.setenv("ODD", "read when a library is loaded")
        assert pid.invoke().get(PATIENCE) != spare.process.pid
        assert [one.process.pid for one in own._spares] == [spare.process.pid]


def test_one_that_was_started_ahead_writes_to_no_other_stream(own: Reserve, tmp_path: Path) -> None:
    @task
    def write() -> None:
        os.write(1, b"told")

    with Pymonik(backend="local", workers=2):
        saved = os.dup(1)
        try:
            with open(tmp_path / "out", "wb") as file:
                os.dup2(file.fileno(), 1)
            write.invoke().get(PATIENCE)
        finally:
            os.dup2(saved, 1)
            os.close(saved)
    assert (tmp_path / "out").read_text() == "told"
