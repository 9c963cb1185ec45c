"""An argument, and a function, mean what they were when `invoke` ran."""

from __future__ import annotations

import gc
import inspect
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pymonik import Pymonik, Task, task
from pymonik.errors import CaptureError
from pymonik.values.content import Content

from .programs import add, identity, inc, square, total

LARGE = 300_000


def test_a_list_changed_after_the_call_is_the_list_of_the_call(client: Pymonik) -> None:
    values = [1, 2]
    before = total.invoke(values)
    values.append(10)
    after = total.invoke(values)
    values.clear()
    assert (before.get(), after.get()) == (3, 13)


def test_nested_and_keyword_arguments_are_frozen_too(client: Pymonik) -> None:
    inner = {"x": [1]}
    handles = [identity.invoke(x=[inner]), identity.invoke((inner,))]
    inner["x"].append(2)
    inner["y"] = []
    assert [h.get() for h in handles] == [[{"x": [1]}], ({"x": [1]},)]


def test_an_argument_holding_a_handle_is_frozen_too(client: Pymonik) -> None:
    box: list[Any] = [square.invoke(3), 1]
    h = identity.invoke(box)
    box[1] = 2
    box[0] = None
    assert h.get() == [9, 1]


@pytest.mark.parametrize("size", [4, LARGE])
def test_an_array_changed_between_calls_is_seen_as_it_was_each_time(
    client: Pymonik, size: int
) -> None:
    array = np.zeros(size)
    handles = []
    for i in range(4):
        array[-1] = i
        handles.append(Task(np.sum).invoke(array))
        handles.append(Task(np.sum).invoke(array))
    array[:] = -1
    assert [h.get() for h in handles] == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("size", [4, LARGE])
def test_arrays_that_reuse_one_address_are_not_confused(client: Pymonik, size: int) -> None:
    first = Task(lambda a: float(a[0]), func_name="first")
    handles = [first.invoke(np.full(size, float(i))) for i in range(8)]
    assert [h.get() for h in handles] == [float(i) for i in range(8)]


def test_views_dtypes_and_shapes_of_one_buffer_are_not_confused(client: Pymonik) -> None:
    array = np.zeros((400, 500))
    views = [array, array.T, array.reshape(500, 400), array.view("i8"), array[::2], array[:, 1:]]
    describe = Task(lambda a: (a.shape, a.dtype.str), func_name="describe")
    handles = [describe.invoke(v) for v in views]
    assert [h.get() for h in handles] == [(v.shape, v.dtype.str) for v in views]


@pytest.mark.parametrize("rows", [3, LARGE])
def test_a_frame_changed_after_the_call_is_the_frame_of_the_call(
    client: Pymonik, rows: int
) -> None:
    frame = pd.DataFrame({"a": np.ones(rows)})
    summed = Task(lambda f: float(f["a"].sum()), func_name="summed")
    before = summed.invoke(frame)
    frame.loc[0, "a"] = 11.0
    assert (before.get(), summed.invoke(frame).get()) == (rows, rows + 10)


def test_large_bytes_and_bytearrays_are_frozen(client: Pymonik) -> None:
    data = bytearray(LARGE)
    before = total.invoke(data)
    data[0] = 5
    assert (before.get(), total.invoke(data).get()) == (0, 5)


def test_map_elements_changed_after_the_call_are_those_of_the_call(client: Pymonik) -> None:
    rows = [[i] for i in range(3)]
    handles = total.map_invoke([(row,) for row in rows])
    for row in rows:
        row.append(100)
    assert handles.get() == [0, 1, 2]


def test_one_list_mutated_while_a_map_is_built_is_seen_element_by_element(
    client: Pymonik,
) -> None:
    growing: list[int] = []

    def rows() -> Any:
        for i in range(4):
            growing.append(i)
            yield (growing,)

    assert total.map_invoke(rows()).get() == [0, 1, 3, 6]


def test_a_multi_handle_grown_after_the_call_is_that_of_the_call(client: Pymonik) -> None:
    squares = square.map_invoke([1, 2])
    h = total.invoke(squares)
    squares.append(square.invoke(10))
    assert (h.get(), total.invoke(squares).get()) == (5, 105)


def test_a_rebound_global_is_seen_by_the_next_call(run_script: Any, backend: str) -> None:
    source = """
from pymonik import Pymonik, task
K = 1
@task
def f(x):
    return x + K
def helper(x):
    return x * K
@task
def g(x):
    return helper(x)
with Pymonik():
    handles = [f.invoke(10), g.invoke(10)]
    K = 2
    handles += [f.invoke(10), g.invoke(10), f.map_invoke([10])[0]]
    K = 3
    print([h.get() for h in handles], f.invoke(10).get(), g(10))
"""
    done = run_script(source, backend)
    assert done.stdout.split("\n")[0] == "[11, 10, 12, 20, 12] 13 30", done.stderr


def test_a_rebound_closure_is_seen_by_the_next_call(client: Pymonik) -> None:
    k = 1
    f = Task(lambda x: x + k, func_name="f")
    handles = [f.invoke(10)]
    k = 2
    handles.append(f.invoke(10))
    assert [h.get() for h in handles] == [11, 12]


def test_a_loop_variable_is_seen_as_it_was(client: Pymonik) -> None:
    handles = []
    for i in range(4):

        @task
        def f(x: int) -> int:
            return x + i  # noqa: B023

        handles.append(f.invoke(10))
    assert [h.get() for h in handles] == [10, 11, 12, 13]


def test_what_cannot_be_pickled_fails_at_the_line_of_the_user(client: Pymonik) -> None:
    bad = {"rows": [1, {"lock": threading.Lock()}]}
    line = inspect.currentframe().f_lineno + 2  # type: ignore[union-attr]
    with pytest.raises(CaptureError) as caught:
        identity.invoke(bad)
    frames = []
    trace = caught.tb
    while trace is not None:
        frames.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    assert (__file__, line) in frames
    assert "['rows'][1]['lock']" in str(caught.value)
    assert "lock" in str(caught.value)
    assert client.stats.calls == 0


@pytest.mark.parametrize(
    ("argument", "path"),
    [
        ([sys.stderr], "[0]"),
        (((x for x in []),), "[0]"),
        ({"a": {"b": threading.Lock()}}, "['a']['b']"),
    ],
)
def test_the_path_to_what_cannot_be_pickled_is_named(
    client: Pymonik, argument: Any, path: str
) -> None:
    with pytest.raises(CaptureError) as caught:
        identity.invoke(argument)
    assert path in str(caught.value)
    assert "identity" in str(caught.value)


def test_an_attribute_that_cannot_be_pickled_is_named(client: Pymonik) -> None:
    class Model:
        def __init__(self) -> None:
            self.guard = threading.Lock()

    with pytest.raises(CaptureError, match=r"\.guard"):
        add.invoke(1, b=[Model()])


def test_a_function_that_cannot_be_pickled_names_the_variable(client: Pymonik) -> None:
    rows = (row for row in ())

    @task
    def first() -> Any:
        return next(rows)

    with pytest.raises(CaptureError, match="rows"):
        first.invoke()


def test_a_refused_argument_leaves_the_client_usable(client: Pymonik) -> None:
    first = inc.invoke(1)
    with pytest.raises(CaptureError):
        identity.invoke(threading.Lock())
    assert first.get() == 2
    assert inc.invoke(first).get() == 3


def test_equal_shapes_in_turn_are_two_blobs(client: Pymonik) -> None:
    first, second = np.zeros(LARGE), np.zeros(LARGE)
    second[-1] = 1.0
    handles = [total.invoke(array) for _ in range(20) for array in (first, second)]
    assert len(client.plan().blobs) == 2
    assert [h.get() for h in handles] == [0.0, 1.0] * 20


def test_a_global_defined_after_the_first_call_is_seen(client: Pymonik) -> None:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec("def late():\n    try: return LATE\n    except NameError: return None", space)
    late = Task(space["late"])
    before = late.invoke()
    space["LATE"] = 5
    assert (before.get(), late.invoke().get()) == (None, 5)


def test_what_a_function_saw_before_is_kept_no_longer_than_its_calls(client: Pymonik) -> None:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec("def size(): return len(DATA)", space)
    size = Task(space["size"])
    captured: list[weakref.ref[Content]] = []
    for length in range(3):
        space["DATA"] = bytes(100_000 + length)
        assert size.invoke().get() == 100_000 + length
        ((_, code),) = client.recorder.specs._codes.values()
        captured.append(weakref.ref(code.content))
        del code
    gc.collect()
    assert [ref() is None for ref in captured] == [True, True, False]


def test_options_of_each_call_are_not_kept_for_ever(client: Pymonik) -> None:
    for number in range(3_000):
        inc.invoke(number, pmk_options={"number": str(number)})
    assert len(client.recorder.specs.made) < 2_000
    client.pending.clear()


def test_what_is_too_deep_for_a_pickle_is_refused_by_its_name(client: Pymonik) -> None:
    deep: tuple[Any, ...] = ()
    for _ in range(50_000):  # pickle's own limit is 10 000 from Python 3.12 on
        deep = (deep,)
    with pytest.raises(CaptureError, match="argument 'x' of 'identity'"):
        identity.invoke(deep)
    assert identity.invoke(((((1,),),),)).get() == ((((1,),),),)


SCALE = 3


def test_a_class_inside_a_task_sees_the_globals_of_its_module(client: Pymonik) -> None:
    @task
    def scaled(x: int) -> Any:
        class Scaled:
            factor = SCALE

            class Inner:
                again = SCALE
                limit = sys.maxsize

        return x * Scaled.factor * Scaled.Inner.again, Scaled.Inner.limit

    assert scaled.invoke(2).get() == (18, sys.maxsize)


THRESHOLD = 1


@task
def read_by_text(x: int) -> tuple[Any, ...]:
    def within() -> Any:
        return eval("THRESHOLD + 1")

    return eval("helper_of_text(THRESHOLD) + x"), globals()["THRESHOLD"], within()


def helper_of_text(x: int) -> int:
    return x * 10


def test_names_that_code_finds_in_texts_go_along(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_by_text.invoke(5).get() == (15, 1, 2)
    monkeypatch.setattr(sys.modules[__name__], "THRESHOLD", 3)
    assert read_by_text.invoke(5).get() == (35, 3, 4)


def test_a_built_in_function_is_looked_at_once_where_others_were_met(client: Pymonik) -> None:
    power = Task(pow)
    power.invoke(2, 3)
    code = client.recorder.specs.code_for(power)
    code.met = code.table.functions - 1  # a function was met as a value since
    assert power.invoke(2, 4).get() == 16
    assert code.met == code.table.functions


def test_an_outdated_spec_that_a_late_thread_has_kept_is_replaced(client: Pymonik) -> None:
    power = Task(pow)
    specs = client.recorder.specs
    power.invoke(2, 3)
    outdated = specs.usual_spec(power, 2)
    specs._capture(power, specs.code_for(power))
    power.invoke(2, 4)
    usual = specs.usual_spec(power, 2)
    assert outdated is not None
    specs.made[power] = outdated
    assert usual is not outdated
    specs.spec_for(power, specs.code_for(power), 2, (), None)
    assert specs.usual_spec(power, 2) is usual
