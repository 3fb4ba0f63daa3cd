"""Every key of a queue is made here. All keys of a queue share one hash tag, so that one function may touch them in a Redis Cluster."""

from dataclasses import dataclass


@dataclass(frozen=True)
class QueueKeys:
    """The keys of one queue (what each holds: functions/layout.lua)."""

    ready: str
    delayed: str
    dead: str
    leases: str
    settings: str
    #: Where idle consumers of a limited queue wait (functions/delivering.lua).
    bell: str


def queue_keys(namespace: str, queue: str) -> QueueKeys:
    """Return the keys of a queue.

    A namespace that has a hash tag already (`shop:{a}`) keeps it: the queue then lies beside whatever else has that tag, and a function
    may write a record and its message at once. Otherwise the queue's name is the tag.
    """
    base = f"{namespace}:q:{queue}" if "{" in namespace else f"{namespace}:{{{queue}}}"
    return QueueKeys(
        f"{base}:ready",
        f"{base}:delayed",
        f"{base}:dead",
        f"{base}:leases",
        f"{base}:settings",
        f"{base}:bell",
    )


def libraries_key(namespace: str) -> str:
    """Return the key that remembers which function libraries were loaded for this namespace, and when (zset: name, ms)."""
    return f"{namespace}:libraries"
