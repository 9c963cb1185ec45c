"""The child process that runs units of user code."""
