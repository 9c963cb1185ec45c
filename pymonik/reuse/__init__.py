"""Values of pure calls that are known already, and need not be computed again."""
