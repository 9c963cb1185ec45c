"""Activation templates: graphs that calls record as they have recorded one before.

Enters: recorded calls, and the activation that `lowering` has made of them; later, calls that are
wired alike. Leaves: their activation, as it would be made of them, or None where anything differs.
What is found out once: that calls may run where their parent does, that they use each other and
nothing else, and where each was called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymonik.graph.nodes import Call
from pymonik.record.handle import ResultHandle
from pymonik.runtime.executor.activations import Activation, RecordedCall
from pymonik.runtime.executor.state import State
from pymonik.runtime.executor.subtasks import Subtasks
from pymonik.values.content import IMMEDIATE
from pymonik.values.options import TaskOptions

# Templates that an executor keeps: one for each place that graphs are returned from is enough.
_KEPT = 256
_new = tuple.__new__  # as `_make` does, which is a function more for each call


class ActivationTemplate:
    """What graphs have in common: parts are those of each call, see `ActivationTemplates.note`.

    place: where the call runs that has recorded them, as its options say.
    """

    __slots__ = ("parts", "place", "root", "unneeded")

    def __init__(
        self, parts: list[tuple[Any, ...]], root: int, own: TaskOptions, unneeded: frozenset[int]
    ) -> None:
        self.parts, self.root, self.unneeded = parts, root, unneeded
        self.place = own.priority, own.partition_id

    def steps_of(self, nodes: Sequence[Any], seed: bytes | None) -> list[RecordedCall] | None:
        """Return the steps that calls are; None where they are not alike."""
        steps: list[RecordedCall] = []
        for node, (spec, site, lasti, callee, line, sources) in zip(nodes, self.parts):
            if (
                type(node) is not Call
                or node.spec is not spec
                or node.lasti != lasti
                or node.site is not site
                or node.n is not None
                or node.ids is not None
                or node.label is not None
                or node.spawn_key is not None
            ):
                return None
            args: list[Any] = []
            given: Any = node._args if node.held is None else node.held
            for value, source in zip(given, sources):
                if source is None:
                    if type(value) not in IMMEDIATE:
                        return None
                    args.append(("v", value))
                elif type(value) is ResultHandle and value._node is nodes[source[1]]:
                    args.append(source)
                else:
                    return None
            key = None if seed is None or callee.pure else (seed, len(steps))
            steps.append(_new(RecordedCall, (callee, tuple(args), key, None, line)))
        return steps


class ActivationTemplates:
    """The templates of an executor, by where the call stands whose value is that of its parent."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int], ActivationTemplate] = {}

    def note(
        self, nodes: Sequence[Any], root: Any, activation: Activation, own: TaskOptions
    ) -> None:
        """Keep what graphs like this one have in common, where all of it are plain single calls.

        root: node and index of the value, if it has one. own: the options of the call that has
        recorded it.
        """
        steps = activation.steps
        if activation.root is None or len(steps) != len(nodes):
            return
        if len(self._known) > _KEPT:
            self._known.clear()
        parts = []
        for node, step in zip(nodes, steps):
            # One element of a map is a step, too, and calls that were recorded again keep a seed.
            is_plain = type(node) is Call and node.n is None and node.label is None
            if not is_plain or any(argument[0] not in "vp" for argument in step.args):
                return
            sources = [None if argument[0] == "v" else argument for argument in step.args]
            parts.append((node.spec, node.site, node.lasti, step.callee, step.site, sources))
        key = _key(root[0], len(nodes))
        self._known[key] = ActivationTemplate(parts, activation.root, own, activation.unneeded)

    def activation_of(
        self, subtasks: Subtasks, value: Any, own: TaskOptions, state: State
    ) -> Activation | None:
        """Return the activation of what a call has recorded, which stays recorded.

        value: what it returned. state: of the call; the seeds of its calls are below its own.
        """
        delegated, nodes = subtasks.delegated, subtasks.recorded
        handle = value if delegated is None else delegated
        # One that delegates and returns a value beside is told so where others are, too.
        if type(handle) is not ResultHandle or not (value is None or value is handle):
            return None
        node = handle._node
        if type(node) is not Call:
            return None
        template = self._known.get(_key(node, len(nodes)))
        if template is None or nodes[template.root] is not node:
            return None
        if template.place != (own.priority, own.partition_id):
            return None
        steps = template.steps_of(nodes, state.seed)
        return None if steps is None else Activation(steps, template.root, None, template.unneeded)


def _key(node: Call, count: int) -> tuple[int, int, int]:
    # By the address of the code, which the template keeps.
    return id(node.site), node.lasti, count
