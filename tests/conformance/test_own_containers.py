"""Containers with methods of their own arrive as they were, and not filled by these once more."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from datetime import date
from decimal import Decimal
from pathlib import PurePath
from typing import Any, NamedTuple

import pytest

from pymonik import Pymonik, Task
from pymonik.capture.freeze import content_of
from pymonik.capture.pickling import containers


class Upper(dict[str, Any]):
    """Sees to its items when they are put there, for which it needs its attributes."""

    def __init__(self, suffix: str) -> None:
        self.suffix = suffix

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key.upper() + self.suffix, value)


class Latest(OrderedDict[str, int]):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def __setitem__(self, key: str, value: int) -> None:
        super().__setitem__(key, 2 * value)
        while len(self) > self.size:
            self.popitem(last=False)


class Sealed(dict[str, Any]):
    def __setitem__(self, key: str, value: Any) -> None:
        raise TypeError("sealed")


class Negative(list[int]):
    sign = -1

    def append(self, item: int) -> None:
        super().append(self.sign * item)

    def extend(self, items: Any) -> None:
        for item in items:
            self.append(item)


def filled() -> list[Any]:
    upper, latest, negative = Upper("!"), Latest(2), Negative()
    upper["a"] = [upper]
    for number, name in enumerate("abc"):
        latest[name] = number
    latest.size = 1
    latest.move_to_end("b")
    negative.extend([1, 2])
    negative.sign = 1
    return [upper, latest, Sealed(a=1), negative]


def contents(made: Any) -> Any:
    items = list(made) if isinstance(made, list) else list(made.items())
    if isinstance(made, Upper):
        items = [key for key, value in items if value[0] is made]
    return type(made).__name__, items, vars(made)


@pytest.mark.parametrize("n", range(4), ids=["dict", "ordered", "sealed", "list"])
def test_containers_are_filled_without_methods_of_their_own(client: Pymonik, n: int) -> None:
    made = filled()[n]
    assert Task(contents).invoke(made).get() == contents(made)
    assert contents(Task(lambda made: [made], func_name="echo").invoke(made).get()[0]) == contents(
        made
    )


class Tally(Counter[str]):
    def __init__(self, tag: str) -> None:
        super().__init__(a=2)
        self.tag = tag


class Plain(Counter[str]):
    tag = ""


class Groups(defaultdict[str, list[int]]):
    __slots__ = ("__dict__", "slot")

    def __init__(self, tag: str) -> None:
        super().__init__(list)
        self["a"].append(1)
        self.tag = self.slot = tag


class Prefixed(defaultdict[str, int]):
    def __init__(self, tag: str) -> None:
        super().__init__(int)
        self.tag = tag
        self["a"] = 1

    def __setitem__(self, key: str, value: int) -> None:
        super().__setitem__(self.tag + key, value)


class Settings(dict[str, int]):
    def __new__(cls, tag: str) -> Settings:
        made = super().__new__(cls)
        made.tag = tag
        return made

    def __init__(self, tag: str) -> None:
        super().__init__(a=1)

    tag: str


class Rows(list[int]):
    def __new__(cls, *, tag: str) -> Rows:
        return super().__new__(cls)

    def __init__(self, *, tag: str) -> None:
        super().__init__([1, 2])
        self.tag = tag

    def append(self, item: int) -> None:
        super().append(-item)


def tagged() -> list[Any]:
    plain = Plain(a=1)
    plain.tag = "t"
    return [Tally("t"), plain, Groups("t"), Prefixed("t"), Settings("t"), Rows(tag="t")]


def parts_of(made: list[Any]) -> list[Any]:
    kept = [dict if isinstance(one, dict) else list for one in made]
    return [(type(one).__name__, kind(one), vars(one)) for one, kind in zip(made, kept)]


def test_containers_with_constructors_of_their_own_keep_their_attributes(client: Pymonik) -> None:
    made = tagged()
    assert Task(parts_of).invoke(made).get() == parts_of(made)
    back = Task(lambda made: [made], func_name="echo").invoke(made).get()[0]
    assert parts_of(back) == parts_of(made)
    assert (back[2].slot, back[2]["new"]) == ("t", [])


class Point(tuple[int, ...]):
    """Its constructor takes more than the one argument that `pickle` calls it with."""

    def __new__(cls, x: int, y: int) -> Point:
        made = super().__new__(cls, (x, y))
        made.sum = x + y
        return made

    sum: int


class Tagged(str):
    def __new__(cls, text: str, *, tag: str) -> Tagged:
        made = super().__new__(cls, text)
        made.tag = tag
        return made

    tag: str


class Vector(tuple[int, ...]):
    def __new__(cls, *items: int) -> Vector:
        return super().__new__(cls, items)


class Offset(tuple[int, ...]):
    def __new__(cls, x: int = 0, y: int = 0) -> Offset:
        return super().__new__(cls, (x, y))


class Span(NamedTuple):
    start: int
    end: int


class Within(Span):
    def __new__(cls, start: int, size: int, limit: int) -> Within:
        return super().__new__(cls, start, min(start + size, limit))


VALUES = [
    Point(1, 2),
    Vector(1, 2),
    Offset(1, 2),
    Within(1, 5, 4),
    Span(1, 2),
    Tagged("text", tag="t"),
]


@pytest.mark.parametrize("made", VALUES, ids=lambda made: type(made).__name__)
def test_values_with_a_constructor_of_their_own_are_made_without_it(
    client: Pymonik, made: Any
) -> None:
    arrived = Task(lambda made: [made, type(made).__name__], func_name="echo").invoke(made).get()
    assert arrived == [made, type(made).__name__]
    assert getattr(arrived[0], "__dict__", None) == getattr(made, "__dict__", None)


class Interned(str):
    """Gives the same object for the same text."""

    known: dict[str, Interned] = {}  # noqa: RUF012

    def __new__(cls, text: str) -> Interned:
        return cls.known.setdefault(text, super().__new__(cls, text))


def test_a_constructor_that_can_be_called_is(client: Pymonik) -> None:
    one = Interned("one")
    assert Task(lambda made: made, func_name="echo").invoke(one).get() is one


class Money(Decimal):
    unit: str = "none"


class Day(date):
    unit: str = "none"


class Place(type(PurePath())):  # type: ignore[misc]
    unit: str = "none"


@pytest.mark.parametrize("made", [Money("1.50"), Day(2024, 2, 29), Place("a/b")])
def test_numbers_dates_and_paths_keep_their_attributes(client: Pymonik, made: Any) -> None:
    made.unit = "own"
    unit_of = Task(lambda value: (type(value).__name__, value.unit, str(value)), func_name="unit")
    assert unit_of.invoke(made).get() == (type(made).__name__, "own", str(made))
    back = Task(lambda value: value, func_name="same").invoke(made).get()
    assert (back, back.unit, type(back)) == (made, "own", type(made))


class Seen(OrderedDict[str, int]):
    """Cannot be filled before its constructor has run."""

    def __init__(self, *given: Any) -> None:
        self.order: list[str] = []
        super().__init__(*given)

    def __setitem__(self, key: str, value: int) -> None:
        super().__setitem__(key, value)
        self.order.append(key)


def test_a_container_of_a_package_is_left_to_how_its_authors_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(containers, "_is_of_program", lambda kind: False)
    assert content_of(Seen({"a": 1})).load() == {"a": 1}
