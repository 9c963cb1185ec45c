"""The machine, submission rules: checks in their order, options, dependencies, what strict adds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pymonik.emulator.state import Machine, Options, TaskStatus, events
from pymonik.emulator.state.instructions import (
    DatabaseLoad,
    Enqueue,
    Instruction,
    OwnerChanged,
    Refuse,
    ResultChanged,
    TaskChanged,
    TaskCreated,
)
from pymonik.emulator.state.status import ResultStatus
from tests.emulator.plain_machine import OPTIONS, cluster, declared, opened, refusal, submitted

GIVEN = replace(OPTIONS, max_duration=5.0, max_retries=7, priority=3)


def submit(
    machine: Machine, *tasks: events.NewTask, options: Options | None = None
) -> list[Instruction]:
    return machine.handle(events.SubmitTasks("s", tasks, options))


def task(name: str = "t", **changes: object) -> events.NewTask:
    return replace(events.NewTask(name, "payload", (), ("out",)), **changes)


@pytest.fixture(params=["HEAD", "0.37.2"])
def machine(request: pytest.FixtureRequest) -> Machine:
    machine = opened(generation=request.param)
    declared(machine, payload=b"x", other=b"y", data=b"z", out=None)
    return machine


def test_a_ready_task_is_created_owned_and_queued(machine: Machine) -> None:
    assert submit(machine, task()) == [
        TaskCreated("s", "t"),
        OwnerChanged("s", "out", "", "t"),
        TaskChanged("s", "t", TaskStatus.PENDING),
        DatabaseLoad(units=1, inputs=1),
        TaskChanged("s", "t", TaskStatus.SUBMITTED),
        Enqueue("t", "main", 1),
    ]


def test_a_whole_graph_can_be_submitted_consumers_first(machine: Machine) -> None:
    last = task("last", dependencies=("out",), outputs=())
    first = task("first", payload_id="other")
    queued = [i for i in submit(machine, last, first) if isinstance(i, Enqueue)]
    assert queued == [Enqueue("first", "main", 1)]
    assert machine.tables.tasks["last"].remaining == {"out"}


def test_a_payload_may_come_after_its_task(machine: Machine) -> None:
    declared(machine, late=None)
    submit(machine, task(payload_id="late"))
    stored = events.StoredObject("late", b"o", 3)
    assert machine.handle(events.UploadResult("s", stored)) == [
        ResultChanged("s", "late", ResultStatus.COMPLETED),
        TaskChanged("s", "t", TaskStatus.SUBMITTED),
        Enqueue("t", "main", 1),
    ]


def test_bigger_priorities_are_queued_first(machine: Machine) -> None:
    low = task("low", options=GIVEN, outputs=())
    high = task("high", options=replace(GIVEN, priority=9), outputs=(), payload_id="other")
    queued = [i.task_id for i in submit(machine, low, high) if isinstance(i, Enqueue)]
    assert queued == ["high", "low"]


def test_the_cost_grows_as_units_times_distinct_completed_inputs(machine: Machine) -> None:
    tasks = [task(str(n), outputs=(), dependencies=("data",)) for n in range(3)]
    assert DatabaseLoad(units=3, inputs=2) in submit(machine, *tasks)


@pytest.mark.parametrize(
    ("dependencies", "payload"), [(("data", "data"), "payload"), (("payload",), "payload")]
)
def test_an_input_named_twice_fails_the_request_without_a_reason(
    machine: Machine, dependencies: tuple[str, ...], payload: str
) -> None:
    twice = task(dependencies=dependencies, payload_id=payload)
    answer = submit(machine, task("fine", outputs=()), twice)
    assert answer == [Refuse("UNKNOWN", "Unknown exception, see ArmoniK logs")]
    assert machine.tables.tasks == {}


def test_a_failed_request_takes_outputs_away_from_earlier_owners(machine: Machine) -> None:
    submit(machine, task("first"))
    assert submit(machine, task("second", dependencies=("data", "data"))) == [
        OwnerChanged("s", "out", "first", ""),
        Refuse("UNKNOWN", "Unknown exception, see ArmoniK logs"),
    ]


def test_an_output_keeps_its_first_owner_in_silence(machine: Machine) -> None:
    submit(machine, task("first"))
    submit(machine, task("second", payload_id="other"))
    assert machine.tables.results["out"].owner == "first"


def test_unknown_and_missing_outputs_are_accepted(machine: Machine) -> None:
    submit(machine, task("a", outputs=("nope",)), task("b", outputs=()))
    assert list(machine.tables.tasks) == ["a", "b"]


def test_an_empty_request_is_invalid(machine: Machine) -> None:
    assert refusal(submit(machine)).code == "INVALID_ARGUMENT"


def test_options_without_a_duration_are_a_fault(machine: Machine) -> None:
    naked = replace(GIVEN, max_duration=None)
    assert refusal(submit(machine, task(), options=naked)).code == "UNKNOWN"
    assert refusal(submit(machine, task(options=naked))).code == "UNKNOWN"


def test_partition_and_priority_are_checked_for_the_request_but_not_for_a_task(
    machine: Machine,
) -> None:
    elsewhere, urgent = replace(GIVEN, partition="gpu"), replace(GIVEN, priority=11)
    assert refusal(submit(machine, task(), options=elsewhere)).code == "UNKNOWN"
    assert refusal(submit(machine, task(), options=urgent)).code == "INVALID_ARGUMENT"
    assert Enqueue("t", "gpu", 3) in submit(machine, task(options=elsewhere))
    answer = submit(machine, task("unread", options=urgent, payload_id="other", outputs=()))
    assert answer[-1] == TaskChanged("s", "unread", TaskStatus.SUBMITTED)


def test_a_forgotten_priority_is_not_merged_and_goes_first(machine: Machine) -> None:
    forgotten = replace(GIVEN, priority=0)
    assert Enqueue("t", "main", 255) in submit(machine, task(options=forgotten))


@pytest.mark.parametrize(
    ("generation", "session", "unknown_input"),
    [("HEAD", "NOT_FOUND", "NOT_FOUND"), ("0.37.2", "UNKNOWN", "UNKNOWN")],
)
def test_codes_that_differ_between_the_generations(
    generation: str, session: str, unknown_input: str
) -> None:
    machine = opened(generation=generation)
    answer = machine.handle(events.SubmitTasks("nope", (task(),)))
    assert refusal(answer).code == session
    assert refusal(submit(machine, task(payload_id="nope"))).code == unknown_input


def aborted(machine: Machine) -> None:
    """Leave a result "lost" behind that was aborted."""
    submitted(machine, "failing", out="lost")
    machine.handle(events.CancelTasks(("failing",)))
    machine.handle(events.Acquire("failing", "pod"))
    assert machine.tables.results["lost"].status is ResultStatus.ABORTED


def test_head_refuses_dead_inputs_and_the_whole_request_with_them() -> None:
    machine = opened(generation="HEAD")
    declared(machine, payload=b"x", other=b"y", out=None)
    aborted(machine)
    answer = submit(machine, task("fine"), task(payload_id="other", dependencies=("lost",)))
    assert refusal(answer).code == "FAILED_PRECONDITION"
    assert "lost" in refusal(answer).reason
    assert "fine" not in machine.tables.tasks


def test_the_deployed_server_accepts_dead_inputs_and_the_task_waits_for_ever() -> None:
    machine = opened(generation="0.37.2")
    declared(machine, payload=b"x", out=None)
    aborted(machine)
    assert submit(machine, task(dependencies=("lost",)))[-1] == DatabaseLoad(1, 1)
    assert machine.tables.tasks["t"].status is TaskStatus.PENDING


@pytest.mark.parametrize(
    ("generation", "given", "merged"),
    [
        ("HEAD", GIVEN, (5.0, 7, 3)),
        ("HEAD", replace(GIVEN, max_duration=0.0, max_retries=0, priority=0), (60.0, 2, 0)),
        ("0.37.2", GIVEN, (60.0, 2, 3)),
        ("0.37.2", replace(GIVEN, max_duration=0.0, max_retries=0, priority=0), (0.0, 0, 0)),
    ],
)
def test_limits_given_with_a_submission(
    generation: str, given: Options, merged: tuple[float, int, int]
) -> None:
    machine = opened(generation=generation)
    declared(machine, payload=b"x", out=None)
    submit(machine, task(), options=given)
    options = machine.tables.tasks["t"].options
    assert (options.max_duration, options.max_retries, options.priority) == merged


def test_maps_are_united_and_the_nearest_entry_wins() -> None:
    machine = cluster()
    far = replace(OPTIONS, entries={"a": "session", "b": "session"}, application_name="app")
    machine.handle(events.CreateSession("s", far, ("main",)))
    declared(machine, payload=b"x", out=None)
    near = task(options=replace(GIVEN, entries={"b": "task", "c": "task"}))
    submit(machine, near)
    options = machine.tables.tasks["t"].options
    assert dict(options.entries) == {"a": "session", "b": "task", "c": "task"}
    assert (options.application_name, options.partition) == ("app", "main")


STRICT = {
    "zero max_duration": (task(options=replace(GIVEN, max_duration=0.0)), "max_duration is zero"),
    "zero max_retries": (task(options=replace(GIVEN, max_retries=0)), "max_retries is zero"),
    "zero priority": (task(options=replace(GIVEN, priority=0)), "priority is zero"),
    "other partition": (task(options=replace(GIVEN, partition="gpu")), "'gpu' is not in session"),
    "high priority": (task(options=replace(GIVEN, priority=11)), "no pod reads"),
    "unknown output": (task(outputs=("nope",)), "'nope' does not exist"),
    "output of another": (task(outputs=("taken",)), "'taken' already belongs to task 'owner'"),
    "output twice": (task(outputs=("out", "out")), "another task of this request"),
    "shared payload": (task(payload_id="payload of owner"), "is shared by two tasks"),
}


@pytest.mark.parametrize(("wrong", "words"), STRICT.values(), ids=STRICT)
def test_strict_refuses_what_a_cluster_would_ignore(wrong: events.NewTask, words: str) -> None:
    for strict, refused in [(True, True), (False, False)]:
        machine = opened(strict=strict)
        declared(machine, payload=b"x", out=None)
        submitted(machine, "owner", out="taken")
        answer = submit(machine, wrong)
        assert isinstance(answer[-1], Refuse) is refused
        if refused:
            assert refusal(answer).code == "INVALID_ARGUMENT"
            assert refusal(answer).reason.startswith("strict: ")
            assert words in refusal(answer).reason


def test_strict_says_why_where_a_cluster_says_unknown() -> None:
    machine = opened(strict=True)
    declared(machine, payload=b"x", data=b"y", out=None)
    answer = refusal(submit(machine, task(dependencies=("data", "data"))))
    assert answer.code == "UNKNOWN"
    assert "'data' is listed twice" in answer.reason


@pytest.mark.parametrize(("delete_payload", "manual"), [(False, False), (True, True)])
def test_sharing_a_payload_is_fine_where_it_is_not_deleted(
    delete_payload: bool, manual: bool
) -> None:
    machine = opened(strict=True, delete_payload=delete_payload)
    shared = events.NewResult("shared", "shared", b"shared", 6, manual_deletion=manual)
    machine.handle(events.CreateResults("s", (shared,)))
    declared(machine, a=None, b=None)
    answer = submit(
        machine,
        events.NewTask("1", "shared", (), ("a",)),
        events.NewTask("2", "shared", (), ("b",)),
    )
    assert not isinstance(answer[-1], Refuse)


def test_strict_refuses_sessions_in_which_nothing_could_run() -> None:
    for options, partitions, words in [
        (replace(OPTIONS, max_duration=0.0), ("main",), "time out at once"),
        (replace(OPTIONS, priority=11), ("main",), "above the highest"),
        (OPTIONS, ("gpu",), "not among those of the session"),
    ]:
        machine = cluster(strict=True)
        answer = refusal(machine.handle(events.CreateSession("s", options, partitions)))
        assert answer.code == "INVALID_ARGUMENT"
        assert words in answer.reason


def test_results_of_an_unknown_session_are_accepted_unless_strict() -> None:
    create = events.CreateResults("nope", (events.NewResult("r", "r"),))
    assert not isinstance(cluster().handle(create)[-1], Refuse)
    assert refusal(cluster(strict=True).handle(create)).code == "INVALID_ARGUMENT"
