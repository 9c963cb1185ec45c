"""Context variables of a call: what one sets, the next one does not find."""

from __future__ import annotations

import contextvars
import decimal
from typing import Any

from pymonik import Pymonik, task

LEVEL: contextvars.ContextVar[int] = contextvars.ContextVar("level", default=0)


@task
def raised(by: int) -> int:
    LEVEL.set(LEVEL.get() + by)
    return LEVEL.get()


@task
def seventh(digits: int) -> str:
    decimal.getcontext().prec = digits
    return str(decimal.Decimal(1) / 7)


@task(pure=True)
def third() -> str:
    return str(decimal.Decimal(1) / 3)


def test_a_variable_that_a_call_has_set_is_gone_behind_it(connect: Any) -> None:
    with connect(workers=1):
        assert [raised.invoke(1).get() for _ in range(3)] == [1, 1, 1]
        assert raised.map_invoke([1, 2, 3]).get() == [1, 2, 3]
    assert LEVEL.get() == 0


def test_digits_that_a_call_has_set_hold_for_it_alone(client: Pymonik) -> None:
    expected = third.func()
    assert seventh.map_invoke([3, 4]).get() == ["0.143", "0.1429"]
    assert third.invoke().get() == third.func() == expected
