"""Values as texts: equal ones in every run for equal values, different ones for all others."""

from __future__ import annotations

import subprocess
import sys
from collections import OrderedDict, defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NewType, TypeVar

import pytest

from pymonik.capture.text.canonical_text import text
from pymonik.capture.text.fingerprint import fingerprint
from tests.conftest import script_environment

ROOT = Path(__file__).parents[2]

NODE = """
class Node:
    def __init__(self, value, next=None):
        self.value, self.next = value, next

def chain(length, last):
    node = Node(last)
    for number in range(length):
        node = Node(number, node)
    return node

def ring(length, value):
    first = last = Node(value)
    for number in range(length):
        first = Node(number, first)
    last.next = first
    return first
"""


def script(source: str, **given: Any) -> SimpleNamespace:
    """Run a script: what it defines travels by value."""
    names = {"__name__": "__main__", **given}
    exec(source, names)
    return SimpleNamespace(**names)


def differ(source: str, one: str, other: str, *changes: tuple[str, str]) -> bool:
    """Compare two expressions of a script, or one of the script and of a changed one."""
    changed = source
    for old, new in changes:
        assert old in changed
        changed = changed.replace(old, new)
    first = script(f"{source}\nvalue = {one}").value
    assert text(first) == text(script(f"{source}\nvalue = {one}").value)
    return text(first) != text(script(f"{changed}\nvalue = {other}").value)


TAGGED = """
import numpy as np

class Tagged(np.ndarray):
    pass

def tagged(tag):
    made = np.ones(2).view(Tagged)
    made.tag = tag
    return made
"""
ARRAYS = [
    "np.ma.masked_array([1, 2], [True, False], hard_mask={} == 1)",
    "np.ma.masked_array([1, 2], False if {} == 1 else np.ma.nomask)",
    "tagged({})",
    "np.ones(6).reshape((2, 3) if {} == 1 else (3, 2))",
]


@pytest.mark.parametrize("made", ARRAYS)
def test_arrays_differ_by_what_a_task_may_compute_with(made: str) -> None:
    assert differ(TAGGED, made.format(1), made.format(2))


@pytest.mark.parametrize("made", ["chain(1, {})", "chain(20, {})", "ring(5, {})"])
def test_objects_differ_however_deep_the_difference(made: str) -> None:
    assert differ(NODE, made.format(1), made.format(2))


@pytest.mark.parametrize("depth", [1, 20, 400])
def test_nested_lists_differ_at_any_depth(depth: int) -> None:
    def nested(value: int) -> Any:
        for _ in range(depth):
            value = [value]  # type: ignore[assignment]
        return value

    assert text(nested(1)) == text(nested(1))
    assert text(nested(1)) != text(nested(2))


@pytest.mark.parametrize(
    ("source", "one", "other"),
    [
        ("class L(list): pass\ndef l(t):\n    x = L([1]); x.t = t; return x", "l(1)", "l(2)"),
        ("class L(list): pass", "L([1])", "L([2])"),
        ("class D(dict): pass", "D(a=1)", "D(a=2)"),
        ("class S:\n    __slots__ = ('a',)\n    def __init__(self, a): self.a = a", "S(1)", "S(2)"),
        ("class T(str): pass", "T('a')", "T('b')"),
        ("f, g = lambda x: x + 1, lambda x: x + 2", "[f, g, f]", "[f, g, g]"),
        (
            "class A:\n    def m(self, x): return x\n    def n(self, x): return x + 1",
            "A().m",
            "A().n",
        ),
    ],
)
def test_what_a_pickle_tells_apart_is_told_apart(source: str, one: str, other: str) -> None:
    assert differ(source, one, other)


@pytest.mark.parametrize(
    ("source", "value", "old", "new"),
    [
        ("class M:\n    RATE = 1\n    def f(self): return self.RATE", "M()", "= 1", "= 2"),
        ("class M:\n    RATE = 1", "M", "= 1", "= 2"),
        ("import enum\nclass C(enum.Enum):\n    A = 1", "C.A", "= 1", "= 2"),
        ("import enum\nclass C(enum.Enum):\n    A = 1\n    B = 7", "C.A", "= 7", "= 2"),
        ("def h(x): return x + 1\ng = lambda x: h(x)", "g", "x + 1", "x + 2"),
        ("def h(x): return x + 1\nclass M:\n    def f(self): return h(1)", "M()", "x + 1", "x + 2"),
        ("import functools\n@functools.lru_cache\ndef h(x): return 1", "h", "return 1", "return 2"),
        ("import functools\ndef h(x): return 1", "functools.partial(h, 1)", "return 1", "return 2"),
    ],
)
def test_a_change_of_what_travels_along_is_seen(
    source: str, value: str, old: str, new: str
) -> None:
    assert differ(source, value, value, (old, new))


def test_containers_of_the_library_are_told_apart() -> None:
    assert text(defaultdict(int, a=1)) != text(defaultdict(list, a=1))
    assert text(OrderedDict(a=1)) != text(OrderedDict(a=2))
    assert text([1]) != text((1,))


def test_what_shares_and_what_is_merely_equal_are_constants_alike() -> None:
    pair = (1, 2)
    assert text([pair, pair]) == text([(1, 2), tuple(range(1, 3))])


def test_two_helpers_of_one_name_both_count() -> None:
    source = "def make(n):\n    def helper(x): return x * n\n    return helper\n"
    source += "f, g = make(1), make(2)\ndef task(x): return f(x) + g(x)\n"
    assert fingerprint(script(source).task) == fingerprint(script(source).task)
    changed = source.replace("make(2)", "make(3)")
    assert fingerprint(script(source).task) != fingerprint(script(changed).task)


def test_texts_of_sets_are_the_same_in_every_run() -> None:
    program = (
        "from pymonik.values.content import Content; import pickle\n"
        "from pymonik.capture.text.fingerprint import content_digest\n"
        "value = [frozenset('abcdef'), {'k': {'x', 'y', 'zz'}}]\n"
        "print(content_digest(Content(pickle.dumps(value, protocol=5))))\n"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**script_environment(), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("total", "sum_of_all"),
        ("helper", "aid"),
        ("inner", "within"),
        ("count", "counted"),
        ('"""Add."""', '"""Sum."""'),
    ],
)
def test_what_functions_and_locals_are_called_counts_for_nothing(old: str, new: str) -> None:
    source = (
        "def helper(x):\n    count = x + 1\n    def inner(y): return y * count\n"
        "    return [inner(z) for z in range(count)]\n"
        'def total(x):\n    """Add."""\n    return total(x - 1) if x else sum(helper(x))\n'
    )
    name = new if old == "total" else "total"
    changed = getattr(script(source.replace(old, new)), name)
    assert fingerprint(changed) == fingerprint(script(source).total)


@pytest.mark.parametrize(
    "looks",
    [
        "helper.__name__",
        "getattr(helper, '__name__')",
        "'{0.__qualname__}'.format(helper)",
        "f'{helper.__name__}'",
        "helper, sorted(globals())",
        "numpy.vectorize(helper)",
    ],
)
def test_names_count_where_something_may_look_at_them(looks: str) -> None:
    source = f"import numpy\ndef helper(x): return x\ndef task(x): return {looks}\n"
    changed = source.replace("def helper(x)", "def aid(x)").replace("helper", "aid")
    assert fingerprint(script(source).task) != fingerprint(script(changed).task)


TWO = """
import functools
def filter(k):
    def g(x, m=k): return x > k
    g.note = k
    return g
class Meta(type):
    def __call__(cls): return cls.__k__
def make(k):
    class A(metaclass=Meta):
        __k__ = k
        @property
        def p(self): return k
    return A
low, high = filter(1), filter(9)
P, Q = make(1), make(9)
p, q = functools.partial(filter, 1), functools.partial(filter, 9)
def task(x): return ONE(x), OTHER(x)
"""


@pytest.mark.parametrize(("one", "other"), [("low", "high"), ("P", "Q"), ("p", "q")])
def test_what_changes_places_is_seen(one: str, other: str) -> None:
    source = TWO.replace("ONE", one).replace("OTHER", other)
    for pair in ((f"{one}, {other} =", f"{other}, {one} ="), ("9", "8")):
        changed = source.replace(*pair)
        if changed != source:
            assert fingerprint(script(source).task) != fingerprint(script(changed).task)
    assert fingerprint(script(source).task) == fingerprint(script(source).task)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *[("0.0", "-0.0"), ("1", "True"), ("1", "1.0"), ("'a'", "b'a'"), ("(1, 2)", "[1, 2]")],
        *[("{1: 2, 3: 4}", "{3: 4, 1: 2}"), ("'x' * 5000", "'y' * 5000"), ("len", "max")],
        *[("10 ** 5000", "10 ** 5001"), ("float('nan')", "float('inf')")],
        ("math.sqrt", "cmath.sqrt"),
        *[("[].append", "{}.get"), ("list(range(100))", "list(range(99)) + [99.0]")],
        *[("bytearray(b'a')", "bytearray(b'b')"), ("re.compile('a')", "re.compile('a', re.I)")],
        *[("str.upper", "str.lower"), ("numpy.arange(9)", "numpy.arange(9.0)")],
        ("numpy.add", "numpy.subtract"),
    ],
)  # fmt: skip
def test_values_of_any_kind_are_told_apart(one: str, other: str) -> None:
    source = "import cmath, math, numpy, re"
    assert differ(source, one, other)


def test_code_that_ran_is_known_by_the_same_text() -> None:
    """The interpreter rewrites instructions that run often; and this may be traced."""
    source = "class A:\n    k = 1\ndef helper(a): return a.k + len([a])\ndef task(n):\n"
    source += "    a = A()\n    return sum(helper(a) for _ in range(n))\n"
    fresh, warm = script(source), script(source)
    warm.task(5000)
    assert fingerprint(fresh.task) == fingerprint(warm.task)


def test_fingerprints_are_the_same_in_every_process(tmp_path: Any) -> None:
    program = (
        "import random, sys\nfrom pymonik.capture.text.fingerprint import fingerprint\n"
        "from tests.cache.law import load\nfrom tests.cache.programs import program\n"
        "sys.path.insert(0, '')\nchance = random.Random(5)\n"
        "for _ in range(30): print(fingerprint(load(program(chance)).func))\n"
    )
    told = []
    for seed in ("1", "2", "3"):
        folder = tmp_path / seed
        folder.mkdir()
        env = script_environment(PYTHONHASHSEED=seed, PYTHONPATH=str(ROOT))
        done = subprocess.run(
            # No bytecode: files of one name and size are written within a second.
            [sys.executable, "-Bc", program],
            env=env,
            cwd=folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        told.append(done.stdout.split())
    assert len(told[0]) == 30
    assert told[0] == told[1] == told[2]


def test_a_module_that_a_program_makes_is_known_by_what_is_in_it() -> None:
    source = "import types\nmade = types.ModuleType('made')\nmade.K = 1\ndef task(x): return made.K"
    assert fingerprint(script(source).task) == fingerprint(script(source).task)
    changed = source.replace("K = 1", "K = 2")
    assert fingerprint(script(source).task) != fingerprint(script(changed).task)


def test_models_of_pydantic_are_the_same_in_every_run() -> None:
    """They hold names of classes that end in their addresses."""
    source = "import pydantic\nclass M(pydantic.BaseModel):\n    a: int = 1\n"
    source += "    @pydantic.field_validator('a')\n    @classmethod\n"
    source += "    def checked(cls, value): return value + 1\ndef task(x): return M(a=x).a\n"
    first = script(source).task
    assert fingerprint(first) == fingerprint(script(source).task)
    changed = source.replace("value + 1", "value + 2")
    assert fingerprint(first) != fingerprint(script(changed).task)


@pytest.mark.parametrize("make", [lambda t: TypeVar("n", bound=t), lambda t: NewType("n", t)])
def test_what_a_name_of_a_hint_stands_for_counts(make: Any) -> None:
    def seeing(type_: type) -> Any:
        name = make(type_)
        name.__module__ = "__main__"  # so that it travels
        return lambda: name

    assert fingerprint(seeing(int)) == fingerprint(seeing(int)) != fingerprint(seeing(str))
