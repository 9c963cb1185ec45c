"""Tasks: plain functions that can be recorded.

Enters: a function and its options. Leaves: nodes, by way of the recorder of the place. Called
plainly, a task is the function. Signatures are checked here, at the user's own line. The decorator
stands in `decorator`, what a map makes of its elements in `map_arguments`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec, TypeVar

from pymonik._pickled import public
from pymonik.environment.parse import environment_of
from pymonik.errors import NoClientError
from pymonik.record.context import PlainCall
from pymonik.record.current import CURRENT, current_recorder
from pymonik.record.definition import check_definition, name_of
from pymonik.record.signature import NOT_GIVEN, OURS, Signature
from pymonik.record.usual_call import usual_first
from pymonik.system.forks import fork_safe_property
from pymonik.system.late_module import LateModule
from pymonik.system.other_names import hints_at_other_names
from pymonik.values.content import SMALL
from pymonik.values.foreign import harmless
from pymonik.values.options import TaskOptions, demand, merge

if TYPE_CHECKING:
    from pymonik.record import recording
    from pymonik.record.handle import ResultHandle
    from pymonik.record.handles import MultiResultHandle
    from pymonik.record.recorder import Recorder
    from pymonik.record.scope import Scope
else:  # with the first call
    recording = LateModule("pymonik.record.recording")

P = ParamSpec("P")
R = TypeVar("R")
_scope_here = CURRENT.get  # else each call would make a method of it


@public
@hints_at_other_names("a task")
class Task(Generic[P, R]):
    """A function that runs where the graph runs.

    func: any callable that can be pickled. func_name: how it is called in graphs and logs; a lambda
    needs one. require_context: pass a `PymonikContext` first. pure: equal calls may be shared, and
    dropped where their values are not needed. cache: of a pure task, keep values and take those
    that are known: in a store on this machine, or within the session of a cluster. version: stands
    for the code when values are looked up; else they are made anew whenever it, or what it calls,
    changed. Raises TaskDefinitionError.

    >>> power = Task(pow, func_name="power")
    >>> power(2, 3)  # here and now
    8
    >>> with Pymonik():
    ...     power.invoke(2, 3).get()  # in an executor, or on a cluster
    8
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
        cache: bool = False,
        version: object = None,
        environment: Any = None,
    ) -> None:
        check_definition(func, func_name, require_context, pure, cache, version)
        self.cache = cache
        self.version = version
        self.func = func
        self.func_name: str = func_name or name_of(func)
        self.require_context = require_context
        self.task_options = merge(task_options) if task_options is not None else None
        self.pure = pure
        self.environment = environment_of(environment)
        self.__name__ = self.func_name
        self.__doc__ = getattr(func, "__doc__", None)
        self.__module__ = getattr(func, "__module__", None) or __name__
        self.__wrapped__ = func

    @fork_safe_property
    def _signature(self) -> Signature:
        # Taken at the first call: a task that names itself is unpickled before its function is
        # complete, and would be seen without its defaults.
        return Signature(self.func, self.func_name, self.require_context)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function here and now."""
        with PlainCall(self.func_name) as call:
            if self.require_context and not self._signature.has_context(args):
                func: Callable[..., R] = self.func
                return func(call.context, *args, **kwargs)
            return self.func(*args, **kwargs)

    @usual_first
    def invoke(
        self,
        /,
        *args: Any,
        pymonik: Scope | None = NOT_GIVEN,
        delegate: bool = NOT_GIVEN,
        task_options: TaskOptions | None = NOT_GIVEN,
        **kwargs: Any,
    ) -> ResultHandle[R]:
        """Record a call and return the handle of its value.

        pymonik: the client to record with, the current one unless given. delegate: inside a task,
        let this call's value be the value of that task. task_options, `pmk_…`: options of this
        call; `pmk_name=` names its value. Where the function has parameters of these names, they
        are meant, and ours are `pmk_pymonik=` and so on. Raises SignatureError, CaptureError,
        NoClientError.

        >>> add = Task(lambda x, y: x + y, func_name="add")
        >>> with Pymonik():
        ...     add.invoke(1, add.invoke(2, 3)).get()
        6
        """
        options = label = held = None
        delegates = shares = False
        if (
            kwargs
            or pymonik is not NOT_GIVEN
            or delegate is not NOT_GIVEN
            or task_options is not NOT_GIVEN
        ):
            if self._signature.ours:
                mine = self._ours(kwargs, pymonik, delegate, task_options)
                pymonik, delegate, task_options = mine
            delegates = delegate is not NOT_GIVEN and bool(delegate)
            options = None if task_options is NOT_GIVEN else task_options
            scope = None if pymonik is NOT_GIVEN else _client(pymonik)
        else:
            scope = _scope_here()
        recorder: Any = None if scope is None else scope.recorder
        if recorder is None:
            scope = current_recorder()
            recorder = scope.recorder
        if recorder.state.is_closing or delegates:
            recorder.state.check(delegates)
        if kwargs or options is not None:
            if options is not None:
                demand(options)
            options, label = recorder.call_options(kwargs, options)
        slots, handle_type = args, recorder.handle_type
        if kwargs:
            self._signature.check(args, kwargs)
            slots = (*args, *kwargs.values())
        for value in slots:
            kind = type(value)
            if kind is int:  # the usual case
                continue
            if kind is handle_type and value._client is scope:
                held = slots  # where all are handles and numbers, the call itself holds them
            elif kind not in SMALL:
                held = None
                if not kwargs:
                    self._signature.check_count(args)
                labels = functools.partial(self._labels, len(args), tuple(kwargs))
                slots, shares = recording.captured(recorder.arguments, slots, labels)
                break
        if kwargs or shares or options is not None:
            spec = None
        else:
            spec = recorder.specs.usual_spec(self, len(args))
        if spec is None:
            if not kwargs:  # a call like one before fits as that did
                self._signature.check_count(args)
            whole = (args, kwargs) if shares else None
            slots, held, spec = recording.laid_out(
                self, recorder, slots, held, whole, tuple(kwargs), options
            )
        frame = sys._getframe(2)  # behind that of `usual_first`
        handle: ResultHandle[R] = recorder.record_call(
            scope, spec, None if slots is held else slots, frame.f_code, frame.f_lasti, label, held
        )
        if delegates:
            recorder.delegate(handle)
        return handle

    def _labels(self, count: int, keywords: tuple[str, ...]) -> Sequence[str]:
        """Return what arguments are called in errors."""
        named = [f"argument {key!r} of {self.func_name!r}" for key in keywords]
        return [*self._signature.labels(count), *named] if named else self._signature.labels(count)

    def map_invoke(
        self,
        args_list: Iterable[Any] = NOT_GIVEN,
        /,
        pymonik: Scope | None = NOT_GIVEN,
        delegate: bool = NOT_GIVEN,
        task_options: TaskOptions | None = NOT_GIVEN,
        **kwargs: Any,
    ) -> MultiResultHandle[R]:
        """Record a call for each element; return the handles of their values, in order.

        args_list: a list, a generator, an array. A tuple is the arguments of a call, anything else
        a single one; so the rows of a 2-D array and of a data frame are tuples. Further
        keywords go to every call. Raises as `invoke` does.

        >>> scale = Task(lambda x, by: x * by, func_name="scale")
        >>> with Pymonik():
        ...     scale.map_invoke([1, 2, 3], by=10).get()
        [10, 20, 30]
        """
        if args_list is NOT_GIVEN:
            args_list = kwargs.pop("args_list", None)
        if self._signature.ours:
            pymonik, delegate, task_options = self._ours(kwargs, pymonik, delegate, task_options)
        scope = current_recorder() if pymonik is NOT_GIVEN else _client(pymonik)
        recorder: Recorder = scope.recorder
        recorder.state.check(bool(delegate))
        if task_options is NOT_GIVEN:
            task_options = None
        if task_options is not None:
            demand(task_options)
        task_options, label = recorder.call_options(kwargs, task_options)
        frame = sys._getframe(1)
        elements = recording.Elements(recorder.arguments, self._signature, args_list, kwargs)
        columns, keywords, specs = elements.columns, tuple(kwargs), recorder.specs
        code = specs.code_for(self)
        if elements.are_rows:
            columns = (_function(recorder, code), *columns)
            row = recording.call_row_in if self.require_context else recording.call_row
            code = specs.code_for(recording.builtin(row))
        elif code.handles_in:
            columns = (_function(recorder, code), *columns)
            code = specs.code_for(recording.calling(self.require_context))
        width = len(columns) if elements.n else -1  # no elements fit no task: no call is like them
        spec = specs.spec_for(self, code, width, keywords, task_options)
        site, lasti = frame.f_code, frame.f_lasti
        handles = recorder.record_map(scope, spec, columns, elements.n, site, lasti, label)
        if delegate:
            recorder.delegate(handles)
        return handles

    def _ours(self, kwargs: dict[str, Any], *given: Any) -> tuple[Any, ...]:
        """Leave keywords to the function where its parameters have the names of ours."""
        for name, value in zip(OURS, given):
            if name in self._signature.ours and value is not NOT_GIVEN:
                kwargs[name] = value
        return tuple(
            kwargs.pop(f"pmk_{name}", NOT_GIVEN) if name in self._signature.ours else value
            for name, value in zip(OURS, given)
        )

    def __pymonik_reduce__(self) -> Any:
        from pymonik.record.task_pickling import reduce_task  # not for `import pymonik`

        return reduce_task(self)

    @property
    def __pymonik_function__(self) -> Callable[P, R]:
        return self.func

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        function = functools.partial(self.func, instance)
        return Task(
            function,
            self.require_context,
            self.func_name,
            self.task_options,
            pure=self.pure,
            cache=self.cache,
            version=self.version,
            environment=self.environment,
        )

    def __repr__(self) -> str:
        return f"<Task {harmless(self.func_name)}>"


def _client(given: Any) -> Any:
    if given is None:
        return current_recorder()
    if getattr(type(given), "__pymonik_role__", "") == "recorder":
        return given
    hint = ""
    if isinstance(given, Iterable) and not isinstance(given, str):
        hint = "; a map takes one list, of argument tuples: map_invoke(zip(first, second))"
    raise NoClientError(f"pymonik= takes a client, Pymonik(…), not {given!r:.80}{hint}")


def _function(recorder: Recorder, code: Any) -> Any:
    """Return the function of a map as the argument of what calls it."""
    return recording.Const(recorder.arguments.filled(code.content, code.handles_in))
