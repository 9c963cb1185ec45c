"""No object is seen twice: what a task returns may be handed on only if nobody else can see it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik, Task
from pymonik.runtime.executor.sharing import is_uniquely_owned

SHARED: dict[str, Any] = {}


def _leak_global_list() -> Any:
    return SHARED.setdefault("list", [1, 2, 3])


def _leak_part_of_a_global() -> Any:
    return SHARED.setdefault("lists", [[1, 2, 3], 0])[0]


def _leak_default(kept: Any = [1, 2, 3]) -> Any:  # noqa: B006 - that is what it is about
    return kept


def _leak_attribute() -> Any:
    _leak_attribute.kept = getattr(_leak_attribute, "kept", [1, 2, 3])  # type: ignore[attr-defined]
    return _leak_attribute.kept  # type: ignore[attr-defined]


def _leak_dict() -> Any:
    return SHARED.setdefault("dict", {0: 1, 1: 2, 2: 3})


def _leak_array() -> Any:
    return SHARED.setdefault("array", np.array([1, 2, 3]))


def _leak_view() -> Any:
    return SHARED.setdefault("base", np.array([1, 2, 3, 4]))[:3]


def _leak_large_array() -> Any:
    return SHARED.setdefault("large", np.ones(300_000))


def _leak_inside() -> Any:
    return [SHARED.setdefault("inside", [1, 2, 3])]


def _leak_tuple() -> Any:
    return (SHARED.setdefault("tuple", [1, 2, 3]), 0)


def _leak_array_of_objects() -> Any:
    return np.array([SHARED.setdefault("object", [1, 2, 3]), None], dtype=object)


def _leak_bytearray() -> Any:
    return SHARED.setdefault("bytes", bytearray(b"abc"))


def _leak_by_a_closure() -> Callable[[], Any]:
    kept = [1, 2, 3]
    return lambda: kept


def _leak_by_a_generator() -> Any:
    def endless() -> Iterator[Any]:
        kept = [1, 2, 3]
        while True:
            yield kept

    return next(SHARED.setdefault("generator", endless()))


LEAKS: dict[str, Callable[[], Any]] = {
    f.__name__.removeprefix("_leak_"): f
    for f in (
        *(_leak_global_list, _leak_part_of_a_global, _leak_default, _leak_attribute, _leak_dict),
        *(_leak_array, _leak_view, _leak_large_array, _leak_inside, _leak_tuple),
        *(_leak_array_of_objects, _leak_bytearray, _leak_by_a_generator),
    )
}
LEAKS["closure"] = _leak_by_a_closure()


def spoil(value: Any) -> Any:
    """Change a value in place, as deep as it goes."""
    inner = value[0]
    if isinstance(inner, list):
        inner.append(99)
    else:
        value[0] = 99
    return value


def weigh(value: Any) -> str:
    return repr(value.tolist() if isinstance(value, np.ndarray) else value)[:80]


OPTIMIZE = [True, False, ["fuse"], ["batch"], ["fuse", "batch"], ["cull", "cse"]]


@pytest.mark.parametrize("optimize", OPTIMIZE, ids=str)
@pytest.mark.parametrize("backend", ["inline", "local"])
def test_what_a_task_keeps_is_not_changed_by_the_next_step(backend: str, optimize: Any) -> None:
    with Pymonik(backend=backend, workers=1, optimize=optimize):
        for name, leak in LEAKS.items():
            leaks, spoils, weighs = Task(leak, func_name=name), Task(spoil), Task(weigh)
            before = weighs.invoke(leaks.invoke())
            spoilt = weighs.invoke(spoils.invoke(spoils.invoke(leaks.invoke())))
            after = weighs.invoke(leaks.invoke())
            wanted = leaks.invoke()
            again = weighs.invoke(spoils.invoke(wanted))
            assert before.get() == after.get() == weigh(wanted.get()), name
            assert spoilt.get() != before.get(), name
            assert again.get() != before.get(), name


@pytest.mark.parametrize("optimize", [True, False])
def test_elements_of_a_map_do_not_share_what_a_task_keeps(optimize: bool) -> None:
    with Pymonik(backend="inline", workers=1, optimize=optimize):
        for name, leak in LEAKS.items():
            kept = Task(_ignoring(leak), func_name=name).map_invoke(range(4))
            found = Task(weigh).map_invoke(Task(spoil).map_invoke(kept)).get()
            del kept
            assert len(set(found)) == 1, name


def _ignoring(leak: Callable[[], Any]) -> Callable[[int], Any]:
    return lambda _: leak()


def held_by_nobody(make: Callable[[], Any]) -> bool:
    """Ask as a unit asks: through two frames, of a value that only a variable holds."""

    def store(value: Any) -> bool:
        record = value
        return is_uniquely_owned(value) and record is value

    made = make()
    return store(made)


FRESH: dict[str, Callable[[], Any]] = {
    "list": lambda: [1, "a", None],
    "empty list": list,
    "dict": lambda: {"a": 1, 2: b"x"},
    "array": lambda: np.arange(10),
    "filled": lambda: np.ones((3, 4)) * 2,
}


@pytest.mark.parametrize("make", FRESH.values(), ids=FRESH)
def test_fresh_plain_containers_are_handed_on(make: Callable[[], Any]) -> None:
    assert held_by_nobody(make)


REACHABLE: dict[str, Callable[[], Any]] = {
    "list of lists": lambda: [[1]],
    "dict of lists": lambda: {"a": [1]},
    "list of tuples": lambda: [(1, 2)],
    "view": lambda: np.arange(10)[2:5],
    "reshaped": lambda: np.arange(10).reshape(2, 5),
    "array of objects": lambda: np.array([[], None], dtype=object),
    "from a buffer": lambda: np.frombuffer(bytearray(80)),
    "set": lambda: {1, 2},
    "subclass of list": lambda: type("Mine", (list,), {})([1]),
    "object": lambda: type("Mine", (), {})(),
}


@pytest.mark.parametrize("make", REACHABLE.values(), ids=REACHABLE)
def test_what_might_be_reached_another_way_is_not_handed_on(make: Callable[[], Any]) -> None:
    assert not held_by_nobody(make)


def test_what_somebody_else_holds_is_not_handed_on() -> None:
    kept: list[Any] = []

    def make() -> Any:
        kept.append([1, 2])
        return kept[-1]

    assert sys.getrefcount(make()) > 1
    assert not held_by_nobody(make)
