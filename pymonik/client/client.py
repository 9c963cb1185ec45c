"""The client: a scope in which calls are recorded, compiled and sent, and values waited for.

Enters: how and where calls are to run. Leaves: a session that is opened when it is first needed,
and ends with the scope. Here stands what users see of it: each question goes to one of its parts,
and how these are put together stands in `parts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from pymonik._pickled import public
from pymonik.client.blocks import Blocks
from pymonik.client.client_settings import ClientSettings, OldName, Setting, selection, warn_of_old
from pymonik.client.late_parts import part
from pymonik.client.progress import Progress
from pymonik.record.scope import Scope
from pymonik.system.other_names import hints_at_other_names
from pymonik.values.options import TaskOptions, as_armonik, merge

if TYPE_CHECKING:
    from pymonik.client.async_waiter import AsyncWaiter
    from pymonik.client.cancel import Canceller
    from pymonik.client.lookup import HandleViews
    from pymonik.client.notifier import Notifier
    from pymonik.client.parts import ClientParts
    from pymonik.client.plan_view import PlanView
    from pymonik.client.stored_values import StoredValues
    from pymonik.client.submitter import Stats
    from pymonik.client.waiter import Waiter
    from pymonik.files.materialize import Materialize
    from pymonik.record.handle import ResultHandle
    from pymonik.record.handles import MultiResultHandle
    from pymonik.record.recorder import Recorder


@public
@hints_at_other_names("a client")
class Pymonik(Scope):
    """A client of the embedded engine, or of an ArmoniK cluster.

    endpoint: "host:port" or a URL of a control plane; without it AKCONFIG and AK_ENDPOINT are
    asked, and without those the embedded engine runs. partition: a name, or several, of
    which the first is the default; `client.partitions`. environment: packages and variables that
    tasks need. task_options: defaults of all calls. workers: calls that run at once. optimize:
    True, False (one task a call) or names of passes. detach: leave the block without waiting.
    on_progress: called with a `Progress` while waiting. seed: where the random numbers of all calls
    come from, see `ctx.rng`; chosen here, and readable as `client.seed`, when it is not given.
    forward_logs: on a cluster, bring here what tasks log and print, with their outcomes; the
    embedded engine always does. backend: local, inline, dry-run or armonik. certificate_authority,
    client_certificate, client_key: PEM files for TLS, or one P12 for the last two; AKCONFIG and
    variables may name them, too.

    batch_size, disable_events_client, polling_interval, polling_batch_size and local_session are
    taken and mean nothing any more.

    >>> with Pymonik(workers=2, seed=1) as client:
    ...     values = client.put_many([1, 2, 3])
    ...     Task(sum).invoke(values).get()
    6
    """

    endpoint = Setting[str | None]()
    partitions = Setting[list[str]]()
    optimize = Setting[bool | tuple[str, ...]](selection)
    detach = Setting[bool]()
    seed = Setting[int]()
    _session_id, _endpoint = OldName("session_id"), OldName("endpoint")
    parts: ClientParts = part()
    # What handles ask of a client: see `Owner`.
    recorder: Recorder = part()
    canceller: Canceller = part()
    stored: StoredValues = part()
    waiter: Waiter = part()
    async_waiter: AsyncWaiter = part()
    notifier: Notifier = part()
    views: HandleViews = part()

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
        **unknown: NoReturn,
    ) -> None:
        if unknown:
            from pymonik.record.decorator import unknown_setting  # not for `import pymonik`

            raise unknown_setting("Pymonik", unknown, Pymonik.__init__)
        warn_of_old(
            batch_size, disable_events_client, polling_interval, polling_batch_size, local_session
        )
        self.settings = settings = ClientSettings.of(
            endpoint=endpoint,
            partition=partition,
            environment=environment,
            task_options=task_options,
            workers=workers,
            optimize=optimize,
            detach=detach,
            forward_logs=forward_logs,
            on_progress=on_progress,
            backend=backend,
            seed=seed,
            certificates=(certificate_authority, client_certificate, client_key),
        )
        self._blocks, self.ready = Blocks(), None
        self._surroundings = settings.surroundings()
        if settings.environment is not None:
            self.parts.engine.check_environment(settings.environment)

    @classmethod
    def attach(cls, session_id: str, endpoint: str | None = None, **settings: Any) -> Pymonik:
        """Join a session of another program, on a cluster, and return a client of it.

        session_id: that program's `client.session_id`. settings: as for the constructor. Values
        with names are had by `lookup`; leaving it ends no session. Raises BackendError without one.
        """
        client = cls(endpoint, **{"backend": "armonik", **settings})
        client.settings.join(session_id)
        return client

    def create(self) -> Pymonik:
        """Open the backend; done by the first flush if it was not done before. Returns itself.

        Raises BackendError in a fork of the process that has opened it, ClusterUnreachable where
        nothing answers at the endpoint.
        """
        if "parts" not in vars(self) or not self.parts.is_opened:
            self.settings.start_ahead(self._surroundings)
        self.parts.open()
        self.parts.engine.check_process()
        return self

    def close(self) -> None:
        """Send what is pending, wait for all of it, and let go of the backend.

        From now on only callbacks may record calls: these are waited for, too. Other threads may
        still wait for what they have recorded. Raises the first failure that nobody has looked at.

        >>> client = Pymonik().create()
        >>> power = Task(pow).invoke(2, 3, pymonik=client)
        >>> client.close()
        >>> power.get()
        8
        """
        self.parts.lifetime.close()

    def cancel(self) -> None:
        """Drop what was not sent, cancel what was, and close: no call is taken any more.

        >>> with Pymonik() as client:
        ...     call = Task(print).invoke("never printed")
        ...     client.cancel()
        """
        self.parts.lifetime.cancel()

    def __enter__(self) -> Pymonik:
        self.create()
        self._blocks.enter(self)
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if self._blocks.leave():  # else it was entered elsewhere, too
            self._end(error)

    async def __aenter__(self) -> Pymonik:
        await self.parts.engine.beside(self.create)
        self._blocks.enter(self)
        return self

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if self._blocks.leave():
            await self.parts.lifetime.end_beside(self._end, error)

    def _end(self, error: BaseException | None) -> None:
        if error is None:
            self.close()
        else:
            self.parts.lifetime.abandon(error)

    def __del__(self) -> None:
        """Let a thread end what no code can close any more.

        It is called in any thread, amid anything: it takes no lock, and sends nothing.
        """
        if "parts" in vars(self):  # else it was not made, or never used
            self.parts.lifetime.abandon_collected()

    def plan(self) -> PlanView:
        """Compile what is pending and return the plan, without sending it.

        >>> client = Pymonik(workers=2)
        >>> calls = Task(abs).map_invoke(range(10), pymonik=client)
        >>> client.plan().calls
        10
        >>> client.cancel()
        """
        return self.parts.submitter.plan()

    def flush(self) -> None:
        """Compile what is pending and send it, without waiting.

        >>> with Pymonik() as client:
        ...     call = Task(pow).invoke(2, 3)
        ...     client.flush()
        ...     len(client.pending), call.get()
        (0, 8)
        """
        self.parts.submitter.flush()

    def lookup(self, name: str) -> ResultHandle[Any] | MultiResultHandle[Any]:
        """Return the handle of a value that has a name, here or in another program of this session.

        Raises KeyError when no value that was sent has the name.

        >>> with Pymonik() as client:
        ...     rates = client.put([0.01, 0.02], name="rates")
        ...     client.lookup("rates").get()
        [0.01, 0.02]
        """
        handle: ResultHandle[Any] | MultiResultHandle[Any] = self.parts.names.lookup(self, name)
        return handle

    def upload_materialize(self, mat: Materialize, force_upload: bool = False) -> Materialize:
        """Send a file or folder now, ahead of calls that take it; return it with its `result_id`.

        force_upload: read and send it again, even if it is there. Calls need none of this: files
        among their arguments are sent with them. Raises FileNotFoundError, SourceChangedError.

        >>> with tempfile.NamedTemporaryFile() as file, Pymonik() as client:
        ...     client.upload_materialize(materialize(file.name, "empty")).result_id is not None
        True
        """
        self.parts.state.check_open()
        return self.stored.upload(mat, force_upload)

    @property
    def session_id(self) -> str:
        """The id of the session; opens the backend."""
        return self.parts.engine.opened().traits.session_id

    @property
    def pending(self) -> list[Any]:
        """What was recorded and not sent yet."""
        return self.recorder.pending

    @property
    def stats(self) -> Stats:
        """What was done so far: submissions, and the calls and units in them.

        >>> with Pymonik() as client:
        ...     Task(abs).map_invoke([-1, 2]).get(), client.stats.calls
        ([1, 2], 2)
        """
        return self.parts.submitter.stats

    @property
    def environment(self) -> Any:
        """The environment of calls whose tasks have none of their own, None for that of here.

        >>> Pymonik(environment={"env_variables": {"LEVEL": "2"}}).environment.variables
        (('LEVEL', '2'),)
        """
        return self.recorder.specs.environment

    @property
    def task_options(self) -> Any:
        """The options of all calls, as ArmoniK's own class, which can be changed and passed on.

        >>> Pymonik(task_options=TaskOptions(priority=3)).task_options.priority
        3
        """
        return as_armonik(self.recorder.specs.options)

    @task_options.setter
    def task_options(self, options: Any) -> None:
        specs = self.recorder.specs
        specs.options = merge(specs.options, options)

    def __repr__(self) -> str:
        return f"<Pymonik on {self.parts.engine.name}, {self.parts.lifetime.state_text()}>"
