"""`pymonik run`: a script, unchanged, where the command line says.

And what runs it on a cluster: `pymonik worker`, and `pymonik emulator` to try it on.
"""

from __future__ import annotations

import os
import sys

import rich_click as click

from pymonik.backend.traits import TRAITS
from pymonik.settings import variable

# What follows the script is the script's.
_PLAIN = {"allow_interspersed_args": False, "ignore_unknown_options": False}


@click.command(context_settings=_PLAIN)
@click.option(
    "--backend", type=click.Choice(list(TRAITS)), help="Where to run, whatever the script says."
)
@click.option("--endpoint", help="The cluster to run on, whatever the script says.")
@click.option("--workers", type=click.IntRange(min=1), help="Calls that run at once.")
@click.option("-v", "--verbose", is_flag=True, help="Sum up on stderr what ran, at the end.")
@click.option("-m", "module", is_flag=True, help="SCRIPT is the name of a module.")
@click.argument("script")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def run(
    backend: str | None,
    endpoint: str | None,
    workers: int | None,
    verbose: bool,
    module: bool,
    script: str,
    args: tuple[str, ...],
) -> None:
    """Run SCRIPT with ARGS as `python SCRIPT ARGS…` does."""
    if not module and script != "-" and not os.path.exists(script):
        raise click.BadParameter(f"there is no {script!r} here", param_hint="SCRIPT")
    if backend is not None:
        os.environ[variable("backend")] = backend
    if endpoint is not None:
        os.environ[variable("endpoint")] = endpoint
    if workers is not None:
        os.environ[variable("workers")] = str(workers)
    if verbose:
        os.environ[variable("verbose")] = "1"
    # A fresh interpreter in place of this one: argv, sys.path, __main__, signals, tracebacks and
    # exit codes are then not like those of python, but those of python.
    target = ["-m", script] if module else [script]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *target, *args])


@click.command()
def worker() -> None:
    """Serve an ArmoniK agent: what a worker image runs."""
    from pymonik.runtime.worker.server import run_pymonik_worker

    run_pymonik_worker()


@click.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def emulator(arguments: tuple[str, ...]) -> None:
    """Run an ArmoniK cluster on a loopback port, for tests."""
    from pymonik.emulator.cli import main

    main(arguments)
