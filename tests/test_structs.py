"""Structs are what dataclasses are, to those who use them."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from pymonik import TaskOptions
from pymonik.system.structs import Struct, field, field_names, replace


class Point(Struct):
    """A place with a note that does not count."""

    axes: ClassVar[int] = 2
    x: int
    y: int = 0
    seen: list[int] = field(default_factory=list)
    note: str = field(default_factory=str, compare=False)


@dataclasses.dataclass(frozen=True)
class PointClass:
    """The same as a dataclass."""

    axes: ClassVar[int] = 2
    x: int
    y: int = 0
    seen: list[int] = dataclasses.field(default_factory=list)
    note: str = dataclasses.field(default_factory=str, compare=False)


class Named(Point, kw_only=True, eq=False):
    """A point with a name."""

    name: str
    size: int = 1


class Counter(Struct, frozen=False):
    """What may be written to."""

    count: int = 0


class Priced(Struct):
    """What has a function for a default."""

    price: Callable[[int], int] = abs
    cost: Callable[[int], int] = lambda number: number + 1


class Even(Struct):
    """What checks its field."""

    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError("odd")


@pytest.mark.parametrize(
    ("args", "given"),
    [
        ((1,), {}),
        ((1, 2), {}),
        ((), {"x": 1, "seen": [3]}),
        ((1,), {"y": 2, "note": "n"}),
        ((), {}),
        ((1, 2, [], "", 5), {}),
        ((1,), {"x": 2}),
        ((1,), {"z": 2}),
    ],
)
def test_a_struct_takes_what_a_dataclass_takes(
    args: tuple[Any, ...], given: dict[str, Any]
) -> None:
    def made(kind: Any) -> Any:
        try:
            return kind(*args, **given)
        except TypeError:
            return None

    struct, other = made(Point), made(PointClass)
    assert (struct is None) == (other is None)
    if struct is not None:
        assert dataclasses.asdict(struct) == dataclasses.asdict(other)
        assert repr(struct) == repr(other).replace("PointClass", "Point")


def test_defaults_are_of_each_struct_alone() -> None:
    first, second = Point(1), Point(1)
    first.seen.append(1)
    assert second.seen == []
    assert "seen" in vars(second)


def test_a_function_may_be_a_default() -> None:
    priced = Priced()
    assert (priced.price(-3), priced.cost(3)) == (3, 4)
    assert dataclasses.replace(priced, price=int).cost is priced.cost


def test_structs_are_equal_by_the_fields_that_count() -> None:
    assert Point(1, note="a") == Point(1, note="b")
    assert Point(1) != Point(2)
    assert Point(1) != PointClass(1)
    assert hash(Even(2)) == hash(Even(2))
    named = Named(1, name="a")
    assert named == named
    assert named != Named(1, name="a")
    assert hash(named) != hash(Named(1, name="a"))
    with pytest.raises(TypeError, match="unhashable"):
        hash(Counter())


def test_a_struct_is_not_written_to_unless_it_says_so() -> None:
    point: Any = Point(1)
    with pytest.raises(AttributeError, match="Point cannot be changed"):
        point.x = 2
    with pytest.raises(AttributeError, match="Point cannot be changed"):
        del point.x
    counter = Counter()
    counter.count += 1
    assert counter == Counter(1)


def test_fields_are_checked_when_all_are_there() -> None:
    with pytest.raises(ValueError, match="odd"):
        Even(1)
    with pytest.raises(ValueError, match="odd"):
        replace(Even(2), number=3)


def test_fields_by_name_alone_come_last() -> None:
    assert field_names(Named) == ("x", "y", "seen", "note", "name", "size")
    kind: Any = Named
    with pytest.raises(TypeError, match="needs name="):
        kind(1)
    with pytest.raises(TypeError, match="takes 4 values, not 5"):
        kind(1, 2, [], "", "a")


def test_others_are_made_of_a_struct_and_it_travels() -> None:
    point = Named(1, 2, name="a")
    assert vars(replace(point, y=3)) == {**vars(point), "y": 3}
    assert vars(pickle.loads(pickle.dumps(point))) == vars(point)
    assert dataclasses.replace(Even(2), number=4) == Even(4)


def test_dataclasses_and_inspect_know_structs() -> None:
    def told(kind: Any) -> list[Any]:
        return [(f.name, f.type, f.default, f.compare) for f in dataclasses.fields(kind)]

    assert dataclasses.is_dataclass(Point)
    assert told(Point) == told(PointClass)
    assert inspect.signature(Point) == inspect.signature(PointClass)
    assert str(inspect.signature(Named)).endswith("*, name: 'str', size: 'int' = 1) -> None")
    parameters = inspect.signature(TaskOptions).parameters
    assert tuple(parameters) == field_names(TaskOptions)
    assert all(parameter.default is None for parameter in parameters.values())
