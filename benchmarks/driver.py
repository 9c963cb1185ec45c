"""The process one peer lives in, so that no peer's threads, heap or imports touch another's.

In: a JSON line {program, quick} on standard input. Out: a JSON line on standard output with a
`figure`, the `size` it was taken at and how disturbed the cores were, `unsupported`, an `error`, or
a `note` why the machine was too busy for a figure. What libraries print goes to standard error.
Ends with its input.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

from benchmarks.calm import Cores
from benchmarks.metg import Unsteady
from benchmarks.peers import Peer, Unsupported, load
from benchmarks.programs import PROGRAMS


class Driver:
    """Measures programs on one warm peer."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.warm: set[str] = set()
        self.cores = Cores()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Measure one program; its first time is preceded by an untimed small run."""
        name, quick = request["program"], request["quick"]
        program = PROGRAMS[name]
        size = program.quick if quick else program.size // self.peer.shorten.get(name, 1)
        try:
            if quick:
                return {"figure": program.measure(self.peer, size), "size": size}
            if name not in self.warm:
                self.warm.add(name)
                program.measure(self.peer, program.quick)
            figure, disturbance = self.cores.undisturbed(lambda: program.measure(self.peer, size))
            return {"figure": figure, "size": size, "disturbance": disturbance}
        except Unsupported:
            return {"unsupported": True}
        except Unsteady as error:
            return {"note": str(error)}
        except Exception as error:  # a peer's failure is a cell of the table, not the end of it
            traceback.print_exc()
            return {"error": f"{type(error).__name__}: {error}"}


def main(name: str, workers: int) -> None:
    """Start the peer, answer until the input ends, stop it."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    peer = load(name, workers)
    peer.start()
    driver = Driver(peer)
    print(json.dumps({"ready": name}), file=answers)
    for line in sys.stdin:
        print(json.dumps(driver.answer(json.loads(line))), file=answers)
    peer.stop()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
