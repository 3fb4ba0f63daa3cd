"""What a turn of one RedisConfig sees, decides and does: plain records that the pure modules exchange with server.py and turn.py."""

import msgspec

from stanine.broker.connection.errors import ServerProblem


class ServerMemory(msgspec.Struct, frozen=True):
    """Bytes of a server's memory; `max_bytes` 0: no limit."""

    used_bytes: int
    max_bytes: int
    #: Resident memory in shares of the used.
    fragmentation: float


class ServerInfo(msgspec.Struct, frozen=True):
    """What INFO says of a server."""

    #: "valkey 9.1.0", "redis 7.0.15".
    version: str
    #: primary or replica.
    role: str
    #: Changes whenever the server starts, and with a failover.
    run_id: str
    eviction_policy: str
    memory: ServerMemory


class Parameter(msgspec.Struct, frozen=True):
    """A server parameter and a value as CONFIG takes it."""

    name: str
    value: str


class Drift(msgspec.Struct, frozen=True):
    """A parameter that is not as wanted; `found` None: the server does not know it."""

    name: str
    wanted: str
    found: str | None


class ObservedParameters(msgspec.Struct, frozen=True):
    """What CONFIG GET says of the wanted parameters, or why it does not."""

    found: tuple[Parameter, ...] = ()
    refusal: ServerProblem | None = None

    def value(self, name: str) -> str | None:
        """Return the server's value of a parameter, or None if it does not know it."""
        return next((parameter.value for parameter in self.found if parameter.name == name), None)


class Refused(msgspec.Struct, frozen=True):
    """A CONFIG SET that was refused as a whole: the server's reason, and whether trying again may help."""

    text: str
    problem: ServerProblem


class ParameterChange(msgspec.Struct, frozen=True):
    """What became of a CONFIG SET: the values as they stand now, and its refusal, or what the server kept in place of what was set."""

    seen: ObservedParameters
    refused: Refused | None = None
    kept: tuple[Drift, ...] = ()
