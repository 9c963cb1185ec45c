"""Handles: what a user holds for a value that does not exist yet.

Enters: recorded nodes. Leaves: values, errors, and hints when a handle is taken for its value.
A handle is (node, index), made when asked for; waiting is left to the client that recorded it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    NoReturn,
    Protocol,
    SupportsIndex,
    TypeVar,
    overload,
)

from pymonik.errors import LazyValueError, NoClientError, OptionsError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


def _refusal(verb: str) -> Callable[..., NoReturn]:
    def refuse(self: Any, *_: Any) -> NoReturn:
        raise LazyValueError(
            f"{verb} a handle needs its value, which does not exist yet: call .get() for the "
            "value, or do it inside a task that takes the handle as an argument"
        )

    return refuse


_cannot_format = _refusal("formatting")


def _seconds(timeout: float | None) -> float | None:
    """Refuse a timeout that is no time."""
    if timeout is None:
        return None
    number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if not number or not timeout >= 0:
        raise OptionsError(f"timeout takes seconds, 0 or more, not {timeout!r}")
    return timeout


class Owner(Protocol):
    """What handles ask of the recorder that made them."""

    @property
    def session_id(self) -> str: ...
    def wait_for(self, handles: list[ResultHandle[Any]], timeout: float | None) -> None: ...
    def wait_for_runs(self, runs: Any, timeout: float | None) -> None: ...
    def value(self, handle: ResultHandle[Any], timeout: float | None) -> Any: ...
    def values(self, runs: Any, timeout: float | None) -> list[Any]: ...
    def is_done(self, handle: ResultHandle[Any]) -> bool: ...
    def exception(
        self, handle: ResultHandle[Any], timeout: float | None
    ) -> BaseException | None: ...
    def completed(
        self, handles: list[ResultHandle[Any]], timeout: float | None
    ) -> Iterator[ResultHandle[Any]]: ...
    def awaited(self, handle: ResultHandle[Any]) -> Coroutine[Any, Any, Any]: ...
    def call_when_done(
        self, handle: ResultHandle[Any], callback: Callable[[Any], object]
    ) -> None: ...
    def cancel_call(self, handle: ResultHandle[Any]) -> bool: ...
    def result_id(self, handle: ResultHandle[Any]) -> str: ...
    def describe(self, handle: ResultHandle[Any]) -> str: ...
    def name(self, handle: ResultHandle[Any], name: str) -> None: ...
    def item(self, handle: ResultHandle[Any], key: Any) -> ResultHandle[Any]: ...
    def unpack(self, handle: ResultHandle[Any], n: int) -> tuple[ResultHandle[Any], ...]: ...
    def delegate(self, handle: Any) -> None: ...


class ResultHandle(Generic[T_co]):
    """A handle to one value: of a call, of an element of a map, or of an object put."""

    __slots__ = ("__weakref__", "_anchor", "_client", "_index", "_node")
    __pymonik_role__: ClassVar[str] = "lazy"

    def __init__(self, node: Any, index: int, client: Owner, anchor: Any = None) -> None:
        self._node = node
        self._index = index
        self._client = client
        self._anchor = anchor

    def wait(self, timeout: float | None = None) -> ResultHandle[T_co]:
        """Send what is pending and wait until this value exists or its call has failed.

        timeout: seconds; past it TimeoutError is raised and nothing is lost. Returns itself.
        """
        self._client.wait_for([self], _seconds(timeout))
        return self

    def get(self, timeout: float | None = None) -> T_co:
        """Wait for the value and give it, or raise what the task raised."""
        return self._client.value(self, _seconds(timeout))  # type: ignore[no-any-return]

    def done(self) -> bool:
        """Send what is pending and tell whether the call has ended, without waiting."""
        return self._client.is_done(self)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait, and give the error of the call, or None if it has none."""
        return self._client.exception(self, _seconds(timeout))

    def cancel(self) -> bool:
        """Cancel the call and what depends on it; tell whether it will not run."""
        return self._client.cancel_call(self)

    def add_done_callback(self, callback: Callable[[ResultHandle[T_co]], object]) -> None:
        """Call `callback(handle)` once the call has ended, from a thread of the library."""
        self._client.call_when_done(self, callback)

    def named(self, name: str) -> ResultHandle[T_co]:
        """Name the value, so that it is kept and can be looked up. Returns itself."""
        self._client.name(self, name)
        return self

    def unpack(self, n: int) -> tuple[ResultHandle[Any], ...]:
        """Give handles to the `n` items of a value that is a sequence of `n` items."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise OptionsError(f"unpack takes the number of items, not {n!r}")
        return self._client.unpack(self, n)

    @property
    def result_id(self) -> str:
        """The id under which the value is stored; sends what is pending."""
        return self._client.result_id(self)

    @property
    def session_id(self) -> str:
        """The id of the session the value belongs to."""
        return self._client.session_id

    def __getitem__(self, key: Any) -> ResultHandle[Any]:
        """Give a handle to `value[key]`, worked out where the value is."""
        return self._client.item(self, key)

    def __await__(self) -> Generator[Any, None, T_co]:
        return (yield from self._client.awaited(self).__await__())  # type: ignore[no-any-return]

    def __eq__(self, other: object) -> bool:
        if type(other) is not ResultHandle:
            return NotImplemented
        return self._node is other._node and self._index == other._index

    def __hash__(self) -> int:
        return hash((id(self._node), self._index))

    def __repr__(self) -> str:
        return f"<ResultHandle {self._client.describe(self)}>"

    def _repr_html_(self) -> str:
        from pymonik.graph.draw.notebook import handle_html

        return handle_html(repr(self), [self._node])

    def __reduce__(self) -> NoReturn:
        raise LazyValueError("a handle cannot be pickled: pass it to a task as an argument")

    if not TYPE_CHECKING:  # a checker is to tell of a wrong name itself

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_"):  # a protocol is asked for: not having it is the answer
                raise AttributeError(f"a handle has no {name!r}")
            raise AttributeError(
                f"a handle has no {name!r}, its value may: that does not exist yet, so call .get() "
                f"for it, or take .{name} inside a task that takes the handle as an argument"
            )

    def __format__(self, spec: str) -> str:
        return _cannot_format(self) if spec else repr(self)

    __call__ = _refusal("calling")
    __array__ = _refusal("making an array of")
    __bool__ = _refusal("testing")
    __len__ = _refusal("taking the length of")
    __contains__ = _refusal("searching")
    __float__ = __int__ = __complex__ = __index__ = _refusal("converting")
    __lt__ = __le__ = __gt__ = __ge__ = _refusal("comparing")
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refusal("computing with")
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = _refusal("computing with")
    __mod__ = __rmod__ = __pow__ = __rpow__ = _refusal("computing with")
    __matmul__ = __rmatmul__ = __and__ = __rand__ = __or__ = __ror__ = _refusal("computing with")
    __xor__ = __rxor__ = __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = _refusal(
        "computing with"
    )
    __divmod__ = __rdivmod__ = __round__ = __trunc__ = _refusal("computing with")
    __floor__ = __ceil__ = _refusal("rounding")
    __reversed__ = _refusal("reversing")
    __setitem__ = __delitem__ = _refusal("changing")
    __neg__ = __pos__ = __abs__ = __invert__ = _refusal("computing with")

    def __iter__(self) -> NoReturn:
        raise LazyValueError(
            "iterating over a handle needs its value, which does not exist yet: .unpack(n) gives "
            "handles to its n items, .get() the value"
        )


class MultiResultHandle(Generic[T]):
    """Handles that behave like a list; as an argument of a task it arrives as a list of values.

    `runs` are (node, indexes, anchor): a whole map is one run, whatever its length.
    """

    __slots__ = ("_client", "_runs")
    __pymonik_role__: ClassVar[str] = "lazy"

    def __init__(self, handles: Iterable[ResultHandle[T]] = (), *, client: Any = None) -> None:
        self._client: Any = client
        self._runs: list[tuple[Any, range, Any]] = []
        self.extend(list(handles))

    @classmethod
    def of_run(cls, node: Any, indexes: range, client: Any, anchor: Any) -> MultiResultHandle[T]:
        """Make the handle of a run of one node."""
        handles: MultiResultHandle[T] = cls(client=client)
        handles._runs.append((node, indexes, anchor))
        return handles

    @property
    def result_handles(self) -> list[ResultHandle[T]]:
        """The handles, as a list."""
        return list(self)

    @property
    def session_id(self) -> str | None:
        """The id of the session, None for an empty one."""
        return self._client.session_id if self._client is not None else None

    def wait(self, timeout: float | None = None) -> MultiResultHandle[T]:
        """Send what is pending and wait for all values. Returns itself."""
        if self._client is not None:
            self._client.wait_for_runs(self._runs, _seconds(timeout))
        return self

    def get(self, timeout: float | None = None) -> list[T]:
        """Wait for all values and give them in order, or raise the first error."""
        if self._client is None:
            return []
        return self._client.values(self._runs, _seconds(timeout))  # type: ignore[no-any-return]

    def as_completed(self, timeout: float | None = None) -> Iterator[ResultHandle[T]]:
        """Give the handles in the order in which their calls end."""
        return as_completed(self, timeout)

    def done(self) -> bool:
        """Send what is pending and tell whether all calls have ended."""
        return all([handle.done() for handle in self])

    def cancel(self) -> bool:
        """Cancel all calls; tell whether none of them will run."""
        # A unit stops with the last of its calls: what became of the first is known after that.
        stopped = [handle.cancel() for handle in self]
        return all(was or handle.cancel() for was, handle in zip(stopped, self))

    def exception(self, timeout: float | None = None) -> list[BaseException | None]:
        """Wait for all calls, and give the error of each, None where it has none."""
        self.wait(timeout)
        return [handle.exception() for handle in self]

    def append(self, handle: ResultHandle[T]) -> None:
        """Add a handle at the end."""
        if not isinstance(handle, ResultHandle):
            raise TypeError(f"append takes a ResultHandle, not {handle!r}")
        self._join(handle._client)
        index = handle._index
        if self._runs:
            node, indexes, anchor = self._runs[-1]
            if node is handle._node and indexes.step == 1 and indexes.stop == index:
                self._runs[-1] = (node, range(indexes.start, index + 1), anchor)
                return
        keep = handle._anchor if handle._anchor is not None else handle
        self._runs.append((handle._node, range(index, index + 1), keep))

    def extend(self, handles: Iterable[ResultHandle[T]]) -> None:
        """Add handles at the end."""
        if isinstance(handles, MultiResultHandle):
            self._join(handles._client)
            self._runs += handles._runs
            return
        if isinstance(handles, (str, bytes)) or not isinstance(handles, Iterable):
            raise TypeError(f"extend takes handles, not {handles!r}")
        for handle in handles:
            self.append(handle)

    def _join(self, client: Any) -> None:
        if self._client is None:
            self._client = client
        elif client is not None and client is not self._client:
            raise NoClientError("handles of several clients do not go together: get() their values")

    def __add__(self, other: Iterable[ResultHandle[T]]) -> MultiResultHandle[T]:
        joined: MultiResultHandle[T] = MultiResultHandle(client=self._client)
        joined._runs += self._runs
        joined.extend(other)
        return joined

    def __iadd__(self, other: Iterable[ResultHandle[T]]) -> MultiResultHandle[T]:
        self.extend(other)
        return self

    def __radd__(self, other: list[ResultHandle[T]]) -> MultiResultHandle[T]:
        joined: MultiResultHandle[T] = MultiResultHandle(other, client=self._client)
        joined._runs += self._runs
        return joined

    def __len__(self) -> int:
        return sum(len(indexes) for _, indexes, _ in self._runs)

    def __iter__(self) -> Iterator[ResultHandle[T]]:
        for node, indexes, anchor in self._runs:
            for index in indexes:
                yield self._handle(node, index, anchor)

    def _handle(self, node: Any, index: int, anchor: Any) -> ResultHandle[T]:
        if isinstance(anchor, ResultHandle):
            return anchor
        return ResultHandle(node, index, self._client, anchor)

    @overload
    def __getitem__(self, index: SupportsIndex) -> ResultHandle[T]: ...
    @overload
    def __getitem__(self, index: slice) -> MultiResultHandle[T]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> ResultHandle[T] | MultiResultHandle[T]:
        if isinstance(index, slice):
            return self._slice(index)
        if not hasattr(index, "__index__"):
            raise TypeError(f"a MultiResultHandle takes an index or a slice, not {index!r}")
        count = len(self)
        if not -count <= operator.index(index) < count:
            raise IndexError(f"there is no handle {index!r} here: there are {count}")
        position = range(count)[index]
        for node, indexes, anchor in self._runs:
            if position < len(indexes):
                return self._handle(node, indexes[position], anchor)
            position -= len(indexes)
        raise AssertionError("a position below the length is in one of the runs")

    def _slice(self, index: slice) -> MultiResultHandle[T]:
        part: MultiResultHandle[T] = MultiResultHandle(client=self._client)
        if len(self._runs) == 1:
            node, indexes, anchor = self._runs[0]
            part._runs.append((node, indexes[index], anchor))
        else:
            part.extend(list(self)[index])
        return part

    def __contains__(self, handle: object) -> bool:
        return isinstance(handle, ResultHandle) and any(
            handle._node is node and handle._index in indexes for node, indexes, _ in self._runs
        )

    def __bool__(self) -> bool:
        return bool(len(self))

    def __await__(self) -> Generator[Any, None, list[T]]:
        values = []
        for handle in self:
            values.append((yield from handle.__await__()))
        return values

    def __repr__(self) -> str:
        return f"<MultiResultHandle of {len(self)}>"

    def _repr_html_(self) -> str:
        from pymonik.graph.draw.notebook import handle_html

        return handle_html(repr(self), [node for node, _, _ in self._runs])


def as_completed(
    handles: Iterable[ResultHandle[T]], timeout: float | None = None
) -> Iterator[ResultHandle[T]]:
    """Give handles in the order in which their calls end, failed ones included.

    timeout: seconds until the last; past it TimeoutError is raised, and nothing is lost.
    """
    remaining = list(handles)
    for handle in remaining:
        if not isinstance(handle, ResultHandle):
            raise TypeError(f"as_completed takes handles, not {handle!r}")
    if not remaining:
        return iter(())
    return remaining[0]._client.completed(remaining, _seconds(timeout))
