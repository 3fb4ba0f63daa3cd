"""The spec of a RedisConfig: one Redis server, its runtime parameters, and the application's settings of one key namespace."""

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from stanine.broker.connection.environment import DEFAULT_NAMESPACE
from stanine.crds.references import MAX_INT32, SecretKeyRef
from stanine.crds.server_parameters import PARAMETERS
from stanine.crds.settings import SettingsSpec
from stanine.domain.instruments.records import Record

if TYPE_CHECKING:
    ParameterName = str
else:
    ParameterName = Literal[tuple(PARAMETERS)]

#: Characters of a server parameter's value: `save` and `client-output-buffer-limit` are the longest, at about 100.
MAX_PARAMETER_VALUE = 512
#: Milliseconds: shorter times out on a busy machine, longer holds the operator up for nothing.
Timeout = Annotated[int, Meta(ge=100, le=60_000)]

KeyNamespace = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=63,
        pattern="^[A-Za-z0-9._-]+$",
        description="a prefix of keys: letters, digits, ., _ and -",
    ),
]
Host = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=253,
        pattern="^[A-Za-z0-9:]([A-Za-z0-9._:-]*[A-Za-z0-9])?$",
        description="a host name or IP address",
    ),
]
Port = Annotated[int, Meta(ge=1, le=65_535)]


class SentinelNode(Record, frozen=True):
    """One sentinel."""

    #: Host name or IP address of the sentinel. A name without a dot is a service of the resource's own namespace.
    host: Host
    #: Its port. Default: 26379.
    port: Port = 26_379


class Sentinel(Record, frozen=True):
    """Where to ask which server is the primary."""

    #: The name under which the sentinels watch the primary.
    master_name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=128,
            pattern="^[A-Za-z0-9._-]+$",
            description="a name: letters, digits, ., _ and -",
        ),
    ]
    #: The sentinels; the first that answers is asked.
    nodes: Annotated[tuple[SentinelNode, ...], Meta(min_length=1, max_length=16)]
    #: The user name at the sentinels, if they ask for one.
    username_secret_ref: SecretKeyRef | None = None
    #: The password at the sentinels, if they ask for one.
    password_secret_ref: SecretKeyRef | None = None


class Tls(Record, frozen=True):
    """TLS to the server. Written as `{}`, the server is checked against the system's authorities."""

    #: The authorities (PEM) that the server's certificate is checked against. Default: the system's.
    ca_secret_ref: SecretKeyRef | None = None
    #: The client's certificate (PEM), if the server asks for one.
    certificate_secret_ref: SecretKeyRef | None = None
    #: The private key (PEM) of the client's certificate.
    private_key_secret_ref: SecretKeyRef | None = None
    #: The name that the server's certificate must carry. Default: the host as it is written here, or a sentinel's primary's own.
    server_name: Host | None = None


class Connection(Record, frozen=True):
    """Where Redis is, as whom to log in, and how long to wait. Secrets are read from the resource's own namespace."""

    #: Host name or IP address of the server. A name without a dot is a service of the resource's own namespace. Either host or sentinel
    #: is needed.
    host: Host | None = None
    #: The server's port. Default: 6379.
    port: Port = 6_379
    #: The sentinels to ask for the primary, instead of a host.
    sentinel: Sentinel | None = None
    #: The database. Default: 0.
    db: Annotated[int, Meta(ge=0, le=1_023)] = 0
    #: The user name. Default: the server's default user.
    username_secret_ref: SecretKeyRef | None = None
    #: The password. Default: none.
    password_secret_ref: SecretKeyRef | None = None
    #: TLS to the server; without it the connection is not encrypted.
    tls: Tls | None = None
    #: How long to wait for a connection. Default: 2000.
    connect_timeout_milliseconds: Timeout = 2_000
    #: How long a command may take. Default: 5000.
    command_timeout_milliseconds: Timeout = 5_000


class ServerParameter(Record, frozen=True):
    """One runtime parameter of the server, set with CONFIG SET."""

    #: The parameter's name; only those listed here may be set.
    name: ParameterName
    #: Its value as CONFIG SET takes it, always as text: "100mb", "yes", "3600 1 300 100".
    value: Annotated[str, Meta(max_length=MAX_PARAMETER_VALUE)]


class RedisConfigSpec(Record, frozen=True, kw_only=True):
    """What a RedisConfig asks for."""

    #: The prefix of every key that this resource speaks for. Cannot be changed. Default: stanine.
    key_namespace: KeyNamespace = DEFAULT_NAMESPACE
    #: Where Redis is, as whom to log in, and how long to wait.
    connection: Connection
    #: Apply sets the server's parameters; Observe only reports them, for a managed server that refuses CONFIG SET. Default: Apply.
    management_policy: Literal["Apply", "Observe"] = "Apply"
    #: What happens to a server parameter that somebody else changed: Correct sets it again, Report only says so. Default: Correct.
    drift_policy: Literal["Correct", "Report"] = "Correct"
    #: The server's runtime parameters, applied all or none. One that is not listed is left as it is.
    server: Annotated[
        tuple[ServerParameter, ...], Meta(max_length=100, extra={"keys": ("name",)})
    ] = ()
    #: The application's runtime settings, written as a new revision when they change. One that is left out has its default.
    settings: SettingsSpec = SettingsSpec()
    #: How the settings are stored: a hash, or one string as earlier versions did. Changing it migrates them. Default: Hash.
    layout: Literal["Hash", "String"] = "Hash"
    #: DualWrite writes the settings in both layouts, so that a service of an earlier version keeps working. Default: None.
    compatibility: Literal["None", "DualWrite"] = "None"
    #: While this is set, the values of that revision of the settings stand, and spec.settings is not applied.
    rollback_to: Annotated[int, Meta(ge=1, le=MAX_INT32)] | None = None
    #: The share of the server's maxmemory in use from which the condition MemoryHigh is true. Default: 80.
    memory_warning_percent: Annotated[int, Meta(ge=1, le=100)] = 80
