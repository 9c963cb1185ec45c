"""A Python call becomes a node: tasks, arguments, handles, the recorder."""
