"""What functions see and the program changes in place: a call means what it is when it is made."""

from __future__ import annotations

import functools
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik, Task, task
from pymonik.capture.containers import ContainerWatch

from .programs import inc


class Plain:
    def __init__(self) -> None:
        self.n = 1

    def step(self) -> int:
        return self.n


class Slotted:
    __slots__ = ("n",)

    def __init__(self) -> None:
        self.n = 1


class Rows(list[Any]):
    pass


def put_two(value: Any) -> None:
    value["n"] = 2


def set_two(value: Any) -> None:
    value.n = 2


def two_at_first(value: Any) -> None:
    value[0] = 2


def deeper(value: Any) -> None:
    value["list"][0]["n"] = 2


def other_member(value: Any) -> None:
    value.clear()
    value.add(2)


def first_value(value: Any) -> Any:
    return next(iter(value.values()))


# How each is made, changed, and looked at: 1 before the change, and 2 behind it.
KINDS: dict[str, tuple[Callable[[], Any], Callable[[Any], None], Callable[[Any], Any]]] = {
    "dict": (lambda: {"n": 1}, put_two, lambda v: v["n"]),
    "nested": (lambda: {"list": [{"n": 1}]}, deeper, lambda v: v["list"][0]["n"]),
    "in a tuple": (lambda: ({"n": 1}, 0), lambda v: put_two(v[0]), lambda v: v[0]["n"]),
    "list": (lambda: [1], two_at_first, lambda v: v[0]),
    "longer": (lambda: [1], lambda v: v.append(1), len),
    "moved": (lambda: [[0], [0, 0]], lambda v: v[0].append(v[1].pop()), lambda v: len(v[0])),
    "list of a class": (lambda: Rows([1]), two_at_first, lambda v: v[0]),
    "set": (lambda: {1}, other_member, sum),
    "deque": (lambda: deque([1]), two_at_first, sum),
    "ordered": (lambda: OrderedDict(n=1), put_two, lambda v: v["n"]),
    "order": (lambda: OrderedDict(a=1, b=2), lambda v: v.move_to_end("a"), first_value),
    "default": (lambda: defaultdict(int, n=1), put_two, lambda v: v["n"]),
    "counter": (lambda: Counter("n"), lambda v: v.update("n"), lambda v: v["n"]),
    "bytearray": (lambda: bytearray(b"\1"), two_at_first, lambda v: v[0]),
    "array": (lambda: array("d", [1.0]), two_at_first, lambda v: v[0]),
    "array of NumPy": (lambda: np.ones(3), two_at_first, lambda v: v[0]),
    "dates": (lambda: np.ones(1, "M8[D]"), two_at_first, lambda v: v[0].astype(int)),
    "object": (Plain, set_two, lambda v: v.n),
    "with places": (Slotted, set_two, lambda v: v.n),
    "namespace": (lambda: SimpleNamespace(n=1), set_two, lambda v: v.n),
    "many": (lambda: {**dict.fromkeys(range(3000), 0), "n": 1}, put_two, lambda v: v["n"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_closure_holds_is_what_it_is_at_the_call(client: Pymonik, kind: str) -> None:
    make, change, look = KINDS[kind]
    value = make()

    @task
    def seen() -> Any:
        return look(value)

    before = seen.invoke()
    again = seen.invoke()
    assert seen.invoke().get() == 1
    change(value)
    assert (seen.invoke().get(), before.get(), again.get()) == (2, 1, 1)
    assert seen.invoke().get() == 2


def test_the_defaults_of_a_function_are_what_they_are_at_the_call(client: Pymonik) -> None:
    items = [1]

    @task
    def seen(given: list[int] = items) -> int:
        return sum(given)

    before = seen.invoke()
    items.append(1)
    assert (before.get(), seen.invoke().get()) == (1, 2)


def test_what_a_method_or_a_partial_is_bound_to_is_what_it_is_at_the_call(client: Pymonik) -> None:
    plain, options = Plain(), {"n": 1}
    bound = task(plain.step)
    partial = Task(functools.partial(lambda given: given["n"], options), func_name="partial")
    before = bound.invoke(), partial.invoke()
    plain.n = options["n"] = 2
    after = bound.invoke(), partial.invoke()
    assert [h.get() for h in (*before, *after)] == [1, 1, 2, 2]


def test_calls_of_one_map_see_one_state(client: Pymonik) -> None:
    factors = {"n": 1}

    @task
    def scaled(x: int) -> int:
        return x * factors["n"]

    first = scaled.map_invoke(range(4))
    factors["n"] = 3
    second = scaled.map_invoke(range(4))
    single = [scaled.invoke(x) for x in range(2)]
    assert first.get() == [0, 1, 2, 3]
    assert second.get() == [0, 3, 6, 9]
    assert [h.get() for h in single] == [0, 3]


def test_a_pure_call_is_no_other_once_its_globals_are(client: Pymonik) -> None:
    options = {"n": 1}

    @task(pure=True)
    def seen(x: int) -> int:
        return x + options["n"]

    before = seen.invoke(1)
    options["n"] = 2
    assert (before.get(), seen.invoke(1).get()) == (2, 3)


SCRIPT = """
from pymonik import Pymonik, task
import settings

CONFIG = {"scale": 1, "names": ["a"]}

def helper():
    return CONFIG["names"]

@task
def seen():
    return CONFIG["scale"], len(helper()), settings.OPTIONS["n"]

with Pymonik():
    first = seen.invoke().get()
    CONFIG["scale"] = 2
    CONFIG["names"].append("b")
    second = seen.invoke().get()
    settings.OPTIONS["n"] = 2
    print(first, second, seen.invoke().get())
"""


def test_globals_of_a_script_and_its_modules(run_script: Any, backend: str) -> None:
    done = run_script(SCRIPT, backend, settings__py='OPTIONS = {"n": 1}\n')
    assert done.stdout.split("\n")[0] == "(1, 1, 1) (2, 2, 1) (2, 2, 2)", done.stderr


class Proxy:
    """Answers for what is not there, as objects of a request do outside of one."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("nothing is there")

    @property
    def __class__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("nothing is there")


request = Proxy()


class Sent:
    request = 3


@task
def asked(sent: Sent) -> int:
    return sent.request  # no global, though there is one of this name


def test_what_cannot_be_looked_at_is_in_nobodys_way(client: Pymonik) -> None:
    assert asked.invoke(Sent()).get() == asked.invoke(Sent()).get() == 3


# ----- what it costs


def test_a_function_that_sees_no_container_is_not_looked_at(client: Pymonik) -> None:
    inc.invoke(1)
    assert client.recorder.specs.code_for(inc)._containers is None


def test_much_is_looked_at_once_between_two_flushes(client: Pymonik) -> None:
    large = list(range(1000))

    @task
    def seen() -> int:
        return large[0]

    code = client.recorder.specs.code_for(seen)
    assert client.recorder.specs.code_for(seen) is code
    large[0] = 5
    assert client.recorder.specs.code_for(seen) is code
    assert inc.invoke(1).get() == 2
    assert client.recorder.specs.code_for(seen) is not code
    assert seen.invoke().get() == 5


def test_a_lot_is_data_and_is_not_looked_at() -> None:
    a_lot = list(range(50_000))

    def seen() -> Any:
        return a_lot

    watch = ContainerWatch([seen], seen)  # type: ignore[list-item]
    assert not watch
    a_lot[0] = 5
    assert watch.hold(None)
