"""Past runs: watched while they run (`watch`), kept in a database (`store`), told as traces."""
