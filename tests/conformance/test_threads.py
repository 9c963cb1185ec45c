"""One client, several threads: what one records while another sends is never lost.

Every test forces one interleaving, by a seam in the flush: see `seams`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik, ResultHandle, Task, as_completed, task
from pymonik.errors import Cancelled, LostValueError, NoClientError
from pymonik.values.outcome import PENDING
from pymonik.values.outputs import Outputs
from tests.conftest import Gate, Ledger

from .conftest import BACKENDS, Connect, settings_of
from .programs import add, identity, inc, note, pair, pass_gate, square, total
from .seams import PATIENCE, Other, Seam

pytestmark = pytest.mark.each_backend


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Values that are kept, are kept here."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYMONIK_VALUES_FOLDER", str(tmp_path_factory.mktemp("values")))
        yield


@pytest.fixture(scope="module", params=BACKENDS)
def kept(request: pytest.FixtureRequest) -> Iterator[Pymonik]:
    """A client for many small programs: starting one takes longer than they do."""
    with Pymonik(**settings_of(request.param, request)) as client:
        yield client


def _rows(n: int) -> list[int]:
    return list(range(n))


rows = Task(_rows, func_name="rows")
pure_rows = Task(_rows, func_name="pure_rows", pure=True)


def closure_over(handle: Any, client: Pymonik) -> ResultHandle[Any]:
    @task
    def reads() -> Any:
        return sum(handle)  # the handle travels as its value

    return reads.invoke(pymonik=client)


USES: dict[str, Callable[[Any, Pymonik], ResultHandle[Any]]] = {
    "argument": lambda h, c: total.invoke(h, pymonik=c),
    "keyword": lambda h, c: total.invoke(xs=h, pymonik=c),
    "list": lambda h, c: identity.invoke([h, [0]], pymonik=c),
    "alone in a list": lambda h, c: identity.invoke([h], pymonik=c),
    "dict": lambda h, c: identity.invoke({"deep": (h, 1)}, pymonik=c),
    "row": lambda h, c: total.map_invoke([h, [1]], pymonik=c)[0],
    "row of a generator": lambda h, c: identity.map_invoke(([one] for one in [h]), pymonik=c)[0],
    "closure": closure_over,
    "item": lambda h, c: h[3],
    "unpack": lambda h, c: h.unpack(4)[1],
    "two calls": lambda h, c: add.invoke(total.invoke(h, pymonik=c), 1, pymonik=c),
    "map of slices": lambda h, c: total.map_invoke([h, h, h], pymonik=c)[1:][1],
}
VALUES: dict[str, Any] = {
    "list": [[0, 1, 2, 3], [0]],
    "alone in a list": [[0, 1, 2, 3]],
    "row of a generator": [[0, 1, 2, 3]],
    "dict": {"deep": ([0, 1, 2, 3], 1)},
    "item": 3,
    "unpack": 1,
    "two calls": 7,
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("source", [rows, pure_rows], ids=["effectful", "pure"])
def test_a_value_that_another_thread_uses_and_lets_go_of(
    kept: Pymonik, source: Any, use: str
) -> None:
    handles = [source.invoke(4, pymonik=kept)]
    with Seam(kept, lambda: USES[use](handles.pop(), kept)) as seam:
        kept.flush()
    assert seam.value().get() == VALUES.get(use, 6)


def test_a_chain_that_is_let_go_of_link_by_link(kept: Pymonik) -> None:
    handles = [inc.invoke(0, pymonik=kept)]

    def go_on() -> ResultHandle[int]:
        handle = handles.pop()
        for _ in range(5):
            handle = inc.invoke(handle, pymonik=kept)
        return handle

    with Seam(kept, go_on) as seam:
        kept.flush()
    assert seam.value().get() == 6


MAPS: dict[str, tuple[Callable[[Any, Pymonik], Any], Any]] = {
    "list": (lambda h, c: total.invoke(h, pymonik=c), 30),
    "slice": (lambda h, c: total.invoke(h[1:3], pymonik=c), 5),
    "step": (lambda h, c: total.invoke(h[::-2], pymonik=c), 20),
    "sum of slices": (lambda h, c: total.invoke(h[:2] + h[3:], pymonik=c), 26),
    "element": (lambda h, c: inc.invoke(h[4], pymonik=c), 17),
    "map": (lambda h, c: inc.map_invoke(h, pymonik=c), [1, 2, 5, 10, 17]),
    "map of a slice": (lambda h, c: inc.map_invoke(h[3:], pymonik=c), [10, 17]),
    "map backwards": (lambda h, c: inc.map_invoke(list(h)[::-1], pymonik=c), [17, 10, 5, 2, 1]),
    "nested": (lambda h, c: identity.invoke({"all": h}, pymonik=c), {"all": [0, 1, 4, 9, 16]}),
    "rows": (lambda h, c: pair.map_invoke(zip(h, "ab"), pymonik=c), [(0, "a"), (1, "b")]),
}


@pytest.mark.parametrize("use", MAPS)
def test_a_map_that_another_thread_uses_and_lets_go_of(kept: Pymonik, use: str) -> None:
    handles = [square.map_invoke(range(5), pymonik=kept)]
    with Seam(kept, lambda: MAPS[use][0](handles.pop(), kept)) as seam:
        kept.flush()
    assert seam.value().get() == MAPS[use][1]


@pytest.mark.parametrize("is_named", [False, True])
def test_an_object_put_and_let_go_of(kept: Pymonik, is_named: bool) -> None:
    square.invoke(1, pymonik=kept)

    def put() -> Any:
        handle = kept.put([1, 2, 3], name="numbers" if is_named else None)
        return total.invoke(handle, pymonik=kept), total.invoke([handle[0], 1], pymonik=kept)

    with Seam(kept, put) as seam:
        kept.flush()
    assert [h.get() for h in seam.value()] == [6, 2]
    assert not is_named or kept.lookup("numbers").get() == [1, 2, 3]


def test_a_known_value_that_another_thread_uses(connect: Connect) -> None:
    cached = Task(lambda x: [x, x], func_name="twice", pure=True, cache=True)
    with connect() as client:
        assert cached.invoke(3).get() == [3, 3]
        handles = [cached.invoke(3), cached.invoke(4)]
        maps = [cached.map_invoke([3, 4, 5])]

        def use() -> Any:
            one, other = handles
            handles.clear()
            several = [other, *maps.pop()[1:]]
            return total.invoke(one, pymonik=client), total.map_invoke(several, pymonik=client)

        with Seam(client, use) as seam:
            client.flush()
        assert (seam.value()[0].get(), seam.value()[1].get()) == (6, [8, 8, 10])


def test_handles_that_are_dropped_while_they_are_sent(client: Pymonik, ledger: Ledger) -> None:
    handles = [note.invoke(ledger.path, i, i) for i in range(4)]
    with Seam(client, lambda: handles.__delitem__(slice(3))):
        client.flush()
    assert handles[0].get() == 3
    client.close()
    assert sorted(ledger.lines()) == list("0123")


def test_a_call_recorded_while_another_is_sent_runs_once(client: Pymonik, ledger: Ledger) -> None:
    first = note.invoke(ledger.path, "first")
    with Seam(client, lambda: note.invoke(ledger.path, "second", pymonik=client)) as seam:
        client.flush()
    assert client.stats.calls == 1
    client.flush()
    assert (first.get(), seam.value().get(), client.stats.calls) == (None, None, 2)
    assert sorted(ledger.lines()) == ["first", "second"]


# ----- names


def test_a_name_given_while_the_call_is_sent(connect: Connect, backend: str) -> None:
    with connect() as client:
        handles = [square.invoke(7), square.map_invoke([1, 2, 3])[1]]

        def give_names() -> None:
            handles[0].named("late")
            handles.pop().named("late too")
            handles.clear()

        with Seam(client, give_names, waits=True) as seam:
            client.flush()
        seam.value()
        assert (client.lookup("late").get(), client.lookup("late too").get()) == (49, 4)
        client.flush()
        if backend == "emulator":
            with Pymonik.attach(client.session_id, client.endpoint) as other:
                assert (other.lookup("late").get(), other.lookup("late too").get()) == (49, 4)


def test_the_name_of_a_call_recorded_while_others_are_sent(connect: Connect, backend: str) -> None:
    with connect() as client:
        square.invoke(1)

        def record() -> None:
            square.invoke(6, pymonik=client, pmk_name="one")
            square.map_invoke([1, 2], pymonik=client, pmk_name="two")

        with Seam(client, record):
            client.flush()  # tells of no value that it does not send
        client.flush()
        assert (client.lookup("one").get(), client.lookup("two").get()) == (36, [1, 4])
        if backend == "emulator":
            with Pymonik.attach(client.session_id, client.endpoint) as other:
                assert (other.lookup("one").get(), other.lookup("two").get()) == (36, [1, 4])


def test_threads_that_name_elements_of_one_map(client: Pymonik) -> None:
    several = square.map_invoke(range(16))

    def name(start: int) -> None:
        for i in range(start, 16, 2):
            several[i].named(f"n{i}")

    for other in [Other(lambda start=start: name(start)) for start in (0, 1)]:  # type: ignore[misc]
        other.value()
    assert set(client.pending[0].label.values()) == {f"n{i}" for i in range(16)}
    assert [client.lookup(f"n{i}").get() for i in range(16)] == [i * i for i in range(16)]


# ----- cancelling


@pytest.mark.asynchronous
def test_a_call_cancelled_while_it_is_sent(client: Pymonik, gate: Gate) -> None:
    handle = pass_gate.invoke(gate.path, 1)
    after = inc.invoke(handle)
    with Seam(client, handle.cancel, waits=True) as seam:
        client.flush()
    assert seam.value() is True
    assert isinstance(handle.exception(), Cancelled)
    assert isinstance(after.exception(), Cancelled)


def test_a_call_cancelled_that_was_recorded_while_others_are_sent(
    client: Pymonik, ledger: Ledger
) -> None:
    kept = note.invoke(ledger.path, "kept", 5)
    handles: list[ResultHandle[Any]] = []

    def record_and_cancel() -> bool:
        for line in ("one", "two", "three"):
            handles.append(note.invoke(ledger.path, line, kept, pymonik=client))
        return handles[1].cancel()

    with Seam(client, record_and_cancel, waits=True) as seam:
        client.flush()
    assert seam.value() is True
    assert isinstance(handles[1].exception(), Cancelled)
    assert [handles[0].get(), handles[2].get(), kept.get()] == [5, 5, 5]
    assert sorted(ledger.lines()) == ["kept", "one", "three"]


def test_what_uses_a_call_that_another_thread_cancels_is_told(kept: Pymonik) -> None:
    handle = square.invoke(3, pymonik=kept)
    assert handle.cancel()
    handles = [handle]
    del handle
    inc.invoke(1, pymonik=kept)
    with Seam(kept, lambda: inc.invoke(handles.pop(), pymonik=kept)) as seam:
        kept.flush()
    assert isinstance(seam.value().exception(), Cancelled)


@pytest.mark.asynchronous
def test_a_value_that_two_submissions_share_survives_the_cancelling_of_one(
    client: Pymonik, gate: Gate
) -> None:
    def slow(path: str) -> int:
        with open(path) as opened:
            opened.read()
        return 5

    cached = Task(slow, pure=True, cache=True)
    first = cached.invoke(gate.path)
    client.flush()
    second = cached.invoke(gate.path)
    with Seam(client, first.cancel, waits=True) as seam:
        client.flush()  # finds the value, which is under way
    assert seam.value() is False
    gate.open()
    assert second.get() == 5


# ----- waiting, callbacks, event loops


def test_a_callback_added_while_the_call_is_sent(kept: Pymonik) -> None:
    handle = square.invoke(3, pymonik=kept)
    called: list[int] = []
    ended = threading.Event()

    def tell(of: ResultHandle[int]) -> None:
        called.append(of.get())
        ended.set()

    with Seam(kept, lambda: handle.add_done_callback(tell), waits=True) as seam:
        kept.flush()
    seam.value()
    assert ended.wait(60)
    assert called == [9]


def test_a_value_awaited_while_the_call_is_sent(kept: Pymonik) -> None:
    handle, other = square.invoke(3, pymonik=kept), square.invoke(4, pymonik=kept)

    async def both() -> list[int]:
        return list(await asyncio.gather(handle, other))

    with Seam(kept, lambda: asyncio.run(both()), waits=True) as seam:
        kept.flush()
    assert seam.value() == [9, 16]


def test_values_taken_as_they_come_while_they_are_sent(kept: Pymonik) -> None:
    handles = list(square.map_invoke(range(5), pymonik=kept))

    def take() -> list[int]:
        return sorted(handle.get() for handle in as_completed(handles))

    handles.append(square.invoke(9, pymonik=kept))
    with Seam(kept, take, waits=True) as seam:
        kept.flush()
    assert seam.value() == [0, 1, 4, 9, 16, 81]


def test_calls_that_callbacks_record_are_sent_before_the_client_closes(
    connect: Connect, ledger: Ledger
) -> None:
    with connect() as client:

        def again(handle: ResultHandle[int]) -> None:
            n = handle.get()
            if n < 4:
                note.invoke(ledger.path, n + 1, n + 1, pymonik=client).add_done_callback(again)

        note.invoke(ledger.path, 0, 0).add_done_callback(again)
    assert ledger.lines() == list("01234")


# ----- closing


@pytest.fixture
def closing(connect: Connect, gate: Gate) -> Iterator[tuple[Pymonik, Other]]:
    """A client that another thread closes: it waits for a call, until the gate is opened."""
    with connect() as client:
        pass_gate.invoke(gate.path)
        client.flush()
        other = Other(client.close)
        while not client.parts.state.is_closing:
            threading.Event().wait(0.001)
        yield client, other
        other.value()


@pytest.mark.asynchronous
def test_a_client_that_is_being_closed_takes_no_calls(
    closing: tuple[Pymonik, Other], gate: Gate
) -> None:
    client, _ = closing
    for record in (
        lambda: square.invoke(1, pymonik=client),
        lambda: square.map_invoke([1], pymonik=client),
        lambda: client.put(1),
    ):
        with pytest.raises(NoClientError, match="being closed"):
            record()
    gate.open()


def test_a_call_dropped_by_another_thread_is_awaited_by_nobody(connect: Connect) -> None:
    client = connect().create()
    handle = square.invoke(1, pymonik=client)
    Other(client.cancel).value()
    told = threading.Event()
    handle.add_done_callback(lambda _: told.set())
    assert told.wait(60)

    async def wait() -> Any:
        return await handle

    for wait_for_it in (handle.get, handle.done, lambda: asyncio.run(wait())):
        with pytest.raises(NoClientError, match="never sent"):
            wait_for_it()


def test_a_client_that_is_left_while_it_sends(connect: Connect, ledger: Ledger) -> None:
    client = connect().create()
    handle = note.invoke(ledger.path, "never", pymonik=client)
    with Seam(client, client.cancel, waits=True), pytest.raises(NoClientError, match="never sent"):
        handle.get()
    assert ledger.lines() == []


def test_a_call_that_comes_too_late_is_refused(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client is closed by another thread while `invoke` is under way."""
    client = connect().create()
    specs = client.recorder.specs
    spec_for = specs.spec_for

    def closed_meanwhile(*args: Any) -> Any:
        Other(client.close).value()
        return spec_for(*args)

    monkeypatch.setattr(specs, "spec_for", closed_meanwhile)
    with pytest.raises(NoClientError, match="closed"):
        square.invoke(1, pymonik=client)


# ----- values that nothing will bring


WAITS: dict[str, Callable[[ResultHandle[Any]], Any]] = {
    "get": lambda h: h.get(),
    "wait": lambda h: h.wait().get(),
    "exception": lambda h: h.exception() or h.get(),
    "as_completed": lambda h: next(as_completed([h])).get(),
    "await": lambda h: asyncio.run(_awaited(h)),
    "async for": lambda h: asyncio.run(_in_turn(h)),
}


async def _awaited(handle: ResultHandle[Any]) -> Any:
    return await handle


async def _in_turn(handle: ResultHandle[Any]) -> Any:
    values = [await one async for one in as_completed([handle])]
    return values[0]


@pytest.mark.parametrize("wait", WAITS)
def test_a_value_asked_for_before_its_unit_is_sent(
    kept: Pymonik, monkeypatch: pytest.MonkeyPatch, wait: str
) -> None:
    """Handles know where values will be a little before the backend knows the units."""
    backend = kept.parts.engine.opened()
    submit, want = backend.submit, backend.want
    asked = threading.Event()
    others: list[Other] = []

    def submit_late(plan: Any) -> None:
        others.append(Other(lambda: WAITS[wait](handle)))
        # Who awaits sends first what is pending, and so comes when all was sent.
        assert wait in ("await", "async for") or asked.wait(60)
        submit(plan)

    def note_want(wanted: Any) -> None:
        want(wanted)
        asked.set()

    monkeypatch.setattr(backend, "want", note_want)
    handle = square.invoke(3, pymonik=kept)
    with monkeypatch.context() as patched:
        patched.setattr(backend, "submit", submit_late)
        kept.flush()
    assert others[0].value() == 9


@pytest.mark.parametrize("wait", [*WAITS, "done", "map"])
def test_a_value_that_nothing_will_bring_is_an_error_at_once(
    kept: Pymonik, monkeypatch: pytest.MonkeyPatch, wait: str
) -> None:
    handles = square.map_invoke([3], pymonik=kept)
    with monkeypatch.context() as patched:
        patched.setattr(kept.parts.engine.opened(), "submit", lambda plan: None)
        kept.flush()
    ask = {**WAITS, "done": ResultHandle.done, "map": lambda _: handles.get()}[wait]
    with pytest.raises(LostValueError, match=r"'square', element 0, called at .*test_threads"):
        ask(handles[0])
    assert square.invoke(4, pymonik=kept).get() == 16


def test_who_waits_while_a_value_is_lost_is_told(
    kept: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = kept.parts.engine.opened()
    handle = square.invoke(3, pymonik=kept)
    others: list[Other] = []
    told = threading.Event()
    is_waiting = threading.Event()
    want = backend.want

    def lose(plan: Any) -> None:
        others.append(Other(handle.get))
        assert is_waiting.wait(60)

    def note_want(wanted: Any) -> None:
        want(wanted)
        is_waiting.set()

    handle.add_done_callback(lambda _: told.set())
    with monkeypatch.context() as patched:
        patched.setattr(backend, "submit", lose)
        patched.setattr(backend, "want", note_want)
        kept.flush()
        with pytest.raises(LostValueError):
            others[0].value()
    assert told.wait(60)


@pytest.mark.parametrize("wait", ["callback", "await", "get"])
def test_who_waits_for_a_unit_that_ends_without_its_record_is_told(
    kept: Pymonik, monkeypatch: pytest.MonkeyPatch, wait: str
) -> None:
    """A fault of an engine, played here for all of them where records come in."""
    fill, told = Outputs.fill, threading.Event()

    def lose(cell: Outputs, start: int, columns: Any) -> Any:
        return fill(cell, start, [[PENDING] * len(column) for column in columns])

    async def awaited() -> int:
        return await asyncio.wait_for(_of(handle), PATIENCE)

    with monkeypatch.context() as patched:
        patched.setattr(Outputs, "fill", lose)
        patched.setattr(Outputs, "tell", lambda *news: None)
        handle = square.invoke(3, pymonik=kept)
        if wait == "callback":
            handle.add_done_callback(lambda _: told.set())
            kept.flush()
            assert told.wait(PATIENCE)
        with pytest.raises(LostValueError):
            asyncio.run(awaited()) if wait == "await" else handle.get(timeout=PATIENCE)
    assert square.invoke(4, pymonik=kept).get() == 16


async def _of(handle: ResultHandle[int]) -> int:
    return await handle


def test_a_submission_that_fails_leaves_nobody_waiting(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect().create()
    first, second = square.invoke(3, pymonik=client), square.map_invoke([1, 2], pymonik=client)
    told = threading.Event()
    second[1].add_done_callback(lambda _: told.set())

    def fail(plan: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(client.parts.engine.opened(), "submit", fail)
        with pytest.raises(KeyboardInterrupt):
            first.get()
    assert told.wait(60)
    for handle in (first, *second):
        assert "it was not sent: KeyboardInterrupt" in str(handle.exception())
    client.close()


# ----- whoever else uses the client meanwhile


def test_who_is_told_of_the_progress_may_use_the_client(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Progress is told of while plans are sent, too, from a thread of its own."""
    told = threading.Event()
    found: list[int] = []

    def use(progress: Any) -> None:
        if not told.is_set():
            told.set()
            found.append(square.invoke(5, pymonik=client).get())

    client = connect(on_progress=use).create()
    submit = client.parts.engine.opened().submit

    def submit_late(plan: Any) -> None:
        assert told.wait(60)
        submit(plan)

    handle = square.invoke(3, pymonik=client)
    with monkeypatch.context() as patched:
        patched.setattr(client.parts.engine.opened(), "submit", submit_late)
        client.flush()
    assert handle.get() == 9
    client.close()
    assert found == [25]


def test_a_finalizer_that_uses_the_client_while_it_compiles(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Garbage is collected at any moment, in any thread: also where this one holds the lock."""
    handles = [square.invoke(2), square.invoke(3)]
    recorded: list[ResultHandle[int]] = []

    class Dropped:
        def __del__(self) -> None:
            assert handles[0].cancel() is False  # too late: it is being sent
            recorded.append(square.invoke(4, pymonik=client))
            client.flush()

    number = client.recorder.number

    def number_and_drop() -> None:
        number()
        if not recorded:
            Dropped()

    monkeypatch.setattr(client.recorder, "number", number_and_drop)
    client.flush()
    assert [h.get() for h in handles] == [4, 9]
    assert recorded[0].get() == 16
    assert client.stats.calls == 3


def test_values_are_kept_by_threads_that_have_waited_at_once(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYMONIK_VALUES_FOLDER", str(tmp_path))
    cached = Task(lambda x: -x, func_name="negative", pure=True, cache=True)
    with connect() as client:

        def work(start: int) -> list[int]:
            return [cached.invoke(i, pymonik=client).get() for i in range(start, start + 8)]

        others = [Other(lambda n=n: work(8 * n)) for n in range(4)]  # type: ignore[misc]
        assert [other.value() for other in others] == [
            [-i for i in range(8 * n, 8 * n + 8)] for n in range(4)
        ]
        assert cached.map_invoke(range(32)).get() == [-i for i in range(32)]
        assert client.stats.reused == 32


@pytest.mark.asynchronous
def test_closing_waits_for_what_another_thread_is_sending(connect: Connect) -> None:
    client = connect().create()
    backend, lifetime = client.parts.engine.opened(), client.parts.lifetime
    is_idle = lifetime.is_idle
    submit, sends, looked = backend.submit, threading.Event(), threading.Event()

    def submit_once_looked(plan: Any) -> None:
        sends.set()
        assert looked.wait(PATIENCE)
        submit(plan)

    def look() -> bool:
        found = is_idle()
        looked.set()
        return found

    backend.submit, lifetime.is_idle = submit_once_looked, look  # type: ignore[method-assign]
    handles = square.map_invoke(range(50), pymonik=client)
    user = Other(handles.get)
    assert sends.wait(PATIENCE)
    client.close()
    assert user.value() == [n * n for n in range(50)]
