"""The program of a unit: what its payload says, as plain tuples.

Written by `plan.lower`, loaded by `runtime.executor.unit_runner` and by the inline backend. Inputs
are named by position, because ids do not exist when a payload is written: an input is a `Content`
(a blob) or the columns of another unit.

Columns (one for each argument):

    ("v", value)                 the same immediate for all elements
    ("s", [value, …])            an immediate for each
    ("c", item)                  the same content; an item is a `Content` or an input's position
    ("m", [slot, …])             any slot for each element
    ("p", step)                  what an earlier step made for the element
    ("r", [(input, output, start, step, count), …])   runs over columns of other units

Slots (one argument of one element): an immediate column, or

    ("r", [one run of one])      an output of another unit
    ("b", [run, …])              a list of outputs
    ("n", item, [slot, …])       a content with holes
    ("x", failure)               nothing: the call was cancelled, and does not run
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pymonik.system.structs import NamedTuple
from pymonik.values import seeds
from pymonik.values.outcome import Failure

if TYPE_CHECKING:
    from pymonik.wire.wired_steps import WiredSteps

Run = tuple[int, int, int, int, int]


class StepCode(NamedTuple):
    """One step of a program: what it shares with the same step of other units, then its own.

    limit: seconds. retries, max_retries: tries after an exception, after a death. retry_on: a
    content with exception types, None for `Exception`. options: what sub-tasks inherit, given where
    the task may make some.

    keep: which values are stored (all, none, or a bit an element). site: "file:line" of the call,
    or one for each element. base: number of the first element, or of each; None for single calls.
    spawn_keys: where seeds come from (see `seeds`), None for pure tasks.
    """

    function: Any
    name: str
    keywords: tuple[str, ...]
    context: bool
    limit: float | None
    retries: int
    max_retries: int
    retry_on: Any
    options: Any
    columns: tuple[Any, ...]
    keep: bool | bytes
    site: Any
    base: int | list[int | None] | None
    spawn_keys: Any = None


# What stands before these fields is shared by all units of a map; `keep` is among a unit's own.
_SHARED = StepCode._fields.index("columns")
_KEEP = StepCode._fields.index("keep") - _SHARED
# Shared parts that an executor keeps loaded.
_KNOWN_SHARED = 512


class Shared:
    """What the steps of all units of a map have in common: pickled once, unpickled once."""

    __slots__ = ("_data", "codes", "limited", "lone")

    def __init__(self, codes: Sequence[tuple[Any, ...]], data: bytes | None = None) -> None:
        self.codes = tuple(codes)
        self._data = data
        limit = StepCode._fields.index("limit")
        self.limited = any(code[limit] for code in codes)
        # The only code, where its calls have no options: then what a call takes is its columns.
        is_lone = len(self.codes) == 1 and not has_options(self.codes[0])
        self.lone = self.codes[0] if is_lone else None

    @property
    def data(self) -> bytes:
        """The codes as bytes."""
        if self._data is None:
            self._data = pickle.dumps(self.codes, protocol=5)
        return self._data


class Program:
    """The steps of a unit and the number of its elements.

    It is kept, and travels, in two parts: what it shares with other units, and its own. Of its own,
    what programs share that are wired alike is apart: see `wired_steps`.
    """

    __slots__ = ("_own", "_steps", "n", "shared", "wired")

    def __init__(self, steps: Sequence[StepCode], n: int) -> None:
        self._steps: tuple[StepCode, ...] | None = tuple(steps)
        self.shared = Shared([step[:_SHARED] for step in steps])
        self._own: tuple[tuple[Any, ...], ...] | None = tuple([step[_SHARED:] for step in steps])
        self.wired: WiredSteps | None = None
        self.n = n

    @classmethod
    def of(cls, shared: Shared, own: tuple[tuple[Any, ...], ...], n: int) -> Program:
        """Make one of its two parts."""
        program = cls.__new__(cls)
        program.shared, program._own, program.n = shared, own, n
        program._steps = program.wired = None
        return program

    @classmethod
    def of_wired(cls, shared: Shared, wired: WiredSteps) -> Program:
        """Make one of one element, whose steps are wired as those of others."""
        program = cls.__new__(cls)
        program.shared, program.wired, program.n = shared, wired, 1
        program._steps = program._own = None
        return program

    @property
    def own(self) -> tuple[tuple[Any, ...], ...]:
        """The part of each step that is its own."""
        if self._own is None:
            assert self.wired is not None
            self._own = self.wired.own()
        return self._own

    @property
    def sources(self) -> tuple[Sequence[tuple[int, ...] | None], Sequence[Any]]:
        """Where the arguments of steps come from, and the plain ones: see `StepWiring`."""
        if self.wired is None:
            from pymonik.wire.wired_steps import sources_of  # for gangs, not before the first value

            return sources_of([own[0] for own in self.own])
        return self.wired.wiring.sources, self.wired.values

    @property
    def steps(self) -> tuple[StepCode, ...]:
        """The steps, in order."""
        if self._steps is None:
            parts = zip(self.shared.codes, self.own)
            self._steps = tuple([StepCode._make(code + own) for code, own in parts])
        return self._steps

    @property
    def outputs(self) -> list[int]:
        """The steps whose values are stored, in order."""
        if self.wired is not None:
            return self.wired.wiring.outputs
        return [number for number, own in enumerate(self.own) if own[_KEEP] is not False]

    def is_stored(self, step: int, element: int) -> bool:
        """Return whether the value of a step is stored for an element."""
        keep = self.own[step][_KEEP] if self.wired is None else self.wired.wiring.keep[step]
        return keep is True or bool(keep and keep[element])

    @property
    def data(self) -> bytes:
        """The program as bytes."""
        common = self.shared._data or self.shared.data
        own = self.own if self.wired is None else self.wired.parts()
        return pickle.dumps((common, own, self.n), protocol=5)

    @classmethod
    def load(cls, data: bytes) -> Program:
        """Make a program of its bytes."""
        common, own, n = pickle.loads(data)
        shared = _known.get(common)
        if shared is None:
            if len(_known) >= _KNOWN_SHARED:
                # All at once: an executor meets so many maps rarely, and then no longer the old
                # ones.
                _known.clear()
            shared = _known[common] = Shared(pickle.loads(common), common)
        if type(own) is list:
            from pymonik.wire.wired_steps import WiredSteps  # not before the first value

            return cls.of_wired(shared, WiredSteps.of(own))
        return cls.of(shared, own, n)

    def uses(self) -> Iterator[tuple[int, int, int]]:
        """Return the values of other units that it uses: (input, output, place); some twice."""
        for step in self.steps:
            for column in step.columns:
                for source, output, start, stride, count in _runs_of(column):
                    for number in range(count):
                        yield source, output, start + number * stride


# By their bytes, for all units that this process loads.
_known: dict[bytes, Shared] = {}


def has_options(code: tuple[Any, ...]) -> bool:
    """Return whether calls of a shared part have limits, tries, a context or names of arguments."""
    _, _, keywords, context, limit, retries = code[:6]
    return bool(limit or retries or context or keywords)


def site_of(step: StepCode, number: int) -> str:
    """Return "file:line" of the call of an element."""
    return step.site if isinstance(step.site, str) else str(step.site[number])


def element_of(step: StepCode, number: int) -> int | None:
    """Return the place of an element in its map, None for a single call."""
    if isinstance(step.base, list):
        return step.base[number]
    return None if step.base is None else step.base + number


def own_part(step: StepCode) -> tuple[Any, ...]:
    """Return the part of a step that is a unit's own."""
    return step[_SHARED:]


def cut(program: Program, start: int, stop: int) -> Program:
    """Return the program of a range of elements; its inputs keep their positions."""
    own = [_cut_step(step, start, stop)[_SHARED:] for step in program.steps]
    return Program.of(program.shared, tuple(own), stop - start)


def steps_in(column: Any) -> Iterator[int]:
    """Return the earlier steps whose values a column takes."""
    if column[0] == "p":
        yield column[1]
    elif column[0] in ("n", "m"):
        for slot in column[-1]:
            yield from steps_in(slot)


def parts_of(column: Any, element: int) -> Iterator[int | Run | Failure]:
    """Return what one argument of one element takes from others, in order.

    An earlier step by its number, values of another unit as a run, and what has failed as itself.
    """
    kind, what = column[0], column[1]
    if kind in "px":
        yield what
    elif kind == "m":
        yield from parts_of(what[element], 0)
    elif kind == "n":
        for slot in column[2]:
            yield from parts_of(slot, 0)
    elif kind == "r" and sum(run[4] for run in what) > 1:  # one for each element
        yield from _cut_runs(what, element, element + 1)
    elif kind in "rb":
        yield from (run for run in what if run[0] != "c")


def _runs_of(column: Any) -> Iterator[Run]:
    kind = column[0]
    if kind in "rb":
        yield from (run for run in column[1] if run[0] != "c")
    elif kind in "mn":
        for slot in column[-1]:
            yield from _runs_of(slot)


def _cut_step(step: StepCode, start: int, stop: int) -> StepCode:
    return step._replace(
        columns=tuple(_cut_column(column, start, stop) for column in step.columns),
        keep=step.keep[start:stop] if isinstance(step.keep, bytes) else step.keep,
        site=step.site if isinstance(step.site, str) else step.site[start:stop],
        base=_cut_base(step.base, start, stop),
        spawn_keys=seeds.cut(step.spawn_keys, start, stop),
    )


def _cut_base(base: Any, start: int, stop: int) -> Any:
    if isinstance(base, list):
        return base[start:stop]
    return None if base is None else base + start


def _cut_column(column: Any, start: int, stop: int) -> Any:
    kind = column[0]
    if kind in "sm":
        return (kind, column[1][start:stop])
    if kind == "r" and sum(run[4] for run in column[1]) > 1:
        return ("r", list(_cut_runs(column[1], start, stop)))
    return column


def _cut_runs(runs: Sequence[Run], start: int, stop: int) -> Iterator[Run]:
    at = 0
    for source, output, first, step, count in runs:
        low, high = max(start - at, 0), min(stop - at, count)
        if low < high:
            yield (source, output, first + low * step, step, high - low)
        at += count
