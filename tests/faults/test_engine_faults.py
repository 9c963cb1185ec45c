"""What fails in an executor outside of user code fails its unit once; nothing restarts for ever."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.errors import ExecutorDied, TaskFailed
from pymonik.runtime.host import process
from pymonik.runtime.host.pool import ExecutorExit, ExecutorPool
from tests.conftest import PATIENCE


@task
def square(x: int) -> int:
    return x * x


@task
def pid() -> int:
    return os.getpid()


@task
def break_next(error: str) -> None:
    """Let the executor fail once, where it makes ready for a unit."""
    import builtins

    from pymonik.runtime.executor import step_runner as unit

    real = unit.plain_columns

    def broken(*_: Any) -> Any:
        unit.plain_columns = real
        raise getattr(builtins, error)("a bug of the executor")

    unit.plain_columns = broken


@pytest.fixture
def alone() -> Any:
    with Pymonik(backend="local", workers=1) as opened:
        yield opened


@pytest.mark.parametrize("error", ["IndexError", "SystemExit", "KeyboardInterrupt", "MemoryError"])
def test_a_fault_outside_user_code_fails_the_unit_once_and_the_executor_stays(
    alone: Pymonik, error: str
) -> None:
    before = pid.invoke().get()
    break_next.invoke(error).get()
    failed = square.map_invoke(range(4), pmk_chunk_size=4)
    caught = failed[0].exception(PATIENCE)
    assert isinstance(caught, TaskFailed)
    assert f"{error}: a bug of the executor" in str(caught)
    assert "in broken" in str(caught), "the traceback goes along"
    assert [type(h.exception()) for h in failed] == [TaskFailed] * 4
    assert square.map_invoke(range(4)).get() == [0, 1, 4, 9]
    assert pid.invoke().get() == before


@task
def poison(x: int) -> Any:
    """Give, for 3, a value whose pickling ends in what is no `Exception`."""

    class Odd:
        def __reduce__(self) -> Any:
            raise SystemExit(x)

    return Odd() if x == 3 else x


def test_a_value_whose_pickling_exits_fails_its_own_call(alone: Pymonik) -> None:
    before = pid.invoke().get()
    values = poison.map_invoke(range(5), pmk_chunk_size=5)
    assert values[:3].get() == [0, 1, 2]
    with pytest.raises(TypeError, match="cannot be pickled"):
        values[3].get()
    assert (values[4].get(), pid.invoke().get()) == (4, before)


def test_a_segmentation_fault_tells_where_it_was(alone: Pymonik) -> None:
    @task(max_retries=0)
    def crash() -> None:
        import ctypes

        ctypes.string_at(0)

    with pytest.raises(ExecutorDied) as caught:
        crash.invoke().get()
    line = crash.func.__code__.co_firstlineno + 4
    assert "SIGSEGV" in str(caught.value)
    assert f'File "{__file__}", line {line} in crash' in str(caught.value)
    assert os.path.join("pymonik", "runtime", "") not in str(caught.value)
    assert square.invoke(3).get() == 9


def starting(monkeypatch: pytest.MonkeyPatch, code: str, real_after: int = 1 << 30) -> list[int]:
    """Let executors be processes that run some other code; return a list of how many there were."""
    started: list[int] = []
    real = process._start

    def start(inherited: Any, *args: Any) -> subprocess.Popen[bytes]:
        started.append(1)
        if len(started) > real_after:
            return real(inherited, *args)
        command = [sys.executable, "-c", code]
        return subprocess.Popen(command, pass_fds=inherited, start_new_session=True)

    monkeypatch.setattr(process, "_start", start)
    return started


def test_executors_that_never_start_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    started = starting(monkeypatch, "raise SystemExit(7)")
    with Pymonik(backend="local", workers=2):
        lost = square.map_invoke(range(4))
        with pytest.raises(ExecutorDied, match="no executor can start: exit code 7"):
            lost.get(PATIENCE)
        assert len(started) <= 12
        assert all(isinstance(h.exception(), ExecutorDied) for h in lost)


def test_executors_that_start_after_all_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    starting(monkeypatch, "raise SystemExit(7)", real_after=3)
    with Pymonik(backend="local", workers=1):
        assert square.invoke(3).get(PATIENCE) == 9


HELLO = {"slots": 1, "isolates_delegating": False, "optimize": True, "surroundings": None}


def deaths(pool: ExecutorPool, count: int) -> list[str]:
    """Wait for the end of executors; return why they ended."""
    found: list[str] = []
    while len(found) < count:
        found += [news.reason for _, news in pool.poll(PATIENCE) if isinstance(news, ExecutorExit)]
    return found


def test_executors_that_end_together_are_one_failed_start(monkeypatch: pytest.MonkeyPatch) -> None:
    starting(monkeypatch, "import time; time.sleep(600)")
    with closing(ExecutorPool("test", 8, HELLO)) as pool:
        numbers = [pool.start(None, None) for _ in range(8)]
        for number in numbers:
            pool.kill(number or 0, "out of memory")
        assert deaths(pool, 8) == ["out of memory"] * 8
        assert pool.failures.problem(None) == ""
        # Of which some has passed by now: memory that lacks now is there again in a moment.
        first = pool.failures._troubles[None].pause
        assert first > 0
        for _ in range(4):
            assert pool.failures.problem(None) == ""
            pool.kill(pool.start(None, None) or 0, "out of memory")
            deaths(pool, 1)
        assert pool.failures.problem(None) == "out of memory"
        assert pool.failures._troubles[None].pause > first


def test_cancelled_executors_have_not_failed_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    starting(monkeypatch, "import time; time.sleep(600)")
    with closing(ExecutorPool("test", 1, HELLO)) as pool:
        for _ in range(8):
            pool.kill(pool.start(None, None) or 0, "cancelled")
            deaths(pool, 1)
        assert (pool.failures.problem(None), pool.failures.pause(None)) == ("", 0.0)


def test_bytes_that_are_no_message_end_their_executor_only(alone: Pymonik, tmp_path: Path) -> None:
    @task
    def garble(ledger: str) -> int:
        """Send a frame that does not load, once."""
        from pymonik.runtime.executor.state import STATE

        class Odd:
            def __reduce__(self) -> Any:
                return int, ("no number",)

        with open(ledger, "a") as lines:
            lines.write("ran\n")
        if os.path.getsize(ledger) == 4:
            STATE.fetch.__self__._channel.send("log", Odd())
        return 1

    ledger = str(tmp_path / "ledger")
    assert garble.invoke(ledger).get(PATIENCE) == 1
    assert square.invoke(2).get() == 4
