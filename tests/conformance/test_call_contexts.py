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


LATE = """
from pymonik import Pymonik, task
@task
def price(x):
    if not x:
        return 0
    import decimal
    return decimal.Decimal("1.5")
@task
def rounded(price, x):
    if not x:
        return 0
    import decimal
    decimal.getcontext().prec = 5
    return price / 7
@task
def third(x):
    if not x:
        return 0
    import decimal
    return str(decimal.Decimal(1) / 3)
@task
def last(first, second):
    return second
@task
def top(x):
    return last.invoke(rounded.invoke(price.invoke(x), x), third.invoke(x))
with Pymonik(workers=1):
    for _ in range(30):  # by then the calls are known to be short, and run where they were made
        top.invoke(0).get()
    print(top.invoke(1).get())
"""


def test_digits_hold_for_one_call_where_an_argument_is_the_first_to_load_decimal(
    run_script: Any, backend: str
) -> None:
    done = run_script(LATE, backend)
    assert done.stdout == "0." + 28 * "3" + "\n", done.stderr


def test_digits_that_a_call_has_set_hold_for_it_alone(client: Pymonik) -> None:
    expected = third.func()
    assert seventh.map_invoke([3, 4]).get() == ["0.143", "0.1429"]
    assert third.invoke().get() == third.func() == expected
