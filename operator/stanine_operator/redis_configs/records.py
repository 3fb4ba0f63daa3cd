"""Records exchanged between the pure modules, server.py and reconcile.py."""

import msgspec

from stanine.broker.connection.errors import ServerProblem


class ServerMemory(msgspec.Struct, frozen=True):
    """Memory of a server in bytes; `max_bytes` 0: no limit."""

    used_bytes: int
    max_bytes: int
    #: Ratio of resident to used memory.
    fragmentation: float


class ServerInfo(msgspec.Struct, frozen=True):
    """Figures from INFO."""

    #: "valkey 9.1.0", "redis 7.0.15".
    version: str
    #: primary or replica.
    role: str
    #: Changes when the server starts and at a failover.
    run_id: str
    eviction_policy: str
    memory: ServerMemory


class Parameter(msgspec.Struct, frozen=True):
    """A server parameter with a value in the form of CONFIG."""

    name: str
    value: str


class Drift(msgspec.Struct, frozen=True):
    """A parameter with an unwanted value; `found` None: unknown to the server."""

    name: str
    wanted: str
    found: str | None


class ObservedParameters(msgspec.Struct, frozen=True):
    """Answer to CONFIG GET for the wanted parameters, or why it was rejected."""

    found: tuple[Parameter, ...] = ()
    refusal: ServerProblem | None = None

    def value(self, name: str) -> str | None:
        """Return the server's value of a parameter, or None if the server does not know it."""
        return next((parameter.value for parameter in self.found if parameter.name == name), None)


class Refused(msgspec.Struct, frozen=True):
    """A CONFIG SET that was rejected as a whole."""

    text: str
    problem: ServerProblem


class ParameterChange(msgspec.Struct, frozen=True):
    """Result of a CONFIG SET: the current values, and its rejection or the values kept instead."""

    observed: ObservedParameters
    refused: Refused | None = None
    kept: tuple[Drift, ...] = ()
