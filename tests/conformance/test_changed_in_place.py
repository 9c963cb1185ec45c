"""What functions see and the program changes in place: a call means what it is when it is made."""

from __future__ import annotations

import functools
import random
import warnings
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pymonik import Pymonik, Task, task
from pymonik.capture.changes.container_watch import ContainerWatch

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


class Stateful(Plain):
    def __getstate__(self) -> Any:
        return {"n": self.n}


class Tensor:
    """Holds numbers where Python does not see them, as tensors do: only its pickle tells."""

    __slots__ = ("numbers",)

    def __init__(self, numbers: Sequence[int] = (1, 0)) -> None:
        self.numbers = np.array(numbers)

    def __setitem__(self, at: int, number: int) -> None:
        self.numbers[at] = number

    def __reduce_ex__(self, protocol: int) -> Any:  # type: ignore[override]
        return Tensor, (self.numbers.tolist(),)


def make_numbers() -> random.Random:
    return random.Random(5)


def next_number(numbers: random.Random) -> int:
    """Return which of its numbers comes next: 1 for the first."""
    other, now = make_numbers(), numbers.getstate()
    return 1 + next(n for n in range(9) if other.getstate() == now or not other.random())


def put_two(value: Any) -> None:
    value["n"] = 2


def set_two(value: Any) -> None:
    value.n = 2


def put_first(value: Any) -> None:
    value[0] = 2


def set_shape(value: Any) -> None:
    with warnings.catch_warnings():  # NumPy would rather have it reshaped
        warnings.simplefilter("ignore")
        value.shape = 2, 1


def freeze(value: Any) -> None:
    value.flags.writeable = False


def put_in_frame(frame: pd.DataFrame) -> None:
    frame.loc[0, "n"] = 2


def put_first_of_first(value: Any) -> None:
    value[0][0] = 2


def first_of_first(value: Any) -> Any:
    return value[0][0]


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
    "list": (lambda: [1], put_first, lambda v: v[0]),
    "longer": (lambda: [1], lambda v: v.append(1), len),
    "moved": (lambda: [[0], [0, 0]], lambda v: v[0].append(v[1].pop()), lambda v: len(v[0])),
    "list of a class": (lambda: Rows([1]), put_first, lambda v: v[0]),
    "set": (lambda: {1}, other_member, sum),
    "deque": (lambda: deque([1]), put_first, sum),
    "ordered": (lambda: OrderedDict(n=1), put_two, lambda v: v["n"]),
    "order": (lambda: OrderedDict(a=1, b=2), lambda v: v.move_to_end("a"), first_value),
    "default": (lambda: defaultdict(int, n=1), put_two, lambda v: v["n"]),
    "counter": (lambda: Counter("n"), lambda v: v.update("n"), lambda v: v["n"]),
    "bytearray": (lambda: bytearray(b"\1"), put_first, lambda v: v[0]),
    "array": (lambda: array("d", [1.0]), put_first, lambda v: v[0]),
    "array of NumPy": (lambda: np.ones(3), put_first, lambda v: v[0]),
    "shape of an array": (lambda: np.ones((1, 2)), set_shape, lambda v: len(v)),
    "flag of an array": (lambda: np.ones(3), freeze, lambda v: 2 - v.flags.writeable),
    "dates": (lambda: np.ones(1, "M8[D]"), put_first, lambda v: v[0].astype(int)),
    "object": (Plain, set_two, lambda v: v.n),
    "with places": (Slotted, set_two, lambda v: v.n),
    "namespace": (lambda: SimpleNamespace(n=1), set_two, lambda v: v.n),
    "array of objects": (lambda: np.array([[1], 0], "O"), put_first_of_first, first_of_first),
    "masked": (lambda: np.ma.array([1, 0]), put_first, lambda v: v[0]),
    "data frame": (lambda: pd.DataFrame({"n": [1]}), put_in_frame, lambda v: v["n"][0]),
    "series": (lambda: pd.Series([1]), put_first, lambda v: v[0]),
    "tensor": (Tensor, put_first, lambda v: v.numbers[0]),
    "state of its own": (Stateful, set_two, lambda v: v.n),
    "random numbers": (make_numbers, lambda v: v.random(), next_number),
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


class Scale:
    """A task that is an object: `__call__` is its function."""

    def __init__(self) -> None:
        self.n, self.__name__ = 1, "scale"

    def __call__(self, x: int) -> int:
        return self.n * x


def test_an_object_that_is_called_is_what_it_is_at_the_call(client: Pymonik) -> None:
    scale, options = Scale(), {"n": 1}
    called, method = task(scale), Task(options.get, func_name="get")
    before = called.invoke(5), method.invoke("n")
    scale.n = options["n"] = 2
    after = called.invoke(5), method.invoke("n")
    assert [h.get() for h in (*before, *after)] == [5, 1, 10, 2]


class Halved(Scale):
    def __call__(self, x: int) -> float:
        return super().__call__(x) / 2


def test_a_base_that_has_changed_is_seen_in_each_of_its_classes(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Task(lambda scale, x: scale(x), func_name="call")
    # One after the other: the base is captured again with the first of them.
    given = [Scale(), Halved(), type("Late", (Halved,), {})()]
    called = [task(one) for one in given]
    assert [call.invoke(one, 5).get() for one in given] == [5, 2.5, 2.5]
    assert [one.invoke(5).get() for one in called] == [5, 2.5, 2.5]
    monkeypatch.setattr(Scale, "__call__", lambda self, x: 10 * x)
    assert [call.invoke(one, 5).get() for one in given] == [50, 25, 25]
    assert [one.invoke(5).get() for one in called] == [50, 25, 25]


def test_an_object_may_be_given_another_class(client: Pymonik) -> None:
    scale = Scale()
    called, held = task(scale), Task(lambda: [scale][0](5), func_name="held")
    assert (called.invoke(5).get(), held.invoke().get()) == (5, 5)
    scale.__class__ = Halved
    assert (called.invoke(5).get(), held.invoke().get()) == (2.5, 2.5)


FACTOR = 1


def by_global(x: int) -> int:
    return FACTOR * x


def by_attribute(x: int) -> int:
    return int(getattr(by_attribute, "factor", 1)) * x


def by_default(x: int, factor: int = 1) -> int:
    return factor * x


class Dispatcher:
    """Calls the functions that it holds."""

    def __init__(self, *functions: Callable[[int], int]) -> None:
        self.functions = {function.__name__: function for function in functions}

    def call(self, name: str, x: int) -> int:
        return self.functions[name](x)


# Functions stand in a container, under their names, or as keys: nothing names them in the code.
TABLE = {"global": by_global, "attribute": by_attribute, "default": by_default}
PARTIALS = [functools.partial(function) for function in TABLE.values()]
KEYS = dict.fromkeys(TABLE.values(), 0)
DISPATCHER = Dispatcher(*TABLE.values())

HOLDERS: dict[str, Callable[[], list[int]]] = {
    "by name": lambda: [by_global(5), by_attribute(5), by_default(5)],
    "values of a dict": lambda: [TABLE[name](5) for name in TABLE],
    "keys of a dict": lambda: [function(5) for function in KEYS],
    "partials in a list": lambda: [function(5) for function in PARTIALS],
    "attributes": lambda: [DISPATCHER.call(f"by_{name}", 5) for name in TABLE],
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_functions_are_what_they_are_at_the_call_wherever_they_are_held(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch, holder: str
) -> None:
    held = Task(HOLDERS[holder], func_name="held")
    before = held.invoke()
    assert held.invoke().get() == [5, 5, 5]
    monkeypatch.setitem(globals(), "FACTOR", 2)
    monkeypatch.setattr(by_attribute, "factor", 3, raising=False)
    monkeypatch.setattr(by_default, "__defaults__", (4,))
    assert (held.invoke().get(), before.get()) == ([10, 15, 20], [5, 5, 5])
    by_attribute.factor = 6  # type: ignore[attr-defined]
    assert held.invoke().get() == [10, 30, 20]


def by_keyword(x: int, *, factor: int = 1) -> int:
    return factor * x


def test_the_function_of_a_task_is_what_it_is_at_the_call(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions = (by_attribute, by_default, by_keyword)
    tasks = [Task(function) for function in functions]
    before = [one.invoke(5) for one in tasks]
    assert [one.invoke(5).get() for one in tasks] == [5, 5, 5]
    monkeypatch.setattr(by_attribute, "factor", 2, raising=False)
    monkeypatch.setattr(by_default, "__defaults__", (3,))
    monkeypatch.setitem(by_keyword.__kwdefaults__, "factor", 4)
    assert [one.invoke(5).get() for one in tasks] == [10, 15, 20]
    monkeypatch.setattr(by_attribute, "factor", 6)
    monkeypatch.setattr(by_default, "__code__", (lambda x, factor: -x).__code__)
    assert [one.invoke(5).get() for one in tasks] == [30, -5, 20]
    assert [handle.get() for handle in before] == [5, 5, 5]


def test_the_keywords_of_a_function_that_is_called_are_what_they_are_at_the_call(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Task(lambda x: by_keyword(x), func_name="calls")
    assert calls.invoke(5).get() == 5
    monkeypatch.setitem(by_keyword.__kwdefaults__, "factor", 4)
    assert calls.invoke(5).get() == 20


@task
def by_own_attribute() -> Any:
    return by_own_attribute.factor  # type: ignore[attr-defined]


def test_attributes_of_a_task_are_what_they_are_at_the_call(client: Pymonik) -> None:
    asks = Task(lambda: by_own_attribute(), func_name="asks")
    for factor in (1, 2):
        by_own_attribute.factor = factor  # type: ignore[attr-defined]
        assert by_own_attribute.invoke().get() == asks.invoke().get() == factor


def test_tasks_and_partials_may_stand_in_containers_that_they_see(client: Pymonik) -> None:
    held: list[Any] = []

    @task
    def count() -> int:
        return len(held)

    held += [count, functools.partial(max, held), functools.partial(count)]
    assert count.invoke().get() == 3


def test_attributes_of_functions_that_methods_call_are_what_they_are_at_the_call(
    client: Pymonik,
) -> None:
    def factor() -> int:
        return getattr(factor, "value", 1)

    class Uses:
        def call(self) -> int:
            return factor()

    call = Task(lambda uses: uses.call(), func_name="call")
    assert call.invoke(Uses()).get() == 1
    factor.value = 3  # type: ignore[attr-defined]
    assert call.invoke(Uses()).get() == 3


def test_small_arrays_are_looked_at_by_every_call(client: Pymonik) -> None:
    state = np.zeros(100)

    @task
    def total() -> float:
        return float(state.sum())

    handles = []
    for step in range(3):
        state[0] = step
        handles.append(total.invoke())
    assert [h.get() for h in handles] == [0.0, 1.0, 2.0]


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


SCRIPT_OF_CLASSES = """
from collections import OrderedDict, deque
import numpy as np
import pandas as pd
from pymonik import Pymonik, task

SEEN = np.zeros(3)          # by a method and by a task
TABLE = pd.DataFrame({"n": [0]})

class Model:
    weights, table = np.zeros(3), pd.DataFrame({"n": [0]})
    parts, last, order = [np.zeros(2)], deque([0]), OrderedDict(n=0)

    def look(self):
        held = self.weights[0], self.table["n"][0], self.parts[0][0], self.last[0], self.order["n"]
        return [int(n) for n in (*held, SEEN[0], TABLE["n"][0])]

@task
def of_class(model):
    return model.look()

@task
def of_function():
    return [int(n) for n in (SEEN[0], TABLE["n"][0], Model.weights[0])]

def change(to):
    for numbers in (Model.weights, Model.parts[0], Model.last, SEEN):
        numbers[0] = to
        assert of_class.invoke(Model()).get() == Model().look()
    for frame in (Model.table, TABLE):
        frame.loc[0, "n"] = to
        assert of_class.invoke(Model()).get() == Model().look()
    Model.order["n"] = to
    return [h.get() for h in (of_class.invoke(Model()), of_function.invoke())]

with Pymonik(workers=1):
    of_class.invoke(Model()).get(), of_function.invoke().get()
    print(change(1), change(2))
"""


def test_what_classes_hold_is_what_it_is_at_the_call(run_script: Any, backend: str) -> None:
    done = run_script(SCRIPT_OF_CLASSES, backend)
    one, two = ([[n] * 7, [n] * 3] for n in (1, 2))
    assert done.stdout.split("\n")[0] == f"{one} {two}", done.stderr


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
