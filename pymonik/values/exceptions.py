"""Exceptions on their way: what a task raised, with its causes, as one content; and back.

Enters: an exception. Leaves: a `Content` of it and of what it was raised from, each a pickle of its
own, so that one that cannot be rebuilt takes none of the others along; and words on what could not
travel. What one is taken apart into stands in `exception_parts`.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from pymonik.errors import TaskFailed
from pymonik.system.structs import NamedTuple
from pymonik.values.content import Content, freeze_buffer
from pymonik.values.exception_parts import (
    MEMBERS,
    TEXT,
    ExceptionParts,
    Freeze,
    Pruning,
    pass_interrupt,
)

# Bytes of one exception: a log line, not a data set. Beyond, its texts are cut.
LIMIT = 16 << 10
# Links of a chain: what is behind them is in the traceback.
_LINKS = 8


class ExceptionLink(NamedTuple):
    """What an exception was raised from: its `cause`, or its `context`; text: its own words."""

    relation: str
    content: Content | None
    text: str


def packed(error: BaseException, freeze: Freeze) -> tuple[Content | None, str]:
    """Return an exception and its causes as one content, and what of it could not travel."""
    main, lost = _pickled(error, freeze)
    chains = [(path, links) for path, links in _chains(error, freeze) if links]
    if main is None and not chains:
        return None, lost
    return Content(freeze((main, chains))[0]), lost


def _chains(error: BaseException, freeze: Freeze, path: tuple[int, ...] = ()) -> Iterator[Any]:
    """Return what an exception was raised from, and members of a group, by their places in it."""
    links = []
    for relation, linked in _linked(error):
        text = "".join(traceback.format_exception_only(type(linked), linked)).strip()
        links.append(tuple(ExceptionLink(relation, _pickled(linked, freeze)[0], text[:TEXT])))
    yield path, links
    for number, member in enumerate(_members(error)[:MEMBERS] if len(path) < _LINKS else ()):
        yield from _chains(member, freeze, (*path, number))


def _members(error: BaseException) -> Sequence[BaseException]:
    members = getattr(error, "exceptions", ())  # those of a group
    is_group = type(members) is tuple and all(isinstance(one, BaseException) for one in members)
    return members if is_group else ()


def _linked(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    """Return what an exception was raised from, as a traceback shows it."""
    seen = {id(error)}
    for _ in range(_LINKS):
        linked, relation = error.__cause__, "cause"
        if linked is None and not error.__suppress_context__:
            linked, relation = error.__context__, "context"
        if linked is None or id(linked) in seen:
            return
        yield relation, linked
        seen.add(id(linked))
        error = linked


def _pickled(error: BaseException, freeze: Freeze) -> tuple[Content | None, str]:
    """Pickle an exception so that it comes back as what it was, without what cannot travel."""
    try:
        content = _frozen(error, freeze)
        if content is not None and type(content.load()) is type(error):
            return content, ""
    except BaseException as failed:  # whatever objects of the user do when they are pickled
        pass_interrupt(failed)  # else part by part
    try:
        parts = ExceptionParts(error)
        left = Pruning(freeze, LIMIT).prune(parts)
        content = _frozen(parts, freeze)
        if content is None:  # each part is small enough, and there are too many
            left = parts.empty()
            content = _frozen(parts, freeze)
        if content is not None and type(content.load()) is type(error):
            return content, left
        return None, left or "unpickling it gives another object, or it is too large"
    except BaseException as failed:  # as above: its class alone may be what fails
        pass_interrupt(failed)
        return None, f"{type(failed).__name__}: {failed}"


def _frozen(what: Any, freeze: Freeze) -> Content | None:
    data, raw, handles_in = freeze(what)
    if handles_in:
        raise TypeError("it holds handles")
    content = Content(data, [freeze_buffer(view) for view in raw])
    return content if content.size <= LIMIT else None


class Arrived(NamedTuple):
    """What came of an exception: itself, None where it cannot be rebuilt, and why not.

    relation, origin: what it was raised from.
    """

    error: BaseException | None
    why: str
    relation: str
    origin: BaseException | None


def unpacked(content: Content) -> Arrived:
    """Rebuild an exception and what it was raised from."""
    main, chains = content.load()
    error = _loaded(main)
    if not isinstance(error, BaseException):
        why, error = error or "", None
        return Arrived(error, why, *next((_chain(c) for path, c in chains if not path), ("", None)))
    relation, origin = "", None
    for path, links in chains:
        member = error
        for number in path:
            member = _members(member)[number]
        relation_there, origin_there = _chain(links)
        raise_from(member, relation_there, origin_there)
        if not path:
            relation, origin = relation_there, origin_there
    return Arrived(error, "", relation, origin)


def _chain(links: list[Any]) -> tuple[str, BaseException | None]:
    """Rebuild what an exception was raised from: the relation to it, and the first link."""
    relation, origin = "", None
    for link in reversed([ExceptionLink(*fields) for fields in links]):
        rebuilt = _loaded(link.content)
        if not isinstance(rebuilt, BaseException):
            rebuilt = TaskFailed(f"{link.text} (it cannot be rebuilt here)")
        raise_from(rebuilt, relation, origin)
        relation, origin = link.relation, rebuilt
    return relation, origin


def raise_from(error: BaseException, relation: str, origin: BaseException | None) -> None:
    """Let an exception say what it was raised from, whatever its class does with attributes."""
    if relation:
        object.__setattr__(error, f"__{relation}__", origin)


def _loaded(content: Content | None) -> Any:
    """Load an exception: None where there is none, else what came instead, in words."""
    if content is None:
        return None
    try:
        return content.load()
    except BaseException as problem:  # whatever a class of the user does when it is rebuilt
        pass_interrupt(problem)
        return repr(problem)
