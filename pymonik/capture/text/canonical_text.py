"""Values as texts: equal texts mean equal values, in every run.

Enters: any value, functions and classes among them. Leaves: a text. Pickles of what travels along
differ from run to run, so all that a value can reach is read instead, in order: code objects
without file names and lines (`code_text`), with each name that they use and what it stands for;
classes with all that is in them; objects by what they are pickled by; sets in order. What can be
imported is named. Where two values are not surely equal, their texts differ: one is then
computed once too often, never taken for the other.
"""

from __future__ import annotations

import abc
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pymonik.capture.class_parts import registry_of
from pymonik.capture.code_text import uses
from pymonik.capture.reachable import global_names
from pymonik.capture.text.by_name import is_unnamed, package_of, pickled
from pymonik.capture.text.value_text import ValueWriter
from pymonik.system.garbage import collecting_later

# What a class statement, an abstract class or the pickler notes for itself, and what is found again
# in the rest of the class. Compiled forms that pydantic makes of the fields hold addresses.
_DERIVED = frozenset(
    (
        *("__dict__", "__weakref__", "__module__", "__doc__", "__slotnames__"),
        *("__firstlineno__", "__static_attributes__", "__abstractmethods__", "_abc_impl"),
        *("__pydantic_core_schema__", "__pydantic_validator__", "__pydantic_serializer__"),
        "__pydantic_parent_namespace__",
    )
)
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)


def text(value: Any) -> str:
    """Write a value so that equal ones give equal texts in every run."""
    writer = TextWriter()
    return _written(writer, value, writer.of)


def whole_text(function: Callable[..., Any]) -> tuple[str, set[str]]:
    """Write a function with all that it can reach; return the packages that it imports, too.

    Names of functions and of local variables are written only when something may look at them:
    code that reads `__name__` or `locals()`, say, or a package that is given a function.
    """
    writer = TextWriter()
    return _written(writer, function, writer.root), writer.packages


def code_text(function: types.FunctionType) -> str:
    """Write the code of a function and its defaults, without the values that it uses."""
    writer = TextWriter()
    return _written(writer, function, lambda function: writer.head(function, frozenset()))


def values_of(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Return the global and closure values a function uses, but modules and functions."""
    for name, value in _used(function):
        inner = getattr(value, "__pymonik_function__", value)
        if not isinstance(inner, (types.FunctionType, types.BuiltinFunctionType)):
            yield name, value


def _used(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name in sorted(set(global_names(function.__code__)) & function.__globals__.keys()):
        value = function.__globals__[name]
        if not isinstance(value, types.ModuleType):
            yield f"global {name}", value
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            yield f"closure {name}", cell.cell_contents
        except ValueError:  # an empty cell
            continue


def _written(writer: TextWriter, value: Any, write: Callable[[Any], None]) -> str:
    try:
        collecting_later(lambda: write(value))
    except RecursionError:
        return pickled(value)
    return writer.text()


class TextWriter(ValueWriter):
    """Writes functions and classes, too."""

    def root(self, function: Any) -> None:
        """Write a function, whatever module it is of, but not what it is called."""
        if type(function) is not types.FunctionType:
            self.of(function)
            return
        self._met[id(function)] = 0, function
        self._tell(function.__name__, True)
        self._body(function)

    def _function(self, function: types.FunctionType) -> None:
        self._tell(function.__name__, False)
        self._body(function)

    def _body(self, function: types.FunctionType) -> None:
        used = uses(function.__code__)
        self._is_reflective = self._is_reflective or used.is_reflective
        self._stores = self._stores or used.stores
        self.packages.update(filter(None, map(package_of, used.imports)))
        space = function.__globals__
        self._spaces.append(str(self._met.setdefault(id(space), (len(self._met), space))[0]))
        names = [name for name in used.globals if name in space]
        unnamed = frozenset(name for name in names if is_unnamed(space[name]))
        self._write("function(")
        self.head(function, unnamed)
        for name in names:
            self._write("global" if name in unnamed else f"global {name}")
            self.of(space[name])
            self._attributes(space[name], used.attributes)
        for cell in function.__closure__ or ():
            self.of(cell)
        self._write(")")

    def head(self, function: types.FunctionType, unnamed: frozenset[str]) -> None:
        """Write code, defaults and attributes of a function."""
        self._tell(function.__qualname__, True)
        self._code.code(function.__code__, unnamed)
        rest = (function.__defaults__, function.__kwdefaults__)
        # Of `def f[T](x: T)`, since Python 3.12.
        variables = getattr(function, "__type_params__", ())
        self._parts("with", *rest, function.__annotations__, function.__dict__, *variables)

    def _attributes(self, value: Any, names: Iterable[str], levels: int = 4) -> None:
        """Write what code may take from a local module by name, at most `levels` packages deep."""
        from pymonik.capture.local_modules import is_local

        if type(value) is not types.ModuleType or not is_local(value.__name__) or not levels:
            return
        for name in names:
            if name in vars(value):
                self._write(f"attribute {name}")
                self.of(vars(value)[name])
                self._attributes(vars(value)[name], names, levels - 1)

    def _class(self, kind: type) -> None:
        self._parts(f"class {kind.__module__}.{kind.__qualname__}", type(kind), kind.__bases__)
        for name, value in vars(kind).items():
            if name == "__doc__":
                self._hidden.append(repr(value))
            elif name == "__annotations__" and not value:
                continue  # made by whoever asked for it
            elif name not in _DERIVED and not isinstance(value, _SLOTS):
                self._write(f"member {name}")
                self.of(value)
        if isinstance(kind, abc.ABCMeta):
            self.of({registered for ref in registry_of(kind) if (registered := ref()) is not None})
        self._write("end")
