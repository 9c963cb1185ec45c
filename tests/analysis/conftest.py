"""The command line, as the tests of the commands start it."""

from tests.cli.conftest import pymonik_command

__all__ = ["pymonik_command"]
