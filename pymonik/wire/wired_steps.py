"""Steps that are wired alike: what programs of one element have in common, but for plain values.

A program in a loop sends the same graph again and again, with other numbers. Where each step takes
its arguments from, which values are stored, and where calls stand in the code travel as bytes that
are made once, and that an executor which has loaded them knows again. (Mashayekhi et al.: Execution
Templates, ATC 2017: those of workers.)
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from itertools import repeat
from typing import Any

from pymonik.values import seeds

# Steps whose wiring an executor keeps loaded, some 200 bytes each: beyond, all are forgotten.
_STEPS = 50_000


class StepWiring:
    """What steps share with those of programs that are wired alike.

    sources: of each step, where its arguments come from: the number of an earlier step, or that of
    a plain value, from -1 downwards. keep, sites: as those of `StepCode`.
    """

    __slots__ = ("_data", "keep", "outputs", "sites", "sources")

    def __init__(
        self,
        sources: Sequence[tuple[int, ...]],
        keep: Sequence[Any],
        sites: Sequence[Any],
        data: bytes | None = None,
    ) -> None:
        self.sources, self.keep, self.sites, self._data = sources, keep, sites, data
        # The steps whose values are stored, in order.
        self.outputs = [number for number, one in enumerate(keep) if one is not False]

    @property
    def data(self) -> bytes:
        """It as bytes."""
        if self._data is None:
            self._data = pickle.dumps((self.sources, self.keep, self.sites), protocol=5)
        return self._data

    @classmethod
    def load(cls, data: bytes) -> StepWiring:
        """Make one of its bytes, or take the one that was made of them."""
        wiring = _known.get(data)
        if wiring is None:
            sources, keep, sites = pickle.loads(data)
            # Of a copy: other threads load programs, too, where calls run in the program itself.
            if sum([len(one.keep) for one in [*_known.values()]]) + len(keep) > _STEPS:
                _known.clear()
            wiring = _known[data] = cls(sources, keep, sites, data)
        return wiring


# By their bytes, for all units that this process loads.
_known: dict[bytes, StepWiring] = {}


class WiredSteps:
    """The steps of one such program: plain values, and what their seeds are made of.

    root_seed: of all keys that are numbers, see `seeds.of_call`.
    """

    __slots__ = ("keys", "root_seed", "values", "wiring")

    def __init__(
        self, wiring: StepWiring, values: list[Any], root_seed: bytes, keys: list[Any]
    ) -> None:
        self.wiring, self.values = wiring, values
        self.root_seed, self.keys = root_seed, keys

    def parts(self) -> list[Any]:
        """Return what goes into a payload."""
        return [self.wiring.data, self.values, self.root_seed, self.keys]

    @classmethod
    def of(cls, parts: list[Any]) -> WiredSteps:
        """Make them of what has come in a payload."""
        return cls(StepWiring.load(parts[0]), *parts[1:])

    def own(self) -> tuple[tuple[Any, ...], ...]:
        """Return the part of each step that is a unit's own: see `StepCode`."""
        wiring, values, root_seed = self.wiring, self.values, self.root_seed
        columns = [
            tuple([("p", one) if one >= 0 else ("v", values[~one]) for one in sources])
            for sources in wiring.sources
        ]
        keys = [seeds.of_call(root_seed, key) for key in self.keys]
        return tuple(zip(columns, wiring.keep, wiring.sites, repeat(None), keys))


def sources_of(
    rows: Sequence[Sequence[Any]],
) -> tuple[list[tuple[int, ...] | None], list[Any]]:
    """Return where the columns of steps take values from, as a wiring has it, and plain values.

    None for steps that take others.
    """
    values: list[Any] = []
    sources: list[tuple[int, ...] | None] = []
    for columns in rows:
        places = []
        for column in columns:
            if column[0] == "p":
                places.append(column[1])
            elif column[0] == "v":
                values.append(column[1])
                places.append(-len(values))
            else:
                sources.append(None)
                break
        else:
            sources.append(tuple(places))
    return sources, values
