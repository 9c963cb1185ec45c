"""Pools of processes inside a task: functions and classes of the script are found by theirs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rows import shortened

HEAD = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pymonik import Pymonik, task
class Item:
    def __init__(self, n): self.n = n
    def double(self): return 2 * self.n
class Wrong(Exception): pass
def square(item): return Item(item.n ** 2)
def add(a, b): return a + b
def fail(x): raise Wrong(x)
def put(queue, value): queue.put(value)
"""

PROGRAMS = {
    "a pool, by {0}": """
@task
def run(n):
    with multiprocessing.get_context("{0}").Pool(1) as pool:
        squares = pool.map(square, [Item(i) for i in range(n)])
        sums = pool.map(partial(add, 10), range(n))
        return [type(item) is Item and item.n for item in squares], sums
if __name__ == "__main__":
    with Pymonik(workers=1):
        assert run.invoke(3).get() == ([0, 1, 4], [10, 11, 12])
""",
    "a lambda, a method, and what is raised, by {0}": """
@task
def run():
    with multiprocessing.get_context("{0}").Pool(1) as pool:
        found = pool.map(lambda x: x + 1, [1, 2]), pool.apply(Item(4).double)
        try:
            pool.apply(fail, (1,))
        except Wrong as error:
            return found, error.args
if __name__ == "__main__":
    with Pymonik(workers=1):
        assert run.invoke().get() == (([2, 3], 8), (1,))
""",
    "an executor of futures, by {0}": """
@task
def run(n):
    context = multiprocessing.get_context("{0}")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return [item.n for item in pool.map(square, map(Item, range(n)))]
if __name__ == "__main__":
    with Pymonik(workers=1):
        assert run.invoke(3).get() == [0, 1, 4]
""",
    "a process and a queue, by {0}": """
@task
def run(value):
    context = multiprocessing.get_context("{0}")
    queue = context.Queue()
    process = context.Process(target=put, args=(queue, Item(value)))
    process.start()
    found = queue.get(timeout=30)
    process.join()
    return found.n, process.exitcode
if __name__ == "__main__":
    with Pymonik(workers=1):
        assert run.invoke(3).get() == (3, 0)
""",
}


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize("title", shortened(PROGRAMS, 2))
def test_in_a_script(run_script: Any, backend: str, title: str, start: str) -> None:
    done = run_script(HEAD + PROGRAMS[title].replace("{0}", start), backend)
    assert done.returncode == 0, done.stderr


AT_HOME = """
import multiprocessing, pickle
from pymonik import Pymonik, task
@task
def one(): return 1
if __name__ == "__main__":
    with Pymonik(workers=1):
        assert one.invoke().get() == 1
    with multiprocessing.get_context("fork").Pool(1) as pool:
        try:
            pool.apply(lambda: 1)
        except (AttributeError, pickle.PicklingError):
            print("refused")
"""


def test_the_users_own_pools_are_as_ever(run_script: Any, backend: str) -> None:
    done = run_script(AT_HOME, backend)
    assert done.stdout == "refused\n", done.stderr
