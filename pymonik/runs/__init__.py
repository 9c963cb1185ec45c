"""Past runs: watched while they run (`watch`), kept in a database (`store`), shown as traces."""
