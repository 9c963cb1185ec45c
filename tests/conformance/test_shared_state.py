"""What functions share where they were defined, they share in a task: variables, and namespaces."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rows import shortened

HEAD = """
from pymonik import Pymonik, task

@task
def apply(function, *args): return function(*args)

def make():
    n = 0
    def up():
        nonlocal n
        n += 1
    def look(): return n
    return up, look
up, look = make()
"""

PROGRAMS = {
    "two functions over one variable": """
@task
def count():
    up(); up()
    return look()
with Pymonik(workers=1):
    assert count.invoke().get() == 2
""",
    "two functions over one variable, as two arguments": """
@task
def count(up, look):
    up(); up()
    return look()
with Pymonik(workers=1):
    assert count.invoke(up, look).get() == 2
    assert count.map_invoke([(up, look), make()]).get() == [2, 2]
""",
    "two functions over one variable, as two keywords": """
@task
def count(*, up, look):
    up(); up()
    return look()
with Pymonik(workers=1):
    assert count.invoke(up=up, look=look).get() == 2
""",
    "two functions over one variable, in a list": """
@task
def count(both):
    both[0](); both[0]()
    return both[1]()
with Pymonik(workers=1):
    assert count.invoke([up, look]).get() == 2
""",
    "lambdas over one list, as two arguments": """
kept = []
def pair():
    seen = []
    return (lambda x: seen.append(x)), (lambda: list(seen))
@task
def run(add, get):
    add(1); add(2)
    return get()
with Pymonik(workers=1):
    assert run.invoke(*pair()).get() == [1, 2]
""",
    "functions that call each other over one variable": """
def walk():
    depth = 0
    def even(n):
        nonlocal depth
        depth += 1
        return True if n == 0 else odd(n - 1)
    def odd(n):
        nonlocal depth
        depth += 1
        return False if n == 0 else even(n - 1)
    def deep(): return depth
    return even, deep
even, deep = walk()
@task
def run(n): return even(n), deep()
with Pymonik(workers=1):
    assert run.invoke(4).get() == (True, 5)
""",
    "a generator that counts for another function": """
def counter():
    n = 0
    def steps(k):
        nonlocal n
        for _ in range(k):
            n += 1
            yield n
    def total(): return n
    return steps, total
steps, total = counter()
@task
def run(): return list(steps(3)), total()
with Pymonik(workers=1):
    assert run.invoke().get() == ([1, 2, 3], 3)
""",
    "a decorator that keeps count": """
def counted(function):
    calls = 0
    def wrapper(*args):
        nonlocal calls
        calls += 1
        return function(*args)
    wrapper.calls = lambda: calls
    return wrapper
@counted
def square(x): return x * x
@task
def run(): return [square(x) for x in range(3)], square.calls()
with Pymonik(workers=1):
    assert run.invoke().get() == ([0, 1, 4], 3)
""",
    "a variable that is not set yet": """
def make():
    def put(value):
        nonlocal kept
        kept = value
    def get(): return kept
    if False: kept = None
    return put, get
put, get = make()
@task
def run():
    put(5)
    return get()
with Pymonik(workers=1):
    assert run.invoke().get() == 5
""",
    "a global that a helper rebinds": """
X = 1
def helper():
    global X
    X = 2
def other(): return X
@task
def run():
    helper()
    return X, other()
with Pymonik(workers=1):
    assert run.invoke().get() == (2, 2)
    assert X == 1
""",
    "a global that a method rebinds": """
X = 1
class Setter:
    def set(self, value):
        global X
        X = value
    def get(self): return X
@task
def run():
    setter = Setter()
    setter.set(2)
    return X, setter.get()
with Pymonik(workers=1):
    assert run.invoke().get() == (2, 2)
    X = 5
    assert apply.invoke(Setter().get).get() == 5
""",
    "a global that a function rebinds and a method reads": """
X = 1
class Reader:
    @property
    def value(self): return X
    @staticmethod
    def twice(): return 2 * X
@task
def run(reader):
    global X
    before = reader.value
    X = 7
    return before, reader.value, Reader.twice()
with Pymonik(workers=1):
    assert run.invoke(Reader()).get() == (1, 7, 14)
    X = 3
    assert run.invoke(Reader()).get() == (3, 7, 14)
""",
    "a global that two classes and a function share": """
COUNT = 0
def bump():
    global COUNT
    COUNT += 1
class A:
    def __init__(self): bump()
class B:
    def __init__(self):
        global COUNT
        COUNT += 10
@task
def run():
    start = COUNT
    A(); B(); A()
    return COUNT - start
with Pymonik(workers=1):
    assert run.invoke().get() == 12
""",
    "a global that does not exist before": """
class Lazy:
    def load(self):
        global LOADED
        LOADED = 42
@task
def run():
    Lazy().load()
    return LOADED
with Pymonik(workers=1):
    assert run.invoke().get() == 42
""",
    "a variable that a local class and a function share": """
def scope():
    n = 0
    class Counter:
        def up(self):
            nonlocal n
            n += 1
    def look(): return n
    return Counter, look
Counter, look = scope()
@task
def run():
    start = look()
    Counter().up()
    return look() - start
with Pymonik(workers=1):
    assert run.invoke().get() == 1
""",
}


@pytest.mark.parametrize("title", shortened(PROGRAMS, 8))
def test_in_a_script(run_script: Any, backend: str, title: str) -> None:
    done = run_script(HEAD + PROGRAMS[title], backend)
    assert done.returncode == 0, done.stderr
