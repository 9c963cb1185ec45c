"""The pods of the emulated cluster: each an agent and a real worker process."""
