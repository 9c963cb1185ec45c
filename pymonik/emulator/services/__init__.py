"""The services of the control plane: thin translations between messages and the engine."""
