"""What goes in comes out: the value, its type, and what a plain call would have made of it."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import math
import pathlib
import uuid
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from pymonik import Pymonik, Task, task

from .programs import identity, pair


class Colour(enum.Enum):
    RED = 1


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass(frozen=True)
class Trade:
    strike: float
    tags: tuple[str, ...]


def fingerprint(value: Any) -> Any:
    """Describe a value so that equal fingerprints mean the same type, content and layout."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.flags.fnc, value.tolist()
    if isinstance(value, pd.DataFrame):
        return type(value), value.dtypes.tolist(), value.to_json()
    return type(value), repr(value)


PLAIN = [
    None, True, False, 0, 1, -1, 2**31, 2**63, -(2**63) - 1, 10**400,
    0.0, -0.0, 1.0, math.inf, math.nan, 1e-320, 1j, "", "x", "é\U0001f600", "\ud800",
    b"", b"\x00\xff", bytearray(b"ab"), (), (1,), (True,), (1.0,), [], [[]], {}, {1: 2},
    frozenset({1}), range(3), slice(1, 2), Ellipsis, NotImplemented,
]  # fmt: skip
RICH = [
    Colour.RED, Point(1, 2), Trade(1.5, ("a",)), decimal.Decimal("1.10"), fractions.Fraction(1, 3),
    datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc), datetime.timedelta(1),
    uuid.UUID(int=7), pathlib.PurePosixPath("/a/b"), collections.OrderedDict(b=1, a=2),
    collections.Counter("aab"), collections.deque([1], 3), int, Trade, math.sin, len, np.sin,
    np.int64(3), np.float32(1.5), np.bool_(True), np.datetime64("2020-01-01"), np.str_("s"),
]  # fmt: skip
LARGE = [
    "x" * 100_000, b"y" * 1_000_000, bytearray(200_000), list(range(50_000)),
    np.arange(100_000.0), np.asfortranarray(np.arange(60_000).reshape(200, 300)),
    np.arange(200_000)[::2], np.arange(90_000).reshape(300, 300).T,
]  # fmt: skip
ARRAYS = [
    np.array(5), np.array([]), np.zeros((0, 3)), np.array(["a", "bc"]), np.array([None, "x"]),
    np.array([(1, 2.0)], dtype=[("i", "i4"), ("f", "f8")]), np.array([1], dtype=">i8"),
    pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [0.5, math.nan]}),
]  # fmt: skip
EVERY = PLAIN + RICH + LARGE + ARRAYS


def test_every_value_survives_a_call_each(client: Pymonik) -> None:
    handles = [identity.invoke(value) for value in EVERY]
    assert [fingerprint(h.get()) for h in handles] == [fingerprint(v) for v in EVERY]


def test_every_value_survives_a_map(connect: Any, optimize: bool) -> None:
    with connect(optimize=optimize) as client:
        mixed = identity.map_invoke([(value,) for value in EVERY])
        assert [fingerprint(v) for v in mixed.get()] == [fingerprint(v) for v in EVERY]
        assert client.stats.submissions == 1


def test_every_value_survives_a_put_and_a_chain(client: Pymonik) -> None:
    handles = [identity.invoke(identity.invoke(h)) for h in client.put_many(EVERY)]
    assert [fingerprint(h.get()) for h in handles] == [fingerprint(v) for v in EVERY]


@pytest.mark.parametrize("pure", [True, False])
@pytest.mark.parametrize(
    "alike",
    [
        [1, True, 1.0, np.int64(1), np.float64(1), 1 + 0j],
        [0, False, 0.0, -0.0],
        [(1,), (True,), (1.0,)],
        [("a", 0.0), ("a", -0.0)],
        [frozenset({1}), frozenset({True})],
        ["a", np.str_("a")],
    ],
)
def test_equal_values_of_different_types_stay_apart(
    client: Pymonik, alike: list[Any], pure: bool
) -> None:
    typed = task(pure=pure)(fingerprint)
    handles = [typed.invoke(v) for v in alike] + list(typed.map_invoke([(v,) for v in alike]))
    assert [h.get() for h in handles] == [fingerprint(v) for v in alike] * 2


@pytest.mark.parametrize(
    "column",
    [
        [0, 1, 2, 3],
        [False, True],
        [0.0, 1.0, 2.0],
        [5, 3, 1, -1],
        [7, 7, 7],
        [np.int64(0), np.int64(1), np.int64(2)],
        [0, 1.0, 2],
        [0, True, 2],
        [2**62, 2**63, 2**63 + 2**62],
        range(10, 0, -3),
        np.arange(4),
        np.linspace(0, 1, 5),
        np.array([True, False]),
    ],
    ids=repr,
)
def test_a_column_that_looks_like_a_range_keeps_its_types(client: Pymonik, column: Any) -> None:
    expected = [fingerprint(v) for v in column]
    assert [fingerprint(v) for v in identity.map_invoke(column).get()] == expected
    handles = [identity.invoke(v) for v in column]
    assert [fingerprint(h.get()) for h in handles] == expected


def test_a_value_that_contains_itself_survives(client: Pymonik) -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    value = identity.invoke(loop).get()
    assert value[0] == 1
    assert value[1] is value


def test_a_lambda_can_be_an_argument_and_a_value(client: Pymonik) -> None:
    k = 3
    apply = Task(lambda f, x: f(x), func_name="apply")
    assert apply.invoke(lambda x: x + k, 4).get() == 7
    make = Task(lambda n: lambda x: x + n, func_name="make")
    assert make.invoke(10).get()(1) == 11


def test_arrays_that_arrive_and_return_are_writable(client: Pymonik) -> None:
    writable = Task(lambda a: (a.flags.writeable, a), func_name="writable")
    for size in (10, 1_000_000):
        there, back = writable.invoke(np.zeros(size)).get()
        assert there
        back[0] = 1.0
        assert back[0] == 1.0


def test_a_task_may_return_none(client: Pymonik) -> None:
    assert identity.map_invoke([(None,), (None,)]).get() == [None, None]


def test_several_values_are_one_tuple(client: Pymonik) -> None:
    assert pair.invoke(1, pair.invoke(2, 3)).get() == (1, (2, 3))
