"""The decorator `@task`: options of a function, said where it is defined.

Enters: a function and keywords. Leaves: a `Task`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, NoReturn, ParamSpec, TypeVar, overload

from pymonik._pickled import public
from pymonik.record.task import Task
from pymonik.system.keywords import unknown_keyword
from pymonik.values.options import OPTION_NAMES, TaskOptions, merge

P = ParamSpec("P")
R = TypeVar("R")


@overload
def task(_func: Callable[P, R]) -> Task[P, R]: ...
@overload
def task(
    _func: None = None,
    *,
    require_context: bool = ...,
    function_name: str | None = ...,
    task_options: TaskOptions | None = ...,
    partition: str | None = ...,
    max_duration: timedelta | float | None = ...,
    priority: int | None = ...,
    max_retries: int | None = ...,
    retries: int | None = ...,
    retry_on: type[BaseException] | Sequence[type[BaseException]] | None = ...,
    pure: bool = ...,
    cache: bool = ...,
    version: object = ...,
    cost: float | None = ...,
    chunk_size: int | None = ...,
    environment: Any = ...,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
@public
def task(
    _func: Callable[..., Any] | None = None,
    *,
    require_context: bool = False,
    function_name: str | None = None,
    task_options: TaskOptions | None = None,
    partition: str | None = None,
    max_duration: timedelta | float | None = None,
    priority: int | None = None,
    max_retries: int | None = None,
    retries: int | None = None,
    retry_on: type[BaseException] | Sequence[type[BaseException]] | None = None,
    pure: bool = False,
    cache: bool = False,
    version: object = None,
    cost: float | None = None,
    chunk_size: int | None = None,
    environment: Any = None,
    **unknown: NoReturn,
) -> Any:
    """Make a task of a function: `@task`, or `@task(partition="gpu", max_duration=600)`.

    The options are those of `TaskOptions`; the other arguments are those of `Task`, of which
    `func_name` is `function_name` here, as in 0.2.5. Among other decorators it is applied last,
    that is, written on top.

    >>> @task(max_duration=60)
    ... def square(x):
    ...     return x * x
    >>> square(3)  # called plainly, it is the function
    9
    >>> with Pymonik():
    ...     square.invoke(3).get()
    9
    """
    if unknown:
        raise unknown_keyword("@task", unknown, task)

    def decorate(func: Callable[..., Any]) -> Task[..., Any]:
        given = TaskOptions(
            partition_id=partition,
            max_duration=max_duration,
            priority=priority,
            max_retries=max_retries,
            retries=retries,
            retry_on=retry_on,  # type: ignore[arg-type]  # made a tuple there
            cost=cost,
            chunk_size=chunk_size,
        )
        options = merge(task_options, given)
        return Task(
            func,
            require_context,
            function_name,
            options,
            pure=pure,
            cache=cache,
            version=version,
            environment=environment,
        )

    return decorate if _func is None else decorate(_func)


def unknown_setting(called: str, given: Iterable[str], function: Callable[..., Any]) -> TypeError:
    """Return the error of a client that is given what it has no argument for."""
    return unknown_keyword(called, given, function, _place_of)


def _place_of(name: str) -> str | None:
    """Return what takes an option of tasks; None for what is none."""
    places = [f"@task({name}=…)"] if name in (task.__kwdefaults__ or {}) else []
    if name in OPTION_NAMES:
        places.append(f"task_options=TaskOptions({name}=…)")
    return " or ".join(places) or None
