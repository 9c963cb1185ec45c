"""A program that ends leaves no session open, unless it was told to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from armonik.protogen.client.sessions_service_pb2_grpc import SessionsStub
from armonik.protogen.common.session_status_pb2 import SessionStatus
from armonik.protogen.common.sessions_common_pb2 import GetSessionRequest

from pymonik.emulator import Emulator, SilentStream
from tests.conftest import PATIENCE, script_environment
from tests.rows import shortened

PROGRAM = """
import sys, time
from pymonik import Pymonik, task
@task
def stuck(x):
    time.sleep(600)
@task
def twice(x):
    return 2 * x
client = Pymonik({settings}).create()
print(client.session_id, flush=True)
{body}
"""
BODIES = {
    "nothing": "",
    "ended": "assert twice.invoke(2).get() == 4",
    "pending": "handle = twice.invoke(2)",
    "running": "handle = stuck.invoke(2); client.flush()",
    "named": "handle = twice.invoke(2, pymonik=client); client.flush(); del client",
    "exit": "handle = stuck.invoke(2); client.flush(); sys.exit(3)",
    "error": "handle = stuck.invoke(2); client.flush(); raise ValueError",
    "interrupt": "handle = stuck.invoke(2); client.flush(); raise KeyboardInterrupt",
}


def status_after(cluster: Emulator, tmp_path: Path, body: str, settings: str = "") -> Any:
    (tmp_path / "script.py").write_text(PROGRAM.format(body=body, settings=settings))
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=script_environment(PYMONIK_ENDPOINT=cluster.endpoint, PYMONIK_BACKEND="armonik"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        stdin=subprocess.DEVNULL,
    )
    with grpc.insecure_channel(cluster.endpoint) as channel:
        request = GetSessionRequest(session_id=done.stdout.split()[0])
        session = SessionsStub(channel).GetSession(request).session
    return SessionStatus.Name(session.status).removeprefix("SESSION_STATUS_"), session, done


@pytest.mark.parametrize("body", shortened(BODIES, 3))
def test_a_client_without_a_block_ends_its_session(
    cluster: Emulator, tmp_path: Path, body: str
) -> None:
    status, _, done = status_after(cluster, tmp_path, BODIES[body])
    assert status in ("CANCELLED", "CLOSED")
    assert done.returncode == {"exit": 3, "error": 1, "interrupt": -2}.get(body, 0)
    assert ("Traceback" in done.stderr) == (body in ("error", "interrupt"))


@pytest.mark.thorough
def test_no_exit_waits_for_a_value_that_is_on_its_way(cluster: Emulator, tmp_path: Path) -> None:
    cluster.faults.add("DownloadResultData", SilentStream(), times=9)
    fetching = "client.parts.engine.backend._tracker.fetcher.is_fetching"
    body = f"""
handle = twice.invoke(2)
handle.add_done_callback(print)
client.flush()
while not {fetching}: time.sleep(0.01)
"""
    status, _, done = status_after(cluster, tmp_path, body)
    assert status in ("CANCELLED", "CLOSED")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_detached_client_leaves_its_session_to_go_on(cluster: Emulator, tmp_path: Path) -> None:
    body = "handle = twice.invoke(2); client.flush()"
    status, session, _ = status_after(cluster, tmp_path, body, "detach=True")
    assert status == "RUNNING"
    assert not session.client_submission


def test_no_exit_waits_for_a_thread_of_grpc_that_it_has_stopped(
    cluster: Emulator, tmp_path: Path
) -> None:
    """Stopped amid the lock of a call, which the finalizer of that call takes as well."""
    body = """
import gc, threading
import grpc._channel
handle_event, is_within = grpc._channel._handle_event, threading.Event()
def slow(event, state, deserializer):  # called with the lock of the call
    # The last of a call: whoever closes the channel waits until it was taken, and no longer.
    is_last = len(state.due) == len(event.batch_operations)
    if state.cancelled and is_last and threading.current_thread() is not threading.main_thread():
        state.condition.release()
        while any(t.name == "pymonik-watch" for t in threading.enumerate()):
            time.sleep(0.01)
        state.condition.acquire()
        is_within.set()
        time.sleep(10)
    return handle_event(event, state, deserializer)
grpc._channel._handle_event = slow
assert twice.invoke(2).get() == 4
gc.disable()  # what becomes garbage now is garbage when the interpreter ends
client.close()
assert is_within.wait(60)
"""
    status, _, done = status_after(cluster, tmp_path, body)
    assert status in ("CANCELLED", "CLOSED")
    assert (done.returncode, done.stderr) == (0, "")
