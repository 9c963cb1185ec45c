"""`python -m pymonik` without its imports: forks of a process that has made them, once.

Starting Python and loading the command line takes half a second; most commands of the tests take
less. A fork is a process of its own, with the folder, variables, arguments and streams of the
command; it ends as a program does. What Python reads when it starts cannot be given to it.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

Result = subprocess.CompletedProcess[str]


class Forks:
    """A process that has loaded the command line, and runs commands in forks; safe for threads."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._lock = threading.Lock()  # guards the streams: a command at a time
        self._server = subprocess.Popen(
            [sys.executable, "-m", __name__],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Of its own, so that what it leaves behind can be ended.
            start_new_session=True,
        )
        atexit.register(self.close)

    def fits(self, environment: dict[str, str]) -> bool:
        """Return whether Python would start the same with these variables."""
        now, then = environment, self._environment
        return all(
            now.get(name) == then.get(name)
            for name in {*now, *then}
            if name.startswith(("PYTHON", "LC_", "LANG", "MALLOC", "LD_"))
        )

    def run(self, args: tuple[str, ...], folder: Path, environment: dict[str, str]) -> Result:
        """Run `pymonik ARGS…` in a folder, with these variables alone."""
        server = self._server
        assert server.stdin is not None
        assert server.stdout is not None
        with self._lock, tempfile.TemporaryDirectory() as streams:
            out, err = Path(streams, "out"), Path(streams, "err")
            command = {"args": args, "folder": str(folder), "environment": environment}
            print(json.dumps({**command, "streams": [str(out), str(err)]}), file=server.stdin)
            server.stdin.flush()
            status = int(server.stdout.readline())
            return Result(args, status, out.read_text(), err.read_text())

    def close(self) -> None:
        """End the process, and a command that hangs in a fork of it."""
        for stream in (self._server.stdin, self._server.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._server.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()


def serve() -> dict[str, Any] | None:
    """Fork for each command of standard input; return it in the fork, None when there is none."""
    with os.fdopen(os.dup(0)) as commands:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for line in commands:
            pid = os.fork()
            if not pid:
                command: dict[str, Any] = json.loads(line)
                return command
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    return None


def become(command: dict[str, Any]) -> None:
    """Give this process what a command would have been started with."""
    for fd, path in enumerate(command["streams"], start=1):
        made = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(made, fd)
        os.close(made)
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["environment"])
    # What `-m` begins with; `runpy` replaces the first argument.
    sys.path[0] = command["folder"]
    sys.argv[:] = ["-m", *command["args"]]


if __name__ == "__main__":
    importlib.import_module("pymonik.cli.app")  # with all that commands need
    wanted = serve()
    if wanted is not None:
        become(wanted)
        runpy.run_module("pymonik", run_name="__main__", alter_sys=True)
