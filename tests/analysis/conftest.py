"""The command line, as the tests of the commands start it."""

from tests.cli.conftest import command_here, pymonik_command

__all__ = ["command_here", "pymonik_command"]
