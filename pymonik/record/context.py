"""The context of a task: its logger, its name, its place.

Enters: what the executor knows of the running call. Leaves: `PymonikContext`, as the first argument
of tasks that ask for it, or by `get_context()`.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from pymonik._pickled import public
from pymonik.errors import NoClientError, OptionsError
from pymonik.record.task_logger import TaskLogger
from pymonik.system.engine import ENGINE
from pymonik.values import seeds

if TYPE_CHECKING:
    from pathlib import Path

    from pymonik.environment.task_environment import TaskEnvironment
    from pymonik.environment.value import Environment
    from pymonik.files.materialize import Materialize
    from pymonik.record.services import Services
    from pymonik.wire.byte_cache import CacheInfo


@public
class PymonikContext:
    """What a task can know of itself.

    logger: takes further keywords, which are kept apart. task_name, element (place in its map,
    None for a single call), attempt (1 at first), worker. is_local: no ArmoniK worker runs it.
    task_handler: the low-level handler of an ArmoniK worker, or a stand-in. rng, seed: random
    numbers of the call's own.

    >>> @task(require_context=True)
    ... def where(ctx, x):
    ...     return ctx.task_name, ctx.element, ctx.attempt
    >>> with Pymonik():
    ...     where.map_invoke([10, 20]).get()
    [('where', 0, 1), ('where', 1, 1)]
    """

    def __init__(
        self,
        task_handler: Any = None,
        logger: Any = None,
        *,
        task_name: str = "",
        element: int | None = None,
        attempt: int = 1,
        worker: str = "",
        environment: Environment | None = None,
        seed: bytes | None = None,
        services: Services | None = None,
    ) -> None:
        self._task_handler = task_handler
        self._seed = seed
        # None where no engine runs the call.
        self._services = services
        self._rng: Any = None
        self.task_name = task_name
        self.element = element
        self.attempt = attempt
        self.worker = worker
        self._wanted = environment
        self._environment: TaskEnvironment | None = None
        fields = {"task": task_name, "element": element, "attempt": attempt}
        given = logger or logging.getLogger("pymonik.task")
        self.logger = TaskLogger(given, fields)

    @classmethod
    def from_local(
        cls, logger: logging.Logger | None = None, *, seed: int | None = None
    ) -> PymonikContext:
        """Make a context for calling a task plainly, with a logger and a seed of the caller's.

        >>> PymonikContext.from_local(seed=1).seed
        7193628770953613951
        """
        return cls(None, logger, seed=seeds.root_seed_of(seeds.seed_given(seed)))

    @property
    def is_local(self) -> bool:
        """Whether no ArmoniK worker runs the task.

        >>> PymonikContext.from_local().is_local
        True
        """
        if self._services is None:
            return self._task_handler is None
        return self._services.is_local

    @property
    def environment(self) -> TaskEnvironment:
        """What the task runs in; its `install` installs more, for this call alone.

        >>> PymonikContext.from_local().environment.packages
        ()
        """
        if self._environment is None:
            if self._services is None:
                from pymonik.environment.task_environment import TaskEnvironment

                self._environment = TaskEnvironment(self._wanted)
            else:
                self._environment = self._services.environment(self._wanted)
        return self._environment

    @property
    def task_handler(self) -> Any:
        """The low-level handler of an ArmoniK worker; on the embedded engine, a stand-in for it.

        The stand-in has task_options, session_id and task_id, an empty payload and no
        data_dependencies. None where a task is called plainly.

        >>> print(PymonikContext.from_local().task_handler)
        None
        """
        if self._task_handler is None and self._services is not None:
            self._task_handler = self._services.handler()
        return self._task_handler

    @property
    def seed(self) -> int:
        """A seed of the call's own, of 63 bits.

        It depends on the client's `seed=` and on where the call stands in the program: how many
        were recorded before it, its element, and the same of the task that made it. Batching,
        workers, attempts and engines have no part in it. Pure tasks have none: raises OptionsError.
        """
        return seeds.number_of(self._own_seed())

    @property
    def rng(self) -> Any:
        """A generator of random numbers that starts from the call's own seed.

        A `numpy.random.Generator` where NumPy is there, else a `random.Random`; one and the same
        during a call. Raises as `seed` does.

        >>> @task(require_context=True)
        ... def draw(ctx):
        ...     return ctx.rng.random()
        >>> with Pymonik(seed=1):
        ...     draw.invoke().get() == draw.invoke().get()  # each call has numbers of its own
        False
        """
        if self._rng is None:
            self._rng = seeds.generator(self._own_seed())
        return self._rng

    def _own_seed(self) -> bytes:
        if self._seed is None:
            raise OptionsError(
                f"{self.task_name!r} is pure, or was called by a pure task, so its value may "
                "depend on its arguments alone: pass a seed as an argument, or leave pure=True "
                "out"
            )
        return self._seed

    def retrieve_object(
        self,
        result_id: str,
        auto_unpickle: bool = True,
        check_exists: bool = True,
        force_retrieve: bool = False,
    ) -> Any:
        """Return an object of the session by its id, such as `handle.result_id`.

        auto_unpickle: give the value, else its pickle; files that were uploaded are bytes in any
        case. check_exists: take what was retrieved before, unless force_retrieve. What cannot be
        had is logged as an error, and is None. Raises RuntimeError outside of a task.

        >>> @task(require_context=True)
        ... def double(ctx, id):
        ...     value = ctx.retrieve_object(id)
        ...     return 2 * value, ctx.object_exists_locally(id), ctx.get_object_path(id).name == id
        >>> with Pymonik() as client:
        ...     double.invoke(client.put(21).result_id).get()
        (42, True, True)
        """
        services = self._engine("retrieve_object")
        is_present = check_exists and not force_retrieve and self.object_exists_locally(result_id)
        try:
            if not is_present:
                services.retrieve(result_id)
            path = services.path_of(result_id)
            return services.load(result_id) if auto_unpickle else path.read_bytes()
        except Exception as error:  # whatever a class of the user does when it is unpickled
            self.logger.error("object %s was not retrieved: %s", result_id, error)
            return None

    def get_object_path(self, result_id: str) -> Path:
        """Return the file that an object is in once it was retrieved: its pickle, or its bytes.

        It is there after `retrieve_object`: see `object_exists_locally`.
        """
        return self._engine("get_object_path").path_of(result_id)

    def object_exists_locally(self, result_id: str) -> bool:
        """Return whether an object was retrieved here before."""
        return self.get_object_path(result_id).exists()

    def materialize_file(self, mat: Materialize) -> bool:
        """Put an uploaded file or folder in place; return whether it is there.

        Files among the arguments are there without. Outside of a task nothing is done.

        >>> place = Task(lambda ctx, mat: ctx.materialize_file(mat), True, "place")
        >>> with tempfile.NamedTemporaryFile() as file, Pymonik():
        ...     place.invoke(materialize(file.name, "empty")).get()
        True
        """
        services = self._services
        if services is None:
            self.logger.warning("no task runs here: file %r is not put in place", mat.worker_path)
            return True
        if services.is_there(mat):
            return True
        if mat.result_id is None:
            self.logger.error("%r was not uploaded: see upload_materialize", mat.source_path)
            return False
        content = self.retrieve_object(mat.result_id, auto_unpickle=False)
        try:
            mat._placed = services.install(mat, content) if content is not None else None
        except (OSError, RuntimeError) as error:
            self.logger.error("%s", error)
        return mat._placed is not None

    @property
    def caches(self) -> dict[str, CacheInfo]:
        """What this executor keeps across tasks: "functions" it has loaded, "contents" it was sent.

        Of each the items, bytes, hits and misses.

        >>> with Pymonik():
        ...     "functions" in Task(lambda ctx: ctx.caches, True, "caches").invoke().get()
        True
        """
        return self._services.caches() if self._services is not None else {}

    def _engine(self, what: str) -> Services:
        if self._services is None:
            raise RuntimeError(f"{what} works only inside a running task: no task runs here")
        return self._services

    def __repr__(self) -> str:
        place = f"[{self.element}]" if self.element is not None else ""
        return f"<PymonikContext {self.task_name}{place}, attempt {self.attempt}>"


@public
def get_context() -> PymonikContext:
    """Return the context of the task that runs, or is called plainly; raises NoClientError outside.

    >>> @task
    ... def place(x):
    ...     return get_context().element
    >>> with Pymonik():
    ...     place.map_invoke(["a", "b"]).get()
    [0, 1]
    """
    running: PymonikContext | None = ENGINE.context()
    if running is not None:
        return running
    call = _PLAIN.get()
    if call is None:
        raise NoClientError("get_context() gives the context of a running task: no task runs here")
    return call.context


class PlainCall:
    """A task that is called plainly, as long as its function runs; its context is made if asked."""

    __slots__ = ("_made", "_name", "_token")

    def __init__(self, name: str) -> None:
        self._name = name
        self._made: PymonikContext | None = None

    @property
    def context(self) -> PymonikContext:
        """The context of this call."""
        if self._made is None:
            seed = seeds.root_seed_of(seeds.seed_given(None))
            self._made = PymonikContext(task_name=self._name, seed=seed)
        return self._made

    def __enter__(self) -> PlainCall:
        self._token = _PLAIN.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _PLAIN.reset(self._token)


_PLAIN: ContextVar[PlainCall | None] = ContextVar("pymonik_plain", default=None)
