"""The emulator from the command line: options in, a server until it is interrupted."""

from __future__ import annotations

import argparse
import logging
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields
from queue import SimpleQueue
from types import FrameType
from typing import TypeVar

from pymonik.emulator.control_plane import Tls
from pymonik.emulator.emulator import Emulator
from pymonik.emulator.habits import Habits
from pymonik.emulator.state import GENERATIONS

Span = tuple[float, float]
Value = TypeVar("Value")


def parse_partition(text: str) -> tuple[str, int]:
    """Read "name=workers", or "name" for one worker."""
    name, equals, count = text.partition("=")
    if not name or (equals and not count.isdecimal()):
        raise ValueError(f"{text!r} is no partition: write NAME=WORKERS, as in pymonik=2")
    return name, int(count) if equals else 1


def parse_lag(text: str) -> Span:
    """Read milliseconds, "90" or "0-90", as the least and the most seconds."""
    least, dash, most = text.removesuffix("ms").partition("-")
    try:
        lag = float(least) / 1_000, float(most if dash else least) / 1_000
    except ValueError:
        lag = -1.0, -1.0
    if not 0 <= lag[0] <= lag[1]:
        raise ValueError(f"{text!r} is no lag: write milliseconds, as in 90 or 0-90")
    return lag


def parse_milliseconds(text: str) -> float:
    """Read "15", or "15ms", as seconds."""
    try:
        return float(text.removesuffix("ms")) / 1_000
    except ValueError:
        raise ValueError(f"{text!r} is no time: write milliseconds, as in 15 or 15ms") from None


def parse_outage(text: str) -> Span:
    """Read "10+4": seconds until an outage, and how long it lasts."""
    begin, _, length = text.partition("+")
    try:
        return float(begin), float(length)
    except ValueError:
        raise ValueError(f"{text!r} is no outage: write AT+FOR in seconds, as in 10+4") from None


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()  # a pipe is read by who waits for these lines


def run(emulator: Emulator, say: Callable[[str], None] = _say, outage: Span | None = None) -> None:
    """Serve until SIGINT or SIGTERM comes, then stop cleanly."""
    # A handler may come at any instruction: a lock, as in an event, could be held here already.
    told: SimpleQueue[int] = SimpleQueue()

    def end(number: int, frame: FrameType | None) -> None:
        told.put(number)

    earlier = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with emulator:
            partitions = ", ".join(f"{name}={n}" for name, n in emulator.partitions.items())
            say(f"emulator on {emulator.url} ({partitions}; {_mode(emulator)}); Ctrl-C ends it")
            say(f"export AK_ENDPOINT={emulator.url}")
            say(f"or: PYMONIK_ENDPOINT={emulator.url} python script.py")
            if outage is not None:
                begin = threading.Timer(outage[0], emulator.database_away, (outage[1],))
                begin.daemon = True
                begin.start()
            told.get()
    except OSError as error:
        raise SystemExit(f"pymonik emulator: {error}") from error
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and serve."""
    arguments = vars(parser().parse_args(argv))
    logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
    partitions = dict(arguments.pop("partition") or [("pymonik", 1)])
    worker = arguments.pop("worker")
    latency = arguments.pop("latency")
    outage = arguments.pop("database_away")
    habits = {name: arguments.pop(name) for name in HABITS}
    tls = _tls(arguments.pop("certificate"), arguments.pop("key"), arguments.pop("client_ca"))
    run(
        Emulator(
            partitions=partitions,
            worker=shlex.split(worker) if worker else None,
            latency=latency / 1_000,
            habits=Habits(**habits),
            tls=tls,
            inherit_output=True,
            **arguments,
        ),
        outage=outage,
    )


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        "pymonik emulator", description="An ArmoniK cluster on a loopback port, for tests."
    )
    add = parser.add_argument
    add("--port", type=int, default=5001, help="port to listen on; 0 picks one (5001)")
    add(
        "--partition",
        action="append",
        type=_argument(parse_partition),
        metavar="NAME=WORKERS",
        help="may be repeated; the first is the default partition (pymonik=1)",
    )
    add("--worker", metavar="COMMAND", help="worker command (this project's own worker)")
    add("--generation", choices=list(GENERATIONS), default="HEAD", help="server version (HEAD)")
    add("--strict", action=argparse.BooleanOptionalAction, default=True, help=_STRICT)
    add("--latency", type=float, default=0.0, metavar="MS", help="milliseconds per request (0)")
    add(
        "--submission-cost",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="cost of a submission per unit × completed input (0)",
    )
    add(
        "--task-overhead",
        type=_argument(parse_milliseconds),
        default=0.0,
        metavar="MS",
        help="what an agent spends on a task: an engine takes 15ms, and dependencies more (0)",
    )
    add(
        "--delete-payload",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="delete the payload of a task at its end, as the reference deployments do",
    )
    add("--max-priority", type=int, help="highest priority of the queues (10 if strict)")
    add("--max-errors", type=int, default=50, help="UNKNOWNs that the control plane forgives (50)")
    add(
        "--exit-delay",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="time from one too many of them to its exit (10)",
    )
    _add_habits(parser)
    add("--certificate", metavar="PEM", help="server certificate: switches TLS on")
    add("--key", metavar="PEM", help="key of the server certificate")
    add("--client-ca", metavar="PEM", help="CA of client certificates: makes the TLS mutual")
    return parser


HABITS = tuple(field.name for field in fields(Habits))
"""The options that `Habits` has fields for."""


def _add_habits(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("habits of a real engine, off by default").add_argument
    add(
        "--late-rows",
        type=_argument(parse_lag),
        default=(0.0, 0.0),
        metavar="MS",
        help="reads lag so far behind events: 90, or 0-90",
    )
    add(
        "--embedded-data",
        action="store_true",
        help="a late result downloads as nothing, without an error",
    )
    add(
        "--repeated-created",
        action="store_true",
        help="event streams repeat that a result is CREATED, also after its end",
    )
    add(
        "--database-away",
        type=_argument(parse_outage),
        metavar="AT+FOR",
        help="the database is away once: 10+4 is 10 s after the start, for 4 s",
    )
    add(
        "--raced-submissions",
        action="store_true",
        help="tasks whose input fails while they are submitted stay PENDING for ever",
    )
    add(
        "--rolled-back-submissions",
        action="store_true",
        help="a submission whose client gives up meanwhile has no effect",
    )
    add("--silent-streams", action="store_true", help="event streams open and say nothing")


_STRICT = "refuse what a cluster would leave hanging or silently ignore"


def _argument(parse: Callable[[str], Value]) -> Callable[[str], Value]:
    """Let the parser say what is wrong with a value, not only that it is."""

    def parsed(text: str) -> Value:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parsed


def _tls(certificate: str | None, key: str | None, client_ca: str | None) -> Tls | None:
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise SystemExit("TLS needs both --certificate and --key")
    return Tls(certificate, key, client_ca)


def _mode(emulator: Emulator) -> str:
    return f"{emulator.generation}, {'strict' if emulator.strict else 'lenient'}"
