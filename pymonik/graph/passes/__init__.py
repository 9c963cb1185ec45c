"""The passes, Graph to Graph, in the order in which they run.

A pass, its file and its golden file share one name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pymonik.errors import OptionsError
from pymonik.graph.ir import Graph
from pymonik.graph.passes.batch import batch
from pymonik.graph.passes.cluster import cluster
from pymonik.graph.passes.cse import cse
from pymonik.graph.passes.cull import cull
from pymonik.graph.passes.fuse import fuse
from pymonik.graph.passes.gang import gang
from pymonik.graph.passes.vectorize import vectorize
from pymonik.graph.target import Target
from pymonik.graph.verify import verify
from pymonik.settings import settings

Pass = Callable[[Graph, Target], Graph]

PASSES: dict[str, Pass] = {
    "cull": cull,  # first: no pass should look at what is not needed
    "cse": cse,  # before calls are folded: it compares single calls
    "vectorize": vectorize,  # from here on there are maps only
    "fuse": fuse,  # chains are seen best between wide nodes
    "gang": gang,  # what neither is wide nor a chain, where executors hand values to each other
    "cluster": cluster,  # the same elsewhere: small calls of several levels
    "batch": batch,  # last: it cuts what is left into units
}
# Without these a graph has no units: `optimize=False` is one call a unit, not no compilation.
_ALWAYS = ("vectorize",)
# Nodes, and calls, of a graph on which the laws are always checked: see `run_passes`.
_SMALL = 200


def run_passes(
    graph: Graph,
    target: Target,
    optimize: bool | Iterable[str] = True,
    on_pass: Callable[[str, Graph], None] | None = None,
) -> Graph:
    """Run the passes in order and check the laws of the IR after each.

    optimize: all (True), none (False), or the names of some. on_pass: called with each pass's name
    and the graph it made.
    """
    chosen = selected(optimize)
    # The laws are checked after every pass on every graph of the tests, and on small ones always:
    # on large ones the check would cost more than the passes.
    proving = settings().verify or (len(graph.nodes) <= _SMALL and graph.calls <= _SMALL)
    for name, run in PASSES.items():
        if name in chosen or name in _ALWAYS:
            graph = run(graph, target)
            if proving:
                verify(graph, name)
            if on_pass is not None:
                on_pass(name, graph)
    return graph


def selected(optimize: bool | Iterable[str]) -> tuple[str, ...]:
    """Return the names of the passes that `optimize` asks for."""
    if isinstance(optimize, bool):
        return tuple(PASSES) if optimize else ()
    if not isinstance(optimize, Iterable):
        raise OptionsError(f"optimize takes True, False or names of passes, not {optimize!r}")
    names = (optimize,) if isinstance(optimize, str) else tuple(optimize)
    for name in names:
        if name not in PASSES:
            raise OptionsError(f"unknown pass {name!r}: there are {', '.join(PASSES)}")
    return names
