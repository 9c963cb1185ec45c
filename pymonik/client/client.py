"""The client: a scope in which calls are recorded, compiled and sent, and values waited for.

Enters: how and where calls are to run. Leaves: a session that is opened when it is first needed,
and ends with the scope. How a call is recorded is the business of `recorder`, how it is compiled
and sent, of `compiling`, how its value comes, of `waiting`; what carries a plan out, of backends.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterable
from contextvars import Token
from typing import TYPE_CHECKING, Any

from pymonik import backend as backends
from pymonik._pickled import public
from pymonik.backend.traits import TRAITS, Traits
from pymonik.client.callbacks import CALLBACKS, ENDINGS
from pymonik.client.compiler import Compiling
from pymonik.client.engine import open_engine
from pymonik.client.lookup import handle_of
from pymonik.client.progress import Progress
from pymonik.environment.parse import environment_of
from pymonik.errors import BackendError, ClusterError, NoClientError, OptionsError
from pymonik.graph.ir import Call
from pymonik.humanize import counted
from pymonik.record.current import CURRENT, close_here, open_here, open_recorders
from pymonik.record.handle import ResultHandle
from pymonik.record.handles import MultiResultHandle
from pymonik.record.recorder import Recorder
from pymonik.system.forks import fork_safe
from pymonik.system.safe_logging import safely
from pymonik.system.surroundings import SurroundingsWatch
from pymonik.values.content import Content
from pymonik.values.options import DEFAULTS, TaskOptions, merge
from pymonik.values.seeds import root_of, seed_given

if TYPE_CHECKING:
    from pymonik.files.materialize import Materialize

logger = logging.getLogger("pymonik")


@public
class Pymonik(Compiling):
    """A client of the embedded engine, or of an ArmoniK cluster.

    endpoint: "host:port" or a URL of a control plane; without it AKCONFIG and AK_ENDPOINT are
    asked, and without those the embedded engine runs. partition: a name, or several of which the
    first is the default. environment: packages and variables that tasks need. task_options:
    defaults of all calls. workers: calls that run at once. optimize: True, False (one task a call)
    or names of passes. detach: leave the block without waiting. on_progress: called with a
    `Progress` while waiting. seed: where the random numbers of all calls come from, see `ctx.rng`;
    chosen here, and readable as `client.seed`, when it is not given. forward_logs: on a cluster,
    bring here what tasks log and print, with their outcomes; the embedded engine always does.
    backend: local, inline, dry-run or armonik. certificate_authority, client_certificate,
    client_key: PEM files for TLS, or one P12 for the last two; AKCONFIG and variables may name
    them, too.

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
        certificate_authority: str | None = None,
        client_certificate: str | None = None,
        client_key: str | None = None,
        seed: int | None = None,
        forward_logs: bool = False,
    ) -> None:
        _warn_of_old(
            batch_size=batch_size,
            disable_events_client=disable_events_client,
            polling_interval=polling_interval,
            polling_batch_size=polling_batch_size,
            local_session=local_session,
        )
        partitions = _partitions(partition)
        if on_progress is not None and not callable(on_progress):
            raise OptionsError(f"on_progress takes a function, not {on_progress!r}")
        default = TaskOptions(partition_id=partitions[0] if partitions else None)
        super().__init__(
            merge(DEFAULTS, default, task_options),
            environment_of(environment),
            on_progress,
            optimize if isinstance(optimize, bool) else _selected(optimize),
            partitions,
        )
        for name, flag in (("detach", detach), ("forward_logs", forward_logs)):
            if not isinstance(flag, bool):
                raise OptionsError(f"{name} takes True or False, not {flag!r}")
        self.endpoint = backends.endpoint(endpoint)
        self.detach = detach
        self._forward_logs = forward_logs
        self.seed = seed_given(seed)
        self._root = root_of(self.seed)
        self._seed = None if seed is None else self.seed
        self._workers = backends.workers(workers)
        self._backend_asked = backend
        self._backend_name = backends.choose(backend, self.endpoint)
        if self.environment is not None:
            self.check_environment(self.environment)
        if self.traits.is_here:
            self.surroundings = SurroundingsWatch()
        self._process = os.getpid()
        # How many blocks are open; guarded by a lock of its own, since a flush may take long.
        self._entered = 0
        self._entering = fork_safe(threading.Lock())
        self._tokens = threading.local()
        self._joined: str | None = None
        # What was uploaded by itself need not be read again, though no call has taken it yet.
        self._uploaded: dict[str, Content] = {}
        self._certificates = {
            "certificate_authority": certificate_authority,
            "client_certificate": client_certificate,
            "client_key": client_key,
        }

    # ----- life

    @classmethod
    def attach(cls, session_id: str, endpoint: str | None = None, **settings: Any) -> Pymonik:
        """Join a session of another program, on a cluster, and give a client of it.

        session_id: that program's `client.session_id`. settings: as for the constructor. Values
        with names are had by `lookup`; leaving the client leaves the session as it is. Raises
        BackendError when there is no such session.
        """
        client = cls(endpoint, **{"backend": "armonik", **settings})
        client._joined = session_id
        return client

    def lookup(self, name: str) -> ResultHandle[Any] | MultiResultHandle[Any]:
        """Return the handle of a value that has a name, here or in another program of this session.

        Raises KeyError when no value that was sent has the name.
        """
        if name in self.names:
            return self.names[name]  # type: ignore[no-any-return]
        shared = self._opened().traits.shared
        named = shared.lookup(name) if shared is not None else None
        if named is None:
            raise KeyError(f"no value named {name!r} in session {self.session_id}")
        handle = self.names[name] = handle_of(named, name, self)
        self._sent_names.add(name)
        return handle

    def create(self) -> Pymonik:
        """Open the backend; done by the first flush if it was not done before. Returns itself."""
        self._check_open()
        if self._backend is None:
            self._open()
        open_here(self)
        return self

    def _open(self) -> None:
        with self._flushing:
            if self._backend is None:
                self._process = os.getpid()
                ENDINGS.start()
                self._backend = open_engine(
                    self._backend_name,
                    self._workers,
                    self.optimize,
                    surroundings=self.surroundings,
                    endpoint=self.endpoint,
                    partitions=self.partitions,
                    detach=self.detach,
                    session_id=self._joined,
                    forward_logs=self._forward_logs,
                    **self._certificates,
                )
                # Last registered runs first: before channels and emulators end.
                atexit.unregister(_end_open_clients)
                atexit.register(_end_open_clients)
                if self.traits.greeting:
                    logger.info(self.traits.greeting, self._backend.traits.slots)

    @property
    def session_id(self) -> str:
        """The id of the session."""
        return self._opened().traits.session_id

    @property
    def task_options(self) -> Any:
        """The options of all calls, as ArmoniK's own class, which can be changed and passed on."""
        from pymonik.values.options import as_armonik

        return as_armonik(self.options)

    @task_options.setter
    def task_options(self, options: Any) -> None:
        self.options = merge(self.options, options)
        self._specs.clear()

    # Names that programs for earlier versions read.

    @property
    def _session_id(self) -> str:
        return self.session_id

    @property
    def _endpoint(self) -> str | None:
        return self.endpoint

    @_endpoint.setter
    def _endpoint(self, endpoint: str | None) -> None:
        self._check_unopened()
        self.endpoint = backends.endpoint(endpoint)
        self._backend_name = backends.choose(self._backend_asked, self.endpoint)

    @property
    def traits(self) -> Traits:
        """What its backend does differently, also before it is opened."""
        return TRAITS[self._backend_name]

    def _check_unopened(self) -> None:
        if self._backend is not None:
            raise BackendError("this client is connected already: make another one")

    def _opened(self) -> backends.Backend:
        if self._backend is None:
            self.create()
        assert self._backend is not None
        if self._process != os.getpid():
            raise BackendError(
                f"this client was opened by process {self._process}, from which this one was "
                "forked: threads and connections stay behind; make a client of its own here"
            )
        return self._backend

    def close(self) -> None:
        """Send what is pending, wait for all of it, and let go of the backend.

        From now on only callbacks may record calls: these are waited for, too. Other threads may
        still wait for what they have recorded. Raises the first failure that nobody has looked at.
        """
        if self._closed:
            return
        self._closing = True
        try:
            self.flush()
            leaves = self._backend is None or self._leaves_work_behind()
            is_done = False
            while not is_done:
                if not leaves:
                    self._wait(self._is_idle, None, awaited=self._watched)
                CALLBACKS.drain()
                if self.pending:  # callbacks have recorded more
                    self.flush()
                    continue
                subtasks = None if leaves else self._opened().traits.subtasks
                if subtasks is not None:
                    subtasks.drain()
                is_done = self._close_if_done(leaves)
        except BaseException as error:
            self._abandon(error)
            raise
        self._let_go()
        self._raise_unseen()

    def _close_if_done(self, leaves: bool) -> bool:
        """Close the client unless a call has been recorded since: none is from now on."""
        with self._flushing:
            # What another thread has sent meanwhile is to be waited for, too. Once another thread
            # has abandoned the client, it stays closed.
            is_done = not self.pending and (leaves or self._is_idle())
            self._closed = self._closed or is_done
            return self._closed

    def cancel(self) -> None:
        """Drop what was not sent, cancel what was, and close."""
        self._abandon(None)

    def __del__(self) -> None:
        """Let a thread end what nobody can close any more.

        It is called in any thread, amid anything: it takes no lock, and sends nothing.
        """
        is_open = getattr(self, "_backend", None) is not None and not self._closed
        if is_open and self._process == os.getpid():  # else it is the parent's, and no thread runs
            close_here(self)  # it lives on until it is ended
            ENDINGS.put(self._end_collected)

    def _end_collected(self) -> None:
        done, total = self._opened().progress()
        if self.traits.is_remote:
            self._end_early()
        elif done == total:  # what runs here goes on, and ends with the program at the latest
            self._abandon(None)

    def _end_early(self) -> None:
        """Leave nothing open of what nobody closes, as a block does that is left early."""
        if self._backend is None or not self.traits.is_remote or self._process != os.getpid():
            return
        if self.detach:
            self._closing = self._closed = True
            self._let_go()
        else:
            self._abandon(None)

    def _leaves_work_behind(self) -> bool:
        if self.detach and self.traits.is_here:
            logger.warning("the embedded engine ends with its client: waiting, detach or not")
            return False
        return self.detach

    def _is_idle(self) -> bool:
        done, total = self._opened().progress()
        return done == total and not self._watches and not self._sending

    def _let_go(self) -> None:
        if self._known is not None:
            self._known.keep()
        close_here(self)
        if self._backend is not None and self._process == os.getpid():
            self._backend.close()
        self._tell_dropped()

    def _abandon(self, error: BaseException | None) -> None:
        """Drop what was not sent, cancel what was."""
        # First of all: a thread that finds its call pending no more finds the client closed.
        was_closed, self._closing, self._closed = self._closed, True, True
        dropped = self._unsent()
        if dropped:
            told = f"{counted(dropped, 'call')} never sent"
            logger.warning("%s: the block was left early", told)
        self.pending.clear()
        is_ours = self._process == os.getpid()  # in a fork of it, the work is that of others
        if self._backend is not None and is_ours and not was_closed:
            done, total = self._backend.progress()
            if isinstance(error, ClusterError) and error.is_outage:
                logger.warning("nothing is cancelled: what was sent goes on without this client")
            else:
                if done < total:
                    told = counted(total - done, "unit")
                    logger.warning("cancelling what has not ended: %s", told)
                self._backend.cancel()
        self._let_go()

    def _unsent(self) -> int:
        return sum(1 if n.n is None else n.n for n in self.pending if type(n) is Call)

    def _raise_unseen(self) -> None:
        failures = self._backend.traits.arrivals.failures if self._backend is not None else ()
        for failure in self._handled.unseen(failures):
            raise failure.error()

    def __enter__(self) -> Pymonik:
        self.create()
        return self._enter()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if not self._leave():
            return
        if error is None:
            self.close()
        else:
            self._abandon(error)

    async def __aenter__(self) -> Pymonik:
        await self._beside(self.create)
        return self._enter()

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if not self._leave():
            return
        if error is not None:
            await self._beside(self._abandon, error)
            return
        import asyncio

        try:
            await self._beside(self.close)
        except asyncio.CancelledError as cancelled:  # Ctrl-C, too: the thread that waits goes on
            await self._beside(self._abandon, cancelled)
            raise

    def _enter(self) -> Pymonik:
        with self._entering:
            self._entered += 1
        # Several threads may enter one client: each leaves the context it came from.
        tokens: list[Token[Recorder | None]] = vars(self._tokens).setdefault("stack", [])
        tokens.append(CURRENT.set(self))
        return self

    def _leave(self) -> bool:
        """Leave a block; return whether it was the last one open, with which the client ends."""
        tokens = vars(self._tokens).get("stack", [])
        # A block may end in another thread or context than it began in, as fixtures and cells of
        # notebooks do: what was current there cannot be set back from here. Of coroutines, which
        # share a thread, each has a context of its own.
        for token in reversed(tokens):
            with contextlib.suppress(ValueError):
                CURRENT.reset(token)
                tokens.remove(token)
                break
        with self._entering:
            self._entered = max(self._entered - 1, 0)
            return not self._entered  # entered again elsewhere: the last block to end closes it

    # ----- files

    def upload_materialize(self, mat: Materialize, force_upload: bool = False) -> Materialize:
        """Send a file or folder now, ahead of the calls that take it; give it with its `result_id`.

        force_upload: read and send it again, even if it is there. Calls need none of this: files
        among their arguments are sent with them. Raises FileNotFoundError, SourceChangedError.
        """
        self._check_open()
        with self._flushing:
            content = self.file(mat, force_upload)
            self._uploaded[mat.content_hash] = content
            mat.result_id = self._opened().traits.objects.store(content, force_upload)
        return mat

    def check_environment(self, environment: Any) -> None:
        """Refuse an environment that calls cannot have where they will run."""
        if self.traits.is_here:
            from pymonik.environment.value import demand_python, demand_satisfied

            demand = demand_satisfied if self.traits.shares_process else demand_python
            demand(environment)

    def delegate(self, handle: Any) -> None:
        """Refuse, as `check` does."""
        self.check(True)

    def check(self, delegate: bool) -> None:
        """Refuse to delegate: only a task can hand its value over to another call."""
        self._check_open()
        if self._closing and not CALLBACKS.runs_here:
            raise NoClientError(
                "this client is being closed: until it is, only callbacks of its calls record more"
            )
        if delegate:
            raise OptionsError("delegate=True is for calls made inside a task")

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{counted(self._unsent(), 'call')} pending"
        return f"<Pymonik on {self._backend_name}, {state}>"


def _end_open_clients() -> None:
    """End the sessions of clients that were made without a block: nobody else would."""
    for client in [client for client in open_recorders() if isinstance(client, Pymonik)]:
        safely("a client that was not closed", client._end_early)
    ENDINGS.drain()


def _selected(names: Iterable[str]) -> tuple[str, ...]:
    from pymonik.graph.passes import selected

    return selected(names)


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
    if given is not None and not isinstance(given, (str, list, tuple)):
        raise OptionsError(f"partition takes a name or a list of names, not {given!r}")
    names = [given] if isinstance(given, str) else list(given or ())
    is_empty = given is not None and not names  # left out, it is the default of the cluster
    if is_empty or not all(isinstance(name, str) and name for name in names):
        raise OptionsError(f"partition takes a name or a list of names, not {given!r}")
    return names
