"""What lies below PymoniK: forks, threads that log, crashes; structs, which Python lacks."""
