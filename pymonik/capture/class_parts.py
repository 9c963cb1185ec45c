"""Classes in parts: what a class that travels by value is made of, and a class made of that.

Enters: a class. Leaves: how a pickle makes it again, complete as it was: no hook runs a second time
(`__init_subclass__`, `__set_name__`, a metaclass of the script), since what hooks did to the class
is part of what it is. Who names classes, and when they have changed, stands in `definitions`.
"""

from __future__ import annotations

import abc
import collections
import copyreg
import enum
import types
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pymonik._pickled import pickled
from pymonik.system.attributes import attribute
from pymonik.system.blake import blake2b

# What Python or a library makes anew for each class, and keeps for itself.
_NOT_STATE = frozenset({"__slotnames__", "_abc_impl", "__dict__", "__weakref__"})
# What must be known when a class is made; the rest is set on it. The last are of structures of C.
_FIRST = (
    "__module__", "__qualname__", "__doc__", "__slots__", "__orig_bases__",
    "__class__", "_pack_", "_align_", "_anonymous_",
)  # fmt: skip
# What members of enumerations may be themselves: `class Color(str, Enum)`.
_VALUE_TYPES = (int, str, float, complex, bytes, tuple)
# Those that are filled once they are made; an ordered dict is a dict, too, and stands first.
_CONTAINERS = (collections.OrderedDict, dict, list, set, bytearray)
IsByValue = Callable[[Any], bool]


# What Python keeps of classes, and types no names for.
_abc: Any = abc
_copyreg: Any = copyreg


def registry_of(cls: type) -> set[weakref.ref[type]]:
    """Return the classes that were registered as subclasses of an abstract class."""
    registry: set[weakref.ref[type]] = _abc._get_dump(cls)[0]
    return registry


def name_slots(cls: type) -> list[str]:
    """Return the slots of a class as `pickle` finds them, which it notes in the class itself."""
    names: list[str] = _copyreg._slotnames(cls)
    return names


@pickled
class ClassBegun:
    """Stands in a pickle where the skeleton of its class is there, and attributes follow."""

    __slots__ = ()


def state_of(cls: type) -> dict[str, Any]:
    """Return the attributes of a class, but those that making it brings about."""
    return {
        name: value
        for name, value in vars(cls).items()
        if name not in _NOT_STATE and not _is_place(type(value))
    }


def _is_place(kind: type) -> bool:
    """Return whether making a class makes such a descriptor: of a slot, of a field of C."""
    is_field = kind.__module__ == "_ctypes" and kind.__name__ == "CField"
    return is_field or kind is types.MemberDescriptorType


def reduce_class(cls: type, identity: str, is_by_value: IsByValue, hints: dict[str, Any]) -> Any:
    """Return how a pickle makes a class: a skeleton, noted under `identity`, then its attributes.

    is_by_value: whether a class goes by value; the hooks of others do run. hints: what its
    annotations name.
    """
    name_slots(cls)
    state = state_of(cls)
    first = {name: state.pop(name) for name in _FIRST if name in state}
    first.setdefault("__qualname__", cls.__qualname__)
    registered = []
    if isinstance(cls, abc.ABCMeta):
        registered = [ref() for ref in registry_of(cls)]
    above = type.__dict__["__mro__"].__get__(cls)[1:]
    quiet = [base for base in above if "__init_subclass__" in vars(base) and is_by_value(base)]
    kinds = type.__dict__["__mro__"].__get__(type(cls))
    maker = next(kind for kind in kinds if "__new__" in vars(kind) and not is_by_value(kind))
    made_of = (identity, type(cls), maker, cls.__name__, cls.__bases__, first, quiet)
    return new_class, made_of, (ClassBegun(), state, registered, hints), None, None, complete_class


# Takes skeletons while a definition is loaded: see `definitions`.
NOTE: list[Callable[[str, type], None]] = []

# Take what the annotations of a class name, where its module is not to be had.
SHOW: list[Callable[[type, dict[str, Any]], None]] = []


@pickled
def new_class(
    identity: str,
    kind: Any,
    maker: Any,
    name: str,
    bases: tuple[type, ...],
    first: dict[str, Any],
    quiet: list[type],
) -> type:
    """Begin a class."""
    cls: type
    with _without_hooks(quiet):
        if issubclass(kind, enum.EnumMeta):  # it would make members; they come with the state
            cls = type.__new__(kind, name, bases, dict(first))
        else:
            try:
                # What `ctypes` knows of a class is only complete once that is initialized, too.
                is_of_c = any(one.__module__ == "_ctypes" for one in kind.__mro__)
                make = type.__call__ if is_of_c else maker.__new__
                cls = make(kind, name, bases, dict(first))
            except Exception:  # a hook that wants keywords of the class statement, or a body
                cls = type.__new__(kind, name, bases, dict(first))
    for note in NOTE[-1:]:
        note(identity, cls)
    return cls


@contextmanager
def _without_hooks(bases: list[type]) -> Iterator[None]:
    """Let making a subclass tell none of these; the caller holds the lock of definitions."""
    removed = [
        (base, vars(base)["__init_subclass__"])
        for base in bases
        if "__init_subclass__" in vars(base)
    ]
    for base, _ in removed:
        type.__setattr__(base, "__init_subclass__", classmethod(_nothing))
    try:
        yield
    finally:
        for base, hook in removed:
            type.__setattr__(base, "__init_subclass__", hook)


def _nothing(cls: type, /, **keywords: Any) -> None:
    """Stand for a hook."""


@pickled
def complete_class(cls: type, parts: tuple[Any, dict[str, Any], list[Any], dict[str, Any]]) -> None:
    """Complete a class."""
    _, state, registered, hints = parts
    set_attribute = _native_setter(type(cls))
    for name, value in state.items():
        set_attribute(cls, name, value)
    if "__firstlineno__" in state:  # setting another attribute of the class removes it
        set_attribute(cls, "__firstlineno__", state["__firstlineno__"])
    for other in registered:
        if other is not None:
            _abc.ABCMeta.register(cls, other)
    for show in SHOW:
        show(cls, hints)


def _native_setter(kind: Any) -> Callable[[type, str, Any], None]:
    """Return how attributes are set past hooks of Python: that of `ctypes` lays out fields."""
    setters = (vars(base).get("__setattr__") for base in type.__dict__["__mro__"].__get__(kind))
    native = (one for one in setters if type(one) is types.WrapperDescriptorType)
    setter: Callable[[type, str, Any], None] = next(native)
    return setter


def reduce_member(member: Any) -> Any:
    """Return how a pickle makes a member of an enumeration that is itself being made."""
    cls = type(member)
    value: Any
    base: Any = next((kind for kind in _VALUE_TYPES if issubclass(cls, kind)), None)
    value = None if base is None else (_plain_value(base, member),)
    container: Any = next((kind for kind in _CONTAINERS if issubclass(cls, kind)), None)
    items: Any = None
    if container is not None:
        base, value = container, ()
        items = list(
            dict.items(member) if issubclass(container, dict) else container.__iter__(member)
        )
    elif base is None:
        base, value = _as_pickled(member)
    slots = {name: getattr(member, name) for name in name_slots(cls) if hasattr(member, name)}
    if items is None and not slots:
        return new_member, (cls, base, value), vars(member), None, None, fill_member
    return (
        new_member,
        (cls, base, value),
        (container, items, slots, vars(member)),
        None,
        None,
        fill_parts,
    )


def _as_pickled(member: Any) -> tuple[Any, Any]:
    """Return a type in C that a member is of, with what makes one, as that type says; or None."""
    for kind in type.__dict__["__mro__"].__get__(type(member)):
        if isinstance(vars(kind).get("__new__"), types.BuiltinFunctionType) and kind is not object:
            return kind, kind.__reduce_ex__(member, 2)[1]
    return None, None


def _plain_value(base: type, member: Any) -> Any:
    if base is tuple:
        return tuple.__getitem__(member, slice(None))
    if base is bytes:
        return bytes(memoryview(member))
    convert = {int: int.__int__, str: str.__str__, float: float.__float__}.get(base)
    return convert(member) if convert is not None else complex.__pos__(member)


@pickled
def new_member(cls: Any, base: Any, value: Any) -> Any:
    """Make a member of an enumeration."""
    return object.__new__(cls) if base is None else base.__new__(cls, *value)


@pickled
def fill_member(obj: Any, state: dict[str, Any]) -> None:
    """Complete a member."""
    vars(obj).update(state)


@pickled
def fill_parts(obj: Any, parts: tuple[Any, Any, dict[str, Any], dict[str, Any]]) -> None:
    """Complete a member that holds items, or has slots."""
    container, items, slots, state = parts
    if container is not None:
        container.__init__(obj, items)
    for name, value in slots.items():
        object.__setattr__(obj, name, value)
    vars(obj).update(state)


@pickled
def member_named(cls: Any, name: str) -> Any:
    """Return the member of an enumeration."""
    return cls._member_map_[name]


def outline(cls: type) -> bytes:
    """Return a digest of the names in a class and of the code of its methods.

    Two programs that define a class by the same statement have the same outline.
    """
    parts: list[Any] = [cls.__qualname__, sorted(base.__qualname__ for base in cls.__bases__)]
    for name, value in sorted(state_of(cls).items()):
        function = attribute(value, "__func__", value) if not isinstance(value, type) else None
        code = function.__code__.co_code if isinstance(function, types.FunctionType) else b""
        if not name.startswith("__") or code:
            parts += [name, code]
    # 96 bits: compared are classes of one name alone.
    return blake2b(repr(parts).encode(), digest_size=12).digest()
