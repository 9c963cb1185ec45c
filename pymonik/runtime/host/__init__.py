"""What owns executors: scheduling, processes, environments."""
