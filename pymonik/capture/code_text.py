"""Code objects as texts: what they compute, without files, lines, docstrings and names of locals.

Enters: a code object. Leaves: tokens, and the names that it takes from its module and from objects.
Bytecode is read as the interpreter gives it, the same for a release of Python on every machine.
"""

from __future__ import annotations

import opcode
import sys
import types
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from pymonik.system.blake import blake2b
from pymonik.system.structs import NamedTuple

# Numbers, not names: this is read for each instruction.
_EXTENDED = opcode.opmap["EXTENDED_ARG"]
# The low bits of some arguments are flags, since a version of Python.
_FLAGS = (("LOAD_GLOBAL", 1, 11), ("LOAD_ATTR", 1, 12), ("LOAD_SUPER_ATTR", 2, 12))
_SHIFTS = {
    opcode.opmap[name]: bits
    for name, bits, since in _FLAGS
    if name in opcode.opmap and sys.version_info >= (3, since)
}
# Operations that name a global; those of class bodies look there last.
_OF_MODULE = (
    "LOAD_GLOBAL",
    "STORE_GLOBAL",
    "DELETE_GLOBAL",
    "LOAD_NAME",
    "LOAD_FROM_DICT_OR_GLOBALS",
)
_GLOBAL_OPS = {opcode.opmap[name] for name in _OF_MODULE if name in opcode.opmap}
STORING = {opcode.opmap["STORE_GLOBAL"], opcode.opmap["DELETE_GLOBAL"]}
_IMPORT = opcode.opmap["IMPORT_NAME"]
_NAME_OPS = set(opcode.hasname)
_CONST_OPS = set(opcode.hasconst)
# Who reads one of these may see how functions and their variables are called, or their docstrings.
_OWN_NAMES = ("__name__", "__qualname__", "__doc__", "__code__")
_REFLECTIVE = frozenset(
    (
        *(*_OWN_NAMES, "f_code", "gi_code", "tb_frame", "_getframe", "inspect", "traceback"),
        *("getdoc", "locals", "globals", "vars", "dir", "eval", "exec"),
    )
)
# Of bytes and texts: longer ones are known by their digest.
_LONG = 4096


class Uses(NamedTuple):
    """The names that a code object and those inside it use, each in the order of first use."""

    globals: tuple[str, ...]
    attributes: tuple[str, ...]
    imports: tuple[str, ...]
    stores: bool
    is_reflective: bool


# More code objects than the tasks of a program reach; it keeps them alive, so it has an end.
@lru_cache(maxsize=4096)
def uses(code: types.CodeType) -> Uses:
    """Return the names that a code object uses, those inside it included."""
    of_module: dict[str, None] = {}
    imports: dict[str, None] = {}
    others: dict[str, None] = {}
    kinds = {**dict.fromkeys(_GLOBAL_OPS, of_module), _IMPORT: imports}
    stores = is_reflective = False
    for one in (code, *nested(code)):
        before = None
        for op, argument in instructions(one.co_code):
            if op not in _NAME_OPS:
                before = None
                continue
            name = one.co_names[argument]
            kinds.get(op, others)[name] = None
            stores = stores or op in STORING
            # `self.__class__.__name__` is the name of a class, which is written anyway.
            is_reflective = is_reflective or (name in _REFLECTIVE and before != "__class__")
            before = name
        texts = [c for c in one.co_consts if isinstance(c, str) and c != docstring(one)]
        # A constant may name an attribute, as in getattr(module, "rate") or "{0.__name__}".
        others.update((text, None) for text in texts if text.isidentifier())
        is_reflective = is_reflective or any(own in text for text in texts for own in _OWN_NAMES)
    is_reflective = is_reflective or not _REFLECTIVE.isdisjoint(imports)
    return Uses(tuple(of_module), tuple(others), tuple(imports), stores, is_reflective)


def nested(code: types.CodeType) -> Iterator[types.CodeType]:
    """Return the code objects inside one, at any depth."""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from nested(constant)


def instructions(code: bytes) -> Iterator[tuple[int, int]]:
    """Return opcodes with their arguments, as indexes into the tables of a code object."""
    extended = 0
    for place in range(0, len(code), 2):
        if not code[place]:  # room for what the interpreter remembers, since 3.11
            continue
        op, argument = code[place], code[place + 1] | extended
        extended = argument << 8 if op == _EXTENDED else 0
        yield op, argument >> _SHIFTS.get(op, 0)


def docstring(code: types.CodeType) -> str | None:
    """Return the docstring of a code object: its first constant, if no instruction loads it."""
    constants = code.co_consts
    if not constants or not isinstance(constants[0], str):
        return None
    loads = (a for op, a in instructions(code.co_code) if op in _CONST_OPS)
    return None if 0 in loads else constants[0]


class CodeWriter:
    """Writes code objects; hears of names that usually compute nothing.

    write: takes tokens. constant: writes a constant. named: takes a name and whether only code that
    looks at its own names can see it.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        constant: Callable[[Any], None],
        named: Callable[[str, bool], None],
    ) -> None:
        self._write = write
        self._constant = constant
        self._named = named

    def code(self, code: types.CodeType, unnamed: frozenset[str] = frozenset()) -> None:
        """Write a code object.

        unnamed: names of its module that stand for functions; what they are called is reported, not
        written.
        """
        parameters = code.co_argcount + code.co_kwonlyargcount
        parameters += bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)  # *args, **kwargs
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
        sizes = (len(code.co_varnames), len(code.co_cellvars), len(code.co_freevars))
        raised = getattr(code, "co_exceptiontable", b"")  # 3.11: what `try` covers
        self._write(f"code {code.co_code.hex()} {raised.hex()} {counts} {sizes} {code.co_flags}")
        self._write(repr(code.co_varnames[:parameters]))
        attributes = _attributes(code) if unnamed else frozenset(code.co_names)
        for name in code.co_names:
            if name in unnamed and name not in attributes:
                self._named(name, False)
                name = "…"
            self._write(name)
        # A parameter that an inner function uses is a cell, too: it is written above.
        locals_ = (*code.co_varnames[parameters:], *code.co_cellvars, *code.co_freevars)
        for name in locals_:
            self._named(name, False)
        self._constants(code, unnamed)

    def _constants(self, code: types.CodeType, unnamed: frozenset[str]) -> None:
        self._write("(")
        before: Any = None
        for index, constant in enumerate(code.co_consts):
            if isinstance(constant, types.CodeType):
                self._named(constant.co_name, False)
                self._named(getattr(constant, "co_qualname", ""), True)
                self.code(constant, unnamed)
            elif index == 0 and constant == docstring(code) and constant is not None:
                self._named(constant, True)
                self._write("None")
            elif _is_qualname(constant, before):
                self._named(constant, True)
            else:
                self._constant(constant)
            before = constant
        self._write(")")


def _attributes(code: types.CodeType) -> frozenset[str]:
    """Return the names of one code object that do not stand for what its module has."""
    return frozenset(
        code.co_names[argument]
        for op, argument in instructions(code.co_code)
        if op in _NAME_OPS and op not in _GLOBAL_OPS
    )


def _is_qualname(constant: Any, before: Any) -> bool:
    """Return whether a constant is what Python 3.10 calls the function before it."""
    return (
        sys.version_info < (3, 11)
        and isinstance(before, types.CodeType)
        and isinstance(constant, str)
        and constant.rpartition(".")[2] == before.co_name
    )


def plain(value: Any) -> str:
    """Write a number, a text, bytes or None: equal texts mean the same type and value."""
    if isinstance(value, int) and not isinstance(value, bool):
        return hex(value)  # the decimal digits of an int are limited
    if isinstance(value, (str, bytes)) and len(value) > _LONG:
        data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        return f"{type(value).__name__} {hashed(data)}"
    return repr(value)


def hashed(data: Any) -> str:
    """Return length and digest of bytes."""
    view = memoryview(data)
    # 128 bits: any two constants of a program may be compared by it.
    return f"{view.nbytes} {blake2b(view, digest_size=16).hexdigest()}"
