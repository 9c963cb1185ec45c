"""Names that type hints are made of, where no worker can import them: each exists once.

Enters: a type variable, a new type, an alias. Leaves: what makes it again; that it is the same one
wherever it is met, and the program's own when it returns, is the business of definitions.
"""

from __future__ import annotations

import typing
from typing import Any

from pymonik._pickled import pickled

_VARIABLES = ("TypeVar", "ParamSpec", "TypeVarTuple")  # the last since Python 3.11
_KINDS = {
    getattr(typing, name)
    for name in ("NewType", "TypeAliasType", *_VARIABLES)
    if hasattr(typing, name)
}


def is_type_name(kind: Any) -> bool:
    """Return whether a type is of what hints are made of."""
    return kind in _KINDS


def reduce_type_name(obj: Any) -> Any:
    """Return how a pickle makes it again."""
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


@pickled
def new_type_name(kind: Any, args: tuple[Any, ...], given: dict[str, Any], module: str) -> Any:
    """Make what a type hint is made of."""
    made = kind(*args, **given)
    if kind.__name__ != "TypeAliasType":  # it takes its module from who makes it
        made.__module__ = module
    return made
