"""Who waits for one call after the other runs the loop of the engine, and leaves nobody alone."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pymonik import Pymonik
from pymonik.errors import BackendError, Cancelled, TaskFailed
from pymonik.runtime.host import leadership
from pymonik.runtime.host.host import Host
from pymonik.runtime.host.leadership import Leadership
from pymonik.system.deferred_signals import DeferredSignals
from tests.conformance.programs import pass_gate, square
from tests.conformance.seams import PATIENCE, Other, until
from tests.conftest import Gate

NEVER = 1e6


def resting(client: Pymonik) -> Host:
    """Return the host of a client that has waited for a call, once its own thread rests."""
    assert square.invoke(1, pymonik=client).get() == 1
    host: Host = client.parts.engine.opened()._host  # type: ignore[attr-defined]
    until(lambda: not host._leadership.is_led)
    return host


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """The host of the client of now, whose thread rests until it is called."""
    for name in ("_EXPECTED", "_NAP", "_LONG_NAP"):
        monkeypatch.setattr(leadership, name, NEVER)
    with Pymonik(backend="local", workers=2) as client:
        yield resting(client)


def count(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[int]:
    """Note the thread of each call of a method."""
    threads: list[int] = []
    method = getattr(owner, name)

    def noted(*args: Any) -> Any:
        threads.append(threading.get_ident())
        return method(*args)

    monkeypatch.setattr(owner, name, noted)
    return threads


def test_one_call_after_the_other_takes_two_rounds_in_the_thread_that_waits(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pymonik.runtime.host.loop._LOOK", NEVER)  # at what takes its time
    rounds = count(monkeypatch, host._loop, "_go_on")
    wakes = count(monkeypatch, host._pool, "wake")
    for n in range(50):
        assert square.invoke(n).get() == n * n
    assert rounds == [threading.get_ident()] * 100
    assert wakes == []


def test_what_is_sent_and_not_waited_for_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leadership, "_EXPECTED", NEVER)
    with Pymonik(backend="local", workers=2) as client:
        host = resting(client)
        handle = square.invoke(3)
        client.flush()
        until(lambda: host.is_idle)
        assert handle.done()


def test_one_call_is_given_out_by_the_thread_that_sends_it(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it waits, and while nobody else would lead."""
    rounds = count(monkeypatch, host._loop, "begin")
    given = count(monkeypatch, host._pool, "send")
    handle = square.invoke(3)
    handle._client.parts.submitter.flush()  # type: ignore[attr-defined]
    assert rounds == given == [threading.get_ident()]
    assert handle.get() == 9


def test_who_waits_alone_takes_no_lock(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.changed, "wait_for", None)
    for n in range(20):
        assert square.invoke(n).get() == n * n


def test_who_holds_the_lock_or_leads_brings_nothing(host: Host) -> None:
    """What comes there is to be looked for again by the wait that it is amid."""
    bring = host.changed.bring
    assert bring(lambda: True, NEVER)
    with host.changed:
        assert bring(lambda: True, NEVER) is None
    told = []
    bring(lambda: told.append(bring(lambda: True, NEVER)) or True, NEVER)
    assert told == [None]


def test_what_is_under_way_behind_a_wait_goes_on(host: Host, gate: Gate) -> None:
    told = threading.Event()
    slow = pass_gate.invoke(gate.path, "through")
    slow.add_done_callback(lambda _: told.set())
    assert square.invoke(3).get() == 9
    gate.open()
    assert told.wait(PATIENCE)
    assert slow.get() == "through"


def test_another_thread_is_served_by_the_one_that_leads(host: Host, gate: Gate) -> None:
    slow = pass_gate.invoke(gate.path, "through")
    leader = Other(slow.get)
    until(lambda: host._leadership.is_lent)
    for n in range(20):
        assert square.invoke(n).get() == n * n
    with pytest.raises(TimeoutError):
        slow.get(timeout=0)
    gate.open()
    assert leader.value() == "through"


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_a_wait_that_is_given_up_leaves_the_loop_to_others(
    host: Host, gate: Gate, timeout: float
) -> None:
    """Also one that had no time left to lead: what it sent begins without it."""
    slow = pass_gate.invoke(gate.path, "through")
    with pytest.raises(TimeoutError):
        slow.get(timeout=timeout)
    gate.open()
    until(slow.done)


@pytest.mark.parametrize("cancels", [False, True])
def test_what_runs_amid_a_turn_may_send_more_while_a_call_is_cancelled(
    host: Host, gate: Gate, cancels: bool
) -> None:
    """As a log handler, or a finalizer, does: who cancels waits for that turn, and for the next."""
    slow, made = pass_gate.invoke(gate.path), []
    client: Any = slow._client
    client.flush()

    def send() -> None:
        until(lambda: host._loop.tasks)  # what the other one has asked for
        made.append(square.invoke(3, pymonik=client))
        client.flush()
        if cancels:
            assert made[0].cancel()

    host.call_soon(send)
    assert slow.cancel()
    if cancels:
        with pytest.raises(Cancelled):
            made[0].get()
    else:
        assert made[0].get() == 9


class Called:
    """What calls the host's thread back; it does something else amid its rest once it is called."""

    def __init__(self, lock: Any, action: Callable[[], object]) -> None:
        self._lock, self._actions = lock, [action]

    def acquire(self, timeout: float) -> bool:
        if self._actions:
            self._actions.pop()()
        return bool(self._lock.acquire(timeout=timeout))

    def release(self) -> None:
        self._lock.release()


def test_what_is_cancelled_amid_the_rest_of_the_hosts_thread_is_done_when_that_is_over(
    host: Host, gate: Gate
) -> None:
    """By a finalizer, in the thread that it would wait for."""
    done = square.invoke(3)
    client: Any = done._client
    answers: list[bool] = []

    def finalize() -> None:
        handle = pass_gate.invoke(gate.path, pymonik=client)
        client.flush()
        answers.append(handle.cancel())

    leadership: Any = host._leadership
    leadership._called = Called(leadership._called, finalize)
    leadership.call()
    until(lambda: answers and host.is_idle)
    assert answers == [True]
    assert done.get() == 9


class Interrupted(Exception):
    """Raised by a handler, as Ctrl-C raises KeyboardInterrupt."""


@pytest.fixture
def handler() -> Iterator[Callable[..., None]]:
    def interrupt(*_: Any) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    yield interrupt
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_ends_the_wait_and_nothing_else(
    host: Host, gate: Gate, handler: Callable[..., None]
) -> None:
    main = threading.get_ident()

    def interrupt() -> None:
        until(lambda: host._leadership.is_lent and host._pool.is_asleep)
        signal.pthread_kill(main, signal.SIGUSR1)

    slow = pass_gate.invoke(gate.path, "through")
    other = Other(interrupt)
    with pytest.raises(Interrupted):
        slow.get()
    other.value()
    assert signal.getsignal(signal.SIGUSR1) is handler
    assert square.invoke(3).get() == 9
    gate.open()
    assert slow.get() == "through"


def test_a_client_is_cancelled_while_another_thread_leads(host: Host, gate: Gate) -> None:
    slow = pass_gate.invoke(gate.path)
    leader = Other(slow.get)
    until(lambda: host._leadership.is_lent)
    slow._client.cancel()  # type: ignore[attr-defined]
    with pytest.raises(Cancelled):
        leader.value()


def broken(*_: Any) -> Any:
    raise KeyError("nobody thought of it")


def test_an_engine_that_breaks_in_the_thread_that_waits_is_told_to_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leadership, "_EXPECTED", NEVER)
    client = Pymonik(backend="local", workers=1).create()
    host = resting(client)
    monkeypatch.setattr(host._loop, "turn", broken)
    first, second = square.invoke(2, pymonik=client), square.invoke(3, pymonik=client)
    with pytest.raises(TaskFailed, match="the engine failed: KeyError"):
        first.get()
    with pytest.raises(TaskFailed, match="nobody thought of it"):
        second.get()
    client.cancel()


# ----- by itself


class Loop:
    """A loop whose turns are functions; it is busy as long as it is said to be."""

    def __init__(self, *turns: Callable[[], object]) -> None:
        self.turns = [*turns]
        self.wakes = 0
        self.is_busy = False
        self.brings_news = True
        self.leadership = Leadership(self._turn, self._wake, lambda: self.is_busy)

    def _turn(self, end: float | None) -> bool:
        self.turns.pop(0)()
        return self.brings_news

    def _wake(self) -> None:
        self.wakes += 1

    def begin(self) -> None:
        """Take a turn that waits for nothing."""
        self._turn(None)

    def free(self) -> Leadership:
        """Let go of the right to lead, as the host's thread does when it rests."""
        self.leadership._leader.clear()
        return self.leadership


def test_a_turn_that_a_signal_comes_amid_is_done_to_its_end(handler: Callable[..., None]) -> None:
    done = []

    def turn() -> None:
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGUSR1)
        done.append(signal.getsignal(signal.SIGUSR1))

    loop = Loop(turn)
    with pytest.raises(Interrupted):
        loop.free().lead(lambda: False, None)
    assert loop.wakes == 2
    assert len(done) == 1
    assert done != [handler]
    assert signal.getsignal(signal.SIGUSR1) is handler
    assert not loop.leadership.is_led


def test_the_hosts_thread_is_called_back_for_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leadership, "_EXPECTED", NEVER)
    loop = Loop(lambda: setattr(loop, "is_busy", True))
    loop.leadership._waited = leadership.time.monotonic()
    own = Other(loop.leadership.rest)
    until(lambda: not loop.leadership.is_led)
    assert loop.leadership.lead(lambda: loop.is_busy, None)
    own.value()
    assert loop.leadership.is_led


def test_the_hosts_thread_is_called_for_what_came_amid_the_turn_of_who_sends() -> None:
    loop = Loop(lambda: loop.leadership.call(), lambda: None)
    free = loop.free()
    free.act(loop.begin)
    assert free._called.acquire(blocking=False)
    free.act(loop.begin)
    assert not free._called.acquire(blocking=False)
    assert not free.is_led


def test_a_signal_amid_the_turn_of_who_sends_keeps_nobody_waiting(
    handler: Callable[..., None],
) -> None:
    def turn() -> None:
        loop.leadership.call()
        signal.raise_signal(signal.SIGUSR1)

    loop = Loop(turn)
    with pytest.raises(Interrupted), DeferredSignals():
        loop.free().act(loop.begin)
    assert not loop.leadership.is_led
    assert loop.leadership._called.acquire(blocking=False)


def test_what_fails_as_it_is_asked_for_was_not_done() -> None:
    """The engine fails of it, and all that was asked for with it."""
    loop = Loop(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    assert not loop.free().act(loop.begin)
    assert not loop.leadership.is_led
    assert type(loop.leadership._error) is ZeroDivisionError  # raised by the host's thread
    assert loop.leadership._called.acquire(blocking=False)


def test_who_sends_amid_a_turn_takes_none() -> None:
    """A finalizer sends what it has recorded; nor does any thread once the loop is to end."""
    loop = Loop(lambda: loop.leadership.act(loop.begin))
    free = loop.free()
    free.act(loop.begin)
    free.end()
    free.act(loop.begin)
    assert not loop.turns


def test_who_leads_looks_before_the_first_turn() -> None:
    """What came between the last look of who waits and its lead was announced to nobody."""
    loop = Loop()  # no turn would ever tell
    assert loop.free().lead(lambda: True, None)
    assert not loop.leadership.is_led


def test_what_comes_just_before_a_thread_leads_is_not_waited_for(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = square.invoke(3)
    client: Any = handle._client
    lead = host._leadership.lead

    def lead_late(*args: Any) -> bool:
        monkeypatch.setattr(host._leadership, "lead", lead)
        Other(square.invoke(4, pymonik=client).get).value()
        until(lambda: host.is_idle and not host._leadership.is_led)
        return lead(*args)

    monkeypatch.setattr(host._leadership, "lead", lead_late)
    assert handle.get() == 9


def test_nobody_leads_who_has_no_room_for_a_turn_left() -> None:
    """The recursion limit would be reached in the midst of it, and the engine fail."""
    loop = Loop()  # it has no turn to take
    free = loop.free()

    def down() -> Any:
        try:
            return down()
        except RecursionError:
            return free.lead(lambda: False, None)

    with contextlib.suppress(RecursionError):  # that of the test itself, at its deepest frames
        assert down() is None
    assert free._error is None


def test_only_one_thread_leads() -> None:
    entered, go = threading.Event(), threading.Event()
    loop = Loop(lambda: (entered.set(), go.wait(PATIENCE)))
    free = loop.free()
    leader = Other(lambda: free.lead(go.is_set, None))
    assert entered.wait(PATIENCE)
    assert not free.lead(lambda: True, None)
    go.set()
    assert leader.value()


def test_who_waits_amid_a_turn_is_refused_and_not_left_to_wait_for_ever() -> None:
    errors = []

    def turn() -> None:
        with pytest.raises(BackendError, match="finalizer") as caught:
            loop.leadership.lead(lambda: False, None)
        assert loop.leadership.lead(lambda: True, None)  # it has come
        errors.append(caught.value)

    loop = Loop(turn)
    assert loop.free().lead(lambda: bool(errors), None)
    assert len(errors) == 1


def test_who_waits_amid_the_rest_of_the_hosts_thread_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A finalizer; once the others have waited, nobody would do what it waits for."""
    monkeypatch.setattr(leadership, "_EXPECTED", NEVER)
    loop = Loop()
    led, refused = loop.leadership, list[BackendError]()

    def is_busy() -> bool:
        if not led.is_led:
            with pytest.raises(BackendError, match="finalizer") as caught:
                led.lead(lambda: False, None)
            refused.append(caught.value)
        return bool(refused)

    def rest() -> None:
        led.begin(threading.get_ident())
        led._waited = leadership.time.monotonic()
        led.rest()
        led.leave()

    led._is_busy = is_busy
    Other(rest).value()
    assert refused
    assert led.is_led
    assert not led.leads_here


class Collecting(dict[str, Any]):
    """Who leads; right behind the taking of the right, garbage is collected."""

    def __init__(self, finalize: Callable[[], object]) -> None:
        super().__init__()
        self._finalize = finalize

    def setdefault(self, key: str, thread: Any = None) -> Any:
        leader = super().setdefault(key, thread)
        self._finalize()
        return leader


@pytest.mark.parametrize("sends", [False, True])
def test_who_waits_right_behind_the_taking_of_the_lead_is_refused(sends: bool) -> None:
    """A finalizer, which would wait for its own thread; where it sends, it takes no turn."""
    refused: list[BackendError] = []

    def finalize() -> None:
        loop.leadership.act(loop.begin)
        with pytest.raises(BackendError, match="finalizer") as caught:
            loop.leadership.lead(lambda: False, None)
        refused.append(caught.value)

    loop = Loop(lambda: None)
    loop.leadership._leader = Collecting(finalize)
    if sends:
        loop.leadership.act(loop.begin)
    else:
        assert loop.leadership.lead(lambda: not loop.turns, None)
    assert len(refused) == 1
    assert not loop.turns


def test_who_leads_looks_again_whenever_it_is_asked_to() -> None:
    """Asked amid a turn that brings nothing, or while it looks."""
    loop = Loop(lambda: loop.leadership.look_again(), lambda: None)
    loop.brings_news = False
    looks: list[int] = []

    def is_over() -> bool:
        looks.append(len(loop.turns))
        if len(looks) == 2:
            loop.leadership.look_again()
        return len(looks) == 3

    assert loop.free().lead(is_over, None)
    assert looks == [2, 1, 0]
    assert loop.wakes == 2


def test_nobody_leads_but_the_hosts_thread_once_it_is_to_end() -> None:
    loop = Loop()  # it has no turn to take
    loop.free().end()
    assert not loop.leadership.lead(lambda: False, None)
