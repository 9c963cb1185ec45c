"""Functions that another thread meets as values while the code of a task is captured."""

from __future__ import annotations

import sys
import threading
import types
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import pytest

from pymonik import Task
from pymonik.capture.definitions.record import DefinitionRecord, record_of
from pymonik.capture.definitions.registry import TABLE, Definitions
from pymonik.capture.function import capture_function
from pymonik.capture.interner import Interner
from tests.client.fakes import FakeScope

SOURCE = """
def helper(x):
    return x + 1

def body(x):
    return helper(x)
"""


@pytest.fixture
def module() -> Iterator[Any]:
    """A module that no other process can import."""
    made = types.ModuleType("made_by_a_test")
    sys.modules[made.__name__] = made
    exec(SOURCE, vars(made))
    yield made
    del sys.modules[made.__name__]


def meet(function: Any) -> None:
    thread = threading.Thread(target=TABLE.record_of, args=(function,))
    thread.start()
    thread.join()


@pytest.mark.parametrize("amid", [False, True])
def test_one_that_is_met_amid_the_capture_has_it_done_again(
    monkeypatch: pytest.MonkeyPatch, module: Any, amid: bool
) -> None:
    freeze = Interner.freeze

    def meeting(self: Interner, *args: Any) -> Any:
        made = freeze(self, *args)
        meet(module.helper)
        return made

    if amid:
        monkeypatch.setattr(Interner, "freeze", meeting)
    else:
        meet(module.helper)
    code = capture_function(module.body, "body", Interner())
    assert code.is_current() is not amid


def test_a_task_is_captured_again_when_its_function_was_met_between_two_calls(module: Any) -> None:
    scope = FakeScope()
    helper = Task(module.helper)
    first, second = (helper.invoke(1, pymonik=scope)._node.spec for _ in range(2))
    assert first is second
    meet(module.helper)
    assert helper.invoke(1, pymonik=scope)._node.spec is not first


def test_one_is_counted_when_its_record_is_there(module: Any) -> None:
    counts: list[int] = []

    class Records(OrderedDict[int, DefinitionRecord]):
        def __setitem__(self, key: int, record: DefinitionRecord) -> None:
            counts.append(table.lookup.functions)
            super().__setitem__(key, record)

    table = Definitions(Records())
    table.record_of(module.helper)
    assert (counts, table.lookup.functions) == ([0], 1)


def test_a_call_does_not_rely_on_a_look_of_another_thread_that_has_not_ended(
    monkeypatch: pytest.MonkeyPatch, module: Any
) -> None:
    code = capture_function(module.body, "body", Interner())
    meet(module.helper)
    others: list[bool] = []

    def looking(obj: Any) -> Any:
        monkeypatch.undo()
        others.append(code.is_current())  # as a call of another thread asks, amid the look
        return record_of(obj)

    monkeypatch.setattr("pymonik.capture.definitions.record.record_of", looking)
    assert not code.is_current()
    assert others
    assert not any(others)
