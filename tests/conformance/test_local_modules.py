"""Modules that lie beside the script work in tasks, wherever those run.

The workers of the emulator have never seen the scripts' folder. Each program runs as a real script.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PATIENCE, script_environment

PACKAGE = {
    "shapes/__init__.py": "from .area import area\nfrom . import units\nSIDES = 4\n",
    "shapes/area.py": "from . import units\ndef area(a, b): return units.scaled(a * b)\n",
    "shapes/units.py": "FACTOR = 10\ndef scaled(x): return FACTOR * x\n",
    "shapes/deep/__init__.py": "",
    "shapes/deep/well.py": "from .. import SIDES\nfrom ..units import FACTOR\n"
    "def both(): return SIDES, FACTOR\n",
}
KINDS = {
    "kinds.py": """
import dataclasses, enum, functools, threading, typing
LOCK = threading.Lock()
LIMIT = 7
class Colour(enum.Enum):
    RED = 1
    BLUE = 2
@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: int = 0
    def moved(self): return Point(self.x + 1, self.y)
class Pair(typing.NamedTuple):
    a: int
    b: int
class Odd(ValueError):
    pass
@functools.singledispatch
def named(x): return "thing"
@named.register
def _(x: int): return "number"
def guarded(x):
    with LOCK:
        return x + LIMIT
count = 0
def counted():
    global count
    count += 1
    return count
"""
}


def run(home: Path, backend: str, request: Any, source: str, files: dict[str, str], **more: str
) -> list[str]:  # fmt: skip
    """Write a script and what lies beside it, run it there, and give its lines."""
    import subprocess
    import sys

    for name, text in {"script.py": source, **files}.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    steering = {"PYMONIK_BACKEND": backend, "PYMONIK_WORKERS": "1"}
    if backend == "emulator":
        target = request.getfixturevalue("target_cluster")
        steering |= {"PYMONIK_BACKEND": "armonik", "PYMONIK_ENDPOINT": target.endpoint}
        steering["PYMONIK_PARTITION"] = target.partition
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=home,
        env=script_environment(**steering, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def script(tmp_path: Path, backend: str, request: Any) -> Any:
    def start(source: str, files: dict[str, str], **more: str) -> list[str]:
        return run(tmp_path, backend, request, source, files, **more)

    return start


HEAD = "from pymonik import Pymonik, Task, task\n"


def test_a_module_object_and_a_package_with_submodules(script: Any) -> None:
    source = (
        HEAD
        + """
import shapes, shapes.deep.well
from shapes import units as u
@task
def use(a, b):
    return shapes.area(a, b), shapes.deep.well.both(), u.FACTOR, shapes.units is u
with Pymonik():
    print(use.invoke(2, 3).get())
"""
    )
    assert script(source, PACKAGE) == ["(60, (4, 10), 10, True)"]


def test_imports_within_the_body_of_a_function(script: Any) -> None:
    source = (
        HEAD
        + """
import sys
@task
def use(a, b):
    import shapes.deep.well
    from shapes import area as f
    from shapes.units import FACTOR
    return f(a, b), shapes.deep.well.both(), FACTOR
with Pymonik() as client:
    if client.parts.engine.backend.traits.name != "inline":
        assert "shapes" not in sys.modules
    print(use.invoke(2, 3).get())
    if client.parts.engine.backend.traits.name != "inline":
        assert "shapes" not in sys.modules, "looked at, not imported"
"""
    )
    assert script(source, PACKAGE) == ["(60, (4, 10), 10)"]


def test_modules_that_import_each_other(script: Any) -> None:
    files = {
        "even.py": "import odd\ndef is_even(n): return n == 0 or odd.is_odd(n - 1)\n",
        "odd.py": "import even\ndef is_odd(n): return n != 0 and even.is_even(n - 1)\n",
    }
    source = (
        HEAD
        + """
import even
from odd import is_odd
with Pymonik():
    print(Task(lambda n: (even.is_even(n), is_odd(n)), func_name="f").invoke(7).get())
"""
    )
    assert script(source, files) == ["(False, True)"]


def test_classes_are_the_users_own_there_and_back(script: Any) -> None:
    source = (
        HEAD
        + """
import kinds
from kinds import Point, Colour, Pair, Odd
@task
def look(p, c, pair):
    here = type(p) is kinds.Point is Point, c is kinds.Colour.RED, kinds.Colour is Colour
    return here, p.moved(), kinds.Colour(2), kinds.Pair(*pair)
@task
def fails():
    raise kinds.Odd("odd")
with Pymonik():
    here, p, c, pair = look.invoke(Point(1), Colour.RED, Pair(1, 2)).get()
    print(here)
    print(type(p) is Point, p, c is Colour.BLUE, type(pair) is Pair, pair)
    try:
        fails.invoke().get()
    except Odd as error:
        print("Odd", error)
"""
    )
    assert script(source, KINDS) == [
        "(True, True, True)",
        "True Point(x=2, y=0) True True Pair(a=1, b=2)",
        "Odd odd",
    ]


def test_what_cannot_be_pickled_is_made_where_it_is_needed(script: Any) -> None:
    source = (
        HEAD
        + """
import kinds
@task
def use(x):
    return kinds.guarded(x), kinds.named(x), kinds.named("x")
with Pymonik():
    print(use.invoke(3).get())
"""
    )
    assert script(source, KINDS) == ["(10, 'number', 'thing')"]


def test_a_module_keeps_its_state_and_its_functions_are_one(script: Any) -> None:
    source = (
        HEAD
        + """
import kinds
from kinds import counted
@task
def use():
    before = kinds.count
    counted(); kinds.counted()
    return kinds.count - before, counted is kinds.counted
with Pymonik():
    print(use.invoke().get())
"""
    )
    assert script(source, KINDS) == ["(2, True)"]


def test_what_the_script_sets_in_a_module_holds_for_its_tasks(script: Any) -> None:
    files = {"config.py": "N = 1\nNAMES = ['a']\ndef n(): return N\n"}
    source = (
        HEAD
        + """
import config
@task
def use():
    return config.N, config.n(), config.NAMES
with Pymonik() as client:
    config.N = 2
    config.NAMES.append("b")
    first = use.invoke()
    first.wait()
    config.N = 3
    print(first.get(), use.invoke().get())
"""
    )
    assert script(source, files) == ["(2, 2, ['a', 'b']) (3, 3, ['a', 'b'])"]


SETTINGS = """
import threading
from enum import Enum
from typing import NamedTuple

rate = 1
debug: bool = False
lock = threading.Lock()
is_open, handle = False, None
connected = False
connection = None

class Row(NamedTuple):
    n: int = 1

class Kind(Enum):
    ONE = 1

hook = None

class Config:
    rate = rate
    names = ("a",)

    def doubled(self):
        return 2 * self.rate

def configure(new_rate):
    global rate, debug
    rate, debug = new_rate, True

def connect():
    global connected, connection
    connected, connection = True, threading.Lock()

def current():
    return rate, debug, connected, connection is not None
"""


def test_what_functions_of_a_module_set_holds_for_tasks(script: Any, backend: str) -> None:
    source = (
        HEAD
        + """
import settings
@task
def use():
    return settings.current()
with Pymonik() as client:
    before = use.invoke().get()
    settings.configure(5)
    between = use.invoke().get()
    settings.connect()  # what it has made stays here, and so does that it was made
    print(before, between, use.invoke().get(), settings.current())
"""
    )
    told = ["(1, False, False, False)", "(5, True, False, False)"]
    here = "(5, True, True, True)"  # the inline engine uses the module itself
    told += [here if backend == "inline" else told[1], here]
    assert script(source, {"settings.py": SETTINGS}) == [" ".join(told)]


def test_classes_of_a_module_that_are_changed_in_place(script: Any) -> None:
    source = (
        HEAD
        + """
import settings
from settings import Config
@task
def by_class():
    return Config().doubled(), Config.names
@task
def others():
    is_one = settings.Kind(1) is settings.Kind.ONE
    return settings.Row().n, is_one, settings.hook and settings.hook()
@task
def by_module(config):
    return settings.Config().doubled(), settings.Config.names, type(config) is settings.Config
with Pymonik() as client:
    shown = []
    def show():
        shown.append(by_class.invoke().get())
        assert by_module.invoke(Config()).get() == (*shown[-1], True)
        assert shown[-1] == by_class.func()
    show()
    Config.rate = 5
    show()
    Config.names = ("a", "b")
    show()
    Config.doubled = lambda self: -self.rate
    show()
    assert others.invoke().get() == (1, True, None)
    settings.hook = Config().doubled
    assert others.invoke().get() == (1, True, -5)
    print(*shown)
"""
    )
    told = "(2, ('a',)) (10, ('a',)) (10, ('a', 'b')) (-5, ('a', 'b'))"
    assert script(source, {"settings.py": SETTINGS}) == [told]


def test_functions_and_classes_that_are_replaced_in_a_module(script: Any, backend: str) -> None:
    source = (
        HEAD
        + """
import warnings
from unittest import mock
import settings
@task
def use():
    return settings.current(), settings.Config().doubled()
class Other:
    def doubled(self): return "other"
class Held:
    def __call__(self): return "held"
    def __reduce__(self): raise TypeError("it stays here")
with Pymonik() as client:
    with mock.patch.object(settings, "current", lambda: "patched"):
        first = use.invoke().get()
        with mock.patch.object(settings, "Config", Other):
            second = use.invoke().get()
    third = use.invoke().get()
    with mock.patch("settings.current", Held()), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fourth = use.invoke().get()
    assert "settings.current was replaced by <__main__.Held" in str(told[0].message), told
    print(first, second, fourth == (("held", 2) if IS_INLINE else third))
"""
    ).replace("IS_INLINE", str(backend == "inline"))
    assert script(source, {"settings.py": SETTINGS}) == ["('patched', 2) ('patched', 'other') True"]


def test_functions_and_classes_of_the_script_see_modules_as_they_are(script: Any) -> None:
    source = (
        HEAD
        + """
import settings
class Shop:
    def rate(self): return settings.RATE
def rate(): return settings.RATE
@task
def both(f, shop): return f(), shop.rate()
with Pymonik() as client:
    for settings.RATE in (1, 2, 1, 3):
        print(both.invoke(rate, Shop()).get())
"""
    )
    lines = script(source, {"settings.py": "RATE = 0\n"})
    assert lines == ["(1, 1)", "(2, 2)", "(1, 1)", "(3, 3)"]


def test_what_was_imported_before_a_module_was_loaded_again_stays(script: Any) -> None:
    files = {"shapes.py": "N = 1\nclass Shape:\n    def area(self): return N\n"}
    source = (
        HEAD
        + """
import importlib, os, shapes
from shapes import Shape
@task
def areas(): return Shape().area(), shapes.Shape().area()
@task
def area(shape): return shape.area(), type(shape) is shapes.Shape
with Pymonik() as client:
    assert areas.invoke().get() == (1, 1)
    with open(shapes.__file__, "w") as file:
        file.write("N = 2\\nclass Shape:\\n    def area(self): return -N\\n")
    os.utime(shapes.__file__, (2e9, 2e9))
    importlib.reload(shapes)
    assert areas.invoke().get() == areas() == (2, -2), areas.invoke().get()
    print([area.invoke(shape).get() for shape in (Shape(), shapes.Shape())])
"""
    )
    assert script(source, files) == ["[(2, False), (-2, True)]"]


def test_files_beside_a_module_are_found_by_it(script: Any, backend: str) -> None:
    files = {
        "pack/__init__.py": "",
        "pack/data.txt": "hello",
        "pack/reads.py": "import importlib.resources\n"
        "def read(): return (importlib.resources.files('pack') / 'data.txt').read_text()\n",
    }
    source = (
        HEAD
        + """
import pack.reads
@task
def use(): return pack.reads.read()
with Pymonik() as client:
    print(use.invoke().get())
"""
    )
    assert script(source, files) == ["hello"]  # on the emulator, they lie on the same machine


def test_tasks_of_a_module_and_their_sub_tasks(script: Any) -> None:
    files = {
        **PACKAGE,
        "jobs.py": """
from pymonik import task
import shapes
@task
def leaf(x):
    return shapes.area(x, 1)
@task
def tree(n):
    import kinds
    return total.invoke([leaf.invoke(i) for i in range(n)])
@task
def total(values):
    import kinds
    return sum(values), kinds.Colour.RED.name
""",
        **KINDS,
    }
    source = (
        HEAD
        + """
import jobs
from jobs import leaf
with Pymonik():
    print(jobs.tree.invoke(4).get(), leaf.map_invoke([1, 2]).get())
"""
    )
    assert script(source, files) == ["(60, 'RED') [10, 20]"]


RELOADED = (
    HEAD
    + """
import importlib, pathlib, sys
sys.dont_write_bytecode = True
import model, parts
from model import Kind
@task
def use():
    return model.answer(), parts.PART
@task
def late():
    import unseen
    return unseen.VALUE
def write(name, text):
    pathlib.Path(name).write_text(text)
    importlib.invalidate_caches()
with Pymonik() as client:
    first, lazy = use.invoke(), late.invoke()
    print(first.get(), lazy.get())
    write("parts.py", "PART = 'changed'  # and longer\\n")
    importlib.reload(parts)
    write("unseen.py", "VALUE = 'changed'\\n")
    second, lazy = use.invoke(), late.invoke()
    print(second.get(), first.get())
    # What is imported here stays imported here.
    if client.parts.engine.name != "inline":
        assert lazy.get() == "changed"
    write("model.py", "import parts\\nclass Kind: pass\\ndef answer(): return Kind, 'new'\\n")
    importlib.reload(model)
    kind, word = use.invoke().get()[0]
    print(kind is model.Kind, kind is Kind, word)
"""
)


def test_a_module_that_was_edited_and_loaded_again_is_noticed(script: Any) -> None:
    files = {
        "model.py": "import parts\nclass Kind: pass\ndef answer(): return parts.PART\n",
        "parts.py": "PART = 'first'\n",
        "unseen.py": "VALUE = 'first'\n",
    }
    assert script(RELOADED, files) == [
        "('first', 'first') first",
        "('changed', 'changed') ('first', 'first')",
        "True False new",
    ]


def test_what_was_edited_and_not_loaded_again_stays_as_it_is_here(script: Any) -> None:
    source = (
        HEAD
        + """
import pathlib
import model
first = Task(lambda: model.VALUE.upper(), func_name="first")
second = Task(lambda: model.VALUE.lower(), func_name="second")
with Pymonik():
    print(first.invoke().get())
    pathlib.Path("model.py").write_text("VALUE = str('another')\\n")
    print(second.invoke().get(), model.VALUE)
"""
    )
    files = {"model.py": "VALUE = str('One')\n"}
    assert script(source, files) == ["ONE", "one One"]


def test_another_run_sees_the_file_as_it_is_then(script: Any) -> None:
    source = (
        HEAD
        + """
import model
@task
def use():
    import model as again
    return model.VALUE, again.VALUE
with Pymonik():
    print(use.invoke().get())
"""
    )
    assert script(source, {"model.py": "VALUE = 1\n"}) == ["(1, 1)"]
    assert script(source, {"model.py": "VALUE = 2 + 0\n"}) == ["(2, 2)"]


def test_a_folder_that_the_script_puts_on_the_path_counts_as_beside_it(
    script: Any, tmp_path: Path
) -> None:
    """What is edited there and loaded again, or replaced, would stay as it was in executors."""
    source = (
        HEAD
        + f"""
import importlib, os, sys
sys.path.insert(0, {str(tmp_path / "sources")!r})
import elsewhere
@task
def use():
    return elsewhere.value(), elsewhere.FACTOR
with Pymonik():
    print(use.invoke().get())
    with open(elsewhere.__file__) as file:
        text = file.read()
    with open(elsewhere.__file__, "w") as file:
        file.write(text.replace("FACTOR = 1", "FACTOR = 200"))
    importlib.invalidate_caches()
    os.utime(elsewhere.__file__, (1, 1))
    importlib.reload(elsewhere)
    print(use.invoke().get())
    elsewhere.FACTOR = 3
    print(use.invoke().get())
"""
    )
    (tmp_path / "sources").mkdir()
    text = "FACTOR = 1\ndef value():\n    return FACTOR + 1\n"
    (tmp_path / "sources" / "elsewhere.py").write_text(text)
    assert script(source, {}) == ["(2, 1)", "(201, 200)", "(4, 3)"]


def test_what_another_python_reads_and_data_beside_a_module_are_no_trouble(script: Any) -> None:
    source = (
        HEAD
        + """
import old
@task
def use():
    return old.value()
with Pymonik():
    print(use.invoke().get())
"""
    )
    init = """
import pkgutil, sys
if sys.version_info[0] == 2:
    from . import two
def value():
    return pkgutil.get_data("old", "__init__.py")[:7]
"""
    files = {"old/__init__.py": init, "old/two.py": "print 'two'\n"}
    assert script(source, files) == ["b'\\nimport'"]


def test_a_module_imported_by_its_name_travels_and_is_part_of_the_key(
    script: Any, tmp_path: Path
) -> None:
    source = (
        HEAD
        + """
import importlib
@task(pure=True, cache=True)
def use():
    return importlib.import_module("shapes.units").FACTOR, __import__("model").VALUE
with Pymonik():
    print(use.invoke().get())
"""
    )
    for value in (1, 2, 1):
        files = {**PACKAGE, "model.py": f"VALUE = {value}\n# {value * 'x'}\n"}
        shown = script(source, files, PYMONIK_VALUES_FOLDER=str(tmp_path / "values"))
        assert shown == [f"(10, {value})"]


NAMED = (
    HEAD
    + """
import sys
sys.path.insert(0, {outside!r})
@task
def use():
    import importlib
    return importlib.import_module("outer").VALUE, importlib.import_module("outer.inner").VALUE
with Pymonik():
    print(use.invoke().get())
"""
)


def test_a_setting_names_modules_that_are_not_seen_or_lie_elsewhere(
    script: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("elsewhere")
    (outside / "outer").mkdir()
    (outside / "outer" / "__init__.py").write_text("VALUE = 1\n")
    (outside / "outer" / "inner.py").write_text("VALUE = 2\n")
    source = NAMED.format(outside=str(outside))
    assert script(source, {}, PYMONIK_LOCAL_MODULES="outer, -kinds") == ["(1, 2)"]


@pytest.mark.asynchronous
def test_a_setting_leaves_modules_out(script: Any, backend: str) -> None:
    if backend != "emulator":
        pytest.skip("this machine has the file itself")
    source = (
        HEAD
        + """
import kinds
@task
def use():
    return kinds.LIMIT
with Pymonik():
    print(type(use.invoke().exception()).__name__)
"""
    )
    assert script(source, KINDS, PYMONIK_LOCAL_MODULES="-kinds") == ["ModuleNotFoundError"]


def test_a_traceback_shows_lines_of_the_module(script: Any) -> None:
    files = {"model.py": "def fails(x):\n    return 1 / x  # the culprit\n"}
    source = (
        HEAD
        + """
import model
@task
def use():
    return model.fails(0)
with Pymonik():
    story = use.invoke().exception().__cause__
    print("the culprit" in story.traceback, "model.py" in story.traceback)
"""
    )
    assert script(source, files) == ["True True"]


def test_what_needs_no_module_carries_none(script: Any) -> None:
    source = (
        HEAD
        + """
from kinds import Point
@task
def use(p):
    return p.moved()
with Pymonik() as client:
    handle = use.invoke(Point(1))
    print([unit.modules for unit in client.plan().units], type(handle.get()) is Point)
"""
    )
    assert script(source, KINDS) == ["[None] True"]


OWN = {
    "own.py": """
class Missing: pass
MISSING = Missing()
class Base:
    rate = 1
class Upper(dict):
    def __init__(self, end): self.end = end
    def __setitem__(self, key, value): super().__setitem__(key.upper() + self.end, value)
class Pair(tuple):
    def __new__(cls, a, b): return super().__new__(cls, (a, b))
"""
}


def test_sentinels_and_containers_of_a_module_come_back_as_they_were(script: Any) -> None:
    # Also once the module itself travels, with what the program has set in it.
    source = (
        HEAD
        + """
import own
echo = Task(lambda x: x, func_name="echo")
rate = Task(lambda base: (own.Base is base, base.rate), func_name="rate")
upper = own.Upper("!")
upper["a"] = 1
with Pymonik():
    for number in (1, 2):
        own.Base.rate = number
        print(rate.invoke(own.Base).get(), echo.invoke(own.MISSING).get() is own.MISSING)
        print(echo.invoke(upper).get() == upper, echo.invoke(own.Pair(1, 2)).get())
"""
    )
    lines = [f"(True, {number}) True\nTrue (1, 2)" for number in (1, 2)]
    assert "\n".join(script(source, OWN)) == "\n".join(lines)
