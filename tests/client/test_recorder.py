"""The recorder, alone: calls become nodes, and their handles name the scope."""

from __future__ import annotations

import threading

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
