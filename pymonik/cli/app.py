"""The commands, put together; what ends one of them is a sentence that a terminal can be shown.

Enters: errors, of usage and of PymoniK, which name what somebody has typed or written. Leaves: the
same, harmless: in one place, so that no command has to think of it.
"""

from __future__ import annotations

from typing import Any

import rich_click as click

from pymonik import __version__
from pymonik.cli.cache import cache
from pymonik.cli.check import check
from pymonik.cli.cost import cost
from pymonik.cli.graph import graph
from pymonik.cli.graph_files import diff, save, submit
from pymonik.cli.run import emulator, run, worker
from pymonik.cli.runs import runs, trace
from pymonik.errors import PymonikError
from pymonik.values.foreign import harmless


class SafeGroup(click.RichGroup):
    """A group whose errors, and those of its commands, hold nothing that a terminal obeys."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the words before the command."""
        try:
            return super().make_context(*args, **extra)
        except click.ClickException as error:
            raise _safe(error) from error.__cause__

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            raise _safe(error) from error.__cause__
        except PymonikError as error:  # a setting that is wrong, found by any command
            raise _safe(click.ClickException(str(error))) from error


def _safe(error: click.ClickException) -> click.ClickException:
    # Click declares it final; another error of the same class would lack what that knows besides.
    error.message = harmless(error.message, lines=True)  # type: ignore[misc]
    return error


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
