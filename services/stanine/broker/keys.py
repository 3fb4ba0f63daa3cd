"""Keys of a queue.

They share one hash tag, so that a function may use all of them in a Redis Cluster.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class QueueKeys:
    """The keys of one queue (contents: functions/layout.lua)."""

    ready: str
    delayed: str
    dead: str
    leases: str
    settings: str
    #: Where idle consumers of a rate-limited queue wait (functions/delivering.lua).
    bell: str


def queue_keys(namespace: str, queue: str) -> QueueKeys:
    """Return the keys of a queue.

    A namespace that contains a hash tag (`shop:{a}`) keeps it: the queue shares a slot with all keys of that tag, so
    that one function can write a record and its message atomically. Otherwise the queue's name is the tag.
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
    """Return the key of the namespace's loaded function libraries (zset: name, ms)."""
    return f"{namespace}:libraries"
