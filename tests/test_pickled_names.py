"""What is pickled has a stable address: ours are public names, and those of `pymonik._pickled`."""

from __future__ import annotations

import pickletools
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from pymonik import _pickled

from .conftest import script_environment

# A script that freezes all kinds of things, and prints the names of ours that stand in the pickles.
SCRIPT = """
import abc, contextvars, ctypes, enum, functools, sys, threading, types, weakref
from typing import NewType
import numpy
from pymonik import Pymonik, TaskOptions, get_context, materialize, task
from pymonik.errors import TaskFailed
from pymonik.capture import freeze
from pymonik.record import builtin_tasks
from pymonik.values.content import Content
from pymonik.values.exceptions import packed
from pymonik.values.options import ExceptionTypes

VARIABLE = contextvars.ContextVar("variable", default=1)
COUNT = 0
LOCK = threading.Lock()

class Base(abc.ABC):
    @functools.cached_property
    def cached(self): return VARIABLE.get()
    @functools.singledispatchmethod
    def by_kind(self, value): return value
    def count(self):
        with LOCK: return COUNT

class Color(enum.Enum):
    RED = 1

class Setting(dict, enum.Enum):
    FAST = {"steps": 1}

class Answering:
    def __init__(self): self.held = {}
    def __getattr__(self, name): return self.held[name]
    def own(self): return 1

ANSWERING = Answering()
ALIVE = Base()
VECTOR = numpy.ones(3)

class Labelled(numpy.ndarray): pass

LABELLED = numpy.array([None]).view(Labelled)
LABELLED.label = "own"

class Named(set):
    def __init__(self, name): self.name = name

class Point(tuple):
    def __new__(cls, x, y): return super().__new__(cls, (x, y))

class Upper(dict):
    def __setitem__(self, key, value): super().__setitem__(key.upper(), value)


class Odd(Exception):
    def __init__(self, first, second):
        super().__init__(first)
        self.second = second

@functools.lru_cache
def remembered(x): return x

@functools.singledispatch
def dispatching(x): return x
@dispatching.register
def _(x: int): return -x

@task(environment={"env_variables": {"A": "1"}}, retry_on=ValueError)
def plain(x): return x

def helper(x):
    global COUNT
    COUNT += 1
    get_context()
    return remembered(x), dispatching(x), Base, Color.RED, Setting.FAST, plain

def scope():
    shared = 1
    class Inner:
        def bump(self):
            nonlocal shared
            shared += 1
        def look(self): return shared
    return Inner

sys.modules["made_here"] = made = types.ModuleType("made_here")
made.x = 1
open("local_one.py", "w").write("def local(): return 1\\n")
import local_one

with Pymonik(backend="inline") as client:
    def names_of(thing):
        data, raw, _ = freeze.freeze(thing, files=True)
        yield data
        for view in raw:
            yield bytes(view)
    handle = client.put(1)
    things = [helper, Base(), Color.RED, Setting.FAST, Odd(1, 2), scope()(), handle, client,
              plain, made,
              type(plain)(helper),
              type(plain.environment),
              local_one.local, memoryview(b"abcdefgh").cast("i"), TaskOptions(priority=1),
              ExceptionTypes((), Content(b"N.")), TaskFailed, remembered, dispatching,
              materialize("local_one.py", "there.py"), numpy.ma.ones(1000),
              numpy.ma.masked_all(1000),
              numpy.ones((2, 1000))[:, ::2], NewType("Id", int), ctypes.POINTER(ctypes.c_int),
              LABELLED,
              [VECTOR, VECTOR[:2]], Named(1), Upper(a=1), Point(1, 2),
              ANSWERING, ANSWERING.own,
              weakref.proxy(set()), weakref.ref(set()), weakref.WeakMethod(ANSWERING.own),
              weakref.proxy(ALIVE), weakref.ref(ALIVE), weakref.WeakSet([Base]),
              weakref.WeakValueDictionary(alive=ALIVE)]
    for name in ("call", "call_in", "call_row", "call_row_in", "call_whole", "call_whole_in",
                 "identity", "unpacked"):
        things.append(getattr(builtin_tasks, name))
    if sys.version_info >= (3, 12):
        exec("type Listed[T] = list[T]")
        things.append(Listed)
    pickles = [data for thing in things for data in names_of(thing)]
    from pymonik.files.materialize import Placing
    pickles += names_of(Placing(materialize("local_one.py", "there.py")))
    try:
        raise Odd(1, 2) from ValueError(threading.Lock())
    except Odd as error:
        content, _ = packed(error, freeze.freeze)
        pickles += [content.data, *map(bytes, (b for b in content.buffers))]

from tests.test_pickled_names import globals_in
found = set()
for data in pickles:
    found |= globals_in(data)
print("\\n".join(sorted(name for name in found if name.startswith("pymonik"))))
"""
PUBLIC = {
    "pymonik.Task",
    "pymonik.TaskOptions",
    "pymonik.get_context",
    "pymonik.errors.TaskFailed",
}

# Of what has its syntax since Python 3.12.
LAZY = {"fill_lazy_name", "new_lazy_name", "type_parameter"}


def globals_in(data: bytes) -> set[str]:
    """Return the names, "module.name", of a pickle, and of those that it holds as bytes."""
    found: set[str] = set()
    if data.startswith(b"PYMKDEF\1"):
        data = data[8:]
    if not data.startswith(b"\x80\x05"):
        return found
    texts: list[str] = []
    memo: list[str] = []
    for op, argument, _ in pickletools.genops(data):
        if isinstance(argument, bytes):
            found |= globals_in(argument)
        elif "UNICODE" in op.name:
            texts.append(str(argument))
        elif op.name == "MEMOIZE":
            memo.append(texts[-1] if texts else "")
        elif op.name in ("BINGET", "LONG_BINGET"):
            texts.append(memo[int(str(argument))])
        elif op.name == "STACK_GLOBAL":
            found.add(".".join(texts[-2:]))
    return found


def test_names_of_ours_in_pickles_are_public_or_in_one_module(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)],
        env=script_environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lazy = LAZY if sys.version_info < (3, 12) else set()
    expected = {f"pymonik._pickled.{name}" for name in _pickled.HOMES if name not in lazy}
    assert set(done.stdout.split()) == expected | PUBLIC


@pytest.mark.parametrize("name", _pickled.HOMES)
def test_a_name_is_found_at_its_address(name: str) -> None:
    thing = getattr(_pickled, name)
    assert (thing.__module__, thing.__qualname__) == ("pymonik._pickled", name)
    assert getattr(import_module(_pickled.HOMES[name]), name) is thing


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _pickled.no_such_name  # noqa: B018
