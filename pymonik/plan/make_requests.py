"""Sending: work out the requests of units, against a table of what is stored already.

Enters: units, contents, names. Leaves: requests, and the objects where the outcomes of units will
be. Sends nothing, and asks nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pymonik.plan.fan_in import FanInUnit
from pymonik.plan.placement import placement_of
from pymonik.plan.requests import (
    NAMES,
    NO_ID,
    PAYLOAD,
    ClusterObject,
    ClusterRequest,
    Create,
    Declare,
    Stream,
    Submit,
    TaskSubmission,
    consumers_first,
    packed,
    result_name,
)
from pymonik.plan.sizes import bytes_of_task
from pymonik.plan.stored_objects import StoredObjects
from pymonik.plan.unit import Unit, ValueLocation
from pymonik.settings import settings
from pymonik.system.structs import Struct
from pymonik.values.content import Content
from pymonik.values.outputs import Outputs
from pymonik.wire import envelope
from pymonik.wire.envelope import Parts
from pymonik.wire.payloads import AssemblePayload, TaskPayload


class SubmissionContext(Struct):
    """What a plan does not know of the session that it is sent to."""

    session_id: str = NO_ID
    slots: int = 1
    optimize: Any = True
    # Whether a task may answer with an error, on which the cluster aborts its dependents; and the
    # outputs of the one unit that may do so although the others may not.
    reports_error: bool = True
    tail_unit: Outputs | None = None
    # What becomes of the logs of tasks: see `TaskPayload`.
    logs: str = ""
    # Versions of the packages that pickled data names, on the client.
    versions: tuple[tuple[str, str], ...] = ()
    # The program that submits, for operators; "" where it is not sent.
    application: str = ""


class Sending(Struct, frozen=False):
    """The requests of one plan, and where the outcomes of its units will be."""

    requests: list[ClusterRequest]
    outputs: list[tuple[Unit, ClusterObject]]

    @property
    def size(self) -> int:
        """Bytes of objects that it stores."""
        creates = (
            o for request in self.requests if isinstance(request, Create) for o in request.objects
        )
        streams = (request.object for request in self.requests if isinstance(request, Stream))
        return sum(o.size for o in (*creates, *streams))

    def unsent(self) -> list[ClusterObject]:
        """Return the outputs of tasks that were not submitted."""
        open_requests = [r for r in self.requests if isinstance(r, Submit) and not r.is_done]
        return [entry.output for request in open_requests for entry in request.entries]


def sending(
    units: Sequence[Unit],
    contents: Iterable[Content],
    stored_objects: StoredObjects,
    context: SubmissionContext,
    tables: Mapping[str, dict[str, ValueLocation]] | None = None,
    extra: Iterable[ClusterObject] = (),
) -> Sending:
    """Work out the requests; `extra` are further objects to be stored, `tables` tell of values."""
    outputs = [(unit, stored_objects.output_of(unit, context.session_id)) for unit in units]
    objects = [*extra]
    for content in contents:
        stored_objects.content(content, objects)
    entries = [_entry(unit, output, stored_objects, context, objects) for unit, output in outputs]
    for title, table in (tables or {}).items():
        objects.append(_table(title, table, stored_objects, objects))
    objects += [entry.payload for entry in entries]
    limits = settings()
    # Above a quarter of a request an object has a stream of its own: packed with others it would
    # leave much of a request empty.
    big = [o for o in objects if o.size > limits.request_bytes // 4]
    small = [o for o in objects if o.size <= limits.request_bytes // 4]
    requests: list[ClusterRequest] = []
    declared = [output for _, output in outputs if not output.id] + big
    if declared:
        # First: streams and submissions name results by the ids that the cluster gives them here.
        requests.append(Declare(declared))
    requests += [Create(batch) for batch in packed(small, limits.request_bytes, lambda o: o.size)]
    requests += [Stream(o) for o in big]
    requests += _submissions(entries)
    return Sending(requests, outputs)


def _entry(
    unit: Unit,
    output: ClusterObject,
    stored_objects: StoredObjects,
    context: SubmissionContext,
    objects: list[ClusterObject],
) -> TaskSubmission:
    """Return what is submitted of a unit; adds what is to be stored for it to `objects`."""
    inputs = list(_inputs(unit, stored_objects, context, objects))
    digests = tuple([source.digest for source in inputs])
    if isinstance(unit, FanInUnit):
        payload = payload_object(_gathering(unit, digests, output.digest, context))
    else:
        name = "" if output.name else unit.name
        payload = payload_object(_task(unit, digests, output.digest, context), name)
    # No dependency is named twice: two contents of a unit may be equal.
    unique = tuple(dict.fromkeys(inputs))
    placement = placement_of(unit.options, unit.name, context.application)
    return TaskSubmission(payload, output, unique, placement)


def _inputs(
    unit: Unit,
    stored_objects: StoredObjects,
    context: SubmissionContext,
    objects: list[ClusterObject],
) -> Iterator[ClusterObject]:
    """Return the inputs of a task, in the order in which a worker takes them apart."""
    for source in unit.inputs:
        if isinstance(source, Outputs):
            yield stored_objects.outcome(source, context.session_id, objects)
        else:
            yield stored_objects.content(source, objects)
    if unit.modules is not None:
        yield stored_objects.content(unit.modules, objects, "modules")
    folder = stored_objects.folder(unit.environment)
    if folder is not None:
        yield stored_objects.content(folder, objects, "working_dir")


def _gathering(
    unit: FanInUnit, digests: tuple[bytes, ...], digest: bytes, context: SubmissionContext
) -> AssemblePayload:
    return AssemblePayload(
        unit.name,
        unit.columns(),
        unit.outputs.errors,
        list(unit.holes()),
        digests,
        digest,
        context.reports_error,
    )


def _task(
    unit: Unit, digests: tuple[bytes, ...], digest: bytes, context: SubmissionContext
) -> TaskPayload:
    is_tail = not unit.outputs.columns or unit.outputs is context.tail_unit
    return TaskPayload(
        program=unit.payload,
        name=unit.name,
        n=unit.n,
        outputs=len(unit.outputs.columns),
        digests=digests,
        output_digest=digest,
        limited=unit.limited,
        environment=unit.environment.to_wire() if unit.environment else None,
        has_folder=bool(unit.environment and unit.environment.working_hash),
        slots=context.slots,
        optimize=context.optimize,
        has_modules=unit.modules is not None,
        versions=context.versions,
        logs=context.logs and (context.logs if unit.wanted else "note"),
        reports_error=context.reports_error or is_tail,
    )


def payload_object(payload: Any, unit: str = "") -> ClusterObject:
    """Return the object of a payload; unit: the name of the unit, if no output will tell it."""
    parts = envelope.seal_payload(payload)
    name = f"{PAYLOAD} of {unit}" if unit else PAYLOAD
    return ClusterObject(name, payload.output_digest, envelope.size_of(parts), lambda: parts)


def _table(
    title: str,
    locations: dict[str, ValueLocation],
    stored_objects: StoredObjects,
    objects: list[ClusterObject],
) -> ClusterObject:
    """Return the object by which other programs find values."""
    stored: dict[str, tuple[tuple[ClusterObject, int, int], ...]] = {}
    for name, what in locations.items():
        if what.content is not None:
            stored[name] = ((stored_objects.content(what.content, objects, name), 0, 0),)
        elif all(
            outputs in stored_objects.outputs for outputs in what.unit_outputs
        ):  # else it failed before it was sent
            stored[name] = tuple(
                (stored_objects.outputs[c], c.n, len(c.columns)) for c in what.unit_outputs
            )
        if title == NAMES and name in stored and [n <= 1 for _, n, _ in stored[name]] == [True]:
            stored[name][0][0].name = result_name(name)

    def parts() -> Parts:
        # One list for all values of a unit: a pickle has it once.
        lists = {
            places: [(o.any_id, o.digest, n, columns) for o, n, columns in places]
            for places in stored.values()
        }
        return envelope.seal_names(
            {
                name: (lists[places], what.chunk, what.output, what.start, what.length)
                for name, places in stored.items()
                for what in [locations[name]]
            }
        )

    table = ClusterObject(title, size=envelope.size_of(parts()), parts=parts)
    stored_objects.tables.append(table)
    return table


def _submissions(entries: Sequence[TaskSubmission]) -> Iterator[Submit]:
    limits = settings()
    entries = consumers_first(entries)
    for start in range(0, len(entries), limits.submit_units):
        batch = entries[start : start + limits.submit_units]
        for part in packed(batch, limits.request_bytes, bytes_of_task):
            common = Counter(entry.placement for entry in part).most_common(1)
            yield Submit(part, common[0][0])
