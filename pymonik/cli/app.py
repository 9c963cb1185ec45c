"""The commands, put together."""

from __future__ import annotations

import rich_click as click

from pymonik import __version__
from pymonik.cli.cache import cache
from pymonik.cli.check import check
from pymonik.cli.cost import cost
from pymonik.cli.graph import graph
from pymonik.cli.graph_files import diff, save, submit
from pymonik.cli.group import SafeGroup
from pymonik.cli.run import emulator, run, worker
from pymonik.cli.runs import runs, trace


@click.group(cls=SafeGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="pymonik", message="%(prog)s %(version)s")
def app() -> None:
    """Lazy distributed Python for ArmoniK: record, compile, run."""


app.add_command(run)
app.add_command(graph)
graph.add_command(cost)
graph.add_command(check)
graph.add_command(save)
graph.add_command(diff)
app.add_command(submit)
app.add_command(worker)
app.add_command(emulator)
app.add_command(runs)
app.add_command(trace)
app.add_command(cache)
