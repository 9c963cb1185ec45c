"""What a backend is: five methods that all have, and protocols for what only some can do.

Whoever needs one of these protocols asks the traits of the backend for it and is handed an object,
or None: nobody calls a method in vain, and nobody compares names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from pymonik.backend.traits import Traits
from pymonik.system.structs import field

if TYPE_CHECKING:
    from pymonik.plan.plan import Plan
    from pymonik.plan.unit import ValueLocation
    from pymonik.runtime.host.observer import Observer
    from pymonik.system.conditions import SafeCondition
    from pymonik.values.content import Content
    from pymonik.values.failures import Failures
    from pymonik.values.location import Wanted
    from pymonik.values.outputs import Outputs

# Why units end where `cancel` stops all of them.
ABANDONED = "the client was closed or cancelled before it had ended"


class Backend(Protocol):
    """Carries out plans: fills the outputs of their units. All methods, from any thread."""

    @property
    def traits(self) -> SessionTraits:
        """What it is, and what else it can do."""

    def submit(self, plan: Plan) -> None:
        """Send a plan, and return once all of its units are expected; none has to have run.

        Its outputs are filled from now on, by any thread. Raises what keeps units from being sent,
        such as ClusterError; those that were sent come all the same: see `Arrivals.expects`.
        """

    def want(self, wanted: Iterable[Wanted]) -> None:
        """Bring records here, by their elements, once they are made: somebody waits for them."""

    def progress(self) -> tuple[int, int]:
        """Return how many units have ended, and how many were sent: of all plans so far."""

    def cancel(self, outputs: Outputs | None = None) -> Callable[[], bool]:
        """Stop the unit of some outputs, or all that is unfinished where none are named.

        Return a function to call once, without holding a lock: it may wait for the backend. It
        returns True if the unit will not run to its end; its missing values are then failures of
        kind "cancelled". Plans submitted after this call are not affected.
        """

    def close(self) -> None:
        """Let go of everything; values that have come stay, and a second call does nothing.

        Who waits meanwhile is told by `Arrivals.changed`, as of everything that ends.
        """


class Arrivals(Protocol):
    """Where records come in: whoever waits looks here, and is woken by `changed`.

    problem: why values that are waited for will not come; raised where they are waited for.
    failures: of units, also of those that nobody asks for.
    """

    @property
    def changed(self) -> SafeCondition:
        """The condition that is notified when outputs were filled, or never will be."""

    @property
    def problem(self) -> BaseException | None:
        """Why nothing comes any more, None as long as it does."""

    @property
    def failures(self) -> Failures:
        """The failures that have come so far."""

    def expects(self, outputs: Outputs) -> bool:
        """Return whether a unit, or a fetch, will still bring records of outputs."""

    def watch(self, add: Callable[[], bool], callback: Callable[[], None]) -> None:
        """Run `add` where outputs are filled; when it says that it came too late, call back."""


class StoresObjects(Protocol):
    """Keeps objects under ids that tasks, and other handles, find them by."""

    def result_id(self, outputs: Outputs, output: int, place: int) -> str:
        """Return the id under which a value of a unit is stored; "" when it is not."""

    def located(self, result_id: str) -> ValueLocation | None:
        """Return where a value is by its id, whichever program made it; None without such an id."""

    def store(self, content: Content, resend: bool = False) -> str:
        """Store an object now, unless it is stored and not to be sent `resend`; return its id."""

    def holds(self, content: Content) -> bool:
        """Return whether an earlier submission has stored a content, so that it travels no more."""


class SharesValues(Protocol):
    """Finds values that other programs of the session have made."""

    def lookup(self, name: str) -> ValueLocation | None:
        """Return where a value with a name is; None when there is none."""

    def find(self, wanted: Mapping[str, str]) -> Mapping[str, ValueLocation]:
        """Return where values of keys are that others have made, or make.

        wanted: keys, and the names of their tasks.
        """


class Prestarts(Protocol):
    """Has executors of its own, which can start while a plan is being compiled."""

    def prepare(self, calls: int) -> None:
        """Get ready for a plan of so many calls."""


class DrainsSubtasks(Protocol):
    """Has sub-tasks that no unit of a plan stands for."""

    def drain(self) -> None:
        """Wait for what tasks submitted themselves; gather `failures` that never came here."""


class CountsRunning(Protocol):
    """Knows how much runs at this moment."""

    def running(self) -> int:
        """Return how many units run now, as far as it is known here."""


class CountsUpload(Protocol):
    """Sends bytes away, which may take a while."""

    def upload(self) -> tuple[int, int]:
        """Return the bytes of the submission under way that were sent, and all of its bytes."""


class Observable(Protocol):
    """Sees which executor runs what."""

    def observe(self, observer: Observer) -> None:
        """Notify an observer of every piece that ends, and of every unit that tasks make."""


class SessionTraits(Traits, kw_only=True, eq=False):
    """Traits of a backend that is open: those of its kind, its session, what else it can do.

    slots: calls that run at once. durations: seconds an element took so far, by the names of
    units; none where nobody looks.
    """

    session_id: str
    slots: int
    arrivals: Arrivals
    objects: StoresObjects
    durations: Mapping[str, float] = field(default_factory=dict)
    shared: SharesValues | None = None
    prestarts: Prestarts | None = None
    subtasks: DrainsSubtasks | None = None
    census: CountsRunning | None = None
    transfer: CountsUpload | None = None
    pieces: Observable | None = None
