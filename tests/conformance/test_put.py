"""`put` and `put_many`: objects stored once, named if one likes, read like any other value."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pymonik import Pymonik, ResultHandle, Task
from pymonik.errors import CaptureError, OptionsError

from .programs import add, identity, total


def test_a_put_is_a_handle_with_its_value(client: Pymonik) -> None:
    h = client.put({"a": [1, 2]})
    assert isinstance(h, ResultHandle)
    assert h.wait() is h
    assert h.get() == {"a": [1, 2]}


def test_a_put_serves_many_calls(client: Pymonik) -> None:
    frame = client.put(pd.DataFrame({"a": np.arange(100_000)}))
    summed = Task(lambda f: int(f["a"].sum()), func_name="summed")
    sized = Task(lambda f: f.shape, func_name="sized")
    handles = [summed.invoke(frame) for _ in range(5)]
    assert sized.invoke(frame).get() == (100_000, 1)
    assert {h.get() for h in handles} == {4999950000}


def test_a_put_serves_a_map(client: Pymonik) -> None:
    base = client.put(np.arange(50_000))
    at = Task(lambda a, i: int(a[i]), func_name="at")
    assert at.map_invoke([(base, i) for i in range(10)]).get() == list(range(10))


def test_a_put_can_be_named(client: Pymonik) -> None:
    h = client.put([1], name="curve")
    assert "curve" in repr(h)
    assert h.get() == [1]


def test_put_many_gives_a_handle_each(client: Pymonik) -> None:
    handles = client.put_many([1, "b", [3]])
    assert [h.get() for h in handles] == [1, "b", [3]]
    assert total.invoke(client.put_many([1, 2, 3])).get() == 6


def test_put_many_takes_names(client: Pymonik) -> None:
    handles = client.put_many([1, 2], names=["one", "two"])
    assert ["one" in repr(handles[0]), "two" in repr(handles[1])] == [True, True]


def test_put_many_of_nothing_is_empty(client: Pymonik) -> None:
    assert list(client.put_many([])) == []


def test_as_many_names_as_objects(client: Pymonik) -> None:
    with pytest.raises(ValueError, match="names"):
        client.put_many([1, 2], names=["one"])
    with pytest.raises(ValueError, match="names"):
        client.put_many([1, 2], names=iter(["one", "two"]))  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [3, 300_000])
def test_a_change_after_the_put_is_not_seen(client: Pymonik, size: int) -> None:
    array = np.zeros(size)
    h = client.put(array)
    array[0] = 1
    assert h.get()[0] == 0
    assert Task(np.sum).invoke(h).get() == 0


def test_a_value_read_back_is_the_readers_own(client: Pymonik) -> None:
    h = client.put([1, 2])
    h.get().append(3)
    assert h.get() == [1, 2]
    assert identity.invoke(h).get() == [1, 2]


def test_a_put_may_hold_handles(client: Pymonik) -> None:
    book = client.put({"pv": add.invoke(1, 2), "n": 1})
    assert identity.invoke(book).get() == {"pv": 3, "n": 1}


def test_an_item_of_a_put_is_a_handle(client: Pymonik) -> None:
    assert add.invoke(client.put({"a": 5})["a"], 1).get() == 6


def test_what_cannot_be_pickled_cannot_be_put(client: Pymonik) -> None:
    with pytest.raises(CaptureError, match=r"\['lock'\]"):
        client.put({"lock": threading.Lock()})


def test_a_put_is_immediately_there(client: Pymonik) -> None:
    h = client.put(1)
    called: list[Any] = []
    h.add_done_callback(called.append)
    assert h.done() is True
    assert h.exception() is None
    assert called == [h]
    assert h.cancel() is False


def test_a_later_plan_counts_no_blob_that_was_sent_before(client: Pymonik) -> None:
    kept = client.put(list(range(50_000)))
    total.invoke(kept).wait()
    again = [total.invoke(kept), total.invoke(list(range(50_000)))]
    plan = client.plan()
    assert plan.uploads == ()
    assert plan.size < 10_000
    assert sum(request.size for request in plan.requests) < 10_000
    assert [h.get() for h in again] == [sum(range(50_000))] * 2


def test_put_many_of_a_single_object_names_put(client: Pymonik) -> None:
    with pytest.raises(OptionsError, match="a list of objects, not 3: put keeps a single one"):
        client.put_many(3)  # type: ignore[arg-type]


def test_a_wrong_call_of_put_names_it_as_programs_do(client: Pymonik) -> None:
    for wrong in (client.put, client.put_many):
        with pytest.raises(TypeError, match=r"^Pymonik\.put"):
            wrong()  # type: ignore[call-arg]
