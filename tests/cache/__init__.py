"""Known values that are not: random programs, edited in one place, are computed anew."""
