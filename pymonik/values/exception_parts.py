"""Exceptions taken apart, to be made again without a call of their constructor.

Enters: an exception. Leaves: its parts, which load as the exception; pruned, where parts of it
cannot be pickled or are too long: a lock, a socket or a megabyte of text costs that part alone,
never the type.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import suppress
from types import MemberDescriptorType
from typing import Any

from pymonik._pickled import pickled
from pymonik.errors import TaskFailed
from pymonik.values.content import Content, freeze_buffer

Freeze = Callable[[Any], tuple[bytes, list[memoryview], list[Any]]]

# What a pickle has around the parts of an exception: its class by name, names of attributes.
_AROUND = 1 << 10
# Bytes of a character that is not of ASCII.
_WIDEST = 4
# Members of a group: what is behind them is in the traceback.
MEMBERS = 32
# Characters of the text of an exception that stands for it, and of what stands for a part.
TEXT, _SHOWN = 500, 100
# No part of an exception is cut to fewer bytes.
_LEAST = 200

_ARGS: Any = vars(BaseException)["args"]
# A class that defines one of these takes its exceptions apart itself.
_REDUCERS = ("__reduce__", "__reduce_ex__", "__getnewargs__", "__getnewargs_ex__", "__getstate__")


@pickled
class LeftBehind:
    """Stands for a part of an exception that could not travel."""

    def __init__(self, text: str, why: str) -> None:
        self._text, self._why = text, why

    def __repr__(self) -> str:
        return self._text

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(f"{self._text} stayed where the task ran: {self._why}")


def pass_interrupt(error: BaseException) -> None:
    """Let Ctrl-C go on: all else that objects of the user raise is theirs, `SystemExit` too."""
    if isinstance(error, KeyboardInterrupt):
        raise error


def reduced(error: BaseException) -> Any:
    """Return how the pickler is to take an exception apart, NotImplemented where it knows itself.

    A class that leaves pickling to its builtin base leaves it to a call of `__init__`; but a
    constructor takes what its author liked, which need not be what `args` hold.
    """
    own = [owner for owner in type(error).__mro__ if owner.__module__ != "builtins"]
    if not own and _missing_name(error) is None:
        return NotImplemented
    if any(name in vars(owner) for owner in own for name in _REDUCERS):
        return NotImplemented
    return ExceptionParts(error).__reduce__()


def _missing_name(error: BaseException) -> str | None:
    """Return the name that was not found, which `pickle` leaves behind."""
    if getattr(type(error), "name", None) not in (NameError.name, AttributeError.name):
        return None  # others, also of a class with a `name` of its own
    name = getattr(error, "name", None)
    return name if type(name) is str else None


class ExceptionParts:
    """An exception taken apart: loads as the exception, made without a call of its constructor.

    made_of: what its builtin base is made of. state: its attributes, those in slots too.
    """

    def __init__(self, error: BaseException) -> None:
        self.kind = type(error)
        taken: Any = _base_of(self.kind).__reduce__(error)
        # A class may have `args` of its own, as a property.
        self.made_of, self.args = taken[1], _ARGS.__get__(error)
        self.state = dict(taken[2] or {}) if len(taken) > 2 else {}
        if (missing := _missing_name(error)) is not None:
            self.state["name"] = missing
        for owner in self.kind.__mro__:
            for name, member in vars(owner).items():
                if type(member) is MemberDescriptorType and owner.__module__ != "builtins":
                    with suppress(AttributeError):  # a slot nobody has filled
                        self.state[name] = member.__get__(error)

    def empty(self) -> str:
        """Leave all parts behind; return why, in words."""
        count = len(self.args) + len(self.state)
        why = f"its {count:,} parts are too large"
        self.made_of = self.args = (LeftBehind(repr(self.args[:3])[:_SHOWN], why),)
        self.state = {}
        return why

    def __reduce__(self) -> Any:
        state = (self.args, self.state)
        return new_exception, (self.kind, self.made_of), state, None, None, complete_exception


def _base_of(kind: type[BaseException]) -> Any:
    return next(owner for owner in kind.__mro__ if owner.__module__ == "builtins")


@pickled
def new_exception(kind: type[BaseException], made_of: Any) -> BaseException:
    """Begin an exception."""
    base = _base_of(kind)
    error: BaseException = base.__new__(kind, *made_of)
    base.__init__(error, *made_of)
    return error


@pickled
def complete_exception(error: BaseException, state: tuple[Any, dict[str, Any]]) -> None:
    """Complete an exception that was begun."""
    # A class may refuse that its attributes are set, as frozen data classes do.
    _ARGS.__set__(error, state[0])
    for name, value in state[1].items():
        object.__setattr__(error, name, value)


class Pruning:
    """Takes out of an exception what cannot travel, and cuts what is too long."""

    def __init__(self, freeze: Freeze, limit: int) -> None:
        self._freeze, self._limit = freeze, limit
        # Parts that were pruned, by id, each with the original: so that no other gets its address.
        self._done: dict[int, Any] = {}
        # What was left behind, in words.
        self._left: list[str] = []

    def prune(self, parts: ExceptionParts) -> str:
        """Prune in place; return what was left behind, in words."""
        count = len(parts.args) + len(parts.state)
        share = max(_LEAST, (self._limit - _AROUND) // max(1, count))
        parts.made_of = tuple([self._piece("args", piece, share) for piece in parts.made_of])
        parts.args = tuple([self._piece("args", piece, share) for piece in parts.args])
        for name, piece in parts.state.items():
            parts.state[name] = self._piece(name, piece, share)
        return "; ".join(self._left)

    def _piece(self, name: str, piece: Any, share: int) -> Any:
        # One object may stand in several places: it is looked at once, and stays one.
        if id(piece) not in self._done:
            self._done[id(piece)] = (self._pruned(name, piece, share), piece)
        return self._done[id(piece)][0]

    def _pruned(self, name: str, piece: Any, share: int) -> Any:
        if type(piece) in (str, bytes) and _size(piece) > share:
            self._left.append(f"{name} had {len(piece):,} characters")
            return _cut(piece, share if _size(piece) == len(piece) else share // _WIDEST)
        if type(piece) in (list, tuple) and any(isinstance(p, BaseException) for p in piece):
            return self._group(piece)
        problem = self._problem(piece, share)
        if problem and isinstance(piece, BaseException):
            return self._member(piece, share)
        return self._leave(name, piece, problem) if problem else piece

    def _problem(self, piece: Any, share: int) -> str:
        """Return why a part cannot travel, "" when it can."""
        try:
            data, raw, handles_in = self._freeze(piece)
            content = Content(data, [freeze_buffer(view) for view in raw])
            if handles_in:
                return "it holds handles"
            if content.size > share:
                return f"it takes {content.size:,} bytes"
            content.load()
        except BaseException as error:  # whatever objects of the user do when they are pickled
            pass_interrupt(error)
            return f"{type(error).__name__}: {error}"
        return ""

    def _leave(self, name: str, piece: Any, why: str) -> LeftBehind:
        self._left.append(f"{name} was left behind: {why}")
        try:
            text = repr(piece)
        except BaseException as error:  # whatever objects of the user do when they are looked at
            pass_interrupt(error)
            text = f"<{type(piece).__qualname__}>"
        return LeftBehind(text[:_SHOWN], why)

    def _group(self, members: Any) -> list[Any]:
        """Prune the members of a group; one that cannot be rebuilt has its words stand for it."""
        excess = len(members) - MEMBERS
        retained = members if excess <= 0 else members[: MEMBERS - 1]
        share = max(_LEAST, self._limit // (2 * len(retained)))  # half is for what is around
        pieces = [self._piece("args", member, share) for member in retained]
        if excess > 0:
            self._left.append(f"{excess + 1:,} members were left behind")
            pieces.append(TaskFailed(f"{excess + 1:,} more exceptions"))
        return pieces

    def _member(self, member: BaseException, limit: int) -> Any:
        text = traceback.format_exception_only(type(member), member)[-1].strip()[:TEXT]
        try:
            parts = ExceptionParts(member)
            inner = Pruning(self._freeze, limit)
            inner.prune(parts)
            problem = self._problem(parts, self._limit)
        except BaseException as error:  # whatever objects of the user do when they are looked at
            pass_interrupt(error)
            problem = f"{type(error).__name__}: {error}"
        if problem:
            self._left.append(f"{text} cannot be rebuilt: {problem}")
            return TaskFailed(f"{text} (it cannot be rebuilt: {problem})")
        self._left += inner._left
        return parts


def _size(text: str | bytes) -> int:
    return len(text) if type(text) is bytes or text.isascii() else _WIDEST * len(text)


def _cut(text: Any, size: int) -> Any:
    """Cut the middle out of a text: what went wrong stands at one of its ends."""
    end = size // 2
    gap = f" … {len(text) - 2 * end:,} characters … "
    return text[:end] + (gap if type(text) is str else gap.encode()) + text[-end:]
