"""Objects, functions and modules become bytes, and functions get a fingerprint."""
