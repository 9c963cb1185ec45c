"""Where executors live: the environments of a host, each built once, beside what runs meanwhile.

Enters: an environment that units need. Leaves: how to start executors in it, as soon as it is
built; or the failure of its units. How it is built is the business of `environments`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pymonik.errors import EnvironmentBuildError
from pymonik.system.safe_logging import safe_logger

if TYPE_CHECKING:
    from pymonik.environment.builder import Built, Environments
    from pymonik.environment.value import Environment

logger = safe_logger("pymonik.environments")

Notify = Callable[["Environment", "Built | EnvironmentBuildError"], None]
# Gives the archive of a working directory; it may take long.
Archive = Callable[[], Any]


def own_folder_of(environment: Environment) -> Archive:
    """Return what archives the working directory of an environment described on this machine."""
    return environment.archive


class HostEnvironments:
    """The environments that one host has asked for.

    folders: gives, on the host's thread, what archives an environment's working directory on
    another one. tell: is called, from there, when an environment is built or cannot be.
    """

    def __init__(
        self,
        tell: Notify,
        folders: Callable[[Environment], Archive] = own_folder_of,
        environments: Environments | None = None,
    ) -> None:
        self._tell = tell
        self._folders = folders
        self._given = environments
        self._environments = environments
        # None while it is being built. Of the host's thread alone: builders tell it by `tell`.
        self._known: dict[Environment, Built | None] = {}

    def is_ready(self, environment: Environment | None) -> bool:
        """Return whether executors can be started; if not, it is being built from now on."""
        if environment is None:
            return True
        if environment not in self._known:
            # None says that it is being built: nobody begins twice.
            self._known[environment] = None
            if self._environments is None:
                from pymonik.environment.builder import Environments

                self._environments = Environments()
            # Asked now: it is of the task that runs, which may have ended when the builder begins.
            archive = self._folders(environment) if environment.working_hash else None
            args = environment, archive
            # A daemon, one for each environment: uv may take minutes, and is not waited for in the
            # end.
            builder = threading.Thread(
                target=self._build, args=args, name="pymonik-environment", daemon=True
            )
            try:
                builder.start()
            except RuntimeError as error:  # the system has no thread left
                problem = EnvironmentBuildError(f"{environment!r} could not be built: {error}")
                self._tell(environment, problem)
        return self._known[environment] is not None

    def built(self, environment: Environment | None) -> Built | None:
        """Return how executors are started; None for those of the host's own environment."""
        return None if environment is None else self._known[environment]

    def settle(
        self, environment: Environment, result: Built | EnvironmentBuildError
    ) -> Environment | None:
        """Note what became of an environment; give one that is the same here, else itself."""
        if isinstance(result, EnvironmentBuildError):
            del self._known[environment]  # the next unit may try again
            return environment
        self._known[environment] = result
        if result.is_plain:
            return None
        others = (e for e, built in self._known.items() if built is not None)
        return next(other for other in others if result.is_like(self._known[other]))

    def leave(self, environment: Environment) -> None:
        """Let go of an environment that no executor lives in; it is built again when asked for."""
        self._known.pop(environment, None)
        if self._environments is not None:
            self._environments.release(environment)

    def close(self) -> None:
        """Let go of the environments, and stop building."""
        if self._environments is not None and self._given is None:
            self._environments.close()

    def _build(self, environment: Environment, archive: Archive | None) -> None:
        assert self._environments is not None
        try:
            folder = archive() if archive is not None else None
            result: Any = self._environments.build(environment, folder)
            logger.info("environment %r is ready after %.1f s", environment, result.seconds)
        except EnvironmentBuildError as error:
            result = error
        except BaseException as error:  # a folder that has changed: no unit may wait for ever
            result = EnvironmentBuildError(f"{environment!r} could not be built: {error}")
            result.__cause__ = error
        self._tell(environment, result)
