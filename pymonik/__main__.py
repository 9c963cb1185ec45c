"""`python -m pymonik` is the command line."""

from pymonik.cli import main

main()
