"""Fingerprints of functions: the same in every run, another when what a call computes may change.

Enters: a function. Leaves: a digest for each part of it: its own code, helpers that travel along,
global values, packages, Python. Pickled bytes differ from run to run, so code objects are read
instead, without file names and lines, and sets in order.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import logging
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from pymonik.capture import global_names, reachable
from pymonik.content import Content

logger = logging.getLogger("pymonik")
Parts = dict[str, str]
_DEPTH = 12


class Stored:
    """A function that was captured elsewhere and is known by its parts."""

    def __init__(self, load: Callable[[], Any], parts: Parts, parameters: tuple[str, ...]) -> None:
        self.load = load
        self.parts = parts
        self.parameters = parameters

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Load the function and call it."""
        return self.load()(*args, **kwargs)


def fingerprint(function: Callable[..., Any], packages: bool = True) -> str:
    """Give the digest of all parts of a function; packages: their versions count as well."""
    return _digest(repr(sorted(parts_of(function, packages).items())))


def parts_of(function: Callable[..., Any], packages: bool = True) -> Parts:
    """Give a digest by part: "code of f", "global K", "package numpy", "python"."""
    if isinstance(function, Stored):
        some = function.parts.items()
        return {name: p for name, p in some if packages or not name.startswith("package ")}
    parts: Parts = {}
    functions = reachable(function)
    for reached in functions:
        parts.setdefault(f"code of {reached.__qualname__}", _code_digest(reached))
        for name, value in sorted(_values(reached)):
            parts.setdefault(name, _digest(_text(value)))
    if isinstance(function, functools.partial):
        parts["bound arguments"] = _digest(_text((function.args, function.keywords)))
    if not functions:
        parts[f"code of {getattr(function, '__qualname__', repr(type(function)))}"] = ""
    if packages:  # to ask for versions is slow where many are installed
        from pymonik.graph.imports import versions

        parts.update((f"package {name}", found) for name, found in versions(function).items())
    parts["python"] = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return parts


# Of contents that came from a file: what they were is known, and need not be loaded to be compared.
_KNOWN: WeakKeyDictionary[Content, str] = WeakKeyDictionary()


def remember(content: Content, digest: str) -> None:
    """Note the digest of a content that was written elsewhere."""
    _KNOWN[content] = digest


def content_digest(content: Content, slots: int = 0) -> str:
    """Give a digest that is the same in every run for equal values.

    A pickle that carries classes or functions of the script along is another in each run: it is
    loaded, and its value is read. slots: how many holes it has.
    """
    known = _KNOWN.get(content)
    if known is None:
        known = content.digest.hex()
        if b"cloudpickle" in content.data:
            try:
                known = _digest(_text(content.load([f"slot {i}" for i in range(slots)])))
            except Exception:  # whatever a class of the user does when it is made without a call
                logger.debug("a value cannot be read again: its bytes are compared", exc_info=True)
        _KNOWN[content] = known
    return known


def parameters_of(function: Callable[..., Any], context: bool = False) -> tuple[str, ...]:
    """Give the names of the parameters, none when it does not tell."""
    if isinstance(function, Stored):
        return function.parameters
    import inspect

    try:
        names = tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()
    return names[1 if context else 0 :]


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


def _code_digest(function: types.FunctionType) -> str:
    return _digest(_Text().code_of(function))


def _constants(code: types.CodeType) -> list[Any]:
    """Give the constants but the docstring, which computes nothing."""
    constants = list(code.co_consts)
    if constants and isinstance(constants[0], str) and code.co_flags & 0x2:
        constants[0] = None
    return constants


def _values(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Give the global and closure values a function uses, but modules and functions."""
    for name in set(global_names(function.__code__)) & function.__globals__.keys():
        value = function.__globals__[name]
        inner = getattr(value, "__pymonik_function__", value)
        if not isinstance(inner, (types.ModuleType, types.FunctionType, types.BuiltinFunctionType)):
            yield f"global {name}", value
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            value = cell.cell_contents
        except ValueError:  # an empty cell
            continue
        if not isinstance(value, types.FunctionType):
            yield f"closure {name}", value


def _text(value: Any) -> str:
    """Write a value so that equal ones give equal texts in every run."""
    return _Text().of(value)


class _Text:
    """Writes one value; functions and classes that travel along are written where first met."""

    def __init__(self) -> None:
        self.met: dict[int, Any] = {}
        self.depth = 0

    def of(self, value: Any) -> str:
        if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
            return f"{type(value).__name__}:{value!r}"
        if self.depth > _DEPTH:
            return f"deep {type(value).__qualname__}"
        self.depth += 1
        try:
            return self._inside(value)
        finally:
            self.depth -= 1

    def _inside(self, value: Any) -> str:
        kind = type(value).__qualname__
        if isinstance(value, (list, tuple)):
            return f"{kind}[{','.join(map(self.of, value))}]"
        if isinstance(value, (set, frozenset)):
            return f"{kind}{{{','.join(sorted(map(self.of, value)))}}}"
        if isinstance(value, Mapping):
            pairs = (f"{self.of(key)}={self.of(item)}" for key, item in value.items())
            return f"{kind}{{{','.join(pairs)}}}"
        if isinstance(value, types.FunctionType):
            return self._once(value, self._function)
        if isinstance(value, type):
            return self._once(value, self._class)
        if _travels(type(value)):
            return f"{self.of(type(value))}({self.of(_state(value))})"
        if dataclasses.is_dataclass(value):
            return f"{kind}({self.of(_state(value))})"
        return _pickled(value)

    def _once(self, value: Any, write: Callable[[Any], str]) -> str:
        if id(value) in self.met:
            return f"again {value.__qualname__}"
        self.met[id(value)] = value
        return write(value)

    def _function(self, function: types.FunctionType) -> str:
        values = (f"{name}={self.of(value)}" for name, value in sorted(_values(function)))
        return f"{function.__qualname__}({self.code_of(function)};{','.join(values)})"

    def code_of(self, function: types.FunctionType) -> str:
        defaults = (function.__defaults__, function.__kwdefaults__)
        return self._code(function.__code__) + self.of(defaults)

    def _code(self, code: types.CodeType) -> str:
        constants = [
            self._code(c) if isinstance(c, types.CodeType) else self.of(c) for c in _constants(code)
        ]
        shape = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        return repr((code.co_code, shape, names, constants))

    def _class(self, kind: type) -> str:
        """Write a class by its name, and by its methods when it travels with the function."""
        name = f"{kind.__module__}.{kind.__qualname__}"
        if not _travels(kind):
            return name
        methods = []
        for key, value in sorted(vars(kind).items()):
            wrapped = [getattr(value, part, None) for part in ("__func__", "func", "fget", "fset")]
            for function in (value, *wrapped):
                if isinstance(function, types.FunctionType):
                    methods.append(f"{key}={self.of(function)}")
        bases = ",".join(map(self.of, kind.__bases__))
        return f"{name}({bases};{','.join(methods)})"


def _travels(kind: type) -> bool:
    """Tell whether a class is pickled by value: no worker could import it."""
    from pymonik.local import is_local

    return kind.__module__ == "__main__" or is_local(kind.__module__)


def _state(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.name
    return getattr(value, "__dict__", None) or _pickled(value)


def _pickled(value: Any) -> str:
    """Write what has no better text by its pickle; what has none is known by its type."""
    from pymonik import pickling

    try:
        data, buffers, _ = pickling.freeze(value)
    except Exception:  # whatever a reducer of the user raises
        return type(value).__qualname__
    hasher = hashlib.blake2b(data, digest_size=10)
    for view in buffers:
        hasher.update(view)
    return f"{type(value).__qualname__}:{hasher.hexdigest()}"
