"""The subscription of a client to its session: from the first wait to the last.

Enters: ends of results, from the thread that watches the session. Leaves: outputs that are stored
or aborted. A session that is gone ends everything that was to come of it.
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakMethod

from pymonik.backend.armonik.aborts import AbortHandler
from pymonik.backend.armonik.events import EventWatcher, Listeners
from pymonik.backend.armonik.session import Session
from pymonik.backend.armonik.tracker import SubmissionTracker
from pymonik.errors import ClusterError
from pymonik.humanize import counted

# How many calls an error names whose values are lost.
_NAMED = 5


class Subscription:
    """Listens to the session while anything is awaited, from whichever thread."""

    def __init__(
        self, session: Session, tracker: SubmissionTracker, abort_handler: AbortHandler
    ) -> None:
        self._session = session
        self._tracker = tracker
        self._abort_handler = abort_handler
        # Guarded by `changed`, as what is open is.
        self._watcher: EventWatcher | None = None
        self._is_closed = False
        tracker.changed.begun = self._listen_on
        # Whichever watcher there is then: one that is closed as it starts takes it from no other.
        # Weakly, for this refers to the tracker, and the session lives until nothing does.
        again = WeakMethod(self._subscribe_again)

        def recovered() -> None:
            subscribe_again = again()
            if subscribe_again is not None:
                subscribe_again()

        session.rpc.breaker.recovered = recovered

    def _listen_on(self) -> None:
        """Listen while anything is open: see `close`."""
        if self._tracker.open:
            self.listen()

    def listen(self) -> EventWatcher:
        """Return the watcher of the session; it starts with the first need of it."""
        watcher = self._watcher
        if watcher is None:
            # Made without the lock, and started without it: a finalizer amid that may want one.
            made = EventWatcher(self._session, self._listeners())
            with self._tracker.changed:
                watcher = self._watcher = self._watcher or made
        watcher.start()
        watcher.wanted()
        return watcher

    def _listeners(self) -> Listeners:
        return Listeners(
            open_ids=lambda: list(self._tracker.open),
            is_awaited=self._tracker.is_awaited,
            heard=self._heard,
            gone=self._abort_handler.gone,
            expired=self._expired,
            broken=self._tracker.break_down,
            is_over=lambda: self._is_closed and self._stop_unless(self._tracker.is_awaited),
        )

    def _subscribe_again(self) -> None:
        """Have the stream opened anew: whoever was ill may have forgotten its subscriptions."""
        watcher = self._watcher
        if watcher is not None:
            watcher.replace_stream()

    def _expired(self) -> ClusterError:
        """Make the error of a session that is gone, with all that was to come of it."""
        units = list(self._tracker.open.values())
        lost = counted(sum(unit.outputs.missing for unit in units), "value")
        names = list(dict.fromkeys(unit.name for unit in units))
        ellipsis = ", …" if len(names) > _NAMED else ""
        rpc = self._session.rpc
        return ClusterError(
            f"control plane {rpc.endpoint} has no session {self._session.id} any more: its "
            f"database was lost, or its records have expired. Lost with it: {lost}, of "
            f"{', '.join(names[:_NAMED])}{ellipsis}"
        )

    def close(self) -> None:
        """Stop listening once no thread waits for what goes on without this client.

        A wait from then on begins anew: `listen` is called where waits begin.
        """
        # First: a wait that begins from now on starts a watcher of its own, which ends with it.
        self._is_closed = True
        self._stop_unless(self._tracker.has_waiters)

    def _stop_unless(self, is_needed: Callable[[], bool]) -> bool:
        # Waits begin under `changed`: either they are seen here, or they find nobody listening.
        with self._tracker.changed:
            if is_needed():
                return False
            if self._watcher is not None:
                self._watcher.close()
                self._watcher = None
            self._abort_handler.close()
            return True

    def _heard(self, ended: dict[str, str]) -> list[str]:
        """Take note of ends; give those that are news."""
        news = [id for id in ended if id in self._tracker.open]
        for id in news:
            if ended[id] == "stored":
                self._tracker.stored(id)
        aborted = [id for id in news if ended[id] != "stored"]
        if aborted:
            self._abort_handler.aborted(aborted)
        return news
