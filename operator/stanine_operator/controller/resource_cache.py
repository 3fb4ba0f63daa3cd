"""Thread-safe cache of every known custom resource, filled from kopf's watch.

Reconcilers use it to resolve references and to detect conflicts. kopf calls no handler before the first list of every
kind is complete, so a reconciliation never sees a partial cache.
"""

import threading
import time
from collections.abc import Callable, Iterable

from stanine_operator.controller.resource import Key, Resource

#: Seconds that a deleted RedisConfig is kept: resources deleted together with it can still be finalized.
REMEMBERED = 120.0


class ResourceCache:
    """Resources of all kinds by key. Readers receive frozen records and copied lists."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._resources: dict[Key, Resource] = {}
        self._by_kind: dict[str, dict[Key, Resource]] = {}
        self._recently_deleted: dict[Key, tuple[float, Resource]] = {}
        #: (namespace, RedisConfig name) -> keys of the resources that refer to it.
        self._referrers: dict[tuple[str, str], set[Key]] = {}

    def get(self, key: Key) -> Resource | None:
        """Return a resource, or None."""
        return self._resources.get(key)

    def redis_config(self, namespace: str, name: str) -> Resource | None:
        """Return a RedisConfig, or None; references never cross namespaces."""
        return self._resources.get(("RedisConfig", namespace, name))

    def recently_deleted(self, namespace: str, name: str) -> Resource | None:
        """Return a RedisConfig that was deleted within the last two minutes, or None."""
        found = self._recently_deleted.get(("RedisConfig", namespace, name))
        return found[1] if found is not None and self._clock() - found[0] <= REMEMBERED else None

    def all(self, kind: str) -> list[Resource]:
        """Return all resources of a kind, unordered."""
        with self._lock:
            return list(self._by_kind.get(kind, {}).values())

    def keys(self) -> list[Key]:
        """Return all keys."""
        with self._lock:
            return list(self._resources)

    def referring_to(self, namespace: str, redis_config: str) -> list[Key]:
        """Return the keys of all resources that refer to a RedisConfig."""
        with self._lock:
            return list(self._referrers.get((namespace, redis_config), ()))

    def put(self, resource: Resource) -> bool:
        """Store a state unless it is older than the cached one. Return whether it is newer."""
        with self._lock:
            known = self._resources.get(resource.key)
            if known is not None and not resource.is_newer_than(known):
                if known.uid == resource.uid and known.version == resource.version:
                    # The cached state is what the operator wrote; the API server may have pruned fields that an older
                    # CRD does not know.
                    self._store(known, resource)
                return False
            self._store(known, resource)
            return True

    def update(self, resource: Resource) -> None:
        """Store a state that the operator wrote, unless the resource was deleted since."""
        with self._lock:
            known = self._resources.get(resource.key)
            if known is not None and known.uid == resource.uid and resource.is_newer_than(known):
                self._store(known, resource)

    def drop(self, key: Key, uid: str = "", history: int | None = None) -> Resource | None:
        """Remove a deleted resource and return it, if it has this uid and no later history."""
        with self._lock:
            known = self._resources.get(key)
            if (
                known is None
                or (uid and known.uid != uid)
                or (history is not None and known.history > history)
            ):
                return None
            del self._resources[key]
            del self._by_kind[key[0]][key]
            self._unlink(known)
            if key[0] == "RedisConfig":
                now = self._clock()
                self._recently_deleted = {
                    k: v for k, v in self._recently_deleted.items() if now - v[0] <= REMEMBERED
                }
                self._recently_deleted[key] = (now, known)
            return known

    def _store(self, known: Resource | None, resource: Resource) -> None:
        if known is not None:
            self._unlink(known)
        self._resources[resource.key] = resource
        self._by_kind.setdefault(resource.kind, {})[resource.key] = resource
        if resource.kind != "RedisConfig":
            reference = resource.namespace, resource.redis_config_name
            self._referrers.setdefault(reference, set()).add(resource.key)

    def _unlink(self, resource: Resource) -> None:
        reference = resource.namespace, resource.redis_config_name
        keys = self._referrers.get(reference)
        if keys is not None and resource.kind != "RedisConfig":
            keys.discard(resource.key)
            if not keys:
                del self._referrers[reference]


def older(a: Resource, b: Resource) -> Resource:
    """Return the resource created first; within the same second, the smaller uid decides."""
    return min(a, b, key=lambda resource: (resource.created, resource.uid))


def oldest(resources: Iterable[Resource]) -> Resource | None:
    """Return the resource that was created first, or None."""
    return min(resources, key=lambda resource: (resource.created, resource.uid), default=None)
