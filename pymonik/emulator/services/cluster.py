"""The services that describe the cluster: partitions, applications, versions, health, user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from armonik.protogen.common import applications_common_pb2 as applications
from armonik.protogen.common import auth_common_pb2 as auth
from armonik.protogen.common import health_checks_common_pb2 as health
from armonik.protogen.common import partitions_common_pb2 as partitions
from armonik.protogen.common import versions_common_pb2 as versions

from pymonik.emulator.engine import Engine, Refused
from pymonik.emulator.services.fields import application_field, partition_field
from pymonik.emulator.services.listing import listed
from pymonik.emulator.state import Generation


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition as it is listed; its fields beside the id influence nothing."""

    id: str
    pod_reserved: int
    pod_max: int
    parent_partition_ids: tuple[str, ...] = ()
    preemption_percentage: int = 0
    priority: int = 1

    def message(self) -> Any:
        """Write the partition."""
        return partitions.PartitionRaw(
            id=self.id,
            parent_partition_ids=self.parent_partition_ids,
            pod_reserved=self.pod_reserved,
            pod_max=self.pod_max,
            preemption_percentage=self.preemption_percentage,
            priority=self.priority,
        )


class Partitions:
    """Serve armonik.api.grpc.v1.partitions.Partitions."""

    def __init__(self, workers: Mapping[str, int]) -> None:
        self._partitions = {name: Partition(name, n, n) for name, n in workers.items()}

    def GetPartition(self, request: Any, context: Any) -> Any:
        partition = self._partitions.get(request.id)
        if partition is None:
            raise Refused("NOT_FOUND", f"Partition was not found: '{request.id}'")
        return partitions.GetPartitionResponse(partition=partition.message())

    def ListPartitions(self, request: Any, context: Any) -> Any:
        total, page = listed(request, partition_field, lambda _: self._partitions.values())
        return partitions.ListPartitionsResponse(
            partitions=[partition.message() for partition in page],
            page=request.page,
            page_size=request.page_size,
            total=total,
        )


@dataclass(frozen=True, slots=True)
class Application:
    """What tells the applications of tasks apart."""

    name: str
    namespace: str
    version: str
    service: str


class Applications:
    """armonik.api.grpc.v1.applications.Applications: the distinct applications of all tasks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ListApplications(self, request: Any, context: Any) -> Any:
        with self._engine.reading() as tables:
            options = [task.options for task in tables.tasks.values()]
        distinct = {
            Application(
                o.application_name,
                o.application_namespace,
                o.application_version,
                o.application_service,
            )
            for o in options
        }
        total, page = listed(request, application_field, lambda _: distinct)
        return applications.ListApplicationsResponse(
            applications=[
                applications.ApplicationRaw(
                    name=a.name, namespace=a.namespace, version=a.version, service=a.service
                )
                for a in page
            ],
            page=request.page,
            page_size=request.page_size,
            total=total,
        )


class Versions:
    """Serve armonik.api.grpc.v1.versions.Versions."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation

    def ListVersions(self, request: Any, context: Any) -> Any:
        return versions.ListVersionsResponse(core=self._generation.core, api=self._generation.api)


class HealthChecks:
    """Serve armonik.api.grpc.v1.health_checks.HealthChecksService."""

    def CheckHealth(self, request: Any, context: Any) -> Any:
        healthy = health.HEALTH_STATUS_ENUM_HEALTHY
        return health.CheckHealthResponse(
            services=[
                health.CheckHealthResponse.ServiceHealth(name=name, healthy=healthy)
                for name in ("database", "object", "queue")
            ]
        )


class Authentication:
    """armonik.api.grpc.v1.auth.Authentication: the common name of the client's certificate."""

    def GetCurrentUser(self, request: Any, context: Any) -> Any:
        names = context.auth_context().get("x509_common_name")
        username = names[0].decode() if names else "Anonymous"
        return auth.GetCurrentUserResponse(
            user=auth.User(username=username, roles=[], permissions=["General:*"])
        )
