"""Several handles at once: what `map_invoke` gives.

Enters: runs of nodes, and handles. Leaves: lists of values, and handles made when asked for. What
one handle can do is the business of `handle`, waiting that of the client; the order in which calls
end is that of `completed`.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Generic, SupportsIndex, TypeVar, overload

from pymonik._pickled import public
from pymonik.errors import NoClientError
from pymonik.record.completed import Completed, as_completed
from pymonik.record.handle import ResultHandle, compared, handle_to
from pymonik.system.other_names import hints_at_other_names
from pymonik.values.options import in_seconds

T = TypeVar("T")


@public
@hints_at_other_names("a MultiResultHandle")
class MultiResultHandle(Generic[T]):
    """Handles that behave like a list; as an argument of a task it arrives as a list of values.

    `runs` are (node, indexes, liveness): a whole map is one run, whatever its length.

    >>> with Pymonik():
    ...     powers = Task(pow).map_invoke([(2, n) for n in range(6)])
    ...     len(powers), powers[-1].get(), Task(sum).invoke(powers[2:4]).get()
    (6, 32, 12)
    """

    __slots__ = ("_client", "_runs")
    __pymonik_role__: ClassVar[str] = "handle"

    def __init__(self, handles: Iterable[ResultHandle[T]] = (), *, client: Any = None) -> None:
        self._client: Any = client
        self._runs: list[tuple[Any, range, Any]] = []
        self.extend(list(handles))

    @classmethod
    def of_run(cls, node: Any, indexes: range, client: Any, liveness: Any) -> MultiResultHandle[T]:
        """Make the handle of a run of one node."""
        handles: MultiResultHandle[T] = cls(client=client)
        handles._runs.append((node, indexes, liveness))
        return handles

    @property
    def result_handles(self) -> list[ResultHandle[T]]:
        """The handles, as a list; programs of 0.2.5 ask for them so."""
        return list(self)

    @property
    def session_id(self) -> str | None:
        """The id of the session, None for an empty one.

        >>> print(MultiResultHandle().session_id)
        None
        """
        return self._client.session_id if self._client is not None else None

    def wait(self, timeout: float | timedelta | None = None) -> MultiResultHandle[T]:
        """Send what is pending and wait for all values. Returns itself.

        timeout: as of `ResultHandle.wait`.

        >>> with Pymonik():
        ...     Task(abs).map_invoke([-1, 2]).wait(timeout=60).done()
        True
        """
        if self._client is not None:
            self._client.waiter.wait_for_runs(self._runs, in_seconds(timeout))
        return self

    def get(self, timeout: float | timedelta | None = None) -> list[T]:
        """Wait for all values and give them in order, or raise the first error.

        timeout: as of `wait`.

        >>> with Pymonik():
        ...     Task(abs).map_invoke([-1, 2, -3]).get(timeout=60)
        [1, 2, 3]
        """
        if self._client is None:
            return []
        values: list[T] = self._client.waiter.values(self._runs, in_seconds(timeout))
        return values

    def as_completed(self, timeout: float | timedelta | None = None) -> Completed[T]:
        """Return the handles in the order in which their calls end, as `pymonik.as_completed`.

        >>> with Pymonik():
        ...     sorted(call.get() for call in Task(abs).map_invoke([-1, -2]).as_completed())
        [1, 2]
        """
        return as_completed(self, timeout)

    def done(self) -> bool:
        """Send what is pending and return whether all calls have ended, without waiting."""
        return all([handle.done() for handle in self])

    def cancel(self) -> bool:
        """Cancel all calls; return whether none of them will run.

        >>> with Pymonik():
        ...     Task(print).map_invoke(["never", "printed"]).cancel()
        True
        """
        # A unit stops with the last of its calls: what became of the first is known after that.
        stopped = [handle.cancel() for handle in self]
        return all(was or handle.cancel() for was, handle in zip(stopped, self))

    def exception(self, timeout: float | timedelta | None = None) -> list[BaseException | None]:
        """Wait for all calls, and return the error of each, None where it has none.

        timeout: as of `wait`.

        >>> with Pymonik():
        ...     Task(int).map_invoke(["7", "seven"]).exception()
        [None, ValueError("invalid literal for int() with base 10: 'seven'")]
        """
        self.wait(timeout)
        return [handle.exception() for handle in self]

    def append(self, handle: ResultHandle[T]) -> None:
        """Add a handle at the end; raises TypeError for what is none, NoClientError of another's.

        >>> with Pymonik() as client:
        ...     values = client.put_many([1, 2])
        ...     values.append(Task(pow).invoke(2, 3))
        ...     values.extend(values[:2])
        ...     values.get()
        [1, 2, 8, 1, 2]
        """
        if not isinstance(handle, ResultHandle):
            raise TypeError(f"append takes a ResultHandle, not {handle!r}")
        self._join(handle._client)
        index = handle._index
        if self._runs:
            node, indexes, liveness = self._runs[-1]
            if node is handle._node and indexes.step == 1 and indexes.stop == index:
                self._runs[-1] = (node, range(indexes.start, index + 1), liveness)
                return
        keep = handle._liveness if handle._liveness is not None else handle
        self._runs.append((handle._node, range(index, index + 1), keep))

    def extend(self, handles: Iterable[ResultHandle[T]]) -> None:
        """Add handles at the end; raises as `append` does."""
        if isinstance(handles, MultiResultHandle):
            self._join(handles._client)
            self._runs += handles._runs
            return
        if isinstance(handles, (str, bytes)) or not isinstance(handles, Iterable):
            raise TypeError(
                f"a MultiResultHandle is extended by handles, not by {handles!r}: to compute with "
                "its values, get() them, or do it inside a task that takes it as an argument"
            )
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

    def __copy__(self) -> MultiResultHandle[T]:
        return self[:]

    def __deepcopy__(self, memo: dict[int, Any]) -> MultiResultHandle[T]:
        return self[:]

    def __len__(self) -> int:
        return sum(len(indexes) for _, indexes, _ in self._runs)

    def __iter__(self) -> Iterator[ResultHandle[T]]:
        for node, indexes, liveness in self._runs:
            for index in indexes:
                yield self._handle(node, index, liveness)

    def _handle(self, node: Any, index: int, liveness: Any) -> ResultHandle[T]:
        if isinstance(liveness, ResultHandle):
            return liveness
        return handle_to(node, index, self._client, liveness)

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
        for node, indexes, liveness in self._runs:
            if position < len(indexes):
                return self._handle(node, indexes[position], liveness)
            position -= len(indexes)
        raise AssertionError("a position below the length is in one of the runs")

    def _slice(self, index: slice) -> MultiResultHandle[T]:
        part: MultiResultHandle[T] = MultiResultHandle(client=self._client)
        if len(self._runs) == 1:
            node, indexes, liveness = self._runs[0]
            part._runs.append((node, indexes[index], liveness))
        else:
            part.extend(list(self)[index])
        return part

    def __eq__(self, other: object) -> bool:
        """Compare handles, as lists do; what they stand for does not exist yet.

        Like lists they have no hash, since they change: Python takes it from who has an `__eq__`.
        """
        if isinstance(other, (list, tuple)) and all(isinstance(h, ResultHandle) for h in other):
            return list(self) == list(other)
        if isinstance(other, MultiResultHandle):
            return list(self) == list(other)
        return compared(other)

    def __contains__(self, handle: object) -> bool:
        return any(True for _ in self._positions(handle))

    def index(self, handle: object, start: int = 0, stop: int = sys.maxsize) -> int:
        """Return where a handle stands; raises ValueError when it is not here.

        >>> with Pymonik() as client:
        ...     values = client.put_many("abc")
        ...     values.index(values[-1]), (values + values).count(values[-1])
        (2, 2)
        """
        wanted = range(len(self))[start:stop]
        position = next((at for at in self._positions(handle) if at in wanted), None)
        if position is None:
            raise ValueError(f"{handle!r} is not here")
        return position

    def count(self, handle: object) -> int:
        """Return how often a handle stands here."""
        return sum(1 for _ in self._positions(handle))

    def _positions(self, handle: object) -> Iterator[int]:
        """Return where a handle stands: the same one, or another one of the same value."""
        if not isinstance(handle, ResultHandle):
            return
        before = 0
        for node, indexes, _ in self._runs:
            if handle._node is node and handle._index in indexes:
                yield before + indexes.index(handle._index)
            before += len(indexes)

    def __reversed__(self) -> Iterator[ResultHandle[T]]:
        return iter(self[::-1])

    def __await__(self) -> Generator[Any, None, list[T]]:
        values = []
        for handle in self:
            values.append((yield from handle.__await__()))
        return values

    def __repr__(self) -> str:
        return f"<MultiResultHandle of {len(self)}>"

    def __str__(self) -> str:
        return f"<MultiResultHandle of {len(self)}; .get() gives a list of their values>"

    def _repr_html_(self) -> str:
        nodes = [node for node, _, _ in self._runs]
        return repr(self) if self._client is None else self._client.views.html(repr(self), nodes)


# It has all that a sequence has: `random.sample` and `match` ask for that by name.
Sequence.register(MultiResultHandle)
