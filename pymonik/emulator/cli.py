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
from typing import NoReturn

from pymonik.emulator.arguments import (
    Span,
    argument,
    parse_lag,
    parse_milliseconds,
    parse_outage,
    parse_partition,
    parse_port,
    parse_seconds,
)
from pymonik.emulator.control_plane import Tls
from pymonik.emulator.emulator import Emulator
from pymonik.emulator.quirks import Quirks
from pymonik.emulator.state import GENERATIONS
from pymonik.system.signal_queue import SignalQueue
from pymonik.values.foreign import harmless


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()  # a pipe is read by who waits for these lines


def run(emulator: Emulator, say: Callable[[str], None] = _say, outage: Span | None = None) -> None:
    """Serve until SIGINT or SIGTERM comes, then stop cleanly."""
    signals = SignalQueue(signal.SIGINT, signal.SIGTERM)
    try:
        with emulator:
            partitions = ", ".join(f"{name}={n}" for name, n in emulator.partitions.items())
            say(f"emulator on {emulator.url}; workers: {partitions}; Ctrl-C ends it")
            say(f"export AK_ENDPOINT={emulator.url}")
            say(f"or: PYMONIK_ENDPOINT={emulator.url} python script.py")
            say(_mode(emulator))
            if outage is not None:
                # A daemon: an emulator that is ended before has no outage.
                begin = threading.Timer(outage[0], emulator.database_away, (outage[1],))
                begin.daemon = True
                begin.start()
            signals.wait()
    except OSError as error:
        raise SystemExit(f"pymonik emulator: {error}") from error
    finally:
        signals.restore()  # who calls this may be a program of its own


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and serve."""
    arguments = vars(parser().parse_args(argv))
    logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
    partitions = dict(arguments.pop("partition") or [("pymonik", 1)])
    worker = arguments.pop("worker")
    outage = arguments.pop("database_away")
    quirks = {name: arguments.pop(name) for name in QUIRKS}
    tls = _tls(arguments.pop("certificate"), arguments.pop("key"), arguments.pop("client_ca"))
    run(
        Emulator(
            partitions=partitions,
            worker=shlex.split(worker) if worker else None,
            quirks=Quirks(**quirks),
            tls=tls,
            inherit_output=True,
            **arguments,
        ),
        outage=outage,
    )


class _Parser(argparse.ArgumentParser):
    """A parser whose errors hold nothing that a terminal obeys: they name what was typed."""

    def error(self, message: str) -> NoReturn:
        super().error(harmless(message))


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = _Parser(
        "pymonik emulator", description="An ArmoniK cluster on a loopback port, for tests."
    )
    add = parser.add_argument
    add(
        "--port",
        type=argument(parse_port),
        default=5001,
        help="port to listen on; 0 picks one (5001)",
    )
    add(
        "--partition",
        action="append",
        type=argument(parse_partition),
        metavar="NAME[=WORKERS]",
        help="with one worker, or so many; may be repeated; the first is the default (pymonik=1)",
    )
    add("--worker", metavar="COMMAND", help="worker command (this project's own worker)")
    add("--generation", choices=list(GENERATIONS), default="HEAD", help="server version (HEAD)")
    add("--strict", action=argparse.BooleanOptionalAction, default=True, help=_STRICT)
    add(
        "--latency",
        type=argument(parse_milliseconds),
        default=0.0,
        metavar="MS",
        help="milliseconds per request (0)",
    )
    add(
        "--submission-cost",
        type=argument(parse_seconds),
        default=0.0,
        metavar="SECONDS",
        help="cost of a submission per unit × completed input (0)",
    )
    add(
        "--task-overhead",
        type=argument(parse_milliseconds),
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
        type=argument(parse_seconds),
        default=10.0,
        metavar="SECONDS",
        help="time from one too many of them to its exit (10)",
    )
    _add_quirks(parser)
    add("--certificate", metavar="PEM", help="server certificate: switches TLS on")
    add("--key", metavar="PEM", help="key of the server certificate")
    add("--client-ca", metavar="PEM", help="CA of client certificates: makes the TLS mutual")
    return parser


# The options that `Quirks` has fields for.
QUIRKS = tuple(field.name for field in fields(Quirks))


def _add_quirks(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("quirks of a real engine, off by default").add_argument
    add(
        "--late-rows",
        type=argument(parse_lag),
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
        type=argument(parse_outage),
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


def _tls(certificate: str | None, key: str | None, client_ca: str | None) -> Tls | None:
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise SystemExit("pymonik emulator: TLS needs both --certificate and --key")
    return Tls(certificate, key, client_ca)


def _mode(emulator: Emulator) -> str:
    version = "its main branch" if emulator.generation == "HEAD" else emulator.generation
    hanging = "refuses" if emulator.strict else "takes"
    return f"it does as ArmoniK does ({version}), and {hanging} what a cluster would leave hanging"
