"""What is stored and sent: envelopes, verdicts, blame, sizes, cut programs."""

from __future__ import annotations

import pickle
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymonik.backend.armonik import messages
from pymonik.backend.armonik.rpc import RpcClient
from pymonik.backend.armonik.store import ClusterStore
from pymonik.capture.freeze import freeze
from pymonik.errors import WireError
from pymonik.plan.lost_inputs import propagate_failures
from pymonik.plan.requests import ClusterObject, Declare, Placement, Submit, TaskSubmission
from pymonik.plan.sizes import TAG, TAG_LENGTH, size_of
from pymonik.runtime.executor.feed import ArgumentReader, UpstreamFailed
from pymonik.values.content import Content
from pymonik.values.exceptions import packed
from pymonik.values.outcome import PENDING, Failure
from pymonik.wire import envelope, error_text
from pymonik.wire.program import Program, StepCode, cut

FUNCTION = Content(pickle.dumps(len))


def content(value: Any) -> Content:
    data, raw, _ = freeze(value)
    return Content(data, [bytes(view) for view in raw])


def sealed(parts: envelope.Parts) -> envelope.Envelope:
    return envelope.unseal(b"".join(parts))


# ----- envelopes

VALUES = [b"", b"x" * 100_000, list(range(1000)), np.arange(100_000.0), np.zeros((0, 3))]


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_a_content_comes_back_with_its_digest(value: Any) -> None:
    sent = content(value)
    opened = sealed(envelope.seal_content(sent))
    assert opened.digest == sent.digest
    assert opened.minor == sys.version_info.minor
    got = envelope.content_of(opened)
    assert got.digest == sent.digest
    assert np.array_equal(got.load(), value)
    assert envelope.content_size(sent) == envelope.size_of(envelope.seal_content(sent))


RECORDS = st.one_of(
    st.integers(),
    st.text(max_size=5),
    st.none(),
    st.sampled_from([content(v) for v in VALUES]),
    st.builds(Failure, st.just("error"), st.text(max_size=5), st.just("f")),
)


@given(columns=st.lists(st.lists(RECORDS, max_size=5), max_size=3))
def test_a_pack_comes_back_as_it_was(columns: list[list[Any]]) -> None:
    failure = Failure("error", "no", "f")
    opened = sealed(envelope.seal_pack(bytes(range(20)), columns, [failure]))
    assert opened.digest == bytes(range(20))
    got, errors = envelope.records_of(opened)
    assert errors == [failure]
    assert [[plain(r) for r in column] for column in got] == [
        [plain(r) for r in column] for column in columns
    ]


def plain(record: Any) -> Any:
    return record.digest if isinstance(record, Content) else record


def test_a_content_met_twice_in_a_pack_is_stored_once() -> None:
    twice = content(np.arange(100_000.0))
    assert envelope.size_of(envelope.seal_pack(bytes(20), [[twice, twice]], [])) < 2 * twice.size
    columns, _ = envelope.records_of(sealed(envelope.seal_pack(bytes(20), [[twice] * 2], [])))
    assert columns[0][0] is columns[0][1]


@given(cut_at=st.integers(0, 400), flip=st.integers(0, 5))
def test_damaged_bytes_are_refused(cut_at: int, flip: int) -> None:
    data = bytearray(b"".join(envelope.seal_pack(bytes(20), [[content(b"x" * 500)]], [])))
    with pytest.raises(WireError):
        envelope.unseal(data[:cut_at])
    if flip < 5:  # the magic and the version
        data[flip] ^= 0xFF
        with pytest.raises(WireError):
            envelope.unseal(data)


def test_an_object_of_another_kind_is_refused() -> None:
    with pytest.raises(WireError, match="kind"):
        envelope.records_of(sealed(envelope.seal_content(content(1))))


# ----- verdicts


def failure_of(error: Exception, traceback: str = "") -> Failure:
    return Failure(
        "error", str(error), "f", "x.py:1", traceback=traceback, exception=packed(error, freeze)[0]
    )


def test_a_verdict_keeps_the_exception_and_is_read_among_other_words() -> None:
    failed = failure_of(ValueError("no"), "Traceback…")
    text = error_text.dumps([[failed]], [])
    assert text is not None
    assert text.startswith("no\ntask 'f', called at x.py:1")
    told = error_text.loads(f"Task 123 failed:\n{text}\nand more words")
    assert told is not None
    assert isinstance(told[0][0][0].error(), ValueError)
    assert told[0][0][0].traceback == "Traceback…"


def test_a_long_traceback_is_shortened_but_not_the_type() -> None:
    noise = "".join(chr(33 + (i * 7919) % 90) for i in range(20_000))
    text = error_text.dumps([[failure_of(KeyError("k"), noise)]], [])
    assert text is not None
    assert len(text.encode()) <= error_text.LIMIT
    told = error_text.loads(text)
    assert told is not None
    assert isinstance(told[0][0][0].error(), KeyError)


def test_what_does_not_fit_is_no_verdict() -> None:
    big = ValueError(np.random.default_rng(1).bytes(6000))
    assert error_text.dumps([[failure_of(big)]], []) is None
    assert error_text.dumps([[]], []) is None


@pytest.mark.parametrize(
    "text", ["", "killed", "x\npymonik:1:", "x\npymonik:1:AAAA", "x\npymonik:1:?"]
)
def test_other_texts_are_no_verdicts(text: str) -> None:
    assert error_text.loads(text) is None


# ----- blame and cut programs, against what runs


def step(*columns: Any, keep: Any = True) -> StepCode:
    shared = (FUNCTION, "f", (), False, None, 0, 0, None, None)
    return StepCode(*shared, columns, keep, "x.py:1", 0)


def test_blame_follows_failures_through_steps_and_leaves_the_rest() -> None:
    lost = Failure("error", "no", "g")
    program = Program(
        (
            step(("r", [(0, 0, 0, 1, 4)])),
            step(("p", 0), ("v", 1)),
            step(("s", [1, 2, 3, 4])),
        ),
        4,
    )
    columns, is_lost = propagate_failures(program, {0: [[1, lost, 3, lost]]})
    assert not is_lost
    assert [[type(r) is Failure for r in column] for column in columns] == [
        [False, True, False, True],
        [False, True, False, True],
        [False, False, False, False],
    ]
    assert columns[1][1].path == ("g", "f", "f")
    assert columns[0][0] is PENDING


def test_blame_sees_failures_in_lists_and_nested_values_and_constants() -> None:
    lost = Failure("error", "no", "g")
    run = (0, 0, 1, 1, 1)
    for column in (("b", [run]), ("n", FUNCTION, [("b", [run])]), ("r", [run]), ("x", lost)):
        _, is_lost = propagate_failures(Program((step(column),), 3), {0: [[1, lost]]})
        assert is_lost
    _, is_lost = propagate_failures(
        Program((step(("m", [("r", [run]), ("v", 1)])),), 2), {0: [[1, lost]]}
    )
    assert not is_lost


RUNS = st.lists(
    st.tuples(
        st.just(0), st.just(0), st.integers(0, 9), st.sampled_from([1, 2]), st.integers(1, 4)
    ),
    min_size=1,
    max_size=4,
)


@given(runs=RUNS, data=st.data())
def test_a_cut_program_gives_the_same_arguments(runs: list[Any], data: Any) -> None:
    source = [[[f"value {i}" for i in range(40)]]]
    n = sum(run[4] for run in runs)
    columns = (
        ("r", runs),
        ("s", list(range(n))),
        ("m", [("v", -i) for i in range(n)]),
        ("v", "same"),
        ("r", [(0, 0, 3, 1, 1)]) if n > 1 else ("v", "value 3"),
    )
    start = data.draw(st.integers(0, n - 1))
    stop = data.draw(st.integers(start + 1, n))
    whole = Program((step(*columns),), n)
    part = cut(whole, start, stop)
    assert part.n == stop - start
    assert part.steps[0].base == start
    feed = ArgumentReader(source)
    for i in range(part.n):
        for ours, theirs in zip(part.steps[0].columns, whole.steps[0].columns):
            assert feed.getter(ours)(i, ()) == feed.getter(theirs)(start + i, ())


def test_a_failure_among_inputs_is_what_a_call_would_find() -> None:
    lost = Failure("error", "no", "g")
    with pytest.raises(UpstreamFailed):
        ArgumentReader([[[lost]]]).getter(("r", [(0, 0, 0, 1, 1)]))(0, ())


# ----- sizes, against real messages

PLACEMENTS = st.builds(
    Placement,
    partition=st.sampled_from(["", "pymonik", "größe"]),
    priority=st.integers(1, 200),
    application_name=st.text(max_size=3),
    engine_type=st.text(max_size=200),
    labels=st.dictionaries(st.text(max_size=4), st.text(max_size=200), max_size=3).map(
        lambda labels: tuple(sorted(labels.items()))
    ),
)


@given(placements=st.lists(PLACEMENTS, min_size=1, max_size=4), inputs=st.integers(0, 4))
def test_the_size_of_a_submission_is_that_of_its_message(
    placements: list[Placement], inputs: int
) -> None:
    store = ClusterStore(RpcClient("nowhere"), None, None, "s" * 36)
    made = [ClusterObject("x", id="i" * 36) for _ in range(inputs)]
    entries = [
        TaskSubmission(
            ClusterObject("o", id="o" * 36), ClusterObject("r", id="r" * 36), tuple(made), placement
        )
        for placement in placements
    ]
    submit = Submit(entries, placements[0])
    assert size_of(submit) == store._submission(submit, "t" * TAG_LENGTH).ByteSize()


@given(names=st.lists(st.text(max_size=300), max_size=5))
def test_the_size_of_a_declaration_is_that_of_its_message(names: list[str]) -> None:
    from armonik.protogen.common.results_common_pb2 import CreateResultsMetaDataRequest as Request

    objects = [ClusterObject(name) for name in names]
    request = Request(
        session_id="s" * 36, results=[Request.ResultCreate(name=o.name) for o in objects]
    )
    assert size_of(Declare(objects)) == request.ByteSize()


def test_options_are_always_complete() -> None:
    options = messages.task_options(Placement(), {TAG: "x"})
    assert options.max_duration.seconds > 0
    assert options.max_retries > 0
    assert options.priority > 0
