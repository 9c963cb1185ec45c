"""Structs: dataclasses whose methods are shared by all, not compiled for each when it is imported.

A dataclass takes 0.5 ms where it is defined, and needs `inspect`: of the forty that a program loads
before its first value, that was a fifth of all it does until then. To functions of `dataclasses`,
such as `asdict`, structs are dataclasses.

Named tuples are those of `collections`, without what `typing` does for each: it compiles every
annotation that is text, which was a twentieth, in executors more.

Enters: annotations. Leaves: classes with a constructor, defaults, equality, and a text.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: Any) -> Callable[[Any], Any]:
        """Tell type checkers alone."""
        return lambda cls: cls


AnyStruct = TypeVar("AnyStruct", bound="Struct")


class _Field:
    """What is said of a field beside its name: what makes its default, whether it is compared."""

    __slots__ = ("compare", "make")

    def __init__(self, make: Callable[[], Any] | None, compare: bool) -> None:
        self.make = make
        self.compare = compare


def field(*, default_factory: Callable[[], Any] | None = None, compare: bool = True) -> Any:
    """Say how a field has a default of its own in each struct, or that it is not compared."""
    return _Field(default_factory, compare)


class _AsDataclass:
    """What an attribute of a dataclass with the same fields is, worked out when it is asked for."""

    def __init__(self, of: Callable[[type], Any]) -> None:
        self._of = of
        # What was worked out, by class.
        self._known: WeakKeyDictionary[type, Any] = WeakKeyDictionary()

    def __get__(self, _: object, owner: type[Struct]) -> Any:
        shown = self._known.get(owner)
        if shown is None:
            shown = self._known[owner] = self._of(self._dataclass(owner))
        return shown

    def _dataclass(self, owner: type[Struct]) -> type:
        import dataclasses

        fields = []
        for name, kind in owner._kinds.items():
            how: dict[str, Any] = {"compare": name in owner._compared}
            if name in owner._makers:
                how["default_factory"] = owner._makers[name]
            elif name in owner._defaults:
                how["default"] = owner._defaults[name]
            by_name = name not in owner._positions
            fields.append((name, kind, dataclasses.field(kw_only=by_name, **how)))
        return dataclasses.make_dataclass(owner.__name__, fields)


def field_names(kind: type[Struct]) -> tuple[str, ...]:
    """Return the names of the fields of a struct, in order."""
    return tuple(kind._kinds)


def _same(value: Any) -> Any:
    return value


def _fields(shown: Any) -> Any:
    return shown.__dataclass_fields__


def _signature(shown: type) -> Any:
    import inspect

    return inspect.signature(shown)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Struct:
    """Named fields, given by position or by name: a value that is equal to others like it.

    Subclasses annotate their fields. frozen=False: they may be written to. eq=False: each is equal
    to itself alone. kw_only=True: fields are given by name. Where there is a `__post_init__`, it is
    called when all fields have their values.
    """

    # All fields and what they are annotated with, in order; those of the constructor's positions.
    _kinds: ClassVar[Mapping[str, str]] = {}
    _positions: ClassVar[tuple[str, ...]] = ()
    _compared: ClassVar[tuple[str, ...]] = ()
    # Defaults are attributes of the class, too: those that are not given are found there.
    _defaults: ClassVar[Mapping[str, Any]] = {}
    _makers: ClassVar[Mapping[str, Callable[[], Any]]] = {}
    # With so many values by position no field lacks one.
    _least: ClassVar[int] = 0
    _is_checked: ClassVar[bool] = False
    __dataclass_fields__: ClassVar[Any] = _AsDataclass(
        lambda shown: vars(shown)["__dataclass_fields__"]
    )
    __signature__: ClassVar[Any] = _AsDataclass(_signature)

    def __init_subclass__(
        cls, *, frozen: bool = True, eq: bool = True, kw_only: bool = False, **others: Any
    ) -> None:
        super().__init_subclass__(**others)
        own = {
            name: kind
            for name, kind in vars(cls).get("__annotations__", {}).items()
            if not str(kind).startswith(("ClassVar", "Final"))
        }
        given = {name: vars(cls)[name] for name in own if name in vars(cls)}
        # What is a function would be a method, were it an attribute of the class.
        given = {
            name: _Field(partial(_same, one), True) if hasattr(type(one), "__get__") else one
            for name, one in given.items()
        }
        special = {name: one for name, one in given.items() if type(one) is _Field}
        for name in special:
            delattr(cls, name)
        plain = {name: one for name, one in given.items() if name not in special}
        makers = {name: one.make for name, one in special.items() if one.make is not None}
        cls._kinds = {**cls._kinds, **own}
        cls._positions = cls._positions if kw_only else (*cls._positions, *own)
        cls._compared += tuple(n for n in own if n not in special or special[n].compare)
        cls._defaults = {**cls._defaults, **plain}
        cls._makers = {**cls._makers, **makers}
        needed = [n for n in cls._kinds if n not in cls._defaults and n not in cls._makers]
        by_position = set(needed) <= set(cls._positions)
        cls._least = len(needed) if by_position else len(cls._positions) + 1
        cls._is_checked = cls.__post_init__ is not Struct.__post_init__
        # Methods of the class itself, which to a checker are part of it, are put back.
        if not frozen:
            cls.__setattr__, cls.__delattr__ = object.__setattr__, object.__delattr__  # type: ignore[method-assign, assignment]
        if not eq:
            cls.__eq__, cls.__hash__ = object.__eq__, object.__hash__  # type: ignore[method-assign]
        elif not frozen:
            cls.__hash__ = None  # type: ignore[assignment]

    def __init__(self, *args: Any, **given: Any) -> None:
        values, positions = self.__dict__, self._positions
        values.update(zip(positions, args))
        if given:
            if not given.keys() <= self._kinds.keys() or not given.keys().isdisjoint(values):
                self._refuse(given, values)
            values.update(given)
        if not self._least <= len(args) <= len(positions):
            self._demand_all(len(args))
        for name, make in self._makers.items():
            if name not in values:
                values[name] = make()
        if self._is_checked:
            self.__post_init__()

    def __post_init__(self) -> None:
        """Check the fields, or work out what depends on them."""

    def _demand_all(self, count: int) -> None:
        """Refuse too many values by position, and fields without any."""
        kind, positions = type(self).__name__, self._positions
        if count > len(positions):
            raise TypeError(f"{kind} takes {len(positions)} values, not {count}")
        for name in self._kinds:
            if name not in self.__dict__ and name not in {**self._defaults, **self._makers}:
                raise TypeError(f"{kind} needs {name}=")

    def _refuse(self, given: Mapping[str, Any], values: Mapping[str, Any]) -> NoReturn:
        kind = type(self).__name__
        for name in given:
            if name not in self._kinds:
                raise TypeError(f"{kind} has no field {name!r}: it has {', '.join(self._kinds)}")
            if name in values:
                raise TypeError(f"{kind} got {name}= twice")
        raise AssertionError(name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed: make another with {name}=")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __eq__(self, other: object) -> Any:
        if type(other) is not type(self):
            return NotImplemented
        return all([getattr(self, name) == getattr(other, name) for name in self._compared])

    def __hash__(self) -> int:
        return hash(tuple([getattr(self, name) for name in self._compared]))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._kinds)
        return f"{type(self).__qualname__}({shown})"


def replace(struct: AnyStruct, **changes: Any) -> AnyStruct:
    """Return a struct that differs in these fields."""
    return type(struct)(**{**vars(struct), **changes})


class _NamedTupleMaker(type):
    """Makes a named tuple of a class body."""

    def __new__(cls, name: str, bases: tuple[Any, ...], body: dict[str, Any]) -> Any:
        if len(bases) > 1 or "__classcell__" in body:
            raise TypeError(f"{name}: a named tuple takes no other base, and no super()")
        fields = body.pop("__annotations__", {})
        defaults = {field: body.pop(field) for field in fields if field in body}
        module = body.pop("__module__")
        # Checkers take named tuples whose fields are literals alone.
        made = namedtuple(name, fields, defaults=defaults.values(), module=module)  # type: ignore[misc]
        # They were given to the last fields.
        if made._field_defaults.keys() != defaults.keys():
            raise TypeError(f"{name}: a field without a default follows one that has one")
        made.__annotations__ = fields
        for key, value in body.items():
            setattr(made, key, value)
        return made


if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    NamedTuple = type.__new__(_NamedTupleMaker, "NamedTuple", (), {})
