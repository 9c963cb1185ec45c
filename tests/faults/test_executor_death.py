"""An executor that dies takes nothing along: its calls run again, or say why they did not."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik, Task, task
from pymonik.errors import ExecutorDied
from tests.conftest import Ledger

from .conftest import Wake


@task
def square(x: int) -> int:
    return x * x


def die(how: str) -> None:
    """End this process, and only this one, in the way named."""
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "segfault":
        import ctypes

        ctypes.string_at(0)
    elif how == "exit":
        os._exit(3)
    elif how == "abort":
        os.abort()


@task
def die_until(path: str, good: int, how: str = "kill", value: Any = None) -> Any:
    """Note the attempt, and die in every one before the attempt `good`."""
    with open(path, "a") as lines:
        lines.write("attempt\n")
    with open(path) as lines:
        count = len(lines.readlines())
    if count < good:
        die(how)
    return count if value is None else value


WAYS = [
    "kill",
    "exit",
    *(pytest.param(how, marks=pytest.mark.thorough) for how in ("segfault", "abort")),
]


@pytest.mark.parametrize("how", WAYS)
def test_a_call_whose_executor_died_is_tried_again(
    client: Pymonik, ledger: Ledger, how: str
) -> None:
    assert die_until.invoke(ledger.path, 2, how).get() == 2


def test_it_is_tried_again_max_retries_times(client: Pymonik, ledger: Ledger) -> None:
    assert die_until.invoke(ledger.path, 3, pmk_max_retries=2).get() == 3


@pytest.mark.parametrize("retries", [0, 2])
def test_then_it_fails_and_says_so(client: Pymonik, ledger: Ledger, retries: int) -> None:
    h = die_until.invoke(ledger.path, 99, pmk_max_retries=retries)
    with pytest.raises(ExecutorDied, match="die_until") as caught:
        h.get()
    assert len(ledger.lines()) == retries + 1
    assert caught.value.attempts == retries + 1
    assert "max_retries" in str(caught.value)


@pytest.mark.parametrize(
    ("how", "said"), [("kill", "SIGKILL|signal 9"), ("exit", "3"), ("abort", "SIGABRT|signal 6")]
)
def test_the_error_says_how_the_process_ended(
    client: Pymonik, ledger: Ledger, how: str, said: str
) -> None:
    with pytest.raises(ExecutorDied, match=said):
        die_until.invoke(ledger.path, 99, how, pmk_max_retries=0).get()


def test_a_killed_executor_in_the_middle_of_a_run_loses_nothing(
    client: Pymonik, wake: Wake, ledger: Ledger
) -> None:
    @task
    def report_once(pipe: str, path: str, x: int) -> int:
        """The first call of all reports its process and waits to be killed."""
        try:
            os.close(os.open(path + ".first", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return x * x
        with open(pipe, "w") as out:
            out.write(f"{os.getpid()}\n")
            out.flush()
            signal.pause()
        raise AssertionError("a killed process does not go on")

    handles = report_once.map_invoke([(wake.path, ledger.path, i) for i in range(300)])
    before = [square.invoke(i) for i in range(50)]
    client.flush()
    [victim] = wake.lines(1)
    os.kill(int(victim), signal.SIGKILL)
    assert handles.get() == [i * i for i in range(300)]
    assert [h.get() for h in before] == [i * i for i in range(50)]


def test_siblings_of_a_deadly_call_are_not_charged(client: Pymonik, tmp_path: Any) -> None:
    rows = [(str(tmp_path / f"{i}"), 99 if i == 7 else 1, "kill", i) for i in range(20)]
    handles = die_until.map_invoke(rows, pmk_max_retries=0, pmk_chunk_size=20)
    assert isinstance(handles[7].exception(), ExecutorDied)
    assert [h.get() for i, h in enumerate(handles) if i != 7] == [i for i in range(20) if i != 7]
    # What its executor had not reported yet may run again; what killed it does not.
    assert (tmp_path / "7").read_text().split() == ["attempt"]


def test_a_completed_call_is_not_run_again(client: Pymonik, ledger: Ledger, tmp_path: Any) -> None:
    first = die_until.invoke(ledger.path, 1, "kill", 5).wait()
    deadly = Task(lambda x, path: die_until(path, 3, "kill", x + 1), func_name="deadly")
    second = deadly.invoke(first, str(tmp_path / "second"))
    assert second.get() == 6
    assert len(ledger.lines()) == 1


def test_a_completed_large_value_survives_its_executor(client: Pymonik, ledger: Ledger) -> None:
    import numpy as np

    made = Task(lambda path: die_until(path, 1, "kill", np.arange(500_000)), func_name="made")
    first = made.invoke(ledger.path).wait()
    isolated = Task(lambda: die("kill"), func_name="isolated")
    deaths = isolated.map_invoke([()] * 4, pmk_max_retries=0)
    assert all(isinstance(h.exception(), ExecutorDied) for h in deaths)
    assert int(first.get()[-1]) == 499_999
    assert Task(np.sum).invoke(first).get() == sum(range(500_000))
    assert len(ledger.lines()) == 1


def test_what_follows_a_deadly_call_carries_its_story(client: Pymonik, ledger: Ledger) -> None:
    deadly = die_until.invoke(ledger.path, 99, pmk_max_retries=1)
    end = square.invoke(deadly)
    with pytest.raises(ExecutorDied) as caught:
        end.get()
    assert caught.value.task == "die_until"
    assert tuple(caught.value.path) == ("die_until", "square")


def test_a_task_that_kills_its_whole_group_harms_only_itself(client: Pymonik) -> None:
    @task
    def kill_group() -> None:
        # An executor leads a group of its own; without that, this would hit its neighbours.
        assert os.getpgid(0) == os.getpid()
        os.killpg(os.getpid(), signal.SIGKILL)

    h = kill_group.invoke(pmk_max_retries=0)
    assert isinstance(h.exception(), ExecutorDied)
    assert square.map_invoke(range(5)).get() == [0, 1, 4, 9, 16]


def test_an_executor_dies_while_it_delegates(client: Pymonik, ledger: Ledger) -> None:
    @task
    def parent(path: str) -> Any:
        h = square.invoke(4)
        die_until(path, 2)
        return [h, square.invoke(5)]

    assert parent.invoke(ledger.path).get() == [16, 25]


def test_classes_of_the_script_stay_its_own_after_a_restart(run_script: Any) -> None:
    source = """
import os, signal
from pymonik import Pymonik, task
class Box:
    def __init__(self, x): self.x = x
@task
def make(x): return Box(x)
@task
def unbox(box): return isinstance(box, Box), box.x
@task
def die(): os.kill(os.getpid(), signal.SIGKILL)
with Pymonik(workers=1):
    for n in range(3):
        box = make.invoke(n).get()
        print(type(box) is Box, unbox.invoke(box).get())
        died = die.invoke(pmk_max_retries=0).exception()
        print(type(died).__name__, unbox.invoke(box).get(), type(make.invoke(n).get()) is Box)
"""
    done = run_script(source, "local")
    assert done.stdout.splitlines() == [
        line for n in range(3) for line in (f"True (True, {n})", f"ExecutorDied (True, {n}) True")
    ], done.stderr


@task
def tell(path: str, line: str, value: Any = None) -> Any:
    """Leave a line for every body that ran."""
    with open(path, "a") as lines:
        lines.write(line + "\n")
    return value


@pytest.mark.parametrize("value", [1, "text", {"a": [1, 2]}, b"x" * 10_000])
def test_steps_of_a_chain_that_had_ended_do_not_run_again(
    client: Pymonik, ledger: Ledger, tmp_path: Path, value: Any
) -> None:
    first = tell.invoke(ledger.path, "first", value)
    second = tell.invoke(ledger.path, "second", first)
    third = die_until.invoke(str(tmp_path / "deaths"), 3, "kill", second, pmk_max_retries=2)
    fourth = tell.invoke(ledger.path, "fourth", third)
    client.flush()
    assert client.stats.units == 1
    assert [h.get() for h in (first, second, third, fourth)] == [value] * 4
    assert ledger.lines() == ["first", "second", "fourth"]


def test_steps_before_one_that_kills_for_good_do_not_run_again(
    client: Pymonik, ledger: Ledger, tmp_path: Path
) -> None:
    kept = tell.invoke(ledger.path, "kept", 7)
    handed = tell.invoke(ledger.path, "handed", {"k": kept})
    end = die_until.invoke(str(tmp_path / "deaths"), 99, "kill", handed, pmk_max_retries=1)
    del handed
    assert isinstance(end.exception(), ExecutorDied)
    assert (kept.get(), client.stats.units) == (7, 1)
    # A value that nobody keeps is made again for the second attempt; a third there is none.
    assert ledger.lines() == ["kept", "handed", "handed"]


def test_an_element_goes_on_where_it_was_and_its_siblings_are_left_alone(
    client: Pymonik, ledger: Ledger, tmp_path: Path
) -> None:
    starts = [tell.invoke(ledger.path, f"start-{i}", i, pmk_chunk_size=4) for i in range(4)]
    ends = [
        die_until.invoke(str(tmp_path / "deaths"), 4 if i == 2 else 0, "kill", h)
        for i, h in enumerate(starts)
    ]
    assert [h.get() for h in ends] == [0, 1, 2, 3]
    assert ledger.lines() == [f"start-{i}" for i in range(4)]


@task(environment={"env_variables": {"PYTHONHOME": "/nowhere"}})
def square_without_python(x: int) -> int:
    return x * x


def test_an_environment_in_which_nothing_starts_fails_alone(client: Pymonik, capfd: Any) -> None:
    for _ in range(2):
        lost = square_without_python.map_invoke([1, 2, 3])
        kept = square.map_invoke([1, 2, 3])
        assert kept.get() == [1, 4, 9]
        assert all(isinstance(h.exception(), ExecutorDied) for h in lost)
    with pytest.raises(ExecutorDied, match="PYTHONHOME"):
        lost[0].get()


def test_executors_that_the_system_refuses_once_are_started_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pymonik.runtime.host import process

    started, refused = process._start, [None, None]

    def start(*args: Any) -> Any:
        if refused:
            refused.pop()
            raise BlockingIOError("no more processes")
        return started(*args)

    monkeypatch.setattr(process, "_start", start)
    with Pymonik(backend="local", workers=1):
        assert square.invoke(3).get() == 9
    assert not refused
