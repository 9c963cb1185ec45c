"""The pool of threads that nobody waits for at the end of a program."""

from __future__ import annotations

import gc
import queue
import threading

import pytest

from pymonik.system.daemon_pool import DaemonPool


def threads_of(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


def test_a_few_threads_run_what_is_submitted_and_end_with_the_pool() -> None:
    pool = DaemonPool(3, "pool of three threads")
    done: queue.SimpleQueue[int] = queue.SimpleQueue()
    meeting = threading.Barrier(3)
    for _ in range(3):  # each needs a thread of its own
        pool.submit(meeting.wait, 60)
    for number in range(100):
        pool.submit(done.put, number)
    assert sorted(done.get(timeout=60) for _ in range(100)) == list(range(100))
    threads = threads_of("pool of three threads")
    assert len(threads) == 3
    assert all(thread.daemon for thread in threads)
    del pool
    gc.collect()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_an_idle_thread_is_used_before_another_one_starts() -> None:
    pool = DaemonPool(3, "idle pool of a test")
    done: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(5):
        pool.submit(done.put, number)
        assert done.get(timeout=60) == number
        pool._idle.get(timeout=60)  # it has nothing to do now
        pool._idle.put(None)
    assert len(threads_of("idle pool of a test")) == 1


def test_whatever_a_function_raises_the_others_are_called() -> None:
    pool = DaemonPool(1, "pool of a test")
    done: queue.SimpleQueue[int] = queue.SimpleQueue()
    pool.submit(exit)
    pool.submit(done.put, 1)
    assert done.get(timeout=60) == 1


def test_without_a_thread_there_is_an_error_and_with_one_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = DaemonPool(2, "pool of a test")
    done: queue.SimpleQueue[int] = queue.SimpleQueue()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError, match="start new thread"):
            pool.submit(done.put, 0)
    is_let_go = threading.Event()
    pool.submit(is_let_go.wait, 60)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        pool.submit(done.put, 1)
    is_let_go.set()
    assert done.get(timeout=60) == 1


def test_a_finalizer_may_submit_amid_the_start_of_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Garbage is collected anywhere, and so are what a program's finalizers ask for."""
    pool = DaemonPool(1, "pool that is asked amid a start")
    done: queue.SimpleQueue[int] = queue.SimpleQueue()
    start = threading.Thread.start

    def submit_and_start(self: threading.Thread) -> None:
        pool.submit(done.put, 1)
        start(self)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", submit_and_start)
        pool.submit(done.put, 2)
    assert [done.get(timeout=60), done.get(timeout=60)] == [1, 2]
    assert len(threads_of("pool that is asked amid a start")) == 1
