"""Tasks: plain functions that can be recorded.

Enters: a function and its options. Leaves: nodes, by way of the recorder of the place. Called
plainly, a task is the function. Signatures are checked here, at the user's own line.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, ClassVar, Generic, ParamSpec, TypeVar, overload

from pymonik.capture import SMALL
from pymonik.errors import NoClientError, SignatureError, TaskDefinitionError
from pymonik.graph.slots import Const, Nested
from pymonik.handle import ResultHandle
from pymonik.multi import MultiResultHandle
from pymonik.options import TaskOptions, demand, merge
from pymonik.recorder import Recorder, current_recorder
from pymonik.signature import Signature

P = ParamSpec("P")
R = TypeVar("R")


class Task(Generic[P, R]):
    """A function that runs where the graph runs.

    func: any callable that can be pickled. func_name: how it is called in graphs and logs; a
    lambda needs one. require_context: pass a `PymonikContext` first. pure: equal calls may be
    shared and calls nobody needs dropped. Raises TaskDefinitionError.
    """

    __pymonik_role__: ClassVar[str] = "task"

    def __init__(
        self,
        func: Callable[P, R],
        require_context: bool = False,
        func_name: str | None = None,
        task_options: TaskOptions | None = None,
        *,
        pure: bool = False,
        environment: Any = None,
    ) -> None:
        if isinstance(func, Task):
            raise TaskDefinitionError(f"{func!r} is a task already: pass its function")
        if not callable(func):
            raise TaskDefinitionError(f"a task is made of a callable, not of {func!r}")
        if inspect.iscoroutinefunction(func):
            raise TaskDefinitionError(f"{func!r} is a coroutine function: a task is a plain one")
        if isinstance(func, (staticmethod, classmethod)):
            raise TaskDefinitionError("apply @task to the function, below @staticmethod")
        self.func = func
        self.func_name: str = func_name or _name_of(func)
        self.require_context = require_context
        self.task_options = merge(task_options) if task_options is not None else None
        self.pure = pure
        self.environment = _environment(environment)
        self._signature = Signature(func, self.func_name, require_context)
        self.__name__ = self.func_name
        self.__doc__ = getattr(func, "__doc__", None)
        self.__module__ = getattr(func, "__module__", None) or __name__
        self.__wrapped__ = func

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function here and now."""
        if self.require_context and not self._signature.has_context(args):
            from pymonik.context import local_context

            return self.func(local_context(self.func_name), *args, **kwargs)  # type: ignore[arg-type]
        return self.func(*args, **kwargs)

    def invoke(
        self,
        *args: Any,
        pymonik: Recorder | None = None,
        delegate: bool = False,
        task_options: TaskOptions | None = None,
        **kwargs: Any,
    ) -> ResultHandle[R]:
        """Record a call and give the handle of its value.

        pymonik: the client to record with, the current one unless given. delegate: inside a task,
        let this call's value be the value of that task. task_options, `pmk_…`: options of this
        call; `pmk_name=` names its value. Raises SignatureError, CaptureError, NoClientError.
        """
        recorder = current_recorder() if pymonik is None else _client(pymonik)
        if recorder._closed or delegate:
            recorder.check(delegate)
        label = None
        if kwargs or task_options is not None:
            if task_options is not None:
                demand(task_options)
            task_options, label = recorder.call_options(kwargs, task_options)
        count = len(args)
        if kwargs or not self._signature.low <= count <= self._signature.high:
            self._signature.check(args, kwargs)
        frame = sys._getframe(1)
        for value in args:
            if type(value) not in SMALL:
                args = tuple(map(recorder.argument, args, self._signature.labels(count)))
                break
        keywords: tuple[str, ...] = ()
        if kwargs:
            keywords = tuple(kwargs)
            args += tuple(
                recorder.argument(kwargs[key], f"argument {key!r} of {self.func_name!r}")
                for key in keywords
            )
        code = recorder.code_for(self)
        if code.lazies:
            handle = self._invoke_closure(recorder, code, args, keywords, task_options, frame)
        else:
            spec = recorder.spec_for(self, code, len(args), keywords, task_options)
            handle = recorder.record_call(spec, args, frame.f_code, frame.f_lasti)
        if label is not None:
            handle.named(label)
        if delegate:
            recorder.delegate(handle)
        return handle

    def map_invoke(
        self,
        args_list: Iterable[Any],
        pymonik: Recorder | None = None,
        delegate: bool = False,
        task_options: TaskOptions | None = None,
        **kwargs: Any,
    ) -> MultiResultHandle[R]:
        """Record a call for each element; give the handles of their values, in order.

        args_list: tuples of arguments, or single values; a list, a generator, or an array whose
        rows are argument tuples. Further keywords go to every call. Raises as `invoke` does.
        """
        recorder = current_recorder() if pymonik is None else _client(pymonik)
        recorder.check(delegate)
        if task_options is not None:
            demand(task_options)
        task_options, label = recorder.call_options(kwargs, task_options)
        frame = sys._getframe(1)
        columns, n = self._columns(recorder, args_list, kwargs)
        code = recorder.code_for(self)
        keywords = tuple(kwargs)
        if columns and type(columns[0]) is _Rows:
            columns = (Const(_nested(recorder, code)), columns[0].column, *columns[1:])
            code = recorder.code_for(builtin(_call_row_in if self.require_context else _call_row))
        elif code.lazies:
            columns = (Const(_nested(recorder, code)), *columns)
            code = recorder.code_for(builtin(_call_in if self.require_context else _call))
        spec = recorder.spec_for(self, code, len(columns), keywords, task_options)
        handles = recorder.record_map(spec, columns, n, frame.f_code, frame.f_lasti)
        if label is not None and n:
            handles._runs[0][0].label = label
            recorder.names[label] = handles
        if delegate:
            recorder.delegate(handles)
        return handles

    def _columns(
        self, recorder: Recorder, args_list: Iterable[Any], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], int]:
        if isinstance(args_list, (str, bytes, dict, ResultHandle)) or not isinstance(
            args_list, Iterable
        ):
            raise SignatureError(
                f"map_invoke of {self.func_name!r} takes the elements to map over, not "
                f"{args_list!r:.80}; a handle's value is not known yet: use unpack(n) or put it "
                "in a list"
            )
        rows = self._rows(recorder, args_list)
        arguments = self._transposed(rows, kwargs)
        names = self._signature.labels(len(arguments))
        columns: tuple[Any, ...] = tuple(map(recorder.column, arguments, names))
        if rows and arguments and arguments[0] is rows and type(rows[0]) is tuple:
            columns = (_Rows(columns[0]),)
        for key, value in kwargs.items():
            columns += (Const(recorder.argument(value, f"argument {key!r} of {self.func_name!r}")),)
        return columns, len(rows)

    def _rows(self, recorder: Recorder, args_list: Iterable[Any]) -> list[Any]:
        if not isinstance(args_list, Iterator):
            is_table = getattr(args_list, "ndim", 0) == 2 and hasattr(args_list, "dtype")
            return [tuple(row) for row in args_list] if is_table else list(args_list)

        def captured(value: Any, name: str) -> Any:
            kind = type(value)
            if kind in SMALL or kind is ResultHandle:
                return value
            return recorder.argument(value, name)

        # A generator may hand out one object again and again, changed: each is captured at once.
        rows = []
        for row in args_list:
            if type(row) is tuple:
                names = self._signature.labels(len(row))
                rows.append(tuple(map(captured, row, names)))
            else:
                rows.append(captured(row, self._signature.labels(1)[0]))
        return rows

    def _transposed(self, rows: list[Any], kwargs: dict[str, Any]) -> list[Any]:
        kinds = set(map(type, rows))
        if kinds == {tuple}:
            widths = set(map(len, rows))
            if len(widths) > 1:
                return self._checked_rows(rows, kwargs)
            self._signature.check(rows[0], kwargs)
            return list(zip(*rows)) if rows[0] else []
        if tuple in kinds:
            position = next(i for i, row in enumerate(rows) if type(row) is not type(rows[0]))
            raise SignatureError(
                f"map_invoke of {self.func_name!r}: element {position} is {rows[position]!r:.60}, "
                "others are not like it: give argument tuples everywhere, or single values"
            )
        if rows:
            self._signature.check((rows[0],), kwargs)
        return [rows]

    def _checked_rows(self, rows: list[Any], kwargs: dict[str, Any]) -> list[Any]:
        """Check rows of several lengths, which stay rows: defaults fill what they leave out."""
        for position, row in enumerate(rows):
            try:
                self._signature.check(row, kwargs)
            except SignatureError as error:
                raise SignatureError(f"element {position}: {error}") from None
        return [rows]

    def _invoke_closure(
        self,
        recorder: Recorder,
        code: Any,
        args: tuple[Any, ...],
        keywords: tuple[str, ...],
        options: Any,
        frame: Any,
    ) -> ResultHandle[R]:
        # The function has handles in its closure: it is passed as an argument that has holes.
        args = (_nested(recorder, code), *args)
        call = recorder.code_for(builtin(_call_in if self.require_context else _call))
        spec = recorder.spec_for(self, call, len(args), keywords, options)
        return recorder.record_call(spec, args, frame.f_code, frame.f_lasti)

    def __pymonik_reduce__(self) -> Any:
        state = dict(vars(self), _signature=None)
        return _new_task, (type(self),), state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._signature = Signature(self.func, self.func_name, self.require_context)

    @property
    def __pymonik_function__(self) -> Callable[P, R]:
        return self.func

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return _bound(self, instance)

    def __repr__(self) -> str:
        return f"<Task {self.func_name}>"


def _client(given: Any) -> Recorder:
    if isinstance(given, Recorder):
        return given
    hint = ""
    if isinstance(given, Iterable):
        hint = "; a map takes one list, of argument tuples: map_invoke(zip(first, second))"
    raise NoClientError(f"pymonik= takes a client, Pymonik(…), not {given!r:.80}{hint}")


def _new_task(kind: type[Task[Any, Any]]) -> Task[Any, Any]:
    return kind.__new__(kind)


def _bound(task: Task[Any, Any], instance: Any) -> Task[Any, Any]:
    function = functools.partial(task.func, instance)
    return Task(function, task.require_context, task.func_name, task.task_options, pure=task.pure)


def _name_of(func: Any) -> str:
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


def _environment(given: Any) -> Any:
    if given is None:
        return None
    from pymonik.environment import Environment

    return Environment.parse(given)


def _nested(recorder: Recorder, code: Any) -> Nested:
    return Nested(code.content, tuple(map(recorder.slot_of_lazy, code.lazies)))


def _call(function: Any, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


def _call_in(context: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
    return function(context, *args, **kwargs)


def _call_row(function: Any, row: Any, **kwargs: Any) -> Any:
    return function(*row, **kwargs)


def _call_row_in(context: Any, function: Any, row: Any, **kwargs: Any) -> Any:
    return function(context, *row, **kwargs)


class _Rows:
    """A column of argument tuples of several lengths."""

    def __init__(self, column: Any) -> None:
        self.column = column


@functools.cache
def builtin(function: Callable[..., Any]) -> Task[Any, Any]:
    """Give the task of a function of our own."""
    return Task(function, func_name=function.__name__.lstrip("_"), pure=True)


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
    retry_on: type[BaseException] | tuple[type[BaseException], ...] | None = ...,
    pure: bool = ...,
    cost: float | None = ...,
    chunk_size: int | None = ...,
    environment: Any = ...,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
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
    retry_on: type[BaseException] | tuple[type[BaseException], ...] | None = None,
    pure: bool = False,
    cost: float | None = None,
    chunk_size: int | None = None,
    environment: Any = None,
) -> Any:
    """Make a task of a function: `@task`, or `@task(partition="gpu", max_duration=600)`.

    The options are those of `TaskOptions`; the other arguments are those of `Task`. Among other
    decorators it is applied last, that is, written on top.
    """

    def decorate(func: Callable[..., Any]) -> Task[..., Any]:
        given = TaskOptions(
            partition_id=partition,
            max_duration=max_duration,
            priority=priority,
            max_retries=max_retries,
            retries=retries,
            retry_on=retry_on,  # type: ignore[arg-type]
            cost=cost,
            chunk_size=chunk_size,
        )
        options = merge(task_options, given)
        return Task(
            func, require_context, function_name, options, pure=pure, environment=environment
        )

    return decorate if _func is None else decorate(_func)
