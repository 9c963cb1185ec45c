"""What the parts of a client share: whether it takes calls, its locks, and their order.

A thread that needs several of these locks takes them in this order, and leaves out what it does not
need (`tests/client/test_locks.py` has threads do so):

1. `Traits.turn`, of all clients of the process whose calls run in the thread that waits: held by
   who sends there. A call may use a client, too, which another thread is about to flush.
2. `ClientState.lock`: held by who sends, from taking what is pending to handing the plan over, and
   by who names, cancels, uploads, or adds a callback to a call that was not sent. A thread may take
   it twice: a finalizer of the user's runs wherever garbage is collected. It is held while a
   cluster is spoken to, so a wait with a time does not ask for it: see `flusher`. No turn of an
   engine is waited for amid it: what runs amid a turn, such as a log handler, may flush.
3. `LazyBackend.opening`: held while the backend is opened, so that there is one; and, of all
   clients, `late_parts._ASSEMBLING`, while one is put together.
4. `AbortHandler.sending`, of a cluster: held by who submits or stores, for the first time or again,
   while the cluster is spoken to. Who finds out why a task was lost holds it, too, so that nothing
   is sent behind its back; that thread needs none of the locks above.
5. `Arrivals.changed`, a condition of the backend: held by who waits for outputs, and by who fills
   them, but for who leads the embedded engine. It wakes all waits of a client. On a cluster it
   guards who listens to the session, too, and `EventWatcher._lock` may follow (what is known of the
   stream).
6. Locks under which nothing else is taken: `Flushers` (which thread flushes), `Callbacks` (whether
   their thread runs), `Blocks` (how many are open), `CacheLookup` (values to be kept), `Handled`
   (failures that users have seen), `Breaker._changed` (how ill a cluster is), `Host._lock` (whether
   the thread of the embedded engine runs).

Each can be taken again by its thread, and what stands under it holds where other code of ours runs
amid it: finalizers and weak references call wherever Python makes or calls something, and what they
call may use a client. Where that waits, the locks from the third on are yielded while it sleeps, as
`system.held_locks` says; the first two are roles, amid which a wait is refused for what their
thread is about to send, or to run. A third role is to lead the embedded engine (`leadership`): who
sends takes it where it is free, and waits for nobody's turn under a lock. What takes long, or
starts a thread, is done without a lock where it can be.

Recording takes none of them: `pending` is only appended to, see `record.recorder`. None of them is
held while anything of the user's is called on purpose: callbacks have a thread of their own, and so
has the callback of the progress. But the inline backend runs tasks inside `submit`, under the first
two.

The table of definitions has a lock of its own (`capture.definitions.registry`), which recording
takes, and who captures under `ClientState.lock`. It is held while objects of the user are pickled,
whose hooks must not wait for a client.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymonik.client.callbacks import CALLBACKS
from pymonik.errors import NoClientError, OptionsError
from pymonik.record.arguments import ScopeState
from pymonik.system.waits import PatientLock


class ClientState(ScopeState):
    """Whether a client takes calls, the lock of its flush, and how far the one under way is."""

    __slots__ = ("is_compiling", "lock", "plans_under_way")

    def __init__(self) -> None:
        super().__init__()
        # The second in the order above; taken again by its thread.
        self.lock = PatientLock()
        # See `compiling`.
        self.is_compiling = False
        # How many plans are on their way to the backend, which may not know their units yet.
        # Written under the lock, read by all threads.
        self.plans_under_way = 0

    @property
    def is_held_here(self) -> bool:
        """Whether this thread holds the lock."""
        return self.lock._is_owned()

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """Let nothing be sent or dropped while the block makes a plan, under the lock.

        A finalizer of the user's runs in this thread wherever garbage is collected: the lock does
        not keep it out, so who flushes or cancels looks at `is_compiling`.
        """
        before, self.is_compiling = self.is_compiling, True
        try:
            yield
        finally:
            self.is_compiling = before

    def check(self, delegate: bool) -> None:
        """Refuse to delegate, too: only a task can hand its value over to another call."""
        self.check_open()
        if self.is_closing and not CALLBACKS.runs_here:
            raise NoClientError(
                "this client is being closed: only callbacks of its calls may still record calls"
            )
        if delegate:
            raise OptionsError("delegate=True is for calls made inside a task")
