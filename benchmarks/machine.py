"""Describe the machine and the server of a measurement; summarise figures of repeated runs."""

import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis


def machine() -> str:
    """Return a one-line description of the machine."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, load average at the start {load}"


def server_version(client: "redis.Redis") -> str:
    """Return name, version and memory allocator of a server."""
    info: Any = client.info()
    name = "Valkey" if "valkey_version" in info else "Redis"
    return f"{name} {info.get('valkey_version') or info['redis_version']} ({info['mem_allocator']})"


def main_thread_seconds(client: "redis.Redis") -> float:
    """Return the processor time of a server's main thread, in seconds."""
    info: Any = client.info("cpu")
    return float(info["used_cpu_user_main_thread"] + info["used_cpu_sys_main_thread"])


def median(values: Sequence[float]) -> float:
    """Return the median, rounded to four digits."""
    return digits(statistics.median(values))


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return minimum and maximum, rounded to four digits, and the number of values."""
    return {"min": digits(min(values)), "max": digits(max(values)), "runs": len(values)}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the percentile at a share from 0 to 1 (nearest rank)."""
    ordered = sorted(values)
    return digits(ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))])


def digits(value: float) -> float:
    """Round to four digits: more would be noise."""
    rounded = float(f"{value:.4g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) >= 10 else rounded
