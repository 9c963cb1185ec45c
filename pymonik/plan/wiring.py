"""Wirings: how the calls of a graph use each other, compared with those of another graph.

Enters: recorded calls, then those of later graphs. Leaves: whether a plan of the later ones follows
from that of the first. They are compared in few lists, not call by call, nearly all of it in C, and
as objects, since the number of an object has to be made: that takes a tenth of the time of
compiling them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat
from operator import attrgetter, is_, itemgetter
from typing import Any
from weakref import ref

from pymonik.graph.ir import Graph
from pymonik.graph.nodes import Call
from pymonik.graph.slots import Ref

_NOTHING = (None, None, None)
_args, _lasti, _site, _spec, _node = map(attrgetter, ("args", "lasti", "site", "spec", "node"))
_special = attrgetter("n", "ids", "label")


class Wiring:
    """What calls have in common with those of another graph, in the order of the steps of a plan.

    Of each: its number in the graph, how many arguments it has, whether somebody wants its value.
    Of all arguments, one behind the other: their types, where values of calls are named, and which
    those are. Specs are not kept alive; the code that calls is.
    """

    def __init__(self, graph: Graph, calls: Sequence[Call], wanted: list[bool]) -> None:
        """Note what calls have; wanted: as their values were when the plan was made."""
        number = dict(zip(map(id, graph.nodes), range(len(graph.nodes))))
        self.order = [number[id(call)] for call in calls]
        self.wanted = wanted
        args = list(map(_args, calls))
        self._lengths = list(map(len, args))
        flat = list(chain.from_iterable(args))
        self._types = list(map(type, flat))
        self._lasti = list(map(_lasti, calls))
        self._sites = _all_alike(list(map(_site, calls)))
        self._specs = list(map(ref, _all_alike(list(map(_spec, calls)))))
        # Where calls are named, and the places of those.
        self._named = [place for place, kind in enumerate(self._types) if kind is Ref]
        places = dict(zip(map(id, calls), range(len(calls))))
        self._sources = [places.get(id(flat[place].node), -1) for place in self._named]
        # Whether they are single calls, without names and ids, that use no others.
        self.is_closed = _are_single(calls) and -1 not in self._sources

    def slots_of(self, nodes: Sequence[Any]) -> tuple[list[Any], list[Any]] | None:
        """Return calls that are wired alike, and their arguments, one behind the other.

        None where they are not alike. nodes: of a graph of as many.
        """
        calls = [nodes[number] for number in self.order]
        if set(map(type, calls)) != {Call} or list(map(_lasti, calls)) != self._lasti:
            return None
        specs = [spec() for spec in self._specs]
        if None in specs or not _are(map(_spec, calls), specs):
            return None
        # Code goes by its address, not by its hash, or equality, which are of all it has.
        if not _are(map(_site, calls), self._sites) or not _are_single(calls):
            return None
        args = list(map(_args, calls))
        flat = list(chain.from_iterable(args))
        if list(map(len, args)) != self._lengths or list(map(type, flat)) != self._types:
            return None
        if not all(map(is_, map(_node, _at(self._named, flat)), _at(self._sources, calls))):
            return None
        # A call is a weak reference to its liveness. These calls have no name and no id, so a dead
        # reference means: not wanted.
        if [one is not None for one in map(Call.__call__, calls)] != self.wanted:
            return None
        return calls, flat

    def specs(self, calls: Sequence[Call]) -> list[Any]:
        """Return the specs of calls that are wired alike; one alone where all have it."""
        return [calls[0].spec] if len(self._specs) == 1 else list(map(_spec, calls))


def _all_alike(things: list[Any]) -> list[Any]:
    """Return a list of one thing alone, where all in a list are it; else all of them."""
    return things[:1] if all(map(is_, things, repeat(things[0]))) else things


def _are(things: Any, expected: list[Any]) -> bool:
    """Return whether things are those of a list, or all of them its only one."""
    return all(map(is_, things, repeat(expected[0]) if len(expected) == 1 else expected))


def _at(places: list[int], things: list[Any]) -> Sequence[Any]:
    """Return what stands at some places."""
    if len(places) < 2:  # of one alone no tuple is given
        return [things[place] for place in places]
    chosen: tuple[Any, ...] = itemgetter(*places)(things)
    return chosen


def _are_single(calls: Sequence[Call]) -> bool:
    return list(map(_special, calls)).count(_NOTHING) == len(calls)
