"""Scopes: what calls are recorded in, a client or the recorder of a task.

Enters: objects to keep. Leaves: their handles, which name the scope. Calls come by way of `task`,
which a scope is given, or is current for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from pymonik.errors import OptionsError
from pymonik.humanize import counted
from pymonik.record.current import current_recorder
from pymonik.record.owner import Owner

if TYPE_CHECKING:
    from pymonik.record.handle import ResultHandle
    from pymonik.record.handles import MultiResultHandle
    from pymonik.record.recorder import Recorder

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def _of_pymonik(method: F) -> F:
    """Let errors of a call name a method as users know it, and not by the class that it is of."""
    method.__qualname__ = f"Pymonik.{method.__name__}"
    return method


class Scope(Owner, Protocol):
    """What calls are recorded in: a client, or the recorder of a task; what `pymonik=` takes."""

    __pymonik_role__: ClassVar[str] = "recorder"

    recorder: Recorder
    # `recorder`, once it exists and `usual_call` may use it; None before. A plain attribute,
    # because every call reads it.
    ready: Recorder | None

    def __pymonik_reduce__(self) -> Any:
        # A task that names its client means the one of the place where it runs.
        return current_recorder, ()

    @_of_pymonik
    def put(self, obj: T, name: str | None = None) -> ResultHandle[T]:
        """Keep an object as it is now; return a handle that tasks take as an argument.

        obj: anything that can be pickled; later changes to it are not seen. name: under which it
        is stored and can be looked up. Raises CaptureError.

        >>> with Pymonik() as client:
        ...     weights = client.put([0.2, 0.8])
        ...     Task(max).invoke(weights).get()
        0.8
        """
        return self.recorder.record_put(self, obj, name)

    @_of_pymonik
    def put_many(
        self, objects: Iterable[T], names: Sequence[str] | None = None
    ) -> MultiResultHandle[T]:
        """Keep several objects; return their handles, in order.

        names: one for each object. Raises OptionsError when their numbers differ.

        >>> with Pymonik() as client:
        ...     letters = client.put_many(["a", "b"], names=["first", "second"])
        ...     client.lookup("second").get()
        'b'
        """
        from pymonik.record.handles import MultiResultHandle  # with the first call

        if not isinstance(objects, Iterable):
            raise OptionsError(
                f"put_many takes a list of objects, not {objects!r:.80}: put keeps a single one"
            )
        objects = list(objects)
        if names is None:
            return MultiResultHandle([self.put(obj) for obj in objects], client=self)
        if isinstance(names, str) or not isinstance(names, Sequence) or len(names) != len(objects):
            raise OptionsError(
                f"put_many got {counted(len(objects), 'object')} and names={names!r}: give a list "
                "with a name for each"
            )
        pairs = zip(objects, names)
        return MultiResultHandle([self.put(obj, name) for obj, name in pairs], client=self)
