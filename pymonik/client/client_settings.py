"""What a client is made with: its arguments, checked and completed from variables.

Enters: arguments of `Pymonik` as they were given. Leaves: one value of each, or an error that names
the argument. What a backend is opened with is read from here when it is opened, and how a graph is
compiled at each flush.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar, overload

from pymonik import backend as backends
from pymonik.backend.traits import TRAITS
from pymonik.client.progress import Progress
from pymonik.environment.parse import environment_of
from pymonik.errors import BackendError, OptionsError
from pymonik.system.structs import Struct
from pymonik.system.surroundings import SurroundingsWatch
from pymonik.values.options import DEFAULTS, TaskOptions, merge
from pymonik.values.seeds import seed_given

T = TypeVar("T")

_OLD = (
    "batch_size",
    "disable_events_client",
    "polling_interval",
    "polling_batch_size",
    "local_session",
)
_CERTIFICATES = ("certificate_authority", "client_certificate", "client_key")


class ClientSettings(Struct, frozen=False):
    """The settings of one client; see `Pymonik` for what each means.

    seed: the one of all calls, chosen here where `given_seed` is None. backend: as it was asked
    for. joined: the session of another program. certificates: names of files, by what they are.
    """

    endpoint: str | None
    partitions: list[str]
    environment: Any
    options: TaskOptions
    workers: int | None
    optimize: bool | tuple[str, ...]
    detach: bool
    forward_logs: bool
    on_progress: Callable[[Progress], object] | None
    backend: str | None
    seed: int
    given_seed: int | None
    certificates: Mapping[str, str | None]
    joined: str | None = None

    @classmethod
    def of(
        cls,
        *,
        endpoint: str | None,
        partition: str | list[str] | None,
        environment: Any,
        task_options: TaskOptions | None,
        workers: int | None,
        optimize: bool | Iterable[str],
        detach: bool,
        forward_logs: bool,
        on_progress: Callable[[Progress], object] | None,
        backend: str | None,
        seed: int | None,
        certificates: Iterable[str | None],
    ) -> ClientSettings:
        """Check what a client was given. Raises OptionsError, BackendError."""
        partitions = _partitions(partition)
        if on_progress is not None and not callable(on_progress):
            raise OptionsError(f"on_progress takes a function, not {on_progress!r}")
        default = TaskOptions(partition_id=partitions[0] if partitions else None)
        options = merge(DEFAULTS, default, task_options)
        taken_environment = environment_of(environment)
        for name, flag in (("detach", detach), ("forward_logs", forward_logs)):
            if not isinstance(flag, bool):
                raise OptionsError(f"{name} takes True or False, not {flag!r}")
        chosen_seed = seed_given(seed)
        return cls(
            endpoint=backends.endpoint(endpoint),
            partitions=partitions,
            environment=taken_environment,
            options=options,
            workers=backends.workers(workers),
            optimize=selection(optimize),
            detach=detach,
            forward_logs=forward_logs,
            on_progress=on_progress,
            backend=backend,
            seed=chosen_seed,
            given_seed=None if seed is None else chosen_seed,
            certificates=dict(zip(_CERTIFICATES, certificates)),
        )

    @property
    def backend_name(self) -> str:
        """The backend that is to be opened. Raises BackendError when there is none of the name."""
        return backends.choose(self.backend, self.endpoint)

    def join(self, session_id: str) -> None:
        """Join the session of another program. Raises BackendError where that ended with it."""
        if session_id.startswith(tuple(f"{name}-" for name in TRAITS if TRAITS[name].is_here)):
            raise BackendError(
                f"session {session_id!r} ran on the machine of its program, and ended with it: "
                "only a session on a cluster can be joined; `pymonik runs show` shows runs of "
                "this machine"
            )
        self.joined = session_id

    def surroundings(self) -> SurroundingsWatch | None:
        """Return a watch of what is around calls that run on this machine: what is here, now."""
        return SurroundingsWatch() if TRAITS[self.backend_name].is_here else None

    def start_ahead(self, surroundings: SurroundingsWatch | None) -> None:
        """Start what the first plan needs: it takes as long as all that is to be loaded here."""
        has_executors = TRAITS[self.backend_name].has_executors
        if has_executors and surroundings is not None and self.environment is None:
            from pymonik.system.deferred_signals import Loading  # not for `import pymonik`

            with Loading():
                from pymonik.runtime.host.ahead import start_ahead
            start_ahead(surroundings.base, self.workers)


class Setting(Generic[T]):
    """An attribute of a client that is one of its `settings`, under the same name.

    take: what is made of a value that is set.
    """

    def __init__(self, take: Callable[[Any], T] | None = None) -> None:
        self._take = take

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, client: None, kind: type) -> Setting[T]: ...
    @overload
    def __get__(self, client: object, kind: type) -> T: ...
    def __get__(self, client: Any, kind: type) -> Setting[T] | T:
        return self if client is None else getattr(client.settings, self._name)

    def __set__(self, client: Any, value: T) -> None:
        setattr(client.settings, self._name, value if self._take is None else self._take(value))


class OldName:
    """An attribute of a client by the name that programs for earlier versions use."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, client: Any, kind: type) -> Any:
        return self if client is None else getattr(client, self._name)

    def __set__(self, client: Any, value: Any) -> None:
        if self._name != "endpoint":
            raise AttributeError(f"the {self._name} of a client cannot be set")
        client.parts.choose_endpoint(value)


def warn_of_old(*given: Any) -> None:
    """Warn of the arguments that earlier versions had, in their order, if one was given."""
    for name, value in zip(_OLD, given):
        if value is not None:
            warnings.warn(
                f"Pymonik({name}=…) has no effect any more: calls are sent together, and the "
                "cluster announces results",
                DeprecationWarning,
                stacklevel=3,
            )


def selection(optimize: bool | Iterable[str]) -> bool | tuple[str, ...]:
    """Return what `optimize=` selects, True, False or names of passes; refuse others."""
    if isinstance(optimize, bool):
        return optimize
    from pymonik.graph.passes import selected

    return selected(optimize)


def _partitions(given: Any) -> list[str]:
    if given is not None and not isinstance(given, (str, list, tuple)):
        raise OptionsError(f"partition takes a name or a list of names, not {given!r}")
    names = [given] if isinstance(given, str) else list(given or ())
    is_empty = given is not None and not names  # left out, it is the default of the cluster
    if is_empty or not all(isinstance(name, str) and name for name in names):
        raise OptionsError(f"partition takes a name or a list of names, not {given!r}")
    return names
