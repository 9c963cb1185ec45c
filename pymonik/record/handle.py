"""Handles: what a user holds for a value that does not exist yet.

Enters: recorded nodes. Leaves: values, errors, and hints when a handle is taken for its value.
A handle is (node, index), made when asked for; waiting is left to the client that recorded it.
Several at once are a `MultiResultHandle` (`handles`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar

from pymonik._pickled import public
from pymonik.errors import LazyValueError, OptionsError
from pymonik.graph.nodes import Put
from pymonik.graph.slots import Ref
from pymonik.record.owner import Owner
from pymonik.system.attributes import role_of
from pymonik.values.foreign import harmless
from pymonik.values.options import in_seconds

T_co = TypeVar("T_co", covariant=True)


def _refusal(verb: str) -> Callable[..., NoReturn]:
    def refuse(self: Any, *_: Any, **__: Any) -> NoReturn:
        raise LazyValueError(
            f"{verb} a handle needs its value, which does not exist yet: call .get() for the "
            "value, or do it inside a task that takes the handle as an argument"
        )

    return refuse


_cannot_format = _refusal("formatting")
_cannot_compare = _refusal("comparing")


def compared(other: object) -> bool:
    """Return whether a handle is equal to what is no handle: unknown, but for `None`."""
    if other is None or role_of(type(other)) == "handle":
        return False
    return _cannot_compare(None)


@public
class ResultHandle(Generic[T_co]):
    """A handle to one value: of a call, of an element of a map, or of an object put.

    Tasks and clients give handles; one is made of a `result_id` that came from elsewhere: from a
    task that handed out the id of a sub-task's value. Raises LookupError when there is no such id,
    NoClientError when its session is not the client's.

    >>> with Pymonik() as client:
    ...     rates = client.put({"EUR": 1.08, "GBP": 1.27})
    ...     rates["GBP"].get()  # an item is a handle, too
    1.27
    """

    __slots__ = ("__weakref__", "_liveness", "_client", "_index", "_node", "_slot")
    __pymonik_role__: ClassVar[str] = "handle"

    def __init__(self, result_id: str, session_id: str, pymonik_instance: Any) -> None:
        handle = pymonik_instance.stored.of_result(pymonik_instance, result_id, session_id)
        self._client: Owner = handle._client
        self._node, self._index, self._liveness = handle._node, handle._index, handle._liveness
        self._slot: Any = None

    def wait(self, timeout: float | timedelta | None = None) -> ResultHandle[T_co]:
        """Send what is pending and wait until this value exists or its call has failed.

        timeout: seconds or a timedelta; past it TimeoutError is raised and nothing is lost. Returns
        itself.

        >>> with Pymonik():
        ...     Task(pow).invoke(2, 3).wait(timeout=60).done()
        True
        """
        self._client.waiter.wait_for([self], in_seconds(timeout))
        return self

    def get(self, timeout: float | timedelta | None = None) -> T_co:
        """Wait for the value and return it, or raise what the task raised. timeout: as of `wait`.

        >>> with Pymonik():
        ...     Task(pow).invoke(2, 3).get(timeout=60)
        8
        """
        value: T_co = self._client.waiter.value(self, in_seconds(timeout))
        return value

    def done(self) -> bool:
        """Send what is pending and return whether the call has ended, without waiting."""
        return self._client.waiter.is_done(self)

    def exception(self, timeout: float | timedelta | None = None) -> BaseException | None:
        """Wait, and return the error of the call, or None if it has none. timeout: as of `wait`.

        >>> with Pymonik():
        ...     Task(divmod).invoke(1, 0).exception()
        ZeroDivisionError('integer division or modulo by zero')
        """
        return self._client.waiter.exception(self, in_seconds(timeout))

    def cancel(self) -> bool:
        """Cancel the call and what depends on it; return whether it will not run.

        >>> with Pymonik():
        ...     Task(print).invoke("never printed").cancel()
        True
        """
        return self._client.canceller.cancel_call(self)

    def add_done_callback(self, callback: Callable[[ResultHandle[T_co]], object]) -> None:
        """Call `callback(handle)` once the call has ended, from a thread of the library.

        >>> values = []
        >>> with Pymonik():
        ...     Task(pow).invoke(2, 3).add_done_callback(lambda call: values.append(call.get()))
        >>> values
        [8]
        """
        if getattr(callback, "__module__", None) == "asyncio.tasks":
            # Of `asyncio.wait`: called from another thread, it would not wake its loop.
            raise TypeError(
                "asyncio.wait takes futures and tasks: asyncio.ensure_future(handle) makes one"
            )
        self._client.notifier.add_done_callback(self, callback)

    def named(self, name: str) -> ResultHandle[T_co]:
        """Name the value, so that it is kept and can be looked up. Returns itself.

        >>> with Pymonik() as client:
        ...     call = Task(pow).invoke(2, 3).named("power")
        ...     client.lookup("power").get()
        8
        """
        self._client.recorder.name(self, name)
        return self

    def unpack(self, n: int) -> tuple[ResultHandle[Any], ...]:
        """Return handles to the `n` items of a value that is a sequence of `n` items.

        Raises OptionsError for a number that cannot be.

        >>> with Pymonik():
        ...     quotient, remainder = Task(divmod).invoke(17, 5).unpack(2)
        ...     remainder.get()
        2
        """
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise OptionsError(f"unpack takes the number of items, not {n!r}")
        return self._client.recorder.unpack(self, n)

    @property
    def result_id(self) -> str:
        """The id under which the value is stored; sends what is pending.

        >>> with Pymonik() as client:
        ...     power = Task(pow).invoke(2, 3)
        ...     ResultHandle(power.result_id, power.session_id, client).get()
        8
        """
        return self._client.stored.result_id(self)

    @property
    def session_id(self) -> str:
        """The id of the session the value belongs to.

        >>> with Pymonik() as client:
        ...     client.put(1).session_id == client.session_id
        True
        """
        return self._client.session_id

    def _as_slot(self) -> Any:
        """Return what stands for it in calls that hold it themselves: one for all of them."""
        slot = self._slot
        if slot is None:
            node = self._node
            is_put = type(node) is Put
            slot = self._slot = node.content if is_put else Ref(node, self._index)
        return slot

    def __getitem__(self, key: Any) -> ResultHandle[Any]:
        """Return a handle to `value[key]`, worked out where the value is."""
        item: ResultHandle[Any] = self._client.recorder.item(self, key)
        return item

    def __await__(self) -> Generator[Any, None, T_co]:
        value: T_co = yield from self._client.async_waiter.value(self).__await__()
        return value

    def __eq__(self, other: object) -> bool:
        if type(other) is not ResultHandle:
            return compared(other)
        return self._node is other._node and self._index == other._index

    def __hash__(self) -> int:
        return hash((id(self._node), self._index))

    def __repr__(self) -> str:
        return f"<ResultHandle {harmless(self._client.views.describe(self))}>"

    def __str__(self) -> str:
        return f"<ResultHandle {harmless(self._client.views.describe(self, hints=True))}>"

    def _repr_html_(self) -> str:
        return self._client.views.html(repr(self), [self._node])

    def __copy__(self) -> ResultHandle[T_co]:
        return self  # as of all that never changes, the copy is the same: `asdict` makes one

    def __deepcopy__(self, memo: dict[int, Any]) -> ResultHandle[T_co]:
        return self

    def __reduce__(self) -> NoReturn:
        raise LazyValueError("a handle cannot be pickled: pass it to a task as an argument")

    if not TYPE_CHECKING:  # a checker is to tell of a wrong name itself

        def __getattr__(self, name: str) -> NoReturn:
            from pymonik.system.other_names import hint_for  # not for `import pymonik`

            hint = hint_for("a handle", name)
            if hint is not None:
                raise AttributeError(f"{hint}. If its value has one, it is .get().{name}")
            if name.startswith("_"):  # a protocol is asked for: not having it is the answer
                raise AttributeError(f"a handle has no {name!r}")
            raise AttributeError(
                f"a handle has no {name!r}, its value may: that does not exist yet, so call .get() "
                f"for it, or take .{name} inside a task that takes the handle as an argument"
            )

    def __format__(self, spec: str) -> str:
        return _cannot_format(self) if spec else str(self)

    __call__ = _refusal("calling")
    __array__ = _refusal("making an array of")
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

    def __bool__(self) -> bool:
        from pymonik.record.presence import is_declared_optional  # not for `import pymonik`

        if is_declared_optional(self, sys._getframe(1)):
            return True
        raise LazyValueError(
            "testing a handle needs its value, which does not exist yet: call .get() for the "
            "value, or do it inside a task that takes the handle as an argument. "
            "To ask whether there is a handle, write `is not None`"
        )

    def __iter__(self) -> NoReturn:
        raise LazyValueError(
            "iterating over a handle needs its value, which does not exist yet: .unpack(n) gives "
            "handles to its n items, .get() the value"
        )


def handle_to(node: Any, index: int, client: Any, liveness: Any = None) -> ResultHandle[Any]:
    """Make the handle to a value of a node; `liveness` is what all handles of its map hold."""
    handle: ResultHandle[Any] = _new(ResultHandle)
    handle._node = node
    handle._index = index
    handle._client = client
    handle._liveness = liveness
    handle._slot = None
    return handle


_new = object.__new__
