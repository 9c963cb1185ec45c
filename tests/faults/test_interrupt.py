"""Ctrl-C, and every other end of a script, leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PATIENCE, Gate, script_environment

from .conftest import Wake

SCRIPT = """
import os, signal, subprocess, sys, threading
from pymonik import Pymonik, task
PIPE = sys.argv[1]
# Who runs the tests in the background may have let them ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)

@task
def hang(i):
    fd = os.open(PIPE, os.O_WRONLY)
    child = subprocess.Popen(["sleep", "100000"], pass_fds=[fd])
    os.write(fd, b"%d\\n" % os.getpid())
    threading.Event().wait()

def main():
    client = Pymonik(backend="local", workers=2, optimize=False)
    with client:
        handles = [hang.invoke(i) for i in range(4)]
        handles[0].get()

try:
    main()
except KeyboardInterrupt:
    print("interrupted", flush=True)
    raise
"""


def start(tmp_path: Path, wake: Wake, source: str = SCRIPT) -> subprocess.Popen[str]:
    """Run the script as a terminal would: the foreground group of a session of its own."""
    script = tmp_path / "script.py"
    script.write_text(source)
    return subprocess.Popen(
        [sys.executable, str(script), wake.path],
        env=script_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    with process:  # waited for, and its pipes closed, however this ends
        try:
            return process.communicate(timeout=PATIENCE)
        finally:
            process.kill()


def test_ctrl_c_leaves_no_process_behind(tmp_path: Path, wake: Wake) -> None:
    process = start(tmp_path, wake)
    wake.lines(2)
    os.killpg(process.pid, signal.SIGINT)
    out, err = finish(process)
    assert out == "interrupted\n", err
    assert "KeyboardInterrupt" in err
    assert process.returncode in (-signal.SIGINT, 130, 1)
    wake.wait_for_the_end()


def test_ctrl_c_to_the_script_alone_is_enough(tmp_path: Path, wake: Wake) -> None:
    process = start(tmp_path, wake)
    wake.lines(2)
    process.send_signal(signal.SIGINT)
    out, err = finish(process)
    assert out == "interrupted\n", err
    wake.wait_for_the_end()


def test_pressing_it_twice_is_no_worse(tmp_path: Path, wake: Wake) -> None:
    process = start(tmp_path, wake)
    wake.lines(2)
    os.killpg(process.pid, signal.SIGINT)
    os.killpg(process.pid, signal.SIGINT)
    finish(process)
    wake.wait_for_the_end()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_script_leaves_no_process_behind(
    tmp_path: Path, wake: Wake, number: signal.Signals
) -> None:
    process = start(tmp_path, wake)
    wake.lines(2)
    process.send_signal(number)
    finish(process)
    wake.wait_for_the_end()


ENDINGS = {
    "an exception": "raise LookupError('mine')",
    "sys.exit": "sys.exit(3)",
    "os._exit": "os._exit(3)",
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_leaving_the_block_early_leaves_no_process_behind(
    tmp_path: Path, wake: Wake, gate: Gate, ending: str
) -> None:
    waiting = f"client.flush(); open({gate.path!r}).read()"
    process = start(tmp_path, wake, SCRIPT.replace("handles[0].get()", f"{waiting}; {ending}"))
    wake.lines(2)
    gate.open()
    finish(process)
    wake.wait_for_the_end()


def test_a_closed_client_leaves_no_process_behind(wake: Wake, kept_briefly: None) -> None:
    from pymonik import Pymonik, Task

    path = wake.path
    hold = Task(lambda _: os.open(path, os.O_WRONLY), func_name="hold")
    with Pymonik(backend="local", workers=2):
        hold.map_invoke(range(8)).wait()
    wake.wait_for_the_end()


def test_a_forgotten_client_leaves_no_process_behind(tmp_path: Path, wake: Wake) -> None:
    source = """
import os, sys
from pymonik import Pymonik, Task
path = sys.argv[1]
client = Pymonik(backend="local", workers=2)
client.create()
Task(lambda _: os.open(path, os.O_WRONLY), func_name="hold").map_invoke(range(8)).wait()
"""
    process = start(tmp_path, wake, source)
    _, err = finish(process)
    assert process.returncode == 0, err
    wake.wait_for_the_end()


def test_a_script_that_is_killed_leaves_no_temporary_folder(
    tmp_path: Path, wake: Wake, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "given.txt").touch()
    source = SCRIPT.replace("def hang(i):", "def hang(i, given):").replace(
        "hang.invoke(i)", f"hang.invoke(i, materialize({str(tmp_path / 'given.txt')!r}, 'here'))"
    )
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    process = start(tmp_path, wake, source.replace("Pymonik, task", "Pymonik, materialize, task"))
    wake.lines(2)
    assert len(list((tmp_path / "tmp").iterdir())) == 2
    process.kill()
    finish(process)
    wake.wait_for_the_end()
    assert not list((tmp_path / "tmp").iterdir())


AT_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
settings = termios.tcgetattr(0)
settings[3] |= termios.TOSTOP  # whoever writes to it in the background is stopped
termios.tcsetattr(0, termios.TCSANOW, settings)
from pymonik import Pymonik, task

@task
def look(session):
    with open(terminal, "w") as stream:
        stream.write("told")
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
    except OSError:
        return os.getpgid(0) == os.getpid(), os.getsid(0) != session
    return "it has a terminal"

terminal = os.ttyname(0)
with Pymonik(backend="local", workers=1):
    print(look.invoke(os.getsid(0)).get())
"""


def test_executors_have_no_terminal(tmp_path: Path) -> None:
    here, there = os.openpty()
    script = tmp_path / "script.py"
    script.write_text(AT_A_TERMINAL)
    try:
        done = subprocess.run(
            [sys.executable, str(script)],
            env=script_environment(),
            stdin=there,
            capture_output=True,
            text=True,
            start_new_session=True,
            timeout=PATIENCE,
        )
        assert done.stdout == "(True, True)\n", done.stderr
        assert os.read(here, 100) == b"told"
    finally:
        os.close(here)
        os.close(there)
