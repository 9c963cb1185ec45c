"""Garbage collection that several threads put off: as the program has it, behind the last."""

from __future__ import annotations

import gc
import io
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from types import ModuleType
from typing import Any

import pytest

from pymonik.capture.pickling.pickler import Pickler
from pymonik.capture.text.canonical_text import text
from pymonik.runtime.executor.restorer import Restorer
from pymonik.system import garbage
from pymonik.system.deferred_signals import Loading
from pymonik.system.garbage import (
    collecting_later,
    is_collecting,
    is_under_way,
    watch_collections,
)
from tests.conformance.seams import Other, until
from tests.interruption import Interruption
from tests.runtime.test_deferred_signals import forked

# A block of a context manager would be interrupted in the second, too.
PLACES = ("pymonik.system.garbage", "contextlib")


@pytest.fixture(autouse=True)
def _enabled() -> Iterator[None]:
    until(lambda: not garbage._waiting)  # for threads that earlier tests have left
    gc.enable()
    yield
    gc.enable()


@pytest.fixture(params=[True, False])
def collects(request: pytest.FixtureRequest) -> bool:
    """Whether the program collects garbage, which it has set so."""
    (gc.enable if request.param else gc.disable)()
    return bool(request.param)


@contextmanager
def loading_elsewhere() -> Iterator[None]:
    """Let another thread load modules meanwhile."""
    loads, loaded = threading.Event(), threading.Event()

    def load() -> None:
        with Loading():
            loads.set()
            loaded.wait()

    other = Other(load)
    loads.wait()
    try:
        yield
    finally:
        loaded.set()
        other.join()


def test_a_fork_while_another_thread_loads_collects_its_garbage() -> None:
    with Loading():
        assert Other(lambda: forked(gc.isenabled)).value()
        assert forked(lambda: not gc.isenabled())
    assert gc.isenabled()


def test_garbage_is_collected_again_once_all_threads_have_loaded() -> None:
    with ExitStack() as elsewhere:
        with Loading():
            elsewhere.enter_context(loading_elsewhere())
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_plan_that_is_made_while_another_thread_loads_puts_it_off_until_both_are_done() -> None:
    with ExitStack() as elsewhere:
        collecting_later(lambda: elsewhere.enter_context(loading_elsewhere()))
        assert not gc.isenabled()
    assert gc.isenabled()


@pytest.fixture
def collected() -> Iterator[list[int]]:
    """The generations of the collections that this thread has come to."""
    seen: list[int] = []
    own = threading.get_ident()

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start" and threading.get_ident() == own:
            seen.append(info["generation"])

    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)


class Cycle:
    """What only a collection finds."""

    def __init__(self) -> None:
        self.itself = self


def load(monkeypatch: pytest.MonkeyPatch, name: str) -> list[list[int]]:
    """Load a module, of more than is there before a collection is due; return what is in it."""
    with Loading():
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
        return [[] for _ in range(10 * gc.get_threshold()[0])]


@pytest.fixture
def unfrozen() -> Iterator[None]:
    """Nothing is frozen: neither by Python itself, as by 3.12, nor by those who run the tests."""
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    yield
    (gc.freeze if frozen else gc.unfreeze)()


@pytest.mark.usefixtures("unfrozen")
def test_what_was_loaded_is_not_looked_through_behind_the_block(
    monkeypatch: pytest.MonkeyPatch, collected: list[int]
) -> None:
    gc.collect(0)
    gone = weakref.ref(Cycle())
    collected.clear()
    loaded = load(monkeypatch, "loaded_for_a_test")
    assert collected == []
    assert loaded
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert gone() is None


def test_what_was_made_in_a_block_that_loaded_nothing_is_looked_through(
    collected: list[int],
) -> None:
    with Loading():
        made = [[] for _ in range(10 * gc.get_threshold()[0])]  # type: ignore[var-annotated]
    assert collected != []
    assert made


@pytest.mark.usefixtures("unfrozen")
def test_what_the_program_has_frozen_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    assert load(monkeypatch, "loaded_beside_what_is_frozen")
    assert gc.get_freeze_count() > frozen // 2


def pickle_many() -> None:
    Pickler(io.BytesIO()).dump(list(map(Fraction, range(50))))


@pytest.mark.parametrize(
    "make",
    [lambda: collecting_later(object), pickle_many, lambda: text([1])],
    ids=["plan", "pickle", "text"],
)
def test_what_is_interrupted_leaves_it_as_the_program_has_it(
    collects: bool, make: Callable[[], object]
) -> None:
    make()  # what it loads is loaded
    place, is_through, held = 0, False, []
    while not is_through:
        place += 1
        with Interruption(place, PLACES) as interruption:
            try:
                make()
            except KeyboardInterrupt as error:
                held.append(error)  # as the prompt does
        is_through = not interruption.has_come
        assert gc.isenabled() is collects, place
        assert is_collecting() is collects
        assert not garbage._waiting
    assert place > 5


def test_calls_that_begin_while_another_thread_loads_leave_it_as_the_program_has_it(
    collects: bool,
) -> None:
    with loading_elsewhere():
        restore = Restorer(watch=False)
    assert gc.isenabled() is collects
    assert not restore.is_changed()
    restore()
    assert gc.isenabled() is collects


def test_calls_that_end_while_another_thread_loads_do_too(collects: bool) -> None:
    restore = Restorer(watch=False)
    (gc.disable if collects else gc.enable)()  # as a task may
    with loading_elsewhere():
        assert restore.is_changed()
        restore()
        assert not gc.isenabled()
        assert is_collecting() is collects
        assert not restore.is_changed()
    assert gc.isenabled() is collects


def test_what_a_call_has_set_while_another_thread_loads_does_not_stay(collects: bool) -> None:
    restore = Restorer(watch=False)
    with loading_elsewhere():
        (gc.disable if collects else gc.enable)()
        if restore.is_changed():
            restore()
        assert not gc.isenabled()
    assert gc.isenabled() is collects


def test_a_collection_is_seen_where_another_begins_and_ends_amid_the_look() -> None:
    watch_collections()

    def collect(frame: Any, event: str, argument: Any) -> Any:
        if frame.f_code is is_under_way.__code__:
            frame.f_trace_opcodes = True
            gc.collect(0)
        return collect

    outer = sys.gettrace()
    sys.settrace(collect)
    try:
        assert not is_under_way()
    finally:
        sys.settrace(outer)
