"""The group of all commands: what ends one of them is a sentence that a terminal can be shown.

Enters: errors, of usage and of PymoniK, which name what somebody has typed or written. Leaves: the
same, harmless: in one place, so that no command has to think of it.
"""

from __future__ import annotations

from typing import Any

import rich_click as click

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
    error.message = harmless(error.message, lines=True)  # type: ignore[misc]
    return error
