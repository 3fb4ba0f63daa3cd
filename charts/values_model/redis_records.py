"""Values of the bundled Valkey server and of an external server. Used by `records`."""

from typing import Annotated, Any, Literal

import msgspec
from charts.values_model.shared import (
    Group,
    Image,
    Key,
    Labels,
    Name,
    PodFields,
    Port,
    Quantity,
    Resources,
    Seconds,
    ServiceAccount,
)
from msgspec import UNSET, Meta, UnsetType


class ValkeyAuth(Group, frozen=True):
    """Users and passwords of the bundled server."""

    existing_secret: Name | UnsetType = UNSET
    redis_before72: bool | UnsetType = msgspec.field(default=UNSET, name="redisBefore72")


class Persistence(Group, frozen=True):
    """The data volume."""

    enabled: bool | UnsetType = UNSET
    size: Quantity | UnsetType = UNSET
    storage_class_name: str | UnsetType = UNSET
    access_modes: (
        list[Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"]] | UnsetType
    ) = UNSET
    existing_claim: Name | UnsetType = UNSET
    annotations: Labels | UnsetType = UNSET
    when_deleted: Literal["Retain", "Delete"] | UnsetType = UNSET


class ValkeyService(Group, frozen=True):
    """The bundled server's Service."""

    annotations: Labels | UnsetType = UNSET


class Valkey(PodFields, frozen=True):
    """The bundled server."""

    enabled: bool | UnsetType = UNSET
    image: Image | UnsetType = UNSET
    image_has_shell: bool | UnsetType = UNSET
    auth: ValkeyAuth | UnsetType = UNSET
    max_memory: Annotated[str, Meta(pattern=r"^[1-9][0-9]*([kmgKMG][bB]?)?$")] | UnsetType = UNSET
    appendfsync: Literal["everysec", "always", "no"] | UnsetType = UNSET
    config: dict[str, str | int | None] | UnsetType = UNSET
    check_append_only_file: bool | UnsetType = UNSET
    persistence: Persistence | UnsetType = UNSET
    pod_security_context: dict[str, Any] | UnsetType = UNSET
    service: ValkeyService | UnsetType = UNSET
    service_account: ServiceAccount | UnsetType = UNSET
    resources: Resources | UnsetType = UNSET
    termination_grace_period_seconds: Seconds | UnsetType = UNSET


class ExternalTls(Group, frozen=True):
    """TLS to an external server."""

    enabled: bool | UnsetType = UNSET
    existing_secret: Name | UnsetType = UNSET
    ca_key: Key | UnsetType = UNSET
    certificate_key: Key | UnsetType = UNSET
    private_key_key: Key | UnsetType = UNSET


class SentinelNode(Group, frozen=True):
    """A sentinel."""

    host: Annotated[str, Meta(min_length=1)]
    port: Port | UnsetType = UNSET


class ExternalSentinel(Group, frozen=True):
    """Sentinels of an external server."""

    enabled: bool | UnsetType = UNSET
    master_name: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET
    nodes: list[SentinelNode] | UnsetType = UNSET
    existing_secret: Name | UnsetType = UNSET
    password_key: Key | UnsetType = UNSET
    username_key: Key | UnsetType = UNSET


class ExternalRedis(Group, frozen=True):
    """An external server."""

    host: str | UnsetType = UNSET
    port: Port | UnsetType = UNSET
    db: Annotated[int, Meta(ge=0, le=1_023)] | UnsetType = UNSET
    existing_secret: Name | UnsetType = UNSET
    password_key: Key | UnsetType = UNSET
    username_key: Key | UnsetType = UNSET
    user_per_service: bool | UnsetType = UNSET
    tls: ExternalTls | UnsetType = UNSET
    sentinel: ExternalSentinel | UnsetType = UNSET
