"""How a call ended: a record for each value, and the error a failure becomes for its user.

A record is an immediate, a `Content`, a `Failure`, or `PENDING`; in a pack also an `OutOfLine`.
Enters: what executors report. Leaves: values and exceptions, at the user's own line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Final

from pymonik.errors import Cancelled, ExecutorDied, TaskFailed, TaskTimeout, ValueLost
from pymonik.system.source_lines import with_source_lines
from pymonik.system.structs import NamedTuple, Struct, field, replace
from pymonik.values.content import Content
from pymonik.values.exceptions import Arrived, raise_from, unpacked
from pymonik.values.foreign import harmless

# Tasks that the path of a failure names: the ends of a long one say most.
_PATH_LIMIT = 20


class Pending:
    """The state of a value that does not exist yet."""

    def __repr__(self) -> str:
        return "PENDING"


PENDING: Final = Pending()


class OutOfLine(NamedTuple):
    """The record of a large value, in a pack: the result that it is stored as, and its bytes."""

    id: str
    digest: bytes
    size: int


# Failures that a record names beside its own: each takes 16 bytes of it.
BESIDE = 1000


class Failure(Struct):
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
    # What of the exception could not be pickled, and why.
    lost: str = ""
    # Marks that whoever handles it handles, too: of the other failures among the inputs of calls
    # that could not run because of this one, and of what one cause has ended together with it.
    beside: tuple[str, ...] = ()

    @property
    def causes(self) -> tuple[str, ...]:
        """The marks beside its own by which it counts as handled; only where it failed itself."""
        return () if self.path else self.beside

    def below(self, task: str, others: Iterable[Failure] = ()) -> Failure:
        """Return the record of a call that could not run because of this one, and others beside."""
        path = (*(self.path or (self.task,)), task)
        if (
            len(path) > _PATH_LIMIT
        ):  # what lies between does not help, and every dependent carries it
            path = (*path[: _PATH_LIMIT // 2], "…", *path[2 - _PATH_LIMIT // 2 :])
        marks = dict.fromkeys(self.beside)
        for other in others:
            if len(marks) >= BESIDE:
                break
            marks.update(dict.fromkeys((other.mark, *other.beside)))
        marks.pop(self.mark, None)
        return replace(self, path=path, beside=tuple(marks)[:BESIDE])

    def error_of(self, name: str) -> BaseException:
        """Make the exception for who asks for the value of a call: its path ends with its name.

        The record of a call that has delegated, or returned a handle, is that of the other call.
        What ended before any of its steps began has the names of all.
        """
        last = self.path[-1] if self.path else self.task
        return (self if name in (last, *last.split("; ")) else self.below(name)).error()

    def error(self) -> BaseException:
        """Make the exception for the user: the task's own type, chained to the whole story."""
        trace = with_source_lines(self.traceback)
        story = KINDS[self.kind](
            self._text(trace),
            task=self.task,
            site=self.site,
            element=self.element,
            worker=self.worker,
            attempts=self.attempts,
            traceback=trace,
            path=self.path,
        )
        arrived = None
        if self.exception is not None:
            arrived = self._unpacked(story)
        if arrived is None or arrived.error is None:
            return story
        error = arrived.error
        # SystemExit and KeyboardInterrupt ended a task; they must not end the user's script.
        if not isinstance(error, Exception):
            return story
        if isinstance(error, (StopIteration, StopAsyncIteration)):
            # Raised by `get`, it would end the loop of who asks, in silence.
            raise_from(story, "cause", error)
            return story
        raise_from(error, "context", arrived.origin)
        raise_from(error, "cause", story)
        return error

    def _unpacked(self, story: TaskFailed) -> Arrived | None:
        """Rebuild the exception, and let the story say what it was raised from."""
        assert self.exception is not None
        try:
            arrived = unpacked(self.exception)
        except Exception as problem:  # it is no content of ours
            arrived = Arrived(None, repr(problem), "", None)
        raise_from(story, arrived.relation, arrived.origin)
        hint = ""
        if arrived.why:
            hint = f"its exception cannot be rebuilt here: {arrived.why}"
        elif isinstance(arrived.error, ModuleNotFoundError):
            from pymonik.values.missing_modules import hint_for_missing  # not for `import pymonik`

            hint = hint_for_missing(arrived.error.name)
        if hint:
            story.args = (f"{story.args[0]}\n({hint})",)
        return arrived

    def _text(self, trace: str) -> str:
        where = f", element {self.element}" if self.element is not None else ""
        where += f", called at {self.site}" if self.site else ""
        lines = [f"task {self.task!r}{where}: {self.message}"]
        if self.attempts > 1:
            lines.append(f"tried {self.attempts} times")
        if self.lost:
            lines.append(f"(parts of its exception could not be sent back: {self.lost})")
        if self.path:
            lines.append("on the way: " + " → ".join(map(harmless, self.path)))
        if trace:
            place = f" (worker {self.worker})" if self.worker not in ("", "?") else ""
            lines.append(f"remote traceback{place}:\n{trace}")
        return harmless("\n".join(lines), lines=True)


# What is raised where the exception itself cannot be rebuilt, or there is none.
KINDS: dict[str, type[TaskFailed]] = {
    "error": TaskFailed,
    "timeout": TaskTimeout,
    "died": ExecutorDied,
    "lost": ValueLost,
    "cancelled": Cancelled,
}


def value_of(record: Any) -> Any:
    """Return the value of a record, or raise the error it holds."""
    kind = type(record)
    if kind is Content:
        try:
            return record.load()
        except StopIteration as error:  # it would end the loop of who asks, in silence
            raise RuntimeError("a value that is unpickled raised StopIteration") from error
    if kind is Failure:
        raise record.error()
    return record
