"""Real scripts, unguarded, whose classes and globals live in `__main__`."""

from __future__ import annotations

from typing import Any

import pytest

MAIN_CLASSES = """
import dataclasses, enum
from typing import NamedTuple
from pymonik import Pymonik, task

class Base:
    kind = "base"
    def __init__(self, x): self.x = x
    def doubled(self): return type(self)(2 * self.x)

class Child(Base):
    kind = "child"
    def doubled(self): return super().doubled()

@dataclasses.dataclass
class Trade:
    strike: float
    owner: "Base"

class Side(enum.Enum):
    BUY = 1

class Point(NamedTuple):
    x: int

class Mine(Exception):
    pass

@task
def double(thing): return thing.doubled()

@task
def make(n): return [Child(n), Trade(1.5, Base(n)), Side.BUY, Point(n)]

@task
def check(things):
    return [isinstance(things[0], Child), isinstance(things[1], Trade), things[2] is Side.BUY,
            isinstance(things[3], Point), type(things[1].owner) is Base]

@task
def fail(): raise Mine("own error")

with Pymonik():
    child = double.invoke(Child(4)).get()
    print(isinstance(child, Child), type(child) is Child, child.x, child.kind)
    made = make.invoke(3).get()
    print(type(made[0]) is Child, type(made[1]) is Trade, made[2] is Side.BUY, made[3] == Point(3))
    print(type(made[1].owner) is Base, made[1] == Trade(1.5, made[1].owner))
    print(check.invoke(made).get(), check.invoke(make.invoke(5)).get())
    try:
        fail.invoke().get()
    except Mine as error:
        print("caught", error)
"""


def test_classes_of_the_script_are_the_users_own(run_script: Any, backend: str) -> None:
    done = run_script(MAIN_CLASSES, backend)
    assert done.stdout.splitlines() == [
        "True True 8 child",
        "True True True True",
        "True True",
        "[True, True, True, True, True] [True, True, True, True, True]",
        "caught own error",
    ], done.stderr


SLOTTED_CLASSES = """
import dataclasses
from pymonik import Pymonik, task

class Plain:
    __slots__ = ("x", "__hidden")
    def __init__(self, x): self.x = self.__hidden = x
    def same(self): return self.__hidden == self.x

class Single:
    __slots__ = "x"
    def __init__(self, x): self.x = x

class Wide(Plain):
    def __init__(self, x): super().__init__(x); self.extra = -x

@dataclasses.dataclass(slots=True)
class Data:
    x: int

@dataclasses.dataclass(slots=True, frozen=True)
class Frozen:
    x: int

@task
def make(kind, x): return kind(x)

@task
def back(thing): return thing

same = Plain.same
with Pymonik():
    for kind in (Plain, Single, Wide, Data, Frozen):
        made = make.invoke(kind, 3).get()
        again = back.invoke(made).get()
        print(type(made) is type(again) is kind, made.x, again.x, hasattr(made, "__dict__"))
    print(make.invoke(Plain, 4).get().same(), make.invoke(Wide, 4).get().extra, Plain.same is same)
"""


def test_classes_of_the_script_may_have_slots(run_script: Any, backend: str) -> None:
    done = run_script(SLOTTED_CLASSES, backend)
    assert done.stdout.splitlines() == [
        "True 3 3 False",
        "True 3 3 False",
        "True 3 3 True",
        "True 3 3 False",
        "True 3 3 False",
        "True -4 True",
    ], done.stderr


UNGUARDED = """
import os
print("imported")
from pymonik import Pymonik, Task, task
OFFSET = 3
add = lambda x: x + OFFSET
@task
def use(x):
    return add(x), os.path.basename(__file__), __name__
with Pymonik(workers=2):
    print(use.map_invoke([1, 2]).get())
    print(Task(lambda: OFFSET, func_name="offset").invoke().get())
"""


def test_a_script_needs_no_guard_and_is_not_imported_again(run_script: Any, backend: str) -> None:
    done = run_script(UNGUARDED, backend)
    assert done.stdout.splitlines() == [
        "imported",
        "[(4, 'script.py', '__main__'), (5, 'script.py', '__main__')]",
        "3",
    ], done.stderr


FILELESS = UNGUARDED.replace("os.path.basename(__file__)", "0")


@pytest.mark.parametrize("how", [("-",), ("-c", FILELESS)], ids=["stdin", "argument"])
def test_a_script_may_have_no_file(run_script: Any, backend: str, how: tuple[str, ...]) -> None:
    done = run_script(FILELESS, backend, how)
    assert done.stdout.splitlines()[1:] == ["[(4, 0, '__main__'), (5, 0, '__main__')]", "3"], (
        done.stderr
    )


OWN_MODULE = """
import sys, timeit
from importlib import import_module
from pymonik import Pymonik, task

RATE = 7
def add(x): return x + RATE

class Limits: most = 4

@task
def by_name(name): return getattr(sys.modules[__name__], "add")(1), import_module(name).add(2)

@task
def imported():
    import __main__
    from __main__ import Limits as limits
    return __main__.add(3), __main__.RATE, limits.most

@task
def timed(): return timeit.timeit("add(1)", "from __main__ import add", number=1) >= 0

with Pymonik():
    print(by_name.invoke(__name__).get(), imported.invoke().get(), timed.invoke().get())
    RATE = 8
    print(imported.invoke().get())
"""


GUESSED = """
import sys, threading
from pymonik import Pymonik, task

cache = {"lock": threading.Lock()}
class Net:
    cache = 1
    def modules(self): return [1, 2]

@task
def layers(net):
    "What cache is in __main__ is not meant."
    return len(net.modules()) + net.cache

@task
def own(net): return sys.modules[__name__].Net.cache + net.cache

with Pymonik():
    print(layers.invoke(Net()).get(), own.invoke(Net()).get())
"""


def test_what_only_has_the_name_of_a_variable_keeps_no_task_from_being_sent(
    run_script: Any, backend: str
) -> None:
    done = run_script(GUESSED, backend)
    assert done.stdout.splitlines() == ["3 2"], done.stderr


def test_tasks_find_what_they_name_of_the_script_in_its_module(
    run_script: Any, backend: str
) -> None:
    done = run_script(OWN_MODULE, backend)
    assert done.stdout.splitlines() == [
        "(8, 9) (10, 7, 4) True",
        "(11, 8, 4)",
    ], done.stderr


def test_modules_beside_the_script_travel_with_it(run_script: Any, backend: str) -> None:
    source = """
from pymonik import Pymonik, task
import helper
from helper import Box, tripled
@task
def use(x):
    import helper as again
    return helper.tripled(x), tripled(x), again.tripled(x), Box(x)
with Pymonik():
    *numbers, box = use.invoke(2).get()
    print(numbers, type(box) is Box, helper.named.invoke(4).get())
"""
    helper = """
from pymonik import task
class Box:
    def __init__(self, x): self.x = x
def tripled(x): return 3 * x
@task
def named(x): return tripled(x)
"""
    done = run_script(source, backend, helper__py=helper)
    assert done.stdout == "[6, 6, 6] True 12\n", done.stderr


def test_a_failed_task_ends_a_script_with_its_story(run_script: Any, backend: str) -> None:
    source = """
from pymonik import Pymonik, task
@task
def divide(a, b):
    return a / b
with Pymonik():
    divide.invoke(1, 0).get()
"""
    done = run_script(source, backend)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("ZeroDivisionError: division by zero")
    for part in ("TaskFailed", "'divide'", "script.py:7", "return a / b"):
        assert part in done.stderr


def test_a_client_never_closed_does_not_keep_the_script_alive(
    run_script: Any, backend: str
) -> None:
    source = """
from pymonik import Pymonik, task
@task
def add(a, b):
    return a + b
client = Pymonik()
client.create()
print(add.invoke(1, 2).get())
"""
    done = run_script(source, backend)
    assert (done.stdout, done.returncode) == ("3\n", 0), done.stderr


def test_a_script_may_end_inside_the_block(run_script: Any, backend: str) -> None:
    source = """
import sys
from pymonik import Pymonik, task
@task
def add(a, b):
    return a + b
with Pymonik():
    print(add.invoke(1, 2).get())
    sys.exit(7)
"""
    done = run_script(source, backend)
    assert (done.stdout, done.returncode) == ("3\n", 7), done.stderr


def test_a_dry_run_counts_and_runs_nothing(run_script: Any, tmp_path: Any) -> None:
    mark = tmp_path / "mark"
    source = f"""
from pymonik import Pymonik, task
@task
def touch(i):
    open({str(mark)!r}, "a").close()
    return i
with Pymonik() as client:
    handles = touch.map_invoke(range(10))
    print("before")
    handles.get()
    print("after")
"""
    done = run_script(source, "dry-run")
    assert (done.stdout, done.returncode) == ("before\n", 0), done.stderr
    assert not mark.exists()
    assert "Traceback" not in done.stderr


def test_stdout_of_the_script_is_only_its_own(run_script: Any, backend: str) -> None:
    source = """
from pymonik import Pymonik, task
@task
def add(a, b):
    return a + b
with Pymonik():
    print(add.invoke(1, 2).get())
"""
    done = run_script(source, backend)
    assert (done.stdout, done.returncode) == ("3\n", 0)
    assert done.stderr == ""
