"""What crosses a border between processes: frames, envelopes, programs, journals."""
