"""The nodes that recording makes: calls and maps, objects put, values of other programs.

Enters: what recording captured. Leaves: nodes, whose meaning never changes once they are recorded:
a pass or a flush that wants another call makes a `StandIn`. A flush lets go of what the arguments
of a node hold alive, and these are made from what was captured when they are first asked for. What
is known of the values of a node changes as the program runs, and stands beside it: see
`value_state`. What passes make of calls are the maps of `ir`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from weakref import ref

from pymonik.graph.arguments import ARGUMENTS, slots_of, sources_of
from pymonik.graph.value_state import STATE, Liveness, ValueState
from pymonik.system.structs import NamedTuple
from pymonik.values.content import IMMEDIATE
from pymonik.values.location import known_at

if TYPE_CHECKING:
    from pymonik.graph.call_spec import CallSpec
    from pymonik.values.content import Content
    from pymonik.values.location import Location


class Call(ValueState, ref[Any]):
    """A call (`n` is None, `args` are slot values) or a map (`args` are columns), as recorded.

    It *is* a weak reference to its liveness, the handle of a call or the `Liveness` of a map: while
    that lives, somebody can ask for its values. A reference beside it would be one object more a
    call, and a pass of the garbage collector visits all of them.

    It has no constructor in Python, for which each call would pay: who makes one of a liveness has
    `fill` write its fields, or writes all of them.
    """

    __slots__ = (*STATE, "__weakref__", "_args", "lasti", "n", "site", "spec")

    def fill(
        self,
        spec: CallSpec,
        args: tuple[Any, ...],
        n: int | None,
        site: Any,
        lasti: int,
        label: str | dict[int, str] | None = None,
        spawn_key: Any = None,
    ) -> Call:
        """Write all fields, as of what no flush has taken yet; return itself."""
        self.spec = spec
        self._args: tuple[Any, ...] | None = args
        self.n = n
        # A code object and an instruction: the line is worked out only when it is asked for.
        self.site = site
        self.lasti = lasti
        self.label = label
        self.spawn_key = spawn_key
        self.held = None
        self.ids = None
        self.location = None
        self.offset = 0
        return self

    # Two calls are two, though one object may keep both of them wanted.
    __eq__ = object.__eq__
    __ne__ = object.__ne__
    __hash__ = object.__hash__

    @property
    def args(self) -> tuple[Any, ...]:
        """What it takes: slot values, or columns of a map.

        Where a call holds its arguments as they were given, they are made when they are asked for.
        """
        args = self._args
        if args is None:
            held = self.held
            if held is not None:  # else another thread has made them meanwhile
                self._args = slots_of(held)
            args = self._args
            assert args is not None
        return args

    @property
    def wanted(self) -> bool:
        """Return whether somebody can still ask for the value.

        Its liveness is held by handles, and by the arguments of calls that no flush has taken yet.
        """
        return self() is not None or self.is_named

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


def let_go(nodes: Iterable[Any]) -> None:
    """Let calls hold no liveness any more: a flush takes them, and its graph shows what they use.

    Of all at once, and as `slots_of` does: for each call to enter a function would take as long.
    """
    for node in nodes:
        if type(node) is not Call:
            continue
        held, args = node.held, node._args
        if held is None:
            for argument in args or ():  # what holds none as they were given has them
                if type(argument) in ARGUMENTS:
                    argument.release()
            continue
        if args is None:
            slots = []
            for value in held:
                slots.append(value if type(value) in IMMEDIATE else value._slot or value._as_slot())
            node._args = tuple(slots)
        node.held = None


class _Derived(Call):
    """A call that is made of another."""

    __slots__ = ()

    def __new__(cls, liveness: Any, *_: Any) -> Any:
        """Begin one that is wanted while an object lives; None where nobody asks for it."""
        return ref.__new__(cls, Liveness() if liveness is None else liveness)


class StandIn(_Derived):
    """A call that stands in a graph for one that was recorded, which stays as it was.

    The graph's `aliases` name it for `original`, which other calls go on naming. Where its value
    will be is where that of the original is.
    """

    __slots__ = ("original",)

    def __init__(self, liveness: Any, call: Call, spec: CallSpec, args: tuple[Any, ...]) -> None:
        """Make one that is wanted as long as an object lives: `call()` where it is as the call."""
        site, label, spawn_key = call.site, call.label, call.spawn_key
        self.fill(spec, args, call.n, site, call.lasti, label, spawn_key)
        self.original = original_of(call)
        self.ids = call.ids


class Element(_Derived):
    """A single call that was an element of a map, and keeps its number."""

    __slots__ = ("element",)

    def __init__(
        self, liveness: Any, call: Call, index: int, args: tuple[Any, ...] | None = None
    ) -> None:
        """Make one of a map; args: those it has, where the call is no map any more."""
        if args is None:
            args = tuple([column.at(index) for column in call.args])
        self.fill(call.spec, args, None, call.site, call.lasti, spawn_key=call.spawn_key)
        self.element = index


def original_of(call: Call) -> Call:
    """Return the recorded call that a call stands for: itself, but for a `StandIn`."""
    return call.original if isinstance(call, StandIn) else call


class Put(ValueState):
    """An object stored under a name, so that others can look it up."""

    __slots__ = (*STATE, "content", "where")
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

    __slots__ = (*STATE, "n", "name")
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
