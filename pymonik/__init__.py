"""Distributed Python for ArmoniK: calls are recorded, compiled, and sent at once."""
