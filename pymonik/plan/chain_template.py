"""Templates of chains: calls of which each takes the one before need no passes, whatever they are.

Enters: graphs of such calls, which take plain values beside. Leaves: exactly the plan that
compiling gives: one unit, a step for each call. No pass but `fuse` has anything to do with them,
and what that does with a chain is known. So nothing is made for a link: calls are looked at, and
steps written, in few lists, nearly all of it in C. (Linear fusion, as in Dask.)
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain, repeat
from operator import attrgetter, is_
from typing import Any

from pymonik.graph.ir import Call, CallSpec, Graph, names_of
from pymonik.graph.slots import Ref
from pymonik.plan.plan import Plan
from pymonik.plan.repeated import CallsOfUnit, plan_of_unit
from pymonik.plan.rows import inherited, retried_types, shared_fields
from pymonik.plan.unit import Unit
from pymonik.settings import settings
from pymonik.values import seeds
from pymonik.values.content import IMMEDIATE, Content
from pymonik.values.location import Location
from pymonik.values.outputs import Outputs
from pymonik.wire.program import Program, Shared
from pymonik.wire.wired_steps import StepWiring, WiredSteps

_spec, _args, _node, _name = map(attrgetter, ("spec", "_args", "node", "name"))
_site, _lasti, _key = map(attrgetter, ("site", "lasti", "spawn_key"))
_special = attrgetter("n", "ids", "label")
_NOTHING = (None, None, None)
# What an argument is that stands in a program as it is.
_PLAIN = IMMEDIATE | {tuple}


class _OfChain(CallsOfUnit):
    """The calls of a chain."""

    __slots__ = ("_before",)

    def __init__(
        self, calls: Sequence[Call], locations: list[Location], before: tuple[str, ...]
    ) -> None:
        super().__init__(calls, locations, 1, len(calls) - 1)
        self._before = before

    def notes(self) -> tuple[str, ...]:
        """Return what the passes would have said."""
        from pymonik.graph.passes.fuse import notes_of_chain  # for who looks at the graph

        return self._before + notes_of_chain([call.spec.name for call in self._calls])


def chain_plan(graph: Graph, optimize: Any) -> Plan | None:
    """Return the plan of a graph that is a chain of calls; None where it is none."""
    nodes = graph.nodes
    if optimize is not True or graph.aliases or set(map(type, nodes)) != {Call}:
        return None
    if list(map(_special, nodes)).count(_NOTHING) < len(nodes):
        return None
    specs = list(map(_spec, nodes))
    kinds = {id(spec): spec for spec in _different(specs)}
    wired = _wired(nodes) if _are_fused(kinds.values()) else None
    if wired is None:
        return None
    # A call is a weak reference to its liveness, and these have no name and no id: see `wanted`.
    keep = [one is not None for one in map(Call.__call__, nodes)]
    if specs[-1].pure and not keep[-1]:  # it is dropped
        return None
    return _plan(graph, specs, kinds, wired, keep)


def _different(things: list[Any]) -> Collection[Any]:
    """Return the things of a list, each once, whatever they are equal to."""
    if all(map(is_, things, repeat(things[0]))):  # as in most loops
        return things[:1]
    return dict(zip(map(id, things), things)).values()


def _wired(nodes: Sequence[Call]) -> tuple[list[tuple[int, ...]], list[Any]] | None:
    """Return where the steps of a chain take their arguments from, and plain values.

    As `StepWiring` has it. None where calls are no chain, or do not take as many arguments each.
    """
    args: list[Any] = list(map(_args, nodes))
    if None in args:  # no flush has taken them
        return None
    first, rest, count = args[0], args[1:], len(nodes) - 1
    if not _PLAIN.issuperset(map(type, first)) or set(map(len, rest)) != {len(rest[0])}:
        return None
    columns = list(zip(*rest))
    kinds = [set(map(type, column)) for column in columns]
    plain = [column for column, of in zip(columns, kinds) if _PLAIN.issuperset(of)]
    if len(plain) == len(columns):
        return None
    places: list[Sequence[int]] = []
    below = -1 - len(first)
    for column, of in zip(columns, kinds):
        if of == {Ref}:
            if not all(map(is_, map(_node, column), nodes)):
                return None
            places.append(range(count))
        elif _PLAIN.issuperset(of):
            places.append(range(below, below - count * len(plain), -len(plain)))
            below -= 1
        else:
            return None
    values = [*first, *chain.from_iterable(zip(*plain))]
    return [tuple(range(-1, -1 - len(first), -1)), *zip(*places)], values


def _are_fused(specs: Any) -> bool:
    """Return whether `fuse` makes one unit of calls of such specs; none is large, or an input."""
    limit = settings().blob_size
    first = next(iter(specs))
    return all(
        not spec.delegates
        and spec.code.content.size <= limit
        and (spec is first or spec.affinity == first.affinity)
        for spec in specs
    )


def _plan(
    graph: Graph,
    specs: list[CallSpec],
    kinds: dict[int, CallSpec],
    wired: tuple[list[tuple[int, ...]], list[Any]],
    keep: list[bool],
) -> Plan:
    """Return the plan of a chain: see `plan.lower`, which makes those of all graphs."""
    (sources, values), nodes, first = wired, graph.nodes, specs[0]
    wiring = StepWiring(sources, keep, _lines(nodes))
    steps = WiredSteps(wiring, values, *_keys(nodes, specs, kinds))
    program = Program.of_wired(_shared(specs, kinds), steps)
    kept = [place for place, is_kept in enumerate(keep) if is_kept]
    outputs, options, where = Outputs(1, len(kept)), inherited(first.options), first.environment
    name = names_of(list(map(_name, specs)))
    unit = Unit(0, program, (), outputs, options, name, where, bool(kept))
    costs = {key: spec.options.cost for key, spec in kinds.items()}
    known = None not in costs.values()
    unit.seconds = sum([costs[id(spec)] or 0.0 for spec in specs]) if known else None
    # One for all values that are not stored: there is nothing to share, or to renounce.
    locations = [Location([outputs], 1, None)] * len(nodes)
    for number, place in enumerate(kept):
        locations[place] = Location([outputs], 1, number)
    return plan_of_unit(_OfChain(nodes, locations, graph.notes), unit, first)


def _shared(specs: list[CallSpec], kinds: dict[int, CallSpec]) -> Shared:
    retried: dict[Any, Content | None] = {}
    codes = {}
    for key, spec in kinds.items():
        types = spec.options.retry_on
        if types not in retried:
            retried[types] = retried_types(types)
        codes[key] = shared_fields(spec, spec.code.content, retried[types])
    if len(codes) == 1:
        return Shared([*codes.values()] * len(specs))
    return Shared(list(map(codes.__getitem__, map(id, specs))))


def _lines(nodes: Sequence[Call]) -> list[str]:
    """Return the call sites, each worked out once.

    Code goes by its address, not by its hash, or equality, which are of all it has.
    """
    sites, places = list(map(_site, nodes)), list(map(_lasti, nodes))
    if places.count(places[0]) == len(places) and len(_different(sites)) == 1:
        return [nodes[0].where] * len(nodes)
    both = list(zip(map(id, sites), places))
    lines = {key: node.where for key, node in dict(zip(both, nodes)).items()}
    return list(map(lines.__getitem__, both))


def _keys(
    nodes: Sequence[Call], specs: list[CallSpec], kinds: dict[int, CallSpec]
) -> tuple[bytes, list[Any]]:
    """Return the spawn keys of calls, and the root seed of those that are numbers."""
    root, keys = specs[0].root_seed, list(map(_key, nodes))
    if any(spec.pure or spec.root_seed != root for spec in kinds.values()):
        keys = [
            None if spec.pure else seeds.of_call(spec.root_seed, key)
            for spec, key in zip(specs, keys)
        ]
    return root, keys
