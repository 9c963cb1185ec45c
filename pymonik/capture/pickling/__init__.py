"""The pickler, and what it does where `pickle` has no answer, or a slow one."""
