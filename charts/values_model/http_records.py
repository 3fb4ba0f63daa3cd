"""Records of the values of API and pages, which are reached over HTTP. Used by `records`."""

from typing import Annotated, Literal

from charts.values_model.shared import (
    Autoscaling,
    Count,
    Group,
    Labels,
    Name,
    Objects,
    PodDisruptionBudget,
    Port,
    Process,
    Seconds,
)
from msgspec import UNSET, Meta, UnsetType

#: A text, or texts by language.
Localized = str | dict[str, str]
#: Addresses or networks of proxies.
Networks = list[Annotated[str, Meta(pattern="^[0-9a-fA-F.:]+(/[0-9]{1,3})?$")]]


class ApiKey(Group, frozen=True):
    """An API key, as in the keys file."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    scopes: list[
        Literal[
            "instruments:read",
            "instruments:write",
            "attempts:write",
            "attempts:read",
            "results:read",
            "sessions:write",
            "invitations:write",
            "erase",
            "operate",
            "operate:read",
        ]
    ]
    instruments: list[Annotated[str, Meta(min_length=1, max_length=128)]]
    key_space: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET


class ApiKeys(Group, frozen=True):
    """API keys and their permissions."""

    existing_secret: Name | UnsetType = UNSET
    generate_admin_key: bool | UnsetType = UNSET
    entries: list[ApiKey] | UnsetType = UNSET


class HttpService(Group, frozen=True):
    """The Service of API or pages."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] | UnsetType = UNSET
    port: Port | UnsetType = UNSET
    node_port: Annotated[int, Meta(ge=0, le=65_535)] | UnsetType = UNSET
    annotations: Labels | UnsetType = UNSET


class HttpRoute(Group, frozen=True):
    """A Gateway API HTTPRoute."""

    enabled: bool | UnsetType = UNSET
    parent_refs: Objects | UnsetType = UNSET
    hostnames: list[str] | UnsetType = UNSET
    timeouts: Labels | UnsetType = UNSET
    annotations: Labels | UnsetType = UNSET


class Ingress(Group, frozen=True):
    """An Ingress."""

    enabled: bool | UnsetType = UNSET
    class_name: str | UnsetType = UNSET
    annotations: Labels | UnsetType = UNSET
    hosts: list[str] | UnsetType = UNSET
    tls: Objects | UnsetType = UNSET


class Api(Process, frozen=True):
    """The HTTP API."""

    replicas: Count | UnsetType = UNSET
    service: HttpService | UnsetType = UNSET
    keys: ApiKeys | UnsetType = UNSET
    trusted_proxies: Networks | UnsetType = UNSET
    drain_seconds: Seconds | UnsetType = UNSET
    grace_seconds: Seconds | UnsetType = UNSET
    autoscaling: Autoscaling | UnsetType = UNSET
    pod_disruption_budget: PodDisruptionBudget | UnsetType = UNSET
    http_route: HttpRoute | UnsetType = UNSET
    ingress: Ingress | UnsetType = UNSET
    topology_spread_constraints: Objects | UnsetType = UNSET


class Organisation(Group, frozen=True):
    """Who asks, as participants read it."""

    name: Localized | UnsetType = UNSET
    contact: Localized | UnsetType = UNSET
    privacy_url: Localized | UnsetType = UNSET
    consent: Localized | UnsetType = UNSET
    instruments: dict[str, Localized] | UnsetType = UNSET


class Console(Group, frozen=True):
    """The reports of groups, for organisations."""

    enabled: bool | UnsetType = UNSET


class Pages(Process, frozen=True):
    """The pages for participants."""

    enabled: bool | UnsetType = UNSET
    base_path: Annotated[str, Meta(pattern="^((/[A-Za-z0-9._~-]+)+/?)?$")] | UnsetType = UNSET
    trusted_proxies: Networks | UnsetType = UNSET
    console: Console | UnsetType = UNSET
    organisation: Organisation | UnsetType = UNSET
    replicas: Count | UnsetType = UNSET
    service: HttpService | UnsetType = UNSET
    drain_seconds: Seconds | UnsetType = UNSET
    autoscaling: Autoscaling | UnsetType = UNSET
    pod_disruption_budget: PodDisruptionBudget | UnsetType = UNSET
    http_route: HttpRoute | UnsetType = UNSET
    ingress: Ingress | UnsetType = UNSET
    topology_spread_constraints: Objects | UnsetType = UNSET
