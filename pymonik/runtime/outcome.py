"""How a call ended: a record for each value, and the error a failure becomes for its user.

A record is an immediate, a `Content`, a `Failure`, or `PENDING`; in a pack also an `Apart`. Enters:
what executors report. Leaves: values and exceptions, at the user's own line.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import MemberDescriptorType
from typing import Any, Final, NamedTuple

from pymonik.content import Content
from pymonik.errors import Cancelled, ExecutorDied, TaskFailed, TaskTimeout, ValueLost

_PATH_LIMIT = 20


class Pending:
    """The state of a value that does not exist yet."""

    def __repr__(self) -> str:
        return "PENDING"


PENDING: Final = Pending()


class Apart(NamedTuple):
    """The record of a large value, in a pack: the result that it is stored as, and its bytes."""

    id: str
    digest: bytes
    size: int


@dataclass(frozen=True)
class Failure:
    """The record of a call that failed, or that could not run because one before it had.

    `kind` is error, timeout, died, lost or cancelled; `exception` the pickled exception, where it
    could be pickled; `path` the names of the calls from the root cause down to this one. `mark` is
    its own, and that of all records below it: many calls can fail alike.
    """

    kind: str
    message: str
    task: str
    site: str = ""
    element: int | None = None
    worker: str = ""
    attempts: int = 1
    traceback: str = ""
    exception: Content | None = None
    path: tuple[str, ...] = ()
    mark: str = field(default_factory=lambda: os.urandom(8).hex(), compare=False)
    # Why the exception could not be pickled.
    lost: str = ""

    def below(self, task: str) -> Failure:
        """Give the record of a call that could not run because of this one."""
        path = (*(self.path or (self.task,)), task)
        if len(path) > _PATH_LIMIT:  # what lies between does not help, and is told to everybody
            path = (*path[: _PATH_LIMIT // 2], "…", *path[2 - _PATH_LIMIT // 2 :])
        return replace(self, path=path)

    def error(self) -> BaseException:
        """Make the exception for the user: the task's own type, chained to the whole story."""
        story = KINDS[self.kind](
            self._text(),
            task=self.task,
            site=self.site,
            element=self.element,
            worker=self.worker,
            attempts=self.attempts,
            traceback=self.traceback,
            path=self.path,
        )
        if self.exception is None:
            return story
        try:
            error = self.exception.load()
        except Exception as problem:  # whatever the constructor of a user's exception raises
            story.args = (f"{story.args[0]}\n(its exception cannot be rebuilt here: {problem!r})",)
            return story
        # SystemExit and KeyboardInterrupt ended a task; they must not end the user's script.
        if not isinstance(error, Exception):
            return story
        error.__cause__ = story
        return error

    def _text(self) -> str:
        where = f", element {self.element}" if self.element is not None else ""
        where += f", called at {self.site}" if self.site else ""
        lines = [f"task {self.task!r}{where}: {self.message}"]
        if self.attempts > 1:
            lines.append(f"tried {self.attempts} times")
        if self.lost:
            lines.append(f"(its exception cannot be rebuilt here: {self.lost})")
        if self.path:
            lines.append("on the way: " + " → ".join(self.path))
        if self.traceback:
            lines.append(f"remote traceback (worker {self.worker or '?'}):\n{self.traceback}")
        return "\n".join(lines)


KINDS: dict[str, type[TaskFailed]] = {
    "error": TaskFailed,
    "timeout": TaskTimeout,
    "died": ExecutorDied,
    "lost": ValueLost,
    "cancelled": Cancelled,
}


def value_of(record: Any) -> Any:
    """Give the value of a record, or raise the error it holds."""
    kind = type(record)
    if kind is Content:
        return record.load()
    if kind is Failure:
        raise record.error()
    return record


def pickled_exception(error: BaseException, freeze: Any, limit: int) -> tuple[Content | None, str]:
    """Pickle an exception if it is small and comes back as what it was; else say why not."""
    try:
        data, raw, lazies = freeze(_Parts.of(error) if _is_plain(type(error)) else error)
        if lazies:
            return None, "it holds handles"
        size = len(data) + sum(view.nbytes for view in raw)
        if size > limit:
            return None, f"it takes {size} bytes, more than {limit}"
        content = Content(data, [bytes(view) for view in raw])
        if type(content.load()) is not type(error):
            return None, "its pickle gives something else"
        return content, ""
    except Exception as problem:  # an exception that cannot travel is described by its text instead
        return None, repr(problem)


_REDUCERS = ("__reduce__", "__reduce_ex__", "__getnewargs__", "__getnewargs_ex__", "__getstate__")


def _is_plain(kind: type[BaseException]) -> bool:
    """Tell whether a class of a user leaves pickling to its builtin base: to calling `__init__`."""
    own = [owner for owner in kind.__mro__ if owner.__module__ != "builtins"]
    return bool(own) and not any(name in vars(owner) for owner in own for name in _REDUCERS)


class _Parts:
    """An exception on its way: loads as the exception, made without a call of its constructor.

    A constructor takes what its author liked, which need not be what `args` hold.
    """

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    @classmethod
    def of(cls, error: BaseException) -> _Parts:
        """Take apart: the class, what its builtin base is made of, `args`, and attributes."""
        reduced: Any = error.__reduce__()
        state = dict(reduced[2] or {}) if len(reduced) > 2 else {}
        for owner in type(error).__mro__:
            for name, member in vars(owner).items():
                if type(member) is MemberDescriptorType and owner.__module__ != "builtins":
                    with suppress(AttributeError):  # a slot nobody has filled
                        state[name] = member.__get__(error)
        return cls(type(error), reduced[1], error.args, state)

    def __reduce__(self) -> Any:
        return _rebuilt, self.parts


def _rebuilt(
    kind: type[BaseException], made_of: Any, args: Any, state: dict[str, Any]
) -> BaseException:
    base: Any = next(owner for owner in kind.__mro__ if owner.__module__ == "builtins")
    error: BaseException = base.__new__(kind, *made_of)
    base.__init__(error, *made_of)
    error.args = args
    for name, value in state.items():
        object.__setattr__(error, name, value)
    return error
