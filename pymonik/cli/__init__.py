"""The command line: `pymonik run`, `pymonik graph …`.

Enters: arguments. Leaves: text on stdout, an exit code: 0 for success, 1 when the script or a check
failed, 2 for wrong usage. Nothing here is imported by `import pymonik`.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from pymonik.cli.app import app

    app(prog_name="pymonik")
