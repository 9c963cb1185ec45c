"""Environments: the value a user describes, and the venvs built from it."""
