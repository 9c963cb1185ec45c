"""What a recorded call is made of: all of it is looked at by each pass of the garbage collector."""

from __future__ import annotations

import gc
import inspect
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pymonik import Task, task
from pymonik.errors import NoClientError, SignatureError
from pymonik.graph.ir import Element, taken
from pymonik.graph.slots import Ref, Template
from pymonik.record.current import CURRENT
from pymonik.runtime.executor.subtasks import Subtasks
from tests.client.fakes import FakeScope


@task
def add(x: int, y: int) -> int:
    return x + y


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


CALLS = 100


class Unpicklable:
    was_asked = False

    def __reduce__(self) -> Any:
        self.was_asked = True
        raise TypeError("not to be asked")


@pytest.mark.usefixtures("uncollected")
def test_a_call_is_a_node_a_handle_and_its_arguments() -> None:
    scope = FakeScope()
    handles = [add.invoke(0, 0, pymonik=scope)]
    add.invoke(handles[0], 1, pymonik=scope)

    def made() -> int:
        before = len(gc.get_objects())
        for number in range(CALLS):
            handles.append(add.invoke(handles[-1], number, pymonik=scope))
        for number in range(CALLS):
            handles.append(add.invoke(number, number, pymonik=scope))
        return len(gc.get_objects()) - before

    # Threads that other tests have left may make some meanwhile: hardly so many each time.
    assert any(made() <= 3 * 2 * CALLS + CALLS // 4 for _ in range(20))


def test_what_a_call_holds_is_made_slot_values_once_and_then_let_go_of() -> None:
    scope = FakeScope()
    first = add.invoke(1, 2, pymonik=scope)
    node = add.invoke(first, 3, pymonik=scope)._node
    assert node.held == (first, 3)
    slots = node.args
    assert [type(slot) for slot in slots] == [Ref, int]
    assert node.args is slots
    taken([node])
    assert node.held is None
    assert node.args is slots
    assert (slots[0].node, slots[0].index, slots[0].liveness) == (first._node, 0, None)


def test_calls_of_one_liveness_are_two() -> None:
    scope = FakeScope()
    handle = add.invoke(1, 2, pymonik=scope)
    node = handle._node
    other = type(node)(handle).fill(node.spec, node.args, None, "a line", 0)
    assert node() is other() is handle
    assert node != other
    assert len({node, other}) == 2


def test_a_call_that_nobody_asks_for_is_not_wanted() -> None:
    scope = FakeScope()
    handle = add.invoke(1, 2, pymonik=scope)
    node, gone = handle._node, weakref.ref(handle)
    assert node.wanted
    del handle
    assert gone() is None
    assert not node.wanted
    assert not Element(None, node, 0, (1, 2)).wanted


def test_a_call_whose_function_holds_a_handle_keeps_its_arguments_wanted() -> None:
    scope = FakeScope()
    inside, given = add.invoke(1, 2, pymonik=scope), add.invoke(3, 4, pymonik=scope)

    @task
    def both(x: int) -> object:
        return x, inside

    node, used = given._node, both.invoke(given, pymonik=scope)._node
    del given
    assert used.held is None
    assert node.wanted
    taken([used])
    assert not node.wanted
    assert [type(slot) for slot in used.args] == [Template, Ref]


def _entered(scope: FakeScope, call: Callable[[], Any]) -> list[str]:
    """Return the functions of ours that a call in a scope enters."""
    entered: list[str] = []

    def note(frame: Any, event: str, arg: Any) -> None:
        if event == "call" and frame.f_globals.get("__name__", "").startswith("pymonik."):
            entered.append(frame.f_code.co_name)

    token = CURRENT.set(scope)
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        CURRENT.reset(token)
    return entered


@pytest.mark.usefixtures("uncollected")  # no finalizer of others enters any
def test_a_call_like_one_before_enters_one_function() -> None:
    scope = FakeScope()
    handle = add.invoke(0, 0, pymonik=scope)
    assert _entered(scope, lambda: add.invoke(1, 2)) == ["invoke"]
    assert _entered(scope, lambda: add.invoke(handle, 2.5)) == ["invoke"]
    first, second = (node for node in scope.recorder.pending[1:])
    assert (first.args, first.held, first.where.rpartition(":")[0]) == ((1, 2), None, __file__)
    assert (second.held, second.spec) == ((handle, 2.5), first.spec)


@pytest.mark.usefixtures("uncollected")
def test_and_another_where_it_names_its_client() -> None:
    scope = FakeScope()
    add.invoke(0, 0, pymonik=scope)
    entered = _entered(scope, lambda: add.invoke(1, 2, pymonik=scope))
    assert entered == ["invoke", "_named"]


def test_and_another_that_delegates_inside_a_task() -> None:
    inside: Any = Subtasks(2, False, True)
    _entered(inside, lambda: add.invoke(0, 0))
    handles: list[Any] = []
    entered = _entered(inside, lambda: handles.append(add.invoke(1, 2, delegate=True)))
    assert "record_call" not in entered
    assert [inside.delegated] == handles
    assert handles[0]._node is inside.recorded[1]


def test_usual_calls_and_others_are_recorded_alike() -> None:
    scope = FakeScope()
    handle = add.invoke(0, 0, pymonik=scope)
    token = CURRENT.set(scope)
    try:
        for values in ((1, 2), (handle, True), (handle, handle)):
            add.invoke(*values), add.invoke(*values, pymonik=scope, delegate=False)
    finally:
        CURRENT.reset(token)
    own, others = scope.recorder.pending[1::2], scope.recorder.pending[2::2]
    fields = {*type(handle._node).__slots__} - {"__weakref__", "lasti"}
    assert len(own) == len(others) == 3
    for usual, other in zip(own, others):
        assert {n: getattr(usual, n) for n in fields} == {n: getattr(other, n) for n in fields}


def test_the_number_of_arguments_that_was_usual_last_is_the_usual_one() -> None:
    @task
    def total(*values: int) -> int:
        return sum(values)

    scope = FakeScope()
    specs = [total.invoke(*values, pymonik=scope)._node.spec for values in ((1,), (1, 2))]
    again = [total.invoke(*values, pymonik=scope)._node.spec for values in ((1,), (1, 2))]
    assert [spec.width for spec in specs] == [1, 2]
    assert specs == again
    # It sees `sum`, which is looked at.
    assert _entered(scope, lambda: total.invoke(3, 4))[:2] == ["invoke", "is_current"]
    assert "record_call" not in _entered(scope, lambda: total.invoke(3, 4))


def test_a_call_that_comes_when_its_client_is_closed_meanwhile_is_refused() -> None:
    """Who closes has set the flag, and has looked at `pending`, before the call stands there."""
    scope = FakeScope()
    add.invoke(0, 0, pymonik=scope)

    class Closing(list[Any]):
        def append(self, node: Any) -> None:
            super().append(node)
            scope.state.is_closed = True

    scope.recorder.pending = Closing()
    with pytest.raises(NoClientError, match="closed"):
        _entered(scope, lambda: add.invoke(1, 2))


def test_the_signature_that_a_program_sees_has_all_keywords() -> None:
    names = list(inspect.signature(add.invoke).parameters)
    assert names == ["args", "pymonik", "delegate", "task_options", "kwargs"]
    assert add.invoke.__doc__ == Task.invoke.__doc__ is not None


def test_a_call_like_one_before_is_told_when_it_does_not_fit() -> None:
    scope = FakeScope()
    add.invoke(0, 0, pymonik=scope)
    hidden = Unpicklable()
    for misfit in ((0,), (0, 0, 0), (hidden,)):
        with pytest.raises(SignatureError, match="add"):
            add.invoke(*misfit, pymonik=scope)
    assert len(scope.recorder.pending) == 1
    assert not hidden.was_asked


def test_a_call_behind_a_map_of_nothing_is_told_when_it_does_not_fit() -> None:
    scope = FakeScope()
    assert len(add.map_invoke([], pymonik=scope)) == 0
    with pytest.raises(SignatureError, match="add"):
        add.invoke(0, pymonik=scope)
    assert not scope.recorder.pending


def test_a_call_with_options_of_its_own_does_not_have_those_of_one_before() -> None:
    scope = FakeScope()
    usual = [add.invoke(0, 0, pymonik=scope)._node.spec for _ in range(2)]
    other = add.invoke(0, 0, pymonik=scope, pmk_retries=3)._node.spec
    named = add.invoke(0, y=0, pymonik=scope)._node.spec
    assert usual[0] is usual[1]
    assert (other.options.retries, other.keywords) == (3, ())
    assert named.keywords == ("y",)
    assert add.invoke(0, 0, pymonik=scope)._node.spec is usual[0]
