"""Functions of our own that calls run: what `unpack` means, and calls of the user's functions.

Enters: values. Leaves: values. They are pickled by their names.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from pymonik._pickled import pickled
from pymonik.humanize import counted
from pymonik.system.structs import Struct


class BuiltinTask(Struct, eq=False):
    """A task of a function of our own: pure, without options."""

    func: Callable[..., Any]
    func_name: str
    require_context: bool = False
    task_options: None = None
    pure: bool = True
    cache: bool = False
    version: object = None
    environment: None = None


@functools.cache
def builtin(function: Callable[..., Any]) -> BuiltinTask:
    """Return the task of a function of our own."""
    return BuiltinTask(function, function.__name__)


def calling(context: bool) -> BuiltinTask:
    """Return the task that calls the function it is given first."""
    return builtin(call_in if context else call)


@pickled
def identity(value: Any) -> Any:
    """Return the value: what assembles a container out of the values in it."""
    return value


@pickled
def unpacked(value: Any, n: int, index: int) -> Any:
    """Return an item of a value that has to have n of them."""
    if not hasattr(value, "__len__"):
        raise TypeError(
            f"unpack({n}) needs a sequence, and the value is of type {type(value).__name__}"
        )
    if len(value) != n:
        raise ValueError(f"unpack({n}) of a value with {counted(len(value), 'item')}")
    return value[index]


# The parameters of these are positional: those of the user's function may have any name.


@pickled
def call(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Call a function that is an argument itself."""
    return function(*args, **kwargs)


@pickled
def call_in(context: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Call a function that takes the context first."""
    return function(context, *args, **kwargs)


@pickled
def call_whole(function: Any, whole: Any, /) -> Any:
    """Call a function with arguments that are one value."""
    return function(*whole[0], **whole[1])


@pickled
def call_whole_in(context: Any, function: Any, whole: Any, /) -> Any:
    """Call a function with the context, and arguments that are one value."""
    return function(context, *whole[0], **whole[1])


@pickled
def call_row(function: Any, row: Any, /, **kwargs: Any) -> Any:
    """Call a function with a row of positional arguments."""
    return function(*row, **kwargs)


@pickled
def call_row_in(context: Any, function: Any, row: Any, /, **kwargs: Any) -> Any:
    """Call a function with the context, and a row of positional arguments."""
    return function(context, *row, **kwargs)
