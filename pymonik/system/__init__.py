"""What a process shares with its system: forks, threads that log, crashes."""
