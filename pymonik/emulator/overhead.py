"""What a task costs on an engine beside its own work, in multiples of one figure.

Measured on ArmoniK.Core (PostgreSQL, NATS, two cores): an agent spends 10 to 15 ms on a task, a
single call takes 25 to 45 ms from call to value, a dependency level 77 ms, the submission of 1 000
tasks 0.3 s. With `per_task` of 15 ms the emulator comes to 39, 75 and 309 ms.
"""

from __future__ import annotations

from dataclasses import dataclass

# Until a submission takes effect.
SUBMISSION = 0.6
# And for each of its tasks.
SUBMITTED_TASK = 0.02
# Until the message of a task that was submitted arrives.
MESSAGE = 1.0
# Until the message of a task arrives that another one made ready.
DEPENDENCY = 4.0


@dataclass(frozen=True, slots=True)
class Overhead:
    """Seconds that an agent spends on a task, and what follows from them."""

    per_task: float = 0.0

    def of_submission(self, tasks: int) -> float:
        """Return the seconds until a submission of so many tasks takes effect."""
        return self.per_task * (SUBMISSION + SUBMITTED_TASK * tasks)

    def of_message(self, *, at_submission: bool) -> float:
        """Return the seconds that a message to an agent is on its way."""
        return self.per_task * (MESSAGE if at_submission else DEPENDENCY)
