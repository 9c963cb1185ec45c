"""The line of one node: how it, its columns and its slots are written; `show` says what it means.

Enters: a node, and how others are called. Leaves: a text. It imports no node: nodes show themselves
by it, alone (`repr`) and in a graph (`show`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymonik.graph.columns import Const, Gather, Immediates, ListOf, Range, Ref, Same, Template
from pymonik.humanize import literal
from pymonik.values.content import Content

_SHOWN = 4
# Of a bundle of more runs, a reader sees the ends.
_RUNS = 12


def put_line(node: Any, numbers: dict[int, str]) -> str:
    """Return the line of an object that was put."""
    return f"{numbers[id(node)]} = put {_slot(node.content, numbers)}{_label(node)}"


def call_line(node: Any, numbers: dict[int, str]) -> str:
    """Return the line of a call, or a map, as it was recorded."""
    inner = _named(node.spec, _recorded_args(node, numbers))
    shape = "" if node.n is None else f"map[{node.n}] "
    mark = " *" if node.wanted else ""
    return f"{numbers[id(node)]} = {shape}{node.spec.name}({inner}){mark}{_label(node)}"


def map_line(node: Any, numbers: dict[int, str]) -> str:
    """Return the line of a map of steps."""
    number = numbers[id(node)]
    return f"{number} = {_shape(node)}{_steps(node, number, numbers)}"


def _label(node: Any) -> str:
    return f" named {node.label!r}" if node.label else ""


def _shape(node: Any) -> str:
    chunk = f"/{node.chunk}" if node.chunk and node.chunk < node.n else ""
    return f"map[{node.n}{chunk}] " if node.n != 1 else ""


def _steps(node: Any, number: str, numbers: dict[int, str]) -> str:
    texts = []
    numbers[id(Same)] = number  # what `Same` is short for, in this line
    for place, step in enumerate(node.steps):
        args = [_column(column, number, numbers, node.n) for column in step.columns]
        call = f"{step.spec.name}({_named(step.spec, args)}){_mark(step.wanted)}"
        last = place == len(node.steps) - 1
        texts.append(call if last else f"{number}.{place} = {call}")
    return texts[0] if len(texts) == 1 else "{ " + "; ".join(texts) + " }"


def _named(spec: Any, args: list[str]) -> str:
    plain = len(args) - len(spec.keywords)
    named = [f"{key}={arg}" for key, arg in zip(spec.keywords, args[plain:])]
    return ", ".join([*args[:plain], *named])


def _mark(wanted: bool | bytes) -> str:
    if isinstance(wanted, bool):
        return " *" if wanted else ""
    return " *" if all(wanted) else " ?" if any(wanted) else ""


def _recorded_args(node: Any, numbers: dict[int, str]) -> list[str]:
    if node.n is None:
        return [_slot(slot, numbers) for slot in node.args]
    return [_column(column, "", numbers, node.n) for column in node.args]


def _column(column: Any, number: str, numbers: dict[int, str], n: int) -> str:
    kind = type(column)
    if kind is Const:
        return _slot(column.value, numbers)
    if kind is Same:
        return f"{number}.{column.step}"
    if kind is Range:
        run = range(column.start, column.start + n * column.step, column.step)
        return f"{_name(column.node, numbers)}{_slice(run)}"
    if kind is Immediates:
        return _immediates(column.values)
    if kind is Gather:
        return _each([Ref(column.node, i) for i in column.indexes[:_SHOWN]], n, numbers)
    return _each(column.values[:_SHOWN], len(column.values), numbers)


def _immediates(values: Any) -> str:
    if not values:
        return "‹›"
    first, last = values[0], values[-1]
    if all(type(value) is int for value in (first, last)) and list(values) == list(
        range(first, first + len(values))
    ):
        return f"{literal(first)}:{literal(first + len(values))}"
    shown = [literal(value)[:12] for value in values[:3]]
    return "‹" + ", ".join([*shown, *(["…"] if len(values) > 3 else [])]) + "›"


def _each(first: Sequence[Any], n: int, numbers: dict[int, str]) -> str:
    shown = [_slot(slot, numbers) for slot in first]
    rest = [f"… {n - _SHOWN} more"] if n > _SHOWN else []
    return "‹" + ", ".join([*shown, *rest]) + "›"


def _slot(slot: Any, numbers: dict[int, str]) -> str:
    kind = type(slot)
    if kind is Ref:
        name = _name(slot.node, numbers)
        whole = getattr(slot.node, "n", None) in (None, 1)
        return name if whole else f"{name}[{slot.index}]"
    if kind is ListOf:
        return "[" + ", ".join(_runs(slot.runs, numbers)) + "]"
    if kind is Template:
        return f"#{slot.content.size}B(" + ", ".join(_slot(s, numbers) for s in slot.slots) + ")"
    if kind is Content:
        return f"#{slot.size}B"
    if kind is Same:
        return f"{numbers[id(Same)]}.{slot.step}"
    text = literal(slot)
    return text if len(text) <= 24 else text[:20] + "…" + text[-1]


def _runs(runs: Sequence[tuple[Any, range]], numbers: dict[int, str]) -> list[str]:
    """Return the runs of a bundle; of many the first ones and the last."""
    if len(runs) <= _RUNS:
        return [_run(node, run, numbers) for node, run in runs]
    shown = [_run(node, run, numbers) for node, run in (*runs[:3], runs[-1])]
    return [*shown[:3], f"… {len(runs) - 4} more", shown[3]]


def _run(node: Any, run: range, numbers: dict[int, str]) -> str:
    name = _name(node, numbers)
    if getattr(node, "n", None) in (None, 1):
        return f"*{name}"
    return f"*{name}{_slice(run)}"


def _name(node: Any, numbers: dict[int, str]) -> str:
    """Return what a node is called: by its place here, or outside of the graph."""
    return numbers.get(id(node), getattr(node, "outside", "%ext"))


def _slice(run: range) -> str:
    stop = run.stop if run.stop >= 0 else ""
    return f"[{run.start}:{stop}{f':{run.step}' if run.step != 1 else ''}]"
