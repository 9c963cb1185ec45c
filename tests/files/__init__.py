"""Files and folders on their way from a client to a worker."""
