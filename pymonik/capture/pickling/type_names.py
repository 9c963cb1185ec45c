"""Names that type hints are made of, where no worker can import them: each exists once.

Enters: a type variable, a new type, an alias. Leaves: what makes it again; that it is the same one
wherever it is met, and the program's own when it returns, is the business of definitions.
"""

from __future__ import annotations

import typing
from typing import Any

from pymonik._pickled import pickled
from pymonik.capture.definitions.by_value import is_by_value_from
from pymonik.capture.definitions.record import object_at, record_of

_VARIABLES = ("TypeVar", "ParamSpec", "TypeVarTuple")  # the last since Python 3.11
_KINDS = {
    getattr(typing, name)
    for name in ("NewType", "TypeAliasType", *_VARIABLES)
    if hasattr(typing, name)
}


def is_type_name(kind: Any) -> bool:
    """Return whether a type is of what hints are made of."""
    return kind in _KINDS


def has_definition(obj: Any, name: str) -> bool:
    """Return whether no worker can import it under a "module:name"."""
    if is_by_value_from(obj.__module__) or record_of(obj) is not None:
        return True
    # Those of `class A[T]` say to be of `typing`, which has others under some of their names.
    return is_lazy(obj) and object_at(name) is not obj


def is_lazy(obj: Any) -> bool:
    """Return whether a statement makes it, since Python 3.12: `type X = …` or `class A[T: …]`.

    Value and bounds are worked out when they are asked for, and so may name it in turn.
    """
    if type(obj).__name__ == "TypeAliasType":
        return all(name.isidentifier() for name in (obj.__name__, *map(str, obj.__type_params__)))
    return type(obj) in _KINDS and obj.__module__ == "typing"


def reduce_type_name(obj: Any) -> Any:
    """Return how a pickle makes it again, of what is there before it."""
    name, kind = obj.__name__, type(obj)
    if kind is typing.NewType:
        return new_type_name, (kind, (name, obj.__supertype__), {}, obj.__module__)
    if kind.__name__ == "TypeAliasType":  # since Python 3.12
        given = {"type_params": obj.__type_params__}
        return new_type_name, (kind, (name, obj.__value__), given, obj.__module__)
    given = {
        option: value
        for option in ("bound", "covariant", "contravariant", "infer_variance")
        if (value := getattr(obj, f"__{option}__", None))
    }
    if getattr(obj, "has_default", bool)():  # since Python 3.13
        given["default"] = obj.__default__
    constraints = getattr(obj, "__constraints__", ())
    return new_type_name, (kind, (name, *constraints), given, obj.__module__)


def reduce_lazy_name(obj: Any) -> Any:
    """Return how a pickle makes it again, and then says what its value and bounds are."""
    values: dict[str, Any] = {}
    is_alias = type(obj).__name__ == "TypeAliasType"
    variables = obj.__type_params__ if is_alias else (obj,)
    declared = ", ".join([_declared(one, n, values) for n, one in enumerate(variables)])
    declared = f"[{declared}]" if declared else ""
    if is_alias:
        _note(values, "__value__", obj, "__value__")
        source = f"type {obj.__name__}{declared} = __value__\n__made__ = {obj.__name__}"
    else:
        source = f"type Of{declared} = None\n__made__ = Of.__type_params__[0]"
    # The same dict in both places: it is filled once what it is to hold can name what is made.
    space = {"__name__": obj.__module__}
    return new_lazy_name, (source, space), (space, values), None, None, fill_lazy_name


def parameter_number(alias: Any, obj: Any) -> int | None:
    """Return which of the type variables that an alias declares an object is, None if none.

    What is made again declares others, and its value names these.
    """
    if not is_type_name(type(obj)) or type(alias).__name__ != "TypeAliasType":
        return None
    numbers = (n for n, variable in enumerate(alias.__type_params__) if variable is obj)
    return next(numbers, None) if is_lazy(alias) else None


def _declared(variable: Any, number: int, values: dict[str, Any]) -> str:
    """Return a type variable as a list of these declares it; names stand for its bounds."""
    stars = {"TypeVarTuple": "*", "ParamSpec": "**"}.get(type(variable).__name__, "")
    text = f"{stars}{variable.__name__}"
    if not stars and _note(values, f"__constraints{number}__", variable, "__constraints__"):
        given = values.pop(f"__constraints{number}__")
        names = [f"__constraint{number}_{turn}__" for turn in range(len(given))]
        values.update(zip(names, given))
        text += f": ({', '.join(names)})"
    elif not stars and _note(values, f"__bound{number}__", variable, "__bound__"):
        text += f": __bound{number}__"
    if getattr(variable, "has_default", bool)():  # since Python 3.13
        _note(values, f"__default{number}__", variable, "__default__")
        text += f" = __default{number}__"
    return text


def _note(values: dict[str, Any], name: str, obj: Any, attribute: str) -> bool:
    """Note what an attribute has; return whether it has anything, or cannot be worked out.

    Such as one that names what only type checkers import: it cannot be on the other side, either.
    """
    try:
        value = getattr(obj, attribute)
    except Exception:
        return True
    if value is None or value == ():
        return False
    values[name] = value
    return True


_PARTS = ("__supertype__", "__value__", "__type_params__", "__bound__", "__constraints__",
          "__default__", "__covariant__", "__contravariant__", "__infer_variance__")  # fmt: skip


def parts_of_type_name(obj: Any) -> list[Any]:
    """Return all that it is made of, in order, for who tells it from another of its name."""
    parts = []
    for name in _PARTS:
        try:
            part = getattr(obj, name, None)
        except Exception:  # a value, or a bound, that cannot be worked out here
            part = name
        # What was looked up of a name meanwhile does not count.
        parts.append(getattr(part, "__forward_arg__", part))
    return parts


@pickled
def new_type_name(kind: Any, args: tuple[Any, ...], given: dict[str, Any], module: str) -> Any:
    """Make what a type hint is made of."""
    made = kind(*args, **given)
    if kind.__name__ != "TypeAliasType":  # it takes its module from who makes it
        made.__module__ = module
    return made


@pickled
def new_lazy_name(source: str, space: dict[str, Any]) -> Any:
    """Make what a type hint is made of, by the statement that makes such."""
    exec(source, space)
    return space.pop("__made__")


@pickled
def fill_lazy_name(made: Any, state: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Say what value and bounds of such a name are."""
    space, values = state
    space.update(values)


@pickled
def type_parameter(alias: Any, number: int) -> Any:
    """Return one of the type variables that an alias declares."""
    return alias.__type_params__[number]
