"""The worker in an ArmoniK pod: tasks in, answers out."""
