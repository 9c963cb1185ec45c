"""Sessions of a cluster looked at: tasks, cost, checks, differences."""
