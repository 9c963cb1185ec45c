"""What the stages before a backend must know of it; none of them asks for its name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Traits:
    """What a backend does differently.

    is_here: runs calls on this machine, ends with its client, keeps values in files here.
    isolates_delegating: hands whole units over, so that calls that delegate need their own.
    shares_process: runs calls in the process of the client, with what is installed there.
    """

    is_here: bool = False
    isolates_delegating: bool = False
    shares_process: bool = False


# The names are those that `backend=` takes. A dry run tells what a cluster would be sent.
TRAITS = {
    "local": Traits(is_here=True),
    "inline": Traits(is_here=True, shares_process=True),
    "dry-run": Traits(isolates_delegating=True),
    "armonik": Traits(isolates_delegating=True),
}
