"""Sources of local modules: what is in them, and which other modules they import.

Enters: names of modules. Leaves: their sources, with those of the local modules they import, found
by reading: nothing is imported here for it. Where modules lie is the business of `local_modules`.
"""

from __future__ import annotations

import ast
import os
import sys
import tokenize
from collections.abc import Iterable
from functools import lru_cache
from importlib.machinery import ModuleSpec

from pymonik.capture.local_modules import is_local, lies_here, spec_of
from pymonik.capture.set_here import set_by_program
from pymonik.capture.source import ModuleSource, named


def closure(names: Iterable[str]) -> dict[str, ModuleSource]:
    """Return the sources of local modules, and of those that they import; others are left out."""
    sources: dict[str, ModuleSource] = {}
    open_ones = list(names)
    while open_ones:
        name = open_ones.pop()
        if name in sources or name == "__main__":
            continue
        source = source_of(name)
        if source is None:
            continue
        sources[name] = source
        package = name if source.is_package else name.rpartition(".")[0]
        open_ones += (name.rpartition(".")[0], *_imports(source.text, package))
    return sources


def source_of(name: str) -> ModuleSource | None:
    """Return the source of a local module; None for what is not local, or has none."""
    top = name.partition(".")[0]
    if not top or (top in sys.stdlib_module_names and not is_local(top)):
        return None
    module, spec = sys.modules.get(name), spec_of(name)
    if spec is None or not lies_here(name, spec, module):
        return None
    is_package = spec.submodule_search_locations is not None
    if not spec.has_location or spec.origin is None:  # a namespace package has no file of its own
        return ModuleSource("", "", True) if is_package else None
    try:
        text = _text_of(spec) if module is None else _loaded_text(name, spec)
    except (OSError, SyntaxError, UnicodeDecodeError, ImportError):  # compiled, or not to be read
        return None
    set_here = set_by_program(module, text) if module is not None else b""
    return ModuleSource(text, spec.origin, is_package, set_here)


# Of modules that are loaded: what they were loaded from is what travels, until loaded again.
_TEXTS: dict[str, tuple[ModuleSpec, str]] = {}


def _loaded_text(name: str, spec: ModuleSpec) -> str:
    cached = _TEXTS.get(name)
    if cached is None or cached[0] is not spec:
        cached = _TEXTS[name] = (spec, _text_of(spec))
    return cached[1]


def _text_of(spec: ModuleSpec) -> str:
    assert spec.origin is not None
    get_source = getattr(spec.loader, "get_source", None)
    if get_source is not None and not os.path.exists(spec.origin):  # in a zip file
        return str(get_source(spec.name))
    if not spec.origin.endswith(".py"):
        raise ImportError(f"{spec.origin} has no source")
    with tokenize.open(spec.origin) as file:
        return file.read()


# By their texts, as in `set_here`.
@lru_cache(maxsize=512)
def _imports(text: str, package: str) -> tuple[str, ...]:
    modules: list[str] = []
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # of another Python, maybe: its import says so, if it comes
        return ()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            modules += named(node.module or "", node.level, names, package)
    return tuple(dict.fromkeys(modules))
