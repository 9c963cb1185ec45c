"""Garbage collection that several threads put off: as the program has it, behind the last."""

from __future__ import annotations

import gc
import io
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
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
