"""Records of the chart's values, one per group. All fields are optional.

Values.yaml has the defaults.
"""

from typing import Annotated, Any, Literal

import msgspec
from charts.values_model.http_records import Api, Pages
from charts.values_model.redis_records import ExternalRedis, Valkey
from charts.values_model.shared import (
    Autoscaling,
    Count,
    Digest,
    Group,
    Image,
    Key,
    Labels,
    Name,
    Objects,
    PodDisruptionBudget,
    PodFields,
    Pods,
    Port,
    Positive,
    Process,
    Quantity,
    Resources,
    Seconds,
    ServiceAccount,
)
from msgspec import UNSET, Meta, UnsetType


class Keda(Group, frozen=True):
    """A ScaledObject."""

    enabled: bool | UnsetType = UNSET
    min_replicas: Positive | UnsetType = UNSET
    max_replicas: Positive | UnsetType = UNSET
    messages_per_replica: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    polling_interval: Annotated[int, Meta(ge=1, le=3_600)] | UnsetType = UNSET
    behavior: dict[str, Any] | UnsetType = UNSET


class Watcher(Process, frozen=True):
    """A watcher process."""

    replicas: Count | UnsetType = UNSET
    autoscaling: Autoscaling | UnsetType = UNSET
    keda: Keda | UnsetType = UNSET
    pod_disruption_budget: PodDisruptionBudget | UnsetType = UNSET
    termination_grace_period_seconds: Annotated[int, Meta(ge=26, le=3_600)] | UnsetType = UNSET
    topology_spread_constraints: Objects | UnsetType = UNSET


class UninstallHook(Group, frozen=True):
    """The hook that runs before an uninstall."""

    enabled: bool | UnsetType = UNSET
    timeout_seconds: Seconds | UnsetType = UNSET
    resources: Resources | UnsetType = UNSET


class Operator(Process, frozen=True):
    """The operator."""

    enabled: bool | UnsetType = UNSET
    cluster_wide: bool | UnsetType = UNSET
    uninstall_hook: UninstallHook | UnsetType = UNSET
    termination_grace_period_seconds: Annotated[int, Meta(ge=1, le=3_600)] | UnsetType = UNSET


class BackupImage(Group, frozen=True):
    """The image of the throw-away server; the server's own if the repository is empty."""

    repository: str | UnsetType = UNSET
    tag: str | UnsetType = UNSET
    digest: Digest | UnsetType = UNSET
    pull_policy: Literal["Always", "IfNotPresent", "Never"] | UnsetType = UNSET


class BackupClaim(Group, frozen=True):
    """The volume of the backups."""

    size: Quantity | UnsetType = UNSET
    storage_class_name: str | UnsetType = UNSET
    access_modes: list[str] | UnsetType = UNSET
    existing_claim: Name | UnsetType = UNSET
    annotations: Labels | UnsetType = UNSET


class JournalCopies(Group, frozen=True):
    """The job that copies the erasure journal."""

    schedule: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET
    resources: Resources | UnsetType = UNSET


class Restore(Group, frozen=True):
    """The hook that makes the server's data of a backup."""

    enabled: bool | UnsetType = UNSET
    backup: Annotated[str, Meta(pattern="^([0-9]{8}T[0-9]{6}Z-[0-9a-f]{12})?$")] | UnsetType = UNSET
    erasures: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]+$")] | UnsetType = UNSET


class Backup(PodFields, frozen=True):
    """The job that takes backups."""

    enabled: bool | UnsetType = UNSET
    schedule: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET
    keep: Annotated[int, Meta(ge=1, le=1_000)] | UnsetType = UNSET
    deadline_seconds: Annotated[int, Meta(ge=60, le=86_400)] | UnsetType = UNSET
    journal: JournalCopies | UnsetType = UNSET
    image: BackupImage | UnsetType = UNSET
    persistence: BackupClaim | UnsetType = UNSET
    service_account: ServiceAccount | UnsetType = UNSET
    resources: Resources | UnsetType = UNSET
    server_resources: Resources | UnsetType = UNSET


class Rbac(Group, frozen=True):
    """RBAC resources."""

    create: bool | UnsetType = UNSET
    aggregate: bool | UnsetType = UNSET


class RedisConfig(Group, frozen=True):
    """The default RedisConfig."""

    create: bool | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    #: Replaced by the schema of the resource.
    spec: dict[str, Any] | UnsetType = UNSET


class HeadersSecret(Group, frozen=True):
    """A Secret with headers."""

    name: Name | UnsetType = UNSET
    key: Key | UnsetType = UNSET


class Otel(Group, frozen=True):
    """OpenTelemetry export."""

    enabled: bool | UnsetType = UNSET
    endpoint: Annotated[str, Meta(pattern="^https?://.+")] | UnsetType = UNSET
    sampler: (
        Literal[
            "always_on",
            "always_off",
            "traceidratio",
            "parentbased_always_on",
            "parentbased_always_off",
            "parentbased_traceidratio",
        ]
        | UnsetType
    ) = UNSET
    sampler_argument: str | float | UnsetType = UNSET
    resource_attributes: Labels | UnsetType = UNSET
    headers_secret: HeadersSecret | UnsetType = UNSET


class AlertRules(Group, frozen=True):
    """Alert rules."""

    enabled: bool | UnsetType = UNSET
    labels: Labels | UnsetType = UNSET
    alert_labels: Labels | UnsetType = UNSET
    runbook_url: str | UnsetType = UNSET
    backlog_seconds: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    paused_for: Annotated[str, Meta(pattern="^[0-9]+(s|m|h|d)$")] | UnsetType = UNSET
    memory_percent: Annotated[int, Meta(ge=1, le=100)] | UnsetType = UNSET
    error_percent: Annotated[int, Meta(ge=1, le=100)] | UnsetType = UNSET
    sweep_seconds: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    backup_seconds: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    pages_seconds: Annotated[float, Meta(gt=0)] | UnsetType = UNSET
    disabled: list[str] | UnsetType = UNSET


class Dashboard(Group, frozen=True):
    """The Grafana dashboard."""

    enabled: bool | UnsetType = UNSET
    labels: Labels | UnsetType = UNSET
    annotations: Labels | UnsetType = UNSET


class Monitoring(Group, frozen=True):
    """Resources for the Prometheus operator."""

    enabled: bool | UnsetType = UNSET
    interval: Annotated[str, Meta(pattern="^[0-9]+(ms|s|m)$")] | UnsetType = UNSET
    labels: Labels | UnsetType = UNSET
    rules: AlertRules | UnsetType = UNSET
    dashboard: Dashboard | UnsetType = UNSET


class NetworkPolicy(Group, frozen=True):
    """NetworkPolicies."""

    enabled: bool | UnsetType = UNSET
    api_from: Objects | UnsetType = UNSET
    pages_from: Objects | UnsetType = UNSET
    valkey_from: Objects | UnsetType = UNSET
    metrics_from: Objects | UnsetType = UNSET
    dns_to: Objects | UnsetType = UNSET
    dns_ports: list[Port] | UnsetType = UNSET
    kubernetes_api_to: Objects | UnsetType = UNSET
    kubernetes_api_ports: list[Port] | UnsetType = UNSET
    redis_to: Objects | UnsetType = UNSET
    otel_to: Objects | UnsetType = UNSET
    otel_port: Annotated[int, Meta(ge=0, le=65_535)] | UnsetType = UNSET


class SmokeTest(Group, frozen=True):
    """The pod of `helm test`."""

    existing_secret: Name | UnsetType = UNSET
    secret_key: Key | UnsetType = UNSET
    resources: Resources | UnsetType = UNSET


class Values(Group, frozen=True):
    """The values of the chart."""

    name_override: Name | UnsetType = UNSET
    fullname_override: Name | UnsetType = UNSET
    common_labels: Labels | UnsetType = UNSET
    image: Image | UnsetType = UNSET
    image_pull_secrets: Objects | UnsetType = UNSET
    key_namespace: (
        Annotated[str, Meta(min_length=1, max_length=63, pattern="^[A-Za-z0-9._-]+$")] | UnsetType
    ) = UNSET
    listen_address: Annotated[str, Meta(pattern="^[0-9a-f.:]+$")] | UnsetType = UNSET
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] | UnsetType = UNSET
    pods: Pods | UnsetType = UNSET
    api: Api | UnsetType = UNSET
    pages: Pages | UnsetType = UNSET
    index_watcher: Watcher | UnsetType = UNSET
    result_watcher: Watcher | UnsetType = UNSET
    operator: Operator | UnsetType = UNSET
    rbac: Rbac | UnsetType = UNSET
    redis_config: RedisConfig | UnsetType = UNSET
    #: The inner schema is replaced by the schema of the resource.
    queues: (
        dict[
            Annotated[str, Meta(pattern="^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")],
            dict[str, Any] | None,
        ]
        | UnsetType
    ) = UNSET
    valkey: Valkey | UnsetType = UNSET
    backup: Backup | UnsetType = UNSET
    restore: Restore | UnsetType = UNSET
    external_redis: ExternalRedis | UnsetType = UNSET
    otel: Otel | UnsetType = UNSET
    monitoring: Monitoring | UnsetType = UNSET
    network_policy: NetworkPolicy | UnsetType = UNSET
    smoke_test: SmokeTest | UnsetType = UNSET
    extra_objects: list[dict[str, Any] | str] | UnsetType = UNSET
    #: Helm passes this to every subchart.
    global_: dict[str, Any] | UnsetType = msgspec.field(default=UNSET, name="global")
