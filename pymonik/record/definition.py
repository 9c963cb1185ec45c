"""What a recorder has to know of a task: its function, and how it is to be run.

It is what `Task` is to the user without its methods; `builtin_tasks` has others of the kind. Here
is checked, too, what users make tasks of.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, Protocol

from pymonik.errors import TaskDefinitionError
from pymonik.system.attributes import role_of
from pymonik.values.options import TaskOptions

# What `inspect` calls CO_VARARGS, CO_GENERATOR, CO_COROUTINE and CO_ASYNC_GENERATOR.
_ANY_COUNT, _GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x04, 0x20, 0x80, 0x200


class TaskDefinition(Protocol):
    """The part of a task that is recorded; see `Task` for the meaning of each."""

    @property
    def func(self) -> Callable[..., Any]:
        """The function itself."""

    @property
    def func_name(self) -> str:
        """The name that it goes by."""

    @property
    def require_context(self) -> bool:
        """Whether it takes the context of its call first."""

    @property
    def task_options(self) -> TaskOptions | None:
        """The options of its calls, None for those of the client."""

    @property
    def pure(self) -> bool:
        """Whether equal arguments give equal values."""

    @property
    def cache(self) -> bool:
        """Whether its values are kept for other programs."""

    @property
    def version(self) -> object:
        """What keys of kept values hold besides its code."""

    @property
    def environment(self) -> Any:
        """The environment that its calls run in, None for that of the client."""


def check_definition(
    func: Any, func_name: Any, require_context: Any, pure: Any, cache: Any, version: Any
) -> None:
    """Refuse what no task is made of; raises TaskDefinitionError."""
    if role_of(type(func)) == "task":
        raise TaskDefinitionError(f"{func!r} is a task already: pass its function")
    if isinstance(func, (staticmethod, classmethod, property)):
        raise TaskDefinitionError(f"apply @task to the function, below @{type(func).__name__}")
    if not callable(func):
        raise TaskDefinitionError(f"a task is made of a callable, not of {func!r}")
    if _is_coroutine_function(func):
        raise TaskDefinitionError(
            f"{func!r} is a coroutine function: make it a plain one, that calls asyncio.run"
        )
    if _flags_of(func) & (_GENERATOR | _ASYNC_GENERATOR):
        raise TaskDefinitionError(
            f"{func!r} is a generator function, and a generator cannot leave the process that "
            "made it: return a list of the items instead"
        )
    if require_context is True and not _takes_one(func):
        raise TaskDefinitionError(
            f"{func!r} has no parameter for its context, which require_context=True passes first: "
            "write it as the first one, such as `ctx`"
        )
    for name, flag in (("require_context", require_context), ("pure", pure), ("cache", cache)):
        if not isinstance(flag, bool):
            raise TaskDefinitionError(f"{name} takes True or False, not {flag!r}")
    if cache and not pure:
        raise TaskDefinitionError(
            "cache=True is for pure tasks: say @task(pure=True, cache=True) if the value "
            "depends on the arguments alone and the call has no effects"
        )
    if version is not None and not cache:
        raise TaskDefinitionError("version= has an effect only with cache=True")
    if not isinstance(version, (str, int, float, type(None))):
        raise TaskDefinitionError(f"version takes a number or a text, not {version!r}")
    if not isinstance(func_name, (str, type(None))):
        raise TaskDefinitionError(f"the name of a task is a text, not {func_name!r}")


def _flags_of(func: Any) -> int:
    return int(func.__code__.co_flags) if type(func) is FunctionType else 0


def _takes_one(func: Any) -> bool:
    """Return whether a function takes an argument by its place; what is no function tells later."""
    if type(func) is not FunctionType or hasattr(func, "__wrapped__"):
        return True
    return func.__code__.co_argcount > 0 or bool(_flags_of(func) & _ANY_COUNT)


def _is_coroutine_function(func: Any) -> bool:
    if type(func) is FunctionType and not vars(func):  # the usual case: nothing is marked, either
        return bool(func.__code__.co_flags & _COROUTINE)
    import inspect  # not for `import pymonik`

    return inspect.iscoroutinefunction(func)


def name_of(func: Any) -> str:
    """Return the name that a task of a function goes by, where it was given none."""
    name = getattr(func, "__name__", None)
    if name == "<lambda>":
        raise TaskDefinitionError(
            "a lambda has no name of its own: give one, Task(lambda …, func_name='add')"
        )
    if name is None:
        raise TaskDefinitionError(
            f"{func!r} has no name of its own: give one, Task(…, func_name='name')"
        )
    return str(name)
