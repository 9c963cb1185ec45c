"""Runs uv.

In: a uv command. Out: nothing, or an `EnvironmentBuildError` with what uv said. A command that
fails for want of a network is tried once more from uv's cache, and so are the ones after it. What
to run is the caller's.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess

from pymonik.environment.pip_settings import uv_environ, uv_flags
from pymonik.errors import EnvironmentBuildError
from pymonik.values.foreign import redacted

log = logging.getLogger("pymonik.environments")

# uv's exit codes: 1 is an answer (no version fits), 2 is trouble (no network, no disk, bad usage).
_TROUBLE = 2


class Uv:
    """uv, with the index and proxy settings of this machine."""

    def __init__(self) -> None:
        self._binary = _find()
        self._environ = uv_environ(os.environ)
        self._flags = uv_flags(os.environ)
        self._offline = False
        self._stopped = False
        self._process: subprocess.Popen[str] | None = None

    def stop(self) -> None:
        """End the command that runs; later ones are refused."""
        self._stopped = True
        process = self._process
        if process is not None:
            process.terminate()

    def __call__(self, *arguments: str) -> None:
        """Run one command to its end. Raises `EnvironmentBuildError`."""
        done = self._run(arguments)
        if (
            done.returncode == _TROUBLE
            and not self._offline
            and not self._environ.get("UV_OFFLINE")
        ):
            offline = self._run((*arguments, "--offline"))
            if offline.returncode == 0:
                log.warning(
                    "uv could not reach its index; it went on with what it has in its cache"
                )
                self._offline = True
                return
        if done.returncode != 0:
            raise EnvironmentBuildError(_message(arguments, done))

    def _run(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        flags = [*self._flags, "--offline"] if self._offline else self._flags
        command = [self._binary, *arguments, *flags]
        try:
            with subprocess.Popen(
                command,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            ) as process:
                self._process = process
                if self._stopped:
                    process.terminate()
                out, err = process.communicate()
            return subprocess.CompletedProcess(command, process.returncode, out, err)
        except OSError as error:
            raise EnvironmentBuildError(
                f"uv cannot be started ({self._binary}): {error}"
            ) from error


def _find() -> str:
    try:
        import uv

        return os.fsdecode(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        path = shutil.which("uv")
    if path is None:
        raise EnvironmentBuildError(
            "this worker has no uv, which builds environments: install the 'uv' package in it"
        )
    return path


def _message(arguments: tuple[str, ...], done: subprocess.CompletedProcess[str]) -> str:
    said = redacted((done.stderr or done.stdout).strip())
    if done.returncode < 0:
        said = f"killed by signal {-done.returncode}\n{said}".strip()
    command = " ".join(word for word in arguments[:2] if not word.startswith("-"))
    return f"uv {command} failed: {said or f'exit code {done.returncode}'}"
