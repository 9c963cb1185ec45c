"""Definitions made again elsewhere: however many need each other, and from any thread."""

from __future__ import annotations

import sys
import threading
import types
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import pytest

from pymonik.capture.definitions import registry
from pymonik.capture.definitions.registry import TABLE, Definitions
from pymonik.capture.freeze import freeze

assert freeze  # it tells the table how to define


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    """A module that no other process can import."""
    made = types.ModuleType("made_by_a_test")
    sys.modules[made.__name__] = made
    yield made
    del sys.modules[made.__name__]


def new_class(module: types.ModuleType, name: str, **space: Any) -> Any:
    made = type(name, (), {"__module__": module.__name__, **space})
    setattr(module, name, made)
    return made


def elsewhere() -> Definitions:
    """Return the table of another process."""
    return Definitions(OrderedDict())


def test_more_than_are_kept_are_made_of_one_reference(
    module: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = [new_class(module, f"K{number}", number=number) for number in range(6)]
    reference = TABLE.refer(TABLE.record_of(new_class(module, "Holder", kinds=kinds))).reference
    monkeypatch.setattr(registry, "MAX_RECORDS", 3)
    table = elsewhere()
    holder = table.resolve(*reference)
    assert [kind.number for kind in holder.kinds] == list(range(6))
    assert table.resolve(*reference) is holder


BEGUN, GO = threading.Event(), threading.Event()


def pause() -> str:
    BEGUN.set()
    assert GO.wait(60)
    return "loaded"


class Pausing:
    """What takes its time to be loaded."""

    def __reduce__(self) -> Any:
        return pause, ()


def test_no_thread_sees_what_another_one_has_not_completed(module: types.ModuleType) -> None:
    first, second = new_class(module, "First"), new_class(module, "Second")
    second.other = first
    first.other, first.slow = second, Pausing()
    references = [TABLE.refer(TABLE.record_of(one)).reference for one in (first, second)]
    table, seen = elsewhere(), []
    threads = [
        threading.Thread(target=table.resolve, args=references[0]),
        threading.Thread(target=lambda: seen.append(table.resolve(*references[1]).other.slow)),
    ]
    threads[0].start()
    assert BEGUN.wait(60)
    threads[1].start()
    threads[1].join(0.1)  # time enough to see too much
    GO.set()
    for thread in threads:
        thread.join(60)
    assert seen == ["loaded"]


def test_few_versions_of_a_function_with_much_data_are_kept(module: types.ModuleType) -> None:
    space: Any = vars(module)
    exec("def holder(): return len(DATA)", space)
    table = elsewhere()
    for number in range(6):
        space["DATA"] = bytes(100_000 + number)
        reference = TABLE.refer(TABLE.record_of(space["holder"])).reference
        made = table.resolve(*reference)
        assert made() == len(space["DATA"])
        assert table.resolve(*reference) is made
    assert len(table._made) == len(table._records) == 2
