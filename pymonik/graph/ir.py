"""The IR: a graph is a list of nodes, a node names only nodes before it.

Recording appends `Recorded` calls and maps, and `Put`s; the pass `vectorize` turns them into
`Map`s, which the later passes and lowering read. Nodes are not changed once they stand in a graph,
but for `home`, which is set once, at the flush, and says where the values will be found.

Slot values, what one argument of one call is: an immediate (itself), a `Content`, a `Ref` to one
output, a `Bundle` of outputs (arrives as a list), or `Nested` (a content with holes for others).
Columns, what one argument of all calls of a map is: `Const`, `Immediates`, `Each`, `Range`, and
`Same` (the value of an earlier step of the same element, in a fused map).

The classes have slots and no checks: a call is recorded in about two microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymonik.content import Content

if TYPE_CHECKING:
    from weakref import ref

    from pymonik.capture import Code
    from pymonik.options import TaskOptions
    from pymonik.plan.home import Home


class Spec:
    """What all calls of a node share: the code, the shape of the arguments and the options."""

    __slots__ = ("code", "context", "environment", "keywords", "name", "options", "pure", "width")

    def __init__(
        self,
        name: str,
        code: Code,
        width: int,
        options: TaskOptions,
        keywords: tuple[str, ...] = (),
        pure: bool = False,
        context: bool = False,
        environment: Any = None,
    ) -> None:
        self.name = name
        self.code = code
        self.width = width
        self.keywords = keywords
        self.options = options
        self.pure = pure
        self.context = context
        self.environment = environment

    @property
    def place(self) -> tuple[Any, ...]:
        """What calls must agree on to share a unit: partition, priority and environment."""
        return (self.options.partition_id, self.options.priority, self.environment)


class Ref:
    """One output of a node."""

    __slots__ = ("index", "node")

    def __init__(self, node: Any, index: int) -> None:
        self.node = node
        self.index = index


class Bundle:
    """Outputs that arrive as one list: runs of (node, range of indexes)."""

    __slots__ = ("runs",)

    def __init__(self, runs: tuple[tuple[Any, range], ...]) -> None:
        self.runs = runs

    def __len__(self) -> int:
        return sum(len(indexes) for _, indexes in self.runs)


class Nested:
    """A content with numbered holes, and the slot values that go there."""

    __slots__ = ("content", "slots")

    def __init__(self, content: Content, slots: tuple[Any, ...]) -> None:
        self.content = content
        self.slots = slots


class Recorded:
    """A call (`n` is None, `args` are slot values) or a map (`args` are columns), as recorded."""

    __slots__ = (
        "__weakref__",
        "anchor",
        "args",
        "home",
        "label",
        "lasti",
        "n",
        "offset",
        "site",
        "spec",
    )

    def __init__(
        self, spec: Spec, args: tuple[Any, ...], n: int | None, site: Any, lasti: int
    ) -> None:
        self.spec = spec
        self.args = args
        self.n = n
        # A code object and an instruction: the line is worked out only when it is asked for.
        self.site = site
        self.lasti = lasti
        self.anchor: ref[Any] | None = None
        # The name of a call or a whole map, or names of elements by their places.
        self.label: str | dict[int, str] | None = None
        self.home: Home | None = None
        self.offset = 0

    @property
    def wanted(self) -> bool:
        """Tell whether somebody can still ask for the value."""
        return self.label is not None or (self.anchor is not None and self.anchor() is not None)

    @property
    def where(self) -> str:
        """Give "file:line" of the call."""
        return line_of(self.site, self.lasti)


class Put:
    """An object stored under a name, so that others can look it up."""

    __slots__ = ("content", "home", "label", "offset", "where")

    def __init__(self, content: Content, label: str | None, where: str) -> None:
        self.content = content
        self.label = label
        self.where = where
        self.home: Home | None = None
        self.offset = 0


def line_of(code: Any, lasti: int) -> str:
    """Give "file:line" of an instruction."""
    if isinstance(code, str):  # worked out already, where the code was
        return code
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= lasti < end and number is not None:
            line = number
    return f"{code.co_filename}:{line}"


class Const:
    """The same slot value for every element."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Immediates:
    """An immediate for each element."""

    __slots__ = ("values",)

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values


class Each:
    """A slot value of any kind for each element: blobs, gathers, bundles."""

    __slots__ = ("values",)

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values


class Range:
    """Element i gets output `start + i * step` of a node."""

    __slots__ = ("node", "start", "step")

    def __init__(self, node: Any, start: int, step: int) -> None:
        self.node = node
        self.start = start
        self.step = step


class Same:
    """Element i gets what an earlier step of a fused map made for element i."""

    __slots__ = ("step",)

    def __init__(self, step: int) -> None:
        self.step = step


Column = Const | Immediates | Each | Range | Same


@dataclass(frozen=True)
class Step:
    """One call for each element of a map.

    `origins` are the recorded nodes it stands for: one map, or a call for each element; `wanted`
    says which values somebody can ask for: all, none, or a bit an element.
    """

    spec: Spec
    columns: tuple[Column, ...]
    origins: tuple[Recorded, ...]
    wanted: bool | bytes = True

    @property
    def is_wanted(self) -> bool:
        """Tell whether any value of this step can be asked for."""
        return self.wanted if isinstance(self.wanted, bool) else any(self.wanted)


@dataclass(frozen=True, eq=False)
class Map:
    """`n` elements, each a run of steps; units take `chunk` elements (0: not decided yet)."""

    steps: tuple[Step, ...]
    n: int
    chunk: int = 0
    depth: int = 0

    @property
    def spec(self) -> Spec:
        """What the first step's calls share: fused steps agree on where they run."""
        return self.steps[0].spec

    @property
    def name(self) -> str:
        """The names of the steps, in order."""
        names = [step.spec.name for step in self.steps]
        if len(names) > 4:
            return "; ".join([*names[:2], f"… {len(names) - 3} more", names[-1]])
        return "; ".join(names)

    @property
    def units(self) -> int:
        """How many units it makes."""
        return -(-self.n // (self.chunk or self.n)) if self.n else 0


Node = Recorded | Put | Map


@dataclass(frozen=True)
class Graph:
    """Nodes in an order in which they could run, and why they are as they are.

    `aliases` maps a recorded call that was found equal to another (by `cse`) to that one.
    `notes` are the reasons passes gave for their decisions.
    """

    nodes: tuple[Any, ...]
    aliases: dict[Recorded, Recorded]
    notes: tuple[str, ...] = ()

    @property
    def calls(self) -> int:
        """How many calls it makes."""
        return sum(_calls(node) for node in self.nodes)

    def to_networkx(self) -> Any:
        """Give a `networkx.DiGraph`: a node for each node, an edge where a value flows."""
        from pymonik.graph.analysis import to_networkx

        return to_networkx(self)

    def _repr_html_(self) -> str:
        from pymonik.graph.draw.notebook import graph_html

        return graph_html(self)


def _calls(node: Any) -> int:
    if isinstance(node, Map):
        return node.n * len(node.steps)
    if isinstance(node, Recorded):
        return 1 if node.n is None else node.n
    return 0


def refs_of(slot: Any) -> Iterator[tuple[Any, range]]:
    """Give the outputs a slot value needs, as runs of (node, indexes)."""
    kind = type(slot)
    if kind is Ref:
        yield slot.node, range(slot.index, slot.index + 1)
    elif kind is Bundle:
        yield from slot.runs
    elif kind is Nested:
        for inner in slot.slots:
            yield from refs_of(inner)


def column_refs(column: Any, n: int) -> Iterator[tuple[Any, range]]:
    """Give the outputs a column needs, as runs of (node, indexes)."""
    kind = type(column)
    if kind is Const:
        yield from refs_of(column.value)
    elif kind is Range:
        # A step of 0 cannot arise: such a column is a constant.
        yield column.node, range(column.start, column.start + n * column.step, column.step)
    elif kind is Each:
        for slot in column.values:
            yield from refs_of(slot)


def inputs(node: Any) -> Iterable[Any]:
    """Give the nodes a node needs, each once, in the order met."""
    found: dict[int, Any] = {}
    if isinstance(node, Map):
        for step in node.steps:
            for column in step.columns:
                _add_sources(column, found)
    elif isinstance(node, Recorded):
        for argument in node.args:  # slot values of a call, columns of a map
            _add_sources(argument, found)
    return found.values()


def _add_sources(what: Any, found: dict[int, Any]) -> None:
    """Add the nodes that a column or a slot value needs; the commonest kinds come first."""
    kind = type(what)
    if kind is Ref or kind is Range:
        found[id(what.node)] = what.node
    elif kind is Const:
        _add_sources(what.value, found)
    elif kind is Each:
        for slot in what.values:
            if type(slot) is Ref:
                found[id(slot.node)] = slot.node
            else:
                _add_sources(slot, found)
    elif kind is Bundle:
        for node, _ in what.runs:
            found[id(node)] = node
    elif kind is Nested:
        for slot in what.slots:
            _add_sources(slot, found)


def slot_at(column: Any, index: int) -> Any:
    """Give the slot value of one element of a column."""
    if isinstance(column, Const):
        return column.value
    if isinstance(column, Range):
        return Ref(column.node, column.start + index * column.step)
    return column.values[index]


def substitute(slot: Any, target: Callable[[Any, int], tuple[Any, int]]) -> Any:
    """Rebuild a slot value with every output it names replaced by another."""
    kind = type(slot)
    if kind is Ref:
        node, index = target(slot.node, slot.index)
        return slot if node is slot.node and index == slot.index else Ref(node, index)
    if kind is Bundle:
        return Bundle(_merge_runs(slot.runs, target))
    if kind is Nested:
        return Nested(slot.content, tuple(substitute(inner, target) for inner in slot.slots))
    return slot


def _merge_runs(
    runs: Iterable[tuple[Any, range]], target: Callable[[Any, int], tuple[Any, int]]
) -> tuple[tuple[Any, range], ...]:
    merged: list[tuple[Any, range]] = []
    for node, indexes in runs:
        if not indexes:
            continue
        new, first = target(node, indexes[0])
        step = indexes.step if len(indexes) > 1 else 1
        run = range(first, first + len(indexes) * step, step)
        if merged and merged[-1][0] is new and _follows(merged[-1][1], run):
            last = merged.pop()[1]
            run = range(last.start, run.start + len(run) * run.step, run.step)
        merged.append((new, run))
    return tuple(merged)


def _follows(before: range, after: range) -> bool:
    return before.step == after.step and before.start + len(before) * before.step == after.start
