"""Culprits: calls on which compiling fails, found and made to fail alone.

Enters: nodes that do not compile together. Leaves: the same nodes, the culprits among them turned
into calls that end with the error, so that what depends on them is told and all others run.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from pymonik.graph.columns import Const
from pymonik.graph.ir import Call, Graph
from pymonik.graph.passes import run_passes
from pymonik.graph.target import Target
from pymonik.plan.lower import lower
from pymonik.values.exceptions import packed
from pymonik.values.options import DEFAULTS, TaskOptions, merge
from pymonik.values.outcome import Failure

if TYPE_CHECKING:
    from pymonik.capture.function import Code


def refuse_culprits(nodes: Sequence[Any], target: Target, optimize: Any, calling: Code) -> int:
    """Turn the calls on which compiling fails into calls that fail; give their number.

    They are found by halves: a part that compiles behind what is good already has none. calling:
    the code that calls what it is given first.
    """
    good: list[Any] = []
    parts = [list(nodes)]
    count = 0
    while parts:
        part = parts.pop()
        try:
            lower(run_passes(Graph((*good, *part), {}), target, optimize))
        except Exception as error:  # whatever objects of the user do when they are looked at
            if len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
                continue
            if type(part[0]) is not Call or _is_refused(part[0]):
                raise
            _refuse(part[0], error, calling)
            count += 1
        # A culprit stays, too: what depends on it is none for that.
        good += part
    return count


def _is_refused(node: Call) -> bool:
    slots = [slot.value if type(slot) is Const else slot for slot in node.args]
    return Failure in map(type, slots)


def _refuse(node: Call, error: Exception, calling: Code) -> None:
    """Let a call take its failure for an argument: it stays in the graph, and will not run."""
    from pymonik.capture import freeze as pickling

    exception, lost = packed(error, pickling.freeze)
    message = f"it cannot be sent: {type(error).__name__}: {error}"
    failure = Failure("error", message, node.spec.name, node.where, exception=exception, lost=lost)
    spec = copy(node.spec)
    # Any part of it may be what failed.
    spec.options = merge(DEFAULTS, TaskOptions(partition_id=spec.options.partition_id))
    spec.code, spec.width, spec.keywords, spec.context = calling, 1, (), False
    spec.environment = spec.snapshot = spec.surroundings = None
    spec.pure = spec.cache = spec.delegates = False
    node.spec = spec
    node.args = (failure,) if node.n is None else (Const(failure),)
