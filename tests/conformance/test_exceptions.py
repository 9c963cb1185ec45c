"""What a task raises arrives as its own type, with what it was raised from."""

from __future__ import annotations

import asyncio
import builtins
import json
import re
import socket
import subprocess
import sys
import threading
import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik, Task, as_completed, task
from pymonik.errors import TaskFailed

from .conftest import story
from .programs import identity, square

# Python 3.10 has none.
Group: Any = getattr(builtins, "ExceptionGroup", None)
Several: Any = getattr(builtins, "BaseExceptionGroup", None)


def closed_socket() -> socket.socket:
    with socket.socket() as made:
        return made


class Rejected(Exception):
    def __init__(self, code: int, *, where: str = "here", **more: Any) -> None:
        super().__init__(f"{code} at {where}")
        self.code = code
        vars(self).update(more)


@dataclass(frozen=True)
class Frozen(Exception):
    code: int


@dataclass
class Unhashable(Exception):
    code: int
    note: str = "n"


class Closed(Exception):
    __slots__ = ("code",)

    def __init__(self, *, code: int) -> None:
        super().__init__()
        object.__setattr__(self, "code", code)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("it is closed")


class WrongReduce(Exception):
    """Its own way of being pickled does not fit its constructor."""

    def __init__(self, code: int, where: str) -> None:
        super().__init__(f"{code} at {where}")
        self.code = code

    def __reduce__(self) -> Any:
        return type(self), (self.code,)


class NoReduce(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    def __reduce__(self) -> Any:
        raise TypeError("not me")


class Circular(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code, self.origin = code, self


class Worded(Exception):
    """Makes its arguments itself."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    @property
    def args(self) -> tuple[Any, ...]:  # type: ignore[override]
        return "code", self.code


class File(OSError):
    def __init__(self, code: int) -> None:
        super().__init__(2, "no such file", "/nowhere")
        self.code = code


def raised(make: Any) -> BaseException:
    """Run a task that raises what `make` makes; give what arrives."""

    def fail() -> None:
        raise make()

    error = Task(fail, func_name="fail").invoke().exception()
    assert error is not None
    return error


@pytest.mark.parametrize(
    "make",
    [
        lambda: Rejected(7, where="there"),
        lambda: Frozen(7),
        lambda: Unhashable(7),
        lambda: Closed(code=7),
        lambda: WrongReduce(7, "there"),
        lambda: NoReduce(7),
        lambda: Circular(7),
        lambda: Worded(7),
        lambda: File(7),
        lambda: Rejected(7, lock=threading.Lock()),
        lambda: Rejected(7, stream=closed_socket()),
        lambda: Rejected(7, rows=np.zeros(100_000)),
        lambda: Rejected(7, text="why " * 10_000, frame=sys._getframe()),
        lambda: Rejected(7, inner=Rejected(8, where="inner", lock=threading.Lock())),
    ],
    ids=["keywords", "frozen", "unhashable", "closed", "wrong-reduce", "no-reduce", "circular",
         "worded", "file", "lock", "socket", "large", "long", "nested"],
)  # fmt: skip
def test_an_exception_arrives_as_its_own_type(client: Pymonik, make: Any) -> None:
    error, came = make(), raised(make)
    assert type(came) is type(error)
    assert isinstance(came.__cause__, TaskFailed)
    assert came.code == 7  # type: ignore[attr-defined]
    assert (came.args, str(came)) == (error.args, str(error))


def test_the_name_that_was_not_found_arrives(client: Pymonik) -> None:
    @task
    def looks(kind: str) -> Any:
        return undefined_name if kind == "global" else getattr(kind, "undefined")  # type: ignore[name-defined] # noqa: B009,F821

    for kind, error, name in (
        ("global", NameError, "undefined_name"),
        ("attribute", AttributeError, "undefined"),
    ):
        came = looks.invoke(kind).exception()
        assert (type(came), came.name) == (error, name)  # type: ignore[union-attr]


def test_what_could_not_travel_says_so(client: Pymonik) -> None:
    came: Any = raised(lambda: Rejected(7, lock=threading.Lock(), rows=np.zeros(100_000)))
    assert "lock" in repr(came.lock)
    with pytest.raises(AttributeError, match="stayed where the task ran: TypeError"):
        came.lock.acquire()
    with pytest.raises(AttributeError, match=r"it takes [\d,]+ bytes"):
        came.rows.sum()
    told = str(came.__cause__)
    assert "lock was left behind: TypeError" in told
    assert "rows was left behind: it takes" in told


def test_a_long_text_is_cut_in_its_middle(client: Pymonik) -> None:
    @task
    def tool() -> None:
        program = "import sys; sys.stderr.write('begin ' + 'why ' * 5000 + 'end'); sys.exit(3)"
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    error = tool.invoke().exception()
    assert isinstance(error, subprocess.CalledProcessError)
    assert error.returncode == 3
    assert error.stderr.startswith("begin why")
    assert error.stderr.endswith("why end")
    assert 200 < len(error.stderr) < 16_000


class Answered(Exception):
    def __init__(self, code: int, body: str) -> None:
        super().__init__(f"{code}")
        self.body = body


LONG: dict[str, Callable[[], Exception]] = {
    "text": lambda: ValueError("x" * 100_000),
    "just too long": lambda: ValueError("x" * (16 << 10)),
    "bytes": lambda: ValueError(b"x" * 100_000),
    "characters of four bytes": lambda: ValueError("\U0001f600" * 100_000),
    "surrogates": lambda: ValueError("\ud800" * 100_000),
    "several": lambda: KeyError("a" * 20_000, "b" * 20_000, 3),
    "many": lambda: ValueError(*range(20_000)),
    "of a class of its own": lambda: Answered(404, "é" * 100_000),
    "of a file": lambda: FileNotFoundError(2, "m" * 20_000, "f" * 20_000),
}


@pytest.mark.parametrize("kind", LONG)
def test_a_long_exception_keeps_its_type(client: Pymonik, kind: str) -> None:
    make = LONG[kind]

    @task
    def fails() -> None:
        raise make()

    error = fails.invoke().exception()
    assert type(error) is type(make())
    assert re.search("characters|parts are too large", str(error.__cause__))


def test_exceptions_of_the_library_arrive(client: Pymonik) -> None:
    def not_found() -> Exception:
        return urllib.error.HTTPError("http://x", 404, "gone", {}, closed_socket())  # type: ignore[arg-type]

    http: Any = raised(not_found)
    assert (type(http), http.code, str(http)) == (
        urllib.error.HTTPError,
        404,
        "HTTP Error 404: gone",
    )
    parsed: Any = Task(json.loads, func_name="loads").invoke("{").exception()
    assert (type(parsed), parsed.lineno) == (json.JSONDecodeError, 1)
    decoded: Any = Task(bytes.decode, func_name="decode").invoke(b"\xff" * 30_000).exception()
    assert isinstance(decoded, UnicodeDecodeError)
    held: Any = raised(lambda: ValueError("held", threading.Lock(), "x" * 40_000))
    assert type(held) is ValueError
    assert held.args[0] == "held"
    assert "lock" in repr(held.args[1])


def test_an_exception_inside_another_is_rebuilt_too(client: Pymonik) -> None:
    came: Any = raised(lambda: RuntimeError(Rejected(7, where="there"), [Frozen(8)]))
    assert type(came) is RuntimeError
    assert (type(came.args[0]), came.args[0].code) == (Rejected, 7)
    assert came.args[1][0].code == 8


def test_a_class_that_cannot_be_rebuilt_is_told_with_the_reason(client: Pymonik) -> None:
    @task
    def fails() -> None:
        class Held(Exception):
            items = (x for x in ())

        raise Held("held")

    error = fails.invoke().exception()
    assert type(error) is TaskFailed
    assert "Held: held" in str(error)
    assert "cannot pickle 'generator' object" in str(error)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there are no groups")
def test_a_group_arrives_with_its_members(client: Pymonik) -> None:
    def several() -> None:
        try:
            raise Rejected(3, where="deep")
        except Rejected as error:
            caused = ValueError("caused")
            caused.__cause__ = error
        inner = Group("inner", [Rejected(2, lock=threading.Lock()), caused])
        made = Several("several", [Rejected(1, where="a"), inner, KeyError("k")])
        made.add_note("in passing")
        raise made

    came = Task(several, func_name="several").invoke().exception()
    assert type(came) is Group
    assert came.message == "several"
    first, inner, last = came.exceptions
    assert (type(first), first.code, str(first)) == (Rejected, 1, "1 at a")
    assert (type(last), last.args) == (KeyError, ("k",))
    assert [type(e) for e in inner.exceptions] == [Rejected, ValueError]
    assert inner.exceptions[1].__cause__.code == 3
    assert came.__notes__ == ["in passing"]
    with pytest.raises(Group) as caught:
        Task(several, func_name="several").invoke().get()
    assert caught.value.subgroup(KeyError) is not None


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there are no groups")
def test_of_a_large_group_the_first_members_arrive(client: Pymonik) -> None:
    came: Any = raised(lambda: Group("many", [ValueError(f"{i:9}" * 99) for i in range(100)]))
    assert type(came) is Group
    assert {type(e) for e in came.exceptions[:-1]} == {ValueError}
    assert "more exceptions" in str(came.exceptions[-1])


def chain(error: BaseException | None) -> list[str]:
    found: list[str] = []
    while error is not None and len(found) < 9:
        found.append(type(error).__name__)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def from_three() -> None:
    try:
        try:
            raise Rejected(1, lock=threading.Lock())
        except Rejected as error:
            raise KeyError("k") from error
    except KeyError as error:
        raise RuntimeError("cannot load") from error


def while_handling() -> None:
    try:
        raise Frozen(1)
    except Frozen:
        raise RuntimeError("cannot load")  # noqa: B904


def from_nothing() -> None:
    try:
        raise Frozen(1)
    except Frozen:
        raise RuntimeError("cannot load") from None


def from_what_cannot_be_rebuilt() -> None:
    class Held(Exception):
        items = (x for x in ())

    raise RuntimeError("cannot load") from Held("held")


@pytest.mark.parametrize(
    ("fail", "links"),
    [
        (from_three, ["KeyError", "Rejected"]),
        (while_handling, ["Frozen"]),
        (from_nothing, []),
        (from_what_cannot_be_rebuilt, ["TaskFailed"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_an_exception_was_raised_from_is_kept(
    client: Pymonik, fail: Any, links: list[str]
) -> None:
    handle = Task(fail, func_name="fail").invoke()
    error = handle.exception()
    assert chain(error) == ["RuntimeError", "TaskFailed", *links]
    assert chain(error.__context__) == links  # type: ignore[union-attr]
    with pytest.raises(RuntimeError) as caught:
        handle.get()
    assert chain(caught.value) == chain(error)


def test_an_error_that_is_no_exception_of_ours_keeps_its_cause(client: Pymonik) -> None:
    @task
    def leaves() -> None:
        try:
            raise Rejected(1)
        except Rejected as error:
            raise SystemExit(3) from error

    assert chain(leaves.invoke().exception()) == ["TaskFailed", "Rejected"]


def test_exceptions_are_values_like_others(client: Pymonik) -> None:
    @task
    def caught(error: Any) -> Any:
        return error, [Rejected(2, where="there")], {"frozen": Frozen(3)}

    first, (second,), rest = caught.invoke(Rejected(1, where="x")).get()
    assert [first.code, second.code, rest["frozen"].code] == [1, 2, 3]
    assert (type(second), str(second)) == (Rejected, "2 at there")
    assert identity.invoke(ValueError("x", 1)).get().args == ("x", 1)


# ----- errors that would end a loop


@task
def first(items: list[Any]) -> Any:
    return next(iter(items))


@task
def stops() -> None:
    raise StopAsyncIteration("no more")


def test_stop_iteration_ends_no_loop(client: Pymonik) -> None:
    handles = [first.invoke(items) for items in ([1], [], [3])]
    for take in (lambda h: h.get(), lambda h: h.wait().get()):
        with pytest.raises(TaskFailed, match="StopIteration"):
            list(map(take, handles))

    def values(handles: list[Any]) -> Iterator[Any]:
        for handle in handles:
            yield handle.get()

    with pytest.raises(TaskFailed):
        list(values(handles))
    with pytest.raises(TaskFailed):
        next(values(handles[1:]))
    with pytest.raises(TaskFailed):
        first.map_invoke([[1], [], [3]]).get()
    with pytest.raises(TaskFailed):
        [h.get() for h in as_completed(handles)]
    error = handles[1].exception()
    assert isinstance(error, TaskFailed)
    assert isinstance(error.__cause__, StopIteration)
    assert story(handles[1]).task == "first"


def test_stop_iteration_is_told_where_it_is_awaited(client: Pymonik) -> None:
    handles = [first.invoke(items) for items in ([1], [], [3])]

    async def one() -> Any:
        return await handles[1]

    async def each() -> list[Any]:
        return [handle.get() async for handle in as_completed(handles)]

    async def values() -> Any:
        for handle in (handles[0], stops.invoke()):
            yield await handle

    async def every() -> list[Any]:
        return [value async for value in values()]

    for program in (one, each, every):
        with pytest.raises(TaskFailed, match=r"Stop(Async)?Iteration"):
            asyncio.run(program())


class Stopping:
    """Raises StopIteration wherever it is rebuilt."""

    def __reduce__(self) -> Any:
        return next, (iter(()),)


def test_a_value_that_stops_where_it_is_rebuilt_ends_no_loop(client: Pymonik) -> None:
    given, good = identity.invoke(Stopping()), square.invoke(2)
    made = Task(lambda: Stopping(), func_name="made").map_invoke([()])
    for handle in (given, made[0]):
        with pytest.raises((TaskFailed, RuntimeError)):
            list(map(type(handle).get, [handle, good]))
    with pytest.raises((TaskFailed, RuntimeError)):
        made.get()
    assert good.get() == 4


class Leaves(BaseException):
    """What would end a process, or a loop of ours, if it were not caught."""


def ending(name: str, kind: type[BaseException]) -> type[Exception]:
    """Make an exception that raises when a part of it is asked for."""

    def ends(self: Any, *_: Any) -> Any:
        raise kind("looked at")

    part: Any = property(ends) if name == "__cause__" else ends
    return type(f"Ends{name.strip('_').title()}", (Exception,), {name: part})


PARTS = ("__reduce__", "__str__", "__repr__", "__getstate__", "__setstate__", "__cause__")


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit, asyncio.CancelledError, Leaves])
def test_an_exception_that_raises_when_looked_at_fails_its_call_only(
    client: Pymonik, kind: type[BaseException]
) -> None:
    kinds = [ending(name, kind) for name in PARTS]

    @task
    def fail(number: int) -> int:
        if number < len(kinds):
            raise kinds[number]("x")
        return number

    results = fail.map_invoke(range(len(kinds) + 3))
    for name, made, result in zip(PARTS, kinds, results):
        wanted = TaskFailed if name == "__cause__" else made
        assert isinstance(result.exception(), wanted), name
    assert results[len(kinds) :].get() == [6, 7, 8]


def test_a_value_that_raises_when_pickled_fails_its_call_only(client: Pymonik) -> None:
    class Ends:
        __reduce__ = __repr__ = lambda self: sys.exit(3)

    @task
    def make(number: int) -> Any:
        return Ends() if number == 1 else number

    results = make.map_invoke(range(3))
    assert isinstance(results[1].exception(), TypeError)
    assert [results[0].get(), results[2].get()] == [0, 2]
