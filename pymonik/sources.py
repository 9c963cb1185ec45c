"""Sources of local modules: what is in them, and which other modules they import.

Enters: names of modules. Leaves: their sources, with those of the local modules they import, found
by reading: nothing is imported here for it. Where modules lie is the business of `local`.
"""

from __future__ import annotations

import ast
import os
import sys
import tokenize
import types
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.machinery import ModuleSpec
from typing import Any, NamedTuple

from pymonik.local import is_local, lies_here, spec_of


class Source(NamedTuple):
    """What a module is made of. `set_here`: values that the program has set in it, pickled."""

    text: str
    file: str
    is_package: bool
    set_here: bytes = b""


def closure(names: Iterable[str]) -> dict[str, Source]:
    """Give the sources of local modules, and of those that they import; others are left out."""
    found: dict[str, Source] = {}
    open_ones = list(names)
    while open_ones:
        name = open_ones.pop()
        if name in found or name == "__main__":
            continue
        source = source_of(name)
        if source is None:
            continue
        found[name] = source
        package = name if source.is_package else name.rpartition(".")[0]
        open_ones += (name.rpartition(".")[0], *_imports(source.text, package))
    return found


def source_of(name: str) -> Source | None:
    """Give the source of a local module; None for what is not local, or has none."""
    top = name.partition(".")[0]
    if not top or (top in sys.stdlib_module_names and not is_local(top)):
        return None
    module, spec = sys.modules.get(name), spec_of(name)
    if spec is None or not lies_here(name, spec, module):
        return None
    is_package = spec.submodule_search_locations is not None
    if not spec.has_location or spec.origin is None:  # a namespace package has no file of its own
        return Source("", "", True) if is_package else None
    try:
        text = _text_of(spec) if module is None else _loaded_text(name, spec)
    except (OSError, SyntaxError, UnicodeDecodeError, ImportError):  # compiled, or not to be read
        return None
    set_here = _set_by_hand(module, text) if module is not None else b""
    return Source(text, spec.origin, is_package, set_here)


def imported_by(code: types.CodeType, package: str) -> Iterator[str]:
    """Give the modules that a code object imports when it runs, also from within."""
    import dis

    if dis.opmap["IMPORT_NAME"] in code.co_code[::2]:
        before: list[Any] = []
        for instruction in dis.get_instructions(code):
            if instruction.opname == "IMPORT_NAME":
                level, listed = before[-2:]
                yield from _named(instruction.argval, level, listed or (), package)
            elif instruction.opname.startswith("LOAD_"):
                before.append(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from imported_by(constant, package)


# Of modules that are loaded: what they were loaded from is what travels, until loaded again.
_TEXTS: dict[str, tuple[ModuleSpec, str]] = {}


def _loaded_text(name: str, spec: ModuleSpec) -> str:
    known = _TEXTS.get(name)
    if known is None or known[0] is not spec:
        known = _TEXTS[name] = (spec, _text_of(spec))
    return known[1]


def _text_of(spec: ModuleSpec) -> str:
    assert spec.origin is not None
    get_source = getattr(spec.loader, "get_source", None)
    if get_source is not None and not os.path.exists(spec.origin):  # in a zip file
        return str(get_source(spec.name))
    if not spec.origin.endswith(".py"):
        raise ImportError(f"{spec.origin} has no source")
    with tokenize.open(spec.origin) as file:
        return file.read()


@lru_cache(maxsize=512)
def _imports(text: str, package: str) -> tuple[str, ...]:
    found: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            found += _named(node.module or "", node.level, names, package)
    return tuple(dict.fromkeys(found))


def _named(module: str, level: int, listed: Iterable[str], package: str) -> Iterator[str]:
    """Give what `from <level dots><module> import <listed>` may import."""
    if level:
        parts = package.split(".")
        module = ".".join(filter(None, [*parts[: len(parts) - level + 1], module]))
    if module:
        yield module
        yield from (f"{module}.{name}" for name in listed if name != "*")


def _set_by_hand(module: Any, text: str) -> bytes:
    """Pickle the names whose values here are not the literals that the source gives them.

    `config.N = 100` in a script is meant for its tasks as well.
    """
    space = vars(module)
    changed = {
        name: space[name]
        for name, literal in _literals(text)
        if name in space and not name.startswith("_") and not _same(space[name], literal)
    }
    if not changed:
        return b""
    from pymonik import pickling

    kept = {}
    for name, value in changed.items():
        try:
            data, raw, lazies = pickling.freeze(value)
        except Exception:  # a lock, an open file: the module there makes its own, or has none
            continue
        if not lazies:
            kept[name] = (data, [bytes(view) for view in raw])
    import pickle

    return pickle.dumps(kept, protocol=5) if kept else b""


def _same(value: Any, literal: Any) -> bool:
    try:
        return type(value) is type(literal) and bool(value == literal)
    except Exception:  # whatever an __eq__ of the user raises
        return False


@lru_cache(maxsize=512)
def _literals(text: str) -> tuple[tuple[str, Any], ...]:
    """Give the names that a module assigns once, at its top, and the literals they get."""
    counts: dict[str, int] = {}
    found: dict[str, Any] = {}
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            counts[node.id] = counts.get(node.id, 0) + 1
    for statement in tree.body:
        target, value = _assignment(statement)
        if target is not None and counts[target] == 1:
            try:
                found[target] = ast.literal_eval(value)
            except ValueError:
                continue
    return tuple(found.items())


def _assignment(statement: ast.stmt) -> tuple[str | None, Any]:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target: ast.expr = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target = statement.target
    else:
        return None, None
    return (target.id, statement.value) if isinstance(target, ast.Name) else (None, None)
