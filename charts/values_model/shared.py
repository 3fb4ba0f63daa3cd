"""Types and groups of values shared by several components.

Used by `records`, `http_records` and `redis_records`.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

Port = Annotated[int, Meta(ge=1, le=65_535)]
Count = Annotated[int, Meta(ge=0, le=1_000)]
Positive = Annotated[int, Meta(ge=1, le=1_000)]
Seconds = Annotated[int, Meta(ge=0, le=3_600)]
Percent = Annotated[int, Meta(ge=1, le=100)]
#: A Kubernetes name, or empty.
Name = Annotated[str, Meta(pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$")]
#: A key of a Secret, or empty.
Key = Annotated[str, Meta(pattern=r"^[-._a-zA-Z0-9]{0,253}$")]
Digest = Annotated[str, Meta(pattern=r"^(sha256:[0-9a-f]{64})?$")]
Quantity = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?([eE][0-9]+|m|[kMGTPE]|[KMGTPE]i)?$")]
#: Kubernetes objects, validated by Kubernetes.
Objects = list[dict[str, Any]]
Labels = dict[str, str]
#: Environment variables: a text, or a source; null removes a variable of the chart.
Environment = dict[
    Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")],
    str | int | float | bool | dict[str, Any] | None,
]


class Group(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A group of values; unknown names are rejected."""


class Image(Group, frozen=True):
    """A container image."""

    repository: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET
    tag: str | UnsetType = UNSET
    digest: Digest | UnsetType = UNSET
    pull_policy: Literal["Always", "IfNotPresent", "Never"] | UnsetType = UNSET


class PodFields(Group, frozen=True):
    """Options of a pod."""

    pod_annotations: Labels | UnsetType = UNSET
    pod_labels: Labels | UnsetType = UNSET
    node_selector: Labels | UnsetType = UNSET
    tolerations: Objects | UnsetType = UNSET
    affinity: dict[str, Any] | UnsetType = UNSET
    priority_class_name: Name | UnsetType = UNSET
    extra_volumes: Objects | UnsetType = UNSET
    extra_volume_mounts: Objects | UnsetType = UNSET


class Pods(PodFields, frozen=True):
    """Options of all pods."""

    extra_env: Environment | UnsetType = UNSET
    extra_env_from: Objects | UnsetType = UNSET
    pod_security_context: dict[str, Any] | UnsetType = UNSET
    container_security_context: dict[str, Any] | UnsetType = UNSET


class ServiceAccount(Group, frozen=True):
    """A service account."""

    create: bool | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    annotations: Labels | UnsetType = UNSET


class Resources(Group, frozen=True):
    """Requests and limits of a container."""

    requests: dict[str, str | int | float] | UnsetType = UNSET
    limits: dict[str, str | int | float] | UnsetType = UNSET


class Process(PodFields, frozen=True):
    """A process of Stanine."""

    extra_env: Environment | UnsetType = UNSET
    extra_env_from: Objects | UnsetType = UNSET
    service_account: ServiceAccount | UnsetType = UNSET
    resources: Resources | UnsetType = UNSET
    command: list[str] | UnsetType = UNSET
    args: list[str] | UnsetType = UNSET


class Autoscaling(Group, frozen=True):
    """A HorizontalPodAutoscaler."""

    enabled: bool | UnsetType = UNSET
    min_replicas: Positive | UnsetType = UNSET
    max_replicas: Positive | UnsetType = UNSET
    target_cpu_utilization_percentage: Annotated[int, Meta(ge=1, le=1_000)] | UnsetType = (
        msgspec.field(default=UNSET, name="targetCPUUtilizationPercentage")
    )
    behavior: dict[str, Any] | UnsetType = UNSET


class PodDisruptionBudget(Group, frozen=True):
    """Limits voluntary disruptions."""

    enabled: bool | UnsetType = UNSET
    max_unavailable: Positive | Annotated[str, Meta(pattern=r"^[1-9][0-9]?%$")] | UnsetType = UNSET
