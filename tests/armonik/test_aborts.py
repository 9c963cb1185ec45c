"""Lost results, in both generations: whole tasks are ended, and still only the calls that need the
lost value fail.
"""

from __future__ import annotations

from typing import Any

import pytest

from pymonik import Pymonik, Task, task
from pymonik.emulator import DropBefore, Emulator, KillWorker
from pymonik.errors import Cancelled, TaskFailed
from tests.armonik.programs import fail, fail_behind
from tests.conformance.programs import add, inc, pass_gate
from tests.conftest import Gate, Set


@task
def first_of(a: Any, b: Any) -> Any:
    return a


@task
def total(values: Any) -> Any:
    return sum(values)


def connect(cluster: Emulator, **settings: Any) -> Pymonik:
    return Pymonik(cluster.endpoint, **settings)


# ----- a second submission that uses a result aborting before, during and after it


def test_a_result_aborted_before_fails_its_users_without_sending_them(
    generation: Emulator,
) -> None:
    with connect(generation):
        lost = fail.invoke("before")
        assert isinstance(lost.exception(), ValueError)
        generation.counters.reset()
        user = inc.invoke(inc.invoke(lost))
        with pytest.raises(ValueError, match="before") as caught:
            user.get()
        assert isinstance(caught.value.__cause__, TaskFailed)
        assert caught.value.__cause__.path == ("fail", "inc", "inc")
        assert generation.counters["SubmitTasks"].requests == 0


@pytest.mark.parametrize("steps", [1, 3])
def test_a_result_aborted_after_the_submission_fails_its_users(
    generation: Emulator, gate: Gate, steps: int
) -> None:
    with connect(generation) as client:
        lost = fail_behind.invoke(gate.path)
        client.flush()
        users = [inc.map_invoke([lost] * 3) for _ in range(steps)]
        client.flush()
        gate.open()
        for user in users:
            for handle in user:
                assert isinstance(handle.exception(), ValueError)
        assert isinstance(lost.exception(), ValueError)


@pytest.mark.parametrize("method", ["CreateResultsMetaData", "CreateResults", "SubmitTasks"])
@pytest.mark.parametrize("units", [1, 30])
def test_a_result_aborted_during_the_submission_fails_its_users(
    generation: Emulator, gate: Gate, method: str, units: int, set_settings: Set
) -> None:
    set_settings(submit_units=20)  # so that 30 take two requests
    with connect(generation, optimize=False) as client:
        lost = fail_behind.invoke(gate.path)
        client.flush()
        users = inc.map_invoke([lost] * units)
        late = total.invoke([*users[:2], 1])
        fine = inc.map_invoke(range(3))
        # The request is lost at first: while the client pauses, the result is aborted.
        generation.faults.add(method, DropBefore())
        gate.open()
        client.flush()
        assert isinstance(late.exception(), ValueError)
        assert isinstance(users[-1].exception(), ValueError)
        assert isinstance(users[0].exception(), ValueError)
        assert fine.get() == [1, 2, 3]
        assert isinstance(lost.exception(), ValueError)


# ----- only what needs the value fails


def test_siblings_of_a_call_that_needs_a_lost_value_are_made(
    generation: Emulator, gate: Gate
) -> None:
    with connect(generation) as client:
        lost = fail_behind.invoke(gate.path)
        client.flush()
        with_one = add.map_invoke([(i, lost if i == 3 else i) for i in range(6)], pmk_chunk_size=6)
        end = total.invoke(with_one[:3])
        client.flush()
        gate.open()
        assert isinstance(with_one[3].exception(), ValueError)
        assert [with_one[i].get() for i in (0, 1, 2, 4, 5)] == [0, 2, 4, 8, 10]
        assert end.get() == 6
        assert isinstance(lost.exception(), ValueError)


def test_a_stored_step_before_the_one_that_needs_a_lost_value_is_made(
    generation: Emulator, gate: Gate
) -> None:
    with connect(generation) as client:
        lost = fail_behind.invoke(gate.path)
        client.flush()
        before = inc.invoke(1)
        after = add.invoke(before, lost)
        client.flush()
        gate.open()
        assert before.get() == 2
        assert isinstance(after.exception(), ValueError)
        assert isinstance(lost.exception(), ValueError)


def test_users_of_a_cancelled_call_are_cancelled_and_others_are_not(
    generation: Emulator, gate: Gate
) -> None:
    with connect(generation) as client:
        blocked = pass_gate.invoke(gate.path)
        client.flush()
        users = add.map_invoke([(i, blocked if i == 0 else i) for i in range(4)], pmk_chunk_size=4)
        client.flush()
        assert blocked.cancel()
        assert isinstance(blocked.exception(), Cancelled)
        assert isinstance(users[0].exception(), Cancelled)
        assert [h.get() for h in users[1:]] == [2, 4, 6]


def test_a_lost_worker_fails_only_what_needs_its_value(generation: Emulator, gate: Gate) -> None:
    generation.faults.add("Worker.Process", KillWorker(0.2), times=4)
    with connect(generation) as client:
        lost = pass_gate.invoke(gate.path)
        client.flush()
        assert isinstance(lost.exception(), TaskFailed)
        users = first_of.map_invoke([(i, lost if i == 1 else i) for i in range(3)])
        assert isinstance(users[1].exception(), TaskFailed)
        assert [users[0].get(), users[2].get()] == [0, 2]


# ----- errors tell the story


def test_a_failed_task_is_an_error_of_the_cluster_with_a_short_text(generation: Emulator) -> None:
    with connect(generation) as client:
        lost = fail.invoke("x" * 1000)
        error = lost.exception()
        assert isinstance(error, ValueError)
        texts = [t.error for t in client.parts.engine.backend._session.failed_tasks("ERROR")]  # type: ignore
        assert all(len(text) <= 4096 for text in texts)


def test_the_type_of_an_exception_too_large_for_a_text_is_kept(generation: Emulator) -> None:
    class Odd(Exception):
        pass

    def odd() -> None:
        import random

        raise Odd(random.Random(1).randbytes(6000))

    with connect(generation):
        error = Task(odd).invoke().exception()
        assert isinstance(error, Odd)
        assert len(error.args[0]) == 6000


def test_a_failure_nobody_looked_at_is_raised_at_the_exit(generation: Emulator) -> None:
    with pytest.raises(ValueError, match="unseen"), connect(generation):
        fail.invoke("unseen")


def test_a_failed_element_nobody_fetched_is_raised_at_the_exit(generation: Emulator) -> None:
    def odd_fails(i: int) -> int:
        if i == 5:
            raise KeyError("five")
        return i

    with pytest.raises(KeyError, match="five"), connect(generation):
        assert Task(odd_fails).map_invoke(range(10))[0].get() == 0


@task
def spawn(text: str) -> int:
    fail.invoke(text)
    return 1


def test_a_failed_sub_task_nobody_waited_for_is_raised_at_the_exit(generation: Emulator) -> None:
    with pytest.raises(ValueError, match="far away"), connect(generation):
        assert spawn.invoke("far away").get() == 1
