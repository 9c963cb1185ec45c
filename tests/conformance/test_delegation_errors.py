"""What goes wrong in and around sub-tasks, and whose failure it is."""

from __future__ import annotations

import builtins
import contextlib
import threading
import weakref
from typing import Any

import pytest

from pymonik import Pymonik, get_context, task
from pymonik.errors import NoClientError, WaitInTaskError
from tests.conftest import Ledger

from .conftest import Connect
from .programs import add, divide, inc, note, square


@pytest.mark.parametrize("ask", ["wait", "get", "exception"])
def test_a_task_never_waits(client: Pymonik, ask: str) -> None:
    @task
    def impatient() -> Any:
        return getattr(square.invoke(3), ask)()

    with pytest.raises(WaitInTaskError, match="return"):
        impatient.invoke().get()


def test_a_failed_sub_task_fails_its_parent_with_the_root_cause(client: Pymonik) -> None:
    @task
    def parent(x: Any) -> Any:
        return inc.invoke(divide.invoke(x, 0))

    with pytest.raises(ZeroDivisionError) as caught:
        parent.invoke(1).get()
    story = caught.value.__cause__
    assert (story.task, story.path) == ("divide", ("divide", "inc", "parent"))  # type: ignore[union-attr]


def test_an_error_names_the_call_that_has_delegated(client: Pymonik) -> None:
    @task
    def parent(x: Any) -> Any:
        return divide.invoke(x, 0, delegate=True)

    handles = parent.map_invoke([1, 2])
    errors = [handles[0].exception(), handles.exception()[1]]
    with pytest.raises(ZeroDivisionError) as caught:
        handles.get()
    for error in (*errors, caught.value):
        assert error.__cause__.path == ("divide", "parent")  # type: ignore[union-attr]
        assert "on the way: divide → parent" in str(error.__cause__)  # type: ignore[union-attr]


def test_a_failed_sub_task_in_a_container_fails_its_parent(client: Pymonik) -> None:
    @task
    def parent(x: Any) -> Any:
        return {"good": inc.invoke(1), "bad": divide.invoke(x, 0)}

    with pytest.raises(ZeroDivisionError):
        inc.invoke(parent.invoke(1)["good"]).get()


def test_the_failure_of_a_sub_task_nobody_returned_is_raised_at_the_exit(
    connect: Connect,
) -> None:
    @task
    def parent() -> int:
        divide.invoke(1, 0)
        return 1

    with pytest.raises(ZeroDivisionError), connect():
        assert parent.invoke().get() == 1


def test_a_value_that_cannot_be_pickled_beside_a_sub_call_is_an_error(client: Pymonik) -> None:
    @task
    def parent() -> Any:
        return {"lock": threading.Lock(), "child": inc.invoke(1)}

    with pytest.raises(TypeError, match="lock") as caught:
        parent.invoke().get()
    assert caught.value.__cause__.attempts == 1  # type: ignore[union-attr]
    assert inc.invoke(1).get() == 2


@pytest.mark.parametrize("wrap", [lambda handle: handle, lambda handle: {"in": handle}])
@pytest.mark.parametrize("is_beside", [False, True])
def test_a_handle_of_another_client_is_no_value(
    client: Pymonik, wrap: Any, is_beside: bool
) -> None:
    """Nobody who gets it could ask for what it stands for."""

    @task
    def parent() -> Any:
        if is_beside:
            inc.invoke(1)
        return wrap(square.invoke(3, pymonik=Pymonik(backend="inline")))

    with pytest.raises((NoClientError, TypeError), match=r"get\(\) its value"):
        parent.invoke().get()


def test_a_failed_call_takes_its_sub_calls_with_it(client: Pymonik, ledger: Ledger) -> None:
    path = ledger.path

    @task(retries=2)
    def parent() -> Any:
        h = note.invoke(path, "child", 7)
        if get_context().attempt < 3:
            raise RuntimeError("again")
        return h

    assert parent.invoke().get() == 7
    assert ledger.lines() == ["child"]


def test_a_signature_error_in_a_sub_call_is_the_parents_error(client: Pymonik) -> None:
    @task
    def parent() -> Any:
        return add.invoke(1)

    with pytest.raises(TypeError, match="b"):
        parent.invoke().get()


def test_what_a_failed_sub_task_held_is_let_go_at_once(connect: Connect) -> None:
    """Else files stay open, and finalizers run in the time of another call."""

    @task
    def fail(x: int) -> None:
        class Held:
            pass

        held = Held()
        vars(builtins).setdefault("_held", []).append(weakref.ref(held))
        raise ValueError(x)

    @task
    def still_held(x: int) -> int:
        return sum(ref() is not None for ref in vars(builtins).get("_held", []))

    @task
    def last(before: int, found: int) -> int:
        return found

    @task
    def parent(x: int) -> Any:
        fail.invoke(x)
        return last.invoke(square.invoke(x), still_held.invoke(x))

    with contextlib.suppress(ValueError), connect(workers=1):
        assert [parent.invoke(x).get() for x in range(6)] == [0] * 6
    vars(builtins).pop("_held", None)
