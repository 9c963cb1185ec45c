"""A unit: what one task of a cluster, or one assignment of an executor, runs.

Enters: what `lower` made of some nodes. Leaves: something that a host and a cluster can run without
knowing a node, a pass or a user's function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymonik.humanize import counted
from pymonik.system.structs import NamedTuple
from pymonik.system.surroundings import Changes
from pymonik.values.content import Content
from pymonik.values.foreign import harmless
from pymonik.values.options import TaskOptions
from pymonik.values.outputs import Outputs
from pymonik.wire.program import Program


class Unit:
    """What one task runs: a program, its inputs by position, and the outputs of its outcome."""

    __slots__ = (
        "_payload",
        "outputs",
        "environment",
        "inputs",
        "lanes",
        "limited",
        "modules",
        "n",
        "name",
        "number",
        "options",
        "path",
        "_program",
        "result_id",
        "seconds",
        "surroundings",
        "task",
        "wanted",
    )

    def __init__(
        self,
        number: int,
        program: Program | bytes,
        inputs: tuple[Content | Outputs, ...],
        outputs: Outputs,
        options: TaskOptions,
        name: str,
        environment: Any = None,
        wanted: bool = True,
    ) -> None:
        self.number = number
        self.inputs = inputs
        self.outputs = outputs
        self.options = options
        self.name = name
        self.n = outputs.n
        self.environment = environment
        # Seconds that an element is expected to take, None where nobody has said; and those of the
        # longest path that begins with it, as far as a host knows it.
        self.seconds = options.cost
        self.path = 0.0
        # How the surroundings of its calls differ from those of the engine.
        self.surroundings: Changes | None = None
        # The lanes of its steps, where several executors may run it together.
        self.lanes: bytes | None = None
        # The sources of local modules, see `capture.snapshot`.
        self.modules: Content | None = None
        # The id that was handed out for its value before it was sent, if one was.
        self.result_id: str | None = None
        # Whether somebody can ask for one of its values; else only other units use them.
        self.wanted = wanted
        # What a worker knows of the task that runs it: where its agent is, and the request.
        self.task: tuple[str, bytes] | None = None
        # Whether a host must look at deadlines while it runs.
        self.limited = options.max_duration is not None and options.seconds is not None
        # One is made of the other when it is asked for.
        self._payload: bytes | None = None
        self._program: Program | None = None
        if isinstance(program, bytes):
            self._payload = program
        else:
            self._program = program
            self.limited |= program.shared.limited

    @property
    def parts(self) -> int:
        """How many executors may run it together."""
        return 1 if self.lanes is None else max(self.lanes) + 1

    @property
    def payload(self) -> bytes:
        """The program as bytes."""
        if self._payload is None:
            assert self._program is not None
            self._payload = self._program.data
        return self._payload

    @property
    def program(self) -> Program:
        """The program."""
        if self._program is None:
            assert self._payload is not None
            self._program = Program.load(self._payload)
        return self._program

    def change(self, program: Program) -> None:
        """Take another program."""
        self._program, self._payload = program, None

    @property
    def needs(self) -> Sequence[Outputs]:
        """The outputs of other units it waits for."""
        if not self.inputs:
            return ()
        return [source for source in self.inputs if type(source) is Outputs]

    def __repr__(self) -> str:
        name, inputs = harmless(self.name), counted(len(self.inputs), "input")
        return f"<Unit {self.number}: {name} × {self.n}, {inputs}>"


class ValueLocation(NamedTuple):
    """Where a value with a name is: a content, or an element of an output; or `length` of them."""

    unit_outputs: tuple[Outputs, ...] = ()
    chunk: int = 1
    output: int = 0
    start: int = 0
    length: int | None = None
    content: Any = None
