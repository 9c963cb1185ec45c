"""Where units run: programs, the executor that runs them, and the host that owns executors."""
