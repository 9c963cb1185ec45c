"""A single handle: wait, get, done, exception, names, callbacks, items, and what it refuses."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import inspect
import operator
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik, ResultHandle, as_completed, task
from pymonik.errors import LazyValueError, OptionsError
from tests.conftest import PATIENCE, Gate

from .programs import add, divide, identity, pass_gate, square


def test_wait_returns_the_handle_itself(client: Pymonik) -> None:
    h = square.invoke(3)
    assert h.wait() is h


def test_wait_does_not_raise_the_error_of_the_task(client: Pymonik) -> None:
    h = divide.invoke(1, 0)
    assert h.wait() is h
    with pytest.raises(ZeroDivisionError):
        h.get()


def test_the_handles_of_a_map_are_a_list_too(client: Pymonik) -> None:
    m = square.map_invoke(range(3))
    assert m.result_handles == [m[0], m[1], m[2]]


def test_get_twice_gives_the_value_twice(client: Pymonik) -> None:
    h = square.invoke(3)
    assert (h.get(), h.get()) == (9, 9)


def test_get_and_wait_within_a_timeout(client: Pymonik) -> None:
    h = square.invoke(3)
    assert h.wait(timeout=PATIENCE).get(timeout=PATIENCE) == 9


@pytest.mark.asynchronous
@pytest.mark.parametrize("method", ["get", "wait"])
def test_a_timeout_raises_and_the_value_still_comes(
    client: Pymonik, gate: Gate, method: str
) -> None:
    h = pass_gate.invoke(gate.path, "through")
    with pytest.raises(TimeoutError):
        getattr(h, method)(timeout=0.01)
    assert not h.done()
    gate.open()
    assert h.get() == "through"
    assert h.done()


def test_done_is_true_once_the_value_is_there(client: Pymonik) -> None:
    h = square.invoke(3).wait()
    assert h.done() is True


def test_exception_waits_and_tells(client: Pymonik) -> None:
    good, bad = divide.invoke(1, 2), divide.invoke(1, 0)
    assert good.exception() is None
    assert isinstance(bad.exception(), ZeroDivisionError)


def test_a_named_handle_is_the_handle(client: Pymonik) -> None:
    h = square.invoke(3)
    assert h.named("pv") is h
    assert "pv" in repr(h)
    assert h.get() == 9


def test_a_call_can_be_named_as_it_is_made(client: Pymonik) -> None:
    h = square.invoke(3, pmk_name="pv")
    assert "pv" in repr(h)
    assert h.get() == 9


def test_reading_the_result_id_flushes(client: Pymonik) -> None:
    h = square.invoke(3)
    assert client.stats.submissions == 0
    assert isinstance(h.result_id, str)
    assert h.result_id
    assert client.stats.submissions == 1


def test_a_handle_says_what_it_is(client: Pymonik) -> None:
    h = square.invoke(3)
    assert "square" in repr(h)
    assert isinstance(h, ResultHandle)
    assert f"{h}" == str(h)
    assert client.stats.submissions == 0


def test_a_handle_is_itself_and_hashable(client: Pymonik) -> None:
    h, other = square.invoke(3), square.invoke(3)
    assert h == h
    assert h != other
    assert {h: 1, other: 2}[h] == 1
    assert h in [other, h]
    assert [other, h].index(h) == 1
    assert (h == None, h != None) == (False, True)  # noqa: E711


def test_a_callback_is_called_with_the_handle(client: Pymonik) -> None:
    called, seen = threading.Event(), []

    def callback(handle: Any) -> None:
        seen.append(handle)
        called.set()

    h = square.invoke(3)
    h.add_done_callback(callback)
    assert seen == []
    h.wait()
    assert called.wait(PATIENCE)
    assert seen == [h]
    assert seen[0].get() == 9


def test_a_callback_added_late_is_called_at_once(client: Pymonik) -> None:
    called = threading.Event()
    h = square.invoke(3).wait()
    h.add_done_callback(lambda _: called.set())
    assert called.wait(PATIENCE)


def test_a_callback_is_called_for_a_failure_too(client: Pymonik) -> None:
    called = threading.Event()
    h = divide.invoke(1, 0)
    h.add_done_callback(lambda _: called.set())
    assert isinstance(h.exception(), ZeroDivisionError)
    assert called.wait(PATIENCE)


def test_a_callback_that_raises_harms_nobody(client: Pymonik) -> None:
    called = threading.Event()

    def bad(_: Any) -> None:
        raise RuntimeError("callback")

    h = square.invoke(3)
    h.add_done_callback(bad)
    h.add_done_callback(lambda _: called.set())
    assert h.get() == 9
    assert called.wait(PATIENCE)
    assert square.invoke(4).get() == 16


REFUSED: dict[str, Callable[[Any], Any]] = {
    "bool": bool,
    "not": operator.not_,
    "if": lambda h: 1 if h else 2,
    "iter": iter,
    "list": list,
    "for": lambda h: [x + 1 for x in h],
    "star": lambda h: print(*h),
    "unpacking": lambda h: (lambda a, b: None)(*h),
    "len": len,
    "in": lambda h: 3 in h,
    "add": lambda h: h + 1,
    "radd": lambda h: 1 + h,
    "sum": lambda h: sum([h, h]),
    "handle + handle": lambda h: h + h,
    "sub": lambda h: h - 1,
    "rsub": lambda h: 1 - h,
    "mul": lambda h: h * 2,
    "rmul": lambda h: [1] * h,
    "truediv": lambda h: h / 2,
    "rtruediv": lambda h: 2 / h,
    "floordiv": lambda h: h // 2,
    "mod": lambda h: h % 2,
    "pow": lambda h: h**2,
    "rpow": lambda h: 2**h,
    "matmul": lambda h: h @ h,
    "neg": operator.neg,
    "abs": abs,
    "lt": lambda h: h < 1,
    "ge": lambda h: h >= 1,
    "eq": lambda h: h == 9,
    "ne": lambda h: h != 9,
    "req": lambda h: h == 9,
    "in values": lambda h: h in [1, 9],
    "index of a value": lambda h: [9].index(h),
    "and": lambda h: h & 1,
    "or": lambda h: 1 | h,
    "shift": lambda h: h << 1,
    "int": int,
    "float": float,
    "index": lambda h: [1, 2][h],
    "range": range,
    "round": round,
}


@pytest.mark.recorded
@pytest.mark.parametrize("use", REFUSED.values(), ids=REFUSED)
def test_using_a_handle_as_its_value_says_what_to_do(
    client: Pymonik, use: Callable[[Any], Any]
) -> None:
    h = square.invoke(3)
    with pytest.raises(LazyValueError, match=r"get\(\)"):
        use(h)
    assert client.stats.submissions == 0


def test_an_item_of_a_handle_is_lazy(client: Pymonik) -> None:
    h = identity.invoke({"a": [10, 20, 30], "b": {"c": 5}})
    first, rest, deep = h["a"][0], h["a"][1:], h["b"]["c"]
    assert isinstance(first, ResultHandle)
    assert client.stats.submissions == 0
    assert (first.get(), rest.get(), deep.get()) == (10, [20, 30], 5)
    assert add.invoke(h["a"][2], h["b"]["c"]).get() == 35


def test_a_missing_item_fails_at_get(client: Pymonik) -> None:
    h = identity.invoke({"a": 1})
    with pytest.raises(KeyError):
        h["nope"].get()
    assert h["a"].get() == 1


def test_unpack_gives_so_many_handles(client: Pymonik) -> None:
    a, b, c = identity.invoke((1, 2, 3)).unpack(3)
    assert all(isinstance(h, ResultHandle) for h in (a, b, c))
    assert client.stats.submissions == 0
    assert add.invoke(a, c).get() == 4
    assert b.get() == 2


@pytest.mark.parametrize("count", [2, 4])
def test_unpacking_the_wrong_number_fails_as_in_python(client: Pymonik, count: int) -> None:
    parts = identity.invoke((1, 2, 3)).unpack(count)
    with pytest.raises(ValueError, match="unpack"):
        parts[0].get()
    for part in parts:
        part.exception()


def test_unpacking_what_is_no_sequence_says_so(client: Pymonik) -> None:
    with pytest.raises(
        TypeError, match=r"unpack\(1\) needs a sequence, and the value is of type int"
    ):
        identity.invoke(3).unpack(1)[0].get()


@pytest.mark.recorded
@pytest.mark.parametrize(
    "use",
    [np.asarray, np.array, np.sum, lambda h: f"{h:.2f}", lambda h: h()],
    ids=["asarray", "array", "sum", "format", "call"],
)
def test_more_that_needs_the_value_is_refused(client: Pymonik, use: Any) -> None:
    h = square.invoke(2)
    with pytest.raises(LazyValueError, match="inside a task"):
        use(h)
    assert f"{h}" == str(h)


def test_an_attribute_of_the_value_is_refused_with_a_hint(client: Pymonik) -> None:
    h = square.invoke(2)
    with pytest.raises(AttributeError, match=r"no 'shape'.*call \.get\(\)"):
        _ = h.shape
    assert not hasattr(h, "__array_interface__")


@pytest.mark.recorded
@pytest.mark.parametrize("timeout", [-1, "2", True, float("nan")])
def test_a_timeout_is_a_time(client: Pymonik, timeout: Any) -> None:
    h, m = square.invoke(2), square.map_invoke([1])
    for ask in (h.get, h.wait, h.exception, m.get, m.wait, m.exception):
        with pytest.raises(OptionsError, match="timeout takes seconds"):
            ask(timeout=timeout)


@pytest.mark.parametrize("timeout", [float("inf"), 1e300, timedelta.max, timedelta(hours=1)])
def test_any_length_of_time_can_be_waited(client: Pymonik, timeout: Any) -> None:
    h, m = square.invoke(2), square.map_invoke([1])
    assert h.wait(timeout=timeout).get(timeout=timeout) == 4
    assert h.exception(timeout=timeout) is None
    assert m.wait(timeout=timeout).get(timeout=timeout) == [1]
    assert [ended.get() for ended in as_completed([h], timeout=timeout)] == [4]

    async def main() -> list[int]:
        return [ended.get() async for ended in as_completed([h], timeout=timeout)]

    assert asyncio.run(main()) == [4]


def test_several_tell_their_errors_and_their_number(client: Pymonik) -> None:
    m = divide.map_invoke([(1, 1), (1, 0)])
    assert list(map(type, m.exception())) == [type(None), ZeroDivisionError]
    with pytest.raises(IndexError, match="no handle 9 here: there are 2"):
        m[9]


@dataclasses.dataclass
class Trade:
    price: Any
    legs: list[Any]


def test_a_copy_of_a_handle_is_the_handle(client: Pymonik) -> None:
    h = square.invoke(3)
    trade = Trade(h, [h])
    assert copy.copy(h) is h
    assert dataclasses.asdict(trade) == {"price": h, "legs": [h]}
    assert add.invoke(copy.deepcopy(trade).price, 1).get() == 10


@dataclasses.dataclass
class Step:
    """As programs of 0.2.5 have them, where a handle was always true."""

    first: ResultHandle[Any]
    next: ResultHandle[Any] | None = None


class Chain:
    def __init__(self, last: Any) -> None:
        self.last: ResultHandle[int] | None = last
        self.flag = last

    def is_there(self) -> bool:
        return bool(self.last)


@task
def count_steps(step: Any) -> int:
    made = Step(square.invoke(2), square.invoke(3) if step else None)
    return 2 if made.next else 1


def test_testing_an_attribute_that_may_be_none_asks_for_the_handle(client: Pymonik) -> None:
    assert count_steps.map_invoke([True, False]).get() == [2, 1]
    handle = square.invoke(0)
    step, chain = Step(handle, handle), Chain(handle)
    assert chain.is_there()
    assert not Chain(None).is_there()
    assert step.next
    del step, chain
    assert handle.get() == 0


@dataclasses.dataclass
class Around:
    step: Any


AROUND = Around(None)


def test_the_object_may_be_a_global_one_or_an_attribute_itself(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_there(around: Around) -> bool:
        return bool(around.step.last)

    def is_there_globally() -> bool:
        return bool(AROUND.step.last)

    monkeypatch.setattr(AROUND, "step", Chain(square.invoke(0)))
    assert is_there_globally()
    assert is_there(Around(Chain(square.invoke(1))))
    with pytest.raises(LazyValueError, match="write `is not None`"):
        bool(Around(square.invoke(2)).step)


def test_a_class_is_read_once_and_only_for_what_its_body_does_not_declare(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Link(Chain):
        pass

    read: list[Any] = []
    source = inspect.getsource
    monkeypatch.setattr(inspect, "getsource", lambda cls: [read.append(cls), source(cls)][1])
    step = Step(square.invoke(0), square.invoke(1))
    assert step.next
    assert Step not in read  # other threads may read others
    link = Link(square.invoke(2))
    assert [bool(link.last) for _ in range(3)] == [True] * 3
    assert read.count(Link) == 1
    assert read.count(Chain) <= 1


def test_any_other_test_of_a_handle_is_refused(client: Pymonik) -> None:
    def first(step: Step) -> bool:
        return bool(step.first)

    def flag(chain: Chain) -> bool:
        return bool(chain.flag)

    for ask in (lambda: first(Step(square.invoke(0))), lambda: bool(square.invoke(0))):
        with pytest.raises(LazyValueError, match="write `is not None`"):
            ask()
    chain = Chain(None)
    chain.flag = square.invoke(0)
    with pytest.raises(LazyValueError, match=r"call \.get"):
        flag(chain)
