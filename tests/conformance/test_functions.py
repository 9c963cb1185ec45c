"""Functions of the script as values: themselves in tasks, the program's own when they return."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik, Task, task

RATE = 2
COUNT = 0
SEEN: list[int] = []


def double(x: int) -> int:
    return RATE * x


def relu(x: int) -> int:
    return max(x, 0)


def is_even(n: int) -> bool:
    return n == 0 or is_odd(n - 1)


def is_odd(n: int) -> bool:
    return n != 0 and is_even(n - 1)


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return "logged", function(*args)

    return wrapper


@logged
def decorated(n: int) -> int:
    return 0 if n == 0 else 1 + decorated(n - 1)[1]


def tick() -> int:
    global COUNT
    COUNT += 1
    SEEN.append(COUNT)
    return COUNT


def ticks() -> tuple[int, int]:
    return COUNT, len(SEEN)


NAMES: dict[Any, str] = {double: "double", relu: "relu", decorated: "decorated"}


@task
def rate() -> int:
    return RATE


def by_task() -> int:
    return rate()


TABLE = types.MappingProxyType({"double": double})
MADE: Any = types.ModuleType("made_by_a_test_of_functions")
MADE.rate = 2


def by_proxy() -> int:
    return TABLE["double"](1)


def by_module() -> Any:
    return MADE.rate


def by_keyword(*, by: int = 2) -> int:
    return by


def by_doc() -> str | None:
    """2"""
    return by_doc.__doc__


class Shop:
    rate = 2


def by_class() -> int:
    return Shop.rate


class Rated:
    def times(self: int) -> int:  # type: ignore[misc]
        return RATE * self


class Layer:
    """Its methods compare functions, its objects hold them."""

    def __init__(self, activation: Callable[[int], int] = relu) -> None:
        self.activation = activation

    def is_relu(self) -> bool:
        return self.activation is relu


@dataclass(frozen=True)
class Rule:
    check: Callable[[int], bool]


def test_a_function_is_the_one_that_the_task_sees(client: Pymonik) -> None:
    compare = Task(lambda f: (f is double, f is relu, NAMES.get(f)), func_name="compare")
    given = [double, relu, decorated]
    expected = [(f is double, f is relu, NAMES[f]) for f in given]
    assert [compare.invoke(f).get() for f in given] == expected
    assert compare.map_invoke(given).get() == expected


@pytest.mark.parametrize(
    "hold", [list, set, dict.fromkeys, Rule, functools.partial, lambda v: [v, v]], ids=range(6)
)
def test_containers_hold_it_as_itself(client: Pymonik, hold: Callable[[Any], Any]) -> None:
    def look(held: Any) -> bool:
        inner = getattr(held, "check", None) or getattr(held, "func", None)
        return (inner or next(iter(held))) is double

    held = hold([double]) if hold in (list, set, dict.fromkeys) else hold(double)
    assert Task(look, func_name="look").invoke(held).get()


def test_what_returns_is_the_program_s_own(client: Pymonik) -> None:
    give = Task(lambda: [double, decorated, Layer.is_relu, is_even], func_name="give")
    echo = Task(lambda f: f, func_name="echo")
    assert give.invoke().get() == [double, decorated, Layer.is_relu, is_even]
    for function in (double, is_even, decorated, Layer.is_relu):
        assert echo.invoke(function).get() is function
        assert echo.invoke({"f": function}).get()["f"] is function
    assert client.put(double).get() is double


HANDED_BACK = """
def given(): ...
def give(): return given
def compare(f): return f is given
"""


def test_one_that_comes_back_is_known_to_tasks_from_then_on(
    client: Pymonik, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType(f"made_on_{backend}")  # of which nothing has been met before
    exec(HANDED_BACK, vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    compare = Task(module.compare)
    assert not compare.invoke(len).get()
    assert Task(module.give).invoke().get() is module.given
    assert compare.invoke(module.given).get()


@functools.lru_cache
def fast(n: int) -> int:
    return n if n < 2 else fast(n - 1) + fast(n - 2)


quick = functools.lru_cache(maxsize=3)(relu)
twin = functools.lru_cache(maxsize=3)(relu)
CACHED: dict[Any, str] = {fast: "fast", quick: "quick", twin: "twin"}


@task
def factorial(n: int) -> int:
    return 1 if n < 2 else n * factorial(n - 1)


as_task = Task(double)


def test_functions_with_a_cache_are_themselves_and_begin_with_an_empty_one(client: Pymonik) -> None:
    name = Task(lambda f: (CACHED[f], f(8), f.cache_info().maxsize), func_name="name")
    fast(4)
    given = [(fast, "fast", 21, 128), (quick, "quick", 8, 3), (twin, "twin", 8, 3)]
    assert name.map_invoke([f for f, *_ in given]).get() == [tuple(rest) for _, *rest in given]


@functools.lru_cache
def text_of(path: str) -> str:
    return Path(path).read_text()


def test_a_function_with_a_cache_keeps_nothing_of_an_earlier_call(
    client: Pymonik, tmp_path: Path
) -> None:
    path = tmp_path / "text"
    read = Task(lambda function, name: (function is text_of, function(name)), func_name="read")
    for text in ("one", "two"):
        path.write_text(text)
        assert read.invoke(text_of, str(path)).get() == (True, text)


class Bare:
    """Has no state before it is used."""


BARE = Bare()


@functools.lru_cache
def halved(n: int) -> float:
    return n / 2


@task(require_context=True)
def retrieve_amid(ctx: Any, bare: Any, function: Any, given: str) -> tuple[Any, ...]:
    bare.n = function(3)
    _, cached = ctx.retrieve_object(given)
    return dict(vars(bare)), cached is function, function.cache_info().currsize


def test_what_is_retrieved_amid_a_call_leaves_alone_what_that_call_has_set(client: Pymonik) -> None:
    given = client.put([BARE, halved])
    try:
        for _ in range(2):
            found = retrieve_amid.invoke(BARE, halved, given.result_id).get()
            assert found == ({"n": 1.5}, True, 1)
            vars(BARE).clear()  # where tasks run in a process that has other threads
    finally:
        vars(BARE).clear()


def test_tasks_and_functions_with_a_cache_come_back_as_the_program_s_own(client: Pymonik) -> None:
    own = [fast, quick, twin, factorial, as_task]
    give = Task(lambda: [fast, quick, twin, factorial, as_task], func_name="give")
    assert all(a is b for a, b in zip(give.invoke().get(), own))
    echo = Task(lambda f: {"f": f}, func_name="echo")
    assert [echo.invoke(thing).get()["f"] is thing for thing in own] == [True] * 5


def test_a_task_that_has_changed_is_not_the_one_of_before(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = Task(lambda t: (t.func_name, t(2)), func_name="name")
    assert name.invoke(as_task).get() == ("double", 4)
    monkeypatch.setattr(as_task, "func_name", "renamed")
    assert name.invoke(as_task).get() == ("renamed", 4)


@task
def with_table(x: int) -> int:
    return int(with_table.table[x])  # type: ignore[attr-defined]


class Comparing(Task[Any, Any]):
    """Has an order of its own, and so no hash."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Comparing) and self.func_name == other.func_name


comparing = Comparing(double)


def test_tasks_are_passed_whatever_they_and_their_attributes_say_to_comparisons(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(with_table, "table", np.arange(3) * 2, raising=False)
    call = Task(lambda t: t(2), func_name="call")
    assert [call.invoke(given).get() for given in (with_table, comparing)] == [4, 4]
    same = Task(lambda t: t, func_name="same")
    assert same.invoke(with_table).get().table.tolist() == [0, 2, 4]
    assert same.invoke(comparing).get() == comparing


def test_classes_and_tasks_have_the_same_functions(client: Pymonik) -> None:
    look = Task(lambda layer: (layer.activation is relu, layer.is_relu()), func_name="look")
    make = Task(lambda: (Layer().activation is relu, Layer().is_relu()), func_name="make")
    assert make.invoke().get() == (True, True)
    assert look.invoke(Layer()).get() == (True, True)
    assert look.invoke(Layer(double)).get() == (False, False)
    assert make.invoke().get() == (True, True)


def test_functions_that_need_each_other_or_themselves(client: Pymonik) -> None:
    call = Task(lambda f, n: (f(n), f is is_even, f is decorated), func_name="call")
    assert call.invoke(is_even, 7).get() == (False, True, False)
    assert call.invoke(is_odd, 7).get() == (True, False, False)
    assert call.invoke(decorated, 3).get() == (("logged", 3), False, True)


def test_functions_share_what_they_rebind_and_the_program_keeps_its_own(client: Pymonik) -> None:
    @task
    def both(one: Any, other: Any) -> Any:
        before = other()
        one()
        return [now - then for now, then in zip(other(), before)]

    assert both.invoke(tick, ticks).get() == [1, 1]
    assert (COUNT, SEEN) == (0, [])


def test_a_function_is_what_it_is_at_the_call(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Task(lambda f: f(5), func_name="call")
    before = call.invoke(double)
    assert call.invoke(double).get() == 10
    monkeypatch.setitem(globals(), "RATE", 3)
    assert call.invoke(double).get() == 15
    monkeypatch.setitem(globals(), "RATE", 4)
    assert (call.invoke(double).get(), before.get()) == (20, 10)


def test_a_function_may_hold_a_handle(client: Pymonik, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "RATE", Task(lambda: 4, func_name="four").invoke())
    call = Task(lambda f: f(5), func_name="call")
    assert call.invoke(double).get() == 20
    monkeypatch.setitem(globals(), "RATE", 3)
    assert call.invoke(double).get() == 15


def test_a_method_may_hold_a_handle(client: Pymonik, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "RATE", Task(lambda: 4, func_name="four").invoke())
    call = Task(lambda f: f(5), func_name="call")
    assert call.invoke(Rated.times).get() == 20


def test_large_globals_of_a_function_are_seen_as_they_are(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "SEEN", [0] * 5000)
    call = Task(lambda f: f()[1], func_name="call")
    assert call.invoke(ticks).get() == 5000
    SEEN.append(1)
    assert call.invoke(ticks).get() == 5001


def test_lambdas_and_closures_are_shared_within_a_call(client: Pymonik) -> None:
    def make(n: int) -> Callable[[int], int]:
        return lambda x: x + n

    add = make(3)
    same = Task(lambda pair, third: (pair[0] is pair[1], pair[0] is third, third(1)), func_name="s")
    assert same.invoke([add, add], add).get() == (True, True, 4)


def test_sub_tasks_hand_functions_on(client: Pymonik) -> None:
    compare = Task(lambda f: (f is double, f), func_name="compare")

    @task
    def outer(f: Any) -> Any:
        return compare.invoke(f)

    @task
    def own() -> Any:
        return compare.invoke(double)

    assert outer.invoke(double).get() == (True, double)
    assert own.invoke().get() == (True, double)


def test_kept_values_are_the_program_s_own_and_never_stale(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Task(lambda f: (f, f(5)), func_name="call", pure=True, cache=True)
    assert call.invoke(double).get() == (double, 10)
    assert call.invoke(double).get() == (double, 10)
    assert call.invoke(relu).get() == (relu, 5)
    monkeypatch.setitem(globals(), "RATE", 3)
    assert call.invoke(double).get() == (double, 15)


@pytest.mark.parametrize(
    ("function", "change"),
    [
        (by_task, lambda patch: patch.setitem(globals(), "RATE", 3)),
        (by_proxy, lambda patch: patch.setitem(globals(), "RATE", 3)),
        (by_module, lambda patch: patch.setattr(MADE, "rate", 3)),
        (by_keyword, lambda patch: patch.setitem(by_keyword.__kwdefaults__, "by", 3)),
        (by_doc, lambda patch: patch.setattr(by_doc, "__doc__", "3")),
        (by_class, lambda patch: patch.setattr(Shop, "rate", 3)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_whatever_a_function_sees_is_seen_at_each_call(
    client: Pymonik,
    monkeypatch: pytest.MonkeyPatch,
    function: Callable[[], Any],
    change: Callable[[pytest.MonkeyPatch], None],
) -> None:
    call = Task(lambda f: f(), func_name="call")
    was = function()
    assert call.invoke(function).get() == was
    before = call.invoke(function)
    change(monkeypatch)
    after = call.invoke(function)
    assert (function(), before.get(), after.get()) == (after.get(), was, function())
    assert function() != was


WRITTEN = {
    "code": ("def f(x): return 1", "def f(x): return 2"),
    "tuple": ("def f(x): return x in (1, 2)", "def f(x): return x in (3, 4)"),
    "set": ("def f(x): return x in {1, 2}", "def f(x): return x in {3, 4}"),
    "keyword": ("def f(x): return dict(a=x)", "def f(x): return dict(b=x)"),
    "default": ("def f(x, y=1): return y", "def f(x, y=2): return y"),
    "keyword default": ("def f(x, *, y=1): return y", "def f(x, *, y=2): return y"),
    "decorated": ("@logged\ndef f(x): return 1", "@logged\ndef f(x): return 2"),
    "decorator": ("@times(1)\ndef f(x): return 1", "@times(2)\ndef f(x): return 1"),
}


def times(n: int) -> Callable[[Any], Any]:
    def decorate(function: Callable[[int], int]) -> Callable[[int], int]:
        @functools.wraps(function)
        def wrapper(x: int) -> int:
            return n * function(x)

        return wrapper

    return decorate


@pytest.mark.parametrize("is_met", [False, True], ids=["alone", "met"])
@pytest.mark.parametrize(("old", "new"), WRITTEN.values(), ids=WRITTEN)
def test_what_returns_is_not_another_function_of_that_name(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch, old: str, new: str, is_met: bool
) -> None:
    name = f"f{abs(hash((str(client), old, is_met)))}"
    space = globals()
    monkeypatch.setitem(space, name, None)
    exec(old.replace("def f", f"def {name}"), space)
    first = space[name]
    exec(f"def give(): return {name}", space)
    given = Task(space.pop("give"), func_name="give").invoke()
    exec(new.replace("def f", f"def {name}"), space)
    if is_met:
        echo = Task(lambda f: f, func_name="echo")
        assert echo.invoke(space[name]).get() is space[name]
    assert given.get()(3) == first(3) != space[name](3)
