"""What a failure does to the calls around it: siblings go on, what follows carries the cause."""

from __future__ import annotations

import pytest

from pymonik import Pymonik
from pymonik.errors import TaskFailed
from tests.conftest import Ledger

from .conftest import story
from .programs import add, divide, inc, note, total


def test_one_failed_element_leaves_its_siblings_alone(client: Pymonik) -> None:
    handles = divide.map_invoke([(12, i) for i in range(5)])
    assert isinstance(handles[0].exception(), ZeroDivisionError)
    assert [h.get() for h in handles[1:]] == [12, 6, 4, 3]


def test_one_failed_call_leaves_the_rest_of_its_unit_alone(client: Pymonik) -> None:
    base = inc.invoke(0)
    good, bad = inc.invoke(base), divide.invoke(base, 0)
    after = add.invoke(good, 1)
    assert isinstance(bad.exception(), ZeroDivisionError)
    assert (base.get(), good.get(), after.get()) == (1, 2, 3)


def test_a_downstream_value_carries_the_root_cause_and_the_path(client: Pymonik) -> None:
    root = divide.invoke(1, 0)
    middle = inc.invoke(root)
    end = total.invoke([1, middle])
    with pytest.raises(ZeroDivisionError) as caught:
        end.get()
    cause = caught.value.__cause__
    assert isinstance(cause, TaskFailed)
    assert cause.task == "divide"
    assert tuple(cause.path) == ("divide", "inc", "total")
    assert story(root).task == "divide"


def test_a_path_crosses_submissions(client: Pymonik) -> None:
    root = divide.invoke(1, 0).wait()
    end = inc.invoke(inc.invoke(root))
    assert isinstance(end.exception(), ZeroDivisionError)
    assert tuple(story(end).path) == ("divide", "inc", "inc")
    assert isinstance(root.exception(), ZeroDivisionError)


def test_a_call_that_finds_an_error_does_not_run(client: Pymonik, ledger: Ledger) -> None:
    end = note.invoke(ledger.path, "ran", divide.invoke(1, 0))
    assert isinstance(end.exception(), ZeroDivisionError)
    assert ledger.lines() == []


def test_a_failed_element_fails_only_the_elements_behind_it(client: Pymonik) -> None:
    chained = inc.map_invoke(divide.map_invoke([(6, i) for i in range(4)]))
    assert isinstance(chained[0].exception(), ZeroDivisionError)
    assert [h.get() for h in chained[1:]] == [7, 4, 3]
    assert isinstance(total.invoke(chained).exception(), ZeroDivisionError)
    assert total.invoke(chained[1:]).get() == 14
