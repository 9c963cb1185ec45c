"""What a program has set in a local module: `config.N = 100` is meant for its tasks as well.

Enters: a module that is loaded here, and its source. Leaves: a pickle of the names that do not hold
what the source gives them: literals, functions, classes, and what is in these. What functions of
the module set together, such as a connection and that it is open, goes along together or not at
all: there, too, they can make it anew.
"""

from __future__ import annotations

import abc
import ast
import contextlib
import types
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pymonik.capture.changes.held_bytes import pickle_of
from pymonik.system.attributes import attribute
from pymonik.system.structs import NamedTuple


class _Bindings(NamedTuple):
    """What a body binds once: to literals, by plain `def`, by plain `class`.

    groups: names that one function rebinds.
    """

    literals: dict[str, Any]
    functions: frozenset[str]
    classes: dict[str, _Bindings]
    groups: tuple[frozenset[str], ...]


def set_by_program(module: Any, text: str) -> bytes:
    """Pickle the names whose values here are not those of the source; b"" if there are none."""
    space, names = vars(module), _names(text)
    changed = _changed(space, names)
    for group in names.groups:
        if not all(name in names.literals and _is_small(space.get(name)) for name in group):
            changed = {name: value for name, value in changed.items() if name not in group}
    replaced = _replaced(module, space, names, "")
    for name, inner in names.classes.items():
        # Other metaclasses, such as that of enumerations, make something else of a body.
        if name in space and name not in replaced and type(space[name]) in (type, abc.ABCMeta):
            of_class = vars(space[name])
            changes = _changed(of_class, inner).items()
            changed |= {f"{name}.{key}": v for key, v in changes if not _is_field(v)}
            replaced |= _replaced(module, of_class, inner, f"{name}.")
    overrides = dict(_pickled({**changed, **replaced}))
    for name in replaced.keys() - overrides.keys():
        warnings.warn(
            f"{module.__name__}.{name} was replaced by {replaced[name]!r:.80}, which cannot be "
            "pickled: tasks in other processes find what the source defines",
            RuntimeWarning,
            stacklevel=2,
        )
    import pickle

    return pickle.dumps(overrides, protocol=5) if overrides else b""


def _changed(space: Mapping[str, Any], names: _Bindings) -> dict[str, Any]:
    return {
        name: space[name]
        for name, literal in names.literals.items()
        if name in space and not name.startswith("_") and not _is_same(space[name], literal)
    }


def _is_field(value: Any) -> bool:
    """Return whether a class has made an attribute of a literal, as named tuples do."""
    return hasattr(type(value), "__get__") and not isinstance(value, types.FunctionType)


def _replaced(
    module: Any, space: Mapping[str, Any], names: _Bindings, within: str
) -> dict[str, Any]:
    """Return functions and classes that are not those of the source, by their names in it."""
    different = {}
    for name in (*names.functions, *names.classes):
        value = space.get(name)
        if isinstance(value, types.FunctionType):
            is_own = value.__globals__ is vars(module) and value.__code__.co_name == name
        else:
            place = attribute(value, "__module__"), attribute(value, "__qualname__")
            is_own = isinstance(value, type) and place == (module.__name__, within + name)
        if name in space and not is_own:
            different[within + name] = value
    return different


def _pickled(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if values:
        from pymonik.capture import freeze as pickling
    for name, value in values.items():
        try:
            data, raw, handles_in = pickling.freeze(value)
        except Exception:  # a lock, an open file: the module there makes its own, or has none
            continue
        if not handles_in:
            yield name, (data, [bytes(view) for view in raw])


def _is_same(value: Any, literal: Any) -> bool:
    try:
        return type(value) is type(literal) and bool(value == literal)
    except Exception:  # whatever an __eq__ of the user raises
        return False


def _is_small(value: Any) -> bool:
    """Return whether what a module has set itself is no model, connection or cache of its own."""
    return pickle_of(value) is not None


# By their texts, which it holds: as many as local modules that a program has, each parsed once.
@lru_cache(maxsize=512)
def _names(text: str) -> _Bindings:
    return _of_body(ast.parse(text), {})


def _of_body(body: ast.Module | ast.ClassDef, constants: dict[str, Any]) -> _Bindings:
    """Return what a body binds; constants: literals that it may refer to."""
    counts = Counter(_bound(body.body))
    literals: dict[str, Any] = {}
    functions, classes = set(), {}
    for statement in body.body:
        if isinstance(statement, _DEFINITIONS):
            is_plain = not statement.decorator_list and not getattr(statement, "keywords", ())
            if not is_plain or counts[statement.name] > 1:
                continue
            if isinstance(statement, ast.ClassDef):
                classes[statement.name] = _of_body(statement, literals)
            else:
                functions.add(statement.name)
            continue
        target, value = _assignment(statement)
        if target is not None and counts[target] == 1:
            with contextlib.suppress(ValueError, KeyError):
                is_name = isinstance(value, ast.Name)
                literals[target] = constants[value.id] if is_name else ast.literal_eval(value)
    groups = (
        frozenset(name for inner in ast.walk(one) if isinstance(inner, ast.Global)
                  for name in inner.names)
        for one in ast.walk(body)
        if isinstance(one, _DEFINITIONS)
    )  # fmt: skip
    return _Bindings(literals, frozenset(functions), classes, tuple(filter(None, groups)))


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _bound(nodes: list[ast.stmt]) -> Iterator[str]:
    """Yield the names that code at the top of a module binds, as often as it does."""
    open_ones: list[ast.AST] = list(nodes)
    while open_ones:
        node = open_ones.pop()
        if isinstance(node, _DEFINITIONS):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        else:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            open_ones += ast.iter_child_nodes(node)


def _assignment(statement: ast.stmt) -> tuple[str | None, Any]:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target: ast.expr = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target = statement.target
    else:
        return None, None
    return (target.id, statement.value) if isinstance(target, ast.Name) else (None, None)
