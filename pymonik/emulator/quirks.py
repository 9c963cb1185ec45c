"""Quirks of a real engine that its rules do not promise, each to be switched on by itself.

They were seen on ArmoniK.Core with PostgreSQL and NATS; a client has to live with all of them. A
quirk holds for the whole emulator until it is changed (`emulator.quirks.late_rows = …`); what
shall happen to a certain call only is a fault (`faults`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Quirks:
    """What is switched on; times are in seconds, and by default nothing is.

    `late_rows` is the least and the most by which reads lag behind events: whoever asks right
    after the event COMPLETED finds a result CREATED and no data for it. (0, 0.09) was seen.
    `embedded_data`: such a late result has an empty download instead of NOT_FOUND, as with the
    Embed object storage, which keeps data in the row. `repeated_created`: streams say CREATED
    of an output once more when it gets its owner, and behind its end, as a snapshot does that was
    read before it. `silent_streams`: an event stream opens and never says a word.

    `raced_submissions`: the inputs of a submission are looked at when it arrives, and not again
    when it takes effect, so what fails in between leaves its tasks PENDING for ever. Without it a
    submission is one moment. `rolled_back_submissions`: one whose client went away meanwhile has
    no effect at all; without it, as if the commit was faster, it has all of it.
    """

    late_rows: tuple[float, float] = (0.0, 0.0)
    embedded_data: bool = False
    repeated_created: bool = False
    silent_streams: bool = False
    raced_submissions: bool = False
    rolled_back_submissions: bool = False
