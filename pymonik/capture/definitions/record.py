"""Records of what travels as a definition: what it says, and which object of this process it is of.

Enters: objects, by `registry`. Leaves: what is known of them here, and what is in a definition.
"""

from __future__ import annotations

import functools
import pickle
import sys
import types
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pymonik.capture import class_parts
from pymonik.system.attributes import attribute, role_of
from pymonik.system.structs import NamedTuple
from pymonik.values.content import Definition

if TYPE_CHECKING:
    from pymonik.capture.changes.watch import ObjectWatch

# Of definitions that are kept: those of a notebook that is used for a long time.
MAX_RECORDS = 2048
# Bytes of a definition that holds data: of these, few are kept.
LARGE = 1 << 16
# The outline of what exists once in its module, such as a sentinel, and has no state.
SINGLE = b"single"


class Header(NamedTuple):
    """What a definition says before its data.

    named: its module has it under that name. before: of what it `needs`, what must be there before
    it is begun, such as the bases of a class. outline: see `class_parts.outline`.
    """

    id: str
    named: bool
    needs: tuple[str, ...]
    before: tuple[str, ...]
    outline: bytes
    data: bytes


def header_of(definition: Definition) -> Header:
    """Return what is in a definition."""
    return _known(definition) if len(definition) < LARGE else _read(definition)


@lru_cache(maxsize=MAX_RECORDS)
def _known(definition: Definition) -> Header:
    return _read(definition)


def _read(definition: Definition) -> Header:
    return Header(*pickle.loads(memoryview(definition)[len(Definition.MAGIC) :]))


class DefinitionRecord:
    """An object of this process that travels as a definition."""

    __slots__ = ("definition", "id", "is_bound", "is_own", "is_single", "looked_at", "members",
                 "modules", "moment", "named", "names", "needs", "obj", "origins", "outline",
                 "outlines", "reference", "watch")  # fmt: skip

    def __init__(self, obj: Any, id: str, named: bool, is_own: bool) -> None:
        self.obj, self.id, self.named, self.is_own = obj, id, named, is_own
        self.definition: Definition | None = None
        self.needs: Sequence[DefinitionRecord] = ()
        self.modules: frozenset[str] = frozenset()
        self.origins: frozenset[str] = frozenset()
        self.watch: ObjectWatch | None = None
        self.members: tuple[DefinitionRecord, ...] = ()
        # Of these, those that have to be looked at: what one looks into is seen with it.
        self.looked_at: tuple[DefinitionRecord, ...] = ()
        # Whether classes refer to it: what they share with functions is theirs.
        self.is_bound = isinstance(obj, type)
        self.is_single = False
        # Of a function: that of now, and all that it had when it was captured.
        self.outline = b""
        self.outlines: set[bytes] = set()
        self.reference: tuple[str, tuple[Definition, ...]] = (id, ())
        self.moment: object = None
        # Of the variables of a module: those that travel. None: all, being made of these.
        self.names: set[str] | None = None

    @property
    def is_namespace(self) -> bool:
        """Whether it is of the variables of a module."""
        return type(self.obj) is dict and self.id.partition("#")[0].endswith(":")

    def note(self, taken: Taken, watch: ObjectWatch) -> None:
        """Be defined by what was pickled; watch: what the object held just before."""
        self.is_single = taken.is_single
        outline = SINGLE if taken.is_single else self.outline
        # No more once its module was loaded again: that has another one under the name.
        if self.is_own and self.named:
            self.named = found_at(self.id.partition("#")[0]) is self.obj
        if isinstance(self.obj, type):
            outline = class_parts.outline(self.obj)
        needs = tuple(sorted({need.id for need in taken.needs}))
        before = tuple(dict.fromkeys(need.id for need in taken.before))
        fields = Header(self.id, self.named, needs, before, outline, taken.data)
        made = Definition(Definition.MAGIC + pickle.dumps(tuple(fields), protocol=5))
        if made != self.definition:
            self.definition = made
        self.needs, self.watch = taken.needs, watch
        self.modules, self.origins = frozenset(taken.modules), frozenset(taken.origins)

    def gather(self) -> None:
        """Note all that it needs, by way of others, too."""
        met = {self.id: self}
        open_ones = list(self.needs)
        while open_ones:
            one = open_ones.pop()
            if one.id not in met:
                met[one.id] = one
                open_ones += one.needs
        self.members = members = tuple(met[name] for name in sorted(met))
        self.looked_at = tuple(m for m in members if m is self or not m.is_function)
        if isinstance(self.obj, type):
            for member in members:
                member.is_bound = True
        self.modules = frozenset().union(*(member.modules for member in members))
        self.origins = frozenset().union(*(member.origins for member in members))
        parts = tuple(member.definition for member in members if member.definition is not None)
        if (self.id, parts) != self.reference:
            self.reference = (self.id, parts)

    @property
    def is_gathered(self) -> bool:
        """Whether it refers to its members as they are known: another may have led to them since.

        A base that has changed is captured again for the first of its classes that is asked for.
        """
        definitions = tuple([m.definition for m in self.members if m.definition is not None])
        parts = self.reference[1]
        return definitions == parts or len(definitions) != len(
            parts
        )  # the latter: not all were made here

    @property
    def is_function(self) -> bool:
        """Whether it is of a function."""
        return type(self.obj) is types.FunctionType

    def is_current(self) -> bool:
        """Return whether the object is what its definition says."""
        if self.watch is None or (self.watch.is_partial and not self.serves()):
            return False  # of functions all counts, as if they were pickled at each call
        return self.watch.holds()

    def serves(self) -> bool:
        """Return whether the object itself serves where tasks run in the process of the program.

        Functions, and what only they share, are copies there, as they are elsewhere.
        """
        return self.is_bound or self.is_single


class HoldsHandle(TypeError):
    """A definition would hold a handle, for which it has no place."""


class Taken(NamedTuple):
    """What was pickled for a definition, and what it needs."""

    data: bytes
    needs: list[DefinitionRecord]
    before: list[DefinitionRecord]
    modules: set[str]
    origins: set[str]
    is_single: bool


# Of objects of this process, by their ids; `registry` adds to them, and forgets the oldest.
RECORDS: OrderedDict[int, DefinitionRecord] = OrderedDict()


def record_of(obj: Any) -> DefinitionRecord | None:
    """Return the record of an object, if it has one."""
    return RECORDS.get(id(obj))


def is_single_here(obj: Any) -> bool:
    """Return whether an object was made here of the definition of one without state, and has none.

    The module that has it need not be there.
    """
    record = RECORDS.get(id(obj))
    if record is None or record.is_own or record.definition is None:
        return False
    return header_of(record.definition).outline == SINGLE and not attribute(obj, "__dict__")


def own_header(id: str, parts: Sequence[Definition]) -> Header:
    """Return what the definition of an id says, out of those that it comes with."""
    return next(head for head in map(header_of, parts) if head.id == id)


def is_single(id: str, parts: Sequence[Definition]) -> bool:
    """Return whether a definition is of what exists once and has no state."""
    return own_header(id, parts).outline == SINGLE


def closure(id: str, by_id: dict[str, Definition]) -> tuple[Definition, ...]:
    """Return the definitions that one needs, itself among them, in the order of their ids."""
    met: set[str] = set()
    open_ones = [id]
    while open_ones:
        one = open_ones.pop()
        if one not in met and one in by_id:
            met.add(one)
            open_ones += header_of(by_id[one]).needs
    return tuple(by_id[name] for name in sorted(met))


def found_at(name: str) -> Any:
    """Return what a module that is loaded here has under "module:qualname", None if nothing.

    Of a task, and of a function with a cache, that is the function that they are made of.
    """
    return function_of(object_at(name))


def function_of(obj: Any) -> Any:
    """Return the function that a task, or one with a cache, is made of; else what was given."""
    if type(obj) is functools._lru_cache_wrapper:
        return obj.__wrapped__
    is_task = role_of(type(obj)) == "task"
    return obj.__pymonik_function__ if is_task else obj


def object_at(name: str) -> Any:
    """Return the object itself that a module has under "module:qualname", None if nothing."""
    module, _, qualname = name.partition(":")
    current: Any = sys.modules.get(module)
    if not qualname:  # its variables themselves
        return getattr(current, "__dict__", None)
    for part in qualname.split("."):
        current = vars(current).get(part) if hasattr(current, "__dict__") else None
    return current


# Of what was made here of functions, by its id, as a task may have no hash: where the module of the
# program has it.
_PLACES: dict[int, tuple[weakref.ref[Any], str]] = {}


def place_of(made: Any, function: Any) -> str:
    """Return the "module:name" of what is made of a function, in its module; "" without one."""
    if (noted_place := _PLACES.get(id(made))) is not None:
        return noted_place[1]
    name = getattr(function, "__module__", None) or ""
    space = getattr(sys.modules.get(name), "__dict__", {})
    return next((f"{name}:{key}" for key, held in list(space.items()) if held is made), "")


def put_at(place: str, made: Any) -> Any:
    """Note that what was made here stands for what a module has at a place; return it."""
    number = id(made)
    _PLACES[number] = weakref.ref(made, lambda _: _PLACES.pop(number, None)), place
    return made


def standing_at(place: str, kind: type, function: Any) -> Any:
    """Return what stands at a place, if it is of a kind and made of this very function."""
    obj = object_at(place) if place else None
    is_it = type(obj) is kind and getattr(obj, "__wrapped__", None) is function
    return obj if is_it else None
