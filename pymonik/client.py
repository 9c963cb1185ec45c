"""The client: a scope in which calls are recorded, compiled and sent, and values waited for.

Enters: what was recorded, at the first need of a value. Leaves: one plan a flush, and values. How a
call is recorded is the business of `recorder`; what carries a plan out, of the backends.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import Token
from dataclasses import dataclass, replace
from typing import Any

from pymonik import backend as backends
from pymonik.errors import NoClientError, OptionsError
from pymonik.graph.ir import Each, Graph, Put, Recorded, inputs, slot_at
from pymonik.graph.passes import Target, run_passes, selected
from pymonik.handle import ResultHandle
from pymonik.options import DEFAULTS, TaskOptions, merge
from pymonik.plan.home import settled
from pymonik.plan.lower import bind, lower
from pymonik.plan.plan import Plan, Source
from pymonik.progress import Progress, watching
from pymonik.recorder import CURRENT, Recorder
from pymonik.runtime.outcome import PENDING, Failure, value_of
from pymonik.settings import settings

logger = logging.getLogger("pymonik")


@dataclass
class Stats:
    """What a client has done so far: sums over its submissions; sizes in bytes, times in s."""

    submissions: int = 0
    calls: int = 0
    units: int = 0
    requests: int = 0
    bytes: int = 0
    compile_seconds: float = 0.0


class Pymonik(Recorder):
    """A client of the embedded engine, or of an ArmoniK cluster.

    endpoint: "host:port" or a URL of a control plane; without it AKCONFIG and AK_ENDPOINT are
    asked, and without those the embedded engine runs. partition: a name, or several of which the
    first is the default. environment: packages and variables that tasks need. task_options:
    defaults of all calls. workers: calls that run at once. optimize: True, False (one task a call)
    or names of passes. detach: leave the block without waiting. on_progress: called with a
    `Progress` while waiting. backend: local, inline, dry-run or armonik.

    batch_size, disable_events_client, polling_interval, polling_batch_size and local_session are
    taken and mean nothing any more.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        partition: str | list[str] | None = None,
        environment: Any = None,
        batch_size: int | None = None,
        task_options: TaskOptions | None = None,
        disable_events_client: bool | None = None,
        polling_interval: float | None = None,
        polling_batch_size: int | None = None,
        local_session: bool | None = None,
        *,
        workers: int | None = None,
        optimize: bool | Iterable[str] = True,
        detach: bool = False,
        on_progress: Callable[[Progress], object] | None = None,
        backend: str | None = None,
    ) -> None:
        _warn_of_old(
            batch_size=batch_size,
            disable_events_client=disable_events_client,
            polling_interval=polling_interval,
            polling_batch_size=polling_batch_size,
            local_session=local_session,
        )
        self.partitions = _partitions(partition)
        default = TaskOptions(partition_id=self.partitions[0] if self.partitions else None)
        super().__init__(merge(DEFAULTS, default, task_options), _environment(environment))
        self.endpoint = endpoint
        self.detach = detach
        self.optimize = optimize if isinstance(optimize, bool) else selected(optimize)
        self.stats = Stats()
        self._on_progress = on_progress
        self._workers = backends.workers(_whole_workers(workers))
        self._backend_name = backends.choose(backend, endpoint)
        if self.environment is not None:
            self.check_environment(self.environment)
        self._backend: backends.Backend | None = None
        self._flushing = threading.RLock()
        self._tokens: list[Token[Recorder | None]] = []
        self._callbacks: list[tuple[ResultHandle[Any], Callable[[Any], object]]] = []
        self._looked: set[tuple[str, str, int | None]] = set()

    # ----- life

    def create(self) -> Pymonik:
        """Open the backend; done by the first flush if it was not done before. Returns itself."""
        self._check_open()
        with self._flushing:
            if self._backend is None:
                self._backend = backends.open_backend(
                    self._backend_name,
                    self._workers,
                    self.optimize,
                    endpoint=self.endpoint,
                    partitions=self.partitions,
                )
                if self._backend_name == "local":
                    logger.info(
                        "no cluster is configured: the embedded engine runs here, %d at a time",
                        self._backend.slots,
                    )
        self.open_here()
        return self

    @property
    def session_id(self) -> str:
        """The id of the session."""
        return self._opened().session_id

    def _opened(self) -> backends.Backend:
        if self._backend is None:
            self.create()
        assert self._backend is not None
        return self._backend

    def close(self) -> None:
        """Send what is pending, wait for all of it, and let go of the backend.

        Raises the first failure that nobody has looked at.
        """
        if self._closed:
            return
        try:
            self.flush()
            if self._backend is not None and not self.detach:
                self._wait(lambda: self._is_idle(), None)
                self._backend.drain()
        except BaseException as error:
            self._abandon(error)
            raise
        self._let_go()
        self._raise_unseen()

    def cancel(self) -> None:
        """Drop what was not sent, cancel what was, and close."""
        self._abandon(None)

    def _is_idle(self) -> bool:
        done, total = self._opened().progress()
        return done == total

    def _let_go(self) -> None:
        self.close_here()
        if self._backend is not None:
            self._backend.close()

    def _abandon(self, error: BaseException | None) -> None:
        """Drop what was not sent, cancel what was."""
        dropped = sum(1 if n.n is None else n.n for n in self.pending if type(n) is Recorded)
        if dropped:
            logger.warning("%d calls were never sent: the block was left early", dropped)
        self.pending.clear()
        if self._backend is not None and not self._closed:
            done, total = self._backend.progress()
            if done < total:
                logger.warning("cancelling %d units that have not ended", total - done)
                self._backend.cancel_all("the client was closed before it had ended")
        self._let_go()

    def _raise_unseen(self) -> None:
        for failure in self._opened().failures if self._backend is not None else ():
            if failure.kind != "cancelled" and _key(failure) not in self._looked:
                raise failure.error()

    def __enter__(self) -> Pymonik:
        self.create()
        self._tokens.append(CURRENT.set(self))
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        CURRENT.reset(self._tokens.pop())
        if self._tokens:  # entered again inside: the outer block closes it
            return
        if error is None:
            self.close()
        else:
            self._abandon(error)

    # ----- sending

    def plan(self) -> Plan:
        """Compile what is pending and give the plan, without sending it."""
        self._check_open()
        with self._flushing:
            return self._compile(Graph(tuple(self.pending), {}))

    def _compile(self, graph: Graph) -> Plan:
        target = Target(slots=self._opened().slots)
        with _collecting_later():
            plan = lower(run_passes(graph, target, self.optimize))
        return replace(plan, source=Source(graph, target, self.optimize))

    def flush(self) -> None:
        """Compile what is pending and send it, without waiting."""
        if not self.pending:
            return
        with self._flushing:
            count = len(self.pending)
            if not count:
                return
            began = time.perf_counter()
            plan = self._compile(Graph(tuple(self.pending[:count]), {}))
            bind(plan.graph, plan)
            del self.pending[:count]
            self.interner.new_bytes = 0
            self._note(plan, time.perf_counter() - began)
            backend = self._opened()
            with watching(backend, self._on_progress):
                backend.submit(plan)
        callbacks, self._callbacks = self._callbacks, []
        for handle, callback in callbacks:
            self._watch(handle, callback)

    def _note(self, plan: Plan, seconds: float) -> None:
        stats = self.stats
        stats.submissions += 1
        stats.calls += plan.calls
        stats.units += len(plan.units)
        stats.requests += len(plan.requests)
        stats.bytes += plan.size
        stats.compile_seconds += seconds

    def relieve(self) -> None:
        """Send what is pending: the values captured for it exist twice until then."""
        logger.info("more than %d bytes wait to be sent: sending them", settings().capture_limit)
        self.interner.new_bytes = 0
        self.flush()

    def check_environment(self, environment: Any) -> None:
        """Refuse an environment that this interpreter, where calls will run, does not satisfy."""
        if self._backend_name in ("local", "inline"):
            from pymonik.environment import demand_satisfied

            demand_satisfied(environment)

    def check(self, delegate: bool) -> None:
        """Refuse to delegate: only a task can hand its value over to another call."""
        self._check_open()
        if delegate:
            raise OptionsError("delegate=True is for calls made inside a task")

    # ----- waiting

    def _settle(self, node: Any) -> Any:
        """Give the home of a node, sending it first if it was not sent."""
        if node.home is None or (type(node) is Put and node in self.pending):
            if self._closed:
                raise NoClientError("this client is closed, and the call was never sent")
            self.flush()
        if node.home is None:
            return settled(PENDING)
        return node.home

    def _wait(self, is_over: Callable[[], bool], timeout: float | None) -> None:
        if is_over():
            return
        backend = self._opened()
        with watching(backend, self._on_progress), backend.changed:
            if not backend.changed.wait_for(lambda: is_over() or backend.problem, timeout):
                raise TimeoutError(f"not there after {timeout:g} s; nothing is lost: wait again")
            if backend.problem is not None and not is_over():
                raise backend.problem

    def wait_for(self, handles: list[ResultHandle[Any]], timeout: float | None) -> None:
        """Wait for handles."""
        for handle in handles:
            self._settle(handle._node)
        self._want(handles)
        self._wait(lambda: all(map(_is_settled, handles)), timeout)

    def wait_for_runs(self, runs: Any, timeout: float | None) -> None:
        """Wait for runs of handles, together no longer than `timeout`."""
        end = None if timeout is None else time.monotonic() + timeout
        waits = []
        for node, indexes, _ in runs:
            home = self._settle(node)
            moved = range(indexes.start + node.offset, indexes.stop + node.offset, indexes.step)
            cells = [cell for cell in home.cells_of(moved) if cell.missing]
            if cells:
                self._opened().want(cells)
                waits.append((home, moved, cells))
        for home, moved, cells in waits:

            def is_over(cells: Any = cells, home: Any = home, moved: range = moved) -> bool:
                while cells and not cells[-1].missing:
                    cells.pop()
                return not cells or PENDING not in home.records(moved)

            self._wait(is_over, None if end is None else max(0.0, end - time.monotonic()))

    def value(self, handle: ResultHandle[Any], timeout: float | None) -> Any:
        """Give the value of a handle."""
        node = handle._node
        home = node.home
        record = PENDING if home is None else home.record(node.offset + handle._index)
        if record is PENDING:
            self.wait_for([handle], timeout)
            record = node.home.record(node.offset + handle._index)
        self._look(record)
        return value_of(record)

    def values(self, runs: Any, timeout: float | None) -> list[Any]:
        """Give the values of runs of handles."""
        self.wait_for_runs(runs, timeout)
        found: list[Any] = []
        for node, indexes, _ in runs:
            moved = range(indexes.start + node.offset, indexes.stop + node.offset, indexes.step)
            records = node.home.records(moved)
            if node.home.is_plain(moved):
                found += records
                continue
            for record in records:
                self._look(record)
            found += map(value_of, records)
        return found

    def _look(self, record: Any) -> None:
        if type(record) is Failure:
            self._looked.add(_key(record))

    def is_done(self, handle: ResultHandle[Any]) -> bool:
        """Tell whether a call has ended."""
        self._settle(handle._node)
        self._want([handle])
        return _is_settled(handle)

    def _want(self, handles: Iterable[ResultHandle[Any]]) -> None:
        cells = [_cell_of(handle) for handle in handles if not _is_settled(handle)]
        if cells:
            self._opened().want(cells)

    def exception(self, handle: ResultHandle[Any], timeout: float | None) -> BaseException | None:
        """Wait, and give the error of a call."""
        self.wait_for([handle], timeout)
        record = handle._node.home.record(handle._node.offset + handle._index)
        self._look(record)
        return record.error() if type(record) is Failure else None

    def completed(
        self, handles: list[ResultHandle[Any]], timeout: float | None
    ) -> Iterator[ResultHandle[Any]]:
        """Give handles in the order in which their calls end."""
        end = None if timeout is None else time.monotonic() + timeout
        open_ones = handles

        def is_over() -> bool:
            return any(map(_is_settled, open_ones))

        self.flush()
        self._want(handles)
        while open_ones:
            self._wait(is_over, None if end is None else max(0.0, end - time.monotonic()))
            ended = [handle for handle in open_ones if _is_settled(handle)]
            open_ones = [handle for handle in open_ones if handle not in set(ended)]
            yield from ended

    async def awaited(self, handle: ResultHandle[Any]) -> Any:
        """Wait without blocking the event loop."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def set_ended(_: Any) -> None:
            loop.call_soon_threadsafe(_resolve, ended)

        self.flush()
        self.call_when_done(handle, set_ended)
        await ended
        return self.value(handle, None)

    def call_when_done(self, handle: ResultHandle[Any], callback: Callable[[Any], object]) -> None:
        """Call back once a call has ended."""
        if not callable(callback):
            raise OptionsError(f"add_done_callback takes a function, not {callback!r}")
        if handle._node.home is None:
            self._callbacks.append((handle, callback))
        else:
            self._watch(handle, callback)

    def _watch(self, handle: ResultHandle[Any], callback: Callable[[Any], object]) -> None:
        node = handle._node
        home = node.home
        cell, place = home.locate(node.offset + handle._index)

        def call() -> None:
            try:
                callback(handle)
            except Exception:
                logger.exception("a callback of %r failed", handle)

        if home.record(node.offset + handle._index) is not PENDING:
            call()
            return
        self._opened().watch(lambda: cell.watch(home.output, place, call), call)
        self._opened().want([cell])

    # ----- cancelling

    def cancel_call(self, handle: ResultHandle[Any]) -> bool:
        """Cancel a call; before the flush its dependents go with it."""
        node = handle._node
        with self._flushing:
            if node.home is None:
                return self._cancel_pending(node, handle._index)
        if type(node) is Put:
            return False
        place = node.offset + handle._index
        record = node.home.record(place)
        if record is not PENDING:
            return type(record) is Failure and record.kind == "cancelled"
        cell, position = node.home.locate(place)
        return self._cancel_sent(cell, node.home.output, position)

    def _cancel_pending(self, node: Any, index: int) -> bool:
        failure = Failure(
            "cancelled", "it was cancelled before it was sent", node.spec.name, node.where
        )
        if node.n is not None and node.n > 1:
            # An element of a map stays, with the failure for an argument: it will not run, nor
            # will what depends on it.
            slots = [slot_at(node.args[0], i) for i in range(node.n)]
            slots[index] = failure
            node.args = (Each(slots), *node.args[1:])
            return True
        gone = {id(node): node}
        for later in self.pending:
            if type(later) is Recorded and any(id(source) in gone for source in inputs(later)):
                gone[id(later)] = later
        self.pending[:] = [kept for kept in self.pending if id(kept) not in gone]
        for dropped in gone.values():
            below = failure if dropped is node else failure.below(dropped.spec.name)
            dropped.home = settled(below)
        return True

    def _cancel_sent(self, cell: Any, output: int, position: int) -> bool:
        # What a unit makes of this value later is cancelled with it: its steps are a chain.
        cell.unwanted.update((later, position) for later in range(output, len(cell.columns)))
        wanted = sum(cell.n for _ in cell.columns)
        if len(cell.unwanted) < wanted:
            return False
        return self._opened().cancel(cell)

    # ----- telling

    def result_id(self, handle: ResultHandle[Any]) -> str:
        """Give the id under which a value is stored."""
        node = handle._node
        home = self._settle(node)
        cell, place = home.locate(node.offset + handle._index)
        return f"{self.session_id}/{id(cell):x}/{place}"

    def describe(self, handle: ResultHandle[Any]) -> str:
        """Describe a handle, without sending anything."""
        node = handle._node
        name = node.label or (repr(node.label) if type(node) is Put else node.spec.name)
        if type(node) is Put:
            name = f"{node.label!r}" if node.label else "an object"
            return f"of {name}, put at {node.where}"
        place = f"[{handle._index}]" if node.n is not None else ""
        if node.home is None:
            return f"of {name}{place}, not sent yet"
        record = node.home.record(node.offset + handle._index)
        state = "pending" if record is PENDING else "done"
        return f"of {name}{place}, {'failed' if type(record) is Failure else state}"

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self.pending)} calls pending"
        return f"<Pymonik on {self._backend_name}, {state}>"


@contextmanager
def _collecting_later() -> Iterator[None]:
    """Put garbage collection off: a compiler makes many objects at once, and none in a cycle."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _resolve(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


def _is_settled(handle: ResultHandle[Any]) -> bool:
    node = handle._node
    return node.home.record(node.offset + handle._index) is not PENDING


def _cell_of(handle: ResultHandle[Any]) -> Any:
    node = handle._node
    return node.home.locate(node.offset + handle._index)[0]


def _key(failure: Failure) -> tuple[str, str, int | None]:
    return (failure.task, failure.site, failure.element)


def _warn_of_old(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            warnings.warn(
                f"Pymonik({name}=…) has no meaning any more: calls are sent together, and "
                "results announce themselves",
                DeprecationWarning,
                stacklevel=3,
            )


def _partitions(given: Any) -> list[str]:
    names = [given] if isinstance(given, str) else list(given or ())
    if not all(isinstance(name, str) and name for name in names):
        raise OptionsError(f"partition takes a name or a list of names, not {given!r}")
    return names


def _whole_workers(workers: Any) -> int | None:
    whole = isinstance(workers, int) and not isinstance(workers, bool) and workers > 0
    if workers is not None and not whole:
        raise OptionsError(f"workers takes a whole number of at least 1, not {workers!r}")
    return workers  # type: ignore[no-any-return]


def _environment(given: Any) -> Any:
    if not given:
        return None
    from pymonik.environment import Environment

    return Environment.parse(given)
