"""Type aliases and type parameters by syntax, which Python has since 3.12."""

from __future__ import annotations

import sys

import pytest

from tests.conftest import Run

PROGRAMS = {
    "aliases that name themselves, and each other": """
type Json = dict[str, Json] | list[Json] | str
type Tree[T: (int, str)] = T | list[Tree[T]]
type Even = tuple[()] | tuple[int, Odd]
type Odd = tuple[int, Even]
type Unknown = OnlyForCheckers
@task
def look(json: Json, tree: Tree[int]) -> Unknown:
    assert Json.__module__ == "__main__" and get_args(get_args(Json.__value__)[1]) == (Json,)
    (variable,) = Tree.__type_params__
    assert variable.__constraints__ == (int, str)
    assert get_args(Tree.__value__) == (variable, list[Tree[variable]])
    assert get_args(Even.__value__)[1] == tuple[int, Odd] and get_args(Odd.__value__)[1] is Even
    try: Unknown.__value__
    except NameError: return json
with Pymonik():
    assert look.invoke([], 1).get() == []
    variables = Tree.__type_params__
    for hint in (Json, Tree, Even, Odd, Unknown, *variables, Tree[int], list[Json], Json | None):
        assert same.invoke(hint).get() == hint, hint
    assert same.invoke(Json).get() is Json
    def local():
        type Inner = list[Inner]
        return Inner
    Inner = local()
    assert same.invoke(Inner).get() is Inner and call(lambda: get_args(Inner.__value__)[0] is Inner)
""",
    "classes with parameters": """
class Node[T: Node]:
    def __init__(self, child: T | None = None): self.child = child
    def size(self): return 1 + (self.child.size() if self.child else 0)
class Shape[*Ts, **P]:
    def __init__(self, *sides: *Ts): self.sides = sides
class Square(Shape[int, [str]]): pass
@task
def look(node: Node, shape: Shape[int, [str]]):
    assert Node.__type_params__[0].__bound__ is Node
    assert [type(one) for one in Shape.__type_params__] == [TypeVarTuple, ParamSpec]
    assert Square.__orig_bases__ == (Shape[int, [str]],)
    return node.size(), shape.sides
with Pymonik():
    assert look.invoke(Node(Node()), Square(2)).get() == (2, (2,))
    for hint in (*Node.__type_params__, *Shape.__type_params__, Node[Node], Shape[int, [str]]):
        assert same.invoke(hint).get() == hint, hint
    assert type(same.invoke(Square(1)).get()) is Square
""",
    "functions with parameters": """
def local():
    def inner[T: int](x: T) -> T: return x
    return inner
class Of:
    def method[V](self, x: V) -> V: return x
@task
def first[U](values: list[U]) -> U: return values[0]
inner = local()
def variables(): return [one.__type_params__[0] for one in (inner, Of.method, first.func)]
with Pymonik():
    assert first.invoke([3]).get() == 3
    assert call(variables) == variables(), call(variables)
    assert same.invoke(inner).get().__type_params__ == inner.__type_params__
""",
}
# Since Python 3.13.
DEFAULTS = """
class Box[T = int]: pass
class Many[*Ts = *tuple[int, str]]: pass
class Caller[**P = [bytes]]: pass
type Row[T = Row] = list[T]
def defaults(): return [one.__type_params__[0].__default__ for one in (Box, Many, Caller, Row)]
with Pymonik():
    assert call(defaults) == defaults(), call(defaults)
"""
HEAD = """
from typing import ParamSpec, TypeVarTuple, get_args
from pymonik import Pymonik, task
@task
def same(x): return x
@task
def apply(function): return function()
def call(function): return apply.invoke(function).get()
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there is no such syntax")
@pytest.mark.parametrize("title", PROGRAMS)
def test_in_a_script(run_script: Run, backend: str, title: str) -> None:
    done = run_script(HEAD + PROGRAMS[title], backend)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.version_info < (3, 13), reason="there is no such syntax")
def test_variables_keep_their_defaults(run_script: Run, backend: str) -> None:
    done = run_script(HEAD + DEFAULTS, backend)
    assert done.returncode == 0, done.stderr


KEPT = """
from typing import NewType, TypeVar
type Alias = list[KIND]
Old = TypeVar("Old", bound=KIND)
New = NewType("New", KIND)
class Box[T: KIND]: pass
def first[T: KIND](x): return x
@task(pure=True, cache=True)
def look(alias):
    boxed, given = Box.__type_params__[0], first.__type_params__[0]
    return alias.__value__, Old.__bound__, New.__supertype__, boxed.__bound__, given.__bound__
with Pymonik():
    assert look.invoke(Alias).get() == (list[KIND], *[KIND] * 4), look.invoke(Alias).get()
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there is no such syntax")
def test_a_kept_value_is_that_of_what_names_stand_for_now(run_script: Run) -> None:
    for kind in ("int", "str"):
        done = run_script(HEAD + KEPT.replace("KIND", kind), "local")
        assert done.returncode == 0, done.stderr
