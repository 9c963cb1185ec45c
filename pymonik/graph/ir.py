"""The IR: a graph is a list of nodes, a node names only nodes before it.

Recording appends `Call` calls and maps, and `Put`s; the pass `vectorize` turns them into
`Map`s, which the later passes and lowering read. `External`s, what other programs make, are used
and stand in no graph. Nodes are not changed once they stand in a graph, but for `location`, which
is set once, at the flush, and says where the values will be found.

What the arguments of calls and maps are, slot values and columns, stands in `columns`.

The classes have slots and no checks: a call is recorded in about two microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pymonik.graph.columns import ARGUMENTS, Column, sources_of
from pymonik.values.content import Content

if TYPE_CHECKING:
    from weakref import ref

    from pymonik.capture.function import Code
    from pymonik.system.surroundings import Changes
    from pymonik.values.location import Location
    from pymonik.values.options import TaskOptions


class CallSpec:
    """What all calls of a node share: the code, the shape of the arguments and the options."""

    __slots__ = (
        "cache",
        "code",
        "context",
        "delegates",
        "snapshot",
        "environment",
        "keywords",
        "name",
        "options",
        "pure",
        "root",
        "surroundings",
        "version",
        "width",
        "__weakref__",
    )

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
        snapshot: Any = None,
        cache: bool = False,
        version: object = None,
        root: bytes = b"",
        delegates: bool | None = None,
        surroundings: Changes | None = None,
    ) -> None:
        self.name = name
        self.code = code
        self.width = width
        self.keywords = keywords
        self.options = options
        self.pure = pure
        # Whether values are kept and looked up, and what stands for the code in their keys.
        self.cache = cache
        self.version = version
        # Of the places of all calls of a client: see `values.seeds`.
        self.root = root
        # Whether it may hand its value over to other calls: its function may be an argument.
        self.delegates = code.delegates if delegates is None else delegates
        self.context = context
        self.environment = environment
        # The sources of local modules as they were; see `pymonik.capture.snapshot`.
        self.snapshot = snapshot
        # What was different around the call from when the engine was opened.
        self.surroundings = surroundings

    @property
    def place(self) -> tuple[Any, ...]:
        """What calls must agree on to share a unit: where it runs, in what, and in which order."""
        return (
            self.options.partition_id,
            self.options.priority,
            self.environment,
            id(self.snapshot),
            id(self.surroundings),
        )


class Call:
    """A call (`n` is None, `args` are slot values) or a map (`args` are columns), as recorded."""

    __slots__ = (
        "__weakref__",
        "liveness",
        "args",
        "location",
        "ids",
        "label",
        "lasti",
        "n",
        "offset",
        "place",
        "site",
        "spec",
    )

    def __init__(
        self, spec: CallSpec, args: tuple[Any, ...], n: int | None, site: Any, lasti: int
    ) -> None:
        self.spec = spec
        self.args = args
        self.n = n
        # A code object and an instruction: the line is worked out only when it is asked for.
        self.site = site
        self.lasti = lasti
        self.liveness: ref[Any] | None = None
        # The name of a call or a whole map, or names of elements by their places.
        self.label: str | dict[int, str] | None = None
        # Ids that were handed out for values before they exist, by their places: see `Subtasks`.
        self.ids: dict[int, str] | None = None
        self.location: Location | None = None
        self.offset = 0
        # Where seeds come from: see `values.seeds`. Given before the call leaves the recorder.
        self.place: Any = None

    @property
    def wanted(self) -> bool:
        """Return whether somebody can still ask for the value.

        Its liveness is held by handles, and by the arguments of calls that no flush has taken yet.
        """
        return self.is_named or (self.liveness is not None and self.liveness() is not None)

    @property
    def is_named(self) -> bool:
        """Return whether its value has a name or an id of its own."""
        return self.label is not None or self.ids is not None

    @property
    def where(self) -> str:
        """Return "file:line" of the call."""
        return line_of(self.site, self.lasti)

    def line(self, numbers: dict[int, str]) -> str:
        """Return its line in a graph whose nodes have these numbers: see `graph.show`."""
        from pymonik.graph.lines import call_line  # not for `import pymonik`

        return call_line(self, numbers)

    def __repr__(self) -> str:
        return _line_alone(self)


class StandIn(Call):
    """A call that stands in a graph for one that was recorded, which stays as it was.

    The graph's `aliases` name it for `original`, which other calls go on naming. Where its value
    will be is where that of the original is.
    """

    __slots__ = ("original",)

    def __init__(self, call: Call, spec: CallSpec, args: tuple[Any, ...]) -> None:
        super().__init__(spec, args, call.n, call.site, call.lasti)
        self.original = original_of(call)
        self.liveness, self.label, self.ids = call.liveness, call.label, call.ids
        self.place = call.place


def original_of(call: Call) -> Call:
    """Return the recorded call that a call stands for: itself, but for a `StandIn`."""
    return call.original if type(call) is StandIn else call


class Put:
    """An object stored under a name, so that others can look it up."""

    __slots__ = ("content", "location", "label", "offset", "where")

    def __init__(self, content: Content, label: str | None, where: str) -> None:
        self.content = content
        self.label = label
        self.where = where
        self.location: Location | None = None
        self.offset = 0

    def line(self, numbers: dict[int, str]) -> str:
        """Return its line in a graph whose nodes have these numbers: see `graph.show`."""
        from pymonik.graph.lines import put_line

        return put_line(self, numbers)

    def __repr__(self) -> str:
        return _line_alone(self)


class External:
    """A value, or a map of `n` of them, that another program of the session has made, or makes.

    It stands in no graph: nothing is to be done for it. `location` says where the values are;
    `label` is its name in this program.
    """

    __slots__ = ("location", "label", "n", "name", "offset")
    where = "another program"

    def __init__(self, name: str, n: int | None, location: Location) -> None:
        self.name = name
        self.n = n
        self.label: str | dict[int, str] | None = None
        self.location = location
        self.offset = 0

    @property
    def outside(self) -> str:
        """What it is called in the lines of nodes that use it."""
        return f"@{self.name}"

    def line(self, numbers: dict[int, str]) -> str:
        """Return its line in a graph in which it should not stand: see `graph.show`."""
        return f"{numbers[id(self)]} = {self!r}"

    def __repr__(self) -> str:
        from pymonik.foreign import harmless

        shape = "" if self.n is None else f"map[{self.n}] "
        return harmless(f"{shape}{self.outside} of {self.where}")


class NamedValue(NamedTuple):
    """A name of a value, by its node and its place there; or of `length` values from there on."""

    name: str
    node: Any
    start: int
    length: int | None = None


def _line_alone(node: Call | Put | Map) -> str:
    """Return the line that `show` prints of a node behind its inputs, and nothing else."""
    from pymonik.foreign import harmless

    sources = {id(source): source for source in inputs(node)}
    numbers = {key: f"%{place}" for place, key in enumerate(sources)}
    numbers[id(node)] = f"%{len(sources)}"
    return harmless(node.line(numbers))


def line_of(code: Any, lasti: int) -> str:
    """Return "file:line" of an instruction."""
    if isinstance(code, str):  # worked out already, where the code was
        return code
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= lasti < end and number is not None:
            line = number
    return f"{code.co_filename}:{line}"


class Step:
    """One call for each element of a map.

    `origins` are the recorded nodes it stands for: one map, or a call for each element; `wanted`
    says which values somebody can ask for: all, none, or a bit an element.
    """

    __slots__ = ("columns", "origins", "spec", "wanted")

    def __init__(
        self,
        spec: CallSpec,
        columns: tuple[Column, ...],
        origins: tuple[Call, ...],
        wanted: bool | bytes = True,
    ) -> None:
        self.spec = spec
        self.columns = columns
        self.origins = origins
        self.wanted = wanted

    @property
    def ids(self) -> dict[int, str] | None:
        """The ids that were handed out for its values: each of them is then a unit of its own."""
        return self.origins[0].ids if len(self.origins) == 1 else None

    @property
    def is_wanted(self) -> bool:
        """Return whether any value of this step can be asked for."""
        return self.wanted if isinstance(self.wanted, bool) else any(self.wanted)


class Map:
    """`n` elements, each a run of steps; units take `chunk` elements (0: not decided yet)."""

    __slots__ = ("__weakref__", "chunk", "depth", "n", "steps")

    def __init__(self, steps: tuple[Step, ...], n: int, chunk: int = 0, depth: int = 0) -> None:
        self.steps = steps
        self.n = n
        self.chunk = chunk
        self.depth = depth

    def of_steps(self, steps: tuple[Step, ...]) -> Map:
        """Return this map with other steps."""
        return Map(steps, self.n, self.chunk, self.depth)

    def in_units(self, chunk: int) -> Map:
        """Return this map cut into units of `chunk` elements."""
        return Map(self.steps, self.n, chunk, self.depth)

    @property
    def spec(self) -> CallSpec:
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

    def line(self, numbers: dict[int, str]) -> str:
        """Return its line in a graph whose nodes have these numbers: see `graph.show`."""
        from pymonik.graph.lines import map_line

        return map_line(self, numbers)

    def __repr__(self) -> str:
        return _line_alone(self)


Node = Call | Put | External | Map


@dataclass(frozen=True)
class Graph:
    """Nodes in an order in which they could run, and why they are as they are.

    `aliases` maps a recorded call to the one that makes its value: an equal one (by `cse`), or a
    `StandIn` of its own.
    `notes` are the reasons passes gave for their decisions.
    """

    nodes: tuple[Any, ...]
    aliases: dict[Call, Call]
    notes: tuple[str, ...] = ()

    @property
    def calls(self) -> int:
        """How many calls it makes."""
        return sum(_calls(node) for node in self.nodes)


def taken(nodes: Iterable[Any]) -> Graph:
    """Return the graph of recorded nodes, which are the calls that a flush takes.

    What they use of each other stands in the graph: they hold no liveness any more. What keeps a
    value wanted is then its handle or its name, or a call that was recorded since.
    """
    graph = Graph(tuple(nodes), {})
    for node in graph.nodes:
        if type(node) is Call:
            for argument in node.args:
                if type(argument) in ARGUMENTS:
                    argument.release()
    return graph


def _calls(node: Any) -> int:
    if isinstance(node, Map):
        return node.n * len(node.steps)
    if isinstance(node, Call):
        return 1 if node.n is None else node.n
    return 0


def inputs(node: Any) -> Iterable[Any]:
    """Return the nodes a node needs, each once, in the order met."""
    if isinstance(node, Map):
        return sources_of(c for step in node.steps for c in step.columns).values()
    return sources_of(node.args).values() if isinstance(node, Call) else ()


def externals(graph: Graph) -> Iterable[External]:
    """Return the values of other programs that a graph uses, each once."""
    used = (source for node in graph.nodes for source in inputs(node))
    return {id(source): source for source in used if type(source) is External}.values()
