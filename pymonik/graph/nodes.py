"""The nodes that recording makes: calls and maps, objects put, values of other programs.

Enters: what recording captured. Leaves: nodes, which are never written to once they are recorded: a
pass or a flush that wants another call makes a `StandIn`. What is known of the values of a node
changes as the program runs, and stands beside it: see `ValueState`. What passes make of calls are
the maps of `ir`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pymonik.graph.arguments import sources_of
from pymonik.values.location import known_at

if TYPE_CHECKING:
    from weakref import ref

    from pymonik.graph.call_spec import CallSpec
    from pymonik.values.content import Content
    from pymonik.values.location import Location


class ValueState:
    """What a scope knows of the values of a node: no part of the graph, and changed as it runs.

    liveness: while its object lives, somebody can ask for the values. label: the name of a value or
    of a whole map, or names of elements by their places. ids: those that were handed out for values
    before they exist, by their places. location, offset: where the values will be found; set by the
    flush. place: where seeds come from (`values.seeds`), given before a call leaves the recorder.
    held: the arguments of a call as they were given, until a flush takes it: see `slots`.

    It is a part of the node object, since a call is recorded in about two microseconds. Who writes
    it stands in `tests/graph/test_written.py`.
    """

    __slots__ = ("held", "ids", "label", "liveness", "location", "offset", "place")
    held: tuple[Any, ...] | None
    liveness: ref[Any] | None
    label: str | dict[int, str] | None
    ids: dict[int, str] | None
    location: Location | None
    offset: int
    place: Any


class Call(ValueState):
    """A call (`n` is None, `args` are slot values) or a map (`args` are columns), as recorded."""

    __slots__ = ("__weakref__", "args", "lasti", "n", "site", "spec")

    def __init__(
        self,
        spec: CallSpec,
        args: tuple[Any, ...],
        n: int | None,
        site: Any,
        lasti: int,
        label: str | dict[int, str] | None = None,
        place: Any = None,
        liveness: ref[Any] | None = None,
    ) -> None:
        self.spec = spec
        self.args = args
        self.n = n
        # A code object and an instruction: the line is worked out only when it is asked for.
        self.site = site
        self.lasti = lasti
        self.label = label
        self.place = place
        self.liveness = liveness
        self.held = None
        self.ids = None
        self.location = None
        self.offset = 0

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
        return line_alone(self, sources_of(self.args))


class StandIn(Call):
    """A call that stands in a graph for one that was recorded, which stays as it was.

    The graph's `aliases` name it for `original`, which other calls go on naming. Where its value
    will be is where that of the original is.
    """

    __slots__ = ("original",)

    def __init__(
        self,
        call: Call,
        spec: CallSpec,
        args: tuple[Any, ...],
        liveness: ref[Any] | None = None,
    ) -> None:
        held = liveness or call.liveness
        super().__init__(spec, args, call.n, call.site, call.lasti, call.label, call.place, held)
        self.original = original_of(call)
        self.ids = call.ids


class Element(Call):
    """A single call that was an element of a map, and keeps its number."""

    __slots__ = ("element",)

    def __init__(
        self,
        call: Call,
        index: int,
        liveness: ref[Any] | None,
        args: tuple[Any, ...] | None = None,
    ) -> None:
        """Make one of a map; args: those it has, where the call is no map any more."""
        if args is None:
            args = tuple([column.at(index) for column in call.args])
        super().__init__(
            call.spec, args, None, call.site, call.lasti, place=call.place, liveness=liveness
        )
        self.element = index


def original_of(call: Call) -> Call:
    """Return the recorded call that a call stands for: itself, but for a `StandIn`."""
    return call.original if isinstance(call, StandIn) else call


class Put(ValueState):
    """An object stored under a name, so that others can look it up."""

    __slots__ = ("content", "where")
    label: str | None

    def __init__(self, content: Content, label: str | None, where: str) -> None:
        self.content = content
        self.where = where
        self.label = label
        self.location = known_at(content)
        self.offset = 0

    def line(self, numbers: dict[int, str]) -> str:
        """Return its line in a graph whose nodes have these numbers: see `graph.show`."""
        from pymonik.graph.lines import put_line

        return put_line(self, numbers)

    def __repr__(self) -> str:
        return line_alone(self, {})


class External(ValueState):
    """A value, or a map of `n` of them, that another program of the session has made, or makes.

    It stands in no graph: nothing is to be done for it. `location` says where the values are;
    `label` is its name in this program.
    """

    __slots__ = ("n", "name")
    where = "another program"
    location: Location

    def __init__(self, name: str, n: int | None, location: Location) -> None:
        self.name = name
        self.n = n
        self.label = None
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
        from pymonik.values.foreign import harmless

        shape = "" if self.n is None else f"map[{self.n}] "
        return harmless(f"{shape}{self.outside} of {self.where}")


class NamedValue(NamedTuple):
    """A name of a value, by its node and its place there; or of `length` values from there on."""

    name: str
    node: Any
    start: int
    length: int | None = None


def line_alone(node: Any, sources: Mapping[int, Any]) -> str:
    """Return the line that `show` prints of a node behind its sources, and nothing else."""
    from pymonik.values.foreign import harmless

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
