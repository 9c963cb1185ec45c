"""Delegation: the sub-tasks of a task go to its agent, and one of them makes its output.

Enters: what the calls of a task have recorded and have not run, and the holes that it leaves in the
task's own values. Leaves: the submission of the sub-tasks. Where one of them makes the whole pack,
it makes it in this task's name; where some values are here already, an *assembly* puts the pack
together when the others are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pymonik.environment.value import Environment
from pymonik.plan.dispatch import dispatch
from pymonik.plan.fan_in import FanIn, Hole, Partial
from pymonik.plan.make_requests import SubmissionContext, payload_object, sending
from pymonik.plan.requests import ClusterObject, Placement, Submit, TaskSubmission
from pymonik.plan.stored_objects import StoredObjects
from pymonik.plan.unit import Unit
from pymonik.runtime.worker.agent import AgentStore
from pymonik.runtime.worker.large_values import move_out_of_line
from pymonik.runtime.worker.subtasks import Spawned
from pymonik.settings import settings
from pymonik.system.structs import replace
from pymonik.values.content import Content
from pymonik.values.options import DEFAULTS, TaskOptions
from pymonik.values.outputs import Outputs
from pymonik.wire.payloads import AssemblePayload, TaskPayload


class Delegation:
    """What one task hands over to sub-tasks, and to which of them its own output."""

    def __init__(self, request: Any, store: AgentStore, payload: TaskPayload, unit: Unit) -> None:
        self._request = request
        self._store = store
        self._payload = payload
        self._unit = unit
        # The client has named it after this task: the task that makes it instead is named after its
        # own function.
        self._output = ClusterObject("", payload.output_digest, id=request.expected_output_keys[0])
        self._stored_objects = StoredObjects()
        # Values that sub-tasks make for outputs of this task; none where one makes all of them.
        self._holes: Sequence[Hole] = ()

    def submit(self, left: Spawned, inputs: Sequence[Content | Outputs]) -> bool:
        """Submit the sub-tasks; return whether they make what is missing, else nothing is."""
        payload, stored_objects = self._payload, self._stored_objects
        self._note_inputs(inputs)
        tail_unit = _tail_unit_of(self._unit, left)
        if tail_unit is not None:
            stored_objects.outputs[tail_unit] = self._output
        context = SubmissionContext(
            session_id=payload.output_digest.hex(),
            slots=payload.slots,
            optimize=payload.optimize,
            reports_error=False,
            tail_unit=tail_unit if payload.reports_error else None,
            logs=payload.logs and "note",
            versions=payload.versions,
            application=self._request.task_options.application_name,
        )
        fan_in = FanIn(payload.optimize)
        units = [fan_in.bounded(made) for made in left.units]
        if tail_unit is None:
            self._holes = fan_in.holes(left.holes, DEFAULTS)
        partials = list(self._partials(left, context, fan_in))
        work = sending([*fan_in.made, *units, *partials], (), stored_objects, context)
        dispatch(work.requests, self._store)
        return tail_unit is not None or bool(self._holes)

    def submit_assembly(self) -> None:
        """Submit the task that fills the holes of this one, where its output needs one."""
        if not self._holes:
            return
        payload, stored = self._payload, self._stored_objects.outputs
        sources = list(dict.fromkeys(stored[outputs] for _, _, outputs, _, _ in self._holes))
        numbers = {id(source): number for number, source in enumerate(sources)}
        columns = move_out_of_line(payload.name, self._unit.outputs.columns, self._store)
        assembly = AssemblePayload(
            payload.name,
            [list(column) for column in columns],
            self._unit.outputs.errors,
            [
                (to, element, numbers[id(stored[outputs])], out, place)
                for to, element, outputs, out, place in self._holes
            ],
            tuple(source.digest for source in sources),
            payload.output_digest,
        )
        task = payload_object(assembly)
        (task.id,) = self._store.create([("assemble", task.parts() if task.parts else [])])
        options = self._request.task_options
        placement = Placement(options.partition_id, options.priority)
        entry = TaskSubmission(task, self._output, tuple(sources), placement)
        self._store.submit(Submit([entry], placement))

    def _partials(
        self, left: Spawned, context: SubmissionContext, fan_in: FanIn
    ) -> Iterator[Partial]:
        """Return the units that complete what is there in part.

        Where one value is all there is, none is needed: what makes it stands for the other.
        """
        by_outputs = {unit.outputs: unit for unit in left.units}
        options = placed_as(self._request.task_options)
        for outputs, holes in left.partials:
            maker = by_outputs.get(holes[0][2])
            if maker is not None and _is_whole(outputs, holes) and maker.result_id is None:
                promised = self._stored_objects.output_of(maker, context.session_id)
                self._stored_objects.outputs[outputs] = promised
            else:
                yield Partial(outputs, fan_in.holes(holes, options), options)

    def _note_inputs(self, inputs: Sequence[Content | Outputs]) -> None:
        """Note that the inputs of this task are stored already."""
        payload, stored_objects = self._payload, self._stored_objects
        ids = dict(zip(dict.fromkeys(payload.digests), self._request.data_dependencies))
        for digest, source in zip(payload.digests, inputs):
            stored = ClusterObject("", digest, id=ids[digest])
            if isinstance(source, Outputs):
                stored_objects.outputs[source] = stored
            else:
                stored_objects.contents[digest] = stored
        if payload.has_folder and isinstance(inputs[-1], Content):
            wire = Environment.from_wire(payload.environment)
            stored_objects.folders[wire.working_hash] = inputs[-1]


def _tail_unit_of(unit: Unit, left: Spawned) -> Outputs | None:
    """Return the sub-task whose whole pack is the pack of this task, if there is one."""
    if not _is_whole(unit.outputs, left.holes):
        return None
    outputs = left.holes[0][2]
    # Not one with an id of its own, under which somebody may ask for it.
    has_id = any(made.outputs is outputs and made.result_id is not None for made in left.units)
    return None if has_id else outputs


def _is_whole(outputs: Outputs, holes: Sequence[Hole]) -> bool:
    """Return whether outputs are a single value that a unit of a single value makes."""
    if outputs.n != 1 or len(outputs.columns) != 1 or outputs.errors or len(holes) != 1:
        return False
    maker = holes[0][2]
    return maker.n == 1 and len(maker.columns) == 1


def placed_as(asked: Any) -> TaskOptions:
    """Return the options of work that a task leaves behind: it is placed as the task was.

    asked: the options that the cluster has for the task.
    """
    priority = min(max(1, asked.priority), settings().max_priority)
    return replace(DEFAULTS, partition_id=asked.partition_id, priority=priority)
