"""The recorder, alone: calls become nodes, and their handles name the scope."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from pymonik.errors import CaptureError, NoClientError, OptionsError
from pymonik.graph.slots import Ref
from pymonik.record.arguments import Arguments, ScopeState
from pymonik.record.recorder import Recorder
from pymonik.record.signature import Signature
from pymonik.record.specs import CallSpecs
from pymonik.settings import settings
from pymonik.values.options import DEFAULTS, TaskOptions

from .fakes import FakeScope, double


def test_a_call_is_appended_and_its_handle_names_the_owner() -> None:
    scope = FakeScope()
    first = double.invoke(1, pymonik=scope)
    second = double.invoke(first, pymonik=scope)
    assert scope.recorder.pending == [first._node, second._node]
    assert first._client is scope
    [argument] = second._node.args
    assert type(argument) is Ref
    assert argument.node is first._node


def test_calls_alike_share_a_spec_until_the_options_change() -> None:
    scope = FakeScope()
    one, two = (double.invoke(i, pymonik=scope)._node.spec for i in range(2))
    scope.recorder.specs.options = TaskOptions(priority=3)
    three = double.invoke(3, pymonik=scope)._node.spec
    assert one is two is not three
    assert three.options.priority == 3


def test_a_handle_of_another_scope_is_refused() -> None:
    handle = double.invoke(1, pymonik=FakeScope())
    with pytest.raises(NoClientError, match="another client"):
        double.invoke(handle, pymonik=FakeScope())


def test_a_handle_that_was_used_is_still_refused_by_another_scope() -> None:
    scope = FakeScope()
    handle = double.invoke(1, pymonik=scope)
    double.invoke(handle, pymonik=scope)
    with pytest.raises(NoClientError, match="another client"):
        double.invoke(handle, pymonik=FakeScope())


def test_calls_of_the_same_handle_share_what_stands_for_it() -> None:
    scope = FakeScope()
    first = double.invoke(1, pymonik=scope)
    slots = {id(double.invoke(first, pymonik=scope)._node.args[0]) for _ in range(3)}
    assert len(slots) == 1


@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: {"in": value}])
def test_a_call_holds_what_it_uses_until_a_flush_takes_it(wrap: Callable[[Any], Any]) -> None:
    scope = FakeScope()
    recorder = scope.recorder
    first = double.invoke(1, pymonik=scope)
    node, gone = first._node, weakref.ref(first)
    used = [double.invoke(wrap(first), pymonik=scope)._node]
    recorder.graph(recorder.pending)
    recorder.sent(len(recorder.pending))
    used.append(double.invoke(wrap(first), pymonik=scope)._node)  # while the first are on their way
    del first
    assert node.wanted
    recorder.graph(recorder.pending)
    assert not node.wanted
    assert gone() is None
    assert [call.held for call in used] == [None, None]


def test_a_closed_scope_takes_nothing() -> None:
    scope = FakeScope()
    scope.state.is_closed = True
    for record in (
        lambda: double.invoke(1, pymonik=scope),
        lambda: double.map_invoke([1], pymonik=scope),
        lambda: scope.put(1),
    ):
        with pytest.raises(NoClientError, match="closed"):
            record()


def test_only_the_recorder_of_a_task_delegates() -> None:
    scope = FakeScope()
    with pytest.raises(OptionsError, match="inside a task"):
        double.invoke(1, pymonik=scope, delegate=True)


def test_a_name_is_given_under_the_lock_of_names() -> None:
    state, lock = ScopeState(), threading.RLock()
    held: list[bool] = []

    class Names(dict[str, object]):
        def __setitem__(self, name: str, value: object) -> None:
            held.append(lock._is_owned())  # type: ignore[attr-defined]
            super().__setitem__(name, value)

    arguments = Arguments(state)
    specs = CallSpecs(arguments.interner, DEFAULTS)
    recorder = Recorder(state, arguments, specs, naming=lambda: lock)
    recorder.names = Names()
    recorder.name(recorder.record_put(None, 1, None), "one")
    assert held == [True]


def test_captures_beyond_the_limit_are_flushed() -> None:
    flushes: list[int] = []
    arguments = Arguments(ScopeState(), lambda: flushes.append(1))
    arguments.argument(bytearray(10_000), "an argument")
    assert flushes == []
    arguments.interner.new_bytes = settings().capture_limit
    arguments.argument(bytearray(b"more" * 1_000), "another")
    assert flushes == [1]


def test_calls_of_numbers_and_handles_make_no_names_for_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scope = FakeScope()
    handle = double.invoke(1, pymonik=scope)
    monkeypatch.setattr(Signature, "labels", None)
    node = double.invoke(handle, pymonik=scope)._node
    assert type(node.args[0]) is Ref
    assert node.args[0].node is handle._node
    monkeypatch.undo()
    with pytest.raises(CaptureError, match="argument 'x' of 'double'"):
        double.invoke(threading.Lock(), pymonik=scope)
