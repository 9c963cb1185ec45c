"""What changed between two graphs, why, and what lies downstream of it.

Enters: two graphs as recorded. Leaves: `Change`s. Calls of one task and depth are one node, which
node stands for which is left to `pairs`; functions are compared part by part, by fingerprints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import zip_longest
from typing import Any

from pymonik.analysis.dag import downstream
from pymonik.analysis.pairs import name_of, paired
from pymonik.analysis.shape import folded
from pymonik.capture.text.fingerprint import changed_parts, content_digest, parameters_of, parts_of
from pymonik.environment.value import is_alike
from pymonik.graph.ir import Graph, Map, Put, inputs
from pymonik.graph.spelling import Spelling
from pymonik.graph.verbs import visit
from pymonik.graph.visitors import NodeRun
from pymonik.humanize import counted, literal
from pymonik.values.content import Content
from pymonik.values.options import names_of


@dataclass(frozen=True)
class Change:
    """One node that is new, gone or changed, or several that are in the same way.

    kind: added, removed or changed. why: what differs, each with its part ("code of price",
    "argument day", "option priority", "count"). downstream: names of what uses it, directly or not.
    times: how many nodes it is.
    """

    kind: str
    task: str
    site: str
    why: tuple[str, ...] = ()
    downstream: tuple[str, ...] = ()
    times: int = 1


Seeds = tuple[int | None, int | None]


def diff(before: Graph, after: Graph, seeds: Seeds = (None, None)) -> list[Change]:
    """Compare two graphs as recorded.

    seeds: those that their clients were given, None where one was given none.
    """
    old, new = folded(before).nodes, folded(after).nodes
    pairs = paired(old, new)
    matched = {id(other): id(one) for one, other in pairs if one is not None and other is not None}
    # Equal ones are one change: a line of a loop is listed once.
    counts: dict[Change, int] = {}
    for one, other in pairs:
        change = _change(one, other, old, new, matched, seeds)
        if change is not None:
            counts[change] = counts.get(change, 0) + 1
    return [replace(change, times=times) for change, times in counts.items()]


def _change(
    one: Any, other: Any, old: Any, new: Any, matched: dict[int, int], seeds: Seeds
) -> Change | None:
    if other is None:
        return Change("removed", name_of(one), _site(one), (), _users(one, old))
    if one is None:
        return Change("added", name_of(other), _site(other), (), _users(other, new))
    why = (*_reasons(one, other, matched), *_seed_reasons(other, seeds))
    users = _users(other, new) if why else ()
    return Change("changed", name_of(other), _site(other), why, users) if why else None


def _seed_reasons(node: Any, seeds: Seeds) -> Iterator[str]:
    """Find another seed, where a call could draw numbers from it or make calls that do."""
    specs = [] if isinstance(node, Put) else [step.spec for step in node.steps]
    was, now = ("none" if seed is None else seed for seed in seeds)
    if was != now and any(not s.pure and (s.context or s.delegates) for s in specs):
        yield f"seed: {was} before, {now} now"


def _site(node: Any) -> str:
    return str(node.where if isinstance(node, Put) else node.steps[0].origins[0].where)


def _users(node: Any, nodes: tuple[Any, ...]) -> tuple[str, ...]:
    """Return the names of what uses a node, directly or not, in order."""
    things = {id(other): other for other in nodes}
    users = downstream(id(node), things, lambda other: map(id, inputs(other)))
    return tuple(dict.fromkeys(name_of(things[key]) for key in users))


def _reasons(old: Any, new: Any, matched: dict[int, int]) -> Iterator[str]:
    if isinstance(new, Put):
        if content_digest(old.content) != content_digest(new.content):
            yield f"value: {old.content.size:,} bytes before, {new.content.size:,} now, not equal"
        return
    before, after = old.steps[0].spec, new.steps[0].spec
    yield from _code_reasons(parts_of(before.code.function), parts_of(after.code.function))
    for field in fields(after.options):
        was, now = getattr(before.options, field.name), getattr(after.options, field.name)
        # The record of a run has no exception types.
        is_kept = field.name != "retry_on" or None not in (was, now)
        if field.name == "retry_on" and is_kept:  # of a file, the names are known
            was, now = names_of(was), names_of(now)
        if was != now and is_kept:
            yield f"option {field.name}: {was} before, {now} now"
    if not is_alike(before.environment, after.environment):
        yield f"environment: {before.environment} before, {after.environment} now"
    if old.n != new.n:
        yield f"count: {old.n:,} before, {new.n:,} now"
    yield from _argument_reasons(old, new, matched)


def _code_reasons(before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    for part in changed_parts(before, after):
        was, now = before.get(part), after.get(part)
        if part.startswith("package ") and None in (was, now) and _is_brief(before):
            continue
        readable = part == "python" or part.startswith("package ")
        if was is None or now is None:
            yield f"{part}: {'new' if was is None else 'gone'}"
        else:
            yield f"{part}: {was} before, {now} now" if readable else f"{part}: changed"


def _is_brief(parts: dict[str, str]) -> bool:
    """Return whether a function was kept without the versions of its packages."""
    return not any(part.startswith("package ") for part in parts)


def _argument_reasons(old: Map, new: Map, matched: dict[int, int]) -> Iterator[str]:
    step, spec = new.steps[0], new.steps[0].spec
    named = parameters_of(spec.code.function, spec.context)
    plain = len(step.columns) - len(spec.keywords)
    columns = zip_longest(old.steps[0].columns, step.columns)
    for place, (before, after) in enumerate(columns):
        if place >= plain and place - plain < len(spec.keywords):
            name = spec.keywords[place - plain]
        else:
            name = named[place] if place < len(named) else str(place)
        if before is None or after is None:
            yield f"argument {name}: {'new' if before is None else 'gone'}"
            continue
        yield from _column_reasons(name, before, after, (old.n, new.n), matched)


def _column_reasons(
    name: str, before: Any, after: Any, sizes: tuple[int, int], matched: dict[int, int]
) -> Iterator[str]:
    n = min(sizes)
    old, new = _Matched({}), _Matched(matched)
    if before.is_run and after.is_run:  # it says it all without being written out
        if before.accept(old, n) != after.accept(new, n):
            yield f"argument {name}: comes from elsewhere"
        return
    is_one = before.is_constant and after.is_constant
    different = [
        element
        for element in range(1 if is_one else n)
        if not _alike(visit(before.at(element), old), visit(after.at(element), new))
    ]
    if different:
        was, now = (visit(column.at(different[0]), _SHOWN) for column in (before, after))
        is_partial = not is_one and len(different) < n
        where = f" of {len(different):,} of {n:,} calls" if is_partial else ""
        if was == now:
            yield f"argument {name}{where}: {now}, but not the same"
            return
        yield f"argument {name}{where}: {was} before, {now} now"


def _alike(one: Any, other: Any) -> bool:
    """Compare what was spelled: "" is a content that was not kept, and may be any."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other) or "" in (one, other)


class _Matched(Spelling):
    """What slot values of two graphs must agree on: nodes stand for those matched."""

    def __init__(self, matched: dict[int, int]) -> None:
        self._matched = matched

    def content(self, content: Content, holes: int = 0) -> Any:
        """Return what is equal for equal contents of two graphs."""
        return content_digest(content, holes)

    def output(self, node: Any, index: int) -> Any:
        """Return which value of which node it is."""
        return self._matched.get(id(node), id(node)), index

    def part(self, node: Any, indexes: range) -> Any:
        """Return which values of which node they are."""
        return self._matched.get(id(node), id(node)), indexes

    def immediate(self, value: Any) -> Any:
        """Return what is equal for equal values of one type."""
        return type(value), literal(value)


class _Shown:
    """What a reader is shown of a slot value: a visitor."""

    def immediate(self, value: Any) -> str:
        """Show a plain value, a long one shortened."""
        text = literal(value)
        return text if len(text) <= 40 else text[:39] + "…"

    def content(self, content: Content) -> str:
        """Show how large it is, and its digest."""
        return f"{content.size:,} bytes ({content_digest(content)[:8]})"

    def output(self, node: Any, index: int) -> str:
        """Show whose value it is."""
        return f"{name_of(node)}[{index}]" if node.n != 1 else name_of(node)

    def outputs(self, runs: Sequence[NodeRun]) -> str:
        """Show how many values there are, and whose the first ones are."""
        names = ", ".join(name_of(node) for node, _ in runs[:3])
        return f"{counted(sum(len(run) for _, run in runs), 'value')} of {names}"

    def template(self, content: Content, slots: Sequence[Any]) -> str:
        """Show how large the content is, and how many values go into it."""
        return f"{content.size:,} bytes around {counted(len(slots), 'value')}"

    def earlier(self, step: int) -> str:
        """Show which step it is of."""
        return f"step {step}"


_SHOWN = _Shown()
