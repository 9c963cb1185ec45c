"""The source of a module as it travels, and the modules that code imports.

Enters: code objects. Leaves: names of modules. Where modules lie is the business of
`local_modules`, what their sources are of `source_closure`.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Iterator
from typing import Any

from pymonik.system.structs import NamedTuple

# What imports a module whose name it is given, and what such a name is.
_BY_NAME = frozenset(("import_module", "__import__"))
_MODULE = r"\.*[^\W\d]\w*(\.[^\W\d]\w*)*"


class ModuleSource(NamedTuple):
    """What a module is made of. `set_here`: values that the program has set in it, pickled."""

    text: str
    file: str
    is_package: bool
    set_here: bytes = b""


def imported_by(code: types.CodeType, package: str) -> Iterator[str]:
    """Return the modules that a code object imports when it runs, also from within.

    Those as well whose names are constants of code that imports by name.
    """
    import dis

    if dis.opmap["IMPORT_NAME"] in code.co_code[::2]:
        before: list[Any] = []
        for instruction in dis.get_instructions(code):
            if instruction.opname == "IMPORT_NAME":
                level, listed = before[-2:]
                yield from named(instruction.argval, level, listed or (), package)
            elif instruction.opname.startswith("LOAD_"):
                before.append(instruction.argval)
    is_dynamic = not _BY_NAME.isdisjoint(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from imported_by(constant, package)
        elif is_dynamic and isinstance(constant, str) and re.fullmatch(_MODULE, constant):
            level = len(constant) - len(constant.lstrip("."))
            yield from named(constant[level:], level, (), package)


def named(module: str, level: int, listed: Iterable[str], package: str) -> Iterator[str]:
    """Yield what `from <level dots><module> import <listed>` may import."""
    if level:
        parts = package.split(".")
        module = ".".join(filter(None, [*parts[: len(parts) - level + 1], module]))
    if module:
        yield module
        yield from (f"{module}.{name}" for name in listed if name != "*")
