"""What the stages before a backend must know of it; none of them asks for its name."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from pymonik.system.structs import Struct
from pymonik.system.waits import PatientLock


class Traits(Struct):
    """What one kind of backend does differently; known before one is opened.

    name: what `backend=` takes, for people to read.
    is_here: runs calls on this machine, ends with its client, keeps values in files here.
    is_remote: plans leave this process; `submit` then waits for others, in any thread.
    isolates_delegating: hands whole units over, so that calls that delegate need their own.
    grain: the most small calls of several levels that make one unit, 0 for none: many where a unit
    costs as much as a hundred small calls.
    exchanges: its executors hand values to each other, where they run a unit together.
    shares_process: runs calls in the process of the client, with what is installed there.
    has_executors: runs calls in processes of this machine, which may be started ahead.
    carries_out: runs calls at all; there is nothing to record of a backend that does not.
    greeting: what is logged when one opens; takes the number of calls that run at once.
    turn: held by who submits, before any lock of a client: nothing, but where calls run in the
    process of the client. There what runs, and the folder and variables that it finds, are a matter
    of the whole process, so that clients of several threads take turns; and a task may use a client
    of its own, which another thread may be about to flush.
    """

    name: str
    is_here: bool = False
    is_remote: bool = False
    isolates_delegating: bool = False
    grain: int = 0
    exchanges: bool = False
    shares_process: bool = False
    has_executors: bool = False
    carries_out: bool = True
    greeting: str = ""
    turn: AbstractContextManager[object] = nullcontext()


# As many calls of 1 ms as fill one `unit_seconds`.
_GRAIN = 1000
_LOCAL = "no cluster is configured: the embedded engine runs on this machine, %d at a time"

# A dry run shows what a cluster would be sent.
TRAITS = {
    traits.name: traits
    for traits in (
        Traits("local", is_here=True, exchanges=True, has_executors=True, greeting=_LOCAL),
        # Taken again by what runs within: a task may use a client, and a finalizer, too.
        Traits("inline", is_here=True, shares_process=True, turn=PatientLock()),
        Traits("dry-run", isolates_delegating=True, grain=_GRAIN, carries_out=False),
        Traits("armonik", is_remote=True, isolates_delegating=True, grain=_GRAIN),
    )
}
