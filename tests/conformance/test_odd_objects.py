"""Objects that `pickle` has no right answer for arrive as what they were."""

from __future__ import annotations

import collections
import contextlib
import gc
import os
import struct
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from pymonik import Pymonik, task
from pymonik.errors import CaptureError


class Answering:
    """Looks attributes up in what it holds: also `__setstate__`, before it holds anything."""

    def __init__(self) -> None:
        self.inner = {"key": 9}

    def __getattr__(self, name: str) -> Any:
        return self.inner[name]


class AnsweringSlots:
    __slots__ = ("inner", "never_set")

    def __init__(self) -> None:
        self.inner = {"key": 9}

    def __getattr__(self, name: str) -> Any:
        return self.inner[name]


class AnsweringItems(dict[str, Any]):
    __getattr__ = dict.__getitem__

    def __init__(self, **items: Any) -> None:
        super().__init__(items)
        vars(self)["note"] = "beside the items"


class AnsweringList(list[int]):
    def __init__(self, *items: int) -> None:
        super().__init__(items)
        self.inner = {"key": 9}

    def __getattr__(self, name: str) -> Any:
        return self.inner[name]


def doubled(method: Any) -> Any:
    def inner(self: Any) -> Any:  # under a name that the class does not have
        return 2 * method(self)

    return inner


class Tree:
    registry: ClassVar[weakref.WeakSet[Tree]] = weakref.WeakSet()

    def __init__(self, parent: Tree | None = None) -> None:
        self.children: list[Tree] = []
        self.registry.add(self)
        if parent is not None:
            parent.children.append(self)
            self.parent, self.proxy = weakref.ref(parent), weakref.proxy(parent)
            self.method = weakref.WeakMethod(parent.size)
            self.decorated = weakref.WeakMethod(parent.twice)

    def size(self) -> int:
        return len(self.children)

    @doubled
    def twice(self) -> int:
        return len(self.children)


class Remembering:
    """A descriptor that keeps the values of objects beside them."""

    def __init__(self) -> None:
        self.values: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def __get__(self, obj: Any, kind: Any) -> int:
        return self.values[obj]

    def __set__(self, obj: Any, value: int) -> None:
        self.values[obj] = value


class Cell:
    value = Remembering()

    def __init__(self, value: int) -> None:
        self.value = value  # type: ignore[assignment]


HEADER = struct.Struct("<IH")


@contextlib.contextmanager
def scaled(by: int) -> Iterator[int]:
    yield by


@scaled(2)
def decorated(x: int) -> int:
    return x + 1


@task
def keys(*objects: Any) -> Any:
    return [one.key for one in objects], objects


def test_objects_that_answer_every_attribute_are_not_asked(client: Pymonik) -> None:
    given = Answering(), AnsweringSlots(), AnsweringItems(key=9), AnsweringList(1, 2)
    found, back = keys.invoke(*given).get()
    assert found == [9] * 4
    assert [type(one) for one in back] == [type(one) for one in given]
    assert back[0].inner == back[1].inner == {"key": 9}
    assert (back[2], back[2].note, list(back[3])) == (given[2], "beside the items", [1, 2])


@task
def look_up(child: Tree, root: Tree) -> tuple[bool, ...]:
    here = Tree()
    return (
        child.parent() is root,
        child.proxy.children[0] is child,
        child.method() == root.size,
        child.decorated()() == 2,  # type: ignore[misc]
        here in Tree.registry,
        child not in Tree.registry,  # each process knows its own
    )


def test_weak_references_name_what_travels_with_them(client: Pymonik) -> None:
    root = Tree()
    child = Tree(root)
    assert look_up.invoke(child, root).get() == (True,) * 6


@task
def same(value: Any) -> Any:
    return value


def test_weak_containers_keep_what_somebody_else_holds(client: Pymonik) -> None:
    root = Tree()
    weak = weakref.WeakValueDictionary(root=root), weakref.WeakKeyDictionary({root: 5})
    back, by_name, by_tree, members = same.invoke([root, *weak, weakref.WeakSet([root])]).get()
    assert by_name["root"] is back
    assert by_tree[back] == 5
    assert set(members) == {back}
    gone = weakref.ref(Tree()), weakref.proxy(Tree())
    assert same.invoke(gone[0]).get()() is None
    dead = same.invoke(list(gone)).get()[1]
    with pytest.raises(ReferenceError):
        dead.size()


@task
def new_cell(value: int) -> int:
    return Cell(value).value


@task
def value_of(cell: Cell) -> int:
    return cell.value


def test_values_that_a_class_keeps_beside_its_objects_are_refused(client: Pymonik) -> None:
    assert new_cell.invoke(4).get() == 4
    cell = Cell(5)
    with pytest.raises(CaptureError, match="keep its values in the objects"):
        value_of.invoke(cell)


@task
def use_globals() -> tuple[int, int]:
    return HEADER.size, decorated(4)


@task
def enter(manager: Any) -> int:
    with manager as value:
        return int(value)


def test_structs_and_context_managers_of_the_script_arrive(client: Pymonik) -> None:
    assert use_globals.invoke().get() == (6, 5)
    assert enter.invoke(scaled(7)).get() == 7
    entered = scaled(7)
    with entered, pytest.raises(CaptureError, match="generator"):
        enter.invoke(entered)


class Link:
    def __init__(self, next: Any) -> None:
        self.next = next


def chain(n: int) -> Any:
    link = None
    for _ in range(n):
        link = Link(link)
    return link


@task
def prolonged(link: Any) -> Any:
    return Link(link)


def length(link: Any) -> int:
    n = 0
    while link is not None:
        link, n = link.next, n + 1
    return n


@pytest.mark.skipif(sys.version_info[:2] == (3, 12), reason="its C code has a limit of its own")
def test_long_chains_of_objects_arrive(client: Pymonik) -> None:
    limit, size = sys.getrecursionlimit(), threading.stack_size()
    assert length(prolonged.invoke(chain(1_500)).get()) == 1_501
    assert (sys.getrecursionlimit(), threading.stack_size()) == (limit, size)


def test_what_is_nested_too_deeply_is_refused(client: Pymonik) -> None:
    with pytest.raises(CaptureError, match=r"nested too deeply.*\. Pass"):
        prolonged.invoke(chain(100_000))


class Named(set[int]):
    def __init__(self, name: str, *items: int) -> None:
        super().__init__(items)
        self.name = name


class Fixed(frozenset[int]):
    def __new__(cls, *items: int) -> Fixed:
        return super().__new__(cls, items)


class Graph(collections.defaultdict[str, list[int]]):
    def __init__(self) -> None:
        super().__init__(list)


class Last(collections.deque[int]):
    def __init__(self, n: int, /) -> None:
        super().__init__(maxlen=n)


class Ordered(collections.OrderedDict[str, int]):
    def __init__(self, first: str, value: int) -> None:
        super().__init__({first: value})


class Counted(collections.Counter[str]):
    def __init__(self, text: str = "", *, twice: bool = False) -> None:
        super().__init__(text + text if twice else text)

    def update(self, *given: Any, **named: Any) -> None:
        super().update(*given, **named)
        self["updates"] += 1


def test_containers_with_constructors_of_their_own_keep_what_they_hold(client: Pymonik) -> None:
    graph, last = Graph(), Last(2)
    graph["a"].append(1)
    last.extend([1, 2, 3])
    given = Named("n", 1, 2), Fixed(1, 2), graph, last, Ordered("b", 1), Counted("ab", twice=True)
    back = same.invoke(given).get()
    assert back == given
    assert [type(one) for one in back] == [type(one) for one in given]
    assert (back[0].name, back[2]["new"], back[3].maxlen) == ("n", [], 2)


class Strategy:
    def __init__(self) -> None:
        self.choice = self.fast

    def fast(self) -> str:
        return "fast" if self.choice == self.fast else "slow"

    def slow(self) -> str:
        return "slow"


@task
def chosen(strategy: Strategy, method: Any) -> tuple[Any, ...]:
    return (
        strategy.choice == strategy.fast,
        strategy.choice == strategy.slow,
        strategy.choice(),
        {strategy.fast: 1}.get(method),
        method.__func__ is Strategy.fast,
    )


def test_methods_are_those_of_their_objects(client: Pymonik) -> None:
    given = Strategy()
    assert chosen.invoke(given, given.fast).get() == (True, False, "fast", 1, True)
    assert same.invoke(given).get().choice.__func__ is Strategy.fast


STATELESS = """
from pymonik import Pymonik, task

class Lazy:
    def bump(self):
        self.__dict__["n"] = self.__dict__.get("n", 0) + 1
        return self.__dict__["n"]

LAZY = Lazy()

@task
def bump(lazy):
    return lazy.bump(), lazy.bump(), lazy is LAZY

with Pymonik() as client:
    print([bump.invoke(LAZY).get() for _ in range(3)], bump.map_invoke([(LAZY,)] * 2).get())
    print(vars(LAZY))
    LAZY.n = 10
    print(bump.invoke(LAZY).get()[:2], vars(LAZY))
"""


def test_an_object_without_state_begins_each_call_without(run_script: Any, backend: str) -> None:
    """In a program of one thread: with others, nobody can tell who has set an attribute."""
    done = run_script(STATELESS, backend)
    one = (1, 2, True)
    said = f"{[one] * 3} {[one] * 2}\n{{}}\n(11, 12) {{'n': 10}}\n"
    assert done.stdout == said, done.stderr


class Plain:
    """Has no state before it is used."""


PLAIN = Plain()


def test_what_another_thread_sets_of_an_object_without_state_stays() -> None:
    began, has_set = threading.Event(), threading.Event()

    def set_attribute() -> None:
        began.wait(60)
        PLAIN.ready = True  # type: ignore[attr-defined]
        has_set.set()

    def look() -> bool:
        began.set()
        return has_set.wait(60) and PLAIN is not None

    other = threading.Thread(target=set_attribute)
    other.start()
    with Pymonik(backend="inline"):
        assert task(look).invoke().get()
    other.join()
    assert vars(PLAIN).pop("ready")


class Untidy:
    def __init__(self) -> None:
        self.values = [1]

    def __del__(self) -> None:
        os.environ["LEFT_BY_A_FINALIZER"] = "1"


@task
def left(_: Any = None) -> str | None:
    return os.environ.get("LEFT_BY_A_FINALIZER")


def test_what_is_held_for_a_call_ends_before_its_process_is_put_back(client: Pymonik) -> None:
    held = Untidy()
    try:
        assert [left.invoke(weakref.ref(held)).get() for _ in range(2)] == [None, None]
        assert left.invoke().get() is None
    finally:
        del held
        gc.collect()
        os.environ.pop("LEFT_BY_A_FINALIZER", None)


def test_a_weak_reference_of_a_class_is_the_same_in_each_call(client: Pymonik) -> None:
    tree = Tree()

    class Plugin:
        ref = weakref.ref(tree)

    @task
    def is_there(plugin: Any, _: int) -> bool:
        gc.collect()
        return plugin.ref() is not None

    assert len({is_there.invoke(Plugin(), element).get() for element in range(3)}) == 1


class Observed:
    def __init__(self) -> None:
        self.members: weakref.WeakSet[Tree] = weakref.WeakSet()
        self.named: weakref.WeakValueDictionary[str, Tree] = weakref.WeakValueDictionary()
        self.noted: weakref.WeakKeyDictionary[Tree, str] = weakref.WeakKeyDictionary()

    def add(self, name: str, member: Tree) -> None:
        self.members.add(member)
        self.named[name], self.noted[member] = member, name

    def told(self) -> tuple[int, list[str], list[str]]:
        gc.collect()
        return len(self.members), list(self.named), list(self.noted.values())


@task
def from_below(child: Any, observed: Observed) -> tuple[Any, ...]:
    return child.parent().size(), child.proxy.size(), child.method()(), *observed.told()


def test_what_an_argument_names_only_weakly_is_there_as_long_as_its_call(client: Pymonik) -> None:
    root, observed = Tree(), Observed()
    child = Tree(root)
    observed.add("root", root)
    right = from_below(child, observed)
    assert right == (1, 1, 1, 1, ["root"], ["root"])
    assert from_below.map_invoke([(child, observed)] * 3).get() == [right] * 3
    assert same.invoke(child).get().parent() is None  # of a value that is back, it is nobody's
