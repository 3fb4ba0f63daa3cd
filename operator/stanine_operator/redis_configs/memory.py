"""A server's memory: figures for the status and the condition MemoryHigh.

Pure; called by reconcile.py. The status is written only when it changes, so figures are rounded, and a published
figure is kept while the new one is close to it: an idle server causes no writes.
"""

from collections.abc import Mapping

from stanine.store.settings.changes import Memory as LayoutsMemory
from stanine.store.settings.snapshot import SettingsLayout
from stanine_operator.controller.figures import round_figure
from stanine_operator.controller.reconcile_result import ResourceCondition
from stanine_operator.redis_configs.records import ServerMemory

#: A published figure is kept while the new one is within this share of it: more than the buffers of an idle server
#: vary.
STABLE_WITHIN = 0.1
#: Percentage points of maxmemory by which usage must fall below the threshold before the warning ends.
HYSTERESIS_PERCENT = 5
#: Reason of the warning.
PAST_THRESHOLD = "PastThreshold"
#: The policy that Stanine's services require: an evicted record would be a lost answer.
SAFE_POLICY = "noeviction"


def publish_memory(
    memory: ServerMemory, layouts: LayoutsMemory | None, published: object
) -> dict[str, int]:
    """Return `status.memory`. Figures close to those `published` before are kept.

    `maxBytes` is exact.
    """
    before = published if isinstance(published, Mapping) else {}
    figures = {
        "usedBytes": float(memory.used_bytes),
        "fragmentationPercent": memory.fragmentation * 100,
    }
    if layouts is not None:
        figures |= {
            "hashLayoutBytes": layouts.of(SettingsLayout.HASH),
            "stringLayoutBytes": layouts.of(SettingsLayout.STRING),
        }
    rounded = {name: _keep_or_round(value, before.get(name)) for name, value in figures.items()}
    return rounded | {"maxBytes": memory.max_bytes}


def _keep_or_round(value: float, published: object) -> int:
    if (
        isinstance(published, int)
        and published > 0
        and abs(value - published) <= STABLE_WITHIN * published
    ):
        return published
    return round_figure(value)


def memory_condition(
    memory: ServerMemory, policy: str, warning_percent: int, *, was_high: bool
) -> ResourceCondition:
    """Return the condition MemoryHigh: True above the threshold, or if records may be evicted.

    It does not affect Ready. Once True for the threshold (`was_high`), it ends HYSTERESIS_PERCENT below it, so that a
    server at the threshold does not alternate.
    """
    if policy != SAFE_POLICY:
        return ResourceCondition(
            "MemoryHigh",
            True,
            "EvictionPolicy",
            f"maxmemory-policy is {policy}: the server may evict records, and Stanine's services do not start on it;"
            f" set it to {SAFE_POLICY} in spec.server or on the server",
        )
    if memory.max_bytes == 0:
        return ResourceCondition(
            "MemoryHigh",
            False,
            "NoLimit",
            "the server has no maxmemory: only the machine's memory limits it; set one in spec.server",
        )
    threshold = warning_percent - (HYSTERESIS_PERCENT if was_high else 0)
    if memory.used_bytes * 100 >= memory.max_bytes * threshold:
        return ResourceCondition(
            "MemoryHigh",
            True,
            PAST_THRESHOLD,
            f"the server uses about {warning_percent} % or more of its maxmemory, {memory.max_bytes} bytes;"
            " raise it in spec.server or remove data: new work is rejected at spec.settings.admissionPercent",
        )
    return ResourceCondition(
        "MemoryHigh",
        False,
        "BelowThreshold",
        f"the server uses less than {warning_percent} % of its maxmemory",
    )


def memory_gauges(memory: ServerMemory, layouts: LayoutsMemory | None) -> dict[str, float]:
    """Return the exact figures for Prometheus."""
    gauges = {
        "memory_used_bytes": float(memory.used_bytes),
        "memory_max_bytes": float(memory.max_bytes),
        "memory_fragmentation_ratio": memory.fragmentation,
    }
    if layouts is not None:
        gauges |= {
            "settings_hash_bytes": float(layouts.of(SettingsLayout.HASH)),
            "settings_string_bytes": float(layouts.of(SettingsLayout.STRING)),
            "settings_history_bytes": float(layouts.history),
        }
    return gauges
