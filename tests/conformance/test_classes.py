"""Classes of a script: each is what it was where it was defined, there and when it returns."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rows import shortened

HEAD = """
import sys
from pymonik import Pymonik, Task, task

@task
def same(x): return x

@task
def apply(function, *args): return function(*args)

def far(function, *args): return apply.invoke(function, *args).get()
"""

PROGRAMS = {
    "an attribute, a method and a default that are replaced": """
class Config:
    rate = 1
    def price(self, n=1): return self.rate * n
@task
def price(config, n): return config.price(n)
@task
def rate(): return Config.rate
with Pymonik(workers=1):
    assert (price.invoke(Config(), 7).get(), rate.invoke().get()) == (7, 1)
    Config.rate = 2
    assert (price.invoke(Config(), 7).get(), rate.invoke().get()) == (14, 2)
    Config.price = lambda self, n=1: -n
    assert price.invoke(Config(), 7).get() == -7
    Config.price.__defaults__ = (5,)
    assert far(lambda config: config.price(), Config()) == -5
    Config.rate = 1
    assert rate.invoke().get() == 1
""",
    "a container in a class, and one that its methods see": """
TABLE = {"a": 1}
class Config:
    rates = {"x": [1]}
    def look(self): return self.rates["x"], TABLE["a"]
@task
def look(config): return config.look()
with Pymonik(workers=1):
    assert look.invoke(Config()).get() == ([1], 1)
    Config.rates["x"].append(2)
    TABLE["a"] = 3
    assert look.invoke(Config()).get() == ([1, 2], 3)
""",
    "a base that is changed": """
class Base:
    rate = 1
class Child(Base):
    pass
@task
def rate(child): return child.rate, Child.rate, isinstance(child, Base)
with Pymonik(workers=1):
    assert rate.invoke(Child()).get() == (1, 1, True)
    Base.rate = 2
    assert rate.invoke(Child()).get() == (2, 2, True)
""",
    "a value made before its class was changed": """
class Config:
    rate = 1
@task
def make(): return Config()
@task
def check(config): return isinstance(config, Config), config.rate
with Pymonik(workers=1):
    made = make.invoke()
    made.get()
    Config.rate = 2
    assert check.invoke(made).get() == (True, 2)
    assert type(made.get()) is Config
""",
    "a class statement that runs again, as in a notebook": """
SOURCE = "class Config:\\n    def rate(self): return {}\\n"
exec(SOURCE.format(1))
@task
def rate(config): return config.rate(), isinstance(config, Config)
with Pymonik(workers=1):
    first = Config()
    assert rate.invoke(first).get() == (1, True)
    exec(SOURCE.format(2))
    assert rate.invoke(Config()).get() == (2, True)
    assert rate.invoke(first).get() == (1, False)
    assert type(same.invoke(Config()).get()) is Config
    assert type(same.invoke(first).get()) is type(first) is not Config
""",
    "keywords of a class statement": """
class Reader:
    def __init_subclass__(cls, *, kind, **rest):
        super().__init_subclass__(**rest)
        cls.kind = kind
class Csv(Reader, kind="csv"): pass
class Meta(type):
    def __new__(mcs, name, bases, space, *, table):
        made = super().__new__(mcs, name, bases, space)
        made.table = table
        return made
    def __init__(cls, name, bases, space, *, table): super().__init__(name, bases, space)
class User(metaclass=Meta, table="users"): pass
with Pymonik():
    got = far(lambda a, b: (a.kind, b.table, type(type(b)).__name__), Csv(), User())
    assert got == ("csv", "users", "Meta"), got
    assert type(same.invoke(User()).get()) is User
""",
    "hooks run once, and not when values return": """
ran = []
class Reader:
    registry = {}
    def __init_subclass__(cls, **rest):
        super().__init_subclass__(**rest)
        if cls.__name__ in Reader.registry: raise ValueError(cls.__name__)
        Reader.registry[cls.__name__] = cls
        ran.append(cls.__name__)
class Named:
    def __set_name__(self, owner, name): ran.append(name)
class Meta(type):
    def __init__(cls, *args): ran.append(args[0])
class Csv(Reader):
    field = Named()
class Other(metaclass=Meta): pass
@task
def look(): return Reader.registry["Csv"] is Csv, len(Reader.__subclasses__())
before = list(ran)
with Pymonik():
    for _ in range(3):
        assert type(same.invoke(Csv()).get()) is Csv and type(same.invoke(Other()).get()) is Other
        assert look.invoke().get() == (True, 1)
    assert ran == before and Reader.registry == {"Csv": Csv}
    assert Reader.__subclasses__() == [Csv] and Other.__subclasses__() == []
""",
    "attributes equal to those of a base": """
class Base:
    kind = "plain"
    def name(self): return 1
class Child(Base):
    kind = "plain"
    name = Base.name
with Pymonik():
    assert far(lambda c: sorted(set(vars(type(c))) & {"kind", "name"}), Child()) == ["kind", "name"]
""",
    "nested and local classes": """
class Outer:
    class Inner:
        def __init__(self, x): self.x = x
def make(offset):
    class Local:
        def __init__(self, x): self.x = x + offset
        def again(self): return Local(self.x)
    return Local
One, Two = make(1), make(10)
with Pymonik():
    got = far(lambda *all: [type(o).__qualname__ for o in all], Outer.Inner(1), One(1))
    assert got == ["Outer.Inner", "make.<locals>.Local"], got
    assert far(lambda a, b: (a.again().x, b.again().x), One(1), Two(1)) == (3, 21)
    assert far(lambda a, b: isinstance(a, type(b)), One(1), Two(1)) is False
    back = same.invoke([One(1), Two(1), Outer.Inner(2)]).get()
    assert [type(o) for o in back] == [One, Two, Outer.Inner]
""",
    "enumerations of every form": """
import enum
from dataclasses import dataclass
class Planet(enum.Enum):
    EARTH = (6.0, 3.0)
    def __init__(self, mass, radius): self.mass, self.radius = mass, radius
class Level(enum.IntEnum):
    def __new__(cls, value, label):
        made = int.__new__(cls, value)
        made._value_, made.label = value, label
        return made
    LOW = (1, "low")
class Shape(enum.Enum):
    SQUARE = 1
    ALIAS = 1
    @property
    def sides(self): return 4 * self.value
@dataclass
class Size:
    width: int
class Paper(Size, enum.Enum):
    A4 = 210
class Color(str, enum.Enum):
    RED = "red"
class Access(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()
class Ratio(float, enum.Enum):
    HALF = 0.5
class Wide(tuple, enum.Enum):
    PAIR = (1, 2)
class Base(enum.Enum):
    def twice(self): return self.value * 2
class Derived(Base):
    ONE = 1
CASES = [
    (Planet.EARTH, lambda p: p.mass / p.radius), (Level.LOW, lambda p: (p.label, p + 1, Level(1))),
    (Shape.SQUARE, lambda s: (type(s)["ALIAS"].name, s.sides, s.ALIAS is s)),
    (Paper.A4, lambda p: (p.width, list(type(p)))), (Color.RED, lambda c: (c.upper(), c == "red")),
    (Access.READ | Access.WRITE, lambda a: (Access.READ in a, a.value)),
    (Ratio.HALF, lambda r: r * 4), (Wide.PAIR, lambda w: (len(w), w[1])),
    (Derived.ONE, lambda d: (d.twice(), d.name, Derived(1) is d, isinstance(d, Base))),
]
with Pymonik():
    for member, look in CASES:
        assert far(look, member) == look(member), member
        assert same.invoke(member).get() is member
        if member is not Paper.A4: assert far(lambda m: {m: 1}[m], member) == 1
""",
    "enumerations of values that hold others, or are made in C": """
import collections, datetime, decimal, enum
class Size:
    __slots__ = ("width",)
    def __init__(self, width): self.width = width
class Setting(dict, enum.Enum):
    FAST = {"steps": 1}
class Ranked(collections.OrderedDict, enum.Enum):
    ALL = [("a", 1), ("b", 2)]
class Count(collections.Counter, enum.Enum):
    WORD = "aab"
class Rows(list, enum.Enum):
    FIRST = [1, 2]
class Group(set, enum.Enum):
    ODD = {1, 3}
class Fixed(frozenset, enum.Enum):
    EVEN = frozenset({2})
class Raw(bytearray, enum.Enum):
    MAGIC = b"PK"
class Feast(datetime.date, enum.Enum):
    YEAR = 2020, 1, 1
class Span(datetime.timedelta, enum.Enum):
    DAY = 1
class Price(decimal.Decimal, enum.Enum):
    LOW = "1.5"
class Paper(Size, enum.Enum):
    A4 = 210
CASES = [
    (Setting.FAST, lambda s: (s["steps"], s.value)), (Ranked.ALL, lambda r: (list(r), r["b"])),
    (Count.WORD, lambda c: c.most_common(1)), (Rows.FIRST, lambda r: (len(r), r[1])),
    (Group.ODD, lambda g: sorted(g)), (Fixed.EVEN, lambda f: 2 in f), (Raw.MAGIC, lambda r: r[0]),
    (Feast.YEAR, lambda f: (f.year, f.isoformat())), (Span.DAY, lambda s: s.total_seconds()),
    (Price.LOW, lambda p: (p * 2, p.name)), (Paper.A4, lambda p: p.width),
]
with Pymonik():
    for member, look in CASES:
        assert far(look, member) == look(member), repr(member)
        assert same.invoke(member).get() is member, repr(member)
""",
    "data classes, their fields and their hints": """
from __future__ import annotations
import dataclasses, typing
from dataclasses import dataclass, field, MISSING
@dataclass
class Node:
    path: str
    size: int = 3
    tags: typing.List[str] = field(default_factory=list)
    next: typing.Optional[Node] = None
    kind: typing.ClassVar[str] = "node"
@dataclass(slots=True, frozen=True, order=True)
class Key:
    id: int
@task
def required(node): return [f.name for f in dataclasses.fields(node) if f.default is MISSING]
@task
def hints(node): return sorted(typing.get_type_hints(type(node)))
@task
def extended(kind):
    @dataclass
    class More(kind):
        level: int = 0
    try: return repr(More())
    except TypeError: return "a path is required"
def annotated(a: Node, b: typing.Optional[Key] = None) -> Key: return b
with Pymonik():
    node = Node("a", next=Node("b"))
    for call, argument in ((required, node), (hints, node), (extended, Node)):
        assert call.invoke(argument).get() == call(argument), call
    assert far(lambda f: sorted(typing.get_type_hints(f)), annotated) == ["a", "b", "return"]
    assert same.invoke(node).get() == node and same.invoke(Key(1)).get() == Key(1) < Key(2)
    assert far(lambda k: dataclasses.replace(k, id=2), Key(1)) == Key(2)
    assert not hasattr(same.invoke(Key(1)).get(), "__dict__")
""",
    "sentinels are themselves": """
import dataclasses
class Unset:
    def __reduce__(self): return "UNSET"
class Nothing: pass
class Slim:
    __slots__ = ()
UNSET, NOTHING, SLIM, PLAIN = Unset(), Nothing(), Slim(), object()
def which(x, default=PLAIN):
    return [x is UNSET, x is NOTHING, x is SLIM, x is PLAIN, default is PLAIN]
class Keeps:
    empty = PLAIN
    def is_empty(self): return self.empty is PLAIN
with Pymonik():
    for one in (UNSET, NOTHING, SLIM, PLAIN):
        assert far(which, one) == which(one), one
        assert same.invoke([one, {"k": one}]).get()[1]["k"] is one
        assert far(lambda keeps: keeps.is_empty(), Keeps())
    assert same.invoke(dataclasses.MISSING).get() is dataclasses.MISSING
""",
    "containers of the script that have names hold what they hold": """
import collections, typing
class Point(typing.NamedTuple):
    x: int
    y: int = 2
class Rows(list): pass
class Known(dict):
    def __missing__(self, key): return 7
class Small(int): pass
Pair = collections.namedtuple("Pair", "a b")
POINT, ROWS, KNOWN, SMALL, PAIR = Point(1), Rows([1]), Known(a=1), Small(5), Pair(1, 2)
def seen(): return POINT, ROWS, KNOWN, KNOWN["b"], SMALL, PAIR
with Pymonik():
    assert far(seen) == seen()
    for one in (POINT, ROWS, KNOWN, SMALL, PAIR):
        assert type(same.invoke(one).get()) is type(one)
        assert same.invoke(one).get() == one
""",
    "locks of classes, closures and plug-ins are of each process": """
import importlib.machinery, importlib.util, pathlib, threading
pathlib.Path("plug.text").write_text('''
import threading
LOCK, N = threading.Lock(), 9
class Inner:
    def n(self):
        with LOCK: return N
def add(x):
    with LOCK: return x + N
''')
loader = importlib.machinery.SourceFileLoader("plug", "plug.text")
plug = importlib.util.module_from_spec(importlib.util.spec_from_loader("plug", loader))
loader.exec_module(plug)
class Counter:
    lock = threading.Lock()
    n = 1
    def look(self):
        with self.lock: return self.n
def scope():
    lock = threading.Lock()
    def one():
        with lock: return 1
    def two():
        with lock: return 1 + one.__code__.co_argcount
    return one, two, lock
one, two, lock = scope()
def all_of_them():
    with lock: pass
    return Counter().look(), one(), two(), plug.add(1), plug.Inner().n()
with Pymonik():
    assert far(all_of_them) == all_of_them()
    assert far(Counter.look, Counter()) == 1
""",
    "classes that need each other, and themselves": """
class Left:
    def other(self): return Right(self)
    def again(self): return Left()
    @classmethod
    def make(cls): return cls()
class Right:
    partner: "type" = Left
    def __init__(self, left=None): self.left = left
    def other(self): return Left()
    def above(self): return super().__repr__()[:1], __class__.__name__
Left.partner = Right
@task
def check(left):
    right = left.other()
    return [type(right) is Right, type(right.other()) is Left, type(left.again()) is type(left),
            type(left).partner is Right, Right.partner is Left, right.above(),
            type(Left.make()) is Left]
with Pymonik():
    got = check.invoke(Left()).get()
    assert got == [True, True, True, True, True, ("<", "Right"), True], got
    assert type(far(lambda left: left.other(), Left()).left) is Left
""",
    "what classes and functions share": """
import random
rng, SEEN = random.Random(5), []
class Walker:
    def step(self): SEEN.append("step"); return rng.random()
class Other:
    def step(self): return rng.random()
@task
def walk(): return [Walker().step(), rng.random(), Other().step()], len(SEEN)
expected = random.Random(5)
with Pymonik():
    numbers, seen = walk.invoke().get()
    assert seen == 1 and numbers == [expected.random() for _ in range(3)], (numbers, seen)
""",
    "generic, abstract, structural and typed classes": """
import abc, collections, typing
from typing import Generic, NamedTuple, Protocol, TypedDict, TypeVar, runtime_checkable
T = TypeVar("T")
class Box(Generic[T]):
    def __init__(self, value): self.value = value
class Sub(Box[int]): pass
class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...
class Square(Shape):
    def area(self): return 4
Shape.register(int)
@runtime_checkable
class Named(Protocol):
    name: str
    def hello(self): ...
class Row(TypedDict, total=False):
    x: int
class Point(NamedTuple):
    x: int
    y: int = 2
    def norm(self): return self.x + self.y
Pair = collections.namedtuple("Pair", "a b", defaults=[9])
class Mine(Exception):
    def __init__(self, code, *, hint): super().__init__(code); self.code, self.hint = code, hint
@task
def look(box, square, point, pair):
    try: Shape()
    except TypeError: refused = True
    return [type(box) is Sub, Sub.__orig_bases__ == (Box[int],), isinstance(square, Shape), refused,
            isinstance(3, Shape), isinstance(box, Named), Row.__optional_keys__ == {"x"},
            point.norm(), Point._field_defaults, pair.b, Point(1) == point]
@task
def fail(): raise Mine(3, hint="try")
with Pymonik():
    args = Sub(1), Square(), Point(1), Pair(1)
    assert look.invoke(*args).get() == look(*args), look.invoke(*args).get()
    assert [type(x) for x in same.invoke(list(args)).get()] == [Sub, Square, Point, Pair]
    try: fail.invoke().get()
    except Mine as error: assert (error.code, error.hint) == (3, "try")
    assert Shape.__subclasses__() == [Square]
""",
    "slots, properties, weak references and descriptors": """
import functools, weakref
class Slotted:
    __slots__ = ("x", "__weakref__")
    def __init__(self, x): self.x = x
class Typed:
    def __set_name__(self, owner, name): self.name = "_" + name
    def __get__(self, obj, owner=None): return self if obj is None else getattr(obj, self.name)
    def __set__(self, obj, value): setattr(obj, self.name, value)
class Rich:
    size = Typed()
    def __init__(self, x): self.size = x
    @property
    def twice(self): return 2 * self.size
    @twice.setter
    def twice(self, value): self.size = value // 2
    @functools.cached_property
    def total(self): return self.size + 1
    @staticmethod
    def three(): return 3
@task
def look(slotted, rich):
    rich.twice = 8
    return [weakref.ref(slotted)().x, hasattr(slotted, "__dict__"), rich.size, rich.total,
            rich.three(), rich.total]
with Pymonik():
    args = Slotted(1), Rich(2)
    assert look.invoke(*args).get() == look(*args)
    assert type(same.invoke(args[0]).get()) is Slotted
""",
    "dispatchers": """
import functools
@functools.singledispatch
def text(x): return "other"
@text.register
def _(x: int): return f"int {x}"
@text.register(list)
def _(x): return [text(item) for item in x]
class Thing: pass
@text.register(Thing)
def _(x): return "thing"
class Reader:
    @functools.singledispatchmethod
    def read(self, x): return "other"
    @read.register
    def _(self, x: int): return f"int {x}"
@task
def write(x): return text(x)
with Pymonik():
    assert write.invoke([1, "a", Thing()]).get() == ["int 1", "other", "thing"]
    assert far(lambda reader: [reader.read(1), reader.read("")], Reader()) == ["int 1", "other"]
""",
    "an object that says to be of another class": """
class Real:
    n = 3
class Proxy:
    def __init__(self, real): self.real = real
    @property
    def __class__(self): return type(self.real)
    def __reduce__(self): return Proxy, (self.real,)
    def __getattr__(self, name):
        if name.startswith("__"): raise AttributeError(name)
        return getattr(self.real, name)
@task
def use(proxy): return isinstance(proxy, Real), type(proxy) is Proxy, proxy.n
with Pymonik():
    assert use.invoke(Proxy(Real())).get() == (True, True, 3)
    assert type(same.invoke(Proxy(Real())).get()) is Proxy
""",
    "new types, and variables of types": """
from typing import Any, Callable, Generic, Literal, NewType, Optional, ParamSpec, TypedDict, TypeVar
import typing
Id = NewType("Id", int)
Key = NewType("Key", Id)
P = ParamSpec("P")
class Base: pass
T = TypeVar("T", bound=Base)
class Wrap(Generic[P]):
    def __init__(self, function: Callable[P, Any]): self.function = function
    def __call__(self, *args: P.args): return self.function(*args)
class Node(Base, Generic[T]):
    def __init__(self, id: Id, inner: Optional[T] = None): self.id, self.inner = Id(id), inner
    def key(self) -> Key: return Key(self.id)
class Row(TypedDict, total=False):
    id: Id
@task
def use(node, row: Row):
    hints = typing.get_type_hints(Node.key)
    return node.key(), hints["return"] is Key, Key.__supertype__ is Id, Wrap(len)([1]), T.__bound__
with Pymonik():
    assert use.invoke(Node(3), Row(id=Id(1))).get() == (3, True, True, 1, Base)
    made_of = Node[Base], list[Id], Optional[Id], Callable[P, T], Literal["a"]
    for hint in (Id, Key, P, T, Row, *made_of):
        assert same.invoke(hint).get() == hint, hint
    assert same.invoke([T, {"id": Id}]).get()[0] is T and type(same.invoke(Node(1)).get()) is Node
    def local():
        U = TypeVar("U")
        class Pair(Generic[U]): pass
        return U, Pair
    U, Pair = local()
    assert same.invoke(U).get() is U and same.invoke(Pair[U]).get() == Pair[U]
""",
    "structures and arrays of C": """
import ctypes
class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_double)]
    def total(self): return self.x + self.y
class Packed(ctypes.BigEndianStructure):
    _pack_ = 1
    _fields_ = [("flags", ctypes.c_uint16, 3), ("values", ctypes.c_float * 2)]
class Either(ctypes.Union):
    _anonymous_ = ["point"]
    _fields_ = [("point", Point), ("bytes", ctypes.c_char * 16)]
class Link(ctypes.Structure): pass
Link._fields_ = [("next", ctypes.POINTER(Link)), ("n", ctypes.c_int)]
class Named(Point):
    _fields_ = [("name", ctypes.c_char * 4)]
def described(thing): return type(thing).__name__, ctypes.sizeof(thing), bytes(thing)
@task
def total(points): return sum(point.total() for point in points)
@task
def chained(n):
    first, second = Link(None, n), Link(None, 5)
    first.next = ctypes.pointer(second)
    return first.next.contents.n
with Pymonik():
    points = (Point * 2)(Point(1, 2.5), Point(3, 4))
    assert total.invoke(points).get() == 10.5 and chained.invoke(1).get() == 5
    packed, either = Packed(), Either()
    packed.flags, packed.values[1], either.x = 5, 2.5, 7
    numbers = (ctypes.c_double * 3)(1, 2, 3)
    things = (points, packed, either, Named(1, 2, b"abc"), ctypes.c_int(4), numbers)
    for thing in things:
        assert far(described, thing) == described(thing), thing
        assert type(same.invoke(thing).get()) is type(thing), thing
    assert same.invoke(either).get().x == 7 and list(same.invoke(numbers).get()) == [1, 2, 3]
    assert same.invoke(ctypes.POINTER(Point)).get() is ctypes.POINTER(Point)
""",
    "a metaclass that answers every question": """
class Yes(type):
    def __getattr__(cls, name): return "handle" if name.startswith("__pymonik") else lambda *a: name
class Any_(metaclass=Yes):
    def __init__(self, x=1): self.x = x
    def __getattr__(self, name):
        if name.startswith("__"): raise AttributeError(name)
        return name
with Pymonik():
    assert far(lambda a: (a.x, a.anything), Any_(5)) == (5, "anything")
    assert type(same.invoke(Any_(5)).get()) is Any_ and same.invoke(Any_).get() is Any_
""",
    "sub-tasks, and values handed on": """
from dataclasses import dataclass
@dataclass
class Item:
    n: int
@task
def leaf(item): return Item(item.n + 1) if type(item) is Item else None
@task
def root(item): return [leaf.invoke(item), leaf.invoke(Item(10))]
@task
def total(items): return Item(sum(i.n for i in items if isinstance(i, Item)))
with Pymonik():
    made = root.invoke(Item(1))
    assert made.get() == [Item(2), Item(11)]
    assert total.invoke(made).get() == Item(13)
    assert total.invoke(leaf.map_invoke([Item(i) for i in range(20)])).get() == Item(210)
""",
    "threads that record at once": """
import threading
class Item:
    def __init__(self, n): self.n = n
    def twice(self): return Item(2 * self.n)
@task
def twice(item): return item.twice()
got = []
with Pymonik() as client:
    def work(start):
        handles = [twice.invoke(Item(i), pymonik=client) for i in range(start, start + 20)]
        got.extend((type(h.get()) is Item, h.get().n) for h in handles)
    threads = [threading.Thread(target=work, args=(100 * i,)) for i in range(4)]
    [t.start() for t in threads]; [t.join() for t in threads]
assert sorted(got) == [(True, 2 * (100 * t + i)) for t in range(4) for i in range(20)]
""",
    "modules made at run time": """
import types
made = types.ModuleType("settings_made_here")
exec("RATE = 3\\ndef rate(x): return RATE * x\\nclass Kept:\\n    n = 4", made.__dict__)
sys.modules["settings_made_here"] = made
from settings_made_here import Kept, rate
@task
def use(x): return made.RATE * x, rate(x), Kept().n
with Pymonik():
    assert use.invoke(2).get() == (6, 6, 4)
    assert type(same.invoke(Kept()).get()) is Kept
""",
    "a plug-in that was loaded from a file": """
import importlib.util, os, tempfile
folder = tempfile.mkdtemp()
with open(os.path.join(folder, "plug.py"), "w") as file:
    file.write("import threading\\nlock = threading.Lock()\\nclass Plug:\\n    n = 3\\n"
               "def run(x):\\n    with lock: return x + Plug.n\\n")
spec = importlib.util.spec_from_file_location("plug", os.path.join(folder, "plug.py"))
plug = importlib.util.module_from_spec(spec)
sys.modules["plug"] = plug
spec.loader.exec_module(plug)
@task
def use(x): return plug.run(x)
with Pymonik():
    assert far(plug.run, 4) == 7 and use.invoke(1).get() == 4
    assert type(same.invoke(plug.Plug()).get()) is plug.Plug
""",
}


@pytest.mark.parametrize("title", shortened(PROGRAMS, 14))
def test_in_a_script(run_script: Any, backend: str, title: str) -> None:
    head, program = HEAD, PROGRAMS[title]
    if program.startswith("\nfrom __future__"):
        line = "from __future__ import annotations\n"
        head, program = line + HEAD, program.replace(line, "")
    done = run_script(head + program, backend)
    assert done.returncode == 0, done.stderr


# What looks classes and functions up by their names: in executors, which have a `__main__` of
# their own; a task that runs inline has a copy of its function.
BY_NAME = {
    "pickle inside a task": """
import pickle
class Model:
    def __init__(self, weight): self.weight = weight
def helper(x): return x + 1
@task
def checkpoint(model):
    again = pickle.loads(pickle.dumps([model, helper]))
    return again[0].weight, again[1](1), type(again[0]) is type(model)
with Pymonik():
    assert checkpoint.invoke(Model(1.5)).get() == (1.5, 2, True)
""",
    "a pool inside a task": """
import multiprocessing
class Item:
    def __init__(self, n): self.n = n
def square(item): return Item(item.n ** 2)
@task
def squares(items):
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return [item.n for item in pool.map(square, items)]
with Pymonik(workers=1):
    assert squares.invoke([Item(2), Item(3)]).get() == [4, 9]
""",
}


@pytest.mark.asynchronous
@pytest.mark.parametrize("title", BY_NAME)
def test_by_name(run_script: Any, backend: str, title: str) -> None:
    done = run_script(HEAD + BY_NAME[title], backend)
    assert done.returncode == 0, done.stderr
