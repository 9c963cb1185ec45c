"""The end of a client, alone: what was recorded is waited for, or dropped and cancelled."""

from __future__ import annotations

import pytest

from pymonik.client.callbacks import CALLBACKS
from pymonik.client.handled import Handled
from pymonik.client.lifetime import Lifetime
from pymonik.errors import TaskFailed
from pymonik.record.current import open_recorders
from pymonik.values.outcome import Failure
from tests.conformance.seams import Other, until

from .fakes import double
from .test_submitter import Submits


class Ends(Submits):
    """A client in all but name."""

    def __init__(self, detach: bool = False) -> None:
        super().__init__(detach=detach)
        self.lifetime = Lifetime(
            lambda: self.scope,
            self.state,
            self.settings,
            self.recorder,
            self.submitter,
            self.engine,
            self.arrivals,
            self.notifier,
            Handled(self.engine),
            self.cached_values,
        )


def test_closing_sends_waits_and_lets_go() -> None:
    alone = Ends()
    alone.lifetime.begin()
    assert alone.scope in open_recorders()
    handle = double.invoke(1, pymonik=alone.scope)
    closer = Other(alone.lifetime.close)
    until(lambda: alone.engine.backend is not None and alone.backend.changed._waiters)
    assert (alone.state.is_closing, alone.state.is_closed) == (True, False)
    alone.backend.answer([2])
    closer.value()
    assert handle._node.location.record(0) == 2
    assert alone.state.is_closed
    assert alone.backend.is_closed
    assert alone.scope not in open_recorders()


def test_a_client_that_did_nothing_opens_nothing() -> None:
    alone = Ends()
    alone.lifetime.close()
    assert alone.state.is_closed
    assert alone.engine.backend is None


def test_a_failure_that_nobody_has_looked_at_is_raised() -> None:
    alone = Ends()
    handle = double.invoke(1, pymonik=alone.scope)
    alone.submitter.flush()
    failure = Failure("error", "it broke", "double")
    alone.backend.failures.note([failure])
    alone.backend.answer([failure])
    with pytest.raises(TaskFailed, match="it broke"):
        alone.lifetime.close()
    assert handle._node.location.record(0) is failure


def test_what_callbacks_record_is_waited_for() -> None:
    alone, told = Ends(), []  # type: tuple[Ends, list[object]]
    first = double.invoke(1, pymonik=alone.scope)

    def record_more(_: object) -> None:
        second = double.invoke(2, pymonik=alone.scope)
        alone.notifier.add_done_callback(second, told.append)

    alone.notifier.add_done_callback(first, record_more)
    alone.submitter.flush()
    alone.notifier.flushed()
    closer = Other(alone.lifetime.close)
    until(lambda: alone.backend.changed._waiters)
    alone.backend.answer([2])
    until(lambda: len(alone.backend.plans) == 2)
    alone.notifier.flushed()
    alone.backend.answer([4], unit=1)
    closer.value()
    CALLBACKS.drain()
    assert len(told) == 1


def test_an_abandoned_client_drops_what_was_not_sent_and_cancels_the_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    alone = Ends()
    sent = double.invoke(1, pymonik=alone.scope)
    alone.submitter.flush()
    dropped = double.invoke(2, pymonik=alone.scope)
    alone.lifetime.abandon(None)
    assert sent._node.location.record(0).kind == "cancelled"
    assert dropped._node.location is None
    assert alone.recorder.pending == []
    assert "1 call never sent" in caplog.text
    assert "cancelling the calls that have not ended: 1 unit" in caplog.text
    assert alone.lifetime.close_if_done(leaves=False)


def test_a_second_ctrl_c_amid_the_telling_leaves_nothing_pending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    alone = Ends()
    double.invoke(2, pymonik=alone.scope)
    monkeypatch.setattr("pymonik.client.lifetime.logger.warning", interrupt)
    with pytest.raises(KeyboardInterrupt):
        alone.lifetime.abandon(None)
    assert alone.recorder.pending == []
    assert alone.state.is_closed


def test_a_closed_client_is_closed_once() -> None:
    alone = Ends()
    alone.lifetime.abandon(None)
    alone.lifetime.close()
    alone.lifetime.abandon(None)
    assert alone.engine.backend is None
