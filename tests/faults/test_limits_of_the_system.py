"""Few descriptors, little room: the limits of the system slow work down, they do not lose it."""

from __future__ import annotations

from typing import Any

SOURCE = """
import resource, sys
import numpy as np
from pymonik import Pymonik, Task, task

resource.setrlimit(resource.RLIMIT_NOFILE, (96, 96))

@task
def make(i):
    return np.full(40_000, float(i))

@task
def first(a):
    return float(a[0])

@task
def several(i):
    return [np.full(40_000, float(i + k)) for k in range(110)]

with Pymonik(backend="local", workers=2) as client:
    made = make.map_invoke(range(130))
    print([v[0] for v in made.get()] == list(range(130)))
    print(first.map_invoke(made).get() == list(range(130)))
    given = first.map_invoke([(np.full(40_000, float(i)),) for i in range(130)])
    print(given.get() == list(range(130)))
    many = several.invoke(5)
    print([v[0] for v in many.get()] == list(range(5, 115)))
    print([v[0] for v in Task(list).invoke(many).get()] == list(range(5, 115)))
"""


def test_more_large_values_than_descriptors_are_no_trouble(run_script: Any) -> None:
    done = run_script(SOURCE)
    assert done.stdout.split() == ["True"] * 5, done.stderr


def test_a_large_value_of_many_buffers_travels(run_script: Any) -> None:
    source = """
import numpy as np
from pymonik import Pymonik, Task
identity = Task(lambda x: x, func_name="identity")
with Pymonik(backend="local", workers=1):
    arrays = [np.full(40_000, float(i)) for i in range(600)]
    back = identity.invoke(arrays).get()
    print(all((a == b).all() for a, b in zip(arrays, back)))
"""
    done = run_script(source)
    assert done.stdout == "True\n", done.stderr


def test_no_descriptor_left_for_a_large_value_is_told_of(run_script: Any) -> None:
    source = """
import os, resource
import numpy as np
from pymonik import Pymonik, task

resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

@task(max_retries=0)
def arrays(n):
    return [np.zeros(50_000) for _ in range(n)]

with Pymonik(backend="local", workers=1) as client:
    arrays.invoke(1).wait()
    held = []
    try:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        os.close(held.pop())
    failed = arrays.invoke(10)
    print(type(failed.exception(60)).__name__, "files" in str(failed.exception()))
    while held:
        os.close(held.pop())
    print(len(arrays.invoke(10).get(60)))
"""
    done = run_script(source)
    assert done.stdout.split() == ["ExecutorDied", "True", "10"], done.stderr


def test_no_thread_left_for_the_engine_is_told_of_and_the_next_call_asks_again(
    run_script: Any,
) -> None:
    source = """
import threading
from pymonik import Pymonik, Task

same = Task(lambda x: x, func_name="same")
start, tries = threading.Thread.start, []

def start_later(thread):
    if thread.name == "pymonik-local" and not tries:
        tries.append(thread)
        raise RuntimeError("can't start new thread")
    start(thread)

threading.Thread.start = start_later
# Where executors are not started ahead, the first thing asked for is the call itself: it is lost.
for options in ({}, {"environment": {"env_variables": {"LEVEL": "2"}}}):
    tries.clear()
    with Pymonik(backend="local", workers=1, **options):
        first = same.invoke(1)
        try:
            first.get(60)
        except RuntimeError as error:
            print(error)
        print(type(first.exception(60)).__name__, same.invoke(2).get(60))
"""
    done = run_script(source)
    told = "can't start new thread"
    assert done.stdout.splitlines() == [told, "NoneType 2", told, "Cancelled 2"], done.stderr
