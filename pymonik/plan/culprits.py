"""Culprits: calls on which compiling fails, found and made to fail alone.

Enters: a graph that does not compile. Leaves: the same graph, in which calls that end with the
error stand for the culprits, so that what depends on them fails with it and all others run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymonik.graph.columns import Const
from pymonik.graph.ir import Call, Graph, StandIn, original_of
from pymonik.graph.passes import run_passes
from pymonik.graph.target import Target
from pymonik.plan.lower import lower
from pymonik.values.exceptions import packed
from pymonik.values.options import DEFAULTS, TaskOptions, merge
from pymonik.values.outcome import Failure

if TYPE_CHECKING:
    from pymonik.capture.function import Code


class RefusedCall(StandIn):
    """A call that fails, for one on which compiling fails."""

    __slots__ = ()


def refuse_culprits(graph: Graph, target: Target, optimize: Any, calling: Code) -> Graph | None:
    """Return a graph in which calls that fail stand for those on which compiling fails.

    They are found by halves: a part that compiles behind what is good already has none. calling:
    the code that calls what it is given first. None where compiling fails on none of them; raises
    what it raises on what is no call.
    """
    good: list[Any] = []
    aliases = dict(graph.aliases)
    is_refused = False
    parts = [list(graph.nodes)]
    while parts:
        part = parts.pop()
        try:
            lower(run_passes(Graph((*good, *part), aliases), target, optimize))
        except Exception as error:  # whatever objects of the user do when they are looked at
            if len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
                continue
            [node] = part
            if not isinstance(node, Call) or type(node) is RefusedCall:
                raise
            part = [_refused(node, error, calling)]
            aliases[original_of(node)] = part[0]
            is_refused = True
        # A culprit stays, too: what depends on it is none for that.
        good += part
    return Graph(tuple(good), aliases, graph.notes) if is_refused else None


def _refused(node: Call, error: Exception, calling: Code) -> RefusedCall:
    """Return a call that takes its failure for an argument: it is kept, and will not run."""
    from pymonik.capture import freeze as pickling

    exception, lost = packed(error, pickling.freeze)
    message = f"it cannot be sent: {type(error).__name__}: {error}"
    failure = Failure("error", message, node.spec.name, node.where, exception=exception, lost=lost)
    # Any part of it may be what failed.
    spec = node.spec.changed(
        options=merge(DEFAULTS, TaskOptions(partition_id=node.spec.options.partition_id)),
        code=calling,
        width=1,
        keywords=(),
        context=False,
        environment=None,
        snapshot=None,
        surroundings=None,
        pure=False,
        cache=False,
        delegates=False,
    )
    args = (failure,) if node.n is None else (Const(failure),)
    return RefusedCall(node(), node, spec, args)
