"""All pods of the cluster, in a private folder that goes with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pymonik.emulator.agents.folder import ClusterFolder
from pymonik.emulator.agents.pod import Pod
from pymonik.emulator.agents.supervisor import WorkerSettings
from pymonik.emulator.engine import Engine
from pymonik.emulator.interceptor import Interceptor


class Pool:
    """Pods by name, "<partition>-<number>"."""

    def __init__(
        self,
        workers: Mapping[str, int],
        engine: Engine,
        interceptor: Interceptor,
        settings: WorkerSettings,
    ) -> None:
        self._engine = engine
        self._folder = ClusterFolder()
        self._pods: dict[str, Pod] = {}
        names = [(p, f"{p}-{number}") for p, n in workers.items() for number in range(n)]
        for index, (partition, name) in enumerate(names):
            folder = self._folder.path / str(index)
            self._pods[name] = Pod(name, partition, folder, engine, interceptor, settings)
        engine.interrupt = self._interrupt

    def start(self) -> None:
        """Start every pod; workers come up in the background."""
        for pod in self._pods.values():
            pod.start()

    def kill(self, partition: str, number: int = 0) -> None:
        """Kill one worker process."""
        self._pods[f"{partition}-{number}"].kill_worker()

    @property
    def folder(self) -> Path:
        """The private folder of the cluster."""
        return self._folder.path

    @property
    def worker_pids(self) -> list[int]:
        """The ids of the worker processes that run."""
        pids = (pod.worker_pid for pod in self._pods.values())
        return [pid for pid in pids if pid is not None]

    @property
    def tasks_in_hand(self) -> dict[str, str]:
        """The tasks that pods have taken and not reported on, by pod name."""
        return {name: id for name, pod in self._pods.items() if (id := pod.task_id)}

    @property
    def log_files(self) -> dict[str, Path]:
        """Where the workers write, by pod name."""
        return {name: pod.log_file for name, pod in self._pods.items()}

    def stop(self) -> None:
        """End all pods and remove their folder."""
        for pod in self._pods.values():
            pod.close()
        self._engine.queues.close()
        for pod in self._pods.values():
            pod.join()
        self._folder.remove()

    def _interrupt(self, name: str, task_id: str) -> None:
        pod = self._pods.get(name)
        if pod is not None:
            pod.interrupt(task_id)
