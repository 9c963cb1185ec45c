"""An ArmoniK cluster on a loopback port, to test and develop against the real protocol.

    with Emulator(partitions={"pymonik": 2}) as emulator:
        ...  # clients connect to emulator.endpoint

`state` holds the rules of the engine as a pure machine, `engine` gives it time and storage,
`services` speak to clients, `agents` run worker processes. It is a test bench, not a product.
"""

from pymonik.emulator.control_plane import Tls
from pymonik.emulator.counters import Count, Counters
from pymonik.emulator.emulator import Emulator
from pymonik.emulator.faults import (
    CutStream,
    Delay,
    DropAfter,
    DropBefore,
    FailUpload,
    Faults,
    KillWorker,
    LoseAgent,
    RacedByAbort,
    SilentStream,
    SlowUpload,
)
from pymonik.emulator.quirks import Quirks

__all__ = [
    "Count",
    "Counters",
    "CutStream",
    "Delay",
    "DropAfter",
    "DropBefore",
    "Emulator",
    "FailUpload",
    "Faults",
    "KillWorker",
    "LoseAgent",
    "Quirks",
    "RacedByAbort",
    "SilentStream",
    "SlowUpload",
    "Tls",
]
