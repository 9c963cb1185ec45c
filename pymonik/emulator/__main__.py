"""`python -m pymonik.emulator`: see `cli`."""

from pymonik.emulator.cli import main

main()
