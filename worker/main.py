"""What a worker image runs: the agent's other half, until the pod is told to stop."""

from pymonik import run_pymonik_worker

if __name__ == "__main__":
    run_pymonik_worker()
