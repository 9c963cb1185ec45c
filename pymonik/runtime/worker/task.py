"""One task in the hands of a worker.

Enters: the request of the task, with the order and the inputs in files. Leaves: what the task has
promised, sent or delegated through the agent, and the text of its error if it has one.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pymonik.environment.value import Environment, package_name
from pymonik.environment.versions import VERSIONS, differences, python_mismatch
from pymonik.plan.dispatch import dispatch
from pymonik.plan.fan_in import FanIn, Hole
from pymonik.plan.make_requests import (
    StoredObjects,
    SubmissionContext,
    order_object,
    output_of,
    sending,
)
from pymonik.plan.partial import Partial
from pymonik.plan.requests import Object, Placement, Submit, TaskSubmission
from pymonik.plan.unit import Unit
from pymonik.runtime.worker.agent import AgentStore
from pymonik.runtime.worker.hosts import Hosted, Hosts
from pymonik.runtime.worker.inputs import ContentCache, open_file, read_inputs
from pymonik.runtime.worker.large_values import fetch_out_of_line, move_out_of_line
from pymonik.runtime.worker.logs import COLLECTOR
from pymonik.runtime.worker.subtasks import Spawned
from pymonik.values.content import Content
from pymonik.values.options import DEFAULTS
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Outputs
from pymonik.wire import envelope, error_text
from pymonik.wire.envelope import AssemblePayload, TaskPayload
from pymonik.wire.logs import Log

FAILURES = "pymonik:failures"
LOGS = "pymonik:logs"
logger = logging.getLogger("pymonik.worker")
# Failures in one note: the client logs the first few.
_NOTED = 20
# How often it is looked whether the beat of a task that makes calls is over.
_LOOK = 0.05


class WorkerTask:
    """One task in the hands of this worker."""

    def __init__(self, request: Any, store: AgentStore, hosts: Hosts, cache: ContentCache) -> None:
        self._request = request
        self._store = store
        self._hosts = hosts
        self._cache = cache
        self._differ: list[Log] = []

    def run(self, agent_target: str, context: Any) -> str | None:
        """Run it; give the text of its error, None when it ended well."""
        COLLECTOR.take()  # what the last task left behind belongs to no task
        request = self._request
        opened = open_file(request.data_folder, request.payload_id)
        if opened.minor != sys.version_info.minor:
            return python_mismatch((3, opened.minor))
        order = envelope.order_of(opened)
        inputs = read_inputs(
            request.data_folder, list(request.data_dependencies), order.digests, self._cache
        )
        if isinstance(order, AssemblePayload):
            columns, errors = _assemble(order, inputs)
            return self._answer(order, columns, errors)
        self._compare(order)
        folder = inputs[-1] if order.has_folder else None
        hosted = self._hosts.host_for(order, folder if isinstance(folder, Content) else None)
        unit = self._unit(order, inputs)
        fetch_out_of_line(unit, self._store, self._cache)
        unit.task = (agent_target, request.SerializeToString())
        left = self._run_unit(order, unit, hosted, context)
        if left.holes or left.units:
            return self._delegate(order, unit, left, inputs)
        return self._answer(order, unit.outputs.columns, unit.outputs.errors)

    def _compare(self, order: TaskPayload) -> None:
        """Note which packages of pickled data the client has in other versions."""
        asked = Environment.from_wire(order.environment) if order.environment else Environment()
        for sentence in differences(dict(order.versions), map(package_name, asked.packages)):
            logger.warning(sentence)
            self._differ.append((VERSIONS, logging.WARNING, sentence, {}, ""))

    def _unit(self, order: TaskPayload, inputs: Sequence[Content | Outputs]) -> Unit:
        outputs = Outputs(order.n, order.outputs)
        sources = tuple(inputs[: order.own_inputs])
        environment = Environment.from_wire(order.environment) if order.environment else None
        unit = Unit(
            0, order.program, sources, outputs, DEFAULTS, order.name, environment=environment
        )
        unit.limited = order.limited
        if order.has_modules:
            modules = inputs[order.own_inputs]
            unit.modules = modules if isinstance(modules, Content) else None
        return unit

    def _run_unit(self, order: TaskPayload, unit: Unit, hosted: Hosted, context: Any) -> Spawned:
        host, subtasks = hosted
        options = self._request.task_options
        # As written, a program has a task for each call.
        stays = order.optimize is not False
        subtasks.begin(unit, stays, options.partition_id, options.priority)
        host.submit([unit])

        def stop() -> None:  # the call has ended: by its answer, or because it was cancelled
            host.call_soon(lambda: subtasks.cancel(unit.outputs))

        if not context.add_callback(stop):
            stop()
        with host.changed:
            while not host.changed.wait_for(lambda: host.is_idle, _LOOK):
                if subtasks.seconds_left == 0:
                    host.call_soon(subtasks.spread)
                    break
            host.changed.wait_for(lambda: host.is_idle)
        return subtasks.take()

    # ----- answering

    def _answer(
        self,
        order: TaskPayload | AssemblePayload,
        columns: Sequence[Any],
        errors: Sequence[Failure],
    ) -> str | None:
        """Store the records, or give up with an error when they are nothing but failures."""
        logs = self._logs(order)
        if order.reports_error and _all_failed(columns, errors) and not logs:
            text = error_text.dumps(columns, errors)
            if text is not None:
                return text
        output = self._request.expected_output_keys
        if len(output) != 1:
            return f"the task has {len(output)} expected outputs, where units have one"
        stored = move_out_of_line(order.name, columns, self._store)
        packed = logs if isinstance(order, TaskPayload) and order.logs == "pack" else []
        packed = [*packed, *self._differ]
        self._store.stream(output[0], envelope.seal_pack(order.stamp, stored, errors, packed))
        if isinstance(order, TaskPayload):
            self._note(columns, errors)
            self._note_logs(logs if order.logs == "note" else [])
        self._store.notify()
        return None

    def _logs(self, order: TaskPayload | AssemblePayload) -> list[Log]:
        """Return what the task has logged, if its client wants it."""
        return COLLECTOR.take() if isinstance(order, TaskPayload) and order.logs else []

    def _note_logs(self, logs: Sequence[Log]) -> None:
        """Let the client find logs that are in no pack it fetches."""
        if logs:
            note = envelope.seal_pack(bytes(envelope.DIGEST_SIZE), [], [], logs)
            self._store.create([(LOGS, note)])

    def _note(self, columns: Sequence[Any], errors: Sequence[Failure]) -> None:
        """Let the client find failures of values that are never fetched."""
        roots = [r for column in columns for r in column if type(r) is Failure and not r.path]
        roots += [error for error in errors if not error.path]
        if roots:
            note = envelope.seal_pack(bytes(envelope.DIGEST_SIZE), [], roots[:_NOTED])
            self._store.create([(FAILURES, note)])

    # ----- delegating

    def _delegate(
        self, order: TaskPayload, unit: Unit, left: Spawned, inputs: Sequence[Content | Outputs]
    ) -> str | None:
        """Submit what the calls of this task have recorded, and let it make what is missing."""
        # The client has named it after this task: the task that makes it instead is named after its
        # own function.
        output = Object("", order.stamp, id=self._request.expected_output_keys[0])
        stored_objects = self._known_inputs(order, inputs)
        tail_unit = _tail_unit_of(unit, left)
        if tail_unit is not None:
            stored_objects.outputs[tail_unit] = output
        context = SubmissionContext(
            session_id=order.stamp.hex(),
            slots=order.slots,
            optimize=order.optimize,
            reports_error=False,
            tail_unit=tail_unit if order.reports_error else None,
            logs=order.logs and "note",
            versions=order.versions,
            application=self._request.task_options.application_name,
        )
        fan_in = FanIn(order.optimize)
        units = [fan_in.bounded(made) for made in left.units]
        holes = left.holes if tail_unit is not None else fan_in.holes(left.holes, DEFAULTS)
        partials = list(self._partials(left, stored_objects, context, fan_in))
        work = sending([*fan_in.made, *units, *partials], (), stored_objects, context)
        dispatch(work.steps, self._store)
        if tail_unit is None and not holes:
            return self._answer(order, unit.outputs.columns, unit.outputs.errors)
        self._note_logs(self._logs(order))
        if tail_unit is None:
            self._submit_assembly(order, unit, holes, stored_objects, output)
        self._note(unit.outputs.columns, unit.outputs.errors)
        self._store.notify()
        return None

    def _partials(
        self,
        left: Spawned,
        stored_objects: StoredObjects,
        context: SubmissionContext,
        fan_in: FanIn,
    ) -> Iterator[Partial]:
        """Return the units that complete what is there in part.

        Where one value is all there is, none is needed: what makes it stands for the other.
        """
        by_outputs = {unit.outputs: unit for unit in left.units}
        asked = self._request.task_options
        options = replace(DEFAULTS, partition_id=asked.partition_id, priority=asked.priority)
        for outputs, holes in left.partials:
            maker = by_outputs.get(holes[0][2])
            if maker is not None and _is_whole(outputs, holes) and maker.result_id is None:
                stored_objects.outputs[outputs] = output_of(maker, stored_objects, context)
            else:
                yield Partial(outputs, fan_in.holes(holes, options), options)

    def _known_inputs(
        self, order: TaskPayload, inputs: Sequence[Content | Outputs]
    ) -> StoredObjects:
        """Return the table of this task: its own inputs are stored already."""
        stored_objects = StoredObjects()
        ids = dict(zip(dict.fromkeys(order.digests), self._request.data_dependencies))
        for digest, source in zip(order.digests, inputs):
            stored = Object("", digest, id=ids[digest])
            if isinstance(source, Outputs):
                stored_objects.outputs[source] = stored
            else:
                stored_objects.contents[digest] = stored
        if order.has_folder and isinstance(inputs[-1], Content):
            wire = Environment.from_wire(order.environment)
            stored_objects.folders[wire.working_hash] = inputs[-1]
        return stored_objects

    def _submit_assembly(
        self,
        order: TaskPayload,
        unit: Unit,
        holes: Sequence[Hole],
        stored_objects: StoredObjects,
        output: Object,
    ) -> None:
        sources = list(
            dict.fromkeys(stored_objects.outputs[outputs] for _, _, outputs, _, _ in holes)
        )
        numbers = {id(source): number for number, source in enumerate(sources)}
        columns = move_out_of_line(order.name, unit.outputs.columns, self._store)
        assembly = AssemblePayload(
            order.name,
            [list(column) for column in columns],
            unit.outputs.errors,
            [
                (to, element, numbers[id(stored_objects.outputs[outputs])], out, place)
                for to, element, outputs, out, place in holes
            ],
            tuple(source.digest for source in sources),
            order.stamp,
        )
        task = order_object(assembly)
        (task.id,) = self._store.create([("assemble", task.parts() if task.parts else [])])
        options = self._request.task_options
        placement = Placement(options.partition_id, options.priority)
        entry = TaskSubmission(task, output, tuple(sources), placement)
        self._store.submit(Submit([entry], placement))


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


def _assemble(
    order: AssemblePayload, inputs: Sequence[Any]
) -> tuple[list[list[Any]], list[Failure]]:
    errors = list(order.errors)
    for output, element, number, out, place in order.holes:
        assert output is not None
        order.columns[output][element] = inputs[number].columns[out][place]
    return order.columns, errors


def _all_failed(columns: Sequence[Sequence[Any]], errors: Sequence[Failure]) -> bool:
    if not columns:
        return bool(errors)
    return all(type(record) is Failure for column in columns for record in column)
