"""The plan: what is sent. `lower` makes it of a graph, `dispatch` walks its steps."""
