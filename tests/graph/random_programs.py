"""Random programs: written once, recorded with a client or carried out plainly.

A program is a list of steps that hypothesis draws. It works on two lists, single values and rows of
them, and appends to both. `Plain` computes with Python values, `Lazy` records; slices, loops and
comprehensions are the same for both.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from pymonik import MultiResultHandle, Pymonik, Task

from . import programs

Step = tuple[str, int, int, int, dict[str, Any]]


def deep(x: Any) -> int:
    """Add up the numbers in a value of any shape."""
    if isinstance(x, dict):
        return deep(list(x.values()))
    return sum(map(deep, x)) % 1009 if isinstance(x, (list, tuple)) else x


def pair(a: Any, b: Any) -> list[Any]:
    return [a, b]


def check(x: Any) -> Any:
    if x % 7 == 0:
        raise ValueError(x)
    return x


TASKS = {**programs.TASKS, "deep": Task(deep), "pair": Task(pair), "check": Task(check)}


class Failed:
    """Stands for a value that does not exist because its call, or one before it, failed."""

    def __repr__(self) -> str:
        return "Failed"


class Plain:
    """Carries a program out, one Python call after the other."""

    def __init__(self) -> None:
        self.effects: list[Any] = []

    def call(self, name: str, *args: Any, **options: Any) -> Any:
        if _has_failed(args):
            return Failed()
        if name == "note":
            self.effects.append(args[0])
            return args[1]
        try:
            return TASKS[name].func(*copy.deepcopy(args))
        except ValueError:
            return Failed()

    def map(self, name: str, rows: Iterable[Any], **options: Any) -> list[Any]:
        return [self.call(name, *(row if type(row) is tuple else (row,))) for row in rows]

    def put(self, value: Any, name: str | None) -> Any:
        return value

    def items(self, value: Any) -> list[Any]:
        return [value, value] if isinstance(value, Failed) else value

    def row(self, values: list[Any]) -> list[Any]:
        return values

    def flush(self) -> None: ...


class Lazy:
    """Records a program with a client."""

    def __init__(self, client: Pymonik) -> None:
        self.client = client

    def call(self, name: str, *args: Any, **options: Any) -> Any:
        return TASKS[name].invoke(*args, pymonik=self.client, **_ours(options))

    def map(self, name: str, rows: Iterable[Any], **options: Any) -> MultiResultHandle[Any]:
        return TASKS[name].map_invoke(rows, pymonik=self.client, **_ours(options))

    def put(self, value: Any, name: str | None) -> Any:
        return self.client.put(value, name)

    def items(self, value: Any) -> list[Any]:
        return [value.unpack(2)[0], value[1]]

    def row(self, values: list[Any]) -> MultiResultHandle[Any]:
        return MultiResultHandle(values)

    def flush(self) -> None:
        self.client.flush()


def _ours(options: dict[str, Any]) -> dict[str, Any]:
    return {f"pmk_{key}": value for key, value in options.items()}


def _has_failed(value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return any(map(_has_failed, value))
    return isinstance(value, Failed)


@dataclass
class Turn:
    """What one step has to do with: two values, two parts of rows, a number, options."""

    place: Any
    one: Any
    other: Any
    part: Any
    second: Any
    k: int
    options: dict[str, Any]
    number: int
    held: list[Any]

    def call(self, name: str, *args: Any) -> Any:
        return self.place.call(name, *args, **self.options)

    def map(self, name: str, rows: Any) -> Any:
        return self.place.map(name, rows, **self.options)

    def pick(self, *names: str) -> str:
        return names[self.k % len(names)]


def boxes(t: Turn) -> list[Any]:
    """Make lists, and hold some of them while others use them all."""
    made = [t.call("pair", h, t.k) for h in t.part]
    t.held += made[t.k % 2 :: 2]
    return [t.call("deep", box) for box in made]


SINGLE: dict[str, Callable[[Turn], list[Any]]] = {
    "unary": lambda t: [t.call(t.pick("inc", "root", "check"), t.one)],
    "binary": lambda t: [t.call(t.pick("add", "scale"), t.one, t.other if t.k % 3 else t.k)],
    "blend": lambda t: [t.call("blend", t.one, t.other, t.k), t.call("blend", t.one, 1, t.one)],
    "note": lambda t: [t.call("note", t.number, t.one)],
    "echo": lambda t: [t.call("note", "again", t.one) for _ in range(2)],
    "fold": lambda t: [t.call(t.pick("total", "mean"), t.part)],
    "handles": lambda t: [t.call("deep", [t.one, t.other])],
    "list": lambda t: [t.call("deep", [t.one, t.k, [t.other]])],
    "dict": lambda t: [t.call("deep", {"a": t.one, "b": [t.part, (t.other, t.k)], "c": t.one})],
    "content": lambda t: [t.call("deep", [1, 2, [t.k % 3]]) for _ in range(2)],
    "pair": lambda t: t.place.items(t.call("pair", t.one, t.other)),
    "boxes": boxes,
    "twice": lambda t: [t.call("scale", t.call("root", t.one), 3) for _ in range(2)],
    "put": lambda t: [t.place.put(t.k, f"kept {t.number}" if t.k % 2 else None)],
}
ROWS: dict[str, Callable[[Turn], Any]] = {
    "map": lambda t: t.map(t.pick("inc", "root"), range(t.k % 6)),
    "wide": lambda t: t.map(t.pick("inc", "root"), range(30 + t.k)),
    "over": lambda t: t.map(t.pick("inc", "root", "check"), t.part),
    "loop": lambda t: t.place.row([t.call(t.pick("inc", "root", "check"), h) for h in t.part]),
    "zip": lambda t: t.map(t.pick("add", "scale"), list(zip(t.part, t.second))),
    "with": lambda t: t.map("scale", [(h, t.one if t.k % 3 else t.k) for h in t.part]),
    "windows": lambda t: t.map("total", [t.part[i : i + 2] for i in range(len(t.part))]),
    "constants": lambda t: t.map("deep", [[1, t.k % 2, {"h": h}] for h in t.part]),
}

# Effects, and rows wide enough to be cut, are drawn more often than their share.
KINDS = (*SINGLE, *ROWS, "flush", "note", "echo", "wide")
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "cost": st.sampled_from([0.01, 0.5, 3.0]),
        "priority": st.sampled_from([1, 4]),
        "retries": st.just(1),
    },
)
SMALL = st.integers(0, 30)
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), SMALL, SMALL, SMALL, st.just({}) | OPTIONS),
    min_size=1,
    max_size=14,
)


def carry_out(steps: list[Step], place: Plain | Lazy) -> tuple[list[Any], list[Any], list[Any]]:
    """Carry a program out; give its single values, its rows, and lists that are only held."""
    values: list[Any] = [place.call("inc", 0)]
    rows: list[Any] = [place.map("inc", range(4))]
    held: list[Any] = []
    for number, (kind, a, b, k, options) in enumerate(steps):
        one, other = values[-1 - a % len(values)], values[-1 - b % len(values)]
        part, second = _part(rows[-1 - a % len(rows)], k), _part(rows[-1 - b % len(rows)], b)
        turn = Turn(place, one, other, part, second, k, options, number, held)
        if kind == "flush":
            place.flush()
        elif kind in SINGLE:
            values += SINGLE[kind](turn)
        else:
            rows.append(ROWS[kind](turn))
    return values, rows, held


def _part(row: Any, k: int) -> Any:
    """Give all of a row, or some of it: the rest, every other one, backwards."""
    return (row, row[k % 3 :], row[::2], row[::-1], row[: k % 4])[k % 5]


def keep(values: list[Any], rows: list[Any], held: list[Any], mask: int) -> list[Any]:
    """Give what a user still holds: by the bits of a mask, the others are dropped."""
    everything = [*values, *(item for row in rows for item in row), *held]
    return [item for place, item in enumerate(everything) if mask >> place % 16 & 1]
