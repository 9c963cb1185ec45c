"""`pymonik worker` and `pymonik emulator`: what runs on a cluster, and a cluster to try it on."""

from __future__ import annotations

import rich_click as click


@click.command()
def worker() -> None:
    """Serve an ArmoniK agent: what a worker image runs."""
    from pymonik.worker import run_pymonik_worker

    run_pymonik_worker()


@click.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def emulator(arguments: tuple[str, ...]) -> None:
    """Run an ArmoniK cluster on a loopback port, for tests."""
    from pymonik.emulator.cli import main

    main(arguments)
