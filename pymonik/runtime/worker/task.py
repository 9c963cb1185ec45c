"""One task in the hands of a worker.

Enters: the request of the task, with the payload and the inputs in files. Leaves: what the task has
promised, sent or delegated through the agent, and the text of its error if it has one.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any

from pymonik.environment.value import Environment, package_name
from pymonik.environment.versions import VERSIONS, differences, python_mismatch
from pymonik.plan.requests import FAILURES, LOGS
from pymonik.plan.unit import Unit
from pymonik.runtime.worker.agent import AgentStore
from pymonik.runtime.worker.delegation import Delegation, placed_as
from pymonik.runtime.worker.hosts import Hosted, Hosts
from pymonik.runtime.worker.inputs import ContentCache, open_file, read_inputs
from pymonik.runtime.worker.large_values import fetch_out_of_line, move_out_of_line
from pymonik.runtime.worker.logs import COLLECTOR
from pymonik.runtime.worker.subtasks import Spawned
from pymonik.values.content import Content
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Outputs
from pymonik.wire import envelope, error_text
from pymonik.wire.logs import Log
from pymonik.wire.payloads import AssemblePayload, TaskPayload

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
        """Run it; return the text of its error, None when it ended well."""
        COLLECTOR.take()  # what the last task left behind belongs to no task
        request = self._request
        opened = open_file(request.data_folder, request.payload_id)
        if opened.minor != sys.version_info.minor:
            return python_mismatch((3, opened.minor))
        payload = envelope.payload_of(opened)
        inputs = read_inputs(
            request.data_folder, list(request.data_dependencies), payload.digests, self._cache
        )
        if isinstance(payload, AssemblePayload):
            columns, errors = _assemble(payload, inputs)
            return self._answer(payload, columns, errors)
        self._compare(payload)
        folder = inputs[-1] if payload.has_folder else None
        hosted = self._hosts.host_for(payload, folder if isinstance(folder, Content) else None)
        unit = self._unit(payload, inputs)
        fetch_out_of_line(unit, self._store, self._cache)
        unit.task = (agent_target, request.SerializeToString())
        left = self._run_unit(payload, unit, hosted, context)
        if left.holes or left.units:
            return self._delegate(payload, unit, left, inputs)
        return self._answer(payload, unit.outputs.columns, unit.outputs.errors)

    def _compare(self, payload: TaskPayload) -> None:
        """Note which packages of pickled data the client has in other versions."""
        asked = Environment.from_wire(payload.environment) if payload.environment else Environment()
        for sentence in differences(dict(payload.versions), map(package_name, asked.packages)):
            logger.warning(sentence)
            self._differ.append((VERSIONS, logging.WARNING, sentence, {}, ""))

    def _unit(self, payload: TaskPayload, inputs: Sequence[Content | Outputs]) -> Unit:
        outputs = Outputs(payload.n, payload.outputs)
        sources = tuple(inputs[: payload.own_inputs])
        environment = Environment.from_wire(payload.environment) if payload.environment else None
        # What it leaves behind is placed as it was.
        options = placed_as(self._request.task_options)
        unit = Unit(0, payload.program, sources, outputs, options, payload.name, environment)
        unit.limited = payload.limited
        if payload.has_modules:
            modules = inputs[payload.own_inputs]
            unit.modules = modules if isinstance(modules, Content) else None
        return unit

    def _run_unit(self, payload: TaskPayload, unit: Unit, hosted: Hosted, context: Any) -> Spawned:
        host, subtasks = hosted
        options = self._request.task_options
        # As written, a program has a task for each call.
        stays = payload.optimize is not False
        # In this order, while the host is idle: its thread looks at these fields from then on.
        subtasks.begin(unit, stays, options.partition_id, options.priority)
        host.submit([unit])

        def stop() -> None:  # the call has ended: by its answer, or because it was cancelled
            host.call_soon(lambda: subtasks.cancel(unit.outputs))

        # False where the call has ended already: nobody would call it any more.
        if not context.add_callback(stop):
            stop()
        with host.changed:
            while not host.changed.wait_for(lambda: host.is_idle, _LOOK):
                if subtasks.seconds_left == 0:
                    # Once: from then on all that is left goes to others as soon as it is there.
                    host.call_soon(subtasks.spread)
                    break
            host.changed.wait_for(lambda: host.is_idle)
        # The host is idle again: it may still be told to cancel this task, and finds nothing to.
        return subtasks.take()

    def _answer(
        self,
        payload: TaskPayload | AssemblePayload,
        columns: Sequence[Any],
        errors: Sequence[Failure],
    ) -> str | None:
        """Store the records, or give up with an error when they are nothing but failures."""
        logs = self._logs(payload)
        if payload.reports_error and _all_failed(columns, errors) and not logs:
            text = error_text.dumps(columns, errors)
            if text is not None:
                return text
        output = self._request.expected_output_keys
        if len(output) != 1:
            return f"the task has {len(output)} expected outputs, where units have one"
        stored = move_out_of_line(payload.name, columns, self._store)
        packed = logs if isinstance(payload, TaskPayload) and payload.logs == "pack" else []
        packed = [*packed, *self._differ]
        self._store.stream(
            output[0], envelope.seal_pack(payload.output_digest, stored, errors, packed)
        )
        if isinstance(payload, TaskPayload):
            self._note(columns, errors)
            self._note_logs(logs if payload.logs == "note" else [])
        self._store.notify()
        return None

    def _logs(self, payload: TaskPayload | AssemblePayload) -> list[Log]:
        """Return what the task has logged, if its client wants it."""
        return COLLECTOR.take() if isinstance(payload, TaskPayload) and payload.logs else []

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

    def _delegate(
        self, payload: TaskPayload, unit: Unit, left: Spawned, inputs: Sequence[Content | Outputs]
    ) -> str | None:
        """Submit what the calls of this task have recorded, and let it make what is missing."""
        delegation = Delegation(self._request, self._store, payload, unit)
        if not delegation.submit(left, inputs):
            return self._answer(payload, unit.outputs.columns, unit.outputs.errors)
        self._note_logs(self._logs(payload))
        delegation.submit_assembly()
        self._note(unit.outputs.columns, unit.outputs.errors)
        self._store.notify()
        return None


def _assemble(
    payload: AssemblePayload, inputs: Sequence[Any]
) -> tuple[list[list[Any]], list[Failure]]:
    errors = list(payload.errors)
    for output, element, number, out, place in payload.holes:
        assert output is not None
        payload.columns[output][element] = inputs[number].columns[out][place]
    return payload.columns, errors


def _all_failed(columns: Sequence[Sequence[Any]], errors: Sequence[Failure]) -> bool:
    if not columns:
        return bool(errors)
    return all(type(record) is Failure for column in columns for record in column)
