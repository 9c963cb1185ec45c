"""Bad days, by seeds: programs that run while something goes wrong, and what became of them."""
