"""Functions and values as texts, of which fingerprints are made: equal in every run."""
