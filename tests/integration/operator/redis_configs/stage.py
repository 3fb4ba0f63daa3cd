"""RedisConfigs and their reconciliation with a real server and without an API server."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import redis

from stanine.crds.reading import read_redis_config
from stanine_operator.controller.context import ReconcileContext
from stanine_operator.controller.problems import (
    SECRET_NOT_FOUND,
    SERVER_ERRORS,
    OperatorProblem,
    problem_of,
)
from stanine_operator.controller.reconcile_result import EventSpec, ReconcileResult
from stanine_operator.controller.resource import Resource
from stanine_operator.controller.resource_cache import ResourceCache
from stanine_operator.controller.status import compose_status
from stanine_operator.redis_configs import reconcile
from stanine_operator.redis_servers.connections import Connections

NAMES = iter(f"config-{number}" for number in range(1_000_000))


@dataclass
class Config:
    """One RedisConfig as in the API server, and its last result."""

    stage: "Stage"
    resource: Resource
    events: list[EventSpec] = field(default_factory=list)

    def apply(self, **spec: Any) -> "Config":
        """Change fields of the spec; None removes one."""
        after = {
            name: value for name, value in (self.resource.spec | spec).items() if value is not None
        }
        grown = self.resource.generation + (after != self.resource.spec)
        self._put(msgspec.structs.replace(self.resource, spec=after, generation=grown))
        return self

    def reconcile(self) -> ReconcileResult:
        """Reconcile once and compose the status.

        Raises OperatorProblem where Ready would be False.
        """
        context = ReconcileContext(
            self.stage.connections,
            self.stage.resource_cache,
            self.stage.operator,
        )
        try:
            outcome = reconcile(self.resource, read_redis_config(self.resource.spec), context)
        except SERVER_ERRORS as error:
            problem = problem_of(error)
            self.stage.connections.report_failure(self.resource, problem)
            raise problem from error
        status = compose_status(
            self.resource.status,
            outcome.conditions,
            generation=self.resource.generation,
            now=datetime.now(UTC).isoformat(),
            fields=outcome.fields,
        )
        self.events += outcome.events
        self._put(msgspec.structs.replace(self.resource, status=status))
        return outcome

    def condition(self, kind: str) -> tuple[str, str]:
        found = next(each for each in self.resource.status["conditions"] if each["type"] == kind)
        return found["status"], found["reason"]

    def message(self, kind: str) -> str:
        return str(
            next(each for each in self.resource.status["conditions"] if each["type"] == kind)[
                "message"
            ]
        )

    def delete(self) -> None:
        self.stage.resource_cache.drop(self.resource.key)

    def _put(self, resource: Resource) -> None:
        self.resource = msgspec.structs.replace(
            resource, version=str(int(resource.version or 0) + 1)
        )
        self.stage.resource_cache.put(self.resource)


@dataclass
class Stage:
    """The state of one operator. Secrets may be changed at any time."""

    port: int
    secrets: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    resource_cache: ResourceCache = field(default_factory=ResourceCache)
    operator: str = "test"

    def __post_init__(self) -> None:
        self.connections = Connections(self.read_secret)
        self.client = redis.Redis(port=self.port, decode_responses=True)
        self.client_of_bytes = redis.Redis(port=self.port)

    def read_secret(self, namespace: str, name: str) -> dict[str, bytes]:
        if (namespace, name) not in self.secrets:
            raise OperatorProblem(SECRET_NOT_FOUND, f"There is no Secret {name}.")
        return self.secrets[namespace, name]

    def config(self, *, namespace: str = "ns", created: int = 0, **spec: Any) -> Config:
        name = next(NAMES)
        whole = {"connection": {"host": "127.0.0.1", "port": self.port}} | spec
        made = Config(self, Resource(kind="RedisConfig", namespace=namespace, name=name, uid=name, spec=whole,
                                     created=f"2026-11-23T09:{created:02}:00Z", version="1"))  # fmt: skip
        self.resource_cache.put(made.resource)
        return made

    def parameter(self, name: str) -> str:
        found: Any = self.client.config_get(name)
        return str(found[name])

    def allow(self, *rules: str) -> None:
        """Change what the default user may do."""
        execute: Any = self.client.execute_command
        execute("ACL SETUSER", "default", *rules)

    def close(self) -> None:
        self.connections.close()
        self.client.close()
        self.client_of_bytes.close()


def server(**parameters: str) -> list[dict[str, str]]:
    """Return `spec.server`."""
    return [{"name": name.replace("_", "-"), "value": value} for name, value in parameters.items()]
