"""Reconcile one RedisConfig. `reconcile` is idempotent and may be interrupted at any point.

Parameters are set before settings, because the settings may need more memory or another eviction policy. A failed
part does not prevent the other; only an unreachable server ends the reconciliation.
"""

from collections.abc import Sequence

import msgspec

from stanine.broker.connection.errors import READ_ONLY
from stanine.broker.connection.ownership import Owner
from stanine.crds.redis_config import RedisConfigSpec
from stanine.crds.settings import given_settings
from stanine.store.settings.changes import Configuration
from stanine.store.settings.snapshot import SettingsLayout
from stanine_operator.controller.conditions import find_condition
from stanine_operator.controller.context import ReconcileContext
from stanine_operator.controller.reconcile_result import (
    EventSpec,
    ReconcileResult,
    ResourceCondition,
)
from stanine_operator.controller.resource import Resource
from stanine_operator.redis_configs import parameters
from stanine_operator.redis_configs.conflicts import (
    find_expired_holder,
    find_parameters_conflict,
    find_settings_conflict,
)
from stanine_operator.redis_configs.memory import (
    PAST_THRESHOLD,
    memory_condition,
    memory_gauges,
    publish_memory,
)
from stanine_operator.redis_configs.ready_condition import make_ready_condition
from stanine_operator.redis_configs.records import Drift, Parameter, ServerInfo
from stanine_operator.redis_configs.server import (
    measure_latency,
    read_parameters,
    read_server_info,
    set_parameters,
)
from stanine_operator.redis_configs.settings import (
    APPLIED,
    MIGRATED,
    DeclaredSettings,
    Failure,
    applied_condition,
    choose_steps,
    handled_pin,
    migrated_condition,
)
from stanine_operator.redis_configs.settings_store import (
    apply_steps,
    config_library,
    measure,
    prepare,
    read_configuration,
)
from stanine_operator.redis_servers.connections import Server


class _Parameters(msgspec.Struct, frozen=True):
    """Result for the server's parameters."""

    condition: ResourceCondition
    drift: tuple[Drift, ...] = ()
    events: tuple[EventSpec, ...] = ()
    changed: bool = False


class _Settings(msgspec.Struct, frozen=True):
    """Result for the settings."""

    conditions: tuple[ResourceCondition, ResourceCondition]
    fields: dict[str, object] = {}


def reconcile(
    resource: Resource, spec: RedisConfigSpec, context: ReconcileContext
) -> ReconcileResult:
    """Apply the desired parameters and settings, as far as the policies permit."""
    server = context.connections.open(resource)
    info = read_server_info(server.client)
    configuration = Configuration(server.client, config_library(), server.keys)
    configured = _configure_server(resource, spec, server, info, context)
    if configured.changed:
        info = read_server_info(server.client)
    settings = _configure_settings(resource, spec, server, info, context, configuration)
    layouts = measure(configuration)
    high = memory_condition(
        info.memory, info.eviction_policy, spec.memory_warning_percent, was_high=_was_high(resource)
    )
    parts = (
        ResourceCondition("Reachable", True, "Answered", f"{info.version} answers"),
        configured.condition,
        *settings.conditions,
        high,
    )
    return ReconcileResult(
        conditions=(
            make_ready_condition(parts, server_needed=spec.management_policy == "Apply"),
            *parts,
        ),
        fields={
            "serverVersion": info.version,
            "runId": info.run_id,
            "role": info.role,
            "drift": parameters.publish_drift(configured.drift),
            "memory": publish_memory(info.memory, layouts, resource.status.get("memory")),
            **settings.fields,
        },
        gauges=memory_gauges(info.memory, layouts)
        | {"latency_seconds": measure_latency(server.client)},
        events=configured.events + server.acl_file.reload_if_changed(server.client),
    )


def _configure_server(
    resource: Resource,
    spec: RedisConfigSpec,
    server: Server,
    info: ServerInfo,
    context: ReconcileContext,
) -> _Parameters:
    wanted = tuple(Parameter(each.name, each.value) for each in spec.server)
    conflict = find_parameters_conflict(
        resource, context.resource_cache.all("RedisConfig"), info.run_id
    )
    if conflict is not None:
        text = f"{conflict.title} is older and owns this server's parameters: declare them there, or delete it"
        return _Parameters(ResourceCondition(parameters.CONDITION, False, "ResourceConflict", text))
    if info.role == "replica" and wanted and spec.management_policy == "Apply":
        return _Parameters(
            ResourceCondition(parameters.CONDITION, False, READ_ONLY.reason, READ_ONLY.remedy)
        )
    rules = parameters.read_rules(
        resource,
        observe=spec.management_policy == "Observe",
        report=spec.drift_policy == "Report",
        run_id=info.run_id,
    )
    before = read_parameters(server.client, [each.name for each in wanted])
    drift = () if before.refusal else parameters.find_drift(wanted, before)
    changes = parameters.choose_changes(drift, rules)
    if not changes:
        return _Parameters(parameters.parameters_condition(wanted, before, rules), drift)
    change = set_parameters(server.client, changes, before)
    condition = parameters.change_condition(wanted, change, rules)
    remaining = () if change.observed.refusal else parameters.find_drift(wanted, change.observed)
    corrected = condition.status is True and rules.applied
    event = EventSpec(
        True,
        "DriftCorrected",
        f"another client had changed {', '.join(each.name for each in changes)}: set again",
    )
    return _Parameters(condition, remaining, (event,) if corrected else (), changed=True)


def _configure_settings(
    resource: Resource,
    spec: RedisConfigSpec,
    server: Server,
    info: ServerInfo,
    context: ReconcileContext,
    configuration: Configuration,
) -> _Settings:
    conflict = find_settings_conflict(
        resource, context.resource_cache.all("RedisConfig"), info.run_id
    )
    if conflict is not None:
        text = f"{conflict.title} is older and owns the settings of this key namespace: declare them there, or delete it"
        return _both("ResourceConflict", text)
    if info.role == "replica":
        return _both(READ_ONLY.reason, READ_ONLY.remedy)
    declared = DeclaredSettings(
        manager=Owner(resource.title, resource.uid, resource.created, context.operator_id),
        values=None if resource.spec.get("settings") is None else given_settings(spec.settings),
        layout=SettingsLayout(spec.layout),
        dual=spec.compatibility == "DualWrite",
        pin=spec.rollback_to,
        handled_pin=resource.status.get("lastHandledPin"),
    )
    stored = prepare(server, info.eviction_policy) or read_configuration(configuration)
    if isinstance(stored, Failure):
        return _both(stored.reason, stored.message)
    failures: Sequence[Failure] = ()
    if steps := choose_steps(declared, stored):
        failures = apply_steps(
            configuration,
            steps,
            declared.manager,
            gone=find_expired_holder(stored.managed_by, context.resource_cache),
        )
        stored = read_configuration(configuration)
        if isinstance(stored, Failure):
            return _both(stored.reason, stored.message)
    fields: dict[str, object] = {"revision": stored.revision, "layout": str(stored.layout)}
    if (pin := handled_pin(declared, failures)) is not None:
        fields["lastHandledPin"] = pin
    return _Settings(
        (
            applied_condition(declared, stored, failures),
            migrated_condition(declared, stored, failures),
        ),
        fields,
    )


def _both(reason: str, message: str) -> _Settings:
    return _Settings(
        (
            ResourceCondition(APPLIED, False, reason, message),
            ResourceCondition(MIGRATED, False, reason, message),
        )
    )


def _was_high(resource: Resource) -> bool:
    """Return whether the warning started under the same threshold."""
    condition = find_condition(resource.status.get("conditions") or (), "MemoryHigh") or {}
    same = condition.get("observedGeneration") == resource.generation
    return same and (condition.get("status"), condition.get("reason")) == ("True", PAST_THRESHOLD)
