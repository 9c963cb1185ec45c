"""Builds the environments that tasks ask for, each once per worker.

In: an `Environment`, and the archive of its working directory. Out: a `Built`: the interpreter and
the process environment to start an executor with. Nothing is ever installed into the worker; where
the worker already has everything, its own interpreter is the answer and nothing is built. Starting
executors is the host's.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pymonik.environment.value import Environment, is_python, package_name, unsatisfied
from pymonik.errors import EnvironmentBuildError
from pymonik.files.folder_cache import Cache, Held, cache_folder
from pymonik.settings import settings
from pymonik.system.waits import yielding_lock
from pymonik.values.foreign import redacted

if TYPE_CHECKING:
    from pymonik.environment.uv import Uv
    from pymonik.files.extract import Content

log = logging.getLogger("pymonik.environments")

__all__ = ["Built", "EnvironmentBuildError", "Environments"]

# Seconds until a failed build is tried again: a thousand tasks must not wait for one time-out.
FORGET_FAILURE = 30.0


@dataclass(frozen=True)
class Built:
    """An environment that is ready.

    Executors start with `python` and `child_environ()`, in `working_dir` if there is one.
    `added` are the packages it has beyond, or instead of, the worker's; `seconds` is what making it
    ready took here.
    """

    python: str
    # Where people keep tokens: shown nowhere.
    variables: Mapping[str, str] = field(repr=False)
    working_dir: str | None = None
    venv: str | None = None
    added: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def is_plain(self) -> bool:
        """Return whether it is what this process has anyway."""
        return self.venv is None and self.working_dir is None and not self.variables

    def is_like(self, other: Built | None) -> bool:
        """Return whether executors of one can serve the other."""
        return other is not None and (self.python, self.variables, self.working_dir) == (
            other.python,
            other.variables,
            other.working_dir,
        )

    def child_environ(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the variables for an executor: those of `base` (this process), then its own."""
        environ = dict(os.environ if base is None else base)
        if self.venv is not None:
            # PYTHONPATH would come before the venv; its folders are layers of the venv instead.
            for name in ("PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__"):
                environ.pop(name, None)
            environ["VIRTUAL_ENV"] = self.venv
            environ["PATH"] = os.pathsep.join(
                [os.path.join(self.venv, "bin"), environ.get("PATH", os.defpath)]
            )
        return {**environ, **self.variables}


class Environments:
    """The environments of one host. Safe for threads, and for hosts that share the cache."""

    def __init__(self, cache: Path | None = None, max_bytes: int | None = None) -> None:
        limit = settings().environment_bytes if max_bytes is None else max_bytes
        self._cache = Cache((cache or cache_folder()) / "environments", limit)
        # Processes under way: `close` stops them, whichever thread waits for them.
        self._tools: set[Uv] = set()
        self._token = secrets.token_hex(6)
        # Guards the tables below; environments are built without it, which may take minutes. Taken
        # again by a finalizer of the user's that closes a client amid it.
        self._lock = yielding_lock()
        # Environments that are ready, by digest.
        self._built: dict[str, Built] = {}
        # Entries of the cache that are in use here, by key: not pruned as long as they stand here.
        self._held: dict[str, Held] = {}
        # Until when those that failed are not tried again, and why they failed.
        self._failed: dict[str, tuple[float, str]] = {}
        # Working directories: copies for this host alone.
        self._private: set[Path] = set()
        # What each environment holds; venvs are shared by those that differ in variables only.
        self._keys: dict[str, set[str]] = {}

    def build(self, environment: Environment, working_dir: Content | None = None) -> Built:
        """Make `environment` ready, or find that it is; `working_dir` is or holds its archive.

        May take as long as uv does. Raises `EnvironmentBuildError`, with uv's own message.
        """
        digest = environment.digest
        with self._lock:
            cached = self._built.get(digest)
            until, message = self._failed.get(digest, (0.0, ""))
        # Somebody may have emptied the cache under our feet.
        if cached is not None and os.path.exists(cached.python):
            return cached
        if time.monotonic() < until:
            raise EnvironmentBuildError(message)
        try:
            built = self._build(environment, working_dir)
        except (OSError, ValueError, EnvironmentBuildError) as error:
            message = f"{environment!r} could not be built on {socket.gethostname()}: {error}"
            with self._lock:
                self._failed[digest] = (time.monotonic() + FORGET_FAILURE, message)
            raise EnvironmentBuildError(message) from error
        with self._lock:
            self._built[digest] = built
        return built

    def release(self, environment: Environment) -> None:
        """Let go of an environment that nothing lives in any more: it may be pruned."""
        freed = []
        with self._lock:
            self._built.pop(environment.digest, None)
            for key in self._keys.pop(environment.digest, ()):
                if not any(key in keys for keys in self._keys.values()):
                    # Of its last user: environments that differ in variables alone share a venv.
                    freed.append(self._held.pop(key))
        self._let_go(freed)

    def close(self) -> None:
        """Let go of everything, and stop building; what was built stays until it is pruned."""
        for uv in list(self._tools):
            # Its thread then ends with an error, for units that nobody waits for any more.
            uv.stop()
        with self._lock:
            held, self._held, self._built, self._keys = self._held, {}, {}, {}
        self._let_go(held.values())

    def _let_go(self, entries: Iterable[Held]) -> None:
        for entry in entries:
            if entry.path in self._private:  # nobody else will ever want it
                self._private.discard(entry.path)
                self._cache.drop(entry)
            else:
                entry.release()

    def _build(self, environment: Environment, working_dir: Content | None) -> Built:
        _demand_python(environment.python)
        start = time.perf_counter()
        # The worker's own PymoniK serves everywhere, whatever a requirements file says of it.
        packages = [
            package for package in environment.packages if package_name(package) != "pymonik"
        ]
        built = Built(sys.executable, dict(environment.variables))
        if unsatisfied(packages):
            built = self._layered(environment, built, packages)
        if environment.working_hash:
            built = replace(built, working_dir=self._folder(environment, working_dir))
        return replace(built, seconds=time.perf_counter() - start)

    def _layered(self, environment: Environment, built: Built, packages: list[str]) -> Built:
        from pymonik.environment.uv import Uv
        from pymonik.environment.venv import added, fill, python_of, worker_fingerprint

        key = _key("venv", *packages, worker_fingerprint())

        def make(empty: Path) -> None:
            start = time.perf_counter()
            log.info("building an environment: %s", redacted(", ".join(packages)))
            uv = Uv()
            self._tools.add(uv)
            try:
                fill(empty, packages, uv)
            finally:
                self._tools.discard(uv)
            seconds = time.perf_counter() - start
            log.info("built an environment in %.1f s: %s", seconds, ", ".join(added(empty)))

        folder = self._hold(environment, key, make)
        python = python_of(folder)
        venv = str(python.parent.parent)
        return replace(built, python=str(python), venv=venv, added=added(folder))

    def _folder(self, environment: Environment, content: Content | None) -> str:
        """Unpack the working directory for this host alone: its tasks may write there."""
        from pymonik.files.extract import extract

        if content is None:
            raise ValueError("its working directory did not arrive with the environment")
        archive = content

        def unpack(empty: Path) -> None:
            digest = extract(archive, empty)
            if digest != environment.working_hash:
                raise ValueError("its working directory was damaged on the way: its hash differs")

        key = _key("folder", environment.working_hash, self._token)
        path = self._hold(environment, key, unpack)
        self._private.add(path)
        return str(path)

    def _hold(
        self, environment: Environment, key: str, fill_folder: Callable[[Path], object]
    ) -> Path:
        held = self._cache.hold(key, fill_folder)
        with self._lock:
            self._keys.setdefault(environment.digest, set()).add(key)
            before = self._held.get(key)
            self._held[key] = held
        # Held once more before it is let go of: in between another host could prune it.
        if before is not None:
            before.release()
        if held.fresh:
            self._cache.prune()
        return held.path


def _demand_python(specifier: str) -> None:
    if not is_python(specifier):
        running = platform.python_version()
        raise EnvironmentBuildError(
            f"it demands Python {specifier}, this worker runs {running}: "
            "use a worker image with that Python"
        )


def _key(*parts: str) -> str:
    # 128 bits, for the name of a folder: no two are alike by accident.
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
