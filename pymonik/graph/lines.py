"""The line of one node: how it, its columns and its slots are written; `show` says what it means.

Enters: a node, and how others are called. Leaves: a text. It imports no node: nodes show themselves
by it, alone (`repr`) and in a graph (`show`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymonik.graph.arguments import visit_arguments
from pymonik.graph.verbs import visit
from pymonik.graph.visitors import NodeRun
from pymonik.humanize import literal
from pymonik.values.content import Content

# Values of a column that a line shows: enough to tell what they are.
_SHOWN = 4
# Of a bundle of more runs, a reader sees the ends.
_RUNS = 12


def put_line(node: Any, numbers: dict[int, str]) -> str:
    """Return the line of an object that was put."""
    return f"{numbers[id(node)]} = put {_Arguments(numbers).content(node.content)}{_label(node)}"


def call_line(node: Any, numbers: dict[int, str]) -> str:
    """Return the line of a call, or a map, as it was recorded."""
    visitor = _Arguments(numbers, n=node.n or 1)
    inner = _named(node.spec, [*visit_arguments(node.args, node.n, visitor)])
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
    visitor = _Arguments(numbers, number, node.n)
    for place, step in enumerate(node.steps):
        args = [column.accept(visitor, node.n) for column in step.columns]
        call = f"{step.spec.name}({_named(step.spec, args)}){_mark(step.wanted)}"
        last = place == len(node.steps) - 1 and not node.is_block
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


class _Arguments:
    """Writes slot values and columns of one node: a visitor of both.

    number: what the node itself is called, n: how many elements it has.
    """

    def __init__(self, numbers: dict[int, str], number: str = "", n: int = 1) -> None:
        self._numbers = numbers
        self._number = number
        self._n = n

    def immediate(self, value: Any) -> str:
        """Write a plain value, a long one shortened."""
        text = literal(value)
        return text if len(text) <= 24 else text[:20] + "…" + text[-1]

    def content(self, content: Content) -> str:
        """Write how large it is."""
        return f"#{content.size}B"

    def output(self, node: Any, index: int) -> str:
        """Write the node, and which of its outputs it is where it has several."""
        if _is_block(node):
            return f"{self._name(node)}.{index}"
        return self._name(node) if _is_single(node) else f"{self._name(node)}[{index}]"

    def outputs(self, runs: Sequence[NodeRun]) -> str:
        """Write the runs of a list; of many the first ones and the last."""
        if len(runs) <= _RUNS:
            return "[" + ", ".join(self._run(*run) for run in runs) + "]"
        first = [self._run(*run) for run in runs[:3]]
        return "[" + ", ".join([*first, f"… {len(runs) - 4} more", self._run(*runs[-1])]) + "]"

    def template(self, content: Content, slots: Sequence[Any]) -> str:
        """Write how large the content is, and what goes into its holes."""
        return f"#{content.size}B(" + ", ".join(visit(slot, self) for slot in slots) + ")"

    def earlier(self, step: int) -> str:
        """Write the step of this node."""
        return f"{self._number}.{step}"

    def const(self, slot: Any) -> str:
        """Write the slot value."""
        return str(visit(slot, self))

    def immediates(self, values: Sequence[Any]) -> str:
        """Write the first few; of integers that follow one another the ends."""
        if not values:
            return "‹›"
        first, last = values[0], values[-1]
        if all(type(value) is int for value in (first, last)) and list(values) == list(
            range(first, first + len(values))
        ):
            return f"{literal(first)}:{literal(first + len(values))}"
        shown = [literal(value)[:12] for value in values[:3]]
        return "‹" + ", ".join([*shown, *(["…"] if len(values) > 3 else [])]) + "›"

    def each(self, slots: Sequence[Any]) -> str:
        """Write the first few, and how many more there are."""
        return self._list([visit(slot, self) for slot in slots[:_SHOWN]])

    def run(self, node: Any, indexes: range) -> str:
        """Write the node, and the slice of its outputs."""
        return f"{self._name(node)}{_slice(indexes)}"

    def gather(self, node: Any, indexes: Sequence[int]) -> str:
        """Write the first few outputs, and how many more there are."""
        return self._list([self.output(node, index) for index in indexes[:_SHOWN]])

    def _list(self, first: list[str]) -> str:
        rest = [f"… {self._n - _SHOWN} more"] if self._n > _SHOWN else []
        return "‹" + ", ".join([*first, *rest]) + "›"

    def _run(self, node: Any, indexes: range) -> str:
        if _is_block(node):
            return ", ".join([f"*{self.output(node, index)}" for index in indexes])
        return f"*{self._name(node)}" if _is_single(node) else f"*{self.run(node, indexes)}"

    def _name(self, node: Any) -> str:
        """Return what a node is called: by its place here, or outside of the graph."""
        return self._numbers.get(id(node), getattr(node, "outside", "%ext"))


def _is_block(node: Any) -> bool:
    return getattr(node, "is_block", False)


def _is_single(node: Any) -> bool:
    return getattr(node, "n", None) in (None, 1)


def _slice(run: range) -> str:
    stop = run.stop if run.stop >= 0 else ""
    return f"[{run.start}:{stop}{f':{run.step}' if run.step != 1 else ''}]"
