"""The scope of a program: it compiles, submits, waits and notifies."""
